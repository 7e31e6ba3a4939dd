//! Starts each policy's runs when they are due.
//!
//! One rule covers a normal day, a start after a night switched off, a run that took too long and a clock that jumped: **where a policy has no run under way
//! and due times that have had none, one run is made for the newest of them.** So each due time is covered once, several missed ones make one run, and a due
//! time that comes during a run waits for its end. (A run takes all that has arrived, so a second one for an older due time would be empty.)
//!
//! The scheduler keeps nothing of its own: which due times have had their run is in the store, behind [`Runner`]. What it holds in memory only spares asking.
//! It sleeps until the next due time of any policy, but never longer than [`Settings::look_again`], then compares with the clock anew; a clock that was
//! set forward or back is noticed within that time, and one that was set back repeats nothing.

mod clock;
mod plan;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use consign_model::policy::{PolicyVersion, ScheduleSpec};
use consign_model::{Name, Timestamp};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{debug, error, info, warn};

pub use self::clock::{Clock, SystemClock};
use self::plan::{Job, Plan};

/// A policy that is enabled and has a schedule, or something to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The policy.
    pub policy: Name,
    /// When it is due; unset where it runs by hand only.
    pub schedule: Option<ScheduleSpec>,
    /// When something of an earlier run is tried again, also between due times.
    pub retry: Option<Timestamp>,
    /// That somebody asked for a run. It is a [`Runner::retry`] that waits for no earlier failure.
    pub asked: bool,
    /// Due times up to this one are none of ours: the later of the last due time that had a run and of [`scheduled_since`].
    pub since: Timestamp,
}

/// What became of a run that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It ended and has its manifest, whether or not something was held.
    Done,
    /// This due time, or a later one, had its run before: another node was faster.
    AlreadyRun,
    /// The policy may not run for now, and its runner has said so. The due time stays open: it has its run when the policy may run again.
    Paused,
    /// It stopped at a place from where it is taken up: because of [`Runner::stopping`] at the next start, else after [`Settings::look_again`].
    Stopped,
}

/// Makes the runs. Each method may be called again after an error, and again after the process died in it.
pub trait Runner: Send + Sync + 'static {
    /// Why something failed, in words for the log: what, where, what to do next; no message text, no secret.
    type Error: Display + Send + 'static;

    /// The policies that are enabled and have a schedule or something to try again.
    fn planned(&self) -> impl Future<Output = Result<Vec<Planned>, Self::Error>> + Send;

    /// The policies that have a run which was begun and has not ended. Asked once, at start, before anything runs.
    fn interrupted(&self) -> impl Future<Output = Result<Vec<Name>, Self::Error>> + Send;

    /// Goes on with this policy's interrupted run, whatever had started it; nothing to do where there is none.
    fn resume(&self, policy: &Name) -> impl Future<Output = Result<Ended, Self::Error>> + Send;

    /// Makes the run for this due time. Where it was begun already it goes on; where another run of the policy was interrupted, that one is ended first.
    fn run(&self, policy: &Name, due: Timestamp) -> impl Future<Output = Result<Ended, Self::Error>> + Send;

    /// Tries again what is due of the policy's earlier runs, and examines nothing new.
    fn retry(&self, policy: &Name) -> impl Future<Output = Result<Ended, Self::Error>> + Send;

    /// Called once when serving ends: runs under way should end soon, at a place from where they can be resumed, and answer [`Ended::Stopped`].
    fn stopping(&self) {}
}

/// How the scheduler behaves. The defaults are meant for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The longest sleep. A policy changed by another node, and a clock that was set, are noticed within it; each look reads all policies.
    pub look_again: Duration,
    /// How long runs may take to end when serving stops; those that take longer are cut off, and resumed at the next start.
    pub grace: Duration,
    /// Runs at once. Those above wait, the one due first goes first. Each holds its own modules, connections and e-mails in memory.
    pub at_once: usize,
    /// The wait after a failed run, doubled with each more failure up to `retry_at_most`.
    pub retry: Duration,
    /// The longest wait after a failed run.
    pub retry_at_most: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            look_again: Duration::from_secs(30),
            grace: Duration::from_mins(1),
            at_once: 16,
            retry: Duration::from_mins(1),
            retry_at_most: Duration::from_hours(1),
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Policies whose run did not end, by name; the next start resumes them.
    pub unfinished: Vec<Name>,
}

