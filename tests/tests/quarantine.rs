//! A module that fails: the event is found, the chat is held; one that fails again and again is quarantined, and a person releases it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use consign_tests::{Consign, Corpus, Inbox, check, holds, until};
use guests::made::Made;
use guests::{EDITED, LOOPS, SECRET, TRAPS, WITH_FILES, fails_at, fails_later, leaves_out, named, push, workspace};
use serde_json::{Value, json};

fn criterion(module: &str) -> String {
    format!("[[policy.criteria]]\nmodule = {module:?}\n")
}

fn manifest(run: &Value) -> Value {
    serde_json::from_slice::<Value>(&std::fs::read(run["manifest"].as_str().unwrap()).unwrap()).unwrap()["manifest"].clone()
}

/// How many windows are held for each kind of reason.
fn held(consign: &Consign) -> (usize, usize) {
    let all = consign.json(&["held"]);
    let of = |kind: &str| all.as_array().unwrap().iter().filter(|window| window["reason"]["kind"] == kind).count();
    assert_eq!(of("module") + of("quarantine"), all.as_array().unwrap().len(), "{all}");
    (of("module"), of("quarantine"))
}

#[test]
fn the_event_is_found_at_which_a_module_fails() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 6, 50, &[2]);
    consign.import("jsonl", &file, "s");
    let module = push(&consign, &fails_at("acme/edits", "1.0.0", EDITED, TRAPS));
    consign.policy(&inbox.target(), &criterion(&module));
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!((&run["chats"]["held"], &run["quarantined"]), (&json!(1), &json!([])), "one chat says little of a module: {run}");
    assert_eq!((&run["events"]["held"], &run["events"]["exported"]), (&json!(51), &json!(counts.events - 51)));

    // The first message is edited, so it has the flag.
    let window = &consign.json(&["held"])[0];
    let fault = &window["reason"]["fault"];
    assert_eq!((&fault["class"], &fault["call"], &window["chat"]), (&json!("trap"), &json!("evaluate"), &json!("C2")), "{window}");
    assert_eq!(fault["event"], json!({"position": window["from"], "id": "m0"}), "{window}");
    assert_eq!(fault["digest"], module.trim_start_matches("sha256:"));
    let text = consign.run(&["held"]).succeeded().stdout;
    assert!(text.contains("trap, at event m0") && text.contains("acme/edits@1.0.0"), "{text}");
    let entries = manifest(&run)["windows"].clone();
    let entry = entries.as_array().unwrap().iter().find(|entry| entry["chat"] == "C2").unwrap();
    assert_eq!(entry["held"]["fault"], *fault);
    // Where in the module it was is for who may read events.
    let logs = consign.json(&["logs", run["run"].as_str().unwrap()]);
    let said: Vec<_> = logs[0]["said"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect();
    assert!(said.iter().any(|line| line.starts_with("at ")), "{said:?}");
    assert!(!holds(&consign.data(), SECRET));

    // It fails there again, and is no worse for it: the same chat.
    for _ in 0..3 {
        let again = consign.run(&["held", "retry", "--json"]).ended(3).json();
        assert_eq!((&again[0]["supplements"]["done"], &again[0]["quarantined"]), (&json!(0), &json!([])), "{again}");
    }
    assert_eq!(consign.json(&["quarantine", "list"]), json!([]));
}

