//! Watches over what nobody looks at: held chats, a target that is down, nothing where there usually is something, a source that went silent, a quarantined
//! module, a broken chain.
//!
//! **It stands beside the runs, not in them.** A run says that it has ended and goes on; what that means is looked up here, from what the store has by then. So
//! a webhook that hangs or a chain of a thousand manifests delays no run, and a process that dies between a run and its alert loses none: at
//! each start everything is looked at anew and compared with what was said before ([`book`]).
//!
//! When what is looked at: all at start; a policy after each of its runs; targets, sources, quarantines and quotas each minute too, by what is in memory or new in the store;
//! files that are not there each quarter of an hour; whole chains once a day, and each hour while one is broken. What is held is not counted each minute, since that reads every held window.

pub mod book;
mod usual;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use consign_export::watch::{Checked, MissingFiles, Reachable, Sources};
use consign_export::{ExportError, Exporter};
use consign_model::alert::{AlertKind, Condition, Lack, Notice, Subject, Used};
use consign_model::policy::PolicyVersion;
use consign_model::run::Trigger;
use consign_model::{Name, Run, RunId, RunState, RunSummary, Timestamp};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use self::book::Book;
use self::usual::{DueRun, History, WEEKS};
pub use self::webhook::{AlertSettings, Webhook, WebhookError};
use crate::metrics::{Metrics, TenantMetrics};
use crate::runner::News;
use crate::schedule::Schedule;
use crate::scheduler::Clock;

/// From one look to the next.
const BEAT: Duration = Duration::from_mins(1);
const HOUR: i64 = 3_600_000;
/// From one count of the files that are not there to the next: it reads a record of each.
const COUNT_FILES: i64 = HOUR / 4;
/// From one check of whole chains to the next.
const CHECK: i64 = 24 * HOUR;
/// The same while one is broken: who mends it wants to know.
const CHECK_AGAIN: i64 = HOUR;
/// How long the last looks may take when serving ends. What is cut off the next start does.
const LAST_LOOKS: Duration = Duration::from_secs(5);
/// Runs read at first for a policy's history; four times as many until they go back far enough.
const RUNS: usize = 256;

/// Hears of an alert that fired or was resolved, once.
pub type Tell = Box<dyn Fn(&Notice) + Send + Sync>;

/// What the watch is told.
enum Heard {
    /// A run of a policy has ended.
    Run(Box<RunSummary>),
    /// Something else is to be looked at of this policy.
    Policy(Name),
    /// A run broke off.
    Failed(Name),
    /// What the tenant may use is another.
    Quotas,
    /// Whole chains were checked: of a policy, or the audit log.
    Checked(Vec<(Option<Name>, Checked)>),
    /// No more comes.
    End,
}

/// The watch, while `serve` runs.
pub struct Alerts {
    heard: UnboundedSender<Heard>,
    watching: JoinHandle<()>,
    telling: Option<JoinHandle<()>>,
}

/// Tells the watch what happened. Never waits.
#[derive(Clone)]
pub struct Ear(UnboundedSender<Heard>);

impl Ear {
    /// Something happened.
    pub fn hear(&self, news: News<'_>) {
        let heard = match news {
            News::Whole(summary) | News::TakenUp(summary) => Heard::Run(Box::new(summary.clone())),
            News::Paused(paused) => Heard::Policy(paused.policy.clone()),
            News::Quarantined(one) => Heard::Policy(one.policy.clone()),
            News::Failed(policy) => Heard::Failed(policy.clone()),
        };
        // Nobody listens only at the end.
        let _ = self.0.send(heard);
    }
}

impl Ear {
    /// What the tenant may use is another.
    pub fn look_at_quotas(&self) {
        let _ = self.0.send(Heard::Quotas);
    }
}

