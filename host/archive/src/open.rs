//! Opening the object store.
//!
//! A segment must be durable before its position is published, so a local folder is opened with fsync of every file and of every folder that
//! got a new entry (off by default in `object_store`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_model::TenantId;
use futures::StreamExt;
use object_store::local::LocalFileSystem;

pub use object_store::ObjectStore;

use crate::{ArchiveError, StoreError};

/// Opens a folder (a path or a `file://` URL), and makes it where there is none, for its owner only. Other stores are refused by name.
pub fn open_store(url_or_path: &str) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let folder = folder(url_or_path)?;
    let failed = |source| StoreError::Folder { path: folder.display().to_string(), source };
    make_folder(&folder).map_err(failed)?;
    let store = LocalFileSystem::new_with_prefix(&folder)
        .map_err(|source| StoreError::Unusable { path: folder.display().to_string(), source })?
        .with_fsync(true);
    Ok(Arc::new(store))
}

/// Whether there is any file: of this tenant, or of anybody.
pub async fn holds_files(store: &dyn ObjectStore, tenant: Option<&TenantId>) -> Result<bool, ArchiveError> {
    let folder = tenant.map(|tenant| object_store::path::Path::from(tenant.as_str()));
    match store.list(folder.as_ref()).next().await {
        None => Ok(false),
        Some(Ok(_)) => Ok(true),
        Some(Err(source)) => Err(ArchiveError::Unreadable { path: folder.unwrap_or_default().to_string(), source }),
    }
}

/// Removes what a killed process was still writing: `object_store` writes beside, under the file's name with `#` and a number, and an attachment lies in
/// `staging` until its name is known. Only for a caller who has the data folder to itself. Says how many files it removed.
///
/// It looks at every name in the archive, so it is for the start after an unexpected end, not for every one.
pub fn sweep(url_or_path: &str) -> Result<u64, StoreError> {
    let root = folder(url_or_path)?;
    let failed = |path: &Path, source| StoreError::Folder { path: path.display().to_string(), source };
    let mut removed = 0;
    let mut folders = vec![root.clone()];
    while let Some(one) = folders.pop() {
        let is_staging = one.file_name().is_some_and(|name| name == "staging") && one.parent().and_then(Path::parent) == Some(&root);
        for entry in std::fs::read_dir(&one).map_err(|source| failed(&one, source))? {
            let entry = entry.map_err(|source| failed(&one, source))?;
            let kind = entry.file_type().map_err(|source| failed(&entry.path(), source))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && (is_staging || is_unfinished(&entry.file_name())) {
                std::fs::remove_file(entry.path()).map_err(|source| failed(&entry.path(), source))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// No file of ours has a `#` in its name ([`crate::place`]).
fn is_unfinished(name: &std::ffi::OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn folder(text: &str) -> Result<PathBuf, StoreError> {
    let shown = || text.chars().take(120).flat_map(char::escape_debug).collect::<String>();
    match text.split_once("://") {
        None if text.trim().is_empty() => Err(StoreError::NotAFolder { shown: shown() }),
        None => Ok(PathBuf::from(text)),
        // Percent signs would need decoding; nobody writes them here, and a plain path takes every character.
        Some(("file", path)) if path.starts_with('/') && !path.contains('%') => Ok(PathBuf::from(path)),
        Some(("file", _)) => Err(StoreError::NotAFolder { shown: shown() }),
        Some((scheme, _)) => Err(StoreError::NotInThisBuild { scheme: scheme.chars().take(20).flat_map(char::escape_debug).collect() }),
    }
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // The folder's own entry has to outlast a power cut too.
    #[cfg(unix)]
    if let Some(parent) = folder.canonicalize()?.parent() {
        std::fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn folders_and_urls() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder").display().to_string();
        // Seen with strace too: file, then folder, before the call returns.
        assert!(format!("{:?}", open_store(&path).unwrap()).contains("fsync: true"));
        assert!(Path::new(&path).is_dir());
        open_store(&format!("file://{path}")).unwrap();

        let text = |url: &str| open_store(url).err().unwrap().to_string();
        assert_eq!(text("s3://bucket/x"), "'s3://' stores are not in this build: give a folder, or a file:// URL");
        assert!(matches!(open_store(""), Err(StoreError::NotAFolder { .. })));
        assert!(matches!(open_store("file://host/x"), Err(StoreError::NotAFolder { .. })));
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(open_store(&file.display().to_string()), Err(StoreError::Folder { .. })));
    }
}
