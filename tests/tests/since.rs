//! `since` of a policy: where its first windows begin, what changing it does before its first run, and what `apply` says when that comes too late.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use consign_tests::{Consign, Inbox, python};
use serde_json::{Value, json};

/// A policy `all`, and messages that arrive one import at a time: those of import `a` are `a-desk` in the chat `desk` and so on.
struct House {
    consign: Consign,
    inbox: Inbox,
}

impl House {
    fn new() -> Self {
        Self { consign: Consign::new(), inbox: Inbox::start() }
    }

    /// One message in each of these chats arrives. It was written at noon of that day of January.
    fn arrives(&self, import: &str, day: u8, chats: &[&str]) {
        let line = |chat: &&str| {
            let (id, at) = (format!("{import}-{chat}"), format!("2026-01-{day:02}T12:00:00Z"));
            json!({"type": "message", "chat": chat, "id": id, "at": at, "user": "U1", "text": format!("what {id} says")}).to_string()
        };
        let file = self.consign.write(&format!("{import}.jsonl"), chats.iter().map(line).collect::<Vec<_>>().join("\n"));
        let imported = self.consign.import("jsonl", &file, "s");
        assert_eq!(imported["stored"]["message"], chats.len(), "{imported}");
    }

    /// Puts the policy into force. What the answer says of it: whether there is a warning.
    fn applies(&self, lines: &str) -> Option<String> {
        let changes = self.consign.policy(&self.inbox.target(), lines);
        let policy = changes.as_array().unwrap().iter().find(|change| change["kind"] == "policy").unwrap();
        let warnings: Vec<_> = policy["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(warnings.len() <= 1, "{policy}");
        warnings.first().map(|warning| (*warning).to_owned())
    }

    /// Runs the policy. So many events it left out, and this is what has been exported by now, each message once.
    fn runs(&self, omitted: u64) -> BTreeSet<String> {
        let run = self.consign.json(&["run", "all"]);
        assert_eq!((&run["events"]["omitted"], &run["events"]["held"]), (&json!(omitted), &json!(0)), "{run}");
        let listed = python("promises.py", ["ids", "--mail", &self.inbox.maildir().display().to_string()]);
        let ids: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        let once: BTreeSet<_> = ids.iter().cloned().collect();
        assert_eq!(once.len(), ids.len(), "something was exported twice: {ids:?}");
        once
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn it_stays_where_the_first_version_began_while_it_is_not_changed() {
    let house = House::new();
    house.arrives("a", 1, &["desk", "quiet"]);
    assert_eq!(house.applies("since = \"now\""), None);
    house.arrives("b", 2, &["desk", "new"]);
    // Another version, by its criteria: what has arrived meanwhile is not lost to it.
    assert_eq!(house.applies("since = \"now\"\nattachments = false"), None);
    assert_eq!(house.runs(0), set(&["b-desk", "b-new"]));
    house.arrives("c", 3, &["quiet"]);
    assert_eq!(house.applies("since = \"now\""), None);
    assert_eq!(house.runs(0), set(&["b-desk", "b-new", "c-quiet"]));
}

#[test]
fn until_the_first_run_it_can_be_changed() {
    let house = House::new();
    house.arrives("a", 1, &["desk", "quiet"]);
    assert_eq!(house.applies("since = \"now\""), None);
    house.arrives("b", 2, &["desk"]);
    assert_eq!(house.applies("since = \"all\""), None);
    assert_eq!(house.runs(0), set(&["a-desk", "a-quiet", "b-desk"]));

    let house = House::new();
    house.arrives("a", 1, &["desk", "quiet"]);
    assert_eq!(house.applies("since = \"all\""), None);
    house.arrives("b", 2, &["desk"]);
    assert_eq!(house.applies("since = \"now\""), None);
    house.arrives("c", 3, &["quiet"]);
    assert_eq!(house.runs(0), set(&["c-quiet"]));
}

#[test]
fn after_a_run_it_moves_nothing_and_apply_says_so() {
    let house = House::new();
    house.arrives("a", 1, &["desk", "quiet"]);
    house.applies("since = \"now\"");
    house.arrives("b", 2, &["desk"]);
    assert_eq!(house.runs(0), set(&["b-desk"]));
    let warning = house.applies("since = \"all\"").unwrap();
    assert!(warning.contains("this policy has run") && warning.contains("stays out") && warning.contains("another name"), "{warning}");
    assert_eq!(house.applies("since = \"all\""), None, "said once: nothing is changed");
    // Also of a chat that has had no window: its past does not come along with the next message.
    house.arrives("c", 3, &["quiet"]);
    assert_eq!(house.runs(0), set(&["b-desk", "c-quiet"]));

    let house = House::new();
    house.arrives("a", 1, &["desk"]);
    house.applies("since = \"all\"");
    assert_eq!(house.runs(0), set(&["a-desk"]));
    house.arrives("b", 2, &["desk", "new"]);
    let warning = house.applies("since = \"now\"").unwrap();
    assert!(warning.contains("exported all the same"), "{warning}");
    assert_eq!(house.runs(0), set(&["a-desk", "b-desk", "b-new"]), "what came before the change is in no gap");
}

#[test]
fn a_date_holds_from_the_next_run_on() {
    let house = House::new();
    house.arrives("a", 10, &["desk", "quiet"]);
    house.applies("since = \"2026-01-09\"");
    assert_eq!(house.applies("since = \"2026-01-11\""), None);
    assert_eq!(house.runs(2), set(&[]));
    let warning = house.applies("since = \"2026-01-08\"").unwrap();
    assert!(warning.contains("left out stays so"), "{warning}");
    house.arrives("b", 7, &["quiet"]);
    house.arrives("c", 9, &["quiet"]);
    assert_eq!(house.runs(1), set(&["c-quiet"]));
    let warning = house.applies("since = \"all\"").unwrap();
    assert!(warning.contains("What earlier runs left out stays out"), "{warning}");
    house.arrives("d", 1, &["desk"]);
    assert_eq!(house.runs(0), set(&["c-quiet", "d-desk"]));
}
