//! The standard modules through policies, on real conversations, against Python's own verdicts.
//!
//! They are those in the program, or where `CONSIGN_BUILT_MODULES` names a folder, the components there: so that modules of another toolchain, whose
//! bytes can't be compared, are held to the same verdicts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use consign_model::Digest;
use consign_tests::{Consign, Corpus, Target, check, made_up, python, real_jsonl, real_slack, say, seed};
use serde_json::{Value, json};

/// Puts a target and these policies into force, with the modules that are to be tested.
fn apply(consign: &Consign, mut policies: String) {
    if let Some(folder) = std::env::var_os("CONSIGN_BUILT_MODULES") {
        let (folder, dist) = (Path::new(&folder).join("std"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-filters/dist/std"));
        let shelf = consign.data().join("modules");
        std::fs::create_dir_all(&shelf).unwrap();
        let (mut found, mut other) = (0, 0);
        for entry in std::fs::read_dir(&dist).unwrap() {
            let file = entry.unwrap().file_name();
            let bytes = std::fs::read(folder.join(&file)).unwrap();
            let digest = Digest::of(&bytes);
            std::fs::write(shelf.join(format!("{digest}.wasm")), &bytes).unwrap();
            let name = Path::new(&file).file_stem().unwrap().to_str().unwrap();
            policies = policies.replace(&format!("\"std/{name}\""), &format!("\"sha256:{digest}\""));
            found += 1;
            other += u32::from(bytes != std::fs::read(dist.join(&file)).unwrap());
        }
        assert!(found >= 6 && !policies.contains("\"std/"), "{found} modules in {}:\n{policies}", folder.display());
        say(format_args!("with the {found} modules of {}; {other} of them have other bytes than in dist/", folder.display()));
    }
    consign.apply(&format!("{}{policies}", Target::plain(9).toml()));
}

/// Previews a policy into `previews/<its name>`; its figures, which lie beside that too.
fn preview(consign: &Consign, policy: &str) -> Value {
    let folder = consign.beside("previews").join(policy);
    let summary = consign.json(&["run", policy, "--preview", &folder.display().to_string()]);
    std::fs::write(folder.with_extension("json"), summary.to_string()).unwrap();
    summary
}

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
    apply(&consign, String::from_utf8(policies.stdout).unwrap());

    for policy in consign.json(&["policies"]).as_array().unwrap() {
        preview(&consign, policy["name"].as_str().unwrap());
    }
    let mut args = vec!["check".to_owned(), consign.beside("previews").display().to_string()];
    args.extend(specs);
    let figures = python("modules.py", args);
    say(format_args!("events and e-mails by policy: {figures}"));
    if corpora.iter().take(2).all(|(_, corpus)| corpus.real) {
        assert_eq!(figures["nothing_kept"], json!([]), "policies that keep nothing test nothing");
    }
}

#[test]
fn copies_by_user_are_as_other_code_has_them() {
    for corpus in [real_slack(), made_up("jsonl", seed("workspace"))] {
        let consign = Consign::new();
        consign.import(corpus.form, &corpus.file, "s");
        let policy = |who: &str| {
            format!(
                "[[policy]]\nname = \"{who}\"\ntarget = \"archive\"\ngrouping = {{ module = \"std/per-user\", config = {{ users = \"{who}\" }} }}\n"
            )
        };
        let of = ["recorded", "participants"];
        apply(&consign, of.map(policy).concat());
        for who in of {
            let summary = preview(&consign, who);
            check("users", &consign.beside("previews").join(who), &corpus, &summary, &["--who", who]);
        }
    }
}
