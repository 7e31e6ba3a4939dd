//! What can go wrong with files and keys, told apart by what a person does next: mend the key, restore the file, wait, or report.

use crate::seal::SealError;
use crate::segment::SegmentError;

/// A key that is not there, not a key, or not the right one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no master key.
    #[error("this is not a master key: {0}; give 32 random bytes as 64 hexadecimal digits or as base64, for example from 'openssl rand -hex 32'")]
    NotAMasterKey(&'static str),
    /// The file with the master key can't be read.
    #[error("the master key file {path} can't be read: {source}")]
    MasterKeyFile {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another master key than the one under which the tenant's keys were sealed.
    #[error("this is not the master key with which the tenant's keys were sealed: give that one; nothing is damaged")]
    WrongMasterKey,
    /// The master key is right, and the record of the tenant's keys is not what was written.
    #[error("the master key is right, but the tenant's {0} is damaged: restore the store from a backup")]
    Damaged(&'static str),
    /// The tenant's public key is no age X25519 recipient.
    #[error("the tenant's public key is not an age X25519 recipient (age1…): restore the store from a backup")]
    BadRecipient,
    /// The machine gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// An object store that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A kind of store that this build doesn't have.
    #[error("'{scheme}://' stores are not in this build: give a folder, or a file:// URL")]
    NotInThisBuild {
        /// The URL's scheme.
        scheme: String,
    },
    /// A `file://` URL that names no absolute folder of this machine.
    #[error("'{shown}' names no folder: write it as file:///absolute/folder, or as a plain path")]
    NotAFolder {
        /// The text, shortened and escaped.
        shown: String,
    },
    /// The folder can't be made or opened.
    #[error("the archive's folder {path} can't be opened: {source}. See that its disk has room, works and may be written to, then try again")]
    Folder {
        /// Which folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The folder can't be used as a store.
    #[error("the archive's folder {path} can't be used: {source}")]
    Unusable {
        /// Which folder.
        path: String,
        /// Why.
        source: object_store::Error,
    },
}

/// A conversation file that can't be written or read. `path` is the whole path in the object store, tenant first.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such file.
    #[error("the archive has no file {path}: restore it from a backup")]
    Missing {
        /// Which file.
        path: String,
    },
    /// There is no file of this tenant at all, where there must be some: a folder that is not mounted, or another one than before. Told apart from
    /// `Missing`, because what is missing for good is exported as a placeholder.
    #[error("the archive's store has no file of this tenant at all, {path} among them: is its folder mounted, and the right one?")]
    NothingThere {
        /// The file that was looked for.
        path: String,
    },
    /// The file may be there, and the store did not hand it over.
    #[error("the archive's file {path} can't be read now: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// The file is there, and is not what was written.
    #[error("the archive's file {path} is damaged: {what}; restore it from a backup")]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The file is encrypted to another key than this tenant's.
    #[error(
        "the archive's file {path} is encrypted to another key than this tenant's: it was put there by something else, or the tenant's keys were replaced"
    )]
    WrongKey {
        /// Which file.
        path: String,
    },
    /// A newer release wrote it.
    #[error(
        "the archive's file {path} has the format '{found}', which this release does not know (it knows 1): use the release that wrote it, or a newer one"
    )]
    UnknownFormat {
        /// Which file.
        path: String,
        /// The format that it says it has.
        found: String,
    },
    /// The store did not take the file. Nothing of it is to be relied on.
    #[error("the archive could not store {path}: {source}. See that the disk has room, works and may be written to, then try again")]
    NotStored {
        /// Which file.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// A file could not be deleted.
    #[error("the archive's file {path} can't be deleted now: {source}; it is tried again")]
    Unwritable {
        /// Which file.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// Another file is there already, and is left as it is.
    #[error("the archive has another file at {path} already, and never overwrites one")]
    Occupied {
        /// Which file.
        path: String,
    },
    /// What is to be stored can't be: a batch against its own rules, or one that is too large.
    #[error("can't store {path}: {what}")]
    Refused {
        /// Which file.
        path: String,
        /// Why not.
        what: String,
    },
    /// The bytes to be stored could not be read to their end.
    #[error("an attachment could not be read to its end: {0}")]
    Input(std::io::Error),
    /// A path that can't be one of this archive's files.
    #[error("'{shown}' is not a path of an archive file")]
    BadPath {
        /// The text, shortened and escaped.
        shown: String,
    },
    /// Work in the background did not end: the process is stopping, or a library failed on the file.
    #[error("work on {path} was broken off: try again; if it happens again, report it with the file's name")]
    BrokenOff {
        /// Which file.
        path: String,
    },
}

impl ArchiveError {
    /// Whether the same call may succeed later without anybody mending anything.
    pub fn passes_by_waiting(&self) -> bool {
        match self {
            Self::NothingThere { .. } | Self::Unreadable { .. } | Self::NotStored { .. } | Self::Unwritable { .. } | Self::BrokenOff { .. } => true,
            Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::WrongKey { .. }
            | Self::UnknownFormat { .. }
            | Self::Occupied { .. }
            | Self::Refused { .. }
            | Self::Input(_)
            | Self::BadPath { .. } => false,
        }
    }

    pub(crate) fn of_get(path: &object_store::path::Path, source: object_store::Error) -> Self {
        let path = path.to_string();
        match source {
            object_store::Error::NotFound { .. } => Self::Missing { path },
            source => Self::Unreadable { path, source },
        }
    }

    pub(crate) fn of_put(path: &object_store::path::Path, source: object_store::Error) -> Self {
        Self::NotStored { path: path.to_string(), source }
    }

    pub(crate) fn of_open(path: &object_store::path::Path, error: SealError) -> Self {
        let path = path.to_string();
        match error {
            SealError::WrongKey => Self::WrongKey { path },
            other => Self::Damaged { path, what: other.to_string() },
        }
    }

    pub(crate) fn of_segment(path: &object_store::path::Path, error: SegmentError) -> Self {
        let path = path.to_string();
        match error {
            SegmentError::UnknownFormat(found) => Self::UnknownFormat { path, found },
            SegmentError::Damaged(what) => Self::Damaged { path, what },
            SegmentError::Refused(what) => Self::Refused { path, what },
        }
    }
}
