//! One raw event of a room to what it tells.
//!
//! Ids, senders and times are Matrix' own. What Element leaves out of an export (edits, reactions and redactions are not lines of a timeline) is told by what the
//! server put into the events that they are about (`unsigned`); where a raw event of it is there all the same, both have the same id and time, so they are
//! one. An event that nobody here knows is told in words, with every text that it has.

use std::collections::BTreeMap;

use consign_model::{Event, EventKind, Flags, Timestamp};
use serde_json::Value;

use super::content::{self, Body};
use super::media::MatrixFile;
use super::room::{Membership, Room};
use crate::json::fields::{Fields, Shape};
use crate::text;

/// What an event became.
#[derive(Debug, Default)]
pub struct Parsed {
    pub room: Option<String>,
    /// With the files that hang on each.
    pub events: Vec<(Event, Vec<MatrixFile>)>,
    pub notes: Vec<&'static str>,
}

/// Its fields that all have.
struct Raw {
    id: String,
    kind: String,
    sender: Option<String>,
    at: Timestamp,
    state_key: Option<String>,
    content: Fields,
    unsigned: Fields,
    /// What the state was before.
    before: Fields,
    /// What this event takes away.
    redacts: Option<String>,
}

impl Raw {
    fn event(&self, kind: EventKind) -> Event {
        let mut event = Event::new(kind, self.id.clone(), self.at);
        event.user.clone_from(&self.sender);
        event
    }

    fn other(&self, text: impl Into<String>) -> Event {
        let mut event = self.event(EventKind::Other);
        event.text = text::plain(&text.into()).into_owned();
        event
    }
}

/// Reads an event. `room` knows what came before it.
pub fn parse(json: &str, room: &mut Room) -> Result<Parsed, Shape> {
    let mut fields = Fields::parse(json)?;
    let millis = fields.count("origin_server_ts").and_then(|millis| i64::try_from(millis).ok());
    let at =
        millis.and_then(|millis| Timestamp::from_millis(millis).ok()).ok_or_else(|| Shape("`origin_server_ts` is no time in milliseconds".into()))?;
    let mut content = fields.object("content")?.unwrap_or_default();
    let mut unsigned = fields.object("unsigned")?.unwrap_or_default();
    let before = unsigned.object("prev_content")?.or(fields.object("prev_content")?).unwrap_or_default();
    let mut raw = Raw {
        id: fields.needed_id("event_id")?,
        kind: fields.filled("type")?.ok_or_else(|| Shape("`type` is missing".into()))?,
        sender: fields.id("sender")?.or(fields.id("user_id")?),
        at,
        state_key: fields.text("state_key")?,
        redacts: content.id("redacts")?.or(fields.id("redacts")?),
        content,
        unsigned,
        before,
    };
    let mut parsed = Parsed { room: fields.id("room_id")?, ..Parsed::default() };
    let because = raw.unsigned.object("redacted_because")?;
    let is_stripped = because.is_some();
    if raw.kind != "m.room.member"
        && let Some(because) = because
    {
        taken_away(&raw, because, room, &mut parsed)?;
        return Ok(parsed);
    }
    if !matches!(raw.kind.as_str(), "m.room.member" | "m.room.create")
        && let Some(sender) = &raw.sender
    {
        room.acts(sender);
    }
    match raw.kind.clone().as_str() {
        "m.room.message" | "m.sticker" => message(&mut raw, room, &mut parsed)?,
        "m.room.encrypted" => encrypted(&mut raw, &mut parsed)?,
        "m.reaction" => reaction(&mut raw, room, &mut parsed)?,
        "m.room.redaction" => redaction(&mut raw, room, &mut parsed)?,
        "m.room.member" => member(&mut raw, is_stripped, room, &mut parsed)?,
        "m.poll.start" | "org.matrix.msc3381.poll.start" | "org.matrix.msc3381.v2.poll.start" => {
            let mut event = raw.event(EventKind::Message);
            event.text = content::poll(&mut raw.content)?;
            parsed.events.push((event, Vec::new()));
        }
        _ => other(&mut raw, &mut parsed)?,
    }
    Ok(parsed)
}

