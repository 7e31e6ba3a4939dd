//! Places of work that many tenants share, so that none of them keeps the others from theirs.
//!
//! Nobody holds more than twice what is left free: one tenant alone has two thirds of the places, two have two fifths each, and whoever comes next finds some free at once, however long the
//! others hold theirs (the dynamic thresholds of switches that share a buffer). A place that is given back goes to whoever of those that wait has had the least since it was last
//! without work: a run that has just begun goes before one that has been at it for minutes, and two that never end have the same, since what was had is forgotten by half in [`HALF_LIFE`].
//!
//! Tenants of other weights ([`Share`]) have as much as their weights say: what one has had is counted by it, and who weighs less than the heaviest at work holds that much less. One that has
//! used up its processor time of the day weighs the least, comes after all that have not, and evaluates beside them as below; nothing that it has to do is left undone.
//!
//! Places are no use to one whose threads get no processor. So while somebody is at work who has had less than half of what another has, that other evaluates in a quarter of the processors alone,
//! and in one at least, and does its work with a lower priority. A module's time is that of its thread's processor, so none fails for that.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use consign_model::TenantId;
use consign_model::quota::Weight;
use tokio::sync::oneshot;

/// After this time half of what a tenant has had is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// Seconds that are no more than another's, however little that one has had: many runs that begin at once are all alike.
const LITTLE: f64 = 5.0;
/// As tokio's threads for blocking work have.
const STACK: usize = 2 << 20;

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A window at work. Each holds a thread that waits for other threads (of the archive), so there must always be some left: far fewer than tokio has for blocking work (512).
    Window,
    /// A window that is being evaluated. Each may hold as much memory as all modules of its policy together may have; and a module's time is measured by the clock, so it must not
    /// wait long for a processor.
    Evaluation,
}

const KINDS: [Kind; 2] = [Kind::Window, Kind::Evaluation];

/// How much of the places is a tenant's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    weight: Weight,
    /// Whether its processor time of the day is used up.
    is_spent: bool,
}

impl Default for Share {
    fn default() -> Self {
        Self::new(Weight::default(), false)
    }
}

impl Share {
    pub fn new(weight: Weight, is_spent: bool) -> Self {
        Self { weight, is_spent }
    }

    /// What it counts.
    fn weight(self) -> f64 {
        if self.is_spent { f64::from(Weight::LEAST) } else { f64::from(self.weight) }
    }
}

/// Places of both kinds.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: [usize; 2],
    /// Evaluations of a tenant that has had much more than another that is at work.
    modest: usize,
    /// From which times are counted.
    begun: Instant,
    /// Those who are at work, or wait to be.
    tenants: HashMap<TenantId, Account>,
    /// Of those that have another than everybody.
    shares: HashMap<TenantId, Share>,
    /// Who comes first, of those who have had the same.
    tickets: u64,
}

/// What a tenant has and has had. Times are in seconds.
#[derive(Debug)]
struct Account {
    share: Share,
    /// When each of the places that it holds was taken.
    held: [Vec<f64>; 2],
    /// For how long it was at work on windows that it has left, as that counted at `at`.
    used: f64,
    at: f64,
    waiting: [VecDeque<(u64, oneshot::Sender<f64>)>; 2],
}

impl Account {
    fn new(share: Share) -> Self {
        Self { share, held: Default::default(), used: 0.0, at: 0.0, waiting: Default::default() }
    }

    /// What is left of `used`.
    fn remembered(&self, now: f64) -> f64 {
        self.used * (-(now - self.at) / HALF_LIFE.as_secs_f64()).exp2()
    }

    /// For how long it was at work on windows, each counted, less what is forgotten.
    fn had(&self, now: f64) -> f64 {
        self.remembered(now) + self.held[Kind::Window as usize].iter().map(|taken_at| now - taken_at).sum::<f64>()
    }

    /// The same by its weight: as whoever has none set would have had it.
    fn counted(&self, now: f64) -> f64 {
        self.had(now) * f64::from(Weight::default()) / self.share.weight()
    }

    /// Whether it has had much more than somebody who is at work, and has had this.
    fn is_ahead(&self, least: f64, now: f64) -> bool {
        self.counted(now) > 2.0 * least + LITTLE
    }

    fn is_at_work(&self) -> bool {
        self.held.iter().any(|held| !held.is_empty()) || self.waiting.iter().any(|waiting| !waiting.is_empty())
    }
}

