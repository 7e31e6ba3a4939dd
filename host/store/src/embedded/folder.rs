//! The store's folder: who holds it, which format it has, and whether it is whole.
//!
//! ```text
//! consign.pid      locked while a process has the store open; holds its number
//! consign.mark     one line: format, batches known durable, open or closed, checksum of the closed database
//! index/           sled's files
//! index.recovering/    only after a crash: the copy in which it is mended
//! index.recovered/     that copy, whole and durable, about to take the place of index/
//! index.superseded/    index/ as the crash left it, once its place is taken
//! format-6/            mark and index/ as a release of an earlier format left them, before they were brought to this one
//! ```
//! The same three folders serve where the database is written anew without what removed tenants had (`removal`).
//!
//! sled mends what a crash left by itself, and does it well. But it takes a flipped byte in its log for the log's torn end, and cuts off, without a word,
//! what was written after it (seen by trying; the pages' own checksums don't help, because the log is read up to the first bad one). For a system of record that is
//! the worst that can happen, so sled is not asked alone:
//! - after an orderly end, `consign.mark` holds a checksum of the database's files, and they are compared before sled may touch them;
//! - after a crash they can't be known, so sled mends a copy; there all records are counted and summed against what was last written, and the number of
//!   batches against those that were acknowledged. Only a copy that has proved whole, and is durable, takes the place of what the crash left.
//!
//! So no database that is found damaged was touched, a recovery that is itself cut off begins again from the crash, and a copy from an earlier crash is
//! never used: whatever lies in `index/` is what is opened. (An earlier design mended in place and kept the copy for another try: a copy that was
//! left over then took the place of the database that somebody had put back meanwhile.) Nothing here deletes anything but its own copies, and what such
//! a copy has replaced.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use consign_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::CACHE;
use super::core::{Core, damaged, disk_failed, guarded};
use super::disk::Disk;
use super::format::{FORMAT, migrate};
use super::key::{Class, Key};
use super::removal::Pending;
use super::writer::Totals;
use crate::{Result, StoreError};

/// Of the mark's line, so that it is written in place by one call.
const MARK_WIDTH: usize = 200;
/// How the folders begin that keep a database of an earlier format.
const EARLIER: &str = "format-";
/// How many records a check reads at once.
const CHECK_STEP: usize = 10_000;
/// How long this process waits for a lock that it has itself, for the time in which it starts a child.
const STARTING: Duration = Duration::from_secs(1);
/// How long closing waits for sled to let go of its files before it leaves the checksum out.
const CLOSING: Duration = Duration::from_secs(10);

/// What the mark's line says, after its checksum. `format` is this release's from opening on, before the database is brought to it, and stays the first thing that any release reads, so that an older one knows a newer folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    format: u32,
    /// At least so many batches are durable.
    committed: u64,
    /// CRC-32 over the database's files after an orderly end; unset while it is open, and after a crash.
    closed: Option<u32>,
}

/// The mark's file, while the store is open.
pub(super) struct Mark {
    file: Mutex<File>,
    committed: std::sync::atomic::AtomicU64,
    leave_open: AtomicBool,
}

impl Mark {
    /// So many batches are durable now.
    pub(super) fn committed(&self, batches: u64) -> io::Result<()> {
        self.committed.store(batches, Ordering::Relaxed);
        self.write(&Line { format: FORMAT, committed: batches, closed: None })
    }

    /// The next opening shall check everything.
    pub(super) fn leave_open(&self) {
        self.leave_open.store(true, Ordering::Relaxed);
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let json = serde_json::to_string(line)?;
        let text = format!("{:08x} {json}", crc32fast::hash(json.as_bytes()));
        let padded = format!("{text:<width$}\n", width = MARK_WIDTH - 1);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(padded.as_bytes())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).sync_all()
    }
}

/// What a mark's file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// Not a line of ours: cut off or overwritten.
    Unreadable,
    /// Of a newer release.
    Newer(u32),
    /// As it should be.
    Line(Line),
}

