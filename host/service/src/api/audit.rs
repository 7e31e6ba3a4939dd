//! The audit log.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use consign_export::audit::export_lines;
use consign_store::AuditLine;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, limit};
use crate::caller::Here;
use crate::problem::Problem;

/// Which part of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AfterEntry {
    /// After the entry of this number.
    #[param(minimum = 0, maximum = 2_147_483_647, default = 0)]
    #[serde(default)]
    after: u32,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u16>,
}

/// A part of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entries {
    /// Entries as they were signed: `{"entry":…,"signature":…}`, by number.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<Box<serde_json::value::RawValue>>,
    /// The number of the last entry that there is.
    last: u64,
}

/// Reads the audit log, from its beginning on. The entries are canonical JSON, so whoever keeps them can check their chain.
#[utoipa::path(get, operation_id = "readAuditLog", path = "/v1/tenants/{tenant}/audit", tag = "audit", security(("token" = ["read-audit"])),
    params(("tenant" = String, Path, description = "The tenant"), AfterEntry),
    responses((status = 200, description = "By number", body = Entries)))]
pub async fn audit(here: Here, Asked(which): Asked<AfterEntry>) -> Result<Json<Entries>, Problem> {
    let (store, tenant) = (&here.tenant.exporter().store, here.tenant.name());
    let limit = limit(which.limit)?;
    if which.after > i32::MAX.unsigned_abs() {
        return Err(Problem::invalid("after: 0 to 2147483647"));
    }
    let lines = store.audit(tenant, which.after.into(), limit).await?;
    let raw = |line: AuditLine| serde_json::value::RawValue::from_string(line.line);
    let entries = lines.into_iter().map(raw).collect::<Result<_, _>>().map_err(|error| Problem::internal(&error))?;
    Ok(Json(Entries { entries, last: store.audit_head(tenant).await?.map_or(0, |head| head.seq) }))
}

/// Hands out the whole audit log with its head, signed now: JSON lines, which `consign audit verify FILE` checks offline. From the head it is seen where the end was
/// cut off later.
#[utoipa::path(post, operation_id = "exportAuditLog", path = "/v1/tenants/{tenant}/audit/export", tag = "audit", security(("token" = ["read-audit"])),
    params(("tenant" = String, Path, description = "The tenant")),
    responses((status = 200, description = "A line for each entry, by number, and the head as the last one", body = String, content_type = "application/x-ndjson")))]
pub async fn export(here: Here) -> Result<Response, Problem> {
    let exporter = here.exporter();
    let (lines, _) = export_lines(exporter.store.as_ref(), &exporter.tenant, &exporter.author).await.map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}
