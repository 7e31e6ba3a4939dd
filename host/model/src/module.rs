//! What a filter module says of itself, and what a policy binds of it.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// The two kinds of module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleKind {
    /// Which events of a chat are exported.
    Criteria,
    /// Which e-mails they go into.
    Grouping,
}

/// Data that a module reads, and a tenant approves when it binds the module. The contract lists which call needs which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// `chat.title`
    Titles,
    /// `chat.labels`
    Labels,
    /// `chat.participants`
    Participants,
    /// `chat.participant-attribute`
    Attributes,
    /// `view.times`, `view.utc-offsets`
    Times,
    /// `view.senders`
    Senders,
    /// `view.kinds`
    Kinds,
    /// `view.ids`
    Ids,
    /// `view.threads`, `view.targets`
    References,
    /// `view.matches`, `view.match-counts`
    Matching,
    /// `view.texts`
    Text,
    /// `view.attachments`
    Attachments,
}

impl Need {
    /// Whether it can be served only from decrypted events.
    pub fn needs_decryption(self) -> bool {
        !matches!(self, Self::Titles | Self::Labels | Self::Participants | Self::Attributes)
    }
}

/// One rule by which a module leaves events out; verdicts name it by its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Short and stable, for programs.
    pub code: String,
    /// For people.
    pub summary: String,
}

/// What `describe` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModuleManifest {
    /// `std/keywords`, `acme/desk-filter`, …
    pub name: String,
    /// The module's own version.
    pub version: String,
    /// One line for people.
    pub summary: String,
    /// What it reads.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// At most 255.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// JSON Schema 2020-12 of its configuration.
    #[serde(default = "any_configuration")]
    pub config_schema: serde_json::Value,
}

fn any_configuration() -> serde_json::Value {
    serde_json::Value::Bool(true)
}

/// A module as a policy's version keeps it: by digest, so that a later module of the same name changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundModule {
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
    /// `name@version` as it describes itself, for people.
    pub name: String,
    /// What the tenant approved that it reads.
    pub needs: Vec<Need>,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Checked against its schema and by itself.
    pub config: serde_json::Value,
    /// Criteria only: keep what it leaves out, and leave out what it keeps.
    #[serde(default)]
    pub negate: bool,
}
