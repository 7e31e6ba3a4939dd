//! Mattermost's bulk export: one file of JSON lines, alone, or in a ZIP or folder with the files that hang on posts under `data/`.
//!
//! It was made for moving to another server, and has no ids at all: users are known by their usernames, channels by `team/channel`, direct chats by their
//! members, posts as told in [`post`]. So somebody who is renamed, and a channel whose address is changed, is another one in the next export. Deleted posts are
//! not in it, and of an edited one the newest text.
//!
//! The file is read twice: first for who and what there is and for posts that look the same ([`twins`]), then for posts. Posts come in the order of ids that the
//! export does not say, of all chats mixed, so events wait by chat. One line is in memory at a time, a post with all its replies.

mod content;
mod index;
mod post;
mod twins;

use std::collections::HashSet;
use std::io::BufReader;
use std::path::Path;

use consign_model::{Attachment, Event};

use self::index::Index;
use self::post::Head;
use self::twins::{Search, Twins};
use crate::enclosed::Enclosed;
use crate::files::{Files, Found, folder_of};
use crate::intake::Intake;
use crate::json::fields::{self, Fields, Shape};
use crate::jsonl::lines::{self, Line};
use crate::recognise;
use crate::report::shown;
use crate::waiting::Waiting;
use crate::{ChatInfo, Refusal, Report, SourceError, media, text};

/// Lines between two tellings of progress.
const TELL_EVERY: u64 = 256;
/// The version of the format, which has been the same since there is one.
const VERSION: u64 = 1;

/// Whether an export that begins like this is one of these: its first line says the version, and no other format's does.
pub fn fits(head: &recognise::Head) -> bool {
    head.has(&["type=version", "version"])
}

struct Reader<'a> {
    intake: Intake<'a>,
    waiting: Waiting,
    index: Index,
    twins: Twins,
    enclosed: Enclosed,
    /// Where in the export everything lies, with a `/` at its end.
    folder: String,
    /// The file of lines, for refusals.
    file: String,
    /// Chats that were handed over.
    told: HashSet<String>,
}

/// Reads an export.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let mut files = Files::open_any(path, intake.limits)?;
    let refused: Vec<_> = files.take_refused().collect();
    let Some((name, found)) = file_of_lines(path, &mut files)? else {
        // It may be the very file that can't be read.
        return Err(match refused.into_iter().find(|refusal| holds_lines(&refusal.file)) {
            Some(refusal) => SourceError::List { path: path.to_owned(), place: refusal.file, what: refusal.reason },
            None => wrong(path, "this is no bulk export of Mattermost: no file of it begins with a line of the type `version`"),
        });
    };
    let enclosed = Enclosed::beside(path, &files, intake.limits, |path| path != name)?;
    files.keep(|path| path == name);
    intake.total = found.size.saturating_mul(2);
    let (index, twins) = survey(path, &mut files, &name, found, &mut intake)?;

    for refusal in refused {
        intake.refuse(refusal);
    }
    let folder = folder_of(&name).to_owned();
    let file = shown(&name);
    let mut reader = Reader { intake, waiting: Waiting::default(), index, twins, enclosed, folder, file, told: HashSet::new() };
    reader.lists()?;
    let most = most(&reader.intake);
    let mut untold: u64 = 0;
    each(path, &mut files, &name, found, most, &mut |number, line, consumed| {
        untold += consumed;
        let outcome = match line {
            Some(line) => reader.line(number, line)?,
            None => Err(Shape(format!("longer than {most} bytes, the most that a line may have"))),
        };
        if let Err(shape) = outcome {
            reader.refuse(number, shape.0);
        }
        if number.is_multiple_of(TELL_EVERY) {
            reader.intake.advance(std::mem::take(&mut untold));
        }
        Ok(())
    })?;
    reader.waiting.hand_over_all(&mut reader.intake)?;
    reader.intake.advance(untold);
    for unclaimed in reader.enclosed.unclaimed() {
        // Emoji and faces of users are no part of what was said.
        let inside = unclaimed.strip_prefix(&reader.folder).unwrap_or(unclaimed);
        if !["data/emoji/", "data/users/", "data/profile_images/", "exported_emoji/"].iter().any(|kind| inside.starts_with(kind)) {
            reader.intake.unclaimed(unclaimed);
        }
    }
    reader.intake.finish()
}

