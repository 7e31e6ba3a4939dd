//! `run --preview`: the folder holds what the next run sends, and nothing else of ours, also where a run was interrupted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use consign_tests::{Behaviour, Consign, Inbox, Running, Scripted, made_up, make, python, say, seed, until};
use serde_json::{Value, json};

fn files(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Previews the policy `all` into `previews`, twice: the second must find what the first did.
fn preview(consign: &Consign) -> Value {
    let folder = consign.beside("previews").display().to_string();
    let first = consign.json(&["run", "all", "--preview", &folder]);
    let before = files(Path::new(&folder));
    assert_eq!(consign.json(&["run", "all", "--preview", &folder]), first);
    assert_eq!(files(Path::new(&folder)), before);
    let figures = [&first["emails"], &first["supplements"]["emails"]];
    let written: u64 = figures.iter().map(|emails| emails["composed"].as_u64().unwrap() - emails["accepted"].as_u64().unwrap()).sum();
    assert_eq!(before.len() as u64, written, "{first}");
    first
}

/// Holds the folder `previews` against a mailbox: these runs' e-mails byte for byte, and of the others what they show.
fn sent_as_previewed(consign: &Consign, mail: &Path, run: &Value) -> Value {
    let (folder, mail) = (consign.beside("previews").display().to_string(), mail.display().to_string());
    python("promises.py", ["previewed", &folder, "--mail", &mail, "--run", run.as_str().unwrap_or("none")])
}

#[test]
fn the_folder_shows_the_newest_preview_and_what_else_was_there_stays() {
    let (corpus, consign, inbox) = (made_up("jsonl", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "");
    let folder = consign.beside("out");
    let others =
        ["1f3a90c21f3a90c2-0001-01.eml/kept.txt", "notes.txt", "letter.eml", "1f3a90c21f3a90c2-0001-01.eml.old", "1F3A90C21F3A90C2-0001-01.eml"];
    for other in others {
        consign.write(&format!("out/{other}"), "not ours");
    }
    let before = files(&folder);
    // What an earlier preview left, and nothing of today's has the name of.
    consign.write("out/0000000000000000-0001-01.eml", "ours");
    let previewed = || consign.json(&["run", "all", "--preview", &folder.display().to_string()]);
    let ours = || files(&folder).difference(&before).count();
    let first = previewed();
    assert!(first["emails"]["composed"].as_u64() > Some(5) && first["emails"]["composed"] == ours(), "{first}");
    assert_eq!((&first["interrupted"], inbox.count()), (&Value::Null, 0));

    consign.json(&["run", "all"]);
    let late = json!({"type": "message", "chat": "C0", "id": "late", "at": "2026-02-01T08:00:00Z", "user": "U1", "text": "late"});
    consign.import("jsonl", &consign.write("late.jsonl", late.to_string()), "s");
    let second = previewed();
    assert_eq!((&second["emails"]["composed"], &second["events"]["examined"], ours()), (&json!(1), &json!(1), 1), "{second}");
    consign.json(&["run", "all"]);
    assert_eq!((previewed()["emails"]["composed"].clone(), files(&folder)), (json!(0), before));
    for other in others {
        assert_eq!(std::fs::read(folder.join(other)).unwrap(), b"not ours", "{other}");
    }
}

/// A run is killed when `killed` returns; then more arrives, in chats that it has frozen or not come to, and in a new one.
fn interrupted(killed: impl Fn(&Inbox, &mut Running)) -> (Value, Value) {
    let (seed, consign) = (seed("talk"), Consign::new());
    let (first, second) = (Inbox::start(), Inbox::start());
    let file = consign.beside("talk.jsonl.gz");
    make("talk", &file, &[seed, 12_000]);
    consign.import("jsonl", &file, "s");
    consign.policy(&first.target(), "");
    let mut run = Running::of(consign.command(&["run", "all"]).stdout(Stdio::null()).stderr(Stdio::null()));
    killed(&first, &mut run);
    run.kill();
    let mut later = String::new();
    for (number, chat) in (0..700).step_by(3).map(|number| format!("t{number:05}")).chain(["new".to_owned()]).enumerate() {
        let message =
            json!({"type": "message", "chat": chat, "id": format!("later{number}"), "at": "2027-01-01T08:00:00Z", "user": "u0001", "text": "later"});
        writeln!(later, "{message}").unwrap();
    }
    consign.import("jsonl", &consign.write("later.jsonl", later), "s");
    // The rest goes elsewhere, so that what is sent now is all that lies there. Its names change too, but not for what is frozen.
    consign
        .apply(&format!("{}subject = \"another\"\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\nattachments = false\n", second.target().toml()));

    let previewed = preview(&consign);
    let said = consign.run(&["run", "all", "--preview", &consign.beside("previews").display().to_string()]).succeeded().stdout;
    assert_eq!(said.contains("was interrupted"), previewed["interrupted"].is_string(), "{said}");
    let runs = consign.json(&["runs"]);
    assert!(previewed["interrupted"].is_null() || runs[0]["ended"] == json!(false), "a preview ended it: {runs}");
    consign.json(&["run", "all"]);
    let figures = sent_as_previewed(&consign, &second.maildir(), &previewed["interrupted"]);
    let runs = consign.json(&["runs"]);
    let accepted: u64 = runs.as_array().unwrap().iter().map(|run| run["emails"]["accepted"].as_u64().unwrap()).sum();
    // An e-mail that was in flight when the run was killed may lie in both.
    let twice = python("promises.py", ["twice", &first.maildir().display().to_string(), "--mail", &second.maildir().display().to_string()]);
    assert_eq!((first.count() + second.count()) as u64 - twice.as_u64().unwrap(), accepted, "{runs}");
    assert_eq!(preview(&consign)["emails"]["composed"], 0);
    say(format_args!("{previewed}\nsent as previewed: {figures}"));
    (previewed, figures)
}

#[test]
fn an_interrupted_run_is_previewed_as_it_will_be_ended() {
    let (previewed, figures) = interrupted(|inbox, run| until("e-mails to arrive", || inbox.count() > 40 || run.ended().is_some()));
    assert_eq!(previewed["interrupted"], "all-000001");
    let count = |of: &str| figures[of].as_u64().unwrap();
    assert!(count("byte_for_byte") > 100 && count("by_events") >= 235, "{figures}");
}

#[test]
fn a_run_that_was_cut_off_at_any_moment_is_previewed_as_it_will_be_ended() {
    let moment = seed("moment of killing") % 250;
    interrupted(|_, _| std::thread::sleep(std::time::Duration::from_millis(moment)));
}

#[test]
fn what_is_tried_again_by_itself_is_previewed_too() {
    let (corpus, consign, server) = (made_up("jsonl", seed("workspace")), Consign::new(), Scripted::start(Behaviour::Defer));
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&server.target(), "");
    let deferred = consign.run(&["run", "all", "--json"]).ended(3).json();
    let previewed = preview(&consign);
    assert_eq!((&previewed["events"]["examined"], &previewed["chats"]), (&json!(0), &json!(0)), "{previewed}");
    assert_eq!(previewed["supplements"]["windows"], deferred["chats"]["held"], "{previewed}");
    assert_eq!(previewed["supplements"]["events"]["exported"], deferred["events"]["held"], "{previewed}");
    server.now(Behaviour::Accept);
    consign.json(&["run", "all"]);
    let figures = sent_as_previewed(&consign, &server.maildir(), &deferred["run"]);
    assert!(figures["byte_for_byte"].as_u64() > Some(5) && figures["by_events"] == 0, "{figures}");
    // Refused for good: that waits for a person.
    server.now(Behaviour::RefuseData);
    let late = json!({"type": "message", "chat": "C0", "id": "late", "at": "2026-02-01T08:00:00Z", "user": "U1", "text": "late"});
    consign.import("jsonl", &consign.write("late.jsonl", late.to_string()), "s");
    consign.run(&["run", "all", "--json"]).ended(3);
    assert_eq!(preview(&consign)["supplements"]["windows"], 0);
}
