//! Copies that users turn out to be owed: who was in a chat, who is recorded, and when, becomes known bit by bit after its events went out. Everybody gets each
//! event of a time when they were there, once; until then `reconcile` says what is owed, to whom. Who that is, is Python's to say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use consign_tests::{Consign, Inbox, Target, python, say, seed};
use serde_json::{Value, json};

const POLICIES: [(&str, &str); 2] = [("users", "recorded"), ("participants", "participants")];

fn policies(target: &Target) -> String {
    let policy = |(name, _): &(&str, &str)| format!("[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\nbased-on = \"{name}\"\n\n");
    format!("{}\n{}", target.toml(), POLICIES.iter().map(policy).collect::<String>())
}

/// What `reconcile` says of each event, and the sum of what is owed.
fn account(consign: &Consign, policy: &str, file: &Path) -> Value {
    let ran = consign.run(&["--json", "reconcile", policy, "--events", &file.display().to_string()]);
    ran.json()["total"]["owed"].clone()
}

#[test]
fn everybody_gets_what_they_turn_out_to_be_owed_and_once() {
    let (consign, inbox, seed) = (Consign::new(), Inbox::start(), seed("owed"));
    let folder = consign.beside("stages");
    let place = folder.display().to_string();
    python("owed.py", ["make", &place, &seed.to_string()]);
    let (mut runs, mut owed_then) = (Vec::new(), 0);
    for stage in 0..4 {
        // At one stage nobody listens on the target's port, so what is owed of its windows can be known only once they have gone out.
        let nobody = stage == 1;
        consign.apply(&policies(&if nobody { Target::plain(9) } else { inbox.target() }));
        consign.import("jsonl", &folder.join(format!("{stage}.jsonl")), "s");
        let map = consign.json(&["identity", "apply", &folder.join(format!("{stage}.csv")).display().to_string(), "--source", "s"]);
        assert_eq!((&map["matched"], &map["map"]["version"], map["unmatched"].as_array().unwrap().len()), (&json!(3), &json!(stage + 1), 3), "{map}");
        for (policy, who) in POLICIES {
            let file = consign.beside("account.jsonl");
            if stage == 1 || stage == 3 {
                let owed = account(&consign, policy, &file);
                let said = ["--stage", &stage.to_string(), "--who", who, "--account", &file.display().to_string()];
                let figures = python("owed.py", [&["owed", &place][..], &said].concat());
                say(format_args!("policy {policy}, stage {stage}: owed are {figures}"));
                assert_eq!(owed, figures["events"]);
                owed_then += figures["copies"].as_u64().unwrap();
            }
            let ran = consign.run(&["--json", "run", policy]).ended(if nobody { 3 } else { 0 }).json();
            let events = &ran["events"];
            let sum: u64 = ["exported", "omitted", "held"].iter().map(|what| events[*what].as_u64().unwrap()).sum();
            assert_eq!(events["examined"], sum, "what is owed is not examined again: {ran}");
            runs.push(ran);
            if !nobody {
                assert_eq!(account(&consign, policy, &file), 0);
            }
        }
    }
    assert!(owed_then > 0, "nothing was owed before a run");
    let mail = inbox.maildir().display().to_string();
    for (policy, who) in POLICIES {
        let figures = python("owed.py", ["check", &place, "--mail", &mail, "--policy", policy, "--who", who]);
        say(format_args!("policy {policy}: {figures}"));
        assert!(figures["later"].as_u64() > Some(0), "{figures}");
        // Nothing more is owed, and nothing more goes out.
        assert_eq!(consign.json(&["run", policy])["emails"]["composed"], 0);
        consign.run(&["verify", &consign.data().join("manifests/default").join(policy).display().to_string(), "--mail", &mail]).succeeded();
    }
    for ran in &runs {
        let again = consign.json(&["replay", ran["run"].as_str().unwrap()]);
        assert_eq!((&again["differences"], &again["not_replayed"]), (&json!([]), &json!([])), "{again}");
    }
}

/// A window that is evaluated anew knows of today's people: what those before it owe must not be forgotten for that.
#[test]
fn what_is_owed_of_earlier_windows_outlives_a_later_one_evaluated_anew() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let line = |message: &str, second: u32| {
        format!(
            "{{\"type\":\"message\",\"chat\":\"C\",\"id\":\"{message}\",\"at\":\"2026-01-05T08:00:{second:02}.000Z\",\"user\":\"ann\",\"text\":\"{message}\"}}\n"
        )
    };
    let lists =
        "{\"type\":\"user\",\"id\":\"bob\",\"recorded\":false}\n{\"type\":\"chat\",\"id\":\"C\",\"kind\":\"group\",\"members\":[\"ann\",\"bob\"]}\n";
    let import = |name: &str, text: String| consign.import("jsonl", &consign.write(name, text), "s");
    consign.apply(&policies(&inbox.target()));
    import("1.jsonl", format!("{lists}{}", line("m1", 1)));
    consign.run(&["run", "users"]).succeeded();
    consign.apply(&policies(&Target::plain(9)));
    import("2.jsonl", line("m2", 2));
    consign.run(&["run", "users"]).ended(3);
    assert_eq!(inbox.count(), 1, "Ann's first copy");
    let map = consign.write("people.csv", "source,id,recorded\ns,bob,yes\n");
    consign.run(&["identity", "apply", &map.display().to_string()]).succeeded();
    consign.apply(&policies(&inbox.target()));
    consign.run(&["held", "retry", "--current"]).succeeded();
    consign.run(&["run", "users"]).succeeded();
    assert_eq!(inbox.count(), 4, "Ann's and Bob's copies of both windows");
    assert_eq!(consign.json(&["reconcile", "users"])["total"]["owed"], 0);
    assert_eq!(consign.json(&["run", "users"])["emails"]["composed"], 0);
}
