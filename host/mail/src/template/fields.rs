//! The fields of templates: what each one is called, means and holds. `host/mail/README.md` shows the same table; a test compares them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use consign_model::event::EventKind;
use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, Membership, Name, Timestamp, User};
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr};

use crate::compose::{chat_kind, duration_minutes};

/// A field and what it means.
pub type Field = (&'static str, &'static str);

/// Every field, in the order of the README's table. `N` stands for 0 to 9.
pub const FIELDS: [Field; 41] = [
    ("chat.id", "the platform's own id of the chat"),
    ("chat.title", "its title; undefined where it has none"),
    ("chat.kind", "`direct`, `group`, `channel`, `meeting` or `other`"),
    ("chat.source", "the source's name"),
    ("chat.labels", "labels of the source by name, as `chat.labels.team`; empty where there is none"),
    ("group.key", "the group's key"),
    ("group.title", "the group's title; undefined where it has none"),
    ("group.subject", "the user for whom this copy is, a participant as below; undefined in a chat's only copy"),
    ("group.labels", "labels of the grouping by name"),
    (
        "participants",
        "who acts in the group or was in the chat at the time: a list, each with `id`, `name`, `email`, `address`, `recorded`, `external`, `bot`, `attributes`",
    ),
    (
        "events",
        "the group's events: a list, each with `type`, `at`, `sender` (a name) and `user` (an id); never a text. Of an encrypted chat each has the type `encrypted` and nothing else",
    ),
    ("encrypted", "how many of the events are encrypted, in the attached files; 0 where the policy decrypts"),
    ("counts.message", "messages; likewise `counts.edit`, `.delete`, `.join`, `.leave`, `.reaction`, `.other`"),
    ("counts.edit", "edits"),
    ("counts.delete", "deletions"),
    ("counts.join", "joins"),
    ("counts.leave", "leaves"),
    ("counts.reaction", "reactions, given and taken back"),
    ("counts.other", "system events"),
    ("counts.late_files", "events that bring files of earlier messages; counted here only, whatever their `type`"),
    ("policy", "the policy's name"),
    ("run", "the run's id"),
    ("part", "which part this e-mail is, counted from 1"),
    ("parts", "how many parts there are; a subject that doesn't name `part` gets ` (part 2 of 3)` where there are several"),
    ("started", "time of the first event, RFC 3339 in UTC; undefined without events"),
    ("ended", "time of the last event"),
    ("duration_minutes", "whole minutes between them"),
    ("conversation_id", "an id of this group, the same in each of its parts and repeats"),
    ("platform_conversation_id", "the platform's id of the chat"),
    ("conference", "the title (or id) of a chat that is not direct; else empty"),
    ("conference_participants", "names of all participants, with commas"),
    ("from", "address of the initiator (who sends first), or the id where no address is known"),
    ("from_name", "the initiator's name"),
    ("from_email_address", "the initiator's address; a made-up one under `.invalid` where none is known"),
    ("from_login_name", "the initiator's attribute `login-name`, or the id"),
    ("from_user_custom_field_N", "the initiator's attribute `user-custom-field-N`"),
    ("to", "the same for all other participants, with commas"),
    ("to_name", "their names"),
    ("to_email_address", "their addresses"),
    ("to_login_name", "their login names"),
    ("to_user_custom_field_N", "their attributes `user-custom-field-N`, those that are set"),
];

/// Checks a name that a template uses, such as `chat.title` or `participants`.
pub(super) fn check_name(name: &str, is_global: impl Fn(&str) -> bool) -> Result<(), String> {
    let mut steps = name.split('.');
    let first = steps.next().unwrap_or_default();
    let second = steps.next();
    let numbered = |prefix: &str| first.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    if numbered("from_user_custom_field_") || numbered("to_user_custom_field_") || (is_global(first) && first != "debug") {
        return Ok(());
    }
    let of = |known: &str| known.split_once('.').map_or(known, |(group, _)| group) == first;
    if !FIELDS.iter().any(|(known, _)| of(known)) {
        return Err(format!("there is no field \"{first}\"; fields are {}", names()));
    }
    let Some(second) = second else { return Ok(()) };
    let nested = || FIELDS.iter().filter(|(known, _)| of(known)).filter_map(|(known, _)| known.split_once('.'));
    if nested().next().is_some() && !nested().any(|(_, field)| field == second) {
        let known: Vec<String> = nested().map(|(group, field)| format!("{group}.{field}")).collect();
        return Err(format!("there is no field \"{first}.{second}\"; there are {}", known.join(", ")));
    }
    Ok(())
}

fn names() -> String {
    let mut names: Vec<&str> = FIELDS.iter().map(|(name, _)| name.split_once('.').map_or(*name, |(group, _)| group)).collect();
    names.dedup();
    names.join(", ")
}

