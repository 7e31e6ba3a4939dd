//! `kill -9` in the middle of a run, again and again, as a power cut would: nothing is missing, and what comes again is the same e-mail, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;

use consign_tests::{Consign, Inbox, Running, check, made_up, real_jsonl, say, seed, until};
use serde_json::{Value, json};

/// Connections of a target, each with one e-mail in flight at a time: an e-mail whose answer was not read is sent again.
const IN_FLIGHT: u64 = 4;

/// xorshift64*: random enough to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound.max(1)
    }
}

fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn killed_in_the_middle_of_a_run() {
    let full = std::env::var_os("CONSIGN_FULL").is_some();
    let kills = count("CONSIGN_KILLS", if full { 60 } else { 5 });
    let mut random = Random(seed("moments of killing") | 1);
    let (corpus, inbox, consign) = (real_jsonl(), Inbox::start(), Consign::new());
    let report = consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "");
    let chats = report["chats"].as_u64().unwrap();

    let mut cut_off = 0;
    for number in 0..kills {
        let before = inbox.count() as u64;
        // Now and then at once, while windows are frozen or modules are loaded; else after some more e-mails.
        let left = chats - before.min(chats);
        let more = if random.below(5) == 0 { 0 } else { 1 + random.below(2 * left / (kills - number + 1)) };
        let mut run = Running::of(consign.command(&["run", "all"]).stdout(Stdio::null()));
        if more == 0 {
            std::thread::sleep(std::time::Duration::from_millis(random.below(300)));
        } else {
            until("e-mails to arrive", || inbox.count() as u64 >= before + more || run.ended().is_some());
            std::thread::sleep(std::time::Duration::from_micros(random.below(4_000)));
        }
        cut_off += u64::from(run.ended().is_none());
        run.kill();
        say(format_args!("killed after {} more e-mails", inbox.count() as u64 - before));
    }

    let run = consign.json(&["run", "all"]);
    let allowed = (IN_FLIGHT * cut_off).to_string();
    let figures = check("everything", &inbox.maildir(), &corpus, &run, &["--repeats", &allowed]);
    say(format_args!("{kills} kills, {cut_off} of them in the middle: {} e-mails came again", figures["repeated"]));
    assert!(cut_off > 0, "the run was over before every kill");

    let again = consign.json(&["run", "all"]);
    assert_eq!((&again["events"]["examined"], &again["emails"]["composed"]), (&json!(0), &json!(0)), "{again}");
    let verified = consign.json(&["verify", run["manifest"].as_str().unwrap(), "--mail", &inbox.maildir().display().to_string()]);
    assert_eq!(verified["missing"], json!([]), "{verified}");
    let twice = verified["repeated"].as_array().unwrap().len() as u64;
    let repeated = figures["repeated"].as_u64().unwrap();
    assert!(twice <= repeated && (twice > 0) == (repeated > 0), "verify says {twice} e-mails came twice, Python {repeated}");
    let runs = consign.json(&["runs"]);
    assert!(runs.as_array().unwrap().iter().all(|run| run["ended"] == Value::Bool(true)), "{runs}");
}

#[test]
fn killed_in_the_middle_of_an_import() {
    let mut random = Random(seed("moments of killing an import") | 1);
    // Enough for several commits.
    let (corpus, inbox, consign) = (made_up("talk", random.below(1 << 30)), Inbox::start(), Consign::new());
    let file = corpus.file.display().to_string();
    let begun = std::time::Instant::now();
    Consign::new().import(corpus.form, &corpus.file, "s");
    let whole = u64::try_from(begun.elapsed().as_micros()).unwrap();
    for _ in 0..if std::env::var_os("CONSIGN_FULL").is_some() { 20 } else { 4 } {
        let run =
            Running::of(consign.command(&["import", &file, "--format", corpus.form, "--source", "s"]).stdout(Stdio::null()).stderr(Stdio::null()));
        std::thread::sleep(std::time::Duration::from_micros(random.below(whole)));
        run.kill();
    }
    let report = consign.import(corpus.form, &corpus.file, "s");
    say(format_args!("the last import stored {} and found {}", report["stored"], report["already_there"]));
    consign.policy(&inbox.target(), "");
    let run = consign.json(&["run", "all"]);
    check("everything", &inbox.maildir(), &corpus, &run, &[]);
}
