//! What new events are stored as: much of one chat as a segment of its own, little of many chats together as an arrival file.
//!
//! A segment costs a key agreement, a compressor for each column and flushes of its own, which is nothing for a thousand events and nearly all of the time for fifty. An
//! arrival file is read as a whole, so it is kept small enough that whoever wants one chat of it does not read much for nothing.

use consign_archive::{ArchiveError, ArchiveWriter};
use consign_model::{ChatKey, Digest, EventBatch};
use futures::{StreamExt, TryStreamExt};

/// From so many bytes of text on a chat's events are a segment ([`EventBatch::text_bytes`]).
const MUCH: usize = 256 << 10;
/// Of an arrival file at most, where it holds more than one chat.
const TOGETHER: usize = 1 << 20;
/// Files made at once: compressing and encrypting are work for processors, and there are two or more.
const AT_ONCE: usize = 4;

/// Where a chat's new events lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub path: String,
    pub digest: Digest,
    /// Their first row, in a file with other chats'.
    pub row: Option<u32>,
}

/// Stores each chat's events, durably; where each lies, in their order. No chat may be there twice.
pub(crate) async fn put(archive: &ArchiveWriter, news: Vec<(ChatKey, EventBatch)>) -> Result<Vec<Place>, ArchiveError> {
    let files = futures::stream::iter(split(news)).map(|pieces| put_file(archive, pieces)).buffered(AT_ONCE);
    let places: Vec<Vec<Place>> = files.try_collect().await?;
    Ok(places.into_iter().flatten().collect())
}

/// What goes into a file each, in the order given.
fn split(news: Vec<(ChatKey, EventBatch)>) -> Vec<Vec<(ChatKey, EventBatch)>> {
    let mut files: Vec<Vec<(ChatKey, EventBatch)>> = Vec::new();
    // Of the last file; nothing fits into one that is a segment.
    let mut bytes = TOGETHER;
    for (chat, batch) in news {
        let more = batch.text_bytes();
        bytes = if more >= MUCH { TOGETHER } else { bytes.saturating_add(more) };
        if let Some(file) = files.last_mut().filter(|_| bytes < TOGETHER) {
            file.push((chat, batch));
        } else {
            bytes = if more >= MUCH { TOGETHER } else { more };
            files.push(vec![(chat, batch)]);
        }
    }
    files
}

async fn put_file(archive: &ArchiveWriter, pieces: Vec<(ChatKey, EventBatch)>) -> Result<Vec<Place>, ArchiveError> {
    if let [(chat, batch)] = pieces.as_slice() {
        let stored = archive.put_segment(chat, batch).await?;
        return Ok(vec![Place { path: stored.path, digest: stored.digest, row: None }]);
    }
    let (stored, rows) = archive.put_arrivals(pieces).await?;
    Ok(rows.into_iter().map(|row| Place { path: stored.path.clone(), digest: stored.digest, row: Some(row) }).collect())
}

#[cfg(test)]
mod tests {
    use consign_model::{Event, EventKind, Timestamp};

    use super::*;

    fn piece(chat: usize, bytes: usize) -> (ChatKey, EventBatch) {
        let mut event = Event::new(EventKind::Message, "m", Timestamp(0));
        event.text = "x".repeat(bytes.saturating_sub(65));
        let source = consign_model::Name::try_from("s".to_owned()).unwrap_or_else(|_| unreachable!());
        (ChatKey { source, id: chat.to_string() }, EventBatch::from_events(0, &[event]))
    }

    #[test]
    fn little_of_many_goes_together_and_much_of_one_alone() {
        let sizes = |sizes: &[usize]| -> Vec<Vec<usize>> {
            let news = sizes.iter().enumerate().map(|(chat, bytes)| piece(chat, *bytes)).collect();
            split(news).iter().map(|file| file.iter().map(|(_, batch)| batch.text_bytes()).collect()).collect()
        };
        assert_eq!(sizes(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(sizes(&[100, 200, 300]), [[100, 200, 300]]);
        assert_eq!(sizes(&[100, MUCH, 200, 300]), [vec![100], vec![MUCH], vec![200, 300]]);
        assert_eq!(sizes(&[2 * TOGETHER, MUCH - 1]), [[2 * TOGETHER], [MUCH - 1]]);
        let many = sizes(&[100_000; 50]);
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 10, 10]);
    }
}
