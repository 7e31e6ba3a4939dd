//! The HTML body: self-contained, without scripts, pictures or links, so that opening it asks nothing of anybody. Simple tables, and colours that
//! are the reader's own (`color-scheme`), so that it reads in light and in dark. What was recorded stands in blocks of class `x`, and nothing else does.

use super::PartView;
use super::group::{Carried, Fate, Group};
use super::input::MailEvent;
use super::line::{self, Line, Listed, Row, Texts};
use super::places::is_control_or;
use super::words::{Form, push_number, push_text};

const HEAD: &str = "<!DOCTYPE html>\r\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\r\n\
<style>\r\n\
:root{color-scheme:light dark}\r\n\
body{font:14px/1.45 sans-serif;margin:1em}\r\n\
h1{font-size:1.3em}h2{font-size:1.1em}\r\n\
table{border-collapse:collapse}\r\n\
th,td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0}\r\n\
.e{margin:.3em 0}.r{margin-left:2em}.s{opacity:.75}\r\n\
.t{font-family:monospace;opacity:.75}\r\n\
.x{white-space:pre-wrap;overflow-wrap:anywhere;margin-left:1em;padding-left:.6em;border-left:2px solid}\r\n\
.a{margin-left:2em;overflow-wrap:anywhere}\r\n\
</style>\r\n";

struct Escaped;

impl Form for Escaped {
    fn is_special(byte: u8) -> bool {
        is_control_or(byte, [b'&', b'<', b'>', b'"', b'\'', 0x7f, 0xc2, 0xe2])
    }

    fn escaped(byte: u8) -> Option<&'static str> {
        match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'"' => Some("&quot;"),
            b'\'' => Some("&#39;"),
            _ => None,
        }
    }

    fn further_line(&self) -> &'static str {
        "<br>"
    }
}

/// Adds text with what HTML gives a meaning escaped.
fn push_escaped(out: &mut String, text: &str) {
    push_text(out, text, &Escaped);
}

/// Adds a name, so that whatever direction it is read in turns nothing beside it.
pub(super) fn push_name(out: &mut String, name: &str) {
    out.push_str("<bdi>");
    push_escaped(out, name);
    out.push_str("</bdi>");
}

/// Everything before the files and events.
pub(super) fn open(out: &mut String, group: &Group<'_>, view: &PartView, heading: &[Row], people: &[Listed<'_>]) {
    out.push_str(HEAD);
    out.push_str("<title>");
    push_escaped(out, &group.title);
    out.push_str("</title></head><body>\r\n<h1>");
    push_name(out, &group.title);
    out.push_str("</h1>\r\n<table>\r\n");
    for (label, value) in heading {
        out.push_str("<tr><th>");
        out.push_str(label);
        out.push_str("</th><td>");
        push_name(out, value);
        out.push_str("</td></tr>\r\n");
    }
    out.push_str("</table>\r\n<h2>Participants (");
    push_number(out, u64::try_from(group.shown.len()).unwrap_or(u64::MAX));
    out.push_str(")</h2>\r\n<table>\r\n<tr><th>Who</th><th>Joined</th><th>Left</th></tr>\r\n");
    for listed in people {
        participant(out, group, listed);
    }
    out.push_str("</table>\r\n");
    if let Some(rest) = group.not_listed(view.part) {
        out.push_str("<p>");
        out.push_str(&rest);
        out.push_str("</p>\r\n");
    }
}

/// One participant: a row for each stay.
pub(super) fn participant(out: &mut String, group: &Group<'_>, listed: &Listed<'_>) {
    let mut row = |joined: &dyn Fn(&mut String), left: &dyn Fn(&mut String)| {
        out.push_str("<tr><td>");
        push_name(out, &listed.who);
        out.push_str("</td><td>");
        joined(out);
        out.push_str("</td><td>");
        left(out);
        out.push_str("</td></tr>\r\n");
    };
    let mut some = false;
    for stay in &listed.stays {
        some = true;
        row(
            &|out| match stay.joined {
                Some(joined) => out.push_str(group.stamp(joined).as_str()),
                None => out.push_str("there from the beginning"),
            },
            &|out| {
                match stay.left {
                    Some(left) => out.push_str(group.stamp(left).as_str()),
                    None => out.push_str("still there"),
                }
                if stay.derived {
                    out.push_str(" (");
                    out.push_str(line::DERIVED);
                    out.push(')');
                }
            },
        );
    }
    if !some {
        row(&|out| out.push_str("not listed as a member at the time"), &|_| {});
    }
    if listed.more > 0 {
        row(&|out| out.push_str(&line::more_stays(listed.more)), &|_| {});
    }
}

