//! Handing e-mails to the target, and the ledger of it.
//!
//! The order is what the promises rest on: the intent, with the SHA-256 of the bytes, is durable before DATA; the outcome is durable before the
//! window is done. What the ledger knows as accepted is not sent again; what may have arrived is sent again only with the same bytes.
//!
//! What a crash can repeat are e-mails that were sent and whose outcome is not durable yet. There are never more of them than [`UNSETTLED`] for each connection: a slot is
//! held from before the text goes out until the outcome is on the disk, not only until the server has answered. One for each would leave the connection idle while the disk is
//! waited for, which takes longer than an e-mail does. Neither intents nor envelopes need one, so the intents of many windows share a flush, and the next e-mail's envelope is out
//! before this one's answer is there.

mod gate;

use std::sync::Arc;

use consign_mail::compose::{COMPOSER, Email};
use consign_mail::smtp::{Sender, Target};
use consign_model::delivery::Next;
use consign_model::{Backoff, Delivery, DeliveryKey, HeldReason, Obstacle, Outcome, RecipientOutcome, TenantId, Timestamp, Window, WindowKey};
use consign_store::{Store, StoreError};

use tokio::sync::Semaphore;

use crate::compose::Composed;

use gate::Gate;
pub(crate) use gate::Gates;
pub use gate::Reachable;

/// E-mails for each connection that may have arrived without a durable outcome: what a crash repeats at most.
pub const UNSETTLED: usize = 4;

/// The way to one target.
pub(crate) struct Outbox {
    sender: Sender,
    /// One for each e-mail that may have arrived without a durable outcome.
    unsettled: Semaphore,
    backoff: Backoff,
    gate: Arc<Gate>,
}

impl Outbox {
    /// Connects when the first e-mail comes. `backoff` is the target's, `gate` the one before it.
    pub(crate) fn new(target: Target, backoff: Backoff, gate: Arc<Gate>) -> Self {
        let unsettled = Semaphore::new(usize::from(target.connections()) * UNSETTLED);
        Self { sender: Sender::new(target), unsettled, backoff, gate }
    }

    /// Whether the target is down, as far as is known.
    pub(crate) fn is_down(&self) -> bool {
        self.gate.is_down()
    }

    /// When what was not tried, since the target is down, is looked at again.
    pub(crate) fn put_off(&self, id: &str, since: Timestamp) -> Timestamp {
        self.backoff.next_without_end(id, since, Timestamp::now())
    }

    /// Sends something that the ledger does not hear of. The gate before the target holds for it too.
    pub(crate) async fn send_unrecorded(&self, email: &Email, bytes: &[u8]) -> Vec<RecipientOutcome> {
        let pass = match self.gate.pass().await {
            Ok(pass) => pass,
            Err(reason) => {
                let outcome = Outcome::not_sent(reason);
                return email
                    .recipients
                    .iter()
                    .map(|recipient| RecipientOutcome { recipient: recipient.clone(), outcome: outcome.clone() })
                    .collect();
            }
        };
        let outcomes = self.sender.send(&email.from, &email.recipients, bytes).await;
        self.gate.hear(&pass, &outcomes);
        outcomes
    }

    /// Ends the connections in order.
    pub(crate) async fn close(&self) {
        self.sender.close().await;
    }
}

/// What a person has asked for about a window that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing, and the scheduler comes to it: what is due by now, its backoff says.
    WhenDue,
    /// Nothing, but the policy's run, by a person: whatever waits is tried now.
    Nothing,
    /// To try everything again, also what the target refused for good.
    Again,
    /// That too, and to send e-mails as they are composed now, where the target may have an earlier form of them.
    SendChanged,
}

/// Sends one e-mail, unless the ledger says that it need not or must not be sent.
#[tracing::instrument(name = "e-mail", skip_all, fields(message_id = composed.email.message_id, bytes = i64::try_from(composed.email.bytes.len()).unwrap_or(i64::MAX), outcome))]
pub(crate) async fn deliver(
    store: &dyn Store,
    tenant: &TenantId,
    outbox: &Outbox,
    window: &Window,
    asked: Asked,
    known: Option<&Delivery>,
    composed: &Composed,
) -> Result<Delivered, StoreError> {
    let email = &composed.email;
    let mut delivery = match known {
        None => new_delivery(&window.key, composed),
        Some(known) if known.digest == email.digest => known.clone(),
        Some(known) if known.may_have_arrived() && asked != Asked::SendChanged => return Ok(Delivered::held(changed(window, known))),
        Some(known) => known.clone().anew(email.digest, email.bytes.len() as u64, email.parts),
    };
    let by_a_person = match asked {
        Asked::WhenDue | Asked::Nothing => false,
        Asked::Again | Asked::SendChanged => true,
    };
    // An attempt that the process died in may have been asked for: it is made again.
    let refused_too = by_a_person || delivery.in_flight;
    let owed: Vec<String> = delivery.owed(&email.recipients, refused_too).into_iter().cloned().collect();
    if owed.is_empty() || !is_its_time(&delivery, asked, &outbox.backoff) {
        return Ok(judge(&delivery, &outbox.backoff));
    }
    let pass = match outbox.gate.pass().await {
        Ok(pass) => pass,
        Err(reason) => {
            delivery.not_tried(&owed, &reason);
            store.record(tenant, std::slice::from_ref(&delivery)).await?;
            return Ok(
                judge(&delivery, &outbox.backoff).not_before(outbox.put_off(&delivery.message_id, delivery.since.unwrap_or(delivery.attempted_at)))
            );
        }
    };
    delivery.begin(Timestamp::now(), by_a_person);
    store.record(tenant, std::slice::from_ref(&delivery)).await?;
    let (outcomes, slot) = outbox.sender.send_with(&email.from, &owed, &email.bytes, outbox.unsettled.acquire()).await;
    outbox.gate.hear(&pass, &outcomes);
    if let Some(one) = outcomes.iter().map(|one| &one.outcome).find(|outcome| !outcome.is_accepted()).or(outcomes.first().map(|one| &one.outcome)) {
        tracing::Span::current().record("outcome", one.word());
    }
    delivery.record(outcomes);
    store.record(tenant, std::slice::from_ref(&delivery)).await?;
    drop(slot);
    Ok(judge(&delivery, &outbox.backoff))
}

