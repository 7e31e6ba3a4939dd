//! Versions of targets and policies, and modules.

use std::sync::Arc;

use super::samples::{module, name, policy, target};
use crate::{Store, StoreError};

pub(super) async fn versions_follow_each_other(store: Arc<dyn Store>) {
    let tenant = name("t");
    let conflict = |outcome| assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    conflict(store.save_policy(&tenant, &policy("p", 0)).await);
    conflict(store.save_policy(&tenant, &policy("p", 2)).await);
    for version in 1..=300 {
        store.save_policy(&tenant, &policy("p", version)).await.unwrap();
    }
    conflict(store.save_policy(&tenant, &policy("p", 300)).await);
    conflict(store.save_policy(&tenant, &policy("p", 302)).await);
    store.save_policy(&tenant, &policy("p-q", 1)).await.unwrap();
    store.save_policy(&tenant, &policy("a", 1)).await.unwrap();
    assert_eq!(store.policy(&tenant, &name("p"), None).await.unwrap(), Some(policy("p", 300)));
    assert_eq!(store.policy(&tenant, &name("p"), Some(256)).await.unwrap(), Some(policy("p", 256)));
    assert_eq!(store.policy(&tenant, &name("p"), Some(301)).await.unwrap(), None);
    assert_eq!(store.policy(&tenant, &name("q"), None).await.unwrap(), None);
    assert_eq!(store.policies(&tenant).await.unwrap(), [policy("a", 1), policy("p", 300), policy("p-q", 1)], "the newest of each, by name");
    assert!(store.policies(&name("t2")).await.unwrap().is_empty());

    assert_eq!(store.target(&tenant, &name("p"), None).await.unwrap(), None, "a policy is no target");
    conflict(store.save_target(&tenant, &target("archive", 2)).await);
    store.save_target(&tenant, &target("archive", 1)).await.unwrap();
    store.save_target(&tenant, &target("archive", 2)).await.unwrap();
    store.save_target(&tenant, &target("a", 1)).await.unwrap();
    conflict(store.save_target(&tenant, &target("archive", 2)).await);
    assert_eq!(store.target(&tenant, &name("archive"), None).await.unwrap(), Some(target("archive", 2)));
    assert_eq!(store.target(&tenant, &name("archive"), Some(1)).await.unwrap(), Some(target("archive", 1)));
    assert_eq!(store.targets(&tenant).await.unwrap(), [target("a", 1), target("archive", 2)]);
}

pub(super) async fn modules_by_digest(store: Arc<dyn Store>) {
    let tenant = name("t");
    let first = module("std/keywords", "0.1.0", "bytes");
    store.save_module(&tenant, &first).await.unwrap();
    let mut again = first.clone();
    again.manifest.summary = "says otherwise".into();
    store.save_module(&tenant, &again).await.unwrap();
    assert_eq!(store.module(&tenant, &first.digest).await.unwrap(), Some(first.clone()), "the same digest again changes nothing");
    let refused = store.save_module(&tenant, &module("std/keywords", "0.1.0", "other bytes")).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.module(&tenant, &module("x", "1", "other bytes").digest).await.unwrap(), None);
    let others = [module("std/keywords", "0.2.0", "c"), module("acme/desk", "1", "d"), module("std/keywords2", "0", "e"), module("std", "9", "f")];
    for one in &others {
        store.save_module(&tenant, one).await.unwrap();
    }
    let all = store.modules(&tenant).await.unwrap();
    let names: Vec<String> = all.iter().map(|one| format!("{}@{}", one.manifest.name, one.manifest.version)).collect();
    assert_eq!(names, ["acme/desk@1", "std@9", "std/keywords@0.1.0", "std/keywords@0.2.0", "std/keywords2@0"], "by name and version");
    assert!(store.modules(&name("t2")).await.unwrap().is_empty());
}