impl Alerts {
    /// Begins to watch. `tell` hears of each alert when it fires and when it is resolved; the webhook too, where there is one.
    pub fn start<C: Clock + Clone>(
        exporter: Exporter,
        settings: &AlertSettings,
        webhook: Option<Webhook>,
        metrics: &Arc<Metrics>,
        clock: C,
        tell: Tell,
    ) -> Self {
        let (heard, listen) = unbounded_channel();
        let metrics = Arc::new(metrics.of(&exporter.tenant));
        let file = book::path(&exporter.data, &exporter.tenant);
        let book = Arc::new(Book::open(file, webhook.as_ref().map(|webhook| &webhook.kinds), clock.now()));
        let news = Arc::new(Notify::new());
        let kinds = webhook.as_ref().map(|webhook| webhook.kinds.clone());
        let telling = webhook.map(|webhook| {
            let (tenant, book, metrics, clock, news) =
                (exporter.tenant.clone(), Arc::clone(&book), Arc::clone(&metrics), clock.clone(), Arc::clone(&news));
            tokio::spawn(async move { webhook::tell(&webhook, &tenant, &book, &metrics, &clock, &news).await })
        });
        let watch = Watch {
            exporter: Arc::new(exporter),
            silent: settings.silent_sources.clone(),
            kinds,
            book,
            news,
            metrics,
            clock,
            tell,
            heard: heard.clone(),
            sources: Sources::default(),
            histories: BTreeMap::new(),
            check_at: None,
            count_files_at: Timestamp(0),
            told: BTreeSet::new(),
        };
        Self { heard, watching: tokio::spawn(watch.go_on(listen)), telling }
    }

    /// By which it hears of runs.
    pub fn ear(&self) -> Ear {
        Ear(self.heard.clone())
    }

    /// Ends it, after a last look at what it has heard of. What the webhook is owed then it gets after the next start.
    pub async fn stop(self) {
        let Self { heard, mut watching, telling } = self;
        let _ = heard.send(Heard::End);
        if tokio::time::timeout(LAST_LOOKS, &mut watching).await.is_err() {
            watching.abort();
        }
        if let Some(telling) = telling {
            telling.abort();
        }
    }
}

struct Watch<C> {
    exporter: Arc<Exporter>,
    /// Sources that are meant to be silent.
    silent: BTreeSet<Name>,
    /// What the webhook is to hear of; unset where there is none.
    kinds: Option<BTreeSet<AlertKind>>,
    book: Arc<Book>,
    /// Wakes who tells the webhook.
    news: Arc<Notify>,
    metrics: Arc<TenantMetrics>,
    clock: C,
    tell: Tell,
    heard: UnboundedSender<Heard>,
    sources: Sources,
    histories: BTreeMap<Name, History>,
    /// When whole chains are checked next; unset while they are being checked.
    check_at: Option<Timestamp>,
    /// When the files that are not there are counted next.
    count_files_at: Timestamp,
    /// Failures to look that were logged: the same one, minute after minute, is said once.
    told: BTreeSet<String>,
}

impl<C: Clock + Clone> Watch<C> {
    async fn go_on(mut self, mut listen: UnboundedReceiver<Heard>) {
        let looked = self.look_at_all().await;
        self.note("all policies", looked);
        self.check_chains();
        // Not begun anew by each run that ends: those of a policy that runs each second would put it off for ever.
        let mut beat = Box::pin(self.clock.sleep(BEAT));
        loop {
            tokio::select! {
                heard = listen.recv() => match heard {
                    None | Some(Heard::End) => return,
                    Some(heard) => self.heard(heard).await,
                },
                () = beat.as_mut() => {
                    let looked = self.look_around().await;
                    self.note("targets and sources", looked);
                    if self.check_at.is_some_and(|at| at <= self.clock.now()) {
                        self.check_chains();
                    }
                    beat = Box::pin(self.clock.sleep(BEAT));
                }
            }
        }
    }

    async fn heard(&mut self, heard: Heard) {
        let (what, looked) = match heard {
            Heard::Run(summary) => (summary.run.to_string(), self.look_after_run(&summary).await),
            Heard::Policy(policy) => (policy.to_string(), self.look_at_policy(&policy).await),
            Heard::Failed(policy) => {
                self.metrics.failed(&policy);
                self.settle(of(AlertKind::RunFailed, &policy), vec![Condition::RunFailed { policy: policy.clone() }]).await;
                (policy.to_string(), self.look_at_policy(&policy).await)
            }
            Heard::Quotas => ("quotas".to_owned(), self.look_at_quotas().await),
            Heard::Checked(chains) => ("chains".to_owned(), self.chains_checked(chains).await),
            Heard::End => return,
        };
        self.note(&what, looked);
    }

