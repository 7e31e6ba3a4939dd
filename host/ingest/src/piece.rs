//! What is new in a piece of a chat's events. Pure functions, so that the rules of "the same event" and "an edit that nobody told" can be tested alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use consign_model::source::{Capture, Edits};
use consign_model::{Chat, Event, EventHash, EventIdentity, EventKind, Flags, Member, Move, MoveKind, Timestamp};
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
    /// Copies in one user's export that differ from another's, and were stored beside it.
    pub differing_copies: u64,
    /// Files of messages that were there already without them; each message's were stored as an event of their own.
    pub late_files: u64,
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
        self.differing_copies += other.differing_copies;
        self.late_files += other.late_files;
    }
}

/// Messages that the archive (`contents`), or this very piece, has with another text: each as the edit that the platform did not tell.
///
/// Of two users' copies of one version neither is the right one: the later to arrive has an id that says so.
///
/// System events are told again with another text too: what a program for preventing leaks found in a message grows while people answer it, in one user's copy before
/// another's. Each such text is kept as a system event of its own; there copies differ by when they were made and not by whose they are.
///
/// Where the source tells the newest edit beside the message (`Edits::Newest`), an edited message with another text is no news, and neither is one whose text
/// was taken away by its deletion.
pub fn found_edits(events: &[Event], contents: &[Option<[u8; 8]>], told: Edits, is_copy: bool) -> Vec<Event> {
    let mut seen = HashMap::new();
    let mut edits = Vec::new();
    for (event, content) in events.iter().zip(contents) {
        if !matches!(event.kind, EventKind::Message | EventKind::Edit | EventKind::Other) {
            continue;
        }
        let identity = event.identity();
        let first = *seen.entry(identity.hash).or_insert_with(|| content.unwrap_or(identity.content));
        let is_told = (told == Edits::Newest && event.flags.has(Flags::EDITED)) || (event.flags.has(Flags::DELETED) && event.text.is_empty());
        if first != identity.content && !is_told {
            edits.push(if is_copy && event.kind != EventKind::Other { event.differing_copy() } else { event.found_edit() });
        }
    }
    edits
}

/// What a piece adds.
#[derive(Debug, Default)]
pub struct Fresh {
    /// The events, sorted by time and then by the platform's own order (which its ids keep where times are equal).
    pub events: Vec<Event>,
    /// Of these events, and of the files that hang on them: what must not be new again.
    pub identities: Vec<EventIdentity>,
    /// Missing files of events that were there already, which came now.
    pub found: Vec<EventHash>,
    /// What became of all events of the piece.
    pub counts: Counts,
}

