//! Keyword lists: the host looks for them, so that a keyword filter works without a word of text entering it.
//!
//! Which lists there are is fixed by the module's schema, and what they hold by the policy's configuration, so a module can't spell a text out by
//! asking. They are compiled once for each binding, and found in one pass (Aho-Corasick) whatever their number.
//!
//! Both come from tenants, so neither may cost the host more than it allows: memory is bounded by what keywords may hold, and time by a clock that is
//! looked at within a text too. A keyword that is another one's end is found together with it, so a text can hold far more matches than bytes.
//!
//! Texts and keywords are compared as they are: no normalisation, so "é" as one character and as two are different keywords. Ignoring case means
//! [`fold`](crate::fold), whole words that no letter, digit or underscore (by Unicode) stands before or after the keyword.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, Input, MatchKind};
use consign_model::TextColumn;
use serde_json::Value;

use crate::ConfigError;
use crate::deadline::Deadline;
use crate::fold::{fold_into, folds_into_ascii};
use crate::schema::escaped;

/// All keywords of a binding, in bytes. An automaton takes some 50 times as much.
const MAX_NEEDLE_BYTES: usize = 1 << 20;

/// One keyword, in bytes. So many keywords at most end at one place of a text.
const MAX_BYTES_OF_NEEDLE: usize = 1 << 10;

/// Up to so many bytes of keywords the library may choose the fastest automaton, which takes some 2 KB for each of them; beyond it takes the one that
/// is some five times slower and takes a tenth.
const FASTEST_UP_TO_BYTES: usize = 16 << 10;

/// The clock is looked at after this many bytes of text.
const BYTES_BETWEEN_LOOKS: usize = 64 << 10;

/// A match counts for the clock like this many bytes of text.
const BYTES_OF_MATCH: usize = 16;

/// Lists that a schema can mark.
const MOST_LISTS: usize = 64;

/// The schema's keyword that marks a list.
pub const MARK: &str = "x-consign-needles";

/// A list that a schema marks. All pointers are into the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSpec {
    /// Where the list stands.
    pub pointer: String,
    /// Where it says whether case is ignored.
    pub ignore_case: Option<String>,
    /// Where it says whether only whole words count.
    pub whole_words: Option<String>,
}

/// The lists that a schema marks, in the order in which its `properties` name them (a nested object's where that object stands).
pub fn lists_of(schema: &Value) -> Result<Vec<ListSpec>, String> {
    let mut lists = Vec::new();
    walk(schema, "", &mut lists)?;
    for list in &lists {
        for option in [&list.ignore_case, &list.whole_words].into_iter().flatten() {
            let type_ = property_at(schema, option).map(|property| property.get("type"));
            // Where the type is not stated there (but by a $ref, say), the configuration shows whether it is one.
            if !type_.is_some_and(|type_| type_.is_none_or(|type_| type_ == "boolean")) {
                return Err(format!("config-schema: {MARK} at {} names {option}, which is no boolean property of the schema", list.pointer));
            }
        }
    }
    Ok(lists)
}

/// The property that a pointer into the configuration leads to.
fn property_at<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(schema, |schema, part| schema.get("properties")?.get(part.replace("~1", "/").replace("~0", "~")))
}

fn walk(schema: &Value, pointer: &str, lists: &mut Vec<ListSpec>) -> Result<(), String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (name, property) in properties {
        let pointer = format!("{pointer}/{}", escaped(name));
        if let Some(mark) = property.get(MARK) {
            if lists.len() == MOST_LISTS {
                return Err(format!("config-schema: more than {MOST_LISTS} lists are marked with {MARK}"));
            }
            let options = mark.as_object().ok_or_else(|| format!("config-schema: {MARK} at {pointer} has to be an object"))?;
            if let Some(unknown) = options.keys().find(|key| !matches!(key.as_str(), "ignore-case" | "whole-words")) {
                return Err(format!("config-schema: {MARK} at {pointer} has an unknown key '{unknown}'"));
            }
            let option = |name: &str| match options.get(name) {
                None => Ok(None),
                Some(Value::String(pointer)) if pointer.starts_with('/') => Ok(Some(pointer.clone())),
                Some(_) => Err(format!("config-schema: '{name}' of {MARK} at {pointer} has to be a JSON Pointer such as \"/{name}\"")),
            };
            lists.push(ListSpec { ignore_case: option("ignore-case")?, whole_words: option("whole-words")?, pointer: pointer.clone() });
        }
        walk(property, &pointer, lists)?;
    }
    Ok(())
}

