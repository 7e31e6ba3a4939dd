//! What each kind of source takes: who may send, what a body is, and what is answered.

mod mattermost;
mod slack;
mod teams;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use consign_model::Name;
use consign_source::live::slack::Signing;
use consign_source::live::{self, Arrived, Live, Packed, Token, Unpackable};
use consign_source::{Format, Limits};

use self::teams::Teams;
use super::answer::{Problem, Receipt};
use super::body::{self, Read, Sender};
use super::config::SourceConfig;
use super::queue::{NotStored, Order, Origin};
use super::room::Place;
use super::visitors::Visitor;
use super::{Receiver, secret};
use crate::IngestError;

/// Refusals of one request that are listed.
const LISTED: usize = 1_000;

/// One source.
pub(super) struct Door {
    origin: Arc<Origin>,
    kind: Kind,
}

enum Kind {
    /// JSON lines, of somebody who was let in elsewhere.
    Admitted,
    Events(Box<Token>),
    Slack(Arc<Signing>),
    Mattermost(Box<Token>),
    Teams(Arc<Teams>),
}

impl Door {
    /// Reads what it needs. Unset where the source comes by no request.
    pub async fn open(source: SourceConfig) -> Result<Option<Self>, String> {
        let name = source.name().clone();
        let as_file = |format: Format| (format.word(), format.capabilities());
        let live = |way: Live| (way.word(), way.capabilities());
        let ((format, gives), kind) = match source {
            SourceConfig::Events { token, .. } => (as_file(Format::Jsonl), Kind::Events(token_of(&token).await?)),
            SourceConfig::SlackEvents { signing_secret, .. } => {
                let secret = secret::read(&signing_secret).await.map_err(|fault| fault.to_string())?;
                (live(Live::SlackEvents), Kind::Slack(Arc::new(Signing::new(&secret))))
            }
            teams @ SourceConfig::TeamsNotifications { .. } => (live(Live::TeamsNotifications), Kind::Teams(Arc::new(Teams::open(teams).await?))),
            SourceConfig::MattermostWebhook { token, .. } => (live(Live::MattermostWebhook), Kind::Mattermost(token_of(&token).await?)),
            SourceConfig::Folder { .. } | SourceConfig::TeamsExport(_) | SourceConfig::SlackDiscovery(_) => return Ok(None),
        };
        let input = format!("POST /v1/sources/{name}/{}", kind.call());
        Ok(Some(Self { origin: Arc::new(Origin { source: name, format, gives, input }), kind }))
    }

    /// For JSON lines of somebody who was let in elsewhere.
    pub fn admitted(source: &Name, path: &str) -> Self {
        let (format, gives) = (Format::Jsonl.word(), Format::Jsonl.capabilities());
        Self { origin: Arc::new(Origin { source: source.clone(), format, gives, input: format!("POST {path}") }), kind: Kind::Admitted }
    }

