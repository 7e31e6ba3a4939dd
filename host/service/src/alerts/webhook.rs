//! Telling a program of somebody else's that an alert fired or was resolved: a POST as [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! At least once: a notice stays owed until a 2xx was answered, and comes with the same `webhook-id` each time, by which a receiver knows it. Those of one
//! alert come in their order, of different alerts none waits for another. It is never given up: the queue is bounded by what alerts there are, and
//! a receiver that was away for a week is to know what fires.
//!
//! Nothing here is waited for by a run. An address of a webhook is often as good as a password, so of it no more than the host is ever shown.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_model::alert::{AlertKind, Change, Notice};
use consign_model::target::SecretSource;
use consign_model::{Backoff, Name, TenantId, Timestamp};
use reqwest::{Client, Url};
use ring::hmac;
use serde::Deserialize;
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::book::Book;
use crate::metrics::{Delivered, TenantMetrics};
use crate::outward::{cause, client, is_loopback};
use crate::scheduler::Clock;

/// How long one try may take, with looking up the name, connecting and the answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest sleep while something is owed: a clock that was set is noticed within it.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// What Standard Webhooks lets a secret be, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const PREFIX: &str = "whsec_";

/// `[alerts]` of the settings of `serve`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AlertSettings {
    /// Where alerts are told.
    webhook: Option<String>,
    /// What they are signed with.
    secret: Option<SecretSource>,
    /// Which are told; all, where none is named.
    kinds: Option<BTreeSet<AlertKind>>,
    /// Leave to tell them in clear to another machine.
    allow_plaintext: bool,
    /// Sources that are meant to be silent.
    pub(super) silent_sources: BTreeSet<Name>,
}

/// Why `[alerts]` can't be used. Neither the secret nor the address, but for its host, stands in the text.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A key is there without what it belongs to.
    #[error("[alerts] has {has} and no {lacks}: {hint}")]
    Incomplete {
        /// What is there.
        has: &'static str,
        /// What is not.
        lacks: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The address.
    #[error("[alerts] webhook: {0}")]
    Address(String),
    /// The secret can't be read.
    #[error("[alerts] secret: {place} {what}")]
    Secret {
        /// Where it is read.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// TLS can't be set up.
    #[error("[alerts] webhook: TLS can't be set up: {0}")]
    Tls(String),
}

/// Where alerts are told, and how.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    client: Client,
    key: hmac::Key,
    /// Which alerts.
    pub(super) kinds: BTreeSet<AlertKind>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("host", &self.url.host_str()).field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl Webhook {
    /// As the settings say; unset where they name none. Reads the secret.
    pub fn open(settings: &AlertSettings) -> Result<Option<Self>, WebhookError> {
        let AlertSettings { webhook, secret, kinds, allow_plaintext, .. } = settings;
        let (address, secret) = match (webhook, secret) {
            (Some(address), Some(secret)) => (address, secret),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                let hint = "alerts are signed; write secret = { env = \"NAME\" } or { file = \"PATH\" }";
                return Err(WebhookError::Incomplete { has: "a webhook", lacks: "secret", hint });
            }
            (None, Some(_)) => {
                return Err(WebhookError::Incomplete {
                    has: "a secret",
                    lacks: "webhook",
                    hint: "write webhook = \"https://…\", or take the secret out",
                });
            }
        };
        let url = Url::parse(address).map_err(|error| WebhookError::Address(format!("it is no URL ({error}): write it as https://host/path")))?;
        let is_here = is_loopback(&url);
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if is_here || *allow_plaintext => {}
            "http" => {
                let what = format!("http would send it to {host} in clear: use https, or say allow-plaintext = true");
                return Err(WebhookError::Address(what));
            }
            other => return Err(WebhookError::Address(format!("it begins with {other}: it has to be https, or http to this machine"))),
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &read_secret(secret)?);
        let client = client(is_here, LIMIT).map_err(WebhookError::Tls)?;
        let kinds = kinds.clone().unwrap_or_else(|| AlertKind::ALL.into());
        Ok(Some(Self { url, client, key, kinds }))
    }

    /// Tries once. The error is for the log.
    async fn post(&self, tenant: &TenantId, notice: &Notice, now: Timestamp) -> Result<(), Refused> {
        let body = body(tenant, notice);
        let seconds = now.0.div_euclid(1_000);
        let signature = sign(&self.key, &notice.id, seconds, &body);
        let request = self.client.post(self.url.clone()).header("content-type", "application/json").header("webhook-id", &notice.id);
        let request = request.header("webhook-timestamp", seconds).header("webhook-signature", signature).body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(Refused::Status(answer.status().as_u16())),
            Err(error) => Err(Refused::Failed(cause(error, LIMIT))),
        }
    }
}

