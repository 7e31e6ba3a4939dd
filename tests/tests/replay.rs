//! `consign replay`: a run made again from its record comes to the same, also after everything that it read has changed; and what does not is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use consign_tests::{Consign, Inbox, files_below, made_up, python, say, seed};
use serde_json::{Value, json};

/// Message-IDs and SHA-256 of the e-mails of a folder, by Python.
fn emails(folder: &Path) -> BTreeMap<String, Value> {
    let found = python("mailbox.py", [folder.display().to_string()]);
    found.as_object().unwrap().clone().into_iter().collect()
}

#[test]
fn a_run_made_again_is_the_same_whatever_has_changed_since() {
    let (corpus, consign, inbox) = (made_up("slack", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    let lines =
        "based-on = \"participants\"\n\n[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"the\", \"a\"], ignore-case = true }\n";
    consign.policy(&inbox.target(), lines);
    let run = consign.json(&["run", "all"]);
    let sent = emails(&inbox.maildir());
    // Another target, another policy, another export with other names and more events.
    consign.policy(&inbox.target().with("subject = \"another\"").with("max-size = \"64 KiB\""), "");
    let later = made_up("slack", seed("workspace"));
    consign.import(later.form, &later.file, "s");

    let folder = consign.beside("again");
    let replayed = consign.json(&["replay", "all-000001", "--write", &folder.display().to_string()]);
    assert_eq!((&replayed["differences"], &replayed["not_replayed"], &replayed["never_tried"]), (&json!([]), &json!([]), &json!(0)), "{replayed}");
    assert_eq!((&replayed["events"], &replayed["emails"]), (&run["events"]["examined"], &run["emails"]["accepted"]));
    assert_eq!(emails(&folder), sent, "the bytes are those that were sent");
    say(format_args!("{} e-mails of {} events were made again, byte for byte", sent.len(), replayed["events"]));
    let said = consign.run(&["replay", "all-000001"]).succeeded().stdout;
    assert!(said.contains("Every verdict and every byte is the same") && said.contains("nothing was sent"), "{said}");
    assert_eq!(inbox.count(), sent.len());
    assert_eq!(consign.json(&["runs"]).as_array().unwrap().len(), 1, "a replay is no run");

    // Only if asked: the same e-mails once more, each with a mark on top of what it was, and the audit log tells of it.
    let again = consign.json(&["replay", "all-000001", "--send"]);
    assert_eq!(again["sent"], json!({"emails": sent.len(), "accepted": sent.len(), "others": []}), "{again}");
    assert_eq!(inbox.count(), 2 * sent.len());
    assert_eq!(emails(&inbox.maildir()), sent, "below the mark the bytes are the same");
    let marked = files_below(&inbox.maildir().join("new"), "").into_iter().filter(|file| {
        let text = std::fs::read(file).unwrap();
        String::from_utf8_lossy(&text).lines().take_while(|line| !line.is_empty()).any(|line| line.starts_with("X-Consign-Replay: all-000001; 2"))
    });
    assert_eq!(marked.count(), sent.len());
    let log = consign.run(&["audit", "list"]).succeeded().stdout;
    assert!(log.lines().last().is_some_and(|line| line.contains("replay") && line.contains("all-000001")), "{log}");
    consign.run(&["audit", "verify"]).succeeded();
    assert_eq!(consign.json(&["runs"]).as_array().unwrap().len(), 1, "that is no run either");
    consign.run(&["replay", "all-000009"]).refused(1, &["no run 'all-000009'"]);
}

#[test]
fn a_file_that_is_gone_is_told() {
    let (corpus, consign, inbox) = (made_up("jsonl", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    let segment = consign.alone("own", 3);
    consign.policy(&inbox.target(), "");
    consign.run(&["run", "all"]).succeeded();
    std::fs::remove_file(segment).unwrap();
    let replayed = consign.run(&["replay", "all-000001", "--json"]).ended(3).json();
    assert_eq!(replayed["not_replayed"].as_array().map(Vec::len), Some(1), "{replayed}");
    assert_eq!(replayed["differences"], json!([]));
}
