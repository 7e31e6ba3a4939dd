//! Tenants that are removed.
//!
//! One write takes a tenant's keys out, and with them everything that opens its files. Its other records stay until the folder is opened next: then the database is written anew
//! without them, which is also what gets rid of the keys themselves (sled writes what is new beside what was, and gives room free when it likes, so a record that is
//! deleted can be read in its files for as long as they are there).

use std::collections::HashMap;
use std::ops::Bound;

use consign_model::access::{Token, platform};
use consign_model::audit::{Author, Deed};
use consign_model::{Keeping, RemovedTenant, TenantId, TenantKeys, Timestamp};

use super::Embedded;
use super::access::hash_key;
use super::core::Core;
use super::keeping::keeping_key;
use super::key::{Class, Key, tenant_of};
use super::record;
use crate::{Result, StoreError};

/// Where it stands that a tenant was removed. The one class under a tenant's name that outlasts it.
pub(super) fn removed_key(tenant: &TenantId) -> Key {
    Key::of(Class::Removed, tenant)
}

/// Those whose records are still to go.
#[derive(Default)]
pub(super) struct Pending(HashMap<Vec<u8>, RemovedTenant>);

impl Pending {
    /// As the database has them.
    pub(super) fn of(core: &Core) -> Result<Self> {
        let all: Vec<RemovedTenant> = core.all(&Key::global(Class::Removed))?;
        let pending = all.into_iter().filter(|one| one.records_gone.is_none());
        Ok(Self(pending.map(|one| (one.tenant.as_str().as_bytes().to_vec(), one)).collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a database without them has in the place of a record: the same one, unless it is one of theirs; of what stays of them, that they are gone.
    pub(super) fn instead(&self, core: &Core, key: &[u8], record: &[u8], now: Timestamp) -> Result<Option<Vec<u8>>> {
        // What is damaged is found out now, and not when it is needed.
        core.bytes(key, record)?;
        let Some(removed) = tenant_of(key).and_then(|tenant| self.0.get(tenant)) else { return Ok(Some(record.to_vec())) };
        if key.first() != Some(&(Class::Removed as u8)) {
            return Ok(None);
        }
        let gone = RemovedTenant { records_gone: Some(now), ..removed.clone() };
        let unwritable = || StoreError::Failed { doing: "writing".into(), cause: "that a tenant was removed cannot be written as JSON".into() };
        record::encode(key, &gone).map(Some).ok_or_else(unwritable)
    }
}

impl Embedded {
    pub(super) async fn take_tenant_out(&self, removed: &RemovedTenant, keeping: u32, by: &Author) -> Result<()> {
        let removed = removed.clone();
        self.write_audited(&platform(), by, move |changes| {
            let tenant = &removed.tenant;
            let (keys, place) = (Key::of(Class::Tenant, tenant), removed_key(tenant));
            if changes.get::<TenantKeys>(&keys)?.is_none_or(|keys| keys.recipient != removed.recipient) || changes.has(&place)? {
                return Err(StoreError::Conflict { what: format!("the tenant {tenant}") });
            }
            if changes.get::<Keeping>(&keeping_key(tenant))?.unwrap_or_default().version != keeping {
                return Err(StoreError::Conflict { what: "what is said of how long events are kept".to_owned() });
            }
            changes.delete(keys.bytes());
            changes.put(&place, &removed)?;
            // Tokens are found by their hash alone: from now on they are none.
            let (core, tokens) = (changes.core()?, Key::of(Class::Token, tenant));
            for (key, record) in core.raw_range(Bound::Included(tokens.bytes()), &tokens, usize::MAX)? {
                changes.delete(hash_key(&core.value::<Token>(&key, &record)?.hash).bytes());
            }
            let RemovedTenant { tenant, reason, recipient, last_entry, had, .. } = removed;
            Ok(((), Some(Deed::TenantRemoved { tenant, reason, recipient, last_entry, had })))
        })
        .await
    }

    pub(super) fn all_removed(&self) -> Result<Vec<RemovedTenant>> {
        self.core.all(&Key::global(Class::Removed))
    }

    pub(super) async fn keep_removed(&self, removed: &RemovedTenant, by: &Author) -> Result<()> {
        let (place, removed) = (removed_key(&removed.tenant), removed.clone());
        self.write_audited(&platform(), by, move |changes| {
            let known: Option<RemovedTenant> = changes.get(&place)?;
            // The database itself says when its records went.
            let known = known.filter(|known| known.at == removed.at && known.records_gone == removed.records_gone);
            let Some(known) = known else { return Err(StoreError::Conflict { what: format!("that the tenant {} was removed", removed.tenant) }) };
            changes.put(&place, &removed)?;
            let found = removed.proof.filter(|_| known.proof.is_none());
            Ok(((), found.map(|proof| Deed::TenantDestroyed { tenant: removed.tenant, proof })))
        })
        .await
    }
}
