//! `consign demo`, twice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, made_up, python, say};
use serde_json::json;

#[test]
fn the_demo_shows_the_whole_way_and_exports_nothing_twice() {
    let consign = Consign::new();
    let first = consign.run(&["demo"]).succeeded();
    for said in ["Import it", "Run it", "signature: good", "manifest", "e-mails"] {
        assert!(first.stdout.contains(said), "the demo does not say {said:?}:\n{}", first.stdout);
    }
    assert!(first.stdout.lines().all(|line| line.chars().count() <= 160), "{}", first.stdout);
    let mail = consign.data().join("mail").display().to_string();
    let figures = python("check.py", ["headers", "--mail", &mail]);
    say(format_args!("{}\n{figures}", first.stdout));
    assert!(figures["emails"].as_u64() > Some(5), "{figures}");

    let second = consign.json(&["demo"]);
    assert_eq!((&second["emails"]["composed"], &second["events"]["examined"], &second["verified"]), (&json!(0), &json!(0), &json!(true)), "{second}");
    assert_eq!(python("check.py", ["headers", "--mail", &mail]), figures);

    let runs = consign.json(&["runs"]);
    let run = runs.as_array().unwrap().iter().find(|run| run["events"]["examined"].as_u64() > Some(0)).unwrap();
    let count = |name: &str| run["events"][name].as_u64().unwrap();
    assert_eq!(count("examined"), count("exported") + count("omitted"));
    assert!(count("omitted") > 0 && count("exported") > 100, "{run}");
    consign.run(&["verify", run["manifest"].as_str().unwrap(), "--mail", &mail]).succeeded();
}

#[test]
fn the_demo_keeps_away_from_conversations_of_your_own() {
    let (corpus, consign) = (made_up("jsonl", 51), Consign::new());
    consign.import(corpus.form, &corpus.file, "s");
    consign.run(&["demo"]).refused(1, &["data of your own", "--data"]);
    assert!(!consign.data().join("mail").exists());
    assert_eq!((consign.json(&["policies"]), consign.json(&["runs"])), (json!([]), json!([])));
    // What is no demo's has no runs of it either.
    consign.run(&["runs", "--policy", "demo"]).refused(1, &["'demo'", "consign policies"]);
}
