//! A run: claim it, freeze its windows, work on them some at once, account for them all, sign the manifest.
//!
//! A run that was interrupted is taken up by the next call, under its own id and with its own windows, and ends as if nothing had happened: so the
//! accounting is by run, whatever became of processes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use consign_model::audit::{Actor, Author, Retried};
use consign_model::manifest::{Manifest, ModuleUse};
use consign_model::module::BoundModule;
use consign_model::policy::PolicyVersion;
use consign_model::run::{SupplementCounts, Trigger};
use consign_model::shadow::add_all;
use consign_model::source::Lack;
use consign_model::target::TargetVersion;
use consign_model::{Digest, HeldReason, Name, Run, RunState, RunSummary, Timestamp, WindowKey, WindowState};
use consign_store::{Begun, NewRun, WindowFilter};
use futures::StreamExt;
use tokio::sync::Semaphore;

use crate::deliver::Asked;
use crate::manifest::{Totals, email_counts, window_entry};
use crate::pages::{PAGE, Task, Tasks, Windows, read_again};
use crate::quarantine::{Paused, Standing};
use crate::toolbox::{Purpose, Toolbox};
use crate::window::{not_run, put_off, work};
use crate::{ExportError, Exporter, freeze, pages};

/// Windows beside those at work whose end is being written down: many together share a file and a flush.
const SETTLING: usize = 128;

/// What a run says while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// So many windows, with so many events, are frozen so far.
    Frozen {
        /// Windows.
        windows: u64,
        /// Their events.
        events: u64,
    },
    /// A window has ended.
    Settled {
        /// Its events.
        events: u64,
        /// Whether it is held.
        held: bool,
    },
}

/// Hears of a run's progress. Called from the run's own thread of work: it must not block.
pub type Watch<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Which held windows of earlier runs are tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retry {
    /// Those that may pass by waiting: deferred, unreachable, unknown.
    Waiting,
    /// Of these those that are due, as their targets say.
    Due,
    /// These, by [`WindowKey::id`].
    These {
        /// The windows.
        ids: Vec<String>,
        /// How.
        how: How,
    },
}

/// How held windows are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As they were frozen.
    AsFrozen,
    /// Evaluated and composed anew under today's policy and target, where nobody can have got anything of them yet.
    Current,
    /// As they are composed now, also where the target may have e-mails of other bytes: a person has decided so.
    SendChanged,
}

impl Retry {
    /// What a run tries again that is taken up: what it would have tried.
    fn of(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Hand => Self::Waiting,
            Trigger::Schedule(_) | Trigger::Retry => Self::Due,
        }
    }

    /// What was asked for about this window.
    fn asked(&self, window: &WindowKey) -> Asked {
        match self {
            Self::These { ids, how } if ids.contains(&window.id()) => match how {
                How::AsFrozen | How::Current => Asked::Again,
                How::SendChanged => Asked::SendChanged,
            },
            Self::Due => Asked::WhenDue,
            Self::These { .. } | Self::Waiting => Asked::Nothing,
        }
    }

    /// What the audit log says of it.
    fn told(&self) -> Option<Retried> {
        let Self::These { ids, how } = self else { return None };
        let mut sorted: Vec<&str> = ids.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        let ids = Digest::of(sorted.iter().flat_map(|id| [id, "\n"]).collect::<String>().as_bytes());
        Some(Retried { how: how.word().to_owned(), windows: sorted.len() as u64, ids })
    }
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::AsFrozen => "as-frozen",
            Self::Current => "current",
            Self::SendChanged => "send-changed",
        }
    }
}

/// What a call of [`Exporter::run`] did.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// An interrupted run that was taken up and ended first.
    pub resumed: Option<RunSummary>,
    /// The run that was asked for; unset where its due time has had its run, or where the interrupted one left nothing to do.
    pub run: Option<RunSummary>,
    /// That the policy does not run, since a module of it is quarantined.
    pub paused: Option<Paused>,
}

impl RunReport {
    /// Whether everything was done, and nothing is held of what these runs examined or tried again.
    pub fn is_complete(&self) -> bool {
        self.paused.is_none()
            && self.run.iter().chain(&self.resumed).all(|run| run.chats.held == 0 && run.supplements.windows == run.supplements.done)
    }
}

