//! What all pages have: the frame, the words for figures and times, and what is shown where something is wrong.

use axum::extract::Request;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use consign_model::access::Permission;
use consign_model::figure;
use consign_model::{RecipientOutcome, TenantId, Timestamp};
use maud::{DOCTYPE, Markup, html};

use super::{ROOT, assets};
use crate::caller::{Caller, Here};
use crate::problem::Problem;

/// What a page may load: what this server gives, and no script or style that stands in a page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a page is.
pub type Page = Result<Markup, Trouble>;

/// Which part of the console a page is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// How it stands.
    Overview,
    /// What is exported when, and where to.
    Policies,
    /// What was done.
    Runs,
    /// What could not be exported.
    Held,
    /// What decides.
    Modules,
    /// What comes in.
    Sources,
    /// What became of an event.
    Explain,
    /// How long events are kept.
    Keeping,
    /// What became of everything of a month.
    Coverage,
    /// Who did what.
    Audit,
    /// The tenant's own, and those for modules.
    Keys,
    /// Who may do what.
    Access,
    /// What waits for a second person.
    Proposals,
    /// What targets sign in with.
    Secrets,
}

impl Tab {
    const ALL: [Self; 14] = [
        Self::Overview,
        Self::Policies,
        Self::Runs,
        Self::Held,
        Self::Modules,
        Self::Sources,
        Self::Explain,
        Self::Keeping,
        Self::Coverage,
        Self::Audit,
        Self::Keys,
        Self::Access,
        Self::Proposals,
        Self::Secrets,
    ];

    /// Its name, what it takes to see it, and where it is below its tenant.
    fn facts(self) -> (&'static str, Permission, &'static str) {
        match self {
            Self::Overview => ("Overview", Permission::Read, ""),
            Self::Policies => ("Policies", Permission::Read, "/policies"),
            Self::Runs => ("Runs", Permission::Read, "/runs"),
            Self::Held => ("Held", Permission::Read, "/held"),
            Self::Modules => ("Modules", Permission::Read, "/modules"),
            Self::Sources => ("Sources", Permission::Read, "/sources"),
            Self::Explain => ("Explain", Permission::ReadEvents, "/explain"),
            Self::Keeping => ("Keeping", Permission::Read, "/keeping"),
            Self::Coverage => ("Coverage", Permission::Read, "/coverage"),
            Self::Keys => ("Keys", Permission::Read, "/keys"),
            Self::Audit => ("Audit log", Permission::ReadAudit, "/audit"),
            Self::Access => ("Access", Permission::ManageAccess, "/access"),
            Self::Proposals => ("Proposals", Permission::Read, "/proposals"),
            Self::Secrets => ("Secrets", Permission::WriteTargets, "/secrets"),
        }
    }
}

/// The address of something of a tenant. `path` begins with a slash, or is empty.
pub fn address(tenant: &TenantId, path: &str) -> String {
    format!("{ROOT}/t/{tenant}{path}")
}

/// A whole page of a tenant's.
pub fn tenant_page(here: &Here, tab: Tab, title: &str, body: &Markup) -> Markup {
    let tenant = here.tenant.name();
    let nav = html! {
        nav aria-label="Main" {
            ul {
                @for one in Tab::ALL {
                    @let (name, takes, path) = one.facts();
                    @if here.caller.may(takes) {
                        li { a href=(address(tenant, path)) aria-current=[(one == tab).then_some("page")] { (name) } }
                    }
                }
            }
        }
    };
    frame(&format!("{title} · {tenant}"), Some(&here.caller), Some(tenant), &nav, &html! { h1 { (title) } (body) })
}

/// A page that is of no tenant.
pub fn plain_page(title: &str, caller: Option<&Caller>, body: &Markup) -> Markup {
    frame(title, caller, None, &html! {}, &html! { h1 { (title) } (body) })
}

