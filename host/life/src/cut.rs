//! Takes events out of files.
//!
//! A segment that has a file of its own is written anew without them. What lies in a file with other chats' events has to leave that file, so the whole of it is written anew, and the other
//! chats' segments name the new one too. Each file is one write of the index.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use consign_archive::{ArchiveError, attachment_path};
use consign_model::keeping::Gone;
use consign_model::{ChatKey, Digest, EventBatch, Rows, Timestamp};
use consign_store::{Decided, Replaced, SegmentRecord};

use crate::{Life, LifeError};

/// What is to go: rows of segments.
#[derive(Default)]
pub struct Cut {
    rows: BTreeMap<(ChatKey, u64), (SegmentRecord, BTreeSet<u32>)>,
}

impl Cut {
    pub fn add(&mut self, chat: &ChatKey, segment: SegmentRecord, rows: BTreeSet<u32>) {
        if !rows.is_empty() {
            self.rows.insert((chat.clone(), segment.first), (segment, rows));
        }
    }

    fn of(&self, chat: &ChatKey, first: u64) -> Option<&BTreeSet<u32>> {
        self.rows.get(&(chat.clone(), first)).map(|(_, rows)| rows)
    }
}

/// A file that is written anew.
struct Anew {
    replaced: Vec<Replaced>,
    /// Files that hung on what goes.
    attachments: BTreeSet<Digest>,
    events: u64,
}

impl Life {
    /// Takes these out of their files, and counts the events that go. A conflict of the store's: something changed since it was decided.
    pub(crate) async fn cut(&self, cut: Cut, decided: &Decided, events: &mut u64) -> Result<(), LifeError> {
        let mut shared = BTreeMap::new();
        for ((chat, _), (segment, rows)) in &cut.rows {
            if segment.row.is_some() {
                shared.insert(segment.path.clone(), segment.digest);
                continue;
            }
            if let Some((path, digest)) = &segment.also_in {
                shared.insert(path.clone(), *digest);
            }
            let anew = self.alone(chat, segment, rows).await?;
            *events += self.put(anew, decided).await?;
        }
        for (path, digest) in shared {
            if let Some(anew) = self.together(&path, &digest, &cut).await? {
                *events += self.put(anew, decided).await?;
            }
        }
        Ok(())
    }

    async fn put(&self, anew: Anew, decided: &Decided) -> Result<u64, LifeError> {
        let attachments: Vec<String> = anew.attachments.iter().map(attachment_path).collect();
        let (store, tenant, by) = (&self.exporter.store, &self.exporter.tenant, &self.exporter.author);
        store.replace_segments(tenant, &anew.replaced, &attachments, decided, by).await?;
        Ok(anew.events)
    }

    /// A segment with a file of its own. Another one that has its events too is left to [`Self::together`].
    async fn alone(&self, chat: &ChatKey, segment: &SegmentRecord, rows: &BTreeSet<u32>) -> Result<Anew, LifeError> {
        let archive = &self.exporter.archive;
        let mut batch = archive.segment(chat, segment.extent()).await?;
        batch.first = segment.first;
        let (gone, attachments) = gone_of(segment, &batch, rows);
        let left = batch.without(&gone);
        let stored = archive.writer().put_segment(chat, &left).await?;
        let now = SegmentRecord { path: stored.path, digest: stored.digest, gone: Some(gone), ..segment.clone() };
        let replaced = vec![Replaced { chat: chat.clone(), was: segment.clone(), now }];
        Ok(Anew { replaced, attachments, events: rows.len() as u64 })
    }

    /// A file of many chats, with all segments that are in it. None where the index names it no more.
    async fn together(&self, path: &str, digest: &Digest, cut: &Cut) -> Result<Option<Anew>, LifeError> {
        let archive = &self.exporter.archive;
        let arrivals = match archive.arrivals(path, digest).await {
            Ok(arrivals) => arrivals,
            // Of one that has no segment any more but those that also have a file of their own.
            Err(ArchiveError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut anew = Anew { replaced: Vec::new(), attachments: BTreeSet::new(), events: 0 };
        let mut pieces: Vec<(ChatKey, EventBatch)> = Vec::new();
        let mut places: HashMap<usize, usize> = HashMap::new();
        let listed: Vec<(ChatKey, Rows, u64)> = arrivals.pieces().map(|(chat, rows, first)| (chat.clone(), rows, first)).collect();
        for (chat, rows, first) in listed {
            let known = self.exporter.store.segments(&self.exporter.tenant, &chat, first).await?;
            let Some(segment) = known.into_iter().find(|one| one.first == first) else { continue };
            let in_it = segment.path == path && segment.row == Some(rows.first);
            if in_it {
                let Some(mut batch) = arrivals.piece(&chat, rows) else { continue };
                batch.first = first;
                let mut now = segment.clone();
                if let Some(rows) = cut.of(&chat, first) {
                    let (gone, attachments) = gone_of(&segment, &batch, rows);
                    anew.attachments.extend(attachments);
                    anew.events += rows.len() as u64;
                    batch = batch.without(&gone);
                    now.gone = Some(gone);
                }
                places.insert(anew.replaced.len(), pieces.len());
                pieces.push((chat.clone(), batch));
                anew.replaced.push(Replaced { chat, was: segment, now });
            } else if segment.also_in.as_ref().is_some_and(|(of, _)| of == path) {
                let now = SegmentRecord { also_in: None, ..segment.clone() };
                anew.replaced.push(Replaced { chat, was: segment, now });
            }
        }
        if !pieces.is_empty() {
            let (stored, rows) = archive.writer().put_arrivals(pieces).await?;
            for (place, piece) in places {
                if let (Some(one), Some(row)) = (anew.replaced.get_mut(place), rows.get(piece)) {
                    one.now = SegmentRecord { path: stored.path.clone(), digest: stored.digest, row: Some(*row), ..one.now.clone() };
                }
            }
        }
        Ok(Some(anew).filter(|anew| !anew.replaced.is_empty()))
    }
}

/// What is gone of a segment when these rows are too, and the files that hung on them.
fn gone_of(segment: &SegmentRecord, batch: &EventBatch, rows: &BTreeSet<u32>) -> (Gone, BTreeSet<Digest>) {
    let mut all = rows.clone();
    all.extend(segment.gone.iter().flat_map(Gone::iter));
    let left = (0..segment.events).filter(|row| !all.contains(row));
    let oldest = left.filter_map(|row| batch.times.get(row as usize)).min().map(|at| Timestamp(*at));
    let attachments = batch.attachments.iter().filter(|(row, _)| rows.contains(row)).filter_map(|(_, file)| file.digest).collect();
    (Gone::of(all, oldest), attachments)
}
