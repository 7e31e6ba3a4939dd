//! Runs: what they examined, what became of it, and each e-mail with its reply.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use consign_export::verify::{SignatureCheck, verify as verify_manifests};
use consign_export::{Exporter, manifest::path};
use consign_model::access::Permission;
use consign_model::manifest::OmittedCount;
use consign_model::run::{EmailCounts, EventCounts, Trigger};
use consign_model::{Delivery, Name, Run, RunId, RunState, RunSummary, TenantId, Window, WindowKey, WindowState};
use consign_store::WindowFilter;
use maud::{Markup, html};

use super::form::Query;
use super::page::{Page, Tab, Trouble, address, badge, done, duration, number, outcome, problem, table, tenant_page, time};
use crate::api::Item;
use crate::caller::Here;
use crate::problem::Problem;

/// Runs on a page.
const PAGE: usize = 50;
/// Chats on a page of a run.
const CHATS: usize = 50;
/// Lines of modules that are shown.
const LINES: usize = 1_000;
/// Chats that are looked at for what a run left out by which rule, and for how far it has come.
const COUNTED: usize = 2_000;

/// A list of runs.
pub async fn list(here: Here, Query(asked): Query) -> Page {
    let Exporter { tenant, store, .. } = here.tenant.exporter();
    let policy = asked.get("policy").map(|name| crate::api::name("policy", name)).transpose()?;
    let mut found = store.runs_before(tenant, policy.as_ref(), asked.number("before")?, PAGE + 1).await?;
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let of = policy.as_ref().map(|policy| format!("&policy={policy}")).unwrap_or_default();
    let older = found.last().filter(|_| is_more).map(|(place, _)| address(tenant, &format!("/runs?before={place}{of}")));
    let body = html! {
        @if let Some(policy) = &policy { p { "Of the policy " strong { (policy) } ". " a href=(address(tenant, "/runs")) { "Those of all" } } }
        @if found.is_empty() { p { "There are none." } } @else { (listed(tenant, found.iter().map(|(_, run)| run))) }
        @if let Some(older) = older { p { a href=(older) { "Older ones" } } }
    };
    Ok(tenant_page(&here, Tab::Runs, "Runs", &body))
}

/// Runs as a table.
pub fn listed<'a>(tenant: &TenantId, runs: impl Iterator<Item = &'a Run>) -> Markup {
    let row = |run: &Run| {
        let link = html! { a href=(address(tenant, &format!("/runs/{}", run.id))) { (run.id) } };
        let (state, events, emails) = match &run.state {
            RunState::Running => (badge("note", "under way"), EventCounts::default(), EmailCounts::default()),
            RunState::Finished { summary, .. } if summary.events.held > 0 => (badge("bad", "held"), summary.events, summary.emails),
            RunState::Finished { summary, .. } => (badge("good", "done"), summary.events, summary.emails),
        };
        let figures = [events.examined, events.exported, events.omitted, events.held, emails.accepted];
        [link, time(run.started_at), html! { (trigger(run)) }, state].into_iter().chain(figures.map(number)).collect()
    };
    table("Runs", &["Run", "Begun", "By", "State", "Examined", "Exported", "Omitted", "Held", "E-mails"], &[4, 5, 6, 7, 8], runs.map(row))
}

fn trigger(run: &Run) -> &'static str {
    match run.trigger {
        Trigger::Hand => "hand",
        Trigger::Schedule(_) => "schedule",
        Trigger::Retry => "retry",
    }
}

async fn find(here: &Here, id: &str) -> Result<Run, Problem> {
    let run = here.tenant.exporter().store.run(here.tenant.name(), &RunId::from_text(id)).await?;
    run.ok_or_else(|| Problem::no_such("no-such-run", format!("there is no run '{}'", id.escape_debug())))
}

/// Windows of a run after this one, and whether there are more.
async fn windows(here: &Here, run: &Run, after: Option<&WindowKey>, limit: usize) -> Result<(Vec<Window>, bool), Problem> {
    let filter = WindowFilter::OfRun(run.id.clone());
    let mut found = here.tenant.exporter().store.windows(here.tenant.name(), &filter, after, limit + 1).await?;
    let is_more = found.len() > limit;
    found.truncate(limit);
    Ok((found, is_more))
}

