//! Bad input of every kind: each is a clear error that names the place and the way out, a non-zero exit, and nothing lost or half-done.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use consign_tests::{Behaviour, Consign, Corpus, Inbox, Postfix, Scripted, Target, check, files_below, made_up, make, python, say, seed};
use serde_json::{Value, json};

/// A data folder with a few events and a policy, and what must stay as it was.
struct House {
    consign: Consign,
    good: PathBuf,
    before: Value,
}

impl House {
    fn new() -> Self {
        let consign = Consign::new();
        let good = consign.beside("good.jsonl");
        make("jsonl", &good, &[5]);
        consign.import("jsonl", &good, "good");
        consign.policy(&Target::plain(9), "");
        let mut house = Self { consign, good, before: Value::Null };
        house.before = house.state();
        house
    }

    /// Everything that a person can see of it.
    fn state(&self) -> Value {
        let preview = self.consign.beside("preview");
        let _ = std::fs::remove_dir_all(&preview);
        let previewed = self.consign.json(&["run", "all", "--preview", &preview.display().to_string()]);
        json!({
            "policies": self.consign.json(&["policies"]), "runs": self.consign.json(&["runs"]), "held": self.consign.json(&["held"]),
            "events": previewed["events"], "emails": previewed["emails"],
        })
    }

    fn is_as_before(&self) {
        assert_eq!(self.state(), self.before);
        let again = self.consign.import("jsonl", &self.good, "good");
        assert_eq!(again["stored"], json!({}), "{again}");
    }
}

#[test]
fn exports_that_can_not_be_read_change_nothing() {
    let house = House::new();
    let folder = house.consign.beside("broken");
    std::fs::create_dir(&folder).unwrap();
    make("broken", &folder, &[]);
    let cases: &[(&str, &str, &[&str])] = &[
        ("not.zip", "slack", &["not.zip", "ZIP"]),
        ("empty.zip", "slack", &["empty.zip"]),
        ("letter.zip", "slack", &["letter.zip", "no Slack export"]),
        ("cut.zip", "slack", &["cut.zip", "Nothing was imported"]),
        ("other.zip", "slack", &["other.zip", "users.json", "Nothing was imported"]),
        ("users-line2.zip", "slack", &["users-line2.zip", "users.json, line 2", "Nothing was imported"]),
        ("good.zip", "jsonl", &["good.zip"]),
        ("nowhere.zip", "slack", &["nowhere.zip"]),
    ];
    for (file, form, says) in cases {
        let path = folder.join(file).display().to_string();
        house.consign.run(&["import", &path, "--format", form, "--source", "bad"]).refused(1, says);
        house.is_as_before();
    }
    let path = folder.join("good.zip").display().to_string();
    house.consign.run(&["import", &path, "--format", "carrier-pigeon", "--source", "bad"]).refused(2, &["carrier-pigeon", "slack"]);
    house.consign.run(&["import", &path, "--format", "slack", "--source", "not/a name"]).refused(2, &["not/a name"]);
    house.is_as_before();
}

#[test]
fn what_can_be_read_is_imported_and_the_rest_is_named() {
    let consign = Consign::new();
    let folder = consign.beside("broken");
    std::fs::create_dir(&folder).unwrap();
    make("broken", &folder, &[]);
    let cases: &[(&str, &str, u64, &[&str])] = &[
        ("line3.zip", "slack", 1, &["room/2026-01-06.json", "line 3"]),
        ("bomb.zip", "slack", 0, &["room/2026-01-05.json", "200000002 bytes", "not read"]),
        ("climbing.zip", "slack", 1, &["climbed"]),
        ("line3.jsonl", "jsonl", 3, &["line 3"]),
        ("at.jsonl", "jsonl", 1, &["line 2", "at"]),
    ];
    for (number, (file, form, stored, says)) in cases.iter().enumerate() {
        let (path, source) = (folder.join(file).display().to_string(), format!("s{number}"));
        let args = ["import", &path, "--format", form, "--source", &source];
        consign.run(&args).refused(3, says);
        let again = consign.run(&[&args[..], &["--json"]].concat()).ended(3).json();
        let there = again["already_there"]["message"].as_u64().unwrap_or(0);
        assert_eq!((&again["stored"], there), (&json!({}), *stored), "{file}: {again}");
        assert!(again["refused"].as_u64() > Some(0), "{again}");
    }
    assert!(!consign.beside("climbed").exists() && !folder.join("../../climbed").exists());
    // One broken entry, or a file that ends too early: never a clean success.
    for (file, form) in [("flipped.zip", "slack"), ("cut.jsonl.gz", "jsonl")] {
        let ran = consign.run(&["import", &folder.join(file).display().to_string(), "--format", form, "--source", "z"]);
        assert!(matches!(ran.code, Some(1 | 3)), "{file}: {ran:?}");
        assert!(ran.stderr.contains(file) || ran.stdout.contains(".json") || ran.stdout.contains("line"), "{file}: {ran:?}");
    }
    consign.json(&["runs"]);
}

