//! Targets: what is in force, and whether they take e-mails.

use axum::Json;
use axum::response::Response;
use consign_export::ExportError;
use consign_mail::smtp::Checked;
use consign_model::target::TargetVersion;
use consign_model::{Name, RecipientOutcome};
use serde::Serialize;
use utoipa::ToSchema;

use super::given::{Asked, Item, Page, Paging, time};
use super::once::Keyed;
use super::tags::{Cached, IfOther, tagged};
use crate::caller::Here;
use crate::expected::of_target;
use crate::problem::Problem;

/// A target as it is in force. Where its password is read is shown, the password never is.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetView {
    /// Its name.
    name: String,
    /// Its version, counted from 1.
    version: u32,
    /// When this version was put into force.
    applied_at: String,
    /// As it was written, with all that was left out.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
}

/// Lists the targets.
#[utoipa::path(get, operation_id = "listTargets", path = "/v1/tenants/{tenant}/targets", tag = "targets", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By name", body = Page<TargetView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<TargetView>>, Problem> {
    let all = here.tenant.exporter().store.targets(here.tenant.name()).await?;
    Page::of_all(all, &paging, |target| target.spec.name.to_string(), |target| view(&target))
}

fn view(target: &TargetVersion) -> TargetView {
    TargetView {
        name: target.spec.name.to_string(),
        version: target.version,
        applied_at: time(target.applied_at),
        spec: serde_json::to_value(&target.spec).unwrap_or_default(),
    }
}

/// Shows a target.
#[utoipa::path(get, operation_id = "showTarget", path = "/v1/tenants/{tenant}/targets/{target}", tag = "targets", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("target" = String, Path, description = "The target"), IfOther),
    responses((status = 200, description = "As it is in force", body = TargetView)))]
pub async fn show(here: Here, Item(name): Item, cached: Cached) -> Result<Response, Problem> {
    let name = named(&name)?;
    let target = here.tenant.exporter().store.target(here.tenant.name(), &name, None).await?;
    let target = target.ok_or(ExportError::NoSuchTarget(name))?;
    tagged(&cached, &of_target(&target), &view(&target))
}

/// How a target answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckedTarget {
    /// Whether an e-mail could be sent to it now.
    answers: bool,
    /// Why not, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Its greeting.
    #[serde(skip_serializing_if = "Option::is_none")]
    greeting: Option<String>,
    /// Protocol version and cipher suite; unset without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<String>,
    /// How it was signed in; unset without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_in: Option<&'static str>,
    /// The largest e-mail that it takes, in bytes; unset where it says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_size: Option<u64>,
}

impl From<Result<Checked, String>> for CheckedTarget {
    fn from(checked: Result<Checked, String>) -> Self {
        match checked {
            Err(problem) => Self { answers: false, problem: Some(problem), greeting: None, tls: None, signed_in: None, max_size: None },
            Ok(Checked { greeting, tls, signed_in, max_size, .. }) => {
                Self { answers: true, problem: None, greeting: Some(format!("{} {}", greeting.code, greeting.text)), tls, signed_in, max_size }
            }
        }
    }
}

/// A target's name, where it is one.
fn named(name: &str) -> Result<Name, Problem> {
    name.parse().map_err(|_| Problem::no_such("no-such-target", format!("there is no target '{}'", name.escape_debug())))
}

/// Connects to a target as for an e-mail, secures the connection and signs in. Sends nothing.
#[utoipa::path(post, operation_id = "checkTarget", path = "/v1/tenants/{tenant}/targets/{target}/check", tag = "targets", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), ("target" = String, Path, description = "The target")),
    responses((status = 200, description = "How it answers", body = CheckedTarget), (status = 422, description = "It can't be used as it is written", body = Problem)))]
pub async fn check(here: Here, Item(name): Item) -> Result<Json<CheckedTarget>, Problem> {
    Ok(Json(here.tenant.exporter().check_target(&named(&name)?).await?.into()))
}

/// What became of an e-mail for a recipient.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutcomeView {
    /// The envelope's address.
    recipient: String,
    /// `accepted`, `rejected`, `deferred`, `not_sent` or `unknown`.
    outcome: &'static str,
    /// The same with the server's words, for a person.
    text: String,
}

impl From<RecipientOutcome> for OutcomeView {
    fn from(one: RecipientOutcome) -> Self {
        Self { outcome: one.outcome.word(), text: one.outcome.text(), recipient: one.recipient }
    }
}

/// Sends a test e-mail. It has nothing of anybody's messages, and the header X-Consign-Test.
#[utoipa::path(post, operation_id = "sendTestEmail", path = "/v1/tenants/{tenant}/targets/{target}/test", tag = "targets", security(("token" = ["write-targets"])),
    params(("tenant" = String, Path, description = "The tenant"), ("target" = String, Path, description = "The target"), Keyed),
    responses((status = 200, description = "What became of it, for each recipient", body = [OutcomeView]), (status = 422, description = "The target can't be used as it is written", body = Problem)))]
pub async fn test(here: Here, Item(name): Item) -> Result<Json<Vec<OutcomeView>>, Problem> {
    let sent = here.tenant.exporter().send_test(&named(&name)?).await?;
    Ok(Json(sent.into_iter().map(OutcomeView::from).collect()))
}