/// The longest line. A post stands in it with all its replies, so that it is not one event that has so many bytes.
fn most(intake: &Intake<'_>) -> usize {
    usize::try_from(intake.limits.json_bytes).unwrap_or(usize::MAX)
}

fn wrong(path: &Path, what: &'static str) -> SourceError {
    let hint = "Give the ZIP or the JSONL file that the server made (mmctl export create), or the folder with that file and data/";
    SourceError::WrongKind { path: path.to_owned(), what, hint }
}

/// Whether a file may be the one with the lines. Files that hang on posts are not looked at, whatever they begin with.
fn holds_lines(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with(".jsonl") && !path.split('/').any(|part| part == "data")
}

/// Which file has the lines: the one that begins with the version.
fn file_of_lines(path: &Path, files: &mut Files) -> Result<Option<(String, Found)>, SourceError> {
    let is_alone = files.all().count() == 1;
    let candidates: Vec<(String, Found)> =
        files.all().filter(|(path, _)| is_alone || holds_lines(path)).map(|(path, found)| (path.to_owned(), found)).collect();
    let mut fitting = Vec::new();
    for (name, found) in candidates {
        let mut first = None;
        let opened = files.with(&name, found, u64::MAX, &mut |reader| {
            let mut buffer = Vec::new();
            if let Ok((Line::Whole, _)) = lines::next(&mut BufReader::new(reader), &mut buffer, 1 << 20) {
                first = parse(&buffer).ok().flatten();
            }
        });
        opened.map_err(|fault| SourceError::damaged(path, format!("{}: {fault}", shown(&name))))?;
        if let Some((kind, mut line)) = first
            && kind == "version"
        {
            if line.count("version") != Some(VERSION) {
                return Err(wrong(path, "this bulk export is of a version that is not known"));
            }
            fitting.push((name, found));
        }
    }
    match fitting.len() {
        0 | 1 => Ok(fitting.pop()),
        _ => Err(wrong(path, "these are several bulk exports, and whose files lie under data/ can't be told")),
    }
}

/// Takes a line's number, counted from 1, its bytes where they were not too many, and how many bytes were read for it.
type Take<'a> = &'a mut dyn FnMut(u64, Option<&[u8]>, u64) -> Result<(), SourceError>;

/// Reads all lines of a file of the export.
fn each(path: &Path, files: &mut Files, name: &str, found: Found, most: usize, take: Take<'_>) -> Result<(), SourceError> {
    let mut outcome = Ok(());
    let opened = files.with(name, found, u64::MAX, &mut |reader| {
        let mut buffered = BufReader::with_capacity(1 << 16, &mut *reader);
        let mut buffer = Vec::new();
        let mut number = 0;
        outcome = loop {
            number += 1;
            let taken = match lines::next(&mut buffered, &mut buffer, most) {
                Ok((Line::End, _)) => break Ok(()),
                Ok((Line::Whole, consumed)) => take(number, Some(&buffer), consumed),
                Ok((Line::TooLong, consumed)) => take(number, None, consumed),
                Err(error) => break Err(SourceError::read(path, error)),
            };
            if taken.is_err() {
                break taken;
            }
        };
        // Why the bytes ended says more than that they did.
        if let (Err(SourceError::Read { .. }), Some(fault)) = (&outcome, reader.fault.take()) {
            outcome = Err(SourceError::damaged(path, format!("{}: {fault}", shown(name))));
        }
    });
    opened.map_err(|fault| SourceError::damaged(path, format!("{}: {fault}", shown(name)))).and(outcome)
}

/// A line's kind and fields; unset for an empty one.
fn parse(line: &[u8]) -> Result<Option<(String, Fields)>, Shape> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let text = fields::utf8(line)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let mut fields = Fields::parse(text)?;
    let kind = fields.filled("type")?.ok_or_else(|| Shape("`type` is missing".into()))?;
    Ok(Some((kind, fields)))
}

