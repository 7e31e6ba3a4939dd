//! Killed at any moment, the store keeps what it acknowledged, and nothing by halves.
//!
//! A child process (this very test program, asked for one test) writes with four writers and says each answer on its standard output; the parent kills it
//! (SIGKILL) after some milliseconds, opens the folder and works out from each writer's script what must be there: as many steps as were acknowledged, or
//! one more. `CONSIGN_CRASH_ROUNDS` says how often (20), `CONSIGN_STORE_SEED` from which seed.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use consign_model::audit::Cause;
use consign_model::{ChatKey, EventHash, Window, WindowKey, WindowState};

use super::super::Embedded;
use crate::conformance::audit;
use crate::conformance::random::{Random, Told, seed_and_operations};
use crate::conformance::samples::{arrival, author, chat_key, delivery, done, hash, keys, name, policy, refused, removed, window};
use crate::{Store, StoreError, WindowFilter};

const WRITERS: usize = 4;
const CHATS: u64 = 3;
const STEPS: u64 = 5;
const FOLDER: &str = "CONSIGN_CRASH_FOLDER";
const OPENED: &str = "CONSIGN_OPENED_FOLDER";
const BEGIN: &str = "CONSIGN_CRASH_BEGIN";

fn chat(writer: usize, number: u64) -> ChatKey {
    chat_key(&format!("s{writer}"), &format!("C{number}"))
}

/// What a round of five steps (commit, freeze, record, settle, and a policy's next version) adds to how many of a writer's chats.
fn round(number: u64) -> (u64, u32) {
    // Now and then more than sled's log buffers hold at once.
    let events = if number % 9 == 8 { 20_000 } else { 1 + u32::try_from(number * 7 % 50).unwrap() };
    (1 + number % CHATS, events)
}

fn events_before(of: u64, before: u64) -> u64 {
    (0..before).map(round).filter(|(chats, _)| of < *chats).map(|(_, events)| u64::from(events)).sum()
}

fn frozen(writer: usize, number: u64) -> Vec<Window> {
    let (chats, events) = round(number);
    let one = |of| {
        let from = events_before(of, number);
        window(&format!("p{writer}"), &chat(writer, of), from, from + u64::from(events), &format!("p{writer}-{number:06}"))
    };
    (0..chats).map(one).collect()
}

async fn step(store: &Embedded, writer: usize, step: u64) -> crate::Result<()> {
    let (tenant, number) = (name("t"), step / STEPS);
    let windows = frozen(writer, number);
    match step % STEPS {
        0 => {
            let arrivals: Vec<_> =
                windows.iter().map(|one| arrival(&one.key.chat, one.key.from, u32::try_from(one.to - one.key.from).unwrap())).collect();
            store.commit(&tenant, &arrivals).await?;
        }
        1 => assert!(store.freeze(&tenant, &windows, &[]).await?.iter().all(|one| *one)),
        2 => {
            let deliveries: Vec<_> = windows.iter().flat_map(|one| (0..20).map(|group| delivery(&one.key, group, 1, Some(refused())))).collect();
            store.record(&tenant, &deliveries).await?;
        }
        3 => {
            for one in windows {
                store.settle(&tenant, &one.key, &done()).await?;
            }
        }
        _ => {
            let version = u32::try_from(number + 1).unwrap();
            store.save_policy(&tenant, &policy(&format!("p{writer}"), version), &Cause::Apply, &author()).await?;
        }
    }
    Ok(())
}

/// The child's part: nothing at all where this is not the child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(folder), Ok(begin)) = (std::env::var(FOLDER), std::env::var(BEGIN)) else { return };
    let store = Arc::new(Embedded::open(Path::new(&folder)).unwrap());
    let mut writers = Vec::new();
    for (writer, begin) in begin.split(',').enumerate() {
        let (store, begin): (_, u64) = (Arc::clone(&store), begin.parse().unwrap());
        writers.push(tokio::spawn(async move {
            for number in begin.. {
                let outcome = step(&store, writer, number).await;
                let line = match &outcome {
                    Ok(()) => format!("done {writer} {number}\n"),
                    Err(error) => format!("failed {writer} {number} {error}\n"),
                };
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                if outcome.is_err() {
                    // From here on nothing is taken any more, and it says so at once.
                    assert!(matches!(step(&store, writer, number).await, Err(StoreError::Failed { .. } | StoreError::Damaged { .. })));
                    return;
                }
            }
        }));
    }
    for one in writers {
        one.await.unwrap();
    }
}

