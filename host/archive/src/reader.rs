//! Reading: with the tenant's private key.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use consign_model::audit::Actor;
use consign_model::manifest::Signature;
use consign_model::{Author, ChatKey, Digest, EventBatch, Extent, Name, Rows, TenantId, TenantKeys, Timestamp};
use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use ring::aead::LessSafeKey;
use ring::signature::Ed25519KeyPair;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use crate::decoded::Decoded;
use crate::place::Place;
use crate::seal::Opener;
use crate::segment::{Arrivals, decode_arrivals, decode_segment};
use crate::tenant::{self, OpenKeys, Secrets};
use crate::writer::{here, in_background};
use crate::{ArchiveError, ArchiveWriter, KeyError, MasterKey, NewKeys};

/// A tenant's archive, open for reading and writing. Cloning is cheap.
#[derive(Clone)]
pub struct Archive {
    pub(crate) writer: ArchiveWriter,
    opener: Arc<RwLock<Opener>>,
    signing: Arc<RwLock<Arc<Ed25519KeyPair>>>,
    /// Seals new keys.
    sealing: Arc<LessSafeKey>,
    secrets: Secrets,
    decoded: Arc<Decoded>,
}

impl Archive {
    /// Unwraps the tenant's keys with the master key. Touches no file.
    pub fn open(store: Arc<dyn ObjectStore>, tenant: TenantId, keys: &TenantKeys, master: &MasterKey) -> Result<Self, KeyError> {
        let OpenKeys { identities, signing } = tenant::open(keys, master)?;
        let writer = ArchiveWriter::new(store, tenant, &keys.recipient)?;
        let (opener, signing) = (Arc::new(RwLock::new(Opener::new(identities))), Arc::new(RwLock::new(signing)));
        let (sealing, secrets) = (Arc::new(tenant::sealing_key(master)?), Secrets::new(keys, master)?);
        Ok(Self { writer, opener, signing, sealing, secrets, decoded: Arc::default() })
    }

    /// Keys that are to take the place of the tenant's. None of them is in use before [`Archive::open_with`], [`Archive::sign_with`] and [`Archive::seal_for`], in this order: what is encrypted
    /// for a key that the store has not kept is lost, and what was signed before the log tells of the key is nobody's.
    pub fn new_keys(&self, keys: &TenantKeys, at: Timestamp) -> Result<NewKeys, KeyError> {
        NewKeys::make(&self.sealing, keys, at)
    }

    /// Opens also what is encrypted for new keys.
    pub fn open_with(&self, new: &NewKeys) {
        *self.opener.write().unwrap_or_else(PoisonError::into_inner) = Opener::new(new.open.identities.clone());
    }