fn frame(title: &str, caller: Option<&Caller>, tenant: Option<&TenantId>, nav: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="htmx-config" content=r#"{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0}"#;
                title { (title) " · Consign" }
                link rel="icon" href=(assets::icon());
                link rel="stylesheet" href=(assets::style());
                script src=(assets::script()) defer {}
            }
            body {
                a.skip href="#main" { "To the content" }
                header {
                    a.brand href={ (ROOT) "/" } { "Consign" }
                    @if let Some(tenant) = tenant { span.tenant { (tenant) } }
                    @if let Some(caller) = caller {
                        form.who method="post" action={ (ROOT) "/sign-out" } {
                            span { (caller.name()) ", " (caller.role().word()) }
                            button.plain { "Sign out" }
                        }
                    }
                }
                (nav)
                main id="main" tabindex="-1" { (body) }
                footer { p { "Times are those of UTC, unless they say otherwise." } }
            }
        }
    }
}

/// Every answer of the console says what its page may load, that nobody frames it, and that no address of it is told to others.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let all = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    response.headers_mut().extend(all.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// What is wrong, as a page.
pub struct Trouble {
    /// It.
    pub problem: Problem,
    /// Who is told; unset: nobody who has signed in.
    pub caller: Option<Caller>,
}

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self { problem: error.into(), caller: None }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let body = html! {
            (problem(&self.problem))
            p { a href={ (ROOT) "/" } { "To the beginning" } }
        };
        let page = plain_page(self.problem.title(), self.caller.as_ref(), &body);
        let mut response = (self.problem.status(), page).into_response();
        if let Some(seconds) = self.problem.again_in() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A page with what is wrong in what was sent, and what was sent, to be mended.
pub fn to_mend(status: StatusCode, page: Markup) -> Response {
    (status, page).into_response()
}

/// What is wrong, with the way out.
pub fn problem(problem: &Problem) -> Markup {
    html! {
        div.notice.bad role="alert" {
            p { strong { (problem.title()) } ": " (problem.detail()) }
            @if let Some(hint) = problem.hinted() { p { (hint) } }
            @if !problem.findings().is_empty() {
                ul {
                    @for finding in problem.findings() {
                        li { @if let Some(line) = finding.line { "Line " (line) ": " } @if !finding.at.is_empty() { strong { (finding.at) } ": " } (finding.text) }
                    }
                }
            }
        }
    }
}

/// That something was done.
pub fn done(text: &str) -> Markup {
    html! { div.notice.good role="status" { p { (text) } } }
}

/// A figure. None is shown as a dash, so that a table of many shows where something is.
pub fn number(value: u64) -> Markup {
    html! { @if value == 0 { span.none { "0" } } @else { (figure::number(value)) } }
}

/// A time, as a person and as a program reads it.
pub fn time(at: Timestamp) -> Markup {
    let text = at.to_string();
    // `2026-01-05T08:00:00.000Z`: to the second it is enough for a person.
    let shown = text.split_once('T').map(|(day, clock)| format!("{day} {}", clock.get(..8).unwrap_or(clock)));
    html! { time datetime=(text) title=(text) { (shown.as_deref().unwrap_or(&text)) } }
}

/// How long something took.
pub fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

/// A table. `numbers` counts from 0 the columns that are figures.
pub fn table(caption: &str, columns: &[&str], numbers: &[usize], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div.wide tabindex="0" {
            table {
                caption { (caption) }
                thead { tr { @for (place, column) in columns.iter().enumerate() { (heading(column, numbers.contains(&place))) } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.into_iter().enumerate() {
                                @if place == 0 { th scope="row" { (cell) } } @else { td class=[numbers.contains(&place).then_some("number")] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn heading(column: &str, is_number: bool) -> Markup {
    // Of a column of buttons, which say themselves what they do.
    if column.is_empty() {
        return html! { td {} };
    }
    html! { th scope="col" class=[is_number.then_some("number")] { (column) } }
}

/// What became of an e-mail for somebody, with the server's own words.
pub fn outcome(one: &RecipientOutcome) -> Markup {
    let kind = if one.outcome.is_accepted() { "good" } else { "bad" };
    let said = one.outcome.text();
    let word = one.outcome.word().replace('_', " ");
    let said = said.strip_prefix(&word).map_or(said.as_str(), |rest| rest.trim_start_matches(": "));
    html! { div { (badge(kind, &word)) " " (one.recipient) ": " (said) } }
}

/// A word in a colour of its own, which says what the colour says.
pub fn badge(kind: &str, text: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (text) } }
}

/// Something to be pressed, that does something.
pub fn button(action: &str, text: &str) -> Markup {
    html! { form.inline method="post" action=(action) { button { (text) } } }
}
