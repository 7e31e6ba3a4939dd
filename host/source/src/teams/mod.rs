//! Microsoft Teams: `chatMessage` objects as Microsoft Graph answers them, kept in files as they came.
//!
//! There is no export file that Microsoft defines. What people have is what the Export API answered: pages, lists, or lines, one file or many, often a
//! file or folder for each captured user, since that API is asked user by user. So any such files are taken, and whose copy each is is told by its links or its path
//! (`whose`). The copies of one message are the same event in each, whatever differs in them.
//!
//! Files are read twice: first to see that they are whole, whose they are and which tenant is ours (`look`); then message by message. No more than one message is in
//! memory, beside the lists of users and chats.

mod bytes;
mod content;
pub mod lists;
mod look;
pub mod message;
mod notice;
mod pages;
mod people;
mod whose;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use consign_model::source::Capture;
use consign_model::{Attachment, User};
use serde_json::value::RawValue;

use self::content::TeamsFile;
use self::lists::Lists;
use self::look::{Owned, Seen, is_foreign, look};
use self::message::Parsed;
use self::pages::Item;
use self::people::Person;
use self::whose::Links;
use crate::enclosed::{ById, Enclosed};
use crate::files::{FileFault, Files, Guarded};
use crate::intake::Intake;
use crate::json::fields::Shape;
use crate::recognise::Head;
use crate::report::shown;
use crate::waiting::Waiting;
use crate::{FileInfo, Refusal, Report, SourceError, media};

/// Messages between two tellings of progress.
const TELL_EVERY: u64 = 1024;

/// Whether a file begins with messages of Teams.
pub fn fits(head: &Head) -> bool {
    ["", "[].", "value[]."].iter().any(|place| {
        let field = |name: &str| format!("{place}{name}");
        head.has(&[&field("messageType"), &field("createdDateTime"), &field("id")])
    })
}

/// Reads an export.
pub fn read(path: &Path, mut intake: Intake<'_>) -> Result<Report, SourceError> {
    let mut files = Files::open_any(path, intake.limits)?;
    let names: Vec<String> = lists::NAMES.iter().map(|(name, _)| format!("{name}.json")).collect();
    files.enter_only_folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut seen = look(path, &mut files, &mut intake)?;
    for refusal in files.take_refused().chain(std::mem::take(&mut seen.broken).into_iter().map(|(name, broken)| broken.refusal(&name))) {
        intake.refuse(refusal);
    }
    let enclosed = Enclosed::beside(path, &files, intake.limits, |path| !bytes::is_json(path))?;
    intake.total = seen.pages.iter().map(|page| page.page.found.size).sum();
    let mut reader = Reader {
        intake,
        waiting: Waiting::default(),
        lists: std::mem::take(&mut seen.lists),
        home: std::mem::take(&mut seen.home),
        met: HashSet::new(),
        declared: HashMap::new(),
        by_id: ById::of(&enclosed, bytes::ids),
        enclosed,
    };
    reader.begin(&seen)?;
    for page in &seen.pages {
        reader.page(&mut files, page)?;
    }
    reader.waiting.hand_over_all(&mut reader.intake)?;
    for path in reader.enclosed.unclaimed() {
        reader.intake.unclaimed(path);
    }
    reader.intake.finish()
}

/// Hands over what is read.
struct Reader<'a> {
    intake: Intake<'a>,
    waiting: Waiting,
    lists: Lists,
    home: BTreeSet<String>,
    /// Users of whom only messages tell, and whether with a name.
    met: HashSet<(String, bool)>,
    /// Chats that were handed over, and whether as a channel of a team.
    declared: HashMap<String, bool>,
    enclosed: Enclosed,
    /// Where files lie by their ids.
    by_id: ById,
}

/// Takes one message that arrives by itself. Nothing is known beside it, and no file's bytes come with it but what stands in the message. The inner error is why it was refused.
pub fn take_one(json: &str, intake: &mut Intake<'_>) -> Result<Result<(), Shape>, SourceError> {
    let Parsed { place, mut events, files, people, unnamed_reactions, silent, garbled } = match message::parse(json) {
        Ok(parsed) => parsed,
        Err(shape) => return Ok(Err(shape)),
    };
    intake.chat(Lists::default().info(&place))?;
    for person in people {
        let user = shown_user(intake, person, false);
        intake.mentioned(user)?;
    }
    note(intake, unnamed_reactions, silent, garbled);
    if let Some(message) = events.first_mut() {
        for TeamsFile { name, media_type, url, inside, .. } in files {
            let mut attachment = Attachment { name, media_type, size: None, digest: None, url };
            if let Some(bytes) = inside {
                attach_inside(intake, &bytes, &mut attachment)?;
            }
            intake.hang(&place.chat, message, attachment);
        }
    }
    intake.events(&place.chat, None, events).map(Ok)
}

