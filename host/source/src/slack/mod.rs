//! Slack's export: lists of users and chats, and for each chat a folder of day files, each one list of entries.
//!
//! The whole of one day file is in memory at a time, and nothing more: files are read in order of their dates, and the entries of each are sorted by `ts`.
//! A folder that no list names is imported too, as a chat of unknown kind: its events are there, so they are not lost.

mod content;
mod entry;
mod index;
mod list;
mod markup;
mod uploads;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use consign_model::{Attachment, Digest, User};

use self::entry::{Parsed, SlackFile};
use self::index::Listed;
use self::markup::Names;
use self::uploads::Uploads;
use crate::files::{Files, Found};
use crate::intake::{Intake, Piece};
use crate::report::shown;
use crate::{ChatInfo, FileInfo, Refusal, Report, SourceError};

/// The files by which an export is known; a Slack export has at least one of them.
const MARKS: [&str; 5] = ["channels.json", "users.json", "groups.json", "dms.json", "mpims.json"];

/// What an export has of a file's bytes.
#[derive(Debug, Clone, Copy)]
enum Bytes {
    /// Handed over before: the sink's answer.
    Stored(Digest, u64),
    /// There, but not to be read.
    Bad,
}

struct Reader<'a> {
    files: Files,
    uploads: Uploads,
    /// Answers for files that came before: one file is often shared in several chats.
    seen: HashMap<String, Bytes>,
    names: Names,
    intake: Intake<'a>,
}

/// Reads an export.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let mut files = Files::open(path, intake.limits)?;
    files.enter_only_folder(&MARKS);
    if !MARKS.iter().any(|mark| files.find(mark).is_some() || files.refused.iter().any(|refusal| refusal.file == *mark)) {
        let what = "this is no Slack export: it has no channels.json, groups.json, dms.json, mpims.json or users.json";
        return Err(SourceError::WrongKind { path: path.to_owned(), what, hint: "Give the export's ZIP as Slack made it, or its unpacked folder" });
    }
    let index = index::read(path, &mut files, &mut intake)?;
    for refusal in std::mem::take(&mut files.refused) {
        intake.refuse(refusal);
    }
    let days = days(&files, &mut intake);
    intake.total = days.values().flatten().map(|(_, found)| found.size).sum();
    for user in index.users {
        intake.user(user)?;
    }
    let mut reader = Reader { uploads: Uploads::of(&files), files, seen: HashMap::new(), names: index.names, intake };
    let mut read = HashSet::new();
    for Listed { info, folder } in index.chats {
        let id = info.id.clone();
        reader.intake.chat(info)?;
        for folder in HashSet::from([folder, id.clone()]) {
            let Some(of_folder) = days.get(&folder) else { continue };
            if read.contains(&folder) {
                reader.intake.note("chats whose folder has the name of another chat's, so that their events went to the first one");
                continue;
            }
            read.insert(folder);
            reader.chat(&id, of_folder)?;
        }
    }
    for (folder, days) in &days {
        if !read.contains(folder) {
            reader.undeclared(folder, days)?;
        }
    }
    Ok(reader.intake.report)
}

type Days = Vec<(String, Found)>;

/// The day files by chat folder; what is neither a day file nor known otherwise is noted.
fn days(files: &Files, intake: &mut Intake<'_>) -> BTreeMap<String, Days> {
    let mut days: BTreeMap<String, Days> = BTreeMap::new();
    for (path, found) in files.all() {
        match path.split_once('/') {
            None if MARKS.contains(&path) => {}
            Some((folder, name)) if is_day(name) => days.entry(folder.to_owned()).or_default().push((path.to_owned(), found)),
            Some(_) if uploads::file_id(path).is_some() => {}
            _ => intake.note(&format!("file that holds no messages, not imported: {}", shown(path))),
        }
    }
    days
}

