//! Makes of a chat another one of the same shape with none of its text: to give a failing case to whoever may not read the chat.
//!
//! Kept are the kinds of events and their order, times, lengths in bytes and in characters, scripts and cases of letters, digits, spaces and punctuation,
//! threads and references, memberships, flags, and the types and sizes of files. Replaced are all letters, digits and pictographs of texts, names,
//! titles, addresses, file names, reactions, labels and attributes, and all ids; the same id, name or domain becomes the same one everywhere. Names of labels
//! and attributes stay: they are the platform's, and modules ask by them.
//!
//! What stands in a place is drawn by a seed, not computed from what stood there: nobody can find out by trying whether a word was it.

mod known;
mod mask;
mod shape;

use std::fmt::Write as _;

use consign_export::chats::{ReadError, ShownChat};
use consign_model::window::Participant;
use consign_model::{Attachment, ChatKind, Event, EventKind, Flags, Membership};
use serde::Serialize;
use serde_json::{Map, Value, json};

use known::Known;
use mask::Masks;

/// Files that were there are made anew, empty of sense but as large, up to this size; larger ones are told as missing, with their size.
const LARGEST_FILE: u64 = 16 << 20;

/// How a chat is captured.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What decides what is drawn.
    pub seed: u64,
    /// Words that stay, wherever they stand and however they are written: those that a tenant wrote into the configuration himself.
    pub keep_words: Vec<String>,
    /// The folder for files, relative to that of the lines.
    pub files: String,
}

/// A file to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeFile {
    /// Where, relative to the folder of the lines.
    pub path: String,
    /// How large.
    pub bytes: u64,
}

/// What was captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Have the same again by this.
    pub seed: u64,
    /// The chat's new id.
    pub chat: String,
    /// Events, each of which is a line.
    pub events: u64,
    /// People.
    pub people: usize,
    /// Joins and leaves from before the window, which are lines too, so that the memberships are the same.
    pub moves_before: usize,
    /// Events that JSON lines can't tell quite so: files that came after their message, which become edits.
    pub approximated: u64,
}

/// A chat of the same shape.
#[derive(Debug, Clone)]
pub struct Captured {
    /// JSON lines.
    pub lines: String,
    /// Files that the lines name.
    pub files: Vec<MadeFile>,
    /// What it is.
    pub report: Report,
}

/// Makes a chat of the same shape. Reads the chat twice: what must not come out is collected first.
pub fn capture(chat: &mut ShownChat, options: &Options) -> Result<Captured, ReadError> {
    let facts = std::sync::Arc::clone(chat.context().facts());
    let mut known = Known::of(&facts);
    for index in 0..chat.batches() {
        known.batch(chat.batch(index)?.batch());
    }
    let masks = Masks::new(known, options);
    let new_chat = facts.chat.key.id.clone();
    let mut work = Work { masks, chat: String::new(), lines: String::new(), files: Vec::new(), folder: options.files.clone(), approximated: 0 };
    work.chat = work.masks.id(&new_chat);
    work.people(&facts.participants);
    work.chat_line(&facts.chat, &facts.participants, chat)?;
    let moves_before = work.moves_before(&facts.participants, chat)?;
    let mut events = 0;
    for index in 0..chat.batches() {
        let view = chat.batch(index)?;
        for row in 0..view.len() {
            if let Some(event) = view.batch().event(row) {
                work.event(&event);
                events += 1;
            }
        }
    }
    let report =
        Report { seed: options.seed, chat: work.chat, events, people: facts.participants.len(), moves_before, approximated: work.approximated };
    Ok(Captured { lines: work.lines, files: work.files, report })
}

struct Work {
    masks: Masks,
    /// The chat's new id.
    chat: String,
    lines: String,
    files: Vec<MadeFile>,
    folder: String,
    approximated: u64,
}

impl Work {
    fn line(&mut self, line: &Value) {
        // Writing to a String can't fail.
        let _ = writeln!(self.lines, "{line}");
    }

    fn people(&mut self, participants: &[Participant]) {
        for Participant { user, .. } in participants {
            let mut line = Map::new();
            line.insert("type".to_owned(), json!("user"));
            line.insert("id".to_owned(), json!(self.masks.id(&user.id)));
            // Whoever has no name is called by the id.
            if user.name != user.id {
                line.insert("name".to_owned(), json!(self.masks.name(&user.name)));
            }
            if let Some(email) = &user.email {
                line.insert("email".to_owned(), json!(self.masks.address(email)));
            }
            for (name, flag) in [("bot", user.bot), ("external", user.external), ("recorded", user.recorded)] {
                line.insert(name.to_owned(), json!(flag));
            }
            let attributes: Map<String, Value> = user.attributes.iter().map(|(name, value)| (name.clone(), json!(self.masks.name(value)))).collect();
            if !attributes.is_empty() {
                line.insert("attributes".to_owned(), attributes.into());
            }
            self.line(&line.into());
        }
    }

