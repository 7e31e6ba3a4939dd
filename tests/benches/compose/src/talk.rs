//! What is said in the e-mails: 50 events each, of a real conversation where there is one, else of a made-up one of about its lengths. What the real one does not
//! have (reactions, edits, files, few answers in threads) is added in the shares of a workplace's chat.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use consign_bench_measure::Random;
use consign_mail::compose::{GroupInfo, GroupInput, MailEvent};
use consign_model::event::EventKind;
use consign_model::policy::AttachmentsSpec;
use consign_model::target::{ByteSize, Composing, Profile};
use consign_model::window::{Facts, Participant};
use consign_model::{Attachment, Chat, ChatKey, ChatKind, Digest, Event, Flags, Membership, Name, RunId, Timestamp, User, WindowKey};
use serde_json::Value;

/// Events of an e-mail.
pub const EVENTS: usize = 50;

/// Bytes of an attachment, and which share of the e-mails has one: one of so many.
const FILE: usize = 50_000;
const WITH_FILE: usize = 10;

/// A message, as it was written.
struct Said {
    id: String,
    at: Timestamp,
    user: String,
    text: String,
    thread: Option<String>,
}

/// The messages of a room, in order of time.
struct Room {
    id: String,
    title: String,
    said: Vec<Said>,
}

/// Everything of one e-mail.
pub struct Group {
    window: WindowKey,
    labels: BTreeMap<String, String>,
    facts: Arc<Facts>,
    events: Vec<(Event, Flags, Option<String>)>,
}

/// What the e-mails share.
pub struct Talk {
    pub groups: Vec<Group>,
    /// Where the texts are from.
    pub source: &'static str,
    pub file: Vec<u8>,
    pub target: Composing,
    tenant: Name,
    run: RunId,
    attachments: AttachmentsSpec,
}

impl Talk {
    /// So many e-mails.
    pub fn new(emails: usize) -> Self {
        let folder = std::env::var_os("CONSIGN_CORPORA");
        let real = folder.and_then(|folder| read(&Path::new(&folder).join("chat-real-30k.jsonl.gz"), emails));
        let source = if real.is_some() { "chat-real-30k" } else { "made-up texts" };
        let (rooms, names) = real.unwrap_or_else(|| made_up(emails));
        let mut random = Random(1);
        let file: Vec<u8> = (0..FILE).map(|_| random.bits().to_le_bytes()[0]).collect();
        let digest = Digest::of(&file);
        let policy = Name::from_static("fx-desk");
        let mut groups = Vec::new();
        'all: for room in &rooms {
            let mut from = 0;
            for chunk in room.said.chunks(EVENTS) {
                if groups.len() == emails {
                    break 'all;
                }
                if chunk.len() == EVENTS {
                    let with_file = (groups.len() % WITH_FILE == 0).then_some(digest);
                    groups.push(group(&mut random, &policy, room, from, chunk, &names, with_file));
                }
                from += EVENTS as u64;
            }
        }
        let target = Composing {
            from: "journal@corp.example".to_owned(),
            to: vec!["ingest@archive.example".to_owned()],
            subject: Profile::Plain.default_subject().to_owned(),
            headers: BTreeMap::from([("X-Desk".to_owned(), "{{ chat.labels.team }}".to_owned())]),
            // Large enough for all in one.
            max_size: ByteSize(256 << 20),
            profile: Profile::Plain,
            feed: Some("Consign".to_owned()),
            archive_id: None,
        };
        let run = RunId::new(&policy, 12);
        Self { groups, source, file, target, tenant: Name::from_static("acme"), run, attachments: AttachmentsSpec::All(true) }
    }

    /// Of one e-mail what composing reads.
    pub fn input<'a>(&'a self, group: &'a Group) -> GroupInput<'a> {
        let event = |((event, flags, previous), position): (&'a (Event, Flags, Option<String>), u64)| {
            let flags = event.own_flags().with(*flags);
            MailEvent { event, flags, previous: previous.as_deref(), position }
        };
        GroupInput {
            tenant: &self.tenant,
            run: &self.run,
            window: &group.window,
            window_to: group.window.from + group.events.len() as u64,
            window_end: Timestamp(1_767_700_000_000),
            group_index: 0,
            group: GroupInfo { key: &group.window.chat.id, title: None, subject: None, labels: &group.labels },
            facts: &group.facts,
            events: group.events.iter().zip(group.window.from..).map(event).collect(),
            files: &[],
            target: &self.target,
            attachments: &self.attachments,
            references: &[],
        }
    }

    /// All events of all e-mails as one e-mail's.
    pub fn in_one(&self) -> Option<Group> {
        let first = self.groups.first()?;
        let mut people: Vec<Participant> = self.groups.iter().flat_map(|group| group.facts.participants.iter().cloned()).collect();
        people.sort_by(|a, b| a.user.id.cmp(&b.user.id));
        people.dedup_by(|a, b| a.user.id == b.user.id);
        let facts = Facts { chat: first.facts.chat.clone(), participants: people };
        let mut events: Vec<_> = self.groups.iter().flat_map(|group| group.events.iter().cloned()).collect();
        events.sort_by_key(|(event, ..)| event.at);
        Some(Group { window: first.window.clone(), labels: BTreeMap::new(), facts: Arc::new(facts), events })
    }
}

