//! Arrival files that were decoded lately.
//!
//! A run goes through chats as they arrived, so the next ones stand in the file of this one: it is fetched, checked, decrypted and decoded once for all of them,
//! also where several ask for it at the same moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use consign_model::Digest;
use tokio::sync::OnceCell;

use crate::ArchiveError;
use crate::segment::Arrivals;

/// Files kept, and the bytes of text in them: whichever is less. Each is some MiB, and one that is larger is kept alone.
const MOST: usize = 8;
const BYTES: usize = 16 << 20;

/// By digest, the newest last.
#[derive(Default)]
pub(crate) struct Decoded(Mutex<VecDeque<Entry>>);

struct Entry {
    digest: Digest,
    cell: Arc<OnceCell<Arc<Arrivals>>>,
}

impl Decoded {
    /// The file with this digest, by `read` where it is not at hand. A failure is not kept.
    pub async fn get(&self, digest: &Digest, read: impl Future<Output = Result<Arrivals, ArchiveError>>) -> Result<Arc<Arrivals>, ArchiveError> {
        let cell = self.cell(digest);
        let arrivals = cell.get_or_try_init(|| async { read.await.map(Arc::new) }).await.cloned();
        // Also after a failure: its place, which stays empty, counts.
        self.let_go();
        arrivals
    }

    fn cell(&self, digest: &Digest) -> Arc<OnceCell<Arc<Arrivals>>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match entries.iter().position(|entry| entry.digest == *digest).and_then(|at| entries.remove(at)) {
            Some(entry) => entry,
            None => Entry { digest: *digest, cell: Arc::default() },
        };
        let cell = Arc::clone(&entry.cell);
        entries.push_back(entry);
        cell
    }

    fn let_go(&self) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = |entry: &Entry| entry.cell.get().map_or(0, |arrivals| arrivals.text_bytes());
        let mut bytes: usize = entries.iter().map(size).sum();
        while entries.len() > MOST || (bytes > BYTES && entries.len() > 1) {
            let Some(oldest) = entries.pop_front() else { break };
            bytes = bytes.saturating_sub(size(&oldest));
        }
    }
}
