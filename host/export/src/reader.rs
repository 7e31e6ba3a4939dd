//! A window's events, decrypted when they are asked for.
//!
//! Evaluating goes through all of them in order, composing through those of a group; what fits is kept between the two, and a very large window is
//! decrypted twice rather than held. Reading blocks: it is called from threads that evaluate and compose, not from async tasks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use consign_archive::{Archive, ArchiveError};
use consign_model::{ChatKey, EventBatch, EventKind, Flags, Timestamp};
use consign_store::SegmentRecord;
use tokio::runtime::Handle;

/// The events of one window.
pub(crate) struct Reader {
    archive: Arc<Archive>,
    runtime: Handle,
    chat: ChatKey,
    /// By position; window ends and segment ends coincide, since both are made by arrival.
    segments: Vec<SegmentRecord>,
    /// Late is what happened before this and arrived in this window.
    late_before: Option<i64>,
    /// Messages that were edited or deleted in this window; filled by the first pass.
    touched: Option<HashMap<String, Touched>>,
    kept: HashMap<usize, Arc<EventBatch>>,
    order: VecDeque<usize>,
    bytes: usize,
    budget: usize,
}

/// What this window does to a message.
#[derive(Default)]
struct Touched {
    flags: u8,
    /// Its edits, by time and position.
    edits: Vec<(Timestamp, u64)>,
}

impl Reader {
    /// A reader of `segments` of a chat, which are exactly the window's; `starts_at` is its [`consign_model::Window::starts_at`].
    pub fn new(
        archive: Arc<Archive>,
        runtime: Handle,
        starts_at: Option<Timestamp>,
        chat: ChatKey,
        segments: Vec<SegmentRecord>,
        budget: usize,
    ) -> Self {
        Self {
            archive,
            runtime,
            chat,
            segments,
            late_before: starts_at.map(|at| at.0),
            touched: None,
            kept: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            budget,
        }
    }

    /// How many batches there are.
    pub fn batches(&self) -> usize {
        self.segments.len()
    }

    /// The segments, by position.
    pub fn segments(&self) -> &[SegmentRecord] {
        &self.segments
    }

    /// A segment's file as it is, encrypted.
    pub fn sealed(&self, segment: &SegmentRecord) -> Result<bytes::Bytes, ArchiveError> {
        self.runtime.block_on(self.archive.segment_file(&segment.path, &segment.digest))
    }

    /// The batch that holds this position, and the row in it.
    pub fn find(&self, position: u64) -> Option<(usize, usize)> {
        let batch = self.segments.partition_point(|segment| segment.first <= position).checked_sub(1)?;
        let row = position - self.segments.get(batch)?.first;
        Some((batch, usize::try_from(row).ok()?))
    }

    /// Batch `index`, with the flags that follow from the window.
    pub fn batch(&mut self, index: usize) -> Result<Arc<EventBatch>, ArchiveError> {
        if self.touched.is_none() {
            self.first_pass()?;
        }
        if let Some(batch) = self.kept.get(&index) {
            return Ok(Arc::clone(batch));
        }
        let mut batch = self.decrypt(index)?;
        self.set_flags(&mut batch);
        Ok(self.keep(index, batch))
    }

    /// Finds which messages this window's edits and deletions touch. Batches that fit are kept, so a window of ordinary size is decrypted once.
    fn first_pass(&mut self) -> Result<(), ArchiveError> {
        let mut touched: HashMap<String, Touched> = HashMap::new();
        let mut batches = Vec::new();
        let mut bytes = 0;
        for index in 0..self.segments.len() {
            let batch = self.decrypt(index)?;
            for (row, kind) in batch.kinds.iter().enumerate() {
                let flag = match EventKind::from_number(*kind) {
                    Some(EventKind::Edit) if !batch.adds_files(row) && !batch.differs(row) => Flags::EDITED,
                    Some(EventKind::Delete) => Flags::DELETED,
                    _ => continue,
                };
                if let Some(target) = batch.targets.get_some(row) {
                    let touched = touched.entry(target.to_owned()).or_default();
                    touched.flags |= flag.0;
                    if flag == Flags::EDITED {
                        let at = Timestamp(batch.times.get(row).copied().unwrap_or_default());
                        touched.edits.push((at, batch.first + row as u64));
                    }
                }
            }
            bytes += batch.text_bytes();
            if bytes <= self.budget {
                batches.push((index, batch));
            }
        }
        for touched in touched.values_mut() {
            touched.edits.sort_unstable();
        }
        self.touched = Some(touched);
        for (index, mut batch) in batches {
            self.set_flags(&mut batch);
            self.keep(index, batch);
        }
        Ok(())
    }

    /// Every edit of a message that this window has, by time and position; known once a batch was read.
    pub fn edits_of(&self, message: &str) -> &[(Timestamp, u64)] {
        self.touched.as_ref().and_then(|touched| touched.get(message)).map_or(&[], |touched| touched.edits.as_slice())
    }

    fn decrypt(&self, index: usize) -> Result<EventBatch, ArchiveError> {
        let Some(segment) = self.segments.get(index) else { return Ok(EventBatch::default()) };
        let mut batch = self.archive.segment_blocking(&self.runtime, &self.chat, segment.extent())?;
        batch.first = segment.first;
        Ok(batch)
    }

    fn set_flags(&self, batch: &mut EventBatch) {
        let EventBatch { kinds, times, flags, ids, .. } = batch;
        for (row, flag) in flags.iter_mut().enumerate() {
            if let (Some(before), Some(at)) = (self.late_before, times.get(row))
                && *at < before
            {
                *flag |= Flags::LATE.0;
            }
            let touched = self.touched.as_ref().filter(|touched| !touched.is_empty());
            if let Some(touched) = touched
                && kinds.get(row) == Some(&(EventKind::Message as u8))
                && let Some(more) = touched.get(ids.get(row))
            {
                *flag |= more.flags;
            }
        }
    }

    fn keep(&mut self, index: usize, batch: EventBatch) -> Arc<EventBatch> {
        let batch = Arc::new(batch);
        self.bytes += batch.text_bytes();
        self.kept.insert(index, Arc::clone(&batch));
        self.order.push_back(index);
        while self.bytes > self.budget && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.kept.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(gone.text_bytes());
            }
        }
        batch
    }
}
