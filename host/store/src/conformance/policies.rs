//! Versions of targets and policies.

use std::sync::Arc;

use consign_model::audit::Cause;

use super::samples::{author, name, policy, target};
use crate::{Store, StoreError, Versions};

pub(super) async fn versions_follow_each_other(store: Arc<dyn Store>) {
    let tenant = name("t");
    let conflict = |outcome| assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    conflict(store.save_policy(&tenant, &policy("p", 0), &Cause::Apply, &author()).await);
    conflict(store.save_policy(&tenant, &policy("p", 2), &Cause::Apply, &author()).await);
    for version in 1..=300 {
        store.save_policy(&tenant, &policy("p", version), &Cause::Apply, &author()).await.unwrap();
    }
    conflict(store.save_policy(&tenant, &policy("p", 300), &Cause::Apply, &author()).await);
    conflict(store.save_policy(&tenant, &policy("p", 302), &Cause::Apply, &author()).await);
    store.save_policy(&tenant, &policy("p-q", 1), &Cause::Apply, &author()).await.unwrap();
    store.save_policy(&tenant, &policy("a", 1), &Cause::Apply, &author()).await.unwrap();
    assert_eq!(store.policy(&tenant, &name("p"), None).await.unwrap(), Some(policy("p", 300)));
    assert_eq!(store.policy(&tenant, &name("p"), Some(256)).await.unwrap(), Some(policy("p", 256)));
    assert_eq!(store.policy(&tenant, &name("p"), Some(301)).await.unwrap(), None);
    assert_eq!(store.policy(&tenant, &name("q"), None).await.unwrap(), None);
    assert_eq!(store.policies(&tenant).await.unwrap(), [policy("a", 1), policy("p", 300), policy("p-q", 1)], "the newest of each, by name");
    assert!(store.policies(&name("t2")).await.unwrap().is_empty());

    assert_eq!(store.target(&tenant, &name("p"), None).await.unwrap(), None, "a policy is no target");
    conflict(store.save_target(&tenant, &target("archive", 2), &author()).await);
    store.save_target(&tenant, &target("archive", 1), &author()).await.unwrap();
    store.save_target(&tenant, &target("archive", 2), &author()).await.unwrap();
    store.save_target(&tenant, &target("a", 1), &author()).await.unwrap();
    conflict(store.save_target(&tenant, &target("archive", 2), &author()).await);
    // Together, or not at all: one that is not the next one keeps all back, and so does one that stands twice.
    let both = [target("b", 1), target("c", 1)];
    for policies in [&[policy("p", 302)][..], &[policy("p", 301), policy("p", 301)]] {
        conflict(store.save_versions(&tenant, Versions { targets: &both, policies }, &Cause::Apply, &author()).await);
    }
    let entries = store.audit_head(&tenant).await.unwrap().unwrap().seq;
    let next = [policy("p", 301)];
    store.save_versions(&tenant, Versions { targets: &both[..1], policies: &next }, &Cause::Apply, &author()).await.unwrap();
    assert_eq!(store.audit_head(&tenant).await.unwrap().unwrap().seq, entries + 2, "an entry for each");
    assert_eq!(store.target(&tenant, &name("b"), None).await.unwrap(), Some(target("b", 1)));
    assert_eq!(store.target(&tenant, &name("c"), None).await.unwrap(), None);
    assert_eq!(store.policy(&tenant, &name("p"), None).await.unwrap(), Some(policy("p", 301)));
    assert_eq!(store.target(&tenant, &name("archive"), None).await.unwrap(), Some(target("archive", 2)));
    assert_eq!(store.target(&tenant, &name("archive"), Some(1)).await.unwrap(), Some(target("archive", 1)));
    assert_eq!(store.targets(&tenant).await.unwrap(), [target("a", 1), target("archive", 2), target("b", 1)]);
}
