//! Slack's Events API: a request for each event, signed with the app's secret.
//!
//! A message comes in the form that it has in an export (a channel's day file), so it is read by the same reader, with the same id: whoever imports an
//! export of the same time stores nothing twice. Two things differ, because live they are told better: a reaction has a time of its own, and so has who joins
//! and leaves without a line in the chat. Both are events here that an export doesn't have.
//!
//! Names stand in no request but as ids, so whoever stores is asked for those that are mentioned ([`Callback::people`]).

use std::collections::{BTreeSet, HashMap, HashSet};

use consign_model::{Attachment, ChatKind, Event, EventKind, Flags, Timestamp, User};
use ring::hmac::{HMAC_SHA256, Key, verify};

use super::{Arrived, NotTaken};
use crate::intake::Intake;
use crate::json::fields::{self, Fields, Shape};
use crate::slack::entry::{self, Parsed, Ts};
use crate::slack::index;
use crate::slack::markup::Names;
use crate::text;
use crate::{ChatInfo, Limits, SourceError};

/// How far a request's time may be from ours, in seconds. Slack asks for five minutes: within it a request that somebody caught could be sent again,
/// which stores nothing twice.
const WINDOW: i64 = 300;
/// People whose names are asked for, of one message.
const MOST_PEOPLE: usize = 1_000;

/// Why a request is not from Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// Header `X-Slack-Request-Timestamp`.
    #[error("X-Slack-Request-Timestamp is missing, or more than five minutes from the time here")]
    Stale,
    /// Header `X-Slack-Signature`.
    #[error("X-Slack-Signature is missing, or was not made with the source's signing secret")]
    Signature,
}

/// What Slack signs with.
pub struct Signing(Key);

impl Signing {
    /// With the app's signing secret.
    pub fn new(secret: &str) -> Self {
        Self(Key::new(HMAC_SHA256, secret.as_bytes()))
    }

    /// Whether a request of this time can be from now.
    pub fn is_of_now(timestamp: &str, now: Timestamp) -> Result<(), Unsigned> {
        let seconds: i64 = timestamp.parse().map_err(|_| Unsigned::Stale)?;
        let apart = (now.0 / 1000).checked_sub(seconds).ok_or(Unsigned::Stale)?;
        if (-WINDOW..=WINDOW).contains(&apart) { Ok(()) } else { Err(Unsigned::Stale) }
    }

    /// Whether Slack signed this: `v0=` and the HMAC-SHA256 of `v0:TIMESTAMP:BODY` in hexadecimal. Compared in constant time.
    pub fn check(&self, timestamp: &str, signature: &str, body: &[u8]) -> Result<(), Unsigned> {
        let signature = signature.strip_prefix("v0=").and_then(|hex| hex::decode(hex).ok()).ok_or(Unsigned::Signature)?;
        let signed = [b"v0:", timestamp.as_bytes(), b":", body].concat();
        verify(&self.0, &signed, &signature).map_err(|_| Unsigned::Signature)
    }
}

/// What a request is.
#[derive(Debug)]
pub enum Call {
    /// Slack asks whether this is the right address: it wants this text back.
    Challenge(String),
    /// An event.
    Event(Box<Callback>),
    /// Slack left events out: more came than it sends.
    RateLimited,
    /// Anything else that is to be acknowledged.
    Other,
}

/// An event.
#[derive(Debug)]
pub struct Callback {
    kind: String,
    event: Fields,
    /// When, where the event itself doesn't say.
    time: Option<Timestamp>,
    home: HashSet<String>,
    people: BTreeSet<String>,
}

impl Call {
    /// Reads a body that is signed.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        fields::utf8(body).and_then(Self::parse).map_err(|shape| shape.to_string())
    }

    fn parse(body: &str) -> Result<Self, Shape> {
        let mut fields = Fields::parse(body)?;
        match fields.filled("type")?.as_deref() {
            Some("url_verification") => Ok(Self::Challenge(fields.filled("challenge")?.ok_or_else(|| Shape("`challenge` is missing".into()))?)),
            Some("app_rate_limited") => Ok(Self::RateLimited),
            Some("event_callback") => {
                let mut event = fields.object("event")?.ok_or_else(|| Shape("`event` is missing".into()))?;
                let kind = event.filled("type")?.ok_or_else(|| Shape("`event.type` is missing".into()))?;
                let time = fields.count("event_time").and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000));
                let time = time.and_then(|millis| Timestamp::from_millis(millis).ok());
                let (people, home) = (people(&event), home(&mut fields)?);
                Ok(Self::Event(Box::new(Callback { kind, event, time, home, people })))
            }
            Some(_) => Ok(Self::Other),
            None => Err(Shape("`type` is missing".into())),
        }
    }
}

