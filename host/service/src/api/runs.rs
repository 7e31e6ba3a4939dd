//! What was done: runs, what is held, what became of events, the audit log.

use axum::Json;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use consign_export::ExportError;
use consign_model::run::{EmailCounts, EventCounts, Trigger};
use consign_model::{HeldReason, Run, RunId, RunState, Window, WindowKey};
use consign_store::AuditLine;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Item, Page, Paging, limit, time};
use super::policies::named;
use crate::caller::Here;
use crate::problem::Problem;

/// Events by what became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Events {
    examined: u64,
    exported: u64,
    omitted: u64,
    held: u64,
    /// Of exported events, over all e-mails.
    copies: u64,
}

impl From<EventCounts> for Events {
    fn from(events: EventCounts) -> Self {
        let EventCounts { examined, exported, omitted, held, copies } = events;
        Self { examined, exported, omitted, held, copies }
    }
}

/// E-mails by what became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Emails {
    composed: u64,
    accepted: u64,
    rejected: u64,
    deferred: u64,
    not_sent: u64,
    unknown: u64,
    bytes: u64,
}

impl From<EmailCounts> for Emails {
    fn from(emails: EmailCounts) -> Self {
        let EmailCounts { composed, accepted, rejected, deferred, not_sent, unknown, bytes } = emails;
        Self { composed, accepted, rejected, deferred, not_sent, unknown, bytes }
    }
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    /// Its id.
    #[schema(example = "fx-desk-000012")]
    run: String,
    /// The policy.
    policy: String,
    /// Its version.
    policy_version: u32,
    /// `hand`, `schedule` or `retry`.
    trigger: &'static str,
    /// The due time, of one by schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// When it began.
    started_at: String,
    /// When it ended; unset: it is under way, or was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    /// Of one that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Events>,
    /// Of one that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    emails: Option<Emails>,
    /// Held windows of earlier runs that it tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_again: Option<u64>,
    /// How many of these are done now.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_again_done: Option<u64>,
}

fn run_view(run: Run) -> RunView {
    let (trigger, due) = match run.trigger {
        Trigger::Hand => ("hand", None),
        Trigger::Schedule(due) => ("schedule", Some(time(due))),
        Trigger::Retry => ("retry", None),
    };
    let ended = match run.state {
        RunState::Running => None,
        RunState::Finished { at, summary } => Some((at, summary)),
    };
    RunView {
        run: run.id.to_string(),
        policy: run.policy.to_string(),
        policy_version: run.policy_version,
        trigger,
        due,
        started_at: time(run.started_at),
        finished_at: ended.as_ref().map(|(at, _)| time(*at)),
        events: ended.as_ref().map(|(_, summary)| summary.events.into()),
        emails: ended.as_ref().map(|(_, summary)| summary.emails.into()),
        tried_again: ended.as_ref().map(|(_, summary)| summary.supplements.windows),
        tried_again_done: ended.as_ref().map(|(_, summary)| summary.supplements.done),
    }
}

/// Lists runs, of one policy or all.
#[utoipa::path(get, operation_id = "listRuns", path = "/v1/tenants/{tenant}/runs", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), PolicyOnly, Paging),
    responses((status = 200, description = "The newest first", body = Page<RunView>)))]
pub async fn list(here: Here, Asked(of): Asked<PolicyOnly>, Asked(paging): Asked<Paging>) -> Result<Json<Page<RunView>>, Problem> {
    let policy = named(&here, of.policy.as_deref()).await?;
    let (before, limit): (Option<u64>, _) = (paging.after()?, paging.limit()?);
    let found = here.tenant.exporter().store.runs_before(here.tenant.name(), policy.as_ref(), before, limit + 1).await?;
    Ok(Page::of(found, limit, |(place, _)| *place, |(_, run)| run_view(run)))
}

async fn run(here: &Here, id: &str) -> Result<Run, Problem> {
    let id = RunId::from_text(id);
    let run = here.tenant.exporter().store.run(here.tenant.name(), &id).await?;
    run.ok_or_else(|| ExportError::NoRun(id).into())
}

