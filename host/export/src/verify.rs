//! `consign verify`: checks manifests of a policy against a mailbox, with nothing but these and a public key.
//!
//! A policy's manifests are a chain, each naming the SHA-256 of the one before. So of several the links are checked as well: one that was removed,
//! inserted, changed or put into another's place in the middle shows, and which. That the newest was taken away shows in the audit log.
//!
//! What a run had to hold may be sent by a later one, whose manifest names it then: of several manifests the newest that names an e-mail counts.
//!
//! It runs offline and knows no store and no archive: an auditor who trusts neither us nor the operator runs it elsewhere. Mail servers add
//! headers on top and write line ends their own way, so an e-mail is compared from our own first header on, with CRLF line ends.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use consign_archive::verify_signature;
use consign_model::Digest;
use consign_model::manifest::{Manifest, SignedManifest};

/// Why a check could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file or folder could not be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file is no manifest.
    #[error("{path} is not a manifest: {cause}")]
    NotAManifest {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// What a check found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Findings {
    /// How many manifests were read.
    pub manifests: u64,
    /// Links between them that do not hold: which, and what is wrong.
    pub links: Vec<String>,
    /// Between manifests that were named one by one: which were left out, so that nothing links those around them.
    pub gaps: Vec<String>,
    /// Whether they are as they were signed, by the expected key: the worst of them.
    pub signature: SignatureCheck,
    /// Accepted e-mails that are there, whole and once.
    pub intact: u64,
    /// Accepted e-mails (Message-IDs) that are not there.
    pub missing: Vec<String>,
    /// There, with other bytes.
    pub changed: Vec<String>,
    /// There more than once: allowed after an unknown outcome, all the same or in an earlier form that the manifest names.
    pub repeated: Vec<String>,
    /// E-mails of these runs that no manifest names.
    pub unexpected: Vec<String>,
    /// E-mails whose outcome is not accepted, and which are not there.
    pub not_accepted: u64,
    /// E-mails whose outcome is not accepted, and which are there all the same.
    pub arrived_anyway: Vec<String>,
    /// E-mails of windows that were held when the newest of these manifests was written: a later one tells of them.
    pub later: Vec<String>,
    /// E-mails in the mailbox that are of no concern to these manifests.
    pub others: u64,
}

/// What is to say of a manifest's signature, from good to worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureCheck {
    /// Good, by the key that was given.
    Trusted,
    /// Good, by the key that stands in the manifest itself: proves that it is whole, not who wrote it.
    SelfSigned,
    /// Signed by another key than the one that was given.
    OtherKey,
    /// The bytes are not those that were signed.
    #[default]
    Broken,
}

impl Findings {
    /// Whether the manifests are as they were signed, and follow each other.
    pub fn are_manifests_good(&self) -> bool {
        matches!(self.signature, SignatureCheck::Trusted | SignatureCheck::SelfSigned) && self.links.is_empty()
    }

    /// Whether everything that was accepted is there, unchanged, and the signature holds.
    pub fn is_good(&self) -> bool {
        self.are_manifests_good() && self.missing.is_empty() && self.changed.is_empty() && self.unexpected.is_empty()
    }
}

/// Reads a manifest and checks its signature; with public keys (base64) also who signed it.
fn read_manifest(path: &Path, trusted_keys: &[String]) -> Result<(Link, SignatureCheck), VerifyError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let not_a_manifest = |error: serde_json::Error| VerifyError::NotAManifest { path: path.to_owned(), cause: error.to_string() };
    let signed: SignedManifest = serde_json::from_str(&text).map_err(not_a_manifest)?;
    let manifest: Manifest = serde_json::from_str(signed.manifest.get()).map_err(not_a_manifest)?;
    let own_key = &signed.signature.key;
    let whole = verify_signature(own_key, signed.manifest.get().as_bytes(), &signed.signature);
    let check = match place(trusted_keys, own_key) {
        _ if !whole => SignatureCheck::Broken,
        _ if trusted_keys.is_empty() => SignatureCheck::SelfSigned,
        Some(_) => SignatureCheck::Trusted,
        None => SignatureCheck::OtherKey,
    };
    let number = manifest.run.as_str().rsplit_once('-').and_then(|(_, number)| number.parse().ok());
    let number = number.ok_or_else(|| VerifyError::NotAManifest { path: path.to_owned(), cause: "its run has no number".to_owned() })?;
    let digest = Digest::of(signed.manifest.get().as_bytes());
    Ok((Link { path: path.to_owned(), listed: false, digest, key: signed.signature.key, number, manifest }, check))
}

