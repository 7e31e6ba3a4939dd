//! The fields of templates: what each one is called, means and holds. `host/mail/README.md` shows the same table; a test compares them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use consign_model::event::EventKind;
use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, Membership, Name, Timestamp, User};
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::compose::{chat_kind, duration_minutes};

/// A field and what it means.
pub type Field = (&'static str, &'static str);

/// Every field, in the order of the README's table. `N` stands for 0 to 9.
pub const FIELDS: [Field; 39] = [
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
    ("events", "the group's events: a list, each with `type`, `at`, `sender` (a name) and `user` (an id); never a text"),
    ("counts.message", "messages; likewise `counts.edit`, `.delete`, `.join`, `.leave`, `.reaction`, `.other`"),
    ("counts.edit", "edits"),
    ("counts.delete", "deletions"),
    ("counts.join", "joins"),
    ("counts.leave", "leaves"),
    ("counts.reaction", "reactions, given and taken back"),
    ("counts.other", "system events"),
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
pub(crate) struct Fields(Arc<Inner>);

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
    pub conversation: String,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields")
    }
}

#[derive(Debug)]
struct Context {
    inner: Arc<Inner>,
    part: u32,
    parts: u32,
}

#[derive(Debug)]
struct People(Arc<Inner>);

#[derive(Debug)]
struct Events(Arc<Inner>);

fn map<const N: usize>(entries: [(&'static str, Value); N]) -> Value {
    Value::from(entries.into_iter().collect::<BTreeMap<_, _>>())
}

fn strings(labels: &BTreeMap<String, String>) -> Value {
    Value::from(labels.clone())
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::UNDEFINED, Value::from)
}

fn person(user: &User, source: &Name) -> Value {
    map([
        ("id", Value::from(user.id.as_str())),
        ("name", Value::from(user.name.as_str())),
        ("email", optional(user.email.as_deref())),
        ("address", Value::from(user.address(source))),
        ("recorded", Value::from(user.recorded)),
        ("external", Value::from(user.external)),
        ("bot", Value::from(user.bot)),
        ("attributes", strings(&user.attributes)),
    ])
}

/// Index of a list, by the engine's key.
fn index(key: &Value) -> Option<usize> {
    key.as_usize()
}

impl Object for People {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = *self.0.shown.get(index(key)?)?;
        Some(person(&self.0.facts.participants.get(place)?.user, &self.0.facts.chat.key.source))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.shown.len())
    }
}

impl Object for Events {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let row = self.0.rows.get(index(key)?)?;
        let actor = row.actor.and_then(|actor| self.0.actors.get(usize::try_from(actor).ok()?));
        Some(map([
            ("type", Value::from(row.kind.word())),
            ("at", Value::from(row.at.to_string())),
            ("user", optional(actor.map(|(id, _)| id.as_str()))),
            ("sender", optional(actor.map(|(_, name)| name.as_str()))),
        ]))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.rows.len())
    }
}

impl Inner {
    fn person(&self, place: usize) -> Option<&User> {
        self.facts.participants.get(place).map(|one| &one.user)
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

    /// The peer's placeholders: `from_…` of the initiator, `to_…` of all others.
    fn side(&self, name: &str) -> Option<Value> {
        let (is_from, field) = match name.split_once('_') {
            Some(("from", field)) => (true, field),
            Some(("to", field)) => (false, field),
            Some(_) => return None,
            None => (name == "from", ""),
        };
        let source = &self.facts.chat.key.source;
        let what = |user: &User| match field {
            "" => Some(user.email.clone().unwrap_or_else(|| user.id.clone())),
            "name" => Some(user.name.clone()),
            "email_address" => Some(user.address(source)),
            "login_name" => Some(user.attributes.get("login-name").unwrap_or(&user.id).clone()),
            custom => user.attributes.get(&custom.replace('_', "-")).cloned(),
        };
        let text = if is_from { self.initiator().and_then(|user| what(&user)).unwrap_or_default() } else { self.others(what) };
        Some(Value::from(text))
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let inner = &self.inner;
        let chat = &inner.facts.chat;
        Some(match key {
            "chat" => map([
                ("id", Value::from(chat.key.id.as_str())),
                ("title", optional(chat.title.as_deref())),
                ("kind", Value::from(chat_kind(chat.kind))),
                ("source", Value::from(chat.key.source.as_str())),
                ("labels", strings(&chat.labels)),
            ]),
            "group" => map([
                ("key", Value::from(inner.key.as_str())),
                ("title", optional(inner.title.as_deref())),
                ("subject", inner.subject.as_ref().map_or(Value::UNDEFINED, |one| person(&one.user, &chat.key.source))),
                ("labels", strings(&inner.labels)),
            ]),
            "participants" => Value::from_object(People(Arc::clone(inner))),
            "events" => Value::from_object(Events(Arc::clone(inner))),
            "counts" => {
                Value::from(EventKind::ALL.into_iter().zip(inner.counts).map(|(kind, count)| (kind.word(), count)).collect::<BTreeMap<_, _>>())
            }
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
            "conference_participants" => {
                let names = inner.shown.iter().filter_map(|place| inner.person(*place)).map(|user| user.name.as_str());
                Value::from(names.collect::<Vec<_>>().join(", "))
            }
            other if other.starts_with("from") || other.starts_with("to") => return inner.side(other),
            _ => return None,
        })
    }
}

impl Fields {
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn context(&self, part: u32, parts: u32) -> Value {
        Value::from_object(Context { inner: Arc::clone(&self.0), part, parts })
    }

    /// A made-up group with something in every field, to try templates on.
    pub(super) fn sample(source: &Name) -> Self {
        let mut inner = bare(source);
        let mut ann = User::unknown("U1");
        "Ann Lee".clone_into(&mut ann.name);
        ann.email = Some("ann@desk.example".to_owned());
        let bob = User::unknown("U2");
        let stay = Membership { joined: None, left: None };
        let people = [ann, bob].map(|user| Participant { user, memberships: vec![stay] });
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
        conversation: "0".to_owned(),
    }
}
