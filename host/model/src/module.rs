//! What a filter module says of itself, what a policy binds of it, and in which ways one can fail.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::id::Hasher;

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

    /// The word for it, in manifests and policies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Titles => "titles",
            Self::Labels => "labels",
            Self::Participants => "participants",
            Self::Attributes => "attributes",
            Self::Times => "times",
            Self::Senders => "senders",
            Self::Kinds => "kinds",
            Self::Ids => "ids",
            Self::References => "references",
            Self::Matching => "matching",
            Self::Text => "text",
            Self::Attachments => "attachments",
        }
    }

    /// What a module sees by it, for the person who has to approve it.
    pub fn opens(self) -> &'static str {
        match self {
            Self::Titles => "the chat's title",
            Self::Labels => "the chat's labels",
            Self::Participants => "who was in the chat and when: ids, names, e-mail addresses",
            Self::Attributes => "what the identity map says of its people, a department say",
            Self::Times => "when each event happened",
            Self::Senders => "who did it",
            Self::Kinds => "what kind of event it is: message, edit, join, …",
            Self::Ids => "the platform's id of each event",
            Self::References => "which thread an event belongs to, and which message it edits, deletes or reacts to",
            Self::Matching => "whether a text holds keywords that the policy lists; not the text",
            Self::Text => "everything that people wrote",
            Self::Attachments => "names, types and sizes of files; not what is in them",
        }
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
    /// Another version that runs beside it and decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<BoundModule>>,
}

impl BoundModule {
    /// SHA-256 of what a module's answers depend on: its bytes, its configuration and what it may read. A probe of it is kept by this.
    pub fn binding(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.field(&self.digest.0).field(self.config.to_string().as_bytes());
        for need in &self.needs {
            hasher.field(need.word().as_bytes());
        }
        hasher.finish()
    }

    /// The same without its shadow.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { shadow: None, ..self.clone() }
    }
}

/// In which way a module failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// Its code failed: a panic, a division by zero, an access out of bounds.
    Trap,
    /// A call, or the chat, took too long.
    Deadline,
    /// It asked for more memory than it may have.
    Memory,
    /// It handed over more than it may, or made more of something.
    Output,
    /// It answered against the contract, or called for what was not approved.
    Contract,
    /// It refused a configuration that it had accepted.
    Configuration,
    /// It gave up on the chat, with a reason of its own.
    GaveUp,
    /// The host is to blame, not the module.
    Host,
}

impl FaultClass {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Contract => "contract",
            Self::Configuration => "configuration",
            Self::GaveUp => "gave-up",
            Self::Host => "host",
        }
    }

    /// Whether it speaks against the module as a whole. To give up on a chat is a module's right: it says no more than that this chat has to wait for a
    /// person.
    pub fn is_a_fault(self) -> bool {
        !matches!(self, Self::GaveUp | Self::Host)
    }
}

/// How a module failed in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// In which way.
    pub class: FaultClass,
    /// In which call of the contract, where it was in one.
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
    /// The position of the last event of a batch in which no single one could be found; `position` is then the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// By what a module was made, which decides how large it may be: a language's runtime is part of the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Compiled: Rust, C and their like.
    Native,
    /// With a JavaScript engine in it.
    #[serde(rename = "javascript")]
    JavaScript,
    /// With a Python interpreter in it.
    Python,
}

/// A line of a component's producers section: by what it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// `language`, `processed-by`, `sdk`.
    pub field: String,
    /// Which.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What came of one step of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ProbeOutcome {
    /// As it must be.
    Passed,
    /// There was nothing to try it with.
    NotRun {
        /// Why.
        why: String,
    },
    /// Not as it must be.
    Failed {
        /// What was wrong.
        why: String,
    },
}

/// One step of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeStep {
    /// What was tried.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: ProbeOutcome,
}

/// What came of trying a module on a chat that is always the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The steps, in order.
    pub steps: Vec<ProbeStep>,
    /// SHA-256 of all that it answered; unset where it did not get as far.
    pub verdicts: Option<Digest>,
    /// The engine that ran it.
    pub engine: String,
}

impl Probe {
    /// Whether no step failed.
    pub fn passed(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.outcome, ProbeOutcome::Failed { .. }))
    }

    /// The steps that failed, a line each.
    pub fn failures(&self) -> Vec<String> {
        let line = |step: &ProbeStep| match &step.outcome {
            ProbeOutcome::Failed { why } => Some(format!("{}: {why}", step.name)),
            ProbeOutcome::Passed | ProbeOutcome::NotRun { .. } => None,
        };
        self.steps.iter().filter_map(line).collect()
    }
}
