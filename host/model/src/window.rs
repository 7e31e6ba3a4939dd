//! A window: the events of one chat that one run of one policy examines. The unit of work, of accounting and, on several nodes, of leases.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::identity::Period;
use crate::manifest::OmittedCount;
use crate::run::EventCounts;
use crate::shadow::ShadowDifference;
use crate::{Chat, ChatKey, Digest, Membership, Name, RunId, Timestamp, User};

/// Which window: a policy's windows of a chat follow each other, so where it begins is enough.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WindowKey {
    /// The policy.
    pub policy: Name,
    /// The chat.
    pub chat: ChatKey,
    /// Position of its first event.
    pub from: u64,
    /// 0, or which supplement to the window that begins there: copies of its events that users turned out to be owed. Counted from 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub supplement: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl WindowKey {
    /// The window that begins there itself.
    pub fn new(policy: Name, chat: ChatKey, from: u64) -> Self {
        Self { policy, chat, from, supplement: 0 }
    }

    /// Whether it is a supplement to another window.
    pub fn is_supplement(&self) -> bool {
        self.supplement > 0
    }

    /// The window that this one is a supplement to; else this one.
    #[must_use]
    pub fn base(&self) -> Self {
        Self { supplement: 0, ..self.clone() }
    }

    /// Sixteen hexadecimal digits by which a person names a window (`held retry 1f3a90c2`: its first digits do), and an e-mail the one that it is of.
    pub fn id(&self) -> String {
        let mut hasher = crate::id::Hasher::default();
        hasher.field(self.policy.as_str().as_bytes()).field(self.chat.source.as_str().as_bytes()).field(self.chat.id.as_bytes());
        hasher.field(&self.from.to_be_bytes());
        if self.supplement > 0 {
            hasher.field(&self.supplement.to_be_bytes());
        }
        hasher.finish().hex().chars().take(16).collect()
    }
}

/// A frozen window. Everything but `state` is written once, before any work on it begins: all that composing reads, by value or by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Which window.
    pub key: WindowKey,
    /// Position after its last event; greater than `key.from`.
    pub to: u64,
    /// The run that froze it.
    pub run: RunId,
    /// The policy's version.
    pub policy_version: u32,
    /// The target's version, for the fields that composing reads.
    pub target_version: u32,
    /// Digest of the [`Facts`] in the store.
    pub facts: Digest,
    /// Which composer: a release that composes otherwise has another number.
    pub composer: u32,
    /// Versions of the zone tables and of Unicode with which it is evaluated.
    pub tables: String,
    /// The end of the chat's window before it, by the clock; unset for the first one. What happened before and arrived after it is late.
    pub starts_at: Option<Timestamp>,
    /// When its run began: the only "now" of modules.
    pub ends_at: Timestamp,
    /// Of a supplement: the users who turned out to be owed copies, by id, rising. Nobody else gets anything of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owed_to: Vec<String>,
    /// What became of it.
    pub state: WindowState,
}

impl Window {
    /// How many events it examines: none where it is a supplement, whose events were examined before.
    pub fn events(&self) -> u64 {
        if self.key.is_supplement() { 0 } else { self.to.saturating_sub(self.key.from) }
    }
}

/// What became of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum WindowState {
    /// Work on it is under way, or was when the process died.
    Open,
    /// Every event is exported or omitted.
    Done {
        /// How it was accounted for.
        settled: Settled,
        /// When.
        at: Timestamp,
    },
    /// Something of it could not be exported.
    Held {
        /// Why.
        reason: HeldReason,
        /// What is settled of it; everything else is held.
        settled: Settled,
        /// When.
        at: Timestamp,
    },
}

impl WindowState {
    /// What is settled of it: unset while work is under way.
    pub fn settled(&self) -> Option<&Settled> {
        match self {
            Self::Open => None,
            Self::Done { settled, .. } | Self::Held { settled, .. } => Some(settled),
        }
    }

    /// Why it is held, where it is.
    pub fn held(&self) -> Option<&HeldReason> {
        match self {
            Self::Held { reason, .. } => Some(reason),
            Self::Open | Self::Done { .. } => None,
        }
    }

    /// Whether the next run tries again by itself: all of it, or those of its e-mails that may pass by waiting.
    pub fn is_tried_again(&self) -> bool {
        match self {
            Self::Held { reason, settled, .. } => reason.passes_by_waiting() || settled.waiting > 0,
            Self::Open | Self::Done { .. } => false,
        }
    }

    /// When it is tried again by itself: the smallest time where that is not said or can't be (a clock that was wrong has held it later than now), unset where
    /// it is not.
    pub fn next_attempt_seen_at(&self, now: Timestamp) -> Option<Timestamp> {
        let (Self::Held { settled, at, .. }, true) = (self, self.is_tried_again()) else { return None };
        Some(settled.next_attempt.filter(|_| *at <= now).unwrap_or(Timestamp::MIN))
    }

