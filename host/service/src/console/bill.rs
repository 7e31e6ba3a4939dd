//! What a tenant has used in a month.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use consign_model::Timestamp;
use consign_model::figure::{bytes, number};
use maud::html;

use super::form::Query;
use super::page::{Page, Tab, Trouble, address, table, tenant_page};
use super::quotas::limits;
use crate::bill::{Bill, Month, Seconds, bill, csv};
use crate::caller::Here;
use crate::problem::Problem;

/// Months that can be chosen.
const MONTHS: usize = 12;

async fn asked_for(here: &Here, asked: &Query) -> Result<Bill, Problem> {
    let month = match asked.0.get("month") {
        Some(text) => text.parse().map_err(|error| Problem::invalid(format!("month: {error}")))?,
        None => Month::of(Timestamp::now()),
    };
    Ok(bill(here.tenant.exporter().store.as_ref(), here.tenant.name(), month).await?)
}

/// The bill.
pub async fn show(here: Here, asked: Query) -> Page {
    let bill = asked_for(&here, &asked).await?;
    let quotas = here.tenant.exporter().store.quotas(here.tenant.name()).await?;
    let limits = limits(&here, &quotas).await?;
    let months = std::iter::successors(Some(Month::of(Timestamp::now())), |month| Some(month.before())).take(MONTHS);
    let figures = [
        ("Runs", number(bill.runs)),
        ("Events examined", number(bill.examined)),
        ("Events exported", number(bill.exported)),
        ("E-mails accepted", number(bill.emails)),
        ("Sent", bytes(bill.bytes_sent)),
        ("Stored, at most", bytes(bill.bytes_stored)),
    ];
    let modules = bill.modules.iter().map(|(module, cost)| {
        let rate = cost.seconds_per_million().map_or("–".to_owned(), |seconds| format!("{seconds:.2} s"));
        vec![html! { (module) }, html! { (Seconds(cost.micros)) " s" }, html! { (number(cost.events)) }, html! { (rate) }]
    });
    let body = html! {
        form.inline method="get" action=(address(here.tenant.name(), "/bill")) {
            label for="month" { "Month" }
            select #month name="month" { @for month in months { option value=(month) selected[month == bill.month] { (month) } } }
            button { "Show" }
        }
        (table("What was used", &["What", "How much"], &[1], figures.map(|(what, much)| vec![html! { (what) }, html! { (much) }])))
        h2 { "Modules" }
        @if bill.modules.is_empty() { p { "No module was run." } }
        @else { (table("Processor time of modules", &["Module", "Processor", "Events", "For a million events"], &[1, 2, 3], modules)) }
        h2 { "Limits" }
        (limits)
        p { a href=(address(here.tenant.name(), &format!("/bill.csv?month={}", bill.month))) { "The same as CSV" } }
    };
    Ok(tenant_page(&here, Tab::Overview, &format!("The bill of {}", bill.month), &body))
}

/// The same as CSV.
pub async fn file(here: Here, asked: Query) -> Result<Response, Trouble> {
    let bill = asked_for(&here, &asked).await?;
    let name = format!("attachment; filename=\"bill-{}-{}.csv\"", bill.tenant, bill.month);
    Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)], csv([&bill])).into_response())
}
