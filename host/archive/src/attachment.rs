//! An attachment on its way in.
//!
//! Its name is the digest of its bytes, which is known only after the last of them, and it may be larger than memory. So a small one waits in memory,
//! and a large one goes encrypted, piece by piece, to a staging file that gets its name at the end. Never is any of it plaintext on a disk.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use age::stream::StreamWriter;
use bytes::Bytes;
use consign_model::Digest;
use consign_model::id::Hasher;
use object_store::{MultipartUpload, ObjectStoreExt, path::Path};
use ring::rand::{SecureRandom, SystemRandom};

use crate::seal::{MAX_HEADER, whole_length};
use crate::writer::{ArchiveWriter, Created};
use crate::{ArchiveError, place::Place};

/// Up to here an attachment is held in memory; larger ones cost an upload in parts and a rename. Each upload under way may hold this much.
const SMALL: usize = 4 * 1024 * 1024;

/// Of an upload in parts. S3 takes no part under 5 MiB but the last, and at most 10,000 of them: attachments up to 80 GiB.
const PART: usize = 8 * 1024 * 1024;

/// "It is there" is true for a moment before "it is durable", while another task stores the same attachment. One lock for each first byte of a digest:
/// who finds it there has waited until the other one was done with it. (One process only; with a shared store each put is durable when visible.)
static SAME_DIGEST: [tokio::sync::Mutex<()>; 256] = [const { tokio::sync::Mutex::const_new(()) }; 256];

pub(crate) async fn lock_digest(digest: &Digest) -> Option<tokio::sync::MutexGuard<'static, ()>> {
    match SAME_DIGEST.get(usize::from(digest.0.first().copied().unwrap_or_default())) {
        Some(lock) => Some(lock.lock().await),
        None => None,
    }
}

/// An attachment of which some pieces have arrived. Dropped before [`AttachmentUpload::finish`], it leaves nothing behind.
pub struct AttachmentUpload {
    writer: ArchiveWriter,
    hasher: Hasher,
    size: u64,
    held: Held,
}

enum Held {
    Small(Vec<u8>),
    Large(Box<Large>),
    /// A piece was not taken, or the call that took it was dropped half-way: what is here and what was hashed differ.
    Broken,
}

struct Large {
    age: StreamWriter<Shared>,
    encrypted: Shared,
    upload: Box<dyn MultipartUpload>,
    staging: Path,
    /// Bytes of the parts that are uploaded.
    put: u64,
}

/// The encrypting stream owns its output; this is the other end of it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.with(|held| held.extend_from_slice(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl AttachmentUpload {
    pub(crate) fn new(writer: ArchiveWriter) -> Self {
        Self { writer, hasher: Hasher::default(), size: 0, held: Held::Small(Vec::new()) }
    }

    /// The next piece, of any length. Hashing and encrypting happen here, on the caller's thread: about two milliseconds a megabyte.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        // Broken until this piece is in: an error or a dropped call leaves it so.
        self.held = match std::mem::replace(&mut self.held, Held::Broken) {
            Held::Small(mut held) if held.len() + bytes.len() <= SMALL => {
                held.extend_from_slice(bytes);
                Held::Small(held)
            }
            Held::Small(held) => {
                let mut large = Large::start(&self.writer).await?;
                large.write(&held).await?;
                large.write(bytes).await?;
                Held::Large(Box::new(large))
            }
            Held::Large(mut large) => {
                large.write(bytes).await?;
                Held::Large(large)
            }
            Held::Broken => return Err(broken()),
        };
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// The end: stores it, unless it is there already; one that was cut short since is written anew. Says the SHA-256 of its bytes and how many they are; it is durable then.
    pub async fn finish(self) -> Result<(Digest, u64), ArchiveError> {
        let Self { writer, hasher, size, held } = self;
        if matches!(held, Held::Broken) {
            return Err(broken());
        }
        let digest = hasher.finish();
        let location = writer.place.path(&Place::attachment(&digest))?;
        let guard = lock_digest(&digest).await;
        writer.uses.came(&digest);
        let there = There::look(&writer, &location, size).await?;
        match (held, there) {
            (Held::Broken, _) => return Err(broken()),
            (Held::Small(_), There::Whole) => {}
            (Held::Large(mut large), There::Whole) => large.abandon().await,
            (Held::Small(bytes), There::Nothing | There::Cut) => {
                let file = writer.sealed_file(&location, Bytes::from(bytes)).await?;
                if there == There::Cut {
                    writer.store.put(&location, file.into()).await.map_err(|error| ArchiveError::of_put(&location, error))?;
                } else {
                    match writer.create(&location, file.into()).await? {
                        // The same name is the same content: another process was first.
                        Created::New | Created::ThereAlready => {}
                    }
                }
            }
            (Held::Large(large), There::Nothing | There::Cut) => large.finish(&writer, &location, there).await?,
        }
        drop(guard);
        Ok((digest, size))
    }
}

