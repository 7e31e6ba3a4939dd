//! Damaged, newer and held folders: a clear error or the right data, never a panic, never data that is silently less.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::Embedded;
use super::super::format::FORMAT;
use crate::conformance::random::{Random, Rehearsal, Told, seed_and_operations};
use crate::conformance::samples::{arrival, chat_key, name};
use crate::{Store, StoreError};

const HOLD: &str = "CONSIGN_HOLD_FOLDER";

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() { copy(&entry.path(), &target) } else { fs::copy(entry.path(), target).map(|_| ()).unwrap() }
    }
}

/// All files below a folder, with what they hold.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        for entry in fs::read_dir(one).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// A store's folder with a few hundred records in it, and what must be in it: once closed in order, once as a kill would leave it.
async fn folders(seed: u64) -> (tempfile::TempDir, Rehearsal) {
    let base = tempfile::tempdir().unwrap();
    let mut rehearsal = Rehearsal::new(seed);
    let closed = base.path().join("closed");
    let store = Embedded::open(&closed).unwrap();
    for _ in 0..300 {
        rehearsal.step(&store).await;
    }
    copy(&closed, &base.path().join("killed"));
    drop(store);
    (base, rehearsal)
}

/// Folders beside the database.
fn spares(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.file_type().unwrap().is_dir());
    entries.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name != "index").collect()
}

