//! JSON lines: one object a line, plain or packed. The format that everything else can be turned into, and the one of the webhook.
//!
//! Chats come interleaved here, so events wait by chat until a chat has a piece's worth, or until all together are too much: then the largest goes.
//! Within a chat they keep the order of the file.

mod line;
pub mod lines;

use std::io::BufRead;
use std::path::{Path, PathBuf};

use consign_model::{Attachment, EventKind};

use self::line::{NamedFile, Said};
use self::lines::Line;
use crate::files::packed::{self, Kind};
use crate::files::{FileFault, Guarded};
use crate::intake::Intake;
use crate::json::fields;
use crate::recognise::Head;
use crate::report::shown;
use crate::waiting::Waiting;
use crate::{FileInfo, Refusal, Report, SourceError};

/// Lines between two tellings of progress.
const TELL_EVERY: u64 = 1024;

struct Reader<'a> {
    intake: Intake<'a>,
    waiting: Waiting,
    /// The folder in which attachments lie, with every link resolved.
    folder: Option<PathBuf>,
}

/// Whether a file that begins like this is JSON lines of ours: each kind of line has its field.
pub fn fits(head: &Head) -> bool {
    let events = EventKind::ALL.iter().any(|kind| head.has(&[&format!("type={}", kind.word()), "chat", "at"]));
    events || head.has(&["type=user", "id"]) || head.has(&["type=chat", "id", "kind"])
}

/// Reads a file.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let wrong = |what, hint| SourceError::WrongKind { path: path.to_owned(), what, hint };
    let packing = match packed::kind(path)? {
        Kind::One(packing) => packing,
        Kind::Folder => return Err(wrong("this is a folder", "Give one file of JSON lines; a folder can be a Slack export (--format slack)")),
        Kind::Zip => {
            let hint = "If it is a Slack export use --format slack; else unpack it and import the file inside";
            return Err(wrong("this is a ZIP file, not JSON lines", hint));
        }
    };
    intake.total = packed::check(path, packing, intake.limits)?;
    let mut input = packed::open(path, packing)?;
    let folder = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    read_all(input.as_mut(), path, folder, intake)
}

/// Reads lines at hand. `name` stands for the file's in refusals; attachments lie in `folder`, where there is one.
pub fn read_text(name: &str, text: &str, folder: Option<&Path>, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    intake.total = text.len() as u64;
    let folder = folder.and_then(|folder| folder.canonicalize().ok());
    read_all(&mut text.as_bytes(), Path::new(name), folder, intake)
}

/// Reads lines of which nobody has said that they are text. `name` stands for the file's in refusals; attachments are missing.
pub fn read_bytes(name: &str, bytes: &[u8], mut intake: Intake<'_>) -> Result<Report, SourceError> {
    intake.total = bytes.len() as u64;
    read_all(&mut &*bytes, Path::new(name), None, intake)
}

fn read_all(input: &mut dyn BufRead, path: &Path, folder: Option<PathBuf>, intake: Intake<'_>) -> Result<Report, SourceError> {
    let most = intake.limits.line_bytes;
    let mut reader = Reader { intake, waiting: Waiting::default(), folder };
    let file = shown(&path.file_name().unwrap_or_default().to_string_lossy());
    let mut buffer = Vec::new();
    let mut number: u64 = 0;
    let mut untold: u64 = 0;
    loop {
        let (line, consumed) = lines::next(input, &mut buffer, most).map_err(|error| SourceError::read(path, error))?;
        number += 1;
        untold += consumed;
        let outcome = match line {
            Line::End => break,
            Line::TooLong => Err(format!("longer than {most} bytes, the most that a line may have")),
            Line::Whole => reader.line(&buffer)?,
        };
        if let Err(reason) = outcome {
            reader.intake.refuse(Refusal { file: file.clone(), line: Some(number), index: None, reason });
        }
        if number.is_multiple_of(TELL_EVERY) {
            reader.intake.advance(std::mem::take(&mut untold));
        }
    }
    reader.waiting.hand_over_all(&mut reader.intake)?;
    reader.intake.advance(untold);
    reader.intake.finish()
}

