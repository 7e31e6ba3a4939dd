//! How and where a module failed in a window.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::module::FaultClass;

impl FaultClass {
    /// Whether it speaks against the module as a whole. To give up on a chat is a module's right, and says no more than that this chat has to wait for
    /// a person; what the host does wrong says nothing of the module.
    pub fn speaks_against_the_module(self) -> bool {
        !matches!(self, Self::GaveUp | Self::Host)
    }
}

/// How a module failed in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// In which way.
    pub class: FaultClass,
    /// In which call of the contract, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The module.
    pub digest: Digest,
    /// At which event, where that could be found: the same calls fail with it and not before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<FaultEvent>,
}

/// Where in a window a module failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultEvent {
    /// Its position in the chat.
    pub position: u64,
    /// The platform's id of it.
    pub id: String,
    /// The position of the last of some events, where it is not known which of them it is; `position` and `id` are then those of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

impl FaultEvent {
    /// For a person.
    pub fn text(&self) -> String {
        match self.to {
            None => format!("at event {}, position {}", self.id.escape_debug(), self.position),
            Some(to) => format!("among the events at positions {} to {to}", self.position),
        }
    }
}