    /// Whether it is tried again by itself, now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_attempt_seen_at(now).is_some_and(|next| next <= now)
    }
}

/// How a window's events are accounted for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settled {
    /// Events by what became of them.
    pub counts: EventCounts,
    /// Events left out, by the rules that did it.
    pub omitted: Vec<OmittedCount>,
    /// Its verdict file; unset where nothing came of evaluating, not even a word of a module's.
    pub verdicts: Option<SealedFile>,
    /// E-mails that may pass by waiting, whatever else holds the window.
    #[serde(default)]
    pub waiting: u32,
    /// When the first of these is tried again by itself; unset where there is none, or nothing was said of the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Timestamp>,
    /// What shadows would have done otherwise; they decided nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadows: Vec<ShadowDifference>,
}

/// A sealed file in the archive. By its digest a reader tells it from one that somebody else encrypted to the tenant's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFile {
    /// Where, in the tenant's folder.
    pub path: String,
    /// SHA-256 of what is in it, decrypted.
    pub digest: Digest,
}

/// Why a window is held. `text` is for a person and holds no message text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum HeldReason {
    /// A module trapped, ran out of time or memory, or answered against the contract.
    Module {
        /// `name@version`.
        module: String,
        /// What happened.
        text: String,
        /// The same for programs; unset where no call of a module was to blame, and in what earlier releases held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Box<Fault>>,
    },
    /// A module of the policy is quarantined: it was not run.
    Quarantine {
        /// `name@version`.
        module: String,
        /// The module.
        digest: Digest,
        /// Why it is, and the way out.
        text: String,
    },
    /// The archive could not be read: a missing or damaged file.
    Archive {
        /// What happened.
        text: String,
    },
    /// An e-mail could not be composed: a template that fails, an attachment too large for any e-mail.
    Compose {
        /// What happened.
        text: String,
    },
    /// The target has not accepted every e-mail yet: it deferred one, could not be reached, or its answer was lost.
    Delivery {
        /// What it said.
        text: String,
    },
    /// The target did not accept an e-mail for as long as it is tried again.
    Expired {
        /// Since when, and what it said last.
        text: String,
    },
    /// The target refused an e-mail for good.
    Refused {
        /// What it said.
        text: String,
    },
    /// An e-mail can't be sent to the target as it is: it is larger than the server takes, say.
    Unsendable {
        /// What is in the way, and what to do.
        text: String,
    },
    /// Composing again gave other bytes than those that may have arrived.
    Changed {
        /// Which e-mail.
        text: String,
    },
}

impl HeldReason {
    /// For a person.
    pub fn text(&self) -> String {
        match self {
            Self::Module { module, text, fault: None } | Self::Quarantine { module, text, .. } => format!("module {module}: {text}"),
            Self::Module { module, text, fault: Some(fault) } => {
                let place = fault.event.as_ref().map(|event| format!(", {}", event.text())).unwrap_or_default();
                format!("module {module}: {text} ({}{place})", fault.class.word())
            }
            Self::Archive { text }
            | Self::Compose { text }
            | Self::Delivery { text }
            | Self::Expired { text }
            | Self::Refused { text }
            | Self::Unsendable { text }
            | Self::Changed { text } => text.clone(),
        }
    }

    /// Whether it may pass by waiting. The rest waits for a person (`held retry`).
    pub fn passes_by_waiting(&self) -> bool {
        matches!(self, Self::Delivery { .. } | Self::Archive { .. })
    }
}

/// What composing reads of a chat beside its events. Kept by digest: a chat whose people don't change is kept once for all its windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Kind, title and labels. Its counts and times are those of the moment of freezing, cleared so that they don't change the digest.
    pub chat: Chat,
    /// Everybody known to have been in it, sorted by id.
    pub participants: Vec<Participant>,
}

/// A user in a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who.
    pub user: User,
    /// The stays, in order of time.
    pub memberships: Vec<Membership>,
    /// The first of these follows from nothing but what the user did: no list, no join and no leave tells it ([`crate::Member::is_derived`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
    /// The only times at which the user is recorded, where the tenant's identity map says so; unset: whenever the user is one to record at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Vec<Period>>,
}

impl Participant {
    /// A user with the stays, who is recorded whenever that is asked for.
    pub fn new(user: User, memberships: Vec<Membership>) -> Self {
        Self { user, memberships, derived: false, recorded_at: None }
    }

    /// Times, both ends included, at which the user was in the chat and had not been by `before`.
    pub fn gained(&self, before: Option<&Self>) -> Vec<(Timestamp, Timestamp)> {
        let ends = |stay: &Membership| (stay.joined.unwrap_or(Timestamp::MIN), stay.left.unwrap_or(Timestamp::MAX));
        let mut gained: Vec<(Timestamp, Timestamp)> = self.memberships.iter().map(ends).collect();
        for (joined, left) in before.iter().flat_map(|before| &before.memberships).map(ends) {
            let rest = gained.into_iter().flat_map(|(from, to)| {
                let earlier = (from, to.min(Timestamp(joined.0.saturating_sub(1))));
                let later = (from.max(Timestamp(left.0.saturating_add(1))), to);
                // What touches neither end is whole.
                if left < from || joined > to { [Some((from, to)), None] } else { [Some(earlier), Some(later)] }
            });
            gained = rest.flatten().filter(|(from, to)| from <= to).collect();
        }
        gained
    }

