//! `kill -9` in the middle of a run, again and again, as a power cut would: nothing is missing, and what comes again is the same e-mail, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use consign_tests::{
    Arrived, Behaviour, Consign, Corpus, IN_FLIGHT, Inbox, Random, Running, Scripted, check, few_in_each, made_up, real_jsonl, say, seed, until,
};
use serde_json::{Value, json};

/// In the test of many kills, each chat a group and an e-mail.
const GROUPS: u64 = 2_000;
/// A run of all of them takes about so many times as long as it is left alone at most: what begins anew takes up what the run before has not done.
const PIECES: u32 = 12;

fn below(random: &mut Random, bound: u64) -> u64 {
    random.bits() % bound.max(1)
}

fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn full() -> bool {
    std::env::var_os("CONSIGN_FULL").is_some()
}

/// Two thousand chats to export, and an archive that keeps what it acknowledges.
fn before_the_run(corpus: &Corpus) -> (Consign, Scripted) {
    let (consign, archive) = (Consign::new(), Scripted::start(Behaviour::Accept));
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&archive.target(), "");
    (consign, archive)
}

/// At uniform times, as often as is asked for: a run that has nothing left to do is followed by one of another data folder.
#[test]
fn killed_at_any_time() {
    let kills = count("CONSIGN_KILLS", if full() { 500 } else { 30 });
    let mut random = Random::new(seed("moments of killing"));
    let corpus = few_in_each(random.bits() >> 34, GROUPS);
    let longest = {
        let (consign, _archive) = before_the_run(&corpus);
        let begun = Instant::now();
        let run = consign.json(&["run", "all"]);
        assert_eq!(run["emails"]["accepted"], json!(GROUPS), "{run}");
        u64::try_from((begun.elapsed() / PIECES).as_micros()).unwrap()
    };

    let (mut killed, mut emails, mut repeats, mut most, mut rounds) = (0, 0, 0, 0, 0);
    while killed < kills {
        let (consign, archive) = before_the_run(&corpus);
        let mut arrived = Arrived::at(&archive.maildir());
        let mut cut_off = 0;
        let finished = loop {
            if killed == kills {
                break false;
            }
            let mut run = Running::of(consign.command(&["run", "all"]).stdout(Stdio::null()));
            std::thread::sleep(Duration::from_micros(below(&mut random, longest)));
            if let Some(status) = run.ended() {
                assert!(status.success(), "the run ended by itself: {status}");
                break true;
            }
            run.kill();
            (killed, cut_off) = (killed + 1, cut_off + 1);
            most = most.max(arrived.look());
            assert!(arrived.repeats() as u64 <= IN_FLIGHT * cut_off, "{} repeats after {cut_off} kills", arrived.repeats());
        };
        if !finished {
            consign.json(&["run", "all"]);
        }
        let allowed = (IN_FLIGHT * cut_off).to_string();
        let figures = check("everything", &archive.maildir(), &corpus, &the_run(&consign), &["--repeats", &allowed]);
        nothing_is_left(&consign);
        most = most.max(arrived.look());
        assert_eq!((arrived.different() as u64, arrived.repeats() as u64), (GROUPS, figures["repeated"].as_u64().unwrap()));
        (emails, repeats, rounds) = (emails + GROUPS, repeats + arrived.repeats() as u64, rounds + 1);
    }
    say(format_args!(
        "{kills} kills in {rounds} rounds of {GROUPS} groups, each at a uniform time up to {longest} us: {emails} e-mails, lost 0, came again {repeats} \
         (at most {} were in flight; after one kill {most} at most came again)",
        IN_FLIGHT * kills
    ));
}

/// The one run that had something to do: whoever takes up an interrupted one does so under its number. One that was killed after its end has one without events after it.
fn the_run(consign: &Consign) -> Value {
    let runs = consign.json(&["runs"]);
    let mut with_events = runs.as_array().unwrap().iter().filter(|run| run["events"]["examined"] != json!(0));
    let run = with_events.next().unwrap().clone();
    assert!(with_events.next().is_none(), "{runs}");
    run
}

