//! A module's life up to its policies: pushed, signed, named, approved, bound; and what is refused on the way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::path::Path;
use std::process::Command;

use consign_model::Digest;
use consign_tests::{Consign, Inbox, files_below, made_up, seed};
use guests::made::Made;
use guests::{EDITED, REPLY, WITH_FILES, file, forever, leaves_out, named, push};
use serde_json::{Value, json};

fn modules(consign: &Consign) -> Vec<String> {
    let all = consign.json(&["module", "list"]);
    let name = |module: &Value| format!("{}@{}", module["manifest"]["name"].as_str().unwrap(), module["manifest"]["version"].as_str().unwrap());
    all.as_array().unwrap().iter().filter(|module| module["origin"] == "pushed").map(name).collect()
}

fn push_file(consign: &Consign, file: &Path, more: &[&str]) -> consign_tests::Ran {
    consign.run(&[&["module", "push", &file.display().to_string(), "--json"], more].concat())
}

#[test]
fn what_is_pushed_stays_what_it_is() {
    let consign = Consign::new();
    let module = leaves_out("acme/no-files", "1.0.0", WITH_FILES);
    let digest = Digest::of(&module).hex();
    let first = push_file(&consign, &file(&consign, &module), &[]).succeeded().json();
    assert_eq!((&first["digest"], &first["again"], &first["signed_by"]), (&json!(digest), &json!(false), &Value::Null), "{first}");
    assert_eq!((&first["facts"]["tier"], &first["facts"]["bytes"]), (&json!("native"), &json!(module.len())));
    assert_eq!(std::fs::read(consign.data().join(format!("modules/{digest}.wasm"))).unwrap(), module);

    // By each of its names, and with what came of trying it.
    for reference in ["acme/no-files", "acme/no-files@1.0.0", &format!("sha256:{digest}")] {
        let shown = consign.json(&["module", "show", reference]);
        assert_eq!((&shown["digest"], &shown["origin"], &shown["policies"]), (&json!(digest), &json!("pushed"), &json!([])), "{reference}");
        let steps = shown["probe"]["steps"].as_array().unwrap();
        assert!(steps.len() >= 2 && steps.iter().all(|step| step["outcome"]["is"] == "passed"), "{shown}");
    }
    let text = consign.run(&["module", "show", "acme/no-files"]).succeeded().stdout;
    assert!(text.contains("passed") && text.contains("rule first") && text.contains("not signed") && text.contains("no policy uses it"), "{text}");
    assert!(consign.run(&["module", "show", "std/keywords"]).succeeded().stdout.contains("comes with Consign"));

    // The same again is the same; something else under its name is not taken, nor is what takes a standard name.
    let again = push_file(&consign, &file(&consign, &module), &[]).succeeded().json();
    assert_eq!((&again["again"], &again["added_at"]), (&json!(true), &first["added_at"]));
    let other = leaves_out("acme/no-files", "1.0.0", REPLY);
    push_file(&consign, &file(&consign, &other), &[]).refused(1, &["another module acme/no-files@1.0.0", &digest, "another version"]);
    push_file(&consign, &file(&consign, &leaves_out("std/no-files", "1.0.0", REPLY)), &[]).refused(1, &["std/no-files@1.0.0", "name of your own"]);
    push_file(&consign, &consign.write("text.wasm", "not a module"), &[]).refused(1, &["not WebAssembly"]);
    push_file(&consign, &consign.write("cut.wasm", &module[..module.len() / 2]), &[]).refused(1, &["refused"]);
    push_file(&consign, &consign.beside("nowhere.wasm"), &[]).refused(1, &["nowhere.wasm"]);
    assert_eq!(modules(&consign), ["acme/no-files@1.0.0"]);
    assert_eq!(files_below(&consign.data().join("modules"), "").len(), 1, "nothing of what was refused is kept");

    // A file that was lost comes back.
    std::fs::remove_file(consign.data().join(format!("modules/{digest}.wasm"))).unwrap();
    push_file(&consign, &file(&consign, &module), &[]).succeeded();
    assert_eq!(std::fs::read(consign.data().join(format!("modules/{digest}.wasm"))).unwrap(), module);
}

