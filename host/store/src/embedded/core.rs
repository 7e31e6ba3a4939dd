//! Reading the tree: every record checked, every error of sled's in the store's words.
//!
//! sled panics on some damage where it could say an error, so each call into it is guarded: a panic in it becomes [`StoreError::Damaged`], and its
//! text goes to the log instead of the person's terminal. After any such panic, or a flush that failed, nothing more is written: what sled holds in
//! memory may be ahead of what the disk has.

use std::cell::Cell;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

use serde::de::DeserializeOwned;
use sled::IVec;
use tokio::sync::watch;

use super::key::{Class, Key};
use super::record::{self, Flaw};
use crate::{Result, StoreError};

/// The open tree.
pub(super) struct Core {
    /// There until it is closed.
    tree: Option<sled::Db>,
    path: PathBuf,
    /// Why nothing is written any more, once that is so.
    broken: watch::Sender<Option<String>>,
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps a guarded call's panic from the terminal; every other panic goes where it went before.
fn quiet_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if GUARDED.get() {
                tracing::debug!(place = ?panic.location().map(ToString::to_string), "sled gave up");
            } else {
                before(panic);
            }
        }));
    });
}

/// What a person does about a damaged folder.
fn hint(path: &Path) -> String {
    let path = path.display();
    format!(
        "Nothing was deleted. Copy the folder aside before anything else (cp -a '{path}' '{path}.damaged'), then put your last backup of it in its place"
    )
}

/// A damaged folder.
pub(super) fn damaged(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into(), hint: hint(path) }
}

/// What a person does about a disk that does not take what is written.
const DISK_HINT: &str = "See that the disk has room, works and may be written to, then try again: nothing that was said to be done is lost";

/// A failure of the disk. `doing` says where.
pub(super) fn disk_failed(doing: impl Into<String>, cause: &io::Error) -> StoreError {
    StoreError::Failed { doing: doing.into(), cause: format!("{}. {DISK_HINT}", in_words(cause)) }
}

/// sled hands an error on as the text of its `Debug`: `Os { code: 28, kind: StorageFull, … }`.
fn in_words(cause: &io::Error) -> String {
    let text = cause.to_string();
    let code = text.strip_prefix("Os { code: ").and_then(|rest| rest.split(',').next()?.parse().ok());
    code.map_or(text, |code| io::Error::from_raw_os_error(code).to_string())
}

/// A call into sled: its errors and panics as the store's.
pub(super) fn guarded<R>(path: &Path, doing: &str, call: impl FnOnce() -> sled::Result<R>) -> Result<R> {
    quiet_guarded_panics();
    let outer = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Corruption { .. })) => {
            Err(damaged(path, format!("a page of the database does not match its checksum (found while {doing})")))
        }
        // `Unsupported`: its settings' file, which has no checksum, says what we never ask for.
        Ok(Err(sled::Error::ReportableBug(_) | sled::Error::Unsupported(_) | sled::Error::CollectionNotFound(_))) => {
            Err(damaged(path, format!("the database contradicts itself (found while {doing})")))
        }
        Ok(Err(sled::Error::Io(cause))) if matches!(cause.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData) => {
            Err(damaged(path, format!("a file of the database is too short or not what it should be (found while {doing})")))
        }
        Ok(Err(sled::Error::Io(cause))) => Err(disk_failed(format!("{doing} in {}", path.display()), &cause)),
        Err(_) => Err(damaged(path, format!("the database cannot make sense of its files (found while {doing})"))),
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Err(error) = self.let_go() {
            tracing::warn!(path = %self.path.display(), %error, "the database was not closed in order");
        }
    }
}

impl Core {
    /// Around an open tree.
    pub(super) fn new(tree: sled::Db, path: PathBuf) -> Self {
        Self { tree: Some(tree), path, broken: watch::Sender::new(None) }
    }

    /// The folder, for errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A call into sled.
    pub(super) fn guarded<R>(&self, doing: &str, call: impl FnOnce(&sled::Tree) -> sled::Result<R>) -> Result<R> {
        let closed = || StoreError::Failed { doing: doing.to_owned(), cause: "the store is closed".into() };
        let tree = self.tree.as_ref().ok_or_else(closed)?;
        guarded(&self.path, doing, || call(tree))
    }

    /// Lets go of the tree, and says whether what sled writes in that was written: where the disk fails it, sled panics.
    pub(super) fn close(mut self) -> Result<()> {
        self.let_go()
    }

    fn let_go(&mut self) -> Result<()> {
        let Some(tree) = self.tree.take() else { return Ok(()) };
        let closed = guarded(&self.path, "closing the database", || {
            drop(tree);
            Ok(())
        });
        let doing = || format!("closing the database in {}", self.path.display());
        closed.map_err(|_| disk_failed(doing(), &io::Error::other("its files could not be written to their end")))
    }

