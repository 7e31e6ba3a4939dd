//! What a target does not take at once: tried again by `serve` between due times, later and later, given up after its time, and never in silence.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::TcpListener;

use consign_tests::{Behaviour, Consign, Inbox, Scripted, Target, check, made_up, say, seed, until};
use serde_json::Value;

fn runs(consign: &Consign) -> Vec<Value> {
    let mut runs = consign.json(&["runs"]).as_array().unwrap().clone();
    runs.reverse();
    runs
}

fn held(consign: &Consign) -> Vec<Value> {
    consign.json(&["held"]).as_array().unwrap().clone()
}

fn manifest(run: &Value) -> Value {
    let text = std::fs::read(run["manifest"].as_str().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["manifest"].clone()
}

/// Manifests so far, while `serve` has the data folder.
fn manifests(consign: &Consign) -> Vec<Value> {
    let folder = consign.data().join("manifests/default/all");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    let read = |file| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap()["manifest"].clone();
    files.into_iter().map(read).collect()
}

#[test]
fn serve_tries_again_what_was_deferred_and_leaves_a_supplement() {
    let (corpus, consign, server) = (made_up("jsonl", seed("workspace")), Consign::new(), Scripted::start(Behaviour::Defer));
    consign.import(corpus.form, &corpus.file, "s");
    // No schedule: it runs by hand alone.
    consign.policy(&server.target().retrying(1, 2, 3600), "");
    let first = consign.run(&["run", "all", "--json"]).ended(3).json();
    let chats = first["chats"]["held"].as_u64().unwrap();
    assert!(chats > 0 && first["events"]["exported"] == 0, "{first}");
    let waiting = held(&consign);
    assert!(waiting.iter().all(|window| window["tried_again"] == true && window["next_attempt"].is_string()), "{waiting:?}");
    let said = consign.run(&["held"]).succeeded().stdout;
    assert!(said.contains("tries again by itself"), "{said}");
    server.now(Behaviour::Accept);
    let serving = consign.serve();
    let done = |manifests: &[Value]| {
        let supplements = manifests.iter().skip(1).flat_map(|manifest| manifest["supplements"].as_array().unwrap());
        supplements.filter(|window| window["held"].is_null()).count() as u64
    };
    until("everything to be tried again", || done(&manifests(&consign)) == chats);
    assert!(serving.terminate().success());
    assert!(held(&consign).is_empty());
    let runs = runs(&consign);
    assert!(runs.iter().skip(1).all(|run| run["trigger"]["by"] == "retry" && run["events"]["examined"] == 0), "{runs:?}");
    let emails: u64 = runs.iter().skip(1).map(|run| run["supplements"]["emails"]["accepted"].as_u64().unwrap()).sum();
    say(format_args!("{chats} chats that were deferred went out in {} runs, {emails} e-mails", runs.len() - 1));
    let mut whole = first.clone();
    whole["emails"]["accepted"] = emails.into();
    whole["events"]["held"] = 0.into();
    for figure in ["exported", "copies"] {
        whole["events"][figure] = first["events"]["examined"].clone();
    }
    check("everything", &server.maildir(), &corpus, &whole, &[]);
}

#[test]
fn what_is_not_taken_in_time_is_given_up_loudly_and_sent_when_a_person_asks() {
    let (corpus, consign, server) = (made_up("jsonl", seed("workspace")), Consign::new(), Scripted::start(Behaviour::Defer));
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&server.target().retrying(1, 1, 3), "");
    let chats = consign.run(&["run", "all", "--json"]).ended(3).json()["chats"]["held"].as_u64().unwrap();
    let serving = consign.serve();
    let expired = |manifests: &[Value]| {
        let windows = manifests.iter().flat_map(|manifest| manifest["supplements"].as_array().unwrap());
        windows.filter(|window| window["held"]["kind"] == "expired").map(|window| window["chat"].to_string()).collect::<BTreeSet<_>>().len() as u64
    };
    until("all to be given up", || expired(&manifests(&consign)) == chats);
    assert!(serving.terminate().success());
    let given_up = held(&consign);
    assert_eq!(given_up.len() as u64, chats);
    assert!(given_up.iter().all(|window| window["reason"]["kind"] == "expired" && window["tried_again"] == false), "{given_up:?}");
    let said = consign.run(&["held"]).succeeded().stdout;
    assert!(said.contains("given up after 3s") && said.contains("451") && said.contains("held retry"), "{said}");
    // Neither a run nor `serve` comes back to it.
    server.now(Behaviour::Accept);
    let again = consign.json(&["run", "all"]);
    assert_eq!((&again["supplements"]["windows"], held(&consign).len() as u64), (&0.into(), chats));
    consign.run(&["held", "retry"]).succeeded();
    assert!(held(&consign).is_empty());
    assert_eq!(manifest(runs(&consign).last().unwrap())["supplements"].as_array().unwrap().len() as u64, chats);
}

