//! What could not be exported, and why; and trying it again.

use axum::response::Redirect;
use consign_export::{How, Retry};
use consign_model::access::Permission;
use consign_model::{HeldReason, Name, Window, WindowKey};
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, badge, done, number, table, tenant_page, time};
use crate::caller::Here;
use crate::problem::Problem;

/// Chats on a page.
const PAGE: usize = 100;

/// The page.
pub async fn list(here: Here, Query(asked): Query) -> Page {
    let after: Option<WindowKey> = match asked.get("after") {
        Some(after) => Some(serde_json::from_str(after).map_err(|_| Problem::invalid("after: this is no place in this list"))?),
        None => None,
    };
    let mut found = here.tenant.exporter().held(None, after.as_ref(), PAGE + 1).await?;
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let more = found.last().filter(|_| is_more).and_then(|last| serde_json::to_string(&last.key).ok());
    let more = more.map(|after| form_urlencoded::byte_serialize(after.as_bytes()).collect::<String>());
    let body = html! {
        @if asked.get("asked").is_some() { (done("They are tried again as soon as there is room for it.")) }
        p { "Nothing of these is lost: each is exported when what is in its way is mended." }
        @if found.is_empty() { p { "Nothing is held." } }
        @for of_policy in found.chunk_by(|one, next| one.key.policy == next.key.policy) { (of_one_policy(&here, of_policy)) }
        @if let Some(more) = more { p { a href=(address(here.tenant.name(), &format!("/held?after={more}"))) { "More" } } }
    };
    Ok(tenant_page(&here, Tab::Held, "Held", &body))
}

fn of_one_policy(here: &Here, windows: &[Window]) -> Markup {
    let tenant = here.tenant.name();
    let Some(policy) = windows.first().map(|window| &window.key.policy) else { return html! {} };
    let may = here.caller.may(Permission::WritePolicies);
    let row = |window: &Window| {
        let id = window.key.id();
        let chat = html! { @if may { label { input type="checkbox" name="window" value=(id) checked; " " (window.key.chat.id) } } @else { (window.key.chat.id) } };
        let settled = window.state.settled();
        let what = html! {
            @if window.key.is_supplement() { "copies owed to " (window.owed_to.join(", ")) } @else { (number(settled.map_or(0, |settled| settled.counts.held))) " of " (number(window.events())) }
        };
        let run = html! { a href=(address(tenant, &format!("/runs/{}", window.run))) { (window.run) } };
        let again = html! {
            @if window.state.is_tried_again() { (badge("note", "by itself")) @if let Some(at) = settled.and_then(|settled| settled.next_attempt) { " at " (time(at)) } }
            @else { (badge("bad", "waits for you")) }
        };
        vec![chat, html! { (window.key.chat.source) }, what, run, html! { (window.state.held().map(HeldReason::text).unwrap_or_default()) }, again]
    };
    let heading = format!("policy-{policy}");
    html! {
        section aria-labelledby=(heading) {
            h2 id=(heading) { (policy) }
            form method="post" action=(address(tenant, "/held")) {
                input type="hidden" name="policy" value=(policy);
                (table(&format!("Held of {policy}"), &["Chat", "Source", "Held events", "Run", "Why", "Tried again"], &[], windows.iter().map(row)))
                @if may {
                    fieldset {
                        legend { "Try those marked again" }
                        label { input type="radio" name="how" value="as-frozen" checked; " as they were frozen" }
                        label { input type="radio" name="how" value="current"; " evaluated and composed anew under today's policy and target, where nobody can have got anything of them yet" }
                        label { input type="radio" name="how" value="send-changed"; " as they are composed now, also where the target may have e-mails of other bytes" }
                        button { "Try again" }
                    }
                }
            }
        }
    }
}

/// Asks for them to be tried again.
pub async fn retry(here: Here, form: Fields) -> Result<Redirect, Trouble> {
    let none = || Problem::no_such("no-such-policy", "there is no such policy");
    let name: Name = form.one("policy")?.parse().map_err(|_| none())?;
    let store = &here.tenant.exporter().store;
    let policy = store.policy(here.tenant.name(), &name, None).await?.ok_or_else(none)?;
    let how = match form.get("how") {
        None | Some("as-frozen") => How::AsFrozen,
        Some("current") => How::Current,
        Some("send-changed") => How::SendChanged,
        Some(_) => return Err(Problem::invalid("how: there is no such way").into()),
    };
    let ids = form.all("window");
    if ids.is_empty() {
        return Err(Problem::invalid("mark what is to be tried again").into());
    }
    here.tenant.ask(&policy.spec.name, Retry::These { ids, how }, here.caller.actor());
    Ok(Redirect::to(&address(here.tenant.name(), "/held?asked=1")))
}