const TARGET: &str = r#"
[[target]]
name = "archive"
host = "127.0.0.1"
port = 25
tls = "none"
allow-plaintext = true
from = "journal@corp.example"
to = ["ingest@archive.example"]
"#;

#[test]
fn policies_that_can_not_be_meant_change_nothing() {
    let house = House::new();
    let secret = "hunter2-correct-horse";
    let policy = |lines: &str| format!("{TARGET}[[policy]]\nname = \"p\"\ntarget = \"archive\"\n{lines}\n");
    let criterion = |module: &str, config: &str| policy(&format!("[[policy.criteria]]\nmodule = \"{module}\"\nconfig = {config}"));
    let target = |line: &str| format!("{TARGET}{line}\n");
    let many = "[[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"a\"] }\n".repeat(17);
    let long = format!("{{ any = [\"a\", \"{}\"] }}", "b".repeat(1_025));
    let cases: Vec<(&str, String, Vec<&str>)> = vec![
        ("not TOML", "[[target]\n".to_owned(), vec!["line 1"]),
        ("nothing", String::new(), vec!["[[target]]"]),
        ("unknown key of a target", target("colour = 1"), vec!["line 10", "colour"]),
        ("unknown key of a policy", policy("colour = 1"), vec!["line 13", "colour"]),
        ("unknown table", "[[polizy]]\nname = \"p\"\n".to_owned(), vec!["line 1", "polizy"]),
        ("unknown target", "[[policy]]\nname = \"p\"\ntarget = \"nowhere\"\n".to_owned(), vec!["policy p", "nowhere", "[[target]]"]),
        ("unknown module", criterion("std/telepathy", "{}"), vec!["criteria 1", "std/telepathy", "std/keywords"]),
        ("module by an unknown digest", criterion(&format!("sha256:{}", "0".repeat(64)), "{}"), vec!["criteria 1", "sha256:0000"]),
        ("configuration: type", criterion("std/keywords", "{ any = [\"a\", 5] }"), vec!["criteria 1 (std/keywords)", "/any/1"]),
        ("configuration: unknown key", criterion("std/keywords", "{ any = [\"a\"], anny = [] }"), vec!["criteria 1", "anny"]),
        ("configuration: refused by the module", criterion("std/keywords", "{ any = [\"a\", \"a\"] }"), vec!["criteria 1", "/any"]),
        ("configuration: in the module's words", criterion("std/keywords", "{}"), vec!["criteria 1", "give at least one keyword in \"any\""]),
        ("configuration: no such day", criterion("std/period", "{ from = \"2026-02-30\" }"), vec!["criteria 1", "/from"]),
        ("a grouping as a criterion", criterion("std/per-chat", "{}"), vec!["criteria 1", "grouping"]),
        ("cron that never fires", policy("schedule = { cron = \"0 0 30 2 *\" }"), vec!["policy p, schedule", "0 0 30 2 *"]),
        ("cron that is none", policy("schedule = { cron = \"61 * * * *\" }"), vec!["policy p, schedule", "61"]),
        ("cron in the past", policy("schedule = { once = \"2020-01-01T00:00\" }"), vec!["policy p, schedule", "2020-01-01"]),
        ("no such zone", policy("schedule = { cron = \"0 0 * * *\", time-zone = \"Europe/Berlim\" }"), vec!["schedule", "Europe/Berlim"]),
        ("once with an offset", policy("schedule = { once = \"2099-01-01T00:00Z\" }"), vec!["schedule", "2099-01-01"]),
        (
            "a mistyped zone's key",
            policy("schedule = { cron = \"0 0 * * *\", timezone = \"Europe/Berlin\" }"),
            vec!["line 13", "timezone", "time-zone"],
        ),
        ("cron and once", policy("schedule = { cron = \"0 0 * * *\", once = \"2099-01-01T00:00\" }"), vec!["line 13", "cron", "once"]),
        ("neither cron nor once", policy("schedule = { time-zone = \"Europe/Berlin\" }"), vec!["line 13", "cron", "once"]),
        ("a schedule of another shape", policy("schedule = { every = \"day\" }"), vec!["line 13", "cron"]),
        ("a literal password", target(&format!("username = \"u\"\npassword = \"{secret}\"")), vec!["line 11", "env"]),
        ("a literal password in a table", target(&format!("username = \"u\"\npassword = {{ text = \"{secret}\" }}")), vec!["line 11", "env"]),
        ("a password without a user", target("password = { env = \"P\" }"), vec!["target archive", "username"]),
        ("plaintext without leave", TARGET.replace("allow-plaintext = true\n", ""), vec!["target archive, tls", "allow-plaintext"]),
        (
            "no certificates",
            TARGET.replace("tls = \"none\"", "tls = \"starttls\"\nca-file = \"/nowhere/ca.pem\""),
            vec!["target archive, ca-file", "/nowhere/ca.pem"],
        ),
        ("a port in the host", TARGET.replace("127.0.0.1", "smtp.archive.example:25"), vec!["target archive, host", "without a port"]),
        ("no name for EHLO", target("hello = \"a b\""), vec!["target archive, hello"]),
        ("no recipient", TARGET.replace("\"ingest@archive.example\"", ""), vec!["target archive, to"]),
        ("an address with a line end", TARGET.replace("journal@", "a\\r\\nBcc: x@"), vec!["target archive"]),
        ("no address", TARGET.replace("journal@corp.example", "journal"), vec!["target archive, from"]),
        ("a template that is none", target("subject = \"{{ chat.title\""), vec!["target archive, subject"]),
        ("a header with a line end", target("headers = { \"X-A\\r\\nBcc\" = \"x\" }"), vec!["target archive"]),
        ("a header of ours", target("headers = { \"Message-ID\" = \"<x@y>\" }"), vec!["target archive", "Message-ID"]),
        (
            "reading what is not decrypted",
            criterion("std/keywords", "{ any = [\"a\"] }").replace("target = \"archive\"\n", "target = \"archive\"\ndecrypt = false\n"),
            vec!["criteria 1", "decrypt"],
        ),
        ("users without decrypting", policy("decrypt = false\nbased-on = \"users\""), vec!["based-on"]),
        ("twice", policy("").replace("[[target]]", "[[policy]]\nname = \"p\"\ntarget = \"archive\"\n[[target]]"), vec!["policy p", "twice"]),
        ("since that is none", policy("since = \"yesterday\""), vec!["line 13", "2026-01-31"]),
        ("since at no moment of UTC", policy("since = 2026-01-31T08:00:00"), vec!["line 13", "2026-01-31"]),
        ("too many criteria", policy(&many), vec!["policy p, criteria", "17", "16"]),
        ("a keyword that is too long", criterion("std/keywords", &long), vec!["criteria 1", "/any/1", "1024 bytes"]),
        ("no size", target("max-size = \"much\""), vec!["line 10", "25 MiB"]),
    ];
    let mut wrong = Vec::new();
    for (what, toml, says) in &cases {
        let file = house.consign.write("bad.toml", toml).display().to_string();
        let ran = house.consign.run(&["apply", &file]);
        let missing: Vec<_> = says.iter().filter(|word| !ran.stderr.contains(**word)).collect();
        if ran.code != Some(1) || !missing.is_empty() || !ran.stderr.contains("bad.toml") {
            wrong.push(format!("{what}: exit {:?}, does not say {missing:?}:\n{}{}", ran.code, ran.stdout, ran.stderr));
        }
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{what}: the password is shown");
        let json = house.consign.run(&["apply", &file, "--json"]);
        assert!(
            json.code == Some(0) || serde_json::from_str::<Value>(&json.stderr).is_ok_and(|said| said["error"].is_string()),
            "{what}: {}",
            json.stderr
        );
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    house.is_as_before();
    house.consign.run(&["apply", "/nowhere.toml"]).refused(1, &["/nowhere.toml"]);
    house.consign.run(&["run", "nobody"]).refused(1, &["nobody"]);
    house.consign.run(&["runs", "nothing"]).refused(1, &["nothing"]);
    house.consign.run(&["held", "retry", "nothing"]).refused(1, &["nothing"]);
    house.consign.run(&["explain", "all", "nothing"]).refused(1, &["nothing"]);
    let manifest = house.consign.write("no.json", "{}").display().to_string();
    house.consign.run(&["verify", &manifest, "--mail", "/tmp"]).refused(1, &["no.json"]);
    house.is_as_before();
}

/// TOML has dates of its own, and a person who leaves the quotes out means one.
#[test]
fn a_date_without_quotes_is_one() {
    let consign = Consign::new();
    let good = consign.beside("good.jsonl");
    make("jsonl", &good, &[5]);
    consign.import("jsonl", &good, "good");
    consign.policy(&Target::plain(9), "");
    // The events begin on 2026-01-05.
    for (since, some) in [("2026-01-01", true), ("\"2026-01-01\"", true), ("2026-01-05T01:00:00+02:00", true), ("2099-01-31", false)] {
        let target = Target::plain(9).toml();
        consign.apply(&format!("{target}\n[[policy]]\nname = \"dated\"\ntarget = \"archive\"\nsince = {since}\n"));
        let preview = consign.beside("dated");
        let _ = std::fs::remove_dir_all(&preview);
        let previewed = consign.json(&["run", "dated", "--preview", &preview.display().to_string()]);
        assert_eq!(previewed["events"]["exported"].as_u64() > Some(0), some, "{since}: {previewed}");
    }
}

/// Nothing of a file is in force where a module of it can't be kept.
#[test]
fn a_folder_of_modules_that_can_not_be_written_applies_nothing() {
    let consign = Consign::new();
    consign.json(&["init"]);
    let modules = consign.data().join("modules");
    let _ = std::fs::remove_dir_all(&modules);
    // A file in the folder's place: root may write into any folder.
    std::fs::write(&modules, "").unwrap();
    let toml = format!("{TARGET}[[policy]]\nname = \"p\"\ntarget = \"archive\"\n");
    let file = consign.write("policy.toml", &toml).display().to_string();
    consign.run(&["apply", &file]).refused(1, &["modules"]);
    std::fs::remove_file(&modules).unwrap();
    let applied = consign.json(&["apply", &file]);
    let changes: Vec<_> = applied.as_array().into_iter().flatten().map(|change| &change["change"]["is"]).collect();
    assert_eq!(changes, ["new", "new"], "{applied}");
}

/// A service manager may give no HOME; the settings name the folder.
#[test]
fn serve_takes_the_data_folder_from_its_settings_alone() {
    let consign = Consign::new();
    let settings = consign.write("serve.toml", format!("data = {:?}\n", consign.beside("by-settings"))).display().to_string();
    let mut command = consign.command(&["serve", "--config", &settings]);
    command.env_remove("HOME").env_remove("CONSIGN_DATA").stdout(std::process::Stdio::piped());
    let mut serving = consign_tests::Running::of(&mut command);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(serving.stdout()), &mut line).unwrap();
    assert!(line.contains("by-settings"), "{line}");
    assert!(serving.terminate().success());
}

