//! What a filter's developer works with: `consign filter` over built components.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::path::{Path, PathBuf};

use consign_tests::{Consign, Corpus, Inbox, made_up, python, real_jsonl, real_slack, say, seed};
use guests::made::Made;
use guests::{EDITED, SECRET, TRAPS, fails_at, workspace};
use serde_json::{Value, json};

/// A chat of four messages, one of them a bot's, with an edit, a reaction and a thread.
const CHAT: &str = r#"{"type":"user","id":"U1","name":"Ann Lee","email":"ann@desk.example"}
{"type":"user","id":"U2","name":"Bob Roe","email":"bob@desk.example","recorded":false}
{"type":"chat","id":"C1","kind":"channel","title":"rates-desk","labels":{"team":"fx"}}
{"type":"message","chat":"C1","id":"m1","at":"2026-01-05T08:00:00Z","user":"U1","text":"the libor fixing"}
{"type":"message","chat":"C1","id":"m2","at":"2026-01-05T08:01:00Z","user":"U2","text":"lunch?","bot":true}
{"type":"message","chat":"C1","id":"m3","at":"2026-01-05T08:02:00Z","user":"U1","text":"Libor again","thread":"m1"}
{"type":"edit","chat":"C1","id":"m2","at":"2026-01-05T08:03:00Z","user":"U2","text":"libor, then lunch"}
{"type":"reaction","chat":"C1","id":"m1","at":"2026-01-05T08:04:00Z","user":"U2","name":"eyes"}
{"type":"message","chat":"C1","id":"m4","at":"2026-01-06T08:00:00Z","user":"U2","text":"a secret phrase"}
"#;

/// Leaves the second event of every batch out: another answer for other batches.
const BY_BATCH: &str = "(local $at i32) (local $n i32) (local.set $n (call $len (local.get $view))) (local.set $at (call $alloc (i32.add (local.get $n) \
                        (i32.const 2)))) (memory.fill (local.get $at) (i32.const 0) (local.get $n)) (i32.store8 offset=1 (local.get $at) (i32.gt_u \
                        (local.get $n) (i32.const 1))) (call $ok_list (local.get $at) (local.get $n))";

/// Logs a line and fails on a batch with more than two events: bisection has to find the third.
const TRAPS_AT_THREE: &str = "(call $emit (i32.const 3) (i32.const 512) (i32.const 11)) (if (i32.gt_u (call $len (local.get $view)) (i32.const 2)) (then (call \
                     $deep))) (call $keep (call $len (local.get $view)))";

fn traps() -> Made {
    let fields = r#"(data (i32.const 512) "about to do") (func $deep (unreachable))"#;
    Made { fields, batch: TRAPS_AT_THREE, ..Made::default() }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A folder with the chat and a file of cases; the latter's path.
fn project(consign: &Consign, name: &str, cases: &str) -> String {
    consign.write(&format!("{name}/chat.jsonl"), CHAT);
    text(&consign.write(&format!("{name}/filter-tests.yaml"), cases))
}

fn case<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap()
}

