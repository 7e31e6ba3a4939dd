//! The operator's master key: the one secret from outside. It opens nothing itself; a key for each purpose is derived from it, so that what one purpose
//! gives away says nothing of another.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, Zeroizing};

use crate::KeyError;

/// Changing it makes every sealed key and every authenticated cache unreadable.
const SALT: &[u8] = b"consign master key v1";

/// A longer file is no key; it is not read further.
const MAX_FILE: u64 = 4096;

/// 32 random bytes. Wiped from memory when dropped; has no `Debug` or `Display`, so that it gets into no log.
pub struct MasterKey([u8; 32]);

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl MasterKey {
    /// Reads 64 hexadecimal digits or base64 of 32 bytes, with white space around. The error says how long the text was, never what it was.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut key = Self([0; 32]);
        if text.is_empty() {
            return Err(KeyError::NotAMasterKey("it is empty"));
        }
        if hex::decode_to_slice(text, &mut key.0).is_err() {
            let decoded = BASE64_STANDARD.decode(text).or_else(|_| BASE64_STANDARD_NO_PAD.decode(text));
            let decoded = Zeroizing::new(decoded.map_err(|_| KeyError::NotAMasterKey("it is neither 64 hexadecimal digits nor base64"))?);
            if decoded.len() != key.0.len() {
                return Err(KeyError::NotAMasterKey("it does not have 32 bytes"));
            }
            key.0.copy_from_slice(&decoded);
        }
        if key.0.iter().all(|byte| Some(byte) == key.0.first()) {
            return Err(KeyError::NotAMasterKey("all its bytes are the same"));
        }
        Ok(key)
    }

    /// Reads a file that holds what [`MasterKey::from_text`] takes.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::MasterKeyFile { path: path.display().to_string(), source };
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(KeyError::NotAMasterKey("the file is too long"));
        }
        Self::from_text(std::str::from_utf8(&bytes).map_err(|_| KeyError::NotAMasterKey("the file is not text"))?)
    }

    /// A new one.
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = Self([0; 32]);
        SystemRandom::new().fill(&mut key.0).map_err(|_| KeyError::NoRandomness)?;
        Ok(key)
    }

    /// 64 hexadecimal digits: what a file or an environment variable holds. Whoever has it reads everything.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0))
    }

    /// A key for one purpose (HKDF-SHA-256, RFC 5869): the same purpose gives the same key, and none tells of another or of the master key.
    ///
    /// Written out over HMAC, because for one block of output it is two lines that can't fail, where `ring::hkdf` returns a `Result`.
    pub fn derive_key(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let pseudorandom = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SALT), &self.0);
        let mut expand = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, pseudorandom.as_ref()));
        expand.update(purpose.as_bytes());
        expand.update(&[1]);
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(expand.sign().as_ref());
        out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn texts() {
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        for text in [HEX, &HEX.to_uppercase(), base64, base64.trim_end_matches('='), &format!("  {HEX}\r\n")] {
            assert_eq!(MasterKey::from_text(text).unwrap().to_text().as_str(), HEX);
        }
        let zeros = "0".repeat(64);
        for text in ["", " ", "secret", &HEX[1..], &HEX[2..], &format!("{HEX}00"), "AAECAw==", &zeros, "é"] {
            let error = MasterKey::from_text(text).err().unwrap().to_string();
            assert!(error.contains("openssl rand -hex 32"), "{error}");
            assert!(text.trim().is_empty() || !error.contains(text.trim()), "the error shows the text");
        }
        let made = MasterKey::generate().unwrap();
        assert_eq!(MasterKey::from_text(&made.to_text()).unwrap().0, made.0);
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(MasterKey::from_file(&path), Err(KeyError::MasterKeyFile { .. })));
        std::fs::write(&path, format!("{HEX}\n")).unwrap();
        assert_eq!(MasterKey::from_file(&path).unwrap().to_text().as_str(), HEX);
        for bytes in [vec![0xff; 32], vec![b' '; 5000]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(matches!(MasterKey::from_file(&path), Err(KeyError::NotAMasterKey(_))));
        }
    }

    /// Against `ring`'s own HKDF.
    #[test]
    fn derived_keys_are_hkdf() {
        struct Length;
        impl ring::hkdf::KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let key = MasterKey::from_text(HEX).unwrap();
        for purpose in ["", "cache", "tenant keys"] {
            let mut expected = [0; 32];
            let salt = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, SALT);
            salt.extract(&key.0).expand(&[purpose.as_bytes()], Length).unwrap().fill(&mut expected).unwrap();
            assert_eq!(*key.derive_key(purpose), expected);
        }
        assert_ne!(key.derive_key("cache"), key.derive_key("Cache"));
    }
}
