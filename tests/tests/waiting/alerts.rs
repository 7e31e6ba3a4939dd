//! Alerts and metrics of `consign serve`: each kind fires by its real cause and is resolved by its real end, a webhook hears of each once whatever becomes of
//! it, a start repeats nothing, and none of it holds what is in messages.
//!
//! The webhook is received by Python, which checks the signature with its own hmac; metrics are read by the parser of Prometheus' client for Python.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;

use crate::guests::{SECRET, TRAPS, fails_later, push, workspace};
use consign_model::Timestamp;
use consign_tests::{Behaviour, Consign, Inbox, Running, Scripted, holds, python, say, until};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;
/// 32 bytes that are nowhere else.
const KEY: &str = "whsec_c2VzYW1lLW9wZW4tc2VzYW1lLW9wZW4tc2VzYW1lISE=";

/// Somebody else's program, which is paged.
struct Pager {
    _server: Running,
    port: u16,
    log: PathBuf,
    answer: PathBuf,
}

impl Pager {
    fn start(consign: &Consign, answer: u16) -> Self {
        let (secret, log) = (consign.write("pager/secret", format!("{KEY}\n")), consign.write("pager/log", ""));
        let answer = consign.write("pager/answer", answer.to_string());
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/webhook.py")).args([&secret, &log, &answer]);
        let mut server = Running::of(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut line = String::new();
        BufReader::new(server.stdout()).read_line(&mut line).unwrap();
        Self { _server: server, port: line.trim().parse().unwrap(), log, answer }
    }

    fn now(&self, answer: u16) {
        // Whole at any time.
        let beside = self.answer.with_extension("new");
        std::fs::write(&beside, answer.to_string()).unwrap();
        std::fs::rename(beside, &self.answer).unwrap();
    }

    fn heard(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it has taken: `fired held`, in order.
    fn taken(&self) -> Vec<String> {
        let heard = self.heard();
        assert!(heard.iter().all(|one| one["status"] != 401 && one["path"] == "/hook"), "{heard:?}");
        let taken = heard.iter().filter(|one| one["status"] == 204).map(|one| &one["body"]);
        taken
            .map(|body| format!("{} {}", body["type"].as_str().unwrap().trim_start_matches("alert."), body["alert"]["kind"].as_str().unwrap()))
            .collect()
    }

    fn count(&self, change: &str) -> usize {
        self.taken().iter().filter(|taken| *taken == change).count()
    }
}

/// Settings of `serve`.
fn settings(consign: &Consign, pager: Option<&Pager>, more: &str) -> PathBuf {
    let alerts = pager.map(|pager| {
        let secret = consign.beside("pager/secret");
        format!("[alerts]\nwebhook = \"http://127.0.0.1:{}/hook\"\nsecret = {{ file = {:?} }}\n", pager.port, secret.display().to_string())
    });
    consign.write("consign.toml", format!("{}{more}[metrics]\nlisten = \"127.0.0.1:0\"\n", alerts.unwrap_or_default()))
}

/// `serve` with what it says.
struct Serving {
    running: Running,
    lines: Receiver<String>,
    said: Vec<Value>,
}

impl Serving {
    fn start(consign: &Consign, config: &Path) -> Self {
        let (running, lines) = consign.serving(&["--json", "--config", &config.display().to_string()]);
        let first = lines.recv().unwrap_or_default();
        let said = vec![serde_json::from_str(&first).unwrap()];
        Self { running, lines, said }
    }

    fn metrics(&self) -> String {
        self.said[0]["metrics"].as_str().unwrap().to_owned()
    }

    fn hear(&mut self) {
        self.said.extend(self.lines.try_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap()));
    }

    /// How often this was said: `fired held`.
    fn count(&mut self, change: &str) -> usize {
        self.hear();
        alerts(&self.said).iter().filter(|said| *said == change).count()
    }

    fn until(&mut self, change: &str) {
        until(&format!("serve to say {change}"), || self.count(change) > 0);
    }

    /// Waits for so many more runs of a policy.
    fn until_runs(&mut self, policy: &str, more: usize) {
        let of = |said: &[Value]| said.iter().filter(|line| line["what"] == "run" && line["policy"] == policy).count();
        self.hear();
        let before = of(&self.said);
        until("some runs to end", || {
            self.hear();
            of(&self.said) >= before + more
        });
    }

    fn end(self) -> Vec<Value> {
        let Self { running, lines, mut said } = self;
        assert!(running.terminate().success());
        said.extend(lines.iter().map(|line| serde_json::from_str::<Value>(&line).unwrap()));
        said
    }
}

fn alerts(said: &[Value]) -> Vec<String> {
    let alerts = said.iter().filter(|line| line["what"] == "alert");
    alerts.map(|line| format!("{} {}", line["type"].as_str().unwrap().trim_start_matches("alert."), line["kind"].as_str().unwrap())).collect()
}

/// A policy beside `all` that has nothing to do: by its runs time can be told.
const BESIDE: &str = "\n[[policy]]\nname = \"beside\"\ntarget = \"archive\"\nsince = \"now\"\nschedule = { cron = \"* * * * * *\" }\n";

#[test]
fn what_is_held_is_told_once_also_by_a_webhook_that_was_down() {
    let (consign, server) = (Consign::new(), Scripted::start(Behaviour::Defer));
    let (file, counts) = workspace(&consign, 6, 5, &[]);
    consign.import("jsonl", &file, "s");
    consign.policy(&server.target().retrying(1, 2, 3600), BESIDE);
    consign.run(&["run", "all"]).ended(3);
    let pager = Pager::start(&consign, 503);
    let config = settings(&consign, Some(&pager), "");
    let mut serving = Serving::start(&consign, &config);
    serving.until("fired held");
    // While it runs.
    let firing = consign.json(&["alerts"]);
    assert_eq!(
        (&firing[0]["kind"], &firing[0]["policy"], &firing[0]["windows"], &firing[0]["events"], &firing[0]["tried_again"]),
        (&json!("held"), &json!("all"), &json!(6), &json!(counts.events), &json!(6)),
        "{firing}"
    );
    let text = consign.run(&["alerts"]).succeeded().stdout;
    assert!(text.contains("tries again by itself") && text.contains("consign held --policy all"), "{text}");
    until("the webhook to be tried twice", || pager.heard().len() >= 2);
    // Nowhere else than where it was sent to.
    pager.now(307);
    let before = pager.heard().len();
    until("the webhook to be tried again", || pager.heard().len() > before);
    // Runs do not wait for it, and nor does what is over.
    server.now(Behaviour::Accept);
    serving.until("resolved held");
    let refused = pager.heard();
    assert!(refused.iter().all(|one| one["id"] == refused[0]["id"] && one["body"] == refused[0]["body"]), "the same each time: {refused:?}");
    pager.now(204);
    until("both to be told", || pager.taken().len() >= 2);
    assert_eq!(pager.taken(), ["fired held", "resolved held"]);
    let heard = pager.heard();
    let body = &heard.iter().find(|one| one["status"] == 204).unwrap()["body"];
    assert_eq!((&body["id"], &body["tenant"], &body["alert"]["policy"]), (&refused[0]["id"], &json!("default"), &json!("all")), "{body}");
    Timestamp::parse(body["timestamp"].as_str().unwrap()).unwrap();
    assert_eq!(alerts(&serving.end()), ["fired held", "resolved held"]);
    assert_eq!(consign.json(&["alerts"]), json!([]));

    let mut serving = Serving::start(&consign, &config);
    serving.until_runs("beside", 3);
    assert_eq!((alerts(&serving.end()), pager.taken().len()), (Vec::new(), 2));
    say(format_args!("a webhook that was down was tried {} times, and took {:?}", pager.heard().len(), pager.taken()));
    let log = std::fs::read_to_string(&pager.log).unwrap();
    for canary in [SECRET, "desk 0", "Ann Lee", "ann@desk.example", "sesame", &KEY[6..]] {
        assert!(!log.contains(canary), "{canary} was told");
    }
    assert!(!holds(&consign.data(), SECRET) && !holds(&consign.data().join("alerts"), &KEY[6..]));
}

#[test]
fn a_quarantined_module_and_a_broken_chain() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let (file, _) = workspace(&consign, 5, 5, &[]);
    consign.import("jsonl", &file, "s");
    let module = push(&consign, &fails_later("acme/later", "1.0.0", TRAPS));
    consign.policy(&inbox.target(), &format!("[[policy.criteria]]\nmodule = {module:?}\n{BESIDE}"));
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    let pager = Pager::start(&consign, 204);
    let config = settings(&consign, Some(&pager), "");
    let mut serving = Serving::start(&consign, &config);
    until("both to be told", || pager.taken().len() >= 2);
    serving.until_runs("beside", 2);
    let mut told = pager.taken();
    told.sort();
    assert_eq!(told, ["fired held", "fired quarantined"]);
    serving.end();
    let firing = consign.json(&["alerts"]);
    let quarantined = firing.as_array().unwrap().iter().find(|alert| alert["kind"] == "quarantined").unwrap();
    assert_eq!((&quarantined["policy"], &quarantined["module"]), (&json!("all"), &json!("acme/later@1.0.0")));
    assert!(quarantined["text"].as_str().unwrap().contains("consign quarantine release all"), "{quarantined}");

