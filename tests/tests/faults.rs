//! The disk fails, or the process ends, at a step that is counted: nothing is lost, nothing is done by halves, and who gives the same command again has all of it.
//!
//! `tests/faults/shim.c` says what a step is. A process that is killed leaves what it wrote to the system, also what it has not synced: that a step is
//! durable when the next begins is shown where the store is tested (`host/store`), not here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use consign_tests::{Behaviour, Consign, Corpus, Fault, IN_FLIGHT, Ran, Random, Scripted, Shim, Steps, few_in_each, python, say, seed};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Cases that are tried at once, each with a receiver of its own.
const AT_ONCE: usize = 2;
const FAILING: [Fault; 4] = [Fault::Full, Fault::Partial, Fault::Broken, Fault::BrokenOnce];

fn full() -> bool {
    std::env::var_os("CONSIGN_FULL").is_some()
}

/// What is tried: a command, at this step of it.
#[derive(Debug, Clone, Copy)]
struct Case {
    command: Tried,
    fault: Fault,
    at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// The first import into a data folder that is not there yet: it makes all of it, keys too.
    Import,
    /// The first run of a policy.
    Run,
}

/// What cases share.
struct Ground {
    shim: Shim,
    corpus: Corpus,
    events: u64,
    mail: TempDir,
    /// For Python: one line for each case.
    lines: Mutex<Vec<Value>>,
    /// What the program said, without what differs, and how often.
    said: Mutex<BTreeMap<String, u64>>,
    /// What the program said that names no file or folder, or not what to do.
    wrong: Mutex<Vec<String>>,
    /// Cases whose command ended before its step, or for which the step was of no account.
    unhurt: AtomicU64,
    /// Steps that were hit, by their call.
    calls: Mutex<BTreeSet<String>>,
}

/// A receiver, and a data folder with everything imported and a policy to it.
struct Place {
    archive: Scripted,
    imported: Consign,
}

impl Ground {
    fn new(chats: u64) -> Self {
        let corpus = few_in_each(seed("chats") >> 8, chats);
        Self {
            shim: Shim::build(),
            corpus,
            events: 3 * chats,
            mail: tempfile::tempdir().unwrap(),
            lines: Mutex::default(),
            said: Mutex::default(),
            wrong: Mutex::default(),
            unhurt: AtomicU64::new(0),
            calls: Mutex::default(),
        }
    }

    fn place(&self) -> Place {
        let (archive, imported) = (Scripted::start(Behaviour::Accept), Consign::new());
        imported.import(self.corpus.form, &self.corpus.file, "s");
        imported.policy(&archive.target(), "");
        Place { archive, imported }
    }

    fn arguments(&self, command: Tried) -> Vec<String> {
        let file = self.corpus.file.display().to_string();
        match command {
            Tried::Import => ["import", &file, "--format", self.corpus.form, "--source", "s"].map(str::to_owned).into(),
            Tried::Run => ["run", "all"].map(str::to_owned).into(),
        }
    }

    /// How many steps a command takes that nothing disturbs.
    fn steps(&self, command: Tried) -> u64 {
        let place = self.place();
        let consign = if command == Tried::Import { Consign::new() } else { place.imported.copy() };
        let (ran, steps) = self.command(&consign, command, Fault::Count, 0);
        ran.succeeded();
        assert_eq!(steps.hit, 0);
        steps.count
    }

