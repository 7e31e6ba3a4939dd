//! The API of `consign serve`: who may do what of whose, asked for every operation of the document by Python; and a day's work of two tenants through it
//! alone, which ends in e-mails and in an audit log that says who did what.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use consign_tests::{
    Inbox, Postfix, Protection, Ran, Served as Server, Target, USER, ask_at, event_lines as lines, holds, one_policy as policy, python, say, secret,
    seed, until,
};
use guests::{WITH_FILES, leaves_out};
use serde_json::{Value, json};

#[test]
fn two_tenants_work_through_it_alone() {
    let (inboxes, mut server) = ([Inbox::start(), Inbox::start()], Server::start());
    let tenants = ["acme", "other"].map(|name| (name, server.tenant(name)));
    for (inbox, (name, tokens)) in inboxes.iter().zip(&tenants) {
        let events = format!("/v1/tenants/{name}/sources/chat/events");
        let receipt = server.asked("POST", &events, secret(tokens, "ingest"), lines(name, 90), 200);
        assert_eq!((&receipt["stored"], &receipt["already_there"]), (&json!(90), &json!(0)), "{receipt}");
        let again = server.asked("POST", &events, secret(tokens, "ingest"), lines(name, 90), 200);
        assert_eq!((&again["stored"], &again["already_there"]), (&json!(0), &json!(90)), "{again}");

        // An author may not say where e-mails go; an administrator may; then the author's policy can use it.
        let (author, apply) = (secret(tokens, "policy-author"), format!("/v1/tenants/{name}/apply"));
        let refused = server.asked("POST", &apply, author, policy(inbox, "all"), 422);
        assert_eq!(refused["findings"][0]["at"], "target archive", "{refused}");
        let would = server.asked("POST", &format!("{apply}?check=true"), secret(tokens, "tenant-administrator"), policy(inbox, "all"), 200);
        let changed = server.asked("POST", &apply, secret(tokens, "tenant-administrator"), policy(inbox, "all"), 200);
        assert_eq!(would, changed);
        assert_eq!((&changed[0]["change"], &changed[1]["change"]), (&json!("new"), &json!("new")), "{changed}");
        let same = server.asked("POST", &apply, author, policy(inbox, "all"), 200);
        assert!(same.as_array().unwrap().iter().all(|one| one["change"] == "same"), "{same}");

        let asked = server.asked("POST", &format!("/v1/tenants/{name}/policies/all/runs"), author, "", 202);
        assert_eq!(asked["runs"], format!("/v1/tenants/{name}/runs?policy=all"));
        let run = server.run_of(name, secret(tokens, "auditor"), "all", 1);
        assert_eq!((&run["events"]["exported"], &run["emails"]["accepted"], &run["trigger"]), (&json!(90), &json!(1), &json!("hand")), "{run}");
        let manifest = server.asked("GET", &format!("/v1/tenants/{name}/runs/all-000001/manifest"), secret(tokens, "auditor"), "", 200);
        assert_eq!((&manifest["manifest"]["tenant"], &manifest["manifest"]["events"]["exported"]), (&json!(name), &json!(90)));
        let explained = server.asked("GET", &format!("/v1/tenants/{name}/explain?policy=all&event=m7"), secret(tokens, "auditor"), "", 200);
        assert_eq!(explained["events"][0]["fate"]["fate"], "exported", "{explained}");
        assert_eq!(inbox.count(), 1);
    }
    let listed = server.asked("GET", "/v1/tenants?limit=1", &server.operator, "", 200);
    assert_eq!(listed["items"], json!([{ "name": "acme" }]));
    let next = server.asked("GET", &format!("/v1/tenants?limit=1&after={}", listed["next"].as_str().unwrap()), &server.operator, "", 200);
    assert_eq!(next, json!({ "items": [{ "name": "other" }] }));

    // After another start all is as it was, and the log says who did what.
    server.stop();
    for (name, _) in &tenants {
        server.consign.run(&["--tenant", name, "audit", "verify"]).succeeded();
        let log = server.consign.json(&["--tenant", name, "audit", "list"]);
        let by = |what: &str| {
            let entry = log.as_array().unwrap().iter().find(|entry| entry["deed"]["what"] == what).unwrap();
            (entry["by"]["who"].clone(), entry["by"]["role"].clone())
        };
        assert_eq!(by("tenant-made"), (json!("token"), json!("platform-administrator")));
        assert_eq!(by("token-made"), (json!("token"), json!("platform-administrator")));
        assert_eq!(by("policy-saved"), (json!("token"), json!("tenant-administrator")));
        assert_eq!(by("run-begun"), (json!("token"), json!("policy-author")));
        assert_eq!(by("import-begun").0, json!("consign"));
        let import = log.as_array().unwrap().iter().find(|entry| entry["deed"]["what"] == "import-begun").unwrap();
        assert!(import["deed"]["input"].as_str().unwrap().contains("/sources/chat/events by token-"), "{import}");
    }
    server.again();
    let (name, tokens) = &tenants[0];
    server.asked("POST", &format!("/v1/tenants/{name}/policies/all/runs"), secret(tokens, "policy-author"), "", 202);
    let run = server.run_of(name, secret(tokens, "auditor"), "all", 2);
    assert_eq!((&run["run"], &run["events"]["examined"]), (&json!("all-000002"), &json!(0)), "{run}");
    server.stop();
}

