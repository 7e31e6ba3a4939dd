//! What a policy's modules say of a window: which events are kept, and which groups they go into.
//!
//! Modules run one after another over all of the window's events in order, each in one fresh instance. Whatever goes wrong in one of them holds the
//! window: there is no verdict by default.

use std::collections::HashMap;
use std::sync::Arc;

use consign_model::manifest::{OmittedCount, RuleRef};
use consign_model::module::BoundModule;
use consign_model::policy::{Match, PolicyVersion, Since};
use consign_model::window::Facts;
use consign_model::{EventBatch, HeldReason, Window};
use consign_sandbox::{BatchView, Bound, ChatContext, CriteriaSession, Decision, Group};

use crate::ExportError;
use crate::modules::Shelf;
use crate::reader::Reader;
use crate::said::Words;
use crate::verdicts::{Range, ranges};

/// A policy's version with its modules ready to run.
pub(crate) struct Evaluator {
    /// The policy.
    pub policy: PolicyVersion,
    criteria: Vec<(BoundModule, Bound)>,
    grouping: Option<(BoundModule, Bound)>,
}

/// The rule of an event that a negated criterion leaves out.
const NEGATED: &str = "negated";
/// The rule of an event before the policy's `since`.
const BEFORE_SINCE: &str = "before-since";

/// What became of a window's events.
#[derive(Default)]
pub(crate) struct Evaluation {
    /// For each event of the window 0 where it is in a group, else the number of its reason, counted from 1.
    verdicts: Vec<u16>,
    reasons: Vec<Vec<RuleRef>>,
    numbers: HashMap<Vec<RuleRef>, u16>,
    /// Rows (from the window's begin) of the events that the criteria kept.
    kept: Vec<u32>,
    /// The groups, in the grouping's order.
    pub groups: Vec<GroupPlan>,
}

/// A group and its events.
pub(crate) struct GroupPlan {
    /// What the grouping says of it.
    pub group: Group,
    /// Ranges, inclusive, of indices into [`Evaluation::kept`].
    spans: Vec<(u32, u32)>,
}

impl Evaluation {
    /// The rows of a group's events, rising, each once.
    pub fn rows(&self, group: &GroupPlan) -> Vec<u32> {
        let mut rows: Vec<u32> =
            group.spans.iter().flat_map(|(first, last)| (*first..=*last).filter_map(|index| self.kept.get(index as usize).copied())).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Rows that are in a group.
    pub fn grouped(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..).zip(&self.verdicts).filter(|(_, verdict)| **verdict == 0).map(|(row, _)| row)
    }

    /// Left-out events by reason: how many, and their positions.
    pub fn omitted(&self, from: u64) -> Vec<(OmittedCount, Vec<Range>)> {
        let mut rows: Vec<Vec<u64>> = vec![Vec::new(); self.reasons.len()];
        for (row, verdict) in self.verdicts.iter().enumerate() {
            if let Some(list) = usize::from(*verdict).checked_sub(1).and_then(|reason| rows.get_mut(reason)) {
                list.push(from + row as u64);
            }
        }
        let counted = self.reasons.iter().zip(rows).filter(|(_, rows)| !rows.is_empty());
        counted.map(|(by, rows)| (OmittedCount { by: by.clone(), events: rows.len() as u64 }, ranges(rows))).collect()
    }

    fn number(&mut self, reason: Vec<RuleRef>) -> Result<u16, HeldReason> {
        if let Some(number) = self.numbers.get(&reason) {
            return Ok(*number);
        }
        let number = u16::try_from(self.reasons.len() + 1).map_err(|_| HeldReason::Module {
            module: "policy".to_owned(),
            text: "its criteria leave events out for more than 65,535 different combinations of rules: use fewer criteria with match = \"any\""
                .to_owned(),
        })?;
        self.reasons.push(reason.clone());
        self.numbers.insert(reason, number);
        Ok(number)
    }
}

