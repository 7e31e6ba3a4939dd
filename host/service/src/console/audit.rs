//! The audit log: who did what, the newest first.

use consign_model::audit::{Entry, SignedEntry};
use maud::html;

use super::form::Query;
use super::page::{Page, Tab, address, table, tenant_page, time};
use crate::caller::Here;
use crate::problem::Problem;

/// Entries on a page.
const PAGE: u64 = 100;

/// The page.
pub async fn show(here: Here, Query(asked): Query) -> Page {
    let exporter = here.tenant.exporter();
    let newest = exporter.store.audit_head(&exporter.tenant).await?.map_or(0, |head| head.seq);
    let last = asked.number("before")?.map_or(newest, |before: u64| before.saturating_sub(1)).min(newest);
    let first = last.saturating_sub(PAGE);
    let lines = exporter.store.audit(&exporter.tenant, first, usize::try_from(last - first).unwrap_or_default()).await?;
    let mut rows = Vec::new();
    for line in lines.iter().rev() {
        let entry = serde_json::from_str::<SignedEntry>(&line.line)
            .and_then(|signed| serde_json::from_str::<Entry>(signed.entry.get()))
            .map_err(|error| Problem::internal(&error))?;
        rows.push(vec![html! { (entry.seq) }, time(entry.at), html! { (entry.by.text()) }, html! { (entry.deed.text()) }]);
    }
    let body = html! {
        p { "Each entry is signed, and follows the one before. To check the whole chain, with " code { "consign audit verify" } ", take it from the API." }
        @if rows.is_empty() { p { "There is no entry." } } @else { (table("Entries", &["No.", "When", "Who", "What"], &[], rows)) }
        @if first > 0 { p { a href=(address(&exporter.tenant, &format!("/audit?before={}", first + 1))) { "Earlier ones" } } }
    };
    Ok(tenant_page(&here, Tab::Audit, "Audit log", &body))
}
