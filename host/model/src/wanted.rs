//! Files that events name by an address and whose bytes are not in the archive: what is known of each, and what each try makes of that.
//!
//! Three ends are kept apart, since each asks something else of a person: *waiting* (not yet there: it is tried again by itself), *gone* (the platform says
//! that it has it no more: nothing helps) and *unreadable* (it is there, or may be, and can't be had: a token, a limit or an export has to be mended).
//!
//! No address, no name and no word of a server stands here: the address is in the sealed event, and of an answer its number is kept at most.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Backoff, ChatKey, EventHash, Timestamp};

/// How long what only a person can mend waits before it is looked at again: a day. Shorter means more requests that are bound to fail, and a platform that
/// shuts out who sends too many of them.
const RARELY: i64 = 24 * 60 * 60_000;
/// After so long a file that was not found is asked for once more.
const NOT_FOUND: i64 = 60 * 60_000;
/// So many tries that end in the same wrong bytes are enough: what a server sends wrongly five times over hours it sends wrongly.
const REPEATS: u32 = 5;

/// Which file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WantedKey {
    /// The chat.
    pub chat: ChatKey,
    /// Of its files this one: [`crate::Event::wanted`].
    pub file: EventHash,
}

/// A file that an event names by its address, and that is not in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Which.
    pub key: WantedKey,
    /// The position of the event that names it.
    pub position: u64,
    /// Its place among the event's attachments, from 0.
    pub place: u32,
    /// What is known of it.
    pub state: WantedState,
}

/// What is known of a wanted file. One that was fetched is no longer wanted, and has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum WantedState {
    /// Not yet there.
    Waiting {
        /// Tries so far, of wrong answers those alone; what was not asked for, because it may not be, is none.
        tries: u32,
        /// When it was tried first.
        since: Option<Timestamp>,
        /// When it is to be looked at next.
        due: Timestamp,
        /// What stood in the way last; unset before the first look.
        reason: Option<Reason>,
    },
    /// The platform has it no more.
    Gone {
        /// When that was said.
        since: Timestamp,
        /// The number of the answer: 404 or 410.
        status: u16,
    },
    /// It can't be had as things are.
    Unreadable {
        /// Since when.
        since: Timestamp,
        /// When it is tried again, where a person may have mended it by then; unset where only asking for it helps.
        due: Option<Timestamp>,
        /// What stood in the way last.
        reason: Reason,
    },
}

/// What a state is, without its facts: by which lists are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WantedKind {
    /// [`WantedState::Waiting`].
    Waiting,
    /// [`WantedState::Gone`].
    Gone,
    /// [`WantedState::Unreadable`].
    Unreadable,
}

impl WantedKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Gone, Self::Unreadable];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Why a file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No `[[fetch]]` of its source names its host: it was not asked for.
    HostNotAllowed,
    /// Its host has no address but such as may not be reached: it was not asked for.
    AddressNotAllowed,
    /// Its address does not begin with https.
    NotHttps,
    /// It was sent on to where it may not be asked for.
    RedirectNotAllowed,
    /// It was sent on too often, or to nowhere.
    TooManyRedirects,
    /// Its address can't be one.
    BadAddress,
    /// The answer's number.
    Status(u16),
    /// A page to sign in came in place of the file.
    SignInPage,
    /// It has more bytes than are let in.
    TooLarge,
    /// Its host has no address, or nobody can say.
    NameNotFound,
    /// Nobody answered, or the connection broke before an answer.
    NotReached,
    /// It took longer than it may.
    TooSlow,
    /// It ended before its end.
    CutOff,
    /// It has another size than the platform said.
    OtherSize,
    /// It came in an encoding that was not asked for.
    Encoded,
    /// The event that names it can't be read in the archive.
    EventNotReadable,
}

/// What a reason means for what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Over.
    Gone(u16),
    /// Over, or not yet there: a file may be named before it can be had.
    NotFound(u16),
    /// It was not asked for; a rule, or what a name stands for, has to change.
    NotAsked,
    /// A person may mend it: it is tried rarely.
    Refused,
    /// Only another rule or export helps.
    Final,
    /// It passes, or is taken for what passes.
    Passing,
    /// The same, where a few times are enough.
    PassingOrWrong,
}

