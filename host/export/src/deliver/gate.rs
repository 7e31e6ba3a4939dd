//! Whether a target may be asked now: how often a minute, and not at all while it is down.
//!
//! A server that is down is found out by a few e-mails, not by each of a hundred thousand, of which every one may wait for a time limit. What is not
//! handed over for either reason was not tried: it counts no attempt and uses up none of the time that an e-mail has.
//!
//! One gate stands before each version of a target, for all runs of a process: a target that was changed is another one, and asked at once.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use consign_model::alert::DownCause;
use consign_model::{Name, Outcome, RecipientOutcome, TenantId, Timestamp};

/// E-mails one after the other by which a target counts as down.
const FAILURES: u32 = 5;
/// How long it is left alone then; doubled each time that it is still down.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// All gates of a process.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<HashMap<(TenantId, Name, u32), Arc<Gate>>>);

impl Gates {
    /// The gate of a version of a target.
    pub(crate) fn of(&self, tenant: &TenantId, target: &Name, version: u32, per_minute: Option<NonZeroU32>) -> Arc<Gate> {
        let mut gates = lock(&self.0);
        // Earlier versions are not asked any more, but by runs that have theirs.
        gates.retain(|(of, name, number), _| (of, name) != (tenant, target) || *number == version);
        Arc::clone(gates.entry((tenant.clone(), target.clone(), version)).or_insert_with(|| Arc::new(Gate::new(per_minute))))
    }

