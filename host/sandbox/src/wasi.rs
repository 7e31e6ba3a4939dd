//! A sealed WASI: what components with a language runtime in them import, with nothing behind it.
//!
//! JavaScript and Python runtimes ask for files, clocks and the like whether the module uses them or not. They are given an empty world that is the
//! same for ever: no files, no environment, no arguments; a wall clock that stands at the window's end; a monotonic clock that goes on by a
//! millisecond each time it is read, and by as much as somebody sleeps, which returns at once; random numbers from a fixed seed, anew for each
//! instance; standard output and error go into the module's log, cut like it. So verdicts depend on events and configuration alone here too.
//!
//! What cannot be had without something behind it, such as a socket or a descriptor's functions, is not defined here and ends the module that calls it.
//! WASI's own host crate is not used: it brings the outside world, to be closed door by door, and its clocks can be replaced but sleeping still waits.
//!
//! The functions are defined by hand, under whatever 0.2 version a component names: they are few, and their types have not changed in 0.2.

use wasmtime::Engine;
use wasmtime::component::{Component, ComponentNamedList, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

use crate::Level;
use crate::host::{State, Stop};
use crate::logs::told;

/// Interfaces of WASI 0.2 that a component may import.
const SEALED: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// One read of the monotonic clock, and its resolution.
const MILLISECOND: u64 = 1_000_000;
/// Bytes that one write may have, as `check-write` says.
const WRITE_BYTES: usize = 4 << 10;
/// Random bytes that one call gives; more is against the contract of a filter.
const RANDOM_BYTES: usize = 64 << 10;

/// The interface without its version, where it is of 0.2.
fn interface(import: &str) -> Option<&str> {
    let (interface, version) = import.split_once('@')?;
    version.starts_with("0.2.").then_some(interface)
}

/// Whether this import is one that is served here.
pub fn is_sealed(import: &str) -> bool {
    interface(import).is_some_and(|interface| SEALED.contains(&interface))
}

/// What an instance has of the outside world: a clock and random numbers that nobody else's doing can change, and lines that are not complete.
#[derive(Debug)]
pub struct World {
    /// The only "now", in milliseconds since 1970.
    now: i64,
    monotonic: u64,
    random: u64,
    output: [Vec<u8>; 2],
}

impl World {
    /// `now` is the window's end.
    pub fn new(now: i64) -> Self {
        Self { now, monotonic: 0, random: 0x636f_6e73_6967_6e00, output: [Vec::new(), Vec::new()] }
    }

    /// splitmix64: nothing secret depends on it.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        let Some(wanted) = usize::try_from(length).ok().filter(|wanted| *wanted <= RANDOM_BYTES) else {
            return Err(wasmtime::Error::new(Stop::Contract(format!(
                "it asked for {} random bytes at once, and {RANDOM_BYTES} are the most",
                told(length)
            ))));
        };
        let mut bytes = Vec::with_capacity(wanted + 8);
        while bytes.len() < wanted {
            bytes.extend_from_slice(&self.random().to_le_bytes());
        }
        bytes.truncate(wanted);
        Ok(bytes)
    }
}

/// Which of the two a stream is.
#[derive(Debug, Clone, Copy)]
enum Output {
    Standard,
    Error,
}

