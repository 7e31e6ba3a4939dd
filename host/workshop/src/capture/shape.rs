//! One character for another of the same shape: of the same script, kind and length in bytes.

use std::collections::HashMap;
use std::sync::OnceLock;

use fastrand::Rng;
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_script::{Script, UnicodeScript as _};

/// What a character has in common with those that may stand for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Class {
    script: Script,
    category: GeneralCategory,
    bytes: usize,
}

/// The class of a letter, a digit or a mark that belongs to a script: what texts say is in these.
fn class(character: char) -> Option<Class> {
    use GeneralCategory::{
        DecimalNumber, LetterNumber, LowercaseLetter, ModifierLetter, NonspacingMark, OtherLetter, OtherNumber, SpacingMark, TitlecaseLetter,
        UppercaseLetter,
    };
    let (script, category) = (character.script(), get_general_category(character));
    let says = match category {
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter | DecimalNumber | LetterNumber | OtherNumber => true,
        // Vowel signs and the like; accents and what joins emoji belong to no script, and stay.
        NonspacingMark | SpacingMark => !matches!(script, Script::Inherited | Script::Common),
        _ => false,
    };
    says.then(|| Class { script, category, bytes: character.len_utf8() })
}

/// All letters and digits by class: a look at each of a million characters, once.
fn all() -> &'static HashMap<Class, Vec<char>> {
    static ALL: OnceLock<HashMap<Class, Vec<char>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: HashMap<Class, Vec<char>> = HashMap::new();
        for (class, character) in ('\0'..=char::MAX).filter_map(|character| Some((class(character)?, character))) {
            all.entry(class).or_default().push(character);
        }
        all
    })
}

/// Pictographs that stand for each other: whole ones alone, so that what joins and colours them stays where it is.
const PICTOGRAPHS: std::ops::RangeInclusive<u32> = 0x1f400..=0x1f5ff;

/// Whether it is a pictograph of four bytes that stands by itself.
fn is_pictograph(character: char) -> bool {
    let skin_tone = 0x1f3fb..=0x1f3ff;
    let code = u32::from(character);
    (0x1f300..=0x1faff).contains(&code) && !skin_tone.contains(&code)
}

/// Letters of flags.
const REGIONAL: std::ops::RangeInclusive<u32> = 0x1f1e6..=0x1f1ff;

/// A character of the same shape. What is no letter, digit, mark or pictograph stays.
pub fn another(rng: &mut Rng, character: char) -> char {
    let drawn = |rng: &mut Rng, range: &std::ops::RangeInclusive<u32>| char::from_u32(rng.u32(range.clone())).unwrap_or(character);
    if REGIONAL.contains(&u32::from(character)) {
        return drawn(rng, &REGIONAL);
    }
    if is_pictograph(character) {
        return drawn(rng, &PICTOGRAPHS);
    }
    let Some(class) = class(character) else { return character };
    all().get(&class).and_then(|same| rng.choice(same)).copied().unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_stays() {
        let mut rng = Rng::with_seed(1);
        for _ in 0..50 {
            for character in "aZéÜßжЖ中日ひ한אش٣5Ⅷªक😀🎉🇩½ǅ".chars() {
                let other = another(&mut rng, character);
                assert_eq!(other.len_utf8(), character.len_utf8(), "{character} {other}");
                assert_eq!(class(other), class(character), "{character} {other}");
                assert_eq!(is_pictograph(other), is_pictograph(character));
            }
            for character in " \n\t.,;:-_@#/(){}'\"…–\u{301}\u{200d}\u{fe0f}🏽".chars() {
                assert_eq!(another(&mut rng, character), character);
            }
        }
    }
}
