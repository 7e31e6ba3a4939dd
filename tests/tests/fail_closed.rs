//! Fail closed: a module that gives up or traps holds its windows. Nothing of them is sent, nothing is skipped, and what it said is sealed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use consign_tests::{Consign, Inbox, check, even_chats, holds, say, seed};
use guests::fails_later;
use guests::made::{Made, manifest};
use serde_json::{Value, json};

/// What the bad module says when it gives up: as if it were a message's text.
const SAID: &str = "sell it before noon";

/// Gives up on every chat but the one by which modules are tried, which has 17 events.
fn gives_up() -> Vec<u8> {
    Made {
        manifest: manifest(&[]),
        imports: r#"(import "consign:filter/data@0.1.0" "[method]chat.event-count" (func $events (param i32) (result i64)))"#,
        fields: r#"(data (i32.const 512) "sell it before noon") (global $real (mut i32) (i32.const 0))"#,
        begin: "(global.set $real (i64.ne (call $events (local.get $chat)) (i64.const 17))) (call $inspect)",
        batch: "(if (result i32) (global.get $real)
            (then (call $emit (i32.const 1) (i32.const 512) (i32.const 4)) (call $err (i32.const 512) (i32.const 19)))
            (else (call $keep (call $len (local.get $view)))))",
        ..Made::default()
    }
    .criteria()
}

#[test]
fn a_module_that_fails_holds_its_windows_until_a_person_decides() {
    // Chats of a hundred events each: a made-up one may have as many as the one by which modules are tried.
    let (corpus, consign, inbox) = (even_chats(seed("workspace"), 2_000), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    let gives_up = guests::push(&consign, &gives_up());
    let traps = guests::push(&consign, &fails_later("test/made", "1.0.1", guests::TRAPS));
    let policy = |module: &str| consign.policy(&inbox.target(), &format!("[[policy.criteria]]\nmodule = {module:?}"));
    policy(&gives_up);
    let first = consign.run(&["run", "all", "--json"]).ended(3).json();
    let events = &first["events"];
    assert_eq!((&events["held"], &events["exported"], &events["omitted"]), (&events["examined"], &json!(0), &json!(0)), "{first}");
    assert_eq!((&first["emails"]["composed"], inbox.count()), (&json!(0), 0));

    // The person who asks is told what it said; what is kept in clear is not.
    let held = consign.run(&["held"]).succeeded();
    assert!(held.stdout.contains("gave up") && held.stdout.contains("consign logs all-000001") && !held.stdout.contains(SAID), "{}", held.stdout);
    let logs = consign.json(&["logs", "all-000001"]);
    assert_eq!(logs.as_array().map(Vec::len), first["chats"]["held"].as_u64().and_then(|count| count.try_into().ok()));
    let said = |line: &Value| (line["level"].as_str().unwrap().to_owned(), line["text"].as_str().unwrap().to_owned());
    let expected = [("info".to_owned(), "sell".to_owned()), ("failed".to_owned(), SAID.to_owned())];
    assert_eq!(logs[0]["said"].as_array().unwrap().iter().map(said).collect::<Vec<_>>(), expected);
    assert!(!holds(&consign.data(), SAID));

    // Another run does not try it again by itself, and what is asked for under the same module fails the same way.
    assert_eq!(consign.run(&["run", "all", "--json"]).ended(0).json()["supplements"]["windows"], 0);
    consign.run(&["held", "retry"]).ended(3);
    policy(&traps);
    let trapped = consign.run(&["held", "retry", "--current", "--json"]).ended(3).json();
    assert_eq!(trapped[0]["supplements"]["done"], 0, "{trapped}");
    assert!(consign.json(&["held"])[0]["text"].as_str().unwrap().contains("evaluate"));
    assert_eq!(inbox.count(), 0);

    // Mended: everything goes out, each once.
    consign.policy(&inbox.target(), "");
    let mended = consign.json(&["held", "retry", "--current"])[0].clone();
    let mut whole = mended["supplements"].clone();
    whole["events"]["examined"] = events["examined"].clone();
    say(format_args!("held, then {}", check("everything", &inbox.maildir(), &corpus, &whole, &[])));
    assert_eq!(consign.json(&["held"]), json!([]));
}
