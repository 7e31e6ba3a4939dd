//! What an event says to a person, found out once for the plain and the HTML body.

use consign_model::event::{EventKind, Flags};
use consign_model::window::Participant;
use consign_model::{Attachment, Event};

use super::group::{Fate, Group, Sender, Stay, shown_stays};
use super::words::{push_number, shown_name};

/// An event for people.
pub(super) struct Line<'g> {
    pub sender: Sender<'g>,
    /// What was done; empty where the text says it all.
    pub action: String,
    /// Written by a program, edited, deleted, late.
    pub marks: String,
    /// Texts with their labels; a text that this recipient may not see, or that nobody knows, is unset.
    pub texts: Texts<'g>,
    /// It answers in a thread: indented.
    pub reply: bool,
}

/// The texts of a line.
pub(super) enum Texts<'a> {
    None,
    Own(&'a str),
    Labelled(&'static str, &'a str),
    Change { before: Option<&'a str>, after: &'a str },
}

/// These words, and which message that is.
fn of_message(before: &[&str], group: &Group<'_>, id: Option<&str>) -> String {
    let mut out = String::with_capacity(120);
    out.extend(before.iter().copied());
    match id {
        None => out.push_str("a message"),
        Some(id) => {
            let len = out.len();
            out.push_str("the message of ");
            if !group.push_reference(&mut out, id) {
                out.truncate(len);
                out.extend(["the message ", &shown_name(id), " (not in this e-mail)"]);
            }
        }
    }
    out
}

/// Files that came into the archive after their message. Its text says which message it is, unless the e-mail has it anyway.
fn late_files<'g>(group: &'g Group<'_>, event: &'g Event) -> (String, Texts<'g>) {
    let target = event.target.as_deref();
    let shown = event.text.is_empty() || target.is_some_and(|target| group.says(target, &event.text));
    let texts = if shown { Texts::None } else { Texts::Labelled("its text", &event.text) };
    let action = match target {
        // What is neither message nor edit is not looked for in the e-mail.
        Some(id) if event.kind == EventKind::Other => format!("↳ late files of the event {}", shown_name(id)),
        _ => of_message(&["↳ late files of "], group, target),
    };
    (action, texts)
}

/// Whom it answers.
fn reply_to(group: &Group<'_>, root: &str) -> String {
    let mut out = String::with_capacity(120);
    out.push_str("↳ reply to ");
    if !group.push_reference(&mut out, root) {
        out.clear();
        out.extend(["↳ reply in the thread ", &shown_name(root), " (its beginning is not in this e-mail)"]);
    }
    out
}

/// Describes one event.
pub(super) fn describe<'g>(group: &'g Group<'_>, index: usize) -> Option<Line<'g>> {
    let one = group.event(index)?;
    let event = one.event;
    let on_target = |before: &[&str]| of_message(before, group, event.target.as_deref());
    let mut reply = false;
    let (action, texts) = match event.kind {
        _ if event.adds_files() => late_files(group, event),
        EventKind::Message => {
            let root = event.thread.as_deref().filter(|root| *root != event.id);
            reply = root.is_some();
            (root.map_or_else(String::new, |root| reply_to(group, root)), Texts::Own(&event.text))
        }
        // Nobody edited anything: two exports say otherwise.
        EventKind::Edit if event.differs() => (on_target(&["wrote otherwise, by another user's export: "]), Texts::Own(&event.text)),
        EventKind::Edit => (on_target(&["edited "]), Texts::Change { before: one.previous, after: &event.text }),
        EventKind::Delete => (on_target(&["deleted "]), one.previous.map_or(Texts::None, |text| Texts::Labelled("deleted text", text))),
        EventKind::Join => ("joined the chat".to_owned(), Texts::None),
        EventKind::Leave => ("left the chat".to_owned(), Texts::None),
        EventKind::Reaction => {
            let name = shown_name(&event.text);
            let action = if one.flags.has(Flags::REMOVED) {
                on_target(&["took back the reaction :", &name, ": from "])
            } else {
                on_target(&["reacted with :", &name, ": to "])
            };
            (action, Texts::None)
        }
        EventKind::Other => (String::new(), Texts::Own(&event.text)),
    };
    let on_message = |flag| event.kind == EventKind::Message && one.flags.has(flag);
    let marks = marks(&[
        ("bot", one.flags.has(Flags::FROM_BOT) || group.is_bot(index)),
        ("edited later", on_message(Flags::EDITED)),
        ("deleted later", on_message(Flags::DELETED)),
        ("arrived late", one.flags.has(Flags::LATE)),
    ]);
    Some(Line { sender: group.sender_label(index), action, marks, texts, reply })
}

