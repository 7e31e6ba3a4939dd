//! What an import tells: what was handed over, by kind, and what was not, one by one with place and reason.

use std::collections::BTreeMap;
use std::fmt;

use consign_model::EventKind;
use serde::Serialize;

/// Something of the export that could not be imported. Its text never holds message text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The file, as a path inside the export (or the file's own name), made safe to print.
    pub file: String,
    /// The line in it, counted from 1, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Which entry of the file's list, counted from 0, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What is wrong with it, and where there is one, the way out.
    pub reason: String,
}

impl Refusal {
    /// Of a file as a whole. `path`: as it is in the export.
    pub(crate) fn of_file(path: &str, reason: impl Into<String>) -> Self {
        Self { file: shown(path), line: None, index: None, reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(index) = self.index {
            write!(f, ", entry {index}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A file that a message names and the export does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The chat's id.
    pub chat: String,
    /// The message's id.
    pub event: String,
    /// The file's name.
    pub name: String,
    /// Where the platform keeps it, without a query: that can be a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Users handed over.
    pub users: u64,
    /// Of these, without an e-mail address: they get a synthetic one.
    pub users_without_email: u64,
    /// Users whose own exports were read, where the platform makes one for each user.
    pub captured_users: u64,
    /// Chats handed over, each counted once.
    pub chats: u64,
    /// Events handed over, by kind; a kind that did not occur is not there. Whether the archive had them already is for the sink to say.
    pub events: BTreeMap<EventKind, u64>,
    /// Attachments whose bytes were handed over; the same file on two messages is two.
    pub attachments: u64,
    /// Their bytes.
    pub attachment_bytes: u64,
    /// Attachments that the export names and does not hold. Not a refusal: Slack's own exports hold none.
    pub attachments_missing: u64,
    /// These, one by one, up to [`crate::Limits::listed`].
    pub missing: Vec<Missing>,
    /// Files whose bytes the export holds and no event has: they were not handed over.
    pub unclaimed: u64,
    /// These, by path, up to [`crate::Limits::listed`].
    pub unclaimed_files: Vec<String>,
    /// How much was refused.
    pub refused: u64,
    /// The refusals, up to [`crate::Limits::listed`].
    pub refusals: Vec<Refusal>,
    /// What else is worth knowing, with how often: files that are no chats, fields that are not known, names that were cleaned.
    pub notes: BTreeMap<String, u64>,
}

impl Report {
    /// All events handed over.
    pub fn events_total(&self) -> u64 {
        self.events.values().sum()
    }

    /// Whether anything was refused: the program then exits with 3.
    pub fn refused_anything(&self) -> bool {
        self.refused > 0
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the export read so far.
    pub done: u64,
    /// Bytes there are.
    pub total: u64,
    /// Events handed over so far.
    pub events: u64,
}

/// A path or name from outside, fit for a line of text: no control characters, and not endless.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 200;
    let mut out: String =
        name.chars().take(LONGEST).flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    if name.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}
