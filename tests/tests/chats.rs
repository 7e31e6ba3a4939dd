//! Chats as people have them: for days, under several titles, with threads that go on, people who come, go and are renamed, programs and guests; and a room of
//! ten thousand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Consign, Inbox, Target, python, say};

fn policies(target: &Target) -> String {
    let policy = |name: &str| format!("[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\nbased-on = \"{name}\"\n\n");
    format!("{}\n{}{}", target.toml(), policy("chats"), policy("users"))
}

#[test]
fn days_of_a_chat_follow_each_other() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let folder = consign.beside("days");
    python("chats.py", ["story", &folder.display().to_string()]);
    for day in 0..3 {
        consign.import("jsonl", &folder.join(format!("{day}.jsonl")), "s");
        if day == 0 {
            consign.apply(&policies(&inbox.target()));
        }
        for policy in ["chats", "users"] {
            consign.json(&["run", policy]);
        }
    }
    say(format_args!("days of a chat: {}", python("chats.py", ["told", "--mail", &inbox.maildir().display().to_string()])));
}

#[test]
fn a_room_of_ten_thousand() {
    let (consign, inbox, people, recorded) = (Consign::new(), Inbox::start(), "10000", "20");
    let file = consign.beside("room.jsonl");
    python("chats.py", ["room", &file.display().to_string(), people, recorded]);
    consign.import("jsonl", &file, "s");
    consign.apply(&policies(&inbox.target()));
    for policy in ["chats", "users"] {
        let ran = consign.json(&["run", policy]);
        say(format_args!("a room of {people}, policy {policy}: {} s", ran["seconds"].as_f64().unwrap()));
        assert_eq!(ran["events"]["held"], 0);
    }
    let mail = inbox.maildir().display().to_string();
    say(format_args!("a room of {people}: {}", python("chats.py", ["crowd", "--mail", &mail, "--people", people, "--recorded", recorded])));
}
