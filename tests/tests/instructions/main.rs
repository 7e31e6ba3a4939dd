//! How many instructions the hot paths take, counted by callgrind: a number that does not depend on the neighbours, as time does. One that has grown by 5%
//! fails, so that what makes things slower is seen where it is done.
//!
//! Each test runs itself once more under valgrind, and there the path once, over data that it makes itself. The counts that hold stand in `counts.txt`, with the
//! compiler and the processor's features that they were made with: under others they are told and not judged, since they say nothing of our code.
//! `CONSIGN_INSTRUCTIONS=keep ./tests/run instructions` writes the file anew, after a change that is worth its price, or that has saved something.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod kept;
mod talk;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use consign_archive::{Sealer, decode_arrivals, encode_arrivals};
use consign_mail::compose::{plan, render};
use consign_model::{ChatKey, EventBatch, Rows, Timestamp};
use consign_sandbox::{ChatContext, Decision, Sandbox, SandboxConfig};
use consign_source::Limits;
use consign_tests::say;
use serde_json::json;

use crate::kept::{Kept, Place};
use crate::talk::{Nowhere, Talk};

/// Says to the program, started anew, which path it is to run.
const PATH: &str = "CONSIGN_PATH";
/// Growth that fails.
const MOST: f64 = 1.05;

/// Chats of a path, and messages of each: many, so that what is done once does not count.
const CHATS: usize = 40;
const MESSAGES: usize = 50;

/// Of nobody: what is sealed here nobody opens.
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

#[test]
fn reading_lines() {
    let lines = Talk::new(CHATS, MESSAGES).lines();
    path(Hashing::IsCounted, "reading_lines", || {
        consign_source::read_lines("lines", &lines, None, &Limits::default(), &mut Nowhere, &|_| {}).unwrap().refused
    });
}

#[test]
fn telling_events_apart() {
    let talk = Talk::new(CHATS, MESSAGES);
    path(Hashing::IsNotCounted, "telling_events_apart", || talk.events().map(|event| black_box(event.identity()).content.len()).sum::<usize>());
}

#[test]
fn writing_a_file() {
    let talk = Talk::new(CHATS, MESSAGES);
    let sealer = Sealer::new(RECIPIENT).unwrap();
    path(Hashing::IsCounted, "writing_a_file", || sealer.seal(&encode_arrivals(&talk.batches()).unwrap().0).unwrap().len());
}

#[test]
fn reading_a_file() {
    let batches = Talk::new(CHATS, MESSAGES).batches();
    let (file, rows) = encode_arrivals(&batches).unwrap();
    let pieces: Vec<(&ChatKey, Rows)> = batches.iter().zip(rows).map(|((chat, batch), first)| (chat, rows_of(first, batch))).collect();
    path(Hashing::IsCounted, "reading_a_file", || {
        let arrivals = decode_arrivals(file.clone()).unwrap();
        pieces.iter().map(|(chat, rows)| arrivals.piece(chat, *rows).unwrap().len()).sum::<usize>()
    });
}

#[test]
fn asking_a_module() {
    let talk = Talk::new(CHATS, MESSAGES);
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-filters/dist/std/keywords.wasm");
    let module = sandbox.load(&std::fs::read(file).unwrap()).unwrap();
    let bound = module.bind(&json!({"any": ["levels", "fixing", "before noon"], "ignore-case": true}), &module.manifest().needs).unwrap();
    let chats: Vec<_> = talk.batches().into_iter().map(|(chat, batch)| (talk.facts(&chat), Arc::new(batch))).collect();
    path(Hashing::IsCounted, "asking_a_module", || {
        let mut verdicts = 0;
        for (facts, batch) in &chats {
            let chat = Arc::new(ChatContext::new(Arc::clone(facts), batch.len() as u64, None, Timestamp(0)));
            let mut session = bound.criteria(Arc::clone(&chat)).unwrap();
            assert!(matches!(session.begin().unwrap(), Decision::Inspect));
            let view = Arc::new(chat.view(Arc::clone(batch), batch.flags.clone()).unwrap());
            verdicts += session.evaluate(&view).unwrap().len();
        }
        verdicts
    });
}

#[test]
fn composing() {
    let talk = Talk::new(CHATS, MESSAGES);
    let emails = talk.emails();
    path(Hashing::IsNotCounted, "composing", || {
        let mut bytes = 0;
        for email in &emails {
            let input = talk.input(email);
            let planned = plan(&input).unwrap();
            bytes += render(&input, &planned, 1, |_| None).unwrap().bytes.len();
        }
        bytes
    });
}

fn rows_of(first: u32, batch: &EventBatch) -> Rows {
    Rows { first, count: u32::try_from(batch.len()).unwrap() }
}

/// What valgrind counts and nothing else, so it must have a name there.
#[inline(never)]
fn consign_measured_path<T>(work: impl FnOnce() -> T) -> T {
    let answer = work();
    black_box(answer)
}

/// What is counted of SHA-256. It is ring's, and valgrind has no instructions of a processor for it: where there is much of it, it would be most of the count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hashing {
    /// All.
    IsCounted,
    /// Nothing. Only of a path before which nothing is hashed: what begins it within the path ends what counts outside.
    IsNotCounted,
}

/// Counts a path's instructions, and compares them with those that are kept. `name`: the test's.
fn path<T>(hashing: Hashing, name: &str, work: impl FnOnce() -> T) {
    if std::env::var_os(PATH).is_some() {
        drop(consign_measured_path(work));
        return;
    }
    // Once as it is, so that a fault is told as one.
    drop(work());
    let (counted, place) = (counted(hashing, name), Place::here());
    let mut kept = Kept::read();
    if std::env::var("CONSIGN_INSTRUCTIONS").is_ok_and(|what| what == "keep") {
        return Kept::write(&place, name, counted);
    }
    let Some(before) = kept.counts.remove(name) else { panic!("counts.txt has no {name}: CONSIGN_INSTRUCTIONS=keep ./tests/run instructions") };
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let grown = counted as f64 / before as f64;
    say(format_args!("{name}: {counted} instructions for {} messages, {grown:.3} of those that are kept", CHATS * MESSAGES));
    if kept.place != place {
        return say(format_args!("{name}: NOT JUDGED: the counts are of {}, and this is {place}", kept.place));
    }
    assert!(
        grown <= MOST,
        "{name} takes {counted} instructions, and took {before}: {:.1}% more. Find out why (valgrind --tool=callgrind), or keep the new count and say why",
        (grown - 1.0) * 100.0
    );
}

/// Runs one test of this program under callgrind.
fn counted(hashing: Hashing, name: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let out: PathBuf = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*consign_measured_path*"])
        .args((hashing == Hashing::IsNotCounted).then_some("--toggle-collect=ring::digest::dynstate::sha256_block_data_order*"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1"])
        .env(PATH, name)
        .output()
        .unwrap_or_else(|error| panic!("valgrind can't be started ({error}): ./tests/run installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "under valgrind it fails: {said}{}", String::from_utf8_lossy(&output.stdout));
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim().parse::<u64>().unwrap());
    collected.filter(|count| *count > 100_000).unwrap_or_else(|| panic!("it counted nothing: {said}"))
}
