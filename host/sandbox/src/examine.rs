//! What is looked at before a module may say a word: its size, its parts, that it is valid, that it fits the contract; and compiling it.
//!
//! One function, whoever calls it: the process that compiles uploads ([`compile`](crate::compile)), or this one in tests. Nothing of the module runs.

use consign_model::module::{ModuleFacts, ModuleKind, Tier};
use serde::{Deserialize, Serialize};
use wasmparser::Parser;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::{Limits, LoadError, contract, facts, parts};

/// What is known of a component that passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    pub kind: ModuleKind,
    pub facts: ModuleFacts,
}

/// Checks and compiles. The caller sees to it that this ends: a hostile component can make it take very long.
pub fn examine(engine: &Engine, bytes: &[u8], limits: &Limits) -> Result<(Examined, Component), LoadError> {
    // Before anything of it is read.
    let most = limits.module_bytes.of(Tier::Native).max(limits.module_bytes.of(Tier::JavaScript)).max(limits.module_bytes.of(Tier::Python));
    let too_large = |tier, limit| LoadError::TooLarge { bytes: bytes.len(), tier, limit };
    if bytes.len() > most {
        return Err(too_large(Tier::Python, most));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(LoadError::NotWasm);
    }
    let facts = facts::read(bytes)?;
    let limit = limits.module_bytes.of(facts.tier);
    if bytes.len() > limit {
        return Err(too_large(facts.tier, limit));
    }
    parts::check(bytes, limits.instance_bytes.of(facts.tier))?;
    let component = Component::from_binary(engine, bytes).map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
    let kind = contract::check(engine, &component, &facts).map_err(LoadError::Mismatch)?;
    Ok((Examined { kind, facts }, component))
}
