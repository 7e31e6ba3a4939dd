//! What the store costs, printed. Small by itself; `CONSIGN_STORE_SPEED=1000000` for a million events in 20,000 chats.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use consign_model::run::Trigger;
use consign_model::{EventHash, Name, Window};

use super::super::Embedded;
use crate::conformance::samples::{arrival, author, chat_key, delivery, done, hash, identity, name, new_run, refused, window};
use crate::{Arrival, Store, WindowFilter};

const EVENTS_OF_A_CHAT: u64 = 50;
const CHATS_OF_A_COMMIT: usize = 200;

fn size(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

/// This process's memory, in MiB, where the system says.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn of_chat(chat: u64, expected: u64, events: u64) -> Arrival {
    let mut made = arrival(&chat_key("s", &format!("C{chat:07}")), expected, u32::try_from(events).unwrap());
    made.identities = (expected..expected + events).map(|one| identity(chat * 1_000_000 + one, one)).collect();
    made
}

fn print(what: &str, since: Instant, many: usize) {
    let took = since.elapsed();
    println!("{what:<52} {took:>10.1?}  {:>10.0} a second", many as f64 / took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures() {
    let events: u64 = std::env::var("CONSIGN_STORE_SPEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let chats = events / EVENTS_OF_A_CHAT;
    let (tenant, policy): (Name, Name) = (name("t"), name("p"));
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    println!("{events} events in {chats} chats, {CHATS_OF_A_COMMIT} chats to a commit; {} MiB before", memory());

    let everything: Vec<Arrival> = (0..chats).map(|chat| of_chat(chat, 0, EVENTS_OF_A_CHAT)).collect();
    println!("{} MiB with what is to be stored", memory());
    let began = Instant::now();
    for part in everything.chunks(CHATS_OF_A_COMMIT) {
        for one in part {
            let hashes: Vec<EventHash> = one.identities.iter().map(|one| one.hash).collect();
            assert!(store.known_events(&tenant, &one.chat.key, &hashes).await.unwrap().iter().all(Option::is_none));
        }
        store.commit(&tenant, part).await.unwrap();
    }
    print("events imported (asked for and committed)", began, everything.len() * 50);
    println!(
        "{:<52} {:>7} MiB, {:.0} bytes an event, {} flushes, {} MiB of memory",
        "on disk",
        size(folder.path()) >> 20,
        size(folder.path()) as f64 / events as f64,
        store.flushes(),
        memory()
    );

    let began = Instant::now();
    for one in &everything {
        let hashes: Vec<EventHash> = one.identities.iter().map(|one| one.hash).collect();
        assert!(store.known_events(&tenant, &one.chat.key, &hashes).await.unwrap().iter().all(Option::is_some));
    }
    print("events of a second import known", began, everything.len() * 50);

    let began = Instant::now();
    let mut listed = 0;
    let mut after = 0;
    loop {
        let page = store.chats_arrived(&tenant, after, 1_000).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        (listed, after) = (listed + page.len(), *last);
    }
    assert_eq!(listed as u64, chats);
    print("chats listed that have news", began, listed);
    let began = Instant::now();
    for _ in 0..100 {
        assert!(store.chats_arrived(&tenant, after, 1_000).await.unwrap().is_empty());
    }
    print("times asked for news where there is none", began, 100);

    let windows: Vec<Window> = everything.iter().map(|one| window("p", &one.chat.key, 0, one.chat.events, "p-000001")).collect();
    store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap();
    let began = Instant::now();
    for part in windows.chunks(500) {
        store.freeze(&tenant, part, &[]).await.unwrap();
    }
    print("windows frozen, 500 at a time", began, windows.len());
    let (began, flushes) = (Instant::now(), store.flushes());
    let settling: Vec<_> = windows
        .chunks(windows.len().div_ceil(64).max(1))
        .map(|part| {
            let (store, part, tenant) = (Arc::clone(&store), part.to_vec(), tenant.clone());
            tokio::spawn(async move {
                for one in part {
                    store.record(&tenant, &[delivery(&one.key, 0, 1, None)]).await.unwrap();
                    store.record(&tenant, &[delivery(&one.key, 0, 1, Some(refused()))]).await.unwrap();
                    store.settle(&tenant, &one.key, &done()).await.unwrap();
                }
            })
        })
        .collect();
    for one in settling {
        one.await.unwrap();
    }
    print("intents, outcomes and settlings, 64 tasks", began, windows.len() * 3);
    println!("{:<52} {:>7}", "in flushes", store.flushes() - flushes);
    let began = Instant::now();
    assert!(store.windows(&tenant, &WindowFilter::Unsettled(policy), None, 1_000).await.unwrap().is_empty());
    print("times asked for unsettled windows", began, 1);

    let long = chat_key("s", "long");
    let began = Instant::now();
    for from in (0..events / 2).step_by(1_000) {
        store.commit(&tenant, &[arrival(&long, from, 1_000)]).await.unwrap();
    }
    print("events of one chat imported, 1,000 at a time", began, usize::try_from(events / 2).unwrap());
    let began = Instant::now();
    assert!(store.known_events(&tenant, &long, &[hash(events / 2 - 1)]).await.unwrap()[0].is_some());
    print("events of that chat made ready for asking", began, usize::try_from(events / 2).unwrap());

    let began = Instant::now();
    store.check().await.unwrap();
    print("checks of everything", began, 1);
    // As a kill would leave it.
    let killed = tempfile::tempdir().unwrap();
    super::damage::copy(folder.path(), killed.path());
    let began = Instant::now();
    drop(Arc::into_inner(store).unwrap());
    print("closings", began, 1);
    println!("{:<52} {:>7} MiB", "on disk", size(folder.path()) >> 20);
    for (what, folder) in [("openings", &folder), ("openings after a kill", &killed)] {
        let began = Instant::now();
        let store = Embedded::open(folder.path()).unwrap();
        print(what, began, 1);
        assert_eq!(store.chat(&tenant, &windows[0].key.chat).await.unwrap().unwrap().events, EVENTS_OF_A_CHAT);
    }
    println!("{} MiB of memory", memory());
}
