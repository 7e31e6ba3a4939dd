//! Deleting: what the rules of retention, an erasure, or the end of a tenant say may go, and nothing else calls this.

use std::collections::HashSet;

use consign_model::{Digest, TenantId};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::attachment::lock_digest;
use crate::place::Place;
use crate::{Archive, ArchiveError, Use};

/// Where the attachment with this SHA-256 of its plaintext lies, in the tenant's folder.
pub fn attachment_path(digest: &Digest) -> String {
    Place::attachment(digest)
}

/// The SHA-256 of the plaintext of the attachment that lies there; unset where none does.
pub fn attachment_at(path: &str) -> Option<Digest> {
    Place::attachment_at(path)
}

/// Deletes everything that a tenant has, whose end it is: nobody is at work with its files any more. Says how many files.
pub async fn delete_all_of(store: &dyn ObjectStore, tenant: &TenantId) -> Result<u64, ArchiveError> {
    let folder = Path::from(tenant.as_str());
    let unreadable = |source| ArchiveError::Unreadable { path: tenant.to_string(), source };
    let mut files = store.list(Some(&folder));
    let mut deleted = 0;
    while let Some(file) = files.try_next().await.map_err(unreadable)? {
        match store.delete(&file.location).await {
            Ok(()) => deleted += 1,
            Err(object_store::Error::NotFound { .. }) => {}
            Err(source) => return Err(ArchiveError::Unwritable { path: file.location.to_string(), source }),
        }
    }
    Ok(deleted)
}

/// Attachments among which some may go.
pub struct Unnamed<'a> {
    archive: &'a Archive,
    candidates: HashSet<Digest>,
}

impl Drop for Unnamed<'_> {
    fn drop(&mut self) {
        self.archive.writer.uses.stop_noting();
    }
}

impl Archive {
    /// Somebody begins to work with files: until this is dropped, none that the index names now is deleted.
    pub fn begin_use(&self) -> Use {
        self.writer.begin_use()
    }

    /// Until everybody has ended who is at work with files now.
    pub async fn at_rest(&self) {
        self.writer.uses.ended().await;
    }

    /// Deletes a segment or arrival file that the index names no more, when everybody is done who may still know of it. One that is gone already is no error.
    pub async fn delete_file(&self, path: &str) -> Result<(), ArchiveError> {
        let location = self.writer.place.path(path)?;
        if !Place::is_of_events(path) {
            return Err(ArchiveError::Refused { path: location.to_string(), what: "it is no file of events".to_owned() });
        }
        self.writer.uses.ended().await;
        self.remove(&location).await
    }

    /// Begins to delete those of some attachments that no event names any more. Unset while another such look is under way. When this returns, every event is
    /// committed whose attachment came before: look through the index then.
    pub async fn begin_unnamed(&self, candidates: HashSet<Digest>) -> Option<Unnamed<'_>> {
        if !self.writer.uses.note() {
            return None;
        }
        let unnamed = Unnamed { archive: self, candidates };
        self.writer.uses.ended().await;
        Some(unnamed)
    }

    async fn remove(&self, location: &Path) -> Result<(), ArchiveError> {
        match self.writer.store.delete(location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(ArchiveError::Unwritable { path: location.to_string(), source }),
        }
    }
}

impl Unnamed<'_> {
    /// Some event names these.
    pub fn named<'a>(&mut self, digests: impl Iterator<Item = &'a Digest>) {
        for digest in digests {
            self.candidates.remove(digest);
        }
    }

    /// Whether there is nothing left that could go.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// All was looked through: deletes what is left, but for what has come again meanwhile. Says how many.
    pub async fn delete(self) -> Result<u64, ArchiveError> {
        // Whoever may still read an event that named them has ended.
        self.archive.writer.uses.ended().await;
        let deleted = futures::stream::iter(&self.candidates).then(|digest| async move {
            let location = self.archive.writer.place.path(&Place::attachment(digest))?;
            // Between this look and the end of the deletion none comes that would find it there.
            let _guard = lock_digest(digest).await;
            if self.archive.writer.uses.has_come(digest) {
                return Ok(0);
            }
            self.archive.remove(&location).await.map(|()| 1)
        });
        deleted.try_fold(0, |sum, one| async move { Ok(sum + one) }).await
    }
}
