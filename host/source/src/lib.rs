//! What comes in: each format turns one platform's export into users, chats and model events.
//!
//! This room reads and judges; it stores nothing and knows no store. It hands everything to a [`Sink`] piece by piece and chat by chat, so memory does
//! not grow with the export. Two kinds of trouble are kept apart, because they end differently:
//!
//! - The *file as a whole* can't be trusted (not a ZIP, cut short, a bomb, no chats in it): [`read`] answers with an error **before** anything was handed
//!   over, so there is nothing half-done to clean up.
//! - *One entry or line* can't be read: it is a [`Refusal`] in the [`Report`], named by file and place, and the rest goes on.
//!
//! Nothing is dropped without a word: what is not an event (an unknown file, an unknown field) is counted in the report's notes.

mod discord;
mod enclosed;
mod error;
mod files;
mod html;
pub mod identities;
mod intake;
mod json;
mod jsonl;
mod limits;
pub mod live;
mod matrix;
mod mattermost;
pub mod media;
mod reaction;
mod recognise;
mod report;
mod sink;
mod slack;
mod teams;
mod text;
mod waiting;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use consign_model::source::{Capabilities, Deletions, Edits, Memberships, PrivateChats, Reactions, View};
pub use error::SourceError;
pub use limits::Limits;
pub use report::{Missing, Progress, Refusal, Report};
pub use sink::{ChatInfo, FileInfo, Sink, SinkError};

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Slack's export: the ZIP as it is, or its unpacked folder.
    Slack,
    /// Mattermost's bulk export: its JSON lines alone, or with the files of posts in a ZIP or folder.
    Mattermost,
    /// Exports of Discord by `DiscordChatExporter`, as JSON: one file, or a folder or ZIP of them.
    Discord,
    /// Microsoft Teams: `chatMessage` objects as Microsoft Graph answers them, in one file or many.
    Teams,
    /// Matrix: the JSON that Element exports of a room, with its files or without.
    Matrix,
    /// One JSON object a line, plain or packed with gzip or zstd.
    Jsonl,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [Self::Slack, Self::Mattermost, Self::Teams, Self::Discord, Self::Matrix, Self::Jsonl];

    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Mattermost => "mattermost",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Matrix => "matrix",
            Self::Jsonl => "jsonl",
        }
    }

    /// What exports in this format give and what they do not.
    pub fn capabilities(self) -> Capabilities {
        match self {
            Self::Slack => Capabilities {
                view: View::Complete,
                edits: Edits::All,
                deletions: Deletions::All,
                reactions: Reactions::AsExported,
                memberships: Memberships::Listed,
                private_chats: PrivateChats::AsExported,
                addresses: true,
            },
            Self::Mattermost => Capabilities {
                view: View::Complete,
                edits: Edits::Newest,
                deletions: Deletions::Unsaid,
                reactions: Reactions::AsExported,
                memberships: Memberships::Listed,
                private_chats: PrivateChats::All,
                addresses: true,
            },
            Self::Discord => Capabilities {
                view: View::Complete,
                edits: Edits::Newest,
                deletions: Deletions::Unsaid,
                reactions: Reactions::AsExported,
                memberships: Memberships::Derived,
                private_chats: PrivateChats::AsExported,
                addresses: false,
            },
            Self::Teams => Capabilities {
                view: View::PerUser,
                edits: Edits::Newest,
                deletions: Deletions::ForDays(21),
                reactions: Reactions::AsExported,
                memberships: Memberships::Listed,
                private_chats: PrivateChats::AsExported,
                addresses: true,
            },
            Self::Matrix => Capabilities {
                view: View::Complete,
                edits: Edits::Newest,
                deletions: Deletions::All,
                // Those that are in a file are read; Element writes none.
                reactions: Reactions::Unsaid,
                memberships: Memberships::Timed,
                private_chats: PrivateChats::AsExported,
                addresses: false,
            },
            Self::Jsonl => Capabilities {
                view: View::Complete,
                edits: Edits::All,
                deletions: Deletions::All,
                reactions: Reactions::All,
                memberships: Memberships::Timed,
                private_chats: PrivateChats::All,
                addresses: true,
            },
        }
    }

    /// Whether an export that begins like this is one of these, certainly.
    fn fits(self, head: &recognise::Head) -> bool {
        match self {
            // Graph's lists may be called as Slack's are.
            Self::Slack => head.has_file(&slack::MARKS) && !teams::fits(head),
            Self::Mattermost => mattermost::fits(head),
            Self::Discord => discord::fits(head),
            Self::Teams => teams::fits(head),
            Self::Matrix => matrix::fits(head),
            Self::Jsonl => head.is_one_file() && jsonl::fits(head),
        }
    }

    /// The format of a file or folder, by what stands in it.
    ///
    /// # Errors
    /// [`SourceError::Unrecognised`], where that is not certain.
    pub fn recognise(path: &Path, limits: &Limits) -> Result<Self, SourceError> {
        recognise::format(path, limits)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A text that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format '{}': use {}", .0.escape_debug(), words())]
pub struct UnknownFormat(String);

/// All formats' words, for a person.
fn words() -> String {
    let [first @ .., last] = Format::ALL.map(Format::word);
    format!("{} or {last}", first.join(", "))
}

impl FromStr for Format {
    type Err = UnknownFormat;
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.word() == text).ok_or_else(|| UnknownFormat(text.chars().take(40).collect()))
    }
}

/// Reads an export and hands what is in it to `sink`. Blocks: run it where blocking is allowed.
///
/// Reading the same file again hands over the same events with the same ids, times and texts.
///
/// # Errors
/// [`SourceError`]: the file as a whole can't be read, or the sink failed. Only the latter, and a disk that fails while it is read, can come after
/// something was handed over; importing again is then safe, because an event is stored once.
pub fn read(format: Format, path: &Path, limits: &Limits, sink: &mut dyn Sink, progress: &dyn Fn(Progress)) -> Result<Report, SourceError> {
    let intake = intake::Intake::new(sink, limits, progress);
    match format {
        Format::Slack => slack::read(path, intake),
        Format::Mattermost => mattermost::read(path, intake),
        Format::Discord => discord::read(path, intake),
        Format::Teams => teams::read(path, intake),
        Format::Matrix => matrix::read(path, intake),
        Format::Jsonl => jsonl::read(path, intake),
    }
}

/// As [`read`], for JSON lines that are at hand and not in a file: a developer's cases, and chats that are made up. `name` stands for the file's in
/// refusals; the paths of attachments are looked for in `folder`, and where there is none they are missing.
pub fn read_lines(
    name: &str,
    lines: &str,
    folder: Option<&Path>,
    limits: &Limits,
    sink: &mut dyn Sink,
    progress: &dyn Fn(Progress),
) -> Result<Report, SourceError> {
    jsonl::read_text(name, lines, folder, intake::Intake::new(sink, limits, progress))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn formats_by_word() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        assert_eq!(
            "SMS\n".parse::<Format>().unwrap_err().to_string(),
            "unknown format 'SMS\\n': use slack, mattermost, teams, discord, matrix or jsonl"
        );
    }
}
