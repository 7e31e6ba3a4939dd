//! Entity tags (RFC 9110, 8.8.3): by them a client asks only for what it has not seen, and changes only what it has.
//!
//! A tag has two parts, `"STATE~SHOWN"`: what the thing is at ([`crate::expected`]), and a hash of what is shown of it. So it is strong: of another answer it is another. A
//! change asks for the first part alone: that a policy is due later by now, or was asked for, is no reason to refuse what somebody has decided about it.

use axum::extract::FromRequestParts;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use consign_model::Digest;
use serde::Serialize;
use utoipa::IntoParams;

use crate::expected::{Expected, Which};
use crate::problem::Problem;

/// What a change says that it expects.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document: the headers are read as they came")]
pub struct IfMatch {
    /// Change it only where it is what one of these says (the `ETag` of whoever has shown it), or `*`: where it is there. Otherwise it stays, and the answer is 412.
    #[param(rename = "If-Match", example = "\"policy:fx-desk:3~5f2c9a3be0d1\"")]
    if_match: Option<String>,
}

/// What making something says that it expects.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document: the headers are read as they came")]
pub struct IfNew {
    /// `*`: only where there is none yet. Otherwise nothing is made, and the answer is 412.
    #[param(rename = "If-None-Match", example = "*")]
    if_none_match: Option<String>,
}

/// What a client has seen of something.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document: the headers are read as they came")]
pub struct IfOther {
    /// Answer 304 and nothing else where it is still what one of these says.
    #[param(rename = "If-None-Match", example = "\"policy:fx-desk:3~5f2c9a3be0d1\"")]
    if_none_match: Option<String>,
}

/// Between the state and the hash of what is shown. No name and no digest holds it.
const BETWEEN: char = '~';

/// The tags of all headers of this name; unset where there is none.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let all = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    let tags: Vec<String> = all.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect();
    (!tags.is_empty()).then_some(tags)
}

fn which(headers: &HeaderMap, name: &HeaderName) -> Option<Which> {
    let tags = tags(headers, name)?;
    if tags.iter().any(|tag| tag == "*") {
        return Some(Which::Any);
    }
    // A weak one is of nothing that can be changed, and whatever is no tag of ours neither.
    let state = |tag: &String| Some(tag.strip_prefix('"')?.strip_suffix('"')?.rsplit_once(BETWEEN)?.0.to_owned());
    Some(Which::At(tags.iter().filter_map(state).collect()))
}

/// What a change expects, by its headers.
pub struct Expecting(pub Expected);

impl<S: Send + Sync> FromRequestParts<S> for Expecting {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Expected { is: which(&parts.headers, &IF_MATCH), is_not: which(&parts.headers, &IF_NONE_MATCH) }))
    }
}

/// What the client has already.
pub struct Cached(Option<Vec<String>>);

impl<S: Send + Sync> FromRequestParts<S> for Cached {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(tags(&parts.headers, &IF_NONE_MATCH)))
    }
}

/// The tag of what is at this and shown so.
fn tag(state: &str, shown: &[u8]) -> String {
    format!("\"{state}{BETWEEN}{}\"", Digest::of(shown).short())
}

/// The header with the tag of something, for whoever has changed it.
pub fn tag_of(state: &str, view: &impl Serialize) -> Result<[(HeaderName, HeaderValue); 1], Problem> {
    let shown = serde_json::to_vec(view).map_err(|error| Problem::internal(&error))?;
    let value = HeaderValue::try_from(tag(state, &shown)).map_err(|error| Problem::internal(&error))?;
    Ok([(ETAG, value)])
}

/// Shows something with its tag, unless the client has it.
pub fn tagged(cached: &Cached, state: &str, view: &impl Serialize) -> Result<Response, Problem> {
    let shown = serde_json::to_vec(view).map_err(|error| Problem::internal(&error))?;
    let tag = tag(state, &shown);
    let is_cached = cached.0.iter().flatten().any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag);
    let tag = [(ETAG, HeaderValue::try_from(tag).map_err(|error| Problem::internal(&error))?)];
    if is_cached {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], shown).into_response())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn tags_of_a_request() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_MATCH, value.parse().unwrap());
            }
            headers
        };
        let which = |values: &[&str]| which(&headers(values), &IF_MATCH);
        let at = |states: &[&str]| Some(Which::At(states.iter().map(|state| (*state).to_owned()).collect()));
        assert_eq!(which(&[]), None);
        assert_eq!(which(&["*"]), Some(Which::Any));
        assert_eq!(which(&["\"policy:a:1~00\" ,\"b:2~11\"", "\"c~22\""]), at(&["policy:a:1", "b:2", "c"]));
        // What is weak, or none of ours, is nothing's: it never matches, and is not passed over as if nothing had been said.
        for none in ["W/\"policy:a:1~00\"", "policy:a:1~00", "\"policy:a:1\"", "\"", ""] {
            assert_eq!(which(&[none]), at(&[]), "{none:?}");
        }
    }

    #[test]
    fn what_is_held_is_not_shown_again() {
        let shown = |held: Option<&str>| tagged(&Cached(held.map(|tag| vec![tag.to_owned()])), "policy:a:1", &serde_json::json!({ "a": 1 })).unwrap();
        let tag = shown(None).headers()[ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with("\"policy:a:1~") && tag.ends_with('"'), "{tag}");
        for same in [tag.clone(), format!("W/{tag}"), "*".to_owned()] {
            let answer = shown(Some(&same));
            assert_eq!((answer.status(), answer.headers()[ETAG].to_str().unwrap()), (StatusCode::NOT_MODIFIED, tag.as_str()));
        }
        assert_eq!(shown(Some("\"policy:a:1~000000000000\"")).status(), StatusCode::OK);
    }
}
