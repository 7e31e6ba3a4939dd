//! What is due, under way or waiting: the scheduler's decisions, without any waiting or running of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use consign_model::policy::ScheduleSpec;
use consign_model::{Name, Timestamp};

use super::Planned;
use crate::schedule::Schedule;

/// What to ask the runner for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// An interrupted run.
    Resume,
    /// The run for this due time.
    Run(Timestamp),
    /// What was to be tried again at this time.
    Retry(Timestamp),
}

/// Something about a policy that a person should know.
#[derive(Debug)]
pub(super) struct Remark {
    pub policy: Name,
    pub why: String,
}

/// How a failure is taken.
#[derive(Debug)]
pub(super) struct Failed {
    /// Until it is tried again.
    pub wait: Duration,
    /// Not the same as the failure before, so worth saying.
    pub new: bool,
}

/// All policies.
#[derive(Debug, Default)]
pub(super) struct Plan {
    policies: BTreeMap<Name, Policy>,
    running: usize,
}

#[derive(Debug, Default)]
struct Policy {
    /// None: disabled or without one. Nothing new is due then, but what was begun is ended.
    schedule: Option<Read>,
    /// When something of an earlier run is tried again.
    retry: Option<Timestamp>,
    /// That this is because somebody asked, and has not begun.
    asked: bool,
    /// Due times up to this one are settled.
    since: Timestamp,
    state: State,
    /// What was last said about it, so that it is said once.
    remark: Option<String>,
}

/// A schedule, and what it was read from: looked at every half minute, read only when it changed.
#[derive(Debug)]
struct Read {
    spec: ScheduleSpec,
    /// None: refused.
    schedule: Option<Schedule>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// Something to do before any new due time.
    Owed {
        job: Job,
        wait: Wait,
    },
    Running {
        job: Job,
        before: Wait,
    },
}

/// Since when and for how long to wait, and after which failure.
#[derive(Debug, Clone, Default)]
struct Wait {
    from: Timestamp,
    time: Duration,
    failure: Option<String>,
}

impl Wait {
    /// When it is over. A clock that was set back behind its beginning ends it: nobody knows how much of it has passed.
    fn over_at(&self, now: Timestamp) -> Timestamp {
        if now < self.from { now } else { Timestamp(self.from.0.saturating_add(i64::try_from(self.time.as_millis()).unwrap_or(i64::MAX))) }
    }
}

impl Plan {
    /// A run of this policy was begun by an earlier process.
    pub fn interrupted(&mut self, policy: Name) {
        self.policies.entry(policy).or_default().state = State::Owed { job: Job::Resume, wait: Wait::default() };
    }

    /// Takes the policies as they are now, and answers what is worth saying about some.
    pub fn replace(&mut self, planned: Vec<Planned>, now: Timestamp) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let named: BTreeSet<Name> = planned.iter().map(|planned| planned.policy.clone()).collect();
        for Planned { policy: name, schedule: spec, retry, asked, since } in planned {
            let policy = self.policies.entry(name.clone()).or_default();
            policy.retry = retry;
            policy.asked = asked;
            if let (true, State::Owed { wait, .. }) = (asked, &mut policy.state) {
                *wait = Wait::default();
            }
            let Some(spec) = spec else {
                policy.unschedule();
                continue;
            };
            if let Some(why) = policy.take(spec, since, now)
                && policy.remark.as_ref() != Some(&why)
            {
                policy.remark = Some(why.clone());
                remarks.push(Remark { policy: name, why });
            }
        }
        for (_, policy) in self.policies.iter_mut().filter(|(name, _)| !named.contains(name)) {
            policy.retry = None;
            policy.unschedule();
        }
        self.policies.retain(|_, policy| policy.schedule.is_some() || policy.retry.is_some() || !matches!(policy.state, State::Idle));
        remarks
    }

    /// How many jobs are under way.
    pub fn running(&self) -> usize {
        self.running
    }

    /// What to start now, the one due first before others, so that no more than `at_once` are under way. Counts as started.
    pub fn start(&mut self, now: Timestamp, at_once: usize) -> Vec<(Name, Job)> {
        let free = at_once.saturating_sub(self.running);
        if free == 0 {
            return Vec::new();
        }
        let mut ready: Vec<(Timestamp, Name, Job)> =
            self.policies.iter().filter_map(|(name, policy)| policy.ready(now).map(|(due, job)| (due, name.clone(), job))).collect();
        ready.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        ready.truncate(free);
        for (_, name, job) in &ready {
            if let Some(policy) = self.policies.get_mut(name) {
                let before = match std::mem::take(&mut policy.state) {
                    State::Owed { wait, .. } => wait,
                    State::Idle | State::Running { .. } => Wait::default(),
                };
                policy.asked &= !matches!(job, Job::Retry(_));
                policy.state = State::Running { job: *job, before };
                self.running += 1;
            }
        }
        ready.into_iter().map(|(_, name, job)| (name, job)).collect()
    }

    /// When something can start that can't now; where `at_once` leaves something waiting, its turn comes with the end of another.
    pub fn next_start(&self, now: Timestamp) -> Option<Timestamp> {
        self.policies.values().filter_map(|policy| policy.next(now)).min()
    }

    /// The policy's job is done.
    pub fn done(&mut self, policy: &Name) {
        self.end(policy, |job, _| (State::Idle, if let Job::Run(due) = job { Some(due) } else { None }));
    }

    /// The policy's job could not begin; the same again after so long.
    pub fn put_off(&mut self, policy: &Name, now: Timestamp, time: Duration) {
        self.end(policy, |job, _| (State::Owed { job, wait: Wait { from: now, time, failure: None } }, None));
    }

    /// The policy's job failed; the same again after a wait that doubles from `first` up to `most`.
    pub fn failed(&mut self, policy: &Name, now: Timestamp, why: &str, first: Duration, most: Duration) -> Failed {
        let mut answer = Failed { wait: first, new: true };
        self.end(policy, |job, before| {
            answer.new = before.failure.as_deref() != Some(why);
            answer.wait = if before.failure.is_some() { before.time.saturating_mul(2).min(most) } else { first };
            (State::Owed { job, wait: Wait { from: now, time: answer.wait, failure: Some(why.to_owned()) } }, None)
        });
        answer
    }

    fn end(&mut self, policy: &Name, next: impl FnOnce(Job, Wait) -> (State, Option<Timestamp>)) {
        let Some(policy) = self.policies.get_mut(policy) else { return };
        // What is to be tried again after this job the next look says.
        policy.retry = policy.retry.filter(|_| policy.asked);
        if let State::Running { job, before } = std::mem::take(&mut policy.state) {
            self.running = self.running.saturating_sub(1);
            let (state, settled) = next(job, before);
            policy.state = state;
            policy.since = policy.since.max(settled.unwrap_or(policy.since));
        }
    }
}

