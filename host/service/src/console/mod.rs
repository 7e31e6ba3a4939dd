//! The console: what a tenant's people do in a browser.
//!
//! ```text
//! request ─▶ gate (is it from here, whose session, may they) ─▶ a page (made from what there is) or an action (done, and then a page)
//! ```
//! Pages are made here and need no script: what is done is a form, and what is shown is there when the page is. The one script ([`assets`]) only spares loading a
//! whole page where something goes on while one looks. No page can be added without saying which permission it takes ([`Place`]), and no action is done that another site's
//! page asks for ([`gate`]).

mod access;
mod assets;
mod audit;
mod bill;
mod by_issuer;
mod coverage;
mod due;
mod explain;
mod first;
mod form;
mod gate;
mod held;
mod home;
mod keeping;
mod keys;
mod modules;
mod overview;
mod page;
mod plot;
mod policies;
mod policy_form;
mod preview;
mod proposals;
mod quotas;
mod runs;
mod schema_form;
mod shadows;
mod sign_in;
mod sources;
mod targets;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{MethodRouter, any, get, post};
use consign_model::access::Permission;

use self::gate::Gate;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// Where it begins.
const ROOT: &str = "/console";

/// A page or an action.
struct Place {
    #[cfg_attr(not(test), expect(dead_code, reason = "for the list of pages that is kept"))]
    method: Method,
    path: &'static str,
    /// What it takes; unset: a session.
    takes: Option<Permission>,
    answer: MethodRouter<Arc<Tenants>>,
}

/// A page that whoever has this permission sees.
fn page<H: Handler<T, Arc<Tenants>>, T: 'static>(path: &'static str, takes: Permission, page: H) -> Place {
    Place { method: Method::GET, path, takes: Some(takes), answer: get(page) }
}

/// What whoever has this permission may do there.
fn action<H: Handler<T, Arc<Tenants>>, T: 'static>(path: &'static str, takes: Permission, action: H) -> Place {
    Place { method: Method::POST, path, takes: Some(takes), answer: post(action) }
}

