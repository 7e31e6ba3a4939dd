//! Where the console begins; and, for who runs the installation, its tenants.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::access::Permission;
use consign_model::{RemovedTenant, TenantId, Timestamp};
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Trouble, address, done, plain_page, table, time};
use super::sign_in::first_page;
use super::{ROOT, gate::SignedIn};
use crate::api::name;
use crate::tenants::Tenants;

/// Tenants on a page.
const PAGE: usize = 200;

/// To the page where somebody begins.
pub async fn begin(Extension(signed_in): Extension<SignedIn>) -> Redirect {
    Redirect::to(&first_page(&signed_in.caller))
}

/// All tenants.
pub async fn tenants(State(tenants): State<Arc<Tenants>>, Extension(signed_in): Extension<SignedIn>, Query(asked): Query) -> Page {
    let after: Option<TenantId> = asked.get("after").map(|after| name("after", after)).transpose()?;
    let mut names = tenants.names(after.as_ref(), PAGE + 1);
    let is_more = names.len() > PAGE;
    names.truncate(PAGE);
    let link = |tenant: &TenantId| html! { a href=(address(tenant, "")) { (tenant) } };
    let mut rows = Vec::with_capacity(names.len());
    for tenant in &names {
        let quotas = tenants.store().quotas(tenant).await?;
        let change = html! { a href=(address(tenant, "/quotas")) aria-label={ "Quotas of " (tenant) } { "Quotas" } };
        rows.push(vec![link(tenant), html! { (quotas.limits.text()) }, html! { (quotas.weight) }, change]);
    }
    let more = names.last().filter(|_| is_more).map(|last| format!("{ROOT}/tenants?after={last}"));
    let body = html! {
        @if let Some(made) = asked.get("made") { (done(&format!("The tenant {made} is there. Make a token for its first administrator under Access."))) }
        @if names.is_empty() { p { "There is no tenant yet." } } @else { (table("Tenants", &["Name", "Limits", "Weight in sharing", ""], &[2], rows)) }
        @if let Some(more) = more { p { a href=(more) { "More" } } }
        @if signed_in.caller.may(Permission::ManageTenants) { (new_tenant()) (removed(&tenants).await?) }
    };
    Ok(plain_page("Tenants", Some(&signed_in.caller), &body))
}

/// Those that are no more, and how far their end has come.
async fn removed(tenants: &Tenants) -> Result<Markup, Trouble> {
    let all = tenants.store().removed_tenants().await?;
    let when = |at: Option<Timestamp>| at.map_or_else(|| html! { span.none { "with the next start" } }, time);
    let row = |one: &RemovedTenant| {
        let RemovedTenant { tenant, at, by, reason, files_gone, records_gone, proof, .. } = one;
        let who = html! { (by.text()) ": " (reason) };
        vec![html! { (tenant) }, time(*at), who, when(*files_gone), when(*records_gone), when(proof.map(|proof| proof.at))]
    };
    Ok(html! {
        @if !all.is_empty() {
            h2 { "Removed tenants" }
            (table("Removed tenants", &["Name", "Keys destroyed", "By, and why", "Files gone", "Records gone", "Keys found nowhere"], &[], all.iter().map(row)))
        }
    })
}

fn new_tenant() -> Markup {
    html! {
        h2 { "A new tenant" }
        form.stacked method="post" action={ (ROOT) "/tenants" } {
            label for="name" { "Name" }
            input #name name="name" required maxlength="63" pattern="[a-z0-9][a-z0-9._\\-]*" autocomplete="off" aria-describedby="about-name";
            p.hint id="about-name" { "Small letters, digits, dots and dashes. It stays." }
            button { "Make it" }
        }
    }
}

/// Makes one.
pub async fn create(State(tenants): State<Arc<Tenants>>, Extension(signed_in): Extension<SignedIn>, form: Fields) -> Result<Response, Trouble> {
    let (tenant, _) = tenants.create(&name("name", form.one("name")?)?, &signed_in.caller.actor()).await?;
    Ok(Redirect::to(&format!("{ROOT}/tenants?made={}", tenant.name())).into_response())
}
