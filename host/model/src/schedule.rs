//! When a policy, or a source that is asked, is due: from the text of its schedule to instants.
//!
//! The `cron` crate steps through a calendar and knows no clock change: over a zone it skips or repeats due times. So it is asked in *local* time as if
//! that were UTC, and each answer is mapped to the first instant at which the wall clock **has reached** it:
//! - a time that the clocks skip (spring) is due at the first instant after the gap, and several skipped ones make one due time there;
//! - a time that they show twice (autumn) is due when it is first shown, so nothing is due while the hour repeats.
//!
//! That mapping never falls as local time rises, so due times always rise and none comes twice. The price, unlike with Vixie's cron: an hourly policy rests
//! once for two hours in autumn. Nothing is lost by it: a run takes all that arrived since the last one.
//!
//! What the fields mean is said at [`Schedule`].

mod fields;
mod zones;

pub use self::zones::Near;
use crate::Timestamp;
use crate::policy::ScheduleSpec;
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Why a schedule was refused. Each says what is written, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Too few or too many fields.
    #[error(
        "the cron '{cron}' has {found} fields: write five (minute, hour, day of month, month, day of week), six with the second before them, or seven with the year behind"
    )]
    FieldCount {
        /// As written.
        cron: String,
        /// How many fields it has.
        found: usize,
    },
    /// A field that can't be read.
    #[error("the cron '{cron}', field {field}: '{written}' {problem}. Allowed: {allowed}")]
    Field {
        /// As written.
        cron: String,
        /// Which field.
        field: &'static str,
        /// The part of it that is wrong.
        written: String,
        /// What is wrong with it.
        problem: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// An `@word` that names no schedule.
    #[error("the cron '{cron}' is not known: write @hourly, @daily, @weekly, @monthly or @yearly, or five fields as '30 18 * * Mon-Fri'")]
    Nickname {
        /// As written.
        cron: String,
    },
    /// No date fits.
    #[error("the cron '{cron}' never fires: {why}. Change one of its fields")]
    Never {
        /// As written.
        cron: String,
        /// Which dates are asked for and don't exist.
        why: String,
    },
    /// A zone that the tables don't know.
    #[error(
        "the time zone '{written}' is not known{near}: write a name of the IANA tables as 'Europe/Berlin' or 'UTC'; an offset or an abbreviation is none"
    )]
    Zone {
        /// As written.
        written: String,
        /// `; did you mean 'Europe/Berlin'?`, or nothing.
        near: Near,
    },
    /// A `once` that is no local time.
    #[error(
        "once = '{written}' is no local time: write it as '2026-03-01T02:00' or '2026-03-01T02:00:30', without Z or an offset; the zone stands in time-zone"
    )]
    Once {
        /// As written.
        written: String,
    },
    /// Nothing is due any more.
    #[error(
        "the schedule '{written}' ({zone}) is over: it has no time after {now}. Give it a later one, or leave the schedule out and run the policy by hand"
    )]
    Over {
        /// As written.
        written: String,
        /// Its zone.
        zone: String,
        /// The time that it was compared with.
        now: Timestamp,
    },
}

/// When a policy is due, ready to be asked.
///
/// # Fields of `cron`
/// Five as in cron(5): minute, hour, day of month, month, day of week. Six put the second before them, seven also the year (1970 to 2100) behind.
/// In all three forms:
/// - a field is `*`, a value, a range `a-b`, a step `*/n`, `a-b/n` or `a/n` (from `a` to the field's end), or a list of these with commas;
/// - Sunday is 0 or 7, Monday 1. Months and days of the week have names too, of three letters or in full, in any case, also in ranges: `Mon-Fri`, `Sat-Sun`;
/// - where neither day of month nor day of week begins with `*`, a day that fits **either** is due; else a day must fit both. `?` in these two is `*`;
/// - `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly`, `@yearly` (`@annually`) are known.
///
/// Unlike other crons': a range never wraps (`22-23,0-2`, not `22-2`), a step is never 0, `L`, `W`, `#` and `@reboot` are refused, and what is due around
/// clock changes is said at the head of this module. Nothing is due after the year 2100.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    rule: Rule,
    zone: Tz,
    /// As written, for texts.
    written: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Once(Timestamp),
    /// In local time as if it were UTC; due is what any of them says. There are two where a day may fit either of two fields, else one.
    Cron(Vec<cron::Schedule>),
}

