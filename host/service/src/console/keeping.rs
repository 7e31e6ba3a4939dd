//! How long events are kept: rules, legal holds, erasure.

use axum::response::{IntoResponse, Redirect, Response};
use consign_model::audit::Certificate;
use consign_model::figure::number;
use consign_model::keeping::{CountedFrom, Hold, Rule};
use consign_model::{Keeping, Span, Timestamp};
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, done, table, tenant_page, time};
use crate::api::{Item, name};
use crate::caller::Here;
use crate::problem::Problem;

/// Rules, holds, and what can be done about them.
pub async fn show(here: Here, Query(asked): Query) -> Page {
    let said = match asked.get("done") {
        Some("rule") => done("The rule is in force. What is over goes within some hours."),
        Some("unset") => done("The rule is gone."),
        Some("placed") => done("The hold is placed."),
        Some("lifted") => done("The hold is lifted."),
        _ => html! {},
    };
    page(&here, &said).await
}

async fn page(here: &Here, said: &Markup) -> Page {
    let exporter = here.exporter();
    let keeping = exporter.store.keeping(&exporter.tenant).await?;
    let sources = exporter.store.sources(&exporter.tenant).await?;
    let may = here.caller.may(consign_model::access::Permission::ManageKeeping);
    let to = |path: &str| address(&exporter.tenant, &format!("/keeping{path}"));
    let chosen = |id: &str, none: &str| {
        html! {
            select id=(id) name="source" {
                option value="" { (none) }
                @for source in &sources { option value=(source.name) { (source.name) } }
            }
        }
    };
    let body = html! {
        (said)
        p { "What is over is deleted by the server some times a day. What a policy has not done with stays, and so does what a legal hold covers." }
        (rules(here, &keeping, may))
        @if may {
            form.stacked method="post" action=(to("/rules")) {
                label for="keep" { "Keep for" }
                input #keep name="keep" required maxlength="40" autocomplete="off" placeholder="7 years" aria-describedby="about-keep";
                p.hint id="about-keep" { "As \"7 years\" or \"90 days\"." }
                label for="rule-source" { "Of" }
                (chosen("rule-source", "all sources without a rule of their own"))
                label for="counted" { "Counted from" }
                select #counted name="counted" {
                    option value="event" { "when it happened" }
                    option value="export" { "when the last policy was done with it" }
                }
                button { "Set the rule" }
            }
            form.inline method="post" action=(to("/run")) {
                button name="dry" value="yes" { "What would go now?" }
            }
        }
        (holds(here, &keeping, may))
        @if may {
            h3 { "Place a hold" }
            form.stacked method="post" action=(to("/holds")) {
                label for="hold" { "Name" }
                input #hold name="name" required maxlength="63" pattern="[a-z0-9][a-z0-9._\\-]*" autocomplete="off";
                label for="why" { "Why" }
                input #why name="reason" required maxlength="1000" autocomplete="off" aria-describedby="about-why";
                p.hint id="about-why" { "It stands in the audit log." }
                label for="hold-source" { "Of" }
                (chosen("hold-source", "all sources"))
                label for="chat" { "Only the chat with this id" }
                input #chat name="chat" autocomplete="off";
                label for="user" { "Only chats in which the user with this id was" }
                input #user name="user" autocomplete="off";
                button { "Place it" }
            }
            h2 { "Erase a user's events" }
            form.stacked method="post" action=(to("/erase")) {
                label for="erase-source" { "Source" }
                (chosen("erase-source", "choose one"))
                label for="erase-user" { "The platform's id of the user" }
                input #erase-user name="user" required autocomplete="off";
                label for="erase-why" { "Why" }
                input #erase-why name="reason" required maxlength="1000" autocomplete="off";
                button name="dry" value="yes" { "What would go?" }
                button { "Erase" }
            }
            p.hint { "What others wrote about this user stays, and the name in lists of people; so does what archives have received. An erasure can't be undone." }
        }
    };
    Ok(tenant_page(here, Tab::Keeping, "Keeping", &body))
}

fn rules(here: &Here, keeping: &Keeping, may: bool) -> Markup {
    let row = |rule: &Rule| {
        let of = rule.source.as_ref().map_or("all others".to_owned(), ToString::to_string);
        let from = match rule.counted_from {
            CountedFrom::Event => "when it happened",
            CountedFrom::Export => "when the last policy was done with it",
        };
        let unset = html! {
            @if may {
                form.inline method="post" action=(address(here.tenant.name(), "/keeping/rules/unset")) {
                    input type="hidden" name="source" value=(rule.source.as_ref().map_or("", |source| source.as_str()));
                    button aria-label={ "Take back the rule of " (of) } { "Take back" }
                }
            }
        };
        vec![html! { (of) }, html! { (rule.keep) }, html! { (from) }, unset]
    };
    html! {
        h2 { "Rules" }
        @if keeping.rules.is_empty() { p { "There is none: everything is kept for ever." } }
        @else { (table("Rules of retention", &["Source", "Kept for", "Counted from", ""], &[], keeping.rules.iter().map(row))) }
    }
}

