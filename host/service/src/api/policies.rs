//! Policies: what is in force, and putting it and targets there.

use std::path::PathBuf;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use consign_export::{ExportError, How, Paused, Retry};
use consign_model::access::Permission;
use consign_model::policy::PolicyVersion;
use consign_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Given, Item, Page, Paging, Text, time};
use super::once::Keyed;
use super::proposals::ProposalView;
use super::quarantine::QuarantineView;
use super::tags::{Cached, Expecting, IfMatch, IfNew, IfOther, tagged};
use crate::apply::{Applied, Change, ChangeKind, Manner, apply_expecting};
use crate::caller::Here;
use crate::expected::of_policy;
use crate::problem::Problem;
use crate::runner::Answer;
use crate::schedule::Schedule;

/// A policy as it is in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyView {
    /// Its name.
    #[schema(example = "fx-desk")]
    name: String,
    /// Its version, counted from 1.
    version: u32,
    /// The target's name.
    target: String,
    /// Whether it runs by its schedule.
    enabled: bool,
    /// When it is due next; unset: by hand only, or never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_due: Option<String>,
    /// Whether a run was asked for that has not begun.
    asked: bool,
    /// When this version was put into force.
    applied_at: String,
    /// As it was written, with all that was left out.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
    /// Its modules: criteria, then the grouping.
    modules: Vec<UsedModule>,
}

/// A module of a policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsedModule {
    /// `name@version`.
    #[schema(example = "std/keywords@0.1.0")]
    name: String,
    /// SHA-256 of the component.
    digest: String,
    /// What it reads.
    needs: Vec<&'static str>,
}

fn policy_view(here: &Here, policy: &PolicyVersion) -> PolicyView {
    let next =
        |policy: &PolicyVersion| Schedule::parse(policy.spec.schedule.as_ref().filter(|_| policy.spec.enabled)?).ok()?.next_after(Timestamp::now());
    PolicyView {
        name: policy.spec.name.to_string(),
        version: policy.version,
        target: policy.spec.target.to_string(),
        enabled: policy.spec.enabled,
        next_due: next(policy).map(time),
        asked: here.tenant.is_asked(&policy.spec.name),
        applied_at: time(policy.applied_at),
        spec: serde_json::to_value(&policy.spec).unwrap_or_default(),
        modules: policy
            .modules()
            .map(|module| UsedModule {
                name: module.name.clone(),
                digest: module.digest.to_string(),
                needs: module.needs.iter().map(|need| need.word()).collect(),
            })
            .collect(),
    }
}

/// Lists the policies.
#[utoipa::path(get, operation_id = "listPolicies", path = "/v1/tenants/{tenant}/policies", tag = "policies", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Paging),
    responses((status = 200, description = "By name", body = Page<PolicyView>)))]
pub async fn list(here: Here, Asked(paging): Asked<Paging>) -> Result<Json<Page<PolicyView>>, Problem> {
    let all = here.tenant.exporter().store.policies(here.tenant.name()).await?;
    Page::of_all(all, &paging, |policy| policy.spec.name.to_string(), |policy| policy_view(&here, &policy))
}

pub async fn policy(here: &Here, name: &str) -> Result<PolicyVersion, Problem> {
    let none = || Problem::no_such("no-such-policy", format!("there is no policy '{}'", name.escape_debug()));
    let name: Name = name.parse().map_err(|_| none())?;
    here.tenant.exporter().store.policy(here.tenant.name(), &name, None).await?.ok_or_else(none)
}

/// Shows a policy.
#[utoipa::path(get, operation_id = "showPolicy", path = "/v1/tenants/{tenant}/policies/{policy}", tag = "policies", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy"), IfOther),
    responses((status = 200, description = "As it is in force", body = PolicyView)))]
pub async fn show(here: Here, Item(name): Item, cached: Cached) -> Result<Response, Problem> {
    let policy = policy(&here, &name).await?;
    tagged(&cached, &of_policy(&policy), &policy_view(&here, &policy))
}

/// How to apply.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Applying {
    /// Only say what would change.
    #[serde(default)]
    check: bool,
}