/// Before the files that this part carries beside those of its own events.
pub(super) fn files_open(out: &mut String) {
    out.push_str("<h2>Files</h2>\r\n");
}

/// A file that this part carries.
pub(super) fn file(out: &mut String, group: &Group<'_>, carried: Carried) {
    let Some((one, event)) = group.carried(carried) else { return };
    out.push_str("<div class=\"a\">");
    push_name(out, &line::named(one));
    if let Some(index) = event {
        out.push_str(", of the message of ");
        let mut sender = String::new();
        group.sender_label(index).push(&mut sender);
        push_name(out, &sender);
        if let Some(event) = group.event(index) {
            out.push_str(", ");
            out.push_str(group.stamp(event.event.at).as_str());
        }
    }
    if let Some(file) = group.sealed_file(carried) {
        out.push_str(": ");
        out.push_str(&line::sealed(file));
    }
    out.push_str("</div>\r\n");
}

/// Before the events, where a group has events that can be shown.
pub(super) fn events_open(out: &mut String, group: &Group<'_>) {
    if !group.is_sealed() {
        out.push_str("<h2>Events, in order of time (UTC)</h2>\r\n");
    }
}

/// After them.
pub(super) fn close(out: &mut String) {
    out.push_str("</body></html>\r\n");
}

fn labelled(out: &mut String, label: &str, text: Option<&str>) {
    out.push_str("<div class=\"a\">");
    out.push_str(label);
    out.push(':');
    match text {
        Some(text) => push_body(out, text),
        None => out.push_str(" (not in this e-mail)"),
    }
    out.push_str("</div>");
}

/// A recorded text, in a block of its own with a bar beside it: however its lines break and whatever they say, they stay beside the bar.
fn push_body(out: &mut String, text: &str) {
    out.push_str("<div class=\"x\" dir=\"auto\">");
    push_escaped(out, text);
    out.push_str("</div>");
}

/// One event.
pub(super) fn event(out: &mut String, at: &str, described: &Line<'_>, one: &MailEvent<'_>, fates: &dyn Fn(usize) -> Fate) {
    out.push_str(if described.reply { "<div class=\"e r\"><span class=\"t\">" } else { "<div class=\"e\"><span class=\"t\">" });
    out.push_str(at);
    out.push_str("</span> <b>");
    out.push_str(described.sender.html);
    out.push_str("</b>");
    if let Some(name) = &described.sender.posted_as {
        out.push_str(" posted as ");
        push_name(out, name);
    }
    if !described.action.is_empty() {
        out.push_str(" <span class=\"s\">");
        push_name(out, &described.action);
        out.push_str("</span>");
    }
    if !described.marks.is_empty() {
        out.push_str(" <i>(");
        out.push_str(&described.marks);
        out.push_str(")</i>");
    }
    match described.texts {
        Texts::None => {}
        Texts::Own(text) => {
            out.push(':');
            push_body(out, text);
        }
        Texts::Labelled(label, text) => labelled(out, label, Some(text)),
        Texts::Change { before, after } => {
            labelled(out, "before", before);
            labelled(out, "after", Some(after));
        }
    }
    for (index, attachment) in one.event.attachments.iter().enumerate() {
        out.push_str("<div class=\"a\">");
        push_name(out, &line::attachment(attachment, fates(index)));
        out.push_str("</div>");
    }
    out.push_str("</div>\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        let mut out = String::new();
        push_escaped(&mut out, "<script>\"a\" & 'b'\r\nc\nd\0e\tf\u{85}\u{2028}\u{9b}\u{202e}</script>");
        assert_eq!(out, "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;<br>c<br>d\u{2400}e\tf<br><br>[U+009B][U+202E]&lt;/script&gt;");
    }
}
