//! A folder into which somebody puts files: each is imported once, and then moved to `done/` or `refused/` in it, with a report beside.
//!
//! **When a file is whole** nobody says. One that was renamed into the folder is; one that is being copied grows. So a file is taken when it stood still for
//! some seconds, and looked at again after its import: one that changed meanwhile stays, and is imported again when it stands still, which stores
//! nothing twice. A writer that pauses for longer than that has to write elsewhere and rename, or under a name that is passed over.
//!
//! **A report** says what became of the file beside it, of none else, and comes last: whoever sees it has both. Before the file is moved its report lies there under a name
//! that begins with a dot. A process that dies in between leaves either that and no file beside, so that the file is imported again and has a report of that; or
//! both, and the next start gives the report its name.
//!
//! Folders on other machines tell no changes, so the folder is looked through now and then whatever the system says.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use consign_model::Name;
use consign_source::{Format, Limits, SourceError};
use notify::{RecursiveMode, Watcher as _};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::config::SourceConfig;
use crate::{Imported, Importer, IngestError};

/// How often the folder is looked through where nothing tells of a change; also when something is tried again that failed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Names with these ends, and those that begin with a dot, are passed over: what programs call a file that is not whole yet.
const NOT_YET: [&str; 6] = ["tmp", "part", "partial", "filepart", "crdownload", "swp"];

/// A folder that is watched.
pub(super) struct Folder {
    source: Name,
    path: PathBuf,
    format: Option<Format>,
    settle: Duration,
}

/// What tells whether a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    changed: Option<SystemTime>,
}

/// Since when a file is as it is.
type Seen = HashMap<PathBuf, (Stamp, Instant)>;

/// What stands beside a file that was refused.
#[derive(Serialize)]
struct Refused<'a> {
    source: &'a Name,
    error: String,
}

/// What became of a file.
enum Outcome {
    Done(Box<Imported>),
    Refused(String),
    /// It stays where it is, and is tried again.
    Later(String),
}

impl Folder {
    /// The folder of a source that has one, with the folders that are made in it.
    pub fn open(source: &SourceConfig) -> Result<Option<Self>, String> {
        let SourceConfig::Folder { name, path, format, settle_seconds } = source else { return Ok(None) };
        let folder = Self { source: name.clone(), path: path.clone(), format: *format, settle: Duration::from_secs((*settle_seconds).into()) };
        if !path.is_dir() {
            return Err(format!("{} is no folder: make it, and start again", path.display()));
        }
        for made in [folder.done(), folder.refused()] {
            std::fs::create_dir_all(&made).map_err(|error| format!("{} can't be made: {error}", made.display()))?;
            complete(&made).map_err(|error| format!("{}: reports of before can't be put beside their files: {error}", made.display()))?;
        }
        Ok(Some(folder))
    }

    fn done(&self) -> PathBuf {
        self.path.join("done")
    }

    fn refused(&self) -> PathBuf {
        self.path.join("refused")
    }

    /// Imports what comes, until it is told to stop. A file whose import has begun is finished.
    pub async fn watch(self, importer: Importer, mut stop: watch::Receiver<bool>) {
        let folder = Arc::new(self);
        let changes = Arc::new(Notify::new());
        // Before the first look, so that nothing comes unseen between the two. Kept as long as this runs.
        let _watcher = folder.told_of_changes(&changes);
        let mut seen = Seen::new();
        while !*stop.borrow() {
            let next = folder.look(&importer, &mut seen, &stop).await;
            tokio::select! {
                () = changes.notified() => {}
                () = sleep_until(next) => {}
                // Nobody is there any more to say so.
                told = stop.changed() => if told.is_err() { return },
            }
        }
    }

