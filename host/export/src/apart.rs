//! A chat's events as files of its own, for exports that send conversation files as they are.
//!
//! What arrived for many chats at once lies in one file ([`consign_archive::ArchiveWriter::put_arrivals`]), and nobody may get another chat's messages with it, encrypted or
//! not. So before the first of a chat's windows without decrypting is composed, such events are written as a segment, which takes their place in the index. The file
//! with the other chats stays as it is. It is done once: what a window composes again later is the same file.

use consign_model::{ChatKey, HeldReason};
use consign_store::{SegmentRecord, StoreError};

use crate::Exporter;

/// These segments of a chat, each with a file of its own.
pub(crate) async fn set_apart(exporter: &Exporter, chat: &ChatKey, segments: Vec<SegmentRecord>) -> Result<Vec<SegmentRecord>, HeldReason> {
    let mut apart = Vec::with_capacity(segments.len());
    for segment in segments {
        apart.push(if segment.row.is_some() { of_its_own(exporter, chat, segment).await? } else { segment });
    }
    Ok(apart)
}

async fn of_its_own(exporter: &Exporter, chat: &ChatKey, mut segment: SegmentRecord) -> Result<SegmentRecord, HeldReason> {
    let Exporter { archive, store, tenant, .. } = exporter;
    let fault = |error: &dyn std::fmt::Display| HeldReason::Archive { text: error.to_string() };
    loop {
        let mut batch = archive.segment(chat, segment.extent()).await.map_err(|error| fault(&error))?;
        batch.first = segment.first;
        let stored = archive.writer().put_segment(chat, &batch).await.map_err(|error| fault(&error))?;
        let also_in = Some((segment.path.clone(), segment.digest));
        let own = SegmentRecord { path: stored.path, digest: stored.digest, row: None, also_in, ..segment.clone() };
        match store.put_apart(tenant, chat, &own).await {
            Ok(()) => return Ok(own),
            // Somebody else has done it meanwhile, and theirs is the one that counts; or the file with the other chats is another by now.
            Err(StoreError::Conflict { .. }) => {
                let known = store.segments(tenant, chat, own.first).await.map_err(|error| fault(&error))?;
                match known.into_iter().find(|one| one.first == own.first && one.events == own.events) {
                    Some(theirs) if theirs.row.is_none() => return Ok(theirs),
                    Some(other) if other.path != segment.path => segment = other,
                    _ => return Err(fault(&"the index has no such segment any more: restore the store from a backup")),
                }
            }
            Err(error) => return Err(fault(&error)),
        }
    }
}
