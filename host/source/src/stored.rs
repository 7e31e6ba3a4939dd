//! Bytes of files that are handed over while messages are being read from the same export. A ZIP is read at one place at a time, so they come by a way in of
//! their own. Each file is handed over once, however many events have it.

use std::collections::HashMap;
use std::path::Path;

use consign_model::{Attachment, Digest};

use crate::files::{Files, Found};
use crate::intake::Intake;
use crate::report::shown;
use crate::{FileInfo, Refusal, SourceError};

/// Files that an export holds, and what the sink answered for those that were handed over.
pub struct Stored {
    /// Unset where there is one file alone, which has no other beside it.
    files: Option<Files>,
    /// The folder that the other way in was entered into.
    prefix: String,
    answers: HashMap<String, Option<(Digest, u64)>>,
}

impl Stored {
    /// A second way into an export whose first is `files`.
    pub fn of(path: &Path, files: &Files, intake: &Intake<'_>) -> Result<Self, SourceError> {
        let again = if files.is_one() { None } else { Some(Files::open_any(path, intake.limits)?) };
        Ok(Self { files: again, prefix: files.prefix().to_owned(), answers: HashMap::new() })
    }

    /// Hands over the bytes of an attachment and writes down in it what they are. Where they can't be read it stays as it is, and that is refused.
    pub fn attach(&mut self, intake: &mut Intake<'_>, path: String, found: Found, attachment: &mut Attachment) -> Result<(), SourceError> {
        let answer = match self.answers.get(&path) {
            Some(answer) => {
                if let Some((_, size)) = answer {
                    intake.count_attachment(*size);
                }
                *answer
            }
            None => self.hand_over(intake, &path, found, attachment)?,
        };
        self.answers.insert(path, answer);
        if let Some((digest, size)) = answer {
            (attachment.digest, attachment.size, attachment.url) = (Some(digest), Some(size), None);
        }
        Ok(())
    }

    fn hand_over(
        &mut self,
        intake: &mut Intake<'_>,
        path: &str,
        found: Found,
        attachment: &Attachment,
    ) -> Result<Option<(Digest, u64)>, SourceError> {
        let Some(files) = &mut self.files else { return Ok(None) };
        let info = FileInfo { name: &attachment.name, media_type: &attachment.media_type, size: Some(found.size) };
        let mut answer = None;
        let whole = format!("{}{path}", self.prefix);
        let most = intake.limits.attachment_bytes;
        let opened = files.with(&whole, found, most, &mut |reader| answer = Some(intake.attachment(info, reader)));
        let fault = match (opened, answer) {
            (Ok(()), Some(Ok(Ok(stored)))) => return Ok(Some(stored)),
            (_, Some(Err(error))) => return Err(error),
            (Ok(()), Some(Ok(Err(fault)))) | (Err(fault), _) => fault,
            (Ok(()), None) => return Ok(None),
        };
        let reason = format!("{fault}. Its messages were imported with the file recorded as missing");
        intake.refuse(Refusal { file: shown(path), line: None, index: None, reason });
        Ok(None)
    }
}
