//! Which modules a policy does not run any more, and what it does instead.
//!
//! **The rule.** A module that has failed in `quarantine-after` different chats (3, unless the policy says otherwise), within as many runs running and
//! since its last release, is quarantined for that policy. Different chats, because one chat can be made to make a module fail by whoever may write in it:
//! that holds this chat, and must not stop the export of all others. Within some runs, because a fault a year is no trend. To give up on a chat, and
//! what the host does wrong, do not count.
//!
//! Nothing counts the faults but the windows that are held for them, so a process that dies has forgotten none, and what was mended is not counted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use consign_model::audit::{Actor, Author};
use consign_model::fault::Fault;
use consign_model::module::BoundModule;
use consign_model::policy::{OnQuarantine, PolicyVersion};
use consign_model::quarantine::{QuarantineReason, Release};
use consign_model::run::StandIn;
use consign_model::target::TargetVersion;
use consign_model::{ChatKey, Digest, HeldReason, Name, PolicySpec, Quarantine, Run, RunId, RunState, TenantId, Timestamp};
use consign_store::{Store, StoreError, WindowFilter};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::pages::Windows;
use crate::toolbox::Purpose;
use crate::{ExportError, Exporter};

/// That a policy does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paused {
    /// The policy.
    pub policy: Name,
    /// Its quarantined modules.
    pub quarantined: Vec<Quarantine>,
    /// Why no earlier version runs instead, where the policy asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_earlier: Option<String>,
}

impl Paused {
    /// What, why, and the way out.
    pub fn text(&self) -> String {
        let modules: Vec<String> = self.quarantined.iter().map(|one| format!("{} ({})", one.module, one.text())).collect();
        let earlier = self.no_earlier.as_ref().map(|why| format!(" {why}.")).unwrap_or_default();
        let policy = &self.policy;
        format!(
            "the policy '{policy}' is paused: quarantined is {}.{earlier} Nothing is lost: its windows begin where the last ones ended, and what is still owed of earlier ones waits. Apply the policy with \
             a mended module, or release this one: consign quarantine release {policy}",
            modules.join(", ")
        )
    }
}

/// How a policy stands.
pub(crate) enum Standing {
    /// It runs so: with the version, the target, and why it is not the newest one.
    Runs(Box<(PolicyVersion, TargetVersion, Option<StandIn>)>),
    /// It does not run.
    Paused(Paused),
}

impl Exporter {
    /// How a policy stands: whether the modules of its newest version may be run, after a look at the engine.
    pub(crate) async fn standing(&self, policy: &Name, purpose: Purpose) -> Result<Standing, ExportError> {
        let (newest, target) = self.newest(policy).await?;
        let mut in_force = self.check_engine(&newest, purpose).await?;
        in_force.extend(self.in_force(policy).await?);
        let mut hit: Vec<Quarantine> = in_force.iter().filter(|one| newest.modules().any(|module| module.digest == one.digest)).cloned().collect();
        hit.sort_by_key(|one| one.digest);
        hit.dedup_by_key(|one| one.digest);
        if hit.is_empty() {
            return Ok(Standing::Runs(Box::new((newest, target, None))));
        }
        let paused = |no_earlier| Ok(Standing::Paused(Paused { policy: policy.clone(), quarantined: hit.clone(), no_earlier }));
        if newest.spec.on_quarantine == OnQuarantine::Pause {
            return paused(None);
        }
        match self.last_good(&newest, &in_force, purpose).await? {
            None => paused(Some(
                "No earlier version of it that differs in nothing but an earlier version of such a module has exported anything".to_owned(),
            )),
            Some((version, target)) => {
                let quarantined = hit.iter().map(|one| (one.module.clone(), one.digest)).collect();
                let stands_in = StandIn { for_version: newest.version, version: version.version, quarantined };
                Ok(Standing::Runs(Box::new((version, target, Some(stands_in)))))
            }
        }
    }

