//! One `chatMessage` to the events that it tells: the message itself, its newest edit, its deletion, its reactions; or what a system message says.
//!
//! A message's id is Graph's; it is unique in its chat. `lastEditedDateTime` is an edit, `lastModifiedDateTime` is none: a reaction changes it too. Who deleted a
//! message Graph does not say. What copies of a message differ in (its reactions, by when each copy was made) are events of their own, so that the message is the
//! same in each.

use std::collections::HashSet;

use consign_model::{Event, EventKind, Flags, Timestamp};

use super::content::{self, TeamsFile};
use super::notice;
use super::people::{self, Person, Who};
use crate::json::fields::{Fields, Shape};
use crate::text;

/// Where a message was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where {
    /// The chat, or the channel.
    pub chat: String,
    /// It is a channel.
    pub is_channel: bool,
    /// The channel's team, where that is said.
    pub team: Option<String>,
}

/// What a message became.
#[derive(Debug)]
pub struct Parsed {
    pub place: Where,
    /// The events, the message first. Its files are still to be attached.
    pub events: Vec<Event>,
    /// Files that hang on the first event.
    pub files: Vec<TeamsFile>,
    /// Whom it shows.
    pub people: Vec<Person>,
    /// Reactions of which nobody says whose they are.
    pub unnamed_reactions: u64,
    /// Attachments that say nothing that could be shown.
    pub silent: u64,
    /// Files whose bytes stand in the message itself and are no base64.
    pub garbled: u64,
}

/// Reads a message.
pub fn parse(json: &str) -> Result<Parsed, Shape> {
    let mut message = Fields::parse(json)?;
    let id = message.needed_id("id")?;
    if message.object("@removed")?.is_some() {
        return Err(Shape("it says that a message was removed, and neither of which chat nor when".into()));
    }
    let place = place(&mut message)?;
    let at = time(&mut message, "createdDateTime")?.ok_or_else(|| Shape("`createdDateTime` is missing".into()))?;
    let who = Who::of(message.object("from")?)?;
    let kind = message.filled("messageType")?.unwrap_or_default();
    let detail = message.object("eventDetail")?;
    let mut event = Event::new(EventKind::Message, id, at);
    event.user.clone_from(&who.user);
    let root = message.id("replyToId")?;
    event.thread = root.filter(|root| *root != event.id);
    let mut parsed = Parsed {
        place,
        events: Vec::new(),
        files: Vec::new(),
        people: who.person.iter().cloned().collect(),
        unnamed_reactions: 0,
        silent: 0,
        garbled: 0,
    };
    if let Some(detail) = detail {
        event.kind = EventKind::Other;
        notice::read(event, detail, &mut parsed)?;
        return Ok(parsed);
    }
    event.flags = event.flags.with_if(Flags::FROM_BOT, who.by_bot);
    event.sender_name = who.own_name;
    let body = content::read(&mut message)?;
    (event.text, event.original) = (body.text, body.original);
    (parsed.files, parsed.silent, parsed.garbled) = (body.files, body.silent, body.garbled);
    if !matches!(kind.as_str(), "message" | "") {
        // Typing, or what Graph will tell one day.
        event.kind = EventKind::Other;
        if event.text.is_empty() {
            event.text = format!("System message ({})", text::name(&kind));
        }
    }
    let (edited, deleted) = (time(&mut message, "lastEditedDateTime")?, time(&mut message, "deletedDateTime")?);
    let is_gone = deleted.is_some() && event.text.is_empty() && parsed.files.is_empty();
    if is_gone {
        event.original = None;
    }
    event.flags = event.flags.with_if(Flags::EDITED, edited.is_some()).with_if(Flags::DELETED, is_gone);
    let mut more = Vec::new();
    if let Some(edited) = edited.filter(|_| !is_gone && event.kind == EventKind::Message) {
        more.push(follow_up(&event, EventKind::Edit, edited));
    }
    if let Some(deleted) = deleted {
        let mut event = follow_up(&event, EventKind::Delete, deleted);
        (event.user, event.flags) = (None, Flags::default());
        event.previous = Some(std::mem::take(&mut event.text)).filter(|text| !text.is_empty());
        (event.original, event.sender_name) = (None, None);
        more.push(event);
    }
    more.extend(violation(&mut message, &event)?);
    parsed.events.push(event);
    parsed.events.append(&mut more);
    reactions(&mut message, &mut parsed)?;
    Ok(parsed)
}

/// A time; the one of the year 1 stands for none.
pub fn time(fields: &mut Fields, name: &str) -> Result<Option<Timestamp>, Shape> {
    let text = fields.filled(name)?.filter(|text| !text.starts_with("0001-"));
    text.map(|text| Timestamp::parse(&text).map_err(|error| Shape(format!("`{name}` is {error}")))).transpose()
}

