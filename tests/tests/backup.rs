//! Backups: made while all goes on, put back as they were, and what a restored copy sends and does not send.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use consign_tests::{Consign, Inbox, Ran, Served, ask, event_lines, files_below, one_policy, say, secret};
use serde_json::{Value, json};

/// A folder that a backup was put back into, under the master key of the one that it was made of.
struct Restored {
    consign: Consign,
    master: PathBuf,
    told: Value,
}

impl Restored {
    fn command(consign: &Consign, master: &Path, args: &[&str]) -> Ran {
        let mut command = consign.command(args);
        let data = consign.data().display().to_string();
        command.env_remove("CONSIGN_DATA").env("CONSIGN_MASTER_KEY_FILE", master).args(["--data", &data, "--json"]);
        Ran::of(command)
    }

    fn of(backup: &Path, made_of: &Consign) -> Self {
        let (consign, master) = (Consign::new(), made_of.data().join("master.key"));
        let told = Self::command(&consign, &master, &["restore", &backup.display().to_string()]).succeeded().json();
        Self { consign, master, told }
    }

    fn json(&self, args: &[&str]) -> Value {
        Self::command(&self.consign, &self.master, args).succeeded().json()
    }
}

fn import(consign: &Consign, chat: &str, messages: usize) {
    let file = consign.write("in.jsonl", event_lines(chat, messages));
    consign.import("jsonl", &file, "s");
}

#[test]
fn what_is_restored_sends_nothing_again_and_says_what_it_cannot_know() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let to = consign.beside("backups");
    let back_up = |more: &[&str]| consign.json(&[&["backup", &to.display().to_string()][..], more].concat());
    import(&consign, "one", 5);
    consign.policy(&inbox.target(), "schedule = { cron = \"* * * * *\" }");
    consign.json(&["run", "all"]);
    let first = back_up(&[]);
    assert_eq!((inbox.count(), &first["copied"]), (1, &first["files"]), "{first}");
    import(&consign, "two", 5);
    let second = back_up(&[]);
    assert!(second["copied"].as_u64() < second["files"].as_u64() && second["copied"].as_u64() > Some(0), "only what is new is copied: {second}");
    consign.json(&["run", "all"]);
    assert_eq!(inbox.count(), 2);

    // The first: it has sent one e-mail, and knows nothing of the second chat.
    let path = PathBuf::from(first["path"].as_str().unwrap());
    let restored = Restored::of(&path, &consign);
    assert_eq!(restored.told["policies"][0]["in_flight"], 0, "{}", restored.told);
    assert_eq!(restored.json(&["run", "all"])["events"]["examined"], 0);
    assert_eq!(inbox.count(), 2, "what was accepted is not sent again");
    // The newest in the folder: the second chat's e-mail is sent again, since nobody here knows that it was.
    let restored = Restored::of(&to, &consign);
    assert_eq!(restored.told["restored"]["at"], second["at"]);
    assert_eq!(restored.json(&["run", "all"])["events"]["exported"], 5);
    for args in [&["audit", "verify"][..], &["doctor", "--offline"]] {
        restored.json(args);
    }
    let manifests = restored.consign.data().join("manifests").display().to_string();
    restored.json(&["verify", &manifests]);

    // Of three, one stays: with its files, and no others.
    consign.json(&["retention", "set", "1 day"]);
    consign.json(&["retention", "run"]);
    let third = back_up(&["--keep", "1"]);
    assert_eq!(third["dropped"], 2, "{third}");
    let pool = files_below(&to.join("files"), "");
    assert_eq!(json!(pool.len()), third["files"], "{pool:?}");
    Restored::of(&to, &consign);

    // What can't be restored is said, and nothing is touched.
    let refused = |backup: &Path, consign: &Consign, says: &str| {
        Restored::command(consign, &restored.master, &["restore", &backup.display().to_string()]).refused(1, &[says]);
    };
    refused(&to, &restored.consign, "is not empty");
    refused(&path, &Consign::new(), "cannot read");
    refused(&consign.data(), &Consign::new(), "holds no whole backup");
    let keyless = Consign::new();
    let data = keyless.data().display().to_string();
    keyless.run(&["--data", &data, "restore", &to.display().to_string()]).refused(1, &["no master key", "go on with it there"]);
    let mut damaged = std::fs::read(&pool[0]).unwrap();
    damaged.pop();
    std::fs::write(&pool[0], damaged).unwrap();
    let half = Consign::new();
    refused(&to, &half, "is damaged");
    assert!(!half.data().join("store").exists(), "a folder in which it broke off has no store");
    consign.run(&["backup", &to.display().to_string(), "--keep", "0"]).refused(1, &["--keep 0"]);
}

#[test]
fn backups_while_events_come_in_have_all_that_was_answered() {
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let tokens = server.tenant("acme");
    let (admin, ingest) = (secret(&tokens, "tenant-administrator"), secret(&tokens, "ingest"));
    server.asked("POST", "/v1/tenants/acme/apply", admin, one_policy(&inbox, "all"), 200);
    let (answered, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let backups: Vec<(u64, Value)> = std::thread::scope(|scope| {
        let (address, answered, ended) = (server.address.clone(), &answered, &ended);
        scope.spawn(move || {
            for chat in 0.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let lines = event_lines(&format!("c{chat}"), 3);
                assert_eq!(ask(&address, "POST", "/v1/tenants/acme/sources/chat/events", ingest, lines.as_bytes()).status, 200);
                answered.store(3 * (chat + 1), Ordering::SeqCst);
            }
        });
        let made = (0..4)
            .map(|number| {
                if number == 2 {
                    server.asked("POST", "/v1/tenants/acme/policies/all/runs", admin, "", 202);
                    server.run_of("acme", admin, "all", 1);
                }
                let before = answered.load(Ordering::SeqCst);
                (before, server.asked("POST", "/v1/backups", &server.operator, "", 201))
            })
            .collect();
        ended.store(true, Ordering::Relaxed);
        made
    });
    assert_eq!(backups[3].1["dropped"], 1, "three stay");
    let sent = inbox.count();
    for (before, backup) in &backups[1..] {
        let restored = Restored::of(Path::new(backup["path"].as_str().unwrap()), &server.consign);
        let account = restored.json_of("acme", &["reconcile", "all"], &[0, 3]);
        let events = account["total"]["events"].as_u64().unwrap();
        assert!(events >= *before && account["gaps"] == json!([]), "{before} were answered before: {account}");
        let exported = account["total"]["exported"].as_u64().unwrap();
        let run = restored.json_of("acme", &["run", "all"], &[0]);
        assert_eq!(run["events"]["exported"], json!(events - exported), "{run}");
        say(format_args!("a backup of {events} events, {before} of which were answered before it began; {exported} of them had been exported"));
    }
    assert!(inbox.count() > sent);
    server.stop();
}

impl Restored {
    fn json_of(&self, tenant: &str, args: &[&str], codes: &[i32]) -> Value {
        let ran = Self::command(&self.consign, &self.master, &[&["--tenant", tenant][..], args].concat());
        assert!(ran.code.is_some_and(|code| codes.contains(&code)), "{ran:?}");
        ran.json()
    }
}
