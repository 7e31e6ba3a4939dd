//! Handing e-mails to the target, and the ledger of it.
//!
//! The order is what the promises rest on: the intent, with the SHA-256 of the bytes, is durable before DATA; the outcome is durable before the
//! window is done. What the ledger knows as accepted is not sent again; what may have arrived is sent again only with the same bytes.
//!
//! What a crash can repeat are e-mails that were sent and whose outcome is not durable yet. There are never more of them than connections: a slot is
//! held until the outcome is on the disk, not only until the server has answered. Intents need no slot, so those of many windows share a flush.

use consign_mail::compose::{COMPOSER, Email};
use consign_mail::smtp::{Sender, Target};
use consign_model::{Delivery, DeliveryKey, HeldReason, Obstacle, Outcome, TenantId, Timestamp, Window, WindowKey};
use consign_store::{Store, StoreError};

use tokio::sync::Semaphore;

use crate::compose::Composed;

/// The way to one target.
pub(crate) struct Outbox {
    sender: Sender,
    /// One for each e-mail that may have arrived without a durable outcome: as many as connections.
    unsettled: Semaphore,
}

impl Outbox {
    /// Connects when the first e-mail comes. `connections` as the target has them.
    pub(crate) fn new(target: Target, connections: u16) -> Self {
        let unsettled = Semaphore::new(usize::from(connections.max(1)));
        Self { sender: Sender::new(target), unsettled }
    }

    /// Ends the connections in order.
    pub(crate) async fn close(&self) {
        self.sender.close().await;
    }
}

/// What a person has asked for about a window that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing: a run that comes to it by itself.
    Nothing,
    /// To try everything again, also what the target refused for good.
    Again,
    /// That too, and to send e-mails as they are composed now, where the target may have an earlier form of them.
    SendChanged,
}

/// Sends one e-mail, unless the ledger says that it need not or must not be sent.
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
        Some(known) if known.may_have_arrived() && asked != Asked::SendChanged => return Ok(Delivered::Held(changed(window, known))),
        Some(known) => known.clone().anew(email.digest, email.bytes.len() as u64, email.parts),
    };
    // An attempt that the process died in may have been asked for: it is made again.
    let refused_too = asked != Asked::Nothing || delivery.in_flight;
    let owed: Vec<String> = delivery.owed(&email.recipients, refused_too).into_iter().cloned().collect();
    if owed.is_empty() {
        return Ok(judge(&delivery));
    }
    delivery.begin(Timestamp::now());
    store.record(tenant, std::slice::from_ref(&delivery)).await?;
    // `None` can't be: nobody closes it.
    let slot = outbox.unsettled.acquire().await.ok();
    let outcomes = outbox.sender.send(&email.from, &owed, &email.bytes).await;
    delivery.record(outcomes);
    store.record(tenant, std::slice::from_ref(&delivery)).await?;
    drop(slot);
    Ok(judge(&delivery))
}

/// What has become of an e-mail, for its window.
pub(crate) enum Delivered {
    /// Every recipient's server took responsibility.
    Accepted,
    /// Not so, and why.
    Held(HeldReason),
}

/// Whether a window was frozen by a release that composes otherwise, or has other tables.
pub(crate) fn is_of_another_release(window: &Window) -> bool {
    window.composer != COMPOSER || window.tables != consign_sandbox::tables()
}

/// What the ledger says of an e-mail that is not sent now.
pub(crate) fn compare(window: &Window, known: Option<&Delivery>, composed: &Composed) -> Delivered {
    match known {
        Some(known) if known.digest != composed.email.digest && known.may_have_arrived() => Delivered::Held(changed(window, known)),
        Some(known) if known.is_accepted() => Delivered::Accepted,
        // Whatever the others of its window come to decides about it too.
        Some(_) | None => Delivered::Held(HeldReason::Delivery { text: "it waits until it is decided about another e-mail of its chat".to_owned() }),
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
        outcomes: Vec::new(),
        in_flight: false,
        doubt: false,
        earlier: Vec::new(),
    }
}

fn judge(delivery: &Delivery) -> Delivered {
    if delivery.is_accepted() {
        return Delivered::Accepted;
    }
    // The reply is the server's own text, for the person who has to act on it.
    let waits_for_a_person = |outcome: &Outcome| matches!(outcome, Outcome::Rejected { .. }) || outcome.is_not_sendable();
    let worst = delivery.outcomes.iter().filter(|one| !one.outcome.is_accepted()).max_by_key(|one| waits_for_a_person(&one.outcome));
    let Some(worst) = worst else {
        return Delivered::Held(HeldReason::Delivery { text: "the target has no recipient: give it one in 'to'".to_owned() });
    };
    let text = format!("{}: {}", worst.recipient, worst.outcome.text());
    Delivered::Held(match worst.outcome {
        Outcome::Rejected { .. } => HeldReason::Refused { text },
        Outcome::NotSent { obstacle: Obstacle::Lasting, .. } => HeldReason::Unsendable { text },
        _ => HeldReason::Delivery { text },
    })
}

#[cfg(test)]
mod tests;