    /// The newest earlier version that has accounted for events, has none of these modules, and has in their places earlier versions of the same modules:
    /// in all else that decides what is exported it is the newest. So nobody brings a policy back that was tightened since, by making a module fail.
    async fn last_good(
        &self,
        newest: &PolicyVersion,
        in_force: &[Quarantine],
        purpose: Purpose,
    ) -> Result<Option<(PolicyVersion, TargetVersion)>, ExportError> {
        let Self { tenant, store, .. } = self;
        let name = &newest.spec.name;
        let runs = store.runs(tenant, Some(name), usize::MAX).await?;
        let accounted = |run: &Run| match &run.state {
            RunState::Finished { summary, .. } => {
                [&summary.events, &summary.supplements.events].iter().any(|events| events.exported + events.omitted > 0)
            }
            RunState::Running => false,
        };
        let ended: HashSet<u32> = runs.iter().filter(|run| accounted(run)).map(|run| run.policy_version).collect();
        for number in (1..newest.version).rev().filter(|number| ended.contains(number)) {
            let Some(version) = store.policy(tenant, name, Some(number)).await? else { continue };
            if version.modules().any(|module| in_force.iter().any(|one| one.digest == module.digest)) || !stands_in_for(&version, newest, in_force) {
                continue;
            }
            if !self.check_engine(&version, purpose).await?.is_empty() {
                continue;
            }
            let Some(target) = store.target(tenant, &version.spec.target, None).await? else { continue };
            return Ok(Some((version, target)));
        }
        Ok(None)
    }

    /// The quarantines of a policy that hold.
    pub async fn in_force(&self, policy: &Name) -> Result<Vec<Quarantine>, StoreError> {
        let all = self.store.quarantines(&self.tenant, Some(policy)).await?;
        let engine = self.engine();
        Ok(all.into_iter().filter(|one| one.holds_under(&engine)).collect())
    }

    /// Ends quarantines of a policy: of this module, or of all. What a module is under this engine counts from now on as what it has to be.
    pub async fn release(&self, policy: &Name, module: Option<&Digest>, by: &str) -> Result<Vec<Quarantine>, ExportError> {
        let seen = self.in_force(policy).await?;
        self.release_seen(policy, &seen, module, by).await
    }

    /// The same of those that somebody has seen: one that was ended meanwhile and has begun anew stays.
    pub async fn release_seen(&self, policy: &Name, seen: &[Quarantine], module: Option<&Digest>, by: &str) -> Result<Vec<Quarantine>, ExportError> {
        let release = Release { by: by.to_owned(), at: Timestamp::now() };
        let mut ended = Vec::new();
        for one in seen.iter().filter(|one| module.is_none_or(|module| *module == one.digest)) {
            if matches!(one.why, QuarantineReason::Engine { .. }) {
                self.accept_engine(policy, &one.digest).await?;
            }
            ended.extend(self.store.release(&self.tenant, policy, &one.digest, Some(one.since), &release, &self.author).await?);
        }
        Ok(ended)
    }
}

/// Whether an earlier version differs from the newest in nothing but in other versions of the modules that are quarantined, with their configurations.
fn stands_in_for(earlier: &PolicyVersion, newest: &PolicyVersion, in_force: &[Quarantine]) -> bool {
    let places = |version: &PolicyVersion| version.modules().map(BoundModule::alone).collect::<Vec<_>>();
    let (before, now) = (places(earlier), places(newest));
    let is_out = |module: &BoundModule| in_force.iter().any(|one| one.digest == module.digest);
    let same_modules = before.len() == now.len()
        && before
            .iter()
            .zip(&now)
            .all(|(before, now)| if is_out(now) { before.base_name() == now.base_name() && before.negate == now.negate } else { before == now });
    // As written, without what was just compared, and without what says when a policy runs and not what it exports.
    let rest = |version: &PolicyVersion| {
        let mut spec = PolicySpec {
            schedule: newest.spec.schedule.clone(),
            quarantine_after: newest.spec.quarantine_after,
            on_quarantine: newest.spec.on_quarantine,
            ..version.spec.clone()
        };
        spec.criteria.clear();
        spec.grouping = None;
        (spec, version.criteria.len(), version.grouping.is_some())
    };
    same_modules && rest(earlier) == rest(newest)
}

/// Watches over a policy's modules during a run.
pub(crate) struct Ward {
    policy: Name,
    run: RunId,
    /// In how many chats a module may fail, less one; 0: never too many.
    after: usize,
    state: Mutex<State>,
    /// Unset for a preview, which changes nothing.
    keep: Option<Keep>,
}

struct Keep {
    tenant: TenantId,
    store: Arc<dyn Store>,
    runtime: Handle,
    author: Author,
}

#[derive(Default)]
struct State {
    quarantined: HashMap<Digest, Quarantine>,
    /// The chats in which a module has failed.
    failed: HashMap<Digest, HashSet<ChatKey>>,
    /// Those that were quarantined in this run.
    new: Vec<Quarantine>,
}

