//! Quotas of a tenant: at each limit what is refused and what goes on, and that whatever was refused goes in when there is room. Figures are held to what lies in the data folder and what the bill
//! says, threads to what Linux says of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::path::Path;
use std::time::Instant;

use consign_model::Timestamp;
use consign_tests::{Inbox, Ran, Served, event_lines, files_below, secret, until, until_some};
use guests::{heavy, leaves_out};
use serde_json::{Value, json};

fn quotas(server: &Served, token: &str) -> Value {
    server.asked("GET", "/v1/tenants/acme/quotas", token, "", 200)
}

/// Has these quotas hold, by whoever runs the installation.
fn set(server: &Served, limits: &Value) -> Value {
    server.asked("PUT", "/v1/tenants/acme/quotas", &server.operator, json!({ "limits": limits }).to_string(), 200)
}

/// The command by the server, as the operator.
fn by_server(server: &Served, args: &[&str]) -> Ran {
    let mut command = server.consign.command(&[&["--server", &format!("http://{}", server.address)], args].concat());
    command.env("CONSIGN_TOKEN", &server.operator);
    Ran::of(command)
}

/// Refused by a quota: its problem.
#[track_caller]
fn refused(server: &Served, (method, path): (&str, &str), token: &str, body: &[u8], status: u16, code: &str) -> Value {
    let answer = server.ask(method, path, token, body);
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{method} {path}: {}", answer.body);
    assert!(answer.body["detail"].as_str().unwrap().starts_with("your quota is"), "{}", answer.body);
    assert_eq!(answer.header("Retry-After").is_some(), status != 403, "{}", answer.head);
    answer.body
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    files_below(folder, "").iter().map(|file| file.metadata().unwrap().len()).sum()
}

/// The quotas that fire, with what they say.
fn firing(server: &Served) -> Vec<(String, Value)> {
    let all = server.consign.json(&["--tenant", "acme", "alerts"]);
    let alerts = all["firing"].as_array().unwrap_or_else(|| all.as_array().unwrap());
    alerts.iter().filter(|one| one["kind"] == "quota").map(|one| (one["of"].as_str().unwrap().to_owned(), one.clone())).collect()
}

