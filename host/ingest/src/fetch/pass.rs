//! One pass over what is due of a source.
//!
//! Page by page: the events are read, what they name is asked for, and the same events with what came are handed to the importer, which makes of each an
//! event that adds the late files. With that commit the files are no longer wanted. So a pass that is dropped anywhere leaves them either wanted or
//! there: nothing is lost, and what was half fetched is fetched again under the same digest.
//!
//! A host that takes nothing is not asked for the rest: thousands of files of a server that is down would else each wait for it, and a server that says that it
//! is too much would be asked for more.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use consign_model::audit::{FETCHED, ImportFigures};
use consign_model::source::Edits;
use consign_model::{Attachment, Backoff, ChatKey, Event, Name, Reason, Timestamp, WantedFile, WantedKey, WantedKind};
use consign_source::live::Gathered;
use consign_source::{Sink, SourceError};
use futures::StreamExt as _;
use reqwest::Url;
use serde::Serialize;

use super::get::{Asked, Fault, Got, Miss, Rule, get, rule_of};
use super::look::{LookFault, Looker, attachment_of};
use super::{FetchError, Fetcher, kind};
use crate::{Files, Importer, IngestError};

/// Files looked at together: what is stored in one commit, and what is fetched again after a crash.
const PAGE: usize = 64;
/// Files fetched at once. Each may hold some 16 MiB on its way into the archive.
const AT_ONCE: usize = 4;
/// Failures of a host one after another, after which it is not asked for the rest of the pass.
const HOST_FAILURES: u32 = 3;
/// Files that are known by their addresses for the rest of the pass, there or not.
const REMEMBERED: usize = 4_096;
/// The longest address that sources keep: a longer one was cut, and is another one.
const LONGEST_URL: usize = 2_048;

/// How long a host may ask to be left alone, in milliseconds.
const LONGEST_REST: i64 = 24 * 60 * 60_000;

/// What a pass did of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// The source.
    pub source: Name,
    /// Files that are there now. The same bytes on two messages are two.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of those looked at: what is not yet there.
    pub waiting: u64,
    /// What the platform has no more.
    pub gone: u64,
    /// What can't be had as things are.
    pub unreadable: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Got(Got),
    /// And how such a file is tried again.
    Missed(Miss, Backoff),
    /// Its host is not asked now.
    PutOff(Reason, Timestamp),
}

impl Outcome {
    fn without_rule(reason: Reason) -> Self {
        Self::Missed(reason.into(), Backoff::default())
    }
}

/// Where an event is.
type Place = (ChatKey, u64);

fn place_of(file: &WantedFile) -> Place {
    (file.key.chat.clone(), file.position)
}

/// By which files that failed together are spread.
fn id(key: &WantedKey) -> String {
    format!("{:032x}", u128::from_be_bytes(key.file.0))
}

impl Asked {
    /// What a message says of a file, where its address can be one.
    fn of(file: &Attachment) -> Result<Self, Reason> {
        let text = file.url.as_deref().unwrap_or_default();
        let was_cut = text.ends_with('…') && text.chars().nth(LONGEST_URL - 1).is_some();
        let url = Url::parse(text).ok().filter(|url| !was_cut && url.has_host()).ok_or(Reason::BadAddress)?;
        Ok(Self { url, media_type: file.media_type.clone(), name: file.name.clone(), size: file.size.filter(|size| *size > 0) })
    }
}

/// A host in this pass.
#[derive(Default)]
struct Host {
    failures: u32,
    closed: Option<(Reason, Timestamp)>,
}

/// How far a pass came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// To its end.
    Done,
    /// Until it was to stop.
    Stopped,
}

/// A pass under way.
pub(super) struct Pass<'a> {
    fetcher: &'a Fetcher,
    rules: &'a [Rule],
    now: Timestamp,
    began: Instant,
    pub figures: Fetched,
    known: HashMap<Asked, Outcome>,
    hosts: Mutex<HashMap<String, Host>>,
    /// Digests of the segments that were stored.
    files: Files,
    /// Events that were stored, once an import is entered in the audit log.
    stored: Option<u64>,
}

impl<'a> Pass<'a> {
    pub fn new(fetcher: &'a Fetcher, source: &Name, rules: &'a [Rule], now: Timestamp) -> Self {
        let figures = Fetched { source: source.clone(), files: 0, bytes: 0, waiting: 0, gone: 0, unreadable: 0 };
        let (known, hosts) = (HashMap::new(), Mutex::default());
        Self { fetcher, rules, now, began: Instant::now(), figures, known, hosts, files: Files::new(), stored: None }
    }

