//! A tenant gets new keys: what was there opens, what comes is for the new ones, and all that was signed holds, by whichever of its keys somebody knows it. Looked at with age and openssl.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use consign_tests::{Consign, Inbox, Served, ask, event_lines, files_below, one_policy, python, say, secret};
use serde_json::{Value, json};

fn import(consign: &Consign, many: usize) {
    let lines = consign.write("events.jsonl", event_lines("C1", many));
    consign.import("jsonl", &lines, "chat");
}

/// Whether age opens a file with the first key that lies in another, or with each of them.
fn opens(file: &Path, identities: &Path) -> bool {
    Command::new("age").arg("-d").arg("-i").arg(identities).arg(file).output().unwrap().status.success()
}

/// Writes the tenant's private keys down, newest first; each in a file of its own.
fn private_keys(consign: &Consign, name: &str) -> Vec<PathBuf> {
    consign.run(&["keys", "--write-identity", &consign.beside(name).display().to_string()]).succeeded();
    let all = std::fs::read_to_string(consign.beside(name)).unwrap();
    all.lines().enumerate().map(|(number, line)| consign.write(&format!("{name}-{number}"), line)).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

#[test]
fn what_was_there_opens_and_holds() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    consign.run(&["init"]).succeeded();
    consign.apply(&one_policy(&inbox, "all"));
    import(&consign, 20);
    consign.run(&["run", "all"]).succeeded();
    let first = consign.json(&["keys"]);
    assert_eq!(first["earlier"], json!([]));
    let before = files_below(&consign.data().join("archive"), "");
    let old = private_keys(&consign, "old");

    let second = consign.json(&["keys", "rotate"]);
    assert_eq!((&second["earlier"][0]["recipient"], &second["earlier"][0]["signing_key"]), (&first["recipient"], &first["signing_key"]));
    assert!(second["recipient"] != first["recipient"] && second["signing_key"] != first["signing_key"], "{second}");
    assert_eq!(consign.json(&["keys"]), second);
    import(&consign, 30);
    // The first half is read again: everything is there, once.
    assert_eq!(consign.json(&["run", "all"])["events"]["exported"], 10);
    let third = consign.json(&["keys", "rotate"]);
    let said = consign.run(&["keys"]).succeeded().stdout;
    assert!([&first, &second, &third].iter().all(|keys| said.contains(text(keys, "signing_key"))), "{said}");
    import(&consign, 35);
    assert_eq!(consign.json(&["run", "all"])["events"]["exported"], 5);
    let mail = inbox.maildir().display().to_string();

    // By age: what was there is for the old key alone, what came since for others; and all of it opens with what the tenant has.
    let new = private_keys(&consign, "new");
    assert_eq!((old.len(), new.len()), (1, 3));
    let (mut by_old, mut by_newest) = (0, 0);
    for file in files_below(&consign.data().join("archive"), "") {
        let is_old = opens(&file, &old[0]);
        assert!(is_old || !before.contains(&file), "{} was there, and does not open", file.display());
        assert_eq!([&new[0], &new[1], &new[2]].iter().filter(|key| opens(&file, key)).count(), 1, "{}", file.display());
        assert!(opens(&file, &consign.beside("new")), "{}", file.display());
        by_old += u64::from(is_old);
        by_newest += u64::from(opens(&file, &new[0]));
    }
    assert!(by_old > 0 && by_newest > 0, "{by_old} and {by_newest}");
    say(format_args!("keys: {by_old} files for the first, {by_newest} for the third"));
    for sent in [0, 25, 34] {
        assert!(consign.run(&["explain", "all", &format!("m{sent}")]).succeeded().stdout.contains("exported"));
    }
    consign.run(&["audit", "verify"]).succeeded();
    consign.run(&["doctor"]).succeeded();

    // The log leads from each key to the next: by ours, and by what reads its description alone.
    let log = consign.beside("audit.jsonl").display().to_string();
    consign.run(&["audit", "export", &log]).succeeded();
    let manifests = consign.data().join("manifests");
    let folder = manifests.display().to_string();
    let files: Vec<String> = files_below(&manifests, "").iter().map(|file| file.display().to_string()).collect();
    let (other, stranger) = (Consign::new(), "A".repeat(43) + "=");
    other.run(&["init"]).succeeded();
    let others = other.json(&["keys"]);
    for key in [text(&first, "signing_key"), text(&second, "signing_key"), text(&third, "signing_key")] {
        consign.run(&["audit", "verify", "--key", key]).succeeded();
        let passed = consign.json(&["audit", "verify", &log, "--key", key, "--manifest", &folder]);
        assert_eq!((&passed["signature"], &passed["manifests"]), (&json!("trusted"), &json!(3)), "{passed}");
        let theirs = python("audit.py", [vec![key.to_owned(), log.clone()], files.clone()].concat());
        assert_eq!(theirs["entries"], passed["entries"], "{theirs}");
    }
    for key in [text(&others, "signing_key"), &stranger] {
        consign.run(&["audit", "verify", "--key", key]).refused(1, &["is not a manifest that the tenant's key has signed"]);
        consign.run(&["audit", "verify", &log, "--key", key]).refused(1, &["entry 1:", "another key"]);
        assert_eq!(python("audit.py", [key, &log])["broken"], 1);
    }
    // An earlier key signs no more once the log names the next, and a key that a log only names proves nothing.
    let lines: Vec<String> = std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    let rotated = lines.iter().position(|line| line.contains("\"keys-rotated\"")).unwrap();
    let without: String = lines.iter().enumerate().filter(|(at, _)| *at != rotated).flat_map(|(_, line)| [line, "\n"]).collect();
    let without = consign.write("without.jsonl", without).display().to_string();
    for key in [&first, &third] {
        let key = text(key, "signing_key");
        consign.run(&["audit", "verify", &without, "--key", key]).refused(1, &["entry "]);
        assert!(python("audit.py", [key, &without])["broken"].is_u64());
    }

    // Manifests hold by all of the keys in their order, and not by one.
    let by = |keys: &[&Value]| {
        let keys = keys.iter().flat_map(|keys| ["--key", text(keys, "signing_key")]);
        consign.run(&["verify", &folder, "--mail", &mail].into_iter().chain(keys).collect::<Vec<_>>())
    };
    by(&[&first, &second, &third]).succeeded();
    by(&[&third]).refused(1, &["ANOTHER key"]);
    by(&[&third, &second, &first]).refused(1, &["different keys"]);
    consign.run(&["verify", &folder, "--mail", &mail]).refused(1, &["different keys", "--key"]);
}

