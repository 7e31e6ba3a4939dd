//! The chats: those of a real conversation where there is one, else made-up ones of about its sizes.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_bench_measure::Random;
use consign_model::event::EventKind;
use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, ChatKind, Event, EventBatch, Membership, Name, Timestamp, User};
use serde_json::Value;

use crate::Fault;
use crate::definition::Definition;

/// People whose messages count: those who write most.
const LISTED: usize = 30;

/// A chat as the exporter has it before it asks its modules: facts, and columns of events.
pub struct Talk {
    pub facts: Arc<Facts>,
    pub batch: Arc<EventBatch>,
    /// The same with one message only, one that is asked for its text where there is one.
    pub short: Arc<EventBatch>,
}

/// All of them.
pub struct Talks {
    pub all: Vec<Talk>,
    /// Where the texts are from.
    pub source: &'static str,
}

impl Talks {
    /// The conversation, and the filter that is asked of it.
    pub fn read() -> Result<(Self, Definition), Fault> {
        let real = std::env::var_os("CONSIGN_CORPORA").map(|folder| PathBuf::from(folder).join("chat-real-30k.jsonl.gz"));
        let (source, (chats, users)) = match real {
            Some(file) => ("chat-real-30k", from_file(&file)?),
            None => ("MADE-UP TEXTS", made_up()),
        };
        let mut wrote = HashMap::<&str, usize>::new();
        for user in chats.iter().flat_map(|(_, events)| events).filter_map(|event| event.user.as_deref()) {
            *wrote.entry(user).or_default() += 1;
        }
        let mut busiest: Vec<(usize, &str)> = wrote.into_iter().map(|(user, count)| (count, user)).collect();
        busiest.sort_unstable_by(|one, other| other.cmp(one));
        let definition = Definition::new(busiest.iter().take(LISTED).map(|(_, user)| (*user).to_owned()).collect())?;
        let all = chats.iter().map(|(id, events)| Talk::new(id, events, &users, &definition)).collect();
        Ok((Self { all, source }, definition))
    }

    /// Whole chats, one after the other and again from the first, until they have so many messages.
    pub fn with_messages(&self, messages: usize) -> Vec<&Talk> {
        let (mut chats, mut so_far) = (Vec::new(), 0);
        while so_far < messages {
            let Some(talk) = self.all.get(chats.len() % self.all.len().max(1)) else { break };
            chats.push(talk);
            so_far += talk.batch.len();
        }
        chats
    }
}

impl Talk {
    fn new(id: &str, events: &[Event], users: &HashMap<String, User>, definition: &Definition) -> Self {
        let key = ChatKey { source: Name::from_static("bench"), id: id.to_owned() };
        let mut people: Vec<&str> = events.iter().filter_map(|event| event.user.as_deref()).collect();
        people.sort_unstable();
        people.dedup();
        let stay = || vec![Membership { joined: None, left: None }];
        let people = people.into_iter().map(|id| Participant::new(users.get(id).cloned().unwrap_or_else(|| User::unknown(id)), stay()));
        let facts = Facts { chat: Chat::new(key, ChatKind::Group), participants: people.collect() };
        let batch = EventBatch::from_events(0, events);
        let asked = (0..batch.len()).find(|row| definition.asks_for_text(&batch, *row)).unwrap_or_default();
        let short = EventBatch::from_events(0, events.get(asked));
        Self { facts: Arc::new(facts), batch: Arc::new(batch), short: Arc::new(short) }
    }
}

type Read = (Vec<(String, Vec<Event>)>, HashMap<String, User>);

fn from_file(path: &Path) -> Result<Read, Fault> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let (mut chats, mut users) = (Vec::<(String, Vec<Event>)>::new(), HashMap::new());
    let mut place = HashMap::<String, usize>::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)?;
        let of = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("a line has no {key}"));
        match of("type")?.as_str() {
            "user" => {
                let mut user = User::unknown(&of("id")?);
                (user.name, user.email) = (of("name")?, of("email").ok());
                users.insert(user.id.clone(), user);
            }
            "message" => {
                let mut event = Event::new(EventKind::Message, of("id")?, Timestamp::parse(&of("at")?)?);
                (event.user, event.text, event.thread) = (Some(of("user")?), of("text")?, of("thread").ok());
                let chat = of("chat")?;
                let place = *place.entry(chat.clone()).or_insert(chats.len());
                if place == chats.len() {
                    chats.push((chat, Vec::new()));
                }
                chats.get_mut(place).ok_or("a chat is not there")?.1.push(event);
            }
            _ => {}
        }
    }
    Ok((chats, users))
}

/// Chats of a few to a hundred messages, of about the real ones' lengths.
fn made_up() -> Read {
    const WORDS: [&str; 20] = [
        "the", "rate", "is", "fixed", "at", "noon", "please", "send", "me", "your", "levels", "before", "I", "don't", "know", "if", "Größe", "works",
        "x < y", "ok",
    ];
    let mut random = Random(7);
    let users = (0..800).map(|number| {
        let mut user = User::unknown(&format!("U{number:09}"));
        (user.name, user.email) = (format!("Ann{number} Lee"), Some(format!("ann{number}@corp.example")));
        (user.id.clone(), user)
    });
    let mut at = 1_520_000_000_000;
    let chats = (0..1_700).map(|chat| {
        let people: Vec<usize> = (0..=random.below(8)).map(|_| random.below(800) * random.below(800) / 800).collect();
        let length = 1 + random.below(35);
        let events = (0..length).map(|number| {
            at += 8_300_000;
            let mut event = Event::new(EventKind::Message, format!("{chat}-{number}"), Timestamp(at));
            event.user = Some(format!("U{:09}", people[random.below(people.len())]));
            let mut text: Vec<&str> = (0..5 + random.below(70)).map(|_| WORDS[random.below(WORDS.len())]).collect();
            if random.below(50) == 0 {
                text.push("Deadline");
            }
            event.text = text.join(" ");
            event
        });
        (format!("C{chat}"), events.collect())
    });
    (chats.collect(), users.collect())
}