    /// How a version of a target stands, as far as this process has seen.
    pub(crate) fn standing(&self, tenant: &TenantId, target: &Name, version: u32) -> Reachable {
        let gate = lock(&self.0).get(&(tenant.clone(), target.clone(), version)).map(Arc::clone);
        gate.map_or(Reachable::Unknown, |gate| gate.standing(Instant::now(), Timestamp::now()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under it is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a target can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reachable {
    /// It was not asked yet, or too seldom to say.
    Unknown,
    /// It answered the last time.
    Up,
    /// It could not be used several times running, and did not answer since.
    Down {
        /// How.
        cause: DownCause,
        /// It is not asked before.
        next_attempt: Timestamp,
    },
}

/// Stands before one target.
#[derive(Debug)]
pub(crate) struct Gate {
    /// From one e-mail to the next, at least.
    spacing: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The next e-mail may go at this time.
    turn: Instant,
    circuit: Circuit,
    /// Since this process began.
    has_answered: bool,
}

#[derive(Debug)]
enum Circuit {
    /// The target is asked. It could not be used by so many e-mails, one after the other.
    Closed { failures: u32 },
    /// It is not asked before `until`, and then by one e-mail, which decides.
    Open { until: Instant, pause: Duration, why: String, cause: DownCause },
}

impl Gate {
    pub(crate) fn new(per_minute: Option<NonZeroU32>) -> Self {
        let spacing = per_minute.map_or(Duration::ZERO, |number| Duration::from_mins(1) / number.get());
        Self { spacing, state: Mutex::new(State { turn: Instant::now(), circuit: Circuit::Closed { failures: 0 }, has_answered: false }) }
    }

    /// Whether the target is not asked now.
    pub(crate) fn is_down(&self) -> bool {
        lock(&self.state).circuit.refuses(Instant::now()).is_err()
    }

    /// Waits for this e-mail's turn. The error is for a person: the target is down, and the e-mail must not be tried.
    pub(crate) async fn pass(&self) -> Result<Pass, String> {
        let turn = self.turn(Instant::now())?;
        tokio::time::sleep_until(turn.into()).await;
        // It may have gone down meanwhile.
        self.enter(Instant::now())
    }

    /// Hears what became of an e-mail that passed.
    pub(crate) fn hear(&self, pass: &Pass, outcomes: &[RecipientOutcome]) {
        self.hear_at(Instant::now(), pass, outcomes);
    }

    /// When the next e-mail's turn is.
    fn turn(&self, now: Instant) -> Result<Instant, String> {
        let mut state = lock(&self.state);
        state.circuit.refuses(now)?;
        let turn = state.turn.max(now);
        state.turn = turn + self.spacing;
        Ok(turn)
    }

    fn standing(&self, now: Instant, clock: Timestamp) -> Reachable {
        let state = lock(&self.state);
        match &state.circuit {
            Circuit::Open { until, cause, .. } => {
                let pause = i64::try_from(until.saturating_duration_since(now).as_millis()).unwrap_or(i64::MAX);
                Reachable::Down { cause: *cause, next_attempt: Timestamp(clock.0.saturating_add(pause)) }
            }
            Circuit::Closed { failures: 0 } if state.has_answered => Reachable::Up,
            Circuit::Closed { .. } => Reachable::Unknown,
        }
    }

    fn enter(&self, now: Instant) -> Result<Pass, String> {
        let mut state = lock(&self.state);
        state.circuit.refuses(now)?;
        match &mut state.circuit {
            Circuit::Closed { .. } => Ok(Pass { probes: false }),
            Circuit::Open { until, pause, .. } => {
                *until = now + *pause;
                Ok(Pass { probes: true })
            }
        }
    }

    fn hear_at(&self, now: Instant, pass: &Pass, outcomes: &[RecipientOutcome]) {
        let failure =
            outcomes.first().filter(|_| outcomes.iter().all(|one| is_the_targets(&one.outcome))).map(|one| (one.outcome.text(), cause(&one.outcome)));
        let mut state = lock(&self.state);
        state.has_answered |= failure.is_none();
        state.circuit = match (failure, &state.circuit) {
            (None, _) => Circuit::Closed { failures: 0 },
            (Some(_), Circuit::Closed { failures }) if failures + 1 < FAILURES => Circuit::Closed { failures: failures + 1 },
            (Some((why, cause)), Circuit::Closed { .. }) => Circuit::Open { until: now + FIRST_PAUSE, pause: FIRST_PAUSE, why, cause },
            (Some((why, cause)), Circuit::Open { pause, .. }) if pass.probes => {
                let pause = (*pause * 2).min(LONGEST_PAUSE);
                Circuit::Open { until: now + pause, pause, why, cause }
            }
            // Under way when it opened: nothing new.
            (Some(_), Circuit::Open { .. }) => return,
        };
    }
}

impl Circuit {
    fn refuses(&self, now: Instant) -> Result<(), String> {
        match self {
            Self::Open { until, why, .. } if now < *until => {
                Err(format!("not tried: the target could not be used {FAILURES} times running, at last {why}"))
            }
            Self::Open { .. } | Self::Closed { .. } => Ok(()),
        }
    }
}

/// The leave to hand over one e-mail.
#[derive(Debug)]
pub(crate) struct Pass {
    /// It finds out whether a target that was down still is.
    probes: bool,
}

/// Whether an outcome says of the target that it can't be used, and nothing of the e-mail.
fn is_the_targets(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::NotSent { .. } => !outcome.is_not_sendable(),
        Outcome::Unknown { .. } => true,
        Outcome::Deferred { reply } => reply.code == 421,
        Outcome::Accepted { .. } | Outcome::Rejected { .. } => false,
    }
}

fn cause(outcome: &Outcome) -> DownCause {
    match outcome {
        Outcome::Unknown { .. } => DownCause::NoAnswer,
        Outcome::Deferred { .. } => DownCause::Closing,
        Outcome::NotSent { .. } | Outcome::Accepted { .. } | Outcome::Rejected { .. } => DownCause::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use consign_model::Reply;

    use super::*;

    fn outcomes(outcome: Outcome) -> Vec<RecipientOutcome> {
        vec![RecipientOutcome { recipient: "a@archive.example".into(), outcome }]
    }

    fn down() -> Vec<RecipientOutcome> {
        outcomes(Outcome::not_sent("no connection"))
    }

    fn reply(code: u16) -> Reply {
        Reply { code, text: "said".into() }
    }

    #[test]
    fn a_target_that_is_down_is_left_alone_and_found_again() {
        let (gate, mut now) = (Gate::new(None), Instant::now());
        for _ in 0..5 {
            let pass = gate.enter(now).unwrap();
            gate.hear_at(now, &pass, &down());
        }
        let refused = gate.turn(now).unwrap_err();
        assert!(refused.contains("5 times running") && refused.contains("no connection"), "{refused}");
        // One finds out, and meanwhile no other.
        for pause in [30, 60, 120, 240, 300, 300] {
            now += Duration::from_secs(pause);
            gate.enter(now.checked_sub(Duration::from_millis(1)).unwrap()).unwrap_err();
            let probe = gate.enter(now).unwrap();
            gate.enter(now).unwrap_err();
            gate.hear_at(now, &probe, &down());
            gate.enter(now).unwrap_err();
        }
        now += Duration::from_mins(5);
        let probe = gate.enter(now).unwrap();
        gate.hear_at(now, &probe, &outcomes(Outcome::Deferred { reply: reply(451) }));
        gate.enter(now).unwrap();
    }

    #[test]
    fn how_it_stands_is_told_as_far_as_it_was_seen() {
        let (gate, now) = (Gate::new(None), Instant::now());
        let hear = |outcome: &[RecipientOutcome]| gate.hear_at(now, &Pass { probes: true }, outcome);
        let stands = || gate.standing(now, Timestamp(1_000));
        for _ in 0..4 {
            assert_eq!(stands(), Reachable::Unknown);
            hear(&down());
        }
        hear(&outcomes(Outcome::Deferred { reply: reply(421) }));
        assert_eq!(stands(), Reachable::Down { cause: DownCause::Closing, next_attempt: Timestamp(31_000) });
        hear(&outcomes(Outcome::Rejected { reply: reply(550) }));
        assert_eq!(stands(), Reachable::Up);
        // Once is not enough to say anything.
        hear(&down());
        assert_eq!(stands(), Reachable::Unknown);
    }

    #[test]
    fn what_is_said_of_an_email_does_not_count() {
        let (gate, now) = (Gate::new(None), Instant::now());
        for outcome in [Outcome::Rejected { reply: reply(550) }, Outcome::Deferred { reply: reply(452) }, Outcome::not_sendable("too large")] {
            for _ in 0..10 {
                let pass = gate.enter(now).unwrap();
                gate.hear_at(now, &pass, &outcomes(outcome.clone()));
            }
        }
        // Nor do failures that do not follow each other; and of two recipients one who was answered is enough.
        for _ in 0..10 {
            for what in [down(), [down(), outcomes(Outcome::Rejected { reply: reply(550) })].concat()] {
                let pass = gate.enter(now).unwrap();
                gate.hear_at(now, &pass, &what);
            }
        }
        gate.enter(now).unwrap();
    }

    #[test]
    fn so_many_in_a_minute_and_no_more() {
        let begun = Instant::now();
        let gate = Gate::new(NonZeroU32::new(120));
        let turns: Vec<Duration> = (0..240).map(|_| gate.turn(begun).unwrap().saturating_duration_since(begun)).collect();
        for from in [0, 30, 60] {
            let minute = Duration::from_secs(from)..Duration::from_secs(from + 60);
            assert!(turns.iter().filter(|at| minute.contains(*at)).count() <= 120);
        }
        assert!(turns.iter().max() >= Some(&Duration::from_secs(119)));
        // What was not used is not saved up.
        let later = begun + Duration::from_hours(1);
        assert_eq!((gate.turn(later).unwrap(), gate.turn(later).unwrap()), (later, later + Duration::from_millis(500)));
    }

    #[test]
    fn another_version_of_a_target_is_asked_at_once() {
        let gates = Gates::default();
        let (tenant, target): (TenantId, Name) = ("t".parse().unwrap(), "archive".parse().unwrap());
        let first = gates.of(&tenant, &target, 1, None);
        assert!(Arc::ptr_eq(&first, &gates.of(&tenant, &target, 1, None)));
        assert!(!Arc::ptr_eq(&first, &gates.of(&tenant, &target, 2, None)));
        assert_eq!(lock(&gates.0).len(), 1);
    }
}
