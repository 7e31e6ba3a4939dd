//! Reading events by their positions: a wanted file's address stands in its sealed event alone.

use std::sync::Arc;

use consign_archive::{Archive, ArchiveError};
use consign_model::{Attachment, ChatKey, Event, EventBatch, TenantId, WantedFile};
use consign_store::{SegmentRecord, Store, StoreError};

/// Looks events up. What was read last is kept, so it is best asked by chat and position.
pub(super) struct Looker<'a> {
    tenant: &'a TenantId,
    store: &'a dyn Store,
    archive: &'a Archive,
    /// Of a chat, from a position on.
    segments: Option<(ChatKey, u64, Vec<SegmentRecord>)>,
    /// By chat and position of its first event.
    batch: Option<(ChatKey, u64, Arc<EventBatch>)>,
}

/// Why an event can't be had.
pub(super) enum LookFault {
    /// The store failed: nothing goes on.
    Store(StoreError),
    /// Its segment can't be read: others may be.
    Archive(ArchiveError),
}

impl<'a> Looker<'a> {
    pub fn new(tenant: &'a TenantId, store: &'a dyn Store, archive: &'a Archive) -> Self {
        Self { tenant, store, archive, segments: None, batch: None }
    }

    /// The event at this position; unset where there is none.
    pub async fn event(&mut self, chat: &ChatKey, position: u64) -> Result<Option<Event>, LookFault> {
        let is_at_hand = self.segments.as_ref().is_some_and(|(of, from, _)| of == chat && *from <= position);
        if !is_at_hand {
            let segments = self.store.segments(self.tenant, chat, position).await.map_err(LookFault::Store)?;
            self.segments = Some((chat.clone(), position, segments));
        }
        let segments = self.segments.as_ref().map(|(_, _, segments)| segments.as_slice()).unwrap_or_default();
        let after = segments.partition_point(|segment| segment.first <= position);
        let Some(segment) = after.checked_sub(1).and_then(|place| segments.get(place)) else { return Ok(None) };
        let batch = match &self.batch {
            Some((of, first, batch)) if of == chat && *first == segment.first => Arc::clone(batch),
            _ => {
                let batch = self.archive.segment(chat, segment.extent()).await.map_err(LookFault::Archive)?;
                let batch = Arc::new(batch);
                self.batch = Some((chat.clone(), segment.first, Arc::clone(&batch)));
                batch
            }
        };
        Ok(usize::try_from(position.saturating_sub(segment.first)).ok().and_then(|row| batch.event(row)))
    }
}

/// The attachment that a wanted file is, where it is the event's.
pub(super) fn attachment_of<'a>(event: &'a Event, file: &WantedFile) -> Option<&'a Attachment> {
    event.wanted().any(|one| one == (file.place, file.key.file)).then(|| event.attachments.get(file.place as usize)).flatten()
}
