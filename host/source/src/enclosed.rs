//! Files whose bytes lie in an export, beside what names them by their path.
//!
//! While one file of a ZIP is read no other of it can be: so whoever reads messages from an export and meets files in them holds the export open twice, and
//! this is the second one.

use std::collections::{HashMap, HashSet};

use consign_model::{Attachment, Digest};

use crate::files::{Files, Found};
use crate::intake::Intake;
use crate::report::shown;
use crate::{FileInfo, Refusal, SourceError};

/// What became of a file's bytes.
#[derive(Debug, Clone, Copy)]
enum Bytes {
    /// Handed over before: the sink's answer.
    Stored(Digest, u64),
    /// There, but not to be read.
    Bad,
}

/// The files of an export; by default there are none.
#[derive(Default)]
pub struct Enclosed {
    files: Option<Files>,
    /// Answers for files that came before: one file may hang on several messages. By path.
    seen: HashMap<String, Bytes>,
    /// Files that are named by what is no message: faces, icons.
    passed: HashSet<String>,
}

impl Enclosed {
    pub fn of(files: Files) -> Self {
        Self { files: Some(files), ..Self::default() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.as_ref().is_none_or(|files| files.all().next().is_none())
    }

    /// That the file with this path is no attachment: nobody misses a message for it.
    pub fn pass(&mut self, path: String) {
        self.passed.insert(path);
    }

    /// The file with this path.
    pub fn find(&self, path: &str) -> Option<Found> {
        self.files.as_ref()?.find(path)
    }

    /// Hands over the bytes that lie at `path`, and puts into the attachment where they are. One whose bytes can't be read is refused by its path, and its
    /// message is imported with the file recorded as missing.
    pub fn attach(&mut self, intake: &mut Intake<'_>, path: &str, attachment: &mut Attachment) -> Result<(), SourceError> {
        let bytes = match self.seen.get(path) {
            Some(Bytes::Stored(digest, size)) => {
                intake.count_attachment(*size);
                Bytes::Stored(*digest, *size)
            }
            Some(Bytes::Bad) => Bytes::Bad,
            None => {
                let Some(found) = self.find(path) else { return Ok(()) };
                let bytes = self.read(intake, path, found, attachment)?;
                self.seen.insert(path.to_owned(), bytes);
                bytes
            }
        };
        if let Bytes::Stored(digest, size) = bytes {
            attachment.digest = Some(digest);
            attachment.size = Some(size);
            attachment.url = None;
        }
        Ok(())
    }

    fn read(&mut self, intake: &mut Intake<'_>, path: &str, found: Found, attachment: &Attachment) -> Result<Bytes, SourceError> {
        let Some(files) = &mut self.files else { return Ok(Bytes::Bad) };
        let info = FileInfo { name: &attachment.name, media_type: &attachment.media_type, size: Some(found.size) };
        let mut answer = None;
        let opened = files.with(path, found, intake.limits.attachment_bytes, &mut |reader| answer = Some(intake.attachment(info, reader)));
        let fault = match (opened, answer) {
            (Ok(()), Some(Ok(Ok((digest, size))))) => return Ok(Bytes::Stored(digest, size)),
            (_, Some(Err(error))) => return Err(error),
            (Ok(()), Some(Ok(Err(fault)))) | (Err(fault), _) => fault,
            (Ok(()), None) => return Ok(Bytes::Bad),
        };
        let reason = format!("{fault}. Its messages were imported with the file recorded as missing");
        intake.refuse(Refusal { file: shown(path), line: None, index: None, reason });
        Ok(Bytes::Bad)
    }

    /// Files that nothing named, by path.
    pub fn unclaimed(&self) -> impl Iterator<Item = &str> {
        self.files.iter().flat_map(Files::all).map(|(path, _)| path).filter(|path| !self.seen.contains_key(*path) && !self.passed.contains(*path))
    }
}
