//! A request that is made once: its client gave it a key, by which the same asked again is answered as it was the first time.
//!
//! Of the request only a hash is kept, and of the answer what was sealed under the tenant's keys: an answer may hold what is shown once, a new token's text say.

use serde::{Deserialize, Serialize};

use crate::{Digest, Timestamp};

/// A request, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRequest {
    /// Of the key, and of who gave it: another's key of the same text is another.
    pub key: Digest,
    /// Of all that was asked.
    pub asked: Digest,
    /// When it was first asked.
    pub at: Timestamp,
    /// What came of it; unset: it is under way, or was when the process ended.
    pub answer: Option<KeptAnswer>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// Head and body, as the archive's room sealed them; unset: they were too large to be kept.
    pub sealed: Option<String>,
}