impl Parsed {
    fn unreadable(&mut self, event: Event) {
        self.notes.push("messages that could not be decrypted: each is an event without its text; import again an export that has it");
        self.events.push((event, Vec::new()));
    }
}

/// What `m.relates_to` says.
#[derive(Default)]
struct Relation {
    kind: String,
    target: Option<String>,
    key: Option<String>,
    answers: Option<String>,
}

impl Relation {
    fn of(content: &mut Fields) -> Result<Self, Shape> {
        let Some(mut relation) = content.object("m.relates_to")? else { return Ok(Self::default()) };
        let answers = match relation.object("m.in_reply_to")? {
            Some(mut to) => to.id("event_id")?,
            None => None,
        };
        Ok(Self { kind: relation.filled("rel_type")?.unwrap_or_default(), target: relation.id("event_id")?, key: relation.filled("key")?, answers })
    }

    /// The root of the thread, or what is answered.
    fn thread(&self) -> Option<String> {
        if self.kind == "m.thread" { self.target.clone() } else { self.answers.clone() }
    }
}

/// A message, or an edit of one, that nobody could decrypt. What it belongs to stands outside of what is encrypted. An edit is none here: without its text it would
/// take the message's away.
fn encrypted(raw: &mut Raw, parsed: &mut Parsed) -> Result<(), Shape> {
    let relation = Relation::of(&mut raw.content)?;
    let event = if relation.kind == "m.replace" && relation.target.is_some() {
        Event { target: relation.target, ..raw.other(ENCRYPTED_EDIT) }
    } else {
        Event { thread: relation.thread(), ..raw.other("Encrypted message that could not be decrypted") }
    };
    parsed.unreadable(event);
    Ok(())
}

/// What is said of an edit that could not be decrypted.
const ENCRYPTED_EDIT: &str = "Encrypted edit that could not be decrypted";

/// A message, a sticker, or an edit of one.
fn message(raw: &mut Raw, room: &Room, parsed: &mut Parsed) -> Result<(), Shape> {
    let relation = Relation::of(&mut raw.content)?;
    let is_answer = relation.answers.is_some();
    if relation.kind == "m.replace"
        && let Some(target) = &relation.target
    {
        let mut newest = raw.content.object("m.new_content")?.unwrap_or_else(|| std::mem::take(&mut raw.content));
        let thread = Relation::of(&mut newest)?.thread();
        let body = content::read(&mut newest, false)?;
        let mut event = raw.event(EventKind::Edit);
        event.target = Some(target.clone());
        event.thread = thread;
        say(event, body, parsed);
        return Ok(());
    }
    let body = if raw.kind == "m.sticker" { sticker(&mut raw.content)? } else { content::read(&mut raw.content, is_answer)? };
    if body.unreadable {
        let mut event = raw.event(EventKind::Other);
        (event.text, event.original) = (body.text, body.original);
        event.thread = relation.thread();
        parsed.unreadable(event);
        return Ok(());
    }
    if body.text.is_empty() && body.files.is_empty() {
        parsed.notes.push("messages without a text");
    }
    let mut event = raw.event(EventKind::Message);
    event.thread = relation.thread();
    let edit = edited(raw, &event, &body, parsed)?;
    event.flags = event.flags.with_if(Flags::EDITED, edit.is_some() || room.is_edited(&event.id));
    say(event, body, parsed);
    match edit {
        Some(edit) if edit.kind == EventKind::Other => parsed.unreadable(edit),
        edit => parsed.events.extend(edit.map(|edit| (edit, Vec::new()))),
    }
    Ok(())
}

