//! HTML of messages to plain text.
//!
//! What platforms write is a small and flat dialect that they cleaned themselves; a browser's parser would be twenty crates for it. What counts here is
//! that no word is lost whatever the markup is: a tag that nobody knows is as if it were not there and its content stays, and what is no tag at all stays
//! as it is. One pass over the text, no tree and no recursion, so that hostile nesting costs nothing.

/// How deep lists and quotes are shown; what is deeper is shown at this depth.
const DEEPEST: usize = 16;
/// Tags and comments without an end that are looked for in vain before each `<` counts as text: each costs a look at all the rest.
const MOST_ENDLESS: u32 = 4;
/// Attributes of one tag that are looked at.
const MOST_ATTRIBUTES: usize = 64;
/// Bytes of an entity's name; the longest of HTML has 31.
const LONGEST_ENTITY: usize = 32;

/// What stands in a message's HTML and only its other fields explain.
pub trait Named {
    /// Who is meant by the mention with this id. A name in several parts is several mentions of one.
    fn mentioned(&self, id: &str) -> Option<String>;
    /// What the attachment with this id says, to be put in its place.
    fn attached(&mut self, id: &str) -> Option<String>;
    /// Whether it matters where a link leads.
    fn leads(&self, _target: &str) -> bool {
        true
    }
}

/// Where nothing else explains anything.
pub struct Nothing;

impl Named for Nothing {
    fn mentioned(&self, _id: &str) -> Option<String> {
        None
    }

    fn attached(&mut self, _id: &str) -> Option<String> {
        None
    }
}

/// A picture, sound or film that a text shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where it is.
    pub source: String,
    /// What stands there where it can't be shown; may be empty.
    pub alt: String,
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The plain text, `\n` between lines.
    pub text: String,
    /// What it shows, in order.
    pub shown: Vec<Shown>,
}

/// Reads HTML.
pub fn read(html: &str, named: &mut dyn Named) -> Read {
    let mut writer = Writer::default();
    let mut rest = html;
    let mut endless = 0;
    while let Some(at) = rest.find(['<', '&']) {
        writer.words(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with('&') {
            let (text, after) = entity(rest);
            match text {
                Some('\u{a0}') => writer.hard(' '),
                Some(other) => writer.hard(other),
                None => writer.hard('&'),
            }
            rest = after;
            continue;
        }
        match if endless < MOST_ENDLESS { markup(rest) } else { Markup::Text } {
            Markup::Tag(tag, after) => {
                writer.tag(&tag, named);
                rest = after;
                continue;
            }
            Markup::Comment(after) => {
                rest = after;
                continue;
            }
            Markup::Endless => endless += 1,
            Markup::Text => {}
        }
        writer.hard('<');
        rest = rest.get(1..).unwrap_or_default();
    }
    writer.words(rest);
    writer.finish()
}

/// What begins with a `<`.
enum Markup<'a> {
    Tag(Tag, &'a str),
    Comment(&'a str),
    /// A tag or comment, if it only ended.
    Endless,
    /// Just that sign.
    Text,
}

#[derive(Debug, Default)]
struct Tag {
    name: String,
    closes: bool,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> &str {
        self.attributes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

fn markup(text: &str) -> Markup<'_> {
    if let Some(inside) = text.strip_prefix("<!--") {
        return inside.split_once("-->").map_or(Markup::Endless, |(_, after)| Markup::Comment(after));
    }
    if text.starts_with("<!") || text.starts_with("<?") {
        return text.split_once('>').map_or(Markup::Endless, |(_, after)| Markup::Comment(after));
    }
    let mut tag = Tag::default();
    let mut rest = text.strip_prefix('<').unwrap_or(text);
    if let Some(after) = rest.strip_prefix('/') {
        tag.closes = true;
        rest = after;
    }
    if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Markup::Text;
    }
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
    (tag.name, rest) = split(rest, of_name);
    // An address in angle brackets, as people write it: no tag.
    if rest.starts_with(['@', '.']) {
        return Markup::Text;
    }
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return Markup::Endless;
        }
        if let Some(after) = rest.strip_prefix('>') {
            return Markup::Tag(tag, after);
        }
        let (name, after) = split(rest, |c| !c.is_ascii_whitespace() && !matches!(c, '=' | '>' | '/'));
        rest = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let raw;
            (raw, rest) = match quote {
                Some(quote) => match after.get(1..).unwrap_or_default().split_once(quote) {
                    Some((value, after)) => (value.to_owned(), after),
                    None => return Markup::Endless,
                },
                None => split(after, |c| !c.is_ascii_whitespace() && c != '>'),
            };
            value = unescape(&raw);
        }
        if tag.attributes.len() < MOST_ATTRIBUTES {
            tag.attributes.push((name, value));
        }
    }
}

