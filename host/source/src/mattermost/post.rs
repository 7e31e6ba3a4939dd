//! One post, or one reply, to its events.
//!
//! The export has no ids. A message is known by its chat, sender and time, which never change, and gets the id `message:ann:2026-…`; the second of two that are
//! equal in these (see `twins`) gets `message:ann:2:2026-…`. What tells of somebody coming or going is that, and not a message.
//!
//! Whose post it is the export says by today's name; whom another one added or removed, by the name of then. So that one is looked up (`Index::name_now`): a renamed
//! user would else be two, one who came and whom nobody knows, and one who was there all the time.

use consign_model::{Event, EventKind, Flags, Timestamp};

use super::content;
use super::index::Index;
use super::twins::Key;
use crate::json::fields::{Fields, Shape};
use crate::text;

/// What a post is known by, read before all else of it: it must be the same in both readings of the file.
#[derive(Debug)]
pub struct Head {
    user: String,
    at: Timestamp,
    /// The platform's word; empty for what a person writes.
    kind: String,
}

impl Head {
    pub fn read(post: &mut Fields) -> Result<Self, Shape> {
        // A part of ids.
        let kind = text::name(&post.filled("type")?.unwrap_or_default());
        let at = millis(post, "create_at").ok_or_else(|| Shape("`create_at` is missing or no time in milliseconds".into()))?;
        Ok(Self { user: post.needed_id("user")?, at, kind })
    }

    /// Of two kinds of messages both have ids of one kind, so they can be twins.
    pub fn key(&self, chat: &str) -> Key {
        let kind = if self.is_message() { EventKind::Message.word() } else { &self.kind };
        Key::of(chat, kind, &self.user, self.at)
    }

    /// What a post of the system that has these properties tells of its writer.
    pub fn hint(&self, post: &mut Fields, index: &mut Index) {
        if let Ok(Some(mut props)) = post.object("props")
            && !self.is_message()
        {
            index.hint(&self.user, &self.kind, &mut props);
        }
    }

    fn is_message(&self) -> bool {
        !self.kind.starts_with("system_") || self.kind == "system_auto_responder"
    }
}

/// A time in milliseconds; 0 says that there is none.
fn millis(fields: &mut Fields, name: &str) -> Option<Timestamp> {
    let millis = fields.count(name).filter(|millis| *millis > 0)?;
    Timestamp::from_millis(i64::try_from(millis).ok()?).ok()
}

/// What a post became.
#[derive(Debug)]
pub struct Post {
    /// The message, join, leave or system event; its files are still to be attached.
    pub event: Event,
    /// Its edit and its deletion.
    pub after: Vec<Event>,
    /// Paths of its files.
    pub files: Vec<String>,
    /// URLs of images that integrations show in it.
    pub images: Vec<String>,
    /// It tells of somebody by a name that no user has.
    pub is_of_nobody: bool,
}

