//! What a module costs: for each event, for each chat, in memory, and as a share of what it may use.
//!
//! Beside it, in the same rounds, runs a module that keeps everything ([`baseline`]): what that takes is the sandbox's own cost, and would be there whatever
//! the module did. Others on the machine only ever add to a figure, so the least of some rounds is what a comparison goes by, and the median says how
//! much they added.

mod baseline;

use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_export::chats::ReadError;
use consign_model::module::{ModuleKind, Need};
use consign_model::{ChatKey, Name};
use consign_sandbox::{Bound, Call, Decision, Failure, Limits, LoadError, Sandbox, Usage};
use serde::Serialize;
use serde_json::Value;

use crate::failure::{FailureReport, Line};
use crate::ground::{Events, Ground, GroundError};
use crate::judge::{AtHand, judge};
use crate::made_up;

/// Chats that are made up where none are given, messages of each, their bytes, and people.
const CHATS: u64 = 20;
const MESSAGES: usize = 2_000;
const BYTES: usize = 120;
const PEOPLE: usize = 20;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The chats can't be had.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// A chat can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The module fails: there is nothing to measure.
    #[error("{0}")]
    Failed(Box<FailureReport>),
    /// The module to compare with can't be made.
    #[error("the module to compare with can't be used: {0}; this is a fault of Consign, please report it")]
    Baseline(String),
}

impl From<LoadError> for BenchError {
    fn from(error: LoadError) -> Self {
        Self::Baseline(error.to_string())
    }
}

/// The least and the middle of what some rounds gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The least.
    pub min: f64,
    /// The median.
    pub median: f64,
}

impl Figure {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap_or(0.0);
        Self { min: at(0), median: at(rounds.len() / 2) }
    }
}

/// What one module costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Nanoseconds for each event, by the clock: what `evaluate`, or `place` and `finish-chat`, take.
    pub ns_per_event: Figure,
    /// Seconds of a processor for a million events, all of it: also what each chat takes.
    pub cpu_s_per_million: Figure,
    /// Microseconds for each chat: making the instance.
    pub instantiate_us: Figure,
    /// Microseconds for each chat: handing it the configuration.
    pub configure_us: Figure,
    /// Microseconds for each chat: `begin-chat`.
    pub begin_us: Figure,
    /// Most memory that an instance had, in bytes.
    pub memory_bytes: usize,
}

/// How much of what a module may use it used, at most: 1 is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shares {
    /// Of the time for one call.
    pub call: f64,
    /// Of the time for one chat.
    pub chat: f64,
    /// Of the memory.
    pub memory: f64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Chats.
    pub chats: usize,
    /// Their events.
    pub events: u64,
    /// Batches that the events came in.
    pub batches: usize,
    /// Rounds that were measured, after one that was not.
    pub rounds: usize,
    /// Chats that the module decided without looking at events.
    pub decided: usize,
    /// The module's.
    pub module: Cost,
    /// That of a module that keeps everything.
    pub baseline: Cost,
    /// Of the limits.
    pub shares: Shares,
    /// The limits.
    pub limits: LimitFigures,
}

/// What a module may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LimitFigures {
    /// Seconds for one call.
    pub call_s: f64,
    /// Seconds for one chat.
    pub chat_s: f64,
    /// Bytes of memory.
    pub memory_bytes: usize,
}

/// What one module used over all chats, in one round.
#[derive(Debug, Clone, Default)]
struct Round {
    instantiate: Duration,
    configure: Duration,
    begin: Duration,
    events: Duration,
    cpu: Duration,
    longest_call: Duration,
    longest_chat: Duration,
    memory: usize,
    decided: usize,
}

/// Measures a module on a file of events, or on chats that are made up, in so many rounds.
pub fn bench(
    bound: &Bound,
    sandbox: &Sandbox,
    ground: &Ground,
    events: Option<(&Events, Option<&str>)>,
    rounds: usize,
    mut tell: impl FnMut(usize),
) -> Result<Report, BenchError> {
    let mut chats = ready(ground, events)?;
    let baseline = baseline(bound.module().kind(), sandbox)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first one warms caches up, and says whether the module works at all.
    for number in 0..=rounds.max(1) {
        let (one, other) = (round(bound, &mut chats)?, round(&baseline, &mut chats)?);
        if number > 0 {
            ours.push(one);
            theirs.push(other);
        }
        tell(number);
    }
    let events: u64 = chats.iter().map(|chat| chat.context.event_count()).sum();
    let limits = sandbox.limits();
    Ok(Report {
        chats: chats.len(),
        events,
        batches: chats.iter().map(|chat| chat.views.len()).sum(),
        rounds: ours.len(),
        decided: ours.first().map_or(0, |round| round.decided),
        shares: shares(&ours, limits),
        module: cost(&ours, events, chats.len()),
        baseline: cost(&theirs, events, chats.len()),
        limits: LimitFigures { call_s: limits.call_time.as_secs_f64(), chat_s: limits.chat_time.as_secs_f64(), memory_bytes: limits.memory_bytes },
    })
}

fn ready(ground: &Ground, events: Option<(&Events, Option<&str>)>) -> Result<Vec<AtHand>, BenchError> {
    let source: Name = "bench".parse().map_err(GroundError::from)?;
    let mut chats = Vec::new();
    let mut take = |events: &Events, chat: Option<&str>| -> Result<(), BenchError> {
        let laid = ground.lay(&source, std::slice::from_ref(events))?;
        for key in laid.pick(chat)? {
            chats.extend(load(&laid, &key)?);
        }
        Ok(())
    };
    match events {
        Some((events, chat)) => take(events, chat)?,
        None => {
            for number in 0..CHATS {
                let text = made_up::talk(MESSAGES, BYTES, PEOPLE, number);
                take(&Events::Lines { name: "made-up".to_owned(), text, folder: None }, None)?;
            }
        }
    }
    Ok(chats)
}

