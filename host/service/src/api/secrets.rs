//! Secrets that a tenant's targets sign in with: put here and never read again.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use consign_export::ExportError;
use consign_model::target::KeptSecret;
use consign_store::Seen;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::given::{Asked, Item, Page, Paging, Text, name, time};
use super::tags::{Cached, Expecting, IfMatch, IfNew, IfOther, tag_of, tagged};
use crate::caller::Here;
use crate::expected::{Expected, of_secret};
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

async fn known(here: &Here, name: &str) -> Result<Option<KeptSecret>, Problem> {
    let Ok(name) = name.parse() else { return Ok(None) };
    Ok(here.tenant.exporter().store.secret(here.tenant.name(), &name).await?)
}

fn none(name: &str) -> Problem {
    Problem::no_such("no-such-secret", format!("there is no secret '{}'", name.escape_debug()))
}

/// What a change of a secret is made of, where it is as expected.
fn seen(expected: &Expected, name: &str, known: Option<&KeptSecret>) -> Result<Seen, Problem> {
    expected.must_hold(&format!("the secret '{name}'"), known.map(of_secret).as_deref())?;
    Ok(match known {
        _ if !expected.is_something() => Seen::Whatever,
        Some(known) => Seen::This(known.mark()),
        None => Seen::None,
    })
}

/// Shows that a secret is kept, and never what it is.
#[utoipa::path(get, operation_id = "showSecret", path = "/v1/tenants/{tenant}/secrets/{secret}", tag = "policies", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), ("secret" = String, Path, description = "The secret's name"), IfOther),
    responses((status = 200, description = "That it is kept", body = SecretView)))]
pub async fn show(here: Here, Item(name): Item, cached: Cached) -> Result<Response, Problem> {
    let secret = known(&here, &name).await?.ok_or_else(|| none(&name))?;
    tagged(&cached, &of_secret(&secret), &SecretView::from(secret.clone()))
}

/// Keeps a secret, sealed under the tenant's keys, in the place of one of its name. Nothing shows it again; what signs in with it does so from the next run on.
#[utoipa::path(put, operation_id = "keepSecret", path = "/v1/tenants/{tenant}/secrets/{secret}", tag = "policies", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), ("secret" = String, Path, description = "The secret's name"), IfMatch, IfNew),
    request_body(content = String, content_type = "text/plain", description = "The secret: one line of text"),
    responses((status = 204, description = "Kept")))]
pub async fn keep(here: Here, Item(secret): Item, Expecting(expected): Expecting, Text(text): Text) -> Result<Response, Problem> {
    let (secret, text) = (name("secret", &secret)?, Zeroizing::new(text));
    let line = secrets::line(&text).map_err(|error| Problem::invalid(error.to_string()))?;
    let seen = seen(&expected, secret.as_str(), known(&here, secret.as_str()).await?.as_ref())?;
    let kept = match here.exporter().keep_secret(&secret, line, seen).await {
        Err(ExportError::Store(error)) => return Err(expected.refused(&format!("the secret '{secret}'"), error)?.into()),
        kept => kept?,
    };
    Ok((StatusCode::NO_CONTENT, tag_of(&of_secret(&kept), &SecretView::from(kept.clone()))?).into_response())
}

/// Forgets a secret. A target that names it can't sign in any more.
#[utoipa::path(delete, operation_id = "forgetSecret", path = "/v1/tenants/{tenant}/secrets/{secret}", tag = "policies", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), ("secret" = String, Path, description = "The secret's name"), IfMatch),
    responses((status = 204, description = "Forgotten")))]
pub async fn forget(here: Here, Item(secret): Item, Expecting(expected): Expecting) -> Result<StatusCode, Problem> {
    let known = known(&here, &secret).await?.ok_or_else(|| none(&secret))?;
    let (exporter, seen) = (here.exporter(), seen(&expected, &secret, Some(&known))?);
    match exporter.store.remove_secret(&exporter.tenant, &known.name, seen, &exporter.author).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(none(&secret)),
        Err(error) => Err(expected.refused(&format!("the secret '{secret}'"), error)?.into()),
    }
}