    // Killed and started again it says nothing twice; then the manifest is damaged.
    Serving::start(&consign, &config).running.kill();
    let manifest = PathBuf::from(run["manifest"].as_str().unwrap());
    let whole = std::fs::read(&manifest).unwrap();
    let mut damaged = whole.clone();
    let at = whole.windows(11).position(|bytes| bytes == b"\"examined\":").unwrap() + 11;
    damaged[at] ^= 1;
    std::fs::write(&manifest, &damaged).unwrap();
    let mut serving = Serving::start(&consign, &config);
    serving.until("fired chain-broken");
    until("it to be told", || pager.count("fired chain-broken") == 1);
    let broken = consign.json(&["alerts"]).as_array().unwrap().iter().find(|alert| alert["kind"] == "chain-broken").unwrap().clone();
    assert!(broken["policy"] == "all" && broken["text"].as_str().unwrap().contains("all-000001"), "{broken}");
    assert_eq!(alerts(&serving.end()), ["fired chain-broken"]);

    // Restored, released and sent.
    std::fs::write(&manifest, &whole).unwrap();
    consign.run(&["quarantine", "release", "all"]).succeeded();
    consign.policy(&inbox.target(), BESIDE);
    consign.run(&["held", "retry", "--current"]).succeeded();
    let mut serving = Serving::start(&consign, &config);
    for over in ["resolved held", "resolved quarantined", "resolved chain-broken"] {
        serving.until(over);
    }
    until("all to be told", || pager.taken().len() >= 6);
    let mut said = alerts(&serving.end());
    said.sort();
    assert_eq!(said, ["resolved chain-broken", "resolved held", "resolved quarantined"]);
    assert_eq!((pager.taken().len(), consign.json(&["alerts"])), (6, json!([])));
    assert!(!std::fs::read_to_string(&pager.log).unwrap().contains(SECRET));
}

