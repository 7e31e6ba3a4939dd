//! What waits to be stored, and the one task that stores it.
//!
//! It takes all that has come by the time it looks, up to a bound, and stores it in one commit; meanwhile the next ones come. So a busy hour makes larger
//! commits and not more of them, and each request waits for at most two. Each of a group gets its own outcome: figures where all was stored. Where a group
//! fails, each of it is stored alone, so that one that can't be stored spoils no other's.
//!
//! In the audit log an import is entered by its beginning and its end. An entry for each request would flood it, so what arrives of a source within an hour
//! is one import: entered when the first of it is stored, and ended with the sums at the hour's or the program's end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consign_model::Name;
use consign_model::audit::ImportFigures;
use consign_model::quota::Reached;
use consign_model::source::Capabilities;
use consign_source::live::Gathered;
use consign_store::SourceRecord;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::room::Place;
use crate::{Counts, Files, Importer, IngestError};

/// Stored together at most: what a commit holds in memory once more, as columns.
const EVENTS: usize = 16_384;
const BYTES: usize = 32 << 20;
/// How long what arrives of a source is one import in the audit log.
const ONE_IMPORT: Duration = Duration::from_hours(1);
/// So many that fail alone one after another are not to blame themselves, and the rest of their group is not tried.
const FAILED_ALONE: usize = 3;
/// Different notes that are kept of a source, between two entries in the log.
const MOST_NOTES: usize = 200;

/// Where something comes from, as the audit log has it.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub source: Name,
    /// What it is read as.
    pub format: &'static str,
    /// What this way in gives.
    pub gives: Capabilities,
    /// How it comes.
    pub input: String,
}

/// What waits.
pub(super) struct Order {
    pub origin: Arc<Origin>,
    pub gathered: Arc<Gathered>,
    pub refused: u64,
    pub notes: BTreeMap<String, u64>,
    #[expect(dead_code, reason = "it is given back when this goes")]
    pub place: Place,
}

/// Why it is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotStored {
    /// It could not be; why is in the log.
    Failed,
    /// The tenant has as much as it may.
    Full(Reached),
}

type Answer = oneshot::Sender<Result<Counts, NotStored>>;

pub(super) struct Queue {
    /// Unset once it is closed.
    orders: Mutex<Option<mpsc::UnboundedSender<(Order, Answer)>>>,
}

impl Queue {
    /// Begins to store. `gather`: how long to wait for more after the first. The handle ends when the queue is closed and all is stored.
    pub fn start(importer: Importer, gather: Duration) -> (Self, JoinHandle<()>) {
        // What it holds is bounded by the places that orders have.
        let (sender, receiver) = mpsc::unbounded_channel();
        let storing = Storing { importer, open: BTreeMap::new(), files: Files::new(), ends_at: None };
        (Self { orders: Mutex::new(Some(sender)) }, tokio::spawn(storing.run(receiver, gather)))
    }

    /// Waits until it is stored. Where whoever asked goes away meanwhile it is stored all the same.
    pub async fn store(&self, order: Order) -> Result<Counts, NotStored> {
        let (answer, stored) = oneshot::channel();
        {
            let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            orders.as_ref().ok_or(NotStored::Failed)?.send((order, answer)).map_err(|_| NotStored::Failed)?;
        }
        stored.await.unwrap_or(Err(NotStored::Failed))
    }

