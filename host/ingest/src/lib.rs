//! Joins source, archive and store on the way in: stores each event once and gives it its position.
//!
//! A piece of a chat's events becomes a segment; the segment is durable before its positions are committed, so nothing that the index names can be
//! missing. An import that dies half-way leaves segments that nothing names (harmless) and whatever was committed (whole); importing again stores the
//! rest, since every event that is there already is recognised by its identity.

mod piece;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use consign_archive::{ArchiveError, ArchiveWriter};
use consign_model::audit::ImportFigures;
use consign_model::id::Hasher;
use consign_model::source::{Capture, Edits};
use consign_model::{Author, Chat, ChatKey, Digest, Event, EventHash, EventKind, Member, Name, TenantId, Timestamp, User};
use consign_source::{ChatInfo, FileInfo, Format, Limits, Progress, Report, Sink, SinkError, SourceError};
use consign_store::{Arrival, Copies, SegmentRecord, SourceRecord, Store, StoreError};
use serde::Serialize;
use tokio::runtime::Handle;

pub use piece::Counts;
use piece::Fresh;

/// Arrivals committed together at most: they share a flush, and a crash loses at most this much of an import's work.
const ARRIVALS_AT_ONCE: usize = 256;
/// Events waiting to be committed at most, and their bytes: what bounds an import's memory, beside the source's own pieces.
const EVENTS_AT_ONCE: usize = 32_768;
const BYTES_AT_ONCE: usize = 64 << 20;
/// Users handed to the store at a time.
const USERS_AT_ONCE: usize = 1_000;

/// Why an import ended early. What was committed before stays; importing again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The export could not be read, or the archive or store failed while it was.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A part of this program stopped.
    #[error("a part of this program stopped unexpectedly ({0}): this is a fault in Consign; import again")]
    Stopped(String),
}

/// What an import did.
#[derive(Debug, Clone, Serialize)]
pub struct Imported {
    /// The source's name.
    pub source: Name,
    /// What the file was read as.
    pub format: &'static str,
    /// Events stored now, by kind.
    pub stored: BTreeMap<EventKind, u64>,
    /// Events that the archive had already, by kind.
    pub already_there: BTreeMap<EventKind, u64>,
    /// Messages that came again with another text, and were stored as edits.
    pub edits_found: u64,
    /// Copies in one user's export with another text than another's of the same message, stored beside it.
    pub differing_copies: u64,
    /// Files that arrived after their messages: an event for each message adds them, counted in `stored` as an edit.
    pub late_files: u64,
    /// Users who are new, or of whom something changed.
    pub users_changed: u64,
    /// What the source says: refusals, missing files, users without address.
    #[serde(flatten)]
    pub report: Report,
}

/// What an import needs of the rooms around it.
#[derive(Clone)]
pub struct Importer {
    /// Whose events these are.
    pub tenant: TenantId,
    /// The index.
    pub store: Arc<dyn Store>,
    /// The archive's writing half: ingest needs no private key.
    pub archive: ArchiveWriter,
    /// Who imports: whom the audit log names. It can sign, and opens nothing.
    pub author: Author,
}

impl Importer {
    /// Imports a file or folder.
    pub async fn import(
        &self,
        format: Format,
        path: &Path,
        source: &Name,
        progress: impl Fn(Progress) + Send + 'static,
    ) -> Result<Imported, IngestError> {
        let path = path.to_owned();
        self.take_in(format, source, &path.display().to_string(), move |sink| {
            consign_source::read(format, &path, &Limits::default(), sink, &progress)
        })
        .await
    }

    /// Imports JSON lines that are at hand. `name` stands for the file's in refusals; attachments are looked for in `folder`.
    pub async fn import_lines(&self, name: &str, lines: String, folder: Option<&Path>, source: &Name) -> Result<Imported, IngestError> {
        let (said, name, folder) = (name.to_owned(), name.to_owned(), folder.map(Path::to_owned));
        let read = move |sink: &mut dyn Sink| consign_source::read_lines(&name, &lines, folder.as_deref(), &Limits::default(), sink, &|_| {});
        self.take_in(Format::Jsonl, source, &said, read).await
    }

