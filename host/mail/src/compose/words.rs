//! How names, counts and sizes are written, alike in all three bodies; and what is done with characters that could break a line open.
//!
//! The plain body gives every event a line of its own and puts a mark before each further line of a text, so a message cannot forge the line of
//! another one. Control characters become their pictures (U+2400 on) there and in HTML, or their numbers where they have no picture; so do those that
//! turn the order of reading around. `consign.json` has every text exactly.

use std::borrow::Cow;
use std::fmt::Write as _;

use consign_model::ChatKind;
use consign_model::event::EventKind;

use super::places::{is_control_or, places};

/// Longest name or title in bytes that the plain and HTML bodies show; `consign.json` has it whole.
const SHOWN_NAME: usize = 400;

/// A number with commas between thousands.
pub(super) fn push_number(out: &mut String, value: u64) {
    let thousands = value / 1000;
    // Writing to a String cannot fail.
    if thousands == 0 {
        let _ = write!(out, "{value}");
    } else {
        push_number(out, thousands);
        let _ = write!(out, ",{:03}", value % 1000);
    }
}

/// Characters that turn the order of what follows them around, so that a name could turn its whole line.
pub(super) fn turns_order(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A character that is not written as it is, by its number: `[U+202E]`.
fn push_number_of(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "[U+{:04X}]", u32::from(c));
}

/// The text on one line: control characters and line and paragraph separators become spaces, what turns the order of reading around is shown by
/// its number, the ends are trimmed.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    // Where all of these begin; 0xd8 is for U+061C.
    let may_begin = |byte| is_control_or(byte, [0x7f, 0xc2, 0xd8, 0xe2]);
    if places(text, may_begin).next().is_none() || !text.contains(|c| breaks(c) || turns_order(c)) {
        return Cow::Borrowed(text.trim());
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if breaks(c) => line.push(' '),
            _ if turns_order(c) => push_number_of(&mut line, c),
            _ => line.push(c),
        }
    }
    Cow::Owned(line.trim().to_owned())
}

/// A name or title as the bodies for people show it: on one line, and not without end.
pub(super) fn shown_name(text: &str) -> Cow<'_, str> {
    let line = one_line(text);
    if line.len() <= SHOWN_NAME {
        return line;
    }
    let mut line = line.into_owned();
    let mut end = SHOWN_NAME;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line.push('…');
    Cow::Owned(line)
}

/// Bytes at which something may begin, in UTF-8, that is not written as it is.
fn is_special(byte: u8) -> bool {
    is_control_or(byte, [0x7f, 0xc2, 0xe2])
}

/// What is written in place of the first bytes of a text, and how many these are.
enum Special {
    Break(usize),
    Control(char),
    Numbered(char, usize),
    Nothing,
}

#[inline]
fn special(rest: &[u8]) -> Special {
    match *rest {
        // Most of what begins so: quotes, dashes, signs of mathematics; letters with accents.
        [0xe2, 0x82..=0xff, ..] | [0xc2, 0xa0..=0xff, ..] | [b'\t', ..] => Special::Nothing,
        [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => Special::Break(2),
        [b'\r' | b'\n', ..] => Special::Break(1),
        [0x7f, ..] => Special::Control('\u{2421}'),
        [byte @ 0..0x20, ..] => Special::Control(char::from_u32(0x2400 + u32::from(byte)).unwrap_or('\u{fffd}')),
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => Special::Break(3),
        // Marks of direction alone stay as they are: Hebrew and Arabic need them, and they turn nothing but themselves.
        [0xc2, low @ 0x80..0xa0, ..] => Special::Numbered(char::from(low), 2),
        [0xe2, 0x80, low @ 0xaa..=0xae, ..] => Special::Numbered(char::from_u32(0x2000 + u32::from(low - 0x80)).unwrap_or('\u{fffd}'), 3),
        [0xe2, 0x81, low @ 0xa6..=0xa9, ..] => Special::Numbered(char::from_u32(0x2040 + u32::from(low - 0x80)).unwrap_or('\u{fffd}'), 3),
        _ => Special::Nothing,
    }
}

/// How a recorded text stands in one of the bodies for people.
pub(super) trait Form {
    /// Whether something else may have to be written from this byte on.
    fn is_special(byte: u8) -> bool {
        is_special(byte)
    }
    /// What to write for a byte of ASCII that has a meaning where the text goes.
    fn escaped(_byte: u8) -> Option<&'static str> {
        None
    }
    /// What begins a further line.
    fn further_line(&self) -> &str;
}

