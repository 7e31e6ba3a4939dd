//! A module over chats, event by event: what `filter run` shows, and what has changed since the last time.

use std::collections::{BTreeMap, HashMap};

use consign_export::chats::ShownChat;
use consign_model::{ChatKey, Timestamp};
use consign_sandbox::Bound;
use serde::Serialize;

use crate::failure::FailureReport;
use crate::judge::{JudgeError, Judgement, judge};

/// An event as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The chat's id.
    pub chat: String,
    /// The event's id.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: &'static str,
    /// `keep` or the rule's code.
    pub verdict: String,
    /// Keys of the groups that it is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A group as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownGroup {
    /// The chat's id.
    pub chat: String,
    /// Its key.
    pub key: String,
    /// Its title.
    pub title: String,
    /// Whose copy it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How many events.
    pub events: usize,
}

/// What came of all chats together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Chats that were looked at.
    pub chats: u64,
    /// Their events, those of failures too.
    pub events: u64,
    /// By `keep` and the rules' codes.
    pub by_rule: BTreeMap<String, u64>,
    /// Groups.
    pub groups: u64,
    /// Events of the chats on which the module failed: a run would hold them.
    pub held: u64,
    /// The failures.
    pub failures: Vec<FailureReport>,
}

impl Summary {
    /// Runs the module over one window, and counts it. Unset where the module failed, which stands in `failures` then.
    pub fn add(&mut self, bound: &Bound, chat: &mut ShownChat) -> Result<Option<Judgement>, consign_export::chats::ReadError> {
        let events = chat.context().event_count();
        self.chats += 1;
        self.events += events;
        match judge(bound, chat) {
            Ok(judgement) => {
                for event in &judgement.events {
                    match self.by_rule.get_mut(event.verdict.word()) {
                        Some(count) => *count += 1,
                        None => drop(self.by_rule.insert(event.verdict.word().to_owned(), 1)),
                    }
                }
                self.groups += judgement.groups.len() as u64;
                Ok(Some(judgement))
            }
            Err(JudgeError::Failed(failure)) => {
                self.held += events;
                self.failures.push(*failure);
                Ok(None)
            }
            Err(JudgeError::Read(error)) => Err(error),
        }
    }
}

/// Events of a judgement as they are shown, at most `most`.
pub fn events(judgement: &Judgement, most: usize) -> Vec<Shown> {
    let mut groups: HashMap<usize, Vec<String>> = HashMap::new();
    for group in &judgement.groups {
        for row in group.rows().take_while(|row| *row < most) {
            groups.entry(row).or_default().push(group.group.key.clone());
        }
    }
    let shown = judgement.events.iter().take(most).enumerate().map(|(row, event)| Shown {
        chat: judgement.chat.clone(),
        id: event.id.clone(),
        at: event.at,
        kind: event.kind.word(),
        verdict: event.verdict.word().to_owned(),
        groups: groups.remove(&row).unwrap_or_default(),
    });
    shown.collect()
}

/// Groups of a judgement as they are shown.
pub fn groups(judgement: &Judgement) -> impl Iterator<Item = ShownGroup> + '_ {
    judgement.groups.iter().map(|one| ShownGroup {
        chat: judgement.chat.clone(),
        key: one.group.key.clone(),
        title: one.group.title.clone(),
        subject: one.subject.clone(),
        labels: one.group.labels.iter().cloned().collect(),
        events: one.len(),
    })
}

/// What is remembered of a run, to tell what another one changes: of each event its verdict and its groups.
#[derive(Debug, Clone, Default)]
pub struct Memory(HashMap<(String, usize), Remembered>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    id: String,
    verdict: String,
    groups: Vec<String>,
}

/// An event of which the module says something else than before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The chat's id.
    pub chat: String,
    /// The event's id.
    pub id: String,
    /// What it said before; unset where the event, or its chat's verdicts, were not there.
    pub before: Option<String>,
    /// What it says now; likewise.
    pub after: Option<String>,
}

impl Memory {
    /// Remembers what was said of a chat.
    pub fn keep(&mut self, chat: &ChatKey, judgement: &Judgement) {
        for (row, event) in events(judgement, usize::MAX).into_iter().enumerate() {
            self.0.insert((chat.id.clone(), row), Remembered { id: event.id, verdict: event.verdict, groups: event.groups });
        }
    }

    /// What is otherwise than in `before`, by chat and position.
    pub fn changes(&self, before: &Self) -> Vec<Change> {
        let mut keys: Vec<&(String, usize)> = self.0.keys().chain(before.0.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let word =
            |one: &Remembered| if one.groups.is_empty() { one.verdict.clone() } else { format!("{} in {}", one.verdict, one.groups.join(", ")) };
        let mut changes = Vec::new();
        for key in keys {
            let (old, new) = (before.0.get(key), self.0.get(key));
            if old != new {
                let id = new.or(old).map(|one| one.id.clone()).unwrap_or_default();
                changes.push(Change { chat: key.0.clone(), id, before: old.map(word), after: new.map(word) });
            }
        }
        changes
    }
}
