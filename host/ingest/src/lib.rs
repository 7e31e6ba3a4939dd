//! Joins source, archive and store on the way in: stores each event once and gives it its position.
//!
//! A piece of a chat's events becomes a segment, or a part of an arrival file ([`files`]); that is durable before its positions are committed, so nothing that the index names can be
//! missing. An import that dies half-way leaves files that nothing names (harmless) and whatever was committed (whole); importing again stores the
//! rest, since every event that is there already is recognised by its identity.
//!
//! Files that events name by an address alone are listed with them, and fetched later ([`fetch`]).
//!
//! What arrives by itself ([`receive`]), and what is asked for ([`pull`]), goes the same way, several requests in one commit: a batch of each, so that each
//! hears what became of its own.

mod commit;
pub mod fetch;
mod files;
mod piece;
pub mod pull;
pub mod receive;

use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use consign_archive::{ArchiveError, ArchiveWriter};
use consign_model::audit::ImportFigures;
use consign_model::id::Hasher;
use consign_model::quota::Reached;
use consign_model::source::{Capture, Edits};
use consign_model::{Author, ChatKey, Digest, Event, EventKind, Name, TenantId, Timestamp, User};
use consign_source::live::Gathered;
use consign_source::{ChatInfo, FileInfo, Format, Limits, Progress, Report, Sink, SinkError, SourceError};
use consign_store::{SourceRecord, Store, StoreError};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use piece::Counts;

use crate::commit::{Piece, Stored, Waiting};

/// Arrivals committed together at most: they share a flush, and a crash loses at most this much of an import's work.
const ARRIVALS_AT_ONCE: usize = 512;
/// Events waiting to be committed at most, and their bytes: what bounds an import's memory, beside as much that is being stored and the source's own pieces.
const EVENTS_AT_ONCE: usize = 16_384;
const BYTES_AT_ONCE: usize = 32 << 20;
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
    /// The tenant has as much in the archive as it may. What is stored stays, and the same again stores the rest once there is room.
    #[error(
        "{0}: nothing more is taken in. What was stored before stays; when the quota is raised ('consign tenant quota') or events have gone ('consign retention'), the same again stores the rest"
    )]
    Full(Reached),
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

    /// Refused where the tenant has as much in the archive as it may. Costs next to nothing.
    pub async fn has_room(&self) -> Result<(), IngestError> {
        match self.store.quotas(&self.tenant).await?.limits.stored_bytes {
            Some(limit) if self.archive.stored_bytes() >= limit => Err(IngestError::Full(Reached::StoredBytes(limit))),
            Some(_) | None => Ok(()),
        }
    }

    /// The same for what may be much, of which the first is worth going through all files that are there.
    async fn has_room_for_much(&self) -> Result<(), IngestError> {
        if self.store.quotas(&self.tenant).await?.limits.stored_bytes.is_some() {
            self.archive.stored_or_seen().await?;
        }
        self.has_room().await
    }

    #[tracing::instrument(name = "import", skip_all, fields(tenant = %self.tenant, source = %source, format = format.word(), stored))]
    async fn take_in(
        &self,
        format: Format,
        source: &Name,
        input: &str,
        read: impl FnOnce(&mut dyn Sink) -> Result<Report, SourceError> + Send + 'static,
    ) -> Result<Imported, IngestError> {
        let (importer, source, input, runtime) = (self.clone(), source.clone(), input.to_owned(), Handle::current());
        self.has_room_for_much().await?;
        let record = SourceRecord::new(source.clone(), format.word(), format.capabilities());
        let reading = tokio::task::spawn_blocking(move || {
            let _use = importer.archive.begin_use();
            let mut intake = Intake::new(&importer, &runtime, Some(Begin { record, input }), Files::new());
            intake.may_be_much = true;
            intake.turn_to(&source, format.capabilities().edits);
            let read = read(&mut intake).map_err(IngestError::from).and_then(|report| intake.finish().map(|()| report));
            // Of an import that failed, too, nothing may be stored after its end was told.
            let settled = intake.settle();
            let read = read.and_then(|report| settled.map(|()| report));
            intake.leave(&source, read.as_ref().ok())?;
            let report = read?;
            let counts = intake.counts.pop().unwrap_or_default();
            Ok::<_, IngestError>(Imported {
                source,
                format: format.word(),
                stored: counts.stored,
                already_there: counts.already_there,
                edits_found: counts.edits_found,
                differing_copies: counts.differing_copies,
                late_files: counts.late_files,
                users_changed: intake.users_changed,
                report,
            })
        });
        reading.await.map_err(|error| IngestError::Stopped(error.to_string()))?
    }

    /// Stores some batches, each of one source, in as few commits as they fit in: what became of each, in their order. All is durable when this returns; of
    /// what fails nothing is said, though a part may be stored, and the same batch again stores the rest. Where there is no room none of them is begun, and one that is begun is stored to its
    /// end. The imports are not entered in the audit log here.
    async fn store_together(&self, batches: Vec<(Name, Edits, Arc<Gathered>)>, files: Files) -> (Files, Result<Vec<Counts>, IngestError>) {
        if let Err(full) = self.has_room().await {
            return (files, Err(full));
        }
        let (importer, runtime) = (self.clone(), Handle::current());
        let storing = tokio::task::spawn_blocking(move || {
            let _use = importer.archive.begin_use();
            let mut intake = Intake::new(&importer, &runtime, None, files);
            let stored = batches.iter().try_for_each(|(source, edits, gathered)| {
                intake.turn_to(source, *edits);
                gathered.hand_over(&mut intake).map_err(|error| IngestError::Source(SourceError::Sink(error)))
            });
            let stored = stored.and_then(|()| intake.finish());
            let settled = intake.settle();
            let stored = stored.and(settled);
            (std::mem::take(&mut intake.files), stored.map(|()| intake.counts))
        });
        storing.await.unwrap_or_else(|error| (Files::new(), Err(IngestError::Stopped(error.to_string()))))
    }
}

