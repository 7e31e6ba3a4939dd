//! Slack's export: lists of users and chats, and for each chat a folder of day files, each one list of entries.
//!
//! The whole of one day file is in memory at a time, and nothing more: files are read in order of their dates, and the entries of each are sorted by `ts`.
//! A folder that no list names is imported too, as a chat of unknown kind: its events are there, so they are not lost.

mod content;
pub mod entry;
mod folders;
pub mod index;
pub mod markup;
mod uploads;

use std::collections::HashSet;
use std::path::Path;

use consign_model::{Attachment, Event, User};

use self::entry::{Parsed, SlackFile, Ts};
use self::folders::Days;
use self::index::Listed;
use self::markup::Names;
use crate::enclosed::{ById, Enclosed};
use crate::files::{Files, Found};
use crate::intake::{Intake, Piece};
use crate::json::fields::Shape;
use crate::json::list::{self, Element, Most, Place};
use crate::report::shown;
use crate::{ChatInfo, Refusal, Report, SourceError};

/// The files by which an export is known; a Slack export has at least one of them.
pub const MARKS: [&str; 6] = ["channels.json", "users.json", "org_users.json", "groups.json", "dms.json", "mpims.json"];

struct Reader<'a> {
    files: Files,
    enclosed: Enclosed,
    /// Where files lie by their ids.
    uploads: ById,
    /// Files that an event of the chat that is being read has.
    named: HashSet<String>,
    names: Names,
    intake: Intake<'a>,
}

/// Reads an export.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let mut files = Files::open(path, intake.limits)?;
    files.enter_only_folder(&MARKS);
    if !MARKS.iter().any(|mark| files.find(mark).is_some() || files.refusal_of(mark).is_some()) {
        let what = "this is no Slack export: it has no channels.json, groups.json, dms.json, mpims.json, users.json or org_users.json";
        return Err(SourceError::WrongKind { path: path.to_owned(), what, hint: "Give the export's ZIP as Slack made it, or its unpacked folder" });
    }
    let index = index::read(path, &mut files, &mut intake)?;
    for refusal in files.take_refused() {
        intake.refuse(refusal);
    }
    let days = folders::days(&files, &index.chats, &mut intake);
    intake.total = days.values().flatten().map(|(_, found)| found.size).sum();
    for user in index.users {
        intake.user(user)?;
    }
    let enclosed = Enclosed::beside(path, &files, intake.limits, |path| uploads::file_id(path).is_some())?;
    let uploads = ById::of(&enclosed, uploads::file_id);
    let mut reader = Reader { enclosed, uploads, files, named: HashSet::new(), names: index.names, intake };
    let mut read = HashSet::new();
    for chat in index.chats {
        let members = index.people.of(&chat);
        let Listed { info, folder, .. } = chat;
        let info = ChatInfo { members, ..info };
        let id = info.id.clone();
        reader.intake.chat(info)?;
        let mut of_chat = Days::new();
        let folders = if folder == id { vec![folder] } else { vec![folder, id.clone()] };
        for folder in folders {
            let Some(of_folder) = days.get(&folder) else { continue };
            if read.contains(&folder) {
                reader.intake.note("chats whose folder has the name of another chat's, so that their events went to the first one");
                continue;
            }
            read.insert(folder);
            of_chat.extend_from_slice(of_folder);
        }
        // One that has a folder by its name and one by its id has a day in each.
        folders::by_date(&mut of_chat);
        reader.chat(&id, &of_chat)?;
    }
    for (folder, days) in &days {
        if !read.contains(folder) {
            reader.undeclared(folder, days)?;
        }
    }
    for path in reader.enclosed.unclaimed() {
        reader.intake.unclaimed(path);
    }
    reader.intake.finish()
}