fn say(mut event: Event, body: Body, parsed: &mut Parsed) {
    event.flags = event.flags.with_if(Flags::FROM_BOT, body.by_bot);
    (event.text, event.original) = (body.text, body.original);
    parsed.events.push((event, body.files));
}

fn sticker(content: &mut Fields) -> Result<Body, Shape> {
    let body = content.text("body")?.unwrap_or_default();
    let file = content::file(content, "m.sticker", &body, None)?;
    let text = text::plain(&body).into_owned();
    Ok(Body { text, files: vec![file], ..Body::default() })
}

/// The newest edit, as the server tells it beside the message: by its id, time and sender; newer servers have all of it, older ones have put its text into the message.
/// One that is encrypted they can put nowhere, so that the message has the text of before.
fn edited(raw: &mut Raw, message: &Event, body: &Body, parsed: &mut Parsed) -> Result<Option<Event>, Shape> {
    let Some(mut relations) = raw.unsigned.object("m.relations")? else { return Ok(None) };
    if relations.has("m.annotation") {
        parsed.notes.push("messages whose reactions are only counted, without who gave them; those are not events");
    }
    let Some(mut replace) = relations.object("m.replace")? else { return Ok(None) };
    let millis = replace.count("origin_server_ts").and_then(|millis| i64::try_from(millis).ok());
    let (Some(id), Some(at)) = (replace.id("event_id")?, millis.and_then(|millis| Timestamp::from_millis(millis).ok())) else { return Ok(None) };
    let mut event = Event::new(EventKind::Edit, id, at);
    event.user = replace.id("sender")?.or_else(|| message.user.clone());
    event.target = Some(message.id.clone());
    let is_encrypted = replace.filled("type")?.is_some_and(|kind| kind == "m.room.encrypted");
    let newest = match replace.object("content")? {
        Some(content) if is_encrypted || content.has("ciphertext") => {
            // As the event itself would be told.
            (event.kind, event.text) = (EventKind::Other, ENCRYPTED_EDIT.to_owned());
            return Ok(Some(event));
        }
        Some(mut content) => content.object("m.new_content")?,
        None => None,
    };
    event.thread.clone_from(&message.thread);
    if let Some(mut newest) = newest {
        let body = content::read(&mut newest, false)?;
        event.flags = event.flags.with_if(Flags::FROM_BOT, body.by_bot);
        (event.text, event.original) = (body.text, body.original);
    } else {
        event.text.clone_from(&body.text);
        event.original.clone_from(&body.original);
    }
    Ok(Some(event))
}

fn reaction(raw: &mut Raw, room: &mut Room, parsed: &mut Parsed) -> Result<(), Shape> {
    let relation = Relation::of(&mut raw.content)?;
    let key = relation.key.unwrap_or_default();
    if text::is_long(&key) {
        return Err(Shape("a reaction's `key` is longer than any real one".into()));
    }
    let name = text::name(&key);
    let (Some(target), Some(_), false) = (relation.target, &raw.sender, name.is_empty()) else {
        parsed.events.push((raw.other("Reaction without what it is or to what"), Vec::new()));
        return Ok(());
    };
    let mut event = raw.event(EventKind::Reaction);
    event.text = name;
    event.target = Some(target);
    room.reacted(&event);
    parsed.events.push((event, Vec::new()));
    Ok(())
}

