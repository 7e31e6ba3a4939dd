//! The audit log in the embedded store: what it costs, that nothing gets around it, and that what somebody does to its records shows.

use std::path::Path;

use consign_model::audit::{Broken, Cause, Chain, Deed, Entry, Head, Wrong};
use consign_model::{Digest, Timestamp};

use super::super::Embedded;
use super::super::key::{Class, Key};
use crate::conformance::audit::{holds, log};
use crate::conformance::samples::{author, name, policy, target};
use crate::{Store, StoreError};

fn key(seq: u64) -> Key {
    Key::of(Class::Audit, &name("t")).number(seq)
}

/// A store with a log of six entries.
async fn six(folder: &Path) -> Embedded {
    let store = Embedded::open(folder).unwrap();
    for version in 1..=3 {
        store.save_target(&name("t"), &target("archive", version), &author()).await.unwrap();
        store.save_policy(&name("t"), &policy("p", version), &Cause::Apply, &author()).await.unwrap();
    }
    store
}

/// The first thing that is wrong with the log as the store hands it out.
async fn found(store: &Embedded) -> Option<Broken> {
    let mut chain = Chain::of(Some(name("t")));
    let lines = store.audit(&name("t"), 0, usize::MAX).await.unwrap();
    lines.iter().find_map(|one| chain.follow(&one.line, &holds).err())
}

#[tokio::test]
async fn an_entry_costs_no_flush_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = six(folder.path()).await;
    assert_eq!(store.flushes(), 6, "one for each change, with its entry");
}

#[tokio::test]
async fn a_change_without_an_entry_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = six(folder.path()).await;
    let changed = Key::of(Class::Policy, &name("t")).name(&name("p")).small(3);
    for delete in [false, true] {
        let changed = changed.clone();
        let write = store.writer.write(move |changes| {
            if delete {
                changes.delete(changed.bytes());
                return Ok(());
            }
            changes.put(&changed, &policy("p", 4))
        });
        let refused = write.await.unwrap_err();
        assert!(matches!(&refused, StoreError::Failed { cause, .. } if cause.contains("audit log")), "{refused}");
    }
    assert_eq!(store.policy(&name("t"), &name("p"), None).await.unwrap(), Some(policy("p", 3)));
    store.save_policy(&name("t"), &policy("p", 4), &Cause::Apply, &author()).await.unwrap();
    assert_eq!(log(&store, &name("t")).await.len(), 7, "and the store goes on");
}

/// Somebody who knows how the store's records are made, checksums, sums and all, so that opening finds nothing.
#[tokio::test]
async fn what_is_done_to_the_records_shows_in_the_chain() {
    let whole = tempfile::tempdir().unwrap();
    drop(six(whole.path()).await);
    for way in ["none", "changed", "removed", "first-removed", "moved", "inserted", "forged", "cut"] {
        let folder = tempfile::tempdir().unwrap();
        super::damage::copy(whole.path(), folder.path());
        let store = Embedded::open(folder.path()).unwrap();
        let lines: Vec<String> = store.audit(&name("t"), 0, 100).await.unwrap().into_iter().map(|one| one.line).collect();
        let tampered = store.writer.write(move |changes| {
            match way {
                "none" => {}
                "changed" => changes.put_bytes(&key(3), lines[2].replace("\"version\":2", "\"version\":3").as_bytes()),
                "removed" => changes.delete(key(4).bytes()),
                "first-removed" => changes.delete(key(1).bytes()),
                "moved" => {
                    changes.put_bytes(&key(2), lines[4].as_bytes());
                    changes.put_bytes(&key(5), lines[1].as_bytes());
                }
                "inserted" => {
                    for seq in (3..=6).rev() {
                        changes.put_bytes(&key(seq + 1), lines[usize::try_from(seq).unwrap() - 1].as_bytes());
                    }
                }
                "forged" => {
                    // With a chain that fits on both sides, but for the signature.
                    let before: consign_model::audit::SignedEntry = serde_json::from_str(&lines[4]).unwrap();
                    let head = Head { seq: 5, digest: before.signature.digest };
                    let deed = Deed::TargetSaved { target: name("mine"), version: 1, digest: Digest::of(b"x") };
                    let (line, _) = Entry::line(&name("t"), Some(head), Timestamp(1), &author(), deed).unwrap();
                    changes.put_bytes(&key(6), line.replace("\"value\":\"key ", "\"value\":\"own ").as_bytes());
                }
                _ => changes.delete(key(6).bytes()),
            }
            Ok(())
        });
        tampered.await.unwrap();
        drop(store);
        let store = Embedded::open(folder.path()).unwrap();
        store.check().await.unwrap();
        let expected = match way {
            "changed" => Some((3, Wrong::Changed)),
            "removed" => Some((4, Wrong::Place(5))),
            "first-removed" => Some((1, Wrong::Place(2))),
            "moved" => Some((2, Wrong::Place(5))),
            "inserted" => Some((4, Wrong::Place(3))),
            "forged" => Some((6, Wrong::Signature)),
            // Whole as far as it goes: a head that stands somewhere else tells.
            _ => None,
        };
        assert_eq!(found(&store).await, expected.map(|(seq, wrong)| Broken { seq, wrong }), "{way}");
        assert_eq!(
            store.audit_head(&name("t")).await.unwrap().unwrap().seq,
            if way == "cut" {
                5
            } else if way == "inserted" {
                7
            } else {
                6
            }
        );
    }
}