fn holds(here: &Here, keeping: &Keeping, may: bool) -> Markup {
    let row = |hold: &Hold| {
        let lift = html! {
            @if may {
                form.inline method="post" action=(address(here.tenant.name(), &format!("/keeping/holds/{}/lift", hold.name))) {
                    button aria-label={ "Lift " (hold.name) } { "Lift" }
                }
            }
        };
        vec![html! { (hold.name) }, html! { (hold.text()) }, html! { (hold.reason) }, time(hold.placed_at), lift]
    };
    html! {
        h2 { "Legal holds" }
        @if keeping.holds.is_empty() { p { "There is none." } }
        @else { (table("Legal holds", &["Name", "Covers", "Why", "Since", ""], &[], keeping.holds.iter().map(row))) }
    }
}

async fn put(here: &Here, next: &Keeping) -> Result<(), Problem> {
    let exporter = here.exporter();
    exporter.store.put_keeping(&exporter.tenant, next, &exporter.author).await?;
    here.tenant.keeping_changed();
    Ok(())
}

fn source(form: &Fields) -> Result<Option<consign_model::Name>, Problem> {
    form.get("source").map(|source| name("source", source)).transpose()
}

/// Sets a rule, in the place of one for the same.
pub async fn set_rule(here: Here, form: Fields) -> Result<Redirect, Trouble> {
    let keep =
        serde_json::from_value::<Span>(form.one("keep")?.into()).map_err(|_| Problem::invalid("keep for: write it as \"7 years\" or \"90 days\""))?;
    let counted_from = if form.get("counted") == Some("export") { CountedFrom::Export } else { CountedFrom::Event };
    let rule = Rule { source: source(&form)?, keep, counted_from };
    let keeping = here.exporter().store.keeping(here.tenant.name()).await?;
    let others = keeping.rules.iter().filter(|one| one.source != rule.source).cloned();
    put(&here, &keeping.with_rules(others.chain([rule.clone()]).collect()).map_err(Problem::invalid)?).await?;
    Ok(Redirect::to(&address(here.tenant.name(), "/keeping?done=rule")))
}

/// Takes a rule back.
pub async fn unset_rule(here: Here, form: Fields) -> Result<Redirect, Trouble> {
    let of = source(&form)?;
    let keeping = here.exporter().store.keeping(here.tenant.name()).await?;
    let others: Vec<Rule> = keeping.rules.iter().filter(|one| one.source != of).cloned().collect();
    if others.len() == keeping.rules.len() {
        return Err(Problem::no_such("no-such-rule", "there is no such rule").into());
    }
    put(&here, &keeping.with_rules(others).map_err(Problem::invalid)?).await?;
    Ok(Redirect::to(&address(here.tenant.name(), "/keeping?done=unset")))
}

/// Counts what would go now.
pub async fn count(here: Here) -> Result<Response, Trouble> {
    let retained = here.life().retain(Timestamp::now(), true).await.map_err(Problem::from)?;
    let said = html! {
        div.notice role="status" {
            p { (number(retained.deleted)) " events would go now, of " (number(retained.chats)) " chats with a rule." }
            (kept_back(retained.kept_back.owed, retained.kept_back.held))
        }
    };
    Ok(page(&here, &said).await?.into_response())
}

fn kept_back(owed: u64, held: u64) -> Markup {
    html! {
        @if owed > 0 { p { (number(owed)) " stay, since a policy has not done with them." } }
        @if held > 0 { p { (number(held)) " stay, since a legal hold covers them." } }
    }
}

/// Places a hold.
pub async fn place(here: Here, form: Fields) -> Result<Redirect, Trouble> {
    let hold = Hold {
        name: name("name", form.one("name")?)?,
        reason: form.one("reason")?.to_owned(),
        source: source(&form)?,
        chat: form.get("chat").map(str::to_owned),
        user: form.get("user").map(str::to_owned),
        from: None,
        until: None,
        placed_at: Timestamp::now(),
    };
    let keeping = here.exporter().store.keeping(here.tenant.name()).await?;
    put(&here, &keeping.with_hold(hold).map_err(Problem::invalid)?).await?;
    Ok(Redirect::to(&address(here.tenant.name(), "/keeping?done=placed")))
}

/// Lifts one.
pub async fn lift(here: Here, Item(hold): Item) -> Result<Redirect, Trouble> {
    let none = || Problem::no_such("no-such-hold", format!("there is no hold '{}'", hold.escape_debug()));
    let called = hold.parse().map_err(|_| none())?;
    let keeping = here.exporter().store.keeping(here.tenant.name()).await?;
    put(&here, &keeping.without_hold(&called).ok_or_else(none)?).await?;
    Ok(Redirect::to(&address(here.tenant.name(), "/keeping?done=lifted")))
}

/// Erases a user's events, or counts them.
pub async fn erase(here: Here, form: Fields) -> Result<Response, Trouble> {
    let of = source(&form)?.ok_or_else(|| Problem::invalid("source: choose one"))?;
    let dry_run = form.get("dry").is_some();
    let certificate = here.life().erase(&of, form.one("user")?, form.one("reason")?, dry_run).await.map_err(Problem::from)?;
    if !dry_run {
        // How much is stored is seen anew.
        here.tenant.keeping_changed();
    }
    let Certificate { user, erased, chats, owed, held, files, .. } = certificate;
    let said = html! {
        div.notice role="status" {
            p { (number(erased)) " events of " (user) @if dry_run { " would go" } @else { " are erased" } ", in " (number(chats)) " chats." }
            @if files > 0 { p { (number(files)) " files went with them." } }
            (kept_back(owed, held))
            @if !dry_run { p { "The certificate stands in the " a href=(address(here.tenant.name(), "/audit")) { "audit log" } "." } }
        }
    };
    Ok(page(&here, &said).await?.into_response())
}
