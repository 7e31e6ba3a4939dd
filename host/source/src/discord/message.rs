//! One message to its events. Ids are Discord's own, for all but edits and reactions, which have none.

use consign_model::{Event, EventKind, Flags, Timestamp};

use super::content::{self, About, Author, NamedFile};
use super::mentions::Mentions;
use crate::json::fields::{Fields, Shape};
use crate::reaction::Reaction;
use crate::text;

/// What a message became.
#[derive(Debug)]
pub struct Parsed {
    /// The message, join, leave or system event; its files are still to be attached.
    pub event: Event,
    /// That it was edited, and when for the last time.
    pub edit: Option<Event>,
    pub files: Vec<NamedFile>,
    pub reactions: Vec<Reaction>,
    /// Reactions whose users the export does not list.
    pub unnamed_reactions: u64,
    /// Everybody who did something here; the author first.
    pub people: Vec<Person>,
    /// It was sent on, and the export has not what.
    pub lacks_forwarded: bool,
}

/// Somebody, as messages tell of them: there is no list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    /// The name on the server; else the one everywhere.
    pub name: String,
    /// The name in the text of a message, as it is.
    raw: String,
    /// The account's name.
    pub login: Option<String>,
    pub bot: bool,
}

impl Person {
    fn read(mut fields: Fields) -> Result<Self, Shape> {
        let id = fields.needed_id("id")?;
        let (login, nickname) = (fields.filled("name")?, fields.filled("nickname")?);
        // Of accounts of the older kind, several may have one name.
        let number = fields.filled("discriminator")?.filter(|number| number.bytes().any(|digit| digit != b'0'));
        let raw = nickname.or_else(|| login.clone()).unwrap_or_default();
        let name = Some(text::name(&raw)).filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
        let login = login.map(|login| number.map_or(login.clone(), |number| format!("{login}#{number}")));
        Ok(Self { id, name, raw, login, bot: fields.flag("isBot")?.unwrap_or(false) })
    }
}

fn time(fields: &mut Fields, name: &str) -> Result<Option<Timestamp>, Shape> {
    let time = fields.filled(name)?.map(|text| Timestamp::parse(&text)).transpose();
    time.map_err(|error| Shape(format!("`{name}` is {error}")))
}

/// Reads a message of a chat.
pub fn parse(message: &mut Fields, chat: &str) -> Result<Parsed, Shape> {
    let id = message.needed_id("id")?;
    let at = time(message, "timestamp")?.ok_or_else(|| Shape("`timestamp` is missing".into()))?;
    let edited = time(message, "timestampEdited")?;
    // Types that the exporter does not know have their number.
    let word = message.filled("type")?.unwrap_or_else(|| "Default".into());
    let author = message.object("author")?.ok_or_else(|| Shape("`author` is missing".into()))?;
    let mut people = vec![Person::read(author)?];
    let (author, by_program) = people.first().map(|author| (author.id.clone(), author.bot)).unwrap_or_default();
    let (mut mentions, mut mentioned) = (Mentions::default(), None);
    for person in message.objects("mentions")? {
        let person = Person::read(person)?;
        mentions.add(&person.id, &person.raw, &person.name);
        mentioned = mentioned.or(Some(person));
    }
    let command = command(message, &mut mentions, &mut people)?;
    let Reference { message: refers_to, is_here, is_forward } = reference(message, chat)?;

    let kind = match word.as_str() {
        "Default" | "0" | "Reply" | "19" | "ChatInputCommand" | "20" | "ContextMenuCommand" | "23" => EventKind::Message,
        "GuildMemberJoin" | "7" => EventKind::Join,
        "RecipientAdd" | "1" if mentioned.is_some() => EventKind::Join,
        "RecipientRemove" | "2" if mentioned.is_some() => EventKind::Leave,
        _ => EventKind::Other,
    };
    let is_message = kind == EventKind::Message;
    let is_answer = matches!(word.as_str(), "Reply" | "19" | "ContextMenuCommand" | "23") && !is_forward;
    // What the platform says is chosen by nobody, and there are no previews of pages in it.
    let wrote = if by_program || !is_message { Author::Program } else { Author::Person };
    let about = About { author: wrote, command: command.as_deref(), refers: is_message && !is_answer && refers_to.is_some() };
    let body = content::read(message, about, &mentions)?;

    let mut event = Event::new(kind, id, at);
    let mut edit = None;
    match mentioned.filter(|_| matches!(word.as_str(), "RecipientAdd" | "1" | "RecipientRemove" | "2")) {
        Some(who) => {
            // The exporter's sentence has today's name of whom it tells; this is the same for ever.
            let verb = if kind == EventKind::Join { "added" } else { "removed" };
            event.original = (who.id != author).then(|| format!("<@{author}> {verb} <@{}>", who.id));
            event.user = Some(who.id.clone());
            people.push(who);
        }
        None => event.user = Some(author),
    }
    if matches!(kind, EventKind::Message | EventKind::Other) {
        event.text = body.text;
        event.original = body.original;
        event.flags = event.flags.with_if(Flags::FROM_BOT, by_program).with_if(Flags::EDITED, is_message && edited.is_some());
        if is_answer && is_here {
            event.thread = refers_to;
        } else if matches!(word.as_str(), "ChannelPinnedMessage" | "6") && is_here {
            event.target = refers_to;
        }
    }
    if let Some(at) = edited.filter(|_| is_message) {
        let id = Event::derived_id(EventKind::Edit, &[&event.id], at);
        let flags = Flags::default().with_if(Flags::FROM_BOT, by_program);
        edit = Some(Event { kind: EventKind::Edit, id, at, target: Some(event.id.clone()), flags, ..event.clone() });
    }
    let mut parsed =
        Parsed { event, edit, files: body.files, reactions: Vec::new(), unnamed_reactions: 0, people, lacks_forwarded: body.lacks_forwarded };
    reactions(message, &mut parsed)?;
    Ok(parsed)
}

