//! What a filter module says of itself, what a policy binds of it, and what came of trying it.

use serde::{Deserialize, Serialize};

use crate::id::Hasher;
use crate::{Digest, Name};

/// The two kinds of module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleKind {
    /// Which events of a chat are exported.
    Criteria,
    /// Which e-mails they go into.
    Grouping,
}

impl ModuleKind {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Criteria => "criteria",
            Self::Grouping => "grouping",
        }
    }
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

    /// Whether a module sees by it something of what people wrote or sent: where a tenant asks for it, it takes two people to let one see that.
    pub fn is_of_messages(self) -> bool {
        matches!(self, Self::Matching | Self::Text | Self::Attachments)
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

    /// SHA-256 of the binding under one policy. What a person accepts of a module is accepted for a policy, and not for all that bind it alike.
    pub fn binding_under(&self, policy: &Name) -> Digest {
        let mut hasher = Hasher::default();
        hasher.field(&self.binding().0).field(policy.as_str().as_bytes());
        hasher.finish()
    }

    /// The module's name without its version.
    pub fn base_name(&self) -> &str {
        self.name.split_once('@').map_or(self.name.as_str(), |(name, _)| name)
    }

    /// The same without its shadow.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { shadow: None, ..self.clone() }
    }
}

/// What kind of fault ended a module's work. The words are for ledgers and programs; they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// Its code failed.
    Trap,
    /// It took too long, in a call or for a chat.
    Deadline,
    /// It wanted more memory, tables or instances than it may have.
    Memory,
    /// It handed over more than a call may.
    Output,
    /// It answered against the contract, or called for what was not approved.
    Contract,
    /// It refused, for a chat, a configuration that it had taken when it was bound.
    Configuration,
    /// It gave up on the chat in its own words.
    GaveUp,
    /// The host failed, not the module.
    Host,
}

impl FaultClass {
    /// The word for it, as it is serialised.
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
}

/// What made a component, which decides how large it may be: language runtimes come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Compiled to WebAssembly: Rust, C and their like.
    Native,
    /// With a JavaScript engine in it.
    JavaScript,
    /// With a Python interpreter in it.
    Python,
}

/// One entry of a component's producers section: what made it, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// `rustc`, `componentize-py`, …
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What can be seen of a component without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleFacts {
    /// By its producers.
    pub tier: Tier,
    /// Sorted, each once.
    pub producers: Vec<Producer>,
    /// The interfaces that it imports, by name and version.
    pub imports: Vec<String>,
    /// The component's size.
    pub bytes: u64,
}

/// What came of trying a module on a made-up chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The engine that it ran under: another one probes again.
    pub engine: String,
    /// In order; after one that failed there is no other.
    pub steps: Vec<ProbeStep>,
    /// SHA-256 of the verdicts or groups on the made-up chat: the same module, configuration and chat give the same. Unset where it was not run.
    pub verdicts: Option<Digest>,
}

/// One step of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeStep {
    /// What was tried, for a person.
    pub name: String,
    /// What came of it.
    pub outcome: ProbeOutcome,
}

/// What came of one step of a probe. The texts hold nothing that a module said itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ProbeOutcome {
    /// As it should be.
    Passed,
    /// It could not be tried.
    NotRun {
        /// Why.
        why: String,
    },
    /// The module is not to be used.
    Failed {
        /// Why.
        why: String,
    },
}

impl ProbeReport {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.failure().is_none()
    }

    /// The step that failed, and why.
    pub fn failure(&self) -> Option<(&str, &str)> {
        self.steps.iter().find_map(|step| match &step.outcome {
            ProbeOutcome::Failed { why } => Some((step.name.as_str(), why.as_str())),
            ProbeOutcome::Passed | ProbeOutcome::NotRun { .. } => None,
        })
    }
}
