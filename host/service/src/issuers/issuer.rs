//! One issuer: what it says of itself, its keys, and the exchange of a code for a token.
//!
//! What it says is kept for an hour, so signing in asks it once. A key that is not known has the keys asked for again, at most once in half a minute: an issuer may change its keys at any
//! time, and who makes up names of keys must not have us ask for them. Nobody waits for it longer than [`LIMIT`], and for a few seconds after it did not answer nobody asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_model::access::{Person, Role};
use consign_model::target::SecretSource;
use consign_model::{Name, TenantId, Timestamp};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::debug;
use zeroize::Zeroizing;

use super::id_token::{Expected, Key, check, named_key};
use super::rules::{self, EMAIL, Rule};
use super::{Pending, SignInSettings, address, jws};
use crate::outward::{cause, client, is_loopback};

/// For one question, with looking up the name, connecting and the whole answer.
const LIMIT: Duration = Duration::from_secs(10);
/// How long what it said of itself is taken as said.
const FRESH: Duration = Duration::from_hours(1);
/// Between two times that its keys are asked for because one is not known.
const AGAIN: Duration = Duration::from_secs(30);
/// How long it is not asked after it did not answer.
const REST: Duration = Duration::from_secs(5);
/// Bytes of what it says of itself, and of its keys.
const LARGEST: usize = 256 << 10;
/// Bytes of its answer to a code. Its token has all groups of somebody.
const LARGEST_TOKEN: usize = 128 << 10;
/// Keys that are looked at.
const KEYS: usize = 64;
/// Of `sub`, by `OpenID` Connect Core 2.
const SUBJECT: usize = 255;

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It does not answer, or not with success.
    #[error("{0}")]
    Away(String),
    /// What it answers is not what it should be.
    #[error("{0}")]
    Wrong(String),
    /// Its token does not hold.
    #[error("what the issuer says of you does not hold: {0}")]
    Token(&'static str),
    /// It vouches for them, and no rule lets them in.
    #[error("the issuer knows you, and no rule of this installation lets you in")]
    NotLetIn,
}

/// It.
pub struct Issuer {
    pub(super) name: Name,
    title: String,
    /// As it calls itself.
    id: String,
    client_id: String,
    secret: Option<Zeroizing<String>>,
    scopes: Vec<String>,
    allow_plaintext: bool,
    pub(super) rules: Vec<Rule>,
    client: Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    said: Option<(Arc<Said>, Arc<Vec<Key>>, Instant)>,
    asked_again: Option<Instant>,
    failed: Option<(Instant, String)>,
}

