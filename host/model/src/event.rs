//! One event of a chat, as a source reads it and as an e-mail shows it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::id::Hasher;
use crate::{Digest, Timestamp};

/// What happened. Numbered as in the module contract (`event-kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum EventKind {
    /// Somebody wrote.
    Message = 0,
    /// A message got another text; or files of it arrived after it ([`Event::adds_files`]).
    Edit = 1,
    /// A message was taken away.
    Delete = 2,
    /// Somebody came into the chat.
    Join = 3,
    /// Somebody left it.
    Leave = 4,
    /// A reaction, given or taken back.
    Reaction = 5,
    /// A system event: a new topic or title, a pinned item, a notice about a thread.
    Other = 6,
}

impl EventKind {
    /// All kinds, by number.
    pub const ALL: [Self; 7] = [Self::Message, Self::Edit, Self::Delete, Self::Join, Self::Leave, Self::Reaction, Self::Other];

    /// The kind with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word for it, as in `jsonl` and `consign.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Reaction => "reaction",
            Self::Other => "other",
        }
    }
}

/// Facts about an event, one bit each, as in the module contract (`event-flags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// The message has been edited.
    pub const EDITED: Self = Self(1);
    /// The message has been deleted.
    pub const DELETED: Self = Self(2);
    /// It answers in a thread.
    pub const REPLY: Self = Self(4);
    /// A program wrote it.
    pub const FROM_BOT: Self = Self(8);
    /// Files hang on it, present or missing.
    pub const HAS_ATTACHMENTS: Self = Self(16);
    /// It happened before the end of an earlier window and arrived after it. Set by the export, never stored.
    pub const LATE: Self = Self(32);
    /// A reaction that was taken back.
    pub const REMOVED: Self = Self(64);

    /// Whether all of `other`'s bits are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other`'s bits set too.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With `other`'s bits set where `condition` holds.
    #[must_use]
    pub fn with_if(self, other: Self, condition: bool) -> Self {
        if condition { self.with(other) } else { self }
    }
}

/// A file that hangs on a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's name, as the platform shows it: not a path, and never used as one.
    pub name: String,
    /// Its media type; `application/octet-stream` where unknown.
    pub media_type: String,
    /// Bytes; unset where the platform did not say and the bytes are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of the bytes, by which the archive finds them; unset where they are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where the platform keeps it, for a missing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// One event of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Its own id, unique in the chat: the platform's; or derived ([`Event::derived_id`]) where the platform has none for this event.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who did it: the platform's id of a user; unset for system events.
    pub user: Option<String>,
    /// The name that the event itself carries for its sender (a bot's, say), where that says more than the user.
    pub sender_name: Option<String>,
    /// A message's text, an edit's new text, a reaction's name, a system event's text; else empty. Plain text, `\n` between lines.
    pub text: String,
    /// The thread's root: a message id.
    pub thread: Option<String>,
    /// The message that this event edits, deletes or reacts to.
    pub target: Option<String>,
    /// `EDITED` where the platform says so without telling the edit itself, `DELETED` where it took the text away, `FROM_BOT`, `REMOVED`; the rest follows from
    /// other fields or is set later.
    pub flags: Flags,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// What the platform says the text was before this edit or deletion.
    pub previous: Option<String>,
    /// The platform's own form of the text (markup), where it differs from `text`.
    pub original: Option<String>,
}

impl Event {
    /// An event with nothing but its kind, id and time.
    pub fn new(kind: EventKind, id: impl Into<String>, at: Timestamp) -> Self {
        Self {
            kind,
            id: id.into(),
            at,
            user: None,
            sender_name: None,
            text: String::new(),
            thread: None,
            target: None,
            flags: Flags::default(),
            attachments: Vec::new(),
            previous: None,
            original: None,
        }
    }

    /// The id of an event for which the platform has none: `edit:m1:2026-…`, `reaction:m1:U2:thumbsup:2026-…`, `join:U1:2026-…`.
    pub fn derived_id(kind: EventKind, parts: &[&str], at: Timestamp) -> String {
        let mut id = kind.word().to_owned();
        for part in parts {
            id.push(':');
            id.push_str(part);
        }
        id.push(':');
        id.push_str(&at.to_string());
        id
    }

    /// What a join or a leave stands in order by among those of its millisecond: the id of the message that told it, where its own is derived from that
    /// (`join:U1:m7:2026-…`), else its own.
    pub fn move_order(&self) -> &str {
        let told = || {
            let rest = self.id.strip_prefix(self.kind.word())?.strip_prefix(':')?.strip_prefix(self.user.as_deref()?)?.strip_prefix(':')?;
            rest.strip_suffix(self.at.to_string().as_str())?.strip_suffix(':')
        };
        told().unwrap_or(&self.id)
    }

