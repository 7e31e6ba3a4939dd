//! Lets go what is over, by itself: some times a day, and when somebody has changed the rules. Looks meanwhile how much is stored, for the bill and the quota.
//!
//! Tenants take turns, each after a pause of its own, so that hundreds of them are not gone through at once when the process begins.

use std::sync::Arc;
use std::time::Duration;

use consign_export::Exporter;
use consign_life::Life;
use consign_model::figure::number;
use consign_model::{Digest, Timestamp};
use tokio::sync::{Notify, Semaphore};

/// Between two looks.
const EVERY: Duration = Duration::from_hours(6);
/// Within which the first one comes.
const SPREAD: u64 = 600;

/// Never ends.
pub async fn watch(life: Arc<Life>, exporter: Exporter, changed: Arc<Notify>, one_at_a_time: Arc<Semaphore>) {
    let mut pause = Duration::from_secs(u64::from(Digest::of(exporter.tenant.as_str().as_bytes()).0[0]) * SPREAD / 256);
    // Who may not have more than so much needs to know soon how much there is.
    if exporter.store.quotas(&exporter.tenant).await.is_ok_and(|quotas| quotas.limits.stored_bytes.is_some()) {
        pause = Duration::ZERO;
    }
    loop {
        // That it was changed is as good as that it is time.
        let _ = tokio::time::timeout(pause, changed.notified()).await;
        let Ok(_turn) = one_at_a_time.acquire().await else { return };
        match life.retain_when_free(Timestamp::now()).await {
            Ok(retained) if retained.deleted == 0 && retained.files == 0 => {}
            Ok(retained) => {
                tracing::info!(tenant = %exporter.tenant, deleted = retained.deleted, files = retained.files, "{} events were over and are deleted", number(retained.deleted));
            }
            Err(error) => tracing::warn!(tenant = %exporter.tenant, "what is over could not be deleted, and is tried again: {error}"),
        }
        match exporter.archive.writer().see_stored().await {
            Ok(bytes) => {
                if let Err(error) = exporter.store.note_stored(&exporter.tenant, Timestamp::now(), bytes).await {
                    tracing::warn!(tenant = %exporter.tenant, "how much is stored could not be noted: {error}");
                }
            }
            Err(error) => tracing::warn!(tenant = %exporter.tenant, "how much is stored could not be seen: {error}"),
        }
        pause = EVERY;
    }
}
