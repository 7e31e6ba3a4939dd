//! What can go wrong between a module and the host, as values that the caller decides by, each with a text for a person.
//!
//! The texts name the module's calls, rules and numbers of groups, never what stands in a chat. What the module itself says can be message text:
//! it is [`Sealed`], which neither `Display` nor `Debug` shows, so that no log line can hold it by accident.

use std::fmt;

use consign_model::module::{FaultClass, Need, Tier};
use serde::{Deserialize, Serialize};

use crate::logs::one_line;

/// A text that came from a module and may hold message text. It is for roles that may read events.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Encrypt it wherever it is kept, as events are.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text, taken out.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A call from the host to a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Making the instance: its memories, its start functions.
    Instantiate,
    /// `describe`
    Describe,
    /// `configure`
    Configure,
    /// `begin-chat`
    BeginChat,
    /// `evaluate`
    Evaluate,
    /// `place`
    Place,
    /// `finish-chat`
    FinishChat,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instantiate => "its start",
            Self::Describe => "describe",
            Self::Configure => "configure",
            Self::BeginChat => "begin-chat",
            Self::Evaluate => "evaluate",
            Self::Place => "place",
            Self::FinishChat => "finish-chat",
        })
    }
}

/// A function of a module that was at work when it trapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its name, demangled; its number where the module holds no names.
    pub function: String,
    /// `file:line`, where the module holds line tables and the sandbox reads them.
    pub place: Option<String>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} ({place})", self.function),
            None => f.write_str(&self.function),
        }
    }
}

/// Which of the two times ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clock {
    /// [`Limits::call_time`](crate::Limits::call_time)
    Call,
    /// [`Limits::chat_time`](crate::Limits::chat_time)
    Chat,
}

/// Why a module's work on a chat ended without an answer. The chat is held: nothing of it is sent, nothing is skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The module's code failed.
    #[error("the module failed in {call}: {text}; its author can find the place by the backtrace")]
    Trapped {
        /// During which call.
        call: Call,
        /// What wasmtime says of it.
        text: String,
        /// The module's functions, innermost first.
        backtrace: Vec<Frame>,
    },
    /// It took too long.
    #[error("the module ran out of time in {call} ({}); {}", out_of_time(*.clock, *.millis), less(*.call))]
    OutOfTime {
        /// During which call.
        call: Call,
        /// Which limit.
        clock: Clock,
        /// The limit, in milliseconds.
        millis: u64,
    },
    /// It asked for more memory than it may have.
    #[error("the module asked in {call} for more than {limit_bytes} bytes of memory; make it keep less")]
    OutOfMemory {
        /// During which call.
        call: Call,
        /// Memories and tables together.
        limit_bytes: usize,
    },
    /// It asked for more of something else than it may have.
    #[error("the module went over a limit in {call}: {what}")]
    OverLimit {
        /// During which call.
        call: Call,
        /// What, and how much of it is allowed.
        what: String,
    },
    /// It called for data that was not approved.
    #[error("the module called {function}, which needs '{}': approve that when binding the module, or use another module", .need.word())]
    Refused {
        /// The contract's function.
        function: &'static str,
        /// What it needs.
        need: Need,
    },
    /// It answered against the contract.
    #[error("the module answered {call} against the contract: {text}; its author has to mend it")]
    Contract {
        /// Which call.
        call: Call,
        /// What is wrong.
        text: String,
    },
    /// It gave up on the chat, with a reason in its own words.
    #[error("the module gave up in {call}; what it says can hold message text and is kept sealed")]
    Guest {
        /// During which call.
        call: Call,
        /// Its words.
        said: Sealed,
    },
    /// The configuration, accepted when it was bound, was not accepted for this chat: the module is not deterministic.
    #[error("the module refused its configuration, which it had accepted before ({} errors); its author has to mend it", .errors.len())]
    Configuration {
        /// What it says.
        errors: Vec<ConfigError>,
    },
    /// The host used the session wrongly. Not the module's fault.
    #[error("the sandbox was used wrongly: {0}; this is a fault of Consign, please report it")]
    Host(String),
}

impl Failure {
    /// What kind of fault this is.
    pub fn class(&self) -> FaultClass {
        match self {
            Self::Trapped { .. } => FaultClass::Trap,
            Self::OutOfTime { .. } => FaultClass::Deadline,
            Self::OutOfMemory { .. } | Self::OverLimit { call: Call::Instantiate, .. } => FaultClass::Memory,
            Self::OverLimit { .. } => FaultClass::Output,
            Self::Refused { .. } | Self::Contract { .. } => FaultClass::Contract,
            Self::Guest { .. } => FaultClass::GaveUp,
            Self::Configuration { .. } => FaultClass::Configuration,
            Self::Host(_) => FaultClass::Host,
        }
    }

    /// The call in which it happened, where that is known.
    pub fn call(&self) -> Option<Call> {
        match self {
            Self::Trapped { call, .. }
            | Self::OutOfTime { call, .. }
            | Self::OutOfMemory { call, .. }
            | Self::OverLimit { call, .. }
            | Self::Contract { call, .. }
            | Self::Guest { call, .. } => Some(*call),
            Self::Configuration { .. } => Some(Call::Configure),
            Self::Refused { .. } | Self::Host(_) => None,
        }
    }
}

fn less(call: Call) -> &'static str {
    match call {
        Call::Evaluate | Call::Place => "make it do less for each event",
        _ => "make it do less there",
    }
}

fn out_of_time(clock: Clock, millis: u64) -> String {
    match clock {
        Clock::Call => format!("{millis} ms for one call"),
        Clock::Chat => format!("{millis} ms for one chat"),
    }
}