#[test]
fn a_data_folder_that_can_not_be_used_is_left_alone() {
    let house = House::new();
    let serving = house.consign.serve();
    let good = house.good.display().to_string();
    let commands: [&[&str]; 4] = [&["policies"], &["import", &good, "--format", "jsonl", "--source", "good"], &["run", "all"], &["apply", &good]];
    for args in commands {
        house.consign.run(args).refused(1, &["in use by another process", "--data"]);
    }
    assert!(serving.terminate().success());
    house.is_as_before();

    let store = house.consign.data().join("store");
    let mark = store.join("consign.mark");
    let whole = std::fs::read(&mark).unwrap();
    make("newer", &mark, &[]);
    for args in commands {
        house.consign.run(args).refused(1, &["format 99", "newer"]);
    }
    std::fs::write(&mark, &whole).unwrap();
    house.is_as_before();

    // One bit of the database, at its end and in the middle.
    let whole = std::fs::read(&mark).unwrap();
    let database = store.join("index/db");
    let bytes = std::fs::read(&database).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for place in [used - 3, used / 2] {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x10;
        std::fs::write(&database, &flipped).unwrap();
        house.consign.run(&["run", "all"]).refused(1, &["damaged", "backup"]);
        assert!(std::fs::read(&database).unwrap() == flipped, "a damaged database was written to");
        std::fs::write(&database, &bytes).unwrap();
        std::fs::write(&mark, &whole).unwrap();
    }
    house.is_as_before();
}

