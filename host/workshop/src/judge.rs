//! One module at work on one chat, as in a run, and what it said of each event.

use std::sync::Arc;

use consign_export::chats::{ReadError, ShownChat};
use consign_model::module::ModuleKind;
use consign_model::{EventBatch, EventKind, Timestamp};
use consign_sandbox::{BatchView, Bound, ChatContext, Decision, Failure, Group, LogLine, UnevenColumns};
use serde::Serialize;

use crate::failure::{FailureReport, Line};

/// A chat's batches, in order, as often as they are asked for.
pub trait Batches {
    /// The chat.
    fn context(&self) -> &Arc<ChatContext>;
    /// How many there are.
    fn count(&self) -> usize;
    /// One of them.
    fn view(&mut self, index: usize) -> Result<Arc<BatchView>, ReadError>;
}

impl Batches for ShownChat {
    fn context(&self) -> &Arc<ChatContext> {
        ShownChat::context(self)
    }
    fn count(&self) -> usize {
        self.batches()
    }
    fn view(&mut self, index: usize) -> Result<Arc<BatchView>, ReadError> {
        self.batch(index)
    }
}

/// A chat in memory.
pub struct AtHand {
    /// What is known of it.
    pub context: Arc<ChatContext>,
    /// Its batches.
    pub views: Vec<Arc<BatchView>>,
}

impl AtHand {
    /// Cuts a chat into batches of another size. The columns come from rows, as the importer makes them; the flags are those that the window shows.
    pub fn recut(chat: &mut dyn Batches, size: usize) -> Result<Self, ReadError> {
        let context = Arc::clone(chat.context());
        let (mut rows, mut flags, mut views) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..chat.count() {
            let view = chat.view(index)?;
            for row in 0..view.len() {
                rows.extend(view.batch().event(row));
                flags.extend(view.flags().get(row).copied());
                if rows.len() >= size.max(1) {
                    views.push(Self::cut(&context, &mut rows, &mut flags)?);
                }
            }
        }
        if !rows.is_empty() {
            views.push(Self::cut(&context, &mut rows, &mut flags)?);
        }
        Ok(Self { context, views })
    }

    fn cut(context: &ChatContext, rows: &mut Vec<consign_model::Event>, flags: &mut Vec<u8>) -> Result<Arc<BatchView>, UnevenColumns> {
        let batch = Arc::new(EventBatch::from_events(0, &std::mem::take(rows)));
        context.view(batch, std::mem::take(flags)).map(Arc::new)
    }
}

impl Batches for AtHand {
    fn context(&self) -> &Arc<ChatContext> {
        &self.context
    }
    fn count(&self) -> usize {
        self.views.len()
    }
    fn view(&mut self, index: usize) -> Result<Arc<BatchView>, ReadError> {
        match self.views.get(index) {
            Some(view) => Ok(Arc::clone(view)),
            // Past the end there is nothing, and nobody asks.
            None => Ok(Arc::new(self.context.view(Arc::default(), Vec::new())?)),
        }
    }
}

/// What a module said of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is kept; by a grouping, it is in a group.
    Keep,
    /// It is left out by the rule with this code.
    Out(String),
}

impl Verdict {
    /// `keep`, or the rule's code.
    pub fn word(&self) -> &str {
        match self {
            Self::Keep => KEEP,
            Self::Out(rule) => rule,
        }
    }
}

/// The word for an event that is kept.
pub const KEEP: &str = "keep";

/// An event with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its own id.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// What the module said.
    pub verdict: Verdict,
}

/// A group with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedGroup {
    /// What the module said of it, but for its subject.
    pub group: Group,
    /// The subject's id.
    pub subject: Option<String>,
    /// Its events: spans of indices into [`Judgement::events`], both ends included, rising and apart. A copy for each of 10,000 people is some spans each.
    spans: Vec<(usize, usize)>,
}

impl JudgedGroup {
    /// Indices of its events, rising.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.spans.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.spans.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether no event is in it.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether this event is in it.
    pub fn has(&self, row: usize) -> bool {
        self.spans.iter().any(|(first, last)| (*first..=*last).contains(&row))
    }
}

/// Spans in order, those that touch as one.
fn joined(mut spans: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    spans.sort_unstable();
    let mut whole: Vec<(usize, usize)> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match whole.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => whole.push((first, last)),
        }
    }
    whole
}

/// What a module said of one window of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The chat's id.
    pub chat: String,
    /// Of the chat as a whole; only criteria have one.
    pub decision: Option<Decision>,
    /// Each event, in order.
    pub events: Vec<Judged>,
    /// The groups, in the module's order; only groupings have some.
    pub groups: Vec<JudgedGroup>,
    /// What it logged.
    pub logs: Vec<Line>,
}

/// Why there is no judgement.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The module failed.
    #[error("{0}")]
    Failed(Box<FailureReport>),
    /// The chat can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Runs a module over a chat. What it says is checked by the sandbox, under its limits; what fails is located.
