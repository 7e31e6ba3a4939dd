//! Made-up input for the two doors by which a tenant's bytes come in: the component loader, and the checks of what modules answer.
//!
//! Both are tried for a minute each, `CONSIGN_FUZZ_SECONDS` for longer. Every case has a number of its own, from which all of it follows: the seed's
//! numbers are the cases' numbers. A case that fails prints its number, and `CONSIGN_FUZZ_CASE=NUMBER` has it alone again; a component that brings the
//! loader down is written to a file first, by whose name `CONSIGN_FUZZ_FILE` has it loaded again.
//!
//! Like `hostile`, this links the sandbox, which is called some thousand times a second.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod image;
mod loader;
mod model;
mod mutate;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use consign_tests::{Random, say, seed};

/// How long each door is tried.
fn time() -> Duration {
    let given = std::env::var("CONSIGN_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    Duration::from_secs(given.unwrap_or(60))
}

/// The case that is asked for alone.
fn only() -> Option<u64> {
    std::env::var("CONSIGN_FUZZ_CASE").ok().map(|text| text.parse().unwrap())
}

/// What this process has of the machine's memory, in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
}

/// Says which case it was, if one panics.
struct Case {
    what: &'static str,
    number: u64,
}

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(format_args!("{}: CONSIGN_FUZZ_CASE={} has this case alone", self.what, self.number));
        }
    }
}

/// Tries cases until the time is over, and says how many ended in what way. Each case answers with the words for its end.
fn cases(what: &'static str, mut case: impl FnMut(u64, Random) -> String) -> BTreeMap<String, u64> {
    let mut ends = BTreeMap::<String, u64>::new();
    let mut times = BTreeMap::<String, Duration>::new();
    let mut numbers = Random::new(seed(what));
    let (begun, mut count, memory_before) = (Instant::now(), 0_u64, memory());
    while begun.elapsed() < time() {
        let number = only().unwrap_or_else(|| numbers.bits());
        let running = Case { what, number };
        let started = Instant::now();
        let end = case(number, Random::new(number));
        *times.entry(end.clone()).or_default() += started.elapsed();
        *ends.entry(end).or_default() += 1;
        drop(running);
        count += 1;
        if only().is_some() {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mut text =
        format!("{what}: {count} cases in {seconds:.0} s, {:.0} a second; memory {memory_before} to {} MiB", count as f64 / seconds, memory());
    for ((end, count), time) in ends.iter().zip(times.values()) {
        let _ = write!(text, "\n    {count:>9} in {:>5.1} s: {end}", time.as_secs_f64());
    }
    say(text);
    ends
}
