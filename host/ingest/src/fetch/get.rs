//! One file, from its address into the archive.
//!
//! Redirects are followed here and not by the client: each is an address that somebody else chose, so each is judged like the first, and the token stays with
//! the host that it was first sent to, whatever the other one is. What comes goes to the archive piece by piece; dropped before its end it leaves nothing
//! there. Nothing is unpacked: packed is asked for by nobody, and a bomb that nobody opens is a file.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use consign_archive::{ArchiveError, ArchiveWriter};
use consign_model::target::SecretSource;
use consign_model::{Backoff, Digest, Reason, Timestamp};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use tokio::sync::Mutex;

use super::address::{NameFault, Reach, is_loopback};
use super::config::HostRule;
use super::kind;
use crate::receive::secret;

/// Redirects that are followed. Platforms need two: to where the file lies, and to that place's own server.
const HOPS: usize = 5;

/// Some hosts, and how their files are asked for.
pub(super) struct Rule {
    pub hosts: Vec<HostRule>,
    pub token: Option<Token>,
    /// Microsoft Graph, where it is asked for the files of these hosts.
    pub graph: Option<Url>,
    pub client: Client,
    pub reach: Reach,
    pub max_size: u64,
    pub time: Duration,
    pub backoff: Backoff,
}

/// A rule's token. Graph's live for an hour: what is refused with it is asked for once more where there is another by then.
pub(super) struct Token {
    place: SecretSource,
    kept: Mutex<Kept>,
}

struct Kept {
    /// `Bearer …`.
    header: HeaderValue,
    /// When it was read again last.
    renewed: Option<Instant>,
}

/// A token is not read again within this time: of many files that are refused at once one alone has it read.
const TOKEN_AGAIN: Duration = Duration::from_secs(10);

impl Token {
    /// Reads it. The error says what is wrong, and nothing of it.
    pub async fn open(place: SecretSource) -> Result<Self, String> {
        let header = Self::read(&place).await?;
        Ok(Self { place, kept: Mutex::new(Kept { header, renewed: None }) })
    }

    async fn read(place: &SecretSource) -> Result<HeaderValue, String> {
        let secret = secret::read(place).await.map_err(|fault| fault.to_string())?;
        let header = HeaderValue::from_str(&format!("Bearer {}", secret.as_str()));
        let mut header = header.map_err(|_| "its token has what no header may have: it is one line of ASCII".to_owned())?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn header(&self) -> HeaderValue {
        self.kept.lock().await.header.clone()
    }

    /// Reads it again, because `used` was refused. Whether there is another one now.
    async fn renew(&self, used: &HeaderValue) -> bool {
        let mut kept = self.kept.lock().await;
        if kept.header == *used && kept.renewed.is_none_or(|at| at.elapsed() >= TOKEN_AGAIN) {
            kept.renewed = Some(Instant::now());
            match Self::read(&self.place).await {
                Ok(header) => kept.header = header,
                Err(what) => tracing::warn!("a token for fetching can't be read again, and the one before is used on: {what}"),
            }
        }
        kept.header != *used
    }
}

impl Rule {
    /// What is asked for this address: itself, or Graph for what lies there (`GET /shares/{encoded}/driveItem/content`, which sends on to an address that
    /// opens without a token, for a while).
    fn way(&self, url: &Url) -> Result<Url, Reason> {
        let Some(mut way) = self.graph.clone() else { return Ok(url.clone()) };
        let shared = format!("u!{}", BASE64_URL_SAFE_NO_PAD.encode(url.as_str()));
        way.path_segments_mut().map_err(|()| Reason::BadAddress)?.pop_if_empty().extend(["shares", &shared, "driveItem", "content"]);
        if self.reach.may_have(&way) { Ok(way) } else { Err(Reason::AddressNotAllowed) }
    }
}

/// A file that is asked for: what messages say of it. Equal ones are asked for once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub url: Url,
    pub media_type: String,
    pub name: String,
    /// As the platform says; unset too where it says 0, as it does for what lies elsewhere.
    pub size: Option<u64>,
}

/// A file that is in the archive now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Got {
    pub digest: Digest,
    pub size: u64,
    /// What its bytes say that it is.
    pub found: Option<&'static str>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Miss {
    pub reason: Reason,
    /// When the server wants to be asked again, at the earliest.
    pub not_before: Option<Timestamp>,
}

impl From<Reason> for Miss {
    fn from(reason: Reason) -> Self {
        Self { reason, not_before: None }
    }
}

/// What stops all, or this file alone.
pub(super) enum Fault {
    Miss(Miss),
    Archive(ArchiveError),
}

impl<R: Into<Miss>> From<R> for Fault {
    fn from(miss: R) -> Self {
        Self::Miss(miss.into())
    }
}

/// The rule by which this may be asked for.
pub(super) fn rule_of<'a>(rules: &'a [Rule], url: &Url) -> Result<&'a Rule, Reason> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Reason::BadAddress);
    }
    let rule = rules.iter().find(|rule| rule.hosts.iter().any(|host| host.names(url))).ok_or(Reason::HostNotAllowed)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        _ => return Err(Reason::NotHttps),
    }
    if rule.reach.may_have(url) { Ok(rule) } else { Err(Reason::AddressNotAllowed) }
}

