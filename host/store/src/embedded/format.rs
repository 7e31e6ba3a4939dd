//! Which format the folder has, and what one of an earlier format gets before anything else is written to it.
//!
//! A release reads every format up to its own and writes its own alone, so an earlier one must not open what it has written: it would take what it can't
//! read for damage. So the number is raised first, in the mark and in the database, and whatever an earlier format lacks is added in the same batch: a
//! process that is killed in between leaves the earlier format or this one.
//!
//! - 1: the first.
//! - 2: runs of retries, e-mails that expired, and secrets that a command gives, each in records that format 1 has too; supplements to windows, and with
//!   which arrival a chat's people became known (of what format 1 knew, nothing says that). And each tenant's audit log begins with the tenant's making; of a
//!   tenant that is older than its log it is *owed* a beginning, which the next write with an author makes (the store has no key to sign with). An empty log
//!   that is owed none was emptied.
//! - 3: in whose own exports events were seen, and a tenant's identity map, in records of their own.
//! - 4: files that events name and that are not there, in records of their own. Of what arrived before nothing is listed until it is looked for.
//! - 5: segments whose events lie in a file with other chats'.
//! - 6: segments some of whose events were deleted. An earlier release would take these for events without a text, and export them.
//! - 7: tenants that were removed, in records of their own.
//! - 8: keys that others took the place of, with those of the tenant. An earlier release would open nothing that is encrypted for them.

use std::ops::Bound;

use super::core::{Core, damaged, disk_failed};
use super::disk::Disk;
use super::key::{Class, Key, Parts};
use super::writer::Totals;
use super::{audit, record};
use crate::{Result, StoreError};

/// Of what is written. A release that writes what this one cannot read must have another.
pub(super) const FORMAT: u32 = 8;

/// From which on every log has its beginning: of one that is empty none is owed.
const BEGINS_LOGS: u32 = 2;

/// Brings a whole database to this format, durably. Answers what it holds then.
pub(super) fn migrate(core: &Core, disk: &Disk, mut totals: Totals) -> Result<Totals> {
    let format = Key::global(Class::Format);
    let was = core.get::<u32>(&format)?.unwrap_or(1);
    if was == FORMAT {
        return Ok(totals);
    }
    let mut batch = sled::Batch::default();
    let tenants = Key::global(Class::Tenant);
    for (key, _) in core.raw_range(Bound::Included(tenants.bytes()), &tenants, usize::MAX)? {
        let tenant = Parts::after(&tenants, &key).name().ok_or_else(|| damaged(core.path(), "a tenant's record has no name"))?;
        if was < BEGINS_LOGS && audit::is_empty(core, &tenant)? {
            let owed = audit::owed(&tenant);
            let sealed = record::seal(owed.bytes(), b"");
            totals.add(&sealed);
            batch.insert(owed.bytes(), sealed);
        }
    }
    totals.batches = totals.batches.wrapping_add(1);
    let key = Key::global(Class::Totals);
    let unwritable = || StoreError::Failed { doing: "writing".into(), cause: "the store's own record cannot be written as JSON".into() };
    batch.insert(key.bytes(), record::encode(key.bytes(), &totals).ok_or_else(unwritable)?);
    batch.insert(format.bytes(), record::encode(format.bytes(), &FORMAT).ok_or_else(unwritable)?);
    let doing = "bringing the database to this release's format";
    core.guarded(doing, |tree| {
        tree.apply_batch(batch)?;
        tree.flush()
    })?;
    disk.sync().map_err(|cause| disk_failed(format!("{doing} in {}", core.path().display()), &cause))?;
    tracing::info!(path = %core.path().display(), format = FORMAT, "the store was brought to this release's format");
    Ok(totals)
}
