//! The password of a target, the master key, private keys and the text of messages are in no log, error, manifest or file that Consign leaves, however it
//! goes: all logs are on, servers refuse, modules trap, policies are wrong, processes are killed.
//!
//! Python looks for them, in the forms that programs write bytes in. Where they are to be (the e-mails, a preview) it has to find them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;

use std::path::PathBuf;
use std::process::Command;

use consign_tests::{Behaviour, Consign, Fault, Ran, Random, Scripted, Shim, python, say, seed};
use guests::{TRAPS, fails_later};
use serde_json::{Value, json};

/// What an age identity begins with, and an Ed25519 key in PKCS #8 (RFC 5958; version 2, as it is made here): the keys themselves nobody can know.
const IDENTITY: &str = "AGE-SECRET-KEY-";
const SIGNING_KEY: &str = "302e020100300506032b6570";
const SIGNING_KEY_2: &str = "3053020101300506032b6570";

/// A data folder, what must not be found, and all that was said.
struct Watched {
    consign: Consign,
    archive: Scripted,
    secrets: Value,
    password: String,
    master: String,
    said: std::cell::Cell<usize>,
}

/// Letters alone: nothing that writes them has to escape them.
fn canary(what: &str, random: &mut Random) -> String {
    let letters: String = (0..20).map(|_| char::from(*random.pick(b"ABCDEFGHKLMNPQRSTUVWXYZ"))).collect();
    format!("{what}{letters}")
}

impl Watched {
    fn new() -> Self {
        let mut random = Random::new(seed("canaries"));
        let [password, text, edited, attached] = ["Pass", "Text", "Edit", "File"].map(|what| canary(what, &mut random));
        let master = [0; 4].map(|_: u8| format!("{:016x}", random.bits())).concat();
        let secrets = json!({
            "password": {"text": password}, "master key": {"hex": master}, "identity": {"text": IDENTITY}, "signing key": {"hex": SIGNING_KEY},
            "signing key, version 2": {"hex": SIGNING_KEY_2}, "text": {"text": text}, "edited text": {"text": edited}, "attachment": {"text": attached},
        });
        let (consign, archive) = (Consign::new(), Scripted::start(Behaviour::Accept));
        consign.write("password", &password);
        consign.write("in/files/note.txt", format!("note: {attached}"));
        let mut lines = vec![json!({"type": "user", "id": "U1", "name": "Ann Lee", "email": "ann@desk.example"})];
        for chat in 0..4 {
            let event = |kind: &str, id: &str, second: u8| json!({"type": kind, "chat": format!("C{chat}"), "id": id, "user": "U1", "at": format!("2026-01-05T07:00:{second:02}Z")});
            for second in 0..20 {
                let mut message = event("message", &format!("m{second}"), second);
                message["text"] = format!("before {text} after").into();
                if second == 3 {
                    message["attachments"] = json!([{"name": "note.txt", "media_type": "text/plain", "path": "files/note.txt"}]);
                }
                lines.push(message);
            }
            let mut edit = event("edit", "m1", 30);
            edit["text"] = format!("now {edited}").into();
            lines.push(edit);
        }
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        consign.write("in/chat.jsonl", lines.join("\n"));
        for folder in ["said", "tmp"] {
            std::fs::create_dir(consign.beside(folder)).unwrap();
        }
        Self { consign, archive, secrets, password, master, said: std::cell::Cell::new(0) }
    }

