//! How far a run has come, as it goes on: server-sent events (the HTML standard, 9.2).
//!
//! Each who watches looks for themselves, once a second, at figures that the run keeps in memory anyway: nothing is sent on by the run, so whoever reads slowly or not at all
//! holds up nobody but themselves. With each look the token is looked up too, so one that is revoked ends it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use consign_model::{Run, RunState};
use futures::stream::unfold;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use super::given::Item;
use super::runs::{find, run_view};
use crate::caller::{By, Caller, Here};
use crate::problem::Problem;
use crate::runner::Figures;
use crate::tenants::Tenants;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Looks at which nothing is new before something is sent all the same: proxies end what is silent for a minute, and it is the only way to hear that a reader has gone.
const HEARTBEAT: u32 = 15;

/// How far a run has come, since this process is at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProgressView {
    /// Chats of which it is known so far that something is to be examined.
    chats: u64,
    /// Their events.
    events: u64,
    /// Chats that are done, also those of earlier runs that it tries again.
    chats_done: u64,
    /// Chats that are held.
    chats_held: u64,
    /// Events of chats that are done or held.
    events_settled: u64,
}

impl From<Figures> for ProgressView {
    fn from(figures: Figures) -> Self {
        let Figures { chats, events, done, held, settled } = figures;
        Self { chats, events, chats_done: done, chats_held: held, events_settled: settled }
    }
}

/// An event of the stream, as a client's own reader hands it on.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document: events are written as text")]
pub struct ProgressEvent {
    /// `progress` or `ended`.
    #[schema(example = "progress")]
    event: String,
    /// JSON: of `progress` a `ProgressView`, of `ended` a `RunView`.
    data: String,
}

/// One who watches.
struct Watching {
    here: Here,
    tenants: Arc<Tenants>,
    run: Run,
    closing: watch::Receiver<bool>,
    said: Option<Figures>,
    silent: u32,
    is_over: bool,
    /// Given back when the answer ends.
    _place: OwnedSemaphorePermit,
}

/// Watches a run: an event `progress` with the figures whenever they are others, and `ended` with the run as it is then.
///
/// It is a stream of server-sent events, which ends with the run, with the token and with the server; whoever asks again goes on. Lines that begin with a colon only say that it
/// is still there.
#[utoipa::path(get, operation_id = "watchRun", path = "/v1/tenants/{tenant}/runs/{run}/progress", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("run" = String, Path, description = "The run's id")),
    responses(
        (status = 200, description = "Events, one after the other", body = ProgressEvent, content_type = "text/event-stream"),
        (status = 429, description = "Too many watch already", body = Problem),
    ))]
pub async fn watch(here: Here, State(tenants): State<Arc<Tenants>>, Item(id): Item) -> Result<Response, Problem> {
    let run = find(&here, &id).await?;
    let place = here.tenant.watcher().ok_or_else(Problem::too_many_watchers)?;
    let closing = tenants.closing();
    let watching = Watching { here, tenants, run, closing, said: None, silent: 0, is_over: false, _place: place };
    let stream = unfold(watching, |mut watching| async move { Some((Ok::<_, std::convert::Infallible>(watching.next().await?), watching)) });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response())
}

impl Watching {
    /// What is sent next; unset at the end.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.is_over {
            if self.said.is_some() || self.silent > 0 {
                let closed = tokio::time::timeout(LOOK, self.closing.wait_for(|closing| *closing)).await.is_ok();
                if closed {
                    return None;
                }
            }
            if !self.may_still().await {
                return None;
            }
            // The store failed: its log says why, and whoever watches asks again.
            let run = find(&self.here, self.run.id.as_str()).await.ok()?;
            if matches!(run.state, RunState::Finished { .. }) {
                self.is_over = true;
                return event("ended", &run_view(run));
            }
            let figures = self.here.tenant.figures(&run.policy);
            if self.said != Some(figures) {
                (self.said, self.silent) = (Some(figures), 0);
                return event("progress", &ProgressView::from(figures));
            }
            self.silent += 1;
            if self.silent >= HEARTBEAT {
                self.silent = 1;
                return Some(Bytes::from_static(b": still at it\n\n"));
            }
        }
        None
    }

    /// Whether the token is worth something yet.
    async fn may_still(&self) -> bool {
        // Whoever asks here has shown a token.
        let By::Token(token) = &self.here.caller.by else { return false };
        let token = self.tenants.store().token_of(&token.hash).await;
        token.ok().flatten().is_some_and(|(home, token)| Caller::with(token, home).is_some())
    }
}

/// An event. JSON of ours has no line break in it.
fn event(name: &str, data: &impl Serialize) -> Option<Bytes> {
    let data = serde_json::to_string(data).ok()?;
    Some(Bytes::from(format!("event: {name}\ndata: {data}\n\n")))
}
