//! What there is to say of one e-mail, by its Message-ID: what whoever has found it in an archive asks for.
//!
//! The ledger is by window, so the store keeps where each Message-ID lies. The e-mail's events stand in the verdict file of its window.

use consign_model::{ChatKey, Delivery, Name, RunId, Timestamp, Window};
use serde::Serialize;

use crate::explain::Decided;
use crate::{ExportError, Exporter};

/// With what the Message-ID of a journal report's original begins, which lies in the same e-mail.
const ORIGINAL: &str = "original.";
/// Events that are told one by one.
const TOLD: usize = 1_000;

/// An e-mail.
#[derive(Debug, Clone, Serialize)]
pub struct EmailStory {
    /// Of the ledger.
    pub delivery: Delivery,
    /// The policy.
    pub policy: Name,
    /// The run that froze its window.
    pub run: RunId,
    /// Its chat.
    pub chat: ChatKey,
    /// Its window, by which it is tried again where it is held.
    pub window: String,
    /// Whose copy it is, for an export per user.
    pub subject: Option<String>,
    /// What decided what is in it.
    pub decided: Option<Decided>,
    /// Why its window is held, where it is.
    pub held: Option<String>,
    /// Its events; unset while its window is not settled.
    pub events: Option<Vec<EmailEvent>>,
    /// How many there are beyond these.
    pub more: u64,
    /// Whether a file of the archive that has some of them can't be read.
    pub unreadable: bool,
}

/// An event that is in an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmailEvent {
    /// The platform's own id.
    pub event: String,
    /// `message`, `edit`, …
    pub kind: &'static str,
    /// When.
    pub at: Timestamp,
    /// Its position in the chat.
    pub position: u64,
    /// Whether it was deleted since, by retention or erasure.
    pub deleted: bool,
}

impl Exporter {
    /// What there is to say of an e-mail; unset where none of this Message-ID is known. With angle brackets or without.
    pub async fn story(&self, message_id: &str) -> Result<Option<EmailStory>, ExportError> {
        let id = message_id.trim().trim_start_matches('<').trim_end_matches('>');
        let id = id.strip_prefix(ORIGINAL).unwrap_or(id);
        let Some(delivery) = self.store.delivery(&self.tenant, id).await? else { return Ok(None) };
        let key = &delivery.key.window;
        let Some(window) = self.store.window(&self.tenant, key).await? else { return Ok(None) };
        let mut story = EmailStory {
            policy: key.policy.clone(),
            run: window.run.clone(),
            chat: key.chat.clone(),
            window: key.id(),
            subject: None,
            decided: self.decided_by(&window).await?,
            held: window.state.held().map(consign_model::HeldReason::text),
            events: None,
            more: 0,
            unreadable: false,
            delivery,
        };
        let Some(sealed) = window.state.settled().and_then(|settled| settled.verdicts.as_ref()) else { return Ok(Some(story)) };
        let verdicts = self.verdicts(&window.key, sealed).await?;
        if let Some(email) = verdicts.emails.iter().find(|email| email.message_id == story.delivery.message_id) {
            story.subject.clone_from(&email.subject);
            self.tell_events(&window, &email.events, &mut story).await?;
        }
        Ok(Some(story))
    }

    async fn tell_events(&self, window: &Window, ranges: &[(u64, u64)], story: &mut EmailStory) -> Result<(), ExportError> {
        let is_in = |position: u64| ranges.iter().any(|(first, last)| (*first..=*last).contains(&position));
        let all: u64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
        let mut events = Vec::new();
        let from = ranges.first().map_or(window.key.from, |(first, _)| *first);
        for segment in self.store.segments(&self.tenant, &window.key.chat, from).await? {
            if segment.first >= window.to || events.len() >= TOLD {
                break;
            }
            let Ok(batch) = self.archive.segment(&window.key.chat, segment.extent()).await else {
                story.unreadable = true;
                continue;
            };
            for (row, id) in batch.ids.iter().enumerate().filter(|(row, _)| is_in(segment.first + *row as u64)) {
                let at = Timestamp(batch.times.get(row).copied().unwrap_or_default());
                let (position, deleted) = (segment.first + row as u64, segment.has_lost(row));
                events.push(EmailEvent { event: id.to_owned(), kind: batch.kind(row).word(), at, position, deleted });
            }
        }
        events.truncate(TOLD);
        story.more = all.saturating_sub(events.len() as u64);
        story.events = Some(events);
        Ok(())
    }
}