    async fn take_in(
        &self,
        format: Format,
        source: &Name,
        input: &str,
        read: impl FnOnce(&mut dyn Sink) -> Result<Report, SourceError> + Send + 'static,
    ) -> Result<Imported, IngestError> {
        let (importer, source, input, runtime) = (self.clone(), source.clone(), input.to_owned(), Handle::current());
        let record = SourceRecord {
            name: source.clone(),
            format: format.word().to_owned(),
            created_at: Timestamp::now(),
            ways: BTreeMap::from([(format.word().to_owned(), format.capabilities())]),
        };
        let reading = tokio::task::spawn_blocking(move || {
            let mut intake = Intake::new(&importer, &runtime, Begin { record, input }, format.capabilities().edits);
            let read = read(&mut intake).map_err(IngestError::from).and_then(|report| intake.finish().map(|()| report));
            intake.leave(read.as_ref().ok())?;
            let report = read?;
            Ok::<_, IngestError>(Imported {
                source,
                format: format.word(),
                stored: intake.counts.stored,
                already_there: intake.counts.already_there,
                edits_found: intake.counts.edits_found,
                differing_copies: intake.counts.differing_copies,
                late_files: intake.counts.late_files,
                users_changed: intake.users_changed,
                report,
            })
        });
        reading.await.map_err(|error| IngestError::Stopped(error.to_string()))?
    }
}

/// What an import is entered under, until it is.
struct Begin {
    record: SourceRecord,
    input: String,
}

/// The sink of one import.
struct Intake<'a> {
    importer: &'a Importer,
    runtime: &'a Handle,
    begin: Option<Begin>,
    source: Name,
    /// What the format tells of edits.
    edits: Edits,
    /// SHA-256 of the files of events that are stored.
    files: Hasher,
    users: Vec<User>,
    /// Of whom only events tell.
    mentioned: Vec<User>,
    users_changed: u64,
    captures: Vec<Capture>,
    /// What the export said of chats whose next arrival is to carry it.
    told: HashMap<String, ChatInfo>,
    waiting: Vec<Waiting>,
    waiting_events: usize,
    waiting_bytes: usize,
    counts: Counts,
}

/// A piece of a chat that waits to be stored with others.
struct Waiting {
    chat: ChatKey,
    info: Option<ChatInfo>,
    /// In whose own export these stand.
    copy_of: Option<String>,
    events: Vec<Event>,
}

impl<'a> Intake<'a> {
    fn new(importer: &'a Importer, runtime: &'a Handle, begin: Begin, edits: Edits) -> Self {
        Self {
            importer,
            runtime,
            source: begin.record.name.clone(),
            begin: Some(begin),
            edits,
            files: Hasher::default(),
            users: Vec::new(),
            mentioned: Vec::new(),
            users_changed: 0,
            captures: Vec::new(),
            told: HashMap::new(),
            waiting: Vec::new(),
            waiting_events: 0,
            waiting_bytes: 0,
            counts: Counts::default(),
        }
    }

    fn finish(&mut self) -> Result<(), IngestError> {
        // Two arrivals of one chat in one commit would both begin at the same position.
        self.store_waiting()?;
        // Chats without events are chats all the same: their members may have arrived first.
        let told = std::mem::take(&mut self.told);
        for (id, info) in told {
            let chat = ChatKey { source: self.source.clone(), id };
            self.waiting.push(Waiting { chat, info: Some(info), copy_of: None, events: Vec::new() });
            if self.waiting.len() >= ARRIVALS_AT_ONCE {
                self.store_waiting()?;
            }
        }
        self.store_waiting()?;
        self.put_users()
    }

    fn put_users(&mut self) -> Result<(), IngestError> {
        self.register()?;
        let Importer { tenant, store, .. } = self.importer;
        let captures = std::mem::take(&mut self.captures);
        if !captures.is_empty() {
            self.runtime.block_on(store.put_captures(tenant, &self.source, &captures))?;
        }
        let (mut users, mentioned) = (std::mem::take(&mut self.users), std::mem::take(&mut self.mentioned));
        if !mentioned.is_empty() {
            // A list says more than a message: what it said is not taken back by an export without one.
            let ids: Vec<String> = mentioned.iter().map(|user| user.id.clone()).collect();
            let known = self.runtime.block_on(store.users(tenant, &self.source, &ids))?;
            let listed: HashSet<String> = users.iter().map(|user| user.id.clone()).collect();
            let news = mentioned.into_iter().zip(known).filter(|(user, known)| known.is_none() && !listed.contains(&user.id));
            users.extend(news.map(|(user, _)| user));
        }
        if !users.is_empty() {
            self.users_changed += self.runtime.block_on(store.put_users(tenant, &self.source, &users))?;
        }
        Ok(())
    }

    fn register(&mut self) -> Result<(), StoreError> {
        match self.begin.take() {
            None => Ok(()),
            Some(Begin { record, input }) => {
                let Importer { tenant, store, author, .. } = self.importer;
                self.runtime.block_on(store.begin_import(tenant, &record, &input, author))
            }
        }
    }

