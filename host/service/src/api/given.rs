//! What comes in and goes out: bodies, pages, times.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use consign_model::{Name, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// Bytes of a body that is not a module.
pub const BODY: usize = 1 << 20;
/// Items of a page, where nothing else is asked for, and at most.
const PAGE: usize = 100;
const MOST: usize = 500;

/// A body as JSON.
pub struct Given<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = bytes(request, BODY).await?;
        serde_json::from_slice(&body).map(Self).map_err(|error| Problem::invalid(format!("the body is not what it should be: {error}")))
    }
}

/// A body as text.
pub struct Text(pub String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = bytes(request, BODY).await?;
        String::from_utf8(body).map(Self).map_err(|_| Problem::invalid("the body is not text in UTF-8"))
    }
}

/// A body's bytes, no more of them than these.
pub async fn bytes(request: Request, most: usize) -> Result<Vec<u8>, Problem> {
    match to_bytes(request.into_body(), most).await {
        Ok(bytes) => Ok(bytes.into()),
        // The one way in which it is not the connection's end, which nobody hears of any more.
        Err(_) => Err(Problem::too_large(most)),
    }
}

/// What stands after the `?`.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked = Query::<T>::from_request_parts(parts, state).await;
        asked.map(|Query(asked)| Self(asked)).map_err(|error| Problem::invalid(error.body_text()))
    }
}

/// What an address names below its tenant: a policy, a run, a token.
pub struct Item(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Item {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // One that is no text in UTF-8 names nothing that there is.
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::no_such_address())?;
        let named = params.iter().filter(|(name, _)| *name != "tenant").map(|(_, value)| value.to_owned()).next();
        named.map(Self).ok_or_else(Problem::no_such_address)
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Items at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u16>,
    /// `next` of the page before.
    after: Option<String>,
}

impl Paging {
    /// Items at most.
    pub fn limit(&self) -> Result<usize, Problem> {
        limit(self.limit)
    }

    /// Where it goes on.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        let Some(after) = &self.after else { return Ok(None) };
        let read = URL_SAFE_NO_PAD.decode(after).ok().and_then(|json| serde_json::from_slice(&json).ok());
        read.map(Some).ok_or_else(|| Problem::invalid("after: this is not what 'next' of another page said"))
    }
}

/// Items at most, where somebody may say so.
pub fn limit(asked: Option<u16>) -> Result<usize, Problem> {
    let limit = asked.map_or(PAGE, usize::from);
    if (1..=MOST).contains(&limit) { Ok(limit) } else { Err(Problem::invalid(format!("limit: 1 to {MOST}"))) }
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    items: Vec<T>,
    /// Where the next page begins; unset: this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> Page<T> {
    /// The next of a list that was read one item further than it is shown: so whether there is more needs no other look.
    pub fn of<R, P: Serialize>(mut read: Vec<R>, limit: usize, place: impl Fn(&R) -> P, show: impl FnMut(R) -> T) -> Json<Self> {
        let is_more = read.len() > limit;
        read.truncate(limit);
        let next = read.last().filter(|_| is_more).and_then(|last| serde_json::to_vec(&place(last)).ok()).map(|json| URL_SAFE_NO_PAD.encode(json));
        Json(Self { items: read.into_iter().map(show).collect(), next })
    }

    /// Of a list that is all at hand, in the order of names.
    pub fn of_all<R>(all: Vec<R>, paging: &Paging, name: impl Fn(&R) -> String, show: impl FnMut(R) -> T) -> Result<Json<Self>, Problem> {
        let (after, limit): (Option<String>, _) = (paging.after()?, paging.limit()?);
        let rest = all.into_iter().filter(|one| after.as_ref().is_none_or(|after| name(one) > *after)).take(limit + 1).collect();
        Ok(Self::of(rest, limit, name, show))
    }
}

/// A time as RFC 3339 has it.
pub fn time(at: Timestamp) -> String {
    at.to_string()
}

/// A name that somebody gives.
pub fn name(what: &str, text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("{what}: {error}")))
}