    /// The event by which `files` of this one, already in the archive without them, go out. It says again what this event says (sender, time, text, thread,
    /// flags), so that modules judge it as they judged this one, and it goes to those to whom this one went. For a message or an edit it is an edit of that
    /// message, for all else an `Other`.
    #[must_use]
    pub fn late_files(&self, files: Vec<Attachment>) -> Self {
        let mut which = Hasher::default();
        for file in &files {
            which.field(file.digest.as_ref().map_or(&[], |digest| digest.0.as_slice())).field(file.name.as_bytes());
        }
        let of_message = matches!(self.kind, EventKind::Message | EventKind::Edit);
        let edited = if self.kind == EventKind::Edit { self.target.clone() } else { None };
        Self {
            kind: if of_message { EventKind::Edit } else { EventKind::Other },
            id: format!("{LATE_FILES}{}:{}", self.id, which.finish().short()),
            target: Some(edited.unwrap_or_else(|| self.id.clone())),
            flags: self.own_flags(),
            attachments: files,
            previous: None,
            ..self.clone()
        }
    }

    /// Whether this is an event made by [`Self::late_files`]: it changes no text, and its attachments are what it brings.
    pub fn adds_files(&self) -> bool {
        adds_files(&self.id, self.target.as_deref())
    }

    /// Of an event made by [`Self::late_files`]: the id of the event that came without these files.
    pub fn lacking(&self) -> Option<&str> {
        if self.adds_files() { Some(self.id.strip_prefix(LATE_FILES)?.rsplit_once(':')?.0) } else { None }
    }

    /// As this message or edit stands in another user's export than the one that it was first read from, with another text: both are kept, since nobody
    /// can say which one was shown.
    #[must_use]
    pub fn differing_copy(&self) -> Self {
        self.with_text_of(DIFFERS)
    }

    /// The edit that is seen by this message's, or edit's, having another text than before. When it was made nobody knows, so it has the message's time. Of a system
    /// event, which is no message that could be edited, it is one more system event, which belongs to whatever this one does.
    #[must_use]
    pub fn found_edit(&self) -> Self {
        self.with_text_of("edit:")
    }

    /// An edit to this text. Its id holds the text's digest: the same text again is the same edit.
    fn with_text_of(&self, word: &str) -> Self {
        let target = if self.kind == EventKind::Message { Some(self.id.clone()) } else { self.target.clone() };
        let id = format!("{word}{}:{}", self.id, Digest::of(self.original.as_deref().unwrap_or(&self.text).as_bytes()).short());
        let kind = if self.kind == EventKind::Other { EventKind::Other } else { EventKind::Edit };
        Self { kind, id, target, attachments: Vec::new(), ..self.clone() }
    }

    /// Whether this event was made by [`Self::differing_copy`].
    pub fn differs(&self) -> bool {
        differs(&self.id, self.kind)
    }

    /// Bytes of its texts, which are most of what it takes in memory.
    pub fn text_bytes(&self) -> usize {
        self.text.len() + self.original.as_deref().map_or(0, str::len) + self.previous.as_deref().map_or(0, str::len)
    }

    /// All flags that follow from this event alone.
    pub fn own_flags(&self) -> Flags {
        let reply = self.kind == EventKind::Message && self.thread.as_ref().is_some_and(|root| *root != self.id);
        self.flags.with_if(Flags::REPLY, reply).with_if(Flags::HAS_ATTACHMENTS, !self.attachments.is_empty())
    }

    /// What tells this event from others of its chat, and its content.
    pub fn identity(&self) -> EventIdentity {
        let mut identity = Hasher::default();
        identity.field(self.kind.word().as_bytes()).field(self.id.as_bytes()).field(&self.at.0.to_be_bytes());
        identity.field(self.user.as_deref().unwrap_or_default().as_bytes());
        if self.kind == EventKind::Reaction {
            identity.field(self.text.as_bytes()).field(&[u8::from(self.flags.has(Flags::REMOVED))]);
        }
        let mut content = Hasher::default();
        // The platform's own form where it is kept: the plain text holds resolved names, and a renamed user edits nothing.
        content.field(self.original.as_deref().unwrap_or(&self.text).as_bytes());
        let mut text = [0; 8];
        text.copy_from_slice(content.finish().0.get(..8).unwrap_or(&[0; 8]));
        EventIdentity { hash: EventHash::of(identity), content: text }
    }

    /// What tells each file that hangs on this event, with its bytes, from all others of the chat: known once it has arrived. The name counts too, so that
    /// of two files with the same bytes neither is taken for the other.
    pub fn files(&self) -> impl Iterator<Item = (&Attachment, EventIdentity)> {
        self.attachments.iter().filter_map(|file| {
            let mut identity = Hasher::default();
            // No kind of event has this word.
            identity.field(b"file").field(&self.identity().hash.0).field(&file.digest?.0).field(file.name.as_bytes());
            Some((file, EventIdentity { hash: EventHash::of(identity), content: [0; 8] }))
        })
    }