impl Reader<'_> {
    /// A folder that no list names.
    fn undeclared(&mut self, folder: &str, days: &Days) -> Result<(), SourceError> {
        if !crate::text::is_id(folder) {
            for (path, _) in days {
                self.intake.refuse(Refusal::of_file(path, "its folder's name is no id and in no list of chats"));
            }
            return Ok(());
        }
        let mut info = ChatInfo::unknown(folder);
        info.title = Some(crate::text::name(folder)).filter(|title| !title.is_empty());
        self.intake.note(&format!("chat folder that no list names, imported as a chat of unknown kind: {}", shown(folder)));
        self.intake.chat(info)?;
        self.chat(folder, days)
    }

    fn chat(&mut self, chat: &str, days: &Days) -> Result<(), SourceError> {
        self.named.clear();
        let mut piece = Piece::default();
        for (path, found) in days {
            self.day(chat, path, *found, &mut piece)?;
            self.intake.advance(found.size);
        }
        self.intake.events(chat, None, piece.take())
    }

    fn day(&mut self, chat: &str, path: &str, found: Found, piece: &mut Piece) -> Result<(), SourceError> {
        let limits = self.intake.limits;
        // What has no `ts` is no event, and says nothing of its place among the others: only as much of it is kept as a report lists.
        let (mut entries, mut without_ts, mut unlisted): (Vec<(Ts, Element)>, Vec<Element>, u64) = (Vec::new(), Vec::new(), 0);
        let most = Most { file: limits.json_bytes, element: limits.json_bytes };
        let outcome = list::of_file(&mut self.files, path, found, most, Place::Whole, &mut |element| match entry::ts_of(element.json.get()) {
            Some(ts) => entries.push((ts, element)),
            None if without_ts.len() < limits.listed => without_ts.push(element),
            None => unlisted += 1,
        });
        if let Err(broken) = outcome {
            self.intake.refuse(broken.refusal(path));
            return Ok(());
        }
        entries.sort_by_key(|(ts, _)| *ts);
        for element in without_ts.into_iter().chain(entries.into_iter().map(|(_, element)| element)) {
            let parsed = match element.json.get() {
                json if json.len() > limits.line_bytes => {
                    Err(Shape(format!("longer than {} bytes, the most that an entry may have; the others of this file were read", limits.line_bytes)))
                }
                json => entry::parse(json, &self.names),
            };
            match parsed {
                Ok(parsed) => self.take(chat, parsed, piece)?,
                Err(shape) => {
                    let (line, index) = (Some(element.line), Some(element.index));
                    self.intake.refuse(Refusal { file: shown(path), line, index, reason: shape.to_string() });
                }
            }
        }
        self.intake.refuse_unlisted(unlisted);
        Ok(())
    }

    fn take(&mut self, chat: &str, parsed: Parsed, piece: &mut Piece) -> Result<(), SourceError> {
        if let Some(profile) = parsed.profile {
            let mut user = User::unknown(&profile.id);
            (user.bot, user.external) = (profile.bot, profile.external);
            let is_told = profile.name.is_none() && self.intake.knows_user(&user.id);
            if let Some(name) = profile.name {
                self.names.users.insert(profile.id, name.clone());
                user.name = name;
            }
            if !is_told {
                self.intake.mentioned(user)?;
            }
        }
        let mut event = parsed.event;
        let mut files = parsed.files;
        files.extend(parsed.files_before.into_iter().filter(|file| !self.named.contains(file.key())));
        for file in files {
            self.named.insert(file.key().to_owned());
            let attachment = self.attach(&file)?;
            self.intake.hang(chat, &mut event, attachment);
        }
        if parsed.unnamed_reactions > 0 {
            self.intake.note("messages with reactions whose users Slack does not list; those reactions are not events");
        }
        let of_message: Vec<_> = parsed.reactions.into_iter().map(|reaction| reaction.events(&event)).collect();
        self.push(chat, event, piece)?;
        for reaction in of_message.into_iter().flatten() {
            self.push(chat, reaction, piece)?;
        }
        Ok(())
    }

    fn push(&mut self, chat: &str, event: Event, piece: &mut Piece) -> Result<(), SourceError> {
        piece.push(event);
        if piece.is_full(self.intake.limits) {
            self.intake.events(chat, None, piece.take())?;
        }
        Ok(())
    }

    /// A file with its bytes where the export has them, else with its URL.
    fn attach(&mut self, file: &SlackFile) -> Result<Attachment, SourceError> {
        let (name, media_type) = (file.name.clone(), file.media_type.clone());
        let mut attachment = Attachment { name, media_type, size: file.size, digest: None, url: file.url.clone() };
        if let Some(path) = file.id.as_deref().and_then(|id| self.uploads.find(id, &file.name)) {
            self.enclosed.attach(&mut self.intake, path, &mut attachment)?;
        }
        Ok(attachment)
    }
}
