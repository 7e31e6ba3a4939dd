//! `consign verify`: checks manifests of a policy against a mailbox, with nothing but these and a public key.
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
    /// Whether everything that was accepted is there, unchanged, and the signature holds.
    pub fn is_good(&self) -> bool {
        matches!(self.signature, SignatureCheck::Trusted | SignatureCheck::SelfSigned)
            && self.missing.is_empty()
            && self.changed.is_empty()
            && self.unexpected.is_empty()
    }
}

/// Reads a manifest and checks its signature; with a public key (base64) also who signed it.
fn read_manifest(path: &Path, trusted_key: Option<&str>) -> Result<(Manifest, SignatureCheck), VerifyError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let not_a_manifest = |error: serde_json::Error| VerifyError::NotAManifest { path: path.to_owned(), cause: error.to_string() };
    let signed: SignedManifest = serde_json::from_str(&text).map_err(not_a_manifest)?;
    let manifest: Manifest = serde_json::from_str(signed.manifest.get()).map_err(not_a_manifest)?;
    let own_key = &signed.signature.key;
    let whole = verify_signature(own_key, signed.manifest.get().as_bytes(), &signed.signature);
    let check = match trusted_key.map(str::trim) {
        _ if !whole => SignatureCheck::Broken,
        None => SignatureCheck::SelfSigned,
        Some(trusted) if trusted == own_key => SignatureCheck::Trusted,
        Some(_) => SignatureCheck::OtherKey,
    };
    Ok((manifest, check))
}

/// What the newest manifest says of an e-mail.
struct Named {
    digest: Digest,
    earlier: Vec<Digest>,
    accepted: bool,
    /// Its window is held.
    held: bool,
}

/// Compares manifests with a mailbox: a Maildir, an mbox file, a folder of `.eml` files, or one such file.
pub fn verify(manifests: &[PathBuf], mail: &Path, trusted_key: Option<&str>) -> Result<Findings, VerifyError> {
    let mut findings = Findings { signature: SignatureCheck::Trusted, ..Findings::default() };
    let mut read = Vec::new();
    for path in manifests {
        let (manifest, signature) = read_manifest(path, trusted_key)?;
        findings.signature = findings.signature.max(signature);
        read.push(manifest);
    }
    findings.manifests = read.len() as u64;
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