impl Exporter {
    /// Runs a policy now, after taking up a run of it that was interrupted.
    pub async fn run(&self, policy: &Name, trigger: Trigger, retry: &Retry, watch: Watch<'_>) -> Result<RunReport, ExportError> {
        let _use = self.archive.begin_use();
        let mut resumed = None;
        let author = match trigger {
            Trigger::Hand => self.author.clone(),
            Trigger::Schedule(_) | Trigger::Retry => self.author.acting_as(Actor::Schedule),
        };
        loop {
            let (policy, target, stands_in) = match self.standing(policy, Purpose::Run).await? {
                Standing::Runs(how) => *how,
                Standing::Paused(paused) => {
                    // What was begun is ended all the same: its windows are held one by one.
                    resumed = match self.resume(policy, watch).await? {
                        Some(summary) => Some(summary),
                        None => resumed,
                    };
                    return Ok(RunReport { resumed, run: None, paused: Some(paused) });
                }
            };
            if let Some(stands_in) = &stands_in {
                tracing::warn!(policy = %policy.spec.name, "policy {}: {}", policy.spec.name, stands_in.text());
            }
            let new = NewRun {
                policy: policy.spec.name.clone(),
                policy_version: policy.version,
                target_version: target.version,
                trigger,
                stands_in,
                retry: retry.told(),
                started_at: Timestamp::now(),
            };
            match self.store.begin_run(&self.tenant, &new, &author).await? {
                Begun::New(run) => {
                    let summary = self.go_on(&run, retry, &author, watch).await?;
                    return Ok(RunReport { resumed, run: Some(summary), paused: None });
                }
                Begun::AlreadyRun => return Ok(RunReport { resumed, run: None, paused: None }),
                Begun::Unfinished(run) => {
                    tracing::info!(run = %run.id, "taking up the interrupted run {}", run.id);
                    // Held windows that were asked for belong to the run that is asked for, not to the one that was interrupted.
                    let summary = self.go_on(&run, &Retry::of(run.trigger), &self.author.acting_as(Actor::Consign), watch).await?;
                    let nothing_new = self.store.newest_arrival(&self.tenant).await? <= run.until;
                    resumed = Some(summary);
                    // By hand, an interrupted run that is ended now is what was asked for, unless more has arrived since it began.
                    if nothing_new && trigger == Trigger::Hand && run.trigger == Trigger::Hand && *retry == Retry::Waiting {
                        return Ok(RunReport { resumed, run: None, paused: None });
                    }
                }
            }
        }
    }

    /// Takes up a policy's interrupted run, if there is one.
    pub async fn resume(&self, policy: &Name, watch: Watch<'_>) -> Result<Option<RunSummary>, ExportError> {
        let _use = self.archive.begin_use();
        let runs = self.store.runs(&self.tenant, Some(policy), 1).await?;
        match runs.into_iter().find(|run| run.state == RunState::Running) {
            Some(run) => Ok(Some(self.go_on(&run, &Retry::of(run.trigger), &self.author.acting_as(Actor::Consign), watch).await?)),
            None => Ok(None),
        }
    }

    /// When something of a policy is tried again by itself: the earliest time, which may have passed. Looks at every held window of it.
    pub async fn next_attempt(&self, policy: &Name) -> Result<Option<Timestamp>, ExportError> {
        let mut next = None;
        let mut windows = Windows::new(self, WindowFilter::Unsettled(policy.clone()));
        while let Some(page) = windows.next().await? {
            next = page.iter().filter_map(|window| window.state.next_attempt_seen_at(Timestamp::now())).chain(next).min();
        }
        Ok(next)
    }

    /// The newest version of a policy and of its target.
    pub(crate) async fn newest(&self, policy: &Name) -> Result<(PolicyVersion, TargetVersion), ExportError> {
        let found = self.store.policy(&self.tenant, policy, None).await?.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
        let target = self.store.target(&self.tenant, &found.spec.target, None).await?;
        let target = target.ok_or_else(|| ExportError::NoTarget { target: found.spec.target.clone(), policy: policy.clone() })?;
        Ok((found, target))
    }

