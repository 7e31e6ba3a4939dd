//! Modules: what a tenant may use, and uploading one.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Item, Page, Paging, bytes, time};
use super::tags::{Cached, IfOther, tagged};
use crate::caller::Here;
use crate::expected::of_module;
use crate::modules::{self, Listed, Origin, Shown, Use, Voucher};
use crate::problem::Problem;

/// Bytes of an upload: the largest that the sandbox takes, by what made the component, is less.
pub const LARGEST: usize = 48 << 20;
/// Uploads at once: each is in memory as a whole, and is compiled. The others wait.
pub static UPLOADS: Semaphore = Semaphore::const_new(4);

/// A module.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModuleView {
    /// `name@version`.
    #[schema(example = "acme/desks@1.2.0")]
    name: String,
    /// SHA-256 of the component.
    digest: String,
    /// `criteria` or `grouping`.
    kind: &'static str,
    /// What it does, as it says itself.
    summary: String,
    /// What it reads.
    needs: Vec<&'static str>,
    /// What its configuration has to look like: a JSON Schema.
    #[schema(value_type = Object)]
    schema: serde_json::Value,
    /// When it was uploaded; unset: it comes with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_at: Option<String>,
    /// The name of the key that vouches for it, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    /// This key, as it was then.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<serde_json::Value>,
    /// By which it leaves events out.
    #[schema(value_type = Vec<Object>)]
    rules: Vec<serde_json::Value>,
    /// What can be seen of it without running it: its size, what it imports, what made it.
    #[schema(value_type = Object)]
    facts: serde_json::Value,
}

fn view(module: Listed) -> ModuleView {
    let (pushed_at, key) = match module.origin {
        Origin::Standard => (None, None),
        Origin::Pushed { at, signed_by } => (Some(time(at)), signed_by),
    };
    ModuleView {
        name: format!("{}@{}", module.manifest.name, module.manifest.version),
        digest: module.digest.to_string(),
        kind: module.kind.word(),
        needs: module.manifest.needs.iter().map(|need| need.word()).collect(),
        summary: module.manifest.summary,
        schema: serde_json::to_value(&module.manifest.config_schema).unwrap_or_default(),
        rules: module.manifest.rules.iter().filter_map(|rule| serde_json::to_value(rule).ok()).collect(),
        facts: serde_json::to_value(&module.facts).unwrap_or_default(),
        pushed_at,
        signed_by: key.as_ref().map(|key| key.name.to_string()),
        key: key.and_then(|key| serde_json::to_value(key).ok()),
    }
}

/// Lists the modules that policies may name.
#[utoipa::path(get, operation_id = "listModules", path = "/v1/tenants/{tenant}/modules", tag = "modules", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By name and version", body = Page<ModuleView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<ModuleView>>, Problem> {
    let mut all = modules::list(here.tenant.exporter()).await?;
    let name = |module: &Listed| format!("{}@{}", module.manifest.name, module.manifest.version);
    all.sort_by_key(name);
    Page::of_all(all, &paging, name, view)
}

/// A module, with what came of trying it and who uses it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownModule {
    /// It.
    #[serde(flatten)]
    module: ModuleView,
    /// What came of trying it on a made-up chat: when it was uploaded, or just now where it comes with the program.
    #[schema(value_type = Object)]
    probe: serde_json::Value,
    /// The policies that use it.
    policies: Vec<ModuleUse>,
}

/// That a policy uses a module.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModuleUse {
    /// The policy.
    policy: String,
    /// Its version.
    version: u32,
    /// `criteria 1`, `grouping`, `shadow of criteria 1`.
    place: String,
    /// What it may read there.
    needs: Vec<&'static str>,
}

/// Shows a module.
#[utoipa::path(get, operation_id = "showModule", path = "/v1/tenants/{tenant}/modules/{module}", tag = "modules", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("module" = String, Path, description = "Its name, name@version, or the SHA-256 of the component; the / of a name as %2F"), IfOther),
    responses((status = 200, description = "As it is kept", body = ShownModule)))]
