//! Backups of the installation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::given::time;
use super::once::Keyed;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// A backup that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackupView {
    /// Its folder, on the server.
    path: String,
    /// The moment that it is of.
    at: String,
    /// Records of the store.
    records: u64,
    /// Conversation files that belong to it.
    files: u64,
    /// Of these, copied now; the others were there from an earlier backup.
    copied: u64,
    /// Bytes that were copied now.
    bytes: u64,
    /// Earlier backups that were let go.
    dropped: u64,
}

/// Makes a backup of the installation now, while it goes on, into the folder that its settings name.
#[utoipa::path(post, operation_id = "backUp", path = "/v1/backups", tag = "installation", security(("token" = ["manage-tenants"])), params(Keyed),
    responses((status = 201, description = "It is made", body = BackupView), (status = 409, description = "The settings name no folder for backups, or one is being made", body = Problem)))]
pub async fn make(State(tenants): State<Arc<Tenants>>) -> Result<(StatusCode, Json<BackupView>), Problem> {
    let made = tenants.back_up().await?;
    let path = made.path.display().to_string();
    let view = BackupView {
        path,
        at: time(made.at),
        records: made.records,
        files: made.files,
        copied: made.copied,
        bytes: made.bytes,
        dropped: made.dropped,
    };
    Ok((StatusCode::CREATED, Json(view)))
}
