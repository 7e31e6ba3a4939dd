//! Data folders as programs of earlier store formats left them (`tests/earlier/format-N.tar.gz`): the newest one opens each, says of it what that program said, and goes on with it; and what was
//! there before is kept.
//!
//! Each was made by a program of its format, with `CONSIGN_BIN=… CONSIGN_EARLIER=keep` and the test `an_upgrade_keeps_everything`. Whoever raises the format makes the one of the format before, by the
//! program before.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use consign_tests::{Consign, Inbox, Ran, Target, event_lines, guests, say};
use serde_json::{Value, json};

/// What is asked of a folder.
const ASKED: &[&[&str]] = &[
    &["policies"],
    &["targets"],
    &["sources"],
    &["runs"],
    &["runs", "all-000001"],
    &["held"],
    &["explain", "all", "m7"],
    &["explain", "lost", "m7"],
    &["logs", "all-000001"],
    &["module", "list"],
    &["secret", "list"],
    &["token", "list"],
    &["audit", "list"],
    &["keys"],
    &["identity", "list"],
    &["coverage", "chat"],
];

fn earlier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("earlier")
}

/// Something of all that a store has, made by this program.
fn make() -> Consign {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let write = |name: &str, bytes: &[u8]| consign.write(name, bytes).display().to_string();
    let events = write("events.jsonl", event_lines("acme", 30).as_bytes());
    consign.import("jsonl", Path::new(&events), "chat");
    let map = write("people.csv", b"source,id,name,email,department\nchat,U1,Ann Example,ann@corp.example,desk\n");
    consign.run(&["identity", "apply", &map]).succeeded();
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    consign.apply(&inbox.target().toml_with(&[("all", "")]));
    consign.apply(&Target::plain(nowhere).toml_with(&[("lost", "")]).replace("\"archive\"", "\"nowhere\""));
    let module = write("honest.wasm", &guests::honest());
    consign.run(&["module", "push", &module]).succeeded();
    consign.run(&["run", "all"]).succeeded();
    consign.run(&["run", "lost"]).ended(3);
    consign.run(&["token", "create", "ann", "--role", "auditor"]).succeeded();
    consign
}

/// What it says of a folder, but for the clock and places.
fn said(consign: &Consign) -> Vec<Value> {
    let ran = |args: &&[&str]| {
        let ran = consign.run(&[args, &["--json"][..]].concat());
        json!({ "code": ran.code, "said": without_places(ran.json()) })
    };
    ASKED.iter().map(ran).collect()
}

fn without_places(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for name in ["manifest", "next_due", "next_attempt", "due"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(|value| *value = without_places(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_places(item.take())),
        _ => {}
    }
    value
}

/// Whether everything that one says stands in the other, which may say more.
fn contains(more: &Value, less: &Value) -> bool {
    match (more, less) {
        (Value::Object(more), Value::Object(less)) => {
            less.iter().all(|(name, less)| more.get(name).map_or_else(|| less.is_null(), |more| contains(more, less)))
        }
        (Value::Array(more), Value::Array(less)) => more.len() == less.len() && more.iter().zip(less).all(|(more, less)| contains(more, less)),
        (more, less) => more == less,
    }
}

fn tar(args: &[&str], file: &Path, folder: &Path) {
    let mut command = Command::new("tar");
    command.arg(args[0]).arg(file).arg("-C").arg(folder).args(&args[1..]);
    Ran::of(command).succeeded();
}

#[test]
fn an_upgrade_keeps_everything() {
    if std::env::var_os("CONSIGN_EARLIER").is_some() {
        let consign = make();
        consign.write("data/said.json", serde_json::to_vec(&said(&consign)).unwrap());
        let mark = std::fs::read_to_string(consign.data().join("store/consign.mark")).unwrap();
        let format = serde_json::from_str::<Value>(mark.split_once(' ').unwrap().1).unwrap()["format"].as_u64().unwrap();
        std::fs::remove_dir_all(consign.data().join("cache")).unwrap();
        tar(&["-czf", "data"], &earlier().join(format!("format-{format}.tar.gz")), consign.data().parent().unwrap());
        say(format_args!("a folder of format {format} is kept"));
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(earlier()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    for file in folders {
        let consign = Consign::new();
        tar(&["-xzf"], &file, consign.data().parent().unwrap());
        let before: Vec<Value> = serde_json::from_slice(&std::fs::read(consign.data().join("said.json")).unwrap()).unwrap();
        let after = said(&consign);
        assert_eq!(before.len(), after.len(), "{}", file.display());
        for (args, (before, after)) in ASKED.iter().zip(before.iter().zip(&after)) {
            assert!(contains(after, before), "{} {args:?}\nbefore {before}\nafter  {after}", file.display());
        }
        // It goes on: what is there is known, what is new is exported, what is held is tried again, and all follows what was before.
        let events = consign.write("events.jsonl", event_lines("acme", 40));
        assert_eq!(consign.import("jsonl", &events, "chat")["stored"]["message"], 10, "{}", file.display());
        let inbox = Inbox::start();
        consign.apply(&inbox.target().toml_with(&[("all", "")]));
        consign.apply(&inbox.target().toml_with(&[("lost", "")]).replace("\"archive\"", "\"nowhere\""));
        assert_eq!(consign.run(&["run", "all", "--json"]).succeeded().json()["events"]["exported"], 10);
        consign.run(&["held", "retry", "--current"]).succeeded();
        assert_eq!(inbox.count(), 3, "one of each run, and what was held");
        consign.run(&["audit", "verify"]).succeeded();
        consign.run(&["verify", &consign.data().join("manifests").display().to_string()]).succeeded();
        consign.run(&["doctor"]).succeeded();
        say(format_args!("{}: opened and gone on with", file.file_name().unwrap().to_string_lossy()));
    }
}
