//! Sources that are asked: platforms that send nothing by themselves, or not all, and hand out their messages page by page to who asks.
//!
//! **A page is stored before its cursor is kept.** The cursor says where the platform goes on, so a process that dies at any moment asks again for one page at
//! most, and what is there already is counted and not stored twice. A cursor that is lost costs time and nothing else.
//!
//! **Nothing is claimed that was not read.** That a user's own export was read for some time is said when the last page of a round is stored, and until some
//! minutes before that round began; until then `coverage` knows of the copies alone.
//!
//! **One that can't be read stops no other.** A user whose export is refused, a conversation that is gone: each is told with its id and why, and the pull goes on.
//! Only what concerns all (the token is refused, the platform does not answer, the store fails) ends it. The next pull goes on where this one stopped.
//!
//! Schedules are policies' ([`consign_model::schedule`]). Times that were missed while the program was down make one pull, at its start.

mod client;
mod keeping;
mod settings;
mod slack;
mod teams;
mod times;

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_model::schedule::ScheduleError;
use consign_model::{EventKind, Name, Timestamp};
use consign_source::live::Live;
use consign_source::{Refusal, SourceError};
use consign_store::StoreError;
use serde::Serialize;
use tokio::sync::watch;

use self::keeping::Keeper;
pub use self::settings::{Address, Model, SlackDiscovery, TeamsExport};
pub use self::times::{Pulling, Schedules};
use crate::receive::secret;
use crate::receive::{Config, SourceConfig};
use crate::{Importer, IngestError};

/// Why nothing is pulled, or no more.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The file has no source of this name that is asked.
    #[error("source '{0}' is not asked: the file has no [[source]] of this name with the kind teams-export or slack-discovery")]
    NotAsked(Name),
    /// The file has none at all.
    #[error("no source is asked: the file has no [[source]] of the kind teams-export or slack-discovery")]
    None,
    /// What a source needs can't be had.
    #[error("source '{source_name}': {what}")]
    Source {
        /// Which.
        source_name: Name,
        /// What is wrong, and the way out.
        what: String,
    },
    /// A schedule that can't be read.
    #[error("source '{source_name}': {cause}")]
    Schedule {
        /// Of which source.
        source_name: Name,
        /// What is wrong with it.
        cause: ScheduleError,
    },
    /// Archive or store failed. What was stored before stays, and the next pull goes on from there.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

/// Something that could not be read, while the rest was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// What: `user ID`, `team ID`, `conversation ID`.
    pub of: String,
    /// Why, and what to do.
    pub why: String,
}

/// What a pull brought.
#[derive(Debug, Clone, Serialize)]
pub struct Pulled {
    /// The source's name.
    pub source: Name,
    /// How it was asked.
    pub format: &'static str,
    /// Pages of messages that were read.
    pub pages: u64,
    /// Events stored now, by kind.
    pub stored: BTreeMap<EventKind, u64>,
    /// Events that the archive had already, by kind.
    pub already_there: BTreeMap<EventKind, u64>,
    /// Messages that came again with another text, and were stored as edits.
    pub edits_found: u64,
    /// Copies in one user's export with another text than another's of the same message, stored beside it.
    pub differing_copies: u64,
    /// Users, teams or conversations that were read to their end.
    pub read: u64,
    /// Those that were not, one by one.
    pub passed: Vec<Passed>,
    /// How much was refused because it can't be read.
    pub refused: u64,
    /// The refusals, up to a thousand.
    pub refusals: Vec<Refusal>,
    /// Files whose bytes are not there: the platform names them and they are not asked for.
    pub attachments_missing: u64,
    /// What else is worth knowing, with how often.
    pub notes: BTreeMap<String, u64>,
    /// Why it ended before all was read; unset where all was.
    pub ended: Option<String>,
}

impl Pulled {
    /// Whether all that there is was read, and nothing refused. Else the program exits with 3.
    pub fn is_complete(&self) -> bool {
        self.ended.is_none() && self.passed.is_empty() && self.refused == 0
    }
}

/// What keeps a question from being answered.
enum Fault {
    /// The program is to end.
    Stopping,
    /// This one alone can't be read.
    Passed(String),
    /// It, or where it went on from, is nothing that the platform knows.
    Unknown(String),
    /// Where it went on from is no more.
    Gone,
    /// All of the source can't be, now.
    Source(String),
    /// Archive or store failed.
    Ingest(IngestError),
}

