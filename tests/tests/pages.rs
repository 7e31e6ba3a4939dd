//! Pages of the console over very many policies and runs: none takes longer than a person waits without noticing. The store is filled by the store itself, since that many runs would take a day.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use consign_model::audit::{Actor, Author, Cause};
use consign_model::manifest::Signature;
use consign_model::policy::PolicyVersion;
use consign_model::run::{ChatCounts, Costs, EmailCounts, EventCounts, SupplementCounts, Trigger};
use consign_model::{Digest, Name, RunSummary, Timestamp};
use consign_store::{Begun, Embedded, NewRun, Store};
use consign_tests::{Inbox, Served as Server, event_lines, python, say, secret};
use serde_json::json;

/// What a page may take.
const MILLIS: f64 = 200.0;
const DAY: i64 = 86_400_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Signs nothing: the pages do not look at it.
fn author() -> Author {
    Author::new(Actor::Schedule, |digest| Signature { algorithm: "none".into(), key: String::new(), digest: *digest, value: String::new() })
}

/// Runs of a policy, over the last thirty days, one after another.
async fn runs(store: Arc<Embedded>, tenant: Name, policy: Name, many: i64, now: i64) {
    for number in 0..many {
        let at = now - 30 * DAY * (many - number) / many;
        let new = NewRun {
            policy: policy.clone(),
            policy_version: 1,
            target_version: 1,
            trigger: Trigger::Hand,
            stands_in: None,
            retry: None,
            started_at: Timestamp(at),
        };
        let Begun::New(run) = store.begin_run(&tenant, &new, &author()).await.unwrap() else { panic!("{policy} has a run already") };
        let summary = RunSummary {
            run: run.id.clone(),
            policy: policy.clone(),
            events: EventCounts { examined: 30, exported: 20, omitted: 9, held: 1, copies: 20 },
            emails: EmailCounts { composed: 3, accepted: 3, bytes: 9_000, ..EmailCounts::default() },
            chats: ChatCounts { examined: 3, held: 1 },
            supplements: SupplementCounts::default(),
            shadows: Vec::new(),
            quarantined: Vec::new(),
            stands_in: None,
            costs: Costs::default(),
            lacking: Vec::new(),
            manifest: String::new(),
            millis: 900,
        };
        store.finish_run(&tenant, &run.id, Timestamp(at + 900), &summary, &Digest::of(b""), &author()).await.unwrap();
    }
}

#[tokio::main]
async fn fill(store: Embedded, tenant: &Name, policies: i64, runs_of_each: i64) {
    let (store, now) = (Arc::new(store), Timestamp::now().0);
    let first = store.policy(tenant, &name("first"), None).await.unwrap().unwrap();
    let mut tasks = Vec::new();
    for number in 0..policies {
        let policy = name(&format!("policy-{number:04}"));
        let mut spec = first.spec.clone();
        spec.name = policy.clone();
        store.save_policy(tenant, &PolicyVersion { spec, ..first.clone() }, &Cause::Apply, &author()).await.unwrap();
        tasks.push(tokio::spawn(runs(Arc::clone(&store), tenant.clone(), policy, runs_of_each, now)));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn no_page_is_slow_however_much_there_is() {
    let (policies, each) = if std::env::var_os("CONSIGN_FULL").is_some() { (1_000, 100) } else { (100, 30) };
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    server.asked("POST", "/v1/tenants/acme/sources/chat/events", admin, event_lines("desk", 90), 200);
    // Once a year, and not while this runs.
    let schedule = "schedule = { cron = \"30 2 29 2 *\", time-zone = \"Europe/Berlin\" }\n[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"says 1\"] }";
    server.asked("POST", "/v1/tenants/acme/apply", admin, inbox.target().toml_with(&[("first", schedule)]), 200);
    server.asked("POST", "/v1/tenants/acme/policies/first/runs", admin, "", 202);
    server.run_of("acme", admin, "first", 1);
    server.stop();
    fill(Embedded::open(&server.consign.data().join("store")).unwrap(), &name("acme"), policies, each);
    server.again();
    let given = json!({
        "url": format!("http://{}", server.address), "token": admin, "tenant": "acme", "policy": "policy-0007", "run": "first-000001", "times": 20,
    });
    let slowest = python("pages.py", [server.consign.write("given.json", given.to_string())]);
    say(format_args!("{policies} policies, {} runs, the slowest of 20 answers of each page in ms: {slowest}", policies * each));
    for (page, millis) in slowest.as_object().unwrap() {
        assert!(millis.as_f64() < Some(MILLIS), "{page}: {millis} ms");
    }
    server.stop();
}