/// `2026-01-05.json`.
fn is_day(name: &str) -> bool {
    let Some(date) = name.strip_suffix(".json") else { return false };
    date.len() == 10 && date.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

impl Reader<'_> {
    /// A folder that no list names.
    fn undeclared(&mut self, folder: &str, days: &Days) -> Result<(), SourceError> {
        if !crate::text::is_id(folder) {
            for (path, _) in days {
                self.refuse_file(path, None, "its folder's name is no id and in no list of chats".into());
            }
            return Ok(());
        }
        let mut info = ChatInfo::unknown(folder);
        info.title = Some(folder.to_owned());
        self.intake.note(&format!("chat folder that no list names, imported as a chat of unknown kind: {}", shown(folder)));
        self.intake.chat(info)?;
        self.chat(folder, days)
    }

    fn chat(&mut self, chat: &str, days: &Days) -> Result<(), SourceError> {
        let mut piece = Piece::default();
        for (path, found) in days {
            match self.files.bytes(path, *found, self.intake.limits.json_bytes) {
                Ok(bytes) => self.day(chat, path, &bytes, &mut piece)?,
                Err(fault) => self.refuse_file(path, None, fault.to_string()),
            }
            self.intake.advance(found.size);
        }
        self.intake.events(chat, piece.take())
    }

    fn day(&mut self, chat: &str, path: &str, bytes: &[u8], piece: &mut Piece) -> Result<(), SourceError> {
        let mut elements = match list::split(bytes) {
            Ok(elements) => elements,
            Err(broken) => {
                self.refuse_file(path, broken.line, format!("{}. None of this file was imported; mend it and import again", broken.what));
                return Ok(());
            }
        };
        elements.sort_by_cached_key(|element| entry::ts_of(element.json));
        for element in elements {
            match entry::parse(element.json, &self.names) {
                Ok(parsed) => self.take(chat, parsed, piece)?,
                Err(shape) => {
                    let (line, index) = (Some(element.line), Some(element.index));
                    self.intake.refuse(Refusal { file: shown(path), line, index, reason: shape.to_string() });
                }
            }
            if piece.is_full(self.intake.limits) {
                self.intake.events(chat, piece.take())?;
            }
        }
        Ok(())
    }

    fn take(&mut self, chat: &str, parsed: Parsed, piece: &mut Piece) -> Result<(), SourceError> {
        if let Some(profile) = parsed.profile {
            let mut user = User::unknown(&profile.id);
            user.name = profile.name;
            user.bot = profile.bot;
            self.names.users.insert(profile.id, user.name.clone());
            self.intake.user(user)?;
        }
        let mut event = parsed.event;
        for file in parsed.files {
            let attachment = self.attach(&file)?;
            if attachment.digest.is_none() {
                self.intake.missing(chat, &event.id, &attachment);
            }
            event.attachments.push(attachment);
        }
        if parsed.unnamed_reactions > 0 {
            self.intake.note("messages with reactions whose users Slack does not list; those reactions are not events");
        }
        piece.push(event);
        for reaction in parsed.reactions {
            piece.push(reaction);
        }
        Ok(())
    }

    /// A file with its bytes where the export has them, else with its URL.
    fn attach(&mut self, file: &SlackFile) -> Result<Attachment, SourceError> {
        let (name, media_type) = (file.name.clone(), file.media_type.clone());
        let mut attachment = Attachment { name, media_type, size: file.size, digest: None, url: file.url.clone() };
        let Some(id) = &file.id else { return Ok(attachment) };
        let bytes = match self.seen.get(id) {
            Some(Bytes::Stored(digest, size)) => {
                self.intake.count_attachment(*size);
                Some(Bytes::Stored(*digest, *size))
            }
            Some(Bytes::Bad) => Some(Bytes::Bad),
            None => self.bytes_of(id, file)?,
        };
        if let Some(bytes) = bytes {
            self.seen.insert(id.clone(), bytes);
            if let Bytes::Stored(digest, size) = bytes {
                attachment.digest = Some(digest);
                attachment.size = Some(size);
                attachment.url = None;
            }
        }
        Ok(attachment)
    }

    fn bytes_of(&mut self, id: &str, file: &SlackFile) -> Result<Option<Bytes>, SourceError> {
        let Some((path, found)) = self.uploads.find(id, &file.name) else { return Ok(None) };
        let info = FileInfo { name: &file.name, media_type: &file.media_type, size: Some(found.size) };
        let mut answer = None;
        let intake = &mut self.intake;
        let opened = self.files.with(path, found, intake.limits.attachment_bytes, &mut |reader| answer = Some(intake.attachment(info, reader)));
        let fault = match (opened, answer) {
            (Ok(()), Some(Ok(Ok((digest, size))))) => return Ok(Some(Bytes::Stored(digest, size))),
            (_, Some(Err(error))) => return Err(error),
            (Ok(()), Some(Ok(Err(fault)))) | (Err(fault), _) => fault,
            (Ok(()), None) => return Ok(None),
        };
        let reason = format!("{fault}. Its messages were imported with the file recorded as missing");
        let path = path.to_owned();
        self.refuse_file(&path, None, reason);
        Ok(Some(Bytes::Bad))
    }

    fn refuse_file(&mut self, path: &str, line: Option<u64>, reason: String) {
        self.intake.refuse(Refusal { file: shown(path), line, index: None, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_files_by_name() {
        assert!(is_day("2026-01-05.json"));
        for other in ["canvas_in_the_conversation.json", "2026-01-05.json.bak", "2026_01_05.json", "20260-1-05.json", "x/2026-01-05.json"] {
            assert!(!is_day(other), "{other}");
        }
    }
}
