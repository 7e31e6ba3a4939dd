//! What a module is shown: a chat, and batches of its events.
//!
//! Both are shared with the sessions by `Arc`, and the events stay in the columns in which the archive holds them: a module that asks for a column
//! gets one copy of it, into its own memory.

use std::collections::HashMap;
use std::sync::Arc;

use consign_model::batch::NO_SENDER;
use consign_model::window::Facts;
use consign_model::{EventBatch, TextColumn, Timestamp};

/// A chat and the window of it that is examined.
#[derive(Debug)]
pub struct ChatContext {
    facts: Arc<Facts>,
    event_count: u64,
    window_start: Option<Timestamp>,
    window_end: Timestamp,
    /// Participants by the platform's id.
    indices: HashMap<String, u32>,
}

impl ChatContext {
    /// `event_count` is of the window; `window_start` is unset for a chat's first one; `window_end` is the only "now" of modules.
    pub fn new(facts: Arc<Facts>, event_count: u64, window_start: Option<Timestamp>, window_end: Timestamp) -> Self {
        let indices = facts.participants.iter().enumerate();
        let indices = indices.filter_map(|(index, participant)| Some((participant.user.id.clone(), u32::try_from(index).ok()?))).collect();
        Self { facts, event_count, window_start, window_end, indices }
    }

    /// Kind, title, labels and participants.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// Events of the window.
    pub fn event_count(&self) -> u64 {
        self.event_count
    }

    /// Where the window begins, by the clock.
    pub fn window_start(&self) -> Option<Timestamp> {
        self.window_start
    }

    /// Where it ends.
    pub fn window_end(&self) -> Timestamp {
        self.window_end
    }

    /// The index of a participant by the platform's id.
    pub fn participant(&self, user: &str) -> Option<u32> {
        self.indices.get(user).copied()
    }

    /// A view of a batch of this chat. `flags` are [`consign_model::Flags`] by bit, one byte an event, with edited, deleted and late set as the window
    /// shows them. A sender who is no participant is shown as none.
    pub fn view(&self, batch: Arc<EventBatch>, flags: Vec<u8>) -> Result<BatchView, UnevenColumns> {
        let users: Vec<u32> = batch.users.iter().map(|user| self.participant(user).unwrap_or(NO_SENDER)).collect();
        let senders = batch.senders.iter().map(|sender| users.get(*sender as usize).copied().unwrap_or(NO_SENDER)).collect();
        BatchView::new(batch, senders, flags)
    }
}

/// Columns of one batch that differ in length: a fault of whoever made the batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column '{column}' of a batch has {length} values where {expected} were expected; this is a fault of Consign, please report it")]
pub struct UnevenColumns {
    column: &'static str,
    length: usize,
    expected: usize,
}

/// Some events of one chat, as modules see them. All columns have the same length and every text is UTF-8 within its column.
#[derive(Debug, Clone)]
pub struct BatchView {
    batch: Arc<EventBatch>,
    senders: Vec<u32>,
    flags: Vec<u8>,
}

impl BatchView {
    /// `senders` are indices into the chat's participants, [`NO_SENDER`] for none. [`ChatContext::view`] is the usual way.
    pub fn new(batch: Arc<EventBatch>, senders: Vec<u32>, flags: Vec<u8>) -> Result<Self, UnevenColumns> {
        let expected = batch.kinds.len();
        let lengths = [
            ("senders", senders.len()),
            ("flags", flags.len()),
            ("times", batch.times.len()),
            ("ids", batch.ids.len()),
            ("texts", batch.texts.len()),
            ("threads", batch.threads.len()),
            ("targets", batch.targets.len()),
        ];
        match lengths.into_iter().find(|(_, length)| *length != expected) {
            Some((column, length)) => Err(UnevenColumns { column, length, expected }),
            None => Ok(Self { batch, senders, flags }),
        }
    }

    /// Only these rows, in this order: what criteria kept, for the grouping. Rows past the end are left out.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let old = &*self.batch;
        let rows: Vec<usize> = rows.iter().map(|row| *row as usize).filter(|row| *row < old.len()).collect();
        let texts = |column: &TextColumn| rows.iter().map(|row| column.get(*row)).collect::<TextColumn>();
        let attachments = rows.iter().enumerate().flat_map(|(new, row)| {
            let new = u32::try_from(new).unwrap_or(u32::MAX);
            old.attachments_of(*row).map(move |attachment| (new, attachment.clone()))
        });
        let batch = EventBatch {
            first: old.first,
            kinds: pick(&old.kinds, &rows),
            times: pick(&old.times, &rows),
            users: old.users.clone(),
            senders: pick(&old.senders, &rows),
            flags: pick(&old.flags, &rows),
            ids: texts(&old.ids),
            texts: texts(&old.texts),
            threads: texts(&old.threads),
            targets: texts(&old.targets),
            sender_names: texts(&old.sender_names),
            previous: texts(&old.previous),
            originals: texts(&old.originals),
            attachments: attachments.collect(),
        };
        Self { senders: pick(&self.senders, &rows), flags: pick(&self.flags, &rows), batch: Arc::new(batch) }
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The events.
    pub fn batch(&self) -> &Arc<EventBatch> {
        &self.batch
    }

    /// Indices into the participants, [`NO_SENDER`] for none.
    pub fn senders(&self) -> &[u32] {
        &self.senders
    }

    /// [`consign_model::Flags`] by bit.
    pub fn flags(&self) -> &[u8] {
        &self.flags
    }
}

fn pick<T: Copy>(column: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|row| column.get(*row).copied()).collect()
}