#[test]
fn who_sets_them_and_who_sees_them() {
    let mut server = Served::start();
    let tokens = server.tenant("acme");
    let (admin, auditor) = (secret(&tokens, "tenant-administrator"), secret(&tokens, "auditor"));
    let none = quotas(&server, auditor);
    assert_eq!((&none["version"], &none["limits"], &none["weight"]), (&json!(0), &json!({}), &json!(10)), "{none}");
    let path = "/v1/tenants/acme/quotas";
    server.asked("PUT", path, admin, json!({ "limits": {} }).to_string(), 403);
    for wrong in [
        json!({ "limits": { "requests": 0 } }),
        json!({ "limits": { "cpu": 1 } }),
        json!({ "limits": {}, "weight": 0 }),
        json!({ "limits": [5] }),
        json!({ "weight": 3 }),
    ] {
        server.asked("PUT", path, &server.operator, wrong.to_string(), 400);
    }
    let told =
        by_server(&server, &["tenant", "quota", "acme", "--cpu", "2h", "--memory", "16 MiB", "--storage", "1 GiB", "--weight", "50"]).succeeded();
    assert!(["2h", "16.7 MB", "1.0 GB", "weight 50"].iter().all(|part| told.stdout.contains(part)), "{}", told.stdout);
    let tag = server.ask("GET", path, auditor, b"").header("ETag").unwrap().to_owned();
    let set = |tag: &str| {
        server.ask_with("PUT", path, &server.operator, &[("If-Match", tag)], json!({ "limits": { "modules": 3 } }).to_string().as_bytes())
    };
    assert_eq!(set(&tag).status, 200);
    // Made of what somebody has seen before that.
    assert_eq!((set(&tag).status, set("*").status), (412, 200));
    // What is not named stays.
    by_server(&server, &["tenant", "quota", "acme", "--modules", "none", "--requests", "600"]).succeeded();
    let now = quotas(&server, admin);
    assert_eq!((&now["version"], &now["limits"], &now["weight"]), (&json!(4), &json!({ "requests": 600 }), &json!(10)), "{now}");
    // The same in the console, by a form that says of which version it was made.
    let cookie = |token: &str| server.browse("POST", "/console/sign-in", "", &format!("token={token}")).cookie().unwrap().to_owned();
    let (operator, officer) = (cookie(&server.operator), cookie(admin));
    let posted = |cookie: &str, form: &str| server.browse("POST", "/console/t/acme/quotas", cookie, form).status;
    assert_eq!((posted(&officer, "version=4&modules=1"), posted(&operator, "version=4&cpu=30min&storage=1+GiB&weight=20")), (403, 303));
    assert_eq!(["version=4&modules=7", "version=5&storage=much", "modules=7"].map(|form| posted(&operator, form)), [412, 400, 400]);
    let now = quotas(&server, admin);
    assert_eq!((&now["limits"], &now["weight"]), (&json!({ "processor_seconds": 1_800, "stored_bytes": 1_u64 << 30 }), &json!(20)), "{now}");
    let text_of = |cookie: &str, path: &str| server.browse("GET", path, cookie, "").body.as_str().unwrap().to_owned();
    assert!(text_of(&officer, "/console/t/acme/bill").contains("30m") && !text_of(&officer, "/console/t/acme/quotas").contains("Change them"));
    assert!(text_of(&operator, "/console/tenants").contains("1.0 GB stored") && text_of(&operator, "/console/t/acme/quotas").contains("Change them"));
    by_server(&server, &["tenant", "quota", "nobody", "--modules", "1"]).refused(1, &["no tenant 'nobody'"]);
    by_server(&server, &["tenant", "quota", "acme"]).refused(2, &["--cpu"]);
    server.stop();
    // The same beside the data.
    let shown = server.consign.json(&["tenant", "show", "acme"]);
    for field in ["version", "limits", "weight"] {
        assert_eq!(shown[field], now[field], "{shown}");
    }
    server.consign.run(&["tenant", "quota", "acme", "--cpu", "none", "--storage", "none", "--weight", "1"]).succeeded();
    server.consign.run(&["tenant", "show", "nobody"]).refused(1, &["no tenant 'nobody'"]);
    let log = server.consign.run(&["--tenant", "acme", "audit", "list"]).succeeded().stdout;
    assert_eq!(log.matches("set quotas (version").count(), 6, "{log}");
    assert!(log.contains("set quotas (version 6): no limits; its weight in sharing is 1"), "{log}");
}

