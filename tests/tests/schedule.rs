//! `consign serve`: policies run when they are due, once for each due time, and a missed time is made up for once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Behaviour, Consign, IN_FLIGHT, Inbox, Scripted, check, made_up, real_jsonl, until};
use serde_json::Value;

/// Manifests of a policy: there is one for each run that has ended.
fn manifests(consign: &Consign, policy: &str) -> usize {
    let folder = consign.data().join("manifests/default").join(policy);
    std::fs::read_dir(folder)
        .map_or(0, |entries| entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "json")).count())
}

/// Whether a run was made by the schedule.
fn is_scheduled(run: &Value) -> bool {
    run["trigger"]["by"] == "schedule"
}

#[test]
fn policies_run_when_they_are_due() {
    let (corpus, consign, inbox) = (made_up("jsonl", 21), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    let policy = "schedule = { cron = \"* * * * * *\" }\n\n[[policy]]\nname = \"asleep\"\ntarget = \"archive\"\nenabled = false\nschedule = { cron = \"* * * * * *\" }";
    consign.policy(&inbox.target(), policy);
    let listed = consign.json(&["policies"]);
    let due: Vec<_> = listed.as_array().unwrap().iter().map(|policy| (policy["name"].as_str().unwrap(), policy["next_due"].is_string())).collect();
    assert_eq!(due, [("all", true), ("asleep", false)]);
    let serving = consign.serve();
    until("three runs to end", || manifests(&consign, "all") >= 3);
    assert!(serving.terminate().success());

    let runs = consign.json(&["runs", "--policy", "all"]);
    let runs = runs.as_array().unwrap();
    assert!(runs.len() >= 3 && runs.iter().all(|run| run["ended"] == true && is_scheduled(run)), "{runs:?}");
    let mut times: Vec<_> = runs.iter().map(|run| run["trigger"]["due"].to_string()).collect();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), runs.len(), "two runs for one due time: {times:?}");
    let with_events: Vec<_> = runs.iter().filter(|run| run["events"]["examined"].as_u64() > Some(0)).collect();
    assert_eq!(with_events.len(), 1, "{runs:?}");
    check("everything", &inbox.maildir(), &corpus, with_events[0], &[]);
    assert_eq!(manifests(&consign, "asleep"), 0);
    let entries = consign.json(&["audit", "list"]);
    let scheduled =
        |what: &str| entries.as_array().unwrap().iter().filter(|entry| entry["deed"]["what"] == what && entry["by"]["who"] == "schedule").count();
    assert_eq!((scheduled("run-begun"), scheduled("run-ended")), (runs.len(), runs.len()), "{entries}");
    consign.run(&["audit", "verify"]).succeeded();
    assert_eq!(consign.json(&["run", "all"])["emails"]["composed"], 0);
}

