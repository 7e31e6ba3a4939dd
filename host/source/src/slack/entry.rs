//! One entry of a day file to one event.
//!
//! Every entry that has a `ts` becomes exactly one event whose id is that `ts`, whatever its subtype: so that anybody can count both and compare. Only
//! reactions, which Slack keeps inside the message, become events beside it. An entry whose subtype promises something that is not there (an edit that
//! names no message) becomes an `Other` event with the text it has, rather than an invented edit.

use std::collections::HashSet;

use consign_model::{Event, EventKind, Flags, Timestamp};

use super::content::{self, Author};
use super::markup::Names;
use crate::json::fields::{Fields, Shape};
use crate::reaction::Reaction;
use crate::text;

/// What an entry became.
#[derive(Debug)]
pub struct Parsed {
    /// The event; its files are still to be attached.
    pub event: Event,
    /// Files that hang on it.
    pub files: Vec<SlackFile>,
    /// Files of the message as it was before this edit or deletion. They hang on that message; only where nothing else of the chat names them, because the
    /// message is in no export, do they hang on this.
    pub files_before: Vec<SlackFile>,
    /// Reactions to it.
    pub reactions: Vec<Reaction>,
    /// Reactions whose users Slack does not list.
    pub unnamed_reactions: u64,
    /// A user whom the entry describes.
    pub profile: Option<Profile>,
}

/// A file as a message names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SlackFile {
    pub id: Option<String>,
    pub name: String,
    pub media_type: String,
    pub size: Option<u64>,
    pub url: Option<String>,
}

impl SlackFile {
    /// What tells it from others of its chat: its id; where it has none, its name.
    pub fn key(&self) -> &str {
        self.id.as_ref().unwrap_or(&self.name)
    }
}

/// What an entry says of its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub id: String,
    /// Unset where only this is known of a user: from outside.
    pub name: Option<String>,
    pub bot: bool,
    pub external: bool,
}

/// A `ts`: seconds and a fraction that counts up within them, unique in a chat. Sorts as time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ts {
    seconds: i64,
    nanos: u32,
}

impl Ts {
    /// Reads `1517660675.000044`.
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(seconds, 12) || !digits(fraction, 9) {
            return None;
        }
        let ts = Self { seconds: seconds.parse().ok()?, nanos: format!("{fraction:0<9}").parse().ok()? };
        Timestamp::from_millis(ts.millis()).ok().map(|_| ts)
    }

    fn millis(self) -> i64 {
        self.seconds * 1000 + i64::from(self.nanos / 1_000_000)
    }

    /// To whole milliseconds, downwards.
    pub fn at(self) -> Timestamp {
        Timestamp(self.millis())
    }
}

/// The `ts` of an entry, for sorting; unset where it has none that can be read.
pub fn ts_of(json: &str) -> Option<Ts> {
    #[derive(serde::Deserialize)]
    struct OnlyTs<'a> {
        #[serde(borrow)]
        ts: std::borrow::Cow<'a, str>,
    }
    match serde_json::from_str::<OnlyTs<'_>>(json) {
        Ok(quick) => Ts::parse(&quick.ts),
        // This quick reader takes no field twice, and the one below does: an entry has a `ts` for both or for none.
        Err(_) => Ts::parse(&Fields::parse(json).ok()?.text("ts").ok()??),
    }
}

/// Reads an entry.
pub fn parse(json: &str, names: &Names) -> Result<Parsed, Shape> {
    of(Fields::parse(json)?, names)
}

