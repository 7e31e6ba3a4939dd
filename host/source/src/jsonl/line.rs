//! One line of `jsonl` to what it says. Ids that a line does not have are derived from what it has, so that the same line always gives the same id.

use consign_model::source::Capture;
use consign_model::{ChatKind, Event, EventKind, Flags, Timestamp, User};

use crate::ChatInfo;
use crate::intake::Intake;
use crate::json::fields::{Fields, Shape};
use crate::text;

/// A file that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub name: String,
    pub media_type: String,
    pub size: Option<u64>,
    /// Relative to the folder of the `jsonl` file.
    pub path: Option<String>,
    pub url: Option<String>,
}

/// What a line says.
#[derive(Debug)]
pub enum Said {
    User(User),
    Chat(ChatInfo),
    /// Whose own export the file has copies of.
    Capture(Capture),
    /// A chat's id, whose copy it is where it is one of several, an event of the chat and the files that are to be attached.
    Event(String, Option<String>, Event, Vec<NamedFile>),
}

/// Reads a line.
pub fn parse(line: &str, intake: &mut Intake<'_>) -> Result<Said, Shape> {
    let mut fields = Fields::parse(line)?;
    let kind = fields.filled("type")?.ok_or_else(|| Shape("`type` is missing".into()))?;
    let said = match kind.as_str() {
        "user" => Said::User(user(&mut fields, intake)?),
        "chat" => Said::Chat(chat(&mut fields, intake)?),
        "capture" => Said::Capture(capture(&mut fields)?),
        word => match EventKind::ALL.into_iter().find(|kind| kind.word() == word) {
            Some(kind) => event(kind, &mut fields, intake)?,
            None => return Err(Shape(format!("`type` is none of user, chat, capture, {}", EventKind::ALL.map(EventKind::word).join(", ")))),
        },
    };
    for field in fields.rest() {
        intake.unknown_field(&kind, field);
    }
    Ok(said)
}

fn user(fields: &mut Fields, intake: &mut Intake<'_>) -> Result<User, Shape> {
    let id = fields.needed_id("id")?;
    let mut user = User::unknown(&id);
    if let Some(name) = fields.filled("name")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty()) {
        user.name = name;
    }
    user.email = intake.address(fields.filled("email")?);
    user.bot = fields.flag("bot")?.unwrap_or(false);
    user.external = fields.flag("external")?.unwrap_or(false);
    user.recorded = fields.flag("recorded")?.unwrap_or(true);
    user.attributes = intake.labels(fields.texts("attributes")?);
    Ok(user)
}

fn chat(fields: &mut Fields, intake: &mut Intake<'_>) -> Result<ChatInfo, Shape> {
    let mut chat = ChatInfo::unknown(&fields.needed_id("id")?);
    chat.kind = match fields.filled("kind")?.as_deref() {
        None => None,
        Some("direct") => Some(ChatKind::Direct),
        Some("group") => Some(ChatKind::Group),
        Some("channel") => Some(ChatKind::Channel),
        Some("meeting") => Some(ChatKind::Meeting),
        Some("other") => Some(ChatKind::Other),
        Some(_) => return Err(Shape("`kind` is none of direct, group, channel, meeting, other".into())),
    };
    chat.title = fields.filled("title")?.map(|title| intake.name(&title)).filter(|title| !title.is_empty());
    chat.labels = intake.labels(fields.texts("labels")?);
    chat.members = fields.ids("members")?;
    Ok(chat)
}

fn capture(fields: &mut Fields) -> Result<Capture, Shape> {
    let mut time = |name: &str| -> Result<_, Shape> {
        let text = fields.filled(name)?;
        text.map(|text| Timestamp::parse(&text).map_err(|error| Shape(format!("`{name}` is {error}")))).transpose()
    };
    let (from, until) = (time("from")?, time("until")?);
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        return Err(Shape("`until` is before `from`".into()));
    }
    Ok(Capture { user: fields.needed_id("user")?, from, until })
}