    fn command(&self, consign: &Consign, command: Tried, fault: Fault, at: u64) -> (Ran, Steps) {
        let arguments = self.arguments(command);
        self.shim.run(consign, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), fault, at)
    }

    /// Tries all cases, some at once, and holds what arrived against the export.
    fn try_all(&self, cases: &[Case]) -> Value {
        let next = Mutex::new(cases.iter().enumerate());
        let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            let work = || {
                let place = self.place();
                while let Some((number, case)) = take() {
                    self.try_one(&place, number, *case);
                }
            };
            (0..AT_ONCE).map(|_| scope.spawn(work)).for_each(drop);
        });
        let lines = self.lines.lock().unwrap();
        assert_eq!(lines.len(), cases.len());
        let file = self.mail.path().join("cases.jsonl");
        let mut out = std::fs::File::create(&file).unwrap();
        lines.iter().for_each(|line| writeln!(out, "{line}").unwrap());
        python("check.py", ["many", "--cases", &file.display().to_string(), "--source", &self.corpus.spec()])
    }

    fn try_one(&self, place: &Place, number: usize, case: Case) {
        let consign = if case.command == Tried::Import { Consign::new() } else { place.imported.copy() };
        let (ran, steps) = self.command(&consign, case.command, case.fault, case.at);
        self.calls.lock().unwrap().extend(steps.first.split(' ').next().map(str::to_owned).filter(|call| !call.is_empty()));
        self.hurt(&consign, &ran, &steps, case);
        // The same command, with room: what it has to do it does; and once more, when nothing is left.
        if case.command == Tried::Import {
            consign.import(self.corpus.form, &self.corpus.file, "s");
            let again = consign.import(self.corpus.form, &self.corpus.file, "s");
            assert_eq!((&again["stored"], &again["already_there"]["message"]), (&json!({}), &json!(self.events)), "{case:?}, {steps:?}: {again}");
            consign.policy(&place.archive.target(), "");
        }
        consign.run(&["run", "all"]).succeeded();
        let again = consign.json(&["run", "all"]);
        let nothing = [&again["events"]["examined"], &again["emails"]["composed"], &again["supplements"]["windows"]];
        assert_eq!(nothing, [&json!(0); 3], "{case:?}, {steps:?}: {again}");
        assert_eq!(consign.json(&["held"]), json!([]), "{case:?}, {steps:?}");
        let mail = self.mail.path().join(number.to_string());
        place.archive.hand_over(&mail);
        let repeats = if case.command == Tried::Run && steps.hit > 0 { IN_FLIGHT } else { 0 };
        let line = json!({"name": format!("{case:?}, {steps:?}"), "mail": mail, "run": all_runs(&consign), "repeats": repeats});
        self.lines.lock().unwrap().push(line);
    }

    /// What the person is told, where something went wrong.
    fn hurt(&self, consign: &Consign, ran: &Ran, steps: &Steps, case: Case) {
        let about = format!("{case:?}, {steps:?}:\n{}{}", ran.stdout, ran.stderr);
        if ran.stderr.contains("panicked") {
            self.wrong.lock().unwrap().push(about);
            return;
        }
        if matches!(case.fault, Fault::KillBefore | Fault::KillAfter) {
            assert!(ran.code == if steps.hit > 0 { None } else { Some(0) }, "{about}");
            return;
        }
        if ran.code == Some(0) {
            self.unhurt.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let folder = consign.data().display().to_string();
        let last = ran.stderr.lines().last().unwrap_or_default().replace(&folder, "DATA");
        let words = last.split(' ').map(|word| if word.bytes().filter(u8::is_ascii_digit).count() > 3 { "…" } else { word });
        let said = words.collect::<Vec<_>>().join(" ");
        let text = if ran.code == Some(3) { format!("{}{}", ran.stdout, consign.run(&["held"]).stdout) } else { ran.stderr.clone() };
        let named = text.contains(&folder) || text.contains("default/");
        let way_out = text.contains("again") || text.contains("make it writable");
        if !named || !way_out || !(ran.code == Some(1) || (ran.code == Some(3) && case.command == Tried::Run)) {
            self.wrong.lock().unwrap().push(about);
        }
        *self.said.lock().unwrap().entry(said).or_default() += 1;
    }
}

/// The figures of all runs together: what one had to hold the next has sent.
fn all_runs(consign: &Consign) -> Value {
    let runs = consign.json(&["runs"]);
    let runs = runs.as_array().unwrap();
    assert!(runs.iter().all(|run| run["ended"] == json!(true)), "{runs:?}");
    let sum = |group: &str, name: &str| {
        let of = |run: &Value| run[group][name].as_u64().unwrap() + run["supplements"][group][name].as_u64().unwrap();
        runs.iter().map(of).sum::<u64>()
    };
    let examined: u64 = runs.iter().map(|run| run["events"]["examined"].as_u64().unwrap()).sum();
    let [exported, omitted, copies] = ["exported", "omitted", "copies"].map(|name| sum("events", name));
    json!({
        "events": {"examined": examined, "exported": exported, "omitted": omitted, "held": examined - exported - omitted, "copies": copies},
        "emails": {"accepted": sum("emails", "accepted")},
    })
}

#[test]
fn a_disk_that_fails_loses_nothing() {
    let ground = Ground::new(12);
    let mut random = Random::new(seed("points of failing"));
    let points = if full() { 100 } else { 50 };
    let mut cases = Vec::new();
    for command in [Tried::Import, Tried::Run] {
        let steps = ground.steps(command);
        say(format_args!("{command:?}: {steps} steps"));
        cases.extend((0..points).map(|_| Case { command, fault: *random.pick(&FAILING), at: 1 + random.bits() % steps }));
    }
    let figures = ground.try_all(&cases);
    for (text, times) in &*ground.said.lock().unwrap() {
        say(format_args!("  {times} x {text}"));
    }
    say(format_args!(
        "{} points of failing, of which {} were of no account: {figures}; calls that failed: {:?}",
        cases.len(),
        ground.unhurt.load(Ordering::Relaxed),
        ground.calls.lock().unwrap()
    ));
    // Were a call not seen any more, or the folder not, most would end well.
    assert!(
        ground.unhurt.load(Ordering::Relaxed) * 2 < cases.len() as u64 && ground.calls.lock().unwrap().len() >= 3,
        "the faults did not come about"
    );
    let wrong = ground.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{} of {} said it badly:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_step_once_and_every_step_twice() {
    let ground = Ground::new(2);
    let mut cases = Vec::new();
    for command in [Tried::Import, Tried::Run] {
        let steps = ground.steps(command);
        say(format_args!("{command:?}: {steps} steps"));
        // Between the end of a step and the beginning of the next the disk is the same: the other half is for whoever has the time.
        let faults: &[Fault] = if full() { &[Fault::KillBefore, Fault::KillAfter] } else { &[Fault::KillAfter] };
        cases.extend((1..=steps).flat_map(|at| faults.iter().map(move |fault| Case { command, fault: *fault, at })));
    }
    let figures = ground.try_all(&cases);
    say(format_args!("killed {} times, each step once at least: {figures}; calls: {:?}", cases.len(), ground.calls.lock().unwrap()));
}
