//! A receiving SMTP server for trying things: what comes in is written to a Maildir, bytes as they were sent.
//!
//! It adds no `Received:` and no `Return-Path:`, so that the file's SHA-256 is that of the e-mail as it was composed. It is no mail server: it
//! takes every recipient, keeps one copy of an e-mail however many it has, and passes nothing on. It is strict where servers are lenient
//! (a lone CR or LF, a line of more than 998 bytes), because a sender's fault should show here and not at an archive.

mod data;
mod maildir;
mod session;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use maildir::Maildir;

/// How long sessions may take to end once the inbox is told to end: long enough for an e-mail that is being written to its file.
const ENDING: Duration = Duration::from_secs(10);

/// What an inbox limits and asks for.
#[derive(Debug, Clone)]
pub struct InboxOptions {
    /// The largest e-mail, in bytes; announced as SIZE. Each session may hold one in memory.
    pub max_size: u64,
    /// Sessions at once; one more is turned away with 421.
    pub max_sessions: usize,
    /// How long a session may be silent.
    pub silence: Duration,
    /// STARTTLS is offered with these: certificate chain and key.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Only who signs in with this may send.
    pub account: Option<Account>,
}

/// A name, and a password or token.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password, or the token of XOAUTH2.
    pub secret: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self { max_size: 64 << 20, max_sessions: 100, silence: Duration::from_mins(5), tls: None, account: None }
    }
}

/// Why an inbox can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The address can't be listened on.
    #[error("the inbox can't listen on {address}: {error}. Choose another address with --listen, or end the program that uses it")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The Maildir can't be made.
    #[error("the inbox can't write to {}: {error}. Choose a folder that consign may write with --maildir", folder.display())]
    Maildir {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// How much an inbox took in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// E-mails.
    pub emails: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A receiver that listens already.
#[derive(Debug)]
pub struct Inbox {
    listener: TcpListener,
    local: SocketAddr,
    house: Arc<House>,
    sessions: Arc<Semaphore>,
}

/// What all sessions share.
#[derive(Debug)]
struct House {
    maildir: Maildir,
    options: InboxOptions,
    emails: AtomicU64,
    bytes: AtomicU64,
}

impl House {
    fn count(&self, bytes: u64) {
        self.emails.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Inbox {
    /// Listens on the address (port 0: any free one) and makes the Maildir with its folders `tmp`, `new` and `cur` where they are missing.
    pub async fn bind(address: SocketAddr, maildir: &Path, options: InboxOptions) -> Result<Self, InboxError> {
        let maildir = Maildir::open(maildir).map_err(|error| InboxError::Maildir { folder: maildir.to_owned(), error })?;
        let listen = |error| InboxError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let local = listener.local_addr().map_err(listen)?;
        let sessions = Arc::new(Semaphore::new(options.max_sessions));
        let house = Arc::new(House { maildir, options, emails: AtomicU64::new(0), bytes: AtomicU64::new(0) });
        Ok(Self { listener, local, house, sessions })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What it took in so far.
    pub fn received(&self) -> Received {
        Received { emails: self.house.emails.load(Ordering::Relaxed), bytes: self.house.bytes.load(Ordering::Relaxed) }
    }

    /// Serves until `shutdown` is ready. Then e-mails that are still coming in are cut off with 421 and not kept; those that are being written
    /// are written and answered.
    pub async fn serve(&self, shutdown: impl Future<Output = ()>) -> Received {
        let (end, ending) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.welcome(stream, &mut tasks, &ending),
                    // Out of file handles, most likely: it passes when sessions end.
                    Err(error) => {
                        tracing::warn!(%error, "the inbox could not accept a connection");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        // Ready when the receivers see it; that none is left is as good.
        let _ = end.send(true);
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(ENDING, all).await.is_err() {
            tracing::warn!("the inbox ended with sessions that did not");
        }
        self.received()
    }

    fn welcome(&self, mut stream: TcpStream, tasks: &mut JoinSet<()>, ending: &watch::Receiver<bool>) {
        match Arc::clone(&self.sessions).try_acquire_owned() {
            Ok(permit) => {
                let house = Arc::clone(&self.house);
                let ending = ending.clone();
                tasks.spawn(serve_one(stream, house, ending, permit));
            }
            Err(_) => {
                tasks.spawn(async move {
                    let busy = b"421 4.3.2 too many connections; try again\r\n";
                    let _ = timeout(Duration::from_secs(5), stream.write_all(busy)).await;
                });
            }
        }
    }
}

async fn serve_one(stream: TcpStream, house: Arc<House>, ending: watch::Receiver<bool>, _permit: OwnedSemaphorePermit) {
    // Without it pipelined answers wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    session::serve(stream, &house, ending).await;
}
