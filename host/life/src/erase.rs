//! Erasing a user's events, with a certificate.
//!
//! What goes is what the user did: messages, edits, deletions, reactions, comings and goings; and what others did to the user's messages where that repeats them (an edit or a deletion tells
//! the text that was). What others wrote about the user stays, and so do the names in the index, which others' conversations need to be told: an erasure says so.

use std::collections::{BTreeSet, HashSet};

use consign_model::audit::{Certificate, Deed, Deletion};
use consign_model::{ChatKey, EventBatch, EventKind, Keeping, Name};
use consign_store::{Decided, StoreError};

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
        let mut certificate =
            Certificate { source: source.clone(), user: user.to_owned(), reason: reason.to_owned(), chats: 0, erased: 0, owed: 0, held: 0, files: 0 };
        for chat in self.exporter.chats().of_source(source).await? {
            let members = store.members(tenant, &chat).await?;
            if members.iter().any(|member| member.user == user) {
                certificate.chats += 1;
                let (erased, back) = self.erase_in(&chat, user, dry_run).await?;
                certificate.erased += erased;
                certificate.owed += back.owed;
                certificate.held += back.held;
            }
        }
        // Of somebody of whom no list tells, the chats do.
        if !is_listed && certificate.chats == 0 {
            return Err(LifeError::NoUser { source_name: source.clone() });
        }
        if !dry_run {
            certificate.files = self.tidy().await?;
            store.note(tenant, &Deed::Erased { certificate: certificate.clone() }, &self.exporter.author).await?;
        }
        Ok(certificate)
    }

    async fn erase_in(&self, chat: &ChatKey, user: &str, dry_run: bool) -> Result<(u64, KeptBack), LifeError> {
        let (mut tries, mut erased) = (0, 0);
        loop {
            let using = self.exporter.archive.begin_use();
            let keeping = self.keeping().await?;
            let (cut, counted, back) = self.plan_erasure(chat, user, &keeping).await?;
            if dry_run {
                return Ok((counted, back));
            }
            let decided = Decided { why: Deletion::Erasure { source: chat.source.clone(), user: user.to_owned() }, keeping: keeping.version };
            tries += 1;
            match self.cut(cut, &decided, &mut erased).await {
                Ok(()) => {
                    drop(using);
                    return Ok((erased, back));
                }
                // What is cut already is so; the rest is decided by what is true now.
                Err(LifeError::Store(StoreError::Conflict { .. })) if tries < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn plan_erasure(&self, chat: &ChatKey, user: &str, keeping: &Keeping) -> Result<(Cut, u64, KeptBack), LifeError> {
        let segments = self.exporter.store.segments(&self.exporter.tenant, chat, 0).await?;
        // An edit may lie in a segment before the message that it belongs to: it came earlier.
        let mut messages: HashSet<String> = HashSet::new();
        for segment in &segments {
            let batch = self.exporter.archive.segment(chat, segment.extent()).await?;
            let own = (0..batch.len()).filter(|row| batch.user(*row) == Some(user) && batch.kind(*row) == EventKind::Message);
            messages.extend(own.map(|row| batch.ids.get(row).to_owned()));
        }
        let guard = Guard { owes: self.exporter.owes(chat).await?, holds: self.holds_on(keeping, chat).await? };
        let (mut cut, mut counted, mut all_back) = (Cut::default(), 0, KeptBack::default());
        for segment in segments {
            let batch = self.exporter.archive.segment(chat, segment.extent()).await?;
            let rows: BTreeSet<u32> = (0..segment.events).filter(|row| is_of(&batch, *row as usize, user, &messages)).collect();
            let (rows, back) = guard.pass(&segment, &batch, rows.into_iter());
            counted += rows.len() as u64;
            all_back.add(back);
            cut.add(chat, segment, rows);
        }
        Ok((cut, counted, all_back))
    }
}

/// Whether an event is the user's, or repeats what a message of theirs said.
fn is_of(batch: &EventBatch, row: usize, user: &str, messages: &HashSet<String>) -> bool {
    let repeats =
        matches!(batch.kind(row), EventKind::Edit | EventKind::Delete) && batch.targets.get_some(row).is_some_and(|of| messages.contains(of));
    batch.user(row) == Some(user) || repeats
}
