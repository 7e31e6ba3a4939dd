//! Sources: what comes in, and how to send some.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use consign_model::access::Permission;
use maud::html;

use super::page::{Page, Tab, address, table, tenant_page, time};
use crate::caller::Here;

/// The page.
pub async fn list(here: Here, headers: HeaderMap) -> Page {
    let exporter = here.tenant.exporter();
    let sources = exporter.store.sources(&exporter.tenant).await?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("HOST");
    let example = format!(
        "curl --data-binary @events.jsonl -H \"Authorization: Bearer $TOKEN\" \\\n  https://{host}/v1/tenants/{}/sources/chat/events",
        exporter.tenant
    );
    let body = html! {
        @if sources.is_empty() { p { "Nothing has come in yet." } } @else {
            (table("Sources", &["Source", "Formats", "Since"], &[], sources.iter().map(|source| {
                vec![html! { (source.name) }, html! { @for way in source.ways.keys() { (way) " " } }, time(source.created_at)]
            })))
        }
        h2 { "How to send events" }
        p { "As lines of JSON, by a token with the role ingest" @if here.caller.may(Permission::ManageAccess) { " (made under " a href=(address(&exporter.tenant, "/access")) { "Access" } ")" } ":" }
        pre tabindex="0" { (example) }
        p { "The answer comes when they are stored for good, and sending them once more stores nothing twice. " a href="/docs#type-Receipt" { "The API's own page" } " says what it looks like." }
    };
    Ok(tenant_page(&here, Tab::Sources, "Sources", &body))
}
