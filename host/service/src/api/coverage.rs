//! What became of everything of a period under a policy, and what of a source may be missing.

use axum::Json;
use consign_export::coverage::ChatCoverage;
use consign_export::reconcile::{Counts, Gap, Period, Reconciled};
use consign_model::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

use super::given::{Asked, Item, name, time};
use super::policies::policy;
use crate::caller::Here;
use crate::problem::Problem;

/// Accounts that are made at once: each reads all that the archive has of its period. The others wait.
pub static ACCOUNTS: Semaphore = Semaphore::const_new(2);
/// Days of a period: a year, and what is beside it. A longer one is asked for in pieces.
const MOST_DAYS: i64 = 400;
/// Chats, and gaps, that are told one by one.
const TOLD: usize = 1_000;

/// Of which period.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Between {
    /// The first instant, by the events' own times: RFC 3339, or a date.
    #[param(example = "2026-03-01")]
    from: String,
    /// The first one that does not belong to it, at most 400 days later.
    #[param(example = "2026-04-01")]
    to: String,
}

/// Events by what became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsView {
    /// All that the archive has.
    events: u64,
    /// In e-mails that were accepted for every recipient.
    exported: u64,
    /// Left out by a rule, or from before the policy.
    omitted: u64,
    /// A run came to them, and could not export them.
    held: u64,
    /// Owed to users of whom it became known later that they were there.
    owed: u64,
    /// No run has come to them yet.
    not_yet_due: u64,
    /// Of all these, so many were deleted since, by a rule of retention or an erasure.
    deleted: u64,
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        let Counts { events, exported, omitted, held, owed, not_yet_due, deleted } = counts;
        Self { events, exported, omitted, held, owed, not_yet_due, deleted }
    }
}

/// A chat's events of the period.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCounts {
    /// The source.
    source: String,
    /// The platform's id.
    chat: String,
    /// Its events.
    #[serde(flatten)]
    counts: CountsView,
}

/// A sign that something is missing.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapView {
    /// `hole`: the index knows no file of some positions of a chat; `unreadable`: a file can't be read; `silence`: nothing came from a source for longer than is usual.
    gap: &'static str,
    /// Whether something is surely missing.
    certain: bool,
    /// The source.
    source: String,
    /// The chat; unset: all of the source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    chat: Option<String>,
    /// For a person.
    text: String,
}

impl From<&Gap> for GapView {
    fn from(gap: &Gap) -> Self {
        let (word, source, chat) = match gap {
            Gap::Hole { chat, .. } => ("hole", &chat.source, Some(&chat.id)),
            Gap::Unreadable { chat, .. } => ("unreadable", &chat.source, Some(&chat.id)),
            Gap::Silence { source, .. } => ("silence", source, None),
        };
        Self { gap: word, certain: gap.is_certain(), source: source.to_string(), chat: chat.cloned(), text: said(gap) }
    }
}

/// A gap for a person. Why a file can't be read is the operator's business: it names files.
pub fn said(gap: &Gap) -> String {
    match gap {
        Gap::Hole { chat, first, last } => {
            format!(
                "the index has no file for the positions {first} to {last} of chat {} of {}: the operator restores it from a backup",
                chat.id, chat.source
            )
        }
        Gap::Unreadable { chat, events, .. } => {
            format!("a file with {events} events of chat {} of {} can't be read: the server's operator can see why", chat.id, chat.source)
        }
        Gap::Silence { source, from, to, usual_hours } => {
            format!("nothing came from {source} between {from} and {to}; usual are up to {usual_hours} hours")
        }
    }
}

/// The account of a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    /// The policy.
    policy: String,
    /// The first instant.
    from: String,
    /// The first one that does not belong to it.
    to: String,
    /// Whether everything is exported or left out, and nothing is surely missing.
    complete: bool,
    /// All chats together.
    total: CountsView,
    /// Each chat with events in it, the first thousand.
    chats: Vec<ChatCounts>,
    /// Chats beyond these.
    more_chats: u64,
    /// Signs that something is missing, the first thousand.
    gaps: Vec<GapView>,
    /// Signs beyond these.
    more_gaps: u64,
}

impl From<Reconciled> for Account {
    fn from(found: Reconciled) -> Self {
        let beyond = |many: usize| many.saturating_sub(TOLD) as u64;
        Self {
            policy: found.policy.to_string(),
            from: time(found.period.from),
            to: time(found.period.to),
            complete: found.is_complete(),
            total: found.total.into(),
            more_chats: beyond(found.chats.len()),
            more_gaps: beyond(found.gaps.len()),
            gaps: found.gaps.iter().take(TOLD).map(GapView::from).collect(),
            chats: found
                .chats
                .into_iter()
                .take(TOLD)
                .map(|one| ChatCounts { source: one.source.to_string(), chat: one.chat, counts: one.counts.into() })
                .collect(),
        }
    }
}

