//! Files that come after their messages: an export without them is imported and goes out, then a fuller one of the same conversations. Each file
//! goes out once, with the name of its message, to those and only those to whom the message went. What came when is Python's to say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use consign_tests::{Consign, Inbox, python, say, seed};
use serde_json::{Value, json};

/// Exports of one workspace, from the one with the fewest files to the one with the most.
struct Stages {
    consign: Consign,
    form: &'static str,
    folder: PathBuf,
}

impl Stages {
    fn made(form: &'static str) -> Self {
        let consign = Consign::new();
        let folder = consign.beside("stages");
        python("late_files.py", ["make", form, &folder.display().to_string(), &seed(form).to_string()]);
        Self { consign, form, folder }
    }

    fn import(&self, stage: usize) -> Value {
        let file = if self.form == "slack" { format!("{stage}.zip") } else { format!("{stage}/chat.jsonl") };
        self.consign.import(self.form, &self.folder.join(file), "s")
    }

    fn check(&self, what: &str, mail: &Path, more: &[&str]) -> Value {
        let (folder, mail) = (self.folder.display().to_string(), mail.display().to_string());
        python("late_files.py", [&[what, &folder, "--mail", &mail][..], more].concat())
    }
}

/// Policies that judge the same events each in its way.
const POLICIES: [(&str, &str); 3] = [
    ("all", ""),
    ("keyword", "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"libor\"] }\n"),
    ("users", "based-on = \"users\"\n"),
];

/// What `explain` says of these messages, and of their files with them.
fn explained(consign: &Consign, messages: &Value, fate: &str) {
    let messages = messages.as_array().unwrap();
    assert!(!messages.is_empty(), "there is no message with late files that is {fate}");
    for message in messages {
        let found = consign.json(&["explain", "keyword", message["id"].as_str().unwrap(), "--chat", message["chat"].as_str().unwrap()]);
        let found = found["events"].as_array().unwrap();
        assert_eq!(json!(found.len()), message["events"], "{found:?}");
        assert_eq!(found[0]["event"], message["id"]);
        for one in found {
            assert_eq!(one["fate"]["fate"], fate, "{one}");
            assert!(fate != "omitted" || one["fate"]["by"][0]["rule"] == "no-keyword", "{one}");
        }
        assert!(found[1..].iter().all(|one| one["event"].as_str().unwrap().starts_with("files:")), "{found:?}");
    }
}

fn go_out_once_with_their_message(form: &'static str) {
    let (stages, inbox) = (Stages::made(form), Inbox::start());
    let consign = &stages.consign;
    consign.apply(&inbox.target().toml_with(&POLICIES));
    let (mut reports, mut runs) = (Vec::new(), [const { Vec::new() }; POLICIES.len()]);
    for stage in 0..3 {
        reports.push(stages.import(stage));
        for ((policy, _), runs) in POLICIES.iter().zip(&mut runs) {
            let run = consign.json(&["run", policy]);
            assert_eq!(run["events"]["held"], 0, "{run}");
            runs.push(run["run"].clone());
        }
    }
    // With or without their bytes, in whatever order: it is all there.
    for stage in [2, 0, 1, 2] {
        let again = stages.import(stage);
        assert_eq!((&again["stored"], &again["late_files"]), (&json!({}), &json!(0)), "{again}");
    }
    for (policy, _) in POLICIES {
        assert_eq!(consign.json(&["run", policy])["events"]["examined"], 0);
    }
    for ((policy, _), runs) in POLICIES.iter().zip(&runs) {
        let runs = consign.write("runs.json", json!(runs).to_string());
        let more = ["--policy", policy, "--runs", &runs.display().to_string(), "--judge", policy];
        let figures = stages.check("check", &inbox.maildir(), &more);
        say(format_args!("late files of {form}, policy {policy}: {}", figures["stages"]));
        for (stage, report) in figures["stages"].as_array().unwrap().iter().zip(&reports) {
            assert_eq!(report["late_files"], stage["late_files"], "{report}");
        }
        assert!(figures["stages"][1]["exported"].as_u64() > Some(0) && figures["stages"][2]["exported"].as_u64() > Some(0), "{figures}");
        if *policy == "keyword" {
            explained(consign, &figures["omitted"], "omitted");
            explained(consign, &figures["exported"], "exported");
        }
    }
}

#[test]
fn of_jsonl_go_out_once_with_their_message() {
    go_out_once_with_their_message("jsonl");
}

#[test]
fn of_slack_go_out_once_with_their_message() {
    go_out_once_with_their_message("slack");
}

#[test]
fn before_the_first_run_stand_beside_their_message() {
    for form in ["jsonl", "slack"] {
        let (stages, inbox) = (Stages::made(form), Inbox::start());
        for stage in 0..3 {
            stages.import(stage);
        }
        stages.consign.policy(&inbox.target(), "");
        let run = stages.consign.json(&["run", "all"]);
        assert_eq!(run["events"]["examined"], run["events"]["exported"], "{run}");
        say(format_args!("late files of {form}, in one e-mail with their messages: {}", stages.check("together", &inbox.maildir(), &[])));
    }
}

#[test]
fn the_report_says_how_many_came() {
    let consign = Consign::new();
    let line = r#"{"type":"message","chat":"C1","id":"m1","at":"2026-01-05T08:00:00Z","user":"U1","text":"hi","attachments":[{"name":"q.pdf","path":"q.pdf"}]}"#;
    let file = consign.write("here/chat.jsonl", line).display().to_string();
    let import = || consign.run(&["import", &file, "--format", "jsonl", "--source", "s"]).succeeded().stdout;
    assert!(!import().contains("later"));
    consign.write("here/q.pdf", "bytes");
    let said = import();
    assert!(said.contains("1 files came later than their messages, and were stored as edits that add them"), "{said}");
    assert!(!import().contains("later"));
}
