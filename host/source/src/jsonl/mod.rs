//! JSON lines: one object a line, plain or packed. The format that everything else can be turned into, and the one of the webhook.
//!
//! Chats come interleaved here, so events wait by chat until a chat has a piece's worth, or until all together are too much: then the largest goes.
//! Within a chat they keep the order of the file.

mod line;
mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use consign_model::Attachment;

use self::line::{NamedFile, Said};
use self::lines::Line;
use crate::files::{FileFault, Guarded};
use crate::intake::{Intake, Piece};
use crate::report::shown;
use crate::{FileInfo, Refusal, Report, SourceError};

/// Lines between two tellings of progress.
const TELL_EVERY: u64 = 1024;

struct Reader<'a> {
    intake: Intake<'a>,
    waiting: Waiting,
    /// The folder in which attachments lie, with every link resolved.
    folder: Option<PathBuf>,
}

/// Reads a file.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let packing = lines::packing(path)?;
    intake.total = lines::check(path, packing, intake.limits)?;
    let mut input = lines::open(path, packing)?;
    let folder = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    read_all(input.as_mut(), path, folder, intake)
}

/// Reads lines at hand. `name` stands for the file's in refusals; attachments lie in `folder`, where there is one.
pub fn read_text(name: &str, text: &str, folder: Option<&Path>, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    intake.total = text.len() as u64;
    let folder = folder.and_then(|folder| folder.canonicalize().ok());
    read_all(&mut text.as_bytes(), Path::new(name), folder, intake)
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
    for (chat, events) in reader.waiting.rest() {
        reader.intake.events(&chat, events)?;
    }
    reader.intake.advance(untold);
    Ok(reader.intake.report)
}

impl Reader<'_> {
    /// Takes a line. The inner error is why it was refused.
    fn line(&mut self, bytes: &[u8]) -> Result<Result<(), String>, SourceError> {
        // At any line, because files are put together with `cat`.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.trim(),
            Err(error) => return Ok(Err(format!("not UTF-8 at byte {}", error.valid_up_to()))),
        };
        if text.is_empty() {
            return Ok(Ok(()));
        }
        match line::parse(text, &mut self.intake) {
            Err(shape) => return Ok(Err(shape.to_string())),
            Ok(Said::User(user)) => self.intake.user(user)?,
            Ok(Said::Chat(chat)) => self.intake.chat(chat)?,
            Ok(Said::Event(chat, mut event, files)) => {
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
                self.waiting.push(&chat, event);
                while let Some((chat, events)) = self.waiting.due(&self.intake) {
                    self.intake.events(&chat, events)?;
                }
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

/// Events that wait, by chat. `by_cost` finds the largest without looking at all chats.
#[derive(Default)]
struct Waiting {
    chats: BTreeMap<String, Piece>,
    by_cost: BTreeSet<(usize, String)>,
    cost: usize,
    /// A chat that was just added to, and may be full.
    last: Option<String>,
}

impl Waiting {
    fn push(&mut self, chat: &str, event: consign_model::Event) {
        let piece = self.chats.entry(chat.to_owned()).or_default();
        let before = piece.cost;
        piece.push(event);
        self.cost += piece.cost - before;
        self.by_cost.remove(&(before, chat.to_owned()));
        self.by_cost.insert((piece.cost, chat.to_owned()));
        self.last = Some(chat.to_owned());
    }

    /// A piece that must go now, if any.
    fn due(&mut self, intake: &Intake<'_>) -> Option<(String, Vec<consign_model::Event>)> {
        let last = self.last.take();
        let full = last.filter(|chat| self.chats.get(chat).is_some_and(|piece| piece.is_full(intake.limits)));
        let too_much = || (self.cost > intake.limits.waiting_bytes).then(|| self.by_cost.last().map(|(_, chat)| chat.clone())).flatten();
        let chat = full.or_else(too_much)?;
        let mut piece = self.chats.remove(&chat)?;
        self.by_cost.remove(&(piece.cost, chat.clone()));
        self.cost -= piece.cost;
        Some((chat, piece.take()))
    }

    /// All that is left.
    fn rest(&mut self) -> impl Iterator<Item = (String, Vec<consign_model::Event>)> + use<> {
        self.by_cost.clear();
        self.cost = 0;
        std::mem::take(&mut self.chats).into_iter().map(|(chat, mut piece)| (chat, piece.take()))
    }
}