/// One run.
pub async fn show(here: Here, Item(id): Item, Query(asked): Query) -> Page {
    let (tenant, run) = (here.tenant.name(), find(&here, &id).await?);
    let after = match asked.get("after") {
        Some(after) => Some(serde_json::from_str(after).map_err(|_| Problem::invalid("after: this is no place in a run"))?),
        None => None,
    };
    let (page, is_more) = windows(&here, &run, after.as_ref(), CHATS).await?;
    let mut rows = Vec::new();
    for window in &page {
        let emails = here.tenant.exporter().store.deliveries(tenant, &window.key).await?;
        rows.extend(emails.iter().map(|email| email_row(window, email)));
    }
    let more = page.last().filter(|_| is_more).and_then(|last| serde_json::to_string(&last.key).ok());
    let more = more.map(|after| form_urlencoded::byte_serialize(after.as_bytes()).collect::<String>());
    let body = html! {
        p.summary {
            "Of the policy " a href=(address(tenant, &format!("/policies/{}", run.policy))) { (run.policy) } ", version " (run.policy_version) ", by " (trigger(&run))
            @if let Trigger::Schedule(due) = run.trigger { ", due " (time(due)) } ". Begun " (time(run.started_at)) "."
        }
        @match &run.state {
            RunState::Running => (progress_of(&here, &run).await?),
            RunState::Finished { at, summary } => {
                p { "Ended " (time(*at)) ", after " (duration(summary.millis)) "." @if let Some(stands_in) = &summary.stands_in { " " (badge("bad", "note")) " " (stands_in.text()) } }
                (funnel(summary))
                (omitted(&here, &run).await?)
                div.actions {
                    a.button href=(address(tenant, &format!("/runs/{}/manifest", run.id))) { "Download the manifest" }
                    @if here.caller.may(Permission::ReadEvents) { a.button href=(address(tenant, &format!("/runs/{}/logs", run.id))) { "What modules said" } }
                    form.inline method="post" action=(address(tenant, &format!("/runs/{}/verify", run.id))) hx-post=(address(tenant, &format!("/runs/{}/verify", run.id))) hx-target="#verified" hx-swap="innerHTML" { button { "Verify now" } }
                }
                div id="verified" aria-live="polite" {}
            }
        }
        section aria-labelledby="emails" {
            h2 id="emails" { "E-mails" }
            @if rows.is_empty() { p { "There are none" @if after.is_some() { " from here on" } "." } } @else {
                (table("E-mails", &["Message-ID", "Chat", "Events", "Size", "What the target said"], &[2, 3], rows))
            }
            @if let Some(more) = more { p { a href=(address(tenant, &format!("/runs/{}?after={more}", run.id))) { "Those of more chats" } } }
        }
    };
    Ok(tenant_page(&here, Tab::Runs, run.id.as_str(), &body))
}

fn email_row(window: &Window, email: &Delivery) -> Vec<Markup> {
    vec![
        html! { code { (email.message_id) } @if email.parts > 1 { br; "part " (email.key.part) " of " (email.parts) } },
        html! { (window.key.chat.id) },
        number(email.events.into()),
        html! { (consign_model::figure::bytes(email.size)) },
        html! {
            @if email.outcomes.is_empty() { (badge("note", "on its way")) }
            @for one in &email.outcomes { (outcome(one)) }
        },
    ]
}

/// Examined, kept, sent: each step with what it left behind.
fn funnel(summary: &RunSummary) -> Markup {
    let RunSummary { events, emails, supplements, .. } = summary;
    let steps = [
        ("Examined", events.examined, "events"),
        ("Kept", events.examined.saturating_sub(events.omitted), "events"),
        ("Exported", events.exported, "events"),
        ("In e-mails accepted", emails.accepted, "e-mails"),
    ];
    html! {
        ol.funnel { @for (name, figure, unit) in steps { li { span.name { (name) } " " strong { (number(figure)) } " " span.unit { (unit) } } } }
        p { (number(events.omitted)) " omitted by a rule, " (number(events.held)) " held. " (number(events.copies)) " copies in all e-mails." }
        @if supplements.windows > 0 { p { (number(supplements.windows)) " chats of earlier runs were tried again; " (number(supplements.done)) " of them are done now." } }
        @let others = [("rejected", emails.rejected), ("deferred", emails.deferred), ("not sent", emails.not_sent), ("unknown", emails.unknown)];
        @if others.iter().any(|(_, figure)| *figure > 0) { p { "E-mails that were not accepted: " @for (word, figure) in others { @if figure > 0 { (number(figure)) " " (word) " " } } } }
    }
}

/// By which rule events were left out.
async fn omitted(here: &Here, run: &Run) -> Result<Markup, Problem> {
    let (found, is_more) = windows(here, run, None, COUNTED).await?;
    let mut by: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for OmittedCount { by: rules, events } in found.iter().filter_map(|window| window.state.settled()).flat_map(|settled| &settled.omitted) {
        let rule = rules.iter().map(|one| format!("{} · {}", one.module, one.rule)).collect::<Vec<_>>().join(", and ");
        *by.entry(rule).or_default() += events;
    }
    let mut by: Vec<_> = by.into_iter().collect();
    by.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
    Ok(html! {
        @if !by.is_empty() {
            h2 { "Omitted, by rule" }
            (table("Omitted, by rule", &["Module and rule", "Events"], &[1], by.into_iter().map(|(rule, events)| vec![html! { (rule) }, number(events)])))
            @if is_more { p.hint { "Of the first " (COUNTED) " chats; the manifest has all." } }
        }
    })
}

