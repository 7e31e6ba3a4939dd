//! What a filter's developer works with: a project that builds ([`project`]), and the module that comes of it under the very limits and error texts
//! of the server.
//!
//! It stands on the rooms below as the service does, so that what passes here passes there: events go through the importer into an archive of
//! their own ([`ground`]), and modules through the sandbox ([`judge`]). There is no second way for a chat to reach a module.

pub mod bench;
pub mod capture;
pub mod cases;
pub mod component;
pub mod failure;
pub mod ground;
pub mod judge;
mod made_up;
pub mod project;
pub mod properties;
pub mod run;
pub mod watch;