/// Whether an e-mail that is owed to somebody is tried now.
fn is_its_time(delivery: &Delivery, asked: Asked, backoff: &Backoff) -> bool {
    match (asked, delivery.next(backoff)) {
        (Asked::Again | Asked::SendChanged, _) | (Asked::Nothing, Next::At(_)) => true,
        // One that the process died in is due, and so is one that a clock which was wrong says was tried later than now.
        (Asked::WhenDue, Next::At(at)) => {
            let now = Timestamp::now();
            delivery.attempts == 0 || delivery.in_flight || at <= now || delivery.attempted_at > now
        }
        (Asked::WhenDue | Asked::Nothing, Next::Expired { .. }) => false,
    }
}

/// What has become of an e-mail, for its window.
pub(crate) enum Delivered {
    /// Every recipient's server took responsibility.
    Accepted,
    /// Not so.
    Held {
        /// Why.
        reason: HeldReason,
        /// When it is tried again by itself, where it is and that is known.
        again: Option<Timestamp>,
    },
}

impl Delivered {
    /// The same, but tried again no earlier than this.
    fn not_before(self, time: Timestamp) -> Self {
        match self {
            Self::Held { reason, again: Some(again) } => Self::Held { reason, again: Some(again.max(time)) },
            other => other,
        }
    }

    fn held(reason: HeldReason) -> Self {
        Self::Held { reason, again: None }
    }
}

/// Whether a window was frozen by a release that composes otherwise, or has other tables.
pub(crate) fn is_of_another_release(window: &Window) -> bool {
    window.composer != COMPOSER || window.tables != consign_sandbox::tables()
}

/// What the ledger says of an e-mail that is not sent now.
pub(crate) fn compare(window: &Window, known: Option<&Delivery>, composed: &Composed) -> Delivered {
    match known {
        Some(known) if known.digest != composed.email.digest && known.may_have_arrived() => Delivered::held(changed(window, known)),
        Some(known) if known.is_accepted() => Delivered::Accepted,
        // Whatever the others of its window come to decides about it too.
        Some(_) | None => Delivered::held(HeldReason::Delivery { text: "it waits until it is decided about another e-mail of its chat".to_owned() }),
    }
}

/// An e-mail that the target may have is another one now, or none. Why that can be is said: what is frozen can't be the cause.
pub(crate) fn changed(window: &Window, known: &Delivery) -> HeldReason {
    let tables = consign_sandbox::tables();
    let why = if window.composer != COMPOSER {
        format!("this release composes otherwise (composer {COMPOSER}, then {})", window.composer)
    } else if window.tables != tables {
        format!("this release has other tables ({tables}; then {})", window.tables)
    } else {
        "release and tables are the same, so this may be a fault in Consign: please report it".to_owned()
    };
    let id = &known.message_id;
    HeldReason::Changed { text: format!("composing again did not give the e-mail <{id}> that the target may have, with the same bytes: {why}") }
}

fn new_delivery(window: &WindowKey, composed: &Composed) -> Delivery {
    let Email { message_id, bytes, digest, part, parts, .. } = &composed.email;
    Delivery {
        key: DeliveryKey { window: window.clone(), group: composed.group, part: *part },
        message_id: message_id.clone(),
        digest: *digest,
        size: bytes.len() as u64,
        parts: *parts,
        events: u32::try_from(composed.rows.len()).unwrap_or(u32::MAX),
        attempted_at: Timestamp::now(),
        attempts: 0,
        since: None,
        outcomes: Vec::new(),
        in_flight: false,
        doubt: false,
        earlier: Vec::new(),
    }
}

fn judge(delivery: &Delivery, backoff: &Backoff) -> Delivered {
    if delivery.is_accepted() {
        return Delivered::Accepted;
    }
    // The reply is the server's own text, for the person who has to act on it.
    let waits_for_a_person = |outcome: &Outcome| matches!(outcome, Outcome::Rejected { .. }) || outcome.is_not_sendable();
    let open = delivery.outcomes.iter().filter(|one| !one.outcome.is_accepted());
    let Some(worst) = open.clone().max_by_key(|one| waits_for_a_person(&one.outcome)) else {
        return Delivered::held(HeldReason::Delivery { text: "the target has no recipient: give it one in 'to'".to_owned() });
    };
    let waits = open.filter(|one| !waits_for_a_person(&one.outcome)).count() > 0;
    let (next, text) = (delivery.next(backoff), format!("{}: {}", worst.recipient, worst.outcome.text()));
    let reason = match worst.outcome {
        Outcome::Rejected { .. } => HeldReason::Refused { text },
        Outcome::NotSent { obstacle: Obstacle::Lasting, .. } => HeldReason::Unsendable { text },
        _ => match next {
            Next::At(_) => HeldReason::Delivery { text },
            Next::Expired { since } => HeldReason::Expired { text: format!("given up after {} (since {since}); {text}", backoff.within()) },
        },
    };
    let again = match next {
        Next::At(at) => Some(at).filter(|_| waits),
        Next::Expired { .. } => None,
    };
    Delivered::Held { reason, again }
}

#[cfg(test)]
mod tests;