/// Reads the lists out of a configuration and compiles them.
pub fn compile(lists: &[ListSpec], config: &Value) -> Result<Vec<Matcher>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut matchers = Vec::new();
    let mut bytes = 0;
    let mut read = Vec::with_capacity(lists.len());
    for list in lists {
        let needles = needles_at(&list.pointer, config, &mut errors);
        bytes += needles.iter().map(|needle| needle.len()).sum::<usize>();
        if bytes > MAX_NEEDLE_BYTES {
            errors.push(error(&list.pointer, format!("all keywords together have more than {MAX_NEEDLE_BYTES} bytes; use fewer")));
            break;
        }
        read.push((list, needles));
    }
    // By all lists together: each of them has an automaton of its own.
    let kind = (bytes > FASTEST_UP_TO_BYTES).then_some(AhoCorasickKind::ContiguousNFA);
    for (list, needles) in read {
        let ignore_case = option_at(list.ignore_case.as_deref(), config, &mut errors);
        let whole_words = option_at(list.whole_words.as_deref(), config, &mut errors);
        if errors.is_empty() {
            match Matcher::new(&needles, ignore_case, whole_words, kind) {
                Ok(matcher) => matchers.push(matcher),
                Err(text) => errors.push(error(&list.pointer, text)),
            }
        }
    }
    if errors.is_empty() { Ok(matchers) } else { Err(errors) }
}

fn error(pointer: &str, message: impl Into<String>) -> ConfigError {
    ConfigError { pointer: pointer.to_owned(), message: message.into() }
}

fn needles_at<'a>(pointer: &str, config: &'a Value, errors: &mut Vec<ConfigError>) -> Vec<&'a str> {
    let needles = match config.pointer(pointer) {
        None => return Vec::new(),
        Some(Value::Array(needles)) => needles,
        Some(_) => {
            errors.push(error(pointer, "has to be a list of keywords"));
            return Vec::new();
        }
    };
    let mut texts = Vec::with_capacity(needles.len());
    for (index, needle) in needles.iter().enumerate() {
        match needle.as_str() {
            Some("") => errors.push(error(&format!("{pointer}/{index}"), "a keyword can't be empty: every text would hold it")),
            Some(text) if text.len() > MAX_BYTES_OF_NEEDLE => {
                let message = format!("a keyword can have at most {MAX_BYTES_OF_NEEDLE} bytes, and this one has {}: use a part of it", text.len());
                errors.push(error(&format!("{pointer}/{index}"), message));
            }
            Some(text) => texts.push(text),
            None => errors.push(error(&format!("{pointer}/{index}"), "a keyword has to be a text")),
        }
    }
    texts
}

fn option_at(pointer: Option<&str>, config: &Value, errors: &mut Vec<ConfigError>) -> bool {
    let Some(pointer) = pointer else { return false };
    match config.pointer(pointer) {
        None => false,
        Some(Value::Bool(option)) => *option,
        Some(_) => {
            errors.push(error(pointer, "has to be true or false"));
            false
        }
    }
}

/// A compiled list.
#[derive(Debug)]
pub struct Matcher {
    /// Unset for an empty list, which matches nothing.
    automaton: Option<AhoCorasick>,
    needles: usize,
    case: Case,
    whole_words: bool,
}

/// How case is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// As it is.
    Exact,
    /// Ignored; no keyword has a character beyond ASCII, so a text has to be folded only where such characters fold into ASCII.
    IgnoredAscii,
    /// Ignored; a text beyond ASCII is folded.
    Ignored,
}

impl Matcher {
    /// Whether it has no keyword.
    pub fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// Compiles a list of keywords, none of which is empty. Without a `kind` the library chooses.
    fn new(needles: &[&str], ignore_case: bool, whole_words: bool, kind: Option<AhoCorasickKind>) -> Result<Self, String> {
        let mut case = Case::Exact;
        let mut patterns = Vec::with_capacity(needles.len());
        for needle in needles {
            let mut pattern = String::new();
            if ignore_case {
                fold_into(needle, &mut pattern);
            } else {
                pattern.push_str(needle);
            }
            patterns.push(pattern);
        }
        if ignore_case {
            case = if patterns.iter().all(|pattern| pattern.is_ascii()) { Case::IgnoredAscii } else { Case::Ignored };
        }
        let automaton = if patterns.is_empty() {
            None
        } else {
            let mut builder = AhoCorasickBuilder::new();
            builder.match_kind(MatchKind::Standard).ascii_case_insensitive(ignore_case).kind(kind);
            Some(builder.build(&patterns).map_err(|error| format!("these keywords can't be compiled: {error}"))?)
        };
        Ok(Self { automaton, needles: needles.len(), case, whole_words })
    }

