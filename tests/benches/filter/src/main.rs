//! A filter in a component, against the same filter in native Rust, and against what else could run a tenant's filter.
//!
//! **The filter.** A message is kept if one of the thirty people who write most wrote it, if it was written from the 1st of June 2019 to the end of 2024 (UTC), and if its text holds
//! any of twenty needles, whatever the case of their letters. Else it is left out by the first of these that it does not meet, in this order. All sides have to give the same
//! verdicts on every message before anything is timed.
//!
//! **What is counted.** The component is run as the exporter runs it: for each chat an instance of its own, which is configured, is shown the chat and its columns, and goes. All
//! of that counts, and so does making the view of the columns, which a filter in native Rust needs none of; reading and decrypting does not, of which both sides are given what
//! came out. In one variant the host looks for the needles, which the configuration fixed, and no text enters the component; in the other the component reads the texts itself. A
//! third row has three standard modules in its place, as most policies would. What a chat costs whatever its length, and what each message costs beyond it, come of a second run, over
//! the same chats with one message each. The same chats are gone through again and again, as they would lie in the processor's cache when they were just decoded.
//!
//! Times are the processor's, since others use the machine too; by the clock the ratios are the same.
//!
//! `CONSIGN_CORPORA=… cargo run --release --manifest-path tests/benches/Cargo.toml -p consign-bench-filter [-- --rounds 3 --messages 1000000]` (`--rounds 1 --messages 100000` for a
//! short run). `-- only matching|text|standard|native` runs one side alone, once, for perf. It builds `guest/` first, which takes some minutes the first time.
#![expect(clippy::cast_precision_loss, reason = "counts as ratios")]

mod component;
mod definition;
mod guest;
mod peers;
mod talk;

use std::cell::Cell;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use component::Criteria;
use consign_bench_measure::{Pairs, Spread, Took, print_place, print_row, took};
use consign_model::EventBatch;
use consign_sandbox::{Sandbox, SandboxConfig};
use definition::{Definition, KEEP};
use guest::Toolchain;
use talk::{Talk, Talks};

type Fault = Box<dyn std::error::Error>;

/// How many times the native filter's time the component may take, a chat's own share apart.
const WANTED_MATCHING: f64 = 1.25;
const WANTED_TEXT: f64 = 1.6;

/// What a chat may cost beside that.
const A_CHAT: Duration = Duration::from_micros(30);

/// How many times as fast as a peer it has to be.
const WANTED_FASTER: f64 = 40.0;

/// About how long a peer is given in each round: it gets fewer messages.
const A_PEER: Duration = Duration::from_millis(500);

/// The two of a pair take turns so often over a round's messages, with an equal part of them each time: what others do on the machine changes within a second.
const PARTS: usize = 10;

fn main() -> ExitCode {
    consign_bench_measure::ended(run())
}

fn option(name: &str, default: usize) -> Result<usize, Fault> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    if args.next().is_none() {
        return Ok(default);
    }
    Ok(args.next().ok_or_else(|| format!("{name} takes a number"))?.parse()?)
}

/// A side of the comparison: its verdicts on a batch of a chat.
type Side<'a> = dyn Fn(&Talk, &Arc<EventBatch>) -> Result<Vec<u8>, Fault> + 'a;

fn run() -> Result<(), Fault> {
    let (rounds, messages) = (option("--rounds", 3)?, option("--messages", 1_000_000)?);
    let toolchain = Toolchain::find()?;
    let (talks, definition) = Talks::read()?;
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let native = |_: &Talk, batch: &Arc<EventBatch>| Ok(definition.verdicts(batch));
    let matching = Criteria::alone(&sandbox, &toolchain.component(&[])?, &definition)?;
    let text = Criteria::alone(&sandbox, &toolchain.component(&["text"])?, &definition)?;
    let standard = Criteria::standard(&sandbox, &definition)?;
    let chats = talks.with_messages(messages / PARTS);
    if let Some(side) = std::env::args().skip_while(|arg| arg != "only").nth(1) {
        let side: &Side = match side.as_str() {
            "matching" => &|talk, batch| matching.verdicts(talk, batch),
            "text" => &|talk, batch| text.verdicts(talk, batch),
            "standard" => &|talk, batch| standard.verdicts(talk, batch),
            "native" => &native,
            _ => return Err("write: only matching, text, standard or native".into()),
        };
        return kept(&chats, side, |talk| &talk.batch).map(drop);
    }
    let bench = Bench { talks: &talks, definition: &definition, chats, rounds };
    bench.same(&matching, true)?;
    bench.same(&text, true)?;
    bench.same(&standard, false)?;
    bench.heading()?;
    bench.every_text()?;
    let share = bench.against_native("a component, needles looked for by the host", &matching, Some(WANTED_MATCHING))?;
    bench.against_native("a component that reads the texts", &text, Some(WANTED_TEXT))?;
    bench.against_native("three standard modules", &standard, None)?;
    for (name, make) in peers::ALL {
        match make(&definition, &toolchain) {
            Ok(peer) => bench.against_peer(name, peer, &matching, share)?,
            Err(error) => print_row("a component, needles looked for by the host", name, "", &format!("it can't be had: {error}"), false),
        }
    }
    Ok(())
}