impl Reason {
    fn class(self) -> Class {
        match self {
            Self::Status(status @ 410) => Class::Gone(status),
            Self::Status(status @ 404) => Class::NotFound(status),
            Self::HostNotAllowed | Self::AddressNotAllowed | Self::NotHttps | Self::RedirectNotAllowed => Class::NotAsked,
            Self::Status(401 | 403) | Self::SignInPage => Class::Refused,
            Self::TooLarge | Self::BadAddress => Class::Final,
            Self::CutOff | Self::OtherSize | Self::Encoded | Self::TooManyRedirects => Class::PassingOrWrong,
            Self::Status(_) | Self::NameNotFound | Self::NotReached | Self::TooSlow | Self::EventNotReadable => Class::Passing,
        }
    }

    /// Whether it was not asked for, because it may not be.
    pub fn is_of_rules(self) -> bool {
        self.class() == Class::NotAsked
    }

    /// Whether another token may help.
    pub fn is_of_token(self) -> bool {
        self.class() == Class::Refused
    }

    /// Whether it says of the host that it takes nothing now, rather than of the file. A token that does not open one file may open the next.
    pub fn is_of_host(self) -> bool {
        matches!(self, Self::Status(429 | 500..) | Self::NameNotFound | Self::NotReached | Self::TooSlow)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HostNotAllowed => "no [[fetch]] of its source names its host: it is not asked for",
            Self::AddressNotAllowed => "its host leads to an address that may not be reached: name it in allow-addresses, if it is yours",
            Self::NotHttps => "its address does not begin with https",
            Self::RedirectNotAllowed => {
                "it was sent on to a host that no [[fetch]] names, as to a page to sign in where a token is missing or wrong; or to no public address"
            }
            Self::TooManyRedirects => "it was sent on too often, or to nowhere",
            Self::BadAddress => "its address can't be one",
            Self::Status(401 | 403) => "the token does not open it",
            Self::Status(404) => "the platform does not have it",
            Self::Status(410) => "the platform has it no more",
            Self::Status(429) => "too much was asked for",
            Self::Status(status) => return write!(f, "the answer was {status}"),
            Self::SignInPage => "a web page came in place of the file, as where a token is missing or wrong",
            Self::TooLarge => "it is larger than max-size",
            Self::NameNotFound => "its host was not found",
            Self::NotReached => "its host was not reached",
            Self::TooSlow => "it took longer than it may",
            Self::CutOff => "it ended before its end",
            Self::OtherSize => "it has another size than the platform said",
            Self::Encoded => "it came in an encoding that was not asked for",
            Self::EventNotReadable => "the event that names it can't be read in the archive",
        })
    }
}

impl WantedState {
    /// Of a file that became known at this time: due at once.
    pub fn new(at: Timestamp) -> Self {
        Self::Waiting { tries: 0, since: None, due: at, reason: None }
    }

    /// Without its facts.
    pub fn kind(&self) -> WantedKind {
        match self {
            Self::Waiting { .. } => WantedKind::Waiting,
            Self::Gone { .. } => WantedKind::Gone,
            Self::Unreadable { .. } => WantedKind::Unreadable,
        }
    }

