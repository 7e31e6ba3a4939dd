//! Virtual time, and a runner with a store that outlives the process.
//!
//! The runtime has one thread. Whenever all tasks on it wait, the clock goes on to the next sleeper: so a year passes in no time, the order of events is the
//! same each time, and nothing in the tests sleeps.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use consign_model::policy::ScheduleSpec;
use consign_model::{Name, Timestamp};
use tokio::sync::Notify;

use crate::scheduler::{Clock, Ended, Planned, Runner, Settings, Stopped, serve};

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

pub fn millis(time: i64) -> Duration {
    Duration::from_millis(u64::try_from(time).unwrap())
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn cron(text: &str) -> ScheduleSpec {
    ScheduleSpec::Cron { cron: text.to_owned(), time_zone: "UTC".to_owned() }
}

#[derive(Default)]
struct Hands {
    /// Milliseconds since the beginning.
    elapsed: i64,
    /// What the clock shows at the beginning; setting the clock changes it.
    shown: i64,
    /// By when they end, and in the order they lay down.
    sleepers: BTreeMap<(i64, u64), Waker>,
    sleeps: u64,
}

#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<Hands>>);

impl VirtualClock {
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { shown: start.0, ..Hands::default() })))
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap()
    }

    /// Somebody sets the clock.
    pub fn set_by(&self, millis: i64) {
        self.hands().shown += millis;
    }

    pub fn sleeps(&self) -> u64 {
        self.hands().sleeps
    }

    /// Everything waits.
    fn go_on(&self) {
        let mut hands = self.hands();
        let ((by, _), waker) = hands.sleepers.pop_first().expect("everything waits, and nothing for the clock");
        hands.elapsed = hands.elapsed.max(by);
        drop(hands);
        waker.wake();
    }

    /// Runs it in this clock's time.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let clock = self.clone();
        tokio::runtime::Builder::new_current_thread().on_thread_park(move || clock.go_on()).build().unwrap().block_on(future)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let hands = self.hands();
        Timestamp(hands.shown + hands.elapsed)
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + 'static {
        let mut hands = self.hands();
        hands.sleeps += 1;
        Sleep { clock: self.clone(), key: (hands.elapsed + i64::try_from(time.as_millis()).unwrap(), hands.sleeps) }
    }
}

struct Sleep {
    clock: VirtualClock,
    key: (i64, u64),
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut hands = self.clock.hands();
        if hands.elapsed >= self.key.0 {
            return Poll::Ready(());
        }
        hands.sleepers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.hands().sleepers.remove(&self.key);
    }
}

/// How a policy behaves.
#[derive(Clone)]
pub struct Behaviour {
    pub schedule: ScheduleSpec,
    pub since: Timestamp,
    pub length: i64,
    /// When something is tried again.
    pub retry: Option<Timestamp>,
    /// So many of the next attempts fail, and how.
    pub failures: Vec<Failure>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Before the run is begun.
    Early,
    /// When it is half done.
    Midway,
    Panic,
    /// Asked to stop, and not by the end of serving.
    Stopped,
    /// The policy may not run for now.
    Paused,
}

/// An attempt at a run, as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub policy: Name,
    /// None where an interrupted run was resumed.
    pub due: Option<Timestamp>,
    pub from: Timestamp,
    /// None where it was cut off or failed.
    pub to: Option<Timestamp>,
}

#[derive(Default)]
pub struct Records {
    pub policies: BTreeMap<Name, Behaviour>,
    pub last_due: BTreeMap<Name, Timestamp>,
    /// Begun and not ended.
    pub open: BTreeMap<Name, Timestamp>,
    pub finished: Vec<(Name, Timestamp)>,
    pub attempts: Vec<Attempt>,
    /// When something was tried again.
    pub retried: Vec<(Name, Timestamp)>,
    pub under_way: BTreeSet<Name>,
    pub most_at_once: usize,
    pub looks: usize,
    /// The next so many looks fail.
    pub blind: usize,
    /// Runs heed `stopping`.
    pub heeds: bool,
    pub stopping: bool,
}

/// What outlives the process: policies, runs, and the clock.
#[derive(Clone)]
pub struct World {
    pub clock: VirtualClock,
    records: Arc<Mutex<Records>>,
    pub changed: Arc<Notify>,
    stop: Arc<Notify>,
}

impl World {
    pub fn new(start: &str) -> Self {
        Self { clock: VirtualClock::new(at(start)), records: Arc::default(), changed: Arc::default(), stop: Arc::default() }
    }

    pub fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    /// Adds a policy now, whose runs take so long.
    pub fn add(&self, policy: &str, schedule: &str, length: i64) {
        let since = self.clock.now();
        self.records().policies.insert(name(policy), Behaviour { schedule: cron(schedule), since, length, retry: None, failures: Vec::new() });
    }

    pub fn fail(&self, policy: &str, failures: &[Failure]) {
        self.records().policies.get_mut(&name(policy)).unwrap().failures = failures.to_vec();
    }

    /// Serves for so long.
    pub fn serve(&self, time: i64) -> Stopped {
        self.serve_with(Settings::default(), time, async |_| {})
    }

    /// Serves for so long while something else happens.
    pub fn serve_with(&self, settings: Settings, time: i64, meanwhile: impl AsyncFnOnce(&World)) -> Stopped {
        self.records().stopping = false;
        self.clock.block_on(async {
            let until = self.clock.sleep(millis(time));
            let serving = serve(Arc::new(self.clone()), self.clock.clone(), settings, &self.changed, until);
            tokio::join!(serving, meanwhile(self)).0
        })
    }

