//! Microsoft Teams: `chatMessage` objects as Microsoft Graph answers them, kept in files as they came.
//!
//! There is no export file that Microsoft defines. What people have is what the Export API answered: pages, lists, or lines, one file or many, often a
//! file or folder for each captured user, since that API is asked user by user. So any such files are taken, and whose copy each is is told by its links or its path
//! (`whose`). The copies of one message are the same event in each, whatever differs in them.
//!
//! Files are read twice: first to see that they are whole, whose they are and which tenant is ours; then message by message. No more than one message is in
//! memory, beside the lists of users and chats.

mod bytes;
mod content;
mod lists;
mod message;
mod notice;
mod pages;
mod people;
mod whose;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use consign_model::source::Capture;
use consign_model::{Attachment, Timestamp, User};
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::content::TeamsFile;
use self::lists::Lists;
use self::message::Parsed;
use self::pages::{Item, Page};
use self::people::Person;
use self::whose::Links;
use crate::enclosed::{ById, Enclosed};
use crate::files::{Files, Found};
use crate::intake::Intake;
use crate::json::fields::Shape;
use crate::json::list::Broken;
use crate::recognise::Head;
use crate::report::shown;
use crate::waiting::Waiting;
use crate::{Refusal, Report, SourceError, media};

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
    let mut taker = Taker {
        intake,
        waiting: Waiting::default(),
        lists: std::mem::take(&mut seen.lists),
        home: std::mem::take(&mut seen.home),
        met: HashSet::new(),
        declared: HashMap::new(),
        by_id: ById::of(&enclosed, bytes::ids),
        enclosed,
    };
    taker.begin(&seen)?;
    for page in &seen.pages {
        taker.page(&mut files, page)?;
    }
    taker.waiting.hand_over_all(&mut taker.intake)?;
    for path in taker.enclosed.unclaimed() {
        taker.intake.unclaimed(path);
    }
    Ok(taker.intake.report)
}

/// A file of messages.
struct Owned {
    page: Page,
    /// Whose copy it is, where it is somebody's.
    user: Option<String>,
}

/// From when until when a user's messages were asked for, where a link says it.
type Asked = (Option<Timestamp>, Option<Timestamp>);

/// What the first look found.
#[derive(Default)]
struct Seen {
    lists: Lists,
    pages: Vec<Owned>,
    /// Files that can't be read; the rest goes on.
    broken: Vec<(String, Broken)>,
    /// The tenants of the organisation's own people.
    home: BTreeSet<String>,
    /// For each captured user the times that were asked for.
    captured: BTreeMap<String, BTreeSet<Asked>>,
    /// Tenants of users, and who is from outside by the kind of user.
    tenants: HashMap<String, (Option<String>, bool)>,
    unresolved: BTreeSet<String>,
}

impl Seen {
    /// The user whom a link or path names.
    fn owner(&mut self, named: &str) -> String {
        self.lists.user_id(named).unwrap_or_else(|| {
            self.unresolved.insert(named.to_owned());
            named.to_owned()
        })
    }

    fn capture(&mut self, user: &str, links: &Links) {
        // Times that end before they begin were never asked for: such links say nothing of times.
        let is_sound = links.from.zip(links.until).is_none_or(|(from, until)| from <= until);
        let asked = if is_sound { (links.from, links.until) } else { (None, None) };
        self.captured.entry(user.to_owned()).or_default().insert(asked);
    }
}

/// What tells a message from other things.
#[derive(Deserialize)]
struct Glance {
    #[serde(rename = "messageType")]
    kind: Option<IgnoredAny>,
    #[serde(rename = "createdDateTime")]
    created: Option<IgnoredAny>,
}

/// Whose a message is, and where.
#[derive(Deserialize)]
struct Origin<'a> {
    #[serde(borrow)]
    from: Option<From<'a>>,
    #[serde(borrow, rename = "channelIdentity")]
    channel: Option<Channel<'a>>,
}

#[derive(Deserialize)]
struct From<'a> {
    #[serde(borrow)]
    user: Option<Sender<'a>>,
}

#[derive(Deserialize)]
struct Sender<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "tenantId")]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "userIdentityType")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Channel<'a> {
    #[serde(borrow, rename = "teamId")]
    team: Option<Cow<'a, str>>,
}