    fn told_of_changes(&self, changes: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
        let tell = Arc::clone(changes);
        let told = move |notice: notify::Result<notify::Event>| {
            // That a file was opened is told too, also when it was opened here: looking for ever would come of it.
            let is_news = notice.as_ref().map_or(true, |event| !event.kind.is_access());
            if is_news {
                tell.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                let (path, seconds) = (self.path.display(), LOOK_EVERY.as_secs());
                tracing::warn!(%error, %path, seconds, "{path}: the system tells no changes of this folder, which is looked through every {seconds} s");
                None
            }
        }
    }

    /// Imports what has stood still. Says when to look again.
    async fn look(self: &Arc<Self>, importer: &Importer, seen: &mut Seen, stop: &watch::Receiver<bool>) -> Instant {
        let now = Instant::now();
        let folder = Arc::clone(self);
        let there = match tokio::task::spawn_blocking(move || folder.files()).await {
            Ok(Ok(there)) => there,
            Ok(Err(error)) => {
                let path = self.path.display();
                tracing::error!(%error, %path, "{path} can't be looked through");
                return now + LOOK_EVERY;
            }
            Err(_) => return now + LOOK_EVERY,
        };
        let before = std::mem::take(seen);
        let mut ready = Vec::new();
        for (path, stamp) in there {
            let since = before.get(&path).filter(|(before, _)| *before == stamp).map_or(now, |(_, since)| *since);
            seen.insert(path.clone(), (stamp, since));
            if now.duration_since(since) >= self.settle {
                ready.push((path, stamp));
            }
        }
        let mut failed = false;
        for (path, stamp) in ready {
            if *stop.borrow() {
                return now;
            }
            failed |= !self.take(importer, &path, stamp).await;
            // Tried again only when it has stood still once more.
            seen.remove(&path);
        }
        let settled = seen.values().map(|(_, since)| *since + self.settle).min();
        match settled {
            Some(settled) if !failed => settled.min(Instant::now() + LOOK_EVERY),
            _ => Instant::now() + LOOK_EVERY,
        }
    }

    /// Its files, those that have waited longest first.
    fn files(&self) -> io::Result<Vec<(PathBuf, Stamp)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            // A link may lead anywhere, so it is not followed.
            if !is_passed_over(&entry.file_name())
                && let Some(stamp) = stamp(&entry.path())
            {
                files.push((entry.path(), stamp));
            }
        }
        files.sort_by(|(a, at), (b, bt)| (at.changed, a).cmp(&(bt.changed, b)));
        Ok(files)
    }

    /// Imports a file and puts it away. Answers whether it went: it stays where it is where that may become better.
    async fn take(self: &Arc<Self>, importer: &Importer, path: &Path, before: Stamp) -> bool {
        let (source, shown) = (&self.source, shown(path));
        let outcome = self.import(importer, path).await;
        let (into, report) = match &outcome {
            Outcome::Later(error) => {
                tracing::error!(%source, %error, "source '{source}': {shown} could not be imported, and is tried again: {error}");
                return false;
            }
            Outcome::Done(figures) => (self.done(), serde_json::to_string_pretty(figures)),
            Outcome::Refused(error) => (self.refused(), serde_json::to_string_pretty(&Refused { source, error: error.clone() })),
        };
        let report = report.unwrap_or_default();
        let from = path.to_owned();
        let moved = tokio::task::spawn_blocking(move || match stamp(&from) {
            Some(after) if after != before => Ok(None),
            _ => put_away(&from, &into, &report).map(Some),
        });
        match (moved.await.unwrap_or_else(|error| Err(io::Error::other(error))), outcome) {
            (Ok(None), _) => {
                tracing::warn!(%source, "source '{source}': {shown} changed while it was imported, and is imported again");
                false
            }
            (Err(error), _) => {
                tracing::error!(%source, %error, "source '{source}': {shown} can't be put away, and is imported again: {error}");
                false
            }
            (Ok(Some(to)), Outcome::Done(figures)) => {
                let (stored, refused) = (figures.stored.values().sum::<u64>(), figures.report.refused);
                let to = self::shown(&to);
                tracing::info!(%source, stored, refused, "source '{source}': {shown} imported, {stored} events stored, {refused} entries refused: {to}");
                true
            }
            (Ok(Some(to)), Outcome::Refused(error) | Outcome::Later(error)) => {
                let to = self::shown(&to);
                tracing::error!(%source, %error, "source '{source}': {shown} is refused, and lies at {to}: {error}");
                true
            }
        }
    }

    async fn import(self: &Arc<Self>, importer: &Importer, path: &Path) -> Outcome {
        let format = if let Some(format) = self.format {
            Ok(format)
        } else {
            let path = path.to_owned();
            let recognised = tokio::task::spawn_blocking(move || Format::recognise(&path, &Limits::default())).await;
            recognised.map_err(|error| IngestError::Stopped(error.to_string())).and_then(|format| format.map_err(IngestError::from))
        };
        let outcome = match format {
            Ok(format) => importer.import(format, path, &self.source, |_| {}).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(figures) => Outcome::Done(Box::new(figures)),
            // The file as it is will never be another.
            Err(IngestError::Source(
                error @ (SourceError::WrongKind { .. }
                | SourceError::Unrecognised { .. }
                | SourceError::Damaged { .. }
                | SourceError::Bomb { .. }
                | SourceError::List { .. }),
            )) => Outcome::Refused(error.to_string()),
            Err(error) => Outcome::Later(error.to_string()),
        }
    }
}

