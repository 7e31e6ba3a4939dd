//! Modules, keys for their signatures, probes and quarantines.

use std::sync::Arc;

use consign_model::{Digest, Quarantine, Timestamp};

use super::samples::{author, module, name, probe, quarantine, release, signing_key};
use crate::{ModuleRecord, Seen, Store, StoreError};

pub(super) async fn modules_by_digest(store: Arc<dyn Store>) {
    let tenant = name("t");
    let first = ModuleRecord { signed_by: None, ..module("std/keywords", "0.1.0", "bytes") };
    store.save_module(&tenant, &first, &author()).await.unwrap();
    let mut again = first.clone();
    again.manifest.summary = "says otherwise".into();
    store.save_module(&tenant, &again, &author()).await.unwrap();
    assert_eq!(store.module(&tenant, &first.digest).await.unwrap(), Some(first.clone()), "the same digest again changes nothing");
    let (ann, bob) = (Some(signing_key("ann", "RWQ1")), Some(signing_key("bob", "RWQ2")));
    let signed = ModuleRecord { signed_by: ann.clone(), ..again.clone() };
    for one in [&signed, &ModuleRecord { signed_by: bob, ..again.clone() }, &again] {
        store.save_module(&tenant, one, &author()).await.unwrap();
        let known = store.module(&tenant, &first.digest).await.unwrap().unwrap();
        assert_eq!(known, ModuleRecord { signed_by: ann.clone(), ..first.clone() }, "the first signature is added, and nothing else");
    }
    let refused = store.save_module(&tenant, &module("std/keywords", "0.1.0", "other bytes"), &author()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.module(&tenant, &module("x", "1", "other bytes").digest).await.unwrap(), None);
    let others = [module("std/keywords", "0.2.0", "c"), module("acme/desk", "1", "d"), module("std/keywords2", "0", "e"), module("std", "9", "f")];
    for one in &others {
        store.save_module(&tenant, one, &author()).await.unwrap();
    }
    let all = store.modules(&tenant).await.unwrap();
    let names: Vec<String> = all.iter().map(|one| format!("{}@{}", one.manifest.name, one.manifest.version)).collect();
    assert_eq!(names, ["acme/desk@1", "std@9", "std/keywords@0.1.0", "std/keywords@0.2.0", "std/keywords2@0"], "by name and version");
    assert!(store.modules(&name("t2")).await.unwrap().is_empty());
}

pub(super) async fn keys_by_name(store: Arc<dyn Store>) {
    let tenant = name("t");
    assert!(store.module_keys(&tenant).await.unwrap().is_empty());
    let (ann, bob) = (signing_key("ann", "RWQ1"), signing_key("bob", "RWQ2"));
    store.save_module_key(&tenant, &bob, &author()).await.unwrap();
    store.save_module_key(&tenant, &ann, &author()).await.unwrap();
    let mut again = ann.clone();
    again.added_at.0 += 1;
    store.save_module_key(&tenant, &again, &author()).await.unwrap();
    assert_eq!(store.module_keys(&tenant).await.unwrap(), [ann.clone(), bob.clone()], "by name, and the same again changes nothing");
    let other = store.save_module_key(&tenant, &signing_key("ann", "RWQ3"), &author()).await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })), "{other:?}");
    assert!(store.module_keys(&name("t2")).await.unwrap().is_empty());
    assert!(!store.remove_module_key(&name("t2"), &ann.name, Seen::Whatever, &author()).await.unwrap());
    let other = store.remove_module_key(&tenant, &ann.name, Seen::This(bob.mark()), &author()).await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })), "{other:?}");
    assert!(store.remove_module_key(&tenant, &ann.name, Seen::Whatever, &author()).await.unwrap());
    assert!(!store.remove_module_key(&tenant, &ann.name, Seen::Whatever, &author()).await.unwrap(), "it is gone");
    assert_eq!(store.module_keys(&tenant).await.unwrap(), [bob]);
    store.save_module_key(&tenant, &signing_key("ann", "RWQ3"), &author()).await.unwrap();
}

pub(super) async fn the_newest_probe(store: Arc<dyn Store>) {
    let (tenant, of) = (name("t"), Digest::of(b"module"));
    assert_eq!(store.probe(&tenant, &of).await.unwrap(), None);
    for (engine, passed) in [("wasmtime 48", true), ("wasmtime 49", false), ("wasmtime 49", true)] {
        store.save_probe(&tenant, &of, &probe(engine, passed)).await.unwrap();
        assert_eq!(store.probe(&tenant, &of).await.unwrap(), Some(probe(engine, passed)));
    }
    assert_eq!(store.probe(&tenant, &Digest::of(b"other")).await.unwrap(), None);
    assert_eq!(store.probe(&name("t2"), &of).await.unwrap(), None);
}

pub(super) async fn quarantines_by_policy(store: Arc<dyn Store>) {
    let tenant = name("t");
    let digest = |module: &str| Digest::of(module.as_bytes());
    assert_eq!(store.release(&tenant, &name("p"), &digest("a"), None, &release(1), &author()).await.unwrap(), None, "there is none");
    let first = quarantine("p", "a", 10);
    assert!(store.quarantine(&tenant, &first, &author()).await.unwrap());
    assert!(!store.quarantine(&tenant, &quarantine("p", "a", 11), &author()).await.unwrap(), "it is in force");
    assert!(store.quarantine(&tenant, &quarantine("p-a", "a", 12), &author()).await.unwrap(), "for another policy");
    assert!(store.quarantine(&name("t2"), &quarantine("p", "a", 13), &author()).await.unwrap(), "of another tenant");
    assert_eq!(store.quarantines(&tenant, Some(&name("p"))).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.quarantines(&tenant, None).await.unwrap(), [first.clone(), quarantine("p-a", "a", 12)]);
    assert!(store.quarantines(&tenant, Some(&name("q"))).await.unwrap().is_empty());

    assert_eq!(store.release(&tenant, &name("p"), &digest("b"), None, &release(14), &author()).await.unwrap(), None, "another module");
    let another = store.release(&tenant, &name("p"), &digest("a"), Some(Timestamp(9)), &release(14), &author()).await.unwrap();
    assert_eq!(another, None, "the one that holds began at another time");
    let ended = Quarantine { release: Some(release(15)), ..first };
    assert_eq!(store.release(&tenant, &name("p"), &digest("a"), None, &release(15), &author()).await.unwrap(), Some(ended.clone()));
    assert_eq!(store.release(&tenant, &name("p"), &digest("a"), None, &release(16), &author()).await.unwrap(), None, "it is over");
    // Again, more often than a byte counts.
    let mut expected = vec![ended];
    for since in (20..1_000).step_by(3) {
        assert!(store.quarantine(&tenant, &quarantine("p", "a", since), &author()).await.unwrap());
        let ended = Quarantine { release: Some(release(since + 1)), ..quarantine("p", "a", since) };
        assert_eq!(store.release(&tenant, &name("p"), &digest("a"), None, &release(since + 1), &author()).await.unwrap(), Some(ended.clone()));
        expected.push(ended);
    }
    assert_eq!(store.quarantines(&tenant, Some(&name("p"))).await.unwrap(), expected, "the oldest first");
}
