//! `consign coverage`: of which chats, people and times the archive has everything that there was, as far as that can be told from what it has.
//!
//! Some platforms hand out no chats but each captured user's copies of them. Then what nobody captured was there to see is nowhere, and no count of events
//! says so. What can be said is worked out here from the events, the memberships and whose copies were seen; nothing is guessed: each gap names what it
//! follows from. Chats are read one by one, and of a chat no text is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use consign_model::source::{Capabilities, Capture, SourceUse, View};
use consign_model::window::Participant;
use consign_model::{ChatKey, ChatKind, EventHash, EventKind, Flags, Name, Timestamp};
use consign_store::{SourceRecord, StoreError};
use serde::Serialize;

use crate::chats::Chats;
use crate::freeze::facts;
use crate::{ExportError, Exporter};

/// Events of one gap that are listed; those beyond are counted only.
const LISTED: usize = 1_000;

/// From and until, both ends included; unset: without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    /// The first instant.
    pub from: Option<Timestamp>,
    /// The last one.
    pub until: Option<Timestamp>,
}

/// An event of a chat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Named {
    /// The platform's own id.
    pub id: String,
    /// When.
    pub at: Timestamp,
}

/// Something that may be missing, and what that follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "gap", rename_all = "kebab-case")]
pub enum Gap {
    /// No captured user was in the chat: whatever was said then is missing. Only within the times of what is known of it.
    NobodyCaptured {
        /// From the first of these instants.
        from: Timestamp,
        /// Until the last one.
        until: Timestamp,
    },
    /// A captured user's own export lacks messages that others' have, at times when that user was in the chat. What it lacks beside them nobody can know.
    CopiesMissing {
        /// The user.
        user: String,
        /// How many.
        count: u64,
        /// The first of them, up to 1,000.
        events: Vec<Named>,
    },
    /// A reply, an edit, a deletion or a reaction names a message that was never seen.
    NeverSeen {
        /// The message's id.
        id: String,
        /// What names it: `reply`, `edit`, `delete`, `reaction`, …
        named_by: BTreeSet<&'static str>,
        /// The earliest event that does.
        at: Timestamp,
    },
    /// Two users' copies of one version of a message have different texts. Both are kept.
    Differs {
        /// The message's id.
        id: String,
        /// Its time.
        at: Timestamp,
    },
    /// The archive has a file of events that can't be read.
    Unreadable {
        /// How many events.
        events: u32,
        /// Why.
        cause: String,
    },
}

/// Somebody who was in a chat.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    /// The platform's id.
    pub user: String,
    /// When, both ends included.
    pub memberships: Vec<Span>,
    /// That the first of these follows from nothing but what this user did, or what his own export holds: no list, no join and no leave tells it.
    pub derived: bool,
    /// The times of these for which his own copies were read. Nothing where the source gives no copies.
    pub captured: Vec<Span>,
    /// How many events his copies hold.
    pub copies: u64,
}

/// What is known of a chat.
#[derive(Debug, Clone, Serialize)]
pub struct ChatCoverage {
    /// The platform's id.
    pub chat: String,
    /// Direct, group, channel, …
    pub kind: ChatKind,
    /// Its events.
    pub events: u64,
    /// The earliest one.
    pub first_at: Option<Timestamp>,
    /// The latest one.
    pub last_at: Option<Timestamp>,
    /// Everybody known to have been in it, by id.
    pub people: Vec<Person>,
    /// What may be missing.
    pub gaps: Vec<Gap>,
}

/// What is known of a source.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    /// Its name.
    pub source: Name,
    /// What each of its ways in gives, by format.
    pub ways: BTreeMap<String, Capabilities>,
    /// Whose copies of a chat it holds.
    pub view: View,
    /// Whose own exports were read.
    pub captured: Vec<Capture>,
    /// Its chats that have events, by id.
    pub chats: Vec<ChatCoverage>,
}

impl Coverage {
    /// Whether nothing is known to be missing.
    pub fn is_complete(&self) -> bool {
        self.chats.iter().all(|chat| chat.gaps.is_empty())
    }
}

impl Exporter {
    /// The tenant's sources, with what each gives.
    pub async fn sources(&self) -> Result<Vec<SourceUse>, StoreError> {
        let mut found = Vec::new();
        for SourceRecord { name, ways, .. } in self.store.sources(&self.tenant).await? {
            // Whose own exports were read says more than what the format may hold.
            let is_per_user = ways.values().any(|way| way.view == View::PerUser) || !self.store.captures(&self.tenant, &name).await?.is_empty();
            found.push(SourceUse { name, ways, view: if is_per_user { View::PerUser } else { View::Complete } });
        }
        Ok(found)
    }