/// An event that was taken away: the server has stripped it, and says by what.
fn taken_away(raw: &Raw, mut because: Fields, room: &Room, parsed: &mut Parsed) -> Result<(), Shape> {
    let is_message = matches!(raw.kind.as_str(), "m.room.message" | "m.sticker" | "m.room.encrypted") || raw.kind.ends_with("poll.start");
    if !is_message {
        let what = if raw.kind == "m.reaction" {
            "Reaction that was taken back".to_owned()
        } else {
            format!("Event that was taken away ({})", text::name(&raw.kind))
        };
        parsed.events.push((raw.other(what), Vec::new()));
        return Ok(());
    }
    let mut event = raw.event(EventKind::Message);
    event.flags = event.flags.with(Flags::DELETED);
    parsed.events.push((event, Vec::new()));
    if room.is_redacted(&raw.id) {
        // The redaction itself is there.
        return Ok(());
    }
    let millis = because.count("origin_server_ts").and_then(|millis| i64::try_from(millis).ok());
    let at = millis.and_then(|millis| Timestamp::from_millis(millis).ok()).unwrap_or(raw.at);
    let id = because.id("event_id")?.unwrap_or_else(|| Event::derived_id(EventKind::Delete, &[&raw.id], at));
    let mut delete = Event::new(EventKind::Delete, id, at);
    delete.user = because.id("sender")?;
    delete.target = Some(raw.id.clone());
    delete.original = because.object("content")?.map(|mut content| content.filled("reason")).transpose()?.flatten();
    parsed.events.push((delete, Vec::new()));
    Ok(())
}

/// A redaction: of a reaction it takes that back, of all else it is a deletion.
fn redaction(raw: &mut Raw, room: &Room, parsed: &mut Parsed) -> Result<(), Shape> {
    let Some(target) = raw.redacts.clone() else {
        parsed.events.push((raw.other("Redaction that does not say of what"), Vec::new()));
        return Ok(());
    };
    if let Some(given) = room.reaction(&target) {
        let mut event = raw.event(EventKind::Reaction);
        // Whose it was, also where a moderator took it away.
        event.user.clone_from(&given.user);
        event.text.clone_from(&given.name);
        event.target = Some(given.target.clone());
        event.flags = event.flags.with(Flags::REMOVED);
        event.original = raw.sender.clone().filter(|by| given.user.as_ref() != Some(by)).map(|by| format!("taken back by {by}"));
        parsed.events.push((event, Vec::new()));
        return Ok(());
    }
    let mut event = raw.event(EventKind::Delete);
    event.target = Some(target);
    event.original = raw.content.filled("reason")?;
    parsed.events.push((event, Vec::new()));
    Ok(())
}

/// Who came, went, was asked in or thrown out, or changed their name. `is_stripped`: it was redacted, which leaves the membership and takes the name.
fn member(raw: &mut Raw, is_stripped: bool, room: &mut Room, parsed: &mut Parsed) -> Result<(), Shape> {
    let Some(user) = raw.state_key.clone().filter(|user| text::is_id(user)) else {
        return Err(Shape("`state_key` is missing, so nobody knows whose membership it is".into()));
    };
    let now = raw.content.filled("membership")?.unwrap_or_default();
    let (name, name_before) = (raw.content.filled("displayname")?, raw.before.filled("displayname")?);
    let told = raw.before.filled("membership")?.map(|word| Membership::of(&word));
    let before = room.moved(&user, Membership::of(&now), told);
    let own = raw.sender.as_ref() == Some(&user);
    let reason = raw.content.filled("reason")?;
    let by = raw.sender.clone().filter(|_| !own);
    // Who did it and why, by id, so that a renamed user changes nothing.
    let why = |verb: &str| match (&by, &reason) {
        (Some(by), Some(reason)) => Some(format!("{verb} by {by}: {reason}")),
        (Some(by), None) => Some(format!("{verb} by {by}")),
        (None, reason) => reason.clone(),
    };
    let moved = |kind, verb: &str| {
        let mut event = raw.event(kind);
        event.user = Some(user.clone());
        event.original = why(verb);
        event
    };
    let shown = name.as_deref().map(text::name).filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    let event = match (now.as_str(), before) {
        ("join", Membership::Joined) if told.is_some() && name != name_before && !is_stripped => {
            let before = name_before.as_deref().map(text::name).filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
            raw.other(format!("{before} is now called {shown}"))
        }
        ("join", Membership::Joined) => raw.other(format!("{shown} changed their profile")),
        ("join", _) => moved(EventKind::Join, "let in"),
        ("leave", Membership::Joined | Membership::Unknown) => moved(EventKind::Leave, "removed"),
        // Where what they were is not known, most were in it; and from now on nobody is.
        ("ban", Membership::Joined | Membership::Unknown) => moved(EventKind::Leave, "banned"),
        (word, before) => {
            let did = match (word, before, own) {
                ("invite", ..) => "was invited",
                ("leave", Membership::Invited, true) => "declined the invitation",
                ("leave", Membership::Invited, false) => "is no longer invited",
                ("leave", Membership::Banned, _) => "is no longer banned",
                ("leave", Membership::Knocking, true) => "no longer asks to be let in",
                ("leave", Membership::Knocking, false) => "was not let in",
                ("ban", ..) => "was banned",
                ("knock", ..) => "asks to be let in",
                _ => "has another membership",
            };
            let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let mut event = raw.other(format!("{shown} {did}{reason}"));
            event.original = Some(format!("{user} {did}{reason}"));
            // Who stays outside has done nothing in the room: by an act of theirs they would count as in it.
            if own && matches!((word, before), ("leave", Membership::Invited | Membership::Knocking | Membership::Left) | ("knock", _)) {
                event.user = None;
            }
            event
        }
    };
    parsed.events.push((event, Vec::new()));
    Ok(())
}

