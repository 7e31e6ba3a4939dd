//! Shadows: a second version runs on the same events and decides nothing; what it would have done is told, and it can be put in place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::collections::BTreeMap;
use std::path::Path;

use consign_tests::{Consign, Corpus, Inbox, check};
use guests::{EATS, LOOPS, REPLY, TRAPS, WITH_FILES, fails_later, leaves_out, one_group, push, workspace};
use serde_json::{Value, json};

fn criterion(module: &str, shadow: &str) -> String {
    format!("[[policy.criteria]]\nmodule = {module:?}\n{shadow}")
}

/// A run's manifest but for what differs from one data folder to another: keys, times, and the digests that follow from them.
fn manifest(run: &Value) -> Value {
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(run["manifest"].as_str().unwrap()).unwrap()).unwrap();
    let mut manifest = manifest["manifest"].take();
    // The log has more entries where a module more was pushed.
    for field in ["started_at", "finished_at", "previous", "audit"] {
        manifest.as_object_mut().unwrap().remove(field).unwrap();
    }
    manifest
}

/// A mailbox by Message-ID. The e-mails as they were sent: the lines that the receiving server puts before them name a time.
fn mails(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        let begin = bytes.windows(5).position(|some| some == b"From:").unwrap();
        let bytes = bytes[begin..].to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (text.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:")).unwrap().to_owned(), bytes)
    };
    std::fs::read_dir(folder.join("new")).unwrap().map(|entry| read(&entry.unwrap().path())).collect()
}

#[test]
fn the_difference_is_told_by_rule_and_promoted() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 4, 60, &[]);
    consign.import("jsonl", &file, "s");
    let current = push(&consign, &leaves_out("acme/filter", "1.0.0", WITH_FILES));
    let shadow = push(&consign, &leaves_out("acme/filter", "1.1.0", REPLY));
    let with_shadow = criterion(&current, &format!("shadow = {{ module = {shadow:?} }}"));
    consign.policy(&inbox.target(), &with_shadow);
    let shown = consign.run(&["shadow", "all"]).succeeded().stdout;
    assert!(shown.contains("no run has compared them yet"), "{shown}");

    let text = consign.run(&["run", "all"]).succeeded().stdout;
    let line = format!(
        "shadow acme/filter@1.1.0 of acme/filter@1.0.0: +{} \u{2212}{} of {} events in 4 windows",
        counts.files, counts.replies, counts.events
    );
    assert!(text.contains(&line), "{text}\n{line}");
    let run = consign.json(&["runs"])[0].clone();
    let found = &run["shadows"][0];
    assert_eq!((&found["windows"], &found["events"], &found["failed"], &found["unseen"]), (&json!(4), &json!(counts.events), &json!({}), &json!(0)));
    let rule = |module: &str| json!([{"module": module, "rule": "first"}]);
    assert_eq!((&found["gained"][0]["by"], &found["gained"][0]["events"]), (&rule("acme/filter@1.0.0"), &json!(counts.files)), "{found}");
    assert_eq!((&found["lost"][0]["by"], &found["lost"][0]["events"]), (&rule("acme/filter@1.1.0"), &json!(counts.replies)), "{found}");
    assert_eq!((&found["gained"][0]["examples"][0]["event"], &found["lost"][0]["examples"][0]["event"]), (&json!("m6"), &json!("m3")), "{found}");
    // What was exported is the current one's doing.
    assert_eq!(run["events"]["omitted"], counts.files + counts.both);
    let explained = consign.json(&["explain", "all", "m6", "--chat", "C0"]);
    assert_eq!(explained["events"][0]["fate"]["by"], rule("acme/filter@1.0.0"), "{explained}");

    let shown = consign.run(&["shadow", "all"]).succeeded().stdout;
    for said in [
        "criteria 1, acme/filter@1.1.0: shadow of acme/filter@1.0.0",
        "m6 in chat C",
        "m3 in chat C",
        "first of acme/filter@1.0.0",
        "consign shadow promote all",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    assert_eq!(consign.json(&["shadow", "all"])[0]["total"], *found);
    assert_eq!(consign.json(&["module", "show", &shadow])["policies"][0]["place"], "shadow of criteria 1");

    // In place of the other: what follows is decided by it, and the file has to follow.
    let promoted = consign.run(&["shadow", "promote", "all"]).succeeded().stdout;
    assert!(promoted.contains("version 2") && promoted.contains(&format!("module = {shadow:?}")), "{promoted}");
    let late = json!({"type": "message", "chat": "C0", "id": "late", "at": "2026-02-01T08:00:00Z", "user": "U1", "text": "late", "attachments": [{"name": "quote.pdf", "size": 1000}]});
    consign.import("jsonl", &consign.write("late.jsonl", late.to_string()), "s");
    let run = consign.json(&["run", "all"]);
    assert_eq!((&run["events"]["exported"], &run["shadows"]), (&json!(1), &json!([])), "{run}");
    assert_eq!(manifest(&run)["modules"][0]["name"], "acme/filter@1.1.0");
    consign.run(&["shadow", "promote", "all"]).refused(1, &["has no shadow"]);
    let change = |applied: Value| applied.as_array().unwrap().iter().find(|change| change["kind"] == "policy").unwrap()["change"].clone();
    assert_eq!(change(consign.policy(&inbox.target(), &criterion(&shadow, ""))), json!({"is": "same"}));
    assert_eq!(change(consign.policy(&inbox.target(), &with_shadow)), json!({"is": "changed", "fields": ["criteria"]}));
}