#[test]
fn modules_and_requests() {
    let mut server = Served::start();
    let (tokens, other) = (server.tenant("acme"), server.tenant("other"));
    let (admin, developer) = (secret(&tokens, "tenant-administrator"), secret(&tokens, "module-developer"));
    let modules: Vec<Vec<u8>> = (1..=3).map(|number| leaves_out("acme/some", &format!("{number}.0.0"), 1)).collect();
    let (cache, path) = (server.consign.data().join("cache"), "/v1/tenants/acme/modules");
    until("the server to be ready", || server.ask("GET", "/readyz", "", b"").status == 200);
    let before = bytes_below(&cache);
    set(&server, &json!({ "modules": 1 }));
    server.asked("POST", path, developer, &modules[0], 201);
    server.asked("POST", path, developer, &modules[0], 200);
    let refused_one = refused(&server, ("POST", path), developer, &modules[1], 403, "quota-modules");
    assert!(refused_one["detail"].as_str().unwrap().contains("1 modules"), "{refused_one}");
    // It was not compiled: nothing of it lies in the cache.
    let (used, compiled) = (quotas(&server, admin)["used"].clone(), bytes_below(&cache) - before);
    let bytes = used["compiled_bytes"].as_u64().unwrap();
    assert!(used["modules"] == 1 && (bytes..bytes + (64 << 10)).contains(&compiled), "{used}: the cache has {compiled} bytes more");
    set(&server, &json!({ "modules": 2, "compiled_bytes": bytes + bytes / 2 }));
    refused(&server, ("POST", path), developer, &modules[1], 403, "quota-compiled-bytes");
    set(&server, &json!({ "modules": 2, "compiled_bytes": bytes * 2 + bytes / 2 }));
    server.asked("POST", path, developer, &modules[1], 201);
    refused(&server, ("POST", path), developer, &modules[2], 403, "quota-modules");
    set(&server, &json!({ "compiled_bytes": bytes }));
    refused(&server, ("POST", path), developer, &modules[2], 403, "quota-compiled-bytes");
    set(&server, &json!({}));
    server.asked("POST", path, developer, &modules[2], 201);
    let used = quotas(&server, admin)["used"].clone();
    assert_eq!((&used["modules"], used["compiled_bytes"].as_u64().unwrap() > 2 * bytes), (&json!(3), true), "{used}");

    // Requests, of whichever tokens and pages: so many at once, and then as they come back.
    let signed_in = server.browse("POST", "/console/sign-in", "", &format!("token={admin}"));
    let cookie = signed_in.cookie().unwrap().to_owned();
    assert_eq!(server.browse("GET", "/console/t/acme/quotas", &cookie, "").status, 200);
    let limit = 12;
    let began = Instant::now();
    set(&server, &json!({ "requests": limit }));
    let mut through = 0;
    let kept_out = until_some("the quota to be used up", || {
        let answer = match through % 3 {
            0 => server.ask("GET", "/v1/me", developer, b""),
            1 => server.browse("GET", "/console/t/acme/runs", &cookie, ""),
            _ => server.ask("POST", "/v1/tenants/acme/sources/chat/events", admin, event_lines("desk", 1).as_bytes()),
        };
        if answer.status == 429 {
            return Some(answer);
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        through += 1;
        None
    });
    let came_back = began.elapsed().as_secs() * limit / 60;
    assert!((limit..=limit + came_back + 1).contains(&through), "{through}");
    let wait: u64 = kept_out.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60 / limit + 1).contains(&wait), "{wait}");
    let mut codes = Vec::new();
    until("each way to be refused", || {
        codes = vec![
            server.ask("GET", "/v1/tenants/acme/runs", admin, b"").status,
            server.ask("POST", "/v1/tenants/acme/sources/chat/events", secret(&tokens, "ingest"), event_lines("desk", 2).as_bytes()).status,
            server.browse("GET", "/console/t/acme/runs", &cookie, "").status,
        ];
        codes == [429; 3]
    });
    let answer = until_some("the API to say so", || Some(server.ask("GET", "/v1/me", developer, b"")).filter(|answer| answer.status == 429));
    assert_eq!(answer.body["code"], "quota-requests", "{}", answer.body);
    assert!(answer.body["detail"].as_str().unwrap().contains("12 requests a minute"), "{}", answer.body);
    // Nobody else is, and least of all who can raise it.
    server.asked("GET", "/v1/me", secret(&other, "auditor"), "", 200);
    for _ in 0..2 * limit {
        server.asked("GET", "/v1/tenants/acme/quotas", &server.operator, "", 200);
    }
    set(&server, &json!({ "requests": 1_000 }));
    let receipt = server.asked("POST", "/v1/tenants/acme/sources/chat/events", secret(&tokens, "ingest"), event_lines("desk", 2), 200);
    assert_eq!(receipt["stored"].as_u64().unwrap() + receipt["already_there"].as_u64().unwrap(), 2);
    assert!(quotas(&server, admin)["used"]["requests"].as_u64().unwrap() > 0);
    assert_eq!(server.browse("GET", "/console/t/acme/bill", &cookie, "").status, 200);
    server.stop();
}

