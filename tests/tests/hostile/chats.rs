//! Chats and batches that guests are shown.

use std::sync::Arc;

use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, ChatKind, Event, EventBatch, EventKind, Membership, Timestamp, User};
use consign_sandbox::{BatchView, ChatContext};

/// What no guest may get hold of, and nothing of the host's may hold in clear.
pub const SECRET: &str = "secret: sell it before noon";

/// A chat of two people: one who was always there, and one who came after the first two seconds.
pub fn chat(id: &str) -> Arc<ChatContext> {
    let mut chat = Chat::new(ChatKey { source: "slack".parse().unwrap(), id: id.to_owned() }, ChatKind::Channel);
    chat.title = Some("rates-desk".to_owned());
    chat.labels.insert("team".to_owned(), "fx".to_owned());
    let participant = |id: &str, joined: Option<i64>| {
        let user = User { email: Some(format!("{id}@desk.example")), ..User::unknown(id) };
        Participant::new(user, vec![Membership { joined: joined.map(Timestamp), left: None }])
    };
    let facts = Facts { chat, participants: vec![participant("ann", None), participant("bob", Some(2_000))] };
    Arc::new(ChatContext::new(Arc::new(facts), 8, None, Timestamp::parse("2026-02-01T00:00:00.345Z").unwrap()))
}

/// Messages with these texts, a second apart.
pub fn messages(chat: &ChatContext, texts: &[String]) -> Arc<BatchView> {
    let events = texts.iter().enumerate().map(|(number, text)| {
        let mut event = Event::new(EventKind::Message, format!("m{number}"), Timestamp(i64::try_from(number).unwrap() * 1_000));
        event.user = Some("ann".to_owned());
        event.thread = Some("m0".to_owned());
        event.text.push_str(text);
        event
    });
    let batch = Arc::new(EventBatch::from_events(0, &events.collect::<Vec<_>>()));
    let flags = batch.flags.clone();
    Arc::new(chat.view(batch, flags).unwrap())
}

/// What each guest is shown of a chat: five events, and three.
pub fn batches(chat: &ChatContext) -> [Arc<BatchView>; 2] {
    let texts = |count: usize| vec![SECRET.to_owned(); count];
    [messages(chat, &texts(5)), messages(chat, &texts(3))]
}