/// An event for templates.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub kind: EventKind,
    pub at: Timestamp,
    /// Index into [`Fields::actors`].
    pub actor: Option<u32>,
}

/// Everything that templates may ask for, shared by all renderings of a group.
pub(crate) struct Fields(Arc<Shared>);

/// What a group has, and what was made of it for a template.
///
/// The engine's budget counts a lookup as one step: so none of them may cost more in a large group than in a small one. What goes over all people is made
/// once for the group; people and events are looked up field by field.
#[derive(Debug)]
struct Shared {
    inner: Inner,
    made: Made,
}

/// Values that are made when they are first asked for.
#[derive(Debug, Default)]
struct Made {
    chat: OnceLock<Value>,
    group: OnceLock<Value>,
    counts: OnceLock<Value>,
    conference_participants: OnceLock<Value>,
    sides: [OnceLock<Value>; 2 * OF_A_USER],
}

pub(crate) struct Inner {
    pub facts: Arc<Facts>,
    pub key: String,
    pub title: Option<String>,
    pub subject: Option<Participant>,
    pub labels: BTreeMap<String, String>,
    /// Indices into the facts' participants.
    pub shown: Vec<usize>,
    /// Ids and names of those who act.
    pub actors: Vec<(String, String)>,
    pub rows: Vec<Row>,
    pub policy: String,
    pub run: String,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub counts: [u64; EventKind::ALL.len()],
    /// How many events there are beside the rows, encrypted.
    pub encrypted: u64,
    /// Events that bring late files.
    pub late_files: u64,
    pub conversation: String,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields")
    }
}

#[derive(Debug)]
struct Context {
    shared: Arc<Shared>,
    part: u32,
    parts: u32,
}

#[derive(Debug)]
struct People(Arc<Shared>);

#[derive(Debug)]
struct Events(Arc<Shared>);

/// One thing with fields.
#[derive(Debug)]
struct Item {
    shared: Arc<Shared>,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// By place among the facts' participants.
    Person(usize),
    /// A person's.
    Attributes(usize),
    /// By place among the rows.
    Event(usize),
}

fn map<const N: usize>(entries: [(&'static str, Value); N]) -> Value {
    Value::from(entries.into_iter().collect::<BTreeMap<_, _>>())
}

fn strings(labels: &BTreeMap<String, String>) -> Value {
    Value::from(labels.clone())
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::UNDEFINED, Value::from)
}

/// Index of a list, by the engine's key.
fn index(key: &Value) -> Option<usize> {
    key.as_usize()
}

impl Item {
    fn value(shared: &Arc<Shared>, what: What) -> Value {
        Value::from_object(Self { shared: Arc::clone(shared), what })
    }

    fn person(&self, place: usize, field: &str) -> Option<Value> {
        let user = self.shared.inner.person(place)?;
        Some(match field {
            "id" => Value::from(user.id.as_str()),
            "name" => Value::from(user.name.as_str()),
            "email" => optional(user.email.as_deref()),
            "address" => Value::from(user.address(&self.shared.inner.facts.chat.key.source)),
            "recorded" => Value::from(user.recorded),
            "external" => Value::from(user.external),
            "bot" => Value::from(user.bot),
            "attributes" => Self::value(&self.shared, What::Attributes(place)),
            _ => return None,
        })
    }

    fn event(&self, place: usize, field: &str) -> Option<Value> {
        let inner = &self.shared.inner;
        let Some(row) = inner.rows.get(place) else { return (field == "type").then(|| Value::from("encrypted")) };
        let actor = || inner.actors.get(usize::try_from(row.actor?).ok()?);
        Some(match field {
            "type" => Value::from(row.kind.word()),
            "at" => Value::from(row.at.to_string()),
            "user" => optional(actor().map(|(id, _)| id.as_str())),
            "sender" => optional(actor().map(|(_, name)| name.as_str())),
            _ => return None,
        })
    }
}

impl Object for Item {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match self.what {
            What::Person(place) => self.person(place, key),
            What::Attributes(place) => self.shared.inner.person(place)?.attributes.get(key).map(|value| Value::from(value.as_str())),
            What::Event(place) => self.event(place, key),
        }
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.what {
            What::Person(_) => Enumerator::Str(&["address", "attributes", "bot", "email", "external", "id", "name", "recorded"]),
            What::Attributes(place) => self.mapped_enumerator(move |this| match this.shared.inner.person(place) {
                Some(user) => Box::new(user.attributes.keys().map(|name| Value::from(name.as_str()))),
                None => Box::new(std::iter::empty()),
            }),
            What::Event(_) => Enumerator::Str(&["at", "sender", "type", "user"]),
        }
    }
}

