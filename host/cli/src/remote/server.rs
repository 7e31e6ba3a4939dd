//! A `consign serve` that is asked: one request after the other, each with the token, and every answer either what was asked for or a [`Failure`] that says what to do.
//!
//! What only reads is asked again where the connection was lost on the way, and so is what the server says may be sent twice. What changes something is sent once: whether
//! it was done is then for a person to see. The token is in a header alone, which is marked so that nothing prints it, and no redirect is followed, which would take it
//! elsewhere.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use consign_model::{Name, TenantId};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::address::Address;
use super::answers::{Me, Page, Problem};
use crate::output::Failure;

/// How long connecting may take, and how long the server may say nothing: it compiles and tries a module before it answers.
const CONNECTING: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_mins(5);
/// Bytes of an answer: the manifest of a large run has tens of MiB.
const LARGEST: usize = 1 << 30;
/// How often what may be sent twice is sent, and how long is waited before: a server that is started anew is back by then, and one that is gone keeps nobody long.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(150);
/// How often it is waited for as long as the server says, and how long that may be.
const PATIENCE: u32 = 60;
const LONGEST_WAIT: u64 = 30;

/// Whether a request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twice {
    /// It is done once, however often it is sent.
    Safe,
    /// It would be done twice.
    Unsafe,
}

