//! Which earlier e-mails a group follows: those with the messages that its edits and deletions are of, and those that its late events would have stood in.
//!
//! An archive shows e-mails, not chats. An edit that is exported a day after its message would stand there by itself; by `References` the archive, and who
//! reads it, find the message. Found only where a group has such an event, and then by reading the chat's earlier segments, newest first: there is no index
//! by message, which every import would have to write.
//!
//! The same window has to name the same e-mails each time it is composed, whatever has been sent since. So an e-mail counts that was accepted when the
//! window's run began, and no other; and it is of the same person's copies as the group.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use consign_archive::ArchiveError;
use consign_model::{EventBatch, EventKind, Flags, HeldReason, Window};
use consign_store::{SegmentRecord, WindowFilter};
use tokio::runtime::Handle;

use crate::compose::Row;
use crate::pages::Windows;
use crate::reader::Reader;
use crate::verdicts::VerdictEmail;
use crate::{ExportError, Exporter};

/// Late events of a group that are looked for, spread evenly: a header names fewer e-mails anyway.
const LATE: usize = 64;
/// Segments in which a neighbour of a late event is looked for, the nearest ones, and neighbours in each: one may have been left out by a criterion, and
/// those beside it too.
const SEGMENTS: usize = 8;
const NEIGHBOURS: usize = 256;

/// Finds earlier e-mails of a window's chat. Blocks.
pub(crate) struct Earlier<'a> {
    exporter: &'a Exporter,
    runtime: &'a Handle,
    window: &'a Window,
    /// Read when something is first looked for.
    before: Option<Before>,
}

/// What lies before the window.
struct Before {
    /// The chat's windows, by position, with their e-mails where these were asked for.
    windows: Vec<(Window, Option<Vec<VerdictEmail>>)>,
    /// Their segments, by position.
    segments: Vec<SegmentRecord>,
    /// Some that were read, by place, and how much that is.
    read: HashMap<usize, Arc<EventBatch>>,
    bytes: usize,
    /// Positions of the earlier messages that something in this window is an edit or a deletion of; unset until one is asked for.
    touched: Option<HashMap<String, u64>>,
}

impl<'a> Earlier<'a> {
    pub fn new(exporter: &'a Exporter, runtime: &'a Handle, window: &'a Window) -> Self {
        Self { exporter, runtime, window, before: None }
    }

    /// The Message-IDs of the e-mails that a group follows, the oldest first. `subject`: whose copy the group is.
    pub fn references(&mut self, subject: Option<&str>, events: &[Row], reader: &mut Reader) -> Result<Vec<String>, HeldReason> {
        let touches = |one: &&Row| matches!(one.event.kind, EventKind::Edit | EventKind::Delete);
        let shown: HashSet<&str> = events.iter().filter(|one| one.event.kind == EventKind::Message).map(|one| one.event.id.as_str()).collect();
        let targets = events.iter().filter(touches).filter_map(|one| one.event.target.as_deref());
        let targets: HashSet<&str> = targets.filter(|target| !shown.contains(target)).collect();
        let is_late = |one: &&Row| one.event.flags.has(Flags::LATE) && !touches(one);
        let late = spread(events.iter().filter(is_late).map(|one| one.event.at.0).collect());
        if self.window.key.from == 0 || (targets.is_empty() && late.is_empty()) {
            return Ok(Vec::new());
        }
        self.look_before()?;
        let positions = if targets.is_empty() { BTreeSet::new() } else { self.positions(&targets, reader)? };
        let mut found = BTreeSet::new();
        for position in positions {
            found.extend(self.email_with(position, subject)?);
        }
        for at in late {
            found.extend(self.beside(at, subject)?);
        }
        let Some(before) = &self.before else { return Ok(Vec::new()) };
        let emails = found.iter().filter_map(|(window, email)| before.windows.get(*window)?.1.as_ref()?.get(*email));
        Ok(emails.map(|email| email.message_id.clone()).collect())
    }