fn is_passed_over(name: &OsStr) -> bool {
    let end = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".") || NOT_YET.iter().any(|not_yet| end.eq_ignore_ascii_case(not_yet))
}

/// A path fit for a line of the log.
fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

/// Unset for what is no file.
fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::symlink_metadata(path).ok()?;
    about.is_file().then(|| Stamp { length: about.len(), changed: about.modified().ok() })
}

/// Moves a file, under a name that nothing has there, with its report. Says where it is now.
fn put_away(from: &Path, into: &Path, report: &str) -> io::Result<PathBuf> {
    let name = from.file_name().unwrap_or_default();
    for number in 0_u32.. {
        let mut called = name.to_owned();
        if number > 0 {
            called.push(format!(".{number}"));
        }
        let (to, beside, waits) = (into.join(&called), into.join(report_of(&called)), into.join(waiting_report_of(&called)));
        if to.symlink_metadata().is_ok() || beside.symlink_metadata().is_ok() {
            continue;
        }
        let mut file = std::fs::File::create(&waits)?;
        writeln!(file, "{report}")?;
        // What it is named by is moved next, and must not be there without it.
        file.sync_all()?;
        if let Err(error) = std::fs::rename(from, &to) {
            let _ = std::fs::remove_file(&waits);
            return Err(error);
        }
        std::fs::rename(&waits, &beside)?;
        return Ok(to);
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// The name of a file's report.
fn report_of(name: &OsStr) -> OsString {
    let mut report = name.to_owned();
    report.push(".report.json");
    report
}

/// And the one that it has before the file is there. No file that is taken begins with a dot.
fn waiting_report_of(name: &OsStr) -> OsString {
    let mut waits = OsString::from(".");
    waits.push(report_of(name));
    waits.push(WAITS);
    waits
}

const WAITS: &str = ".waits";

/// Gives reports whose files were moved their names, and takes those away whose files were not.
fn complete(into: &Path) -> io::Result<()> {
    let names: HashSet<OsString> = std::fs::read_dir(into)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<_>>()?;
    let waits = |name: &OsStr| name.as_encoded_bytes().starts_with(b".") && name.as_encoded_bytes().ends_with(WAITS.as_bytes());
    let mut left: HashSet<&OsString> = names.iter().filter(|name| waits(name)).collect();
    if left.is_empty() {
        return Ok(());
    }
    for name in &names {
        let waiting = waiting_report_of(name);
        if left.remove(&waiting) {
            std::fs::rename(into.join(waiting), into.join(report_of(name)))?;
        }
    }
    left.into_iter().try_for_each(|name| std::fs::remove_file(into.join(name)))
}
