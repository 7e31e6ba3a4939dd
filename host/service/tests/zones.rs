//! Due times in every IANA zone over ten years, and of random crons, against two other ways to compute them.
//!
//! What is checked, in each zone of the tables, for 2020 to 2029:
//! - the schedules of [`RULES`] against a walk, in this file, over all instants, which only knows what the wall clock shows at each and fires what it has newly
//!   reached: no `cron` crate, no local time turned into an instant. Zones that share one table of offsets in these years are walked through in full once, and
//!   each of them again for two days on either side of every change;
//! - the same days against `due_times.py`, with Python's own calendar, zone tables and reading of cron texts. Its tables may be of another year: windows whose
//!   offsets differ are skipped and named, and none may be where the versions are the same.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{IANA_TZDB_VERSION, TZ_VARIANTS, Tz};
use consign_model::Timestamp;
use consign_model::policy::ScheduleSpec;
use consign_service::schedule::Schedule;

/// 2020-01-01 and 2030-01-01, in seconds.
const YEARS: (i64, i64) = (1_577_836_800, 1_893_456_000);
/// Nearly all changes of these years fall on quarter hours; where one does not, all is walked in minutes.
const QUARTER: i64 = 900;
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// A schedule, and whether a local second of the epoch's calendar fits it.
type Rule = (&'static str, fn(i64) -> bool);

const RULES: [Rule; 6] = [
    ("30 2 * * *", |local| local % DAY == 9_000),
    ("0 0 * * *", |local| local % DAY == 0),
    ("*/15 * * * *", |local| local % 900 == 0),
    ("0 * * * *", |local| local % 3_600 == 0),
    // 1 January 1970 was a Thursday.
    ("30 18 * * Mon-Fri", |local| local % DAY == 66_600 && (local / DAY + 3) % 7 < 5),
    ("45 1 * * 7", |local| local % DAY == 6_300 && (local / DAY + 3) % 7 == 6),
];

/// The offsets of a zone in these years.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Table {
    /// In seconds from UTC, each from an instant on.
    offsets: Vec<(i64, i64)>,
    /// The longest step that meets every change.
    step: i64,
}