#[test]
fn what_does_not_pass_its_probe_is_not_kept() {
    let consign = Consign::new();
    // Leaves out all events of a batch that has more than one.
    let batch = "(local $at i32) (local $n i32)
        (local.set $n (call $len (local.get $view)))
        (local.set $at (call $alloc (local.get $n)))
        (if (i32.gt_u (local.get $n) (i32.const 1)) (then (memory.fill (local.get $at) (i32.const 1) (local.get $n))))
        (call $ok_list (local.get $at) (local.get $n))";
    let by_size = Made { manifest: named("acme/by-size", "1.0.0", &[]), batch, ..Made::default() }.criteria();
    let refused = push_file(&consign, &file(&consign, &by_size), &[]).refused(1, &["does not pass its probe", "size of the batches"]);
    // Before it stands that keys were made: the data folder is new.
    let error: Value = serde_json::from_str(refused.stderr.lines().last().unwrap()).unwrap();
    assert!(error["probe"]["steps"].as_array().unwrap().iter().any(|step| step["outcome"]["is"] == "failed"), "{error}");
    let traps = Made { manifest: named("acme/traps", "1.0.0", &[]), batch: "(unreachable)", ..Made::default() }.criteria();
    push_file(&consign, &file(&consign, &traps), &[]).refused(1, &["does not pass its probe", "evaluate"]);
    assert_eq!(modules(&consign), Vec::<String>::new());
    assert_eq!(files_below(&consign.data().join("modules"), "").len(), 0);
}

#[test]
fn one_tenants_modules_are_nothing_to_another() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let module = leaves_out("acme/no-files", "1.0.0", WITH_FILES);
    let digest = push(&consign, &module);
    for reference in ["acme/no-files", "acme/no-files@1.0.0", &digest, &format!("sha256:{}", Digest::of(b"nobody's").hex())] {
        let refused = consign.run(&["--tenant", "other", "module", "show", reference]).refused(1, &["there is no module"]);
        assert!(!refused.stderr.contains("no-files,") && !refused.stderr.contains("Known: acme"), "{}", refused.stderr);
        let policy =
            format!("{}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n[[policy.criteria]]\nmodule = {reference:?}\n", inbox.target().toml());
        let policy = consign.write("other.toml", policy).display().to_string();
        consign.run(&["--tenant", "other", "apply", &policy]).refused(1, &["there is no module"]);
    }
    // A file that somebody has put there by hand is nobody's.
    let by_hand = leaves_out("acme/by-hand", "1.0.0", WITH_FILES);
    std::fs::write(consign.data().join(format!("modules/{}.wasm", Digest::of(&by_hand).hex())), &by_hand).unwrap();
    consign.run(&["module", "show", &format!("sha256:{}", Digest::of(&by_hand).hex())]).refused(1, &["there is no module"]);
    // The other tenant may push the same for itself; it is the same module.
    let pushed = consign.json(&["--tenant", "other", "module", "push", &file(&consign, &module).display().to_string()]);
    assert_eq!(pushed["again"], false);
    consign.run(&["--tenant", "other", "module", "show", &digest]).succeeded();
}

