//! A folder of format 1, as an earlier release left it: brought to this format before anything else, and refused by that release from then on.

use std::fs::{self, File};
use std::path::Path;

use consign_model::audit::Cause;

use super::super::Embedded;
use super::super::folder::{Found, read_mark};
use super::super::format::FORMAT;
use super::super::key::{Class, Key};
use super::damage::copy;
use crate::conformance::audit::{log, word};
use crate::conformance::samples::{author, keys, name, policy, removed};
use crate::{Store, StoreError};

/// Whether the mark is of this format; where `closed` is false it becomes that of a process that was killed.
pub(super) fn set_mark(folder: &Path, format: u32, closed: bool) {
    let path = folder.join("consign.mark");
    let text = fs::read_to_string(&path).unwrap();
    let (_, json) = text.trim_end().split_once(' ').unwrap();
    let mut line: serde_json::Value = serde_json::from_str(json).unwrap();
    line["format"] = format.into();
    if !closed {
        line["closed"] = serde_json::Value::Null;
    }
    let json = line.to_string();
    fs::write(path, format!("{:<199}\n", format!("{:08x} {json}", crc32fast::hash(json.as_bytes())))).unwrap();
}

fn format_of(store: &Embedded) -> Option<u32> {
    store.core.get(&Key::global(Class::Format)).unwrap()
}

async fn words(store: &Embedded, tenant: &str) -> Vec<String> {
    log(store, &name(tenant)).await.iter().map(word).collect()
}

/// Two tenants, each with a policy; `older` has no audit log, as one that was made before there were any.
async fn format_1(folder: &Path) {
    let store = Embedded::open(folder).unwrap();
    for tenant in ["t", "older"] {
        store.create_tenant(&name(tenant), &keys(tenant), &author()).await.unwrap();
        store.save_policy(&name(tenant), &policy("p", 1), &Cause::Apply, &author()).await.unwrap();
    }
    let written = store.writer.write(|changes| {
        for seq in 1..=2 {
            changes.delete(Key::of(Class::Audit, &name("older")).number(seq).bytes());
        }
        changes.put(&Key::global(Class::Format), &1)
    });
    written.await.unwrap();
    drop(store);
    set_mark(folder, 1, true);
}

#[tokio::test]
async fn a_folder_of_format_1_is_brought_to_this_one() {
    let whole = tempfile::tempdir().unwrap();
    format_1(whole.path()).await;
    // Closed, killed, and killed by this release after the mark and before the database was of its format.
    for (mark, closed) in [(1, true), (1, false), (FORMAT, false)] {
        // The log begins when it is opened as the program does, or with whatever is written first.
        for by_opening in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            copy(whole.path(), folder.path());
            set_mark(folder.path(), mark, closed);
            let store = Embedded::open(folder.path()).unwrap();
            assert_eq!(format_of(&store), Some(FORMAT));
            let mut file = File::open(folder.path().join("consign.mark")).unwrap();
            assert_eq!(read_mark(&mut file, 1).unwrap(), Found::Newer(FORMAT), "before anything is written");
            assert_eq!(words(&store, "older").await, [] as [&str; 0]);
            // What it was is kept, for the release that left it, unless that was killed in here, and had kept it before.
            let kept = File::open(folder.path().join("format-1/consign.mark"));
            match mark {
                1 => assert!(matches!(read_mark(&mut kept.unwrap(), 1).unwrap(), Found::Line(_))),
                _ => assert!(kept.is_err()),
            }
            // Killed here, it is owed the beginning as before.
            drop(store);
            let store = Embedded::open(folder.path()).unwrap();
            store.check().await.unwrap();
            if by_opening {
                for _ in 0..2 {
                    assert_eq!(store.create_tenant(&name("older"), &keys("new"), &author()).await.unwrap(), keys("older"));
                    assert_eq!(words(&store, "older").await, ["log-begun"]);
                }
            }
            store.save_policy(&name("older"), &policy("p", 2), &Cause::Apply, &author()).await.unwrap();
            store.save_policy(&name("t"), &policy("p", 2), &Cause::Apply, &author()).await.unwrap();
            assert_eq!(words(&store, "older").await, ["log-begun", "policy-saved"]);
            assert_eq!(words(&store, "t").await, ["tenant-made", "policy-saved", "policy-saved"]);
            store.check().await.unwrap();
            drop(store);
            let store = Embedded::open(folder.path()).unwrap();
            assert!(!store.is_recovered());
            assert_eq!(store.policies(&name("older")).await.unwrap(), [policy("p", 2)]);
            assert_eq!(words(&store, "older").await.len(), 2);
        }
    }
}

/// What was kept of an earlier format goes back into its place as it was; and it goes with a tenant whose keys it has.
#[tokio::test]
async fn there_is_a_way_back() {
    let (whole, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    format_1(whole.path()).await;
    copy(whole.path(), folder.path());
    drop(Embedded::open(folder.path()).unwrap());
    let of = |name: &str| {
        let mut all: Vec<_> =
            fs::read_dir(folder.path().join(name)).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        all.sort();
        all.iter().map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    let kept = of("format-1/index");
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    copy(&folder.path().join("format-1/index"), &folder.path().join("index"));
    fs::copy(folder.path().join("format-1/consign.mark"), folder.path().join("consign.mark")).unwrap();
    fs::write(folder.path().join("format-1/old"), "of an upgrade before").unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    assert!(!store.is_recovered() && !folder.path().join("format-1/old").exists() && kept == of("format-1/index"));
    store.create_tenant(&name("platform"), &keys("platform"), &author()).await.unwrap();
    store.remove_tenant(&removed("t"), 0, &author()).await.unwrap();
    drop(store);
    drop(Embedded::open(folder.path()).unwrap());
    assert!(!folder.path().join("format-1").exists());
}

#[tokio::test]
async fn a_release_that_knows_up_to_1_refuses_it() {
    let folder = tempfile::tempdir().unwrap();
    let of_release_1 = || read_mark(&mut File::open(folder.path().join("consign.mark")).unwrap(), 1).unwrap();
    format_1(folder.path()).await;
    assert!(matches!(of_release_1(), Found::Line(_)));
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(of_release_1(), Found::Newer(FORMAT));
    drop(store);
    assert_eq!(of_release_1(), Found::Newer(FORMAT), "closed, too");
}

/// A log is owed a beginning once, by the format it was written in: an emptied one gets none that would make it look new.
#[tokio::test]
async fn an_emptied_log_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    store.create_tenant(&name("t"), &keys("t"), &author()).await.unwrap();
    let written = store.writer.write(|changes| {
        changes.delete(Key::of(Class::Audit, &name("t")).number(1).bytes());
        Ok(())
    });
    written.await.unwrap();
    drop(store);
    // Nor by the step from a format in which every log had its beginning.
    let store = Embedded::open(folder.path()).unwrap();
    store.writer.write(|changes| changes.put(&Key::global(Class::Format), &2)).await.unwrap();
    drop(store);
    set_mark(folder.path(), 2, true);
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(format_of(&store), Some(FORMAT));
    store.create_tenant(&name("t"), &keys("t"), &author()).await.unwrap();
    let refused = store.save_policy(&name("t"), &policy("p", 1), &Cause::Apply, &author()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { what, .. } if what.contains("the audit log of tenant t is gone")), "{refused}");
    assert_eq!(words(&store, "t").await, [] as [&str; 0]);
    assert!(store.policies(&name("t")).await.unwrap().is_empty());
}
