//! Who is at work with files at this moment, so that none is deleted under somebody's hands.
//!
//! Whoever reads addresses from the index and then files, or stores attachments and then the events that name them, holds a [`Use`] from before the first to after the last. A
//! file that the index names no more is deleted when everybody has ended who began while it did: nobody waits for a deletion, and it waits for them.
//!
//! An attachment is shared: a file with the same bytes that comes again is not stored again. So from the moment on at which it is decided which ones nobody names any
//! more, those that come are noted, and what is noted is not deleted.
//!
//! In one process, which is the one that has the data folder.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use consign_model::Digest;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Uses {
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    live: BTreeSet<u64>,
    /// Attachments that came since somebody began to look for those that nobody names.
    came: Option<HashSet<Digest>>,
}

/// Somebody at work with files. Dropped, they have ended.
pub struct Use {
    number: u64,
    of: Arc<Uses>,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.of.with(|state| state.live.remove(&self.number));
        self.of.ended.notify_waiters();
    }
}

impl Uses {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn begin(self: &Arc<Self>) -> Use {
        let number = self.with(|state| {
            let number = state.next;
            state.next = number.saturating_add(1);
            state.live.insert(number);
            number
        });
        Use { number, of: Arc::clone(self) }
    }

    /// Until everybody has ended who is at work now.
    pub async fn ended(&self) {
        let now = self.with(|state| state.next);
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Whoever ends from here on is heard of.
            ended.as_mut().enable();
            if self.with(|state| state.live.first().is_none_or(|first| *first >= now)) {
                return;
            }
            ended.await;
        }
    }

    /// Notes attachments that come from now on. Answers false where somebody does so already.
    pub fn note(&self) -> bool {
        self.with(|state| {
            let is_first = state.came.is_none();
            state.came.get_or_insert_default();
            is_first
        })
    }

    pub fn stop_noting(&self) {
        self.with(|state| state.came = None);
    }

    /// An attachment has come, or was there when it did.
    pub fn came(&self, digest: &Digest) {
        self.with(|state| state.came.as_mut().map(|came| came.insert(*digest)));
    }

    pub fn has_come(&self, digest: &Digest) -> bool {
        self.with(|state| state.came.as_ref().is_some_and(|came| came.contains(digest)))
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn it_waits_for_those_who_began_before_and_for_nobody_else() {
        let uses = Arc::<Uses>::default();
        let (first, second) = (uses.begin(), uses.begin());
        let mut ended = std::pin::pin!(uses.ended());
        let mut poll = || ended.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        let later = uses.begin();
        drop(second);
        assert_eq!(poll(), Poll::Pending);
        drop(first);
        assert_eq!(poll(), Poll::Ready(()));
        drop(later);
    }

    #[test]
    fn what_comes_while_somebody_looks_is_noted() {
        let (uses, digest) = (Uses::default(), Digest::of(b"a"));
        uses.came(&digest);
        assert!(!uses.has_come(&digest) && uses.note() && !uses.note());
        uses.came(&digest);
        assert!(uses.has_come(&digest) && !uses.has_come(&Digest::of(b"b")));
        uses.stop_noting();
        assert!(!uses.has_come(&digest));
    }
}
