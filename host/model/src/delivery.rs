//! What became of an e-mail, for each recipient, as a value.

use serde::{Deserialize, Serialize};

use crate::{Backoff, Digest, Timestamp, WindowKey};

/// A server's whole reply: code and text lines, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// All lines, joined by `\n`.
    pub text: String,
}

/// What became of one e-mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The server took responsibility: a 2xx after the final dot.
    Accepted {
        /// Its reply.
        reply: Reply,
    },
    /// Refused for good: a 5xx.
    Rejected {
        /// Its reply.
        reply: Reply,
    },
    /// Refused for now: a 4xx.
    Deferred {
        /// Its reply.
        reply: Reply,
    },
    /// It surely did not get the e-mail: the session ended before the final dot.
    NotSent {
        /// What happened, for a person.
        reason: String,
        /// Whether trying again as it is can help.
        #[serde(default)]
        obstacle: Obstacle,
    },
    /// The final dot was sent and no answer came: it may have the e-mail or not.
    Unknown {
        /// What happened, for a person.
        reason: String,
    },
}

/// What was in the way of an e-mail that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// Something that may be gone the next time: a server that was not reached, say.
    #[default]
    Passing,
    /// The e-mail itself, or what the server offers: the same e-mail will not be sent the next time either.
    Lasting,
}

impl Outcome {
    /// Not sent, for a reason that may pass.
    pub fn not_sent(reason: impl Into<String>) -> Self {
        Self::NotSent { reason: reason.into(), obstacle: Obstacle::Passing }
    }

    /// Not sent, for a reason that lasts until a person does something.
    pub fn not_sendable(reason: impl Into<String>) -> Self {
        Self::NotSent { reason: reason.into(), obstacle: Obstacle::Lasting }
    }

    /// Whether the same e-mail can't be sent the next time either.
    pub fn is_not_sendable(&self) -> bool {
        matches!(self, Self::NotSent { obstacle: Obstacle::Lasting, .. })
    }

    /// The word for it, as in `run --json`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Deferred { .. } => "deferred",
            Self::NotSent { .. } => "not_sent",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether the server took responsibility.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// For a person: the word and what the server said.
    pub fn text(&self) -> String {
        match self {
            Self::Accepted { reply } | Self::Rejected { reply } | Self::Deferred { reply } => {
                format!("{}: {} {}", self.word(), reply.code, reply.text.replace('\n', " / "))
            }
            Self::NotSent { reason, .. } => format!("not sent: {reason}"),
            Self::Unknown { reason } => format!("unknown: {reason}"),
        }
    }
}

/// One recipient and what became of the e-mail for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientOutcome {
    /// The envelope's address.
    pub recipient: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// When an e-mail is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not before this time.
    At(Timestamp),
    /// Not any more, unless a person asks for it: it was tried for as long as the target's [`Backoff`] says.
    Expired {
        /// The first attempt of these.
        since: Timestamp,
    },
}

/// Which e-mail: a window's group and part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeliveryKey {
    /// The window it was composed from.
    pub window: WindowKey,
    /// Which of the window's groups, counted from 0 in the grouping's order.
    pub group: u32,
    /// Which part of the group, counted from 1.
    pub part: u32,
}

/// An e-mail in the ledger. Written before DATA (the intent), and again with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which e-mail.
    pub key: DeliveryKey,
    /// Without the angle brackets.
    pub message_id: String,
    /// SHA-256 of the e-mail's bytes as they were composed: without a signature that is put on top of them as they are sent, before dot-stuffing.
    pub digest: Digest,
    /// Of those bytes.
    pub size: u64,
    /// How many parts the group has.
    pub parts: u32,
    /// How many events it shows.
    pub events: u32,
    /// When the newest attempt began.
    pub attempted_at: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// When the first of the attempts began that count against the target's [`Backoff`]: of all, or of those since a person asked for one. Unset while
    /// there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The outcome for each recipient of the newest attempt at it. Empty while the first attempt is under way: an open intent.
    pub outcomes: Vec<RecipientOutcome>,
    /// An attempt is under way, or was when the process died: each recipient without an accepted outcome counts as unknown.
    pub in_flight: bool,
    /// An earlier attempt ended without an answer, or the process died in it. Later outcomes don't take that back: somebody may have this e-mail.
    #[serde(default)]
    pub doubt: bool,
    /// SHA-256 of earlier forms of it that somebody may have: a person decided that it is sent as it is composed now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Digest>,
}

