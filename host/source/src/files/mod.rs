//! The files of an export, whether they lie in a ZIP or in a folder, or it is one file, packed or not.
//!
//! Nothing is ever unpacked to a disk: a path is only a name by which other files of the same export are found. Paths that climb out are refused all the
//! same, because an honest export has none. Sizes that a ZIP declares are bounds for the reader, never trusted to be true or allocated.

mod folder;
pub mod packed;
mod zip;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::packed::{Kind, Packing};
use crate::report::Refusal;
use crate::{Limits, SourceError};

/// Why one file of an export can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    #[error("is larger than {0} bytes, the most that is read of such a file")]
    TooLarge(u64),
    #[error("unpacks to more bytes than the ZIP says, which only a damaged or hostile file does")]
    Lies,
    #[error("is damaged: {0}. Copy or download the export again")]
    Damaged(String),
    #[error("can't be read: {0}")]
    Unreadable(String),
}

/// A file of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Bytes, as the ZIP or the file system says.
    pub size: u64,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Index in the ZIP.
    Zip(usize),
    /// Under the folder, by its path.
    Folder,
    /// All that there is.
    One,
}

#[derive(Debug)]
enum Holder {
    Zip(Box<zip::Archive>),
    Folder(PathBuf),
    One(PathBuf, Packing),
}

/// An export's files by path: `/` between parts, never empty parts, `.` or `..`.
#[derive(Debug)]
pub struct Files {
    holder: Holder,
    entries: BTreeMap<String, Found>,
    /// Entries that will not be read, by path, with the reason.
    refused: Vec<(String, Refusal)>,
    /// The folder inside the export that everything lies in, with its `/`: people pack the folder rather than what is in it.
    prefix: String,
}

impl Files {
    /// Looks at every entry of a ZIP or folder, and reads none.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, SourceError> {
        let about = std::fs::metadata(path).map_err(|error| SourceError::read(path, error))?;
        match about.is_dir() {
            true => folder::open(path, limits),
            false if about.is_file() => zip::open(path, limits),
            false => Err(SourceError::no_file(path)),
        }
    }

    /// As [`Self::open`]; and one file alone, plain or packed by gzip or zstd, is an export with that file.
    pub fn open_any(path: &Path, limits: &Limits) -> Result<Self, SourceError> {
        let packing = match packed::kind(path)? {
            Kind::Folder | Kind::Zip => return Self::open(path, limits),
            Kind::One(packing) => packing,
        };
        let size = packed::check(path, packing, limits)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let entries = BTreeMap::from([(name, Found { size, place: Place::One })]);
        Ok(Self { holder: Holder::One(path.to_owned(), packing), entries, refused: Vec::new(), prefix: String::new() })
    }

    /// Opens the same export once more, and goes into the folder that this one is in.
    pub fn again(&self, path: &Path, limits: &Limits) -> Result<Self, SourceError> {
        let mut again = Self::open_any(path, limits)?;
        again.enter(self.prefix.clone());
        Ok(again)
    }

    /// Goes into the only folder if none of `marks` lies at the top and all of the export lies in one folder. A mark that was refused is one all the same.
    pub fn enter_only_folder(&mut self, marks: &[&str]) {
        let is_there = |path: &str| self.entries.contains_key(path) || self.refused.iter().any(|(refused, _)| refused == path);
        if marks.iter().any(|mark| is_there(mark)) {
            return;
        }
        let mut tops = self.entries.keys().map(|path| path.split_once('/').map(|(top, _)| top));
        let Some(Some(first)) = tops.next() else { return };
        if tops.all(|top| top == Some(first)) && marks.iter().any(|mark| is_there(&format!("{first}/{mark}"))) {
            let prefix = format!("{first}/");
            self.enter(prefix);
        }
    }

    fn enter(&mut self, prefix: String) {
        self.entries = std::mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|(path, found)| path.strip_prefix(&prefix).map(|rest| (rest.to_owned(), found)))
            .collect();
        self.prefix = prefix;
    }

    /// Whether it is one file alone.
    pub fn is_one(&self) -> bool {
        matches!(self.holder, Holder::One(..))
    }

    /// Why the file with this path is not read, where it was refused.
    pub fn refusal_of(&self, path: &str) -> Option<&Refusal> {
        let path = format!("{}{path}", self.prefix);
        self.refused.iter().find(|(refused, _)| *refused == path).map(|(_, refusal)| refusal)
    }

    /// Takes out all refusals.
    pub fn take_refused(&mut self) -> impl Iterator<Item = Refusal> + use<> {
        std::mem::take(&mut self.refused).into_iter().map(|(_, refusal)| refusal)
    }

    /// All files, sorted by path.
    pub fn all(&self) -> impl Iterator<Item = (&str, Found)> {
        self.entries.iter().map(|(path, found)| (path.as_str(), *found))
    }

    /// Forgets the files that are not wanted.
    pub fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.entries.retain(|path, _| wanted(path));
    }

    /// The file with this path.
    pub fn find(&self, path: &str) -> Option<Found> {
        self.entries.get(path).copied()
    }

    /// Opens a file and lends it. The reader stops at `most` bytes whatever the ZIP says.
    pub fn with(&mut self, path: &str, found: Found, most: u64, use_it: &mut dyn FnMut(&mut Guarded<'_>)) -> Result<(), FileFault> {
        if found.size > most {
            return Err(FileFault::TooLarge(most));
        }
        match (&mut self.holder, found.place) {
            (Holder::Zip(archive), Place::Zip(index)) => {
                let mut entry = archive.by_index(index).map_err(|error| FileFault::Damaged(zip::told(&error)))?;
                use_it(&mut Guarded::new(&mut entry, found.size, FileFault::Lies));
            }
            (Holder::Folder(root), Place::Folder) => {
                let path = root.join(&self.prefix).join(path);
                let mut file = std::fs::File::open(path).map_err(|error| FileFault::Unreadable(error.to_string()))?;
                use_it(&mut Guarded::new(&mut file, most, FileFault::TooLarge(most)));
            }
            (Holder::One(path, packing), Place::One) => {
                let mut file = packed::open(path, *packing).map_err(|error| FileFault::Unreadable(error.to_string()))?;
                use_it(&mut Guarded::new(&mut file, found.size, FileFault::Lies));
            }
            (Holder::Zip(_) | Holder::Folder(_) | Holder::One(..), _) => return Err(FileFault::Unreadable("it is from another export".into())),
        }
        Ok(())
    }
}

