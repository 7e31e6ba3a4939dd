//! The API of `consign serve`: who may do what of whose, asked for every operation of the document by Python; and a day's work of two tenants through it
//! alone, which ends in e-mails and in an audit log that says who did what.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use consign_tests::{
    Inbox, Postfix, Protection, Ran, Served as Server, Target, USER, event_lines as lines, holds, one_policy as policy, python, say, secret, seed,
    until,
};
use serde_json::json;

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
        let shown = server.ask("GET", &format!("/v1/tenants/{name}/policies/all"), author, b"");
        assert!(shown.head.to_lowercase().contains("\r\netag: \"1\"\r\n"), "{}", shown.head);
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
    let modules = server.asked("GET", "/v1/tenants/acme/modules", admin, "", 200);
    let module = format!("sha256:{}", modules["items"][0]["digest"].as_str().unwrap());
    let ids = json!({ "tenant": "acme", "policy": "all", "run": run["run"], "token": token, "source": "chat", "event": "m1", "secret": "archive", "target": "archive", "asked": asked["asked"], "module": module, "hold": "matter" });
    let examples = if std::env::var_os("CONSIGN_FULL").is_some() { "300" } else { "30" };
    let seed = seed(&format!("requests by the document, {examples} examples of each operation")).to_string();
    for (who, token) in [("tenant-administrator", admin), ("auditor", secret(&tokens, "auditor")), ("platform-administrator", &server.operator)] {
        let mut command = Command::new("st");
        command.args(["run", &format!("http://{}/openapi.json", server.address), "--header", &format!("Authorization: Bearer {token}")]);
        command.args(["--max-examples", examples, "--seed", &seed, "--phases", "examples,coverage,fuzzing,stateful", "--no-color"]);
        // What a TOML file, a module or an event has to be no JSON Schema says.
        command.args(["--exclude-checks", "positive_data_acceptance"]);
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
