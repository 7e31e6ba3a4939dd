//! Who may do what: asked before any operation is begun, for all of them in one place.
//!
//! Which permission an operation takes stands in its own description (`security` in the document), and is read from there. So the document says what is done, an
//! operation whose description names none is done for nobody, and whoever adds one can't forget to ask.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use consign_model::access::{Permission, TokenSecret};
use utoipa::openapi::OpenApi;

use crate::caller::{Caller, Here};
use crate::problem::Problem;
use crate::tenants::Tenants;

/// How tokens are called in the document.
pub const SCHEME: &str = "token";

/// What an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing: it is the same for everybody.
    Nothing,
    /// A token, whatever its role.
    Token,
    /// One whose role has this permission.
    Permission(Permission),
}

/// What each operation takes, by the document.
pub struct Guard {
    takes: HashMap<(Method, String), Takes>,
    tenants: Arc<Tenants>,
}

/// An operation that does not say what it takes, or says something that there is not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operation {method} {path} does not say what it takes: {security}")]
pub struct Unguarded {
    method: String,
    path: String,
    security: String,
}

impl Guard {
    /// By this document.
    pub fn new(document: &OpenApi, tenants: Arc<Tenants>) -> Result<Self, Unguarded> {
        Ok(Self { takes: takes(document)?, tenants })
    }
}

fn takes(document: &OpenApi) -> Result<HashMap<(Method, String), Takes>, Unguarded> {
    let mut found = HashMap::new();
    let document = serde_json::to_value(document).unwrap_or_default();
    let fields = |value: &serde_json::Value| value.as_object().cloned().unwrap_or_default();
    for (path, item) in fields(&document["paths"]) {
        for (method, operation) in fields(&item) {
            let security = &operation["security"];
            let unguarded = || Unguarded { method: method.clone(), path: path.clone(), security: security.to_string() };
            let parsed = method.to_uppercase().parse().map_err(|_| unguarded())?;
            found.insert((parsed, path.clone()), taken(security).ok_or_else(unguarded)?);
        }
    }
    Ok(found)
}

/// `[{"token":["read"]}]`; `[{}]` for what everybody may have.
fn taken(security: &serde_json::Value) -> Option<Takes> {
    let [one] = security.as_array()?.as_slice() else { return None };
    let one = one.as_object()?;
    if one.is_empty() {
        return Some(Takes::Nothing);
    }
    match one.get(SCHEME)?.as_array()?.as_slice() {
        [] => Some(Takes::Token),
        [word] => Permission::ALL.into_iter().find(|permission| Some(permission.word()) == word.as_str()).map(Takes::Permission),
        _ => None,
    }
}

/// Lets through whoever may.
pub async fn guard(
    State(guard): State<Arc<Guard>>,
    path: MatchedPath,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    // What answers HEAD is what answers GET.
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let takes = match guard.takes.get(&(method, path.as_str().to_owned())) {
        Some(takes) => *takes,
        None => return Err(Problem::no_such_method()),
    };
    if takes == Takes::Nothing {
        return Ok(next.run(request).await);
    }
    let caller = who(&guard.tenants, request.headers()).await?;
    guard.tenants.admit(&caller).await?;
    let named = params.iter().find(|(name, _)| *name == "tenant");
    let tenant = named.map(|(_, name)| caller.tenant(&guard.tenants, name)).transpose()?;
    if let Takes::Permission(permission) = takes {
        caller.must(permission)?;
    }
    if let Some(tenant) = tenant {
        tracing::Span::current().record("tenant", tenant.name().as_str());
        request.extensions_mut().insert(Here { tenant, caller: caller.clone() });
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

async fn who(tenants: &Tenants, headers: &HeaderMap) -> Result<Caller, Problem> {
    let Some(header) = headers.get(AUTHORIZATION) else { return Err(Problem::unauthenticated("there is no token")) };
    let shown = header.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let shown = shown.and_then(|(_, secret)| TokenSecret::parse(secret.trim()));
    let worthless = || tenants.attempts.failed("this token is none of ours, has been revoked or is over");
    let Some((home, token)) = tenants.store().token_of(&shown.ok_or_else(worthless)?.hash()).await? else { return Err(worthless()) };
    // A link begins a session, and does nothing else.
    Caller::with(token, home).filter(Caller::shows_a_token).ok_or_else(worthless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_takes() {
        let taken = |security| taken(&security);
        assert_eq!(taken(serde_json::json!([{ "token": ["read"] }])), Some(Takes::Permission(Permission::Read)));
        assert_eq!(taken(serde_json::json!([{ "token": [] }])), Some(Takes::Token));
        assert_eq!(taken(serde_json::json!([{}])), Some(Takes::Nothing));
        // Whatever is not understood is nobody's.
        for other in [
            serde_json::json!(null),
            serde_json::json!([]),
            serde_json::json!([{}, { "token": ["read"] }]),
            serde_json::json!([{ "cookie": ["read"] }]),
            serde_json::json!([{ "token": ["raed"] }]),
            serde_json::json!([{ "token": ["read", "read-audit"] }]),
        ] {
            assert_eq!(taken(other.clone()), None, "{other}");
        }
    }
}
