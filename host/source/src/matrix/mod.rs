//! Matrix: the JSON that Element exports of a room, with the raw events as they are, alone, or with the files of its messages in a ZIP or folder; or several of these.
//!
//! What such an export says of its room beside the events are names (`room_name`, `room_creator`, `exported_by`: whoever it is, as they call themselves), no ids. So the
//! room's id is that of its events; a room whose events have none gets one that is derived from its name, its creator and the event by which it was made (or else its first
//! one, since two rooms of one name must not be one chat, whose people would get each other's messages), which the report says. Element writes only what it
//! shows as a line of its own: no reactions, no redactions, and of edits what the server put into the message.
//!
//! Files are read twice: first to see that they are whole, and for what stands behind the events that it is needed for (`room`); then event by event.

mod content;
mod event;
mod media;
mod room;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use consign_model::id::Hasher;
use consign_model::{Attachment, Event, User};

use self::event::Parsed;
use self::media::{MatrixFile, Media};
use self::room::Room;
use crate::enclosed::Enclosed;
use crate::files::{Files, Found, folder_of};
use crate::intake::Intake;
use crate::json::list::{self, Broken, Element, Most, Place};
use crate::recognise::Head;
use crate::report::shown;
use crate::waiting::Waiting;
use crate::{ChatInfo, Refusal, Report, SourceError};

/// Events between two tellings of progress.
const TELL_EVERY: u64 = 1024;

/// Whether a file begins with a room of Element's export.
pub fn fits(head: &Head) -> bool {
    head.has(&["room_name", "room_creator", "export_date"]) || head.has(&["messages[].event_id", "messages[].origin_server_ts", "messages[].type"])
}

/// An export of one room.
struct Export {
    path: String,
    found: Found,
    room: Room,
    /// The room's id, for events that say none.
    id: String,
    title: Option<String>,
}

/// Reads an export.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let mut files = Files::open_any(path, intake.limits)?;
    let mut broken = Vec::new();
    let (exports, home) = look(path, &mut files, &mut broken, &mut intake)?;
    for refusal in files.take_refused().chain(broken.into_iter().map(|(name, broken)| broken.refusal(&name))) {
        intake.refuse(refusal);
    }
    intake.total = exports.iter().map(|export| export.found.size).sum();
    let enclosed = Enclosed::beside(path, &files, intake.limits, |path| !media::is_export(path))?;
    let media = Media::of(&enclosed);
    let mut reader = Reader { intake, waiting: Waiting::default(), media, enclosed, declared: HashSet::new() };
    let mut names: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for export in &exports {
        for (id, name) in &export.room.names {
            let known = names.entry(id).or_default();
            *known = name.as_deref().or(*known);
        }
    }
    for (id, name) in names {
        reader.person(id, name, &home)?;
    }
    for export in exports {
        reader.export(&mut files, export)?;
    }
    reader.waiting.hand_over_all(&mut reader.intake)?;
    for path in reader.enclosed.unclaimed() {
        reader.intake.unclaimed(path);
    }
    reader.intake.finish()
}

/// The first look at all files: hands nothing over. Answers with the rooms, and the servers of those who created them.
fn look(
    path: &Path,
    files: &mut Files,
    broken: &mut Vec<(String, Broken)>,
    intake: &mut Intake<'_>,
) -> Result<(Vec<Export>, BTreeSet<String>), SourceError> {
    let is_one = files.is_one();
    let paths: Vec<(String, Found)> =
        files.all().filter(|(path, _)| is_one || media::is_export(path)).map(|(path, found)| (path.to_owned(), found)).collect();
    let (mut exports, mut home) = (Vec::new(), BTreeSet::new());
    for (name, found) in paths {
        match first_look(files, &name, found, &mut home, intake) {
            Ok(export) => exports.extend(export),
            Err(one) => broken.push((name, one)),
        }
    }
    if !exports.is_empty() {
        return Ok((exports, home));
    }
    if let Some((name, first)) = std::mem::take(broken).into_iter().next() {
        return Err(first.error(path, &name));
    }
    let what = "this is no export of a Matrix room: it has no list `messages` of events";
    let hint = "Give what Element's \"Export chat\" wrote as JSON: the file, or the ZIP with the files of its messages";
    Err(SourceError::WrongKind { path: path.to_owned(), what, hint })
}

