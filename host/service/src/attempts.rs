//! Tokens that are worth nothing: how many are answered for what they are.
//!
//! None can be guessed (256 bits), so this keeps no secret. It keeps whoever tries all the same from having the processor, and the log of a proxy, to themselves. Whoever has a token that
//! is worth something never comes here, so nobody is locked out by somebody else's attempts.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::problem::Problem;

/// At once.
const BURST: f64 = 1_000.0;
/// And then each second.
const A_SECOND: f64 = 20.0;

/// How many there may be now.
#[derive(Debug)]
pub struct Attempts(Mutex<(f64, Instant)>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Mutex::new((BURST, Instant::now())))
    }
}

impl Attempts {
    /// What to answer to one: what it is, or that there were too many.
    pub fn failed(&self, detail: &str) -> Problem {
        if self.takes_one(Instant::now()) { Problem::unauthenticated(detail) } else { Problem::too_many_attempts() }
    }

    fn takes_one(&self, now: Instant) -> bool {
        // Nothing under it panics half-way.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = *state;
        let left = A_SECOND.mul_add(now.saturating_duration_since(at).as_secs_f64(), left).min(BURST);
        let takes = left >= 1.0;
        *state = (if takes { left - 1.0 } else { left }, now);
        takes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_and_then_some_a_second() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let taken = |at: Instant| (0..2_000).filter(|_| attempts.takes_one(at)).count();
        assert_eq!(taken(now), 1_000);
        assert_eq!(taken(now + Duration::from_secs(2)), 40);
        assert_eq!(taken(now + Duration::from_hours(1)), 1_000);
    }
}