/// The manifests under a folder, whatever their depth, by path; or this one.
pub(crate) fn manifests_below(path: &Path) -> Result<Vec<PathBuf>, VerifyError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut found, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let path = entry.map_err(|error| unreadable(&folder, &error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A manifest as a link of its policy's chain.
struct Link {
    path: PathBuf,
    /// Found in a folder, where its neighbours should be too.
    listed: bool,
    /// Of the manifest's bytes as they are now.
    digest: Digest,
    key: String,
    number: u64,
    manifest: Manifest,
}

/// Which of these keys it is.
fn place(keys: &[String], key: &str) -> Option<usize> {
    keys.iter().position(|one| one.trim() == key)
}

/// Says which links between these manifests do not hold, and where one was left out. A policy's may begin with any run: those before are of no concern.
fn broken_links(links: &mut [Link], trusted_keys: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut broken, mut gaps) = (Vec::new(), Vec::new());
    for link in links.iter().filter(|link| link.path.file_stem().is_none_or(|stem| stem != link.manifest.run.as_str())) {
        // A copy may have any name, but not another run's.
        let named = link.path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.rsplit_once('-'));
        if named.is_some_and(|(policy, number)| policy == link.manifest.policy.as_str() && number.parse::<u64>().is_ok()) {
            broken.push(format!("{} holds the manifest of run {}: it was put into another's place", link.path.display(), link.manifest.run));
        }
    }
    links.sort_by(|one, other| {
        let of = |link: &Link| (link.manifest.tenant.clone(), link.manifest.policy.clone(), link.number);
        of(one).cmp(&of(other))
    });
    for pair in links.windows(2) {
        let [before, after] = pair else { continue };
        if (&before.manifest.tenant, &before.manifest.policy) != (&after.manifest.tenant, &after.manifest.policy) {
            continue;
        }
        let (earlier, later) = (&before.manifest.run, &after.manifest.run);
        if before.number == after.number {
            if before.digest != after.digest {
                broken.push(format!("there are two manifests of run {later}, in {} and {}", before.path.display(), after.path.display()));
            }
        } else if before.number.checked_add(1) != Some(after.number) {
            let list = if before.listed && after.listed { &mut broken } else { &mut gaps };
            list.push(format!("between runs {earlier} and {later} a manifest is missing"));
        } else if after.manifest.previous != Some(before.digest) {
            broken.push(format!("the manifest of run {later} does not follow that of run {earlier}: one of them is not what it was"));
        }
        // Keys follow each other, and none comes back.
        let follows = || place(trusted_keys, &before.key).zip(place(trusted_keys, &after.key)).is_some_and(|(before, after)| before < after);
        if before.key != after.key && !follows() {
            broken.push(format!("the manifests of runs {earlier} and {later} are signed by different keys: give all that the tenant has had (--key, the oldest first; 'consign keys' lists them)"));
        }
    }
    for link in links.iter().filter(|link| (link.number == 1) != link.manifest.previous.is_none()) {
        broken.push(format!(
            "the manifest of run {} {}",
            link.manifest.run,
            if link.number == 1 { "names one before it, and is the first" } else { "names none before it, and is not the first" }
        ));
    }
    (broken, gaps)
}

/// What the newest manifest says of an e-mail.
struct Named {
    digest: Digest,
    earlier: Vec<Digest>,
    accepted: bool,
    /// Its window is held.
    held: bool,
}