/// The other child's part: opens and closes, again and again.
#[tokio::test]
async fn opener() {
    let Ok(folder) = std::env::var(OPENED) else { return };
    for number in 0_u64.. {
        let store = Embedded::open(Path::new(&folder)).unwrap();
        if number % 3 == 2 {
            let chat = chat(0, 0);
            let events = store.chat(&name("t"), &chat).await.unwrap().map_or(0, |chat| chat.events);
            store.commit(&name("t"), &[arrival(&chat, events, 2)]).await.unwrap();
        }
        if number % 3 == 1 {
            // The next opening writes the database anew without it.
            let goes = format!("goes-{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
            for tenant in ["platform", &goes] {
                store.create_tenant(&name(tenant), &keys(tenant), &author()).await.unwrap();
            }
            store.remove_tenant(&removed(&goes), 0, &author()).await.unwrap();
        }
        std::io::stdout().lock().write_all(b"opened\n").unwrap();
    }
}

/// Opening and closing write too: a kill in the middle of them is no damage.
#[tokio::test]
async fn a_kill_while_opening_or_closing_is_no_damage() {
    let (seed, _) = seed_and_operations();
    println!("seed {seed}");
    let _told = Told(seed, 0);
    let mut random = Random(seed);
    let mut folder = tempfile::tempdir().unwrap();
    let (mut opened, mut events) = (0, 0);
    for round in 0..40_u64 {
        if round % 20 == 19 {
            folder = tempfile::tempdir().unwrap();
            events = 0;
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["embedded::tests::crash::opener", "--exact", "--nocapture"])
            .env(OPENED, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let reading = std::thread::spawn(move || lines.lines().map_while(Result::ok).filter(|line| line == "opened").count());
        tokio::time::sleep(Duration::from_millis(random.below(150))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        opened += reading.join().unwrap();
        let store = Embedded::open(folder.path()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let found = store.chat(&name("t"), &chat(0, 0)).await.unwrap().map_or(0, |chat| chat.events);
        assert!(found >= events, "round {round}: {found} events, and {events} before");
        events = found;
    }
    println!("opened {opened} times");
}

/// How many steps of each writer the child's lines acknowledge, beyond those before it.
fn acknowledged(lines: &[String], begin: [u64; WRITERS]) -> [u64; WRITERS] {
    let mut steps = begin;
    for line in lines {
        // A line that the kill cut off was no acknowledgement yet.
        let mut words = line.split_whitespace();
        if let (Some("done"), Some(writer), Some(number)) = (words.next(), words.next(), words.next()) {
            steps[writer.parse::<usize>().unwrap()] = number.parse::<u64>().unwrap() + 1;
        }
    }
    steps
}

/// Which step each writer has reached in the store: what was acknowledged, or one more.
async fn reached(store: &Embedded, acknowledged: [u64; WRITERS], when: &str) -> [u64; WRITERS] {
    let mut steps = acknowledged;
    for (writer, steps) in steps.iter_mut().enumerate() {
        let Err(first) = holds(store, writer, *steps).await else { continue };
        if let Err(second) = holds(store, writer, *steps + 1).await {
            panic!("{when}, writer {writer}, {steps} steps acknowledged: {first}; with one more: {second}");
        }
        *steps += 1;
    }
    steps
}

/// Whether exactly so many of a writer's steps are in the store. Says what is otherwise.
async fn holds(store: &Embedded, writer: usize, steps: u64) -> Result<(), String> {
    let (tenant, policy) = (name("t"), name(&format!("p{writer}")));
    let reached = |of: u64| (steps + STEPS - 1 - of) / STEPS;
    let same = |what: &str, found: u64, expected: u64| if found == expected { Ok(()) } else { Err(format!("{what}: {found}, not {expected}")) };
    for of in 0..CHATS {
        let (key, total) = (chat(writer, of), events_before(of, reached(0)));
        same("events", store.chat(&tenant, &key).await.unwrap().map_or(0, |chat| chat.events), total)?;
        let segments = store.segments(&tenant, &key, 0).await.unwrap();
        same("events in segments", segments.iter().map(|one| u64::from(one.events)).sum(), total)?;
        let hashes: Vec<EventHash> = (0..total + 100).map(hash).collect();
        let known = store.known_events(&tenant, &key, &hashes).await.unwrap();
        same("known events", known.iter().take_while(|one| one.is_some()).count() as u64, total)?;
        same("known events in all", known.iter().flatten().count() as u64, total)?;
        let next = store.next_window(&tenant, &policy, &key).await.unwrap().map_or(0, |next| next.from);
        same("end of windows", next, events_before(of, reached(1)))?;
        for number in 0..reached(0) {
            let Some(one) = frozen(writer, number).into_iter().find(|one| one.key.chat == key) else { continue };
            same("e-mails", store.deliveries(&tenant, &one.key).await.unwrap().len() as u64, if number < reached(2) { 20 } else { 0 })?;
        }
    }
    let unsettled: Vec<WindowKey> =
        store.windows(&tenant, &WindowFilter::Unsettled(policy.clone()), None, usize::MAX).await.unwrap().into_iter().map(|one| one.key).collect();
    let expected: Vec<WindowKey> = (reached(3)..reached(1)).flat_map(|number| frozen(writer, number)).map(|one| one.key).collect();
    // Settling is the one step of several writes.
    if unsettled != expected && !(steps == reached(3) * STEPS + 3 && unsettled.iter().all(|one| expected.contains(one))) {
        return Err(format!("unsettled: {unsettled:?}, not {expected:?}"));
    }
    let newest = store.policy(&tenant, &policy, None).await.unwrap().map_or(0, |newest| u64::from(newest.version));
    same("versions", newest, reached(4))?;
    // Of as many versions the log tells, whoever wrote between them: not of one less, and not of one more.
    let told = audit::log(store, &tenant).await.iter().filter(|entry| audit::tells_of(entry, &policy)).count();
    same("versions in the audit log", told as u64, reached(4))?;
    for number in 0..reached(3) {
        for one in frozen(writer, number) {
            let state = store.window(&tenant, &one.key).await.unwrap().map(|found| found.state);
            if !matches!(state, Some(WindowState::Done { .. })) {
                return Err(format!("a settled window is {state:?}"));
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_to_a_kill() {
    let (seed, _) = seed_and_operations();
    let rounds: u64 = std::env::var("CONSIGN_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    println!("seed {seed}, {rounds} kills");
    let _told = Told(seed, 0);
    let mut random = Random(seed);
    let mut folder = tempfile::tempdir().unwrap();
    let mut begin = [0_u64; WRITERS];
    let (mut steps, mut ahead, mut longest) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        // A folder of its own now and then: the first moments of one are a moment too.
        if round % 10 == 9 {
            folder = tempfile::tempdir().unwrap();
            begin = [0; WRITERS];
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["embedded::tests::crash::child", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(BEGIN, begin.map(|one| one.to_string()).join(","))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let reading = std::thread::spawn(move || lines.lines().map_while(Result::ok).collect::<Vec<_>>());
        // Not a wait for anything: the kill shall come at any moment.
        tokio::time::sleep(Duration::from_millis(random.below(400))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let told = acknowledged(&reading.join().unwrap(), begin);
        let opening = std::time::Instant::now();
        let store = Embedded::open(folder.path()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        longest = longest.max(opening.elapsed());
        store.check().await.unwrap();
        let found = reached(&store, told, &format!("round {round}")).await;
        for writer in 0..WRITERS {
            steps += told[writer] - begin[writer];
            ahead += found[writer] - told[writer];
        }
        begin = found;
    }
    println!("{rounds} kills, {steps} steps acknowledged and found, {ahead} times one more; longest opening {longest:?}");
    assert!(steps > 0, "no child got anywhere");
}

/// A disk that is full, in the form of a limit on a file's size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_to_a_full_disk() {
    for blocks in [4_000, 9_000, 14_001] {
        let folder = tempfile::tempdir().unwrap();
        drop(Embedded::open(folder.path()).unwrap());
        let mut child = Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" embedded::tests::crash::child --exact --nocapture")])
            .arg(std::env::current_exe().unwrap())
            .env(FOLDER, folder.path())
            .env(BEGIN, "0,0,0,0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
        assert!(child.wait().unwrap().success(), "every writer was refused, and the store could be closed");
        let refused: Vec<&String> = lines.iter().filter(|line| line.starts_with("failed")).collect();
        assert_eq!(refused.len(), WRITERS, "{refused:?}");
        let told = acknowledged(&lines, [0; WRITERS]);
        println!("{blocks} blocks: {told:?} steps, then {}", refused[0]);
        let store = Embedded::open(folder.path()).unwrap();
        store.check().await.unwrap();
        reached(&store, told, "after a full disk").await;
        // With room again, it goes on.
        store.commit(&name("u"), &[arrival(&chat(0, 0), 0, 1)]).await.unwrap();
    }
}