/// Two who have read the same and change it: the second is told, and nothing of theirs is done. Of everything that shows a tag.
#[test]
fn a_change_is_made_of_what_was_seen() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    let path = |path: &str| format!("/v1/tenants/acme/{path}");
    let tag = |of: &str| server.ask("GET", &path(of), admin, b"").header("etag").unwrap().to_owned();
    let with = |method: &str, of: &str, headers: &[(&str, &str)], body: &str, status: u16| {
        let answer = server.ask_with(method, &path(of), admin, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {of} {headers:?}: {}", answer.body);
        if status == 412 {
            assert_eq!(answer.body["code"], "not-as-expected", "{}", answer.body);
        }
        answer
    };
    let (first, new) = (policy(&inbox, "all"), ("If-None-Match", "*"));
    let second = first.replace("name = \"all\"", "name = \"all\"\nenabled = false");
    assert_ne!(first, second);
    with("POST", "apply", &[("If-Match", "*")], &first, 412);
    with("POST", "apply", &[new], &first, 200);
    with("POST", "apply", &[new], &first, 412);
    let seen = tag("policies/all");
    with("GET", "policies/all", &[("If-None-Match", &seen)], "", 304);
    with("GET", "policies/all", &[("If-None-Match", "\"other~1\"")], "", 200);
    // That a run was asked for shows, and is no change of the policy.
    with("POST", "policies/all/runs", &[], "", 202);
    server.run_of("acme", admin, "all", 1);
    with("POST", "apply?check=true", &[("If-Match", "\"policy:all:7~00\"")], &second, 412);
    with("POST", "apply", &[("If-Match", &seen)], &second, 200);
    with("POST", "apply", &[("If-Match", &seen)], &first, 412);
    // What a text leaves as it is nobody has to have seen; what it changes they have, each thing of it, or nothing is changed at all.
    let both = first.replace("\nto = ", "\nsubject = \"Export\"\nto = ");
    assert_ne!(first, both);
    let now = tag("policies/all");
    with("POST", "apply", &[("If-Match", &now)], &both, 412);
    assert_eq!((tag("policies/all"), server.asked("GET", &path("targets/archive"), admin, "", 200)["version"].clone()), (now.clone(), json!(1)));
    with("POST", "apply", &[("If-Match", &format!("{now}, {}", tag("targets/archive")))], &both, 200);
    assert_eq!(server.asked("GET", &path("targets/archive"), admin, "", 200)["version"], json!(2));

    with("PUT", "secrets/smtp", &[("If-Match", "*")], "one", 412);
    let kept = with("PUT", "secrets/smtp", &[new], "one", 204).header("etag").unwrap().to_owned();
    assert_eq!(kept, tag("secrets/smtp"));
    with("PUT", "secrets/smtp", &[new], "two", 412);
    with("PUT", "secrets/smtp", &[("If-Match", &kept)], "one", 204);
    with("PUT", "secrets/smtp", &[("If-Match", &kept)], "three", 412);
    with("DELETE", "secrets/smtp", &[("If-Match", &kept)], "", 412);
    with("DELETE", "secrets/smtp", &[("If-Match", &tag("secrets/smtp"))], "", 204);

    let token = server.token("acme", admin, "auditor")["id"].as_str().unwrap().to_owned();
    let (token, quarantines) = (format!("tokens/{token}"), "policies/all/quarantines");
    let seen = tag(&token);
    with("DELETE", &token, &[("If-Match", &seen)], "", 200);
    with("DELETE", &token, &[("If-Match", &seen)], "", 412);
    with("POST", &format!("{quarantines}/release"), &[("If-Match", "\"quarantines:all:0~0\"")], "{}", 412);
    with("POST", &format!("{quarantines}/release"), &[("If-Match", &tag(quarantines))], "{}", 200);

    // Of many at once who have seen the same one is the first, and nothing of the others is done.
    let seen = tag("policies/all");
    let texts: Vec<String> =
        (0..8).map(|number| both.replace("name = \"all\"", &format!("name = \"all\"\nquarantine-after = {}", number + 4))).collect();
    let address = &server.address;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = texts
            .iter()
            .map(|text| scope.spawn(|| ask_at(address, ("POST", "/v1/tenants/acme/apply"), admin, &[("If-Match", &seen)], text.as_bytes()).status))
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!((statuses.iter().filter(|one| **one == 200).count(), statuses.iter().filter(|one| **one == 412).count()), (1, 7), "{statuses:?}");
    server.stop();
    server.consign.run(&["--tenant", "acme", "audit", "verify"]).succeeded();
}