/// Reads the mark, as a release that knows formats up to this one.
pub(super) fn read_mark(file: &mut File, known: u32) -> io::Result<Found> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(64 * 1024).read_to_end(&mut text)?;
    if text.is_empty() {
        return Ok(Found::Nothing);
    }
    let text = String::from_utf8_lossy(&text);
    let Some((sum, json)) = text.trim_end().split_once(' ') else { return Ok(Found::Unreadable) };
    if u32::from_str_radix(sum, 16).ok() != Some(crc32fast::hash(json.as_bytes())) {
        return Ok(Found::Unreadable);
    }
    let format = serde_json::from_str::<serde_json::Value>(json)
        .ok()
        .and_then(|line| line.get("format")?.as_u64())
        .and_then(|format| u32::try_from(format).ok());
    Ok(match (format, serde_json::from_str(json)) {
        (Some(format), _) if format > known => Found::Newer(format),
        (Some(_), Ok(line)) => Found::Line(line),
        _ => Found::Unreadable,
    })
}

/// The folder, locked. Dropping it, after everything that uses the tree, closes it in order.
pub(super) struct Folder {
    path: PathBuf,
    mark: std::sync::Arc<Mark>,
    /// Locked for as long as it is open.
    _pid: File,
}

/// An open folder and what was found in it.
pub(super) struct Opened {
    pub(super) folder: Folder,
    pub(super) core: Core,
    pub(super) disk: Disk,
    pub(super) totals: Totals,
    /// Whether it was not closed in order.
    pub(super) recovered: bool,
}

fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> StoreError {
    let doing = doing.into();
    move |cause| disk_failed(doing, &cause)
}

impl Folder {
    /// The mark, for the writing thread.
    pub(super) fn mark(&self) -> std::sync::Arc<Mark> {
        std::sync::Arc::clone(&self.mark)
    }

    /// Opens the folder, or makes it.
    pub(super) fn open(path: &Path) -> Result<Opened> {
        // Names, addresses, titles and the ledger: for nobody else on this machine.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(format!("making the folder {}", path.display())))?;
        let pid = lock(path)?;
        let mark_path = path.join("consign.mark");
        let mut mark_file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&mark_path)
            .map_err(failed(format!("opening {}", mark_path.display())))?;
        let found = read_mark(&mut mark_file, FORMAT).map_err(failed(format!("reading {}", mark_path.display())))?;
        let index = path.join("index");
        let line = match found {
            Found::Newer(found) => return Err(newer(path, found)),
            Found::Line(line) => Some(line),
            Found::Unreadable => {
                tracing::warn!(path = %mark_path.display(), "the store's mark cannot be read; everything is checked instead");
                None
            }
            Found::Nothing => None,
        };
        let spares = Spares::of(path);
        let looking = || failed(format!("looking into {}", path.display()));
        if !index.try_exists().map_err(looking())? && spares.recovered.try_exists().map_err(looking())? {
            // Killed between the two renames of a recovery.
            spares.replace(path, &index)?;
        }
        if !index.try_exists().map_err(looking())? {
            if line.is_some_and(|line| line.committed > 0) {
                return Err(damaged(path, format!("the database {} is missing", index.display())));
            }
            create(path, &index)?;
        }
        let whole = match line {
            Some(Line { closed: Some(sum), .. }) => {
                if checksum(&index).map_err(failed(format!("reading {}", index.display())))? != sum {
                    return Err(damaged(path, format!("the files in {} are not as the last process left them", index.display())));
                }
                true
            }
            _ => false,
        };
        if let Some(Line { format, .. }) = line.filter(|line| line.format < FORMAT) {
            keep_earlier(path, &index, format)?;
        }
        let committed = line.map_or(0, |line| line.committed);
        let mark = Mark { file: Mutex::new(mark_file), committed: committed.into(), leave_open: AtomicBool::new(false) };
        let mark_failed = || failed(format!("writing {}", mark_path.display()));
        // Before sled touches anything: it writes already in opening, and a process killed in there must not leave a checksum of what was before.
        mark.committed(committed).and_then(|()| mark.sync()).map_err(mark_failed())?;
        if !whole {
            recover(path, &index, &spares, committed)?;
        }
        let (core, totals) = open_index(path, &index)?;
        spares.remove()?;
        let open_disk = || Disk::open(&index).map_err(failed(format!("opening {}", index.display())));
        let disk = open_disk()?;
        let totals = migrate(&core, &disk, totals)?;
        let pending = Pending::of(&core)?;
        let (core, disk, totals) = if pending.is_empty() {
            (core, disk, totals)
        } else {
            let (core, totals) = leave_out(path, &index, &spares, core, totals, &pending)?;
            (core, open_disk()?, totals)
        };
        // Only now: a database that lost something must be found out again at the next try.
        mark.committed(totals.batches).map_err(mark_failed())?;
        Ok(Opened { folder: Self { path: path.to_owned(), mark: std::sync::Arc::new(mark), _pid: pid }, core, disk, totals, recovered: !whole })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.mark.leave_open.load(Ordering::Relaxed) {
            return;
        }
        let index = self.path.join("index");
        if !released(&index) {
            tracing::warn!(path = %self.path.display(), "the database was still in use when the store was closed; the next start checks everything");
            return;
        }
        // Durable before the mark may say so, or a power cut would leave a whole database that looks damaged.
        let closing = sync_folder(&index).and_then(|()| checksum(&index)).and_then(|sum| {
            let line = Line { format: FORMAT, committed: self.mark.committed.load(Ordering::Relaxed), closed: Some(sum) };
            self.mark.write(&line)
        });
        if let Err(cause) = closing {
            tracing::warn!(path = %self.path.display(), error = %cause, "the store's mark could not be written; the next start checks everything");
        }
    }
}