fn group(random: &mut Random, policy: &Name, room: &Room, from: u64, said: &[Said], names: &HashMap<String, String>, file: Option<Digest>) -> Group {
    let key = ChatKey { source: Name::from_static("slack"), id: room.id.clone() };
    let mut facts = Facts { chat: Chat::new(key.clone(), ChatKind::Channel), participants: Vec::new() };
    facts.chat.title = Some(room.title.clone());
    facts.chat.labels.insert("team".to_owned(), "fx".to_owned());
    let mut events: Vec<(Event, Flags, Option<String>)> = said.iter().enumerate().map(|(index, one)| event(random, said, index, one)).collect();
    if let (Some(digest), Some((event, ..))) = (file, events.get_mut(EVENTS / 2)) {
        let (name, media_type) = ("Kurve März.pdf".to_owned(), "application/pdf".to_owned());
        event.attachments.push(Attachment { name, media_type, size: Some(FILE as u64), digest: Some(digest), url: None });
    }
    // Who speaks, and as many again who listen.
    let mut ids: Vec<&str> = events.iter().filter_map(|(event, ..)| event.user.as_deref()).collect();
    ids.sort_unstable();
    ids.dedup();
    let listeners: Vec<String> = (0..ids.len()).map(|number| format!("W{number:08}")).collect();
    ids.extend(listeners.iter().map(String::as_str));
    for (index, id) in ids.into_iter().enumerate() {
        let mut user = User::unknown(id);
        names.get(id).map_or("Somebody Else", String::as_str).clone_into(&mut user.name);
        user.email = Some(format!("{}@corp.example", id.to_lowercase()));
        let joined = (index % 3 == 0).then_some(Timestamp(1_500_000_000_000));
        facts.participants.push(Participant::new(user, vec![Membership { joined, left: None }]));
    }
    facts.participants.sort_by(|a, b| a.user.id.cmp(&b.user.id));
    Group { window: WindowKey::new(policy.clone(), key, from), labels: BTreeMap::new(), facts: Arc::new(facts), events }
}