/// What is asked again by its key is answered as it was, also after another start, and done once; its answers lie nowhere in clear.
#[test]
fn a_request_with_a_key_is_made_once() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    let admin = secret(&acme, "tenant-administrator");
    let tokens = "/v1/tenants/acme/tokens";
    let new = json!({ "name": "ci", "role": "auditor", "days": 3 }).to_string();
    let ask = |server: &Server, token: &str, key: &str, path: &str, body: &str| {
        server.ask_with("POST", path, token, &[("Idempotency-Key", key)], body.as_bytes())
    };
    let how_many = |server: &Server| server.asked("GET", tokens, admin, "", 200)["items"].as_array().unwrap().len();
    let before = how_many(&server);
    let first = ask(&server, admin, "k1", tokens, &new);
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None), "{}", first.body);
    let same = |server: &Server| {
        let again = ask(server, admin, "k1", tokens, &new);
        assert_eq!((again.status, again.header("idempotency-replayed"), &again.body), (201, Some("true"), &first.body));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(how_many(server), before + 1);
    };
    same(&server);
    let reused = |path: &str, body: &str| assert_eq!(ask(&server, admin, "k1", path, body).body["code"], "idempotency-key-reused");
    reused(tokens, &new.replace("ci", "cj"));
    reused("/v1/tenants/acme/policies/all/runs", "");
    for wrong in ["", "a b", &"k".repeat(256)] {
        assert_eq!(ask(&server, admin, wrong, tokens, &new).status, 400, "{wrong:?}");
    }
    // Another caller's key is another, and so is another tenant's.
    let others = secret(&other, "tenant-administrator");
    assert_eq!(ask(&server, others, "k1", "/v1/tenants/other/tokens", &new).header("idempotency-replayed"), None);
    assert_eq!(ask(&server, &server.operator, "k1", tokens, &new).header("idempotency-replayed"), None);
    let before = how_many(&server) - 1;
    let made = |key: &str| ask(&server, &server.operator, key, "/v1/tenants", r#"{"name":"third"}"#).status;
    assert_eq!((made("t"), made("t"), made("t2")), (201, 201, 200), "the first answer was that it is new");
    // A policy that is not there yet: that answer is kept too.
    let run = "/v1/tenants/acme/policies/all/runs";
    assert_eq!(ask(&server, admin, "r0", run, "").status, 404);
    server.asked("POST", "/v1/tenants/acme/apply", admin, policy(&inbox, "all"), 200);
    assert_eq!((ask(&server, admin, "r0", run, "").status, ask(&server, admin, "r1", run, "").status), (404, 202));
    server.run_of("acme", admin, "all", 1);
    assert_eq!(ask(&server, admin, "r1", run, "").header("idempotency-replayed"), Some("true"));

    // Of many that come at once one is made; the others wait, or are told that it is under way.
    let address = &server.address;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ask_at(address, ("POST", tokens), admin, &[("Idempotency-Key", "k2")], new.as_bytes()).status)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(statuses.contains(&201) && statuses.iter().all(|one| [201, 409].contains(one)), "{statuses:?}");
    assert_eq!(how_many(&server), before + 2);
    server.stop();
    let text = first.body["secret"].as_str().unwrap();
    assert!(!holds(&server.consign.data(), text), "it lies in the data folder in clear");
    server.again();
    let again = ask(&server, admin, "k1", tokens, &new);
    assert_eq!((again.status, again.header("idempotency-replayed"), &again.body), (201, Some("true"), &first.body));
    assert_eq!((how_many(&server), server.ask("GET", "/v1/me", text, b"").status), (before + 2, 200));
    server.stop();
    server.consign.run(&["--tenant", "acme", "audit", "verify"]).succeeded();
}

