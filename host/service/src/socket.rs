//! A socket that listens: what the API and the metrics have in common. Whoever answers on it has bounds of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

/// How long to wait where no connection can be accepted: too many files are open, say.
const PAUSE: Duration = Duration::from_secs(1);

/// It listens.
#[derive(Debug)]
pub struct Socket {
    listener: TcpListener,
    address: SocketAddr,
}

/// It can't listen there.
#[derive(Debug, thiserror::Error)]
#[error("[{section}] listen: {address} can't be listened on: {cause}")]
pub struct ListenError {
    section: &'static str,
    address: SocketAddr,
    cause: std::io::Error,
}

impl Socket {
    /// Listens from now on, as this section of the settings says.
    pub(crate) async fn listen(section: &'static str, address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |cause| ListenError { section, address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where: with the port, also where any was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, when there is a place for it. Unset where there are no more places, for good.
    pub(crate) async fn accept(&self, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
                Err(error) => {
                    debug!(%error, "a connection can't be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