/// How many messages a side keeps.
fn kept(chats: &[&Talk], side: &Side, of: impl Fn(&Talk) -> &Arc<EventBatch>) -> Result<usize, Fault> {
    let mut kept = 0;
    for talk in chats {
        kept += side(talk, of(talk))?.into_iter().filter(|verdict| *verdict == KEEP).count();
    }
    Ok(kept)
}

/// Which of a chat's batches.
type Of = fn(&Talk) -> &Arc<EventBatch>;

/// What is measured on.
struct Bench<'a> {
    talks: &'a Talks,
    definition: &'a Definition,
    chats: Vec<&'a Talk>,
    rounds: usize,
}

/// What a message costs beside its chat's own share, in nanoseconds.
#[derive(Clone, Copy)]
struct AMessage(f64);

impl Bench<'_> {
    /// Holds a component to the native filter, on every chat and on its short form. `rules`: by the same rules, else by what is kept alone.
    fn same(&self, criteria: &Criteria, rules: bool) -> Result<(), Fault> {
        for talk in &self.talks.all {
            for batch in [&talk.batch, &talk.short] {
                let (mut ours, mut native) = (criteria.verdicts(talk, batch)?, self.definition.verdicts(batch));
                if !rules {
                    ours.iter_mut().chain(&mut native).for_each(|verdict| *verdict = u8::from(*verdict != KEEP));
                }
                if ours != native {
                    return Err(format!("the verdicts on chat {} differ", talk.facts.chat.key.id).into());
                }
            }
        }
        Ok(())
    }

    fn heading(&self) -> Result<(), Fault> {
        print_place();
        let messages = messages(&self.chats);
        let bytes: usize = self.chats.iter().map(|talk| talk.batch.texts.bytes.len()).sum();
        let asked = |talk: &&Talk| (0..talk.batch.len()).filter(|row| self.definition.asks_for_text(&talk.batch, *row)).count();
        let asked: usize = self.chats.iter().map(asked).sum();
        let kept = kept(&self.chats, &|_, batch| Ok(self.definition.verdicts(batch)), |talk| &talk.batch)?;
        println!(
            "{} messages of {:.0} bytes in {} chats, of {}; {:.1}% of them are looked through for needles, {} are kept, by every side the same; {} pairs of a tenth each\n",
            messages * PARTS,
            bytes as f64 / messages as f64,
            self.chats.len() * PARTS,
            self.talks.source,
            asked as f64 / messages as f64 * 100.0,
            kept * PARTS,
            self.rounds * PARTS
        );
        println!("| what | against | wanted | measured | holds |\n|---|---|---|---|---|");
        Ok(())
    }

    /// One that runs over all chats, and says if it ever keeps another number of them than the first time.
    fn runner<'b>(&'b self, side: &'b Side<'b>, of: Of, wrong: &'b Cell<bool>) -> impl FnMut() -> Took + 'b {
        let mut first = None;
        move || {
            let (kept, took) = took(|| kept(&self.chats, side, of));
            let kept = kept.ok();
            wrong.set(wrong.get() || kept.is_none() || first.is_some_and(|first| first != kept));
            first = Some(kept);
            took
        }
    }

    /// What it costs to look through every text, where a filter in native Rust knows which ones it needs.
    fn every_text(&self) -> Result<(), Fault> {
        let wrong = Cell::new(false);
        let eager = |_: &Talk, batch: &Arc<EventBatch>| Ok(self.definition.verdicts_of_all_texts(batch));
        let native = |_: &Talk, batch: &Arc<EventBatch>| Ok(self.definition.verdicts(batch));
        let pairs =
            Pairs::run(self.rounds * PARTS, self.runner(&eager, |talk| &talk.batch, &wrong), self.runner(&native, |talk| &talk.batch, &wrong));
        print_row("native Rust that looks through every text", "native Rust", "", &format!("{} times", pairs.cpu()), true);
        if wrong.get() { Err("a side keeps other messages than it did".into()) } else { Ok(()) }
    }

    fn against_native(&self, what: &str, criteria: &Criteria, wanted: Option<f64>) -> Result<AMessage, Fault> {
        let wrong = Cell::new(false);
        let ours = |talk: &Talk, batch: &Arc<EventBatch>| criteria.verdicts(talk, batch);
        let native = |_: &Talk, batch: &Arc<EventBatch>| Ok(self.definition.verdicts(batch));
        let (whole, short): (Of, Of) = (|talk| &talk.batch, |talk| &talk.short);
        let count = self.rounds * PARTS;
        let pairs = Pairs::run(count, self.runner(&ours, whole, &wrong), self.runner(&native, whole, &wrong));
        let shorts = Pairs::run(count, self.runner(&ours, whole, &wrong), self.runner(&ours, short, &wrong));
        if wrong.get() {
            return Err("a side keeps other messages than it did".into());
        }
        let (chats, messages) = (self.chats.len() as f64, messages(&self.chats) as f64);
        let seconds = |of: &dyn Fn(&(Took, Took)) -> f64, pairs: &Pairs| Spread::of(pairs.runs.iter().map(of).collect()).median;
        let alone = seconds(&|(_, native)| native.cpu.as_secs_f64(), &pairs);
        let a_message = seconds(&|(whole, short)| whole.cpu.as_secs_f64() - short.cpu.as_secs_f64(), &shorts) / (messages - chats);
        let a_chat = seconds(&|(_, short)| short.cpu.as_secs_f64(), &shorts) / chats - a_message;
        let most = wanted.map(|wanted| format!("at most {wanted} times")).unwrap_or_default();
        let holds = |times: f64| wanted.is_none_or(|wanted| times <= wanted);

        let clock = format!("{} times; by the clock {}", pairs.cpu(), pairs.wall());
        print_row(what, "native Rust", "", &clock, true);
        let less = |(ours, native): &(Took, Took)| (ours.cpu.as_secs_f64() - A_CHAT.as_secs_f64() * chats) / native.cpu.as_secs_f64();
        let less = Spread::of(pairs.runs.iter().map(less).collect());
        let micros = A_CHAT.as_micros();
        print_row(&format!("{what}, less {micros} µs a chat"), "native Rust", &most, &format!("{less} times"), holds(less.median));
        let each = a_message * messages / alone;
        let nanos = format!("{each:.2} times: {:.0} ns a message, native Rust {:.0}", a_message * 1e9, alone / messages * 1e9);
        print_row(&format!("{what}, without what a chat costs"), "native Rust", &most, &nanos, holds(each));
        let wanted_chat = wanted.map(|_| format!("at most {micros} µs")).unwrap_or_default();
        let in_time = wanted.is_none() || a_chat <= A_CHAT.as_secs_f64();
        print_row(&format!("{what}, what a chat costs"), "", &wanted_chat, &format!("{:.1} µs", a_chat * 1e6), in_time);
        let parts = criteria.parts(&self.chats)?.of_a_chat(chats);
        print_row(&format!("{what}, a chat of one message by what is done, by the clock"), "", "", &parts, true);
        Ok(AMessage(a_message * 1e9))
    }

    /// On fewer messages, and fewer rounds.
    fn against_peer(&self, name: &str, mut peer: Box<dyn peers::Peer>, criteria: &Criteria, AMessage(share): AMessage) -> Result<(), Fault> {
        for talk in &self.talks.all {
            let native = self.definition.verdicts(&talk.batch);
            if !peer.keeps(&talk.batch)?.into_iter().eq(native.into_iter().map(|verdict| verdict == KEEP)) {
                return Err(format!("{name} does not keep the same of chat {}", talk.facts.chat.key.id).into());
            }
        }
        let sample = self.talks.with_messages(3_000);
        let wrong = Cell::new(false);
        let mut over = |chats: &[&Talk]| {
            let (kept, took) = took(|| chats.iter().map(|talk| peer.keeps(&talk.batch).map(|keeps| keeps.len())).sum::<Result<usize, Fault>>());
            wrong.set(wrong.get() || kept.is_err());
            took
        };
        let a_message = over(&sample).cpu.as_secs_f64() / messages(&sample) as f64;
        let count = (A_PEER.as_secs_f64() / a_message).clamp(3_000.0, 1_000_000.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between the two above")]
        let chats = self.talks.with_messages(count as usize);
        let side = |talk: &Talk, batch: &Arc<EventBatch>| criteria.verdicts(talk, batch);
        let ours = || {
            let (kept, took) = took(|| kept(&chats, &side, |talk| &talk.batch));
            wrong.set(wrong.get() || kept.is_err());
            took
        };
        let pairs = Pairs::run(self.rounds + 2, ours, || over(&chats));
        if wrong.get() {
            return Err(format!("{name} or the component failed").into());
        }
        let faster = Spread::of(pairs.runs.iter().map(|(ours, peer)| peer.cpu.as_secs_f64() / ours.cpu.as_secs_f64()).collect());
        let nanos = |of: fn(&(Took, Took)) -> Duration| {
            Spread::of(pairs.runs.iter().map(|run| of(run).as_secs_f64()).collect()).median / messages(&chats) as f64 * 1e9
        };
        let (own, others) = (nanos(|run| run.0.cpu), nanos(|run| run.1.cpu));
        let measured =
            format!("{faster} times as fast: {own:.0} ns a message, the peer {others:.0}; without what a chat costs {:.1} times", others / share);
        print_row(
            "a component, needles looked for by the host",
            name,
            &format!("at least {WANTED_FASTER} times"),
            &measured,
            faster.median >= WANTED_FASTER,
        );
        Ok(())
    }
}

fn messages(chats: &[&Talk]) -> usize {
    chats.iter().map(|talk| talk.batch.len()).sum()
}
