//! How times, names, counts and sizes are written, alike in all three bodies; and what is done with characters that could break a line open.
//!
//! The plain body gives every event a line of its own and puts a mark before each further line of a text, so a message cannot forge the line of
//! another one. Control characters become their pictures (U+2400 on) there and in HTML, or their numbers where they have no picture; so do those that
//! turn the order of reading around. `consign.json` has every text exactly.

use std::fmt::Write as _;

use consign_model::event::EventKind;
use consign_model::{Timestamp, chat::ChatKind};

use chrono::{Datelike, Timelike};

/// Longest name or title in bytes that the plain and HTML bodies show; `consign.json` has it whole.
const SHOWN_NAME: usize = 400;

/// The last `width` digits.
fn push_digits(out: &mut String, value: u32, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_u32.pow(place) % 10;
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or_default()));
    }
}

/// `2026-01-05T08:01:02.345Z`: RFC 3339, UTC, milliseconds.
pub(super) fn push_time(out: &mut String, time: Timestamp) {
    let time = time.to_utc();
    push_digits(out, u32::try_from(time.year()).unwrap_or_default(), 4);
    out.push('-');
    push_digits(out, time.month(), 2);
    out.push('-');
    push_digits(out, time.day(), 2);
    out.push('T');
    push_digits(out, time.hour(), 2);
    out.push(':');
    push_digits(out, time.minute(), 2);
    out.push(':');
    push_digits(out, time.second(), 2);
    out.push('.');
    push_digits(out, time.timestamp_subsec_millis(), 3);
    out.push('Z');
}

/// A number with commas between thousands.
pub(super) fn push_number(out: &mut String, value: u64) {
    let digits = value.to_string();
    let lead = digits.len() % 3;
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == lead {
            out.push(',');
        }
        out.push(digit);
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
pub(crate) fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if !text.contains(|c| breaks(c) || turns_order(c)) {
        return text.trim().to_owned();
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if breaks(c) => line.push(' '),
            _ if turns_order(c) => push_number_of(&mut line, c),
            _ => line.push(c),
        }
    }
    line.trim().to_owned()
}

/// A name or title as the bodies for people show it: on one line, and not without end.
pub(super) fn shown_name(text: &str) -> String {
    let mut line = one_line(text);
    if line.len() > SHOWN_NAME {
        let mut end = SHOWN_NAME;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Bytes at which something may begin, in UTF-8, that is not written as it is.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, 0x7f | 0xc2 | 0xe2)
}

/// What stands at the beginning of `rest`, which begins with a special byte.
enum Special {
    Break(usize),
    Control(char, usize),
    Numbered(char),
    Ordinary(usize),
}

fn special(rest: &str) -> Special {
    match rest.as_bytes() {
        [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => Special::Break(2),
        [b'\r' | b'\n', ..] => Special::Break(1),
        [b'\t', ..] => Special::Ordinary(1),
        [0x7f, ..] => Special::Control('\u{2421}', 1),
        [byte @ 0..0x20, ..] => Special::Control(char::from_u32(0x2400 + u32::from(*byte)).unwrap_or('\u{fffd}'), 1),
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => Special::Break(3),
        _ => match rest.chars().next() {
            // Marks of direction alone stay as they are: Hebrew and Arabic need them, and they turn nothing but themselves.
            Some(c @ ('\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) => Special::Numbered(c),
            other => Special::Ordinary(other.map_or(1, char::len_utf8)),
        },
    }
}

/// Adds text with each of its line breaks written as `line_break`, control characters as pictures or by their numbers, and what turns the order of
/// reading around by its number. `escape` says what to write for a byte of ASCII that has a meaning where the text goes.
pub(super) fn push_text(out: &mut String, text: &str, line_break: &str, escape: impl Fn(u8) -> Option<&'static str>) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| is_special(byte) || escape(byte).is_some()) {
        let (head, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(head);
        let taken = match (tail.bytes().next().and_then(&escape), special(tail)) {
            (Some(escaped), _) => {
                out.push_str(escaped);
                1
            }
            (None, Special::Break(taken)) => {
                out.push_str(line_break);
                taken
            }
            (None, Special::Control(picture, taken)) => {
                out.push(picture);
                taken
            }
            (None, Special::Numbered(c)) => {
                push_number_of(out, c);
                c.len_utf8()
            }
            (None, Special::Ordinary(taken)) => {
                out.push_str(tail.get(..taken).unwrap_or_default());
                taken
            }
        };
        rest = tail.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
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
            out.push_str(&value.to_string());
            out.push(' ');
            out.push_str(unit);
        }
    }
    if out.is_empty() { "0 s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn times_are_written_as_the_model_writes_them() {
        for millis in [0, 1, -1, 1_767_600_062_345, Timestamp::MIN.0, Timestamp::MAX.0, 951_782_400_000] {
            let time = Timestamp::from_millis(millis).unwrap();
            let mut out = String::new();
            push_time(&mut out, time);
            assert_eq!(out, time.to_string());
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
        push_text(&mut out, "a\r\nb\rc\nd\u{85}e\u{2028}f\0g\u{7f}h\tiâ€é\u{c}j", "|", |_| None);
        assert_eq!(out, "a|b|c|d|e|f\u{2400}g\u{2421}h\tiâ€é\u{240c}j");
        assert_eq!(one_line(" a\r\nBcc: x\0\u{2029}y "), "a  Bcc: x  y");
    }

    #[test]
    fn nothing_turns_a_line_around_or_talks_to_a_terminal() {
        let mut out = String::new();
        push_text(&mut out, "\u{80}\u{9b}31m\u{9f}\u{a0}§ \u{202a}\u{202e}x\u{202c} \u{2066}\u{2069} שלום\u{200f}\u{200e}", "|", |_| None);
        assert_eq!(out, "[U+0080][U+009B]31m[U+009F]\u{a0}§ [U+202A][U+202E]x[U+202C] [U+2066][U+2069] שלום\u{200f}\u{200e}");
        assert_eq!(one_line("Eve\u{202e}god\u{9b}x"), "Eve[U+202E]god x");
        let all: String = ('\0'..=char::MAX).collect();
        let mut text = String::new();
        push_text(&mut text, &all, "", |_| None);
        assert!(!text.contains(|c: char| c.is_control() && c != '\t' || turns_order(c) && !matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')));
        assert!(!one_line(&all).contains(|c: char| c.is_control() || turns_order(c)));
    }
}