#[test]
fn a_wrong_master_key_opens_nothing_and_harms_nothing() {
    let house = House::new();
    let with = |name: &str, value: &str, args: &[&str]| {
        let mut command = house.consign.command(args);
        command.env(name, value);
        consign_tests::Ran::of(command)
    };
    let other = "0123456789abcdef".repeat(4);
    for args in [&["run", "all"][..], &["policies"][..]] {
        with("CONSIGN_MASTER_KEY", &other, args).refused(1, &["not the master key"]);
        let none = with("CONSIGN_MASTER_KEY", "correct horse", args).refused(1, &["not a master key"]);
        assert!(!none.stderr.contains("correct horse"));
        with("CONSIGN_MASTER_KEY_FILE", "/nowhere.key", args).refused(1, &["/nowhere.key"]);
    }
    let (key, away) = (house.consign.data().join("master.key"), house.consign.beside("away.key"));
    std::fs::rename(&key, &away).unwrap();
    house.consign.run(&["run", "all"]).refused(1, &["no master key", "CONSIGN_MASTER_KEY"]);
    assert!(!key.exists(), "a new master key was made where there is a tenant already");
    std::fs::rename(&away, &key).unwrap();
    house.is_as_before();
}

/// What a later run did for windows that an earlier one had held, as if it were a run.
fn supplement(run: &Value) -> Value {
    assert_eq!(run["supplements"]["windows"], run["supplements"]["done"], "{run}");
    json!({ "events": run["supplements"]["events"], "emails": run["supplements"]["emails"], "manifest": run["manifest"] })
}