/// What it says of itself (`OpenID` Connect Discovery 1.0, 3), as far as it is needed.
#[derive(Deserialize)]
struct Said {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 9207.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What it answers to a code. The access token beside it is not even read.
#[derive(Deserialize)]
struct Answer {
    id_token: String,
}

impl Issuer {
    /// As the settings say. The error is what is wrong, without the secret.
    pub(super) fn open(settings: &SignInSettings) -> Result<Self, String> {
        jws::install();
        let SignInSettings { name, title, issuer, client_id, client_secret, scopes, allow_plaintext, rules } = settings.clone();
        let url = address(&issuer, allow_plaintext).map_err(|error| format!("issuer: {error}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("issuer: it has a ? or a #, and no issuer's name has".to_owned());
        }
        if rules.is_empty() {
            return Err("rules: there is none, so nobody would be let in".to_owned());
        }
        let fits = |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if !scopes.iter().all(fits) {
            return Err("scopes: a scope is a word without blanks and quotes".to_owned());
        }
        let secret = client_secret.as_ref().map(secret).transpose()?;
        let client = client(is_loopback(&url), LIMIT).map_err(|error| format!("TLS can't be set up: {error}"))?;
        let title = title.unwrap_or_else(|| name.to_string());
        Ok(Self { name, title, id: issuer, client_id, secret, scopes, allow_plaintext, rules, client, known: Mutex::default() })
    }

    /// By which the console's addresses call it.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What stands on its button.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where a browser goes to sign in.
    pub async fn way_there(&self, pending: &Pending, way_back: &str) -> Result<Url, Fault> {
        let (said, _) = self.known().await?;
        let mut url = self.endpoint(&said.authorization_endpoint)?;
        let scopes = std::iter::once("openid").chain(self.scopes.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", way_back)
            .append_pair("scope", &scopes)
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Whether an answer that names its issuer (RFC 9207) is this one's; one that always does may not leave it out.
    pub async fn has_answered(&self, named: Option<&str>) -> Result<(), Fault> {
        let (said, _) = self.known().await?;
        match named {
            Some(named) if named != said.issuer => Err(Fault::Wrong("another issuer has answered".to_owned())),
            None if said.authorization_response_iss_parameter_supported => {
                Err(Fault::Wrong("the answer does not say which issuer it is by".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Who it is that has signed in there, and what they may do here.
    pub async fn exchange(&self, code: &str, pending: &Pending, way_back: &str) -> Result<(Person, TenantId), Fault> {
        let (said, _) = self.known().await?;
        let request = self.question(&said, code, pending, way_back)?;
        let answer: Answer = read(&self.ask(request, LARGEST_TOKEN).await?, "its answer to the code")?;
        let token = Zeroizing::new(answer.id_token);
        let claims = self.claims(&token, &pending.nonce).await?;
        self.person(&claims)
    }

    /// What the code is shown with.
    fn question(&self, said: &Said, code: &str, pending: &Pending, way_back: &str) -> Result<RequestBuilder, Fault> {
        let request = self.client.post(self.endpoint(&said.token_endpoint)?).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", way_back)
            .append_pair("code_verifier", &pending.verifier);
        let methods = &said.token_endpoint_auth_methods_supported;
        let takes = |method: &str| methods.iter().any(|one| one == method);
        let request = match &self.secret {
            // What is meant where nothing is said (RFC 8414, 2).
            Some(secret) if methods.is_empty() || takes("client_secret_basic") => {
                let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let both = Zeroizing::new(format!("{}:{}", part(&self.client_id), part(secret)));
                request.header(AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(both.as_bytes())))
            }
            Some(secret) => {
                form.append_pair("client_id", &self.client_id).append_pair("client_secret", secret);
                request
            }
            None => {
                form.append_pair("client_id", &self.client_id);
                request
            }
        };
        Ok(request.body(form.finish()))
    }

    async fn claims(&self, token: &str, nonce: &str) -> Result<Value, Fault> {
        let kid = named_key(token).map_err(Fault::Token)?;
        let expected = Expected { issuer: &self.id, client_id: &self.client_id, nonce };
        let (said, mut keys) = self.known().await?;
        let mut at = place(&keys, kid.as_deref());
        if at.is_none() {
            keys = self.keys_again(&said, keys).await?;
            at = place(&keys, kid.as_deref());
        }
        let key = at.and_then(|at| keys.get(at)).ok_or(Fault::Token("the issuer has no such key as it is signed with"))?;
        check(token, key, &expected, Timestamp::now()).map_err(Fault::Token)
    }

    fn person(&self, claims: &Value) -> Result<(Person, TenantId), Fault> {
        let subject = claims["sub"].as_str().filter(|sub| !sub.is_empty() && sub.len() <= SUBJECT && !sub.chars().any(char::is_control));
        let subject = subject.ok_or(Fault::Token("it does not say who you are"))?.to_owned();
        let seen = rules::seen(&self.rules, claims);
        let (tenant, role): (TenantId, Role) = rules::decide(&self.rules, &seen).ok_or(Fault::NotLetIn)?;
        Ok((Person { issuer: self.name.clone(), subject, email: rules::email(claims), role, claims: seen }, tenant))
    }

    /// Whether a rule goes by the address: who is refused is told that it has to be a checked one.
    pub fn asks_for_email(&self) -> bool {
        self.rules.iter().any(|rule| rule.claim() == EMAIL)
    }

    /// What it says of itself and its keys, asked for where that is old.
    async fn known(&self) -> Result<(Arc<Said>, Arc<Vec<Key>>), Fault> {
        let mut known = self.known.lock().await;
        if let Some((said, keys, at)) = &known.said
            && at.elapsed() < FRESH
        {
            return Ok((Arc::clone(said), Arc::clone(keys)));
        }
        if let Some((at, why)) = &known.failed
            && at.elapsed() < REST
        {
            return Err(Fault::Away(why.clone()));
        }
        match self.look().await {
            Ok((said, keys)) => {
                let (said, keys) = (Arc::new(said), Arc::new(keys));
                *known = Known { said: Some((Arc::clone(&said), Arc::clone(&keys), Instant::now())), asked_again: known.asked_again, failed: None };
                Ok((said, keys))
            }
            Err(fault) => {
                known.failed = Some((Instant::now(), fault.to_string()));
                Err(fault)
            }
        }
    }

    async fn look(&self) -> Result<(Said, Vec<Key>), Fault> {
        let at = format!("{}/.well-known/openid-configuration", self.id.trim_end_matches('/'));
        let said: Said =
            read(&self.ask(self.client.get(self.endpoint(&at)?).header(ACCEPT, "application/json"), LARGEST).await?, "what it says of itself")?;
        // Else somebody else's description would do, with somebody else's keys.
        if said.issuer != self.id {
            return Err(Fault::Wrong(format!("it calls itself '{}', and the settings call it '{}'", shown(&said.issuer), self.id)));
        }
        let keys = self.keys(&said).await?;
        Ok((said, keys))
    }

    async fn keys(&self, said: &Said) -> Result<Vec<Key>, Fault> {
        let set: Value =
            read(&self.ask(self.client.get(self.endpoint(&said.jwks_uri)?).header(ACCEPT, "application/json"), LARGEST).await?, "its list of keys")?;
        let all = set["keys"].as_array().ok_or_else(|| Fault::Wrong("its list of keys is none".to_owned()))?;
        // Keys that are not for this, or of kinds that are not known, are others' business.
        Ok(all.iter().take(KEYS).filter_map(|key| usable(serde_json::from_value(key.clone()).ok()?)).collect())
    }

    /// Its keys, asked for again where that was not done just now.
    async fn keys_again(&self, said: &Said, before: Arc<Vec<Key>>) -> Result<Arc<Vec<Key>>, Fault> {
        let mut known = self.known.lock().await;
        if known.asked_again.is_some_and(|at| at.elapsed() < AGAIN) {
            // Somebody else may have asked meanwhile.
            return Ok(known.said.as_ref().map_or(before, |(_, keys, _)| Arc::clone(keys)));
        }
        known.asked_again = Some(Instant::now());
        let keys = Arc::new(self.keys(said).await?);
        if let Some((_, old, _)) = &mut known.said {
            *old = Arc::clone(&keys);
        }
        Ok(keys)
    }

    fn endpoint(&self, text: &str) -> Result<Url, Fault> {
        address(text, self.allow_plaintext).map_err(|error| Fault::Wrong(format!("an address of its own is not right: {error}")))
    }

    /// Asks it, and reads no more of what it answers than this.
    async fn ask(&self, request: RequestBuilder, most: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let away = |error: reqwest::Error| Fault::Away(cause(error, LIMIT));
        let mut answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > most {
                return Err(Fault::Wrong(format!("it answers with more than {most} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let said: Option<Value> = serde_json::from_slice(&body).ok();
            let code = said.as_ref().and_then(|said| said["error"].as_str()).map(|code| format!(" ({})", shown(code))).unwrap_or_default();
            debug!(issuer = %self.name, %status, "an issuer refuses");
            let says = format!("it answers {}{code}", status.as_u16());
            return Err(if status.is_server_error() { Fault::Away(says) } else { Fault::Wrong(says) });
        }
        Ok(body)
    }
}

/// Which key a token means: the one of that name, or the only one.
fn place(keys: &[Key], kid: Option<&str>) -> Option<usize> {
    match kid {
        Some(kid) => keys.iter().position(|key| key.kid.as_deref() == Some(kid)),
        None => (keys.len() == 1).then_some(0),
    }
}

/// A key by which an issuer may sign.
fn usable(jwk: Jwk) -> Option<Key> {
    let is_for_signing = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
    let material = DecodingKey::from_jwk(&jwk).ok().filter(|key| is_for_signing && jws::ALLOWED.iter().any(|one| one.family() == key.family()))?;
    Some(Key {
        kid: jwk.common.key_id,
        algorithm: jwk.common.key_algorithm.and_then(|algorithm| serde_json::to_value(algorithm).ok()?.as_str().map(str::to_owned)),
        material,
    })
}

/// An answer as JSON. The error says nothing of what stands there.
fn read<T: serde::de::DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|_| Fault::Wrong(format!("{what} is not what it should be")))
}

/// What a stranger calls something, for a person.
pub fn shown(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_debug().to_string()
}

/// The client's secret.
fn secret(source: &SecretSource) -> Result<Zeroizing<String>, String> {
    let (place, text) = match source {
        SecretSource::Env(name) => (format!("the environment variable {name}"), std::env::var(name).map_err(|_| "is unset, or no text".to_owned())),
        SecretSource::File(file) => {
            (format!("the file {}", file.display()), std::fs::read_to_string(file).map_err(|error| format!("can't be read: {error}")))
        }
        SecretSource::Kept(_) | SecretSource::Command(_) => return Err("client-secret: write { file = \"PATH\" } or { env = \"NAME\" }".to_owned()),
    };
    let text = Zeroizing::new(text.map_err(|why| format!("client-secret: {place} {why}"))?);
    let line = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if line.is_empty() { Err(format!("client-secret: {place} is empty")) } else { Ok(line) }
}