    pub async fn pass(&self, time: i64) {
        self.clock.sleep(millis(time)).await;
    }

    /// The due times that have had their run, of one policy.
    pub fn finished(&self, policy: &str) -> Vec<Timestamp> {
        self.records().finished.iter().filter(|(name, _)| name.as_str() == policy).map(|(_, due)| *due).collect()
    }

    /// `start due end` of each attempt, as times of day.
    pub fn story(&self, policy: &str) -> Vec<String> {
        let day = |time: Timestamp| time.to_utc().format("%H:%M").to_string();
        let records = self.records();
        let attempts = records.attempts.iter().filter(|attempt| attempt.policy.as_str() == policy);
        attempts.map(|run| format!("{} {} {}", day(run.from), run.due.map_or("resume".to_owned(), day), run.to.map_or("-".to_owned(), day))).collect()
    }

    /// Begins a run or goes on with one.
    async fn attempt(&self, policy: &Name, due: Option<Timestamp>) -> Result<Ended, String> {
        let from = self.clock.now();
        let _under_way = UnderWay::new(self, policy);
        let (index, behaviour, failure) = {
            let mut records = self.records();
            let behaviour = records.policies.get_mut(policy).ok_or("no such policy")?;
            let failure = if behaviour.failures.is_empty() { None } else { Some(behaviour.failures.remove(0)) };
            let behaviour = behaviour.clone();
            if failure == Some(Failure::Stopped) {
                return Ok(Ended::Stopped);
            }
            if failure == Some(Failure::Paused) {
                return Ok(Ended::Paused);
            }
            records.attempts.push(Attempt { policy: policy.clone(), due, from, to: None });
            (records.attempts.len() - 1, behaviour, failure)
        };
        if failure == Some(Failure::Early) {
            return Err("the store is away".to_owned());
        }
        let due = {
            let mut records = self.records();
            match (records.open.get(policy).copied(), due) {
                (Some(open), None) => open,
                (Some(open), Some(due)) => {
                    assert_eq!(open, due, "the older run has to be ended first");
                    open
                }
                (None, None) => return Ok(Ended::Done),
                (None, Some(due)) => {
                    assert!(due <= from, "asked for before it was due");
                    if records.last_due.get(policy).is_some_and(|last| *last >= due) {
                        return Ok(Ended::AlreadyRun);
                    }
                    records.open.insert(policy.clone(), due);
                    records.last_due.insert(policy.clone(), due);
                    due
                }
            }
        };
        match failure {
            Some(Failure::Midway) => {
                self.pass(behaviour.length / 2).await;
                return Err("the disk is full".to_owned());
            }
            Some(Failure::Panic) => panic!("a fault that says hunter2"),
            _ => {}
        }
        let heeds = self.records().heeds;
        tokio::select! {
            () = self.pass(behaviour.length) => {}
            () = self.stop.notified(), if heeds => return Ok(Ended::Stopped),
        }
        let now = self.clock.now();
        let mut records = self.records();
        records.open.remove(policy);
        records.finished.push((policy.clone(), due));
        records.attempts[index].to = Some(now);
        Ok(Ended::Done)
    }
}

impl Runner for World {
    type Error = String;

    async fn planned(&self) -> Result<Vec<Planned>, String> {
        let mut records = self.records();
        records.looks += 1;
        if records.blind > 0 {
            records.blind -= 1;
            return Err("the store is away".to_owned());
        }
        let since = |name: &Name, since: Timestamp| records.last_due.get(name).map_or(since, |last| since.max(*last));
        Ok(records
            .policies
            .iter()
            .map(|(name, policy)| Planned {
                policy: name.clone(),
                schedule: Some(policy.schedule.clone()),
                asked: false,
                retry: policy.retry,
                since: since(name, policy.since),
            })
            .collect())
    }

    async fn interrupted(&self) -> Result<Vec<Name>, String> {
        Ok(self.records().open.keys().cloned().collect())
    }

    async fn resume(&self, policy: &Name) -> Result<Ended, String> {
        self.attempt(policy, None).await
    }

    async fn run(&self, policy: &Name, due: Timestamp) -> Result<Ended, String> {
        self.attempt(policy, Some(due)).await
    }

    async fn retry(&self, policy: &Name) -> Result<Ended, String> {
        let _under_way = UnderWay::new(self, policy);
        let now = self.clock.now();
        let mut records = self.records();
        let due = records.policies.get_mut(policy).and_then(|behaviour| behaviour.retry.take());
        assert!(due.is_some_and(|due| due <= now), "nothing was due");
        records.retried.push((policy.clone(), now));
        Ok(Ended::Done)
    }

    fn stopping(&self) {
        self.records().stopping = true;
        self.stop.notify_waiters();
    }
}

/// Sees to it that a policy's runs never overlap, also where one is cut off.
struct UnderWay<'a>(&'a World, Name);

impl<'a> UnderWay<'a> {
    fn new(world: &'a World, policy: &Name) -> Self {
        let mut records = world.records();
        assert!(!records.stopping, "started while stopping");
        assert!(records.under_way.insert(policy.clone()), "two runs of {policy} at once");
        records.most_at_once = records.most_at_once.max(records.under_way.len());
        drop(records);
        Self(world, policy.clone())
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // Poisoned where a run panicked with the lock held, which none does.
        if let Ok(mut records) = self.0.records.lock() {
            records.under_way.remove(&self.1);
        }
    }
}
