//! What is answered: figures as JSON, and what is wrong as a problem (RFC 9457).
//!
//! A problem never says anything of a body but the numbers of its lines and what is wrong with their shape: answers end up in the logs of whoever called.

use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use consign_model::Name;
use consign_model::quota::Reached;
use consign_source::Refusal;
use serde::Serialize;

/// Seconds after which to come again where there was no room, where storing failed, and where the tenant has as much as it may.
const FULL_AGAIN: u32 = 1;
const FAILED_AGAIN: u32 = 5;
const QUOTA_AGAIN: u32 = 300;

/// A line that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refused {
    /// Counted from 1; unset where there are no lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Which of a list, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    reason: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { line: refusal.line, index: refusal.index, reason: refusal.reason }
    }
}

/// What became of a request that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Receipt {
    /// Events that are stored now.
    pub stored: u64,
    /// Events that were there.
    pub already_there: u64,
    /// Lines that can't be read.
    pub refused: u64,
    /// These, or the first of them.
    pub refusals: Vec<Refused>,
}

impl IntoResponse for Receipt {
    fn into_response(self) -> Response {
        json(&self)
    }
}

/// An answer in JSON.
pub(super) fn json(what: &impl Serialize) -> Response {
    ([(CONTENT_TYPE, "application/json")], serde_json::to_string(what).unwrap_or_default()).into_response()
}

/// A header that goes with a problem.
#[derive(Debug, Clone, Copy)]
enum Header {
    Allow,
    Bearer,
    /// In so many seconds.
    RetryAfter(u32),
}

impl Header {
    fn line(self) -> (HeaderName, HeaderValue) {
        match self {
            Self::Allow => (ALLOW, HeaderValue::from_static("POST")),
            Self::Bearer => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::RetryAfter(seconds) => (RETRY_AFTER, seconds.into()),
        }
    }
}

/// What is wrong.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    header: Option<Header>,
    refusals: Option<(u64, Vec<Refused>)>,
    closes: bool,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), header: None, refusals: None, closes: false }
    }

    fn with(self, header: Header) -> Self {
        Self { header: Some(header), ..self }
    }

    /// Whether whoever called has not shown who they are.
    pub fn is_of_a_stranger(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::METHOD_NOT_ALLOWED)
    }

    /// Whether the request would have been taken, had all been well here.
    pub fn is_ours(&self) -> bool {
        self.status.is_server_error()
    }

    /// Whoever called is told; but a platform's own log is read by nobody here, and something may be missing. What comes of strangers is counted
    /// (`Strangers`).
    pub fn log(&self, source: &Name) {
        let Self { status, code, .. } = self;
        if self.is_of_a_stranger() {
            tracing::debug!(%source, code, "source '{source}': a request was not let in: {code}");
        } else {
            tracing::warn!(%source, code, %status, "source '{source}': a request was answered {status} ({code}), and nothing of it is acknowledged");
        }
    }

    /// The rest of the body is not read, so nothing can come after it on this connection.
    fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    pub fn unknown() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-source",
            "there is no such source here, or it takes something else: see the path and the file of sources",
        )
    }

    pub fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "only POST is answered here").with(Header::Allow)
    }

    pub fn not_signed_in(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", detail)
    }

    pub fn no_token() -> Self {
        let detail = "the token is missing or wrong: send the source's as 'Authorization: Bearer …'";
        Self::not_signed_in(detail).with(Header::Bearer)
    }

    pub fn too_large(most: usize) -> Self {
        let detail = format!("a body may have {most} bytes, also unpacked: send less at a time");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail).closing()
    }

    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not come in time: send it again").closing()
    }

    pub fn cut_off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "cut-off", "the body ended before its end: send it again").closing()
    }

    pub fn packed_otherwise() -> Self {
        let detail = "Content-Encoding is none of gzip, zstd and identity: send it in one of them";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-encoding", detail)
    }

    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable", detail)
    }

    pub fn full() -> Self {
        let detail = "too much waits to be stored: send it again after the time in Retry-After";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "full", detail).with(Header::RetryAfter(FULL_AGAIN)).closing()
    }

    pub fn not_stored() -> Self {
        let detail = "it could not be stored, and why is in the log: send it again after the time in Retry-After";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-stored", detail).with(Header::RetryAfter(FAILED_AGAIN))
    }

    pub fn quota(reached: Reached) -> Self {
        let detail = format!("{reached}: nothing of this is taken in, and it is to come again after the time in Retry-After");
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "quota-stored-bytes", detail).with(Header::RetryAfter(QUOTA_AGAIN))
    }

    /// A part can't be read now, and the rest is stored: all of it is to come again.
    pub fn not_all_read(receipt: Receipt) -> Self {
        let detail =
            "some of it can't be read as things are, and why is in the log; the rest is stored: send all of it again after the time in Retry-After";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-all-read", detail).with(Header::RetryAfter(FAILED_AGAIN));
        Self { refusals: Some((receipt.refused, receipt.refusals)), ..problem }
    }

    pub fn all_refused(refused: u64, refusals: Vec<Refused>) -> Self {
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", "nothing of it can be read, so nothing was stored: see `refusals`");
        Self { refusals: Some((refused, refusals)), ..problem }
    }
}

#[derive(Serialize)]
struct Shown {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusals: Option<Vec<Refused>>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, detail, header, refusals, closes } = self;
        let (refused, refusals) = refusals.unzip();
        let title = status.canonical_reason().unwrap_or_default();
        let shown = Shown { r#type: "about:blank", title, status: status.as_u16(), detail, code, refused, refusals };
        let mut response = (status, serde_json::to_string(&shown).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(header.map(Header::line));
        if closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
