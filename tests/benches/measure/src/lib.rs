//! What all benches share.
//!
//! A lone time says little on a machine that others use too, so nothing is timed alone: the two that are compared run one after the other, again and
//! again, the one that goes first taking turns, and what counts is the median of the *ratios* of neighbours. Processor time is told beside the clock's, since
//! neighbours change it less.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// By the clock.
    pub wall: Duration,
    /// Of the processor, user and system, of this process and those that it has waited for.
    pub cpu: Duration,
}

/// Runs it and tells what it took.
pub fn took<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (begun, cpu) = (Instant::now(), processor_time());
    let made = work();
    (made, Took { wall: begun.elapsed(), cpu: processor_time().saturating_sub(cpu) })
}

/// Of this process and of its children that have ended and were waited for.
pub fn processor_time() -> Duration {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(|who| usage(who).0).sum()
}

/// What a program took that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// Of the processor.
    pub cpu: Duration,
    /// The most memory that it had at once, in bytes.
    pub peak: u64,
}

/// Waits for a program's end.
pub fn wait(child: &Child) -> std::io::Result<Ended> {
    let id = libc::pid_t::try_from(child.id()).map_err(std::io::Error::other)?;
    let mut status = 0;
    // SAFETY: `rusage` is plain numbers, for which zeroes are values, and the call fills two places that live through it.
    let (ended, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(id, &raw mut status, 0, &raw mut usage), usage)
    };
    if ended != id {
        return Err(std::io::Error::last_os_error());
    }
    let (cpu, peak) = figures(&usage);
    Ok(Ended { status: std::os::unix::process::ExitStatusExt::from_raw(status), cpu, peak })
}

fn usage(who: libc::c_int) -> (Duration, u64) {
    // SAFETY: as above.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    figures(&usage)
}

fn figures(usage: &libc::rusage) -> (Duration, u64) {
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.try_into().unwrap_or_default()) + Duration::from_micros(time.tv_usec.try_into().unwrap_or_default())
    };
    (time(usage.ru_utime) + time(usage.ru_stime), u64::try_from(usage.ru_maxrss).unwrap_or_default() * 1024)
}

/// The middle one of some values, and how far they go.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    ///
    /// # Panics
    /// Where there is none.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values[index.min(values.len() - 1)];
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) { f64::midpoint(at(middle - 1), at(middle)) } else { at(middle) };
        Self { median, min: at(0), max: at(values.len() - 1) }
    }
}

/// As `1.32 (1.20-1.41)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.median.abs() >= 100.0 { 0 } else { 2 };
        write!(f, "{:.digits$} ({:.digits$}-{:.digits$})", self.median, self.min, self.max)
    }
}

/// What pairs of runs took.
#[derive(Debug)]
pub struct Pairs {
    /// Each with its neighbour: ours, the peer's.
    pub runs: Vec<(Took, Took)>,
}

impl Pairs {
    /// Runs both so often, after one pair that does not count, the first of a pair taking turns.
    pub fn run(count: usize, mut ours: impl FnMut() -> Took, mut peer: impl FnMut() -> Took) -> Self {
        let mut runs = Vec::with_capacity(count);
        for round in 0..=count {
            let pair = if round % 2 == 0 {
                let first = ours();
                (first, peer())
            } else {
                let first = peer();
                (ours(), first)
            };
            if round > 0 {
                runs.push(pair);
            }
        }
        Self { runs }
    }

    /// Ours divided by the peer's, pair by pair, by the clock. More than 1: ours takes longer.
    pub fn wall(&self) -> Spread {
        self.ratio(|took| took.wall)
    }

    /// The same by processor time.
    pub fn cpu(&self) -> Spread {
        self.ratio(|took| took.cpu)
    }

    /// The peer's time divided by ours: how many times as fast ours is.
    pub fn faster(&self) -> Spread {
        Spread::of(self.runs.iter().map(|(ours, peer)| peer.wall.as_secs_f64() / ours.wall.as_secs_f64()).collect())
    }

    fn ratio(&self, of: impl Fn(&Took) -> Duration) -> Spread {
        Spread::of(self.runs.iter().map(|(ours, peer)| of(ours).as_secs_f64() / of(peer).as_secs_f64()).collect())
    }

    /// Our times by the clock, in seconds.
    pub fn ours(&self) -> Spread {
        Spread::of(self.runs.iter().map(|(ours, _)| ours.wall.as_secs_f64()).collect())
    }

    /// The peer's.
    pub fn peer(&self) -> Spread {
        Spread::of(self.runs.iter().map(|(_, peer)| peer.wall.as_secs_f64()).collect())
    }
}

/// Splitmix64: the same numbers in each run.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One below this.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % (end as u64)).unwrap_or_default()
    }
}

/// How a bench ends: with 1 only where something failed, which is said.
pub fn ended<E: fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the bench failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `consign` as it is built now, or as `CONSIGN_BIN` says.
pub fn program() -> std::io::Result<PathBuf> {
    if let Some(program) = std::env::var_os("CONSIGN_BIN") {
        return Ok(program.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let built = Command::new("cargo").args(["build", "--release", "--locked", "--bin", "consign"]).current_dir(&root).status()?;
    if !built.success() {
        return Err(std::io::Error::other("consign could not be built"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/consign"))
}

/// Prints where and when this is measured, as the table in `tests/README.md` has it.
pub fn print_place() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo").lines().find_map(|line| line.strip_prefix("model name\t: ").map(str::to_owned)).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let days = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / 86_400);
    println!("{} on {cpu}, {cores} cores, Linux {}", date(days), read("/proc/sys/kernel/osrelease").trim());
}

/// A day, counted from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> String {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    format!("{:04}-{month:02}-{:02}", yoe + era * 400 + u64::from(month <= 2), doy - (153 * mp + 2) / 5 + 1)
}

/// Prints a row of the table: what, against what, what is wanted, what came out, and whether that holds.
pub fn print_row(what: &str, against: &str, wanted: &str, measured: &str, holds: bool) {
    println!("| {what} | {against} | {wanted} | {measured} | {} |", if holds { "yes" } else { "**no**" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_dates() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(spread.to_string(), "2.00 (1.00-3.00)");
        assert!((Spread::of(vec![1.0, 2.0]).median - 1.5).abs() < 1e-9);
        assert_eq!((date(0), date(20_783)), ("1970-01-01".to_owned(), "2026-11-26".to_owned()));
    }
}
