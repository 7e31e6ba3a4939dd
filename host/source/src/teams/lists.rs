//! The lists that may lie beside the messages, as Graph answers them: `users.json`, `chats.json`, `teams.json`, `channels.json`. Without them users are known by what
//! messages show of them, and a chat's kind by its id, whose ends Teams has never changed: `@unq.gbl.spaces` is a chat of two (and names both), `19:meeting_…` one of
//! a meeting, `@thread.tacv2` and `@thread.skype` a channel, any other `@thread.v2` a group.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use consign_model::{ChatKind, Event, EventKind, Timestamp, User};

use super::message::{Where, time};
use super::people;
use crate::ChatInfo;
use crate::intake::Intake;
use crate::json::fields::{Fields, Shape};
use crate::text;

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Users,
    Chats,
    Teams,
    Channels,
}

/// The names of the lists.
pub const NAMES: [(&str, Of); 4] = [("users", Of::Users), ("chats", Of::Chats), ("teams", Of::Teams), ("channels", Of::Channels)];

/// Which list a file at the top of an export is.
pub fn of_path(path: &str) -> Option<Of> {
    let (name, end) = path.split_once('.')?;
    let fits = matches!(end, "json" | "jsonl" | "ndjson");
    NAMES.iter().find(|(known, _)| fits && *known == name).map(|(_, of)| *of)
}

/// A chat of a list.
#[derive(Debug)]
pub struct Listed {
    pub info: ChatInfo,
    /// Members who see the chat only since some time.
    pub since: Vec<(String, Timestamp)>,
}

/// All that the lists say.
#[derive(Default)]
pub struct Lists {
    pub users: BTreeMap<String, User>,
    /// Of these, those who are the organisation's own, by `users.json`.
    pub staff: BTreeSet<String>,
    /// Ids of users by their sign-in names and by their addresses, in small letters.
    by_sign_in: HashMap<String, String>,
    by_mail: HashMap<String, String>,
    pub chats: BTreeMap<String, Listed>,
    teams: HashMap<String, String>,
}