    fn chat_line(&mut self, chat: &consign_model::Chat, participants: &[Participant], shown: &mut ShownChat) -> Result<(), ReadError> {
        let mut line = Map::new();
        line.insert("type".to_owned(), json!("chat"));
        line.insert("id".to_owned(), json!(self.chat));
        line.insert("kind".to_owned(), json!(kind_word(chat.kind)));
        if let Some(title) = &chat.title {
            line.insert("title".to_owned(), json!(self.masks.name(title)));
        }
        let labels: Map<String, Value> = chat.labels.iter().map(|(name, value)| (name.clone(), json!(self.masks.name(value)))).collect();
        if !labels.is_empty() {
            line.insert("labels".to_owned(), labels.into());
        }
        let moving = movers(shown)?;
        let still = |one: &&Participant| !moving.contains(&one.user.id) && one.memberships == [Membership { joined: None, left: None }];
        let mut members: Vec<String> = participants.iter().filter(still).map(|one| one.user.id.clone()).collect();
        if members.is_empty() && participants.iter().any(|one| one.memberships.is_empty()) {
            // The platform lists members, and who is not listed was none. Listing somebody whose moves are known changes nothing for that one.
            members.extend(participants.iter().find(|one| !one.memberships.is_empty()).map(|one| one.user.id.clone()));
        }
        let members: Vec<Value> = members.iter().map(|id| json!(self.masks.id(id))).collect();
        if !members.is_empty() {
            line.insert("members".to_owned(), members.into());
        }
        self.line(&line.into());
        Ok(())
    }

    /// Joins and leaves that the stays prove and that are no events of the window.
    fn moves_before(&mut self, participants: &[Participant], shown: &mut ShownChat) -> Result<usize, ReadError> {
        let mut there = std::collections::HashSet::new();
        for index in 0..shown.batches() {
            let view = shown.batch(index)?;
            let batch = view.batch();
            for row in 0..batch.len() {
                let kind = batch.kind(row);
                if let (EventKind::Join | EventKind::Leave, Some(user)) = (kind, batch.user(row)) {
                    there.insert((kind, user.to_owned(), batch.times.get(row).copied().unwrap_or_default()));
                }
            }
        }
        let mut count = 0;
        for Participant { user, memberships, derived, .. } in participants {
            // A stay before the first join follows from what the user says in it, here too.
            let follows = usize::from(*derived && memberships.len() > 1);
            for stay in memberships.iter().skip(follows) {
                for (kind, at) in [(EventKind::Join, stay.joined), (EventKind::Leave, stay.left)] {
                    let Some(at) = at.filter(|at| !there.contains(&(kind, user.id.clone(), at.0))) else { continue };
                    let line = json!({"type": kind.word(), "chat": self.chat, "user": self.masks.id(&user.id), "at": at});
                    self.line(&line);
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    fn event(&mut self, event: &Event) {
        let mut line = Map::new();
        line.insert("type".to_owned(), json!(event.kind.word()));
        line.insert("chat".to_owned(), json!(self.chat));
        let id = match event.kind {
            EventKind::Message | EventKind::Other => Some(&event.id),
            EventKind::Edit | EventKind::Delete | EventKind::Reaction => event.target.as_ref().or(Some(&event.id)),
            EventKind::Join | EventKind::Leave => None,
        };
        if let Some(id) = id {
            line.insert("id".to_owned(), json!(self.masks.id(id)));
        }
        line.insert("at".to_owned(), json!(event.at));
        if let Some(user) = &event.user {
            line.insert("user".to_owned(), json!(self.masks.id(user)));
        }
        if let Some(thread) = &event.thread {
            line.insert("thread".to_owned(), json!(self.masks.id(thread)));
        }
        match event.kind {
            EventKind::Reaction => {
                line.insert("name".to_owned(), json!(self.masks.name(&event.text)));
                line.insert("removed".to_owned(), json!(event.flags.has(Flags::REMOVED)));
            }
            EventKind::Message | EventKind::Edit | EventKind::Other => {
                line.insert("text".to_owned(), json!(self.masks.text(&event.text)));
                if event.flags.has(Flags::FROM_BOT) {
                    line.insert("bot".to_owned(), json!(true));
                }
                if event.kind == EventKind::Message && event.flags.has(Flags::EDITED) {
                    line.insert("edited".to_owned(), json!(true));
                }
                if !event.attachments.is_empty() {
                    let files: Vec<Value> = event.attachments.iter().map(|file| self.attachment(file)).collect();
                    line.insert("attachments".to_owned(), files.into());
                }
            }
            EventKind::Delete | EventKind::Join | EventKind::Leave => {}
        }
        self.approximated += u64::from(event.adds_files());
        self.line(&line.into());
    }

    fn attachment(&mut self, file: &Attachment) -> Value {
        let mut said = Map::new();
        said.insert("name".to_owned(), json!(self.masks.name(&file.name)));
        said.insert("media_type".to_owned(), json!(file.media_type));
        if let Some(size) = file.size {
            said.insert("size".to_owned(), json!(size));
            if file.digest.is_some() && size <= LARGEST_FILE {
                let path = format!("{}/{:06}", self.folder, self.files.len() + 1);
                said.insert("path".to_owned(), json!(path));
                self.files.push(MadeFile { path, bytes: size });
            }
        }
        said.into()
    }
}

/// Who joins or leaves in this window.
fn movers(shown: &mut ShownChat) -> Result<std::collections::HashSet<String>, ReadError> {
    let mut found = std::collections::HashSet::new();
    for index in 0..shown.batches() {
        let view = shown.batch(index)?;
        let batch = view.batch();
        let moves = (0..batch.len()).filter(|row| matches!(batch.kind(*row), EventKind::Join | EventKind::Leave));
        found.extend(moves.filter_map(|row| batch.user(row)).map(str::to_owned));
    }
    Ok(found)
}

fn kind_word(kind: ChatKind) -> &'static str {
    match kind {
        ChatKind::Direct => "direct",
        ChatKind::Group => "group",
        ChatKind::Channel => "channel",
        ChatKind::Meeting => "meeting",
        ChatKind::Other => "other",
    }
}