fn offset(zone: Tz, at: i64) -> i64 {
    let utc = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

fn steps(from: i64, to: i64, step: i64) -> impl Iterator<Item = i64> {
    (from..=to).step_by(usize::try_from(step).unwrap())
}

/// A change and its undoing within six hours would be missed here, and then the walk and the schedule would differ.
fn table(zone: Tz) -> Table {
    let probe = 24 * QUARTER;
    let mut table = Table { offsets: vec![(YEARS.0, offset(zone, YEARS.0))], step: QUARTER };
    for at in steps(YEARS.0 + probe, YEARS.1, probe) {
        let now = offset(zone, at);
        if table.offsets.last().unwrap().1 != now {
            let change = steps(at - probe, at, 1).find(|second| offset(zone, *second) == now).unwrap();
            table.offsets.push((change, now));
        }
    }
    if table.offsets.iter().any(|(change, _)| change % QUARTER != 0) {
        table.step = MINUTE;
    }
    assert!(table.offsets.iter().all(|(change, seconds)| change % MINUTE == 0 && seconds % QUARTER == 0), "{zone} is off the minutes");
    table
}

/// The due times in `(from, to]`, by walking.
fn walked(table: &Table, fits: fn(i64) -> bool, (from, to): (i64, i64)) -> Vec<i64> {
    let mut found = Vec::new();
    let Table { offsets, step } = table;
    let mut index = offsets.partition_point(|(at, _)| *at <= from) - 1;
    let mut reached = from + offsets[index].1;
    let mut at = from;
    while at < to {
        at += step;
        if offsets.get(index + 1).is_some_and(|(change, _)| *change <= at) {
            index += 1;
        }
        let local = at + offsets[index].1;
        if local > reached {
            if steps(reached + step, local, *step).any(fits) {
                found.push(at);
            }
            reached = local;
        }
    }
    found
}

fn schedule(cron: &str, zone: Tz) -> Schedule {
    Schedule::parse(&ScheduleSpec::Cron { cron: cron.to_owned(), time_zone: zone.name().to_owned() }).unwrap()
}

/// The same, by what is tested.
fn asked(schedule: &Schedule, (from, to): (i64, i64)) -> Vec<i64> {
    schedule.upcoming(Timestamp(from * 1000)).take_while(|due| due.0 <= to * 1000).map(|due| due.0 / 1000).collect()
}

fn compare(zone: Tz, table: &Table, span: (i64, i64)) -> usize {
    let mut compared = 0;
    for (cron, fits) in RULES {
        let (ours, theirs) = (walked(table, fits, span), asked(&schedule(cron, zone), span));
        let first = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        assert!(ours == theirs, "{zone}, '{cron}', {span:?}: walked {} due times, asked {}, first apart: {first:?}", ours.len(), theirs.len());
        compared += ours.len();
    }
    compared
}

/// Two days on either side of each change; where there is none, the first four.
fn windows(table: &Table) -> Vec<(i64, i64)> {
    let changes: Vec<(i64, i64)> =
        table.offsets.iter().skip(1).map(|(at, _)| (at - 2 * DAY, at + 2 * DAY)).filter(|span| span.0 >= YEARS.0 && span.1 <= YEARS.1).collect();
    if changes.is_empty() { vec![(YEARS.0, YEARS.0 + 4 * DAY)] } else { changes }
}

/// The work of all, on as many threads as there are.
fn side_by_side<T: Sync, R: Send>(work: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let each = &each;
    std::thread::scope(|scope| {
        let handles: Vec<_> =
            (0..threads).map(|first| scope.spawn(move || work.iter().skip(first).step_by(threads).map(each).collect::<Vec<R>>())).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    })
}

fn tables() -> BTreeMap<Table, Vec<Tz>> {
    let mut by_table: BTreeMap<Table, Vec<Tz>> = BTreeMap::new();
    for (zone, table) in side_by_side(&TZ_VARIANTS, |zone| (*zone, table(*zone))) {
        by_table.entry(table).or_default().push(zone);
    }
    by_table
}

#[test]
fn every_zone_for_ten_years_by_walking() {
    let by_table: Vec<(Table, Vec<Tz>)> = tables().into_iter().collect();
    let compared: usize = side_by_side(&by_table, |(table, zones)| {
        let (first, others) = zones.split_first().unwrap();
        let in_full = compare(*first, table, YEARS);
        let around: usize = others.iter().flat_map(|zone| windows(table).into_iter().map(move |span| compare(*zone, table, span))).sum();
        in_full + around
    })
    .into_iter()
    .sum();
    println!(
        "{} zones in {} tables of {IANA_TZDB_VERSION}, {} schedules: {compared} due times agree",
        TZ_VARIANTS.len(),
        by_table.len(),
        RULES.len()
    );
}

/// Hands lines to the other program and answers the zones that it skipped and the version of its tables.
fn ask_python(lines: &str) -> (Vec<String>, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/due_times.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test compares with Python: install python3 (3.9 or newer) and the package tzdata");
    let mut stdin = python.stdin.take().unwrap();
    let answer = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
        python.wait_with_output().unwrap()
    });
    let text = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.status.success(), "due_times.py failed: {text}");
    let differences: Vec<&str> = text.lines().filter(|line| line.starts_with("DIFFERS")).collect();
    assert!(
        differences.is_empty(),
        "{} of the comparisons differ, as\n{}",
        differences.len(),
        differences.iter().take(10).copied().collect::<Vec<_>>().join("\n")
    );
    let rest = |word| text.lines().find_map(|line| line.strip_prefix(word)).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    let done = rest("DONE");
    let (compared, skipped): (usize, usize) = (done[0].parse().unwrap(), done[1].parse().unwrap());
    assert_eq!(compared + skipped, lines.lines().count());
    (rest("SKIPPED"), done[2].clone())
}

fn line(out: &mut String, zone: Tz, cron: &str, step: i64, span: (i64, i64), offsets: &[(i64, i64)]) {
    let offsets: Vec<String> = offsets.iter().map(|(at, seconds)| format!("{at}:{seconds}")).collect();
    let due: Vec<String> = asked(&schedule(cron, zone), span).iter().map(i64::to_string).collect();
    writeln!(out, "{}\t{cron}\t{step}\t{}\t{}\t{}\t{}", zone.name(), span.0, span.1, offsets.join(","), due.join(" ")).unwrap();
}

