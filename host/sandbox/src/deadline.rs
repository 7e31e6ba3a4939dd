//! When a call's time is over: by the processor time of the thread that makes it, and not by the clock on the wall.
//!
//! A machine that is busy with something else makes no module slower than it is, so it must not make one fail either: what it holds would be held for no fault of the module's. A guest can't wait
//! for anything, so time goes by for it only while it has a processor.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How much processor time this thread has had. Only its differences say something.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value on this stack that lives until after the call, which writes to nothing else.
    #[expect(unsafe_code, reason = "rustix has a safe form that valgrind can't run; see the comment above")]
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    match (answer, u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
        (0, Ok(seconds), Ok(nanos)) => Duration::new(seconds, nanos),
        // A system without such a clock: by the one on the wall.
        _ => BEGUN.elapsed(),
    }
}

/// The end of a call's time. Belongs to the thread that made it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// Before this no thread can have had as much, which is cheaper to see.
    not_before: Instant,
    thread_time: Duration,
}

impl Deadline {
    /// After so much time of this thread.
    pub fn after(budget: Duration) -> Self {
        Self { not_before: Instant::now() + budget, thread_time: thread_time() + budget }
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.not_before && thread_time() >= self.thread_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_costs_nothing() {
        let deadline = Deadline::after(Duration::from_millis(20));
        let begun = Instant::now();
        std::thread::park_timeout(Duration::from_millis(60));
        assert!(!deadline.is_over(), "it had no processor for {:?}", begun.elapsed());
        while !deadline.is_over() {
            std::hint::spin_loop();
        }
        assert!(Deadline::after(Duration::ZERO).is_over());
    }
}