fn newer(path: &Path, found: u32) -> StoreError {
    StoreError::Newer { path: path.display().to_string(), found, known: FORMAT }
}

/// The process that has the folder, where it has said so.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Takes the folder for this process.
fn lock(path: &Path) -> Result<File> {
    let file_path = path.join("consign.pid");
    let doing = || failed(format!("locking {}", file_path.display()));
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&file_path).map_err(doing())?;
    let end = Instant::now() + STARTING;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                // A child that this process is starting has its files, and so their locks, until it runs its own program.
                if holder == Some(std::process::id()) && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                let holder = holder.map_or_else(String::new, |process| format!(" (process {process})"));
                return Err(StoreError::Held { path: path.display().to_string(), holder });
            }
            Err(TryLockError::Error(cause)) => return Err(doing()(cause)),
        }
    }
    let number = std::process::id().to_string();
    let written = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(number.as_bytes()));
    written.map_err(doing())?;
    Ok(file)
}

/// Removes snapshots that were never finished. sled writes one as `snap.….generating` and renames it when it is durable; but of what it finds in opening
/// it passes over `….in___motion` only, so one that a kill cut short is read as the newest, and the database never opens again. All that such a
/// file could say is in the log.
fn drop_unfinished_snapshots(index: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(index) else { return Ok(()) };
    for entry in entries {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            fs::remove_file(index.join(name))?;
        }
    }
    Ok(())
}

fn open_sled(path: &Path, index: &Path) -> Result<sled::Db> {
    drop_unfinished_snapshots(index).map_err(failed(format!("clearing {}", index.display())))?;
    let opened = guarded(path, "opening the database", || {
        // No flushing by itself: every write is flushed before it is answered, and nothing else is worth it.
        sled::Config::new().path(index).cache_capacity(CACHE).flush_every_ms(None).open()
    });
    match opened {
        Err(StoreError::Failed { cause, .. }) if cause.contains("could not acquire lock") => {
            Err(StoreError::Held { path: path.display().to_string(), holder: String::new() })
        }
        other => other,
    }
}

