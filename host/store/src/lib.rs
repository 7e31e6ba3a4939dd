//! What Consign remembers beside conversation files: tenants, sources, the index of chats, policies, runs, windows and the ledger.
//!
//! The trait speaks the domain's words and promises what the rooms above rely on (what is atomic, what is durable when it returns, what is refused),
//! so that sled in one process and `PostgreSQL` under several nodes can both keep it. One conformance suite holds them to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use consign_model::access::{Session, Token};
use consign_model::audit::{Author, Cause, Deed, Deletion, Head, ImportFigures, Retried};
use consign_model::identity::{Identity, IdentityMap};
use consign_model::keeping::{Gone, Keeping};
use consign_model::module::{ModuleFacts, ModuleManifest, ProbeReport};
use consign_model::policy::PolicyVersion;
use consign_model::proposal::{Decision, Proposal};
use consign_model::quarantine::Release;
use consign_model::request::{KeptAnswer, KeptRequest};
use consign_model::run::{DayFigures, StandIn, Trigger};
use consign_model::source::{Capabilities, Capture};
use consign_model::target::{KeptSecret, TargetVersion};
use consign_model::window::Facts;
use consign_model::{
    Chat, ChatKey, Delivery, Digest, EventHash, EventIdentity, Extent, Member, ModuleKey, Name, Quarantine, Quotas, RemovedTenant, Rows, Run, RunId,
    RunSummary, TenantId, TenantKeys, Timestamp, User, WantedFile, WantedKey, WantedKind, WantedState, Window, WindowKey, WindowState,
};

/// A connected platform.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceRecord {
    /// Its name.
    pub name: Name,
    /// The format it was first imported in: `slack`, `jsonl`.
    pub format: String,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// All the ways in by which something came, by their formats, with what each gives.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ways: BTreeMap<String, Capabilities>,
}

impl SourceRecord {
    /// A source that something comes into now, by this format.
    pub fn new(name: Name, format: &str, gives: Capabilities) -> Self {
        Self { name, format: format.to_owned(), created_at: Timestamp::now(), ways: BTreeMap::from([(format.to_owned(), gives)]) }
    }
}

/// A file of events of one chat, as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SegmentRecord {
    /// Position of its first event.
    pub first: u64,
    /// How many events.
    pub events: u32,
    /// Address in the archive's object store.
    pub path: String,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// The row at which its events begin in a file where other chats' stand too; unset: the file is this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
    /// Time of its earliest event.
    pub first_at: Timestamp,
    /// Time of its latest event.
    pub last_at: Timestamp,
    /// The arrival that brought it; given by the store.
    pub arrival: u64,
    /// Which of its events were deleted since: their places are there, and times; nothing that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
    /// Another file in which its events still are: the one among other chats' from which they got a file of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also_in: Option<(String, Digest)>,
}

impl SegmentRecord {
    /// Where the archive has it.
    pub fn extent(&self) -> Extent<'_> {
        let rows = self.row.map(|first| Rows { first, count: self.events });
        Extent { path: &self.path, digest: &self.digest, rows }
    }

    /// Whether its event in this row was deleted.
    pub fn has_lost(&self, row: usize) -> bool {
        self.gone.as_ref().is_some_and(|gone| u32::try_from(row).is_ok_and(|row| gone.has(row)))
    }

    /// The position after its last event.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.events))
    }
}

/// A segment that takes the place of one, with other files: some events of it, or of others that lay with it, are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The chat.
    pub chat: ChatKey,
    /// As it is until now: refused as a conflict where it is another.
    pub was: SegmentRecord,
    /// As it is from now on: the same positions and times of the same arrival, and none of its events back that was gone.
    pub now: SegmentRecord,
}

/// By what events are deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What they are deleted for.
    pub why: Deletion,
    /// The version of rules and holds that allows it.
    pub keeping: u32,
}

/// Which events of a chat a user's own export was seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The platform's id of the user.
    pub user: String,
    /// The events.
    pub events: Vec<EventHash>,
}

