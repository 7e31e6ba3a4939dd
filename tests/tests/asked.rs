//! What the program asks for by itself: messages of platforms that send nothing, page by page, and files that messages name by an address. The platforms are
//! stand-ins in Python, those of the ingest room's own tests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use consign_tests::{Consign, Inbox, python, say, seed};
use serde_json::{Value, json};

const TENANT: &str = "9854dc85-3fb3-4f8e-a055-9cdc5523024d";

/// A program that says a line of JSON when it is ready, and ends with its input.
struct Server {
    child: Child,
    says: Value,
}

impl Server {
    fn start(script: &str, args: &[&str]) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../host/ingest/tests").join(script);
        let mut command = Command::new("python3");
        command.arg("-B").arg(&script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, says: serde_json::from_str(&line).unwrap_or_else(|_| panic!("{} did not start: {line:?}", script.display())) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn asked(kind: &str, source: impl FnOnce(&str) -> String) {
    let (consign, inbox, seed) = (Consign::new(), Inbox::start(), seed(kind));
    let standin = Server::start(&format!("standin/{kind}.py"), &[&seed.to_string()]);
    let port = standin.says.to_string();
    let config = consign.write("sources.toml", source(&port)).display().to_string();
    consign.policy(&inbox.target(), "based-on = \"chats\"");
    for round in 0..3 {
        if round > 0 {
            python("asked.py", ["change", "--port", &port]);
        }
        let pulled = consign.json(&["pull", "--config", &config]);
        assert_eq!((&pulled[0]["source"], &pulled[0]["passed"], &pulled[0]["refused"]), (&json!("corp"), &json!([]), &json!(0)), "{pulled}");
        consign.json(&["run", "all"]);
    }
    let figures = python("asked.py", ["compare", "--port", &port, "--mail", &inbox.maildir().display().to_string()]);
    say(format_args!("asked, {kind}: {figures}"));
    assert!(figures["events"].as_u64().unwrap() > 0);
    // Nothing new is nothing stored.
    let again = consign.json(&["pull", "corp", "--config", &config]);
    assert_eq!(again[0]["stored"], json!({}), "{again}");
    let said = consign.run(&["pull", "corp", "--config", &config]).succeeded().stdout;
    assert!(said.contains("Source 'corp' was asked"), "{said}");
    consign.run(&["pull", "other", "--config", &config]).refused(1, &["source 'other' is not asked"]);
}

#[test]
fn what_microsofts_export_gives_goes_out() {
    asked("graph", |port| {
        format!(
            "[[source]]\nname = \"corp\"\nkind = \"teams-export\"\ntenant = \"{TENANT}\"\nclient-id = \"app-1\"\nclient-secret = {{ command = [\"echo\", \"s3cret\"] }}\n\
             login-address = \"http://127.0.0.1:{port}\"\ngraph-address = \"http://127.0.0.1:{port}/v1.0\"\nchannels = true\n"
        )
    });
}

#[test]
fn what_slacks_discovery_gives_goes_out() {
    asked("slack", |port| {
        format!(
            "[[source]]\nname = \"corp\"\nkind = \"slack-discovery\"\ntoken = {{ command = [\"echo\", \"xoxp-s3cret\"] }}\nkeeps-edits = true\n\
             address = \"http://127.0.0.1:{port}/api\"\n"
        )
    });
}

#[test]
fn files_are_fetched_and_what_is_not_there_is_told_apart() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let server = Server::start("fetch/server.py", &[]);
    let (one, two) = (&server.says["one"], &server.says["two"]);
    let files = [
        ("there", format!("http://127.0.0.1:{one}/file/pdf/5000/a")),
        ("behind-a-token", format!("http://127.0.0.1:{one}/private/t0ken/png/3000/b")),
        ("gone", format!("http://127.0.0.1:{one}/status/410")),
        ("not-yet", format!("http://127.0.0.1:{one}/status/503")),
        ("refused", format!("http://127.0.0.1:{one}/status/403")),
        ("elsewhere", format!("http://127.0.0.2:{two}/file/pdf/100/c")),
    ];
    let line = |(number, (id, url)): (usize, &(&str, String))| {
        let file = json!({ "name": format!("{id}.pdf"), "url": url });
        let at = format!("2026-01-05T09:0{number}:00Z");
        format!("{}\n", json!({ "type": "message", "chat": "C1", "id": id, "user": "U1", "at": at, "text": "see there", "attachments": [file] }))
    };
    let export = consign.write("export.jsonl", files.iter().enumerate().map(line).collect::<String>());
    assert_eq!(consign.import("jsonl", &export, "s")["attachments_missing"], 6);
    consign.policy(&inbox.target(), "based-on = \"chats\"");
    consign.json(&["run", "all"]);
    let rules = |token: &str| {
        let text = format!(
            "[[fetch]]\nsource = \"s\"\nhosts = [\"127.0.0.1:{one}\"]\nallow-addresses = [\"127.0.0.0/8\"]\ntoken = {{ command = [\"echo\", \"{token}\"] }}\n"
        );
        consign.write("sources.toml", text).display().to_string()
    };
    let fetch = |config: &str, more: &[&str]| {
        let args = [&["--json", "fetch", "s", "--config", config][..], more].concat();
        consign.run(&args).ended(3).json()[0].clone()
    };
    // With a wrong token a web page comes in place of the file.
    let first = fetch(&rules("wrong"), &[]);
    assert_eq!((&first["fetched"]["files"], &first["not_there"]), (&json!(1), &json!({ "waiting": 2, "gone": 1, "unreadable": 2 })), "{first}");
    let listed = consign.json(&["fetch", "s", "--list"]);
    let state = |event: &str| {
        let file = listed.as_array().unwrap().iter().find(|file| file["event"] == event).unwrap_or_else(|| panic!("{event} is not listed: {listed}"));
        (file["state"].as_str().unwrap().to_owned(), file["why"].as_str().unwrap().to_owned())
    };
    for (event, kind, why) in [
        ("behind-a-token", "unreadable", "a web page came"),
        ("gone", "gone", "has it no more"),
        ("not-yet", "waiting", "503"),
        ("refused", "unreadable", "the token does not open it"),
        ("elsewhere", "waiting", "no [[fetch]] of its source names its host"),
    ] {
        let (is, said) = state(event);
        assert!(is == kind && said.contains(why), "{event} is {is}: {said}");
    }
    let shown = consign.run(&["fetch", "s", "--list"]).succeeded().stdout;
    assert!(shown.contains("behind-a-token") && !shown.contains("127.0.0.1:"), "{shown}");
    // What a person has to mend is an alert, and all of it is in the metrics.
    let settings = consign.write("consign.toml", "[alerts]\nsilent-sources = [\"s\"]\n[metrics]\nlisten = \"127.0.0.1:0\"\n").display().to_string();
    let alerts = |change: &str| {
        let (serving, lines) = consign.serving(&["--json", "--config", &settings]);
        let mut lines = lines.iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
        let metrics = lines.next().unwrap()["metrics"].as_str().unwrap().to_owned();
        let alert = lines.find(|line| line["what"] == "alert").unwrap();
        assert_eq!((alert["type"].as_str(), alert["kind"].as_str()), (Some(change), Some("files")), "{alert}");
        let metrics = python("metrics.py", [format!("http://{metrics}/metrics")]);
        assert!(serving.terminate().success());
        (
            alert,
            ["waiting", "gone", "unreadable"]
                .map(|state| metrics[format!("consign_missing_files{{source=s,state={state},tenant=default}}")].as_f64()),
        )
    };
    let (alert, counts) = alerts("alert.fired");
    assert_eq!((&alert["unreadable"], &alert["gone"], counts), (&json!(2), &json!(1), [2.0, 1.0, 2.0].map(Some)), "{alert}");
    assert!(alert["text"].as_str().unwrap().contains("consign fetch s --list") && !alert.to_string().contains("refused"), "{alert}");
    // Nothing is asked for again before its time, and then by who asks for it.
    assert_eq!(fetch(&rules("t0ken"), &[])["fetched"]["files"], 0);
    let again = fetch(&rules("t0ken"), &["--again"]);
    assert_eq!((&again["fetched"]["files"], &again["not_there"]), (&json!(1), &json!({ "waiting": 2, "gone": 1, "unreadable": 1 })), "{again}");
    consign.json(&["run", "all"]);
    let late = python("asked.py", ["files", "--mail", &inbox.maildir().display().to_string(), "--port", &one.to_string()]);
    say(format_args!("fetched: {late}"));
    // Had by another way, it is wanted no more.
    consign.write("refused.pdf", "%PDF-1.4");
    let mut had: Value = serde_json::from_str(&line((4, &files[4]))).unwrap();
    had["attachments"][0]["path"] = json!("refused.pdf");
    consign.import("jsonl", &consign.write("had.jsonl", format!("{had}\n")), "s");
    assert_eq!(alerts("alert.resolved").1, [2.0, 1.0, 0.0].map(Some));
    consign.run(&["fetch", "--config", &consign.write("none.toml", "").display().to_string()]).refused(1, &["no [[fetch]]"]);
    consign.run(&["fetch", "other", "--config", &rules("x")]).refused(1, &["no [[fetch]] with source = \"other\""]);
}