    /// Enters in the audit log how it ended, where it had begun to store. `report`: of an import that came to its end.
    fn leave(&mut self, report: Option<&Report>) -> Result<(), StoreError> {
        if self.begin.is_some() {
            return Ok(());
        }
        let figures = ImportFigures {
            complete: report.is_some(),
            stored: self.counts.stored.values().sum(),
            already_there: self.counts.already_there.values().sum(),
            refused: report.map_or(0, |report| report.refused),
            files: std::mem::take(&mut self.files).finish(),
        };
        let Importer { tenant, store, author, .. } = self.importer;
        match self.runtime.block_on(store.end_import(tenant, &self.source, &figures, author)) {
            // What it failed by says more.
            Err(error) if report.is_none() => {
                tracing::warn!(%error, "the end of the import could not be entered in the audit log");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Stores what waits: segments side by side, then one commit of them all.
    fn store_waiting(&mut self) -> Result<(), IngestError> {
        // Users first: a window must not be frozen without the name of somebody who wrote in it.
        self.put_users()?;
        (self.waiting_events, self.waiting_bytes) = (0, 0);
        let waiting = std::mem::take(&mut self.waiting);
        let (importer, edits) = (self.importer, self.edits);
        self.runtime.block_on(async {
            use futures::{StreamExt, TryStreamExt};
            let mut waiting: Vec<Option<Waiting>> = waiting.into_iter().map(Some).collect();
            // Somebody else may import into the same chat: then what was prepared does not fit any more, and is prepared anew.
            loop {
                let prepared: Vec<(Option<Arrival>, Counts)> =
                    futures::stream::iter(waiting.iter().flatten()).map(|one| prepare(importer, one, edits)).buffered(AT_ONCE).try_collect().await?;
                let arrivals: Vec<Arrival> = prepared.iter().filter_map(|(arrival, _)| arrival.clone()).collect();
                if !arrivals.is_empty() {
                    match importer.store.commit(&importer.tenant, &arrivals).await {
                        Ok(_) => {}
                        Err(StoreError::Conflict { .. }) => continue,
                        Err(error) => return Err(error.into()),
                    }
                    for segment in arrivals.iter().flat_map(|arrival| &arrival.segments) {
                        self.files.update(&segment.digest.0);
                    }
                }
                for (_, counts) in prepared {
                    self.counts.add(&counts);
                }
                waiting.clear();
                return Ok(());
            }
        })
    }
}

/// Segments made at once: encrypting is work for processors, and there are two or more.
const AT_ONCE: usize = 8;

/// What a piece adds to the archive: its new events as a segment that is durable, and what is newly known of chat and members.
async fn prepare(importer: &Importer, waiting: &Waiting, edits: Edits) -> Result<(Option<Arrival>, Counts), IngestError> {
    let Importer { tenant, store, archive, .. } = importer;
    let known = store.chat(tenant, &waiting.chat).await?;
    let hashes: Vec<_> = waiting.events.iter().map(|event| event.identity().hash).collect();
    let contents = store.known_events(tenant, &waiting.chat, &hashes).await?;
    let files: Vec<_> = waiting.events.iter().flat_map(Event::files).map(|(_, identity)| identity.hash).collect();
    let known_files = if files.is_empty() { Vec::new() } else { store.known_events(tenant, &waiting.chat, &files).await? };
    let files = files.into_iter().zip(known_files).filter(|(_, known)| known.is_some()).map(|(file, _)| file).collect();
    let changed = piece::found_edits(&waiting.events, &contents, edits, waiting.copy_of.is_some());
    let edit_hashes: Vec<_> = changed.iter().map(|event| event.identity().hash).collect();
    let edit_contents = if changed.is_empty() { Vec::new() } else { store.known_events(tenant, &waiting.chat, &edit_hashes).await? };
    let Fresh { events: fresh, identities, counts } = piece::fresh(&waiting.events, &contents, files, changed, &edit_contents);

    let before = known.clone();
    let mut chat = known.unwrap_or_else(|| Chat::new(waiting.chat.clone(), consign_model::ChatKind::Other));
    let expected_events = chat.events;
    if let Some(info) = &waiting.info {
        piece::tell(&mut chat, info);
    }
    let members = new_members(importer, waiting, &fresh).await?;
    let copies = new_copies(importer, waiting, &hashes).await?;
    let mut segments = Vec::new();
    if !fresh.is_empty() {
        let batch = consign_model::EventBatch::from_events(chat.events, &fresh);
        let stored = archive.put_segment(&waiting.chat, &batch).await?;
        let times = || fresh.iter().map(|event| event.at);
        let (first_at, last_at) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        let events = u32::try_from(fresh.len()).map_err(|_| IngestError::Stopped("a piece of more than 4,294,967,295 events".to_owned()))?;
        segments.push(SegmentRecord { first: chat.events, events, path: stored.path, digest: stored.digest, first_at, last_at, arrival: 0 });
        chat.events += u64::from(events);
        chat.first_at = Some(chat.first_at.map_or(first_at, |at| at.min(first_at)));
        chat.last_at = Some(chat.last_at.map_or(last_at, |at| at.max(last_at)));
    }
    if segments.is_empty() && members.is_empty() && copies.is_empty() && before.as_ref() == Some(&chat) {
        return Ok((None, counts));
    }
    Ok((Some(Arrival { chat, expected_events, segments, members, identities, copies }), counts))
}

/// In whose own export the piece was seen, where it was not before. Of messages as they stand in it, which may be others than what is stored of them.
async fn new_copies(importer: &Importer, waiting: &Waiting, hashes: &[EventHash]) -> Result<Vec<Copies>, IngestError> {
    let Some(user) = &waiting.copy_of else { return Ok(Vec::new()) };
    let known = importer.store.copies(&importer.tenant, &waiting.chat, Some(user)).await?;
    let known: HashSet<EventHash> = known.into_iter().flat_map(|copies| copies.events).collect();
    let events: BTreeSet<EventHash> = hashes.iter().copied().filter(|hash| !known.contains(hash)).collect();
    Ok(if events.is_empty() { Vec::new() } else { vec![Copies { user: user.clone(), events: events.into_iter().collect() }] })
}

/// What these events and the export's own list say of members, where it is new.
async fn new_members(importer: &Importer, waiting: &Waiting, fresh: &[Event]) -> Result<Vec<Member>, IngestError> {
    let told = piece::members(waiting.info.as_ref(), waiting.copy_of.as_deref(), fresh);
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let known = importer.store.members(&importer.tenant, &waiting.chat).await?;
    let known: HashMap<&str, &Member> = known.iter().map(|member| (member.user.as_str(), member)).collect();
    let is_new = |member: &Member| known.get(member.user.as_str()).is_none_or(|known| (*known).clone().merge(member));
    Ok(told.into_iter().filter(is_new).collect())
}

impl Sink for Intake<'_> {
    fn user(&mut self, user: User) -> Result<(), SinkError> {
        self.users.push(user);
        if self.users.len() >= USERS_AT_ONCE { Ok(self.put_users()?) } else { Ok(()) }
    }

    fn mentioned(&mut self, user: User) -> Result<(), SinkError> {
        self.mentioned.push(user);
        if self.mentioned.len() >= USERS_AT_ONCE { Ok(self.put_users()?) } else { Ok(()) }
    }

    fn chat(&mut self, chat: ChatInfo) -> Result<(), SinkError> {
        match self.told.get_mut(&chat.id) {
            None => {
                self.told.insert(chat.id.clone(), chat);
            }
            Some(told) => {
                told.kind = chat.kind.or(told.kind);
                told.title = chat.title.or(told.title.take());
                told.labels.extend(chat.labels);
                told.members.extend(chat.members);
            }
        }
        Ok(())
    }

    fn captured(&mut self, capture: Capture) -> Result<(), SinkError> {
        self.captures.push(capture);
        if self.captures.len() >= USERS_AT_ONCE { Ok(self.put_users()?) } else { Ok(()) }
    }

    fn events(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SinkError> {
        let key = ChatKey { source: self.source.clone(), id: chat.to_owned() };
        // Two pieces of one chat in one commit would both begin at the same position.
        let bytes: usize = events.iter().map(Event::text_bytes).sum();
        let full = self.waiting.len() >= ARRIVALS_AT_ONCE || self.waiting_events >= EVENTS_AT_ONCE || self.waiting_bytes + bytes > BYTES_AT_ONCE;
        if full || self.waiting.iter().any(|one| one.chat == key) {
            self.store_waiting()?;
        }
        self.waiting_events += events.len();
        self.waiting_bytes += bytes;
        self.waiting.push(Waiting { chat: key, info: self.told.remove(chat), copy_of: copy_of.map(str::to_owned), events });
        Ok(())
    }

    fn attachment(&mut self, _: FileInfo<'_>, bytes: &mut dyn Read) -> Result<(Digest, u64), SinkError> {
        Ok(self.importer.archive.put_attachment_blocking(self.runtime, bytes)?)
    }
}
