#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;

fn cron(cron: &str, zone: &str) -> ScheduleSpec {
    ScheduleSpec::Cron { cron: cron.to_owned(), time_zone: zone.to_owned() }
}

fn once(once: &str, zone: &str) -> ScheduleSpec {
    ScheduleSpec::Once { once: once.to_owned(), time_zone: zone.to_owned() }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::parse(&cron(text, zone)).unwrap()
}

/// The due times in `(from, to]`, as local times with their offset.
fn due(text: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    let schedule = schedule(text, zone);
    let to = at(to);
    schedule
        .upcoming(at(from))
        .take_while(|due| *due <= to)
        .map(|due| due.to_utc().with_timezone(&schedule.zone()).format("%m-%d %H:%M %:z").to_string())
        .collect()
}

fn error(spec: &ScheduleSpec) -> String {
    Schedule::parse(spec).unwrap_err().to_string()
}

#[test]
fn berlin_at_half_past_two() {
    // Spring: 02:30 does not exist and is due when the clocks show 03:00. Autumn: twice, due the first time.
    let spring = due("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(spring, ["03-28 02:30 +01:00", "03-29 03:00 +02:00", "03-30 02:30 +02:00"]);
    let autumn = due("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(autumn, ["10-25 02:30 +02:00", "10-26 02:30 +01:00"]);
}

#[test]
fn berlin_every_half_hour() {
    // 02:00 and 02:30 are skipped: one due time, which is that of 03:00 too.
    let spring = due("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
    assert_eq!(spring, ["03-29 01:30 +01:00", "03-29 03:00 +02:00", "03-29 03:30 +02:00", "03-29 04:00 +02:00"]);
    // 02:00 to 02:59 is shown twice, and nothing is due the second time.
    let autumn = due("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z");
    assert_eq!(autumn, ["10-25 02:00 +02:00", "10-25 02:30 +02:00", "10-25 03:00 +01:00", "10-25 03:30 +01:00"]);
}

#[test]
fn asked_within_the_repeated_hour() {
    let schedule = schedule("*/30 * * * *", "Europe/Berlin");
    // 02:10 for the second time.
    assert_eq!(schedule.next_after(at("2026-10-25T01:10:00Z")), Some(at("2026-10-25T02:00:00Z")));
    // At the very jump of spring, a millisecond before it, and after it.
    assert_eq!(schedule.next_after(at("2026-03-29T00:59:59.999Z")), Some(at("2026-03-29T01:00:00Z")));
    assert_eq!(schedule.next_after(at("2026-03-29T01:00:00Z")), Some(at("2026-03-29T01:30:00Z")));
}

#[test]
fn santiago_at_midnight() {
    // In September the clocks go from 23:59:59 to 01:00; in April 23:00 to 23:59 comes twice, midnight once.
    let spring = due("0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", "2026-09-07T12:00:00Z");
    assert_eq!(spring, ["09-06 01:00 -03:00", "09-07 00:00 -03:00"]);
    let autumn = due("0 0 * * *", "America/Santiago", "2026-04-04T12:00:00Z", "2026-04-06T12:00:00Z");
    assert_eq!(autumn, ["04-05 00:00 -04:00", "04-06 00:00 -04:00"]);
    let late = due("30 23 * * *", "America/Santiago", "2026-04-04T12:00:00Z", "2026-04-06T12:00:00Z");
    assert_eq!(late, ["04-04 23:30 -03:00", "04-05 23:30 -04:00"]);
}

#[test]
fn lord_howe_by_half_an_hour() {
    // 02:00 becomes 02:30 in October; in April 01:30 to 01:59 comes twice.
    let spring = due("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00:00Z", "2026-10-05T00:00:00Z");
    assert_eq!(spring, ["10-04 02:30 +11:00", "10-05 02:15 +11:00"]);
    let autumn = due("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z");
    assert_eq!(autumn, ["04-05 01:45 +11:00", "04-06 01:45 +10:30"]);
}

#[test]
fn apia_without_a_friday() {
    // 30 December 2011 was left out: what was due on it is due when the 31st begins, and is one.
    let daily = due("30 2 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z");
    assert_eq!(daily, ["12-29 02:30 -10:00", "12-31 00:00 +14:00", "12-31 02:30 +14:00", "01-01 02:30 +14:00"]);
    let hourly = due("0 */12 * * *", "Pacific/Apia", "2011-12-29T11:00:00Z", "2011-12-31T00:00:00Z");
    assert_eq!(hourly, ["12-29 12:00 -10:00", "12-31 00:00 +14:00", "12-31 12:00 +14:00"]);
}

#[test]
fn casablanca_in_ramadan() {
    // Back from +01 to +00 on 15 February 2026 at 03:00, forward again on 22 March at 02:00 (tables of 2025b).
    let begin = due("30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00Z", "2026-02-16T12:00:00Z");
    assert_eq!(begin, ["02-15 02:30 +01:00", "02-16 02:30 +00:00"]);
    let end = due("30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00:00Z", "2026-03-23T12:00:00Z");
    assert_eq!(end, ["03-22 03:00 +01:00", "03-23 02:30 +01:00"]);
}

#[test]
fn fields_as_in_cron_5() {
    let week = |text| due(text, "UTC", "2026-01-03T23:59:00Z", "2026-01-10T23:59:59Z");
    // 4 January 2026 is a Sunday.
    assert_eq!(week("0 9 * * 0"), ["01-04 09:00 +00:00"]);
    assert_eq!(week("0 9 * * 7"), week("0 9 * * Sun"));
    assert_eq!(week("0 9 * * 0"), week("0 0 9 ? * SUNDAY"));
    assert_eq!(week("0 9 * * 1-5"), week("0 9 * * Mon-Fri"));
    assert_eq!(week("0 9 * * 1-5").len(), 5);
    assert_eq!(week("0 9 * * Sat-Sun"), ["01-04 09:00 +00:00", "01-10 09:00 +00:00"]);
    assert_eq!(week("0 9 * * 6-7"), week("0 9 * * sat,sun"));
    assert_eq!(week("0 9 * * */2"), week("0 9 * * sun,tue,thu,sat"));
    assert_eq!(week("0 9 * * 1/2"), week("0 9 * * mon,wed,fri"));
    // Either of the two days, unless one begins with a star.
    assert_eq!(week("0 9 6 * Fri"), ["01-06 09:00 +00:00", "01-09 09:00 +00:00"]);
    assert_eq!(week("0 0 9 6 * Fri"), week("0 9 6 * Fri"));
    assert_eq!(week("0 9 */2 * Fri"), ["01-09 09:00 +00:00"]);
    assert_eq!(week("0 9 1-31 * Fri").len(), 7);
    assert_eq!(week("@weekly"), ["01-04 00:00 +00:00"]);
    assert_eq!(week("30 0 9 5 1 * 2026"), ["01-05 09:00 +00:00"]);
    assert_eq!(week("0 22-23,0 4 * *").len(), 3);
    assert_eq!(week("30/15 7 4 jan *"), ["01-04 07:30 +00:00", "01-04 07:45 +00:00"]);
    assert_eq!(
        schedule("*/20 * * * * *", "UTC").upcoming(at("2026-01-01T00:00:00Z")).take(3).map(|due| due.0 % 60_000 / 1000).collect::<Vec<_>>(),
        [20, 40, 0]
    );
}

#[test]
fn refusals_name_the_field_and_what_is_allowed() {
    for (text, expected) in [
        ("", "has 0 fields: write five"),
        ("* * * *", "has 4 fields"),
        ("* * * * * * * *", "has 8 fields"),
        ("60 * * * *", "field minute: '60' is not an allowed value. Allowed: 0 to 59"),
        ("0 24 * * *", "field hour: '24'"),
        ("0 0 0 * *", "field day of month: '0'"),
        ("0 0 L * *", "field day of month: 'L'"),
        ("0 0 * 13 *", "field month: '13' is not an allowed value. Allowed: 1 to 12 or Jan to Dec"),
        ("0 0 * Janu *", "field month: 'Janu'"),
        ("0 0 * * 8", "field day of week: '8' is not an allowed value. Allowed: 0 to 7 (0 and 7 are Sunday)"),
        ("0 0 * * Mon#1", "field day of week: 'Mon#1'"),
        ("99 0 0 * * *", "field second: '99'"),
        ("0 0 0 1 1 * 1969", "field year: '1969'"),
        ("0 22-2 * * *", "field hour: '22-2' runs backwards (write 22-23,0-2)"),
        ("0 0 * * Fri-Mon", "field day of week: 'Fri-Mon' runs backwards (write two ranges with a comma)"),
        ("*/0 * * * *", "field minute: '*/0' has a step that is no number from 1 on"),
        ("*/x * * * *", "field minute: '*/x' has a step"),
        ("1,,2 * * * *", "field minute: '' is empty"),
        ("? * * * *", "field minute: '?'"),
        ("+5 * * * *", "field minute: '+5'"),
        ("99999999999999999999 * * * *", "field minute"),
        ("0 0 30 2 *", "never fires: February never has a day 30"),
        ("0 0 31 2,4,6 *", "never fires: February or April or June never has a day 31"),
        ("0 0 0 29 2 * 2025,2027", "never fires: no date of the years 1970 to 2100 fits"),
        ("@reboot", "write @hourly"),
        ("0 0 * * \u{1b}[31m", "field day of week: '\\u{1b}[31m'"),
    ] {
        let said = error(&cron(text, "UTC"));
        assert!(said.contains(expected), "{text}: {said}");
    }
    let long = error(&cron(&"1,".repeat(100_000), "UTC"));
    assert!(long.len() < 600, "{long}");
}

#[test]
fn a_zone_that_is_none_and_what_was_meant() {
    for (text, meant) in [
        ("Berlin", Some("Europe/Berlin")),
        ("europe/berlin", Some("Europe/Berlin")),
        ("Europe/Berln", Some("Europe/Berlin")),
        ("America/New York", Some("America/New_York")),
        ("Asia/Calcuta", Some("Asia/Calcutta")),
        ("utc", Some("UTC")),
        ("+02:00", None),
        ("", None),
        ("Middle-earth/Bree-land", None),
    ] {
        let said = error(&cron("0 0 * * *", text));
        match meant {
            Some(name) => assert!(said.contains(&format!("did you mean '{name}'")), "{text}: {said}"),
            None => assert!(!said.contains("did you mean") && said.contains("'Europe/Berlin'"), "{text}: {said}"),
        }
    }
}

#[test]
fn once_is_one_instant() {
    let at_once = |text, zone| Schedule::parse(&once(text, zone)).unwrap();
    let plain = at_once("2026-03-01T02:00", "Europe/Berlin");
    assert_eq!(plain.upcoming(Timestamp::MIN).collect::<Vec<_>>(), [at("2026-03-01T01:00:00Z")]);
    assert_eq!(plain.next_after(at("2026-03-01T01:00:00Z")), None);
    assert_eq!(plain.latest_at_or_before(at("2026-03-01T01:00:00Z"), at("2026-03-01T00:59:59Z")), Some(at("2026-03-01T01:00:00Z")));
    assert_eq!(plain.latest_at_or_before(at("2026-03-01T00:59:59Z"), Timestamp::MIN), None);
    assert_eq!(at_once("2026-03-29T02:30:15", "Europe/Berlin").next_after(Timestamp::MIN), Some(at("2026-03-29T01:00:00Z")));
    assert_eq!(at_once("2026-10-25T02:30:15", "Europe/Berlin").next_after(Timestamp::MIN), Some(at("2026-10-25T00:30:15Z")));
    for wrong in [
        "2026-03-01",
        "2026-03-01T02:00Z",
        "2026-03-01T02:00+01:00",
        "2026-02-30T02:00",
        "2026-03-01T24:00",
        "2026-3-1T2:00",
        "2026-03-01T02:00:60",
        "soon",
        "",
    ] {
        assert!(error(&once(wrong, "UTC")).contains("is no local time: write it as '2026-03-01T02:00'"), "{wrong}");
    }
}

#[test]
fn a_schedule_that_is_over() {
    let now = at("2026-06-01T00:00:00Z");
    for spec in [cron("0 0 0 1 1 * 2025", "UTC"), once("2026-05-01T00:00", "UTC")] {
        let over = Schedule::parse(&spec).unwrap();
        let said = over.first_after(now).unwrap_err().to_string();
        assert!(said.contains("is over: it has no time after 2026-06-01T00:00:00.000Z"), "{said}");
    }
    assert_eq!(schedule("@yearly", "UTC").first_after(now), Ok(at("2027-01-01T00:00:00Z")));
}

#[test]
fn the_ends_of_time() {
    let hourly = schedule("0 * * * *", "Pacific/Kiritimati");
    assert!(hourly.next_after(Timestamp::MIN).is_some());
    assert!(hourly.next_after(Timestamp(i64::MIN)).is_some());
    assert_eq!(hourly.next_after(Timestamp::MAX), None);
    assert_eq!(hourly.next_after(Timestamp(i64::MAX)), None);
    assert!(hourly.latest_at_or_before(Timestamp(i64::MAX), Timestamp(i64::MIN)).is_some_and(|last| last < at("2101-01-02T00:00:00Z")));
}

#[test]
fn the_newest_missed_time_is_the_last_of_all() {
    // Against walking through all of them.
    for (text, zone) in
        [("30 2 * * *", "Europe/Berlin"), ("*/7 * * * *", "Australia/Lord_Howe"), ("0 0 29 2 *", "UTC"), ("*/15 * * * * *", "America/Santiago")]
    {
        let schedule = schedule(text, zone);
        let after = at("2026-03-20T00:00:00Z");
        for hours in [0, 1, 5, 100, 219, 400] {
            let now = Timestamp(after.0 + hours * 3_600_000 + 17_001);
            let walked = schedule.upcoming(after).take_while(|due| *due <= now).last();
            assert_eq!(schedule.latest_at_or_before(now, after), walked, "{text} {zone} {now}");
        }
        assert_eq!(schedule.latest_at_or_before(after, at("2027-01-01T00:00:00Z")), None);
    }
    // Every second for 50 years: 1.6 thousand million due times, not walked.
    let each = schedule("* * * * * *", "Europe/Berlin");
    assert_eq!(each.latest_at_or_before(at("2026-01-01T00:00:00.5Z"), at("1976-01-01T00:00:00Z")), Some(at("2026-01-01T00:00:00Z")));
}