/// The teams that are no guests: those in which the app is installed. In an organisation of several they are not all known, and then nobody is taken for
/// somebody from outside by this.
fn home(fields: &mut Fields) -> Result<HashSet<String>, Shape> {
    let mut home = HashSet::new();
    for mut one in fields.objects("authorizations")? {
        if one.id("enterprise_id")?.is_some() || one.flag("is_enterprise_install")? == Some(true) {
            return Ok(HashSet::new());
        }
        home.extend(one.id("team_id")?);
    }
    Ok(home)
}

/// Ids of people whom an event names.
fn people(event: &Fields) -> BTreeSet<String> {
    let mut people = BTreeSet::new();
    event.each_text(&mut |field, text| {
        let mut add = |id: &str| {
            if people.len() < MOST_PEOPLE && text::is_id(id) && !people.contains(id) {
                people.insert(id.to_owned());
            }
        };
        match field {
            "user" | "user_id" | "users" | "bot_id" | "inviter" | "participants" | "participant_history" => add(text),
            _ => text.split("<@").skip(1).filter_map(|rest| rest.split(['>', '|']).next()).for_each(add),
        }
    });
    people
}

/// The events of an entry that comes with no file's bytes: itself, and its reactions. Whom it shows is handed over.
pub(super) fn events(chat: &str, entry: Fields, names: &Names, intake: &mut Intake<'_>) -> Result<Vec<Event>, NotTaken> {
    let Parsed { mut event, files, files_before, reactions, unnamed_reactions, profile } = entry::of(entry, names)?;
    if let Some(profile) = profile {
        let mut user = User::unknown(&profile.id);
        (user.bot, user.external) = (profile.bot, profile.external);
        if let Some(name) = profile.name {
            user.name = name;
        }
        intake.mentioned(user)?;
    }
    // Whether the message as it was has come, nobody knows here: so its files are named with what became of it.
    for file in files.into_iter().chain(files_before) {
        let attachment = Attachment { name: file.name, media_type: file.media_type, size: file.size, digest: None, url: file.url };
        intake.hang(chat, &mut event, attachment);
    }
    if unnamed_reactions > 0 {
        intake.note("messages with reactions whose users Slack does not list; those reactions are not events");
    }
    let reactions: Vec<Event> = reactions.into_iter().flat_map(|reaction| reaction.events(&event)).collect();
    Ok([vec![event], reactions].concat())
}

