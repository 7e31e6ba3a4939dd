//! Policies and targets: what is in force, and writing them.

use std::path::PathBuf;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use consign_export::{Exporter, Retry};
use consign_model::access::Permission;
use consign_model::module::BoundModule;
use consign_model::policy::{PolicyFile, PolicyVersion};
use consign_model::{Digest, Name, PolicySpec};
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, badge, button, done, problem, table, tenant_page, time, to_mend};
use super::{due, overview, proposals, runs, shadows};
use crate::api::Item;
use crate::apply::{Applied, Change, ChangeKind, Manner, apply_texts};
use crate::caller::Here;
use crate::expected::of_policy;
use crate::problem::Problem;

/// Runs that a policy's page lists.
const RUNS: usize = 10;

/// What there is to begin with, where nothing is.
const FIRST: &str = r#"[[target]]
name = "archive"
host = "smtp.archive.example"
port = 587
tls = "starttls"
from = "journal@corp.example"
to = ["ingest@archive.example"]
subject = "{{ chat.title }}, {{ events | length }} messages"

[[policy]]
name = "everything"
target = "archive"
schedule = { cron = "30 18 * * Mon-Fri", time-zone = "Europe/Berlin" }
"#;

/// All policies and targets.
pub async fn list(here: Here) -> Page {
    let Exporter { tenant, store, .. } = here.tenant.exporter();
    let (policies, targets) = (store.policies(tenant).await?, store.targets(tenant).await?);
    let row = |policy: &PolicyVersion| {
        let name = &policy.spec.name;
        vec![
            html! { a href=(address(tenant, &format!("/policies/{name}"))) { (name) } },
            html! { (policy.spec.target) },
            state(&here, policy),
            html! { @if let Some(at) = due::next(policy) { (time(at)) } },
            html! { @for module in policy.modules() { (module.name) " " } },
        ]
    };
    let body = html! {
        @if here.caller.may(Permission::WritePolicies) { div.actions { a.button href=(address(tenant, "/form")) { "A new policy" } a.button href=(address(tenant, "/write")) { "Write targets and policies as TOML" } } }
        @if policies.is_empty() { p { "There is no policy yet." } } @else {
            (table("Policies", &["Policy", "Target", "State", "Due next", "Modules"], &[], policies.iter().map(row)))
        }
        h2 { "Targets" }
        @if targets.is_empty() { p { "There is no target yet." } } @else { ul.plain { @for target in &targets { (overview::target_line(here.tenant.exporter(), target)) } } }
    };
    Ok(tenant_page(&here, Tab::Policies, "Policies", &body))
}

fn state(here: &Here, policy: &PolicyVersion) -> Markup {
    html! {
        @if !policy.spec.enabled { (badge("note", "paused")) } @else if policy.spec.schedule.is_some() { (badge("good", "scheduled")) } @else { (badge("note", "by hand")) }
        @if here.tenant.is_asked(&policy.spec.name) { " " (badge("note", "a run is asked for")) }
    }
}

pub async fn find(here: &Here, name: &str) -> Result<PolicyVersion, Problem> {
    let none = || Problem::no_such("no-such-policy", format!("there is no policy '{}'", name.escape_debug()));
    let name: Name = name.parse().map_err(|_| none())?;
    here.tenant.exporter().store.policy(here.tenant.name(), &name, None).await?.ok_or_else(none)
}