    /// From now on nothing is written.
    pub(super) fn give_up(&self, why: &StoreError) {
        let cause = match why {
            StoreError::Failed { cause, .. } => cause.clone(),
            other => other.to_string(),
        };
        // Only the first reason counts; the rest follow from it.
        let first = self.broken.send_if_modified(|broken| {
            let first = broken.is_none();
            broken.get_or_insert(cause);
            first
        });
        if first {
            tracing::error!(path = %self.path.display(), error = %why, "the store writes nothing more");
        }
    }

    /// Refuses where an earlier write failed.
    pub(super) fn writable(&self) -> Result<()> {
        match &*self.broken.borrow() {
            None => Ok(()),
            Some(cause) => Err(StoreError::Failed {
                doing: "writing".into(),
                cause: format!("{cause}. Until the program is started again nothing more is written"),
            }),
        }
    }

    /// Whether every write so far went well.
    pub(super) fn is_sound(&self) -> bool {
        self.broken.borrow().is_none()
    }

    /// Ready when an earlier write has failed, with the reason.
    pub(super) fn failure(&self) -> impl Future<Output = String> + Send + use<> {
        let mut broken = self.broken.subscribe();
        async move {
            let why = broken.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
            match why {
                Some(why) => why,
                // Closed, and it was whole.
                None => std::future::pending().await,
            }
        }
    }

    /// A record that is not as it should be.
    pub(super) fn flawed(&self, key: &[u8], flaw: Flaw) -> StoreError {
        damaged(&self.path, format!("{} {}", Class::describe(key), flaw.describe()))
    }

    /// A record's bytes with their header.
    pub(super) fn raw(&self, key: &[u8]) -> Result<Option<IVec>> {
        self.guarded("reading a record", |tree| tree.get(key))
    }

    /// A record's plain bytes, checked.
    pub(super) fn bytes<'a>(&self, key: &[u8], record: &'a [u8]) -> Result<&'a [u8]> {
        record::open(key, record).map_err(|flaw| self.flawed(key, flaw))
    }

    /// A record's value, checked.
    pub(super) fn value<T: DeserializeOwned>(&self, key: &[u8], record: &[u8]) -> Result<T> {
        record::decode(key, record).map_err(|flaw| self.flawed(key, flaw))
    }

    /// A record, where it exists.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        self.raw(key.bytes())?.map(|record| self.value(key.bytes(), &record)).transpose()
    }

    /// Raw records from a key on, below the end of a prefix, at most `limit`.
    pub(super) fn raw_range(&self, from: Bound<&[u8]>, prefix: &Key, limit: usize) -> Result<Vec<(IVec, IVec)>> {
        let end = prefix.end();
        let to = Bound::Excluded(end.as_slice());
        if let Bound::Included(start) | Bound::Excluded(start) = from
            && start >= end.as_slice()
        {
            return Ok(Vec::new());
        }
        self.guarded("reading records", |tree| tree.range::<&[u8], _>((from, to)).take(limit).collect())
    }

    /// All values under a prefix, in the order of their keys.
    pub(super) fn all<T: DeserializeOwned>(&self, prefix: &Key) -> Result<Vec<T>> {
        let records = self.raw_range(Bound::Included(prefix.bytes()), prefix, usize::MAX)?;
        records.iter().map(|(key, record)| self.value(key, record)).collect()
    }

    /// The last raw record under a prefix that lies before this key.
    pub(super) fn raw_before(&self, prefix: &Key, end: &[u8]) -> Result<Option<(IVec, IVec)>> {
        self.guarded("reading a record", |tree| tree.range::<&[u8], _>(prefix.bytes()..end).next_back().transpose())
    }

    /// The last raw record under a prefix.
    pub(super) fn raw_last(&self, prefix: &Key) -> Result<Option<(IVec, IVec)>> {
        self.raw_before(prefix, &prefix.end())
    }

    /// The last raw records under a prefix and before `end`, last first, at most `limit`.
    pub(super) fn raw_newest(&self, prefix: &Key, end: &[u8], limit: usize) -> Result<Vec<(IVec, IVec)>> {
        self.guarded("reading records", |tree| tree.range::<&[u8], _>(prefix.bytes()..end).rev().take(limit).collect())
    }

    /// The last value under a prefix.
    pub(super) fn last<T: DeserializeOwned>(&self, prefix: &Key) -> Result<Option<T>> {
        self.raw_last(prefix)?.map(|(key, record)| self.value(&key, &record)).transpose()
    }

    /// The last value under each prefix that `part` yields from a key: for versions, of which only the newest of each name is asked.
    pub(super) fn newest_of_each<T: DeserializeOwned>(&self, prefix: &Key, part: impl Fn(&[u8]) -> Option<Key>) -> Result<Vec<T>> {
        let mut found = Vec::new();
        let mut from = prefix.bytes().to_vec();
        while let Some((key, _)) = self.raw_range(Bound::Included(&from), prefix, 1)?.into_iter().next() {
            let one = part(&key).ok_or_else(|| self.flawed(&key, Flaw::Shape))?;
            found.extend(self.last(&one)?);
            from = one.end();
        }
        Ok(found)
    }
}
