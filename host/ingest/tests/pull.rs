//! Sources that are asked, against stand-ins of the platforms in Python (`standin/`), which say what a reader should have.
//!
//! Random organisations: what is in the archive is what was given out, each event once, with whose copies; after the first pull, after changes, and after a
//! process that was killed at any request. `CONSIGN_PULL_SEED` says from which seed, `CONSIGN_PULL_ROUNDS` how many organisations.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod standin;
#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use consign_ingest::pull::{Begin, pull_now};
use consign_ingest::receive::Config;
use consign_model::source::Capture;
use consign_model::{ChatKey, ChatKind, Event, EventKind, Timestamp};
use consign_store::Store as _;
use fastrand::Rng;
use serde_json::{Value, json};
use standin::{Standin, config, pull};
use support::{World, name};

/// An event as the stand-in says it.
fn said(event: &Event) -> Value {
    let of = if event.kind == EventKind::Message { Some(&event.id) } else { event.target.as_ref() };
    json!([event.kind.word(), of, event.at.0, event.user.as_deref().unwrap_or_default(), event.text])
}

/// That the archive has what was given out, and knows whose copies that is.
async fn compare(world: &World, standin: &Standin) -> usize {
    standin.control("/_settle", json!({})).await;
    let dump = standin.control("/_dump", json!({})).await;
    let chats = dump["chats"].as_object().unwrap();
    let events = world.events().await;
    assert_eq!(events.keys().collect::<BTreeSet<_>>(), chats.keys().collect::<BTreeSet<_>>());
    let mut count = 0;
    for (chat, expected) in chats {
        let key = ChatKey { source: name("pulled"), id: chat.clone() };
        let mut there: Vec<Value> = events[chat].iter().map(said).collect();
        there.sort_by_key(Value::to_string);
        let mut wanted = expected["events"].as_array().unwrap().clone();
        wanted.sort_by_key(Value::to_string);
        assert_eq!(there, wanted, "{chat}");
        count += there.len();

        let about = world.chat("pulled", chat).await.unwrap();
        let kind = match expected["type"].as_str().unwrap() {
            "oneOnOne" => ChatKind::Direct,
            "group" => ChatKind::Group,
            "meeting" => ChatKind::Meeting,
            _ => ChatKind::Channel,
        };
        assert_eq!(about.kind, kind, "{chat}");
        let members = world.store.members(&world.importer.tenant, &key).await.unwrap();
        let listed: BTreeSet<&str> = members.iter().filter(|member| member.listed).map(|member| member.user.as_str()).collect();
        assert_eq!(listed, expected["members"].as_array().unwrap().iter().map(|user| user.as_str().unwrap()).collect(), "{chat}");

        let hashes: BTreeSet<_> = events[chat].iter().map(|event| event.identity().hash).collect();
        let copies = world.store.copies(&world.importer.tenant, &key, None).await.unwrap();
        let readers: Vec<&str> = expected["copies"].as_array().unwrap().iter().map(|user| user.as_str().unwrap()).collect();
        assert_eq!(copies.iter().map(|of| of.user.as_str()).collect::<Vec<_>>(), readers, "{chat}");
        for of in copies {
            assert_eq!(of.events.into_iter().collect::<BTreeSet<_>>(), hashes, "{chat}: each reader's export has all of it");
        }
    }
    for user in dump["users"].as_array().unwrap() {
        let known = world.user("pulled", user["id"].as_str().unwrap()).await.unwrap();
        let mail = user["mail"].as_str().or(user["profile"]["email"].as_str());
        assert_eq!(known.email.as_deref(), mail);
        assert!(known.name.starts_with("User ") && !known.external, "{known:?}");
    }
    let captured: BTreeSet<String> = captures(world).await.into_iter().map(|one| one.user).collect();
    assert_eq!(captured, dump["readers"].as_array().unwrap().iter().map(|user| user.as_str().unwrap().to_owned()).collect());
    count
}

async fn captures(world: &World) -> Vec<Capture> {
    let all = world.store.captures(&world.importer.tenant, &name("pulled")).await.unwrap();
    for one in &all {
        assert!(one.until.is_some_and(|until| until < Timestamp::now()), "nothing is claimed of what comes: {one:?}");
    }
    all
}

fn rounds() -> (u64, u64) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse().ok());
    let usual = if std::env::var_os("CONSIGN_FULL").is_some() { 100 } else { 6 };
    (number("CONSIGN_PULL_SEED").unwrap_or_else(|| u64::from(fastrand::u32(..))), number("CONSIGN_PULL_ROUNDS").unwrap_or(usual))
}

/// Pulls, and is killed at some request each time, until one pull comes to its end.
async fn pull_with_kills(mut world: World, standin: &Standin, config: &str, random: &mut Rng) -> World {
    for _ in 0..random.u64(1..6) {
        standin.set(json!({ "hold_after": random.u64(0..40) })).await;
        let (importer, config) = (world.importer.clone(), Config::parse(config).unwrap());
        let mut pulling = tokio::spawn(async move { pull_now(&config, &importer, None, Begin::LastTime, drop).await });
        let is_done = tokio::select! {
            outcome = &mut pulling => {
                outcome.unwrap().unwrap();
                true
            }
            _ = standin.control("/_held", json!({})) => false,
        };
        if !is_done {
            pulling.abort();
            assert!(pulling.await.unwrap_err().is_cancelled());
        }
        standin.set(json!({ "hold_after": null })).await;
        // What was being stored when it was killed is stored by a thread that a kill would have ended too.
        while Arc::strong_count(&world.store) > 2 {
            tokio::task::yield_now().await;
        }
        world = world.again().await;
    }
    world
}

async fn random_organisations(kind: &str) {
    let (seed, rounds) = rounds();
    for seed in seed..seed + rounds {
        println!("CONSIGN_PULL_SEED={seed} CONSIGN_PULL_ROUNDS=1 ({kind})");
        let mut random = Rng::with_seed(seed);
        let standin = Standin::start(kind, seed);
        standin.set(json!({ "throttle": random.u64(0..20), "page": random.u64(1..8) })).await;
        let mut world = World::new().await;
        let config = config(&world, kind, standin.port, "");
        let mut events = 0;
        for turn in 0..4 {
            if turn > 0 {
                standin.control("/_change", json!({})).await;
            }
            if kind == "graph" && random.bool() {
                standin.control("/_forget", json!({})).await;
            }
            if random.bool() {
                world = pull_with_kills(world, &standin, &config, &mut random).await;
            }
            let pulled = pull(&world, &config).await.unwrap();
            assert!(pulled.is_complete(), "{pulled:?}");
            events = compare(&world, &standin).await;
        }
        let imports = world.imports().await;
        println!("{events} events, {} requests, {} entries in the audit log", standin.asked().await, imports.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_organisations_of_teams() {
    random_organisations("graph").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_organisations_of_slack() {
    random_organisations("slack").await;
}
