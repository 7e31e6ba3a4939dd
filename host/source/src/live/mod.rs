//! What arrives by itself, one request at a time: the same lines and messages as in files, and the proofs that they are from whom they say.
//!
//! These are functions from bytes to events and to yes or no: they know no HTTP and store nothing, so that signatures can be tested against vectors and
//! bodies against random damage. What a request says is read to its end before anything of it goes on ([`Gathered`]): a request is small, whoever stores
//! it wants several at once, and to store them again where storing fails.

mod gathered;
pub mod jwt;
pub mod mattermost;
mod packing;
mod proof;
pub mod pull;
pub mod slack;
pub mod teams;

pub use gathered::Gathered;
pub use packing::{Packed, Unpackable};
pub use proof::{NoRandomness, Token};

use consign_model::source::{Capabilities, Deletions, Edits, Memberships, PrivateChats, Reactions, View};

use crate::intake::Intake;
use crate::json::fields::Shape;
use crate::{Limits, Refusal, Report, SourceError};

/// How events come by themselves, beside `jsonl` lines, which are what they are in a file ([`crate::Format::Jsonl`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Live {
    /// Slack's Events API.
    SlackEvents,
    /// Microsoft Graph's change notifications.
    TeamsNotifications,
    /// Mattermost's outgoing webhook.
    MattermostWebhook,
    /// Microsoft Graph's export of each user's messages, which is asked.
    TeamsExport,
    /// Slack's Discovery API, which is asked.
    SlackDiscovery {
        /// The organisation keeps every edit and deletion (a setting of its retention), so all of them are told.
        keeps_edits: bool,
    },
}

impl Live {
    /// The word for it, in the file of sources and in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::SlackEvents => "slack-events",
            Self::TeamsNotifications => "teams-notifications",
            Self::MattermostWebhook => "mattermost-webhook",
            Self::TeamsExport => "teams-export",
            Self::SlackDiscovery { .. } => "slack-discovery",
        }
    }

    /// What comes so and what does not. Of what is not asked, what happened before it was set up or while it was down is not there.
    pub fn capabilities(self) -> Capabilities {
        match self {
            Self::SlackEvents => Capabilities {
                view: View::Complete,
                edits: Edits::All,
                deletions: Deletions::All,
                reactions: Reactions::All,
                memberships: Memberships::Timed,
                // Those that the app was let into.
                private_chats: PrivateChats::AsExported,
                addresses: true,
            },
            Self::TeamsNotifications => Capabilities {
                view: View::Complete,
                // Each notification has the newest text; of one that was missed the text between is lost.
                edits: Edits::Newest,
                deletions: Deletions::All,
                // Each notification has those of its time.
                reactions: Reactions::AsExported,
                memberships: Memberships::Timed,
                // Those that were subscribed to.
                private_chats: PrivateChats::AsExported,
                addresses: false,
            },
            Self::MattermostWebhook => Capabilities {
                view: View::Complete,
                edits: Edits::Unsaid,
                deletions: Deletions::Unsaid,
                reactions: Reactions::Unsaid,
                memberships: Memberships::Derived,
                private_chats: PrivateChats::AsExported,
                addresses: false,
            },
            Self::TeamsExport => Capabilities {
                view: View::PerUser,
                // Each pull has the newest text; of what was edited twice between two of them the text between is lost.
                edits: Edits::Newest,
                deletions: Deletions::ForDays(21),
                reactions: Reactions::AsExported,
                memberships: Memberships::Listed,
                // Those of the users who are asked for.
                private_chats: PrivateChats::AsExported,
                addresses: true,
            },
            Self::SlackDiscovery { keeps_edits } => Capabilities {
                view: View::Complete,
                // Without that an edit is seen where its message is read once more, and those of older ones are not.
                edits: if keeps_edits { Edits::All } else { Edits::Unsaid },
                deletions: if keeps_edits { Deletions::All } else { Deletions::Unsaid },
                reactions: Reactions::AsExported,
                memberships: Memberships::Listed,
                private_chats: PrivateChats::All,
                addresses: true,
            },
        }
    }
}

/// What a request brought.
#[derive(Debug, Default)]
pub struct Arrived {
    /// What is to be stored.
    pub gathered: Gathered,
    /// What was read, and what was refused.
    pub report: Report,
}

impl Arrived {
    /// Whether it brought nothing but what had to be refused.
    pub fn is_all_refused(&self) -> bool {
        self.report.refused_anything() && self.gathered.is_empty()
    }

    fn by(limits: &Limits, read: impl FnOnce(Intake<'_>) -> Result<Report, SourceError>) -> Result<Self, SourceError> {
        let mut gathered = Gathered::default();
        let report = read(Intake::new(&mut gathered, limits, &|_| {}))?;
        Ok(Self { gathered, report })
    }

    /// Of a request that is one thing: taken, or refused as a whole. `name` says in a refusal what it is of.
    fn by_one(name: &str, limits: &Limits, take: impl FnOnce(&mut Intake<'_>) -> Result<(), NotTaken>) -> Result<Self, SourceError> {
        let mut arrived = Self::by(limits, |mut intake| {
            match take(&mut intake) {
                Ok(()) => {}
                Err(NotTaken::Shape(shape)) => intake.refuse(Refusal { file: name.to_owned(), line: None, index: None, reason: shape.to_string() }),
                Err(NotTaken::Sink(error)) => return Err(error),
            }
            intake.finish()
        })?;
        if arrived.report.refused_anything() {
            // Its chat may have been handed over before: nobody is to take that for the event.
            arrived.gathered = Gathered::default();
        }
        Ok(arrived)
    }
}

/// Why something was not handed over.
enum NotTaken {
    Shape(Shape),
    Sink(SourceError),
}

impl From<Shape> for NotTaken {
    fn from(shape: Shape) -> Self {
        Self::Shape(shape)
    }
}

impl From<SourceError> for NotTaken {
    fn from(error: SourceError) -> Self {
        Self::Sink(error)
    }
}

/// Reads JSON lines. A line that can't be read is refused by its number, and the rest is taken; files that lines name are missing, since none come with a
/// request.
pub fn lines(body: &[u8], limits: &Limits) -> Result<Arrived, SourceError> {
    Arrived::by(limits, |intake| crate::jsonl::read_bytes("request", body, intake))
}
