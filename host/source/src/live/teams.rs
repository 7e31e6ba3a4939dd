//! Microsoft Graph's change notifications for messages of Teams, with the message in them ("rich notifications").
//!
//! Three things say that one is from Graph: `clientState`, which only it and we know; a token for each application and tenant, signed by Microsoft
//! ([`super::jwt`]); and that the message is encrypted for our certificate. The first is compared before anything is decrypted, so that nobody else has the
//! private key work on what they sent. The signature of the data (HMAC-SHA256 with the data's own key) is checked before it is decrypted, and what fails says
//! the same at whatever step, so nobody learns of padding.
//!
//! **What can't be read** is of two kinds, since whoever is told that something was not taken sends it again. What is sealed and can't be opened here may be
//! read when it comes again: it was damaged on its way, or the private key or the certificate's id is an older or newer one here than the subscription's until
//! somebody mends that. So it is counted apart ([`Opened::sealed`]), and must not be acknowledged. All else will never be readable, however often it comes: a
//! notification without a message in it or with fields that are none of Graph's, and what was opened and is no message (the signature says that it is what Graph
//! sealed). That is refused and told, and asked for again by nobody: an endpoint that keeps failing on it has its good messages held back too.

use std::fmt;

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consign_model::Timestamp;
use ring::hmac::{HMAC_SHA256, Key, verify};
use rsa::PrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::jwt::{Audience, IssuerKeys, TokenFault};
use super::{Arrived, Token};
use crate::intake::Intake;
use crate::json::fields::{self, Fields, Shape};
use crate::report::shown;
use crate::{Limits, Refusal, SourceError};

/// Bytes of the key of AES-256, of which the first 16 are the initial vector too.
const DATA_KEY: usize = 32;
/// Bytes of the smallest RSA key that is taken: 2,048 bits, Microsoft's own bound.
const LEAST_KEY: usize = 256;
/// Notifications of one request; Graph sends some hundred at most.
const MOST: usize = 10_000;

/// The text that Graph wants back, decoded, when a subscription is made: `?validationToken=…`.
pub fn validation_token(query: Option<&str>) -> Option<String> {
    form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "validationToken").map(|(_, token)| token.into_owned())
}

/// What a subscription was made with.
pub struct Subscription {
    client_state: Token,
    certificate: String,
    key: PrivateKey,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A message can't be read out of its notification as things are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Sealed {
    /// One text for whatever step failed.
    #[error("its content can't be decrypted with the source's private key, or was changed")]
    Shut,
    /// By what it says of itself.
    #[error("it is encrypted for another certificate than the source's `certificate-id`")]
    Elsewhere,
}

/// What the notifications of a request came to.
#[derive(Debug)]
pub struct Opened {
    /// The messages that could be read; all others are among the refusals.
    pub arrived: Arrived,
    /// How many of those that were refused may be read when they come again.
    pub sealed: u64,
}

/// Why a message was not handed over.
enum NotRead {
    /// Not now.
    Sealed(Sealed),
    /// Never.
    Shape(Shape),
    Sink(SourceError),
}

impl From<Sealed> for NotRead {
    fn from(sealed: Sealed) -> Self {
        Self::Sealed(sealed)
    }
}

impl From<Shape> for NotRead {
    fn from(shape: Shape) -> Self {
        Self::Shape(shape)
    }
}

impl From<SourceError> for NotRead {
    fn from(error: SourceError) -> Self {
        Self::Sink(error)
    }
}

/// What came in a request, of which nobody knows yet whether it is from Graph.
#[derive(Debug)]
pub struct Notifications {
    items: Vec<Item>,
    tokens: Vec<String>,
}

#[derive(Debug)]
struct Item {
    client_state: String,
    /// A lifecycle notification.
    lifecycle: Option<String>,
    /// What it is of: `chats('…')/messages('…')`.
    resource: String,
    content: Option<Fields>,
}

impl Subscription {
    /// `key`: the certificate's private key, as PKCS#8 in PEM.
    pub fn new(client_state: Token, certificate: &str, key: &str) -> Result<Self, String> {
        let key = PrivateKey::from_pkcs8_pem(key.trim())
            .map_err(|_| "the private key is no RSA key as PKCS#8 in PEM: make it one by openssl pkcs8 -topk8 -nocrypt".to_owned())?;
        if key.size() < LEAST_KEY {
            return Err("the private key has less than 2048 bits".to_owned());
        }
        Ok(Self { client_state, certificate: certificate.to_owned(), key })
    }