/// How far something was pulled that a source is asked for by itself.
///
/// It is kept after what it stands behind is durable, so one that is lost or old repeats what is there already and loses nothing. It is no secret, and may
/// name users and chats by the platform's ids.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PullCursor {
    /// Of what: a user, a team or a chat, in the words of whoever pulls. Unique in its source.
    pub of: String,
    /// What the platform gave to go on from, and what whoever pulls needs beside it. Some KiB at most.
    pub text: String,
    /// When it was kept.
    pub at: Timestamp,
}

/// What arrives for one chat at once. Its files are durable before it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The chat as it is now known. `events`, `first_at` and `last_at` are the new totals.
    pub chat: Chat,
    /// How many events the chat had when this was prepared: refused as a conflict where it has others by now.
    pub expected_events: u64,
    /// The new segments, by position, without gaps. May be none: a new title or member alone is an arrival that opens no window.
    pub segments: Vec<SegmentRecord>,
    /// What is newly known of members; merged into what is there.
    pub members: Vec<Member>,
    /// Identities of the events of `segments`, and of the files on them.
    pub identities: Vec<EventIdentity>,
    /// In whose own exports events of the chat were seen, new ones or others. May be all that arrives.
    pub copies: Vec<Copies>,
    /// Files that events of `segments` name by an address, and whose bytes are not there.
    pub wanted: Vec<WantedFile>,
    /// Files of the chat that are there now, and no longer wanted where they were.
    pub found: Vec<EventHash>,
}

/// A module that a tenant may bind.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ModuleRecord {
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Criteria or grouping.
    pub kind: consign_model::module::ModuleKind,
    /// What it says of itself.
    pub manifest: ModuleManifest,
    /// What can be seen of it without running it.
    pub facts: ModuleFacts,
    /// What came of trying it before it was kept.
    pub probe: ProbeReport,
    /// The key by which it was signed; unset where it was pushed without a signature. As it was then: it may have been removed since.
    pub signed_by: Option<ModuleKey>,
    /// When it was added.
    pub added_at: Timestamp,
    /// Its bytes as it was compiled then. Earlier releases did not keep that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiled_bytes: Option<u64>,
}

impl ModuleRecord {
    /// `name@version`.
    pub fn name(&self) -> String {
        format!("{}@{}", self.manifest.name, self.manifest.version)
    }
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The entry's number, by the place where it lies.
    pub seq: u64,
    /// A [`consign_model::audit::SignedEntry`], as it was written. Whether it is right is for who checks the chain to say.
    pub line: String,
}

/// How far a policy has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// Runs so far.
    pub runs: u64,
    /// Arrivals up to this one all have their windows.
    pub cursor: u64,
    /// SHA-256 of the newest manifest.
    pub manifest: Option<Digest>,
    /// The newest due time that a run was begun for.
    pub last_due: Option<Timestamp>,
}

/// Where a chat's next window of a policy begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextWindow {
    /// The position.
    pub from: u64,
    /// The clock's end of the window before.
    pub starts_at: Timestamp,
}

/// A run that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// The policy.
    pub policy: Name,
    /// Its version.
    pub policy_version: u32,
    /// The target's version.
    pub target_version: u32,
    /// What starts it.
    pub trigger: Trigger,
    /// Where that is an earlier version than the newest.
    pub stands_in: Option<StandIn>,
    /// Which held windows it is asked to try again, where it is.
    pub retry: Option<Retried>,
    /// The clock.
    pub started_at: Timestamp,
}

/// The answer to a [`NewRun`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is yours; every arrival up to `until` belongs to it.
    New(Run),
    /// An earlier run of this policy has not ended: it was interrupted, or is under way.
    Unfinished(Run),
    /// This due time, or a later one, has had its run.
    AlreadyRun,
}

