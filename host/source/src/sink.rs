//! Where events go: the door to whoever stores them. A trait, because tests want to look at what comes out and ingest wants to keep it.

use std::collections::BTreeMap;
use std::io::Read;

use consign_model::source::Capture;
use consign_model::{ChatKind, Digest, Event, User};

/// Why the storing side failed. Any error: this room only carries it up.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// What an export says of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatInfo {
    /// The platform's own id.
    pub id: String,
    /// Unset where the export holds events of a chat that it nowhere describes; a chat that is new then is of the kind `Other`, one that is known
    /// already stays what it is.
    pub kind: Option<ChatKind>,
    /// The title, where it has one.
    pub title: Option<String>,
    /// What the platform says beside: `private`, `archived`, … Labels stand in the index in clear, so nothing that people write in the chat is one.
    pub labels: BTreeMap<String, String>,
    /// Users that the platform lists as members without saying since when.
    pub members: Vec<String>,
}

impl ChatInfo {
    /// A chat of which only the id is known.
    pub fn unknown(id: &str) -> Self {
        Self { id: id.to_owned(), kind: None, title: None, labels: BTreeMap::new(), members: Vec::new() }
    }
}

/// What is known of a file before its bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo<'a> {
    /// The name that the platform shows; no path.
    pub name: &'a str,
    /// Its media type.
    pub media_type: &'a str,
    /// How many bytes the export says it has. Not to be trusted.
    pub size: Option<u64>,
}

/// Takes what a source reads. An error from any of these ends the import.
pub trait Sink {
    /// A user. May come again with other facts: the newer ones hold.
    fn user(&mut self, user: User) -> Result<(), SinkError>;

    /// A user of whom only an event tells, with a name maybe: it holds where nothing else is known of that user.
    fn mentioned(&mut self, user: User) -> Result<(), SinkError>;

    /// A chat. Comes before its first events; may come again with more facts.
    fn chat(&mut self, chat: ChatInfo) -> Result<(), SinkError>;

    /// Some events of a chat: never empty, at most [`crate::Limits::piece_events`], in the export's order (Slack: by `ts`). A chat's events may come in
    /// many pieces, with other chats' between them.
    ///
    /// `copy_of`: the user in whose export these stand, where the platform makes one for each user. The same event of several of them is one event.
    fn events(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SinkError>;

    /// That this user's own export was read, and for which times. Where nobody said for which, it comes at the end, with the times of the first and the last
    /// of this user's copies; where they come in parts over time, with the last of them.
    fn captured(&mut self, capture: Capture) -> Result<(), SinkError>;

    /// A file's bytes, before the event that carries it. Answers with digest and size.
    ///
    /// Where reading `bytes` fails, hand that failure up and keep nothing of the file: it is then recorded as missing and the import goes on.
    fn attachment(&mut self, file: FileInfo<'_>, bytes: &mut dyn Read) -> Result<(Digest, u64), SinkError>;
}
