//! `std/period`: events by when they happened.
//!
//! There is no clock: "last week" can't be said, because a policy's window says it already, and because the same events must get the same verdicts for
//! ever. Local times come from the host, event by event, so that the hours of a day are right on both sides of a clock change.

use consign_filter::time::{Date, Local, Weekday, parse_instant, parse_minute_of_day};
use consign_filter::{ConfigError, Criteria, Failure, Manifest, Need, Schema, Verdict, View, config_error};
use serde::Deserialize;

consign_filter::rules! {
    /// Why an event is left out.
    pub enum Why {
        BeforePeriod = "before-period": "it happened before the period",
        AfterPeriod = "after-period": "it happened after the period",
        OutsideDays = "outside-days": "it happened on another day of the week",
        OutsideHours = "outside-hours": "it happened at another hour of the day",
    }
}

/// The configuration; `config.schema.json` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    from: Option<String>,
    to: Option<String>,
    days: Option<Vec<Weekday>>,
    hours: Option<HoursConfig>,
    time_zone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursConfig {
    from: String,
    to: String,
}

/// An end of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// The same everywhere.
    Instant(i64),
    /// The midnight at its beginning, by the clocks of the time zone.
    Day(Date),
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        let day = Date::parse(text).map(Self::Day);
        day.or_else(|| parse_instant(text).map(Self::Instant))
    }

    fn is_reached(self, time: Time) -> bool {
        match self {
            Self::Instant(instant) => time.at >= instant,
            Self::Day(day) => time.local.millis() >= day.midnight(),
        }
    }
}

/// When an event happened.
#[derive(Clone, Copy, Debug)]
struct Time {
    at: i64,
    local: Local,
}

/// Minutes of the day, the end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hours {
    Within {
        from: u16,
        to: u16,
    },
    /// From an evening to the next morning.
    PastMidnight {
        from: u16,
        to: u16,
    },
}

impl Hours {
    /// The day whose hours a local time falls into.
    fn day_of(self, local: Local) -> Option<Date> {
        let minute = local.minute_of_day();
        match self {
            Self::Within { from, to } => (from..to).contains(&minute).then(|| local.date()),
            Self::PastMidnight { from, .. } if minute >= from => Some(local.date()),
            Self::PastMidnight { to, .. } => (minute < to).then(|| local.date().before()),
        }
    }
}

/// The criterion.
#[derive(Debug)]
pub struct Period {
    from: Option<Bound>,
    to: Option<Bound>,
    days: Option<Vec<Weekday>>,
    hours: Option<Hours>,
    zone: String,
}

impl Criteria for Period {
    type Config = Config;
    type Rule = Why;
    const MANIFEST: Manifest = Manifest {
        name: "std/period",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Events of some period, days of the week and hours.",
        needs: &[Need::Times],
        config_schema: Schema::Written(include_str!("../config.schema.json")),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        if let Config { from: None, to: None, days: None, hours: None, .. } = config {
            let message = "give at least one of \"from\", \"to\", \"days\" and \"hours\"";
            errors.push(config_error("", message));
        }
        if config.days.as_ref().is_some_and(Vec::is_empty) {
            errors.push(config_error("/days", "give at least one day, or leave this out"));
        }
        if config.time_zone.as_ref().is_some_and(String::is_empty) {
            errors.push(config_error("/time-zone", "name a time zone, such as Europe/Berlin"));
        }
        let mut bound = |name: &str, text: Option<&String>| {
            let bound = text.map(|text| Bound::parse(text));
            if bound == Some(None) {
                let message = "not a day (2026-01-05) nor an instant with its zone (2026-01-05T08:00:00Z)";
                errors.push(config_error(format!("/{name}"), message));
            }
            bound.flatten()
        };
        let from = bound("from", config.from.as_ref());
        let to = bound("to", config.to.as_ref());
        let nothing_between = match (from, to) {
            (Some(Bound::Instant(from)), Some(Bound::Instant(to))) => to <= from,
            (Some(Bound::Day(from)), Some(Bound::Day(to))) => to <= from,
            // Which comes first depends on the zone.
            _ => false,
        };
        if nothing_between {
            let message = "not after \"from\": no event could ever be kept. \"to\" is the first moment that no longer counts";
            errors.push(config_error("/to", message));
        }
        let hours = config.hours.and_then(|hours| read_hours(&hours, &mut errors));
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { from, to, days: config.days, hours, zone: config.time_zone.unwrap_or_else(|| "UTC".to_owned()) })
    }

    fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<Why>>, Failure> {
        let times = events.times();
        let offsets = if self.is_local() { events.utc_offsets(&self.zone)? } else { vec![0; times.len()] };
        let times = times.into_iter().zip(offsets);
        let times = times.map(|(at, offset)| Time { at, local: Local::new(at, offset) });
        Ok(times.map(|time| self.verdict(time)).collect())
    }
}

impl Period {
    /// Whether any condition looks at the clock on the wall.
    fn is_local(&self) -> bool {
        let by_day = |bound: &Option<Bound>| matches!(bound, Some(Bound::Day(_)));
        self.days.is_some() || self.hours.is_some() || by_day(&self.from) || by_day(&self.to)
    }

    fn verdict(&self, time: Time) -> Verdict<Why> {
        if self.from.is_some_and(|from| !from.is_reached(time)) {
            return Verdict::LeaveOut(Why::BeforePeriod);
        }
        if self.to.is_some_and(|to| to.is_reached(time)) {
            return Verdict::LeaveOut(Why::AfterPeriod);
        }
        let right_day = |date: Date| {
            let days = self.days.as_ref();
            days.is_none_or(|days| days.contains(&date.weekday()))
        };
        let span = match self.hours {
            Some(hours) => hours.day_of(time.local),
            None => Some(time.local.date()),
        };
        match span {
            Some(day) => Verdict::keep_if(right_day(day), Why::OutsideDays),
            None if right_day(time.local.date()) => Verdict::LeaveOut(Why::OutsideHours),
            None => Verdict::LeaveOut(Why::OutsideDays),
        }
    }
}

fn read_hours(config: &HoursConfig, errors: &mut Vec<ConfigError>) -> Option<Hours> {
    let mut minute = |name: &str, text: &str, last: u16| {
        let minute = parse_minute_of_day(text).filter(|minute| *minute <= last);
        if minute.is_none() {
            let message = "not a time of day, such as 08:30";
            errors.push(config_error(format!("/hours/{name}"), message));
        }
        minute
    };
    let from = minute("from", &config.from, 24 * 60 - 1);
    let to = minute("to", &config.to, 24 * 60);
    let (from, to) = (from?, to?);
    if from == to {
        let message = "the same as \"from\": no minute between them. For the whole day leave \"hours\" out";
        errors.push(config_error("/hours/to", message));
        return None;
    }
    Some(if from < to { Hours::Within { from, to } } else { Hours::PastMidnight { from, to } })
}

consign_filter::export_criteria!(Period);

#[cfg(test)]
mod tests;
