//! Signatures of modules: made elsewhere, by programs that people have, and checked against the keys that a tenant trusts.
//!
//! Two kinds, since there are two kinds of keys about: minisign's, which names its key and is made by one command; and a bare Ed25519 signature (RFC 8032)
//! over the file's bytes, which OpenSSL and key services make. A signature of one kind is checked against keys of that kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use consign_model::{ModuleKey, PublicKey};
use minisign_verify::{PublicKey as MinisignKey, Signature as MinisignSignature};
use ring::signature::{ED25519, UnparsedPublicKey};

/// Why a signature or a key is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Its bytes are no signature.
    #[error(
        "this is no signature: give one that minisign made (the .minisig file), or an Ed25519 signature of 64 bytes, as they are, in base64 or in hexadecimal"
    )]
    NoSignature,
    /// There is nothing to check it against.
    #[error("the tenant has no {kind} key to check this signature against: add the one that it was made with (consign module keys add NAME KEYFILE)")]
    NoKeys {
        /// `minisign`, `Ed25519`.
        kind: &'static str,
    },
    /// It was made for other bytes, or by another key.
    #[error(
        "the signature is wrong: it was made for another file, or with none of the tenant's {kind} keys ({names}). Nothing was kept; if it is the right file, sign it again"
    )]
    Wrong {
        /// `minisign`, `Ed25519`.
        kind: &'static str,
        /// Of the keys.
        names: String,
    },
    /// A text or file that is no key.
    #[error(
        "this is no public key: give minisign's (the .pub file, or its line that begins with RW), or an Ed25519 one as PEM (openssl pkey -pubout), as its 32 \
         bytes, in base64 or in hexadecimal"
    )]
    NoKey,
    /// A private key.
    #[error("this is a private key: keep it to yourself, and give the public one")]
    PrivateKey,
}

/// The key with which a signature was made.
pub fn check(bytes: &[u8], signature: &[u8], keys: &[ModuleKey]) -> Result<ModuleKey, SignatureError> {
    let signature = read(signature).ok_or(SignatureError::NoSignature)?;
    let kind = signature.kind();
    let fitting: Vec<&ModuleKey> = keys.iter().filter(|key| signature.is_checked_by(&key.key)).collect();
    if fitting.is_empty() {
        return Err(SignatureError::NoKeys { kind });
    }
    let signer = fitting.iter().find(|key| signature.is_right(bytes, &key.key));
    let names = || fitting.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
    signer.map(|key| (*key).clone()).ok_or_else(|| SignatureError::Wrong { kind, names: names() })
}

enum Signature {
    Minisign(Box<MinisignSignature>),
    Ed25519([u8; 64]),
}

fn read(bytes: &[u8]) -> Option<Signature> {
    if let Ok(raw) = bytes.try_into() {
        return Some(Signature::Ed25519(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    if text.starts_with("untrusted comment:") {
        return MinisignSignature::decode(text).ok().map(|signature| Signature::Minisign(Box::new(signature)));
    }
    as_text(text).map(Signature::Ed25519)
}

/// Bytes of a known number, in base64 or hexadecimal.
fn as_text<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text: String = text.split_whitespace().collect();
    let decoded = if text.len() == 2 * N { hex::decode(&text).ok() } else { None };
    decoded.or_else(|| BASE64.decode(&text).ok())?.try_into().ok()
}

impl Signature {
    fn kind(&self) -> &'static str {
        match self {
            Self::Minisign(_) => "minisign",
            Self::Ed25519(_) => "Ed25519",
        }
    }

    fn is_checked_by(&self, key: &PublicKey) -> bool {
        matches!((self, key), (Self::Minisign(_), PublicKey::Minisign(_)) | (Self::Ed25519(_), PublicKey::Ed25519(_)))
    }

    fn is_right(&self, bytes: &[u8], key: &PublicKey) -> bool {
        match (self, key) {
            // Signatures over the bytes themselves (minisign -l) are as good as those over their hash.
            (Self::Minisign(signature), PublicKey::Minisign(key)) => {
                MinisignKey::from_base64(key).is_ok_and(|key| key.verify(bytes, signature, true).is_ok())
            }
            (Self::Ed25519(signature), PublicKey::Ed25519(key)) => {
                BASE64.decode(key).is_ok_and(|key| UnparsedPublicKey::new(&ED25519, key).verify(bytes, signature).is_ok())
            }
            _ => false,
        }
    }
}

/// What stands before the 32 bytes of an Ed25519 key in its DER form (RFC 8410, section 4).
const DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key in any of the forms in which people have it.
pub fn read_key(bytes: &[u8]) -> Result<PublicKey, SignatureError> {
    let ed25519 = |key: [u8; 32]| PublicKey::Ed25519(BASE64.encode(key));
    if let Ok(raw) = bytes.try_into() {
        return Ok(ed25519(raw));
    }
    if let Some(key) = bytes.strip_prefix(&DER).and_then(|key| key.try_into().ok()) {
        return Ok(ed25519(key));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SignatureError::NoKey)?.trim();
    if text.contains("PRIVATE KEY") || text.contains("secret key") {
        return Err(SignatureError::PrivateKey);
    }
    let body = match text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
        Some(rest) => {
            let der = rest.split_once("-----END").and_then(|(body, _)| as_text::<44>(body)).ok_or(SignatureError::NoKey)?;
            return der.strip_prefix(&DER).and_then(|key| key.try_into().ok()).map(ed25519).ok_or(SignatureError::NoKey);
        }
        // A file of minisign's: a comment, then the key.
        None => text.lines().find(|line| !line.starts_with("untrusted comment:")).unwrap_or_default().trim(),
    };
    if MinisignKey::from_base64(body).is_ok() {
        return Ok(PublicKey::Minisign(body.to_owned()));
    }
    as_text(body).map(ed25519).ok_or(SignatureError::NoKey)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn keys_in_all_their_forms() {
        let raw: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let expected = PublicKey::Ed25519(BASE64.encode(raw));
        let der = [&DER[..], &raw[..]].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&der));
        for form in [raw.to_vec(), der, BASE64.encode(raw).into_bytes(), format!("{}\n", hex::encode(raw)).into_bytes(), pem.into_bytes()] {
            assert_eq!(read_key(&form).unwrap(), expected, "{form:?}");
        }
        // Of minisign's own documentation.
        let line = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        for form in [line.to_owned(), format!("untrusted comment: minisign public key E7620F1842B4E81F\n{line}\n")] {
            assert_eq!(read_key(form.as_bytes()).unwrap(), PublicKey::Minisign(line.to_owned()));
        }
        for none in
            [&b""[..], b"RWQ", b"\xff\xfe", &raw[..31], b"untrusted comment: x", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
        {
            assert_eq!(read_key(none).unwrap_err(), SignatureError::NoKey, "{none:?}");
        }
        assert_eq!(read_key(b"-----BEGIN PRIVATE KEY-----\n").unwrap_err(), SignatureError::PrivateKey);
    }
}
