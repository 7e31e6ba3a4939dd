//! The embedded store against the suite, and what is its own: opening again, sharing flushes, the identities' upkeep.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod damage;
mod speed;

use std::sync::Arc;

use super::Embedded;
use crate::Store;
use crate::conformance::random::{Rehearsal, Told, seed_and_operations};
use crate::conformance::samples::{arrival, chat_key, delivery, name, window};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let mut folders = Vec::new();
    crate::conformance::run(async || {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).unwrap());
        folders.push(folder);
        store
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_survive_opening_again() {
    let (seed, operations) = seed_and_operations();
    println!("seed {seed}, {operations} operations");
    let _told = Told(seed, operations);
    let folder = tempfile::tempdir().unwrap();
    let mut rehearsal = Rehearsal::new(seed);
    let rounds = 10;
    for _ in 0..rounds {
        let store = Embedded::open(folder.path()).unwrap();
        rehearsal.compare(&store).await;
        for _ in 0..operations / rounds {
            rehearsal.step(&store).await;
        }
        store.check().await.unwrap();
    }
    rehearsal.compare(&Embedded::open(folder.path()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_share_flushes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    let before = store.flushes();
    let writers: Vec<_> = (0..100_u64)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let of = window("p", &chat_key("s", "C1"), writer, writer + 1, "p-000001").key;
                for part in 0..10 {
                    store.record(&name("t"), &[delivery(&of, 0, part, None)]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let flushes = store.flushes() - before;
    println!("1,000 writes of 100 writers in {flushes} flushes");
    assert!(flushes <= 200, "{flushes} flushes");
}

#[tokio::test]
async fn identities_lie_in_few_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let chat = chat_key("s", "C1");
    for event in 0..3_000 {
        store.commit(&name("t"), &[arrival(&chat, event, 1)]).await.unwrap();
    }
    let prefix = super::key::Key::of(super::key::Class::Identities, &name("t")).chat(&chat);
    let records = store.core.raw_range(std::ops::Bound::Included(prefix.bytes()), &prefix, usize::MAX).unwrap().len();
    assert!(records <= 15, "{records} records for 3,000 identities that came one by one");
}
