//! The connections to one target, and the e-mails that go over them.
//!
//! A connection is either inside one `send`, or idle, or closed. It becomes idle only when the server and we agree that no e-mail is under way on
//! it: after the 250 for the whole e-mail, or after RSET got 250. Whatever else ends a `send` (a fault, a time limit, the caller dropping it)
//! drops the connection with it. So no answer is ever taken for another e-mail's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use consign_model::delivery::{Outcome, RecipientOutcome, Reply};
use futures::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::address;
use super::body::Message;
use super::connection::Connection;
use super::fault::{Fault, Step};
use super::target::Target;
use super::transaction::{self, After, Attempt};

/// What a server says of itself, for a person who sets up a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its greeting.
    pub greeting: Reply,
    /// What it offers in the session as it is used: keyword and parameters, one a line.
    pub offers: Vec<String>,
    /// Protocol version and cipher suite; unset without TLS.
    pub tls: Option<String>,
    /// How consign signed in; unset without credentials.
    pub signed_in: Option<&'static str>,
    /// The largest e-mail that it takes, in bytes; unset where it says none.
    pub max_size: Option<u64>,
}

/// Sends e-mails to one target over a bounded number of connections. Cheap to share: `&Sender` is enough for all that send at once.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: Target,
    /// In texts.
    place: String,
    /// One for each connection in use. One is opened only by a holder who found none idle, so used and idle ones together never exceed the limit.
    permits: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// Newest last: the newest is used first, so that the rest can grow old.
    connections: Vec<(Connection, Instant)>,
    /// A task waits for the oldest to grow too old.
    watched: bool,
}

