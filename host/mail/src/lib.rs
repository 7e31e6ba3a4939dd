//! E-mails: templates, MIME, the SMTP session, a linter, and a receiver for trying things.

pub mod address;
pub mod compose;
pub mod inbox;
pub mod lint;
pub mod probe;
mod profile;
pub mod smtp;
pub mod template;
mod wire;