impl From<IngestError> for Fault {
    fn from(error: IngestError) -> Self {
        Self::Ingest(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Ingest(error.into())
    }
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Ingest(error.into())
    }
}

/// A source that is asked, with its secret.
enum Kind {
    Teams(Box<teams::Teams>),
    Slack(Box<slack::Slack>),
}

/// Asks one source.
struct Puller {
    name: Name,
    way: Live,
    kind: Kind,
    importer: Importer,
}

impl Puller {
    /// Reads the source's secret. Unset where it is none that is asked.
    async fn open(source: &SourceConfig, importer: &Importer, stop: &watch::Receiver<bool>) -> Result<Option<Self>, PullError> {
        let failed = |what: String| PullError::Source { source_name: source.name().clone(), what };
        let (way, kind) = match source {
            SourceConfig::TeamsExport(settings) => {
                let secret = secret::read(&settings.client_secret).await.map_err(|fault| failed(fault.to_string()))?;
                let teams = teams::Teams::new(settings.clone(), secret, stop.clone()).map_err(failed)?;
                (Live::TeamsExport, Kind::Teams(Box::new(teams)))
            }
            SourceConfig::SlackDiscovery(settings) => {
                let token = secret::read(&settings.token).await.map_err(|fault| failed(fault.to_string()))?;
                let slack = slack::Slack::new(settings.clone(), token, stop.clone()).map_err(failed)?;
                (Live::SlackDiscovery { keeps_edits: settings.keeps_edits }, Kind::Slack(Box::new(slack)))
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { name: source.name().clone(), way, kind, importer: importer.clone() }))
    }

    /// Asks for all that came since the last time, or for all there is.
    async fn pull(&self, from: Begin) -> Result<Pulled, IngestError> {
        let began = Timestamp::now();
        let input = match &self.kind {
            Kind::Teams(teams) => teams.input(),
            Kind::Slack(slack) => slack.input(),
        };
        let keeper = Arc::new(Keeper::open(self.importer.clone(), self.name.clone(), self.way, input, from).await?);
        let outcome = match &self.kind {
            Kind::Teams(teams) => teams.pull(&keeper).await,
            Kind::Slack(slack) => slack.pull(&keeper).await,
        };
        // One that was stopped is made up for at the next start.
        if !matches!(outcome, Err(Fault::Stopping | Fault::Ingest(_))) {
            keeper.made(began).await?;
        }
        let (ended, failed) = match outcome {
            Ok(()) => (None, None),
            Err(Fault::Stopping) => (Some("it was stopped; the next pull goes on from there".to_owned()), None),
            Err(Fault::Passed(why) | Fault::Unknown(why) | Fault::Source(why)) => (Some(why), None),
            Err(Fault::Gone) => (Some("the platform no longer knows where it went on; the next pull begins anew".to_owned()), None),
            Err(Fault::Ingest(error)) => (Some(error.to_string()), Some(error)),
        };
        let pulled = keeper.finish(ended).await;
        match failed {
            Some(error) => Err(error),
            None => Ok(pulled),
        }
    }
}

/// Where a pull begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Where the last one ended.
    LastTime,
    /// At the beginning, as if nothing had been read. What is there already is stored once.
    Beginning,
}

/// Asks the sources of a file that are asked, or this one of them, once and now, and says what came of each as soon as that is known.
///
/// # Errors
/// [`PullError`]: there is none, a secret can't be read, or archive or store failed: then the others were asked all the same. What a platform refuses is no error:
/// [`Pulled`] says it.
pub async fn pull_now(config: &Config, importer: &Importer, only: Option<&Name>, from: Begin, mut say: impl FnMut(Pulled)) -> Result<(), PullError> {
    let (_keep, stop) = watch::channel(false);
    let mut pullers = Vec::new();
    for source in config.sources.iter().filter(|source| only.is_none_or(|only| only == source.name())) {
        pullers.extend(Puller::open(source, importer, &stop).await?);
    }
    if pullers.is_empty() {
        return Err(only.map_or(PullError::None, |only| PullError::NotAsked(only.clone())));
    }
    let mut outcome = Ok(());
    for puller in pullers {
        match puller.pull(from).await {
            Ok(pulled) => say(pulled),
            Err(error) => outcome = outcome.and(Err(error.into())),
        }
    }
    outcome
}
