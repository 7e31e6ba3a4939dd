//! Who vouches for people: issuers of `OpenID` Connect that the operator's settings name, and what the settings let whom do.
//!
//! ```text
//! browser ─▶ begin (state, nonce, PKCE; kept by the browser, under our seal) ─▶ issuer ─▶ back (seal, state) ─▶ exchange (code, verifier) ─▶ id_token (checked) ─▶ rules ─▶ session
//! ```
//! Nothing is kept here of somebody who has only begun: it is all in a cookie of their browser, which we have sealed, so nobody fills our memory, and an answer that another browser
//! was to get is no good in this one. Of what the issuer gives the `id_token` is read once and dropped, with the access token beside it. Which claims open what is said by the settings alone,
//! and asked again with each page (`Issuers::still`): so who is taken out of them is out.

mod id_token;
mod issuer;
mod jws;
mod pending;
mod rules;

use consign_model::access::Person;
use consign_model::target::SecretSource;
use consign_model::{Name, TenantId};
use reqwest::Url;
use ring::hmac;
use serde::Deserialize;

pub use self::id_token::same;
pub use self::issuer::{Fault, Issuer, shown};
pub use self::pending::Pending;
use self::rules::Rule;
use crate::api::random;
use crate::outward::is_loopback;

/// `[[sign-in]]` of the settings of `serve`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SignInSettings {
    /// By which the console's addresses and the audit log call it.
    name: Name,
    /// What stands on its button.
    title: Option<String>,
    /// As it calls itself: what stands before `/.well-known/openid-configuration`.
    issuer: String,
    /// What it knows us by.
    client_id: String,
    /// What proves it; unset: PKCE alone does, with an issuer that takes us for a public client.
    client_secret: Option<SecretSource>,
    /// Scopes beside `openid`.
    #[serde(default = "usual_scopes")]
    scopes: Vec<String>,
    /// Leave to ask in clear on another machine.
    #[serde(default)]
    allow_plaintext: bool,
    /// Who is let in as what: the first that fits.
    rules: Vec<Rule>,
}

fn usual_scopes() -> Vec<String> {
    vec!["email".to_owned()]
}

/// Why `[[sign-in]]` can't be used. No secret stands in the text.
#[derive(Debug, thiserror::Error)]
#[error("[[sign-in]] {name}: {what}")]
pub struct SignInError {
    name: Name,
    what: String,
}

/// All issuers that the settings name.
pub struct Issuers {
    all: Vec<Issuer>,
    /// Where a browser finds the console.
    url: String,
    /// Under which browsers keep what they have begun. Of this process: who is at the issuer's page while it is started anew begins again.
    seal: hmac::Key,
}

impl Issuers {
    /// As the settings say. Reads the secrets, and asks nobody yet: an issuer that is away keeps nobody from starting, or from signing in with a token.
    pub fn open(settings: &[SignInSettings], url: Option<&str>) -> Result<Self, SignInError> {
        let mut all: Vec<Issuer> = Vec::new();
        for one in settings {
            let wrong = |what: String| SignInError { name: one.name.clone(), what };
            if all.iter().any(|other| other.name == one.name) {
                return Err(wrong("it stands twice: keep one".to_owned()));
            }
            if url.is_none() {
                let what = "the issuer has to send browsers back, and where the console is stands nowhere: write url = \"https://…\" below [api]";
                return Err(wrong(what.to_owned()));
            }
            all.push(Issuer::open(one).map_err(wrong)?);
        }
        let seal = random().map_err(|error| SignInError { name: Name::from_static("all"), what: error.to_string() })?;
        Ok(Self { all, url: url.unwrap_or_default().to_owned(), seal: hmac::Key::new(hmac::HMAC_SHA256, &seal) })
    }

    /// All of them, in the order of the settings.
    pub fn all(&self) -> &[Issuer] {
        &self.all
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Issuer> {
        self.all.iter().find(|one| one.name.as_str() == name)
    }

    /// Where the issuer sends a browser back to. It is registered there.
    pub fn way_back(&self, issuer: &Issuer) -> String {
        format!("{}/console/sign-in/{}/back", self.url, issuer.name)
    }

    /// Under which browsers keep what they have begun.
    pub fn seal(&self) -> &hmac::Key {
        &self.seal
    }

    /// Whether the settings still let somebody in as what they have signed in as.
    pub fn still(&self, person: &Person, home: &TenantId) -> bool {
        let decided = self.get(person.issuer.as_str()).and_then(|issuer| rules::decide(&issuer.rules, &person.claims));
        decided.is_some_and(|(tenant, role)| tenant == *home && role == person.role)
    }
}

/// An address that may be asked: by TLS, or in clear where that stays on this machine or somebody has agreed to it.
fn address(text: &str, allow_plaintext: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("'{}' is no URL ({error}): write https://…", text.escape_debug()))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_plaintext || is_loopback(&url) => Ok(url),
        "http" => Err(format!("http would ask {} in clear: use https, or say allow-plaintext = true", url.host_str().unwrap_or_default())),
        other => Err(format!("it begins with {other}: it has to be https, or http to this machine")),
    }
}