#[test]
fn cases_of_a_criterion_pass_and_fail_as_they_say() {
    let consign = Consign::new();
    let cases = r#"
module: std/keywords
cases:
  - name: keywords
    events: chat.jsonl
    config: { any: [libor], ignore-case: true }
    expect:
      verdicts: { m1: keep, m2: no-keyword, "edit:m2": keep, "reaction:m1": no-keyword }
      decision: inspect
      snapshot: true
  - name: others
    events: chat.jsonl
    config: { any: [libor] }
    expect: { verdicts: { m1: keep, "edit:m2": keep }, others: no-keyword }
  - name: wrong
    events: chat.jsonl
    config: { any: [libor] }
    expect: { verdicts: { m1: no-keyword, m3: keep, m9: keep, m4: no-such-rule } }
  - name: refused
    events: chat.jsonl
    config: { any: [libor, 5], iggnore-case: true }
    expect: { refused-config: { /any/1: string, /iggnore-case: "" } }
  - name: not refused
    events: chat.jsonl
    config: { any: [libor] }
    expect: { refused-config: { /any: string } }
  - name: not approved
    events: chat.jsonl
    config: { any: [libor] }
    needs: []
    expect: { refused-needs: [matching] }
  - name: a block of lines
    events: |
      {"type":"message","chat":"X","id":"a","at":"2026-01-05T08:00:00Z","user":"U1","text":"libor"}
    config: { none: [libor] }
    expect: { verdicts: { a: excluded-keyword } }
  - name: a broken line
    events: |
      {"type":"message","chat":"X","at":"2026-01-05T08:00:00Z","user":"U1","text":"a secret phrase"}
    config: { none: [libor] }
    expect: { others: keep }
  - name: no failure
    events: chat.jsonl
    config: { any: [libor] }
    expect: { fails: trap }
"#;
    let file = project(&consign, "keywords", cases);
    let folder = text(&consign.beside("keywords"));
    let first = consign.run(&["filter", "test", &folder, "--no-properties", "--json"]).ended(1).json();
    assert_eq!(case(&first, "keywords")["outcome"], "broken");
    assert!(case(&first, "keywords")["text"].as_str().unwrap().contains("--update"), "{first}");
    consign.run(&["filter", "test", &file, "--no-properties", "--update", "--case", "KEYWORDS"]).succeeded();
    let snapshot = std::fs::read_to_string(consign.beside("keywords/snapshots/keywords.snap")).unwrap();
    assert!(snapshot.starts_with("chat C1: inspect\n  m1  keep\n  m2  no-keyword\n") && !snapshot.contains("lunch"), "{snapshot}");
    consign.write("keywords/snapshots/gone.snap", "");

    let second = consign.run(&["filter", "test", &folder, "--no-properties", "--json"]).ended(1).json();
    let outcomes: Vec<(&str, &str)> =
        second["cases"].as_array().unwrap().iter().map(|case| (case["name"].as_str().unwrap(), case["outcome"].as_str().unwrap())).collect();
    let expected = [
        ("keywords", "passed"),
        ("others", "passed"),
        ("wrong", "failed"),
        ("refused", "passed"),
        ("not refused", "failed"),
        ("not approved", "passed"),
        ("a block of lines", "passed"),
        ("a broken line", "broken"),
        ("no failure", "failed"),
    ];
    assert_eq!(outcomes, expected, "{second}");
    assert_eq!(second["unreferenced_snapshots"], json!(["gone.snap"]));
    let wrong = case(&second, "wrong")["differences"].as_array().unwrap();
    let about = |what: &str| wrong.iter().find(|one| one["what"] == what).unwrap_or_else(|| unreachable!("{what}: {wrong:?}"));
    assert_eq!((about("event m1")["expected"].as_str(), about("event m1")["actual"].as_str()), (Some("no-keyword"), Some("keep")));
    assert_eq!(about("event m3")["actual"], "no-keyword");
    assert!(about("event m9")["actual"].as_str().unwrap().contains("m1, m2"));
    assert!(about("event m4")["actual"].as_str().unwrap().contains("excluded-keyword"));

    // For a person: the same, and texts only where they are asked for.
    let shown = consign.run(&["filter", "test", &folder, "--no-properties"]).ended(1).stdout;
    assert!(shown.contains("event m1: expected no-keyword, got keep") && !shown.contains("the libor fixing") && !shown.contains("secret"), "{shown}");
    assert!(shown.contains("5 passed, 4 failed"), "{shown}");
    let shown = consign.run(&["filter", "test", &folder, "--no-properties", "--show-text", "--case", "wrong"]).ended(1).stdout;
    assert!(shown.contains("the libor fixing"), "{shown}");
    // A snapshot that differs says in what.
    consign.write("keywords/snapshots/keywords.snap", snapshot.replace("m1  keep", "m1  no-keyword"));
    consign.run(&["filter", "test", &folder, "--no-properties", "--case", "keywords"]).refused(1, &["-   m1  no-keyword", "+   m1  keep"]);
}

