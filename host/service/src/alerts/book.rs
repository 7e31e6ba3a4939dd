//! What fires, and what the webhook is owed: a file of its own, so that a start fires nothing anew and forgets to resolve nothing.
//!
//! It is a file and no record of the store: it can be made again from the store at any time but for what was told, `consign alerts` reads it while
//! `serve` has the store, and damage to it must never keep a run from its work. It is written whole and durably, before anything is told.
//!
//! **What is owed is bounded by what it is about.** While the webhook is away an alert may come and go a thousand times. Of each alert it is owed at most that
//! it fired and that it was resolved; one that fires again before it was told that it was over has, for whoever hears of it, not been over. What was
//! attempted is not taken back: the receiver may have it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use consign_export::write_durably;
use consign_model::alert::{Alert, AlertKind, Change, Condition, Notice, Subject};
use consign_model::id::Hasher;
use consign_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

/// Of the file. Another one is not read.
const VERSION: u32 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    version: u32,
    firing: Vec<Firing>,
    /// In the order in which it happened.
    owed: Vec<Owed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Firing {
    alert: Alert,
    /// Whether a notice of it was made for the webhook: else none is that it is over.
    told: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owed {
    notice: Notice,
    /// Whether it may have arrived.
    attempted: bool,
}

/// Why the file can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the record of alerts {} can't be read: {cause}. 'consign serve' makes it anew when that file is moved away; what fires then fires anew", path.display())]
pub struct BookError {
    path: PathBuf,
    cause: String,
}

/// The record, as it is in memory and in its file.
#[derive(Debug)]
pub struct Book {
    file: PathBuf,
    kept: Mutex<Kept>,
}

/// Where a tenant's record lies in the data folder.
pub fn path(data: &Path, tenant: &TenantId) -> PathBuf {
    data.join("alerts").join(format!("{tenant}.json"))
}

fn read(file: &Path) -> Result<Kept, BookError> {
    let failed = |cause: String| BookError { path: file.to_owned(), cause };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(failed(error.to_string())),
    };
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    if kept.version == VERSION { Ok(kept) } else { Err(failed(format!("it has version {}, and this release knows version {VERSION}", kept.version))) }
}

/// What a tenant's record says fires, by what it is about.
pub fn firing(data: &Path, tenant: &TenantId) -> Result<Vec<Alert>, BookError> {
    let mut all: Vec<Alert> = read(&path(data, tenant))?.firing.into_iter().map(|one| one.alert).collect();
    all.sort_by_key(|alert| alert.condition.subject());
    Ok(all)
}