/// Something wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if .pointer.is_empty() { "the configuration" } else { .pointer.as_str() })]
pub struct ConfigError {
    /// Where: an RFC 6901 JSON Pointer, empty for the whole.
    pub pointer: String,
    /// What.
    pub message: String,
}

/// Why a sandbox can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// wasmtime refused this machine or the limits.
    #[error("WebAssembly can't run here: {0}")]
    Engine(String),
    /// The folder for compiled modules can't be used.
    #[error("the folder for compiled modules, {path}, can't be used: {source}; make it writable, or name another")]
    Cache {
        /// The folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The ticker thread could not be started.
    #[error("the thread that stops modules in time could not be started: {0}")]
    Ticker(std::io::Error),
}

/// Why a file is not taken as a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LoadError {
    /// Too large.
    #[error("the module has {bytes} bytes, and of {} at most {limit} are taken; strip it of debug information, or build it for size", tier_words(*.tier))]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What it was taken for.
        tier: Tier,
        /// The limit.
        limit: usize,
    },
    /// Compiling it took too long.
    #[error("compiling the module took more than {seconds} s of a processor and was stopped; make its functions smaller or fewer")]
    CompileDeadline {
        /// The limit, in seconds of a processor.
        seconds: u64,
    },
    /// Compiling it did not come to its end, and not for want of processor time of its own.
    #[error(
        "compiling the module had not ended after {seconds} s, because this machine is busy with other work, and was stopped; nothing is wrong with the module as \
         far as is known: try again later"
    )]
    CompileStarved {
        /// The limit, in seconds by the clock.
        seconds: u64,
    },
    /// Compiling it took too much memory.
    #[error("compiling the module took more than {bytes} bytes of memory and was stopped; make its functions smaller or fewer")]
    CompileMemory {
        /// The limit.
        bytes: u64,
    },
    /// The process that compiles ended without an answer, or could not be started.
    #[error("the module could not be compiled: {0}")]
    CompileFailed(String),
    /// A core module: made by a compiler, not yet a component.
    #[error("this is a core WebAssembly module, not a component; `consign filter build` makes components")]
    CoreModule,
    /// Not WebAssembly at all.
    #[error("this is not WebAssembly: its first bytes are not those of a component; `consign filter build` makes components")]
    NotWasm,
    /// A component that is broken or uses what is switched off (threads, 64-bit memories, …).
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// Its instances would take much beside their memories and tables.
    #[error(
        "a core module of the component declares so many functions, imports, globals or segments that each of its instances takes at least {bytes} bytes \
         beside its memory, and at most {limit} are allowed: build it for size, or declare fewer"
    )]
    LargeInstances {
        /// What was counted before the limit was reached.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It does not fit the contract: everything that is wrong.
    #[error("the component does not fit the contract consign:filter@0.1.0:\n{}", lines(.0))]
    Mismatch(Vec<String>),
    /// Its `describe` failed.
    #[error("describe failed: {0}")]
    // The process that compiles runs nothing, so this never comes from there.
    #[serde(skip)]
    Describe(Failure),
    /// What `describe` answered is wrong.
    #[error("what describe answers is wrong:\n{}", lines(.0))]
    Manifest(Vec<String>),
}

fn tier_words(tier: Tier) -> &'static str {
    match tier {
        Tier::Native => "a compiled one",
        Tier::JavaScript => "one with a JavaScript engine",
        Tier::Python => "one with a Python interpreter",
    }
}

fn lines(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("- {problem}")).collect::<Vec<_>>().join("\n")
}

/// Why a module can't be bound to a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// It needs data that was not approved.
    #[error("the module needs {}, which was not approved: approve it, or use another module", words(.0))]
    NotApproved(Vec<Need>),
    /// The configuration is wrong.
    #[error("the module's configuration is wrong:\n{}", lines(&.0.iter().map(ToString::to_string).collect::<Vec<_>>()))]
    Config(Vec<ConfigError>),
    /// The module fails when it is given the configuration, instead of taking or refusing it.
    #[error("with this configuration {0}")]
    Failed(Failure),
}

impl LoadError {
    /// As it may be shown: what a component's names say in it is in one line, and not endless.
    pub(crate) fn cleaned(self) -> Self {
        let clean = |text: String| one_line(&text, PROBLEM_BYTES);
        let all = |texts: Vec<String>| {
            let more = texts.len().saturating_sub(MOST_PROBLEMS);
            let mut texts: Vec<String> = texts.into_iter().take(MOST_PROBLEMS).map(clean).collect();
            texts.extend((more > 0).then(|| format!("and {more} more")));
            texts
        };
        match self {
            Self::Invalid(text) => Self::Invalid(clean(text)),
            Self::CompileFailed(text) => Self::CompileFailed(clean(text)),
            Self::Mismatch(problems) => Self::Mismatch(all(problems)),
            Self::Manifest(problems) => Self::Manifest(all(problems)),
            other => other,
        }
    }
}

/// Problems of a component that are told, and bytes of each.
const MOST_PROBLEMS: usize = 200;
const PROBLEM_BYTES: usize = 4 << 10;

impl BindError {
    /// For what is kept and read by others. What a module says of a configuration may quote it, and is told only to who writes it.
    pub fn for_the_record(&self) -> String {
        match self {
            Self::Config(errors) => format!("its configuration is refused in {} places; applying the policy again says which", errors.len()),
            Self::NotApproved(_) | Self::Failed(_) => self.to_string(),
        }
    }
}

fn words(needs: &[Need]) -> String {
    needs.iter().map(|need| format!("'{}'", need.word())).collect::<Vec<_>>().join(", ")
}
