//! The audit log and the chain of manifests: a day of work stands in them, they check, and whatever is done to them afterwards is found; by the
//! program, and by a script that shares nothing with it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::path::{Path, PathBuf};
use std::process::Command;

use consign_tests::{Consign, Inbox, Ran, files_below, python, say};
use guests::{SECRET, TRAPS, fails_later, push, workspace};
use serde_json::{Value, json};

/// A line's deed in a word.
fn words(entries: &Value) -> Vec<String> {
    entries.as_array().unwrap().iter().map(|entry| entry["deed"]["what"].as_str().unwrap().to_owned()).collect()
}

fn key(consign: &Consign) -> String {
    consign.json(&["keys"])["signing_key"].as_str().unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success(), "cp -a {} {}", from.display(), to.display());
}

/// The manifests of a data folder, by run.
fn manifests(consign: &Consign) -> Vec<PathBuf> {
    let mut found = files_below(&consign.data().join("manifests"), ".json");
    found.sort();
    found
}

/// A day in which much goes wrong: a module fails and is quarantined, a person releases it, and puts another policy into force. Ends with five runs.
fn a_day(consign: &Consign, inbox: &Inbox) {
    let (file, _) = workspace(consign, 12, 20, &[]);
    consign.import("jsonl", &file, "s");
    let module = push(consign, &fails_later("acme/later", "1.0.0", TRAPS));
    consign.policy(&inbox.target(), &format!("[[policy.criteria]]\nmodule = {module:?}\n"));
    consign.run(&["run", "all"]).ended(3);
    consign.run(&["quarantine", "release", "all"]).succeeded();
    consign.run(&["held", "retry"]).ended(3);
    consign.policy(&inbox.target(), "");
    let mut command = consign.command(&["held", "retry", "--current"]);
    Ran::of(std::mem::replace(command.env("CONSIGN_BY", "Ann Lee, \"compliance\" ü\n"), Command::new("true"))).succeeded();
    for number in 0..2 {
        let late =
            json!({"type": "message", "chat": "C0", "id": format!("late{number}"), "at": "2026-02-01T08:00:00Z", "user": "U1", "text": "late"});
        consign.import("jsonl", &consign.write("late.jsonl", late.to_string()), "s");
        consign.run(&["run", "all"]).succeeded();
    }
    let keys = consign.write("ann.pub", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n");
    consign.run(&["module", "keys", "add", "ann", &keys.display().to_string()]).succeeded();
    consign.run(&["module", "keys", "remove", "ann"]).succeeded();
}

const DAY: [&str; 26] = [
    "tenant-made",
    "import-begun",
    "import-ended",
    "module-pushed",
    "target-saved",
    "policy-saved",
    "run-begun",
    "quarantined",
    "run-ended",
    "released",
    "run-begun",
    "quarantined",
    "run-ended",
    "policy-saved",
    "run-begun",
    "run-ended",
    "import-begun",
    "import-ended",
    "run-begun",
    "run-ended",
    "import-begun",
    "import-ended",
    "run-begun",
    "run-ended",
    "module-key-added",
    "module-key-removed",
];

fn day() -> Vec<String> {
    DAY.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_day_of_work_stands_in_the_log() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    a_day(&consign, &inbox);
    let entries = consign.json(&["audit", "list"]);
    assert_eq!(words(&entries), day());
    let of = |number: usize| &entries[number - 1];
    // Who: from the system, and beside it what they say.
    let user = of(1)["by"]["user"].as_str().unwrap();
    // One without a line among the accounts (of a container, say) is known by its number.
    let account = r#"id=$(id -u); name=$(awk -F: -v id="$id" '$1 != "" && $3 == id { print $1; exit }' /etc/passwd); echo "${name:-uid-$id}""#;
    let account = String::from_utf8(Command::new("sh").args(["-c", account]).output().unwrap().stdout).unwrap();
    assert_eq!(user.split_once('@').map(|(name, _)| name), Some(account.trim()), "{user}");
    assert!(of(1)["by"]["process"].is_u64() && of(1)["by"]["named"].is_null(), "{}", of(1));
    assert_eq!((&of(15)["by"]["user"], &of(15)["by"]["named"]), (&json!(user), &json!("Ann Lee, \"compliance\" ü")));
    assert_eq!(of(8)["by"], json!({"who": "consign"}), "nobody quarantines by hand");
    // What.
    assert_eq!((&of(1)["deed"]["signing_key"], &of(1)["previous"]), (&json!(key(&consign)), &Value::Null));
    assert_eq!((&of(15)["deed"]["retry"]["how"], &of(7)["deed"]["retry"]), (&json!("current"), &Value::Null));
    let first = consign.json(&["runs", "all-000001"]);
    assert_eq!(of(9)["deed"]["events"], first["events"]);
    assert!(!entries.to_string().contains(SECRET), "text of messages");
    let text = consign.run(&["audit", "list", "--last", "3"]).succeeded().stdout;
    assert_eq!(text.lines().count(), 3);
    assert!(text.contains("ended run all-000005") && text.contains("removed the module key ann"), "{text}");

    let passed = consign.json(&["audit", "verify"]);
    assert_eq!((&passed["entries"], &passed["manifests"], &passed["signature"]), (&json!(26), &json!(5), &json!("trusted")), "{passed}");
    let file = consign.beside("audit.jsonl");
    consign.run(&["audit", "export", &file.display().to_string()]).succeeded();
    let ours = consign.json(&["audit", "verify", &file.display().to_string(), "--key", &key(&consign)]);
    assert_eq!((&ours["entries"], &ours["tenant"]), (&json!(26), &json!("default")), "{ours}");
    let unknown = consign.json(&["audit", "verify", &file.display().to_string()]);
    assert_eq!(unknown["signature"], "self-signed");
    let empty = consign.beside("empty");
    std::fs::create_dir(&empty).unwrap();
    let (empty, exported) = (empty.display().to_string(), file.display().to_string());
    let no_manifest = ["there is no manifest in", empty.as_str()];
    consign.run(&["audit", "verify", "--manifest", &empty]).refused(1, &no_manifest);
    consign.run(&["audit", "verify", &exported, "--manifest", &empty]).refused(1, &no_manifest);
    let named = manifests(&consign).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let theirs = python("audit.py", [vec![key(&consign), file.display().to_string()], named].concat());
    assert_eq!(theirs, json!({"entries": 26, "deeds": day()}), "{theirs}");
    say(format_args!("26 entries of a day's work with 5 runs check by both"));
}

/// The same lines with something done to them, as bytes of a file.
type Tamper<'a> = (&'static str, u64, &'a dyn Fn(&mut Vec<String>));

#[test]
fn whatever_is_done_to_an_exported_log_is_found() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    a_day(&consign, &inbox);
    let (file, key) = (consign.beside("audit.jsonl"), key(&consign));
    consign.run(&["audit", "export", &file.display().to_string()]).succeeded();
    let whole: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    // A log of the same work by somebody who has a key of their own.
    let (other, outbox) = (Consign::new(), Inbox::start());
    a_day(&other, &outbox);
    let foreign = other.beside("audit.jsonl");
    other.run(&["audit", "export", &foreign.display().to_string()]).succeeded();
    let foreign: Vec<String> = std::fs::read_to_string(&foreign).unwrap().lines().map(str::to_owned).collect();

    let ways: [Tamper<'_>; 18] = [
        ("a figure", 9, &|lines| lines[8] = lines[8].replacen("\"held\":", "\"held\":1", 1)),
        ("a name", 15, &|lines| lines[14] = lines[14].replace("Ann Lee", "Bob Lee")),
        ("a digest", 6, &|lines| lines[5] = lines[5].replacen("\"digest\":\"", "\"digest\":\"0", 1)),
        ("another form", 4, &|lines| lines[3] = lines[3].replacen(':', ": ", 1)),
        ("a removed entry", 8, &|lines| drop(lines.remove(7))),
        ("the first removed", 1, &|lines| drop(lines.remove(0))),
        ("two swapped", 10, &|lines| lines.swap(9, 10)),
        ("one twice", 11, &|lines| lines.insert(10, lines[9].clone())),
        ("another's between", 11, &|lines| lines.insert(10, foreign[10].clone())),
        ("another's in place", 11, &|lines| lines[10] = foreign[10].clone()),
        ("another's log", 1, &|lines| *lines = foreign.clone()),
        ("the last removed", 26, &|lines| drop(lines.remove(25))),
        ("the head removed", 26, &|lines| drop(lines.pop())),
        // Signed by the right key, and with a tenant and a time as a head has them.
        ("an entry for the head of an empty log", 0, &|lines| *lines = vec![lines[25].replacen("{\"entry\":", "{\"head\":", 1)]),
        ("cut in the middle", 12, &|lines| lines.truncate(12)),
        ("cut, with another's head", 12, &|lines| {
            lines.truncate(12);
            lines.push(foreign[26].clone());
        }),
        ("something after the head", 27, &|lines| lines.push(lines[25].clone())),
        ("nothing left", 0, &|lines| lines.clear()),
    ];
    let mut agreed = 0;
    for (what, seq, tamper) in ways {
        let mut lines = whole.clone();
        tamper(&mut lines);
        assert_ne!(lines, whole, "{what}: nothing was done");
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let tampered = consign.write("tampered.jsonl", text).display().to_string();
        let ran = consign.run(&["audit", "verify", &tampered, "--key", &key]).refused(1, &[&format!("entry {seq}:")]);
        assert!(!ran.stderr.contains("Lee"), "{what}: {}", ran.stderr);
        let theirs = python("audit.py", [&key, &tampered]);
        // With a line after the head, or none at all, the script does not come as far as entries.
        assert!(theirs["broken"] == seq || what == "something after the head", "{what}: {theirs}, and we say {seq}");
        agreed += u64::from(theirs["broken"] == seq);
    }
    // An earlier export is whole, and of then: a manifest that is newer tells.
    let store = consign.data().join("store");
    assert!(store.is_dir());
    consign.run(&["run", "all"]).succeeded();
    let newest = manifests(&consign).pop().unwrap().display().to_string();
    let file = file.display().to_string();
    consign.run(&["audit", "verify", &file, "--key", &key]).succeeded();
    consign.run(&["audit", "verify", &file, "--key", &key, "--manifest", &newest]).refused(1, &["entry 27:", "all-000006", "cut off"]);
    assert_eq!(python("audit.py", [&key, &file, &newest])["broken"], 27);
    say(format_args!("18 ways to tamper with an exported log are found, {agreed} by both at the same entry; and a later manifest finds the 19th"));
    assert!(agreed >= 16, "{agreed}");
}

