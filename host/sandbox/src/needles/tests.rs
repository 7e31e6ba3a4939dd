#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::time::{Duration, Instant};

use super::*;

fn later() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn matches(needles: &[&str], ignore_case: bool, whole_words: bool, text: &str) -> bool {
    let column = std::iter::once(text).collect();
    Matcher::new(needles, ignore_case, whole_words, None).unwrap().matches(&column, later()).unwrap() == [1]
}

fn count(needles: &[&str], ignore_case: bool, whole_words: bool, text: &str) -> u8 {
    let column = std::iter::once(text).collect();
    *Matcher::new(needles, ignore_case, whole_words, None).unwrap().counts(&column, later()).unwrap().first().unwrap()
}

#[test]
fn case() {
    assert!(!matches(&["libor"], false, false, "LIBOR"));
    assert!(matches(&["libor"], true, false, "the LIBOR fix"));
    assert!(matches(&["STRASSE"], true, false, "Hauptstrasse"));
    assert!(!matches(&["STRASSE"], true, false, "Hauptstraße"), "one character folds to one");
    assert!(matches(&["straẞe"], true, false, "Hauptstraße"));
    assert!(matches(&["ΟΔΟΣ"], true, false, "η οδος"), "the final sigma is a sigma");
    assert!(matches(&["οδός"], true, false, "Η ΟΔΌΣ"));
    assert!(matches(&["kelvin"], true, false, "300 \u{212A}ELVIN"), "the Kelvin sign");
    assert!(matches(&["\u{212A}elvin"], true, false, "300 kelvin"));
    assert!(matches(&["so"], true, false, "\u{17F}o"), "the long s");
    assert!(!matches(&["istanbul"], true, false, "İstanbul"));
    assert!(matches(&["сделка"], true, false, "СДЕЛКА!"));
}

#[test]
fn whole_words() {
    assert!(matches(&["fix"], false, true, "fix"));
    assert!(matches(&["fix"], false, true, "(fix)"));
    assert!(!matches(&["fix"], false, true, "fixing"));
    assert!(!matches(&["fix"], false, true, "prefix"));
    assert!(!matches(&["fix"], false, true, "fix_1"));
    assert!(!matches(&["fix"], false, true, "fixé"), "a letter beyond ASCII is one too");
    assert!(!matches(&["fix"], false, true, "合fix"));
    assert!(matches(&["fix"], false, true, "🎉fix🎉"));
    assert!(matches(&["fix"], false, true, "prefix fix"), "a later place counts");
    assert!(matches(&["fixing rate", "fix"], false, true, "fixing rate"), "a shorter one inside does not hide the longer");
    assert!(matches(&["c++"], true, true, "in C++, say"));
    assert!(matches(&["ДА"], true, true, "ну да."));
    assert!(!matches(&["ДА"], true, true, "всегда"));
}

#[test]
fn counts_different_keywords() {
    assert_eq!(count(&["a", "b", "c"], false, false, "abab"), 2);
    assert_eq!(count(&["a", "ab", "abc", "bc"], false, false, "abc"), 4, "overlapping ones all count");
    assert_eq!(count(&["a", "A"], true, false, "a"), 2, "each entry of the list counts");
    assert_eq!(count(&["fix", "prefix"], false, true, "prefix"), 1);
    let many: Vec<String> = (0..300).map(|number| format!("<{number}>")).collect();
    let needles: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(count(&needles, false, false, &many.concat()), 255);
    assert_eq!(count(&needles[..254], false, false, &many.concat()), 254);
    assert_eq!(count(&[], true, true, "anything"), 0);
}

#[test]
fn time_runs_out() {
    let long = "a".repeat(BYTES_BETWEEN_LOOKS);
    let column = [long.as_str(), &long].into_iter().collect();
    let matcher = Matcher::new(&["b"], false, false, None).unwrap();
    assert_eq!(matcher.matches(&column, Deadline::after(Duration::ZERO)), None);
    assert_eq!(matcher.counts(&column, Deadline::after(Duration::ZERO)), None);
}

