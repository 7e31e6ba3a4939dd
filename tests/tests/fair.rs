//! Tenants share a process, and none of them is in the others' way: one with thousands of chats, each heavy to evaluate, slows another's run by a quarter at most.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::fmt::Write as _;

use consign_model::Timestamp;
use consign_tests::{Inbox, Served as Server, event_lines, say, secret, until};
use guests::heavy;
use serde_json::{Value, json};

/// Runs that are timed, without the other tenant and beside it.
const RUNS: usize = 5;

fn chats(chats: usize, each: usize) -> String {
    (0..chats).map(|chat| event_lines(&format!("chat-{chat}"), each)).collect()
}

fn millis(run: &Value) -> i64 {
    let at = |field: &str| Timestamp::parse(run[field].as_str().unwrap()).unwrap().0;
    at("finished_at") - at("started_at")
}

fn median(mut of: Vec<i64>) -> i64 {
    of.sort_unstable();
    of[of.len() / 2]
}

#[test]
fn a_busy_tenant_slows_another_by_a_quarter_at_most() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let (big, small) = (server.tenant("big"), server.tenant("small"));
    let (big, small) = (secret(&big, "tenant-administrator"), secret(&small, "tenant-administrator"));
    let many = if std::env::var_os("CONSIGN_FULL").is_some() { 10_000 } else { 2_000 };
    server.asked("POST", "/v1/tenants/big/sources/chat/events", big, chats(many, 2), 200);
    server.asked("POST", "/v1/tenants/small/sources/chat/events", small, chats(1_500, 20), 200);
    server.asked("POST", "/v1/tenants/big/modules", big, heavy("big/heavy"), 201);
    let criterion = "[[policy.criteria]]\nmodule = \"big/heavy\"\nneeds = []\n";
    server.asked(
        "POST",
        "/v1/tenants/big/apply",
        big,
        inbox.target().toml_with(&[("heavy", criterion), ("heavy-too", criterion), ("heavy-three", criterion)]),
        200,
    );
    let names: Vec<String> = (0..=2 * RUNS).map(|number| format!("p{number}")).collect();
    let mut policies = inbox.target().toml();
    for name in &names {
        write!(
            policies,
            "[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\n[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = {{ any = [\"says 1\"] }}\n"
        )
        .unwrap();
    }
    server.asked("POST", "/v1/tenants/small/apply", small, policies, 200);
    let run = |name: &str| {
        server.asked("POST", &format!("/v1/tenants/small/policies/{name}/runs"), small, "", 202);
        let run = server.run_of("small", small, name, 1);
        assert_eq!((&run["events"]["examined"], &run["events"]["held"]), (&json!(30_000), &json!(0)), "{run}");
        millis(&run)
    };
    // The first one compiles, and fills what is filled once.
    run(&names[0]);
    let alone: Vec<i64> = names[1..=RUNS].iter().map(|name| run(name)).collect();

    for name in ["heavy", "heavy-too", "heavy-three"] {
        server.asked("POST", &format!("/v1/tenants/big/policies/{name}/runs"), big, "", 202);
    }
    let under_way = || {
        let runs = server.asked("GET", "/v1/tenants/big/runs", big, "", 200);
        runs["items"].as_array().unwrap().iter().filter(|run| run["finished_at"].is_null()).count()
    };
    until("the other tenant's runs to be under way", || under_way() == 3);
    let beside: Vec<i64> = names[RUNS + 1..].iter().map(|name| run(name)).collect();
    assert_eq!(under_way(), 3, "the other tenant was done too soon: this says nothing");
    let (without, with) = (median(alone.clone()), median(beside.clone()));
    say(format_args!(
        "a run of 1,500 chats alone: {without} ms of {alone:?}; beside a tenant with {many} heavy chats in three runs: {with} ms of {beside:?}"
    ));
    assert!(with * 4 <= without * 5, "{with} ms beside another, {without} ms alone");
    server.stop();
}