    /// Where these messages are, as far as they are before the window: looked for once, for all groups.
    fn positions(&mut self, of: &HashSet<&str>, reader: &mut Reader) -> Result<BTreeSet<u64>, HeldReason> {
        if self.before.as_ref().is_some_and(|before| before.touched.is_none()) {
            let mut targets = HashSet::new();
            let mut own = HashMap::new();
            for index in 0..reader.batches() {
                let batch = reader.batch(index).map_err(|error| unreadable(&error))?;
                let touches = |row: &usize| matches!(batch.kind(*row), EventKind::Edit | EventKind::Delete);
                targets.extend((0..batch.len()).filter(touches).filter_map(|row| batch.targets.get_some(row)).map(str::to_owned));
            }
            // One of this window that stands in another group, or in none, was in no earlier e-mail.
            for index in 0..reader.batches() {
                let batch = reader.batch(index).map_err(|error| unreadable(&error))?;
                take_messages(&batch, &mut targets, &mut own);
            }
            let mut found = HashMap::new();
            let segments = self.before.as_ref().map_or(0, |before| before.segments.len());
            for index in (0..segments).rev() {
                if targets.is_empty() {
                    break;
                }
                if let Some(batch) = self.batch(index)? {
                    take_messages(&batch, &mut targets, &mut found);
                }
            }
            if let Some(before) = &mut self.before {
                before.touched = Some(found);
            }
        }
        let touched = self.before.as_ref().and_then(|before| before.touched.as_ref());
        Ok(of.iter().filter_map(|id| touched?.get(*id).copied()).collect())
    }

    fn look_before(&mut self) -> Result<(), HeldReason> {
        if self.before.is_some() {
            return Ok(());
        }
        let (Exporter { store, tenant, .. }, key) = (self.exporter, &self.window.key);
        let read = async {
            let windows = Windows::all(self.exporter, WindowFilter::OfChat(key.policy.clone(), key.chat.clone())).await?;
            let windows: Vec<_> = windows.into_iter().filter(|one| one.key.from < key.from).map(|one| (one, None)).collect();
            // What lies before the first window is in no e-mail of the policy.
            let first = windows.first().map_or(key.from, |(first, _): &(Window, _)| first.key.from);
            let segments = store.segments(tenant, &key.chat, first).await?;
            let segments = segments.into_iter().filter(|one| one.end() <= key.from).collect();
            Ok::<_, ExportError>(Before { windows, segments, read: HashMap::new(), bytes: 0, touched: None })
        };
        self.before = Some(self.runtime.block_on(read).map_err(|error| HeldReason::Archive { text: error.to_string() })?);
        Ok(())
    }

    /// An earlier segment's events; unset where it is lost: that holds nothing of what is exported now.
    fn batch(&mut self, index: usize) -> Result<Option<Arc<EventBatch>>, HeldReason> {
        let budget = self.exporter.pace.held_bytes;
        let Some(before) = &mut self.before else { return Ok(None) };
        if let Some(batch) = before.read.get(&index) {
            return Ok(Some(Arc::clone(batch)));
        }
        let Some(segment) = before.segments.get(index) else { return Ok(None) };
        match self.exporter.archive.segment_blocking(self.runtime, &self.window.key.chat, segment.extent()) {
            Ok(mut batch) => {
                batch.first = segment.first;
                let (bytes, batch) = (batch.text_bytes(), Arc::new(batch));
                if before.bytes + bytes > budget {
                    before.read.clear();
                    before.bytes = 0;
                }
                before.bytes += bytes;
                before.read.insert(index, Arc::clone(&batch));
                Ok(Some(batch))
            }
            Err(error) => self.lost(&error).map(|()| None),
        }
    }

    /// Lost for good: the e-mail goes out without the reference. What can't be read now only may be there the next time.
    fn lost(&self, error: &ArchiveError) -> Result<(), HeldReason> {
        match error {
            ArchiveError::Missing { .. } | ArchiveError::Damaged { .. } | ArchiveError::WrongKey { .. } => {
                tracing::warn!(window = self.window.key.id(), "an e-mail may lack References: {error}");
                Ok(())
            }
            error => Err(unreadable(error)),
        }
    }

    /// The e-mail that shows an event: the places of its window and of itself in that.
    fn email_with(&mut self, position: u64, subject: Option<&str>) -> Result<Option<(usize, usize)>, HeldReason> {
        let Some(before) = &self.before else { return Ok(None) };
        let Some(index) = before.windows.partition_point(|(one, _)| one.key.from <= position).checked_sub(1) else { return Ok(None) };
        let emails = self.emails(index)?;
        let shows = |one: &VerdictEmail| one.events.iter().any(|(first, last)| (*first..=*last).contains(&position));
        Ok(emails.iter().position(|one| one.subject.as_deref() == subject && shows(one)).map(|email| (index, email)))
    }

