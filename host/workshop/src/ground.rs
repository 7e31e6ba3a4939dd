//! A data folder that lasts as long as a command: what a developer's events go through on their way to a module.
//!
//! The importer, the store, the archive and the reader are the server's own, so a module is shown here what it is shown there: positions, memberships,
//! derived ids, flags and batches. Each set of events is a tenant of its own, so that sets may use one source's name and the same ids. The keys are made
//! on the spot and never written: what a killed process leaves behind opens for nobody.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use consign_archive::{Archive, ArchiveError, KeyError, MasterKey, ObjectStore, generate_tenant_keys, open_store};
use consign_export::chats::{Chats, ReadError, ShownChat, Span};
use consign_ingest::{Imported, Importer, IngestError};
use consign_model::audit::Actor;
use consign_model::{ChatKey, InvalidName, Name, Timestamp};
use consign_source::{Format, Limits};
use consign_store::{Embedded, Store, StoreError};
use tempfile::TempDir;
use tokio::runtime::Handle;

/// Bytes of events that are kept decrypted: of one chat at a time.
const HELD_BYTES: usize = 64 << 20;

/// Why events can't be brought to a module.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// No folder.
    #[error("no temporary folder can be made: {0}; name another place in TMPDIR")]
    Folder(std::io::Error),
    /// No keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A name that can't be.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The archive can't be opened.
    #[error(transparent)]
    Open(#[from] consign_archive::StoreError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The index failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events can't be imported.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A chat can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no chat of that id.
    #[error("there is no chat '{asked}' in these events; there are: {known}")]
    NoChat {
        /// As asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// There is nothing at all.
    #[error("there are no events in it")]
    NoEvents,
}

/// Events on their way in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Events {
    /// A file or folder, as `consign import` takes it.
    File {
        /// Where.
        path: PathBuf,
        /// What it is.
        format: Format,
    },
    /// JSON lines at hand.
    Lines {
        /// What stands for the file's name in refusals.
        name: String,
        /// The lines.
        text: String,
        /// Where the files lie that they name.
        folder: Option<PathBuf>,
    },
}

impl Events {
    /// A file, which is what stands in it unless `format` says otherwise, and what its name says where that is not certain.
    pub fn file(path: &Path, format: Option<Format>) -> Self {
        let is_slack = path.is_dir() || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
        let format = format.or_else(|| Format::recognise(path, &Limits::default()).ok());
        let format = format.unwrap_or(if is_slack { Format::Slack } else { Format::Jsonl });
        Self::File { path: path.to_owned(), format }
    }
}

/// The folder. Clones are the same one; it goes with the last of them.
#[derive(Clone)]
pub struct Ground(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    objects: Arc<dyn ObjectStore>,
    master: MasterKey,
    runtime: Handle,
    sets: AtomicU32,
    /// The last to go: the store writes into it until its end.
    folder: Mutex<Option<TempDir>>,
}

/// What was imported together: the chats of one or several arrivals, each arrival a window of its own.
pub struct Laid {
    /// The chats.
    pub chats: Chats,
    /// Their source.
    pub source: Name,
    /// What each import did.
    pub imported: Vec<Imported>,
    /// The newest arrival after each import.
    arrivals: Vec<u64>,
    runtime: Handle,
}

impl Ground {
    /// A new folder. Blocks, as everything here does: call it from a thread that may.
    pub fn new(runtime: Handle) -> Result<Self, GroundError> {
        let folder = tempfile::Builder::new().prefix("consign-filter-").tempdir().map_err(GroundError::Folder)?;
        let objects = open_store(&folder.path().join("archive").display().to_string())?;
        let store = Arc::new(Embedded::open(&folder.path().join("store"))?);
        let master = MasterKey::generate()?;
        Ok(Self(Arc::new(Inner { folder: Mutex::new(Some(folder)), store, objects, master, runtime, sets: AtomicU32::new(0) })))
    }

