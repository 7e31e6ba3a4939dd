//! Mattermost's outgoing webhook: a request for each message in a public channel, with a token in its body.
//!
//! It tells new messages alone: no edit, no deletion, no thread. As a form it has its time in seconds, as JSON in milliseconds, so the same message by both is
//! two; a webhook is one of them. A bulk export has no ids of posts, so a message of this is no message of that.

use consign_model::{Attachment, ChatKind, Event, EventKind, Timestamp, User};

use super::{Arrived, NotTaken};
use crate::intake::Intake;
use crate::json::fields::{Fields, Shape};
use crate::text::{self, LONGEST_TEXT};
use crate::{ChatInfo, Limits, SourceError};

/// A time beyond this is in milliseconds: in seconds it would be in the year 5138, and in milliseconds it is in 1973.
const MILLIS_FROM: u64 = 100_000_000_000;
/// Fields of a form, of which a real one has twelve.
const MOST_FIELDS: usize = 100;
/// Files of a message, of which a real one has ten. Each costs a hundred times the memory of its id.
const MOST_FILES: usize = 1_000;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

impl Encoding {
    /// By the HTTP header `Content-Type`.
    pub fn by_header(value: Option<&str>) -> Self {
        let kind = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/json") { Self::Json } else { Self::Form }
    }
}

/// A message, of which nobody knows yet whether it is from Mattermost.
pub struct Post {
    token: String,
    fields: Fields,
}

impl Post {
    /// Reads a body.
    pub fn read(body: &[u8], encoding: Encoding) -> Result<Self, String> {
        Self::parse(body, encoding).map_err(|shape| shape.to_string())
    }

    fn parse(body: &[u8], encoding: Encoding) -> Result<Self, Shape> {
        let mut fields = match encoding {
            Encoding::Json => Fields::parse(std::str::from_utf8(body).map_err(|error| Shape(format!("not UTF-8 at byte {}", error.valid_up_to())))?)?,
            Encoding::Form => {
                let pairs = form_urlencoded::parse(body).take(MOST_FIELDS).map(|(name, text)| (name.into_owned(), text.into_owned()));
                Fields::of_texts(pairs)
            }
        };
        Ok(Self { token: fields.text("token")?.unwrap_or_default(), fields })
    }

    /// The token that came with it.
    pub fn token(&self) -> &[u8] {
        self.token.as_bytes()
    }

    /// Reads the message.
    pub fn take(mut self, limits: &Limits) -> Result<Arrived, SourceError> {
        Arrived::by_one("mattermost", limits, |intake| self.message(intake))
    }

    fn message(&mut self, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let fields = &mut self.fields;
        let (id, channel, user) = (fields.needed_id("post_id")?, fields.needed_id("channel_id")?, fields.needed_id("user_id")?);
        let mut event = Event::new(EventKind::Message, id, at(fields)?);
        let raw = fields.text("text")?.unwrap_or_default();
        let raw = text::lines(&raw);
        let plain = text::plain(&raw).into_owned();
        if plain.len() > LONGEST_TEXT {
            return Err(Shape(format!("`text` has more than {LONGEST_TEXT} bytes")).into());
        }
        event.original = (plain != raw).then(|| raw.into_owned());
        event.text = plain;
        let mut chat = ChatInfo::unknown(&channel);
        chat.kind = Some(ChatKind::Channel);
        chat.title = fields.filled("channel_name")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty());
        if let Some(team) = fields.filled("team_domain")? {
            chat.labels = intake.labels(vec![("team".to_owned(), team)]);
        }
        let files = fields.filled("file_ids")?.unwrap_or_default();
        let files: Vec<&str> = files.split(',').map(str::trim).filter(|id| !id.is_empty()).take(MOST_FILES + 1).collect();
        if files.len() > MOST_FILES {
            return Err(Shape(format!("`file_ids` names more than {MOST_FILES} files")).into());
        }
        intake.chat(chat)?;
        if let Some(name) = fields.filled("user_name")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty()) {
            let mut known = User::unknown(&user);
            known.name = name;
            intake.mentioned(known)?;
        }
        event.user = Some(user);
        for file in files {
            // Of a file only its id is told.
            let name = Some(intake.name(file)).filter(|name| !name.is_empty()).unwrap_or_else(|| "file".to_owned());
            let attachment = Attachment { name, media_type: crate::media::UNKNOWN.to_owned(), size: None, digest: None, url: None };
            intake.hang(&channel, &mut event, attachment);
        }
        Ok(intake.events(&channel, None, vec![event])?)
    }
}

fn at(fields: &mut Fields) -> Result<Timestamp, Shape> {
    let time = fields.number("timestamp")?.ok_or_else(|| Shape("`timestamp` is missing".into()))?;
    let millis = if time < MILLIS_FROM { time.saturating_mul(1000) } else { time };
    let at = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millis(millis).ok());
    at.ok_or_else(|| Shape("`timestamp` is no time that a message can have".into()))
}
