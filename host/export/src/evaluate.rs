//! What a policy's modules say of a window: which events are kept, and which groups they go into.
//!
//! Modules run one after another over all of the window's events in order, each in one fresh instance. Whatever goes wrong in one of them holds the
//! window: there is no verdict by default.

pub(crate) mod columns;
pub(crate) mod grouping;

use std::collections::HashMap;
use std::sync::Arc;

use consign_model::manifest::{OmittedCount, RuleRef};
use consign_model::module::BoundModule;
use consign_model::policy::{Match, PolicyVersion, Since};
use consign_model::window::Facts;
use consign_model::{EventBatch, Gone, HeldReason, Window};
use consign_sandbox::{BatchView, Bound, ChatContext, Failure, Group};

use self::columns::{Column, KEEP, Session, rule_code};
use self::grouping::Grouped;
use crate::ExportError;
use crate::fault::{Failing, Witness};
use crate::modules::Shelf;
use crate::owed::Copies;
use crate::quarantine::Ward;
use crate::reader::Reader;
use crate::said::Words;
use crate::verdicts::{Range, ranges};

/// A module with its configuration, ready to run.
pub(crate) type Ready = (BoundModule, Bound);

/// A policy's version with its modules ready to run.
pub(crate) struct Evaluator {
    /// The policy.
    pub policy: PolicyVersion,
    pub criteria: Vec<Ready>,
    pub grouping: Option<Ready>,
    /// The shadows of the criteria, by the place of the criterion, and of the grouping. One that can't be had is left out: it decides nothing.
    pub shadows: Vec<(Beside, Ready)>,
}

/// Beside which module a shadow runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The criterion at this place.
    Criterion(usize),
    Grouping,
}

/// The rule of an event before the policy's `since`.
const BEFORE_SINCE: &str = "before-since";
/// The rule of an event that was deleted before the policy came to it.
const DELETED: &str = "deleted";

/// What became of a window's events.
#[derive(Default)]
pub(crate) struct Evaluation {
    /// For each event of the window 0 where it is in a group, else the number of its reason, counted from 1.
    verdicts: Vec<u16>,
    reasons: Vec<Vec<RuleRef>>,
    numbers: HashMap<Vec<RuleRef>, u16>,
    /// Rows (from the window's begin) of the events that the criteria kept.
    pub kept: Vec<u32>,
    /// The groups, in the grouping's order.
    pub groups: Vec<GroupPlan>,
    /// What each criterion said of the events, for the shadows; unset where it was not asked. Empty where there are none.
    pub columns: Vec<Option<Column>>,
}

/// A group and its events.
pub(crate) struct GroupPlan {
    /// What the grouping says of it.
    pub group: Group,
    /// Ranges, inclusive, of indices into [`Evaluation::kept`].
    pub spans: Vec<(u32, u32)>,
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

    /// The rules by which an event is left out; unset where it is not.
    pub fn left_out_by(&self, row: u32) -> Option<&[RuleRef]> {
        let number = self.verdicts.get(row as usize)?.checked_sub(1)?;
        self.reasons.get(usize::from(number)).map(Vec::as_slice)
    }

    /// Whether the criteria keep an event and the grouping leaves it out.
    pub fn grouping_leaves_out(&self, row: u32) -> bool {
        self.kept.binary_search(&row).is_ok() && self.left_out_by(row).is_some()
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
            fault: None,
        })?;
        self.reasons.push(reason.clone());
        self.numbers.insert(reason, number);
        Ok(number)
    }
}

/// What evaluating a window needs beside the modules.
pub(crate) struct Work<'a> {
    pub window: &'a Window,
    pub chat: Arc<ChatContext>,
    pub reader: &'a mut Reader,
    pub said: &'a mut Words,
    pub ward: &'a Ward,
}

impl<'a> Work<'a> {
    pub fn new(window: &'a Window, facts: &Arc<Facts>, reader: &'a mut Reader, said: &'a mut Words, ward: &'a Ward) -> Self {
        let chat = Arc::new(ChatContext::new(Arc::clone(facts), window.events(), window.starts_at, window.ends_at));
        Self { window, chat, reader, said, ward }
    }

    /// The chat as a grouping is shown it. The standard one that makes copies of recorded users is shown the times at which they are recorded for those at which
    /// they were there; all others see these, and who is recorded at all.
    pub fn chat_for(&self, grouping: &BoundModule) -> Arc<ChatContext> {
        let facts = self.chat.facts();
        if Copies::of(Some(grouping)) != Copies::Recorded || !facts.has_recorded_times() {
            return Arc::clone(&self.chat);
        }
        Arc::new(ChatContext::new(Arc::new(facts.as_recorded()), self.chat.event_count(), self.chat.window_start(), self.chat.window_end()))
    }