    /// The last part of its path.
    pub fn call(&self) -> &'static str {
        self.kind.call()
    }

    pub async fn answer(&self, receiver: &Receiver, request: Request) -> Result<Response, Problem> {
        let (head, body) = request.into_parts();
        let headers = &head.headers;
        let may_come = if head.method == Method::POST { self.may_come(headers) } else { Err(Problem::wrong_method()) };
        if let Err(problem) = may_come {
            body::discard(body);
            return Err(problem);
        }
        if let Kind::Teams(_) = &self.kind
            && let Some(answer) = teams::validation(&head.uri)
        {
            body::discard(body);
            return Ok(answer);
        }
        // Kept until it is answered. None where somebody else's server has the connections.
        let busy = head.extensions.get::<Arc<Visitor>>().map(Visitor::enter);
        if let Some(None) = busy {
            body::discard(body);
            return Err(Problem::full());
        }
        // A stranger hears it when what was sent has shown who they are, and is to be stored.
        if self.sender() == Sender::Known
            && let Err(problem) = receiver.has_room().await
        {
            body::discard(body);
            return Err(problem);
        }
        let read = body::read(self.sender(), headers, body, &receiver.bounds, &receiver.room).await?;
        match &self.kind {
            Kind::Admitted | Kind::Events(_) => self.events(receiver, headers, read).await,
            Kind::Slack(signing) => self.slack(receiver, signing, headers, read).await,
            Kind::Teams(teams) => self.teams(receiver, teams, read).await,
            Kind::Mattermost(token) => self.mattermost(receiver, token, headers, read).await,
        }
    }

    /// What can be known before the body is.
    fn may_come(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.kind {
            Kind::Events(token) => match bearer(headers) {
                Some(given) if token.is(given) => Ok(()),
                _ => Err(Problem::no_token()),
            },
            Kind::Slack(_) => slack::may_come(headers),
            // What tells who sends is in the body.
            Kind::Mattermost(_) | Kind::Teams(_) | Kind::Admitted => Ok(()),
        }
    }

    /// Who sends a body that may come.
    fn sender(&self) -> Sender {
        match &self.kind {
            Kind::Admitted | Kind::Events(_) => Sender::Known,
            Kind::Slack(_) | Kind::Mattermost(_) | Kind::Teams(_) => Sender::Stranger,
        }
    }

    async fn events(&self, receiver: &Receiver, headers: &HeaderMap, read: Read) -> Result<Response, Problem> {
        let packed = match headers.get(CONTENT_ENCODING).map(|value| value.to_str()).transpose() {
            Ok(value) => Packed::by_header(value),
            Err(_) => None,
        };
        let packed = packed.ok_or_else(Problem::packed_otherwise)?;
        let most = receiver.bounds.body();
        let Read { bytes, place } = read;
        let arrived = receiver
            .reading(move || {
                let lines = packed.unpack(bytes, most).map_err(|error| match error {
                    Unpackable::TooLarge => Problem::too_large(most),
                    Unpackable::Damaged => Problem::unreadable(format!("the body can't be unpacked: {error}")),
                })?;
                live::lines(&lines, &limits()).map_err(|error| failed(&error))
            })
            .await?;
        self.store(receiver, arrived, place).await.map(IntoResponse::into_response)
    }

    /// A platform hears that it was refused, and nobody looks there: so it stands in our log.
    fn log_refusals(&self, arrived: &Arrived) {
        let source = &self.origin.source;
        for refusal in &arrived.report.refusals {
            tracing::error!(%source, %refusal, "source '{source}': something that came can't be read, and is refused: {refusal}");
        }
    }

    /// Stores what was read. Where nothing can be read, that is a problem.
    async fn store(&self, receiver: &Receiver, arrived: Arrived, place: Place) -> Result<Receipt, Problem> {
        if arrived.is_all_refused() {
            let refusals = arrived.report.refusals.into_iter().map(Into::into).collect();
            return Err(Problem::all_refused(arrived.report.refused, refusals));
        }
        self.keep(receiver, arrived, place).await
    }

    /// Stores what was read, which may be nothing. This is where a request waits.
    async fn keep(&self, receiver: &Receiver, arrived: Arrived, mut place: Place) -> Result<Receipt, Problem> {
        let Arrived { gathered, report } = arrived;
        let refusals = report.refusals.into_iter().map(Into::into).collect();
        if gathered.is_empty() {
            return Ok(Receipt { stored: 0, already_there: 0, refused: report.refused, refusals });
        }
        place.settle(gathered.bytes());
        let origin = Arc::clone(&self.origin);
        let order = Order { origin, gathered: Arc::new(gathered), refused: report.refused, notes: report.notes, place };
        let counts = receiver.queue.store(order).await.map_err(|why| match why {
            NotStored::Failed => Problem::not_stored(),
            NotStored::Full(reached) => Problem::quota(reached),
        })?;
        let (stored, already_there) = (counts.stored.values().sum(), counts.already_there.values().sum());
        Ok(Receipt { stored, already_there, refused: report.refused, refusals })
    }
}

impl Kind {
    fn call(&self) -> &'static str {
        match self {
            Self::Admitted | Self::Events(_) => "events",
            Self::Slack(_) => "slack",
            Self::Mattermost(_) => "mattermost",
            Self::Teams(_) => "teams",
        }
    }
}

impl Receiver {
    /// Before anything of a body is read. Whether there is room is asked again when it is stored.
    async fn has_room(&self) -> Result<(), Problem> {
        self.importer.has_room().await.map_err(|error| match error {
            IngestError::Full(reached) => Problem::quota(reached),
            error => failed(&error),
        })
    }

    /// Work for a processor, on a thread where it keeps nobody waiting.
    async fn reading<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
        // It is never closed.
        let _turn = self.reading.acquire().await;
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed(&error)))
    }
}

async fn token_of(source: &consign_model::target::SecretSource) -> Result<Box<Token>, String> {
    let secret = secret::read(source).await.map_err(|fault| fault.to_string())?;
    Token::of(&secret).map(Box::new).map_err(|error| error.to_string())
}

/// The token of `Authorization: Bearer …` (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// What of one request, or page, is listed and held.
pub(crate) fn limits() -> Limits {
    Limits { listed: LISTED, ..Limits::default() }
}

/// A fault of ours: what is read is in memory, and so is where it goes.
fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a request could not be read: this is a fault in Consign");
    Problem::not_stored()
}
