//! What a policy's shadows would have done otherwise, on its page; and putting one in place.

use axum::response::{IntoResponse, Response};
use consign_export::shadow::ShadowReport;
use consign_model::access::Permission;
use consign_model::manifest::RuleRef;
use consign_model::shadow::RuleDifference;
use consign_model::{Name, RunId};
use maud::{Markup, html};

use super::form::Fields;
use super::page::{Tab, Trouble, address, badge, done, number, table, tenant_page, time};
use super::policies::find;
use crate::api::Item;
use crate::caller::Here;
use crate::expected::{Expected, Which, of_policy};
use crate::promote::promote_expecting;

/// Runs that are shown of each.
const RUNS: usize = 10;

/// A section of a policy's page; nothing where it has no shadow. `seen`: what the policy is at, so that what is put in place is what was looked at.
pub fn section(here: &Here, policy: &Name, seen: &str, reports: &[ShadowReport]) -> Markup {
    html! {
        @if !reports.is_empty() {
            section aria-labelledby="shadows" {
                h2 id="shadows" { "Shadows" }
                p.hint { "A shadow runs beside a module, on the same events, and changes nothing." }
                @for report in reports { (shadow(here, policy, seen, report)) }
            }
        }
    }
}

fn shadow(here: &Here, policy: &Name, seen: &str, report: &ShadowReport) -> Markup {
    let total = &report.total;
    let run = |run: &RunId| html! { a href=(address(here.tenant.name(), &format!("/runs/{run}"))) { (run) } };
    let rows = report.runs.iter().take(RUNS).map(|(id, at, found)| {
        vec![run(id), time(*at), number(found.gained()), number(found.lost()), number(found.regrouped.events), number(found.events)]
    });
    html! {
        h3 { (total.module) ", beside " (total.beside) " (" (report.place) ")" }
        @if report.runs.is_empty() { p { "No run has compared them yet." } } @else {
            p {
                "Over all runs it would export " strong { (number(total.gained())) } " events that are left out now, and leave out " strong { (number(total.lost())) } " that are exported, of "
                (number(total.events)) "." @if total.regrouped.events > 0 { " " (number(total.regrouped.events)) " would be in other e-mails." }
            }
            @for (class, windows) in &total.failed { p { (badge("bad", "failed")) " in " (number(*windows)) " chats: " (class.word()) } }
            @if total.unseen > 0 { p { (badge("note", "not compared")) " " (number(total.unseen)) " chats, since its time was over." } }
            @if !total.gained.is_empty() || !total.lost.is_empty() {
                ul {
                    @for one in &total.gained { li { "+" (number(one.events)) " that are left out now by " (rules(&one.by)) (examples(one)) } }
                    @for one in &total.lost { li { "\u{2212}" (number(one.events)) " that it would leave out by " (rules(&one.by)) (examples(one)) } }
                }
            }
            (table(&format!("Runs that compared {}", total.module), &["Run", "Begun", "Would export", "Would leave out", "In other e-mails", "Compared"], &[2, 3, 4, 5], rows))
        }
        @if here.caller.may(Permission::WritePolicies) {
            form.inline method="post" action=(address(here.tenant.name(), &format!("/policies/{policy}/promote"))) {
                input type="hidden" name="module" value=(total.module);
                input type="hidden" name="seen" value=(seen);
                p { button aria-label={ "Put " (total.module) " in place" } { "Put it in place" } }
            }
        }
    }
}

fn rules(by: &[RuleRef]) -> Markup {
    html! {
        // The rest, where there are too many combinations to tell.
        @if by.is_empty() { "other rules" }
        @for (place, rule) in by.iter().enumerate() { @if place > 0 { " and " } code { (rule.rule) } " of " (rule.module) }
    }
}

fn examples(one: &RuleDifference) -> Markup {
    html! {
        @if !one.examples.is_empty() { ": for example " @for (place, example) in one.examples.iter().enumerate() { @if place > 0 { ", " } code { (example.event) } " in " (example.chat.id) } }
    }
}

/// Puts a shadow in place.
pub async fn promote(here: Here, Item(name): Item, form: Fields) -> Result<Response, Trouble> {
    let policy = find(&here, &name).await?;
    let seen = form.get("seen").map_or_else(|| of_policy(&policy), str::to_owned);
    let expected = Expected { is: Some(Which::At(vec![seen])), is_not: None };
    let promoted = promote_expecting(&here.exporter(), &policy.spec.name, form.get("module"), &expected).await?;
    here.tenant.changed();
    let body = html! {
        (done(&format!("{} is in place of {}: the policy has version {}.", promoted.module, promoted.before, promoted.version)))
        p { "Where the policy is kept in a file, change that too, or the next time it is applied it takes this back. Take its line " code { "shadow" } " away, and write in " (promoted.place) ":" }
        pre tabindex="0" { @for line in &promoted.lines { (line) "\n" } }
        p { a href=(address(here.tenant.name(), &format!("/policies/{}", promoted.policy))) { "To the policy" } }
    };
    Ok(tenant_page(&here, Tab::Policies, "In place", &body).into_response())
}
