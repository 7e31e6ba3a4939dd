//! The audit log: who changed what, and which runs there were; each entry with the digest of the one before, and signed.
//!
//! An entry is written by the store in the transaction of the change that it tells of, and made there from the change itself: so there is no change
//! without an entry, no entry without its change, and none that says something else. It is signed as it becomes the head, not when somebody asks for
//! the log: whoever has the data folder and not the master key can then make no entry, not even a last one.
//!
//! What a chain can't know by itself is that its end was cut off. So each run's manifest names the [`Head`] of its time, and an exported log ends with
//! its head, signed: a log that is shorter than one of these says is cut.

mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::access::Role;
use crate::canonical::{NotCanonical, canonical};
use crate::keeping::{Hold, Rule};
use crate::manifest::Signature;
use crate::quota::Quotas;
use crate::removal::{Holdings, Proof};
use crate::run::{ChatCounts, EmailCounts, EventCounts, SupplementCounts, Trigger};
use crate::{Digest, Name, PublicKey, RunId, TenantId, Timestamp};

/// Of the format of entries. A reader of the chain needs no more of an entry than [`Link`], whatever later versions add.
const VERSION: u32 = 1;

/// The input of imports that are none of events: files that events of the archive name were fetched.
pub const FETCHED: &str = "files fetched by their addresses";

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "who", rename_all = "lowercase")]
pub enum Actor {
    /// Somebody on the command line.
    Person {
        /// `user@host`, as the operating system says: not by what the environment claims.
        user: String,
        /// The process.
        process: u32,
        /// How they call themselves, where they do. Nobody has checked it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<String>,
    },
    /// Somebody over the network.
    Token {
        /// The token that was shown.
        token: Name,
        /// Who has it, as whoever made it says.
        named: Name,
        /// What it may do.
        role: Role,
    },
    /// Somebody for whom an issuer of the installation's settings vouches.
    OpenId {
        /// The issuer, as the settings name it.
        issuer: Name,
        /// Who it is to the issuer.
        subject: String,
        /// Their address, where the issuer says that it is theirs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// What they may do.
        role: Role,
    },
    /// The scheduler.
    Schedule,
    /// The program, by itself: it quarantines a module, or takes up a run that was interrupted.
    Consign,
}

/// Who does something, with the means to sign for it. What signs is a function, so that the store never holds a key.
#[derive(Clone)]
pub struct Author {
    actor: Actor,
    sign: Arc<dyn Fn(&Digest) -> Signature + Send + Sync>,
}

impl Author {
    /// `sign` signs with the tenant's key, as manifests are.
    pub fn new(actor: Actor, sign: impl Fn(&Digest) -> Signature + Send + Sync + 'static) -> Self {
        Self { actor, sign: Arc::new(sign) }
    }

    /// Somebody else, who signs alike.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { actor, sign: Arc::clone(&self.sign) }
    }

    /// Who it is.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Signs a digest.
    pub fn sign(&self, digest: &Digest) -> Signature {
        (self.sign)(digest)
    }
}

impl std::fmt::Debug for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Author").field("actor", &self.actor).finish_non_exhaustive()
    }
}

/// Why a version of a policy was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Cause {
    /// A file was applied.
    Apply,
    /// A shadow was put in place.
    Promote {
        /// `name@version`.
        module: String,
    },
}

/// A module in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// `name@version`.
    pub name: String,
    /// Of the component.
    pub digest: Digest,
}

/// That a run was asked to try held windows again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// How: `as-frozen`, `current`, `send-changed`.
    pub how: String,
    /// How many windows were named.
    pub windows: u64,
    /// SHA-256 over their ids, sorted, a line feed after each.
    pub ids: Digest,
}

/// By what events were deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Deletion {
    /// A rule of retention.
    Retention,
    /// Somebody asked for a user's events to be erased.
    Erasure {
        /// The source.
        source: Name,
        /// The platform's id of the user.
        user: String,
    },
}

