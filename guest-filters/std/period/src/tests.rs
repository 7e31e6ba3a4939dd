#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use consign_filter::testing::{FakeView, message};
use consign_filter::{CriteriaSession, parse_config};
use consign_filter_conformance::{check, refused, refused_by_module};

/// Berlin in 2026: summer time from 29 March to 25 October, 01:00 UTC each.
fn berlin(at: i64) -> i32 {
    let instant = |text| parse_instant(text).unwrap();
    let summer = instant("2026-03-29T01:00:00Z")..instant("2026-10-25T01:00:00Z");
    if summer.contains(&at) { 7200 } else { 3600 }
}

fn evaluate(config: &str, instants: &[&str]) -> Result<Vec<Verdict<Why>>, Failure> {
    let mut module = Period::configure(parse_config(config).unwrap()).unwrap();
    let events = instants.iter().map(|text| message("m", parse_instant(text).unwrap()));
    let mut view = FakeView::new(&Period::MANIFEST, events);
    view.zones.insert("Europe/Berlin", berlin);
    module.evaluate(&view)
}

#[track_caller]
fn expect<const N: usize>(config: &str, cases: [(&str, Verdict<Why>); N]) {
    let found = evaluate(config, &cases.map(|(text, _)| text)).unwrap();
    for ((text, expected), found) in cases.iter().zip(found) {
        assert_eq!(found, *expected, "{config} at {text}");
    }
}

const KEEP: Verdict<Why> = Verdict::Keep;
const BEFORE: Verdict<Why> = Verdict::LeaveOut(Why::BeforePeriod);
const AFTER: Verdict<Why> = Verdict::LeaveOut(Why::AfterPeriod);
const DAYS: Verdict<Why> = Verdict::LeaveOut(Why::OutsideDays);
const HOURS: Verdict<Why> = Verdict::LeaveOut(Why::OutsideHours);

#[test]
fn instants_are_half_open_to_the_millisecond() {
    expect(
        r#"{"from":"2026-01-05T08:00:00+01:00","to":"2026-01-05T08:00:01Z"}"#,
        [
            ("2026-01-05T06:59:59.999Z", BEFORE),
            ("2026-01-05T07:00:00.000Z", KEEP),
            ("2026-01-05T08:00:00.999Z", KEEP),
            ("2026-01-05T08:00:01.000Z", AFTER),
        ],
    );
}