pub async fn show(here: Here, Item(reference): Item, cached: Cached) -> Result<Response, Problem> {
    // A digest by itself, as the list has it, can be no name: that has a slash.
    let reference = if consign_model::Digest::try_from(reference.clone()).is_ok() { format!("sha256:{reference}") } else { reference };
    let Shown { module, probe, policies } = modules::show(here.tenant.exporter(), &reference).await?;
    let state = of_module(&module);
    let used = |one: Use| ModuleUse {
        policy: one.policy.to_string(),
        version: one.version,
        place: one.place,
        needs: one.needs.iter().map(|need| need.word()).collect(),
    };
    let probe = serde_json::to_value(&probe).map_err(|error| Problem::internal(&error))?;
    tagged(&cached, &state, &ShownModule { module: view(module), probe, policies: policies.into_iter().map(used).collect() })
}

/// How to take a module in.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Uploading {
    /// Take it without a signature, where the tenant has keys for its modules.
    #[serde(default)]
    unsigned: bool,
}

/// With which a module is signed.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document: the header is read as it came")]
pub struct Signed {
    /// A detached signature by one of the tenant's keys: the bytes of its file (minisign's .minisig, or an Ed25519 signature) in base64.
    #[param(rename = "Module-Signature")]
    module_signature: Option<String>,
}

/// The header with the signature.
const SIGNATURE: &str = "module-signature";

/// The signature that comes along; the body is the component alone.
fn signature(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Problem> {
    let Some(value) = headers.get(SIGNATURE) else { return Ok(None) };
    let decoded = BASE64.decode(value.as_bytes().trim_ascii());
    decoded.map(Some).map_err(|_| Problem::invalid("Module-Signature: the bytes of a signature's file, in base64"))
}

/// What became of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uploaded {
    /// `name@version`.
    #[schema(example = "acme/desks@1.2.0")]
    name: String,
    /// SHA-256 of the component.
    digest: String,
    /// Whether the very same was there already.
    again: bool,
    /// Whether it was there unsigned, and its signature was added.
    now_signed: bool,
    /// What it reads: what a policy that uses it has to list.
    needs: Vec<&'static str>,
    /// What is kept of it, with what came of trying it.
    #[schema(value_type = Object)]
    record: serde_json::Value,
}

/// Uploads a module. It is checked, compiled in a process of its own and tried on a made-up chat; only what passes is kept.
#[utoipa::path(post, operation_id = "uploadModule", path = "/v1/tenants/{tenant}/modules", tag = "modules", security(("token" = ["write-modules"])),
    params(("tenant" = String, Path, description = "The tenant"), Uploading, Signed),
    request_body(content_type = "application/wasm", description = "The component", content = String),
    responses(
        (status = 201, description = "Kept", body = Uploaded),
        (status = 200, description = "It was there", body = Uploaded),
        (status = 403, description = "The role does not permit it, or the tenant has as many modules as it may, or as much of them", body = Problem),
        (status = 409, description = "Its name and version mean another module", body = Problem),
        (status = 422, description = "It was refused", body = Problem),
    ))]
pub async fn upload(here: Here, Asked(how): Asked<Uploading>, request: Request) -> Result<(StatusCode, Json<Uploaded>), Problem> {
    let signature = signature(request.headers())?;
    if signature.is_some() && how.unsigned {
        return Err(Problem::invalid("unsigned: it comes with a signature, so say one or the other"));
    }
    // `Err` can't be: nobody closes it.
    let _place = UPLOADS.acquire().await.ok();
    let component = bytes(request, LARGEST).await?;
    let voucher = match &signature {
        Some(signature) => Voucher::Signature(signature),
        None if how.unsigned => Voucher::Unsigned,
        None => Voucher::Nothing,
    };
    let pushed = modules::push(&here.exporter(), component, voucher).await?;
    let status = if pushed.again { StatusCode::OK } else { StatusCode::CREATED };
    let record = pushed.record;
    let needs = record.manifest.needs.iter().map(|need| need.word()).collect();
    let kept = serde_json::to_value(&record).map_err(|error| Problem::internal(&error))?;
    let (again, now_signed) = (pushed.again, pushed.now_signed);
    Ok((status, Json(Uploaded { name: record.name(), digest: record.digest.to_string(), again, now_signed, needs, record: kept })))
}
