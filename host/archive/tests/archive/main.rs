//! The archive as other rooms use it, on a real folder.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod arrivals;
mod attachments;
mod corpus;
mod fixture;
mod hostile;
mod outside;
mod segments;
