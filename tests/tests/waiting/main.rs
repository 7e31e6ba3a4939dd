//! What waits for the scheduler's half-minute look: in one program, so that it waits together.

mod alerts;
mod clock;
mod full_disk;
#[path = "../guests/mod.rs"]
mod guests;
