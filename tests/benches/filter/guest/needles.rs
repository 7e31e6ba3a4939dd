//! Looking for some needles at once, case aside, by tables that are made in a microsecond: an instance serves one chat, so what takes longer to make (an automaton: hundreds
//! of microseconds) never pays for itself.
//!
//! Each needle has a bit. A table for each of its first three bytes says which needles have that byte there; where the three have a bit in common, the text is
//! compared. Two characters beyond ASCII fold into ASCII (the long s, the Kelvin sign); they have the two highest bits, and a text with one of them is folded first.

/// The highest bits are for these.
const FOLD_INTO_ASCII: [&str; 2] = ["\u{17F}", "\u{212A}"];

pub struct Needles {
    needles: Vec<Vec<u8>>,
    /// By the byte, for the first, second and third of a needle.
    tables: Box<[[u32; 256]; 3]>,
}

impl Needles {
    /// Of ASCII alone, three bytes at least, thirty of them at most.
    pub fn new(needles: &[String]) -> Result<Self, &'static str> {
        if needles.len() > 30 || needles.iter().any(|needle| needle.len() < 3 || !needle.is_ascii()) {
            return Err("thirty keywords at most, of three or more characters each, all of them in ASCII");
        }
        let mut tables = Box::new([[0; 256]; 3]);
        for (needle, bit) in needles.iter().zip(0..) {
            for (table, byte) in tables.iter_mut().zip(needle.bytes()) {
                table[usize::from(byte.to_ascii_lowercase())] |= 1 << bit;
                table[usize::from(byte.to_ascii_uppercase())] |= 1 << bit;
            }
        }
        for (character, bit) in FOLD_INTO_ASCII.iter().zip(30..) {
            let bytes = character.as_bytes();
            for (place, table) in tables.iter_mut().enumerate() {
                match bytes.get(place) {
                    Some(byte) => table[usize::from(*byte)] |= 1 << bit,
                    // Any byte.
                    None => table.iter_mut().for_each(|bits| *bits |= 1 << bit),
                }
            }
        }
        let needles = needles.iter().map(|needle| needle.to_ascii_lowercase().into_bytes()).collect();
        Ok(Self { needles, tables })
    }

    /// Whether a text holds any of them.
    pub fn any_in(&self, text: &str) -> bool {
        let found = self.find(text.as_bytes());
        if found >> 30 == 0 { found != 0 } else { self.find(fold(text).as_bytes()) != 0 }
    }

    /// Bits of what is found first.
    fn find(&self, text: &[u8]) -> u32 {
        let [first, second, third] = &*self.tables;
        let (mut one, mut two) = (0, 0);
        for (at, byte) in text.iter().enumerate() {
            let byte = usize::from(*byte);
            let three = two & third[byte];
            two = one & second[byte];
            one = first[byte];
            if three != 0 {
                let found = self.compare(three, &text[at - 2..]);
                if found != 0 {
                    return found;
                }
            }
        }
        // The one that has two bytes, at the very end.
        two & 1 << 30
    }

    /// Those of the candidates that a text begins with.
    #[cold]
    fn compare(&self, candidates: u32, text: &[u8]) -> u32 {
        let begins = |needle: &Vec<u8>| text.get(..needle.len()).is_some_and(|text| text.eq_ignore_ascii_case(needle));
        let found = self.needles.iter().zip(0..).filter(|(needle, bit)| candidates & 1 << bit != 0 && begins(needle));
        found.fold(candidates & 0b11 << 30, |found, (_, bit)| found | 1 << bit)
    }
}

/// So that no character beyond ASCII is one of ASCII.
fn fold(text: &str) -> String {
    text.replace(FOLD_INTO_ASCII[0], "s").replace(FOLD_INTO_ASCII[1], "k")
}