/// Fetches it by a rule that [`rule_of`] found for it, within the rule's time.
pub(super) async fn get(rules: &[Rule], rule: &Rule, asked: &Asked, archive: &ArchiveWriter, now: Timestamp) -> Result<Got, Fault> {
    if asked.size.is_some_and(|size| size > rule.max_size) {
        return Err(Reason::TooLarge.into());
    }
    let work = async {
        let way = rule.way(&asked.url)?;
        let used = match &rule.token {
            Some(token) => Some(token.header().await),
            None => None,
        };
        let outcome = once(rules, rule, &way, used.as_ref(), asked, archive, now).await;
        match (&outcome, &rule.token, &used) {
            (Err(Fault::Miss(miss)), Some(token), Some(used)) if miss.reason.is_of_token() && token.renew(used).await => {
                once(rules, rule, &way, Some(&token.header().await), asked, archive, now).await
            }
            _ => outcome,
        }
    };
    tokio::time::timeout(rule.time, work).await.unwrap_or_else(|_| Err(Reason::TooSlow.into()))
}

/// Asks for it with this token.
async fn once(
    rules: &[Rule],
    rule: &Rule,
    way: &Url,
    token: Option<&HeaderValue>,
    asked: &Asked,
    archive: &ArchiveWriter,
    now: Timestamp,
) -> Result<Got, Fault> {
    let response = ask(rules, rule, way, token, now).await?;
    keep(response, rule, asked, archive).await
}

/// The answer with the file.
async fn ask(rules: &[Rule], first: &Rule, url: &Url, token: Option<&HeaderValue>, now: Timestamp) -> Result<Response, Miss> {
    let (mut rule, mut at) = (first, url.clone());
    for _ in 0..=HOPS {
        let mut request = rule.client.get(at.clone()).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(token) = token.filter(|_| at.origin() == url.origin()) {
            request = request.header(AUTHORIZATION, token);
        }
        let response = request.send().await.map_err(|error| not_answered(&error))?;
        match response.status().as_u16() {
            200 => return Ok(response),
            301 | 302 | 303 | 307 | 308 => {
                let to = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                at = to.and_then(|to| at.join(to).ok()).ok_or(Reason::TooManyRedirects)?;
                rule = rule_of(rules, &at).map_err(|_| Reason::RedirectNotAllowed)?;
            }
            status => return Err(Miss { reason: Reason::Status(status), not_before: retry_after(response.headers(), now) }),
        }
    }
    Err(Reason::TooManyRedirects.into())
}

/// What a failure before any answer was.
fn not_answered(error: &reqwest::Error) -> Reason {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = next {
        match one.downcast_ref::<NameFault>() {
            Some(NameFault::NotAllowed) => return Reason::AddressNotAllowed,
            Some(NameFault::NotFound) => return Reason::NameNotFound,
            None => next = one.source(),
        }
    }
    // Connecting that takes too long is a host that is not there.
    if error.is_timeout() && !error.is_connect() { Reason::TooSlow } else { Reason::NotReached }
}

/// `Retry-After`: seconds, or a date of HTTP (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(Timestamp(now.0.saturating_add(i64::from(seconds) * 1_000))),
        Err(_) => DateTime::parse_from_rfc2822(text).ok().map(|date| Timestamp(date.timestamp_millis())),
    }
}

/// Brings what comes into the archive, and looks whether it is the file.
async fn keep(mut response: Response, rule: &Rule, asked: &Asked, archive: &ArchiveWriter) -> Result<Got, Fault> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (said_type, encoding, length) = (header(CONTENT_TYPE), header(CONTENT_ENCODING), response.content_length());
    if encoding.is_some_and(|encoding| !encoding.trim().is_empty() && !encoding.trim().eq_ignore_ascii_case("identity")) {
        return Err(Reason::Encoded.into());
    }
    let is_page = |found| kind::is_page_instead(said_type.as_deref(), found, &asked.media_type, &asked.name);
    if is_page(None) {
        return Err(Reason::SignInPage.into());
    }
    if length.is_some_and(|length| length > rule.max_size) {
        return Err(Reason::TooLarge.into());
    }
    let mut upload = archive.start_attachment();
    let (mut size, mut first) = (0_u64, Vec::new());
    // No more is said of what went wrong: its text may hold the address.
    while let Some(piece) = response.chunk().await.map_err(|_| Reason::CutOff)? {
        size += piece.len() as u64;
        if size > rule.max_size {
            return Err(Reason::TooLarge.into());
        }
        let missing = kind::LOOKED_AT.saturating_sub(first.len());
        if missing > 0 {
            first.extend_from_slice(piece.get(..missing).unwrap_or(&piece));
        }
        upload.write(&piece).await.map_err(Fault::Archive)?;
    }
    let found = kind::by_bytes(&first);
    if is_page(found) {
        return Err(Reason::SignInPage.into());
    }
    if length.is_some_and(|length| length != size) {
        return Err(Reason::CutOff.into());
    }
    if asked.size.is_some_and(|said| said != size) {
        return Err(Reason::OtherSize.into());
    }
    let (digest, size) = upload.finish().await.map_err(Fault::Archive)?;
    Ok(Got { digest, size, found })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn when_a_server_wants_to_be_asked_again() {
        let now = Timestamp::parse("2026-01-05T08:00:00Z").unwrap();
        let at = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now).map(|at| at.to_string());
        assert_eq!(at("120").as_deref(), Some("2026-01-05T08:02:00.000Z"));
        assert_eq!(at("Mon, 05 Jan 2026 09:00:00 GMT").as_deref(), Some("2026-01-05T09:00:00.000Z"));
        for text in ["", "soon", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
