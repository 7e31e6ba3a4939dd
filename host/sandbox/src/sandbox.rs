//! The engine: one for the process, with its compiler settings, its ticker and its cache of compiled code.
//!
//! What could make two runs differ is off or fixed: threads, NaN bits, relaxed SIMD. What the contract has no use for is off too (64-bit memories,
//! component-model async), so that less of the compiler is reachable.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use consign_model::Digest;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine};

use crate::bindings::criteria::CriteriaModule;
use crate::cache::{self, Cache};
use crate::host::State;
use crate::{Compile, Limits, LoadError, Module, SetupError, compile};

/// How often running modules are asked to look at their deadline. Shorter costs a wake-up more often, longer lets a module run over by more.
pub const TICK: Duration = Duration::from_millis(10);

/// Stack of a module, in bytes. Taken from the calling thread's, which has 2 MiB under tokio.
const WASM_STACK: usize = 512 << 10;

/// The key under which compiled code is authenticated. Keep it as secret as the master key: whoever has it and can write the cache folder runs code.
#[derive(Clone)]
pub struct CacheKey(pub [u8; 32]);

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey(…)")
    }
}

/// Where compiled code is kept from one process to the next.
#[derive(Debug, Clone)]
pub struct CodeCache {
    /// A folder of its own; it is made where it is missing, and may be deleted at any time.
    pub dir: PathBuf,
    /// Authenticates what lies there.
    pub key: CacheKey,
    /// The oldest of it is removed beyond this.
    pub most_bytes: u64,
}

/// How the sandbox is set up.
#[derive(Debug, Clone, Default)]
pub struct SandboxConfig {
    /// Unset: every process compiles anew.
    pub cache: Option<CodeCache>,
    /// Of every session.
    pub limits: Limits,
    /// Where components are compiled.
    pub compile: Compile,
    /// Whether backtraces tell files and lines, of modules that hold line tables. For developers: reading the tables takes time and memory, and they
    /// come from the module's author.
    pub line_numbers: bool,
}

/// Bytes of a memory's first contents that are kept as they are to be. What is larger and mostly empty is put together at each start instead.
const IMAGE_BYTES: u64 = 1 << 20;

/// One per process. Clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    limits: Limits,
    compile: Compile,
    line_numbers: bool,
    cache: Option<Cache>,
    /// One component is compiled at a time: each takes up to [`Limits::compile_bytes`] and two processors.
    compiling: Mutex<()>,
    _ticker: Ticker,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Sets up the engine and its ticker.
    pub fn new(config: SandboxConfig) -> Result<Self, SetupError> {
        let cache = config.cache.as_ref().map(|cache| Cache::open(cache, &config.limits)).transpose()?;
        let engine = Engine::new(&engine_config(config.line_numbers)).map_err(|error| SetupError::Engine(format!("{error:#}")))?;
        let mut linker = Linker::new(&engine);
        CriteriaModule::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
            .map_err(|error| SetupError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(&engine).map_err(SetupError::Ticker)?;
        let SandboxConfig { limits, compile, line_numbers, .. } = config;
        Ok(Self(Arc::new(Inner { engine, linker, limits, compile, line_numbers, cache, compiling: Mutex::default(), _ticker: ticker })))
    }

    /// Checks a component, compiles it (or takes it from the cache) and asks what it is. Compiling takes some 150 ms for 200 KB of code; with
    /// [`Compile::Child`] it ends in [`Limits::compile_time`] whatever the component is.
    pub fn load(&self, bytes: &[u8]) -> Result<Module, LoadError> {
        self.load_raw(bytes).map_err(LoadError::cleaned)
    }

    fn load_raw(&self, bytes: &[u8]) -> Result<Module, LoadError> {
        let digest = Digest::of(bytes);
        let Inner { engine, limits, cache, .. } = &*self.0;
        let known = || cache.as_ref().and_then(|cache| cache.get(engine, digest));
        if let Some((examined, component)) = known() {
            return Module::new(self.clone(), digest, examined, &component);
        }
        let compiling = self.0.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have compiled it meanwhile.
        if let Some((examined, component)) = known() {
            drop(compiling);
            return Module::new(self.clone(), digest, examined, &component);
        }
        let (examined, component) = compile::compile(&self.0.compile, engine, self.0.line_numbers, bytes, limits)?;
        drop(compiling);
        let module = Module::new(self.clone(), digest, examined.clone(), &component)?;
        // Of what is refused nothing is kept.
        if let Some(cache) = cache {
            cache.put(engine, digest, &examined, &component);
        }
        Ok(module)
    }

    /// What compiled code and verdicts depend on: wasmtime's version and this host's settings of it. Modules are probed again where it differs.
    pub fn engine_version(&self) -> String {
        format!("wasmtime {}", cache::compatibility(&self.0.engine).short())
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.0.linker
    }

    /// What a session may use.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

/// The compiler's settings. The process that compiles has the same.
pub fn engine_config(line_numbers: bool) -> Config {
    use wasmtime::WasmBacktraceDetails::{Disable, Enable};
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        // Of a memory's first contents. By default wasmtime makes an image of up to 16 MiB for each memory that a byte at either end asks for, also of
        // memories that nothing instantiates: a few hundred bytes of a module become hundreds of megabytes of code.
        .memory_guaranteed_dense_image_size(IMAGE_BYTES)
        .wasm_backtrace_details(if line_numbers { Enable } else { Disable })
        .max_wasm_stack(WASM_STACK);
    config
}

/// The thread that counts the engine's epochs up. It ends with the last clone of the sandbox and the last module, bound module and session.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.clone();
        let thread = std::thread::Builder::new().name("consign-ticks".to_owned()).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It can't have panicked, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}
