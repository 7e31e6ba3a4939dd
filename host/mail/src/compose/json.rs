//! `consign.json`: the part for programs. Every text in it is exactly what was recorded; one event a line.

use std::fmt::Write as _;

use consign_model::Attachment;
use consign_model::event::{EventKind, Flags};

use super::PartView;
use super::group::{Carried, Fate, Group};
use super::input::MailEvent;
use super::line::Listed;
use super::places::{is_control_or, places};
use super::times::Stamp;
use super::words::chat_kind;

/// Bytes that do not stand in a JSON string as they are.
fn is_escaped(byte: u8) -> bool {
    is_control_or(byte, [b'"', b'\\', 0x7f])
}

/// Adds a JSON string (RFC 8259): quotes, backslashes and control characters escaped, the rest as UTF-8.
pub(super) fn push_string(out: &mut String, text: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let bytes = text.as_bytes();
    let mut written = 0;
    out.push('"');
    for at in places(text, is_escaped) {
        out.push_str(text.get(written..at).unwrap_or_default());
        match bytes.get(at) {
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            Some(byte) => {
                out.push_str("\\u00");
                out.extend(HEX.get(usize::from(byte >> 4)));
                out.extend(HEX.get(usize::from(byte & 15)));
            }
            None => {}
        }
        written = at + 1;
    }
    out.push_str(text.get(written..).unwrap_or_default());
    out.push('"');
}

// A key is given as it stands in the file, with what stands before it: as a constant it is a few instructions where the helper is inlined.

#[inline]
fn text(out: &mut String, key: &'static str, value: &str) {
    out.push_str(key);
    push_string(out, value);
}

#[inline]
fn optional(out: &mut String, key: &'static str, value: Option<&str>) {
    out.push_str(key);
    match value {
        Some(value) => push_string(out, value),
        None => out.push_str("null"),
    }
}

#[inline]
fn number(out: &mut String, key: &'static str, value: u64) {
    out.push_str(key);
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

#[inline]
fn time(out: &mut String, key: &'static str, value: Option<Stamp>) {
    out.push_str(key);
    match value {
        Some(value) => {
            out.push('"');
            out.push_str(value.as_str());
            out.push('"');
        }
        None => out.push_str("null"),
    }
}

/// Everything before the events and files.
pub(super) fn open(out: &mut String, group: &Group<'_>, view: &PartView, people: &[Listed<'_>]) {
    let input = group.input;
    let chat = &input.facts.chat;
    out.push_str("{\"policy\":");
    push_string(out, input.window.policy.as_str());
    text(out, ",\"run\":", input.run.as_str());
    text(out, ",\"source\":", input.window.chat.source.as_str());
    out.push_str(",\"chat\":");
    out.push_str("{\"id\":");
    push_string(out, &input.window.chat.id);
    text(out, ",\"kind\":", chat_kind(chat.kind));
    optional(out, ",\"title\":", chat.title.as_deref());
    out.push('}');
    out.push_str(",\"group\":");
    out.push_str("{\"key\":");
    push_string(out, input.group.key);
    optional(out, ",\"subject\":", input.group.subject.map(|one| one.user.id.as_str()));
    if let Some(title) = input.group.title {
        text(out, ",\"title\":", title);
    }
    out.push('}');
    number(out, ",\"part\":", u64::from(view.part));
    number(out, ",\"parts\":", u64::from(view.parts));
    out.push_str(",\"window\":");
    out.push_str("{\"from\":");
    let _ = write!(out, "{}", input.window.from);
    number(out, ",\"to\":", input.window_to);
    out.push('}');
    if input.window.is_supplement() {
        number(out, ",\"supplement\":", u64::from(input.window.supplement));
    }
    time(out, ",\"started\":", group.started.map(|at| group.stamp(at)));
    time(out, ",\"ended\":", group.ended.map(|at| group.stamp(at)));
    if group.encrypted > 0 {
        number(out, ",\"encrypted_events\":", group.encrypted);
    }
    out.push_str(",\r\n\"participants\":[\r\n");
    for listed in people {
        participant(out, group, listed);
    }
    close_list(out);
    out.push(']');
    if people.len() < group.shown.len() {
        number(out, ",\"participants_not_listed\":", u64::try_from(group.shown.len() - people.len()).unwrap_or(u64::MAX));
    }
    out.push_str(",\r\n");
}

/// One participant.
pub(super) fn participant(out: &mut String, group: &Group<'_>, listed: &Listed<'_>) {
    let user = &listed.person.user;
    out.push_str("{\"id\":");
    push_string(out, &user.id);
    text(out, ",\"name\":", &user.name);
    let mut names = group.names_at_the_time(user).peekable();
    if names.peek().is_some() {
        out.push_str(",\"former_names\":");
        out.push('[');
        for (index, former) in names.enumerate() {
            out.push_str(if index > 0 { ",{\"name\":" } else { "{\"name\":" });
            push_string(out, &former.name);
            time(out, ",\"until\":", Some(group.stamp(former.until)));
            out.push('}');
        }
        out.push(']');
    }
    optional(out, ",\"email\":", user.email.as_deref());
    out.push_str(",\"recorded\":");
    out.push_str(if user.recorded { "true" } else { "false" });
    if user.external {
        out.push_str(",\"external\":true");
    }
    if user.bot {
        out.push_str(",\"bot\":true");
    }
    out.push_str(",\"memberships\":");
    out.push('[');
    for (index, stay) in listed.stays.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        time(out, "{\"joined\":", stay.joined.map(|at| group.stamp(at)));
        time(out, ",\"left\":", stay.left.map(|at| group.stamp(at)));
        if stay.derived {
            out.push_str(",\"derived\":true");
        }
        out.push('}');
    }
    out.push(']');
    if listed.more > 0 {
        number(out, ",\"memberships_not_listed\":", listed.more);
    }
    out.push_str("},\r\n");
}

