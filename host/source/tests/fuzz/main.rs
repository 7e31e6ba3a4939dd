//! Made-up exports for each importer: sound, nearly sound and rubbish, in every container, read within small and large bounds; and requests for each way in that comes by
//! itself (`live.rs`).
//!
//! What is hostile in an export stands in its JSON far more often than in its bytes, so the cases are made from each format's own grammar (a file of this
//! folder for each), then values are damaged, then bytes, then containers. How much of each is chosen by case: a generator that makes nothing but rubbish is tested by no
//! rubbish, so each format says how many of its cases gave events, and fails where these are few. What must hold whatever was read is in `judge.rs`; memory and
//! processor time are counted here.
//!
//! `CONSIGN_FUZZ_SECONDS` says for how long each format is tried (60), and four times as long as each kind of request, `CONSIGN_SEED` has the same cases again, and a case that fails prints its number:
//! `CONSIGN_FUZZ_CASE=NUMBER` has it alone. Formats are tried side by side; nothing stays on the disk.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod dice;
mod discord;
mod jsonl;
mod judge;
mod live;
mod matrix;
mod mattermost;
mod memory;
mod pack;
mod slack;
mod spoil;
mod teams;

use std::cell::RefCell;
use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use consign_source::{Format, Limits, Report, SourceError};

use self::dice::Dice;
use self::judge::Judge;
use self::pack::{Doc, File, Form, Packed};

/// Bytes that reading takes however little there is to read: buffers, the bits for twins, tables of the unpackers.
const LEAST_MEMORY: usize = 2 << 20;
/// Bytes that reading takes for each byte of the export; a value of JSON that is two bytes long costs some hundred. Beyond the first MiB no case had 20.
const MEMORY_A_BYTE: usize = 40;
/// Processor time of a reading however little there is to read, without optimisation, on a slow machine.
const LEAST_TIME: Duration = Duration::from_secs(2);
/// And for each byte. None took a half of it, and what grows with the square of a megabyte takes days.
const TIME_A_BYTE: Duration = Duration::from_micros(5);
/// When a case counts as one that never ends, by the clock.
const ENDLESS: Duration = Duration::from_mins(4);

/// How a format's exports are made, and which forms they may have.
struct Maker {
    format: Format,
    export: fn(&mut Dice) -> Vec<File>,
    forms: &'static [Form],
}

/// One line for each format, which becomes a test.
macro_rules! formats {
    ($($name:ident: $format:ident in [$($form:ident),+];)+) => {
        const MAKERS: &[Maker] = &[$(Maker { format: Format::$format, export: $name::export, forms: &[$(Form::$form),+] }),+];
        $(#[test]
        fn $name() {
            cases(MAKERS.iter().find(|maker| maker.format == Format::$format).unwrap());
        })+
    };
}

formats! {
    slack: Slack in [Zip, Folder];
    mattermost: Mattermost in [Zip, Folder, One];
    discord: Discord in [Zip, Folder, One];
    teams: Teams in [Zip, Folder, One];
    matrix: Matrix in [Zip, Folder, One];
    jsonl: Jsonl in [One];
}

#[test]
fn each_format_has_its_generator() {
    for format in Format::ALL {
        assert!(MAKERS.iter().any(|maker| maker.format == format), "{format} is not fuzzed");
    }
}

/// How cases ended.
#[derive(Debug, Default)]
struct Ends {
    cases: u64,
    /// Cases that gave events.
    fruitful: u64,
    events: u64,
    refusals: u64,
    whole_file_errors: u64,
    /// Sound exports, which must be recognised and read without an error.
    sound: u64,
    /// Cases whose format could be told.
    recognised: u64,
    most_memory: usize,
    most_time: Duration,
}

fn cases(maker: &Maker) {
    let Some(ends) = run(maker.format.word(), 1, &mut |number, room, ends| case(maker, number, room, ends)) else { return };
    assert!(ends.fruitful * 5 >= ends.cases * 2, "{}: too many cases are rubbish: {ends:?}", maker.format);
    assert!(ends.refusals > 0 && ends.whole_file_errors > 0, "{}: too few cases are rubbish: {ends:?}", maker.format);
}