    /// Removes the folder now: for a command that is told to end. What still works in it fails.
    pub fn remove(&self) {
        // A lock that a panic poisoned holds the folder all the same.
        let folder = self.0.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
        // There is nobody to tell, and what is left can't be read.
        drop(folder.map(TempDir::close));
    }

    /// Imports these events, one arrival after another, as a set of their own.
    pub fn lay(&self, source: &Name, arrivals: &[Events]) -> Result<Laid, GroundError> {
        let Inner { store, objects, master, runtime, sets, .. } = &*self.0;
        let tenant: Name = format!("set-{}", sets.fetch_add(1, Ordering::Relaxed)).parse()?;
        let keys = generate_tenant_keys(master)?;
        let archive = Arc::new(Archive::open(Arc::clone(objects), tenant.clone(), &keys, master)?);
        let author = archive.author(Actor::Consign);
        runtime.block_on(store.create_tenant(&tenant, &keys, &author))?;
        let writer = archive.writer().clone();
        let importer = Importer { tenant: tenant.clone(), store: Arc::clone(store), archive: writer, author };
        let chats = Chats { tenant, store: Arc::clone(store), archive, held_bytes: HELD_BYTES };
        let mut laid = Laid { chats, source: source.clone(), imported: Vec::new(), arrivals: Vec::new(), runtime: runtime.clone() };
        for events in arrivals {
            let stored = runtime.block_on(async {
                match events {
                    Events::File { path, format } => importer.import(*format, path, source, |_| {}).await,
                    Events::Lines { name, text, folder } => importer.import_lines(name, text.clone(), folder.as_deref(), source).await,
                }
            })?;
            laid.imported.push(stored);
            laid.arrivals.push(runtime.block_on(store.newest_arrival(&laid.chats.tenant))?);
        }
        Ok(laid)
    }
}

impl Laid {
    /// The chats that have events: all, or the one that is asked for.
    pub fn pick(&self, chat: Option<&str>) -> Result<Vec<ChatKey>, GroundError> {
        pick(&self.runtime, &self.chats, &self.source, chat)
    }

    /// The windows of a chat, one for each arrival that brought something of it. `now` is the end of the last one; each before it ends with the last event that
    /// had come by then.
    pub fn windows(&self, chat: &ChatKey, now: Option<Timestamp>) -> Result<Vec<ShownChat>, GroundError> {
        let mut windows = Vec::new();
        let mut span = Span::default();
        for (index, arrival) in self.arrivals.iter().enumerate() {
            let to = self.runtime.block_on(self.chats.end_by(chat, *arrival))?;
            let is_last = index + 1 == self.arrivals.len();
            let shown = Span { to: Some(to), ends_at: now.filter(|_| is_last), ..span };
            let Some(window) = self.runtime.block_on(self.chats.show(chat, shown))? else { continue };
            let ends_at = window.context().window_end();
            span = Span { from: to, starts_at: Some(span.starts_at.map_or(ends_at, |before: Timestamp| before.max(ends_at))), ..span };
            windows.push(window);
        }
        Ok(windows)
    }
}

/// The chats of a source that have events: all, or the one that is asked for.
pub fn pick(runtime: &Handle, chats: &Chats, source: &Name, chat: Option<&str>) -> Result<Vec<ChatKey>, GroundError> {
    let mut found = runtime.block_on(chats.of_source(source))?;
    if found.is_empty() {
        return Err(GroundError::NoEvents);
    }
    let Some(asked) = chat else { return Ok(found) };
    if let Some(place) = found.iter().position(|one| one.id == asked) {
        return Ok(vec![found.swap_remove(place)]);
    }
    Err(GroundError::NoChat { asked: asked.to_owned(), known: listed(found.iter().map(|one| one.id.as_str())) })
}

/// Some of what there is, for an error.
pub fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let rest = names.len().saturating_sub(MOST);
    let shown: Vec<&str> = names.take(MOST).collect();
    let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