/// The first reading.
fn survey(path: &Path, files: &mut Files, name: &str, found: Found, intake: &mut Intake<'_>) -> Result<(Index, Twins), SourceError> {
    let (mut index, mut search) = (Index::default(), Search::new(found.size));
    let mut untold: u64 = 0;
    each(path, files, name, found, most(intake), &mut |number, line, consumed| {
        untold += consumed;
        if number.is_multiple_of(TELL_EVERY) {
            intake.advance(std::mem::take(&mut untold));
        }
        // What can't be read at all is told by the second reading.
        let Some(Ok(Some((kind, mut fields)))) = line.map(parse) else { return Ok(()) };
        match index.take(&kind, &mut fields, intake) {
            Ok(true) => {}
            Ok(false) if is_post(&kind) => {
                if let Ok((place, mut post)) = Where::read(&kind, &mut fields) {
                    see(place.id(), &mut post, &mut search, &mut index);
                    for reply in post.list("replies").unwrap_or_default() {
                        if let Ok(mut reply) = Fields::of(reply) {
                            see(place.id(), &mut reply, &mut search, &mut index);
                        }
                    }
                }
            }
            Ok(false) => intake.note(&format!("lines of the kind `{}`, which is not known, not imported", shown(&kind))),
            Err(shape) => intake.refuse(Refusal { file: shown(name), line: Some(number), index: None, reason: shape.0 }),
        }
        Ok(())
    })?;
    intake.advance(untold);
    Ok((index, search.found()))
}

fn see(chat: &str, post: &mut Fields, search: &mut Search, index: &mut Index) {
    if let Ok(head) = Head::read(post) {
        head.hint(post, index);
        search.see(head.key(chat));
    }
}

fn is_post(kind: &str) -> bool {
    matches!(kind, "post" | "direct_post")
}

/// The chat that a post is in, as far as the post says.
enum Where {
    /// The chat's id, its team and its name.
    Channel(String, String, String),
    Direct(ChatInfo),
}

impl Where {
    /// The chat and the post.
    fn read(kind: &str, line: &mut Fields) -> Result<(Self, Fields), Shape> {
        let mut post = line.object(kind)?.ok_or_else(|| Shape(format!("`{kind}` is missing")))?;
        if kind == "direct_post" {
            return Ok((Self::Direct(index::direct(post.ids("channel_members")?)?), post));
        }
        let (team, name) = (post.needed_id("team")?, post.needed_id("channel")?);
        Ok((Self::Channel(index::chat_id(&team, &name)?, team, name), post))
    }

    fn id(&self) -> &str {
        match self {
            Self::Channel(id, ..) => id,
            Self::Direct(info) => &info.id,
        }
    }
}

