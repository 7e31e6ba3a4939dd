//! The commands with `--server`: a tenant's whole day by a server alone, held to what the same commands say of the server's data folder when it has ended; and what is said
//! where a server, a token or a role is not what it should be.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use consign_tests::{Consign, Inbox, Ran, Running, Served, Target, event_lines, guests, holds, one_policy, secret, until};
use serde_json::{Value, json};

/// Somebody who gives commands to a server, and all that they have read.
struct Person<'s> {
    served: &'s Served,
    url: String,
    token: String,
    tenant: Option<&'s str>,
    read: RefCell<String>,
}

impl<'s> Person<'s> {
    fn new(served: &'s Served, token: &str, tenant: Option<&'s str>) -> Self {
        Self { served, url: format!("http://{}", served.address), token: token.to_owned(), tenant, read: RefCell::default() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let tenant = self.tenant.map_or_else(Vec::new, |tenant| vec!["--tenant", tenant]);
        // The data folder that the environment names is the server's own: what is said on the command line goes before it.
        let mut command = self.served.consign.command(&[&["--server", &self.url], tenant.as_slice(), args].concat());
        command.env("CONSIGN_TOKEN", &self.token).env("CONSIGN_LOG", "trace,hyper_util=off");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        let ran = Ran::of(self.command(args));
        self.read.borrow_mut().extend([ran.stdout.as_str(), ran.stderr.as_str()]);
        ran
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).succeeded().json()
    }

    /// A file beside the server's data folder.
    fn beside(&self, name: &str) -> String {
        self.served.consign.beside(name).display().to_string()
    }

    /// Fails the test where the token, or what is secret, stands in anything that they have read.
    fn has_read_no(&self, secret: &str) {
        assert!(!self.read.borrow().contains(secret), "a secret was printed");
        assert!(self.read.borrow().len() > 100, "nothing was read");
    }
}

/// The paths of all fields, with those of what lists have.
fn fields(value: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    found.insert(path.clone());
                    walk(value, &path, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{path}[]"), found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(value, "", &mut found);
    found
}

/// Without what each of two places says of itself: where manifests are had, what the clock says.
fn comparable(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for name in ["manifest", "next_due"] {
                if let Some(value) = fields.get_mut(name).filter(|value| value.is_string()) {
                    *value = json!("…");
                }
            }
            fields.values_mut().for_each(|value| *value = comparable(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = comparable(item.take())),
        _ => {}
    }
    value
}

/// A target that is not there, and a policy for it.
fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Target::plain(port).retrying(300, 600, 3600).toml_with(&[("lost", "")]).replace("\"archive\"", "\"nowhere\"")
}

