//! `consign explain`: what became of one event under one policy, from the verdict files that were written when it was decided.

use consign_model::manifest::RuleRef;
use consign_model::{ChatKey, Digest, Name, RecipientOutcome, RunId, Timestamp};
use consign_store::WindowFilter;
use serde::Serialize;

use crate::freeze::end_of;
use crate::run::PAGE;
use crate::verdicts::{EventVerdict, VerdictFile};
use crate::{ExportError, Exporter};

/// One event and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Source and id of its chat.
    pub chat: ChatKey,
    /// The platform's own id.
    pub event: String,
    /// `message`, `edit`, …
    pub kind: &'static str,
    /// When.
    pub at: Timestamp,
    /// Its position in the chat.
    pub position: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an event.
#[derive(Debug, Clone, Serialize)]
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
    /// No run of the policy has reached it.
    NotYet,
}

/// An e-mail that has the event.
#[derive(Debug, Clone, Serialize)]
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

impl Exporter {
    /// Everything with this id: ids are unique in a chat, not over chats, so there may be several. `chat` narrows it to one.
    pub async fn explain(&self, policy: &Name, event: &str, chat: Option<&str>) -> Result<Vec<Explanation>, ExportError> {
        if self.store.policy(&self.tenant, policy, None).await?.is_none() {
            return Err(ExportError::NoPolicy(policy.clone()));
        }
        let mut found = Vec::new();
        let mut after = 0;
        loop {
            let chats = self.store.chats_arrived(&self.tenant, after, PAGE).await?;
            let Some((last, _)) = chats.last() else { return Ok(found) };
            after = *last;
            for (_, key) in chats {
                if chat.is_none_or(|chat| chat == key.id) {
                    self.explain_in(policy, event, &key, &mut found).await?;
                }
            }
        }
    }

    async fn explain_in(&self, policy: &Name, event: &str, chat: &ChatKey, found: &mut Vec<Explanation>) -> Result<(), ExportError> {
        for segment in self.store.segments(&self.tenant, chat, 0).await? {
            let batch = self.archive.segment(&segment.path, &segment.digest).await?;
            for (row, id) in batch.ids.iter().enumerate() {
                if id == event {
                    let position = segment.first + row as u64;
                    debug_assert!(position < end_of(&segment));
                    let at = Timestamp(batch.times.get(row).copied().unwrap_or_default());
                    let fate = self.fate(policy, chat, position).await?;
                    found.push(Explanation { chat: chat.clone(), event: id.to_owned(), kind: batch.kind(row).word(), at, position, fate });
                }
            }
        }
        Ok(())
    }

    async fn fate(&self, policy: &Name, chat: &ChatKey, position: u64) -> Result<Fate, ExportError> {
        let filter = WindowFilter::OfChat(policy.clone(), chat.clone());
        let mut after = None;
        let window = loop {
            let page = self.store.windows(&self.tenant, &filter, after.as_ref(), PAGE).await?;
            if let Some(window) = page.iter().find(|window| (window.key.from..window.to).contains(&position)) {
                break window.clone();
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => return self.before_or_after(policy, chat, position).await,
            }
        };
        let run = window.run.clone();
        let Some(settled) = window.state.settled() else { return Ok(Fate::InWork { run }) };
        let held = window.state.held().map(consign_model::HeldReason::text);
        let Some(path) = &settled.verdicts else {
            return Ok(Fate::Held { run, window: window.key.short_id(), reason: held.unwrap_or_default(), emails: Vec::new() });
        };
        let bytes = self.archive.sealed(path).await?;
        let file: VerdictFile = serde_json::from_slice(&bytes).map_err(|error| consign_store::StoreError::Damaged {
            what: format!("the verdict file {path}: {error}"),
            hint: "restore the archive from a backup".to_owned(),
        })?;
        let emails = match file.of(position) {
            EventVerdict::Omitted(by) => return Ok(Fate::Omitted { run, by: by.to_vec() }),
            EventVerdict::Open => Vec::new(),
            EventVerdict::Emailed(emails) => {
                let ledger = self.store.deliveries(&self.tenant, &window.key).await?;
                let fates = emails.iter().map(|email| {
                    let delivery = ledger.iter().find(|delivery| delivery.message_id == email.message_id);
                    EmailFate {
                        message_id: email.message_id.clone(),
                        subject: email.subject.clone(),
                        sha256: delivery.map(|delivery| delivery.digest),
                        recipients: delivery.map(|delivery| delivery.outcomes.clone()).unwrap_or_default(),
                    }
                });
                fates.collect()
            }
        };
        let all_accepted = !emails.is_empty()
            && emails.iter().all(|email| !email.recipients.is_empty() && email.recipients.iter().all(|one| one.outcome.is_accepted()));
        Ok(match held {
            Some(reason) if !all_accepted => Fate::Held { run, window: window.key.short_id(), reason, emails },
            _ => Fate::Exported { run, emails },
        })
    }

    /// An event in no window: it arrived before the policy's first one (`since = "now"`), or no run has come to it yet.
    async fn before_or_after(&self, policy: &Name, chat: &ChatKey, position: u64) -> Result<Fate, ExportError> {
        let first = self.store.windows(&self.tenant, &WindowFilter::OfChat(policy.clone(), chat.clone()), None, 1).await?;
        Ok(match first.first() {
            Some(window) if position < window.key.from => {
                Fate::Omitted { run: window.run.clone(), by: vec![RuleRef { module: "policy".to_owned(), rule: "before-since".to_owned() }] }
            }
            _ => Fate::NotYet,
        })
    }
}
