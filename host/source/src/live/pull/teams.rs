//! Microsoft Graph's lists and exports, page by page (`{"@odata.context": …, "value": […], "@odata.nextLink": …}`).
//!
//! A page says what stands in it and never which times were read with it: its messages come in no promised order, and the next page may hold any of the same
//! time. So no page claims anything of a user's own export; whoever asks does, when the last page is stored ([`captured`]).

use std::collections::BTreeSet;

use consign_model::Timestamp;
use consign_model::source::Capture;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Arrived, NotTaken};
use super::is_word;
use crate::intake::Intake;
use crate::json::fields::{self, Fields, Shape};
use crate::report::shown;
use crate::teams::lists::{self, Lists, Of};
use crate::teams::{message, take_page};
use crate::{Limits, Refusal, SourceError};

/// The most members that Graph lists with a chat, whatever it is asked for (a known issue of `$expand=members`). Of one with so many the members are to be
/// asked for by themselves.
const MEMBERS_LISTED: usize = 25;

/// A page.
#[derive(Debug, Default)]
pub struct Page {
    elements: Vec<Box<RawValue>>,
    /// Where the next page is, as a whole URL.
    pub next: Option<String>,
    /// Where what changes from now on will be. On the last page of a delta alone.
    pub delta: Option<String>,
}

/// As it is written. Read by serde's derived reader, whose errors quote what they stumble over: they are told by [`fields::syntax`], which does not.
#[derive(Deserialize)]
struct Written {
    value: Option<Vec<Box<RawValue>>>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
}

impl Page {
    /// Reads an answer that is a list.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let text = fields::utf8(body).map_err(|shape| shape.to_string())?;
        let Written { value, next, delta } = serde_json::from_str(text).map_err(|error| fields::syntax(&error))?;
        let elements = value.ok_or("`value` is missing")?;
        Ok(Self { elements, next: next.filter(|link| !link.is_empty()), delta: delta.filter(|link| !link.is_empty()) })
    }

    /// Reads an answer that is one thing.
    pub fn one(body: &[u8]) -> Result<Self, String> {
        let text = fields::utf8(body).map_err(|shape| shape.to_string())?;
        let element = serde_json::from_str(text).map_err(|error| fields::syntax(&error))?;
        Ok(Self { elements: vec![element], ..Self::default() })
    }

    /// How much stands in it.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

/// The `code` of an answer that is an error, where it is a word: what else such answers say may name people.
pub fn error_code(body: &[u8]) -> Option<String> {
    let mut error = Fields::parse(fields::utf8(body).ok()?).ok()?.object("error").ok()??;
    error.filled("code").ok()?.filter(|code| is_word(code))
}

/// What a token is asked by, and for how many seconds it holds.
pub fn token(body: &[u8]) -> Result<(String, u64), String> {
    let of = |body| -> Result<(String, u64), Shape> {
        let mut fields = Fields::parse(fields::utf8(body)?)?;
        let token = fields.filled("access_token")?.ok_or_else(|| Shape("`access_token` is missing".into()))?;
        Ok((token, fields.number("expires_in")?.unwrap_or_default()))
    };
    of(body).map_err(|shape| shape.to_string())
}

/// Somebody of a list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Their id.
    pub id: String,
    /// A guest, whose messages lie in another organisation.
    pub is_guest: bool,
}

/// Reads users: what is to be stored, and those that could be read, in their order.
pub fn users(name: &str, page: &Page, limits: &Limits) -> Result<(Arrived, Vec<Listed>), SourceError> {
    let mut ids = Vec::new();
    let arrived = each(name, page, limits, &mut |json, intake| {
        let mut lists = Lists::default();
        lists.take(Of::Users, json, intake)?;
        for (id, user) in lists.users {
            ids.push(Listed { id, is_guest: user.external });
            intake.user(user)?;
        }
        Ok(())
    })?;
    Ok((arrived, ids))
}

/// Reads the teams that a user has joined: their ids and names.
pub fn teams(page: &Page) -> Result<Vec<(String, Option<String>)>, String> {
    let of = |element: &RawValue| -> Result<(String, Option<String>), Shape> {
        let mut fields = Fields::parse(element.get())?;
        Ok((fields.needed_id("id")?, fields.filled("displayName")?))
    };
    page.elements.iter().map(|element| of(element)).collect::<Result<_, _>>().map_err(|shape| shape.to_string())
}