/// Those words that apply, with commas.
fn marks(words: &[(&'static str, bool)]) -> String {
    let mut out = String::new();
    for (word, _) in words.iter().filter(|(_, applies)| *applies) {
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(word);
    }
    out
}

/// `attached: q.pdf (application/pdf, 12,345 bytes, SHA-256 …)`; for one that is not attached, why.
pub(super) fn attachment(one: &Attachment, fate: Fate) -> String {
    let mut out = match fate {
        Fate::Here => "attached: ".to_owned(),
        Fate::Part(part) => format!("attached to part {part}: "),
        Fate::Missing | Fate::LeftOut | Fate::TooLarge => "not attached: ".to_owned(),
    };
    out.push_str(&named(one));
    match fate {
        Fate::Here | Fate::Part(_) => {}
        Fate::Missing => {
            out.push_str(": missing");
            if let Some(url) = &one.url {
                out.push_str(", it was at ");
                out.push_str(&shown_name(url));
            }
        }
        Fate::LeftOut => out.push_str(": left out by policy"),
        Fate::TooLarge => out.push_str(": too large for one e-mail, left out by policy"),
    }
    out
}

/// Name, type, size and digest of a file.
pub(super) fn named(one: &Attachment) -> String {
    let mut out = shown_name(&one.name).into_owned();
    out.push_str(" (");
    out.push_str(&shown_name(&one.media_type));
    if let Some(size) = one.size {
        out.push_str(", ");
        push_number(&mut out, size);
        out.push_str(if size == 1 { " byte" } else { " bytes" });
    }
    if let Some(digest) = &one.digest {
        out.push_str(", SHA-256 ");
        out.push_str(&digest.hex());
    }
    out.push(')');
    out
}

/// A row of the heading: label and value.
pub(super) type Row = (&'static str, String);

/// Rows of the heading.
pub(super) fn heading(group: &Group<'_>, view: &super::PartView) -> Vec<Row> {
    let input = group.input;
    let mut rows = Vec::with_capacity(12);
    rows.push(("Chat", format!("{} ({})", group.title, super::words::chat_kind(input.facts.chat.kind))));
    rows.push(("Source", format!("{}, chat {}", input.window.chat.source, shown_name(&input.window.chat.id))));
    if let Some(title) = input.group.title.map(shown_name).filter(|title| !title.is_empty() && *title != group.title) {
        rows.push(("Group", title.into_owned()));
    }
    if let Some(person) = input.group.subject {
        rows.push(("Copy for", who(&person.user)));
    }
    if input.window.is_supplement() {
        rows.push(("Supplement", "sent later than the other copies, since only then it became known who was in the chat".to_owned()));
    }
    rows.push(("Policy", format!("{}, run {}", input.window.policy, input.run)));
    if view.parts > 1 {
        rows.push(("Part", format!("{} of {}", view.part, view.parts)));
    }
    if let (Some(started), Some(ended)) = (group.started, group.ended) {
        rows.push(("Started", group.stamp(started).as_str().to_owned()));
        rows.push(("Ended", group.stamp(ended).as_str().to_owned()));
        rows.push(("Duration", super::words::duration(ended.0.saturating_sub(started.0))));
    }
    if let Some((in_to, all)) = group.in_to() {
        rows.push(("In To", format!("{in_to} of {all} participants")));
    }
    rows.push(("Events", events(group, view)));
    if view.parts > 1 && !view.events.is_empty() {
        rows.push(("In this part", format!("events {} to {} of {}", view.events.start + 1, view.events.end, input.events.len())));
    } else if view.parts > 1 {
        rows.push(("In this part", "files only".to_owned()));
    }
    rows
}

/// How many events of what kind; of an encrypted chat only how many.
fn events(group: &Group<'_>, view: &super::PartView) -> String {
    if !group.is_sealed() {
        return super::words::counts(&group.counts, group.late_files);
    }
    let mut out = counted(group.encrypted, "event", "events");
    out.push_str(if view.parts > 1 { ", encrypted, in the attached files of all parts" } else { ", encrypted, in the attached files" });
    out
}

fn counted(count: u64, one: &str, many: &str) -> String {
    let mut out = String::new();
    push_number(&mut out, count);
    out.push(' ');
    out.push_str(if count == 1 { one } else { many });
    out
}

/// `4 events, encrypted, from … to …`: what is known of an encrypted file.
pub(super) fn sealed(file: &super::SealedFile) -> String {
    format!("{}, encrypted, from {} to {}", counted(u64::from(file.events), "event", "events"), file.first_at, file.last_at)
}

/// What is said of times that no list, no join and no leave tells.
pub(super) const DERIVED: &str = "derived from what this user did";

/// `and 3 more stays`.
pub(super) fn more_stays(count: u64) -> String {
    format!("and {}", counted(count, "more stay", "more stays"))
}

/// A participant, as the bodies list one.
pub(super) struct Listed<'g> {
    pub person: &'g Participant,
    /// Name, address and id, and the names that the user may have had when it happened.
    pub who: String,
    /// The stays that are shown.
    pub stays: Vec<Stay>,
    /// How many more there are.
    pub more: u64,
}

impl<'g> Listed<'g> {
    pub fn new(group: &Group<'_>, person: &'g Participant) -> Self {
        let (stays, more) = shown_stays(person, group);
        Self { person, who: who_then(group, &person.user), stays, more }
    }
}

/// Name, address and id of a user, and the names that he may have had when it happened.
fn who_then(group: &Group<'_>, user: &consign_model::User) -> String {
    let mut out = who(user);
    for former in group.names_at_the_time(user) {
        out.push_str(", until ");
        out.push_str(group.stamp(former.until).as_str());
        out.push_str(" known as \"");
        // Quotes within it can't end it.
        out.push_str(&shown_name(&former.name).replace('"', "'"));
        out.push('"');
    }
    out
}

/// Name, address and id of a user.
pub(super) fn who(user: &consign_model::User) -> String {
    let mut out = String::with_capacity(user.name.len() + user.id.len() + user.email.as_ref().map_or(0, String::len) + 24);
    out.push_str(&shown_name(&user.name));
    if let Some(email) = &user.email {
        out.push_str(" <");
        out.push_str(&shown_name(email));
        out.push('>');
    }
    if user.name != user.id {
        out.push_str(", ");
        out.push_str(&shown_name(&user.id));
    }
    for (word, set) in [("bot", user.bot), ("external", user.external), ("not recorded", !user.recorded)] {
        if set {
            out.push_str(", ");
            out.push_str(word);
        }
    }
    out
}
