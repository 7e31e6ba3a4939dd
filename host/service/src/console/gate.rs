//! Who is let through to a page: whoever has a session, and may.
//!
//! A session is a cookie that no script can read and that other sites' requests do not carry along, but for links. Beside it the browser itself says where a request comes
//! from (`Sec-Fetch-Site`, `Origin`), and whatever would change something is refused from elsewhere: so no form needs a token of its own that could be forgotten.

use std::sync::Arc;

use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::access::{Permission, Session, SignedInBy, TokenSecret};
use consign_model::{TenantId, Timestamp};

use super::ROOT;
use super::page::Trouble;
use crate::caller::{By, Caller, Here};
use crate::problem::Problem;
use crate::tenants::Tenants;

/// The cookie. Browsers take one of this beginning only over TLS or from this machine, for this host alone.
pub const COOKIE_NAME: &str = "__Host-consign";

/// Before a page.
#[derive(Clone)]
pub struct Gate {
    /// Whose pages.
    pub tenants: Arc<Tenants>,
    /// What the page takes; unset: a session.
    pub takes: Option<Permission>,
}

/// Somebody who has signed in.
#[derive(Clone)]
pub struct SignedIn {
    /// What they may.
    pub caller: Caller,
    /// Their session.
    pub session: Session,
}

/// Lets through whoever may see the page.
pub async fn pass(State(gate): State<Gate>, params: RawPathParams, mut request: Request, next: Next) -> Response {
    if !is_from_here(request.method(), request.headers()) {
        return Trouble::from(Problem::from_elsewhere()).into_response();
    }
    let signed_in = match who(&gate.tenants, request.headers()).await {
        Ok(Some(signed_in)) => signed_in,
        Ok(None) => return Redirect::to(&sign_in_and_back(request.uri(), request.method())).into_response(),
        Err(problem) => return Trouble::from(problem).into_response(),
    };
    let caller = &signed_in.caller;
    if let Err(problem) = gate.tenants.admit(caller).await {
        return Trouble { problem, caller: Some(caller.clone()) }.into_response();
    }
    let passed = gate.takes.map_or(Ok(()), |takes| caller.must(takes)).and_then(|()| {
        let named = params.iter().find(|(name, _)| *name == "tenant");
        named.map(|(_, name)| caller.tenant(&gate.tenants, name)).transpose()
    });
    match passed {
        Ok(Some(tenant)) => {
            tracing::Span::current().record("tenant", tenant.name().as_str());
            request.extensions_mut().insert(Here { tenant, caller: caller.clone() });
        }
        Ok(None) => {}
        Err(problem) => return Trouble { problem, caller: Some(caller.clone()) }.into_response(),
    }
    request.extensions_mut().insert(signed_in.caller.clone());
    request.extensions_mut().insert(signed_in);
    next.run(request).await
}

/// Refuses what another site's page sends.
pub async fn only_from_here(request: Request, next: Next) -> Response {
    if is_from_here(request.method(), request.headers()) { next.run(request).await } else { Trouble::from(Problem::from_elsewhere()).into_response() }
}

/// Whether it changes nothing, or a page of this console asks for it. Browsers say so themselves; where an old one does not, it says where it was.
fn is_from_here(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    match (text(ORIGIN.as_str()).and_then(|origin| origin.split_once("://")), text(HOST.as_str())) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// Who has the session that the request brings along; unset where it is none of ours, or over.
pub async fn who(tenants: &Tenants, headers: &HeaderMap) -> Result<Option<SignedIn>, Problem> {
    let Some((home, secret)) = shown(headers) else { return Ok(None) };
    let Some(session) = tenants.store().session(&home, &secret.hash()).await? else { return Ok(None) };
    if session.ends_at <= Timestamp::now() {
        return Ok(None);
    }
    let caller = match &session.by {
        SignedInBy::Token(id) => {
            let token = tenants.store().tokens(&home).await?.into_iter().find(|token| token.id == *id);
            token.and_then(|token| Caller::with(token, home))
        }
        SignedInBy::Person(person) => tenants.issuers().still(person, &home).then(|| Caller::of(By::Person(person.clone()), home)).flatten(),
    };
    Ok(caller.map(|caller| SignedIn { caller, session }))
}

/// What stands in the cookie: whose session, and its text.
fn shown(headers: &HeaderMap) -> Option<(TenantId, TokenSecret)> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok()).flat_map(|cookies| cookies.split(';'));
    let (_, value) = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE_NAME)?;
    let (home, secret) = value.split_once(':')?;
    Some((home.parse().ok()?, TokenSecret::parse(secret)?))
}

/// Where to sign in, and to come back from there: to a page, and never to another site's.
fn sign_in_and_back(uri: &Uri, method: &Method) -> String {
    let back = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
    if *method != Method::GET || back == format!("{ROOT}/") {
        return format!("{ROOT}/sign-in");
    }
    let back: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    format!("{ROOT}/sign-in?back={back}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_comes_from_elsewhere() {
        let asked = |method: Method, all: &[(&'static str, &str)]| is_from_here(&method, &headers(all));
        assert!(asked(Method::GET, &[("sec-fetch-site", "cross-site")]), "a link may lead here");
        for (site, is) in [("same-origin", true), ("same-site", false), ("cross-site", false), ("none", false), ("", false)] {
            // What it says of itself counts, whatever else it says.
            assert_eq!(asked(Method::POST, &[("sec-fetch-site", site), ("origin", "https://a"), ("host", "a")]), is, "{site}");
        }
        for (origin, host, is) in [
            ("https://a.example", "a.example", true),
            ("http://127.0.0.1:81", "127.0.0.1:81", true),
            ("https://a.example", "b.example", false),
            ("null", "null", false),
        ] {
            assert_eq!(asked(Method::POST, &[("origin", origin), ("host", host)]), is, "{origin} {host}");
        }
        assert!(!asked(Method::POST, &[("host", "a")]), "who says nothing is no browser");
    }

    #[test]
    fn what_a_cookie_shows() {
        let secret = TokenSecret::new(&[7; 32]);
        let text = format!("acme:{}", secret.reveal());
        let found = |cookie: &str| shown(&headers(&[("cookie", cookie)]));
        for cookie in [format!("{COOKIE_NAME}={text}"), format!("a=b; {COOKIE_NAME}={text};c=d")] {
            assert_eq!(found(&cookie), Some(("acme".parse().unwrap(), secret.clone())), "{cookie}");
        }
        for cookie in [
            format!("x{COOKIE_NAME}={text}"),
            format!("{COOKIE_NAME}={}", secret.reveal()),
            format!("{COOKIE_NAME}=acme"),
            String::new(),
            "=;=".to_owned(),
        ] {
            assert_eq!(found(&cookie), None, "{cookie}");
        }
    }

    #[test]
    fn the_way_back() {
        let way = |method: Method, uri: &str| sign_in_and_back(&uri.parse().unwrap(), &method);
        assert_eq!(way(Method::GET, "/console/t/acme/runs?before=3"), "/console/sign-in?back=%2Fconsole%2Ft%2Facme%2Fruns%3Fbefore%3D3");
        assert_eq!(way(Method::POST, "/console/t/acme/held"), "/console/sign-in");
        assert_eq!(way(Method::GET, "/console/"), "/console/sign-in");
    }
}