/// Takes the messages of one page that was asked for, in the copy of `owner` where it is somebody's. `lists` is what else was asked, `home` the tenants of the
/// organisation's own people, and `name` stands for the page in refusals. Which times were read is for whoever asks to say.
pub fn take_page(
    name: &str,
    messages: &[Box<RawValue>],
    owner: Option<&str>,
    lists: &mut Lists,
    home: &BTreeSet<String>,
    mut intake: Intake<'_>,
) -> Result<Report, SourceError> {
    if let Some(owner) = owner {
        intake.comes_in_parts(owner);
    }
    let mut reader = Reader {
        intake,
        waiting: Waiting::default(),
        lists: std::mem::take(lists),
        home: home.clone(),
        met: HashSet::new(),
        declared: HashMap::new(),
        enclosed: Enclosed::default(),
        by_id: ById::default(),
    };
    let read = (0..)
        .zip(messages)
        .try_for_each(|(index, message)| reader.item(name, owner, Item { json: Ok(message.get()), line: None, index: Some(index), links: None }));
    let read = read.and_then(|()| reader.waiting.hand_over_all(&mut reader.intake));
    *lists = std::mem::take(&mut reader.lists);
    read.and_then(|()| reader.intake.finish())
}

fn note(intake: &mut Intake<'_>, unnamed_reactions: u64, silent: u64, garbled: u64) {
    if unnamed_reactions > 0 {
        intake.note("messages with reactions that name no user; those reactions are not events");
    }
    if silent > 0 {
        intake.note("messages with attachments that say nothing that can be shown; the original has them");
    }
    if garbled > 0 {
        intake.note("messages with files whose bytes stand in the message itself (contentBytes) and are no base64; they are missing");
    }
}

/// Hands over the bytes of a file that stood in the message itself.
fn attach_inside(intake: &mut Intake<'_>, mut bytes: &[u8], attachment: &mut Attachment) -> Result<(), SourceError> {
    let size = bytes.len() as u64;
    if size > intake.limits.attachment_bytes {
        intake.note("messages with files whose bytes stand in the message itself (contentBytes) and are more than a file may have; they are missing");
        return Ok(());
    }
    let info = FileInfo { name: &attachment.name, media_type: &attachment.media_type, size: Some(size) };
    if let Ok((digest, size)) = intake.attachment(info, &mut Guarded::new(&mut bytes, size, FileFault::Lies))? {
        (attachment.digest, attachment.size, attachment.url) = (Some(digest), Some(size), None);
    }
    Ok(())
}

/// A user as a message shows one.
fn shown_user(intake: &mut Intake<'_>, person: Person, is_foreign: bool) -> User {
    let mut user = User::unknown(&person.id);
    if let Some(name) = person.name {
        user.name = intake.name(&name);
    }
    user.bot = person.bot;
    user.external = person.outside || is_foreign;
    user
}

