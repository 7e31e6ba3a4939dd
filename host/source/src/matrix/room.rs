//! What is known of the room of an export while it is read: who is in it, and which reactions may be taken back. The first look finds all of a room that stands
//! behind its events: names of people as they are now, what was edited and what redacted. So this grows with the people of a room and with what was taken back or edited
//! in it, not with its messages.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use consign_model::{ChatKind, Event};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::fields::Fields;
use crate::text;

/// Somebody's place in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    Joined,
    Invited,
    Banned,
    Knocking,
    Left,
    Unknown,
}

impl Membership {
    pub fn of(word: &str) -> Self {
        match word {
            "join" => Self::Joined,
            "invite" => Self::Invited,
            "ban" => Self::Banned,
            "knock" => Self::Knocking,
            "leave" => Self::Left,
            _ => Self::Unknown,
        }
    }
}

/// A reaction that may be taken back.
#[derive(Debug, Clone)]
pub struct Given {
    pub user: Option<String>,
    pub name: String,
    pub target: String,
}

/// A room.
#[derive(Debug, Default)]
pub struct Room {
    /// The id that its events have.
    pub id: Option<String>,
    /// Its first event, and the one by which it was made, by id.
    first: Option<String>,
    made_by: Option<String>,
    /// Who created it, by id.
    creator: Option<String>,
    /// Names of people as they are now; unset where they have none.
    pub names: BTreeMap<String, Option<String>>,
    /// Somebody called it a chat of two.
    direct: bool,
    /// Everybody who ever joined.
    joined: HashSet<String>,
    /// What was taken away by an event that is there.
    redacted: HashSet<String>,
    edited: HashSet<String>,
    members: HashMap<String, Membership>,
    /// Who did something that only members can.
    acted: HashSet<String>,
    given: HashMap<String, Given>,
    pub is_encrypted: bool,
}

/// What the first look reads of an event.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    room_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sender: Option<Cow<'a, str>>,
    #[serde(borrow)]
    state_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    redacts: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl Room {
    /// The first look at an event. Answers whether it may be one.
    pub fn glance(&mut self, json: &str) -> bool {
        let Ok(Glance { kind: Some(kind), event_id: Some(id), room_id, sender, state_key, redacts, content }) =
            serde_json::from_str::<Glance<'_>>(json)
        else {
            return false;
        };
        if self.first.is_none() {
            self.first = Some(id.clone().into_owned());
        }
        if self.id.is_none() {
            self.id = room_id.filter(|id| text::is_id(id)).map(Cow::into_owned);
        }
        let sender = sender.filter(|id| text::is_id(id));
        // A field of another kind than it should be is told when the event is read.
        let of_content = || content.and_then(|content| Fields::parse(content.get()).ok()).unwrap_or_default();
        match &*kind {
            "m.room.create" => {
                self.creator = sender.as_deref().map(str::to_owned).or(self.creator.take());
                self.made_by.get_or_insert_with(|| id.into_owned());
            }
            "m.room.encryption" => self.is_encrypted = true,
            "m.room.redaction" => {
                let target = redacts.map(Cow::into_owned).or_else(|| of_content().id("redacts").ok().flatten());
                self.redacted.extend(target);
            }
            // An encrypted edit says in clear what it edits.
            "m.room.message" | "m.room.encrypted" if content.is_some_and(|content| content.get().contains("m.replace")) => {
                let relation = of_content().object("m.relates_to").ok().flatten();
                if let Some(mut relation) = relation
                    && relation.text("rel_type").ok().flatten().as_deref() == Some("m.replace")
                {
                    self.edited.extend(relation.id("event_id").ok().flatten());
                }
            }
            "m.room.member" => {
                let mut content = of_content();
                self.direct |= content.flag("is_direct").ok().flatten().unwrap_or_default();
                let name = content.filled("displayname").ok().flatten();
                let membership = content.filled("membership").ok().flatten().unwrap_or_default();
                if let Some(user) = state_key.filter(|id| text::is_id(id)) {
                    let known = self.names.entry(user.clone().into_owned()).or_default();
                    // Who leaves keeps their name, though many servers say it no more.
                    if name.is_some() || membership == "join" {
                        *known = name;
                    }
                    if membership == "join" {
                        self.joined.insert(user.into_owned());
                    }
                }
            }
            _ => {}
        }
        if let Some(sender) = sender
            && !self.names.contains_key(&*sender)
        {
            self.names.insert(sender.into_owned(), None);
        }
        true
    }

    /// What tells a room without an id from others of the same name and creator: the event by which it was made, which all of its exports from the beginning have; else
    /// the first one, which those from the same place on have.
    pub fn anchor(&self) -> &str {
        self.made_by.as_deref().or(self.first.as_deref()).unwrap_or_default()
    }

    /// The server of whoever created the room. The export's own word for that is a name that people choose; so first the event, then the room's id, and only
    /// then that name, if one person has it.
    pub fn home(&self, room_creator: Option<&str>) -> Option<String> {
        let of_user = |id: &str| id.strip_prefix('@').and_then(|id| id.split_once(':')).map(|(_, server)| server.to_owned());
        let by_name = || {
            let mut servers =
                self.names.iter().filter(|(_, name)| name.as_deref() == room_creator && room_creator.is_some()).filter_map(|(id, _)| of_user(id));
            servers.next().filter(|first| servers.all(|other| other == *first))
        };
        let of_room = || self.id.as_deref().and_then(|id| id.strip_prefix('!')?.split_once(':')).map(|(_, server)| server.to_owned());
        self.creator.as_deref().and_then(of_user).or_else(|| room_creator.and_then(of_user)).or_else(of_room).or_else(by_name)
    }

    /// A chat of two where somebody called it one and no third came; else a room.
    pub fn kind(&self) -> ChatKind {
        match (self.direct, self.joined.len()) {
            (true, 0..=2) => ChatKind::Direct,
            (true, _) => ChatKind::Group,
            (false, _) => ChatKind::Channel,
        }
    }

    /// Whether an event that takes this one away is there.
    pub fn is_redacted(&self, id: &str) -> bool {
        self.redacted.contains(id)
    }

    /// Whether an edit of this message is there.
    pub fn is_edited(&self, id: &str) -> bool {
        self.edited.contains(id)
    }

    /// Keeps a reaction that is taken back later.
    pub fn reacted(&mut self, event: &Event) {
        if let Some(target) = event.target.clone().filter(|_| self.redacted.contains(&event.id)) {
            self.given.insert(event.id.clone(), Given { user: event.user.clone(), name: event.text.clone(), target });
        }
    }

    /// A reaction that was taken back.
    pub fn reaction(&self, id: &str) -> Option<&Given> {
        self.given.get(id)
    }

    /// Somebody wrote or reacted.
    pub fn acts(&mut self, user: &str) {
        if !self.acted.contains(user) {
            self.acted.insert(user.to_owned());
        }
    }

    /// What a member was before they became this: as the event itself tells it, else as it was seen. Of a room that is there from its making, nobody has been in it
    /// who was not seen to come or to do anything.
    pub fn moved(&mut self, user: &str, now: Membership, told: Option<Membership>) -> Membership {
        let seen = self.members.insert(user.to_owned(), now);
        let unseen = if self.made_by.is_some() && !self.acted.contains(user) { Membership::Left } else { Membership::Unknown };
        told.or(seen).unwrap_or(unseen)
    }
}