impl Evaluator {
    /// Makes a policy's modules ready.
    pub fn new(policy: PolicyVersion, shelf: &Shelf) -> Result<Self, ExportError> {
        let bind = |module: &BoundModule| -> Result<(BoundModule, Bound), ExportError> {
            let loaded = shelf.get(&module.digest)?;
            let bound = loaded.bind(&module.config, &module.needs).map_err(|cause| ExportError::Configuration {
                module: module.name.clone(),
                policy: policy.spec.name.clone(),
                cause: cause.to_string(),
            })?;
            Ok((module.clone(), bound))
        };
        let criteria = policy.criteria.iter().map(bind).collect::<Result<_, _>>()?;
        let grouping = policy.grouping.as_ref().map(bind).transpose()?;
        Ok(Self { policy, criteria, grouping })
    }

    /// Runs the modules over a window, and keeps what they say meanwhile. Blocks.
    pub fn evaluate(&self, window: &Window, facts: &Arc<Facts>, reader: &mut Reader, said: &mut Words) -> Result<Evaluation, HeldReason> {
        let chat = Arc::new(ChatContext::new(Arc::clone(facts), window.events(), window.starts_at, window.ends_at));
        let mut evaluation = Evaluation::default();
        let mut sessions = Vec::with_capacity(self.criteria.len());
        for (module, bound) in &self.criteria {
            sessions.push(Session::begin(module, bound, &chat, said)?);
        }
        if let Some(reason) = self.whole_chat_out(&sessions) {
            let number = evaluation.number(reason)?;
            evaluation.verdicts = vec![number; usize::try_from(window.events()).unwrap_or(usize::MAX)];
            return Ok(evaluation);
        }
        if self.grouping.is_none() {
            return Self::whole_chat_in(evaluation, &sessions, window);
        }
        for index in 0..reader.batches() {
            let batch = reader.batch(index).map_err(|error| HeldReason::Archive { text: error.to_string() })?;
            self.judge(&mut evaluation, &mut sessions, &batch, &view(&chat, &batch)?, said)?;
        }
        drop(sessions);
        self.group(&mut evaluation, &chat, reader, said)?;
        Ok(evaluation)
    }

