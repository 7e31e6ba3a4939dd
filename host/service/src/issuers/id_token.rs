//! What an issuer says of somebody: whether it is by the issuer, for us, of now, and of the sign-in that this browser has begun.
//!
//! The signature and the usual claims are `jsonwebtoken`'s to check. What it leaves open is checked here as `OpenID` Connect Core 3.1.3.7 says: one issuer and no list of them,
//! several audiences only with us as the authorized party, when it was made, and the nonce.

use consign_model::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::jws::ALLOWED;

/// Seconds by which the issuer's clock and ours may differ.
const SKEW: u16 = 60;
/// Seconds since it was made: it comes straight from the issuer.
const OLDEST: i64 = 600;

/// A key of the issuer.
pub struct Key {
    /// By which tokens name it.
    pub kid: Option<String>,
    /// The one algorithm that it is for, where it says so.
    pub algorithm: Option<String>,
    /// It.
    pub material: DecodingKey,
}

/// What a token has to say.
pub struct Expected<'a> {
    /// The issuer, as the settings have it.
    pub issuer: &'a str,
    /// Us.
    pub client_id: &'a str,
    /// Of the sign-in that was begun.
    pub nonce: &'a str,
}

/// By which key it is signed, as far as it says so. The error says why none of ours can be it.
pub fn named_key(token: &str) -> Result<Option<String>, &'static str> {
    // An algorithm that there is not, `none` above all, is no header.
    let header = decode_header(token).map_err(|_| "it is no signed token, or signed by an algorithm that is not taken")?;
    if ALLOWED.contains(&header.alg) { Ok(header.kid) } else { Err("it is signed by an algorithm that is not taken") }
}

/// Checks it, and answers its claims. The error says what is wrong, and nothing of what it says.
pub fn check(token: &str, key: &Key, expected: &Expected<'_>, now: Timestamp) -> Result<Value, &'static str> {
    let algorithm = decode_header(token).map_err(|_| "it is no signed token")?.alg;
    let is_for_it = |of: &String| serde_json::to_value(algorithm).is_ok_and(|algorithm| algorithm == of.as_str());
    if !key.algorithm.as_ref().is_none_or(is_for_it) {
        return Err("its key is for another algorithm");
    }
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.leeway = SKEW.into();
    validation.validate_nbf = true;
    let claims = decode::<Value>(token, &key.material, &validation).map_err(|error| why(error.kind()))?.claims;
    if claims["iss"] != expected.issuer {
        return Err("it is by another issuer");
    }
    let is_for_several = claims["aud"].as_array().is_some_and(|all| all.len() > 1);
    match claims.get("azp") {
        Some(party) if party != expected.client_id => return Err("it was made for another program"),
        None if is_for_several => return Err("it is for several programs, and does not say which of them asked"),
        _ => {}
    }
    let (now, made) = (now.0 / 1_000, claims["iat"].as_f64());
    // Seconds, which a float of this size has exactly.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a float's 53 bits")]
    let is_of_now = made.is_some_and(|made| made <= (now + i64::from(SKEW)) as f64 && made >= (now - OLDEST) as f64);
    if !is_of_now {
        return Err("it does not say that it was made just now: is this machine's clock right, and the issuer's?");
    }
    if !claims["nonce"].as_str().is_some_and(|nonce| same(nonce, expected.nonce)) {
        return Err("it is the answer to another sign-in");
    }
    Ok(claims)
}

/// Whether two texts are the same, in a time that does not say where they differ.
pub fn same(one: &str, other: &str) -> bool {
    #[expect(deprecated, reason = "ring names nothing in its place, and to compare is all that is wanted")]
    ring::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidIssuer => "it is by another issuer",
        ErrorKind::InvalidAudience => "it was made for another program",
        ErrorKind::ExpiredSignature => "it is over: is this machine's clock right?",
        ErrorKind::ImmatureSignature => "it begins later: is this machine's clock right?",
        ErrorKind::InvalidSignature => "its signature does not fit the issuer's key",
        ErrorKind::InvalidAlgorithm => "its key is for another algorithm",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => "it lacks something that every such token says",
        _ => "it is no such token",
    }
}
