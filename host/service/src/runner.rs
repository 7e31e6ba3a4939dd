//! What joins the scheduler with the export: which policies are planned, and how their runs are made.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use consign_export::{ExportError, Exporter, Paused, Progress, Retry, RunReport};
use consign_model::audit::Actor;
use consign_model::policy::PolicyVersion;
use consign_model::run::Trigger;
use consign_model::{Name, Quarantine, RunId, RunState, RunSummary, Timestamp};
use tracing::{error, info, warn};

use crate::problem::Problem;
use crate::scheduler::{Ended, Planned, Runner, scheduled_since};

/// What happened, for whoever asked to hear of it.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A run has ended as it began.
    Whole(&'a RunSummary),
    /// A run had been interrupted, was taken up, and has ended.
    TakenUp(&'a RunSummary),
    /// A policy was due and does not run. Said once for each reason.
    Paused(&'a Paused),
    /// A module is not what it was under another engine.
    Quarantined(&'a Quarantine),
    /// A run of this policy broke off, and is asked for again; the scheduler logs why.
    Failed(&'a Name),
}

/// A run that somebody asked for.
struct Asked {
    /// By which they ask what became of it.
    id: String,
    retry: Retry,
    by: Actor,
}

/// How far this process has come with a policy's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Chats of which it is known so far that something is to be examined.
    pub chats: u64,
    /// Their events.
    pub events: u64,
    /// Chats that are done. With those of earlier runs that are tried again, and of a run that was interrupted, they may be more than were counted.
    pub done: u64,
    /// Chats that are held.
    pub held: u64,
    /// Events of both.
    pub settled: u64,
}

impl Figures {
    fn add(&mut self, progress: Progress) {
        match progress {
            Progress::Frozen { windows, events } => (self.chats, self.events) = (windows, events),
            Progress::Settled { events, held } => {
                *(if held { &mut self.held } else { &mut self.done }) += 1;
                self.settled += events;
            }
        }
    }
}

/// What became of a run that somebody asked for.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It has not begun.
    Waiting,
    /// It is under way.
    Running,
    /// It was made.
    Ended(Arc<RunReport>),
    /// It broke off. What had begun is taken up by itself.
    Failed(Problem),
    /// It is not made: newer ones took its place, or the process stops.
    GivenUp,
}

/// Runs that are asked for of one policy, and have not begun: more are the newest of them, in place of the oldest.
const ASKED: usize = 100;
/// Answers that are kept of a tenant. Whoever comes later for one finds the run in the list of runs.
const ANSWERS: usize = 1_000;

/// What became of the runs that were asked for, but of those that wait: the oldest first.
#[derive(Default)]
struct Answers(VecDeque<(String, Name, Answer)>);

impl Answers {
    fn is(&mut self, id: &str, policy: &Name, now: Answer) {
        if let Some((_, _, known)) = self.0.iter_mut().rev().find(|(known, ..)| known == id) {
            *known = now;
            return;
        }
        self.0.push_back((id.to_owned(), policy.clone(), now));
        while self.0.len() > ANSWERS {
            self.0.pop_front();
        }
    }
}

/// Runs policies of one tenant.
pub struct Policies {
    exporter: Arc<Exporter>,
    tell: Box<dyn Fn(News<'_>) + Send + Sync>,
    /// Why policies are paused, as it was last said.
    paused: Mutex<HashMap<Name, Paused>>,
    /// Runs that somebody asked for, and that have not begun.
    asked: Mutex<HashMap<Name, VecDeque<Asked>>>,
    /// How far runs that are under way have come, by policy: none has two at once.
    figures: Mutex<HashMap<Name, Figures>>,
    /// What became of those that have begun. Locked after `asked`, where both are.
    answers: Mutex<Answers>,
    /// Ids of what is asked for are of this process: one of an earlier one is not taken for another.
    began: Timestamp,
    count: AtomicU64,
    /// When something of a policy is tried again, as it was after this run of it.
    next_attempts: Mutex<HashMap<Name, (RunId, Option<Timestamp>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each step under it is one call, so a panic leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Policies {
    /// Those that this exporter sees. `tell` hears of each run when it has ended and is in the store, and of what keeps policies from running.
    pub fn new(exporter: Exporter, tell: impl Fn(News<'_>) + Send + Sync + 'static) -> Self {
        Self {
            exporter: Arc::new(exporter),
            tell: Box::new(tell),
            paused: Mutex::default(),
            asked: Mutex::default(),
            figures: Mutex::default(),
            answers: Mutex::default(),
            began: Timestamp::now(),
            count: AtomicU64::new(0),
            next_attempts: Mutex::default(),
        }
    }

    /// Compiles and tries all modules that were last used under another engine. A policy that is due meanwhile does that itself first, so this only
    /// spares it the time.
    pub async fn look_at_modules(&self) {
        match Arc::clone(&self.exporter).check_engines().await {
            Ok(quarantined) => quarantined.iter().for_each(|one| (self.tell)(News::Quarantined(one))),
            Err(error) => error!("the modules could not be looked at: {error}. Each policy looks at its own before it runs"),
        }
    }

    /// Asks for a run, whatever the policy's schedule says. It is planned with the others, so that one policy never has two at once. Answers an id, by which
    /// to ask what became of it.
    pub fn ask(&self, policy: &Name, retry: Retry, by: Actor) -> String {
        let mut asked = lock(&self.asked);
        let asked = asked.entry(policy.clone()).or_default();
        // The same once more is one run; other windows to be tried again are another.
        if let Some(same) = asked.iter().find(|one| one.retry == retry) {
            return same.id.clone();
        }
        let id = format!("asked-{:x}-{}", self.began.0, self.count.fetch_add(1, Ordering::Relaxed));
        asked.push_back(Asked { id: id.clone(), retry, by });
        while asked.len() > ASKED {
            if let Some(oldest) = asked.pop_front() {
                lock(&self.answers).is(&oldest.id, policy, Answer::GivenUp);
            }
        }
        id
    }

    /// What became of a run that was asked for, and of which policy. None of an earlier process, and of one long ago.
    pub fn answer(&self, id: &str) -> Option<(Name, Answer)> {
        let asked = lock(&self.asked);
        if let Some((policy, _)) = asked.iter().find(|(_, asked)| asked.iter().any(|one| one.id == id)) {
            return Some((policy.clone(), Answer::Waiting));
        }
        let answers = lock(&self.answers);
        answers.0.iter().rev().find(|(known, ..)| known == id).map(|(_, policy, answer)| (policy.clone(), answer.clone()))
    }

    /// Whether a run of it is asked for that has not begun.
    pub fn is_asked(&self, policy: &Name) -> bool {
        lock(&self.asked).contains_key(policy)
    }

    /// How far this process has come with the run of a policy that is under way. Nothing, where it has not begun with it.
    pub fn figures(&self, policy: &Name) -> Figures {
        lock(&self.figures).get(policy).copied().unwrap_or_default()
    }

    /// Counts what a run of a policy says, until what this answers is dropped.
    fn counting(&self, policy: &Name) -> Counting<'_> {
        lock(&self.figures).insert(policy.clone(), Figures::default());
        Counting { of: &self.figures, policy: policy.clone() }
    }

    /// The run that was asked for first.
    fn next_asked(&self, policy: &Name) -> Option<Asked> {
        let mut all = lock(&self.asked);
        let asked = all.get_mut(policy)?;
        let first = asked.pop_front();
        if let Some(first) = &first {
            lock(&self.answers).is(&first.id, policy, Answer::Running);
        }
        if asked.is_empty() {
            all.remove(policy);
        }
        first
    }

    fn ended(&self, news: News<'_>) {
        if let News::Whole(summary) | News::TakenUp(summary) = news {
            log(summary);
            lock(&self.paused).remove(&summary.policy);
        }
        (self.tell)(news);
    }

    /// Says that a policy is paused, unless that was the last thing said of it.
    fn is_paused(&self, paused: &Paused) {
        let before = lock(&self.paused).insert(paused.policy.clone(), paused.clone());
        if before.as_ref() != Some(paused) {
            warn!(policy = %paused.policy, "{}", paused.text());
            (self.tell)(News::Paused(paused));
        }
    }

    /// A policy's versions, newest first, as far back as the scheduler needs them: its first one is never far.
    async fn versions(&self, newest: PolicyVersion) -> Result<Vec<PolicyVersion>, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let name = newest.spec.name.clone();
        let mut versions = vec![newest];
        while let Some(number) = versions.last().map(|oldest| oldest.version).filter(|number| *number > 1) {
            match store.policy(tenant, &name, Some(number - 1)).await? {
                Some(older) if older.spec.enabled && Some(&older.spec.schedule) == versions.first().map(|newest| &newest.spec.schedule) => {
                    versions.push(older);
                }
                _ => break,
            }
        }
        Ok(versions)
    }
}

impl Runner for Policies {
    type Error = ExportError;

    async fn planned(&self) -> Result<Vec<Planned>, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let mut planned = Vec::new();
        for policy in store.policies(tenant).await? {
            let (name, asked) = (policy.spec.name.clone(), self.is_asked(&policy.spec.name));
            let schedule = policy.spec.schedule.clone().filter(|_| policy.spec.enabled);
            // By hand a policy that is disabled runs too, as on the command line.
            let retry = match (asked, policy.spec.enabled) {
                (true, _) => Some(Timestamp::now()),
                (false, true) => self.next_attempt(&policy).await?,
                (false, false) => continue,
            };
            let versions = self.versions(policy).await?;
            let Some(since) = scheduled_since(&versions).or_else(|| retry.map(|_| Timestamp::now())) else { continue };
            let last_due = store.progress(tenant, &name).await?.last_due;
            planned.push(Planned { policy: name, schedule, retry, asked, since: last_due.map_or(since, |due| due.max(since)) });
        }
        Ok(planned)
    }

    async fn interrupted(&self) -> Result<Vec<Name>, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let mut names = Vec::new();
        for policy in store.policies(tenant).await? {
            let newest = store.runs(tenant, Some(&policy.spec.name), 1).await?;
            if newest.iter().any(|run| run.state == RunState::Running) {
                names.push(policy.spec.name);
            }
        }
        Ok(names)
    }

    async fn resume(&self, policy: &Name) -> Result<Ended, ExportError> {
        let counting = self.counting(policy);
        match self.exporter.resume(policy, &|progress| counting.hear(progress)).await {
            Ok(summary) => {
                if let Some(summary) = &summary {
                    self.ended(News::TakenUp(summary));
                }
                Ok(Ended::Done)
            }
            Err(ExportError::Stopping(_)) => Ok(Ended::Stopped),
            Err(error) => {
                (self.tell)(News::Failed(policy));
                Err(error)
            }
        }
    }

    async fn run(&self, policy: &Name, due: Timestamp) -> Result<Ended, ExportError> {
        self.make(&self.exporter, policy, Trigger::Schedule(due), &Retry::Due).await
    }

    async fn retry(&self, policy: &Name) -> Result<Ended, ExportError> {
        if let Some(Asked { id, retry, by }) = self.next_asked(policy) {
            let author = self.exporter.author.acting_as(by);
            let made = self.run_once(&Exporter { author, ..self.exporter.as_ref().clone() }, policy, Trigger::Hand, &retry).await;
            let answer = match &made {
                Ok(Some(report)) => Answer::Ended(Arc::new(report.clone())),
                Ok(None) => Answer::GivenUp,
                Err(error) => Answer::Failed(Problem::of_run(error)),
            };
            // Before it is told to others: whoever hears of the run finds its answer.
            lock(&self.answers).is(&id, policy, answer);
            return self.tell_of(policy, made);
        }
        let newest = self.exporter.store.runs(&self.exporter.tenant, Some(policy), 1).await?;
        if newest.first().is_some_and(|run| run.state == RunState::Running) {
            // One that failed near its end: what it tried is not due any more, and its manifest is owed.
            return self.resume(policy).await;
        }
        // What was due when the plan was made may have been done since: a run that tries nothing would leave a manifest of nothing.
        match self.exporter.next_attempt(policy).await? {
            Some(next) if next <= Timestamp::now() => self.make(&self.exporter, policy, Trigger::Retry, &Retry::Due).await,
            Some(_) | None => Ok(Ended::AlreadyRun),
        }
    }

    fn stopping(&self) {
        self.exporter.stop.set();
    }
}

impl Policies {
    async fn make(&self, exporter: &Exporter, policy: &Name, trigger: Trigger, retry: &Retry) -> Result<Ended, ExportError> {
        self.tell_of(policy, self.run_once(exporter, policy, trigger, retry).await)
    }

    /// None where the process stops.
    async fn run_once(&self, exporter: &Exporter, policy: &Name, trigger: Trigger, retry: &Retry) -> Result<Option<RunReport>, ExportError> {
        let counting = self.counting(policy);
        match exporter.run(policy, trigger, retry, &|progress| counting.hear(progress)).await {
            Err(ExportError::Stopping(_)) => Ok(None),
            made => made.map(Some),
        }
    }

    fn tell_of(&self, policy: &Name, made: Result<Option<RunReport>, ExportError>) -> Result<Ended, ExportError> {
        let report = match made {
            Ok(None) => return Ok(Ended::Stopped),
            Err(error) => {
                (self.tell)(News::Failed(policy));
                return Err(error);
            }
            Ok(Some(report)) => report,
        };
        report.resumed.iter().map(News::TakenUp).chain(report.run.iter().map(News::Whole)).for_each(|run| self.ended(run));
        if let Some(paused) = report.paused {
            self.is_paused(&paused);
            return Ok(Ended::Paused);
        }
        Ok(if report.run.is_some() { Ended::Done } else { Ended::AlreadyRun })
    }

    /// As [`Exporter::next_attempt`], which only a run changes: so it is asked once after each. No sooner after that run than the target's shortest wait: of a
    /// hundred thousand e-mails some are always due, and each run leaves a manifest.
    async fn next_attempt(&self, policy: &PolicyVersion) -> Result<Option<Timestamp>, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let name = &policy.spec.name;
        let newest = store.runs(tenant, Some(name), 1).await?;
        let Some((run, RunState::Finished { at, .. })) = newest.first().map(|run| (&run.id, &run.state)) else { return Ok(None) };
        if let Some((of, next)) = lock(&self.next_attempts).get(name)
            && of == run
        {
            return Ok(*next);
        }
        let target = store.target(tenant, &policy.spec.target, None).await?;
        let soonest = target.map_or(*at, |target| target.spec.retry.after_first(*at));
        let next = self.exporter.next_attempt(name).await?.map(|next| next.max(soonest));
        lock(&self.next_attempts).insert(name.clone(), (run.clone(), next));
        Ok(next)
    }
}

/// A run of a policy that is counted.
struct Counting<'a> {
    of: &'a Mutex<HashMap<Name, Figures>>,
    policy: Name,
}

impl Counting<'_> {
    fn hear(&self, progress: Progress) {
        if let Some(figures) = lock(self.of).get_mut(&self.policy) {
            figures.add(progress);
        }
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        lock(self.of).remove(&self.policy);
    }
}

fn log(summary: &RunSummary) {
    let RunSummary { run, policy, events, emails, supplements, .. } = summary;
    if supplements.windows > 0 {
        info!(%run, %policy, windows = supplements.windows, done = supplements.done, "run {run}: of {} windows of earlier runs that were tried again {} are done", supplements.windows, supplements.done);
    }
    if events.held > 0 {
        warn!(%run, %policy, held_events = events.held, "run {run}: {} events exported, {} omitted, {} held: see 'consign held'", events.exported, events.omitted, events.held);
    } else {
        info!(%run, %policy, accepted_emails = emails.accepted, "run {run}: {} events exported in {} e-mails, {} omitted", events.exported, emails.accepted, events.omitted);
    }
}
