//! What is dangerous takes two people where a tenant asks for it: through the API, the console and beside the data, and whoever would like to be two.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use consign_tests::{Served as Server, Target, secret};
use guests::made::Made;
use guests::named;
use serde_json::{Value, json};

/// A target, and a policy of this module that reads texts.
fn with_module(module: &str) -> String {
    format!(
        "[[policy]]\nname = \"desk\"\ntarget = \"archive\"\nschedule = {{ cron = \"0 3 * * *\", time-zone = \"UTC\" }}\n[[policy.criteria]]\nmodule = \"{module}\"\nneeds = [\"text\"]\n"
    )
}

fn reads_texts(version: &str) -> Vec<u8> {
    Made { manifest: named("acme/reads", version, &["text"]), ..Made::default() }.criteria()
}

/// The tenant acme, with two administrators whom the operator has let in.
struct World {
    server: Server,
    ann: String,
    bob: String,
    author: String,
    tokens: Value,
}

impl World {
    fn start() -> Self {
        let server = Server::start();
        let tokens = server.tenant("acme");
        let ann = secret(&tokens, "tenant-administrator").to_owned();
        let author = secret(&tokens, "policy-author").to_owned();
        let mut world = Self { bob: String::new(), server, ann, author, tokens };
        world.bob = world.token(&world.server.operator, "bob");
        world
    }