    /// Batch `index` with its view.
    pub fn batch(&mut self, index: usize) -> Result<(Arc<EventBatch>, Arc<BatchView>), HeldReason> {
        let batch = self.reader.batch(index).map_err(|error| HeldReason::Archive { text: error.to_string() })?;
        let view = view(&self.chat, &batch)?;
        Ok((batch, view))
    }
}

impl Evaluator {
    /// Makes a policy's modules ready. `memory`: what a session of one may have, where that is less than everybody's limit.
    pub fn new(policy: PolicyVersion, shelf: &Shelf, memory: Option<u64>) -> Result<Self, ExportError> {
        let bind = |module: &BoundModule| -> Result<Ready, ExportError> {
            let loaded = shelf.get(&module.digest)?;
            let bound = loaded.within(memory.unwrap_or(u64::MAX)).bind(&module.config, &module.needs).map_err(|cause| {
                ExportError::Configuration { module: module.name.clone(), policy: policy.spec.name.clone(), cause: cause.for_the_record() }
            })?;
            Ok((module.clone(), bound))
        };
        let criteria = policy.criteria.iter().map(bind).collect::<Result<_, _>>()?;
        let grouping = policy.grouping.as_ref().map(bind).transpose()?;
        let beside = policy.criteria.iter().enumerate().map(|(place, module)| (Beside::Criterion(place), module));
        let beside = beside.chain(policy.grouping.iter().map(|module| (Beside::Grouping, module)));
        let mut shadows = Vec::new();
        for (place, shadow) in beside.filter_map(|(place, module)| Some((place, module.shadow.as_deref()?))) {
            match bind(shadow) {
                Ok(ready) => shadows.push((place, ready)),
                Err(error) => tracing::warn!(policy = %policy.spec.name, "the shadow {} does not run: {error}", shadow.name),
            }
        }
        Ok(Self { policy, criteria, grouping, shadows })
    }

