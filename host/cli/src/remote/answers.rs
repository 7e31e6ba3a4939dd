//! What the API answers, as far as commands read it: of an answer's fields those that are needed, so that a newer server can say more. Most become the types that the
//! commands have of a data folder, so that both are printed by the same lines.

use std::fmt::Write as _;

use consign_model::access::Role;
use consign_model::module::{ModuleFacts, ModuleKind, ModuleManifest, Need, Rule};
use consign_model::quarantine::{QuarantineReason, Release};
use consign_model::run::{ChatCounts, Costs, EmailCounts, EventCounts, StandIn, SupplementCounts, Trigger};
use consign_model::shadow::ShadowDifference;
use consign_model::source::Lack;
use consign_model::{Digest, ModuleKey, Name, Quarantine, RunId, RunSummary, TenantId, Timestamp};
use consign_service::modules::{Listed, Origin};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::server::name;
use crate::output::Failure;

/// A part of a list.
#[derive(Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; unset: this is the last.
    pub next: Option<String>,
}

/// What the token is worth.
#[derive(Deserialize)]
pub struct Me {
    /// Its role.
    pub role: String,
    /// Whose it is; unset: the installation's.
    pub tenant: Option<TenantId>,
}

/// What went wrong (RFC 9457).
#[derive(Deserialize)]
pub struct Problem {
    /// The kind.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// All that is wrong, where that is more than one thing.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Of events: how many lines can't be read, and what is wrong with the first of them.
    pub refused: Option<u64>,
    /// See `refused`.
    #[serde(default)]
    pub refusals: Vec<RefusedLine>,
}

/// A line of events that was refused.
#[derive(Deserialize)]
pub struct RefusedLine {
    /// Counted from 1, in what was sent.
    pub line: Option<u64>,
    /// What is wrong with its shape.
    pub reason: String,
}

/// One thing that is wrong in what was sent.
#[derive(Deserialize)]
pub struct Finding {
    /// Line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// Which part.
    pub at: String,
    /// What is wrong, and the way out.
    pub text: String,
}

