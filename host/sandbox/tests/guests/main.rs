//! The sandbox against modules: the standard ones, and ones made here to break it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cache;
mod frozen;
mod hostile;
mod made;
mod naive;
mod probed;
mod refused;
mod sealed;
mod standard;
mod support;