impl Book {
    /// Opens it. A file that can't be read is put aside and said, and the record begins anew: alerts that fire twice are better than none.
    ///
    /// `webhook` has the kinds that the webhook is to hear of; unset, there is none. What fires and it was never told of is owed to it from now on.
    pub fn open(file: PathBuf, webhook: Option<&BTreeSet<AlertKind>>, now: Timestamp) -> Self {
        let mut kept = read(&file).unwrap_or_else(|damaged| {
            let aside = file.with_extension("damaged");
            error!("{damaged}. It is put aside as {}", aside.display());
            if let Err(cause) = std::fs::rename(&file, &aside) {
                warn!("{} can't be moved: {cause}", file.display());
            }
            Kept::default()
        });
        kept.version = VERSION;
        match webhook {
            None => {
                kept.owed.clear();
                kept.firing.iter_mut().for_each(|one| one.told = false);
            }
            Some(kinds) => {
                for one in kept.firing.iter_mut().filter(|one| !one.told && kinds.contains(&one.alert.condition.subject().kind)) {
                    one.told = true;
                    kept.owed.push(Owed { notice: notice(Change::Fired, now, &one.alert), attempted: false });
                }
            }
        }
        Self { file, kept: Mutex::new(kept) }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Each change under it is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes it. A disk that is full must not keep alerts from being told: what is then told twice after a start is said here.
    fn save(&self, kept: &Kept) {
        let written = serde_json::to_vec_pretty(kept).map_err(std::io::Error::from).and_then(|bytes| write_durably(&self.file, &bytes));
        if let Err(cause) = written {
            error!("the record of alerts {} can't be written: {cause}. Until it can, a start may tell alerts again", self.file.display());
        }
    }

    /// Of what is `in_scope`, exactly these conditions are so now. Answers what fired and what was resolved by that. Writes to the disk.
    pub fn settle(
        &self,
        in_scope: &dyn Fn(&Subject) -> bool,
        found: Vec<Condition>,
        webhook: Option<&BTreeSet<AlertKind>>,
        now: Timestamp,
    ) -> Vec<Notice> {
        let mut kept = self.lock();
        let before = kept.clone();
        let (mut notices, subjects) = (Vec::new(), found.iter().map(Condition::subject).collect::<BTreeSet<_>>());
        let mut over = Vec::new();
        kept.firing.retain(|one| {
            let subject = one.alert.condition.subject();
            let stays = !in_scope(&subject) || subjects.contains(&subject);
            if !stays {
                over.push(one.clone());
            }
            stays
        });
        for one in over {
            let notice = notice(Change::Resolved, now, &one.alert);
            if one.told && webhook.is_some() {
                kept.owe(notice.clone());
            }
            notices.push(notice);
        }
        for condition in found {
            let subject = condition.subject();
            if let Some(known) = kept.firing.iter_mut().find(|one| one.alert.condition.subject() == subject) {
                known.alert.condition = condition;
                continue;
            }
            let alert = Alert { condition, since: now };
            let (notice, told) = (notice(Change::Fired, now, &alert), webhook.is_some_and(|kinds| kinds.contains(&subject.kind)));
            if told {
                kept.owe(notice.clone());
            }
            kept.firing.push(Firing { alert, told });
            notices.push(notice);
        }
        if *kept != before {
            self.save(&kept);
        }
        notices
    }

    /// What fires now.
    pub fn firing(&self) -> Vec<Alert> {
        self.lock().firing.iter().map(|one| one.alert.clone()).collect()
    }

    /// What may be told next: of each alert the oldest notice that is owed.
    pub fn owed(&self) -> Vec<Notice> {
        let (kept, mut seen) = (self.lock(), BTreeSet::new());
        let first = kept.owed.iter().filter(|one| seen.insert(one.notice.alert.condition.subject()));
        first.map(|one| one.notice.clone()).collect()
    }

    /// How many notices are owed.
    pub fn count_owed(&self) -> usize {
        self.lock().owed.len()
    }

    /// It is about to be told. Answers `false` where it is not owed any more. Writes to the disk.
    pub fn attempt(&self, id: &str) -> bool {
        let mut kept = self.lock();
        let Some(one) = kept.owed.iter_mut().find(|one| one.notice.id == id) else { return false };
        if !std::mem::replace(&mut one.attempted, true) {
            self.save(&kept);
        }
        true
    }

    /// It was told. Writes to the disk.
    pub fn told(&self, id: &str) {
        let mut kept = self.lock();
        kept.owed.retain(|one| one.notice.id != id);
        self.save(&kept);
    }
}

impl Kept {
    fn owe(&mut self, notice: Notice) {
        let subject = notice.alert.condition.subject();
        let last = self.owed.iter().rposition(|one| one.notice.alert.condition.subject() == subject);
        let taken_back = last.filter(|at| self.owed.get(*at).is_some_and(|one| !one.attempted && one.notice.change == Change::Resolved));
        match (notice.change, taken_back) {
            // It was not told that this was over, and it is not.
            (Change::Fired, Some(at)) => drop(self.owed.remove(at)),
            _ => self.owed.push(Owed { notice, attempted: false }),
        }
    }
}

fn notice(change: Change, at: Timestamp, alert: &Alert) -> Notice {
    let subject = alert.condition.subject();
    let mut hasher = Hasher::default();
    hasher.field(format!("{subject:?}").as_bytes()).field(format!("{change:?}").as_bytes());
    hasher.field(&alert.since.0.to_be_bytes()).field(&at.0.to_be_bytes());
    let id = format!("msg_{}", hasher.finish().hex().chars().take(32).collect::<String>());
    Notice { id, change, at, alert: alert.clone() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn held(policy: &str, windows: u64) -> Condition {
        Condition::Held { policy: policy.parse().unwrap(), windows, events: windows, tried_again: 0, oldest: Timestamp(0) }
    }

    struct Desk {
        folder: tempfile::TempDir,
        kinds: BTreeSet<AlertKind>,
        book: Book,
        now: i64,
    }

    impl Desk {
        fn new() -> Self {
            let (folder, kinds) = (tempfile::tempdir().unwrap(), BTreeSet::from(AlertKind::ALL));
            let book = Book::open(folder.path().join("alerts.json"), Some(&kinds), Timestamp(0));
            Self { folder, kinds, book, now: 0 }
        }

        /// So many windows of a policy are held now. Says what that made.
        fn held(&mut self, policy: &str, windows: u64) -> Vec<Change> {
            self.now += 1;
            let found = if windows > 0 { vec![held(policy, windows)] } else { Vec::new() };
            let in_scope = |subject: &Subject| subject.policy.as_ref().is_some_and(|of| of.as_str() == policy);
            let notices = self.book.settle(&in_scope, found, Some(&self.kinds), Timestamp(self.now));
            notices.into_iter().map(|notice| notice.change).collect()
        }

        /// All that is told now.
        fn tell(&self) -> Vec<Change> {
            let mut all = Vec::new();
            while let Some(next) = self.book.owed().first() {
                assert!(self.book.attempt(&next.id));
                self.book.told(&next.id);
                all.push(next.change);
            }
            all
        }

        fn restart(&mut self) {
            self.book = Book::open(self.folder.path().join("alerts.json"), Some(&self.kinds), Timestamp(self.now));
        }
    }

    #[test]
    fn it_fires_once_and_is_resolved_once_across_starts() {
        let mut desk = Desk::new();
        assert_eq!((desk.held("a", 1), desk.held("a", 5), desk.held("b", 1)), (vec![Change::Fired], vec![], vec![Change::Fired]));
        desk.restart();
        assert_eq!((desk.held("a", 5), desk.book.firing().len()), (vec![], 2));
        assert_eq!(desk.tell(), [Change::Fired, Change::Fired]);
        desk.restart();
        assert_eq!((desk.tell(), desk.held("a", 0), desk.held("a", 0)), (vec![], vec![Change::Resolved], vec![]));
        desk.restart();
        assert_eq!((desk.tell(), desk.book.firing().len()), (vec![Change::Resolved], 1));
    }

    #[test]
    fn what_comes_and_goes_while_nobody_listens_is_told_once() {
        let mut desk = Desk::new();
        for _ in 0..20 {
            desk.held("a", 1);
            desk.held("a", 0);
        }
        assert_eq!(desk.tell(), [Change::Fired, Change::Resolved]);
        desk.held("a", 1);
        assert_eq!(desk.tell(), [Change::Fired]);
        for _ in 0..20 {
            desk.held("a", 0);
            desk.held("a", 1);
        }
        assert_eq!(desk.tell(), [], "it fires, and was told so");
    }

    #[test]
    fn what_may_have_arrived_is_not_taken_back() {
        let mut desk = Desk::new();
        desk.held("a", 1);
        desk.tell();
        desk.held("a", 0);
        let tried = desk.book.owed().remove(0);
        assert!(desk.book.attempt(&tried.id));
        desk.restart();
        desk.held("a", 1);
        assert_eq!(desk.tell(), [Change::Resolved, Change::Fired]);
    }

    #[test]
    fn a_webhook_that_comes_later_hears_what_fires() {
        let mut desk = Desk::new();
        desk.kinds = BTreeSet::from([AlertKind::Gap]);
        desk.restart();
        desk.held("a", 1);
        assert_eq!(desk.tell(), []);
        desk.kinds = BTreeSet::from(AlertKind::ALL);
        desk.restart();
        assert_eq!(desk.tell(), [Change::Fired]);
    }

    #[test]
    fn a_damaged_file_is_put_aside() {
        let mut desk = Desk::new();
        desk.held("a", 1);
        let file = desk.folder.path().join("alerts.json");
        std::fs::write(&file, "{").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("alerts.json"));
        desk.restart();
        assert_eq!(desk.held("a", 1), [Change::Fired]);
        assert_eq!(std::fs::read_to_string(file.with_extension("damaged")).unwrap(), "{");
    }
}