/// What became of one target or policy, or would become of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeView {
    /// `target` or `policy`.
    kind: &'static str,
    /// Its name.
    name: String,
    /// `new`, `changed` or `same`.
    change: &'static str,
    /// The fields that are others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
    /// Its version then.
    version: u32,
    /// A policy's modules, and what each of them may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modules: Vec<ModuleReads>,
    /// When a policy runs next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_due: Option<String>,
    /// What to think about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// What a module of a policy may read.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModuleReads {
    /// `name@version`.
    #[schema(example = "std/keywords@0.1.0")]
    name: String,
    /// What it may read.
    needs: Vec<&'static str>,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let (word, fields) = match change.change {
            ChangeKind::New => ("new", Vec::new()),
            ChangeKind::Changed(fields) => ("changed", fields),
            ChangeKind::Same => ("same", Vec::new()),
        };
        Self {
            kind: change.kind,
            name: change.name.to_string(),
            change: word,
            fields,
            version: change.version,
            modules: change
                .modules
                .into_iter()
                .map(|(name, needs)| ModuleReads { name, needs: needs.iter().map(|need| need.word()).collect() })
                .collect(),
            next_due: change.next_due.map(time),
            warnings: change.warnings,
        }
    }
}

/// Checks targets and policies, and puts them into force: all of them or none.
///
/// The body is what `consign apply` reads. A target may name no file, variable or command of the server, and only who may write targets changes one. With If-Match each
/// target and policy that it changes has to be what one of the tags says; with If-None-Match: * all of them have to be new.
///
/// Where the tenant asks for two people (`two-people`), a new or changed target, or a policy that lets a module see into messages, is not done but kept as a proposal, with all that came
/// with it.
#[utoipa::path(post, operation_id = "apply", path = "/v1/tenants/{tenant}/apply", tag = "policies", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), Applying, IfMatch, IfNew, Keyed), request_body(content = String, content_type = "application/toml", description = "TOML"),
    responses(
        (status = 200, description = "What changed", body = [ChangeView]),
        (status = 202, description = "Nothing has changed yet: it takes two people, and waits for the second", body = ProposalView),
        (status = 409, description = "Somebody else has changed it at the same moment", body = Problem),
        (status = 422, description = "Nothing was applied", body = Problem),
    ))]
pub async fn apply(here: Here, Asked(how): Asked<Applying>, Expecting(expected): Expecting, Text(text): Text) -> Result<Response, Problem> {
    let manner = Manner { targets: here.caller.may(Permission::WriteTargets), this_machine: false, only_check: how.check };
    match apply_expecting(&here.exporter(), [(PathBuf::from("the body"), Ok(text))], manner, &expected).await? {
        Applied::Done(changes) => {
            here.tenant.changed();
            Ok(Json(changes.into_iter().map(ChangeView::from).collect::<Vec<_>>()).into_response())
        }
        Applied::Proposed(proposal) => Ok((StatusCode::ACCEPTED, Json(ProposalView::from(*proposal))).into_response()),
    }
}

/// That a run was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskedRun {
    /// The policy.
    policy: String,
    /// Where its runs are listed.
    runs: String,
    /// By which to ask what became of it.
    #[schema(example = "asked-19b1c3d2e4f-12")]
    asked: String,
}

/// What became of a run that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerView {
    /// The policy.
    policy: String,
    /// `waiting`, `running`, `ended`, `failed`, or `given-up`: newer ones took its place, or the server stops.
    state: &'static str,
    /// The run that was made, of one that has ended; unset where an interrupted one left nothing to do, or the policy is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// A run that had been interrupted, and was taken up and ended first.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<String>,
    /// That the policy does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<PausedView>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// That a policy does not run, since a module of it is quarantined.
#[derive(Debug, Serialize, ToSchema)]
pub struct PausedView {
    /// Its quarantined modules.
    quarantined: Vec<QuarantineView>,
    /// Why no earlier version runs instead, where the policy asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_earlier: Option<String>,
    /// What, why, and the way out, for a person.
    text: String,
}

impl From<&Paused> for PausedView {
    fn from(paused: &Paused) -> Self {
        let quarantined = paused.quarantined.iter().cloned().map(QuarantineView::from).collect();
        Self { quarantined, no_earlier: paused.no_earlier.clone(), text: paused.text() }
    }
}

