//! The bill of a month: the sums of its runs, and what each module used.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Inbox, event_lines, say};
use serde_json::{Value, json};

fn sum<'a>(runs: impl Iterator<Item = &'a Value>, of: &str, figure: &str) -> u64 {
    runs.map(|run| run[of][figure].as_u64().unwrap()).sum()
}

#[test]
fn a_month_is_the_sum_of_its_runs() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let criteria = "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"says 1\"] }\n";
    consign.apply(&inbox.target().toml_with(&[("some", criteria), ("all", "")]));
    let mut runs = Vec::new();
    for chat in ["one", "two"] {
        let file = consign.write("in.jsonl", event_lines(chat, 20));
        consign.import("jsonl", &file, "s");
        for policy in ["some", "all"] {
            runs.push(consign.json(&["run", policy]));
        }
    }
    let bill = consign.json(&["bill"]);
    let runs = || runs.iter();
    assert_eq!((&bill["runs"], &bill["tenant"]), (&json!(4), &json!("default")), "{bill}");
    for (figure, is) in [
        ("examined", sum(runs(), "events", "examined")),
        ("exported", sum(runs(), "events", "exported")),
        ("emails", sum(runs(), "emails", "accepted")),
        ("bytes_sent", sum(runs(), "emails", "bytes")),
    ] {
        assert_eq!(bill[figure], json!(is), "{figure}: {bill}");
    }
    let modules = bill["modules"].as_object().unwrap();
    let cost = |name: &str| modules.iter().find(|(module, _)| module.starts_with(name)).map(|(_, cost)| cost).unwrap();
    let keywords = cost("std/keywords@");
    assert_eq!(keywords["events"], 40, "{bill}");
    let grouped = sum(runs(), "events", "exported");
    assert_eq!(cost("std/per-chat@")["events"], json!(grouped), "{bill}");
    assert!(modules.values().all(|cost| cost["micros"].as_u64() > Some(0)), "{bill}");

    let csv = consign.run(&["bill", "--csv"]).succeeded().stdout;
    let read = std::process::Command::new("python3")
        .args(["-c", "import csv,json,sys; print(json.dumps(list(csv.DictReader(sys.argv[1].splitlines()))))", &csv])
        .output()
        .unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&read.stdout).unwrap();
    let amount = |item: &str| rows.iter().find(|row| row["item"] == item).unwrap()["amount"].as_str().unwrap().to_owned();
    assert_eq!(amount("exported"), grouped.to_string());
    assert_eq!(rows.iter().filter(|row| row["item"] == "processor").count(), modules.len());
    let micros: u64 = modules.values().map(|cost| cost["micros"].as_u64().unwrap()).sum();
    let seconds: f64 = rows.iter().filter(|row| row["item"] == "processor").map(|row| row["amount"].as_str().unwrap().parse::<f64>().unwrap()).sum();
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let expected = micros as f64 / 1e6;
    assert!((seconds - expected).abs() < 1e-6, "{csv}");
    let other = consign.json(&["bill", "--month", "2020-02"]);
    assert_eq!((&other["runs"], &other["modules"]), (&json!(0), &json!({})));
    consign.run(&["bill", "--month", "2020-13"]).refused(2, &["write a month as"]);
    say(format_args!("the bill: {}", bill["modules"]));
}
