//! Who may do what: tokens; and what targets sign in with: secrets.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::Timestamp;
use consign_model::access::{Role, Standing, Token, TokenKind};
use consign_store::Seen;
use maud::{Markup, html};
use zeroize::Zeroizing;

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, badge, done, table, tenant_page, time};
use crate::api::{Item, name, new_token};
use crate::caller::Here;
use crate::problem::Problem;

/// A link that nobody has used.
const UNUSED: TokenKind = TokenKind::Link { used_at: None };

/// Tokens.
pub async fn show(here: Here) -> Page {
    page(&here, &html! {}).await
}

async fn page(here: &Here, said: &Markup) -> Page {
    let exporter = here.exporter();
    let tokens = exporter.store.tokens(&exporter.tenant).await?;
    let now = Timestamp::now();
    let row = |token: &Token| {
        let standing = token.standing(now);
        let state = match standing {
            Standing::Valid if token.kind == UNUSED => {
                html! { (badge("note", "not used")) @if let Some(end) = token.expires_at { " until " (time(end)) } }
            }
            Standing::Valid => html! { (badge("good", "valid")) @if let Some(end) = token.expires_at { " until " (time(end)) } },
            Standing::Expired => badge("note", "over"),
            Standing::Revoked => html! { (badge("bad", "revoked")) @if let Some(at) = token.revoked_at { " " (time(at)) } },
        };
        let revoke = html! {
            @if standing == Standing::Valid {
                form.inline method="post" action=(address(&exporter.tenant, &format!("/access/tokens/{}/revoke", token.id))) {
                    button aria-label={ "Revoke " (token.id) " of " (token.name) } { "Revoke" }
                }
            }
        };
        let kind = html! { @if !token.kind.is_bearer() { " " (badge("note", "link")) } };
        vec![html! { code { (token.id) } (kind) }, html! { (token.name) }, html! { (token.role.word()) }, time(token.created_at), state, revoke]
    };
    let body = html! {
        (said)
        @if tokens.is_empty() { p { "There is no token yet." } } @else { (table("Tokens", &["Id", "Whose", "Role", "Made", "State", ""], &[], tokens.iter().map(row))) }
        h2 { "A new token" }
        form.stacked method="post" action=(address(&exporter.tenant, "/access/tokens")) {
            label for="name" { "Whose" }
            input #name name="name" required maxlength="63" pattern="[a-z0-9][a-z0-9._\\-]*" autocomplete="off";
            label for="role" { "Role" }
            select #role name="role" required {
                @for role in Role::ALL.into_iter().filter(|role| !role.is_of_the_platform()) { option value=(role.word()) { (role.word()) ": " (about(role)) } }
            }
            label for="days" { "For how many days" }
            input #days name="days" type="number" min="1" max="3650" value="90" aria-describedby="about-days";
            p.hint id="about-days" { "Empty: until it is revoked." }
            button { "Make it" }
        }
    };
    Ok(tenant_page(here, Tab::Access, "Access", &body))
}

fn about(role: Role) -> &'static str {
    match role {
        Role::PlatformAdministrator => "runs the installation",
        Role::TenantAdministrator => "everything that the tenant has",
        Role::PolicyAuthor => "writes policies and runs them",
        Role::ModuleDeveloper => "uploads modules",
        Role::Auditor => "reads all, changes nothing",
        Role::Ingest => "only hands events in",
    }
}

