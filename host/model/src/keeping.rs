//! How long events are kept: rules of retention, and legal holds that win over them.
//!
//! Both stand in one record of the tenant's, of which each change makes the next version. So whoever deletes says by which version it was decided, and a hold that is placed
//! meanwhile is never passed over: the deletion is refused and decided anew.
//!
//! An event that goes leaves its place: where it stood, what kind it was, when it happened, and (unless that names a person) its id. So counts, windows and the
//! accounts of earlier runs stay true, and what became of it can be told for as long as its chat is known. Its text, its sender and its files are gone.

use serde::{Deserialize, Serialize};

use crate::{ChatKey, EventBatch, EventKind, Name, Span, Timestamp};

/// From when on an event's time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountedFrom {
    /// From when it happened.
    #[default]
    Event,
    /// From when the last policy was done with it. What no policy has examined stays.
    Export,
}

/// How long events of a source, or of all that have no rule of their own, are kept. Without a rule they are kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Of which source; unset: of every source that has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Name>,
    /// For how long.
    pub keep: Span,
    /// Counted from when.
    #[serde(default)]
    pub counted_from: CountedFrom,
}

/// A legal hold: what it covers is not deleted, whatever else says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Its name.
    pub name: Name,
    /// Why: the matter's number, say. It stands in the audit log.
    pub reason: String,
    /// Of this source only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Name>,
    /// Of the chat with this id only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// Of all chats in which the user with this id is known to have been, what anybody wrote there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was placed.
    pub placed_at: Timestamp,
}

impl Hold {
    /// Whether it covers a chat, at some time.
    pub fn covers_chat<'a>(&self, chat: &ChatKey, mut users: impl Iterator<Item = &'a str>) -> bool {
        self.source.as_ref().is_none_or(|source| *source == chat.source)
            && self.chat.as_ref().is_none_or(|id| *id == chat.id)
            && self.user.as_ref().is_none_or(|user| users.any(|one| one == user))
    }

    /// Whether it covers what happened then, in a chat that it covers.
    pub fn covers_time(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// What it covers, for a person.
    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.source.as_ref().map(|source| format!("source {source}")));
        parts.extend(self.chat.as_ref().map(|chat| format!("chat {}", chat.escape_debug())));
        parts.extend(self.user.as_ref().map(|user| format!("chats of user {}", user.escape_debug())));
        if parts.is_empty() {
            parts.push("everything".to_owned());
        }
        parts.extend(self.from.map(|from| format!("from {from}")));
        parts.extend(self.until.map(|until| format!("before {until}")));
        parts.join(", ")
    }
}

/// A tenant's rules and holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keeping {
    /// Counted from 1; 0 where nothing was ever said.
    pub version: u32,
    /// At most one for each source, and one for all others.
    pub rules: Vec<Rule>,
    /// By name.
    pub holds: Vec<Hold>,
}

/// The longest time that a rule may say: a thousand years.
const LONGEST: u64 = 1000 * 366 * 24 * 3600;

impl Keeping {
    /// The next version, with these rules.
    pub fn with_rules(&self, mut rules: Vec<Rule>) -> Result<Self, String> {
        rules.sort_by(|a, b| a.source.cmp(&b.source));
        for pair in rules.windows(2) {
            if let [a, b] = pair
                && a.source == b.source
            {
                let of = a.source.as_ref().map_or("all sources".to_owned(), |source| format!("source {source}"));
                return Err(format!("there are two rules for {of}: leave one"));
            }
        }
        if let Some(rule) = rules.iter().find(|rule| rule.keep.0.as_secs() > LONGEST) {
            return Err(format!("{} is longer than a thousand years: without a rule everything is kept for ever", rule.keep));
        }
        Ok(Self { version: self.version.saturating_add(1), rules, holds: self.holds.clone() })
    }

