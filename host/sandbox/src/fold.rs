//! Upper and lower case set aside, character by character: Unicode's simple case folding (status C and S of CaseFolding.txt), built from the standard
//! library's mappings, so that its Unicode version is the one that a window keeps.
//!
//! One character folds to one character. So "ß" and "ss" stay different, and so do "ﬁ" and "fi", and the Turkish "İ" and "ı" fold to nothing else:
//! what a text holds does not depend on a language that nobody stated. Composed and decomposed accents stay different too.

/// The character that stands for all those that differ from it in case only.
pub fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    match character {
        // The dotless i has a capital letter, I, which is another letter's.
        'ı' => character,
        _ => single(single(character, char::to_uppercase), char::to_lowercase),
    }
}

/// The mapping where it is one character.
fn single<I: Iterator<Item = char>>(character: char, mapping: impl Fn(char) -> I) -> char {
    let mut mapped = mapping(character);
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

/// A text with every character folded.
pub fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    folded.reserve(text.len());
    folded.extend(text.chars().map(fold));
}

/// Whether a text holds one of the two characters beyond ASCII that fold into ASCII: the long s and the Kelvin sign.
pub fn folds_into_ascii(text: &str) -> bool {
    !text.is_ascii() && text.contains(['\u{17F}', '\u{212A}'])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// The regex crate has tables of its own, made from CaseFolding.txt; `(?i)` follows them.
    #[test]
    fn as_the_regex_crate_folds() {
        let mut classes = BTreeMap::<char, BTreeSet<char>>::new();
        for character in '\0'..=char::MAX {
            classes.entry(fold(character)).or_default().insert(character);
        }
        let unassigned = regex::Regex::new(r"^\p{Cn}$").unwrap();
        let mut folded = 0;
        for (representative, class) in classes.iter().filter(|(_, class)| class.len() > 1) {
            let expression = regex::Regex::new(&format!("^(?i){}$", regex::escape(&representative.to_string()))).unwrap();
            for character in class {
                let text = character.to_string();
                // The standard library's Unicode may be a newer one.
                assert!(expression.is_match(&text) || unassigned.is_match(&text), "{character:?} and {representative:?} are one letter here only");
                folded += 1;
            }
        }
        assert!(folded > 2_700, "{folded}");
        // And the other way: what is one letter there is one here.
        for letter in ["K", "s", "σ", "ß", "ǆ", "µ", "ι", "θ", "ᲀ", "ꙋ", "Ა", "ꭰ", "İ", "ı", "i", "é", "ж", "ա"] {
            let expression = regex::Regex::new(&format!("^(?i){letter}$")).unwrap();
            let own = fold(letter.chars().next().unwrap());
            for character in classes.values().filter(|class| class.len() > 1).flatten().copied().chain('\0'..='\u{3000}') {
                assert_eq!(expression.is_match(character.encode_utf8(&mut [0; 4])), fold(character) == own, "{character:?} against {letter:?}");
            }
        }
    }
}