    /// A look that failed says nothing of how things stand, so what fired goes on.
    fn note(&mut self, what: &str, looked: Result<(), ExportError>) {
        let Err(error) = looked else { return };
        let text = error.to_string();
        if self.told.insert(text.clone()) {
            warn!("alerts of {what} could not be looked at: {text}");
        } else {
            debug!("alerts of {what} could not be looked at again: {text}");
        }
    }

    async fn look_at_all(&mut self) -> Result<(), ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        for policy in store.policies(tenant).await? {
            let name = &policy.spec.name;
            let held = self.exporter.held_now(name).await?;
            self.metrics.held(name, held.as_ref());
            self.settle(of(AlertKind::Held, name), held.into_iter().collect()).await;
            // By hand it may have run while nobody watched.
            let runs = store.runs(tenant, Some(name), RUNS).await?;
            let ended_since = |kind, counts: fn(&RunSummary) -> bool| {
                let firing = self.firing(kind, name);
                let counts = |run: &Run| matches!(&run.state, RunState::Finished { at, summary } if firing.is_some_and(|since| *at >= since) && counts(summary));
                runs.iter().any(counts)
            };
            let (failed, nothing) = (ended_since(AlertKind::RunFailed, |_| true), ended_since(AlertKind::NothingExported, has_exported));
            for (kind, is_over) in [(AlertKind::RunFailed, failed), (AlertKind::NothingExported, nothing)] {
                if is_over || !policy.spec.enabled {
                    self.settle(of(kind, name), Vec::new()).await;
                }
            }
            // From old to new, so that the newest stays.
            for run in runs.iter().rev() {
                if let RunState::Finished { at, summary } = &run.state {
                    self.metrics.ran(name, *at, summary);
                }
            }
        }
        self.look_around().await
    }

    /// What is looked at each minute.
    async fn look_around(&mut self) -> Result<(), ExportError> {
        let (exporter, now) = (Arc::clone(&self.exporter), self.clock.now());
        let policies = exporter.store.policies(&exporter.tenant).await?;
        self.look_at_targets(&policies).await?;
        self.look_at_quotas().await?;
        for policy in &policies {
            let found = exporter.quarantined_now(policy).await?;
            self.settle(of(AlertKind::Quarantined, &policy.spec.name), found).await;
            self.metrics.due(&policy.spec.name, next_due(policy, now));
        }
        let mut found = self.sources.look(&exporter, now).await?;
        found.retain(|one| !matches!(one, Condition::Gap { source, lack: Lack::Silence, .. } if self.silent.contains(source)));
        self.settle(|subject| subject.kind == AlertKind::Gap, found).await;
        // A clock that was set back must not put it off for as long.
        if self.count_files_at <= now || self.count_files_at.0 > now.0.saturating_add(COUNT_FILES) {
            let files = exporter.files_now().await?;
            self.metrics.files(&files);
            self.settle(|subject| subject.kind == AlertKind::Files, files.iter().filter_map(MissingFiles::condition).collect()).await;
            self.count_files_at = Timestamp(now.0.saturating_add(COUNT_FILES));
        }
        Ok(())
    }

    async fn look_at_targets(&self, policies: &[PolicyVersion]) -> Result<(), ExportError> {
        let used: BTreeSet<&Name> = policies.iter().filter(|policy| policy.spec.enabled).map(|policy| &policy.spec.target).collect();
        let targets = self.exporter.store.targets(&self.exporter.tenant).await?;
        for target in targets {
            let (name, version) = (&target.spec.name, target.version);
            let in_scope = |subject: &Subject| subject.kind == AlertKind::TargetDown && subject.target.as_ref() == Some(name);
            let known = self.book.firing().into_iter().find(|alert| in_scope(&alert.condition.subject()));
            let found = match self.exporter.reachable(name, version) {
                _ if !used.contains(name) => Vec::new(),
                Reachable::Down { cause, next_attempt } => vec![Condition::TargetDown { target: name.clone(), version, cause, next_attempt }],
                Reachable::Up => Vec::new(),
                // Nobody has asked it since the process began. Another version is another target.
                Reachable::Unknown => known
                    .into_iter()
                    .map(|alert| alert.condition)
                    .filter(|down| matches!(down, Condition::TargetDown { version: of, .. } if *of == version))
                    .collect(),
            };
            self.metrics.target(name, !found.is_empty());
            let name = name.clone();
            self.settle(move |subject| subject.kind == AlertKind::TargetDown && subject.target.as_ref() == Some(&name), found).await;
        }
        Ok(())
    }

    async fn look_at_quotas(&self) -> Result<(), ExportError> {
        let (exporter, now) = (&self.exporter, self.clock.now());
        let limits = exporter.store.quotas(&exporter.tenant).await?.limits;
        let mut found = Vec::new();
        if let Some(limit) = limits.stored_bytes {
            let used = exporter.archive.writer().stored_bytes();
            if u128::from(used) * 10 >= u128::from(limit) * 9 {
                found.push(Condition::Quota { of: Used::StoredBytes, used, limit });
            }
        }
        if let Some(limit) = limits.processor_seconds {
            let used = exporter.processor_today(now).await? / 1_000_000;
            if used >= limit {
                found.push(Condition::Quota { of: Used::ProcessorSeconds, used, limit });
            }
        }
        self.settle(|subject| subject.kind == AlertKind::Quota, found).await;
        Ok(())
    }

    async fn look_at_policy(&mut self, name: &Name) -> Result<(), ExportError> {
        let (exporter, now) = (Arc::clone(&self.exporter), self.clock.now());
        let held = exporter.held_now(name).await?;
        self.metrics.held(name, held.as_ref());
        self.settle(of(AlertKind::Held, name), held.into_iter().collect()).await;
        let Some(policy) = exporter.store.policy(&exporter.tenant, name, None).await? else { return Ok(()) };
        let found = exporter.quarantined_now(&policy).await?;
        self.settle(of(AlertKind::Quarantined, name), found).await;
        self.metrics.due(name, next_due(&policy, now));
        let policies = exporter.store.policies(&exporter.tenant).await?;
        self.look_at_targets(&policies).await
    }

    async fn look_after_run(&mut self, summary: &RunSummary) -> Result<(), ExportError> {
        let (exporter, policy) = (Arc::clone(&self.exporter), &summary.policy);
        self.settle(of(AlertKind::RunFailed, policy), Vec::new()).await;
        if let Some(run) = exporter.store.run(&exporter.tenant, &summary.run).await? {
            self.metrics.ended(&run, summary);
            if let RunState::Finished { at, .. } = &run.state {
                self.metrics.ran(policy, *at, summary);
            }
            self.look_at_history(&run, summary).await?;
        }
        self.look_at_policy(policy).await?;
        self.look_at_quotas().await?;
        if let Checked::Broken(what) = exporter.check_newest_manifest(policy).await?
            && self.firing(AlertKind::ChainBroken, policy).is_none()
        {
            self.settle(of(AlertKind::ChainBroken, policy), vec![Condition::ChainBroken { policy: Some(policy.clone()), what }]).await;
        }
        Ok(())
    }

    /// Whether a run that was due has exported nothing, where it usually does.
    async fn look_at_history(&mut self, run: &Run, summary: &RunSummary) -> Result<(), ExportError> {
        let (policy, exported) = (&summary.policy, has_exported(summary));
        if exported {
            self.settle(of(AlertKind::NothingExported, policy), Vec::new()).await;
        }
        let Trigger::Schedule(due) = run.trigger else { return Ok(()) };
        if !self.histories.contains_key(policy) {
            let history = self.read_history(policy, &run.id, due).await?;
            self.histories.insert(policy.clone(), history);
        }
        let Some(history) = self.histories.get_mut(policy) else { return Ok(()) };
        let usual = history.usual(due);
        history.add(DueRun { due, exported });
        if let Some(usual) = usual.filter(|_| !exported) {
            let events = &summary.events;
            let condition = Condition::NothingExported {
                policy: policy.clone(),
                due,
                examined: events.examined,
                omitted: events.omitted,
                held: events.held,
                usual,
            };
            self.settle(of(AlertKind::NothingExported, policy), vec![condition]).await;
        }
        Ok(())
    }

    /// The due runs before this one, as far back as they are compared.
    async fn read_history(&self, policy: &Name, before: &RunId, due: Timestamp) -> Result<History, ExportError> {
        let Exporter { tenant, store, .. } = self.exporter.as_ref();
        let oldest = due.0.saturating_sub((WEEKS * 7 * 24 + 24) * HOUR);
        let mut limit = RUNS;
        loop {
            let runs = store.runs(tenant, Some(policy), limit).await?;
            if runs.len() == limit && runs.last().is_some_and(|run| run.started_at.0 >= oldest) {
                limit = limit.saturating_mul(4);
                continue;
            }
            let ended = runs.iter().filter(|run| run.id != *before).filter_map(|run| match (&run.trigger, &run.state) {
                (Trigger::Schedule(due), RunState::Finished { summary, .. }) => Some(DueRun { due: *due, exported: has_exported(summary) }),
                _ => None,
            });
            return Ok(History::of(ended.collect()));
        }
    }

    /// Begins to check whole chains, beside everything else: of many manifests that takes minutes.
    fn check_chains(&mut self) {
        self.check_at = None;
        let (exporter, heard) = (Arc::clone(&self.exporter), self.heard.clone());
        tokio::spawn(async move {
            let checked = check(&exporter).await.unwrap_or_else(|error| {
                // Whoever ends the program ends this with it, and the next start begins with it.
                if !exporter.stop.is_set() {
                    warn!("manifests and the audit log could not be checked: {error}");
                }
                Vec::new()
            });
            let _ = heard.send(Heard::Checked(checked));
        });
    }

    async fn chains_checked(&mut self, chains: Vec<(Option<Name>, Checked)>) -> Result<(), ExportError> {
        let mut wait = CHECK;
        for (policy, checked) in chains {
            let found = match checked {
                Checked::Good => Vec::new(),
                Checked::Broken(what) => {
                    wait = CHECK_AGAIN;
                    vec![Condition::ChainBroken { policy: policy.clone(), what }]
                }
                Checked::Undecided => {
                    wait = CHECK_AGAIN;
                    continue;
                }
            };
            self.settle(move |subject| subject.kind == AlertKind::ChainBroken && subject.policy == policy, found).await;
        }
        self.check_at = Some(Timestamp(self.clock.now().0.saturating_add(wait)));
        Ok(())
    }

    /// Since when an alert of a policy fires.
    fn firing(&self, kind: AlertKind, policy: &Name) -> Option<Timestamp> {
        let in_scope = of(kind, policy);
        self.book.firing().into_iter().find(|alert| in_scope(&alert.condition.subject())).map(|alert| alert.since)
    }

    /// Of what is in scope exactly this is so now.
    async fn settle(&self, in_scope: impl Fn(&Subject) -> bool + Send + 'static, found: Vec<Condition>) {
        let (kinds, now) = (self.kinds.clone(), self.clock.now());
        let settled = webhook::on_disk(&self.book, move |book| book.settle(&in_scope, found, kinds.as_ref(), now)).await;
        let notices = settled.unwrap_or_default();
        if !notices.is_empty() {
            self.news.notify_one();
        }
        self.metrics.firing(&self.book.firing());
        self.metrics.owed(self.book.count_owed());
        for notice in &notices {
            (self.tell)(notice);
        }
    }
}