/// Reads a post that is the `number`-th of its twins, in a thread where it is a reply.
pub fn read(head: Head, post: &mut Fields, number: Option<u32>, thread: Option<&str>, index: &Index) -> Result<Post, Shape> {
    let mut props = post.object("props")?.unwrap_or_default();
    let body = content::read(post, &mut props)?;
    let is_message = head.is_message();
    let Head { user, at, kind } = head;
    let mut files = Vec::new();
    for mut file in post.objects("attachments")? {
        files.push(file.filled("path")?.ok_or_else(|| Shape("an attachment's `path` is missing".into()))?);
    }
    let (edited, deleted) = (millis(post, "edit_at"), millis(post, "delete_at"));

    let moved = moved(&kind, &user, &mut props, index);
    let number = number.map(|number| number.to_string());
    let mut parts: Vec<&str> = if is_message { vec![&user] } else { vec![&kind, &user] };
    parts.extend(number.as_deref());
    let mut event = match &moved {
        Some((move_kind, who, _)) => Event::new(*move_kind, Event::derived_id(*move_kind, &[who], at), at),
        None if is_message => Event::new(EventKind::Message, Event::derived_id(EventKind::Message, &parts, at), at),
        None => Event::new(EventKind::Other, Event::derived_id(EventKind::Other, &parts, at), at),
    };
    event.thread = thread.map(str::to_owned);
    event.original = body.original;
    let posted_by_program = ["from_webhook", "from_bot", "from_plugin"].map(|flag| props.says_yes(flag)).contains(&true);
    if let Some((_, who, is_known)) = moved {
        // The platform's sentence is kept as the original: who added or removed somebody stands in it.
        event.original = event.original.or(Some(body.text).filter(|text| !text.is_empty()));
        event.user = Some(who);
        return Ok(Post { event, after: Vec::new(), files, images: body.images, is_of_nobody: !is_known });
    }
    event.text = body.text;
    if is_message {
        let own_name = props.filled("override_username").unwrap_or_default().map(|name| text::name(&name)).filter(|name| !name.is_empty());
        event.sender_name = own_name.filter(|_| posted_by_program);
        let by_program = posted_by_program || kind == "system_auto_responder" || index.is_bot(&user);
        event.flags = event.flags.with_if(Flags::FROM_BOT, by_program).with_if(Flags::EDITED, edited.is_some());
    }
    event.flags = event.flags.with_if(Flags::DELETED, deleted.is_some());
    event.user = Some(user);
    let mut after = Vec::new();
    if let Some(at) = edited.filter(|_| is_message) {
        let mut edit = event.clone();
        (edit.kind, edit.id, edit.at) = (EventKind::Edit, Event::derived_id(EventKind::Edit, &[&event.id], at), at);
        edit.target = Some(event.id.clone());
        edit.flags = Flags::default().with_if(Flags::FROM_BOT, event.flags.has(Flags::FROM_BOT));
        after.push(edit);
    }
    if let Some(at) = deleted {
        let mut delete = Event::new(EventKind::Delete, Event::derived_id(EventKind::Delete, &[&event.id], at), at);
        delete.target = Some(event.id.clone());
        delete.thread.clone_from(&event.thread);
        delete.previous = Some(event.text.clone()).filter(|text| !text.is_empty());
        after.push(delete);
    }
    Ok(Post { event, after, files, images: body.images, is_of_nobody: false })
}

/// Who came or went, where a post tells that, and whether a user has that name. In the team's first channel coming into the team is coming into the channel.
fn moved(kind: &str, user: &str, props: &mut Fields, index: &Index) -> Option<(EventKind, String, bool)> {
    let mut named = |what: &str| props.id(what).ok().flatten();
    let (added, removed) = ((named("addedUsername"), named("addedUserId")), (named("removedUsername"), named("removedUserId")));
    let own = |kind| Some((kind, user.to_owned(), true));
    let other = |kind, (name, id): (Option<String>, Option<String>)| {
        let name = name?;
        let now = index.name_now(id.as_deref(), &name);
        let is_known = now.is_some();
        Some((kind, now.unwrap_or(name), is_known))
    };
    match kind {
        "system_join_channel" | "system_guest_join_channel" | "system_join_team" => own(EventKind::Join),
        "system_leave_channel" | "system_leave_team" | "system_remove_from_team" => own(EventKind::Leave),
        "system_add_to_channel" | "system_add_guest_to_chan" | "system_add_to_team" => other(EventKind::Join, added),
        "system_remove_from_channel" => other(EventKind::Leave, removed),
        // Of old servers, for both.
        "system_add_remove" => match (&added.0, &removed.0) {
            (Some(_), None) => other(EventKind::Join, added),
            (None, Some(_)) => other(EventKind::Leave, removed),
            _ => None,
        },
        _ => None,
    }
}

/// A reaction to a message.
pub fn reaction(fields: &mut Fields, message: &Event) -> Result<Event, Shape> {
    let user = fields.needed_id("user")?;
    let name = fields.filled("emoji_name")?.ok_or_else(|| Shape("`emoji_name` is missing".into()))?;
    if text::is_long(&name) {
        return Err(Shape("`emoji_name` is longer than any real one".into()));
    }
    let name = Some(text::name(&name)).filter(|name| !name.is_empty()).ok_or_else(|| Shape("`emoji_name` is no name".into()))?;
    let at = millis(fields, "create_at").unwrap_or(message.at);
    let mut event = Event::new(EventKind::Reaction, Event::derived_id(EventKind::Reaction, &[&message.id, &user, &name], at), at);
    event.user = Some(user);
    event.text = name;
    event.target = Some(message.id.clone());
    event.thread.clone_from(&message.thread);
    Ok(event)
}
