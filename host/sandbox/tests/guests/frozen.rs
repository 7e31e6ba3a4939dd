//! Modules as they were built against each published contract, and the verdicts that they gave then. What is written here is never changed to fit:
//! a module that a policy bound years ago has to give the same verdicts today.

use consign_model::{Digest, Event, Timestamp};
use consign_sandbox::{Decision, Limits, Module};
use serde_json::json;

use crate::support::*;

/// The fixtures of 0.1.0 with the SHA-256 of each. No line is ever edited.
const V0_1_0: [(&str, &str); 6] = [
    ("chats", "9b7abd40552e9ce548e5c1fb4bc28a008312cde030dba22d59afbf9009fc4fda"),
    ("keywords", "19da38c81fba2f18464f10432e581bae7e3f5490f19e03bf96a20dea46ad43c6"),
    ("participants", "59ed7daa352565ece83477a06bd933e96c78d1d2f101746e190470a0b857c97c"),
    ("per-chat", "337aba3f695afa960c034ad8ebc47e825250c6313a7e40f203994b5f2c98439f"),
    ("per-user", "8ae1104a8ff93245507e367a9297f038038c0e557af23da46a83a43bb17e9ef0"),
    ("period", "dd440718cd39ac1c4e540d5b5546c7685a9e9b8a16a58b6a3549e8000d4bfbf5"),
];

fn bytes(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/0.1.0/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn frozen(name: &str) -> Module {
    sandbox(Limits::default()).load(&bytes(name)).unwrap()
}

/// Four messages on a Monday in Berlin, over two days and an hour.
fn events() -> Vec<Event> {
    let texts = ["the LIBOR fixing", "prefix", "lunch, and a fix", "good night"];
    let times = ["2026-01-05T07:00:00Z", "2026-01-05T07:10:00Z", "2026-01-05T18:00:00Z", "2026-01-06T23:30:00Z"];
    let people = ["ann", "bob", "ann", "bob"];
    let rows = texts.iter().zip(times).zip(people);
    rows.map(|((text, time), from)| message(text, Timestamp::parse(time).unwrap().0, from, text)).collect()
}

#[test]
fn fixtures_are_as_they_were() {
    for (name, digest) in V0_1_0 {
        assert_eq!(Digest::of(&bytes(name)).hex(), digest, "{name} was changed after it was published");
    }
}

#[test]
fn criteria_of_0_1_0() {
    let chat = chat();
    let view = view(&chat, &events());
    for (name, config, expected) in [
        (
            "keywords",
            json!({"any": ["libor", "fix"], "none": ["lunch"], "ignore-case": true, "whole-words": true}),
            ["keep", "no-keyword", "excluded-keyword", "no-keyword"],
        ),
        ("keywords", json!({"all": ["fix", "pre"]}), ["no-keyword", "keep", "no-keyword", "no-keyword"]),
        (
            "period",
            json!({"days": ["Mon"], "hours": {"from": "08:00", "to": "18:00"}, "time-zone": "Europe/Berlin"}),
            ["keep", "keep", "outside-hours", "outside-days"],
        ),
        ("period", json!({"from": "2026-01-05T08:05:00+01:00", "to": "2026-01-06"}), ["before-period", "keep", "keep", "after-period"]),
    ] {
        let module = frozen(name);
        let found = verdicts(&bind(&module, &config), &chat, &view).unwrap();
        assert_eq!(codes(&module, &found), expected, "{name} {config}");
    }
    let by_sender = frozen("participants");
    let found = verdicts(&bind(&by_sender, &json!({"who": {"ids": ["bob"]}, "by": "sender"})), &chat, &view).unwrap();
    assert_eq!(found.iter().map(|verdict| *verdict == 0).collect::<Vec<_>>(), [false, true, false, true]);
    for (name, config, expected) in [
        ("chats", json!({"title": {"glob": ["rates-*"]}, "kinds": ["channel"]}), true),
        ("chats", json!({"labels": {"team": "rates"}}), false),
        ("participants", json!({"who": {"addresses": ["ann@desk.example"]}}), true),
        ("participants", json!({"who": {"ids": ["dan"]}}), false),
    ] {
        let decision = decide(&bind(&frozen(name), &config), &chat);
        assert_eq!((decision == Decision::KeepAll, matches!(decision, Decision::OmitAll(_))), (expected, !expected), "{name} {config}: {decision:?}");
    }
}

/// The rows of each group, in the order of the groups.
fn groups(name: &str, config: &serde_json::Value, chat: &std::sync::Arc<consign_sandbox::ChatContext>) -> Vec<(String, Vec<u32>)> {
    let batch = view(chat, &events());
    let (placements, groups) = place(&bind(&frozen(name), config), chat, &[batch]).unwrap();
    let rows = |number: usize| {
        let of_it = placements[0].assigned.iter().filter(|one| one.group as usize == number);
        let mut rows: Vec<u32> = of_it.flat_map(|one| one.first..=one.last).collect();
        rows.sort_unstable();
        rows
    };
    groups.iter().enumerate().map(|(number, group)| (group.key.clone(), rows(number))).collect()
}

#[test]
fn groupings_of_0_1_0() {
    let chat = chat_of(vec![
        participant(user("ann"), &[stay(None, None)]),
        participant(user("bob"), &[stay(None, Some(Timestamp::parse("2026-01-05T12:00:00Z").unwrap().0))]),
    ])
    .context();
    let keys = |found: &[(String, Vec<u32>)]| found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let rows = |found: Vec<(String, Vec<u32>)>| found.into_iter().map(|(_, rows)| rows).collect::<Vec<_>>();
    let found = groups("per-chat", &json!({"split": "day", "time-zone": "Europe/Berlin"}), &chat);
    assert_eq!((keys(&found), rows(found)), (KEYS_BY_DAY.map(str::to_owned).to_vec(), vec![vec![0, 1, 2], vec![3]]));
    let found = groups("per-chat", &json!({"split": "idle", "idle-minutes": 60}), &chat);
    assert_eq!(rows(found), [vec![0, 1], vec![2], vec![3]]);
    let found = groups("per-user", &json!({"users": "recorded"}), &chat);
    assert_eq!((keys(&found), rows(found)), (KEYS_BY_USER.map(str::to_owned).to_vec(), vec![vec![0, 1, 2, 3], vec![0, 1]]));
}

/// Keys stand in Message-IDs.
const KEYS_BY_DAY: [&str; 2] = ["2026-01-05", "2026-01-07"];
const KEYS_BY_USER: [&str; 2] = ["ann", "bob"];
