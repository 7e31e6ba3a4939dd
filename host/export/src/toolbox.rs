//! What a run works with, made ready once: versions of the policy and its target, their modules, the connections to targets.
//!
//! Windows of earlier runs that are tried again name earlier versions, so there may be several of each.

use std::collections::HashMap;
use std::sync::Arc;

use consign_mail::probe::test_email;
use consign_mail::smtp::{Checked, Sender, Target};
use consign_model::policy::PolicyVersion;
use consign_model::target::{KeptSecret, TargetSpec, TargetVersion};
use consign_model::{HeldReason, Name, RecipientOutcome, Run, RunId, Timestamp, Window};
use consign_store::Seen;
use zeroize::Zeroizing;

use crate::deliver::Outbox;
use crate::evaluate::Evaluator;
use crate::modules::blocking;
use crate::quarantine::Ward;
use crate::said::Meter;
use crate::shadow::Budget;
use crate::verdicts::Binder;
use crate::window::Tools;
use crate::{ExportError, Exporter};

impl Exporter {
    /// A target's connections, as it is now: a wrong host or password can be mended, whatever a window has frozen.
    async fn outbox(&self, policy: &Name, name: &Name) -> Result<Outbox, ExportError> {
        let target = self.store.target(&self.tenant, name, None).await?;
        let target = target.ok_or_else(|| ExportError::NoTarget { target: name.clone(), policy: policy.clone() })?;
        let gate = self.places.gates.of(&self.tenant, name, target.version, target.spec.max_per_minute);
        Ok(Outbox::new(self.connection(&target.spec).await?, target.spec.retry, gate))
    }

    /// How to connect to a target, with what signs in.
    async fn connection(&self, spec: &TargetSpec) -> Result<Target, ExportError> {
        // A command that brings a secret may take its time.
        let (name, spec, kept) = (spec.name.clone(), spec.clone(), self.kept_secret(spec).await?);
        let connection = blocking(move || Target::with_kept(&spec, kept.as_ref().map(|secret| secret.as_str()))).await?;
        connection.map_err(|cause| ExportError::Target { target: name, cause })
    }

    async fn known_target(&self, name: &Name) -> Result<TargetSpec, ExportError> {
        let target = self.store.target(&self.tenant, name, None).await?;
        Ok(target.ok_or_else(|| ExportError::NoSuchTarget(name.clone()))?.spec)
    }

    /// Connects to a target as for an e-mail, and sends nothing. The inner error is for a person: it does not answer, or lets nobody in.
    pub async fn check_target(&self, name: &Name) -> Result<Result<Checked, String>, ExportError> {
        let sender = Sender::new(self.connection(&self.known_target(name).await?).await?);
        Ok(sender.check().await)
    }

    /// Sends a test e-mail to a target, and says what became of it for each recipient. It is in no ledger: it has nothing of anybody's messages.
    pub async fn send_test(&self, name: &Name) -> Result<Vec<RecipientOutcome>, ExportError> {
        let spec = self.known_target(name).await?;
        let email = test_email(&self.tenant, &spec, Timestamp::now()).map_err(|error| ExportError::Stopped(error.to_string()))?;
        let sender = Sender::new(self.connection(&spec).await?);
        let sent = sender.send(&spec.from, &spec.to, &email).await;
        sender.close().await;
        tracing::info!(tenant = %self.tenant, target = %name, "a test e-mail was sent by {}", self.author.actor().text());
        Ok(sent)
    }
}

impl Exporter {
    /// Keeps a secret for the tenant's targets, sealed, in the place of the one that was seen. From the next run on it counts.
    pub async fn keep_secret(&self, name: &Name, secret: &str, seen: Seen) -> Result<KeptSecret, ExportError> {
        let sealed = self.archive.seal_secret(name, secret).map_err(|error| ExportError::Stopped(error.to_string()))?;
        let kept = KeptSecret { name: name.clone(), sealed, kept_at: Timestamp::now() };
        self.store.keep_secret(&self.tenant, &kept, seen, &self.author).await?;
        Ok(kept)
    }

    /// The secret that a target names, opened; unset where it names none, or there is none that opens.
    async fn kept_secret(&self, spec: &TargetSpec) -> Result<Option<Zeroizing<String>>, ExportError> {
        let Some(name) = spec.kept_secret() else { return Ok(None) };
        let kept = self.store.secret(&self.tenant, name).await?;
        Ok(kept.and_then(|kept| self.archive.open_secret(name, &kept.sealed)))
    }
}

/// Policies and targets by version, made ready once: windows of earlier runs may name earlier versions.
pub(crate) struct Toolbox<'a> {
    exporter: &'a Exporter,
    run: RunId,
    purpose: Purpose,
    /// The run's own version.
    pub policy: PolicyVersion,
    pub ward: Arc<Ward>,
    /// Unset for a preview, which runs no shadows.
    budget: Option<Arc<Budget>>,
    /// What the run's modules have used.
    pub meter: Arc<Meter>,
    binder: Arc<Binder>,
    made: tokio::sync::Mutex<HashMap<(u32, u32), Tried>>,
    /// By target: a window goes to the target that it was composed for, also where the policy has another one by now.
    outboxes: tokio::sync::Mutex<HashMap<Name, Arc<Outbox>>>,
}