impl Reader<'_> {
    /// What is known before the first message.
    fn begin(&mut self, seen: &Seen) -> Result<(), SourceError> {
        for user in self.lists.users.values() {
            self.intake.user(user.clone())?;
        }
        for address in &seen.unresolved {
            self.intake.note("copies of users who are named by an address that no users.json has: kept under that address");
            self.intake.user(User { email: crate::text::address(address), ..User::unknown(address) })?;
        }
        for (user, asked) in &seen.captured {
            // The last of a user's pages has no link to a next one, and does not say which times were asked for.
            let told: Vec<_> = asked.iter().filter(|times| **times != (None, None)).collect();
            let all = (None, None);
            for (from, until) in if told.is_empty() { vec![&all] } else { told } {
                self.intake.captured(Capture { user: user.clone(), from: *from, until: *until })?;
            }
        }
        for (id, listed) in &self.lists.chats {
            let info = self.lists.info(&message::Where { chat: id.clone(), is_channel: false, team: None });
            self.intake.chat(info)?;
            self.declared.insert(id.clone(), false);
            self.intake.events(id, None, listed.joins())?;
        }
        Ok(())
    }

    fn page(&mut self, files: &mut Files, owned: &Owned) -> Result<(), SourceError> {
        let limits = self.intake.limits;
        let (mut outcome, mut count, mut untold, mut told) = (Ok(()), 0_u64, 0_u64, 0_u64);
        let read = owned.page.each(files, limits, &mut |item| {
            if outcome.is_err() {
                // Nothing comes after a failure.
                return;
            }
            (count, untold) = (count + 1, untold + item.json.as_ref().map_or(0, |json| json.len() as u64));
            outcome = self.item(&owned.page.path, owned.user.as_deref(), item);
            if count.is_multiple_of(TELL_EVERY) {
                self.intake.advance(untold);
                told += std::mem::take(&mut untold);
            }
        });
        outcome?;
        self.intake.advance(owned.page.found.size.saturating_sub(told));
        if let Err(broken) = read {
            self.intake.refuse(broken.refusal_of_rest(&owned.page.path));
        }
        Ok(())
    }

    /// One element of a file. `owner`: whose copy the file is.
    fn item(&mut self, file: &str, owner: Option<&str>, item: Item<'_>) -> Result<(), SourceError> {
        let most = self.intake.limits.line_bytes;
        let parsed = item.json.and_then(|json| match json.len() {
            length if length > most => Err(format!("longer than {most} bytes, the most that a message may have; the others of this file were read")),
            _ => message::parse(json).map_err(|shape| shape.to_string()),
        });
        let user = match item.links {
            Some(Links { user: Some(user), .. }) => self.lists.user_id(user).or_else(|| Some(user.clone())),
            Some(Links { team: true, .. }) => None,
            _ => owner.map(str::to_owned),
        };
        match parsed {
            Ok(parsed) => self.take(user.as_deref(), parsed),
            Err(reason) => {
                self.intake.refuse(Refusal { file: shown(file), line: item.line, index: item.index, reason });
                Ok(())
            }
        }
    }

    fn take(&mut self, copy_of: Option<&str>, parsed: Parsed) -> Result<(), SourceError> {
        let Parsed { place, events, files, people, unnamed_reactions, silent, garbled } = parsed;
        if self.declared.get(&place.chat).is_none_or(|as_channel| place.is_channel && !as_channel) {
            let info = self.lists.info(&place);
            self.intake.chat(info)?;
            self.declared.insert(place.chat.clone(), place.is_channel);
        }
        for person in people {
            self.meet(person)?;
        }
        note(&mut self.intake, unnamed_reactions, silent, garbled);
        let mut files = Some(files);
        for mut event in events {
            for file in files.take().unwrap_or_default() {
                let attachment = self.attach(&file)?;
                self.intake.hang(&place.chat, &mut event, attachment);
            }
            self.waiting.push(&mut self.intake, &place.chat, copy_of, event)?;
        }
        Ok(())
    }

    /// Makes a user known of whom only messages tell.
    fn meet(&mut self, person: Person) -> Result<(), SourceError> {
        let has_name = person.name.is_some();
        if self.lists.users.contains_key(&person.id)
            || self.met.contains(&(person.id.clone(), true))
            || !self.met.insert((person.id.clone(), has_name))
        {
            return Ok(());
        }
        let is_foreign = is_foreign(&self.home, person.tenant.as_deref());
        let user = shown_user(&mut self.intake, person, is_foreign);
        self.intake.mentioned(user)
    }

    /// A file with its bytes where the export has them, else with its URL.
    fn attach(&mut self, file: &TeamsFile) -> Result<Attachment, SourceError> {
        let mut attachment =
            Attachment { name: file.name.clone(), media_type: file.media_type.clone(), size: None, digest: None, url: file.url.clone() };
        let Some(path) = file.id.as_deref().and_then(|id| self.by_id.find(id, &file.name)) else {
            if let Some(bytes) = &file.inside {
                attach_inside(&mut self.intake, bytes, &mut attachment)?;
            }
            return Ok(attachment);
        };
        if attachment.media_type == media::UNKNOWN {
            media::of(path).clone_into(&mut attachment.media_type);
        }
        self.enclosed.attach(&mut self.intake, path, &mut attachment)?;
        Ok(attachment)
    }
}