/// Keeps mark and database as a release of an earlier format left them, so that there is a way back: that release opens what is put in their place again.
fn keep_earlier(path: &Path, index: &Path, format: u32) -> Result<()> {
    let (kept, beside) = (path.join(format!("{EARLIER}{format}")), path.join(format!("{EARLIER}new")));
    remove(&beside)?;
    let copied = || {
        fs::create_dir(&beside)?;
        copy_folder(index, &beside.join("index"))?;
        fs::copy(path.join("consign.mark"), beside.join("consign.mark"))?;
        sync_folder(&beside)
    };
    let doing = || format!("keeping a copy of the database in {} before it is brought to this release's format", kept.display());
    copied().map_err(failed(doing()))?;
    // One from before was left by an upgrade that was gone back on since.
    remove(&kept)?;
    fs::rename(&beside, &kept).and_then(|()| File::open(path)?.sync_all()).map_err(failed(doing()))?;
    tracing::warn!(
        "the store is brought from format {format} to {FORMAT}; as it was it lies in {}: delete that when this release has proved good",
        kept.display()
    );
    Ok(())
}

/// Deletes what [`keep_earlier`] has kept.
fn drop_earlier(path: &Path) -> Result<()> {
    let looking = || failed(format!("looking into {}", path.display()));
    for entry in fs::read_dir(path).map_err(looking())? {
        let entry = entry.map_err(looking())?;
        if entry.file_name().to_string_lossy().starts_with(EARLIER) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// A new database, made beside and put in its place when it is whole, so that a process killed in between leaves none or all.
fn create(path: &Path, index: &Path) -> Result<()> {
    let beside = path.join("index.new");
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(failed(format!("making {} anew", beside.display())))?;
    }
    let core = Core::new(open_sled(path, &beside)?, path.to_owned());
    let (format, totals) = (Key::global(Class::Format), Key::global(Class::Totals));
    let records = [
        (format.clone(), super::record::encode(format.bytes(), &FORMAT)),
        (totals.clone(), super::record::encode(totals.bytes(), &Totals::default())),
    ];
    core.guarded("making the database", |tree| {
        for (key, record) in records {
            tree.insert(key.bytes(), record.unwrap_or_default())?;
        }
        tree.flush()
    })?;
    core.close()?;
    if !released(&beside) {
        return Err(StoreError::Failed { doing: "making the database".into(), cause: "it was not closed in time; try again".into() });
    }
    sync_folder(&beside)
        .and_then(|()| fs::rename(&beside, index))
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(failed(format!("making {}", index.display())))
}

/// Writes all records of a database into a new folder, which is closed in order then. Says how many.
pub(super) fn write_copy(core: &Core, totals: &Totals, to: &Path) -> Result<u64> {
    DirBuilder::new().mode(0o700).create(to).map_err(failed(format!("making the folder {}", to.display())))?;
    let index = to.join("index");
    copy_records(core, totals, to, &index, &Pending::default())?;
    let mark = || {
        sync_folder(&index)?;
        let line = Line { format: FORMAT, committed: totals.batches, closed: Some(checksum(&index)?) };
        let file = File::options().write(true).create_new(true).open(to.join("consign.mark"))?;
        let mark = Mark { file: Mutex::new(file), committed: totals.batches.into(), leave_open: AtomicBool::new(false) };
        mark.write(&line)?;
        mark.sync()?;
        File::open(to)?.sync_all()
    };
    mark().map_err(failed(format!("writing {}", to.display())))?;
    Ok(totals.records)
}

/// Writes a database anew in the place of one that still has records of removed tenants: without them. Where the copy can't be made, for want of room say, the database stays what it
/// was until the next opening.
fn leave_out(path: &Path, index: &Path, spares: &Spares, core: Core, totals: Totals, pending: &Pending) -> Result<(Core, Totals)> {
    let (began, copy) = (Instant::now(), &spares.recovering);
    let written = remove(copy).and_then(|()| copy_records(&core, &totals, path, copy, pending));
    let written = written.and_then(|totals| sync_folder(copy).map_err(failed(format!("writing {}", copy.display()))).map(|()| totals));
    let kept = match written {
        Ok(kept) => kept,
        Err(error @ StoreError::Damaged { .. }) => return Err(error),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "what removed tenants had is still in the store's files: the next start tries again");
            // Of no use, and as large as the database.
            let _ = remove(copy);
            return Ok((core, totals));
        }
    };
    core.close()?;
    if !released(index) {
        return Err(StoreError::Failed { doing: "writing the database anew".into(), cause: "it was not closed in time; try again".into() });
    }
    fs::rename(copy, &spares.recovered).and_then(|()| File::open(path)?.sync_all()).map_err(failed(format!("writing {}", copy.display())))?;
    spares.replace(path, index)?;
    let opened = open_index(path, index)?;
    spares.remove()?;
    // They have its keys.
    drop_earlier(path)?;
    let left_out = totals.records.saturating_sub(kept.records);
    tracing::info!(path = %path.display(), left_out, kept = kept.records, took_ms = began.elapsed().as_millis(), "the store was written anew without removed tenants");
    Ok(opened)
}

