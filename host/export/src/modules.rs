//! The shelf of modules: where a component's bytes are found by their digest, and which of them a tenant may name.
//!
//! The standard modules are embedded, so that a first policy needs no upload. Whatever a policy binds is also copied into the data folder: a window
//! frozen under one release must still find its module after an upgrade that embeds another.
//!
//! All tenants' components lie in one folder, since the same bytes are the same module. A tenant can name what it has pushed itself, what its own
//! policies have bound, and the standard modules; for any other digest the answer is the same as for one that nobody has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use consign_model::module::ProbeReport;
use consign_model::{Digest, Name};
use consign_sandbox::{LoadError, Module, Sandbox};
use consign_store::{ModuleRecord, StoreError};

use crate::{ExportError, Exporter};

/// The standard modules, as built in `guest-filters/dist/`.
const STANDARD: [(&str, &[u8]); 6] = [
    ("std/keywords", include_bytes!("../../../guest-filters/dist/std/keywords.wasm")),
    ("std/participants", include_bytes!("../../../guest-filters/dist/std/participants.wasm")),
    ("std/chats", include_bytes!("../../../guest-filters/dist/std/chats.wasm")),
    ("std/period", include_bytes!("../../../guest-filters/dist/std/period.wasm")),
    ("std/per-chat", include_bytes!("../../../guest-filters/dist/std/per-chat.wasm")),
    ("std/per-user", include_bytes!("../../../guest-filters/dist/std/per-user.wasm")),
];

/// The component of a standard module, which comes with the program.
pub fn standard_component(name: &str) -> Result<&'static [u8], ShelfError> {
    let found = STANDARD.iter().find(|(standard, _)| *standard == name);
    let known = || STANDARD.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.map(|(_, bytes)| *bytes).ok_or_else(|| ShelfError::Unknown { reference: name.to_owned(), known: known() })
}

/// Why a module could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// No module by that name, version or digest.
    #[error(
        "there is no module '{reference}'. Known: {known}. A module is named as name, name@version or sha256:<digest>; 'consign module push' adds one"
    )]
    Unknown {
        /// As asked for.
        reference: String,
        /// What there is.
        known: String,
    },
    /// Its bytes are gone or are not what the digest says.
    #[error("the module {digest} cannot be read from {path}: {cause}")]
    Unreadable {
        /// Which.
        digest: Digest,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// It can't be put into the data folder.
    #[error("the module cannot be written to {path}: {cause}")]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// It is there and is no module that this host runs.
    #[error("the module '{reference}' cannot be used: {cause}")]
    Refused {
        /// As asked for.
        reference: String,
        /// Why.
        #[source]
        cause: LoadError,
    },
}

/// Modules by digest, loaded once.
pub struct Shelf {
    folder: PathBuf,
    sandbox: Arc<Sandbox>,
    loaded: Mutex<HashMap<Digest, Arc<Module>>>,
}

impl Shelf {
    /// A shelf that keeps bound modules in this folder.
    pub fn new(folder: &Path, sandbox: Arc<Sandbox>) -> Self {
        Self { folder: folder.to_owned(), sandbox, loaded: Mutex::default() }
    }

    /// The sandbox.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// A standard module by name, by name@version, or by digest: its bytes.
    fn standard(&self, reference: &Reference<'_>) -> Result<Option<Arc<Module>>, ShelfError> {
        for (name, bytes) in STANDARD {
            match reference {
                Reference::Digest(digest) if Digest::of(bytes) == *digest => return self.load(name, bytes).map(Some),
                Reference::Named { name: wanted, version } if *wanted == name => {
                    let module = self.load(name, bytes)?;
                    return Ok(Some(module).filter(|module| version.is_none_or(|version| version == module.manifest().version)));
                }
                Reference::Digest(_) | Reference::Named { .. } => {}
            }
        }
        Ok(None)
    }

    /// All standard modules.
    pub fn all_standard(&self) -> Result<Vec<Arc<Module>>, ShelfError> {
        STANDARD.iter().map(|(name, bytes)| self.load(name, bytes)).collect()
    }

    /// Checks and compiles a component that is not on the shelf yet, and may never be.
    pub fn examine(&self, bytes: &[u8]) -> Result<Module, LoadError> {
        self.sandbox.load(bytes)
    }

