//! How people come in who have no token: by a link that is good once; and by an issuer of `OpenID` Connect, of which one stands beside that can also misbehave.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use consign_tests::{Answer, Consign, Running, Served as Server, files_below, holds, python, say, until_some};
use serde_json::{Value, json};

/// What stands after the `#` of a link.
fn code(link: &str) -> String {
    link.split_once("/console/first#").unwrap().1.to_owned()
}

fn use_it(server: &Server, code: &str) -> Answer {
    server.browse("POST", "/console/first", "", &format!("code={code}"))
}

/// The deeds of a tenant's log, each with who did it.
fn deeds(server: &Server, tenant: &str, token: &str) -> Vec<(String, Value)> {
    let log = server.asked("GET", &format!("/v1/tenants/{tenant}/audit"), token, "", 200);
    let entries = log["entries"].as_array().unwrap().iter();
    entries.map(|one| (one["entry"]["deed"]["what"].as_str().unwrap().to_owned(), one["entry"]["by"].clone())).collect()
}

#[test]
fn a_first_administrator_comes_in_by_a_link_that_is_good_once() {
    let mut server = Server::start();
    server.asked("POST", "/v1/tenants", &server.operator, r#"{"name":"acme"}"#, 201);
    let made = server.asked("POST", "/v1/tenants/acme/links", &server.operator, r#"{"name":"ann","role":"tenant-administrator","minutes":5}"#, 201);
    assert_eq!((&made["kind"], made.get("used_at")), (&json!("link"), None), "{made}");
    let link = made["link"].as_str().unwrap();
    assert!(link.starts_with(&format!("http://{}/console/first#consign-link_", server.address)), "{link}");
    let code = code(link);

    // Whoever only looks uses nothing up, and the code is worth nothing elsewhere.
    for _ in 0..2 {
        let shown = server.browse("GET", "/console/first", "", "");
        assert!(shown.status == 200 && shown.body.as_str().unwrap().contains("Sign in, and use up the link"), "{}", shown.body);
    }
    assert_eq!(server.ask("POST", "/console/first", "", format!("code={code}").as_bytes()).status, 403, "another site's page");
    assert_eq!(server.ask("GET", "/v1/me", &code, b"").status, 401);
    assert_eq!(server.browse("POST", "/console/sign-in", "", &format!("token={code}")).status, 401);

    let used = use_it(&server, &code);
    assert_eq!(used.status, 303, "{}", used.body);
    let cookie = used.cookie().unwrap().to_owned();
    assert!(!cookie.contains(&code[13..]), "the browser keeps a session and not the link");
    let page = server.browse("GET", "/console/t/acme/access", &cookie, "");
    assert!(page.status == 200 && page.body.as_str().unwrap().contains("ann, tenant-administrator"), "{}", page.body);
    let again = use_it(&server, &code);
    assert_eq!((again.status, again.cookie()), (401, None));
    assert!(again.body.as_str().unwrap().contains("has been used"), "{}", again.body);

    // She makes herself a token, and with it she sees who has done what.
    let token = server.browse("POST", "/console/t/acme/access/tokens", &cookie, "name=ann&role=tenant-administrator&days=30");
    assert_eq!(token.status, 201, "{}", token.body);
    let token = token.body.as_str().unwrap().split_once("value=\"consign_").unwrap().1[..64].to_owned();
    let token = format!("consign_{token}");
    let log = deeds(&server, "acme", &token);
    let what: Vec<&str> = log.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(what, ["tenant-made", "link-made", "link-used", "token-made"]);
    let by = |number: usize| (log[number].1["named"].clone(), log[number].1["role"].clone());
    assert_eq!(by(1), (json!("operator"), json!("platform-administrator")));
    assert_eq!([by(2), by(3)], [(); 2].map(|()| (json!("ann"), json!("tenant-administrator"))));

    // Taken back, it takes its session along; one that nobody has used is worth nothing either.
    let id = made["id"].as_str().unwrap();
    server.asked("DELETE", &format!("/v1/tenants/acme/tokens/{id}"), &token, "", 200);
    assert_eq!(server.browse("GET", "/console/t/acme", &cookie, "").status, 303);
    let other = server.asked("POST", "/v1/tenants/acme/links", &server.operator, r#"{"name":"bob","role":"auditor"}"#, 201);
    server.asked("DELETE", &format!("/v1/tenants/acme/tokens/{}", other["id"].as_str().unwrap()), &token, "", 200);
    assert_eq!(use_it(&server, &self::code(other["link"].as_str().unwrap())).status, 401);
    server.asked("POST", "/v1/tenants/acme/links", &token, r#"{"name":"bob","role":"auditor"}"#, 403);
    server.asked("POST", "/v1/tenants/acme/links", &server.operator, r#"{"name":"bob","role":"auditor","minutes":10081}"#, 400);

    // The same beside the data, for a tenant and for the installation.
    server.stop();
    assert!(!holds(&server.consign.data(), &code), "the link's text is kept somewhere");
    let args = ["--tenant", "acme", "token", "link", "eve", "--within", "10m", "--console", "https://consign.example/"];
    let eve = server.consign.json(&args);
    assert!(eve["link"].as_str().unwrap().starts_with("https://consign.example/console/first#consign-link_"), "{eve}");
    let root = server.consign.json(&["token", "link", "root", "--role", "platform-administrator"]);
    server.consign.run(&["token", "link", "eve", "--within", "8d"]).refused(2, &["7 days"]);
    let listed = server.consign.run(&["--tenant", "acme", "token", "list"]).succeeded().stdout;
    assert!(listed.contains("a link, not used, good until") && listed.contains("revoked"), "{listed}");
    server.again();
    for (made, page) in [(&eve, "/console/t/acme/policies"), (&root, "/console/tenants")] {
        let used = use_it(&server, &self::code(made["link"].as_str().unwrap()));
        assert_eq!(server.browse("GET", page, used.cookie().unwrap(), "").status, 200, "{page}");
    }
    server.stop();
    server.consign.run(&["--tenant", "acme", "audit", "verify"]).succeeded();
}

/// The issuer that stands in for others', and where it is.
fn issuer(beside: &Consign) -> (Running, String) {
    let mut command = Command::new("python3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/issuer.py");
    command.arg(script).arg(CLIENT_SECRET).arg(beside.write("said", "")).env("PYTHONDONTWRITEBYTECODE", "1");
    let (running, said) = Consign::hearing(command);
    let port = until_some("the issuer to start", || said.try_recv().ok());
    (running, format!("http://127.0.0.1:{port}"))
}

/// With letters that a form has to write otherwise.
const CLIENT_SECRET: &str = "open:sesame & +close%";

/// Issuers of the settings; who is in the first of the groups is an administrator of acme.
fn settings(secret: &str, issuer: &str, dead: u16, group: &str) -> String {
    let one = |name: &str, title: &str, address: &str| {
        format!(
            r#"
[[sign-in]]
name = "{name}"
title = "{title}"
issuer = "{address}"
client-id = "consign"
client-secret = {{ file = "{secret}" }}
scopes = ["email", "groups"]
rules = [
    {{ claim = "groups", is = ["{group}"], tenant = "acme", role = "tenant-administrator" }},
    {{ claim = "/realm/roles", is = "ops", role = "platform-administrator" }},
    {{ claim = "groups", is = "lost", tenant = "nowhere", role = "auditor" }},
    {{ claim = "email", domain = "audit.example", tenant = "acme", role = "auditor" }},
]
"#
        )
    };
    let more = ["other", "named", "liar", "huge"].map(|name| one(name, name, &format!("{issuer}/{name}"))).concat();
    one("corp", "Corp & Sons", issuer) + &more + &one("dead", "Dead", &format!("http://127.0.0.1:{dead}"))
}

#[test]
fn people_sign_in_by_an_issuer_whatever_it_does() {
    let beside = Consign::new();
    let (_running, issuer) = issuer(&beside);
    let secret = beside.write("secret", format!("{CLIENT_SECRET}\n")).display().to_string();
    // Nobody listens there, once it is dropped.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Server::start_with(settings(&secret, &issuer, dead, "consign-officers"));
    server.stop();
    server.log = Some(beside.beside("log"));
    server.again();
    let tokens = server.tenant("acme");
    let given = json!({ "url": format!("http://{}", server.address), "issuer": issuer, "token": tokens["tenant-administrator"] });
    let figures = python("sign_in.py", [server.consign.write("given.json", given.to_string())]);
    say(format_args!("by an issuer: {figures}"));
    assert!(figures["wrong"].as_u64() >= Some(25) && figures["good"] == 6, "{figures}");

    let log = std::fs::read(beside.beside("log")).unwrap();
    assert!(log.len() > 10_000, "all is logged");
    // A session outlives the process, and not the rule that has let somebody in.
    let session = figures["session"].as_str().unwrap();
    let status = |server: &Server, path: &str| server.browse("GET", path, session, "").status;
    server.stop();
    server.again();
    assert_eq!(status(&server, "/console/t/acme/access"), 200);
    server.stop();
    server.settings = settings(&secret, &issuer, dead, "consign-lawyers");
    server.again();
    assert_eq!(status(&server, "/console/t/acme/access"), 303);
    server.stop();

    // Nothing that the issuer gave, or was given, is kept or logged.
    let said = std::fs::read_to_string(beside.beside("said")).unwrap();
    assert!(said.lines().count() > 50, "{said}");
    let mut kept: Vec<Vec<u8>> = files_below(&server.consign.data(), "").iter().map(|path| std::fs::read(path).unwrap()).collect();
    kept.push(log);
    let has = |text: &str| kept.iter().any(|file| file.windows(text.len()).any(|some| some == text.as_bytes()));
    assert!(has("s-ann") && !said.lines().any(has) && !has(CLIENT_SECRET));
    server.consign.run(&["--tenant", "acme", "audit", "verify"]).succeeded();
}

#[test]
fn settings_that_would_let_the_wrong_ones_in_are_refused() {
    let consign = Consign::new();
    let good = "[api]\nlisten = \"127.0.0.1:0\"\n[[sign-in]]\nname = \"corp\"\nissuer = \"https://id.corp.example\"\nclient-id = \"c\"\n\
                rules = [{ claim = \"groups\", is = \"a\", tenant = \"acme\", role = \"auditor\" }]\n";
    for (from, to, says) in [
        ("https://id", "http://id", "in clear"),
        ("https://id.corp.example", "id.corp.example", "no URL"),
        ("https://id.corp.example", "ftp://id.corp.example", "https"),
        ("https://id.corp.example", "https://id.corp.example/?a=b", "has a ?"),
        ("127.0.0.1:0", "0.0.0.0:0", "url ="),
        ("[{ claim = \"groups\", is = \"a\", tenant = \"acme\", role = \"auditor\" }]", "[]", "nobody would be let in"),
        (", tenant = \"acme\"", "", "write tenant"),
        ("client-id = \"c\"", "client-id = \"c\"\nclient-secret = { file = \"/no/such\" }", "/no/such can't be read"),
        ("client-id = \"c\"", "client-id = \"c\"\nclient-secret = { command = [\"sesame\"] }", "file = "),
        ("127.0.0.1:0\"", "127.0.0.1:0\"\nurl = \"https://consign.example/console\"", "https://consign.example"),
    ] {
        assert!(good.contains(from), "{from}");
        let file = consign.write("consign.toml", good.replacen(from, to, 1)).display().to_string();
        let ran = consign.run(&["serve", "--config", &file]).refused(1, &[says]);
        assert!(!ran.stderr.contains("sesame"), "{}", ran.stderr);
    }
}
