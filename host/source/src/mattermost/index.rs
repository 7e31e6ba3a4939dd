//! What the lines before the posts say: teams' channels, users with their memberships, bots and direct chats. Read before anything is handed over, so that a
//! chat comes with its members and a file that is no export imports nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use consign_model::{ChatKind, Event, EventKind, Timestamp, User};

use crate::ChatInfo;
use crate::intake::Intake;
use crate::json::fields::{Fields, Shape};

/// Who and what there is.
#[derive(Debug, Default)]
pub struct Index {
    pub users: Vec<User>,
    /// Place of each user in `users`.
    places: HashMap<String, u32>,
    /// In the order of the file.
    pub chats: Vec<ChatInfo>,
    known: BTreeSet<String>,
    /// Members of channels, by the chat's id.
    members: BTreeMap<String, Vec<u32>>,
    /// Since when users who are deactivated are.
    deactivated: HashMap<String, Timestamp>,
    /// Names of today by the platform's ids, and by names of before, as far as posts of the system tell both; unset where two posts say otherwise.
    by_id: HashMap<String, Option<String>>,
    by_former: HashMap<String, Option<String>>,
}

impl Index {
    /// Takes a line; answers whether lines of this kind belong here.
    pub fn take(&mut self, kind: &str, line: &mut Fields, intake: &mut Intake<'_>) -> Result<bool, Shape> {
        let mut inner = |name: &str| line.object(name)?.ok_or_else(|| Shape(format!("`{name}` is missing")));
        match kind {
            "version" | "team" | "role" | "scheme" | "emoji" => {}
            "user" => self.user(inner(kind)?, intake)?,
            "bot" => self.bot(inner(kind)?, intake)?,
            "channel" => self.channel(inner(kind)?, intake)?,
            "direct_channel" => self.direct(inner(kind)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether this user is a program.
    pub fn is_bot(&self, user: &str) -> bool {
        self.places.get(user).and_then(|place| self.users.get(usize::try_from(*place).ok()?)).is_some_and(|user| user.bot)
    }

    /// Takes what a post of the system tells of who wrote it: the post has today's name, and its `props` the platform's id and the name of then.
    pub fn hint(&mut self, user: &str, kind: &str, props: &mut Fields) {
        let told = |known: &mut HashMap<String, Option<String>>, key: String| {
            let name = known.entry(key).or_insert_with(|| Some(user.to_owned()));
            if name.as_deref() != Some(user) {
                *name = None;
            }
        };
        if kind.starts_with("system_add_")
            && let Ok(Some(id)) = props.id("userId")
        {
            told(&mut self.by_id, id);
        }
        if let Ok(Some(name)) = props.id("username") {
            told(&mut self.by_former, name);
        }
    }

    /// Today's name of somebody whom a post names by the platform's id and the name of then. Unset where nobody can say.
    pub fn name_now(&self, id: Option<&str>, name: &str) -> Option<String> {
        let of = |known: &HashMap<String, Option<String>>, key: &str| known.get(key).cloned().flatten();
        let own = || self.places.contains_key(name).then(|| name.to_owned());
        id.and_then(|id| of(&self.by_id, id)).or_else(own).or_else(|| of(&self.by_former, name))
    }

    /// The leaves of those members of a chat whose accounts were deactivated. The platform leaves them in the list, and they read nothing more.
    pub fn leaves(&self, members: &[String]) -> Vec<Event> {
        let leave = |user: &String| {
            let at = *self.deactivated.get(user)?;
            let mut event = Event::new(EventKind::Leave, Event::derived_id(EventKind::Leave, &[user], at), at);
            event.original = Some("the account was deactivated".into());
            event.user = Some(user.clone());
            Some(event)
        };
        members.iter().filter_map(leave).collect()
    }

    /// A chat's members, as users' lines list them.
    pub fn members(&self, chat: &str) -> Vec<String> {
        let places = self.members.get(chat).into_iter().flatten();
        places.filter_map(|place| self.users.get(usize::try_from(*place).ok()?)).map(|user| user.id.clone()).collect()
    }

    /// Channels that have members and no line of their own: archived ones, for which nobody asked.
    pub fn unlisted(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str).filter(|chat| !self.known.contains(*chat))
    }

    fn user(&mut self, mut fields: Fields, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let id = fields.needed_id("username")?;
        if self.places.contains_key(&id) {
            return Err(Shape("this user is in the file twice; the first one holds".into()));
        }
        let mut user = User::unknown(&id);
        let full: Vec<String> = [fields.filled("first_name")?, fields.filled("last_name")?].into_iter().flatten().collect();
        let nickname = fields.filled("nickname")?;
        let name = Some(intake.name(&full.join(" "))).filter(|name| !name.is_empty()).or_else(|| nickname.as_ref().map(|name| intake.name(name)));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            user.name = name;
        }
        user.email = intake.address(fields.filled("email")?);
        let guest = fields.filled("roles")?.is_some_and(|roles| roles.split_whitespace().any(|role| role == "system_guest"));
        // People of other servers, in shared channels, are `name:server`.
        user.external = guest || id.contains(':');
        let deactivated = fields.count("delete_at").filter(|at| *at > 0);
        let attributes = [
            ("nickname", nickname),
            ("title", fields.filled("position")?),
            ("locale", fields.filled("locale")?),
            ("guest", guest.then(|| "true".to_owned())),
            ("deactivated", deactivated.map(|_| "true".to_owned())),
        ];
        user.attributes = intake.labels(attributes.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect());
        let mut chats = Vec::new();
        for mut team in fields.objects("teams")? {
            let name = team.needed_id("name")?;
            for mut channel in team.objects("channels")? {
                chats.push(chat_id(&name, &channel.needed_id("name")?)?);
            }
        }
        let since = deactivated.and_then(|at| Timestamp::from_millis(i64::try_from(at).ok()?).ok());
        self.deactivated.extend(since.map(|at| (id, at)));
        let place = self.add(user);
        for chat in chats {
            self.members.entry(chat).or_default().push(place);
        }
        Ok(())
    }

    fn add(&mut self, user: User) -> u32 {
        let place = u32::try_from(self.users.len()).unwrap_or(u32::MAX);
        self.places.insert(user.id.clone(), place);
        self.users.push(user);
        place
    }

    /// A bot; older servers write a user's line of it too.
    fn bot(&mut self, mut fields: Fields, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let id = fields.needed_id("username")?;
        let name = fields.filled("display_name")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty());
        let place = self.places.get(&id).copied();
        let place = place.unwrap_or_else(|| self.add(User::unknown(&id)));
        if let Some(user) = usize::try_from(place).ok().and_then(|place| self.users.get_mut(place)) {
            user.bot = true;
            user.name = name.unwrap_or_else(|| user.name.clone());
        }
        Ok(())
    }