fn load(laid: &crate::ground::Laid, key: &ChatKey) -> Result<Option<AtHand>, BenchError> {
    let Some(mut window) = laid.windows(key, None)?.into_iter().next() else { return Ok(None) };
    let context = Arc::clone(window.context());
    let views = (0..window.batches()).map(|index| window.batch(index)).collect::<Result<_, _>>()?;
    Ok(Some(AtHand { context, views }))
}

fn baseline(kind: ModuleKind, sandbox: &Sandbox) -> Result<Bound, BenchError> {
    let bytes = baseline::component(kind).map_err(BenchError::Baseline)?;
    let module = sandbox.load(&bytes)?;
    let nothing: [Need; 0] = [];
    module.bind(&Value::Object(serde_json::Map::default()), &nothing).map_err(|error| BenchError::Baseline(error.to_string()))
}

fn round(bound: &Bound, chats: &mut [AtHand]) -> Result<Round, BenchError> {
    let mut round = Round::default();
    for chat in chats {
        let cpu = processor();
        let measured = match bound.module().kind() {
            ModuleKind::Criteria => criteria(bound, chat, &mut round),
            ModuleKind::Grouping => grouping(bound, chat, &mut round),
        };
        round.cpu += processor().saturating_sub(cpu);
        if let Err(failure) = measured {
            // Once more, and this time told as every command tells it.
            return Err(match judge(bound, chat) {
                Err(crate::judge::JudgeError::Failed(report)) => BenchError::Failed(report),
                Err(crate::judge::JudgeError::Read(error)) => BenchError::Read(error),
                Ok(_) => BenchError::Failed(Box::new(FailureReport::new(bound, &failure, Vec::<Line>::new(), chat, None))),
            });
        }
    }
    Ok(round)
}

fn criteria(bound: &Bound, chat: &AtHand, round: &mut Round) -> Result<(), Failure> {
    let mut session = bound.criteria(Arc::clone(&chat.context))?;
    let decision = session.begin()?;
    if decision == Decision::Inspect {
        for view in &chat.views {
            let begun = Instant::now();
            drop(session.evaluate(view)?);
            round.call(begun.elapsed());
        }
    } else {
        round.decided += 1;
    }
    round.session(session.usage());
    Ok(())
}

fn grouping(bound: &Bound, chat: &AtHand, round: &mut Round) -> Result<(), Failure> {
    let mut session = bound.grouping(Arc::clone(&chat.context))?;
    session.begin()?;
    for view in &chat.views {
        let begun = Instant::now();
        drop(session.place(view)?);
        round.call(begun.elapsed());
    }
    let begun = Instant::now();
    drop(session.finish()?);
    round.call(begun.elapsed());
    round.session(session.usage());
    Ok(())
}

impl Round {
    fn call(&mut self, time: Duration) {
        self.events += time;
        self.longest_call = self.longest_call.max(time);
    }

    fn session(&mut self, usage: &Usage) {
        self.instantiate += usage.time(Call::Instantiate);
        self.configure += usage.time(Call::Configure);
        self.begin += usage.time(Call::BeginChat);
        for call in [Call::Instantiate, Call::Configure, Call::BeginChat] {
            self.longest_call = self.longest_call.max(usage.time(call));
        }
        self.longest_chat = self.longest_chat.max(usage.total());
        self.memory = self.memory.max(usage.memory_bytes);
    }
}

/// Time of a processor that this thread has had.
fn processor() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a whole `timespec` that lives as long as the call, which writes it and keeps nothing.
    #[expect(unsafe_code, reason = "the standard library does not tell a thread's own time")]
    let told = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    // It can't fail for this clock; if it did, no time would be told rather than a wrong one.
    if told == 0 {
        Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
    } else {
        Duration::ZERO
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people: counts below 2^53 are exact")]
fn cost(rounds: &[Round], events: u64, chats: usize) -> Cost {
    let (events, chats) = (events.max(1) as f64, chats.max(1) as f64);
    let figure = |of: &dyn Fn(&Round) -> f64| Figure::of(rounds.iter().map(of).collect());
    Cost {
        ns_per_event: figure(&|round| round.events.as_secs_f64() * 1e9 / events),
        cpu_s_per_million: figure(&|round| round.cpu.as_secs_f64() * 1e6 / events),
        instantiate_us: figure(&|round| round.instantiate.as_secs_f64() * 1e6 / chats),
        configure_us: figure(&|round| round.configure.as_secs_f64() * 1e6 / chats),
        begin_us: figure(&|round| round.begin.as_secs_f64() * 1e6 / chats),
        memory_bytes: rounds.iter().map(|round| round.memory).max().unwrap_or(0),
    }
}

/// The most that any round used: a limit is not met by the least.
#[expect(clippy::cast_precision_loss, reason = "figures for people: bytes below 2^53 are exact")]
fn shares(rounds: &[Round], limits: &Limits) -> Shares {
    let most = |of: &dyn Fn(&Round) -> f64| rounds.iter().map(of).fold(0.0, f64::max);
    Shares {
        call: most(&|round| round.longest_call.as_secs_f64()) / limits.call_time.as_secs_f64(),
        chat: most(&|round| round.longest_chat.as_secs_f64()) / limits.chat_time.as_secs_f64(),
        memory: most(&|round| round.memory as f64) / limits.memory_bytes as f64,
    }
}