/// What begins a text and fits, in small letters where it is ASCII; and the rest.
fn split(text: &str, fits: impl Fn(char) -> bool) -> (String, &str) {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    let (start, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (start.to_owned(), rest)
}

/// A text of an attribute.
fn unescape(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let (character, after) = entity(rest.get(at..).unwrap_or_default());
        out.push(character.unwrap_or('&'));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The names of U+00A0 to U+00FF, in order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 \
    ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde \
    Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute \
    ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// The character of an entity that begins here, and what follows it; without one, what follows the `&`. A name that is not known stays as it stands there.
fn entity(text: &str) -> (Option<char>, &str) {
    let inside = text.strip_prefix('&').unwrap_or(text);
    let name = inside.char_indices().take(LONGEST_ENTITY).find(|(_, c)| *c == ';').and_then(|(end, _)| inside.get(..end));
    let Some(name) = name else { return (None, inside) };
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        },
        None => LATIN.split_ascii_whitespace().zip(0xa0..).find(|(known, _)| *known == name).map(|(_, code)| code),
    };
    let character = number.and_then(char::from_u32).or(match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "euro" => Some('€'),
        "trade" => Some('™'),
        "hellip" => Some('…'),
        "ndash" => Some('–'),
        "mdash" => Some('—'),
        "lsquo" => Some('‘'),
        "rsquo" => Some('’'),
        "sbquo" => Some('‚'),
        "ldquo" => Some('“'),
        "rdquo" => Some('”'),
        "bdquo" => Some('„'),
        "bull" => Some('•'),
        "larr" => Some('←'),
        "rarr" => Some('→'),
        "le" => Some('≤'),
        "ge" => Some('≥'),
        "ne" => Some('≠'),
        "zwj" => Some('\u{200d}'),
        "zwnj" => Some('\u{200c}'),
        "ensp" | "emsp" | "thinsp" => Some(' '),
        _ => None,
    });
    match character {
        Some(character) => (Some(character), inside.get(name.len() + 1..).unwrap_or_default()),
        None => (None, inside),
    }
}

