//! What a pull keeps: pages into archive and store, then how far it came; and its figures.
//!
//! Several users are asked at once. Two commits to one chat at a time would be refused, so one of them stores, and takes along what the others have brought by
//! then: one commit, and one segment a chat, for all of them. Each waits until its own page is durable, and keeps its cursor after that.
//!
//! In the audit log a pull is an import. It is entered with the first page that has events, so one that finds nothing leaves no entry, however often it is made.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex as Short, PoisonError};

use consign_model::audit::ImportFigures;
use consign_model::source::Edits;
use consign_model::{Name, Timestamp};
use consign_source::Report;
use consign_source::live::{Arrived, Gathered, Live};
use consign_store::{PullCursor, SourceRecord, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, oneshot};

use super::{Begin, Fault, Passed, Pulled};
use crate::{Counts, Files, Importer, IngestError};

/// The cursor of the pull itself: no user's, team's or conversation's.
const MADE: &str = "pull";
/// Refusals that are listed one by one.
const LISTED: usize = 1_000;
/// Different notes that are kept.
const MOST_NOTES: usize = 200;

/// Keeps what one pull brings.
pub(super) struct Keeper {
    importer: Importer,
    way: Live,
    input: String,
    cursors: Short<HashMap<String, String>>,
    waiting: Short<Vec<Waiting>>,
    /// Held while something is stored.
    storing: Mutex<Storing>,
    pulled: Short<Pulled>,
    source: Name,
}

/// What waits to be stored, each of a batch's events under its source and what is told of edits there.
type Batches = Vec<(Name, Edits, Arc<Gathered>)>;

/// What one of those who are asked brought.
struct Waiting {
    batches: Batches,
    /// Goes without an answer where it could not be stored.
    stored: oneshot::Sender<()>,
}

struct Storing {
    /// Whether the import is entered in the audit log.
    is_begun: bool,
    /// Whether the store knows that something comes this way.
    is_known: bool,
    files: Files,
    counts: Counts,
}

/// When the last pull of a source began that was not stopped; unset where there was none.
pub(super) async fn last_made(importer: &Importer, source: &Name) -> Result<Option<Timestamp>, StoreError> {
    let cursors = importer.store.pull_cursors(&importer.tenant, source).await?;
    Ok(cursors.into_iter().find(|cursor| cursor.of == MADE).map(|cursor| cursor.at))
}

impl Keeper {
    pub async fn open(importer: Importer, source: Name, way: Live, input: String, from: Begin) -> Result<Self, IngestError> {
        let Importer { tenant, store, .. } = &importer;
        let gives = way.capabilities();
        let known = store.sources(tenant).await?;
        let is_known = known.iter().any(|one| one.name == source && one.ways.get(way.word()) == Some(&gives));
        let cursors = match from {
            Begin::LastTime => store.pull_cursors(tenant, &source).await?.into_iter().map(|cursor| (cursor.of, cursor.text)).collect(),
            Begin::Beginning => HashMap::new(),
        };
        let pulled = Pulled {
            source: source.clone(),
            format: way.word(),
            pages: 0,
            stored: BTreeMap::new(),
            already_there: BTreeMap::new(),
            edits_found: 0,
            differing_copies: 0,
            read: 0,
            passed: Vec::new(),
            refused: 0,
            refusals: Vec::new(),
            attachments_missing: 0,
            notes: BTreeMap::new(),
            ended: None,
        };
        let storing = Storing { is_begun: false, is_known, files: Files::new(), counts: Counts::default() };
        Ok(Self {
            importer,
            way,
            input,
            cursors: Short::new(cursors),
            waiting: Short::default(),
            storing: Mutex::new(storing),
            pulled: Short::new(pulled),
            source,
        })
    }

    fn pulled(&self) -> std::sync::MutexGuard<'_, Pulled> {
        self.pulled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far this was read; unset where it never was, or by a release that wrote it otherwise: then it is read anew, which stores nothing twice.
    pub fn cursor<T: DeserializeOwned>(&self, of: &str) -> Option<T> {
        let cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.get(of).and_then(|text| serde_json::from_str(text).ok())
    }