    /// For each text 1 where it holds any of the keywords, else 0. Unset when the time is over.
    pub fn matches(&self, texts: &TextColumn, deadline: Deadline) -> Option<Vec<u8>> {
        self.column(texts, deadline, |automaton, text, watch| {
            for piece in pieces(automaton, text) {
                watch.spend(piece.get_range().len())?;
                if !self.whole_words {
                    if automaton.is_match(piece.clone()) {
                        return Some(1);
                    }
                    continue;
                }
                for found in automaton.find_overlapping_iter(piece.clone()) {
                    if is_whole(text, found.start(), found.end()) {
                        return Some(1);
                    }
                    watch.spend(BYTES_OF_MATCH)?;
                }
            }
            Some(0)
        })
    }

    /// For each text how many of the keywords it holds, 255 for that many and more. Unset when the time is over.
    pub fn counts(&self, texts: &TextColumn, deadline: Deadline) -> Option<Vec<u8>> {
        // In which text a keyword was last seen, counted from 1.
        let mut seen = vec![0_u32; self.needles];
        let mut text_number = 0_u32;
        let most = self.needles.min(255);
        self.column(texts, deadline, |automaton, text, watch| {
            text_number = text_number.wrapping_add(1);
            let mut count = 0;
            for piece in pieces(automaton, text) {
                watch.spend(piece.get_range().len())?;
                for found in automaton.find_overlapping_iter(piece.clone()) {
                    watch.spend(BYTES_OF_MATCH)?;
                    let Some(last) = seen.get_mut(found.pattern().as_usize()) else { continue };
                    if *last != text_number && (!self.whole_words || is_whole(text, found.start(), found.end())) {
                        *last = text_number;
                        count += 1;
                        if count == most {
                            return Some(u8::try_from(count).unwrap_or(u8::MAX));
                        }
                    }
                }
            }
            Some(u8::try_from(count).unwrap_or(u8::MAX))
        })
    }

    /// `look` answers for one text; unset when the time is over.
    fn column(&self, texts: &TextColumn, deadline: Deadline, mut look: impl FnMut(&AhoCorasick, &str, &mut Watch) -> Option<u8>) -> Option<Vec<u8>> {
        let Some(automaton) = &self.automaton else { return Some(vec![0; texts.len()]) };
        let mut column = Vec::with_capacity(texts.len());
        let mut folded = String::new();
        let mut watch = Watch { deadline, left: BYTES_BETWEEN_LOOKS };
        for text in texts.iter() {
            // An empty one costs something too.
            watch.spend(64)?;
            let fold = match self.case {
                Case::Exact => false,
                Case::IgnoredAscii => folds_into_ascii(text),
                Case::Ignored => !text.is_ascii(),
            };
            column.push(if fold {
                fold_into(text, &mut folded);
                look(automaton, &folded, &mut watch)?
            } else {
                look(automaton, text, &mut watch)?
            });
        }
        Some(column)
    }
}

/// Looks at the clock now and then.
struct Watch {
    deadline: Deadline,
    left: usize,
}

impl Watch {
    /// Unset when the time is over.
    fn spend(&mut self, bytes: usize) -> Option<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None if self.deadline.is_over() => return None,
            None => self.left = BYTES_BETWEEN_LOOKS,
        }
        Some(())
    }
}

/// A text in pieces between which the clock is looked at. Each goes on far enough that what begins in it is found in it; what lies in two of them
/// whole is found twice, and both times at its place in the text.
fn pieces<'a>(automaton: &AhoCorasick, text: &'a str) -> impl Iterator<Item = Input<'a>> + use<'a> {
    let beyond = automaton.max_pattern_len().saturating_sub(1);
    (0..text.len()).step_by(BYTES_BETWEEN_LOOKS).map(move |start| {
        let end = start.saturating_add(BYTES_BETWEEN_LOOKS).saturating_add(beyond).min(text.len());
        Input::new(text).range(start..end)
    })
}

/// Whether no word goes on before or after this part of a text.
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let after = text.get(end..).and_then(|after| after.chars().next());
    !before.is_some_and(in_word) && !after.is_some_and(in_word)
}

#[cfg(test)]
mod tests;
