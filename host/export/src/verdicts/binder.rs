//! Verdict files of windows that end at about the same time are bound into one file of the archive.
//!
//! A file of its own for each window costs four flushes of the disk and a key agreement, more than all else that is done about a small chat. Who comes while
//! another one's file is being written waits for that, and the next file is of all that waited; and as long as other windows are at work, some of which may end in a moment, a file
//! waits for them a little. So a window that ends alone has a file of its own, and a thousand that end together have some dozens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use consign_archive::Archive;
use consign_model::window::SealedFile;
use consign_model::{Digest, RunId, WindowKey};
use tokio::sync::{Notify, oneshot};

use super::VerdictFile;
use crate::ExportError;

/// Beyond this a file takes no more. A window's own verdicts may be larger.
const FULL: usize = 256 * 1024;
/// So many windows are worth a file.
const ENOUGH: usize = 64;
/// How long others are waited for that are at work.
const LINGER: Duration = Duration::from_millis(50);

/// Binds the verdict files of one run.
#[derive(Default)]
pub(crate) struct Binder {
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever holds it writes.
    turn: tokio::sync::Mutex<()>,
    /// Windows that may come.
    at_work: AtomicUsize,
    /// That one has come, or will not.
    change: Notify,
}

/// A window that is at work, as long as it may come.
pub(crate) struct AtWork<'a>(&'a Binder);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
        self.0.change.notify_one();
    }
}

struct Waiting {
    window: WindowKey,
    line: Vec<u8>,
    answer: oneshot::Sender<SealedFile>,
}

impl Binder {
    /// Says that a window is at work: until what this answers is dropped, which is before its verdicts are sealed.
    pub fn begin(&self) -> AtWork<'_> {
        self.at_work.fetch_add(1, Ordering::Relaxed);
        AtWork(self)
    }

    /// Seals a window's verdicts, with those of others perhaps. They are durable when this returns. A window comes once at a time.
    pub async fn seal(&self, archive: &Archive, run: &RunId, file: &VerdictFile) -> Result<SealedFile, ExportError> {
        let mut line = serde_json::to_vec(file).map_err(|error| ExportError::Stopped(error.to_string()))?;
        line.push(b'\n');
        let (answer, mut sealed) = oneshot::channel();
        self.waiting().push(Waiting { window: file.window.clone(), line, answer });
        self.change.notify_one();
        let _turn = self.turn.lock().await;
        loop {
            if let Ok(sealed) = sealed.try_recv() {
                return Ok(sealed);
            }
            self.linger().await;
            let bound = self.take();
            if bound.is_empty() {
                // It was taken by one that was given up on its way.
                return Err(ExportError::Stopped("verdicts were not written".to_owned()));
            }
            let bytes: Vec<u8> = bound.iter().flat_map(|one| one.line.iter().copied()).collect();
            match put(archive, run, file, &bytes).await {
                Ok(sealed) => bound.into_iter().for_each(|one| drop(one.answer.send(sealed.clone()))),
                Err(error) => {
                    // Each of the others tries for itself, and has an error of its own to tell.
                    self.waiting().splice(0..0, bound.into_iter().filter(|one| one.window != file.window));
                    return Err(error);
                }
            }
        }
    }

    /// Waits for those that are at work.
    async fn linger(&self) {
        let more = async {
            while self.at_work.load(Ordering::Relaxed) > 0 && self.waiting().len() < ENOUGH {
                self.change.notified().await;
            }
        };
        // What has not come by then goes into the next file.
        let _ = tokio::time::timeout(LINGER, more).await;
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        // Nothing under the lock can leave it half-changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that have waited longest, as many as go into a file.
    fn take(&self) -> Vec<Waiting> {
        let (mut waiting, mut size) = (self.waiting(), 0);
        let fits = |one: &Waiting| {
            let is_first = size == 0;
            size += one.line.len();
            is_first || size <= FULL
        };
        let count = waiting.iter().map(fits).take_while(|fits| *fits).count();
        waiting.drain(..count).collect()
    }
}

