//! A target: what it is, whether it answers, and a test e-mail to it.

use consign_export::Exporter;
use consign_mail::smtp::Checked;
use consign_model::access::Permission;
use consign_model::policy::PolicyFile;
use consign_model::target::TargetVersion;
use maud::{Markup, html};

use super::overview::health;
use super::page::{Page, Tab, address, button, done, outcome, problem, tenant_page, time};
use crate::api::Item;
use crate::caller::Here;
use crate::problem::Problem;

async fn find(here: &Here, name: &str) -> Result<TargetVersion, Problem> {
    let none = || Problem::no_such("no-such-target", format!("there is no target '{}'", name.escape_debug()));
    let Exporter { tenant, store, .. } = here.tenant.exporter();
    store.target(tenant, &name.parse().map_err(|_| none())?, None).await?.ok_or_else(none)
}

/// The page.
pub async fn show(here: Here, Item(name): Item) -> Page {
    let target = find(&here, &name).await?;
    Ok(page(&here, &target, &html! {}))
}

fn page(here: &Here, target: &TargetVersion, said: &Markup) -> Markup {
    let (tenant, spec) = (here.tenant.name(), &target.spec);
    let file = PolicyFile { target: vec![spec.clone()], policy: Vec::new() };
    let written = toml::to_string(&file).map(|text| text.trim_start_matches("policy = []\n").trim_start().to_owned()).unwrap_or_default();
    let to = |what: &str| address(tenant, &format!("/targets/{}{what}", spec.name));
    let body = html! {
        div aria-live="polite" { (said) }
        p.summary { (health(here.tenant.exporter(), target)) " Version " (target.version) ", in force since " (time(target.applied_at)) "." }
        @if here.caller.may(Permission::WriteTargets) {
            div.actions { (button(&to("/check"), "Check the connection")) (button(&to("/test"), "Send a test e-mail")) }
            p.hint { "To check is to connect and to sign in; nothing is sent. A test e-mail has the header " code { "X-Consign-Test" } " and nothing of anybody's messages." }
        }
        h2 { "As it is written" }
        pre tabindex="0" { (written) }
    };
    tenant_page(here, Tab::Policies, spec.name.as_str(), &body)
}

/// Connects to it.
pub async fn check(here: Here, Item(name): Item) -> Page {
    let target = find(&here, &name).await?;
    let said = match here.tenant.exporter().check_target(&target.spec.name).await {
        Ok(Ok(Checked { greeting, tls, signed_in, max_size, .. })) => html! {
            (done("It answers, and takes e-mails from us."))
            dl {
                dt { "It says" } dd { (greeting.code) " " (greeting.text) }
                dt { "Secured by" } dd { (tls.as_deref().unwrap_or("nothing: in clear")) }
                dt { "Signed in by" } dd { (signed_in.unwrap_or("nothing: without a password")) }
                dt { "Takes e-mails up to" } dd { @match max_size { Some(bytes) => (consign_model::figure::bytes(bytes)), None => "it does not say" } }
            }
        },
        Ok(Err(why)) => problem(&Problem::invalid(why)),
        Err(error) => problem(&Problem::from(error)),
    };
    Ok(page(&here, &target, &said))
}

/// Sends a test e-mail.
pub async fn test(here: Here, Item(name): Item) -> Page {
    let target = find(&here, &name).await?;
    let said = match here.tenant.exporter().send_test(&target.spec.name).await {
        Ok(sent) => html! { div.notice role="status" { p { "What became of the test e-mail:" } @for one in &sent { (outcome(one)) } } },
        Err(error) => problem(&Problem::from(error)),
    };
    Ok(page(&here, &target, &said))
}
