//! Making sure that what sled wrote outlasts a power cut.
//!
//! On Linux sled's flush is `sync_file_range`: it hands the pages of its one large file to the device, but neither the file's new length nor the device's
//! own cache. That outlives the process, not the power; so `fdatasync` follows. And what is too large for that file (a quarter of a segment: sixteen records
//! of 8 KiB that lie together are one page) sled puts into a file of its own under `blobs/`, which it never syncs at all (0.34.7, `blob_io.rs`); without that
//! file it cuts its log off at the page that names it. So these are synced here, and the records are kept small enough that there are few.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// sled's files, after it has opened them.
pub(super) struct Disk {
    db: File,
    blobs: PathBuf,
    /// The blobs that are durable. sled names each by its place in the log, so no name comes twice while it is open.
    synced: Mutex<BTreeSet<OsString>>,
}

impl Disk {
    pub(super) fn open(index: &Path) -> io::Result<Self> {
        Ok(Self { db: File::open(index.join("db"))?, blobs: index.join("blobs"), synced: Mutex::default() })
    }

    /// Everything that sled has written is durable when this returns. One caller at a time, with nothing being written meanwhile.
    pub(super) fn sync(&self) -> io::Result<()> {
        let (there, new) = self.blobs()?;
        for name in &new {
            match File::open(self.blobs.join(name)).and_then(|file| file.sync_all()) {
                // sled has no use for it any more.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        if !new.is_empty() {
            File::open(&self.blobs)?.sync_all()?;
        }
        self.db.sync_data()?;
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner) = there;
        Ok(())
    }

    /// The blobs that are there, and those of them that are not known to be durable.
    pub(super) fn blobs(&self) -> io::Result<(BTreeSet<OsString>, Vec<OsString>)> {
        let there = fs::read_dir(&self.blobs)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<BTreeSet<_>>>()?;
        let new = there.difference(&self.synced.lock().unwrap_or_else(PoisonError::into_inner)).cloned().collect();
        Ok((there, new))
    }
}
