//! Slack's Events API. Slack waits three seconds for an answer and sends again after that, at once and after one and five minutes; what is there already by
//! then is not stored twice.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use consign_model::Timestamp;
use consign_source::live::slack::{Call, Callback, Signing};

use super::{Door, Receiver, failed, limits};
use crate::receive::answer::{Problem, json};
use crate::receive::body::Read;

const TIMESTAMP: &str = "x-slack-request-timestamp";
const SIGNATURE: &str = "x-slack-signature";

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What can be known before the body is.
pub(super) fn may_come(headers: &HeaderMap) -> Result<(), Problem> {
    Signing::is_of_now(header(headers, TIMESTAMP), Timestamp::now()).map_err(|unsigned| Problem::not_signed_in(unsigned.to_string()))
}

impl Door {
    pub(super) async fn slack(&self, receiver: &Receiver, signing: &Arc<Signing>, headers: &HeaderMap, read: Read) -> Result<Response, Problem> {
        let Read { bytes, mut place } = read;
        let (signing, timestamp, signature) = (Arc::clone(signing), header(headers, TIMESTAMP).to_owned(), header(headers, SIGNATURE).to_owned());
        let call = receiver
            .reading(move || {
                signing.check(&timestamp, &signature, &bytes).map_err(|unsigned| Problem::not_signed_in(unsigned.to_string()))?;
                Call::read(&bytes).map_err(Problem::unreadable)
            })
            .await?;
        place.is_known();
        let source = &self.origin.source;
        let callback = match call {
            Call::Challenge(challenge) => return Ok(json(&serde_json::json!({ "challenge": challenge }))),
            Call::RateLimited => {
                tracing::warn!(%source, "source '{source}': Slack left events out, because more came than it sends: import an export of this time");
                return Ok(json(&serde_json::json!({})));
            }
            Call::Other => return Ok(json(&serde_json::json!({}))),
            Call::Event(callback) => callback,
        };
        if let Some(warning) = callback.warning() {
            tracing::warn!(%source, "source '{source}': {warning}");
        }
        let names = self.names(receiver, &callback).await?;
        let arrived = receiver.reading(move || callback.read(names, &limits()).map_err(|error| failed(&error))).await?;
        self.log_refusals(&arrived);
        self.store(receiver, arrived, place).await.map(IntoResponse::into_response)
    }

    /// Names of those of whom the archive knows one.
    async fn names(&self, receiver: &Receiver, callback: &Callback) -> Result<HashMap<String, String>, Problem> {
        let ids: Vec<String> = callback.people().map(str::to_owned).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let crate::Importer { tenant, store, .. } = &receiver.importer;
        let known = store.users(tenant, &self.origin.source, &ids).await.map_err(|error| {
            tracing::error!(%error, "the names of users could not be read");
            Problem::not_stored()
        })?;
        Ok(known.into_iter().flatten().map(|user| (user.id, user.name)).collect())
    }
}
