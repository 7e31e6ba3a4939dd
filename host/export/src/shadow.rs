//! Shadows: a second version of a module, run on the same events after everything is decided, composed and sent.
//!
//! It can't affect the export: it begins when the window's e-mails are handed over, it writes nothing but what it would have done otherwise, and whatever
//! it does wrong is written down and no more. What it can cost is time, so it has a budget of its own: over a run its shadows may take as long as the
//! policy's own modules, and 10 s more. So a shadow at most doubles what a run evaluates, and a run of a few events can still be compared. One window is
//! compared at a time, in no place of those who evaluate, and the budget is looked at before each call: what is over at the end is one call.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use consign_model::manifest::RuleRef;
use consign_model::module::{BoundModule, FaultClass};
use consign_model::shadow::{EXAMPLES, Example, Regrouped, RuleDifference, ShadowDifference};
use consign_model::{Digest, Name, PolicySpec, RunId, RunState, Timestamp};
use consign_sandbox::Failure;
use serde::{Deserialize, Serialize};

use crate::evaluate::columns::{self, Column, Session, rule_code};
use crate::evaluate::grouping::{self, Grouped, Stop};
use crate::evaluate::{Beside, Evaluation, Evaluator, GroupPlan, Ready, WANTS_EVENTS, Work};
use crate::verdicts::{Range, VerdictOmitted, ranges};
use crate::{ExportError, Exporter};

/// What a shadow may take beside the time of the policy's own modules: one call's limit.
const FREE: Duration = Duration::from_secs(10);

/// The time of a run's shadows.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// What the policy's own modules took.
    own: AtomicU64,
    spent: AtomicU64,
}

impl Budget {
    /// Adds what the policy's own modules took.
    pub fn earn(&self, time: Duration) {
        self.own.fetch_add(micros(time), Ordering::Relaxed);
    }

    fn left(&self) -> Duration {
        let may = self.own.load(Ordering::Relaxed).saturating_add(micros(FREE));
        Duration::from_micros(may.saturating_sub(self.spent.load(Ordering::Relaxed)))
    }