/// Since when a policy has been enabled with the schedule that it has now: due times up to then are not missed ones.
///
/// Takes the policy's versions from the newest backwards, and looks only as far as the schedule stays the same. None where the newest has no schedule or
/// is not enabled.
pub fn scheduled_since<'a>(newest_first: impl IntoIterator<Item = &'a PolicyVersion>) -> Option<Timestamp> {
    let mut versions = newest_first.into_iter();
    let newest = versions.next().filter(|version| version.spec.enabled)?;
    let schedule = newest.spec.schedule.as_ref()?;
    let unchanged = versions.take_while(|version| version.spec.enabled && version.spec.schedule.as_ref() == Some(schedule));
    Some(unchanged.fold(newest.applied_at, |_, older| older.applied_at))
}

/// Runs policies when they are due until `shutdown` is ready. `changed` wakes it to look at once (`notify_one`, so that no notice is lost).
///
/// Needs a tokio runtime. A run that fails or panics is logged, asked for again after a wait, and disturbs no other.
pub async fn serve<R: Runner, C: Clock>(
    runner: Arc<R>,
    clock: C,
    settings: Settings,
    changed: &Notify,
    shutdown: impl Future<Output = ()>,
) -> Stopped {
    let mut shutdown = pin!(shutdown);
    let mut scheduler = Scheduler { runner, clock, settings, plan: Plan::default(), jobs: JoinSet::new(), policies: HashMap::new(), told: None };
    tokio::select! {
        biased;
        () = shutdown.as_mut() => {}
        never = scheduler.work(changed) => match never {},
    }
    scheduler.stop().await
}

struct Scheduler<R: Runner, C> {
    runner: Arc<R>,
    clock: C,
    settings: Settings,
    plan: Plan,
    jobs: JoinSet<Result<Ended, R::Error>>,
    /// Whose job each task is: a task that panics says only its id.
    policies: HashMap<Id, Name>,
    /// The last failure to read policies that was logged.
    told: Option<String>,
}

