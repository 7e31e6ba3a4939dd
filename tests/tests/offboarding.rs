//! The end of a tenant: its key is destroyed with all that it had, nothing opens any more by whatever else there is, and the other tenants notice nothing. Looked at with age, and in the bytes of
//! all files that are left.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use consign_tests::{Consign, Inbox, Ran, Served, event_lines, files_below, holds, one_policy, secret};
use serde_json::{Value, json};

/// Of acme's chat: the store's index has it.
const TITLE: &str = "the acme desk";

/// The sealed private key that belongs to this public one, as it stands in the store's files.
fn sealed_key(data: &Path, recipient: &str) -> String {
    let begin = format!("\"recipient\":\"{recipient}\",\"sealed_identity\":\"");
    let in_file = |path: PathBuf| {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let at = text.find(&begin)?;
        text[at + begin.len()..].split('"').next().map(str::to_owned)
    };
    files_below(&data.join("store"), "").into_iter().find_map(in_file).unwrap()
}

/// Whether age opens a file with what lies in another.
fn opens(file: &Path, identity: &str) -> bool {
    let output = Command::new("age").args(["-d", "-i", identity]).arg(file).output().unwrap();
    output.status.success()
}

struct World {
    consign: Consign,
    inbox: Inbox,
}

impl World {
    /// Two tenants that have exported what they have.
    fn new() -> Self {
        let world = Self { consign: Consign::new(), inbox: Inbox::start() };
        for tenant in ["acme", "other"] {
            world.import(tenant, 40);
            let policy = world.consign.write("policy.toml", one_policy(&world.inbox, &format!("all-{tenant}"))).display().to_string();
            world.of(tenant, &["apply", &policy]).succeeded();
            world.of(tenant, &["run", &format!("all-{tenant}")]).succeeded();
        }
        world
    }

    fn of(&self, tenant: &str, args: &[&str]) -> Ran {
        self.consign.run(&[&["--tenant", tenant], args].concat())
    }

    fn import(&self, tenant: &str, many: usize) {
        let lines = self.consign.write("events.jsonl", event_lines(tenant, many)).display().to_string();
        self.of(tenant, &["import", &lines, "--format", "jsonl", "--source", "chat"]).succeeded();
    }

    fn remove(&self, more: &[&str]) -> Ran {
        self.consign.run(&[&["tenant", "remove", "acme", "--reason", "the contract ended"], more].concat())
    }
}

