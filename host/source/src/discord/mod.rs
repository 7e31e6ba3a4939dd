//! Exports of Discord by `DiscordChatExporter`, as JSON: a file for each channel, thread or direct chat (or several, where it was told to split them), alone or many
//! in a folder or ZIP, with the files that people sent in folders beside, where it was told to download them.
//!
//! There is no list of users and none of members: who did something is known by what stands at it. Ids are Discord's own. Deleted messages are not in it; of an
//! edited one the newest text. An answer's `thread` is the message that it answers: Discord chains answers, and how far up a chain goes depends on how much of
//! it an export has.
//!
//! Each file is read twice, first to its end: one that is cut short says so only there. Then message by message.

mod content;
mod mentions;
mod message;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use consign_model::{Attachment, ChatKind, Event, User};

use self::content::NamedFile;
use self::message::{Parsed, Person};
use crate::enclosed::Enclosed;
use crate::files::{Files, Found, folder_of};
use crate::intake::{Intake, Piece};
use crate::json::fields::{Fields, Shape};
use crate::json::list::{self, Around, Broken, Element, Most, Place};
use crate::recognise::Head;
use crate::report::shown;
use crate::{ChatInfo, Refusal, Report, SourceError, media, text};

/// Where the messages stand.
const LIST: &str = "messages";
/// What became of a file that is not whole, and the way out.
const NOTHING_OF_IT: &str = "None of this file was imported; export this chat again";
/// Messages between two tellings of progress.
const TELL_EVERY: u64 = 256;

/// Whether an export that begins like this is one of these.
pub fn fits(head: &Head) -> bool {
    head.has(&["guild.id", "guild.name", "channel.id", "channel.type", "channel.name", LIST])
}

/// A file with messages.
struct File {
    path: String,
    found: Found,
    chat: ChatInfo,
}

struct Reader<'a> {
    intake: Intake<'a>,
    enclosed: Enclosed,
    /// Names of those who were handed over, by id.
    names: HashMap<String, String>,
    piece: Piece,
    /// Bytes of messages since it was last told how far it is.
    untold: u64,
}

/// Reads an export.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let mut files = Files::open_any(path, intake.limits)?;
    let refused: Vec<_> = files.take_refused().collect();
    let is_alone = files.all().count() == 1;
    let mut enclosed = Enclosed::beside(path, &files, intake.limits, |path| !is_alone && !may_hold_messages(path))?;
    files.keep(|path| is_alone || may_hold_messages(path));
    // Each is read twice.
    intake.total = files.all().map(|(_, found)| found.size).fold(0_u64, u64::saturating_add).saturating_mul(2);
    let with_messages = survey(path, &mut files, &mut enclosed, &mut intake)?;
    if with_messages.is_empty() {
        // It may be the very file that can't be read.
        return Err(match refused.into_iter().find(|refusal| may_hold_messages(&refusal.file)) {
            Some(refusal) => SourceError::List { path: path.to_owned(), place: refusal.file, what: refusal.reason },
            None => wrong(path),
        });
    }

    for refusal in refused {
        intake.refuse(refusal);
    }
    let mut reader = Reader { intake, enclosed, names: HashMap::new(), piece: Piece::default(), untold: 0 };
    let mut told = HashSet::new();
    for file in with_messages {
        if told.insert(file.chat.id.clone()) {
            reader.intake.chat(file.chat.clone())?;
        }
        reader.file(path, &mut files, &file)?;
    }
    for unclaimed in reader.enclosed.unclaimed() {
        reader.intake.unclaimed(unclaimed);
    }
    reader.intake.finish()
}

/// Whether a file may be one of the exporter's. Somebody may have sent one in a chat: what was downloaded lies in folders whose names end so.
fn may_hold_messages(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    [".json"].iter().any(|end| path.ends_with(end)) && !path.split('/').any(|folder| folder.ends_with("_files"))
}

fn wrong(path: &Path) -> SourceError {
    SourceError::WrongKind {
        path: path.to_owned(),
        what: "this is no export by DiscordChatExporter: no file of it has a `channel` and its `messages`",
        hint: "Give a file that it made with the format JSON, or a folder or ZIP of such files",
    }
}

fn most(intake: &Intake<'_>) -> Most {
    Most { file: u64::MAX, element: intake.limits.json_bytes }
}