fn first_look(files: &mut Files, name: &str, found: Found, home: &mut BTreeSet<String>, intake: &mut Intake<'_>) -> Result<Option<Export>, Broken> {
    let (mut room, mut events) = (Room::default(), 0_u64);
    let mut around = list::both(files, name, found, most(intake), Place::Field("messages"), &mut |element| {
        events += u64::from(room.glance(element.json.get()));
    })?;
    let mut said = |field: &str| around.fields.filled(field).unwrap_or_default();
    let (title, creator) = (said("room_name"), said("room_creator"));
    let is_element = title.is_some() && said("export_date").is_some();
    if around.elements.is_none() || events == 0 && !is_element {
        intake.note(&format!("file that is no export of a room, not read: {}", shown(name)));
        return Ok(None);
    }
    match room.home(creator.as_deref()) {
        Some(server) => drop(home.insert(server)),
        None => intake.note("rooms of which nobody can say on which server they were made"),
    }
    let id = room.id.clone().unwrap_or_else(|| {
        intake.note("rooms whose events have no `room_id`: their ids are derived from name, creator and the room's making or first event, and another export of the same room must have these as they are");
        let mut digest = Hasher::default();
        digest.field(title.as_deref().unwrap_or_default().as_bytes()).field(creator.as_deref().unwrap_or_default().as_bytes());
        digest.field(room.anchor().as_bytes());
        format!("room:{}", digest.finish().short())
    });
    let title = title.map(|title| intake.name(&title)).filter(|title| !title.is_empty());
    Ok(Some(Export { path: name.to_owned(), found, room, id, title }))
}

fn most(intake: &Intake<'_>) -> Most {
    Most { file: intake.limits.list_bytes, element: intake.limits.json_bytes }
}

/// Hands over what is read.
struct Reader<'a> {
    intake: Intake<'a>,
    waiting: Waiting,
    media: Media,
    enclosed: Enclosed,
    declared: HashSet<String>,
}

impl Reader<'_> {
    fn person(&mut self, id: &str, name: Option<&str>, home: &BTreeSet<String>) -> Result<(), SourceError> {
        let mut user = User::unknown(id);
        let server = id.split_once(':').map(|(_, server)| server);
        user.external = !home.is_empty() && server.is_some_and(|server| !home.contains(server));
        match name.map(|name| self.intake.name(name)).filter(|name| !name.is_empty()) {
            Some(name) => {
                user.name = name;
                self.intake.user(user)
            }
            None => self.intake.mentioned(user),
        }
    }

    fn export(&mut self, files: &mut Files, mut export: Export) -> Result<(), SourceError> {
        let mut info = ChatInfo { kind: Some(export.room.kind()), title: export.title.clone(), ..ChatInfo::unknown(&export.id) };
        if export.room.is_encrypted {
            info.labels.insert("encrypted".into(), "true".into());
        }
        self.declared.insert(export.id.clone());
        self.intake.chat(info)?;
        let folder = folder_of(&export.path).to_owned();
        let (mut outcome, mut count, mut untold, mut told) = (Ok(()), 0_u64, 0_u64, 0_u64);
        let (path, found) = (export.path.clone(), export.found);
        let read = list::of_file(files, &path, found, most(&self.intake), Place::Field("messages"), &mut |element| {
            if outcome.is_err() {
                // Nothing comes after a failure.
                return;
            }
            (count, untold) = (count + 1, untold + element.json.get().len() as u64);
            outcome = self.element(&mut export, &folder, &element);
            if count.is_multiple_of(TELL_EVERY) {
                self.intake.advance(untold);
                told += std::mem::take(&mut untold);
            }
        });
        outcome?;
        self.intake.advance(found.size.saturating_sub(told));
        if let Err(broken) = read {
            self.intake.refuse(broken.refusal_of_rest(&path));
        }
        Ok(())
    }

    fn element(&mut self, export: &mut Export, folder: &str, element: &Element) -> Result<(), SourceError> {
        let most = self.intake.limits.line_bytes;
        let parsed = match element.json.get() {
            json if json.len() > most => Err(format!("longer than {most} bytes, the most that an event may have; the others of this file were read")),
            json => event::parse(json, &mut export.room).map_err(|shape| shape.to_string()),
        };
        match parsed {
            Ok(parsed) => self.take(export, folder, parsed),
            Err(reason) => {
                let (line, index) = (Some(element.line), Some(element.index));
                self.intake.refuse(Refusal { file: shown(&export.path), line, index, reason });
                Ok(())
            }
        }
    }

    fn take(&mut self, export: &Export, folder: &str, parsed: Parsed) -> Result<(), SourceError> {
        for note in parsed.notes {
            self.intake.note(note);
        }
        let chat = parsed.room.unwrap_or_else(|| export.id.clone());
        if self.declared.insert(chat.clone()) {
            self.intake.note("events of another room than the first of their file");
            self.intake.chat(ChatInfo::unknown(&chat))?;
        }
        for (mut event, files) in parsed.events {
            for file in files {
                let attachment = self.attach(folder, &file, &event)?;
                self.intake.hang(&chat, &mut event, attachment);
            }
            self.waiting.push(&mut self.intake, &chat, None, event)?;
        }
        Ok(())
    }

    /// A file with its bytes where the export has them, else with its address.
    fn attach(&mut self, folder: &str, file: &MatrixFile, event: &Event) -> Result<Attachment, SourceError> {
        let mut attachment =
            Attachment { name: file.name.clone(), media_type: file.media_type.clone(), size: file.size, digest: None, url: file.url.clone() };
        if let Some(path) = self.media.claim(folder, file, event.at) {
            self.enclosed.attach(&mut self.intake, path, &mut attachment)?;
        }
        Ok(attachment)
    }
}