/// Reads an entry of which the fields are at hand.
pub fn of(mut entry: Fields, names: &Names) -> Result<Parsed, Shape> {
    let id = entry.text("ts")?.ok_or_else(|| Shape("it has no `ts`, so neither an id nor a time".into()))?;
    let ts = Ts::parse(&id).ok_or_else(|| Shape("`ts` is no time such as 1517660675.000044".into()))?;
    let subtype = entry.filled("subtype")?.unwrap_or_default();
    let is_message = entry.filled("type")?.is_none_or(|kind| kind == "message");
    let sender = Sender::read(&mut entry, &subtype)?;
    let mut event = Event::new(EventKind::Other, id, ts.at());
    event.thread = entry.id("thread_ts")?;

    let mut parsed = match subtype.as_str() {
        _ if !is_message => said(event, &mut entry, sender.author(), names)?,
        "" | "file_share" | "bot_message" | "me_message" | "thread_broadcast" | "file_comment" => {
            event.kind = EventKind::Message;
            said(event, &mut entry, sender.author(), names)?
        }
        "message_changed" => changed(event, &mut entry, &sender, names)?,
        "message_deleted" => deleted(event, &mut entry, &sender, names)?,
        "tombstone" => tombstone(event, &mut entry)?,
        "message_replied" => replied(event, &mut entry)?,
        "huddle_thread" | "sh_room_created" | "sh_room_shared" => huddle(event, &mut entry, sender.author(), names)?,
        "channel_join" | "group_join" if sender.user.is_some() => moved(event, EventKind::Join, &mut entry)?,
        "channel_leave" | "group_leave" if sender.user.is_some() => moved(event, EventKind::Leave, &mut entry)?,
        _ => said(event, &mut entry, sender.author(), names)?,
    };

    let event = &mut parsed.event;
    if !matches!(event.kind, EventKind::Edit | EventKind::Delete) {
        // Those two said already whose message it was.
        event.user = sender.user.clone().or_else(|| sender.commenter.clone()).or_else(|| sender.bot.clone());
    }
    if matches!(event.kind, EventKind::Message | EventKind::Other) {
        event.sender_name = sender.own_name(names);
    }
    if event.kind == EventKind::Message {
        let edited = entry.object("edited")?.is_some();
        event.flags = event.flags.with_if(Flags::EDITED, edited).with_if(Flags::FROM_BOT, sender.is_bot);
    }
    parsed.profile = sender.profile(names);
    reactions(&mut entry, &mut parsed)?;
    Ok(parsed)
}

/// Who sent an entry, in all the ways that Slack says it.
#[derive(Debug, Default)]
struct Sender {
    user: Option<String>,
    bot: Option<String>,
    /// An integration posted it.
    is_bot: bool,
    /// The name under which the integration posted.
    username: Option<String>,
    /// The name in `user_profile`.
    profile_name: Option<String>,
    /// Who wrote a comment on a file.
    commenter: Option<String>,
    /// The team that the sender belongs to; in a shared channel it may be another company's.
    team: Option<String>,
}

impl Sender {
    fn read(entry: &mut Fields, subtype: &str) -> Result<Self, Shape> {
        let bot = entry.id("bot_id")?;
        let is_bot = bot.is_some() || subtype == "bot_message";
        let username = first_name(entry, &["username"])?;
        let mut sender = Self {
            user: entry.id("user")?,
            bot,
            is_bot,
            // A person's old `file_share` has a `username` too, and it is markup.
            username: username.filter(|_| is_bot),
            profile_name: None,
            commenter: None,
            // A hint only: a message is not refused for it.
            team: entry.id("user_team").unwrap_or_default().or(entry.id("source_team").unwrap_or_default()),
        };
        if let Some(mut profile) = entry.object("user_profile")? {
            sender.profile_name = first_name(&mut profile, &["real_name", "display_name", "name", "first_name"])?;
        }
        if let Some(mut profile) = entry.object("bot_profile")? {
            sender.username = sender.username.or(first_name(&mut profile, &["name"])?);
        }
        if let Some(mut comment) = entry.object("comment")? {
            sender.commenter = comment.id("user")?;
        }
        Ok(sender)
    }

    fn author(&self) -> Author {
        if self.is_bot { Author::Program } else { Author::Person }
    }

    /// The name that the entry itself gives, where the user list has none or an integration chose another.
    fn own_name(&self, names: &Names) -> Option<String> {
        let known = self.user.as_ref().and_then(|user| names.users.get(user));
        let own = self.username.as_ref().or(if known.is_none() { self.profile_name.as_ref() } else { None });
        own.filter(|own| known != Some(own)).cloned()
    }

    /// A user to be made known: one who is in no list, and of whom the entry says a name or a foreign team.
    fn profile(&self, names: &Names) -> Option<Profile> {
        let (id, name, bot) = match (&self.user, &self.bot) {
            (Some(user), _) => (user, self.profile_name.as_ref().or(self.username.as_ref()), self.is_bot),
            (None, Some(bot)) => (bot, self.username.as_ref(), true),
            (None, None) => return None,
        };
        let external = !names.home.is_empty() && self.team.as_ref().is_some_and(|team| !names.home.contains(team));
        let is_news = !names.users.contains_key(id) && (name.is_some() || external);
        is_news.then(|| Profile { id: id.clone(), name: name.cloned(), bot, external })
    }
}

