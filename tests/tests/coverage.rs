//! Chats of which there are only some users' copies, in any order and with copies missing: what they have together is exported once, what comes later is
//! exported then, and `coverage` names every gap. What these are is Python's to say, which tries every instant of every chat.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Inbox, python, say, seed};

#[test]
fn what_some_users_have_of_a_chat_is_exported_once_and_every_gap_is_named() {
    let (consign, inbox, seed) = (Consign::new(), Inbox::start(), seed("coverage"));
    let folder = consign.beside("dumps");
    let place = folder.display().to_string();
    let cases = if std::env::var_os("CONSIGN_FULL").is_some() { 22_000 } else { 2_200 };
    python("coverage.py", ["make", &place, &seed.to_string(), &cases.to_string()]);
    consign.apply(&inbox.target().toml_with(&[("all", "")]));
    let mail = inbox.maildir().display().to_string();
    for stage in 0..2 {
        for file in std::fs::read_dir(folder.join(stage.to_string())).unwrap() {
            consign.import("jsonl", &file.unwrap().path(), "s");
        }
        consign.run(&["run", "all"]).succeeded();
        let told = consign.run(&["--json", "coverage", "s"]).ended(3).json();
        let file = consign.write("coverage.json", told.to_string());
        let said = ["--mail", &mail, "--policy", "all", "--coverage", &file.display().to_string(), "--stage", &stage.to_string()];
        let figures = python("coverage.py", [&["check", &place][..], &said].concat());
        say(format_args!("stage {stage}: {figures}"));
        for what in ["nobody", "copies", "never", "differs", "without a gap"] {
            assert!(figures[what].as_u64() > Some(0), "nothing of the kind '{what}': {figures}");
        }
    }
}
