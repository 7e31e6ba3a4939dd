//! What is measured of each guest, and what is asked of it.
//!
//! - **In time.** A guest that has to be stopped at a deadline is stopped within two ticks and 10 ms of it, by the clock. On a busy machine the guest's thread
//!   may stand in the queue for a core when its deadline comes, and says nothing then of who stops it. So attempts are judged that were *undisturbed*, which
//!   waited less than 5 ms for a core: nine in ten of them have to be in time (a virtual machine can lose its processor without being told). Where
//!   fewer than half were undisturbed, the best attempt has to be in time, without what its thread waited: a ticker that is late, or a host function that
//!   does not look at the clock, is late in every attempt. The worst one is printed. A process that compiles is killed at its deadline, but has all of its
//!   memory to give back before it is gone, and waits for a core like everybody: it has a second for that.
//! - **Beside others.** The honest tenant's p99 of a batch is at most doubled, over all batches beside any guest against all batches alone, which were
//!   measured in turns. Again without the queue; and where the machine was quiet (alone, the tenant waited for a core less than a hundredth of its time)
//!   by the clock as well. For each guest by itself the same holds of the median: a guest's turn has too few batches for a p99 that says anything; the
//!   worst p99 is printed.
//! - **Memory.** After each guest the process has less than 64 MiB more than before the first one.

use std::fmt;
use std::time::Duration;

use crate::attempt::Over;
use crate::honest::Batches;

/// Two ticks and 10 ms.
const MOST_OVER: Duration = Duration::from_millis(30);
/// Of a process that compiles, with up to 2 GiB.
const MOST_OVER_COMPILING: Duration = Duration::from_secs(1);
/// In the queue for a core, of an attempt that counts as undisturbed.
const UNDISTURBED: Duration = Duration::from_millis(5);
/// Of the honest tenant's batches beside a guest to those alone.
const MOST_TIMES: f64 = 2.0;
/// Of the process, over all guests.
const MOST_MEMORY: u64 = 64 << 20;
/// Batches after which a single preemption does not make a p99 by the clock.
const ENOUGH: usize = 2_000;
/// Of its time alone, that the honest tenant waits for a core on a quiet machine.
const QUIET: f64 = 0.01;

/// Of one guest.
#[derive(Debug)]
pub struct Figures {
    /// Its name.
    pub guest: String,
    /// What must happen to it.
    pub must: String,
    /// Whether it is compiled for ever.
    pub compiling: bool,
    /// How often it tried.
    pub times: usize,
    /// What the probe said of it.
    pub probe: &'static str,
    /// By how much it was over its deadline, each time; empty where it has none.
    pub over: Vec<Over>,
    /// The honest tenant's batches before it.
    pub alone: Batches,
    /// And beside it.
    pub beside: Batches,
    /// What the process had when it was gone, in bytes.
    pub memory: u64,
}

/// The value that this share of all is not over.
fn quantile<T: Copy + Ord + Default>(values: impl IntoIterator<Item = T>, share: f64) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among some thousand values")]
    let at = ((values.len().saturating_sub(1)) as f64 * share) as usize;
    values.get(at).copied().unwrap_or_default()
}

fn times(beside: Duration, alone: Duration) -> f64 {
    beside.as_secs_f64() / alone.as_secs_f64().max(1e-9)
}

impl Figures {
    fn undisturbed(&self) -> Vec<Duration> {
        self.over.iter().filter(|over| over.queue < UNDISTURBED).map(|over| over.by).collect()
    }

    /// By how much it is over its deadline, as it is judged.
    fn judged_over(&self) -> Option<Duration> {
        let undisturbed = self.undisturbed();
        if 2 * undisturbed.len() >= self.over.len() && !undisturbed.is_empty() {
            return Some(quantile(undisturbed, 0.9));
        }
        self.over.iter().map(|over| over.by.saturating_sub(if self.compiling { Duration::ZERO } else { over.queue })).min()
    }

    fn worst_p99(&self) -> f64 {
        times(self.beside.own.quantile(0.99), self.alone.own.quantile(0.99))
    }
}

/// All guests together.
#[derive(Debug)]
pub struct Table {
    /// What the process had before the first one, in bytes.
    pub memory_before: u64,
    /// Calls of the honest tenant that ran out of time, which is as short as the guests', and did not stand in the queue for most of it.
    pub honest_stopped: u64,
    /// In the order in which they came.
    pub guests: Vec<Figures>,
}

impl Table {
    fn pool(&self, of: impl Fn(&Figures) -> &Batches) -> Batches {
        self.guests.iter().fold(Batches::default(), |all, figures| all.and(of(figures)))
    }

    fn waited_alone(&self) -> f64 {
        let alone = self.pool(|figures| &figures.alone);
        times(alone.queued, alone.took)
    }

