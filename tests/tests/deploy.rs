//! The files of `host/deploy`, by the programs that they are for: systemd's own checks, what the program asks of the kernel against what the service may,
//! Prometheus' promtool, and the dashboard's queries against the metrics that there are.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use consign_tests::{Consign, Inbox, Ran, binary, say, until};
use serde_json::Value;

/// Of systemd's reckoning of what a service could do, in tenths: 100 is everything, 20 and less it calls OK.
const EXPOSURE: &str = "20";

fn deployed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/deploy").join(file)
}

/// What a program says that has to succeed.
#[track_caller]
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}: ./tests/run installs it"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {text}");
    text
}

/// The service as it is on a machine where the program lies elsewhere.
fn service(folder: &Path) -> PathBuf {
    let unit = std::fs::read_to_string(deployed("systemd/consign.service")).unwrap();
    assert_eq!(unit.matches("ExecStart=/usr/bin/consign ").count(), 1);
    let file = folder.join("consign.service");
    std::fs::write(&file, unit.replace("/usr/bin/consign ", &format!("{} ", binary().display()))).unwrap();
    file
}

#[test]
fn systemd_takes_the_service_and_calls_it_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let unit = service(folder.path()).display().to_string();
    let complaints = said("systemd-analyze", &["verify", "--man=no", &unit]);
    assert!(!complaints.contains("consign.service"), "{complaints}");
    let judged = said("systemd-analyze", &["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE}"), &unit]);
    say(format_args!("{}", judged.lines().rfind(|line| line.contains("exposure level")).unwrap_or_default()));
}

/// The system calls that the service may make.
fn allowed() -> BTreeSet<String> {
    let unit = std::fs::read_to_string(deployed("systemd/consign.service")).unwrap();
    let (mut allowed, mut forbidden) = (BTreeSet::new(), BTreeSet::new());
    for list in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        match list.strip_prefix('~') {
            Some(list) => list.split_whitespace().for_each(|name| add(name, &mut forbidden)),
            None => list.split_whitespace().for_each(|name| add(name, &mut allowed)),
        }
    }
    &allowed - &forbidden
}

/// Adds a system call, or all of a group of them, which may hold groups.
fn add(name: &str, to: &mut BTreeSet<String>) {
    if !name.starts_with('@') {
        to.insert(name.to_owned());
        return;
    }
    let listed = said("systemd-analyze", &["syscall-filter", name]);
    listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).for_each(|name| add(name, to));
}

/// Runs the program under strace, as which it keeps its process id, and adds what it and the processes that it starts ask of the kernel.
fn traced(server: &Consign, args: &[&str], calls: &mut BTreeSet<String>) {
    let file = server.beside(&format!("calls-{}", calls.len()));
    let plain = server.command(args);
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-q", "-o"]).arg(&file).arg(plain.get_program()).args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let own = if args.contains(&"serve") {
        let (running, lines) = Consign::hearing(command);
        let first = lines.recv().unwrap_or_default();
        assert!(first.contains("running policies"), "serve says {first:?}");
        let own = running.id();
        assert!(running.terminate().success());
        Some(own)
    } else {
        Ran::of(command).succeeded();
        None
    };
    // Who writes it down ends a moment after the program.
    let written = || std::fs::read_to_string(&file).unwrap_or_default();
    let is_end = |line: &str| line.ends_with("+++ exited with 0 +++") && own.is_none_or(|own| line.starts_with(&own.to_string()));
    until("strace to have written all of it", || written().lines().last().is_some_and(is_end));
    calls.extend(written().lines().filter_map(|line| {
        let (_, call) = line.split_once(char::is_whitespace)?;
        let (name, _) = call.trim_start().split_once('(')?;
        Some(name.to_owned()).filter(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'))
    }));
}