/// Of a hundred: 84 messages, one in five of them an answer in a thread, 10 reactions, 4 edits, 1 deletion, 1 join.
fn event(random: &mut Random, said: &[Said], index: usize, one: &Said) -> (Event, Flags, Option<String>) {
    let earlier = said.get(random.below(index + 1)).map(|earlier| earlier.id.clone());
    let mut event = Event::new(EventKind::Message, one.id.clone(), one.at);
    event.user = Some(one.user.clone());
    one.text.clone_into(&mut event.text);
    let mut flags = Flags::default();
    let mut previous = None;
    let kind = match random.below(100) {
        0..84 => {
            event.thread = one.thread.clone().filter(|_| random.below(5) == 0);
            // A platform's own markup.
            event.original = (random.below(10) == 0).then(|| format!("{} <@{}>", one.text, one.user));
            flags = flags.with_if(Flags::EDITED, random.below(25) == 0).with_if(Flags::LATE, random.below(100) == 0);
            return (event, flags, previous);
        }
        84..94 => EventKind::Reaction,
        94..98 => EventKind::Edit,
        98 => EventKind::Delete,
        _ => EventKind::Join,
    };
    event.kind = kind;
    event.id = Event::derived_id(kind, &[&one.id], one.at);
    event.target = earlier.filter(|_| kind != EventKind::Join);
    match kind {
        EventKind::Reaction => "thumbsup".clone_into(&mut event.text),
        EventKind::Edit => previous = Some(one.text.chars().skip(1).collect()),
        _ => event.text.clear(),
    }
    (event, flags, previous)
}

/// The rooms of a file of events, and people's names: topics of one stream are one room, as they are on the platform that they are from.
/// No more is read than so many e-mails take.
fn read(path: &Path, emails: usize) -> Option<(Vec<Room>, HashMap<String, String>)> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).ok()?).read_to_string(&mut text).ok()?;
    let (mut rooms, mut room_of): (Vec<Room>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    let mut names = HashMap::new();
    for line in text.lines().take(emails.saturating_mul(EVENTS).saturating_mul(2)) {
        let line: Value = serde_json::from_str(line).ok()?;
        let of = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
        match line.get("type")?.as_str()? {
            "user" => {
                names.insert(of("id")?, of("name")?);
            }
            "chat" => {
                let title = of("title")?.split(" / ").next()?.to_owned();
                let place = rooms.iter().position(|room| room.title == title).unwrap_or_else(|| {
                    let id = of("id").unwrap_or_default();
                    rooms.push(Room { id, title, said: Vec::new() });
                    rooms.len() - 1
                });
                room_of.insert(of("id")?, place);
            }
            _ => {
                let said = Said { id: of("id")?, at: Timestamp::parse(&of("at")?).ok()?, user: of("user")?, text: of("text")?, thread: of("thread") };
                rooms.get_mut(*room_of.get(&of("chat")?)?)?.said.push(said);
            }
        }
    }
    for room in &mut rooms {
        room.said.sort_by_key(|said| said.at);
    }
    Some((rooms, names))
}

/// Texts of about the real ones' lengths: half of them short, a few very long, one in four with a character outside of ASCII.
fn made_up(emails: usize) -> (Vec<Room>, HashMap<String, String>) {
    const WORDS: [&str; 24] = [
        "the",
        "rate",
        "is",
        "fixed",
        "at",
        "noon",
        "please",
        "send",
        "me",
        "your",
        "levels",
        "before",
        "I",
        "don't",
        "know",
        "if",
        "that",
        "works",
        "& so",
        "x < y",
        "\"ok\"",
        "→",
        "Größe",
        "see\nbelow",
    ];
    let mut random = Random(7);
    let people = 200;
    let names = (0..people).map(|number| (format!("U{number:09}"), format!("Ann{number} Lee"))).collect();
    let said = (0..emails * EVENTS).map(|number| {
        let words = if random.below(20) == 0 { 40 + random.below(300) } else { 3 + random.below(40) };
        let mut text = String::new();
        for _ in 0..words {
            let most = if random.below(12) == 0 { WORDS.len() } else { 18 };
            text.push_str(WORDS[random.below(most)]);
            text.push(' ');
        }
        Said {
            id: format!("{}.{:06}", 1_767_600_000 + number * 20, number % 1_000_000),
            at: Timestamp(1_767_600_000_000 + i64::try_from(number).unwrap_or_default() * 20_345),
            user: format!("U{:09}", random.below(people)),
            text,
            thread: (number > 0).then(|| format!("{}.{:06}", 1_767_600_000 + (number - 1) * 20, (number - 1) % 1_000_000)),
        }
    });
    (vec![Room { id: "C024BE91L".to_owned(), title: "rates-desk".to_owned(), said: said.collect() }], names)
}