    fn channel(&mut self, mut fields: Fields, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let (team, name) = (fields.needed_id("team")?, fields.needed_id("name")?);
        let title = fields.filled("display_name")?;
        let mut info = channel(&team, &name, title.as_deref(), intake)?;
        if fields.filled("type")?.as_deref() == Some("P") {
            info.labels.insert("private".into(), "true".into());
        }
        if fields.count("deleted_at").is_some_and(|at| at > 0) {
            info.labels.insert("archived".into(), "true".into());
        }
        self.list(info)
    }

    fn direct(&mut self, mut fields: Fields) -> Result<(), Shape> {
        let mut members = fields.ids("members")?;
        for mut one in fields.objects("participants")? {
            members.push(one.needed_id("username")?);
        }
        self.list(direct(members)?)
    }

    fn list(&mut self, info: ChatInfo) -> Result<(), Shape> {
        if !self.known.insert(info.id.clone()) {
            return Err(Shape("this chat is in the file twice; the first one holds".into()));
        }
        self.chats.push(info);
        Ok(())
    }
}

/// The id of a channel: the platform's own ids are not in the export, and these two names are what its addresses consist of.
pub fn chat_id(team: &str, channel: &str) -> Result<String, Shape> {
    if team.contains('/') || channel.contains('/') {
        return Err(Shape("a team's or channel's `name` has a '/', and no real one has".into()));
    }
    Ok(format!("{team}/{channel}"))
}

/// A channel.
pub fn channel(team: &str, name: &str, title: Option<&str>, intake: &mut Intake<'_>) -> Result<ChatInfo, Shape> {
    let mut info = ChatInfo::unknown(&chat_id(team, name)?);
    info.kind = Some(ChatKind::Channel);
    info.title = Some(intake.name(title.unwrap_or(name))).filter(|title| !title.is_empty());
    info.labels = intake.labels(vec![("team".into(), team.to_owned())]);
    Ok(info)
}

/// A chat of these people, whatever their order. One with oneself lists that one twice.
pub fn direct(mut members: Vec<String>) -> Result<ChatInfo, Shape> {
    members.sort();
    members.dedup();
    let id = format!("direct:{}", members.join(","));
    if members.is_empty() {
        return Err(Shape("it has no members, so that nobody can say which chat it is".into()));
    }
    if !crate::text::is_id(&id) {
        return Err(Shape("it has more members than any real one".into()));
    }
    let mut info = ChatInfo::unknown(&id);
    info.kind = Some(if members.len() > 2 { ChatKind::Group } else { ChatKind::Direct });
    info.members = members;
    Ok(info)
}