impl Reader<'_> {
    /// Takes a line. The inner error is why it was refused.
    fn line(&mut self, bytes: &[u8]) -> Result<Result<(), String>, SourceError> {
        // At any line, because files are put together with `cat`.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = match fields::utf8(bytes) {
            Ok(text) => text.trim(),
            Err(shape) => return Ok(Err(shape.to_string())),
        };
        if text.is_empty() {
            return Ok(Ok(()));
        }
        match line::parse(text, &mut self.intake) {
            Err(shape) => return Ok(Err(shape.to_string())),
            Ok(Said::User(user)) => self.intake.user(user)?,
            Ok(Said::Chat(chat)) => self.intake.chat(chat)?,
            Ok(Said::Capture(capture)) => self.intake.captured(capture)?,
            Ok(Said::Event(chat, copy_of, mut event, files)) => {
                // All paths first: a line is imported whole or not at all.
                let mut places = Vec::new();
                for file in &files {
                    match self.place(file) {
                        Ok(place) => places.push(place),
                        Err(reason) => return Ok(Err(reason)),
                    }
                }
                for (file, place) in files.iter().zip(places) {
                    match self.attach(file, place)? {
                        Ok(attachment) => event.attachments.push(attachment),
                        Err(reason) => return Ok(Err(reason)),
                    }
                }
                for attachment in event.attachments.iter().filter(|attachment| attachment.digest.is_none()) {
                    self.intake.missing(&chat, &event.id, attachment);
                }
                self.waiting.push(&mut self.intake, &chat, copy_of.as_deref(), event)?;
            }
        }
        Ok(Ok(()))
    }

    /// Where a file's bytes are; unset when they are missing. The path must stay in the folder, also through links.
    fn place(&self, file: &NamedFile) -> Result<Option<PathBuf>, String> {
        let Some(path) = &file.path else { return Ok(None) };
        let climbs = || format!("the attachment's path '{}' leads out of the file's folder; put the file inside and name it from there", shown(path));
        let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
        if path.starts_with('/') || path.contains(['\\', '\0']) || drive || path.split('/').any(|part| part == "..") {
            return Err(climbs());
        }
        let Some(folder) = &self.folder else { return Ok(None) };
        match folder.join(path).canonicalize() {
            Ok(place) if !place.starts_with(folder) => Err(climbs()),
            Ok(place) if place.is_file() => Ok(Some(place)),
            Ok(_) => Err(format!("the attachment's path '{}' is no file", shown(path))),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(format!("the attachment '{}' can't be read: {error}; import again when it can", shown(path))),
        }
    }

    fn attach(&mut self, file: &NamedFile, place: Option<PathBuf>) -> Result<Result<Attachment, String>, SourceError> {
        let (name, media_type) = (file.name.clone(), file.media_type.clone());
        let mut attachment = Attachment { name, media_type, size: file.size, digest: None, url: file.url.clone() };
        let Some(place) = place else { return Ok(Ok(attachment)) };
        let unreadable = |what: String| format!("the attachment '{}' can't be read: {what}; import again when it can", shown(&file.name));
        let mut bytes = match std::fs::File::open(&place) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(unreadable(error.to_string()))),
        };
        let most = self.intake.limits.attachment_bytes;
        let size = bytes.metadata().ok().map(|about| about.len());
        let mut guarded = Guarded::new(&mut bytes, most, FileFault::TooLarge(most));
        let info = FileInfo { name: &file.name, media_type: &file.media_type, size };
        match self.intake.attachment(info, &mut guarded)? {
            Ok((digest, size)) => {
                attachment.digest = Some(digest);
                attachment.size = Some(size);
                attachment.url = None;
                Ok(Ok(attachment))
            }
            Err(fault) => Ok(Err(unreadable(fault.to_string()))),
        }
    }
}
