//! Slack's Discovery API: lists of an organisation's users and conversations, each conversation's messages, and records of what was edited and deleted.
//!
//! Slack publishes no reference of it; what its customers get is under seal. What stands here is from public documents: the methods and arguments of Slack's own
//! `slack_discovery_sdk` (Python), whose tests also show that a record of `discovery.conversations.edits` has `original_ts` and the new `text`; the answers that
//! Worklytics publishes with its proxy (`ok`, `error`, `offset`, and lists by name); and the Admin Oversight API, which Slack describes and which has the same lists
//! (`date_left` is 0 for who is a member now). Not to be verified so, and read in every form that is known:
//! - that `oldest` and `latest` of `discovery.conversations.edits` are times of changes, and not of the messages that were changed;
//! - the form of a record of a deletion: an export's (`message_deleted`), or any with `original_ts` and `deleted_ts`, `is_deleted` or `deleted`;
//! - whether a record's `ts` is the time of the change: where it is the message's own, `edited.ts` or `event_ts` is taken;
//! - whether bounds of time are included: so whoever asks asks for somewhat more;
//! - that answers in threads stand among a conversation's messages: there is no other method for them;
//! - whether a member is an id or an object.

use std::collections::HashSet;

use consign_model::{ChatKind, Event, EventKind, Flags};
use serde_json::{Map, Value};

use super::super::slack::events;
use super::super::{Arrived, Gathered, NotTaken};
use super::is_word;
use crate::intake::{Intake, Piece};
use crate::json::fields::{self, Fields, Shape, text_in};
use crate::slack::entry::Ts;
use crate::slack::index::{self, People};
use crate::slack::markup::Names;
use crate::text;
use crate::{ChatInfo, Limits, Refusal, Report, SourceError};

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// `ok` is true.
    Page(Page),
    /// It is not, with the word that says why: `ratelimited`, `channel_not_found`.
    Refused(String),
}

/// One page of a list.
#[derive(Debug, Default)]
pub struct Page {
    elements: Vec<Value>,
    /// Where the next page begins; unset on the last one.
    pub offset: Option<String>,
}

impl Answer {
    /// Reads an answer whose list has this name. A list within an object is `object.list`.
    pub fn read(body: &[u8], list: &str) -> Result<Self, String> {
        let read = || -> Result<Self, Shape> {
            let mut fields = Fields::parse(fields::utf8(body)?)?;
            if fields.flag("ok")? != Some(true) {
                let why = fields.filled("error")?.ok_or_else(|| Shape("neither `ok` nor `error` is there".into()))?;
                return Ok(Self::Refused(if is_word(&why) { why } else { "an error that is no word".to_owned() }));
            }
            let has_more = fields.flag("has_more")?.unwrap_or(false);
            let cursor = fields.object("response_metadata")?.map(|mut more| more.filled("next_cursor")).transpose()?.flatten();
            let mut rest = fields.into_inner();
            let offset = match rest.swap_remove("offset") {
                Some(Value::String(offset)) if !offset.is_empty() => Some(offset),
                Some(Value::Number(offset)) => Some(offset.to_string()),
                _ => cursor,
            };
            if has_more && offset.is_none() {
                return Err(Shape("there is more, and nothing says where it begins".into()));
            }
            let mut fields = Fields::of(Value::Object(rest))?;
            let (mut fields, name) = match list.split_once('.') {
                Some((object, name)) => (fields.object(object)?.unwrap_or_default(), name),
                None => (fields, list),
            };
            // A list that is not there is not an empty one.
            if !fields.has(name) {
                return Err(Shape(format!("`{list}` is missing")));
            }
            let elements = fields.list(name)?;
            Ok(Self::Page(Page { elements, offset }))
        };
        read().map_err(|shape| shape.to_string())
    }
}

impl Page {
    /// How much stands in it.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The ids of what stands in it: teams; or members, without those who have left.
    pub fn ids(&self) -> Vec<String> {
        let id = |element: &Value| match element {
            Value::String(id) => Some(id.clone()),
            other => text_in(other, "id").or_else(|| text_in(other, "user")),
        };
        let has_left = |element: &Value| match element.get("date_left") {
            Some(Value::Number(at)) => at.as_u64() != Some(0),
            Some(Value::String(at)) => !at.is_empty() && at != "0",
            _ => false,
        };
        self.elements.iter().filter(|element| !has_left(element)).filter_map(id).filter(|id| text::is_id(id)).collect()
    }