async fn put(archive: &Archive, run: &RunId, file: &VerdictFile, bytes: &[u8]) -> Result<SealedFile, ExportError> {
    let path = format!("verdicts/{}/{run}/{}.jsonl.age", file.window.policy, Digest::of(bytes).hex());
    let digest = archive.writer().put_sealed(&path, bytes).await?;
    Ok(SealedFile { path, digest })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::HashSet;
    use std::sync::Arc;

    use consign_archive::{MasterKey, generate_tenant_keys, open_store};
    use futures::future::join_all;

    use super::super::tests::{file, window};
    use super::super::{Opened, VerdictFile};
    use super::*;

    fn archive(folder: &std::path::Path) -> Archive {
        let master = MasterKey::generate().unwrap();
        let keys = generate_tenant_keys(&master).unwrap();
        let objects = open_store(&folder.join("archive").display().to_string()).unwrap();
        Archive::open(objects, "t".parse().unwrap(), &keys, &master).unwrap()
    }

    #[tokio::test]
    async fn a_file_waits_for_those_at_work_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, binder, run) = (archive(folder.path()), Binder::default(), RunId::new(&"desk".parse().unwrap(), 1));
        let (binder, archive, run) = (&binder, &archive, &run);
        // One that comes to nothing: it is waited for no longer than it is at work.
        let given_up = binder.begin();
        let at_work: Vec<_> = (0..5).map(|number| (number, binder.begin())).collect();
        let ends = at_work.into_iter().map(|(number, at_work)| async move {
            drop(at_work);
            binder.seal(archive, run, &file(number * 5)).await.unwrap().path
        });
        let (paths, ()) = tokio::join!(join_all(ends), async { drop(given_up) });
        assert_eq!(paths.iter().collect::<HashSet<_>>().len(), 1, "{paths:?}");
        // Whoever stays at work keeps nobody for ever.
        let _busy = binder.begin();
        let path = binder.seal(archive, run, &file(90)).await.unwrap().path;
        assert!(!paths.contains(&path));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_that_end_together_lie_together_and_each_has_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Arc::new(archive(folder.path()));
        let (binder, run) = (Arc::new(Binder::default()), RunId::new(&"desk".parse().unwrap(), 1));
        let seal_all = async |numbers: std::ops::Range<u64>| {
            let one = |number| {
                let (binder, archive, run) = (Arc::clone(&binder), Arc::clone(&archive), run.clone());
                tokio::spawn(async move { binder.seal(&archive, &run, &file(number * 5)).await })
            };
            join_all(numbers.map(one)).await.into_iter().map(Result::unwrap).collect::<Vec<_>>()
        };
        // A file stands where their folder should be.
        let place = folder.path().join("archive/t/verdicts");
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, b"").unwrap();
        let failed = seal_all(0..40).await;
        assert!(failed.iter().all(|one| matches!(one, Err(ExportError::Archive(_)))), "{failed:?}");
        std::fs::remove_file(&place).unwrap();

        let sealed: Vec<SealedFile> = seal_all(0..500).await.into_iter().map(Result::unwrap).collect();
        for (number, sealed) in (0..).zip(&sealed) {
            let opened = Opened::new(archive.sealed(&sealed.path, &sealed.digest).await.unwrap()).unwrap();
            let read: VerdictFile = serde_json::from_slice(opened.line(&window(number * 5)).unwrap()).unwrap();
            assert_eq!(read, file(number * 5));
        }
        let files: HashSet<&str> = sealed.iter().map(|one| one.path.as_str()).collect();
        assert!(files.len() < 250, "500 windows in {} files", files.len());
        let alone = seal_all(900..901).await.remove(0).unwrap();
        assert!(!files.contains(alone.path.as_str()));
    }
}
