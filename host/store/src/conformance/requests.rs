//! Requests that are made once.

use std::sync::Arc;

use consign_model::request::{KeptAnswer, KeptRequest};
use consign_model::{Digest, Timestamp};

use super::samples::name;
use crate::{Claim, Store};

pub(super) async fn requests_by_key(store: Arc<dyn Store>) {
    let (t, t2) = (name("t"), name("t-2"));
    let request = |key: &str, at| KeptRequest { key: Digest::of(key.as_bytes()), asked: Digest::of(b"asked"), at: Timestamp(at), answer: None };
    let claim = async |tenant, one: &KeptRequest, since, most| store.begin_request(tenant, one, Timestamp(since), most).await.unwrap();
    let (first, second) = (request("a", 10), request("b", 20));
    assert_eq!(claim(&t, &first, 0, 2).await, Claim::New);
    assert_eq!(claim(&t, &KeptRequest { at: Timestamp(11), ..first.clone() }, 0, 2).await, Claim::Known(first.clone()), "it is under way");
    assert_eq!(claim(&t2, &first, 0, 2).await, Claim::New, "another tenant's");
    assert_eq!(claim(&t, &second, 0, 2).await, Claim::New);
    assert_eq!(claim(&t, &request("c", 21), 0, 2).await, Claim::Full);
    let answer = KeptAnswer { status: 201, sealed: Some("…".to_owned()) };
    store.end_request(&t, &first.key, Some(&answer)).await.unwrap();
    assert_eq!(claim(&t, &first, 0, 2).await, Claim::Known(KeptRequest { answer: Some(answer.clone()), ..first.clone() }), "also where it is full");
    // What came to nothing is forgotten, and makes room.
    store.end_request(&t, &second.key, None).await.unwrap();
    store.end_request(&t, &second.key, Some(&answer)).await.unwrap();
    assert_eq!(claim(&t, &request("b", 22), 0, 2).await, Claim::New);
    // What is old is as if it had never been.
    assert_eq!(claim(&t, &request("a", 30), 11, 2).await, Claim::New);
    assert_eq!(claim(&t, &request("c", 31), 11, 2).await, Claim::Full);
    assert_eq!(claim(&t2, &first, 0, 2).await, Claim::Known(first), "of another tenant nothing is dropped");
    assert!(store.audit(&t, 0, 9).await.unwrap().is_empty(), "what a request does is entered, and not that it is kept");
}
