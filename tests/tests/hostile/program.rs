//! Some of the guests against the program, as a tenant brings them: checked offline, pushed, bound by a policy, run over a chat. At each step it is refused
//! with what has to be said, or held; and what others read holds nothing of what was said in the chat, or of what the guest would have written.

use std::sync::PoisonError;

use consign_tests::guests::{Guest, Must, guest};
use consign_tests::{Consign, Inbox, Random, holds};
use serde_json::json;

use crate::chats::SECRET;

/// Of every stage some, and none that would have to run for its ten seconds.
const GUESTS: [&str; 22] = [
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
    "schema-pattern-example",
    "good-in-the-probe",
    "placement-of-a-stranger",
];

/// What guests would write into e-mails and logs if they could.
const PAYLOAD: &str = "thief@evil.example";

fn policy(guest: &Guest, digest: &str, inbox: &Inbox) -> String {
    let module = format!("module = {digest:?}");
    let lines = if guest.is_grouping() { format!("[policy.grouping]\n{module}") } else { format!("[[policy.criteria]]\n{module}") };
    format!("{}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n{lines}\n", inbox.target().toml())
}

#[test]
fn the_program_refuses_or_holds() {
    let _alone = crate::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let inbox = Inbox::start();
    let message =
        |number| json!({"type": "message", "chat": "C1", "id": format!("m{number}"), "at": "2026-01-05T08:00:00Z", "user": "ann", "text": SECRET});
    // Who came later is a participant too: the one into whose copy a guest puts what was said before.
    let joined = json!({"type": "join", "chat": "C1", "user": "bob", "at": "2026-01-05T09:00:00Z"});
    let lines = (0..5).map(message).chain([joined]).map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
    let (mut refused, mut held, mut delivered) = (0, 0, 0);
    for name in GUESTS {
        let guest = guest(name);
        let consign = Consign::new();
        let file = consign.write("guest.wasm", guest.files(&mut Random::new(0)).remove(0)).display().to_string();
        let says: Vec<&str> = match &guest.must {
            Must::End(_, _, says) => says.iter().map(String::as_str).collect(),
            Must::Harmless(_) | Must::Answered(_) => Vec::new(),
        };
        let pushed = consign.run(&["module", "push", &file]);
        if pushed.code == Some(0) {
            consign.run(&["filter", "check", &file]).succeeded();
            let digest = pushed.stdout.lines().find_map(|line| line.strip_prefix("sha256:")).unwrap_or_else(|| panic!("{name}: {}", pushed.stdout));
            let chat = consign.write("chat.jsonl", &lines);
            consign.import("jsonl", &chat, "s");
            consign.apply(&policy(&guest, &format!("sha256:{digest}"), &inbox));
            let ran = consign.run(&["run", "all", "--json"]);
            match &guest.must {
                Must::End(..) => {
                    let ran = ran.ended(3).json();
                    assert_eq!((&ran["events"]["held"], &ran["events"]["exported"]), (&json!(6), &json!(0)), "{name}: {ran}");
                    let shown = consign.run(&["held"]).succeeded().stdout;
                    assert!(says.iter().all(|part| shown.contains(part)), "{name}: {says:?}: {shown}");
                    held += 1;
                }
                Must::Harmless(_) | Must::Answered(_) => {
                    assert_eq!(ran.succeeded().json()["events"]["exported"], json!(6), "{name}");
                    delivered += 1;
                }
            }
        } else {
            assert!(matches!(guest.must, Must::End(..)), "{name}: {}", pushed.stderr);
            pushed.refused(1, &says);
            consign.run(&["filter", "check", &file]).refused(1, &says);
            refused += 1;
        }
        for text in [SECRET, PAYLOAD] {
            assert!(!holds(&consign.data(), text), "{name}: '{text}' stands in clear in the data folder");
        }
    }
    assert_eq!((refused, held, delivered), (19, 2, 1));
    assert_eq!(inbox.count(), delivered, "what was held was sent");
}
