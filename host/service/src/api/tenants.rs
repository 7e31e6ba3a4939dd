//! Tenants, and who has a token of one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use consign_model::access::{Role, Token, TokenKind, TokenSecret};
use consign_model::audit::Actor;
use consign_model::{Digest, Name, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given::{Asked, Given, Item, Page, Paging, name, time};
use super::once::Keyed;
use super::tags::{Cached, Expecting, IfMatch, IfOther, tagged};
use crate::caller::{Caller, Here};
use crate::expected::of_token;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    /// Its name.
    #[schema(example = "acme")]
    name: String,
}

/// A tenant that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name: 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.
    #[schema(example = "acme", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    name: String,
}

/// Lists the tenants.
#[utoipa::path(get, operation_id = "listTenants", path = "/v1/tenants", tag = "tenants", security(("token" = ["list-tenants"])), params(Paging),
    responses((status = 200, description = "By name", body = Page<TenantView>)))]
pub async fn list(State(tenants): State<Arc<Tenants>>, Asked(paging): Asked<Paging>) -> Result<Json<Page<TenantView>>, Problem> {
    let limit = paging.limit()?;
    let names = tenants.names(paging.after::<Name>()?.as_ref(), limit + 1);
    Ok(Page::of(names, limit, Name::clone, |tenant| TenantView { name: tenant.to_string() }))
}

/// Makes a tenant, with keys of its own. One that is there stays as it is.
#[utoipa::path(post, operation_id = "createTenant", path = "/v1/tenants", tag = "tenants", security(("token" = ["manage-tenants"])), params(Keyed), request_body = NewTenant,
    responses(
        (status = 201, description = "Made", body = TenantView),
        (status = 200, description = "It was there", body = TenantView),
        (status = 422, description = "The name is kept", body = Problem),
    ))]
pub async fn create(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    Given(new): Given<NewTenant>,
) -> Result<(StatusCode, Json<TenantView>), Problem> {
    let (tenant, is_new) = tenants.create(&name("name", &new.name)?, &caller.actor()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(TenantView { name: tenant.name().to_string() })))
}

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// By which it is revoked.
    #[schema(example = "token-5f2c9a3be0d1")]
    id: String,
    /// Who has it.
    #[schema(example = "ann")]
    name: String,
    /// What it may do.
    #[schema(example = "policy-author")]
    role: &'static str,
    /// When it was made.
    created_at: String,
    /// Until when; unset: it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// When it was taken back; unset: it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    /// `token`, or `link`, which begins one session.
    #[schema(example = "token")]
    kind: &'static str,
    /// When a link was used; unset: it was not, or is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<String>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        let (kind, used_at) = match token.kind {
            TokenKind::Bearer => ("token", None),
            TokenKind::Link { used_at } => ("link", used_at),
        };
        Self {
            kind,
            used_at: used_at.map(time),
            id: token.id.to_string(),
            name: token.name.to_string(),
            role: token.role.word(),
            created_at: time(token.created_at),
            expires_at: token.expires_at.map(time),
            revoked_at: token.revoked_at.map(time),
        }
    }
}

/// A role.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoleName {
    /// Everything that the tenant has.
    TenantAdministrator,
    /// Writes policies, runs them and looks into what became of events.
    PolicyAuthor,
    /// Uploads modules, and sees how they do.
    ModuleDeveloper,
    /// Reads all, changes nothing.
    Auditor,
    /// Hands events in, and sees nothing.
    Ingest,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::TenantAdministrator => Self::TenantAdministrator,
            RoleName::PolicyAuthor => Self::PolicyAuthor,
            RoleName::ModuleDeveloper => Self::ModuleDeveloper,
            RoleName::Auditor => Self::Auditor,
            RoleName::Ingest => Self::Ingest,
        }
    }
}

/// A token that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Who or what will have it.
    #[schema(example = "ann", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    name: String,
    /// What it may do.
    role: RoleName,
    /// For how many days; unset: until it is revoked.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    days: Option<u16>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub struct MadeToken {
    /// It.
    #[serde(flatten)]
    token: TokenView,
    /// Its text, which is shown this once.
    #[schema(example = "consign_…")]
    secret: String,
}

/// Makes the text of a token.
pub fn new_secret() -> Result<TokenSecret, NoRandomness> {
    Ok(TokenSecret::new(&random()?))
}

/// 256 bits that nobody guesses.
pub fn random() -> Result<[u8; 32], NoRandomness> {
    let mut random = [0; 32];
    SystemRandom::new().fill(&mut random).map_err(|_| NoRandomness)?;
    Ok(random)
}

/// Makes a token, and what is kept of it. Nothing is stored yet.
pub fn new_token(named: Name, role: Role, days: Option<u16>, by: &Actor) -> Result<(Token, TokenSecret), NoRandomness> {
    let ends_in = days.map(|days| i64::from(days) * 86_400_000);
    made(new_secret()?, named, role, TokenKind::Bearer, ends_in, by)
}