/// Reads all files once: what they are of, and whether they are whole. Nothing was handed over when it answers with an error.
fn survey(path: &Path, files: &mut Files, enclosed: &mut Enclosed, intake: &mut Intake<'_>) -> Result<Vec<File>, SourceError> {
    let (mut good, mut first_broken) = (Vec::new(), None);
    let all: Vec<(String, Found)> = files.all().map(|(path, found)| (path.to_owned(), found)).collect();
    for (file, found) in all {
        let around = list::around(files, &file, found, most(intake), LIST);
        intake.advance(found.size);
        match around {
            Ok(around) => match chat(around, &file, enclosed, intake) {
                Ok(Some(chat)) => good.push(File { path: file, found, chat }),
                Ok(None) => intake.note(&format!("file that holds no messages, not imported: {}", shown(&file))),
                Err(shape) => intake.refuse(Refusal::of_file(&file, format!("{shape}. {NOTHING_OF_IT}"))),
            },
            Err(Broken { line, what }) if may_be_cut_short(files, &file, found) => {
                first_broken = first_broken.or_else(|| Some(format!("{}: {what}", shown(&file))));
                intake.refuse(Refusal { file: shown(&file), line, index: None, reason: format!("{what}. {NOTHING_OF_IT}") });
            }
            Err(_) => intake.note(&format!("file that holds no messages, not imported: {}", shown(&file))),
        }
    }
    match first_broken {
        Some(what) if good.is_empty() => Err(SourceError::damaged(path, what)),
        _ => Ok(good),
    }
}

/// Whether a file that is no whole JSON object may be what is left of one: it begins one, is empty, or can't be read.
fn may_be_cut_short(files: &mut Files, path: &str, found: Found) -> bool {
    let mut begins = true;
    let _ = files.with(path, found, u64::MAX, &mut |reader| {
        let mut head = Vec::new();
        if reader.take(64).read_to_end(&mut head).is_ok() {
            let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
            begins = head.first().is_none_or(|first| *first == b'{');
        }
    });
    begins
}

/// The chat that a file is of; unset where it is of none.
fn chat(mut around: Around, file: &str, enclosed: &mut Enclosed, intake: &mut Intake<'_>) -> Result<Option<ChatInfo>, Shape> {
    let Some(messages) = around.elements else { return Ok(None) };
    if !enclosed.is_empty() {
        pass_assets(&around.fields, file, enclosed);
    }
    let Some(mut channel) = around.fields.object("channel")? else { return Ok(None) };
    let mut guild = around.fields.object("guild")?.unwrap_or_default();
    if around.fields.count("messageCount").is_some_and(|count| count != messages) {
        intake.note("files that say another number of messages than they hold");
    }
    let mut info = ChatInfo::unknown(&channel.needed_id("id")?);
    let word = channel.filled("type")?.unwrap_or_default();
    let is_thread = word.ends_with("Thread");
    info.kind = Some(match word.as_str() {
        "DirectTextChat" => ChatKind::Direct,
        "DirectGroupTextChat" => ChatKind::Group,
        _ => ChatKind::Channel,
    });
    let is_direct = info.kind != Some(ChatKind::Channel);
    // A direct chat is called after whoever is in it.
    let title = channel.filled("name")?.filter(|_| info.kind != Some(ChatKind::Direct));
    info.title = title.map(|title| intake.name(&title)).filter(|title| !title.is_empty());
    let yes = |is: bool| is.then(|| "true".to_owned());
    let above = channel.filled("category")?;
    let labels = [
        ("server", guild.filled("name")?.filter(|_| !is_direct)),
        ("category", above.clone().filter(|_| !is_thread && !is_direct)),
        ("parent", above.filter(|_| is_thread)),
        ("thread", yes(is_thread)),
        ("private", yes(word == "GuildPrivateThread")),
    ];
    info.labels = intake.labels(labels.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect());
    Ok(Some(info))
}

/// Faces, emoji and icons were downloaded too; they are no attachments.
fn pass_assets(fields: &Fields, file: &str, enclosed: &mut Enclosed) {
    let mut paths = Vec::new();
    fields.each_text(&mut |name, text| {
        if name.ends_with("Url") || name == "url" {
            paths.extend(lies_at(text, file, enclosed));
        }
    });
    for path in paths {
        enclosed.pass(path);
    }
}