#[test]
fn every_zone_around_its_changes_by_python() {
    let mut lines = String::new();
    for (table, zones) in tables() {
        for zone in zones {
            for span in windows(&table) {
                let middle = i64::midpoint(span.0, span.1);
                let offsets = [span.0, middle - 1, middle, span.1].map(|at| (at, offset(zone, at)));
                for (cron, _) in RULES {
                    line(&mut lines, zone, cron, table.step, span, &offsets);
                }
            }
        }
    }
    let (skipped, version) = ask_python(&lines);
    println!("compared with Python's tables of {version}, ours are of {IANA_TZDB_VERSION}; skipped where they differ: {skipped:?}");
    assert!(skipped.is_empty() || version != IANA_TZDB_VERSION, "the same tables, and other offsets: {skipped:?}");
    assert!(skipped.len() < 60, "most zones have to be compared; Python's tables of {version} are too far from ours of {IANA_TZDB_VERSION}");
}

/// Numbers that look random and come again with the seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        i64::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % u64::try_from(limit).unwrap()).unwrap()
    }

    /// A field of values from `low` to `high` in every form that cron(5) has.
    fn field(&mut self, low: i64, high: i64, names: &[&str]) -> String {
        let width = high - low + 1;
        let parts = 1 + self.below(3);
        let parts: Vec<String> = (0..parts)
            .map(|_| {
                let first = low + self.below(width);
                let last = first + self.below(high - first + 1);
                let step = 1 + self.below(width);
                let name = |value: i64| names.get(usize::try_from(value - low).unwrap()).map_or_else(|| value.to_string(), |name| (*name).to_owned());
                match self.below(6) {
                    0 => format!("{}-{}", name(first), name(last)),
                    1 => format!("{first}-{last}/{step}"),
                    2 => format!("*/{step}"),
                    3 => format!("{first}/{step}"),
                    _ => name(first),
                }
            })
            .collect();
        parts.join(",")
    }
}

#[test]
fn random_crons_by_python() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::try_from(Timestamp::now().0).unwrap());
    println!("CONSIGN_SEED={seed}");
    let mut random = Random(seed | 1);
    let months = ["Jan", "feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let weekdays = ["Sun", "mon", "TUE", "wed", "thu", "fri", "sat"];
    let mut lines = String::new();
    let mut never = 0;
    for round in 0..160 {
        let zone = TZ_VARIANTS[usize::try_from(random.below(i64::try_from(TZ_VARIANTS.len()).unwrap())).unwrap()];
        let star = |random: &mut Random, field: String| if random.below(3) == 0 { "*".to_owned() } else { field };
        // Half of them try the calendar over 400 days, half the minutes over two.
        let (step, days, minute) = if round % 2 == 0 {
            (QUARTER, 400, ["0", "15", "*/15", "30,45"][usize::try_from(random.below(4)).unwrap()].to_owned())
        } else {
            (60, 2, random.field(0, 59, &[]))
        };
        let hour = random.field(0, 23, &[]);
        let (day, month, weekday) = (random.field(1, 31, &[]), random.field(1, 12, &months), random.field(0, 6, &weekdays));
        let (day, month, weekday) = (star(&mut random, day), star(&mut random, month), star(&mut random, weekday));
        let cron = format!("{minute} {hour} {day} {month} {weekday}");
        let from = YEARS.0 + DAY * random.below(3_200);
        // Not within a repeated hour, where the walk would not know what was shown before; nor where a quarter hour is too long a step.
        if offset(zone, from) != offset(zone, from - DAY) || zone == Tz::Antarctica__Casey {
            continue;
        }
        let spec = ScheduleSpec::Cron { cron: cron.clone(), time_zone: zone.name().to_owned() };
        match Schedule::parse(&spec) {
            Ok(_) => {}
            Err(error) => {
                assert!(error.to_string().contains("never fires"), "{error}");
                never += 1;
                continue;
            }
        }
        let span = (from, from + days * DAY);
        let offsets: Vec<(i64, i64)> = (0..=days).map(|day| (from + day * DAY, offset(zone, from + day * DAY))).collect();
        line(&mut lines, zone, &cron, step, span, &offsets);
    }
    let count = lines.lines().count();
    assert!(count > 100, "{count} crons, {never} that never fire");
    let (skipped, version) = ask_python(&lines);
    println!("{count} crons agree, {never} never fire; tables of {version}, skipped {skipped:?}");
}