/// What an import is entered under, until it is.
struct Begin {
    record: SourceRecord,
    input: String,
}

/// SHA-256 of the files of events that were stored, by source.
type Files = BTreeMap<Name, Hasher>;

/// The sink of one import, or of some batches that are stored together.
struct Intake<'a> {
    importer: &'a Importer,
    runtime: &'a Handle,
    begin: Option<Begin>,
    /// Whether it is looked for room between two commits: else it is stored to its end.
    may_be_much: bool,
    /// Whose events come now, and what is told of edits there.
    source: Option<(Name, Edits)>,
    files: Files,
    users: BTreeMap<Name, Users>,
    users_waiting: usize,
    users_changed: u64,
    captures: BTreeMap<Name, Vec<Capture>>,
    /// What the export said of chats whose next arrival is to carry it.
    told: HashMap<ChatKey, ChatInfo>,
    waiting: Vec<Waiting>,
    /// Where each chat stands in `waiting`.
    places: HashMap<ChatKey, usize>,
    waiting_events: usize,
    waiting_bytes: usize,
    /// Of each batch, in the order in which they came.
    counts: Vec<Counts>,
    /// What is being stored while more is read: one commit at most, for each looks up what those before it brought.
    storing: Option<JoinHandle<Result<Stored, IngestError>>>,
}

/// Users of a source that wait to be stored.
#[derive(Default)]
struct Users {
    listed: Vec<User>,
    /// Of whom only events tell.
    mentioned: Vec<User>,
}

impl<'a> Intake<'a> {
    fn new(importer: &'a Importer, runtime: &'a Handle, begin: Option<Begin>, files: Files) -> Self {
        Self {
            importer,
            runtime,
            begin,
            may_be_much: false,
            source: None,
            files,
            users: BTreeMap::new(),
            users_waiting: 0,
            users_changed: 0,
            captures: BTreeMap::new(),
            told: HashMap::new(),
            waiting: Vec::new(),
            places: HashMap::new(),
            waiting_events: 0,
            waiting_bytes: 0,
            counts: Vec::new(),
            storing: None,
        }
    }

