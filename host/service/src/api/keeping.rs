//! How long events are kept: rules, legal holds, erasure.

use axum::Json;
use axum::http::StatusCode;
use consign_life::Retained;
use consign_model::audit::Certificate;
use consign_model::keeping::{CountedFrom, Hold, Rule};
use consign_model::{Keeping, Name, Span, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given::{Given, Item, name, time};
use super::once::Keyed;
use crate::caller::Here;
use crate::problem::Problem;

/// From when on an event's time runs.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CountsFrom {
    /// From when it happened.
    #[default]
    Event,
    /// From when the last policy was done with it.
    Export,
}

/// How long events are kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleView {
    /// Of this source; unset: of all that have no rule of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// For how long.
    #[schema(example = "7years")]
    keep: String,
    /// Counted from when.
    #[serde(default)]
    counted_from: CountsFrom,
}

/// A legal hold: what it covers is neither deleted by a rule nor erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldView {
    /// Its name.
    name: String,
    /// Why.
    reason: String,
    /// Of this source only.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Of the chat with this id only.
    #[serde(skip_serializing_if = "Option::is_none")]
    chat: Option<String>,
    /// Of all chats in which the user with this id is known to have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Of this time on.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// When it was placed.
    placed_at: String,
}

/// Rules and holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeepingView {
    /// One more with each change.
    version: u32,
    /// The rules. Without one events are kept for ever.
    rules: Vec<RuleView>,
    /// The legal holds.
    holds: Vec<HoldView>,
}

impl From<Keeping> for KeepingView {
    fn from(keeping: Keeping) -> Self {
        let rule = |rule: Rule| RuleView {
            source: rule.source.map(|source| source.to_string()),
            keep: rule.keep.to_string(),
            counted_from: match rule.counted_from {
                CountedFrom::Event => CountsFrom::Event,
                CountedFrom::Export => CountsFrom::Export,
            },
        };
        let hold = |hold: Hold| HoldView {
            name: hold.name.to_string(),
            reason: hold.reason,
            source: hold.source.map(|source| source.to_string()),
            chat: hold.chat,
            user: hold.user,
            from: hold.from.map(time),
            until: hold.until.map(time),
            placed_at: time(hold.placed_at),
        };
        let (rules, holds) = (keeping.rules.into_iter().map(rule), keeping.holds.into_iter().map(hold));
        Self { version: keeping.version, rules: rules.collect(), holds: holds.collect() }
    }
}

/// Shows how long events are kept, and which legal holds there are.
#[utoipa::path(get, operation_id = "showKeeping", path = "/v1/tenants/{tenant}/keeping", tag = "keeping", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant")),
    responses((status = 200, description = "Rules and holds", body = KeepingView)))]
pub async fn show(here: Here) -> Result<Json<KeepingView>, Problem> {
    Ok(Json(here.exporter().store.keeping(here.tenant.name()).await?.into()))
}

/// The rules that are to hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRules {
    /// All of them: at most one for each source, and one for all others.
    #[schema(max_items = 1000)]
    rules: Vec<RuleView>,
    /// The version that they are to follow; unset: whichever is in force.
    #[serde(default)]
    follows: Option<u32>,
}

fn span(text: &str) -> Result<Span, Problem> {
    let read = serde_json::from_value(serde_json::Value::String(text.to_owned()));
    read.map_err(|_| Problem::invalid("keep: write a length of time as \"7 years\" or \"90 days\""))
}

/// Puts rules of retention in the place of those before. What is over goes within some hours, but for what a policy owes or a hold covers.
#[utoipa::path(put, operation_id = "setRetention", path = "/v1/tenants/{tenant}/keeping/rules", tag = "keeping", security(("token" = ["manage-keeping"])),
    params(("tenant" = String, Path, description = "The tenant")),
    request_body = NewRules,
    responses((status = 200, description = "Rules and holds now", body = KeepingView), (status = 409, description = "Somebody else has changed them meanwhile", body = Problem)))]
