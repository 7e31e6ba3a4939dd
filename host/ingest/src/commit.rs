//! Stores what waits: looks up what of it is new, puts that into files, and commits all of it at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use consign_model::source::Edits;
use consign_model::{Chat, ChatKey, Digest, Event, EventBatch, EventHash, Member, Name, Timestamp, WantedFile, WantedKey, WantedState};
use consign_source::ChatInfo;
use consign_store::{Arrival, Copies, SegmentRecord, StoreError};

use crate::piece::{self, Counts, Fresh};
use crate::{Importer, IngestError, files};

/// Events of a chat that wait to be stored with others.
pub struct Waiting {
    pub chat: ChatKey,
    pub info: Option<ChatInfo>,
    /// Of each batch and user one.
    pub pieces: Vec<Piece>,
}

/// Some events of a chat that came together.
pub struct Piece {
    pub batch: usize,
    pub edits: Edits,
    /// In whose own export these stand.
    pub copy_of: Option<String>,
    pub events: Vec<Event>,
}

/// What became of some events that were stored together.
pub struct Stored {
    /// By batch.
    pub counts: Vec<(usize, Counts)>,
    /// The files in which those of a source lie, each once.
    pub files: Vec<(Name, Digest)>,
}

/// Stores events of chats: files side by side, then one commit of them all.
pub async fn store(importer: Importer, mut waiting: Vec<Waiting>) -> Result<Stored, IngestError> {
    use futures::{StreamExt, TryStreamExt};
    let importer = &importer;
    // As the index lists them, so that whoever goes through it finds neighbours in one file.
    waiting.sort_by(|one, other| one.chat.cmp(&other.chat));
    // Somebody else may import into the same chat: then what was prepared does not fit any more, and is prepared anew.
    loop {
        let lookups: Vec<_> = waiting.iter().map(|one| prepare(importer, one)).collect();
        let prepared: Vec<Prepared> = futures::stream::iter(lookups).buffered(AT_ONCE).try_collect().await?;
        let (arrivals, counts): (Vec<_>, Vec<_>) = prepared.into_iter().map(|one| (one.arrival, one.counts)).unzip();
        let arrivals = with_files(importer, arrivals.into_iter().flatten().collect()).await?;
        let mut files = Vec::new();
        if !arrivals.is_empty() {
            match importer.store.commit(&importer.tenant, &arrivals).await {
                Ok(_) => {}
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            let mut told = HashSet::new();
            let segments = arrivals.iter().flat_map(|one| one.segments.iter().map(|segment| (&one.chat.key.source, segment.digest)));
            files.extend(segments.filter(|file| told.insert(*file)).map(|(source, digest)| (source.clone(), digest)));
        }
        return Ok(Stored { counts: counts.into_iter().flatten().collect(), files });
    }
}

/// Chats looked up at once.
const AT_ONCE: usize = 8;

/// What the pieces of a chat come to.
struct Prepared {
    /// Unset where they bring nothing. Its events have no file yet.
    arrival: Option<(Arrival, Option<New>)>,
    /// What became of their events, by batch.
    counts: Vec<(usize, Counts)>,
}

/// New events of a chat, in order.
struct New {
    batch: EventBatch,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// Stores the events of arrivals, durably, and puts into each where they lie.
async fn with_files(importer: &Importer, prepared: Vec<(Arrival, Option<New>)>) -> Result<Vec<Arrival>, IngestError> {
    let (mut arrivals, mut segments, mut news) = (Vec::with_capacity(prepared.len()), Vec::new(), Vec::new());
    for (arrival, new) in prepared {
        if let Some(New { batch, first_at, last_at }) = new {
            let events = u32::try_from(batch.len()).map_err(|_| IngestError::Stopped("a piece of more than 4,294,967,295 events".to_owned()))?;
            let (first, chat) = (batch.first, arrival.chat.key.clone());
            let segment = move |files::Place { path, digest, row }| SegmentRecord {
                first,
                events,
                path,
                digest,
                row,
                first_at,
                last_at,
                arrival: 0,
                gone: None,
                also_in: None,
            };
            segments.push((arrivals.len(), segment));
            news.push((chat, batch));
        }
        arrivals.push(arrival);
    }
    let places = files::put(&importer.archive, news).await?;
    for ((index, segment), place) in segments.into_iter().zip(places) {
        if let Some(arrival) = arrivals.get_mut(index) {
            arrival.segments.push(segment(place));
        }
    }
    Ok(arrivals)
}

/// What pieces of a chat add to the archive: their new events, and what is newly known of chat and members.
async fn prepare(importer: &Importer, waiting: &Waiting) -> Result<Prepared, IngestError> {
    let Importer { tenant, store, .. } = importer;
    let known = store.chat(tenant, &waiting.chat).await?;
    let mut counts = Vec::new();
    let (mut fresh, mut identities, mut found) = (Vec::new(), Vec::new(), Vec::new());
    // What the pieces before bring: for the next ones it is there already.
    let mut brought: HashMap<EventHash, [u8; 8]> = HashMap::new();
    for piece in &waiting.pieces {
        let news = news(importer, &waiting.chat, piece, &brought).await?;
        counts.push((piece.batch, news.counts));
        brought.extend(news.identities.iter().map(|identity| (identity.hash, identity.content)));
        fresh.extend(news.events);
        identities.extend(news.identities);
        found.extend(news.found);
    }
    fresh.sort_by_key(|event: &Event| event.at);

    let before = known.clone();
    let mut chat = known.unwrap_or_else(|| Chat::new(waiting.chat.clone(), consign_model::ChatKind::Other));
    let expected_events = chat.events;
    if let Some(info) = &waiting.info {
        piece::tell(&mut chat, info);
    }
    let members = new_members(importer, waiting, &fresh).await?;
    let copies = new_copies(importer, waiting).await?;
    let wanted = wanted(&chat, &fresh);
    let mut new = None;
    if !fresh.is_empty() {
        let batch = EventBatch::from_events(chat.events, &fresh);
        let times = || fresh.iter().map(|event| event.at);
        let (first_at, last_at) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        chat.events += fresh.len() as u64;
        chat.first_at = Some(chat.first_at.map_or(first_at, |at| at.min(first_at)));
        chat.last_at = Some(chat.last_at.map_or(last_at, |at| at.max(last_at)));
        new = Some(New { batch, first_at, last_at });
    }
    if new.is_none() && members.is_empty() && copies.is_empty() && before.as_ref() == Some(&chat) {
        return Ok(Prepared { arrival: None, counts });
    }
    let arrival = Arrival { chat, expected_events, segments: Vec::new(), members, identities, copies, wanted, found };
    Ok(Prepared { arrival: Some((arrival, new)), counts })
}

/// The files of these events, which come next in the chat, that are missing and have an address: in the same commit as the events, so that none is forgotten.
fn wanted(chat: &Chat, fresh: &[Event]) -> Vec<WantedFile> {
    let state = WantedState::new(Timestamp::now());
    let of_event = |(position, event): (u64, &Event)| {
        let key = |file| WantedKey { chat: chat.key.clone(), file };
        event.wanted().map(|(place, file)| WantedFile { key: key(file), position, place, state }).collect::<Vec<_>>()
    };
    (chat.events..).zip(fresh).flat_map(of_event).collect()
}

/// What of a piece is new: neither in the archive nor `brought` by a piece before it.
async fn news(importer: &Importer, chat: &ChatKey, piece: &Piece, brought: &HashMap<EventHash, [u8; 8]>) -> Result<Fresh, IngestError> {
    let events = &piece.events;
    let contents = known(importer, chat, events.iter().map(|event| event.identity().hash).collect(), brought).await?;
    let with_bytes = events.iter().flat_map(Event::files).map(|(_, identity)| identity.hash);
    let files: Vec<_> = with_bytes.chain(events.iter().flat_map(Event::named).map(|(_, name)| name)).collect();
    let known_files = known(importer, chat, files.clone(), brought).await?;
    let files = files.into_iter().zip(known_files).filter(|(_, known)| known.is_some()).map(|(file, _)| file).collect();
    let changed = piece::found_edits(events, &contents, piece.edits, piece.copy_of.is_some());
    let edit_contents = known(importer, chat, changed.iter().map(|event| event.identity().hash).collect(), brought).await?;
    Ok(piece::fresh(events, &contents, files, changed, &edit_contents))
}

/// The contents of those of these events or files that are there.
async fn known(
    importer: &Importer,
    chat: &ChatKey,
    hashes: Vec<EventHash>,
    brought: &HashMap<EventHash, [u8; 8]>,
) -> Result<Vec<Option<[u8; 8]>>, IngestError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let there = importer.store.known_events(&importer.tenant, chat, &hashes).await?;
    Ok(there.into_iter().zip(&hashes).map(|(there, hash)| there.or_else(|| brought.get(hash).copied())).collect())
}

/// In whose own exports the pieces were seen, where they were not before. Of messages as they stand there, which may be others than what is stored of them.
async fn new_copies(importer: &Importer, waiting: &Waiting) -> Result<Vec<Copies>, IngestError> {
    let mut seen: BTreeMap<&str, BTreeSet<EventHash>> = BTreeMap::new();
    for piece in &waiting.pieces {
        if let Some(user) = &piece.copy_of {
            seen.entry(user).or_default().extend(piece.events.iter().map(|event| event.identity().hash));
        }
    }
    let mut copies = Vec::new();
    for (user, mut events) in seen {
        for known in importer.store.copies(&importer.tenant, &waiting.chat, Some(user)).await? {
            // Sorted, as the store has them.
            events.retain(|hash| known.events.binary_search(hash).is_err());
        }
        if !events.is_empty() {
            copies.push(Copies { user: user.to_owned(), events: events.into_iter().collect() });
        }
    }
    Ok(copies)
}

/// What these events and the export's own list say of members, where it is new.
async fn new_members(importer: &Importer, waiting: &Waiting, fresh: &[Event]) -> Result<Vec<Member>, IngestError> {
    let times = |piece: &Piece| (piece.events.iter().map(|event| event.at).min(), piece.events.iter().map(|event| event.at).max());
    let copies = waiting.pieces.iter().filter_map(|piece| match (piece.copy_of.as_deref(), times(piece)) {
        (Some(user), (Some(first), Some(last))) => Some((user, first, last)),
        _ => None,
    });
    let told = piece::members(waiting.info.as_ref(), &copies.collect::<Vec<_>>(), fresh);
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let known = importer.store.members(&importer.tenant, &waiting.chat).await?;
    let known: HashMap<&str, &Member> = known.iter().map(|member| (member.user.as_str(), member)).collect();
    let is_new = |member: &Member| known.get(member.user.as_str()).is_none_or(|known| (*known).clone().merge(member));
    Ok(told.into_iter().filter(is_new).collect())
}
