//! What is held, and why.

use axum::Json;
use consign_model::{HeldReason, Window, WindowKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::given::{Asked, Page, Paging, time};
use super::policies::named;
use super::runs::{Events, PolicyOnly};
use crate::caller::Here;
use crate::problem::Problem;

/// A window that is held.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldView {
    /// By which it is tried again.
    id: String,
    /// The policy.
    policy: String,
    /// The chat's source.
    source: String,
    /// The chat.
    chat: String,
    /// The position of its first event in the chat.
    from: u64,
    /// The position after its last one.
    to: u64,
    /// The run that froze it.
    run: String,
    /// How many events it has.
    events: u64,
    /// Of these, held.
    held: u64,
    /// To whom copies are owed, of a supplement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owed_to: Vec<String>,
    /// Why, for a person.
    text: String,
    /// The same for programs, with its `reason`.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<serde_json::Value>,
    /// How its events are accounted for.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Events>,
    /// Whether it is tried again by itself.
    tried_again: bool,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
}

fn held_view(window: &Window) -> HeldView {
    let settled = window.state.settled();
    HeldView {
        id: window.key.id(),
        policy: window.key.policy.to_string(),
        source: window.key.chat.source.to_string(),
        chat: window.key.chat.id.clone(),
        from: window.key.from,
        to: window.to,
        run: window.run.to_string(),
        events: window.events(),
        held: settled.map_or(0, |settled| settled.counts.held),
        owed_to: window.owed_to.clone(),
        text: window.state.held().map(HeldReason::text).unwrap_or_default(),
        reason: window.state.held().and_then(|reason| serde_json::to_value(reason).ok()),
        counts: settled.map(|settled| settled.counts.into()),
        tried_again: window.state.is_tried_again(),
        next_attempt: settled.and_then(|settled| settled.next_attempt).map(time),
    }
}

/// Lists what is held, and why.
#[utoipa::path(get, operation_id = "listHeld", path = "/v1/tenants/{tenant}/held", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), PolicyOnly, Paging),
    responses((status = 200, description = "By policy and chat", body = Page<HeldView>)))]
pub async fn list(here: Here, Asked(of): Asked<PolicyOnly>, Asked(paging): Asked<Paging>) -> Result<Json<Page<HeldView>>, Problem> {
    let policy = named(&here, of.policy.as_deref()).await?;
    let (after, limit): (Option<WindowKey>, _) = (paging.after()?, paging.limit()?);
    let found = here.tenant.exporter().held(policy.as_ref(), after.as_ref(), limit + 1).await?;
    Ok(Page::of(found, limit, |window| window.key.clone(), |window| held_view(&window)))
}
