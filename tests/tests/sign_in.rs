//! How people come in who have no token: by a link that is good once; and by an issuer of `OpenID` Connect, of which one stands beside that can also misbehave.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use consign_tests::{Answer, Served as Server, holds};
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