    /// The reason for which the whole chat is out before any of its events is decrypted.
    fn whole_chat_out(&self, sessions: &[Session<'_>]) -> Option<Vec<RuleRef>> {
        let out = |session: &Session<'_>| session.constant().filter(|rule| *rule != KEEP).map(|rule| session.rule(rule));
        match self.policy.spec.match_ {
            Match::All => sessions.iter().find_map(out).map(|rule| vec![rule]),
            Match::Any if sessions.is_empty() => None,
            Match::Any => sessions.iter().map(out).collect(),
        }
    }

    /// A chat that is exported as it is, encrypted: all of it in one group, and no event is looked at.
    fn whole_chat_in(mut evaluation: Evaluation, sessions: &[Session<'_>], window: &Window) -> Result<Evaluation, HeldReason> {
        if let Some(session) = sessions.iter().find(|session| session.constant().is_none()) {
            let text = "it wants to see events, and this policy does not decrypt any: use a criterion that decides by chat, or decrypt = true";
            return Err(HeldReason::Module { module: session.module.name.clone(), text: text.to_owned() });
        }
        let events =
            u32::try_from(window.events()).map_err(|_| HeldReason::Compose { text: "the window has more than 4,294,967,295 events".to_owned() })?;
        evaluation.verdicts = vec![0; events as usize];
        evaluation.kept = (0..events).collect();
        let group = Group { key: "chat".to_owned(), title: String::new(), subject: None, labels: Vec::new() };
        evaluation.groups.push(GroupPlan { group, spans: vec![(0, events.saturating_sub(1))] });
        Ok(evaluation)
    }

    fn judge(
        &self,
        evaluation: &mut Evaluation,
        sessions: &mut [Session<'_>],
        batch: &EventBatch,
        view: &Arc<BatchView>,
        said: &mut Words,
    ) -> Result<(), HeldReason> {
        let mut columns = Vec::with_capacity(sessions.len());
        for session in sessions.iter_mut() {
            columns.push(session.evaluate(view, said)?);
        }
        let since = match self.policy.spec.since {
            Since::Date(date) => Some(date.0),
            Since::All | Since::Now => None,
        };
        for row in 0..batch.len() {
            let early = since.is_some_and(|since| batch.times.get(row).is_some_and(|at| *at < since));
            let outs = sessions.iter().zip(&columns).map(|(session, column)| column.at(row).map(|rule| (session, rule)));
            let reason: Option<Vec<RuleRef>> = if early {
                Some(vec![RuleRef { module: "policy".to_owned(), rule: BEFORE_SINCE.to_owned() }])
            } else if sessions.is_empty() {
                None
            } else {
                match self.policy.spec.match_ {
                    Match::All => outs.flatten().next().map(|(session, rule)| vec![session.rule(rule)]),
                    Match::Any => outs.map(|out| out.map(|(session, rule)| session.rule(rule))).collect(),
                }
            };
            let number = match reason {
                None => {
                    evaluation.kept.push(u32::try_from(evaluation.verdicts.len()).unwrap_or(u32::MAX));
                    0
                }
                Some(reason) => evaluation.number(reason)?,
            };
            evaluation.verdicts.push(number);
        }
        Ok(())
    }

    fn group(&self, evaluation: &mut Evaluation, chat: &Arc<ChatContext>, reader: &mut Reader, said: &mut Words) -> Result<(), HeldReason> {
        let Some((module, bound)) = self.grouping.as_ref().filter(|_| !evaluation.kept.is_empty()) else { return Ok(()) };
        let mut session = bound.grouping(Arc::clone(chat)).map_err(|failure| said.failure(module, failure))?;
        let begun = session.begin();
        said.hear(module, session.take_logs());
        begun.map_err(|failure| said.failure(module, failure))?;
        let mut spans: Vec<Vec<(u32, u32)>> = Vec::new();
        let (mut batch_start, mut kept_start) = (0_usize, 0_usize);
        for index in 0..reader.batches() {
            let batch = reader.batch(index).map_err(|error| HeldReason::Archive { text: error.to_string() })?;
            let batch_end = batch_start + batch.len();
            let kept_end = kept_start + evaluation.kept.get(kept_start..).unwrap_or_default().partition_point(|row| (*row as usize) < batch_end);
            let rows: Vec<u32> = evaluation.kept.get(kept_start..kept_end).unwrap_or_default().to_vec();
            if !rows.is_empty() {
                let mut shown = view(chat, &batch)?;
                if rows.len() < batch.len() {
                    let start = u32::try_from(batch_start).unwrap_or(u32::MAX);
                    shown = Arc::new(shown.select(&rows.iter().map(|row| row.saturating_sub(start)).collect::<Vec<_>>()));
                }
                let placement = session.place(&shown);
                said.hear(module, session.take_logs());
                let placement = placement.map_err(|failure| said.failure(module, failure))?;
                let offset = u32::try_from(kept_start).unwrap_or(u32::MAX);
                for one in placement.assigned {
                    let group = one.group as usize;
                    if spans.len() <= group {
                        spans.resize_with(group + 1, Vec::new);
                    }
                    if let Some(list) = spans.get_mut(group) {
                        list.push((offset + one.first, offset + one.last));
                    }
                }
                for out in placement.left_out {
                    let number = evaluation.number(vec![RuleRef { module: module.name.clone(), rule: rule_code(module, usize::from(out.rule)) }])?;
                    for row in rows.get(out.first as usize..=out.last as usize).unwrap_or_default() {
                        if let Some(verdict) = evaluation.verdicts.get_mut(*row as usize) {
                            *verdict = number;
                        }
                    }
                }
            }
            (batch_start, kept_start) = (batch_end, kept_end);
        }
        let groups = session.finish();
        said.hear(module, session.take_logs());
        let groups = groups.map_err(|failure| said.failure(module, failure))?;
        spans.resize_with(groups.len(), Vec::new);
        evaluation.groups = groups.into_iter().zip(spans).map(|(group, spans)| GroupPlan { group, spans }).collect();
        Ok(())
    }
}

/// A batch as modules see it.
fn view(chat: &ChatContext, batch: &Arc<EventBatch>) -> Result<Arc<BatchView>, HeldReason> {
    let view = chat.view(Arc::clone(batch), batch.flags.clone());
    view.map(Arc::new).map_err(|error| HeldReason::Archive { text: error.to_string() })
}

/// A criterion at work on one chat.
struct Session<'a> {
    module: &'a BoundModule,
    state: State,
}

enum State {
    /// It looks at events.
    Asks(Box<CriteriaSession>),
    /// It has decided for the whole chat: 0 keeps, n leaves out by rule n - 1, before negation.
    Decided(u8),
}

/// No rule: the event is kept.
const KEEP: u16 = 0;
/// Numbers of rules go from 1 to 255; beyond them is the rule of a negated criterion.
const NEGATED_NUMBER: u16 = 256;

/// What one criterion says of a batch, before negation.
enum Column {
    Same(u8, bool),
    Each(Vec<u8>, bool),
}

impl Column {
    /// The rule by which the event is left out, if it is.
    fn at(&self, row: usize) -> Option<u16> {
        let (verdict, negate) = match self {
            Self::Same(verdict, negate) => (*verdict, *negate),
            // The sandbox has checked that there is a verdict for each event.
            Self::Each(verdicts, negate) => (verdicts.get(row).copied().unwrap_or(1), *negate),
        };
        Some(negated(verdict, negate)).filter(|rule| *rule != KEEP)
    }
}

fn negated(verdict: u8, negate: bool) -> u16 {
    match (verdict, negate) {
        (0, true) => NEGATED_NUMBER,
        (_, true) => KEEP,
        (verdict, false) => u16::from(verdict),
    }
}

impl<'a> Session<'a> {
    fn begin(module: &'a BoundModule, bound: &Bound, chat: &Arc<ChatContext>, said: &mut Words) -> Result<Self, HeldReason> {
        let mut session = bound.criteria(Arc::clone(chat)).map_err(|failure| said.failure(module, failure))?;
        let begun = session.begin();
        said.hear(module, session.take_logs());
        let state = match begun.map_err(|failure| said.failure(module, failure))? {
            Decision::Inspect => State::Asks(Box::new(session)),
            Decision::KeepAll => State::Decided(0),
            Decision::OmitAll(rule) => State::Decided(rule.saturating_add(1)),
        };
        Ok(Self { module, state })
    }

    /// The rule for all events, or [`KEEP`]; unset where events are looked at.
    fn constant(&self) -> Option<u16> {
        match &self.state {
            State::Asks(_) => None,
            State::Decided(verdict) => Some(negated(*verdict, self.module.negate)),
        }
    }

    fn evaluate(&mut self, view: &Arc<BatchView>, said: &mut Words) -> Result<Column, HeldReason> {
        match &mut self.state {
            State::Decided(verdict) => Ok(Column::Same(*verdict, self.module.negate)),
            State::Asks(session) => {
                let verdicts = session.evaluate(view);
                said.hear(self.module, session.take_logs());
                let verdicts = verdicts.map_err(|failure| said.failure(self.module, failure))?;
                Ok(Column::Each(verdicts, self.module.negate))
            }
        }
    }

    fn rule(&self, number: u16) -> RuleRef {
        let rule = if number == NEGATED_NUMBER { NEGATED.to_owned() } else { rule_code(self.module, usize::from(number).saturating_sub(1)) };
        RuleRef { module: self.module.name.clone(), rule }
    }
}

fn rule_code(module: &BoundModule, rule: usize) -> String {
    module.rules.get(rule).map_or_else(|| format!("rule-{rule}"), |rule| rule.code.clone())
}
