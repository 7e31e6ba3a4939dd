//! What a filter's developer works with: a project that builds ([`project`]), and the module that comes of it under the very limits and error texts
//! of the server.
//!
//! It stands on the rooms below as the service does, so that what passes here passes there: events go through the importer into an archive of
//! their own, and modules through the sandbox. There is no second way for a chat to reach a module.

pub mod project;
