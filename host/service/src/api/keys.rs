//! Keys: the tenant's own, as others see them, and those by which its modules are signed.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use consign_model::{EarlierPublicKeys, ModuleKey, PublicKey, TenantKeys, Timestamp};
use consign_store::{Seen, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::given::{Asked, Item, Page, Paging, bytes, name, time};
use super::tags::{Cached, Expecting, IfMatch, IfNew, IfOther, tag_of, tagged};
use crate::caller::Here;
use crate::expected::of_module_key;
use crate::modules::read_key;
use crate::problem::Problem;

/// Bytes of a file with a public key: those that people have are under one KiB.
const LARGEST: usize = 16 << 10;

/// A tenant's public keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeysView {
    /// To whom its archive is encrypted: an age recipient.
    #[schema(example = "age1…")]
    recipient: String,
    /// By which its manifests and its audit log are signed: Ed25519, in base64. What `consign verify` and `consign audit verify` take as `--key`.
    signing_key: String,
    /// Those before, oldest first: what was encrypted for them opens, and what they have signed holds.
    earlier: Vec<EarlierKeysView>,
}

/// Public keys that others took the place of.
#[derive(Debug, Serialize, ToSchema)]
pub struct EarlierKeysView {
    /// To whom its archive was encrypted.
    recipient: String,
    /// By which its manifests and its audit log were signed.
    signing_key: String,
    /// Until when.
    until: String,
}

impl From<EarlierPublicKeys> for EarlierKeysView {
    fn from(keys: EarlierPublicKeys) -> Self {
        let EarlierPublicKeys { recipient, signing_key, until } = keys;
        Self { recipient, signing_key, until: time(until) }
    }
}

impl From<TenantKeys> for KeysView {
    fn from(keys: TenantKeys) -> Self {
        let earlier = keys.earlier.into_iter().map(|keys| keys.public.into()).collect();
        Self { recipient: keys.recipient, signing_key: keys.signing_public_key, earlier }
    }
}

/// Shows the tenant's public keys.
#[utoipa::path(get, operation_id = "showKeys", path = "/v1/tenants/{tenant}/keys", tag = "audit", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant")),
    responses((status = 200, description = "Its public keys", body = KeysView)))]
pub async fn show(here: Here) -> Result<Json<KeysView>, Problem> {
    let exporter = here.tenant.exporter();
    let keys = exporter.store.tenant_keys(&exporter.tenant).await?.ok_or_else(|| Problem::internal(&"the tenant has no keys"))?;
    Ok(Json(KeysView::from(keys)))
}

/// Gives the tenant new keys: from now on its files are encrypted and its manifests and audit log signed with them. What is there opens with the earlier ones, which are kept, and is not encrypted anew.
#[utoipa::path(post, operation_id = "rotateKeys", path = "/v1/tenants/{tenant}/keys/rotate", tag = "audit", security(("token" = ["manage-access"])),
    params(("tenant" = String, Path, description = "The tenant")),
    responses((status = 200, description = "Its public keys from now on", body = KeysView)))]
pub async fn rotate(here: Here) -> Result<Json<KeysView>, Problem> {
    Ok(Json(KeysView::from(here.life().rotate_keys().await?)))
}

/// A key by which modules are signed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModuleKeyView {
    /// Its name.
    #[schema(example = "ann")]
    name: String,
    /// `minisign` or `ed25519`.
    kind: &'static str,
    /// The public key, in base64.
    key: String,
    /// When it was added.
    added_at: String,
}

impl From<ModuleKey> for ModuleKeyView {
    fn from(key: ModuleKey) -> Self {
        let (kind, text) = match key.key {
            PublicKey::Minisign(text) => ("minisign", text),
            PublicKey::Ed25519(text) => ("ed25519", text),
        };
        Self { name: key.name.to_string(), kind, key: text, added_at: time(key.added_at) }
    }
}

async fn find(here: &Here, name: &str) -> Result<Option<ModuleKey>, Problem> {
    let exporter = here.tenant.exporter();
    Ok(exporter.store.module_keys(&exporter.tenant).await?.into_iter().find(|key| key.name.as_str() == name))
}

fn none(name: &str) -> Problem {
    Problem::no_such("no-such-key", format!("there is no key '{}'", name.escape_debug()))
}