impl Reader<'_> {
    fn refuse(&mut self, line: u64, reason: String) {
        self.intake.refuse(Refusal { file: self.file.clone(), line: Some(line), index: None, reason });
    }

    /// Hands over who and what there is.
    fn lists(&mut self) -> Result<(), SourceError> {
        for place in 0..self.index.users.len() {
            if let Some(user) = self.index.users.get(place) {
                self.intake.user(user.clone())?;
            }
        }
        for info in std::mem::take(&mut self.index.chats) {
            self.tell(info)?;
        }
        let unlisted: Vec<String> = self.index.unlisted().map(str::to_owned).collect();
        for chat in unlisted {
            if let Some((team, name)) = chat.split_once('/')
                && let Ok(info) = index::channel(team, name, None, &mut self.intake)
            {
                self.tell(info)?;
            }
        }
        Ok(())
    }

    /// Hands over a chat that was not yet.
    fn tell(&mut self, info: ChatInfo) -> Result<(), SourceError> {
        if !self.told.insert(info.id.clone()) {
            return Ok(());
        }
        let members = if info.members.is_empty() { self.index.members(&info.id) } else { info.members };
        let (chat, leaves) = (info.id.clone(), self.index.leaves(&members));
        self.intake.chat(ChatInfo { members, ..info })?;
        leaves.into_iter().try_for_each(|leave| self.waiting.push(&mut self.intake, &chat, None, leave))
    }

    /// Takes a line. The inner error is why it was refused.
    fn line(&mut self, number: u64, line: &[u8]) -> Result<Result<(), Shape>, SourceError> {
        let (kind, mut fields) = match parse(line) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Ok(())),
            Err(shape) => return Ok(Err(shape)),
        };
        if !is_post(&kind) {
            return Ok(Ok(()));
        }
        let (place, mut post) = match Where::read(&kind, &mut fields) {
            Ok(place) => place,
            Err(shape) => return Ok(Err(shape)),
        };
        let replies = post.list("replies");
        let root = match self.post(number, &place, &mut post, None, "")? {
            Ok(root) => root,
            Err(shape) => return Ok(Err(Shape(format!("{shape}. Its replies were not imported either")))),
        };
        let replies = match replies {
            Ok(replies) => replies,
            Err(shape) => return Ok(Err(Shape(format!("{shape}. The post was imported, its replies were not")))),
        };
        for (at, reply) in replies.into_iter().enumerate() {
            let mut reply = match Fields::of(reply) {
                Ok(reply) => reply,
                Err(shape) => {
                    self.refuse(number, format!("`replies[{at}]`: {shape}"));
                    continue;
                }
            };
            if let Err(shape) = self.post(number, &place, &mut reply, Some(&root), &format!("`replies[{at}]`: "))? {
                self.refuse(number, format!("`replies[{at}]`: {shape}"));
            }
        }
        Ok(Ok(()))
    }

    /// Takes a post or reply, and answers with its id. `within`: where in its line a reply stands.
    fn post(
        &mut self,
        line: u64,
        place: &Where,
        fields: &mut Fields,
        thread: Option<&str>,
        within: &str,
    ) -> Result<Result<String, Shape>, SourceError> {
        let chat = place.id();
        let index = &self.index;
        // One that is refused has its number too, so that those after it keep theirs when it is mended.
        let twins = &mut self.twins;
        let parsed = Head::read(fields).and_then(|head| {
            let number = twins.number(head.key(chat));
            post::read(head, fields, number, thread, index)
        });
        let post = match parsed {
            Ok(post) => post,
            Err(shape) => return Ok(Err(shape)),
        };
        let reactions = fields.list("reactions");
        if !self.told.contains(chat) {
            match place {
                Where::Direct(info) => self.tell(info.clone())?,
                Where::Channel(_, team, name) => {
                    let info = index::channel(team, name, None, &mut self.intake).unwrap_or_else(|_| ChatInfo::unknown(chat));
                    self.tell(info)?;
                }
            }
        }
        if post.is_of_nobody {
            self.intake.note("people who were added or removed under a name that no user has: who they are now, if they were renamed, can't be told");
        }
        let mut event = post.event;
        for path in &post.files {
            let attachment = self.attach(path)?;
            self.intake.hang(chat, &mut event, attachment);
        }
        for url in &post.images {
            let url = text::url(url);
            let name = text::file_name(&url).unwrap_or_else(|| "image".into());
            let media_type = media::of(&name).to_owned();
            self.intake.hang(chat, &mut event, Attachment { name, media_type, size: None, digest: None, url: Some(url) });
        }
        // For its reactions.
        let message = Event { text: String::new(), original: None, attachments: Vec::new(), ..event.clone() };
        self.waiting.push(&mut self.intake, chat, None, event)?;
        for event in post.after {
            self.waiting.push(&mut self.intake, chat, None, event)?;
        }
        match reactions {
            Ok(reactions) => {
                for (at, one) in reactions.into_iter().enumerate() {
                    match Fields::of(one).and_then(|mut one| post::reaction(&mut one, &message)) {
                        Ok(reaction) => self.waiting.push(&mut self.intake, chat, None, reaction)?,
                        Err(shape) => self.refuse(line, format!("{within}`reactions[{at}]`: {shape}. The post was imported")),
                    }
                }
            }
            Err(shape) => self.refuse(line, format!("{within}{shape}. The post was imported")),
        }
        Ok(Ok(message.id))
    }

    /// A file with its bytes, where the export has them.
    fn attach(&mut self, path: &str) -> Result<Attachment, SourceError> {
        let name = path.rsplit('/').next().map(|name| self.intake.name(name)).filter(|name| !name.is_empty()).unwrap_or_else(|| "file".into());
        let media_type = media::of(&name).to_owned();
        let mut attachment = Attachment { name, media_type, size: None, digest: None, url: None };
        let places = [format!("{}data/{path}", self.folder), format!("{}{path}", self.folder)];
        if let Some(place) = places.iter().find(|place| self.enclosed.has(place)) {
            self.enclosed.attach(&mut self.intake, place, &mut attachment)?;
        }
        Ok(attachment)
    }
}