impl Object for People {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = *self.0.inner.shown.get(index(key)?)?;
        Some(Item::value(&self.0, What::Person(place)))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.inner.shown.len())
    }
}

impl Object for Events {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = index(key).filter(|place| *place < self.0.inner.events())?;
        Some(Item::value(&self.0, What::Event(place)))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.inner.events())
    }
}

/// One of the peer's placeholders says this of a user.
#[derive(Debug, Clone, Copy)]
enum OfUser {
    Contact,
    Name,
    Address,
    Login,
    Custom(u8),
}

/// How many there are.
const OF_A_USER: usize = 4 + 10;

impl OfUser {
    fn parse(field: &str) -> Option<Self> {
        Some(match field {
            "" => Self::Contact,
            "name" => Self::Name,
            "email_address" => Self::Address,
            "login_name" => Self::Login,
            custom => match custom.strip_prefix("user_custom_field_")?.as_bytes() {
                [digit @ b'0'..=b'9'] => Self::Custom(digit - b'0'),
                _ => return None,
            },
        })
    }

    fn number(self) -> usize {
        match self {
            Self::Contact => 0,
            Self::Name => 1,
            Self::Address => 2,
            Self::Login => 3,
            Self::Custom(digit) => 4 + usize::from(digit),
        }
    }

    fn say(self, user: &User, source: &Name) -> Option<String> {
        match self {
            Self::Contact => Some(user.email.clone().unwrap_or_else(|| user.id.clone())),
            Self::Name => Some(user.name.clone()),
            Self::Address => Some(user.address(source)),
            Self::Login => Some(user.attributes.get("login-name").unwrap_or(&user.id).clone()),
            Self::Custom(digit) => user.attributes.get(&format!("user-custom-field-{digit}")).cloned(),
        }
    }
}

impl Inner {
    fn person(&self, place: usize) -> Option<&User> {
        self.facts.participants.get(place).map(|one| &one.user)
    }

    /// How many events there are.
    fn events(&self) -> usize {
        self.rows.len().saturating_add(usize::try_from(self.encrypted).unwrap_or(usize::MAX))
    }

    /// Who sends first.
    fn initiator(&self) -> Option<User> {
        let actor = self.rows.iter().find_map(|row| row.actor)?;
        let (id, _) = self.actors.get(usize::try_from(actor).ok()?)?;
        let known = self.shown.iter().filter_map(|place| self.person(*place)).find(|user| user.id == *id);
        Some(known.cloned().unwrap_or_else(|| User::unknown(id)))
    }

    fn others(&self, what: impl Fn(&User) -> Option<String>) -> String {
        let first = self.initiator().map(|user| user.id);
        let others = self.shown.iter().filter_map(|place| self.person(*place)).filter(|user| first.as_ref() != Some(&user.id));
        others.filter_map(what).collect::<Vec<_>>().join(", ")
    }
}

impl Shared {
    /// The peer's placeholders: `from_…` of the initiator, `to_…` of all others.
    fn side(&self, name: &str) -> Option<Value> {
        let (side, field) = name.split_once('_').unwrap_or((name, ""));
        let (is_from, of_user) = (side == "from", OfUser::parse(field)?);
        if !is_from && side != "to" {
            return None;
        }
        let source = &self.inner.facts.chat.key.source;
        let of_initiator = || self.inner.initiator().and_then(|user| of_user.say(&user, source)).unwrap_or_default();
        let of_others = || self.inner.others(|user| of_user.say(user, source));
        let made = self.made.sides.get(of_user.number() + if is_from { 0 } else { OF_A_USER })?;
        Some(made.get_or_init(|| Value::from(if is_from { of_initiator() } else { of_others() })).clone())
    }

    fn chat(&self) -> Value {
        let chat = &self.inner.facts.chat;
        map([
            ("id", Value::from(chat.key.id.as_str())),
            ("title", optional(chat.title.as_deref())),
            ("kind", Value::from(chat_kind(chat.kind))),
            ("source", Value::from(chat.key.source.as_str())),
            ("labels", strings(&chat.labels)),
        ])
    }

    fn group(&self) -> Value {
        let inner = &self.inner;
        // By value: an `Item` would hold what holds it.
        let subject = |one: &Participant| {
            let user = &one.user;
            map([
                ("id", Value::from(user.id.as_str())),
                ("name", Value::from(user.name.as_str())),
                ("email", optional(user.email.as_deref())),
                ("address", Value::from(user.address(&inner.facts.chat.key.source))),
                ("recorded", Value::from(user.recorded)),
                ("external", Value::from(user.external)),
                ("bot", Value::from(user.bot)),
                ("attributes", strings(&user.attributes)),
            ])
        };
        map([
            ("key", Value::from(inner.key.as_str())),
            ("title", optional(inner.title.as_deref())),
            ("subject", inner.subject.as_ref().map_or(Value::UNDEFINED, subject)),
            ("labels", strings(&inner.labels)),
        ])
    }

