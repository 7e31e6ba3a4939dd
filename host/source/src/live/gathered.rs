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
    File { name: String, media_type: String, digest: Digest, bytes: Vec<u8> },
    Events { chat: String, copy_of: Option<String>, events: Vec<Event> },
}

/// A sink that keeps all and can hand it over again, to whoever stores it. A file is one that stood in a message: no larger than its request.
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
            Handed::File { name, media_type, digest, bytes } => {
                let info = FileInfo { name, media_type, size: Some(bytes.len() as u64) };
                match sink.attachment(info, &mut bytes.as_slice())? {
                    (stored, _) if stored == *digest => Ok(()),
                    // Its event names it by that.
                    _ => Err("a file was stored under another digest than it has".into()),
                }
            }
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

    fn attachment(&mut self, file: FileInfo<'_>, reader: &mut dyn Read) -> Result<(Digest, u64), SinkError> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        let (digest, size) = (Digest::of(&bytes), bytes.len());
        self.keep(Handed::File { name: file.name.to_owned(), media_type: file.media_type.to_owned(), digest, bytes }, OTHER + size);
        Ok((digest, size as u64))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::Limits;
    use crate::live::Arrived;

    #[test]
    fn a_file_in_a_message_comes_before_it() {
        let json = r#"{"id":"1","chatId":"19:c@thread.v2","createdDateTime":"2026-01-05T08:00:01.393Z","body":{"contentType":"text","content":"x"},
            "hostedContents":[{"id":"h","contentBytes":"b25l","contentType":"image/png"}]}"#;
        let arrived = Arrived::by(&Limits::default(), |mut intake| {
            crate::teams::take_one(json, &mut intake)?.unwrap();
            Ok(intake.report)
        });
        let mut again = Gathered::default();
        arrived.unwrap().gathered.hand_over(&mut again).unwrap();
        let place = |which: fn(&Handed) -> bool| again.handed.iter().position(which).unwrap();
        let file = place(|one| matches!(one, Handed::File { bytes, digest, .. } if bytes == b"one" && *digest == Digest::of(b"one")));
        let events = place(|one| matches!(one, Handed::Events { events, .. } if events[0].attachments[0].digest == Some(Digest::of(b"one"))));
        assert!(file < events);
    }
}
