//! The whole way, from an export's file to the archive's mail server, by the program itself as users run it: import, export, a run with nothing new, a run that
//! keeps little, ten times as much; and modules from their upload until they are ready.
//!
//! Policies have cursors of their own, so one archive can be exported as often as there are policies, each time all of it, without being made again.
//!
//! `consign-bench-export [--chats N] [--modules N] [--rounds N]`: 2,000 chats of 50 messages, 50 modules and 3 rounds, where nothing else is said; 20,000 chats
//! and 1,000 modules are the table's; of 0 nothing is measured. Needs
//! age, zstd, tar and Postfix' smtp-sink and smtp-source. The program is built first, or named by `CONSIGN_BIN`; texts are those of `CONSIGN_CORPORA`, where it is set.

mod data;
mod modules;
mod program;

use consign_bench_measure::{Pairs, Spread, Took, print_place, print_row, took};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::data::Data;
use crate::program::{Consign, Sink};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Connections of the target, and sessions of smtp-source.
const CONNECTIONS: usize = 4;
const MIB: f64 = 1_048_576.0;

struct Options {
    chats: usize,
    modules: usize,
    rounds: usize,
}

impl Options {
    fn read() -> Result<Self> {
        let (mut options, mut args) = (Self { chats: 2_000, modules: 50, rounds: 3 }, std::env::args().skip(1));
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} has no value"))?.parse()?;
            match name.as_str() {
                "--chats" => options.chats = value,
                "--modules" => options.modules = value,
                "--rounds" => options.rounds = value,
                _ => return Err(format!("unknown: {name}. Known are --chats N, --modules N and --rounds N").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    consign_bench_measure::ended(bench())
}

fn bench() -> Result<()> {
    let options = Options::read()?;
    let folder = tempfile::tempdir()?;
    let texts = data::texts()?;
    print_place();
    println!("{} chats of {} messages, {} rounds; texts: {}\n", options.chats, data::MESSAGES, options.rounds, texts.origin);
    println!("| what | against | wanted | measured | holds |\n|---|---|---|---|---|");

    if options.modules > 0 {
        modules::modules(&folder.path().join("modules"), options.modules, options.rounds)?;
    }
    if options.chats == 0 {
        return Ok(());
    }
    let whole = Data::make(&folder.path().join("whole"), options.chats, &texts)?;
    import(&whole, &options, folder.path())?;
    let consign = Consign::new(&folder.path().join("exported"))?;
    consign.import(&whole.file)?;
    let sink = Sink::start()?;
    let whole_export = export(&consign, &sink, &options)?;
    nothing_new(&consign, &options)?;
    keeps_little(&consign, &whole_export, &options)?;

    let tenth = Data::make(&folder.path().join("tenth"), options.chats / 10, &texts)?;
    let small = Consign::new(&folder.path().join("small"))?;
    small.import(&tenth.file)?;
    ten_times(&small, &sink, &whole_export, &options)?;
    Ok(())
}

/// Import, against the input piped through zstd into age.
fn import(data: &Data, options: &Options, folder: &Path) -> Result<()> {
    let key = Command::new("age-keygen").arg("-o").arg(folder.join("age.key")).output()?;
    let said = String::from_utf8_lossy(&key.stderr).into_owned();
    let recipient = said.split_whitespace().last().ok_or("age-keygen said no key")?.to_owned();
    let script = format!("tar -C '{}' -cf - . | zstd -q -3 | age -r {recipient} -o '{}'", data.folder.display(), folder.join("peer.age").display());
    let (mut runs, mut peaks) = (Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        let peer = || timed(Command::new("sh").args(["-c", &script]));
        let before = (round % 2 == 0).then(peer);
        let place = folder.join(format!("import-{round}"));
        let ended = Consign::new(&place)?.import(&data.file)?;
        std::fs::remove_dir_all(place)?;
        peaks.push(ended.peak_mib());
        runs.push((ended.took, before.unwrap_or_else(peer)));
    }
    let pairs = Pairs { runs };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let rate = data.bytes as f64 / MIB / pairs.ours().median;
    let faster = pairs.faster();
    print_row(
        "import into the encrypted archive",
        "`tar \\| zstd -3 \\| age`",
        "at least 0.5 of its rate",
        &format!("{faster}; {rate:.1} MiB/s, processor {} times, peak {:.0} MiB", pairs.cpu(), Spread::of(peaks).max),
        faster.median >= 0.5,
    );
    Ok(())
}

fn timed(command: &mut Command) -> Took {
    took(|| drop(command.stdin(Stdio::null()).stdout(Stdio::null()).status())).1
}

/// What the whole export came to.
struct Whole {
    /// Seconds of each run.
    seconds: Spread,
    /// MiB.
    peak: f64,
}

/// What is kept and left out of chats: two criteria that keep all of it, having looked at each text and each time.
const ALL: &str = "[[policy.criteria]]\nmodule = \"std/keywords\"\n\
    config = { none = [\"zzq1\", \"zzq2\", \"zzq3\", \"zzq4\", \"zzq5\", \"zzq6\", \"zzq7\", \"zzq8\"], ignore-case = true }\n\
    [[policy.criteria]]\nmodule = \"std/period\"\nconfig = { from = \"2000-01-01\" }\n";
/// One that keeps a hundredth of the chats, by their titles.
const LITTLE: &str = "[[policy.criteria]]\nmodule = \"std/chats\"\nconfig = { title = { contains = [\"desk 7 \"] } }\n";

fn whole(round: usize) -> String {
    format!("whole{round}")
}

fn little(round: usize) -> String {
    format!("little{round}")
}

/// Policies that have not run yet: one of each kind for each round, and the first beside.
fn policies(consign: &Consign, sink: &Sink, options: &Options) -> Result<()> {
    let all = (0..=options.rounds).flat_map(|round| [(whole(round), ALL), (little(round), LITTLE)]);
    consign.policies(sink.port, CONNECTIONS, all)
}

fn export(consign: &Consign, sink: &Sink, options: &Options) -> Result<Whole> {
    policies(consign, sink, options)?;
    let first = consign.run(&whole(0))?;
    let (emails, bytes) = (first.figure("emails", "accepted"), first.figure("emails", "bytes"));
    let (each, sessions) = (bytes / emails.max(1), CONNECTIONS.to_string());
    let source = || {
        let (count, size, to) = (emails.to_string(), each.to_string(), format!("127.0.0.1:{}", sink.port));
        timed(Command::new("smtp-source").args([
            "-s",
            &sessions,
            "-m",
            &count,
            "-l",
            &size,
            "-f",
            "journal@corp.example",
            "-t",
            "in@archive.example",
            &to,
        ]))
    };
    let (mut runs, mut peaks) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let before = (round % 2 == 0).then(source);
        let run = consign.run(&whole(round))?;
        if run.figure("emails", "accepted") != emails {
            return Err(format!("round {round} sent {} e-mails, and the first one {emails}", run.figure("emails", "accepted")).into());
        }
        peaks.push(run.ended.peak_mib());
        runs.push((run.ended.took, before.unwrap_or_else(source)));
    }
    let pairs = Pairs { runs };
    let (faster, seconds, peak) = (pairs.faster(), pairs.ours(), Spread::of(peaks).max);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let rate = |count: u64| count as f64 / seconds.median;
    let measured = format!(
        "{faster}; {emails} e-mails of {each} bytes in {seconds} s, {:.0} e-mails/s, {:.0} events/s; processor {:.2} s",
        rate(emails),
        rate(first.figure("events", "exported")),
        Spread::of(pairs.runs.iter().map(|(ours, _)| ours.cpu.as_secs_f64()).collect()).median
    );
    print_row("the whole export", "`smtp-source`, as many e-mails of the same size", "at least 0.9 of its rate", &measured, faster.median >= 0.9);
    print_row("peak memory of the whole export", "", "192 MiB", &format!("{peak:.0} MiB"), peak <= 192.0);
    Ok(Whole { seconds, peak })
}

fn nothing_new(consign: &Consign, options: &Options) -> Result<()> {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for _ in 0..=options.rounds {
        let run = consign.run(&whole(0))?;
        inside.push(run.millis());
        outside.push(run.ended.took.wall.as_secs_f64() * 1_000.0);
    }
    let inside = Spread::of(inside);
    let measured = format!("{inside} ms; with the start of the program {} ms", Spread::of(outside));
    print_row(&format!("a run with nothing new over {} chats", options.chats), "", "20 ms", &measured, inside.median <= 20.0);
    Ok(())
}

fn keeps_little(consign: &Consign, export: &Whole, options: &Options) -> Result<()> {
    let mut shares = Vec::new();
    for round in 0..=options.rounds {
        let run = consign.run(&little(round))?;
        let emails = run.figure("emails", "accepted");
        if emails * 100 != options.chats as u64 {
            return Err(format!("{emails} of {} chats are kept, and it should be a hundredth", options.chats).into());
        }
        shares.push(100.0 * run.ended.took.wall.as_secs_f64() / export.seconds.median);
    }
    let share = Spread::of(shares);
    print_row(
        "a run that keeps 1% of the chats by metadata",
        "the whole export",
        "at most 8% of its time",
        &format!("{share}%"),
        share.median <= 8.0,
    );
    Ok(())
}

/// The export of a tenth, against that of the whole.
fn ten_times(tenth: &Consign, sink: &Sink, export: &Whole, options: &Options) -> Result<()> {
    policies(tenth, sink, options)?;
    let (mut seconds, mut peaks) = (Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        let run = tenth.run(&whole(round))?;
        seconds.push(run.ended.took.wall.as_secs_f64());
        peaks.push(run.ended.peak_mib());
    }
    let (time, memory) = (export.seconds.median / Spread::of(seconds).median / 10.0, export.peak / Spread::of(peaks).max);
    let measured = format!("time {time:.2}, memory {memory:.2}");
    print_row("ten times the archive", "the same at 1 time, by event", "time and peak memory at most 1.1", &measured, time <= 1.1 && memory <= 1.1);
    Ok(())
}
