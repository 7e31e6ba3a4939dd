//! What tags and texts of HTML are in a plain text, line by line: quotations as in e-mail, lists with dashes and numbers, a table's rows as lines, and where a link
//! leads behind what it says.

use super::{Named, Read, Shown, Tag};

/// How deep lists and quotes are shown; what is deeper is shown at this depth.
pub const DEEPEST: usize = 16;

/// Writes the text line by line.
#[derive(Default)]
pub struct Writer {
    out: Read,
    /// The line that is being written has something in it, be it a space that counts.
    line: bool,
    /// Space that counts only if something follows on this line.
    space: bool,
    /// What the next line begins with, if anything comes.
    marker: String,
    quotes: usize,
    /// Lists that are open: the next number, or unset for one with dashes.
    lists: Vec<Option<u64>>,
    /// Texts that are kept as they stand.
    kept: usize,
    /// In a cell of a table, whose row is one line.
    cell: bool,
    link: Option<(String, usize)>,
    /// The mention that is open or was last, and where in the text it ended.
    mention: Option<(String, usize)>,
}

impl Writer {
    /// Text: what space is in it counts as HTML's does.
    pub fn words(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\n' if self.kept > 0 => self.end_line(),
                '\r' if self.kept > 0 => {}
                // People and platforms put it where a space shall not vanish.
                '\u{a0}' => self.hard(' '),
                ' ' | '\t' | '\n' | '\r' | '\u{c}' if self.kept == 0 => self.space = true,
                c => self.hard(c),
            }
        }
    }

    /// A character that is neither markup nor space between words.
    fn hard(&mut self, c: char) {
        self.begin();
        self.out.text.push(c);
    }

    /// Before anything is written.
    fn begin(&mut self) {
        if !self.line {
            let indent = if self.marker.is_empty() { 0 } else { self.lists.len().clamp(1, DEEPEST) - 1 };
            self.out.text.push_str(&"> ".repeat(self.quotes.min(DEEPEST)));
            self.out.text.push_str(&"  ".repeat(indent));
            self.out.text.push_str(&std::mem::take(&mut self.marker));
            self.line = true;
        } else if self.space {
            self.out.text.push(' ');
        }
        self.space = false;
    }

    fn end_line(&mut self) {
        if self.kept == 0 {
            let end = self.out.text.trim_end_matches(' ').len();
            self.out.text.truncate(end);
        }
        self.out.text.push('\n');
        self.line = false;
        self.space = false;
    }

    /// What begins or ends here stands on lines of its own.
    fn block(&mut self) {
        if self.line {
            self.end_line();
        }
        self.space = false;
    }

    /// Text that comes from elsewhere, as it is.
    fn insert(&mut self, text: &str) {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.begin();
                self.end_line();
            }
            for c in line.chars() {
                self.hard(c);
            }
        }
    }

    /// A tag.
    pub fn tag(&mut self, tag: &Tag, named: &mut dyn Named) {
        match (tag.name.as_str(), tag.closes) {
            ("br", _) => self.end_line(),
            ("hr", false) => {
                self.block();
                self.insert("---");
                self.block();
            }
            ("p" | "div", _) if self.cell => self.space = true,
            ("tr" | "table", _) => {
                self.cell = false;
                self.block();
            }
            ("p" | "div" | "section" | "article" | "header" | "footer" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" | "dt" | "dd", _) => {
                self.block();
            }
            ("blockquote", false) => {
                self.block();
                self.quotes += 1;
            }
            ("blockquote", true) => {
                self.block();
                self.quotes = self.quotes.saturating_sub(1);
            }
            ("pre" | "codeblock", false) => {
                self.block();
                self.kept += 1;
            }
            ("pre" | "codeblock", true) => {
                self.block();
                self.kept = self.kept.saturating_sub(1);
            }
            ("ul", false) => self.list(None),
            ("ol", false) => self.list(Some(tag.get("start").parse().unwrap_or(1))),
            ("ul" | "ol", true) => {
                self.block();
                self.lists.pop();
            }
            ("li", false) => self.item(),
            ("li", true) => {
                self.block();
                self.marker.clear();
            }
            ("td" | "th", false) => {
                if self.line {
                    self.space = false;
                    self.insert(" |");
                    self.space = true;
                }
                self.cell = true;
            }
            ("a", false) => self.link = Some((tag.get("href").trim().to_owned(), self.out.text.len())),
            ("a", true) => self.link_ends(named),
            ("at", false) => self.mention(named.mentioned(tag.get("id"))),
            ("at", true) => {
                let end = self.out.text.len();
                if let Some((_, at)) = &mut self.mention {
                    *at = end;
                }
            }
            ("attachment", false) => {
                if let Some(text) = named.attached(tag.get("id")).filter(|text| !text.is_empty()) {
                    self.block();
                    self.insert(&text);
                    self.block();
                }
            }
            ("emoji" | "customemoji", false) => self.words(Some(tag.get("alt")).filter(|alt| !alt.is_empty()).unwrap_or(tag.get("title"))),
            (name @ ("img" | "video" | "audio"), false) => self.show(name, tag),
            _ => {}
        }
    }

    fn list(&mut self, number: Option<u64>) {
        self.block();
        // Beyond any real depth all is one list.
        if self.lists.len() < 1024 {
            self.lists.push(number);
        }
    }

    fn item(&mut self) {
        self.block();
        self.marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}. ");
                *number = number.saturating_add(1);
                marker
            }
            _ => "- ".into(),
        };
    }

    fn link_ends(&mut self, named: &dyn Named) {
        let Some((target, start)) = self.link.take() else { return };
        let label = self.out.text.get(start..).unwrap_or_default().trim();
        if target.is_empty() || says(label, &target) || !label.is_empty() && !named.leads(&target) {
            return;
        }
        let shown = if label.is_empty() { target } else { format!(" ({target})") };
        self.space &= label.is_empty();
        self.insert(&shown);
    }

    fn mention(&mut self, who: Option<String>) {
        let goes_on = match (&self.mention, &who) {
            (Some((last, end)), Some(who)) => last == who && self.out.text.get(*end..).is_some_and(|since| since.trim().is_empty()),
            _ => false,
        };
        if !goes_on {
            self.hard('@');
        }
        self.mention = who.map(|who| (who, self.out.text.len()));
    }

    fn show(&mut self, name: &str, tag: &Tag) {
        let (source, alt) = (tag.get("src").trim(), tag.get("alt").trim());
        let is_emoji = tag.get("itemtype").contains("Emoji")
            || tag.get("class").contains("emoji")
            || tag.attributes.iter().any(|(name, _)| name == "data-mx-emoticon");
        if source.is_empty() || is_emoji && !alt.is_empty() {
            self.words(alt);
            return;
        }
        self.out.shown.push(Shown { source: source.to_owned(), alt: alt.to_owned() });
        let kind = if name == "img" { "image" } else { name };
        self.words(&format!("[{}]", if alt.is_empty() { kind } else { alt }));
    }

    /// All that was written.
    pub fn finish(mut self) -> Read {
        let text = self.out.text.trim_end().trim_start_matches('\n').to_owned();
        self.out.text = text;
        self.out
    }
}

/// Whether a link's label is where it leads.
fn says(label: &str, target: &str) -> bool {
    let bare = target.split_once(':').map_or(target, |(_, rest)| rest).trim_start_matches('/');
    [target, bare].iter().any(|form| label == *form || label == form.trim_end_matches('/'))
}
