//! Shadows: what a second version of a module would have done otherwise, and putting it in place.

use axum::Json;
use consign_export::shadow::ShadowReport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given::{Given, Item, time};
use super::once::Keyed;
use super::policies::policy;
use super::tags::{Expecting, IfMatch};
use crate::caller::Here;
use crate::problem::Problem;
use crate::promote::{Promoted, promote_expecting};

/// Runs of a shadow that are told one by one.
const TOLD: usize = 100;

/// What is known of a shadow.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowView {
    /// Where it stands in the policy: `criteria 1`, `grouping`.
    place: String,
    /// The shadow, as `name@version`.
    #[schema(example = "acme/desks@1.3.0")]
    module: String,
    /// SHA-256 of its component.
    digest: String,
    /// The module beside which it runs, as `name@version`.
    beside: String,
    /// Events that it would export and that are left out now.
    gained: u64,
    /// Events that it would leave out and that are exported now.
    lost: u64,
    /// Over all runs since it was bound: by rule, with examples.
    #[schema(value_type = Object)]
    total: serde_json::Value,
    /// The newest hundred runs that compared it.
    runs: Vec<ShadowRun>,
}

/// What a shadow would have done otherwise in a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowRun {
    /// The run.
    run: String,
    /// When it began.
    started_at: String,
    /// Events that it would export and that were left out.
    gained: u64,
    /// Events that it would leave out and that were exported.
    lost: u64,
    /// Events that were compared.
    events: u64,
}

impl From<ShadowReport> for ShadowView {
    fn from(report: ShadowReport) -> Self {
        let ShadowReport { place, total, runs } = report;
        Self {
            place,
            module: total.module.clone(),
            digest: total.digest.to_string(),
            beside: total.beside.clone(),
            gained: total.gained(),
            lost: total.lost(),
            total: serde_json::to_value(&total).unwrap_or_default(),
            runs: runs
                .into_iter()
                .take(TOLD)
                .map(|(run, at, found)| ShadowRun {
                    run: run.to_string(),
                    started_at: time(at),
                    gained: found.gained(),
                    lost: found.lost(),
                    events: found.events,
                })
                .collect(),
        }
    }
}

/// Shows what the shadows of a policy would have done otherwise.
#[utoipa::path(get, operation_id = "listShadows", path = "/v1/tenants/{tenant}/policies/{policy}/shadows", tag = "policies", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy")),
    responses((status = 200, description = "Criteria in their order, then the grouping", body = [ShadowView])))]
pub async fn list(here: Here, Item(name): Item) -> Result<Json<Vec<ShadowView>>, Problem> {
    let policy = policy(&here, &name).await?;
    let reports = here.tenant.exporter().shadows(&policy.spec.name).await?;
    Ok(Json(reports.into_iter().map(ShadowView::from).collect()))
}

/// Which shadow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promoting {
    /// As `name@version`; unset: the only one.
    module: Option<String>,
}

/// That a shadow is in place.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromotedView {
    /// The policy.
    policy: String,
    /// Its version now.
    version: u32,
    /// Where in the policy.
    place: String,
    /// The module that was there, as `name@version`.
    before: String,
    /// The one that is there now.
    module: String,
    /// What to write in the policy's file in place of what stands there: applied unchanged it would take this back.
    lines: Vec<String>,
}

impl From<Promoted> for PromotedView {
    fn from(promoted: Promoted) -> Self {
        let Promoted { policy, version, place, before, module, lines } = promoted;
        Self { policy: policy.to_string(), version, place, before, module, lines }
    }
}

/// Puts a shadow in the place of the module beside which it ran: a version of the policy in which nothing else is changed.
#[utoipa::path(post, operation_id = "promoteShadow", path = "/v1/tenants/{tenant}/policies/{policy}/shadows/promote", tag = "policies", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy"), IfMatch, Keyed), request_body = Promoting,
    responses(
        (status = 200, description = "It is in place", body = PromotedView),
        (status = 409, description = "It is quarantined, or somebody else has changed the policy at the same moment", body = Problem),
        (status = 422, description = "There is none, or more than one", body = Problem),
    ))]
pub async fn promote(
    here: Here,
    Item(name): Item,
    Expecting(expected): Expecting,
    Given(which): Given<Promoting>,
) -> Result<Json<PromotedView>, Problem> {
    let policy = policy(&here, &name).await?;
    let promoted = promote_expecting(&here.exporter(), &policy.spec.name, which.module.as_deref(), &expected).await?;
    here.tenant.changed();
    Ok(Json(promoted.into()))
}
