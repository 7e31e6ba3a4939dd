//! Puts a backup back, into a data folder of its own.

use std::fs;
use std::path::{Path, PathBuf};

use consign_model::Timestamp;
use serde::Serialize;

use super::{ARCHIVE, BackupError, FILES, OTHERS, Record, STORE, backups_in, copy, failed, files_of, make_folder, read_record, sync};

/// What was put back.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// The backup.
    pub backup: PathBuf,
    /// The moment that it is of. What happened later is not in it.
    pub at: Timestamp,
    /// Records of the store.
    pub records: u64,
    /// Conversation files.
    pub files: u64,
}

/// The backup that a person names: its own folder, or the newest in a folder of several.
fn find(named: &Path) -> Result<(PathBuf, PathBuf, Record), BackupError> {
    let none = || BackupError::None(named.to_owned());
    if let Some(record) = read_record(named)? {
        let folder = named.canonicalize().map_err(failed("read", named))?;
        return Ok((folder.parent().ok_or_else(none)?.to_owned(), named.to_owned(), record));
    }
    let (path, record) = backups_in(named)?.pop().ok_or_else(none)?;
    Ok((named.to_owned(), path, record))
}

/// Copies a folder with those in it, empty ones too: the store's checksum is over all of it.
fn copy_tree(from: &Path, to: &Path) -> Result<(), BackupError> {
    make_folder(to)?;
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        let (one, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(failed("read", &one))?.is_dir() { copy_tree(&one, &target)? } else { copy(&one, &target)? }
    }
    Ok(())
}

/// Restores a backup into a data folder that is not there yet, or empty. Nothing is left half: a folder in which this broke off has no store.
pub fn restore(named: &Path, data: &Path) -> Result<Restored, BackupError> {
    let (folder, backup, record) = find(named)?;
    make_folder(data)?;
    if fs::read_dir(data).map_err(failed("read", data))?.next().is_some() {
        return Err(BackupError::Occupied(data.to_owned()));
    }
    for (file, length) in &record.files {
        let (from, to) = (folder.join(FILES).join(file), data.join(ARCHIVE).join(file));
        let there = fs::metadata(&from).map_err(failed("read", &from))?.len();
        if there != *length {
            return Err(BackupError::Damaged { path: backup, what: format!("{file} has {there} bytes, and should have {length}") });
        }
        copy(&from, &to)?;
    }
    for part in OTHERS {
        let from = backup.join(part);
        for (file, _) in files_of(&from)? {
            copy(&from.join(&file), &data.join(part).join(&file))?;
        }
    }
    // The store last, and under its name only when it is whole: without it a data folder with files refuses to begin.
    let beside = data.join("store.part");
    copy_tree(&backup.join(STORE), &beside)?;
    fs::rename(&beside, data.join(STORE)).map_err(failed("write", &data.join(STORE)))?;
    sync(data)?;
    Ok(Restored { backup, at: record.at, records: record.records, files: record.files.len() as u64 })
}
