//! What arrives by itself: platforms and programs that send each event when it happens, by HTTP, and folders into which they put files.
//!
//! **An answer is a receipt.** 200 is said when the events are durable in archive and store, and not before; whoever gets no answer, or another one, sends
//! again, and what is there already is counted and not stored twice. So nothing has to be kept on our side between the request and the store: no
//! spool, no list of what was answered.
//!
//! **Many requests, one commit.** Each is read and judged by itself, side by side with others; what it says waits in one queue, and one task stores all
//! that has come by then as one import ([`queue`]). A file and a flush for each request would make the disk the limit at some hundred events a second.
//!
//! **What waits is bounded in bytes** ([`room`]), from the first byte of a body on. Above that a request is told to come back, which every platform does.
//! That bounds memory; it does not bound how often somebody may call.
//!
//! **Strangers keep nobody out.** A token in a header is looked at before a byte of the body is read. Where the proof is in the body, or a signature over it, strangers
//! have half of the room and of the connections, and the slowest goes for the next; and of connections that say nothing the oldest goes where there are too many
//! ([`visitors`]).
//!
//! There is no TLS here: it listens on this machine, and what stands before it (nginx, a load balancer) has the certificate.

mod answer;
mod body;
mod config;
mod doors;
mod folder;
mod queue;
mod room;
pub(crate) mod secret;
mod server;
mod visitors;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use consign_model::Name;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use self::answer::Problem;
pub use self::config::{Bounds, Config, ConfigError, SourceConfig};
use self::doors::Door;
pub(crate) use self::doors::limits;
use self::folder::Folder;
use self::queue::Queue;
use self::room::Room;
pub use self::secret::SecretFault;
use crate::Importer;
use crate::pull::{PullError, Schedules};

/// Bodies read into events at once: work for processors. What they hold beyond the bound on what waits is this many bodies.
const READ_AT_ONCE: usize = 4;

/// Why receiving can't begin.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// What a source needs can't be had.
    #[error("source '{source_name}': {what}")]
    Source {
        /// Which.
        source_name: Name,
        /// What is wrong, and the way out.
        what: String,
    },
    /// There is nothing to receive from.
    #[error("there is no [[source]] in the file of sources: add one")]
    Nothing,
    /// What is asked at times can't be.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The socket can't be used.
    #[error("the address that is listened on can't be used: {0}")]
    Listen(std::io::Error),
}

/// All that answers requests.
pub struct Receiver {
    doors: HashMap<Name, Door>,
    importer: Importer,
    queue: Queue,
    room: Arc<Room>,
    bounds: Bounds,
    reading: Semaphore,
    strangers: Strangers,
}

/// Requests that were not let in. A platform whose secret was changed on one side alone sends nothing but these, and some platforms don't send again: so it is
/// said, but once a minute for each source, since anybody may call and nobody may fill the log.
#[derive(Default)]
struct Strangers(Mutex<HashMap<Name, (Option<Instant>, u64)>>);

impl Strangers {
    const EVERY: Duration = Duration::from_mins(1);

    fn count(&self, source: &Name) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, count) = all.entry(source.clone()).or_default();
        *count += 1;
        if told.is_none_or(|at| at.elapsed() >= Self::EVERY) {
            tracing::warn!(%source, count, "source '{source}': {count} requests were not let in: if they are the platform's, its secret here is not the one there");
            (*told, *count) = (Some(Instant::now()), 0);
        }
    }
}

/// Room for what waits to be stored, which several receivers can share.
pub struct Hall {
    bounds: Bounds,
    room: Arc<Room>,
}

impl Hall {
    /// Of this size.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, room: Room::new(bounds.waiting(), bounds.body(), bounds.connections()) }
    }
}

/// What runs beside the requests. To be stopped when no more of them come: what was taken in is then stored.
pub struct Running {
    receiver: Arc<Receiver>,
    storing: JoinHandle<()>,
    /// Tells those who watch folders to stop.
    stops: watch::Sender<bool>,
    watching: Vec<JoinHandle<()>>,
}