/// Checks manifests (files, or folders of them), and compares them with a mailbox where one is given: a Maildir, an mbox file, a folder of `.eml` files,
/// or one such file. `trusted_keys`: those of the tenant, oldest first; none: they are taken to be whole and no more.
pub fn verify(manifests: &[PathBuf], mail: Option<&Path>, trusted_keys: &[String]) -> Result<Findings, VerifyError> {
    let mut findings = Findings { signature: SignatureCheck::Trusted, ..Findings::default() };
    let mut links = Vec::new();
    let mut paths = Vec::new();
    for path in manifests {
        let (listed, below) = (path.is_dir(), manifests_below(path)?);
        // Nothing is not good: it may be another folder than was meant, or one that somebody has emptied.
        if below.is_empty() {
            return Err(VerifyError::NotAManifest { path: path.clone(), cause: "there is no manifest (*.json) in this folder".to_owned() });
        }
        paths.extend(below.into_iter().map(|path| (path, listed)));
    }
    for (path, listed) in paths {
        let (mut link, signature) = read_manifest(&path, trusted_keys)?;
        link.listed = listed;
        if mail.is_none() {
            // The chain alone is asked for, and a policy's manifests of some years do not fit into memory.
            link.manifest.windows = Vec::new();
            link.manifest.supplements = Vec::new();
        }
        if signature > SignatureCheck::SelfSigned {
            findings.links.push(format!("the manifest of run {} in {} is not what was signed by the right key", link.manifest.run, path.display()));
        }
        findings.signature = findings.signature.max(signature);
        links.push(link);
    }
    findings.manifests = links.len() as u64;
    let (broken, gaps) = broken_links(&mut links, trusted_keys);
    findings.links.extend(broken);
    findings.gaps = gaps;
    let Some(mail) = mail else { return Ok(findings) };
    let mut read: Vec<Manifest> = links.into_iter().map(|link| link.manifest).collect();
    read.sort_by_key(|manifest| manifest.finished_at);

    let mut named: BTreeMap<&str, Named> = BTreeMap::new();
    let mut held: HashSet<String> = HashSet::new();
    for manifest in &read {
        for window in manifest.windows.iter().chain(&manifest.supplements) {
            let is_held = window.held.is_some();
            let id = window.key(&manifest.policy).id();
            if is_held {
                held.insert(id);
            } else {
                held.remove(&id);
            }
            for email in &window.emails {
                let accepted = !email.recipients.is_empty() && email.recipients.iter().all(|one| one.outcome.is_accepted());
                named.insert(&email.message_id, Named { digest: email.sha256, earlier: email.earlier.clone(), accepted, held: is_held });
            }
        }
    }

    let runs: HashSet<&str> = read.iter().map(|manifest| manifest.run.as_str()).collect();
    let mut there: HashMap<String, Vec<Digest>> = HashMap::new();
    each_email(mail, &mut |bytes| {
        let email = Seen::read(bytes);
        let Some(email) = email.filter(|email| named.contains_key(email.message_id.as_str()) || runs.contains(email.run.as_str())) else {
            findings.others += 1;
            return;
        };
        if named.contains_key(email.message_id.as_str()) {
            there.entry(email.message_id).or_default().push(email.digest);
        } else if held.contains(&email.window) {
            findings.later.push(email.message_id);
        } else {
            findings.unexpected.push(email.message_id);
        }
    })?;

    for (message_id, entry) in &named {
        let id = (*message_id).to_owned();
        let copies = there.remove(*message_id).unwrap_or_default();
        let whole = copies.iter().filter(|copy| **copy == entry.digest).count();
        let strange = copies.iter().any(|copy| *copy != entry.digest && !entry.earlier.contains(copy));
        match (entry.accepted, copies.len()) {
            (true, 0) => findings.missing.push(id),
            (false, 0) => findings.not_accepted += 1,
            // Composed anew and sent since: this manifest can't say how.
            (false, _) if strange && entry.held => findings.later.push(id),
            (_, _) if strange => findings.changed.push(id),
            (false, _) => findings.arrived_anyway.push(id),
            // Only an earlier form of it.
            (true, _) if whole == 0 => findings.missing.push(id),
            (true, 1) => findings.intact += 1,
            (true, _) => {
                findings.intact += 1;
                findings.repeated.push(id);
            }
        }
    }
    for list in [&mut findings.unexpected, &mut findings.later] {
        list.sort();
        list.dedup();
    }
    Ok(findings)
}