    /// The files that hang on this event without their bytes and with an address of the web: the place of each among the attachments, and what tells it from all
    /// other files of the chat before its bytes are known.
    pub fn wanted(&self) -> impl Iterator<Item = (u32, EventHash)> {
        self.named_files()
            .filter(|(_, file, _)| file.digest.is_none() && file.url.as_deref().is_some_and(is_of_the_web))
            .map(|(place, _, hash)| (place, hash))
    }

    /// Of the files that hang on this event with their bytes: by what [`Self::wanted`] told them while these were missing. Where several have one name, all or
    /// none: another export may have them in another order, and the wrong one would be taken for found.
    pub fn found(&self) -> impl Iterator<Item = EventHash> {
        let missing: HashSet<&str> = self.attachments.iter().filter(|file| file.digest.is_none()).map(|file| file.name.as_str()).collect();
        self.named_files().filter(move |(_, file, _)| !missing.contains(file.name.as_str())).map(|(_, _, hash)| hash)
    }

    /// What tells each file that hangs on this event from all other files of the chat, with its bytes or without: known once its event has arrived.
    pub fn named(&self) -> impl Iterator<Item = (&Attachment, EventHash)> {
        self.named_files().map(|(_, file, hash)| (file, hash))
    }

    /// Each file by its name, and of several with one name by which of them it is.
    fn named_files(&self) -> impl Iterator<Item = (u32, &Attachment, EventHash)> {
        let of_event = if self.attachments.is_empty() { None } else { Some(self.identity().hash) };
        let mut seen: HashMap<&str, u64> = HashMap::new();
        (0_u32..).zip(&self.attachments).map(move |(place, file)| {
            let before = seen.entry(&file.name).or_default();
            let mut hash = Hasher::default();
            // No kind of event has this word.
            hash.field(b"wanted").field(&of_event.map_or([0; 16], |event| event.0)).field(file.name.as_bytes()).field(&before.to_be_bytes());
            *before += 1;
            (place, file, EventHash::of(hash))
        })
    }
}

fn is_of_the_web(url: &str) -> bool {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(scheme));
    begins("https://") || begins("http://")
}

/// How the ids of events that bring late files begin. No platform's id stands in an event with a target, but for Slack's, which are numbers.
const LATE_FILES: &str = "files:";

/// How the ids of events begin that are copies with another text.
const DIFFERS: &str = "copy:";

/// [`Event::differs`], of columns too.
pub(crate) fn differs(id: &str, kind: EventKind) -> bool {
    kind == EventKind::Edit && id.starts_with(DIFFERS)
}

/// [`Event::adds_files`], of columns too.
pub(crate) fn adds_files(id: &str, target: Option<&str>) -> bool {
    target.is_some() && id.starts_with(LATE_FILES)
}

/// The first half of the SHA-256 of kind, id, time, user and reaction: equal for the same event of one chat. Or of an event and a file on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventHash(pub [u8; 16]);

impl EventHash {
    fn of(fields: Hasher) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(fields.finish().0.get(..16).unwrap_or(&[0; 16]));
        Self(hash)
    }
}

/// Which event it is, and which text it has: the same event with another text is an edit that the platform did not tell. Or which file it is: see
/// [`Event::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventIdentity {
    /// Which event.
    pub hash: EventHash,
    /// The first 8 bytes of the SHA-256 of its text, in the platform's own form; zeros for a file.
    pub content: [u8; 8],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, url: Option<&str>, digest: Option<&[u8]>) -> Attachment {
        Attachment { name: name.into(), media_type: "image/png".into(), size: None, digest: digest.map(Digest::of), url: url.map(str::to_owned) }
    }

    fn message(files: Vec<Attachment>) -> Event {
        Event { attachments: files, ..Event::new(EventKind::Message, "m1", Timestamp(1)) }
    }

    #[test]
    fn what_is_wanted_is_found_by_the_same_name() {
        let (there, nowhere) = (Some("https://files.example/x"), Some("hostedContents/1"));
        let event = message(vec![file("a", there, None), file("b", nowhere, None), file("a", Some("HTTP://x/"), None), file("c", None, Some(b"c"))]);
        let wanted: Vec<_> = event.wanted().collect();
        assert_eq!(wanted.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 2]);
        assert_ne!(wanted[0].1, wanted[1].1);
        // In another export without the one and with the other: which is which nobody can say.
        let some = message(vec![file("a", None, Some(b"1")), file("a", there, None), file("b", None, Some(b"b"))]);
        assert!(some.found().all(|hash| wanted.iter().all(|(_, wanted)| *wanted != hash)));
        let all = message(vec![file("b", None, Some(b"b")), file("a", None, Some(b"2")), file("a", None, Some(b"1"))]);
        let found: HashSet<_> = all.found().collect();
        assert!(wanted.iter().all(|(_, hash)| found.contains(hash)));
        // Of another event it is another file.
        let other = Event { id: "m2".into(), ..event.clone() };
        assert!(other.wanted().all(|(_, hash)| wanted.iter().all(|(_, wanted)| *wanted != hash)));
    }
}