/// What is under way by a key is not done twice at once; and what the end of the process cut off is not done again by itself: nobody knows whether it was done.
#[test]
fn a_request_that_was_cut_off_is_told_so() {
    let mut server = Server::start();
    // Takes connections and says nothing, so the e-mail is under way for as long as this is there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    let target = Target::plain(silent.local_addr().unwrap().port()).toml();
    server.asked("POST", "/v1/tenants/acme/apply", admin, target, 200);
    let test = |server: &Server, path: &str| {
        server.ask_with("POST", &format!("/v1/tenants/acme/targets/archive/{path}"), admin, &[("Idempotency-Key", "k")], b"")
    };
    let mut first = TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST /v1/tenants/acme/targets/archive/test HTTP/1.0\r\nAuthorization: Bearer {admin}\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n\r\n"
    );
    first.write_all(head.as_bytes()).unwrap();
    let (_held, _) = silent.accept().unwrap();
    let code = |server: &Server| (test(server, "test").status, test(server, "test").body["code"].clone());
    assert_eq!(code(&server), (409, json!("idempotency-under-way")));
    let other = server.ask_with("POST", "/v1/tenants/acme/apply", admin, &[("Idempotency-Key", "k")], b"");
    assert_eq!(other.body["code"], "idempotency-key-reused", "{}", other.body);
    // Whoever asked goes away: it is under way all the same.
    drop(first);
    assert_eq!(code(&server), (409, json!("idempotency-under-way")));
    server.killed();
    server.again();
    assert_eq!(code(&server), (409, json!("idempotency-cut-off")));
    server.stop();
}

/// Somebody who watches a run: the answer's body, as it comes.
fn watch(server: &Server, token: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = format!("GET /v1/tenants/acme/runs/all-000001/progress HTTP/1.0\r\nHost: consign\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.0 200") && head.to_lowercase().contains("\r\ncontent-type: text/event-stream\r\n"), "{head}");
    reader
}

/// The data of the next event of this name.
fn next_event(reader: &mut impl std::io::BufRead, name: &str) -> Value {
    let mut lines = reader.lines().map(Result::unwrap).skip_while(|line| *line != format!("event: {name}")).skip(1);
    serde_json::from_str(lines.next().unwrap().strip_prefix("data: ").unwrap()).unwrap()
}

/// Who watches a run hears how far it has come and that it has ended; a token that is taken back, and a server that stops, end it too.
#[test]
fn a_run_is_watched_as_it_goes_on() {
    let mut server = Server::start();
    // Takes connections and says nothing, so the run goes on until this is dropped.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    server.asked("POST", "/v1/tenants/acme/sources/chat/events", admin, lines("acme", 9), 200);
    let toml = Target::plain(silent.local_addr().unwrap().port()).toml_with(&[("all", "")]);
    server.asked("POST", "/v1/tenants/acme/apply", admin, toml, 200);
    server.asked("POST", "/v1/tenants/acme/policies/all/runs", admin, "", 202);
    until("the run to begin", || server.ask("GET", "/v1/tenants/acme/runs/all-000001", admin, b"").status == 200);
    let mut first = watch(&server, admin);
    // It is counted when it is frozen, which may be after the first look.
    let figures = std::iter::repeat_with(|| next_event(&mut first, "progress")).find(|figures| figures["chats"] == 1).unwrap();
    assert_eq!(figures, json!({ "chats": 1, "events": 9, "chats_done": 0, "chats_held": 0, "events_settled": 0 }));

    let auditor = server.token("acme", admin, "auditor");
    let mut second = watch(&server, auditor["secret"].as_str().unwrap());
    next_event(&mut second, "progress");
    server.asked("DELETE", &format!("/v1/tenants/acme/tokens/{}", auditor["id"].as_str().unwrap()), admin, "", 200);
    let mut rest = String::new();
    second.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("event: ended"), "{rest}");
    let mut many: Vec<BufReader<TcpStream>> = (0..15).map(|_| watch(&server, admin)).collect();
    let refused = server.ask("GET", "/v1/tenants/acme/runs/all-000001/progress", admin, b"");
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("too-many-watchers")), "{}", refused.body);
    many.clear();

    let reading = std::thread::spawn(move || {
        let mut rest = String::new();
        first.read_to_string(&mut rest).unwrap();
        drop(silent);
        rest
    });
    server.stop();
    let rest = reading.join().unwrap();
    assert!(!rest.contains("event: ended"), "{rest}");
    server.again();
    server.run_of("acme", admin, "all", 1);
    let ended = next_event(&mut watch(&server, admin), "ended");
    assert_eq!((&ended["run"], &ended["events"]["held"]), (&json!("all-000001"), &json!(9)), "{ended}");
    server.stop();
}

