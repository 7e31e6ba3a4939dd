//! How long events are kept, and how they go: by rules, by an erasure, and not where an export owes them or a legal hold covers them. What is left of them in the archive
//! is looked at with age and pyarrow alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use consign_tests::{Consign, Inbox, Served, files_below, one_policy, python, say, secret, until, until_some};
use serde_json::{Value, json};

/// Old is what happened in 2020, and young what happens in 2100.
const OLD: &str = "2020-03-02";
const YOUNG: &str = "2100-03-02";

/// A message, with its text by its id.
fn message(chat: &str, id: &str, user: &str, day: &str) -> Value {
    let second = id.bytes().map(u32::from).sum::<u32>() % 60;
    json!({"type": "message", "chat": chat, "id": id, "at": format!("{day}T08:00:{second:02}Z"), "user": user, "text": format!("text of {id}")})
}

fn with_file(mut message: Value, name: &str) -> Value {
    message["attachments"] = json!([{"name": name, "media_type": "text/plain", "path": format!("files/{name}")}]);
    message
}

/// Everything that is said in the archive, as age and pyarrow have it.
struct Kept {
    words: BTreeSet<String>,
    users: BTreeSet<String>,
    rows: u64,
    attachments: u64,
}

struct Archive {
    consign: Consign,
    inbox: Inbox,
}

impl Archive {
    fn with(lines: &[Value]) -> Self {
        let consign = Consign::new();
        for name in ["alone.txt", "shared.txt"] {
            consign.write(&format!("in/files/{name}"), format!("what stands in {name}"));
        }
        let users =
            ["U1", "U2", "U3"].map(|id| json!({"type": "user", "id": id, "name": format!("Name of {id}"), "email": format!("{id}@desk.example")}));
        let lines = users.iter().chain(lines).fold(String::new(), |all, line| all + &line.to_string() + "\n");
        consign.write("in/chat.jsonl", lines);
        let archive = Self { consign, inbox: Inbox::start() };
        let imported = archive.import();
        assert_eq!(imported["refused"], 0, "{imported}");
        archive
    }

    fn import(&self) -> Value {
        self.consign.import("jsonl", &self.consign.beside("in/chat.jsonl"), "s")
    }

    fn kept(&self) -> Kept {
        let identity = self.consign.beside("identity.txt");
        if !identity.exists() {
            self.consign.json(&["keys", "--write-identity", &identity.display().to_string()]);
        }
        let archive = self.consign.data().join("archive").display().to_string();
        let kept = python("kept.py", [identity.display().to_string(), archive]);
        let words = |of: &str| kept[of].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        Kept {
            words: words("words"),
            users: words("users"),
            rows: kept["rows"].as_u64().unwrap(),
            attachments: kept["attachments"].as_array().unwrap().len() as u64,
        }
    }

    fn retain(&self, more: &[&str]) -> (u64, u64, u64, u64) {
        let retained = self.consign.json(&[&["retention", "run"][..], more].concat());
        let figure = |name: &str| retained[name].as_u64().unwrap();
        (figure("deleted"), figure("owed"), figure("held"), figure("files"))
    }

    /// The texts of these messages, and the names of these files.
    fn words(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|id| if id.contains('.') { (*id).to_owned() } else { format!("text of {id}") }).collect()
    }

    fn audit_is_good(&self) {
        self.consign.run(&["audit", "verify"]).succeeded();
        let manifests = self.consign.data().join("manifests").display().to_string();
        self.consign.run(&["verify", &manifests]).succeeded();
    }
}