#[test]
fn a_target_that_is_down_is_found_out_by_a_few_emails() {
    let consign = Consign::new();
    let line = |number: u32| {
        format!("{{\"type\":\"message\",\"chat\":\"C{number}\",\"id\":\"m\",\"at\":\"2026-01-05T08:00:00Z\",\"user\":\"U1\",\"text\":\"hi\"}}\n")
    };
    let events = consign.write("events.jsonl", (0..200).map(line).collect::<String>());
    consign.import("jsonl", &events, "s");
    // Nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    consign.policy(&Target::plain(port), "");
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    let (composed, not_sent) = (run["emails"]["composed"].as_u64().unwrap(), run["emails"]["not_sent"].as_u64().unwrap());
    assert!(composed == 200 && composed == not_sent, "{run}");
    let reasons: Vec<String> = manifest(&run)["windows"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|window| window["emails"].as_array().unwrap())
        .map(|email| email["recipients"][0]["reason"].as_str().unwrap().to_owned())
        .collect();
    let asked = reasons.iter().filter(|reason| !reason.contains("not tried")).count();
    say(format_args!("of {composed} e-mails for a target that is down {asked} were tried"));
    // Five find out, beside those that were let through before the fifth had failed.
    assert!((5..=100).contains(&asked), "{asked} of {composed}");
    // Mended under another version of the target, it is asked at once, and everything goes out.
    let inbox = Inbox::start();
    consign.policy(&inbox.target(), "");
    let after = consign.json(&["run", "all"]);
    assert_eq!((&after["supplements"]["windows"], &after["supplements"]["done"]), (&run["chats"]["held"], &run["chats"]["held"]), "{after}");
    assert_eq!(inbox.count() as u64, composed);
}

#[test]
fn a_target_gets_no_more_in_a_minute_than_it_says() {
    let (corpus, consign, inbox) = (made_up("jsonl", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target().with("max-per-minute = 1200"), "");
    let run = consign.json(&["run", "all"]);
    let (emails, seconds) = (run["emails"]["accepted"].as_u64().unwrap(), run["seconds"].as_f64().unwrap());
    say(format_args!("{emails} e-mails at 1,200 a minute took {seconds} s"));
    #[expect(clippy::cast_precision_loss, reason = "some hundred")]
    let least = (emails - 1) as f64 * 60.0 / 1_200.0;
    assert!(emails > 10 && seconds >= least, "{emails} e-mails in {seconds} s, and {least} s are the least");
    check("everything", &inbox.maildir(), &corpus, &run, &[]);
    for (line, says) in
        [("max-per-minute = 0", "nonzero"), ("retry = { first = \"soon\" }", "no length of time"), ("retry = { most = \"1 min\" }", "in this order")]
    {
        let file = consign.write("wrong.toml", inbox.target().with(line).toml());
        consign.run(&["apply", &file.display().to_string()]).refused(1, &["wrong.toml", says]);
    }
}