/// Where in the export the bytes of a URL lie: it is a path then, from the folder of the file that names it, as the exporter's system writes paths.
fn lies_at(url: &str, file: &str, enclosed: &Enclosed) -> Option<String> {
    if url.contains("://") {
        return None;
    }
    let folder = folder_of(file);
    let path = url.replace('\\', "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let mut places = [Some(format!("{folder}{path}")), unescaped(path).map(|path| format!("{folder}{path}"))].into_iter().flatten();
    places.find(|place| enclosed.has(place))
}

/// `%20` and its like as what they stand for, as some releases write paths.
fn unescaped(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).ok()
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, files: &mut Files, file: &File) -> Result<(), SourceError> {
        let limits = self.intake.limits;
        let (mut outcome, mut told) = (Ok(()), 0);
        let read = list::of_file(files, &file.path, file.found, most(&self.intake), Place::Field(LIST), &mut |element| {
            if outcome.is_ok() {
                outcome = self.element(file, &element, limits.line_bytes);
                let bytes = element.json.get().len() as u64;
                self.untold += bytes;
                told += bytes;
                if element.index.is_multiple_of(TELL_EVERY) {
                    self.intake.advance(std::mem::take(&mut self.untold));
                }
            }
        });
        outcome?;
        // It was whole a moment ago.
        read.map_err(|broken| SourceError::damaged(path, format!("{}: {}", shown(&file.path), broken.what)))?;
        // What stands between the messages, too.
        self.untold += file.found.size.saturating_sub(told);
        self.intake.advance(std::mem::take(&mut self.untold));
        self.intake.events(&file.chat.id, None, self.piece.take())
    }

    fn element(&mut self, file: &File, element: &Element, longest: usize) -> Result<(), SourceError> {
        let json = element.json.get();
        let parsed = if json.len() > longest {
            Err(Shape(format!("longer than {longest} bytes, the most that a message may have; the others of this file were read")))
        } else {
            Fields::parse(json).and_then(|mut fields| {
                if !self.enclosed.is_empty() {
                    pass_assets(&fields, &file.path, &mut self.enclosed);
                }
                message::parse(&mut fields, &file.chat.id)
            })
        };
        match parsed {
            Ok(parsed) => self.take(file, parsed),
            Err(shape) => {
                let (line, index) = (Some(element.line), Some(element.index));
                self.intake.refuse(Refusal { file: shown(&file.path), line, index, reason: shape.to_string() });
                Ok(())
            }
        }
    }

    fn take(&mut self, file: &File, parsed: Parsed) -> Result<(), SourceError> {
        let Parsed { mut event, mut edit, files, reactions, unnamed_reactions, people, lacks_forwarded } = parsed;
        let author = people.first().map(|author| (author.id.clone(), author.name.clone(), author.bot));
        for person in people {
            self.tell(person)?;
        }
        // One webhook speaks under many names.
        if let Some((id, name, true)) = author
            && self.names.get(&id) != Some(&name)
        {
            event.sender_name = Some(name.clone());
            edit = edit.map(|edit| Event { sender_name: Some(name), ..edit });
        }
        for named in files {
            let place = named.url.as_deref().and_then(|url| lies_at(url, &file.path, &self.enclosed));
            if place.is_some() || named.is_said {
                let attachment = self.attach(named, place.as_deref())?;
                self.intake.hang(&file.chat.id, &mut event, attachment);
            }
        }
        if unnamed_reactions > 0 {
            self.intake.note("messages with reactions whose users the export does not list; those reactions are not events");
        }
        if lacks_forwarded {
            self.intake.note("messages that were forwarded, of which the export does not have the text: it was made by an older exporter");
        }
        let of_message: Vec<_> = reactions.into_iter().map(|reaction| reaction.events(&event)).collect();
        for event in [event].into_iter().chain(edit).chain(of_message.into_iter().flatten()) {
            self.piece.push(event);
            if self.piece.is_full(self.intake.limits) {
                self.intake.events(&file.chat.id, None, self.piece.take())?;
            }
        }
        Ok(())
    }

    /// Hands over somebody who was not yet.
    fn tell(&mut self, person: Person) -> Result<(), SourceError> {
        if self.names.contains_key(&person.id) {
            return Ok(());
        }
        let mut user = User::unknown(&person.id);
        user.name = self.intake.name(&person.name);
        user.bot = person.bot;
        user.attributes = self.intake.labels(person.login.map(|login| ("login-name".to_owned(), login)).into_iter().collect());
        self.names.insert(person.id, person.name);
        self.intake.user(user)
    }

    /// A file with its bytes, where they were downloaded, else with its URL.
    fn attach(&mut self, file: NamedFile, place: Option<&str>) -> Result<Attachment, SourceError> {
        // A path that leads nowhere is one of another machine.
        let url = file.url.filter(|url| url.contains("://")).map(|url| text::url(&url));
        let last = place.or(url.as_deref()).and_then(text::file_name);
        let name = file.name.map(|name| self.intake.name(&name)).filter(|name| !name.is_empty()).or(last).unwrap_or_else(|| "file".into());
        let mut attachment = Attachment { media_type: media::of(&name).to_owned(), name, size: file.size, digest: None, url };
        if let Some(place) = place {
            self.enclosed.attach(&mut self.intake, place, &mut attachment)?;
        }
        Ok(attachment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_files_and_of_messages() {
        assert_eq!(unescaped("a%20b/%E6%97%A5%zz%2").as_deref(), Some("a b/日%zz%2"));
        assert_eq!((unescaped("plain"), unescaped("%ff")), (None, None));
        for (path, wanted) in
            [("a.json", true), ("x/Corp - desk [1].JSON", true), ("a.json_Files/b.json", false), ("a_files/x/b.json", false), ("a.html", false)]
        {
            assert_eq!(may_hold_messages(path), wanted, "{path}");
        }
    }
}
