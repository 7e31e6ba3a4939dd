//! Rules of retention, legal holds, and what was deleted by them.
//!
//! A file that the index names no more is listed in the same write as left over, until whoever deletes it has done so: a process that dies in between leaves a file that
//! the next one knows of.

use std::collections::BTreeSet;
use std::ops::Bound;

use consign_model::audit::{Author, Deed};
use consign_model::id::Hasher;
use consign_model::keeping::{Gone, Keeping};
use consign_model::{Digest, TenantId};

use super::Embedded;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use super::writer::Changes;
use crate::{Decided, Replaced, Result, SegmentRecord, StoreError};

pub(super) fn keeping_key(tenant: &TenantId) -> Key {
    Key::of(Class::Keeping, tenant)
}

fn leftover_key(tenant: &TenantId, path: &str) -> Key {
    Key::of(Class::Leftover, tenant).text(path)
}

impl Embedded {
    pub(super) fn get_keeping(&self, tenant: &TenantId) -> Result<Keeping> {
        Ok(self.core.get(&keeping_key(tenant))?.unwrap_or_default())
    }

    pub(super) async fn save_keeping(&self, tenant: &TenantId, keeping: &Keeping, by: &Author) -> Result<()> {
        let (key, keeping) = (keeping_key(tenant), keeping.clone());
        self.write_audited(tenant, by, move |changes| {
            let before: Keeping = changes.get(&key)?.unwrap_or_default();
            if before.version.checked_add(1) != Some(keeping.version) {
                return Err(StoreError::Conflict { what: "what is said of how long events are kept".to_owned() });
            }
            changes.put(&key, &keeping)?;
            let placed = keeping.holds.iter().filter(|hold| !before.holds.contains(hold)).cloned().collect();
            let lifted = before.holds.iter().filter(|hold| !keeping.holds.contains(hold)).map(|hold| hold.name.clone()).collect();
            Ok(((), Some(Deed::KeepingChanged { version: keeping.version, rules: keeping.rules, placed, lifted })))
        })
        .await
    }

    pub(super) async fn replace(&self, tenant: &TenantId, replaced: &[Replaced], others: &[String], decided: &Decided, by: &Author) -> Result<()> {
        let (of, replaced, others, Decided { why, keeping }) = (tenant.clone(), replaced.to_vec(), others.to_vec(), decided.clone());
        self.write_audited(tenant, by, move |changes| {
            let now: Keeping = changes.get(&keeping_key(&of))?.unwrap_or_default();
            if now.version != keeping {
                return Err(StoreError::Conflict { what: "what is said of how long events are kept".to_owned() });
            }
            let (mut events, mut chats, mut files, mut told) = (0, BTreeSet::new(), Hasher::default(), BTreeSet::new());
            for one in &replaced {
                let deleted = put(changes, &of, one)?;
                if deleted > 0 {
                    chats.insert(one.chat.clone());
                    events += deleted;
                }
                for (path, digest) in one.left_over() {
                    if told.insert(path) {
                        files.update(&digest.0);
                        changes.put_bytes(&leftover_key(&of, path), &[]);
                    }
                }
            }
            for path in &others {
                changes.put_bytes(&leftover_key(&of, path), &[]);
            }
            let deed = Deed::EventsDeleted { why, keeping, events, chats: chats.len() as u64, files: files.finish() };
            Ok(((), Some(deed).filter(|_| events > 0)))
        })
        .await
    }

    pub(super) fn list_leftovers(&self, tenant: &TenantId, limit: usize) -> Result<Vec<String>> {
        let prefix = Key::of(Class::Leftover, tenant);
        let records = self.core.raw_range(Bound::Included(prefix.bytes()), &prefix, limit)?;
        records.iter().map(|(key, _)| Parts::after(&prefix, key).text().ok_or_else(|| self.core.flawed(key, Flaw::Shape))).collect()
    }

    pub(super) async fn drop_leftover(&self, tenant: &TenantId, path: &str) -> Result<()> {
        let key = leftover_key(tenant, path);
        self.writer
            .write(move |changes| {
                if changes.has(&key)? {
                    changes.delete(key.bytes());
                }
                Ok(())
            })
            .await
    }
}

/// Puts one segment in the place of another. Answers how many events are gone now that were not before.
fn put(changes: &mut Changes, tenant: &TenantId, replaced: &Replaced) -> Result<u64> {
    let Replaced { chat, was, now } = replaced;
    let key = Key::of(Class::Segment, tenant).chat(chat).number(was.first);
    let same = SegmentRecord {
        path: now.path.clone(),
        digest: now.digest,
        row: now.row,
        gone: now.gone.clone(),
        also_in: now.also_in.clone(),
        ..was.clone()
    };
    let count = |gone: &Option<Gone>| gone.as_ref().map_or(0, Gone::count);
    let deleted = count(&now.gone).checked_sub(count(&was.gone));
    match (changes.get::<SegmentRecord>(&key)?, deleted) {
        (Some(known), Some(deleted)) if known == *was && *now == same => {
            changes.put(&key, now)?;
            Ok(deleted)
        }
        _ => Err(StoreError::Conflict { what: format!("a segment of chat {:?} of source {}", chat.id, chat.source) }),
    }
}

impl Replaced {
    /// The files that the index named for it, and names no more.
    fn left_over(&self) -> impl Iterator<Item = (&str, &Digest)> {
        let files = |segment: &'_ SegmentRecord| {
            let also = segment.also_in.as_ref().map(|(path, digest)| (path.clone(), *digest));
            [Some((segment.path.clone(), segment.digest)), also]
        };
        let now = files(&self.now);
        let was = [Some((self.was.path.as_str(), &self.was.digest)), self.was.also_in.as_ref().map(|(path, digest)| (path.as_str(), digest))];
        was.into_iter().flatten().filter(move |(path, _)| now.iter().flatten().all(|(kept, _)| kept != path))
    }
}