/// Three chats of little each, which share a file; the sealed policy gives each a file of its own beside it.
fn what_is_over_goes(sealed: bool) {
    let archive = Archive::with(&[
        with_file(message("C1", "a1", "U1", OLD), "alone.txt"),
        with_file(message("C1", "a2", "U2", OLD), "shared.txt"),
        json!({"type": "edit", "chat": "C1", "id": "a1", "at": "2020-03-02T09:00:00Z", "user": "U1", "text": "text of a1-edited"}),
        message("C2", "b1", "U1", OLD),
        with_file(message("C2", "b2", "U2", YOUNG), "shared.txt"),
        message("C3", "c1", "U1", OLD),
        message("C4", "d1", "U3", YOUNG),
    ]);
    let consign = &archive.consign;
    let sealed_policy = "decrypt = false\nbased-on = \"chats\"\n";
    consign.apply(&archive.inbox.target().toml_with(&[("all", ""), ("sealed", sealed_policy)][..if sealed { 2 } else { 1 }]));
    consign.json(&["retention", "set", "1 day"]);
    let all = Archive::words(&["a1", "a2", "a1-edited", "b1", "b2", "c1", "d1", "alone.txt", "shared.txt"]);
    assert_eq!(archive.retain(&[]), (0, 5, 0, 0), "the policies owe all of it");
    assert_eq!(archive.kept().words, all);
    let run = consign.json(&["run", "all"]);
    assert_eq!(run["events"]["exported"], 7);
    if sealed {
        assert_eq!(archive.retain(&[]), (0, 5, 0, 0), "the other policy owes all of it");
        consign.json(&["run", "sealed"]);
        assert_eq!(files_below(&consign.data().join("archive/default/segments"), ".age").len(), 4, "each chat has a file of its own");
    }
    let dry = archive.retain(&["--dry-run"]);
    assert_eq!((dry.0, archive.kept().words), (5, all));
    consign.json(&["hold", "place", "matter-7", "--reason", "a matter", "--source", "s", "--chat", "C3"]);
    assert_eq!(archive.retain(&[]), (4, 0, 1, 1));
    let kept = archive.kept();
    assert_eq!(kept.words, Archive::words(&["b2", "c1", "d1", "shared.txt"]));
    assert_eq!((kept.rows, kept.attachments), (7, 1), "places stay, and what somebody still has");
    assert_eq!(kept.users, ["U1", "U2", "U3"].map(str::to_owned).into());
    assert_eq!(archive.retain(&[]), (0, 0, 1, 0));

    // Accounts of what was exported stay true, and what is gone does not come back.
    let account = consign.json(&["reconcile", "all"]);
    assert_eq!((&account["total"]["exported"], &account["total"]["deleted"]), (&json!(7), &json!(4)), "{account}");
    assert!(account["gaps"].as_array().unwrap().iter().all(|gap| gap["gap"] == "silence"), "{account}");
    let told = consign.json(&["explain", "all", "a1", "--chat", "C1"]);
    assert_eq!((&told["events"][0]["fate"]["fate"], &told["events"][0]["deleted"]), (&json!("exported"), &json!(true)), "{told}");
    assert_eq!(archive.import()["stored"], json!({}));
    let replayed = consign.run(&["replay", run["run"].as_str().unwrap(), "--json"]).ended(3).json();
    assert_eq!((&replayed["differences"], replayed["not_replayed"].as_array().unwrap().len()), (&json!([]), 2), "{replayed}");
    assert!(replayed["not_replayed"][0]["reason"].as_str().unwrap().contains("deleted"), "{replayed}");
    let again = [("all", ""), ("later", ""), ("sealed", sealed_policy)];
    consign.apply(&archive.inbox.target().toml_with(&again[..if sealed { 3 } else { 2 }]));
    let later = consign.json(&["run", "later"]);
    assert_eq!(
        (&later["events"]["examined"], &later["events"]["exported"], &later["events"]["omitted"]),
        (&json!(7), &json!(3), &json!(4)),
        "{later}"
    );
    let told = consign.json(&["explain", "later", "a1", "--chat", "C1"]);
    assert_eq!(told["events"][0]["fate"]["by"], json!([{"module": "policy", "rule": "deleted"}]));
    archive.audit_is_good();

    // A hold that is lifted holds nothing more.
    consign.json(&["hold", "lift", "matter-7"]);
    assert_eq!(archive.retain(&[]), (1, 0, 0, 0));
    assert_eq!(archive.kept().words, Archive::words(&["b2", "d1", "shared.txt"]));
    archive.audit_is_good();
    say(format_args!(
        "retention{}: 5 of 7 events went after both policies were done and a hold was lifted",
        if sealed { ", files set apart" } else { "" }
    ));
}

#[test]
fn what_is_over_goes_when_nobody_owes_or_holds_it() {
    what_is_over_goes(false);
}

#[test]
fn what_is_over_goes_from_all_files_that_have_it() {
    what_is_over_goes(true);
}

