//! The data folder: who may look into it, what a kill leaves in it, and a part of it that is gone or somebody else's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use consign_tests::{Consign, Inbox, files_below, made_up, make, seed};
use serde_json::{Value, json};

/// A data folder with a few events in it, and the file that they came from.
fn imported() -> (Consign, String) {
    let consign = Consign::new();
    let good = consign.beside("good.jsonl");
    make("jsonl", &good, &[5]);
    consign.import("jsonl", &good, "good");
    (consign, good.display().to_string())
}

/// Every event is known still.
fn is_whole(consign: &Consign, good: &str) {
    let again = consign.import("jsonl", Path::new(good), "good");
    assert_eq!(again["stored"], json!({}), "{again}");
}

/// With keys made anew the archive would open no more, and the next import would store everything once more.
#[test]
fn an_archive_without_its_store_is_not_begun_anew() {
    let (consign, good) = imported();
    let (data, away) = (consign.data(), consign.beside("away"));
    let commands: [&[&str]; 3] = [&["runs"], &["import", &good, "--format", "jsonl", "--source", "good"], &["run", "all"]];
    let stored = files_below(&data.join("archive"), ".age");
    let key = std::fs::read(data.join("master.key")).unwrap();
    std::fs::rename(data.join("store"), &away).unwrap();
    for args in commands {
        consign.run(args).refused(1, &["archive", "store", "backup"]);
        assert!(!data.join("store").exists(), "an empty store lies where the right one has to go");
    }
    // An empty one in its place.
    let other = Consign::new();
    other.run(&["--tenant", "other", "runs"]).succeeded();
    std::fs::rename(other.data().join("store"), data.join("store")).unwrap();
    for args in commands {
        consign.run(args).refused(1, &["knows no tenant default", "backup"]);
    }
    std::fs::remove_dir_all(data.join("store")).unwrap();
    std::fs::rename(&away, data.join("store")).unwrap();
    assert_eq!(std::fs::read(data.join("master.key")).unwrap(), key);
    assert_eq!(files_below(&data.join("archive"), ".age"), stored);
    is_whole(&consign, &good);
}

#[test]
fn nobody_else_may_look_into_the_data_folder() {
    use std::os::unix::fs::PermissionsExt;
    let (consign, _) = imported();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&consign.data()), 0o700);
    for folder in ["store", "archive", "manifests", "modules"] {
        assert_eq!(mode(&consign.data().join(folder)), 0o700, "{folder}");
    }
    assert_eq!(mode(&consign.data().join("master.key")), 0o600);
}

#[test]
fn what_a_kill_left_half_written_is_removed() {
    let (consign, good) = imported();
    let data = consign.data();
    let archive = data.join("archive/default");
    let serving = consign.serve();
    let halves = [archive.join("attachments/ab/abcd.age#1"), archive.join("staging/abcd.age"), data.join("master.key.new")];
    for half in &halves {
        std::fs::create_dir_all(half.parent().unwrap()).unwrap();
        std::fs::write(half, "half").unwrap();
    }
    let stored = files_below(&archive.join("arrivals"), ".age");
    serving.kill();
    is_whole(&consign, &good);
    for half in &halves {
        assert!(!half.exists(), "{}", half.display());
    }
    assert_eq!(files_below(&archive.join("arrivals"), ".age"), stored);
}

/// Whoever can write to the archive can encrypt to its public key; what `explain` says comes from what was sealed when it was decided.
#[test]
fn a_verdict_file_that_was_replaced_is_not_believed() {
    let (consign, inbox) = (Consign::new(), Inbox::start());
    let corpus = made_up("jsonl", seed("workspace"));
    consign.import(corpus.form, &corpus.file, "s");
    consign.policy(&inbox.target(), "");
    consign.json(&["run", "all"]);
    // What ends together is sealed together: another run has another file.
    consign.alone("own", 3);
    consign.json(&["run", "all"]);
    let event = std::fs::read_to_string(&corpus.file).unwrap();
    let event = event.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["type"] == "message").unwrap();
    let explain = ["explain", "all", event["id"].as_str().unwrap(), "--chat", event["chat"].as_str().unwrap()];
    consign.run(&explain).succeeded();
    // Sealed by nobody but ourselves, each in the place of another.
    let files = files_below(&consign.data().join("archive/default/verdicts"), ".age");
    let bytes: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(files.len() > 1, "there is nothing to exchange");
    for (number, file) in files.iter().enumerate() {
        std::fs::write(file, &bytes[(number + 1) % files.len()]).unwrap();
    }
    consign.run(&explain).refused(1, &["verdicts/all", "SHA-256"]);
    for (file, bytes) in files.iter().zip(&bytes) {
        std::fs::write(file, bytes).unwrap();
    }
    consign.run(&explain).succeeded();
}
