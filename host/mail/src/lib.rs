//! E-mails: templates, MIME, the SMTP session, and a receiver for trying things.

pub mod address;
pub mod compose;
pub mod inbox;
mod profile;
pub mod smtp;
pub mod template;
mod wire;
