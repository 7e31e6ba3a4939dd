//! What is new in a piece of a chat's events. Pure functions, so that the rules of "the same event" and "an edit that nobody told" can be tested alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use consign_model::{Chat, Digest, Event, EventKind, Member, Move, MoveKind};
use consign_source::ChatInfo;

/// Events of an import by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored now, by kind.
    pub stored: BTreeMap<EventKind, u64>,
    /// There already, by kind.
    pub already_there: BTreeMap<EventKind, u64>,
    /// Messages that came again with another text, and were stored as edits.
    pub edits_found: u64,
}

impl Counts {
    /// Adds another piece's.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.stored {
            *self.stored.entry(*kind).or_default() += count;
        }
        for (kind, count) in &other.already_there {
            *self.already_there.entry(*kind).or_default() += count;
        }
        self.edits_found += other.edits_found;
    }
}

/// Messages that the archive (`contents`), or this very piece, has with another text: each as the edit that the platform did not tell.
///
/// When it was edited nobody knows, so the edit has the message's time. Its id holds the new text's digest: the same text again is the same edit.
pub fn found_edits(events: &[Event], contents: &[Option<[u8; 8]>]) -> Vec<Event> {
    let mut seen = HashMap::new();
    let mut edits = Vec::new();
    for (event, content) in events.iter().zip(contents) {
        if !matches!(event.kind, EventKind::Message | EventKind::Edit) {
            continue;
        }
        let identity = event.identity();
        let first = *seen.entry(identity.hash).or_insert_with(|| content.unwrap_or(identity.content));
        if first != identity.content {
            let target = if event.kind == EventKind::Message { Some(event.id.clone()) } else { event.target.clone() };
            let id = format!("edit:{}:{}", event.id, Digest::of(event.original.as_deref().unwrap_or(&event.text).as_bytes()).short());
            edits.push(Event { kind: EventKind::Edit, id, target, attachments: Vec::new(), ..event.clone() });
        }
    }
    edits
}

/// The events of a piece that are new, sorted by time and then by the platform's own order (which its ids keep where times are equal), and the counts.
pub fn fresh(events: &[Event], contents: &[Option<[u8; 8]>], edits: Vec<Event>, edit_contents: &[Option<[u8; 8]>]) -> (Vec<Event>, Counts) {
    let mut counts = Counts::default();
    let mut seen = HashSet::new();
    let mut fresh = Vec::new();
    let edits_hashes: HashSet<_> = edits.iter().map(|edit| edit.target.clone()).collect();
    for (event, content) in events.iter().zip(contents) {
        if content.is_none() && seen.insert(event.identity().hash) {
            *counts.stored.entry(event.kind).or_default() += 1;
            fresh.push(event.clone());
        } else if !edits_hashes.contains(&Some(event.id.clone())) {
            *counts.already_there.entry(event.kind).or_default() += 1;
        }
    }
    for (edit, content) in edits.into_iter().zip(edit_contents) {
        if content.is_none() && seen.insert(edit.identity().hash) {
            *counts.stored.entry(EventKind::Edit).or_default() += 1;
            counts.edits_found += 1;
            fresh.push(edit);
        } else {
            *counts.already_there.entry(EventKind::Edit).or_default() += 1;
        }
    }
    fresh.sort_by_key(|event| event.at);
    (fresh, counts)
}

/// Takes in what an export says of a chat. What it does not say stays as it was.
pub fn tell(chat: &mut Chat, info: &ChatInfo) {
    if let Some(kind) = info.kind {
        chat.kind = kind;
    }
    if info.title.is_some() {
        chat.title.clone_from(&info.title);
    }
    chat.labels.extend(info.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
}

/// What an export's list and these events say of members, one for each user, by id.
pub fn members(info: Option<&ChatInfo>, events: &[Event]) -> Vec<Member> {
    let mut members: BTreeMap<&str, Member> = BTreeMap::new();
    for user in info.into_iter().flat_map(|info| &info.members) {
        members.entry(user).or_insert_with(|| Member::new(user)).listed = true;
    }
    for event in events {
        let Some(user) = event.user.as_deref() else { continue };
        let member = members.entry(user).or_insert_with(|| Member::new(user));
        let kind = match event.kind {
            EventKind::Join => MoveKind::Join,
            EventKind::Leave => MoveKind::Leave,
            EventKind::Message | EventKind::Edit | EventKind::Delete | EventKind::Reaction | EventKind::Other => {
                member.active = true;
                continue;
            }
        };
        let one = Move { at: event.at, order: event.id.clone(), kind };
        if let Err(place) = member.moves.binary_search(&one) {
            member.moves.insert(place, one);
        }
    }
    members.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_model::Timestamp;

    fn message(id: &str, text: &str) -> Event {
        let mut event = Event::new(EventKind::Message, id, Timestamp(5));
        event.user = Some("U1".into());
        text.clone_into(&mut event.text);
        event
    }

    fn content(event: &Event) -> [u8; 8] {
        event.identity().content
    }

    #[test]
    fn the_same_event_is_stored_once() {
        let events = [message("m1", "a"), message("m1", "a"), message("m2", "b")];
        let contents = [None, None, Some(content(&events[2]))];
        let edits = found_edits(&events, &contents);
        assert_eq!(edits, []);
        let (fresh, counts) = fresh(&events, &contents, edits, &[]);
        assert_eq!(fresh, [message("m1", "a")]);
        assert_eq!(counts.stored, BTreeMap::from([(EventKind::Message, 1)]));
        assert_eq!(counts.already_there, BTreeMap::from([(EventKind::Message, 2)]));
    }

    #[test]
    fn another_text_is_an_edit_and_only_once() {
        let events = [message("m1", "new")];
        let contents = [Some(content(&message("m1", "old")))];
        let edits = found_edits(&events, &contents);
        assert_eq!(edits.len(), 1);
        let (stored, counts) = fresh(&events, &contents, edits.clone(), &[None]);
        assert_eq!((stored.len(), counts.edits_found), (1, 1));
        assert_eq!(stored.first().map(|edit| (edit.kind, edit.target.as_deref())), Some((EventKind::Edit, Some("m1"))));
        let (again, counts) = fresh(&events, &contents, edits.clone(), &[edits.first().map(content)]);
        assert_eq!((again.len(), counts.edits_found), (0, 0));
    }

    #[test]
    fn a_renamed_user_edits_nothing() {
        let said = |name: &str| Event { original: Some("hi <@U2>".to_owned()), ..message("m1", name) };
        let contents = [Some(content(&said("hi @Ann")))];
        assert_eq!(found_edits(&[said("hi @Ann Lee")], &contents), []);
    }

    #[test]
    fn two_joins_in_one_millisecond_are_two_members() {
        let join = |user: &str| {
            let mut event = Event::new(EventKind::Join, format!("join:{user}"), Timestamp(5));
            event.user = Some(user.to_owned());
            event
        };
        let members = members(None, &[join("A"), join("B")]);
        assert_eq!(members.iter().map(|member| (member.user.as_str(), member.moves.len())).collect::<Vec<_>>(), [("A", 1), ("B", 1)]);
    }
}