fn of_io(error: &io::Error) -> FileFault {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => {
            FileFault::Damaged(error.to_string())
        }
        _ => FileFault::Unreadable(error.to_string()),
    }
}

/// A reader that ends with an error when more comes than may come, and remembers what went wrong: so a failure to read is told from a failure to store
/// even when the one who stores wraps the error.
pub struct Guarded<'a> {
    inner: &'a mut dyn Read,
    left: u64,
    beyond: FileFault,
    /// What went wrong, if anything.
    pub fault: Option<FileFault>,
}

impl<'a> Guarded<'a> {
    pub fn new(inner: &'a mut dyn Read, left: u64, beyond: FileFault) -> Self {
        Self { inner, left, beyond, fault: None }
    }
}

impl Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                let Some(left) = self.left.checked_sub(count as u64) else {
                    self.fault = Some(self.beyond.clone());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, self.beyond.to_string()));
                };
                self.left = left;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.fault = Some(of_io(&error));
                Err(error)
            }
        }
    }
}

/// Why a path can't be a file of an honest export; unset for a good one.
fn bad_path(path: &str) -> Option<&'static str> {
    const CLIMBS: &str = "this path leads out of the export, which no export of a platform does. It is not read; take the entry out and import again";
    let mut parts = path.split('/').peekable();
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    if path.starts_with('/') || path.contains('\\') || drive || parts.any(|part| part == "..") {
        return Some(CLIMBS);
    }
    if path.chars().any(char::is_control) {
        return Some("this path has control characters. It is not read; rename the entry");
    }
    if path.is_empty() || path.split('/').any(|part| part.is_empty() || part == ".") {
        return Some("this path has empty parts. It is not read; rename the entry");
    }
    None
}

fn refusal(path: &str, reason: impl Into<String>) -> (String, Refusal) {
    (path.to_owned(), Refusal::of_file(if path.is_empty() { "(an entry without a name)" } else { path }, reason))
}

/// The folder that a path leads into, with its `/`; empty at the top.
pub fn folder_of(path: &str) -> &str {
    path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or_default()
}

/// What operating systems leave in every folder.
fn is_litter(path: &str) -> bool {
    path.starts_with("__MACOSX/") || path.rsplit('/').next().is_some_and(|name| matches!(name, ".DS_Store" | "Thumbs.db" | "desktop.ini"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_climb_are_bad() {
        for bad in ["../a", "a/../../b", "/etc/passwd", "C:\\a", "c:/a", "a\\..\\b", "a/..", "a\0b", "a\nb", "", "a//b", "./a", "a/./b", ".."] {
            assert!(bad_path(bad).is_some(), "{bad:?}");
        }
        for good in ["a", "a/b", "..a/b..", "…/x", "日本/2026-01-05.json", "a b", "x:y/z.json".trim_start_matches("x:")] {
            assert!(bad_path(good).is_none(), "{good:?}");
        }
    }

    #[test]
    fn a_guarded_reader_stops() {
        let mut source = io::repeat(7).take(100);
        let mut guarded = Guarded::new(&mut source, 99, FileFault::Lies);
        assert!(io::copy(&mut guarded, &mut io::sink()).is_err());
        assert_eq!(guarded.fault, Some(FileFault::Lies));
        let mut source = io::repeat(7).take(100);
        let mut guarded = Guarded::new(&mut source, 100, FileFault::Lies);
        assert!(matches!(io::copy(&mut guarded, &mut io::sink()), Ok(100)));
    }
}
