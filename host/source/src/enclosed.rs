//! Files whose bytes lie in an export, beside the messages that have them.
//!
//! While one file of a ZIP is read no other of it can be: so whoever meets files while reading messages holds the export open twice, and this is the second
//! one. It is opened only where there is something in it to hand over. Each file is handed over once, however many messages have it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use consign_model::{Attachment, Digest};

use crate::files::{Files, Found};
use crate::intake::Intake;
use crate::{FileInfo, Limits, Refusal, SourceError};

/// The files of an export that messages may have; by default there are none.
#[derive(Default)]
pub struct Enclosed {
    files: Option<Files>,
    /// What the sink answered for those that were handed over, by path; unset for one that is there and can't be read.
    answers: HashMap<String, Option<(Digest, u64)>>,
    /// Files that are named by what is no message: faces, icons.
    passed: HashSet<String>,
}

impl Enclosed {
    /// The second way into the export at `path`, whose first is `files`: to those that `may_be` says a message may have. One file alone has none beside it.
    pub fn beside(path: &Path, files: &Files, limits: &Limits, may_be: impl Fn(&str) -> bool) -> Result<Self, SourceError> {
        if files.is_one() || !files.all().any(|(path, _)| may_be(path)) {
            return Ok(Self::default());
        }
        let mut others = files.again(path, limits)?;
        others.keep(may_be);
        Ok(Self { files: Some(others), ..Self::default() })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// All of them, sorted by path.
    pub fn all(&self) -> impl Iterator<Item = (&str, Found)> {
        self.files.iter().flat_map(Files::all)
    }

    /// Whether there is one with this path.
    pub fn has(&self, path: &str) -> bool {
        self.files.as_ref().is_some_and(|files| files.find(path).is_some())
    }

    /// That the file with this path is no attachment: nobody misses a message for it.
    pub fn pass(&mut self, path: String) {
        self.passed.insert(path);
    }

    /// Hands over the bytes that lie at `path`, and puts into the attachment what they are. One whose bytes can't be read is refused by its path, and its
    /// messages are imported with the file recorded as missing.
    pub fn attach(&mut self, intake: &mut Intake<'_>, path: &str, attachment: &mut Attachment) -> Result<(), SourceError> {
        let answer = if let Some(answer) = self.answers.get(path) {
            if let Some((_, size)) = answer {
                intake.count_attachment(*size);
            }
            *answer
        } else {
            let Some(files) = &mut self.files else { return Ok(()) };
            let Some(found) = files.find(path) else { return Ok(()) };
            let answer = hand_over(files, intake, path, found, attachment)?;
            self.answers.insert(path.to_owned(), answer);
            answer
        };
        if let Some((digest, size)) = answer {
            (attachment.digest, attachment.size, attachment.url) = (Some(digest), Some(size), None);
        }
        Ok(())
    }

    /// Files that nothing named, by path.
    pub fn unclaimed(&self) -> impl Iterator<Item = &str> {
        self.all().map(|(path, _)| path).filter(|path| !self.answers.contains_key(*path) && !self.passed.contains(*path))
    }
}

/// The sink's answer; unset where the bytes can't be read, which is refused then.
fn hand_over(
    files: &mut Files,
    intake: &mut Intake<'_>,
    path: &str,
    found: Found,
    attachment: &Attachment,
) -> Result<Option<(Digest, u64)>, SourceError> {
    let info = FileInfo { name: &attachment.name, media_type: &attachment.media_type, size: Some(found.size) };
    let mut answer = None;
    let opened = files.with(path, found, intake.limits.attachment_bytes, &mut |reader| answer = Some(intake.attachment(info, reader)));
    let fault = match (opened, answer) {
        (Ok(()), Some(Ok(Ok(stored)))) => return Ok(Some(stored)),
        (_, Some(Err(error))) => return Err(error),
        (Ok(()), Some(Ok(Err(fault)))) | (Err(fault), _) => fault,
        (Ok(()), None) => return Ok(None),
    };
    intake.refuse(Refusal::of_file(path, format!("{fault}. Its messages were imported with the file recorded as missing")));
    Ok(None)
}

/// Where files lie by the platform's id of each, for exports that people put together themselves: their tools write the id into the path.
#[derive(Debug, Default)]
pub struct ById {
    paths: Vec<String>,
    /// Places in `paths`.
    by_id: HashMap<String, Vec<usize>>,
}

impl ById {
    /// `ids`: what may be the id in a path.
    pub fn of<'a, I: IntoIterator<Item = &'a str>>(enclosed: &'a Enclosed, ids: impl Fn(&'a str) -> I) -> Self {
        let mut all = Self::default();
        for (path, _) in enclosed.all() {
            for id in ids(path) {
                all.by_id.entry(id.to_owned()).or_default().push(all.paths.len());
            }
            all.paths.push(path.to_owned());
        }
        all
    }

    /// The path of the file with this id. Of several, the one with the file's name; else the first.
    pub fn find(&self, id: &str, name: &str) -> Option<&str> {
        let paths = || self.by_id.get(id).into_iter().flatten().filter_map(|place| self.paths.get(*place));
        paths().find(|path| !name.is_empty() && path.ends_with(name)).or_else(|| paths().next()).map(String::as_str)
    }
}
