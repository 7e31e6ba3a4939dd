//! The whole way of an event: real conversations in, e-mails out, into a real mail server and into our own, checked by Python's `email`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use consign_tests::{Consign, Corpus, Inbox, Postfix, Target, check, even_chats, made_up, real_jsonl, real_slack, say, seed};
use serde_json::{Value, json};

/// Imports a corpus into a new data folder.
fn imported(corpus: &Corpus) -> Consign {
    let consign = Consign::new();
    let report = consign.import(corpus.form, &corpus.file, "s");
    assert_eq!(report["refused"], 0, "{report}");
    let again = consign.import(corpus.form, &corpus.file, "s");
    assert_eq!(again["stored"], json!({}), "importing again stores nothing: {again}");
    consign
}

/// A second run finds nothing; the manifest holds against the mailbox, and no longer once an e-mail is gone or altered.
fn afterwards(consign: &Consign, run: &Value, maildir: &Path) {
    let again = consign.json(&["run", "all"]);
    assert_eq!((&again["emails"]["composed"], &again["events"]["examined"]), (&json!(0), &json!(0)), "{again}");

    let key = consign.json(&["keys"])["signing_key"].as_str().unwrap().to_owned();
    let (manifest, mail) = (run["manifest"].as_str().unwrap(), maildir.display().to_string());
    let verified = consign.json(&["verify", manifest, "--mail", &mail, "--key", &key]);
    assert_eq!((&verified["signature"], &verified["intact"]), (&json!("trusted"), &run["emails"]["accepted"]), "{verified}");

    let copy = consign.beside("copy");
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir_all(copy.join("new")).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(maildir.join("new")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        std::fs::copy(file, copy.join("new").join(file.file_name().unwrap())).unwrap();
    }
    let copied = copy.display().to_string();
    consign.run(&["verify", manifest, "--mail", &copied]).succeeded();
    let victim = copy.join("new").join(files[0].file_name().unwrap());
    let bytes = std::fs::read(&victim).unwrap();
    std::fs::remove_file(&victim).unwrap();
    consign.run(&["verify", manifest, "--mail", &copied]).refused(1, &["MISSING"]);
    let mut altered = bytes.clone();
    // The last character of the last body line that is a letter or figure.
    let place = altered.iter().rposition(u8::is_ascii_alphanumeric).unwrap();
    altered[place] = if altered[place] == b'a' { b'b' } else { b'a' };
    std::fs::write(&victim, altered).unwrap();
    consign.run(&["verify", manifest, "--mail", &copied]).refused(1, &["CHANGED"]);
    std::fs::write(&victim, bytes).unwrap();
    consign.run(&["verify", manifest, "--mail", &copied]).succeeded();
    let text = std::fs::read_to_string(manifest).unwrap();
    let forged = consign.write("forged.json", text.replacen(":\"accepted\"", ":\"rejected\"", 1));
    consign.run(&["verify", &forged.display().to_string(), "--mail", &copied]).refused(1, &["BROKEN"]);
}

fn everything(corpus: &Corpus, target: &Target, maildir: &Path, arrived: impl FnOnce(usize)) -> Value {
    let consign = imported(corpus);
    consign.policy(target, "");
    let run = consign.json(&["run", "all"]);
    arrived(usize::try_from(run["emails"]["accepted"].as_u64().unwrap()).unwrap());
    let figures = check("everything", maildir, corpus, &run, &[]);
    afterwards(&consign, &run, maildir);
    figures
}

fn holds_the_real_entries(corpus: &Corpus, figures: &Value) {
    if corpus.real {
        assert_eq!(figures["entries"], 3_822);
    }
}

#[test]
fn slack_into_postfix() {
    let Some(postfix) = Postfix::start() else { return };
    let corpus = real_slack();
    let figures = everything(&corpus, &postfix.target(), &postfix.maildir(), |emails| postfix.delivered(emails));
    holds_the_real_entries(&corpus, &figures);
}

#[test]
fn slack_into_inbox() {
    let (corpus, inbox) = (real_slack(), Inbox::start());
    let figures = everything(&corpus, &inbox.target(), &inbox.maildir(), |emails| assert_eq!(inbox.count(), emails));
    holds_the_real_entries(&corpus, &figures);
}