    /// The e-mails of an earlier window that were accepted when this window's run began.
    fn emails(&mut self, index: usize) -> Result<&[VerdictEmail], HeldReason> {
        let Some((window, emails)) = self.before.as_mut().and_then(|before| before.windows.get_mut(index)) else { return Ok(&[]) };
        if emails.is_none() {
            let (exporter, key, begun) = (self.exporter, &window.key, self.window.ends_at);
            let read = async {
                let Some(verdicts) = window.state.settled().and_then(|settled| settled.verdicts.as_ref()) else { return Ok(Vec::new()) };
                let ledger = exporter.store.deliveries(&exporter.tenant, key).await?;
                let accepted = ledger.iter().filter(|one| one.is_accepted() && one.attempted_at <= begun);
                let accepted: HashSet<(u32, u32)> = accepted.map(|one| (one.key.group, one.key.part)).collect();
                let mut emails = exporter.verdicts(key, verdicts).await?.emails;
                emails.retain(|one| accepted.contains(&(one.group, one.part)));
                Ok(emails)
            };
            let read = self.runtime.block_on(read);
            *emails = Some(match read {
                Ok(read) => read,
                Err(ExportError::Archive(ArchiveError::Missing { .. } | ArchiveError::Damaged { .. } | ArchiveError::WrongKey { .. })) => Vec::new(),
                Err(error) => return Err(HeldReason::Archive { text: error.to_string() }),
            });
        }
        Ok(emails.as_deref().unwrap_or_default())
    }

    /// The e-mail in which something of this time would have stood: the one with the event before it, or where there is none with the one after it.
    fn beside(&mut self, at: i64, subject: Option<&str>) -> Result<Option<(usize, usize)>, HeldReason> {
        let Some(before) = &self.before else { return Ok(None) };
        // Of those at the same distance the newest.
        let mut nearest: Vec<(bool, u64, Reverse<usize>)> =
            before.segments.iter().enumerate().map(|(index, segment)| (segment.first_at.0 > at, distance(segment, at), Reverse(index))).collect();
        nearest.sort_unstable();
        // The nearest so far, with its e-mail.
        let mut best: Option<(Neighbour, (usize, usize))> = None;
        for (is_after, distance, Reverse(index)) in nearest.into_iter().take(SEGMENTS) {
            if best.is_some_and(|((after, apart, _), _)| (after, apart) < (is_after, distance)) {
                break;
            }
            let Some(batch) = self.batch(index)? else { continue };
            let events = batch.times.iter().zip(batch.first..).map(|(time, position)| (*time > at, time.abs_diff(at), Reverse(position)));
            let mut events: Vec<Neighbour> = events.collect();
            events.sort_unstable();
            for event in events.into_iter().take(NEIGHBOURS) {
                if best.is_some_and(|(nearer, _)| nearer < event) {
                    break;
                }
                if let Some(email) = self.email_with(event.2.0, subject)? {
                    best = Some((event, email));
                    break;
                }
            }
        }
        Ok(best.map(|(_, email)| email))
    }
}

/// An event beside a late one: whether it is after that, how far, and (the newest first) its position.
type Neighbour = (bool, u64, Reverse<u64>);

/// Milliseconds between a time and what a segment covers.
fn distance(segment: &SegmentRecord, at: i64) -> u64 {
    at.clamp(segment.first_at.0, segment.last_at.0.max(segment.first_at.0)).abs_diff(at)
}

/// Takes the messages of a batch out of those that are looked for, and keeps their positions.
fn take_messages(batch: &EventBatch, targets: &mut HashSet<String>, found: &mut HashMap<String, u64>) {
    for (row, id) in batch.ids.iter().enumerate() {
        if batch.kind(row) == EventKind::Message && targets.remove(id) {
            found.insert(id.to_owned(), batch.first + row as u64);
        }
    }
}

/// Some of these times, spread evenly, each once.
fn spread(mut times: Vec<i64>) -> Vec<i64> {
    times.sort_unstable();
    times.dedup();
    let (count, last) = (times.len(), times.len().saturating_sub(1));
    if count <= LATE {
        return times;
    }
    (0..LATE).filter_map(|step| times.get(step * last / (LATE - 1)).copied()).collect()
}

fn unreadable(error: &ArchiveError) -> HeldReason {
    HeldReason::Archive { text: error.to_string() }
}