/// A mistake is said by the file and line where it stands, as it is of a data folder, and nothing of any file is applied.
fn says_where_a_mistake_is(ann: &Person<'_>, here: &Consign, good: &str) {
    let bad = ann.served.consign.write("bad.toml", "[[policy]]\nname = \"b\"\ntarget = \"none\"\ncolour = 1\n").display().to_string();
    let said = |ran: Ran| {
        let ran = ran.refused(1, &["nothing was applied", "bad.toml, line 4", "colour"]);
        ran.stderr.lines().filter(|line| line.starts_with("error") || line.starts_with("- ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(said(ann.run(&["apply", good, &bad])), said(here.run(&["apply", good, &bad])));
    let loose = ann.served.consign.write("loose.toml", "enabled = false\n").display().to_string();
    ann.run(&["apply", good, &loose]).refused(1, &["loose.toml", "'enabled'"]);
}

/// What a command said of a server, and then of its data folder: as JSON, and to a person.
fn says_the_same(args: &[&str], (json, text): (&Value, &str), (mut here, mut said): (Value, String)) {
    if args == ["audit", "list"] {
        // The end of the import that came by the server, for one, is entered when it ends.
        here.as_array_mut().unwrap().truncate(json.as_array().unwrap().len());
        said = said.split_inclusive('\n').take(text.lines().count()).collect();
    }
    assert!(comparable(json.clone()) == comparable(here.clone()), "{args:?}\nthere {json}\nhere  {here}");
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with("manifest: ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(text), lines(&said), "{args:?}");
}

/// A secret goes in by standard input, and never comes out.
fn keeps_a_secret(ann: &Person<'_>) {
    let mut child = ann.command(&["secret", "keep", "archive"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("is kept"), "{output:?}");
    assert_eq!(ann.json(&["secret", "list"])[0]["name"], "archive");
    ann.run(&["secret", "remove", "other"]).refused(1, &["no secret 'other'"]);
}

/// Answers what was said of the push. `events`: a file that is no module, and no signature; `here`: a data folder that has nothing.
fn pushes_a_module(ann: &Person<'_>, here: &Consign, events: &str) -> Value {
    let module = ann.served.consign.write("honest.wasm", guests::honest()).display().to_string();
    let pushed = ann.json(&["module", "push", &module]);
    assert_eq!((&pushed["again"], &pushed["signed_by"]), (&json!(false), &Value::Null), "{pushed}");
    assert!(ann.run(&["module", "push", &module]).succeeded().stdout.contains("nothing was changed"));
    for args in [&["module", "push", events][..], &["module", "push", &module, "--signature", events]] {
        let said = |ran: Ran| ran.ended(1).stderr.lines().rfind(|line| line.starts_with("error")).unwrap().to_owned();
        assert_eq!(said(ann.run(args)), said(here.run(args)));
    }
    ann.run(&["module", "show", "acme/nothing"]).refused(1, &["no module 'acme/nothing'"]);
    pushed
}

/// Answers the token as it was made.
fn revokes_a_token(ann: &Person<'_>) -> Value {
    let made = Ran::of(ann.command(&["--json", "token", "create", "bob", "--role", "auditor"])).succeeded().json();
    let ended = ann.json(&["token", "revoke", made["id"].as_str().unwrap()]);
    assert!(ended["revoked_at"].is_string() && ended.get("secret").is_none(), "{ended}");
    made
}

/// Rules, a hold, an erasure that it stands in the way of, a key for modules. Answers what was said of the rule.
fn keeps_and_lets_go(ann: &Person<'_>) -> Value {
    ann.run(&["retention", "set", "7 years", "--source", "cat"]).refused(1, &["no source 'cat'"]);
    let set = ann.json(&["retention", "set", "7 years", "--source", "chat"]);
    assert_eq!(set["rules"][0]["source"], "chat", "{set}");
    ann.json(&["retention", "set", "9 years"]);
    assert!(ann.run(&["retention", "unset"]).succeeded().stdout.contains("Everything else is kept for ever"));
    ann.run(&["retention", "unset"]).refused(1, &["no such rule"]);
    let placed = ann.json(&["hold", "place", "matter", "--reason", "a matter", "--source", "chat"]);
    assert_eq!((&placed["holds"][0]["name"], &placed["version"]), (&json!("matter"), &json!(4)), "{placed}");
    ann.run(&["hold", "place", "matter", "--reason", "again"]).refused(1, &["a hold 'matter' already"]);
    ann.run(&["hold", "lift", "other"]).refused(1, &["no hold 'other'"]);
    assert_eq!(ann.json(&["retention", "run", "--dry-run"])["deleted"], 0);
    let user = ann.run(&["erase", "--source", "chat", "--user", "U1", "--reason", "asked for", "--dry-run", "--json"]).ended(3).json();
    assert!(user["certificate"]["held"].as_u64() > Some(0) && user["certificate"]["erased"] == 0, "{user}");
    ann.run(&["erase", "--source", "chat", "--user", "nobody", "--reason", "asked for"]).refused(1, &["no user of source"]);
    ann.run(&["module", "keys", "add", "ann", "no key"]).refused(1, &["key"]);
    let key = "07".repeat(32);
    assert!(ann.run(&["module", "keys", "add", "ann", &key]).succeeded().stdout.contains("added the key ann (Ed25519"));
    assert_eq!(ann.json(&["module", "keys", "remove", "ann"]), json!({ "removed": "ann" }));
    ann.run(&["module", "keys", "add", "bob", &key]).succeeded();
    set
}

/// A link signs a second person in; what one proposes another approves. Answers a file that takes two people, and what was said of it.
fn takes_two_people(operator: &Person<'_>, ann: &Person<'_>, good: &str, write: &dyn Fn(&str, &str) -> String) -> (String, Value) {
    let made = operator.json(&["--tenant", "acme", "token", "link", "bob", "--role", "tenant-administrator", "--within", "30m"]);
    assert!(made["link"].as_str().unwrap().starts_with(&format!("{}/console/first#", ann.url)), "{made}");
    let elsewhere = operator.json(&["--tenant", "acme", "token", "link", "eve", "--role", "auditor", "--console", "https://consign.example/"]);
    assert!(elsewhere["link"].as_str().unwrap().starts_with("https://consign.example/console/first#"), "{elsewhere}");
    assert!(ann.run(&["token", "list"]).succeeded().stdout.contains("a link, not used, good until"));

    let token = operator.json(&["--tenant", "acme", "token", "create", "bob", "--role", "tenant-administrator"]);
    let bob = Person::new(ann.served, token["secret"].as_str().unwrap(), None);
    assert_eq!(ann.json(&["proposal", "two-people", "on"]), json!({ "two_people": true }));
    let other = write("other.toml", &std::fs::read_to_string(good).unwrap().replace("archive.example", "second.example"));
    let kept = ann.run(&["apply", &other, "--json"]).ended(3).json();
    let (id, digest) = (kept["proposal"]["id"].as_str().unwrap(), kept["proposal"]["digest"].as_str().unwrap());
    assert!(ann.run(&["proposal", "show", id]).succeeded().stdout.contains("second.example"));
    ann.run(&["proposal", "approve", id, digest]).refused(1, &["another person"]);
    bob.run(&["proposal", "approve", id, &"0".repeat(64)]).refused(1, &["not"]);
    assert!(bob.run(&["proposal", "approve", id, digest]).succeeded().stdout.contains("target archive: changed"));
    let off = ann.run(&["proposal", "two-people", "off", "--json"]).ended(3).json();
    assert_eq!(bob.json(&["proposal", "reject", off["proposal"]["id"].as_str().unwrap()])["state"], "rejected");
    (other, kept)
}

/// What reads. `name`: of a module, `log`: a file with the audit log.
fn reading<'a>(name: &'a str, log: &'a str) -> Vec<Vec<&'a str>> {
    let all: [&[&str]; 25] = [
        &["policies"],
        &["targets"],
        &["sources"],
        &["runs"],
        &["runs", "--policy", "all"],
        &["runs", "lost-000001"],
        &["held"],
        &["explain", "all", "m7"],
        &["explain", "lost", "m7", "--chat", "acme"],
        &["logs", "all-000001"],
        &["quarantine", "list"],
        &["module", "list"],
        &["module", "show", name],
        &["module", "show", "std/keywords"],
        &["secret", "list"],
        &["token", "list"],
        &["audit", "list"],
        &["audit", "verify", log],
        &["keys"],
        &["module", "keys", "list"],
        &["retention", "list"],
        &["hold", "list"],
        &["bill"],
        &["bill", "--csv"],
        &["proposal", "list"],
    ];
    all.iter().map(|args| args.to_vec()).collect()
}

#[test]
fn a_day_by_the_server_alone() {
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let operator = Person::new(&server, &server.operator, None);
    assert_eq!(operator.json(&["tenant", "create", "acme"]), json!({ "name": "acme" }));
    assert_eq!(operator.json(&["tenant", "list"]), json!([{ "name": "acme" }]));
    operator.run(&["runs"]).refused(2, &["belongs to no tenant", "--tenant"]);
    let of_acme = Person::new(&server, &server.operator, Some("acme"));
    let token = Ran::of(of_acme.command(&["--json", "token", "create", "ann", "--role", "tenant-administrator", "--days", "30"])).succeeded().json();
    operator.has_read_no(&server.operator);
    // Ann's own tenant needs no name.
    let ann = Person::new(&server, token["secret"].as_str().unwrap(), None);

    let write = |name: &str, text: &str| server.consign.write(name, text).display().to_string();
    let events = write("events.jsonl", &event_lines("acme", 90));
    let sent = ann.json(&["import", &events, "--source", "chat"]);
    assert_eq!((&sent["stored"], &sent["already_there"], &sent["refused"]), (&json!(90), &json!(0), &json!(0)), "{sent}");
    assert!(ann.run(&["import", &events, "--format", "jsonl", "--source", "chat"]).succeeded().stdout.contains("90 were there already"));
    let faulty = write("faulty.jsonl", "{\"type\":\"message\"}\n");
    ann.run(&["import", &faulty, "--format", "jsonl", "--source", "chat"]).refused(3, &["1 entries could not be read", "faulty.jsonl, line 1"]);

    let (here, good) = (Consign::new(), write("good.toml", &one_policy(&inbox, "all")));
    says_where_a_mistake_is(&ann, &here, &good);
    assert_eq!(ann.json(&["policies"]), json!([]));
    let lost = write("lost.toml", &nowhere());
    let applied = ann.json(&["apply", &good, &lost]);
    assert_eq!(applied.as_array().unwrap().len(), 4, "{applied}");
    assert!(ann.run(&["apply", &good]).succeeded().stdout.contains("policy all: unchanged (version 1)"));

    // Runs are waited for, and what is printed of them is what a data folder's run prints.
    let run = ann.json(&["run", "all"]);
    assert_eq!((&run["run"], &run["events"]["exported"], &run["emails"]["accepted"]), (&json!("all-000001"), &json!(90), &json!(1)), "{run}");
    assert_eq!(inbox.count(), 1);
    let text = ann.run(&["run", "all"]).succeeded().stdout;
    assert!(
        text.contains("Run all-000002 of policy 'all'")
            && text.contains("e-mails accepted")
            && text.contains(&format!("{}/v1/tenants/acme/runs", ann.url)),
        "{text}"
    );
    let held = ann.run(&["run", "lost", "--json"]).ended(3).json();
    assert_eq!((&held["events"]["held"], &held["chats"]["held"]), (&json!(90), &json!(1)), "{held}");
    let window = ann.json(&["held", "--policy", "lost"])[0]["id"].as_str().unwrap().to_owned();
    ann.run(&["held"]).succeeded();
    let again = ann.run(&["held", "retry", &window[..8], "--json"]).ended(3).json();
    assert_eq!((&again[0]["supplements"]["windows"], &again[0]["supplements"]["done"]), (&json!(1), &json!(0)), "{again}");
    ann.run(&["held", "retry", "ffffffffffff"]).refused(1, &["no held window"]);
    ann.run(&["run", "nothing"]).refused(1, &["no policy 'nothing'"]);

    keeps_a_secret(&ann);
    let (pushed, revoked) = (pushes_a_module(&ann, &here, &events), revokes_a_token(&ann));
    let (module, name) = (ann.beside("honest.wasm"), pushed["manifest"]["name"].as_str().unwrap().to_owned());

    // The log and a manifest, checked here by what the server hands out.
    let (log, mail) = (server.consign.beside("audit.jsonl").display().to_string(), inbox.maildir().display().to_string());
    let exported = ann.json(&["audit", "export", &log]);
    assert_eq!(ann.json(&["audit", "verify"])["entries"], exported["entries"]);
    assert!(ann.run(&["audit", "list", "--last", "1"]).succeeded().stdout.lines().count() == 1);
    assert_eq!(ann.json(&["verify", "all-000001", "all-000002", "--mail", &mail])["intact"], 1);
    ann.run(&["verify", "all-000009"]).refused(1, &["no run 'all-000009'"]);
    ann.run(&["verify", "all-000001", "--mail", &mail, "--key", &"A".repeat(44)]).refused(1, &["not as they were written"]);

    let rule = keeps_and_lets_go(&ann);
    let (other, proposed) = takes_two_people(&operator, &ann, &good, &write);
    // Of the server, and of its data folder when it has ended: the same, word for word.
    let asked = reading(&name, &log);
    let there: Vec<(Value, String)> = asked.iter().map(|args| (ann.json(args), ann.run(args).succeeded().stdout)).collect();
    ann.has_read_no(&ann.token);
    ann.has_read_no("open sesame");
    ann.has_read_no(revoked["secret"].as_str().unwrap());
    let manifests = format!("{}/v1/tenants/acme/runs/", ann.url);
    server.stop();
    let local = |args: &[&str]| server.consign.run(&[&["--tenant", "acme"], args].concat()).succeeded();
    for (args, (json, text)) in asked.iter().zip(there) {
        says_the_same(args, (&json, &text), (local(&[args.as_slice(), &["--json"]].concat()).json(), local(args).stdout));
        assert!(text.lines().filter(|line| line.starts_with("manifest: ")).all(|line| line.contains(&manifests)), "{text}");
    }

    // What changes, beside the same in a data folder of its own.
    here.import("jsonl", std::path::Path::new(&events), "chat");
    let here = |args: &[&str], code| here.run(&[args, &["--json"]].concat()).ended(code).json();
    assert_eq!(comparable(here(&["apply", &good, &lost], 0)), comparable(applied));
    for (args, code, there) in [
        (&["run", "all"][..], 0, &run),
        (&["run", "lost"], 3, &held),
        (&["held", "retry"], 3, &again),
        (&["module", "push", &module], 0, &pushed),
        (&["tenant", "create", "acme"], 0, &json!({ "name": "acme" })),
        (&["audit", "export", &log], 0, &exported),
        (&["retention", "set", "7 years", "--source", "chat"], 0, &rule),
        (
            &["retention", "run", "--dry-run"],
            0,
            &json!({ "chats": 0, "deleted": 0, "dry_run": true, "files": 0, "held": 0, "owed": 0, "unreadable": 0 }),
        ),
        (&["proposal", "two-people", "on"], 0, &json!({ "two_people": true })),
        (&["apply", &other], 3, &proposed),
    ] {
        assert_eq!(fields(&here(args, code)), fields(there), "{args:?}");
    }
    assert!(!holds(&server.consign.data(), secret(&token, "secret")), "the token lies in the data folder");
}

/// Answers each connection with these bytes, so often, and says what it was sent.
fn answering(with: &'static [u8], times: usize) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let mut heard = String::new();
        for _ in 0..times {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                request.push(byte[0]);
            }
            heard.push_str(&String::from_utf8(request).unwrap());
            stream.write_all(with).unwrap();
        }
        heard
    });
    (url, answering)
}

#[test]
fn what_is_in_the_way_is_said() {
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let tokens = server.tenant("acme");
    server.tenant("other");
    let worthless = format!("consign_{}", "0".repeat(64));
    let by = |token: &str| Person::new(&server, token, None);
    let (admin, auditor, stranger) = (by(secret(&tokens, "tenant-administrator")), by(secret(&tokens, "auditor")), by(&worthless));
    let policy = server.consign.write("all.toml", one_policy(&inbox, "all")).display().to_string();
    admin.run(&["apply", &policy]).succeeded();

    stranger.run(&["runs"]).refused(1, &["this token is none of ours", "--token-file", "consign token create"]);
    auditor.run(&["runs"]).succeeded();
    auditor.run(&["run", "all"]).refused(1, &["write-policies", "auditor", "a token of a role that may"]);
    let ran = auditor.run(&["--json", "run", "all"]).ended(1);
    let error: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&error["code"], &error["status"]), (&json!("forbidden"), &json!(403)), "{error}");
    // Another's tenant is none.
    admin.run(&["--tenant", "other", "runs"]).refused(1, &["no tenant 'other'", "--tenant"]);

    // What the API does not offer is refused before anything is sent, and says what to do.
    for (args, says) in [
        (&["reconcile", "all"][..], "--data DIR"),
        (&["run", "all", "--preview", "out"], "/console/"),
        (&["replay", "all-000001"], "--data DIR"),
        (&["token", "create", "root", "--role", "platform-administrator"], "whoever has the data"),
        (&["import", "nowhere.zip", "--format", "slack", "--source", "s"], "JSON lines"),
        (&["doctor"], "consign doctor --data DIR"),
        (&["serve"], "leave out --server"),
        (&["--by", "Ann", "runs"], "--by"),
    ] {
        admin.run(args).refused(2, &[says]);
    }
    // What needs no server goes on without one.
    server.consign.run(&["--server", "http://127.0.0.1:1", "lint", &policy, "--profile", "plain"]).ended(1);

    for person in [&admin, &auditor, &stranger] {
        person.has_read_no(&person.token);
    }
    let runs = admin.json(&["runs"]);
    assert_eq!(runs, json!([]), "of what was refused nothing was done");
    let (url, token) = (admin.url.clone(), admin.token.clone());
    server.stop();
    let mut command = server.consign.command(&["runs", "--server", &url]);
    let stopped = Ran::of({
        command.env("CONSIGN_TOKEN", &token);
        command
    });
    assert!(!stopped.stderr.contains(&token));
    stopped.refused(1, &["does not answer", "consign serve"]);
}