    /// When it is to be looked at next; unset where that is for a person to ask for.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { due, .. } => Some(*due),
            Self::Gone { .. } => None,
            Self::Unreadable { due, .. } => *due,
        }
    }

    /// What stood in the way last.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Waiting { reason, .. } => *reason,
            Self::Gone { status, .. } => Some(Reason::Status(*status)),
            Self::Unreadable { reason, .. } => Some(*reason),
        }
    }

    /// What a look that brought nothing makes of it. `id` spreads those that failed together. `not_before`: what the server asked for.
    #[must_use]
    pub fn after(&self, reason: Reason, id: &str, now: Timestamp, not_before: Option<Timestamp>, backoff: &Backoff) -> Self {
        let rarely = Timestamp(now.0.saturating_add(RARELY));
        let (tries, since) = match self {
            Self::Waiting { tries, since, .. } => (*tries, *since),
            Self::Gone { .. } | Self::Unreadable { .. } => (0, None),
        };
        let unreadable_since = if let Self::Unreadable { since, .. } = self { *since } else { now };
        match (reason.class(), self) {
            (Class::Gone(status), _) => Self::Gone { since: now, status },
            (Class::NotFound(status), Self::Waiting { reason: Some(before), .. }) if *before == reason => Self::Gone { since: now, status },
            (Class::NotFound(_), _) => Self::Waiting {
                tries: tries.saturating_add(1),
                since: since.or(Some(now)),
                due: Timestamp(now.0.saturating_add(NOT_FOUND).max(not_before.map_or(0, |at| at.0)).min(rarely.0)),
                reason: Some(reason),
            },
            (Class::Final, _) => Self::Unreadable { since: unreadable_since, due: None, reason },
            (Class::Refused, _) => Self::Unreadable { since: unreadable_since, due: Some(rarely), reason },
            (Class::NotAsked, _) => Self::Waiting { tries, since, due: rarely, reason: Some(reason) },
            // It has been told from what passes; that its server is down today mends nothing.
            (Class::Passing | Class::PassingOrWrong, Self::Unreadable { since, reason, .. }) => {
                Self::Unreadable { since: *since, due: Some(rarely), reason: *reason }
            }
            (class, _) => {
                // What is wrong a few times is over; that its host was down before says nothing of it.
                let was_passing = self.reason().is_some_and(|before| before.class() == Class::Passing);
                let tries = if class == Class::PassingOrWrong && was_passing { 0 } else { tries };
                let (tries, since) = (tries.saturating_add(1), since.unwrap_or(now));
                match backoff.next(id, since, now) {
                    Some(due) if class == Class::Passing || tries < REPEATS => {
                        Self::Waiting { tries, since: Some(since), due: not_before.map_or(due, |at| at.max(due).min(rarely)), reason: Some(reason) }
                    }
                    _ => Self::Unreadable { since: now, due: None, reason },
                }
            }
        }
    }

    /// Put off, because its host takes nothing now: no try, and no step towards the end of its time.
    #[must_use]
    pub fn put_off(&self, reason: Reason, until: Timestamp) -> Self {
        match *self {
            Self::Waiting { tries, since, .. } => Self::Waiting { tries, since, due: until, reason: Some(reason) },
            Self::Unreadable { since, reason, .. } => Self::Unreadable { since, due: Some(until), reason },
            Self::Gone { .. } => *self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60_000;

    fn after(state: &WantedState, reason: Reason, at: i64) -> WantedState {
        state.after(reason, "f", Timestamp(at), None, &Backoff::default())
    }

    #[test]
    fn three_ends() {
        let new = WantedState::new(Timestamp(5));
        assert_eq!((new.kind(), new.due(), new.reason()), (WantedKind::Waiting, Some(Timestamp(5)), None));
        let gone = after(&new, Reason::Status(410), 9);
        assert_eq!((gone, gone.due()), (WantedState::Gone { since: Timestamp(9), status: 410 }, None));
        // It may come yet, until that was said twice running.
        let first = after(&new, Reason::Status(404), 9);
        let due = Timestamp(9 + NOT_FOUND);
        assert_eq!(first, WantedState::Waiting { tries: 1, since: Some(Timestamp(9)), due, reason: Some(Reason::Status(404)) });
        assert_eq!(after(&first, Reason::Status(404), due.0), WantedState::Gone { since: due, status: 404 });
        let down = after(&first, Reason::Status(503), due.0);
        assert_eq!(after(&down, Reason::Status(404), due.0 + DAY).kind(), WantedKind::Waiting);
        for reason in [Reason::Status(401), Reason::Status(403), Reason::SignInPage] {
            let refused = after(&new, reason, 9);
            assert_eq!(refused, WantedState::Unreadable { since: Timestamp(9), due: Some(Timestamp(9 + DAY)), reason });
            // Since when is kept, and so is the reason where something else stands in the way.
            let again = after(&refused, Reason::Status(503), 9 + DAY);
            assert_eq!(again, WantedState::Unreadable { since: Timestamp(9), due: Some(Timestamp(9 + 2 * DAY)), reason });
        }
        for reason in [Reason::TooLarge, Reason::BadAddress] {
            assert_eq!(after(&new, reason, 9), WantedState::Unreadable { since: Timestamp(9), due: None, reason });
        }
        let not_asked = after(&new, Reason::HostNotAllowed, 9);
        let wanted = WantedState::Waiting { tries: 0, since: None, due: Timestamp(9 + DAY), reason: Some(Reason::HostNotAllowed) };
        assert_eq!(not_asked, wanted);
    }

    #[test]
    fn what_passes_is_tried_to_the_end_of_its_time_and_what_is_wrong_a_few_times() {
        for (reason, most) in [(Reason::Status(503), 1_000), (Reason::TooSlow, 1_000), (Reason::CutOff, REPEATS), (Reason::OtherSize, REPEATS)] {
            let (mut state, mut now, mut tries) = (WantedState::new(Timestamp(0)), Timestamp(0), 0);
            while let Some(due) = state.due() {
                assert!(due >= now && tries <= most);
                now = due;
                state = state.after(reason, "f", now, None, &Backoff::default());
                tries += 1;
            }
            assert_eq!(state, WantedState::Unreadable { since: now, due: None, reason });
            assert_eq!((tries == most, now.0 == 5 * DAY), (most == REPEATS, most != REPEATS), "{reason}: {tries} tries");
        }
    }

    #[test]
    fn a_wrong_answer_after_an_outage_is_the_first_one() {
        let (mut state, mut now) = (WantedState::new(Timestamp(0)), 0);
        for reason in [[Reason::Status(503); 8].as_slice(), &[Reason::CutOff; 4]].concat() {
            state = after(&state, reason, now);
            now = state.due().map_or(now, |due| due.0);
            assert_eq!(state.kind(), WantedKind::Waiting, "{reason}");
        }
        assert_eq!(after(&state, Reason::CutOff, now).kind(), WantedKind::Unreadable);
    }

    #[test]
    fn a_server_may_ask_for_more_time_and_not_for_ever() {
        let new = WantedState::new(Timestamp(0));
        let asked = |until| new.after(Reason::Status(429), "f", Timestamp(0), Some(Timestamp(until)), &Backoff::default()).due();
        assert_eq!(asked(3_600_000), Some(Timestamp(3_600_000)));
        assert_eq!(asked(i64::MAX), Some(Timestamp(DAY)));
        assert!(asked(0) >= Some(Timestamp(5 * 60_000)));
    }

    /// Whatever comes in whatever order: nothing is due in the past, only a person brings back what is gone, and what keeps failing comes to an end.
    #[test]
    fn in_every_order() {
        let reasons = [
            Reason::Status(404),
            Reason::Status(401),
            Reason::Status(410),
            Reason::Status(429),
            Reason::Status(500),
            Reason::SignInPage,
            Reason::TooLarge,
            Reason::CutOff,
            Reason::HostNotAllowed,
            Reason::NotReached,
            Reason::OtherSize,
            Reason::EventNotReadable,
            Reason::RedirectNotAllowed,
        ];
        let mut dice: u64 = 7;
        for walk in 0..2_000 {
            let (mut state, mut now) = (WantedState::new(Timestamp(0)), Timestamp(0));
            for _ in 0..400 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let reason = reasons[usize::try_from(dice >> 33).unwrap_or_default() % if walk % 2 == 0 { reasons.len() } else { 3 }];
                let Some(due) = state.due() else { break };
                assert!(due >= now);
                now = due;
                let next = state.after(reason, "f", now, None, &Backoff::default());
                assert!(next.due().is_none_or(|due| due > now), "{state:?} {reason:?} {next:?}");
                let is_over = reason == Reason::Status(410) || (reason == Reason::Status(404) && state.reason() == Some(reason));
                assert_eq!(next.kind() == WantedKind::Gone, is_over, "{state:?} {reason:?} {next:?}");
                if let (WantedState::Unreadable { since, .. }, WantedState::Unreadable { since: after, .. }) = (state, next) {
                    assert_eq!(since, after);
                }
                let later = Timestamp(now.0 + 1);
                assert!(state.put_off(reason, later).due() == Some(later) && state.put_off(reason, later).kind() == state.kind());
                let text = serde_json::to_string(&next).unwrap_or_default();
                assert!(serde_json::from_str::<WantedState>(&text).is_ok_and(|read| read == next), "{text}");
                state = next;
            }
        }
    }
}
