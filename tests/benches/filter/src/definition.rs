//! What is filtered for, and the filter in native Rust.
//!
//! The native one is what somebody would write who trusts everybody: the host's own way of looking for needles (the crate aho-corasick, made once for all chats), over the
//! bytes of the columns as they are, and only in the texts of events that pass everything else.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};
use consign_model::EventBatch;
use serde_json::{Value, json};

use crate::Fault;

/// In ASCII and small letters, as every side has them.
pub const NEEDLES: [&str; 20] = [
    "timeout",
    "deadline",
    "password",
    "confidential",
    "urgent",
    "off the record",
    "call me",
    "delete this",
    "guarantee",
    "settlement",
    "keep this",
    "private",
    "between us",
    "agreement",
    "deterministic",
    "regression",
    "release",
    "benchmark",
    "not public",
    "deprecated",
];

/// 2019-06-01 and 2025-01-01 at midnight, UTC, in milliseconds since 1970; the latter is the first moment that does not count.
pub const PERIOD: (i64, i64) = (1_559_347_200_000, 1_735_689_600_000);
/// The same for `std/period`.
const PERIOD_IN_WORDS: (&str, &str) = ("2019-06-01T00:00:00Z", "2025-01-01T00:00:00Z");

/// Characters beyond ASCII that are letters of ASCII where case does not count. A text with one of them is folded before it is looked through.
const FOLD_INTO_ASCII: [&str; 2] = ["\u{17F}", "\u{212A}"];

/// A verdict: kept, or the rule that leaves it out, counted from 1.
pub const KEEP: u8 = 0;
const OTHER_SENDER: u8 = 1;
const OUTSIDE_PERIOD: u8 = 2;
const NO_KEYWORD: u8 = 3;

/// The filter with what it asks for.
pub struct Definition {
    /// Ids of the people whose messages count.
    pub who: Vec<String>,
    listed: HashSet<String>,
    needles: AhoCorasick,
}

impl Definition {
    pub fn new(who: Vec<String>) -> Result<Self, Fault> {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::Standard).ascii_case_insensitive(true);
        let needles = builder.build(NEEDLES.iter().chain(&FOLD_INTO_ASCII))?;
        Ok(Self { listed: who.iter().cloned().collect(), who, needles })
    }

    /// For the component.
    pub fn config(&self) -> Value {
        json!({"any": NEEDLES, "ignore-case": true, "who": self.who, "from": PERIOD.0, "to": PERIOD.1})
    }

    /// For the standard modules, by their names.
    pub fn standard(&self) -> [(&'static str, Value); 3] {
        [
            ("participants", json!({"who": {"ids": self.who}, "by": "sender"})),
            ("period", json!({"from": PERIOD_IN_WORDS.0, "to": PERIOD_IN_WORDS.1})),
            ("keywords", json!({"any": NEEDLES, "ignore-case": true})),
        ]
    }

    /// One verdict for each event, in native Rust.
    pub fn verdicts(&self, batch: &EventBatch) -> Vec<u8> {
        let listed: Vec<bool> = batch.users.iter().map(|user| self.listed.contains(user)).collect();
        if !listed.contains(&true) {
            return vec![OTHER_SENDER; batch.len()];
        }
        let mut start = 0;
        let columns = batch.senders.iter().zip(&batch.times).zip(&batch.texts.ends);
        let verdicts = columns.map(|((sender, at), end)| {
            let text = start..*end as usize;
            start = *end as usize;
            if !listed.get(*sender as usize).is_some_and(|listed| *listed) {
                OTHER_SENDER
            } else if *at < PERIOD.0 || *at >= PERIOD.1 {
                OUTSIDE_PERIOD
            } else if self.any_in(batch.texts.bytes.get(text).unwrap_or_default()) {
                KEEP
            } else {
                NO_KEYWORD
            }
        });
        verdicts.collect()
    }

    /// The same, but every text is looked through: what the host does that does not know which texts will count.
    pub fn verdicts_of_all_texts(&self, batch: &EventBatch) -> Vec<u8> {
        let mut start = 0;
        let holds = batch.texts.ends.iter().map(|end| {
            let text = start..*end as usize;
            start = *end as usize;
            self.any_in(batch.texts.bytes.get(text).unwrap_or_default())
        });
        let holds: Vec<bool> = holds.collect();
        let verdicts = holds.into_iter().enumerate().map(|(row, holds)| if holds && self.asks_for_text(batch, row) { KEEP } else { NO_KEYWORD });
        verdicts.collect()
    }

    /// Whether an event passes all but the needles.
    pub fn asks_for_text(&self, batch: &EventBatch, row: usize) -> bool {
        let sender = batch.senders.get(row).and_then(|sender| batch.users.get(*sender as usize));
        let at = batch.times.get(row).is_some_and(|at| (PERIOD.0..PERIOD.1).contains(at));
        at && sender.is_some_and(|sender| self.listed.contains(sender))
    }

    fn any_in(&self, text: &[u8]) -> bool {
        match self.needles.find(text) {
            None => false,
            Some(found) if found.pattern().as_usize() < NEEDLES.len() => true,
            Some(_) => {
                let text = String::from_utf8_lossy(text).replace(FOLD_INTO_ASCII[0], "s").replace(FOLD_INTO_ASCII[1], "k");
                self.needles.is_match(&text)
            }
        }
    }
}
