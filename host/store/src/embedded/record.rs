//! How a record is written: a version byte, a checksum, and JSON (or, for identities, plain bytes).
//!
//! sled checks its own pages only when it reads them from the disk, and only against chance there; so each record carries a CRC-32 of its key and its
//! value: a flipped bit, a value cut short and a value under another's key are all told from a right one. JSON because the model's enums are tagged from
//! inside, which compact formats cannot read back; and because a person can read it when it matters.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Of the layout below. A reader refuses any other.
const VERSION: u8 = 1;
/// Version and checksum.
const HEADER: usize = 5;

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Too short, another version, or a checksum that does not fit.
    Checksum,
    /// The checksum fits, the contents do not: written by a release that knows other fields.
    Shape,
    /// Another record names it, and it is not there.
    Missing,
}

impl Flaw {
    /// For a person, after "a chat's record".
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Checksum => "does not match its checksum",
            Self::Shape => "has contents that this release cannot read",
            Self::Missing => "is missing",
        }
    }
}

fn checksum(key: &[u8], payload: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize().to_le_bytes()
}

/// Bytes as a record.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER + payload.len());
    record.push(VERSION);
    record.extend_from_slice(&checksum(key, payload));
    record.extend_from_slice(payload);
    record
}

/// A record's bytes.
pub(super) fn open<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], Flaw> {
    let (header, payload) = record.split_at_checked(HEADER).ok_or(Flaw::Checksum)?;
    let [version, sum @ ..] = header else { return Err(Flaw::Checksum) };
    if *version != VERSION || checksum(key, payload) != *sum { Err(Flaw::Checksum) } else { Ok(payload) }
}

/// A value as a record. Unset where it has no form in JSON, which no type of the model allows.
pub(super) fn encode<T: Serialize>(key: &[u8], value: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(value).ok().map(|json| seal(key, &json))
}

/// The value of a record.
pub(super) fn decode<T: DeserializeOwned>(key: &[u8], record: &[u8]) -> Result<T, Flaw> {
    serde_json::from_slice(open(key, record)?).map_err(|_| Flaw::Shape)
}

/// What a record adds to the store's sum ([`super::writer::Totals`]): its checksum, spread over 64 bits so that sums of records that are alike differ.
pub(super) fn weight(record: &[u8]) -> u64 {
    let mut sum = [0; 4];
    if let Some(bytes) = record.get(1..HEADER) {
        sum.copy_from_slice(bytes);
    }
    // The finishing steps of splitmix64.
    let mut mixed = u64::from(u32::from_le_bytes(sum)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn any_flipped_bit_shows() {
        let record = encode(b"Ckey", &vec!["one".to_owned(), "two".to_owned()]).unwrap();
        assert_eq!(decode::<Vec<String>>(b"Ckey", &record).unwrap(), ["one", "two"]);
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            *flipped.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            assert_eq!(decode::<Vec<String>>(b"Ckey", &flipped), Err(Flaw::Checksum), "bit {bit}");
        }
        for end in 0..record.len() {
            assert_eq!(decode::<Vec<String>>(b"Ckey", record.get(..end).unwrap()), Err(Flaw::Checksum), "cut at {end}");
        }
        assert_eq!(decode::<Vec<String>>(b"Ckex", &record), Err(Flaw::Checksum), "another's key");
        assert_eq!(decode::<u64>(b"Ckey", &record), Err(Flaw::Shape));
    }
}
