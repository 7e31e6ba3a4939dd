//! The lists that say who and what there is: `users.json`, an Enterprise Grid's `org_users.json`, and `channels.json groups.json dms.json mpims.json`.
//!
//! These are read before anything is handed over, and one that is broken as a whole ends the import: without it, names would be ids and chats folders,
//! and events once stored don't change. A single bad element is refused alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use consign_model::{ChatKind, User};

use super::entry::first_name;
use super::markup::Names;
use crate::files::Files;
use crate::intake::Intake;
use crate::json::fields::{Fields, Shape};
use crate::json::list::{self, Most, Place};
use crate::{ChatInfo, Refusal, SourceError};

/// What each list of chats holds.
pub const CHATS: [(&str, ChatKind); 4] =
    [("channels.json", ChatKind::Channel), ("groups.json", ChatKind::Channel), ("mpims.json", ChatKind::Group), ("dms.json", ChatKind::Direct)];

/// The lists of users. Somebody may be in both: an organisation's list has everybody.
const USERS: [&str; 2] = ["users.json", "org_users.json"];

/// A chat and where its day files may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub info: ChatInfo,
    /// The platform's name of it, as its folder is called.
    pub folder: String,
    /// Its members, by their place in [`Index::people`].
    members: Vec<u32>,
}

/// Who and what there is.
#[derive(Debug, Default)]
pub struct Index {
    pub users: Vec<User>,
    pub chats: Vec<Listed>,
    pub names: Names,
    pub people: People,
}

/// Ids of members, each kept once: in a large workspace everybody is a member of hundreds of channels.
#[derive(Debug, Default)]
pub struct People {
    ids: Vec<String>,
    places: HashMap<String, u32>,
}