#[test]
fn cases_of_a_grouping_and_of_several_windows() {
    let consign = Consign::new();
    let cases = r#"
module: std/per-user
cases:
  - name: copies
    events: chat.jsonl
    expect:
      groups:
        - { key: U1, subject: U1, events: [m1, m2, m3, "edit:m2", "reaction:m1", m4] }
  - name: not so
    events: chat.jsonl
    config: { users: participants }
    expect:
      groups:
        - { key: U1, title: something, events: [m1, m2] }
        - { key: U9 }
"#;
    project(&consign, "copies", cases);
    let folder = text(&consign.beside("copies"));
    let report = consign.run(&["filter", "test", &folder, "--no-properties", "--json"]).ended(1).json();
    assert_eq!(case(&report, "copies")["outcome"], "passed", "{report}");
    let what: Vec<&str> = case(&report, "not so")["differences"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    for wanted in ["group U1: title", "group U1: event m3", "group U9", "group U2"] {
        assert!(what.contains(&wanted), "{wanted} is not in {what:?}");
    }

    // The second arrival is a window of its own: what happened before the end of the first is late.
    let late = r#"
cases:
  - name: late
    events:
      - chat.jsonl
      - |
        {"type":"message","chat":"C1","id":"l1","at":"2026-01-05T09:00:00Z","user":"U1","text":"late"}
        {"type":"message","chat":"C1","id":"l2","at":"2026-01-07T09:00:00Z","user":"U1","text":"in time"}
    expect: { verdicts: { m1: keep, l1: first, l2: keep } }
"#;
    // The flag `late` is bit 5: the byte of flags of each event is the verdict, 32 or 0, divided by 32.
    let imports = r#"(import "consign:filter/data@0.1.0" "[method]view.event-flags" (func $flags (param i32 i32)))"#;
    let batch = "(local $i i32) (local $at i32) (local $n i32) (call $flags (local.get $view) (i32.const 96)) (local.set $at (i32.load (i32.const 96))) \
                 (local.set $n (i32.load (i32.const 100))) (block $end (loop $next (br_if $end (i32.ge_u (local.get $i) (local.get $n))) (i32.store8 \
                 (i32.add (local.get $at) (local.get $i)) (i32.and (i32.const 1) (i32.shr_u (i32.load8_u (i32.add (local.get $at) (local.get $i))) \
                 (i32.const 5)))) (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))) (call $ok_list (local.get $at) (local.get $n))";
    consign.write("late/late.wasm", Made { imports, batch, ..Made::default() }.criteria());
    consign.write("late/chat.jsonl", CHAT);
    consign.write("late/filter-tests.yaml", late);
    consign.run(&["filter", "test", &text(&consign.beside("late"))]).succeeded();
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_place() {
    let consign = Consign::new();
    for (name, content, says) in [
        ("filter-tests.yaml", "cases:\n  - name: a\n    event: x\n", &["event", "line 3"][..]),
        ("filter-tests.toml", "[[cases]]\nname = 'a'\nevents = 'x'\nexpect = { fails = 'crash' }\n", &["line 4", "crash"]),
        ("filter-tests.yml", "cases:\n  - name: a\n    events: x\n    expect: {}\n", &["expects nothing"]),
    ] {
        let folder = name.replace('.', "-");
        consign.write(&format!("{folder}/{name}"), content);
        consign.run(&["filter", "test", &text(&consign.beside(&folder))]).refused(1, says);
    }
    consign.write("empty/x", "");
    consign.run(&["filter", "test", &text(&consign.beside("empty"))]).refused(1, &["filter-tests.yaml"]);
    consign.write("built/filter-tests.yaml", "cases: []\n");
    consign.run(&["filter", "test", &text(&consign.beside("built"))]).refused(1, &["built.wasm", "filter build"]);
}

#[test]
fn every_standard_module_stands_what_any_module_must() {
    let consign = Consign::new();
    for (name, config) in [
        ("keywords", r#"{"any":["Zinsen","rates"],"none":["lunch"],"ignore-case":true}"#),
        ("participants", r#"{"between":[{"external":true},{"external":false}],"by":"sender"}"#),
        ("chats", r#"{"kinds":["direct"]}"#),
        ("period", r#"{"days":["Mon"],"hours":{"from":"22:00","to":"09:00"},"time-zone":"Europe/Berlin"}"#),
        ("per-chat", r#"{"split":"thread"}"#),
        ("per-user", r#"{"users":"participants"}"#),
    ] {
        let file = consign.write(&format!("{name}.yaml"), format!("module: std/{name}\nproperties: {{ config: {config} }}\n"));
        let report = consign.run(&["filter", "test", &text(&file), "--json"]).succeeded().json();
        let properties = report["properties"].as_array().unwrap();
        assert_eq!(properties.len(), 7, "{report}");
        assert!(properties.iter().all(|one| one["outcome"] == "passed" && one["millis"].is_u64()), "{report}");
    }
}

#[test]
fn a_module_that_answers_by_batches_is_found_out() {
    let consign = Consign::new();
    consign.write("by-batch/by-batch.wasm", Made { batch: BY_BATCH, ..Made::default() }.criteria());
    consign.write("by-batch/filter-tests.yaml", "cases: []\n");
    let report = consign.run(&["filter", "test", &text(&consign.beside("by-batch")), "--json"]).ended(1).json();
    let outcome = |name: &str| report["properties"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["outcome"].clone();
    assert_eq!(outcome("the same twice gives the same"), "passed");
    assert_eq!(outcome("batches of 1 give the same"), "differs", "{report}");
    assert_eq!(outcome("batches of 1,000 give the same"), "differs", "{report}");
}

#[test]
fn a_failure_is_told_with_its_place_by_every_command() {
    let consign = Consign::new();
    let module = text(&consign.write("traps/traps.wasm", traps().criteria()));
    let chat = text(&consign.write("traps/chat.jsonl", CHAT));
    consign.write(
        "traps/filter-tests.yaml",
        "cases:\n  - name: expected\n    events: chat.jsonl\n    expect: { fails: trap }\n  - name: not expected\n    events: chat.jsonl\n    \
         expect: { others: keep }\n  - name: another\n    events: chat.jsonl\n    expect: { fails: deadline }\n",
    );
    let folder = text(&consign.beside("traps"));
    let told = ["test/made@1.0.0", "C1", "(trap)", "evaluate", "m3", "about to do", "deep"];
    let tested = consign.run(&["filter", "test", &folder, "--no-properties"]).refused(1, &told);
    assert!(tested.stdout.contains("1 passed, 2 failed"), "{}", tested.stdout);
    consign.run(&["filter", "run", &module, "--events", &chat]).refused(3, &told);
    consign.run(&["filter", "bench", &module, "--events", &chat, "--rounds", "1"]).refused(1, &told);

    let run = consign.run(&["filter", "run", &module, "--events", &chat, "--json"]).ended(3);
    let last: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    let failure = &last["summary"]["failures"][0];
    assert_eq!((&failure["class"], &failure["where"]["event"]["id"], &failure["chat"]), (&json!("trap"), &json!("m3"), &json!("C1")), "{last}");
    assert_eq!(failure["logs"][0]["text"], "about to do");
    assert!(!failure["backtrace"].as_array().unwrap().is_empty());
}

#[test]
fn run_shows_the_verdicts_that_other_code_has() {
    let config = json!({"any": ["the", "ok"], "ignore-case": true, "whole-words": true}).to_string();
    for corpus in [real_slack(), real_jsonl(), made_up("jsonl", seed("workspace"))] {
        let consign = Consign::new();
        let file = text(&corpus.file);
        let args = ["filter", "run", "std/keywords", "--config", &config, "--json", "--limit", "10000000"];
        let of_file = consign.run(&[&args[..], &["--events", &file, "--format", corpus.form]].concat()).succeeded();
        let output = consign.write("verdicts.jsonl", &of_file.stdout);
        let figures = python("filters.py", ["verdicts", &corpus.spec(), &config, &text(&output)]);
        say(format_args!("verdicts on {}: {figures}", corpus.name));
        // Over the data folder it is the same, and nothing is kept of either.
        assert!(!consign.data().exists());
        consign.import(corpus.form, &corpus.file, "file");
        let of_source = consign.run(&[&args[..], &["--source", "file"]].concat()).succeeded();
        assert!(of_file.stdout == of_source.stdout, "the verdicts over the data folder are others");
    }
}

#[test]
fn watching_tells_what_a_change_does() {
    let consign = Consign::new();
    let chat = text(&consign.write("watch/chat.jsonl", CHAT));
    let config = consign.write("watch/config.json", r#"{"any":["libor"]}"#);
    let (running, lines) = consign.talking(&["filter", "run", "std/keywords", "--config", &text(&config), "--events", &chat, "--watch"]);
    let until = |what: &str| {
        let mut heard = Vec::new();
        while let Ok(line) = lines.recv() {
            heard.push(line);
            if heard.last().is_some_and(|line| line.contains(what)) {
                return heard;
            }
        }
        unreachable!("it ended without saying {what}: {heard:?}")
    };
    until("watching");
    // As an editor writes: a new file in the old one's place.
    let new = consign.write("watch/new.json", r#"{"any":["lunch"]}"#);
    std::fs::rename(new, &config).unwrap();
    let heard = until("verdicts changed").join("\n");
    for line in ["config.json changed", "C1 m1: keep → no-keyword", "C1 m2: no-keyword → keep", "2 verdicts changed"] {
        assert!(heard.contains(line), "{line} is not in\n{heard}");
    }
    // What can't be read for now does not end it.
    until("watching");
    std::fs::write(&config, "{").unwrap();
    until("watching");
    std::fs::write(&config, r#"{"any":["libor"]}"#).unwrap();
    assert!(until("verdicts changed").join("\n").contains("C1 m1: no-keyword → keep"));
    let status = running.interrupt();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn bench_measures_a_module_beside_one_that_does_nothing() {
    let consign = Consign::new();
    for name in ["keywords", "per-user"] {
        let config = if name == "keywords" { r#"{"any":["libor","fixing"]}"# } else { "{}" };
        let measured = consign.json(&["filter", "bench", &format!("std/{name}"), "--config", config, "--rounds", "2"]);
        let report = &measured["report"];
        say(format_args!("bench of {name}: {report}"));
        assert_eq!((&report["events"], &report["chats"], &report["rounds"]), (&json!(40_000), &json!(20), &json!(2)));
        let figure = |of: &str, what: &str| report[of][what]["min"].as_f64().unwrap();
        for of in ["module", "baseline"] {
            for what in ["ns_per_event", "cpu_s_per_million", "instantiate_us", "configure_us"] {
                assert!(figure(of, what) > 0.0, "{of} {what}: {report}");
            }
            assert!(report[of]["memory_bytes"].as_u64().unwrap() >= 65_536, "{report}");
        }
        // Looking into texts costs more than not looking.
        if name == "keywords" {
            assert!(figure("module", "ns_per_event") > figure("baseline", "ns_per_event"), "{report}");
        }
        for share in ["call", "chat", "memory"] {
            let share = report["shares"][share].as_f64().unwrap();
            assert!(share > 0.0 && share < 1.0, "{report}");
        }
    }
    let shown = consign.run(&["filter", "bench", "std/chats", "--config", r#"{"kinds":["direct"]}"#, "--rounds", "1"]).succeeded().stdout;
    assert!(shown.contains("of 20 chats it decides without looking at events") && shown.contains("its own part"), "{shown}");
}

#[test]
fn inspect_and_check_say_what_a_component_is() {
    let consign = Consign::new();
    let standard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-filters/dist/std/keywords.wasm");
    let bytes = std::fs::read(&standard).unwrap();
    let said = consign.json(&["filter", "inspect", &text(&standard)]);
    assert_eq!((&said["name"], &said["kind"], &said["needs"]), (&json!("std/keywords"), &json!("criteria"), &json!(["matching"])), "{said}");
    assert_eq!(said["digest"], consign_model::Digest::of(&bytes).hex());
    assert_eq!(said["bytes"], bytes.len());
    assert!(said["imports"].as_array().unwrap().iter().all(|import| import.as_str().unwrap().starts_with("consign:filter/")), "{said}");
    let shown = consign.run(&["filter", "inspect", "std/keywords"]).succeeded().stdout;
    assert!(shown.contains("not the text") && shown.contains("no-keyword"), "{shown}");

    let good = text(&consign.write("good.wasm", Made::default().criteria()));
    let checked = consign.json(&["filter", "check", &good, &text(&standard)]);
    assert!(
        checked.as_array().unwrap().iter().all(|one| one["passed"] == true && !one["probe"]["steps"].as_array().unwrap().is_empty()),
        "{checked}"
    );

    let by_batch = text(&consign.write("by-batch.wasm", Made { batch: BY_BATCH, ..Made::default() }.criteria()));
    consign.run(&["filter", "check", &good, &by_batch]).refused(1, &["REFUSED", "by-batch.wasm", "FAILED", "1 of 2 components do not pass"]);
    for (name, bytes, says) in
        [("core.wasm", &b"\0asm\x01\0\0\0"[..], &["core WebAssembly module", "filter build"][..]), ("text.wasm", b"hello", &["not WebAssembly"])]
    {
        let file = text(&consign.write(name, bytes));
        consign.run(&["filter", "check", &file]).refused(1, says);
    }
    // Every mismatch at once, with what is expected.
    let core = r#"(module (func (export "consign:filter/criteria@0.1.0#describe") (result i32) (i32.const 0)))"#;
    let contract = "package consign:filter@0.1.0; interface criteria { describe: func() -> u32; } world criteria-module { export criteria; }";
    let mismatch = text(&consign.write("mismatch.wasm", guests::made::component(core, contract, "criteria-module")));
    let refused = consign.run(&["filter", "check", &mismatch, "--json"]).ended(1).json();
    let problems: Vec<&str> = refused[0]["problems"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    for function in ["describe", "configure", "begin-chat", "evaluate"] {
        assert!(problems.iter().any(|problem| problem.contains(function)), "{function} is not in {problems:#?}");
    }
    assert!(problems.iter().any(|problem| problem.contains("func() -> string")), "{problems:#?}");
}

/// Chats of a corpus with most events.
fn largest(corpus: &Corpus, count: usize) -> Vec<String> {
    let chats = python("filters.py", ["chats", &corpus.spec(), &count.to_string()]);
    chats.as_array().unwrap().iter().map(|chat| chat.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_captured_chat_has_the_shape_and_none_of_the_text() {
    for corpus in [real_slack(), real_jsonl(), made_up("slack", seed("workspace")), made_up("jsonl", seed("workspace"))] {
        let consign = Consign::new();
        let source = text(&corpus.file);
        for (number, chat) in largest(&corpus, 3).iter().enumerate() {
            let file: PathBuf = consign.beside(&format!("{number}.jsonl"));
            let args = ["filter", "capture", "--events", &source, "--format", corpus.form, "--chat", chat, "--force", "-o", &text(&file)];
            let said = consign.json(&args);
            let figures = python("filters.py", ["captured", &corpus.spec(), chat, &text(&file)]);
            say(format_args!("captured of {}: {figures}", corpus.name));
            assert_eq!(said["captured"]["events"], figures["events"]);
            // What was made is imported whole.
            let kept = Consign::new();
            let imported = kept.import("jsonl", &file, "s");
            let stored: u64 = imported["stored"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
            assert_eq!((stored, &imported["refused"]), (figures["events"].as_u64().unwrap(), &json!(0)), "{imported}");
            // The same seed, the same chat.
            let again = consign.beside("again.jsonl");
            let seed = said["captured"]["seed"].to_string();
            consign.json(&[
                "filter",
                "capture",
                "--events",
                &source,
                "--format",
                corpus.form,
                "--chat",
                chat,
                "--force",
                "-o",
                &text(&again),
                "--seed",
                &seed,
            ]);
            let lines = |path: &Path| std::fs::read_to_string(path).unwrap().replace("again.files/", &format!("{number}.files/"));
            assert!(lines(&file) == lines(&again), "the same seed made another chat");
        }
    }
}

#[test]
fn a_captured_chat_fails_as_the_chat_did() {
    let consign = Consign::new();
    let module = text(&consign.write("traps.wasm", traps().criteria()));
    let chat = text(&consign.write("chat.jsonl", CHAT));
    let out = text(&consign.beside("case.jsonl"));
    let args = ["filter", "capture", "--events", &chat, "--chat", "C1", "--force", "-o", &out];
    let shown = consign.run(&[&args[..], &["--module", &module]].concat()).succeeded();
    assert!(shown.stdout.contains("fails on this as well") && !shown.stdout.contains("secret"), "{}", shown.stdout);
    // Keywords stay where they are asked for, and so does what they do; else nothing of them does.
    let config = r#"{"any":["libor"],"ignore-case":true}"#;
    let verdicts = |file: &str| {
        let ran = consign.run(&["filter", "run", "std/keywords", "--config", config, "--events", file, "--json"]).succeeded();
        let verdict = |line: &str| serde_json::from_str::<Value>(line).unwrap()["verdict"].as_str().map(str::to_owned);
        ran.stdout.lines().filter_map(verdict).collect::<Vec<_>>()
    };
    consign.run(&[&args[..], &["--config", config, "--keep-words"]].concat()).succeeded();
    let kept = std::fs::read_to_string(&out).unwrap();
    assert!(kept.contains(" libor ") && kept.contains("\"Libor ") && !kept.contains("lunch") && !kept.contains("rates"), "{kept}");
    assert_eq!(verdicts(&out), verdicts(&chat));
    consign.run(&args).succeeded();
    assert!(!std::fs::read_to_string(&out).unwrap().to_lowercase().contains("libor"));
    assert!(verdicts(&out).iter().all(|verdict| verdict == "no-keyword"));
}

/// What a policy holds is captured as it is held, and the module fails on it as it did.
#[test]
fn what_a_policy_holds_is_captured() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, _) = workspace(&consign, 3, 40, &[1]);
    consign.import("jsonl", &file, "s");
    let module = fails_at("acme/edits", "1.0.0", EDITED, TRAPS);
    let component = text(&guests::file(&consign, &module));
    let named = guests::push(&consign, &module);
    consign.policy(&inbox.target(), &format!("[[policy.criteria]]\nmodule = {named:?}\n"));
    consign.run(&["run", "all"]).ended(3);
    let out = text(&consign.beside("held.jsonl"));
    let capture = |chat: &str| {
        consign.run(&["filter", "capture", "--source", "s", "--chat", chat, "--policy", "all", "--module", &component, "-o", &out, "--json"])
    };
    let captured = capture("C1").succeeded().json();
    assert_eq!((&captured["captured"]["events"], &captured["module"]["same"]), (&json!(41), &json!(true)), "{captured}");
    assert_eq!(captured["module"]["after"]["class"], "trap", "{captured}");
    assert!(!std::fs::read_to_string(&out).unwrap().contains(SECRET));
    // What is there stays; it was somebody's work, or the very chat.
    capture("C1").refused(1, &["is there already", "--force"]);
    std::fs::remove_file(&out).unwrap();
    capture("C0").refused(1, &["the policy 'all' holds nothing of the chat C0"]);
}

/// What is mistyped is told, and does nothing.
#[test]
fn what_is_mistyped_is_told() {
    let consign = Consign::new();
    let chat = text(&consign.write("chat.jsonl", CHAT));
    let case = |expect: &str| {
        project(
            &consign,
            "kinds",
            &format!("module: std/keywords\ncases:\n  - name: one\n    events: chat.jsonl\n    config: {{ any: [libor] }}\n    expect: {expect}\n"),
        )
    };
    let cases = case("{ others: no-keyword, verdicts: { m1: keep, m3: no-keyword, \"edit:m2\": keep } }");
    consign.run(&["filter", "test", &cases, "--no-properties"]).succeeded();
    consign.run(&["filter", "test", &cases, "--case", "onne"]).refused(1, &["no case was run", "one"]);
    for (expect, said) in [("{ groups: [] }", "'groups' is of a grouping"), ("{ left-out: { m1: no-keyword } }", "'left-out' is of a grouping")] {
        consign.run(&["filter", "test", &case(expect), "--no-properties"]).refused(1, &[said]);
    }
    consign.run(&["filter", "run", "std/per-user", "--events", "/nowhere/x.jsonl", "--watch"]).refused(1, &["/nowhere"]);
    consign.run(&["filter", "run", "std/per-user", "--source", "s"]).refused(1, &["is no data folder", "--data"]);
    assert!(!consign.data().exists(), "a data folder was made");
    consign.run(&["filter", "capture", "--events", &chat, "--chat", "C1", "--policy", "p", "-o", "x"]).ended(2);
    consign.run(&["filter", "check", "/nowhere/x.wasm"]).refused(1, &["NOT READ"]);
    let named = Made { manifest: guests::named("std/mine", "1.0.0", &[]), ..Made::default() };
    let named = text(&consign.write("named.wasm", named.criteria()));
    consign.run(&["filter", "check", &named]).refused(1, &["names that begin with std/"]);
}