/// The command that made a bot answer, in Discord's own markup.
fn command(message: &mut Fields, mentions: &mut Mentions, people: &mut Vec<Person>) -> Result<Option<String>, Shape> {
    let Some(mut interaction) = message.object("interaction")? else { return Ok(None) };
    let Some(user) = interaction.object("user")? else { return Ok(None) };
    let (person, name) = (Person::read(user)?, interaction.filled("name")?.unwrap_or_default());
    mentions.add(&person.id, &person.raw, &person.name);
    let command = format!("<@{}> used /{name}", person.id);
    people.push(person);
    Ok(Some(command))
}

/// The message that a message names.
struct Reference {
    message: Option<String>,
    /// It is in the same chat.
    is_here: bool,
    /// It was sent on.
    is_forward: bool,
}

fn reference(message: &mut Fields, chat: &str) -> Result<Reference, Shape> {
    let mut fields = message.object("reference")?.unwrap_or_default();
    let is_here = fields.filled("channelId")?.is_none_or(|channel| channel == chat);
    Ok(Reference { message: fields.id("messageId")?, is_here, is_forward: fields.filled("type")?.as_deref() == Some("Forward") })
}

/// `reactions[]`: by emoji.
fn reactions(message: &mut Fields, parsed: &mut Parsed) -> Result<(), Shape> {
    for mut reaction in message.objects("reactions")? {
        let mut emoji = reaction.object("emoji")?.unwrap_or_default();
        let name = emoji.filled("name")?;
        if name.as_deref().is_some_and(text::is_long) {
            return Err(Shape("a reaction's `name` is longer than any real one".into()));
        }
        let mut users = Vec::new();
        for user in reaction.objects("users")? {
            let person = Person::read(user)?;
            users.push(person.id.clone());
            parsed.people.push(person);
        }
        let listed = users.len() as u64;
        let count = reaction.count("count").unwrap_or(listed.max(1));
        match name.map(|name| text::name(&name)).filter(|name| !name.is_empty()) {
            Some(name) => {
                parsed.unnamed_reactions = parsed.unnamed_reactions.saturating_add(count.saturating_sub(listed));
                users.sort();
                users.dedup();
                parsed.reactions.push(Reaction { name, emoji: emoji.id("id")?, users });
            }
            None => parsed.unnamed_reactions = parsed.unnamed_reactions.saturating_add(count),
        }
    }
    Ok(())
}