    fn spend(&self, time: Duration) {
        self.spent.fetch_add(micros(time), Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What a shadow would have done in a window, by position: kept in its verdict file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowVerdicts {
    /// The shadow, as `name@version`.
    pub module: String,
    /// The shadow.
    pub digest: Digest,
    /// Kept by it and not now, by the rules that leave them out now.
    pub gained: Vec<VerdictOmitted>,
    /// Left out by it and not now, by the rules that would.
    pub lost: Vec<VerdictOmitted>,
    /// Kept by both, in other groups.
    pub regrouped: Vec<Range>,
}

/// What the shadows of a window would have done.
#[derive(Default)]
pub(crate) struct Seen {
    /// For the store, by shadow.
    pub differences: Vec<ShadowDifference>,
    /// For the verdict file; of those that ended.
    pub verdicts: Vec<ShadowVerdicts>,
}

/// What is written down where no shadow was run: that it did not see the window.
pub(crate) fn unseen(evaluator: &Evaluator) -> Seen {
    let none = |(beside, ready): &(Beside, Ready)| {
        let (current, _) = evaluator.beside(*beside)?;
        let none = ShadowDifference::none(ready.0.name.clone(), ready.0.digest, ready.0.binding(), current.name.clone());
        Some(ShadowDifference { unseen: 1, ..none })
    };
    Seen { differences: evaluator.shadows.iter().filter_map(none).collect(), verdicts: Vec::new() }
}

/// Runs the shadows over a window that is evaluated.
pub(crate) fn run(evaluator: &Evaluator, evaluation: &Evaluation, work: &mut Work<'_>, budget: &Budget) -> Seen {
    let mut seen = Seen::default();
    for (beside, ready) in &evaluator.shadows {
        let Some((current, _)) = evaluator.beside(*beside) else { continue };
        let mut difference = ShadowDifference::none(ready.0.name.clone(), ready.0.digest, ready.0.binding(), current.name.clone());
        if budget.left().is_zero() {
            difference.unseen = 1;
        } else {
            let (begun, left) = (Instant::now(), budget.left());
            let comparison = Comparison { evaluator, evaluation, ready, begun, left };
            match comparison.find(*beside, work) {
                Ok(rows) => {
                    difference.windows = 1;
                    difference.events = work.window.events();
                    seen.verdicts.push(rows.note(&comparison, &mut difference, work));
                }
                Err(Ended::Failed(failure)) => {
                    difference.failed.insert(failure.class(), 1);
                    work.said.gave_up(&ready.0, failure);
                }
                Err(Ended::WantsEvents) => {
                    difference.failed.insert(FaultClass::Contract, 1);
                    work.said.note(&ready.0, WANTS_EVENTS.to_owned());
                }
                Err(Ended::Unseen) => difference.unseen = 1,
            }
            budget.spend(begun.elapsed());
        }
        seen.differences.push(difference);
    }
    seen
}

/// Why a window was not compared.
enum Ended {
    /// The shadow failed.
    Failed(Failure),
    /// It asked for events, and the policy decrypts none.
    WantsEvents,
    /// Its time is over, or what it is compared with could not be had. No fault of its.
    Unseen,
}

/// Combinations of rules that are told apart; the events of all others are told together, by no rule.
const COMBINATIONS: usize = 100;

/// Rows by the rules that leave them out.
#[derive(Default)]
struct ByRules(BTreeMap<Vec<RuleRef>, Vec<u32>>);

impl ByRules {
    fn add(&mut self, by: Vec<RuleRef>, row: u32) {
        let by = if self.0.len() < COMBINATIONS || self.0.contains_key(&by) { by } else { Vec::new() };
        self.0.entry(by).or_default().push(row);
    }
}

/// What differs, by rows from the window's begin.
#[derive(Default)]
struct Rows {
    gained: ByRules,
    lost: ByRules,
    regrouped: Vec<u32>,
}

impl Rows {
    /// Writes it down: in figures with examples, and by position.
    fn note(self, comparison: &Comparison<'_>, difference: &mut ShadowDifference, work: &mut Work<'_>) -> ShadowVerdicts {
        let (module, _) = comparison.ready;
        let from = work.window.key.from;
        let positions = |rows: &[u32]| ranges(rows.iter().map(|row| from + u64::from(*row)));
        let by_rule =
            |rules: &ByRules| rules.0.iter().map(|(by, rows)| VerdictOmitted { by: by.clone(), events: positions(rows) }).collect::<Vec<_>>();
        let verdicts = ShadowVerdicts {
            module: module.name.clone(),
            digest: module.digest,
            gained: by_rule(&self.gained),
            lost: by_rule(&self.lost),
            regrouped: positions(&self.regrouped),
        };
        let counted = |rules: ByRules, work: &mut Work<'_>| {
            let one = |(by, rows): (Vec<RuleRef>, Vec<u32>)| {
                let examples = comparison.examples(&rows, work);
                RuleDifference { by, events: rows.len() as u64, examples }
            };
            rules.0.into_iter().map(one).collect()
        };
        difference.gained = counted(self.gained, work);
        difference.lost = counted(self.lost, work);
        difference.regrouped = Regrouped { events: self.regrouped.len() as u64, examples: comparison.examples(&self.regrouped, work) };
        verdicts
    }
}

impl Evaluator {
    fn beside(&self, place: Beside) -> Option<&Ready> {
        match place {
            Beside::Criterion(place) => self.criteria.get(place),
            Beside::Grouping => self.grouping.as_ref(),
        }
    }
}

/// One shadow and one window.
struct Comparison<'a> {
    evaluator: &'a Evaluator,
    evaluation: &'a Evaluation,
    ready: &'a Ready,
    begun: Instant,
    left: Duration,
}

impl Comparison<'_> {
    fn may_go_on(&self) -> bool {
        self.begun.elapsed() < self.left
    }

