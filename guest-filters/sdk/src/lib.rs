//! Write filter modules for Consign in Rust.
//!
//! A module is one of two kinds. A [`Criteria`] says which events of a chat a policy exports, a [`Grouping`] which e-mails they go into. Implement
//! the trait, name the type in [`export_criteria!`] or [`export_grouping!`], and build it with `consign filter build`.
//!
//! A module reads chats and events through the traits [`Chat`] and [`View`], and never learns whether the host or [`testing`] stands behind them. So
//! its logic runs under a plain `cargo test`.
//!
//! ```
//! use consign_filter::{Criteria, EventKind, Failure, Manifest, Need, NoConfig, Verdict, View};
//!
//! consign_filter::rules! {
//!     /// Why this module leaves an event out.
//!     pub enum Why { NotAMessage = "not-a-message": "joins, leaves, edits and the like" }
//! }
//!
//! pub struct MessagesOnly;
//!
//! impl Criteria for MessagesOnly {
//!     type Config = NoConfig;
//!     type Rule = Why;
//!     const MANIFEST: Manifest = Manifest {
//!         name: "example/messages-only",
//!         version: "1.0.0",
//!         summary: "Messages, and nothing else.",
//!         needs: &[Need::Kinds],
//!         config_schema: NoConfig::SCHEMA,
//!     };
//!
//!     fn configure(_: NoConfig) -> Result<Self, Vec<consign_filter::ConfigError>> {
//!         Ok(Self)
//!     }
//!
//!     fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<Why>>, Failure> {
//!         let kinds = events.kinds().into_iter();
//!         Ok(kinds.map(|kind| Verdict::keep_if(kind == EventKind::Message, Why::NotAMessage)).collect())
//!     }
//! }
//!
//! consign_filter::export_criteria!(MessagesOnly);
//! ```

#[doc(hidden)]
pub mod bindings;
mod config;
mod criteria;
mod data;
mod grouping;
mod host;
pub mod log;
mod manifest;
#[cfg(feature = "attributes")]
#[doc(hidden)]
pub mod parts;
mod schema;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;
pub mod time;

pub use bindings::criteria::consign::filter::types::{
    Attachment, ChatKind, ConfigError, Event, EventFlags, EventKind, Membership, Participant, UserFlags,
};
pub use config::{NoConfig, config_error, parse_config};
pub use criteria::{ChatDecision, Criteria, CriteriaSession, Verdict};
pub use data::{Chat, TextColumn, View};
pub use grouping::{Group, Grouping, GroupingSession, Placement, Span};
pub use manifest::{Manifest, Need, NoRules, Rule, RuleSet};
pub use schema::Schema;
#[cfg(feature = "attributes")]
pub use {consign_filter_macros::config, consign_filter_macros::criteria, consign_filter_macros::grouping};
/// For the attributes' code, and for modules that implement [`schemars::JsonSchema`] or [`serde::Deserialize`] by hand.
#[cfg(feature = "attributes")]
pub use {schemars, serde};

/// Why a module could not decide. The host holds the chat and shows this text to the module's owner, so it says what is wrong and never
/// repeats what somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, as the host gets it.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