    /// The next version, with one hold more.
    pub fn with_hold(&self, hold: Hold) -> Result<Self, String> {
        if self.holds.iter().any(|one| one.name == hold.name) {
            return Err(format!("there is a hold '{}' already: give this one another name", hold.name));
        }
        if hold.reason.trim().is_empty() {
            return Err("a hold needs a reason, for whoever finds it in years".to_owned());
        }
        if let (Some(from), Some(until)) = (hold.from, hold.until)
            && from >= until
        {
            return Err("the hold covers no time: 'from' has to be before 'until'".to_owned());
        }
        let mut holds = self.holds.clone();
        holds.push(hold);
        holds.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { version: self.version.saturating_add(1), rules: self.rules.clone(), holds })
    }

    /// The next version, with one hold less; unset where there is none of that name.
    pub fn without_hold(&self, name: &Name) -> Option<Self> {
        let holds: Vec<Hold> = self.holds.iter().filter(|hold| hold.name != *name).cloned().collect();
        let lifted = holds.len() < self.holds.len();
        lifted.then(|| Self { version: self.version.saturating_add(1), rules: self.rules.clone(), holds })
    }

    /// The rule for a source.
    pub fn rule_for(&self, source: &Name) -> Option<&Rule> {
        let own = self.rules.iter().find(|rule| rule.source.as_ref() == Some(source));
        own.or_else(|| self.rules.iter().find(|rule| rule.source.is_none()))
    }
}

/// Which events of a segment are gone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gone {
    /// Their rows in the segment, counted from 0: first and last of each stretch, rising.
    pub rows: Vec<(u32, u32)>,
    /// When the earliest of those that are left happened; unset where none is.
    pub oldest: Option<Timestamp>,
}

impl Gone {
    /// From the rows, rising, each once, and what is left.
    pub fn of(rows: impl IntoIterator<Item = u32>, oldest: Option<Timestamp>) -> Self {
        let mut stretches: Vec<(u32, u32)> = Vec::new();
        for row in rows {
            match stretches.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(row) => *last = row,
                _ => stretches.push((row, row)),
            }
        }
        Self { rows: stretches, oldest }
    }

    /// Whether this row is gone.
    pub fn has(&self, row: u32) -> bool {
        let after = self.rows.partition_point(|(first, _)| *first <= row);
        after.checked_sub(1).and_then(|at| self.rows.get(at)).is_some_and(|(_, last)| row <= *last)
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.rows.iter().map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().flat_map(|(first, last)| *first..=*last)
    }
}

/// Whether the id of an event of this kind is made of a user's. Others are the platform's name for a message.
fn id_names_a_person(kind: EventKind) -> bool {
    match kind {
        EventKind::Message | EventKind::Edit | EventKind::Delete => false,
        EventKind::Join | EventKind::Leave | EventKind::Reaction | EventKind::Other => true,
    }
}