/// A request's body.
struct Body {
    media: &'static str,
    bytes: Vec<u8>,
    /// One more header.
    more: Option<(&'static str, String)>,
}

impl Body {
    fn new(media: &'static str, bytes: Vec<u8>) -> Self {
        Self { media, bytes, more: None }
    }
}

/// A server, and what is asked of it for one tenant.
pub struct Server {
    http: reqwest::Client,
    url: Url,
    shown: HeaderValue,
    named: Option<TenantId>,
    home: OnceCell<TenantId>,
}

impl Server {
    /// Nothing is sent yet. `named`: the tenant, where somebody says which.
    pub fn new(address: Address, named: Option<TenantId>) -> Result<Self, Failure> {
        let Address { url, token, is_here } = address;
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECTING)
            .read_timeout(SILENCE)
            .user_agent(concat!("consign/", env!("CARGO_PKG_VERSION")));
        // What is in clear leaves this machine for no proxy either.
        if is_here {
            client = client.no_proxy();
        }
        let http = client.build().map_err(|error| Failure::new(format!("TLS can't be set up: {}", error.without_url())))?;
        let mut shown = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| Failure::usage("the token is not one line"))?;
        shown.set_sensitive(true);
        Ok(Self { http, url, shown, named, home: OnceCell::new() })
    }

    /// The tenant: the one that was named, or the token's own.
    pub async fn tenant(&self) -> Result<&TenantId, Failure> {
        if let Some(named) = &self.named {
            return Ok(named);
        }
        self.home
            .get_or_try_init(async || {
                let me: Me = self.get(&self.at(&["v1", "me"])?).await?;
                me.tenant.ok_or_else(|| {
                    Failure::usage(format!(
                        "the token is the installation's ({}), and belongs to no tenant: name one with --tenant; 'consign tenant list' lists them",
                        me.role
                    ))
                })
            })
            .await
    }

    /// An address of the API.
    pub fn at(&self, parts: &[&str]) -> Result<Url, Failure> {
        let mut url = self.url.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(parts)),
            Err(()) => return Err(Failure::usage("--server: nothing can stand below this address")),
        }
        Ok(url)
    }

    /// An address below the tenant.
    pub async fn of_tenant(&self, parts: &[&str]) -> Result<Url, Failure> {
        self.at(&[&["v1", "tenants", self.tenant().await?.as_str()], parts].concat())
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, url: &Url) -> Result<T, Failure> {
        read(&self.done(Method::GET, url, None, Twice::Safe).await?)
    }

    /// Reads something with its tag, by which a change of it says what it was made of.
    pub async fn get_tagged<T: DeserializeOwned>(&self, url: &Url) -> Result<(T, Option<String>), Failure> {
        let answer = self.ask(Method::GET, url, None, Twice::Safe).await?.map_err(|(status, problem)| problem.failure(status))?;
        Ok((read(&answer.bytes)?, answer.tag))
    }

    /// Puts something in the place of what has this tag, in JSON.
    pub async fn put_over<T: DeserializeOwned>(&self, url: &Url, tag: Option<String>, what: &serde_json::Value) -> Result<T, Failure> {
        let more = tag.map(|tag| ("If-Match", tag));
        let body = Body { more, ..Body::new("application/json", what.to_string().into_bytes()) };
        // Sent twice it would be refused the second time, as if somebody else had changed it.
        read(&self.done(Method::PUT, url, Some(body), Twice::Unsafe).await?)
    }

    /// Reads something as it is.
    pub async fn bytes(&self, url: &Url) -> Result<Vec<u8>, Failure> {
        self.done(Method::GET, url, None, Twice::Safe).await
    }

    /// Reads a list to its end, or until there are so many.
    pub async fn list<T: DeserializeOwned>(&self, url: &Url, most: usize) -> Result<Vec<T>, Failure> {
        let (mut all, mut after): (Vec<T>, Option<String>) = (Vec::new(), None);
        loop {
            let limit = most.saturating_sub(all.len()).min(500);
            let mut url = with(url, "limit", &limit.to_string());
            if let Some(after) = &after {
                url = with(&url, "after", after);
            }
            let page: Page<T> = self.get(&url).await?;
            all.extend(page.items);
            match page.next {
                // A server that does not come to an end is none of ours.
                Some(next) if all.len() < most && after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(all),
            }
        }
    }

    /// Asks for something to be done, with JSON.
    pub async fn post<T: DeserializeOwned>(&self, url: &Url, what: Option<&serde_json::Value>) -> Result<T, Failure> {
        let body = what.map(|what| Body::new("application/json", what.to_string().into_bytes()));
        read(&self.done(Method::POST, url, body, Twice::Unsafe).await?)
    }

    /// The same for who has to see all that the server finds wrong with what was sent.
    pub async fn judged<T: DeserializeOwned>(
        &self,
        url: &Url,
        media: &'static str,
        bytes: Vec<u8>,
        twice: Twice,
    ) -> Result<Result<T, Problem>, Failure> {
        match self.ask(Method::POST, url, Some(Body::new(media, bytes)), twice).await? {
            Ok(answer) => read(&answer.bytes).map(Ok),
            Err((StatusCode::UNPROCESSABLE_ENTITY, problem)) => Ok(Err(problem)),
            Err((status, problem)) => Err(problem.failure(status)),
        }
    }

    /// The same with bytes, which the server takes twice without doing anything twice.
    pub async fn post_again<T: DeserializeOwned>(
        &self,
        url: &Url,
        media: &'static str,
        bytes: Vec<u8>,
        more: Option<(&'static str, String)>,
    ) -> Result<T, Failure> {
        read(&self.done(Method::POST, url, Some(Body { more, ..Body::new(media, bytes) }), Twice::Safe).await?)
    }

    /// Has something made that is no change, and takes it as it is.
    pub async fn made(&self, url: &Url) -> Result<Vec<u8>, Failure> {
        self.done(Method::POST, url, None, Twice::Safe).await
    }

    /// Puts something in its place. Done twice it is done once.
    pub async fn put(&self, url: &Url, media: &'static str, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
        self.done(Method::PUT, url, Some(Body::new(media, bytes)), Twice::Safe).await
    }

    /// Takes something away.
    pub async fn delete(&self, url: &Url) -> Result<Vec<u8>, Failure> {
        self.done(Method::DELETE, url, None, Twice::Unsafe).await
    }

    async fn done(&self, method: Method, url: &Url, body: Option<Body>, twice: Twice) -> Result<Vec<u8>, Failure> {
        let answer = self.ask(method, url, body, twice).await?.map_err(|(status, problem)| problem.failure(status))?;
        Ok(answer.bytes)
    }

    /// Asks, and answers what came or why the server did not do it.
    async fn ask(&self, method: Method, url: &Url, body: Option<Body>, twice: Twice) -> Result<Result<Answered, (StatusCode, Problem)>, Failure> {
        let (mut tries, mut waited) = (1, 0);
        loop {
            tracing::debug!(%method, path = url.path(), "asking the server");
            let mut request = self.http.request(method.clone(), url.clone()).header(AUTHORIZATION, self.shown.clone());
            if let Some(body) = &body {
                request = request.header(CONTENT_TYPE, body.media).body(body.bytes.clone());
                if let Some((name, value)) = &body.more {
                    request = request.header(*name, value);
                }
            }
            match answered(request).await {
                Ok(answer) if answer.status.is_success() => return Ok(Ok(answer)),
                Ok(answer) => {
                    let wait = answer.wait.filter(|_| twice == Twice::Safe && waited < PATIENCE);
                    let Some(wait) = wait else { return self.refused(&answer) };
                    waited += 1;
                    tokio::time::sleep(wait).await;
                }
                Err(error) => {
                    // Where there was no connection nothing was sent.
                    let again = twice == Twice::Safe || error.is_connect();
                    if !again || tries >= TRIES || fault_of_tls(&error).is_some() {
                        return Err(self.unanswered(error, twice));
                    }
                    tokio::time::sleep(FIRST_WAIT * 2_u32.pow(tries - 1)).await;
                    tries += 1;
                }
            }
        }
    }

    /// Why there was no answer, for a person. The address has nothing secret.
    fn unanswered(&self, error: reqwest::Error, twice: Twice) -> Failure {
        let server = self.url.as_str().trim_end_matches('/');
        if let Some(fault) = fault_of_tls(&error) {
            let hint = match &fault {
                rustls::Error::InvalidCertificate(_) => {
                    "the authority that vouches for it has to be one that this system trusts (ca-certificates), and the address has to be the one that it is made for"
                }
                _ => "is it TLS that answers there? For a server on this machine without a proxy it is http://",
            };
            return Failure::new(format!("the server {server} is not trusted: {fault}; {hint}"));
        }
        let was_sent = !error.is_connect();
        let cause = cause(error);
        if was_sent && twice == Twice::Unsafe {
            return Failure::new(format!(
                "the connection to the server {server} was lost before it answered ({cause}): it may have done what was asked or not, and it was not asked again; look before you do"
            ));
        }
        Failure::new(format!("the server {server} does not answer ({cause}): see whether 'consign serve' runs there and listens at this address"))
    }

    /// Why the server did not do it; a failure where that was not said by one of ours.
    fn refused<T>(&self, answer: &Answered) -> Result<Result<T, (StatusCode, Problem)>, Failure> {
        let server = self.url.as_str().trim_end_matches('/');
        let Answered { status, bytes, location, .. } = answer;
        if status.is_redirection() {
            let to = location.as_deref().map(|to| format!(" at {}", to.escape_debug())).unwrap_or_default();
            return Err(Failure::new(format!(
                "the server {server} says that it is elsewhere{to}: name that with --server; the token is not shown to whom another names"
            )));
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(bytes) else {
            return Err(Failure::new(format!(
                "what answers at {server} is not the API of 'consign serve' (it says {status}): see whether the address is right, and what stands between"
            )));
        };
        Ok(Err((*status, problem)))
    }
}

/// An address with one more field.
pub fn with(url: &Url, name: &str, value: &str) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair(name, value);
    url
}

