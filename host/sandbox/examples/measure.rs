//! What the sandbox costs: `cargo run --release -p consign-sandbox --example measure`. Figures of one machine, for comparing one build with another.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a measurement: it prints, or fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use aho_corasick::{AhoCorasickBuilder, MatchKind};
use consign_model::window::Facts;
use consign_model::{Chat, ChatKey, ChatKind, Event, EventBatch, EventKind, Timestamp};
use consign_sandbox::{BatchView, CacheKey, ChatContext, CodeCache, Sandbox, SandboxConfig};
use serde_json::json;

const WORDS: &[&str] =
    &["the", "desk", "quoted", "a", "price", "for", "swap", "and", "then", "we", "talked", "about", "lunch", "rates", "morning", "please", "send"];

/// 122 bytes of words; one text in ten holds a keyword.
fn text(number: usize) -> String {
    let mut text = String::new();
    let mut at = number;
    while text.len() < 122 {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(at >> 33) % WORDS.len()]);
        text.push(' ');
    }
    if number.is_multiple_of(10) {
        text.replace_range(50..57, " Needle");
        text.insert_str(57, "7 ");
    }
    text.truncate(122);
    text
}

/// The best of some rounds, in nanoseconds: what others do on the machine only ever adds.
fn best(rounds: usize, mut f: impl FnMut()) -> f64 {
    let one = |f: &mut dyn FnMut()| {
        let begun = Instant::now();
        f();
        begun.elapsed().as_nanos() as f64
    };
    (0..rounds).map(|_| one(&mut f)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-filters/dist/std");
    let folder = tempfile::tempdir().unwrap();
    let cache = || Some(CodeCache { dir: folder.path().to_owned(), key: CacheKey([7; 32]), most_bytes: 1 << 30 });
    let sandbox = || Sandbox::new(SandboxConfig { cache: cache(), ..SandboxConfig::default() }).unwrap();
    for name in ["keywords", "per-user"] {
        let bytes = std::fs::read(dist.join(format!("{name}.wasm"))).unwrap();
        let begun = Instant::now();
        sandbox().load(&bytes).unwrap();
        let compiled = begun.elapsed();
        let begun = Instant::now();
        sandbox().load(&bytes).unwrap();
        println!("std/{name}, {} bytes: compiled and asked in {compiled:?}, from the cache in {:?}", bytes.len(), begun.elapsed());
    }

    let sandbox = sandbox();
    let load = |name: &str| sandbox.load(&std::fs::read(dist.join(format!("{name}.wasm"))).unwrap()).unwrap();
    let chat = Chat::new(ChatKey { source: "s".parse().unwrap(), id: "C".into() }, ChatKind::Channel);
    let facts = Facts { chat, participants: Vec::new() };
    let chat = Arc::new(ChatContext::new(Arc::new(facts), 0, None, Timestamp(0)));
    let view = |size: usize| {
        let events = (0..size).map(|number| {
            let mut event = Event::new(EventKind::Message, format!("m{number}"), Timestamp(0));
            event.text = text(number);
            event
        });
        let batch = Arc::new(EventBatch::from_events(0, &events.collect::<Vec<_>>()));
        let flags = batch.flags.clone();
        let view: BatchView = chat.view(batch, flags).unwrap();
        Arc::new(view)
    };
    for (count, whole_words) in [(20, false), (20, true), (2_000, false)] {
        let needles: Vec<String> = (0..count).map(|number| format!("needle{number}")).collect();
        let module = load("keywords");
        let config = json!({"any": needles, "ignore-case": true, "whole-words": whole_words});
        let bound = module.bind(&config, &module.manifest().needs).unwrap();
        let native = AhoCorasickBuilder::new().match_kind(MatchKind::Standard).ascii_case_insensitive(true).build(&needles).unwrap();
        for size in [1, 100, 1_000, 4_096] {
            let events = view(size);
            let mut session = bound.criteria(chat.clone()).unwrap();
            session.begin().unwrap();
            let ours = best(200, || drop(session.evaluate(&events).unwrap())) / size as f64;
            let theirs =
                best(200, || drop(events.batch().texts.iter().map(|text| u8::from(!native.is_match(text))).collect::<Vec<u8>>())) / size as f64;
            println!(
                "keywords, {count} needles, whole words {whole_words}, batches of {size}: {ours:.0} ns a message; native aho-corasick {theirs:.0}"
            );
        }
        let begin = best(300, || assert!(bound.criteria(chat.clone()).unwrap().begin().is_ok())) / 1000.0;
        println!("keywords, {count} needles: {begin:.0} µs for a fresh instance, configure, begin-chat and dropping it");
    }
    for (name, config) in [("chats", json!({"kinds": ["channel"]})), ("per-user", json!({})), ("period", json!({"days": ["Mon"]}))] {
        let module = load(name);
        let bound = module.bind(&config, &module.manifest().needs).unwrap();
        let begin = best(300, || match name {
            "per-user" => assert!(bound.grouping(chat.clone()).unwrap().begin().is_ok()),
            _ => assert!(bound.criteria(chat.clone()).unwrap().begin().is_ok()),
        });
        println!("{name}: {:.0} µs for a fresh instance, configure, begin-chat and dropping it", begin / 1000.0);
    }
}
