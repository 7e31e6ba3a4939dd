//! The age format around every file.
//!
//! Reading goes through bytes at hand, not through a stream: a truncated age file yields plaintext before its error, and a caller that sees none of it
//! can't use any of it.

use std::io::{Read, Write};
use std::str::FromStr;
use std::sync::Arc;

use age::x25519;

use crate::KeyError;

/// Reading a header costs the square of its recipients (800 of them, 79 KB: 18.7 s), before anything is authenticated. Ours have one stanza, and one
/// of random text that the library adds ("grease"): under 1 KiB. A stanza's body costs the square of its lines too (15 KiB of them, not optimised: 113 ms).
pub(crate) const MAX_HEADER: usize = 4 * 1024;
const MAX_STANZAS: usize = 16;

const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// What is wrong with an age file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// It does not begin as an age file does.
    #[error("it is not an age file")]
    NotAge,
    /// Its header is over 4 KiB or 16 stanzas, or does not end.
    #[error("its age header is too large or has no end")]
    Header,
    /// No stanza is for this identity.
    #[error("it is encrypted to another key")]
    WrongKey,
    /// A byte is not what was written, or the end is missing.
    #[error("it does not decrypt to its end")]
    Damaged,
}

/// Encrypts to a tenant: the public half.
#[derive(Clone)]
pub struct Sealer(x25519::Recipient);

impl Sealer {
    /// For an age X25519 recipient, `age1…`.
    pub fn new(recipient: &str) -> Result<Self, KeyError> {
        x25519::Recipient::from_str(recipient).map(Self).map_err(|_| KeyError::BadRecipient)
    }

    /// A whole age file with these bytes. Costs a key agreement (a quarter of a millisecond) and about a millisecond a megabyte: for many or large files
    /// not on a thread that others wait for.
    pub fn seal(&self, plaintext: &[u8]) -> std::io::Result<Vec<u8>> {
        // Header and nonce, and a tag of 16 bytes for each 64 KiB.
        let mut stream = self.stream(Vec::with_capacity(plaintext.len() + plaintext.len() / 4096 + 512))?;
        stream.write_all(plaintext)?;
        stream.finish()
    }

    /// Encrypts what is written to it. `finish` must be called at the end: without it the file does not open.
    pub(crate) fn stream<W: Write>(&self, output: W) -> std::io::Result<age::stream::StreamWriter<W>> {
        let recipient: &dyn age::Recipient = &self.0;
        age::Encryptor::with_recipients(std::iter::once(recipient)).map_err(std::io::Error::other)?.wrap_output(output)
    }
}

/// Decrypts a tenant's files: the private half, of all keys that the tenant has had. Each that does not fit costs a key agreement.
#[derive(Clone)]
pub(crate) struct Opener(Arc<[x25519::Identity]>);

impl Opener {
    pub(crate) fn new(identities: Vec<x25519::Identity>) -> Self {
        Self(identities.into())
    }

    /// The bytes in an age file, after its end was reached cleanly; nothing of it otherwise. Costs what [`Sealer::seal`] costs.
    pub(crate) fn open(&self, file: &[u8]) -> Result<Vec<u8>, SealError> {
        check_header(file)?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let mut stream = age::Decryptor::new_buffered(file).map_err(|_| SealError::Damaged)?.decrypt(identities).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => SealError::WrongKey,
            _ => SealError::Damaged,
        })?;
        let mut plaintext = Vec::with_capacity(file.len());
        stream.read_to_end(&mut plaintext).map_err(|_| SealError::Damaged)?;
        Ok(plaintext)
    }
}

/// How long the whole file is that begins like this and holds so many bytes; unset where that is no beginning of an age file.
///
/// After the header come a nonce of 16 bytes, and for each 64 KiB of plaintext (one at least) a tag of 16 (age v1, "Payload").
pub(crate) fn whole_length(beginning: &[u8], plaintext: u64) -> Option<u64> {
    let header = check_header(beginning).ok()? as u64;
    let tags = plaintext.div_ceil(64 * 1024).max(1).saturating_mul(16);
    Some(header.saturating_add(16).saturating_add(plaintext).saturating_add(tags))
}

/// Looks at lines only, once, before anything is parsed. Says how long the header is.
fn check_header(file: &[u8]) -> Result<usize, SealError> {
    if !file.starts_with(MAGIC) {
        return Err(SealError::NotAge);
    }
    let mut stanzas = 0;
    let mut length = 0;
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if length > MAX_HEADER {
            return Err(SealError::Header);
        }
        if line.starts_with(b"--- ") && line.ends_with(b"\n") {
            return Ok(length);
        }
        if line.starts_with(b"->") {
            stanzas += 1;
            if stanzas > MAX_STANZAS {
                return Err(SealError::Header);
            }
        }
    }
    Err(SealError::Header)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_whole_file_is_as_long_as_was_foretold() {
        let sealer = Sealer::new(&x25519::Identity::generate().to_public().to_string()).unwrap();
        for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let file = sealer.seal(&vec![7; length]).unwrap();
            let beginning = file.get(..MAX_HEADER).unwrap_or(&file);
            assert_eq!(whole_length(beginning, length as u64), Some(file.len() as u64), "{length} bytes");
        }
        assert_eq!(whole_length(b"", 1), None);
    }

    #[test]
    fn large_headers_are_refused_before_they_are_parsed() {
        let identity = x25519::Identity::generate();
        let sealer = Sealer::new(&identity.to_public().to_string()).unwrap();
        let opener = Opener::new(vec![identity]);
        let file = sealer.seal(b"hello").unwrap();
        assert_eq!(opener.open(&file).unwrap(), b"hello");

        let to_others = |count: usize| {
            let others: Vec<_> = (0..count).map(|_| x25519::Identity::generate().to_public()).collect();
            let recipients = others.iter().map(|one| one as &dyn age::Recipient);
            let mut stream = age::Encryptor::with_recipients(recipients).unwrap().wrap_output(Vec::new()).unwrap();
            stream.write_all(b"hello").unwrap();
            stream.finish().unwrap()
        };
        assert_eq!(opener.open(&to_others(MAX_STANZAS - 1)), Err(SealError::WrongKey));
        assert_eq!(opener.open(&to_others(MAX_STANZAS)), Err(SealError::Header));

        // The library adds a stanza of random text ("grease") to each header.
        let long = [MAGIC, b"-> X25519 ", &[b'A'; MAX_HEADER], b"\n--- x\n"].concat();
        assert_eq!(opener.open(&long), Err(SealError::Header));
        assert_eq!(opener.open(MAGIC), Err(SealError::Header));
        for other in [b"".as_slice(), b"age", b"ARROW1", b"age-encryption.org/v2\n--- x\n"] {
            assert_eq!(opener.open(other), Err(SealError::NotAge));
        }
        assert_eq!(opener.open(&[MAGIC, b"--- x\n"].concat()), Err(SealError::Damaged));
    }
}