    /// Begins the next batch. What comes from now on is of this source.
    fn turn_to(&mut self, source: &Name, edits: Edits) {
        self.source = Some((source.clone(), edits));
        self.counts.push(Counts::default());
    }

    fn source(&self) -> Result<Name, IngestError> {
        let source = self.source.as_ref().map(|(source, _)| source.clone());
        source.ok_or_else(|| IngestError::Stopped("events of no source".to_owned()))
    }

    fn finish(&mut self) -> Result<(), IngestError> {
        // Two arrivals of one chat in one commit would both begin at the same position.
        self.store_waiting()?;
        // Chats without events are chats all the same: their members may have arrived first.
        let told = std::mem::take(&mut self.told);
        for (chat, info) in told {
            self.waiting.push(Waiting { chat, info: Some(info), pieces: Vec::new() });
            if self.waiting.len() >= ARRIVALS_AT_ONCE {
                self.store_waiting()?;
            }
        }
        self.store_waiting()?;
        self.settle()?;
        self.put_users()?;
        // Last: that somebody's export was read says that what it holds is there.
        let Importer { tenant, store, .. } = self.importer;
        for (source, captures) in std::mem::take(&mut self.captures) {
            // Of a user whose times are told once each request else would add its own.
            let known = self.runtime.block_on(store.captures(tenant, &source))?;
            let news = piece::new_captures(&known, captures);
            if !news.is_empty() {
                self.runtime.block_on(store.put_captures(tenant, &source, &news))?;
            }
        }
        Ok(())
    }

    fn put_users(&mut self) -> Result<(), IngestError> {
        self.register()?;
        self.users_waiting = 0;
        let Importer { tenant, store, .. } = self.importer;
        for (source, Users { listed: mut users, mentioned }) in std::mem::take(&mut self.users) {
            if !mentioned.is_empty() {
                // A list says more than a message: what it said is not taken back by an export without one.
                let ids: Vec<String> = mentioned.iter().map(|user| user.id.clone()).collect();
                let known = self.runtime.block_on(store.users(tenant, &source, &ids))?;
                let listed: HashSet<String> = users.iter().map(|user| user.id.clone()).collect();
                let news = mentioned.into_iter().zip(known).filter(|(user, known)| known.is_none() && !listed.contains(&user.id));
                users.extend(news.map(|(user, _)| user));
            }
            if !users.is_empty() {
                self.users_changed += self.runtime.block_on(store.put_users(tenant, &source, &users, Timestamp::now()))?;
            }
        }
        Ok(())
    }

