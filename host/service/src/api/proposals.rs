//! What takes two people, and what waits for the second.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use consign_model::proposal::{Proposal, Proposed, ProposedChange};
use consign_model::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given::{Asked, Given, Item, Page, Paging, time};
use super::policies::ChangeView;
use crate::caller::Here;
use crate::problem::Problem;
use crate::proposals::{self, Set};

/// A change that waits for a second person, or has had one.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalView {
    /// By which it is approved.
    #[schema(example = "proposal-5f2c9a3be0d1")]
    id: String,
    /// `open`, `approved`, `rejected` or `expired`.
    state: &'static str,
    /// When it was made.
    at: String,
    /// Who made it.
    by: String,
    /// From when on it can't be approved any more.
    expires_at: String,
    /// The permission that approving it takes.
    takes: &'static str,
    /// What approving it names: of all that it would put into force.
    digest: String,
    /// What would be another.
    changes: Vec<ProposedChangeView>,
    /// What was written, to the letter.
    texts: Vec<String>,
    /// Who has approved or rejected it; unset: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
}

/// What would become of one thing.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposedChangeView {
    /// `target`, `policy` or `setting`.
    kind: String,
    /// Its name.
    name: String,
    /// The version that it has now; unset: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// Why it takes two people; empty where it only goes along with something that does.
    because: Vec<String>,
    /// Its fields that would be others.
    fields: Vec<FieldChangeView>,
}

/// What would be another in one field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldChangeView {
    /// Its name.
    field: String,
    /// As it is; unset: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// As it would be; unset: it would not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl From<ProposedChange> for ProposedChangeView {
    fn from(ProposedChange { kind, name, version, because, fields }: ProposedChange) -> Self {
        let field = |one: consign_model::proposal::FieldChange| FieldChangeView { field: one.field, before: one.before, after: one.after };
        Self { kind, name, version, because, fields: fields.into_iter().map(field).collect() }
    }
}

impl From<Proposal> for ProposalView {
    fn from(proposal: Proposal) -> Self {
        let (state, takes) = (proposal.word(Timestamp::now()), proposal.takes().word());
        let texts = match proposal.what {
            Proposed::Apply { texts, .. } => texts.into_iter().map(|(_, text)| text).collect(),
            Proposed::OnePerson => Vec::new(),
        };
        Self {
            id: proposal.id.to_string(),
            state,
            at: time(proposal.at),
            by: proposal.by.text(),
            expires_at: time(proposal.expires_at),
            takes,
            digest: proposal.digest.to_string(),
            changes: proposal.changes.into_iter().map(ProposedChangeView::from).collect(),
            texts,
            decided_by: proposal.decision.as_ref().map(|decision| decision.by.text()),
            decided_at: proposal.decision.as_ref().map(|decision| time(decision.at)),
        }
    }
}

/// What is approved or rejected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The proposal's `digest`, as whoever approves it has seen it.
    digest: String,
}

/// Whether dangerous changes take two people.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TwoPeople {
    /// Two.
    on: bool,
}

/// Lists the proposals, also those that are decided or over; for three months.
#[utoipa::path(get, operation_id = "listProposals", path = "/v1/tenants/{tenant}/proposals", tag = "proposals", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By id", body = Page<ProposalView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<ProposalView>>, Problem> {
    let all = here.exporter().store.proposals(here.tenant.name()).await?;
    Page::of_all(all, &paging, |proposal| proposal.id.to_string(), ProposalView::from)
}

/// Shows a proposal.
#[utoipa::path(get, operation_id = "showProposal", path = "/v1/tenants/{tenant}/proposals/{proposal}", tag = "proposals", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("proposal" = String, Path, description = "The proposal")),
    responses((status = 200, description = "It", body = ProposalView)))]
pub async fn show(here: Here, Item(id): Item) -> Result<Json<ProposalView>, Problem> {
    Ok(Json(proposals::find(&here.exporter(), &id).await?.into()))
}

/// Puts into force what another person has proposed.
///
/// Never by who proposed it: a token that one of the tenant has made counts as whoever made it. It is refused where what it would change is another by now. What names a target or turns two people
/// off takes write-targets.
#[utoipa::path(post, operation_id = "approveProposal", path = "/v1/tenants/{tenant}/proposals/{proposal}/approve", tag = "proposals", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), ("proposal" = String, Path, description = "The proposal")), request_body = Approval,
    responses(
        (status = 200, description = "What changed", body = [ChangeView]),
        (status = 409, description = "It is not open, or what it would change is another by now", body = Problem),
        (status = 422, description = "It can't be put into force any more", body = Problem),
    ))]
pub async fn approve(here: Here, Item(id): Item, Given(approval): Given<Approval>) -> Result<Json<Vec<ChangeView>>, Problem> {
    let digest = Digest::try_from(approval.digest).map_err(|_| Problem::invalid("digest: write the proposal's digest"))?;
    let changes = proposals::approve(&here.exporter(), &id, &digest, |permission| here.caller.may(permission)).await?;
    here.tenant.changed();
    Ok(Json(changes.into_iter().map(ChangeView::from).collect()))
}

/// Puts an end to a proposal: by whoever might approve it, or has made it.
#[utoipa::path(post, operation_id = "rejectProposal", path = "/v1/tenants/{tenant}/proposals/{proposal}/reject", tag = "proposals", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), ("proposal" = String, Path, description = "The proposal")),
    responses((status = 200, description = "As it is now", body = ProposalView), (status = 409, description = "It is not open", body = Problem)))]
pub async fn reject(here: Here, Item(id): Item) -> Result<Json<ProposalView>, Problem> {
    proposals::reject(&here.exporter(), &id, |permission| here.caller.may(permission)).await?;
    Ok(Json(proposals::find(&here.exporter(), &id).await?.into()))
}

/// Says whether dangerous changes take two people.
#[utoipa::path(get, operation_id = "showTwoPeople", path = "/v1/tenants/{tenant}/two-people", tag = "proposals", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant")),
    responses((status = 200, description = "Whether they do", body = TwoPeople)))]
pub async fn two_people(here: Here) -> Result<Json<TwoPeople>, Problem> {
    Ok(Json(TwoPeople { on: here.exporter().store.two_people(here.tenant.name()).await? }))
}

/// Has dangerous changes take two people: new and changed targets, and letting a module see into messages. That it be one again takes two as well.
#[utoipa::path(put, operation_id = "setTwoPeople", path = "/v1/tenants/{tenant}/two-people", tag = "proposals", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant")), request_body = TwoPeople,
    responses(
        (status = 200, description = "It is so", body = TwoPeople),
        (status = 202, description = "It waits for another person", body = ProposalView),
        (status = 409, description = "Too many proposals wait", body = Problem),
    ))]
pub async fn set_two_people(here: Here, Given(asked): Given<TwoPeople>) -> Result<Response, Problem> {
    Ok(match proposals::require(&here.exporter(), asked.on).await? {
        Set::Done => Json(asked).into_response(),
        Set::Proposed(proposal) => (StatusCode::ACCEPTED, Json(ProposalView::from(*proposal))).into_response(),
    })
}