impl Callback {
    /// The ids of all whom it names.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.people.iter().map(String::as_str)
    }

    /// What a person has to hear of, because events may be missing now.
    pub fn warning(&self) -> Option<&'static str> {
        match self.kind.as_str() {
            "app_uninstalled" | "app_uninstalled_team" | "tokens_revoked" => {
                Some("the app was taken out of Slack: nothing more comes until it is installed again")
            }
            "channel_history_changed" | "group_history_changed" | "im_history_changed" => {
                Some("Slack changed a channel's history as a whole: import an export of it, or the changes are missing")
            }
            "channel_id_changed" => Some("Slack gave a channel another id: from now on it is another chat here"),
            _ => None,
        }
    }

    /// Reads the event. `names`: of those of [`Self::people`] who are known.
    pub fn read(self, names: HashMap<String, String>, limits: &Limits) -> Result<Arrived, SourceError> {
        Arrived::by_one("slack", limits, |intake| self.take(names, intake))
    }

    fn take(mut self, names: HashMap<String, String>, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        match self.kind.as_str() {
            // The same message comes as `message` too, where the app asked for both.
            "message" | "app_mention" => self.message(names, intake),
            "reaction_added" => self.reaction(Flags::default(), intake),
            "reaction_removed" => self.reaction(Flags::REMOVED, intake),
            "member_joined_channel" => self.moved(EventKind::Join, intake),
            "member_left_channel" => self.moved(EventKind::Leave, intake),
            "file_shared" => self.file_shared(intake),
            "channel_created" | "channel_rename" => self.described(ChatKind::Channel, false, intake),
            "group_rename" => self.described(ChatKind::Channel, true, intake),
            "im_created" => self.described(ChatKind::Direct, false, intake),
            "channel_archive" | "group_archive" | "channel_deleted" | "group_deleted" => self.archived("true", intake),
            "channel_unarchive" | "group_unarchive" => self.archived("false", intake),
            "team_join" | "user_change" | "user_profile_changed" | "user_status_changed" | "user_huddle_changed" => self.user(intake),
            other => {
                intake.note(&format!("Slack events `{}`, acknowledged and not kept", crate::report::shown(other)));
                Ok(())
            }
        }
    }

    fn message(&mut self, names: HashMap<String, String>, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let chat = self.chat("channel", "channel_type", intake)?;
        let mut event = std::mem::take(&mut self.event);
        // Slack sends `message_replied` without its subtype.
        if !event.has("subtype") && event.has("message") {
            event.put("subtype", "message_replied".to_owned());
        }
        event.put("type", "message".to_owned());
        let (ts, event_ts) = (event.filled("ts")?, event.filled("event_ts")?);
        if let Some(ts) = ts.or(event_ts) {
            event.put("ts", ts);
        }
        let names = Names { users: names, channels: HashMap::new(), home: std::mem::take(&mut self.home) };
        let events = events(&chat, event, &names, intake)?;
        Ok(intake.events(&chat, None, events)?)
    }

    fn reaction(&mut self, flags: Flags, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let mut item = self.event.object("item")?.ok_or_else(|| Shape("`item` is missing".into()))?;
        if item.filled("type")?.as_deref() != Some("message") {
            intake.note("Slack reactions to something else than a message, acknowledged and not kept");
            return Ok(());
        }
        let (chat, target, user) = (item.needed_id("channel")?, item.needed_id("ts")?, self.event.needed_id("user")?);
        let name = self.event.filled("reaction")?;
        if name.as_deref().is_some_and(text::is_long) {
            return Err(Shape("`reaction` is longer than any real one".into()).into());
        }
        let name = name.map(|name| text::name(&name)).filter(|name| !name.is_empty()).ok_or_else(|| Shape("`reaction` is missing".into()))?;
        let mut parts = vec![target.as_str(), user.as_str(), name.as_str()];
        if flags.has(Flags::REMOVED) {
            parts.push("removed");
        }
        let at = self.at()?;
        let mut event = Event::new(EventKind::Reaction, Event::derived_id(EventKind::Reaction, &parts, at), at);
        (event.flags, event.text, event.user, event.target) = (flags, name, Some(user), Some(target));
        Ok(intake.events(&chat, None, vec![event])?)
    }

    fn moved(&mut self, kind: EventKind, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let chat = self.chat("channel", "channel_type", intake)?;
        let (user, at) = (self.event.needed_id("user")?, self.at()?);
        let mut event = Event::new(kind, Event::derived_id(kind, &[&user], at), at);
        event.user = Some(user);
        Ok(intake.events(&chat, None, vec![event])?)
    }

    /// That somebody shared a file. Its name and where it is come with the message that it hangs on.
    fn file_shared(&mut self, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let (chat, file, at) = (self.event.needed_id("channel_id")?, self.event.needed_id("file_id")?, self.at()?);
        let mut event = Event::new(EventKind::Other, Event::derived_id(EventKind::Other, &["file_shared", &file], at), at);
        event.user = self.event.id("user_id")?;
        event.text = format!("shared the file {file}");
        Ok(intake.events(&chat, None, vec![event])?)
    }

    /// What a chat is.
    fn described(&mut self, kind: ChatKind, private: bool, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let mut channel = self.event.object("channel")?.ok_or_else(|| Shape("`channel` is missing".into()))?;
        let mut chat = ChatInfo::unknown(&channel.needed_id("id")?);
        let is_group = channel.flag("is_mpim")?.unwrap_or(false);
        chat.kind = Some(if is_group { ChatKind::Group } else { kind });
        if chat.kind == Some(ChatKind::Channel) {
            chat.title = channel.filled("name")?.map(|name| intake.name(&name)).filter(|name| !name.is_empty());
            if private || channel.flag("is_private")?.unwrap_or(false) {
                chat.labels.insert("private".into(), "true".into());
            }
        }
        Ok(intake.chat(chat)?)
    }

    fn archived(&mut self, archived: &str, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let mut chat = ChatInfo::unknown(&self.event.needed_id("channel")?);
        chat.labels.insert("archived".into(), archived.into());
        Ok(intake.chat(chat)?)
    }

    fn user(&mut self, intake: &mut Intake<'_>) -> Result<(), NotTaken> {
        let user = self.event.object("user")?.ok_or_else(|| Shape("`user` is missing".into()))?;
        let user = index::user(intake, &mut HashSet::new(), user)?;
        Ok(intake.user(user)?)
    }

    /// The chat of an event, made known by its kind.
    fn chat(&mut self, id: &str, kind: &str, intake: &mut Intake<'_>) -> Result<String, NotTaken> {
        let id = self.event.needed_id(id)?;
        let mut chat = ChatInfo::unknown(&id);
        let (kind, private) = match self.event.filled(kind)?.as_deref() {
            Some("channel" | "C") => (Some(ChatKind::Channel), false),
            // `G` is a private channel or a group of people, so it says nothing.
            Some("group") => (Some(ChatKind::Channel), true),
            Some("mpim") => (Some(ChatKind::Group), false),
            Some("im" | "app_home" | "D") => (Some(ChatKind::Direct), false),
            _ => (None, false),
        };
        chat.kind = kind;
        if private {
            chat.labels.insert("private".into(), "true".into());
        }
        intake.chat(chat)?;
        Ok(id)
    }

    /// When it happened.
    fn at(&mut self) -> Result<Timestamp, Shape> {
        match self.event.filled("event_ts")? {
            Some(ts) => Ts::parse(&ts).map(Ts::at).ok_or_else(|| Shape("`event_ts` is no time such as 1517660675.000044".into())),
            None => self.time.ok_or_else(|| Shape("neither `event_ts` nor `event_time` says when it was".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_another_implementation() {
        // The example of Slack's own documents, and one by Python's hmac.
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA\
                    &user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554\
                    %2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let signing = Signing::new("8f742231b10e8888abcd99yyyzzz85a5");
        assert_eq!(signing.check("1531420618", signature, body.as_bytes()), Ok(()));
        assert_eq!(signing.check("1531420619", signature, body.as_bytes()), Err(Unsigned::Signature));
        assert_eq!(signing.check("1531420618", signature, body.trim_end_matches('c').as_bytes()), Err(Unsigned::Signature));
        assert_eq!(Signing::new("other").check("1531420618", signature, body.as_bytes()), Err(Unsigned::Signature));
        let body = r#"{"type":"url_verification","challenge":"日本 \"3eZbrw1aB\""}"#;
        let signature = "v0=6d6ec24166fc7a33ad4400ce4a32e29ddf1d76c217817a0f42c108785d6ee353";
        assert_eq!(Signing::new("sécret").check("1767600000", signature, body.as_bytes()), Ok(()));
        for bad in ["", "v0=", "v1=00", "v0=zz", signature.trim_start_matches("v0="), signature.trim_end_matches(char::is_alphanumeric)] {
            assert_eq!(Signing::new("sécret").check("1767600000", bad, body.as_bytes()), Err(Unsigned::Signature), "{bad}");
        }
    }

    #[test]
    fn five_minutes() {
        let now = Timestamp(1_767_600_000_999);
        for (timestamp, fits) in [
            ("1767600000", true),
            ("1767599700", true),
            ("1767600300", true),
            ("1767599699", false),
            ("1767600301", false),
            ("", false),
            ("-9223372036854775808", false),
            ("9223372036854775808", false),
            ("1767600000.5", false),
        ] {
            assert_eq!(Signing::is_of_now(timestamp, now).is_ok(), fits, "{timestamp}");
        }
    }
}
