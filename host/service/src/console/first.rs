//! Coming in by a link that is good once, for who has no token yet.
//!
//! The link's code stands after the `#`, so opening the link tells it to nobody: neither who follows links in e-mails to look at them, nor a proxy that writes down addresses, has it or uses
//! it up. It is sent by the button of the page, in a form's body.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use consign_model::access::{SignedInBy, TokenKind, TokenSecret};
use consign_store::StoreError;
use maud::{Markup, html};
use zeroize::Zeroizing;

use super::form::Fields;
use super::page::{Trouble, plain_page, problem, to_mend};
use super::{ROOT, assets, sign_in};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// The page with the button. It is the same for everybody.
pub async fn show() -> Response {
    page(None).into_response()
}

fn page(wrong: Option<&Problem>) -> Markup {
    let body = html! {
        @if let Some(wrong) = wrong { (problem(wrong)) }
        p { "With this link you sign in once. Press the button only if somebody whom you know has given it to you." }
        form.stacked method="post" action={ (ROOT) "/first" } {
            label for="code" { "The link's code" }
            input #code.secret name="code" type="password" required autocomplete="off" aria-describedby="about-code";
            p.hint id="about-code" { "It is what stands after the # of the link, and is filled in where scripts are allowed." }
            button { "Sign in, and use up the link" }
        }
        script src=(assets::first()) defer {}
    };
    plain_page("Sign in by a link", None, &body)
}

/// Uses it up.
pub async fn sign_in(State(tenants): State<Arc<Tenants>>, form: Fields) -> Result<Response, Trouble> {
    let shown = Zeroizing::new(form.get("code").unwrap_or_default().to_owned());
    let shown = shown.trim_start_matches('#');
    let refused = || {
        let wrong =
            tenants.attempts.failed("this link is none of ours, has been used or revoked, or is over").hint("ask whoever gave it to you for another");
        to_mend(wrong.status(), page(Some(&wrong)))
    };
    let known = match TokenSecret::parse_link(shown) {
        Some(secret) => tenants.store().token_of(&secret.hash()).await?,
        None => None,
    };
    let unused = known.filter(|(_, token)| token.kind == TokenKind::Link { used_at: None });
    let Some((token, caller)) = unused.and_then(|(home, token)| Some((token.id.clone(), Caller::with(token, home)?))) else { return Ok(refused()) };
    match sign_in::begin(&tenants, &caller, SignedInBy::Token(token), sign_in::LONGEST).await {
        Ok(cookie) => Ok(sign_in::kept(cookie, None)),
        // Somebody else has used it at the same moment.
        Err(sign_in::NotBegun::Store(StoreError::Conflict { .. })) => Ok(refused()),
        Err(error) => Err(Problem::from(error).into()),
    }
}