#[test]
fn a_module_that_fails_in_three_chats_is_quarantined_until_it_is_released() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 12, 20, &[]);
    consign.import("jsonl", &file, "s");
    let module = push(&consign, &fails_later("acme/later", "1.0.0", TRAPS));
    consign.policy(&inbox.target(), &criterion(&module));
    let first = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!((&first["events"]["held"], &first["events"]["examined"]), (&json!(counts.events), &json!(counts.events)), "{first}");
    assert_eq!(first["quarantined"], json!([{"module": "acme/later@1.0.0", "digest": module.trim_start_matches("sha256:")}]));
    let (faults, quarantined) = held(&consign);
    assert!(faults >= 3 && quarantined >= 1 && faults + quarantined == 12, "{faults} + {quarantined}");
    let text = consign.run(&["held"]).succeeded().stdout;
    assert!(text.contains("it was not run, since it is quarantined") && text.contains("consign quarantine list all"), "{text}");
    assert!(manifest(&first)["windows"].as_array().unwrap().iter().any(|entry| entry["held"]["kind"] == "quarantine"));
    let listed = consign.json(&["quarantine", "list", "all"]);
    assert_eq!(
        (&listed[0]["why"]["reason"], &listed[0]["why"]["run"], &listed[0]["why"]["class"]),
        (&json!("faults"), &first["run"], &json!("trap"))
    );

    // Nothing runs, and everybody who asks is told; what arrives meanwhile is not lost.
    let late = json!({"type": "message", "chat": "C0", "id": "late", "at": "2026-02-01T08:00:00Z", "user": "U1", "text": "late"});
    let late = consign.write("late.jsonl", late.to_string());
    consign.import("jsonl", &late, "s");
    for args in [&["run", "all"][..], &["held", "retry"]] {
        let paused = consign.run(args).refused(3, &["Nothing was run", "'all' is paused", "acme/later@1.0.0", "consign quarantine release all"]);
        assert!(!paused.stdout.contains("examined"), "{}", paused.stdout);
    }
    let paused = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!((&paused["policy"], &paused["paused"]["quarantined"][0]["module"]), (&json!("all"), &json!("acme/later@1.0.0")), "{paused}");
    consign.run(&["run", "all", "--preview", &consign.beside("out").display().to_string()]).refused(1, &["'all' is paused"]);
    assert_eq!(consign.json(&["runs"]).as_array().unwrap().len(), 1);
    assert_eq!(inbox.count(), 0);

    consign.run(&["quarantine", "release", "all", "0000"]).refused(1, &["begins with '0000'"]);
    let released = consign.run(&["quarantine", "release", "all"]).succeeded().stdout;
    assert!(released.contains("consign held retry --policy all"), "{released}");
    consign.run(&["quarantine", "release", "all"]).refused(1, &["no module of policy 'all' is quarantined"]);
    let listed = consign.json(&["quarantine", "list"]);
    assert!(listed[0]["release"]["by"].is_string() && listed[0]["release"]["at"].is_string(), "{listed}");

    // It is no better: three chats more, and it is quarantined again.
    let again = consign.run(&["held", "retry", "--json"]).ended(3).json();
    assert_eq!(again[0]["quarantined"].as_array().map(Vec::len), Some(1), "{again}");
    assert_eq!(consign.json(&["quarantine", "list"]).as_array().map(Vec::len), Some(2));

    // A version without it runs at once, and what was held goes out under it: everything, each once.
    consign.policy(&inbox.target(), "");
    let mended = consign.run(&["held", "retry", "--current", "--json"]).succeeded().json()[0].clone();
    let all = consign.write("all.jsonl", [std::fs::read(&file).unwrap(), std::fs::read(&late).unwrap()].concat());
    let mut whole = mended.clone();
    for figures in ["events", "emails"] {
        for (name, value) in mended["supplements"][figures].as_object().unwrap() {
            let sum = value.as_u64().unwrap() + mended[figures][name].as_u64().unwrap();
            whole[figures][name] = json!(sum);
        }
    }
    check("everything", &inbox.maildir(), &Corpus::of(all, "jsonl"), &whole, &[]);
    assert_eq!(held(&consign), (0, 0));
}

#[test]
fn faults_of_several_runs_are_counted_together() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, _) = workspace(&consign, 3, 20, &[0]);
    consign.import("jsonl", &file, "s");
    let module = push(&consign, &fails_at("acme/edits", "1.0.0", EDITED, TRAPS));
    consign.policy(&inbox.target(), &criterion(&module));
    let mut number = 0;
    // A run in which it fails in this chat, or in none.
    let mut run = |chat: Option<usize>| {
        let Some(chat) = chat else {
            consign.run(&["run", "all"]).succeeded();
            return 0;
        };
        number += 1;
        let (id, at) = (format!("n{number}"), format!("2026-01-{:02}T08:00:00Z", 6 + number));
        let message = json!({"type": "message", "chat": format!("C{chat}"), "id": id, "at": at, "user": "U1", "text": "one"});
        let edit = json!({"type": "edit", "chat": format!("C{chat}"), "id": id, "at": at.replace("08:00", "09:00"), "user": "U1", "text": "two"});
        consign.import("jsonl", &consign.write("more.jsonl", format!("{message}\n{edit}\n")), "s");
        consign.run(&["run", "all", "--json"]).ended(3).json()["quarantined"].as_array().unwrap().len()
    };
    consign.run(&["run", "all"]).ended(3);
    // The first chat, the second, the third: but the first fault is four runs old by then.
    assert_eq!([None, Some(1), None, Some(2)].map(&mut run), [0, 0, 0, 0]);
    // The third chat again is no other chat; the first one is.
    assert_eq!([Some(2), Some(1)].map(&mut run), [0, 0]);
    assert_eq!(run(Some(0)), 1);
}

