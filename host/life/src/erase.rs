//! Erasing a user's events, with a certificate.
//!
//! What goes is what the user did: messages, edits, deletions, reactions, comings and goings; and what others did to the user's messages where that repeats them (an edit or a deletion tells
//! the text that was). What others wrote about the user stays, and so do the names in the index, which others' conversations need to be told: an erasure says so.

use std::collections::{BTreeSet, HashSet};

use consign_model::audit::{Certificate, Deed, Deletion};
use consign_model::{ChatKey, EventBatch, EventKind, Keeping, Name};
use consign_store::{Decided, StoreError};
use tracing::warn;

use crate::cut::Cut;
use crate::{Guard, KeptBack, Life, LifeError};

/// How often a chat is decided anew that changed meanwhile.
const TRIES: usize = 8;

impl Life {
    /// Erases the events of a user, by the platform's id. `dry_run`: only counts; nothing is entered anywhere.
    pub async fn erase(&self, source: &Name, user: &str, reason: &str, dry_run: bool) -> Result<Certificate, LifeError> {
        if reason.trim().is_empty() {
            return Err(LifeError::NoReason);
        }
        let _one = self.under_way.try_lock().map_err(|_| LifeError::Busy)?;
        let (store, tenant) = (&self.exporter.store, &self.exporter.tenant);
        if !store.sources(tenant).await?.iter().any(|one| one.name == *source) {
            return Err(LifeError::NoSource(source.clone()));
        }
        let is_listed = store.users(tenant, source, &[user.to_owned()]).await?.iter().any(Option::is_some);
        let mut certificate = Certificate {
            source: source.clone(),
            user: user.to_owned(),
            reason: reason.to_owned(),
            chats: 0,
            erased: 0,
            owed: 0,
            held: 0,
            files: 0,
            unreadable: 0,
        };
        for chat in self.exporter.chats().of_source(source).await? {
            let members = store.members(tenant, &chat).await?;
            if members.iter().any(|member| member.user == user) {
                certificate.chats += 1;
                let Erased { events, back, unreadable } = self.erase_in(&chat, user, dry_run).await?;
                certificate.erased += events;
                certificate.owed += back.owed;
                certificate.held += back.held;
                certificate.unreadable += unreadable;
            }
        }
        // Of somebody of whom no list tells, the chats do.
        if !is_listed && certificate.chats == 0 {
            return Err(LifeError::NoUser { source_name: source.clone() });
        }
        if !dry_run {
            let tidied = self.tidy().await;
            certificate.files = *tidied.as_ref().unwrap_or(&0);
            // What went has gone, whatever became of the files that hung on it: those are listed, and go when all can be read.
            store.note(tenant, &Deed::Erased { certificate: certificate.clone() }, &self.exporter.author).await?;
            match tidied {
                Err(error) if certificate.unreadable > 0 => {
                    warn!(%tenant, "files of what was erased stay, since not all of the archive can be read: {error}");
                }
                other => drop(other?),
            }
        }
        Ok(certificate)
    }

    async fn erase_in(&self, chat: &ChatKey, user: &str, dry_run: bool) -> Result<Erased, LifeError> {
        let (mut tries, mut erased) = (0, 0);
        loop {
            let using = self.exporter.archive.begin_use();
            let keeping = self.keeping().await?;
            let (cut, planned) = self.plan_erasure(chat, user, &keeping).await?;
            if dry_run {
                return Ok(planned);
            }
            let decided = Decided { why: Deletion::Erasure { source: chat.source.clone(), user: user.to_owned() }, keeping: keeping.version };
            tries += 1;
            match self.cut(cut, &decided, &mut erased).await {
                Ok(()) => {
                    drop(using);
                    return Ok(Erased { events: erased, ..planned });
                }
                // What is cut already is so; the rest is decided by what is true now.
                Err(LifeError::Store(StoreError::Conflict { .. })) if tries < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn plan_erasure(&self, chat: &ChatKey, user: &str, keeping: &Keeping) -> Result<(Cut, Erased), LifeError> {
        let segments = self.exporter.store.segments(&self.exporter.tenant, chat, 0).await?;
        // An edit may lie in a segment before the message that it belongs to: it came earlier.
        let mut messages: HashSet<String> = HashSet::new();
        for segment in &segments {
            // Counted below.
            let Ok(batch) = self.exporter.archive.segment(chat, segment.extent()).await else { continue };
            let own = (0..batch.len()).filter(|row| batch.user(*row) == Some(user) && batch.kind(*row) == EventKind::Message);
            messages.extend(own.map(|row| batch.ids.get(row).to_owned()));
        }
        let guard = Guard { owes: self.exporter.owes(chat).await?, holds: self.holds_on(keeping, chat).await? };
        let (mut cut, mut planned) = (Cut::default(), Erased::default());
        for segment in segments {
            let batch = match self.exporter.archive.segment(chat, segment.extent()).await {
                Ok(batch) => batch,
                // One damaged file must not keep what can be erased.
                Err(error) => {
                    warn!(tenant = %self.exporter.tenant, "whether a file has events of who is erased is not known, since it can't be read: {error}");
                    planned.unreadable += u64::from(segment.events);
                    continue;
                }
            };
            let rows: BTreeSet<u32> = (0..segment.events).filter(|row| is_of(&batch, *row as usize, user, &messages)).collect();
            let (rows, back) = guard.pass(&segment, &batch, rows.into_iter());
            planned.events += rows.len() as u64;
            planned.back.add(back);
            cut.add(chat, segment, rows);
        }
        Ok((cut, planned))
    }
}

/// What of a chat was erased, or would be.
#[derive(Debug, Clone, Copy, Default)]
struct Erased {
    events: u64,
    back: KeptBack,
    unreadable: u64,
}

/// Whether an event is the user's, or repeats what a message of theirs said.
fn is_of(batch: &EventBatch, row: usize, user: &str, messages: &HashSet<String>) -> bool {
    let repeats =
        matches!(batch.kind(row), EventKind::Edit | EventKind::Delete) && batch.targets.get_some(row).is_some_and(|of| messages.contains(of));
    batch.user(row) == Some(user) || repeats
}
