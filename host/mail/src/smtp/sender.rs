//! What sends e-mails to one target.

use std::pin::pin;
use std::sync::Arc;

use consign_model::delivery::{Outcome, RecipientOutcome, Reply};
use futures::future::join_all;

use super::address;
use super::body::Message;
use super::connection::Connection;
use super::envelope::{Envelope, Opening};
use super::fault::Fault;
use super::pool::{Permit, Pool, Turn};
use super::target::Target;
use super::transaction::{self, After, Attempt, Leave, Said};

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

/// Sends e-mails to one target over a bounded number of connections. Cheap to share: `&Sender` is enough for all that send at once, and where more do than
/// there are connections, each goes out right behind the one before.
#[derive(Debug)]
pub struct Sender {
    pool: Arc<Pool>,
}

impl Sender {
    /// Connects when the first e-mail comes.
    pub fn new(target: Target) -> Self {
        Self { pool: Arc::new(Pool::new(target)) }
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.pool.target
    }

    /// Sends one e-mail: bytes with CRLF line ends, the last line ended too; what SMTP can't carry unchanged is not sent. Where the target signs, the
    /// signature is put on top, and the bytes below it are these. One outcome for each of
    /// `recipients`, in their order.
    ///
    /// Waits while all connections are in use. Dropping the future closes its connection; whether the e-mail arrived is then unknown. Needs
    /// tokio with its clock and network on.
    pub async fn send(&self, from: &str, recipients: &[String], message: &[u8]) -> Vec<RecipientOutcome> {
        self.send_with(from, recipients, message, std::future::ready(())).await.0
    }

    /// As [`send`](Self::send), but nothing of the text goes out before `leave` is there; nothing of the e-mail can have arrived until then. What it gave
    /// comes back with the outcomes; `None` if it did not come to the text. It is asked for last, when a connection is at hand and the server expects
    /// the text.
    pub async fn send_with<F: Future>(
        &self,
        from: &str,
        recipients: &[String],
        message: &[u8],
        leave: F,
    ) -> (Vec<RecipientOutcome>, Option<F::Output>) {
        let leave = pin!(leave);
        let mut leave = Leave::new(leave);
        let outcomes = self.outcomes(from, recipients, message, &mut leave).await;
        let outcomes = recipients.iter().cloned().zip(outcomes).map(|(recipient, outcome)| RecipientOutcome { recipient, outcome }).collect();
        (outcomes, leave.given())
    }

    async fn outcomes<F: Future>(&self, from: &str, recipients: &[String], message: &[u8], leave: &mut Leave<'_, F>) -> Vec<Outcome> {
        let message = match Message::new(message) {
            Ok(message) => message,
            Err(reason) => return vec![Outcome::not_sendable(reason); recipients.len()],
        };
        // The empty sender is for bounces (RFC 5321, section 4.5.5); it can't do harm.
        if let Err(error) = if from.is_empty() { Ok(()) } else { address::check(from) } {
            return vec![Outcome::not_sendable(format!("the sender {error}")); recipients.len()];
        }
        let checks: Vec<_> = recipients.iter().map(|recipient| address::check(recipient)).collect();
        let sendable: Vec<String> =
            recipients.iter().zip(&checks).filter(|(_, check)| check.is_ok()).map(|(recipient, _)| recipient.clone()).collect();
        let sent = if sendable.is_empty() {
            Vec::new()
        } else {
            match self.target().dkim.as_ref().map(|signer| signer.sign(&message)).transpose() {
                Ok(signature) => {
                    let message = message.under(signature.as_deref().unwrap_or_default());
                    self.deliver(&Arc::new(Envelope::new(from, sendable, &message)), &message, leave).await
                }
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

    /// Over whatever connection there is: the one on which the envelope is out already, an idle one, a new one. Only what happens on a new one counts
    /// before DATA.
    async fn deliver<F: Future>(&self, envelope: &Arc<Envelope>, message: &Message<'_>, leave: &mut Leave<'_, F>) -> Vec<Outcome> {
        let pool = &self.pool;
        let all = |fault: &Fault| vec![fault.before_the_dot(&pool.place); envelope.count()];
        let Turn { begun, mut permit } = pool.turn(Some(envelope)).await;
        if let Some((connection, opening)) = begun {
            match attempt(&mut permit, connection, (opening, Said::Ahead), message, leave).await {
                Ok(done) => return permit.end(done),
                Err(fault) => {
                    tracing::debug!(place = %pool.place, fault = ?fault, "an envelope that was sent ahead came to nothing");
                    pool.ahead_failed(&fault);
                }
            }
        }
        if let Some(connection) = pool.take_idle().await {
            let opening = envelope.open(&connection.capabilities, &pool.place);
            match attempt(&mut permit, connection, (opening, Said::Nothing), message, leave).await {
                Ok(done) => return permit.end(done),
                Err(fault) => {
                    // The server gave it up meanwhile, and the other idle ones probably too.
                    tracing::debug!(place = %pool.place, fault = ?fault, "an idle SMTP connection was dead");
                    drop(pool.take_all_idle());
                }
            }
        }
        match Connection::open(&pool.target).await {
            Ok(connection) => {
                let opening = envelope.open(&connection.capabilities, &pool.place);
                match attempt(&mut permit, connection, (opening, Said::Nothing), message, leave).await {
                    Ok(done) => permit.end(done),
                    Err(fault) => all(&fault),
                }
            }
            Err(fault) => all(&fault),
        }
    }

    /// Connects, secures the connection and signs in as for an e-mail, and says what the server offers. The error is for a person.
    pub async fn check(&self) -> Result<Checked, String> {
        let pool = &self.pool;
        let _turn = pool.turn(None).await;
        let connection = Connection::open(&pool.target).await.map_err(|fault| fault.text(&pool.place))?;
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
        join_all(self.pool.take_all_idle().map(Connection::quit)).await;
    }
}

/// What became of an e-mail, and its connection if that is still good.
type Done = (Vec<Outcome>, Option<Box<Connection>>);

/// Sends over this connection. The error: it was dead before MAIL was answered, or what was said ahead came to nothing.
async fn attempt<F: Future>(
    permit: &mut Permit,
    mut connection: Box<Connection>,
    (opening, said): (Opening, Said),
    message: &Message<'_>,
    leave: &mut Leave<'_, F>,
) -> Result<Done, Fault> {
    let pool = permit.pool().clone();
    let sent = transaction::send(&mut connection, &pool.place, opening, said, message, leave, move |connection| permit.next(connection));
    let (outcomes, after) = match sent.await {
        Attempt::Done(outcomes, after) => (outcomes, after),
        Attempt::Stale(fault) => return Err(fault),
    };
    let good = match after {
        After::Clean => true,
        After::Reset => connection.reset().await.is_ok(),
        After::Broken => false,
    };
    Ok((outcomes, good.then_some(connection)))
}