    /// Takes nothing more. What waits is stored.
    pub fn close(&self) {
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What arrived of a source since it was entered in the audit log.
#[derive(Default)]
struct Open {
    stored: u64,
    already_there: u64,
    refused: u64,
    notes: BTreeMap<String, u64>,
}

struct Storing {
    importer: Importer,
    open: BTreeMap<Name, Open>,
    files: Files,
    /// When all that is open is to be ended; unset where nothing is.
    ends_at: Option<Instant>,
}

impl Storing {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<(Order, Answer)>, gather: Duration) {
        loop {
            let ends_at = self.ends_at;
            let hour = async {
                match ends_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let first = tokio::select! {
                biased;
                () = hour => {
                    self.end_all().await;
                    continue;
                }
                order = orders.recv() => order,
            };
            let Some(first) = first else { break };
            if !gather.is_zero() {
                sleep(gather).await;
            }
            let (mut events, mut bytes) = (first.0.gathered.events(), first.0.gathered.bytes());
            let mut group = vec![first];
            while events < EVENTS
                && bytes < BYTES
                && let Ok(order) = orders.try_recv()
            {
                events += order.0.gathered.events();
                bytes += order.0.gathered.bytes();
                group.push(order);
            }
            self.store_group(group).await;
        }
        self.end_all().await;
    }

    async fn store_group(&mut self, group: Vec<(Order, Answer)>) {
        let orders: Vec<&Order> = group.iter().map(|(order, _)| order).collect();
        let mut error = match self.store(&orders).await {
            Ok(counts) => {
                for ((order, answer), counts) in group.into_iter().zip(counts) {
                    self.account(order, answer, counts);
                }
                return;
            }
            Err(IngestError::Full(reached)) => {
                for (_, answer) in group {
                    let _ = answer.send(Err(NotStored::Full(reached)));
                }
                return;
            }
            Err(error) => error,
        };
        let mut failed_alone = if group.len() == 1 { FAILED_ALONE } else { 0 };
        if failed_alone == 0 {
            tracing::warn!(%error, requests = group.len(), "what arrived could not be stored together, and is stored one by one");
        }
        for (order, answer) in group {
            if failed_alone < FAILED_ALONE {
                match self.store(&[&order]).await {
                    Ok(counts) => {
                        failed_alone = 0;
                        self.account(order, answer, counts.into_iter().next().unwrap_or_default());
                        continue;
                    }
                    Err(of_one) => {
                        failed_alone += 1;
                        error = of_one;
                    }
                }
            }
            let source = &order.origin.source;
            tracing::error!(%error, %source, "what arrived of source '{source}' could not be stored, and is not acknowledged: it should come again");
            // Whoever asked may be gone.
            let _ = answer.send(Err(NotStored::Failed));
        }
    }

    async fn store(&mut self, orders: &[&Order]) -> Result<Vec<Counts>, IngestError> {
        self.importer.has_room().await?;
        for order in orders {
            self.begin(&order.origin).await?;
        }
        let batches = orders.iter().map(|order| (order.origin.source.clone(), order.origin.gives.edits, Arc::clone(&order.gathered))).collect();
        let (files, outcome) = self.importer.store_together(batches, std::mem::take(&mut self.files)).await;
        self.files = files;
        outcome
    }

    async fn begin(&mut self, origin: &Origin) -> Result<(), IngestError> {
        let Origin { source, format, gives, input } = origin;
        if self.open.contains_key(source) {
            return Ok(());
        }
        let Importer { tenant, store, author, .. } = &self.importer;
        let record = SourceRecord::new(source.clone(), format, *gives);
        store.begin_import(tenant, &record, input, author).await?;
        self.open.insert(source.clone(), Open::default());
        self.ends_at.get_or_insert_with(|| Instant::now() + ONE_IMPORT);
        Ok(())
    }

    async fn end_all(&mut self) {
        self.ends_at = None;
        let Importer { tenant, store, author, .. } = &self.importer;
        for (source, open) in std::mem::take(&mut self.open) {
            let Open { stored, already_there, refused, notes } = open;
            let files = self.files.remove(&source).unwrap_or_default().finish();
            let figures = ImportFigures { complete: true, stored, already_there, refused, files };
            tracing::info!(%source, stored, already_there, refused, ?notes, "source '{source}': {stored} events stored as they arrived");
            if let Err(error) = store.end_import(tenant, &source, &figures, author).await {
                tracing::warn!(%error, %source, "what arrived of source '{source}' is stored, and its sums could not be entered in the audit log");
            }
        }
    }

    fn account(&mut self, order: Order, answer: Answer, counts: Counts) {
        if let Some(open) = self.open.get_mut(&order.origin.source) {
            open.stored += counts.stored.values().sum::<u64>();
            open.already_there += counts.already_there.values().sum::<u64>();
            open.refused += order.refused;
            for (note, count) in &order.notes {
                let note = if open.notes.len() < MOST_NOTES || open.notes.contains_key(note) { note } else { "more notes, not listed" };
                *open.notes.entry(note.to_owned()).or_default() += count;
            }
        }
        // Its place is free again before anybody hears of it.
        drop(order);
        // Whoever asked may be gone.
        let _ = answer.send(Ok(counts));
    }
}