impl<R: Runner, C: Clock> Scheduler<R, C> {
    async fn work(&mut self, changed: &Notify) -> std::convert::Infallible {
        let mut resumed = false;
        let mut look = true;
        let mut look_again: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(self.clock.sleep(self.settings.look_again));
        loop {
            if look {
                // Interrupted runs come first: they hold their policy's place.
                if !resumed {
                    resumed = self.find_interrupted().await;
                }
                if resumed {
                    self.look().await;
                }
                look_again = Box::pin(self.clock.sleep(self.settings.look_again));
                look = false;
            }
            let now = self.clock.now();
            for (policy, job) in self.plan.start(now, self.settings.at_once) {
                self.start(policy, job);
            }
            let pause = match self.plan.next_start(now) {
                Some(next) if self.plan.running() < self.settings.at_once => until(now, next).min(self.settings.look_again),
                // Nothing can start before something else happens.
                _ => self.settings.look_again,
            };
            tokio::select! {
                biased;
                Some(ended) = self.jobs.join_next_with_id() => self.settle(ended),
                () = changed.notified() => look = true,
                () = look_again.as_mut() => look = true,
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// Whether the store could say.
    async fn find_interrupted(&mut self) -> bool {
        match self.runner.interrupted().await {
            Ok(policies) => {
                for policy in policies {
                    info!(policy = policy.as_str(), "policy {policy}: going on with its interrupted run");
                    self.plan.interrupted(policy);
                }
                true
            }
            Err(error) => {
                self.tell(&format!("interrupted runs can't be read: {error}"));
                false
            }
        }
    }

    /// Reads the policies anew. Where that fails, those known go on.
    async fn look(&mut self) {
        match self.runner.planned().await {
            Ok(planned) => {
                self.told = None;
                for refused in self.plan.replace(planned, self.clock.now()) {
                    warn!(policy = refused.policy.as_str(), "policy {}: {}", refused.policy, refused.why);
                }
            }
            Err(error) => self.tell(&format!("policies can't be read: {error}")),
        }
    }

    /// The same failure, look after look, is said once.
    fn tell(&mut self, text: &str) {
        if self.told.as_deref() == Some(text) {
            debug!("{text}");
        } else {
            error!("{text}. Trying again every {} seconds", self.settings.look_again.as_secs());
            self.told = Some(text.to_owned());
        }
    }

    fn start(&mut self, policy: Name, job: Job) {
        let runner = Arc::clone(&self.runner);
        match job {
            Job::Resume => debug!(policy = policy.as_str(), "policy {policy}: resuming"),
            Job::Run(due) => info!(policy = policy.as_str(), due = %due, "policy {policy}: starting the run due at {due}"),
            Job::Retry(due) => debug!(policy = policy.as_str(), due = %due, "policy {policy}: trying again what was due at {due}"),
        }
        let name = policy.clone();
        let task = self.jobs.spawn(async move {
            match job {
                Job::Resume => runner.resume(&policy).await,
                Job::Run(due) => runner.run(&policy, due).await,
                Job::Retry(_) => runner.retry(&policy).await,
            }
        });
        self.policies.insert(task.id(), name);
    }

    fn settle(&mut self, ended: Result<(Id, Result<Ended, R::Error>), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome.map_err(|error| error.to_string())),
            // What a panic says may hold message text; the panic hook has put its place on stderr.
            Err(broken) => (broken.id(), Err("the run broke off through a fault in the program; please report it".to_owned())),
        };
        let Some(policy) = self.policies.remove(&id) else { return };
        let now = self.clock.now();
        match outcome {
            Ok(Ended::Done | Ended::AlreadyRun) => {
                self.plan.done(&policy);
                debug!(policy = policy.as_str(), "policy {policy}: the run has ended");
            }
            Ok(Ended::Paused) => {
                self.plan.put_off(&policy, now, self.settings.look_again);
                debug!(policy = policy.as_str(), "policy {policy}: it is paused");
            }
            // Serving has not ended, so it was stopped for a reason of its own, as when a person asked for it.
            Ok(Ended::Stopped) => {
                self.plan.put_off(&policy, now, self.settings.look_again);
                debug!(policy = policy.as_str(), "policy {policy}: its run was stopped; going on with it soon");
            }
            Err(why) => {
                let failed = self.plan.failed(&policy, now, &why, self.settings.retry, self.settings.retry_at_most);
                let seconds = failed.wait.as_secs();
                if failed.new {
                    error!(
                        policy = policy.as_str(),
                        retry_seconds = seconds,
                        "policy {policy}: its run failed: {why}. Trying again in {seconds} seconds"
                    );
                } else {
                    debug!(policy = policy.as_str(), retry_seconds = seconds, "policy {policy}: failed again: {why}");
                }
            }
        }
    }

    async fn stop(mut self) -> Stopped {
        self.runner.stopping();
        if !self.jobs.is_empty() {
            info!(runs = self.jobs.len(), "stopping: waiting up to {} seconds for {} runs", self.settings.grace.as_secs(), self.jobs.len());
        }
        let mut unfinished = BTreeSet::new();
        let mut grace = pin!(self.clock.sleep(self.settings.grace));
        loop {
            tokio::select! {
                biased;
                ended = self.jobs.join_next_with_id() => match ended {
                    None => break,
                    Some(Ok((id, outcome))) => {
                        if let Some(policy) = self.policies.remove(&id) {
                            match outcome {
                                Ok(Ended::Done | Ended::AlreadyRun | Ended::Paused) => {}
                                Ok(Ended::Stopped) => { unfinished.insert(policy); }
                                Err(why) => {
                                    error!(policy = policy.as_str(), "policy {policy}: its run failed while stopping: {why}");
                                    unfinished.insert(policy);
                                }
                            }
                        }
                    }
                    Some(Err(broken)) => unfinished.extend(self.policies.remove(&broken.id())),
                },
                () = grace.as_mut() => break,
            }
        }
        // Cut off where they stand, as by a crash: what they had begun is durable, and the next start goes on from there.
        self.jobs.shutdown().await;
        unfinished.extend(self.policies.into_values());
        for policy in &unfinished {
            info!(policy = policy.as_str(), "policy {policy}: its run has not ended; the next start goes on with it");
        }
        Stopped { unfinished: unfinished.into_iter().collect() }
    }
}

/// From one time to a later one; at least a millisecond, so that a clock which stands still is not asked without end.
fn until(now: Timestamp, next: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0).max(1))
}

#[cfg(test)]
mod tests;
