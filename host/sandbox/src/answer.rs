//! What modules answer, after the host has checked it.

use crate::failure::Sealed;

/// What a criterion says of a whole chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Show it the events.
    Inspect,
    /// All of it is kept; `evaluate` is not called.
    KeepAll,
    /// All of it is left out by the rule with this index in the manifest; it need not be decrypted.
    OmitAll(u8),
}

/// Events `first` to `last` of the batch (inclusive) go into group `group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// Row of the batch.
    pub first: u32,
    /// Row of the batch, not before `first`.
    pub last: u32,
    /// Index into what [`GroupingSession::finish`](crate::GroupingSession::finish) answers.
    pub group: u32,
}

/// Events `first` to `last` of the batch (inclusive) go into no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Row of the batch.
    pub first: u32,
    /// Row of the batch, not before `first`.
    pub last: u32,
    /// Index into the manifest's rules.
    pub rule: u8,
}

/// Where a batch's events go. Every event is in one or more groups, and in each of them once; or it is left out, once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// Into groups.
    pub assigned: Vec<Assignment>,
    /// Into none.
    pub left_out: Vec<LeftOut>,
}

/// One group of a chat's events: one e-mail, or its parts. A group to which no event was assigned can occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Stable from run to run, unique in the chat; at most 256 bytes without control characters.
    pub key: String,
    /// For people; one line.
    pub title: String,
    /// Index of the participant whose copy this is: all events of the group fall into that participant's stays.
    pub subject: Option<u32>,
    /// For the target's templates; each name once.
    pub labels: Vec<(String, String)>,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Details.
    Debug,
    /// Good to know.
    Info,
    /// Worth a look.
    Warn,
    /// Something is wrong.
    Error,
}

/// What a module wrote for its owner. It may hold message text: it is sealed, and never goes into the host's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says, on one line; cut at [`Limits::log_line_bytes`](crate::Limits::log_line_bytes).
    pub message: Sealed,
}
