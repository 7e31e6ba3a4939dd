//! `consign explain`: what became of one event under one policy, from the verdict files that were written when it was decided.

use std::borrow::Cow;

use consign_model::manifest::RuleRef;
use consign_model::module::BoundModule;
use consign_model::policy::PolicyVersion;
use consign_model::{ChatKey, Digest, Name, RecipientOutcome, RunId, Timestamp, Window, WindowKey};
use consign_store::WindowFilter;
use serde::{Deserialize, Serialize};

use crate::pages::PAGE;
use crate::verdicts::{EventVerdict, VerdictEmail};
use crate::{ExportError, Exporter};

/// One event and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explanation {
    /// Source and id of its chat.
    pub chat: ChatKey,
    /// The platform's own id.
    pub event: String,
    /// `message`, `edit`, …
    pub kind: Cow<'static, str>,
    /// When.
    pub at: Timestamp,
    /// Its position in the chat.
    pub position: u64,
    /// Whether it was deleted since, by retention or erasure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// What became of it.
    pub fate: Fate,
    /// What decided about it; unset where no run has come to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
}

/// What decided about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The policy's version.
    pub policy_version: u32,
    /// Its criteria, and its grouping last where that is a module.
    pub modules: Vec<DecidedBy>,
    /// `name@version` of the grouping.
    #[serde(skip)]
    grouping: Option<String>,
}

/// A module with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedBy {
    /// `name@version`.
    pub name: String,
    /// Of the component.
    pub digest: Digest,
    /// Its configuration.
    pub config: serde_json::Value,
}

/// What became of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum Fate {
    /// It is in e-mails that were accepted.
    Exported {
        /// The run.
        run: RunId,
        /// The e-mails.
        emails: Vec<EmailFate>,
    },
    /// Left out.
    Omitted {
        /// The run.
        run: RunId,
        /// The rules that did it.
        by: Vec<RuleRef>,
    },
    /// Exported or left out for those who were known to be in the chat, and owed to users of whom that became known since.
    Owed {
        /// The run.
        run: RunId,
        /// The users, by the platform's id.
        to: Vec<String>,
        /// By which `held retry` names the supplement that is held; unset where none is frozen yet, which the policy's next run does.
        window: Option<String>,
        /// E-mails with it, accepted or not.
        emails: Vec<EmailFate>,
    },
    /// Its window is held.
    Held {
        /// The run.
        run: RunId,
        /// By which `held retry` names it.
        window: String,
        /// Why.
        reason: String,
        /// E-mails with it, accepted or not.
        emails: Vec<EmailFate>,
    },
    /// A run is at work on it, or was interrupted.
    InWork {
        /// The run.
        run: RunId,
    },
    /// It had arrived when the policy was applied with `since = "now"`.
    BeforeSince,
    /// No run of the policy has reached it.
    NotYet,
}

/// An e-mail that has the event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmailFate {
    /// Without angle brackets.
    pub message_id: String,
    /// Whose copy it is, for an export per user.
    pub subject: Option<String>,
    /// Of its bytes.
    pub sha256: Option<Digest>,
    /// What the server said, for each recipient.
    pub recipients: Vec<RecipientOutcome>,
}

/// What was found of an event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Explained {
    /// Each event with this id.
    pub events: Vec<Explanation>,
    /// Files of the archive that could not be read, so that it is not known whether they hold it: the chat, and why.
    pub unreadable: Vec<(ChatKey, String)>,
}

impl Exporter {
    /// Everything with this id, and what later brought files of it: ids are unique in a chat, not over chats, so there may be several. `chat` narrows it
    /// to one.
    pub async fn explain(&self, policy: &Name, event: &str, chat: Option<&str>) -> Result<Explained, ExportError> {
        let _use = self.archive.begin_use();
        let policy = self.store.policy(&self.tenant, policy, None).await?.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
        let mut found = Explained::default();
        let mut after = 0;
        loop {
            let chats = self.store.chats_arrived(&self.tenant, after, PAGE).await?;
            let Some((last, _)) = chats.last() else { return Ok(found) };
            after = *last;
            for (_, key) in chats {
                if chat.is_none_or(|chat| chat == key.id) {
                    self.explain_in(&policy, event, &key, &mut found).await?;
                }
            }
        }
    }

    async fn explain_in(&self, policy: &PolicyVersion, event: &str, chat: &ChatKey, found: &mut Explained) -> Result<(), ExportError> {
        for segment in self.store.segments(&self.tenant, chat, 0).await? {
            let batch = match self.archive.segment(chat, segment.extent()).await {
                Ok(batch) => batch,
                // One damaged file must not hide what the others say.
                Err(error) => {
                    found.unreadable.push((chat.clone(), error.to_string()));
                    continue;
                }
            };
            for (row, id) in batch.ids.iter().enumerate() {
                // With a message its files that arrived later.
                if id == event || (batch.adds_files(row) && batch.targets.get(row) == event) {
                    let position = segment.first + row as u64;
                    let at = Timestamp(batch.times.get(row).copied().unwrap_or_default());
                    let (fate, decided) = self.fate(policy, chat, position, at, segment.arrival).await?;
                    let (chat, event, kind) = (chat.clone(), id.to_owned(), batch.kind(row).word());
                    let deleted = segment.has_lost(row);
                    found.events.push(Explanation { chat, event, kind: Cow::Borrowed(kind), at, position, deleted, fate, decided });
                }
            }
        }
        Ok(())
    }