/// What the command line does with maps, keys, accounts, shadows and e-mails, through the API: its answers are held to the command line's own, to OpenSSL's and to the mailbox.
#[test]
fn what_the_command_line_does_is_done_through_it() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    let path = |path: &str| format!("/v1/tenants/acme/{path}");
    let asked = |server: &Server, method: &str, of: &str, body: &[u8], status: u16| server.asked(method, &path(of), admin, body, status);
    let events = json!({ "type": "user", "id": "U1", "name": "ann" }).to_string() + "\n" + &lines("acme", 90);
    asked(&server, "POST", "sources/chat/events", events.as_bytes(), 200);

    // The identity map.
    let map = "source,id,name,recorded\nchat,U1,Ann Archer,yes\nchat,U9,Nobody,no\n";
    let empty = asked(&server, "GET", "identities", b"", 200);
    assert_eq!((&empty["version"], &empty["unmatched"][0]["id"]), (&json!(0), &json!("U1")), "{empty}");
    let wrong = asked(&server, "PUT", "identities", b"id\nU1\n", 422);
    assert_eq!((&wrong["code"], &wrong["findings"][0]["line"]), (&json!("not-applicable"), &json!(2)), "{wrong}");
    let seen = server.ask("GET", &path("identities"), admin, b"").header("etag").unwrap().to_owned();
    let with = |body: &str| server.ask_with("PUT", &path("identities"), admin, &[("If-Match", &seen)], body.as_bytes());
    let applied = with(map);
    assert_eq!((applied.status, &applied.body["new"], &applied.body["map"]["matched"]), (200, &json!(2), &json!(1)), "{}", applied.body);
    assert_eq!(applied.body["map"]["unknown"], json!([{ "source": "chat", "id": "U9" }]));
    assert_eq!(with(&map.replace("Ann", "Anna")).status, 412);
    let users = asked(&server, "GET", "identities/users?limit=1", b"", 200);
    assert_eq!((&users["items"][0]["name"], users["next"].is_string()), (&json!("Ann Archer"), true), "{users}");

    // A policy with a shadow, what it would have done, and putting it in place.
    let shadow = "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"says 1\"] }\nshadow = { module = \"std/keywords\", config = { any = [\"says 2\"] } }";
    asked(&server, "POST", "apply", inbox.target().toml_with(&[("all", shadow)]).as_bytes(), 200);
    asked(&server, "POST", "policies/all/shadows/promote", b"{\"module\":\"acme/x@1.0.0\"}", 422);
    asked(&server, "POST", "policies/all/runs", b"", 202);
    let run = server.run_of("acme", admin, "all", 1);
    // 1 and 10 to 19; 2 and 20 to 29.
    assert_eq!(run["events"]["exported"], 11, "{run}");
    let shadows = asked(&server, "GET", "policies/all/shadows", b"", 200);
    assert_eq!(
        (&shadows[0]["gained"], &shadows[0]["lost"], &shadows[0]["runs"][0]["run"]),
        (&json!(11), &json!(11), &json!("all-000001")),
        "{shadows}"
    );

    // What became of January, and of all e-mails in the mailbox.
    let account = asked(&server, "GET", "policies/all/coverage?from=2026-01-01&to=2026-02-01", b"", 200);
    assert_eq!((&account["total"]["events"], &account["total"]["exported"], &account["total"]["omitted"]), (&json!(90), &json!(11), &json!(79)));
    assert_eq!((&account["complete"], &account["chats"][0]["chat"], &account["more_chats"]), (&json!(true), &json!("acme"), &json!(0)), "{account}");
    for wrong in ["from=2026-02-01&to=2026-01-01", "from=2020-01-01&to=2026-01-01", "from=x&to=2026-01-01", "from=2026-01-01"] {
        asked(&server, "GET", &format!("policies/all/coverage?{wrong}"), b"", 400);
    }
    let whole = asked(&server, "GET", "sources/chat/coverage", b"", 200);
    assert_eq!((&whole["complete"], &whole["chats"], &whole["with_gaps"]), (&json!(true), &json!(1), &json!([])), "{whole}");
    let mail = std::fs::read_dir(inbox.maildir().join("new")).unwrap().next().unwrap().unwrap().path();
    let mail = String::from_utf8(std::fs::read(mail).unwrap()).unwrap();
    let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID: <")?.strip_suffix('>')).unwrap().to_owned();
    for given in [id.clone(), format!("%3C{id}%3E"), format!("original.{id}")] {
        let story = asked(&server, "GET", &format!("emails/{given}"), b"", 200);
        assert_eq!(
            (&story["message_id"], &story["run"], &story["recipients"][0]["outcome"]),
            (&json!(id), &json!("all-000001"), &json!("accepted")),
            "{story}"
        );
        let events = story["events"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["event"], &story["more_events"]), (11, &json!("m1"), &json!(0)), "{story}");
    }
    assert_eq!(asked(&server, "GET", "emails/nobody@consign", b"", 404)["code"], "no-such-email");
    let promoted = asked(&server, "POST", "policies/all/shadows/promote", b"{}", 200);
    assert_eq!((&promoted["version"], &promoted["place"]), (&json!(2), &json!("criteria 1")), "{promoted}");
    assert_eq!(asked(&server, "POST", "policies/all/shadows/promote", b"{}", 422)["code"], "no-such-shadow");

    // Keys by which modules are signed, and a module that is.
    let (module, folder) = (leaves_out("acme/no-files", "1.0.0", WITH_FILES), server.consign.beside(""));
    std::fs::write(folder.join("module.wasm"), &module).unwrap();
    let openssl = |args: &[&str]| {
        let ran = Command::new("openssl").args(args).current_dir(&folder).output().unwrap();
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "ann.pem"]);
    let public = openssl(&["pkey", "-in", "ann.pem", "-pubout"]);
    openssl(&["pkeyutl", "-sign", "-rawin", "-in", "module.wasm", "-inkey", "ann.pem", "-out", "module.sig"]);
    let signature = String::from_utf8(openssl(&["base64", "-A", "-in", "module.sig"])).unwrap();
    assert_eq!(asked(&server, "PUT", "module-keys/ann", b"no key", 422)["code"], "no-key");
    let key = asked(&server, "PUT", "module-keys/ann", &public, 200);
    assert_eq!((&key["name"], &key["kind"]), (&json!("ann"), &json!("ed25519")), "{key}");
    assert_eq!(asked(&server, "PUT", "module-keys/ann", &public, 200), key);
    asked(&server, "PUT", "module-keys/ann", "07".repeat(32).as_bytes(), 409);
    assert_eq!(asked(&server, "POST", "modules", &module, 422)["code"], "not-signed");
    let upload = |signature: &str| server.ask_with("POST", &path("modules"), admin, &[("Module-Signature", signature)], &module);
    assert_eq!((upload("AAAA").status, upload("no base64!").status), (422, 400));
    let kept = upload(&signature);
    assert_eq!(kept.status, 201, "{}", kept.body);
    let shown = asked(&server, "GET", &format!("modules/{}", kept.body["digest"].as_str().unwrap()), b"", 200);
    assert_eq!((&shown["name"], &shown["signed_by"]), (&json!("acme/no-files@1.0.0"), &json!("ann")), "{shown}");
    let listed = asked(&server, "GET", "module-keys", b"", 200);
    asked(&server, "DELETE", "module-keys/ann", b"", 204);
    asked(&server, "DELETE", "module-keys/ann", b"", 404);
    let keys = asked(&server, "GET", "keys", b"", 200);
    server.stop();
    assert_eq!(server.consign.json(&["--tenant", "acme", "keys"]), keys);
    assert_eq!((&listed["items"][0], &server.consign.json(&["--tenant", "acme", "module", "keys", "list"])), (&key, &json!([])));
    let reconciled = server.consign.json(&["--tenant", "acme", "reconcile", "all", "--from", "2026-01-01", "--to", "2026-02-01"]);
    // The command line leaves out that nothing was deleted.
    let without = |mut counts: Value| {
        assert_eq!(counts.as_object_mut().unwrap().remove("deleted"), Some(json!(0)));
        counts
    };
    let chats: Vec<Value> = account["chats"].as_array().unwrap().iter().cloned().map(without).collect();
    assert_eq!((&reconciled["total"], &reconciled["chats"]), (&without(account["total"].clone()), &json!(chats)));
}

