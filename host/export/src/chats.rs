//! Chats as the modules of a run are shown them, for who wants to see what a module says and exports nothing: a filter's developer.
//!
//! It is the same freezing and reading as a run's, without a policy: a window of a chat is here what somebody says it is.

use std::sync::Arc;

use consign_archive::{Archive, ArchiveError};
use consign_model::{ChatKey, Name, TenantId, Timestamp};
use consign_sandbox::{BatchView, ChatContext, UnevenColumns};
use consign_store::{Store, StoreError};
use tokio::runtime::Handle;

use crate::Exporter;
use crate::freeze::{end_by, facts};
use crate::reader::Reader;

/// Chats listed at a time.
const PAGE: usize = 256;

/// The chats of one tenant.
#[derive(Clone)]
pub struct Chats {
    /// Whose they are.
    pub tenant: TenantId,
    /// The index.
    pub store: Arc<dyn Store>,
    /// Conversation files, with the key to read them.
    pub archive: Arc<Archive>,
    /// Bytes of events that a chat keeps decrypted while it is read. What is beyond is decrypted again when it is asked for again.
    pub held_bytes: usize,
}

/// Which events of a chat are looked at. [`Default`] is all that has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Position of the first event.
    pub from: u64,
    /// The position after the last, which is where an arrival ended; unset: all that is there.
    pub to: Option<u64>,
    /// The end of the window before, by the clock: what happened before it is late. Unset where there was none.
    pub starts_at: Option<Timestamp>,
    /// The only "now" that modules get; unset: the time of the chat's last event, so that looking again shows the same.
    pub ends_at: Option<Timestamp>,
}

/// Why a chat can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A segment is not what it should be.
    #[error(transparent)]
    Uneven(#[from] UnevenColumns),
}

/// A chat's events, batch by batch, as a run shows them to modules.
pub struct ShownChat {
    context: Arc<ChatContext>,
    reader: Reader,
}

impl Exporter {
    /// The chats that runs read.
    pub fn chats(&self) -> Chats {
        Chats { tenant: self.tenant.clone(), store: Arc::clone(&self.store), archive: Arc::clone(&self.archive), held_bytes: self.pace.held_bytes }
    }
}

impl Chats {
    /// The chats of a source that have events, by their ids.
    pub async fn of_source(&self, source: &Name) -> Result<Vec<ChatKey>, StoreError> {
        let (mut after, mut found) = (0, Vec::new());
        loop {
            let page = self.store.chats_arrived(&self.tenant, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            found.extend(page.into_iter().map(|(_, chat)| chat).filter(|chat| chat.source == *source));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The position up to which a chat's events had come with an arrival.
    pub async fn end_by(&self, chat: &ChatKey, arrival: u64) -> Result<u64, StoreError> {
        Ok(end_by(&self.store.segments(&self.tenant, chat, 0).await?, arrival))
    }

    /// A chat's events; none where it has none in this span.
    pub async fn show(&self, chat: &ChatKey, span: Span) -> Result<Option<ShownChat>, StoreError> {
        let Some(record) = self.store.chat(&self.tenant, chat).await? else { return Ok(None) };
        let mut segments = self.store.segments(&self.tenant, chat, span.from).await?;
        segments.retain(|segment| span.to.is_none_or(|to| segment.end() <= to));
        let Some(last) = segments.iter().map(|segment| segment.last_at).max() else { return Ok(None) };
        let events = segments.iter().map(|segment| u64::from(segment.events)).sum();
        let facts = Arc::new(facts(self.store.as_ref(), &self.tenant, record).await?);
        let context = ChatContext::new(facts, events, span.starts_at, span.ends_at.unwrap_or(last));
        let reader = Reader::new(Arc::clone(&self.archive), Handle::current(), span.starts_at, chat.clone(), segments, self.held_bytes);
        Ok(Some(ShownChat { context: Arc::new(context), reader }))
    }
}

impl ShownChat {
    /// The chat and its window.
    pub fn context(&self) -> &Arc<ChatContext> {
        &self.context
    }

    /// How many batches there are.
    pub fn batches(&self) -> usize {
        self.reader.batches()
    }

    /// Batch `index`, with the flags that follow from the window. Blocks: call it from a thread that may.
    pub fn batch(&mut self, index: usize) -> Result<Arc<BatchView>, ReadError> {
        let batch = self.reader.batch(index)?;
        let flags = batch.flags.clone();
        Ok(Arc::new(self.context.view(batch, flags)?))
    }
}