    /// Signs with a new key from now on, also by [`Archive::author`]s that are there.
    pub fn sign_with(&self, new: &NewKeys) {
        *self.signing.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new.open.signing);
    }

    /// Encrypts for a new key from now on, also by writers that are there.
    pub fn seal_for(&self, new: &NewKeys) -> Result<(), KeyError> {
        self.writer.seal_for(&new.sealed().recipient)
    }

    fn opener(&self) -> Opener {
        self.opener.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals a secret of the tenant, to be kept under this name.
    pub fn seal_secret(&self, name: &Name, secret: &str) -> Result<String, KeyError> {
        self.secrets.seal(name, secret)
    }

    /// Opens it; unset where it is not what was sealed for this tenant under this name.
    pub fn open_secret(&self, name: &Name, sealed: &str) -> Option<Zeroizing<String>> {
        self.secrets.open(name, sealed)
    }

    /// Seals what was answered to a request of the tenant's, to be kept under this hash.
    pub fn seal_answer(&self, request: &Digest, answer: &[u8]) -> Result<String, KeyError> {
        self.secrets.seal_answer(request, answer)
    }

    /// Opens it; unset where it is not what was sealed for this tenant under this hash.
    pub fn open_answer(&self, request: &Digest, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.secrets.open_answer(request, sealed)
    }

    /// Where files lie, of all tenants.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.writer.store
    }

    /// The writing half, which knows how much is stored.
    pub fn writer(&self) -> &ArchiveWriter {
        &self.writer
    }

    /// A chat's events that lie there, where the file has the expected SHA-256 (of the ciphertext, as the index has it) and says itself that they are that chat's.
    /// Decrypts and decodes on a thread in the background.
    pub async fn segment(&self, chat: &ChatKey, extent: Extent<'_>) -> Result<EventBatch, ArchiveError> {
        if let Some(rows) = extent.rows {
            return self.piece(chat, extent, rows).await;
        }
        let (location, file) = self.fetch(extent.path).await?;
        let (opener, expected, about, chat) = (self.opener(), *extent.digest, location.clone(), chat.clone());
        in_background(&location, move || read_segment(&opener, &about, &file, &expected, &chat)).await
    }

    /// [`Archive::segment`] for a caller that is no async code, on a thread that may wait: decrypts and decodes a segment there, for waking another thread takes as long as a
    /// small segment does. On a thread of that runtime's async work it panics, as `Handle::block_on` does.
    pub fn segment_blocking(&self, runtime: &Handle, chat: &ChatKey, extent: Extent<'_>) -> Result<EventBatch, ArchiveError> {
        if let Some(rows) = extent.rows {
            return runtime.block_on(self.piece(chat, extent, rows));
        }
        let (location, file) = runtime.block_on(self.fetch(extent.path))?;
        here(&location, || read_segment(&self.opener(), &location, &file, extent.digest, chat))
    }

    /// A file of several chats, all of it.
    pub async fn arrivals(&self, path: &str, digest: &Digest) -> Result<Arrivals, ArchiveError> {
        let (location, file) = self.fetch(path).await?;
        let (opener, expected, about) = (self.opener(), *digest, location.clone());
        in_background(&location, move || read_arrivals(&opener, &about, &file, &expected)).await
    }

    /// Rows of a file of several chats, which is decoded as a whole, and kept for whoever asks next.
    async fn piece(&self, chat: &ChatKey, extent: Extent<'_>, rows: Rows) -> Result<EventBatch, ArchiveError> {
        let arrivals = self.decoded.get(extent.digest, self.arrivals(extent.path, extent.digest));
        let location = self.writer.place.path(extent.path)?;
        arrivals.await?.piece(chat, rows).ok_or_else(|| others(&location))
    }

    /// A segment's file as it lies there, encrypted, where it has the expected SHA-256: for exports that don't decrypt. Never to be asked for an arrival file, in which
    /// other chats stand too.
    pub async fn segment_file(&self, path: &str, expected: &Digest) -> Result<Bytes, ArchiveError> {
        let (location, file) = self.fetch(path).await?;
        let expected = *expected;
        let about = location.clone();
        in_background(&location, move || {
            check_digest(&about, "its SHA-256 is not the one in the index", &file, &expected)?;
            Ok(file)
        })
        .await
    }

    /// An attachment's bytes, by their SHA-256, which is checked.
    pub async fn attachment(&self, digest: &Digest) -> Result<Bytes, ArchiveError> {
        let (location, file) = self.fetch(&Place::attachment(digest)).await?;
        let (opener, expected, about) = (self.opener(), *digest, location.clone());
        in_background(&location, move || {
            let bytes = opener.open(&file).map_err(|error| ArchiveError::of_open(&about, error))?;
            check_digest(&about, "what is in it has another SHA-256 than its name says", &bytes, &expected)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    /// What [`ArchiveWriter::put_sealed`] stored there, by the SHA-256 that it said. Anybody can encrypt to the tenant: that a file opens proves nothing of
    /// who wrote it.
    pub async fn sealed(&self, path: &str, expected: &Digest) -> Result<Vec<u8>, ArchiveError> {
        let (location, file) = self.fetch(path).await?;
        let (opener, expected, about) = (self.opener(), *expected, location.clone());
        in_background(&location, move || {
            let bytes = opener.open(&file).map_err(|error| ArchiveError::of_open(&about, error))?;
            check_digest(&about, "what is in it has another SHA-256 than what was stored", &bytes, &expected)?;
            Ok(bytes)
        })
        .await
    }

    /// Signs the SHA-256 of bytes (a manifest's) with the tenant's Ed25519 key.
    pub fn sign(&self, digest: &Digest) -> Signature {
        sign(&self.signing, digest)
    }

    /// Somebody who does what the audit log tells of, and signs for it with the tenant's key. That key is all of the archive that they hold.
    pub fn author(&self, actor: Actor) -> Author {
        let signing = Arc::clone(&self.signing);
        Author::new(actor, move |digest| sign(&signing, digest))
    }

    async fn fetch(&self, path: &str) -> Result<(Path, Bytes), ArchiveError> {
        let location = self.writer.place.path(path)?;
        let got = match self.writer.store.get(&location).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(bytes) => Ok((location, bytes)),
            Err(object_store::Error::NotFound { .. }) => Err(self.missing(&location).await),
            Err(error) => Err(ArchiveError::of_get(&location, error)),
        }
    }

    /// What it means that a file is not there: one file is gone, or the whole store is not what it was.
    async fn missing(&self, location: &Path) -> ArchiveError {
        let path = location.to_string();
        match self.writer.store.list(Some(&self.writer.place.folder())).next().await {
            Some(Ok(_)) => ArchiveError::Missing { path },
            Some(Err(source)) => ArchiveError::Unreadable { path, source },
            None => ArchiveError::NothingThere { path },
        }
    }
}

fn sign(signing: &RwLock<Arc<Ed25519KeyPair>>, digest: &Digest) -> Signature {
    let pair = Arc::clone(&signing.read().unwrap_or_else(PoisonError::into_inner));
    tenant::sign(&pair, digest)
}

fn read_segment(opener: &Opener, about: &Path, file: &Bytes, expected: &Digest, chat: &ChatKey) -> Result<EventBatch, ArchiveError> {
    let segment = decode_segment(open(opener, about, file, expected)?).map_err(|error| ArchiveError::of_segment(about, error))?;
    if segment.chat == *chat { Ok(segment.batch) } else { Err(others(about)) }
}

fn read_arrivals(opener: &Opener, about: &Path, file: &Bytes, expected: &Digest) -> Result<Arrivals, ArchiveError> {
    decode_arrivals(open(opener, about, file, expected)?).map_err(|error| ArchiveError::of_segment(about, error))
}

/// Decrypts a file that is the one in the index.
fn open(opener: &Opener, about: &Path, file: &[u8], expected: &Digest) -> Result<Vec<u8>, ArchiveError> {
    check_digest(about, "its SHA-256 is not the one in the index", file, expected)?;
    opener.open(file).map_err(|error| ArchiveError::of_open(about, error))
}

/// Whatever brought this about, a chat's e-mails must not hold another's messages.
fn others(about: &Path) -> ArchiveError {
    ArchiveError::Damaged { path: about.to_string(), what: "it does not have the events of the chat that the index says".to_owned() }
}

fn check_digest(about: &Path, what: &str, bytes: &[u8], expected: &Digest) -> Result<(), ArchiveError> {
    if Digest::of(bytes) == *expected { Ok(()) } else { Err(ArchiveError::Damaged { path: about.to_string(), what: what.to_owned() }) }
}
