//! Some of the guests against the program, as a tenant would bring them: put where policies find modules, bound by a policy, run over a chat.

use std::path::Path;

use consign_model::Digest;
use consign_tests::guests::{Guest, Must, Stage, guest};
use consign_tests::{Consign, Inbox, Random};
use serde_json::json;

use crate::chats::SECRET;

/// Of every stage some, and none that would have to run for its ten seconds.
const GUESTS: [&str; 19] = [
    "core-module",
    "component-of-another-world",
    "globals-many",
    "wasi-http",
    "describe-deep",
    "describe-not-utf-8",
    "schema-without-end",
    "memory-at-start",
    "realloc-outside-memory",
    "omit-without-rule",
    "verdicts-too-few",
    "recursion",
    "memory-growth",
    "result-huge",
    "reads-texts",
    "handle-kept",
    "placement-unassigned",
    "group-key-line-end",
    "log-forged-lines",
];

/// What guests would write into e-mails and logs if they could.
const PAYLOAD: &str = "thief@evil.example";

fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.ends_with("modules") || path.ends_with("cache") {
            false
        } else if path.is_dir() {
            holds(&path, text)
        } else {
            std::fs::read(&path).unwrap().windows(text.len()).any(|some| some == text.as_bytes())
        }
    })
}

fn policy(guest: &Guest, module: &[u8], consign: &Consign, inbox: &Inbox) -> String {
    let digest = Digest::of(module).hex();
    let folder = consign.data().join("modules");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{digest}.wasm")), module).unwrap();
    let module = format!("module = \"sha256:{digest}\"");
    let lines = if guest.is_grouping() { format!("[policy.grouping]\n{module}") } else { format!("[[policy.criteria]]\n{module}") };
    format!("{}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n{lines}\n", inbox.target().toml())
}

#[test]
fn the_program_refuses_or_holds() {
    let inbox = Inbox::start();
    let messages = (0..5).map(
        |number| json!({"type": "message", "chat": "C1", "id": format!("m{number}"), "at": "2026-01-05T08:00:00Z", "user": "ann", "text": SECRET}),
    );
    let lines = messages.map(|message| format!("{message}\n")).collect::<Vec<_>>().concat();
    let mut delivered = 0;
    for name in GUESTS {
        let guest = guest(name);
        let module = guest.files(&mut Random::new(0)).remove(0);
        let consign = Consign::new();
        let file = consign.write("chat.jsonl", &lines);
        consign.import("jsonl", &file, "s");
        let toml = consign.write("policy.toml", policy(&guest, &module, &consign, &inbox));
        let apply = ["apply", &toml.display().to_string()];
        match &guest.must {
            Must::End(stage, _, says) if *stage < Stage::BeginChat => {
                let says: Vec<&str> = says.iter().map(String::as_str).collect();
                consign.run(&apply).refused(1, &says);
                // And nothing of it is in force.
                assert_eq!(consign.json(&["policies"]), json!([]), "{name}");
            }
            Must::End(_, _, says) => {
                consign.run(&apply).succeeded();
                let ran = consign.run(&["run", "all", "--json"]).ended(3).json();
                assert_eq!((&ran["events"]["held"], &ran["events"]["exported"]), (&json!(5), &json!(0)), "{name}: {ran}");
                let held = consign.run(&["held"]).succeeded().stdout;
                assert!(says.iter().all(|part| held.contains(part)), "{name}: {says:?}: {held}");
            }
            Must::Harmless(_) | Must::Answered(_) => {
                consign.run(&apply).succeeded();
                let ran = consign.run(&["run", "all", "--json"]).succeeded().json();
                assert_eq!(ran["events"]["exported"], json!(5), "{name}: {ran}");
                delivered += 1;
            }
        }
        for text in [SECRET, PAYLOAD] {
            assert!(!holds(&consign.data(), text), "{name}: '{text}' stands in clear in the data folder");
        }
    }
    assert_eq!(inbox.count(), delivered, "what was held was sent");
}