    /// The first of some events by their ids; none where the policy decrypts no event, or the time is over.
    fn examples(&self, rows: &[u32], work: &mut Work<'_>) -> Vec<Example> {
        if !self.evaluator.policy.spec.decrypt {
            return Vec::new();
        }
        let (from, chat) = (work.window.key.from, work.window.key.chat.clone());
        let one = |row: &u32| {
            let (batch, row) = work.reader.find(from + u64::from(*row)).filter(|_| self.may_go_on())?;
            let batch = work.reader.batch(batch).ok()?;
            Some(Example { chat: chat.clone(), event: batch.ids.get(row).to_owned() })
        };
        rows.iter().take(EXAMPLES).map_while(one).collect()
    }

    fn find(&self, beside: Beside, work: &mut Work<'_>) -> Result<Rows, Ended> {
        match beside {
            Beside::Criterion(place) => self.criterion(place, work),
            Beside::Grouping => self.grouping(work),
        }
    }

    /// What would become of the events with the shadow in the criterion's place.
    fn criterion(&self, place: usize, work: &mut Work<'_>) -> Result<Rows, Ended> {
        let decrypts = self.evaluator.policy.spec.decrypt;
        let shadow = self.column(self.ready, decrypts, work)?.of_shadow(&self.ready.0);
        // Criteria that were not asked, since another had left the whole chat out, are asked now.
        let mut asked = HashMap::new();
        for (index, ready) in self.evaluator.criteria.iter().enumerate() {
            if let (Entry::Vacant(entry), None) = (asked.entry(index), self.known(index)) {
                entry.insert(self.column(ready, decrypts, work).map_err(|_| Ended::Unseen)?);
            }
        }
        let now = (0..self.evaluator.criteria.len()).map(|index| self.known(index).or_else(|| asked.get(&index)));
        let now: Vec<&Column> = now.collect::<Option<_>>().ok_or(Ended::Unseen)?;
        let then: Vec<&Column> = now.iter().enumerate().map(|(index, column)| if index == place { &shadow } else { *column }).collect();
        let mut rows = Rows::default();
        let mut compare = |row: u32, early: bool| {
            // What the grouping leaves out is not exported now, and would not be.
            if early || self.evaluation.grouping_leaves_out(row) {
                return;
            }
            let out = |columns: &[&Column]| self.evaluator.out_by(columns.iter().copied(), row as usize);
            match (out(&now), out(&then)) {
                (Some(by), None) => rows.gained.add(by, row),
                (None, Some(by)) => rows.lost.add(by, row),
                (None, None) | (Some(_), Some(_)) => {}
            }
        };
        if !decrypts {
            (0..u32::try_from(work.window.events()).unwrap_or(u32::MAX)).for_each(|row| compare(row, false));
            return Ok(rows);
        }
        let mut row = 0;
        for index in 0..work.reader.batches() {
            if !self.may_go_on() {
                return Err(Ended::Unseen);
            }
            let (batch, _) = work.batch(index).map_err(|_| Ended::Unseen)?;
            for in_batch in 0..batch.len() {
                compare(row, self.evaluator.is_early(&batch, in_batch));
                row += 1;
            }
        }
        Ok(rows)
    }

    /// What a criterion said when the window was evaluated.
    fn known(&self, index: usize) -> Option<&Column> {
        self.evaluation.columns.get(index).and_then(Option::as_ref)
    }

