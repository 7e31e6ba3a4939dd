//! What waits for a second person: what it would change, and approving or rejecting it.

use axum::response::Redirect;
use consign_model::access::Permission;
use consign_model::proposal::{Proposal, Proposed, ProposedChange};
use consign_model::{Digest, Timestamp};
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, badge, done, table, tenant_page, time};
use crate::api::Item;
use crate::caller::Here;
use crate::problem::Problem;
use crate::proposals::{self, Set};

/// All of them, the newest first; and whether there is to be any.
pub async fn list(here: Here, Query(asked): Query) -> Page {
    let exporter = here.exporter();
    let (two, mut all) = (exporter.store.two_people(&exporter.tenant).await?, exporter.store.proposals(&exporter.tenant).await?);
    all.sort_by_key(|one| std::cmp::Reverse((one.at, one.id.clone())));
    let row = |one: &Proposal| {
        vec![
            html! { a href=(address(&exporter.tenant, &format!("/proposals/{}", one.id))) { (one.about().join(", ")) } },
            html! { (one.by.text()) },
            time(one.at),
            state(one),
        ]
    };
    let body = html! {
        @match asked.get("done") {
            Some("on") => (done("From now on that takes two people.")),
            Some("off") => (done("One person is enough.")),
            Some("rejected") => (done("It is rejected.")),
            _ => {}
        }
        p {
            @if two { "A new or changed target, and letting a module see into messages, take two people here: one proposes it, another approves it. A token that one of you has made counts as whoever made it." }
            @else { "One person is enough here for whatever their role permits, for new targets and for letting a module see into messages as well." }
        }
        @if here.caller.may(Permission::WriteTargets) {
            form.inline method="post" action=(address(&exporter.tenant, "/two-people")) {
                input type="hidden" name="on" value=(if two { "false" } else { "true" });
                button { @if two { "Have it take one person again" } @else { "Have it take two people" } }
            }
        }
        h2 { "Proposals" }
        @if all.is_empty() { p { "There is none." } } @else { (table("Proposals", &["About", "By", "Made", "State"], &[], all.iter().map(row))) }
    };
    Ok(tenant_page(&here, Tab::Proposals, "Proposals", &body))
}

fn state(one: &Proposal) -> Markup {
    let kind = match one.word(Timestamp::now()) {
        "approved" => "good",
        "rejected" => "bad",
        _ => "note",
    };
    badge(kind, one.word(Timestamp::now()))
}

/// One of them.
pub async fn show(here: Here, Item(id): Item, Query(asked): Query) -> Page {
    let exporter = here.exporter();
    let one = proposals::find(&exporter, &id).await.map_err(Problem::from)?;
    let to = |what: &str| address(&exporter.tenant, &format!("/proposals/{}{what}", one.id));
    let (is_open, may) = (one.is_open(Timestamp::now()), here.caller.may(one.takes()));
    let is_own = one.by == here.caller.actor();
    let body = html! {
        @match asked.get("done") {
            Some("proposed") => (done("It takes two people, so nothing of it is in force yet: it waits for another to approve it.")),
            Some("approved") => (done("It is in force.")),
            _ => {}
        }
        p { (state(&one)) " Proposed by " (one.by.text()) ", " (time(one.at)) ". " @if is_open { "It can be approved until " (time(one.expires_at)) "." } }
        @if let Some(decision) = &one.decision { p { "Decided by " (decision.by.text()) ", " (time(decision.at)) "." } }
        @for change in &one.changes { (difference(change)) }
        @if let Proposed::Apply { texts, .. } = &one.what {
            @for (name, text) in texts { details { summary { "As it was written (" (name) ")" } pre { (text) } } }
        }
        p.hint { "Its digest: " code { (one.digest.to_string()) } }
        @if is_open && may {
            div.actions {
                @if !is_own {
                    form.inline method="post" action=(to("/approve")) {
                        input type="hidden" name="digest" value=(one.digest.to_string());
                        button.main { "Approve, and put it into force" }
                    }
                }
                form.inline method="post" action=(to("/reject")) { button { @if is_own { "Take it back" } @else { "Reject" } } }
            }
            @if is_own { p { "You have proposed it: another person has to approve it." } }
        }
    };
    Ok(tenant_page(&here, Tab::Proposals, &one.about().join(", "), &body))
}

fn difference(change: &ProposedChange) -> Markup {
    let row = |one: &consign_model::proposal::FieldChange| {
        let shown = |text: &Option<String>| html! { @if let Some(text) = text { code { (text) } } @else { "–" } };
        vec![html! { (one.field) }, shown(&one.before), shown(&one.after)]
    };
    let title = format!("{} {}", change.kind, change.name);
    html! {
        h2 { (title) @if let Some(version) = change.version { ", in the place of version " (version) } @else if change.kind != "setting" { ", new" } }
        @if !change.because.is_empty() { ul { @for why in &change.because { li { strong { (why) } } } } }
        (table(&title, &["Field", "As it is", "As it would be"], &[], change.fields.iter().map(row)))
    }
}

/// Approves one.
pub async fn approve(here: Here, Item(id): Item, form: Fields) -> Result<Redirect, Trouble> {
    let digest = Digest::try_from(form.one("digest")?.to_owned()).map_err(|_| Problem::invalid("digest: this is none"))?;
    proposals::approve(&here.exporter(), &id, &digest, |permission| here.caller.may(permission)).await.map_err(Problem::from)?;
    here.tenant.changed();
    Ok(Redirect::to(&address(here.tenant.name(), &format!("/proposals/{id}?done=approved"))))
}

/// Rejects one, or takes one's own back.
pub async fn reject(here: Here, Item(id): Item) -> Result<Redirect, Trouble> {
    proposals::reject(&here.exporter(), &id, |permission| here.caller.may(permission)).await.map_err(Problem::from)?;
    Ok(Redirect::to(&address(here.tenant.name(), "/proposals?done=rejected")))
}

/// Has it take two people, or one.
pub async fn require(here: Here, form: Fields) -> Result<Redirect, Trouble> {
    let on = match form.one("on")? {
        "true" => true,
        "false" => false,
        _ => return Err(Problem::invalid("on: true or false").into()),
    };
    let way = match proposals::require(&here.exporter(), on).await.map_err(Problem::from)? {
        Set::Done if on => "/proposals?done=on".to_owned(),
        Set::Done => "/proposals?done=off".to_owned(),
        Set::Proposed(proposal) => proposed(&proposal),
    };
    Ok(Redirect::to(&address(here.tenant.name(), &way)))
}

/// To what was kept for another person, below the tenant.
pub fn proposed(proposal: &Proposal) -> String {
    format!("/proposals/{}?done=proposed", proposal.id)
}
