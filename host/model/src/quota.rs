//! What a tenant may use of an installation that it shares with others, and how much its work counts where places are scarce.
//!
//! Whoever runs the installation says it, for each tenant in one record, of which each change makes the next version. A limit that is not set limits nothing. What happens at each of
//! them differs, by one rule: nothing that was taken in is lost, and what is due is exported. So at some limits something is refused, to come again later, and at that of processor time
//! work goes on in what the others leave.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::MOST as LARGEST_NUMBER;
use crate::figure::{bytes, number};

/// Between two tenants that both have work, whose share is how large: one with twice the weight has twice as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Weight(u8);

impl Weight {
    /// The least.
    pub const LEAST: u8 = 1;
    /// The most: a hundred times as much as the least.
    pub const MOST: u8 = 100;
}

impl Default for Weight {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<u8> for Weight {
    type Error = String;
    fn try_from(weight: u8) -> Result<Self, String> {
        if (Self::LEAST..=Self::MOST).contains(&weight) {
            Ok(Self(weight))
        } else {
            Err(format!("a weight is a number from {} to {}; who has none set has {}", Self::LEAST, Self::MOST, Self::default()))
        }
    }
}

impl std::str::FromStr for Weight {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.parse::<u8>().unwrap_or_default())
    }
}

impl From<Weight> for u8 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> Self {
        Self::from(weight.0)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The least memory that a limit may leave a module's instance: with less none of them starts.
const LEAST_MEMORY: u64 = 1 << 20;

/// What a tenant may use at most. What is unset has no limit of the tenant's own; those of the program hold for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Processor time of its modules on a day of UTC, in seconds. Beyond it they have what the others leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_seconds: Option<u64>,
    /// Memory of one instance of a module, in bytes. The program's own limit holds where that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Modules that it has uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<u64>,
    /// Their bytes together, as they are compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiled_bytes: Option<u64>,
    /// Bytes of its archive, encrypted as they lie there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// Requests to the API and the console in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
}

/// A tenant's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quotas {
    /// Counted from 1; 0 where nothing was ever said.
    pub version: u32,
    /// What it may use at most.
    pub limits: Limits,
    /// Its share where places of work are scarce.
    pub weight: Weight,
}

impl Quotas {
    /// The next version, with these limits. Refused where one of them would let nothing through.
    pub fn with(&self, limits: Limits, weight: Weight) -> Result<Self, String> {
        if limits.requests == Some(0) {
            return Err("requests: with none a minute nobody could do anything; leave it out for no limit".to_owned());
        }
        if limits.memory_bytes.is_some_and(|memory| memory < LEAST_MEMORY) {
            return Err(format!("memory: with less than {LEAST_MEMORY} bytes no module starts"));
        }
        let Limits { processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests } = limits;
        let all = [processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests];
        if all.into_iter().flatten().any(|limit| limit > LARGEST_NUMBER) {
            return Err(format!("{LARGEST_NUMBER} is the most that a limit can be; leave it out for no limit"));
        }
        Ok(Self { version: self.version.saturating_add(1), limits, weight })
    }
}

impl Limits {
    /// All that are set, for a person: `100 modules, 5.0 GB stored`; `no limits`.
    pub fn text(&self) -> String {
        let set = [
            self.processor_seconds.map(|seconds| format!("{} processor seconds a day", number(seconds))),
            self.memory_bytes.map(|most| format!("{} of memory for a module", bytes(most))),
            self.modules.map(|most| format!("{} modules", number(most))),
            self.compiled_bytes.map(|most| format!("{} of compiled modules", bytes(most))),
            self.stored_bytes.map(|most| format!("{} stored", bytes(most))),
            self.requests.map(|most| format!("{} requests a minute", number(most))),
        ];
        let set: Vec<String> = set.into_iter().flatten().collect();
        if set.is_empty() { "no limits".to_owned() } else { set.join(", ") }
    }
}

/// A limit that stands in the way, as it is told to whom it is in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// So many modules.
    Modules(u64),
    /// So many bytes of compiled modules.
    CompiledBytes(u64),
    /// So many bytes in the archive.
    StoredBytes(u64),
    /// So many requests a minute.
    Requests(u64),
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Modules(most) => write!(f, "your quota is {} modules, and so many are there", number(*most)),
            Self::CompiledBytes(most) => write!(f, "your quota is {} of compiled modules, and with this one there would be more", bytes(*most)),
            Self::StoredBytes(most) => write!(f, "your quota is {} in the archive, and so much is stored", bytes(*most)),
            Self::Requests(most) => write!(f, "your quota is {} requests a minute, with whichever tokens", number(*most)),
        }
    }
}

