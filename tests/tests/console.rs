//! The console of `consign serve`: a compliance officer's work in a real browser, from an empty tenant on; and who sees which page of whose, asked for every page
//! by everybody.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use consign_tests::{Inbox, Served as Server, python, say};
use guests::{TRAPS, WITH_FILES, fails_later, leaves_out};
use serde_json::json;

/// Where pictures of the pages are kept for whoever wants to see them.
fn shots() -> PathBuf {
    let folder = std::env::var_os("CONSIGN_SHOTS").map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("console"), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn an_officer_does_everything_in_a_browser() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let tokens = server.tenant("acme");
    // Nobody listens there, once it is dropped.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let module = server.consign.write("no-files.wasm", leaves_out("acme/no-files", "1.0.0", WITH_FILES));
    let failing = server.consign.write("traps.wasm", fails_later("acme/traps", "1.0.0", TRAPS));
    let link =
        server.asked("POST", "/v1/tenants/acme/links", &server.operator, r#"{"name":"ann","role":"tenant-administrator"}"#, 201)["link"].take();
    let given = json!({
        "link": link, "url": format!("http://{}", server.address), "tenant": "acme", "token": tokens["tenant-administrator"], "port": inbox.port(), "closed": closed,
        "module": module, "failing": failing, "shots": shots(),
    });
    let figures = python("console.py", [server.consign.write("given.json", given.to_string())]);
    say(format_args!("in a browser: {figures}; pictures are in {}", shots().display()));
    assert!(figures["pages"].as_u64() >= Some(28), "{figures}");
    // The export, and the test.
    assert_eq!(inbox.count(), 2);
    server.stop();
}

#[test]
fn everybody_sees_what_is_theirs() {
    let (inbox, mut server) = (Inbox::start(), Server::start());
    let file = server.two_tenants(&inbox);
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/service/console.tsv");
    let figures = python("console_roles.py", [list, file]);
    say(format_args!("every page by every role: {figures}"));
    assert!(figures["pages"].as_u64() >= Some(43) && figures["not_theirs"].as_u64() > Some(200), "{figures}");
    server.stop();
}
