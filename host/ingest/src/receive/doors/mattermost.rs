//! Mattermost's outgoing webhook. What is answered Mattermost posts into the channel, so an answer says nothing.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use consign_source::live::Token;
use consign_source::live::mattermost::{Encoding, Post};

use super::{Door, Receiver, failed, limits};
use crate::receive::answer::{Problem, json};
use crate::receive::body::Read;

impl Door {
    pub(super) async fn mattermost(&self, receiver: &Receiver, token: &Token, headers: &HeaderMap, read: Read) -> Result<Response, Problem> {
        let encoding = Encoding::by_header(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()));
        let Read { bytes, mut place } = read;
        let post = receiver.reading(move || Post::read(&bytes, encoding).map_err(Problem::unreadable)).await?;
        if !token.is(post.token()) {
            return Err(Problem::not_signed_in("`token` is missing, or not the one that Mattermost gave this webhook"));
        }
        place.is_known();
        let arrived = receiver.reading(move || post.take(&limits()).map_err(|error| failed(&error))).await?;
        self.log_refusals(&arrived);
        self.store(receiver, arrived, place).await?;
        Ok(json(&serde_json::json!({})))
    }
}