#[test]
fn policies_pin_what_a_name_meant() {
    let (corpus, consign, inbox) = (made_up("jsonl", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    let first = push(&consign, &leaves_out("acme/no-files", "1.0.0", WITH_FILES));
    let lines = "[[policy.criteria]]\nmodule = \"acme/no-files\"";
    consign.policy(&inbox.target(), lines);
    let second = push(&consign, &leaves_out("acme/no-files", "1.1.0", WITH_FILES | REPLY));
    let run = consign.json(&["run", "all"]);
    let manifest = |run: &Value| -> Value { serde_json::from_slice(&std::fs::read(run["manifest"].as_str().unwrap()).unwrap()).unwrap() };
    let module = |run: &Value| manifest(run)["manifest"]["modules"][0].clone();
    assert_eq!(module(&run)["digest"], first.trim_start_matches("sha256:"));
    assert_eq!(module(&run)["name"], "acme/no-files@1.0.0");
    // The same file applied again takes the name for what it means now, and says so.
    let applied = consign.policy(&inbox.target(), lines);
    let change = applied.as_array().unwrap().iter().find(|change| change["kind"] == "policy").unwrap();
    assert_eq!(change["change"], json!({"is": "changed", "fields": ["modules"]}));
    let shown = consign.json(&["module", "show", "acme/no-files"]);
    assert_eq!((&shown["manifest"]["version"], &shown["policies"][0]["policy"]), (&json!("1.1.0"), &json!("all")));
    let again = consign.json(&["run", "all"]);
    assert_eq!(module(&again)["digest"], second.trim_start_matches("sha256:"));
}

#[test]
fn a_module_reads_what_its_policy_approves() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let keeps = |name: &str, needs: &[&str]| Made { manifest: named(name, "1.0.0", needs), ..Made::default() }.criteria();
    let module = push(&consign, &keeps("acme/reads", &["text", "senders"]));
    let apply = |lines: &str| {
        let policy = format!("{}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n[[policy.criteria]]\n{lines}\n", inbox.target().toml());
        consign.run(&["apply", &consign.write("policy.toml", policy).display().to_string()])
    };
    let line = "needs = [\"text\", \"senders\"]";
    apply(&format!("module = {module:?}")).refused(1, &["acme/reads@1.0.0", line, "everything that people wrote", "who did it"]);
    apply(&format!("module = {module:?}\nneeds = [\"senders\"]")).refused(1, &[line]);
    assert_eq!(consign.json(&["policies"]), json!([]), "nothing is in force");
    let applied = apply(&format!("module = {module:?}\n{line}")).succeeded().stdout;
    assert!(applied.contains("acme/reads@1.0.0 reads text, senders"), "{applied}");

    // With this policy's configuration it fails, and with its own it did not.
    let configured = Made {
        manifest: named("acme/configured", "1.0.0", &[]),
        fields: "(global $bytes (mut i32) (i32.const 0))",
        configure: "(global.set $bytes (local.get $length)) (call $ok_nothing)",
        batch: "(if (i32.gt_u (global.get $bytes) (i32.const 2)) (then (unreachable))) (call $keep (call $len (local.get $view)))",
        ..Made::default()
    };
    let module = push(&consign, &configured.criteria());
    apply(&format!("module = {module:?}\nconfig = {{ a = 1 }}")).refused(1, &["does not pass its probe", "evaluate"]);
    apply(&format!("module = {module:?}")).succeeded();
    // A grouping where a criterion is wanted.
    let grouping = push(&consign, &guests::one_group("acme/one", "1.0.0", "a"));
    apply(&format!("module = {grouping:?}")).refused(1, &["this module is a grouping"]);
}

/// A program that is not ours, in a folder; it has to succeed.
fn outside(folder: &Path, program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn signatures_of_minisign_and_openssl() {
    let consign = Consign::new();
    let folder = consign.write("keys/here", "").parent().unwrap().to_owned();
    let at = |name: &str| folder.join(name).display().to_string();
    for who in ["ann", "eve"] {
        outside(&folder, "minisign", &["-G", "-W", "-p", &format!("{who}.pub"), "-s", &format!("{who}.key")]);
        outside(&folder, "openssl", &["genpkey", "-algorithm", "ed25519", "-out", &format!("{who}.pem")]);
        outside(&folder, "openssl", &["pkey", "-in", &format!("{who}.pem"), "-pubout", "-out", &format!("{who}.pub.pem")]);
    }
    let mut number = 0;
    // A new module each time, with signatures of it.
    let mut signed = |who: &str| {
        number += 1;
        let module = leaves_out("acme/signed", &format!("1.0.{number}"), WITH_FILES);
        std::fs::write(folder.join("module.wasm"), &module).unwrap();
        for (kind, more) in [("new", None), ("old", Some("-l"))] {
            let (key, to) = (format!("{who}.key"), format!("{kind}.minisig"));
            let args = ["-S", "-W", "-s", &key, "-m", "module.wasm", "-x", &to];
            outside(&folder, "minisign", &args.into_iter().chain(more).collect::<Vec<_>>());
        }
        outside(&folder, "openssl", &["pkeyutl", "-sign", "-rawin", "-in", "module.wasm", "-inkey", &format!("{who}.pem"), "-out", "raw.sig"]);
        outside(&folder, "openssl", &["base64", "-in", "raw.sig", "-out", "base64.sig"]);
        let hex = std::fs::read(folder.join("raw.sig")).unwrap().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        std::fs::write(folder.join("hex.sig"), format!("{hex}\n")).unwrap();
        folder.join("module.wasm")
    };
    let with = |signature: &str| ["--signature".to_owned(), at(signature)];
    let push = |module: &Path, more: &[String]| push_file(&consign, module, &more.iter().map(String::as_str).collect::<Vec<_>>());

    // Without keys a signature says nothing, and none is needed.
    let module = signed("ann");
    push(&module, &with("new.minisig")).refused(1, &["no minisign key"]);
    push(&module, &with("raw.sig")).refused(1, &["no Ed25519 key"]);
    assert_eq!(modules(&consign), Vec::<String>::new());
    push(&module, &[]).succeeded();

    consign.json(&["module", "keys", "add", "ann", &at("ann.pub")]);
    consign.json(&["module", "keys", "add", "ann-openssl", &at("ann.pub.pem")]);
    let keys = consign.json(&["module", "keys", "list"]);
    let line = std::fs::read_to_string(folder.join("ann.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    assert_eq!((&keys[0]["name"], &keys[0]["key"]), (&json!("ann"), &json!({"kind": "minisign", "key": line})), "{keys}");
    assert_eq!(keys[1]["key"]["kind"], "ed25519", "{keys}");
    consign.run(&["module", "keys", "add", "ann", &line]).succeeded();
    consign.run(&["module", "keys", "add", "ann", &at("eve.pub")]).refused(1, &["another one of that name"]);
    consign.run(&["module", "keys", "add", "me", &at("ann.pem")]).refused(1, &["private key"]);
    consign.run(&["module", "keys", "add", "me", "not-a-key"]).refused(1, &["no public key"]);

    for (signature, key) in
        [("new.minisig", "ann"), ("old.minisig", "ann"), ("raw.sig", "ann-openssl"), ("base64.sig", "ann-openssl"), ("hex.sig", "ann-openssl")]
    {
        let module = signed("ann");
        push(&module, &[]).refused(1, &["has no signature", "ann, ann-openssl", "--unsigned"]);
        let pushed = push(&module, &with(signature)).succeeded().json();
        assert_eq!(pushed["signed_by"]["name"], key, "{signature}: {pushed}");
        let shown = consign.run(&["module", "show", pushed["manifest"]["name"].as_str().unwrap()]).succeeded().stdout;
        assert!(shown.contains(&format!("signed with the key {key} ")), "{shown}");
    }
    let kept = modules(&consign);
    // A wrong one is refused whatever is said: somebody else's, another file's, a broken one, none at all.
    let module = signed("eve");
    for signature in ["new.minisig", "old.minisig", "raw.sig", "base64.sig", "hex.sig"] {
        push(&module, &with(signature)).refused(1, &["the signature is wrong", "ann"]);
    }
    let module = signed("ann");
    let mut other = std::fs::read(&module).unwrap();
    // The component's custom sections may say anything: it is still a component, and another file.
    other.extend([0, 2, 1, b'x']);
    let other = consign.write("other.wasm", other);
    for signature in ["new.minisig", "old.minisig", "raw.sig"] {
        push(&other, &with(signature)).refused(1, &["the signature is wrong"]);
    }
    let trusted = std::fs::read_to_string(folder.join("new.minisig")).unwrap().replace("timestamp:", "timestamp:1");
    std::fs::write(folder.join("comment.minisig"), trusted).unwrap();
    push(&module, &with("comment.minisig")).refused(1, &["the signature is wrong"]);
    push(&module, &with("here")).refused(1, &["no signature"]);
    push(&module, &with("module.wasm")).refused(1, &["no signature"]);
    assert_eq!(modules(&consign), kept);
    push(&module, &["--unsigned".to_owned()]).succeeded();
    // Who vouches for it later is kept.
    let signed_now = push(&module, &with("raw.sig")).succeeded().json();
    assert_eq!((&signed_now["now_signed"], &signed_now["signed_by"]["name"]), (&json!(true), &json!("ann-openssl")), "{signed_now}");
    let again = push(&module, &with("new.minisig")).succeeded().json();
    assert_eq!((&again["now_signed"], &again["signed_by"]["name"]), (&json!(false), &json!("ann-openssl")), "{again}");

    // A key that is gone vouches for nothing any more; what it has vouched for stays.
    consign.json(&["module", "keys", "remove", "ann"]);
    consign.run(&["module", "keys", "remove", "ann"]).refused(1, &["no key 'ann'"]);
    push(&signed("ann"), &with("new.minisig")).refused(1, &["no minisign key"]);
    assert_eq!(modules(&consign).len(), kept.len() + 1);
}

/// A published contract runs for ever: modules that were built against it are pushed and bound like new ones.
#[test]
fn modules_of_an_old_contract_are_taken() {
    let (corpus, consign, inbox) = (made_up("jsonl", seed("workspace")), Consign::new(), Inbox::start());
    consign.import(corpus.form, &corpus.file, "s");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/sandbox/tests/fixtures/0.1.0");
    // They call themselves as they were called when they came with the program; a name of the same length is all that is changed.
    let renamed = |name: &str| {
        let mut bytes = std::fs::read(fixture.join(format!("{name}.wasm"))).unwrap();
        let (old, new) = (format!("std/{name}"), format!("old/{name}"));
        let mut places = 0;
        for at in 0..bytes.len() - old.len() {
            if bytes[at..].starts_with(old.as_bytes()) {
                bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
                places += 1;
            }
        }
        assert!(places > 0, "{name}");
        bytes
    };
    push_file(&consign, &fixture.join("keywords.wasm"), &[]).refused(1, &["std/keywords"]);
    for name in ["chats", "keywords", "participants", "per-chat", "per-user", "period"] {
        push(&consign, &renamed(name));
    }
    let old = "needs = [\"matching\"]\n[policy.grouping]\nmodule = \"old/per-chat\"\nneeds = [\"titles\", \"times\", \"ids\", \"references\"]";
    let config = "config = { none = [\"the\"], ignore-case = true }";
    consign.policy(&inbox.target(), &format!("[[policy.criteria]]\nmodule = \"old/keywords\"\n{config}\n{old}"));
    let by_old = consign.json(&["run", "all"]);
    let policy = format!(
        "{}\n[[policy]]\nname = \"new\"\ntarget = \"archive\"\n[[policy.criteria]]\nmodule = \"std/keywords\"\n{config}\n",
        inbox.target().toml()
    );
    consign.apply(&policy);
    let by_new = consign.json(&["run", "new"]);
    assert_eq!(by_old["events"], by_new["events"], "the standard ones of today say the same");
    assert!(by_old["events"]["omitted"].as_u64() > Some(0) && by_old["events"]["exported"].as_u64() > Some(0), "{by_old}");
}

#[test]
fn modules_are_looked_at_again_when_a_person_asks() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    push(&consign, &leaves_out("acme/no-files", "1.0.0", WITH_FILES));
    push(&consign, &leaves_out("acme/unused", "1.0.0", EDITED));
    consign.policy(&inbox.target(), "[[policy.criteria]]\nmodule = \"acme/no-files\"");
    let all = consign.json(&["module", "recheck"]);
    let found = |all: &Value| {
        all["modules"].as_array().unwrap().iter().map(|one| format!("{} {}", one["module"].as_str().unwrap(), one["found"])).collect::<Vec<_>>()
    };
    assert_eq!(found(&all).len(), 2, "{all}");
    assert_eq!(found(&all)[0], "acme/no-files@1.0.0 \"same\"");
    assert!(all["engine"].as_str().unwrap().starts_with("wasmtime"));
    assert_eq!(found(&consign.json(&["module", "recheck", "acme/no-files"])).len(), 1);
    assert_eq!(found(&consign.json(&["module", "recheck", "acme/unused"])).len(), 0);
    consign.run(&["module", "recheck", "acme/none"]).refused(1, &[forever("there is no module 'acme/none'".to_owned())]);
}
