//! Holds what a module said against what a case expects. Every difference is told, not the first alone.

use std::collections::{BTreeMap, HashMap};

use consign_sandbox::{ConfigError, Decision};
use serde::Serialize;

use super::file::{DecisionWord, Expect, ExpectGroup};
use super::refer::Names;
use crate::judge::{JudgedGroup, Judgement, KEEP, Verdict};

/// Something that is otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What: `event m2`, `group chat: title`, `the configuration, /keep-late`.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// The event's id, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

impl Difference {
    fn new(what: impl Into<String>, expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into(), actual: actual.into(), event: None }
    }
}

/// What a decision is called.
pub fn decision_word(decision: Decision, rules: &[consign_model::module::Rule]) -> DecisionWord {
    match decision {
        Decision::Inspect => DecisionWord::Inspect,
        Decision::KeepAll => DecisionWord::KeepAll,
        Decision::OmitAll(rule) => {
            let code = rules.get(usize::from(rule)).map_or_else(|| format!("rule-{rule}"), |rule| rule.code.clone());
            DecisionWord::OmitAll(code)
        }
    }
}

/// The windows' answers against what is expected of them.
pub fn answers(expect: &Expect, windows: &[Judgement], rules: &[consign_model::module::Rule]) -> Vec<Difference> {
    let mut found = Vec::new();
    if let Some(wanted) = &expect.decision {
        for window in windows {
            let actual = window.decision.map(|decision| decision_word(decision, rules));
            if actual.as_ref() != Some(wanted) {
                let actual = actual.map_or_else(|| "none: a grouping makes no decision".to_owned(), |word| word.to_string());
                found.push(Difference::new("the decision on the chat", wanted.to_string(), actual));
            }
        }
    }
    verdicts(expect, windows, rules, &mut found);
    if let Some(groups) = &expect.groups {
        for (index, window) in windows.iter().enumerate() {
            let wanted: Vec<&ExpectGroup> = groups.iter().filter(|group| group.window == index + 1).collect();
            check_groups(&wanted, window, &mut found);
        }
        for group in groups.iter().filter(|group| group.window == 0 || group.window > windows.len()) {
            found.push(Difference::new(format!("group {}", group.key), format!("in window {}", group.window), format!("{} windows", windows.len())));
        }
    }
    found
}

fn verdicts(expect: &Expect, windows: &[Judgement], rules: &[consign_model::module::Rule], found: &mut Vec<Difference>) {
    let known = |word: &str| word == KEEP || rules.iter().any(|rule| rule.code == word);
    let codes = || std::iter::once(KEEP).chain(rules.iter().map(|rule| rule.code.as_str())).collect::<Vec<_>>().join(", ");
    let events: Vec<_> = windows.iter().flat_map(|window| window.events.iter().cloned()).collect();
    let names = Names::new(&events);
    let mut wanted: HashMap<usize, &str> = HashMap::new();
    for (name, word) in expect.verdicts.iter().chain(&expect.left_out) {
        if !known(word) {
            found.push(Difference::new(format!("event {name}"), word.clone(), format!("the module has no such rule; it has: {}", codes())));
            continue;
        }
        match names.find(name) {
            Ok(index) => {
                wanted.insert(index, word);
            }
            Err(problem) => found.push(Difference::new(format!("event {name}"), word.clone(), problem)),
        }
    }
    if let Some(word) = &expect.others {
        if known(word) {
            (0..events.len()).for_each(|index| {
                wanted.entry(index).or_insert(word);
            });
        } else {
            found.push(Difference::new("all other events", word.clone(), format!("the module has no such rule; it has: {}", codes())));
        }
    }
    for (index, event) in events.iter().enumerate() {
        if let Some(word) = wanted.get(&index)
            && *word != event.verdict.word()
        {
            let difference = Difference::new(format!("event {}", event.id), *word, event.verdict.word());
            found.push(Difference { event: Some(event.id.clone()), ..difference });
        }
    }
}