#[test]
fn a_target_that_is_down() {
    let (consign, server) = (Consign::new(), Scripted::start(Behaviour::Unavailable));
    let (file, _) = workspace(&consign, 12, 2, &[]);
    consign.import("jsonl", &file, "s");
    let target = server.target().retrying(1, 2, 3600);
    consign.policy(&target, &format!("schedule = {{ cron = \"* * * * * *\" }}\n{BESIDE}"));
    let config = settings(&consign, None, "");
    let mut serving = Serving::start(&consign, &config);
    serving.until("fired target-down");
    let metrics = python("metrics.py", [format!("http://{}/metrics", serving.metrics())]);
    assert_eq!(
        (
            metrics["consign_target_down{target=archive,tenant=default}"].as_f64(),
            metrics["consign_alert_firing{kind=target-down,target=archive,tenant=default}"].as_f64()
        ),
        (Some(1.0), Some(1.0)),
        "{metrics}"
    );
    serving.end();
    // Nobody has asked it in the new process: it is as it was.
    let mut serving = Serving::start(&consign, &config);
    serving.until_runs("beside", 2);
    assert!(serving.count("fired target-down") == 0 && serving.count("resolved target-down") == 0, "{:?}", serving.said);
    serving.end();
    let text = consign.run(&["alerts"]).succeeded().stdout;
    assert!(text.contains("target 'archive' is down"), "{text}");
    server.now(Behaviour::Accept);
    consign.policy(&target.with("max-per-minute = 6000"), &format!("schedule = {{ cron = \"* * * * * *\" }}\n{BESIDE}"));
    let mut serving = Serving::start(&consign, &config);
    serving.until("resolved target-down");
    serving.until("resolved held");
    serving.end();
    assert_eq!(consign.json(&["alerts"]), json!([]));
}