#[test]
fn nobody_reaches_what_is_anothers() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let file = server.two_tenants(&inbox);
    let figures = python("api.py", [&file]);
    say(format_args!("every operation by every role: {figures}"));
    assert!(figures["operations"].as_u64() >= Some(20) && figures["not_theirs"].as_u64() > Some(100), "{figures}");
    server.stop();
}

/// Requests that schemathesis makes up by the document, valid ones and others: no answer is a fault of ours, and none is off the description.
#[test]
fn made_up_requests_are_answered_as_described() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    server.asked("POST", "/v1/tenants/acme/sources/chat/events", admin, lines("acme", 5), 200);
    server.asked("POST", "/v1/tenants/acme/apply", admin, policy(&inbox, "all"), 200);
    let asked = server.asked("POST", "/v1/tenants/acme/policies/all/runs", admin, "", 202);
    let run = server.run_of("acme", admin, "all", 1);
    let token = server.token("acme", admin, "auditor")["id"].clone();
    let manifest = server.asked("GET", "/v1/tenants/acme/runs/all-000001/manifest", admin, "", 200);
    let email = &manifest["manifest"]["windows"][0]["emails"][0]["message_id"];
    let modules = server.asked("GET", "/v1/tenants/acme/modules", admin, "", 200);
    let module = format!("sha256:{}", modules["items"][0]["digest"].as_str().unwrap());
    let ids = json!({ "tenant": "acme", "policy": "all", "run": run["run"], "token": token, "source": "chat", "event": "m1", "secret": "archive", "target": "archive", "key": "ann", "email": email, "asked": asked["asked"], "module": module, "hold": "matter", "proposal": "proposal-0" });
    let examples = if std::env::var_os("CONSIGN_FULL").is_some() { "300" } else { "30" };
    let seed = seed(&format!("requests by the document, {examples} examples of each operation")).to_string();
    for (who, token) in [("tenant-administrator", admin), ("auditor", secret(&tokens, "auditor")), ("platform-administrator", &server.operator)] {
        if who == "platform-administrator" {
            // Made-up reasons would be taken, and nothing be left to ask about.
            let hold = json!({ "name": "stays", "reason": "these requests" });
            server.asked("POST", "/v1/tenants/acme/holds", admin, hold.to_string(), 201);
        }
        let mut command = Command::new("st");
        command.args(["run", &format!("http://{}/openapi.json", server.address), "--header", &format!("Authorization: Bearer {token}")]);
        command.args(["--max-examples", examples, "--seed", &seed, "--phases", "examples,coverage,fuzzing,stateful", "--no-color"]);
        // What a TOML file, a module or an event has to be no JSON Schema says.
        command.args(["--exclude-checks", "positive_data_acceptance"]);
        // Of what it makes up for a part of an address it drops much itself, and says so: nothing of ours.
        command.args(["--suppress-health-check", "filter_too_much"]);
        let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/schemathesis_hooks.py");
        command.env("SCHEMATHESIS_HOOKS", hooks).env("API_IDS", ids.to_string()).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(inbox.maildir());
        let ran = Ran::of(command);
        let figures = ran.stdout.lines().find(|line| line.contains(" generated, ")).unwrap_or_default().trim();
        say(format_args!("{who}: {figures}"));
        assert!(ran.code == Some(0) && figures.contains(" passed"), "as {who}, seed {seed}:\n{}{}", ran.stdout, ran.stderr);
    }
    // It still serves, and what it has is whole.
    assert_eq!(server.asked("GET", "/v1/tenants/acme/runs/all-000001", admin, "", 200)["run"], "all-000001");
    server.stop();
    server.consign.run(&["--tenant", "acme", "audit", "verify"]).succeeded();
}

