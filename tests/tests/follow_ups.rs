//! Edits, deletions and late messages that are exported after their chat was: their e-mail names, by References, the e-mails that they belong to. Which
//! these are is Python's to say. One of the runs finds no server, so its e-mails arrive after the next run has begun, which must not name them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Inbox, Target, python, say, seed};
use serde_json::json;

const POLICIES: [(&str, &str); 3] = [
    ("all", ""),
    ("keyword", "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"libor\"] }\n"),
    ("users", "based-on = \"users\"\n"),
];

#[test]
fn name_the_emails_that_they_belong_to() {
    let (consign, inbox, seed) = (Consign::new(), Inbox::start(), seed("follow-ups"));
    let folder = consign.beside("stages");
    python("follow_ups.py", ["make", &folder.display().to_string(), &seed.to_string()]);
    let mailbox = || -> Vec<String> {
        let files = std::fs::read_dir(inbox.maildir().join("new")).into_iter().flatten();
        files.map(|file| file.unwrap().file_name().to_str().unwrap().to_owned()).collect()
    };
    let mut runs = [const { Vec::new() }; POLICIES.len()];
    for stage in 0..4 {
        // Port 9 is nobody's.
        let nobody = stage == 1;
        let target = if nobody { Target::plain(9) } else { inbox.target() };
        consign.apply(&target.toml_with(&POLICIES));
        consign.import("jsonl", &folder.join(format!("{stage}.jsonl")), "s");
        for ((policy, _), runs) in POLICIES.iter().zip(&mut runs) {
            let ran = consign.run(&["--json", "run", policy]).ended(if nobody { 3 } else { 0 }).json();
            assert_eq!(ran["emails"]["accepted"] == 0, nobody, "{ran}");
            runs.push(json!({"run": ran["run"], "mailbox": mailbox()}));
        }
    }
    for ((policy, _), runs) in POLICIES.iter().zip(&runs) {
        let file = consign.write("runs.json", json!(runs).to_string());
        let mail = inbox.maildir().display().to_string();
        let figures = python("follow_ups.py", ["check", "--mail", &mail, "--policy", policy, "--runs", &file.display().to_string()]);
        say(format_args!("policy {policy}: {figures}"));
        for what in ["edits of earlier", "edits of nothing earlier", "late", "references"] {
            assert!(figures[what].as_u64() > Some(0), "nothing of the kind '{what}': {figures}");
        }
        // Whatever was accepted since: made again they are the same.
        for run in runs {
            let again = consign.json(&["replay", run["run"].as_str().unwrap()]);
            assert_eq!((&again["differences"], &again["not_replayed"]), (&json!([]), &json!([])), "{again}");
        }
    }
}
