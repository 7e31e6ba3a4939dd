//! Compiled code on disk: used when it is authentic, and never otherwise.

use std::path::{Path, PathBuf};

use consign_sandbox::{CacheKey, CodeCache, Sandbox, SandboxConfig};

use crate::made::{Made, manifest};

fn load(dir: &Path, key: u8, made: &Made) {
    let cache = CodeCache { dir: dir.to_owned(), key: CacheKey([key; 32]), most_bytes: 1 << 30 };
    let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() }).unwrap();
    let module = sandbox.load(&made.criteria()).unwrap();
    assert_eq!(module.manifest().name, "test/made");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Which file it is: a file that is written anew is renamed into place, and is another one.
#[cfg(unix)]
fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap())
}

#[cfg(unix)]
#[test]
fn compiled_once_and_only_trusted_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("deep/cache");
    let made = Made::default();
    load(&dir, 1, &made);
    let file = files(&dir).pop().unwrap();
    assert_eq!(files(&dir).len(), 1, "and nothing half-written beside it");
    let (good, first) = (std::fs::read(&file).unwrap(), inode(&file));
    // Taken from the folder: not written again.
    load(&dir, 1, &made);
    assert_eq!(inode(&file), first);
    // A bit anywhere, a cut, nothing at all, another module's code: compiled again, and mended.
    for at in [0, 31, 32, 100, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, &bad).unwrap();
        load(&dir, 1, &made);
        assert!(std::fs::read(&file).unwrap() == good, "bit at {at}");
    }
    for cut in [0, 10, 32, good.len() - 1] {
        std::fs::write(&file, &good[..cut]).unwrap();
        load(&dir, 1, &made);
        assert!(std::fs::read(&file).unwrap() == good, "cut at {cut}");
    }
    let other = Made { manifest: manifest(&["text"]), ..Made::default() };
    load(&dir, 1, &other);
    let other_file = files(&dir).into_iter().find(|path| *path != file).unwrap();
    std::fs::copy(&other_file, &file).unwrap();
    load(&dir, 1, &made);
    assert!(std::fs::read(&file).unwrap() == good, "another module's code");
    // Another key: what the first one signed means nothing to it.
    load(&dir, 2, &made);
    let second = std::fs::read(&file).unwrap();
    assert!(second != good && second[32..] == good[32..]);
}

#[test]
fn a_folder_that_can_not_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let cache = CodeCache { dir: file.join("cache"), key: CacheKey([0; 32]), most_bytes: 1 << 30 };
    let error = Sandbox::new(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() }).unwrap_err();
    assert!(error.to_string().contains("can't be used"), "{error}");
}