impl Receiver {
    /// Reads the secrets and begins to store what comes.
    pub async fn start(config: Config, importer: Importer) -> Result<(Arc<Self>, Running), ReceiveError> {
        let Config { receive: bounds, sources, .. } = config;
        if sources.is_empty() {
            return Err(ReceiveError::Nothing);
        }
        let (mut doors, mut folders) = (HashMap::new(), Vec::new());
        for source in sources {
            let name = source.name().clone();
            let failed = |what| ReceiveError::Source { source_name: name.clone(), what };
            folders.extend(Folder::open(&source).map_err(failed)?);
            if let Some(door) = Door::open(source).await.map_err(failed)? {
                doors.insert(name, door);
            }
        }
        // Nothing begins before all of it can.
        let (stops, stop) = watch::channel(false);
        let watching = folders.into_iter().map(|folder| tokio::spawn(folder.watch(importer.clone(), stop.clone()))).collect();
        let room = Hall::new(bounds).room;
        let (receiver, storing) = Self::begin(doors, importer, bounds, room);
        Ok((Arc::clone(&receiver), Running { receiver, storing, stops, watching }))
    }

    /// Begins to store what somebody else lets in ([`Receiver::take`]).
    pub fn admitting(importer: Importer, hall: &Hall) -> (Arc<Self>, Running) {
        let (receiver, storing) = Self::begin(HashMap::new(), importer, hall.bounds, Arc::clone(&hall.room));
        (Arc::clone(&receiver), Running { receiver, storing, stops: watch::Sender::new(false), watching: Vec::new() })
    }

    fn begin(doors: HashMap<Name, Door>, importer: Importer, bounds: Bounds, room: Arc<Room>) -> (Arc<Self>, JoinHandle<()>) {
        let (queue, storing) = Queue::start(importer.clone(), bounds.gather());
        let reading = Semaphore::new(READ_AT_ONCE);
        (Arc::new(Self { doors, importer, queue, room, bounds, reading, strangers: Strangers::default() }), storing)
    }

    /// Takes JSON lines of a source, also packed, from somebody who was let in by whoever calls this. `path` is where they came, for the audit log.
    pub async fn take(&self, source: &Name, path: &str, request: Request) -> Response {
        let door = Door::admitted(source, path);
        // What is wrong with a request its sender hears; only what is wrong with us is the operator's to hear of.
        let answered = door.answer(self, request).await.inspect_err(|problem| {
            if problem.is_ours() {
                problem.log(source);
            }
        });
        answered.unwrap_or_else(IntoResponse::into_response)
    }

    async fn answer(&self, params: &RawPathParams, request: Request) -> Result<Response, Problem> {
        let param = |wanted: &str| params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value).unwrap_or_default();
        // What is no name is no source either.
        let name = param("source").parse::<Name>().map_err(|_| Problem::unknown())?;
        let door = self.doors.get(&name).filter(|door| door.call() == param("call")).ok_or_else(Problem::unknown)?;
        door.answer(self, request).await.inspect_err(|problem| {
            problem.log(&name);
            if problem.is_of_a_stranger() {
                self.strangers.count(&name);
            }
        })
    }
}

impl Running {
    /// Stores and answers what was taken in, and ends. Requests that still come are told to come back.
    pub async fn stop(self) {
        self.stops.send_replace(true);
        self.receiver.queue.close();
        for watching in self.watching {
            if let Err(error) = watching.await {
                tracing::error!(%error, "watching a folder stopped unexpectedly: this is a fault in Consign; its files are where they were");
            }
        }
        if let Err(error) = self.storing.await {
            tracing::error!(%error, "storing what arrived stopped unexpectedly: this is a fault in Consign; what was answered is stored");
        }
    }
}

/// The routes: `POST /v1/sources/NAME/CALL`. They can stand beside others in one server.
pub fn router(receiver: Arc<Receiver>) -> Router {
    Router::new().route("/v1/sources/{source}/{call}", any(receive)).with_state(receiver)
}

async fn receive(State(receiver): State<Arc<Receiver>>, params: Result<RawPathParams, RawPathParamsRejection>, request: Request) -> Response {
    // A path that can't be decoded names no source.
    let Ok(params) = params else { return Problem::unknown().into_response() };
    receiver.answer(&params, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// Receives until `stop` comes; then what was taken in is stored and answered, and this returns. Sources that are asked are asked at their times beside it.
pub async fn serve(listener: TcpListener, config: Config, importer: Importer, stop: impl Future<Output = ()> + Send) -> Result<(), ReceiveError> {
    let connections = config.receive.connections();
    let schedules = Schedules::open(&config, &importer).await?;
    let (receiver, running) = Receiver::start(config, importer).await?;
    let pulling = schedules.start();
    let router = router(receiver).fallback(async || Problem::unknown());
    server::serve(listener, router, connections, stop).await;
    // What is asked is of no platform that waits for an answer, so it ends after those who do.
    running.stop().await;
    pulling.stop().await;
    Ok(())
}