    fn wait_for_more_users(&mut self) -> Result<(), IngestError> {
        self.users_waiting += 1;
        if self.users_waiting >= USERS_AT_ONCE { self.put_users() } else { Ok(()) }
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
    fn leave(&mut self, source: &Name, report: Option<&Report>) -> Result<(), StoreError> {
        if self.begin.is_some() {
            return Ok(());
        }
        let sum = |by_kind: fn(&Counts) -> &BTreeMap<EventKind, u64>| self.counts.iter().flat_map(|counts| by_kind(counts).values()).sum();
        let figures = ImportFigures {
            complete: report.is_some(),
            stored: sum(|counts| &counts.stored),
            already_there: sum(|counts| &counts.already_there),
            refused: report.map_or(0, |report| report.refused),
            files: self.files.remove(source).unwrap_or_default().finish(),
        };
        let Importer { tenant, store, author, .. } = self.importer;
        match self.runtime.block_on(store.end_import(tenant, source, &figures, author)) {
            // What it failed by says more.
            Err(error) if report.is_none() => {
                tracing::warn!(%error, "the end of the import could not be entered in the audit log");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Begins to store what waits, while more is read; what was being stored before is stored when this returns.
    fn store_waiting(&mut self) -> Result<(), IngestError> {
        // Users first: a window must not be frozen without the name of somebody who wrote in it.
        self.put_users()?;
        self.settle()?;
        if self.may_be_much && self.waiting.iter().any(|one| !one.pieces.is_empty()) {
            self.runtime.block_on(self.importer.has_room())?;
        }
        (self.waiting_events, self.waiting_bytes) = (0, 0);
        self.places.clear();
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.storing = Some(self.runtime.spawn(commit::store(self.importer.clone(), waiting)));
        }
        Ok(())
    }

    /// Waits until nothing is being stored any more.
    fn settle(&mut self) -> Result<(), IngestError> {
        let Some(storing) = self.storing.take() else { return Ok(()) };
        let Stored { counts, files } = self.runtime.block_on(storing).map_err(|error| IngestError::Stopped(error.to_string()))??;
        for (batch, counts) in counts {
            if let Some(of_batch) = self.counts.get_mut(batch) {
                of_batch.add(&counts);
            }
        }
        for (source, digest) in files {
            self.files.entry(source).or_default().update(&digest.0);
        }
        Ok(())
    }
}

impl Sink for Intake<'_> {
    fn user(&mut self, user: User) -> Result<(), SinkError> {
        self.users.entry(self.source()?).or_default().listed.push(user);
        Ok(self.wait_for_more_users()?)
    }

    fn mentioned(&mut self, user: User) -> Result<(), SinkError> {
        self.users.entry(self.source()?).or_default().mentioned.push(user);
        Ok(self.wait_for_more_users()?)
    }

    fn chat(&mut self, chat: ChatInfo) -> Result<(), SinkError> {
        match self.told.entry(ChatKey { source: self.source()?, id: chat.id.clone() }) {
            hash_map::Entry::Vacant(place) => drop(place.insert(chat)),
            hash_map::Entry::Occupied(mut told) => add(told.get_mut(), chat),
        }
        Ok(())
    }

    fn events(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SinkError> {
        let key = ChatKey { source: self.source()?, id: chat.to_owned() };
        let batch = self.counts.len().saturating_sub(1);
        let bytes: usize = events.iter().map(Event::text_bytes).sum();
        let full = self.waiting.len() >= ARRIVALS_AT_ONCE || self.waiting_events >= EVENTS_AT_ONCE || self.waiting_bytes + bytes > BYTES_AT_ONCE;
        // Two arrivals of one chat in one commit would both begin at the same position, so what is to be stored with another batch's is added to it. Of one
        // batch a piece is a segment.
        let edits = self.source.as_ref().map_or(Edits::All, |(_, edits)| *edits);
        let piece = Piece { batch, edits, copy_of: copy_of.map(str::to_owned), events };
        let is_next = |of: &Piece| of.batch == batch && of.copy_of == piece.copy_of;
        let there = self.places.get(&key).and_then(|place| self.waiting.get(*place));
        if full || there.is_some_and(|one| one.pieces.iter().any(is_next)) {
            self.store_waiting()?;
        }
        self.waiting_events += piece.events.len();
        self.waiting_bytes += bytes;
        let info = self.told.remove(&key);
        match self.places.get(&key).and_then(|place| self.waiting.get_mut(*place)) {
            None => {
                self.places.insert(key.clone(), self.waiting.len());
                self.waiting.push(Waiting { chat: key, info, pieces: vec![piece] });
            }
            Some(waiting) => {
                match (&mut waiting.info, info) {
                    (Some(told), Some(more)) => add(told, more),
                    (told, more) => *told = told.take().or(more),
                }
                waiting.pieces.push(piece);
            }
        }
        Ok(())
    }

    fn captured(&mut self, capture: Capture) -> Result<(), SinkError> {
        self.captures.entry(self.source()?).or_default().push(capture);
        Ok(())
    }

    fn attachment(&mut self, _: FileInfo<'_>, bytes: &mut dyn Read) -> Result<(Digest, u64), SinkError> {
        Ok(self.importer.archive.put_attachment_blocking(self.runtime, bytes)?)
    }
}

/// Adds what an export says of a chat to what it said before.
fn add(told: &mut ChatInfo, chat: ChatInfo) {
    told.kind = chat.kind.or(told.kind);
    told.title = chat.title.or(told.title.take());
    told.labels.extend(chat.labels);
    told.members.extend(chat.members);
}
