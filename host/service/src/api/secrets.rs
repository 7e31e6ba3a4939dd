//! Secrets that a tenant's targets sign in with: put here and never read again.

use axum::Json;
use axum::http::StatusCode;
use consign_model::target::KeptSecret;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::given::{Asked, Item, Page, Paging, Text, name, time};
use crate::caller::Here;
use crate::problem::Problem;
use crate::secrets;

/// A secret, without what it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretView {
    /// By which a target names it: `password = { secret = "NAME" }`.
    #[schema(example = "archive-password")]
    name: String,
    /// When it was put there.
    kept_at: String,
}

impl From<KeptSecret> for SecretView {
    fn from(secret: KeptSecret) -> Self {
        Self { name: secret.name.to_string(), kept_at: time(secret.kept_at) }
    }
}

/// Lists the secrets that are kept, by name alone.
#[utoipa::path(get, operation_id = "listSecrets", path = "/v1/tenants/{tenant}/secrets", tag = "policies", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By name", body = Page<SecretView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<SecretView>>, Problem> {
    let all = here.tenant.exporter().store.secrets(here.tenant.name()).await?;
    Page::of_all(all, &paging, |secret| secret.name.to_string(), SecretView::from)
}

/// Keeps a secret, sealed under the tenant's keys, in the place of one of its name. Nothing shows it again; what signs in with it does so from the next run on.
#[utoipa::path(put, operation_id = "keepSecret", path = "/v1/tenants/{tenant}/secrets/{secret}", tag = "policies", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), ("secret" = String, Path, description = "The secret's name")),
    request_body(content = String, content_type = "text/plain", description = "The secret: one line of text"),
    responses((status = 204, description = "Kept")))]
pub async fn keep(here: Here, Item(secret): Item, Text(text): Text) -> Result<StatusCode, Problem> {
    let (secret, text) = (name("secret", &secret)?, Zeroizing::new(text));
    let line = secrets::line(&text).map_err(|error| Problem::invalid(error.to_string()))?;
    here.exporter().keep_secret(&secret, line).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a secret. A target that names it can't sign in any more.
#[utoipa::path(delete, operation_id = "forgetSecret", path = "/v1/tenants/{tenant}/secrets/{secret}", tag = "policies", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), ("secret" = String, Path, description = "The secret's name")),
    responses((status = 204, description = "Forgotten")))]
pub async fn forget(here: Here, Item(secret): Item) -> Result<StatusCode, Problem> {
    let none = || Problem::no_such("no-such-secret", format!("there is no secret '{}'", secret.escape_debug()));
    let (exporter, name) = (here.exporter(), secret.parse().map_err(|_| none())?);
    if exporter.store.remove_secret(&exporter.tenant, &name, &exporter.author).await? { Ok(StatusCode::NO_CONTENT) } else { Err(none()) }
}
