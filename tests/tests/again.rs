//! Importing again what is partly known: what changed becomes an edit, what only looks otherwise does not, and a list's word is not taken back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::Consign;
use serde_json::{Value, json};

/// Imports a Slack workspace of one channel and one day.
fn import(consign: &Consign, users: Value, day: Value) -> Value {
    let folder = consign.beside("slack");
    let _ = std::fs::remove_dir_all(&folder);
    let channels = json!([{"id": "C1", "name": "desk", "members": ["U1"], "topic": {"value": "sell before noon"}}]);
    for (name, list) in [("users.json", users), ("channels.json", channels), ("desk/2026-01-05.json", day)] {
        consign.write(&format!("slack/{name}"), list.to_string());
    }
    consign.import("slack", &folder, "s")
}

fn ann(name: &str) -> Value {
    json!([{"id": "U1", "name": "ann", "real_name": name, "profile": {"email": "ann@desk.example"}}])
}

fn alert(text: &str) -> Value {
    json!([{"ts": "1767600000.000100", "subtype": "bot_message", "bot_id": "B1", "text": "Alert", "attachments": [{"text": text}]}])
}

#[test]
fn what_stands_in_attachments_is_compared_too_and_a_new_name_is_no_edit() {
    let consign = Consign::new();
    let edits = |name: &str, text: &str| import(&consign, ann(name), alert(text))["edits_found"].clone();
    assert_eq!(edits("Ann", "VaR above limit, says <@U1>"), 0);
    assert_eq!(edits("Ann Lee", "VaR above limit, says <@U1>"), 0);
    assert_eq!(edits("Ann Lee", "VaR fine again, says <@U1>"), 1);
    assert_eq!(edits("Ann", "VaR fine again, says <@U1>"), 0);
}

#[test]
fn an_export_without_a_user_takes_nothing_back_that_a_list_said() {
    let consign = Consign::new();
    let said = |ts: &str| json!([{"ts": ts, "user": "U1", "text": "hi", "user_profile": {"real_name": "Ann", "display_name": "Ann"}}]);
    assert_eq!(import(&consign, ann("Ann Lee"), said("1767600000.000100"))["users_changed"], 1);
    assert_eq!(import(&consign, json!([]), said("1767600001.000100"))["users_changed"], 0);
    // But somebody whom no list has named is known by the message.
    let other = json!([{"ts": "1767600002.000100", "user": "U9", "text": "hi", "user_profile": {"real_name": "Bob", "display_name": "Bob"}}]);
    assert_eq!(import(&consign, json!([]), other)["users_changed"], 1);
}

#[test]
fn what_people_write_as_a_topic_is_not_in_the_index() {
    let consign = Consign::new();
    import(&consign, ann("Ann"), alert("x"));
    let index = consign.data().join("store/index/db");
    assert!(!String::from_utf8_lossy(&std::fs::read(index).unwrap()).contains("sell before noon"));
}