    /// Runs the modules over a window, and keeps what they say meanwhile. Blocks.
    pub fn evaluate(&self, work: &mut Work<'_>) -> Result<Evaluation, HeldReason> {
        let mut evaluation = Evaluation::default();
        let mut sessions = Vec::with_capacity(self.criteria.len());
        for ready in &self.criteria {
            let session = Session::begin(ready, &work.chat, work.said);
            sessions.push(session.map_err(|failure| failed(ready, failure, None, work))?);
        }
        let compared = !self.shadows.is_empty();
        if let Some(reason) = self.whole_chat_out(&sessions) {
            let number = evaluation.number(reason)?;
            evaluation.verdicts = vec![number; usize::try_from(work.window.events()).unwrap_or(usize::MAX)];
            if compared {
                evaluation.columns = sessions.iter().map(Session::decided).collect();
            }
            return Ok(evaluation);
        }
        if self.grouping.is_none() {
            if compared {
                evaluation.columns = sessions.iter().map(Session::decided).collect();
            }
            return Self::whole_chat_in(evaluation, &sessions, work);
        }
        for index in 0..work.reader.batches() {
            let (batch, view) = work.batch(index)?;
            let mut columns = Vec::with_capacity(sessions.len());
            for (session, ready) in sessions.iter_mut().zip(&self.criteria) {
                let column = session.evaluate(&view, work.said);
                columns.push(column.map_err(|failure| failed(ready, failure, Some(Witness { batch: index, kept: None }), work))?);
            }
            let gone = work.reader.segments().get(index).and_then(|segment| segment.gone.clone()).unwrap_or_default();
            self.judge(&mut evaluation, &columns, &batch, &gone)?;
            if compared {
                columns::append(&mut evaluation.columns, columns);
            }
        }
        drop(sessions);
        self.group(&mut evaluation, work)?;
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
    fn whole_chat_in(mut evaluation: Evaluation, sessions: &[Session<'_>], work: &Work<'_>) -> Result<Evaluation, HeldReason> {
        if let Some(session) = sessions.iter().find(|session| session.constant().is_none()) {
            return Err(HeldReason::Module { module: session.module.name.clone(), text: WANTS_EVENTS.to_owned(), fault: None });
        }
        let events = u32::try_from(work.window.events())
            .map_err(|_| HeldReason::Compose { text: "the window has more than 4,294,967,295 events".to_owned() })?;
        evaluation.verdicts = vec![0; events as usize];
        for segment in work.reader.segments() {
            let Some(gone) = &segment.gone else { continue };
            let number = evaluation.number(vec![of_the_policy(DELETED)])?;
            for position in gone.iter().map(|row| segment.first + u64::from(row)) {
                let verdict = position.checked_sub(work.window.key.from).and_then(|row| evaluation.verdicts.get_mut(usize::try_from(row).ok()?));
                if let Some(verdict) = verdict {
                    *verdict = number;
                }
            }
        }
        evaluation.kept = evaluation.grouped().collect();
        if let Some(last) = u32::try_from(evaluation.kept.len()).ok().and_then(|kept| kept.checked_sub(1)) {
            let group = Group { key: "chat".to_owned(), title: String::new(), subject: None, labels: Vec::new() };
            evaluation.groups.push(GroupPlan { group, spans: vec![(0, last)] });
        }
        Ok(evaluation)
    }

    fn judge(&self, evaluation: &mut Evaluation, columns: &[Column], batch: &EventBatch, gone: &Gone) -> Result<(), HeldReason> {
        for row in 0..batch.len() {
            let reason = if gone.has(u32::try_from(row).unwrap_or(u32::MAX)) {
                Some(vec![of_the_policy(DELETED)])
            } else if self.is_early(batch, row) {
                Some(vec![of_the_policy(BEFORE_SINCE)])
            } else {
                self.out_by(columns.iter(), row)
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

    /// Whether an event lies before the policy's `since`.
    pub fn is_early(&self, batch: &EventBatch, row: usize) -> bool {
        match self.policy.spec.since {
            Since::Date(date) => batch.times.get(row).is_some_and(|at| *at < date.0),
            Since::All | Since::Now => false,
        }
    }

    /// The rules by which the criteria together leave an event out; unset where they keep it. A column for each criterion, in order.
    pub fn out_by<'c>(&self, columns: impl Iterator<Item = &'c Column>, row: usize) -> Option<Vec<RuleRef>> {
        let outs = columns.zip(&self.criteria).map(|(column, (module, _))| {
            let module = column.speaker(module);
            column.at(row).map(|rule| columns::rule(module, rule))
        });
        match self.policy.spec.match_ {
            _ if self.criteria.is_empty() => None,
            Match::All => outs.flatten().next().map(|rule| vec![rule]),
            Match::Any => outs.collect(),
        }
    }

    fn group(&self, evaluation: &mut Evaluation, work: &mut Work<'_>) -> Result<(), HeldReason> {
        let Some(ready) = self.grouping.as_ref().filter(|_| !evaluation.kept.is_empty()) else { return Ok(()) };
        let grouped = grouping::run(ready, &evaluation.kept, work, &|| true);
        let Grouped { groups, left_out } = grouped.map_err(|stop| match stop {
            grouping::Stop::Held(reason) => reason,
            grouping::Stop::Failed(failure, batch) => {
                let witness = batch.map(|batch| Witness { batch, kept: Some(&evaluation.kept) });
                failed(ready, failure, witness, work)
            }
            // Nobody asked it to.
            grouping::Stop::Asked => HeldReason::Compose { text: "grouping was stopped: this is a fault in Consign, please report it".to_owned() },
        })?;
        for (row, rule) in left_out {
            let number = evaluation.number(vec![RuleRef { module: ready.0.name.clone(), rule: rule_code(&ready.0, usize::from(rule)) }])?;
            if let Some(verdict) = evaluation.verdicts.get_mut(row as usize) {
                *verdict = number;
            }
        }
        evaluation.groups = groups;
        Ok(())
    }
}

/// A rule that is no module's.
fn of_the_policy(rule: &str) -> RuleRef {
    RuleRef { module: "policy".to_owned(), rule: rule.to_owned() }
}

/// That a module failed: it is written down where it counts, and the event is looked for at which it comes.
fn failed(ready: &Ready, failure: Failure, witness: Option<Witness<'_>>, work: &mut Work<'_>) -> HeldReason {
    Failing { ready, failure, witness }.held(work)
}

/// Said of a criterion that asks for events under a policy that decrypts none.
pub(crate) const WANTS_EVENTS: &str =
    "it wants to see events, and this policy does not decrypt any: use a criterion that decides by chat, or decrypt = true";

/// A batch as modules see it.
pub(crate) fn view(chat: &ChatContext, batch: &Arc<EventBatch>) -> Result<Arc<BatchView>, HeldReason> {
    let view = chat.view(Arc::clone(batch), batch.flags.clone());
    view.map(Arc::new).map_err(|error| HeldReason::Archive { text: error.to_string() })
}