/// Keywords that are each other's ends: nearly a thousand million matches, none of them a whole word.
#[test]
fn time_runs_out_within_one_text() {
    let needles: Vec<String> = (1..=MAX_BYTES_OF_NEEDLE).map(|length| "a".repeat(length)).collect();
    let needles: Vec<&str> = needles.iter().map(String::as_str).collect();
    let long = "a".repeat(1_000_000);
    let column = std::iter::once(format!("{long}b").as_str()).collect();
    let matcher = Matcher::new(&needles, false, true, None).unwrap();
    let begun = Instant::now();
    let soon = Duration::from_millis(100);
    assert_eq!(matcher.matches(&column, Deadline::after(soon)), None);
    assert_eq!(matcher.counts(&column, Deadline::after(soon)), None);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn across_pieces_of_a_long_text() {
    for before in [0, 1, BYTES_BETWEEN_LOOKS - 3, BYTES_BETWEEN_LOOKS - 2, BYTES_BETWEEN_LOOKS - 1, BYTES_BETWEEN_LOOKS, 3 * BYTES_BETWEEN_LOOKS - 1]
    {
        for padding in ["x", " "] {
            let text = format!("{}fix it{}", padding.repeat(before), padding.repeat(10));
            for whole in [false, true] {
                let found = !whole || padding == " " || before == 0;
                assert_eq!(matches(&["fix"], false, whole, &text), found, "after {before} of {padding:?}, whole words {whole}");
                // Each once, also where two pieces hold it.
                let it = !whole || padding == " ";
                let counted = u8::from(found) + u8::from(it) + u8::from(found && it);
                assert_eq!(count(&["fix", "it", "fix it"], true, whole, &text), counted, "after {before} of {padding:?}, whole words {whole}");
            }
        }
    }
}

/// What a list may cost. A hundred keywords of this length would take a gigabyte as the fastest automaton.
#[test]
fn long_lists_take_the_small_automaton() {
    let lists = lists_of(&serde_json::json!({"properties": {"a": {"x-consign-needles": {}}, "b": {"x-consign-needles": {}}}})).unwrap();
    let kinds = |count: usize, length: usize| -> Vec<AhoCorasickKind> {
        let needles: Vec<String> = (0..count).map(|number| format!("{number:0length$}")).collect();
        let matchers = compile(&lists, &serde_json::json!({"a": needles, "b": ["x"]})).unwrap();
        matchers.iter().map(|matcher| matcher.automaton.as_ref().unwrap().kind()).collect()
    };
    assert_eq!(kinds(100, 100), [AhoCorasickKind::DFA, AhoCorasickKind::DFA]);
    assert_eq!(kinds(100, 1_000), [AhoCorasickKind::ContiguousNFA, AhoCorasickKind::ContiguousNFA]);
    let needles = serde_json::json!({"a": ["x".repeat(MAX_BYTES_OF_NEEDLE), "é".repeat(MAX_BYTES_OF_NEEDLE / 2 + 1)]});
    let errors = compile(&lists, &needles).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].pointer == "/a/1" && errors[0].message.contains("1024 bytes"), "{errors:?}");
}

#[test]
fn more_lists_than_may_be() {
    let lists = |count: usize| {
        (0..count).map(|at| (format!("l{at}"), serde_json::json!({(MARK): {}, "items": {"type": "string"}}))).collect::<serde_json::Map<_, _>>()
    };
    assert_eq!(lists_of(&serde_json::json!({"properties": lists(64)})).unwrap().len(), 64);
    assert!(lists_of(&serde_json::json!({"properties": lists(65)})).unwrap_err().contains("more than 64 lists"));
}

