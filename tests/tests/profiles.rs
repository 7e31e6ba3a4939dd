//! The forms that archives ask for, by the program: what `apply` takes and refuses, what arrives, that `verify` finds it, and what `lint` says of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use consign_tests::{Consign, Inbox, make, seed};
use serde_json::json;

const PROFILES: [(&str, &str); 4] = [
    ("plain", ""),
    ("global-relay", "feed = \"Consign\"\n"),
    ("enterprise-vault", "archive-id = \"160EEB78D4253BE40AA8EBEBA09C7DFEE1210000evserver1\"\n"),
    ("exchange-journal", ""),
];

/// The e-mails in a mailbox.
fn received(inbox: &Inbox) -> Vec<PathBuf> {
    std::fs::read_dir(inbox.maildir().join("new")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_arrives_in_each_form_is_verified_and_clean() {
    let consign = Consign::new();
    let folder = consign.beside("workspace");
    make("files", &folder, &[seed("profiles")]);
    consign.import("jsonl", &folder.join("chat.jsonl"), "s");
    for (number, (profile, keys)) in PROFILES.into_iter().enumerate() {
        let inbox = Inbox::start();
        // In parts, so that their size counts.
        let target = format!("{}profile = \"{profile}\"\n{keys}max-size = 400000\n", inbox.target().toml());
        consign.apply(&format!("{target}\n[[policy]]\nname = \"p{number}\"\ntarget = \"archive\"\n"));
        let run = consign.json(&["run", &format!("p{number}")]);
        assert_eq!(run["events"]["exported"], json!(40), "{profile} {run}");
        let verified = consign.json(&["verify", run["manifest"].as_str().unwrap(), "--mail", &inbox.maildir().display().to_string()]);
        let files = received(&inbox);
        assert!(files.len() > 1 && verified["intact"] == json!(files.len()), "{profile}: {} e-mails, {verified}", files.len());
        assert_eq!((&verified["missing"], &verified["unexpected"], &verified["others"]), (&json!([]), &json!([]), &json!(0)), "{profile}");
        let mut args = vec!["lint".to_owned(), "--profile".to_owned(), profile.to_owned(), "--max-size".to_owned(), "401000".to_owned()];
        args.extend(files.iter().map(|file| file.display().to_string()));
        consign.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).succeeded();
        // Nor is it taken for what it is not.
        let other = if profile == "exchange-journal" { "global-relay" } else { "exchange-journal" };
        consign.run(&["lint", "--profile", other, &files[0].display().to_string()]).refused(1, &["1 of 1", other]);
    }
}

#[test]
fn lint_says_where_and_what() {
    let consign = Consign::new();
    let file = consign.beside("broken.eml");
    std::fs::write(&file, "From: a@b.example\r\nTo: c@d.example\r\nMessage-ID: a@b.example\r\nDate: Mon, 5 Jan 2026 08:00:09 +0000\r\n\r\nx\r\n")
        .unwrap();
    let path = file.display().to_string();
    let ran = consign.run(&["lint", "--profile", "plain", &path]);
    assert!(ran.stdout.contains(&format!("{path}:3: Message-ID: it is not one id in angle brackets [message-id]; then ")), "{}", ran.stdout);
    ran.refused(1, &["1 of 1 e-mails break rules of the profile plain"]);
    let found = consign.run(&["lint", "--profile", "plain", "--json", &path]).ended(1).json();
    assert_eq!((&found[0]["findings"][0]["rule"], &found[0]["findings"][0]["line"]), (&json!("message-id"), &json!(3)), "{found}");
    consign.run(&["lint", "--profile", "other", &path]).refused(2, &["exchange-journal"]);
    consign.run(&["lint", &path]).refused(2, &["--profile"]);
    consign.run(&["lint", "--profile", "plain", "--max-size", "much", &path]).refused(2, &["25 MiB"]);
    consign.run(&["lint", "--profile", "plain", "/nowhere.eml"]).refused(1, &["/nowhere.eml"]);
}
