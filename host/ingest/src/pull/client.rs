//! One question over HTTP, asked until it is answered, for as long as it may take.
//!
//! What a platform says of waiting is heeded (`Retry-After`, RFC 9110, 10.2.3, in seconds or as a date); where it says nothing the waits grow, and differ from
//! question to question. One that would have to wait for longer than [`LONGEST_WAIT`] is given up: what was read is stored, and the next pull goes on there.
//!
//! No redirect is followed, because a token would go along. Addresses are in no error and no log line: they hold ids, and tokens of pages.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use consign_model::{Backoff, Timestamp};
use futures::stream::{FuturesUnordered, StreamExt as _};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use tokio::sync::watch;

use super::Fault;
use super::settings::Address;

/// How long one answer may take, from the connection to its last byte.
const LIMIT: Duration = Duration::from_mins(2);
/// Bytes of an answer. Fifty messages of Teams are some hundred KiB.
const LARGEST: usize = 64 << 20;
/// How long a platform may have us wait at a time. Beyond it the pull ends, and says so.
const LONGEST_WAIT: Duration = Duration::from_mins(15);
/// How often a question is asked at most.
const ATTEMPTS: u32 = 20;
/// How long it is asked again where the platform says nothing of waiting: a wrong address is told in minutes.
const PATIENCE: i64 = 5 * 60 * 1000;
/// So many questions that are given up, with nothing answered in between, are a platform that is down, and not one user or page that it fails on.
const DOWN: u32 = 3;

/// Asks.
pub(super) struct Client {
    pub http: reqwest::Client,
    backoff: Backoff,
    asked: AtomicU64,
    /// Questions that were given up since the last one that was answered.
    given_up: AtomicU32,
    stop: watch::Receiver<bool>,
    /// That one of those who are asked at once met what ends the pull.
    halt: watch::Sender<bool>,
}

/// An answer that is no wish to be asked again.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
    /// When it was asked for: by our clock or the platform's, whichever is earlier.
    pub at: Timestamp,
}

/// How often a question was asked, and since when.
pub(super) struct Patience {
    id: String,
    since: Timestamp,
    attempts: u32,
}

impl Client {
    /// `stop`: that it is to end. What is being asked then is given up.
    pub fn new(to: &[&Address], stop: watch::Receiver<bool>) -> Result<Self, String> {
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(LIMIT)
            .user_agent(concat!("consign/", env!("CARGO_PKG_VERSION")));
        // What is in clear leaves this machine for no proxy either, and what goes elsewhere may need one.
        match to.iter().filter(|address| address.is_here()).count() {
            0 => {}
            here if here == to.len() => client = client.no_proxy(),
            _ => return Err("one of its addresses is this machine and another is not: name both alike".to_owned()),
        }
        let http = client.build().map_err(|error| format!("TLS can't be set up: {}", error.without_url()))?;
        let backoff = serde_json::from_value(serde_json::json!({ "first": "1s", "most": "2min", "within": "1h" })).unwrap_or_default();
        Ok(Self { http, backoff, asked: AtomicU64::new(0), given_up: AtomicU32::new(0), stop, halt: watch::channel(false).0 })
    }

    /// Asks as many at a time, until all were asked or one meets what ends the pull. The others then end with the page that they have, so nothing is
    /// being stored any more when this returns.
    pub async fn side_by_side<F: Future<Output = Result<(), Fault>>>(
        &self,
        at_once: usize,
        mut next: impl FnMut() -> Option<F>,
    ) -> Result<(), Fault> {
        self.halt.send_replace(false);
        let (mut running, mut outcome) = (FuturesUnordered::new(), Ok(()));
        loop {
            while outcome.is_ok()
                && running.len() < at_once
                && let Some(one) = next()
            {
                running.push(one);
            }
            match running.next().await {
                None => break,
                Some(Ok(())) => {}
                Some(Err(fault)) => {
                    self.halt.send_replace(true);
                    outcome = outcome.and(Err(fault));
                }
            }
        }
        self.halt.send_replace(false);
        outcome
    }

