//! How much is being read or waits to be stored, in bytes.
//!
//! A semaphore of bytes would let a request wait for room; here nobody waits: whoever finds none is told so at once and comes back, which costs the
//! platform a retry and us nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a request costs beside what it says.
const REQUEST: usize = 4 << 10;

/// All the room there is.
#[derive(Debug)]
pub(super) struct Room {
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
}

impl Room {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), most })
    }

    /// A place for a request of so many bytes.
    pub fn place(self: &Arc<Self>, bytes: usize) -> Result<Place, Full> {
        let mut place = Place { room: Arc::clone(self), bytes: 0 };
        place.grow(REQUEST.saturating_add(bytes))?;
        Ok(place)
    }
}

impl Place {
    /// Takes more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let most = self.room.most;
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= most);
        self.room.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| Full)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Takes as much as it turned out to cost. What was read is not thrown away for being larger in memory than on the wire, so this may take more than there
    /// is; the next request finds no room then.
    pub fn settle(&mut self, bytes: usize) {
        let bytes = REQUEST.saturating_add(bytes);
        self.room.used.fetch_add(bytes, Ordering::Relaxed);
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn places_come_and_go() {
        let room = Room::new(3 * REQUEST);
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
        assert_eq!(room.used.load(Ordering::Relaxed), 0);
    }
}