    fn counts(&self) -> Value {
        let kinds = EventKind::ALL.into_iter().zip(self.inner.counts).map(|(kind, count)| (kind.word(), count));
        Value::from(kinds.chain([("late_files", self.inner.late_files)]).collect::<BTreeMap<_, _>>())
    }

    fn conference_participants(&self) -> Value {
        let names = self.inner.shown.iter().filter_map(|place| self.inner.person(*place)).map(|user| user.name.as_str());
        Value::from(names.collect::<Vec<_>>().join(", "))
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let (shared, inner, made) = (&self.shared, &self.shared.inner, &self.shared.made);
        let chat = &inner.facts.chat;
        Some(match key {
            "chat" => made.chat.get_or_init(|| shared.chat()).clone(),
            "group" => made.group.get_or_init(|| shared.group()).clone(),
            "participants" => Value::from_object(People(Arc::clone(shared))),
            "events" => Value::from_object(Events(Arc::clone(shared))),
            "counts" => made.counts.get_or_init(|| shared.counts()).clone(),
            "encrypted" => Value::from(inner.encrypted),
            "policy" => Value::from(inner.policy.as_str()),
            "run" => Value::from(inner.run.as_str()),
            "part" => Value::from(self.part),
            "parts" => Value::from(self.parts),
            "started" => inner.started.map_or(Value::UNDEFINED, |at| Value::from(at.to_string())),
            "ended" => inner.ended.map_or(Value::UNDEFINED, |at| Value::from(at.to_string())),
            "duration_minutes" => Value::from(duration_minutes(inner.started, inner.ended)),
            "conversation_id" => Value::from(inner.conversation.as_str()),
            "platform_conversation_id" => Value::from(chat.key.id.as_str()),
            "conference" => match chat.kind {
                consign_model::ChatKind::Direct => Value::from(""),
                _ => Value::from(chat.title.as_deref().unwrap_or(&chat.key.id)),
            },
            "conference_participants" => made.conference_participants.get_or_init(|| shared.conference_participants()).clone(),
            other if other.starts_with("from") || other.starts_with("to") => return shared.side(other),
            _ => return None,
        })
    }
}

impl Fields {
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(Shared { inner, made: Made::default() }))
    }

    pub(super) fn context(&self, part: u32, parts: u32) -> Value {
        Value::from_object(Context { shared: Arc::clone(&self.0), part, parts })
    }

    /// A made-up group with something in every field, to try templates on.
    pub(super) fn sample(source: &Name) -> Self {
        let mut inner = bare(source);
        let mut ann = User::unknown("U1");
        "Ann Lee".clone_into(&mut ann.name);
        ann.email = Some("ann@desk.example".to_owned());
        for (name, value) in [("login-name", "ann"), ("user-custom-field-3", "desk")] {
            ann.attributes.insert(name.to_owned(), value.to_owned());
        }
        let bob = User::unknown("U2");
        let stay = Membership { joined: None, left: None };
        let people = [ann, bob].map(|user| Participant::new(user, vec![stay]));
        let mut facts = Facts::clone(&inner.facts);
        facts.chat.title = Some("rates-desk".to_owned());
        facts.chat.labels.insert("team".to_owned(), "fx".to_owned());
        facts.participants = people.to_vec();
        inner.subject = facts.participants.first().cloned();
        inner.facts = Arc::new(facts);
        inner.shown = vec![0, 1];
        inner.actors = vec![("U1".to_owned(), "Ann Lee".to_owned())];
        inner.rows = vec![Row { kind: EventKind::Message, at: Timestamp(0), actor: Some(0) }; 3];
        inner.title = Some("rates-desk".to_owned());
        inner.started = Some(Timestamp(0));
        inner.ended = Some(Timestamp(60_000));
        Self::new(inner)
    }

    /// A made-up group with as little as a group can have.
    pub(super) fn sparse_sample(source: &Name) -> Self {
        Self::new(bare(source))
    }
}

fn bare(source: &Name) -> Inner {
    let chat = Chat::new(ChatKey { source: source.clone(), id: "C1".to_owned() }, consign_model::ChatKind::Channel);
    Inner {
        facts: Arc::new(Facts { chat, participants: Vec::new() }),
        key: "C1".to_owned(),
        title: None,
        subject: None,
        labels: BTreeMap::new(),
        shown: Vec::new(),
        actors: Vec::new(),
        rows: Vec::new(),
        policy: "sample".to_owned(),
        run: "sample-000001".to_owned(),
        started: None,
        ended: None,
        counts: [0; EventKind::ALL.len()],
        encrypted: 0,
        late_files: 0,
        conversation: "0".to_owned(),
    }
}