    /// What the archive has of a source, chat by chat.
    pub async fn coverage(&self, source: &Name) -> Result<Coverage, ExportError> {
        let _use = self.archive.begin_use();
        let known = self.sources().await?.into_iter().find(|one| one.name == *source);
        let SourceUse { name, view, ways } = known.ok_or_else(|| ExportError::NoSource(source.clone()))?;
        let captured = self.store.captures(&self.tenant, source).await?;
        let mut found = Coverage { source: name, ways, view, captured, chats: Vec::new() };
        let chats: Chats = self.chats();
        for chat in chats.of_source(source).await? {
            if let Some(of_chat) = self.cover(&chat, &found).await? {
                found.chats.push(of_chat);
            }
        }
        Ok(found)
    }

    async fn cover(&self, chat: &ChatKey, source: &Coverage) -> Result<Option<ChatCoverage>, ExportError> {
        let Some(record) = self.store.chat(&self.tenant, chat).await? else { return Ok(None) };
        let (kind, events, first_at, last_at) = (record.kind, record.events, record.first_at, record.last_at);
        let facts = facts(self.store.as_ref(), &self.tenant, record).await?;
        let copies = self.store.copies(&self.tenant, chat, None).await?;
        let copies: HashMap<String, HashSet<EventHash>> = copies.into_iter().map(|one| (one.user, one.events.into_iter().collect())).collect();
        let mut seen = Seen::default();
        let mut gaps = Vec::new();
        for segment in self.store.segments(&self.tenant, chat, 0).await? {
            let batch = match self.archive.segment(chat, segment.extent()).await {
                Ok(batch) => batch,
                Err(error) => {
                    gaps.push(Gap::Unreadable { events: segment.events, cause: error.to_string() });
                    continue;
                }
            };
            for event in (0..batch.len()).filter_map(|row| batch.event(row)) {
                seen.take(&event);
            }
        }
        gaps.extend(seen.gaps());
        let people: Vec<Person> = facts.participants.iter().map(|one| person(one, &source.captured, &copies)).collect();
        if source.view == View::PerUser {
            gaps.extend(seen.copies_missing(&people, &copies));
            gaps.extend(nobody(&people, first_at, last_at));
        }
        Ok(Some(ChatCoverage { chat: chat.id.clone(), kind, events, first_at, last_at, people, gaps }))
    }
}

fn person(of: &Participant, read: &[Capture], copies: &HashMap<String, HashSet<EventHash>>) -> Person {
    let memberships: Vec<Span> = of.memberships.iter().map(|stay| Span { from: stay.joined, until: stay.left }).collect();
    let own = read.iter().filter(|one| one.user == of.user.id).map(|one| Span { from: one.from, until: one.until });
    let captured = own.flat_map(|capture| memberships.iter().filter_map(move |stay| both(*stay, capture)));
    let captured = joined(captured.collect());
    Person {
        user: of.user.id.clone(),
        memberships,
        derived: of.derived,
        captured,
        copies: copies.get(&of.user.id).map_or(0, |events| events.len() as u64),
    }
}

fn ends(span: Span) -> (Timestamp, Timestamp) {
    (span.from.unwrap_or(Timestamp::MIN), span.until.unwrap_or(Timestamp::MAX))
}

fn span((from, until): (Timestamp, Timestamp)) -> Span {
    Span { from: Some(from).filter(|at| *at > Timestamp::MIN), until: Some(until).filter(|at| *at < Timestamp::MAX) }
}

fn covers(spans: &[Span], at: Timestamp) -> bool {
    spans.iter().any(|one| (ends(*one).0..=ends(*one).1).contains(&at))
}

/// The times of both.
fn both(a: Span, b: Span) -> Option<Span> {
    let ((from, until), (other_from, other_until)) = (ends(a), ends(b));
    let (from, until) = (from.max(other_from), until.min(other_until));
    (from <= until).then(|| span((from, until)))
}

/// The same times, in order and none twice.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut all: Vec<_> = spans.into_iter().map(ends).collect();
    all.sort();
    let mut out: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, until) in all {
        match out.last_mut() {
            Some(last) if from.0 <= last.1.0.saturating_add(1) => last.1 = last.1.max(until),
            _ => out.push((from, until)),
        }
    }
    out.into_iter().map(span).collect()
}

