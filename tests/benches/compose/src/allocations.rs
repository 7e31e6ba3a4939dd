//! An allocator that counts: how often memory is asked for, and how much of it is held at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The system's, counted. One thread composes here; with more the most that is held would be an estimate.
pub struct Counting;

static TIMES: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicU64 = AtomicU64::new(0);
static MOST: AtomicU64 = AtomicU64::new(0);

fn taken(bytes: usize) {
    TIMES.fetch_add(1, Relaxed);
    let held = HELD.fetch_add(bytes as u64, Relaxed).wrapping_add(bytes as u64);
    MOST.fetch_max(held, Relaxed);
}

// SAFETY: each call goes to the system's allocator as it came; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there at once while it moves.
        taken(size);
        HELD.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// What some work asked for: how often, and the most bytes that it held beyond what was held before.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, u64, u64) {
    let (times, held) = (TIMES.load(Relaxed), HELD.load(Relaxed));
    MOST.store(held, Relaxed);
    let made = work();
    (made, TIMES.load(Relaxed) - times, MOST.load(Relaxed).saturating_sub(held))
}