/// That a user's events were erased, and which were not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The source.
    pub source: Name,
    /// The platform's id of the user.
    pub user: String,
    /// Why it was asked for.
    pub reason: String,
    /// Chats that the user is known to have been in, all of which were looked through.
    pub chats: u64,
    /// Events that were erased now: the user's own, and edits and deletions of them.
    pub erased: u64,
    /// Events that stay since an export still owes them.
    pub owed: u64,
    /// Events that stay since a legal hold covers them.
    pub held: u64,
    /// Files that hung on them and on no other event, and went with them.
    pub files: u64,
    /// Events of files that can't be read, so that it is not known whose they are: they stay.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What an import did, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFigures {
    /// Whether it came to its end.
    pub complete: bool,
    /// Events stored.
    pub stored: u64,
    /// Events that were there already.
    pub already_there: u64,
    /// Entries that could not be read.
    pub refused: u64,
    /// SHA-256 over the SHA-256 (32 bytes each) of every file of events that was stored, in the order of storing.
    pub files: Digest,
}

/// What was done. Never text of messages, never a secret; a policy or target by version and SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Deed {
    /// The tenant's keys were made.
    TenantMade {
        /// The Ed25519 key that this log is signed with, base64.
        signing_key: String,
        /// What conversation files are encrypted for.
        recipient: String,
    },
    /// The tenant got other keys. Signed with the key before for the last time; all that follows is with the new one.
    KeysRotated {
        /// The Ed25519 key that signs from the next entry on, base64.
        signing_key: String,
        /// The one before.
        earlier_signing_key: String,
        /// What conversation files are encrypted for from now on.
        recipient: String,
    },
    /// The new keys are in use: the first entry that the new one signs, written with [`Deed::KeysRotated`], so that each of both vouches for the other.
    KeysTakenUp {
        /// The key that signs it.
        signing_key: String,
    },
    /// A tenant was removed: the key went by which its files open. This stands in the installation's log.
    TenantRemoved {
        /// Which.
        tenant: TenantId,
        /// Why.
        reason: String,
        /// What its files were encrypted for.
        recipient: String,
        /// The last entry of its own log.
        last_entry: Option<Head>,
        /// What it had.
        had: Holdings,
    },
    /// Nothing is left of a removed tenant: its files and records are gone, and its key was found nowhere.
    TenantDestroyed {
        /// Which.
        tenant: TenantId,
        /// Where its key was looked for.
        proof: Proof,
    },
    /// The log began: the tenant is older than its log, which can't tell of what was before.
    LogBegun,
    /// An import began to store.
    ImportBegun {
        /// Into which source.
        source: Name,
        /// Read as what.
        format: String,
        /// The file or folder, as it was named.
        input: String,
        /// The newest arrival before it.
        arrival: u64,
    },
    /// It ended. An import that was killed has no such entry.
    ImportEnded {
        /// Into which source.
        source: Name,
        /// What it did.
        figures: ImportFigures,
        /// The newest arrival after it.
        arrival: u64,
    },
    /// An identity map was put into force.
    IdentitiesApplied {
        /// Its version.
        version: u32,
        /// How many users it has.
        users: u64,
        /// SHA-256 of its entries.
        digest: Digest,
    },
    /// E-mails of a run were made again from its record and sent once more, because somebody asked for it.
    ReplaySent {
        /// The run.
        run: RunId,
        /// How many were sent, each with the bytes that the ledger has.
        emails: u64,
        /// Of these, accepted for every recipient.
        accepted: u64,
    },
    /// A target's version was put into force.
    TargetSaved {
        /// The target.
        target: Name,
        /// The version.
        version: u32,
        /// Of the version as the store keeps it.
        digest: Digest,
    },
    /// A policy's version was put into force.
    PolicySaved {
        /// The policy.
        policy: Name,
        /// The version.
        version: u32,
        /// Of the version as the store keeps it.
        digest: Digest,
        /// Of what decides about exports in it: what a manifest names as `policy_digest`.
        decides: Digest,
        /// Criteria, grouping and shadows.
        modules: Vec<Bound>,
        /// What made it.
        cause: Cause,
    },
    /// A module was taken in.
    ModulePushed {
        /// Which.
        module: Bound,
        /// The name of the key that vouches for it, where one does.
        signed_by: Option<Name>,
    },
    /// A module that was there without a signature has one now.
    ModuleSigned {
        /// Which.
        module: Bound,
        /// The name of the key.
        signed_by: Name,
    },
    /// A key for signatures of modules was added.
    ModuleKeyAdded {
        /// Its name.
        name: Name,
        /// The public key.
        key: PublicKey,
    },
    /// Such a key was taken away.
    ModuleKeyRemoved {
        /// Its name.
        name: Name,
        /// The public key.
        key: PublicKey,
    },
    /// A token was made, by which somebody may do things over the network.
    TokenMade {
        /// Its id.
        token: Name,
        /// Who has it.
        named: Name,
        /// What it may do.
        role: Role,
        /// Until when; unset: it stays.
        expires_at: Option<Timestamp>,
    },
    /// A token was taken back.
    TokenRevoked {
        /// Its id.
        token: Name,
        /// Who had it.
        named: Name,
    },
    /// A link was made, by which somebody may once begin a session in the console.
    LinkMade {
        /// Its id, which is a token's.
        token: Name,
        /// Who is to have it.
        named: Name,
        /// What the session may do.
        role: Role,
        /// Until when it can be used.
        expires_at: Option<Timestamp>,
    },
    /// It was used, by the entry's author, who has signed in by it.
    LinkUsed {
        /// Until when the session lasts, at most.
        until: Timestamp,
    },
    /// Somebody signed in to the console with a token or by an issuer's word, who is the entry's author.
    SignedIn {
        /// Until when, at most.
        until: Timestamp,
    },
    /// They signed out.
    SignedOut,
    /// What is dangerous takes two people from now on, or one again.
    TwoPeopleSet {
        /// Two.
        on: bool,
    },
    /// Something that takes two people was proposed.
    Proposed {
        /// Its id.
        proposal: Name,
        /// Of all that it would put into force.
        digest: Digest,
        /// What it is about: `target archive`, `policy fx-desk`, `setting two-people`.
        about: Vec<String>,
    },
    /// It was approved, by the entry's author. What it puts into force follows.
    ProposalApproved {
        /// Its id.
        proposal: Name,
        /// Of all that it puts into force.
        digest: Digest,
    },
    /// It was rejected, by the entry's author.
    ProposalRejected {
        /// Its id.
        proposal: Name,
    },
    /// What the tenant may use of the installation was changed.
    QuotasChanged {
        /// All of it, from now on.
        quotas: Quotas,
    },
    /// A secret was put into the store, new or in the place of another.
    SecretKept {
        /// Its name.
        secret: Name,
    },
    /// A secret was taken out of it.
    SecretRemoved {
        /// Its name.
        secret: Name,
    },
    /// Rules of retention or legal holds were changed.
    KeepingChanged {
        /// The version that is in force from now on.
        version: u32,
        /// Its rules, all of them.
        rules: Vec<Rule>,
        /// Holds that were placed.
        placed: Vec<Hold>,
        /// Holds that were lifted.
        lifted: Vec<Name>,
    },
    /// Events were deleted: what they said, who sent them, and which files hung on them. Their places and times stay.
    EventsDeleted {
        /// By what.
        why: Deletion,
        /// Which version of rules and holds allowed it.
        keeping: u32,
        /// How many.
        events: u64,
        /// Of so many chats.
        chats: u64,
        /// SHA-256 over the SHA-256 (32 bytes each) of every file that had them, in the order of deleting.
        files: Digest,
    },
    /// All events of a user were erased, but for what may not go.
    Erased {
        /// What was done: the certificate.
        certificate: Certificate,
    },
    /// The private key that opens the tenant's files was written down for somebody, who can read them without Consign from then on.
    IdentityRevealed,
    /// A policy runs a module no more.
    Quarantined {
        /// The policy.
        policy: Name,
        /// The module.
        module: Bound,
        /// `faults` or `engine`.
        reason: String,
        /// In which run, where it was in one.
        run: Option<RunId>,
    },
    /// It runs it again.
    Released {
        /// The policy.
        policy: Name,
        /// The module.
        module: Bound,
    },
    /// A run began.
    RunBegun {
        /// Its id.
        run: RunId,
        /// The policy's version.
        policy_version: u32,
        /// The target's version.
        target_version: u32,
        /// What started it.
        trigger: Trigger,
        /// The newest arrival that belongs to it.
        until: u64,
        /// The version in whose place this one runs, where it does.
        stands_in_for: Option<u32>,
        /// Which held windows it was asked to try again, where it was.
        retry: Option<Retried>,
    },
    /// A run ended.
    RunEnded {
        /// Its id.
        run: RunId,
        /// Its events.
        events: EventCounts,
        /// Its e-mails.
        emails: EmailCounts,
        /// Its chats.
        chats: ChatCounts,
        /// Held windows that it tried again.
        supplements: SupplementCounts,
        /// SHA-256 of its manifest.
        manifest: Digest,
    },
}

