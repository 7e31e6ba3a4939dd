//! How long an e-mail that a target did not take is tried again, and when next; and a file that was not yet there ([`crate::wanted`]).
//!
//! The wait grows with the time that has passed since the first attempt: as long again, so the gaps double, between two limits. That needs no counter, so what
//! is no attempt (a target that was not asked at all, since it is down) can't lengthen it. A share of each wait is drawn from the e-mail's own
//! Message-ID: thousands of e-mails that failed in one minute come back spread, and the same one comes at the same time on every node.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Digest, Timestamp};

/// A length of time, in text as `5 min`, `70m`, `5 days`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(60 * minutes))
    }

    fn millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |_| serde::de::Error::custom(format!("{text:?} is no length of time: write it as \"5 min\" or \"5 days\""));
        humantime::parse_duration(&text).map(Self).map_err(wrong)
    }
}

/// How an e-mail is tried again that was deferred, not sent or not answered. What a person asks for begins it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Backoff {
    first: Span,
    most: Span,
    within: Span,
}

/// As a person writes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Written {
    first: Span,
    most: Span,
    within: Span,
}

impl Default for Written {
    fn default() -> Self {
        Self { first: Span::minutes(5), most: Span::minutes(70), within: Span::minutes(5 * 24 * 60) }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        let Written { first, most, within } = Written::default();
        Self { first, most, within }
    }
}

impl From<Backoff> for Written {
    fn from(Backoff { first, most, within }: Backoff) -> Self {
        Self { first, most, within }
    }
}

impl TryFrom<Written> for Backoff {
    type Error = String;

    fn try_from(Written { first, most, within }: Written) -> Result<Self, String> {
        if first.0 < Duration::from_secs(1) {
            return Err(format!("retry: first is {first}, and has to be a second at least"));
        }
        if most < first || within < most {
            return Err(format!(
                "retry: first ({first}), most ({most}) and within ({within}) have to be in this order: each at least as long as the one before"
            ));
        }
        Ok(Self { first, most, within })
    }
}

impl Backoff {
    /// The usual waits, for so long.
    pub fn lasting(within: Span) -> Self {
        let usual = Self::default();
        let most = usual.most.min(within);
        Self { first: usual.first.min(most), most, within }
    }

    /// When an e-mail is tried next whose attempts began at `since` and whose newest one began at `at`; unset where the time for it is over, which it is
    /// only after an attempt at its end. `id` spreads e-mails that failed together.
    pub fn next(&self, id: &str, since: Timestamp, at: Timestamp) -> Option<Timestamp> {
        let last = since.0.saturating_add(self.within.millis());
        (at.0 < last).then(|| Timestamp(self.next_without_end(id, since, at).0.min(last)))
    }

    /// As [`Self::next`], for what is never given up.
    pub fn next_without_end(&self, id: &str, since: Timestamp, at: Timestamp) -> Timestamp {
        let (passed, first, most) = (at.0.saturating_sub(since.0).max(0), self.first.millis(), self.most.millis());
        let base = passed.clamp(first, most);
        let low = base.min(most / 4 * 3).max(first);
        let spread = base.saturating_add(base / 2).min(most).saturating_sub(low).max(0);
        let wait = low.saturating_add(spread.saturating_mul(drawn(id, passed)) >> 16);
        Timestamp(at.0.saturating_add(wait))
    }

    /// How long after the first attempt the last one is.
    pub fn within(&self) -> Span {
        self.within
    }

    /// After the shortest wait, from this time on.
    pub fn after_first(&self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.saturating_add(self.first.millis()))
    }
}

/// A number below 65,536, the same for the same e-mail and attempt.
fn drawn(id: &str, passed: i64) -> i64 {
    let [high, low, ..] = Digest::of(format!("{id} {passed}").as_bytes()).0;
    i64::from(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const MINUTE: i64 = 60_000;

    /// The attempts of an e-mail that is never taken, in minutes.
    fn attempts(backoff: &Backoff, id: &str) -> Vec<i64> {
        let (since, mut at) = (Timestamp(1_000_000), Timestamp(1_000_000));
        let mut all = vec![0];
        while let Some(next) = backoff.next(id, since, at) {
            assert!(next > at);
            all.push((next.0 - since.0) / MINUTE);
            at = next;
        }
        all
    }

    #[test]
    fn waits_double_between_the_limits_and_end_with_an_attempt() {
        let backoff = Backoff::default();
        for id in (0..100).map(|number| format!("{number}@corp.example")) {
            let attempts = attempts(&backoff, &id);
            let gaps: Vec<i64> = attempts.windows(2).map(|two| two[1] - two[0]).collect();
            assert!(gaps[..gaps.len() - 1].iter().all(|gap| (4..=70).contains(gap)), "{gaps:?}");
            assert!(gaps[0] <= 7 && gaps[5..gaps.len() - 1].iter().all(|gap| *gap >= 51), "{gaps:?}");
            assert_eq!(*attempts.last().unwrap(), 5 * 24 * 60, "the last attempt is at the very end");
            // 5 days in gaps of 52 to 70 minutes.
            assert!((105..=145).contains(&attempts.len()), "{}", attempts.len());
        }
    }

    #[test]
    fn e_mails_that_failed_together_come_back_spread() {
        let backoff = Backoff::default();
        let at = Timestamp(40 * MINUTE);
        let mut seconds: Vec<i64> = (0..1_000).map(|id| backoff.next(&id.to_string(), Timestamp(0), at).unwrap().0 / 1_000).collect();
        seconds.sort_unstable();
        seconds.dedup();
        assert!(seconds.len() > 400, "{} different seconds", seconds.len());
    }

    #[test]
    fn as_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Backoff>(text);
        assert_eq!(read("{}").unwrap(), Backoff::default());
        let short = read(r#"{"first": "30s", "most": "10 min", "within": "1 day"}"#).unwrap();
        assert_eq!(serde_json::to_string(&short).unwrap(), r#"{"first":"30s","most":"10m","within":"1day"}"#);
        assert_eq!(read(&serde_json::to_string(&short).unwrap()).unwrap(), short);
        for (wrong, says) in [
            (r#"{"first": "soon"}"#, "no length of time"),
            (r#"{"first": "0s"}"#, "a second at least"),
            (r#"{"first": "2h"}"#, "in this order"),
            (r#"{"within": "1 min"}"#, "in this order"),
            (r#"{"for": "1 day"}"#, "unknown field"),
        ] {
            assert!(read(wrong).unwrap_err().to_string().contains(says), "{wrong}");
        }
    }
}
