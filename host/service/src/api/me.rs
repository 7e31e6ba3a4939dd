//! Who asks.

use axum::Json;
use consign_model::access::Permission;
use serde::Serialize;
use utoipa::ToSchema;

use super::given::time;
use crate::caller::Caller;

/// What a token is worth.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The token's id.
    #[schema(example = "token-5f2c9a3be0d1")]
    token: String,
    /// Who has it.
    name: String,
    /// Its role.
    #[schema(example = "policy-author")]
    role: &'static str,
    /// Whose it is; unset: the installation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// What it permits.
    permissions: Vec<&'static str>,
    /// Until when; unset: it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// Says what the token is worth.
#[utoipa::path(get, operation_id = "showMe", path = "/v1/me", tag = "access", security(("token" = [])),
    responses((status = 200, description = "What it is worth", body = Me)))]
pub async fn show(caller: Caller) -> Json<Me> {
    let role = caller.role();
    Json(Me {
        token: caller.id().to_owned(),
        name: caller.name().to_owned(),
        role: role.word(),
        tenant: (!role.is_of_the_platform()).then(|| caller.home.to_string()),
        permissions: Permission::ALL.iter().filter(|one| role.may(**one)).map(|one| one.word()).collect(),
        expires_at: caller.ends_at().map(time),
    })
}
