//! Many tasks want the same thing, and one gets it.

use std::sync::Arc;

use consign_model::audit::Cause;
use consign_model::run::Trigger;
use consign_model::{RunId, Timestamp};
use tokio::sync::Barrier;

use super::samples::{arrival, author, chat_key, hash, name, new_run, policy, quarantine, release, window};
use crate::{Begun, Store, StoreError};

const TASKS: u32 = 50;

/// What [`TASKS`] tasks answer that begin together.
async fn together<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    store: &Arc<dyn Store>,
    task: impl Fn(Arc<dyn Store>, u32) -> F,
) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(TASKS as usize));
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let (running, barrier) = (task(Arc::clone(store), number), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                running.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in tasks {
        answers.push(one.await.unwrap());
    }
    answers
}

pub(super) async fn one_of_many_begins_a_run(store: Arc<dyn Store>) {
    for round in 1..=10_u64 {
        let due = Timestamp(i64::try_from(round).unwrap());
        let answers =
            together(&store, |store, _| async move { store.begin_run(&name("t"), &new_run("p", Trigger::Schedule(due)), &author()).await.unwrap() })
                .await;
        let mut new = 0;
        for answer in answers {
            match answer {
                Begun::New(run) | Begun::Unfinished(run) if run.id != RunId::new(&name("p"), round) => panic!("round {round}: {run:?}"),
                Begun::New(_) => new += 1,
                Begun::Unfinished(_) => {}
                Begun::AlreadyRun => panic!("round {round}: nobody has ended it"),
            }
        }
        assert_eq!(new, 1, "round {round}");
        let id = RunId::new(&name("p"), round);
        store.finish_run(&name("t"), &id, due, &super::samples::summary(&id, &name("p")), &consign_model::Digest::of(b"m"), &author()).await.unwrap();
    }
    assert_eq!(store.progress(&name("t"), &name("p")).await.unwrap().runs, 10);
}

pub(super) async fn one_of_many_freezes_a_window(store: Arc<dyn Store>) {
    let chat = chat_key("s", "C1");
    for round in 0..10_u64 {
        let of = chat.clone();
        let answers = together(&store, move |store, number| {
            let of = of.clone();
            async move {
                let mut mine = window("p", &of, round * 5, round * 5 + 5, "p-000001");
                mine.composer = number;
                (store.freeze(&name("t"), std::slice::from_ref(&mine), &[]).await.unwrap(), mine)
            }
        })
        .await;
        let won: Vec<_> = answers.into_iter().filter(|(frozen, _)| frozen == &[true]).map(|(_, window)| window).collect();
        assert_eq!(won.len(), 1, "round {round}");
        assert_eq!(store.window(&name("t"), &won[0].key).await.unwrap().as_ref(), won.first(), "and it is the winner's");
    }
}

pub(super) async fn one_of_many_commits_to_a_chat(store: Arc<dyn Store>) {
    let chat = chat_key("s", "C1");
    let of = chat.clone();
    // Each commits again from what it finds after a conflict, until it is in: nobody's events are lost, nobody's twice.
    let arrivals = together(&store, move |store, number| {
        let of = of.clone();
        async move {
            loop {
                let expected = store.chat(&name("t"), &of).await.unwrap().map_or(0, |chat| chat.events);
                let mut mine = arrival(&of, expected, 2);
                mine.identities = vec![super::samples::identity(u64::from(number), 1)];
                match store.commit(&name("t"), &[mine]).await {
                    Ok(arrival) => return arrival,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    })
    .await;
    let mut sorted = arrivals;
    sorted.sort_unstable();
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "each arrival has its own number: {sorted:?}");
    assert_eq!(store.chat(&name("t"), &chat).await.unwrap().unwrap().events, u64::from(TASKS) * 2);
    let segments = store.segments(&name("t"), &chat, 0).await.unwrap();
    assert!(segments.iter().map(|one| one.first).eq((0..u64::from(TASKS)).map(|one| one * 2)));
    assert!(segments.windows(2).all(|pair| pair[0].arrival < pair[1].arrival), "positions rise with arrivals");
    let hashes: Vec<_> = (0..u64::from(TASKS)).map(hash).collect();
    assert!(store.known_events(&name("t"), &chat, &hashes).await.unwrap().iter().all(Option::is_some));
}

pub(super) async fn one_of_many_saves_a_version(store: Arc<dyn Store>) {
    for version in 1..=5 {
        let answers =
            together(&store, |store, _| async move { store.save_policy(&name("t"), &policy("p", version), &Cause::Apply, &author()).await }).await;
        assert_eq!(answers.iter().filter(|one| one.is_ok()).count(), 1);
        assert!(answers.iter().all(|one| matches!(one, Ok(()) | Err(StoreError::Conflict { .. }))));
    }
}

pub(super) async fn one_of_many_quarantines(store: Arc<dyn Store>) {
    for round in 0..10 {
        let answers =
            together(&store, move |store, _| async move { store.quarantine(&name("t"), &quarantine("p", "a", round), &author()).await.unwrap() })
                .await;
        assert_eq!(answers.iter().filter(|new| **new).count(), 1, "round {round}");
        let digest = consign_model::Digest::of(b"a");
        let answers = together(&store, move |store, _| async move {
            store.release(&name("t"), &name("p"), &digest, None, &release(round), &author()).await.unwrap()
        })
        .await;
        assert_eq!(answers.iter().flatten().count(), 1, "round {round}");
    }
}

/// Each of them changes something else, and all of it goes into one chain.
pub(super) async fn many_write_one_log(store: Arc<dyn Store>) {
    for version in 1..=5 {
        let save = |store: Arc<dyn Store>, number: u32| async move {
            store.save_policy(&name("t"), &policy(&format!("p{number}"), version), &Cause::Apply, &author()).await.unwrap();
        };
        together(&store, save).await;
    }
    let entries = super::audit::log(&*store, &name("t")).await;
    for number in 0..TASKS {
        assert_eq!(entries.iter().filter(|entry| super::audit::tells_of(entry, &name(&format!("p{number}")))).count(), 5);
    }
}

/// Readers beside a writer: a chat that says it has events has their segments and identities.
pub(super) async fn nothing_is_half_seen(store: Arc<dyn Store>) {
    let chat = chat_key("s", "C1");
    let (of, writer) = (chat.clone(), Arc::clone(&store));
    let writing = tokio::spawn(async move {
        for round in 0..150_u64 {
            writer.commit(&name("t"), &[arrival(&of, round * 3, 3)]).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let Some(seen) = store.chat(&name("t"), &chat).await.unwrap() else { continue };
        let segments = store.segments(&name("t"), &chat, 0).await.unwrap();
        let held: u64 = segments.iter().map(|one| u64::from(one.events)).sum();
        assert!(held >= seen.events, "{held} of {}", seen.events);
        let hashes: Vec<_> = (0..seen.events).map(hash).collect();
        assert!(store.known_events(&name("t"), &chat, &hashes).await.unwrap().iter().all(Option::is_some));
    }
    writing.await.unwrap();
    assert_eq!(store.chat(&name("t"), &chat).await.unwrap().unwrap().events, 450);
}