#[test]
fn giving_up_on_chats_is_no_fault_and_a_policy_may_say_never() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, _) = workspace(&consign, 6, 10, &[]);
    consign.import("jsonl", &file, "s");
    let fields = r#"(data (i32.const 512) "no") (global $real (mut i32) (i32.const 0))"#;
    let gives_up = Made {
        manifest: named("acme/gives-up", "1.0.0", &[]),
        imports: r#"(import "consign:filter/data@0.1.0" "[method]chat.event-count" (func $events (param i32) (result i64)))"#,
        fields,
        begin: "(global.set $real (i64.ne (call $events (local.get $chat)) (i64.const 17))) (call $inspect)",
        batch: "(if (result i32) (global.get $real) (then (call $err (i32.const 512) (i32.const 2))) (else (call $keep (call $len (local.get $view)))))",
        ..Made::default()
    };
    let module = push(&consign, &gives_up.criteria());
    consign.policy(&inbox.target(), &criterion(&module));
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!((&run["chats"]["held"], &run["quarantined"]), (&json!(6), &json!([])), "{run}");
    assert_eq!(consign.json(&["held"])[0]["reason"]["fault"]["class"], "gave-up");

    let traps = push(&consign, &fails_later("acme/later", "1.0.0", TRAPS));
    consign.policy(&inbox.target(), &format!("quarantine-after = 0\n{}", criterion(&traps)));
    consign.run(&["held", "retry", "--current"]).ended(3);
    assert_eq!(held(&consign), (6, 0));
    // Told otherwise, the faults that are there count at once.
    consign.policy(&inbox.target(), &format!("quarantine-after = 6\n{}", criterion(&traps)));
    let one = consign.json(&["held"])[0]["id"].as_str().unwrap().to_owned();
    let run = consign.run(&["held", "retry", &one, "--json"]).ended(3).json();
    assert_eq!(run[0]["quarantined"].as_array().map(Vec::len), Some(1), "{run}");
}