#[test]
fn a_shadow_of_one_criterion_counts_what_the_policy_would_do() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 3, 60, &[]);
    consign.import("jsonl", &file, "s");
    let files = push(&consign, &leaves_out("acme/files", "1.0.0", WITH_FILES));
    let replies = push(&consign, &leaves_out("acme/replies", "1.0.0", REPLY));
    let both = push(&consign, &leaves_out("acme/files", "2.0.0", WITH_FILES | REPLY));
    // The first would leave out replies too; the second does so already, so nothing would change.
    let criteria = format!("{}{}", criterion(&files, &format!("shadow = {{ module = {both:?} }}\n")), criterion(&replies, ""));
    consign.policy(&inbox.target(), &criteria);
    let run = consign.json(&["run", "all"]);
    let found = &run["shadows"][0];
    assert_eq!((&found["gained"], &found["lost"], &found["events"]), (&json!([]), &json!([]), &json!(counts.events)), "{run}");

    // Negated, it keeps what it leaves out: the shadow is negated as the criterion is.
    let policy = format!(
        "{}\n[[policy]]\nname = \"negated\"\ntarget = \"archive\"\n{}\n",
        inbox.target().toml(),
        criterion(&files, &format!("negate = true\nshadow = {{ module = {replies:?} }}\n"))
    );
    consign.apply(&policy);
    let found = consign.json(&["run", "negated"])["shadows"][0].clone();
    let sums = |list: &Value| list.as_array().unwrap().iter().map(|rule| rule["events"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sums(&found["gained"]), sums(&found["lost"])), (counts.replies, counts.files), "{found}");
    assert_eq!(found["lost"][0]["by"], json!([{"module": "acme/replies@1.0.0", "rule": "negated"}]));
    // The same module with the same configuration says nothing new.
    let policy = format!(
        "{}\n[[policy]]\nname = \"same\"\ntarget = \"archive\"\n{}\n",
        inbox.target().toml(),
        criterion(&files, &format!("shadow = {{ module = {files:?} }}\n"))
    );
    consign.run(&["apply", &consign.write("same.toml", policy).display().to_string()]).refused(1, &["nothing to compare"]);
}

#[test]
fn groups_are_compared_by_what_they_are() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 3, 20, &[]);
    consign.import("jsonl", &file, "s");
    let [a, a2, b] = [("1.0.0", "a"), ("1.0.1", "a"), ("2.0.0", "b")].map(|(version, key)| push(&consign, &one_group("acme/one", version, key)));
    for (name, shadow, regrouped) in [("same", &a2, 0), ("other", &b, counts.events)] {
        let grouping = format!("[policy.grouping]\nmodule = {a:?}\nshadow = {{ module = {shadow:?} }}\n");
        consign.apply(&format!("{}\n[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\n{grouping}", inbox.target().toml()));
        let run = consign.json(&["run", name]);
        let found = &run["shadows"][0];
        assert_eq!((&found["regrouped"]["events"], &found["windows"]), (&json!(regrouped), &json!(3)), "{found}");
        assert_eq!(run["emails"]["accepted"], 3, "{run}");
    }
    let shown = consign.run(&["shadow", "other"]).succeeded().stdout;
    assert!(shown.contains("grouping, acme/one@2.0.0") && shown.contains("in other e-mails: for example m0 in chat C"), "{shown}");
    consign.run(&["shadow", "promote", "other"]).succeeded();
}

