//! Modules: what decides, uploading one, and all about it.

use axum::extract::{FromRequest, Multipart, Request};
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::access::Permission;
use consign_model::module::{Need, ProbeOutcome};
use maud::{Markup, html};

use super::form::Query;
use super::page::{Page, Tab, Trouble, address, badge, done, problem, table, tenant_page, time, to_mend};
use crate::api::{Item, LARGEST, UPLOADS};
use crate::caller::Here;
use crate::modules::{self, Listed, Origin, Voucher};
use crate::problem::Problem;

/// The list.
pub async fn list(here: Here) -> Page {
    page(&here, &html! {}).await
}

async fn page(here: &Here, said: &Markup) -> Page {
    let tenant = here.tenant.name();
    let mut all = modules::list(here.tenant.exporter()).await?;
    all.sort_by(|one, other| (&one.manifest.name, &one.manifest.version).cmp(&(&other.manifest.name, &other.manifest.version)));
    let row = |module: &Listed| {
        vec![
            html! { a href=(address(tenant, &format!("/modules/{}", module.digest))) { (module.manifest.name) "@" (module.manifest.version) } },
            html! { (module.kind.word()) },
            html! { (module.manifest.summary) },
            needs(&module.manifest.needs),
            html! { @match &module.origin { Origin::Standard => "comes with Consign", Origin::Pushed { at, signed_by } => { (time(*at)) @if let Some(key) = signed_by { ", signed by " (key.name) } } } },
        ]
    };
    let body = html! {
        (said)
        @if here.caller.may(Permission::WriteModules) {
            form.stacked method="post" enctype="multipart/form-data" action=(address(tenant, "/modules")) {
                label for="component" { "Upload a module" }
                p.hint id="about-component" { "A WebAssembly component of " code { "consign:filter" } ": choose it, or drop it here. It is checked, compiled and tried before it is kept, which may take a minute." }
                input #component.drop type="file" name="component" accept=".wasm,application/wasm" required aria-describedby="about-component";
                label.line { input type="checkbox" name="unsigned" value="yes"; " without a signature, though this tenant has keys for its modules" }
                button { "Upload" }
            }
        }
        (table("Modules", &["Module", "Kind", "What it does", "Reads", "From"], &[], all.iter().map(row)))
    };
    Ok(tenant_page(here, Tab::Modules, "Modules", &body))
}

fn needs(needs: &[Need]) -> Markup {
    html! { @for need in needs { code title=(need.opens()) { (need.word()) } " " } @if needs.is_empty() { span.none { "nothing" } } }
}

/// What was uploaded.
struct Upload {
    component: Vec<u8>,
    unsigned: bool,
}

async fn read(request: Request) -> Result<Upload, Problem> {
    let broken = |_| Problem::invalid("the upload did not come to its end");
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| Problem::invalid(error.body_text()))?;
    let mut upload = Upload { component: Vec::new(), unsigned: false };
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        match field.name() {
            Some("unsigned") => upload.unsigned = true,
            Some("component") => {
                while let Some(chunk) = field.chunk().await.map_err(broken)? {
                    upload.component.extend_from_slice(&chunk);
                    if upload.component.len() > LARGEST {
                        return Err(Problem::too_large(LARGEST));
                    }
                }
            }
            _ => {}
        }
    }
    if upload.component.is_empty() { Err(Problem::invalid("component: choose a file")) } else { Ok(upload) }
}

/// Takes one in.
pub async fn upload(here: Here, request: Request) -> Result<Response, Trouble> {
    // `Err` can't be: nobody closes it.
    let _place = UPLOADS.acquire().await.ok();
    let pushed = match read(request).await {
        Ok(Upload { component, unsigned }) => {
            let voucher = if unsigned { Voucher::Unsigned } else { Voucher::Nothing };
            modules::push(&here.exporter(), component, voucher).await.map_err(Problem::from)
        }
        Err(wrong) => Err(wrong),
    };
    match pushed {
        Ok(pushed) => Ok(Redirect::to(&address(here.tenant.name(), &format!("/modules/{}?done=1", pushed.record.digest))).into_response()),
        Err(wrong) => Ok(to_mend(wrong.status(), page(&here, &problem(&wrong)).await?)),
    }
}

/// All about one.
pub async fn show(here: Here, Item(digest): Item, Query(asked): Query) -> Page {
    let shown = modules::show(here.tenant.exporter(), &format!("sha256:{digest}")).await?;
    let Listed { manifest, facts, .. } = &shown.module;
    let body = html! {
        @if asked.get("done").is_some() { (done("It is kept: policies can name it.")) }
        p.summary { (manifest.summary) }
        dl {
            dt { "Kind" } dd { (shown.module.kind.word()) }
            dt { "Reads" } dd { (needs(&manifest.needs)) }
            dt { "SHA-256" } dd { code { (shown.module.digest) } }
            dt { "Size" } dd { (consign_model::figure::bytes(facts.bytes)) }
            @match &shown.module.origin {
                Origin::Standard => { dt { "From" } dd { "comes with Consign" } },
                Origin::Pushed { at, signed_by } => { dt { "Uploaded" } dd { (time(*at)) @if let Some(key) = signed_by { ", signed by " (key.name) } } },
            }
        }
        @if !manifest.rules.is_empty() {
            h2 { "Rules" }
            (table("Rules", &["Code", "What it means"], &[], manifest.rules.iter().map(|rule| vec![html! { code { (rule.code) } }, html! { (rule.summary) }])))
        }
        h2 { "Used by" }
        @if shown.policies.is_empty() { p { "No policy uses it." } } @else {
            (table("Policies", &["Policy", "As", "May read"], &[], shown.policies.iter().map(|used| {
                let policy = html! { a href=(address(here.tenant.name(), &format!("/policies/{}", used.policy))) { (used.policy) } };
                vec![policy, html! { (used.place) }, needs(&used.needs)]
            })))
        }
        h2 { "How it was tried" }
        (table("Steps", &["Step", "Outcome"], &[], shown.probe.steps.iter().map(|step| vec![html! { (step.name) }, outcome(&step.outcome)])))
        details { summary { "What its configuration has to look like" } pre tabindex="0" { (serde_json::to_string_pretty(&manifest.config_schema).unwrap_or_default()) } }
    };
    Ok(tenant_page(&here, Tab::Modules, &format!("{}@{}", manifest.name, manifest.version), &body))
}

fn outcome(outcome: &ProbeOutcome) -> Markup {
    match outcome {
        ProbeOutcome::Passed => badge("good", "passed"),
        ProbeOutcome::NotRun { why } => html! { (badge("note", "not run")) " " (why) },
        ProbeOutcome::Failed { why } => html! { (badge("bad", "failed")) " " (why) },
    }
}