/// What is read of one e-mail in a mailbox.
struct Seen {
    message_id: String,
    /// Empty where it does not say.
    run: String,
    /// Empty where it does not say.
    window: String,
    digest: Digest,
}

impl Seen {
    fn read(bytes: &[u8]) -> Option<Self> {
        let original = from_first_header(&with_crlf(bytes))?;
        let head_end = original.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(original.len());
        let head = String::from_utf8_lossy(original.get(..head_end)?).replace("\r\n ", " ").replace("\r\n\t", " ");
        let value = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let message_id = value("Message-ID")?.trim_matches(['<', '>']).to_owned();
        let own = |name: &str| value(name).unwrap_or_default();
        Some(Self { message_id, run: own("X-Consign-Run"), window: own("X-Consign-Window"), digest: Digest::of(&original) })
    }
}

/// The e-mail from our own first header on: what a server put on top is not ours.
fn from_first_header(bytes: &[u8]) -> Option<Vec<u8>> {
    let first = consign_mail::compose::FIRST_HEADER.as_bytes();
    let mut start = 0;
    loop {
        let rest = bytes.get(start..)?;
        if rest.starts_with(b"\r\n") || rest.is_empty() {
            return None;
        }
        if rest.starts_with(first) {
            return Some(rest.to_vec());
        }
        start += rest.windows(2).position(|two| two == b"\r\n")? + 2;
    }
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut last = 0;
    for &byte in bytes {
        if byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        last = byte;
    }
    out
}

fn unreadable(path: &Path, error: &std::io::Error) -> VerifyError {
    VerifyError::Unreadable { path: path.to_owned(), cause: error.to_string() }
}

/// Hands over every e-mail of a mailbox, one at a time.
fn each_email(mail: &Path, take: &mut dyn FnMut(&[u8])) -> Result<(), VerifyError> {
    if mail.is_dir() {
        let is_maildir = mail.join("new").is_dir() || mail.join("cur").is_dir();
        let folders = if is_maildir { vec![mail.join("new"), mail.join("cur")] } else { vec![mail.to_owned()] };
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
            for entry in entries {
                let path = entry.map_err(|error| unreadable(folder, &error))?.path();
                if path.is_file() && (is_maildir || path.extension().is_some_and(|extension| extension == "eml")) {
                    take(&std::fs::read(&path).map_err(|error| unreadable(&path, &error))?);
                }
            }
        }
        return Ok(());
    }
    let bytes = std::fs::read(mail).map_err(|error| unreadable(mail, &error))?;
    if bytes.starts_with(b"From ") {
        each_of_mbox(&bytes, take);
    } else {
        take(&bytes);
    }
    Ok(())
}

/// An mbox as Postfix writes it: a `From ` line before each e-mail, `>From ` inside, an empty line after.
fn each_of_mbox(bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
    let mut email: Vec<u8> = Vec::new();
    let mut begun = false;
    let mut empty_before = true;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if empty_before && line.starts_with(b"From ") {
            if begun {
                take(without_last_line_end(&email));
            }
            email.clear();
            begun = true;
        } else {
            let depth = line.iter().take_while(|byte| **byte == b'>').count();
            let quoted = depth > 0 && line.get(depth..).is_some_and(|rest| rest.starts_with(b"From "));
            email.extend_from_slice(if quoted { line.get(1..).unwrap_or_default() } else { line });
        }
        empty_before = line == b"\n" || line == b"\r\n";
    }
    if begun {
        take(without_last_line_end(&email));
    }
}

/// Without the empty line that an mbox has after each e-mail.
fn without_last_line_end(email: &[u8]) -> &[u8] {
    email.strip_suffix(b"\r\n").or_else(|| email.strip_suffix(b"\n")).unwrap_or(email)
}