    /// A token of another administrator.
    fn token(&self, by: &str, name: &str) -> String {
        let new = json!({ "name": name, "role": "tenant-administrator" }).to_string();
        self.server.asked("POST", "/v1/tenants/acme/tokens", by, new, 201)["secret"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn apply(&self, by: &str, toml: &str, status: u16) -> Value {
        self.server.asked("POST", "/v1/tenants/acme/apply", by, toml, status)
    }

    #[track_caller]
    fn approve(&self, by: &str, proposal: &Value, status: u16) -> Value {
        let path = format!("/v1/tenants/acme/proposals/{}/approve", proposal["id"].as_str().unwrap());
        self.server.asked("POST", &path, by, json!({ "digest": proposal["digest"] }).to_string(), status)
    }

    fn target(&self) -> Value {
        self.server.asked("GET", "/v1/tenants/acme/targets", &self.ann, "", 200)["items"][0].take()
    }
}

fn to(address: &str) -> String {
    Target::plain(25).toml().replace("ingest@archive.example", address)
}

#[test]
fn nobody_alone_says_where_e_mails_go_or_who_reads_them() {
    let mut world = World::start();
    let (server, ann, bob, author) = (&world.server, &world.ann, &world.bob, &world.author);
    world.apply(ann, &to("first@archive.example"), 200);
    let setting = "/v1/tenants/acme/two-people";
    assert_eq!(server.asked("GET", setting, secret(&world.tokens, "auditor"), "", 200), json!({ "on": false }));
    server.asked("PUT", setting, &server.operator, r#"{"on":true}"#, 403);
    server.asked("PUT", setting, author, r#"{"on":true}"#, 403);
    assert_eq!(server.asked("PUT", setting, ann, r#"{"on":true}"#, 200), json!({ "on": true }));

    // A target. What is checked only is only checked, and says so.
    let checked = server.asked("POST", "/v1/tenants/acme/apply?check=true", ann, to("evil@archive.example"), 200);
    assert!(checked[0]["warnings"].to_string().contains("takes two people"), "{checked}");
    let kept = world.apply(ann, &to("second@archive.example"), 202);
    assert_eq!(
        (&kept["state"], &kept["takes"], &kept["changes"][0]["because"][0]),
        (&json!("open"), &json!("write-targets"), &json!("it says where e-mails go"))
    );
    let field = json!({ "field": "to", "before": r#"["first@archive.example"]"#, "after": r#"["second@archive.example"]"# });
    assert_eq!((&kept["changes"][0]["version"], &kept["changes"][0]["fields"]), (&json!(1), &json!([field])), "{kept}");
    assert_eq!(world.target()["version"], 1);

    // Neither who proposed it, nor whoever they make themselves to be; nor who has no say about targets, or has not looked.
    let eve = world.token(ann, "eve");
    let made_by_eve = world.token(&eve, "eve-too");
    let second_of_ann = world.token(&server.operator, "the-tenant-administrator");
    for (by, code) in [
        (ann, "not-another-person"),
        (&eve, "not-another-person"),
        (&made_by_eve, "not-another-person"),
        (&second_of_ann, "not-another-person"),
        (author, "forbidden"),
    ] {
        assert_eq!(world.approve(by, &kept, 403)["code"], code);
    }
    world.approve(secret(&world.tokens, "auditor"), &kept, 403);
    world.approve(bob, &json!({ "id": kept["id"], "digest": "0".repeat(64) }), 409);
    world.approve(bob, &json!({ "id": "proposal-0", "digest": kept["digest"] }), 404);
    assert_eq!(world.target()["version"], 1);
    let done = world.approve(bob, &kept, 200);
    assert_eq!((&done[0]["change"], &world.target()["version"]), (&json!("changed"), &json!(2)));
    world.approve(bob, &kept, 409);

    // A policy that lets nobody see more takes one person; one that does, two. An author is one of them.
    let plain = "[[policy]]\nname = \"desk\"\ntarget = \"archive\"\n[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"libor\"] }\n";
    world.apply(author, plain, 200);
    server.asked("POST", "/v1/tenants/acme/modules", ann, reads_texts("1.0.0"), 201);
    let kept = world.apply(author, &with_module("acme/reads"), 202);
    assert_eq!(kept["takes"], "write-policies");
    assert_eq!(kept["changes"][0]["because"], json!(["it lets acme/reads@1.0.0 read text: everything that people wrote"]), "{kept}");
    world.approve(author, &kept, 403);
    // Meanwhile the policy is another; and then the name means another module.
    world.apply(bob, &plain.replace("libor", "fixing"), 200);
    assert!(world.approve(ann, &kept, 409)["detail"].as_str().unwrap().contains("policy desk is another than when this was proposed"));
    let kept = world.apply(author, &with_module("acme/reads"), 202);
    server.asked("POST", "/v1/tenants/acme/modules", ann, reads_texts("1.1.0"), 201);
    assert!(world.approve(ann, &kept, 409)["detail"].as_str().unwrap().contains("a module, or something else"), "the same text means another");
    let kept = world.apply(author, &with_module("acme/reads"), 202);
    world.approve(ann, &kept, 200);
    // What is approved is approved, and another version is not.
    world.apply(author, &with_module("acme/reads@1.1.0").replace("0 3 *", "0 4 *"), 200);
    let kept = world.apply(author, &with_module("acme/reads@1.0.0"), 202);
    let reject = format!("/v1/tenants/acme/proposals/{}/reject", kept["id"].as_str().unwrap());
    assert_eq!(server.asked("POST", &reject, author, "", 200)["state"], "rejected", "one's own can be taken back");
    world.approve(ann, &kept, 409);

    // The same in the console.
    let session = |token: &str| server.browse("POST", "/console/sign-in", "", &format!("token={token}")).cookie().unwrap().to_owned();
    let (of_ann, of_bob) = (session(ann), session(bob));
    let text: String = form(&to("third@archive.example"));
    let kept = server.browse("POST", "/console/t/acme/write", &of_ann, &format!("how=apply&text={text}"));
    let page = kept.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned();
    assert!(kept.status == 303 && page.contains("/proposals/proposal-") && page.ends_with("done=proposed"), "{}", kept.head);
    let shown = |cookie: &str| server.browse("GET", &page, cookie, "").body.as_str().unwrap().to_owned();
    let (to_ann, to_bob) = (shown(&of_ann), shown(&of_bob));
    assert!(to_ann.contains("Take it back") && !to_ann.contains("Approve, and"), "{to_ann}");
    assert!(to_bob.contains("third@archive.example") && to_bob.contains("Approve, and put it into force"), "{to_bob}");
    let digest = &to_bob.split_once("name=\"digest\" value=\"").unwrap().1[..64];
    let action = page.split('?').next().unwrap().to_owned() + "/approve";
    assert_eq!(server.browse("POST", &action, &of_ann, &format!("digest={digest}")).status, 403);
    assert_eq!(server.browse("POST", &action, &of_bob, &format!("digest={digest}")).status, 303);
    assert_eq!(world.target()["version"], 3);

    // Beside the data whoever has it proposes as well, and is one person.
    world.server.stop();
    let consign = &world.server.consign;
    let file = consign.write("target.toml", to("fourth@archive.example")).display().to_string();
    let ran =
        consign.run(&["--tenant", "acme", "apply", &file]).refused(3, &["takes two people", "it says where e-mails go", "fourth@archive.example"]);
    let (id, digest) = ran.stdout.lines().last().unwrap().rsplit_once(" proposal approve ").unwrap().1.split_once(' ').unwrap();
    consign.run(&["--tenant", "acme", "proposal", "approve", id, digest]).refused(1, &["another person"]);
    consign.run(&["--tenant", "acme", "proposal", "two-people", "off"]).refused(3, &["takes two people"]);
    assert!(consign.run(&["--tenant", "acme", "proposal", "list"]).succeeded().stdout.contains("target archive"));
    let file = consign.write("other.toml", to("other@archive.example")).display().to_string();
    consign.run(&["apply", &file]).succeeded();
    world.server.again();
    world.approve(&world.bob, &json!({ "id": id, "digest": digest }), 200);
    assert_eq!(world.target()["version"], 4);

    // And back.
    let (server, ann, bob) = (&world.server, &world.ann, &world.bob);
    let off = server.asked("PUT", setting, ann, r#"{"on":false}"#, 202);
    assert_eq!(server.asked("GET", setting, ann, "", 200), json!({ "on": true }));
    world.approve(ann, &off, 403);
    world.approve(bob, &off, 200);
    assert_eq!(server.asked("GET", setting, ann, "", 200), json!({ "on": false }));
    world.apply(ann, &to("fifth@archive.example"), 200);
    let log = server.asked("GET", "/v1/tenants/acme/audit?limit=500", ann, "", 200);
    let deeds: Vec<&str> = log["entries"].as_array().unwrap().iter().map(|one| one["entry"]["deed"]["what"].as_str().unwrap()).collect();
    let many = |what: &str| deeds.iter().filter(|deed| **deed == what).count();
    assert_eq!([many("two-people-set"), many("proposed"), many("proposal-approved"), many("proposal-rejected")], [2, 9, 5, 1], "{deeds:?}");
    // What is approved is done next, by whoever approved it.
    let approved = deeds.iter().position(|deed| *deed == "proposal-approved").unwrap();
    assert_eq!(deeds[approved + 1], "target-saved");
    world.server.stop();
    world.server.consign.run(&["--tenant", "acme", "audit", "verify"]).succeeded();
}

/// As a browser writes it in a form's body.
fn form(text: &str) -> String {
    let one = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}
