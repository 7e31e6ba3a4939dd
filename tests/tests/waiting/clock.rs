//! The clock is set forward, back and forward again, and the machine sleeps, while `serve` runs: no due time has two runs, none has its run before it, missed
//! ones have one, what waits is tried again neither early nor never, and each e-mail arrives once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use consign_tests::{Arrived, Behaviour, Clock, Consign, Ran, Scripted, check, few_in_each, say, seed, until};
use serde_json::Value;

/// 10 March 2026, 09:30 UTC: half an hour from any due time but those of each second.
const START: i64 = 1_773_135_000;
const HOUR: i64 = 3600;

/// What `serve` says, as far as it was heard.
struct Said {
    lines: Receiver<String>,
    runs: Vec<(String, Value)>,
}

impl Said {
    /// Hears on until a run of this policy has ended.
    fn run_of(&mut self, policy: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_mins(3)).unwrap_or_default();
            assert!(!line.is_empty(), "it ended, or says nothing more, before a run of {policy}");
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["what"] != "run" {
                continue;
            }
            self.runs.push((said["policy"].as_str().unwrap().to_owned(), said.clone()));
            if said["policy"] == policy {
                return said;
            }
        }
    }

    /// Runs of this policy so far.
    fn count(&self, policy: &str) -> usize {
        self.runs.iter().filter(|(of, _)| of == policy).count()
    }
}

/// Due times of a policy's runs and when these began, in the order of beginning.
fn times(runs: &[Value], policy: &str) -> Vec<(String, String)> {
    let of = runs.iter().rev().filter(|run| run["policy"] == policy);
    of.map(|run| {
        assert_eq!(run["ended"], true, "{run}");
        let due = run["trigger"]["due"].as_str().map_or_else(|| run["trigger"]["by"].as_str().unwrap().to_owned(), str::to_owned);
        (due, run["started_at"].as_str().unwrap().to_owned())
    })
    .collect()
}

#[test]
fn a_clock_that_jumps_and_a_machine_that_sleeps() {
    let (corpus, consign) = (few_in_each(seed("chats") >> 8, 5), Consign::new());
    let (taking, deferring) = (Scripted::start(Behaviour::Accept), Scripted::start(Behaviour::Defer));
    let mut clock = Clock::at(START);
    let run = |clock: &Clock, args: &[&str]| Ran::of(clock.before(consign.command(args))).succeeded();
    run(&clock, &["import", &corpus.file.display().to_string(), "--format", corpus.form, "--source", "s"]);
    let hourly =
        |name: &str, target: &str| format!("[[policy]]\nname = \"{name}\"\ntarget = \"{target}\"\nschedule = {{ cron = \"0 0 * * * *\" }}\n\n");
    // Each second: what wakes the scheduler, and shows that it goes on. It examines nothing.
    let tick = "[[policy]]\nname = \"tick\"\ntarget = \"archive\"\nsince = \"now\"\nschedule = { cron = \"* * * * * *\" }\n";
    let later = deferring.target().retrying(1200, 1200, 432_000).toml().replacen("\"archive\"", "\"later\"", 1);
    let policies = [taking.target().toml(), later, hourly("hourly", "archive"), hourly("held", "later"), tick.to_owned()].join("\n");
    let file = consign.write("policies.toml", policies);
    run(&clock, &["apply", &file.display().to_string()]);

    let log = consign.beside("log");
    let mut command = clock.before(consign.command(&["serve", "--json"]));
    command.env("CONSIGN_LOG", "warn").stderr(File::create(&log).unwrap());
    let (serving, lines) = Consign::hearing(command);
    let mut said = Said { lines, runs: Vec::new() };
    said.run_of("tick");
    assert_eq!((said.count("hourly"), said.count("held")), (0, 0), "not due before ten o'clock");

    clock.jump(HOUR);
    let (one, other) = (said.run_of("held"), said.count("hourly"));
    if other == 0 {
        said.run_of("hourly");
    }
    let held = one["events"]["held"].as_u64().unwrap();
    assert!(held > 0 && one["events"]["exported"] == 0, "{one}");

    // Just after a tick: the next is most of a second away.
    said.run_of("tick");
    clock.jump(-HOUR);
    until("the clock that was set back to be seen", || std::fs::read_to_string(&log).unwrap().contains("Is this machine's clock right?"));
    clock.jump(HOUR);
    for _ in 0..3 {
        said.run_of("tick");
    }
    assert_eq!((said.count("hourly"), said.count("held")), (1, 1), "nothing was due, or to be tried again, between");

    // What waits comes due; then three due times pass in which the machine sleeps.
    deferring.now(Behaviour::Accept);
    clock.jump(HOUR / 2 - 300);
    let again = said.run_of("held");
    assert_eq!((&again["supplements"]["emails"]["accepted"], &again["events"]["examined"]), (&one["emails"]["composed"], &0.into()), "{again}");
    clock.jump(3 * HOUR);
    while said.count("held") < 3 || said.count("hourly") < 2 {
        said.run_of("tick");
    }
    said.run_of("tick");
    assert!(serving.terminate().success());

    let runs: Vec<Value> = run(&clock, &["runs", "--json"]).json().as_array().unwrap().clone();
    let due = |policy: &str| times(&runs, policy).into_iter().map(|(due, _)| due).collect::<Vec<_>>();
    assert_eq!(due("hourly"), ["2026-03-10T10:00:00.000Z", "2026-03-10T13:00:00.000Z"]);
    assert_eq!(due("held"), ["2026-03-10T10:00:00.000Z", "retry", "2026-03-10T13:00:00.000Z"]);
    for (due, began) in times(&runs, "hourly").into_iter().chain(times(&runs, "held")) {
        assert!(due == "retry" || due <= began, "the run due at {due} began at {began}");
    }
    let ticks = due("tick");
    assert_eq!(ticks.iter().collect::<BTreeSet<_>>().len(), ticks.len(), "two runs for one due time: {ticks:?}");

    for (policy, server) in [("hourly", &taking), ("held", &deferring)] {
        let mut arrived = Arrived::at(&server.maildir());
        arrived.look();
        assert!(arrived.different() > 0 && arrived.repeats() == 0, "{policy}: {arrived:?}");
    }
    let whole = runs.iter().rev().find(|run| run["policy"] == "hourly").unwrap();
    check("everything", &taking.maildir(), &corpus, whole, &[]);
    let mut whole = one;
    whole["emails"]["accepted"] = again["supplements"]["emails"]["accepted"].clone();
    whole["events"]["held"] = 0.into();
    for figure in ["exported", "copies"] {
        whole["events"][figure] = whole["events"]["examined"].clone();
    }
    check("everything", &deferring.maildir(), &corpus, &whole, &[]);
    run(&clock, &["audit", "verify"]);
    say(format_args!(
        "{} runs over jumps of +1 h, -1 h, +1 h, +25 min and 3 h of sleep: each due time once, {held} held events tried again once",
        runs.len()
    ));
}