/// Whatever a shadow does, what goes out and what is proved of it is the same, byte for byte.
#[test]
fn a_shadow_that_fails_changes_nothing() {
    let run_with = |shadow: Option<Vec<u8>>| {
        let (consign, inbox) = (Consign::new(), Inbox::start());
        let (file, _) = workspace(&consign, 5, 40, &[1]);
        consign.import("jsonl", &file, "s");
        let current = push(&consign, &leaves_out("acme/filter", "1.0.0", WITH_FILES));
        let shadow = shadow.map(|shadow| format!("shadow = {{ module = {:?} }}", push(&consign, &shadow))).unwrap_or_default();
        consign.policy(&inbox.target(), &criterion(&current, &shadow));
        let run = consign.json(&["run", "all"]);
        (manifest(&run), mails(&inbox.maildir()), run)
    };
    let (proof, sent, run) = run_with(None);
    assert!(run["events"]["omitted"].as_u64() > Some(0) && sent.len() == 5, "{run}");
    for (fails, class) in [(TRAPS, "trap"), (LOOPS, "deadline"), (EATS, "memory")] {
        let (proof_then, sent_then, run_then) = run_with(Some(fails_later("acme/filter", "1.1.0", fails)));
        assert_eq!(proof_then, proof, "{class}");
        assert_eq!(sent_then.keys().collect::<Vec<_>>(), sent.keys().collect::<Vec<_>>(), "{class}");
        assert!(sent_then == sent, "{class}: an e-mail has other bytes");
        assert_eq!(run_then["events"], run["events"], "{class}");
        let found = &run_then["shadows"][0];
        let (failed, unseen) = (found["failed"][class].as_u64().unwrap(), found["unseen"].as_u64().unwrap());
        assert!(failed >= 1 && failed + unseen == 5 && found["windows"] == 0, "{class}: {found}");
        // One that loops has used its time up by then; the others took none.
        assert_eq!(unseen > 0, class == "deadline" && failed < 5, "{class}: {found}");
    }
}

/// Python holds what went out against the export it came from, as it does without a shadow.
#[test]
fn everything_goes_out_beside_a_shadow() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, _) = workspace(&consign, 5, 30, &[0, 3]);
    consign.import("jsonl", &file, "s");
    let keeps = push(&consign, &leaves_out("acme/filter", "1.0.0", 0));
    let shadow = push(&consign, &leaves_out("acme/filter", "1.1.0", REPLY));
    consign.policy(&inbox.target(), &criterion(&keeps, &format!("shadow = {{ module = {shadow:?} }}")));
    let run = consign.json(&["run", "all"]);
    check("everything", &inbox.maildir(), &Corpus::of(file, "jsonl"), &run, &[]);
    assert!(run["shadows"][0]["lost"][0]["events"].as_u64() > Some(0), "{run}");
}

/// What a policy does not decrypt is not decrypted for a shadow either: no event is named.
#[test]
fn a_shadow_opens_nothing_that_its_policy_does_not() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 3, 20, &[]);
    consign.import("jsonl", &file, "s");
    let lines = "decrypt = false\n[[policy.criteria]]\nmodule = \"std/chats\"\nconfig = { kinds = [\"channel\"] }\n\
                 shadow = { module = \"std/chats\", config = { kinds = [\"direct\"] } }\n";
    consign.policy(&inbox.target(), lines);
    let run = consign.json(&["run", "all"]);
    let lost = &run["shadows"][0]["lost"];
    assert_eq!((&lost[0]["events"], &lost[0]["examples"]), (&json!(counts.events), &json!([])), "{run}");
    assert_eq!(run["events"]["exported"], counts.events);
}
