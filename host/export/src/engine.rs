//! What becomes of modules when the engine changes: another release of wasmtime, or other settings of it.
//!
//! Policies bind modules by digest, so that verdicts stay what they were; a compiler that compiles otherwise could change them all the same. So what a
//! module answers to a made-up chat, with the policy's own configuration, is kept with the engine that it ran under. The first use under another engine
//! compiles and tries it again, and where it answers otherwise, or does not pass any more, it is quarantined for the policy before anything is exported
//! by it. A shadow decides nothing, and is not looked at here.

use std::collections::HashSet;
use std::sync::Arc;

use consign_model::audit::Actor;
use consign_model::module::{BoundModule, ProbeReport};
use consign_model::policy::PolicyVersion;
use consign_model::quarantine::QuarantineReason;
use consign_model::{Digest, Name, Quarantine, Timestamp};
use serde::Serialize;

use crate::modules::blocking;
use crate::toolbox::Purpose;
use crate::{ExportError, Exporter, ShelfError};

/// What a look at one module of a policy found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// The policy.
    pub policy: Name,
    /// `name@version`.
    pub module: String,
    /// The module.
    pub digest: Digest,
    /// What was found.
    #[serde(flatten)]
    pub found: LookedAt,
}

/// What a look at a module found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum LookedAt {
    /// It is what it was.
    Same,
    /// It passes, and there is nothing to compare it with.
    First,
    /// Its file can't be read: why. The windows that need it are held.
    Missing {
        /// What is wrong with it.
        text: String,
    },
    /// It is not what it was: why.
    Otherwise {
        /// Under which engine it was last tried.
        before: Option<String>,
        /// What is otherwise.
        text: String,
    },
}

impl Exporter {
    /// Looks at the modules of a policy's version that were not tried under this engine yet. Those that are not what they were are quarantined for it,
    /// and answered. A preview keeps nothing of it.
    pub(crate) async fn check_engine(&self, policy: &PolicyVersion, purpose: Purpose) -> Result<Vec<Quarantine>, ExportError> {
        let mut bad = Vec::new();
        let in_force = self.in_force(&policy.spec.name).await?;
        for module in policy.modules().filter(|module| in_force.iter().all(|one| one.digest != module.digest)) {
            let known = self.store.probe(&self.tenant, &module.binding_under(&policy.spec.name)).await?;
            if known.as_ref().is_some_and(|known| known.engine == self.engine()) {
                continue;
            }
            let (looked, report) = self.look(policy, module, known).await?;
            bad.extend(match purpose {
                Purpose::Run => self.act_on(policy, module, looked, report).await?,
                Purpose::Preview => self.judged(looked),
            });
        }
        Ok(bad)
    }

    /// Looks at all modules of a policy's newest version, or at one of them, whether they were tried under this engine or not.
    pub async fn recheck(&self, policy: &PolicyVersion, only: Option<&Digest>) -> Result<Vec<Looked>, ExportError> {
        let mut all = Vec::new();
        for module in policy.modules().filter(|module| only.is_none_or(|only| *only == module.digest)) {
            let known = self.store.probe(&self.tenant, &module.binding_under(&policy.spec.name)).await?;
            let (looked, report) = self.look(policy, module, known).await?;
            all.push(looked.clone());
            self.act_on(policy, module, looked, report).await?;
        }
        Ok(all)
    }

    /// The engine that modules run under.
    pub fn engine(&self) -> String {
        self.shelf.sandbox().engine_version()
    }