const ROUNDS: usize = 12;

/// Keys change again and again while events come in and go out.
#[test]
fn while_others_write() {
    let inbox = Inbox::start();
    let mut served = Served::start();
    let tokens = served.tenant("acme");
    let (token, at) = (secret(&tokens, "tenant-administrator").to_owned(), "/v1/tenants/acme");
    served.asked("POST", &format!("{at}/apply"), &token, one_policy(&inbox, "all"), 200);
    let (done, address) = (AtomicBool::new(false), served.address.clone());
    let rotations = std::thread::scope(|scope| {
        let rotating = scope.spawn(|| {
            let mut rotations = 0;
            while !done.load(Ordering::SeqCst) {
                let answer = ask(&address, "POST", &format!("{at}/keys/rotate"), &token, b"");
                assert_eq!(answer.status, 200, "{:?}", answer.body);
                rotations += 1;
            }
            rotations
        });
        for round in 1..=ROUNDS {
            served.asked("POST", &format!("{at}/sources/chat/events"), &token, event_lines("C1", 10 * round), 200);
            served.asked("POST", &format!("{at}/policies/all/runs"), &token, "{}", 202);
            served.run_of("acme", &token, "all", round);
        }
        done.store(true, Ordering::SeqCst);
        rotating.join().unwrap()
    });
    let keys = served.asked("GET", &format!("{at}/keys"), &token, "", 200);
    assert_eq!(keys["earlier"].as_array().unwrap().len(), rotations, "{keys}");
    assert!(rotations > ROUNDS, "{rotations}");
    served.stop();
    let of_acme = |args: &[&str]| served.consign.run(&[&["--tenant", "acme"], args].concat());
    of_acme(&["audit", "verify"]).succeeded();
    of_acme(&["doctor"]).succeeded();
    let signing: Vec<&str> =
        keys["earlier"].as_array().unwrap().iter().map(|keys| text(keys, "signing_key")).chain([text(&keys, "signing_key")]).collect();
    let manifests = served.consign.data().join("manifests/acme").display().to_string();
    let mail = inbox.maildir().display().to_string();
    let by: Vec<&str> = ["verify", &manifests, "--mail", &mail].into_iter().chain(signing.iter().flat_map(|key| ["--key", key])).collect();
    of_acme(&by).succeeded();
    let runs = of_acme(&["runs", "--json"]).succeeded().json();
    let exported: u64 = runs.as_array().unwrap().iter().map(|run| run["events"]["exported"].as_u64().unwrap()).sum();
    assert_eq!(exported, 10 * ROUNDS as u64, "{runs}");
    say(format_args!("keys changed {rotations} times while {ROUNDS} runs exported {} events", 10 * ROUNDS));
}
