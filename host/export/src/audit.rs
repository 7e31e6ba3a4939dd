//! Checking the audit log: that of a store, or an exported file, which needs a public key and nothing else of ours.
//!
//! A log can be held to itself (each entry names the one before, and is signed) but not to its length: whoever cuts off its end leaves a whole, shorter
//! log. So everything that was signed later is asked as well: each manifest names the head of its time, an export ends with its own, and a store's
//! log is held to what the store says there is.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use consign_archive::verify_signature;
use consign_model::audit::{Broken, Chain, Deed, Entry, Head, HeadStatement, SignedEntry, SignedHead, Wrong};
use consign_model::manifest::{Signature, SignedManifest};
use consign_model::{Author, Digest, Name, RunState, TenantId, Timestamp};
use consign_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::verify::{SignatureCheck, VerifyError, manifests_below};

/// A log without entries.
const EMPTY: Broken = Broken { seq: 1, wrong: Wrong::Empty };
/// Lines read from the store at a time.
const PAGE: usize = 1_000;

/// Why a log does not pass.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log itself.
    #[error("the audit log is broken at {0}")]
    Broken(#[from] Broken),
    /// The log is whole, and the store has what it does not tell of, or the other way round.
    #[error("the audit log and the store are not of one time: {0}. One of them was changed, or put back from a backup without the other")]
    Differs(String),
    /// A manifest that the log should be held to is not what was signed.
    #[error("{path} is not a manifest that the tenant's key has signed: it was changed, or is another tenant's")]
    Manifest {
        /// Which.
        path: PathBuf,
    },
    /// None where manifests should be.
    #[error("there is no manifest in {path}: name a folder that has some, or the files")]
    NoManifest {
        /// Where.
        path: PathBuf,
    },
    /// A manifest that a run's entry names has other contents.
    #[error("entry {seq}: the run {run} ended with another manifest than the one in {path}")]
    OtherManifest {
        /// The entry.
        seq: u64,
        /// The run.
        run: String,
        /// Where it lies.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] VerifyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error("cannot write {path}: {cause}")]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// A log that passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// Whose, where the log says.
    pub tenant: Option<TenantId>,
    /// How many entries.
    pub entries: u64,
    /// SHA-256 of the last one.
    pub head: Option<Digest>,
    /// By which key they are signed: the one that was given, or the one that stands with them.
    pub signature: SignatureCheck,
    /// Manifests that name an entry, which is there.
    pub manifests: u64,
    /// Runs that the log says have ended and of which no manifest was given.
    pub without_manifest: Vec<String>,
    /// When the file was exported; unset for a store.
    pub exported_at: Option<Timestamp>,
}

/// What a manifest says that concerns the log.
struct Named {
    path: PathBuf,
    digest: Digest,
    head: Option<Head>,
    /// By which it is signed.
    key: String,
}

/// What is read of a manifest: later ones may have more.
#[derive(Deserialize)]
struct Part {
    tenant: Name,
    run: String,
    #[serde(default)]
    audit: Option<Head>,
}

/// Manifests' files. A folder without any is not one that a log could be held to, and more likely another than was meant.
fn manifests_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, AuditError> {
    let mut all = Vec::new();
    for path in paths {
        let found = manifests_below(path)?;
        if found.is_empty() {
            return Err(AuditError::NoManifest { path: path.clone() });
        }
        all.extend(found);
    }
    Ok(all)
}

/// Whether a folder has manifests.
pub fn has_manifests(folder: &Path) -> Result<bool, AuditError> {
    Ok(folder.is_dir() && !manifests_below(folder)?.is_empty())
}

/// Reads manifests (files, or folders of them), each signed by one of these keys.
fn read_manifests(paths: &[PathBuf], tenant: Option<&TenantId>, keys: &[String]) -> Result<HashMap<String, Named>, AuditError> {
    let mut found = HashMap::new();
    for path in manifests_of(paths)? {
        let text = std::fs::read_to_string(&path).map_err(|error| VerifyError::Unreadable { path: path.clone(), cause: error.to_string() })?;
        let signed = serde_json::from_str::<SignedManifest>(&text).ok();
        let signed = signed.filter(|signed| keys.iter().any(|key| verify_signature(key, signed.manifest.get().as_bytes(), &signed.signature)));
        let part = signed.as_ref().and_then(|signed| serde_json::from_str::<Part>(signed.manifest.get()).ok());
        let (Some(signed), Some(part)) = (signed, part.filter(|part| tenant.is_none_or(|tenant| part.tenant == *tenant))) else {
            return Err(AuditError::Manifest { path });
        };
        found.insert(part.run, Named { path, digest: signed.signature.digest, head: part.audit, key: signed.signature.key });
    }
    Ok(found)
}

/// Follows a log, and holds it to what it is told of.
struct Check {
    chain: Chain,
    /// The key of the next line.
    key: String,
    /// The one that was given; at the end it has to be one of those that signed.
    trusted: Option<String>,
    signed_by: Vec<String>,
    tenant: Option<TenantId>,
    manifests: HashMap<String, Named>,
    heads: BTreeMap<u64, Vec<(String, Digest)>>,
    named: u64,
    without_manifest: Vec<String>,
}

/// Whether bytes are signed by this key.
fn holds(key: &str, bytes: &[u8], signature: &Signature) -> Result<(), Wrong> {
    if signature.key != key {
        return Err(Wrong::OtherKey);
    }
    if verify_signature(key, bytes, signature) { Ok(()) } else { Err(Wrong::Signature) }
}

/// The keys that sign a log, in their order, as far as they are known before it is read: nothing is taken for true of them but where to begin.
#[derive(Default)]
struct Keys(Vec<String>);

impl Keys {
    /// Of a file: its first line's, and those that entries name as the next.
    fn of(lines: impl BufRead) -> std::io::Result<Self> {
        let mut keys = Vec::new();
        for line in lines.lines() {
            let line = line?;
            if keys.is_empty() {
                keys.extend(serde_json::from_str::<AnyLine>(&line).map(|line| line.signature.key));
            }
            // Lines that tell of other things are not read twice.
            if line.contains("keys-rotated")
                && let Ok(signed) = serde_json::from_str::<SignedEntry>(&line)
                && let Ok(Entry { deed: Deed::KeysRotated { signing_key, .. }, .. }) = serde_json::from_str(signed.entry.get())
            {
                keys.push(signing_key);
            }
        }
        Ok(Self(keys))
    }

    /// By which the first entry has to be signed, where this key is trusted.
    fn first(&self, trusted: Option<&str>) -> String {
        match trusted {
            Some(trusted) if !self.0.iter().any(|key| key == trusted) => trusted.to_owned(),
            _ => self.0.first().cloned().unwrap_or_default(),
        }
    }
}

impl Check {
    fn begin(tenant: Option<TenantId>, trusted: Option<&str>, keys: &Keys, manifests: &[PathBuf]) -> Result<Self, AuditError> {
        let trusted = trusted.map(|key| key.trim().to_owned());
        let key = keys.first(trusted.as_deref());
        let signers = if keys.0.contains(&key) { keys.0.clone() } else { vec![key.clone()] };
        let manifests =
            if key.is_empty() { manifests_of(manifests).map(|_| HashMap::new())? } else { read_manifests(manifests, tenant.as_ref(), &signers)? };
        let mut heads: BTreeMap<u64, Vec<(String, Digest)>> = BTreeMap::new();
        for (run, named) in &manifests {
            if let Some(head) = named.head {
                heads.entry(head.seq).or_default().push((format!("the manifest of run {run}"), head.digest));
            }
        }
        let named = heads.values().map(|named| named.len() as u64).sum();
        Ok(Self {
            chain: Chain::of(tenant.clone()),
            key,
            trusted,
            signed_by: Vec::new(),
            tenant,
            manifests,
            heads,
            named,
            without_manifest: Vec::new(),
        })
    }

    /// The next line. Answers the entry, where this release knows what it tells of.
    fn line(&mut self, line: &str) -> Result<Option<Entry>, AuditError> {
        let key = self.key.clone();
        let raw = self.chain.follow(line, &|bytes, signature| holds(&key, bytes, signature))?;
        if self.signed_by.last() != Some(&key) {
            self.signed_by.push(key);
        }
        let head = self.chain.head();
        if let Some(head) = head {
            let named = self.heads.remove(&head.seq).unwrap_or_default();
            if let Some((by, _)) = named.into_iter().find(|(_, digest)| *digest != head.digest) {
                return Err(Broken { seq: head.seq, wrong: Wrong::Other(by) }.into());
            }
        }
        let entry: Option<Entry> = serde_json::from_str(raw.get()).ok();
        if head.is_some_and(|head| head.seq == 1) && !entry.as_ref().is_some_and(|entry| entry.deed.begins_a_log()) {
            return Err(Broken { seq: 1, wrong: Wrong::NoBeginning }.into());
        }
        if let Some(Entry { seq, deed: Deed::RunEnded { run, manifest, .. }, .. }) = &entry {
            match self.manifests.get(run.as_str()) {
                Some(named) if named.digest != *manifest => {
                    return Err(AuditError::OtherManifest { seq: *seq, run: run.to_string(), path: named.path.clone() });
                }
                Some(_) => {}
                None => self.without_manifest.push(run.to_string()),
            }
        }
        if let Some(entry) = &entry {
            self.tenant.get_or_insert_with(|| entry.tenant.clone());
            if let Deed::KeysRotated { signing_key, .. } = &entry.deed {
                self.key.clone_from(signing_key);
            }
        }
        Ok(entry)
    }

    /// After the last line.
    fn end(self, exported_at: Option<Timestamp>) -> Result<Passed, AuditError> {
        // A key that an entry names and that signed none proves nothing of it.
        if !self.signed_by.is_empty() && self.trusted.as_ref().is_some_and(|trusted| !self.signed_by.contains(trusted)) {
            return Err(Broken { seq: 1, wrong: Wrong::OtherKey }.into());
        }
        // Nor does one that only the store says.
        if let Some(named) = self.manifests.values().find(|named| !self.signed_by.is_empty() && !self.signed_by.contains(&named.key)) {
            return Err(AuditError::Manifest { path: named.path.clone() });
        }
        // The log ends before them.
        let next = self.chain.head().map_or(1, |head| head.seq.saturating_add(1));
        if let Some((by, _)) = self.heads.into_values().flatten().next() {
            return Err(Broken { seq: next, wrong: Wrong::Cut(by) }.into());
        }
        Ok(Passed {
            tenant: self.tenant,
            entries: self.chain.head().map_or(0, |head| head.seq),
            head: self.chain.head().map(|head| head.digest),
            signature: if self.trusted.is_some() { SignatureCheck::Trusted } else { SignatureCheck::SelfSigned },
            manifests: self.named,
            without_manifest: self.without_manifest,
            exported_at,
        })
    }
}

/// The signature of a line, whatever else it has.
#[derive(Deserialize)]
struct AnyLine {
    signature: Signature,
}

/// Checks an exported file. `key` is the tenant's public key (base64), `manifests` files or folders that the log is held to.
pub fn verify_file(file: &Path, key: Option<&str>, manifests: &[PathBuf]) -> Result<Passed, AuditError> {
    follow(&|| Ok(std::io::BufReader::new(std::fs::File::open(file)?)), file, key, manifests)
}

/// The same of what was exported and is at hand. `file`: how errors call it.
pub fn verify_lines(lines: &[u8], file: &Path, key: Option<&str>, manifests: &[PathBuf]) -> Result<Passed, AuditError> {
    follow(&|| Ok(lines), file, key, manifests)
}

/// Reads it twice: first for the keys that it names.
fn follow<R: BufRead>(open: &dyn Fn() -> std::io::Result<R>, file: &Path, key: Option<&str>, manifests: &[PathBuf]) -> Result<Passed, AuditError> {
    let unreadable = |error: &std::io::Error| VerifyError::Unreadable { path: file.to_owned(), cause: error.to_string() };
    let keys = open().and_then(Keys::of).map_err(|error| unreadable(&error))?;
    let (mut check, mut head): (Option<Check>, Option<HeadStatement>) = (None, None);
    for line in open().map_err(|error| unreadable(&error))?.lines() {
        let line = line.map_err(|error| unreadable(&error))?;
        let check = match &mut check {
            Some(check) => check,
            none => none.insert(Check::begin(None, key, &keys, manifests)?),
        };
        let next = check.chain.head().map_or(1, |head| head.seq.saturating_add(1));
        if head.is_some() {
            return Err(Broken { seq: next, wrong: Wrong::AfterHead }.into());
        }
        if let Ok(signed) = serde_json::from_str::<SignedHead>(&line) {
            let wrong = |wrong| Broken { seq: next.saturating_sub(1), wrong };
            holds(&check.key, signed.head.get().as_bytes(), &signed.signature).map_err(wrong)?;
            head = Some(serde_json::from_str(signed.head.get()).map_err(|_| wrong(Wrong::NotAnEntry("it is not a head".to_owned())))?);
        } else {
            check.line(&line)?;
        }
    }
    let last = check.as_ref().and_then(|check| check.chain.head());
    let seq = last.map_or(0, |last| last.seq);
    let (Some(check), Some(head)) = (check, head) else { return Err(Broken { seq, wrong: Wrong::NoHead }.into()) };
    if head.last != last {
        let by = || "the signed head at the end".to_owned();
        // Fewer, or others, than there were; more can't be by the right key.
        let cut = head.last.is_some_and(|named| named.seq > seq);
        return Err(if cut { Broken { seq: seq + 1, wrong: Wrong::Cut(by()) } } else { Broken { seq, wrong: Wrong::Other(by()) } }.into());
    }
    if let Some(tenant) = check.tenant.as_ref().filter(|tenant| **tenant != head.tenant) {
        return Err(Broken { seq, wrong: Wrong::Tenant(tenant.clone()) }.into());
    }
    let at = head.at;
    let passed = check.end(Some(at))?;
    if passed.entries == 0 {
        return Err(EMPTY.into());
    }
    Ok(Passed { tenant: passed.tenant.or(Some(head.tenant)), ..passed })
}

/// Writes a tenant's log to a file: see [`export_lines`]. Answers how many entries.
pub async fn export(store: &dyn Store, tenant: &TenantId, author: &Author, file: &Path) -> Result<u64, AuditError> {
    let (lines, entries) = export_lines(store, tenant, author).await?;
    write_export(file, lines.as_bytes())?;
    Ok(entries)
}

/// Writes what was exported, whole or not at all: an earlier export is what proves that nothing was cut off since.
pub fn write_export(file: &Path, lines: &[u8]) -> Result<(), AuditError> {
    crate::files::write_durably(file, lines).map_err(|error| AuditError::Unwritable { path: file.to_owned(), cause: error.to_string() })
}

/// A tenant's log: a line for each entry, then its head, signed now. And how many entries.
pub async fn export_lines(store: &dyn Store, tenant: &TenantId, author: &Author) -> Result<(String, u64), AuditError> {
    // What is entered meanwhile is not of this export.
    let last = store.audit_head(tenant).await?;
    let (end, mut after, mut lines) = (last.map_or(0, |last| last.seq), 0, String::new());
    while after < end {
        let page = store.audit(tenant, after, PAGE).await?;
        for one in page.iter().filter(|one| one.seq <= end) {
            lines.push_str(&one.line);
            lines.push('\n');
            after = one.seq;
        }
        if page.is_empty() {
            return Err(AuditError::Differs(format!("the store has {after} of {end} entries: see 'consign audit verify'")));
        }
    }
    let head = HeadStatement::line(tenant.clone(), last, Timestamp::now(), author).map_err(|error| AuditError::Differs(error.to_string()))?;
    lines.push_str(&head);
    lines.push('\n');
    Ok((lines, end))
}

/// What a log says that the store should have.
#[derive(Default)]
struct Told {
    /// Whether it begins with the tenant: what is older than the log it can't tell of.
    whole: bool,
    policies: HashMap<Name, u32>,
    targets: HashMap<Name, u32>,
    /// The manifest of each run that ended.
    ended: HashMap<String, Digest>,
}

impl Told {
    fn add(&mut self, entry: Entry) {
        match entry.deed {
            Deed::TenantMade { .. } if entry.seq == 1 => self.whole = true,
            Deed::PolicySaved { policy, version, .. } => drop(self.policies.insert(policy, version)),
            Deed::TargetSaved { target, version, .. } => drop(self.targets.insert(target, version)),
            Deed::RunEnded { run, manifest, .. } => drop(self.ended.insert(run.to_string(), manifest)),
            _ => {}
        }
    }

    /// Compares it with the store, as it was when the log was read.
    async fn compare(mut self, store: &dyn Store, tenant: &TenantId) -> Result<(), AuditError> {
        let differs = |what: String| Err(AuditError::Differs(what));
        let policies = store.policies(tenant).await?.into_iter().map(|one| ("policy", one.spec.name, one.version));
        let targets = store.targets(tenant).await?.into_iter().map(|one| ("target", one.spec.name, one.version));
        for (kind, name, version) in policies.chain(targets) {
            let told = if kind == "policy" { self.policies.remove(&name) } else { self.targets.remove(&name) };
            match told {
                Some(told) if told != version => {
                    return differs(format!("the newest version of {kind} '{name}' is {version} in the store, and {told} in the log"));
                }
                None if self.whole => return differs(format!("the log does not tell of {kind} '{name}', which the store has")),
                _ => {}
            }
        }
        if let Some(name) = self.policies.keys().chain(self.targets.keys()).min() {
            return differs(format!("the log tells of '{name}', which the store does not have"));
        }
        for run in store.runs(tenant, None, usize::MAX).await? {
            let told = self.ended.remove(run.id.as_str());
            match (told, matches!(run.state, RunState::Finished { .. })) {
                (None, true) if self.whole => return differs(format!("the log does not tell of the end of run {}", run.id)),
                (Some(_), false) => return differs(format!("the log tells of the end of run {}, which has not ended in the store", run.id)),
                _ => {}
            }
        }
        match self.ended.keys().min() {
            Some(run) => differs(format!("the log tells of run {run}, which the store does not have")),
            None => Ok(()),
        }
    }
}

/// Whether there is anything of a tenant: its keys stand at its beginning, and all else is after them, unless somebody took them away.
async fn has_anything(store: &dyn Store, tenant: &TenantId) -> Result<bool, AuditError> {
    Ok(store.tenant_keys(tenant).await?.is_some() || store.newest_arrival(tenant).await? > 0)
}

/// Checks a tenant's log in its store. `key` is one of the tenant's public keys: one that the store has itself, or better one that is kept elsewhere.
pub async fn verify_store(store: &dyn Store, tenant: &TenantId, key: &str, manifests: &[PathBuf]) -> Result<Passed, AuditError> {
    let keys = store.tenant_keys(tenant).await?.map(|keys| Keys(keys.signing_keys())).unwrap_or_default();
    let mut check = Check::begin(Some(tenant.clone()), Some(key), &keys, manifests)?;
    let (mut told, mut after) = (Told::default(), 0);
    loop {
        let page = store.audit(tenant, after, PAGE).await?;
        for one in &page {
            // The line's own number is checked against its place in the chain; the place in the store must be the same.
            let entry = check.line(&one.line)?;
            let seq = check.chain.head().map_or(0, |head| head.seq);
            if one.seq != seq {
                return Err(Broken { seq, wrong: Wrong::Place(one.seq) }.into());
            }
            if let Some(entry) = entry {
                told.add(entry);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.seq,
            _ => break,
        }
    }
    let passed = check.end(None)?;
    if passed.entries == 0 && has_anything(store, tenant).await? {
        return Err(EMPTY.into());
    }
    told.compare(store, tenant).await?;
    Ok(passed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::process::Command;

    use consign_archive::{Archive, MasterKey, generate_tenant_keys, open_store};
    use consign_model::audit::Actor;
    use consign_model::{Chat, ChatKey, ChatKind};
    use consign_store::{Arrival, Embedded, SourceRecord};

    use super::*;

    /// What the checker in Python says: the entry at which it is broken.
    fn theirs(key: &str, file: &Path) -> u64 {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/python/audit.py");
        let output = Command::new("python3").args([script, key]).arg(file).output().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["broken"].as_u64().unwrap()
    }

    /// Logs that hold in all that a chain can know of itself, and of which the beginning or everything is gone.
    #[tokio::test]
    async fn a_log_has_a_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(&folder.path().join("store")).unwrap();
        let tenant: TenantId = "t".parse().unwrap();
        let master = MasterKey::generate().unwrap();
        let keys = generate_tenant_keys(&master).unwrap();
        let objects = open_store(&folder.path().join("archive").display().to_string()).unwrap();
        let author = Archive::open(objects, tenant.clone(), &keys, &master).unwrap().author(Actor::Consign);
        let (key, file) = (keys.signing_public_key.as_str(), folder.path().join("audit.jsonl"));
        let found = async || {
            export(&store, &tenant, &author, &file).await.unwrap();
            let [ours, exported] = [verify_store(&store, &tenant, key, &[]).await, verify_file(&file, Some(key), &[])];
            assert_eq!(theirs(key, &file), 1);
            [ours, exported].map(|one| match one.unwrap_err() {
                AuditError::Broken(broken) => (broken.seq, broken.wrong),
                other => (0, Wrong::Store(other.to_string())),
            })
        };

        assert_eq!(verify_store(&store, &tenant, key, &[]).await.unwrap().entries, 0, "of nobody there is nothing to tell");
        let source: Name = "s".parse().unwrap();
        let chat = Chat::new(ChatKey { source: source.clone(), id: "C1".into() }, ChatKind::Channel);
        let arrival = Arrival {
            chat,
            expected_events: 0,
            segments: Vec::new(),
            members: Vec::new(),
            identities: Vec::new(),
            copies: Vec::new(),
            wanted: Vec::new(),
            found: Vec::new(),
        };
        store.commit(&tenant, &[arrival]).await.unwrap();
        assert_eq!(found().await, [(1, Wrong::Empty), (1, Wrong::Empty)]);
        let source = SourceRecord { name: source, format: "jsonl".into(), created_at: Timestamp(0), ways: BTreeMap::new() };
        store.begin_import(&tenant, &source, "a file", &author).await.unwrap();
        assert_eq!(found().await, [(1, Wrong::NoBeginning), (1, Wrong::NoBeginning)]);
    }
}
