//! What became of an event.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::Asked;
use super::policies::named;
use crate::caller::Here;
use crate::problem::Problem;

/// Which event.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WhichEvent {
    /// Under which policy.
    policy: String,
    /// The event's own id (for Slack its ts).
    event: String,
    /// Only in the chat with this id.
    chat: Option<String>,
}

/// What became of events of one id.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explained {
    /// Each of them: its chat, when it was, what became of it and what decided that.
    #[schema(value_type = Vec<Object>)]
    events: serde_json::Value,
    /// Chats of which a file can't be read, which may have it.
    unreadable: Vec<Unreadable>,
}

/// A chat of which a file can't be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unreadable {
    /// The chat's source.
    source: String,
    /// The chat.
    chat: String,
}

/// Says what became of an event, and why. Reads the chats, or the one.
#[utoipa::path(get, operation_id = "explainEvent", path = "/v1/tenants/{tenant}/explain", tag = "runs", security(("token" = ["read-events"])),
    params(("tenant" = String, Path, description = "The tenant"), WhichEvent),
    responses((status = 200, description = "What became of it", body = Explained)))]
pub async fn explain(here: Here, Asked(which): Asked<WhichEvent>) -> Result<Json<Explained>, Problem> {
    let Some(policy) = named(&here, Some(&which.policy)).await? else { return Err(Problem::invalid("policy: there is none")) };
    let explained = here.tenant.exporter().explain(&policy, &which.event, which.chat.as_deref()).await?;
    let events = serde_json::to_value(&explained.events).map_err(|error| Problem::internal(&error))?;
    // Why, is the operator's business: it names files.
    let unreadable = explained.unreadable.into_iter().map(|(chat, _)| Unreadable { source: chat.source.to_string(), chat: chat.id }).collect();
    Ok(Json(Explained { events, unreadable }))
}