    /// The message in an `encryptedContent`, as JSON.
    fn open(&self, content: &mut Fields) -> Result<Zeroizing<Vec<u8>>, NotRead> {
        let mut bytes = |field: &str| -> Result<Vec<u8>, Shape> {
            let text = content.filled(field)?.ok_or_else(|| Shape(format!("`encryptedContent.{field}` is missing")))?;
            BASE64_STANDARD.decode(text).map_err(|_| Shape(format!("`encryptedContent.{field}` is no base64")))
        };
        let (data, signature, data_key) = (bytes("data")?, bytes("dataSignature")?, bytes("dataKey")?);
        match content.filled("encryptionCertificateId")? {
            Some(id) if id == self.certificate => {}
            _ => return Err(Sealed::Elsewhere.into()),
        }
        Ok(self.decrypt(&data, &signature, &data_key)?)
    }

    fn decrypt(&self, data: &[u8], signature: &[u8], data_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, Sealed> {
        let key = Zeroizing::new(self.key.oaep_decrypt::<Sha1>(data_key).map_err(|_| Sealed::Shut)?);
        if key.len() != DATA_KEY {
            return Err(Sealed::Shut);
        }
        verify(&Key::new(HMAC_SHA256, &key), data, signature).map_err(|_| Sealed::Shut)?;
        let vector = key.get(..16).ok_or(Sealed::Shut)?;
        let cipher = cbc::Decryptor::<Aes256>::new_from_slices(&key, vector).map_err(|_| Sealed::Shut)?;
        cipher.decrypt_padded_vec_mut::<Pkcs7>(data).map(Zeroizing::new).map_err(|_| Sealed::Shut)
    }
}

impl Notifications {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        fields::utf8(body).and_then(Self::parse).map_err(|shape| shape.to_string())
    }

    fn parse(body: &str) -> Result<Self, Shape> {
        let mut fields = Fields::parse(body)?;
        if !fields.has("value") {
            return Err(Shape("`value` is missing".into()));
        }
        let mut items = Vec::new();
        for mut item in fields.objects("value")? {
            items.push(Item {
                client_state: item.text("clientState")?.unwrap_or_default(),
                lifecycle: item.filled("lifecycleEvent")?,
                resource: item.filled("resource")?.unwrap_or_default(),
                content: item.object("encryptedContent")?,
            });
        }
        if items.len() > MOST {
            return Err(Shape(format!("`value` has more than {MOST} notifications")));
        }
        let mut tokens = Vec::new();
        for token in fields.list("validationTokens")? {
            match token {
                serde_json::Value::String(token) => tokens.push(token),
                other => return Err(Shape::wrong("validationTokens[]", &other, "a text")),
            }
        }
        Ok(Self { items, tokens })
    }

    /// Whether all of them have the secret that the subscription was made with.
    pub fn are_of(&self, subscription: &Subscription) -> bool {
        !self.items.is_empty() && self.items.iter().all(|item| subscription.client_state.is(item.client_state.as_bytes()))
    }

    /// Whether Microsoft signed for them. Those without a message in them come without a token.
    pub fn check(&self, keys: &IssuerKeys, audience: &Audience, now: Timestamp) -> Result<(), TokenFault> {
        if self.tokens.is_empty() && self.items.iter().any(|item| item.content.is_some()) {
            return Err(TokenFault::Shape);
        }
        self.tokens.iter().try_for_each(|token| keys.check(token, audience, now))
    }

    /// What Graph says of subscriptions themselves: `reauthorizationRequired`, `subscriptionRemoved`, `missed`.
    pub fn lifecycle(&self) -> impl Iterator<Item = String> {
        self.items.iter().filter_map(|item| item.lifecycle.as_deref().map(shown))
    }