    /// The newest time in it, as Slack writes it.
    pub fn newest(&self) -> Option<String> {
        let times = self.elements.iter().filter_map(|element| text_in(element, "ts"));
        times.filter_map(|ts| Some((Ts::parse(&ts)?, ts))).max_by_key(|(ts, _)| *ts).map(|(_, ts)| ts)
    }
}

/// A conversation of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    info: ChatInfo,
}

impl Conversation {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.info.id
    }
}

/// Which texts of which messages came as edits: so that a message that has such a text is no news, and one with another is an edit that nobody told.
#[derive(Debug, Default)]
pub struct Told(HashSet<(String, [u8; 8])>);

/// Messages, apart by what another text than the archive's says.
#[derive(Debug, Default)]
pub struct Messages {
    /// Of these it is an edit that nobody told.
    pub arrived: Arrived,
    /// Of these it is told as an edit, in this pull or the next one.
    pub told: Gathered,
}

/// Names of all whom the organisation lists, by which messages that mention them are read.
#[derive(Debug, Default)]
pub struct Directory {
    names: Names,
}

impl Directory {
    /// Reads users.
    pub fn users(&mut self, page: Page, limits: &Limits) -> Result<Arrived, SourceError> {
        each("discovery.users.list", page, limits, &mut |element, intake| {
            let mut fields = Fields::of(element)?;
            if !fields.has("team_id") {
                // Of the teams of somebody of this organisation any is one of ours.
                if let Some(team) = fields.ids("teams")?.into_iter().next() {
                    fields.put("team_id", team);
                }
            }
            let user = index::user(intake, &mut self.names.home, fields)?;
            self.names.users.insert(user.id.clone(), user.name.clone());
            Ok(intake.user(user)?)
        })
    }

    /// Reads conversations. What is to be stored of them comes with their messages.
    pub fn conversations(&mut self, page: Page, limits: &Limits) -> Result<(Vec<Conversation>, Arrived), SourceError> {
        let mut all = Vec::new();
        let arrived = each("discovery.conversations.list", page, limits, &mut |element, intake| {
            let kind = if element.get("is_dm").and_then(Value::as_bool) == Some(true) { ChatKind::Direct } else { ChatKind::Channel };
            let info = index::chat(intake, &mut People::default(), Fields::of(element)?, kind, false)?.info;
            if let Some(title) = &info.title {
                self.names.channels.insert(info.id.clone(), title.clone());
            }
            all.push(Conversation { info });
            Ok(())
        })?;
        Ok((all, arrived))
    }

    /// What is known of a conversation, with its members of today.
    pub fn chat(&self, of: &Conversation, members: Vec<String>, limits: &Limits) -> Result<Arrived, SourceError> {
        Arrived::by(limits, |mut intake| {
            intake.chat(ChatInfo { members, ..of.info.clone() })?;
            Ok(intake.report)
        })
    }

    /// Reads records of edits and deletions.
    pub fn edits(&self, of: &Conversation, page: Page, told: &mut Told, limits: &Limits) -> Result<Arrived, SourceError> {
        let mut all = Vec::new();
        let mut arrived = each("discovery.conversations.edits", page, limits, &mut |element, intake| {
            all.extend(events(of.id(), as_entry(element)?, &self.names, intake)?);
            Ok(())
        })?;
        for event in &all {
            if let (EventKind::Edit, Some(target)) = (event.kind, &event.target) {
                told.0.insert((target.clone(), event.identity().content));
            }
        }
        hand_over(&mut arrived, of.id(), all, limits)?;
        Ok(arrived)
    }

    /// Reads messages. `began`: when the edits that are `told` were asked for, as Slack writes times; what was edited after is told the next time. Unset where
    /// nothing is told.
    pub fn messages(&self, of: &Conversation, page: Page, told: &Told, began: Option<&str>, limits: &Limits) -> Result<Messages, SourceError> {
        let (mut of_others, mut of_told) = (Vec::new(), Vec::new());
        let began = began.and_then(Ts::parse);
        let mut arrived = each("discovery.conversations.history", page, limits, &mut |element, intake| {
            let edited = element.get("edited").and_then(|edited| text_in(edited, "ts")).and_then(|ts| Ts::parse(&ts));
            let mut entry = Fields::of(element)?;
            if !entry.has("type") {
                entry.put("type", "message".to_owned());
            }
            for event in events(of.id(), entry, &self.names, intake)? {
                let is_told = event.flags.has(Flags::EDITED)
                    && (edited.zip(began).is_some_and(|(edited, began)| edited >= began)
                        || told.0.contains(&(event.id.clone(), event.identity().content)));
                if is_told { of_told.push(event) } else { of_others.push(event) }
            }
            Ok(())
        })?;
        hand_over(&mut arrived, of.id(), of_others, limits)?;
        let mut told = Arrived::default();
        hand_over(&mut told, of.id(), of_told, limits)?;
        Ok(Messages { arrived, told: told.gathered })
    }
}

