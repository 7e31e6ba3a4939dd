//! The plain body. Each event begins a line with its time in brackets; what belongs to it is indented, and each further line of a recorded text
//! begins with a bar, which no line of ours does: so no text looks like an event, an attachment or an earlier text.

use super::PartView;
use super::group::{Carried, Fate, Group};
use super::input::MailEvent;
use super::line::{self, Line, Listed, Row, Texts};
use super::words::{Form, push_number, push_text};

/// Everything before the files and events.
pub(super) fn open(out: &mut String, group: &Group<'_>, view: &PartView, heading: &[Row], people: &[Listed<'_>]) {
    for (label, value) in heading {
        out.push_str(label);
        out.push(':');
        for _ in label.len()..13 {
            out.push(' ');
        }
        out.push_str(value);
        out.push_str("\r\n");
    }
    out.push_str("\r\nParticipants (");
    push_number(out, u64::try_from(group.shown.len()).unwrap_or(u64::MAX));
    out.push_str("), with the times when they were in the chat\r\n");
    for listed in people {
        participant(out, group, listed);
    }
    if let Some(rest) = group.not_listed(view.part) {
        out.push_str("  ");
        out.push_str(&rest);
        out.push_str("\r\n");
    }
}

/// One participant.
pub(super) fn participant(out: &mut String, group: &Group<'_>, listed: &Listed<'_>) {
    out.push_str("  ");
    out.push_str(&listed.who);
    out.push_str(": ");
    let mut some = false;
    for stay in &listed.stays {
        if some {
            out.push_str("; ");
        }
        some = true;
        match stay.joined {
            Some(joined) => {
                out.push_str("joined ");
                out.push_str(group.stamp(joined).as_str());
            }
            None => out.push_str("there from the beginning"),
        }
        match stay.left {
            Some(left) => {
                out.push_str(", left ");
                out.push_str(group.stamp(left).as_str());
            }
            None => out.push_str(", still there"),
        }
        if stay.derived {
            out.push_str(" (");
            out.push_str(line::DERIVED);
            out.push(')');
        }
    }
    if !some {
        out.push_str("not listed as a member at the time");
    }
    if listed.more > 0 {
        out.push_str("; ");
        out.push_str(&line::more_stays(listed.more));
    }
    out.push_str("\r\n");
}

/// Before the files that this part carries beside those of its own events.
pub(super) fn files_open(out: &mut String) {
    out.push_str("\r\nFiles\r\n");
}

/// A file that this part carries.
pub(super) fn file(out: &mut String, group: &Group<'_>, carried: Carried) {
    let Some((one, event)) = group.carried(carried) else { return };
    out.push_str("  ");
    out.push_str(&line::named(one));
    if let Some(index) = event {
        out.push_str(", of the message of ");
        group.sender_label(index).push(out);
        if let Some(event) = group.event(index) {
            out.push_str(", ");
            out.push_str(group.stamp(event.event.at).as_str());
        }
    }
    if let Some(file) = group.sealed_file(carried) {
        out.push_str(": ");
        out.push_str(&line::sealed(file));
    }
    out.push_str("\r\n");
}

/// Before the events, where a group has events that can be shown.
pub(super) fn events_open(out: &mut String, group: &Group<'_>) {
    if !group.is_sealed() {
        out.push_str("\r\nEvents, in order of time (UTC)\r\n");
    }
}

/// Where an event stands: what begins its first line, its further lines, and each line of a recorded text but the first.
struct Place {
    indent: &'static str,
    line_break: &'static str,
    further: &'static str,
}

const ALONE: Place = Place { indent: "", line_break: "\r\n    ", further: "\r\n    | " };

const REPLY: Place = Place { indent: "    ", line_break: "\r\n        ", further: "\r\n        | " };

impl Form for Place {
    fn further_line(&self) -> &str {
        self.further
    }
}

/// One event.
pub(super) fn event(out: &mut String, at: &str, described: &Line<'_>, one: &MailEvent<'_>, fates: &dyn Fn(usize) -> Fate) {
    let place = if described.reply { REPLY } else { ALONE };
    out.push_str(place.indent);
    out.push('[');
    out.push_str(at);
    out.push_str("] ");
    described.sender.push(out);
    if !described.action.is_empty() {
        out.push(' ');
        out.push_str(&described.action);
    }
    if !described.marks.is_empty() {
        out.extend([" (", &described.marks, ")"]);
    }
    let mut labelled = |label: &str, text: Option<&str>| {
        out.extend([place.line_break, label, ": "]);
        match text {
            Some(text) => push_text(out, text, &place),
            None => out.push_str("(not in this e-mail)"),
        }
    };
    match described.texts {
        Texts::None => {}
        Texts::Own(text) => {
            out.push_str(": ");
            push_text(out, text, &place);
        }
        Texts::Labelled(label, text) => labelled(label, Some(text)),
        Texts::Change { before, after } => {
            labelled("before", before);
            labelled("after", Some(after));
        }
    }
    for (index, attachment) in one.event.attachments.iter().enumerate() {
        out.push_str(place.line_break);
        out.push_str(&line::attachment(attachment, fates(index)));
    }
    out.push_str("\r\n");
}