/// A password that is put through the API signs in at a real Postfix, is in no file, answer or log in clear, and can be put right.
#[test]
fn a_kept_secret_signs_in_and_is_shown_to_nobody() {
    let Some(postfix) = Postfix::with(Protection::Good, true) else { return };
    let mut server = Server::start();
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator").to_owned();
    server.asked("POST", "/v1/tenants/acme/sources/chat/events", &admin, lines("acme", 9), 200);
    let put = |server: &Server, secret: &str, status| server.asked("PUT", "/v1/tenants/acme/secrets/archive", &admin, secret, status);
    for wrong in ["", "\n", "two\nlines", "a\0b"] {
        put(&server, wrong, 400);
    }
    put(&server, "not that one", 204);
    // The certificate's file is the machine's, so this target is its operator's to apply; the password is the tenant's.
    let target = postfix.target().with(&format!("username = {:?}", USER.0)).with("password = { secret = \"archive\" }");
    let toml = target.toml_with(&[("all", "")]);
    server.asked("POST", "/v1/tenants/acme/apply", &admin, &toml, 422);
    server.stop();
    let file = server.consign.write("acme.toml", &toml).display().to_string();
    server.consign.run(&["--tenant", "acme", "apply", &file]).succeeded();
    let missing = toml.replace("secret = \"archive\"", "secret = \"other\"");
    let file = server.consign.write("missing.toml", missing).display().to_string();
    server.consign.run(&["--tenant", "acme", "apply", &file]).refused(1, &["there is no secret 'other'", "consign secret keep other"]);
    server.again();
    let run = |server: &Server, ended| {
        server.asked("POST", "/v1/tenants/acme/policies/all/runs", &admin, "", 202);
        server.run_of("acme", &admin, "all", ended)
    };
    assert_eq!(run(&server, 1)["events"]["held"], 9, "with the wrong one nothing is sent");
    put(&server, &format!("{}\n", USER.1), 204);
    let again = run(&server, 2);
    assert_eq!((&again["tried_again"], &again["tried_again_done"]), (&json!(1), &json!(1)), "{again}");
    postfix.delivered(1);
    let listed = server.asked("GET", "/v1/tenants/acme/secrets", &admin, "", 200);
    assert_eq!((&listed["items"][0]["name"], listed.to_string().contains(USER.1)), (&json!("archive"), false), "{listed}");
    for path in ["targets", "audit", "policies", "runs", "held"] {
        let shown = server.asked("GET", &format!("/v1/tenants/acme/{path}"), &admin, "", 200).to_string();
        assert!(!shown.contains(USER.1), "{path}: {shown}");
    }
    server.asked("DELETE", "/v1/tenants/acme/secrets/archive", &admin, "", 204);
    server.asked("DELETE", "/v1/tenants/acme/secrets/archive", &admin, "", 404);
    server.stop();
    assert!(!holds(&server.consign.data(), USER.1), "it lies in the data folder in clear");
    server.consign.run(&["--tenant", "acme", "run", "all"]).refused(1, &["the secret 'archive'", "consign secret keep archive"]);
    let log = server.consign.json(&["--tenant", "acme", "audit", "list"]);
    let deeds = |what: &str| log.as_array().unwrap().iter().filter(|entry| entry["deed"]["what"] == what).count();
    assert_eq!((deeds("secret-kept"), deeds("secret-removed")), (2, 1), "{log}");
}

