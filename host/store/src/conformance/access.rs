//! Which tenants there are, tokens, and secrets.

use std::sync::Arc;

use consign_model::Timestamp;
use consign_model::access::{Role, Token};

use super::samples::{author, keys, name, secret, token};
use crate::{Store, StoreError};

pub(super) async fn tenants_by_name(store: Arc<dyn Store>) {
    assert!(store.tenants(None, 9).await.unwrap().is_empty());
    for tenant in ["b", "a-b", "a", "a.b"] {
        store.create_tenant(&name(tenant), &keys(tenant), &author()).await.unwrap();
    }
    // What a tenant has makes none.
    store.add_token(&name("c"), &token("c", "x"), &author()).await.unwrap();
    assert_eq!(store.tenants(None, 9).await.unwrap(), ["a", "a-b", "a.b", "b"].map(name));
    assert_eq!(store.tenants(None, 2).await.unwrap(), ["a", "a-b"].map(name));
    assert_eq!(store.tenants(Some(&name("a-b")), 2).await.unwrap(), ["a.b", "b"].map(name));
    assert_eq!(store.tenants(Some(&name("a-c")), 1).await.unwrap(), [name("a.b")], "one that is not there is a place all the same");
    assert!(store.tenants(Some(&name("b")), 9).await.unwrap().is_empty());
}

pub(super) async fn tokens_by_tenant_and_hash(store: Arc<dyn Store>) {
    let (t, t2) = (name("t"), name("t-2"));
    let (first, second) = (token("one", "a"), Token { role: Role::Ingest, ..token("two", "b") });
    store.add_token(&t, &second, &author()).await.unwrap();
    store.add_token(&t, &first, &author()).await.unwrap();
    assert_eq!(store.tokens(&t).await.unwrap(), [first.clone(), second.clone()], "by id");
    assert!(store.tokens(&t2).await.unwrap().is_empty());
    assert_eq!(store.token_of(&first.hash).await.unwrap(), Some((t.clone(), first.clone())));
    assert_eq!(store.token_of(&token("one", "c").hash).await.unwrap(), None);
    for (tenant, other) in [(&t, token("one", "c")), (&t, token("three", "a")), (&t2, token("three", "a"))] {
        let refused = store.add_token(tenant, &other, &author()).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
    // The same id of another tenant is another token.
    store.add_token(&t2, &token("one", "d"), &author()).await.unwrap();
    assert_eq!(store.token_of(&token("one", "d").hash).await.unwrap(), Some((t2.clone(), token("one", "d"))));

    assert_eq!(store.revoke_token(&t, &name("three"), Timestamp(5), &author()).await.unwrap(), None);
    let ended = Token { revoked_at: Some(Timestamp(5)), ..first.clone() };
    assert_eq!(store.revoke_token(&t, &first.id, Timestamp(5), &author()).await.unwrap(), Some(ended.clone()));
    assert_eq!(store.revoke_token(&t, &first.id, Timestamp(6), &author()).await.unwrap(), Some(ended.clone()), "it was over");
    assert_eq!(store.token_of(&first.hash).await.unwrap(), Some((t.clone(), ended.clone())), "who shows it is told so");
    assert_eq!(store.tokens(&t).await.unwrap(), [ended, second]);
    assert_eq!(store.tokens(&t2).await.unwrap(), [token("one", "d")], "that of another tenant stays");
}

pub(super) async fn secrets_by_name(store: Arc<dyn Store>) {
    let (t, t2) = (name("t"), name("t-2"));
    assert_eq!(store.secret(&t, &name("a")).await.unwrap(), None);
    for one in [secret("b", "1"), secret("a", "2"), secret("b", "3")] {
        store.keep_secret(&t, &one, &author()).await.unwrap();
    }
    assert_eq!(store.secrets(&t).await.unwrap(), [secret("a", "2"), secret("b", "3")], "by name, the last in the place of the first");
    assert_eq!(store.secret(&t, &name("b")).await.unwrap(), Some(secret("b", "3")));
    assert_eq!(store.secret(&t2, &name("b")).await.unwrap(), None, "another tenant's");
    assert!(!store.remove_secret(&t2, &name("b"), &author()).await.unwrap());
    assert!(store.remove_secret(&t, &name("b"), &author()).await.unwrap());
    assert!(!store.remove_secret(&t, &name("b"), &author()).await.unwrap(), "it is gone");
    assert_eq!(store.secrets(&t).await.unwrap(), [secret("a", "2")]);
}