pub fn judge(bound: &Bound, chat: &mut dyn Batches) -> Result<Judgement, JudgeError> {
    let mut work = Work { bound, logs: Vec::new(), batch: None };
    let said = match bound.module().kind() {
        ModuleKind::Criteria => work.criteria(chat),
        ModuleKind::Grouping => work.grouping(chat),
    };
    said.map_err(|stop| match stop {
        Stop::Read(error) => JudgeError::Read(error),
        Stop::Failure(failure) => JudgeError::Failed(Box::new(FailureReport::new(bound, &failure, work.logs, chat, work.batch))),
    })
}

/// Why it ended early.
enum Stop {
    Failure(Failure),
    Read(ReadError),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

struct Work<'a> {
    bound: &'a Bound,
    logs: Vec<Line>,
    /// The batch that is being looked at.
    batch: Option<usize>,
}

impl Work<'_> {
    fn hear(&mut self, lines: Vec<LogLine>) {
        self.logs.extend(lines.into_iter().map(Line::from));
    }

    fn rule(&self, index: usize) -> Verdict {
        let rule = self.bound.module().manifest().rules.get(index);
        // The sandbox has checked that there is one.
        Verdict::Out(rule.map_or_else(|| format!("rule-{index}"), |rule| rule.code.clone()))
    }

    fn criteria(&mut self, chat: &mut dyn Batches) -> Result<Judgement, Stop> {
        let mut session = self.bound.criteria(Arc::clone(chat.context()))?;
        let begun = session.begin();
        self.hear(session.take_logs());
        let decision = begun?;
        let mut events = Vec::new();
        for index in 0..chat.count() {
            let view = chat.view(index)?;
            let whole = match decision {
                Decision::Inspect => None,
                Decision::KeepAll => Some(Verdict::Keep),
                Decision::OmitAll(rule) => Some(self.rule(usize::from(rule))),
            };
            let verdicts: Vec<Verdict> = if let Some(whole) = whole {
                vec![whole; view.len()]
            } else {
                self.batch = Some(index);
                let answer = session.evaluate(&view);
                self.hear(session.take_logs());
                let verdict = |verdict: u8| usize::from(verdict).checked_sub(1).map_or(Verdict::Keep, |rule| self.rule(rule));
                answer?.into_iter().map(verdict).collect()
            };
            events.extend(judged(&view, verdicts));
        }
        Ok(Judgement { chat: chat_id(chat), decision: Some(decision), events, groups: Vec::new(), logs: std::mem::take(&mut self.logs) })
    }

    fn grouping(&mut self, chat: &mut dyn Batches) -> Result<Judgement, Stop> {
        let mut session = self.bound.grouping(Arc::clone(chat.context()))?;
        let begun = session.begin();
        self.hear(session.take_logs());
        begun?;
        let mut events: Vec<Judged> = Vec::new();
        let mut spans: Vec<Vec<(usize, usize)>> = Vec::new();
        for index in 0..chat.count() {
            let view = chat.view(index)?;
            self.batch = Some(index);
            let answer = session.place(&view);
            self.hear(session.take_logs());
            let placement = answer?;
            let mut verdicts = vec![Verdict::Keep; view.len()];
            for out in &placement.left_out {
                let rule = self.rule(usize::from(out.rule));
                verdicts.get_mut(out.first as usize..=out.last as usize).unwrap_or_default().fill(rule);
            }
            for one in &placement.assigned {
                let group = one.group as usize;
                if spans.len() <= group {
                    spans.resize_with(group + 1, Vec::new);
                }
                if let Some(list) = spans.get_mut(group) {
                    list.push((events.len() + one.first as usize, events.len() + one.last as usize));
                }
            }
            events.extend(judged(&view, verdicts));
        }
        self.batch = None;
        let finished = session.finish();
        self.hear(session.take_logs());
        let groups = finished?;
        spans.resize_with(groups.len(), Vec::new);
        let participants = &chat.context().facts().participants;
        let groups = groups.into_iter().zip(spans).map(|(group, spans)| {
            let subject = group.subject.and_then(|index| participants.get(index as usize)).map(|one| one.user.id.clone());
            JudgedGroup { group, subject, spans: joined(spans) }
        });
        let groups = groups.collect();
        Ok(Judgement { chat: chat_id(chat), decision: None, events, groups, logs: std::mem::take(&mut self.logs) })
    }
}

fn chat_id(chat: &dyn Batches) -> String {
    chat.context().facts().chat.key.id.clone()
}

fn judged(view: &BatchView, verdicts: Vec<Verdict>) -> impl Iterator<Item = Judged> {
    let batch = view.batch();
    verdicts.into_iter().enumerate().map(|(row, verdict)| Judged {
        id: batch.ids.get(row).to_owned(),
        at: Timestamp(batch.times.get(row).copied().unwrap_or_default()),
        kind: batch.kind(row),
        verdict,
    })
}
