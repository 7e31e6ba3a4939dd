//! Who has a connection, and who may be sent away for another.
//!
//! A connection is taken before anybody knows whose it is: its request has to be read for that. So whoever opens connections and says nothing could have
//! all there are, and a client with a token would wait for one. Here nobody waits for a client that says nothing: where all places are taken, the one that has had no
//! request for the longest time is sent away. A request that was let in is never broken off for another one; so what is let in without proof is bounded by itself
//! ([`super::room`]).
//!
//! To take part of the connections away from strangers beforehand would not do: at its beginning every client is one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Nothing of it is under way: it has said nothing yet, or has its answer.
const IDLE: u8 = 0;
/// A request was let in, and is not answered.
const BUSY: u8 = 1;
/// It is to go.
const GONE: u8 = 2;

/// A connection, as its requests know it.
#[derive(Debug)]
pub(super) struct Visitor {
    state: AtomicU8,
    /// Since when it is idle, by the count of all such moments.
    since: AtomicU64,
    now: Arc<AtomicU64>,
    leave: Notify,
}

impl Visitor {
    /// A request of it is let in; it keeps its connection until what is answered is dropped. Unset where it was sent away before.
    pub fn enter(self: &Arc<Self>) -> Option<Busy> {
        let entered = self.state.compare_exchange(IDLE, BUSY, Ordering::AcqRel, Ordering::Acquire);
        entered.is_ok().then(|| Busy(Arc::clone(self)))
    }

    /// Waits until it is to go.
    pub async fn is_sent_away(&self) {
        self.leave.notified().await;
    }

    fn send_away(&self) -> bool {
        let sent = self.state.compare_exchange(IDLE, GONE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if sent {
            self.leave.notify_one();
        }
        sent
    }
}

/// A request that was let in.
#[derive(Debug)]
pub(super) struct Busy(Arc<Visitor>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.since.store(self.0.now.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.0.state.store(IDLE, Ordering::Release);
    }
}

/// All connections there are.
#[derive(Debug)]
pub(super) struct Visitors {
    places: Arc<Semaphore>,
    most: u16,
    here: Arc<Mutex<BTreeMap<u64, Arc<Visitor>>>>,
    now: Arc<AtomicU64>,
}

/// A connection's place, given back when it goes.
#[derive(Debug)]
pub(super) struct Visit {
    pub visitor: Arc<Visitor>,
    id: u64,
    here: Arc<Mutex<BTreeMap<u64, Arc<Visitor>>>>,
    #[expect(dead_code, reason = "it is given back when this goes")]
    place: OwnedSemaphorePermit,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.here.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Visitors {
    pub fn new(most: u16) -> Self {
        Self { places: Arc::new(Semaphore::new(most.into())), most, here: Arc::default(), now: Arc::default() }
    }

    /// A place for a connection that was accepted. Unset where no more are given.
    pub async fn visit(&self) -> Option<Visit> {
        let place = if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            place
        } else {
            self.make_room();
            Arc::clone(&self.places).acquire_owned().await.ok()?
        };
        let id = self.now.fetch_add(1, Ordering::Relaxed);
        let visitor = Arc::new(Visitor { state: AtomicU8::new(IDLE), since: AtomicU64::new(id), now: Arc::clone(&self.now), leave: Notify::new() });
        self.here.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&visitor));
        Some(Visit { visitor, id, here: Arc::clone(&self.here), place })
    }

    /// Sends away the one that has been idle the longest. Where all are busy nobody goes, and the next that is done is waited for.
    fn make_room(&self) {
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle: Vec<&Arc<Visitor>> = here.values().filter(|one| one.state.load(Ordering::Acquire) == IDLE).collect();
        idle.sort_by_key(|one| one.since.load(Ordering::Relaxed));
        // One may have become busy meanwhile.
        let _ = idle.into_iter().any(|one| one.send_away());
    }

    /// Waits until nobody is there.
    pub async fn are_gone(&self) {
        // It is never closed.
        let _ = self.places.acquire_many(self.most.into()).await;
    }
}
