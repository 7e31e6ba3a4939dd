//! The time as the scheduler sees it, so that tests can set it.

use std::time::Duration;

use consign_model::Timestamp;

/// A clock.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. May jump either way, when somebody sets it.
    fn now(&self) -> Timestamp;

    /// Ready after so long, by a count that does not jump with [`Clock::now`].
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + 'static;
}

/// The machine's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(time)
    }
}
