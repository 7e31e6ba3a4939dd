//! One run of a policy, from selection to ledger and manifest.
//!
//! This is where the rooms meet on the way out: the store says what has arrived, the archive decrypts it, the sandbox decides, mail composes and
//! delivers. Work goes window by window (one chat's events of one run), each frozen before it begins, so that a process that dies at any point
//! leaves a state from which the next one goes on: what was composed is composed again to the same bytes, and what was accepted is not sent again.

mod apart;
pub mod audit;
pub mod chats;
mod compose;
pub mod coverage;
mod deliver;
pub mod engine;
mod evaluate;
pub mod explain;
mod fault;
mod files;
mod freeze;
pub mod manifest;
pub mod modules;
mod owed;
mod owes;
mod pages;
mod places;
pub mod preview;
pub mod quarantine;
mod reader;
pub mod reconcile;
mod references;
pub mod replay;
mod run;
pub mod said;
pub mod shadow;
mod spending;
pub mod story;
mod toolbox;
pub mod verdicts;
pub mod verify;
pub mod watch;
mod window;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consign_archive::Archive;
use consign_mail::smtp::TargetError;
use consign_model::{Author, Name, RunId, TenantId};
use consign_store::{Store, StoreError};

use tokio::sync::Semaphore;

use crate::deliver::Gates;
use crate::places::Shared;
use crate::spending::Spending;
use crate::verdicts::Recent;

pub use files::write_durably;
pub use modules::{Found, Shelf, ShelfError};
pub use owes::Owes;
pub use quarantine::Paused;
pub use run::{How, Progress, Retry, RunReport, Watch};

/// What a run needs of the rooms around it.
#[derive(Clone)]
pub struct Exporter {
    /// Whose policies these are.
    pub tenant: TenantId,
    /// Index, windows and ledger.
    pub store: Arc<dyn Store>,
    /// Conversation files, with the key to read them.
    pub archive: Arc<Archive>,
    /// Modules.
    pub shelf: Arc<Shelf>,
    /// The data folder: manifests go under it.
    pub data: PathBuf,
    /// How much at once.
    pub pace: Pace,
    /// How much at once over all runs of the process.
    pub places: Arc<Places>,
    /// Set to end runs early, at a place from where they are taken up again.
    pub stop: StopSign,
    /// Who asks for what is done here: whom the audit log names.
    pub author: Author,
}

/// Asks runs to end early. Clones are the same sign.
#[derive(Debug, Clone, Default)]
pub struct StopSign(Arc<AtomicBool>);

impl StopSign {
    /// From now on no window is begun; those at work are ended.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How much a run does at once. More is faster until cores and connections are busy, and costs memory: each window holds its events.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Windows worked on at once.
    pub windows: usize,
    /// Bytes of events that one window keeps decrypted. What is beyond is decrypted again when it is composed.
    pub held_bytes: usize,
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

impl Default for Pace {
    fn default() -> Self {
        Self { windows: (cores() * 16).clamp(16, 64), held_bytes: 4 << 20 }
    }
}

/// What all runs of a process share.
#[derive(Debug)]
pub struct Places {
    /// For windows at work, and those of them that are being evaluated.
    pub(crate) work: Shared,
    /// What each tenant's modules have used today.
    pub(crate) spending: Spending,
    /// Windows that shadows look at.
    pub(crate) shadows: Semaphore,
    /// Before each target.
    pub(crate) gates: Gates,
    /// Verdicts that were read lately.
    pub(crate) verdicts: Recent,
}

/// Windows at work of all tenants: so many that beside one that has its two thirds there is room for a whole run of another.
const WINDOWS: usize = 144;

impl Default for Places {
    fn default() -> Self {
        Self {
            work: Shared::new(WINDOWS, cores() * 2, cores()),
            spending: Spending::default(),
            shadows: Semaphore::new(1),
            gates: Gates::default(),
            verdicts: Recent::default(),
        }
    }
}

/// Why a run could not be made or went no further. What was frozen stays, and the next run goes on with it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such policy.
    #[error("there is no policy '{0}': see 'consign policies', or apply one")]
    NoPolicy(Name),
    /// No such source.
    #[error("there is no source '{0}': see 'consign sources', or import into it")]
    NoSource(Name),
    /// A policy's target is gone, which only a damaged store can bring about.
    #[error("the target '{target}' of policy '{policy}' is not in the store: apply it again")]
    NoTarget {
        /// The target.
        target: Name,
        /// The policy.
        policy: Name,
    },
    /// No such target.
    #[error("there is no target '{0}': apply one")]
    NoSuchTarget(Name),
    /// No such run.
    #[error("there is no run '{0}': see 'consign runs'")]
    NoRun(RunId),
    /// The target can't be used: a secret that can't be read, say.
    #[error("the target '{target}' cannot be used: {cause}")]
    Target {
        /// The target.
        target: Name,
        /// Why.
        #[source]
        cause: TargetError,
    },
    /// A module can't be had.
    #[error(transparent)]
    Module(#[from] ShelfError),
    /// A module refuses the configuration that it took when the policy was applied.
    #[error("the module {module} of policy '{policy}' refuses its configuration: {cause}; apply the policy again")]
    Configuration {
        /// `name@version`.
        module: String,
        /// The policy.
        policy: Name,
        /// Why.
        cause: String,
    },
    /// The policy does not run.
    #[error("{}", .0.text())]
    Paused(Box<Paused>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive failed where no single window is to blame.
    #[error(transparent)]
    Archive(#[from] consign_archive::ArchiveError),
    /// A file of ours could not be written or read.
    #[error("cannot {doing} {path}: {cause}; mend that, then try again")]
    File {
        /// `write`, `read`
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The stop sign was set.
    #[error("the run {0} was asked to end early: the next run or start takes it up")]
    Stopping(RunId),
    /// A part of this program stopped.
    #[error("a part of this program stopped unexpectedly ({0}): this is a fault in Consign; nothing is lost, run it again")]
    Stopped(String),
}