/// Tries cases for as long as is given, or a part of that. `name`: the test's. How they ended, where they are enough to judge the generator by.
fn run(name: &'static str, part: u32, case: &mut dyn FnMut(u64, &std::path::Path, &mut Ends)) -> Option<Ends> {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let time = Duration::from_secs(given("CONSIGN_FUZZ_SECONDS").unwrap_or(60)) / part;
    let only = given("CONSIGN_FUZZ_CASE");
    let seed = given("CONSIGN_SEED").unwrap_or_else(|| fastrand::u64(..));
    say(&format!("{name}: CONSIGN_SEED={seed}"));
    let mut numbers = fastrand::Rng::with_seed(seed);
    let watch = Watch::new(name);
    let (begun, mut ends) = (Instant::now(), Ends::default());
    loop {
        let number = only.unwrap_or_else(|| numbers.u64(..));
        let room = tempfile::tempdir().unwrap();
        let running = Case { name, number };
        watch.begins(number, room.path());
        case(number, room.path(), &mut ends);
        drop(running);
        ends.cases += 1;
        if only.is_some() || begun.elapsed() >= time {
            break;
        }
    }
    drop(watch);
    let rate = ends.cases / begun.elapsed().as_secs().max(1);
    say(&format!(
        "{name}: {} cases ({rate} a second), {} of them sound; {} gave {} events; {} refusals, {} errors of whole files, \
         {} recognised; at most {} KiB and {:?}",
        ends.cases,
        ends.sound,
        ends.fruitful,
        ends.events,
        ends.refusals,
        ends.whole_file_errors,
        ends.recognised,
        ends.most_memory >> 10,
        ends.most_time
    ));
    (only.is_none() && ends.cases >= 100).then_some(ends)
}

/// One case: makes an export, and reads it in every way.
fn case(maker: &Maker, number: u64, room: &std::path::Path, ends: &mut Ends) {
    let mut dice = Dice::new(number);
    let limits = limits(&mut dice);
    let made = make(maker, room, &mut dice);
    let Made { packed, is_sound, may_quote } = &made;

    let (read, memory, took) = {
        let before = memory::processor_time();
        let (read, memory) = memory::most(|| reads(maker.format, packed, &limits, None));
        (read, memory, memory::processor_time().saturating_sub(before))
    };
    // What is packed may become so much and no more.
    let bytes = packed.unpacked.max(packed.size.saturating_mul(limits.ratio).min(8 << 20).max(packed.size));
    let bytes = usize::try_from(bytes).unwrap();
    let most = LEAST_MEMORY + MEMORY_A_BYTE * bytes;
    assert!(memory <= most, "{memory} bytes of memory for an export of {bytes}, at most {most}");
    let most = LEAST_TIME + TIME_A_BYTE * u32::try_from(bytes).unwrap();
    assert!(took <= most, "{took:?} for an export of {bytes} bytes, at most {most:?}");
    (ends.most_memory, ends.most_time) = (ends.most_memory.max(memory), ends.most_time.max(took));

    ends.sound += u64::from(*is_sound);
    ends.events += read.events;
    ends.fruitful += u64::from(read.events > 0);
    match &read.outcome {
        Ok(report) => ends.refusals += report.refused,
        Err(error) => {
            ends.whole_file_errors += 1;
            assert!(!*is_sound, "a sound export is not read: {error}");
        }
    }
    if !*may_quote {
        match &read.outcome {
            Ok(report) => {
                report.refusals.iter().for_each(|refusal| judge::keeps_secrets(&refusal.to_string()));
                report.notes.keys().for_each(|note| judge::keeps_secrets(note));
            }
            Err(error) => judge::keeps_secrets(&error.to_string()),
        }
    }

    let again = reads(maker.format, packed, &limits, None);
    assert_eq!((again.trace, again.calls), (read.trace, read.calls), "the same twice is not the same");
    match (&read.outcome, &again.outcome) {
        (Ok(one), Ok(two)) => assert_eq!(one, two, "the report is another one"),
        (Err(one), Err(two)) => assert_eq!(one.to_string(), two.to_string(), "the error is another one"),
        (one, two) => panic!("{one:?}, then {two:?}"),
    }
    if read.calls > 0 && dice.once_in(4) {
        let fails = reads(maker.format, packed, &limits, Some(dice.below(read.calls)));
        assert!(matches!(fails.outcome, Err(SourceError::Sink(_))), "the sink failed, and nobody says so: {:?}", fails.outcome);
    }
    let other = dice.pick(&Format::ALL);
    if other != maker.format {
        reads(other, packed, &limits, None);
    }
    let told = Format::recognise(&packed.path, &limits);
    ends.recognised += u64::from(told.is_ok());
    if *is_sound {
        assert_eq!(told.ok(), Some(maker.format), "a sound export is taken for another one");
    } else if let Err(SourceError::Unrecognised { fitting, .. }) = told {
        assert!(!fitting.contains(" and like ") || *may_quote, "{fitting}");
    }
}

/// What a reading came to.
struct Reading {
    outcome: Result<Report, SourceError>,
    trace: u64,
    calls: usize,
    events: u64,
}

fn reads(format: Format, packed: &Packed, limits: &Limits, fail_at: Option<usize>) -> Reading {
    let mut judge = Judge::new(limits);
    judge.fail_at = fail_at;
    let last = RefCell::new((0, 0));
    let outcome = consign_source::read(format, &packed.path, limits, &mut judge, &|now| judge::goes_on(&mut last.borrow_mut(), now));
    match &outcome {
        Ok(report) => judge.confirms(report),
        Err(SourceError::Sink(error)) => assert!(fail_at.is_some(), "the sink did not fail: {error}"),
        Err(error) => {
            assert_eq!(judge.calls, 0, "something was handed over before: {error}");
            let text = error.to_string();
            assert!(text.chars().count() < 3000 && !text.contains(['\0', '\u{1b}', '\n', '\r']), "no line for a person: {text:?}");
        }
    }
    Reading { trace: judge.trace(), calls: judge.calls, events: judge.total(), outcome }
}

