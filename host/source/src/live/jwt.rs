//! Tokens by which Microsoft Graph says that a notification is from it (RFC 7519, signed with RS256).
//!
//! The keys come from a file and not from the network: this program calls nobody to find out whom to believe. Whoever runs it fetches the file, and does so
//! often, since Microsoft changes its keys; one that is not in it is a reason to read it again ([`TokenFault::UnknownKey`]).
//!
//! A library for tokens (jsonwebtoken) would bring a second one for signatures beside ring, reads the clock itself where the time is given here, and leaves to its
//! caller what is most of this: who may have sent the token, and for whom. The signature is checked by ring, and one algorithm alone is known.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use consign_model::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value;

/// How far two clocks may be apart, in seconds.
const SKEW: i64 = 300;
/// Who sends change notifications: the application "Microsoft Graph Change Tracking", the same for everybody.
const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

/// Public keys of an issuer (RFC 7517).
#[derive(Debug, Default)]
pub struct IssuerKeys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// Whom a token has to be for, and from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The id of the application that subscribed.
    pub app: String,
    /// The id of its tenant.
    pub tenant: String,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is none.
    #[error("it is no token that is signed with RS256")]
    Shape,
    /// Its key is not among the issuer's.
    #[error("it is signed with a key that is not in the file of issuer keys: fetch that file anew")]
    UnknownKey,
    /// The signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// It is for another application, or by another issuer or publisher.
    #[error("it is for another application or tenant, or not from Microsoft Graph")]
    Audience,
    /// It is over, or not yet.
    #[error("it is not of this time")]
    Time,
}

impl IssuerKeys {
    /// Reads a JSON Web Key Set. Keys that are no RSA keys are left out.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_str(text).map_err(|_| "it is no JSON Web Key Set".to_owned())?;
        let text = |key: &Value, field: &str| key.get(field).and_then(Value::as_str).map(str::to_owned);
        let bytes = |key: &Value, field: &str| BASE64_URL_SAFE_NO_PAD.decode(text(key, field)?.trim_end_matches('=')).ok();
        let rsa = set.keys.iter().filter(|key| text(key, "kty").as_deref() == Some("RSA"));
        let keys: Vec<Key> =
            rsa.filter_map(|key| Some(Key { id: text(key, "kid")?, modulus: bytes(key, "n")?, exponent: bytes(key, "e")? })).collect();
        if keys.is_empty() { Err("there is no RSA key with an id in it".to_owned()) } else { Ok(Self(keys)) }
    }

    /// Whether this token was made by Microsoft Graph for this application and is of this time.
    pub fn check(&self, token: &str, audience: &Audience, now: Timestamp) -> Result<(), TokenFault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Shape)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Shape)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenFault::Shape)?;
        let header = object(header)?;
        // Only this: a token may not choose how it is checked.
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(TokenFault::Shape);
        }
        let id = header.get("kid").and_then(Value::as_str).ok_or(TokenFault::Shape)?;
        let key = self.0.iter().find(|key| key.id == id).ok_or(TokenFault::UnknownKey)?;
        RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| TokenFault::Signature)?;
        let claims = object(claims)?;
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        let is_for = match claims.get("aud") {
            Some(Value::String(app)) => *app == audience.app,
            Some(Value::Array(apps)) => apps.iter().any(|app| app.as_str() == Some(&audience.app)),
            _ => false,
        };
        let Audience { tenant, .. } = audience;
        let issuers = [format!("https://sts.windows.net/{tenant}/"), format!("https://login.microsoftonline.com/{tenant}/v2.0")];
        let is_from = claim("iss").is_some_and(|issuer| issuers.iter().any(|one| one == issuer)) && claim("tid").is_none_or(|tid| tid == tenant);
        // `appid` in tokens of version 1, `azp` in those of version 2.
        if !is_for || !is_from || claim("appid").or(claim("azp")) != Some(PUBLISHER) {
            return Err(TokenFault::Audience);
        }
        let time = |name: &str| claims.get(name).and_then(Value::as_i64);
        let now = now.0 / 1000;
        let is_begun = time("nbf").is_none_or(|from| from <= now.saturating_add(SKEW));
        let is_over = time("exp").is_none_or(|until| until.saturating_add(SKEW) <= now);
        if is_begun && !is_over { Ok(()) } else { Err(TokenFault::Time) }
    }
}

fn object(part: &str) -> Result<serde_json::Map<String, Value>, TokenFault> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Shape)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenFault::Shape)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Made by openssl: `tests/vectors/teams/make.sh`.
    const TOKEN: &str = include_str!("../../tests/vectors/teams/token.jwt");
    const KEYS: &str = include_str!("../../tests/vectors/teams/keys.json");
    const THEN: Timestamp = Timestamp(1_767_600_001_000);

    fn audience() -> Audience {
        Audience { app: "app-1".to_owned(), tenant: "tenant-1".to_owned() }
    }

    fn check(token: &str) -> Result<(), TokenFault> {
        IssuerKeys::parse(KEYS).unwrap().check(token, &audience(), THEN)
    }

    #[test]
    fn a_token_of_openssl() {
        assert_eq!(check(TOKEN), Ok(()));
        let keys = IssuerKeys::parse(KEYS).unwrap();
        for (seconds, outcome) in [
            (1_767_600_000 - 301, Err(TokenFault::Time)),
            (1_767_600_000 - 300, Ok(())),
            (4_000_000_299, Ok(())),
            (4_000_000_300, Err(TokenFault::Time)),
        ] {
            assert_eq!(keys.check(TOKEN, &audience(), Timestamp(seconds * 1000)), outcome, "{seconds}");
        }
        for other in [Audience { app: "app-2".to_owned(), ..audience() }, Audience { tenant: "tenant-2".to_owned(), ..audience() }] {
            assert_eq!(keys.check(TOKEN, &other, THEN), Err(TokenFault::Audience));
        }
        let others = IssuerKeys::parse(&KEYS.replace("k1", "k2")).unwrap();
        assert_eq!(others.check(TOKEN, &audience(), THEN), Err(TokenFault::UnknownKey));
    }

    #[test]
    fn what_was_changed_is_not_believed() {
        let (header, rest) = TOKEN.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let decoded = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let longer = encode(&decoded.replace("4000000000", "5000000000"));
        assert_eq!(check(&format!("{header}.{longer}.{signature}")), Err(TokenFault::Signature));
        assert_eq!(check(&format!("{header}.{claims}.")), Err(TokenFault::Signature));
        for alg in ["none", "HS256", "RS512"] {
            let header = encode(&format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"k1"}}"#));
            assert_eq!(check(&format!("{header}.{claims}.{signature}")), Err(TokenFault::Shape), "{alg}");
        }
        for broken in ["", ".", "..", "a.b.c", &TOKEN.replace('.', "")] {
            assert_eq!(check(broken), Err(TokenFault::Shape), "{broken}");
        }
        for broken in ["", "[]", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"RSA\"}]}"] {
            assert!(IssuerKeys::parse(broken).is_err(), "{broken}");
        }
    }
}
