//! What takes two people, and what waits for the second.

use std::sync::Arc;

use consign_model::proposal::{Decision, Proposal, Verdict};
use consign_model::{Digest, Timestamp};

use super::samples::{author, name, proposal};
use crate::{Store, StoreError};

fn decision(verdict: Verdict, at: i64) -> Decision {
    Decision { verdict, at: Timestamp(at), by: author().actor().clone() }
}

pub(super) async fn decided_once(store: Arc<dyn Store>) {
    let (t, t2) = (name("t"), name("t-2"));
    let [a, b] = ["a", "b"].map(|id| proposal(id, 5));
    store.propose(&t, &b, &author()).await.unwrap();
    store.propose(&t, &a, &author()).await.unwrap();
    let again = store.propose(&t, &Proposal { digest: Digest::of(b"other"), ..a.clone() }, &author()).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    assert_eq!(store.proposals(&t).await.unwrap(), [a.clone(), b.clone()], "by id");
    assert!(store.proposals(&t2).await.unwrap().is_empty());
    let yes = decision(Verdict::Approved, 9);
    store.decide(&t, &a.id, &yes, &author()).await.unwrap();
    // Decided, over at that time, not there, another tenant's.
    for (tenant, id, at) in [(&t, "a", 9), (&t, "b", 105), (&t, "c", 9), (&t2, "b", 9)] {
        let refused = store.decide(tenant, &name(id), &decision(Verdict::Rejected, at), &author()).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{id}: {refused:?}");
    }
    assert_eq!(store.proposals(&t).await.unwrap(), [Proposal { decision: Some(yes), ..a }, b]);
    // Three months after they were over they are not listed any more.
    let late = proposal("c", 105 + 90 * 86_400_000);
    store.propose(&t, &late, &author()).await.unwrap();
    assert_eq!(store.proposals(&t).await.unwrap(), [late]);
    assert!(!store.two_people(&t).await.unwrap());
    for on in [false, true, true, false] {
        store.set_two_people(&t, on, &author()).await.unwrap();
        assert_eq!((store.two_people(&t).await.unwrap(), store.two_people(&t2).await.unwrap()), (on, false));
    }
    let log = store.audit(&t, 0, 9).await.unwrap();
    let deeds = ["proposed", "proposed", "proposal-approved", "proposed", "two-people-set", "two-people-set"];
    assert_eq!(log.len(), deeds.len());
    assert!(log.iter().zip(deeds).all(|(line, deed)| line.line.contains(&format!("\"what\":\"{deed}\""))), "{log:?}");
}