    /// Reads the messages. One that can't be read is refused by its place among the notifications, and the others are taken.
    pub fn take(self, subscription: &Subscription, limits: &Limits) -> Result<Opened, SourceError> {
        let mut sealed = 0;
        let arrived = Arrived::by(limits, |mut intake| {
            for (index, item) in (0..).zip(self.items) {
                if item.lifecycle.is_some() {
                    continue;
                }
                let reason = match message(item.content, subscription, &mut intake) {
                    Ok(()) => continue,
                    Err(NotRead::Sealed(why)) => {
                        sealed += 1;
                        why.to_string()
                    }
                    Err(NotRead::Shape(shape)) => shape.to_string(),
                    Err(NotRead::Sink(error)) => return Err(error),
                };
                let file = if item.resource.is_empty() { "notification".to_owned() } else { shown(&item.resource) };
                intake.refuse(Refusal { file, line: None, index: Some(index), reason });
            }
            intake.finish()
        })?;
        Ok(Opened { arrived, sealed })
    }
}

fn message(content: Option<Fields>, subscription: &Subscription, intake: &mut Intake<'_>) -> Result<(), NotRead> {
    let mut content =
        content.ok_or_else(|| Shape("it has no message in it: make the subscription with includeResourceData and a certificate".into()))?;
    let json = subscription.open(&mut content)?;
    let json = std::str::from_utf8(&json).map_err(|_| Shape("its content is not UTF-8".into()))?;
    Ok(crate::teams::take_one(json, intake)??)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Made by openssl: `tests/vectors/teams/make.sh`.
    const NOTIFICATION: &str = include_str!("../../tests/vectors/teams/notification.json");
    const MESSAGE: &str = include_str!("../../tests/vectors/teams/message.json");
    const KEY: &str = include_str!("../../tests/vectors/teams/key.pem");

    fn subscription(client_state: &str, certificate: &str) -> Subscription {
        Subscription::new(Token::of(client_state).unwrap(), certificate, KEY).unwrap()
    }

    fn content(notification: &str) -> Fields {
        Notifications::read(notification.as_bytes()).unwrap().items.remove(0).content.unwrap()
    }

    #[test]
    fn a_message_of_openssl() {
        let ours = subscription("st4te", "cert-1");
        assert!(matches!(ours.open(&mut content(NOTIFICATION)), Ok(json) if json.as_slice() == MESSAGE.as_bytes()));
        let notifications = Notifications::read(NOTIFICATION.as_bytes()).unwrap();
        assert!(notifications.are_of(&ours) && !notifications.are_of(&subscription("st4tf", "cert-1")));
        let other = subscription("st4te", "cert-2").open(&mut content(NOTIFICATION));
        assert!(matches!(other, Err(NotRead::Sealed(Sealed::Elsewhere))));
    }

    #[test]
    fn what_was_changed_is_not_decrypted() {
        let ours = subscription("st4te", "cert-1");
        let mut fields = content(NOTIFICATION);
        let mut bytes = |field: &str| BASE64_STANDARD.decode(fields.text(field).unwrap().unwrap()).unwrap();
        let (data, signature, key) = (bytes("data"), bytes("dataSignature"), bytes("dataKey"));
        let changed = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            bytes
        };
        assert!(ours.decrypt(&data, &signature, &key).is_ok());
        for (data, signature, key) in [
            (changed(&data), signature.clone(), key.clone()),
            (data.clone(), changed(&signature), key.clone()),
            (data.clone(), signature.clone(), changed(&key)),
            (Vec::new(), signature.clone(), key.clone()),
            (data.clone(), Vec::new(), key.clone()),
            (data.clone(), signature.clone(), Vec::new()),
            (data.clone(), signature.clone(), vec![0; key.len()]),
            (data.clone(), signature.clone(), vec![255; 5000]),
        ] {
            assert_eq!(ours.decrypt(&data, &signature, &key), Err(Sealed::Shut));
        }
    }

    #[test]
    fn the_text_that_graph_wants_back() {
        let query = "a=b&validationToken=Validation%3a+Testing+client+%2B%C3%A9%3Cb%3E";
        assert_eq!(validation_token(Some(query)).as_deref(), Some("Validation: Testing client +é<b>"));
        assert_eq!((validation_token(None), validation_token(Some("x=y"))), (None, None));
    }

    #[test]
    fn keys_that_are_none() {
        let new = |key: &str| Subscription::new(Token::of("x").unwrap(), "c", key).unwrap_err();
        for key in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----"] {
            assert!(new(key).contains("openssl pkcs8") && !new(key).contains("hunter2"));
        }
        assert!(!format!("{:?}", subscription("st4te", "cert-1")).contains("st4te"));
    }
}