/// Writes the records of a database into a new one, but for those of removed tenants, and closes it. Answers what it holds.
fn copy_records(core: &Core, totals: &Totals, path: &Path, index: &Path, pending: &Pending) -> Result<Totals> {
    let copy = Core::new(open_sled(path, index)?, path.to_owned());
    let (mut kept, now) = (Totals { batches: totals.batches, ..Totals::default() }, Timestamp::now());
    let mut from = Bound::Unbounded;
    loop {
        let step = core
            .guarded("reading all records", |tree| tree.range((from.clone(), Bound::Unbounded)).take(CHECK_STEP).collect::<sled::Result<Vec<_>>>())?;
        let Some((last, _)) = step.last() else { break };
        from = Bound::Excluded(last.clone());
        let mut batch = sled::Batch::default();
        for (key, record) in step {
            let Some(record) = pending.instead(core, &key, &record, now)? else { continue };
            if Totals::counts(&key) {
                kept.add(&record);
            }
            batch.insert(key, record);
        }
        copy.guarded("writing the copy", |tree| tree.apply_batch(batch))?;
    }
    if pending.is_empty() && kept != *totals {
        return Err(damaged(
            core.path(),
            format!("it should hold {} records, and holds {} or others than were written", totals.records, kept.records),
        ));
    }
    let key = Key::global(Class::Totals);
    let sealed = super::record::encode(key.bytes(), &kept).unwrap_or_default();
    copy.guarded("writing the copy", |tree| tree.insert(key.bytes(), sealed).map(drop))?;
    check(&copy, &kept)?;
    copy.guarded("writing the copy", sled::Tree::flush)?;
    copy.close()?;
    if released(index) {
        Ok(kept)
    } else {
        Err(StoreError::Failed { doing: "writing the copy".into(), cause: "it was not closed in time; try again".into() })
    }
}

/// Opens a database that is known to be whole.
fn open_index(path: &Path, index: &Path) -> Result<(Core, Totals)> {
    let core = Core::new(open_sled(path, index)?, path.to_owned());
    let missing = || damaged(path, "the store's own record is missing".to_owned());
    let format: u32 = core.get(&Key::global(Class::Format))?.ok_or_else(missing)?;
    if format > FORMAT {
        return Err(newer(path, format));
    }
    let totals = core.get(&Key::global(Class::Totals))?.ok_or_else(missing)?;
    Ok((core, totals))
}

/// The other folders of a recovery.
struct Spares {
    recovering: PathBuf,
    recovered: PathBuf,
    superseded: PathBuf,
}

impl Spares {
    fn of(path: &Path) -> Self {
        Self { recovering: path.join("index.recovering"), recovered: path.join("index.recovered"), superseded: path.join("index.superseded") }
    }

    /// Puts the recovered database into its place.
    fn replace(&self, path: &Path, index: &Path) -> Result<()> {
        let sync = || File::open(path)?.sync_all();
        let aside = || if index.try_exists()? { fs::rename(index, &self.superseded).and_then(|()| sync()) } else { Ok(()) };
        aside()
            .and_then(|()| fs::rename(&self.recovered, index))
            .and_then(|()| sync())
            .map_err(failed(format!("putting the recovered database into its place {}", index.display())))
    }

    /// Removes what a recovery has left, ended or cut off: there is a whole database.
    fn remove(&self) -> Result<()> {
        [&self.recovering, &self.recovered, &self.superseded].into_iter().try_for_each(|folder| remove(folder))
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed(format!("removing the copy {}", folder.display()))(cause)),
        _ => Ok(()),
    }
}