pub async fn set_rules(here: Here, Given(new): Given<NewRules>) -> Result<Json<KeepingView>, Problem> {
    let exporter = here.exporter();
    let keeping = exporter.store.keeping(&exporter.tenant).await?;
    if new.follows.is_some_and(|version| version != keeping.version) {
        return Err(Problem::conflict(format!("the rules have version {} by now", keeping.version)));
    }
    let rule = |rule: RuleView| {
        Ok::<_, Problem>(Rule {
            source: rule.source.map(|source| name("source", &source)).transpose()?,
            keep: span(&rule.keep)?,
            counted_from: match rule.counted_from {
                CountsFrom::Event => CountedFrom::Event,
                CountsFrom::Export => CountedFrom::Export,
            },
        })
    };
    let rules = new.rules.into_iter().map(rule).collect::<Result<_, _>>()?;
    let next = keeping.with_rules(rules).map_err(Problem::invalid)?;
    exporter.store.put_keeping(&exporter.tenant, &next, &exporter.author).await?;
    here.tenant.keeping_changed();
    Ok(Json(next.into()))
}

/// A hold to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    /// A name for it.
    #[schema(example = "matter-2026-7", min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    /// Why: it stands in the audit log.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// Of this source only.
    #[serde(default)]
    source: Option<String>,
    /// Of the chat with this id only.
    #[serde(default)]
    chat: Option<String>,
    /// Of all chats in which the user with this id is known to have been, whoever wrote there.
    #[serde(default)]
    user: Option<String>,
    /// Of this time on.
    #[serde(default)]
    #[schema(example = "2026-03-01T00:00:00Z")]
    from: Option<String>,
    /// Before this time.
    #[serde(default)]
    until: Option<String>,
}

impl NewHold {
    /// As it is kept.
    pub fn read(self) -> Result<Hold, Problem> {
        let at = |what: &str, text: Option<String>| {
            let read =
                text.map(|text| Timestamp::parse(&text).map_err(|_| Problem::invalid(format!("{what}: write a time as 2026-03-01T00:00:00Z"))));
            read.transpose()
        };
        Ok(Hold {
            name: name("name", &self.name)?,
            reason: reason(self.reason)?,
            source: self.source.map(|source| name("source", &source)).transpose()?,
            chat: self.chat,
            user: self.user,
            from: at("from", self.from)?,
            until: at("until", self.until)?,
            placed_at: Timestamp::now(),
        })
    }
}

fn reason(text: String) -> Result<String, Problem> {
    if text.trim().is_empty() || text.chars().count() > 1000 {
        return Err(Problem::invalid("reason: say why, in 1000 characters at most; it stands in the audit log"));
    }
    Ok(text)
}

/// Places a legal hold.
#[utoipa::path(post, operation_id = "placeHold", path = "/v1/tenants/{tenant}/holds", tag = "keeping", security(("token" = ["manage-keeping"])),
    params(("tenant" = String, Path, description = "The tenant"), Keyed),
    request_body = NewHold,
    responses((status = 201, description = "Rules and holds now", body = KeepingView), (status = 409, description = "There is one of that name", body = Problem)))]
pub async fn place(here: Here, Given(new): Given<NewHold>) -> Result<(StatusCode, Json<KeepingView>), Problem> {
    let (exporter, hold) = (here.exporter(), new.read()?);
    let keeping = exporter.store.keeping(&exporter.tenant).await?;
    if keeping.holds.iter().any(|one| one.name == hold.name) {
        return Err(Problem::conflict(format!("there is a hold '{}' already", hold.name)));
    }
    let next = keeping.with_hold(hold).map_err(Problem::invalid)?;
    exporter.store.put_keeping(&exporter.tenant, &next, &exporter.author).await?;
    Ok((StatusCode::CREATED, Json(next.into())))
}

/// Lifts a legal hold.
#[utoipa::path(delete, operation_id = "liftHold", path = "/v1/tenants/{tenant}/holds/{hold}", tag = "keeping", security(("token" = ["manage-keeping"])),
    params(("tenant" = String, Path, description = "The tenant"), ("hold" = String, Path, description = "The hold's name")),
    responses((status = 204, description = "Lifted")))]
