//! Events as they happen: what `consign ingest` has acknowledged is in the archive, whenever the process is killed, and is exported once; a folder is watched;
//! and `serve` takes events in beside its schedules.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use consign_tests::{Consign, Inbox, Running, say, until};
use serde_json::Value;

const TOKEN: &str = "t0ken-of-the-desk";

fn sources(consign: &Consign, more: &str) -> PathBuf {
    consign.write("token", TOKEN);
    let token = consign.beside("token").display().to_string();
    consign.write("sources.toml", format!("[[source]]\nname = \"desk\"\nkind = \"events\"\ntoken = {{ file = {token:?} }}\n{more}"))
}

/// Its first object says where it listens.
fn address(said: &Receiver<String>) -> String {
    loop {
        let line = said.recv_timeout(Duration::from_mins(1)).unwrap();
        if let Ok(object) = serde_json::from_str::<Value>(&line)
            && let Some(address) = object["listening"].as_str()
        {
            return address.to_owned();
        }
    }
}

fn ingesting(consign: &Consign, config: &Path) -> (Running, String) {
    let (running, said) = consign.talking(&["--json", "ingest", "--listen", "127.0.0.1:0", "--config", &config.display().to_string()]);
    let address = address(&said);
    (running, address)
}

/// Sixteen clients, which write down what was acknowledged.
fn clients(address: &str, account: &Path, round: usize) -> Running {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/post.py");
    let url = format!("http://{address}/v1/sources/desk/events");
    let mut command = Command::new("python3");
    command.arg(script).args([&url, TOKEN, &account.display().to_string(), &round.to_string()]);
    Running::of(&mut command)
}

fn acknowledged(account: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(account).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Chat and id of each event in the mailbox, with how often it is there.
fn exported(consign: &Consign, inbox: &Inbox) -> BTreeMap<String, u64> {
    let file = consign.beside("account.jsonl");
    consign.run(&["reconcile", "all", "--events", &file.display().to_string()]).succeeded();
    let account = std::fs::read_to_string(&file).unwrap();
    let mut found = BTreeMap::new();
    for event in account.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        assert_eq!(event["fate"], "exported", "{event}");
        *found.entry(format!("{} {}", event["chat"].as_str().unwrap(), event["event"].as_str().unwrap())).or_default() += 1;
    }
    assert!(inbox.count() > 0);
    found
}

#[test]
fn what_was_acknowledged_is_there_after_every_kill() {
    let full = std::env::var_os("CONSIGN_FULL").is_some();
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let config = sources(&consign, "");
    let account = consign.beside("acknowledged");
    for round in 0..if full { 50 } else { 5 } {
        let (running, address) = ingesting(&consign, &config);
        let mut posting = clients(&address, &account, round);
        let before = acknowledged(&account).len();
        until("some hundred lines to be acknowledged", || acknowledged(&account).len() > before + 300);
        running.kill();
        until("the clients to see that it is gone", || posting.ended().is_some());
        assert!(posting.ended().unwrap().success(), "a client was answered otherwise");
    }
    consign.policy(&inbox.target(), "");
    consign.run(&["run", "all"]).succeeded();
    let (acknowledged, exported) = (acknowledged(&account), exported(&consign, &inbox));
    let lost = acknowledged.iter().filter(|line| !exported.contains_key(*line)).count();
    say(format_args!("{} lines acknowledged, {} in the archive, {lost} lost", acknowledged.len(), exported.len()));
    assert_eq!(lost, 0);
    assert!(exported.values().all(|times| *times == 1), "an event is there twice");
}

#[test]
fn serve_takes_events_in_and_a_folder_is_watched() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let drop = consign.beside("drop");
    std::fs::create_dir_all(&drop).unwrap();
    let config =
        sources(&consign, &format!("[[source]]\nname = \"drop\"\nkind = \"folder\"\npath = {:?}\nsettle-seconds = 1\n", drop.display().to_string()));
    let settings = consign.write("consign.toml", format!("[ingest]\nlisten = \"127.0.0.1:0\"\nsources = {:?}\n", config.display().to_string()));
    let (serving, said) = consign.talking(&["--json", "serve", "--config", &settings.display().to_string()]);
    let address = address(&said);
    let account = consign.beside("acknowledged");
    let mut posting = clients(&address, &account, 0);
    until("some lines to be acknowledged", || acknowledged(&account).len() > 50);
    let line = r#"{"type":"message","chat":"D1","id":"dropped","at":"2026-01-05T08:00:00.000Z","user":"U1","text":"from a file"}"#;
    std::fs::write(drop.join("part.jsonl"), line).unwrap();
    until("the file to be taken", || !drop.join("part.jsonl").exists());
    until("the file to be imported", || drop.join("done").read_dir().is_ok_and(|mut files| files.next().is_some()));
    assert!(serving.terminate().success());
    until("the clients to see that it is gone", || posting.ended().is_some());
    consign.policy(&inbox.target(), "");
    consign.run(&["run", "all"]).succeeded();
    let exported = exported(&consign, &inbox);
    assert!(exported.contains_key("D1 dropped"));
    assert!(acknowledged(&account).iter().all(|line| exported.contains_key(line)), "what was acknowledged before it ended is there");
    let sources = consign.json(&["sources"]);
    assert_eq!(sources[0]["ways"]["jsonl"]["view"], "complete", "{sources}");
}