#[test]
fn made_up_slack_into_inbox() {
    let (corpus, inbox) = (made_up("slack", seed("slack workspace")), Inbox::start());
    everything(&corpus, &inbox.target(), &inbox.maildir(), |_| ());
}

/// Runs the policy `all`, and measures the most memory that the program had at once, in KiB, and the seconds.
fn measured(consign: &Consign) -> (Value, u64, f64) {
    let mut command = consign.command(&["run", "all", "--json"]);
    let mut running = consign_tests::Running::of(command.stdout(std::process::Stdio::piped()));
    let output = running.stdout();
    let reading = std::thread::spawn(move || std::io::read_to_string(output).unwrap());
    let mut peak = 0;
    let begun = std::time::Instant::now();
    consign_tests::until("the run to end", || {
        peak = running.peak_memory().unwrap_or(0).max(peak);
        running.ended().is_some()
    });
    let seconds = begun.elapsed().as_secs_f64();
    (serde_json::from_str(&reading.join().unwrap()).unwrap(), peak, seconds)
}

#[test]
fn jsonl_into_inbox_in_little_memory() {
    let (corpus, inbox) = (real_jsonl(), Inbox::start());
    let consign = imported(&corpus);
    consign.policy(&inbox.target(), "");
    let (run, peak, seconds) = measured(&consign);
    let figures = check("everything", &inbox.maildir(), &corpus, &run, &[]);
    say(format_args!("30,000 messages: {} e-mails in {seconds:.1} s, peak memory {} MiB", figures["emails"], peak / 1024));
    assert!(peak < 1024 * 1024, "a run is not to hold an archive in memory: {peak} KiB");
    afterwards(&consign, &run, &inbox.maildir());
}

/// Ten times the archive, and nearly the same memory: a run goes window by window. The smaller one has enough chats to keep all places busy. What
/// this does not show: the store's memory, which grows with chats times their people, so the chats are not tiny and the people few.
#[test]
fn memory_does_not_grow_with_the_archive() {
    let seed = seed("messages in many chats");
    let peak_of = |messages| {
        let (corpus, inbox, consign) = (even_chats(seed, messages), Inbox::start(), Consign::new());
        consign.import(corpus.form, &corpus.file, "s");
        consign.policy(&inbox.target(), "");
        let (run, peak, seconds) = measured(&consign);
        assert_eq!((run["events"]["exported"].as_u64(), run["emails"]["accepted"].as_u64()), (Some(messages), Some(messages / 100)), "{run}");
        say(format_args!("{messages} messages of 1 KB in {} chats: {seconds:.1} s, peak memory {} MiB", messages / 100, peak / 1024));
        peak
    };
    let (small, large) = (peak_of(10_000), peak_of(100_000));
    // Some 75 MiB and 100 MiB; holding the texts of the larger one would add 100 MiB to the smaller one's.
    assert!(large < small * 2, "peak memory went from {small} to {large} KiB");
}

fn by_users(corpus: &Corpus) -> Value {
    let consign = imported(corpus);
    let mut last = Value::Null;
    for (based_on, who) in [("users", "recorded"), ("participants", "participants")] {
        let inbox = Inbox::start();
        consign.apply(&format!("{}\n[[policy]]\nname = \"{based_on}\"\ntarget = \"archive\"\nbased-on = \"{based_on}\"\n", inbox.target().toml()));
        let run = consign.json(&["run", based_on]);
        last = check("users", &inbox.maildir(), corpus, &run, &["--who", who]);
    }
    last
}

#[test]
fn slack_by_users() {
    by_users(&real_slack());
}

#[test]
fn jsonl_by_users() {
    by_users(&real_jsonl());
}

#[test]
fn made_up_workspaces_by_users() {
    let first = seed("workspaces");
    let count = if std::env::var_os("CONSIGN_FULL").is_some() { 20 } else { 3 };
    let mut rejoins = 0;
    for seed in first..first + count {
        say(format_args!("seed {seed}"));
        rejoins += by_users(&made_up("jsonl", seed))["rejoins"].as_u64().unwrap();
    }
    assert!(rejoins > 0, "these workspaces have no re-joins");
}
