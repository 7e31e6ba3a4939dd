//! Windows page by page: those that a run freezes, as it comes to them, and those that are there.
//!
//! A run works on a page while the next one is frozen, so what freezing has read of a chat is at hand for the work and is not read again.

use std::sync::Arc;

use consign_model::policy::PolicyVersion;
use consign_model::window::Facts;
use consign_model::{ChatKey, Run, Window, WindowKey};
use consign_store::WindowFilter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::freeze::{self, AtHand};
use crate::run::{Progress, Watch};
use crate::{ExportError, Exporter};

/// Chats listed, windows frozen and windows listed at a time.
pub const PAGE: usize = 256;
/// Windows prepared at once.
const PREPARED_AT_ONCE: usize = 8;
/// Participants of a chat, up to which they are kept from freezing to the work.
const FEW: usize = 64;

/// What a run freezes, page by page.
struct Pages<'a> {
    exporter: &'a Exporter,
    policy: &'a PolicyVersion,
    run: &'a Run,
    watch: Watch<'a>,
    /// The arrival up to which chats were frozen.
    after: u64,
    windows: u64,
    events: u64,
}

/// Windows of what has arrived after this, frozen in the order in which it arrived, so that what lies together in the archive is read together.
pub fn frozen<'a>(exporter: &'a Exporter, policy: &'a PolicyVersion, run: &'a Run, after: u64, watch: Watch<'a>) -> Tasks<'a> {
    let pages = Pages { exporter, policy, run, watch, after, windows: 0, events: 0 };
    let pages = futures::stream::try_unfold(pages, Pages::next);
    pages.map_ok(|page| futures::stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
}

impl Pages<'_> {
    /// The next page; none where there is nothing more, or the run is to stop.
    async fn next(mut self) -> Result<Option<(Vec<Task>, Self)>, ExportError> {
        let chats = self.exporter.store.chats_arrived(&self.exporter.tenant, self.after, PAGE).await?;
        let Some((last, _)) = chats.last().filter(|_| !self.exporter.stop.is_set()) else { return Ok(None) };
        self.after = *last;
        let tasks = self.freeze(chats.into_iter().map(|(_, chat)| chat)).await?;
        self.windows += tasks.len() as u64;
        self.events += tasks.iter().map(|task| task.window.events()).sum::<u64>();
        (self.watch)(Progress::Frozen { windows: self.windows, events: self.events });
        Ok(Some((tasks, self)))
    }

    /// Freezes the next windows of some chats. Those of this run that are its own to work on.
    async fn freeze(&self, chats: impl Iterator<Item = ChatKey>) -> Result<Vec<Task>, ExportError> {
        let Exporter { store, tenant, .. } = self.exporter;
        let looked_up = futures::stream::iter(chats)
            .map(|chat| async move { freeze::prepare(store.as_ref(), tenant, self.policy, self.run, &chat).await })
            .buffered(PREPARED_AT_ONCE);
        let prepared: Vec<Option<freeze::Prepared>> = looked_up.try_collect().await?;
        let (windows, at_hand): (Vec<Window>, Vec<AtHand>) = prepared.into_iter().flatten().map(|one| (one.window, one.at_hand)).unzip();
        let facts: Vec<Arc<Facts>> = at_hand.iter().map(|one| Arc::clone(&one.facts)).collect();
        let frozen = store.freeze(tenant, &windows, &facts).await?;
        // What somebody else has frozen is found with the open ones, where it is this run's.
        let tasks = windows.into_iter().zip(at_hand).zip(frozen).filter(|(_, frozen)| *frozen);
        // The people of very large chats are read again, rather than held by the hundred.
        let is_small = |at_hand: &AtHand| at_hand.facts.participants.len() <= FEW;
        Ok(tasks.map(|((window, at_hand), _)| Task { window, at_hand: Some(at_hand).filter(is_small) }).collect())
    }
}

/// A window to work on.
pub struct Task {
    pub window: Window,
    /// Where it was just frozen.
    pub at_hand: Option<AtHand>,
}

/// Windows to work on, as they come.
pub type Tasks<'a> = BoxStream<'a, Result<Task, ExportError>>;

/// Windows of which nothing is at hand.
pub fn read_again<'a>(windows: impl Iterator<Item = Window> + Send + 'a) -> Tasks<'a> {
    futures::stream::iter(windows.map(|window| Ok(Task { window, at_hand: None }))).boxed()
}

/// Windows page by page.
pub struct Windows<'a> {
    exporter: &'a Exporter,
    filter: WindowFilter,
    after: Option<WindowKey>,
    ended: bool,
}

impl<'a> Windows<'a> {
    pub fn new(exporter: &'a Exporter, filter: WindowFilter) -> Self {
        Self { exporter, filter, after: None, ended: false }
    }

    /// All of them, of a list that is not long: a chat's, say.
    pub async fn all(exporter: &'a Exporter, filter: WindowFilter) -> Result<Vec<Window>, ExportError> {
        let (mut all, mut pages) = (Vec::new(), Self::new(exporter, filter));
        while let Some(page) = pages.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// Some more; never none of them.
    pub async fn next(&mut self) -> Result<Option<Vec<Window>>, ExportError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.exporter.store.windows(&self.exporter.tenant, &self.filter, self.after.as_ref(), PAGE).await?;
        self.ended = page.len() < PAGE;
        self.after = page.last().map(|window| window.key.clone()).or(self.after.take());
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}
