//! System messages: who came and went, and all else that Teams writes into a chat by itself.
//!
//! Graph has some thirty kinds of them and will have more, so only those that change who is in a chat are known by name; of each other the kind is told in words,
//! with every field that a person can read. The original has ids in place of names, so that it stays what it was when somebody is renamed.
//!
//! Who caused such an event need not be in the chat: administrators set up apps and policies, and organisers of meetings look at no chat of them. Whoever does something in a
//! chat counts as in it and gets its copies, so an event of the system has no user; its initiator is named as its sender and, by id, in the original.

use std::collections::BTreeMap;

use consign_model::{Event, EventKind};
use serde_json::Value;

use super::message::Parsed;
use super::people::{self, Who};
use crate::json::fields::{Fields, Shape};
use crate::text;

/// Reads `eventDetail`. `event` has the message's id and time.
pub fn read(mut event: Event, mut detail: Fields, parsed: &mut Parsed) -> Result<(), Shape> {
    let kind = detail.filled("@odata.type")?.unwrap_or_default();
    let kind = kind.rsplit('.').next().unwrap_or_default().trim_start_matches('#');
    let kind = kind.strip_suffix("EventMessageDetail").unwrap_or(kind);
    let initiator = Who::of(detail.object("initiator")?)?;
    parsed.people.extend(initiator.person);
    let (change, verb) = match kind {
        "membersAdded" => (Some(EventKind::Join), "added"),
        "membersJoined" => (Some(EventKind::Join), "joined"),
        "membersDeleted" => (Some(EventKind::Leave), "removed"),
        "membersLeft" => (Some(EventKind::Leave), "left"),
        _ => (None, ""),
    };
    let mut without_id = Vec::new();
    if let Some(change) = change {
        for member in detail.objects("members")? {
            let (person, name) = people::person(member)?;
            let Some(person) = person else {
                without_id.extend(name);
                continue;
            };
            // With the message's id, since two of them may tell of one person in one millisecond.
            let mut moved = Event::new(change, Event::derived_id(change, &[&person.id, &event.id], event.at), event.at);
            moved.thread.clone_from(&event.thread);
            // Who brought or removed somebody: one's own doing needs no word.
            moved.original = initiator.user.as_ref().filter(|by| **by != person.id).map(|by| format!("{verb} by {by}"));
            moved.user = Some(person.id.clone());
            parsed.people.push(person);
            parsed.events.push(moved);
        }
        if without_id.is_empty() && !parsed.events.is_empty() {
            return Ok(());
        }
    }
    let name = parsed.people.iter().find(|person| initiator.user.as_ref() == Some(&person.id)).and_then(|person| person.name.clone());
    event.user = None;
    event.sender_name = name.or(initiator.own_name);
    let (mut lines, mut raw) = (vec![words(kind)], vec![words(kind)]);
    if !without_id.is_empty() {
        lines.push(format!("Members: {}", without_id.join(", ")));
        raw.clone_from(&lines);
    }
    // By name, since nobody promised an order, and copies must be the same.
    let fields: BTreeMap<String, Value> = detail.into_inner().into_iter().collect();
    for (field, value) in fields {
        if field.starts_with('@') || value.is_null() {
            continue;
        }
        let label = words(&field);
        for (shown, names) in [(&mut lines, true), (&mut raw, false)] {
            let mut said = Vec::new();
            say(&value, names, &mut said);
            if !said.is_empty() {
                shown.push(format!("{label}: {}", said.join(", ")));
            }
        }
    }
    raw.extend(initiator.user.map(|user| format!("Initiator: {user}")));
    event.text = text::plain(&lines.join("\n")).into_owned();
    event.original = Some(raw.join("\n")).filter(|raw| *raw != event.text);
    parsed.events.push(event);
    Ok(())
}

/// `callStarted` as `Call started`.
fn words(name: &str) -> String {
    let mut out = String::new();
    for c in text::name(name).chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        if out.is_empty() { out.extend(c.to_uppercase()) } else { out.extend(c.to_lowercase()) }
    }
    if out.is_empty() { "System message".into() } else { out }
}

/// What a value says to a person; of an identity its name, or its id.
fn say(value: &Value, names: bool, said: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("http") => said.push(text::url(text)),
        Value::String(text) => said.extend(Some(text.clone()).filter(|text| !text.is_empty())),
        Value::Bool(_) | Value::Number(_) => said.push(value.to_string()),
        Value::Null => {}
        Value::Array(list) => list.iter().for_each(|one| say(one, names, said)),
        Value::Object(fields) => {
            let of = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            let (name, id) = (of("displayName"), of("id"));
            match if names { name.or(id) } else { id.or(name) } {
                Some(one) => said.push(people::id(one.to_owned())),
                None => fields.iter().filter(|(name, _)| !name.starts_with('@')).for_each(|(_, one)| say(one, names, said)),
            }
        }
    }
}
