//! Why an export can't be read as a whole. Each text names the file and the way out, and none holds message text.

use std::path::{Path, PathBuf};

use crate::SinkError;

/// The export as a whole can't be read, or the storing side failed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file or folder can't be opened or read.
    #[error("{}: can't be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Some other kind of file.
    #[error("{}: {what}. {hint}", path.display())]
    WrongKind {
        /// Which.
        path: PathBuf,
        /// What it is not.
        what: &'static str,
        /// The way out.
        hint: &'static str,
    },
    /// Which format it is in is not certain.
    #[error("{}: which format this is can't be told: {fitting}. Say it with --format ({})", path.display(), crate::words())]
    Unrecognised {
        /// Which.
        path: PathBuf,
        /// What it looks like.
        fitting: String,
    },
    /// The beginning of the right kind of file, but damaged.
    #[error("{}: damaged or cut short ({what}). Nothing was imported; copy or download the file again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It would unpack to far more than any real export.
    #[error("{}: {what}. Nothing was imported; if you trust this export, unpack it and import the folder", path.display())]
    Bomb {
        /// Which.
        path: PathBuf,
        /// What it would become.
        what: String,
    },
    /// A list that all the rest depends on can't be read.
    #[error("{}: {place}: {what}. Nothing was imported, because names and chats come from this list; mend it or export again", path.display())]
    List {
        /// Which export.
        path: PathBuf,
        /// Which list, and where in it.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// Whoever stores the events failed.
    #[error("storing what was read failed: {0}")]
    Sink(SinkError),
}

impl SourceError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    /// A pipe or a device.
    pub(crate) fn no_file(path: &Path) -> Self {
        Self::WrongKind {
            path: path.to_owned(),
            what: "this is a pipe or a device, not a file",
            hint: "An export is read twice, so that one that is cut short imports nothing: write it to a file first",
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