    /// Tries a module as a policy binds it, and compares with what is known of it. What came of it counts from now on where it is what it was.
    async fn look(
        &self,
        policy: &PolicyVersion,
        module: &BoundModule,
        known: Option<ProbeReport>,
    ) -> Result<(Looked, Option<ProbeReport>), ExportError> {
        let mut good = None;
        let before = known.as_ref().map(|known| known.engine.clone());
        let otherwise = |text: String| LookedAt::Otherwise { before: before.clone(), text };
        let found = match self.try_bound(module).await {
            Err(ExportError::Module(ShelfError::Refused { cause, .. })) => otherwise(format!("it is refused: {cause}")),
            // No engine's fault.
            Err(error @ ExportError::Module(_)) => LookedAt::Missing { text: error.to_string() },
            Err(error) => return Err(error),
            Ok(Err(cause)) => otherwise(cause),
            Ok(Ok(report)) => match (report.failure(), known) {
                (Some((step, why)), _) => otherwise(format!("{step}: {why}")),
                (None, Some(known)) if known.verdicts != report.verdicts => {
                    otherwise("it answers otherwise to the made-up chat by which modules are tried".to_owned())
                }
                (None, known) => {
                    good = Some(report);
                    if known.is_some() { LookedAt::Same } else { LookedAt::First }
                }
            },
        };
        Ok((Looked { policy: policy.spec.name.clone(), module: module.name.clone(), digest: module.digest, found }, good))
    }

    /// The quarantine of a module that is not what it was.
    fn judged(&self, looked: Looked) -> Option<Quarantine> {
        let LookedAt::Otherwise { text, .. } = looked.found else { return None };
        let Looked { policy, module, digest, .. } = looked;
        let why = QuarantineReason::Engine { engine: self.engine(), text };
        Some(Quarantine { policy, digest, module, why, since: Timestamp::now(), release: None })
    }

    /// Keeps what came of a look: the probe that counts from now on, or a quarantine.
    async fn act_on(
        &self,
        policy: &PolicyVersion,
        module: &BoundModule,
        looked: Looked,
        report: Option<ProbeReport>,
    ) -> Result<Option<Quarantine>, ExportError> {
        if let Some(report) = report {
            self.store.save_probe(&self.tenant, &module.binding_under(&policy.spec.name), &report).await?;
        }
        let Some(one) = self.judged(looked) else { return Ok(None) };
        if self.store.quarantine(&self.tenant, &one, &self.author.acting_as(Actor::Consign)).await? {
            tracing::warn!(policy = %one.policy, module = one.module, "policy {}: {} is quarantined: {}", one.policy, one.module, one.text());
        }
        Ok(Some(one))
    }

    /// Tries a module as a policy binds it: outer error, it can't be had; inner, it is not bound.
    pub async fn try_bound(&self, module: &BoundModule) -> Result<Result<ProbeReport, String>, ExportError> {
        let loaded = self.bound_module(&module.digest).await?;
        let (config, needs) = (module.config.clone(), module.needs.clone());
        let attempt = move || loaded.bind(&config, &needs).map(|bound| bound.probe()).map_err(|error| error.for_the_record());
        blocking(attempt).await
    }

    /// What a module is under this engine counts from now on as what it has to be.
    pub(crate) async fn accept_engine(&self, policy: &Name, digest: &Digest) -> Result<(), ExportError> {
        let Some(newest) = self.store.policy(&self.tenant, policy, None).await? else { return Ok(()) };
        // Windows may be held for earlier versions too, with other configurations of it.
        let mut tried = HashSet::new();
        for number in (1..=newest.version).rev() {
            let Some(version) = self.store.policy(&self.tenant, policy, Some(number)).await? else { continue };
            for module in version.modules().filter(|module| module.digest == *digest) {
                let binding = module.binding_under(policy);
                if !tried.insert(binding) {
                    continue;
                }
                match self.try_bound(module).await {
                    Ok(Ok(report)) => self.store.save_probe(&self.tenant, &binding, &report).await?,
                    // It can't be run at all: the next run says so again.
                    Ok(Err(_)) | Err(ExportError::Module(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Looks at all policies, so that they need not wait for it when they are due. Answers what was quarantined.
    pub async fn check_engines(self: Arc<Self>) -> Result<Vec<Quarantine>, ExportError> {
        let mut bad = Vec::new();
        for policy in self.store.policies(&self.tenant).await? {
            bad.extend(self.check_engine(&policy, Purpose::Run).await?);
        }
        Ok(bad)
    }
}