/// Hands over events by their time, and adds them to what has arrived.
fn hand_over(arrived: &mut Arrived, chat: &str, mut all: Vec<Event>, limits: &Limits) -> Result<(), SourceError> {
    // As in an export's files: the id is the time, down to microseconds.
    all.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    let Arrived { gathered, report } = arrived;
    let mut intake = Intake::new(gathered, limits, &|_| {});
    std::mem::swap(&mut intake.report, report);
    let mut piece = Piece::default();
    for event in all {
        piece.push(event);
        if piece.is_full(limits) {
            intake.events(chat, None, piece.take())?;
        }
    }
    intake.events(chat, None, piece.take())?;
    let done: Report = std::mem::take(&mut intake.report);
    *report = done;
    Ok(())
}

/// Takes each element; what can't be read is refused by its place, and the others are taken.
fn each(
    name: &str,
    page: Page,
    limits: &Limits,
    take: &mut dyn FnMut(Value, &mut Intake<'_>) -> Result<(), NotTaken>,
) -> Result<Arrived, SourceError> {
    Arrived::by(limits, |mut intake| {
        for (index, element) in (0..).zip(page.elements) {
            match take(element, &mut intake) {
                Ok(()) => {}
                Err(NotTaken::Shape(shape)) => {
                    intake.refuse(Refusal { file: name.to_owned(), line: None, index: Some(index), reason: shape.to_string() });
                }
                Err(NotTaken::Sink(error)) => return Err(error),
            }
        }
        Ok(intake.report)
    })
}

/// A record of an edit or deletion in the form that it has in an export.
fn as_entry(record: Value) -> Result<Fields, Shape> {
    let is = |field: &str, word: &str| record.get(field).and_then(Value::as_str) == Some(word);
    let has = |field: &str| record.get(field).is_some_and(|value| !value.is_null());
    let says = |field: &str| record.get(field).and_then(Value::as_bool) == Some(true);
    let is_deletion = is("subtype", "message_deleted") || is("type", "message_deleted") || has("deleted_ts") || says("is_deleted") || says("deleted");
    let is_exported = (is("subtype", "message_changed") && has("message")) || (is("subtype", "message_deleted") && has("deleted_ts"));
    if is_exported {
        return Fields::of(record);
    }
    let original = text_in(&record, "original_ts").or_else(|| text_in(&record, "deleted_ts"));
    let Some(original) = original else {
        return Err(Shape("it has no `original_ts`, and neither the form of an edit nor of a deletion in an export".into()));
    };
    let edited = record.get("edited").cloned();
    let own = text_in(&record, "ts").filter(|ts| *ts != original);
    let at = own.or_else(|| text_in(edited.as_ref()?, "ts")).or_else(|| text_in(&record, "event_ts"));
    let at = at.or_else(|| text_in(&record, "deleted_ts").filter(|ts| *ts != original));
    let Some(at) = at else { return Err(Shape("it does not say when the message was edited or deleted".into())) };
    let Value::Object(mut message) = record else { return Err(Shape("it is no object".into())) };
    for field in ["original_ts", "deleted_ts", "event_ts", "is_deleted", "deleted"] {
        message.swap_remove(field);
    }
    let (user, team) = (message.get("user").cloned(), message.get("team").cloned());
    message.insert("ts".into(), Value::String(original.clone()));
    let mut entry = Map::new();
    entry.insert("type".into(), "message".into());
    entry.insert("ts".into(), Value::String(at.clone()));
    if is_deletion {
        message.swap_remove("subtype");
        entry.insert("subtype".into(), "message_deleted".into());
        entry.insert("deleted_ts".into(), Value::String(original));
        entry.insert("previous_message".into(), Value::Object(message));
    } else {
        if edited.is_none() {
            let mut edited = Map::new();
            edited.extend(user.map(|user| ("user".to_owned(), user)));
            edited.insert("ts".into(), Value::String(at));
            message.insert("edited".into(), Value::Object(edited));
        }
        entry.insert("subtype".into(), "message_changed".into());
        entry.extend(team.map(|team| ("team".to_owned(), team)));
        entry.insert("message".into(), Value::Object(message));
    }
    Fields::of(Value::Object(entry))
}