    /// As a participant whose stays are those at which the user is recorded.
    #[must_use]
    pub fn as_recorded(&self) -> Self {
        Self { user: self.user.clone(), memberships: self.recorded_memberships(), derived: self.derived, recorded_at: None }
    }

    /// Whether the user was in the chat at this instant.
    pub fn present(&self, at: Timestamp) -> bool {
        self.memberships.iter().any(|stay| stay.covers(at))
    }
}

/// Who was in a chat at times of which that was not known, and when.
pub type Gained = BTreeMap<String, Vec<(Timestamp, Timestamp)>>;

impl Facts {
    /// Who is in these facts at times at which he is not in those `before`, or is one to record now and was not. `recorded`: of recorded users only.
    pub fn gained(&self, before: &Self, recorded: bool) -> Gained {
        let known: HashMap<&str, &Participant> = before.participants.iter().map(|one| (one.user.id.as_str(), one)).collect();
        let gained = self.participants.iter().map(|one| {
            let before = known.get(one.user.id.as_str()).copied();
            // What is known of somebody at times when he was not recorded was of no use to him.
            let gained = if recorded { one.as_recorded().gained(before.map(Participant::as_recorded).as_ref()) } else { one.gained(before) };
            (one.user.id.clone(), gained)
        });
        gained.filter(|(_, times)| !times.is_empty()).collect()
    }

    /// Whether somebody is recorded at some times only.
    pub fn has_recorded_times(&self) -> bool {
        self.participants.iter().any(|one| one.recorded_at.is_some())
    }

    /// As if people had been there only when they are recorded: what an export by recorded users has to go by.
    #[must_use]
    pub fn as_recorded(&self) -> Self {
        let participants = self.participants.iter().map(|one| if one.recorded_at.is_some() { one.as_recorded() } else { one.clone() });
        Self { chat: self.chat.clone(), participants: participants.collect() }
    }

    /// SHA-256 of the facts as JSON: the digest by which the store keeps them.
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stays: &[(Option<i64>, Option<i64>)]) -> Participant {
        let memberships = stays.iter().map(|(joined, left)| Membership { joined: joined.map(Timestamp), left: left.map(Timestamp) }).collect();
        Participant::new(User::unknown("U"), memberships)
    }

    #[test]
    fn times_that_were_not_known() {
        let gained = |now: &[(Option<i64>, Option<i64>)], before: &[(Option<i64>, Option<i64>)]| {
            at(now).gained(Some(&at(before))).into_iter().map(|(from, to)| (from.0, to.0)).collect::<Vec<_>>()
        };
        let (min, max) = (Timestamp::MIN.0, Timestamp::MAX.0);
        assert_eq!(gained(&[(Some(5), Some(9))], &[]), [(5, 9)]);
        assert_eq!(gained(&[(Some(5), Some(9))], &[(Some(5), Some(9))]), []);
        assert_eq!(gained(&[(Some(5), Some(9))], &[(None, None)]), []);
        assert_eq!(gained(&[(None, None)], &[(Some(5), Some(9))]), [(min, 4), (10, max)]);
        assert_eq!(gained(&[(None, Some(20))], &[(Some(5), Some(9)), (Some(12), None)]), [(min, 4), (10, 11)]);
        assert_eq!(gained(&[(Some(1), Some(3)), (Some(8), Some(8))], &[(Some(3), Some(7))]), [(1, 2), (8, 8)]);
        assert_eq!(at(&[(Some(1), None)]).gained(None), [(Timestamp(1), Timestamp::MAX)]);
    }

    #[test]
    fn every_instant_is_gained_that_was_not_covered() {
        // All pairs of two stays within a few instants, against asking for each instant.
        let ends: Vec<(i64, i64)> = (0..5).flat_map(|from| (from..5).map(move |to| (from, to))).collect();
        let some = |(from, to): (i64, i64)| (Some(from), Some(to));
        for one in &ends {
            for two in &ends {
                for other in &ends {
                    let (now, before) = (at(&[some(*one)]), at(&[some(*two), some(*other)]));
                    let gained = now.gained(Some(&before));
                    for instant in (-1..6).map(Timestamp) {
                        let is_gained = gained.iter().any(|(from, to)| (*from..=*to).contains(&instant));
                        assert_eq!(is_gained, now.present(instant) && !before.present(instant), "{now:?} {before:?} {instant:?}");
                    }
                }
            }
        }
    }
}