impl Deed {
    /// Whether it is one with which a log begins. One that begins otherwise lost its beginning.
    pub fn begins_a_log(&self) -> bool {
        matches!(self, Self::TenantMade { .. } | Self::LogBegun)
    }
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Of this format: 1.
    pub version: u32,
    /// Whose log.
    pub tenant: TenantId,
    /// Counted from 1, without gaps.
    pub seq: u64,
    /// SHA-256 of the entry before; unset for the first.
    pub previous: Option<Digest>,
    /// When, by the machine's clock.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// What.
    pub deed: Deed,
}

/// Which entry is the last: all that is needed to hold a log to its length and its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub seq: u64,
    /// SHA-256 of its canonical JSON.
    pub digest: Digest,
}

/// The line of an entry: what the store keeps, and what an export writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedEntry {
    /// The entry, in its canonical form.
    pub entry: Box<RawValue>,
    /// By the tenant's signing key.
    pub signature: Signature,
}

/// The last line of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedHead {
    /// A [`HeadStatement`], in its canonical form.
    pub head: Box<RawValue>,
    /// By the tenant's signing key.
    pub signature: Signature,
}

/// What the last line of an export says. It has just these fields: a signed entry must not be taken for one of a log without entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadStatement {
    /// Of this format: 1.
    pub version: u32,
    /// Whose log.
    pub tenant: TenantId,
    /// Its last entry; null where it has none, and never left out.
    #[serde(deserialize_with = "Option::deserialize")]
    pub last: Option<Head>,
    /// When that was so.
    pub at: Timestamp,
}

