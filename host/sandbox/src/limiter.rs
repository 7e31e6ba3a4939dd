//! Memory of a whole store. wasmtime's own `StoreLimits` counts each memory by itself, so a component of many memories would have as many times the
//! limit.
//!
//! A request that goes over ends the module instead of answering -1: a module that carried on with less could leave out other events.

use consign_model::module::Tier;
use wasmtime::ResourceLimiter;

use crate::Limits;
use crate::host::Stop;

/// wasmtime keeps a pointer for each element of a table, and has the old ones and the new while it grows one.
const TABLE_ELEMENT_BYTES: usize = 2 * size_of::<usize>();

/// Counts memories and tables of one store together.
#[derive(Debug)]
pub struct Limiter {
    used: usize,
    limit: usize,
    instances: usize,
    memories: usize,
    tables: usize,
}

impl Limiter {
    /// With so many bytes of memories and tables.
    pub fn new(limits: &Limits, tier: Tier, memory_bytes: usize) -> Self {
        Self { used: 0, limit: memory_bytes, instances: limits.instances.of(tier), memories: limits.memories, tables: limits.tables }
    }

    /// What they may have together, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Memories and tables together, in bytes.
    pub fn used(&self) -> usize {
        self.used
    }

    fn grow(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        match self.used.checked_add(more).filter(|used| *used <= self.limit) {
            Some(used) => {
                self.used = used;
                Ok(true)
            }
            None => Err(wasmtime::Error::new(Stop::OutOfMemory)),
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // More than the memory's own maximum fails whatever this says, and would stay counted.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(current, desired)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(current.saturating_mul(TABLE_ELEMENT_BYTES), desired.saturating_mul(TABLE_ELEMENT_BYTES))
    }

    /// The machine has no memory left. A module that went on with a "no" would answer otherwise than on another day.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Stop::OutOfMemory))
    }

    /// As with memories.
    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Stop::OutOfMemory))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}
