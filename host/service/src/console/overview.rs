//! How a tenant stands: what ran, what is due, what is held, how the targets are.

use consign_export::Exporter;
use consign_export::watch::Reachable;
use consign_model::Timestamp;
use consign_model::policy::PolicyVersion;
use consign_model::target::TargetVersion;
use maud::{Markup, html};

use super::page::{Page, Tab, address, badge, table, tenant_page, time};
use super::plot::{plot, whole_days};
use super::{due, runs};
use crate::caller::Here;

/// Days of the plot.
const DAYS: i64 = 30;
/// Held windows that are counted one by one.
const HELD: usize = 500;
/// Runs and due times that are listed.
const LISTED: usize = 10;

/// The page.
pub async fn show(here: Here) -> Page {
    let Exporter { tenant, store, .. } = here.tenant.exporter();
    let now = Timestamp::now();
    let policies = store.policies(tenant).await?;
    let targets = store.targets(tenant).await?;
    let newest = store.runs(tenant, None, LISTED).await?;
    let held = here.tenant.exporter().held(None, None, HELD + 1).await?;
    let days = store.days(tenant, Timestamp(now.0 - DAYS * 86_400_000), Timestamp::MAX).await?;
    let has_sources = !store.sources(tenant).await?.is_empty();
    let body = html! {
        @if !has_sources || targets.is_empty() || policies.is_empty() || newest.is_empty() { (first_steps(&here, has_sources, !targets.is_empty(), policies.first(), !newest.is_empty())) }
        @if !held.is_empty() {
            div.notice.bad role="status" {
                p {
                    strong { @if held.len() > HELD { "More than " (HELD) } @else { (held.len()) } @if held.len() == 1 { " chat is held." } @else { " chats are held." } }
                    " Nothing of them is lost, and each says why. " a href=(address(tenant, "/held")) { "See what is held" }
                }
            }
        }
        div.columns {
            section aria-labelledby="due" {
                h2 id="due" { "Due next" }
                (due_next(&here, &policies))
            }
            section aria-labelledby="targets" {
                h2 id="targets" { "Targets" }
                @if targets.is_empty() { p { "There is none yet." } } @else {
                    ul.plain { @for target in &targets { (target_line(here.tenant.exporter(), target)) } }
                }
            }
        }
        section aria-labelledby="days" {
            h2 id="days" { "The last " (DAYS) " days" }
            (plot(&whole_days(&days, now, DAYS)))
            p { a href=(address(tenant, "/bill")) { "What this month has used: the bill" } }
        }
        section aria-labelledby="newest" {
            h2 id="newest" { "The newest runs" }
            @if newest.is_empty() { p { "There was none yet." } } @else { (runs::listed(tenant, newest.iter())) p { a href=(address(tenant, "/runs")) { "All runs" } } }
        }
    };
    Ok(tenant_page(&here, Tab::Overview, "Overview", &body))
}

fn due_next(here: &Here, policies: &[PolicyVersion]) -> Markup {
    let tenant = here.tenant.name();
    let mut times: Vec<_> = policies.iter().filter_map(|policy| Some((due::next(policy)?, policy))).collect();
    times.sort_by_key(|(at, _)| *at);
    let paused = policies.iter().filter(|policy| !policy.spec.enabled).count();
    let link = |policy: &PolicyVersion| html! { a href=(address(tenant, &format!("/policies/{}", policy.spec.name))) { (policy.spec.name) } };
    html! {
        @if times.is_empty() { p { "No policy has a due time to come." } } @else {
            (table("Due times", &["Policy", "When"], &[], times.iter().take(LISTED).map(|(at, policy)| vec![link(policy), time(*at)])))
        }
        @if times.len() > LISTED || paused > 0 { p.hint { @if times.len() > LISTED { (times.len() - LISTED) " more are due later. " } @if paused > 0 { (paused) " paused." } } }
    }
}

/// A target, and how it is.
pub fn target_line(exporter: &Exporter, target: &TargetVersion) -> Markup {
    let spec = &target.spec;
    html! { li { a href=(address(&exporter.tenant, &format!("/targets/{}", spec.name))) { (spec.name) } " " span.hint { (spec.host) ":" (spec.port) } " " (health(exporter, target)) } }
}

/// How a target is, as far as this process has seen.
pub fn health(exporter: &Exporter, target: &TargetVersion) -> Markup {
    html! {
        @match exporter.reachable(&target.spec.name, target.version) {
            Reachable::Up => (badge("good", "answers")),
            Reachable::Unknown => (badge("note", "not known yet")),
            Reachable::Down { cause, next_attempt } => { (badge("bad", "down")) " " (cause.text()) "; it is asked again at " (time(next_attempt)) },
        }
    }
}

/// What comes first, until something was exported.
fn first_steps(here: &Here, has_sources: bool, has_targets: bool, policy: Option<&PolicyVersion>, has_run: bool) -> Markup {
    let tenant = here.tenant.name();
    let step = |is_done: bool, text: Markup| html! { li { @if is_done { (badge("good", "done")) } @else { (badge("note", "to do")) } " " (text) } };
    let write = address(tenant, "/write");
    let policy_page = policy.map_or_else(|| address(tenant, "/policies"), |policy| address(tenant, &format!("/policies/{}", policy.spec.name)));
    html! {
        section.first aria-labelledby="first" {
            h2 id="first" { "From here to a first export" }
            ol {
                (step(has_sources, html! { "Events come in: " a href=(address(tenant, "/sources")) { "how to send some" } "." }))
                (step(has_targets, html! { "A target says where e-mails go: " a href=(write) { "write one" } "." }))
                (step(policy.is_some(), html! { "A policy says what is exported, and when: " a href=(address(tenant, "/form")) { "write one" } "." }))
                (step(has_run, html! { "It runs: " a href=(policy_page) { "run it now" } "." }))
            }
        }
    }
}
