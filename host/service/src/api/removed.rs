//! The end of a tenant.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use consign_model::RemovedTenant;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Page, Paging, time};
use super::keys::EarlierKeysView;
use crate::caller::Here;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// Bytes of a reason.
const LONGEST_REASON: usize = 1000;

/// A tenant that was removed.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedView {
    /// Its name, which no other gets.
    tenant: String,
    /// When its keys were destroyed: from then on nothing that it had opens any more.
    at: String,
    /// Who asked for it.
    by: String,
    /// Why.
    reason: String,
    /// What its files were encrypted for (age).
    recipient: String,
    /// By which its manifests and its audit log are checked (Ed25519, base64).
    signing_key: String,
    /// The keys before those, oldest first.
    earlier_keys: Vec<EarlierKeysView>,
    /// Chats that it had.
    chats: u64,
    /// Their events.
    events: u64,
    /// Of these, so many that a policy had not done with.
    owed: u64,
    /// When its files were deleted; unset: they are still to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    files_gone: Option<String>,
    /// When the store was written anew without its records; unset: the next start of the server does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    records_gone: Option<String>,
    /// That its keys were looked for in the store's files afterwards, and found nowhere; unset: they were not looked for yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofView>,
}

/// That a removed tenant's keys were found nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProofView {
    /// When they were looked for.
    at: String,
    /// Files of the store that were read to their ends.
    files: u64,
    /// Their bytes.
    bytes: u64,
    /// How many copies lay there before.
    copies_before: u64,
}

impl From<RemovedTenant> for RemovedView {
    fn from(removed: RemovedTenant) -> Self {
        let RemovedTenant { tenant, at, by, reason, recipient, signing_public_key, earlier_keys, had, files_gone, records_gone, proof, .. } = removed;
        let proof = proof.map(|proof| ProofView { at: time(proof.at), files: proof.files, bytes: proof.bytes, copies_before: proof.copies_before });
        Self {
            tenant: tenant.to_string(),
            at: time(at),
            by: by.text(),
            reason,
            recipient,
            signing_key: signing_public_key,
            earlier_keys: earlier_keys.into_iter().map(EarlierKeysView::from).collect(),
            chats: had.chats,
            events: had.events,
            owed: had.owed,
            files_gone: files_gone.map(time),
            records_gone: records_gone.map(time),
            proof,
        }
    }
}

/// How to remove a tenant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Removing {
    /// Why: it stays, and stands in the installation's audit log.
    #[param(min_length = 1, max_length = 1000)]
    reason: String,
    /// Also where policies have not done with what it has: that is exported to nobody then.
    #[serde(default)]
    even_owed: bool,
}

/// Removes a tenant, and destroys everything that it has: its keys at once, then its files, and its records with the server's next start. Nothing brings it back.
///
/// Refused where a legal hold covers something of it, or a policy owes something to an archive. Its audit log and manifests go with it: fetch them before. Backups that were made before hold
/// its keys too.
#[utoipa::path(delete, operation_id = "removeTenant", path = "/v1/tenants/{tenant}", tag = "tenants", security(("token" = ["manage-tenants"])),
    params(("tenant" = String, Path, description = "The tenant"), Removing),
    responses(
        (status = 200, description = "Its keys are destroyed", body = RemovedView),
        (status = 409, description = "Events of it are being deleted at this moment", body = Problem),
        (status = 422, description = "A hold forbids it, or something is owed", body = Problem),
    ))]
pub async fn remove(State(tenants): State<Arc<Tenants>>, here: Here, Asked(how): Asked<Removing>) -> Result<Json<RemovedView>, Problem> {
    if how.reason.trim().is_empty() || how.reason.len() > LONGEST_REASON {
        return Err(Problem::invalid(format!("reason: say why, in at most {LONGEST_REASON} bytes")));
    }
    let (name, actor, even_owed) = (here.tenant.name().clone(), here.caller.actor(), how.even_owed);
    drop(here);
    // Whoever goes away leaves no tenant that is half at its end.
    let removing = tokio::spawn(async move { tenants.remove(&name, &how.reason, even_owed, &actor).await });
    let removed = removing.await.map_err(|error| Problem::internal(&error))??;
    Ok(Json(removed.into()))
}

/// Lists the tenants that were removed.
#[utoipa::path(get, operation_id = "listRemovedTenants", path = "/v1/removed-tenants", tag = "tenants", security(("token" = ["manage-tenants"])), params(Paging),
    responses((status = 200, description = "By name", body = Page<RemovedView>)))]
pub async fn list(State(tenants): State<Arc<Tenants>>, Asked(paging): Asked<Paging>) -> Result<Json<Page<RemovedView>>, Problem> {
    let all = tenants.store().removed_tenants().await?;
    Page::of_all(all, &paging, |removed| removed.tenant.to_string(), RemovedView::from)
}
