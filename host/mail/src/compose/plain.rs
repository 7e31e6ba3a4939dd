//! The plain body. Each event begins a line with its time in brackets; what belongs to it is indented, so that no text looks like an event.

use consign_model::window::Participant;

use super::PartView;
use super::group::{Carried, Fate, Group, STAYS_SHOWN, stays};
use super::input::MailEvent;
use super::line::{self, Line, Texts};
use super::words::{push_number, push_text, push_time};

/// Everything before the files and events.
pub(super) fn open(out: &mut String, group: &Group<'_>, view: &PartView) {
    for (label, value) in line::heading(group, view) {
        out.push_str(label);
        out.push(':');
        for _ in label.len()..13 {
            out.push(' ');
        }
        out.push_str(&value);
        out.push_str("\r\n");
    }
    out.push_str("\r\nParticipants (");
    push_number(out, u64::try_from(group.shown.len()).unwrap_or(u64::MAX));
    out.push_str("), with the times when they were in the chat\r\n");
    let mut listed = 0;
    for person in group.listed(view.part) {
        listed += 1;
        participant(out, group, person);
    }
    if listed < group.shown.len() {
        out.push_str("  and ");
        push_number(out, u64::try_from(group.shown.len() - listed).unwrap_or(u64::MAX));
        out.push_str(if view.part == 1 { " more, too many for one e-mail\r\n" } else { " more, see part 1\r\n" });
    }
}

/// One participant.
pub(super) fn participant(out: &mut String, group: &Group<'_>, person: &Participant) {
    out.push_str("  ");
    out.push_str(&line::who(&person.user));
    out.push_str(": ");
    let mut some = false;
    for stay in stays(person, group.started, group.ended).take(STAYS_SHOWN) {
        if some {
            out.push_str("; ");
        }
        some = true;
        match stay.joined {
            Some(joined) => {
                out.push_str("joined ");
                push_time(out, joined);
            }
            None => out.push_str("there from the beginning"),
        }
        match stay.left {
            Some(left) => {
                out.push_str(", left ");
                push_time(out, left);
            }
            None => out.push_str(", still there"),
        }
    }
    if !some {
        out.push_str("not listed as a member at the time");
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
        out.push_str(&group.sender_label(index));
        if let Some(event) = group.event(index) {
            out.push_str(", ");
            push_time(out, event.event.at);
        }
    }
    out.push_str("\r\n");
}

/// Before the events.
pub(super) fn events_open(out: &mut String) {
    out.push_str("\r\nEvents, in order of time (UTC)\r\n");
}

/// One event.
pub(super) fn event(out: &mut String, described: &Line<'_>, one: &MailEvent<'_>, fates: &dyn Fn(usize) -> Fate) {
    let (indent, line_break) = if described.reply { ("    ", "\r\n        ") } else { ("", "\r\n    ") };
    out.push_str(indent);
    out.push('[');
    push_time(out, described.at);
    out.push_str("] ");
    out.push_str(&described.sender);
    if !described.action.is_empty() {
        out.push(' ');
        out.push_str(&described.action);
    }
    if !described.marks.is_empty() {
        out.push_str(" (");
        out.push_str(&described.marks);
        out.push(')');
    }
    let mut labelled = |label: &str, text: &str| {
        out.push_str(line_break);
        out.push_str(label);
        out.push_str(": ");
        push_text(out, text, line_break);
    };
    match described.texts {
        Texts::None => {}
        Texts::Own(text) => {
            out.push_str(": ");
            push_text(out, text, line_break);
        }
        Texts::Labelled(label, text) => labelled(label, text),
        Texts::Change { before, after } => {
            labelled("before", before.unwrap_or("(not in this e-mail)"));
            labelled("after", after);
        }
    }
    for (index, attachment) in one.event.attachments.iter().enumerate() {
        out.push_str(line_break);
        out.push_str(&line::attachment(attachment, fates(index)));
    }
    out.push_str("\r\n");
}
