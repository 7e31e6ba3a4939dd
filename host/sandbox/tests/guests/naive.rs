//! `std/keywords` against plain Rust, on random texts with odd Unicode, and whatever the size of a batch.

use consign_model::Event;
use consign_sandbox::{Bound, ChatContext};
use serde_json::json;
use std::sync::Arc;

use crate::support::*;

const WORDS: &[&str] = &[
    "libor",
    "LIBOR",
    "Libor",
    "fix",
    "fixing",
    "pre",
    "STRASSE",
    "straße",
    "Straẞe",
    "ς",
    "σ",
    "ΟΔΟΣ",
    "οδος",
    "été",
    "e\u{301}te\u{301}",
    "ÉTÉ",
    "合意",
    "да",
    "ДА",
    "всегда",
    "🎉",
    "\u{200d}",
    "\u{202e}",
    "İ",
    "ı",
    "\u{212A}",
    "k",
    "_",
    "1",
    "٣",
    " ",
    " ",
    " ",
    ".",
    "\n",
];

fn text(random: &mut Random, words: usize) -> String {
    (0..random.below(words)).map(|_| *random.pick(WORDS)).collect()
}

/// As one would write it without any thought of speed.
fn holds(text: &str, needle: &str, ignore_case: bool, whole_words: bool) -> bool {
    let fold = |text: &str| -> Vec<char> { text.chars().map(|c| if ignore_case { same_case(c) } else { c }).collect() };
    let (text, needle) = (fold(text), fold(needle));
    let word = |at: Option<&char>| at.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    (0..=text.len()).any(|start| {
        text[start..].starts_with(&needle)
            && (!whole_words || (!word(start.checked_sub(1).and_then(|before| text.get(before))) && !word(text.get(start + needle.len()))))
    })
}

/// The letters above, by hand.
fn same_case(letter: char) -> char {
    match letter {
        'A'..='Z' => letter.to_ascii_lowercase(),
        'É' => 'é',
        'ẞ' => 'ß',
        'ς' | 'Σ' => 'σ',
        'Ο' => 'ο',
        'Δ' => 'δ',
        'Д' => 'д',
        'А' => 'а',
        '\u{212A}' => 'k',
        _ => letter,
    }
}

fn by_batches(bound: &Bound, chat: &Arc<ChatContext>, events: &[Event], size: usize) -> Vec<u8> {
    let mut session = begun(bound, chat);
    events.chunks(size).flat_map(|batch| session.evaluate(&view(chat, batch)).unwrap()).collect()
}

#[test]
fn keywords_as_in_plain_rust() {
    let mut random = Random::new();
    let module = standard("keywords");
    let chat = chat();
    for round in 0..60 {
        let (ignore_case, whole_words) = (random.below(2) == 1, random.below(2) == 1);
        let mut lists: [Vec<String>; 3] = Default::default();
        for list in &mut lists {
            for _ in 0..random.below(4) {
                let needle = text(&mut random, 3);
                // Empty and equal ones are refused by the module: that is another test.
                let folded = |text: &str| text.to_uppercase().to_lowercase();
                if !needle.is_empty() && list.iter().all(|other: &String| *other != needle && folded(other) != folded(&needle)) {
                    list.push(needle);
                }
            }
        }
        if lists.iter().all(Vec::is_empty) {
            continue;
        }
        let [any, all, none] = &lists;
        let config = json!({"any": any, "all": all, "none": none, "ignore-case": ignore_case, "whole-words": whole_words});
        let bound = bind(&module, &config);
        let events: Vec<Event> = (0..1000).map(|i| message(&format!("m{i}"), i, "ann", &text(&mut random, 12))).collect();
        let whole = by_batches(&bound, &chat, &events, 1000);
        let has = |event: &Event, needle: &String| holds(&event.text, needle, ignore_case, whole_words);
        for (event, verdict) in events.iter().zip(&whole) {
            let keep = (any.is_empty() || any.iter().any(|needle| has(event, needle)))
                && all.iter().all(|needle| has(event, needle))
                && !none.iter().any(|needle| has(event, needle));
            assert_eq!(*verdict == 0, keep, "round {round}: {:?} by {config}", event.text);
        }
        if round < 10 {
            assert_eq!(by_batches(&bound, &chat, &events, 1), whole, "round {round}, one by one");
            assert_eq!(by_batches(&bound, &chat, &events, 333), whole, "round {round}");
        }
    }
}
