//! Errors, as RFC 9457 has them.
//!
//! `code` is for programs and stays as it is; `detail` and `hint` are for people and may change. What a person can't see through this API is in neither: a
//! tenant that is somebody else's is one that there is not.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use consign_export::{ExportError, ShelfError};
use consign_life::LifeError;
use consign_model::Name;
use consign_model::quota::Reached;
use consign_source::identities::MapFault;
use consign_store::StoreError;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::apply::ApplyError;
use crate::backup::BackupError;
use crate::expected::NotAsExpected;
use crate::identities::IdentityError;
use crate::modules::{PushError, SignatureError};
use crate::promote::PromoteError;
use crate::proposals::{DecideError, KeepError};
use crate::quotas::SetError;
use crate::tenants::{RemoveError, TenantError};

/// The media type of problems.
pub const MEDIA: &str = "application/problem+json";

/// What went wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Of the answer.
    #[schema(example = 404)]
    status: u16,
    /// Which kind of problem: stays as it is from release to release.
    #[schema(example = "no-such-policy")]
    code: &'static str,
    /// The kind, for a person.
    title: &'static str,
    /// What is wrong this time.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// All that is wrong, where that is more than one thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
    /// After how many seconds to come again: a header of the answer.
    #[serde(skip)]
    again_in: Option<u32>,
}

/// One thing that is wrong in what was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Finding {
    /// Line, counted from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Which part: `policy fx-desk, criteria 1 (std/keywords), /any/0`.
    pub at: String,
    /// What is wrong, and the way out.
    pub text: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status: status.as_u16(), code, title, detail: detail.into(), hint: None, findings: Vec::new(), again_in: None }
    }

    /// With what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// No token, or one that is worth nothing. Which of these it is only its owner may know.
    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "This needs a token", detail)
            .hint("send Authorization: Bearer TOKEN; 'consign token create' makes a first one")
    }

    /// Somebody who has come to sign in by an issuer's word, and is not.
    pub fn not_signed_in(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-signed-in", "You are not signed in", detail)
    }

    /// A token that does not permit this.
    pub fn forbidden(permission: &str, role: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "Your role does not permit this",
            format!("this takes the permission {permission}, which {role} has not"),
        )
    }

    /// There is nothing at this address.
    pub fn no_such_address() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-address", "There is nothing here", "no operation has this address").hint("see /openapi.json")
    }

    /// The address is one of others.
    pub fn no_such_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "That is not done with this", "this address has other methods")
            .hint("see /openapi.json")
    }

    /// Something of this name is not there.
    pub fn no_such(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "There is no such thing", detail)
    }

    /// A tenant that is not there, or not this one's.
    pub fn no_such_tenant(tenant: &str) -> Self {
        Self::no_such("no-such-tenant", format!("there is no tenant '{}'", tenant.escape_debug()))
    }

    /// What was sent can't be read, or does not fit.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "What was sent is not right", detail)
    }

    /// Another site's page has asked for it.
    pub fn from_elsewhere() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "from-elsewhere",
            "That was not asked for from here",
            "what changes something is asked for from a page of this console, and not from another site's",
        )
        .hint("a proxy that stands before it has to hand on the headers Host and Origin as they are")
    }

    /// It is larger than it may be.
    pub fn too_large(most: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "What was sent is too large", format!("at most {most} bytes are read"))
    }

    /// It took too long to come.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The request took too long", "it did not come to its end in time")
    }

    /// Something is there already, or is another by now.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It is not as you think it is", detail)
    }

    /// It is another by now than whoever changes it says.
    pub fn not_as_expected(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "not-as-expected", "It is another by now", detail)
            .hint("read it again, and send the ETag that it has then, if you still want that")
    }

    /// It is wrong in itself.
    fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "It was refused", detail)
    }

    /// A request by a key that was given to another one.
    pub fn key_of_another() -> Self {
        Self::refused("idempotency-key-reused", "this Idempotency-Key was given to another request: nothing was done")
            .hint("a new request takes a new key")
    }

    /// A request that can't be answered as the same one was, or not yet.
    pub fn asked_before(code: &'static str, detail: &str, hint: &str) -> Self {
        Self { code, ..Self::conflict(detail).hint(hint) }
    }

    /// More requests by keys than are kept.
    pub fn too_many_keys(most: usize) -> Self {
        let detail = format!("{most} requests of this tenant had a key within the last 24 hours, and no more are kept: nothing was done");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-idempotency-keys", "Too many requests with a key", detail)
            .hint("send it without Idempotency-Key, or later")
    }

    /// All places to watch from are taken.
    pub fn too_many_watchers() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-watchers", "Too many watch", "all places to watch this tenant's runs from are taken")
            .hint("ask for the run itself now and then")
    }

    /// Too many tokens that are worth nothing.
    pub fn too_many_attempts() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-attempts",
            "Too many attempts",
            "too many worthless tokens were shown: one that is worth something is taken at any time",
        )
    }

    /// A quota of the tenant's stands in the way.
    pub fn quota(reached: &Reached) -> Self {
        let (status, code) = match reached {
            Reached::Modules(_) => (StatusCode::FORBIDDEN, "quota-modules"),
            Reached::CompiledBytes(_) => (StatusCode::FORBIDDEN, "quota-compiled-bytes"),
            Reached::StoredBytes(_) => (StatusCode::INSUFFICIENT_STORAGE, "quota-stored-bytes"),
            Reached::Requests(_) => (StatusCode::TOO_MANY_REQUESTS, "quota-requests"),
        };
        Self::new(status, code, "Your quota is used up", reached.to_string()).hint("whoever runs this installation can raise it")
    }

    /// As many requests as a minute may have were made.
    pub fn too_many_requests(limit: u64, again_in: Duration) -> Self {
        let seconds = u32::try_from(again_in.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        Self { again_in: Some(seconds.max(1)), ..Self::quota(&Reached::Requests(limit)) }
    }

    /// Not now.
    pub fn not_ready(why: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not now", why)
    }

    /// Why a run broke off. Whoever asked for it may know what a target or a password is in the way of; files of the machine are the operator's business.
    pub fn of_run(error: &ExportError) -> Self {
        match error {
            ExportError::Target { .. } => Self::refused("target-unusable", error.to_string()),
            ExportError::NoPolicy(policy) => no_policy(policy),
            ExportError::Paused(paused) => Self::conflict(paused.text()),
            // The scheduler logs it.
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "It could not be done", "the run broke off; the server's log says why"),
        }
    }

    /// A fault of ours, or of the machine. What it is the operator reads in the log.
    pub fn internal(why: &dyn std::fmt::Display) -> Self {
        error!("a request failed: {why}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "It could not be done", "something failed on the server; its log says what")
    }
}