/// Says what became of a run that was asked for. The newest thousand of a tenant are known, until the server is started anew; every run stands in the list of runs.
#[utoipa::path(get, operation_id = "showAsked", path = "/v1/tenants/{tenant}/asked/{asked}", tag = "runs", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("asked" = String, Path, description = "As it was said when it was asked for")),
    responses((status = 200, description = "As it stands", body = AnswerView)))]
pub async fn answer(here: Here, Item(id): Item) -> Result<Json<AnswerView>, Problem> {
    let none = || Problem::no_such("no-such-asked", "nothing was asked for by this id since the server was started");
    let (policy, answer) = here.tenant.answer(&id).ok_or_else(|| none().hint("see the list of runs"))?;
    let view = |state| AnswerView { policy: policy.to_string(), state, run: None, resumed: None, paused: None, problem: None };
    Ok(Json(match answer {
        Answer::Waiting => view("waiting"),
        Answer::Running => view("running"),
        Answer::GivenUp => view("given-up"),
        Answer::Failed(problem) => AnswerView { problem: Some(problem), ..view("failed") },
        Answer::Ended(report) => AnswerView {
            run: report.run.as_ref().map(|summary| summary.run.to_string()),
            resumed: report.resumed.as_ref().map(|summary| summary.run.to_string()),
            paused: report.paused.as_ref().map(PausedView::from),
            ..view("ended")
        },
    }))
}

/// Asks for a run of a policy, whatever its schedule says. It begins as soon as there is room for it.
#[utoipa::path(post, operation_id = "runPolicy", path = "/v1/tenants/{tenant}/policies/{policy}/runs", tag = "policies", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy"), Keyed),
    responses((status = 202, description = "Asked for", body = AskedRun)))]
pub async fn run(here: Here, Item(name): Item) -> Result<(StatusCode, Json<AskedRun>), Problem> {
    let policy = policy(&here, &name).await?;
    Ok(ask(&here, &policy.spec.name, Retry::Waiting))
}

fn ask(here: &Here, policy: &Name, retry: Retry) -> (StatusCode, Json<AskedRun>) {
    let asked = here.tenant.ask(policy, retry, here.caller.actor());
    let runs = format!("/v1/tenants/{}/runs?policy={policy}", here.tenant.name());
    (StatusCode::ACCEPTED, Json(AskedRun { policy: policy.to_string(), runs, asked }))
}

/// Which held windows are tried again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// Their ids, as the list of what is held has them.
    #[schema(min_items = 1, max_items = 10000)]
    windows: Vec<String>,
    /// How.
    #[serde(default)]
    how: AgainHow,
}

/// How held windows are tried again.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgainHow {
    /// As they were frozen.
    #[default]
    AsFrozen,
    /// Evaluated and composed anew under today's policy and target, where nobody can have got anything of them yet.
    Current,
    /// As they are composed now, also where the target may have e-mails of other bytes.
    SendChanged,
}

/// Asks for held windows of a policy to be tried again.
#[utoipa::path(post, operation_id = "retryHeld", path = "/v1/tenants/{tenant}/policies/{policy}/held/retry", tag = "runs", security(("token" = ["write-policies"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy"), Keyed), request_body = Again,
    responses((status = 202, description = "Asked for", body = AskedRun)))]
pub async fn retry(here: Here, Item(name): Item, Given(again): Given<Again>) -> Result<(StatusCode, Json<AskedRun>), Problem> {
    let policy = policy(&here, &name).await?;
    if again.windows.is_empty() || again.windows.len() > 10_000 {
        return Err(Problem::invalid("windows: 1 to 10000 ids"));
    }
    let how = match again.how {
        AgainHow::AsFrozen => How::AsFrozen,
        AgainHow::Current => How::Current,
        AgainHow::SendChanged => How::SendChanged,
    };
    Ok(ask(&here, &policy.spec.name, Retry::These { ids: again.windows, how }))
}

/// Answers what a policy's name in a query means.
pub async fn named(here: &Here, policy: Option<&str>) -> Result<Option<Name>, Problem> {
    let Some(name) = policy else { return Ok(None) };
    let none = || Problem::no_such("no-such-policy", format!("there is no policy '{}'", name.escape_debug()));
    let name: Name = name.parse().map_err(|_| none())?;
    let known = here.tenant.exporter().store.policy(here.tenant.name(), &name, None).await?;
    known.map(|_| Some(name.clone())).ok_or_else(|| ExportError::NoPolicy(name).into())
}
