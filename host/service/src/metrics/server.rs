//! `GET /metrics` and `GET /healthz`, for whoever may connect to where it listens.
//!
//! There is no signing in, so it listens on this machine alone unless somebody writes otherwise; what it shows are names and figures. A client that is slow,
//! or holds its connection open, takes a place of few for some seconds, and nothing from a run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::debug;

use super::Metrics;
use crate::socket::{ListenError, Socket};

/// Connections at once. Those above wait to be accepted.
const CONNECTIONS: usize = 16;
/// What a client may take for its request, and then for all of it.
const REQUEST: Duration = Duration::from_secs(5);
const ALL: Duration = Duration::from_secs(15);
/// Bytes of a request's head; a body is never read.
const HEAD: usize = 16 << 10;

/// `[metrics]` of the settings of `serve`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MetricsSettings {
    /// Address and port.
    listen: SocketAddr,
}

/// The socket for metrics.
#[derive(Debug)]
pub struct MetricsServer(Socket);

impl MetricsServer {
    /// Listens from now on.
    pub async fn listen(settings: &MetricsSettings) -> Result<Self, ListenError> {
        Socket::listen("metrics", settings.listen).await.map(Self)
    }

    /// Where: with the port, also where any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Answers, as long as it is left to.
    pub async fn serve(self, metrics: Arc<Metrics>) {
        let router = Router::new().route("/metrics", get(show)).route("/healthz", get(async || "ok\n")).with_state(metrics);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        while let Some((stream, place)) = self.0.accept(&places).await {
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(REQUEST).max_buf_size(HEAD).keep_alive(false);
                let connection = http.serve_connection(TokioIo::new(stream), service);
                match tokio::time::timeout(ALL, connection).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => debug!(%error, "a client of the metrics went away"),
                    Err(_) => debug!("a client of the metrics was too slow"),
                }
                drop(place);
            });
        }
    }
}

async fn show(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.text())
}
