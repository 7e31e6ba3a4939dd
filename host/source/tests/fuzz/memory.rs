//! What a case has of the memory at most, counted where it is asked for. By thread, because the formats are tried side by side and no importer starts a thread.
//! What the C library of zstd takes is not in it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn took(bytes: usize) {
    // A thread that ends has no counters any more. What one thread takes another may give back, so it wraps.
    let _ = NOW.try_with(|now| {
        now.set(now.get().wrapping_add(bytes));
        let _ = MOST.try_with(|most| most.set(most.get().max(if now.get() > usize::MAX / 2 { 0 } else { now.get() })));
    });
}

fn gave(bytes: usize) {
    let _ = NOW.try_with(|now| now.set(now.get().wrapping_sub(bytes)));
}

// SAFETY: every call is passed on to the system's allocator as it came, and its answer is given back; counting takes no memory.
#[expect(unsafe_code, reason = "an allocator can't be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while it is copied.
        took(size);
        gave(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Does something, and says how many bytes it had at most beyond those before.
pub fn most<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.with(Cell::get);
    NOW.with(|now| now.set(0));
    MOST.with(|most| most.set(0));
    let out = work();
    let most = MOST.with(Cell::get);
    NOW.with(|now| now.set(now.get().wrapping_add(before)));
    (out, most)
}

/// Processor time of this thread so far: unlike the clock it does not tell what else the machine does.
pub fn processor_time() -> std::time::Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default();
    std::time::Duration::from_nanos(nanos)
}