impl HeadStatement {
    /// The line, without a line feed.
    pub fn line(tenant: TenantId, last: Option<Head>, at: Timestamp, author: &Author) -> Result<String, NotCanonical> {
        signed("head", &Self { version: VERSION, tenant, last, at }, author).map(|(line, _)| line)
    }
}

/// `{"<name>":…,"signature":…}`, and the digest of what is signed.
fn signed<T: Serialize>(name: &str, what: &T, author: &Author) -> Result<(String, Digest), NotCanonical> {
    let body = canonical(what)?;
    let digest = Digest::of(body.as_bytes());
    let signature = canonical(&author.sign(&digest))?;
    Ok((format!("{{\"{name}\":{body},\"signature\":{signature}}}"), digest))
}

/// What any entry has, of whatever version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Link {
    /// Whose log.
    pub tenant: TenantId,
    /// Counted from 1.
    pub seq: u64,
    /// SHA-256 of the entry before.
    pub previous: Option<Digest>,
}

impl Entry {
    /// The line of the entry that follows `head`, and its own head.
    pub fn line(tenant: &TenantId, head: Option<Head>, at: Timestamp, author: &Author, deed: Deed) -> Result<(String, Head), NotCanonical> {
        let seq = head.map_or(1, |head| head.seq.saturating_add(1));
        let entry =
            Self { version: VERSION, tenant: tenant.clone(), seq, previous: head.map(|head| head.digest), at, by: author.actor().clone(), deed };
        let (line, digest) = signed("entry", &entry, author)?;
        Ok((line, Head { seq, digest }))
    }
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The line is none.
    #[error("it is not an entry ({0})")]
    NotAnEntry(String),
    /// Other bytes than those that were signed.
    #[error("it was changed: its contents do not have the digest that was signed")]
    Changed,
    /// The signature does not fit.
    #[error("its signature does not fit: it was changed or made by somebody without the tenant's key")]
    Signature,
    /// Signed by another key.
    #[error("it is signed by another key than the tenant's")]
    OtherKey,
    /// Of another log.
    #[error("it belongs to the log of tenant '{0}'")]
    Tenant(TenantId),
    /// Another one stands in its place.
    #[error("in its place stands entry {0}: an entry was removed, inserted or moved")]
    Place(u64),
    /// It does not name the one before it.
    #[error("it does not follow the entry before it, which was changed, removed or inserted")]
    Previous,
    /// A first entry with which no log begins.
    #[error("it is not what a log begins with, which is the tenant's making: the entries before it were removed")]
    NoBeginning,
    /// No entry at all.
    #[error("it is missing: the log is empty, and a tenant's log never is, so all of it was removed")]
    Empty,
    /// Something that was signed later knows more entries.
    #[error("it is missing: {0} names it, so the log was cut off at its end")]
    Cut(String),
    /// Something that was signed later knows another entry under this number.
    #[error("it is not the entry that {0} names")]
    Other(String),
    /// An export without its last line.
    #[error("after it the signed head is missing with which an export ends: the file was cut off")]
    NoHead,
    /// Lines after the end.
    #[error("it stands after the signed head with which an export ends")]
    AfterHead,
    /// What the log tells of and what the store holds are not the same.
    #[error("{0}")]
    Store(String),
}

