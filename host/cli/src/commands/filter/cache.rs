//! What a developer's modules were compiled to, so that the second command over the same file does not wait: a module with an interpreter in it takes seconds to
//! compile. It lies with the user's other caches, under a key of its own; without it everything works and takes longer.

use std::path::{Path, PathBuf};

use consign_archive::MasterKey;
use consign_sandbox::{CacheKey, CodeCache};

use crate::data::{make_private, write_secret};

/// A module with an interpreter in it takes some 50 MB.
const MOST_BYTES: u64 = 1 << 30;

/// The user's cache of compiled modules; none where it can't be had.
pub fn code_cache() -> Option<CodeCache> {
    let folder = folder()?;
    match open(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), error, "compiled modules can't be kept: each command compiles anew");
            None
        }
    }
}

fn folder() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("consign/filters"))
}

fn open(folder: &Path) -> Result<CodeCache, String> {
    make_private(folder).map_err(|error| error.to_string())?;
    let file = folder.join("key");
    if !file.exists() {
        let beside = folder.join(format!("key.{}", std::process::id()));
        let made = MasterKey::generate().map_err(|error| error.to_string())?;
        let written = write_secret(&file, &beside, &made.to_text());
        // Another process may have been earlier: then its key is the one.
        if let Err(error) = written
            && !file.exists()
        {
            return Err(error.to_string());
        }
        // It is there where another process was earlier, and gone where not.
        let _ = std::fs::remove_file(&beside);
    }
    let key = MasterKey::from_file(&file).map_err(|error| error.to_string())?;
    let dir = folder.join("code");
    Ok(CodeCache { dir, key: CacheKey(*key.derive_key("consign filter cache")), most_bytes: MOST_BYTES })
}
