//! Backups of a data folder, also while it is at work, and what comes of putting one back.
//!
//! ```text
//! DIR/files/…                 conversation files, as they lie in the archive: each once, for all backups in DIR
//! DIR/<time>/store/           the store as it was at one moment
//! DIR/<time>/manifests/ modules/
//! DIR/<time>/backup.json      when, of which release, and which conversation files belong to it
//! ```
//! A conversation file never changes, so one that is there already is not copied again, and each backup after the first costs what is new. The store comes first and the files after it: every file that it
//! names was durable before, and none of them is deleted while somebody uses it ([`consign_archive::Use`]). `backup.json` comes last: a folder without it is no backup.
//!
//! The master key is in none of this. Whoever has both can read everything; whoever lost it can read nothing.

mod by_itself;
mod report;
mod restore;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use consign_archive::Use;
use consign_model::Timestamp;
use consign_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

pub use by_itself::{BackupSettings, make_by_itself};
pub use report::{Known, known};
pub use restore::{Restored, restore};

/// Of what a `backup.json` says.
const VERSION: u32 = 1;
/// Where conversation files lie, in a data folder and among backups.
const ARCHIVE: &str = "archive";
const FILES: &str = "files";
const STORE: &str = "store";
const RECORD: &str = "backup.json";
/// What else belongs to a data folder. Its cache is made anew, and its alerts fire anew.
const OTHERS: [&str; 2] = ["manifests", "modules"];

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder could not be written or read.
    #[error("cannot {doing} {path}: {cause}; mend that, then try again")]
    File {
        /// `write`, `read`, `make`
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// There is no backup there.
    #[error("{0} holds no whole backup: name the folder that 'consign backup' wrote into, or one of a time in it")]
    None(PathBuf),
    /// What is there is not what was written.
    #[error("the backup in {path} is damaged: {what}; use another one")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A newer release wrote it.
    #[error("the backup in {0} was written by a newer release: use that one")]
    Newer(PathBuf),
    /// There is something where it is to be put.
    #[error("{0} is not empty: a backup is restored into a new data folder, named with --data")]
    Occupied(PathBuf),
    /// Nobody said where to.
    #[error("the settings name no folder for backups: add [backup] with folder = \"…\"")]
    NoFolder,
    /// One at a time.
    #[error("a backup is being made already")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |cause| BackupError::File { doing, path, cause }
}

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    /// Which release wrote it.
    release: String,
    /// When the store was copied.
    at: Timestamp,
    /// Records of the store.
    records: u64,
    /// Conversation files, by their paths, with their lengths in bytes.
    files: Vec<(String, u64)>,
}

/// A backup that was made.
#[derive(Debug, Clone, Serialize)]
pub struct BackedUp {
    /// Its folder.
    pub path: PathBuf,
    /// The moment that it is of.
    pub at: Timestamp,
    /// Records of the store.
    pub records: u64,
    /// Conversation files that belong to it.
    pub files: u64,
    /// Of these, copied now; the others were there from an earlier backup.
    pub copied: u64,
    /// Bytes that were copied now.
    pub bytes: u64,
    /// Earlier backups that were let go.
    pub dropped: u64,
}

/// Makes a backup of a data folder into `to`. `uses`: of every tenant's files, so that none is deleted meanwhile. `keep`: so many backups stay there, with this one; unset:
/// all.
pub async fn back_up(store: &dyn Store, data: &Path, uses: Vec<Use>, to: &Path, keep: Option<usize>) -> Result<BackedUp, BackupError> {
    let at = Timestamp::now();
    // No colons: some file systems take none.
    let path = to.join(at.to_string().replace(':', "-"));
    make_folder(to)?;
    DirBuilder::new().mode(0o700).create(&path).map_err(failed("make", &path))?;
    let records = store.copy(&path.join(STORE)).await?;
    let (from, to, into) = (data.to_owned(), to.to_owned(), path.clone());
    let copying = tokio::task::spawn_blocking(move || {
        let copied = copy_all(&from, &to, &into, at, records)?;
        drop(uses);
        let dropped = keep.map_or(Ok(0), |keep| drop_older(&to, keep))?;
        Ok(BackedUp { dropped, ..copied })
    });
    copying.await.unwrap_or_else(|error| Err(BackupError::File { doing: "write", path, cause: io::Error::other(error) }))
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make", path))
}