#[test]
fn an_earlier_version_runs_instead_where_the_policy_asks_for_it() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 8, 20, &[]);
    consign.import("jsonl", &file, "s");
    let good = push(&consign, &leaves_out("acme/no-files", "1.0.0", WITH_FILES));
    let bad = push(&consign, &fails_later("acme/no-files", "2.0.0", TRAPS));
    let last_good = |module: &str| format!("on-quarantine = \"last-good\"\n{}", criterion(module));
    // Nothing to go back to: it is paused.
    consign.policy(&inbox.target(), &last_good(&bad));
    consign.run(&["run", "all"]).ended(3);
    consign.run(&["run", "all"]).refused(3, &["is paused", "No earlier version"]);
    consign.policy(&inbox.target(), &last_good(&good));
    let mended = consign.run(&["held", "retry", "--current", "--json"]).succeeded().json();
    let left_out = counts.files + counts.both;
    assert_eq!(mended[0]["supplements"]["events"]["omitted"], left_out, "{mended}");

    // Version 3 has the bad module again; version 2 has made a run.
    consign.policy(&inbox.target(), &last_good(&bad));
    let mut number = 0;
    let mut more = || {
        number += 1;
        let line =
            json!({"type": "message", "chat": "C0", "id": format!("late{number}"), "at": "2026-02-01T08:00:00Z", "user": "U1", "text": "late"});
        consign.import("jsonl", &consign.write("late.jsonl", line.to_string()), "s");
    };
    more();
    let ran = consign.run(&["run", "all"]).succeeded().stdout;
    assert!(
        ran.contains("NOTE: this is NOT the policy's newest version: version 2 ran in place of version 3") && ran.contains("acme/no-files@2.0.0"),
        "{ran}"
    );
    let run = consign.json(&["runs"])[0].clone();
    assert_eq!((&run["policy_version"], &run["events"]["exported"]), (&json!(2), &json!(1)), "{run}");
    assert_eq!((&run["stands_in"]["for_version"], &run["stands_in"]["version"]), (&json!(3), &json!(2)), "{run}");
    let manifest = manifest(&run);
    assert_eq!((&manifest["stands_in"], &manifest["policy_version"]), (&run["stands_in"], &json!(2)));
    assert_eq!(manifest["modules"][0]["name"], "acme/no-files@1.0.0");

    // What is tighter in another way does not go back with it.
    let tighter = format!(
        "on-quarantine = \"last-good\"\n{}{}",
        criterion(&bad),
        "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"x\"] }\n"
    );
    consign.policy(&inbox.target(), &tighter);
    consign.run(&["run", "all"]).refused(3, &["is paused", "differs in nothing but an earlier version of such a module"]);
    consign.policy(&inbox.target(), &last_good(&bad));

    // Released, the newest version runs again.
    consign.run(&["quarantine", "release", "all"]).succeeded();
    more();
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!((&run["stands_in"], &run["events"]["held"]), (&Value::Null, &json!(1)), "{run}");
}

#[test]
fn a_module_that_loops_costs_some_deadlines_and_no_more() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, counts) = workspace(&consign, 40, 5, &[]);
    consign.import("jsonl", &file, "s");
    let module = push(&consign, &fails_later("acme/loops", "1.0.0", LOOPS));
    consign.policy(&inbox.target(), &criterion(&module));
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!(run["events"]["held"], counts.events, "{run}");
    let (faults, quarantined) = held(&consign);
    // Those that were under way when it was enough: as many as are evaluated at once, and three.
    let at_once = 2 * std::thread::available_parallelism().unwrap().get();
    assert!((3..=at_once + 3).contains(&faults) && faults + quarantined == 40, "{faults} + {quarantined}");
    assert_eq!(consign.json(&["quarantine", "list"])[0]["why"]["class"], "deadline");
}

#[test]
fn serve_says_once_that_a_policy_is_paused() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, _) = workspace(&consign, 5, 5, &[]);
    consign.import("jsonl", &file, "s");
    let module = push(&consign, &fails_later("acme/later", "1.0.0", TRAPS));
    // Beside it a policy that goes on, by whose runs time can be told.
    let other = "[[policy]]\nname = \"other\"\ntarget = \"archive\"\nschedule = { cron = \"* * * * * *\" }\n";
    consign.policy(&inbox.target(), &format!("schedule = {{ cron = \"* * * * * *\" }}\n{}\n{other}", criterion(&module)));
    consign.run(&["run", "all"]).ended(3);
    let (serving, lines) = consign.serving(&["--json"]);
    let mut said: Vec<Value> = Vec::new();
    let of = |said: &[Value], what: &str, policy: &str| said.iter().filter(|line| line["what"] == what && line["policy"] == policy).count();
    until("the pause to be said, and some runs of the other policy to end", || {
        said.extend(lines.try_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap()));
        of(&said, "paused", "all") > 0 && of(&said, "run", "other") >= 5
    });
    assert!(serving.terminate().success());
    said.extend(lines.iter().map(|line| serde_json::from_str::<Value>(&line).unwrap()));
    assert_eq!((of(&said, "paused", "all"), of(&said, "run", "all")), (1, 0), "{said:?}");
    // Released, the time that it missed is made up for.
    consign.run(&["quarantine", "release", "all"]).succeeded();
    consign.policy(&inbox.target(), "schedule = { cron = \"* * * * * *\" }");
    let (serving, lines) = consign.serving(&["--json"]);
    let mut runs = 0;
    until("it to run again", || {
        runs += lines.try_iter().filter(|line| line.contains("\"run\":\"all-")).count();
        runs > 0
    });
    assert!(serving.terminate().success());
}