#[test]
fn days_begin_at_midnight_of_the_zone() {
    expect(
        r#"{"from":"2026-03-28","to":"2026-03-30","time-zone":"Europe/Berlin"}"#,
        [
            ("2026-03-27T22:59:59.999Z", BEFORE),
            ("2026-03-27T23:00:00Z", KEEP),
            // The clocks have gone forward: midnight is at 22:00 UTC now.
            ("2026-03-29T21:59:59.999Z", KEEP),
            ("2026-03-29T22:00:00Z", AFTER),
        ],
    );
    expect(r#"{"to":"2026-01-01"}"#, [("2025-12-31T23:59:59.999Z", KEEP), ("2026-01-01T00:00:00Z", AFTER)]);
}

#[test]
fn a_day_and_an_instant_go_together() {
    expect(
        r#"{"from":"2026-01-05","to":"2026-01-05T00:30:00Z","time-zone":"Europe/Berlin"}"#,
        [("2026-01-04T22:59:59Z", BEFORE), ("2026-01-04T23:00:00Z", KEEP), ("2026-01-05T00:30:00Z", AFTER)],
    );
}

#[test]
fn working_hours_on_both_sides_of_a_clock_change() {
    // Friday 27 and Monday 30 March 2026.
    expect(
        r#"{"days":["Mon","Tue","Wed","Thu","Fri"],"hours":{"from":"08:00","to":"18:00"},"time-zone":"Europe/Berlin"}"#,
        [
            ("2026-03-27T06:59:59.999Z", HOURS),
            ("2026-03-27T07:00:00Z", KEEP),
            ("2026-03-27T16:59:59.999Z", KEEP),
            ("2026-03-27T17:00:00Z", HOURS),
            ("2026-03-28T10:00:00Z", DAYS),
            ("2026-03-28T03:00:00Z", DAYS),
            ("2026-03-30T05:59:59.999Z", HOURS),
            ("2026-03-30T06:00:00Z", KEEP),
            ("2026-03-30T16:00:00Z", HOURS),
        ],
    );
}

#[test]
fn hours_past_midnight_belong_to_the_day_they_began_on() {
    // 9 January 2026 is a Friday.
    expect(
        r#"{"days":["Fri"],"hours":{"from":"22:00","to":"06:00"}}"#,
        [
            ("2026-01-09T05:59:59Z", DAYS),
            ("2026-01-09T12:00:00Z", HOURS),
            ("2026-01-09T21:59:59.999Z", HOURS),
            ("2026-01-09T22:00:00Z", KEEP),
            ("2026-01-10T00:00:00Z", KEEP),
            ("2026-01-10T05:59:59.999Z", KEEP),
            ("2026-01-10T06:00:00Z", DAYS),
            ("2026-01-10T22:00:00Z", DAYS),
        ],
    );
}

#[test]
fn hours_to_midnight() {
    expect(r#"{"hours":{"from":"18:00","to":"24:00"}}"#, [("2026-01-09T23:59:59.999Z", KEEP), ("2026-01-10T00:00:00Z", HOURS)]);
    expect(r#"{"hours":{"from":"18:00","to":"00:00"}}"#, [("2026-01-09T23:59:59.999Z", KEEP), ("2026-01-10T00:00:00Z", HOURS)]);
}

#[test]
fn the_period_is_the_reason_before_day_and_hour() {
    expect(
        r#"{"from":"2026-01-05","to":"2026-01-06","days":["Tue"],"hours":{"from":"08:00","to":"09:00"}}"#,
        [("2026-01-04T12:00:00Z", BEFORE), ("2026-01-06T12:00:00Z", AFTER), ("2026-01-05T12:00:00Z", DAYS)],
    );
}

#[test]
fn a_zone_that_the_host_does_not_know_holds_the_chat() {
    let config = r#"{"days":["Mon"],"time-zone":"Europe/Atlantis"}"#;
    let failure = evaluate(config, &["2026-01-05T00:00:00Z"]).unwrap_err();
    assert!(failure.to_string().contains("Europe/Atlantis"));
}

#[test]
fn instants_alone_ask_for_no_local_times() {
    let config = r#"{"from":"2026-01-05T00:00:00Z","time-zone":"Europe/Atlantis"}"#;
    assert_eq!(evaluate(config, &["2026-01-05T00:00:00Z"]).unwrap(), [KEEP]);
}

#[test]
fn schema_and_module_agree() {
    check(
        &CriteriaSession::<Period>::describe(),
        |config| CriteriaSession::<Period>::new().configure(config),
        &[
            r#"{"from":"2026-01-05"}"#,
            r#"{"from":"2024-02-29","to":"2026-01-05T08:00:00.123456+05:30"}"#,
            r#"{"days":["Mon","Sun"],"time-zone":"America/Argentina/Buenos_Aires"}"#,
            r#"{"hours":{"from":"00:00","to":"24:00"}}"#,
            r#"{"hours":{"from":"23:59","to":"00:00"}}"#,
        ],
        &[
            refused("{}", ""),
            refused(r#"{"time-zone":"UTC"}"#, ""),
            refused(r#"{"from":"5 January"}"#, "/from"),
            refused(r#"{"from":"2026-1-5"}"#, "/from"),
            refused(r#"{"from":1767600000}"#, "/from"),
            refused_by_module(r#"{"from":"2026-02-29"}"#, "/from"),
            refused_by_module(r#"{"to":"2026-01-05T08:00:00"}"#, "/to"),
            refused_by_module(r#"{"from":"2026-01-05","to":"2026-01-05"}"#, "/to"),
            refused_by_module(r#"{"from":"2026-01-05T08:00:00Z","to":"2026-01-05T08:30:00+01:00"}"#, "/to"),
            refused(r#"{"days":[]}"#, "/days"),
            refused(r#"{"days":["Monday"]}"#, "/days/0"),
            refused(r#"{"hours":{"from":"08:00"}}"#, "/hours"),
            refused(r#"{"hours":{"from":"8:00","to":"18:00"}}"#, "/hours/from"),
            refused(r#"{"hours":{"from":"24:00","to":"18:00"}}"#, "/hours/from"),
            refused(r#"{"hours":{"from":"08:00","to":"25:00"}}"#, "/hours/to"),
            refused(r#"{"hours":{"from":"08:00","to":"18:60"}}"#, "/hours/to"),
            refused_by_module(r#"{"hours":{"from":"08:00","to":"08:00"}}"#, "/hours/to"),
            refused(r#"{"hours":{"from":"08:00","to":"18:00","zone":"UTC"}}"#, "/hours/zone"),
            refused(r#"{"days":["Mon"],"time-zone":""}"#, "/time-zone"),
            refused(r#"{"days":["Mon"],"timezone":"UTC"}"#, "/timezone"),
        ],
    );
}