/// Flips one bit of a file in the archive, and says what it was.
fn flip(file: &std::path::Path) -> Vec<u8> {
    let whole = std::fs::read(file).unwrap();
    let mut flipped = whole.clone();
    let place = flipped.len() * 2 / 3;
    flipped[place] ^= 1;
    std::fs::write(file, &flipped).unwrap();
    whole
}

#[test]
fn a_flipped_bit_in_a_segment_holds_that_chat_alone() {
    let corpus = made_up("slack", 11);
    let (consign, inbox) = (Consign::new(), Inbox::start());
    consign.import("slack", &corpus.file, "s");
    // A chat that comes alone has a file of its own.
    let victim = consign.alone("own", 3);
    consign.policy(&inbox.target(), "");
    let whole = flip(&victim);
    let flipped = std::fs::read(&victim).unwrap();

    let run = consign.run(&["run", "all", "--json"]).refused(3, &[]).json();
    assert_eq!((&run["chats"]["held"], &run["events"]["held"]), (&json!(1), &json!(3)), "{run}");
    assert!(std::fs::read(&victim).unwrap() == flipped, "an export wrote to a conversation file");
    let held = consign.json(&["held"]);
    assert_eq!((held.as_array().map(Vec::len), &held[0]["chat"]), (Some(1), &json!("own-chat")), "{held}");
    consign.run(&["held"]).refused(0, &["damaged", "backup", "own-chat"]);
    let mut others = run.clone();
    for place in ["examined", "held"] {
        others["events"][place] = json!(run["events"][place].as_u64().unwrap() - 3);
    }
    check("everything", &inbox.maildir(), &corpus, &others, &[]);

    std::fs::write(&victim, whole).unwrap();
    let mended = consign.json(&["run", "all"]);
    let supplements = &mended["supplements"];
    assert_eq!((&mended["events"]["examined"], &supplements["windows"], &supplements["done"]), (&json!(0), &json!(1), &json!(1)), "{mended}");
    assert_eq!((&supplements["events"]["exported"], consign.json(&["held"])), (&json!(3), json!([])));
}

