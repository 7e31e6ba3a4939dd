//! The standard modules through policies, on real conversations, against Python's own verdicts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use consign_tests::{Consign, Corpus, Target, made_up, python, real_jsonl, real_slack, say, seed};
use serde_json::json;

#[test]
fn verdicts_and_groups_are_as_other_code_has_them() {
    let corpora = [("slack", real_slack()), ("talk", real_jsonl()), ("made", made_up("jsonl", seed("workspace")))];
    let consign = Consign::new();
    for (source, corpus) in &corpora {
        consign.import(corpus.form, &corpus.file, source);
    }
    let specs: Vec<String> = corpora.iter().map(|(source, corpus): &(&str, Corpus)| format!("{source}={}", corpus.spec())).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/modules.py");
    let policies = Command::new("python3").arg(script).arg("policies").args(&specs).output().unwrap();
    assert!(policies.status.success(), "{}", String::from_utf8_lossy(&policies.stderr));
    consign.apply(&format!("{}{}", Target::plain(9).toml(), String::from_utf8(policies.stdout).unwrap()));

    let folder = consign.beside("previews");
    std::fs::create_dir(&folder).unwrap();
    for policy in consign.json(&["policies"]).as_array().unwrap() {
        let name = policy["name"].as_str().unwrap();
        let summary = consign.json(&["run", name, "--preview", &folder.join(name).display().to_string()]);
        std::fs::write(folder.join(name).with_extension("json"), summary.to_string()).unwrap();
    }
    let mut args = vec!["check".to_owned(), folder.display().to_string()];
    args.extend(specs);
    let figures = python("modules.py", args);
    say(format_args!("events and e-mails by policy: {figures}"));
    if corpora.iter().take(2).all(|(_, corpus)| corpus.real) {
        assert_eq!(figures["nothing_kept"], json!([]), "policies that keep nothing test nothing");
    }
}