/// Makes a link that is good for so many milliseconds, and what is kept of it. Nothing is stored yet.
pub fn new_link(named: Name, role: Role, ends_in: i64, by: &Actor) -> Result<(Token, TokenSecret), NoRandomness> {
    made(TokenSecret::of_link(&random()?), named, role, TokenKind::Link { used_at: None }, Some(ends_in), by)
}

fn made(
    secret: TokenSecret,
    named: Name,
    role: Role,
    kind: TokenKind,
    ends_in: Option<i64>,
    by: &Actor,
) -> Result<(Token, TokenSecret), NoRandomness> {
    // Of the hash of the hash: so an id tells nothing by which a token could be looked for.
    let id = format!("token-{}", Digest::of(&secret.hash().0).short());
    let created_at = Timestamp::now();
    let expires_at = ends_in.map(|ends_in| Timestamp(created_at.0.saturating_add(ends_in)));
    // The shape of a name always.
    let id = id.parse().map_err(|_| NoRandomness)?;
    let (hash, made_by) = (secret.hash(), Some(by.clone()));
    Ok((Token { id, name: named, role, hash, created_at, expires_at, revoked_at: None, kind, made_by }, secret))
}

/// The system gives no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// Lists the tenant's tokens, also those that are worth nothing any more.
#[utoipa::path(get, operation_id = "listTokens", path = "/v1/tenants/{tenant}/tokens", tag = "access", security(("token" = ["manage-access"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By id", body = Page<TokenView>)))]
pub async fn list_tokens(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<TokenView>>, Problem> {
    let all = here.exporter().store.tokens(here.tenant.name()).await?;
    Page::of_all(all, &paging, |token| token.id.to_string(), TokenView::from)
}

/// Makes a token of the tenant.
#[utoipa::path(post, operation_id = "createToken", path = "/v1/tenants/{tenant}/tokens", tag = "access", security(("token" = ["manage-access"])),
    params(("tenant" = String, Path, description = "The tenant"), Keyed), request_body = NewToken,
    responses(
        (status = 201, description = "Made; its text is shown this once", body = MadeToken),
    ))]
pub async fn create_token(here: Here, Given(new): Given<NewToken>) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    if new.days.is_some_and(|days| !(1..=3_650).contains(&days)) {
        return Err(Problem::invalid("days: 1 to 3650"));
    }
    let by = here.caller.actor();
    let (token, secret) = new_token(name("name", &new.name)?, new.role.into(), new.days, &by).map_err(|error| Problem::internal(&error))?;
    let exporter = here.exporter();
    exporter.store.add_token(&exporter.tenant, &token, &exporter.author).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { token: token.into(), secret: secret.reveal().to_owned() })))
}

async fn token(here: &Here, id: &str) -> Result<Token, Problem> {
    let exporter = here.tenant.exporter();
    let known = exporter.store.tokens(&exporter.tenant).await?.into_iter().find(|token| token.id.as_str() == id);
    known.ok_or_else(|| Problem::no_such("no-such-token", format!("there is no token '{}'", id.escape_debug())))
}

/// Shows a token, without its text.
#[utoipa::path(get, operation_id = "showToken", path = "/v1/tenants/{tenant}/tokens/{token}", tag = "access", security(("token" = ["manage-access"])),
    params(("tenant" = String, Path, description = "The tenant"), ("token" = String, Path, description = "The token's id"), IfOther),
    responses((status = 200, description = "As it is", body = TokenView)))]
pub async fn show_token(here: Here, Item(id): Item, cached: Cached) -> Result<Response, Problem> {
    let token = token(&here, &id).await?;
    tagged(&cached, &of_token(&token), &TokenView::from(token.clone()))
}

/// Takes a token back: from now on it is worth nothing.
#[utoipa::path(delete, operation_id = "revokeToken", path = "/v1/tenants/{tenant}/tokens/{token}", tag = "access", security(("token" = ["manage-access"])),
    params(("tenant" = String, Path, description = "The tenant"), ("token" = String, Path, description = "The token's id"), IfMatch),
    responses((status = 200, description = "As it is now", body = TokenView)))]
pub async fn revoke_token(here: Here, Item(id): Item, Expecting(expected): Expecting) -> Result<Json<TokenView>, Problem> {
    let (exporter, known, now) = (here.exporter(), token(&here, &id).await?, Timestamp::now());
    let what = format!("the token '{}'", known.id);
    expected.must_hold(&what, Some(&of_token(&known)))?;
    // A token is taken back once: whoever was later has changed nothing, and is told so where they expected it to be worth something.
    let ended = exporter.store.revoke_token(&exporter.tenant, &known.id, now, &exporter.author).await?.unwrap_or(known);
    if expected.is_something() && ended.revoked_at != Some(now) {
        expected.must_hold(&what, Some(&of_token(&ended)))?;
    }
    Ok(Json(ended.into()))
}
