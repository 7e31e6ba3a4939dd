//! One thread writes.
//!
//! Each write reads and decides there, so compare-and-swap needs no locks and no retries; and whatever has queued up meanwhile shares one sled batch and the flush that follows,
//! so a hundred writers at once cost a few of them, not a hundred: each batch is two writes to the file and as many wakeups of sled's threads. What was decided and is not applied yet
//! is seen by the next write all the same. Nobody gets an answer before the flush is done.
//!
//! A reader may see a write before it is durable. That is harmless: sled's log keeps the order of writes, so whatever that reader writes in turn is
//! durable only together with what it had read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sled::IVec;
use tokio::sync::oneshot;

use super::core::{Core, disk_failed};
use super::disk::Disk;
use super::folder::Mark;
use super::key::{Class, Key};
use super::record::{self, Flaw};
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
    bench: &'a mut Bench,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Whether the audit log tells of it.
    entered: bool,
}

impl Changes<'_> {
    /// The tree beneath with all that was written before, for reads that this write's own changes cannot concern.
    pub(super) fn core(&mut self) -> Result<Arc<Core>> {
        self.bench.apply()?;
        Ok(Arc::clone(&self.bench.core))
    }

    /// A record that is not as it should be.
    pub(super) fn flawed(&self, key: &[u8], flaw: Flaw) -> StoreError {
        self.bench.core.flawed(key, flaw)
    }

    /// A record, as this write leaves it.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        match self.pending.get(key.bytes()) {
            Some(Some(record)) => self.bench.core.value(key.bytes(), record).map(Some),
            Some(None) => Ok(None),
            None => self.bench.get(key),
        }
    }

    /// Whether there is such a record.
    pub(super) fn has(&self, key: &Key) -> Result<bool> {
        match self.pending.get(key.bytes()) {
            Some(change) => Ok(change.is_some()),
            None => self.bench.has(key),
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
    /// Decided, and not applied yet.
    group: BTreeMap<Vec<u8>, Change>,
    /// What is to be called around applying.
    around: Vec<Hold>,
    /// Whether anything was applied since the last flush.
    dirty: bool,
}

/// A record before and after.
struct Change {
    before: Option<IVec>,
    after: Option<Vec<u8>>,
}

/// Called just before a write becomes visible; what it answers is called just after.
type Hold = Box<dyn FnOnce() -> Release + Send>;
type Release = Box<dyn FnOnce()>;

impl Bench {
    fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        match self.group.get(key.bytes()) {
            Some(Change { after, .. }) => after.as_ref().map(|record| self.core.value(key.bytes(), record)).transpose(),
            None => self.core.get(key),
        }
    }

    fn has(&self, key: &Key) -> Result<bool> {
        match self.group.get(key.bytes()) {
            Some(Change { after, .. }) => Ok(after.is_some()),
            None => Ok(self.core.raw(key.bytes())?.is_some()),
        }
    }

    /// Lets a write decide, and puts what it decided to what is applied next.
    fn transact<T>(&mut self, write: impl FnOnce(&mut Changes) -> Result<T>, around: Option<Hold>) -> Result<T> {
        self.core.writable()?;
        let mut changes = Changes { bench: self, pending: BTreeMap::new(), entered: false };
        let answer = write(&mut changes)?;
        let Changes { pending, entered, .. } = changes;
        let mut news = Vec::with_capacity(pending.len());
        for (key, after) in pending {
            let before = match self.group.get(&key) {
                Some(_) => None,
                None => Some(self.core.raw(&key)?),
            };
            let now = match (&before, self.group.get(&key)) {
                (Some(stored), _) => stored.as_deref(),
                (None, change) => change.and_then(|change| change.after.as_deref()),
            };
            if now == after.as_deref() {
                continue;
            }
            if !entered && Class::is_audited(&key) {
                return Err(unaudited(&key));
            }
            news.push((key, before, after));
        }
        if news.is_empty() {
            return Ok(answer);
        }
        for (key, before, after) in news {
            match self.group.entry(key) {
                Entry::Occupied(mut change) => change.get_mut().after = after,
                Entry::Vacant(place) => drop(place.insert(Change { before: before.flatten(), after })),
            }
        }
        self.around.extend(around);
        Ok(answer)
    }

    /// Applies what was decided, as one batch.
    fn apply(&mut self) -> Result<()> {
        let (group, around) = (std::mem::take(&mut self.group), std::mem::take(&mut self.around));
        if group.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        let mut totals = self.totals;
        for (key, Change { before, after }) in group {
            if Totals::counts(&key) {
                if let Some(record) = &before {
                    totals.remove(record);
                }
                if let Some(record) = &after {
                    totals.add(record);
                }
            }
            match after {
                Some(record) => batch.insert(key, record),
                None => batch.remove(key),
            }
        }
        totals.batches = totals.batches.wrapping_add(1);
        let key = Key::global(Class::Totals);
        if let Some(record) = record::encode(key.bytes(), &totals) {
            batch.insert(key.bytes(), record);
        }
        // From here on an error leaves sled's memory in doubt.
        self.dirty = true;
        let releases: Vec<Release> = around.into_iter().map(|hold| hold()).collect();
        if let Err(error) = self.core.guarded("writing", |tree| tree.apply_batch(batch)) {
            self.core.give_up(&error);
            return Err(error);
        }
        for release in releases {
            release();
        }
        self.totals = totals;
        Ok(())
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
        let bench = Bench { core, disk: Arc::clone(&disk), totals, group: BTreeMap::new(), around: Vec::new(), dirty: false };
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
        self.send(write, None).await
    }

    /// The same. `hold` is called just before the write becomes visible, and `release` just after, with nothing else being written in between;
    /// neither where nothing is written.
    pub(super) async fn write_between<T: Send + 'static, H: 'static>(
        &self,
        write: impl FnOnce(&mut Changes) -> Result<T> + Send + 'static,
        hold: impl FnOnce() -> H + Send + 'static,
        release: impl FnOnce(H) + Send + 'static,
    ) -> Result<T> {
        let around: Hold = Box::new(move || {
            let token = hold();
            Box::new(move || release(token))
        });
        self.send(write, Some(around)).await
    }

    async fn send<T: Send + 'static>(&self, write: impl FnOnce(&mut Changes) -> Result<T> + Send + 'static, around: Option<Hold>) -> Result<T> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |bench: &mut Bench| {
            let answer = bench.transact(write, around);
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
        self.write(|changes| super::folder::check(changes.core()?.as_ref(), &changes.bench.totals)).await
    }
}

impl Writer {
    /// Writes all records as they are at one moment into a new folder, while nothing else is written.
    pub(super) async fn copy(&self, to: std::path::PathBuf) -> Result<u64> {
        self.write(move |changes| super::folder::write_copy(changes.core()?.as_ref(), &changes.bench.totals, &to)).await
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
        let failure = bench.apply().and_then(|()| if bench.dirty { flush(&mut bench, mark, flushes) } else { Ok(()) }).err();
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
