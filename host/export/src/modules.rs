//! The shelf of modules: where a component's bytes are found by their digest.
//!
//! The standard modules are embedded, so that a first policy needs no upload. Whatever a policy binds is also copied into the data folder: a window
//! frozen under one release must still find its module after an upgrade that embeds another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use consign_model::Digest;
use consign_sandbox::{LoadError, Module, Sandbox};

/// The standard modules, as built in `guest-filters/dist/`.
const STANDARD: [(&str, &[u8]); 6] = [
    ("std/keywords", include_bytes!("../../../guest-filters/dist/std/keywords.wasm")),
    ("std/participants", include_bytes!("../../../guest-filters/dist/std/participants.wasm")),
    ("std/chats", include_bytes!("../../../guest-filters/dist/std/chats.wasm")),
    ("std/period", include_bytes!("../../../guest-filters/dist/std/period.wasm")),
    ("std/per-chat", include_bytes!("../../../guest-filters/dist/std/per-chat.wasm")),
    ("std/per-user", include_bytes!("../../../guest-filters/dist/std/per-user.wasm")),
];

/// Why a module could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// No module by that name, version or digest.
    #[error("there is no module '{reference}'. Known: {known}. A module is named as name, name@version or sha256:<digest>")]
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

    /// The module that a policy names: a standard one by name or name@version, or any by `sha256:` digest.
    pub fn resolve(&self, reference: &str) -> Result<Arc<Module>, ShelfError> {
        if let Some(digest) = reference.strip_prefix("sha256:").and_then(|hex| Digest::try_from(hex.to_owned()).ok()) {
            return self.get(&digest);
        }
        let (name, version) = match reference.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (reference, None),
        };
        let unknown = || {
            let known = STANDARD.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            ShelfError::Unknown { reference: reference.to_owned(), known }
        };
        let (_, bytes) = STANDARD.iter().find(|(standard, _)| *standard == name).ok_or_else(unknown)?;
        let module = self.load(name, bytes)?;
        if version.is_some_and(|version| version != module.manifest().version) { Err(unknown()) } else { Ok(module) }
    }

    /// The module with this digest.
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

    /// Copies a module into the data folder, so that it is found whatever a later release embeds.
    pub fn keep(&self, digest: &Digest) -> Result<(), ShelfError> {
        let path = self.path(digest);
        let Some((_, bytes)) = STANDARD.iter().find(|(_, bytes)| Digest::of(bytes) == *digest) else { return Ok(()) };
        if path.exists() {
            return Ok(());
        }
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            crate::files::write_durably(&path, bytes)
        };
        write().map_err(|error| ShelfError::Unreadable { digest: *digest, path: path.clone(), cause: error.to_string() })
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
