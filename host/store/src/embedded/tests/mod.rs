//! The embedded store against the suite, and what is its own: opening again, sharing flushes, the identities' upkeep.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod crash;
mod damage;
mod format;
mod removal;
mod speed;

use std::sync::Arc;

use consign_model::window::Facts;
use consign_model::{Timestamp, User};

use super::Embedded;
use super::key::{Class, Key};
use super::writer::Totals;
use crate::Store;
use crate::conformance::counted::{Calls, Counted};
use crate::conformance::random::{Rehearsal, Told, seed_and_operations};
use crate::conformance::samples::{arrival, chat_key, delivery, name, people, user, window};

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
    let (rounds, calls) = ((operations / 2_000).max(10), Calls::default());
    let copies = tempfile::tempdir().unwrap();
    for round in 0..rounds {
        let store = Embedded::open(folder.path()).unwrap();
        let counted = Counted { store: &store, calls: &calls };
        rehearsal.compare(&counted).await;
        for _ in 0..operations / rounds {
            rehearsal.step(&counted).await;
        }
        store.check().await.unwrap();
        let copy = copies.path().join(round.to_string());
        store.copy(&copy).await.unwrap();
        let copy = Embedded::open(&copy).unwrap();
        assert!(!copy.is_recovered(), "a copy is closed in order");
        rehearsal.compare(&copy).await;
    }
    rehearsal.compare(&Embedded::open(folder.path()).unwrap()).await;
    println!("opened {} times", rounds + 1);
    calls.all_were_called();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_share_flushes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    let batches = |store: &Embedded| store.core.get::<Totals>(&Key::global(Class::Totals)).unwrap().unwrap().batches;
    let (before, batches_before) = (store.flushes(), batches(&store));
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
    assert_eq!(batches(&store) - batches_before, flushes, "a batch for each write is two writes to the file");
}

/// Whatever goes on meanwhile, a copy is what was there at one moment; and where something lies already it is left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_of_one_moment() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = Arc::clone(&store);
            let chats = [0, 1].map(|chat| chat_key("s", &format!("C{writer}-{chat}")));
            // Both chats get an event, or none.
            tokio::spawn(async move {
                for event in 0..200 {
                    let both = [arrival(&chats[0], event, 1), arrival(&chats[1], event, 1)];
                    store.commit(&name("t"), &both).await.unwrap();
                }
            })
        })
        .collect();
    let mut newest = 0;
    for number in 0..5 {
        let to = copies.path().join(number.to_string());
        store.copy(&to).await.unwrap();
        let copy = Embedded::open(&to).unwrap();
        copy.check().await.unwrap();
        let arrivals = copy.newest_arrival(&name("t")).await.unwrap();
        assert!(arrivals >= newest, "a later copy has all that an earlier one has");
        newest = arrivals;
        let mut events = 0;
        for writer in 0..8 {
            let segments = async |chat: u8| copy.segments(&name("t"), &chat_key("s", &format!("C{writer}-{chat}")), 0).await.unwrap().len();
            let (one, other) = (segments(0).await, segments(1).await);
            assert_eq!(one, other);
            events += one as u64;
        }
        assert_eq!(events, arrivals);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let there = copies.path().join("0");
    let refused = store.copy(&there).await;
    assert!(matches!(refused, Err(crate::StoreError::Failed { .. })), "{refused:?}");
    Embedded::open(&there).unwrap();
    println!("5 copies of up to {newest} arrivals");
}

#[tokio::test]
async fn identities_lie_in_few_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let chat = chat_key("s", "C1");
    for event in 0..3_000 {
        store.commit(&name("t"), &[arrival(&chat, event, 1)]).await.unwrap();
    }
    let prefix = Key::of(Class::Identities, &name("t")).chat(&chat);
    let records = store.core.raw_range(std::ops::Bound::Included(prefix.bytes()), &prefix, usize::MAX).unwrap().len();
    assert!(records <= 25, "{records} records for 3,000 identities that came one by one");
}

/// Bytes of the records of a class.
fn bytes_of(store: &Embedded, class: Class) -> usize {
    let prefix = Key::of(class, &name("t"));
    let records = store.core.raw_range(std::ops::Bound::Included(prefix.bytes()), &prefix, usize::MAX).unwrap();
    records.iter().map(|(key, record)| key.len() + record.len()).sum()
}

#[tokio::test]
async fn people_who_stay_are_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let mut facts = people(5_000);
    let size = |store: &Embedded| bytes_of(store, Class::Facts) + bytes_of(store, Class::FactsPiece);
    store.save_facts(&name("t"), &facts).await.unwrap();
    let once = size(&store);
    let windows: usize = 100;
    let mut kept: Vec<Facts> = Vec::new();
    for number in 0..windows {
        // Somewhere among the others, by id.
        let mut newcomer = facts.participants[(number * 47) % 5_000].clone();
        newcomer.user.id.push_str("new");
        facts.participants.push(newcomer);
        facts.participants.sort_by(|a, b| a.user.id.cmp(&b.user.id));
        store.save_facts(&name("t"), &facts).await.unwrap();
        kept.push(facts.clone());
    }
    let each = (size(&store) - once) / windows;
    println!("5,000 people: {once} bytes once, then {each} for each newcomer");
    assert!(each < 16 * 1024, "{each} bytes for each newcomer");
    for facts in &kept {
        assert_eq!(store.facts(&name("t"), &facts.digest()).await.unwrap().as_ref(), Some(facts));
    }
    drop(store);
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(store.facts(&name("t"), &facts.digest()).await.unwrap(), Some(facts));
}

fn blobs(store: &Embedded) -> (usize, usize) {
    let (there, unsynced) = store.writer.disk.blobs().unwrap();
    (there.len(), unsynced.len())
}

#[tokio::test]
async fn long_chats_and_many_people_make_no_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let chat = chat_key("s", "C1");
    for from in (0..60_000).step_by(1_000) {
        store.commit(&name("t"), &[arrival(&chat, from, 1_000)]).await.unwrap();
        assert_eq!(blobs(&store), (0, 0), "after {from} events");
    }
    store.save_facts(&name("t"), &people(5_000)).await.unwrap();
    assert_eq!(blobs(&store), (0, 0));
}

/// A record may be large all the same, a policy's list of words for one.
#[tokio::test]
async fn a_write_that_is_answered_left_no_blob_that_a_power_cut_empties() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let mut seen = 0;
    for round in 0..40_u8 {
        let large = |number: u8| User { name: char::from(b'a' + round % 26).to_string().repeat(30_000), ..user(&format!("U{number}"), "") };
        store.put_users(&name("t"), &name("s"), &[large(round), large(round + 1)], Timestamp(7)).await.unwrap();
        let (there, unsynced) = blobs(&store);
        assert_eq!(unsynced, 0, "round {round}");
        seen = seen.max(there);
    }
    assert!(seen > 0, "no blob was made, so nothing was tested");
}