#[test]
fn what_is_stored() {
    let mut server = Served::start();
    let tokens = server.tenant("acme");
    let (admin, ingest) = (secret(&tokens, "tenant-administrator"), secret(&tokens, "ingest"));
    let (archive, path) = (server.consign.data().join("archive").join("acme"), "/v1/tenants/acme/sources/chat/events");
    let stored = |server: &Served| quotas(server, admin)["used"]["stored_bytes"].as_u64().unwrap();
    for chat in ["one", "two", "three"] {
        server.asked("POST", path, ingest, event_lines(chat, 200), 200);
        assert_eq!(stored(&server), bytes_below(&archive), "what is written is added");
    }
    let full = stored(&server);
    let limits = |bytes: u64| json!({ "stored_bytes": bytes });
    set(&server, &limits(full * 100 / 95));
    until("nine tenths to be told of", || firing(&server).iter().any(|(of, one)| of == "stored-bytes" && one["used"] == full));
    set(&server, &limits(full));
    until("no room to be told of", || firing(&server).iter().any(|(_, one)| one["used"] == full && one["limit"] == full));
    let four = event_lines("four", 200);
    for _ in 0..2 {
        refused(&server, ("POST", path), ingest, four.as_bytes(), 507, "quota-stored-bytes");
    }
    assert_eq!((stored(&server), bytes_below(&archive)), (full, full), "nothing of it was taken");
    // Whatever is begun is taken to its end; and what comes then is not.
    set(&server, &limits(full + 1));
    let receipt = server.asked("POST", path, ingest, &four, 200);
    assert_eq!(receipt["stored"], 200);
    let more = bytes_below(&archive);
    assert_eq!(stored(&server), more);
    refused(&server, ("POST", path), ingest, event_lines("five", 1).as_bytes(), 507, "quota-stored-bytes");
    // After a crash it is known what lies there.
    server.killed();
    server.again();
    until("what is stored to be seen", || stored(&server) == more);
    refused(&server, ("POST", path), ingest, event_lines("five", 1).as_bytes(), 507, "quota-stored-bytes");
    server.stop();
    // An import beside the data: not begun where there is no room, and no further than there is.
    let file = server.consign.write("many.jsonl", (0..600).map(|chat| event_lines(&format!("chat-{chat}"), 1)).collect::<String>());
    let import = || server.consign.run(&["--tenant", "acme", "import", file.to_str().unwrap(), "--format", "jsonl", "--source", "chat", "--json"]);
    import().refused(1, &["your quota is", "consign tenant quota"]);
    assert_eq!(bytes_below(&archive), more);
    let quota = |storage: &str| drop(server.consign.run(&["tenant", "quota", "acme", "--storage", storage]).succeeded());
    quota(&(more + 1).to_string());
    import().refused(1, &["your quota is", "the same again stores the rest"]);
    let some = server.consign.json(&["tenant", "show", "acme"])["used"]["stored_bytes"].as_u64().unwrap();
    assert!(some > more && some == bytes_below(&archive), "{some}");
    quota("none");
    let whole = import().succeeded().json();
    let (new, there) = (whole["stored"]["message"].as_u64().unwrap(), whole["already_there"]["message"].as_u64().unwrap());
    assert!(new > 0 && there > 0 && new + there == 600, "{whole}");
    server.again();
    until("the alert to be resolved", || firing(&server).is_empty());
    let receipt = server.asked("POST", path, ingest, event_lines("five", 1), 200);
    assert_eq!(receipt["stored"], 1);
    server.stop();
}

/// Whether a thread of this process evaluates in what the others leave, as Linux says: by the 41st field of its `stat`, `SCHED_IDLE` is 5.
fn is_idle(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    // One that ends meanwhile has no file any more.
    threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok()).any(|stat| {
        let fields = stat.rsplit_once(')').unwrap().1;
        stat.contains("(yielding)") && fields.split_whitespace().nth(41 - 3) == Some("5")
    })
}