fn event(kind: EventKind, fields: &mut Fields, intake: &mut Intake<'_>) -> Result<Said, Shape> {
    let chat = fields.needed_id("chat")?;
    let at = fields.filled("at")?.ok_or_else(|| Shape("`at` is missing".into()))?;
    let at = Timestamp::parse(&at).map_err(|error| Shape(format!("`at` is {error}")))?;
    let (user, copy_of) = (fields.id("user")?, fields.id("copy_of")?);
    let needed_user = || user.clone().ok_or_else(|| Shape("`user` is missing".into()));
    let mut event = Event::new(kind, "", at);
    event.thread = fields.id("thread")?;
    let mut files = Vec::new();
    match kind {
        EventKind::Message | EventKind::Other => {
            event.id = fields.needed_id("id")?;
            event.flags = event.flags.with_if(Flags::EDITED, fields.flag("edited")?.unwrap_or(false));
            body(&mut event, fields)?;
            files = attachments(fields, intake)?;
        }
        EventKind::Edit | EventKind::Delete => {
            let target = fields.needed_id("id")?;
            event.id = Event::derived_id(kind, &[&target], at);
            event.target = Some(target);
            if kind == EventKind::Edit {
                body(&mut event, fields)?;
                files = attachments(fields, intake)?;
            }
        }
        EventKind::Join | EventKind::Leave => event.id = Event::derived_id(kind, &[&needed_user()?], at),
        EventKind::Reaction => {
            let target = fields.needed_id("id")?;
            let name = fields.filled("name")?;
            if name.as_deref().is_some_and(text::is_long) {
                return Err(Shape("`name` is longer than any real one".into()));
            }
            let name = name.map(|name| intake.name(&name)).filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Shape("`name` is missing".into()))?;
            let removed = fields.flag("removed")?.unwrap_or(false);
            let mut parts = vec![target.as_str(), user.as_deref().unwrap_or_default(), name.as_str()];
            if removed {
                // Given and taken back in one millisecond are two events.
                parts.push("removed");
            }
            needed_user()?;
            event.id = Event::derived_id(kind, &parts, at);
            event.flags = event.flags.with_if(Flags::REMOVED, removed);
            event.text = name;
            event.target = Some(target);
        }
    }
    event.user = user;
    Ok(Said::Event(chat, copy_of, event, files))
}

fn body(event: &mut Event, fields: &mut Fields) -> Result<(), Shape> {
    event.flags = event.flags.with_if(Flags::FROM_BOT, fields.flag("bot")?.unwrap_or(false));
    let raw = fields.text("text")?.unwrap_or_default();
    let raw = text::lines(&raw);
    let plain = text::plain(&raw).into_owned();
    if plain.len() > text::LONGEST_TEXT {
        return Err(Shape(format!("`text` has more than {} bytes", text::LONGEST_TEXT)));
    }
    event.original = (plain != raw).then(|| raw.into_owned());
    event.text = plain;
    Ok(())
}

fn attachments(fields: &mut Fields, intake: &mut Intake<'_>) -> Result<Vec<NamedFile>, Shape> {
    let mut files = Vec::new();
    for mut file in fields.objects("attachments")? {
        let path = file.filled("path")?;
        let name = file.filled("name")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty());
        let last = path.as_deref().and_then(text::file_name);
        let media_type = file.filled("media_type")?.map(|kind| intake.name(&kind)).filter(|kind| kind.contains('/'));
        files.push(NamedFile {
            name: name.or(last).unwrap_or_else(|| "file".into()),
            media_type: media_type.unwrap_or_else(|| crate::media::UNKNOWN.into()),
            size: file.count("size"),
            path,
            url: file.filled("url")?.map(|url| text::url(&url)),
        });
        for field in file.rest() {
            intake.unknown_field("attachment", field);
        }
    }
    Ok(files)
}
