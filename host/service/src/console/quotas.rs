//! What a tenant may use, beside what it uses; and changing it, for who runs the installation.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::Span;
use consign_model::access::Permission;
use consign_model::figure::{bytes, number};
use consign_model::quota::{Limits, Quotas, Weight};
use consign_model::target::ByteSize;
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, done, problem, table, tenant_page, to_mend};
use crate::bill::Seconds;
use crate::caller::Here;
use crate::expected::{Expected, Which, of_quotas};
use crate::problem::Problem;
use crate::quotas::{self, Usage};

/// The limits, and what is used.
pub async fn limits(here: &Here, quotas: &Quotas) -> Result<Markup, Problem> {
    let Limits { processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests } = quotas.limits;
    let used: Usage = quotas::usage(here.tenant.exporter()).await?;
    let none = || html! { span.none { "none" } };
    let limit = |text: Option<String>| text.map_or_else(none, |text| html! { (text) });
    let row = |what: &str, used: Option<String>, most: Option<String>| {
        vec![html! { (what) }, used.map_or_else(|| html! { span.none { "–" } }, |used| html! { (used) }), limit(most)]
    };
    let rows = [
        row(
            "Processor time of modules, today (UTC)",
            Some(format!("{} s", Seconds(used.processor_micros))),
            processor_seconds.map(|most| seconds(most).to_string()),
        ),
        row("Memory of a module", None, memory_bytes.map(bytes)),
        row("Modules", Some(number(used.modules)), modules.map(number)),
        row("Modules, as they are compiled", Some(bytes(used.compiled_bytes)), compiled_bytes.map(bytes)),
        row("Stored in the archive", Some(bytes(used.stored_bytes)), stored_bytes.map(bytes)),
        row("Requests in a minute", requests.map(|limit| number(here.tenant.requests(limit))), requests.map(number)),
    ];
    Ok(html! {
        (table("Quotas", &["What", "Used", "Limit"], &[1, 2], rows))
        p.hint {
            "Beyond its processor time what is due is exported all the same, in what other tenants leave. When as much is stored as may be, events are not taken in, and whoever sends them is told to send them again. "
            "The weight in sharing is " (quotas.weight) "."
        }
    })
}

fn seconds(seconds: u64) -> Span {
    Span(std::time::Duration::from_secs(seconds))
}

/// The page.
pub async fn show(here: Here, Query(asked): Query) -> Page {
    let said = asked.get("done").map_or_else(|| html! {}, |_| done("That holds from now on."));
    page(&here, None, &said).await
}

/// `written`: what was sent and has to be mended.
async fn page(here: &Here, written: Option<&Fields>, said: &Markup) -> Page {
    let quotas = here.tenant.exporter().store.quotas(here.tenant.name()).await?;
    let body = html! {
        (said)
        (limits(here, &quotas).await?)
        @if here.caller.may(Permission::ManageTenants) { (form(here, &quotas, written)) }
    };
    Ok(tenant_page(here, Tab::Overview, "Quotas", &body))
}

fn form(here: &Here, quotas: &Quotas, written: Option<&Fields>) -> Markup {
    let Limits { processor_seconds, memory_bytes, modules, compiled_bytes, stored_bytes, requests } = quotas.limits;
    let size = |bytes: Option<u64>| bytes.map(|bytes| ByteSize(bytes).to_string());
    let fields = [
        ("cpu", "Processor time a day", processor_seconds.map(|most| seconds(most).to_string()), "as 2h or 30min"),
        ("memory", "Memory of a module", size(memory_bytes), "as 32 MiB; more than the program gives everybody gives no more"),
        ("modules", "Modules", modules.map(|most| most.to_string()), "a number"),
        ("compiled", "Modules, as they are compiled", size(compiled_bytes), "as 500 MB"),
        ("storage", "Stored in the archive", size(stored_bytes), "as 50 GiB"),
        ("requests", "Requests in a minute", requests.map(|most| most.to_string()), "a number"),
        ("weight", "Weight in sharing", Some(quotas.weight.to_string()), "from 1 to 100; who has none set has 10"),
    ];
    html! {
        h2 { "Change them" }
        p.hint { "Empty means: no limit." }
        form.stacked method="post" action=(address(here.tenant.name(), "/quotas")) {
            input type="hidden" name="version" value=(quotas.version);
            @for (name, label, now, hint) in &fields {
                label for=(name) { (label) }
                @let value = written.map_or(now.as_deref().unwrap_or_default(), |written| written.whole(name));
                input id=(name) name=(name) autocomplete="off" value=(value) aria-describedby={ "about-" (name) };
                p.hint id={ "about-" (name) } { (hint) }
            }
            button { "Let this hold" }
        }
    }
}

fn read(form: &Fields) -> Result<(Limits, Weight), Problem> {
    let wrong = |name: &str, how: &str| Problem::invalid(format!("{name}: write it as {how}, or leave it empty for no limit"));
    let size = |name: &str| form.get(name).map(|text| ByteSize::parse(text).map(|size| size.0).ok_or_else(|| wrong(name, "25 MiB"))).transpose();
    let span = |text: &str| serde_json::from_value::<Span>(text.into()).map(|span| span.0.as_secs()).map_err(|_| wrong("cpu", "2h"));
    let limits = Limits {
        processor_seconds: form.get("cpu").map(span).transpose()?,
        memory_bytes: size("memory")?,
        modules: form.number("modules")?,
        compiled_bytes: size("compiled")?,
        stored_bytes: size("storage")?,
        requests: form.number("requests")?,
    };
    let weight = form.get("weight").map(|text| text.parse().map_err(|error| Problem::invalid(format!("weight: {error}")))).transpose()?;
    Ok((limits, weight.unwrap_or_default()))
}

/// Changes them.
pub async fn set(here: Here, form: Fields) -> Result<Response, Trouble> {
    let set = async || {
        let (limits, weight) = read(&form)?;
        form.one("version")?;
        let seen = Quotas { version: form.number("version")?.unwrap_or_default(), ..Quotas::default() };
        let expected = Expected { is: Some(Which::At(vec![of_quotas(here.tenant.name(), &seen)])), is_not: None };
        quotas::set(&here.exporter(), &expected, |_| (limits, weight)).await.map_err(Problem::from)
    };
    match set().await {
        Ok(_) => {
            here.tenant.quotas_changed();
            Ok(Redirect::to(&address(here.tenant.name(), "/quotas?done=1")).into_response())
        }
        // What somebody else has set meanwhile is shown, and not what was written.
        Err(wrong) if wrong.status() == StatusCode::PRECONDITION_FAILED => Ok(to_mend(wrong.status(), page(&here, None, &problem(&wrong)).await?)),
        Err(wrong) => Ok(to_mend(wrong.status(), page(&here, Some(&form), &problem(&wrong)).await?)),
    }
}