/// That all of a user's own export was read from `from` until `until`.
pub fn captured(user: &str, from: Option<Timestamp>, until: Timestamp, limits: &Limits) -> Result<Arrived, SourceError> {
    Arrived::by(limits, |mut intake| {
        intake.captured(Capture { user: user.to_owned(), from, until: Some(until) })?;
        Ok(intake.report)
    })
}

/// What is known beside the messages of one user or team.
#[derive(Default)]
pub struct Beside {
    lists: Lists,
    home: BTreeSet<String>,
}

impl Beside {
    /// `tenant`: the organisation's id; where it is another name of it, nobody is taken for somebody from outside by theirs.
    pub fn new(tenant: &str) -> Self {
        let is_id = tenant.len() == 36 && tenant.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        Self { lists: Lists::default(), home: is_id.then(|| tenant.to_owned()).into_iter().collect() }
    }

    /// Reads chats with their members. Also says which of them may have more members than it lists.
    pub fn chats(&mut self, name: &str, page: &Page, limits: &Limits) -> Result<(Arrived, Vec<String>), SourceError> {
        let mut cut = Vec::new();
        let arrived = each(name, page, limits, &mut |json, intake| {
            let id = Fields::parse(json)?.needed_id("id")?;
            self.lists.take(Of::Chats, json, intake)?;
            if self.lists.chats.get(&id).is_some_and(|chat| chat.info.members.len() + chat.since.len() >= MEMBERS_LISTED) {
                cut.push(id.clone());
            }
            self.hand_over(&id, None, intake)
        })?;
        Ok((arrived, cut))
    }

    /// Reads a team's channels: what is to be stored, and their ids. `title`: the team's name.
    pub fn channels(&mut self, team: &str, title: Option<&str>, page: &Page, limits: &Limits) -> Result<(Arrived, Vec<String>), SourceError> {
        if let Some(title) = title {
            self.lists.name_team(team, title);
        }
        let mut ids = Vec::new();
        let arrived = each("channels", page, limits, &mut |json, intake| {
            let id = self.lists.take_channel(team, json, intake)?;
            ids.push(id.clone());
            self.hand_over(&id, Some(team), intake)
        })?;
        Ok((arrived, ids))
    }

    /// Reads members of a chat, or of a channel of `team`.
    pub fn members(&mut self, chat: &str, team: Option<&str>, page: &Page, limits: &Limits) -> Result<Arrived, SourceError> {
        Arrived::by(limits, |mut intake| {
            for (index, element) in (0..).zip(&page.elements) {
                if let Err(shape) = self.lists.take_member(chat, element.get(), &mut intake) {
                    intake.refuse(Refusal { file: "members".to_owned(), line: None, index: Some(index), reason: shape.to_string() });
                }
            }
            match self.hand_over(chat, team, &mut intake) {
                Ok(()) => Ok(intake.report),
                Err(NotTaken::Sink(error)) => Err(error),
                Err(NotTaken::Shape(shape)) => Err(SourceError::Sink(shape.to_string().into())),
            }
        })
    }

    /// Reads messages. `owner`: whose copies they are.
    pub fn messages(&mut self, name: &str, page: &Page, owner: Option<&str>, limits: &Limits) -> Result<Arrived, SourceError> {
        let Self { lists, home } = self;
        Arrived::by(limits, |intake| take_page(name, &page.elements, owner, lists, home, intake))
    }

    /// What is known of a chat, and of whom it shows: a list of members says less of somebody than the list of users.
    fn hand_over(&mut self, chat: &str, team: Option<&str>, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let place = message::Where { chat: chat.to_owned(), is_channel: team.is_some(), team: team.map(str::to_owned) };
        intake.chat(self.lists.info(&place))?;
        for user in std::mem::take(&mut self.lists.users).into_values() {
            intake.mentioned(user)?;
        }
        let joins = self.lists.chats.get(chat).map(lists::Listed::joins).unwrap_or_default();
        Ok(intake.events(chat, None, joins)?)
    }
}

/// Takes each element; what can't be read is refused by its place, and the others are taken.
fn each(
    name: &str,
    page: &Page,
    limits: &Limits,
    take: &mut dyn FnMut(&str, &mut Intake<'_>) -> Result<(), NotTaken>,
) -> Result<Arrived, SourceError> {
    Arrived::by(limits, |mut intake| {
        for (index, element) in (0..).zip(&page.elements) {
            match take(element.get(), &mut intake) {
                Ok(()) => {}
                Err(NotTaken::Shape(shape)) => {
                    intake.refuse(Refusal { file: shown(name), line: None, index: Some(index), reason: shape.to_string() });
                }
                Err(NotTaken::Sink(error)) => return Err(error),
            }
        }
        Ok(intake.report)
    })
}