impl Lists {
    /// Takes one element of a list.
    pub fn take(&mut self, of: Of, json: &str, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let mut fields = Fields::parse(json)?;
        let id = people::id(fields.needed_id("id")?);
        match of {
            Of::Users => self.user(id, &mut fields, intake)?,
            Of::Chats => self.chat(id, &mut fields, intake)?,
            Of::Teams => {
                let name = fields.filled("displayName")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty());
                self.teams.extend(name.map(|name| (id, name)));
            }
            Of::Channels => self.channel(id, &mut fields, intake)?,
        }
        Ok(())
    }

    fn user(&mut self, id: String, fields: &mut Fields, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let mut user = User::unknown(&id);
        if let Some(name) = fields.filled("displayName")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty()) {
            user.name = name;
        }
        let (mail, sign_in) = (fields.filled("mail")?, fields.filled("userPrincipalName")?);
        let kind = fields.filled("userType")?.unwrap_or_default();
        // A guest's sign-in name (`ann_other.example#EXT#@desk.example`) looks like an address and is none.
        let of_sign_in = sign_in.clone().filter(|name| !name.contains("#EXT#") && text::address(name).is_some());
        user.external = kind.eq_ignore_ascii_case("guest") || sign_in.as_deref().is_some_and(|name| name.contains("#EXT#"));
        for (address, known) in [(&mail, &mut self.by_mail), (&sign_in, &mut self.by_sign_in)] {
            if let Some(address) = address {
                known.entry(address.to_lowercase()).or_insert_with(|| id.clone());
            }
        }
        user.email = intake.address(mail.or(of_sign_in));
        let mut attributes = Vec::new();
        for (field, label) in [("department", "department"), ("jobTitle", "title"), ("officeLocation", "office"), ("companyName", "company")] {
            attributes.extend(fields.filled(field)?.map(|value| (label.to_owned(), value)));
        }
        attributes.extend(sign_in.map(|name| ("login-name".to_owned(), name)));
        user.attributes = intake.labels(attributes);
        if !user.external {
            self.staff.insert(id.clone());
        }
        self.users.insert(id, user);
        Ok(())
    }

    fn chat(&mut self, id: String, fields: &mut Fields, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let kind = match fields.filled("chatType")?.as_deref() {
            Some("oneOnOne") => Some(ChatKind::Direct),
            Some("group") => Some(ChatKind::Group),
            Some("meeting") => Some(ChatKind::Meeting),
            _ => kind_of(&id),
        };
        let mut info = ChatInfo { kind, ..ChatInfo::unknown(&id) };
        info.title = fields.filled("topic")?.map(|topic| intake.name(&topic)).filter(|topic| !topic.is_empty());
        let mut listed = Listed { info, since: Vec::new() };
        self.members(fields, &mut listed, intake)?;
        if listed.info.members.is_empty() && listed.since.is_empty() {
            // Asked for without `$expand=members`, a list has none of any chat: it says nothing of members, and not that there are none.
            listed.info.members = two_of(&id);
        }
        self.chats.insert(id, listed);
        Ok(())
    }

    fn channel(&mut self, id: String, fields: &mut Fields, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let mut info = ChatInfo { kind: Some(ChatKind::Channel), ..ChatInfo::unknown(&id) };
        info.title = fields.filled("displayName")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty());
        let mut labels = Vec::new();
        labels.extend(fields.filled("membershipType")?.map(|kind| ("membership".to_owned(), kind)));
        let mut identity = fields.object("channelIdentity")?.unwrap_or_default();
        let team = fields.id("teamId")?.or(identity.id("teamId")?).map(people::id);
        labels.extend(team.map(|team| ("team".to_owned(), team)));
        info.labels = intake.labels(labels);
        let mut listed = Listed { info, since: Vec::new() };
        self.members(fields, &mut listed, intake)?;
        self.chats.insert(id, listed);
        Ok(())
    }

    /// `members[]`. Somebody who sees a chat only since some time came then: who counted as there from the beginning would be sent what they could not see.
    fn members(&mut self, fields: &mut Fields, listed: &mut Listed, intake: &mut Intake<'_>) -> Result<(), Shape> {
        fields.objects("members")?.into_iter().try_for_each(|member| self.member(member, listed, intake))
    }

    fn member(&mut self, mut member: Fields, listed: &mut Listed, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let Some(id) = member.id("userId")?.map(people::id) else {
            intake.note("members of chats without a user's id, left out");
            return Ok(());
        };
        match time(&mut member, "visibleHistoryStartDateTime")? {
            Some(since) => listed.since.push((id.clone(), since)),
            None => listed.info.members.push(id.clone()),
        }
        if let Entry::Vacant(place) = self.users.entry(id) {
            let mut user = User::unknown(place.key());
            if let Some(name) = member.filled("displayName")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty()) {
                user.name = name;
            }
            user.email = intake.address(member.filled("email")?);
            user.external = member.list("roles")?.iter().any(|role| role.as_str() == Some("guest"));
            place.insert(user);
        }
        Ok(())
    }

    /// Takes one member of a chat or channel, as a list of its own has them.
    pub fn take_member(&mut self, chat: &str, json: &str, intake: &mut Intake<'_>) -> Result<(), Shape> {
        let member = Fields::parse(json)?;
        let mut listed = self.chats.remove(chat).unwrap_or_else(|| Listed { info: unlisted(chat), since: Vec::new() });
        let taken = self.member(member, &mut listed, intake);
        self.chats.insert(chat.to_owned(), listed);
        taken
    }

    /// What a team is called.
    pub fn name_team(&mut self, team: &str, name: &str) {
        self.teams.insert(team.to_owned(), text::name(name));
    }

    /// Takes one channel of a team that was asked for its own.
    pub fn take_channel(&mut self, team: &str, json: &str, intake: &mut Intake<'_>) -> Result<String, Shape> {
        let mut fields = Fields::parse(json)?;
        let id = fields.needed_id("id")?;
        fields.put("teamId", self.teams.get(team).cloned().unwrap_or_else(|| team.to_owned()));
        self.channel(id.clone(), &mut fields, intake)?;
        Ok(id)
    }

    /// The id of a user who is named by an id or an address; unset for an address that nobody has. Graph takes a sign-in name where it takes an id, and no other
    /// address; a mailbox's address may be another's sign-in name. So who signs in by it comes before whose mail it is.
    pub fn user_id(&self, named: &str) -> Option<String> {
        if !named.contains('@') {
            return Some(people::id(named.to_owned()));
        }
        let address = named.to_lowercase();
        self.by_sign_in.get(&address).or_else(|| self.by_mail.get(&address)).cloned()
    }

    /// Whether a team has this id.
    pub fn is_team(&self, id: &str) -> bool {
        self.teams.contains_key(id)
    }

    /// All is read: channels get their teams' names, and members of whom no list of users tells are external where messages show them so.
    pub fn finish(&mut self, is_external: impl Fn(&str) -> bool) {
        for (id, user) in &mut self.users {
            user.external |= !self.staff.contains(id) && is_external(id);
        }
        for listed in self.chats.values_mut() {
            if let Some(team) = listed.info.labels.get_mut("team")
                && let Some(name) = self.teams.get(team)
            {
                team.clone_from(name);
            }
        }
    }

    /// What is known of the chat in which a message was written.
    pub fn info(&self, place: &Where) -> ChatInfo {
        let mut info = self.chats.get(&place.chat).map_or_else(|| unlisted(&place.chat), |listed| listed.info.clone());
        if place.is_channel {
            info.kind = Some(ChatKind::Channel);
        }
        if let Some(team) = &place.team {
            info.labels.entry("team".into()).or_insert_with(|| text::label(self.teams.get(team).unwrap_or(team)));
        }
        info
    }
}

impl Listed {
    /// The joins of those who came later.
    pub fn joins(&self) -> Vec<Event> {
        let join = |(user, since): &(String, Timestamp)| {
            let mut event = Event::new(EventKind::Join, Event::derived_id(EventKind::Join, &[user], *since), *since);
            event.user = Some(user.clone());
            event
        };
        self.since.iter().map(join).collect()
    }
}

/// What a chat's id alone says.
fn unlisted(id: &str) -> ChatInfo {
    ChatInfo { kind: kind_of(id), members: two_of(id), ..ChatInfo::unknown(id) }
}

/// Whom the id of a chat of two names.
pub fn two_of(id: &str) -> Vec<String> {
    let two = id.strip_prefix("19:").and_then(|id| id.strip_suffix("@unq.gbl.spaces")).and_then(|two| two.split_once('_'));
    two.into_iter().flat_map(|(one, other)| [one, other]).filter(|id| text::is_id(id)).map(|id| people::id(id.to_owned())).collect()
}

fn kind_of(id: &str) -> Option<ChatKind> {
    let name = id.split_once(':').map_or(id, |(_, name)| name);
    match id.rsplit_once('@').map(|(_, end)| end)? {
        "unq.gbl.spaces" => Some(ChatKind::Direct),
        "thread.tacv2" | "thread.skype" => Some(ChatKind::Channel),
        "thread.v2" if name.starts_with("meeting_") => Some(ChatKind::Meeting),
        "thread.v2" => Some(ChatKind::Group),
        _ => None,
    }
}