impl State {
    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn wait(&mut self, kind: Kind, tenant: &TenantId, now: f64) -> oneshot::Receiver<f64> {
        let (hand, handed) = oneshot::channel();
        let share = self.shares.get(tenant).copied().unwrap_or_default();
        let account = self.tenants.entry(tenant.clone()).or_insert_with(|| Account::new(share));
        account.waiting[kind as usize].push_back((self.tickets, hand));
        self.tickets += 1;
        self.hand_out(now);
        handed
    }

    /// Hands places to those who wait, as long as there is one for somebody.
    fn hand_out(&mut self, now: f64) {
        for kind in KINDS {
            while self.hand_one(kind, now) {}
        }
    }

    fn at_work(&self) -> impl Iterator<Item = &Account> {
        self.tenants.values().filter(|account| account.is_at_work())
    }

    /// What whoever of those at work has had the least has had.
    fn least(&self, now: f64) -> f64 {
        self.at_work().map(|account| account.counted(now)).fold(f64::INFINITY, f64::min)
    }

    /// Whether somebody is at work whose processor time is not used up.
    fn is_anybody_entitled(&self) -> bool {
        self.at_work().any(|account| !account.share.is_spent)
    }

    fn hand_one(&mut self, kind: Kind, now: f64) -> bool {
        let (place, free, modest) = (kind as usize, self.free[kind as usize], self.modest);
        let waits = |account: &Account| !account.waiting[place].is_empty();
        // Nearly always nobody waits, or one tenant alone.
        if free == 0 || !self.tenants.values().any(waits) {
            return false;
        }
        let (least, is_anybody_entitled) = (self.least(now), self.is_anybody_entitled());
        let heaviest = self.at_work().map(|account| account.share.weight()).fold(0.0, f64::max);
        let is_behind = |account: &Account| account.is_ahead(least, now) || (account.share.is_spent && is_anybody_entitled);
        let may = |account: &Account| {
            let held = account.held[place].len();
            #[expect(clippy::cast_precision_loss, reason = "there are not so many places")]
            let has_room = held == 0 || (held as f64) * heaviest < 2.0 * (free as f64) * account.share.weight();
            has_room && (kind == Kind::Window || held < modest || !is_behind(account))
        };
        let rank = |account: &Account| (account.share.is_spent, account.counted(now), account.waiting[place].front().map(|(ticket, _)| *ticket));
        let next = self.tenants.values_mut().filter(|account| waits(account) && may(account)).min_by(|one, other| {
            let ((one_spent, one, earlier), (other_spent, other, later)) = (rank(one), rank(other));
            one_spent.cmp(&other_spent).then(one.total_cmp(&other)).then(earlier.cmp(&later))
        });
        let Some(account) = next else { return false };
        // Of one who has gone away nothing is taken.
        if let Some((_, waiter)) = account.waiting[place].pop_front()
            && waiter.send(now).is_ok()
        {
            account.held[place].push(now);
            self.free[place] -= 1;
        }
        true
    }

    fn give_back(&mut self, kind: Kind, tenant: &TenantId, taken_at: f64, now: f64) {
        if let Some(account) = self.tenants.get_mut(tenant) {
            let held = &mut account.held[kind as usize];
            if let Some(place) = held.iter().position(|one| one.total_cmp(&taken_at).is_eq()) {
                held.swap_remove(place);
            }
            if kind == Kind::Window {
                (account.used, account.at) = (account.remembered(now) + (now - taken_at), now);
            }
        }
        self.free[kind as usize] += 1;
        self.hand_out(now);
        if self.tenants.get(tenant).is_some_and(|account| !account.is_at_work()) {
            self.tenants.remove(tenant);
        }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    shared: &'a Shared,
    kind: Kind,
    tenant: TenantId,
    taken_at: f64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let now = state.now();
        state.give_back(self.kind, &self.tenant, self.taken_at, now);
    }
}

/// Somebody who waits. One who goes away with a place that was just handed out gives it back.
struct Waiter<'s, 't> {
    shared: &'s Shared,
    kind: Kind,
    tenant: &'t TenantId,
    handed: oneshot::Receiver<f64>,
}

impl<'s> Waiter<'s, '_> {
    fn place(&self, taken_at: f64) -> Place<'s> {
        Place { shared: self.shared, kind: self.kind, tenant: self.tenant.clone(), taken_at }
    }
}

impl Drop for Waiter<'_, '_> {
    fn drop(&mut self) {
        self.handed.close();
        // Nothing is there where it was taken, or never came.
        if let Ok(taken_at) = self.handed.try_recv() {
            drop(self.place(taken_at));
        }
    }
}