fn message(number: usize, at: Timestamp) -> String {
    format!("{}\n", json!({"type": "message", "chat": "C1", "id": format!("m{number}"), "at": at, "user": "U1", "text": SECRET}))
}

#[test]
fn nothing_where_there_usually_is_something() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    // What it imports is of long ago.
    let config = settings(&consign, None, "[alerts]\nsilent-sources = [\"s\"]\n");
    // A run for one due time, which is over when it ends. Says what alerts it made.
    let due_run = |events: Option<usize>| {
        if let Some(number) = events {
            let text = message(number, Timestamp::parse(&format!("2026-01-05T08:{number:02}:00Z")).unwrap());
            consign.import("jsonl", &consign.write("more.jsonl", text), "s");
        }
        let due = Timestamp((Timestamp::now().0 / 1_000 + 2) * 1_000).to_string();
        consign.policy(&inbox.target(), &format!("schedule = {{ once = \"{}\" }}", &due[..19]));
        let mut serving = Serving::start(&consign, &config);
        serving.until_runs("all", 1);
        serving.end()
    };
    for number in 0..10 {
        assert_eq!(alerts(&due_run(Some(number))), Vec::<String>::new(), "run {number}");
    }
    let said = due_run(None);
    assert_eq!(alerts(&said), ["fired nothing-exported"], "{said:?}");
    let alert = said.iter().find(|line| line["what"] == "alert").unwrap();
    assert_eq!((&alert["examined"], &alert["usual"]), (&json!(0), &json!({"running": 10})), "{alert}");
    assert!(alert["text"].as_str().unwrap().contains("Nothing new had arrived"), "{alert}");
    assert_eq!(alerts(&due_run(Some(11))), ["resolved nothing-exported"]);
}

#[test]
fn a_source_that_went_silent() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    consign.policy(&inbox.target(), BESIDE);
    let now = Timestamp::now().0;
    // Each hour of five weeks, up to four days ago, in two imports; another source that was imported once.
    let hours = |from: i64, to: i64| (from..to).map(|hour| message(usize::try_from(hour).unwrap(), Timestamp(now - hour * HOUR))).collect::<String>();
    let import = |text: String, source: &str| consign.import("jsonl", &consign.write("part.jsonl", text), source);
    import(hours(200, 5 * 7 * 24), "chat");
    import(hours(200, 5 * 7 * 24), "history");
    let config = settings(&consign, None, "");
    let mut serving = Serving::start(&consign, &config);
    serving.until_runs("beside", 2);
    assert_eq!(alerts(&serving.end()), Vec::<String>::new(), "imported once");
    import(hours(96, 200), "chat");
    let mut serving = Serving::start(&consign, &config);
    serving.until("fired gap");
    serving.until_runs("beside", 2);
    assert_eq!(alerts(&serving.end()), ["fired gap"]);
    let firing = consign.json(&["alerts"]);
    assert_eq!((&firing[0]["source"], &firing[0]["lack"]), (&json!("chat"), &json!("silence")), "{firing}");
    // Meant to be so; and then not any more, with something new.
    let mut serving = Serving::start(&consign, &settings(&consign, None, "[alerts]\nsilent-sources = [\"chat\"]\n"));
    serving.until("resolved gap");
    serving.end();
    let mut serving = Serving::start(&consign, &settings(&consign, None, ""));
    serving.until("fired gap");
    serving.end();
    import(message(0, Timestamp(now - HOUR)), "chat");
    let mut serving = Serving::start(&consign, &config);
    serving.until("resolved gap");
    serving.end();
}

