//! What a run leaves as its proof. Written by the export, read by `verify` and by programs that are not ours.

use serde::{Deserialize, Serialize};

use crate::audit::Head;
use crate::identity::IdentityMap;
use crate::run::{ChatCounts, EmailCounts, EventCounts, StandIn, Trigger};
use crate::source::{Lack, SourceUse};
use crate::window::HeldReason;
use crate::{ChatKey, Digest, Name, RecipientOutcome, RunId, Timestamp, WindowKey};

/// The manifest file: the manifest and its signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedManifest {
    /// Signed as it stands, byte for byte.
    pub manifest: Box<serde_json::value::RawValue>,
    /// By the tenant's signing key.
    pub signature: Signature,
}

/// An Ed25519 signature (RFC 8032) over the SHA-256 of the manifest's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// `ed25519-sha256`.
    pub algorithm: String,
    /// The public key, base64.
    pub key: String,
    /// SHA-256 of the manifest's bytes.
    pub digest: Digest,
    /// Base64.
    pub value: String,
}

/// One run, accounted for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this format: 1.
    pub version: u32,
    /// Whose.
    pub tenant: Name,
    /// The policy.
    pub policy: Name,
    /// Its version.
    pub policy_version: u32,
    /// SHA-256 of the policy with its modules.
    pub policy_digest: Digest,
    /// Where that is an earlier version than the one that was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<StandIn>,
    /// Modules by digest, with their configuration's SHA-256.
    pub modules: Vec<ModuleUse>,
    /// The tenant's sources, with what each gives. Empty in manifests of earlier releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceUse>,
    /// What the policy requires of these and they do not give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<Lack>,
    /// The tenant's identity map, as it was when the run ended; each window goes by what it was when that was frozen. Unset where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<IdentityMap>,
    /// The run.
    pub run: RunId,
    /// What started it.
    pub trigger: Trigger,
    /// When.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// SHA-256 of the policy's manifest before this one; unset for the first.
    pub previous: Option<Digest>,
    /// The last entry of the audit log when this was written, in which the run's beginning stands already. Unset in manifests of releases without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Head>,
    /// Every window of the run.
    pub windows: Vec<WindowEntry>,
    /// What became of windows that earlier runs had held; their events are not examined again.
    pub supplements: Vec<WindowEntry>,
    /// Sums over `windows`.
    pub events: EventCounts,
    /// Sums over `windows`.
    pub emails: EmailCounts,
    /// Sums over `windows`.
    pub chats: ChatCounts,
}

/// A module in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleUse {
    /// `name@version`.
    pub name: String,
    /// Of the component.
    pub digest: Digest,
    /// Of its configuration as JSON.
    pub config: Digest,
}

/// A window in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowEntry {
    /// The source.
    pub source: Name,
    /// The platform's id of the chat.
    pub chat: String,
    /// First position.
    pub from: u64,
    /// 0, or which supplement to the window that begins there: copies that users turned out to be owed.
    #[serde(default, skip_serializing_if = "crate::window::is_zero")]
    pub supplement: u32,
    /// Position after the last.
    pub to: u64,
    /// The run that froze it.
    pub run: RunId,
    /// The policy's version that it was evaluated under.
    pub policy_version: u32,
    /// Its events.
    pub events: EventCounts,
    /// Left-out events by module and rule.
    pub omitted: Vec<OmittedCount>,
    /// Why it is held, where it is.
    pub held: Option<HeldReason>,
    /// Every e-mail.
    pub emails: Vec<EmailEntry>,
}

impl WindowEntry {
    /// Which window of a policy it is.
    pub fn key(&self, policy: &Name) -> WindowKey {
        let chat = ChatKey { source: self.source.clone(), id: self.chat.clone() };
        WindowKey { policy: policy.clone(), chat, from: self.from, supplement: self.supplement }
    }
}

/// How many events of a window a rule left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OmittedCount {
    /// Modules and rules; several where `match = "any"` needed several to agree.
    pub by: Vec<RuleRef>,
    /// How many events.
    pub events: u64,
}

/// A rule of a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleRef {
    /// `name@version`, or `policy`.
    pub module: String,
    /// The rule's code.
    pub rule: String,
}

/// An e-mail in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailEntry {
    /// Without angle brackets.
    pub message_id: String,
    /// Of the e-mail's bytes.
    pub sha256: Digest,
    /// Of earlier forms of it that somebody may have: a person decided that it be sent as it was composed then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Digest>,
    /// Of those bytes.
    pub size: u64,
    /// Counted from 1.
    pub part: u32,
    /// How many parts the group has.
    pub parts: u32,
    /// Events in this e-mail.
    pub events: u64,
    /// What became of it.
    pub recipients: Vec<RecipientOutcome>,
}