fn copy_all(data: &Path, to: &Path, path: &Path, at: Timestamp, records: u64) -> Result<BackedUp, BackupError> {
    let mut made = BackedUp { path: path.to_owned(), at, records, files: 0, copied: 0, bytes: 0, dropped: 0 };
    for part in OTHERS {
        let from = data.join(part);
        for (file, _) in files_of(&from)? {
            copy(&from.join(&file), &path.join(part).join(&file))?;
        }
    }
    let (from, pool) = (data.join(ARCHIVE), to.join(FILES));
    let files: Vec<(PathBuf, u64)> = files_of(&from)?.into_iter().filter(|(file, _)| !is_unfinished(file)).collect();
    for (file, length) in &files {
        made.files += 1;
        let target = pool.join(file);
        if fs::metadata(&target).is_ok_and(|there| there.len() == *length) {
            continue;
        }
        copy(&from.join(file), &target)?;
        made.copied += 1;
        made.bytes += length;
    }
    let files = files.into_iter().map(|(file, length)| (file.to_string_lossy().into_owned(), length)).collect();
    let record = Record { version: VERSION, release: env!("CARGO_PKG_VERSION").to_owned(), at, records, files };
    let text = serde_json::to_vec(&record).map_err(|error| failed("write", path)(error.into()))?;
    write(&path.join(RECORD), &text)?;
    sync(to)?;
    Ok(made)
}

/// What an upload under way leaves beside: it is named by nothing.
fn is_unfinished(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.contains('#') || file.components().nth(1).is_some_and(|part| part.as_os_str() == "staging")
}

/// All files below a folder, by their paths in it, with their lengths; none where it is not there.
fn files_of(folder: &Path) -> Result<Vec<(PathBuf, u64)>, BackupError> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(one) = folders.pop() {
        let of = folder.join(&one);
        let entries = match fs::read_dir(&of) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(failed("read", &of)(cause)),
        };
        for entry in entries {
            let entry = entry.map_err(failed("read", &of))?;
            let (path, kind) = (one.join(entry.file_name()), entry.file_type().map_err(failed("read", &of))?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                match entry.metadata() {
                    Ok(about) => files.push((path, about.len())),
                    // It was an upload's, or is no more named.
                    Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                    Err(cause) => return Err(failed("read", &folder.join(path))(cause)),
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies a file durably: beside its name first, so that no half of it has that name.
fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let folder = to.parent().unwrap_or(to);
    make_folder(folder)?;
    let beside = to.with_added_extension("part");
    let copied = (|| {
        let mut source = File::open(from)?;
        let mut target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()?;
        fs::rename(&beside, to)?;
        File::open(folder)?.sync_all()
    })();
    copied.map_err(failed("write", to))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let beside = path.with_added_extension("part");
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    written.map_err(failed("write", path)).and_then(|()| sync(path.parent().unwrap_or(path)))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write", folder))
}

fn read_record(path: &Path) -> Result<Option<Record>, BackupError> {
    let file = path.join(RECORD);
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(cause) => return Err(failed("read", &file)(cause)),
    };
    let version = serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|record| record.get("version")?.as_u64());
    if version.is_some_and(|version| version > u64::from(VERSION)) {
        return Err(BackupError::Newer(path.to_owned()));
    }
    let damaged = |error: serde_json::Error| BackupError::Damaged { path: path.to_owned(), what: format!("{RECORD}: {error}") };
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// The whole backups in a folder, the oldest first.
fn backups_in(folder: &Path) -> Result<Vec<(PathBuf, Record)>, BackupError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let path = entry.map_err(failed("read", folder))?.path();
        if let Some(record) = read_record(&path)? {
            found.push((path, record));
        }
    }
    found.sort_by_key(|(_, record)| record.at);
    Ok(found)
}

/// Lets the oldest go, and the files that belong to none of those that stay.
fn drop_older(folder: &Path, keep: usize) -> Result<u64, BackupError> {
    let mut all = backups_in(folder)?;
    let stay = all.split_off(all.len().saturating_sub(keep.max(1)));
    for (path, _) in &all {
        // Without its record it is no backup any more, whatever happens next.
        fs::remove_file(path.join(RECORD)).and_then(|()| fs::remove_dir_all(path)).map_err(failed("delete", path))?;
    }
    let named: BTreeSet<&str> = stay.iter().flat_map(|(_, record)| record.files.iter().map(|(file, _)| file.as_str())).collect();
    let pool = folder.join(FILES);
    for (file, _) in files_of(&pool)? {
        if !named.contains(file.to_string_lossy().as_ref()) {
            fs::remove_file(pool.join(&file)).map_err(failed("delete", &pool.join(&file)))?;
        }
    }
    Ok(all.len() as u64)
}
