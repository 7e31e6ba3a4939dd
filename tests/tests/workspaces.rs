//! Random workspaces that arrive bit by bit, in any order and partly twice, exported in random windows by chats, by recorded users and by participants: each
//! gets exactly what a naive model in Python says. `CONSIGN_CASES` says how many (200; 10,000 by `CONSIGN_FULL=1`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Inbox, python, say, seed};

const POLICIES: [(&str, &str); 3] = [("chats", ""), ("users", "based-on = \"users\"\n"), ("participants", "based-on = \"participants\"\n")];

/// Workspaces in one archive: more of them only make the next run's store larger.
const AT_ONCE: u64 = 1_000;

#[test]
fn each_mode_exports_what_the_model_says() {
    let full = std::env::var_os("CONSIGN_FULL").is_some();
    let cases = std::env::var("CONSIGN_CASES").ok().and_then(|text| text.parse().ok());
    let (cases, first) = (cases.unwrap_or(if full { 10_000 } else { 200 }), seed("workspaces"));
    for (number, begun) in (0..cases).step_by(usize::try_from(AT_ONCE).unwrap()).enumerate() {
        some(first + number as u64, AT_ONCE.min(cases - begun));
    }
}

fn some(seed: u64, cases: u64) {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let folder = consign.beside("stages");
    let place = folder.display().to_string();
    python("workspaces.py", ["make", &place, &seed.to_string(), &cases.to_string()]);
    consign.apply(&inbox.target().toml_with(&POLICIES));
    let plan: Vec<Vec<String>> = serde_json::from_slice(&std::fs::read(folder.join("plan.json")).unwrap()).unwrap();
    for (stage, policies) in plan.iter().enumerate() {
        consign.import("jsonl", &folder.join(format!("{stage}.jsonl")), "s");
        for policy in policies {
            consign.run(&["run", policy]).succeeded();
        }
    }
    let figures = python("workspaces.py", ["check", &place, "--mail", &inbox.maildir().display().to_string()]);
    say(format_args!("{cases} workspaces by seed {seed}: {figures}"));
    assert!(figures["users: copies"].as_u64() > Some(0) && figures["participants: copies"].as_u64() > Some(0), "{figures}");
}