/// What of a piece is new. `files` are those of its files that the archive has on their very event, and those that its event has under their names without
/// bytes ([`Event::named`]). Of an event that is there already, files that are not come as an event of their own, with their bytes or as such that are missing (an
/// edit may have added them); a file that was there and is missing now is no news, since what is stored stays.
pub fn fresh(
    events: &[Event],
    contents: &[Option<[u8; 8]>],
    files: HashSet<EventHash>,
    edits: Vec<Event>,
    edit_contents: &[Option<[u8; 8]>],
) -> Fresh {
    let mut fresh = Fresh::default();
    let counts = &mut fresh.counts;
    let (mut seen, mut seen_files) = (HashSet::new(), files);
    let mut late = Vec::new();
    let edited: HashSet<_> = edits.iter().filter(|edit| edit.kind == EventKind::Edit).map(|edit| edit.target.clone()).collect();
    let retold: HashSet<_> = edits.iter().filter(|edit| edit.kind == EventKind::Other).map(|edit| edit.id.clone()).collect();
    for (event, content) in events.iter().zip(contents) {
        let (new, identities): (Vec<_>, Vec<_>) =
            event.files().filter(|(_, file)| seen_files.insert(file.hash)).map(|(file, identity)| (file.clone(), identity)).unzip();
        fresh.identities.extend(identities);
        let named: Vec<_> = event.named().filter(|(_, name)| seen_files.insert(*name)).collect();
        fresh.identities.extend(named.iter().map(|(_, name)| EventIdentity { hash: *name, content: [0; 8] }));
        if content.is_none() && seen.insert(event.identity().hash) {
            *counts.stored.entry(event.kind).or_default() += 1;
            fresh.events.push(event.clone());
            continue;
        }
        let is_changed =
            if event.kind == EventKind::Other { retold.contains(&event.found_edit().id) } else { edited.contains(&Some(event.id.clone())) };
        if !is_changed {
            *counts.already_there.entry(event.kind).or_default() += 1;
        }
        let missing = named.into_iter().map(|(file, _)| file).filter(|file| file.digest.is_none()).cloned();
        let added: Vec<_> = new.iter().cloned().chain(missing).collect();
        if !added.is_empty() {
            counts.late_files += new.len() as u64;
            fresh.found.extend(event.found());
            late.push(event.late_files(added));
        }
    }
    for (edit, content) in edits.into_iter().zip(edit_contents) {
        if content.is_none() && seen.insert(edit.identity().hash) {
            *counts.stored.entry(edit.kind).or_default() += 1;
            if edit.differs() {
                counts.differing_copies += 1;
            } else {
                counts.edits_found += 1;
            }
            fresh.events.push(edit);
        } else {
            *counts.already_there.entry(edit.kind).or_default() += 1;
        }
    }
    // After the edits: where the text changed too, it is the new one that the files come with.
    for event in late {
        // What is fetched for it comes with it once more.
        let names = event.named().filter(|(_, name)| seen_files.insert(*name));
        fresh.identities.extend(names.map(|(_, name)| EventIdentity { hash: name, content: [0; 8] }));
        *counts.stored.entry(event.kind).or_default() += 1;
        fresh.events.push(event);
    }
    fresh.identities.extend(fresh.events.iter().map(Event::identity));
    fresh.events.sort_by_key(|event| event.at);
    fresh
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

/// Times of one user that are kept. A user whose copies come one by one, and for which times nobody tells, has one for each; beyond this coverage says that less was captured
/// than was. The copies themselves are kept all the same.
const MOST_TIMES: usize = 5_000;

/// Those of these captures that say more than any of the known ones, or than one of them before.
pub fn new_captures(known: &[Capture], told: Vec<Capture>) -> Vec<Capture> {
    let mut of_users: HashMap<String, Vec<Capture>> = HashMap::new();
    let users: HashSet<&str> = told.iter().map(|one| one.user.as_str()).collect();
    for one in known.iter().filter(|one| users.contains(one.user.as_str())) {
        of_users.entry(one.user.clone()).or_default().push(one.clone());
    }
    let mut news = Vec::new();
    for one in told {
        let before = of_users.entry(one.user.clone()).or_default();
        if before.len() < MOST_TIMES && !before.iter().any(|known| known.holds(&one)) {
            before.push(one.clone());
            news.push(one);
        }
    }
    news
}

/// What an export's list and these events say of members, one for each user, by id.
///
/// `copies`: whose exports they stand in, with the first and the last time of each: these users were there then, or would not have them.
pub fn members<'a>(info: Option<&'a ChatInfo>, copies: &[(&'a str, Timestamp, Timestamp)], events: &'a [Event]) -> Vec<Member> {
    let mut members: BTreeMap<&str, Member> = BTreeMap::new();
    for (user, first, last) in copies {
        let seen = Member { seen: Some((*first, *last)), ..Member::new(user) };
        members.entry(user).or_insert_with(|| Member::new(user)).merge(&seen);
    }
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
                if matches!(event.kind, EventKind::Message | EventKind::Reaction) {
                    member.acted_at = Some(member.acted_at.map_or(event.at, |first| first.min(event.at)));
                }
                continue;
            }
        };
        let one = Move { at: event.at, order: event.move_order().to_owned(), kind };
        if let Err(place) = member.moves.binary_search(&one) {
            member.moves.insert(place, one);
        }
    }
    members.into_values().collect()
}

#[cfg(test)]
mod tests;
