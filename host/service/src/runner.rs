//! What joins the scheduler with the export: which policies are planned, and how their runs are made.

use std::sync::Arc;

use consign_export::{ExportError, Exporter, Progress, Retry};
use consign_model::policy::PolicyVersion;
use consign_model::run::Trigger;
use consign_model::{Name, RunState, RunSummary, Timestamp};
use tracing::{info, warn};

use crate::scheduler::{Ended, Planned, Runner, scheduled_since};

/// A run that has ended, for whoever asked to hear of it.
#[derive(Debug, Clone, Copy)]
pub enum RunEnded<'a> {
    /// As it began.
    Whole(&'a RunSummary),
    /// It had been interrupted, and was taken up.
    TakenUp(&'a RunSummary),
}

/// Runs policies of one tenant.
pub struct Policies {
    exporter: Arc<Exporter>,
    tell: Box<dyn Fn(RunEnded<'_>) + Send + Sync>,
}

impl Policies {
    /// Those that this exporter sees. `tell` hears of each run when it has ended and is in the store.
    pub fn new(exporter: Exporter, tell: impl Fn(RunEnded<'_>) + Send + Sync + 'static) -> Self {
        Self { exporter: Arc::new(exporter), tell: Box::new(tell) }
    }

    fn ended(&self, run: RunEnded<'_>) {
        let (RunEnded::Whole(summary) | RunEnded::TakenUp(summary)) = run;
        log(summary);
        (self.tell)(run);
    }

    /// A policy's versions, newest first, as far back as the scheduler needs them: its first one is never far.
    async fn versions(&self, newest: PolicyVersion) -> Result<Vec<PolicyVersion>, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let name = newest.spec.name.clone();
        let mut versions = vec![newest];
        while let Some(number) = versions.last().map(|oldest| oldest.version).filter(|number| *number > 1) {
            match store.policy(tenant, &name, Some(number - 1)).await? {
                Some(older) if older.spec.enabled && Some(&older.spec.schedule) == versions.first().map(|newest| &newest.spec.schedule) => {
                    versions.push(older);
                }
                _ => break,
            }
        }
        Ok(versions)
    }
}

impl Runner for Policies {
    type Error = ExportError;

    async fn planned(&self) -> Result<Vec<Planned>, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let mut planned = Vec::new();
        for policy in store.policies(tenant).await? {
            let (name, schedule) = (policy.spec.name.clone(), policy.spec.schedule.clone());
            let versions = self.versions(policy).await?;
            let (Some(since), Some(schedule)) = (scheduled_since(&versions), schedule) else { continue };
            let last_due = store.progress(tenant, &name).await?.last_due;
            planned.push(Planned { policy: name, schedule, since: last_due.map_or(since, |due| due.max(since)) });
        }
        Ok(planned)
    }

    async fn interrupted(&self) -> Result<Vec<Name>, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let mut names = Vec::new();
        for policy in store.policies(tenant).await? {
            let newest = store.runs(tenant, Some(&policy.spec.name), 1).await?;
            if newest.iter().any(|run| run.state == RunState::Running) {
                names.push(policy.spec.name);
            }
        }
        Ok(names)
    }

    async fn resume(&self, policy: &Name) -> Result<Ended, ExportError> {
        match self.exporter.resume(policy, &quietly).await {
            Ok(summary) => {
                if let Some(summary) = &summary {
                    self.ended(RunEnded::TakenUp(summary));
                }
                Ok(Ended::Done)
            }
            Err(ExportError::Stopping(_)) => Ok(Ended::Stopped),
            Err(error) => Err(error),
        }
    }

    async fn run(&self, policy: &Name, due: Timestamp) -> Result<Ended, ExportError> {
        let report = match self.exporter.run(policy, Trigger::Schedule(due), &Retry::Waiting, &quietly).await {
            Err(ExportError::Stopping(_)) => return Ok(Ended::Stopped),
            report => report?,
        };
        report.resumed.iter().map(RunEnded::TakenUp).chain(report.run.iter().map(RunEnded::Whole)).for_each(|run| self.ended(run));
        Ok(if report.run.is_some() { Ended::Done } else { Ended::AlreadyRun })
    }

    fn stopping(&self) {
        self.exporter.stop.set();
    }
}

/// A service has nobody who watches a bar.
fn quietly(_: Progress) {}

fn log(summary: &RunSummary) {
    let RunSummary { run, policy, events, emails, .. } = summary;
    if events.held > 0 {
        warn!(%run, %policy, held_events = events.held, "run {run}: {} events exported, {} omitted, {} held: see 'consign held'", events.exported, events.omitted, events.held);
    } else {
        info!(%run, %policy, accepted_emails = emails.accepted, "run {run}: {} events exported in {} e-mails, {} omitted", events.exported, emails.accepted, events.omitted);
    }
}
