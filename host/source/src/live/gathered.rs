//! What a request says, kept until it is stored.

use std::io::Read;

use consign_model::source::Capture;
use consign_model::{Digest, Event, User};

use crate::intake::cost;
use crate::{ChatInfo, FileInfo, Sink, SinkError};

/// Bytes that anything but an event costs to hold, roughly.
const OTHER: usize = 512;

#[derive(Debug)]
enum Handed {
    User(User),
    Mentioned(User),
    Chat(ChatInfo),
    Captured(Capture),
    Events { chat: String, copy_of: Option<String>, events: Vec<Event> },
}

/// A sink that keeps all and can hand it over again, to whoever stores it. It takes no files: what comes in a request has none.
#[derive(Debug, Default)]
pub struct Gathered {
    handed: Vec<Handed>,
    events: usize,
    bytes: usize,
}

impl Gathered {
    /// How many events it holds.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Bytes that it takes in memory, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.handed.is_empty()
    }

    /// Hands all over, in the order in which it came. May be asked again, where the sink failed.
    pub fn hand_over(&self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.handed.iter().try_for_each(|one| match one {
            Handed::User(user) => sink.user(user.clone()),
            Handed::Mentioned(user) => sink.mentioned(user.clone()),
            Handed::Chat(chat) => sink.chat(chat.clone()),
            Handed::Captured(capture) => sink.captured(capture.clone()),
            Handed::Events { chat, copy_of, events } => sink.events(chat, copy_of.as_deref(), events.clone()),
        })
    }

    fn keep(&mut self, one: Handed, bytes: usize) {
        self.bytes += bytes;
        self.handed.push(one);
    }
}

impl Sink for Gathered {
    fn user(&mut self, user: User) -> Result<(), SinkError> {
        self.keep(Handed::User(user), OTHER);
        Ok(())
    }

    fn mentioned(&mut self, user: User) -> Result<(), SinkError> {
        self.keep(Handed::Mentioned(user), OTHER);
        Ok(())
    }

    fn chat(&mut self, chat: ChatInfo) -> Result<(), SinkError> {
        let members: usize = chat.members.iter().map(String::len).sum();
        self.keep(Handed::Chat(chat), OTHER + members);
        Ok(())
    }

    fn events(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SinkError> {
        self.events += events.len();
        let bytes = events.iter().map(cost).sum();
        self.keep(Handed::Events { chat: chat.to_owned(), copy_of: copy_of.map(str::to_owned), events }, bytes);
        Ok(())
    }

    fn captured(&mut self, capture: Capture) -> Result<(), SinkError> {
        self.keep(Handed::Captured(capture), OTHER);
        Ok(())
    }

    fn attachment(&mut self, _: FileInfo<'_>, _: &mut dyn Read) -> Result<(Digest, u64), SinkError> {
        Err("no file comes with a request".into())
    }
}