/// An answer that has come as a whole.
struct Answered {
    status: StatusCode,
    bytes: Vec<u8>,
    location: Option<String>,
    tag: Option<String>,
    /// How long to wait before it is asked again, where the server says so.
    wait: Option<Duration>,
}

async fn answered(request: reqwest::RequestBuilder) -> Result<Answered, reqwest::Error> {
    let mut response = request.send().await?;
    let (status, wait) = (response.status(), wait_of(&response));
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (location, tag) = (header(LOCATION), header(ETAG));
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > LARGEST {
            // Nothing of ours is as long. It is not read on, and so it is no answer in JSON either.
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    // Whoever shows worthless tokens gains nothing by waiting.
    let wait = wait.filter(|_| serde_json::from_slice::<Problem>(&bytes).is_ok_and(|problem| problem.code != "too-many-attempts"));
    Ok(Answered { status, bytes, location, tag, wait })
}

fn wait_of(response: &Response) -> Option<Duration> {
    let is_busy = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let seconds = response.headers().get(RETRY_AFTER).filter(|_| is_busy)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// What a server answered, by the type that it should be of.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        // By kind and place alone: what else it says repeats what was answered, and that may be text of messages.
        let (line, column) = (error.line(), error.column());
        Failure::new(format!(
            "the server's answer is not what this program knows (at {line}:{column}): it is probably of another release; see 'consign --version' on both sides"
        ))
    })
}

/// Trusts the system's authorities, by the same library as the rest of the program.
fn tls() -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    // None is an error only for who connects by TLS; the handshake says so then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("TLS can't be set up: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What TLS found wrong, where it is that.
fn fault_of_tls(error: &(dyn std::error::Error + 'static)) -> Option<rustls::Error> {
    if let Some(fault) = error.downcast_ref::<rustls::Error>() {
        return Some(fault.clone());
    }
    // What an `io::Error` wraps is not its source.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.and_then(|wrapped| fault_of_tls(wrapped)).or_else(|| fault_of_tls(error.source()?))
}

/// What is in the way, without the address.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "connecting took too long" } else { "it said nothing for too long" }.to_owned();
    }
    let error = error.without_url();
    // The last one says what it is; those above it where it happened.
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(one) = next {
        text = one.to_string();
        next = one.source();
    }
    text
}

/// A name that an answer has.
pub fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|_| Failure::new("the server's answer names something by what is no name: it is probably of another release"))
}
