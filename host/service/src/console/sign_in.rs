//! Signing in, with a token, and out; and what is the same however somebody signs in.
//!
//! The token goes once from the form to here; what the browser keeps is the text of a session, which ends by itself and with the token.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use consign_model::access::{Session, SignedInBy, TokenSecret};
use consign_model::{TenantId, Timestamp};
use consign_store::StoreError;
use maud::{Markup, html};
use zeroize::Zeroizing;

use super::form::{Fields, Query};
use super::gate::{COOKIE_NAME, SignedIn, who};
use super::page::{Trouble, plain_page, problem, to_mend};
use super::{ROOT, by_issuer};
use crate::api::new_secret;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// How long a session lasts, in milliseconds: a working day.
pub const LONGEST: i64 = 10 * 3_600_000;

/// The form.
pub async fn show(State(tenants): State<Arc<Tenants>>, Query(asked): Query, headers: HeaderMap) -> Result<Response, Trouble> {
    if who(&tenants, &headers).await?.is_some() {
        return Ok(Redirect::to(&back(asked.get("back"))).into_response());
    }
    // Who comes back from signing in without a session has a browser that did not keep it.
    let not_kept = asked.get("kept").map(|_| {
        Problem::invalid("your browser has not kept the session")
            .hint("the console needs https, unless it is opened on the machine itself: put it behind a proxy that has a certificate")
    });
    Ok(page(&tenants, asked.get("back"), not_kept.as_ref()).into_response())
}

fn page(tenants: &Tenants, back: Option<&str>, wrong: Option<&Problem>) -> Markup {
    let body = html! {
        @if let Some(wrong) = wrong { (problem(wrong)) }
        (by_issuer::ways(tenants, back))
        form.stacked method="post" action={ (ROOT) "/sign-in" } {
            @if let Some(back) = back { input type="hidden" name="back" value=(back); }
            label for="token" { "Your token" }
            input #token type="password" name="token" required autofocus autocomplete="current-password" aria-describedby="about-token";
            p.hint id="about-token" { "It begins with " code { "consign_" } ". Your administrator makes one under Access; the first of an installation comes from " code { "consign token create" } "." }
            button { "Sign in" }
        }
    };
    plain_page("Sign in", None, &body)
}

/// Signs in.
pub async fn sign_in(State(tenants): State<Arc<Tenants>>, form: Fields) -> Result<Response, Trouble> {
    let shown = Zeroizing::new(form.get("token").unwrap_or_default().to_owned());
    let known = match TokenSecret::parse(&shown) {
        Some(secret) => tenants.store().token_of(&secret.hash()).await?,
        None => None,
    };
    let Some(caller) = known.and_then(|(home, token)| Caller::with(token, home)).filter(Caller::shows_a_token) else {
        let wrong = tenants.attempts.failed("this token is none of ours, has been revoked or is over");
        return Ok(to_mend(wrong.status(), page(&tenants, form.get("back"), Some(&wrong))));
    };
    let until = caller.ends_at().map_or(LONGEST, |end| LONGEST.min(end.0.saturating_sub(Timestamp::now().0)));
    let by = SignedInBy::Token(caller.id().parse().map_err(|_| Problem::internal(&"a token's id is no name"))?);
    let cookie = begin(&tenants, &caller, by, until).await?;
    Ok(kept(cookie, form.get("back")))
}

/// Why no session was begun.
pub enum NotBegun {
    /// The store, or a link that is used up.
    Store(StoreError),
    /// Anything else.
    Other(Problem),
}

impl From<StoreError> for NotBegun {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Problem> for NotBegun {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<NotBegun> for Problem {
    fn from(why: NotBegun) -> Self {
        match why {
            NotBegun::Store(error) => error.into(),
            NotBegun::Other(problem) => problem,
        }
    }
}

/// Begins a session of so many milliseconds, and answers the cookie that stands for it.
pub async fn begin(tenants: &Tenants, caller: &Caller, by: SignedInBy, lasts: i64) -> Result<String, NotBegun> {
    let (secret, now) = (new_secret().map_err(|error| Problem::internal(&error))?, Timestamp::now());
    let session = Session { hash: secret.hash(), by, begun_at: now, ends_at: Timestamp(now.0.saturating_add(lasts)) };
    tenants.store().begin_session(&caller.home, &session, &caller.author(tenants).await?).await?;
    Ok(cookie(&format!("{}:{}", caller.home, secret.reveal()), lasts / 1_000))
}

/// Has the browser keep the session, and looks whether it has; then to a page of this console.
pub fn kept(cookie: String, to: Option<&str>) -> Response {
    let to = back(to);
    let way = format!("{ROOT}/sign-in?kept=1&back={}", form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>());
    ([(SET_COOKIE, cookie)], Redirect::to(&way)).into_response()
}

/// Signs out: the session is over, whoever has kept its text.
pub async fn sign_out(State(tenants): State<Arc<Tenants>>, Extension(signed_in): Extension<SignedIn>) -> Result<Response, Trouble> {
    let SignedIn { caller, session } = signed_in;
    tenants.store().end_session(&caller.home, &session.hash, &caller.author(&tenants).await?).await?;
    Ok(([(SET_COOKIE, cookie("", 0))], Redirect::to(&format!("{ROOT}/sign-in"))).into_response())
}

fn cookie(value: &str, seconds: i64) -> String {
    format!("{COOKIE_NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

/// A page of this console, whatever somebody has put into a link.
fn back(to: Option<&str>) -> String {
    let is_ours = |to: &&str| to.starts_with(&format!("{ROOT}/")) && !to.contains(['\\', '\r', '\n']) && !to.contains("//");
    to.filter(is_ours).map_or_else(|| format!("{ROOT}/"), str::to_owned)
}

/// The way to somebody's first page: their tenant's, or the list of all.
pub fn first_page(caller: &Caller) -> String {
    let home: &TenantId = &caller.home;
    if caller.role().is_of_the_platform() { format!("{ROOT}/tenants") } else { format!("{ROOT}/t/{home}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        assert_eq!(back(Some("/console/t/acme/runs?before=3")), "/console/t/acme/runs?before=3");
        for other in [
            "https://evil.example/console/",
            "//evil.example/console/",
            "/consoles",
            "/console//evil.example",
            "/console/\\evil",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(back(Some(other)), "/console/", "{other}");
        }
    }
}
