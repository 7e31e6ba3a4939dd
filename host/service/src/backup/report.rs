//! What a store that was put back knows, and what it can't.
//!
//! What its ledger has as accepted is not sent again. What was sent after the backup it does not know of, and that is told: which e-mails were in flight at that moment, and which due times have
//! passed since, whose runs may have been made.

use consign_export::Exporter;
use consign_model::schedule::Schedule;
use consign_model::{Name, TenantId, Timestamp, WindowState};
use consign_store::{StoreError, WindowFilter};
use serde::Serialize;

/// Due times listed at most, for each policy.
const MOST: usize = 20;
/// Windows read at a time.
const PAGE: usize = 256;

/// What a tenant's store knows of a policy.
#[derive(Debug, Clone, Serialize)]
pub struct Known {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub policy: Name,
    /// The newest due time that a run is known of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_due: Option<Timestamp>,
    /// E-mails that were accepted and are not sent again, of windows that are not done: with them go the rest.
    pub accepted: u64,
    /// E-mails of which it is not known whether they arrived: they are sent again, byte for byte with the same Message-ID.
    pub in_flight: u64,
    /// Due times between the backup and now, the oldest first: a run may have been made for each that is not in this store. What it sent is sent again, where it was not in e-mails of before.
    pub due_since: Vec<Timestamp>,
}

/// What is known of a tenant's policies, and what not, by a backup of this moment.
pub async fn known(exporter: &Exporter, at: Timestamp, now: Timestamp) -> Result<Vec<Known>, StoreError> {
    let (store, tenant) = (&exporter.store, &exporter.tenant);
    let mut all = Vec::new();
    for policy in store.policies(tenant).await? {
        let name = policy.spec.name.clone();
        let mut known = Known {
            tenant: tenant.clone(),
            newest_due: store.progress(tenant, &name).await?.last_due,
            policy: name.clone(),
            accepted: 0,
            in_flight: 0,
            due_since: Vec::new(),
        };
        let (filter, mut after) = (WindowFilter::Unsettled(name), None);
        loop {
            let page = store.windows(tenant, &filter, after.as_ref(), PAGE).await?;
            for window in page.iter().filter(|window| matches!(window.state, WindowState::Open | WindowState::Held { .. })) {
                for delivery in store.deliveries(tenant, &window.key).await? {
                    if delivery.is_accepted() {
                        known.accepted += 1;
                    } else if delivery.may_have_arrived() {
                        known.in_flight += 1;
                    }
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
        let schedule = policy.spec.schedule.as_ref().filter(|_| policy.spec.enabled).and_then(|spec| Schedule::parse(spec).ok());
        if let Some(schedule) = schedule {
            known.due_since = schedule.upcoming(at).take_while(|due| *due <= now).take(MOST).collect();
        }
        all.push(known);
    }
    Ok(all)
}
