//! The audit log: a line for each change, written in the batch of the change.
//!
//! A write of an audited class of records ends in [`Embedded::write_audited`], whose closure answers what it did together with what it answers; the
//! writing thread refuses a batch that changes such a record and has no entry (`writer`). The head is the last line itself: a record of it beside
//! would say nothing that whoever can change the one could not write into the other.

use std::ops::Bound;

use consign_model::audit::{Author, Deed, Entry, Head, SignedEntry};
use consign_model::{TenantId, Timestamp};

use super::Embedded;
use super::core::{Core, damaged};
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use super::writer::Changes;
use crate::{AuditLine, Entered, Result, StoreError};

fn log_of(tenant: &TenantId) -> Key {
    Key::of(Class::Audit, tenant)
}

/// A record as a line.
fn line(core: &Core, prefix: &Key, key: &[u8], record: &[u8]) -> Result<AuditLine> {
    let seq = Parts::after(prefix, key).number().ok_or_else(|| core.flawed(key, Flaw::Shape))?;
    let text = std::str::from_utf8(core.bytes(key, record)?).map_err(|_| core.flawed(key, Flaw::Shape))?;
    Ok(AuditLine { seq, line: text.to_owned() })
}

/// Where it stands that a tenant's log is owed its beginning: in the place of an entry before the first, which no reader of the log asks for.
pub(super) fn owed(tenant: &TenantId) -> Key {
    log_of(tenant).number(0)
}

/// Whether there is nothing at all.
pub(super) fn is_empty(core: &Core, tenant: &TenantId) -> Result<bool> {
    Ok(core.raw_last(&log_of(tenant))?.is_none())
}

fn head(core: &Core, tenant: &TenantId) -> Result<Option<Head>> {
    let prefix = log_of(tenant);
    let Some((key, record)) = core.raw_last(&prefix)? else { return Ok(None) };
    if key == owed(tenant).bytes() {
        return Ok(None);
    }
    let last = line(core, &prefix, &key, &record)?;
    let signed: SignedEntry = serde_json::from_str(&last.line).map_err(|_| core.flawed(&key, Flaw::Shape))?;
    Ok(Some(Head { seq: last.seq, digest: signed.signature.digest }))
}

/// Adds the entries of what a write does; before them the log's beginning, where that is owed. To a log that was emptied nothing is added: its next entry would
/// be a first one like any other.
fn enter(changes: &mut Changes, tenant: &TenantId, by: &Author, deeds: impl IntoIterator<Item = Deed>) -> Result<Option<Head>> {
    let mut deeds = deeds.into_iter();
    let Some(deed) = deeds.next() else { return Ok(None) };
    let mut before = head(changes.core()?.as_ref(), tenant)?;
    if before.is_none() {
        let owed = owed(tenant);
        if changes.has(&owed)? {
            changes.delete(owed.bytes());
            if deed != Deed::LogBegun {
                before = Some(append(changes, tenant, None, by, Deed::LogBegun)?);
            }
        } else if !deed.begins_a_log() && changes.has(&Key::of(Class::Tenant, tenant))? {
            return Err(damaged(changes.core()?.path(), format!("the audit log of tenant {tenant} is gone")));
        }
    }
    let mut last = append(changes, tenant, before, by, deed)?;
    for deed in deeds {
        last = append(changes, tenant, Some(last), by, deed)?;
    }
    Ok(Some(last))
}

fn append(changes: &mut Changes, tenant: &TenantId, before: Option<Head>, by: &Author, deed: Deed) -> Result<Head> {
    let (line, head) = Entry::line(tenant, before, Timestamp::now(), by, deed)
        .map_err(|error| StoreError::Failed { doing: "writing the audit log".into(), cause: error.to_string() })?;
    changes.put_entry(&log_of(tenant).number(head.seq), line.as_bytes());
    Ok(head)
}

impl Embedded {
    /// Has a write decided and applied, together with the entry of what it did. Answering no deed says that it changed nothing that is audited.
    pub(super) async fn write_audited<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        by: &Author,
        write: impl FnOnce(&mut Changes) -> Result<(T, Option<Deed>)> + Send + 'static,
    ) -> Result<T> {
        self.write_audited_all(tenant, by, write).await
    }

    /// The same of a write that does several things, each with an entry of its own.
    pub(super) async fn write_audited_all<T: Send + 'static, D: IntoIterator<Item = Deed>>(
        &self,
        tenant: &TenantId,
        by: &Author,
        write: impl FnOnce(&mut Changes) -> Result<(T, D)> + Send + 'static,
    ) -> Result<T> {
        let (tenant, by) = (tenant.clone(), by.clone());
        self.writer
            .write(move |changes| {
                let (answer, deeds) = write(changes)?;
                enter(changes, &tenant, &by, deeds)?;
                Ok(answer)
            })
            .await
    }

    /// The same of a write that has two entries, of which the second is signed otherwise: between them `entered` is called.
    pub(super) async fn write_audited_twice(
        &self,
        tenant: &TenantId,
        by: &Author,
        write: impl FnOnce(&mut Changes) -> Result<[Deed; 2]> + Send + 'static,
        entered: Entered,
    ) -> Result<()> {
        let (tenant, by) = (tenant.clone(), by.clone());
        self.writer
            .write(move |changes| {
                let [first, second] = write(changes)?;
                let head = enter(changes, &tenant, &by, [first])?;
                entered();
                append(changes, &tenant, head, &by, second).map(drop)
            })
            .await
    }

    pub(super) fn audit_lines(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<AuditLine>> {
        let prefix = log_of(tenant);
        let from = prefix.clone().number(after);
        let records = self.core.raw_range(Bound::Excluded(from.bytes()), &prefix, limit)?;
        records.iter().map(|(key, record)| line(&self.core, &prefix, key, record)).collect()
    }

    pub(super) fn get_audit_head(&self, tenant: &TenantId) -> Result<Option<Head>> {
        head(&self.core, tenant)
    }
}