/// For whoever shows it otherwise than as JSON.
impl Problem {
    /// Of the answer.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// After how many seconds to come again, where that is known.
    pub fn again_in(&self) -> Option<u32> {
        self.again_in.or((self.status() == StatusCode::TOO_MANY_REQUESTS).then_some(1))
    }

    /// The kind, for a person.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// What is wrong this time.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What to do about it.
    pub fn hinted(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// All that is wrong, where that is more than one thing.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let again_in = self.again_in();
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        if let Some(seconds) = again_in {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"consign\""));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::conflict(error.to_string()),
            StoreError::Removed { .. } => Self::refused("removed-tenant", error.to_string()),
            other => Self::internal(&other),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Tenant(error) => error.into(),
            RemoveError::Life(error) => error.into(),
        }
    }
}

impl From<TenantError> for Problem {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Unknown(tenant) => Self::no_such_tenant(tenant.as_str()),
            TenantError::Reserved(_) => Self::refused("reserved-name", error.to_string()),
            TenantError::Store(error) => error.into(),
            TenantError::Open { .. } => Self::internal(&error),
        }
    }
}

impl From<NotAsExpected> for Problem {
    fn from(error: NotAsExpected) -> Self {
        Self::not_as_expected(error.to_string())
    }
}

fn no_policy(policy: &Name) -> Problem {
    Problem::no_such("no-such-policy", format!("there is no policy '{policy}'"))
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NoPolicy(policy) => no_policy(&policy),
            ExportError::NoSuchTarget(target) => Self::no_such("no-such-target", format!("there is no target '{target}'")),
            ExportError::Target { .. } => Self::refused("target-unusable", error.to_string()),
            ExportError::Paused(paused) => Self::conflict(paused.text()),
            ExportError::NoRun(run) => Self::no_such("no-such-run", format!("there is no run '{}'", run.as_str().escape_debug())),
            ExportError::NoSource(source) => Self::no_such("no-such-source", format!("there is no source '{source}'")),
            ExportError::Module(ShelfError::Unknown { reference, .. }) => {
                Self::no_such("no-such-module", format!("there is no module '{}'", reference.escape_debug()))
            }
            ExportError::Store(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::NoFolder | BackupError::Busy => Self::conflict(error.to_string()),
            other => Self::internal(&other),
        }
    }
}