enum Refused {
    /// It answered with something else than a 2xx.
    Status(u16),
    /// It did not answer.
    Failed(String),
}

/// The bytes of the secret.
fn read_secret(source: &SecretSource) -> Result<Vec<u8>, WebhookError> {
    let (place, text) = match source {
        SecretSource::Env(name) => {
            let text = std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => "is unset".to_owned(),
                std::env::VarError::NotUnicode(_) => "is not UTF-8".to_owned(),
            });
            (format!("the environment variable {name}"), text)
        }
        SecretSource::File(file) => {
            (format!("the file {}", file.display()), std::fs::read_to_string(file).map_err(|error| format!("can't be read: {error}")))
        }
        SecretSource::Kept(_) => {
            ("a secret of a tenant".to_owned(), Err("is kept for targets alone: write { env = \"NAME\" } or { file = \"PATH\" }".to_owned()))
        }
        SecretSource::Command(_) => ("a command".to_owned(), Err("is not asked for it: write { env = \"NAME\" } or { file = \"PATH\" }".to_owned())),
    };
    let wrong = |what: String| WebhookError::Secret { place: place.clone(), what };
    let text = text.map_err(wrong)?;
    let bytes = text.trim_end().strip_prefix(PREFIX).and_then(|text| BASE64_STANDARD.decode(text).ok());
    let bytes = bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
    bytes.ok_or_else(|| {
        let (least, most) = SECRET_BYTES.into_inner();
        wrong(format!(
            "does not hold {PREFIX} and {least} to {most} bytes in base64 after it: make one by echo \"{PREFIX}$(openssl rand -base64 32)\""
        ))
    })
}

/// What is sent.
fn body(tenant: &TenantId, notice: &Notice) -> String {
    let mut alert = serde_json::to_value(&notice.alert).unwrap_or_default();
    if let Some(fields) = alert.as_object_mut() {
        fields.insert("text".to_owned(), notice.text().into());
    }
    let kind = match notice.change {
        Change::Fired => "alert.fired",
        Change::Resolved => "alert.resolved",
    };
    serde_json::json!({ "id": notice.id, "type": kind, "timestamp": notice.at, "tenant": tenant, "alert": alert }).to_string()
}

/// The header's value.
fn sign(key: &hmac::Key, id: &str, seconds: i64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag.as_ref()))
}

/// A shorter one than of e-mails: who is paged wants to be soon after the webhook is back.
fn backoff() -> Backoff {
    serde_json::from_value(serde_json::json!({ "first": "2s", "most": "5min" })).unwrap_or_default()
}

/// Tells what is owed, as long as it is left to. `news` wakes it.
pub(super) async fn tell<C: Clock>(webhook: &Webhook, tenant: &TenantId, book: &Arc<Book>, metrics: &TenantMetrics, clock: &C, news: &Notify) {
    let (backoff, mut tries) = (backoff(), HashMap::<String, (Timestamp, Timestamp)>::new());
    let mut is_away = false;
    loop {
        let owed = book.owed();
        tries.retain(|id, _| owed.iter().any(|notice| notice.id == *id));
        metrics.owed(book.count_owed());
        let mut wait = LOOK_AGAIN;
        let mut delivered = false;
        for notice in owed {
            let now = clock.now();
            if let Some((_, next)) = tries.get(&notice.id).filter(|(_, next)| *next > now) {
                let pause = Duration::from_millis(u64::try_from(next.0 - now.0).unwrap_or_default());
                // A clock that was set back makes it no later than its longest wait.
                wait = wait.min(pause);
                continue;
            }
            if !on_disk(book, {
                let id = notice.id.clone();
                move |book| book.attempt(&id)
            })
            .await
            .unwrap_or_default()
            {
                continue;
            }
            let refused = match webhook.post(tenant, &notice, now).await {
                Ok(()) => {
                    metrics.delivery(Delivered::Taken);
                    if std::mem::take(&mut is_away) {
                        info!("the webhook takes alerts again");
                    }
                    let id = notice.id.clone();
                    on_disk(book, move |book| book.told(&id)).await;
                    // The next one of the same alert may be told now.
                    delivered = true;
                    continue;
                }
                Err(Refused::Status(code)) => {
                    metrics.delivery(Delivered::Refused);
                    format!("it answered {code}")
                }
                Err(Refused::Failed(cause)) => {
                    metrics.delivery(Delivered::Failed);
                    cause
                }
            };
            let since = tries.get(&notice.id).map_or(now, |(since, _)| *since);
            let next = backoff.next_without_end(&notice.id, since, now);
            tries.insert(notice.id.clone(), (since, next));
            wait = wait.min(Duration::from_millis(u64::try_from(next.0 - now.0).unwrap_or_default()));
            let host = webhook.url.host_str().unwrap_or_default();
            if std::mem::replace(&mut is_away, true) {
                debug!(notice = notice.id, "the webhook at {host} did not take an alert: {refused}");
            } else {
                warn!(notice = notice.id, "the webhook at {host} did not take an alert: {refused}. It is tried again until it does");
            }
        }
        if delivered {
            continue;
        }
        tokio::select! {
            () = news.notified() => {}
            () = clock.sleep(wait) => {}
        }
    }
}