    /// Puts a component into the data folder. It is durable when this returns.
    pub fn add(&self, bytes: &[u8]) -> Result<Digest, ShelfError> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        let unwritable = |error: std::io::Error| ShelfError::Unwritable { path: path.clone(), cause: error.to_string() };
        // Compared, since anybody may have put a file there by hand.
        if std::fs::read(&path).is_ok_and(|there| Digest::of(&there) == digest) {
            return Ok(digest);
        }
        crate::files::create_private_folder(&self.folder).map_err(unwritable)?;
        crate::files::write_durably(&path, bytes).map_err(unwritable)?;
        Ok(digest)
    }

    /// The module with this digest. Whether a tenant may have it is for the caller to know: it stands in a policy of the tenant's, say.
    pub fn get(&self, digest: &Digest) -> Result<Arc<Module>, ShelfError> {
        if let Some(module) = self.lock().get(digest) {
            return Ok(Arc::clone(module));
        }
        let path = self.path(digest);
        let unreadable = |cause: String| ShelfError::Unreadable { digest: *digest, path: path.clone(), cause };
        let bytes = match STANDARD.iter().find(|(_, bytes)| Digest::of(bytes) == *digest) {
            Some((_, bytes)) => bytes.to_vec(),
            None => std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?,
        };
        if Digest::of(&bytes) != *digest {
            return Err(unreadable("its bytes are not those that were bound".to_owned()));
        }
        self.load(&format!("sha256:{digest}"), &bytes)
    }

    /// Copies a standard module into the data folder, so that it is found whatever a later release embeds. Others are there since they were pushed.
    pub fn keep(&self, digest: &Digest) -> Result<(), ShelfError> {
        match STANDARD.iter().find(|(_, bytes)| Digest::of(bytes) == *digest) {
            Some((_, bytes)) => self.add(bytes).map(drop),
            None => Ok(()),
        }
    }

    fn load(&self, reference: &str, bytes: &[u8]) -> Result<Arc<Module>, ShelfError> {
        let digest = Digest::of(bytes);
        if let Some(module) = self.lock().get(&digest) {
            return Ok(Arc::clone(module));
        }
        let module = self.sandbox.load(bytes).map_err(|cause| ShelfError::Refused { reference: reference.to_owned(), cause })?;
        let module = Arc::new(module);
        self.lock().insert(digest, Arc::clone(&module));
        Ok(module)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Module>>> {
        // A panic while it was held leaves a map that is still whole: entries are only added.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}.wasm"))
    }
}

/// What a person names a module by.
enum Reference<'a> {
    Digest(Digest),
    Named { name: &'a str, version: Option<&'a str> },
}

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Self {
        if let Some(digest) = text.strip_prefix("sha256:").and_then(|hex| Digest::try_from(hex.to_owned()).ok()) {
            return Self::Digest(digest);
        }
        match text.split_once('@') {
            Some((name, version)) => Self::Named { name, version: Some(version) },
            None => Self::Named { name: text, version: None },
        }
    }
}

/// A module that a tenant has named.
#[derive(Debug, Clone)]
pub struct Found {
    /// The module.
    pub module: Arc<Module>,
    /// How it was pushed; unset for standard modules.
    pub record: Option<ModuleRecord>,
}

impl Exporter {
    /// The module that the tenant names so: by name (the one that was pushed last), name@version or `sha256:` digest.
    pub async fn module(&self, reference: &str) -> Result<Found, ExportError> {
        let (modules, text) = (Arc::clone(&self.shelf), reference.to_owned());
        let standard = blocking(move || modules.standard(&Reference::read(&text))).await??;
        if let Some(module) = standard {
            return Ok(Found { module, record: None });
        }
        let records = self.store.modules(&self.tenant).await?;
        let record = match Reference::read(reference) {
            Reference::Digest(digest) => records.iter().find(|record| record.digest == digest),
            Reference::Named { name, version } => {
                let named = records.iter().filter(|one| one.manifest.name == name && version.is_none_or(|version| version == one.manifest.version));
                named.max_by_key(|record| record.added_at)
            }
        };
        let digest = match (record, Reference::read(reference)) {
            (Some(record), _) => record.digest,
            // One that an earlier release embedded, say.
            (None, Reference::Digest(digest)) if self.has_bound(&digest).await? => digest,
            (None, _) => {
                let known: Vec<String> = STANDARD.iter().map(|(name, _)| (*name).to_owned()).chain(records.iter().map(ModuleRecord::name)).collect();
                return Err(ShelfError::Unknown { reference: reference.to_owned(), known: known.join(", ") }.into());
            }
        };
        Ok(Found { module: self.bound_module(&digest).await?, record: record.cloned() })
    }

    /// The module with this digest, which a policy of the tenant's has bound or which it has pushed.
    pub async fn bound_module(&self, digest: &Digest) -> Result<Arc<Module>, ExportError> {
        let (modules, digest) = (Arc::clone(&self.shelf), *digest);
        Ok(blocking(move || modules.get(&digest)).await??)
    }

    /// Whether any version of a policy of the tenant's has bound it.
    async fn has_bound(&self, digest: &Digest) -> Result<bool, StoreError> {
        for newest in self.store.policies(&self.tenant).await? {
            let name: Name = newest.spec.name.clone();
            let mut version = Some(newest);
            while let Some(policy) = version {
                if policy.modules().chain(policy.shadows().map(|(_, shadow)| shadow)).any(|module| module.digest == *digest) {
                    return Ok(true);
                }
                version = match policy.version.checked_sub(1) {
                    Some(before) if before > 0 => self.store.policy(&self.tenant, &name, Some(before)).await?,
                    Some(_) | None => None,
                };
            }
        }
        Ok(false)
    }

    /// Tries a module, with a configuration of its own.
    pub async fn probe(&self, module: &Arc<Module>) -> Result<ProbeReport, ExportError> {
        let module = Arc::clone(module);
        blocking(move || module.probe()).await
    }
}

/// Work that blocks, on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ExportError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ExportError::Stopped(error.to_string()))
}
