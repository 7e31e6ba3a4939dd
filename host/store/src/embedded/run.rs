//! Runs. Beginning one is a claim: the writing thread decides, so of any number of callers one gets it.

use std::ops::Bound;

use consign_model::audit::{Author, Deed};
use consign_model::run::{DayFigures, Trigger};
use consign_model::{Digest, Name, Run, RunId, RunState, RunSummary, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::index::newest_arrival;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use crate::{Begun, NewRun, Progress, Result, StoreError};

/// A policy's record of its runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ProgressRow {
    progress: Progress,
    /// The number of the run that has not ended.
    unfinished: Option<u64>,
}

fn progress_key(tenant: &TenantId, policy: &Name) -> Key {
    Key::of(Class::Progress, tenant).name(policy)
}

fn run_key(tenant: &TenantId, policy: &Name, number: u64) -> Key {
    Key::of(Class::Run, tenant).name(policy).number(number)
}

/// A run's key by its id. Unset for a text that is no run's id.
fn key_of(tenant: &TenantId, run: &RunId) -> Option<Key> {
    let (policy, number) = run.as_str().rsplit_once('-')?;
    let (policy, number): (Name, u64) = (policy.parse().ok()?, number.parse().ok()?);
    // A person may leave out zeros or add a sign; only the id itself is the id.
    (RunId::new(&policy, number) == *run).then(|| run_key(tenant, &policy, number))
}

const DAY: i64 = 86_400_000;

/// A day of UTC by its number since 1970; those before it, which no clock shows, are one.
fn day_key(tenant: &TenantId, at: Timestamp) -> Key {
    Key::of(Class::Day, tenant).number(u64::try_from(at.0.div_euclid(DAY)).unwrap_or(0))
}

impl Embedded {
    pub(super) async fn claim_run(&self, tenant: &TenantId, new: &NewRun, by: &Author) -> Result<Begun> {
        let (of, new) = (tenant, new.clone());
        let tenant = of.clone();
        self.write_audited(of, by, move |changes| {
            let key = progress_key(&tenant, &new.policy);
            let mut row: ProgressRow = changes.get(&key)?.unwrap_or_default();
            if let Some(number) = row.unfinished {
                let run = run_key(&tenant, &new.policy, number);
                let run = changes.get(&run)?.ok_or_else(|| changes.flawed(run.bytes(), Flaw::Missing))?;
                return Ok((Begun::Unfinished(run), None));
            }
            match new.trigger {
                Trigger::Schedule(due) if row.progress.last_due.is_some_and(|last| last >= due) => return Ok((Begun::AlreadyRun, None)),
                Trigger::Schedule(due) => row.progress.last_due = Some(due),
                Trigger::Hand | Trigger::Retry => {}
            }
            // Nothing that has arrived belongs to one that only tries again.
            let until = if new.trigger == Trigger::Retry { row.progress.cursor } else { newest_arrival(changes, &tenant)? };
            let number = row.progress.runs.saturating_add(1);
            let run = Run {
                id: RunId::new(&new.policy, number),
                policy: new.policy.clone(),
                policy_version: new.policy_version,
                target_version: new.target_version,
                trigger: new.trigger,
                started_at: new.started_at,
                until,
                stands_in: new.stands_in,
                state: RunState::Running,
            };
            row.progress.runs = number;
            row.unfinished = Some(number);
            let order = Key::of(Class::RunOrder, &tenant);
            let last = changes.core()?.raw_last(&order)?;
            let place = match &last {
                None => 0,
                Some((key, _)) => {
                    Parts::after(&order, key).number().and_then(|last| last.checked_add(1)).ok_or_else(|| changes.flawed(key, Flaw::Shape))?
                }
            };
            changes.put(&key, &row)?;
            changes.put(&run_key(&tenant, &new.policy, number), &run)?;
            changes.put(&order.number(place), &run.id)?;
            let deed = Deed::RunBegun {
                run: run.id.clone(),
                policy_version: run.policy_version,
                target_version: run.target_version,
                trigger: run.trigger,
                until: run.until,
                stands_in_for: run.stands_in.as_ref().map(|stands_in| stands_in.for_version),
                retry: new.retry,
            };
            Ok((Begun::New(run), Some(deed)))
        })
        .await
    }