    async fn fate(
        &self,
        policy: &PolicyVersion,
        chat: &ChatKey,
        position: u64,
        at: Timestamp,
        arrival: u64,
    ) -> Result<(Fate, Option<Decided>), ExportError> {
        let filter = WindowFilter::OfChat(policy.spec.name.clone(), chat.clone());
        let mut after = None;
        let window = loop {
            let page = self.store.windows(&self.tenant, &filter, after.as_ref(), PAGE).await?;
            if let Some(window) = page.iter().find(|window| (window.key.from..window.to).contains(&position)) {
                break window.clone();
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => return Ok((self.before_or_after(policy, chat, position, arrival).await?, None)),
            }
        };
        let run = window.run.clone();
        let decided = self.decided_by(&window).await?;
        let Some(settled) = window.state.settled() else { return Ok((Fate::InWork { run }, decided)) };
        let held = window.state.held().map(consign_model::HeldReason::text);
        let Some(verdicts) = &settled.verdicts else {
            return Ok((Fate::Held { run, window: window.key.id(), reason: held.unwrap_or_default(), emails: Vec::new() }, decided));
        };
        let file = self.verdicts(&window.key, verdicts).await?;
        let grouping = decided.as_ref().and_then(|decided| decided.grouping.as_deref());
        let fate = match file.of(position) {
            EventVerdict::Omitted(by) if by.iter().any(|rule| Some(rule.module.as_str()) != grouping) => Fate::Omitted { run, by: by.to_vec() },
            EventVerdict::Omitted(by) => self.with_supplements(policy, &window, position, at, Fate::Omitted { run, by: by.to_vec() }).await?,
            EventVerdict::Exported(emails) => {
                let emails = self.emails(&window.key, &emails).await?;
                self.with_supplements(policy, &window, position, at, Fate::Exported { run, emails }).await?
            }
            EventVerdict::Held(emails) => {
                let emails = self.emails(&window.key, &emails).await?;
                Fate::Held { run, window: window.key.id(), reason: held.unwrap_or_default(), emails }
            }
        };
        Ok((fate, decided))
    }

    /// What became of an event that criteria kept, with what supplements to its window have to say.
    async fn with_supplements(&self, policy: &PolicyVersion, window: &Window, position: u64, at: Timestamp, fate: Fate) -> Result<Fate, ExportError> {
        let owing = self.owing(policy, &window.key.chat, std::slice::from_ref(window)).await?;
        let supplements = owing.of(window, position, at);
        let mut later = Vec::new();
        for (supplement, email) in &supplements.sent {
            later.extend(self.emails(&supplement.key, &[email]).await?);
        }
        let first = supplements.sent.first().map(|(supplement, _)| supplement.run.clone());
        let (run, mut emails) = match (fate, first) {
            (Fate::Exported { run, emails }, _) => (run, emails),
            (_, Some(first)) => (first, Vec::new()),
            (fate, None) if supplements.owed.is_empty() => return Ok(fate),
            (_, None) => (window.run.clone(), Vec::new()),
        };
        emails.extend(later);
        if supplements.owed.is_empty() {
            return Ok(Fate::Exported { run, emails });
        }
        let to = supplements.owed.iter().map(|(user, _)| (*user).to_owned()).collect();
        let held = supplements.owed.iter().find_map(|(_, supplement)| supplement.map(|supplement| supplement.key.id()));
        Ok(Fate::Owed { run, to, window: held, emails })
    }

    /// The modules of the policy's version that a window was evaluated under.
    pub(crate) async fn decided_by(&self, window: &Window) -> Result<Option<Decided>, ExportError> {
        let policy = self.store.policy(&self.tenant, &window.key.policy, Some(window.policy_version)).await?;
        let of = |module: &BoundModule| DecidedBy { name: module.name.clone(), digest: module.digest, config: module.config.clone() };
        let grouping = |policy: &PolicyVersion| policy.grouping.as_ref().map(|module| module.name.clone());
        Ok(policy.map(|policy| Decided { policy_version: policy.version, modules: policy.modules().map(of).collect(), grouping: grouping(&policy) }))
    }

    async fn emails(&self, window: &WindowKey, emails: &[&VerdictEmail]) -> Result<Vec<EmailFate>, ExportError> {
        let ledger = self.store.deliveries(&self.tenant, window).await?;
        let fate = |email: &&VerdictEmail| {
            let delivery = ledger.iter().find(|delivery| delivery.message_id == email.message_id);
            EmailFate {
                message_id: email.message_id.clone(),
                subject: email.subject.clone(),
                sha256: delivery.map(|delivery| delivery.digest),
                recipients: delivery.map(|delivery| delivery.outcomes.clone()).unwrap_or_default(),
            }
        };
        Ok(emails.iter().map(fate).collect())
    }

    /// An event in no window: it arrived before the policy's first one (`since = "now"`), or no run has come to it yet.
    async fn before_or_after(&self, policy: &PolicyVersion, chat: &ChatKey, position: u64, arrival: u64) -> Result<Fate, ExportError> {
        let filter = WindowFilter::OfChat(policy.spec.name.clone(), chat.clone());
        let first = self.store.windows(&self.tenant, &filter, None, 1).await?;
        Ok(match first.first() {
            Some(window) if position < window.key.from => Fate::BeforeSince,
            None if arrival <= policy.starts_after => Fate::BeforeSince,
            Some(_) | None => Fate::NotYet,
        })
    }
}