impl People {
    fn place(&mut self, id: String) -> u32 {
        *self.places.entry(id).or_insert_with_key(|id| {
            self.ids.push(id.clone());
            u32::try_from(self.ids.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The members of a chat.
    pub fn of(&self, chat: &Listed) -> Vec<String> {
        chat.members.iter().filter_map(|place| self.ids.get(usize::try_from(*place).ok()?)).cloned().collect()
    }
}

/// Reads all lists.
pub fn read(path: &Path, files: &mut Files, intake: &mut Intake<'_>) -> Result<Index, SourceError> {
    let mut index = Index::default();
    for name in USERS {
        let mut listed = HashSet::new();
        each(path, files, intake, name, &mut |intake, fields| {
            let user = user(intake, &mut index.names.home, fields)?;
            if !listed.insert(user.id.clone()) {
                return Err(Shape("this user is in the list twice; the first one holds".into()));
            }
            if !index.names.users.contains_key(&user.id) {
                index.names.users.insert(user.id.clone(), user.name.clone());
                index.users.push(user);
            }
            Ok(())
        })?;
    }
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, kind) in CHATS {
        each(path, files, intake, name, &mut |intake, fields| {
            let listed = chat(intake, &mut index.people, fields, kind, name == "groups.json")?;
            if let Some(before) = seen.insert(listed.info.id.clone(), name) {
                return Err(Shape(format!("this chat is listed before, in {before}; the first one holds")));
            }
            if let Some(title) = &listed.info.title {
                index.names.channels.insert(listed.info.id.clone(), title.clone());
            }
            index.chats.push(listed);
            Ok(())
        })?;
    }
    Ok(index)
}

/// Reads one list, if it is there.
fn each(
    path: &Path,
    files: &mut Files,
    intake: &mut Intake<'_>,
    name: &str,
    take: &mut dyn FnMut(&mut Intake<'_>, Fields) -> Result<(), Shape>,
) -> Result<(), SourceError> {
    let broken = |place: String, what: String| SourceError::List { path: path.to_owned(), place, what };
    let Some(found) = files.find(name) else {
        return match files.refusal_of(name) {
            Some(refusal) => Err(broken(name.to_owned(), refusal.reason.clone())),
            None => Ok(()),
        };
    };
    let most = Most { file: intake.limits.list_bytes, element: intake.limits.json_bytes };
    list::of_file(files, name, found, most, Place::Whole, &mut |element| {
        if let Err(shape) = Fields::parse(element.json.get()).and_then(|fields| take(intake, fields)) {
            intake.refuse(Refusal { file: name.to_owned(), line: Some(element.line), index: Some(element.index), reason: shape.to_string() });
        }
    })
    .map_err(|error| broken(error.line.map_or(name.to_owned(), |line| format!("{name}, line {line}")), error.what))
}

/// Reads a user. `home` gets the teams that it belongs to.
pub fn user(intake: &mut Intake<'_>, home: &mut HashSet<String>, mut fields: Fields) -> Result<User, Shape> {
    let id = fields.needed_id("id")?;
    let mut profile = fields.object("profile")?.unwrap_or_default();
    let login = fields.filled("name")?;
    let real = fields.filled("real_name")?.or(profile.filled("real_name")?);
    let name = match real {
        Some(real) => Some(intake.name(&real)),
        None => first_name(&mut profile, &["display_name"])?.or_else(|| login.as_ref().map(|login| intake.name(login))),
    };
    let mut user = User::unknown(&id);
    user.name = name.filter(|name| !name.is_empty()).unwrap_or(id);
    user.email = intake.address(profile.filled("email")?);
    user.bot = fields.flag("is_bot")?.unwrap_or(false);
    user.external = fields.flag("is_stranger")?.unwrap_or(false);
    let team = fields.filled("team_id")?;
    let mut organisation = fields.object("enterprise_user").unwrap_or_default().unwrap_or_default();
    if !user.external {
        home.extend(team.clone());
        home.extend(organisation.filled("enterprise_id").unwrap_or_default());
        home.extend(organisation.ids("teams").unwrap_or_default());
    }
    let yes = |flag: Option<bool>| flag.unwrap_or(false).then(|| "true".to_owned());
    let guest = yes(fields.flag("is_restricted")?).or(yes(fields.flag("is_ultra_restricted")?));
    let attributes = [
        ("login-name", login),
        ("display-name", profile.filled("display_name")?),
        ("title", profile.filled("title")?),
        ("team", team),
        ("time-zone", fields.filled("tz")?),
        ("guest", guest),
        ("deactivated", yes(fields.flag("deleted")?)),
    ];
    user.attributes = intake.labels(attributes.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect());
    Ok(user)
}

/// Reads a chat. `kind`: what it is where its own flags say nothing.
pub fn chat(intake: &mut Intake<'_>, people: &mut People, mut fields: Fields, kind: ChatKind, private: bool) -> Result<Listed, Shape> {
    let id = fields.needed_id("id")?;
    let name = fields.filled("name")?;
    let kind = match (fields.flag("is_im")?.unwrap_or(false), fields.flag("is_mpim")?.unwrap_or(false)) {
        (true, _) => ChatKind::Direct,
        (_, true) => ChatKind::Group,
        _ => kind,
    };
    let private = fields.flag("is_private")?.unwrap_or(private) && kind == ChatKind::Channel;
    let mut info = ChatInfo::unknown(&id);
    info.kind = Some(kind);
    let members = fields.ids("members")?.into_iter().map(|member| people.place(member)).collect();
    // What Slack calls a group chat (`mpdm-ann--bob-1`) is no title that anybody gave.
    let title = name.as_deref().filter(|_| kind == ChatKind::Channel).map(|name| intake.name(name));
    info.title = title.filter(|title| !title.is_empty());
    let mut labels = Vec::new();
    if private {
        labels.push(("private".to_owned(), "true".to_owned()));
    }
    if fields.flag("is_archived")?.unwrap_or(false) {
        labels.push(("archived".to_owned(), "true".to_owned()));
    }
    if let (ChatKind::Group, Some(name)) = (kind, &name) {
        labels.push(("name".to_owned(), name.clone()));
    }
    info.labels = intake.labels(labels);
    Ok(Listed { folder: name.unwrap_or(id), info, members })
}