/// What lies under an attachment's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    /// A file as long as this attachment's must be. What is in it is checked by whoever reads it, with the private key.
    Whole,
    /// A file of another length: a disk that was full, a copy that broke off.
    Cut,
}

impl There {
    async fn look(writer: &ArchiveWriter, location: &Path, size: u64) -> Result<Self, ArchiveError> {
        let there = match writer.store.head(location).await {
            Ok(there) => there.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(Self::Nothing),
            Err(error) => return Err(ArchiveError::of_put(location, error)),
        };
        if there == 0 {
            return Ok(Self::Cut);
        }
        let range = 0..there.min(MAX_HEADER as u64);
        let beginning = writer.store.get_range(location, range).await.map_err(|error| ArchiveError::of_get(location, error))?;
        Ok(if whole_length(&beginning, size) == Some(there) { Self::Whole } else { Self::Cut })
    }
}

impl Large {
    async fn start(writer: &ArchiveWriter) -> Result<Self, ArchiveError> {
        let mut random = [0; 16];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| ArchiveError::Input(std::io::Error::other("the operating system gave no random bytes")))?;
        let staging = writer.place.path(&format!("staging/{}.age", hex::encode(random)))?;
        let encrypted = Shared::default();
        let age = writer.sealer().stream(encrypted.clone()).map_err(|error| refused(&staging, &error))?;
        let upload = writer.store.put_multipart(&staging).await.map_err(|error| ArchiveError::of_put(&staging, error))?;
        Ok(Self { age, encrypted, upload, staging, put: 0 })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        for piece in bytes.chunks(PART) {
            self.age.write_all(piece).map_err(|error| refused(&self.staging, &error))?;
            while let Some(part) = self.encrypted.with(|held| (held.len() >= PART).then(|| held.drain(..PART).collect::<Vec<u8>>())) {
                self.put(part).await?;
            }
        }
        Ok(())
    }

    async fn put(&mut self, part: Vec<u8>) -> Result<(), ArchiveError> {
        self.put += part.len() as u64;
        let put = self.upload.put_part(part.into()).await;
        if let Err(error) = put {
            self.abandon().await;
            return Err(ArchiveError::of_put(&self.staging, error));
        }
        Ok(())
    }

    /// A local staging file goes when the upload is dropped; another store has to be told. That it fails is no news to the caller, who has an error already
    /// or needs none.
    async fn abandon(&mut self) {
        let _ = self.upload.abort().await;
    }

    /// Gives the staging file its name: in place of one that was cut short, or where there is none.
    async fn finish(self, writer: &ArchiveWriter, location: &Path, there: There) -> Result<(), ArchiveError> {
        let Self { age, encrypted, mut upload, staging, put: put_before } = self;
        age.finish().map_err(|error| refused(&staging, &error))?;
        let rest = encrypted.with(std::mem::take);
        let bytes = put_before.saturating_add(rest.len() as u64);
        let stored = async {
            for part in rest.chunks(PART) {
                upload.put_part(part.to_vec().into()).await?;
            }
            upload.complete().await
        }
        .await;
        if let Err(error) = stored {
            let _ = upload.abort().await;
            return Err(ArchiveError::of_put(&staging, error));
        }
        let coming = writer.size.coming(location);
        let renamed = match there {
            There::Cut => writer.store.rename(&staging, location).await,
            There::Nothing | There::Whole => writer.store.rename_if_not_exists(&staging, location).await,
        };
        match renamed {
            Ok(()) => {
                coming.came(bytes);
                Ok(())
            }
            Err(object_store::Error::AlreadyExists { .. }) => {
                let _ = writer.store.delete(&staging).await;
                Ok(())
            }
            Err(error) => {
                let _ = writer.store.delete(&staging).await;
                Err(ArchiveError::of_put(location, error))
            }
        }
    }
}

fn refused(path: &Path, error: &std::io::Error) -> ArchiveError {
    ArchiveError::Refused { path: path.to_string(), what: error.to_string() }
}

fn broken() -> ArchiveError {
    ArchiveError::Refused { path: "an attachment".to_owned(), what: "an earlier piece of it was not taken; begin it anew".to_owned() }
}