impl Sender {
    /// Connects when the first e-mail comes.
    pub fn new(target: Target) -> Self {
        let permits = Semaphore::new(usize::from(target.connections.max(1)));
        Self { shared: Arc::new(Shared { place: target.place(), permits, idle: Mutex::default(), target }) }
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Sends one e-mail: bytes with CRLF line ends, the last line ended too; what SMTP can't carry unchanged is not sent. Where the target signs, the
    /// signature is put on top, and the bytes below it are these. One outcome for each of
    /// `recipients`, in their order.
    ///
    /// Waits while all connections are in use. Dropping the future closes its connection; whether the e-mail arrived is then unknown. Needs
    /// tokio with its clock and network on.
    pub async fn send(&self, from: &str, recipients: &[String], message: &[u8]) -> Vec<RecipientOutcome> {
        let outcomes = self.outcomes(from, recipients, message).await;
        recipients.iter().cloned().zip(outcomes).map(|(recipient, outcome)| RecipientOutcome { recipient, outcome }).collect()
    }

    async fn outcomes(&self, from: &str, recipients: &[String], message: &[u8]) -> Vec<Outcome> {
        let message = match Message::new(message) {
            Ok(message) => message,
            Err(reason) => return vec![Outcome::not_sendable(reason); recipients.len()],
        };
        // The empty sender is for bounces (RFC 5321, section 4.5.5); it can't do harm.
        if let Err(error) = if from.is_empty() { Ok(()) } else { address::check(from) } {
            return vec![Outcome::not_sendable(format!("the sender {error}")); recipients.len()];
        }
        let checks: Vec<_> = recipients.iter().map(|recipient| address::check(recipient)).collect();
        let sendable: Vec<&str> =
            recipients.iter().zip(&checks).filter(|(_, check)| check.is_ok()).map(|(recipient, _)| recipient.as_str()).collect();
        let sent = if sendable.is_empty() {
            Vec::new()
        } else {
            match self.target().dkim.as_ref().map(|signer| signer.sign(message)).transpose() {
                Ok(signature) => self.shared.send(from, &sendable, message.under(signature.as_deref().unwrap_or_default())).await,
                Err(reason) => vec![Outcome::not_sent(reason); sendable.len()],
            }
        };
        let mut sent = sent.into_iter();
        let outcome = |check| match check {
            Err(error) => Outcome::not_sendable(format!("the recipient {error}")),
            // One came for each that was sent.
            Ok(()) => sent.next().unwrap_or(Outcome::Unknown { reason: "the outcome was not recorded".to_owned() }),
        };
        checks.into_iter().map(outcome).collect()
    }

    /// Connects, secures the connection and signs in as for an e-mail, and says what the server offers. The error is for a person.
    pub async fn check(&self) -> Result<Checked, String> {
        let shared = &self.shared;
        let _permit = shared.permit().await;
        let connection = Connection::open(&shared.target).await.map_err(|fault| fault.text(&shared.place))?;
        let checked = Checked {
            greeting: connection.greeting.clone(),
            offers: connection.capabilities.lines.clone(),
            tls: connection.tls(),
            signed_in: connection.signed_in,
            max_size: connection.capabilities.max_size,
        };
        connection.quit().await;
        Ok(checked)
    }

    /// Closes idle connections with QUIT. Without it they are cut when the sender is dropped.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut self.shared.idle().connections);
        join_all(idle.into_iter().map(|(connection, _)| connection.quit())).await;
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing under the lock can leave it half-changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` can't be: nobody closes the semaphore.
    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// The newest idle connection that still stands.
    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.idle().connections.pop()?;
            if since.elapsed() < self.target.timeouts.idle && connection.quiet(Step::Mail).await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn send(self: &Arc<Self>, from: &str, recipients: &[&str], message: Message<'_>) -> Vec<Outcome> {
        let all = |fault: &Fault| vec![fault.before_the_dot(&self.place); recipients.len()];
        let permit = self.permit().await;
        if let Some(connection) = self.take_idle().await {
            match self.attempt(connection, from, recipients, message).await {
                Ok(outcomes) => return outcomes,
                Err(fault) => {
                    // The server gave it up meanwhile, and the other idle ones probably too.
                    tracing::debug!(place = %self.place, fault = ?fault, "an idle SMTP connection was dead");
                    self.idle().connections.clear();
                }
            }
        }
        let outcomes = match Connection::open(&self.target).await {
            Ok(connection) => self.attempt(connection, from, recipients, message).await.unwrap_or_else(|fault| all(&fault)),
            Err(fault) => all(&fault),
        };
        // Not before: a connection is given back while its permit is held.
        drop(permit);
        outcomes
    }

    /// Sends over this connection, and keeps it if it is still good. The error: it was dead before MAIL was answered.
    async fn attempt(
        self: &Arc<Self>,
        mut connection: Connection,
        from: &str,
        recipients: &[&str],
        message: Message<'_>,
    ) -> Result<Vec<Outcome>, Fault> {
        let (outcomes, after) = match transaction::send(&mut connection, &self.place, from, recipients, message).await {
            Attempt::Done(outcomes, after) => (outcomes, after),
            Attempt::Stale(fault) => return Err(fault),
        };
        let good = match after {
            After::Clean => true,
            After::Reset => connection.reset().await.is_ok(),
            After::Broken => false,
        };
        if good {
            self.keep(connection);
        }
        Ok(outcomes)
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        let mut idle = self.idle();
        idle.connections.push((connection, Instant::now()));
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }
}

/// Closes idle connections that grow too old, with QUIT; ends when none is idle, or the sender is gone.
async fn watch(shared: Weak<Shared>) {
    loop {
        let due = {
            let Some(shared) = shared.upgrade() else { return };
            let mut idle = shared.idle();
            let Some((_, since)) = idle.connections.first() else {
                idle.watched = false;
                return;
            };
            *since + shared.target.timeouts.idle
        };
        tokio::time::sleep_until(due).await;
        let Some(shared) = shared.upgrade() else { return };
        // So that one that is being closed counts as one in use.
        let _permit = shared.permit().await;
        let old = {
            let mut idle = shared.idle();
            match idle.connections.first() {
                Some((_, since)) if since.elapsed() >= shared.target.timeouts.idle => Some(idle.connections.remove(0)),
                _ => None,
            }
        };
        if let Some((connection, _)) = old {
            connection.quit().await;
        }
    }
}
