//! A sign-in that has begun: what a browser keeps while it is at the issuer's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use consign_model::{Digest, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::api::{NoRandomness, random};

/// Milliseconds that somebody may take at the issuer's.
pub const TIME: i64 = 10 * 60_000;

/// It. That it is under our seal keeps anybody from putting one together; that it is in this browser's cookie keeps an answer from being used in another.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    /// Of the settings.
    pub issuer: String,
    /// What comes back with the answer.
    pub state: String,
    /// What the token has to repeat.
    pub nonce: String,
    /// What shows that the code is asked for by who has begun (RFC 7636).
    pub verifier: String,
    /// Where to go then.
    pub back: Option<String>,
    /// When it is too late.
    pub until: Timestamp,
}

impl Pending {
    /// Seconds that a browser keeps it.
    pub const SECONDS: i64 = TIME / 1_000;

    /// A new one.
    pub fn begin(issuer: &str, back: Option<&str>) -> Result<Self, NoRandomness> {
        let text = || random().map(|bits| URL_SAFE_NO_PAD.encode(bits));
        let until = Timestamp(Timestamp::now().0.saturating_add(TIME));
        Ok(Self { issuer: issuer.to_owned(), state: text()?, nonce: text()?, verifier: text()?, back: back.map(str::to_owned), until })
    }

    /// What the issuer is told of the verifier.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Digest::of(self.verifier.as_bytes()).0)
    }

    /// As a browser keeps it.
    pub fn seal(&self, key: &hmac::Key) -> String {
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(key, body.as_bytes()));
        format!("{body}.{tag}")
    }

    /// What a browser has kept; unset where it is not ours, or too late.
    pub fn open(kept: &str, key: &hmac::Key, now: Timestamp) -> Option<Self> {
        let (body, tag) = kept.split_once('.')?;
        hmac::verify(key, body.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let pending: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        (now < pending.until).then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_under_another_seal_or_too_late() {
        let [key, other] = [[1; 32], [2; 32]].map(|bits| hmac::Key::new(hmac::HMAC_SHA256, &bits));
        let pending = Pending::begin("corp", Some("/console/t/acme")).unwrap();
        let (kept, now) = (pending.seal(&key), Timestamp::now());
        assert_eq!(Pending::open(&kept, &key, now).unwrap().state, pending.state);
        assert!(Pending::open(&kept, &other, now).is_none());
        assert!(Pending::open(&kept, &key, Timestamp(now.0 + TIME + 1_000)).is_none());
        for place in 0..kept.len() {
            let mut bytes = kept.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let Ok(text) = String::from_utf8(bytes) else { continue };
            // The last letter of a tag has bits that mean nothing.
            let is_same = text.get(..kept.len() - 1) == kept.get(..kept.len() - 1);
            assert!(is_same || Pending::open(&text, &key, now).is_none(), "letter {place}");
        }
        for other in ["", ".", "a.b", &kept[1..]] {
            assert!(Pending::open(other, &key, now).is_none(), "{other}");
        }
        // RFC 7636, appendix B.
        let pending = Pending { verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(), ..pending };
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