/// Alerts of this kind about this policy.
fn of(kind: AlertKind, policy: &Name) -> impl Fn(&Subject) -> bool + Send + 'static + use<> {
    let policy = policy.clone();
    move |subject| subject.kind == kind && subject.policy.as_ref() == Some(&policy)
}

/// Whether something went out by a run for the first time.
fn has_exported(summary: &RunSummary) -> bool {
    summary.events.exported > 0 || summary.supplements.done > 0
}

fn next_due(policy: &PolicyVersion, now: Timestamp) -> Option<Timestamp> {
    let schedule = policy.spec.schedule.as_ref().filter(|_| policy.spec.enabled)?;
    Schedule::parse(schedule).ok()?.next_after(now)
}

/// Checks the manifests of all policies, and the audit log; that it goes as far as the manifests say only where these are good: else one byte would be told twice.
async fn check(exporter: &Exporter) -> Result<Vec<(Option<Name>, Checked)>, ExportError> {
    let (mut all, mut good) = (Vec::new(), Vec::new());
    for policy in exporter.store.policies(&exporter.tenant).await? {
        let name = policy.spec.name;
        let checked = exporter.check_manifests(&name).await?;
        if checked == Checked::Good {
            good.push(name.clone());
        }
        all.push((Some(name), checked));
    }
    let log = exporter.check_audit_log(&good).await?;
    all.push((None, log));
    Ok(all)
}