#[test]
fn lists_from_a_schema() {
    let schema = serde_json::json!({"properties": {
        "z": {"type": "array", "x-consign-needles": {"ignore-case": "/o/case"}},
        "o": {"properties": {"case": {"type": "boolean"}, "in/ner": {"x-consign-needles": {}}}},
        "a": {"x-consign-needles": {"whole-words": "/w"}},
        "w": {},
    }});
    let lists = lists_of(&schema).unwrap();
    let pointers: Vec<&str> = lists.iter().map(|list| list.pointer.as_str()).collect();
    assert_eq!(pointers, ["/z", "/o/in~1ner", "/a"]);
    let config = serde_json::json!({"z": ["X"], "o": {"case": true, "in/ner": ["y"]}, "w": true});
    let matchers = compile(&lists, &config).unwrap();
    let column = ["x", "Y y"].into_iter().collect();
    let found: Vec<_> = matchers.iter().map(|matcher| matcher.matches(&column, later()).unwrap()).collect();
    assert_eq!(found, [vec![1, 0], vec![0, 1], vec![0, 0]]);
    assert!(lists_of(&serde_json::json!({"properties": {"a": {"x-consign-needles": true}}})).is_err());
    assert!(lists_of(&serde_json::json!({"properties": {"a": {"x-consign-needles": {"case": "/c"}}}})).is_err());
    for option in ["/ignorecase", "/a", "/o/ignore-case", "/"] {
        let schema = serde_json::json!({"properties": {
            "a": {"type": "array", "x-consign-needles": {"ignore-case": option}}, "ignore-case": {"type": "boolean"}, "o": {"type": "object"},
        }});
        assert!(lists_of(&schema).unwrap_err().contains("no boolean property"), "{option}");
    }
    let wrong = compile(&lists, &serde_json::json!({"z": ["a", "", 3], "a": "x", "w": 1})).unwrap_err();
    let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/z/1", "/z/2", "/a", "/w"]);
}

/// Any list, any options, any text: the same as looking for each keyword with a regular expression.
#[test]
fn as_regular_expressions_find() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
    println!("CONSIGN_SEED={seed}");
    let mut random = Random(seed);
    let letters: Vec<char> = "aAbBkK\u{212A}sSſßẞéÉe\u{301}σΣςжЖ _-.+1٣合🎉İıiI".chars().collect();
    for _ in 0..300 {
        let needles: Vec<String> = (0..random.below(5)).map(|_| random.text(&letters, 3)).collect();
        let needles: Vec<&str> = needles.iter().map(String::as_str).collect();
        let texts: Vec<String> = (0..10).map(|_| random.text(&letters, 12)).collect();
        let (ignore_case, whole_words) = (random.below(2) == 1, random.below(2) == 1);
        let column = texts.iter().map(String::as_str).collect();
        let kind = (random.below(2) == 1).then_some(AhoCorasickKind::ContiguousNFA);
        let matcher = Matcher::new(&needles, ignore_case, whole_words, kind).unwrap();
        let counts = matcher.counts(&column, later()).unwrap();
        let found = matcher.matches(&column, later()).unwrap();
        let expressions: Vec<Expression> = needles.iter().map(|needle| Expression::new(needle, ignore_case, whole_words)).collect();
        for (index, text) in texts.iter().enumerate() {
            let expected = expressions.iter().filter(|expression| expression.finds(text)).count();
            let place = format!("{needles:?} in {text:?}, ignore case {ignore_case}, whole words {whole_words}, seed {seed}");
            assert_eq!(usize::from(counts[index]), expected, "{place}");
            assert_eq!(found[index] == 1, expected > 0, "{place}");
        }
    }
}

fn clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
}

/// splitmix64: enough for a test, and no dependency.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % end
    }

    fn text(&mut self, letters: &[char], most: usize) -> String {
        (0..=self.below(most)).map(|_| letters[self.below(letters.len())]).collect()
    }
}

/// A keyword as a regular expression, whose Unicode tables are its own.
enum Expression {
    Anywhere(regex::Regex),
    /// What begins with the keyword and does not go on as a word, and what ends within one.
    Whole(regex::Regex, regex::Regex),
}

impl Expression {
    fn new(needle: &str, ignore_case: bool, whole_words: bool) -> Self {
        let flags = if ignore_case { "(?i)" } else { "" };
        let needle = regex::escape(needle);
        let regex = |pattern: &str| regex::Regex::new(pattern).unwrap();
        if whole_words {
            let end = r"(?:$|[^\p{Alphabetic}\p{N}_])";
            Self::Whole(regex(&format!("^{flags}{needle}{end}")), regex(r"[\p{Alphabetic}\p{N}_]$"))
        } else {
            Self::Anywhere(regex(&format!("{flags}{needle}")))
        }
    }

    fn finds(&self, text: &str) -> bool {
        match self {
            Self::Anywhere(expression) => expression.is_match(text),
            Self::Whole(here, word) => text.char_indices().any(|(at, _)| here.is_match(&text[at..]) && !word.is_match(&text[..at])),
        }
    }
}
