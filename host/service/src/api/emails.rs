//! What there is to say of an e-mail that somebody has found in an archive.

use axum::Json;
use consign_export::story::EmailStory;

use serde::Serialize;
use utoipa::ToSchema;

use super::given::{Item, time};
use super::targets::OutcomeView;
use crate::caller::Here;
use crate::problem::Problem;

/// An e-mail of the tenant's.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmailView {
    /// Without angle brackets.
    message_id: String,
    /// The policy that made it.
    policy: String,
    /// The run that began with it.
    run: String,
    /// The chat's source.
    source: String,
    /// The chat.
    chat: String,
    /// By which it is tried again, where it is held.
    window: String,
    /// Whose copy it is, for an export per user.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Which part of how many.
    part: u32,
    /// How many parts there are.
    parts: u32,
    /// SHA-256 of its bytes, as they were composed.
    sha256: String,
    /// Its bytes.
    size: u64,
    /// When the newest attempt to send it began.
    attempted_at: String,
    /// Attempts so far.
    attempts: u32,
    /// What the target said, for each recipient.
    recipients: Vec<OutcomeView>,
    /// Why what it is of is held, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    /// Under which version of the policy it was decided, and by which modules.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<serde_json::Value>,
    /// The events that are in it, the first thousand; unset while it is not settled what is.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<EmailEventView>>,
    /// Events beyond these, with those of files that can't be read.
    more_events: u64,
    /// Whether a file of the archive that has some of them can't be read.
    unreadable: bool,
}

/// An event that is in an e-mail.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmailEventView {
    /// The platform's own id.
    event: String,
    /// `message`, `edit`, …
    kind: &'static str,
    /// When.
    at: String,
    /// Its position in the chat.
    position: u64,
    /// Whether it was deleted since, by retention or erasure.
    deleted: bool,
}

impl From<EmailStory> for EmailView {
    fn from(story: EmailStory) -> Self {
        let EmailStory { delivery, policy, run, chat, window, subject, decided, held, events, more, unreadable } = story;
        let event = |one: consign_export::story::EmailEvent| EmailEventView {
            event: one.event,
            kind: one.kind,
            at: time(one.at),
            position: one.position,
            deleted: one.deleted,
        };

        Self {
            message_id: delivery.message_id,
            policy: policy.to_string(),
            run: run.to_string(),
            source: chat.source.to_string(),
            chat: chat.id,
            window,
            subject,
            part: delivery.key.part,
            parts: delivery.parts,
            sha256: delivery.digest.hex(),
            size: delivery.size,
            attempted_at: time(delivery.attempted_at),
            attempts: delivery.attempts,
            recipients: delivery.outcomes.into_iter().map(OutcomeView::from).collect(),
            held,
            decided: decided.and_then(|decided| serde_json::to_value(decided).ok()),
            events: events.map(|events| events.into_iter().map(event).collect()),
            more_events: more,
            unreadable,
        }
    }
}

/// That there is no e-mail of this Message-ID.
pub fn no_such(message_id: &str) -> Problem {
    Problem::no_such("no-such-email", format!("no e-mail with the Message-ID '{}' is known", message_id.escape_debug()))
        .hint("those that a release before this question recorded are not found by it: take an event's id from the e-mail's part consign.json, and explain that")
}

/// Says what there is to say of an e-mail, by its Message-ID: which run made it, what became of it, and which events are in it.
#[utoipa::path(get, operation_id = "explainEmail", path = "/v1/tenants/{tenant}/emails/{email}", tag = "runs", security(("token" = ["read-events"])),
    params(("tenant" = String, Path, description = "The tenant"), ("email" = String, Path, description = "Its Message-ID, with angle brackets or without; also that of a journal report's original")),
    responses((status = 200, description = "What there is to say of it", body = EmailView)))]
pub async fn explain(here: Here, Item(message_id): Item) -> Result<Json<EmailView>, Problem> {
    let story = here.tenant.exporter().story(&message_id).await?.ok_or_else(|| no_such(&message_id))?;
    Ok(Json(story.into()))
}