impl Schedule {
    /// Reads a schedule. One that has no due time at all, ever, is refused; one whose last due time has passed is not, since a stored policy stays
    /// what it is: see [`Schedule::first_after`].
    pub fn parse(spec: &ScheduleSpec) -> Result<Self, ScheduleError> {
        match spec {
            ScheduleSpec::Cron { cron, time_zone } => {
                let zone = zones::find(time_zone)?;
                Ok(Self { rule: Rule::Cron(fields::read(cron)?), zone, written: shown(cron) })
            }
            ScheduleSpec::Once { once, time_zone } => {
                let zone = zones::find(time_zone)?;
                let local = local_time(once).ok_or_else(|| ScheduleError::Once { written: shown(once) })?;
                Ok(Self { rule: Rule::Once(instant(zone, local)), zone, written: shown(once) })
            }
        }
    }

    /// The next due time, where a person has just written this schedule: one that is over already (a year or a `once` in the past) would never run, and
    /// that is an error then.
    pub fn first_after(&self, now: Timestamp) -> Result<Timestamp, ScheduleError> {
        self.next_after(now).ok_or_else(|| ScheduleError::Over { written: self.written.clone(), zone: self.zone.name().to_owned(), now })
    }

    /// The first due time later than this one; none where the schedule is over.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let crons = match &self.rule {
            Rule::Once(at) => return (*at > after).then_some(*at),
            Rule::Cron(crons) => crons,
        };
        // The crate casts the year to an unsigned one, and knows none before 1970.
        let mut local = to_local(self.zone, after).max(floor());
        loop {
            local = crons.iter().filter_map(|cron| cron.after(&local.and_utc()).next()).min()?.naive_utc();
            let due = instant(self.zone, local);
            // Not later only while an hour repeats: these were due when it was first shown.
            if due > after {
                return Some(due);
            }
        }
    }

    /// The newest due time in `(after, now]`: the one run that stands for all that were missed. Takes some fifty steps, however long ago `after` is.
    pub fn latest_at_or_before(&self, now: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let mut best = self.next_after(after).filter(|due| *due <= now)?;
        // Nothing is due in (bound, now], and `best` is due and not above `bound`: go back from now in growing steps, then halve what is left.
        let mut bound = now;
        let mut back = 60_000;
        while best < bound {
            let probe = Timestamp(bound.0.saturating_sub(back)).max(best);
            if let Some(due) = self.next_after(probe).filter(|due| *due <= now) {
                best = due;
                back = ((bound.0 - best.0) / 2).max(1);
            } else {
                bound = probe;
                back = back.saturating_mul(2);
            }
        }
        Some(best)
    }

    /// All due times later than this one, rising.
    pub fn upcoming(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next_after(after), |due| self.next_after(*due))
    }

    /// The zone in which it is read.
    pub fn zone(&self) -> Tz {
        self.zone
    }
}

/// The local second before the first that the `cron` crate can name.
fn floor() -> NaiveDateTime {
    DateTime::UNIX_EPOCH.naive_utc() - TimeDelta::seconds(1)
}

/// What the wall clock shows.
fn to_local(zone: Tz, at: Timestamp) -> NaiveDateTime {
    at.to_utc().with_timezone(&zone).naive_local()
}

/// The first instant at which the wall clock has reached this local time.
fn instant(zone: Tz, local: NaiveDateTime) -> Timestamp {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => Timestamp(at.timestamp_millis()),
        LocalResult::Ambiguous(one, other) => Timestamp(one.min(other).timestamp_millis()),
        LocalResult::None => Timestamp(gap_end(zone, local) * 1000),
    }
}

/// The second at which the clocks jumped over this local time.
fn gap_end(zone: Tz, local: NaiveDateTime) -> i64 {
    // No zone has ever been 26 hours from UTC, so the jump lies between; before it the clock shows less than `local`, from it on more.
    let middle = local.and_utc().timestamp();
    let (mut before, mut after) = (middle - 26 * 3600, middle + 26 * 3600);
    while after - before > 1 {
        let probe = i64::midpoint(before, after);
        let utc: DateTime<Utc> = DateTime::from_timestamp(probe, 0).unwrap_or_default();
        let shown = probe + i64::from(zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc());
        if shown > middle { after = probe } else { before = probe }
    }
    after
}

/// `2026-03-01T02:00`, or with seconds, and nothing else.
fn local_time(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.trim().split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = if time.len() == 5 {
        let [hour, minute] = numbers(time, ':', [2, 2])?;
        [hour, minute, 0]
    } else {
        numbers(time, ':', [2, 2, 2])?
    };
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?.and_hms_opt(hour, minute, second)
}

/// Numbers of exactly so many digits, with this between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u32; N]> {
    let mut out = [0; N];
    let mut parts = text.split(between);
    for (value, digits) in out.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// What a person wrote, fit for one line of a message.
fn shown(text: &str) -> String {
    text.trim().chars().take(80).flat_map(char::escape_debug).collect::<String>().replace("\\'", "'")
}

#[cfg(test)]
mod tests;
