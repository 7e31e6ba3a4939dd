//! The harness: runs the `consign` program as a user would, with real mail servers beside it, and other people's code to check what came out.
//!
//! The harness links no room of the host, so that a test can't pass by sharing its mistake. Everything that goes wrong panics with what it saw: in a
//! test that is the report. Every child process and folder goes away with the value that stands for it.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod arrived;
mod clock;
mod corpora;
mod faults;
mod files;
pub mod guests;
mod inbox;
mod kept;
mod postfix;
mod program;
mod python;
mod random;
mod say;
mod scripted;
mod served;
mod wait;

pub use arrived::{Arrived, IN_FLIGHT};
pub use clock::Clock;
pub use corpora::{Corpus, even_chats, few_in_each, made_up, real_jsonl, real_slack, seed};
pub use faults::{Fault, Shim, Steps};
pub use files::{files_below, holds};
pub use inbox::{Inbox, count};
pub use kept::Workplace;
pub use postfix::{Postfix, Protection, USER};
pub use program::{Consign, Ran, Running, Target, binary};
pub use python::{check, make, python};
pub use random::Random;
pub use say::say;
pub use scripted::{Behaviour, Scripted};
pub use served::{Answer, Served, ask, ask_at, event_lines, one_policy, secret};
pub use wait::{until, until_some};
