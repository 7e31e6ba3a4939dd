//! Runs: what was done, and what the modules said while they were at work.

use axum::Json;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use consign_export::ExportError;
use consign_export::said::{Said, WindowSaid};
use consign_model::run::{ChatCounts, EmailCounts, EventCounts, Trigger};
use consign_model::{Digest, Run, RunId, RunState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Item, Page, Paging, time};
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
    /// Of one that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    chats: Option<Chats>,
    /// Of one that has ended: how long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    millis: Option<u64>,
    /// Held windows of earlier runs that it tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_again: Option<u64>,
    /// How many of these are done now.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_again_done: Option<u64>,
    /// Their events, as they stand now.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_again_events: Option<Events>,
    /// Their e-mails, as they stand now.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_again_emails: Option<Emails>,
    /// What shadows would have done otherwise.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shadows: Vec<serde_json::Value>,
    /// Modules that were quarantined in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quarantined: Vec<QuarantinedModule>,
    /// Where it ran under an earlier version of its policy.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    stands_in: Option<serde_json::Value>,
    /// What its policy requires of sources, and these do not give.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lacking: Vec<serde_json::Value>,
}

/// Chats of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Chats {
    /// With a window in this run.
    examined: u64,
    /// Of these, held.
    held: u64,
}

impl From<ChatCounts> for Chats {
    fn from(chats: ChatCounts) -> Self {
        let ChatCounts { examined, held } = chats;
        Self { examined, held }
    }
}

/// A module that a run has quarantined.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantinedModule {
    /// `name@version`.
    #[schema(example = "acme/desks@1.2.0")]
    module: String,
    /// SHA-256 of the component.
    digest: String,
}

fn objects<T: Serialize>(all: &[T]) -> Vec<serde_json::Value> {
    all.iter().filter_map(|one| serde_json::to_value(one).ok()).collect()
}

fn quarantined((module, digest): &(String, Digest)) -> QuarantinedModule {
    QuarantinedModule { module: module.clone(), digest: digest.to_string() }
}

pub fn run_view(run: Run) -> RunView {
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
        chats: ended.as_ref().map(|(_, summary)| summary.chats.into()),
        millis: ended.as_ref().map(|(_, summary)| summary.millis),
        tried_again: ended.as_ref().map(|(_, summary)| summary.supplements.windows),
        tried_again_done: ended.as_ref().map(|(_, summary)| summary.supplements.done),
        tried_again_events: ended.as_ref().map(|(_, summary)| summary.supplements.events.into()),
        tried_again_emails: ended.as_ref().map(|(_, summary)| summary.supplements.emails.into()),
        shadows: ended.as_ref().map(|(_, summary)| objects(&summary.shadows)).unwrap_or_default(),
        quarantined: ended.iter().flat_map(|(_, summary)| &summary.quarantined).map(quarantined).collect(),
        stands_in: ended.as_ref().and_then(|(_, summary)| serde_json::to_value(summary.stands_in.as_ref()?).ok()),
        lacking: ended.as_ref().map(|(_, summary)| objects(&summary.lacking)).unwrap_or_default(),
    }
}

/// Of which policy.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PolicyOnly {
    /// Only this policy's.
    pub policy: Option<String>,
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

pub async fn find(here: &Here, id: &str) -> Result<Run, Problem> {
    let id = RunId::from_text(id);
    let run = here.tenant.exporter().store.run(here.tenant.name(), &id).await?;
    run.ok_or_else(|| ExportError::NoRun(id).into())
}

/// Shows a run.
#[utoipa::path(get, operation_id = "showRun", path = "/v1/tenants/{tenant}/runs/{run}", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "As it stands", body = RunView)))]
pub async fn show(here: Here, Item(id): Item) -> Result<Json<RunView>, Problem> {
    Ok(Json(run_view(find(&here, &id).await?)))
}

/// The manifest of a run that has ended, as it was signed.
#[utoipa::path(get, operation_id = "showManifest", path = "/v1/tenants/{tenant}/runs/{run}/manifest", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "The signed manifest", body = Object, content_type = "application/json")))]
pub async fn manifest(here: Here, Item(id): Item) -> Result<Response, Problem> {
    let run = find(&here, &id).await?;
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

/// What the modules said of one chat.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatLog {
    /// By which its window is tried again, where it is held.
    window: String,
    /// The chat's source.
    source: String,
    /// The chat.
    chat: String,
    /// The lines, in order.
    lines: Vec<LogLine>,
}

/// A line of a module's.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogLine {
    /// `name@version`.
    #[schema(example = "acme/desks@1.2.0")]
    module: String,
    /// `debug`, `info`, `warn`, `error`; `failed` for the words with which it gave up, and where it failed.
    level: String,
    /// Its words, which may repeat messages.
    text: String,
}

/// Shows what the modules said in a run. It is sealed like the events themselves, and opened for this.
#[utoipa::path(get, operation_id = "showLogs", path = "/v1/tenants/{tenant}/runs/{run}/logs", tag = "runs", security(("token" = ["read-events"])),
    params(("tenant" = String, Path, description = "The tenant"), ("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "By chat; those of which nothing was said are left out", body = [ChatLog])))]
pub async fn logs(here: Here, Item(id): Item) -> Result<Json<Vec<ChatLog>>, Problem> {
    let line = |Said { module, level, text }| LogLine { module, level, text };
    let said = here.tenant.exporter().said(&RunId::from_text(&id)).await?;
    let view = |WindowSaid { window, chat, said }| ChatLog {
        window,
        source: chat.source.to_string(),
        chat: chat.id,
        lines: said.into_iter().map(line).collect(),
    };
    Ok(Json(said.into_iter().map(view).collect()))
}