/// What the service's list of system calls has no room for would be refused where nobody looks: a module that can't be compiled, say.
#[test]
fn the_program_asks_for_nothing_that_the_service_may_not() {
    let (server, inbox, mut calls) = (Consign::new(), Inbox::start(), BTreeSet::new());
    let lines = "{\"type\":\"message\",\"chat\":\"C1\",\"id\":\"m1\",\"at\":\"2026-01-05T08:00:00.000Z\",\"user\":\"U1\",\"text\":\"hello\"}\n";
    let chat = server.write("chat.jsonl", lines).display().to_string();
    let policy = "based-on = \"chats\"\nschedule = { cron = \"0 0 * * *\", time-zone = \"UTC\" }\n\
                  [[policy.criteria]]\nmodule = \"std/keywords\"\nconfig = { any = [\"hello\"] }\n";
    let policies = server.write("policies.toml", inbox.target().toml_with(&[("desk", policy)])).display().to_string();
    let settings = server.write("consign.toml", "[metrics]\nlisten = \"127.0.0.1:0\"\n").display().to_string();
    for args in [
        &["init"][..],
        &["import", &chat, "--format", "jsonl", "--source", "talk"],
        &["apply", &policies],
        &["run", "desk"],
        &["serve", "--config", &settings],
    ] {
        traced(&server, args, &mut calls);
    }
    assert_eq!(inbox.count(), 1);
    // Compiling happened, and in its own process.
    assert!(calls.contains("seccomp") && calls.len() > 50, "{calls:?}");
    let allowed = allowed();
    let refused: Vec<_> = calls.difference(&allowed).collect();
    assert!(refused.is_empty(), "consign.service refuses {refused:?}");
    say(format_args!("{} system calls, all of which the service may make", calls.len()));
}

#[test]
fn prometheus_takes_the_rules_and_they_do_what_is_written() {
    let checked = said("promtool", &["check", "rules", &deployed("prometheus/consign-rules.yml").display().to_string()]);
    assert!(checked.contains("rules found"), "{checked}");
    said("promtool", &["test", "rules", &deployed("prometheus/consign-rules.test.yml").display().to_string()]);
    // Each rule has a test, and asks for what there is.
    let rules = std::fs::read_to_string(deployed("prometheus/consign-rules.yml")).unwrap();
    let tests = std::fs::read_to_string(deployed("prometheus/consign-rules.test.yml")).unwrap();
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {name}\n")), "no test expects {name}");
    }
    asks_for_what_there_is(rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")));
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let board: Value = serde_json::from_str(&std::fs::read_to_string(deployed("grafana/consign.json")).unwrap()).unwrap();
    let mut queries = Vec::new();
    for panel in board["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{} shows nothing", panel["title"]);
        queries.extend(targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    asks_for_what_there_is(queries.iter().map(String::as_str));
    // Prometheus reads them all.
    let folder = tempfile::tempdir().unwrap();
    let rule = |(number, query): (usize, &String)| {
        format!("      - {{ record: 'panel:{number}', expr: {} }}\n", Value::from(query.replace("$policy", ".*")))
    };
    let rules: String = queries.iter().enumerate().map(rule).collect();
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, format!("groups:\n  - name: panels\n    rules:\n{rules}")).unwrap();
    said("promtool", &["check", "rules", &file.display().to_string()]);
}

/// Whether the metrics of queries are among those that the service shows.
fn asks_for_what_there_is<'a>(queries: impl Iterator<Item = &'a str>) {
    let snapshot = std::fs::read_to_string(deployed("../service/src/metrics/snapshot.txt")).unwrap();
    let kinds = snapshot.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let there: BTreeSet<String> = kinds.map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() }).collect();
    let mut asked = 0;
    for query in queries {
        let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| word.starts_with("consign_"));
        for word in words {
            assert!(there.contains(word), "{query} asks for {word}, and there are {there:?}");
            asked += 1;
        }
    }
    assert!(asked > 5, "{asked} metrics are asked for");
}
