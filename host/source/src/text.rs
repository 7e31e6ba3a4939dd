//! Texts and names from outside, made fit for e-mail.
//!
//! *Texts* keep everything: `\r\n` and a lone `\r` become `\n`, and a control character that no e-mail can carry becomes its Unicode picture (`␀` for
//! NUL), so that it is still seen; the original form is kept beside. *Names* (of users, chats, files) stand in headers and file names: there any run of
//! control characters and line ends becomes one space, and what is longer than any real name is cut, with a `…` where it was: names are put into
//! texts, ids and headers many times over, so one of a megabyte would become gigabytes.

use std::borrow::Cow;

/// Characters of a name. Slack allows 80 for people and channels, file systems 255.
const LONGEST_NAME: usize = 256;

/// Characters of a label's or attribute's value. Slack allows 250 for topics.
const LONGEST_LABEL: usize = 1024;

/// Characters of a URL; browsers stop near there.
const LONGEST_URL: usize = 2048;

/// Bytes of one text after names were put in. Platforms allow some ten thousand; a segment of the archive takes 256 MiB, and an event has up to three texts.
pub const LONGEST_TEXT: usize = 16 << 20;

/// `\n` between lines, whatever stood there.
pub fn lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

/// Adds a line to a text, until it is longer than any may be: by then it will be refused.
pub fn add_line(text: &mut String, more: &str) {
    if !more.is_empty() && text.len() <= LONGEST_TEXT {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(more);
    }
}

/// A message's text: lines by `\n`, other control characters as pictures.
pub fn plain(text: &str) -> Cow<'_, str> {
    let text = lines(text);
    if text.chars().any(needs_picture) { Cow::Owned(text.chars().map(picture).collect()) } else { text }
}

fn needs_picture(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

fn picture(c: char) -> char {
    match u32::from(c) {
        _ if !needs_picture(c) => c,
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        // NEL is a line end on old mainframes.
        0x85 => '\n',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// A name: one line, no control characters, no space around it, not endless.
pub fn name(text: &str) -> String {
    cut(one_line(text), LONGEST_NAME)
}

/// The name that a file has in its path or URL, if any.
pub fn file_name(path: &str) -> Option<String> {
    path.rsplit('/').next().map(name).filter(|name| !name.is_empty())
}

/// What a label says: like a name, and longer.
pub fn label(text: &str) -> String {
    cut(one_line(text), LONGEST_LABEL)
}

/// Where a file is, without what may open it: the query of a Slack URL (`?t=xoxe-…`) is a token for downloading, and this ends up in reports and e-mails.
pub fn url(text: &str) -> String {
    let url = one_line(text);
    cut(url.split(['?', '#']).next().unwrap_or_default().to_owned(), LONGEST_URL)
}

/// Whether this is longer than a name may be.
pub fn is_long(name: &str) -> bool {
    name.len() > LONGEST_NAME && name.chars().nth(LONGEST_NAME).is_some()
}

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text,
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

fn one_line(text: &str) -> String {
    if !text.chars().any(breaks_line) {
        return text.trim().to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !breaks_line(c) {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.trim().to_owned()
}

/// Whether a name has to be cleaned.
pub fn is_unclean(text: &str) -> bool {
    text.chars().any(breaks_line)
}

fn breaks_line(c: char) -> bool {
    c.is_control() || c == '\u{2028}' || c == '\u{2029}'
}

/// An e-mail address, if this may be one: a local part, one `@`, a domain, nothing that could end a header.
pub fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let fits = !local.is_empty() && !domain.is_empty() && text.len() <= 320;
    let clean = text.chars().all(|c| !c.is_whitespace() && !breaks_line(c) && !matches!(c, '<' | '>' | ',' | ';' | '"'));
    (fits && clean && !local.contains('@')).then(|| text.to_owned())
}

/// An id of a platform: not empty, not endless, one line.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024 && !is_unclean(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_everything() {
        assert_eq!(plain("a\r\nb\rc\n\td"), "a\nb\nc\n\td");
        assert_eq!(plain("nul\0esc\u{1b}[31m del\u{7f}"), "nul␀esc␛[31m del␡");
        assert!(matches!(plain("nothing to do"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(name("desk\r\nBcc: all@corp.example"), "desk Bcc: all@corp.example");
        assert_eq!(name("  two  spaces stay "), "two  spaces stay");
        assert_eq!(name("\0\r\n"), "");
        assert_eq!(name("a\u{2028}b"), "a b");
        assert_eq!(name(&"日".repeat(256)), "日".repeat(256));
        assert_eq!(name(&"日".repeat(257)), format!("{}…", "日".repeat(255)));
        assert_eq!(label(&"x".repeat(2000)).chars().count(), 1024);
    }

    #[test]
    fn urls_without_tokens() {
        assert_eq!(url("https://files.slack.com/files-pri/T1-F1/q.pdf?t=xoxe-1&x=2"), "https://files.slack.com/files-pri/T1-F1/q.pdf");
        assert_eq!(url(" https://x/y#token=1\r\n"), "https://x/y");
        assert_eq!(url(&"x".repeat(3000)).chars().count(), 2048);
    }

    #[test]
    fn addresses() {
        assert_eq!(address(" ann@desk.example ").as_deref(), Some("ann@desk.example"));
        for bad in ["", "ann", "@desk", "ann@", "a b@desk", "ann@desk\r\nX: y", "<ann@desk>", "a@b@c", "a,b@c"] {
            assert_eq!(address(bad), None, "{bad:?}");
        }
    }
}