/// The first thing that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq}: {wrong}")]
pub struct Broken {
    /// The entry's number: the place where it stands, or should.
    pub seq: u64,
    /// What is wrong.
    pub wrong: Wrong,
}

/// Says of bytes and their signature whether they are by the right key.
pub type Holds<'a> = &'a dyn Fn(&[u8], &Signature) -> Result<(), Wrong>;

/// Follows a log from its first entry on.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    tenant: Option<TenantId>,
    head: Option<Head>,
}

impl Chain {
    /// The log of this tenant; unset: of whom the first entry says.
    pub fn of(tenant: Option<TenantId>) -> Self {
        Self { tenant, head: None }
    }

    /// The last entry so far.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// The next line. Answers the entry as it stands.
    pub fn follow(&mut self, line: &str, holds: Holds<'_>) -> Result<Box<RawValue>, Broken> {
        let seq = self.head.map_or(1, |head| head.seq.saturating_add(1));
        let (entry, head) = self.checked(line, seq, holds).map_err(|wrong| Broken { seq, wrong })?;
        self.head = Some(head);
        Ok(entry)
    }

    fn checked(&mut self, line: &str, seq: u64, holds: Holds<'_>) -> Result<(Box<RawValue>, Head), Wrong> {
        let not_an_entry = |error: serde_json::Error| Wrong::NotAnEntry(shape_of(&error));
        let signed: SignedEntry = serde_json::from_str(line).map_err(not_an_entry)?;
        let body = signed.entry.get();
        if Digest::of(body.as_bytes()) != signed.signature.digest {
            return Err(Wrong::Changed);
        }
        holds(body.as_bytes(), &signed.signature)?;
        let linked: Link = serde_json::from_str(body).map_err(not_an_entry)?;
        // The same contents in another form would be another line with nothing to tell which of them is right.
        let form = serde_json::from_str::<serde_json::Value>(line).ok().and_then(|value| canonical(&value).ok());
        if form.as_deref() != Some(line) {
            return Err(Wrong::Changed);
        }
        let tenant = self.tenant.get_or_insert_with(|| linked.tenant.clone());
        if linked.tenant != *tenant {
            return Err(Wrong::Tenant(linked.tenant));
        }
        if linked.seq != seq {
            return Err(Wrong::Place(linked.seq));
        }
        if linked.previous != self.head.map(|head| head.digest) {
            return Err(Wrong::Previous);
        }
        Ok((signed.entry, Head { seq, digest: signed.signature.digest }))
    }
}