/// Times, between the first and the last event, at which no captured user was there.
fn nobody(people: &[Person], first_at: Option<Timestamp>, last_at: Option<Timestamp>) -> Vec<Gap> {
    let (Some(first), Some(last)) = (first_at, last_at) else { return Vec::new() };
    let (mut gaps, mut from) = (Vec::new(), first);
    for (start, end) in joined(people.iter().flat_map(|one| one.captured.clone()).collect()).into_iter().map(ends) {
        let until = Timestamp(start.0.saturating_sub(1)).min(last);
        if start > from && from <= until {
            gaps.push(Gap::NobodyCaptured { from, until });
        }
        from = from.max(Timestamp(end.0.saturating_add(1)));
    }
    if from <= last {
        gaps.push(Gap::NobodyCaptured { from, until: last });
    }
    gaps
}

/// What was seen of a chat's events.
#[derive(Default)]
struct Seen {
    messages: HashMap<String, (Timestamp, EventHash)>,
    /// Messages that are named, by what, and since when.
    named: BTreeMap<String, (BTreeSet<&'static str>, Timestamp)>,
    differing: BTreeSet<Named>,
}

impl Seen {
    fn take(&mut self, event: &consign_model::Event) {
        if event.kind == EventKind::Message {
            self.messages.insert(event.id.clone(), (event.at, event.identity().hash));
        }
        if event.differs() {
            self.differing.extend(event.target.clone().map(|id| Named { id, at: event.at }));
        }
        if let Some(root) = event.thread.as_ref().filter(|root| **root != event.id && event.own_flags().has(Flags::REPLY)) {
            self.name(root, "reply", event.at);
        }
        if let Some(target) = &event.target {
            self.name(target, event.kind.word(), event.at);
        }
    }

    fn name(&mut self, id: &str, by: &'static str, at: Timestamp) {
        let (named_by, first) = self.named.entry(id.to_owned()).or_insert_with(|| (BTreeSet::new(), at));
        named_by.insert(by);
        *first = at.min(*first);
    }

    fn gaps(&self) -> Vec<Gap> {
        let never = self.named.iter().filter(|(id, _)| !self.messages.contains_key(*id));
        let never = never.map(|(id, (named_by, at))| Gap::NeverSeen { id: id.clone(), named_by: named_by.clone(), at: *at });
        never.chain(self.differing.iter().map(|one| Gap::Differs { id: one.id.clone(), at: one.at })).collect()
    }

    fn copies_missing(&self, people: &[Person], copies: &HashMap<String, HashSet<EventHash>>) -> Vec<Gap> {
        let nothing = HashSet::new();
        let of_person = |one: &Person| {
            let own = copies.get(&one.user).unwrap_or(&nothing);
            let lacking = self.messages.iter().filter(|(_, (at, hash))| covers(&one.captured, *at) && !own.contains(hash));
            let mut events: Vec<Named> = lacking.map(|(id, (at, _))| Named { id: id.clone(), at: *at }).collect();
            let count = events.len() as u64;
            events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
            events.truncate(LISTED);
            (count > 0).then(|| Gap::CopiesMissing { user: one.user.clone(), count, events })
        };
        people.iter().filter_map(of_person).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(all: &[(i64, i64)]) -> Vec<Span> {
        all.iter().map(|(from, until)| span((Timestamp(*from), Timestamp(*until)))).collect()
    }

    /// All pairs of two spans within a few instants, against asking for each instant.
    #[test]
    fn times_without_a_captured_user() {
        let all: Vec<(i64, i64)> = (0..6).flat_map(|from| (from..6).map(move |until| (from, until))).collect();
        for one in &all {
            for two in &all {
                let captured = joined(spans(&[*one, *two]));
                let people = [Person { user: "U".into(), memberships: Vec::new(), derived: false, captured: captured.clone(), copies: 0 }];
                let gaps = nobody(&people, Some(Timestamp(1)), Some(Timestamp(7)));
                for at in (-1..9).map(Timestamp) {
                    let gap = gaps.iter().any(|gap| matches!(gap, Gap::NobodyCaptured { from, until } if (*from..=*until).contains(&at)));
                    let wanted = (1..=7).contains(&at.0) && ![one, two].iter().any(|(from, until)| (*from..=*until).contains(&at.0));
                    assert_eq!(gap, wanted, "{one:?} {two:?} {at:?}: {gaps:?}");
                    assert_eq!(covers(&captured, at), [one, two].iter().any(|(from, until)| (*from..=*until).contains(&at.0)));
                }
            }
        }
    }

    #[test]
    fn without_anybody_all_is_a_gap() {
        assert_eq!(nobody(&[], Some(Timestamp(1)), Some(Timestamp(7))), [Gap::NobodyCaptured { from: Timestamp(1), until: Timestamp(7) }]);
        assert_eq!(nobody(&[], None, None), []);
    }
}