/// Which windows to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowFilter {
    /// Those that this run froze.
    OfRun(RunId),
    /// Those of a policy that are not done: open or held, whoever froze them.
    Unsettled(Name),
    /// Those of a policy's chat, by position, without supplements.
    OfChat(Name, ChatKey),
    /// The supplements to these.
    Supplements(Name, ChatKey),
}

/// Which wanted files to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFilter {
    /// Of this source.
    pub source: Name,
    /// In this state; unset: in any.
    pub kind: Option<WantedKind>,
}

/// Of what a change is made: a change of something that is another by then is refused as a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Of whatever is there.
    Whatever,
    /// Only where there is none.
    None,
    /// Only of this one, by its mark.
    This(Digest),
}

impl Seen {
    /// Whether what is there by now (its mark; unset: there is none) is what was seen.
    pub fn is(self, now: Option<Digest>) -> bool {
        match self {
            Self::Whatever => true,
            Self::None => now.is_none(),
            Self::This(mark) => now == Some(mark),
        }
    }
}

/// New versions that come into force together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Versions<'a> {
    /// Of targets.
    pub targets: &'a [TargetVersion],
    /// Of policies.
    pub policies: &'a [PolicyVersion],
}

/// The answer to a request that is to be made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is yours to make.
    New,
    /// It was asked before.
    Known(KeptRequest),
    /// No more are kept for now.
    Full,
}

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed it since it was read. Read again and decide anew.
    #[error("{what} was changed by somebody else meanwhile; nothing was stored")]
    Conflict {
        /// What.
        what: String,
    },
    /// There was a tenant of this name.
    #[error("there was a tenant '{tenant}' until {at}: what it had is destroyed, and its name is given to no other")]
    Removed {
        /// The name.
        tenant: TenantId,
        /// When it was removed.
        at: Timestamp,
    },
    /// Another process has the data folder open.
    #[error("the data folder {path} is in use by another process{holder}: stop it, or choose another folder with --data")]
    Held {
        /// The folder.
        path: String,
        /// ` (process 1234)`, where known.
        holder: String,
    },
    /// The folder was written by a newer release.
    #[error("the data folder {path} has format {found}, and this release knows formats up to {known}: use the newer release that wrote it")]
    Newer {
        /// The folder.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A record that its checksum or shape proves damaged, or a database that does not open.
    #[error("the data folder is damaged: {what}. {hint}")]
    Damaged {
        /// What, without contents.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The disk or the database failed.
    #[error("the store failed while {doing}: {cause}")]
    Failed {
        /// What was being done.
        doing: String,
        /// The cause, for the log and the person.
        cause: String,
    },
}

/// The store's answer.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What is called between two entries: see [`Store::rotate_tenant_keys`].
pub type Entered = Box<dyn FnOnce() + Send>;

/// The store. Every write is atomic, and durable when it returns; concurrent writers share flushes.
///
/// What takes an [`Author`] is audited: the write makes an entry of what it changed in the tenant's log, signed by the author, in the same transaction.
/// A write that changes nothing, or is refused, makes none.
#[async_trait]
pub trait Store: Send + Sync {
    /// Adds a tenant with its keys. Where it is there already, its own keys come back, and nothing changes but that the audit log begins of a tenant
    /// that is older than that. [`StoreError::Removed`] where there was one of its name.
    async fn create_tenant(&self, tenant: &TenantId, keys: &TenantKeys, by: &Author) -> Result<TenantKeys>;
    /// A tenant's keys, where it exists.
    async fn tenant_keys(&self, tenant: &TenantId) -> Result<Option<TenantKeys>>;
    /// Puts keys in the place of a tenant's, which they have as the last of those before ([`TenantKeys::follow`]); refused as a conflict otherwise. Makes two entries: `by` signs the first with the key
    /// before, then `entered` is called, and `by` and everybody else sign the second, and all after it, with the new key. When this returns the keys are durable.
    async fn rotate_tenant_keys(&self, tenant: &TenantId, keys: &TenantKeys, by: &Author, entered: Entered) -> Result<()>;

    /// Tenants after this one, by name, at most `limit`.
    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>>;

    /// Takes a tenant's keys out, and its tokens' places: from now on it is none, and what its files hold opens no more. Its other records are gone when the store was opened anew.
    /// Refused as a conflict where it is not there with these keys, or its rules and holds have another version. Entered in the log of the installation.
    async fn remove_tenant(&self, removed: &RemovedTenant, keeping: u32, by: &Author) -> Result<()>;
    /// Tenants that were removed, by name.
    async fn removed_tenants(&self) -> Result<Vec<RemovedTenant>>;
    /// Keeps what was done since about one; of a proof that is new the log of the installation tells.
    async fn put_removed(&self, removed: &RemovedTenant, by: &Author) -> Result<()>;

    /// Adds a token. Refused as a conflict where its id, or its hash, is there already.
    async fn add_token(&self, tenant: &TenantId, token: &Token, by: &Author) -> Result<()>;
    /// All tokens, by id, with those that are worth nothing any more.
    async fn tokens(&self, tenant: &TenantId) -> Result<Vec<Token>>;
    /// Whose a token is, by its hash. The one question that no tenant's name comes with.
    async fn token_of(&self, hash: &Digest) -> Result<Option<(TenantId, Token)>>;
    /// Takes a token back. Answers how it stands now, which where it was taken back before is as then; unset where there is none.
    async fn revoke_token(&self, tenant: &TenantId, id: &Name, at: Timestamp, by: &Author) -> Result<Option<Token>>;

    /// Keeps a session that has begun, and drops those of the tenant that were over when it began. One that a link began uses that up: refused as a conflict where the
    /// link was used before, or is worth nothing.
    async fn begin_session(&self, tenant: &TenantId, session: &Session, by: &Author) -> Result<()>;
    /// A session by the hash of its text, also one that is over.
    async fn session(&self, tenant: &TenantId, hash: &Digest) -> Result<Option<Session>>;
    /// Ends a session. Answers whether there was one.
    async fn end_session(&self, tenant: &TenantId, hash: &Digest, by: &Author) -> Result<bool>;

    /// Whether what is dangerous takes two people.
    async fn two_people(&self, tenant: &TenantId) -> Result<bool>;
    /// Has it take two from now on, or one. The same again changes nothing.
    async fn set_two_people(&self, tenant: &TenantId, on: bool, by: &Author) -> Result<()>;
    /// Keeps a proposal, and drops those that can't be approved any more since three months. Refused as a conflict where its id is there already.
    async fn propose(&self, tenant: &TenantId, proposal: &Proposal, by: &Author) -> Result<()>;
    /// All proposals, by id, also those that are decided or over.
    async fn proposals(&self, tenant: &TenantId) -> Result<Vec<Proposal>>;
    /// Says what has become of a proposal. Refused as a conflict where it is not there, or not open at the time of the decision: of two one decides.
    async fn decide(&self, tenant: &TenantId, id: &Name, decision: &Decision, by: &Author) -> Result<()>;

    /// Keeps a sealed secret, in the place of one of its name, where that is the one that was seen.
    async fn keep_secret(&self, tenant: &TenantId, secret: &KeptSecret, seen: Seen, by: &Author) -> Result<()>;
    /// A sealed secret.
    async fn secret(&self, tenant: &TenantId, name: &Name) -> Result<Option<KeptSecret>>;
    /// All sealed secrets, by name.
    async fn secrets(&self, tenant: &TenantId) -> Result<Vec<KeptSecret>>;
    /// Takes a secret out, where it is the one that was seen. Answers whether it was there.
    async fn remove_secret(&self, tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> Result<bool>;

    /// Claims a request that is to be made once, and drops those of the tenant that were asked before `since`. No more than `most` are kept.
    async fn begin_request(&self, tenant: &TenantId, request: &KeptRequest, since: Timestamp, most: usize) -> Result<Claim>;
    /// Keeps what was answered to a request that was claimed; unset: forgets it, so that it may be asked anew.
    async fn end_request(&self, tenant: &TenantId, key: &Digest, answer: Option<&KeptAnswer>) -> Result<()>;

    /// Begins an import: adds its source, where it is not there, and enters the import in the log. `input` is the file or folder, as a person named it.
    async fn begin_import(&self, tenant: &TenantId, source: &SourceRecord, input: &str, by: &Author) -> Result<()>;
    /// Enters in the log that an import ended, and how.
    async fn end_import(&self, tenant: &TenantId, source: &Name, figures: &ImportFigures, by: &Author) -> Result<()>;
    /// All sources, by name.
    async fn sources(&self, tenant: &TenantId) -> Result<Vec<SourceRecord>>;
    /// Adds users or replaces what is known of them, but for the names that they had: of those who are called otherwise `now`, these are kept. Says how many were
    /// new or changed.
    async fn put_users(&self, tenant: &TenantId, source: &Name, users: &[User], now: Timestamp) -> Result<u64>;
    /// Users of a source after this one, by id, at most `limit`.
    async fn users_after(&self, tenant: &TenantId, source: &Name, after: Option<&str>, limit: usize) -> Result<Vec<User>>;
    /// Puts an identity map in the place of the one before: `identities` is all of it, by source and id. Refused as a conflict unless its version is one
    /// more than the newest.
    async fn put_identities(&self, tenant: &TenantId, map: &IdentityMap, identities: &[Identity], by: &Author) -> Result<()>;
    /// The newest identity map.
    async fn identity_map(&self, tenant: &TenantId) -> Result<Option<IdentityMap>>;
    /// What it says of users, in the order asked; unset where it does not know them.
    async fn identities(&self, tenant: &TenantId, source: &Name, ids: &[String]) -> Result<Vec<Option<Identity>>>;
    /// All of it, by source and id.
    async fn all_identities(&self, tenant: &TenantId) -> Result<Vec<Identity>>;
    /// Users by id, in the order asked; unset where unknown.
    async fn users(&self, tenant: &TenantId, source: &Name, ids: &[String]) -> Result<Vec<Option<User>>>;

    /// A chat of the index.
    async fn chat(&self, tenant: &TenantId, chat: &ChatKey) -> Result<Option<Chat>>;
    /// All that is known of who is in it, by user id.
    async fn members(&self, tenant: &TenantId, chat: &ChatKey) -> Result<Vec<Member>>;
    /// For each hash the content that this event (or file) has in the archive, in the order asked; unset where it is new.
    async fn known_events(&self, tenant: &TenantId, chat: &ChatKey, hashes: &[EventHash]) -> Result<Vec<Option<[u8; 8]>>>;
    /// In whose own exports which events were seen: by user, each event once, by hash. Of one user or all.
    async fn copies(&self, tenant: &TenantId, chat: &ChatKey, user: Option<&str>) -> Result<Vec<Copies>>;
    /// Adds whose own exports were read into a source, and for which times. What is there already costs nothing; of two of one user that begin at the same
    /// time the longer one is kept, so that what is read on and on is one.
    async fn put_captures(&self, tenant: &TenantId, source: &Name, captures: &[Capture]) -> Result<()>;
    /// All of them, by user and time.
    async fn captures(&self, tenant: &TenantId, source: &Name) -> Result<Vec<Capture>>;
    /// Keeps how far a source was pulled of something, in the place of what was kept of that before.
    async fn put_pull_cursor(&self, tenant: &TenantId, source: &Name, cursor: &PullCursor) -> Result<()>;
    /// All of a source, by what they are of.
    async fn pull_cursors(&self, tenant: &TenantId, source: &Name) -> Result<Vec<PullCursor>>;
    /// The segments that hold positions from `from` on, by position.
    async fn segments(&self, tenant: &TenantId, chat: &ChatKey, from: u64) -> Result<Vec<SegmentRecord>>;
    /// Puts a segment of the same events, which has a file of its own, in the place of one whose events lie among other chats', in the file that it says they are also in. Refused
    /// as a conflict where there is none such any more.
    async fn put_apart(&self, tenant: &TenantId, chat: &ChatKey, segment: &SegmentRecord) -> Result<()>;
    /// Rules of retention and legal holds.
    async fn keeping(&self, tenant: &TenantId) -> Result<Keeping>;
    /// Puts rules and holds in the place of those before. Refused as a conflict unless its version is one more than theirs.
    async fn put_keeping(&self, tenant: &TenantId, keeping: &Keeping, by: &Author) -> Result<()>;
    /// What the tenant may use, and its weight in sharing.
    async fn quotas(&self, tenant: &TenantId) -> Result<Quotas>;
    /// Puts quotas in the place of those before. Refused as a conflict unless their version is one more than theirs.
    async fn put_quotas(&self, tenant: &TenantId, quotas: Quotas, by: &Author) -> Result<()>;
    /// Puts segments in the place of others, all or nothing, and lists the files that are named no more as left over, with `others`, of which nobody knows yet whether they are. Refused as a conflict where one is not as it was,
    /// or rules and holds have another version.
    async fn replace_segments(&self, tenant: &TenantId, replaced: &[Replaced], others: &[String], decided: &Decided, by: &Author) -> Result<()>;
    /// Files that are named no more and not yet deleted, by their paths, at most `limit`.
    async fn leftovers(&self, tenant: &TenantId, limit: usize) -> Result<Vec<String>>;
    /// One of them is deleted.
    async fn forget_leftover(&self, tenant: &TenantId, path: &str) -> Result<()>;

    /// Commits what arrived for some chats, all or nothing, and gives it the next arrival number. Counted from 1, without gaps that matter.
    async fn commit(&self, tenant: &TenantId, arrivals: &[Arrival]) -> Result<u64>;
    /// The newest arrival's number; 0 where nothing has arrived.
    async fn newest_arrival(&self, tenant: &TenantId) -> Result<u64>;
    /// Chats with new events after this arrival, by their newest arrival, at most `limit`. Go on from the last one's number.
    /// All chats of one arrival come together, so `limit` may be exceeded by that.
    async fn chats_arrived(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<(u64, ChatKey)>>;

    /// Wanted files by chat and file, at most `limit`, after this one.
    async fn wanted(&self, tenant: &TenantId, filter: &WantedFilter, after: Option<&WantedKey>, limit: usize) -> Result<Vec<WantedFile>>;
    /// Wanted files of a source that are due until then, by when, and then by chat, position and place; at most `limit`, after this one.
    async fn wanted_due(
        &self,
        tenant: &TenantId,
        source: &Name,
        until: Timestamp,
        after: Option<&WantedFile>,
        limit: usize,
    ) -> Result<Vec<WantedFile>>;
    /// Says what became of wanted files, of those that are still wanted; unset: it is there, and no longer wanted.
    async fn settle_wanted(&self, tenant: &TenantId, states: &[(WantedKey, Option<WantedState>)]) -> Result<()>;

    /// Chats of whose people, or of who of them is recorded, something became known after this arrival, by the newest arrival at which it did, at most
    /// `limit`, as [`Store::chats_arrived`].
    async fn chats_learned(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<(u64, ChatKey)>>;

    /// Keeps new versions of targets and policies, all or none. Refused as a conflict unless each one's number is one more than its newest. `cause` is that of the policies.
    async fn save_versions(&self, tenant: &TenantId, versions: Versions<'_>, cause: &Cause, by: &Author) -> Result<()>;
    /// Keeps a new version of one target, likewise.
    async fn save_target(&self, tenant: &TenantId, target: &TargetVersion, by: &Author) -> Result<()> {
        self.save_versions(tenant, Versions { targets: std::slice::from_ref(target), policies: &[] }, &Cause::Apply, by).await
    }
    /// A target: this version, or the newest.
    async fn target(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<TargetVersion>>;
    /// The newest version of every target, by name.
    async fn targets(&self, tenant: &TenantId) -> Result<Vec<TargetVersion>>;
    /// Keeps a new version of one policy, likewise.
    async fn save_policy(&self, tenant: &TenantId, policy: &PolicyVersion, cause: &Cause, by: &Author) -> Result<()> {
        self.save_versions(tenant, Versions { targets: &[], policies: std::slice::from_ref(policy) }, cause, by).await
    }
    /// A policy: this version, or the newest.
    async fn policy(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<PolicyVersion>>;
    /// The newest version of every policy, by name.
    async fn policies(&self, tenant: &TenantId) -> Result<Vec<PolicyVersion>>;
    /// Adds a module; the same digest again changes nothing but that it is signed now, where it was not. `name@version` with another digest is a conflict.
    async fn save_module(&self, tenant: &TenantId, module: &ModuleRecord, by: &Author) -> Result<()>;
    /// A module by digest.
    async fn module(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<ModuleRecord>>;
    /// All modules, by name and version.
    async fn modules(&self, tenant: &TenantId) -> Result<Vec<ModuleRecord>>;
    /// Adds a key for signatures of modules; the same again changes nothing. Another key under its name is a conflict.
    async fn save_module_key(&self, tenant: &TenantId, key: &ModuleKey, by: &Author) -> Result<()>;
    /// The keys for signatures of modules, by name.
    async fn module_keys(&self, tenant: &TenantId) -> Result<Vec<ModuleKey>>;
    /// Takes such a key away, where it is the one that was seen. Answers whether it was there.
    async fn remove_module_key(&self, tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> Result<bool>;
    /// Keeps what came of a probe, in place of the one before, by what was tried: a module, or a module as a policy binds it.
    async fn save_probe(&self, tenant: &TenantId, of: &Digest, probe: &ProbeReport) -> Result<()>;
    /// The newest probe of it.
    async fn probe(&self, tenant: &TenantId, of: &Digest) -> Result<Option<ProbeReport>>;
    /// Quarantines a module for a policy. Answers `false`, and changes nothing, where it is quarantined for it already.
    async fn quarantine(&self, tenant: &TenantId, quarantine: &Quarantine, by: &Author) -> Result<bool>;
    /// Ends the quarantine of a module for a policy, and keeps who did it; with `since` only the one that holds since then. Answers what was ended; unset where there
    /// was none such in force.
    async fn release(
        &self,
        tenant: &TenantId,
        policy: &Name,
        module: &Digest,
        since: Option<Timestamp>,
        release: &Release,
        by: &Author,
    ) -> Result<Option<Quarantine>>;
    /// All quarantines, also those that are over: of one policy or all, by policy and module, for each module the oldest first.
    async fn quarantines(&self, tenant: &TenantId, policy: Option<&Name>) -> Result<Vec<Quarantine>>;

    /// Begins a run, unless one of the policy has not ended or (for a schedule) its due time has had one. Gives it the policy's next number.
    async fn begin_run(&self, tenant: &TenantId, run: &NewRun, by: &Author) -> Result<Begun>;
    /// Ends a run: its figures, its manifest's SHA-256, and the policy's cursor at the run's `until`. Ending it again changes nothing.
    async fn finish_run(&self, tenant: &TenantId, run: &RunId, at: Timestamp, summary: &RunSummary, manifest: &Digest, by: &Author) -> Result<()>;
    /// One run.
    async fn run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<Run>>;
    /// Runs, of one policy or all, newest first.
    async fn runs(&self, tenant: &TenantId, policy: Option<&Name>, limit: usize) -> Result<Vec<Run>> {
        Ok(self.runs_before(tenant, policy, None, limit).await?.into_iter().map(|(_, run)| run).collect())
    }
    /// The newest of those that were begun before this place, each with its place: where the next page goes on. Places are those of one policy's runs, or of all.
    async fn runs_before(&self, tenant: &TenantId, policy: Option<&Name>, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Run)>>;
    /// What the runs came to that ended on each day of UTC, from this time on and before that one: each day that had some, as its beginning.
    async fn days(&self, tenant: &TenantId, from: Timestamp, until: Timestamp) -> Result<Vec<(Timestamp, DayFigures)>>;
    /// So many bytes of the tenant's archive were seen at this time: of a day the most is kept.
    async fn note_stored(&self, tenant: &TenantId, at: Timestamp, bytes: u64) -> Result<()>;
    /// How far a policy has come.
    async fn progress(&self, tenant: &TenantId, policy: &Name) -> Result<Progress>;

    /// Keeps facts by digest; the same again costs nothing.
    async fn save_facts(&self, tenant: &TenantId, facts: &Facts) -> Result<Digest>;
    /// Facts by digest.
    async fn facts(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Facts>>;
    /// Where the chat's next window begins; unset where the policy has had none of it.
    async fn next_window(&self, tenant: &TenantId, policy: &Name, chat: &ChatKey) -> Result<Option<NextWindow>>;
    /// Freezes windows, each alone: `false` for one that does not begin where its chat's last window of the policy ended (compare-and-swap), and for a
    /// supplement that is not the next one to its window, or where the one before it is not done. With them it keeps `facts`, as [`Store::save_facts`] does: those that the
    /// windows name and that may be new.
    async fn freeze(&self, tenant: &TenantId, windows: &[Window], facts: &[Arc<Facts>]) -> Result<Vec<bool>>;
    /// Says what became of a window. Only its state changes.
    async fn settle(&self, tenant: &TenantId, window: &WindowKey, state: &WindowState) -> Result<()>;
    /// Gives a held window the frozen fields of `window` (versions, facts, composer, tables), and forgets its e-mails: it is evaluated anew. Its
    /// positions, run, times and state stay. Refused as a conflict unless it is there and held, and none of its e-mails may have arrived.
    async fn refreeze(&self, tenant: &TenantId, window: &Window) -> Result<()>;
    /// One window.
    async fn window(&self, tenant: &TenantId, window: &WindowKey) -> Result<Option<Window>>;
    /// Windows by chat and position (a window's supplements after it), at most `limit`, after this one.
    async fn windows(&self, tenant: &TenantId, filter: &WindowFilter, after: Option<&WindowKey>, limit: usize) -> Result<Vec<Window>>;

    /// Writes e-mails into the ledger, new ones (intents) or with their outcomes.
    async fn record(&self, tenant: &TenantId, deliveries: &[Delivery]) -> Result<()>;
    /// The e-mails of a window, by group and part.
    async fn deliveries(&self, tenant: &TenantId, window: &WindowKey) -> Result<Vec<Delivery>>;

    /// Writes everything, as it is at one moment, into a folder that is not there yet, from which [`Embedded::open`] opens it. Says how many records. Writes wait meanwhile.
    /// A store that has means of its own for this refuses it.
    async fn copy(&self, to: &Path) -> Result<u64> {
        let cause = format!("this store is copied by its own means, and not into {}", to.display());
        Err(StoreError::Failed { doing: "copying the store".to_owned(), cause })
    }

    /// Enters in the log what was done that changes nothing here: e-mails sent again, a key shown.
    async fn note(&self, tenant: &TenantId, deed: &Deed, by: &Author) -> Result<()>;
    /// The e-mail of this Message-ID, without angle brackets. Unset also for one that a release before this question recorded.
    async fn delivery(&self, tenant: &TenantId, message_id: &str) -> Result<Option<Delivery>>;

    /// Lines of the audit log after this entry, at most `limit`.
    async fn audit(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<AuditLine>>;
    /// The log's last entry; unset before the first.
    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<Head>>;
}

#[cfg(test)]
mod conformance;
pub mod embedded;

pub use embedded::Embedded;
