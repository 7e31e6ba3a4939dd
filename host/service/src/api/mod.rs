//! The HTTP API: what the command line does, for whoever shows a token.
//!
//! ```text
//! request ─▶ guard (who, which tenant, may they) ─▶ operation (a function for each) ─▶ answer or problem
//! ```
//! Each operation says in its own description which permission it takes, and the guard asks for that and nothing else ([`guard`]). What a client reads stands in types of this
//! room and not of the model, so that the model can change and the API stay.

mod audit;
mod backups;
mod bill;
mod coverage;
mod emails;
mod explain;
mod given;
mod guard;
mod held;
mod identities;
mod keeping;
mod keys;
mod links;
mod me;
mod modules;
mod once;
mod policies;
mod progress;
mod proposals;
mod quarantine;
mod quotas;
mod reader;
mod removed;
mod runs;
mod secrets;
mod shadows;
mod sources;
mod tags;
mod targets;
mod tenants;

use std::sync::Arc;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::coverage::{account_of, said as gap};
pub use self::emails::no_such as no_such_email;
pub use self::given::{BODY, Item, bytes, name};
pub use self::guard::Unguarded;
use self::guard::{Guard, SCHEME};
pub use self::keys::put as put_module_key;
pub use self::links::link;
pub use self::modules::{LARGEST, UPLOADS};
use self::once::{KEY, Once};
pub use self::runs::manifest;
pub use self::tenants::{NoRandomness, new_link, new_secret, new_token, random};
use crate::problem::{self, Problem};
use crate::tenants::Tenants;

/// The document's head.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Consign",
        description = "Exports recorded chats to e-mail archives, by policy. Every operation shows a token (Authorization: Bearer …); which permission it takes stands in its security. \
                   Errors are problems as RFC 9457 has them, with a code that stays. Lists come by page: next of one is after of the next. Times are RFC 3339, in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem, progress::ProgressView))
)]
struct Head;

fn operations() -> OpenApiRouter<Arc<Tenants>> {
    OpenApiRouter::with_openapi(<Head as utoipa::OpenApi>::openapi())
        .routes(routes!(me::show))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::list_tokens, tenants::create_token))
        .routes(routes!(backups::make))
        .routes(routes!(bill::all))
        .routes(routes!(bill::show))
        .routes(routes!(links::create))
        .routes(routes!(tenants::show_token, tenants::revoke_token))
        .routes(routes!(policies::list))
        .routes(routes!(policies::show))
        .routes(routes!(policies::apply))
        .routes(routes!(policies::run))
        .routes(routes!(policies::retry))
        .routes(routes!(policies::answer))
        .routes(routes!(targets::list))
        .routes(routes!(targets::show))
        .routes(routes!(targets::check))
        .routes(routes!(targets::test))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::show, secrets::keep, secrets::forget))
        .routes(routes!(sources::list))
        .routes(routes!(sources::events))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::manifest))
        .routes(routes!(runs::logs))
        .routes(routes!(held::list))
        .routes(routes!(keeping::show))
        .routes(routes!(keeping::set_rules))
        .routes(routes!(keeping::retain))
        .routes(routes!(keeping::place))
        .routes(routes!(keeping::lift))
        .routes(routes!(keeping::erase))
        .routes(routes!(explain::explain))
        .routes(routes!(audit::audit))
        .routes(routes!(audit::export))
        .routes(routes!(quarantine::list))
        .routes(routes!(quotas::show, quotas::set))
        .routes(routes!(quarantine::release))
        .routes(routes!(modules::list, modules::upload))
        .routes(routes!(proposals::list))
        .routes(routes!(removed::remove))
        .routes(routes!(removed::list))
        .routes(routes!(proposals::show))
        .routes(routes!(proposals::approve))
        .routes(routes!(proposals::reject))
        .routes(routes!(proposals::two_people, proposals::set_two_people))
        .routes(routes!(modules::show))
        .routes(routes!(progress::watch))
        .routes(routes!(coverage::show))
        .routes(routes!(coverage::of_source))
        .routes(routes!(emails::explain))
        .routes(routes!(identities::show, identities::apply))
        .routes(routes!(identities::list))
        .routes(routes!(shadows::list))
        .routes(routes!(shadows::promote))
        .routes(routes!(keys::show))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::list))
        .routes(routes!(keys::show_module_key, keys::add, keys::remove))
}

/// The document that describes all operations.
pub fn document() -> OpenApi {
    finished(operations().into_openapi())
}

