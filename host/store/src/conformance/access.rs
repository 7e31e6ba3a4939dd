//! Which tenants there are, tokens, sessions, and secrets.

use std::sync::Arc;

use consign_model::access::{Role, Session, SignedInBy, Token, TokenKind};
use consign_model::removal::Proof;
use consign_model::{Digest, Keeping, RemovedTenant, Timestamp};

use super::samples::{author, keys, name, removed, secret, token};
use crate::{Seen, Store, StoreError};

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

pub(super) async fn a_removed_tenant_is_none(store: Arc<dyn Store>) {
    let (by, gone) = (author(), removed("t"));
    for tenant in ["platform", "t", "t-2"] {
        store.create_tenant(&name(tenant), &keys(tenant), &by).await.unwrap();
        store.add_token(&name(tenant), &token("one", tenant), &by).await.unwrap();
    }
    assert_eq!(store.removed_tenants().await.unwrap(), []);
    let conflict = async |removed: &RemovedTenant, keeping| {
        let refused = store.remove_tenant(removed, keeping, &by).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    };
    conflict(&removed("nobody"), 0).await;
    conflict(&RemovedTenant { recipient: keys("t-2").recipient, ..gone.clone() }, 0).await;
    store.put_keeping(&name("t"), &Keeping::default().with_rules(vec![]).unwrap(), &by).await.unwrap();
    conflict(&gone, 0).await;
    assert!(store.put_removed(&gone, &by).await.is_err());
    store.remove_tenant(&gone, 1, &by).await.unwrap();
    conflict(&gone, 1).await;

    assert_eq!(store.tenants(None, 9).await.unwrap(), ["platform", "t-2"].map(name));
    assert_eq!(store.tenant_keys(&name("t")).await.unwrap(), None);
    assert_eq!(store.token_of(&token("one", "t").hash).await.unwrap(), None, "a token is worth nothing at once");
    assert_eq!(store.token_of(&token("one", "t-2").hash).await.unwrap().unwrap().0, name("t-2"));
    let again = store.create_tenant(&name("t"), &keys("u"), &by).await;
    assert!(matches!(&again, Err(StoreError::Removed { tenant, at: Timestamp(7) }) if *tenant == name("t")), "{again:?}");
    assert_eq!(store.removed_tenants().await.unwrap(), std::slice::from_ref(&gone));

    let without_files = RemovedTenant { files_gone: Some(Timestamp(8)), ..gone.clone() };
    store.put_removed(&without_files, &by).await.unwrap();
    // When its records went is for the store to say.
    assert!(store.put_removed(&RemovedTenant { records_gone: Some(Timestamp(9)), ..without_files.clone() }, &by).await.is_err());
    let proof = Proof { at: Timestamp(9), files: 3, bytes: 100, copies_before: 2 };
    let proved = RemovedTenant { proof: Some(proof), ..without_files };
    store.put_removed(&proved, &by).await.unwrap();
    store.put_removed(&proved, &by).await.unwrap();
    assert_eq!(store.removed_tenants().await.unwrap(), [proved]);
    let words: Vec<String> = super::audit::log(store.as_ref(), &name("platform")).await.iter().map(super::audit::word).collect();
    assert_eq!(words, ["tenant-made", "token-made", "tenant-removed", "tenant-destroyed"]);
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

pub(super) async fn links_once(store: Arc<dyn Store>) {
    let t = name("t");
    let unused = TokenKind::Link { used_at: None };
    let link = |id: &str, hash: &str, end| Token { kind: unused, expires_at: Some(Timestamp(end)), ..token(id, hash) };
    let session = |text: &str, link: &str, begun_at| Session {
        hash: Digest::of(text.as_bytes()),
        by: SignedInBy::Token(name(link)),
        begun_at: Timestamp(begun_at),
        ends_at: Timestamp(90),
    };
    for one in [link("link-1", "a", 9), link("link-2", "b", 9), link("link-3", "c", 9)] {
        store.add_token(&t, &one, &author()).await.unwrap();
    }
    store.begin_session(&t, &session("s", "link-1", 8), &author()).await.unwrap();
    let used = Token { kind: TokenKind::Link { used_at: Some(Timestamp(8)) }, expires_at: Some(Timestamp(90)), ..link("link-1", "a", 9) };
    assert_eq!(store.token_of(&used.hash).await.unwrap(), Some((t.clone(), used)), "it is worth what its session is");
    store.revoke_token(&t, &name("link-2"), Timestamp(5), &author()).await.unwrap();
    // Used before, taken back, over.
    for (id, at) in [("link-1", 8), ("link-1", 20), ("link-2", 8), ("link-3", 9)] {
        let one = session("other", id, at);
        let refused = store.begin_session(&t, &one, &author()).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{id}: {refused:?}");
        assert_eq!(store.session(&t, &one.hash).await.unwrap(), None);
    }
    let log = store.audit(&t, 0, 9).await.unwrap();
    let deeds = ["link-made", "link-made", "link-made", "link-used", "token-revoked"];
    assert_eq!(log.len(), deeds.len());
    for (line, deed) in log.iter().zip(deeds) {
        assert!(line.line.contains(&format!("\"what\":\"{deed}\"")), "{}", line.line);
    }
}

pub(super) async fn sessions_by_hash(store: Arc<dyn Store>) {
    let (t, t2) = (name("t"), name("t-2"));
    let made = |text: &str, begun_at, ends_at| Session {
        hash: Digest::of(text.as_bytes()),
        by: SignedInBy::Token(name("token-1")),
        begun_at: Timestamp(begun_at),
        ends_at: Timestamp(ends_at),
    };
    let [first, second, third] = [made("a", 1, 5), made("b", 2, 90), made("c", 5, 95)];
    for one in [&first, &second] {
        store.begin_session(&t, one, &author()).await.unwrap();
    }
    store.begin_session(&t2, &first, &author()).await.unwrap();
    assert_eq!(store.session(&t, &first.hash).await.unwrap(), Some(first.clone()), "whether it is over is for who asks to say");
    assert_eq!(store.session(&t2, &second.hash).await.unwrap(), None, "another tenant's");
    store.begin_session(&t, &third, &author()).await.unwrap();
    assert_eq!(store.session(&t, &first.hash).await.unwrap(), None, "it was over when the next began");
    assert_eq!(store.session(&t2, &first.hash).await.unwrap(), Some(first), "of another tenant nothing is dropped");
    assert_eq!(store.session(&t, &second.hash).await.unwrap(), Some(second.clone()));
    assert!(!store.end_session(&t2, &second.hash, &author()).await.unwrap());
    assert!(store.end_session(&t, &second.hash, &author()).await.unwrap());
    assert!(!store.end_session(&t, &second.hash, &author()).await.unwrap(), "it has ended");
    assert_eq!(store.session(&t, &second.hash).await.unwrap(), None);
    let log = store.audit(&t, 0, 9).await.unwrap();
    let deeds = ["signed-in", "signed-in", "signed-in", "signed-out"];
    assert_eq!(log.len(), deeds.len());
    assert!(log.iter().zip(deeds).all(|(line, deed)| line.line.contains(&format!("\"what\":\"{deed}\""))), "{log:?}");
}

pub(super) async fn secrets_by_name(store: Arc<dyn Store>) {
    let (t, t2) = (name("t"), name("t-2"));
    assert_eq!(store.secret(&t, &name("a")).await.unwrap(), None);
    for one in [secret("b", "1"), secret("a", "2"), secret("b", "3")] {
        store.keep_secret(&t, &one, Seen::Whatever, &author()).await.unwrap();
    }
    assert_eq!(store.secrets(&t).await.unwrap(), [secret("a", "2"), secret("b", "3")], "by name, the last in the place of the first");
    assert_eq!(store.secret(&t, &name("b")).await.unwrap(), Some(secret("b", "3")));
    assert_eq!(store.secret(&t2, &name("b")).await.unwrap(), None, "another tenant's");
    // Of another than was seen nothing is made.
    for seen in [Seen::None, Seen::This(secret("b", "1").mark())] {
        let (kept, removed) =
            (store.keep_secret(&t, &secret("b", "4"), seen, &author()).await, store.remove_secret(&t, &name("b"), seen, &author()).await);
        assert!(matches!((&kept, &removed), (Err(StoreError::Conflict { .. }), Err(StoreError::Conflict { .. }))), "{kept:?} {removed:?}");
    }
    let gone = store.keep_secret(&t, &secret("c", "1"), Seen::This(secret("c", "1").mark()), &author()).await;
    assert!(matches!(gone, Err(StoreError::Conflict { .. })), "{gone:?}");
    store.keep_secret(&t, &secret("b", "5"), Seen::This(secret("b", "3").mark()), &author()).await.unwrap();
    store.keep_secret(&t, &secret("b", "3"), Seen::This(secret("b", "5").mark()), &author()).await.unwrap();
    assert!(!store.remove_secret(&t2, &name("b"), Seen::Whatever, &author()).await.unwrap());
    assert!(store.remove_secret(&t, &name("b"), Seen::Whatever, &author()).await.unwrap());
    assert!(!store.remove_secret(&t, &name("b"), Seen::Whatever, &author()).await.unwrap(), "it is gone");
    assert_eq!(store.secrets(&t).await.unwrap(), [secret("a", "2")]);
}
