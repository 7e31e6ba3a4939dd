//! Files that are put into a folder.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use support::World;

struct Drop(PathBuf);

impl Drop {
    fn of(world: &World) -> Self {
        let path = world.path().join("drop");
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn config(&self, more: &str) -> String {
        format!("[[source]]\nname = \"desk\"\nkind = \"folder\"\npath = \"{}\"\nsettle-seconds = 0\n{more}\n", self.0.display())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        // Here a file need not stand still, so it has to come as a whole.
        let aside = self.0.with_extension("aside");
        std::fs::write(&aside, bytes).unwrap();
        std::fs::rename(aside, self.0.join(name)).unwrap();
    }

    /// Waits until there is such a file with its report, and reads that.
    async fn report(&self, name: &str) -> Value {
        let report = self.0.join(format!("{name}.report.json"));
        until(|| report.exists()).await;
        // Whoever sees the report has the file.
        assert!(self.0.join(name).exists() && !self.0.join(Path::new(name).file_name().unwrap()).exists());
        serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap()
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while !is_so() {
            every.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap();
}

fn message(id: &str) -> String {
    format!(r#"{{"type":"message","chat":"C1","id":"{id}","at":"2026-01-05T08:00:00.000Z","user":"U1","text":"{id}"}}"#) + "\n"
}

#[tokio::test]
async fn each_file_is_imported_once_and_put_away() {
    let world = World::new().await;
    let drop = Drop::of(&world);
    // What lies there already, and what comes later.
    drop.put("before.jsonl", message("m0"));
    let server = world.receive(&drop.config("")).await;
    assert_eq!(drop.report("done/before.jsonl").await["stored"]["message"], 1);
    drop.put("desk.jsonl", message("m1") + "broken\n");
    let report = drop.report("done/desk.jsonl").await;
    assert_eq!((&report["stored"]["message"], &report["refused"], &report["format"]), (&1.into(), &1.into(), &"jsonl".into()));
    assert_eq!(report["refusals"][0]["line"], 2);
    // Another of the same name, packed; what was there is there already.
    drop.put("desk.jsonl", zstd::encode_all((message("m1") + &message("m2")).as_bytes(), 1).unwrap());
    let report = drop.report("done/desk.jsonl.1").await;
    assert_eq!((&report["stored"]["message"], &report["already_there"]["message"]), (&1.into(), &1.into()));
    // What is no export, and what is cut short.
    drop.put("notes.txt", "hunter2");
    let report = drop.report("refused/notes.txt").await;
    assert!(report["error"].as_str().unwrap().contains("which format this is can't be told"), "{report}");
    assert!(!report.to_string().contains("hunter2"));
    server.stop().await;
    assert_eq!(world.texts("C1").await, ["m0", "m1", "m2"]);
    assert_eq!(world.imports().await.len(), 6);
}

#[tokio::test]
async fn a_format_that_is_said_and_files_that_are_passed_over() {
    let world = World::new().await;
    let drop = Drop::of(&world);
    std::os::unix::fs::symlink(world.path().join("token"), drop.0.join("link.jsonl")).unwrap();
    for name in [".hidden", "desk.jsonl.part", "desk.jsonl.TMP"] {
        drop.put(name, message("no"));
    }
    std::fs::create_dir(drop.0.join("files")).unwrap();
    drop.put("files/q.pdf", "pdf");
    let server = world.receive(&drop.config("format = \"jsonl\"")).await;
    let line = message("m1").replace(r#","text""#, r#","attachments":[{"name":"q.pdf","path":"files/q.pdf"}],"text""#);
    drop.put("desk", line);
    assert_eq!(drop.report("done/desk").await["attachments"], 1);
    // When it has its whole name it is taken.
    std::fs::rename(drop.0.join("desk.jsonl.part"), drop.0.join("desk.jsonl")).unwrap();
    drop.report("done/desk.jsonl").await;
    drop.put("export.zip", "PK\x03\x04");
    assert!(drop.report("refused/export.zip").await["error"].as_str().unwrap().contains("this is a ZIP file"));
    server.stop().await;
    assert_eq!(world.texts("C1").await, ["m1", "no"]);
    assert!(drop.0.join(".hidden").exists() && drop.0.join("desk.jsonl.TMP").exists() && drop.0.join("link.jsonl").is_symlink());
}

#[tokio::test]
async fn what_can_not_be_stored_stays_and_is_tried_again_at_the_next_start() {
    let world = World::new().await;
    let drop = Drop::of(&world);
    let broken = world.broken();
    drop.put("desk.jsonl", message("m1"));
    let server = world.receive(&drop.config("")).await;
    // The import has begun, and has failed when it ends.
    let begun = async {
        while world.imports().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), begun).await.unwrap();
    server.stop().await;
    assert!(drop.0.join("desk.jsonl").exists());
    std::mem::drop(broken);
    let server = world.receive(&drop.config("")).await;
    drop.report("done/desk.jsonl").await;
    server.stop().await;
    assert_eq!(world.texts("C1").await, ["m1"]);
}

#[tokio::test]
async fn a_folder_beside_a_door_of_the_same_source() {
    let world = World::new().await;
    let drop = Drop::of(&world);
    std::fs::write(world.path().join("token"), "s3cret").unwrap();
    let token = world.path().join("token");
    let door = format!("[[source]]\nname = \"desk\"\nkind = \"events\"\ntoken = {{ file = \"{}\" }}\n", token.display());
    let server = world.receive(&(drop.config("") + &door)).await;
    let post = async |id: &str| server.post("/v1/sources/desk/events", &[("Authorization", "Bearer s3cret")], message(id).as_bytes()).await.figures();
    assert_eq!(post("m1").await, (1, 0, 0));
    drop.put("desk.jsonl", message("m1") + &message("m2"));
    assert_eq!(drop.report("done/desk.jsonl").await["already_there"]["message"], 1);
    assert_eq!(post("m2").await, (0, 1, 0));
    server.stop().await;
    let none = World::new().await;
    let error = none.receive("[[source]]\nname = \"desk\"\nkind = \"folder\"\npath = \"/no/such\"\n").await.refused().await;
    assert_eq!(error, "source 'desk': /no/such is no folder: make it, and start again");
}

/// What a process leaves that is killed before the file was moved, and after it: the file is there once, with a report that is of it.
#[tokio::test]
async fn a_kill_between_file_and_report_loses_neither() {
    let world = World::new().await;
    let drop = Drop::of(&world);
    let server = world.receive(&drop.config("")).await;
    drop.put("after.jsonl", message("m1"));
    let report = drop.report("done/after.jsonl").await;
    drop.put("before.jsonl", message("m2"));
    drop.report("done/before.jsonl").await;
    server.stop().await;
    let waits = |name: &str| drop.0.join(format!("done/.{name}.report.json.waits"));
    for name in ["after.jsonl", "before.jsonl"] {
        std::fs::rename(drop.0.join(format!("done/{name}.report.json")), waits(name)).unwrap();
    }
    std::fs::rename(drop.0.join("done/before.jsonl"), drop.0.join("before.jsonl")).unwrap();
    // A report whose file somebody took away is theirs to keep.
    std::fs::write(drop.0.join("done/taken.jsonl.report.json"), "{}").unwrap();
    let server = world.receive(&drop.config("")).await;
    assert_eq!(drop.report("done/after.jsonl").await, report);
    let again = drop.report("done/before.jsonl").await;
    assert_eq!((&again["already_there"]["message"], &again["stored"]), (&1.into(), &serde_json::json!({})));
    server.stop().await;
    let mut names: Vec<_> = std::fs::read_dir(drop.0.join("done")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["after.jsonl", "after.jsonl.report.json", "before.jsonl", "before.jsonl.report.json", "taken.jsonl.report.json"]);
    assert_eq!(world.texts("C1").await, ["m1", "m2"]);
}
