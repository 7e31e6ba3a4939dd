//! Slack's markup to plain text: `<@U1>` to `@Ann Lee`, `<https://a|b>` to `b (https://a)`, `&amp;` to `&`.
//!
//! Slack escapes exactly `&`, `<` and `>` in what people write, so a `<` in a text always begins markup of its own making. Integrations get it wrong; what
//! is no markup by its form stays as it stands. `*bold*`, `:emoji:` and code fences stay too: they read well as they are.

use std::collections::{HashMap, HashSet};

use crate::text::LONGEST_TEXT;

/// Names by id.
#[derive(Debug, Default)]
pub struct Names {
    /// Of users.
    pub users: HashMap<String, String>,
    /// Of channels.
    pub channels: HashMap<String, String>,
    /// Not names: ids of the teams that the listed users belong to. Whoever is of another one is from outside.
    pub home: HashSet<String>,
}

impl Names {
    /// A text without markup. A name is longer than its mention, so a text of mentions alone grows: beyond [`LONGEST_TEXT`] it ends unfinished, and whoever
    /// asked has to refuse it.
    pub fn plain(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('<').filter(|_| out.len() <= LONGEST_TEXT) {
            let (before, from) = rest.split_at(start);
            unescape(before, &mut out);
            let inner = from.strip_prefix('<').unwrap_or(from);
            match inner.find(['>', '<', '\n']).map(|end| inner.split_at(end)) {
                Some((inside, after)) if after.starts_with('>') && self.one(inside, &mut out) => rest = after.strip_prefix('>').unwrap_or(after),
                _ => {
                    out.push('<');
                    rest = inner;
                }
            }
        }
        unescape(rest, &mut out);
        out
    }

    /// One piece of markup, without its brackets. Says whether it was one.
    fn one(&self, inside: &str, out: &mut String) -> bool {
        let (what, label) = match inside.split_once('|') {
            Some((what, label)) => (what, Some(label).filter(|label| !label.is_empty())),
            None => (inside, None),
        };
        if let Some(id) = what.strip_prefix('@') {
            if id.is_empty() {
                return false;
            }
            mention('@', self.users.get(id).map(String::as_str), label, id, out);
        } else if let Some(id) = what.strip_prefix('#') {
            if id.is_empty() {
                return false;
            }
            // The label is the name when it was written; the list has the one of today.
            match label {
                Some(label) => mention('#', None, Some(label), id, out),
                None => mention('#', self.channels.get(id).map(String::as_str), None, id, out),
            }
        } else if let Some(command) = what.strip_prefix('!') {
            if command.is_empty() {
                return false;
            }
            special(command, label, out);
        } else if is_link(what) {
            link(what, label, out);
        } else {
            return false;
        }
        true
    }
}

fn mention(sign: char, name: Option<&str>, label: Option<&str>, id: &str, out: &mut String) {
    out.push(sign);
    match (name, label) {
        // A name from the user list has no escapes.
        (Some(name), _) => out.push_str(name.trim_start_matches(sign)),
        (None, label) => unescape(label.unwrap_or(id).trim_start_matches(sign), out),
    }
}

/// `<!channel>`, `<!here|@here>`, `<!subteam^S1|@fx-desk>`, `<!date^1392734382^{date}|18 February>`.
fn special(command: &str, label: Option<&str>, out: &mut String) {
    let (word, argument) = command.split_once('^').map_or((command, None), |(word, rest)| (word, rest.split('^').next()));
    match (word, label) {
        ("date", Some(label)) => unescape(label, out),
        ("date", None) => unescape(argument.unwrap_or(word), out),
        ("subteam", None) => mention('@', None, None, argument.unwrap_or(word), out),
        (_, label) => mention('@', None, label, word, out),
    }
}

/// A scheme and something after it, without space: `https://a`, `mailto:a@b`, `tel:1`.
fn is_link(what: &str) -> bool {
    let Some((scheme, rest)) = what.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
        && !rest.is_empty()
        && !what.contains(char::is_whitespace)
}

fn link(url: &str, label: Option<&str>, out: &mut String) {
    let Some(label) = label else { return unescape(url, out) };
    // Slack makes a link of `desk.example` and `ann@desk.example` by itself; what was typed says it all.
    let (_, bare) = url.split_once(':').unwrap_or(("", url));
    let same = label == url || label == bare || label == bare.trim_start_matches('/');
    unescape(label, out);
    if !same {
        out.push_str(" (");
        unescape(url, out);
        out.push(')');
    }
}

/// `&amp;`, `&lt;` and `&gt;`, each once: `&amp;lt;` is the text `&lt;`.
fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let known = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')].into_iter().find_map(|(code, sign)| Some((sign, from.strip_prefix(code)?)));
        if let Some((sign, after)) = known {
            out.push(sign);
            rest = after;
        } else {
            out.push('&');
            rest = from.strip_prefix('&').unwrap_or_default();
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let mut names = Names::default();
        names.users.insert("U1".into(), "Ann <Lee>".into());
        names.channels.insert("C1".into(), "rates-desk".into());
        names.plain(text)
    }

    #[test]
    fn every_kind_of_markup() {
        for (markup, text) in [
            ("hi <@U1>, see <#C1>", "hi @Ann <Lee>, see #rates-desk"),
            ("<@U9> <@U9|bob> <@U1|old-name>", "@U9 @bob @Ann <Lee>"),
            ("<#C9|fx> <#C9> <#C1|> <#C1|old>", "#fx #C9 #rates-desk #old"),
            ("<!channel> <!here> <!everyone|everyone> <!here|@here>", "@channel @here @everyone @here"),
            ("<!subteam^S1|@fx> <!subteam^S1>", "@fx @S1"),
            ("<!date^1392734382^{date}^https://a|18 February> <!date^1392734382^{date}>", "18 February 1392734382"),
            ("<https://a.example/?x=1&amp;y=2>", "https://a.example/?x=1&y=2"),
            ("<https://a.example|the &lt;book&gt;>", "the <book> (https://a.example)"),
            ("<http://desk.example|desk.example> <mailto:ann@desk.example|ann@desk.example>", "desk.example ann@desk.example"),
            ("a &lt; b &amp;&amp; c &gt; d &amp;lt; &nbsp; & &amp", "a < b && c > d &lt; &nbsp; & &amp"),
            ("1 < 2 > 0, <T>, <>, <@>, <#>, <!>, <|x>, <:x>, < https://a>", "1 < 2 > 0, <T>, <>, <@>, <#>, <!>, <|x>, <:x>, < https://a>"),
            ("open <@U1", "open <@U1"),
            ("<<@U1>>", "<@Ann <Lee>>"),
            ("<@U1\n>", "<@U1\n>"),
            ("```if a &lt; b```  *bold* _it_ :tada:", "```if a < b```  *bold* _it_ :tada:"),
            ("日本 <@U1> 🎉", "日本 @Ann <Lee> 🎉"),
        ] {
            assert_eq!(plain(markup), text, "{markup}");
        }
    }
}
