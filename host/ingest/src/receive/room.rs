//! How much is being read or waits to be stored, in bytes, and how many bodies of strangers are being read.
//!
//! A semaphore of bytes would let a request wait for room; here nobody waits: whoever finds none is told so at once and comes back, which costs the
//! platform a retry and us nothing.
//!
//! Some sources show who they are by what stands in the body or by a signature over it, so their bodies have to be read for strangers too. Those may have half of the
//! room and of the connections together, and a place as large as what came and not as what was announced: so whoever fills that keeps only others of their
//! kind out, and requests that have their token in a header find the other half. When a stranger turns out to be known, the place counts as any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that a request costs beside what it says.
const REQUEST: usize = 4 << 10;

/// All the room there is.
#[derive(Debug)]
pub(super) struct Room {
    all: Bytes,
    /// What strangers have of it.
    strangers: Bytes,
    /// Bodies of strangers that may be read at once.
    bodies: Arc<Semaphore>,
}

#[derive(Debug)]
struct Bytes {
    used: AtomicUsize,
    most: usize,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A request's part of it, given back when it goes.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    bytes: usize,
    /// Set as long as nobody knows whose it is.
    stranger: Option<OwnedSemaphorePermit>,
}

impl Bytes {
    fn take(&self, bytes: usize) -> Result<(), Full> {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(drop).map_err(|_| Full)
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Room {
    /// `body`: the largest, which strangers must have room for too, or one that is known could never show it.
    pub fn new(most: usize, body: usize, connections: u16) -> Arc<Self> {
        let bytes = |most| Bytes { used: AtomicUsize::new(0), most };
        let share = (most / 2).max(body.saturating_add(REQUEST));
        Arc::new(Self { all: bytes(most), strangers: bytes(share), bodies: Arc::new(Semaphore::new(usize::from(connections / 2).max(1))) })
    }

    /// A place for a request of so many bytes.
    pub fn place(self: &Arc<Self>, bytes: usize) -> Result<Place, Full> {
        self.give(None, bytes)
    }

    /// A place for one of whom nobody knows who it is.
    pub fn place_of_stranger(self: &Arc<Self>) -> Result<Place, Full> {
        let body = Arc::clone(&self.bodies).try_acquire_owned().map_err(|_| Full)?;
        self.give(Some(body), 0)
    }

    fn give(self: &Arc<Self>, stranger: Option<OwnedSemaphorePermit>, bytes: usize) -> Result<Place, Full> {
        let mut place = Place { room: Arc::clone(self), bytes: 0, stranger };
        place.grow(REQUEST.saturating_add(bytes))?;
        Ok(place)
    }
}

impl Place {
    /// Takes more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let Room { all, strangers, .. } = &*self.room;
        if self.stranger.is_some() {
            strangers.take(bytes)?;
        }
        if let Err(full) = all.take(bytes) {
            if self.stranger.is_some() {
                strangers.give_back(bytes);
            }
            return Err(full);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Whose it is has turned out, and they may come.
    pub fn is_known(&mut self) {
        if self.stranger.take().is_some() {
            self.room.strangers.give_back(self.bytes);
        }
    }

    /// Takes as much as it turned out to cost. What was read is not thrown away for being larger in memory than on the wire, so this may take more than there
    /// is; the next request finds no room then.
    pub fn settle(&mut self, bytes: usize) {
        self.is_known();
        let bytes = REQUEST.saturating_add(bytes);
        self.room.all.used.fetch_add(bytes, Ordering::Relaxed);
        self.room.all.give_back(self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_known();
        self.room.all.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn used(room: &Room) -> (usize, usize, usize) {
        (room.all.used.load(Ordering::Relaxed), room.strangers.used.load(Ordering::Relaxed), room.bodies.available_permits())
    }

    #[test]
    fn places_come_and_go() {
        let room = Room::new(3 * REQUEST, 0, 2);
        let mut one = room.place(REQUEST / 2).unwrap();
        let two = room.place(REQUEST / 2).unwrap();
        assert_eq!(room.place(0).unwrap_err(), Full);
        assert_eq!(one.grow(1), Err(Full));
        drop(two);
        one.grow(REQUEST).unwrap();
        one.settle(10 * REQUEST);
        assert_eq!(room.place(0).unwrap_err(), Full);
        one.settle(0);
        assert!(room.place(REQUEST).is_ok());
        drop(one);
        assert_eq!(used(&room), (0, 0, 1));
    }

    #[test]
    fn strangers_have_a_half() {
        let room = Room::new(8 * REQUEST, REQUEST, 6);
        let mut strangers: Vec<Place> = (0..3).map(|_| room.place_of_stranger().unwrap()).collect();
        assert_eq!(room.place_of_stranger().unwrap_err(), Full, "as many as half of the connections");
        assert_eq!(strangers.iter_mut().map(|one| one.grow(REQUEST).is_ok()).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(used(&room), (4 * REQUEST, 4 * REQUEST, 0), "as much as half of the room");
        // Others find the other half, and what is known counts as theirs.
        let known = room.place(3 * REQUEST).unwrap();
        assert_eq!(room.place(0).unwrap_err(), Full);
        let mut first = strangers.remove(0);
        first.is_known();
        assert_eq!(used(&room), (8 * REQUEST, 2 * REQUEST, 1));
        assert_eq!(room.place_of_stranger().unwrap_err(), Full, "strangers take nothing that others have");
        drop((first, known, strangers));
        assert_eq!(used(&room), (0, 0, 3));
    }
}
