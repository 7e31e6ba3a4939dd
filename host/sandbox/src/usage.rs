//! What a session has used of its limits: for who measures a module. The limits themselves are kept elsewhere.

use std::time::Duration;

use crate::Call;

/// What a session has used so far; also after its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memories and tables together, as [`Limits::memory_bytes`](crate::Limits::memory_bytes) counts them. They never shrink, so it is the most.
    pub memory_bytes: usize,
    times: Vec<(Call, Duration)>,
}

impl Usage {
    pub(crate) fn add(&mut self, call: Call, time: Duration) {
        match self.times.iter_mut().find(|(known, _)| *known == call) {
            Some((_, all)) => *all += time,
            None => self.times.push((call, time)),
        }
    }

    /// How long all calls of this kind took.
    pub fn time(&self, call: Call) -> Duration {
        self.times.iter().find(|(known, _)| *known == call).map_or(Duration::ZERO, |(_, time)| *time)
    }

    /// How long all calls took: what [`Limits::chat_time`](crate::Limits::chat_time) limits.
    pub fn total(&self) -> Duration {
        self.times.iter().map(|(_, time)| *time).sum()
    }
}