/// The first look at all files: hands nothing over.
fn look(path: &Path, files: &mut Files, intake: &mut Intake<'_>) -> Result<Seen, SourceError> {
    let mut seen = Seen::default();
    let is_one = files.is_one();
    let mut paths: Vec<(String, Found)> =
        files.all().filter(|(path, _)| is_one || bytes::is_json(path)).map(|(path, found)| (path.to_owned(), found)).collect();
    paths.sort_by_cached_key(|(path, _)| by_number(path));
    let (lists, pages): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(path, _)| !is_one && lists::of_path(path).is_some());
    for (name, found) in lists {
        list(path, files, &name, found, &mut seen, intake)?;
    }
    let mut looked = Vec::new();
    for (name, found) in pages {
        match first_look(files, &name, found, &mut seen, intake) {
            Ok(page) => looked.extend(page),
            Err(broken) => seen.broken.push((name, broken)),
        }
    }
    if looked.is_empty() {
        if let Some((name, broken)) = seen.broken.into_iter().next() {
            return Err(broken.error(path, &name));
        }
        let what = "this is no export of Teams: it has no chatMessage objects";
        let hint = "Give what Microsoft Graph answered (getAllMessages, or the messages of a chat or channel): a file, or a ZIP or folder of files";
        return Err(SourceError::WrongKind { path: path.to_owned(), what, hint });
    }
    for (page, links, teams) in looked {
        let by_path = || whose::of_path(&page.path).filter(|user| !teams.contains(user));
        let named = if links.say() { links.user.clone() } else { by_path().filter(|user| !seen.lists.is_team(user)) };
        let user = named.map(|named| seen.owner(&named));
        if let Some(user) = &user {
            seen.capture(user, &links);
        }
        seen.pages.push(Owned { page, user });
    }
    let ours = seen.captured.keys().chain(&seen.lists.staff);
    seen.home = ours.filter_map(|user| seen.tenants.get(user)?.0.clone()).collect();
    let (tenants, home) = (&seen.tenants, &seen.home);
    seen.lists.finish(|user| tenants.get(user).is_some_and(|(tenant, outside)| *outside || is_foreign(home, tenant.as_deref())));
    Ok(seen)
}

fn is_foreign(home: &BTreeSet<String>, tenant: Option<&str>) -> bool {
    !home.is_empty() && tenant.is_some_and(|tenant| !home.contains(tenant))
}

/// A list of users, chats, teams or channels.
fn list(path: &Path, files: &mut Files, name: &str, found: Found, seen: &mut Seen, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let Some(of) = lists::of_path(name) else { return Ok(()) };
    let broken = |broken: Broken| SourceError::List {
        path: path.to_owned(),
        place: broken.line.map_or_else(|| name.to_owned(), |line| format!("{name}, line {line}")),
        what: broken.what,
    };
    let limits = intake.limits;
    let page = Page::of(files, name, found, limits).map_err(broken)?;
    let outcome = page.each(files, limits, &mut |item| {
        let taken = item.json.and_then(|json| seen.lists.take(of, json, intake).map_err(|shape| shape.to_string()));
        if let Err(reason) = taken {
            intake.refuse(Refusal { file: shown(name), line: item.line, index: item.index, reason });
        }
    });
    outcome.map(|_| ()).map_err(broken)
}

/// Whether a file is one of messages, whole, and whose. With the teams of its channels.
fn first_look(
    files: &mut Files,
    name: &str,
    found: Found,
    seen: &mut Seen,
    intake: &mut Intake<'_>,
) -> Result<Option<(Page, Links, HashSet<String>)>, Broken> {
    let limits = intake.limits;
    let page = Page::of(files, name, found, limits)?;
    let (mut messages, mut elements, mut teams, mut on_lines) = (0_u64, 0_u64, HashSet::new(), Vec::new());
    let links = page.each(files, limits, &mut |item| {
        elements += 1;
        let Ok(json) = item.json else { return };
        if !serde_json::from_str::<Glance>(json).is_ok_and(|seen| seen.kind.is_some() || seen.created.is_some()) {
            return;
        }
        messages += 1;
        if let Some(links) = item.links.filter(|links| links.user.is_some())
            && on_lines.last() != Some(links)
        {
            on_lines.push(links.clone());
        }
        let Ok(origin) = serde_json::from_str::<Origin<'_>>(json) else { return };
        teams.extend(origin.channel.and_then(|channel| channel.team).map(Cow::into_owned));
        if let Some(Sender { id: Some(id), tenant, kind }) = origin.from.and_then(|from| from.user)
            && !seen.tenants.contains_key(&*id)
        {
            let outside = kind.is_some_and(|kind| people::is_outside(&kind));
            seen.tenants.insert(id.into_owned(), (tenant.map(Cow::into_owned), outside));
        }
    })?;
    for links in on_lines {
        let user = links.user.as_deref().map(|user| seen.owner(user));
        seen.capture(user.as_deref().unwrap_or_default(), &links);
    }
    // A user who wrote and read nothing has a page with nothing.
    if messages == 0 && !(elements == 0 && links.say()) {
        intake.note(&format!("file that has no messages, not read: {}", shown(name)));
        return Ok(None);
    }
    Ok(Some((page, links, teams)))
}

