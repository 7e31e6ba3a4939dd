//! Where the API and the console listen: connections, their number and their time.
//!
//! There is no TLS here: a proxy stands before it and has the certificate, so it listens on this machine alone unless somebody writes otherwise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::field::Empty;
use tracing::{Instrument, debug, info_span};

use crate::api::{self, Unguarded};
use crate::console;
use crate::problem::Problem;
use crate::socket::{ListenError, Socket};
use crate::tenants::Tenants;

/// Connections at once. Those above wait to be accepted.
const CONNECTIONS: usize = 512;
/// For the head of a request, and between two of them.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD: usize = 32 << 10;
/// For a request, from its head to its answer: a module may take a minute to compile.
const REQUEST: Duration = Duration::from_mins(5);
/// For requests under way when serving ends.
const GRACE: Duration = Duration::from_secs(20);

/// `[api]` of the settings of `serve`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApiSettings {
    /// Address and port.
    listen: SocketAddr,
    /// Where a browser finds the console, as the proxy before it is called: `https://consign.example`.
    #[serde(default)]
    url: Option<PublicUrl>,
}

impl ApiSettings {
    /// Where a browser finds the console: as the settings say, or the address itself where only this machine reaches it; else unset.
    fn url(&self, address: SocketAddr) -> Option<String> {
        let here = || address.ip().is_loopback().then(|| format!("http://{address}"));
        self.url.as_ref().map(|url| url.0.clone()).or_else(here)
    }
}

/// Where this server is to others: a scheme and a host, with nothing after them.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct PublicUrl(String);

impl TryFrom<String> for PublicUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not where a browser finds a server: write it as https://consign.example");
        let url = reqwest::Url::parse(&text).map_err(|_| wrong())?;
        let is_bare = matches!(url.scheme(), "https" | "http") && url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !is_bare || url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        Ok(Self(url.origin().ascii_serialization()))
    }
}

/// The API's socket.
#[derive(Debug)]
pub struct ApiServer {
    socket: Socket,
    url: Option<String>,
}

impl ApiServer {
    /// Listens from now on.
    pub async fn listen(settings: &ApiSettings) -> Result<Self, ListenError> {
        let socket = Socket::listen("api", settings.listen).await?;
        let url = settings.url(socket.address());
        Ok(Self { socket, url })
    }

    /// Where a browser finds the console, as far as that is known: a scheme and a host, with nothing after them.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Where: with the port, also where any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.socket.address()
    }

    /// Answers until `stop`, and then what is under way.
    pub async fn serve(self, tenants: Arc<Tenants>, stop: impl Future<Output = ()> + Send) -> Result<(), Unguarded> {
        let router = api::router(Arc::clone(&tenants))?.merge(console::router(Arc::clone(&tenants)));
        let router = router.fallback(async || Problem::no_such_address()).layer(from_fn(in_time)).layer(from_fn(traced));
        let (places, stopping) = (Arc::new(Semaphore::new(CONNECTIONS)), watch::Sender::new(false));
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.socket.accept(&places) => accepted,
            };
            while connections.try_join_next().is_some() {}
            // There always will be places: nobody closes the semaphore.
            let Some((stream, place)) = accepted else { break };
            connections.spawn(connection(stream, router.clone(), stopping.subscribe(), place));
        }
        tenants.close();
        stopping.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            debug!("requests that took too long were cut off");
        }
        Ok(())
    }
}

async fn connection(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>, place: OwnedSemaphorePermit) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a client went away");
    }
    drop(place);
}

/// A request as a trace shows it: by its route, which names nobody.
async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str);
    let method = request.method().as_str();
    let span = info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        tenant = Empty,
    );
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    response
}

/// No request holds its place for ever, however slowly it comes; and no answer is kept by anybody that does not say so itself, or taken for something else than it says.
async fn in_time(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::too_slow().into_response(),
    };
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
