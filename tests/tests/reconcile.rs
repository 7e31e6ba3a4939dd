//! `consign reconcile`: every event of the archive has one place in the account, and the mailbox and `explain` say the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Behaviour, Consign, Scripted, made_up, python, say, seed};
use serde_json::{Value, json};

/// The account as its lines say it, and as the command sums it up.
fn account(consign: &Consign, code: i32, more: &[&str]) -> (Vec<Value>, Value) {
    let file = consign.beside("account.jsonl");
    let path = file.display().to_string();
    let args = [&["reconcile", "all", "--events", &path, "--json"][..], more].concat();
    let summed = consign.run(&args).ended(code).json();
    let lines = std::fs::read_to_string(&file).unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), summed)
}

fn counted(lines: &[Value], fate: &str) -> usize {
    lines.iter().filter(|line| line["fate"] == fate).count()
}

/// The sums are those of the lines.
fn adds_up(lines: &[Value], summed: &Value) {
    let total = &summed["total"];
    for (field, fate) in [("exported", "exported"), ("omitted", "omitted"), ("held", "held"), ("not_yet_due", "not-yet-due")] {
        assert_eq!(total[field], counted(lines, fate), "{field}: {total}");
        let of_chats: u64 = summed["chats"].as_array().unwrap().iter().map(|chat| chat[field].as_u64().unwrap()).sum();
        assert_eq!(total[field], of_chats, "{field}");
    }
    assert_eq!(total["events"], lines.len());
}

#[test]
fn every_event_of_the_archive_has_one_place() {
    let (corpus, consign) = (made_up("jsonl", seed("workspace")), Consign::new());
    let server = Scripted::start(Behaviour::RefuseSomeAndDefer);
    // Half of the export now, the rest later; what is about a chat or a user comes with the first half.
    let text = std::fs::read_to_string(&corpus.file).unwrap();
    let (mut first, mut second) = (String::new(), String::new());
    for (number, line) in text.lines().enumerate() {
        let said: Value = serde_json::from_str(line).unwrap();
        let into = if said["chat"].is_null() || number % 2 == 0 { &mut first } else { &mut second };
        into.push_str(line);
        into.push('\n');
    }
    consign.import("jsonl", &consign.write("first.jsonl", first), "s");
    let small = server.target().with("connections = 1").with("max-size = \"64 KiB\"");
    consign.policy(&small, "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"the\", \"a\"], ignore-case = true }\n");
    consign.run(&["run", "all"]).ended(3);
    server.now(Behaviour::Accept);
    // What was deferred goes out; what was refused for good is held.
    let second_run = consign.run(&["run", "all", "--json"]).json();
    consign.import("jsonl", &consign.write("second.jsonl", second), "s");

    let (lines, summed) = account(&consign, 3, &[]);
    adds_up(&lines, &summed);
    assert!(["exported", "omitted", "held", "not-yet-due"].iter().all(|fate| counted(&lines, fate) > 0), "{} after {second_run}", summed["total"]);
    let checked = |what: &str| {
        let (account, mail) = (consign.beside("account.jsonl").display().to_string(), server.maildir().display().to_string());
        let figures = python("reconcile.py", ["--account", &account, "--mail", &mail, "--source", &corpus.spec()]);
        say(format_args!("{what}: {figures}"));
    };
    checked("some held, some not yet due");

    // The same of one event by another way.
    for fate in ["exported", "omitted", "held", "not-yet-due"] {
        let line = lines.iter().find(|line| line["fate"] == fate && line["kind"] == "message").unwrap();
        let explained = consign.json(&["explain", "all", line["event"].as_str().unwrap(), "--chat", line["chat"].as_str().unwrap()]);
        let found = explained["events"].as_array().unwrap().iter().find(|event| event["position"] == line["position"]).unwrap();
        let word = if fate == "not-yet-due" { "not-yet" } else { fate };
        assert_eq!(found["fate"]["fate"], word, "{line} {found}");
        if fate == "exported" {
            let ids: Vec<&Value> = found["fate"]["emails"].as_array().unwrap().iter().map(|email| &email["message_id"]).collect();
            assert_eq!(json!(ids), line["emails"]);
        }
    }

    // Any split of the time is a split of the events.
    let mut times: Vec<&str> = lines.iter().map(|line| line["at"].as_str().unwrap()).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2].to_owned();
    let (before, _) = account(&consign, 3, &["--to", &middle]);
    let (after, summed) = account(&consign, 3, &["--from", &middle]);
    adds_up(&after, &summed);
    assert!(before.iter().all(|line| line["at"].as_str() < Some(&middle)) && after.iter().all(|line| line["at"].as_str() >= Some(&middle)));
    assert_eq!(before.len() + after.len(), lines.len());

    // When all is done, it says so by its exit code too.
    consign.run(&["held", "retry"]).succeeded();
    consign.run(&["run", "all"]).succeeded();
    let (lines, summed) = account(&consign, 0, &[]);
    adds_up(&lines, &summed);
    checked("when all is done");
    let said = consign.run(&["reconcile", "all"]).succeeded().stdout;
    assert!(said.contains("not yet due") && !said.contains("held --policy"), "{said}");
}

#[test]
fn what_can_not_be_read_is_told_and_bad_dates_are_refused() {
    let (corpus, consign, server) = (made_up("jsonl", seed("workspace")), Consign::new(), Scripted::start(Behaviour::Accept));
    consign.import(corpus.form, &corpus.file, "s");
    let segment = consign.alone("own", 3);
    consign.policy(&server.target(), "");
    consign.run(&["run", "all"]).succeeded();
    let (lines, _) = account(&consign, 0, &[]);
    std::fs::remove_file(&segment).unwrap();
    let (fewer, summed) = account(&consign, 3, &[]);
    let gap = &summed["gaps"][0];
    assert_eq!(gap["gap"], "unreadable", "{summed}");
    assert_eq!(fewer.len() as u64 + gap["events"].as_u64().unwrap(), lines.len() as u64);
    consign.run(&["reconcile", "all"]).refused(3, &["NOT READ", "events of chat"]);
    consign.run(&["reconcile", "none"]).refused(1, &["no policy 'none'"]);
    consign.run(&["reconcile", "all", "--from", "yesterday"]).refused(2, &["not a date", "2026-03-01"]);
    consign.run(&["reconcile", "all", "--from", "2026-03-01", "--to", "2026-02-01"]).refused(1, &["--to has to be later than --from"]);
    let nowhere = consign.beside("nowhere/account.jsonl").display().to_string();
    consign.run(&["reconcile", "all", "--events", &nowhere]).refused(1, &["nowhere/account.jsonl"]);
}
