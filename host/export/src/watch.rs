//! What the store, the gates, the manifests and the audit log say of how things stand: the conditions that alerts are made of.
//!
//! Here it is only looked. When to look, what was known before and whom to tell is `service/alerts`' matter. Each look answers the whole of what it looked for,
//! so what is not in the answer is over; a look that can't say (a chain that grew while it was read, a target that nobody asked) says so, since a
//! false alarm about a broken chain costs more than an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use consign_model::alert::{Condition, Lack};
use consign_model::audit::{Deed, Entry, FETCHED, SignedEntry};
use consign_model::manifest::SignedManifest;
use consign_model::policy::PolicyVersion;
use consign_model::quarantine::QuarantineReason;
use consign_model::{ChatKey, Digest, Name, RunState, Timestamp, WantedKind, WantedState, Window, WindowKey};
use consign_store::{WantedFilter, WindowFilter};

use crate::audit::{AuditError, verify_store};
pub use crate::deliver::Reachable;
use crate::modules::blocking;
use crate::pages::{PAGE, Windows};
use crate::reconcile::{HOUR, Period, silences};
use crate::verify::{SignatureCheck, verify};
use crate::{ExportError, Exporter, manifest};

/// How often a chain is read again that grew while it was read.
const ATTEMPTS: usize = 3;

/// What a check of a chain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It is as it was written.
    Good,
    /// It is not: what is wrong, and where.
    Broken(String),
    /// It grew each time that it was read, so what looked wrong may have been that.
    Undecided,
}

/// Files of a source that are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFiles {
    /// The source.
    pub source: Name,
    counts: BTreeMap<WantedKind, u64>,
    unreadable_since: Option<Timestamp>,
}

impl MissingFiles {
    /// Of a source in so many of each state, of which none has to be mended.
    pub fn of(source: Name, counts: impl IntoIterator<Item = (WantedKind, u64)>) -> Self {
        Self { source, counts: counts.into_iter().collect(), unreadable_since: None }
    }

