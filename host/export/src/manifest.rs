//! Writing a run's manifest: one JSON document in its canonical form, written window by window while its SHA-256 runs along, then signed.
//!
//! It is not built in memory, since a run over a large archive has as many entries as chats. What is signed is the digest of the manifest's bytes
//! exactly as they stand in the file, so a reader can hash what it sees; that the form is the canonical one lets a program that has read the manifest
//! and kept no bytes of it make them again.

use std::io::Write;
use std::path::{Path, PathBuf};

use consign_model::canonical::canonical;
use consign_model::id::Hasher;
use consign_model::manifest::{EmailEntry, Manifest, Signature, WindowEntry};
use consign_model::run::{ChatCounts, EmailCounts, EventCounts};
use consign_model::{Delivery, Digest, Name, Outcome, RunId, TenantId, Window, WindowState};

/// Where a run's manifest lies under the data folder.
pub fn path(data: &Path, tenant: &TenantId, policy: &Name, run: &RunId) -> PathBuf {
    data.join("manifests").join(tenant.as_str()).join(policy.as_str()).join(format!("{run}.json"))
}

/// A window with its e-mails, as a manifest shows it.
pub fn window_entry(window: &Window, deliveries: &[Delivery]) -> WindowEntry {
    let settled = window.state.settled().cloned().unwrap_or_default();
    WindowEntry {
        source: window.key.chat.source.clone(),
        chat: window.key.chat.id.clone(),
        from: window.key.from,
        supplement: window.key.supplement,
        to: window.to,
        run: window.run.clone(),
        policy_version: window.policy_version,
        events: settled.counts,
        omitted: settled.omitted,
        held: window.state.held().cloned(),
        emails: deliveries.iter().map(email_entry).collect(),
    }
}

fn email_entry(delivery: &Delivery) -> EmailEntry {
    EmailEntry {
        message_id: delivery.message_id.clone(),
        sha256: delivery.digest,
        earlier: delivery.earlier.clone(),
        size: delivery.size,
        part: delivery.key.part,
        parts: delivery.parts,
        events: u64::from(delivery.events),
        recipients: delivery.known(),
    }
}

/// Counts e-mails by the worst of each one's outcomes.
pub fn email_counts(deliveries: &[Delivery]) -> EmailCounts {
    let mut counts = EmailCounts { composed: deliveries.len() as u64, ..EmailCounts::default() };
    for delivery in deliveries {
        let any = |wanted: fn(&Outcome) -> bool| delivery.outcomes.iter().any(|one| wanted(&one.outcome));
        if delivery.is_accepted() {
            counts.accepted += 1;
            counts.bytes += delivery.size;
        } else if delivery.in_flight || any(|outcome| matches!(outcome, Outcome::Unknown { .. })) {
            counts.unknown += 1;
        } else if any(|outcome| matches!(outcome, Outcome::Rejected { .. })) {
            counts.rejected += 1;
        } else if any(|outcome| matches!(outcome, Outcome::Deferred { .. })) {
            counts.deferred += 1;
        } else {
            counts.not_sent += 1;
        }
    }
    counts
}

/// Sums over some windows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Of events.
    pub events: EventCounts,
    /// Of e-mails.
    pub emails: EmailCounts,
    /// Of chats.
    pub chats: ChatCounts,
}

impl Totals {
    /// Adds a window with its e-mails.
    pub fn add(&mut self, window: &Window, deliveries: &[Delivery]) {
        self.add_state(&window.state, &email_counts(deliveries));
        // The chat was examined before.
        self.chats.examined -= u64::from(window.key.is_supplement());
    }

    /// Adds a window's state and e-mails.
    pub fn add_state(&mut self, state: &WindowState, emails: &EmailCounts) {
        if let Some(settled) = state.settled() {
            self.events.add(&settled.counts);
        }
        self.emails.add(emails);
        self.chats.examined += 1;
        self.chats.held += u64::from(state.held().is_some());
    }
}

/// Writes a manifest. `head` has everything but the windows and supplements; `entries` is called to write each list. Returns the manifest's SHA-256.
pub fn write(
    path: &Path,
    head: &Manifest,
    entries: impl FnOnce(&mut EntryWriter<'_>) -> std::io::Result<()>,
    sign: impl FnOnce(&Digest) -> Signature,
) -> std::io::Result<Digest> {
    let text = canonical(head).map_err(std::io::Error::other)?;
    // Inside a JSON string every quote has a backslash before it, so this finds the key and nothing else.
    let (before, rest) = text.split_once("\"supplements\":[]").ok_or_else(shape)?;
    let (between, after) = rest.split_once("\"windows\":[]").ok_or_else(shape)?;
    let mut digest = None;
    crate::files::write_durably_with(path, |out| {
        out.write_all(b"{\"manifest\":")?;
        let mut writer = EntryWriter { out, hasher: Hasher::default(), first: true, between: Some(format!("]{between}\"windows\":[")) };
        writer.raw(before)?;
        writer.raw("\"supplements\":[")?;
        entries(&mut writer)?;
        writer.end_supplements()?;
        writer.raw("]")?;
        writer.raw(after)?;
        let EntryWriter { out, hasher, .. } = writer;
        let done = hasher.finish();
        digest = Some(done);
        out.write_all(b",\"signature\":")?;
        out.write_all(canonical(&sign(&done)).map_err(std::io::Error::other)?.as_bytes())?;
        out.write_all(b"}\n")
    })?;
    digest.ok_or_else(shape)
}

fn shape() -> std::io::Error {
    std::io::Error::other("the manifest's head has another shape than its writer expects")
}

/// Writes supplements, then windows: in the order of their names.
pub struct EntryWriter<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
    first: bool,
    between: Option<String>,
}

impl EntryWriter<'_> {
    fn raw(&mut self, text: &str) -> std::io::Result<()> {
        self.hasher.update(text.as_bytes());
        self.out.write_all(text.as_bytes())
    }

    /// Adds an entry to the list that is open.
    pub fn entry(&mut self, entry: &WindowEntry) -> std::io::Result<()> {
        let text = canonical(entry).map_err(std::io::Error::other)?;
        if !std::mem::take(&mut self.first) {
            self.raw(",")?;
        }
        self.raw(&text)
    }

    /// Ends the supplements: what follows are windows.
    pub fn end_supplements(&mut self) -> std::io::Result<()> {
        match self.between.take() {
            None => Ok(()),
            Some(text) => {
                self.first = true;
                self.raw(&text)
            }
        }
    }
}
