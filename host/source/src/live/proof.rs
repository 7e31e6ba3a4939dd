//! Whether a request is from whom it says, by a secret that both know.
//!
//! ring has no comparison in constant time that it promises to keep, but checking an HMAC is one. So a token is kept as its HMAC under a key that is drawn
//! at the start and known to nobody: how long a comparison takes says nothing of the token, and the token itself is not in memory.

use std::fmt;

use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use ring::rand::SystemRandom;

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes; start again")]
pub struct NoRandomness;

/// A secret that comes with each request.
pub struct Token {
    key: Key,
    tag: Tag,
}

impl Token {
    /// Of a secret.
    pub fn of(secret: &str) -> Result<Self, NoRandomness> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).map_err(|_| NoRandomness)?;
        let tag = sign(&key, secret.as_bytes());
        Ok(Self { key, tag })
    }

    /// Whether this is the secret.
    pub fn is(&self, given: &[u8]) -> bool {
        verify(&self.key, given, self.tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_the_secret_is_it() {
        let token = Token::of("s3cret").unwrap();
        assert!(token.is(b"s3cret"));
        for other in ["", "s3cre", "s3cret ", "S3cret"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