#[test]
fn a_run_that_broke_off() {
    let (consign, server) = (Consign::new(), Scripted::start(Behaviour::Accept));
    let (file, _) = workspace(&consign, 2, 3, &[]);
    consign.import("jsonl", &file, "s");
    let password = consign.write("password", "sesame");
    let lines = format!("username = \"ann\"\npassword = {{ file = {:?} }}", password.display().to_string());
    consign.policy(&server.target().with(&lines), "schedule = { cron = \"* * * * * *\" }");
    std::fs::remove_file(&password).unwrap();
    let config = settings(&consign, None, "");
    let mut serving = Serving::start(&consign, &config);
    serving.until("fired run-failed");
    let of_runs = |said: &[Value]| alerts(said).into_iter().filter(|change| change.ends_with("run-failed")).collect::<Vec<_>>();
    assert_eq!(of_runs(&serving.end()), ["fired run-failed"], "it breaks off again and again, and that is one");
    assert_eq!(consign.json(&["alerts"])[0]["policy"], "all");
    std::fs::write(&password, "sesame").unwrap();
    let mut serving = Serving::start(&consign, &config);
    serving.until("resolved run-failed");
    assert_eq!(of_runs(&serving.end()), ["resolved run-failed"]);
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn metrics_say_what_runs_say() {
    let (consign, server) = (Consign::new(), Scripted::start(Behaviour::Accept));
    let (file, _) = workspace(&consign, 6, 20, &[]);
    consign.import("jsonl", &file, "s");
    consign.policy(&server.target(), "schedule = { cron = \"* * * * * *\" }");
    let mut serving = Serving::start(&consign, &settings(&consign, None, ""));
    let address = serving.metrics();
    // Slow clients hold some places, and nobody else waits for them.
    let slow: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(&address).unwrap()).collect();
    serving.until_runs("all", 2);
    let read = || python("metrics.py", [format!("http://{address}/metrics")]);
    until("two runs to be counted", || {
        read()["consign_runs_total{policy=all,result=complete,tenant=default,trigger=schedule}"].as_f64() >= Some(2.0)
    });
    let metrics = read();
    assert!(get(&address, "/healthz").ends_with("\r\n\r\nok\n"), "{address}");
    assert!(get(&address, "/elsewhere").starts_with("HTTP/1.1 404"));
    // It answers and closes before all of that is read, so what the client sees of it depends on how fast it is; it gets no page in any case.
    let mut stream = TcpStream::connect(&address).unwrap();
    let (mut long, request) = (Vec::new(), format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000)));
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut long).map(drop));
    assert!(long.is_empty() || long.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(long.get(..100).unwrap_or_default()));
    assert!(get(&address, "/healthz").ends_with("ok\n"), "{address}");
    drop(slow);
    let said = serving.end();
    let runs: Vec<&Value> = said.iter().filter(|line| line["what"] == "run").collect();
    let sum = |group: &str, figure: &str| runs.iter().map(|run| run[group][figure].as_f64().unwrap()).sum::<f64>();
    for (name, group, figure) in [
        ("consign_events_examined_total{policy=all,tenant=default}", "events", "examined"),
        ("consign_events_total{outcome=exported,policy=all,tenant=default}", "events", "exported"),
        ("consign_events_total{outcome=held,policy=all,tenant=default}", "events", "held"),
        ("consign_emails_total{outcome=accepted,policy=all,tenant=default}", "emails", "accepted"),
        ("consign_emails_total{outcome=rejected,policy=all,tenant=default}", "emails", "rejected"),
    ] {
        assert_eq!(metrics[name].as_f64(), Some(sum(group, figure)), "{name}: {metrics}");
    }
    assert!(sum("events", "exported") > 0.0);
    assert_eq!(metrics["consign_held_windows{policy=all,tenant=default}"].as_f64(), Some(0.0));
    assert!(metrics["consign_next_due_timestamp_seconds{policy=all,tenant=default}"].as_f64() > Some(1.7e9), "{metrics}");
    assert!(metrics["consign_last_success_timestamp_seconds{policy=all,tenant=default}"].as_f64() > Some(1.7e9), "{metrics}");
    say(format_args!("{} samples", metrics.as_object().unwrap().len()));
}

#[test]
fn settings_that_can_not_be_used_are_said() {
    let consign = Consign::new();
    for (text, says) in [
        ("[alerts]\nwebhook = \"https://pager.example/sesame\"\n", "no secret"),
        ("[alerts]\nwebhook = \"http://pager.example/sesame\"\nsecret = { env = \"HOME\" }\n", "in clear"),
        ("[alerts]\nwebhook = \"https://pager.example/sesame\"\nsecret = { env = \"HOME\" }\n", "HOME does not hold whsec_"),
        ("[metrics]\nlisten = \"127.0.0.1\"\n", "line 2"),
        ("[metrics]\nlisten = \"203.0.113.1:9\"\n", "203.0.113.1:9 can't be listened on"),
    ] {
        let config = consign.write("wrong.toml", text);
        let ran = consign.run(&["serve", "--config", &config.display().to_string()]).refused(1, &[says]);
        assert!(!ran.stderr.contains("sesame"), "{}", ran.stderr);
    }
}
