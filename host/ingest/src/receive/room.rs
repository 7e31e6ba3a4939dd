//! How much is being read or waits to be stored, in bytes, and how many bodies of strangers are being read.
//!
//! A semaphore of bytes would let a request wait for room; here nobody waits: whoever finds none is told so at once and comes back, which costs the
//! platform a retry and us nothing.
//!
//! Some sources show who they are by what stands in the body or by a signature over it, so their bodies have to be read for strangers too. Those may have half of the
//! room and of the connections together, and a place as large as what came and not as what was announced; requests that have their token in a header find the
//! other half. When a stranger turns out to be known, the place counts as any other. Where strangers' half is full, the one who has been at it for longest goes for the
//! next one: a platform's request is there at once, and not every platform sends again what was refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Bytes that a request costs beside what it says.
const REQUEST: usize = 4 << 10;
/// How long to wait for the place of a stranger who is sent away, which takes no time where there is any.
const LEAVE: Duration = Duration::from_secs(1);
/// How many strangers are sent away for the beginning of one request.
const MOST_SENT_AWAY: usize = 8;

/// All the room there is.
#[derive(Debug)]
pub(super) struct Room {
    all: Bytes,
    /// What strangers have of it.
    strangers: Bytes,
    /// Bodies of strangers that may be read at once.
    bodies: Arc<Semaphore>,
    /// Those who send them, in the order in which they came, and how to tell them to go.
    reading: Mutex<BTreeMap<u64, Arc<Notify>>>,
    came: AtomicU64,
    /// Some of what strangers had is free.
    freed: Notify,
}

/// Somebody of whom nobody knows yet who it is.
#[derive(Debug)]
struct Stranger {
    #[expect(dead_code, reason = "it is given back when this goes")]
    body: OwnedSemaphorePermit,
    number: u64,
    leave: Arc<Notify>,
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
    stranger: Option<Stranger>,
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
        Arc::new(Self {
            all: bytes(most),
            strangers: bytes(share),
            bodies: Arc::new(Semaphore::new(usize::from(connections / 2).max(1))),
            reading: Mutex::default(),
            came: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    /// A place for a request of so many bytes.
    pub fn place(self: &Arc<Self>, bytes: usize) -> Result<Place, Full> {
        self.give(None, bytes)
    }

    /// A place for one of whom nobody knows who it is; for which others of that kind may have to go.
    pub async fn place_of_stranger(self: &Arc<Self>) -> Result<Place, Full> {
        for _ in 0..MOST_SENT_AWAY {
            if let Ok(place) = self.place_beside_strangers() {
                return Ok(place);
            }
            if !self.make_room(None).await {
                break;
            }
        }
        self.place_beside_strangers()
    }

    fn place_beside_strangers(self: &Arc<Self>) -> Result<Place, Full> {
        let body = Arc::clone(&self.bodies).try_acquire_owned().map_err(|_| Full)?;
        let (number, leave) = (self.came.fetch_add(1, Ordering::Relaxed), Arc::new(Notify::new()));
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&leave));
        self.give(Some(Stranger { body, number, leave }), 0)
    }

    /// Sends the stranger away who has been at it for longest, and waits for that place. Not for `asks` where that is the one.
    async fn make_room(&self, asks: Option<u64>) -> bool {
        let mut freed = std::pin::pin!(self.freed.notified());
        freed.as_mut().enable();
        {
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(oldest) = reading.first_entry().filter(|oldest| Some(*oldest.key()) != asks) else { return false };
            oldest.remove().notify_one();
        }
        tokio::time::timeout(LEAVE, freed).await.is_ok()
    }

    fn give(self: &Arc<Self>, stranger: Option<Stranger>, bytes: usize) -> Result<Place, Full> {
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

    /// Takes more, and others of the same kind may have to go for it.
    pub async fn grow_in_place_of_others(&mut self, bytes: usize) -> Result<(), Full> {
        while let Err(full) = self.grow(bytes) {
            let Some(Stranger { number, .. }) = &self.stranger else { return Err(full) };
            if !self.room.make_room(Some(*number)).await {
                return Err(full);
            }
        }
        Ok(())
    }

    /// Waits until it has to go for another one: only a stranger's has.
    pub async fn is_sent_away(&self) {
        match &self.stranger {
            Some(stranger) => stranger.leave.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Whose it is has turned out, and they may come.
    pub fn is_known(&mut self) {
        if let Some(stranger) = self.stranger.take() {
            self.room.reading.lock().unwrap_or_else(PoisonError::into_inner).remove(&stranger.number);
            self.room.strangers.give_back(self.bytes);
            drop(stranger);
            self.room.freed.notify_waiters();
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
        self.room.all.give_back(self.bytes);
        self.is_known();
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

    #[tokio::test]
    async fn strangers_have_a_half() {
        let room = Room::new(8 * REQUEST, REQUEST, 6);
        let mut strangers = Vec::new();
        for _ in 0..3 {
            strangers.push(room.place_of_stranger().await.unwrap());
        }
        assert_eq!(room.place_beside_strangers().unwrap_err(), Full, "as many as half of the connections");
        assert_eq!(strangers.iter_mut().map(|one| one.grow(REQUEST).is_ok()).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(used(&room), (4 * REQUEST, 4 * REQUEST, 0), "as much as half of the room");
        // Others find the other half, and what is known counts as theirs.
        let known = room.place(3 * REQUEST).unwrap();
        assert_eq!(room.place(0).unwrap_err(), Full);
        let mut first = strangers.remove(0);
        first.is_known();
        assert_eq!(used(&room), (8 * REQUEST, 2 * REQUEST, 1));
        assert_eq!(room.place_beside_strangers().unwrap_err(), Full, "strangers take nothing that others have");
        drop((first, known, strangers));
        assert_eq!(used(&room), (0, 0, 3));
    }

    #[tokio::test]
    async fn the_stranger_who_has_been_at_it_for_longest_goes() {
        let room = Room::new(8 * REQUEST, REQUEST, 4);
        let (first, mut second) = (room.place_of_stranger().await.unwrap(), room.place_of_stranger().await.unwrap());
        let leaves = async {
            first.is_sent_away().await;
            drop(first);
        };
        let (third, ()) = tokio::join!(room.place_of_stranger(), leaves);
        let third = third.unwrap();
        // For what one sends oneself only others go, and not for the oldest.
        assert_eq!(second.grow_in_place_of_others(4 * REQUEST).await, Err(Full));
        drop(second);
        let mut fourth = room.place_of_stranger().await.unwrap();
        let leaves = async {
            third.is_sent_away().await;
            drop(third);
        };
        let (grown, ()) = tokio::join!(fourth.grow_in_place_of_others(3 * REQUEST), leaves);
        assert_eq!((grown, used(&room)), (Ok(()), (4 * REQUEST, 4 * REQUEST, 1)));
        // Who is known goes for nobody.
        fourth.is_known();
        assert!(tokio::time::timeout(Duration::from_millis(1), fourth.is_sent_away()).await.is_err());
        assert!(!room.make_room(None).await);
    }
}