#[test]
fn a_store_that_is_put_back_is_found() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    a_day(&consign, &inbox);
    let (store, before, after) = (consign.data().join("store"), consign.beside("before"), consign.beside("after"));
    copy(&store, &before);
    consign.run(&["run", "all"]).succeeded();
    consign.run(&["audit", "verify"]).succeeded();
    copy(&store, &after);
    let put = |from: &Path| {
        std::fs::remove_dir_all(&store).unwrap();
        copy(from, &store);
    };
    put(&before);
    let ran = consign.run(&["audit", "verify"]).refused(1, &["entry 27:", "all-000006", "cut off at its end"]);
    say(format_args!("a store of before the last run: {}", ran.stderr.trim()));
    put(&after);
    consign.run(&["audit", "verify"]).succeeded();

    // A manifest by which the log could be held to its length, made useless.
    let manifest = manifests(&consign).pop().unwrap();
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("\"seq\":", "\"seq\":1", 1)).unwrap();
    consign.run(&["audit", "verify"]).refused(1, &["all-000006.json", "is not a manifest that the tenant's key has signed"]);
    std::fs::write(&manifest, text).unwrap();
    consign.run(&["audit", "verify"]).succeeded();
    // A key that is kept elsewhere, and is not this one.
    let other = key(&Consign::new());
    std::fs::remove_dir_all(consign.data().join("manifests")).unwrap();
    consign.run(&["audit", "verify", "--key", &other]).refused(1, &["entry 1:", "signed by another key"]);
}

