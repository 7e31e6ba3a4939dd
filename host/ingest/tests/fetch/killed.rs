//! Dropped anywhere and begun anew, as where the process is killed: nothing is lost, and nothing comes twice.

use std::collections::BTreeSet;
use std::time::Duration;

use consign_model::Timestamp;

use super::support::{World, name};
use super::{Files, bytes, fetcher, import, late, message, missing, pass_in};

/// Prints how to repeat, where it fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with CONSIGN_SEED={}", self.0);
        }
    }
}

fn seed() -> u64 {
    std::env::var("CONSIGN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let seed = seed();
    println!("seed {seed}");
    let _told = Told(seed);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut world, files) = (World::new().await, Files::start());
    let (mut lines, mut wanted) = (String::new(), BTreeSet::new());
    for id in 0..60 {
        let some: Vec<(String, String, String)> = (0..random.usize(0..4))
            .map(|place| {
                let (length, which) = (random.usize(0..20_000), random.u8(0..20));
                let file = format!("any/{}/{which}", if random.u8(0..40) == 0 { 4_300_000 } else { length });
                let path = match random.u8(0..4) {
                    0 => format!("/flaky/1/{file}"),
                    1 => format!("/later/{}/{file}", random.u8(0..30)),
                    _ => format!("/file/{file}"),
                };
                (format!("{place}.bin"), files.url(&path), file)
            })
            .collect();
        for (file_name, _, file) in &some {
            wanted.insert((format!("m{id}"), file_name.clone(), files.sha(file).await));
        }
        let named: Vec<(&str, &str)> = some.iter().map(|(name, url, _)| (name.as_str(), url.as_str())).collect();
        lines += &message(&format!("C{}", id % 3), id, &named);
    }
    import(&world, lines.clone()).await;
    let mut at = 0;
    for round in 0.. {
        assert!(round < 200, "it does not come to an end");
        let fetcher = fetcher(&world, &files.rule("")).await;
        if missing(&fetcher, None).await.is_empty() {
            break;
        }
        at += 12 * 60 * 60_000;
        if round < 12 {
            // What is under way on threads of its own goes on, as where an answer of the disk comes after the kill.
            let whole = pass_in(&fetcher, at);
            let dropped = tokio::time::timeout(Duration::from_micros(random.u64(0..200_000)), whole).await;
            println!("round {round}: {}", if dropped.is_ok() { "whole" } else { "dropped" });
        } else {
            pass_in(&fetcher, at).await;
        }
        drop(fetcher);
        if random.u8(0..3) == 0 {
            import(&world, lines.clone()).await;
        }
        if random.u8(0..3) == 0 {
            world = reopened(world).await;
        }
    }
    let mut got = Vec::new();
    for chat in ["C0", "C1", "C2"] {
        for (id, file) in late(&world, chat).await {
            let digest = file.digest.unwrap();
            assert_eq!(consign_model::Digest::of(&bytes(&world, &digest).await), digest);
            got.push((id, file.name, digest.hex()));
        }
    }
    let came: BTreeSet<_> = got.iter().cloned().collect();
    assert_eq!(came.len(), got.len(), "a file came twice");
    assert_eq!(came, wanted);
    world.store.check().await.unwrap();
}

/// By another process, as soon as what was under way in this one has let go of it.
async fn reopened(world: World) -> World {
    let World { folder, master, importer, archive, mut store } = world;
    drop((importer, archive));
    let store = loop {
        match std::sync::Arc::try_unwrap(store) {
            Ok(store) => break store,
            Err(shared) => store = shared,
        }
        tokio::task::yield_now().await;
    };
    drop(store);
    World::at(folder, master).await
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_other_work_until_it_is_stopped() {
    let (world, files) = (World::new().await, Files::start());
    let fetcher = std::sync::Arc::new(fetcher(&world, &files.rule("")).await);
    import(&world, message("C1", 1, &[("a", &files.url("/file/any/10/a"))])).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = std::sync::Arc::clone(&fetcher);
    let run = tokio::spawn(async move { running.run(async { drop(stopped.await) }).await });
    let until = async {
        while !missing(&fetcher, None).await.is_empty() {
            tokio::task::yield_now().await;
        }
        // Stopped while something is fetched: what is half there is left as it was.
        import(&world, message("C1", 2, &[("b", &files.url("/silent"))])).await;
        fetcher.again(&name("s"), Timestamp::now()).await.unwrap();
        while !files.seen().await.iter().any(|one| one["path"] == "/silent") {
            tokio::task::yield_now().await;
        }
        drop(stop);
    };
    tokio::time::timeout(Duration::from_mins(2), async { tokio::join!(run, until).0.unwrap() }).await.unwrap();
    assert_eq!(late(&world, "C1").await.len(), 1);
    assert_eq!(missing(&fetcher, None).await.len(), 1);
}