/// Bounds: the usual ones, or such that all of them are met.
fn limits(dice: &mut Dice) -> Limits {
    let usual = Limits { ratio_from: 1 << 20, ..Limits::default() };
    if dice.is_clean() || !dice.once_in(3) {
        return usual;
    }
    Limits {
        piece_events: dice.pick(&[0, 1, 2, 7, 4096]),
        piece_bytes: dice.pick(&[0, 300, 2_000, 1 << 20]),
        waiting_bytes: dice.pick(&[0, 1_000, 5_000, 64 << 20]),
        line_bytes: dice.pick(&[200, 2_000, 16 << 20]),
        json_bytes: dice.pick(&[500, 20_000, 256 << 20]),
        list_bytes: dice.pick(&[1_000, 100_000, 8 << 30]),
        attachment_bytes: dice.pick(&[0, 100, 4 << 30]),
        ratio: dice.pick(&[2, 200]),
        ratio_from: dice.pick(&[1_000, 1 << 20]),
        entries: dice.pick(&[3, 100, 5_000_000]),
        listed: dice.pick(&[0, 1, 10_000]),
    }
}

struct Made {
    packed: Packed,
    /// Nothing of it is odd: it must be recognised and read.
    is_sound: bool,
    /// Texts may stand where names stand.
    may_quote: bool,
}

fn make(maker: &Maker, room: &std::path::Path, dice: &mut Dice) -> Made {
    let Written { files, mut is_sound, mut may_quote } = written((maker.export)(dice), dice);
    let whole = is_sound || !dice.once_in(5);
    may_quote |= !whole;
    is_sound &= whole;
    let packed = pack::pack(&files, dice.pick(maker.forms), whole, room, dice);
    Made { packed, is_sound, may_quote }
}

/// Files as they are written, damaged or not.
struct Written {
    files: Vec<(String, Vec<u8>)>,
    is_sound: bool,
    may_quote: bool,
}

fn written(mut files: Vec<File>, dice: &mut Dice) -> Written {
    let nulls = dice.once_in(2);
    if nulls {
        for file in &mut files {
            match &mut file.doc {
                Doc::Json(value) => spoil::without_nulls(value),
                Doc::Lines(lines) => lines.iter_mut().for_each(spoil::without_nulls),
                Doc::Bytes(_) => {}
            }
        }
    }
    let (is_sound, mut may_quote) = (dice.is_clean(), false);
    if !is_sound {
        let times = dice.pick(&[0, 0, 0, 1, 1, 2, 3, 20]);
        may_quote |= spoil::values(&mut files, dice, times);
    }
    let mut written: Vec<(String, Vec<u8>)> = files.iter().map(|file| (file.path.clone(), file.bytes(dice))).collect();
    if !is_sound && !written.is_empty() {
        let at = dice.below(written.len());
        let bytes = &mut written[at].1;
        match dice.below(14) {
            0 => {
                spoil::bytes(bytes, dice);
                may_quote = true;
            }
            1 => {
                spoil::encoding(bytes, dice);
                may_quote = true;
            }
            2 if dice.once_in(4) => *bytes = (0..dice.below(2000)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect(),
            _ => {}
        }
    }
    Written { files: written, is_sound, may_quote }
}

/// Says which case it was, if one panics.
struct Case {
    name: &'static str,
    number: u64,
}

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            said(self.name, self.number);
        }
    }
}

fn said(name: &str, number: u64) {
    say(&format!("{name}: CONSIGN_FUZZ_CASE={number} cargo test -p consign-source --test fuzz {name} has this case alone"));
}

/// To the terminal also where a test's output is kept back.
fn say(text: &str) {
    // Nobody may be listening.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Ends the program when a case never ends, since nothing else could; and takes away what lies on the disk.
struct Watch {
    begun: mpsc::Sender<(u64, std::path::PathBuf)>,
}

impl Watch {
    fn new(name: &'static str) -> Self {
        let (begun, cases) = mpsc::channel::<(u64, std::path::PathBuf)>();
        std::thread::spawn(move || {
            let mut running = None;
            loop {
                match (cases.recv_timeout(ENDLESS), running.take()) {
                    (Ok(next), _) => running = Some(next),
                    (Err(mpsc::RecvTimeoutError::Disconnected), _) => return,
                    (Err(mpsc::RecvTimeoutError::Timeout), None) => {}
                    (Err(mpsc::RecvTimeoutError::Timeout), Some((number, room))) => {
                        said(name, number);
                        say("it does not end");
                        let _ = std::fs::remove_dir_all(room);
                        std::process::exit(101);
                    }
                }
            }
        });
        Self { begun }
    }

    fn begins(&self, number: u64, room: &std::path::Path) {
        let _ = self.begun.send((number, room.to_owned()));
    }
}