/// Makes a token, and shows its text this once.
pub async fn make(here: Here, form: Fields) -> Result<Response, Trouble> {
    let role = Role::ALL.into_iter().find(|role| !role.is_of_the_platform() && Some(role.word()) == form.get("role"));
    let days = form.number::<u16>("days")?.filter(|days| (1..=3_650).contains(days)).map_or_else(
        || if form.get("days").is_some() { Err(Problem::invalid("days: 1 to 3650, or nothing")) } else { Ok(None) },
        |days| Ok(Some(days)),
    )?;
    let role = role.ok_or_else(|| Problem::invalid("role: choose one"))?;
    let (token, secret) =
        new_token(name("whose", form.one("name")?)?, role, days, &here.caller.actor()).map_err(|error| Problem::internal(&error))?;
    let exporter = here.exporter();
    exporter.store.add_token(&exporter.tenant, &token, &exporter.author).await?;
    let said = html! {
        div.notice.good role="status" {
            p { strong { "The token of " (token.name) "." } " It is shown this once, and kept nowhere: hand it over by a safe way." }
            p { label for="made" { "Its text" } input #made.secret readonly value=(secret.reveal()) autocomplete="off"; }
        }
    };
    Ok((StatusCode::CREATED, page(&here, &said).await?).into_response())
}

/// Takes a token back.
pub async fn revoke(here: Here, Item(id): Item) -> Result<Redirect, Trouble> {
    let none = || Problem::no_such("no-such-token", format!("there is no token '{}'", id.escape_debug()));
    let (exporter, id) = (here.exporter(), id.parse().map_err(|_| none())?);
    exporter.store.revoke_token(&exporter.tenant, &id, Timestamp::now(), &exporter.author).await?.ok_or_else(none)?;
    Ok(Redirect::to(&address(&exporter.tenant, "/access")))
}

/// Secrets, by name.
pub async fn secrets(here: Here, Query(asked): Query) -> Page {
    let exporter = here.exporter();
    let secrets = exporter.store.secrets(&exporter.tenant).await?;
    let body = html! {
        @match asked.get("done") { Some("kept") => (done("It is kept. Nothing shows it again.")), Some("forgotten") => (done("It is forgotten.")), _ => {} }
        p { "What targets sign in with. A target names it as " code { "password = { secret = \"NAME\" }" } ", and nothing shows it again." }
        @if secrets.is_empty() { p { "There is none yet." } } @else {
            (table("Secrets", &["Name", "Kept since", ""], &[], secrets.iter().map(|secret| {
                let forget = html! {
                    form.inline method="post" action=(address(&exporter.tenant, &format!("/secrets/{}/forget", secret.name))) { button aria-label={ "Forget " (secret.name) } { "Forget" } }
                };
                vec![html! { (secret.name) }, time(secret.kept_at), forget]
            })))
        }
        h2 { "Keep one" }
        form.stacked method="post" action=(address(&exporter.tenant, "/secrets")) {
            label for="name" { "Name" }
            input #name name="name" required maxlength="63" pattern="[a-z0-9][a-z0-9._\\-]*" autocomplete="off" aria-describedby="about-name";
            p.hint id="about-name" { "One of a name that is there takes its place." }
            label for="secret" { "The secret" }
            input #secret name="secret" type="password" required autocomplete="new-password";
            button { "Keep it" }
        }
    };
    Ok(tenant_page(&here, Tab::Secrets, "Secrets", &body))
}

/// Keeps a secret.
pub async fn keep(here: Here, form: Fields) -> Result<Redirect, Trouble> {
    let secret = name("name", form.one("name")?)?;
    let text = Zeroizing::new(form.whole("secret").to_owned());
    let line = crate::secrets::line(&text).map_err(|error| Problem::invalid(error.to_string()))?;
    let exporter = here.exporter();
    exporter.keep_secret(&secret, line, Seen::Whatever).await?;
    Ok(Redirect::to(&address(&exporter.tenant, "/secrets?done=kept")))
}

/// Forgets one.
pub async fn forget(here: Here, Item(secret): Item) -> Result<Redirect, Trouble> {
    let none = || Problem::no_such("no-such-secret", format!("there is no secret '{}'", secret.escape_debug()));
    let (exporter, name) = (here.exporter(), secret.parse().map_err(|_| none())?);
    if !exporter.store.remove_secret(&exporter.tenant, &name, Seen::Whatever, &exporter.author).await? {
        return Err(none().into());
    }
    Ok(Redirect::to(&address(&exporter.tenant, "/secrets?done=forgotten")))
}