impl Problem {
    /// For the person who gave the command.
    pub fn failure(&self, status: StatusCode) -> Failure {
        let Self { code, detail, hint, findings, .. } = self;
        let hint = match (status, code.as_str()) {
            // The server's own hint is for who writes requests.
            (StatusCode::UNAUTHORIZED, _) => Some(
                "give one that is worth something, with --token-file or CONSIGN_TOKEN: whoever administers the tenant makes it with 'consign token create NAME --role ROLE'",
            ),
            (StatusCode::FORBIDDEN, "forbidden") => Some(
                "use a token of a role that may; which role may what stands in README.md, and whoever administers the tenant makes one with 'consign token create NAME --role ROLE'",
            ),
            (StatusCode::NOT_FOUND, "no-such-tenant") => Some("name another with --tenant, or leave it out: then it is the token's own"),
            (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts") => Some("give a token that is worth something"),
            (StatusCode::NOT_FOUND, "no-such-address") => Some("the server is probably of an earlier release, which does not offer this"),
            _ => hint.as_deref(),
        };
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let mut text = format!("{detail}{hint}");
        for Finding { line, at, text: what } in findings {
            let line = line.map(|line| format!("line {line}")).unwrap_or_default();
            let place = [line.as_str(), at.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
            // Writing to a String cannot fail.
            let _ = write!(text, "\n- {place}: {what}");
        }
        Failure::with_details(text, &serde_json::json!({ "code": code, "status": status.as_u16() }))
    }
}

/// A run.
#[derive(Deserialize)]
pub struct RunAnswer {
    /// Its id.
    pub run: RunId,
    /// The policy.
    pub policy: Name,
    /// Its version.
    pub policy_version: u32,
    trigger: String,
    due: Option<Timestamp>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; unset: it is under way, or was interrupted.
    pub finished_at: Option<Timestamp>,
    events: Option<EventCounts>,
    emails: Option<EmailCounts>,
    chats: Option<ChatCounts>,
    #[serde(default)]
    millis: u64,
    #[serde(default)]
    tried_again: u64,
    #[serde(default)]
    tried_again_done: u64,
    tried_again_events: Option<EventCounts>,
    tried_again_emails: Option<EmailCounts>,
    #[serde(default)]
    shadows: Vec<ShadowDifference>,
    #[serde(default)]
    quarantined: Vec<QuarantinedModule>,
    stands_in: Option<StandIn>,
    #[serde(default)]
    lacking: Vec<Lack>,
}

#[derive(Deserialize)]
struct QuarantinedModule {
    module: String,
    digest: Digest,
}

impl RunAnswer {
    /// What started it.
    pub fn trigger(&self) -> Trigger {
        match (self.trigger.as_str(), self.due) {
            ("schedule", Some(due)) => Trigger::Schedule(due),
            ("retry", _) => Trigger::Retry,
            _ => Trigger::Hand,
        }
    }

    /// Its figures, of one that has ended. `manifest`: where it is had.
    pub fn summary(&self, manifest: String) -> Option<RunSummary> {
        self.finished_at?;
        let quarantined = self.quarantined.iter().map(|one| (one.module.clone(), one.digest));
        Some(RunSummary {
            run: self.run.clone(),
            policy: self.policy.clone(),
            events: self.events?,
            emails: self.emails?,
            chats: self.chats?,
            supplements: SupplementCounts {
                windows: self.tried_again,
                done: self.tried_again_done,
                events: self.tried_again_events.unwrap_or_default(),
                emails: self.tried_again_emails.unwrap_or_default(),
            },
            shadows: self.shadows.clone(),
            quarantined: quarantined.collect(),
            stands_in: self.stands_in.clone(),
            lacking: self.lacking.clone(),
            manifest,
            millis: self.millis,
            // They are a matter of the bill, and printed of no run.
            costs: Costs::default(),
        })
    }
}

/// That a run was asked for.
#[derive(Deserialize)]
pub struct AskedAnswer {
    /// By which to ask what became of it.
    pub asked: String,
}

/// What became of a run that was asked for.
#[derive(Deserialize)]
pub struct Outcome {
    /// How it stands.
    pub state: OutcomeState,
    /// The run that was made.
    pub run: Option<RunId>,
    /// One that was taken up first.
    pub resumed: Option<RunId>,
    /// That the policy does not run.
    pub paused: Option<PausedAnswer>,
    /// Why it failed.
    pub problem: Option<Problem>,
}

/// How a run stands that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeState {
    /// It has not begun.
    Waiting,
    /// It is under way.
    Running,
    /// It was made.
    Ended,
    /// It broke off.
    Failed,
    /// It is not made.
    GivenUp,
}

/// That a policy does not run.
#[derive(Deserialize)]
pub struct PausedAnswer {
    /// Its quarantined modules.
    pub quarantined: Vec<QuarantineAnswer>,
    /// Why no earlier version runs instead.
    pub no_earlier: Option<String>,
}

/// A quarantine.
#[derive(Deserialize)]
pub struct QuarantineAnswer {
    policy: Name,
    module: String,
    digest: Digest,
    since: Timestamp,
    why: QuarantineReason,
    release: Option<Release>,
}

impl From<QuarantineAnswer> for Quarantine {
    fn from(answer: QuarantineAnswer) -> Self {
        let QuarantineAnswer { policy, module, digest, since, why, release } = answer;
        Self { policy, digest, module, why, since, release }
    }
}

/// A policy.
#[derive(Deserialize)]
pub struct PolicyAnswer {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The target.
    pub target: Name,
    /// Whether it runs by its schedule.
    pub enabled: bool,
    /// When it runs next.
    pub next_due: Option<Timestamp>,
    spec: PolicyPart,
}

#[derive(Deserialize)]
struct PolicyPart {
    schedule: Option<serde::de::IgnoredAny>,
}

impl PolicyAnswer {
    /// Whether it has a schedule.
    pub fn is_scheduled(&self) -> bool {
        self.spec.schedule.is_some()
    }
}

/// A module.
#[derive(Deserialize)]
pub struct ModuleAnswer {
    name: String,
    digest: Digest,
    kind: ModuleKind,
    summary: String,
    needs: Vec<Need>,
    schema: serde_json::Value,
    #[serde(default)]
    rules: Vec<Rule>,
    facts: ModuleFacts,
    pushed_at: Option<Timestamp>,
    key: Option<ModuleKey>,
}

impl ModuleAnswer {
    /// As it is listed of a data folder.
    pub fn listed(self) -> Result<Listed, Failure> {
        let (name, version) = self
            .name
            .rsplit_once('@')
            .ok_or_else(|| Failure::new("the server names a module without its version: it is probably of another release"))?;
        let manifest = ModuleManifest {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: self.summary,
            needs: self.needs,
            rules: self.rules,
            config_schema: self.schema,
        };
        let origin = self.pushed_at.map_or(Origin::Standard, |at| Origin::Pushed { at, signed_by: self.key });
        Ok(Listed { digest: self.digest, kind: self.kind, manifest, facts: self.facts, origin })
    }
}

/// A token, without its text.
#[derive(Deserialize)]
pub struct TokenAnswer {
    /// By which it is revoked.
    pub id: Name,
    /// Who has it.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is worth something.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// Whether it is shown with each request, or begins one session.
    #[serde(default)]
    pub kind: TokenKind,
    /// When a link was used.
    pub used_at: Option<Timestamp>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// It is shown with each request.
    #[default]
    Token,
    /// It begins one session.
    Link,
}

/// A thing that has a name.
#[derive(Deserialize)]
pub struct Named {
    name: String,
}

impl Named {
    /// It.
    pub fn name(&self) -> Result<Name, Failure> {
        name(&self.name)
    }
}
