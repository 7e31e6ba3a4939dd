//! One thread writes.
//!
//! Each write reads, decides and applies one sled batch there, so compare-and-swap needs no locks and no retries; and whatever has queued up meanwhile
//! shares the flush that follows, so a hundred writers at once cost a few flushes, not a hundred. Nobody gets an answer before that flush is done.
//!
//! A reader may see a write before it is durable. That is harmless: sled's log keeps the order of writes, so whatever that reader writes in turn is
//! durable only together with what it had read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::core::{Core, disk_failed};
use super::disk::Disk;
use super::folder::Mark;
use super::key::{Class, Key};
use super::record;
use crate::{Result, StoreError};

/// Writes that may share one flush. More makes each wait for longer; fewer makes more flushes.
const GROUP: usize = 512;

/// How much the store holds, kept with every batch. On opening after a crash all records are counted and summed again: one that sled lost, or
/// brought back in an older state, shows there although its own checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Totals {
    /// Batches ever applied.
    pub(super) batches: u64,
    /// Records.
    pub(super) records: u64,
    /// Sum of [`record::weight`] over all records.
    pub(super) sum: u64,
}

impl Totals {
    /// Whether a record counts: all but the store's own.
    pub(super) fn counts(key: &[u8]) -> bool {
        key.first().is_some_and(|class| ![Class::Totals as u8, Class::Format as u8].contains(class))
    }

    /// With this record.
    pub(super) fn add(&mut self, record: &[u8]) {
        self.records = self.records.wrapping_add(1);
        self.sum = self.sum.wrapping_add(record::weight(record));
    }

    /// Without this record.
    fn remove(&mut self, record: &[u8]) {
        self.records = self.records.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(record::weight(record));
    }
}

/// What one write changes: seen by its own reads, by nobody else's, until it is applied as a whole.
pub(super) struct Changes<'a> {
    core: &'a Core,
    totals: Totals,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Whether the audit log tells of it.
    entered: bool,
}

impl<'a> Changes<'a> {
    /// The tree beneath, for reads that this write's own changes cannot concern.
    pub(super) fn core(&self) -> &'a Core {
        self.core
    }

    /// A record, as this write leaves it.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        match self.pending.get(key.bytes()) {
            Some(Some(record)) => self.core.value(key.bytes(), record).map(Some),
            Some(None) => Ok(None),
            None => self.core.get(key),
        }
    }

    /// Whether there is such a record.
    pub(super) fn has(&self, key: &Key) -> Result<bool> {
        match self.pending.get(key.bytes()) {
            Some(change) => Ok(change.is_some()),
            None => Ok(self.core.raw(key.bytes())?.is_some()),
        }
    }

    /// Adds or replaces a record.
    pub(super) fn put<T: Serialize>(&mut self, key: &Key, value: &T) -> Result<()> {
        let record = record::encode(key.bytes(), value).ok_or_else(|| StoreError::Failed {
            doing: "writing".into(),
            cause: format!("{} cannot be written as JSON", Class::describe(key.bytes())),
        })?;
        self.pending.insert(key.bytes().to_vec(), Some(record));
        Ok(())
    }

    /// Adds or replaces a record of plain bytes.
    pub(super) fn put_bytes(&mut self, key: &Key, bytes: &[u8]) {
        self.pending.insert(key.bytes().to_vec(), Some(record::seal(key.bytes(), bytes)));
    }

    /// Adds the entry of this write to the audit log.
    pub(super) fn put_entry(&mut self, key: &Key, line: &[u8]) {
        self.put_bytes(key, line);
        self.entered = true;
    }

    /// Takes a record away, where it is.
    pub(super) fn delete(&mut self, key: &[u8]) {
        self.pending.insert(key.to_vec(), None);
    }
}

type Answer = Box<dyn FnOnce(Option<&StoreError>) + Send>;
type Job = Box<dyn FnOnce(&mut Bench) -> Answer + Send>;

/// What the writing thread works with.
struct Bench {
    core: Arc<Core>,
    disk: Arc<Disk>,
    totals: Totals,
    /// Whether anything was applied since the last flush.
    dirty: bool,
}

impl Bench {
    /// Lets a write decide, and applies what it decided, between `hold` and `release`.
    fn transact<T, H>(&mut self, write: impl FnOnce(&mut Changes) -> Result<T>, hold: impl FnOnce() -> H, release: impl FnOnce(H)) -> Result<T> {
        self.core.writable()?;
        let mut changes = Changes { core: &self.core, totals: self.totals, pending: BTreeMap::new(), entered: false };
        let answer = write(&mut changes)?;
        let mut batch = sled::Batch::default();
        let mut totals = self.totals;
        let (pending, entered) = (changes.pending, changes.entered);
        let mut anything = false;
        for (key, after) in pending {
            let before = self.core.raw(&key)?;
            match (&before, after) {
                (None, None) => continue,
                (Some(old), Some(new)) if old == &new => continue,
                _ if !entered && Class::is_audited(&key) => return Err(unaudited(&key)),
                (_, Some(new)) => {
                    if Totals::counts(&key) {
                        if let Some(old) = &before {
                            totals.remove(old);
                        }
                        totals.add(&new);
                    }
                    batch.insert(key, new);
                }
                (Some(old), None) => {
                    totals.remove(old);
                    batch.remove(key);
                }
            }
            anything = true;
        }
        if !anything {
            return Ok(answer);
        }
        totals.batches = totals.batches.wrapping_add(1);
        let key = Key::global(Class::Totals);
        if let Some(record) = record::encode(key.bytes(), &totals) {
            batch.insert(key.bytes(), record);
        }
        // From here on an error leaves sled's memory in doubt.
        self.dirty = true;
        let token = hold();
        if let Err(error) = self.core.guarded("writing", |tree| tree.apply_batch(batch)) {
            self.core.give_up(&error);
            return Err(error);
        }
        release(token);
        self.totals = totals;
        Ok(answer)
    }
}