/// Lists the keys by which modules are signed. Where there is one, a module is taken with a signature by one of them only, unless it is said to be unsigned.
#[utoipa::path(get, operation_id = "listModuleKeys", path = "/v1/tenants/{tenant}/module-keys", tag = "modules", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By name", body = Page<ModuleKeyView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<ModuleKeyView>>, Problem> {
    let exporter = here.tenant.exporter();
    let all = exporter.store.module_keys(&exporter.tenant).await?;
    Page::of_all(all, &paging, |key| key.name.to_string(), ModuleKeyView::from)
}

/// Shows a key by which modules are signed.
#[utoipa::path(get, operation_id = "showModuleKey", path = "/v1/tenants/{tenant}/module-keys/{key}", tag = "modules", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("key" = String, Path, description = "The key's name"), IfOther),
    responses((status = 200, description = "The key", body = ModuleKeyView)))]
pub async fn show_module_key(here: Here, Item(name): Item, cached: Cached) -> Result<Response, Problem> {
    let key = find(&here, &name).await?.ok_or_else(|| none(&name))?;
    tagged(&cached, &of_module_key(&key), &ModuleKeyView::from(key.clone()))
}

/// Adds a key by which modules are signed; the same again changes nothing. Another one under its name is refused: remove that first.
#[utoipa::path(put, operation_id = "addModuleKey", path = "/v1/tenants/{tenant}/module-keys/{key}", tag = "modules", security(("token" = ["manage-access"])),
    params(("tenant" = String, Path, description = "The tenant"), ("key" = String, Path, description = "The key's name"), IfNew),
    request_body(content = String, content_type = "text/plain", description = "The public key: minisign's (the .pub file, or its second line), or an Ed25519 one as PEM, in base64 or in hexadecimal"),
    responses(
        (status = 200, description = "It is there", body = ModuleKeyView),
        (status = 409, description = "There is another of its name", body = Problem),
        (status = 422, description = "It is no public key", body = Problem),
    ))]
pub async fn add(here: Here, Item(named): Item, Expecting(expected): Expecting, request: Request) -> Result<Response, Problem> {
    let key = read_key(&bytes(request, LARGEST).await?)?;
    let key = put(&here, &named, key, &expected).await?;
    let state = of_module_key(&key);
    let view = ModuleKeyView::from(key);
    Ok((StatusCode::OK, tag_of(&state, &view)?, Json(view)).into_response())
}

/// Adds a key, where what is there is as expected.
pub async fn put(here: &Here, named: &str, key: PublicKey, expected: &crate::expected::Expected) -> Result<ModuleKey, Problem> {
    let (exporter, key) = (here.exporter(), ModuleKey { name: name("name", named)?, key, added_at: Timestamp::now() });
    let known = find(here, key.name.as_str()).await?;
    expected.must_hold(&format!("the key '{}'", key.name), known.as_ref().map(of_module_key).as_deref())?;
    exporter.store.save_module_key(&exporter.tenant, &key, &exporter.author).await.map_err(|error| match error {
        StoreError::Conflict { .. } => {
            Problem::conflict(format!("there is another key '{}': remove it first, or give this one another name", key.name))
        }
        other => other.into(),
    })?;
    // As it is there: the same one may have been added before.
    Ok(find(here, key.name.as_str()).await?.unwrap_or(key))
}

/// Takes away a key by which modules are signed. Modules that were signed with it stay.
#[utoipa::path(delete, operation_id = "removeModuleKey", path = "/v1/tenants/{tenant}/module-keys/{key}", tag = "modules", security(("token" = ["manage-access"])),
    params(("tenant" = String, Path, description = "The tenant"), ("key" = String, Path, description = "The key's name"), IfMatch),
    responses((status = 204, description = "It is away")))]
pub async fn remove(here: Here, Item(name): Item, Expecting(expected): Expecting) -> Result<StatusCode, Problem> {
    let known = find(&here, &name).await?.ok_or_else(|| none(&name))?;
    let (exporter, what) = (here.exporter(), format!("the key '{name}'"));
    expected.must_hold(&what, Some(&of_module_key(&known)))?;
    let seen = if expected.is_something() { Seen::This(known.mark()) } else { Seen::Whatever };
    match exporter.store.remove_module_key(&exporter.tenant, &known.name, seen, &exporter.author).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(none(&name)),
        Err(error) => Err(expected.refused(&what, error)?.into()),
    }
}
