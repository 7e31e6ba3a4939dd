//! A live instance: a store of its own, and calls into it under time.
//!
//! What a failed call leaves behind is never used again: [`Instance::call`] hands the failure out, and whoever holds the instance drops it.

use std::sync::Arc;
use std::time::Duration;

use consign_model::module::Tier;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::bindings::criteria::consign::filter::types;
use crate::bindings::criteria::{CriteriaModule, CriteriaModulePre};
use crate::bindings::grouping::{GroupingModule, GroupingModulePre};
use crate::deadline::{Deadline, thread_time};
use crate::failure::{Call, Clock, Frame};
use crate::host::{NeedSet, State, Stop, stop};
use crate::limiter::Limiter;
use crate::logs::{LogSink, one_line};
use crate::needles::Matcher;
use crate::sandbox::TICK;
use crate::wasi::World;
use crate::{Failure, Limits, LogLine, Sandbox, Usage};

/// Functions that a backtrace names.
const BACKTRACE_FRAMES: usize = 20;

/// Bytes of a text of wasmtime's that is shown.
const TEXT_BYTES: usize = 400;

/// A compiled module, linked with the contract.
#[derive(Clone)]
pub enum Linked {
    Criteria(CriteriaModulePre<State>),
    Grouping(GroupingModulePre<State>),
}

/// What both kinds of module have in common.
pub trait Guest: Sized {
    /// Unset where the module is of the other kind.
    fn instantiate(linked: &Linked, store: &mut Store<State>) -> Option<wasmtime::Result<Self>>;
    fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<String>;
    fn configure(&self, store: &mut Store<State>, config: &str) -> wasmtime::Result<Result<(), Vec<types::ConfigError>>>;
}

impl Guest for CriteriaModule {
    fn instantiate(linked: &Linked, store: &mut Store<State>) -> Option<wasmtime::Result<Self>> {
        match linked {
            Linked::Criteria(pre) => Some(pre.instantiate(store)),
            Linked::Grouping(_) => None,
        }
    }
    fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<String> {
        self.consign_filter_criteria().call_describe(store)
    }
    fn configure(&self, store: &mut Store<State>, config: &str) -> wasmtime::Result<Result<(), Vec<types::ConfigError>>> {
        self.consign_filter_criteria().call_configure(store, config)
    }
}

impl Guest for GroupingModule {
    fn instantiate(linked: &Linked, store: &mut Store<State>) -> Option<wasmtime::Result<Self>> {
        match linked {
            Linked::Grouping(pre) => Some(pre.instantiate(store)),
            Linked::Criteria(_) => None,
        }
    }
    fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<String> {
        self.consign_filter_grouping().call_describe(store)
    }
    fn configure(&self, store: &mut Store<State>, config: &str) -> wasmtime::Result<Result<(), Vec<types::ConfigError>>> {
        self.consign_filter_grouping().call_configure(store, config)
    }
}

/// An instance with its store.
pub struct Instance<G> {
    sandbox: Sandbox,
    store: Store<State>,
    guest: Option<G>,
    /// Time of all calls so far.
    spent: Duration,
    usage: Usage,
}

impl<G: Guest> Instance<G> {
    /// A store without an instance: [`Instance::start`] makes that. In two steps, so that what a module logs while it fails to start is not lost.
    /// `memory_bytes` it may have beside what else the sandbox's limits give it. `now` is what a language runtime finds its wall clock at, in milliseconds since 1970.
    pub fn new(sandbox: &Sandbox, (tier, memory_bytes): (Tier, usize), allowed: NeedSet, needles: Arc<[Matcher]>, now: i64) -> Self {
        let limits = sandbox.limits();
        // The chat or a batch, one at a time, and what a language runtime has open of its sealed world.
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let (limiter, logs, world) = (Limiter::new(limits, tier, memory_bytes), LogSink::new(limits), World::new(now));
        let state = State { table, limiter, logs, allowed, needles, deadline: Deadline::after(Duration::ZERO), world };
        let mut store = Store::new(sandbox.engine(), state);
        store.limiter(|state| &mut state.limiter);
        // Epochs count up by the clock; whether the time is over only the thread can say.
        store.epoch_deadline_callback(|store| if store.data().deadline.is_over() { stop(Stop::OutOfTime) } else { Ok(UpdateDeadline::Continue(1)) });
        store.set_max_component_handles(limits.handles);
        Self { sandbox: sandbox.clone(), store, guest: None, spent: Duration::ZERO, usage: Usage::default() }
    }

    /// Makes the instance.
    pub fn start(&mut self, linked: &Linked) -> Result<(), Failure> {
        let guest = self.timed(Call::Instantiate, |_, store| {
            G::instantiate(linked, store).unwrap_or_else(|| Err(wasmtime::Error::msg("it is a module of the other kind")))
        })?;
        self.guest = Some(guest);
        Ok(())
    }