impl From<LifeError> for Problem {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::NoSource(_) => Self::no_such("no-such-source", error.to_string()),
            LifeError::NoUser { .. } => Self::no_such("no-such-user", error.to_string()),
            LifeError::NoReason => Self::invalid(error.to_string()),
            LifeError::Busy => Self::conflict(error.to_string()),
            LifeError::Held(_) => Self::refused("held", error.to_string()),
            LifeError::Owed(_) => Self::refused("owed", error.to_string()),
            LifeError::Store(error) => error.into(),
            LifeError::Export(error) => error.into(),
            LifeError::Keys(_) | LifeError::BrokenOff | LifeError::Archive(_) | LifeError::Files { .. } | LifeError::KeyFound { .. } => {
                Self::internal(&error)
            }
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Problems(problems) => {
                let findings = problems.into_iter().map(|one| Finding { line: one.line, at: one.at, text: one.text }).collect();
                Self { findings, ..Self::refused("not-applicable", "nothing was applied: all that is wrong stands in findings") }
            }
            ApplyError::NotAsExpected(error) => error.into(),
            ApplyError::Store(error) | ApplyError::Keep(KeepError::Store(error)) => error.into(),
            ApplyError::Keep(KeepError::Full(why)) => Self::conflict(why),
            other => Self::internal(&other),
        }
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        ApplyError::from(error).into()
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::None(_) => Self::no_such("no-such-proposal", error.to_string()),
            DecideError::NotAnother(_) => Self::new(StatusCode::FORBIDDEN, "not-another-person", "This takes another person", error.to_string()),
            DecideError::NotTheirs(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", "Your role does not permit this", error.to_string()),
            DecideError::NotOpen(..) | DecideError::OtherDigest(_) | DecideError::Changed(_) => Self::conflict(error.to_string()),
            DecideError::Apply(error) => error.into(),
            DecideError::Store(error) => error.into(),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Faults { faults, .. } => {
                let finding = |fault: MapFault| Finding {
                    line: fault.line.and_then(|line| usize::try_from(line).ok()),
                    at: "the identity map".to_owned(),
                    text: fault.what,
                };
                let findings = faults.into_iter().map(finding).collect();
                Self { findings, ..Self::refused("not-applicable", "nothing was applied: all that is wrong stands in findings") }
            }
            IdentityError::NotAsExpected(error) => error.into(),
            IdentityError::Store(error) => error.into(),
        }
    }
}

impl From<PromoteError> for Problem {
    fn from(error: PromoteError) -> Self {
        match error {
            PromoteError::Export(error) => error.into(),
            PromoteError::NotAsExpected(error) => error.into(),
            PromoteError::Quarantined { .. } => Self::conflict(error.to_string()),
            PromoteError::None(_) | PromoteError::Several { .. } | PromoteError::Unknown { .. } => Self::refused("no-such-shadow", error.to_string()),
        }
    }
}

impl From<SetError> for Problem {
    fn from(error: SetError) -> Self {
        match error {
            SetError::Invalid(text) => Self::invalid(text),
            SetError::NotAsExpected(error) => error.into(),
            SetError::Store(error) => error.into(),
        }
    }
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        let code = match error {
            SignatureError::NoKey | SignatureError::PrivateKey => "no-key",
            SignatureError::NoSignature | SignatureError::NoKeys { .. } | SignatureError::Wrong { .. } => "not-signed",
        };
        Self::refused(code, error.to_string())
    }
}

impl From<PushError> for Problem {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Store(error) => error.into(),
            PushError::Export(error) => error.into(),
            PushError::Shelf(error) => Self::internal(&error),
            PushError::Quota(reached) => Self::quota(&reached),
            PushError::Taken { .. } => Self::conflict(error.to_string()),
            PushError::Reserved(_) => Self::refused("reserved-name", error.to_string()),
            PushError::Signature(_) | PushError::Unsigned(_) => Self::refused("not-signed", error.to_string()),
            PushError::Refused(_) | PushError::Probe { .. } => Self::refused("module-refused", error.to_string()),
        }
    }
}
