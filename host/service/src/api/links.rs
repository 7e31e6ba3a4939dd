//! Links by which a tenant's first administrator comes in, who has no token yet.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given::{Given, name};
use super::once::Keyed;
use super::tenants::{RoleName, TokenView, new_link};
use crate::caller::Here;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// Minutes that a link is good for, where nothing else is asked for, and at most: a week.
const MINUTES: u16 = 60;
const MOST: u16 = 7 * 24 * 60;

/// A link that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// Who will use it.
    #[schema(example = "ann", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    name: String,
    /// What the session may do that it begins.
    role: RoleName,
    /// For how many minutes it is good.
    #[schema(minimum = 1, maximum = 10080, default = 60)]
    minutes: Option<u16>,
}

/// A link that was just made.
#[derive(Serialize, ToSchema)]
pub struct MadeLink {
    /// It, among the tenant's tokens: by its id it is revoked.
    #[serde(flatten)]
    token: TokenView,
    /// What is to be opened in a browser, which is shown this once. It begins with a slash where the settings do not say where the console is (`[api] url`).
    #[schema(example = "https://consign.example/console/first#consign-link_…")]
    link: String,
}

/// Makes a link that begins one session in the console.
///
/// Opening it shows a page with a button, and only the button uses it up. The session lasts as any other does, and the link, or what has come of it, is revoked as a token is.
#[utoipa::path(post, operation_id = "createLink", path = "/v1/tenants/{tenant}/links", tag = "access", security(("token" = ["manage-tenants"])),
    params(("tenant" = String, Path, description = "The tenant"), Keyed), request_body = NewLink,
    responses((status = 201, description = "Made; it is shown this once", body = MadeLink)))]
pub async fn create(State(tenants): State<Arc<Tenants>>, here: Here, Given(new): Given<NewLink>) -> Result<(StatusCode, Json<MadeLink>), Problem> {
    let minutes = new.minutes.unwrap_or(MINUTES);
    if !(1..=MOST).contains(&minutes) {
        return Err(Problem::invalid(format!("minutes: 1 to {MOST}")));
    }
    let ends_in = i64::from(minutes) * 60_000;
    let (token, secret) =
        new_link(name("name", &new.name)?, new.role.into(), ends_in, &here.caller.actor()).map_err(|error| Problem::internal(&error))?;
    let exporter = here.exporter();
    exporter.store.add_token(&exporter.tenant, &token, &exporter.author).await?;
    let link = link(tenants.url().unwrap_or_default(), &secret);
    Ok((StatusCode::CREATED, Json(MadeLink { token: token.into(), link })))
}

/// What is opened in a browser. The secret stands after the `#`, which a browser sends to nobody: so it is in no log, of ours or of a proxy's, until it is used.
pub fn link(console: &str, secret: &consign_model::access::TokenSecret) -> String {
    format!("{}/console/first#{}", console.trim_end_matches('/'), secret.reveal())
}
