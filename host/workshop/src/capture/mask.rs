//! What stands for a text, a name, an id or an address.

use std::collections::{HashMap, HashSet};

use aho_corasick::AhoCorasick;
use fastrand::Rng;

use super::Options;
use super::known::{Known, WORD};
use super::shape::another;

/// How often something else is drawn where what came out was there before. A word of three letters has 17,576 forms, and most are no word.
const TRIES: usize = 200;

/// Draws, and remembers what has to come out the same again.
pub struct Masks {
    rng: Rng,
    known: Known,
    keep: Option<AhoCorasick>,
    ids: HashMap<String, String>,
    names: HashMap<String, String>,
    domains: HashMap<String, String>,
    locals: HashMap<String, String>,
    given: HashSet<String>,
}

impl Masks {
    pub fn new(known: Known, options: &Options) -> Self {
        let words: Vec<&String> = options.keep_words.iter().filter(|word| !word.is_empty()).collect();
        // What is too much for one automaton is not kept: nothing else may fail by it.
        let keep = AhoCorasick::builder().ascii_case_insensitive(true).match_kind(aho_corasick::MatchKind::LeftmostLongest).build(&words);
        Self {
            rng: Rng::with_seed(options.seed),
            known,
            keep: keep.ok().filter(|_| !words.is_empty()),
            ids: HashMap::new(),
            names: HashMap::new(),
            domains: HashMap::new(),
            locals: HashMap::new(),
            given: HashSet::new(),
        }
    }

    /// A text of the same shape, another one each time.
    pub fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        let kept: Vec<(usize, usize)> = self.keep.iter().flat_map(|keep| keep.find_iter(text)).map(|found| (found.start(), found.end())).collect();
        for (start, end) in kept {
            self.shaped(text.get(at..start).unwrap_or_default(), &mut out);
            out.push_str(text.get(start..end).unwrap_or_default());
            at = end;
        }
        self.shaped(text.get(at..).unwrap_or_default(), &mut out);
        out
    }

    fn shaped(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first.is_alphabetic() {
                let end = rest.find(|character: char| !character.is_alphabetic()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let word = self.word(word);
                out.push_str(&word);
                rest = after;
            } else {
                out.push(another(&mut self.rng, first));
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }

    /// A word of the same shape that is none of the chat's.
    fn word(&mut self, word: &str) -> String {
        let is_word = word.chars().nth(WORD - 1).is_some();
        let mut drawn = String::new();
        for _ in 0..TRIES {
            drawn = word.chars().map(|character| another(&mut self.rng, character)).collect();
            if !is_word || !self.known.words.contains(&drawn.to_lowercase()) {
                break;
            }
        }
        drawn
    }

    /// An id of the same shape: the same for the same, and another for another.
    pub fn id(&mut self, id: &str) -> String {
        if let Some(known) = self.ids.get(id) {
            return known.clone();
        }
        let mut new = String::new();
        for _ in 0..TRIES {
            new.clear();
            self.shaped(id, &mut new);
            if !self.given.contains(&new) && !self.known.ids.contains(&new) {
                break;
            }
        }
        // Where the shape has too few forms, as of ids of one digit, an id may be one that was there; but never one of two events.
        while !self.given.insert(new.clone()) {
            new.push(another(&mut self.rng, 'x'));
        }
        self.ids.insert(id.to_owned(), new.clone());
        new
    }

    /// A name, title, file name or label of the same shape: the same for the same.
    pub fn name(&mut self, name: &str) -> String {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let new = self.text(name);
        self.names.insert(name.to_owned(), new.clone());
        new
    }

    /// An address of the same shape. Who was of one domain stays of one domain.
    pub fn address(&mut self, address: &str) -> String {
        let Some((local, domain)) = address.rsplit_once('@') else { return self.name(address) };
        let (local, domain) = (self.part(local, |masks| &mut masks.locals), self.part(domain, |masks| &mut masks.domains));
        format!("{local}@{domain}")
    }

    fn part(&mut self, part: &str, of: impl Fn(&mut Self) -> &mut HashMap<String, String>) -> String {
        if let Some(known) = of(self).get(part) {
            return known.clone();
        }
        let new = self.text(part);
        of(self).insert(part.to_owned(), new.clone());
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(words: &[&str], keep: &[&str]) -> Masks {
        let known = Known { words: words.iter().map(ToString::to_string).collect(), ids: HashSet::new() };
        Masks::new(known, &Options { seed: 7, keep_words: keep.iter().map(ToString::to_string).collect(), files: String::new() })
    }

    #[test]
    fn words_that_may_stay() {
        let mut masks = masks(&["fix", "the", "libor"], &["libor"]);
        for _ in 0..200 {
            let text = masks.text("Fix the LIBOR, at 10:30!");
            assert!(text.contains("LIBOR, ") && text.ends_with('!') && text.len() == 24, "{text}");
            assert!(!text.to_lowercase().starts_with("fix") && !text.contains(" the "), "{text}");
        }
    }

    #[test]
    fn the_same_for_the_same() {
        let mut masks = masks(&[], &[]);
        let ids: HashSet<String> = (0..100).map(|number| masks.id(&number.to_string())).collect();
        assert_eq!(ids.len(), 100);
        assert_eq!(masks.id("5"), masks.id("5"));
        let (ann, bob) = (masks.address("ann@desk.example"), masks.address("bob@desk.example"));
        assert_eq!(ann.split('@').nth(1), bob.split('@').nth(1));
        assert_ne!(ann, bob);
        assert_eq!(ann.len(), 16);
    }
}