#[test]
fn worthless_tokens_are_slowed_down_and_others_are_not() {
    let mut server = Server::start();
    let worthless = format!("consign_{}", "0".repeat(64));
    let refused = (0..3_000).map(|_| server.ask("GET", "/v1/me", &worthless, b"").status).find(|status| *status != 401);
    assert_eq!(refused, Some(429), "3,000 were answered for what they are");
    let answer = server.ask("GET", "/v1/me", &worthless, b"");
    assert!(answer.status == 401 || answer.head.to_lowercase().contains("\r\nretry-after: 1\r\n"), "{}", answer.head);
    for _ in 0..50 {
        server.asked("GET", "/v1/me", &server.operator, "", 200);
    }
    server.stop();
}

#[test]
fn what_is_the_machines_is_not_a_tenants() {
    let mut server = Server::start();
    let tokens = server.tenant("acme");
    let admin = secret(&tokens, "tenant-administrator");
    // What a password is read from goes to whatever host they name.
    for (line, field) in [
        ("username = \"u\"\npassword = { env = \"CONSIGN_MASTER_KEY\" }\n", "password"),
        ("username = \"u\"\npassword = { file = \"/etc/hostname\" }\n", "password"),
        ("username = \"u\"\npassword = { command = [\"id\"] }\n", "password"),
        ("dkim = { domain = \"acme.example\", selector = \"s\", key = { file = \"/etc/hostname\" } }\n", "dkim"),
    ] {
        let toml = Target::plain(25).with(line.trim_end()).toml();
        let refused = server.asked("POST", "/v1/tenants/acme/apply", admin, toml, 422);
        let finding = &refused["findings"][0];
        assert_eq!(finding["at"], format!("target archive, {field}"), "{refused}");
        assert!(finding["text"].as_str().unwrap().contains("only its operator"), "{refused}");
    }
    assert_eq!(server.asked("GET", "/v1/tenants/acme/targets", admin, "", 200)["items"], json!([]));
    let reserved = server.asked("POST", "/v1/tenants", &server.operator, r#"{"name":"platform"}"#, 422);
    assert_eq!(reserved["code"], "reserved-name", "{reserved}");
    server.asked("POST", "/v1/tenants", &server.operator, r#"{"name":"acme"}"#, 200);
    server.asked("POST", "/v1/tenants", &server.operator, r#"{"name":"../etc"}"#, 400);
    server.asked("POST", "/v1/tenants", &server.operator, r#"{"name":"#, 400);
    server.asked("POST", "/v1/tenants/acme/apply", admin, vec![b'#'; (1 << 20) + 1], 413);
    server.asked("POST", "/v1/tenants/acme/apply", admin, [0xff, 0xfe], 400);
    server.asked("GET", "/v1/tenants/acme/held?after=rubbish", admin, "", 400);
    server.asked("POST", "/v1/tenants/acme/modules", admin, "no module", 422);
    server.stop();
    // Without a token of the installation there is nothing to begin with, and its name is nobody's.
    server.consign.run(&["--tenant", "platform", "sources"]).refused(1, &["'platform' is the name of the installation itself"]);
    // A token that was taken back by the command line is worth nothing from the next start on, as one by the API is at once.
    let id = server.consign.json(&["token", "list", "--platform"])[0]["id"].as_str().unwrap().to_owned();
    server.consign.run(&["token", "revoke", &id, "--platform"]).succeeded();
    server.again();
    server.asked("GET", "/v1/me", &server.operator, "", 401);
    until("a served tenant's administrator to be known", || server.ask("GET", "/v1/me", admin, b"").status == 200);
    server.stop();
}