/// Nothing comes in.
struct InputStream;
#[derive(Clone, Copy)]
struct OutputStream(Output);
/// When the monotonic clock has to stand there.
struct Pollable(u64);
/// What exists as a type only: nobody can get one.
struct Nothing;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "nothing fails here; the contract has it")]
    LastOperationFailed(Resource<Nothing>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl State {
    fn flush(&mut self, output: Output) {
        let (index, level) = match output {
            Output::Standard => (0, Level::Info),
            Output::Error => (1, Level::Warn),
        };
        if let Some(line) = self.world.output.get_mut(index).map(std::mem::take).filter(|line| !line.is_empty()) {
            self.logs.emit(level, &String::from_utf8_lossy(&line));
        }
    }

    /// Takes what the stream said that it has room for.
    fn write(&mut self, output: Output, bytes: &[u8]) -> wasmtime::Result<()> {
        if bytes.len() > WRITE_BYTES {
            return Err(wasmtime::Error::new(Stop::Contract(format!("it wrote more than {WRITE_BYTES} bytes at once"))));
        }
        let index = match output {
            Output::Standard => 0,
            Output::Error => 1,
        };
        for (number, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if number > 0 {
                self.flush(output);
            }
            if let Some(line) = self.world.output.get_mut(index) {
                // What is longer than a line of the log is cut there anyway.
                let room = WRITE_BYTES.saturating_sub(line.len());
                line.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Lines that were not ended, at the end of a call.
    pub fn flush_output(&mut self) {
        self.flush(Output::Standard);
        self.flush(Output::Error);
    }
}

/// The linker for a component: the contract, and what it imports of WASI. Borrowed where it imports none.
pub fn link(engine: &Engine, contract: &Linker<State>, component: &Component) -> wasmtime::Result<Option<Linker<State>>> {
    let ty = component.component_type();
    let imports: Vec<&str> = ty.imports(engine).map(|(name, _)| name).filter(|name| is_sealed(name)).collect();
    if imports.is_empty() {
        return Ok(None);
    }
    let mut linker = contract.clone();
    for import in imports {
        define(&mut linker.instance(import)?, interface(import).unwrap_or_default())?;
    }
    // The rest traps: the contract was checked before, so nothing of it is missing.
    linker.define_unknown_imports_as_traps(component)?;
    Ok(Some(linker))
}

/// Adds one function. Each looks at the clock first, as the contract's do.
fn function<P, R>(
    linker: &mut LinkerInstance<'_, State>,
    name: &'static str,
    f: impl Fn(&mut State, P) -> wasmtime::Result<R> + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentNamedList + Lower + 'static,
{
    linker.func_wrap(name, move |mut store, parameters: P| {
        let state = store.data_mut();
        state.enter(name, None)?;
        f(state, parameters)
    })
}

fn resource<T: Send + 'static>(linker: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    linker.resource(name, ResourceType::host::<T>(), |mut store, handle| {
        store.data_mut().table.delete(Resource::<T>::new_own(handle))?;
        Ok(())
    })
}

/// The types that interfaces of WASI take from one another. A name that an interface does not have is looked at by nobody.
fn shared_types(linker: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    resource::<Pollable>(linker, "pollable")?;
    resource::<InputStream>(linker, "input-stream")?;
    resource::<OutputStream>(linker, "output-stream")?;
    for name in ["error", "descriptor", "directory-entry-stream", "terminal-input", "terminal-output"] {
        resource::<Nothing>(linker, name)?;
    }
    Ok(())
}

fn define(linker: &mut LinkerInstance<'_, State>, interface: &str) -> wasmtime::Result<()> {
    shared_types(linker)?;
    match interface {
        "wasi:cli/environment" => {
            function(linker, "get-environment", |_, ()| Ok((Vec::<(String, String)>::new(),)))?;
            function(linker, "get-arguments", |_, ()| Ok((Vec::<String>::new(),)))?;
            function(linker, "initial-cwd", |_, ()| Ok((None::<String>,)))
        }
        "wasi:cli/exit" => function(linker, "exit", |_, _: (Result<(), ()>,)| -> wasmtime::Result<()> {
            Err(wasmtime::Error::new(Stop::Contract("it ended itself by wasi:cli/exit".to_owned())))
        }),
        "wasi:cli/stdin" => function(linker, "get-stdin", |state, ()| Ok((state.table.push(InputStream)?,))),
        "wasi:cli/stdout" => function(linker, "get-stdout", |state, ()| Ok((state.table.push(OutputStream(Output::Standard))?,))),
        "wasi:cli/stderr" => function(linker, "get-stderr", |state, ()| Ok((state.table.push(OutputStream(Output::Error))?,))),
        "wasi:cli/terminal-stdin" => no_terminal(linker, "get-terminal-stdin"),
        "wasi:cli/terminal-stdout" => no_terminal(linker, "get-terminal-stdout"),
        "wasi:cli/terminal-stderr" => no_terminal(linker, "get-terminal-stderr"),
        "wasi:clocks/wall-clock" => wall_clock(linker),
        "wasi:clocks/monotonic-clock" => monotonic_clock(linker),
        "wasi:filesystem/preopens" => function(linker, "get-directories", |_, ()| Ok((Vec::<(Resource<Nothing>, String)>::new(),))),
        "wasi:io/poll" => poll(linker),
        "wasi:io/streams" => streams(linker),
        "wasi:random/random" => {
            function(linker, "get-random-bytes", |state, (length,): (u64,)| Ok((state.world.random_bytes(length)?,)))?;
            function(linker, "get-random-u64", |state, ()| Ok((state.world.random(),)))
        }
        "wasi:random/insecure" => {
            function(linker, "get-insecure-random-bytes", |state, (length,): (u64,)| Ok((state.world.random_bytes(length)?,)))?;
            function(linker, "get-insecure-random-u64", |state, ()| Ok((state.world.random(),)))
        }
        "wasi:random/insecure-seed" => function(linker, "insecure-seed", |state, ()| Ok(((state.world.random(), state.world.random()),))),
        // Types alone, and what has nothing behind it: descriptors, sockets. All of that traps.
        _ => Ok(()),
    }
}

fn no_terminal(linker: &mut LinkerInstance<'_, State>, name: &'static str) -> wasmtime::Result<()> {
    function(linker, name, |_, ()| Ok((None::<Resource<Nothing>>,)))
}

fn wall_clock(linker: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    function(linker, "now", |state, ()| {
        // Before 1970 it can't say.
        let now = u64::try_from(state.world.now).unwrap_or(0);
        let nanoseconds = u32::try_from(now % 1_000 * MILLISECOND).unwrap_or(0);
        Ok((Datetime { seconds: now / 1_000, nanoseconds },))
    })?;
    function(linker, "resolution", |_, ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },)))
}

