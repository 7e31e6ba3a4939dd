//! What a module may use. Each limit ends the module's work on that chat with a [`Failure`](crate::Failure) that names it; none of them lets a
//! module go on with less, because a filter that quietly saw less would export other events.

use std::time::Duration;

use consign_model::module::Tier;
use serde::{Deserialize, Serialize};

/// Bytes by what made a component: a language runtime comes with it, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByTier {
    /// Compiled to WebAssembly.
    pub native: usize,
    /// With a JavaScript engine.
    pub javascript: usize,
    /// With a Python interpreter.
    pub python: usize,
}

impl ByTier {
    /// Of this tier.
    pub fn of(&self, tier: Tier) -> usize {
        match tier {
            Tier::Native => self.native,
            Tier::JavaScript => self.javascript,
            Tier::Python => self.python,
        }
    }
}

/// Limits of one session: one module at work on one chat.
///
/// They are the host's, not the module's: the same for every tenant's modules on a node, so that a verdict does not depend on where it was reached,
/// but for the times, which depend on the machine and are therefore generous.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a component that is taken in at all. Does not limit what compiling it costs.
    pub module_bytes: ByTier,
    /// How long compiling a component may take: seconds of processor time over all threads, and ten times as long by the clock. Only in a process of its
    /// own ([`Compile::Child`](crate::Compile::Child)).
    pub compile_time: Duration,
    /// Addresses that the process which compiles may have, in bytes: its memory, and the program itself.
    pub compile_bytes: u64,
    /// Linear memories and tables of a session together, in bytes. Does not count what wasmtime itself keeps for an instance: see
    /// [`Limits::instance_bytes`].
    pub memory_bytes: usize,
    /// What wasmtime keeps for one core instance, in bytes and counted upwards: some 32 for each function, import and segment, 16 for each global. A
    /// session can have [`Limits::instances`] times as much. A large language runtime has some 20,000 functions.
    pub instance_bytes: ByTier,
    /// How long one call may take, waiting and host functions included. Counted in ticks of 10 ms, so up to one tick more.
    pub call_time: Duration,
    /// How long all calls of a session may take together. The time between the calls is not counted.
    pub chat_time: Duration,
    /// What one call may hand to the host, in bytes as wasmtime counts them (about the size of the values in Rust).
    pub hostcall_fuel: usize,
    /// The same for `finish-chat`, which hands over all groups of a chat at once.
    pub groups_fuel: usize,
    /// Bytes of one log line; more is cut.
    pub log_line_bytes: usize,
    /// Bytes of all log lines of a session; what comes after is dropped and counted.
    pub log_bytes: usize,
    /// Bytes of what `describe` answers.
    pub manifest_bytes: usize,
    /// Groups of a chat.
    pub groups: u32,
    /// Assignments and left-out ranges of a chat, over all its batches: the host keeps them until the groups are known.
    pub placements: usize,
    /// Bytes of a group's key.
    pub key_bytes: usize,
    /// Bytes of a group's title.
    pub title_bytes: usize,
    /// Labels of a group.
    pub labels: usize,
    /// Bytes of a label's name, and of its value.
    pub label_bytes: usize,
    /// Core instances of a session: one component may nest many.
    pub instances: ByTier,
    /// Linear memories of a session.
    pub memories: usize,
    /// Tables of a session.
    pub tables: usize,
    /// Handles that a module may hold at once.
    pub handles: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            module_bytes: ByTier { native: 4 << 20, javascript: 16 << 20, python: 48 << 20 },
            compile_time: Duration::from_mins(1),
            compile_bytes: 2 << 30,
            memory_bytes: 64 << 20,
            instance_bytes: ByTier { native: 1 << 20, javascript: 1 << 20, python: 512 << 10 },
            call_time: Duration::from_secs(10),
            chat_time: Duration::from_mins(2),
            hostcall_fuel: 8 << 20,
            groups_fuel: 32 << 20,
            log_line_bytes: 1 << 10,
            log_bytes: 64 << 10,
            manifest_bytes: 256 << 10,
            groups: 100_000,
            placements: 8_000_000,
            key_bytes: 256,
            title_bytes: 1 << 10,
            labels: 32,
            label_bytes: 1 << 10,
            // An interpreter's libraries are linked when the instance is made: 109 of them were counted.
            instances: ByTier { native: 32, javascript: 32, python: 160 },
            memories: 8,
            tables: 32,
            handles: 256,
        }
    }
}
