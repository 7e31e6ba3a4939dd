//! Many tenants on one node: all are due in one second, and each has its run within the next; and what that takes in memory.
//! 300 of them with five policies each; 1,000 by `CONSIGN_FULL=1`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_model::Timestamp;
use consign_tests::{Inbox, Served, say, until};
use serde_json::{Value, json};

const POLICIES: usize = 5;
/// Tenants that have something to export: the inbox takes no more connections at once than these make.
const BUSY: usize = 20;
/// What such a node may take at most, in KiB.
const MEMORY: u64 = 512 << 10;
/// How late a run may begin, in milliseconds.
const LATE: i64 = 1_000;

fn runs(server: &Served, (name, token): &(String, String)) -> Value {
    server.asked("GET", &format!("/v1/tenants/{name}/runs"), token, "", 200)["items"].take()
}

fn by_schedule(runs: &Value) -> impl Iterator<Item = &Value> {
    runs.as_array().unwrap().iter().filter(|run| run["trigger"] == "schedule")
}

#[test]
fn all_are_due_at_once() {
    let many = if std::env::var_os("CONSIGN_FULL").is_some() { 1_000 } else { 300 };
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let tenants: Vec<(String, String)> = (0..many)
        .map(|number| {
            let name = format!("t{number:04}");
            server.asked("POST", "/v1/tenants", &server.operator, json!({ "name": name }).to_string(), 201);
            let token = server.token(&name, &server.operator, "tenant-administrator")["secret"].as_str().unwrap().to_owned();
            if number >= BUSY {
                return (name, token);
            }
            let line = json!({ "type": "message", "chat": "desk", "id": "m1", "at": "2026-01-05T08:00:00.000Z", "user": "U1", "text": format!("of {name}") });
            server.asked("POST", &format!("/v1/tenants/{name}/sources/chat/events"), &token, format!("{line}\n"), 200);
            (name, token)
        })
        .collect();
    // More time than applying takes, by what the first have taken.
    let now = || Timestamp::now().0;
    let names: Vec<String> = (0..POLICIES).map(|number| format!("p{number}")).collect();
    let apply = |tenant: &(String, String), schedule: &str| {
        let lines = format!("schedule = {{ cron = \"{schedule}\", time-zone = \"UTC\" }}");
        let policies: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), lines.as_str())).collect();
        server.asked("POST", &format!("/v1/tenants/{}/apply", tenant.0), &tenant.1, inbox.target().toml_with(&policies), 200);
    };
    let before = now();
    tenants.iter().take(20).for_each(|tenant| apply(tenant, "0 0 0 1 1 *"));
    let each = (now() - before) / 20 + 1;
    let due = (now() + each * i64::try_from(many).unwrap() * 3 + 5_000) / 1_000 * 1_000;
    let seconds = due / 1_000;
    let schedule = format!("{} {} {} * * *", seconds % 60, seconds / 60 % 60, seconds / 3_600 % 24);
    for tenant in &tenants {
        apply(tenant, &schedule);
    }
    assert!(now() < due, "applying took too long: it was not to be due before");

    let mut waiting: Vec<&(String, String)> = tenants.iter().collect();
    let (mut late, mut made) = (0, 0);
    until("every policy of every tenant to have run", || {
        waiting.retain(|tenant| {
            let runs = runs(&server, tenant);
            let ended: Vec<_> = by_schedule(&runs).filter(|run| run["finished_at"].is_string()).collect();
            if ended.len() < POLICIES {
                return true;
            }
            for run in &ended {
                assert_eq!(run["events"]["exported"], run["events"]["examined"], "{run}");
                let time = |field: &str| Timestamp::parse(run[field].as_str().unwrap()).unwrap().0;
                assert_eq!(time("due"), due);
                late = late.max(time("started_at") - due);
                made += 1;
            }
            assert_eq!(ended.len(), POLICIES);
            false
        });
        waiting.is_empty()
    });
    let memory = server.peak_memory();
    say(format_args!("{many} tenants, {made} runs due in one second: the last began {late} ms after it; peak memory {} MiB", memory >> 10));
    assert!((0..=LATE).contains(&late), "a run began {late} ms after it was due");
    assert!(memory <= MEMORY, "{memory} KiB");
    assert_eq!((made, inbox.count()), (many * POLICIES, BUSY * POLICIES));
    server.stop();
    // All of them are there again, and nothing is made twice.
    server.again();
    until("it to be ready", || server.ask("GET", "/readyz", "", b"").status == 200);
    assert_eq!(by_schedule(&runs(&server, &tenants[0])).count(), POLICIES);
    server.stop();
}
