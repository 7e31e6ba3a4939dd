//! What a tenant may use of the installation, and what it uses.

use axum::Json;
use axum::response::{IntoResponse, Response};
use consign_model::quota::{Limits, Quotas, Weight};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given::Given;
use super::tags::{Cached, Expecting, IfMatch, IfOther, tag_of, tagged};
use crate::caller::Here;
use crate::expected::of_quotas;
use crate::problem::Problem;
use crate::quotas::{self, Usage};

/// What a tenant may use at most. What is unset has no limit of the tenant's own.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsView {
    /// Processor time of its modules on a day of UTC, in seconds. Beyond it they have what other tenants leave; nothing is left undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    processor_seconds: Option<u64>,
    /// Memory of one instance of a module, in bytes. The program's own limit holds where that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1_048_576, maximum = 9_007_199_254_740_991_i64)]
    memory_bytes: Option<u64>,
    /// Modules that it has uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    modules: Option<u64>,
    /// Their bytes together, as they are compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    compiled_bytes: Option<u64>,
    /// Bytes in the archive. When there are as many, events are answered 507, to come again later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    stored_bytes: Option<u64>,
    /// Requests to the API and the console in a minute, by all of the tenant's tokens and people together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    requests: Option<u64>,
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        let Limits { processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests } = limits;
        Self { processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests }
    }
}

impl From<LimitsView> for Limits {
    fn from(limits: LimitsView) -> Self {
        let LimitsView { processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests } = limits;
        Self { processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests }
    }
}

/// What a tenant uses now.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsedView {
    /// Processor time of its modules on this day of UTC, in microseconds.
    processor_micros: u64,
    /// Modules that it has uploaded.
    modules: u64,
    /// Their bytes together, as they are compiled.
    compiled_bytes: u64,
    /// Bytes in the archive, near enough: as they were last seen, and what was written since.
    stored_bytes: u64,
    /// Requests that count against the limit now: each does for up to a minute. 0 where there is no limit.
    requests: u64,
}

/// Quotas of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuotasView {
    /// One more with each change; 0 where nothing was ever said.
    version: u32,
    /// What it may use at most.
    limits: LimitsView,
    /// Its share where places of work are scarce: one with twice the weight has twice as much.
    #[schema(minimum = 1, maximum = 100, example = 10)]
    weight: u8,
    /// What it uses now.
    used: UsedView,
}

async fn view(here: &Here, quotas: Quotas) -> Result<QuotasView, Problem> {
    let Usage { processor_micros, modules, compiled_bytes, stored_bytes } = quotas::usage(here.tenant.exporter()).await?;
    let requests = quotas.limits.requests.map_or(0, |limit| here.tenant.requests(limit));
    let used = UsedView { processor_micros, modules, compiled_bytes, stored_bytes, requests };
    Ok(QuotasView { version: quotas.version, limits: quotas.limits.into(), weight: quotas.weight.into(), used })
}

/// Shows what the tenant may use, and what it uses.
#[utoipa::path(get, operation_id = "showQuotas", path = "/v1/tenants/{tenant}/quotas", tag = "tenants", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), IfOther),
    responses((status = 200, description = "Limits, and what is used", body = QuotasView)))]
pub async fn show(here: Here, cached: Cached) -> Result<Response, Problem> {
    let quotas = here.tenant.exporter().store.quotas(here.tenant.name()).await?;
    tagged(&cached, &of_quotas(here.tenant.name(), &quotas), &view(&here, quotas).await?)
}

/// What a tenant is to have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewQuotas {
    /// All of its limits: one that is not named is none from now on.
    #[schema(value_type = LimitsView)]
    limits: serde_json::Map<String, serde_json::Value>,
    /// Its weight; unset: 10, as of who has none set.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    weight: Option<u8>,
}

/// Says what the tenant may use from now on.
#[utoipa::path(put, operation_id = "setQuotas", path = "/v1/tenants/{tenant}/quotas", tag = "tenants", security(("token" = ["manage-tenants"])),
    params(("tenant" = String, Path, description = "The tenant"), IfMatch), request_body = NewQuotas,
    responses((status = 200, description = "As it is now", body = QuotasView), (status = 409, description = "Somebody else has changed it at the same moment", body = Problem)))]
pub async fn set(here: Here, Expecting(expected): Expecting, Given(new): Given<NewQuotas>) -> Result<Response, Problem> {
    // By names alone: a list would be read by their order.
    let limits: LimitsView = serde_json::from_value(new.limits.into()).map_err(|error| Problem::invalid(format!("limits: {error}")))?;
    let weight = new.weight.map(Weight::try_from).transpose().map_err(|error| Problem::invalid(format!("weight: {error}")))?.unwrap_or_default();
    let quotas = quotas::set(&here.exporter(), &expected, |_| (limits.into(), weight)).await?;
    here.tenant.quotas_changed();
    let view = view(&here, quotas).await?;
    let tag = tag_of(&of_quotas(here.tenant.name(), &quotas), &view)?;
    Ok((tag, Json(view)).into_response())
}
