//! Promises that counting events does not show: attachments byte for byte, parts by size, encrypted export, what arrives late, `explain`, and no
//! e-mail without the protection that was asked for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Corpus, Inbox, Postfix, Target, check, made_up, make, python, say, seed};
use serde_json::json;

#[test]
fn attachments_arrive_byte_for_byte_and_parts_keep_the_size() {
    let consign = Consign::new();
    let folder = consign.beside("workspace");
    make("files", &folder, &[seed("files")]);
    consign.import("jsonl", &folder.join("chat.jsonl"), "s");
    let cases = [
        ("all", "true", None),
        ("none", "false", None),
        ("images", "{ types = [\"image/*\"] }", None),
        ("small", "{ max = \"1 KiB\" }", None),
        ("all", "true", Some(400_000_u32)),
    ];
    for (number, (takes, attachments, max_size)) in cases.into_iter().enumerate() {
        let inbox = Inbox::start();
        let size = max_size.map(|max| format!("max-size = {max}\n")).unwrap_or_default();
        consign.apply(&format!(
            "{}{size}\n[[policy]]\nname = \"p{number}\"\ntarget = \"archive\"\nattachments = {attachments}\n",
            inbox.target().toml()
        ));
        let run = consign.json(&["run", &format!("p{number}")]);
        assert_eq!((&run["events"]["exported"], &run["events"]["copies"]), (&json!(40), &json!(40)), "{run}");
        let mut args = vec![
            "files".to_owned(),
            folder.display().to_string(),
            "--mail".into(),
            inbox.maildir().display().to_string(),
            "--takes".into(),
            takes.into(),
        ];
        args.extend(max_size.into_iter().flat_map(|max| ["--max-size".to_owned(), max.to_string()]));
        let figures = python("promises.py", args);
        say(format_args!("attachments = {attachments}, at most {max_size:?} bytes: {figures}"));
        assert!(max_size.is_none() || figures["emails"].as_u64() > Some(1), "it was to be split: {figures}");
        consign.run(&["verify", run["manifest"].as_str().unwrap(), "--mail", &inbox.maildir().display().to_string()]).succeeded();
    }
}

#[test]
fn an_attachment_that_no_e_mail_takes_holds_its_chat() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let folder = consign.beside("workspace");
    make("files", &folder, &[3]);
    consign.import("jsonl", &folder.join("chat.jsonl"), "s");
    let apply = |attachments: &str| {
        let target = format!("{}max-size = \"64 KiB\"\n", inbox.target().toml());
        consign.apply(&format!("{target}\n[[policy]]\nname = \"p\"\ntarget = \"archive\"\nattachments = {attachments}\n"));
    };
    apply("true");
    let run = consign.run(&["run", "p", "--json"]).ended(3).json();
    assert_eq!((&run["events"]["held"], inbox.count()), (&run["events"]["examined"], 0), "{run}");
    consign.run(&["held"]).refused(0, &["too large for one e-mail", "max-size", "attachments = { max = "]);
    apply("{ max = \"1 KiB\" }");
    let retried = consign.json(&["held", "retry", "--current"]);
    assert_eq!(consign.json(&["held"]), json!([]), "{retried}");
    let (of, mail) = (folder.display().to_string(), inbox.maildir().display().to_string());
    say(format_args!("{}", python("promises.py", ["files", &of, "--mail", &mail, "--takes", "small", "--max-size", "65536"])));
}

#[test]
fn small_parts_hold_every_event_once() {
    let (corpus, consign, inbox) = (made_up("slack", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.apply(&format!("{}max-size = \"64 KiB\"\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n", inbox.target().toml()));
    let run = consign.json(&["run", "all"]);
    let figures = check("everything", &inbox.maildir(), &corpus, &run, &[]);
    assert!(figures["emails"].as_u64() > Some(40), "{figures}");
    for entry in std::fs::read_dir(inbox.maildir().join("new")).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().len() <= 64 * 1024);
    }
}

#[test]
fn without_decrypting_the_files_of_the_archive_go_out_as_they_are() {
    let (corpus, consign, inbox) = (made_up("slack", 31), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "decrypt = false");
    let run = consign.json(&["run", "all"]);
    assert_eq!(run["events"]["examined"], run["events"]["exported"], "{run}");
    let figures = python("promises.py", ["sealed", &consign.data().display().to_string(), "--mail", &inbox.maildir().display().to_string()]);
    say(format_args!("encrypted as they are: {figures}"));
    assert_eq!(figures["events"], run["events"]["exported"]);
    assert_eq!(consign.json(&["run", "all"])["emails"]["composed"], 0);
}

#[cfg(unix)]
#[test]
fn conversations_in_clear_are_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let (corpus, consign, inbox) = (made_up("jsonl", 3), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "");
    let preview = consign.beside("some/where");
    for _ in 0..2 {
        consign.json(&["run", "all", "--preview", &preview.display().to_string()]);
        let mut seen = 0;
        for path in std::fs::read_dir(&preview).unwrap().map(|entry| entry.unwrap().path()).chain([preview.clone()]) {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", path.display());
            // The second time it is there already, and open to all.
            if path.is_file() {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
                seen += 1;
            }
        }
        assert!(seen > 0);
    }
}

