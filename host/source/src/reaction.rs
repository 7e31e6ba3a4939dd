//! Reactions where a platform keeps them inside the message: who reacted with what, and no time.

use consign_model::{Event, EventKind};

/// Who reacted with what. Thousands may have, and each becomes an event of its own: made when it is handed over, not before.
#[derive(Debug)]
pub struct Reaction {
    pub name: String,
    /// The emoji's id, where several may have one name.
    pub emoji: Option<String>,
    pub users: Vec<String>,
}

impl Reaction {
    /// One event for each user, at the message's time, since the platform gives none.
    pub fn events(self, message: &Event) -> impl Iterator<Item = Event> + use<> {
        let (target, at, thread) = (message.id.clone(), message.at, message.thread.clone());
        self.users.into_iter().map(move |user| {
            let mut parts = vec![target.as_str(), &user, &self.name];
            parts.extend(self.emoji.as_deref());
            let mut event = Event::new(EventKind::Reaction, Event::derived_id(EventKind::Reaction, &parts, at), at);
            event.user = Some(user);
            event.text.clone_from(&self.name);
            event.target = Some(target.clone());
            event.thread.clone_from(&thread);
            event
        })
    }
}
