//! Requests that are made once: whoever is not sure whether one was done asks it again by the same `Idempotency-Key`, and gets what was answered then.
//!
//! The key is claimed in the store before anything is done, and what was answered is kept there after it, so it holds across a restart. What happens between is done to its
//! end whether its client is still there or not. A process that dies in it leaves a claim without an answer: nobody knows whether it was done, and whoever asks again is
//! told so, for to do it again could be to do it twice.
//!
//! **What is kept is sealed** under the tenant's keys, all of it: the answer to a new token is its text, which is shown once. Not to keep that one would leave who lost the
//! answer with a token that nobody can use and that stays until somebody finds it; this is what they have the key for. It goes to nobody but who shows the token by which it was
//! first asked, asks for the very same, and may still do it. Of the request a hash is kept.
//!
//! What would be another answer the next time is not kept: that the server failed, was too busy, or that something else was in the way at the moment.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use consign_export::Exporter;
use consign_model::request::{KeptAnswer, KeptRequest};
use consign_model::{Digest, Timestamp};
use consign_store::Claim;
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::IntoParams;
use utoipa::openapi::OpenApi;

use super::given::{BODY, bytes};
use super::takes_header;
use crate::caller::{Caller, Here};
use crate::problem::Problem;
use crate::tenants::Tenants;

/// The header with the key.
pub const KEY: &str = "Idempotency-Key";
/// On an answer that is one of before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long one is kept, in milliseconds.
const KEPT: i64 = 24 * 60 * 60 * 1_000;
/// How many of a tenant are kept. Were it more, whoever may ask for anything could fill the store; those beyond are refused, for to drop one that is kept would be to break what
/// was promised.
const MOST: usize = 4_096;
/// Bytes of an answer that are kept.
const LARGEST: u64 = 1 << 20;
/// What of an answer's head is kept.
const HEAD: [HeaderName; 2] = [CONTENT_TYPE, ETAG];

/// By which key.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document: the header is read as it came")]
pub struct Keyed {
    /// Makes the request once: asked again by the same key within 24 hours it is answered as it was then, marked `Idempotency-Replayed: true`. One key for each request; a
    /// random one is best.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "6f1c0d1e-2d0b-4f0a-9a53-0c7c0b1f2f0e")]
    idempotency_key: Option<String>,
}

/// What requests of this process are under way: what was asked, by key.
type UnderWay = Arc<Mutex<HashMap<Digest, Digest>>>;

/// Which operations take a key, and which requests are under way.
pub struct Once {
    takes: HashSet<(Method, String)>,
    under_way: UnderWay,
    tenants: Arc<Tenants>,
}

impl Once {
    /// By this document.
    pub fn new(document: &OpenApi, tenants: Arc<Tenants>) -> Self {
        let posts = document.paths.paths.iter().filter_map(|(path, item)| Some((path, item.post.as_ref()?)));
        let takes = posts.filter(|(_, operation)| takes_header(operation, KEY)).map(|(path, _)| (Method::POST, path.clone())).collect();
        Self { takes, under_way: UnderWay::default(), tenants }
    }
}

/// That a request is under way, until this is dropped.
struct Place(UnderWay, Digest);