/// Where a run's manifest lies.
type ByNumber<'a> = &'a dyn Fn(u32) -> PathBuf;

#[test]
fn the_chain_of_manifests_shows_what_is_done_to_it() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    a_day(&consign, &inbox);
    let (folder, key) = (consign.data().join("manifests/default"), key(&consign));
    let whole = manifests(&consign);
    assert_eq!(whole.len(), 5);
    // Canonical, byte for byte, by Python's own writer.
    for path in &whole {
        let script = "import json,sys; t=open(sys.argv[1],encoding='utf-8').read(); \
                      sys.exit(t != json.dumps(json.loads(t),sort_keys=True,separators=(',',':'),ensure_ascii=False)+'\\n')";
        assert!(Command::new("python3").args(["-c", script]).arg(path).status().unwrap().success(), "{} is not canonical", path.display());
    }
    let verify = |folder: &Path| consign.run(&["verify", &folder.display().to_string(), "--key", &key]);
    let good = verify(&folder).succeeded();
    assert!(good.stdout.contains("5 manifests, each follows the one before"), "{}", good.stdout);
    let mail = inbox.maildir().display().to_string();
    consign.run(&["verify", &folder.display().to_string(), "--key", &key, "--mail", &mail]).succeeded();

    let mut number = 0;
    let mut with = |tamper: &dyn Fn(ByNumber<'_>)| {
        number += 1;
        let copied = consign.beside(&format!("chain{number}"));
        copy(&folder, &copied);
        tamper(&|run| copied.join(format!("all/all-{run:06}.json")));
        copied
    };
    let removed = with(&|of| std::fs::remove_file(of(3)).unwrap());
    verify(&removed).refused(1, &["BROKEN LINK: between runs all-000002 and all-000004 a manifest is missing"]);
    let changed = with(&|of| {
        let text = std::fs::read_to_string(of(3)).unwrap();
        std::fs::write(of(3), text.replacen("\"accepted\":", "\"accepted\":1", 1)).unwrap();
    });
    verify(&changed).refused(1, &["signature: BROKEN", "run all-000003", "does not follow that of run all-000003"]);
    let swapped = with(&|of| {
        std::fs::rename(of(2), of(9)).unwrap();
        std::fs::rename(of(3), of(2)).unwrap();
        std::fs::rename(of(9), of(3)).unwrap();
    });
    verify(&swapped).refused(1, &["all-000002.json holds the manifest of run all-000003", "put into another's place"]);
    let inserted = with(&|of| assert!(std::fs::copy(of(2), of(6)).is_ok()));
    verify(&inserted).refused(1, &["all-000006.json holds the manifest of run all-000002"]);
    let first = with(&|of| {
        for run in 1..=3 {
            std::fs::remove_file(of(run)).unwrap();
        }
    });
    verify(&first).succeeded();
    // One of another tenant's, under a run's name: signed, but by a key of its own.
    let (other, outbox) = (Consign::new(), Inbox::start());
    a_day(&other, &outbox);
    let theirs = manifests(&other);
    let foreign = with(&|of| assert!(std::fs::copy(&theirs[2], of(3)).is_ok()));
    verify(&foreign).refused(1, &["ANOTHER key", "run all-000003", "does not follow"]);
    let without_a_key = consign.run(&["verify", &foreign.display().to_string()]);
    without_a_key.refused(1, &["does not follow that of run all-000002", "signed by different keys"]);
    // Named one by one they may have gaps, and it says so.
    let names: Vec<String> = [0, 4].map(|place: usize| whole[place].display().to_string()).into();
    let some = consign.run(&["verify", &names[0], &names[1], "--key", &key]).succeeded();
    assert!(some.stdout.contains("not checked: between runs all-000001 and all-000005"), "{}", some.stdout);
    // That the newest is gone the chain can't know; the audit log does not need it, and the next one would tell.
    say("a removed, changed, swapped, inserted and foreign manifest in a chain of five are each found, and named");
}