    /// What a criterion says of all events.
    fn column(&self, ready: &Ready, decrypts: bool, work: &mut Work<'_>) -> Result<Column, Ended> {
        let mut session = Session::begin(ready, &work.chat, work.said).map_err(Ended::Failed)?;
        if let Some(column) = session.decided() {
            return Ok(column);
        }
        if !decrypts {
            return Err(Ended::WantsEvents);
        }
        let mut all = Vec::new();
        for index in 0..work.reader.batches() {
            if !self.may_go_on() {
                return Err(Ended::Unseen);
            }
            let (_, view) = work.batch(index).map_err(|_| Ended::Unseen)?;
            columns::append(&mut all, vec![session.evaluate(&view, work.said).map_err(Ended::Failed)?]);
        }
        all.pop().flatten().ok_or(Ended::Unseen)
    }

    /// What would become of the kept events with the shadow in the grouping's place.
    fn grouping(&self, work: &mut Work<'_>) -> Result<Rows, Ended> {
        let (mut rows, kept) = (Rows::default(), &self.evaluation.kept);
        if kept.is_empty() {
            return Ok(rows);
        }
        let Grouped { groups, left_out } = grouping::run(self.ready, kept, work, &|| self.may_go_on()).map_err(|stop| match stop {
            Stop::Failed(failure, _) => Ended::Failed(failure),
            Stop::Held(_) | Stop::Asked => Ended::Unseen,
        })?;
        let out: HashMap<u32, u8> = left_out.into_iter().collect();
        let (now, then) = (places(&self.evaluation.groups, kept.len()), places(&groups, kept.len()));
        for ((row, now), then) in kept.iter().zip(now).zip(then) {
            match (self.evaluation.left_out_by(*row), out.get(row)) {
                (Some(by), None) => rows.gained.add(by.to_vec(), *row),
                (None, Some(rule)) => {
                    let by = RuleRef { module: self.ready.0.name.clone(), rule: rule_code(&self.ready.0, usize::from(*rule)) };
                    rows.lost.add(vec![by], *row);
                }
                (None, None) if now != then => rows.regrouped.push(*row),
                (None, None) | (Some(_), Some(_)) => {}
            }
        }
        Ok(rows)
    }
}