#[test]
fn it_is_said_whether_a_server_or_a_folder_does_it() {
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let tokens = server.tenant("acme");
    let (url, token) = (format!("http://{}", server.address), secret(&tokens, "tenant-administrator"));
    let url = url.as_str();
    let policy = server.consign.write("all.toml", one_policy(&inbox, "all")).display().to_string();
    let worthless = format!("consign_{}", "0".repeat(64));
    let data = server.consign.data().display().to_string();
    let ran = |args: &[&str], vars: &[(&str, &str)]| {
        let mut command = server.consign.command(args);
        command.env_remove("CONSIGN_DATA").envs(vars.iter().copied());
        Ran::of(command)
    };
    ran(&["runs", "--json"], &[("CONSIGN_SERVER", url), ("CONSIGN_TOKEN", token)]).succeeded();
    ran(&["runs"], &[("CONSIGN_SERVER", url), ("CONSIGN_TOKEN", token), ("CONSIGN_DATA", &data)]).refused(2, &["CONSIGN_SERVER and CONSIGN_DATA"]);
    ran(&["runs", "--server", url, "--data", &data], &[("CONSIGN_TOKEN", token)]).refused(2, &["either --server or --data"]);
    // Named on the command line the folder goes before; that is the running server's.
    ran(&["runs", "--data", &data], &[("CONSIGN_SERVER", url), ("CONSIGN_TOKEN", token)]).refused(1, &["in use"]);
    let file = server.consign.write("token", format!("{token}\n")).display().to_string();
    ran(&["runs", "--server", url, "--token-file", &file], &[("CONSIGN_TOKEN", &worthless)]).succeeded();
    ran(&["runs", "--server", url, "--token", token], &[("CONSIGN_TOKEN", &worthless)]).succeeded();
    ran(&["runs", "--server", url, "--token", token, "--token-file", &file], &[]).refused(2, &["two tokens"]);
    ran(&["runs", "--server", url], &[]).refused(2, &["without a token", "--token-file", "CONSIGN_TOKEN"]);
    ran(&["runs", "--server", url, "--token-file", &policy], &[]).refused(2, &["all.toml does not hold a token"]);
    ran(&["runs", "--token", token], &[]).refused(2, &["no server", "--server"]);
    // In clear it goes to no other machine, unless somebody says so; `.invalid` is nowhere.
    ran(&["runs", "--server", "http://archive.invalid"], &[("CONSIGN_TOKEN", token)]).refused(2, &["in clear", "--allow-plaintext"]);
    ran(&["runs", "--server", "http://archive.invalid", "--allow-plaintext"], &[("CONSIGN_TOKEN", token)]).refused(1, &["does not answer"]);
    ran(&["runs", "--server", &format!("https://{}", server.address)], &[("CONSIGN_TOKEN", token)]).refused(1, &["not trusted", "is it TLS"]);
    let help = ran(&["runs", "--help"], &[("CONSIGN_TOKEN", token)]).succeeded().stdout;
    assert!(help.contains("Others on this machine can see it") && !help.contains(token), "{help}");
    server.stop();
}