#[test]
fn a_flipped_bit_in_an_arrival_file_holds_its_chats_and_nothing_of_it_goes_out() {
    let corpus = made_up("slack", 11);
    let (consign, inbox) = (Consign::new(), Inbox::start());
    consign.import("slack", &corpus.file, "s");
    consign.policy(&inbox.target(), "");
    let files = files_below(&consign.data().join("archive/default/arrivals"), ".age");
    assert_eq!(files.len(), 1);
    let victim = &files[0];
    let whole = flip(victim);
    let run = consign.run(&["run", "all", "--json"]).refused(3, &[]).json();
    let (events, chats) = (&run["events"], &run["chats"]);
    assert_eq!((&chats["held"], &events["held"], &run["emails"]["composed"]), (&chats["examined"], &events["examined"], &json!(0)), "{run}");
    consign.run(&["held"]).refused(0, &["damaged", "backup"]);

    std::fs::write(victim, whole).unwrap();
    let mended = consign.json(&["run", "all"]);
    let mut both = run.clone();
    for place in ["exported", "copies"] {
        both["events"][place] = mended["supplements"]["events"][place].clone();
    }
    both["events"]["held"] = json!(0);
    both["emails"]["accepted"] = chats["examined"].clone();
    check("everything", &inbox.maildir(), &corpus, &both, &[]);
    assert_eq!(consign.json(&["held"]), json!([]));
    assert_eq!(consign.json(&["run", "all"])["emails"]["composed"], 0);
}

fn exported_evil(consign: &Consign, target: &Target) {
    let file = consign.beside("evil.jsonl");
    make("evil", &file, &[]);
    consign.write("files/a.txt", "attached");
    let ran = consign.run(&["import", &file.display().to_string(), "--format", "jsonl", "--source", "evil", "--json"]);
    assert!(matches!(ran.code, Some(0 | 3)), "{ran:?}");
    consign.apply(&format!(
        "{}headers = {{ \"X-Desk\" = \"{{{{ chat.title }}}} {{{{ participants | map(attribute='name') | join(', ') }}}}\" }}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n",
        target.toml()
    ));
    let run = consign.json(&["run", "all"]);
    assert_eq!((&run["events"]["held"], &run["emails"]["accepted"]), (&json!(0), &json!(1)), "{run}");
    for args in [&["runs"][..], &["held"][..], &["explain", "all", "m1"][..]] {
        let printed = consign.run(args).succeeded().stdout;
        assert!(!printed.lines().any(|line| line.starts_with("X-Evil") || line.starts_with("Bcc")), "{printed}");
    }
}

#[test]
fn line_ends_in_names_end_no_header() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    exported_evil(&consign, &inbox.target());
    say(format_args!("{}", python("check.py", ["headers", "--mail", &inbox.maildir().display().to_string()])));
    if let Some(postfix) = Postfix::start() {
        let consign = Consign::new();
        exported_evil(&consign, &postfix.target());
        postfix.delivered(1);
        say(format_args!("{}", python("check.py", ["headers", "--mail", &postfix.maildir().display().to_string()])));
    }
}

/// A server that behaves badly, then well: everything is held and says why, then goes out, nothing lost or doubled.
fn mended(behaviour: Behaviour, corpus: &Corpus, retry: bool, repeats: bool) {
    let (consign, server) = (Consign::new(), Scripted::start(behaviour));
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&server.target(), "");
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    let events = &run["events"];
    assert_eq!((&events["held"], &events["exported"]), (&events["examined"], &json!(0)), "{behaviour:?}: {run}");
    assert_eq!(run["emails"]["accepted"], 0);
    let held = consign.json(&["held"]);
    assert_eq!(held.as_array().map(Vec::len), run["chats"]["held"].as_u64().and_then(|count| count.try_into().ok()), "{behaviour:?}");
    say(format_args!("{behaviour:?}: {}", held[0]["text"]));
    consign.run(&["verify", run["manifest"].as_str().unwrap(), "--mail", &server.maildir().display().to_string()]).succeeded();

    server.now(Behaviour::Accept);
    if retry {
        // What was refused for good waits for a person.
        let again = consign.run(&["run", "all", "--json"]).json();
        assert_eq!(again["supplements"]["windows"], 0, "{behaviour:?}: {again}");
    }
    let last = if retry { consign.json(&["held", "retry"])[0].clone() } else { consign.json(&["run", "all"]) };
    assert_eq!(last["events"]["examined"], 0, "{behaviour:?}: {last}");
    let all = supplement(&last);
    let mut whole = all.clone();
    whole["events"]["examined"] = events["examined"].clone();
    let allowed = if repeats { run["emails"]["composed"].to_string() } else { "0".to_owned() };
    check("everything", &server.maildir(), corpus, &whole, &["--repeats", &allowed]);
    assert_eq!(consign.json(&["held"]), json!([]));
    assert_eq!(consign.json(&["run", "all"])["emails"]["composed"], 0);
    let verify = |manifests: &[&Value]| {
        let mail = server.maildir().display().to_string();
        let mut args = vec!["verify"];
        args.extend(manifests.iter().map(|run| run["manifest"].as_str().unwrap()));
        args.extend(["--mail", &mail]);
        consign.json(&args)
    };
    // The first manifest alone can't say more than that these were held; with the later one everything is accounted for.
    verify(&[&last]);
    let first = verify(&[&run]);
    assert_eq!((&first["intact"], &first["missing"], &first["unexpected"]), (&json!(0), &json!([]), &json!([])), "{behaviour:?}: {first}");
    let both = verify(&[&last, &run]);
    assert_eq!((&both["intact"], &both["not_accepted"]), (&all["emails"]["accepted"], &json!(0)), "{behaviour:?}: {both}");
}