    /// What is not as it must be.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for figures in &self.guests {
            let name = &figures.guest;
            let most = if figures.compiling { MOST_OVER_COMPILING } else { MOST_OVER };
            if let Some(over) = figures.judged_over().filter(|over| *over > most) {
                problems.push(format!("{name} was stopped {over:?} after its deadline, and {most:?} are the most"));
            }
            let slower = times(figures.beside.own.quantile(0.5), figures.alone.own.quantile(0.5));
            if slower > MOST_TIMES {
                problems.push(format!("beside {name} half of the honest tenant's batches took {slower:.2} times as long and more"));
            }
            let more = figures.memory.saturating_sub(self.memory_before);
            if more >= MOST_MEMORY {
                problems.push(format!("after {name} the process had {more} bytes more than before the first guest"));
            }
        }
        let (alone, beside) = (self.pool(|figures| &figures.alone), self.pool(|figures| &figures.beside));
        let slower = times(beside.own.quantile(0.99), alone.own.quantile(0.99));
        if slower > MOST_TIMES {
            problems.push(format!("beside the guests the honest tenant's p99 was {slower:.2} times as long"));
        }
        let by_the_clock = times(beside.clock.quantile(0.99), alone.clock.quantile(0.99));
        // A batch takes a hundredth of its time. On a busy machine one in a hundred may wait for a lock whose holder has lost its core.
        let batches = (alone.len() + beside.len()) as u64;
        if self.honest_stopped > if self.waited_alone() < QUIET { 0 } else { batches / 100 } {
            problems.push(format!("{} of the honest tenant's {batches} batches ran out of time", self.honest_stopped));
        }
        if self.waited_alone() < QUIET && alone.len() > ENOUGH && by_the_clock > MOST_TIMES {
            problems.push(format!("beside the guests the honest tenant's p99 by the clock was {by_the_clock:.2} times as long, on a quiet machine"));
        }
        problems
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:32} {:22} {:>5} {:>8} | over its deadline, ms    | honest batch, ms     | memory\n{:32} {:22} {:>5} {:>8} | judged  worst undisturbed | p99    alone  times  | MiB",
            "guest", "must", "times", "probe", "", "", "", ""
        )?;
        for figures in &self.guests {
            let over = match figures.judged_over() {
                None => format!("{:25}", ""),
                Some(judged) => {
                    let worst = figures.over.iter().map(|over| over.by).max().unwrap_or_default();
                    format!("{:>6} {:>6} {:>5}/{:<5}", millis(judged), millis(worst), figures.undisturbed().len(), figures.over.len())
                }
            };
            let (beside, alone) = (figures.beside.own.quantile(0.99), figures.alone.own.quantile(0.99));
            writeln!(
                f,
                "{:32} {:22} {:>5} {:>8} | {over}| {:>6.2} {:>6.2} {:>6.2}  | {:+.1}",
                figures.guest,
                figures.must,
                figures.times,
                figures.probe,
                beside.as_secs_f64() * 1e3,
                alone.as_secs_f64() * 1e3,
                times(beside, alone),
                mebibytes(figures.memory) - mebibytes(self.memory_before),
            )?;
        }
        let (alone, beside) = (self.pool(|figures| &figures.alone), self.pool(|figures| &figures.beside));
        let all_over: Vec<Duration> = self.guests.iter().flat_map(|figures| figures.over.iter().map(|over| over.by)).collect();
        writeln!(
            f,
            "{} guests, {} attempts; stopped after the deadline by: median {} ms, p99 {} ms, worst {} ms",
            self.guests.len(),
            self.guests.iter().map(|figures| figures.times).sum::<usize>(),
            millis(quantile(all_over.iter().copied(), 0.5)),
            millis(quantile(all_over.iter().copied(), 0.99)),
            millis(all_over.iter().copied().max().unwrap_or_default()),
        )?;
        writeln!(
            f,
            "honest batches: {} alone, {} beside; p99 {:.2} ms alone, {:.2} ms beside ({:.2} times); by the clock {:.2} and {:.2} ms ({:.2} times); \
             alone it waited for a core {:.1} % of its time; {} ran out of time",
            alone.len(),
            beside.len(),
            alone.own.quantile(0.99).as_secs_f64() * 1e3,
            beside.own.quantile(0.99).as_secs_f64() * 1e3,
            times(beside.own.quantile(0.99), alone.own.quantile(0.99)),
            alone.clock.quantile(0.99).as_secs_f64() * 1e3,
            beside.clock.quantile(0.99).as_secs_f64() * 1e3,
            times(beside.clock.quantile(0.99), alone.clock.quantile(0.99)),
            self.waited_alone() * 100.0,
            self.honest_stopped,
        )?;
        let worst = |value: &dyn Fn(&Figures) -> f64| {
            let worst = self.guests.iter().max_by(|one, other| value(one).total_cmp(&value(other)));
            worst.map(|figures| format!("{} ({:.2})", figures.guest, value(figures))).unwrap_or_default()
        };
        write!(
            f,
            "worst: over its deadline in ms {}; the honest tenant's p99 by {} times; memory in MiB after {}",
            worst(&|figures| figures.judged_over().unwrap_or_default().as_secs_f64() * 1e3),
            worst(&Figures::worst_p99),
            worst(&|figures| mebibytes(figures.memory) - mebibytes(self.memory_before)),
        )
    }
}