#[test]
fn processors_and_memory() {
    // What is compared is of one day of UTC.
    until("there to be enough of a day", || Timestamp::now().0.rem_euclid(86_400_000) < 86_400_000 - 120_000);
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    let lines: String = (0..20).map(|chat| event_lines(&format!("chat-{chat}"), 2)).collect();
    server.asked("POST", "/v1/tenants/acme/sources/chat/events", admin, lines, 200);
    server.asked("POST", "/v1/tenants/acme/modules", admin, heavy("acme/heavy"), 201);
    // Takes 16 MiB where it is not tried, and only then fails where it may not have them.
    let takes = "(drop (memory.grow (i32.const 256)))";
    server.asked("POST", "/v1/tenants/acme/modules", admin, guests::fails_later("acme/large", "1.0.0", takes), 201);
    let criterion = |module: &str| format!("[[policy.criteria]]\nmodule = \"{module}\"\nneeds = []\n");
    let (heavy, large) = (criterion("acme/heavy"), criterion("acme/large"));
    let policies = [("heavy", heavy.as_str()), ("large", large.as_str()), ("largest", large.as_str())];
    server.asked("POST", "/v1/tenants/acme/apply", admin, inbox.target().toml_with(&policies), 200);
    let ask = |server: &Served, policy: &str| drop(server.asked("POST", &format!("/v1/tenants/acme/policies/{policy}/runs"), admin, "", 202));
    let used = |server: &Served| quotas(server, admin)["used"]["processor_micros"].as_u64().unwrap();
    let billed = |server: &Served| {
        let bill = server.asked("GET", "/v1/tenants/acme/bill", admin, "", 200);
        bill["modules"].as_array().unwrap().iter().map(|one| one["micros"].as_u64().unwrap()).sum::<u64>()
    };

    ask(&server, "heavy");
    until("what goes on to be counted", || used(&server) > 0);
    let run = server.run_of("acme", admin, "heavy", 1);
    assert_eq!(run["events"]["exported"], 40, "{run}");
    assert_eq!(used(&server), billed(&server), "what the bill has of this day, as of this month");
    // Another process of the same day knows of it.
    let before = used(&server);
    server.stop();
    server.again();
    assert_eq!(used(&server), before);
    assert!(firing(&server).is_empty());

    // All of the day's time is used up: what is due is exported all the same, in what the others leave. Little of it, since that may be next to nothing.
    set(&server, &json!({ "processor_seconds": before / 1_000_000 }));
    until("it to be told of", || firing(&server).iter().any(|(of, one)| of == "processor-seconds" && one["used"] == before / 1_000_000));
    let more: String = (0..3).map(|chat| event_lines(&format!("more-{chat}"), 2)).collect();
    server.asked("POST", "/v1/tenants/acme/sources/chat/events", admin, more, 200);
    ask(&server, "heavy");
    until("it to evaluate in what the others leave", || is_idle(server.process()));
    let run = server.run_of("acme", admin, "heavy", 2);
    assert_eq!((&run["events"]["exported"], &run["events"]["examined"]), (&json!(6), &json!(6)), "{run}");
    assert!(used(&server) > before);
    assert_eq!(used(&server), billed(&server));
    set(&server, &json!({ "memory_bytes": 8 << 20 }));
    until("it to be over", || firing(&server).is_empty());

    ask(&server, "large");
    let run = server.run_of("acme", admin, "large", 1);
    assert_eq!((&run["events"]["exported"], &run["events"]["held"]), (&json!(0), &json!(46)), "{run}");
    let held = server.asked("GET", "/v1/tenants/acme/held?policy=large", admin, "", 200);
    assert!(held["items"].as_array().unwrap().iter().any(|one| one["text"].as_str().unwrap().contains("memory")), "{held}");
    // With the quota lifted it is what it was for everybody, and nothing is lost.
    set(&server, &json!({}));
    ask(&server, "largest");
    let run = server.run_of("acme", admin, "largest", 1);
    assert_eq!(run["events"]["exported"], 46, "{run}");
    server.asked("POST", "/v1/tenants/acme/policies/large/quarantines/release", admin, "{}", 200);
    let windows: Vec<&Value> = held["items"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    server.asked("POST", "/v1/tenants/acme/policies/large/held/retry", admin, json!({ "windows": windows }).to_string(), 202);
    until("what was held to be exported", || {
        let held = server.asked("GET", "/v1/tenants/acme/held?policy=large", admin, "", 200);
        held["items"].as_array().unwrap().is_empty()
    });
    server.stop();
}
