//! The first look at all files, which hands nothing over: which of them are whole and hold messages, whose copies they are, and which tenants are ours. The lists
//! of users and chats are read here too, since paths and links name users by what stands in them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use consign_model::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::lists::{self, Lists};
use super::pages::Page;
use super::whose::{self, Links, Part};
use super::{bytes, people};
use crate::files::{Files, Found};
use crate::intake::Intake;
use crate::json::list::Broken;
use crate::report::shown;
use crate::{Refusal, SourceError};

/// A file of messages.
pub struct Owned {
    pub page: Page,
    /// Whose copy it is, where it is somebody's.
    pub user: Option<String>,
}

/// From when until when a user's messages were asked for, where a link says it.
pub type Asked = (Option<Timestamp>, Option<Timestamp>);

/// What the first look found.
#[derive(Default)]
pub struct Seen {
    pub lists: Lists,
    pub pages: Vec<Owned>,
    /// Files that can't be read; the rest goes on.
    pub broken: Vec<(String, Broken)>,
    /// The tenants of the organisation's own people.
    pub home: BTreeSet<String>,
    /// For each captured user the times that were asked for.
    pub captured: BTreeMap<String, BTreeSet<Asked>>,
    /// Users whom the ids of chats of two name.
    paired: HashSet<String>,
    /// Tenants of users, and who is from outside by the kind of user.
    tenants: HashMap<String, (Option<String>, bool)>,
    /// Addresses by which links and paths name users whom no list has.
    pub unresolved: BTreeSet<String>,
}

impl Seen {
    /// The user whom a link or path names.
    fn owner(&mut self, named: &str) -> String {
        self.lists.user_id(named).unwrap_or_else(|| {
            self.unresolved.insert(named.to_owned());
            named.to_owned()
        })
    }

    /// The user whom a file's path names, where it names one. `teams`: those of the file's own messages.
    fn named_by(&self, path: &str, teams: &HashSet<String>, intake: &mut Intake<'_>) -> Option<String> {
        let mut has_stray = false;
        for part in whose::of_path(path) {
            match part {
                Part::User(named) | Part::Guid(named) if teams.contains(&named) || self.lists.is_team(&named) => {}
                Part::User(named) => return Some(named),
                Part::Guid(id) if self.knows(&id) => return Some(id),
                Part::Guid(_) | Part::Stray => has_stray = true,
            }
        }
        if has_stray {
            intake.note("files with a GUID in their path that is no known user's: taken as nobody's own copies");
        }
        None
    }

    /// Whether this is a user for certain.
    fn knows(&self, user: &str) -> bool {
        self.lists.users.contains_key(user) || self.tenants.contains_key(user) || self.paired.contains(user)
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
    #[serde(borrow, rename = "chatId")]
    chat: Option<Cow<'a, str>>,
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
pub fn look(path: &Path, files: &mut Files, intake: &mut Intake<'_>) -> Result<Seen, SourceError> {
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
        let named = if links.say() { links.user.clone() } else { seen.named_by(&page.path, &teams, intake) };
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

pub fn is_foreign(home: &BTreeSet<String>, tenant: Option<&str>) -> bool {
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
        seen.paired.extend(origin.chat.iter().flat_map(|chat| lists::two_of(chat)));
        teams.extend(origin.channel.and_then(|channel| channel.team).map(|team| people::id(team.into_owned())));
        if let Some(Sender { id: Some(id), tenant, kind }) = origin.from.and_then(|from| from.user) {
            let outside = kind.is_some_and(|kind| people::is_outside(&kind));
            let tenant = tenant.map(|tenant| people::id(tenant.into_owned()));
            seen.tenants.entry(people::id(id.into_owned())).or_insert((tenant, outside));
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
