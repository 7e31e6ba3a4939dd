//! What the tests of the session share: the server that they talk to, and what they send.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "each test program uses a part of it")]

pub mod given;
pub mod server;
