//! How long events are kept, and how they go: retention, legal holds, erasure; and the keys that they are read with.
//!
//! This room joins archive, store and export where something ends. It alone deletes what was archived, and an export never does. What goes is decided from three sides, of which
//! each can say no: a rule (or somebody's request) says that it may go, no policy owes it to an archive any more ([`Exporter::owes`]), and no legal hold covers it.
//!
//! **An event that goes leaves its place** ([`consign_model::keeping`]): its position, kind and time. Positions are what windows, verdicts and the ledger go by, so an account of
//! an earlier run stays true: "exported in this e-mail, deleted since".
//!
//! **A file is never changed.** What is left of it is written as another ([`cut`]), the index is told in the write that enters the deletion in the audit log, and the file that it names no
//! more is deleted when nobody is at work with it ([`tidy`]). A process that dies anywhere in this leaves a file too many, which the next pass knows of.

mod cut;
mod erase;
mod removal;
mod retain;
mod rotation;
mod tidy;

use std::collections::BTreeSet;
use std::sync::Arc;

use consign_archive::{ArchiveError, KeyError};
use consign_export::{ExportError, Exporter, Owes};
use consign_model::keeping::Hold;
use consign_model::{Author, ChatKey, EventBatch, Keeping, Name, Timestamp};
use consign_store::{SegmentRecord, StoreError};
use tokio::sync::Mutex;

pub use removal::{Standing, go_on_removing};
pub use retain::Retained;

/// Chats looked through at a time: what lies together in a file is cut together.
const PAGE: usize = 256;

/// Why it went no further. What is gone is gone, and in the audit log; the rest stays for the next time.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// No such source.
    #[error("there is no source '{0}': see 'consign sources'")]
    NoSource(Name),
    /// No such user.
    #[error(
        "no user of source '{source_name}' has this id: an erasure goes by the platform's id, which 'consign coverage' and each e-mail's consign.json show"
    )]
    NoUser {
        /// The source.
        source_name: Name,
    },
    /// It was asked for without a reason.
    #[error("say why, with a reason: it stands in the audit log, for whoever asks in years")]
    NoReason,
    /// A tenant can't be removed since legal holds cover what it has.
    #[error("legal holds cover what this tenant has: {}. Nothing was removed; a hold has to be lifted first ('consign hold list')", names(.0))]
    Held(Vec<Name>),
    /// A tenant can't be removed since policies have not done with what it has.
    #[error(
        "{0} events of this tenant were not exported, or not to everybody who is to get them. Nothing was removed; run its policies, or say that they go all the same (--even-owed)"
    )]
    Owed(u64),
    /// What a removed tenant had is still there.
    #[error("{path} can't be read or deleted: {cause}")]
    Files {
        /// The file or folder.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The keys of a removed tenant are still in the store's files.
    #[error(
        "the keys of the removed tenant '{tenant}' are still in the store's files ({copies} times): start the program again, which writes the store anew"
    )]
    KeyFound {
        /// Which.
        tenant: Name,
        /// How often.
        copies: u64,
    },
    /// Another process of it is under way.
    #[error("events of this tenant are being deleted already: try again when that is done")]
    Busy,
    /// New keys could not be made.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A task ended before it was done.
    #[error("it broke off: see the log, and look at what there is before you ask again")]
    BrokenOff,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What policies owe could not be told.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// The end of a tenant's events.
pub struct Life {
    exporter: Exporter,
    /// One at a time.
    under_way: Arc<Mutex<()>>,
    /// Keys are changed once at a time.
    rotating: Arc<Mutex<()>>,
}

/// Events that stay though something says that they may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct KeptBack {
    /// Since an export owes them.
    pub owed: u64,
    /// Since a legal hold covers them.
    pub held: u64,
}

fn names(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

impl KeptBack {
    fn add(&mut self, other: Self) {
        self.owed += other.owed;
        self.held += other.held;
    }
}

impl Life {
    /// Of a tenant. There is one in a process.
    pub fn new(exporter: Exporter) -> Self {
        Self { exporter, under_way: Arc::default(), rotating: Arc::default() }
    }

    /// The same, as somebody's deed.
    #[must_use]
    pub fn by(&self, author: Author) -> Self {
        Self { exporter: Exporter { author, ..self.exporter.clone() }, under_way: Arc::clone(&self.under_way), rotating: Arc::clone(&self.rotating) }
    }

    /// Rules and holds.
    pub async fn keeping(&self) -> Result<Keeping, LifeError> {
        Ok(self.exporter.store.keeping(&self.exporter.tenant).await?)
    }

    /// The holds that cover some of a chat.
    async fn holds_on<'a>(&self, keeping: &'a Keeping, chat: &ChatKey) -> Result<Vec<&'a Hold>, LifeError> {
        if keeping.holds.is_empty() {
            return Ok(Vec::new());
        }
        let members = self.exporter.store.members(&self.exporter.tenant, chat).await?;
        Ok(keeping.holds.iter().filter(|hold| hold.covers_chat(chat, members.iter().map(|member| member.user.as_str()))).collect())
    }
}

/// What of a chat may not go.
struct Guard<'a> {
    owes: Owes,
    holds: Vec<&'a Hold>,
}

impl Guard<'_> {
    /// Of some rows of a segment those that may go.
    fn pass(&self, segment: &SegmentRecord, batch: &EventBatch, rows: impl Iterator<Item = u32>) -> (BTreeSet<u32>, KeptBack) {
        let (mut may_go, mut back) = (BTreeSet::new(), KeptBack::default());
        for row in rows.filter(|row| !segment.has_lost(*row as usize)) {
            let at = Timestamp(batch.times.get(row as usize).copied().unwrap_or_default());
            // A hold is named before what is owed: it is the one that somebody has to lift.
            if self.holds.iter().any(|hold| hold.covers_time(at)) {
                back.held += 1;
            } else if self.owes.by(segment.first + u64::from(row)).is_some() {
                back.owed += 1;
            } else {
                may_go.insert(row);
            }
        }
        (may_go, back)
    }
}