fn places() -> Vec<Place> {
    use Permission::{
        ListTenants, ManageAccess, ManageKeeping, ManageTenants, Read, ReadAudit, ReadEvents, WriteModules, WritePolicies, WriteTargets,
    };
    vec![
        Place { method: Method::GET, path: "/", takes: None, answer: get(home::begin) },
        Place { method: Method::POST, path: "/sign-out", takes: None, answer: post(sign_in::sign_out) },
        page("/tenants", ListTenants, home::tenants),
        action("/tenants", ManageTenants, home::create),
        page("/t/{tenant}", Read, overview::show),
        page("/t/{tenant}/bill", Read, bill::show),
        page("/t/{tenant}/bill.csv", Read, bill::file),
        page("/t/{tenant}/quotas", Read, quotas::show),
        action("/t/{tenant}/quotas", ManageTenants, quotas::set),
        page("/t/{tenant}/policies", Read, policies::list),
        page("/t/{tenant}/policies/{policy}", Read, policies::show),
        page("/t/{tenant}/policies/{policy}/preview", ReadEvents, preview::show),
        page("/t/{tenant}/form", WritePolicies, policy_form::show),
        action("/t/{tenant}/form", WritePolicies, policy_form::write),
        page("/t/{tenant}/write", WritePolicies, policies::write),
        action("/t/{tenant}/write", WritePolicies, policies::apply),
        action("/t/{tenant}/policies/{policy}/run", WritePolicies, policies::run),
        action("/t/{tenant}/policies/{policy}/enabled", WritePolicies, policies::enable),
        action("/t/{tenant}/policies/{policy}/release", WritePolicies, policies::release),
        action("/t/{tenant}/policies/{policy}/promote", WritePolicies, shadows::promote),
        page("/t/{tenant}/targets/{target}", Read, targets::show),
        action("/t/{tenant}/targets/{target}/check", WriteTargets, targets::check),
        action("/t/{tenant}/targets/{target}/test", WriteTargets, targets::test),
        page("/t/{tenant}/runs", Read, runs::list),
        page("/t/{tenant}/runs/{run}", Read, runs::show),
        page("/t/{tenant}/runs/{run}/progress", Read, runs::progress),
        page("/t/{tenant}/runs/{run}/logs", ReadEvents, runs::logs),
        page("/t/{tenant}/runs/{run}/manifest", Read, runs::manifest),
        action("/t/{tenant}/runs/{run}/verify", Read, runs::verify),
        page("/t/{tenant}/held", Read, held::list),
        action("/t/{tenant}/held", WritePolicies, held::retry),
        page("/t/{tenant}/modules", Read, modules::list),
        action("/t/{tenant}/modules", WriteModules, modules::upload),
        page("/t/{tenant}/modules/{module}", Read, modules::show),
        page("/t/{tenant}/sources", Read, sources::list),
        page("/t/{tenant}/explain", ReadEvents, explain::show),
        page("/t/{tenant}/coverage", Read, coverage::show),
        page("/t/{tenant}/keys", Read, keys::show),
        action("/t/{tenant}/keys", ManageAccess, keys::add),
        action("/t/{tenant}/keys/rotate", ManageAccess, keys::rotate),
        action("/t/{tenant}/keys/{key}/remove", ManageAccess, keys::remove),
        page("/t/{tenant}/audit", ReadAudit, audit::show),
        page("/t/{tenant}/keeping", Read, keeping::show),
        action("/t/{tenant}/keeping/rules", ManageKeeping, keeping::set_rule),
        action("/t/{tenant}/keeping/rules/unset", ManageKeeping, keeping::unset_rule),
        action("/t/{tenant}/keeping/run", ManageKeeping, keeping::count),
        action("/t/{tenant}/keeping/holds", ManageKeeping, keeping::place),
        action("/t/{tenant}/keeping/holds/{hold}/lift", ManageKeeping, keeping::lift),
        action("/t/{tenant}/keeping/erase", ManageKeeping, keeping::erase),
        page("/t/{tenant}/access", ManageAccess, access::show),
        action("/t/{tenant}/access/tokens", ManageAccess, access::make),
        action("/t/{tenant}/access/tokens/{token}/revoke", ManageAccess, access::revoke),
        page("/t/{tenant}/proposals", Read, proposals::list),
        page("/t/{tenant}/proposals/{proposal}", Read, proposals::show),
        action("/t/{tenant}/proposals/{proposal}/approve", WritePolicies, proposals::approve),
        action("/t/{tenant}/proposals/{proposal}/reject", WritePolicies, proposals::reject),
        action("/t/{tenant}/two-people", WriteTargets, proposals::require),
        page("/t/{tenant}/secrets", WriteTargets, access::secrets),
        action("/t/{tenant}/secrets", WriteTargets, access::keep),
        action("/t/{tenant}/secrets/{secret}/forget", WriteTargets, access::forget),
    ]
}

/// All pages over these tenants.
pub fn router(tenants: Arc<Tenants>) -> Router {
    let behind_the_gate = places().into_iter().fold(Router::new(), |router, place| {
        let gate = Gate { tenants: Arc::clone(&tenants), takes: place.takes };
        router.route(&format!("{ROOT}{}", place.path), place.answer.route_layer(from_fn_with_state(gate, gate::pass)))
    });
    let signing_in = get(sign_in::show).post(sign_in::sign_in).route_layer(from_fn(gate::only_from_here));
    let by_a_link = get(first::show).post(first::sign_in).route_layer(from_fn(gate::only_from_here));
    behind_the_gate
        .route(&format!("{ROOT}/sign-in"), signing_in)
        .route(&format!("{ROOT}/first"), by_a_link)
        .route(&format!("{ROOT}/sign-in/{{issuer}}"), get(by_issuer::begin))
        .route(&format!("{ROOT}/sign-in/{{issuer}}/back"), get(by_issuer::end))
        .merge(assets::router())
        .route("/", get(async || Redirect::to("/console/")))
        .route(ROOT, get(async || Redirect::to("/console/")))
        .route(&format!("{ROOT}/{{*rest}}"), any(async || page::Trouble::from(Problem::no_such_address())))
        .layer(from_fn(page::headers))
        .with_state(tenants)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// By it the tests ask for every page as everybody, so one that is new is asked for from the first day on.
    #[test]
    fn the_list_of_pages_is_as_it_is_kept() {
        let line = |place: &Place| format!("{}\t{ROOT}{}\t{}\n", place.method, place.path, place.takes.map_or("session", Permission::word));
        let now: String = places().iter().map(line).collect();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/console.tsv");
        if std::env::var("CONSIGN_CONSOLE").is_ok_and(|what| what == "keep") {
            std::fs::write(file, &now).unwrap();
        }
        assert_eq!(std::fs::read_to_string(file).unwrap_or_default(), now, "CONSIGN_CONSOLE=keep keeps it as it is now");
    }
}
