//! WebAssembly modules of tenants, run under limits.
//!
//! The way of a module: [`Sandbox::load`] checks the bytes, compiles them and asks what they are; [`Module::bind`] joins them with a configuration and
//! what the tenant approved; [`Bound::criteria`] and [`Bound::grouping`] begin a session, which is one instance at work on one chat. Whatever goes
//! wrong in a session ends it with a [`Failure`], and the chat is held.
//!
//! Everything here blocks: call it from a thread that may.

mod answer;
mod bindings;
mod bound;
mod cache;
mod chat;
pub mod compile;
mod config;
mod contract;
mod deadline;
mod examine;
mod facts;
mod failure;
mod fold;
mod host;
mod instance;
mod limiter;
mod limits;
mod locate;
mod logs;
mod manifest;
mod module;
mod needles;
mod parts;
mod probe;
mod sandbox;
mod schema;
mod session;
mod usage;
mod wasi;

pub use answer::{Assignment, Decision, Group, LeftOut, Level, LogLine, Placement};
pub use bound::Bound;
pub use chat::{BatchView, ChatContext, UnevenColumns};
pub use compile::{Compile, CompileChild};
pub use failure::{BindError, Call, Clock, ConfigError, Failure, Frame, LoadError, Sealed, SetupError};
pub use limits::{ByTier, Limits};
pub use locate::{Located, locate};
pub use module::Module;
pub use probe::ProbeFailure;
pub use sandbox::{CacheKey, CodeCache, Sandbox, SandboxConfig};
pub use session::{CriteriaSession, GroupingSession};
pub use usage::Usage;

/// The versions of what verdicts depend on beside events and configuration: zone tables and Unicode. Kept with each window.
pub fn tables() -> String {
    let (major, minor, micro) = char::UNICODE_VERSION;
    format!("zones {}, Unicode {major}.{minor}.{micro}", chrono_tz::IANA_TZDB_VERSION)
}