impl EventBatch {
    /// The same events, of which these rows say no more than that something of their kind happened then.
    #[must_use]
    pub fn without(&self, gone: &Gone) -> Self {
        let left = (0_u32..).map_while(|row| self.event(row as usize).map(|event| (row, event)));
        let events: Vec<crate::Event> = left
            .map(|(row, event)| {
                if !gone.has(row) {
                    return event;
                }
                let id = if id_names_a_person(event.kind) { String::new() } else { event.id };
                crate::Event { target: event.target, ..crate::Event::new(event.kind, id, event.at) }
            })
            .collect();
        let mut batch = Self::from_events(self.first, &events);
        // What follows from a row's fields alone is set anew; what was set for others stays.
        for (row, flags) in batch.flags.iter_mut().enumerate() {
            if !gone.has(u32::try_from(row).unwrap_or(u32::MAX)) {
                *flags = self.flags.get(row).copied().unwrap_or_default();
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;
    use crate::{Attachment, Event};

    fn rule(source: Option<&str>, days: u64) -> Rule {
        Rule { source: source.map(|name| name.parse().unwrap()), keep: Span(Duration::from_secs(days * 86_400)), counted_from: CountedFrom::Event }
    }

    #[test]
    fn a_sources_own_rule_goes_before_the_one_for_all() {
        let keeping = Keeping::default().with_rules(vec![rule(None, 30), rule(Some("slack"), 7)]).unwrap();
        assert_eq!(keeping.version, 1);
        assert_eq!(keeping.rule_for(&"slack".parse().unwrap()), Some(&rule(Some("slack"), 7)));
        assert_eq!(keeping.rule_for(&"teams".parse().unwrap()), Some(&rule(None, 30)));
        assert_eq!(Keeping::default().rule_for(&"teams".parse().unwrap()), None);
        for twice in [None, Some("slack")] {
            assert!(Keeping::default().with_rules(vec![rule(twice, 1), rule(twice, 2)]).is_err());
        }
        assert!(Keeping::default().with_rules(vec![rule(None, 400_000)]).is_err());
    }

    #[test]
    fn what_a_hold_covers() {
        let all = Hold {
            name: "matter-1".parse().unwrap(),
            reason: "matter 1".into(),
            source: None,
            chat: None,
            user: None,
            from: None,
            until: None,
            placed_at: Timestamp(0),
        };
        let chat = ChatKey { source: "slack".parse().unwrap(), id: "C1".into() };
        assert!(all.covers_chat(&chat, [].into_iter()) && all.covers_time(Timestamp(5)));
        let of = Hold { user: Some("U1".into()), from: Some(Timestamp(5)), until: Some(Timestamp(7)), ..all.clone() };
        assert!(of.covers_chat(&chat, ["U2", "U1"].into_iter()) && !of.covers_chat(&chat, ["U2"].into_iter()));
        assert_eq!([4, 5, 6, 7].map(|at| of.covers_time(Timestamp(at))), [false, true, true, false]);
        assert!(!Hold { source: Some("teams".parse().unwrap()), ..all.clone() }.covers_chat(&chat, [].into_iter()));
        assert!(!Hold { chat: Some("C2".into()), ..all.clone() }.covers_chat(&chat, [].into_iter()));
        let keeping = Keeping::default().with_hold(all.clone()).unwrap();
        assert!(
            keeping.with_hold(all.clone()).is_err() && keeping.with_hold(Hold { name: "m".parse().unwrap(), reason: " ".into(), ..all }).is_err()
        );
        assert_eq!(keeping.without_hold(&"matter-1".parse().unwrap()).unwrap().version, 2);
        assert!(keeping.without_hold(&"matter-2".parse().unwrap()).is_none());
    }

    #[test]
    fn what_goes_leaves_its_place() {
        let file = Attachment { name: "q.pdf".into(), media_type: "application/pdf".into(), size: Some(1), digest: None, url: None };
        let message = |id: &str| Event {
            user: Some("U1".into()),
            sender_name: Some("Ann".into()),
            text: "libor".into(),
            original: Some("*libor*".into()),
            thread: Some("m0".into()),
            attachments: vec![file.clone()],
            ..Event::new(EventKind::Message, id, Timestamp(5))
        };
        let edit = Event { target: Some("m1".into()), previous: Some("libor".into()), ..message("e1") };
        let join = Event { user: Some("U1".into()), ..Event::new(EventKind::Join, "join:U1:x", Timestamp(6)) };
        let batch = EventBatch::from_events(7, &[message("m1"), Event { kind: EventKind::Edit, ..edit }, join, message("m2")]);
        let gone = Gone::of([0, 1, 2], Some(Timestamp(5)));
        assert_eq!((gone.rows.as_slice(), gone.count()), ([(0, 2)].as_slice(), 3));
        let left = batch.without(&gone);
        assert_eq!((left.first, left.len()), (7, 4));
        assert_eq!(left.event(0).unwrap(), Event::new(EventKind::Message, "m1", Timestamp(5)));
        assert_eq!(left.event(1).unwrap(), Event { target: Some("m1".into()), ..Event::new(EventKind::Edit, "e1", Timestamp(5)) });
        assert_eq!(left.event(2).unwrap(), Event::new(EventKind::Join, "", Timestamp(6)));
        assert_eq!(left.event(3), batch.event(3));
        assert_eq!(left.users, ["U1"]);
        assert!(!Gone::of([1, 2, 5], None).has(3) && Gone::of([1, 2, 5], None).has(2));
        assert_eq!(Gone::of([1, 2, 5], None).iter().collect::<Vec<_>>(), [1, 2, 5]);
    }
}