/// Adds what is true of many operations, so that none of them has to say it: the token, and the problems that come of what stands before it.
fn finished(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    for (path, item) in &mut document.paths.paths {
        if let Some(operation) = &mut item.get {
            not_modified(operation);
        }
        let named = path.matches('{').count();
        if let Some(operation) = item.post.as_mut().filter(|operation| takes_header(operation, KEY)) {
            made_once(operation);
        }
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().filter_map(Option::as_mut) {
            let takes_query = operation.parameters.iter().flatten().any(|one| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Query));
            let takes_body = operation.request_body.is_some();
            let expects = takes_header(operation, "If-Match")
                || (takes_header(operation, "If-None-Match") && !operation.responses.responses.contains_key("304"));
            let usual = [
                (
                    takes_query
                        || takes_body
                        || takes_header(operation, KEY)
                        || path.contains("{source}")
                        || path.contains("{secret}")
                        || path.contains("{key}"),
                    "400",
                    "What was sent is not right",
                ),
                (true, "401", "There is no token, or it is worth nothing"),
                (true, "403", "The role does not permit it"),
                (named > 0, "404", "There is no such thing, or it is another tenant's"),
                (expects, "412", "It is another by now than If-Match or If-None-Match says: nothing was changed"),
                (takes_body, "413", "The body is too large"),
                (
                    true,
                    "429",
                    "Too many worthless tokens were shown, or the tenant has had its requests of this minute: come again after Retry-After",
                ),
            ];
            let responses = &mut operation.responses.responses;
            for (_, status, description) in usual.into_iter().filter(|(is_so, ..)| *is_so) {
                responses.entry(status.to_owned()).or_insert_with(|| {
                    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                    ResponseBuilder::new().description(description).content("application/json", problem).into()
                });
            }
            for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
                if let RefOr::T(response) = response {
                    response.content =
                        std::mem::take(&mut response.content).into_values().map(|content| (problem::MEDIA.to_owned(), content)).collect();
                }
            }
        }
    }
    document
}

fn takes_header(operation: &Operation, name: &str) -> bool {
    let is_it = |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Header && one.name == name);
    operation.parameters.iter().flatten().any(is_it)
}

/// Says of what takes a key what comes of that.
fn made_once(operation: &mut Operation) {
    let mut replayed = Header::default();
    replayed.description = Some("`true` where it is what was answered to the same request before".to_owned());
    let responses = &mut operation.responses.responses;
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        if let RefOr::T(response) = response {
            response.headers.insert("Idempotency-Replayed".to_owned(), replayed.clone().into());
        }
    }
    for (status, description) in
        [("409", "The same request is under way by this key, or what came of it is not known"), ("422", "The key was given to another request")]
    {
        if let Some(RefOr::T(response)) = responses.get_mut(status) {
            response.description = format!("{}; or: {description}", response.description);
        } else {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            responses.insert(status.to_owned(), ResponseBuilder::new().description(description).content("application/json", problem).into());
        }
    }
}

/// Says of what shows one thing that it comes with a tag, and may be what the client has.
fn not_modified(operation: &mut Operation) {
    if !takes_header(operation, "If-None-Match") {
        return;
    }
    let tag = || {
        let mut header = Header::default();
        header.description = Some("What it is at, and a hash of what is shown".to_owned());
        header
    };
    let responses = &mut operation.responses.responses;
    if let Some(RefOr::T(shown)) = responses.get_mut("200") {
        shown.headers.insert("ETag".to_owned(), tag().into());
    }
    let same = ResponseBuilder::new().description("It is what the client has").header("ETag", tag());
    responses.insert("304".to_owned(), same.into());
}

/// All operations over these tenants, behind the guard; with the document, and what a machine asks to see that all is well.
pub fn router(tenants: Arc<Tenants>) -> Result<Router, Unguarded> {
    let (router, document) = operations().split_for_parts();
    let document = finished(document);
    let guard = Arc::new(Guard::new(&document, Arc::clone(&tenants))?);
    let once = Arc::new(Once::new(&document, Arc::clone(&tenants)));
    let page = reader::page(&document);
    let (shown, asked) = (Arc::new(document), Arc::clone(&tenants));
    let router = router
        .method_not_allowed_fallback(async || Problem::no_such_method())
        .route_layer(from_fn_with_state(once, once::once))
        .route_layer(from_fn_with_state(guard, guard::guard))
        .with_state(tenants)
        .route("/openapi.json", get(move || async move { Json(shown.as_ref().clone()).into_response() }))
        .route("/docs", get(move || async move { ([(CONTENT_SECURITY_POLICY, reader::POLICY)], Html(page.clone())) }))
        .route("/docs.css", get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], reader::STYLE)))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(move || async move { asked.is_not_ready().map_or(Ok("ready\n"), |why| Err(Problem::not_ready(why))) }));
    Ok(router)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Others' programs are written by it, so a change here is one of theirs.
    #[test]
    fn the_document_is_as_it_is_kept() {
        let now = format!("{}\n", document().to_pretty_json().unwrap());
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var("CONSIGN_OPENAPI").is_ok_and(|what| what == "keep") {
            std::fs::write(file, &now).unwrap();
        }
        let kept = std::fs::read_to_string(file).unwrap_or_default();
        let differs = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
        assert!(now == kept, "CONSIGN_OPENAPI=keep keeps it as it is now; the first difference: {differs:?}");
    }

    #[test]
    fn every_operation_says_what_it_takes() {
        let document = serde_json::to_value(document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let about = format!("{method} {path}");
                // By which programs call it.
                assert!(ids.insert(operation["operationId"].to_string()), "{about}: {}", operation["operationId"]);
                // What is of a tenant takes a permission, and never just any token.
                let taken = operation["security"][0][SCHEME].as_array().unwrap();
                assert_eq!(taken.len(), usize::from(path != "/v1/me"), "{about}");
                assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{about} has no summary");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(response["description"].as_str().is_some_and(|said| !said.is_empty()), "{about}, {status}");
                }
            }
        }
        assert!(paths.len() > 10);
    }
}