    /// How many are in this state.
    pub fn count(&self, kind: WantedKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// What a person has to mend of them.
    pub fn condition(&self) -> Option<Condition> {
        let (source, unreadable, gone) = (self.source.clone(), self.count(WantedKind::Unreadable), self.count(WantedKind::Gone));
        self.unreadable_since.map(|oldest| Condition::Files { source, unreadable, gone, oldest })
    }
}

impl Exporter {
    /// Held windows of a policy, or of all, by policy and chat: those after this one, at most `limit`.
    pub async fn held(&self, policy: Option<&Name>, after: Option<&WindowKey>, limit: usize) -> Result<Vec<Window>, ExportError> {
        let policies = match policy {
            Some(policy) => vec![policy.clone()],
            None => self.store.policies(&self.tenant).await?.into_iter().map(|policy| policy.spec.name).collect(),
        };
        let mut found = Vec::new();
        for policy in policies.into_iter().filter(|policy| after.is_none_or(|after| *policy >= after.policy)) {
            let mut after = after.filter(|after| after.policy == policy).cloned();
            let filter = WindowFilter::Unsettled(policy);
            while found.len() < limit {
                let page = self.store.windows(&self.tenant, &filter, after.as_ref(), PAGE).await?;
                after = page.last().map(|window| window.key.clone());
                let is_last = page.len() < PAGE;
                found.extend(page.into_iter().filter(|window| window.state.held().is_some()));
                if is_last {
                    break;
                }
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// What of a policy is held now. Looks at each held window.
    pub async fn held_now(&self, policy: &Name) -> Result<Option<Condition>, ExportError> {
        let (mut windows, mut events, mut tried_again, mut oldest) = (0, 0, 0, None);
        let mut pages = Windows::new(self, WindowFilter::Unsettled(policy.clone()));
        while let Some(page) = pages.next().await? {
            for state in page.iter().map(|window| &window.state) {
                let consign_model::WindowState::Held { settled, at, .. } = state else { continue };
                windows += 1;
                events += settled.counts.held;
                tried_again += u64::from(state.is_tried_again());
                oldest = oldest.into_iter().chain([*at]).min();
            }
        }
        Ok(oldest.map(|oldest| Condition::Held { policy: policy.clone(), windows, events, tried_again, oldest }))
    }

    /// The modules that a policy's version names and that are quarantined for it.
    pub async fn quarantined_now(&self, policy: &PolicyVersion) -> Result<Vec<Condition>, ExportError> {
        let name = &policy.spec.name;
        let in_force = self.in_force(name).await?;
        let named = in_force.into_iter().filter(|one| policy.modules().any(|module| module.digest == one.digest));
        Ok(named
            .map(|one| {
                let failed_in_chats = match one.why {
                    QuarantineReason::Faults { chats, .. } => Some(chats),
                    QuarantineReason::Engine { .. } => None,
                };
                Condition::Quarantined { policy: name.clone(), module: one.module, digest: one.digest, failed_in_chats }
            })
            .collect())
    }

    /// The files that events of each source name by an address and that are not there. Looks at each of them.
    pub async fn files_now(&self) -> Result<Vec<MissingFiles>, ExportError> {
        let mut found = Vec::new();
        for record in self.store.sources(&self.tenant).await? {
            let mut files = MissingFiles::of(record.name.clone(), []);
            let filter = WantedFilter { source: record.name, kind: None };
            let mut after = None;
            loop {
                let page = self.store.wanted(&self.tenant, &filter, after.as_ref(), PAGE).await?;
                for file in &page {
                    *files.counts.entry(file.state.kind()).or_default() += 1;
                    if let WantedState::Unreadable { since, .. } = file.state {
                        files.unreadable_since = files.unreadable_since.into_iter().chain([since]).min();
                    }
                }
                let Some(last) = page.into_iter().last() else { break };
                after = Some(last.key);
            }
            found.push(files);
        }
        Ok(found)
    }

    /// How a version of a target stands, as far as this process has seen.
    pub fn reachable(&self, target: &Name, version: u32) -> Reachable {
        self.places.gates.standing(&self.tenant, target, version)
    }

    fn manifests_of(&self, policy: &Name) -> PathBuf {
        self.data.join("manifests").join(self.tenant.as_str()).join(policy.as_str())
    }

    /// Checks all manifests of a policy that lie in the data folder.
    pub async fn check_manifests(&self, policy: &Name) -> Result<Checked, ExportError> {
        self.check_files(policy, &|_| vec![self.manifests_of(policy)]).await
    }

    /// Checks a policy's newest manifest, and that it follows the one before.
    pub async fn check_newest_manifest(&self, policy: &Name) -> Result<Checked, ExportError> {
        self.check_files(policy, &|newest| newest.iter().filter(|path| path.exists()).cloned().collect()).await
    }

    /// The keys that have signed for the tenant, oldest first. To be read after what they are to hold for: by then they may have changed once more, and never less.
    async fn signing_keys(&self) -> Result<Vec<String>, ExportError> {
        Ok(self.store.tenant_keys(&self.tenant).await?.map(|keys| keys.signing_keys()).unwrap_or_default())
    }

    async fn check_files(&self, policy: &Name, of: &(dyn Fn(&[PathBuf]) -> Vec<PathBuf> + Send + Sync)) -> Result<Checked, ExportError> {
        for _ in 0..ATTEMPTS {
            let before = self.store.progress(&self.tenant, policy).await?;
            let Some(digest) = before.manifest else { return Ok(Checked::Good) };
            let runs = self.store.runs(&self.tenant, Some(policy), 3).await?;
            let ended = runs.iter().filter(|run| matches!(run.state, RunState::Finished { .. }));
            let newest: Vec<PathBuf> = ended.map(|run| manifest::path(&self.data, &self.tenant, policy, &run.id)).take(2).collect();
            let (paths, last, keys) = (of(&newest), newest.first().cloned(), self.signing_keys().await?);
            match blocking(move || wrong_with(&paths, last.as_deref(), digest, &keys)).await? {
                None => return Ok(Checked::Good),
                Some(what) if self.store.progress(&self.tenant, policy).await? == before => return Ok(Checked::Broken(what)),
                Some(_) => {}
            }
        }
        Ok(Checked::Undecided)
    }

    /// Checks the audit log, and with `hold_to` that it goes as far as the manifests below these folders say.
    pub async fn check_audit_log(&self, hold_to: &[Name]) -> Result<Checked, ExportError> {
        let manifests: Vec<PathBuf> = hold_to.iter().map(|policy| self.manifests_of(policy)).filter(|folder| folder.is_dir()).collect();
        for _ in 0..ATTEMPTS {
            let before = self.store.audit_head(&self.tenant).await?;
            let key = self.signing_keys().await?.pop().unwrap_or_default();
            match verify_store(self.store.as_ref(), &self.tenant, &key, &manifests).await {
                Ok(_) => return Ok(Checked::Good),
                Err(AuditError::Store(error)) => return Err(error.into()),
                Err(error) if self.store.audit_head(&self.tenant).await? == before => return Ok(Checked::Broken(error.to_string())),
                Err(_) => {}
            }
        }
        Ok(Checked::Undecided)
    }
}

/// What is wrong with some manifests, of which the newest has to have this digest.
fn wrong_with(paths: &[PathBuf], newest: Option<&Path>, digest: Digest, keys: &[String]) -> Option<String> {
    let findings = match verify(paths, None, keys) {
        Ok(findings) => findings,
        Err(error) => return Some(error.to_string()),
    };
    if let Some(link) = findings.links.first() {
        return Some(link.clone());
    }
    if findings.signature != SignatureCheck::Trusted {
        return Some("they are not signed by a key of the tenant".to_owned());
    }
    let newest = newest?;
    let text = std::fs::read_to_string(newest).ok();
    let signed = text.and_then(|text| serde_json::from_str::<SignedManifest>(&text).ok());
    let is_it = signed.is_some_and(|signed| Digest::of(signed.manifest.get().as_bytes()) == digest);
    (!is_it).then(|| format!("{} is missing, or not the manifest that the newest run left", newest.display()))
}

/// What has come from each source so far, as the index tells it. Kept between looks, so that each reads only what is new.
#[derive(Debug, Default)]
pub struct Sources {
    /// The last entry of the audit log that was read.
    audit: u64,
    /// Imports that brought something.
    imports: BTreeMap<Name, u64>,
    /// Sources whose last import only fetched files.
    fetching: BTreeSet<Name>,
    /// The last arrival that was read.
    arrival: u64,
    /// Hours in which something came.
    hours: BTreeMap<Name, BTreeSet<i64>>,
    /// Chats with positions for which there is no file.
    holes: BTreeMap<Name, BTreeSet<ChatKey>>,
}

impl Sources {
    /// What seems to be missing of a tenant's sources.
    ///
    /// Silence is judged by the rule of `reconcile`, up to now, of sources from which more than one import brought something: what was imported once is
    /// silent ever since, and that is no news. Files are not opened, so of each file only the hours of its first and last event are known: that makes
    /// what is usual longer, never shorter.
    pub async fn look(&mut self, exporter: &Exporter, now: Timestamp) -> Result<Vec<Condition>, ExportError> {
        self.read_imports(exporter).await?;
        self.read_arrivals(exporter).await?;
        let mut found = Vec::new();
        for (source, hours) in self.hours.iter().filter(|(source, _)| self.imports.get(*source).is_some_and(|imports| *imports > 1)) {
            let period = Period { from: Timestamp(now.0.saturating_sub(2 * HOUR)), to: now };
            found.extend(silences(hours, period, now).into_iter().map(|(last, _, usual)| Condition::Gap {
                source: source.clone(),
                lack: Lack::Silence,
                last: Some(last),
                usual_hours: Some(usual),
                chats: None,
            }));
        }
        found.extend(self.holes.iter().filter(|(_, chats)| !chats.is_empty()).map(|(source, chats)| Condition::Gap {
            source: source.clone(),
            lack: Lack::Hole,
            last: None,
            usual_hours: None,
            chats: Some(chats.len() as u64),
        }));
        Ok(found)
    }

    async fn read_imports(&mut self, exporter: &Exporter) -> Result<(), ExportError> {
        loop {
            let page = exporter.store.audit(&exporter.tenant, self.audit, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            self.audit = last.seq;
            // Most entries are of runs, and need not be read to be passed over.
            for one in page.iter().filter(|one| one.line.contains("\"import-")) {
                let entry = serde_json::from_str::<SignedEntry>(&one.line).ok().and_then(|signed| serde_json::from_str(signed.entry.get()).ok());
                match entry {
                    // Files of messages that are there already say nothing of whether the source goes on.
                    Some(Entry { deed: Deed::ImportBegun { source, input, .. }, .. }) if input == FETCHED => drop(self.fetching.insert(source)),
                    Some(Entry { deed: Deed::ImportBegun { source, .. }, .. }) => drop(self.fetching.remove(&source)),
                    Some(Entry { deed: Deed::ImportEnded { source, figures, .. }, .. }) if figures.stored > 0 && !self.fetching.contains(&source) => {
                        *self.imports.entry(source).or_default() += 1;
                    }
                    Some(_) | None => {}
                }
            }
        }
    }

    async fn read_arrivals(&mut self, exporter: &Exporter) -> Result<(), ExportError> {
        loop {
            let page = exporter.store.chats_arrived(&exporter.tenant, self.arrival, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            let last = *last;
            for (_, chat) in page {
                let hours = self.hours.entry(chat.source.clone()).or_default();
                let (mut next, mut has_hole) = (0, false);
                for segment in exporter.store.segments(&exporter.tenant, &chat, 0).await? {
                    has_hole |= segment.first > next;
                    next = segment.first + u64::from(segment.events);
                    hours.extend([segment.first_at, segment.last_at].map(|at| at.0.div_euclid(HOUR)));
                }
                let holes = self.holes.entry(chat.source.clone()).or_default();
                if has_hole {
                    holes.insert(chat);
                } else {
                    holes.remove(&chat);
                }
            }
            self.arrival = last;
        }
    }
}
