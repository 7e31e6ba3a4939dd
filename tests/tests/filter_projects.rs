//! Filters' projects, as their authors come by them: `filter new`, the project's own tests, `filter build`; and the one filter that is written in three
//! languages. Building JavaScript and Python takes packages from their registries; what is brought once is kept beside cargo's folder, as are
//! crates that were compiled (where the standard library for WebAssembly is not installed, it is among them).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use consign_tests::{Consign, Inbox, Ran, Workplace, binary, real_jsonl, real_slack, say};
use serde_json::{Value, json};

/// Runs the program in a folder, with the toolchains that this machine has.
fn consign(at: &Workplace, folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(binary());
    command.args(args).current_dir(folder).env("CARGO_TARGET_DIR", at.target()).stdin(Stdio::null());
    Ran::of(command)
}

/// Runs another program, which has to succeed.
#[track_caller]
fn run(at: &Workplace, folder: &Path, program: &str, args: &[&str]) {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).env("CARGO_TARGET_DIR", at.target()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {said}");
}

/// Where packages lie that many projects share, by what their lock file says.
fn shared(at: &Workplace, lock: &Path, name: &str) -> PathBuf {
    let digest = consign_model::Digest::of(&std::fs::read(lock).unwrap());
    let folder = at.packages(&format!("{name}-{}", &digest.to_string()[..16]));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Gives a project the packages that an earlier one brought, or brings them for the next.
fn packages(at: &Workplace, project: &Path, language: &str) {
    match language {
        "ts" => {
            let lock = project.join("package-lock.json");
            // A project's name stands in its lock file and changes nothing of what is installed.
            let text = std::fs::read_to_string(&lock).unwrap();
            let whole: Value = serde_json::from_str(&text).unwrap();
            let key = tempfile::NamedTempFile::new().unwrap();
            let installed: Vec<_> = whole["packages"].as_object().unwrap().iter().filter(|(place, _)| !place.is_empty()).collect();
            std::fs::write(key.path(), json!(installed).to_string()).unwrap();
            let folder = shared(at, key.path(), "node");
            if !folder.join("node_modules/.bin/componentize-js").exists() {
                std::fs::copy(&lock, folder.join("package-lock.json")).unwrap();
                std::fs::copy(project.join("package.json"), folder.join("package.json")).unwrap();
                run(at, &folder, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            }
            std::os::unix::fs::symlink(folder.join("node_modules"), project.join("node_modules")).unwrap();
        }
        "python" => {
            let folder = shared(at, &project.join("requirements.txt"), "python");
            if !folder.join(".venv/bin/componentize-py").exists() {
                run(at, &folder, "python3", &["-m", "venv", ".venv"]);
                let pins = project.join("requirements.txt");
                run(at, &folder, ".venv/bin/python3", &["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", pins.to_str().unwrap()]);
            }
            std::os::unix::fs::symlink(folder.join(".venv"), project.join(".venv")).unwrap();
        }
        _ => {}
    }
}

/// A new project goes from nothing to a module, by the commands of its README.
fn from_nothing(language: &str, kind: &str, own_tests: (&str, &[&str])) {
    let at = Workplace::new();
    consign(&at, at.path(), &["filter", "new", "acme/no-bots", "--lang", language, "--kind", kind]).succeeded();
    let project = at.path().join("no-bots");
    packages(&at, &project, language);
    consign(&at, &project, &["filter", "doctor"]).succeeded();
    run(&at, &project, own_tests.0, own_tests.1);
    let built = consign(&at, &project, &["filter", "build", "--json"]).succeeded().json();
    let bytes = std::fs::read(project.join("no-bots.wasm")).unwrap();
    assert_eq!(built["digest"], json!(consign_model::Digest::of(&bytes).to_string()));
    let checked = consign(&at, &project, &["filter", "check", "no-bots.wasm", "--json"]).succeeded().json();
    assert_eq!(checked[0]["module"]["digest"], built["digest"], "{checked}");
    consign(&at, &project, &["filter", "test"]).succeeded();
    if kind == "criteria" {
        a_fault_is_told_with_its_place(&at, &project, language);
    }
    say(format_args!("{language} {kind}: {} bytes, by {}", bytes.len(), built["toolchain"]));
}

/// The project's filter with a fault in it: what its author is told says which, and where.
fn a_fault_is_told_with_its_place(at: &Workplace, project: &Path, language: &str) {
    let (file, before, fault, told) = match language {
        "rust" => (
            "src/lib.rs",
            "    sender.is_none_or(",
            "    assert!(sender.is_none_or(|sender| !sender.flags.contains(UserFlags::BOT)), \"broken\");\n",
            ["log error: panicked at src/lib.rs:25:5: broken", "no_bots (/module/src/lib.rs:25)"],
        ),
        "ts" => (
            "src/filter.ts",
            "  return sender === undefined",
            "  if (sender?.flags.bot) throw new TypeError('broken');\n",
            ["it says: TypeError: broken, at keeps@", "evaluate@"],
        ),
        _ => (
            "src/decide.py",
            "    return sender_id is None",
            "    if is_bot:\n        raise ValueError(\"broken\")\n",
            ["it says: ValueError: broken, ", "at decide.py:13 in keeps"],
        ),
    };
    let source = std::fs::read_to_string(project.join(file)).unwrap();
    assert_eq!(source.matches(before).count(), 1, "{source}");
    std::fs::write(project.join(file), source.replace(before, &format!("{fault}{before}"))).unwrap();
    consign(at, project, &["filter", "build", ".", "--out", "broken.wasm", "--debug"]).succeeded();
    let checked = consign(at, project, &["filter", "check", "broken.wasm"]).ended(1);
    // The first event of the probe's chat that a bot did.
    for words in told.into_iter().chain(["at event m6"]) {
        assert!(checked.stdout.contains(words), "{language}: no {words} in\n{}", checked.stdout);
    }
}

#[test]
fn rust_criteria() {
    from_nothing("rust", "criteria", ("cargo", &["test"]));
}

#[test]
fn rust_grouping() {
    from_nothing("rust", "grouping", ("cargo", &["test"]));
}

#[test]
fn typescript_criteria() {
    from_nothing("ts", "criteria", ("npm", &["test"]));
}

#[test]
fn typescript_grouping() {
    from_nothing("ts", "grouping", ("npm", &["test"]));
}

#[test]
fn python_criteria() {
    from_nothing("python", "criteria", ("python3", &["-m", "unittest", "discover", "test"]));
}

#[test]
fn python_grouping() {
    from_nothing("python", "grouping", ("python3", &["-m", "unittest", "discover", "test"]));
}

/// Where nothing is installed, what is missing is named with the command that brings it, and a build says so too.
#[test]
fn what_is_missing_comes_with_what_brings_it() {
    let at = Workplace::new();
    let bare = |args: &[&str]| {
        let mut command = Command::new(binary());
        command.args(args).current_dir(at.path()).env("PATH", "/nowhere").stdin(Stdio::null());
        Ran::of(command)
    };
    for (language, remedy) in [("ts", "nodejs"), ("python", "python3")] {
        let told = bare(&["filter", "doctor", "--lang", language]).ended(3).stdout;
        assert!(told.contains("something is missing") && told.contains("get it:") && told.contains(remedy), "{told}");
        bare(&["filter", "new", "acme/no-bots", "--lang", language, "--kind", "criteria", "--folder", language]).succeeded();
        let built = bare(&["filter", "build", language]);
        assert_eq!(built.code, Some(1), "{}", built.stderr);
        assert!(built.stderr.contains("filter doctor") || built.stderr.contains(remedy) || built.stderr.contains("npm"), "{}", built.stderr);
    }
}

#[test]
fn what_is_there_stays_as_it_is() {
    let at = Workplace::new();
    std::fs::create_dir(at.path().join("mine")).unwrap();
    std::fs::write(at.path().join("mine/notes.txt"), "mine").unwrap();
    let refused = consign(&at, at.path(), &["filter", "new", "mine", "--lang", "rust", "--kind", "criteria"]);
    assert_eq!(refused.code, Some(1));
    let left: Vec<_> = std::fs::read_dir(at.path().join("mine")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    assert_eq!(std::fs::read_dir(at.path()).unwrap().count(), 1);
    let nothing = consign(&at, at.path(), &["filter", "build"]);
    assert_eq!(nothing.code, Some(1));
}

/// A project and an example each stand alone, so what turns exceptions into words is in both: the same.
#[test]
fn examples_tell_faults_as_new_projects_do() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(repository.join(path)).unwrap();
    for (language, file) in [("python", "told.py"), ("typescript", "told.ts")] {
        let template = read(&format!("host/workshop/src/project/templates/{language}/common/src/{file}"));
        assert!(template == read(&format!("guest-filters/examples/{language}/src/{file}")), "{file}");
    }
}

/// The examples' folders, with `--lang`'s word for each.
const LANGUAGES: [(&str, &str); 3] = [("rust", "rust"), ("typescript", "ts"), ("python", "python")];

/// A copy of an example, with the contract where it looks for it.
fn example(at: &Workplace, name: &str) -> PathBuf {
    let (repository, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), at.path());
    std::fs::create_dir_all(folder.join("guest-filters/examples")).unwrap();
    for part in ["wit", &format!("guest-filters/examples/{name}")] {
        if !folder.join(part).exists() {
            run(at, &repository, "cp", &["-r", part, folder.join(part).to_str().unwrap()]);
        }
    }
    let project = folder.join("guest-filters/examples").join(name);
    for left in ["node_modules", ".venv", "build"] {
        let _ = std::fs::remove_dir_all(project.join(left));
    }
    project
}

/// The same filter in three languages, through policies on the same conversations: every event has the same fate, by the same rule.
#[test]
fn one_filter_in_three_languages() {
    let at = Workplace::new();
    let events = events();
    let (server, inbox) = (Consign::new(), Inbox::start());
    let file = server.write("chat.jsonl", &events);
    server.import("jsonl", &file, "talk");
    let mut policies = inbox.target().toml();
    let config = json!({"ours": ["Desk.example"], "countries": ["DE", "GB"]});
    let modules = LANGUAGES.map(|(name, language)| {
        let out = at.path().join(format!("{name}.wasm"));
        let project = match name {
            // It takes the SDK from beside it, and cargo writes into its own folder alone.
            "rust" => Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-filters/examples/rust"),
            _ => example(&at, name),
        };
        packages(&at, &project, language);
        let built = consign(&at, &project, &["filter", "build", ".", "--out", out.to_str().unwrap(), "--json"]).succeeded().json();
        let digest = built["digest"].as_str().unwrap();
        assert_eq!(server.json(&["module", "push", out.to_str().unwrap()])["digest"], digest);
        policies.extend([format!(
            "\n[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\nbased-on = \"chats\"\nschedule = {{ cron = \"0 0 * * *\", time-zone = \"UTC\" }}\n\
             [[policy.criteria]]\nmodule = \"sha256:{digest}\"\nneeds = [\"participants\", \"senders\", \"text\"]\n\
             config = {{ ours = [\"Desk.example\"], countries = [\"DE\", \"GB\"] }}\n"
        )]);
        out
    });
    server.apply(&policies);
    let mut exported = 0;
    let fates = LANGUAGES.map(|(policy, _)| {
        let run = server.json(&["run", policy]);
        assert_eq!(run["events"]["held"], json!(0), "{policy}: {run}");
        exported = run["events"]["exported"].as_u64().unwrap();
        ids(&events).map(|id| fate(&server, policy, &id)).collect::<Vec<_>>()
    });
    assert_eq!(fates[0], fates[1], "Rust and TypeScript");
    assert_eq!(fates[0], fates[2], "Rust and Python");
    // Of Ben and Cem, who are outside: four texts each with an account number that counts.
    assert_eq!(exported, 8, "{:?}", fates[0]);
    for rule in ["inside", "no-account"] {
        assert!(fates[0].iter().any(|(_, rules)| rules == rule), "no event was left out by {rule}");
    }
    for corpus in [real_slack(), real_jsonl()] {
        let verdicts = modules.each_ref().map(|module| {
            let file = corpus.file.display().to_string();
            let args = ["filter", "run", module.to_str().unwrap(), "--config", &config.to_string(), "--events", &file, "--format", corpus.form];
            let ran = server.run(&[&args[..], &["--json", "--limit", "10000000"]].concat()).succeeded().stdout;
            // The last line names the module.
            ran.lines().filter(|line| !line.contains("\"summary\"")).map(str::to_owned).collect::<Vec<_>>()
        });
        assert!(verdicts[0] == verdicts[1], "Rust and TypeScript differ on {}", corpus.name);
        assert!(verdicts[0] == verdicts[2], "Rust and Python differ on {}", corpus.name);
        say(format_args!("{}: {} verdicts are the same in three languages", corpus.name, verdicts[0].len()));
    }
}

/// The ids of the messages.
fn ids(events: &str) -> impl Iterator<Item = String> {
    let lines = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == "message").map(|line| line["id"].as_str().unwrap().to_owned())
}

