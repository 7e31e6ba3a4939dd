//! The identity map: who users are, and when they are recorded.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use consign_model::Name;
use consign_model::identity::Identity;
use consign_source::identities::Form;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Page, Paging, bytes, name, time};
use super::tags::{Cached, Expecting, IfMatch, IfOther, tag_of, tagged};
use crate::caller::Here;
use crate::expected::of_identities;
use crate::identities::{self, Matched};
use crate::problem::Problem;

/// Bytes of a map: a hundred thousand users and more.
const LARGEST: usize = 16 << 20;
/// Users that are told one by one, of those who do not fit.
const TOLD: usize = 1_000;

/// The map that is in force, and whom it names.
#[derive(Debug, Serialize, ToSchema)]
pub struct MapView {
    /// Its version, counted from 1; 0: there is none, and users are as their platforms say.
    version: u32,
    /// When it was put into force.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_at: Option<String>,
    /// Users that it names.
    users: u64,
    /// Of these, whom sources know.
    matched: u64,
    /// Users of sources whom it does not name, the first thousand.
    unmatched: Vec<UnmatchedUser>,
    /// How many there are.
    unmatched_count: u64,
    /// Whom it names and no source knows, the first thousand.
    unknown: Vec<UserKey>,
    /// How many there are.
    unknown_count: u64,
}

/// A user whom the map does not name.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnmatchedUser {
    /// The source.
    source: String,
    /// The platform's id.
    id: String,
    /// The platform's name.
    name: String,
    /// The platform's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// A user of a source.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserKey {
    /// The source.
    source: String,
    /// The platform's id.
    id: String,
}

impl From<Matched> for MapView {
    fn from(matched: Matched) -> Self {
        let unmatched = |one: identities::Unmatched| UnmatchedUser { source: one.source.to_string(), id: one.id, name: one.name, email: one.email };
        Self {
            version: matched.map.as_ref().map_or(0, |map| map.version),
            applied_at: matched.map.as_ref().map(|map| time(map.applied_at)),
            users: matched.map.as_ref().map_or(0, |map| map.users),
            matched: matched.matched,
            unmatched_count: matched.unmatched.len() as u64,
            unmatched: matched.unmatched.into_iter().take(TOLD).map(unmatched).collect(),
            unknown_count: matched.unknown.len() as u64,
            unknown: matched.unknown.into_iter().take(TOLD).map(|(source, id)| UserKey { source: source.to_string(), id }).collect(),
        }
    }
}

/// Shows which identity map is in force, and whom it names.
#[utoipa::path(get, operation_id = "showIdentityMap", path = "/v1/tenants/{tenant}/identities", tag = "sources", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), IfOther),
    responses((status = 200, description = "As it is in force", body = MapView)))]
pub async fn show(here: Here, cached: Cached) -> Result<Response, Problem> {
    let matched = identities::matched(here.tenant.exporter()).await?;
    let state = of_identities(matched.map.as_ref());
    tagged(&cached, &state, &MapView::from(matched))
}

/// A user, as the map has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityView {
    /// The source.
    source: String,
    /// The platform's id.
    id: String,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The address for e-mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Who it is, over all platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// When this user is recorded, from and until; an empty list: never; unset: as the policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    recorded: Option<serde_json::Value>,
    /// Other attributes, by name.
    attributes: std::collections::BTreeMap<String, String>,
}

impl From<Identity> for IdentityView {
    fn from(one: Identity) -> Self {
        let Identity { source, id, name, email, person, recorded, attributes } = one;
        let recorded = recorded.and_then(|periods| serde_json::to_value(periods).ok());
        Self { source: source.to_string(), id, name, email, person, recorded, attributes }
    }
}

/// Lists the users whom the identity map names.
#[utoipa::path(get, operation_id = "listIdentities", path = "/v1/tenants/{tenant}/identities/users", tag = "sources", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By source and id", body = Page<IdentityView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<IdentityView>>, Problem> {
    let exporter = here.tenant.exporter();
    let (after, limit): (Option<(Name, String)>, _) = (paging.after()?, paging.limit()?);
    let all = exporter.store.all_identities(&exporter.tenant).await?;
    let place = |one: &Identity| (one.source.clone(), one.id.clone());
    let rest = all.into_iter().filter(|one| after.as_ref().is_none_or(|after| place(one) > *after)).take(limit + 1).collect();
    Ok(Page::of(rest, limit, place, IdentityView::from))
}

/// How to read a map.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Reading {
    /// The source of rows that name none.
    source: Option<String>,
}

/// What putting a map into force changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppliedMap {
    /// Users named who were not before.
    new: u64,
    /// Users of whom something else is said.
    changed: u64,
    /// Users who are named no more.
    removed: u64,
    /// What holds now.
    map: MapView,
}

/// Puts an identity map in the place of the one before: the body is all of it. All that is wrong with one is told, and then nothing is changed.
#[utoipa::path(put, operation_id = "applyIdentityMap", path = "/v1/tenants/{tenant}/identities", tag = "sources", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), Reading, IfMatch),
    request_body(content = String, content_type = "text/csv", description = "CSV with a head, or TOML with Content-Type: application/toml"),
    responses(
        (status = 200, description = "In force", body = AppliedMap),
        (status = 409, description = "Somebody else has changed it at the same moment", body = Problem),
        (status = 422, description = "Nothing was applied", body = Problem),
    ))]
pub async fn apply(here: Here, Asked(how): Asked<Reading>, Expecting(expected): Expecting, request: Request) -> Result<Response, Problem> {
    let source = how.source.map(|source| name("source", &source)).transpose()?;
    let media = request.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default().to_owned();
    let form = if media.starts_with("application/toml") { Form::Toml } else { Form::Csv };
    let map = bytes(request, LARGEST).await?;
    let applied = identities::apply_bytes(&here.exporter(), &map, form, source.as_ref(), &expected).await?;
    let state = of_identities(applied.matched.map.as_ref());
    let view = AppliedMap { new: applied.new, changed: applied.changed, removed: applied.removed, map: applied.matched.into() };
    let tag = tag_of(&state, &view.map)?;
    Ok((StatusCode::OK, tag, Json(view)).into_response())
}
