//! A Maildir: an e-mail is a file that appears in `new` whole or not at all (<https://cr.yp.to/proto/maildir.html>).

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// An open Maildir.
#[derive(Debug)]
pub(super) struct Maildir {
    folder: PathBuf,
    counter: AtomicU64,
}

/// Makes folders that nobody else can look into: these are conversations, in clear.
fn for_us_alone() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

impl Maildir {
    /// Makes what is missing of it.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        for part in ["tmp", "new", "cur"] {
            for_us_alone().create(folder.join(part))?;
        }
        Ok(Self { folder: folder.to_owned(), counter: AtomicU64::new(0) })
    }

    /// Writes an e-mail; when this returns it survives a power cut. Blocks.
    pub(super) fn store(&self, bytes: &[u8]) -> io::Result<()> {
        let (temporary, name) = self.create()?;
        let stored = (|| {
            let mut file = File::options().write(true).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, self.folder.join("new").join(&name))
        })();
        if let Err(error) = stored {
            // It may be what there was no room for.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        File::open(self.folder.join("new"))?.sync_all()
    }

    /// A file of its own in `tmp`, and its name.
    fn create(&self) -> io::Result<(PathBuf, String)> {
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}.M{:06}P{}Q{number}.consign", now.as_secs(), now.subsec_micros(), std::process::id());
            let path = self.folder.join("tmp").join(&name);
            // Another process may have our number after a clock was set back: never write into somebody else's.
            let mut options = File::options();
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.write(true).create_new(true).open(&path) {
                Ok(_) if self.folder.join("new").join(&name).exists() => fs::remove_file(&path)?,
                Ok(_) => return Ok((path, name)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}
