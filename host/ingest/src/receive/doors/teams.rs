//! Microsoft Graph's change notifications. Graph sends again for four hours what is not answered with 2xx, and then drops it.
//!
//! Microsoft advises to answer 202 also to what is not believed. Here it is 401: a secret or a key file that is out of date would else lose every message
//! without anybody being told, and what an attacker learns from it is no more than that a guess was wrong.
//!
//! Of a request of which a part can't be opened now, the rest is stored and 503 is answered, so that Graph sends all of it again: what is there already by then is not
//! stored twice. What will never be readable (`consign_source::live::teams` says what that is) is refused in a 202, and stands in the log.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use consign_model::Timestamp;
use consign_source::live::Token;
use consign_source::live::jwt::{Audience, IssuerKeys, TokenFault};
use consign_source::live::teams::{Notifications, Opened, Subscription, validation_token};

use super::{Door, Receiver, failed, limits};
use crate::receive::answer::Problem;
use crate::receive::body::Read;
use crate::receive::config::SourceConfig;
use crate::receive::secret;

/// Of the text that Graph wants back: its own have some hundred bytes.
const LONGEST_VALIDATION: usize = 8 << 10;

/// A subscription, and whom to believe.
pub(super) struct Teams {
    subscription: Subscription,
    /// Unset where tokens are not looked at.
    issuer: Option<Issuer>,
}

struct Issuer {
    file: PathBuf,
    audience: Audience,
    keys: RwLock<Arc<IssuerKeys>>,
}

impl Teams {
    pub async fn open(source: SourceConfig) -> Result<Self, String> {
        let SourceConfig::TeamsNotifications { certificate_id, private_key, client_state, issuer_keys, app_id, tenant_id, unchecked_tokens, .. } =
            source
        else {
            return Err("this is no source of Teams".to_owned());
        };
        let client_state = secret::read(&client_state).await.map_err(|fault| fault.to_string())?;
        let client_state = Token::of(&client_state).map_err(|error| error.to_string())?;
        let key = secret::read(&private_key).await.map_err(|fault| fault.to_string())?;
        let subscription = Subscription::new(client_state, &certificate_id, &key)?;
        let issuer = match (issuer_keys, app_id, tenant_id) {
            (Some(file), Some(app), Some(tenant)) if !unchecked_tokens => {
                let keys = read_keys(&file).await?;
                Some(Issuer { file, audience: Audience { app, tenant }, keys: RwLock::new(Arc::new(keys)) })
            }
            (None, None, None) if unchecked_tokens => None,
            // Not to look is for a person to say, not for a line to be forgotten.
            _ => {
                let hint = "write issuer-keys (the file of https://login.microsoftonline.com/common/discovery/keys), app-id and tenant-id, so that Microsoft's \
                            tokens are checked, or unchecked-tokens = true in their place";
                return Err(hint.to_owned());
            }
        };
        Ok(Self { subscription, issuer })
    }
}

async fn read_keys(file: &std::path::Path) -> Result<IssuerKeys, String> {
    let shown = file.display();
    let text = tokio::fs::read_to_string(file).await.map_err(|error| format!("issuer-keys: {shown} can't be read: {error}"))?;
    IssuerKeys::parse(&text).map_err(|what| format!("issuer-keys: {shown}: {what}"))
}

impl Issuer {
    /// Microsoft changes its keys, and whoever fetches the file may have done so since it was read.
    async fn check(&self, notifications: &Notifications) -> Result<(), TokenFault> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let outcome = notifications.check(&keys, &self.audience, Timestamp::now());
        if outcome != Err(TokenFault::UnknownKey) {
            return outcome;
        }
        match read_keys(&self.file).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
                notifications.check(&keys, &self.audience, Timestamp::now())
            }
            Err(error) => {
                tracing::error!(%error, "Microsoft's keys could not be read again: {error}");
                outcome
            }
        }
    }
}

/// The answer to Graph's question whether this is the right address.
pub(super) fn validation(uri: &Uri) -> Option<Response> {
    let token = validation_token(uri.query()).filter(|token| token.len() <= LONGEST_VALIDATION)?;
    // Anybody may have this say what they like: so nothing may take it for more than text.
    let headers: [(HeaderName, HeaderValue); 2] =
        [(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")), (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))];
    Some((headers, token).into_response())
}

impl Door {
    pub(super) async fn teams(&self, receiver: &Receiver, teams: &Arc<Teams>, read: Read) -> Result<Response, Problem> {
        let source = &self.origin.source;
        let Read { bytes, mut place } = read;
        let notifications = receiver.reading(move || Notifications::read(&bytes).map_err(Problem::unreadable)).await?;
        // First, so that nobody else has the private key work.
        if !notifications.are_of(&teams.subscription) {
            return Err(Problem::not_signed_in("`clientState` is missing, or not the one of the source's subscription"));
        }
        if let Some(issuer) = &teams.issuer {
            issuer.check(&notifications).await.map_err(|fault| {
                tracing::error!(%source, %fault, "source '{source}': a notification's token is not believed, so it is not taken: {fault}");
                Problem::not_signed_in(format!("a token in `validationTokens` is not believed: {fault}"))
            })?;
        }
        place.is_known();
        for event in notifications.lifecycle() {
            tracing::warn!(%source, %event, "source '{source}': Microsoft Graph says '{event}' of a subscription: renew it, or messages are missing");
        }
        let teams = Arc::clone(teams);
        let Opened { arrived, sealed } =
            receiver.reading(move || notifications.take(&teams.subscription, &limits()).map_err(|error| failed(&error))).await?;
        self.log_refusals(&arrived);
        let receipt = self.keep(receiver, arrived, place).await?;
        if sealed == 0 {
            return Ok((StatusCode::ACCEPTED, receipt).into_response());
        }
        tracing::warn!(
            %source, sealed, stored = receipt.stored,
            "source '{source}': {sealed} messages of a request can't be decrypted, the others are stored, and Microsoft Graph is asked to send all again: \
             is private-key the one of the certificate 'certificate-id'?"
        );
        Err(Problem::not_all_read(receipt))
    }
}
