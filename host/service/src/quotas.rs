//! What a tenant may use beside what it uses, and changing it.

use std::sync::Arc;

use consign_export::{ExportError, Exporter};
use consign_model::quota::{Limits, Quotas, Weight};
use consign_model::{TenantId, Timestamp};
use consign_store::{ModuleRecord, StoreError};

use crate::expected::{Expected, NotAsExpected, of_quotas};

/// What a tenant uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of processors by its modules on this day of UTC, in microseconds.
    pub processor_micros: u64,
    /// Modules that it has uploaded.
    pub modules: u64,
    /// Their bytes as they are compiled.
    pub compiled_bytes: u64,
    /// Bytes in the archive, near enough: as they were last seen, and what was written since.
    pub stored_bytes: u64,
}

/// What the tenant uses now. Costs a few reads of the store.
pub async fn usage(exporter: &Exporter) -> Result<Usage, ExportError> {
    let records = exporter.store.modules(&exporter.tenant).await?;
    Ok(Usage {
        processor_micros: exporter.processor_today(Timestamp::now()).await?,
        modules: records.len() as u64,
        compiled_bytes: compiled_bytes(exporter, &records).await?,
        stored_bytes: exporter.archive.writer().stored_bytes(),
    })
}

/// Bytes of modules as they are compiled. Those that an earlier release took in are compiled for it, or loaded from the cache, once.
pub(crate) async fn compiled_bytes(exporter: &Exporter, records: &[ModuleRecord]) -> Result<u64, ExportError> {
    let known = records.iter().filter_map(|record| record.compiled_bytes).sum();
    let unknown: Vec<_> = records.iter().filter(|record| record.compiled_bytes.is_none()).map(|record| record.digest).collect();
    if unknown.is_empty() {
        return Ok(known);
    }
    let shelf = Arc::clone(&exporter.shelf);
    // One whose file is gone is none.
    let compiled = move || unknown.iter().filter_map(|digest| shelf.get(digest).ok()).map(|module| module.compiled_bytes()).sum::<u64>();
    let more = tokio::task::spawn_blocking(compiled).await.map_err(|error| ExportError::Stopped(error.to_string()))?;
    Ok(more.saturating_add(known))
}

/// Why quotas were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A limit that can't be one.
    #[error("{0}")]
    Invalid(String),
    /// They are others by now.
    #[error(transparent)]
    NotAsExpected(#[from] NotAsExpected),
    /// The store failed, or somebody else has changed them at the same moment.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts limits and a weight in the place of those before, where these are as expected. They hold from now on, for what goes on too.
pub async fn set(exporter: &Exporter, expected: &Expected, change: impl FnOnce(&Quotas) -> (Limits, Weight)) -> Result<Quotas, SetError> {
    let Exporter { tenant, store, author, .. } = exporter;
    let known = store.quotas(tenant).await?;
    let what = what(tenant);
    // What can't be is wrong whatever was expected.
    let (limits, weight) = change(&known);
    let next = known.with(limits, weight).map_err(SetError::Invalid)?;
    expected.must_hold(&what, Some(&of_quotas(tenant, &known)))?;
    match store.put_quotas(tenant, next, author).await {
        Ok(()) => {}
        Err(error) => return Err(expected.refused(&what, error)?.into()),
    }
    Ok(exporter.heed_quotas(Timestamp::now()).await?)
}

fn what(tenant: &TenantId) -> String {
    format!("what tenant '{tenant}' may use")
}
