//! How much of a tenant is stored, near enough to say whether there is room, at no cost to who asks.
//!
//! Going through all files takes minutes where there are millions. So that is done now and then, and what is written in between is added. What is deleted in between is not taken off, nor what
//! takes the place of another file: so the figure is rather too large, until the files are gone through again.
//!
//! Files are written while somebody goes through them. Each is announced before it can be seen, and what is announced is passed over by who looks: it is added when it is there, once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use object_store::path::Path;

#[derive(Debug, Default)]
pub(crate) struct Size(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// As they were seen, or somebody said, and what was written since.
    bytes: u64,
    is_seen: bool,
    /// Files that are being written.
    coming: HashSet<Path>,
    /// Those that were, or have been since, while somebody goes through all files; unset where nobody does.
    passed_over: Option<HashSet<Path>>,
}

/// A file that is being written. Dropped, it is not there.
pub(crate) struct Coming<'a> {
    size: &'a Size,
    path: Path,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.size.with(|state| state.coming.remove(&self.path));
    }
}

impl Coming<'_> {
    /// It is there, with so many bytes.
    pub fn came(self, bytes: u64) {
        self.size.with(|state| state.bytes = state.bytes.saturating_add(bytes));
    }
}

/// Somebody who goes through all files. Dropped before the end, they have seen nothing.
pub(crate) struct Look<'a> {
    size: &'a Size,
    before: u64,
    seen: u64,
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.size.with(|state| state.passed_over = None);
    }
}

impl Look<'_> {
    /// A file of so many bytes.
    pub fn sees(&mut self, path: &Path, bytes: u64) {
        if self.size.with(|state| state.passed_over.as_ref().is_some_and(|files| !files.contains(path))) {
            self.seen = self.seen.saturating_add(bytes);
        }
    }

    /// Those were all.
    pub fn end(self) -> u64 {
        self.size.with(|state| {
            state.bytes = self.seen.saturating_add(state.bytes.saturating_sub(self.before));
            state.is_seen = true;
            state.bytes
        })
    }
}

impl Size {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn bytes(&self) -> u64 {
        self.with(|state| state.bytes)
    }

    pub fn is_seen(&self) -> bool {
        self.with(|state| state.is_seen)
    }

    /// A file is about to be written.
    pub fn coming(&self, path: &Path) -> Coming<'_> {
        self.with(|state| {
            state.coming.insert(path.clone());
            state.passed_over.as_mut().map(|files| files.insert(path.clone()));
        });
        Coming { size: self, path: path.clone() }
    }

    /// Somebody remembers so many, which counts until they are seen.
    pub fn remember(&self, bytes: u64) {
        self.with(|state| {
            if !state.is_seen {
                state.bytes = state.bytes.max(bytes);
            }
        });
    }

    /// Somebody begins to go through all files; unset where somebody does already.
    pub fn look(&self) -> Option<Look<'_>> {
        let before = self.with(|state| {
            if state.passed_over.is_some() {
                return None;
            }
            state.passed_over = Some(state.coming.clone());
            Some(state.bytes)
        });
        before.map(|before| Look { size: self, before, seen: 0 })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_written_is_added_to_what_was_seen() {
        let size = Size::default();
        let write = |path: &str, bytes| size.coming(&Path::from(path)).came(bytes);
        write("a", 3);
        size.remember(100);
        size.remember(50);
        write("b", 7);
        assert_eq!((size.bytes(), size.is_seen()), (107, false));
        drop(size.look().unwrap());
        assert_eq!((size.bytes(), size.is_seen()), (107, false), "one that breaks off has seen nothing");
        let mut look = size.look().unwrap();
        assert!(size.look().is_none());
        look.sees(&Path::from("a"), 3);
        look.sees(&Path::from("b"), 7);
        look.sees(&Path::from("c"), 80);
        assert_eq!((look.end(), size.is_seen()), (90, true));
        size.remember(1_000);
        assert_eq!(size.bytes(), 90);
    }

    #[test]
    fn what_comes_while_somebody_looks_is_counted_once() {
        let size = Size::default();
        let (old, early, late, never) = (Path::from("old"), Path::from("early"), Path::from("late"), Path::from("never"));
        size.coming(&old).came(100);
        let begun = size.coming(&early);
        let mut look = size.look().unwrap();
        look.sees(&old, 100);
        // It is there before whoever writes it has said so, and after.
        look.sees(&early, 20);
        begun.came(20);
        let begun = size.coming(&late);
        begun.came(3);
        look.sees(&late, 3);
        drop(size.coming(&never));
        assert_eq!(look.end(), 123);
    }
}