/// One that refuses some e-mails of a chat for good must not keep the chat's others from going out by themselves.
#[test]
fn an_archive_that_refuses_some_and_says_later_to_the_rest() {
    let (corpus, consign) = (made_up("slack", seed("workspace")), Consign::new());
    let server = Scripted::start(Behaviour::RefuseSomeAndDefer);
    consign.import(corpus.form, &corpus.file, "s");
    let small = format!("{}max-size = \"64 KiB\"\nconnections = 1\n", server.target().toml());
    consign.apply(&format!("{small}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n"));
    let first = consign.run(&["run", "all", "--json"]).ended(3).json();
    let (rejected, deferred) = (first["emails"]["rejected"].as_u64().unwrap(), first["emails"]["deferred"].as_u64().unwrap());
    assert!(rejected > 0 && deferred > 0, "{first}");
    server.now(Behaviour::Accept);
    let second = consign.run(&["run", "all", "--json"]).ended(3).json();
    let emails = &second["supplements"]["emails"];
    // Windows of which everything was refused are not tried again at all.
    assert!(emails["rejected"].as_u64() > Some(0), "{second}");
    assert_eq!((&emails["deferred"], emails["accepted"].as_u64()), (&json!(0), Some(deferred)), "{second}");
    let third = consign.json(&["held", "retry"])[0].clone();
    assert_eq!(third["supplements"]["emails"]["rejected"], 0, "{third}");
    let mut whole = first.clone();
    whole["emails"]["accepted"] = whole["emails"]["composed"].clone();
    whole["events"]["exported"] = whole["events"]["examined"].clone();
    whole["events"]["copies"] = whole["events"]["examined"].clone();
    whole["events"]["held"] = json!(0);
    say(format_args!(
        "{rejected} refused for good, {deferred} sent by the next run: {}",
        check("everything", &server.maildir(), &corpus, &whole, &[])
    ));
}

#[test]
fn an_archive_that_refuses() {
    let corpus = made_up("jsonl", 3);
    mended(Behaviour::RefuseRecipient, &corpus, true, false);
    mended(Behaviour::RefuseData, &corpus, true, false);
    mended(Behaviour::TakeLittle, &corpus, true, false);
}

#[test]
fn an_archive_that_says_later() {
    let corpus = made_up("jsonl", 3);
    mended(Behaviour::Defer, &corpus, false, false);
    mended(Behaviour::Unavailable, &corpus, false, false);
}

#[test]
fn an_archive_that_closes() {
    let corpus = made_up("jsonl", 3);
    mended(Behaviour::CloseBeforeAnswer, &corpus, false, false);
    mended(Behaviour::KeepAndClose, &corpus, false, true);
}

#[test]
fn an_archive_that_is_not_there() {
    let corpus = made_up("jsonl", 3);
    let consign = Consign::new();
    consign.import(corpus.form, &corpus.file, "s");
    // Nobody listens on this one: it was free, and is given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    consign.policy(&Target::plain(port), "");
    let run = consign.run(&["run", "all", "--json"]).ended(3).json();
    assert_eq!(run["events"]["held"], run["events"]["examined"]);
    // The target is mended by applying another port; frozen windows take it.
    let inbox = Inbox::start();
    consign.policy(&inbox.target(), "");
    let mut whole = supplement(&consign.json(&["run", "all"]));
    whole["events"]["examined"] = run["events"]["examined"].clone();
    check("everything", &inbox.maildir(), &corpus, &whole, &[]);
}
