//! The HTTP server: axum's own has no limits on slow clients, so connections are served by hyper.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::debug;

use super::visitors::Visitors;

/// What a client may take for a request's head, and how long a connection may stand idle before one.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD: usize = 64 << 10;
/// How long requests that were under way may still take once it is to stop. Longer than a body may take by default.
const GRACE: Duration = Duration::from_secs(75);
/// How long somebody who is sent away may still take: for what was answered, and is on its way.
const LEAVE: Duration = Duration::from_millis(200);
/// How long to wait where no connection can be accepted: too many files are open, say.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers until `stop`; then accepts nothing more, and returns when the requests that were under way are answered.
pub(super) async fn serve(listener: TcpListener, router: Router, connections: u16, stop: impl Future<Output = ()> + Send) {
    let visitors = Visitors::new(connections);
    let (stopping, stops) = watch::channel(false);
    tokio::select! {
        () = accept(listener, router, &visitors, &stops) => {}
        () = stop => {}
    }
    stopping.send_replace(true);
    if tokio::time::timeout(GRACE, visitors.are_gone()).await.is_err() {
        tracing::warn!("some clients were not answered before the end: they were too slow");
    }
}

async fn accept(listener: TcpListener, router: Router, visitors: &Visitors, stops: &watch::Receiver<bool>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Answers are small, and somebody waits for them.
        let _ = stream.set_nodelay(true);
        let Some(visit) = visitors.visit().await else { return };
        let (service, mut stops) = (TowerToHyperService::new(router.clone()), stops.clone());
        tokio::spawn(async move {
            let visitor = &visit.visitor;
            let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(std::sync::Arc::clone(visitor));
                service.call(request)
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
            let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = async { drop(stops.wait_for(|stop| *stop).await) } => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
                () = visitor.is_sent_away() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::time::timeout(LEAVE, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = outcome {
                debug!(%error, "a client went away");
            }
            drop(visit);
        });
    }
}