#[test]
fn the_token_goes_to_nobody_whom_another_names() {
    let (here, token) = (Consign::new(), format!("consign_{}", "1".repeat(64)));
    let ran = |args: &[&str]| {
        let mut command = here.command(args);
        let ran = Ran::of({
            command.env("CONSIGN_TOKEN", &token);
            command
        });
        assert!(!ran.stdout.contains(&token) && !ran.stderr.contains(&token), "{args:?}");
        ran
    };
    // Something else answers there, or sends it elsewhere: the token does not go on.
    let elsewhere = |with, times, says: &[&str]| {
        let (url, heard) = answering(with, times);
        ran(&["runs", "--server", &url]).refused(1, says);
        heard.join().unwrap()
    };
    elsewhere(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n<html>no\n", 1, &["is not the API", "502"]);
    elsewhere(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>no\n", 1, &["another release"]);
    elsewhere(
        b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
        1,
        &["https://elsewhere.example/", "not shown to whom another names"],
    );
    // What reads is asked again where the connection is lost; what changes is not, and says so.
    let heard = elsewhere(b"", 4, &["does not answer"]);
    assert_eq!(heard.matches("GET /v1/me ").count(), 4, "{heard}");
    let (url, heard) = answering(b"", 1);
    let lost = ran(&["--tenant", "acme", "run", "all", "--server", &url]);
    lost.refused(1, &["may have done what was asked or not"]);
    assert_eq!(heard.join().unwrap().matches("POST /v1/tenants/acme/policies/all/runs ").count(), 1);
}

/// A server's certificate is held to the authorities of the system, or of the file by which OpenSSL's programs are told of others.
#[test]
fn a_server_that_nobody_vouches_for_gets_no_token() {
    let here = Consign::new();
    let [key, certificate] = ["key.pem", "certificate.pem"].map(|name| here.beside(name).display().to_string());
    let made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=consign-tests -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    let mut openssl = Command::new("openssl");
    Ran::of({
        openssl.args(made.split(' ')).args(["-keyout", &key, "-out", &certificate]);
        openssl
    })
    .succeeded();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = Command::new("openssl");
    server.args(["s_server", "-www", "-quiet", "-accept", &address.to_string(), "-cert", &certificate, "-key", &key]);
    let _server = Running::of(server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    until("the server to listen", || TcpStream::connect(address).is_ok());
    let runs = |host: &str, trusted: bool| {
        let mut command = here.command(&["runs", "--server", &format!("https://{host}:{}", address.port())]);
        command.env("CONSIGN_TOKEN", format!("consign_{}", "1".repeat(64)));
        if trusted {
            command.env("SSL_CERT_FILE", &certificate);
        }
        Ran::of(command)
    };
    runs("localhost", false).refused(1, &["is not trusted", "UnknownIssuer", "ca-certificates"]);
    runs("127.0.0.1", true).refused(1, &["is not trusted", "the address has to be the one that it is made for"]);
    // Here somebody vouches for it; what it answers is a page of OpenSSL's.
    runs("localhost", true).refused(1, &["another release"]);
}