/// What became of an event, and by which rules.
fn fate(server: &Consign, policy: &str, id: &str) -> (String, String) {
    let explained = server.json(&["explain", policy, id]);
    let event = &explained["events"][0];
    let fate = if event["fate"].is_object() { &event["fate"] } else { event };
    let rules = fate["by"].as_array().into_iter().flatten().map(|by| by["rule"].as_str().unwrap().to_owned());
    (format!("{id} {}", fate["fate"].as_str().unwrap()), rules.collect::<Vec<_>>().join(" "))
}

/// Chats with people of both sides, and texts that hold account numbers, or nearly.
fn events() -> String {
    let mut lines = vec![
        json!({"type": "user", "id": "U1", "name": "Ann", "email": "ann@uk.desk.example"}),
        json!({"type": "user", "id": "U2", "name": "Ben", "email": "ben@else.example"}),
        json!({"type": "user", "id": "U3", "name": "Cem", "email": "cem@desk.example", "external": true}),
        json!({"type": "user", "id": "U4", "name": "Dot"}),
        json!({"type": "chat", "id": "C1", "kind": "group", "title": "both"}),
        json!({"type": "chat", "id": "C2", "kind": "group", "title": "inside"}),
    ];
    let texts = [
        "to DE89370400440532013000, please",
        "GB29 NWBK 6016 1331 9268 19",
        "NO9386011117947 is of no country that counts",
        "DE88370400440532013000 has wrong check digits",
        "DE8937040044053201300 is too short",
        "XDE89370400440532013000",
        "DE89  370400440532013000",
        "日本 DE89370400440532013000。",
        "DE89370400440532013000é",
        "👍🏽 nothing here",
        "",
    ];
    for (number, text) in texts.iter().enumerate() {
        for (turn, user) in [Some("U1"), Some("U2"), Some("U3"), Some("U4"), None].into_iter().enumerate() {
            let at = format!("2026-01-05T08:{number:02}:{turn:02}.000Z");
            let mut line = json!({"type": "message", "chat": "C1", "id": format!("m{number}-{turn}"), "at": at, "text": text});
            if let Some(user) = user {
                line["user"] = json!(user);
            }
            lines.push(line);
        }
        lines.push(json!({"type": "message", "chat": "C2", "id": format!("n{number}"), "at": format!("2026-01-05T09:{number:02}:00.000Z"), "user": "U1", "text": text}));
    }
    lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
}