/// No run, window or e-mail stands in the middle.
fn nothing_is_left(consign: &Consign) {
    let again = consign.json(&["run", "all"]);
    assert_eq!((&again["events"]["examined"], &again["emails"]["composed"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!(again["supplements"]["windows"], json!(0), "{again}");
    let runs = consign.json(&["runs"]);
    assert!(runs.as_array().unwrap().iter().all(|run| run["ended"] == Value::Bool(true)), "{runs}");
    assert_eq!(consign.json(&["held"]), json!([]));
}

#[test]
fn killed_in_the_middle_of_a_run() {
    let kills = if full() { 20 } else { 3 };
    let mut random = Random::new(seed("moments of killing"));
    let (corpus, inbox, consign) = (real_jsonl(), Inbox::start(), Consign::new());
    let report = consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "");
    let chats = report["chats"].as_u64().unwrap();

    let mut cut_off = 0;
    for number in 0..kills {
        let before = inbox.count() as u64;
        // Now and then at once, while windows are frozen or modules are loaded; else after some more e-mails.
        let left = chats - before.min(chats);
        let more = if random.once_in(5) { 0 } else { 1 + below(&mut random, 2 * left / (kills - number + 1)) };
        let mut run = Running::of(consign.command(&["run", "all"]).stdout(Stdio::null()));
        if more == 0 {
            std::thread::sleep(Duration::from_millis(below(&mut random, 300)));
        } else {
            until("e-mails to arrive", || inbox.count() as u64 >= before + more || run.ended().is_some());
            std::thread::sleep(Duration::from_micros(below(&mut random, 4_000)));
        }
        cut_off += u64::from(run.ended().is_none());
        run.kill();
        say(format_args!("killed after {} more e-mails", inbox.count() as u64 - before));
    }

    consign.json(&["run", "all"]);
    let run = the_run(&consign);
    let allowed = (IN_FLIGHT * cut_off).to_string();
    let figures = check("everything", &inbox.maildir(), &corpus, &run, &["--repeats", &allowed]);
    say(format_args!("{kills} kills, {cut_off} of them in the middle: {} e-mails came again", figures["repeated"]));
    assert!(cut_off > 0, "the run was over before every kill");

    nothing_is_left(&consign);
    let verified = consign.json(&["verify", run["manifest"].as_str().unwrap(), "--mail", &inbox.maildir().display().to_string()]);
    assert_eq!(verified["missing"], json!([]), "{verified}");
    let twice = verified["repeated"].as_array().unwrap().len() as u64;
    let repeated = figures["repeated"].as_u64().unwrap();
    assert!(twice <= repeated && (twice > 0) == (repeated > 0), "verify says {twice} e-mails came twice, Python {repeated}");
}

#[test]
fn killed_in_the_middle_of_an_import() {
    let mut random = Random::new(seed("moments of killing an import"));
    // Enough for several commits.
    let (corpus, inbox, consign) = (made_up("talk", random.bits() >> 34), Inbox::start(), Consign::new());
    let file = corpus.file.display().to_string();
    let begun = Instant::now();
    Consign::new().import(corpus.form, &corpus.file, "s");
    let whole = u64::try_from(begun.elapsed().as_micros()).unwrap();
    for _ in 0..if full() { 20 } else { 4 } {
        let run =
            Running::of(consign.command(&["import", &file, "--format", corpus.form, "--source", "s"]).stdout(Stdio::null()).stderr(Stdio::null()));
        std::thread::sleep(Duration::from_micros(below(&mut random, whole)));
        run.kill();
    }
    let report = consign.import(corpus.form, &corpus.file, "s");
    say(format_args!("the last import stored {} and found {}", report["stored"], report["already_there"]));
    consign.policy(&inbox.target(), "");
    let run = consign.json(&["run", "all"]);
    check("everything", &inbox.maildir(), &corpus, &run, &[]);
}