    /// A run that has begun, to its end.
    #[tracing::instrument(name = "run", skip_all, fields(otel.name = format!("run {}", run.policy), tenant = %self.tenant, policy = %run.policy, run = %run.id, windows, emails))]
    async fn go_on(&self, run: &Run, retry: &Retry, author: &Author, watch: Watch<'_>) -> Result<RunSummary, ExportError> {
        let begun = Instant::now();
        let toolbox = Toolbox::open(self, run, Purpose::Run).await?;
        // Before anything is frozen: a target that can't be used fails the run as a whole, not each window.
        toolbox.outbox(&toolbox.policy.spec.target).await?;
        let supplements = self.supplements(run, retry).await?;
        let noted = self.note_supplements(run, supplements)?;
        let supplements = noted.windows;
        if let Retry::These { how: How::Current, .. } = retry {
            self.refreeze(&toolbox.policy, run, &supplements).await?;
        }
        // What an interrupted run has frozen already.
        self.work_on_open(&toolbox, run, watch).await?;
        self.freeze_owed(run).await?;
        self.work_on_new(&toolbox, run, watch).await?;
        self.work_on_open(&toolbox, run, watch).await?;
        for keys in supplements.chunks(PAGE) {
            let mut page = Vec::with_capacity(keys.len());
            for key in keys {
                let window = self.store.window(&self.tenant, key).await?;
                page.extend(window.filter(|window| !matches!(window.state, WindowState::Done { .. })));
            }
            self.work_on(&toolbox, read_again(page.into_iter()), retry, watch).await?;
        }
        if self.freeze_owed_after(run, &supplements).await? {
            self.work_on_open(&toolbox, run, watch).await?;
        }
        toolbox.close().await;
        if self.stop.is_set() {
            return Err(ExportError::Stopping(run.id.clone()));
        }
        let summary = self.finish(&toolbox, run, &supplements, author, begun).await?;
        // Where traces go, unsigned numbers are text.
        let figure = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        tracing::Span::current().record("windows", figure(summary.chats.examined)).record("emails", figure(summary.emails.accepted));
        // The manifest has them now. What is left over after a crash here is removed with the next run's.
        let _ = std::fs::remove_file(&noted.file);
        Ok(summary)
    }

    /// Held windows of earlier runs that this run tries again. A window of an earlier run that is still open is one too: its run was ended by force.
    async fn supplements(&self, run: &Run, retry: &Retry) -> Result<Vec<WindowKey>, ExportError> {
        let (mut found, now) = (Vec::new(), Timestamp::now());
        let mut windows = Windows::new(self, WindowFilter::Unsettled(run.policy.clone()));
        while let Some(page) = windows.next().await? {
            for window in page.into_iter().filter(|window| window.run != run.id) {
                let wanted = match (retry, window.state.held()) {
                    (_, None) => true,
                    (Retry::Waiting, Some(_)) => window.state.is_tried_again(),
                    (Retry::Due, Some(_)) => window.state.is_due(now),
                    (Retry::These { ids, .. }, Some(_)) => ids.contains(&window.key.id()),
                };
                if wanted {
                    found.push(window.key);
                }
            }
        }
        Ok(found)
    }