/// Mends a database after a crash: in a copy, which takes its place when it has proved whole and is durable.
fn recover(path: &Path, index: &Path, spares: &Spares, committed: u64) -> Result<()> {
    let began = Instant::now();
    let copy = &spares.recovering;
    remove(copy)?;
    let mended =
        copy_folder(index, copy).map_err(failed(format!("copying {} to recover it", index.display()))).and_then(|()| mend(path, copy, committed));
    let totals = mended.inspect_err(|_| {
        // Of no use, and as large as the database. The error that counts is the one being returned.
        let _ = remove(copy);
    })?;
    let written = sync_folder(copy).map_err(failed(format!("writing {}", copy.display())));
    // What an earlier recovery left stays until here: should this one find damage, it may be the better one.
    written.and_then(|()| remove(&spares.recovered)).and_then(|()| remove(&spares.superseded))?;
    fs::rename(copy, &spares.recovered).and_then(|()| File::open(path)?.sync_all()).map_err(failed(format!("writing {}", copy.display())))?;
    spares.replace(path, index)?;
    tracing::info!(path = %path.display(), records = totals.records, took_ms = began.elapsed().as_millis(), "the store was checked after an unexpected end");
    Ok(())
}

/// Has sled mend a copy, checks everything in it, and closes it.
fn mend(path: &Path, copy: &Path, committed: u64) -> Result<Totals> {
    let (core, totals) = open_index(path, copy)?;
    if totals.batches < committed {
        return Err(damaged(path, format!("the newest {} of {committed} writes are missing", committed - totals.batches)));
    }
    check(&core, &totals)?;
    core.close()?;
    if released(copy) {
        Ok(totals)
    } else {
        Err(StoreError::Failed { doing: "recovering the database".into(), cause: "it was not closed in time; try again".into() })
    }
}

/// Reads every record, and compares their number and sum with what the last write left.
pub(super) fn check(core: &Core, totals: &Totals) -> Result<()> {
    let mut found = Totals { batches: totals.batches, ..Totals::default() };
    let mut from = Bound::Unbounded;
    loop {
        let step = core.guarded("checking all records", |tree| {
            tree.range((from.clone(), Bound::Unbounded)).take(CHECK_STEP).collect::<sled::Result<Vec<_>>>()
        })?;
        for (key, record) in &step {
            core.bytes(key, record)?;
            if Totals::counts(key) {
                found.add(record);
            }
        }
        match step.into_iter().last() {
            Some((key, _)) => from = Bound::Excluded(key),
            None => break,
        }
    }
    if found == *totals {
        Ok(())
    } else {
        let what = format!("it should hold {} records, and holds {} or others than were written", totals.records, found.records);
        Err(damaged(core.path(), what))
    }
}

/// Waits until sled has let go of its files: its threads may hold them a moment longer than the last handle.
fn released(index: &Path) -> bool {
    let end = Instant::now() + CLOSING;
    loop {
        match File::open(index.join("db")).map(|file| file.try_lock()) {
            Ok(Ok(())) => return true,
            Ok(Err(TryLockError::WouldBlock)) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
            Ok(Err(_)) | Err(_) => return false,
        }
    }
}

fn files_of(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.path(), entry.file_type()?.is_dir()));
    }
    files.sort();
    Ok(files)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for (path, is_folder) in files_of(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        if is_folder {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    for (path, is_folder) in files_of(folder)? {
        if is_folder {
            sync_folder(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// CRC-32 over names, lengths and contents of all files in a folder.
fn checksum(folder: &Path) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        for (path, is_folder) in files_of(&one)? {
            let name = path.strip_prefix(folder).unwrap_or(&path).as_os_str().as_encoded_bytes();
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name);
            if is_folder {
                folders.push(path);
                continue;
            }
            let mut file = File::open(&path)?;
            hasher.update(&file.metadata()?.len().to_le_bytes());
            loop {
                let read = file.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                hasher.update(buffer.get(..read).unwrap_or_default());
            }
        }
    }
    Ok(hasher.finalize())
}