/// What is wrong with JSON, without any of it: it may be anything.
fn shape_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "it has another shape",
        serde_json::error::Category::Eof => "it ends too early",
    };
    format!("{kind}, column {}", error.column())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn author(key: &'static str) -> Author {
        let sign = move |digest: &Digest| Signature {
            algorithm: "none".to_owned(),
            key: key.to_owned(),
            digest: *digest,
            value: Digest::of(format!("{key}{digest}").as_bytes()).hex(),
        };
        Author::new(Actor::Consign, sign)
    }

    fn holds(bytes: &[u8], signature: &Signature) -> Result<(), Wrong> {
        if signature.key != "right" {
            return Err(Wrong::OtherKey);
        }
        if *signature == author("right").sign(&Digest::of(bytes)) { Ok(()) } else { Err(Wrong::Signature) }
    }

    fn deed(number: u64) -> Deed {
        Deed::ImportBegun { source: "s".parse().unwrap(), format: "jsonl".into(), input: format!("ü {number}\n"), arrival: number }
    }

    fn log(of: &str, deeds: impl IntoIterator<Item = u64>) -> Vec<String> {
        let mut head = None;
        let mut line = |number| {
            let (line, next) = Entry::line(&of.parse().unwrap(), head, Timestamp(1_000), &author("right"), deed(number)).unwrap();
            head = Some(next);
            line
        };
        deeds.into_iter().map(&mut line).collect()
    }

    fn found(lines: &[String]) -> Option<Broken> {
        let mut chain = Chain::of(Some("t".parse().unwrap()));
        lines.iter().find_map(|line| chain.follow(line, &holds).err())
    }

    #[test]
    fn an_entry_reads_back() {
        let line = log("t", [7]).remove(0);
        let entry = Chain::default().follow(&line, &holds).unwrap();
        let entry: Entry = serde_json::from_str(entry.get()).unwrap();
        assert_eq!((entry.seq, entry.previous, entry.by, entry.deed), (1, None, Actor::Consign, deed(7)));
    }

    #[test]
    fn each_way_to_tamper_is_found_and_named() {
        let whole = log("t", 0..6);
        assert_eq!(found(&whole), None);
        let at = |seq, wrong| Some(Broken { seq, wrong });
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = whole.clone();
            change(&mut lines);
            found(&lines)
        };
        assert_eq!(with(&|lines| drop(lines.remove(3))), at(4, Wrong::Place(5)));
        assert_eq!(with(&|lines| drop(lines.remove(0))), at(1, Wrong::Place(2)));
        assert_eq!(with(&|lines| lines.swap(1, 2)), at(2, Wrong::Place(3)));
        assert_eq!(with(&|lines| lines.insert(2, lines[1].clone())), at(3, Wrong::Place(2)));
        assert_eq!(with(&|lines| lines[2] = lines[2].replace("jsonl", "slack")), at(3, Wrong::Changed));
        assert_eq!(with(&|lines| lines[2] = lines[2].replacen("\"seq\":3", "\"seq\": 3", 1)), at(3, Wrong::Changed));
        assert_eq!(with(&|lines| lines[2].push(' ')), at(3, Wrong::Changed));
        assert!(matches!(with(&|lines| lines[2].clear()), Some(Broken { seq: 3, wrong: Wrong::NotAnEntry(_) })));
        assert_eq!(with(&|lines| lines[4] = log("u", 0..6).remove(4)), at(5, Wrong::Tenant("u".parse().unwrap())));
        // Made by somebody who knows how, and has not the key.
        let forged = |key: &'static str| {
            let before: SignedEntry = serde_json::from_str(&whole[1]).unwrap();
            let head = Head { seq: 2, digest: before.signature.digest };
            Entry::line(&"t".parse().unwrap(), Some(head), Timestamp(1_000), &author(key), deed(99)).unwrap().0
        };
        assert_eq!(with(&|lines| lines[2] = forged("other")), at(3, Wrong::OtherKey));
        assert_eq!(with(&|lines| lines[2] = forged("other").replace("\"other\"", "\"right\"")), at(3, Wrong::Signature));
        // And by somebody who has it: the entry holds, what followed does not follow any more.
        assert_eq!(with(&|lines| lines[2] = forged("right")), at(4, Wrong::Previous));
    }

    /// Any byte of any line.
    #[test]
    fn any_changed_byte_is_found() {
        let whole = log("t", 0..3);
        for (number, line) in whole.iter().enumerate() {
            for place in 0..line.len() {
                let mut bytes = line.clone().into_bytes();
                bytes[place] ^= 1;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let mut lines = whole.clone();
                lines[number] = text;
                assert_eq!(found(&lines).map(|broken| broken.seq), Some(number as u64 + 1), "byte {place} of line {number}");
            }
        }
    }
}
