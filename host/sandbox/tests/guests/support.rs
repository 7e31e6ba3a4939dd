//! Chats, batches and sandboxes for tests.

use std::sync::Arc;
use std::time::Duration;

use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, ChatKind, Event, EventBatch, EventKind, Membership, Timestamp, User};
use consign_sandbox::{BatchView, Bound, ChatContext, CriteriaSession, Decision, Failure, Group, Limits, Module, Placement, Sandbox, SandboxConfig};
use serde_json::Value;

pub fn sandbox(limits: Limits) -> Sandbox {
    Sandbox::new(SandboxConfig { limits, ..SandboxConfig::default() }).unwrap()
}

/// Of a standard module, as it lies in `guest-filters/dist`.
pub fn standard_bytes(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../guest-filters/dist/std/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; build it by guest-filters/build-dist", path.display()))
}

pub fn standard(name: &str) -> Module {
    sandbox(Limits::default()).load(&standard_bytes(name)).unwrap()
}

/// With all that it needs approved.
pub fn bind(module: &Module, config: &Value) -> Bound {
    module.bind(config, &module.manifest().needs).unwrap()
}

pub fn user(id: &str) -> User {
    User { email: Some(format!("{id}@desk.example")), ..User::unknown(id) }
}

pub fn stay(joined: Option<i64>, left: Option<i64>) -> Membership {
    Membership { joined: joined.map(Timestamp), left: left.map(Timestamp) }
}

pub fn participant(user: User, memberships: &[Membership]) -> Participant {
    Participant::new(user, memberships.to_vec())
}

pub fn chat_of(participants: Vec<Participant>) -> ChatFacts {
    let mut chat = Chat::new(ChatKey { source: "slack".parse().unwrap(), id: "C1".into() }, ChatKind::Channel);
    chat.title = Some("rates-desk".into());
    chat.labels.insert("team".into(), "fx".into());
    ChatFacts(Facts { chat, participants })
}

/// A chat's facts on the way to a context.
pub struct ChatFacts(pub Facts);

impl ChatFacts {
    pub fn context(self) -> Arc<ChatContext> {
        Arc::new(ChatContext::new(Arc::new(self.0), 10, None, Timestamp::parse("2026-02-01T00:00:00Z").unwrap()))
    }
}

pub fn chat() -> Arc<ChatContext> {
    let everybody = ["ann", "bob"].map(|id| participant(user(id), &[stay(None, None)]));
    chat_of(everybody.into()).context()
}

pub fn message(id: &str, at: i64, from: &str, text: &str) -> Event {
    let mut event = Event::new(EventKind::Message, id, Timestamp(at));
    event.user = Some(from.to_owned());
    event.text.push_str(text);
    event
}

pub fn view(chat: &ChatContext, events: &[Event]) -> Arc<BatchView> {
    let batch = Arc::new(EventBatch::from_events(0, events));
    let flags = batch.flags.clone();
    Arc::new(chat.view(batch, flags).unwrap())
}

/// A batch of messages with these texts, a second apart.
pub fn texts(chat: &ChatContext, texts: &[&str]) -> Arc<BatchView> {
    let events: Vec<Event> =
        texts.iter().enumerate().map(|(i, text)| message(&format!("m{i}"), i64::try_from(i).unwrap() * 1000, "ann", text)).collect();
    view(chat, &events)
}

/// Verdicts on one batch, by a session of its own.
pub fn verdicts(bound: &Bound, chat: &Arc<ChatContext>, events: &Arc<BatchView>) -> Result<Vec<u8>, Failure> {
    let mut session = begun(bound, chat);
    session.evaluate(events)
}

pub fn begun(bound: &Bound, chat: &Arc<ChatContext>) -> CriteriaSession {
    let mut session = bound.criteria(chat.clone()).unwrap();
    assert_eq!(session.begin().unwrap(), Decision::Inspect);
    session
}

pub fn decide(bound: &Bound, chat: &Arc<ChatContext>) -> Decision {
    bound.criteria(chat.clone()).unwrap().begin().unwrap()
}

/// Placements of batches, and the groups.
pub fn place(bound: &Bound, chat: &Arc<ChatContext>, batches: &[Arc<BatchView>]) -> Result<(Vec<Placement>, Vec<Group>), Failure> {
    let mut session = bound.grouping(chat.clone()).unwrap();
    session.begin()?;
    let placements = batches.iter().map(|batch| session.place(batch)).collect::<Result<_, _>>()?;
    Ok((placements, session.finish()?))
}

/// The rules' codes, and "keep" for 0.
pub fn codes<'a>(module: &'a Module, verdicts: &[u8]) -> Vec<&'a str> {
    let code = |verdict: &u8| verdict.checked_sub(1).map_or("keep", |rule| module.manifest().rules[usize::from(rule)].code.as_str());
    verdicts.iter().map(code).collect()
}

pub fn brief(call: u64, chat: u64) -> Limits {
    Limits { call_time: Duration::from_millis(call), chat_time: Duration::from_millis(chat), ..Limits::default() }
}

/// splitmix64: enough for a test, and no dependency. Prints its seed; `CONSIGN_SEED` sets it.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_nanos()));
        let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
        println!("CONSIGN_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % end
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
