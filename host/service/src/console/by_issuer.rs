//! Signing in by an issuer's word: sending a browser there, and taking it back.
//!
//! What comes back is taken only in the browser that was sent: it has kept what was begun in a cookie, which is used up by the way back, whatever comes of that.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::Timestamp;
use consign_model::access::SignedInBy;
use maud::{Markup, html};
use tracing::info;

use super::form::Query;
use super::page::{Trouble, plain_page, problem};
use super::{ROOT, sign_in};
use crate::api::Item;
use crate::caller::{By, Caller};
use crate::issuers::{Fault, Issuer, Pending, same, shown};
use crate::problem::Problem;
use crate::tenants::Tenants;

/// What a browser keeps while it is at the issuer's.
const COOKIE_NAME: &str = "__Host-consign-begun";
/// Bytes of the address to come back to: it goes with the cookie.
const BACK: usize = 1_024;

/// The ways in beside a token.
pub fn ways(tenants: &Tenants, back: Option<&str>) -> Markup {
    let query = back.map(|back| format!("?back={}", form_urlencoded::byte_serialize(back.as_bytes()).collect::<String>())).unwrap_or_default();
    html! {
        @if !tenants.issuers().all().is_empty() {
            ul.plain.actions {
                @for issuer in tenants.issuers().all() { li { a.button href={ (ROOT) "/sign-in/" (issuer.name()) (query) } { "Sign in with " (issuer.title()) } } }
            }
            p { "Or with a token:" }
        }
    }
}

/// Sends the browser to the issuer.
pub async fn begin(State(tenants): State<Arc<Tenants>>, Item(name): Item, Query(asked): Query) -> Result<Response, Trouble> {
    let issuers = tenants.issuers();
    let issuer = issuers.get(&name).ok_or_else(|| no_issuer(&name))?;
    let back = asked.get("back").filter(|back| back.len() <= BACK);
    let pending = Pending::begin(&name, back).map_err(|error| Problem::internal(&error))?;
    match issuer.way_there(&pending, &issuers.way_back(issuer)).await {
        Ok(url) => Ok(([(SET_COOKIE, begun(&pending.seal(issuers.seal()), Pending::SECONDS))], Redirect::to(url.as_str())).into_response()),
        Err(fault) => Ok(refused(issuer, &fault)),
    }
}

/// Takes it back.
pub async fn end(State(tenants): State<Arc<Tenants>>, Item(name): Item, Query(asked): Query, headers: HeaderMap) -> Result<Response, Trouble> {
    let issuers = tenants.issuers();
    let issuer = issuers.get(&name).ok_or_else(|| no_issuer(&name))?;
    let pending = kept(&headers).and_then(|kept| Pending::open(kept, issuers.seal(), Timestamp::now()));
    // Only the issuer that this browser was sent to answers, and only to that.
    let pending = pending.filter(|pending| pending.issuer == name && asked.get("state").is_some_and(|state| same(state, &pending.state)));
    let Some(pending) = pending else {
        let wrong = Problem::not_signed_in("this is no answer to a sign-in that this browser has begun, or it comes too late")
            .hint("begin again; where that comes up each time, the browser keeps no cookies: the console needs https, unless it is opened on the machine itself");
        return Ok(used_up(page(&wrong)));
    };
    let done = async {
        issuer.has_answered(asked.get("iss")).await?;
        if let Some(error) = asked.get("error") {
            return Err(Fault::Wrong(format!("it says '{}'", shown(error))));
        }
        let code = asked.get("code").ok_or_else(|| Fault::Wrong("it answers with neither a code nor an error".to_owned()))?;
        issuer.exchange(code, &pending, &issuers.way_back(issuer)).await
    };
    let (person, home) = match done.await {
        Ok(found) => found,
        Err(fault) => {
            info!(issuer = %issuer.name(), "somebody was not signed in: {fault}");
            return Ok(used_up(refused(issuer, &fault)));
        }
    };
    let caller = Caller::of(By::Person(person.clone()), home);
    let Some(caller) = caller.filter(|caller| caller.role().is_of_the_platform() || tenants.get(&caller.home).is_ok()) else {
        let wrong = Problem::not_signed_in("the settings let you in to a tenant that there is not")
            .hint("whoever runs this installation has to make it, or mend the rule");
        return Ok(used_up(page(&wrong)));
    };
    let cookie = sign_in::begin(&tenants, &caller, SignedInBy::Person(person), sign_in::LONGEST).await.map_err(Problem::from)?;
    Ok(used_up(sign_in::kept(cookie, pending.back.as_deref())))
}

fn no_issuer(name: &str) -> Problem {
    Problem::no_such("no-such-issuer", format!("nobody signs in here by '{}'", shown(name)))
}

fn begun(value: &str, seconds: i64) -> String {
    format!("{COOKIE_NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

fn kept(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok()).flat_map(|cookies| cookies.split(';'));
    cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Has the browser forget what was begun.
fn used_up(mut response: Response) -> Response {
    if let Ok(gone) = HeaderValue::from_str(&begun("", 0)) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    response
}

fn refused(issuer: &Issuer, fault: &Fault) -> Response {
    let title = issuer.title();
    let wrong = match fault {
        Fault::Away(why) => Problem::not_ready(&format!("{title} can't be asked: {why}")).hint("try again in a while; a token still signs you in"),
        Fault::Wrong(why) => Problem::not_signed_in(format!("{title} has not signed you in: {why}"))
            .hint("try again; where it stays so, tell whoever runs this installation"),
        Fault::Token(_) => {
            Problem::not_signed_in(format!("{title}: {fault}")).hint("try again; where it stays so, tell whoever runs this installation")
        }
        Fault::NotLetIn => Problem::not_signed_in(format!("{title}: {fault}")).hint(if issuer.asks_for_email() {
            "whoever runs it writes such rules; where they go by e-mail, the issuer has to have checked yours"
        } else {
            "whoever runs it writes such rules"
        }),
    };
    page(&wrong)
}

fn page(wrong: &Problem) -> Response {
    let body = html! { (problem(wrong)) p { a href={ (ROOT) "/sign-in" } { "To the ways to sign in" } } };
    let status: StatusCode = wrong.status();
    (status, plain_page("Not signed in", None, &body)).into_response()
}