#[test]
fn counted_from_the_export_nothing_goes_before_it() {
    let archive = Archive::with(&[message("C1", "a1", "U1", YOUNG), message("C2", "b1", "U2", OLD)]);
    let consign = &archive.consign;
    consign.json(&["retention", "set", "0 s", "--counted-from", "export"]);
    assert_eq!(archive.retain(&[]), (0, 0, 0, 0), "no policy has come to it");
    consign.policy(&archive.inbox.target(), "");
    consign.json(&["run", "all"]);
    assert_eq!(archive.retain(&[]), (2, 0, 0, 0));
    assert_eq!(archive.kept().words, BTreeSet::new());
    // A source's own rule goes before the one for all.
    consign.json(&["retention", "set", "100 years", "--source", "s"]);
    let rules = consign.json(&["retention", "list"]);
    assert_eq!((&rules["version"], rules["rules"].as_array().unwrap().len()), (&json!(2), 2), "{rules}");
    consign.json(&["retention", "unset"]);
    consign.run(&["retention", "unset"]).refused(1, &["there is no such rule"]);
}

#[test]
fn a_file_that_cannot_be_read_keeps_no_other() {
    let archive = Archive::with(&[message("C1", "a1", "U1", OLD)]);
    let consign = &archive.consign;
    let damaged = consign.alone("other", 3);
    consign.policy(&archive.inbox.target(), "");
    consign.json(&["run", "all"]);
    consign.json(&["retention", "set", "0 s", "--counted-from", "export"]);
    std::fs::write(&damaged, "not what was written").unwrap();
    let retained = consign.json(&["retention", "run"]);
    assert_eq!((&retained["deleted"], &retained["unreadable"]), (&json!(1), &json!(3)), "{retained}");
    // Nor an erasure: it says that it is not all, and its certificate does.
    let erased = consign.run(&["erase", "--source", "other", "--user", "U1", "--reason", "asked for", "--json"]).ended(3).json();
    assert_eq!((&erased["certificate"]["erased"], &erased["certificate"]["unreadable"]), (&json!(0), &json!(3)), "{erased}");
    assert!(consign.run(&["audit", "list", "--last", "1"]).succeeded().stdout.contains("erased user U1"));
}

