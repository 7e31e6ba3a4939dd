//! Delivery by SMTP in clear over loopback: e-mails of 10 KB, 100 KB and 1 MB over 1, 4 and 16 connections, against Postfix's own load generator
//! `smtp-source`; the processor time of an e-mail against a raw socket; and lettre's pool and mail-send, which wait for delayed acknowledgements.
//!
//! `cargo run --release --manifest-path tests/benches/Cargo.toml -p consign-bench-smtp [-- ROUNDS [PERCENT]]`: so many pairs of each (5), of so much
//! of the usual number of e-mails (100). `-- 1 20` takes half a minute. Needs Debian's `postfix`; with `strace` it tells system calls too.
//!
//! `-- send consign|raw|bare|smtp-source|lettre|mail-send PORT CONNECTIONS SIZE COUNT` sends once, for a profile, to what `-- sink` began, which says its port.

mod senders;
mod sink;

use std::process::{Command, ExitCode};
use std::time::Duration;

use consign_bench_measure::{Pairs, Spread, Took, print_place, print_row, took};
use senders::{Load, SMTP_SOURCE, Who, email};
use sink::Sink;
use tokio::runtime::Runtime;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of an e-mail, its name, and how many are sent in a run.
const SIZES: [(usize, &str, usize); 3] = [(10 << 10, "10 KB", 6000), (100 << 10, "100 KB", 2000), (1 << 20, "1 MB", 250)];

fn main() -> ExitCode {
    consign_bench_measure::ended(run())
}

fn run() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sink"] => sink::serve(),
        ["send", who, port, connections, size, count] => {
            let who = Who::named(who).ok_or("nobody of this name sends")?;
            let load = Load { port: port.parse()?, connections: connections.parse()?, count: count.parse()?, email: email(size.parse()?) };
            who.send(&Runtime::new()?, &load)
        }
        [] => Bench::new(5, 100)?.run(),
        [rounds] => Bench::new(rounds.parse()?, 100)?.run(),
        [rounds, percent] => Bench::new(rounds.parse()?, percent.parse()?)?.run(),
        _ => Err("usage: [ROUNDS [PERCENT]] | sink | send WHO PORT CONNECTIONS SIZE COUNT".into()),
    }
}

struct Bench {
    rounds: usize,
    percent: usize,
    runtime: Runtime,
    sink: Sink,
}

impl Bench {
    fn new(rounds: usize, percent: usize) -> Result<Self, Error> {
        Ok(Self { rounds: rounds.max(1), percent: percent.max(1), runtime: Runtime::new()?, sink: Sink::start()? })
    }

    fn run(&mut self) -> Result<(), Error> {
        print_place();
        println!("| what | against | wanted | measured | holds |\n|---|---|---|---|---|");
        if std::path::Path::new(SMTP_SOURCE).exists() {
            for (size, name, count) in SIZES {
                for (connections, wanted) in [(1, 1.5), (4, 1.0), (16, 1.0)] {
                    self.rate(size, name, count, connections, wanted)?;
                }
            }
        } else {
            eprintln!("{SMTP_SOURCE} is missing, and its rows with it: install Debian's postfix");
        }
        self.processor()?;
        for (who, name) in [(Who::LettrePool, "lettre's pool"), (Who::MailSend, "mail-send")] {
            self.nagle(who, name)?;
        }
        self.calls()
    }

    fn load(&self, size: usize, count: usize, connections: u16) -> Load {
        Load { port: self.sink.port, connections, count: (count * self.percent / 100).max(1), email: email(size) }
    }

    /// Pairs of Consign and a peer, by e-mail, and the sink's processor time for one of Consign's e-mails.
    fn pairs(&mut self, ours: &Load, peer: Who, theirs: &Load) -> Result<(Pairs, Spread), Error> {
        let (runtime, sink) = (&self.runtime, std::cell::RefCell::new(&mut self.sink));
        let mut of_sink = Vec::new();
        // A run that fails makes its pair worthless; the first reason is told.
        let failed = std::cell::RefCell::new(None);
        let one = |who: Who, load: &Load| {
            let work = || -> Result<(Took, Duration), Error> {
                let mut sink = sink.borrow_mut();
                let before = sink.seen()?;
                let (sent, took) = took(|| who.send(runtime, load));
                sent?;
                let after = sink.seen()?;
                let count = u32::try_from(load.count)?;
                if after.emails - before.emails != u64::from(count) {
                    return Err(format!("{who:?} sent {count} e-mails, and {} came", after.emails - before.emails).into());
                }
                if after.bytes - before.bytes < load.email.len() as u64 * u64::from(count) {
                    return Err(format!("{who:?} sent {count} e-mails, and they came cut short").into());
                }
                Ok((Took { wall: took.wall / count, cpu: took.cpu / count }, after.cpu.saturating_sub(before.cpu) / count))
            };
            work().unwrap_or_else(|error| {
                failed.borrow_mut().get_or_insert(error);
                (Took { wall: Duration::from_secs(1), cpu: Duration::from_secs(1) }, Duration::ZERO)
            })
        };
        let pairs = Pairs::run(
            self.rounds,
            || {
                let (took, sink) = one(Who::Consign, ours);
                of_sink.push(sink.as_secs_f64() * 1e6);
                took
            },
            || one(peer, theirs).0,
        );
        match failed.into_inner() {
            Some(error) => Err(error),
            None => Ok((pairs, Spread::of(of_sink))),
        }
    }