/// The first of these fields that is a name.
pub fn first_name(fields: &mut Fields, of: &[&str]) -> Result<Option<String>, Shape> {
    for field in of {
        if let Some(name) = fields.filled(field)?.map(|name| text::name(&name)).filter(|name| !name.is_empty()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn parsed(event: Event) -> Parsed {
    Parsed { event, files: Vec::new(), files_before: Vec::new(), reactions: Vec::new(), unnamed_reactions: 0, profile: None }
}

/// A message, or a system event with its text.
fn said(mut event: Event, entry: &mut Fields, author: Author, names: &Names) -> Result<Parsed, Shape> {
    let body = content::read(entry, author, names)?;
    event.text = body.text;
    event.original = body.original;
    let mut parsed = parsed(event);
    parsed.files = files(entry, body.forwarded)?;
    Ok(parsed)
}

/// A huddle, with who was in it: the members of the chat are not all of them, and some of them may be no members.
fn huddle(event: Event, entry: &mut Fields, author: Author, names: &Names) -> Result<Parsed, Shape> {
    let mut room = entry.object("room")?.unwrap_or_default();
    let (now, before) = (room.ids("participants")?, room.ids("participant_history")?);
    let mut seen = HashSet::new();
    let people: Vec<String> = now.iter().chain(&before).filter(|id| seen.insert(id.as_str())).map(|id| format!("<@{id}>")).collect();
    if !people.is_empty() {
        // As markup, so that the original has them too, and stays what it was when somebody is renamed.
        let text = entry.text("text")?.unwrap_or_default();
        let line_end = if text.is_empty() { "" } else { "\n" };
        entry.put("text", format!("{text}{line_end}Participants: {}", people.join(", ")));
    }
    said(event, entry, author, names)
}

/// `message_changed`: the new text, the one before, and the message.
fn changed(mut event: Event, entry: &mut Fields, sender: &Sender, names: &Names) -> Result<Parsed, Shape> {
    let (Some(mut after), before) = (entry.object("message")?, entry.object("previous_message")?) else {
        return said(event, entry, sender.author(), names);
    };
    let Some(target) = after.id("ts")? else { return said(event, entry, sender.author(), names) };
    let subtype = after.filled("subtype")?.unwrap_or_default();
    if subtype == "tombstone" {
        // So is a message deleted that others answered.
        event.thread = after.id("thread_ts")?.or(event.thread);
        return gone(event, target, before, sender, names);
    }
    let wrote = Sender::read(&mut after, &subtype)?;
    let editor = match after.object("edited")? {
        Some(mut edited) => edited.id("user")?,
        None => None,
    };
    event.kind = EventKind::Edit;
    event.target = Some(target);
    event.thread = after.id("thread_ts")?.or(event.thread);
    event.sender_name = wrote.own_name(names).filter(|_| editor.is_none() || editor == wrote.user);
    event.flags = event.flags.with_if(Flags::FROM_BOT, wrote.is_bot);
    let author = wrote.author();
    event.user = editor.or(wrote.user).or(wrote.bot).or_else(|| sender.user.clone());
    let body = content::read(&mut after, author, names)?;
    event.text = body.text;
    event.original = body.original;
    let mut files_now = files(&mut after, body.forwarded)?;
    let mut files_before = Vec::new();
    if let Some(mut before) = before {
        let body = content::read(&mut before, author, names)?;
        event.previous = Some(body.text);
        files_before = files(&mut before, body.forwarded)?;
        let known: HashSet<&SlackFile> = files_before.iter().collect();
        files_now.retain(|file| !known.contains(file));
    }
    let mut parsed = parsed(event);
    // A file that an edit brings; those that were there hang on the message.
    parsed.files = files_now;
    parsed.files_before = files_before;
    Ok(parsed)
}

/// `message_deleted`: which one, and what it said.
fn deleted(event: Event, entry: &mut Fields, sender: &Sender, names: &Names) -> Result<Parsed, Shape> {
    let mut before = entry.object("previous_message")?;
    let in_before = match &mut before {
        Some(before) => before.id("ts")?,
        None => None,
    };
    match entry.id("deleted_ts")?.or(in_before) {
        Some(target) => gone(event, target, before, sender, names),
        None => said(event, entry, sender.author(), names),
    }
}

/// The deletion of a message that said what stands in `before`.
fn gone(mut event: Event, target: String, before: Option<Fields>, sender: &Sender, names: &Names) -> Result<Parsed, Shape> {
    event.kind = EventKind::Delete;
    event.target = Some(target);
    // Slack signs what it leaves of a message with its own name, which says nothing of who deleted it.
    event.user = sender.user.clone().filter(|user| user != "USLACKBOT");
    let mut files_before = Vec::new();
    if let Some(mut before) = before {
        let wrote = Sender::read(&mut before, "")?;
        event.thread = before.id("thread_ts")?.or(event.thread);
        let body = content::read(&mut before, wrote.author(), names)?;
        event.previous = Some(body.text);
        files_before = files(&mut before, body.forwarded)?;
        event.user = event.user.or(wrote.user).or(wrote.bot);
    }
    let mut parsed = parsed(event);
    parsed.files_before = files_before;
    Ok(parsed)
}

/// `tombstone`: what Slack leaves of a deleted message that others answered. It has the message's own `ts`; its sentence and sender are Slack's.
fn tombstone(mut event: Event, entry: &mut Fields) -> Result<Parsed, Shape> {
    event.kind = EventKind::Delete;
    event.target = Some(event.id.clone());
    event.original = entry.filled("text")?;
    Ok(parsed(event))
}

/// `message_replied`: a notice that a thread has grown; the reply itself is an entry of its own, and the root's text is not repeated.
fn replied(mut event: Event, entry: &mut Fields) -> Result<Parsed, Shape> {
    if let Some(mut root) = entry.object("message")? {
        let id = root.id("ts")?;
        let root = root.id("thread_ts")?.or(id);
        event.thread = root.clone().or(event.thread);
        event.target = root;
    }
    Ok(parsed(event))
}

/// A join or leave. Slack's sentence for it is kept as the original: who invited stands in it.
fn moved(mut event: Event, kind: EventKind, entry: &mut Fields) -> Result<Parsed, Shape> {
    event.kind = kind;
    event.original = entry.filled("text")?;
    Ok(parsed(event))
}

/// `files[]`, `file` of older exports, and those of forwarded messages.
fn files(entry: &mut Fields, forwarded: Vec<Fields>) -> Result<Vec<SlackFile>, Shape> {
    let mut all = entry.objects("files")?;
    all.extend(entry.object("file")?);
    all.extend(forwarded);
    let mut files: Vec<SlackFile> = Vec::new();
    let mut seen = HashSet::new();
    for mut file in all {
        let id = file.id("id")?;
        let name = first_name(&mut file, &["name", "title"])?;
        let url = match file.filled("url_private")? {
            None => file.filled("url_private_download")?.or(file.filled("permalink")?),
            url => url,
        };
        let media_type = file.filled("mimetype")?.map(|kind| text::name(&kind)).filter(|kind| kind.contains('/'));
        let file = SlackFile {
            name: name.or_else(|| id.clone()).unwrap_or_else(|| "file".into()),
            media_type: media_type.unwrap_or_else(|| crate::media::UNKNOWN.into()),
            size: file.count("size"),
            url: url.map(|url| text::url(&url)),
            id,
        };
        // `file` and `files` often say the same one.
        if seen.insert(file.clone()) {
            files.push(file);
        }
    }
    Ok(files)
}

/// `reactions[]`: by name.
fn reactions(entry: &mut Fields, parsed: &mut Parsed) -> Result<(), Shape> {
    for mut reaction in entry.objects("reactions")? {
        let name = reaction.filled("name")?;
        if name.as_deref().is_some_and(text::is_long) {
            return Err(Shape("a reaction's `name` is longer than any real one".into()));
        }
        let Some(name) = name.map(|name| text::name(&name)).filter(|name| !name.is_empty()) else {
            parsed.unnamed_reactions = parsed.unnamed_reactions.saturating_add(reaction.count("count").unwrap_or(1));
            continue;
        };
        let mut users = reaction.ids("users")?;
        let listed = users.len() as u64;
        let unlisted = reaction.count("count").unwrap_or(listed).saturating_sub(listed);
        parsed.unnamed_reactions = parsed.unnamed_reactions.saturating_add(unlisted);
        users.sort();
        users.dedup();
        parsed.reactions.push(Reaction { name, emoji: None, users });
    }
    Ok(())
}