/// One policy.
pub async fn show(here: Here, Item(name): Item, Query(asked): Query) -> Page {
    let (tenant, policy) = (here.tenant.name(), find(&here, &name).await?);
    let name = &policy.spec.name;
    let newest = here.tenant.exporter().store.runs(tenant, Some(name), RUNS).await?;
    let quarantined = here.tenant.exporter().in_force(name).await?;
    let shadows = if policy.shadows().next().is_some() { here.tenant.exporter().shadows(name).await? } else { Vec::new() };
    let to = |what: &str| address(tenant, &format!("/policies/{name}{what}"));
    let body = html! {
        @match asked.get("done") {
            Some("asked") => (done("The run is asked for, and begins as soon as there is room for it.")),
            Some("applied") => (done("It is in force.")),
            Some("released") => (done("It is released: the policy runs it again, from where its windows ended.")),
            Some("enabled") => (done("It runs by its schedule again.")),
            Some("paused") => (done("It is paused: nothing is lost, its windows begin where the last ones ended.")),
            _ => {}
        }
        @for one in &quarantined {
            div.notice.bad role="status" {
                p { strong { (one.module) " is quarantined" } " since " (time(one.since)) ": " (one.text()) ". Put a mended module into the policy, or let it run again as it is." }
                @if here.caller.may(Permission::WritePolicies) {
                    form.inline method="post" action=(to("/release")) {
                        input type="hidden" name="module" value=(one.digest);
                        p { button aria-label={ "Release " (one.module) } { "Release" } }
                    }
                }
            }
        }
        p.summary {
            (state(&here, &policy)) " Version " (policy.version) ", in force since " (time(policy.applied_at)) ". To " strong { (policy.spec.target) } "."
        }
        @if here.caller.may(Permission::ReadEvents) { p { a href=(to("/preview")) { "Preview" } ": what the next run would export, and each e-mail as it will look." } }
        @if here.caller.may(Permission::WritePolicies) {
            div.actions {
                (button(&to("/run"), "Run it now"))
                form.inline method="post" action=(to("/enabled")) {
                    input type="hidden" name="enabled" value=(!policy.spec.enabled);
                    button { @if policy.spec.enabled { "Pause" } @else { "Resume" } }
                }
                a.button href=(address(tenant, &format!("/form?policy={name}"))) { "Change" }
                a.button href=(address(tenant, &format!("/write?policy={name}"))) { "Change as TOML" }
            }
        }
        div.columns {
            section aria-labelledby="due" { h2 id="due" { "Due next" } (due::list(&policy)) }
            section aria-labelledby="decides" { h2 id="decides" { "What decides" } (decides(&policy)) }
        }
        (shadows::section(&here, name, &of_policy(&policy), &shadows))
        section aria-labelledby="runs" {
            h2 id="runs" { "The newest runs" }
            @if newest.is_empty() { p { "There was none yet." } } @else {
                (runs::listed(tenant, newest.iter()))
                p { a href=(address(tenant, &format!("/runs?policy={name}"))) { "All its runs" } }
            }
        }
        details { summary { "As it is written" } pre tabindex="0" { (written(&policy.spec)) } }
    };
    Ok(tenant_page(&here, Tab::Policies, name.as_str(), &body))
}

fn decides(policy: &PolicyVersion) -> Markup {
    let module = |module: &BoundModule| {
        html! {
            strong { (module.name) } @if module.negate { " (negated)" }
            " reads " @for (place, need) in module.needs.iter().enumerate() { @if place > 0 { ", " } code { (need.word()) } }
            @if module.needs.is_empty() { "nothing" }
            details { summary { "Configuration" } pre tabindex="0" { (serde_json::to_string_pretty(&module.config).unwrap_or_default()) } }
        }
    };
    html! {
        @if policy.criteria.is_empty() { p { "Every event is exported." } } @else {
            p { @match policy.spec.match_ { consign_model::policy::Match::All => "Exported is what all of these keep:", consign_model::policy::Match::Any => "Exported is what one of these keeps:" } }
            ol { @for one in &policy.criteria { li { (module(one)) } } }
        }
        @if let Some(grouping) = &policy.grouping { p { "Grouped by " (module(grouping)) } }
        @else { p { "Encrypted chats are exported as they are." } }
    }
}

/// A policy as TOML.
pub fn written(spec: &PolicySpec) -> String {
    let file = PolicyFile { target: Vec::new(), policy: vec![spec.clone()] };
    toml::to_string(&file).map(|text| text.trim_start_matches("target = []\n").trim_start().to_owned()).unwrap_or_default()
}

/// Where policies and targets are written.
pub async fn write(here: Here, Query(asked): Query) -> Page {
    let text = match asked.get("policy") {
        Some(name) => written(&find(&here, name).await?.spec),
        None => FIRST.to_owned(),
    };
    Ok(editor(&here, &text, &html! {}))
}

fn editor(here: &Here, text: &str, said: &Markup) -> Markup {
    let body = html! {
        (said)
        form.stacked method="post" action=(address(here.tenant.name(), "/write")) {
            label for="text" { "Targets and policies, as TOML" }
            p.hint id="about-text" {
                "All of it is put into force, or none. " @if !here.caller.may(Permission::WriteTargets) { "Your role may not change targets: leave them out. " }
                "Passwords are kept under Secrets, and named here: " code { "password = { secret = \"NAME\" }" } "."
            }
            // A browser drops the line feed that stands first.
            textarea #text name="text" rows="24" spellcheck="false" required aria-describedby="about-text" { "\n" (text) }
            div.actions {
                button name="how" value="check" { "Check" }
                button.main name="how" value="apply" { "Put into force" }
            }
        }
    };
    tenant_page(here, Tab::Policies, "Write policies", &body)
}