/// A change that the audit log would not know of. No write of ours is one; a new one that forgets its entry writes nothing.
fn unaudited(key: &[u8]) -> StoreError {
    let cause = format!("{} would change without an entry in the audit log: this is a fault in Consign", Class::describe(key));
    StoreError::Failed { doing: "writing".into(), cause }
}

/// The way to the writing thread. Dropping it ends the thread after what is queued.
pub(super) struct Writer {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    flushes: Arc<AtomicU64>,
    #[cfg(test)]
    pub(super) disk: Arc<Disk>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(core: Arc<Core>, disk: Disk, mark: Arc<Mark>, totals: Totals) -> Result<Self> {
        let (queue, jobs) = channel();
        let flushes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&flushes);
        let disk = Arc::new(disk);
        let bench = Bench { core, disk: Arc::clone(&disk), totals, dirty: false };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || work(bench, &mark, &jobs, &counter))
            .map_err(|cause| StoreError::Failed { doing: "starting the store's thread".into(), cause: cause.to_string() })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            flushes,
            #[cfg(test)]
            disk,
        })
    }

    /// Flushes so far.
    pub(super) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Has a write decided and applied there. The answer comes when it is durable; dropping the future does not take the write back.
    pub(super) async fn write<T: Send + 'static>(&self, write: impl FnOnce(&mut Changes) -> Result<T> + Send + 'static) -> Result<T> {
        self.write_between(write, || (), |()| ()).await
    }

    /// The same. `hold` is called just before the write becomes visible, and `release` just after, with nothing else being written in between;
    /// neither where nothing is written.
    pub(super) async fn write_between<T: Send + 'static, H>(
        &self,
        write: impl FnOnce(&mut Changes) -> Result<T> + Send + 'static,
        hold: impl FnOnce() -> H + Send + 'static,
        release: impl FnOnce(H) + Send + 'static,
    ) -> Result<T> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |bench: &mut Bench| {
            let answer = bench.transact(write, hold, release);
            let reply: Answer = Box::new(move |failure: Option<&StoreError>| {
                let answer = match failure {
                    // Not durable, whatever the answer was going to be.
                    Some(StoreError::Failed { doing, cause }) => answer.and(Err(StoreError::Failed { doing: doing.clone(), cause: cause.clone() })),
                    Some(other) => answer.and(Err(StoreError::Failed { doing: "writing to the disk".into(), cause: other.to_string() })),
                    None => answer,
                };
                // Nobody listens any more where the caller was dropped; the write stands all the same.
                let _ = tell.send(answer);
            });
            reply
        });
        let gone = || StoreError::Failed { doing: "writing".into(), cause: "the store is closed".into() };
        self.queue.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

impl Writer {
    /// Compares all records with the totals, while nothing is written.
    pub(super) async fn check(&self) -> Result<()> {
        self.write(|changes| super::folder::check(changes.core, &changes.totals)).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writing thread ended by a panic");
        }
    }
}

fn work(mut bench: Bench, mark: &Mark, jobs: &Receiver<Job>, flushes: &AtomicU64) {
    let mut answers: Vec<Answer> = Vec::new();
    while let Ok(first) = jobs.recv() {
        answers.push(first(&mut bench));
        while answers.len() < GROUP
            && let Ok(next) = jobs.try_recv()
        {
            answers.push(next(&mut bench));
        }
        let failure = if bench.dirty { flush(&mut bench, mark, flushes).err() } else { None };
        answers.drain(..).for_each(|answer| answer(failure.as_ref()));
    }
    let sound = bench.core.is_sound();
    // The last who has it: what sled writes in closing belongs to what the mark says of its files. Were it not, nobody would know of that.
    let in_use = || StoreError::Failed { doing: "closing the database".into(), cause: "it is still in use".into() };
    let closed = Arc::into_inner(bench.core).ok_or_else(in_use).and_then(Core::close);
    if let Err(error) = &closed {
        tracing::warn!(%error, "the database was not closed in order; the next start checks everything");
    }
    if !sound || closed.is_err() {
        mark.leave_open();
    }
}

fn flush(bench: &mut Bench, mark: &Mark, flushes: &AtomicU64) -> Result<()> {
    bench.core.writable()?;
    flushes.fetch_add(1, Ordering::Relaxed);
    let outcome = bench
        .core
        .guarded("writing to the disk", sled::Tree::flush)
        .and_then(|_| bench.disk.sync().map_err(|cause| disk_failed(format!("writing to the disk in {}", bench.core.path().display()), &cause)));
    if let Err(error) = outcome {
        bench.core.give_up(&error);
        return Err(error);
    }
    bench.dirty = false;
    // Only a help for telling, after a crash, that something is missing: the data is durable already.
    if let Err(cause) = mark.committed(bench.totals.batches) {
        tracing::warn!(error = %cause, "the store's mark could not be written");
    }
    Ok(())
}