impl Delivery {
    /// Whether every recipient's server took responsibility.
    pub fn is_accepted(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|one| one.outcome.is_accepted())
    }

    /// Whether somebody may have this e-mail already: then it may only be sent again as it was.
    pub fn may_have_arrived(&self) -> bool {
        self.in_flight || self.doubt || self.outcomes.iter().any(|one| matches!(one.outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }))
    }

    /// Of these recipients, those to whom it is still to be sent: all without an accepted outcome; of those who refused it for good only where it was
    /// asked for (`refused_too`).
    pub fn owed<'a>(&self, recipients: &'a [String], refused_too: bool) -> Vec<&'a String> {
        let settled = |outcome: &Outcome| outcome.is_accepted() || (!refused_too && matches!(outcome, Outcome::Rejected { .. }));
        let is_settled = |recipient: &str| self.outcomes.iter().any(|one| one.recipient == recipient && settled(&one.outcome));
        recipients.iter().filter(|recipient| !is_settled(recipient)).collect()
    }

    /// The same e-mail composed otherwise: nobody has got this form of it yet.
    #[must_use]
    pub fn anew(self, digest: Digest, size: u64, parts: u32) -> Self {
        let mut earlier = self.earlier.clone();
        if self.may_have_arrived() {
            earlier.push(self.digest);
        }
        Self { digest, size, parts, earlier, since: None, outcomes: Vec::new(), in_flight: false, doubt: false, ..self }
    }

    /// Begins an attempt. `anew`: a person asked for it, so the time that the target has begins again.
    pub fn begin(&mut self, at: Timestamp, anew: bool) {
        // A clock that was wrong may have put it into the future.
        if anew || self.since.is_none_or(|since| since > at) {
            self.since = Some(at);
        }
        self.doubt |= self.in_flight;
        self.in_flight = true;
        self.attempts = self.attempts.saturating_add(1);
        self.attempted_at = at;
    }

    /// Notes for recipients of whom nothing is known that the target was not asked, and why: that is no attempt.
    pub fn not_tried(&mut self, recipients: &[String], reason: &str) {
        let outcome = if self.in_flight || self.doubt {
            Outcome::Unknown { reason: format!("an earlier attempt was broken off, so it may have the e-mail or not; since then {reason}") }
        } else {
            Outcome::not_sent(reason)
        };
        for recipient in recipients {
            if !self.outcomes.iter().any(|one| one.recipient == *recipient) {
                self.outcomes.push(RecipientOutcome { recipient: recipient.clone(), outcome: outcome.clone() });
            }
        }
    }

    /// What is known of each recipient: while an attempt is in flight, of those who have not accepted it earlier, nothing.
    pub fn known(&self) -> Vec<RecipientOutcome> {
        let unknown = || Outcome::Unknown { reason: "an attempt was broken off: the target may have the e-mail or not".to_owned() };
        let told = |one: &RecipientOutcome| {
            let outcome = if self.in_flight && !one.outcome.is_accepted() { unknown() } else { one.outcome.clone() };
            RecipientOutcome { recipient: one.recipient.clone(), outcome }
        };
        self.outcomes.iter().map(told).collect()
    }

    /// When it is due again, for a recipient who may take it yet.
    pub fn next(&self, backoff: &Backoff) -> Next {
        match self.since {
            // One that the process died in is made again by whoever comes to it.
            _ if self.in_flight => Next::At(self.attempted_at),
            None => Next::At(self.attempted_at),
            Some(since) => backoff.next(&self.message_id, since, self.attempted_at).map_or(Next::Expired { since }, Next::At),
        }
    }

    /// Takes in an attempt's outcomes; one that was accepted earlier stays accepted.
    pub fn record(&mut self, outcomes: Vec<RecipientOutcome>) {
        self.in_flight = false;
        self.doubt |= outcomes.iter().any(|one| matches!(one.outcome, Outcome::Unknown { .. }));
        for outcome in outcomes {
            match self.outcomes.iter_mut().find(|one| one.recipient == outcome.recipient) {
                Some(one) if one.outcome.is_accepted() => {}
                Some(one) => *one = outcome,
                None => self.outcomes.push(outcome),
            }
        }
    }
}