#[test]
fn addresses_of_a_target_may_have_names() {
    let (corpus, consign, inbox) = (made_up("jsonl", 3), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    let toml = inbox.target().toml().replace("\"journal@corp.example\"", "'Journal <journal@corp.example>'");
    consign.apply(&format!(
        "{}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n",
        toml.replace("\"ingest@", "\"Archive <ingest@").replace("archive.example\"", "archive.example>\"")
    ));
    let run = consign.json(&["run", "all"]);
    check("everything", &inbox.maildir(), &corpus, &run, &[]);
}

#[test]
fn what_arrives_late_goes_out_next_time() {
    let seed = seed("workspace");
    let (whole, consign, inbox) = (made_up("jsonl", seed), Consign::new(), Inbox::start());
    let half = consign.beside("half.jsonl");
    python("make.py", ["half", &whole.file.display().to_string(), &seed.to_string(), &half.display().to_string()]);
    consign.policy(&inbox.target(), "");
    let mut runs = Vec::new();
    for file in [&half, &whole.file] {
        consign.import("jsonl", file, "s");
        let run = consign.json(&["run", "all"]);
        assert_eq!(run["events"]["examined"], run["events"]["exported"], "{run}");
        runs.push(run);
    }
    let file = consign.write("runs.json", json!(runs).to_string());
    let figures = python(
        "promises.py",
        ["late", "--mail", &inbox.maildir().display().to_string(), "--runs", &file.display().to_string(), "--source", &whole.spec()],
    );
    say(format_args!("late: {figures}"));
    assert!(figures["late"].as_u64() > Some(0), "{figures}");
    assert_eq!(consign.json(&["run", "all"])["events"]["examined"], 0);
}

#[test]
fn explain_says_of_each_event_where_it_is_or_why_not() {
    let (corpus, consign, inbox) = (made_up("slack", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(
        &inbox.target(),
        "based-on = \"participants\"\n[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"desk\", \"ok\"] }",
    );
    consign.json(&["run", "all"]);
    let everything = Inbox::start();
    consign.apply(&format!("{}\n[[policy]]\nname = \"whole\"\ntarget = \"archive\"\n", everything.target().toml()));
    consign.json(&["run", "whole"]);
    let listed = python("promises.py", ["ids", "--mail", &everything.maildir().display().to_string()]);
    let mut said = Vec::new();
    for one in listed.as_array().unwrap() {
        let found = consign.json(&["explain", "all", one["id"].as_str().unwrap(), "--chat", one["chat"].as_str().unwrap()]);
        said.extend(found["events"].as_array().unwrap().iter().cloned());
    }
    let file = consign.write("said.json", json!(said).to_string());
    let fates = python("promises.py", ["explain", &file.display().to_string(), "--mail", &inbox.maildir().display().to_string()]);
    say(format_args!("explained: {fates}"));
    assert!(fates["exported"].as_u64() > Some(0) && fates["omitted"].as_u64() > Some(0), "{fates}");
}

/// Everything is held, and nothing has left.
fn nothing_leaves(corpus: &Corpus, target: &str, says: &str) {
    let consign = Consign::new();
    consign.import(corpus.form, &corpus.file, "s");
    consign.apply(&format!("{target}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n"));
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!((&run["events"]["held"], &run["emails"]["accepted"]), (&run["events"]["examined"], &json!(0)), "{run}");
    let held = consign.json(&["held"]);
    assert!(held[0]["text"].as_str().unwrap().contains(says), "{}", held[0]);
    say(format_args!("{}", held[0]["text"]));
}

#[test]
fn no_e_mail_without_the_protection_that_was_asked_for() {
    let corpus = made_up("jsonl", 41);
    // Our inbox offers no STARTTLS.
    let inbox = Inbox::start();
    let starttls = inbox.target().toml().replace("tls = \"none\"\nallow-plaintext = true", "tls = \"starttls\"");
    nothing_leaves(&corpus, &starttls, "STARTTLS");
    assert_eq!(inbox.count(), 0);
    let Some(postfix) = Postfix::start() else { return };
    let good = postfix.target();
    // Signed by an authority that this machine does not know.
    let unknown = good.toml().lines().filter(|line| !line.starts_with("ca-file")).collect::<Vec<_>>().join("\n");
    nothing_leaves(&corpus, &unknown, "certificate");
    // Known, but for another name.
    nothing_leaves(&corpus, &good.toml().replace("127.0.0.1", "127.0.0.2"), "certificate");
    assert!(!postfix.maildir().exists());
    let fine = Target { ..good };
    let consign = Consign::new();
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&fine, "");
    assert_eq!(consign.json(&["run", "all"])["events"]["held"], 0);
}
