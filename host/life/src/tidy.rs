//! Deletes files that the index names no more.

use std::collections::HashMap;

use consign_archive::attachment_at;
use consign_model::Digest;

use crate::{Life, LifeError, PAGE};

/// Files looked at together.
const STEP: usize = 100_000;

impl Life {
    /// Deletes what is left over: files of events, and attachments that no event has any more. Says how many of the latter.
    pub(crate) async fn tidy(&self) -> Result<u64, LifeError> {
        let (store, tenant, archive) = (&self.exporter.store, &self.exporter.tenant, &self.exporter.archive);
        let mut attachments: HashMap<Digest, String> = HashMap::new();
        for path in store.leftovers(tenant, STEP).await? {
            if let Some(digest) = attachment_at(&path) {
                attachments.insert(digest, path);
            } else {
                archive.delete_file(&path).await?;
                store.forget_leftover(tenant, &path).await?;
            }
        }
        if attachments.is_empty() {
            return Ok(0);
        }
        // Somebody else's look is over sometime: they stay listed.
        let Some(mut unnamed) = archive.begin_unnamed(attachments.keys().copied().collect()).await else { return Ok(0) };
        let mut after = 0;
        'all: loop {
            let chats = store.chats_arrived(tenant, after, PAGE).await?;
            let Some((last, _)) = chats.last() else { break };
            after = *last;
            for (_, chat) in &chats {
                if unnamed.is_empty() {
                    break 'all;
                }
                // A file that can't be read may name any of them: then none goes.
                for segment in store.segments(tenant, chat, 0).await? {
                    let batch = archive.segment(chat, segment.extent()).await?;
                    unnamed.named(batch.attachments.iter().filter_map(|(_, file)| file.digest.as_ref()));
                }
            }
        }
        let deleted = unnamed.delete().await?;
        // Those that are named stay; when their last event goes they are listed again.
        for path in attachments.values() {
            store.forget_leftover(tenant, path).await?;
        }
        Ok(deleted)
    }
}