    /// Calls into it under time.
    pub fn call<T>(&mut self, call: Call, f: impl FnOnce(&G, &mut Store<State>) -> wasmtime::Result<T>) -> Result<T, Failure> {
        self.timed(call, |guest, store| match guest {
            Some(guest) => f(guest, store),
            None => Err(wasmtime::Error::msg("it was not started")),
        })
    }

    fn timed<T>(&mut self, call: Call, f: impl FnOnce(Option<&G>, &mut Store<State>) -> wasmtime::Result<T>) -> Result<T, Failure> {
        let limits = self.sandbox.limits();
        let left = limits.chat_time.saturating_sub(self.spent);
        let clock = if left < limits.call_time { Clock::Chat } else { Clock::Call };
        let budget = left.min(limits.call_time);
        if left.is_zero() {
            return Err(self.out_of_chat_time(call));
        }
        let ticks = budget.as_millis() / TICK.as_millis() + 1;
        let fuel = fuel(call, limits);
        self.store.set_hostcall_fuel(fuel);
        self.store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX / 2));
        self.store.data_mut().deadline = Deadline::after(budget);
        let begun = thread_time();
        let answer = f(self.guest.as_ref(), &mut self.store);
        let took = thread_time().saturating_sub(begun);
        self.spent += took;
        self.usage.add(call, took);
        self.usage.memory_bytes = self.store.data().limiter.used();
        answer.map_err(|error| self.failure(call, clock, &error))
    }

    /// What the host's own checks cost is counted too.
    pub fn deadline_of_checks(&self) -> Deadline {
        Deadline::after(self.sandbox.limits().chat_time.saturating_sub(self.spent))
    }

    /// That the time for this chat is over.
    pub fn out_of_chat_time(&self, call: Call) -> Failure {
        Failure::OutOfTime { call, clock: Clock::Chat, millis: millis(self.sandbox.limits().chat_time) }
    }

    fn failure(&self, call: Call, clock: Clock, error: &wasmtime::Error) -> Failure {
        let limits = self.sandbox.limits();
        let out_of_time = || {
            let limit = match clock {
                Clock::Call => limits.call_time,
                Clock::Chat => limits.chat_time,
            };
            Failure::OutOfTime { call, clock, millis: millis(limit) }
        };
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return match stop {
                Stop::OutOfTime => out_of_time(),
                Stop::OutOfMemory => Failure::OutOfMemory { call, limit_bytes: self.store.data().limiter.limit() },
                Stop::Refused { function, need } => Failure::Refused { function, need: *need },
                Stop::Contract(text) => Failure::Contract { call, text: text.clone() },
            };
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return match trap {
                Trap::Interrupt => out_of_time(),
                _ => Failure::Trapped { call, text: one_line(&trap.to_string(), TEXT_BYTES), backtrace: backtrace(error) },
            };
        }
        let text = one_line(&error.root_cause().to_string(), TEXT_BYTES);
        if text.contains("fuel allocated for hostcalls") {
            let what = format!("it handed over more than {} bytes in one call", fuel(call, limits));
            Failure::OverLimit { call, what }
        } else if call == Call::Instantiate {
            Failure::OverLimit { call, what: text }
        } else {
            Failure::Contract { call, text }
        }
    }

    /// What it has used so far.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// What it has logged since the last time.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        let state = self.store.data_mut();
        state.flush_output();
        state.logs.take()
    }
}

fn fuel(call: Call, limits: &Limits) -> usize {
    if call == Call::FinishChat { limits.groups_fuel } else { limits.hostcall_fuel }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The module's own functions, by the names that it holds; files and lines where it holds line tables and the sandbox reads them.
fn backtrace(error: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = backtrace.frames().iter().flat_map(|frame| {
        let named = |name: Option<&str>| match name {
            Some(name) => one_line(&format!("{:#}", rustc_demangle::demangle(name)), TEXT_BYTES),
            None => format!("function {}", frame.func_index()),
        };
        // One for each function that was inlined there.
        let symbols: Vec<Frame> = frame
            .symbols()
            .iter()
            .map(|symbol| Frame {
                function: named(symbol.name().or_else(|| frame.func_name())),
                place: symbol.file().map(|file| match symbol.line() {
                    Some(line) => one_line(&format!("{file}:{line}"), TEXT_BYTES),
                    None => one_line(file, TEXT_BYTES),
                }),
            })
            .collect();
        if symbols.is_empty() { vec![Frame { function: named(frame.func_name()), place: None }] } else { symbols }
    });
    frames.take(BACKTRACE_FRAMES).collect()
}
