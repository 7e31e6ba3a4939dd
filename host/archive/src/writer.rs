//! Writing: all that ingest needs, with the public key only.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use consign_model::{ChatKey, Digest, EventBatch, TenantId};
use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::attachment::AttachmentUpload;
use crate::place::Place;
use crate::segment::{encode_arrivals, record_batch, write_file};
use crate::size::Size;
use crate::uses::{Use, Uses};
use crate::{ArchiveError, KeyError, Sealer};

/// How much of an attachment is read at a time.
const READ: usize = 256 * 1024;

/// A segment or arrival file that is in the archive, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSegment {
    /// Where, in the tenant's folder.
    pub path: String,
    /// Of the file, encrypted.
    pub bytes: u64,
    /// SHA-256 of the file, encrypted.
    pub digest: Digest,
}

/// Writes a tenant's files. Knows the public key only: it can't read what it wrote. Cloning is cheap, and a clone knows of the same [`Use`]s and keys: in a process all of a
/// tenant's are clones of one.
#[derive(Clone)]
pub struct ArchiveWriter {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) place: Place,
    sealer: Arc<RwLock<Sealer>>,
    pub(crate) uses: Arc<Uses>,
    pub(crate) size: Arc<Size>,
}

impl ArchiveWriter {
    /// For a tenant and its age recipient (`age1…`).
    pub fn new(store: Arc<dyn ObjectStore>, tenant: TenantId, recipient: &str) -> Result<Self, KeyError> {
        Ok(Self {
            store,
            place: Place::new(tenant),
            sealer: Arc::new(RwLock::new(Sealer::new(recipient)?)),
            uses: Arc::default(),
            size: Arc::default(),
        })
    }