/// Shows a run.
#[utoipa::path(get, operation_id = "showRun", path = "/v1/tenants/{tenant}/runs/{run}", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "As it stands", body = RunView)))]
pub async fn show(here: Here, Item(id): Item) -> Result<Json<RunView>, Problem> {
    Ok(Json(run_view(run(&here, &id).await?)))
}

/// The manifest of a run that has ended, as it was signed.
#[utoipa::path(get, operation_id = "showManifest", path = "/v1/tenants/{tenant}/runs/{run}/manifest", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "The signed manifest", body = Object, content_type = "application/json")))]
pub async fn manifest(here: Here, Item(id): Item) -> Result<Response, Problem> {
    let run = run(&here, &id).await?;
    let none = || Problem::no_such("no-manifest", format!("the run {} has not ended, or its manifest is not in the data folder", run.id));
    if run.state == RunState::Running {
        return Err(none());
    }
    // By the run as the store has it: nothing of an address is a part of a path.
    let path = consign_export::manifest::path(&here.tenant.exporter().data, here.tenant.name(), &run.policy, &run.id);
    let file = tokio::fs::File::open(&path).await.map_err(|_| none())?;
    let body = axum::body::Body::from_stream(tokio_util::io::ReaderStream::new(file));
    let name = format!("attachment; filename=\"{}.json\"", run.id);
    Ok(([(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_DISPOSITION, name)], body).into_response())
}

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
        run: window.run.to_string(),
        events: window.events(),
        held: settled.map_or(0, |settled| settled.counts.held),
        owed_to: window.owed_to.clone(),
        text: window.state.held().map(HeldReason::text).unwrap_or_default(),
        tried_again: window.state.is_tried_again(),
        next_attempt: settled.and_then(|settled| settled.next_attempt).map(time),
    }
}

/// Of which policy, and which part.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PolicyOnly {
    /// Only this policy's.
    policy: Option<String>,
}

/// Lists what is held, and why.
#[utoipa::path(get, operation_id = "listHeld", path = "/v1/tenants/{tenant}/held", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), PolicyOnly, Paging),
    responses((status = 200, description = "By policy and chat", body = Page<HeldView>)))]
pub async fn held(here: Here, Asked(of): Asked<PolicyOnly>, Asked(paging): Asked<Paging>) -> Result<Json<Page<HeldView>>, Problem> {
    let policy = named(&here, of.policy.as_deref()).await?;
    let (after, limit): (Option<WindowKey>, _) = (paging.after()?, paging.limit()?);
    let found = here.tenant.exporter().held(policy.as_ref(), after.as_ref(), limit + 1).await?;
    Ok(Page::of(found, limit, |window| window.key.clone(), |window| held_view(&window)))
}

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

/// Which part of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AfterEntry {
    /// After the entry of this number.
    #[param(minimum = 0, maximum = 2_147_483_647, default = 0)]
    #[serde(default)]
    after: u32,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u16>,
}

/// A part of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entries {
    /// Entries as they were signed: `{"entry":…,"signature":…}`, by number.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<Box<serde_json::value::RawValue>>,
    /// The number of the last entry that there is.
    last: u64,
}

/// Reads the audit log, from its beginning on. The entries are canonical JSON, so whoever keeps them can check their chain.
#[utoipa::path(get, operation_id = "readAuditLog", path = "/v1/tenants/{tenant}/audit", tag = "audit", security(("token" = ["read-audit"])),
    params(("tenant" = String, Path, description = "The tenant"), AfterEntry),
    responses((status = 200, description = "By number", body = Entries)))]
pub async fn audit(here: Here, Asked(which): Asked<AfterEntry>) -> Result<Json<Entries>, Problem> {
    let (store, tenant) = (&here.tenant.exporter().store, here.tenant.name());
    let limit = limit(which.limit)?;
    if which.after > i32::MAX.unsigned_abs() {
        return Err(Problem::invalid("after: 0 to 2147483647"));
    }
    let lines = store.audit(tenant, which.after.into(), limit).await?;
    let raw = |line: AuditLine| serde_json::value::RawValue::from_string(line.line);
    let entries = lines.into_iter().map(raw).collect::<Result<_, _>>().map_err(|error| Problem::internal(&error))?;
    Ok(Json(Entries { entries, last: store.audit_head(tenant).await?.map_or(0, |head| head.seq) }))
}