/// Opens a damaged copy. Says whether it was found out.
async fn found_out(folder: &Path, rehearsal: &Rehearsal, how: &str) -> bool {
    let index = folder.join("index");
    let before = if index.exists() { files(&index) } else { Vec::new() };
    match Embedded::open(folder) {
        Ok(store) => {
            store.check().await.unwrap_or_else(|error| panic!("{how}: opened, and then {error}"));
            rehearsal.compare(&store).await;
            assert_eq!(spares(folder), [] as [String; 0], "{how}: a copy is left");
            false
        }
        Err(StoreError::Damaged { hint, .. }) => {
            assert!(hint.contains("cp -a"), "{hint}");
            assert!(files(&index) == before, "{how}: the files are not as they were found");
            assert_eq!(spares(folder), [] as [String; 0], "{how}: a copy is left");
            let again = Embedded::open(folder).err();
            assert!(matches!(again, Some(StoreError::Damaged { .. })), "{how}: trying again does not mend it: {again:?}");
            true
        }
        Err(error) => panic!("{how}: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_is_found_or_harmless() {
    let (seed, _) = seed_and_operations();
    println!("seed {seed}");
    let _told = Told(seed, 0);
    let mut random = Random(seed);
    let (base, rehearsal) = folders(seed).await;
    for state in ["closed", "killed"] {
        let (mut found, mut harmless) = (0, 0);
        let all = files(&base.path().join(state));
        // The database's file is mostly room that it has not used yet: half of the flips go where something is.
        for turn in 0..60_u64 {
            let (path, bytes) = &all[usize::try_from(random.below(all.len() as u64)).unwrap()];
            if bytes.is_empty() {
                continue;
            }
            let used: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place] != 0).collect();
            let place = match turn % 2 {
                0 if !used.is_empty() => used[usize::try_from(random.below(used.len() as u64)).unwrap()],
                _ => usize::try_from(random.below(bytes.len() as u64)).unwrap(),
            };
            let folder = base.path().join("try");
            copy(&base.path().join(state), &folder);
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << random.below(8);
            fs::write(folder.join(path), damaged).unwrap();
            let how = format!("{state}, {} at {place} of {}", path.display(), bytes.len());
            let out = found_out(&folder, &rehearsal, &how).await;
            assert!(out || state == "killed" || !path.starts_with("index"), "{how}: after an orderly end every flip shows");
            if out {
                found += 1;
            } else {
                harmless += 1;
            }
            fs::remove_dir_all(&folder).unwrap();
        }
        println!("{state}: {found} flips found out, {harmless} harmless");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_cut_short_or_gone_is_found_or_harmless() {
    let (seed, _) = seed_and_operations();
    println!("seed {seed}");
    let _told = Told(seed, 0);
    let mut random = Random(seed ^ 1);
    let (base, rehearsal) = folders(seed).await;
    for state in ["closed", "killed"] {
        let mut found = 0;
        for (path, bytes) in files(&base.path().join(state)) {
            for cut in [None, Some(0), Some(bytes.len() / 2), Some(usize::try_from(random.below(bytes.len().max(1) as u64)).unwrap())] {
                let folder = base.path().join("try");
                copy(&base.path().join(state), &folder);
                let how = format!("{state}, {} cut to {cut:?} of {}", path.display(), bytes.len());
                match cut {
                    None => fs::remove_file(folder.join(&path)).unwrap(),
                    Some(length) => fs::write(folder.join(&path), bytes.get(..length).unwrap()).unwrap(),
                }
                found += u32::from(found_out(&folder, &rehearsal, &how).await);
                fs::remove_dir_all(&folder).unwrap();
            }
        }
        println!("{state}: {found} found out");
        assert!(found > 0);
        let folder = base.path().join("try");
        copy(&base.path().join(state), &folder);
        fs::remove_dir_all(folder.join("index")).unwrap();
        assert!(matches!(Embedded::open(&folder), Err(StoreError::Damaged { .. })), "a database that is gone is not made anew");
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// A damaged database, then a backup in its place, then work, then a crash: what was worked on is what comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_back_is_what_is_recovered() {
    let (seed, _) = seed_and_operations();
    println!("seed {seed}");
    let _told = Told(seed, 0);
    let (base, mut rehearsal) = folders(seed).await;
    let folder = base.path().join("killed");
    // Cut off in the middle, as in a restoring that failed.
    let db = folder.join("index/db");
    let whole = fs::read(&db).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(&db, whole.get(..used / 2).unwrap()).unwrap();
    assert!(found_out(&folder, &rehearsal, "cut").await);
    for part in ["index", "consign.mark"] {
        let (from, to) = (base.path().join("closed").join(part), folder.join(part));
        if from.is_dir() {
            fs::remove_dir_all(&to).unwrap();
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
    let store = Embedded::open(&folder).unwrap();
    for _ in 0..50 {
        rehearsal.step(&store).await;
    }
    let killed = base.path().join("killed-again");
    copy(&folder, &killed);
    drop(store);
    assert!(!found_out(&killed, &rehearsal, "after a backup was put back").await);
}

/// Each state that a kill in a recovery can leave, and a copy that a power cut emptied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_was_cut_off_begins_again() {
    let (seed, _) = seed_and_operations();
    println!("seed {seed}");
    let _told = Told(seed, 0);
    let (base, rehearsal) = folders(seed).await;
    let folder = base.path().join("try");
    let at = |name: &str| folder.join(name);
    for state in ["copying", "copied", "moved", "replaced", "emptied"] {
        copy(&base.path().join("killed"), &folder);
        match state {
            "copying" => fs::create_dir(at("index.recovering")).unwrap(),
            "copied" => copy(&at("index"), &at("index.recovered")),
            "moved" => {
                copy(&at("index"), &at("index.recovered"));
                fs::rename(at("index"), at("index.superseded")).unwrap();
            }
            "replaced" => copy(&at("index"), &at("index.superseded")),
            _ => {
                for name in ["index.recovering", "index.recovered", "index.superseded"] {
                    copy(&at("index"), &at(name));
                    fs::write(at(name).join("db"), "").unwrap();
                }
            }
        }
        assert!(!found_out(&folder, &rehearsal, state).await, "{state}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// A kill while sled writes its snapshot, which it does in opening: what there is of it is no snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_was_cut_off_is_passed_over() {
    let (seed, _) = seed_and_operations();
    println!("seed {seed}");
    let _told = Told(seed, 0);
    let (base, rehearsal) = folders(seed).await;
    let whole = files(&base.path().join("closed/index")).into_iter().find(|(path, _)| path.to_string_lossy().contains("snap.")).unwrap().1;
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        let folder = base.path().join("try");
        copy(&base.path().join("killed"), &folder);
        fs::write(folder.join("index/snap.00000000FFFFFFFF.generating"), whole.get(..cut).unwrap()).unwrap();
        assert!(!found_out(&folder, &rehearsal, &format!("a snapshot of {cut} bytes")).await);
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[tokio::test]
async fn a_newer_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Embedded::open(folder.path()).unwrap());
    // As a later release may write it: with fields that this one does not know.
    let line = r#"{"engine":"other","format":99,"committed":{"of":[1]}}"#;
    fs::write(folder.path().join("consign.mark"), format!("{:08x} {line}\n", crc32fast::hash(line.as_bytes()))).unwrap();
    let before = files(folder.path());
    let refused = Embedded::open(folder.path()).err().unwrap();
    assert!(matches!(refused, StoreError::Newer { found: 99, known: FORMAT, .. }), "{refused}");
    assert!(refused.to_string().contains("format 99"), "{refused}");
    assert_eq!(files(folder.path()), before);
}

/// The other process's part: nothing at all where this is not it.
#[test]
fn holder() {
    let Ok(folder) = std::env::var(HOLD) else { return };
    let _store = Embedded::open(Path::new(&folder)).unwrap();
    println!("\nholding");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[tokio::test]
async fn a_held_folder_says_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["embedded::tests::damage::holder", "--exact", "--nocapture"])
        .env(HOLD, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "holding"));
    let refused = Embedded::open(folder.path()).err().unwrap();
    assert!(matches!(refused, StoreError::Held { .. }), "{refused}");
    assert!(refused.to_string().contains(&format!("process {}", child.id())), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    store.commit(&name("t"), &[arrival(&chat_key("s", "C1"), 0, 1)]).await.unwrap();
    assert!(matches!(Embedded::open(folder.path()), Err(StoreError::Held { .. })), "not even by this process twice");
}

#[tokio::test]
async fn a_place_that_cannot_be_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let refused = Embedded::open(&file).err().unwrap();
    assert!(refused.to_string().contains(&*file.to_string_lossy()), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), b"x");
}
