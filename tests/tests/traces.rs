//! Traces, as a collector gets them that reads them by OpenTelemetry's own definition: what a request and a run are made of, and nothing that was written in a chat.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use consign_tests::{Consign, Inbox, Running, Served, event_lines, one_policy, say, secret};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Collector {
    folder: TempDir,
    address: String,
    _running: Running,
}

impl Collector {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/collector.py")).arg(folder.path().join("spans"));
        let (running, said) = Consign::hearing(command);
        let address = format!("http://127.0.0.1:{}", said.recv().unwrap());
        Self { folder, address, _running: running }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("spans")
    }

    fn spans(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Takes events in by the API, and exports them; answers the Message-IDs.
fn a_day(served: &mut Served, inbox: &Inbox) -> BTreeSet<String> {
    let tokens = served.tenant("acme");
    let (token, at) = (secret(&tokens, "tenant-administrator").to_owned(), "/v1/tenants/acme");
    served.asked("POST", &format!("{at}/apply"), &token, one_policy(inbox, "all"), 200);
    for chat in ["C1", "C2"] {
        served.asked("POST", &format!("{at}/sources/chat/events"), &token, event_lines(chat, 5), 200);
    }
    served.asked("POST", &format!("{at}/policies/all/runs"), &token, "", 202);
    let run = served.run_of("acme", &token, "all", 1);
    served.asked("GET", &format!("{at}/policies/none"), &token, "", 404);
    let manifest = served.asked("GET", &format!("{at}/runs/{}/manifest", run["run"].as_str().unwrap()), &token, "", 200);
    served.stop();
    let windows = manifest["manifest"]["windows"].as_array().unwrap().iter();
    let emails = windows.flat_map(|window| window["emails"].as_array().unwrap());
    emails.map(|email| email["message_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn of_requests_and_runs() {
    let (collector, inbox) = (Collector::start(), Inbox::start());
    let mut served = Served::start_in(String::new(), vec![("CONSIGN_TRACES", collector.address.clone())]);
    let operator = served.operator.clone();
    let emails = a_day(&mut served, &inbox);
    assert_eq!(emails.len(), 2);
    let spans = collector.spans();
    let wrong: Vec<_> = spans.iter().filter(|span| span.get("wrong").is_some()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(spans.iter().all(|span| span["resource"]["service.name"] == "consign" && span["events"] == 0));
    let by_id: BTreeMap<&str, &Value> = spans.iter().map(|span| (span["id"].as_str().unwrap(), span)).collect();
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let above = |span: &Value| by_id.get(span["parent"].as_str().unwrap()).copied();
    // Requests: by route, and not by what they name.
    let taken = named("POST /v1/tenants/{tenant}/sources/{source}/events");
    assert_eq!(taken.len(), 2);
    for one in &taken {
        assert_eq!(
            (&one["kind"], &one["attributes"]["tenant"], &one["attributes"]["http.response.status_code"]),
            (&json!(2), &json!("acme"), &json!(200)),
            "{one}"
        );
    }
    assert_eq!(named("GET /v1/tenants/{tenant}/policies/{policy}")[0]["attributes"]["http.response.status_code"], 404);
    // A run: its windows, what is made of each, and what is sent.
    let [run] = named("run all")[..] else { panic!("{spans:?}") };
    assert_eq!(
        (&run["attributes"]["tenant"], &run["attributes"]["windows"], &run["attributes"]["emails"]),
        (&json!("acme"), &json!(2), &json!(2)),
        "{run}"
    );
    let below = |name: &str, parent: &str| {
        let all = named(name);
        for one in &all {
            let over = above(one).unwrap_or_else(|| panic!("{one} is below nothing"));
            assert_eq!((&over["name"], &over["trace"], &one["trace"]), (&json!(parent), &run["trace"], &run["trace"]), "{one}");
            assert!(over["from"].as_u64() <= one["from"].as_u64() && one["to"].as_u64() <= over["to"].as_u64(), "{one} in {over}");
        }
        all
    };
    assert_eq!(below("window", "run all").len(), 2);
    assert_eq!(below("make", "window").len(), 2);
    assert_eq!(below("evaluate", "make").len(), 2);
    let sent = below("e-mail", "window");
    assert_eq!(sent.iter().map(|one| one["attributes"]["message_id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), emails);
    let is_sent = |one: &Value| one["attributes"]["outcome"] == "accepted" && one["attributes"]["bytes"].as_u64() > Some(1_000);
    assert!(sent.iter().all(|one| is_sent(one)), "{sent:?}");
    // Nothing that was written, no title, no secret.
    let text = std::fs::read_to_string(collector.log()).unwrap();
    for kept in ["says 1", "desk", operator.as_str()] {
        assert!(!text.contains(kept), "{kept} is in a trace");
    }
    say(format_args!("traces: {} spans, read by OpenTelemetry's own definition", spans.len()));
}

#[test]
fn nothing_waits_for_a_collector() {
    let inbox = Inbox::start();
    // Nobody listens there; and one who takes connections and never answers. What is owed is dropped.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for collector in ["http://127.0.0.1:9".to_owned(), format!("http://{}", silent.local_addr().unwrap())] {
        let mut served = Served::start_in(String::new(), vec![("CONSIGN_TRACES", collector)]);
        let began = Instant::now();
        assert_eq!(a_day(&mut served, &inbox).len(), 2);
        assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    }
    for wrong in ["127.0.0.1:4318", "ftp://127.0.0.1", "http://127.0.0.1:4318/?x", ""] {
        let (consign, traces) = (Consign::new(), format!("--traces={wrong}"));
        consign.run(&["serve", &traces]).refused(2, &["is not where a collector takes traces", "http://127.0.0.1:4318"]);
        assert!(!consign.data().exists(), "nothing was begun");
    }
}