/// Adds text with each of its line breaks as the form has it, control characters as pictures or by their numbers, and what turns the order of reading around by
/// its number.
pub(super) fn push_text<F: Form>(out: &mut String, text: &str, form: &F) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for at in places(text, F::is_special) {
        let rest = bytes.get(at..).unwrap_or_default();
        let escaped = rest.first().and_then(|byte| F::escaped(*byte));
        let special = if escaped.is_some() { Special::Nothing } else { special(rest) };
        // The second byte of a line break is written with the first.
        if at < written || (escaped.is_none() && matches!(special, Special::Nothing)) {
            continue;
        }
        out.push_str(text.get(written..at).unwrap_or_default());
        written = at + 1;
        match special {
            Special::Nothing => out.push_str(escaped.unwrap_or_default()),
            Special::Control(picture) => out.push(picture),
            Special::Break(taken) => {
                out.push_str(form.further_line());
                written = at + taken;
            }
            Special::Numbered(c, taken) => {
                push_number_of(out, c);
                written = at + taken;
            }
        }
    }
    out.push_str(text.get(written..).unwrap_or_default());
}

/// The word for a kind of chat.
pub(crate) fn chat_kind(kind: ChatKind) -> &'static str {
    match kind {
        ChatKind::Direct => "direct",
        ChatKind::Group => "group",
        ChatKind::Channel => "channel",
        ChatKind::Meeting => "meeting",
        ChatKind::Other => "other",
    }
}

/// `30 messages, 2 edits, 1 deletion, 1 arrival of late files`.
pub(super) fn counts(counts: &[u64; EventKind::ALL.len()], late_files: u64) -> String {
    let mut out = String::new();
    let kinds = EventKind::ALL.into_iter().zip(counts).map(|(kind, count)| {
        let words = match kind {
            EventKind::Message => ("message", "messages"),
            EventKind::Edit => ("edit", "edits"),
            EventKind::Delete => ("deletion", "deletions"),
            EventKind::Join => ("join", "joins"),
            EventKind::Leave => ("leave", "leaves"),
            EventKind::Reaction => ("reaction", "reactions"),
            EventKind::Other => ("other event", "other events"),
        };
        (*count, words)
    });
    let late = (late_files, ("arrival of late files", "arrivals of late files"));
    for (count, (one, many)) in kinds.chain([late]).filter(|(count, _)| *count > 0) {
        if !out.is_empty() {
            out.push_str(", ");
        }
        push_number(&mut out, count);
        out.push(' ');
        out.push_str(if count == 1 { one } else { many });
    }
    if out.is_empty() {
        out.push_str("none");
    }
    out
}

/// `1 d 2 h 3 min 4 s`; below a second `0 s`.
pub(super) fn duration(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let mut out = String::new();
    for (unit, size, within) in [("d", 86_400, i64::MAX), ("h", 3_600, 24), ("min", 60, 60), ("s", 1, 60)] {
        let value = (seconds / size) % within;
        if value > 0 {
            if !out.is_empty() {
                out.push(' ');
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "{value} {unit}");
        }
    }
    if out.is_empty() { "0 s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bar;

    impl Form for Bar {
        fn further_line(&self) -> &'static str {
            "|"
        }
    }

    #[test]
    fn numbers_and_durations() {
        let number = |value| {
            let mut out = String::new();
            push_number(&mut out, value);
            out
        };
        assert_eq!([number(0), number(999), number(1000), number(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([duration(-5), duration(999), duration(93_784_000)], ["0 s", "0 s", "1 d 2 h 3 min 4 s"]);
        assert_eq!(counts(&[1, 2, 0, 0, 0, 0, 1], 0), "1 message, 2 edits, 1 other event");
        assert_eq!(counts(&[0, 2, 0, 0, 0, 0, 0], 1), "2 edits, 1 arrival of late files");
        assert_eq!(counts(&[0; 7], 0), "none");
    }

    #[test]
    fn no_text_breaks_its_line() {
        let mut out = String::new();
        push_text(&mut out, "a\r\nb\rc\nd\u{85}e\u{2028}f\0g\u{7f}h\tiâ€é\u{c}j", &Bar);
        assert_eq!(out, "a|b|c|d|e|f\u{2400}g\u{2421}h\tiâ€é\u{240c}j");
        assert_eq!(one_line(" a\r\nBcc: x\0\u{2029}y "), "a  Bcc: x  y");
    }

    #[test]
    fn nothing_turns_a_line_around_or_talks_to_a_terminal() {
        let mut out = String::new();
        push_text(&mut out, "\u{80}\u{9b}31m\u{9f}\u{a0}§ \u{202a}\u{202e}x\u{202c} \u{2066}\u{2069} שלום\u{200f}\u{200e}", &Bar);
        assert_eq!(out, "[U+0080][U+009B]31m[U+009F]\u{a0}§ [U+202A][U+202E]x[U+202C] [U+2066][U+2069] שלום\u{200f}\u{200e}");
        assert_eq!(one_line("Eve\u{202e}god\u{9b}x"), "Eve[U+202E]god x");
        let all: String = ('\0'..=char::MAX).collect();
        let mut text = String::new();
        push_text(&mut text, &all, &Bar);
        assert!(!text.contains(|c: char| c.is_control() && c != '\t' || turns_order(c) && !matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')));
        assert!(!one_line(&all).contains(|c: char| c.is_control() || turns_order(c)));
    }
}
