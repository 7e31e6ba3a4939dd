//! Posts that are equal in all by which a post is known here: chat, kind, sender and time. The export has no ids, so the second of them needs a number.
//!
//! Nearly no post has a twin, and posts come in the order of ids that are not in the export, so twins may stand anywhere in the file. To hold a key for each of
//! a hundred million posts would take gigabytes. So the file is read once before, into a field of bits that has a fixed size: only a key whose bit was set
//! already can be one that occurs twice, and only those are counted when posts are read.
//!
//! The number says which of the twins comes first in the export. The platform orders by its own ids, so that stays what it is for as long as none of the twins
//! is deleted; who deletes the first makes the second look like it, edited. Nothing of the text can be in the key: texts are edited far more often.

use std::collections::HashMap;

use consign_model::Timestamp;
use consign_model::id::Hasher;

/// Bits for the largest files: 64 MiB. Of a hundred million posts one in eleven is then counted, though it has no twin.
const MOST_BITS: u64 = 1 << 29;
/// Bits for the smallest files.
const LEAST_BITS: u64 = 1 << 16;
/// Bytes of a file for each bit. A post has some hundred.
const BYTES_A_BIT: u64 = 16;

/// What posts are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    pub fn of(chat: &str, kind: &str, user: &str, at: Timestamp) -> Self {
        let mut hasher = Hasher::default();
        hasher.field(chat.as_bytes()).field(kind.as_bytes()).field(user.as_bytes()).field(&at.0.to_be_bytes());
        Self(hasher.finish().0.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }
}

/// The first reading of a file.
pub struct Search {
    bits: Vec<u64>,
    /// How many of them have the same bit as one before.
    twins: HashMap<Key, u32>,
}

impl Search {
    /// For a file of so many bytes.
    pub fn new(size: u64) -> Self {
        let bits = (size / BYTES_A_BIT).clamp(LEAST_BITS, MOST_BITS).next_power_of_two();
        Self { bits: vec![0; usize::try_from(bits / 64).unwrap_or_default().max(1)], twins: HashMap::new() }
    }

    pub fn see(&mut self, key: Key) {
        let words = self.bits.len() as u64;
        let place = usize::try_from(key.0 / 64 % words).unwrap_or_default();
        let bit = 1 << (key.0 % 64);
        if let Some(word) = self.bits.get_mut(place) {
            if *word & bit != 0 {
                self.twins.insert(key, 0);
            }
            *word |= bit;
        }
    }

    pub fn found(self) -> Twins {
        Twins(self.twins)
    }
}

/// The second reading: how many of each were seen.
#[derive(Debug, Default)]
pub struct Twins(HashMap<Key, u32>);

impl Twins {
    /// Which of its twins a post is, counted from 1; unset for the first, which is nearly always the only one.
    pub fn number(&mut self, key: Key) -> Option<u32> {
        let count = self.0.get_mut(&key)?;
        *count += 1;
        Some(*count).filter(|count| *count > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_twin_has_its_number_and_nobody_else_has_one() {
        let key = |n: i64| Key::of("team/desk", "message", "ann", Timestamp(n));
        let mut search = Search::new(0);
        // Far more than there are bits: nearly all are counted, and none is taken for another.
        for n in (0..200_000).chain([7, 7, 199_999]) {
            search.see(key(n));
        }
        let mut twins = search.found();
        let numbers: Vec<_> = (0..200_000).chain([7, 7, 199_999]).filter_map(|n| Some((n, twins.number(key(n))?))).collect();
        assert_eq!(numbers, [(7, 2), (7, 3), (199_999, 2)]);
        assert_ne!(Key::of("a", "b", "", Timestamp(0)), Key::of("a", "", "b", Timestamp(0)));
    }
}