/// A period as somebody gives it.
pub fn period(from: &str, to: &str) -> Result<Period, Problem> {
    let instant = |field: &str, text: &str| -> Result<Timestamp, Problem> {
        Timestamp::parse(text)
            .or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z")))
            .map_err(|_| Problem::invalid(format!("{field}: write a date, or a time as RFC 3339 has it: 2026-03-01, 2026-03-01T08:00:00Z")))
    };
    let period = Period { from: instant("from", from)?, to: instant("to", to)? };
    let days = period.to.0.saturating_sub(period.from.0).checked_div(86_400_000).unwrap_or(i64::MAX);
    if period.from >= period.to {
        return Err(Problem::invalid("to: it has to be later than from"));
    }
    if days > MOST_DAYS { Err(Problem::invalid(format!("to: at most {MOST_DAYS} days after from"))) } else { Ok(period) }
}

/// Accounts for a period under a policy, as far as the archive has it.
pub async fn account_of(here: &Here, policy: &consign_model::Name, period: Period) -> Result<Reconciled, Problem> {
    // `Err` can't be: nobody closes it.
    let _place = ACCOUNTS.acquire().await.ok();
    Ok(here.tenant.exporter().reconcile(policy, period, &mut |_| Ok(())).await?)
}

/// Accounts for every event of a period under a policy: it reads all that the archive has of it, and what was decided then.
#[utoipa::path(get, operation_id = "showCoverage", path = "/v1/tenants/{tenant}/policies/{policy}/coverage", tag = "policies", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("policy" = String, Path, description = "The policy"), Between),
    responses((status = 200, description = "What became of it", body = Account)))]
pub async fn show(here: Here, Item(name): Item, Asked(between): Asked<Between>) -> Result<Json<Account>, Problem> {
    let period = period(&between.from, &between.to)?;
    let policy = policy(&here, &name).await?;
    Ok(Json(account_of(&here, &policy.spec.name, period).await?.into()))
}

/// Of which chats, people and times of a source the archive has everything that there was, as far as that can be told.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceCoverage {
    /// The source.
    source: String,
    /// Whether nothing is known to be missing.
    complete: bool,
    /// Whose copies of a chat it holds: `complete`, or `per-user`.
    #[schema(value_type = String)]
    view: serde_json::Value,
    /// Chats that have events.
    chats: u64,
    /// Chats with gaps, the first thousand.
    with_gaps: Vec<ChatGaps>,
    /// Chats with gaps beyond these.
    more_with_gaps: u64,
}

/// What may be missing of a chat.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatGaps {
    /// The platform's id.
    chat: String,
    /// Its events.
    events: u64,
    /// The earliest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_at: Option<String>,
    /// The latest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<String>,
    /// How many people are known to have been in it.
    people: u64,
    /// What may be missing, each with its kind (`gap`) and what that follows from, the first thousand.
    #[schema(value_type = Vec<Object>)]
    gaps: Vec<serde_json::Value>,
}

impl From<ChatCoverage> for ChatGaps {
    fn from(chat: ChatCoverage) -> Self {
        let shown = |gap| {
            let mut gap = serde_json::to_value(gap).unwrap_or_default();
            // Why a file can't be read is the operator's business: it names files.
            if let Some(fields) = gap.as_object_mut() {
                fields.remove("cause");
            }
            gap
        };
        Self {
            chat: chat.chat,
            events: chat.events,
            first_at: chat.first_at.map(time),
            last_at: chat.last_at.map(time),
            people: chat.people.len() as u64,
            gaps: chat.gaps.into_iter().take(TOLD).map(shown).collect(),
        }
    }
}

/// Says what of a source may be missing, and what that follows from: it reads all that the archive has of it.
#[utoipa::path(get, operation_id = "showSourceCoverage", path = "/v1/tenants/{tenant}/sources/{source}/coverage", tag = "sources", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), ("source" = String, Path, description = "The source")),
    responses((status = 200, description = "What may be missing", body = SourceCoverage)))]
pub async fn of_source(here: Here, Item(source): Item) -> Result<Json<SourceCoverage>, Problem> {
    let source = name("source", &source)?;
    // `Err` can't be: nobody closes it.
    let _place = ACCOUNTS.acquire().await.ok();
    let found = here.tenant.exporter().coverage(&source).await?;
    let (complete, chats) = (found.is_complete(), found.chats.len() as u64);
    let with_gaps: Vec<ChatCoverage> = found.chats.into_iter().filter(|chat| !chat.gaps.is_empty()).collect();
    Ok(Json(SourceCoverage {
        source: found.source.to_string(),
        complete,
        view: serde_json::to_value(found.view).unwrap_or_default(),
        chats,
        more_with_gaps: with_gaps.len().saturating_sub(TOLD) as u64,
        with_gaps: with_gaps.into_iter().take(TOLD).map(ChatGaps::from).collect(),
    }))
}