impl Place {
    /// Unset where the same key is under way; it may be with something else.
    fn claim(under_way: &UnderWay, key: Digest, asked: Digest) -> Result<Self, Digest> {
        let mut all = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = all.get(&key) {
            return Err(*other);
        }
        all.insert(key, asked);
        Ok(Self(Arc::clone(under_way), key))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// An answer, as it is sealed.
#[derive(Serialize, Deserialize)]
struct Answered {
    head: Vec<(String, String)>,
    body: String,
}

/// Has a request made once, where it has a key.
pub async fn once(State(once): State<Arc<Once>>, path: MatchedPath, request: Request, next: Next) -> Result<Response, Problem> {
    let takes = once.takes.contains(&(request.method().clone(), path.as_str().to_owned()));
    let Some(key) = request.headers().get(KEY).filter(|_| takes) else { return Ok(next.run(request).await) };
    let fits = (1..=255).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
    if !fits || request.headers().get_all(KEY).iter().count() > 1 {
        return Err(Problem::invalid("Idempotency-Key: one, of 1 to 255 visible ASCII characters"));
    }
    // The guard stands before this.
    let (Some(caller), here) = (request.extensions().get::<Caller>(), request.extensions().get::<Here>()) else {
        return Err(Problem::unauthenticated("there is no token"));
    };
    let exporter = match here {
        Some(here) => here.tenant.exporter().clone(),
        None => once.tenants.platform().await?.clone(),
    };
    let key = digest([exporter.tenant.as_str().as_bytes(), caller.home.as_str().as_bytes(), caller.id().as_bytes(), key.as_bytes()]);
    let (parts, body) = request.into_parts();
    let body = bytes(Request::new(body), BODY).await?;
    let header = |name: HeaderName| parts.headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let address = parts.uri.path_and_query().map_or("", |address| address.as_str());
    let asked = digest([parts.method.as_str().as_bytes(), address.as_bytes(), header(CONTENT_TYPE), header(IF_MATCH), header(IF_NONE_MATCH), &body]);
    let place = match Place::claim(&once.under_way, key, asked) {
        Ok(place) => place,
        Err(other) if other != asked => return Err(Problem::key_of_another()),
        Err(_) => {
            return Err(Problem::asked_before(
                "idempotency-under-way",
                "the same request is under way by this key",
                "ask again by it a little later",
            ));
        }
    };
    let now = Timestamp::now();
    let kept = KeptRequest { key, asked, at: now, answer: None };
    match exporter.store.begin_request(&exporter.tenant, &kept, Timestamp(now.0.saturating_sub(KEPT)), MOST).await? {
        Claim::New => {}
        Claim::Known(known) if known.asked != asked => return Err(Problem::key_of_another()),
        Claim::Known(known) => return replay(&exporter, &known),
        Claim::Full => return Err(Problem::too_many_keys(MOST)),
    }
    // On its own from here: a client that goes away must not leave it half done, or done and not kept.
    let request = Request::from_parts(parts, Body::from(body));
    let work = tokio::spawn(async move {
        let response = settle(&exporter, key, next.run(request).await).await;
        drop(place);
        response
    });
    work.await.map_err(|error| Problem::internal(&error))
}

fn digest<const PARTS: usize>(parts: [&[u8]; PARTS]) -> Digest {
    // With the length of each, so that no two lists of parts are one text.
    let all: Vec<u8> = parts.iter().flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied())).collect();
    Digest::of(&all)
}

/// Keeps what was answered, and answers it. What can't be kept is answered all the same: it was done.
async fn settle(exporter: &Exporter, key: Digest, response: Response) -> Response {
    let status = response.status();
    let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
    let (response, answer) =
        if status.is_server_error() || passes.contains(&status) { (response, None) } else { sealed(exporter, key, response).await };
    if let Err(why) = exporter.store.end_request(&exporter.tenant, &key, answer.as_ref()).await {
        error!(tenant = %exporter.tenant, "the answer to a request with a key could not be kept: {why}");
    }
    response
}

async fn sealed(exporter: &Exporter, key: Digest, response: Response) -> (Response, Option<KeptAnswer>) {
    let status = response.status().as_u16();
    if response.body().size_hint().upper().is_none_or(|size| size > LARGEST) {
        return (response, Some(KeptAnswer { status, sealed: None }));
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        // All of it is in memory, so there is nothing that could fail.
        return (Response::from_parts(parts, Body::empty()), Some(KeptAnswer { status, sealed: None }));
    };
    let answered = std::str::from_utf8(&body).ok().map(|text| Answered { head: head(&parts.headers), body: text.to_owned() });
    let answered = answered.and_then(|answered| serde_json::to_vec(&answered).ok());
    let sealed = answered.and_then(|answered| exporter.archive.seal_answer(&key, &answered).ok());
    (Response::from_parts(parts, Body::from(body)), Some(KeptAnswer { status, sealed }))
}

fn head(headers: &HeaderMap) -> Vec<(String, String)> {
    HEAD.iter().filter_map(|name| Some((name.as_str().to_owned(), headers.get(name)?.to_str().ok()?.to_owned()))).collect()
}

/// What was answered then.
fn replay(exporter: &Exporter, known: &KeptRequest) -> Result<Response, Problem> {
    let Some(KeptAnswer { status, sealed }) = &known.answer else {
        return Err(Problem::asked_before(
            "idempotency-cut-off",
            "the server ended while it was at this request: it may have been done, or not",
            "look whether it was, and ask by another key where it was not",
        ));
    };
    let not_kept = || {
        Problem::asked_before(
            "idempotency-not-kept",
            &format!("this was answered with {status}, and what was said then is not kept"),
            "look at what there is now",
        )
    };
    let opened = sealed.as_ref().and_then(|sealed| exporter.archive.open_answer(&known.key, sealed));
    let Answered { head, body } = opened.and_then(|opened| serde_json::from_slice(&opened).ok()).ok_or_else(not_kept)?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(*status).map_err(|error| Problem::internal(&error))?;
    for (name, value) in head {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