    fn rate(&mut self, size: usize, name: &str, count: usize, connections: u16, wanted: f64) -> Result<(), Error> {
        let load = self.load(size, count, connections);
        let (pairs, sink) = self.pairs(&load, Who::SmtpSource, &load)?;
        let cpu = |of: fn(&(Took, Took)) -> Took| Spread::of(pairs.runs.iter().map(|run| of(run).cpu.as_secs_f64() * 1e6).collect()).median;
        print_row(
            &format!("rate, {name}, {connections} connection{}", if connections == 1 { "" } else { "s" }),
            "smtp-source",
            &format!("≥ {wanted}"),
            &format!(
                "{} ({:.0} e-mails/s, {:.0}); processor {:.0} µs, {:.0}, the sink {:.0}",
                pairs.faster(),
                1.0 / pairs.ours().median,
                1.0 / pairs.peer().median,
                cpu(|run| run.0),
                cpu(|run| run.1),
                sink.median
            ),
            pairs.faster().median >= wanted,
        );
        Ok(())
    }

    fn processor(&mut self) -> Result<(), Error> {
        for (peer, against) in [(Who::Raw, "raw socket"), (Who::Bare, "bare task of tokio")] {
            for (size, name, count) in SIZES {
                let load = self.load(size, count, 1);
                let (pairs, _) = self.pairs(&load, peer, &load)?;
                // Only of small ones it is asked: large ones both copy into the kernel, and Consign has gone through them before.
                let is_wanted = (size, peer) == (SIZES[0].0, Who::Raw);
                let median =
                    |of: fn(&(Took, Took)) -> Took| Spread::of(pairs.runs.iter().map(|run| of(run).cpu.as_secs_f64() * 1e6).collect()).median;
                print_row(
                    &format!("processor, {name}, 1 connection"),
                    against,
                    if is_wanted { "≤ 1.3" } else { "" },
                    &format!("{} ({:.1} µs, {:.1}); by the clock {}", pairs.cpu(), median(|run| run.0), median(|run| run.1), pairs.wall()),
                    !is_wanted || pairs.cpu().median <= 1.3,
                );
            }
        }
        Ok(())
    }

    /// Peers that don't set `TCP_NODELAY`: the last, short segment of a text waits for the acknowledgement of the one before, and the server, which
    /// has nothing to say yet, delays that by 40 ms.
    fn nagle(&mut self, who: Who, name: &str) -> Result<(), Error> {
        let (size, size_name, count) = SIZES[0];
        // However short the run: the first few e-mails of a connection are acknowledged at once.
        let (ours, theirs) = (self.load(size, count, 1), Load { count: 40, ..self.load(size, count, 1) });
        let (pairs, _) = self.pairs(&ours, who, &theirs)?;
        let per_email = pairs.peer().median * 1e3;
        let measured = format!("{}; an e-mail takes it {per_email:.2} ms", pairs.faster());
        print_row(&format!("rate, {size_name}, 1 connection"), name, "≥ 50", &measured, pairs.faster().median >= 50.0);
        Ok(())
    }

    /// System calls of an e-mail: what `strace` counts of two runs of different lengths, the difference by e-mails.
    fn calls(&mut self) -> Result<(), Error> {
        if Command::new("strace").arg("-V").output().is_err() {
            eprintln!("strace is missing, and its row with it");
            return Ok(());
        }
        let port = self.sink.port.to_string();
        let count = |who: &str, emails: u32| -> Result<f64, Error> {
            let mut command = Command::new("strace");
            command.args(["-f", "-c", "-U", "calls,name", "--"]).arg(std::env::current_exe()?);
            command.args(["send", who, &port, "1", &SIZES[0].0.to_string(), &emails.to_string()]);
            let done = command.output()?;
            let text = String::from_utf8_lossy(&done.stderr);
            let total = text.lines().rev().find(|line| line.trim_end().ends_with("total")).and_then(|line| line.split_whitespace().next());
            total.and_then(|total| total.parse().ok()).ok_or_else(|| format!("strace: {text}").into())
        };
        let each = |who: &str| -> Result<f64, Error> { Ok((count(who, 1500)? - count(who, 500)?) / 1000.0) };
        let (ours, raw, source) = (each("consign")?, each("raw")?, each("smtp-source")?);
        let measured = format!("{ours:.1}, {raw:.1}, {source:.1}");
        print_row("system calls of an e-mail, 10 KB, 1 connection (strace)", "raw socket, smtp-source", "", &measured, true);
        Ok(())
    }
}