    /// The clock, as who asked for the pass has it.
    fn at(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_add(i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)))
    }

    /// Looks at all that is due, or until `stop` is ready; it is not asked again after that.
    pub async fn work(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<Progress, FetchError> {
        let Importer { tenant, store, .. } = &self.fetcher.importer;
        let source = self.figures.source.clone();
        let mut after: Option<WantedFile> = None;
        loop {
            let page = store.wanted_due(tenant, &source, self.now, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(Progress::Done) };
            after = Some(last.clone());
            // Before the bytes of any of them.
            self.fetcher.importer.has_room().await?;
            if self.page(&page, stop.as_mut()).await? == Progress::Stopped {
                return Ok(Progress::Stopped);
            }
        }
    }

    /// Enters in the audit log how it ended, where it stored anything.
    pub async fn end(mut self, complete: bool) -> Result<Fetched, FetchError> {
        if let Some(stored) = self.stored {
            let Importer { tenant, store, author, .. } = &self.fetcher.importer;
            let files = self.files.remove(&self.figures.source).unwrap_or_default().finish();
            let figures = ImportFigures { complete, stored, already_there: 0, refused: 0, files };
            store.end_import(tenant, &self.figures.source, &figures, author).await?;
        }
        Ok(self.figures)
    }

    async fn begin(&mut self) -> Result<(), FetchError> {
        if self.stored.is_some() {
            return Ok(());
        }
        let Importer { tenant, store, author, .. } = &self.fetcher.importer;
        // As it is: these files are no way in by which events come.
        if let Some(source) = store.sources(tenant).await?.into_iter().find(|one| one.name == self.figures.source) {
            store.begin_import(tenant, &source, FETCHED, author).await?;
            self.stored = Some(0);
        }
        Ok(())
    }

    async fn page(&mut self, page: &[WantedFile], stop: Pin<&mut impl Future<Output = ()>>) -> Result<Progress, FetchError> {
        let mut events = self.events(page).await?;
        let mut outcomes: HashMap<usize, Outcome> = HashMap::new();
        let mut asked: HashMap<Asked, Vec<usize>> = HashMap::new();
        for (place, file) in page.iter().enumerate() {
            match events.get(&place_of(file)).and_then(|event| attachment_of(event, file)).map(Asked::of) {
                None => drop(outcomes.insert(place, Outcome::without_rule(Reason::EventNotReadable))),
                Some(Err(reason)) => drop(outcomes.insert(place, Outcome::without_rule(reason))),
                Some(Ok(one)) => asked.entry(one).or_default().push(place),
            }
        }
        let asked: Vec<(Asked, Vec<usize>)> = asked.into_iter().collect();
        let answers = {
            let this = &*self;
            // A list of futures and no iterator that makes them: what is spawned must not hold such a one.
            let fetching: Vec<_> = asked.iter().map(|(one, _)| this.fetch(one)).collect();
            let fetching = futures::stream::iter(fetching);
            tokio::select! {
                biased;
                () = stop => return Ok(Progress::Stopped),
                answers = fetching.buffered(AT_ONCE).collect::<Vec<_>>() => answers,
            }
        };
        // What could be fetched is kept, whatever became of the others.
        let mut failed = None;
        for ((one, places), answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(outcome) => {
                    let was_asked = matches!(outcome, Outcome::Got(_) | Outcome::Missed(..));
                    if was_asked && self.known.len() < REMEMBERED {
                        self.known.insert(one, outcome);
                    }
                    outcomes.extend(places.into_iter().map(|place| (place, outcome)));
                }
                Err(error) => failed = Some(error),
            }
        }
        self.store(page, &mut events, &outcomes).await?;
        self.settle(page, &outcomes).await?;
        failed.map_or(Ok(Progress::Done), |error| Err(error.into()))
    }

    /// The events that name these files, by place. One that can't be read is not among them.
    async fn events(&self, page: &[WantedFile]) -> Result<BTreeMap<Place, Event>, FetchError> {
        let Importer { tenant, store, .. } = &self.fetcher.importer;
        let mut looker = Looker::new(tenant, &**store, &self.fetcher.archive);
        let mut places: Vec<Place> = page.iter().map(place_of).collect();
        places.sort();
        places.dedup();
        let mut events = BTreeMap::new();
        for place in places {
            match looker.event(&place.0, place.1).await {
                Ok(Some(event)) => drop(events.insert(place, event)),
                Ok(None) => {}
                Err(LookFault::Archive(error)) => tracing::error!(%error, "an event that names a missing file can't be read: {error}"),
                Err(LookFault::Store(error)) => return Err(error.into()),
            }
        }
        Ok(events)
    }

    async fn fetch(&self, asked: &Asked) -> Result<Outcome, consign_archive::ArchiveError> {
        if let Some(outcome) = self.known.get(asked) {
            return Ok(*outcome);
        }
        let rule = match rule_of(self.rules, &asked.url) {
            Ok(rule) => rule,
            Err(reason) => return Ok(Outcome::without_rule(reason)),
        };
        let host = asked.url.host_str().unwrap_or_default();
        if let Some((reason, until)) = self.with(host, |host| host.closed) {
            return Ok(Outcome::PutOff(reason, until));
        }
        let answer = get(self.rules, rule, asked, &self.fetcher.importer.archive, self.at()).await;
        let at = self.at();
        self.with(host, |host| match &answer {
            Err(Fault::Miss(miss)) if miss.reason.is_of_host() => {
                host.failures += 1;
                if host.failures >= HOST_FAILURES || miss.reason == Reason::Status(429) {
                    // As the host asks, and not as the file that met it would wait.
                    let first = rule.backoff.after_first(at);
                    let until = miss.not_before.map_or(first, |asked| asked.max(first).min(Timestamp(at.0.saturating_add(LONGEST_REST))));
                    host.closed = host.closed.or(Some((miss.reason, until)));
                }
            }
            _ => host.failures = 0,
        });
        match answer {
            Ok(got) => Ok(Outcome::Got(got)),
            Err(Fault::Miss(miss)) => Ok(Outcome::Missed(miss, rule.backoff)),
            Err(Fault::Archive(error)) => Err(error),
        }
    }

    fn with<T>(&self, host: &str, look: impl FnOnce(&mut Host) -> T) -> T {
        look(self.hosts.lock().unwrap_or_else(PoisonError::into_inner).entry(host.to_owned()).or_default())
    }

    /// Hands the events of files that came to the importer. All is durable when this returns.
    async fn store(
        &mut self,
        page: &[WantedFile],
        events: &mut BTreeMap<Place, Event>,
        outcomes: &HashMap<usize, Outcome>,
    ) -> Result<(), FetchError> {
        let mut by_chat: BTreeMap<&str, BTreeMap<u64, Event>> = BTreeMap::new();
        for (place, file) in page.iter().enumerate() {
            let Some(Outcome::Got(got)) = outcomes.get(&place) else { continue };
            let Some(event) = events.get_mut(&place_of(file)) else { continue };
            if let Some(attachment) = event.attachments.get_mut(file.place as usize) {
                attachment.media_type = kind::media_type(got.found, &attachment.media_type, &attachment.name);
                (attachment.digest, attachment.size, attachment.url) = (Some(got.digest), Some(got.size), None);
                self.figures.files += 1;
                self.figures.bytes = self.figures.bytes.saturating_add(got.size);
            }
            by_chat.entry(&file.key.chat.id).or_default().insert(file.position, event.clone());
        }
        if by_chat.is_empty() {
            return Ok(());
        }
        let mut gathered = Gathered::default();
        for (chat, events) in by_chat {
            let handed = Sink::events(&mut gathered, chat, None, events.into_values().collect());
            handed.map_err(|error| IngestError::Source(SourceError::Sink(error)))?;
        }
        self.begin().await?;
        let batch = (self.figures.source.clone(), Edits::All, Arc::new(gathered));
        let (files, outcome) = self.fetcher.importer.store_together(vec![batch], std::mem::take(&mut self.files)).await;
        self.files = files;
        let stored: u64 = outcome?.iter().flat_map(|counts| counts.stored.values()).sum();
        self.stored = self.stored.map(|before| before + stored);
        Ok(())
    }

    async fn settle(&mut self, page: &[WantedFile], outcomes: &HashMap<usize, Outcome>) -> Result<(), FetchError> {
        let at = self.at();
        let mut states = Vec::new();
        for (place, file) in page.iter().enumerate() {
            let state = match outcomes.get(&place) {
                // The archive failed: it is as it was.
                None => continue,
                Some(Outcome::Got(_)) => None,
                Some(Outcome::PutOff(reason, until)) => Some(file.state.put_off(*reason, *until)),
                Some(Outcome::Missed(miss, backoff)) => Some(file.state.after(miss.reason, &id(&file.key), at, miss.not_before, backoff)),
            };
            match state.map(|state| state.kind()) {
                None => {}
                Some(WantedKind::Waiting) => self.figures.waiting += 1,
                Some(WantedKind::Gone) => self.figures.gone += 1,
                Some(WantedKind::Unreadable) => self.figures.unreadable += 1,
            }
            states.push((file.key.clone(), state));
        }
        let Importer { tenant, store, .. } = &self.fetcher.importer;
        Ok(store.settle_wanted(tenant, &states).await?)
    }
}