impl Policy {
    /// A person took its schedule away: what has not begun does not begin any more, what has is ended.
    fn unschedule(&mut self) {
        self.schedule = None;
        if let State::Owed { job, .. } = &mut self.state {
            *job = Job::Resume;
        }
    }

    /// What is due while nothing is owed, and when the next of it is: the run before what is tried again, which it does too.
    fn due(&self, now: Timestamp) -> Option<(Timestamp, Job)> {
        let schedule = self.schedule.as_ref().and_then(|read| read.schedule.as_ref());
        let run = schedule.and_then(|schedule| schedule.latest_at_or_before(now, self.since)).map(|due| (due, Job::Run(due)));
        run.or_else(|| self.retry.filter(|due| *due <= now).map(|due| (due, Job::Retry(due))))
    }

    /// Takes what is planned of it now, and answers what is worth saying.
    fn take(&mut self, spec: ScheduleSpec, since: Timestamp, now: Timestamp) -> Option<String> {
        // What was asked for a moment ago may not be in the store yet.
        self.since = self.since.max(since);
        if self.schedule.as_ref().is_none_or(|read| read.spec != spec) {
            self.remark = None;
            let (schedule, refused) = match Schedule::parse(&spec) {
                Ok(schedule) => (Some(schedule), None),
                Err(error) => (None, Some(format!("it is not run: {error}"))),
            };
            self.schedule = Some(Read { spec, schedule });
            if refused.is_some() {
                return refused;
            }
        }
        // Some minutes' difference between nodes is no news.
        (self.since.0 > now.0.saturating_add(600_000))
            .then(|| format!("it is not run before {}: up to then it has had its runs. Is this machine's clock right?", self.since))
    }

    /// What can start now, and since when it has been due.
    fn ready(&self, now: Timestamp) -> Option<(Timestamp, Job)> {
        match &self.state {
            State::Owed { job, wait } if wait.over_at(now) <= now => match job {
                Job::Resume => Some((Timestamp::MIN, *job)),
                Job::Run(due) | Job::Retry(due) => Some((*due, *job)),
            },
            State::Running { .. } | State::Owed { .. } => None,
            State::Idle => self.due(now),
        }
    }

    /// When it can start next, if not now.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.state {
            State::Running { .. } => None,
            State::Owed { wait, .. } => Some(wait.over_at(now)).filter(|over| *over > now),
            State::Idle => {
                let schedule = self.schedule.as_ref().and_then(|read| read.schedule.as_ref());
                let run = schedule.and_then(|schedule| schedule.next_after(self.since.max(now)));
                run.into_iter().chain(self.retry.filter(|due| *due > now)).min()
            }
        }
    }
}