    /// Encrypts for the tenant's newest key.
    pub(crate) fn sealer(&self) -> Sealer {
        self.sealer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on files are encrypted for this recipient, also by clones.
    pub(crate) fn seal_for(&self, recipient: &str) -> Result<(), KeyError> {
        *self.sealer.write().unwrap_or_else(PoisonError::into_inner) = Sealer::new(recipient)?;
        Ok(())
    }

    /// Somebody begins to store attachments, and then the events that name them: until this is dropped, none of these is deleted.
    pub fn begin_use(&self) -> Use {
        self.uses.begin()
    }

    /// Bytes of all files of the tenant, near enough: as they were last seen or remembered, and what was written since.
    pub fn stored_bytes(&self) -> u64 {
        self.size.bytes()
    }

    /// So many were there when somebody last saw them. Counts until they are seen again.
    pub fn remember_stored(&self, bytes: u64) {
        self.size.remember(bytes);
    }

    /// The same by going through all files, which takes a while where there are many. While somebody else does it is what is known.
    pub async fn see_stored(&self) -> Result<u64, ArchiveError> {
        let Some(mut look) = self.size.look() else { return Ok(self.size.bytes()) };
        let folder = self.place.folder();
        let unreadable = |source| ArchiveError::Unreadable { path: folder.to_string(), source };
        let mut files = self.store.list(Some(&folder));
        while let Some(file) = files.next().await {
            let file = file.map_err(unreadable)?;
            look.sees(&file.location, file.size);
        }
        Ok(look.end())
    }

    /// [`ArchiveWriter::see_stored`], where this process has not done so yet.
    pub async fn stored_or_seen(&self) -> Result<u64, ArchiveError> {
        if self.size.is_seen() { Ok(self.size.bytes()) } else { self.see_stored().await }
    }

    /// Stores a segment. When this returns it is durable, and its position may be published. The same batch again makes another file
    /// (encryption is random): whichever the index names is the segment, the other one is left over.
    pub async fn put_segment(&self, chat: &ChatKey, batch: &EventBatch) -> Result<StoredSegment, ArchiveError> {
        let first = batch.first;
        // For errors, while the file has no name yet.
        let about = self.place.path(&Place::chat(chat))?;
        // Copying columns is cheap; compressing and encrypting are not, and go to a thread of their own.
        let columns = record_batch(chat, batch).map_err(|error| ArchiveError::of_segment(&about, error))?;
        let sealer = self.sealer();
        let of_segment = about.clone();
        let (file, digest) = in_background(&about, move || {
            let arrow = write_file(&columns).map_err(|error| ArchiveError::of_segment(&of_segment, error))?;
            let file = sealer.seal(&arrow).map_err(|error| ArchiveError::Refused { path: of_segment.to_string(), what: error.to_string() })?;
            let digest = Digest::of(&file);
            Ok((file, digest))
        })
        .await?;
        self.put_file(Place::segment(chat, first, &digest), file, digest).await
    }

    /// Stores what arrived for some chats, each of them once, as one file; says at which row each begins. When this returns it is durable. Of little of many
    /// chats this is far cheaper than a segment for each.
    pub async fn put_arrivals(&self, pieces: Vec<(ChatKey, EventBatch)>) -> Result<(StoredSegment, Vec<u32>), ArchiveError> {
        // For errors, while the file has no name yet.
        let about = self.place.path("arrivals")?;
        let (sealer, of_file) = (self.sealer(), about.clone());
        let (file, digest, rows) = in_background(&about, move || {
            let (arrow, rows) = encode_arrivals(&pieces).map_err(|error| ArchiveError::of_segment(&of_file, error))?;
            let file = sealer.seal(&arrow).map_err(|error| ArchiveError::Refused { path: of_file.to_string(), what: error.to_string() })?;
            let digest = Digest::of(&file);
            Ok((file, digest, rows))
        })
        .await?;
        Ok((self.put_file(Place::arrivals(&digest), file, digest).await?, rows))
    }

    async fn put_file(&self, path: String, file: Vec<u8>, digest: Digest) -> Result<StoredSegment, ArchiveError> {
        let location = self.place.path(&path)?;
        let bytes = file.len() as u64;
        match self.create(&location, file.into()).await? {
            Created::New => {}
            Created::ThereAlready => {
                let there = self.store.get(&location).await.map_err(|error| ArchiveError::of_get(&location, error))?;
                let there = there.bytes().await.map_err(|error| ArchiveError::of_get(&location, error))?;
                if Digest::of(&there) != digest {
                    return Err(ArchiveError::Occupied { path: location.to_string() });
                }
            }
        }
        Ok(StoredSegment { path, bytes, digest })
    }

    /// Stores an attachment under the SHA-256 of its bytes, once; says that and its size in bytes. Holds a few MiB of it at most.
    pub async fn put_attachment(&self, mut reader: impl AsyncRead + Unpin) -> Result<(Digest, u64), ArchiveError> {
        let mut upload = self.start_attachment();
        let mut buffer = vec![0; READ];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) => return upload.finish().await,
                Ok(length) => upload.write(buffer.get(..length).unwrap_or_default()).await?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Input(error)),
            }
        }
    }

    /// [`ArchiveWriter::put_attachment`] for a caller that is no async code: on a thread that may wait, with the runtime that does the storing.
    /// On a thread of that runtime's async work it panics, as `Handle::block_on` does.
    pub fn put_attachment_blocking(&self, runtime: &tokio::runtime::Handle, reader: &mut dyn Read) -> Result<(Digest, u64), ArchiveError> {
        let mut upload = self.start_attachment();
        let mut buffer = vec![0; READ];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return runtime.block_on(upload.finish()),
                Ok(length) => runtime.block_on(upload.write(buffer.get(..length).unwrap_or_default()))?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Input(error)),
            }
        }
    }

    /// An attachment that comes piece by piece. Dropped before its end, it leaves nothing.
    pub fn start_attachment(&self) -> AttachmentUpload {
        AttachmentUpload::new(self.clone())
    }

    /// Stores bytes of another room (a window's verdicts, say), encrypted; an earlier file there is replaced as a whole. Says the SHA-256 of
    /// the bytes, by which [`crate::Archive::sealed`] knows them again: not the file's, which is another each time the same bytes are stored. Folders of
    /// conversation files are refused.
    pub async fn put_sealed(&self, path: &str, bytes: &[u8]) -> Result<Digest, ArchiveError> {
        let location = self.place.path(path)?;
        if !Place::is_free_for_sealed(path) {
            return Err(ArchiveError::Refused { path: location.to_string(), what: "this folder is for conversation files".to_owned() });
        }
        let file = self.sealed_file(&location, Bytes::copy_from_slice(bytes)).await?;
        let (coming, size) = (self.size.coming(&location), file.len() as u64);
        self.store.put(&location, file.into()).await.map_err(|error| ArchiveError::of_put(&location, error))?;
        coming.came(size);
        Ok(Digest::of(bytes))
    }

    /// Encrypts in the background.
    pub(crate) async fn sealed_file(&self, about: &Path, plaintext: Bytes) -> Result<Vec<u8>, ArchiveError> {
        let sealer = self.sealer();
        let path = about.to_string();
        in_background(about, move || sealer.seal(&plaintext).map_err(|error| ArchiveError::Refused { path, what: error.to_string() })).await
    }

    /// Stores a file where there is none.
    pub(crate) async fn create(&self, location: &Path, payload: PutPayload) -> Result<Created, ArchiveError> {
        let (options, bytes) = (PutOptions { mode: PutMode::Create, ..PutOptions::default() }, payload.content_length() as u64);
        let coming = self.size.coming(location);
        match self.store.put_opts(location, payload, options).await {
            Ok(_) => {
                coming.came(bytes);
                Ok(Created::New)
            }
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::ThereAlready),
            Err(error) => Err(ArchiveError::of_put(location, error)),
        }
    }
}

/// What became of storing where there may be something.
pub(crate) enum Created {
    New,
    ThereAlready,
}

/// Runs work for the processor on this thread, which may wait. A library that panics on a damaged file fails that file only.
pub(crate) fn here<T>(about: &Path, work: impl FnOnce() -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(ArchiveError::BrokenOff { path: about.to_string() }))
}

/// Runs work for the processor on a thread where it keeps nobody waiting. A library that panics on a damaged file fails that file only.
pub(crate) async fn in_background<T: Send + 'static>(
    about: &Path,
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ArchiveError::BrokenOff { path: about.to_string() }))
}