/// A version of a policy and one of its target, made ready.
type Made = (Arc<Evaluator>, Arc<TargetVersion>);

/// What came of making it ready: a module that can't be had or may not be run holds the windows that need it.
type Tried = Result<Made, HeldReason>;

/// What a toolbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A run.
    Run,
    /// A preview, which leaves nothing behind.
    Preview,
}

impl<'a> Toolbox<'a> {
    /// Opens the run's policy and target.
    pub(crate) async fn open(exporter: &'a Exporter, run: &Run, purpose: Purpose) -> Result<Self, ExportError> {
        let policy = exporter.store.policy(&exporter.tenant, &run.policy, Some(run.policy_version)).await?;
        let policy = policy.ok_or_else(|| ExportError::NoPolicy(run.policy.clone()))?;
        let ward = Arc::new(Ward::open(exporter, run, &policy, purpose).await?);
        let (budget, meter) = match purpose {
            Purpose::Run => (Some(Arc::default()), Meter::of_run(exporter)),
            Purpose::Preview => (None, Meter::default()),
        };
        exporter.heed_quotas(Timestamp::now()).await?;
        let (made, outboxes) = (tokio::sync::Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { exporter, run: run.id.clone(), purpose, policy, ward, budget, meter: Arc::new(meter), binder: Arc::default(), made, outboxes })
    }

    /// The connections to a target.
    pub(crate) async fn outbox(&self, target: &Name) -> Result<Arc<Outbox>, ExportError> {
        let mut outboxes = self.outboxes.lock().await;
        if let Some(outbox) = outboxes.get(target) {
            return Ok(Arc::clone(outbox));
        }
        let outbox = Arc::new(self.exporter.outbox(&self.policy.spec.name, target).await?);
        outboxes.insert(target.clone(), Arc::clone(&outbox));
        Ok(outbox)
    }

    /// Ends all connections in order.
    pub(crate) async fn close(&self) {
        for outbox in self.outboxes.lock().await.values() {
            outbox.close().await;
        }
    }

    /// What to work on a window with, or why nothing can.
    pub(crate) async fn tools(&self, window: &Window) -> Result<Result<Tools, HeldReason>, ExportError> {
        let (evaluator, target) = match self.made(window).await? {
            Ok(made) => made,
            Err(reason) => return Ok(Err(reason)),
        };
        // Of what is made ready since, a module may have been quarantined.
        if let Some(reason) = self.ward.refuses(&evaluator.policy) {
            return Ok(Err(reason));
        }
        // A window of an earlier run was compared then, if it could be: its figures are that run's. So was what a supplement is to.
        let budget = self.budget.clone().filter(|_| window.run == self.run && !window.key.is_supplement());
        let binder = (self.run.clone(), Arc::clone(&self.binder));
        Ok(Ok(Tools { evaluator, target, ward: Arc::clone(&self.ward), budget, meter: Arc::clone(&self.meter), binder }))
    }

    async fn made(&self, window: &Window) -> Result<Tried, ExportError> {
        let versions = (window.policy_version, window.target_version);
        let mut made = self.made.lock().await;
        if let Some(made) = made.get(&versions) {
            return Ok(made.clone());
        }
        let Exporter { tenant, store, shelf, .. } = self.exporter;
        let name = &window.key.policy;
        let policy = store.policy(tenant, name, Some(versions.0)).await?.ok_or_else(|| ExportError::NoPolicy(name.clone()))?;
        let target_name = policy.spec.target.clone();
        let target = store.target(tenant, &target_name, Some(versions.1)).await?;
        let target = target.ok_or_else(|| ExportError::NoTarget { target: target_name, policy: name.clone() })?;
        // Windows of earlier versions are tried again under the engine of today.
        self.ward.add(self.exporter.check_engine(&policy, self.purpose).await?);
        let tried = if let Some(reason) = self.ward.refuses(&policy) {
            Err(reason)
        } else {
            let modules = Arc::clone(shelf);
            let memory = store.quotas(tenant).await?.limits.memory_bytes;
            match blocking(move || Evaluator::new(policy, &modules, memory)).await? {
                Ok(evaluator) => Ok((Arc::new(evaluator), Arc::new(target))),
                Err(error @ (ExportError::Module(_) | ExportError::Configuration { .. })) => {
                    Err(HeldReason::Module { module: "of the policy".to_owned(), text: error.to_string(), fault: None })
                }
                Err(error) => return Err(error),
            }
        };
        made.insert(versions, tried.clone());
        Ok(tried)
    }
}