#[test]
fn nothing_opens_any_more() {
    let world = World::new();
    let (consign, data) = (&world.consign, world.consign.data());
    let beside = |name: &str| consign.beside(name).display().to_string();
    let keys = world.of("acme", &["keys", "--json"]).succeeded().json();
    let (recipient, signing_key) = (keys["recipient"].as_str().unwrap(), keys["signing_key"].as_str().unwrap());
    let sealed = sealed_key(&data, recipient);
    for tenant in ["acme", "other"] {
        world.of(tenant, &["keys", "--write-identity", &beside(tenant)]).succeeded();
    }
    assert!(holds(&data, TITLE), "it is found where it is");
    // What somebody else has a copy of.
    let file = files_below(&data.join("archive/acme"), "").into_iter().find(|path| opens(path, &beside("acme"))).unwrap();
    let copy = consign.write("copy.age", std::fs::read(&file).unwrap());
    assert!(opens(&copy, &beside("acme")) && !opens(&copy, &beside("other")));

    // What may not go does not.
    world.of("acme", &["hold", "place", "matter", "--reason", "a matter"]).succeeded();
    world.remove(&[]).refused(1, &["legal holds", "matter", "Nothing was removed"]);
    world.remove(&["--even-owed"]).refused(1, &["legal holds"]);
    world.of("acme", &["hold", "lift", "matter"]).succeeded();
    world.import("acme", 45);
    world.remove(&[]).refused(1, &["5 events", "not exported", "--even-owed"]);
    world.of("acme", &["run", "all-acme"]).succeeded();
    for (args, says) in [
        (&["tenant", "remove", "acme", "--reason", " "][..], "say why"),
        (&["tenant", "remove", "nobody", "--reason", "x"], "no tenant 'nobody'"),
        (&["tenant", "remove", "platform", "--reason", "x"], "the installation itself"),
    ] {
        consign.run(args).refused(1, &[says]);
    }
    world.import("third", 2);
    consign.run(&["tenant", "remove", "third", "--reason", "no policy was ever written"]).refused(1, &["2 events", "not exported"]);
    consign.run(&["tenant", "remove", "third", "--reason", "no policy was ever written", "--even-owed"]).succeeded();
    world.remove(&["--hand-over", &beside("copy.age")]).refused(1, &["nothing was removed", "copy.age"]);
    assert!(world.of("acme", &["explain", "all-acme", "m1"]).succeeded().stdout.contains("exported"));

    let removed = world.remove(&["--hand-over", &beside("handed"), "--json"]).succeeded().json();
    let figures = [&removed["chats"], &removed["events"], &removed["owed"], &removed["recipient"]];
    assert_eq!(figures, [&json!(1), &json!(45), &json!(0), &json!(recipient)], "{removed}");
    let proof = &removed["proof"];
    assert!(proof["files"].as_u64() >= Some(3) && proof["copies_before"].as_u64() >= Some(2), "{removed}");

    // Its key, its chats and people are in no file; its folders are away.
    for text in [&sealed, TITLE] {
        assert!(!holds(&data, text), "{text} is still there");
    }
    assert!(!data.join("archive/acme").exists() && !data.join("manifests/acme").exists());
    // The copy opens by nothing that the installation has: neither another's key, nor what the program makes of the master key.
    world.of("other", &["keys", "--write-identity", &beside("other-again")]).succeeded();
    assert!(!opens(&copy, &beside("other-again")));
    std::fs::create_dir_all(data.join("archive/acme")).unwrap();
    std::fs::copy(&copy, data.join("archive/acme/copy.age")).unwrap();
    world.of("acme", &["coverage", "chat"]).refused(1, &["whose keys they need"]);
    std::fs::remove_dir_all(data.join("archive/acme")).unwrap();

    // Its name is nobody's, and that it was here stays.
    consign.run(&["tenant", "create", "acme"]).refused(1, &["its name is given to no other"]);
    assert!(consign.run(&["tenant", "list"]).succeeded().stdout.lines().eq(["other"]));
    let listed = consign.run(&["tenant", "list", "--removed"]).succeeded().stdout;
    assert!(listed.contains("acme") && listed.contains("the contract ended") && listed.contains("nothing is left"), "{listed}");
    world.remove(&[]).succeeded();
    let log = consign.run(&["audit", "--platform", "list"]).succeeded().stdout;
    assert!(log.contains("removed tenant acme with 45 events of 1 chats") && log.contains("destroyed what was left of tenant acme"), "{log}");
    consign.run(&["audit", "--platform", "verify"]).succeeded();

    // With what was handed over it still proves what it exported; and the other one goes on.
    let handed = |name: &str| consign.beside("handed").join(name).display().to_string();
    assert_eq!(std::fs::read_to_string(handed("signing-key.txt")).unwrap().trim(), signing_key);
    consign.run(&["audit", "verify", &handed("audit.jsonl"), "--key", signing_key, "--manifest", &handed("manifests")]).succeeded();
    let mail = world.inbox.maildir().display().to_string();
    consign.run(&["verify", &handed("manifests"), "--mail", &mail, "--key", signing_key]).succeeded();
    world.import("other", 50);
    assert_eq!(world.of("other", &["run", "all-other", "--json"]).succeeded().json()["events"]["exported"], 10);
    world.of("other", &["audit", "verify"]).succeeded();
    consign.run(&["doctor"]).succeeded();
}

