//! What any module must stand, whatever it filters: that batches are the host's affair, that the same gives the same, and that odd chats are chats.

use std::time::Instant;

use consign_model::Name;
use consign_sandbox::Bound;
use serde::Serialize;

use crate::failure::FailureReport;
use crate::ground::{Events, Ground, GroundError};
use crate::judge::{AtHand, Batches, JudgeError, JudgedGroup, Judgement, judge};
use crate::made_up;

/// Events of the mixed chat: more than a batch of 1,000 takes.
const EVENTS: usize = 1_500;
/// People in it.
const PEOPLE: usize = 40;
/// Its seed. Another one is another chat; a module that fails on one that nobody can have again is of no use.
const SEED: u64 = 11;
/// Bytes of the long text.
const LONG: usize = 1 << 20;
/// People of the crowd.
const CROWD: usize = 10_000;

/// What came of a property.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum PropertyOutcome {
    /// It holds.
    Passed,
    /// Two runs that should be the same are not.
    Differs {
        /// How.
        text: String,
    },
    /// The module failed.
    Fault {
        /// How.
        failure: Box<FailureReport>,
    },
    /// It could not be tried.
    Broken {
        /// Why.
        text: String,
    },
}

/// A property with what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct PropertyReport {
    /// What has to hold.
    pub name: &'static str,
    /// Whether it does.
    #[serde(flatten)]
    pub outcome: PropertyOutcome,
    /// How long it took.
    pub millis: u64,
}

impl PropertyReport {
    /// Whether it holds.
    pub fn passed(&self) -> bool {
        matches!(self.outcome, PropertyOutcome::Passed)
    }
}

/// A chat that properties are tried on.
#[derive(Debug, Clone, Copy)]
enum Chat {
    Mixed,
    OddUnicode,
    EmptyTexts,
    LongText,
    Crowd,
}

impl Chat {
    fn lines(self) -> String {
        match self {
            Self::Mixed => made_up::mixed(EVENTS, PEOPLE, SEED),
            Self::OddUnicode => made_up::odd_unicode(),
            Self::EmptyTexts => made_up::empty_texts(),
            Self::LongText => made_up::long_text(LONG),
            Self::Crowd => made_up::crowd(CROWD),
        }
    }
}

/// All of them: what has to hold, on which chat, and the sizes of batches that have to say the same as the importer's own.
const ALL: [(&str, Chat, &[Option<usize>]); 7] = [
    ("the same twice gives the same", Chat::Mixed, &[None]),
    ("batches of 1 give the same", Chat::Mixed, &[Some(1)]),
    ("batches of 1,000 give the same", Chat::Mixed, &[Some(1_000)]),
    ("odd Unicode", Chat::OddUnicode, &[Some(7)]),
    ("empty texts", Chat::EmptyTexts, &[Some(1)]),
    ("a text of 1 MB", Chat::LongText, &[Some(1)]),
    ("10,000 participants", Chat::Crowd, &[]),
];

/// Tries all of them, and tells each as it ends.
pub fn run(bound: &Bound, ground: &Ground, mut tell: impl FnMut(&PropertyReport)) -> Vec<PropertyReport> {
    let mut reports = Vec::new();
    for (name, chat, sizes) in ALL {
        let begun = Instant::now();
        let outcome = match holds(bound, ground, chat, sizes) {
            Ok(()) => PropertyOutcome::Passed,
            Err(Stop::Differs(text)) => PropertyOutcome::Differs { text },
            Err(Stop::Fault(failure)) => PropertyOutcome::Fault { failure },
            Err(Stop::Broken(text)) => PropertyOutcome::Broken { text },
        };
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let report = PropertyReport { name, outcome, millis };
        tell(&report);
        reports.push(report);
    }
    reports
}

enum Stop {
    Differs(String),
    Fault(Box<FailureReport>),
    Broken(String),
}

impl From<JudgeError> for Stop {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Failed(failure) => Self::Fault(failure),
            JudgeError::Read(error) => Self::Broken(error.to_string()),
        }
    }
}

impl From<GroundError> for Stop {
    fn from(error: GroundError) -> Self {
        Self::Broken(error.to_string())
    }
}

fn holds(bound: &Bound, ground: &Ground, chat: Chat, sizes: &[Option<usize>]) -> Result<(), Stop> {
    let source: Name = "test".parse().map_err(|error: consign_model::InvalidName| Stop::Broken(error.to_string()))?;
    let laid = ground.lay(&source, &[Events::Lines { name: "made-up".to_owned(), text: chat.lines(), folder: None }])?;
    let refused: Vec<String> = laid.imported.iter().flat_map(|one| &one.report.refusals).map(ToString::to_string).collect();
    if !refused.is_empty() {
        return Err(Stop::Broken(format!("the made-up chat is not as it should be, which is a fault of Consign: {}", refused.join("; "))));
    }
    let key = consign_model::ChatKey { source, id: made_up::CHAT.to_owned() };
    let Some(mut window) = laid.windows(&key, None)?.into_iter().next() else {
        return Err(Stop::Broken("the made-up chat has no events".to_owned()));
    };
    let natural = judge(bound, &mut window)?;
    for size in sizes {
        let again = match size {
            None => judge(bound, &mut window)?,
            Some(size) => judge(bound, &mut AtHand::recut(&mut window, *size).map_err(|error| Stop::Broken(error.to_string()))?)?,
        };
        if let Some(text) = difference(&natural, &again, *size, window.count()) {
            return Err(Stop::Differs(text));
        }
    }
    Ok(())
}

/// The first thing in which two judgements of one chat differ, beside what was logged.
fn difference(one: &Judgement, other: &Judgement, size: Option<usize>, batches: usize) -> Option<String> {
    let how = match size {
        None => "the second time".to_owned(),
        Some(size) => format!("in batches of {size} (instead of {batches} {})", if batches == 1 { "batch" } else { "batches" }),
    };
    if one.decision != other.decision {
        return Some(format!("the decision on the chat is another one {how}"));
    }
    let pairs = || one.events.iter().zip(&other.events);
    let differing = pairs().filter(|(one, other)| one.verdict != other.verdict).count();
    if let Some((a, b)) = pairs().find(|(one, other)| one.verdict != other.verdict) {
        return Some(format!(
            "event {} is {} and {how} {}; {differing} of {} events differ",
            a.id,
            a.verdict.word(),
            b.verdict.word(),
            one.events.len()
        ));
    }
    // A module numbers its groups as it meets them, and that depends on the batches.
    let (before, after) = (by_key(one), by_key(other));
    if before.len() != after.len() {
        return Some(format!("there are {} groups and {how} {}", before.len(), after.len()));
    }
    if let Some((changed, _)) = before.iter().zip(&after).find(|(one, other)| one != other) {
        let key = &changed.group.key;
        return Some(format!("the group {key:?} is another one {how}: its key, title, subject, labels or events"));
    }
    None
}

fn by_key(judgement: &Judgement) -> Vec<&JudgedGroup> {
    let mut groups: Vec<&JudgedGroup> = judgement.groups.iter().collect();
    groups.sort_by(|one, other| one.group.key.cmp(&other.group.key));
    groups
}
