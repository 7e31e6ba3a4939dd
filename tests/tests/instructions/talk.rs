//! What the paths work on: the same messages each time, of about the lengths of a real chat's.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use consign_mail::compose::{GroupInfo, GroupInput, MailEvent};
use consign_model::event::EventKind;
use consign_model::policy::AttachmentsSpec;
use consign_model::source::Capture;
use consign_model::target::{ByteSize, Composing, Profile};
use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, ChatKind, Digest, Event, EventBatch, Membership, Name, RunId, Timestamp, User, WindowKey};
use consign_source::{ChatInfo, FileInfo, Sink, SinkError};
use consign_tests::Random;
use serde_json::json;

const WORDS: [&str; 22] = [
    "the", "rate", "is", "fixed", "at", "noon", "please", "send", "me", "your", "levels", "before", "I", "don't", "know", "if", "that", "works",
    "x < y", "& so", "→", "Größe",
];
/// People of all chats, four of whom are in each.
const PEOPLE: usize = 60;

/// Chats of as many messages each.
pub struct Talk {
    chats: Vec<(ChatKey, Vec<Event>)>,
    target: Composing,
    tenant: Name,
    run: RunId,
    attachments: AttachmentsSpec,
    no_labels: BTreeMap<String, String>,
}

/// Everything of one e-mail.
pub struct Group {
    window: WindowKey,
    facts: Arc<Facts>,
    events: Vec<Event>,
}

impl Talk {
    pub fn new(chats: usize, messages: usize) -> Self {
        let mut random = Random::new(1);
        let chats = (0..chats).map(|chat| {
            let key = ChatKey { source: Name::from_static("talk"), id: format!("C{chat:09}") };
            let at = |number: usize| Timestamp(1_767_600_000_000 + i64::try_from(number * 20_345 + chat).unwrap());
            let events = (0..messages).map(|number| {
                let mut event = Event::new(EventKind::Message, format!("{}.{number:06}", 1_767_600_000 + number * 20), at(number));
                event.user = Some(user(chat, random.below(4)));
                let words = if random.below(20) == 0 { 40 + random.below(300) } else { 3 + random.below(40) };
                event.text = (0..words).map(|_| WORDS[random.below(WORDS.len())]).collect::<Vec<_>>().join(" ");
                event
            });
            (key, events.collect())
        });
        let chats = chats.collect();
        let target = Composing {
            from: "journal@corp.example".to_owned(),
            to: vec!["ingest@archive.example".to_owned()],
            subject: Profile::Plain.default_subject().to_owned(),
            headers: BTreeMap::new(),
            max_size: ByteSize(20 << 20),
            profile: Profile::Plain,
            feed: Some("Consign".to_owned()),
            archive_id: None,
        };
        let policy = Name::from_static("desk");
        let (run, tenant, attachments) = (RunId::new(&policy, 1), Name::from_static("acme"), AttachmentsSpec::All(true));
        Self { chats, target, tenant, run, attachments, no_labels: BTreeMap::new() }
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.chats.iter().flat_map(|(_, events)| events)
    }

    /// As a file of events has them.
    pub fn lines(&self) -> String {
        let line = |(chat, event): (&ChatKey, &Event)| {
            let (id, text, at) = (&event.id, &event.text, event.at.to_string());
            format!("{}\n", json!({"type": "message", "chat": chat.id, "id": id, "at": at, "user": event.user, "text": text}))
        };
        self.chats.iter().flat_map(|(chat, events)| events.iter().map(move |event| (chat, event))).map(line).collect()
    }

    /// As the archive stores them.
    pub fn batches(&self) -> Vec<(ChatKey, EventBatch)> {
        self.chats.iter().map(|(chat, events)| (chat.clone(), EventBatch::from_events(0, events))).collect()
    }

    /// What is known of a chat.
    pub fn facts(&self, chat: &ChatKey) -> Arc<Facts> {
        let number = self.chats.iter().position(|(key, _)| key == chat).unwrap();
        let stay = || vec![Membership { joined: None, left: None }];
        let person = |place| {
            let id = user(number, place);
            Participant::new(User { name: format!("Ann {id} Lee"), email: Some(format!("{id}@corp.example")), ..User::unknown(&id) }, stay())
        };
        let mut participants: Vec<Participant> = (0..4).map(person).collect();
        participants.sort_by(|one, other| one.user.id.cmp(&other.user.id));
        Arc::new(Facts { chat: Chat::new(chat.clone(), ChatKind::Group), participants })
    }

    /// An e-mail for each chat.
    pub fn emails(&self) -> Vec<Group> {
        let policy = Name::from_static("desk");
        let email = |(chat, events): &(ChatKey, Vec<Event>)| {
            let window = WindowKey::new(policy.clone(), chat.clone(), 0);
            Group { window, facts: self.facts(chat), events: events.clone() }
        };
        self.chats.iter().map(email).collect()
    }

    /// Of one e-mail what composing reads.
    pub fn input<'a>(&'a self, group: &'a Group) -> GroupInput<'a> {
        let event = |(event, position): (&'a Event, u64)| MailEvent { event, flags: event.own_flags(), previous: None, position };
        GroupInput {
            tenant: &self.tenant,
            run: &self.run,
            window: &group.window,
            window_to: group.events.len() as u64,
            window_end: Timestamp(1_767_700_000_000),
            group_index: 0,
            group: GroupInfo { key: &group.window.chat.id, title: None, subject: None, labels: &self.no_labels },
            facts: &group.facts,
            events: group.events.iter().zip(0..).map(event).collect(),
            files: &[],
            target: &self.target,
            attachments: &self.attachments,
            references: &[],
        }
    }
}

/// One of a chat's four.
fn user(chat: usize, place: usize) -> String {
    format!("U{:09}", (chat * 7 + place * 11) % PEOPLE)
}

/// Takes what is read, and keeps nothing.
pub struct Nowhere;

impl Sink for Nowhere {
    fn user(&mut self, _: User) -> Result<(), SinkError> {
        Ok(())
    }
    fn mentioned(&mut self, _: User) -> Result<(), SinkError> {
        Ok(())
    }
    fn chat(&mut self, _: ChatInfo) -> Result<(), SinkError> {
        Ok(())
    }
    fn events(&mut self, _: &str, _: Option<&str>, _: Vec<Event>) -> Result<(), SinkError> {
        Ok(())
    }
    fn captured(&mut self, _: Capture) -> Result<(), SinkError> {
        Ok(())
    }
    fn attachment(&mut self, _: FileInfo<'_>, _: &mut dyn Read) -> Result<(Digest, u64), SinkError> {
        Err("no file is told of".into())
    }
}
