//! A module's way in: its signature, its checks, its name, and only then a file and a record of it.
//!
//! Nothing of a refused module is kept. What is kept stays: a name with a version means the same bytes for ever, since policies and ledgers name modules
//! so. The file is durable before the record that names it, so a record never names what is not there; a file that no record names is harmless.

mod signature;

use std::sync::Arc;

use consign_export::{ExportError, Exporter, ShelfError};
use consign_model::module::{BoundModule, ModuleFacts, ModuleKind, ModuleManifest, ProbeReport};
use consign_model::quota::{Limits, Reached};
use consign_model::{Digest, ModuleKey, Name, Timestamp};
use consign_sandbox::LoadError;
use consign_store::{ModuleRecord, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

pub use self::signature::{SignatureError, read_key};
use crate::bind::STANDARD;
use crate::quotas::compiled_bytes;

/// Why a module was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The tenant's keys do not vouch for it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The tenant has keys, and there is no signature.
    #[error(
        "the tenant has keys for its modules ({}), and this one has no signature: sign it and name the file with --signature, or push it with --unsigned",
        names(.0)
    )]
    Unsigned(Vec<ModuleKey>),
    /// It is no module that this host runs.
    #[error("the module is refused: {0}")]
    Refused(#[source] LoadError),
    /// Its name is kept for the modules that come with the program.
    #[error(
        "the module calls itself {0}, and names that begin with std/ are those of the modules that come with Consign: give it a name of your own"
    )]
    Reserved(String),
    /// Another module has its name and version.
    #[error("there is another module {name} already (sha256:{known}), and what a name and version mean never changes: give this one another version")]
    Taken {
        /// `name@version`.
        name: String,
        /// What it means.
        known: Digest,
    },
    /// The tenant has as many as it may, or as much of them.
    #[error("{0}: the module is not taken in. Whoever runs the installation can raise the quota ('consign tenant quota')")]
    Quota(Reached),
    /// It does not pass its probe.
    #[error("the module {name} does not pass its probe:\n{}", steps(.report))]
    Probe {
        /// `name@version`.
        name: String,
        /// What came of each step.
        report: Box<ProbeReport>,
    },
    /// Its file could not be written.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else.
    #[error(transparent)]
    Export(#[from] ExportError),
}