/// The last entry of a list has no comma.
fn close_list(out: &mut String) {
    if out.ends_with(",\r\n") {
        out.truncate(out.len() - 3);
        out.push_str("\r\n");
    }
}

/// Before the files that this part carries beside those of its own events.
pub(super) fn files_open(out: &mut String) {
    out.push_str("\"files\":[\r\n");
}

/// After them.
pub(super) fn files_close(out: &mut String) {
    close_list(out);
    out.push_str("],\r\n");
}

/// Before the events.
pub(super) fn events_open(out: &mut String) {
    out.push_str("\"events\":[\r\n");
}

/// After them.
pub(super) fn close(out: &mut String) {
    close_list(out);
    out.push_str("]}\r\n");
}

/// Of a file what all files have, of which the name comes first.
fn described(out: &mut String, name: &'static str, one: &Attachment) {
    text(out, name, &one.name);
    text(out, ",\"media_type\":", &one.media_type);
    out.push_str(",\"size\":");
    match one.size {
        Some(size) => {
            let _ = write!(out, "{size}");
        }
        None => out.push_str("null"),
    }
    out.push_str(",\"sha256\":");
    match &one.digest {
        Some(digest) => out.extend(["\"", &digest.hex(), "\""]),
        None => out.push_str("null"),
    }
}

/// A file that this part carries.
pub(super) fn file(out: &mut String, group: &Group<'_>, carried: Carried) {
    let Some((one, event)) = group.carried(carried) else { return };
    match event.and_then(|index| group.event(index)) {
        Some(event) => {
            text(out, "{\"event\":", &event.event.id);
            described(out, ",\"name\":", one);
        }
        None => described(out, "{\"name\":", one),
    }
    if let Some(file) = group.sealed_file(carried) {
        number(out, ",\"events\":", u64::from(file.events));
        number(out, ",\"from\":", file.first);
        number(out, ",\"to\":", file.first.saturating_add(u64::from(file.events)));
        time(out, ",\"started\":", Some(group.stamp(file.first_at)));
        time(out, ",\"ended\":", Some(group.stamp(file.last_at)));
    }
    out.push_str("},\r\n");
}

fn attachment(out: &mut String, one: &Attachment, fate: Fate) {
    described(out, "{\"name\":", one);
    let attached = matches!(fate, Fate::Here | Fate::Part(_));
    out.push_str(",\"attached\":");
    out.push_str(if attached { "true" } else { "false" });
    match fate {
        Fate::Here => {}
        Fate::Part(part) => number(out, ",\"part\":", u64::from(part)),
        Fate::Missing => {
            text(out, ",\"reason\":", "missing");
            if let Some(url) = &one.url {
                text(out, ",\"url\":", url);
            }
        }
        Fate::LeftOut => text(out, ",\"reason\":", "left out by policy"),
        Fate::TooLarge => text(out, ",\"reason\":", "too large for one e-mail"),
    }
    out.push('}');
}

/// One event, by whom as it stands in JSON.
pub(super) fn event(out: &mut String, at: &str, user: &str, one: &MailEvent<'_>, fates: &dyn Fn(usize) -> Fate) {
    let MailEvent { event, flags, previous, position } = one;
    out.push_str("{\"id\":");
    push_string(out, &event.id);
    out.push_str(",\"type\":\"");
    out.push_str(event.kind.word());
    out.push_str("\",\"at\":\"");
    out.push_str(at);
    out.push_str("\",\"user\":");
    out.push_str(user);
    text(out, ",\"text\":", &event.text);
    number(out, ",\"position\":", *position);
    let mut stated = |key: &'static str, value: Option<&str>| {
        if let Some(value) = value {
            text(out, key, value);
        }
    };
    stated(",\"sender_name\":", event.sender_name.as_deref());
    stated(",\"thread\":", event.thread.as_deref());
    stated(",\"target\":", event.target.as_deref());
    stated(",\"previous\":", *previous);
    stated(",\"original\":", event.original.as_deref());
    if event.kind == EventKind::Reaction {
        out.push_str(if flags.has(Flags::REMOVED) { ",\"removed\":true" } else { ",\"removed\":false" });
    }
    let marks = [
        (Flags::EDITED, ",\"edited\":true"),
        (Flags::DELETED, ",\"deleted\":true"),
        (Flags::FROM_BOT, ",\"bot\":true"),
        (Flags::LATE, ",\"late\":true"),
    ];
    for (flag, mark) in marks {
        if flags.has(flag) {
            out.push_str(mark);
        }
    }
    if event.adds_files() {
        out.push_str(",\"adds_files\":true");
    }
    if !event.attachments.is_empty() {
        out.push_str(",\"attachments\":");
        out.push('[');
        for (index, one) in event.attachments.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            attachment(out, one, fates(index));
        }
        out.push(']');
    }
    out.push_str("},\r\n");
}