fn check_groups(wanted: &[&ExpectGroup], window: &Judgement, found: &mut Vec<Difference>) {
    let names = Names::new(&window.events);
    for group in wanted {
        let about = |what: &str| format!("group {}{what}", group.key);
        let Some(actual) = window.groups.iter().find(|one| one.group.key == group.key) else {
            let keys: Vec<&str> = window.groups.iter().map(|one| one.group.key.as_str()).collect();
            let there = if keys.is_empty() { "there is no group".to_owned() } else { format!("there are: {}", keys.join(", ")) };
            found.push(Difference::new(about(""), "to be there", there));
            continue;
        };
        if let Some(title) = group.title.as_ref().filter(|title| **title != actual.group.title) {
            found.push(Difference::new(about(": title"), title.clone(), actual.group.title.clone()));
        }
        if let Some(subject) = group.subject.as_ref().filter(|subject| Some(*subject) != actual.subject.as_ref()) {
            found.push(Difference::new(about(": subject"), subject.clone(), actual.subject.clone().unwrap_or_else(|| "nobody".to_owned())));
        }
        if let Some(labels) = &group.labels {
            let there: BTreeMap<String, String> = actual.group.labels.iter().cloned().collect();
            if *labels != there {
                found.push(Difference::new(about(": labels"), shown(labels), shown(&there)));
            }
        }
        if let Some(events) = &group.events {
            check_members(group, events, actual, window, &names, found);
        }
    }
    for extra in window.groups.iter().filter(|one| !wanted.iter().any(|group| group.key == one.group.key)) {
        let events = if extra.len() == 1 { "event" } else { "events" };
        found.push(Difference::new(format!("group {}", extra.group.key), "no such group", format!("it is there, with {} {events}", extra.len())));
    }
}

fn check_members(group: &ExpectGroup, wanted: &[String], actual: &JudgedGroup, window: &Judgement, names: &Names<'_>, found: &mut Vec<Difference>) {
    let mut rows = Vec::new();
    for name in wanted {
        match names.find(name) {
            Ok(row) => rows.push(row),
            Err(problem) => found.push(Difference::new(format!("group {}: event {name}", group.key), "to be in it", problem)),
        }
    }
    let outside = |row: usize| match window.events.get(row).map(|event| &event.verdict) {
        Some(Verdict::Out(rule)) => format!("left out by {rule}"),
        _ => "not in it".to_owned(),
    };
    let id = |row: usize| window.events.get(row).map(|event| event.id.clone()).unwrap_or_default();
    for row in rows.iter().copied().filter(|row| !actual.has(*row)) {
        let difference = Difference::new(format!("group {}: event {}", group.key, id(row)), "in it", outside(row));
        found.push(Difference { event: Some(id(row)), ..difference });
    }
    for row in actual.rows().filter(|row| !rows.contains(row)) {
        let difference = Difference::new(format!("group {}: event {}", group.key, id(row)), "not in it", "in it");
        found.push(Difference { event: Some(id(row)), ..difference });
    }
}

fn shown(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
}

/// What a configuration is refused for, against what is expected: each pointer with a text that holds the expected one, and no other pointer.
pub fn refusal(expected: &BTreeMap<String, String>, actual: &[ConfigError]) -> Vec<Difference> {
    let place = |pointer: &str| if pointer.is_empty() { "the configuration".to_owned() } else { format!("the configuration, {pointer}") };
    let texts = |pointer: &str| actual.iter().filter(|error| error.pointer == pointer).map(|error| error.message.as_str()).collect::<Vec<_>>();
    let mut found = Vec::new();
    for (pointer, text) in expected {
        let there = texts(pointer);
        if there.is_empty() {
            found.push(Difference::new(place(pointer), format!("refused: …{text}…"), "nothing wrong there"));
        } else if !there.iter().any(|one| one.contains(text.as_str())) {
            found.push(Difference::new(place(pointer), format!("refused: …{text}…"), there.join("; ")));
        }
    }
    for error in actual.iter().filter(|error| !expected.contains_key(&error.pointer)) {
        found.push(Difference::new(place(&error.pointer), "nothing wrong there", error.message.clone()));
    }
    found
}
