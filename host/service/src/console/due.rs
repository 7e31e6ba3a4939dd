//! When a policy is due: by the clock of its own time zone, with the days marked on which that clock is changed.

use chrono::{Offset, TimeZone};
use chrono_tz::Tz;
use consign_model::Timestamp;
use consign_model::policy::PolicyVersion;
use maud::{Markup, html};

use crate::schedule::Schedule;

/// When a policy is due next; unset: by hand only, paused, or never again.
pub fn next(policy: &PolicyVersion) -> Option<Timestamp> {
    schedule(policy)?.next_after(Timestamp::now())
}

fn schedule(policy: &PolicyVersion) -> Option<Schedule> {
    Schedule::parse(policy.spec.schedule.as_ref().filter(|_| policy.spec.enabled)?).ok()
}

/// A due time, and by how many minutes the zone's clock has been set since the one before.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    shown: String,
    change: i32,
}

fn due(zone: Tz, from: Timestamp, times: impl Iterator<Item = Timestamp>) -> Vec<Due> {
    let local = |at: Timestamp| zone.timestamp_millis_opt(at.0).single();
    let offset = |at: Timestamp| local(at).map_or(0, |time| time.offset().fix().local_minus_utc());
    let mut before = offset(from);
    let each = times.filter_map(|at| {
        let change = offset(at) - std::mem::replace(&mut before, offset(at));
        Some(Due { shown: local(at)?.format("%a %Y-%m-%d %H:%M:%S %Z").to_string(), change: change / 60 })
    });
    each.collect()
}

/// The next ten.
pub fn list(policy: &PolicyVersion) -> Markup {
    let Some(schedule) = schedule(policy) else {
        return html! { p { @if policy.spec.enabled { "It runs by hand only." } @else { "It is paused." } } };
    };
    let (zone, now) = (schedule.zone(), Timestamp::now());
    let times = due(zone, now, schedule.upcoming(now).take(10));
    html! {
        @if times.is_empty() { p { "It was due for the last time." } } @else {
            ol.due {
                @for Due { shown, change } in times {
                    li {
                        (shown)
                        @if change != 0 {
                            " " span.badge.note { "clock " @if change > 0 { "forward " } @else { "back " } (change.abs()) " min before it" }
                        }
                    }
                }
            }
            p.hint { "By the clock of " (zone.name()) "." }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_change_of_the_clock_is_marked() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let times = ["2026-03-28T17:30:00Z", "2026-03-29T16:30:00Z", "2026-03-30T16:30:00Z"].map(at);
        let found = due(Tz::Europe__Berlin, at("2026-03-28T00:00:00Z"), times.into_iter());
        let shown: Vec<_> = found.iter().map(|due| (due.shown.as_str(), due.change)).collect();
        let wanted = [("Sat 2026-03-28 18:30:00 CET", 0), ("Sun 2026-03-29 18:30:00 CEST", 60), ("Mon 2026-03-30 18:30:00 CEST", 0)];
        assert_eq!(shown, wanted);
        assert_eq!(due(Tz::Europe__Berlin, at("2026-10-24T20:00:00Z"), [at("2026-10-25T17:30:00Z")].into_iter())[0].change, -60);
    }
}
