//! Modules that a policy does not run any more, until a person has decided about them.

use axum::Json;
use axum::response::Response;
use consign_model::{Digest, Quarantine};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Given, Item, time};
use super::once::Keyed;
use super::policies::policy;
use super::tags::{Cached, Expecting, IfMatch, IfOther, tagged};
use crate::caller::Here;
use crate::expected::of_quarantines;
use crate::problem::Problem;

/// A module's quarantine.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantineView {
    /// The policy.
    policy: String,
    /// `name@version`.
    #[schema(example = "acme/desks@1.2.0")]
    module: String,
    /// SHA-256 of the component.
    digest: String,
    /// Since when.
    since: String,
    /// Why, for a person.
    text: String,
    /// The same for programs, with its `reason`.
    #[schema(value_type = Object)]
    why: serde_json::Value,
    /// By whom and when it was ended; unset: it holds.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<serde_json::Value>,
}

impl From<Quarantine> for QuarantineView {
    fn from(one: Quarantine) -> Self {
        Self {
            policy: one.policy.to_string(),
            text: one.text(),
            since: time(one.since),
            digest: one.digest.to_string(),
            why: serde_json::to_value(&one.why).unwrap_or_default(),
            release: one.release.as_ref().and_then(|release| serde_json::to_value(release).ok()),
            module: one.module,
        }
    }
}

/// Which quarantines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WhichQuarantines {
    /// Also those that are over.
    #[serde(default)]
    over: bool,
}

/// Lists a policy's quarantines: those that hold, or all.
#[utoipa::path(get, operation_id = "listQuarantines", path = "/v1/tenants/{tenant}/policies/{policy}/quarantines", tag = "policies", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy"), WhichQuarantines, IfOther),
    responses((status = 200, description = "Those that hold, or all", body = [QuarantineView])))]
pub async fn list(here: Here, Item(name): Item, Asked(which): Asked<WhichQuarantines>, cached: Cached) -> Result<Response, Problem> {
    let policy = policy(&here, &name).await?;
    let exporter = here.tenant.exporter();
    let in_force = exporter.in_force(&policy.spec.name).await?;
    let state = of_quarantines(&policy, &in_force);
    let all = if which.over { exporter.store.quarantines(here.tenant.name(), Some(&policy.spec.name)).await? } else { in_force };
    tagged(&cached, &state, &all.into_iter().map(QuarantineView::from).collect::<Vec<_>>())
}

/// What is released.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Releasing {
    /// SHA-256 of the module; unset: all of the policy's.
    module: Option<String>,
}

/// Ends quarantines of a policy: it runs these modules again, from where its windows ended.
#[utoipa::path(post, operation_id = "releaseQuarantines", path = "/v1/tenants/{tenant}/policies/{policy}/quarantines/release", tag = "policies", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy"), IfMatch, Keyed), request_body = Releasing,
    responses((status = 200, description = "Those that were ended", body = [QuarantineView])))]
pub async fn release(
    here: Here,
    Item(name): Item,
    Expecting(expected): Expecting,
    Given(what): Given<Releasing>,
) -> Result<Json<Vec<QuarantineView>>, Problem> {
    let policy = policy(&here, &name).await?;
    // What is ended is what is compared here: the store ends none that has begun since.
    let seen = here.tenant.exporter().in_force(&policy.spec.name).await?;
    expected.must_hold(&format!("what is quarantined for the policy '{}'", policy.spec.name), Some(&of_quarantines(&policy, &seen)))?;
    let module: Option<Digest> = what
        .module
        .map(|digest| Digest::try_from(digest).map_err(|_| Problem::invalid("module: write the SHA-256 of the component in hexadecimal digits")))
        .transpose()?;
    let ended = here.exporter().release_seen(&policy.spec.name, &seen, module.as_ref(), here.caller.name()).await?;
    here.tenant.changed();
    Ok(Json(ended.into_iter().map(QuarantineView::from).collect()))
}