impl Shared {
    /// For so many windows at work, of which so many are evaluated, on a machine with so many processors.
    pub(crate) fn new(windows: usize, evaluations: usize, processors: usize) -> Self {
        let state = State {
            free: [windows, evaluations],
            modest: (processors / 4).max(1),
            begun: Instant::now(),
            tenants: HashMap::new(),
            shares: HashMap::new(),
            tickets: 0,
        };
        Self { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under it panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is a tenant's from now on.
    pub(crate) fn set_share(&self, tenant: &TenantId, share: Share) {
        let mut state = self.lock();
        if let Some(account) = state.tenants.get_mut(tenant) {
            account.share = share;
        }
        if share == Share::default() {
            state.shares.remove(tenant);
        } else {
            state.shares.insert(tenant.clone(), share);
        }
        let now = state.now();
        state.hand_out(now);
    }

    /// Does some work of a tenant's, at a lower priority where its processor time is used up, or somebody else is at work who has had much less.
    pub(crate) fn in_turn<T: Send>(&self, tenant: &TenantId, work: impl FnOnce() -> T + Send) -> T {
        let is_ahead = {
            let state = self.lock();
            let now = state.now();
            state.tenants.get(tenant).is_some_and(|account| account.share.is_spent || account.is_ahead(state.least(now), now))
        };
        if is_ahead { yielding(work) } else { work() }
    }

    /// A place for this tenant, when it is its turn. Unset only while the process ends.
    pub(crate) async fn take(&self, kind: Kind, tenant: &TenantId) -> Option<Place<'_>> {
        let handed = {
            let mut state = self.lock();
            let now = state.now();
            state.wait(kind, tenant, now)
        };
        let mut waiter = Waiter { shared: self, kind, tenant, handed };
        let taken_at = (&mut waiter.handed).await.ok()?;
        Some(waiter.place(taken_at))
    }
}

/// Does it at a lower priority, on a thread of its own, since a thread that has lowered its priority may not raise it again. Where no such thread can be had it is done here.
fn yielding<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let work = Mutex::new(Some(work));
    let taken = || work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let there = || {
        lower_priority();
        taken().map(|work| work())
    };
    let done = std::thread::scope(|scope| {
        let begun = std::thread::Builder::new().name("yielding".to_owned()).stack_size(STACK).spawn_scoped(scope, there);
        begun.map(std::thread::ScopedJoinHandle::join)
    });
    match done {
        Ok(Ok(Some(answer))) => answer,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Ok(Ok(None)) | Err(_) => match taken() {
            Some(work) => work(),
            None => unreachable!("what was not done there is still to be done"),
        },
    }
}