/// Beside `serve`: by the API, and by itself as soon as somebody has changed the rules.
#[test]
fn serve_lets_go_what_is_over_by_itself() {
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    let keeping = |method: &str, path: &str, body: Value, status: u16| {
        server.asked(method, &format!("/v1/tenants/acme/{path}"), admin, body.to_string(), status)
    };
    let lines: String =
        [message("C1", "a1", "U1", OLD), message("C2", "b1", "U2", YOUNG)].iter().fold(String::new(), |all, line| all + &line.to_string() + "\n");
    server.asked("POST", "/v1/tenants/acme/sources/s/events", admin, &lines, 200);
    server.asked("POST", "/v1/tenants/acme/apply", admin, one_policy(&inbox, "all"), 200);
    server.asked("POST", "/v1/tenants/acme/policies/all/runs", admin, "", 202);
    server.run_of("acme", admin, "all", 1);
    keeping("POST", "holds", json!({"name": "h", "reason": "a matter", "chat": "C1"}), 201);
    keeping("POST", "holds", json!({"name": "h", "reason": "another"}), 409);
    let set = keeping("PUT", "keeping/rules", json!({"rules": [{"keep": "1 day"}], "follows": 1}), 200);
    assert_eq!((&set["version"], &set["rules"][0]["keep"]), (&json!(2), &json!("1day")));
    keeping("PUT", "keeping/rules", json!({"rules": [], "follows": 1}), 409);
    let counted = until_some("nobody else to be at it", || {
        let answer = server.ask("POST", "/v1/tenants/acme/keeping/run", admin, br#"{"dry_run": true}"#);
        (answer.status == 200).then_some(answer.body)
    });
    assert_eq!((&counted["deleted"], &counted["held"]), (&json!(0), &json!(1)), "{counted}");
    server.asked("DELETE", "/v1/tenants/acme/holds/h", admin, "", 204);
    until("what is over to be gone", || {
        let told = server.asked("GET", "/v1/tenants/acme/explain?policy=all&event=a1", admin, "", 200);
        told["events"][0]["deleted"] == true
    });
    // While something is being deleted it is refused: 409.
    let erase = |user: &str| {
        let asked = json!({"source": "s", "user": user, "reason": "asked"}).to_string();
        until_some("nobody else to be at it", || {
            Some(server.ask("POST", "/v1/tenants/acme/erasures", admin, asked.as_bytes())).filter(|one| one.status != 409)
        })
    };
    assert_eq!(erase("U9").status, 404);
    let erased = erase("U2");
    assert_eq!((erased.status, &erased.body["erased"]), (200, &json!(1)), "{}", erased.body);
    server.stop();
}

#[test]
fn an_erasure_leaves_nothing_of_a_user_but_a_certificate() {
    let edit = |id: &str, of: &str, user: &str| json!({"type": "edit", "chat": "C1", "id": of, "at": format!("2020-03-02T09:00:0{id}Z"), "user": user, "text": format!("text of {of}-{id}")});
    let archive = Archive::with(&[
        with_file(message("C1", "a1", "U1", OLD), "alone.txt"),
        message("C1", "a2", "U2", OLD),
        edit("1", "a1", "U1"),
        edit("2", "a1", "U3"),
        edit("3", "a2", "U3"),
        json!({"type": "reaction", "chat": "C1", "id": "a2", "at": "2020-03-02T09:00:04Z", "user": "U1", "name": "thumbsup"}),
        with_file(message("C2", "b1", "U1", YOUNG), "shared.txt"),
        with_file(message("C2", "b2", "U2", YOUNG), "shared.txt"),
        message("C3", "c1", "U2", OLD),
    ]);
    let consign = &archive.consign;
    consign.policy(&archive.inbox.target(), "");
    let erase = |user: &str, more: &[&str]| {
        consign.run(&[&["erase", "--source", "s", "--user", user, "--reason", "asked on 2026-11-27", "--json"][..], more].concat())
    };
    let figures = |told: &Value| ["chats", "erased", "owed", "held", "files"].map(|name| told["certificate"][name].as_u64().unwrap());
    let first = erase("U1", &[]).ended(3).json();
    assert_eq!(figures(&first), [2, 0, 5, 0, 0], "the policy owes it: {first}");
    consign.json(&["run", "all"]);
    assert_eq!(figures(&erase("U1", &["--dry-run"]).succeeded().json()), [2, 5, 0, 0, 0]);
    consign.json(&["hold", "place", "h", "--reason", "a matter", "--user", "U1", "--from", "2100-01-01"]);
    let second = erase("U1", &[]).ended(3).json();
    assert_eq!(figures(&second), [2, 4, 0, 1, 1], "{second}");
    let kept = archive.kept();
    assert_eq!(kept.words, Archive::words(&["a2", "a2-3", "b1", "b2", "c1", "shared.txt"]));
    consign.json(&["hold", "lift", "h"]);
    let third = erase("U1", &[]).succeeded().json();
    assert_eq!(figures(&third), [2, 1, 0, 0, 0]);
    let kept = archive.kept();
    assert_eq!(kept.words, Archive::words(&["a2", "a2-3", "b2", "c1", "shared.txt"]));
    assert_eq!(kept.users, ["U2", "U3"].map(str::to_owned).into());
    assert_eq!((kept.rows, kept.attachments), (9, 1));
    let log = consign.json(&["audit", "list"]);
    let certificates: Vec<&Value> = log.as_array().unwrap().iter().map(|entry| &entry["deed"]).filter(|deed| deed["what"] == "erased").collect();
    assert_eq!(certificates.iter().map(|deed| &deed["certificate"]["erased"]).collect::<Vec<_>>(), [0, 4, 1]);
    archive.audit_is_good();
    erase("U9", &[]).refused(1, &["no user of source 's' has this id"]);
    consign.run(&["erase", "--source", "t", "--user", "U1", "--reason", "x"]).refused(1, &["there is no source 't'"]);
    consign.run(&["erase", "--source", "s", "--user", "U1", "--reason", " "]).refused(1, &["say why"]);
    consign.run(&["hold", "place", "h", "--reason", " "]).refused(1, &["needs a reason"]);
    for args in [&["hold", "place", "h", "--reason", "x", "--source", "t"][..], &["retention", "set", "1 day", "--source", "t"]] {
        consign.run(args).refused(1, &["there is no source 't'"]);
    }
}