fn place(message: &mut Fields) -> Result<Where, Shape> {
    let chat = message.id("chatId")?;
    if let Some(mut channel) = message.object("channelIdentity")?
        && let Some(id) = channel.id("channelId")?
    {
        return Ok(Where { chat: id, is_channel: true, team: channel.id("teamId")?.map(people::id) });
    }
    let chat = chat.ok_or_else(|| Shape("neither `chatId` nor `channelIdentity` is there, so its chat is unknown".into()))?;
    Ok(Where { chat, is_channel: false, team: None })
}

/// What happened to a message later, with what it says now.
fn follow_up(message: &Event, kind: EventKind, at: Timestamp) -> Event {
    let mut event = message.clone();
    event.kind = kind;
    event.id = Event::derived_id(kind, &[&message.id], at);
    event.at = at;
    event.target = Some(message.id.clone());
    event.flags = Flags::default().with_if(Flags::FROM_BOT, message.flags.has(Flags::FROM_BOT));
    event
}

/// What a program for preventing leaks found, and what the sender said to it. It comes later than the message, at a time that nobody says.
fn violation(message: &mut Fields, of: &Event) -> Result<Option<Event>, Shape> {
    let Some(mut violation) = message.object("policyViolation")? else { return Ok(None) };
    let mut lines = vec!["Policy violation".to_owned()];
    for (field, label) in
        [("dlpAction", "Action"), ("userAction", "Sender's action"), ("verdictDetails", "Verdict"), ("justificationText", "Justification")]
    {
        if let Some(said) = violation.filled(field)?.filter(|said| !said.eq_ignore_ascii_case("none")) {
            lines.push(format!("{label}: {}", text::plain(&said)));
        }
    }
    if let Some(mut tip) = violation.object("policyTip")? {
        lines.extend(tip.filled("generalText")?.map(|said| text::plain(&said).into_owned()));
        for condition in tip.list("matchedConditionDescriptions")? {
            lines.extend(condition.as_str().map(|said| format!("Matched: {}", text::plain(said))));
        }
    }
    if lines.len() == 1 {
        // Looked at, and nothing found.
        return Ok(None);
    }
    let mut event = Event::new(EventKind::Other, Event::derived_id(EventKind::Other, &["policy-violation", &of.id], of.at), of.at);
    event.target = Some(of.id.clone());
    event.thread.clone_from(&of.thread);
    event.text = lines.join("\n");
    Ok(Some(event))
}

/// `reactions[]`, and `messageHistory[]`, which also has those that were taken back. Most stand in both, and are told once.
fn reactions(message: &mut Fields, parsed: &mut Parsed) -> Result<(), Shape> {
    let Some(of) = parsed.events.first().cloned() else { return Ok(()) };
    let mut seen = HashSet::new();
    for reaction in message.objects("reactions")? {
        reacted(reaction, &of, None, parsed, &mut seen)?;
    }
    for mut item in message.objects("messageHistory")? {
        let actions = item.filled("actions")?.unwrap_or_default();
        let (given, taken) = (actions.contains("reactionAdded"), actions.contains("reactionRemoved"));
        let at = time(&mut item, "modifiedDateTime")?;
        if let Some(reaction) = item.object("reaction")?
            && (given || taken)
        {
            let taken_at = taken.then_some(at).flatten().or(taken.then_some(of.at));
            reacted(reaction, &of, taken_at, parsed, &mut seen)?;
        }
    }
    Ok(())
}

/// One reaction. `taken_at`: when it was taken back, where it was.
fn reacted(mut reaction: Fields, of: &Event, taken_at: Option<Timestamp>, parsed: &mut Parsed, seen: &mut HashSet<String>) -> Result<(), Shape> {
    let kind = reaction.filled("reactionType")?.unwrap_or_default();
    let shown = reaction.filled("displayName")?;
    // The name of a kind of the platform's own is a word of the reader's language, so it is no name.
    let name = if kind == "custom" || kind.is_empty() { shown.unwrap_or(kind) } else { kind };
    if text::is_long(&name) {
        return Err(Shape("a reaction's name is longer than any real one".into()));
    }
    let name = text::name(&name);
    let given_at = time(&mut reaction, "createdDateTime")?;
    let who = Who::of(reaction.object("user")?)?;
    let (Some(user), false) = (who.user, name.is_empty()) else {
        parsed.unnamed_reactions += 1;
        return Ok(());
    };
    let at = taken_at.or(given_at).unwrap_or(of.at);
    let mut parts = vec![of.id.as_str(), &user, &name];
    if taken_at.is_some() {
        // Given and taken back in one millisecond are two events.
        parts.push("removed");
    }
    let mut event = Event::new(EventKind::Reaction, Event::derived_id(EventKind::Reaction, &parts, at), at);
    event.flags = event.flags.with_if(Flags::REMOVED, taken_at.is_some());
    (event.user, event.text) = (Some(user), name);
    (event.target, event.thread) = (Some(of.id.clone()), of.thread.clone());
    if seen.insert(event.id.clone()) {
        parsed.people.extend(who.person);
        parsed.events.push(event);
    }
    Ok(())
}