/// Writes the text line by line.
#[derive(Default)]
struct Writer {
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
    fn words(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\n' if self.kept > 0 => self.end_line(),
                '\r' if self.kept > 0 => {}
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

    fn tag(&mut self, tag: &Tag, named: &mut dyn Named) {
        match (tag.name.to_ascii_lowercase().as_str(), tag.closes) {
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

    fn finish(mut self) -> Read {
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Message;

    impl Named for Message {
        fn mentioned(&self, id: &str) -> Option<String> {
            match id {
                "0" | "1" => Some("ann".into()),
                "2" => Some("bob".into()),
                _ => None,
            }
        }

        fn attached(&mut self, id: &str) -> Option<String> {
            (id == "quote").then(|| "> Bob: sold\n> at 3".into())
        }
    }

    fn text(html: &str) -> String {
        read(html, &mut Message).text
    }

    #[test]
    fn lines_and_spaces() {
        for (html, plain) in [
            ("plain", "plain"),
            ("<p>one</p>\n<p>two</p>", "one\ntwo"),
            ("<p>one</p><p>&nbsp;</p><p>two</p>", "one\n\ntwo"),
            ("<div>a<br></div><div>b<br/><br>c</div>", "a\nb\n\nc"),
            ("  many \n\t spaces&nbsp;&nbsp;hard ", "many spaces  hard"),
            ("<div><div><div>deep</div></div></div>", "deep"),
            ("a<p>b</p>c", "a\nb\nc"),
            ("<b>bo</b>ld <i> it</i>", "bold it"),
            ("<p></p>", ""),
            ("<pre>a  b\n  c</pre>after", "a  b\n  c\nafter"),
            ("<codeblock class=\"Sql\"><code>select *<br>from  t</code></codeblock>", "select *\nfrom  t"),
            ("<blockquote>said<br>so</blockquote>indeed", "> said\n> so\nindeed"),
            ("one<hr>two", "one\n---\ntwo"),
            ("<h1>Title</h1>text", "Title\ntext"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn lists_and_tables() {
        assert_eq!(text("<ul><li>a</li><li><p>b</p><ol><li>c</li><li>d</li></ol></li></ul>e"), "- a\n- b\n  1. c\n  2. d\ne");
        assert_eq!(text("<ol start=\"3\"><li>c</li></ol><li>loose"), "3. c\n- loose");
        assert_eq!(text("<table><tbody><tr><td>a</td><td><p>b</p></td></tr><tr><th>c</th>\n<td>d</td></tr></table>"), "a | b\nc | d");
    }

    #[test]
    fn entities() {
        for (html, plain) in [
            ("3 &lt; 4 &amp;&amp; 5 &gt; 4 &quot;x&apos; &#39;&#x1F600;", "3 < 4 && 5 > 4 \"x' '😀"),
            ("&eacute;&Uuml;&szlig;&yuml;&iexcl;&euro;", "éÜßÿ¡€"),
            ("&unknown; &amp;lt; & &; &#xd800; &#99999999999; AT&T", "&unknown; &lt; & &; &#xd800; &#99999999999; AT&T"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn what_is_no_tag_is_text() {
        for (html, plain) in [
            ("a < b > c <3 <- <", "a < b > c <3 <- <"),
            ("to <ann@desk.example>", "to <ann@desk.example>"),
            ("<unknown x=1>kept</unknown>", "kept"),
            ("open <b", "open <b"),
            ("open <a href=\"x", "open <a href=\"x"),
            ("<!-- gone -->here<!-- open", "here<!-- open"),
            ("<!DOCTYPE html><?xml ?>x", "x"),
            ("</p></li></ul></blockquote></a></at>x", "x"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn links() {
        for (html, plain) in [
            ("<a href=\"https://a.example/?x=1&amp;y=2\">the book</a>.", "the book (https://a.example/?x=1&y=2)."),
            ("<a href='https://a.example/'>https://a.example</a>", "https://a.example"),
            ("<a href=https://a.example>a.example</a> <a href=\"mailto:ann@x\">ann@x</a>", "a.example ann@x"),
            ("see <a href=\"https://a.example\"></a>", "see https://a.example"),
            ("<a>no target</a>", "no target"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn mentions_attachments_and_pictures() {
        assert_eq!(
            text("<at id=\"0\">Ann</at>&nbsp;<at id=\"1\">Lee</at> and <at id=\"2\">Bob</at> <at id=\"2\">Bob</at>, <at id=\"2\">Bob</at>"),
            "@Ann Lee and @Bob Bob, @Bob"
        );
        assert_eq!(text("<at id=\"8\">all</at> <at id=\"9\">desk</at>"), "@all @desk");
        assert_eq!(text("<attachment id=\"quote\"></attachment><p>yes</p><attachment id=\"file\"></attachment>"), "> Bob: sold\n> at 3\nyes");
        let seen = read(
            "a <img alt=\"chart\" src=\"https://x/1\"> <img src='https://x/2'> <emoji id=\"smile\" alt=\"🙂\" title=\"Smile\"></emoji> <img itemtype=\"http://schema.skype.com/Emoji\" alt=\"😀\" src=\"https://x/3\"><video src=\"https://x/4\"></video>",
            &mut Nothing,
        );
        assert_eq!(seen.text, "a [chart] [image] 🙂 😀[video]");
        assert_eq!(seen.shown.iter().map(|shown| shown.source.as_str()).collect::<Vec<_>>(), ["https://x/1", "https://x/2", "https://x/4"]);
    }

    #[test]
    fn hostile_markup_takes_no_time() {
        for piece in ["<a ", "<!-- ", "<a href=\"", "&", "<", "<ul><li>", "<blockquote>", "<div>", "<at id=\"1\">", "&#"] {
            let html = piece.repeat(200_000);
            let out = text(&html);
            assert!(out.len() <= 200_000 * (piece.len() + 2 * DEEPEST + 4), "{piece}");
        }
    }
}