    pub(super) async fn end_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
        at: Timestamp,
        summary: &RunSummary,
        manifest: &Digest,
        by: &Author,
    ) -> Result<()> {
        let (of, id, summary, manifest) = (tenant, run.clone(), summary.clone(), *manifest);
        let tenant = of.clone();
        self.write_audited(of, by, move |changes| {
            let unknown = || StoreError::Failed { doing: format!("ending the run {id}"), cause: "there is no such run".into() };
            let key = key_of(&tenant, &id).ok_or_else(unknown)?;
            let mut run: Run = changes.get(&key)?.ok_or_else(unknown)?;
            if matches!(run.state, RunState::Finished { .. }) {
                return Ok(((), None));
            }
            let progress = progress_key(&tenant, &run.policy);
            let mut row: ProgressRow = changes.get(&progress)?.ok_or_else(|| changes.flawed(progress.bytes(), Flaw::Missing))?;
            row.progress.cursor = row.progress.cursor.max(run.until);
            row.progress.manifest = Some(manifest);
            row.unfinished = None;
            let deed = Deed::RunEnded {
                run: id.clone(),
                events: summary.events,
                emails: summary.emails,
                chats: summary.chats,
                supplements: summary.supplements,
                manifest,
            };
            let day = day_key(&tenant, at);
            let mut figures: DayFigures = changes.get(&day)?.unwrap_or_default();
            figures.add(&summary);
            changes.put(&day, &figures)?;
            run.state = RunState::Finished { at, summary };
            changes.put(&key, &run)?;
            changes.put(&progress, &row)?;
            Ok(((), Some(deed)))
        })
        .await
    }

    pub(super) fn get_run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<Run>> {
        key_of(tenant, run).map_or(Ok(None), |key| self.core.get(&key))
    }

    pub(super) fn list_runs(&self, tenant: &TenantId, policy: Option<&Name>, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Run)>> {
        let all = match policy {
            Some(policy) => Key::of(Class::Run, tenant).name(policy),
            None => Key::of(Class::RunOrder, tenant),
        };
        let end = before.map_or_else(|| all.end(), |before| all.clone().number(before).bytes().to_vec());
        let found = |(key, record): &(sled::IVec, sled::IVec)| {
            let place = Parts::after(&all, key).number().ok_or_else(|| self.core.flawed(key, Flaw::Shape))?;
            if policy.is_some() {
                return Ok((place, self.core.value(key, record)?));
            }
            let id: RunId = self.core.value(key, record)?;
            Ok((place, self.get_run(tenant, &id)?.ok_or_else(|| self.core.flawed(key, Flaw::Missing))?))
        };
        self.core.raw_newest(&all, &end, limit)?.iter().map(found).collect()
    }

    pub(super) async fn keep_stored(&self, tenant: &TenantId, at: Timestamp, bytes: u64) -> Result<()> {
        let day = day_key(tenant, at);
        self.writer
            .write(move |changes| {
                let mut figures: DayFigures = changes.get(&day)?.unwrap_or_default();
                figures.stored = figures.stored.max(bytes);
                changes.put(&day, &figures)
            })
            .await
    }

    pub(super) fn list_days(&self, tenant: &TenantId, from: Timestamp, until: Timestamp) -> Result<Vec<(Timestamp, DayFigures)>> {
        let all = Key::of(Class::Day, tenant);
        let found = |(key, record): (sled::IVec, sled::IVec)| {
            let day = Parts::after(&all, &key).number().and_then(|day| i64::try_from(day).ok()?.checked_mul(DAY));
            Ok((Timestamp(day.ok_or_else(|| self.core.flawed(&key, Flaw::Shape))?), self.core.value(&key, &record)?))
        };
        let records = self.core.raw_range(Bound::Included(day_key(tenant, from).bytes()), &all, usize::MAX)?;
        let days = records.into_iter().map(found).collect::<Result<Vec<_>>>()?;
        Ok(days.into_iter().filter(|(day, _)| (from..until).contains(day)).collect())
    }

    pub(super) fn get_progress(&self, tenant: &TenantId, policy: &Name) -> Result<Progress> {
        Ok(self.core.get::<ProgressRow>(&progress_key(tenant, policy))?.unwrap_or_default().progress)
    }
}