pub async fn lift(here: Here, Item(hold): Item) -> Result<StatusCode, Problem> {
    let none = || Problem::no_such("no-such-hold", format!("there is no hold '{}'", hold.escape_debug()));
    let (exporter, hold): (_, Name) = (here.exporter(), hold.parse().map_err(|_| none())?);
    let next = exporter.store.keeping(&exporter.tenant).await?.without_hold(&hold).ok_or_else(none)?;
    exporter.store.put_keeping(&exporter.tenant, &next, &exporter.author).await?;
    here.tenant.keeping_changed();
    Ok(StatusCode::NO_CONTENT)
}

/// What is to be done about what is over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetainNow {
    /// Only count.
    dry_run: bool,
}

/// What went, or would.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetainedView {
    /// Whether it was only counted.
    dry_run: bool,
    /// Chats of sources that have a rule.
    chats: u64,
    /// Events that went, or would.
    deleted: u64,
    /// Files that went with them; none is counted where it was only counted.
    files: u64,
    /// Events that are over and stay, since a policy has not done with them.
    owed: u64,
    /// Events that are over and stay, since a legal hold covers them.
    held: u64,
    /// Events of files that can't be read, so that it is not known whether they are over: they stay.
    unreadable: u64,
}

impl From<Retained> for RetainedView {
    fn from(retained: Retained) -> Self {
        let Retained { dry_run, chats, deleted, files, unreadable, kept_back } = retained;
        Self { dry_run, chats, deleted, files, owed: kept_back.owed, held: kept_back.held, unreadable }
    }
}

/// Deletes what is over now, as the server does by itself some times a day; or only counts it.
#[utoipa::path(post, operation_id = "retain", path = "/v1/tenants/{tenant}/keeping/run", tag = "keeping", security(("token" = ["manage-keeping"])),
    params(("tenant" = String, Path, description = "The tenant")),
    request_body = RetainNow,
    responses((status = 200, description = "What went, or would", body = RetainedView), (status = 409, description = "Events are being deleted already", body = Problem)))]
pub async fn retain(here: Here, Given(asked): Given<RetainNow>) -> Result<Json<RetainedView>, Problem> {
    let retained = here.life().retain(Timestamp::now(), asked.dry_run).await?;
    if !retained.dry_run {
        // How much is stored is seen anew.
        here.tenant.keeping_changed();
    }
    Ok(Json(retained.into()))
}

/// Whose events are to be erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewErasure {
    /// The source.
    source: String,
    /// The platform's own id of the user.
    user: String,
    /// Why: it stands in the audit log.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
}

/// What was erased, or would be: what the audit log keeps as the certificate.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateView {
    /// The source.
    source: String,
    /// The platform's own id of the user.
    user: String,
    /// Why.
    reason: String,
    /// Whether it was only counted: then it is in no log.
    dry_run: bool,
    /// Chats that were looked through.
    chats: u64,
    /// Events that were erased, or would be.
    erased: u64,
    /// Events that stay, since a policy has not done with them.
    owed: u64,
    /// Events that stay, since a legal hold covers them.
    held: u64,
    /// Files that went with them.
    files: u64,
    /// Events of files that can't be read, so that it is not known whose they are: they stay.
    unreadable: u64,
}

/// Erases a user's events. What others wrote stays, and so does what a policy owes or a hold covers, which the answer counts.
#[utoipa::path(post, operation_id = "erase", path = "/v1/tenants/{tenant}/erasures", tag = "keeping", security(("token" = ["manage-keeping"])),
    params(("tenant" = String, Path, description = "The tenant"), Keyed),
    request_body = NewErasure,
    responses((status = 200, description = "What was erased, or would be", body = CertificateView), (status = 404, description = "There is no such source or user", body = Problem),
        (status = 409, description = "Events are being deleted already", body = Problem)))]
pub async fn erase(here: Here, Given(asked): Given<NewErasure>) -> Result<Json<CertificateView>, Problem> {
    let (source, why, dry_run) = (name("source", &asked.source)?, reason(asked.reason)?, asked.dry_run);
    let Certificate { source, user, reason, chats, erased, owed, held, files, unreadable } =
        here.life().erase(&source, &asked.user, &why, dry_run).await?;
    if !dry_run {
        here.tenant.keeping_changed();
    }
    Ok(Json(CertificateView { source: source.to_string(), user, reason, dry_run, chats, erased, owed, held, files, unreadable }))
}
