//! Waiting for a condition, with an end. Looking again takes a short pause, but no test relies on how long anything takes.

use std::time::{Duration, Instant};

/// The longest that anything here may take: long enough for a loaded machine, short enough to notice.
const LONGEST: Duration = Duration::from_mins(3);

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_some(what, || is_so().then_some(()));
}

/// Waits until there is something.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LONGEST, "waited {} s for {what}", LONGEST.as_secs());
        std::thread::sleep(Duration::from_millis(2));
    }
}