/// `page-10` behind `page-9`: a path with its numbers as numbers.
fn by_number(path: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (text, after) = rest.split_at_checked(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len())).unwrap_or((rest, ""));
        let (number, after) = after.split_at_checked(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len())).unwrap_or((after, ""));
        parts.push((text.to_owned(), number.parse().unwrap_or_default()));
        rest = after;
    }
    parts
}

/// Hands over what is read.
struct Taker<'a> {
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

/// Takes one message that arrives by itself. Nothing is known beside it, and no file's bytes come with it. The inner error is why it was refused.
pub fn take_one(json: &str, intake: &mut Intake<'_>) -> Result<Result<(), Shape>, SourceError> {
    let Parsed { place, mut events, files, people, unnamed_reactions, silent, inside } = match message::parse(json) {
        Ok(parsed) => parsed,
        Err(shape) => return Ok(Err(shape)),
    };
    intake.chat(Lists::default().info(&place))?;
    for person in people {
        let user = shown_user(intake, person, false);
        intake.mentioned(user)?;
    }
    note(intake, unnamed_reactions, silent, inside);
    if let Some(message) = events.first_mut() {
        for TeamsFile { name, media_type, url, .. } in files {
            let attachment = Attachment { name, media_type, size: None, digest: None, url };
            intake.hang(&place.chat, message, attachment);
        }
    }
    intake.events(&place.chat, None, events).map(Ok)
}

fn note(intake: &mut Intake<'_>, unnamed_reactions: u64, silent: u64, inside: u64) {
    if unnamed_reactions > 0 {
        intake.note("messages with reactions that name no user; those reactions are not events");
    }
    if silent > 0 {
        intake.note("messages with attachments that say nothing that can be shown; the original has them");
    }
    if inside > 0 {
        intake.note("messages with pictures whose bytes stand in the message itself (contentBytes), which are not taken out");
    }
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

impl Taker<'_> {
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
            outcome = self.item(owned, item);
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

    fn item(&mut self, owned: &Owned, item: Item<'_>) -> Result<(), SourceError> {
        let most = self.intake.limits.line_bytes;
        let parsed = item.json.and_then(|json| match json.len() {
            length if length > most => Err(format!("longer than {most} bytes, the most that a message may have; the others of this file were read")),
            _ => message::parse(json).map_err(|shape| shape.to_string()),
        });
        let user = match item.links {
            Some(Links { user: Some(user), .. }) => self.lists.user_id(user).or_else(|| Some(user.clone())),
            Some(Links { team: true, .. }) => None,
            _ => owned.user.clone(),
        };
        match parsed {
            Ok(parsed) => self.take(user.as_deref(), parsed),
            Err(reason) => {
                self.intake.refuse(Refusal { file: shown(&owned.page.path), line: item.line, index: item.index, reason });
                Ok(())
            }
        }
    }

    fn take(&mut self, copy_of: Option<&str>, parsed: Parsed) -> Result<(), SourceError> {
        let Parsed { place, events, files, people, unnamed_reactions, silent, inside } = parsed;
        if self.declared.get(&place.chat).is_none_or(|as_channel| place.is_channel && !as_channel) {
            let info = self.lists.info(&place);
            self.intake.chat(info)?;
            self.declared.insert(place.chat.clone(), place.is_channel);
        }
        for person in people {
            self.meet(person)?;
        }
        note(&mut self.intake, unnamed_reactions, silent, inside);
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
        let Some(path) = file.id.as_deref().and_then(|id| self.by_id.find(id, &file.name)) else { return Ok(attachment) };
        if attachment.media_type == media::UNKNOWN {
            media::of(path).clone_into(&mut attachment.media_type);
        }
        self.enclosed.attach(&mut self.intake, path, &mut attachment)?;
        Ok(attachment)
    }
}
