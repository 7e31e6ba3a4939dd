//! Keys: the tenant's own, as others see them, and those by which its modules are signed.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::access::Permission;
use consign_model::{EarlierKeys, EarlierPublicKeys, ModuleKey};
use consign_store::Seen;
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, done, problem, table, tenant_page, time, to_mend};
use crate::api::{Item, put_module_key};
use crate::caller::Here;
use crate::expected::Expected;
use crate::modules::read_key;
use crate::problem::Problem;

/// The page.
pub async fn show(here: Here, Query(asked): Query) -> Page {
    let said = match asked.get("done") {
        Some("added") => {
            done("It is added: from now on modules are taken with a signature by one of these keys only, unless they are said to be unsigned.")
        }
        Some("rotated") => done("The tenant has new keys. Give the new signing key to whoever checks manifests and the audit log."),
        Some("removed") => done("It is removed. Modules that were signed with it stay."),
        _ => html! {},
    };
    page(&here, &Fields::default(), &said).await
}

async fn page(here: &Here, written: &Fields, said: &Markup) -> Page {
    let exporter = here.tenant.exporter();
    let own = exporter.store.tenant_keys(&exporter.tenant).await?.ok_or_else(|| Problem::internal(&"the tenant has no keys"))?;
    let keys = exporter.store.module_keys(&exporter.tenant).await?;
    let may = here.caller.may(Permission::ManageAccess);
    let earlier = |keys: &EarlierKeys| {
        let EarlierPublicKeys { recipient, signing_key, until } = &keys.public;
        vec![time(*until), html! { code { (signing_key) } }, html! { code { (recipient) } }]
    };
    let row = |key: &ModuleKey| {
        let remove = html! {
            @if may {
                form.inline method="post" action=(address(&exporter.tenant, &format!("/keys/{}/remove", key.name))) { button aria-label={ "Remove " (key.name) } { "Remove" } }
            }
        };
        vec![html! { (key.name) }, html! { code { (key.key.text()) } }, time(key.added_at), remove]
    };
    let body = html! {
        (said)
        h2 { "This tenant's public keys" }
        dl {
            dt { "Signs manifests and the audit log" } dd { code { (own.signing_public_key) } }
            dt { "The archive is encrypted to" } dd { code { (own.recipient) } }
        }
        p.hint { "With the first of them anybody checks a manifest without this server: " code { "consign verify MANIFEST --key KEY" } ". Their private halves are shown nowhere." }
        @if !own.earlier.is_empty() { (table("Keys before", &["Until", "Signed", "Encrypted to"], &[], own.earlier.iter().rev().map(earlier))) }
        @if may {
            details {
                summary { "Change them for new ones" }
                p { "Files are encrypted and manifests signed with the new ones from then on. What is there opens with the earlier ones, which stay, and is not encrypted anew: whoever has copied one still opens it." }
                form method="post" action=(address(&exporter.tenant, "/keys/rotate")) { button { "Give this tenant new keys" } }
            }
        }
        h2 { "Keys by which modules are signed" }
        @if keys.is_empty() { p { "There is none: modules are taken without a signature." } } @else { (table("Keys for modules", &["Name", "Public key", "Added", ""], &[], keys.iter().map(row))) }
        @if may {
            h3 { "Add one" }
            form.stacked method="post" action=(address(&exporter.tenant, "/keys")) {
                label for="name" { "Name" }
                input #name name="name" required maxlength="63" pattern="[a-z0-9][a-z0-9._\\-]*" autocomplete="off" value=[written.get("name")];
                label for="key" { "Public key" }
                p.hint id="about-key" { "What is in minisign's .pub file, or an Ed25519 key as " code { "openssl pkey -pubout" } " writes it." }
                // A browser drops the line feed that stands first.
                textarea #key name="key" rows="4" spellcheck="false" required aria-describedby="about-key" { "\n" (written.whole("key")) }
                button { "Add it" }
            }
        }
    };
    Ok(tenant_page(here, Tab::Keys, "Keys", &body))
}

/// Gives the tenant new keys.
pub async fn rotate(here: Here) -> Result<Redirect, Trouble> {
    here.life().rotate_keys().await.map_err(Problem::from)?;
    Ok(Redirect::to(&address(here.tenant.name(), "/keys?done=rotated")))
}

/// Adds a key for modules.
pub async fn add(here: Here, form: Fields) -> Result<Response, Trouble> {
    let read = async || put_module_key(&here, form.one("name")?, read_key(form.whole("key").as_bytes())?, &Expected::default()).await;
    match read().await {
        Ok(_) => Ok(Redirect::to(&address(here.tenant.name(), "/keys?done=added")).into_response()),
        Err(wrong) if wrong.status() == StatusCode::INTERNAL_SERVER_ERROR => Err(wrong.into()),
        Err(wrong) => Ok(to_mend(wrong.status(), page(&here, &form, &problem(&wrong)).await?)),
    }
}

/// Takes one away.
pub async fn remove(here: Here, Item(key): Item) -> Result<Redirect, Trouble> {
    let none = || Problem::no_such("no-such-key", format!("there is no key '{}'", key.escape_debug()));
    let (exporter, name) = (here.exporter(), key.parse().map_err(|_| none())?);
    if !exporter.store.remove_module_key(&exporter.tenant, &name, Seen::Whatever, &exporter.author).await? {
        return Err(none().into());
    }
    Ok(Redirect::to(&address(&exporter.tenant, "/keys?done=removed")))
}