    /// Every command with all logs on and everything secret at hand.
    fn dressed(&self, mut command: Command) -> Command {
        command.env("CONSIGN_LOG", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").env("TMPDIR", self.consign.beside("tmp"));
        command.env("CONSIGN_MASTER_KEY", &self.master).env("ARCHIVE_PASSWORD", &self.password);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.heard(Ran::of(self.dressed(self.consign.command(args))))
    }

    fn heard(&self, ran: Ran) -> Ran {
        let number = self.said.replace(self.said.get() + 1);
        self.consign.write(&format!("said/{number}"), format!("{}\n{}", ran.stdout, ran.stderr));
        ran
    }

    fn policy(&self, password: &str, lines: &str) -> Ran {
        let target = self.archive.target().toml();
        let text = format!(
            "{target}username = \"u\"\npassword = {password}\n\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\nattachments = true\n{lines}\n"
        );
        let file = self.consign.write("policy/all.toml", text).display().to_string();
        self.run(&["apply", &file])
    }

    /// Where each secret is found below these.
    fn found(&self, folders: &[PathBuf]) -> Value {
        let secrets = self.consign.write("secrets/all.json", self.secrets.to_string());
        let args = [secrets].into_iter().chain(folders.iter().cloned()).map(|path| path.display().to_string());
        python("secrets_in.py", args)
    }

    /// Nowhere in what is left in the data folder, in the folder for temporary files, and in what was said.
    fn holds_none(&self, when: &str) -> Value {
        let folders = [self.consign.data(), self.consign.beside("tmp"), self.consign.beside("said")];
        let found = self.found(&folders);
        let places: Vec<&Value> = found["found"].as_object().unwrap().values().flat_map(|places| places.as_array().unwrap()).collect();
        assert!(places.is_empty(), "{when}: {}", serde_json::to_string_pretty(&found["found"]).unwrap());
        found
    }
}

const BY_VARIABLE: &str = "{ env = \"ARCHIVE_PASSWORD\" }";

#[test]
fn secrets_and_texts_are_where_they_belong_and_nowhere_else() {
    let watched = Watched::new();
    let file = watched.consign.beside("in/chat.jsonl").display().to_string();
    let import = ["import", &file, "--format", "jsonl", "--source", "s"];
    watched.run(&import).succeeded();
    watched.run(&import).succeeded();

    // Policies that are refused, then those that are not.
    watched.policy(&format!("\"{}\"", watched.password), "").ended(1);
    watched.policy(&format!("{{ text = \"{}\" }}", watched.password), "").ended(1);
    watched.policy(BY_VARIABLE, "colour = 1").ended(1);
    let by_file = format!("{{ file = {:?} }}", watched.consign.beside("password").display().to_string());
    watched.policy(&by_file, "").succeeded();

    // Archives that do not take it.
    let mut codes = Vec::new();
    for behaviour in [
        Behaviour::RefuseSignIn,
        Behaviour::Unavailable,
        Behaviour::RefuseRecipient,
        Behaviour::Defer,
        Behaviour::CloseBeforeAnswer,
        Behaviour::KeepAndClose,
        Behaviour::RefuseData,
    ] {
        watched.archive.now(behaviour);
        codes.push(watched.run(&["run", "all"]).code);
        watched.run(&["held", "--json"]).succeeded();
    }
    assert!(codes.iter().all(|code| [Some(1), Some(3), Some(0)].contains(code)) && codes.contains(&Some(3)), "{codes:?}");
    watched.holds_none("after archives that refuse");

    // A module that traps, and one whose word was taken away.
    let trap = watched.consign.write("trap.wasm", fails_later("test/made", "1.0.0", TRAPS)).display().to_string();
    let pushed = watched.run(&["module", "push", &trap, "--json"]).succeeded().json();
    watched.policy(BY_VARIABLE, &format!("[[policy.criteria]]\nmodule = \"sha256:{}\"", pushed["digest"].as_str().unwrap())).succeeded();
    watched.run(&["held", "retry", "--current"]).ended(3);
    for args in [
        &["held"][..],
        &["held", "--json"],
        &["logs", "all-000001"],
        &["runs", "--json"],
        &["explain", "all", "m1", "--chat", "C1"],
        &["explain", "all", "m1", "--chat", "C1", "--json"],
        &["explain", "all", "m3", "--chat", "C2", "--json"],
        &["policies", "--json"],
        &["module", "list", "--json"],
        &["quarantine", "list", "--json"],
        &["keys", "--json"],
        &["keys"],
    ] {
        watched.run(args).succeeded();
    }
    watched.holds_none("after a module that traps");

    // What is to be read in clear is: by who asks for it, and by the archive.
    watched.archive.now(Behaviour::Accept);
    watched.policy(BY_VARIABLE, "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"before\", \"now\"] }").succeeded();
    let preview = watched.consign.beside("preview");
    watched.run(&["run", "all", "--preview", &preview.display().to_string()]);
    watched.run(&["held", "retry", "--current"]).succeeded();
    watched.run(&["run", "all"]).succeeded();
    watched.run(&["explain", "all", "m1", "--chat", "C1", "--json"]).succeeded();
    let kept = watched.found(&[watched.archive.maildir()]);
    for text in ["text", "edited text", "attachment"] {
        assert!(!kept["found"][text].as_array().unwrap().is_empty(), "the e-mails hold no {text}: {}", kept["found"]);
    }
    for secret in ["password", "master key", "identity", "signing key", "signing key, version 2"] {
        assert_eq!(kept["found"][secret], json!([]), "an e-mail holds the {secret}");
    }
    let figures = watched.holds_none("at the end");
    let logs = std::fs::read_to_string(watched.consign.beside("said/0")).unwrap();
    assert!(logs.contains(" DEBUG "), "the logs are not on");
    say(format_args!("none of {} secrets in {} files of {} bytes", watched.secrets.as_object().unwrap().len(), figures["files"], figures["bytes"]));
}

/// A search that finds nothing proves nothing, unless it finds what is there.
#[test]
fn a_secret_is_found_in_every_form() {
    let consign = Consign::new();
    let secrets = consign.write("secrets.json", json!({"it": {"text": "PassCANARYCANARYCANARY"}}).to_string()).display().to_string();
    let forms = [
        ("as it is", "a PassCANARYCANARYCANARY b"),
        ("lower case", "passcanarycanarycanary"),
        ("hex", "5061737343414e41525943414e41525943414e415259"),
        ("hex, large", "5061737343414E41525943414E41525943414E415259"),
        ("a list of numbers", "[80, 97, 115, 115, 67, 65, 78, 65, 82, 89, 67, 65, 78, 65, 82, 89, 67, 65, 78, 65, 82, 89]"),
        ("base64 after 0 bytes", "UGFzc0NBTkFSWUNBTkFSWUNBTkFSWWFuZCBtb3Jl"),
        ("base64 after 1 bytes", "YVBhc3NDQU5BUllDQU5BUllDQU5BUllhbmQgbW9yZQ=="),
        ("base64 after 2 bytes", "YWJQYXNzQ0FOQVJZQ0FOQVJZQ0FOQVJZYW5kIG1vcmU="),
        ("AUTH PLAIN", "AHUAUGFzc0NBTkFSWUNBTkFSWUNBTkFSWQ=="),
    ];
    let wide: Vec<u8> = "PassCANARYCANARYCANARY".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let forms = forms.map(|(name, text)| (name, text.as_bytes().to_vec())).into_iter().chain([("UTF-16", wide)]);
    for (number, (name, bytes)) in forms.enumerate() {
        let folder = consign.write(&format!("{number}/file"), [b"before ", bytes.as_slice(), b" after"].concat());
        let found = python("secrets_in.py", [&secrets, &folder.parent().unwrap().display().to_string()]);
        assert!(found["found"]["it"].as_array().is_some_and(|places| !places.is_empty()), "{name}: {found}");
    }
}

/// What a kill leaves lies there until the next start.
#[test]
fn what_a_kill_leaves_holds_no_secret() {
    let shim = Shim::build();
    let mut random = Random::new(seed("steps to be killed at"));
    let (mut files, mut killed) = (0, 0);
    for _ in 0..6 {
        let watched = Watched::new();
        let file = watched.consign.beside("in/chat.jsonl").display().to_string();
        let import = ["import", &file, "--format", "jsonl", "--source", "s"];
        for args in [&import[..], &["run", "all"]] {
            let at = 1 + random.below(150) as u64;
            let (ran, steps) = shim.run_as(&watched.consign, args, Fault::KillBefore, at, |command| watched.dressed(command));
            killed += u32::from(steps.hit > 0 && ran.code.is_none());
            watched.heard(ran);
            files += watched.holds_none(&format!("{args:?} was killed at step {at}"))["files"].as_u64().unwrap();
            if args == import {
                watched.run(&import).succeeded();
                watched.policy(BY_VARIABLE, "").succeeded();
            }
        }
    }
    // Where a command has fewer steps than were drawn, it ends by itself.
    assert!(killed >= 6, "only {killed} of 12 were killed");
    say(format_args!("killed {killed} times of 12: no secret in {files} files"));
}