#[test]
fn a_time_that_was_missed_is_made_up_for_once() {
    let (corpus, consign, inbox) = (made_up("jsonl", 22), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    // The next second but one, by the clock of the machine: over when `serve` starts.
    let now = std::process::Command::new("date").args(["-u", "-d", "2 seconds", "+%Y-%m-%dT%H:%M:%S"]).output().unwrap();
    let once = String::from_utf8(now.stdout).unwrap().trim().to_owned();
    let policy = format!("schedule = {{ once = \"{once}\" }}");
    consign.policy(&inbox.target(), &policy);
    let later = || String::from_utf8(std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S"]).output().unwrap().stdout).unwrap();
    until("that time to be over", || later().trim() > once.as_str());
    assert_eq!(inbox.count(), 0);

    let serving = consign.serve();
    until("the missed run to end", || manifests(&consign, "all") == 1);
    assert!(serving.terminate().success());
    let runs = consign.json(&["runs"]);
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs}");
    assert!(is_scheduled(&runs[0]), "{runs}");
    check("everything", &inbox.maildir(), &corpus, &runs[0], &[]);

    // Started again, it knows that this time has had its run; and a policy file may be applied again although its time is over.
    consign.policy(&inbox.target(), &policy);
    let probe = format!("{policy}\n\n[[policy]]\nname = \"probe\"\ntarget = \"archive\"\nsince = \"now\"\nschedule = {{ cron = \"* * * * * *\" }}");
    consign.policy(&inbox.target(), &probe);
    let serving = consign.serve();
    until("another policy to run twice", || manifests(&consign, "probe") >= 2);
    assert!(serving.terminate().success());
    assert_eq!(manifests(&consign, "all"), 1);
}

#[test]
fn a_run_that_was_cut_off_is_taken_up_at_the_next_start() {
    let (corpus, consign, inbox) = (made_up("slack", 23), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "schedule = { cron = \"* * * * * *\" }");
    let serving = consign.serve();
    until("some e-mails to arrive", || inbox.count() > 3);
    serving.kill();
    let serving = consign.serve();
    until("everything to arrive", || manifests(&consign, "all") >= 2);
    assert!(serving.terminate().success());
    let runs = consign.json(&["runs"]);
    let whole = runs.as_array().unwrap().iter().find(|run| run["events"]["examined"].as_u64() > Some(0)).unwrap();
    check("everything", &inbox.maildir(), &corpus, whole, &["--repeats", &IN_FLIGHT.to_string()]);
}

/// What one run came to, as `serve` and `runs` both say it.
fn figures(run: &Value) -> Vec<&Value> {
    ["run", "policy", "events", "emails", "chats", "supplements", "manifest", "seconds"].map(|field| &run[field]).to_vec()
}

#[test]
fn it_says_a_line_about_each_run() {
    let (corpus, consign, server) = (made_up("jsonl", 24), Consign::new(), Scripted::start(Behaviour::Defer));
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&server.target().retrying(1, 2, 3600), "schedule = { cron = \"* * * * * *\" }");
    let (serving, said) = consign.serving(&["--json"]);
    until("the first run to end", || manifests(&consign, "all") >= 1);
    server.now(Behaviour::Accept);
    until("some more runs to end", || manifests(&consign, "all") >= 3);
    assert!(serving.terminate().success());
    let mut said: Vec<Value> = said.iter().map(|line| serde_json::from_str(&line).unwrap()).collect();
    // What is held meanwhile is told too: `alerts` has it.
    said.retain(|line| line["what"] != "alert");
    let what: Vec<_> = said.iter().map(|one| one["what"].as_str().unwrap()).collect();
    let last = said.len() - 1;
    assert_eq!((what[0], what[last]), ("started", "stopped"), "{said:?}");
    assert_eq!((&said[0]["tenant"], &said[0]["data"]), (&"default".into(), &consign.data().display().to_string().into()));
    assert!(what[1..last].iter().all(|what| *what == "run"), "{what:?}");
    let runs = consign.json(&["runs"]);
    let listed: Vec<_> = runs.as_array().unwrap().iter().rev().map(figures).collect();
    assert_eq!(said[1..last].iter().map(figures).collect::<Vec<_>>(), listed);
    assert!(said[1]["events"]["held"].as_u64() > Some(0), "{}", said[1]);

    let before = manifests(&consign, "all");
    let (serving, said) = consign.serving(&[]);
    until("some more runs to end", || manifests(&consign, "all") >= before + 2);
    assert!(serving.terminate().success());
    let said: Vec<String> = said.iter().filter(|line| !line.contains(" resolved: ")).collect();
    let runs = consign.json(&["runs"]);
    let of_runs = runs.as_array().unwrap().iter().rev().skip(before).map(|run| format!("run {} ended: 0 events", run["run"].as_str().unwrap()));
    let (first, last, of_runs) = ("running policies".to_owned(), "stopped".to_owned(), of_runs.collect::<Vec<_>>());
    let expected: Vec<_> = [first].into_iter().chain(of_runs).chain([last]).collect();
    assert_eq!(said.len(), expected.len(), "{said:?}");
    assert!(said.iter().zip(&expected).all(|(line, part)| line.contains(part)), "{said:?} and not {expected:?}");
}

#[test]
fn it_says_which_runs_it_leaves_unfinished_and_which_it_takes_up() {
    let (corpus, consign, inbox) = (real_jsonl(), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "schedule = { cron = \"* * * * * *\" }");
    let (serving, said) = consign.serving(&["--json"]);
    until("some e-mails to arrive", || inbox.count() > 3);
    assert!(serving.terminate().success());
    let said: Vec<Value> = said.iter().map(|line| serde_json::from_str(&line).unwrap()).collect();
    assert_eq!(said[1..], [serde_json::json!({"what": "unfinished", "tenant": "default", "policy": "all"}), serde_json::json!({"what": "stopped"})]);

    let (serving, said) = consign.serving(&["--json"]);
    let started = said.recv().unwrap();
    assert!(started.contains("started"), "{started}");
    let resumed: Value = serde_json::from_str(&said.recv().unwrap()).unwrap();
    assert!(serving.terminate().success());
    assert_eq!((&resumed["what"], &resumed["run"], &resumed["resumed"]), (&"run".into(), &"all-000001".into(), &true.into()), "{resumed}");
    check("everything", &inbox.maildir(), &corpus, &resumed, &["--repeats", &IN_FLIGHT.to_string()]);
}
