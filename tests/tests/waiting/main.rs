//! What waits for the scheduler's half-minute look: in one program, so that it waits together.

mod alerts;
mod clock;
mod full_disk;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#[path = "../guests/mod.rs"]
mod guests;