/// Checks what was written, or puts it into force.
pub async fn apply(here: Here, form: Fields) -> Result<Response, Trouble> {
    let text = form.whole("text").replace("\r\n", "\n");
    let only_check = form.get("how") != Some("apply");
    let manner = Manner { targets: here.caller.may(Permission::WriteTargets), this_machine: false, only_check };
    let changes = match apply_texts(&here.exporter(), [(PathBuf::from("this text"), Ok(text.clone()))], manner).await {
        Ok(Applied::Done(changes)) => changes,
        Ok(Applied::Proposed(proposal)) => return Ok(Redirect::to(&address(here.tenant.name(), &proposals::proposed(&proposal))).into_response()),
        Err(error) => {
            let wrong = Problem::from(error);
            return Ok(to_mend(wrong.status(), editor(&here, &text, &problem(&wrong))));
        }
    };
    if only_check || changes.iter().any(|change| !change.warnings.is_empty()) || changes.is_empty() {
        if !only_check {
            here.tenant.changed();
        }
        return Ok(to_mend(StatusCode::OK, editor(&here, &text, &changed(&changes, only_check))));
    }
    here.tenant.changed();
    let policy = changes.iter().find(|change| change.kind == "policy").map(|change| format!("/policies/{}?done=applied", change.name));
    Ok(Redirect::to(&address(here.tenant.name(), policy.as_deref().unwrap_or("/policies"))).into_response())
}

pub fn changed(changes: &[Change], only_check: bool) -> Markup {
    let word = |change: &Change| match &change.change {
        ChangeKind::New => "is new".to_owned(),
        ChangeKind::Same => "stays as it is".to_owned(),
        ChangeKind::Changed(fields) => format!("is changed: {}", fields.join(", ")),
    };
    html! {
        div.notice.good role="status" {
            p { @if only_check { "It can be put into force. This is what would change:" } @else { "It is in force." } }
            @if changes.is_empty() { p { "Nothing: there is no target and no policy in it." } }
            ul {
                @for change in changes {
                    li {
                        (change.kind) " " strong { (change.name) } " " (word(change))
                        @if let Some(at) = change.next_due { "; due next at " (time(at)) }
                        @for (module, needs) in &change.modules { "; " (module) " reads " @for (place, need) in needs.iter().enumerate() { @if place > 0 { ", " } (need.word()) } @if needs.is_empty() { "nothing" } }
                        @for warning in &change.warnings { br; (badge("note", "note")) " " (warning) }
                    }
                }
            }
        }
    }
}

/// Asks for a run.
pub async fn run(here: Here, Item(name): Item) -> Result<Redirect, Trouble> {
    let policy = find(&here, &name).await?;
    here.tenant.ask(&policy.spec.name, Retry::Waiting, here.caller.actor());
    Ok(Redirect::to(&address(here.tenant.name(), &format!("/policies/{}?done=asked", policy.spec.name))))
}

/// Pauses a policy, or lets it run again: a version of its own, like any other change.
pub async fn enable(here: Here, Item(name): Item, form: Fields) -> Result<Redirect, Trouble> {
    let policy = find(&here, &name).await?;
    let enabled = form.get("enabled") == Some("true");
    let text = written(&PolicySpec { enabled, ..policy.spec });
    let manner = Manner { targets: false, this_machine: false, only_check: false };
    if let Applied::Proposed(proposal) = apply_texts(&here.exporter(), [(PathBuf::from("the policy"), Ok(text))], manner).await? {
        return Ok(Redirect::to(&address(here.tenant.name(), &proposals::proposed(&proposal))));
    }
    here.tenant.changed();
    let word = if enabled { "enabled" } else { "paused" };
    Ok(Redirect::to(&address(here.tenant.name(), &format!("/policies/{name}?done={word}"))))
}

/// Lets a policy run a module again that was quarantined.
pub async fn release(here: Here, Item(name): Item, form: Fields) -> Result<Redirect, Trouble> {
    let policy = find(&here, &name).await?;
    let module = Digest::try_from(form.one("module")?.to_owned()).map_err(|_| Problem::invalid("module: this is no module's SHA-256"))?;
    here.exporter().release(&policy.spec.name, Some(&module), here.caller.name()).await?;
    here.tenant.changed();
    Ok(Redirect::to(&address(here.tenant.name(), &format!("/policies/{}?done=released", policy.spec.name))))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let first: PolicyFile = toml::from_str(FIRST).unwrap();
        assert_eq!((first.target.len(), first.policy.len()), (1, 1));
        let text = r#"
            [[policy]]
            name = "fx"
            target = "archive"
            schedule = { cron = "30 18 * * Mon-Fri", time-zone = "Europe/Berlin" }
            since = "2026-01-01"
            attachments = { types = ["image/*"], max = "10 MiB" }
            requires = []
            [[policy.criteria]]
            module = "std/keywords"
            config = { any = ["libor", "fixing"], deep = [{ a = { b = 1 } }], ignore-case = true }
            [policy.criteria.shadow]
            module = "std/regex"
            config = { patterns = ["a\nb", '''"'''] }
            [[policy.criteria]]
            module = "std/participants"
            negate = true
        "#;
        for spec in toml::from_str::<PolicyFile>(text).unwrap().policy.into_iter().chain(first.policy) {
            let again: PolicyFile = toml::from_str(&written(&spec)).unwrap();
            assert_eq!(again.policy, [spec]);
        }
    }
}