/// All other events: their kind in words, and what they say.
fn other(raw: &mut Raw, parsed: &mut Parsed) -> Result<(), Shape> {
    let relation = Relation::of(&mut raw.content)?;
    let mut lines = Vec::new();
    match raw.kind.as_str() {
        "m.room.name" => lines.push(format!("Room name: {}", raw.content.filled("name")?.unwrap_or_default())),
        "m.room.topic" => {
            let topic = raw.content.filled("topic")?;
            let newer = raw.content.object("m.topic")?.map(|topic| Value::Object(topic.into_inner()));
            lines.push(format!("Topic: {}", topic.or_else(|| content::text_of(newer.as_ref())).unwrap_or_default()));
        }
        "m.room.create" => lines.push("Room created".into()),
        kind => {
            lines.push(words(kind));
            // What a call says is for programs.
            if !kind.starts_with("m.call.") {
                let fields: BTreeMap<String, Value> = std::mem::take(&mut raw.content).into_inner().into_iter().collect();
                for (field, value) in fields {
                    let mut said = Vec::new();
                    say_all(&value, &mut said);
                    if !said.is_empty() {
                        lines.push(format!("{}: {}", words(&field), said.join(", ")));
                    }
                }
            }
        }
    }
    let mut event = raw.other(lines.join("\n").trim_end().to_owned());
    event.target = relation.target;
    if event.text.len() > text::LONGEST_TEXT {
        return Err(Shape(format!("its text has more than {} bytes", text::LONGEST_TEXT)));
    }
    parsed.events.push((event, Vec::new()));
    Ok(())
}

/// Every text, number and flag in a value, with the names of what is inside of objects.
fn say_all(value: &Value, said: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) if text.starts_with("http") => said.push(text::url(text)),
        Value::String(text) => said.push(text.clone()),
        Value::Bool(_) | Value::Number(_) => said.push(value.to_string()),
        Value::Array(list) => list.iter().for_each(|one| say_all(one, said)),
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            for (name, value) in fields {
                let mut inside = Vec::new();
                say_all(value, &mut inside);
                if !inside.is_empty() {
                    said.push(format!("{name} {}", inside.join(", ")));
                }
            }
        }
    }
}

/// `m.room.history_visibility` as `History visibility`.
fn words(kind: &str) -> String {
    let kind = text::name(kind);
    let bare = kind.strip_prefix("m.room.").or(kind.strip_prefix("m.")).unwrap_or(&kind).replace(['_', '.'], " ");
    let mut letters = bare.chars();
    letters.next().map_or_else(|| "Event".to_owned(), |first| first.to_uppercase().chain(letters).collect())
}