fn monotonic_clock(linker: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    function(linker, "now", |state, ()| {
        state.world.monotonic = state.world.monotonic.saturating_add(MILLISECOND);
        Ok((state.world.monotonic,))
    })?;
    function(linker, "resolution", |_, ()| Ok((MILLISECOND,)))?;
    function(linker, "subscribe-instant", |state, (when,): (u64,)| Ok((state.table.push(Pollable(when))?,)))?;
    function(linker, "subscribe-duration", |state, (duration,): (u64,)| {
        let when = state.world.monotonic.saturating_add(duration);
        Ok((state.table.push(Pollable(when))?,))
    })
}

/// Everything is ready: who waits for a time is at that time.
fn poll(linker: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    fn wait(state: &mut State, pollable: &Resource<Pollable>) -> wasmtime::Result<()> {
        let when = state.table.get(pollable)?.0;
        state.world.monotonic = state.world.monotonic.max(when);
        Ok(())
    }
    function(linker, "[method]pollable.ready", |state, (pollable,): (Resource<Pollable>,)| {
        wait(state, &pollable)?;
        Ok((true,))
    })?;
    function(linker, "[method]pollable.block", |state, (pollable,): (Resource<Pollable>,)| wait(state, &pollable))?;
    function(linker, "poll", |state, (pollables,): (Vec<Resource<Pollable>>,)| {
        pollables.iter().try_for_each(|pollable| wait(state, pollable))?;
        Ok(((0_u32..).take(pollables.len()).collect::<Vec<_>>(),))
    })
}

fn streams(linker: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type Input = (Resource<InputStream>, u64);
    type Write = (Resource<OutputStream>, Vec<u8>);
    fn write(state: &mut State, (stream, bytes): Write) -> wasmtime::Result<(Result<(), StreamError>,)> {
        let OutputStream(output) = *state.table.get(&stream)?;
        state.write(output, &bytes)?;
        Ok((Ok(()),))
    }
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        function(linker, name, |_, _: Input| Ok((Err::<Vec<u8>, _>(StreamError::Closed),)))?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        function(linker, name, |_, _: Input| Ok((Err::<u64, _>(StreamError::Closed),)))?;
    }
    function(linker, "[method]input-stream.subscribe", |state, _: (Resource<InputStream>,)| Ok((state.table.push(Pollable(0))?,)))?;
    function(linker, "[method]output-stream.subscribe", |state, _: (Resource<OutputStream>,)| Ok((state.table.push(Pollable(0))?,)))?;
    function(linker, "[method]output-stream.check-write", |_, _: (Resource<OutputStream>,)| Ok((Ok::<_, StreamError>(WRITE_BYTES as u64),)))?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        function(linker, name, write)?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        function(linker, name, |_, _: (Resource<OutputStream>,)| Ok((Ok::<_, StreamError>(()),)))?;
    }
    Ok(())
}
