//! What composing reads, all of it: the same input gives the same bytes. There is no clock and no randomness behind this door, and nothing
//! of host, port or credentials comes in.

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_model::policy::AttachmentsSpec;
use consign_model::target::Composing;
use consign_model::window::{Facts, Participant};
use consign_model::{Digest, Event, Flags, RunId, TenantId, Timestamp, WindowKey};

/// One group of one window: what becomes one e-mail, or its parts.
#[derive(Debug, Clone)]
pub struct GroupInput<'a> {
    /// Whose. In the Message-ID's hash, so that two tenants never share one.
    pub tenant: &'a TenantId,
    /// The run that froze the window. In a header and in `consign.json`, never in the Message-ID.
    pub run: &'a RunId,
    /// Policy, source, chat and first position.
    pub window: &'a WindowKey,
    /// Position after the window's last event.
    pub window_to: u64,
    /// When the window's run began: the e-mail's date where the group has no event.
    pub window_end: Timestamp,
    /// Which of the window's groups, counted from 0.
    pub group_index: u32,
    /// What the grouping says of it.
    pub group: GroupInfo<'a>,
    /// The chat and its people. Shared, because templates may keep it while they run.
    pub facts: &'a Arc<Facts>,
    /// In the order in which they are shown: by time.
    pub events: Vec<MailEvent<'a>>,
    /// Files that belong to no event: the segment files of a chat that is exported as it is, encrypted. Never left out and never a placeholder.
    pub files: &'a [SealedFile],
    /// The target's fields, as frozen.
    pub target: &'a Composing,
    /// Which attachments the policy exports.
    pub attachments: &'a AttachmentsSpec,
    /// Message-IDs of earlier e-mails that this one belongs to, oldest first, without angle brackets.
    pub references: &'a [String],
}

/// What the grouping says of a group.
#[derive(Debug, Clone, Copy)]
pub struct GroupInfo<'a> {
    /// Its key, unique in the window.
    pub key: &'a str,
    /// A title for people.
    pub title: Option<&'a str>,
    /// The user for whom this copy is.
    pub subject: Option<&'a Participant>,
    /// What the grouping says more, for templates.
    pub labels: &'a BTreeMap<String, String>,
}

/// An event as it stands in an e-mail.
#[derive(Debug, Clone, Copy)]
pub struct MailEvent<'a> {
    /// The event. Its own `previous` is not shown by itself: see below.
    pub event: &'a Event,
    /// All its flags: those of the event and what the export found out (edited, deleted, late).
    pub flags: Flags,
    /// The text before this edit or deletion, where this recipient may see it: the export decides.
    pub previous: Option<&'a str>,
    /// Its position in the chat.
    pub position: u64,
}

/// A file that is exported as it lies in the archive, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// The name to attach it by.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of them, as they are.
    pub digest: Digest,
    /// Position of its first event.
    pub first: u64,
    /// How many events it holds.
    pub events: u32,
    /// Time of its earliest event.
    pub first_at: Timestamp,
    /// Time of its latest event.
    pub last_at: Timestamp,
}
