//! Waits until one of some files changes.
//!
//! Folders are watched rather than files: an editor or a compiler puts a new file in the old one's place, and who watches the old one hears nothing more.
//! A write is many notices, so a change counts once nothing more was heard for a moment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use consign_model::Digest;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Quiet for so long, a file is taken to be written to its end.
const QUIET: Duration = Duration::from_millis(150);

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
#[error("{path} can't be watched: {cause}")]
pub struct WatchError {
    path: String,
    cause: String,
}

/// Files that are watched.
pub struct Watch {
    files: HashMap<PathBuf, Option<Digest>>,
    notices: Receiver<notify::Result<notify::Event>>,
    _watcher: RecommendedWatcher,
}

/// The digest of a file; of a folder, that of the names, sizes and times in it and below.
fn state(path: &Path) -> Option<Digest> {
    if path.is_dir() {
        let mut names: Vec<String> = Vec::new();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).ok()?.flatten() {
                let about = entry.metadata().ok()?;
                if about.is_dir() {
                    folders.push(entry.path());
                }
                names.push(format!("{} {} {:?}", entry.path().display(), about.len(), about.modified().ok()));
            }
        }
        names.sort();
        return Some(Digest::of(names.join("\n").as_bytes()));
    }
    crate::component::digest(path)
}

impl Watch {
    /// Watches these files from now on.
    pub fn new(files: &[PathBuf]) -> Result<Self, WatchError> {
        let failed = |path: &Path, error: notify::Error| WatchError { path: path.display().to_string(), cause: error.to_string() };
        let (tell, notices) = channel();
        let mut watcher = notify::recommended_watcher(move |notice| {
            // Nobody listens any more.
            let _ = tell.send(notice);
        })
        .map_err(|error| failed(Path::new("this machine's files"), error))?;
        // What is a folder is watched with all below it.
        let mode = |file: &PathBuf| (folder_of(file), file.is_dir());
        let mut folders: Vec<(PathBuf, bool)> = files.iter().map(mode).collect();
        folders.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        folders.dedup_by(|one, other| one.0 == other.0);
        for (folder, below) in &folders {
            let mode = if *below { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            watcher.watch(folder, mode).map_err(|error| failed(folder, error))?;
        }
        let files = files.iter().map(|file| (file.clone(), state(file))).collect();
        Ok(Self { files, notices, _watcher: watcher })
    }

    /// Waits for the next change, and says what changed. Unset: there is nobody to tell of one any more.
    pub fn changed(&mut self) -> Option<Vec<PathBuf>> {
        loop {
            self.notices.recv().ok()?.ok();
            while !matches!(self.notices.recv_timeout(QUIET), Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) {}
            let mut changed = Vec::new();
            for (file, known) in &mut self.files {
                // Reading a file is told too on some systems, and so is what lies beside it: what counts is whether it is another one.
                let now = state(file);
                if now.is_some() && now != *known {
                    *known = now;
                    changed.push(file.clone());
                }
            }
            if !changed.is_empty() {
                changed.sort();
                return Some(changed);
            }
        }
    }
}

fn folder_of(file: &Path) -> PathBuf {
    if file.is_dir() {
        return file.to_owned();
    }
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