impl std::error::Error for Reached {}

/// How many requests are let through: as many at once as a minute has, and then at the pace at which they come back.
///
/// Times are in milliseconds, of any clock that does not go back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    /// Requests that count against the limit, in the sixty-thousandths of one that come back each millisecond and request of the limit.
    used: u64,
    at: u64,
}

const MINUTE: u64 = 60_000;

impl Rate {
    /// Lets one through, or says after how many milliseconds one would be.
    pub fn take(&mut self, limit: u64, now: u64) -> Result<(), u64> {
        let (limit, full) = (limit.max(1), limit.max(1).saturating_mul(MINUTE));
        self.come_back(limit, now);
        let used = self.used.saturating_add(MINUTE);
        if used > full {
            return Err((used - full).div_ceil(limit));
        }
        self.used = used;
        Ok(())
    }

    /// How many count against the limit now.
    pub fn used(&self, limit: u64, now: u64) -> u64 {
        let mut then = *self;
        then.come_back(limit.max(1), now);
        then.used.div_ceil(MINUTE)
    }

    fn come_back(&mut self, limit: u64, now: u64) {
        self.used = self.used.saturating_sub(now.saturating_sub(self.at).saturating_mul(limit));
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn each_change_is_a_version() {
        let none = Quotas::default();
        assert_eq!((none.version, u8::from(none.weight), none.limits.text().as_str()), (0, 10, "no limits"));
        let limits = Limits { modules: Some(3), stored_bytes: Some(5_000_000_000), ..Limits::default() };
        let one = none.with(limits, Weight::try_from(20).unwrap()).unwrap();
        assert_eq!((one.version, one.limits.text().as_str()), (1, "3 modules, 5.0 GB stored"));
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, r#"{"version":1,"limits":{"modules":3,"stored_bytes":5000000000},"weight":20}"#);
        assert_eq!(serde_json::from_str::<Quotas>(&text).unwrap(), one);
        for wrong in [
            Limits { requests: Some(0), ..limits },
            Limits { memory_bytes: Some(1_000), ..limits },
            Limits { stored_bytes: Some(u64::MAX), ..limits },
        ] {
            assert!(one.with(wrong, one.weight).is_err(), "{wrong:?}");
        }
        assert!(Weight::try_from(0).is_err() && Weight::try_from(101).is_err());
        assert!("0".parse::<Weight>().is_err() && "1000".parse::<Weight>().is_err() && "100".parse::<Weight>().is_ok());
    }

    /// Beside a list of all that was let through.
    #[test]
    fn in_no_minute_are_there_more_than_twice_as_many() {
        let (mut rate, limit) = (Rate::default(), 7);
        let mut through: Vec<u64> = Vec::new();
        // Somebody who asks each 100 ms, for ten minutes.
        for now in (0..10 * MINUTE).step_by(100) {
            match rate.take(limit, now) {
                Ok(()) => through.push(now),
                Err(wait) => {
                    assert!((1..=MINUTE / limit + 1).contains(&wait), "{wait}");
                    let ([mut then, mut before], wait) = ([rate; 2], now + wait);
                    assert!(before.take(limit, wait - 1).is_err() && then.take(limit, wait).is_ok(), "{now} {wait}");
                }
            }
        }
        assert_eq!(through.iter().take_while(|at| **at < 1_000).count() as u64, limit, "a minute's at once");
        for begin in &through {
            let within = through.iter().filter(|at| (*begin..begin + MINUTE).contains(at)).count() as u64;
            assert!(within <= 2 * limit, "{within}");
        }
        assert!((limit * 10..=limit * 11).contains(&(through.len() as u64)), "{}", through.len());
        assert!((limit - 1..=limit).contains(&rate.used(limit, 10 * MINUTE)) && rate.used(limit, 11 * MINUTE + 1) == 0);
        // A limit that is lifted or lowered counts at once.
        assert!(rate.take(70, 10 * MINUTE).is_ok() && rate.take(3, 10 * MINUTE).is_err());
    }
}