/// For each kept event a number that is the same where it is in the same groups: the sum of hashes of what is told of each group. Sums are made along the
/// events, so a room of many events and members costs its spans, not their product.
fn places(groups: &[GroupPlan], events: usize) -> Vec<u128> {
    let mut steps = vec![0_u128; events + 1];
    for plan in groups {
        let group = &plan.group;
        let told = format!("{:?} {:?} {:?} {:?}", group.key, group.title, group.subject, group.labels);
        let Digest(hash) = Digest::of(told.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(hash.split_at(16).0);
        let hash = u128::from_be_bytes(half);
        for (first, last) in joined(&plan.spans) {
            if let Some(step) = steps.get_mut(first as usize) {
                *step = step.wrapping_add(hash);
            }
            if let Some(step) = steps.get_mut(last as usize + 1) {
                *step = step.wrapping_sub(hash);
            }
        }
    }
    steps.pop();
    let mut sum = 0_u128;
    steps
        .into_iter()
        .map(|step| {
            sum = sum.wrapping_add(step);
            sum
        })
        .collect()
}

/// Spans that share no event: a group has an event once, however often it is put there.
fn joined(spans: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
    for (first, last) in sorted {
        match joined.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// What is known of one shadow.
#[derive(Debug, Clone, Serialize)]
pub struct ShadowReport {
    /// Where it stands in the policy: `criteria 1`, `grouping`.
    pub place: String,
    /// Over all runs since it was bound.
    pub total: ShadowDifference,
    /// Run by run, newest first.
    pub runs: Vec<(RunId, Timestamp, ShadowDifference)>,
}

/// Runs that are looked through for what a shadow did.
const RUNS: usize = 1_000;

impl Exporter {
    /// What the shadows of a policy's newest version would have done otherwise.
    pub async fn shadows(&self, policy: &Name) -> Result<Vec<ShadowReport>, ExportError> {
        let (newest, _) = self.newest(policy).await?;
        let runs = self.store.runs(&self.tenant, Some(policy), RUNS).await?;
        let mut reports = Vec::new();
        let places = (1..=newest.criteria.len()).map(|number| format!("criteria {number}")).chain(["grouping".to_owned()]);
        for (place, current) in places.zip(newest.criteria.iter().map(Some).chain([newest.grouping.as_ref()])) {
            let Some((current, shadow)) = current.and_then(|current| Some((current, current.shadow.as_deref()?))) else { continue };
            let total = ShadowDifference::none(shadow.name.clone(), shadow.digest, shadow.binding(), current.name.clone());
            let mut report = ShadowReport { place, total, runs: Vec::new() };
            for run in &runs {
                let RunState::Finished { summary, .. } = &run.state else { continue };
                let of = |one: &&ShadowDifference| one.binding == report.total.binding && one.beside == report.total.beside;
                if let Some(found) = summary.shadows.iter().find(of) {
                    report.total.add(found);
                    report.runs.push((run.id.clone(), run.started_at, found.clone()));
                }
            }
            reports.push(report);
        }
        Ok(reports)
    }
}

/// A module as a policy names it; as `name@version` where it was a name alone, which would be another version tomorrow.
fn pinned(module: String, bound: &BoundModule) -> String {
    if module.contains('@') || module.starts_with("sha256:") { module } else { bound.name.clone() }
}

/// A policy's spec with a shadow in the place of the module beside which it ran, and nothing else changed. Unset where there is none.
pub fn promoted(spec: &PolicySpec, place: Option<usize>, bound: &BoundModule) -> Option<PolicySpec> {
    let mut spec = spec.clone();
    if let Some(index) = place {
        let criterion = spec.criteria.get_mut(index)?;
        let shadow = criterion.shadow.take()?;
        criterion.module = pinned(shadow.module, bound);
        criterion.config = shadow.config.unwrap_or_else(|| criterion.config.clone());
        criterion.needs = shadow.needs;
    } else {
        let grouping = spec.grouping.as_mut()?;
        let shadow = grouping.shadow.take()?;
        grouping.module = pinned(shadow.module, bound);
        grouping.config = shadow.config.unwrap_or_else(|| grouping.config.clone());
        grouping.needs = shadow.needs;
    }
    Some(spec)
}

/// A shadow as the module in whose place it comes.
pub fn in_place_of(current: &BoundModule) -> Option<BoundModule> {
    current.shadow.as_deref().map(|shadow| BoundModule { negate: current.negate, ..shadow.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_sandbox::Group;

    fn plan(key: &str, spans: &[(u32, u32)]) -> GroupPlan {
        GroupPlan { group: Group { key: key.into(), title: String::new(), subject: None, labels: Vec::new() }, spans: spans.to_vec() }
    }

    #[test]
    fn the_same_groups_whatever_their_order_and_spans() {
        let one = places(&[plan("a", &[(0, 3)]), plan("b", &[(2, 5)])], 6);
        let other = places(&[plan("b", &[(4, 5), (2, 4), (3, 3)]), plan("c", &[]), plan("a", &[(1, 3), (0, 0)])], 6);
        assert_eq!(one, other);
        let changed = places(&[plan("a", &[(0, 3)]), plan("b", &[(3, 5)])], 6);
        let differ: Vec<usize> = (0..6).filter(|row| one.get(*row) != changed.get(*row)).collect();
        assert_eq!(differ, [2]);
    }

    #[test]
    fn a_budget_grows_with_what_the_modules_take() {
        let budget = Budget::default();
        assert_eq!(budget.left(), FREE);
        budget.spend(FREE);
        assert!(budget.left().is_zero());
        budget.earn(Duration::from_secs(3));
        assert_eq!(budget.left(), Duration::from_secs(3));
        budget.spend(Duration::from_secs(5));
        assert!(budget.left().is_zero());
    }
}