/// While others are served, also in the middle of a run; the records go with the next start.
#[test]
fn a_server_removes_one_while_it_serves_the_others() {
    let (inbox, mut server) = (Inbox::start(), Served::start());
    let tokens: Vec<Value> = ["acme", "other"].map(|tenant| server.tenant(tenant)).into();
    let admins: Vec<&str> = tokens.iter().map(|tokens| secret(tokens, "tenant-administrator")).collect();
    let operator = server.operator.clone();
    for (tenant, admin) in ["acme", "other"].into_iter().zip(&admins) {
        server.asked("POST", &format!("/v1/tenants/{tenant}/sources/chat/events"), admin, event_lines(tenant, 60), 200);
        server.asked("POST", &format!("/v1/tenants/{tenant}/apply"), admin, one_policy(&inbox, "all"), 200);
    }
    let data = server.consign.data();
    let keys = server.asked("GET", "/v1/tenants/acme/keys", admins[0], "", 200);
    let sealed = sealed_key(&data, keys["recipient"].as_str().unwrap());
    let remove = |server: &Served, token: &str, query: &str, status| server.asked("DELETE", &format!("/v1/tenants/acme?{query}"), token, "", status);
    remove(&server, &operator, "even_owed=true", 400);
    remove(&server, &operator, "reason=over&even_owed=perhaps", 400);
    remove(&server, admins[0], "reason=over&even_owed=true", 403);
    assert_eq!(remove(&server, &operator, "reason=over", 422)["code"], "owed");
    let hold = json!({ "name": "matter", "reason": "a matter" }).to_string();
    server.asked("POST", "/v1/tenants/acme/holds", admins[0], hold, 201);
    assert_eq!(remove(&server, &operator, "reason=over&even_owed=true", 422)["code"], "held");
    server.asked("DELETE", "/v1/tenants/acme/holds/matter", admins[0], "", 204);
    // What was refused changed nothing.
    server.asked("POST", "/v1/tenants/acme/policies/all/runs", admins[0], "", 202);
    server.asked("POST", "/v1/tenants/other/policies/all/runs", admins[1], "", 202);
    let removed = remove(&server, &operator, "reason=over&even_owed=true", 200);
    assert!(removed["files_gone"].is_string() && removed.get("records_gone").is_none() && removed.get("proof").is_none(), "{removed}");

    // It is none at once, for whoever had a token of it too.
    server.asked("GET", "/v1/tenants/acme/policies", admins[0], "", 401);
    server.asked("GET", "/v1/tenants/acme/policies", &operator, "", 404);
    assert_eq!(server.asked("GET", "/v1/tenants", &operator, "", 200)["items"], json!([{ "name": "other" }]));
    server.asked("POST", "/v1/tenants", &operator, r#"{"name":"acme"}"#, 422);
    assert!(!data.join("archive/acme").exists());
    server.run_of("other", admins[1], "all", 1);

    server.stop();
    server.again();
    let listed = || server.asked("GET", "/v1/removed-tenants", &server.operator, "", 200);
    consign_tests::until("its keys to be looked for", || listed()["items"][0]["proof"].is_object());
    assert!(!holds(&data, &sealed) && !holds(&data, TITLE));
    let cookie = server.browse("POST", "/console/sign-in", "", &format!("token={operator}")).cookie().unwrap().to_owned();
    let page = server.browse("GET", "/console/tenants", &cookie, "").body.to_string();
    assert!(page.contains("Removed tenants") && page.contains("over") && !page.contains("with the next start"), "{page}");
    let url = format!("http://{}", server.address);
    let ran = |args: &[&str]| {
        let mut command = server.consign.command(&[&["--server", &url], args].concat());
        command.env("CONSIGN_TOKEN", &server.operator);
        Ran::of(command)
    };
    assert!(ran(&["tenant", "list", "--removed"]).succeeded().stdout.contains("nothing is left"));
    ran(&["tenant", "remove", "acme", "--reason", "again"]).refused(1, &["no tenant 'acme'"]);
    // The other one, by the same commands.
    ran(&["tenant", "remove", "other", "--reason", "over", "--hand-over", "here"]).refused(2, &["consign audit export"]);
    let text = ran(&["tenant", "remove", "other", "--reason", "over"]).succeeded().stdout;
    assert!(text.contains("60 events of 1 chats") && text.contains("by the next start"), "{text}");
    server.stop();
    server.consign.run(&["doctor"]).succeeded();
    assert!(server.consign.run(&["tenant", "list", "--removed", "--json"]).succeeded().json().as_array().unwrap().len() == 2);
}