    /// Gives held windows what the policy, the target, names and memberships are now. One of which something may have arrived stays as it is.
    async fn refreeze(&self, policy: &PolicyVersion, run: &Run, held: &[WindowKey]) -> Result<(), ExportError> {
        for key in held {
            let Some(window) = self.store.window(&self.tenant, key).await? else { continue };
            let Some(anew) = freeze::anew(self.store.as_ref(), &self.tenant, policy, run, window).await? else { continue };
            match self.store.refreeze(&self.tenant, &anew).await {
                Ok(()) => {}
                Err(consign_store::StoreError::Conflict { .. }) => {
                    tracing::warn!(window = key.id(), "something of window {} may have arrived: it is tried again as it is", key.id());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes down which windows of earlier runs this one tries again, before it does: one that is done when the process dies would be in no
    /// manifest else. A run that is taken up finds its list again.
    fn note_supplements(&self, run: &Run, found: Vec<WindowKey>) -> Result<Noted, ExportError> {
        let file = crate::manifest::path(&self.data, &self.tenant, &run.policy, &run.id).with_extension("supplements");
        let failed = |doing: &'static str| {
            let path = file.clone();
            move |error: std::io::Error| ExportError::File { doing, path, cause: error.to_string() }
        };
        let mut windows: Vec<WindowKey> = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed("read")(error.into()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed("read")(error)),
        };
        let before = windows.len();
        windows.extend(found);
        windows.sort();
        windows.dedup();
        if windows.len() > before {
            let bytes = serde_json::to_vec(&windows).map_err(|error| failed("write")(error.into()))?;
            crate::files::write_durably(&file, &bytes).map_err(failed("write"))?;
        }
        Ok(Noted { windows, file })
    }

    /// Freezes the windows of chats of which something has arrived, and works on them.
    async fn work_on_new(&self, toolbox: &Toolbox<'_>, run: &Run, watch: Watch<'_>) -> Result<(), ExportError> {
        let cursor = self.store.progress(&self.tenant, &run.policy).await?.cursor;
        if run.until <= cursor {
            return Ok(());
        }
        let tasks = pages::frozen(self, &toolbox.policy, run, cursor, watch);
        self.work_on(toolbox, tasks, &Retry::Waiting, watch).await
    }

    /// Works on what this run has frozen and not settled.
    async fn work_on_open(&self, toolbox: &Toolbox<'_>, run: &Run, watch: Watch<'_>) -> Result<(), ExportError> {
        let mut windows = Windows::new(self, WindowFilter::Unsettled(run.policy.clone()));
        while let Some(page) = windows.next().await? {
            let open = page.into_iter().filter(|window| window.run == run.id && window.state == WindowState::Open);
            self.work_on(toolbox, read_again(open), &Retry::Waiting, watch).await?;
        }
        Ok(())
    }

    async fn work_on(&self, toolbox: &Toolbox<'_>, tasks: Tasks<'_>, retry: &Retry, watch: Watch<'_>) -> Result<(), ExportError> {
        let (given_up, breaks_off) = (&AtomicU64::new(0), &AtomicBool::new(false));
        let pace = &Semaphore::new(self.pace.windows);
        let mut at_work = tasks
            .take_while(|_| std::future::ready(!breaks_off.load(Ordering::Relaxed)))
            .map(|task| async move {
                let Task { window, at_hand } = task?;
                let pace = pace.acquire().await.ok();
                // Windows at work are ended; those that are not begun stay frozen for the next start.
                if self.stop.is_set() || breaks_off.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let tools = match toolbox.tools(&window).await? {
                    Ok(tools) => tools,
                    // It holds the windows that need it, not the policy.
                    Err(reason) => {
                        let state = not_run(&window, reason);
                        self.store.settle(&self.tenant, &window.key, &state).await?;
                        watch(Progress::Settled { events: window.events(), held: true });
                        return Ok(());
                    }
                };
                let target = &tools.target.spec.name;
                let outbox = match toolbox.outbox(target).await {
                    Ok(outbox) => outbox,
                    // An earlier version's target, whose secret is gone, say: it must not keep the policy's own e-mails from going out.
                    Err(error @ ExportError::Target { .. }) if *target != toolbox.policy.spec.target => {
                        let state = not_run(&window, HeldReason::Delivery { text: error.to_string() });
                        self.store.settle(&self.tenant, &window.key, &state).await?;
                        watch(Progress::Settled { events: window.events(), held: true });
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                if let Some(state) = put_off(&window, &outbox) {
                    self.store.settle(&self.tenant, &window.key, &state).await?;
                    watch(Progress::Settled { events: window.events(), held: true });
                    return Ok(());
                }
                let (state, key) = (work(self, &tools, &outbox, &window, at_hand, retry.asked(&window.key), pace).await?, &window.key);
                let is_given_up = |state: &WindowState| matches!(state.held(), Some(HeldReason::Expired { .. }));
                if is_given_up(&state) && !is_given_up(&window.state) {
                    given_up.fetch_add(1, Ordering::Relaxed);
                }
                if let Some(reason) = state.held() {
                    // One line a run is a warning (its end says how much is held); which chats, and why, is for who asks.
                    tracing::info!(window = key.id(), policy = %key.policy, "window {} of {} is held: {}", key.id(), key.policy, reason.text());
                }
                watch(Progress::Settled { events: window.events(), held: state.held().is_some() });
                Ok(())
            })
            .buffer_unordered(self.pace.windows + SETTLING);
        let mut broken = None;
        while let Some(ended) = at_work.next().await {
            match ended {
                Ok(()) => {}
                // Nothing that the others do could be written down.
                Err(error @ ExportError::Store(_)) => return Err(error),
                // What they are sending is: else it would be sent again.
                Err(error) => {
                    breaks_off.store(true, Ordering::Relaxed);
                    broken.get_or_insert(error);
                }
            }
        }
        drop(at_work);
        if let Some(error) = broken {
            return Err(error);
        }
        let (given_up, policy) = (given_up.load(Ordering::Relaxed), &toolbox.policy.spec.name);
        if given_up > 0 {
            tracing::warn!(%policy, given_up, "policy {policy}: e-mails of {given_up} chats were given up after the time that the target's retry says: see 'consign held'");
        }
        Ok(())
    }

    /// Sums up, writes and signs the manifest, and ends the run.
    async fn finish(
        &self,
        toolbox: &Toolbox<'_>,
        run: &Run,
        supplements: &[WindowKey],
        author: &Author,
        begun: Instant,
    ) -> Result<RunSummary, ExportError> {
        let (mut totals, mut shadows) = (Totals::default(), Vec::new());
        let mut windows = Windows::new(self, WindowFilter::OfRun(run.id.clone()));
        while let Some(page) = windows.next().await? {
            for window in page {
                add_all(&mut shadows, window.state.settled().map_or(&[], |settled| settled.shadows.as_slice()));
                totals.add(&window, &self.store.deliveries(&self.tenant, &window.key).await?);
            }
        }
        let mut counts = SupplementCounts::default();
        for key in supplements {
            let Some(window) = self.store.window(&self.tenant, key).await? else { continue };
            counts.windows += 1;
            counts.done += u64::from(matches!(window.state, WindowState::Done { .. }));
            if let Some(settled) = window.state.settled() {
                counts.events.add(&settled.counts);
            }
            counts.emails.add(&email_counts(&self.store.deliveries(&self.tenant, key).await?));
        }
        let sources = self.sources().await?;
        let lacking: Vec<Lack> = sources.iter().flat_map(|source| source.lacking(&toolbox.policy.spec.requires)).collect();
        for lack in &lacking {
            let policy = &run.policy;
            tracing::warn!(%policy, source = %lack.source, requires = lack.requires.word(), "policy {policy}: {}", lack.text());
        }
        let path = crate::manifest::path(&self.data, &self.tenant, &run.policy, &run.id);
        let at = Timestamp::now();
        let head = Manifest {
            version: 1,
            tenant: self.tenant.clone(),
            policy: run.policy.clone(),
            policy_version: run.policy_version,
            policy_digest: toolbox.policy.digest(),
            stands_in: run.stands_in.clone(),
            modules: toolbox.policy.modules().map(module_use).collect(),
            sources,
            lacking: lacking.clone(),
            identities: self.store.identity_map(&self.tenant).await?,
            run: run.id.clone(),
            trigger: run.trigger,
            started_at: run.started_at,
            finished_at: at,
            previous: self.store.progress(&self.tenant, &run.policy).await?.manifest,
            audit: self.store.audit_head(&self.tenant).await?,
            windows: Vec::new(),
            supplements: Vec::new(),
            events: totals.events,
            emails: totals.emails,
            chats: totals.chats,
        };
        let digest = self.write_manifest(&path, head, run, supplements).await?;
        let summary = RunSummary {
            run: run.id.clone(),
            policy: run.policy.clone(),
            events: totals.events,
            emails: totals.emails,
            chats: totals.chats,
            supplements: counts,
            shadows,
            quarantined: toolbox.ward.new_ones(),
            stands_in: run.stands_in.clone(),
            lacking,
            costs: toolbox.meter.costs(),
            manifest: path.display().to_string(),
            millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        self.store.finish_run(&self.tenant, &run.id, at, &summary, &digest, author).await?;
        Ok(summary)
    }

    async fn write_manifest(&self, path: &std::path::Path, head: Manifest, run: &Run, supplements: &[WindowKey]) -> Result<Digest, ExportError> {
        let failed = |error: &std::io::Error| ExportError::File { doing: "write", path: path.to_owned(), cause: error.to_string() };
        let (exporter, run, supplements, target) = (self.clone(), run.id.clone(), supplements.to_vec(), path.to_owned());
        let runtime = tokio::runtime::Handle::current();
        let written = tokio::task::spawn_blocking(move || {
            crate::manifest::write(
                &target,
                &head,
                |writer| {
                    for key in &supplements {
                        let window = runtime.block_on(exporter.store.window(&exporter.tenant, key)).map_err(std::io::Error::other)?;
                        let deliveries = runtime.block_on(exporter.store.deliveries(&exporter.tenant, key)).map_err(std::io::Error::other)?;
                        if let Some(window) = window {
                            writer.entry(&window_entry(&window, &deliveries))?;
                        }
                    }
                    writer.end_supplements()?;
                    let mut windows = Windows::new(&exporter, WindowFilter::OfRun(run));
                    while let Some(page) = runtime.block_on(windows.next()).map_err(std::io::Error::other)? {
                        for window in page {
                            let deliveries =
                                runtime.block_on(exporter.store.deliveries(&exporter.tenant, &window.key)).map_err(std::io::Error::other)?;
                            writer.entry(&window_entry(&window, &deliveries))?;
                        }
                    }
                    Ok(())
                },
                |digest| exporter.archive.sign(digest),
            )
        });
        written.await.map_err(|error| ExportError::Stopped(error.to_string()))?.map_err(|error| failed(&error))
    }
}

fn module_use(module: &BoundModule) -> ModuleUse {
    ModuleUse { name: module.name.clone(), digest: module.digest, config: Digest::of(module.config.to_string().as_bytes()) }
}

/// Windows of earlier runs that a run tries again, and the file that says so.
struct Noted {
    windows: Vec<WindowKey>,
    file: std::path::PathBuf,
}