/// Does something that writes to the disk, where that holds up nothing else. Unset where the program is ending.
pub(super) async fn on_disk<T: Send + 'static>(book: &Arc<Book>, work: impl FnOnce(&Book) -> T + Send + 'static) -> Option<T> {
    let book = Arc::clone(book);
    tokio::task::spawn_blocking(move || work(&book)).await.ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The example in the specification of Standard Webhooks.
    #[test]
    fn the_signature_of_the_specification() {
        let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signed = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    fn settings(toml: &str) -> Result<Option<Webhook>, String> {
        let settings: AlertSettings = toml::from_str(toml).map_err(|error| error.message().to_owned())?;
        Webhook::open(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_can_not_be_used_is_said_without_the_address_and_the_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secret = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            format!("secret = {{ file = {:?} }}\n", file.path())
        };
        let good = secret(&format!("whsec_{}\n", BASE64_STANDARD.encode([7; 32])));
        for webhook in ["https://pager.example/sesame", "http://127.0.0.1:9/sesame", "http://[::1]:9/", "http://localhost/"] {
            let opened = settings(&format!("webhook = {webhook:?}\n{good}")).unwrap().unwrap();
            assert!(!format!("{opened:?}").contains("sesame"));
        }
        settings(&format!("webhook = \"http://pager.example/\"\nallow-plaintext = true\nkinds = [\"held\"]\n{good}")).unwrap().unwrap();
        assert!(settings("").unwrap().is_none());
        for (toml, says) in [
            ("webhook = \"https://pager.example/sesame\"".to_owned(), "no secret"),
            (good.clone(), "no webhook"),
            (format!("webhook = \"http://pager.example/sesame\"\n{good}"), "in clear"),
            (format!("webhook = \"ftp://pager.example/sesame\"\n{good}"), "https"),
            (format!("webhook = \"pager/sesame\"\n{good}"), "no URL"),
            (format!("kinds = [\"unheard-of\"]\n{good}"), "unknown variant"),
            ("webhook = \"https://pager.example/\"\nsecret = { env = \"NO_SUCH_VARIABLE\" }".to_owned(), "NO_SUCH_VARIABLE is unset"),
            ("webhook = \"https://pager.example/\"\nsecret = { file = \"/no/such\" }".to_owned(), "/no/such can't be read"),
            ("webhook = \"https://pager.example/\"\nsecret = { command = [\"sesame\"] }".to_owned(), "env"),
        ] {
            let error = settings(&toml).unwrap_err();
            assert!(error.contains(says) && !error.contains("sesame"), "{toml}: {error}");
        }
        for text in ["sesame", "whsec_sesame", "whsec_c2VzYW1l"] {
            let error = settings(&format!("webhook = \"https://pager.example/\"\n{}", secret(text))).unwrap_err();
            assert!(error.contains("openssl rand") && !error.contains("sesame") && !error.contains("c2VzYW1l"), "{error}");
        }
    }

    #[test]
    fn tries_come_soon_and_then_each_five_minutes() {
        let (backoff, since) = (backoff(), Timestamp(0));
        assert!((2_000..=4_000).contains(&backoff.next_without_end("a", since, since).0));
        let later = Timestamp(86_400_000);
        let wait = backoff.next_without_end("a", since, later).0 - later.0;
        assert!((225_000..=300_000).contains(&wait), "{wait}");
    }
}
