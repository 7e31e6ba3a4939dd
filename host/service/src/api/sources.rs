//! Sources, and the events that come from them.

use axum::Json;
use axum::extract::Request;
use axum::response::Response;
use consign_store::SourceRecord;
use serde::Serialize;
use utoipa::ToSchema;

use super::given::{Asked, Item, Page, Paging, name, time};
use crate::caller::Here;
use crate::problem::Problem;

/// A connected platform.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceView {
    /// Its name.
    name: String,
    /// The format it was first imported in.
    format: String,
    /// When it was first seen.
    created_at: String,
    /// What each way in gives: edits, deletions, memberships, …
    #[schema(value_type = Object)]
    ways: serde_json::Value,
}

/// Lists the sources.
#[utoipa::path(get, operation_id = "listSources", path = "/v1/tenants/{tenant}/sources", tag = "sources", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By name", body = Page<SourceView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<SourceView>>, Problem> {
    let all = here.tenant.exporter().store.sources(here.tenant.name()).await?;
    let view = |source: SourceRecord| SourceView {
        name: source.name.to_string(),
        format: source.format,
        created_at: time(source.created_at),
        ways: serde_json::to_value(&source.ways).unwrap_or_default(),
    };
    Page::of_all(all, &paging, |source| source.name.to_string(), view)
}

/// What became of events that were handed in. When this is said, they are durable.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// Events that are stored now.
    stored: u64,
    /// Events that were there.
    already_there: u64,
    /// Lines that can't be read.
    refused: u64,
    /// These, or the first of them.
    refusals: Vec<RefusedLine>,
}

/// A line that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedLine {
    /// Counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// What is wrong with its shape.
    reason: String,
}

/// Hands events in: JSON lines, as `consign import --format jsonl` reads them, also with Content-Encoding gzip or zstd.
///
/// The answer is a receipt: whoever gets none, or another, sends the same again, and what is there is stored once. A source that is not there yet is made.
#[utoipa::path(post, operation_id = "sendEvents", path = "/v1/tenants/{tenant}/sources/{source}/events", tag = "sources", security(("token" = ["write-events"])),
    params(("tenant" = String, Path, description = "The tenant"), ("source" = String, Path, description = "The source")),
    request_body(content = Option<String>, content_type = "application/x-ndjson", description = "A line for each event, chat or user"),
    responses(
        (status = 200, description = "Stored", body = Receipt),
        (status = 408, description = "The body did not come in time", body = Problem),
        (status = 415, description = "It is packed otherwise", body = Problem),
        (status = 422, description = "No line of it can be read", body = Problem),
        (status = 429, description = "Too much waits to be stored: come again after Retry-After", body = Problem),
        (status = 507, description = "The tenant has as much in the archive as it may: come again after Retry-After", body = Problem),
        (status = 503, description = "It could not be stored: come again after Retry-After", body = Problem),
    ))]
pub async fn events(here: Here, Item(source): Item, request: Request) -> Result<Response, Problem> {
    let source = name("source", &source)?;
    let path = format!("/v1/tenants/{}/sources/{source}/events by {}", here.tenant.name(), here.caller.id());
    Ok(here.tenant.receiver().take(&source, &path, request).await)
}