impl Ward {
    /// As it is when a run begins, or is taken up.
    pub async fn open(exporter: &Exporter, run: &Run, policy: &PolicyVersion, purpose: Purpose) -> Result<Self, ExportError> {
        let Exporter { tenant, store, .. } = exporter;
        let newest = store.policy(tenant, &run.policy, None).await?;
        let after = newest.as_ref().unwrap_or(policy).spec.quarantine_after;
        let all = store.quarantines(tenant, Some(&run.policy)).await?;
        let (mut state, engine) = (State::default(), exporter.engine());
        let mut released: HashMap<Digest, Timestamp> = HashMap::new();
        for one in all {
            if let Some(release) = &one.release {
                released.insert(one.digest, release.at);
                continue;
            }
            if matches!(&one.why, QuarantineReason::Faults { run: of, .. } if *of == run.id) {
                state.new.push(one.clone());
            }
            if one.holds_under(&engine) {
                state.quarantined.insert(one.digest, one);
            }
        }
        if after > 0 {
            let runs = store.runs(tenant, Some(&run.policy), usize::try_from(after).unwrap_or(usize::MAX)).await?;
            let since = runs.last().map_or(run.started_at, |oldest| oldest.started_at);
            let mut windows = Windows::new(exporter, WindowFilter::Unsettled(run.policy.clone()));
            while let Some(page) = windows.next().await? {
                for window in page {
                    let consign_model::WindowState::Held { reason: HeldReason::Module { fault: Some(fault), .. }, at, .. } = &window.state else {
                        continue;
                    };
                    let counts = *at >= since && released.get(&fault.digest).is_none_or(|released| at > released);
                    if counts && fault.class.speaks_against_the_module() {
                        state.failed.entry(fault.digest).or_default().insert(window.key.chat);
                    }
                }
            }
        }
        let keep = (purpose == Purpose::Run).then(|| Keep {
            tenant: tenant.clone(),
            store: Arc::clone(store),
            runtime: Handle::current(),
            author: exporter.author.acting_as(Actor::Consign),
        });
        Ok(Self {
            policy: run.policy.clone(),
            run: run.id.clone(),
            after: usize::try_from(after).unwrap_or(usize::MAX),
            state: Mutex::new(state),
            keep,
        })
    }

    /// The reason not to run a policy's version: a module of it is quarantined.
    pub fn refuses(&self, policy: &PolicyVersion) -> Option<HeldReason> {
        let state = self.lock();
        let one = policy.modules().find_map(|module| state.quarantined.get(&module.digest))?;
        let text = format!(
            "it was not run, since it is quarantined for this policy: {}. Mend it, or release it (consign quarantine release {})",
            one.text(),
            self.policy
        );
        Some(HeldReason::Quarantine { module: one.module.clone(), digest: one.digest, text })
    }

    /// Takes in quarantines from elsewhere: what a look at the engine brought.
    pub fn add(&self, quarantines: Vec<Quarantine>) {
        let mut state = self.lock();
        for one in quarantines {
            state.quarantined.entry(one.digest).or_insert(one);
        }
    }

    /// Those that were quarantined in this run.
    pub fn new_ones(&self) -> Vec<(String, Digest)> {
        self.lock().new.iter().map(|one| (one.module.clone(), one.digest)).collect()
    }

    /// That a module has failed in a chat. Answers whether it is still in use. Blocks where it is not any more, until that is durable.
    pub fn failed(&self, chat: &ChatKey, module: &BoundModule, fault: &Fault) -> bool {
        let mut state = self.lock();
        if state.quarantined.contains_key(&fault.digest) {
            return false;
        }
        if !fault.class.speaks_against_the_module() {
            return true;
        }
        let chats = state.failed.entry(fault.digest).or_default();
        chats.insert(chat.clone());
        let many = chats.len();
        if self.after == 0 || many < self.after {
            return true;
        }
        let why = QuarantineReason::Faults { run: self.run.clone(), chats: u32::try_from(many).unwrap_or(u32::MAX), class: fault.class };
        let one = Quarantine {
            policy: self.policy.clone(),
            digest: fault.digest,
            module: module.name.clone(),
            why,
            since: Timestamp::now(),
            release: None,
        };
        state.quarantined.insert(one.digest, one.clone());
        state.new.push(one.clone());
        drop(state);
        if let Some(Keep { tenant, store, runtime, author }) = &self.keep {
            tracing::warn!(policy = %self.policy, module = one.module, "policy {}: {} is quarantined: {}", self.policy, one.module, one.text());
            if let Err(error) = runtime.block_on(store.quarantine(tenant, &one, author)) {
                // The run fails at its next write to the store; the next one counts the same windows again.
                tracing::error!(policy = %self.policy, "the quarantine of {} could not be written down: {error}", one.module);
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic leaves here is whole: each step of it is one insertion.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