/// How far a run has come. While it is under way the page asks for this again.
async fn progress_of(here: &Here, run: &Run) -> Result<Markup, Problem> {
    let (found, is_more) = windows(here, run, None, COUNTED).await?;
    let count = |is: fn(&WindowState) -> bool| found.iter().filter(|window| is(&window.state)).count();
    let [done, held, open] = [
        count(|state| matches!(state, WindowState::Done { .. })),
        count(|state| matches!(state, WindowState::Held { .. })),
        count(|state| matches!(state, WindowState::Open)),
    ];
    let to = address(here.tenant.name(), &format!("/runs/{}/progress", run.id));
    Ok(html! {
        div.progress hx-get=(to) hx-trigger="load delay:1s" hx-swap="outerHTML" role="status" {
            p { (badge("note", "under way")) " " (done) " chats done, " (held) " held, " (open) " to do" @if is_more { " of the first " (COUNTED) } "." }
            progress max=(found.len().max(1)) value=(done + held) aria-label="Chats that are settled" {}
        }
    })
}

/// Only how far it has come: what the page asks for while it goes on.
pub async fn progress(here: Here, Item(id): Item) -> Result<Response, Trouble> {
    let run = find(&here, &id).await?;
    if run.state == RunState::Running {
        return Ok(progress_of(&here, &run).await?.into_response());
    }
    // It has ended: all of the page is another one now.
    Ok(([("hx-refresh", "true")], html! { p { "It has ended." } }).into_response())
}

/// The manifest of a run that has ended, as a file.
pub async fn manifest(here: Here, run: Item) -> Result<Response, Trouble> {
    Ok(crate::api::manifest(here, run).await?)
}

/// What the modules said in a run.
pub async fn logs(here: Here, Item(id): Item) -> Page {
    let run = find(&here, &id).await?;
    let said = here.tenant.exporter().said(&run.id).await?;
    let rows = said.iter().flat_map(|window| window.said.iter().map(move |line| (window, line))).take(LINES);
    let rows: Vec<_> = rows
        .map(|(window, line)| {
            vec![
                html! { (window.chat.id) },
                html! { (line.module) },
                badge(if line.level == "failed" || line.level == "error" { "bad" } else { "note" }, &line.level),
                html! { (line.text) },
            ]
        })
        .collect();
    let body = html! {
        p { "Of the run " a href=(address(here.tenant.name(), &format!("/runs/{}", run.id))) { (run.id) } ". It may repeat what was written in chats." }
        @if rows.is_empty() { p { "No module said anything." } }
        @if rows.len() == LINES { p.hint { "The first " (LINES) " lines; the API has all." } }
        @if !rows.is_empty() { (table("Lines", &["Chat", "Module", "Level", "Words"], &[], rows)) }
    };
    Ok(tenant_page(&here, Tab::Runs, "What modules said", &body))
}

/// Checks a run's manifest: that it is whole, and that this tenant has signed it.
pub async fn verify(here: Here, Item(id): Item, headers: axum::http::HeaderMap) -> Result<Response, Trouble> {
    let run = find(&here, &id).await?;
    let exporter = here.tenant.exporter();
    let keys = exporter.store.tenant_keys(&exporter.tenant).await?.ok_or_else(|| Problem::internal(&"the tenant has no keys"))?;
    let path = path(&exporter.data, &exporter.tenant, &run.policy, &run.id);
    let (keys, name) = (keys.signing_keys(), run.policy.clone());
    let checked = tokio::task::spawn_blocking(move || verify_manifests(&[path], None, &keys)).await;
    let said = match checked.map_err(|error| Problem::internal(&error))? {
        Ok(found) if found.are_manifests_good() && found.signature == SignatureCheck::Trusted => good(&name),
        Ok(found) => problem(&Problem::invalid(format!("the manifest is not as it was written: {}", wrong(found.signature)))),
        Err(error) => {
            tracing::warn!(run = %run.id, "a manifest could not be verified: {error}");
            problem(&Problem::invalid("the manifest could not be read; the server's log says why"))
        }
    };
    // Of a browser without the script it is a page of its own.
    let is_part = headers.contains_key("hx-request");
    let page = if is_part {
        said
    } else {
        tenant_page(
            &here,
            Tab::Runs,
            run.id.as_str(),
            &html! { (said) p { a href=(address(here.tenant.name(), &format!("/runs/{}", run.id))) { "Back to the run" } } },
        )
    };
    Ok((StatusCode::OK, page).into_response())
}

fn good(policy: &Name) -> Markup {
    done(&format!(
        "The manifest is whole, and signed with a key of this tenant. To hold it to an archive's mailbox, download it and say: consign verify MANIFEST --mail PATH. All manifests of {policy} are a chain, which an alert watches."
    ))
}

fn wrong(signature: SignatureCheck) -> &'static str {
    match signature {
        SignatureCheck::Trusted => "it does not follow the one before",
        SignatureCheck::SelfSigned | SignatureCheck::OtherKey => "it is signed with another key",
        SignatureCheck::Broken => "its signature does not fit",
    }
}