    /// Keeps how far this was read. To be called when what stands before it is stored.
    pub async fn keep<T: Serialize + Sync>(&self, of: &str, cursor: &T) -> Result<(), Fault> {
        let text = serde_json::to_string(cursor).map_err(|error| IngestError::Stopped(format!("a cursor can't be written: {error}")))?;
        let Importer { tenant, store, .. } = &self.importer;
        let cursor = PullCursor { of: of.to_owned(), text: text.clone(), at: Timestamp::now() };
        store.put_pull_cursor(tenant, &self.source, &cursor).await?;
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).insert(of.to_owned(), text);
        Ok(())
    }

    /// That a pull was made, which began then: by that its schedule goes on ([`last_made`]).
    pub async fn made(&self, began: Timestamp) -> Result<(), IngestError> {
        let Importer { tenant, store, .. } = &self.importer;
        let cursor = PullCursor { of: MADE.to_owned(), text: String::new(), at: began };
        Ok(store.put_pull_cursor(tenant, &self.source, &cursor).await?)
    }

    /// Stores what was read. All is durable when this returns.
    pub async fn store(&self, arrived: Arrived) -> Result<(), Fault> {
        self.store_all(vec![(self.way.capabilities().edits, arrived)]).await
    }

    /// The same of parts that differ in what is told of edits, and of one part after another.
    pub async fn store_all(&self, parts: Vec<(Edits, Arrived)>) -> Result<(), Fault> {
        let mut batches = Batches::new();
        for (edits, Arrived { gathered, report }) in parts {
            self.report(report);
            if !gathered.is_empty() {
                batches.push((self.source.clone(), edits, Arc::new(gathered)));
            }
        }
        if batches.is_empty() {
            return Ok(());
        }
        let (stored, mut is_stored) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { batches, stored });
        let mut storing = self.storing.lock().await;
        match is_stored.try_recv() {
            // Somebody took it along.
            Ok(()) => return Ok(()),
            Err(oneshot::error::TryRecvError::Closed) => {
                return Err(IngestError::Stopped("what came with another page could not be stored".to_owned()).into());
            }
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let (batches, answers): (Vec<Batches>, Vec<_>) = waiting.into_iter().map(|Waiting { batches, stored }| (batches, stored)).unzip();
        self.store_now(&mut storing, batches.concat()).await?;
        for answer in answers {
            // Whoever waited may be gone.
            let _ = answer.send(());
        }
        Ok(())
    }

    async fn store_now(&self, storing: &mut Storing, batches: Batches) -> Result<(), IngestError> {
        let has_events = batches.iter().any(|(_, _, gathered)| gathered.events() > 0);
        if !storing.is_begun && (has_events || !storing.is_known) {
            let Importer { tenant, store, author, .. } = &self.importer;
            let record = SourceRecord::new(self.source.clone(), self.way.word(), self.way.capabilities());
            store.begin_import(tenant, &record, &self.input, author).await?;
            (storing.is_begun, storing.is_known) = (true, true);
        }
        let (files, outcome) = self.importer.store_together(batches, std::mem::take(&mut storing.files)).await;
        storing.files = files;
        for counts in outcome? {
            storing.counts.add(&counts);
        }
        Ok(())
    }

    /// A page of messages was read.
    pub fn page(&self) {
        self.pulled().pages += 1;
    }

    /// One was read to its end.
    pub fn read(&self) {
        self.pulled().read += 1;
    }

    /// One can't be read.
    pub fn passed(&self, of: String, why: String) {
        let source = &self.source;
        tracing::error!(%source, %of, "source '{source}': {of} could not be read, and is passed over until the next pull: {why}");
        self.pulled().passed.push(Passed { of, why });
    }

    fn report(&self, report: Report) {
        let source = &self.source;
        for refusal in &report.refusals {
            tracing::error!(%source, %refusal, "source '{source}': something that came can't be read, and is refused: {refusal}");
        }
        let mut pulled = self.pulled();
        pulled.refused += report.refused;
        pulled.attachments_missing += report.attachments_missing;
        let room = LISTED.saturating_sub(pulled.refusals.len());
        pulled.refusals.extend(report.refusals.into_iter().take(room));
        for (note, count) in report.notes {
            let note = if pulled.notes.len() < MOST_NOTES || pulled.notes.contains_key(&note) { note } else { "more notes, not listed".to_owned() };
            *pulled.notes.entry(note).or_default() += count;
        }
    }

    /// What the pull brought, with its end in the audit log. `ended`: why it ended early.
    pub async fn finish(&self, ended: Option<String>) -> Pulled {
        let mut storing = self.storing.lock().await;
        let counts = std::mem::take(&mut storing.counts);
        let mut pulled = self.pulled().clone();
        pulled.ended = ended;
        (pulled.stored, pulled.already_there) = (counts.stored, counts.already_there);
        (pulled.edits_found, pulled.differing_copies) = (counts.edits_found, counts.differing_copies);
        if storing.is_begun {
            let figures = ImportFigures {
                complete: pulled.ended.is_none() && pulled.passed.is_empty(),
                stored: pulled.stored.values().sum(),
                already_there: pulled.already_there.values().sum(),
                refused: pulled.refused,
                files: storing.files.remove(&self.source).unwrap_or_default().finish(),
            };
            let (source, Importer { tenant, store, author, .. }) = (&self.source, &self.importer);
            if let Err(error) = store.end_import(tenant, source, &figures, author).await {
                tracing::warn!(%error, %source, "what was pulled of source '{source}' is stored, and its end could not be entered in the audit log");
            }
        }
        pulled
    }
}