/// Of this thread alone, which only Linux knows of: from here on it has what no other thread wants. (To be nicer is not enough: whoever wakes up waits for the slice of the one that runs.)
#[cfg(target_os = "linux")]
fn lower_priority() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is this thread, and the pointer is to a value on its stack that lives until after the call.
    #[expect(unsafe_code, reason = "the libraries have no safe form; see the comment above")]
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) };
    if answer != 0 {
        // One that stays as it was takes more than its part, and is right all the same.
        tracing::debug!("a thread could not lower its priority: {}", std::io::Error::last_os_error());
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use consign_model::Name;
    use futures::FutureExt;

    use super::Kind::{Evaluation, Window};
    use super::*;

    fn name(text: &str) -> TenantId {
        text.parse::<Name>().unwrap()
    }

    /// Takes what can be had at once.
    fn all<'a>(shared: &'a Shared, kind: Kind, tenant: &TenantId) -> Vec<Place<'a>> {
        std::iter::from_fn(|| tokio::task::unconstrained(shared.take(kind, tenant)).now_or_never().flatten()).collect()
    }

    #[tokio::test]
    async fn some_are_left_for_whoever_comes_next() {
        let shared = Shared::new(96, 4, 2);
        let first = all(&shared, Window, &name("a"));
        assert_eq!(first.len(), 64, "two thirds");
        let second = all(&shared, Window, &name("b"));
        let third = all(&shared, Window, &name("c"));
        assert_eq!((second.len(), third.len()), (22, 7));
        assert_eq!(all(&shared, Evaluation, &name("d")).len(), 3, "places of one kind are none of another");
        drop((first, second, third));
        assert_eq!(all(&shared, Window, &name("d")).len(), 64, "all came back");
        // Of one there is, somebody gets it.
        assert_eq!(all(&Shared::new(1, 1, 1), Window, &name("a")).len(), 1);
    }

    #[test]
    fn whoever_has_had_the_least_is_next() {
        let shared = Shared::new(3, 4, 2);
        let mut state = shared.lock();
        let (busy, other) = (name("busy"), name("other"));
        let handed = |state: &mut State, tenant: &TenantId| state.wait(Window, tenant, 0.0).try_recv();
        assert!(handed(&mut state, &busy).is_ok() && handed(&mut state, &busy).is_ok() && handed(&mut state, &name("beside")).is_ok());
        // The busy one waits first, and comes last.
        let mut waiting = [&busy, &busy, &other, &other].map(|tenant| (tenant, state.wait(Window, tenant, 5.0)));
        let mut order = Vec::new();
        state.give_back(Window, &busy, 0.0, 5.0);
        for second in 6..10 {
            let now = f64::from(second);
            let next = waiting.iter_mut().find_map(|(tenant, handed)| Some((tenant.clone(), handed.try_recv().ok()?)));
            let (tenant, taken_at) = next.unwrap();
            state.give_back(Window, &tenant, taken_at, now);
            order.push(tenant.to_string());
        }
        assert_eq!(order, ["other", "other", "busy", "busy"]);
    }

    #[test]
    fn whoever_has_had_much_more_is_modest_while_the_other_is_at_work() {
        let shared = Shared::new(96, 8, 8);
        let mut state = shared.lock();
        let (busy, other) = (name("busy"), name("other"));
        let mut windows: Vec<_> = (0..9).map(|_| state.wait(Window, &busy, 0.0)).collect();
        let handed = |state: &mut State, tenant: &TenantId, now| state.wait(Evaluation, tenant, now).try_recv().ok();
        // Alone it has all that it may.
        let evaluations: Vec<f64> = (0..9).map_while(|_| handed(&mut state, &busy, 10.0)).collect();
        assert_eq!(evaluations.len(), 6);
        let beside = state.wait(Window, &other, 10.0).try_recv().unwrap();
        for taken_at in evaluations {
            state.give_back(Evaluation, &busy, taken_at, 11.0);
        }
        assert_eq!((0..9).map_while(|_| handed(&mut state, &busy, 11.0)).count(), 2, "a quarter of the processors");
        assert_eq!((0..9).map_while(|_| handed(&mut state, &other, 11.0)).count(), 4, "and the other what it may");
        // When the other is done it has all again: those of it who wait, at once.
        for _ in 0..4 {
            state.give_back(Evaluation, &other, 11.0, 12.0);
        }
        let mut waits = state.wait(Evaluation, &busy, 12.0);
        assert!(waits.try_recv().is_err());
        state.give_back(Window, &other, beside, 12.0);
        assert!(waits.try_recv().is_ok());
        assert!(windows.iter_mut().all(|handed| handed.try_recv().is_ok()));
    }

    fn share(weight: u8, is_spent: bool) -> Share {
        Share::new(Weight::try_from(weight).unwrap(), is_spent)
    }

    #[tokio::test]
    async fn places_are_held_by_weight() {
        let shared = Shared::new(96, 4, 2);
        let (heavy, light) = (name("heavy"), name("light"));
        shared.set_share(&light, share(5, false));
        let alone = all(&shared, Window, &light);
        assert_eq!(alone.len(), 64, "alone a light one has what anybody has");
        drop(alone);
        // Of one with half the weight each holds as much as is left free, and never none.
        let first = all(&shared, Window, &heavy);
        assert_eq!((first.len(), all(&shared, Window, &light).len()), (64, 16));
        shared.set_share(&light, share(1, false));
        assert_eq!(all(&shared, Window, &light).len(), 6);
        drop(first);
        let one = Shared::new(3, 1, 1);
        one.set_share(&light, share(1, false));
        let held = all(&one, Window, &heavy);
        assert_eq!((held.len(), all(&one, Window, &light).len()), (2, 1), "the last one");
    }

    /// Three that never end, over an hour: beside a sum that knows nothing of how places are given.
    #[test]
    fn what_is_had_follows_the_weights() {
        let shared = Shared::new(6, 6, 6);
        let tenants = [("a", 10), ("b", 20), ("c", 30)].map(|(tenant, weight)| (name(tenant), weight));
        for (tenant, weight) in &tenants {
            shared.set_share(tenant, share(*weight, false));
        }
        let mut state = shared.lock();
        // Two places for three, each of whom always wants one more and keeps each for a second.
        let mut others: Vec<_> = (0..4).map(|_| state.wait(Window, &name("z"), 0.0)).collect();
        let mut wants: Vec<_> = tenants.iter().map(|(tenant, _)| state.wait(Window, tenant, 0.0)).collect();
        let (mut held, mut had, mut now) = (Vec::new(), [0_u32; 3], 0.0);
        let take = |state: &mut State, wants: &mut Vec<oneshot::Receiver<f64>>, held: &mut Vec<(usize, f64)>, now: f64| {
            while let Some((index, taken_at)) = wants.iter_mut().enumerate().find_map(|(index, handed)| Some((index, handed.try_recv().ok()?))) {
                held.push((index, taken_at));
                wants[index] = state.wait(Window, &tenants[index].0, now);
            }
        };
        take(&mut state, &mut wants, &mut held, now);
        for _ in 0..3_600 {
            now += 1.0;
            for (index, taken_at) in std::mem::take(&mut held) {
                had[index] += 1;
                state.give_back(Window, &tenants[index].0, taken_at, now);
                take(&mut state, &mut wants, &mut held, now);
            }
        }
        assert!(others.iter_mut().all(|handed| handed.try_recv().is_ok()));
        let sum = f64::from(had.iter().sum::<u32>());
        for ((_, weight), had) in tenants.iter().zip(had) {
            let (is, should) = (f64::from(had) / sum, f64::from(*weight) / 60.0);
            assert!((is - should).abs() < 0.05, "{is} of all, by its weight {should}");
        }
    }

    #[test]
    fn whoever_has_used_up_its_time_comes_last() {
        let shared = Shared::new(96, 8, 8);
        let (spent, other) = (name("spent"), name("other"));
        shared.set_share(&spent, share(100, true));
        let mut state = shared.lock();
        let handed = |state: &mut State, tenant: &TenantId| state.wait(Evaluation, tenant, 0.0).try_recv().ok();
        // Alone it has all that anybody may have.
        assert_eq!((0..9).map_while(|_| handed(&mut state, &spent)).count(), 6);
        let mut waits = state.wait(Evaluation, &spent, 0.0);
        let mut comes = [state.wait(Evaluation, &other, 0.0), state.wait(Evaluation, &other, 0.0), state.wait(Evaluation, &other, 0.0)];
        for _ in 0..4 {
            state.give_back(Evaluation, &spent, 0.0, 1.0);
        }
        assert!(waits.try_recv().is_err() && comes.iter_mut().all(|handed| handed.try_recv().is_ok()), "the other first, whatever either has had");
        drop(state);
        // Another day.
        shared.set_share(&spent, share(100, false));
        assert!(waits.try_recv().is_ok());
    }

    #[tokio::test]
    async fn who_goes_away_keeps_nothing() {
        let shared = Shared::new(1, 1, 1);
        let held = shared.take(Window, &name("a")).await;
        let (one, other) = (name("b"), name("c"));
        let mut gone = Box::pin(shared.take(Window, &one));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut handed = Box::pin(shared.take(Window, &one));
        assert!(handed.as_mut().now_or_never().is_none());
        drop(gone);
        drop(held);
        // It was handed a place, and did not look.
        drop(handed);
        assert!(shared.take(Window, &other).now_or_never().flatten().is_some());
    }

    #[test]
    fn what_was_had_is_forgotten() {
        let shared = Shared::new(6, 4, 2);
        let mut state = shared.lock();
        let tenant = name("a");
        for _ in 0..4 {
            state.wait(Window, &tenant, 0.0).try_recv().unwrap();
        }
        let evaluation = state.wait(Evaluation, &tenant, 0.0).try_recv().unwrap();
        for _ in 0..4 {
            state.give_back(Window, &tenant, 0.0, 10.0);
        }
        let had = |state: &State, now| state.tenants[&tenant].had(now);
        assert!((had(&state, 10.0) - 40.0).abs() < 0.01, "{}", had(&state, 10.0));
        assert!((had(&state, 10.0 + HALF_LIFE.as_secs_f64()) - 20.0).abs() < 0.01);
        state.give_back(Evaluation, &tenant, evaluation, 11.0);
        assert!(state.tenants.is_empty(), "whoever is without work begins anew");
    }

    #[test]
    fn it_is_done_whoever_does_it() {
        assert_eq!(yielding(|| 7), 7);
        let failed = std::panic::catch_unwind(|| yielding(|| -> u8 { std::panic::resume_unwind(Box::new("no")) }));
        assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"no"));
    }
}
