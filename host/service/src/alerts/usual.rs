//! Whether a policy usually exports something at a due time: by its own history, so nobody has to say how much is normal.
//!
//! Trade has a week's rhythm: nothing on a Sunday is no news, nothing on a Monday evening is. So a due time is compared with the same one of the weeks
//! before. A policy of fewer weeks is compared with its last runs, of which every one has to have exported something: a policy that runs each minute never
//! comes to that at night. Either way one run without anything in what is compared is enough to say nothing: an alarm that is often false is not heard.

use consign_model::Timestamp;
use consign_model::alert::Usual;

/// How far back runs are compared.
pub const WEEKS: i64 = 4;
/// As many of the weeks have to be known.
const KNOWN: usize = 3;
/// So many due runs are compared where fewer weeks are known.
const RUNNING: usize = 10;
const HOUR: i64 = 3_600_000;
const WEEK: i64 = 7 * 24 * HOUR;

/// A run that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRun {
    /// When.
    pub due: Timestamp,
    /// Whether it exported anything.
    pub exported: bool,
}

/// The due runs of a policy, as far back as they are compared, oldest first.
#[derive(Debug, Default)]
pub struct History(Vec<DueRun>);

impl History {
    /// From runs in any order.
    pub fn of(mut runs: Vec<DueRun>) -> Self {
        runs.sort_by_key(|run| run.due);
        Self(runs)
    }

    /// How it is known that the policy exports something at this due time; unset where it is not. Runs at and after it do not count.
    pub fn usual(&self, due: Timestamp) -> Option<Usual> {
        let before = self.0.get(..self.0.partition_point(|run| run.due < due)).unwrap_or_default();
        let weeks: Vec<bool> = (1..=WEEKS).filter_map(|week| exported_at(before, due.0.saturating_sub(week * WEEK))).collect();
        if weeks.len() >= KNOWN {
            let known = u32::try_from(weeks.len()).unwrap_or(u32::MAX);
            return weeks.iter().all(|exported| *exported).then_some(Usual::SameTime(known));
        }
        let last = before.len().checked_sub(RUNNING).and_then(|from| before.get(from..))?;
        last.iter().all(|run| run.exported).then(|| Usual::Running(u32::try_from(RUNNING).unwrap_or(u32::MAX)))
    }

    /// Adds the newest run, and forgets what is too old to be compared.
    pub fn add(&mut self, run: DueRun) {
        let at = self.0.partition_point(|known| known.due < run.due);
        if self.0.get(at).is_none_or(|known| known.due != run.due) {
            self.0.insert(at, run);
        }
        let oldest = run.due.0.saturating_sub(WEEKS * WEEK + HOUR);
        let old = self.0.partition_point(|known| known.due.0 < oldest).min(self.0.len().saturating_sub(RUNNING));
        self.0.drain(..old);
    }
}

/// Whether the run nearest to this time exported anything. Within an hour: where clocks were changed meanwhile, the same time by the clock is an hour off.
fn exported_at(runs: &[DueRun], time: i64) -> Option<bool> {
    let after = runs.partition_point(|run| run.due.0 < time);
    let near = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|at| runs.get(at));
    let nearest = near.min_by_key(|run| (run.due.0 - time).abs())?;
    ((nearest.due.0 - time).abs() <= HOUR).then_some(nearest.exported)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::schedule::Schedule;
    use consign_model::policy::ScheduleSpec;

    /// All due times of some weeks, with something exported where it is said so.
    fn history(cron: &str, zone: &str, from: &str, to: &str, exported: impl Fn(Timestamp) -> bool) -> (History, Vec<Timestamp>) {
        let schedule = Schedule::parse(&ScheduleSpec::Cron { cron: cron.into(), time_zone: zone.into() }).unwrap();
        let to = Timestamp::parse(to).unwrap();
        let dues: Vec<Timestamp> = schedule.upcoming(Timestamp::parse(from).unwrap()).take_while(|due| *due < to).collect();
        let mut history = History::default();
        for due in &dues {
            history.add(DueRun { due: *due, exported: exported(*due) });
        }
        (history, dues)
    }

    fn weekday(time: Timestamp) -> String {
        time.to_utc().format("%a").to_string()
    }

    #[test]
    fn of_a_weeks_rhythm() {
        let is_work = |time: Timestamp| !["Sat", "Sun"].contains(&weekday(time).as_str());
        let (_, dues) = history("0 18 * * *", "UTC", "2026-01-05T00:00:00Z", "2026-02-16T00:00:00Z", is_work);
        let history = History::of(dues.iter().map(|due| DueRun { due: *due, exported: is_work(*due) }).collect());
        let of = |due: &Timestamp| (weekday(*due), history.usual(*due));
        let usual: Vec<_> = dues.iter().rev().take(7).rev().map(of).collect();
        assert_eq!(usual.first().unwrap(), &("Mon".to_owned(), Some(Usual::SameTime(4))));
        assert!(usual.iter().all(|(day, usual)| usual.is_some() != ["Sat", "Sun"].contains(&day.as_str())), "{usual:?}");
    }

    #[test]
    fn one_week_without_anything_is_enough_to_say_nothing() {
        let holiday = Timestamp::parse("2026-01-26T18:00:00Z").unwrap();
        let (history, dues) = history("0 18 * * Mon", "UTC", "2026-01-01T00:00:00Z", "2026-02-20T00:00:00Z", |due| due != holiday);
        assert_eq!(history.usual(*dues.last().unwrap()), None);
        // Of four weeks three are known: enough.
        let runs = dues.iter().rev().skip(1).take(4).filter(|due| **due != holiday).map(|due| DueRun { due: *due, exported: true });
        assert_eq!(History::of(runs.collect()).usual(*dues.last().unwrap()), Some(Usual::SameTime(3)));
    }

    #[test]
    fn clocks_that_were_changed_meanwhile() {
        // On 29 March an hour is left out in Berlin.
        let (history, dues) = history("30 18 * * Mon", "Europe/Berlin", "2026-03-01T00:00:00Z", "2026-04-08T00:00:00Z", |_| true);
        assert_eq!(history.usual(*dues.last().unwrap()), Some(Usual::SameTime(4)));
    }

    #[test]
    fn of_few_weeks_by_the_last_ten() {
        let (long, dues) = history("* * * * *", "UTC", "2026-01-05T08:00:00Z", "2026-01-05T08:12:00Z", |_| true);
        let usual = |at: usize| long.usual(*dues.get(at).unwrap());
        assert_eq!((usual(9), usual(10)), (None, Some(Usual::Running(10))));
        let quiet = Timestamp::parse("2026-01-05T08:05:00Z").unwrap();
        let (with_pause, dues) = history("* * * * *", "UTC", "2026-01-05T08:00:00Z", "2026-01-05T08:12:00Z", |due| due != quiet);
        assert_eq!(with_pause.usual(*dues.last().unwrap()), None);
        assert_eq!(History::default().usual(quiet), None);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let (history, _) = history("0 * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", |_| true);
        assert!((28 * 24..=28 * 24 + 3).contains(&history.0.len()), "{}", history.0.len());
    }
}
