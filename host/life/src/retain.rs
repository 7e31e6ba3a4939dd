//! What the rules of retention let go.
//!
//! Mostly whole segments are over, and these go at once. One that is over in part would be written anew each day, so it waits until some of it has been over for [`PATIENCE`]:
//! nothing stays longer than that beyond its time.

use std::collections::BTreeSet;
use std::time::Duration;

use consign_model::audit::Deletion;
use consign_model::keeping::{CountedFrom, Rule};
use consign_model::{ChatKey, Keeping, Timestamp};
use consign_store::{Decided, SegmentRecord, StoreError};
use serde::{Deserialize, Serialize};

use crate::cut::Cut;
use crate::{Guard, KeptBack, Life, LifeError, PAGE};

/// How long the first event of a segment may be over before the segment is cut.
const PATIENCE: Duration = Duration::from_hours(31 * 24);
/// How often a page of chats is decided anew whose files, or the rules, changed meanwhile.
const TRIES: usize = 8;

/// What a pass came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// Whether it was only counted.
    pub dry_run: bool,
    /// Chats of sources that have a rule.
    pub chats: u64,
    /// Events that went, or would.
    pub deleted: u64,
    /// Files that hung on such events and on no other, and went with them; none is counted where it was only counted.
    pub files: u64,
    /// Events of files that can't be read, so that it is not known whether they are over: they stay.
    pub unreadable: u64,
    /// What is over and stays.
    #[serde(flatten)]
    pub kept_back: KeptBack,
}

impl Life {
    /// Lets go what the rules say, at this time. `dry_run`: only counts.
    pub async fn retain(&self, now: Timestamp, dry_run: bool) -> Result<Retained, LifeError> {
        let _one = self.under_way.try_lock().map_err(|_| LifeError::Busy)?;
        self.retain_alone(now, dry_run).await
    }

    /// The same, after whatever is under way.
    pub async fn retain_when_free(&self, now: Timestamp) -> Result<Retained, LifeError> {
        let _one = self.under_way.lock().await;
        self.retain_alone(now, false).await
    }

    async fn retain_alone(&self, now: Timestamp, dry_run: bool) -> Result<Retained, LifeError> {
        let mut retained = Retained { dry_run, ..Retained::default() };
        if !self.keeping().await?.rules.is_empty() {
            let mut after = 0;
            loop {
                let page = self.exporter.store.chats_arrived(&self.exporter.tenant, after, PAGE).await?;
                let Some((last, _)) = page.last().filter(|_| !self.exporter.stop.is_set()) else { break };
                after = *last;
                let chats: Vec<ChatKey> = page.into_iter().map(|(_, chat)| chat).collect();
                self.retain_page(&chats, now, &mut retained).await?;
            }
        }
        if !dry_run {
            retained.files = self.tidy().await?;
        }
        Ok(retained)
    }

    async fn retain_page(&self, chats: &[ChatKey], now: Timestamp, retained: &mut Retained) -> Result<(), LifeError> {
        let mut tries = 0;
        loop {
            let using = self.exporter.archive.begin_use();
            let keeping = self.keeping().await?;
            let (mut cut, mut counted) = (Cut::default(), Retained::default());
            for chat in chats {
                let Some(rule) = keeping.rule_for(&chat.source) else { continue };
                counted.chats += 1;
                self.plan(chat, rule, &keeping, now, &mut cut, &mut counted).await?;
            }
            if !retained.dry_run {
                let decided = Decided { why: Deletion::Retention, keeping: keeping.version };
                tries += 1;
                match self.cut(cut, &decided, &mut retained.deleted).await {
                    Ok(()) => counted.deleted = 0,
                    // What is cut already is so; the rest is decided by what is true now.
                    Err(LifeError::Store(StoreError::Conflict { .. })) if tries < TRIES => continue,
                    Err(error) => return Err(error),
                }
            }
            drop(using);
            retained.chats += counted.chats;
            retained.deleted += counted.deleted;
            retained.unreadable += counted.unreadable;
            retained.kept_back.add(counted.kept_back);
            return Ok(());
        }
    }

    async fn plan(
        &self,
        chat: &ChatKey,
        rule: &Rule,
        keeping: &Keeping,
        now: Timestamp,
        cut: &mut Cut,
        counted: &mut Retained,
    ) -> Result<(), LifeError> {
        let end = Timestamp(now.0.saturating_sub(millis(rule.keep.0)));
        let segments = self.exporter.store.segments(&self.exporter.tenant, chat, 0).await?;
        let mut guard: Option<Guard<'_>> = None;
        for segment in segments.into_iter().filter(|segment| may_be_over(segment, rule, end)) {
            let guard = match &mut guard {
                Some(guard) => guard,
                None => guard.insert(Guard { owes: self.exporter.owes(chat).await?, holds: self.holds_on(keeping, chat).await? }),
            };
            let batch = match self.exporter.archive.segment(chat, segment.extent()).await {
                Ok(batch) => batch,
                // One damaged file must not keep all others for ever.
                Err(error) => {
                    tracing::warn!(tenant = %self.exporter.tenant, "what is over in a file stays, since it can't be read: {error}");
                    counted.unreadable += u64::from(segment.events);
                    continue;
                }
            };
            let over = |row: &u32| match rule.counted_from {
                CountedFrom::Event => batch.times.get(*row as usize).is_some_and(|at| *at < end.0),
                // What is not yet over by this rule is nothing that is kept back.
                CountedFrom::Export => guard.owes.done_at(segment.first + u64::from(*row)).is_some_and(|at| at < end),
            };
            let rows: BTreeSet<u32> = (0..segment.events).filter(over).collect();
            let (rows, back) = guard.pass(&segment, &batch, rows.into_iter());
            counted.deleted += rows.len() as u64;
            counted.kept_back.add(back);
            cut.add(chat, segment, rows);
        }
        Ok(())
    }
}

/// Whether it is worth looking into a segment.
fn may_be_over(segment: &SegmentRecord, rule: &Rule, end: Timestamp) -> bool {
    let oldest = match &segment.gone {
        None => segment.first_at,
        Some(gone) => match gone.oldest {
            Some(oldest) => oldest,
            None => return false,
        },
    };
    match rule.counted_from {
        CountedFrom::Event => segment.last_at < end || oldest.0 < end.0.saturating_sub(millis(PATIENCE)),
        CountedFrom::Export => true,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
