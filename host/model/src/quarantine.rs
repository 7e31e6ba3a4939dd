//! A module that a policy does not run any more until a person has decided about it.

use serde::{Deserialize, Serialize};

use crate::module::FaultClass;
use crate::{Digest, Name, RunId, Timestamp};

/// A module's quarantine under one policy. Where it is over it is kept: who released it, and when, is asked later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The policy.
    pub policy: Name,
    /// The module.
    pub digest: Digest,
    /// `name@version`.
    pub module: String,
    /// Why.
    pub why: QuarantineReason,
    /// Since when.
    pub since: Timestamp,
    /// Who ended it, where somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
}

impl Quarantine {
    /// Whether nobody has ended it.
    pub fn is_in_force(&self) -> bool {
        self.release.is_none()
    }

    /// Whether it holds under this engine: one that was found otherwise under another is here what it always was.
    pub fn holds_under(&self, engine: &str) -> bool {
        self.is_in_force() && !matches!(&self.why, QuarantineReason::Engine { engine: of, .. } if of != engine)
    }

    /// Why, for a person.
    pub fn text(&self) -> String {
        match &self.why {
            QuarantineReason::Faults { run, chats, class } => {
                format!("it failed in {chats} different chats, the last time in run {run} ({})", class.word())
            }
            QuarantineReason::Engine { engine, text } => format!("under the engine {engine} it is not what it was: {text}"),
        }
    }
}

/// Why a module is quarantined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum QuarantineReason {
    /// It failed again and again.
    Faults {
        /// The run in which it was enough.
        run: RunId,
        /// In how many different chats.
        chats: u32,
        /// How it failed the last time.
        class: FaultClass,
    },
    /// It does not pass its probe any more under another engine, or answers otherwise.
    Engine {
        /// The engine.
        engine: String,
        /// What is otherwise.
        text: String,
    },
}

/// That a person ended a quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Who, as the operating system names them.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_engines_quarantine_is_that_engines() {
        let by = |why: QuarantineReason| Quarantine {
            policy: "p".parse().unwrap(),
            digest: Digest::of(b"module"),
            module: "acme/x@1".to_owned(),
            why,
            since: Timestamp(0),
            release: None,
        };
        let engine = by(QuarantineReason::Engine { engine: "new".to_owned(), text: String::new() });
        let faults = by(QuarantineReason::Faults { run: RunId::from_text("p-000001"), chats: 3, class: FaultClass::Trap });
        assert_eq!(["new", "old"].map(|under| (engine.holds_under(under), faults.holds_under(under))), [(true, true), (false, true)]);
        let released = Quarantine { release: Some(Release { by: "ann".to_owned(), at: Timestamp(1) }), ..engine };
        assert!(!released.holds_under("new"));
    }
}