    /// Ready when it is to end.
    async fn ended(&self) {
        let (mut stop, mut halt) = (self.stop.clone(), self.halt.subscribe());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = halt.wait_for(|halt| *halt) => {}
        }
    }

    /// The patience with a new question.
    pub fn patience(&self) -> Patience {
        let since = Timestamp::now();
        Patience { id: format!("{} {since}", self.asked.fetch_add(1, Ordering::Relaxed)), since, attempts: 0 }
    }

    /// Asks until there is an answer. `make`: the question, made anew each time.
    pub async fn ask(&self, host: &str, make: impl Fn() -> RequestBuilder, patience: &mut Patience) -> Result<Answer, Fault> {
        loop {
            let outcome = tokio::select! {
                biased;
                () = self.ended() => return Err(Fault::Stopping),
                outcome = self.once(make()) => outcome,
            };
            let (why, after) = match outcome {
                Ok((answer, after)) => match answer.status {
                    StatusCode::TOO_MANY_REQUESTS => ("it says that it is asked too often".to_owned(), after),
                    StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                        (format!("it answers {}", answer.status.as_u16()), after)
                    }
                    _ => {
                        self.given_up.store(0, Ordering::Relaxed);
                        return Ok(answer);
                    }
                },
                Err(Failed::TooLarge) => {
                    return Err(Fault::Passed(format!("{host} answers with more than {} MiB, and no page is so large", LARGEST >> 20)));
                }
                Err(Failed::Unanswered(why)) => (why, None),
            };
            self.wait(host, patience, after, &why).await?;
        }
    }

    /// Waits before the next attempt, or gives up. What a platform fails on is passed over, as long as it answers other questions.
    pub async fn wait(&self, host: &str, patience: &mut Patience, after: Option<Duration>, why: &str) -> Result<(), Fault> {
        patience.attempts += 1;
        let now = Timestamp::now();
        let own = || {
            let next = self.backoff.next_without_end(&patience.id, patience.since, now);
            Duration::from_millis(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or_default())
        };
        let is_over = after.is_none() && now.0.saturating_sub(patience.since.0) > PATIENCE;
        let wait = after.unwrap_or_else(own);
        if wait > LONGEST_WAIT || patience.attempts >= ATTEMPTS || is_over {
            let minutes = wait.as_secs() / 60;
            let is_down = self.given_up.fetch_add(1, Ordering::Relaxed) + 1 >= DOWN;
            let why = format!(
                "{host} was asked {} times, and {why}; to be asked again in {minutes} min. What came is stored, and the next pull goes on from there",
                patience.attempts
            );
            return Err(if is_down { Fault::Source(why) } else { Fault::Passed(why) });
        }
        tracing::debug!(host, seconds = wait.as_secs(), "asking {host} again in {} s: {why}", wait.as_secs());
        tokio::select! {
            biased;
            () = self.ended() => return Err(Fault::Stopping),
            () = tokio::time::sleep(wait) => {}
        }
        if after.is_some() {
            // A wait that was asked for takes none of the time in which it has to answer.
            patience.since = Timestamp::now();
        }
        Ok(())
    }

    async fn once(&self, request: RequestBuilder) -> Result<(Answer, Option<Duration>), Failed> {
        let asked = Timestamp::now();
        let unanswered = |error: reqwest::Error| Failed::Unanswered(cause(error));
        let mut response = request.send().await.map_err(unanswered)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let now = Timestamp::now();
        let at = date(&headers).map_or(asked, |theirs| theirs.min(asked));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Failed::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((Answer { status, body, at }, retry_after(&headers, now)))
    }
}

enum Failed {
    Unanswered(String),
    TooLarge,
}

/// How long to wait, as the platform says.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // By the platform's own clock, where it says what that is.
    let until = DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis();
    let now = date(headers).unwrap_or(now);
    Some(Duration::from_millis(u64::try_from(until.saturating_sub(now.0)).unwrap_or_default()))
}

/// The platform's clock.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let time = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    Timestamp::from_millis(time.timestamp_millis()).ok()
}

/// What is in the way, without the address.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it did not answer within {} s", LIMIT.as_secs());
    }
    let (mut text, error) = (String::new(), error.without_url());
    let mut next: Option<&dyn Error> = Some(&error);
    while let Some(one) = next {
        text.push_str(if text.is_empty() { "" } else { ": " });
        text.push_str(&one.to_string());
        next = one.source();
    }
    text
}

/// Trusts the system's authorities, by the same library as the rest of the program.
fn tls() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // None is an error only for who connects by TLS; the handshake says so then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS can't be set up: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn both_forms_of_waiting() {
        let now = Timestamp::parse("2026-01-05T08:00:00Z").unwrap();
        for (after, date, wait) in [
            ("0", None, Some(0)),
            (" 120 ", None, Some(120)),
            ("Mon, 05 Jan 2026 08:01:30 GMT", None, Some(90)),
            ("Mon, 05 Jan 2026 07:00:00 GMT", None, Some(0)),
            // Whose clock is an hour behind means the time from its own on.
            ("Mon, 05 Jan 2026 07:00:10 GMT", Some("Mon, 05 Jan 2026 07:00:00 GMT"), Some(10)),
            ("soon", None, None),
            ("-5", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, after.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers, now), wait.map(Duration::from_secs), "{after}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