fn names(keys: &[ModuleKey]) -> String {
    keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The steps of a probe, a line each.
pub fn steps(report: &ProbeReport) -> String {
    use consign_model::module::ProbeOutcome::{Failed, NotRun, Passed};
    let line = |step: &consign_model::module::ProbeStep| match &step.outcome {
        Passed => format!("    passed   {}", step.name),
        NotRun { why } => format!("    not run  {}: {why}", step.name),
        Failed { why } => format!("    FAILED   {}: {why}", step.name),
    };
    report.steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What vouches for a module that is pushed.
#[derive(Debug, Clone, Copy)]
pub enum Voucher<'a> {
    /// A detached signature, as its file has it.
    Signature(&'a [u8]),
    /// Nothing: fine where the tenant has no keys.
    Nothing,
    /// Nothing, and the tenant knows it.
    Unsigned,
}

/// What a push did.
#[derive(Debug, Clone, Serialize)]
pub struct Pushed {
    /// Whether the very same module was there already: then nothing was changed.
    pub again: bool,
    /// Whether it was there unsigned, and its signature was added.
    pub now_signed: bool,
    /// Its record.
    #[serde(flatten)]
    pub record: ModuleRecord,
}

/// Takes a module in. Blocks no thread, and may take a minute: it is compiled and tried.
pub async fn push(exporter: &Exporter, bytes: Vec<u8>, voucher: Voucher<'_>) -> Result<Pushed, PushError> {
    let Exporter { tenant, store, shelf, .. } = exporter;
    let keys = store.module_keys(tenant).await?;
    let signed_by = match voucher {
        Voucher::Signature(signature) => Some(signature::check(&bytes, signature, &keys)?),
        Voucher::Nothing if !keys.is_empty() => return Err(PushError::Unsigned(keys)),
        Voucher::Nothing | Voucher::Unsigned => None,
    };
    let digest = Digest::of(&bytes);
    if let Some(record) = store.module(tenant, &digest).await? {
        // Its file may be what was lost.
        let (shelf, bytes) = (Arc::clone(shelf), bytes);
        in_background(move || shelf.add(&bytes)).await??;
        let now_signed = record.signed_by.is_none() && signed_by.is_some();
        let record = if now_signed { ModuleRecord { signed_by, ..record } } else { record };
        if now_signed {
            store.save_module(tenant, &record, &exporter.author).await?;
        }
        return Ok(Pushed { again: true, now_signed, record });
    }
    let limits = store.quotas(tenant).await?.limits;
    // What can't be kept is not compiled. What it comes to as it is compiled shows only then.
    has_room(exporter, &limits, 0).await?;
    let examining = Arc::clone(shelf);
    let (module, bytes) = in_background(move || (examining.examine(&bytes), bytes)).await?;
    let module = module.map_err(PushError::Refused)?;
    let manifest = module.manifest().clone();
    let name = format!("{}@{}", manifest.name, manifest.version);
    if manifest.name.starts_with(STANDARD) {
        return Err(PushError::Reserved(name));
    }
    if let Some(known) = store.modules(tenant).await?.into_iter().find(|known| known.name() == name) {
        return Err(PushError::Taken { name, known: known.digest });
    }
    let (kind, facts) = (module.kind(), module.facts().clone());
    let (compiled, memory) = (module.compiled_bytes(), limits.memory_bytes.unwrap_or(u64::MAX));
    let probe = in_background(move || module.within(memory).probe()).await?;
    if !probe.passed() {
        return Err(PushError::Probe { name, report: Box::new(probe) });
    }
    // Of several that come at once each sees those before it.
    let _one_at_a_time = KEEPING.lock().await;
    has_room(exporter, &limits, compiled).await?;
    let shelf = Arc::clone(shelf);
    in_background(move || shelf.add(&bytes)).await??;
    let (compiled_bytes, added_at) = (Some(compiled), Timestamp::now());
    let record = ModuleRecord { digest, kind, manifest, facts, probe, signed_by, added_at, compiled_bytes };
    match store.save_module(tenant, &record, &exporter.author).await {
        Ok(()) => Ok(Pushed { again: false, now_signed: false, record }),
        // Somebody else has pushed at the same moment.
        Err(StoreError::Conflict { .. }) => {
            let known = store.modules(tenant).await?.into_iter().find(|known| known.name() == name);
            Err(PushError::Taken { name, known: known.map_or(digest, |known| known.digest) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whoever keeps a module that was tried, or deletes those of a removed tenant: tenants with the same module share its file.
pub(crate) static KEEPING: Mutex<()> = Mutex::const_new(());

/// Refused where the tenant may have no more modules, or no more bytes of them than there are with these.
async fn has_room(exporter: &Exporter, limits: &Limits, more: u64) -> Result<(), PushError> {
    if limits.modules.is_none() && limits.compiled_bytes.is_none() {
        return Ok(());
    }
    let records = exporter.store.modules(&exporter.tenant).await?;
    if let Some(limit) = limits.modules.filter(|limit| records.len() as u64 >= *limit) {
        return Err(PushError::Quota(Reached::Modules(limit)));
    }
    let Some(limit) = limits.compiled_bytes else { return Ok(()) };
    // Any has some bytes.
    let compiled = compiled_bytes(exporter, &records).await?.saturating_add(more.max(1));
    if compiled > limit { Err(PushError::Quota(Reached::CompiledBytes(limit))) } else { Ok(()) }
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ExportError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ExportError::Stopped(error.to_string()))
}

/// A module that the tenant may name.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Criteria or grouping.
    pub kind: ModuleKind,
    /// What it says of itself.
    pub manifest: ModuleManifest,
    /// What can be seen of it without running it.
    pub facts: ModuleFacts,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

impl From<ModuleRecord> for Listed {
    fn from(record: ModuleRecord) -> Self {
        Self {
            digest: record.digest,
            kind: record.kind,
            manifest: record.manifest,
            facts: record.facts,
            origin: Origin::Pushed { at: record.added_at, signed_by: record.signed_by },
        }
    }
}

/// Where a module comes from.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "origin", rename_all = "kebab-case")]
pub enum Origin {
    /// With the program.
    Standard,
    /// Pushed by the tenant.
    Pushed {
        /// When.
        at: Timestamp,
        /// Under which of its keys, as it was then.
        signed_by: Option<ModuleKey>,
    },
}

/// All modules that the tenant may name: those that come with the program, then its own, by name and version.
pub async fn list(exporter: &Exporter) -> Result<Vec<Listed>, ExportError> {
    let shelf = Arc::clone(&exporter.shelf);
    let standard = in_background(move || shelf.all_standard()).await??;
    let mut all: Vec<Listed> = standard
        .iter()
        .map(|module| Listed {
            digest: module.digest(),
            kind: module.kind(),
            manifest: module.manifest().clone(),
            facts: module.facts().clone(),
            origin: Origin::Standard,
        })
        .collect();
    all.extend(exporter.store.modules(&exporter.tenant).await?.into_iter().map(Listed::from));
    Ok(all)
}

/// All about one module.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The module.
    #[serde(flatten)]
    pub module: Listed,
    /// What came of trying it: when it was pushed, or just now where it comes with the program.
    pub probe: ProbeReport,
    /// The policies whose newest version binds it.
    pub policies: Vec<Use>,
}

/// That a policy uses a module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Use {
    /// The policy.
    pub policy: Name,
    /// Its version.
    pub version: u32,
    /// `criteria 1`, `grouping`, `shadow of criteria 1`.
    pub place: String,
    /// What it may read there.
    pub needs: Vec<consign_model::module::Need>,
}

/// A module by name, name@version or `sha256:` digest.
pub async fn show(exporter: &Exporter, reference: &str) -> Result<Shown, ExportError> {
    let found = exporter.module(reference).await?;
    let module = &found.module;
    let origin = match &found.record {
        Some(record) => Origin::Pushed { at: record.added_at, signed_by: record.signed_by.clone() },
        None => Origin::Standard,
    };
    let probe = match &found.record {
        Some(record) => record.probe.clone(),
        None => exporter.probe(module).await?,
    };
    let listed = Listed { digest: module.digest(), kind: module.kind(), manifest: module.manifest().clone(), facts: module.facts().clone(), origin };
    Ok(Shown { policies: uses(exporter, &module.digest()).await?, module: listed, probe })
}

async fn uses(exporter: &Exporter, digest: &Digest) -> Result<Vec<Use>, ExportError> {
    let mut uses = Vec::new();
    for policy in exporter.store.policies(&exporter.tenant).await? {
        let places = (1..=policy.criteria.len()).map(|number| format!("criteria {number}")).chain(["grouping".to_owned()]);
        for (place, module) in places.zip(policy.criteria.iter().map(Some).chain([policy.grouping.as_ref()])) {
            let mut add = |place: String, module: Option<&BoundModule>| {
                if let Some(module) = module.filter(|module| module.digest == *digest) {
                    uses.push(Use { policy: policy.spec.name.clone(), version: policy.version, place, needs: module.needs.clone() });
                }
            };
            add(place.clone(), module);
            add(format!("shadow of {place}"), module.and_then(|module| module.shadow.as_deref()));
        }
    }
    Ok(uses)
}
