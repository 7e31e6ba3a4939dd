//! The tenants that a process serves: each with a scheduler, a watch and an account of its own, over one store.
//!
//! Nothing of one tenant is reached through another: what a tenant has is looked up under its name, and each has an [`Exporter`] with its own keys. They share the
//! process's places of work, of which each has its part.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use consign_export::{Exporter, Retry};
use consign_ingest::Importer;
use consign_ingest::receive::{self, Bounds, Hall, Receiver};
use consign_life::{Life, LifeError, go_on_removing};
use consign_model::access::platform;
use consign_model::alert::Notice;
use consign_model::audit::{Actor, Author};
use consign_model::quota::Rate;
use consign_model::{Name, RemovedTenant, TenantId, Timestamp};
use consign_store::{Store, StoreError};
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::alerts::{AlertSettings, Alerts, Ear, Webhook};
use crate::attempts::Attempts;
use crate::backup::{self, BackedUp, BackupError, BackupSettings};
use crate::caller::Caller;
use crate::ending;
use crate::issuers::Issuers;
use crate::metrics::Metrics;
use crate::modules::KEEPING;
use crate::problem::Problem;
use crate::runner::{Answer, Figures, News, Policies};
use crate::scheduler::{Settings, SystemClock, serve};

/// Tenants read at a time.
const PAGE: usize = 256;
/// How far back what was stored is looked for.
const SEEN_WITHIN: Duration = Duration::from_hours(40 * 24);

/// Why a tenant can't be served.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// There is none of that name.
    #[error("there is no tenant '{0}'")]
    Unknown(TenantId),
    /// The name is kept for the installation itself.
    #[error("'{0}' is the name of the installation itself: no tenant can have it")]
    Reserved(TenantId),
    /// Its keys can't be opened or made, say.
    #[error("tenant '{tenant}' cannot be opened: {cause}")]
    Open {
        /// Which.
        tenant: TenantId,
        /// Why, and the way out.
        cause: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tenant is not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// It, or the installation, can't be opened.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// What it has may not go, or can't be deleted.
    #[error(transparent)]
    Life(#[from] LifeError),
}

/// A tenant's part of the data folder.
pub struct Opened {
    /// On the way in.
    pub importer: Importer,
    /// On the way out.
    pub exporter: Exporter,
}

/// What opening a tenant comes to.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Opened, TenantError>> + Send + 'a>>;

/// Opens a tenant's part of the data folder, and makes its keys where it is new. Who has the master key does this.
pub trait Opener: Send + Sync {
    /// A tenant was removed: nothing of its keys is kept in memory.
    fn forget(&self, tenant: &TenantId);

    /// Opens it. `maker`: who is written in its log where it is new; unset: whoever has started the process.
    fn open<'a>(&'a self, tenant: &'a TenantId, maker: Option<&'a Actor>) -> Opening<'a>;
}

/// Hears of alerts.
pub type Told = Box<dyn Fn(&TenantId, &Notice) + Send + Sync>;
/// Hears of runs.
pub type Heard = Box<dyn Fn(&TenantId, News<'_>) + Send + Sync>;

/// Until all files of its archive were gone through, how much is stored of a tenant is what was seen last.
async fn remember_stored(exporter: &Exporter) {
    let (now, long) = (Timestamp::now(), SEEN_WITHIN.as_millis());
    let from = Timestamp(now.0.saturating_sub(i64::try_from(long).unwrap_or(i64::MAX)));
    match exporter.store.days(&exporter.tenant, from, Timestamp::MAX).await {
        Ok(days) => {
            let seen = days.iter().rev().map(|(_, day)| day.stored).find(|bytes| *bytes > 0);
            exporter.archive.writer().remember_stored(seen.unwrap_or_default());
        }
        Err(error) => tracing::warn!(tenant = %exporter.tenant, "how much was stored is not known until it is seen: {error}"),
    }
}

/// What all tenants are served with.
pub struct Common {
    /// What opens them.
    pub opener: Box<dyn Opener>,
    /// The store under all of them.
    pub store: Arc<dyn Store>,
    /// Of alerts.
    pub alerts: AlertSettings,
    /// Who is told of alerts.
    pub webhook: Option<Webhook>,
    /// Figures of all.
    pub metrics: Arc<Metrics>,
    /// Hears of alerts.
    pub told: Told,
    /// Hears of runs.
    pub news: Heard,
    /// The data folder.
    pub data: PathBuf,
    /// Where backups go.
    pub backup: Option<BackupSettings>,
    /// Where the console is to a browser, `https://consign.example`; unset where nobody has said it.
    pub url: Option<String>,
    /// Who vouches for people.
    pub issuers: Issuers,
}

/// A tenant that is being served.
pub struct Tenant {
    exporter: Exporter,
    receiver: Arc<Receiver>,
    policies: Arc<Policies>,
    changed: Arc<Notify>,
    life: Arc<Life>,
    keeping: Arc<Notify>,
    ear: Ear,
    /// Requests that were let through.
    rate: Mutex<Rate>,
    began: Instant,
    watchers: Arc<Semaphore>,
}

/// Who may watch a tenant's runs at once. Each holds a connection, of which there are not many.
const WATCHERS: usize = 16;

impl Tenant {
    /// Its name.
    pub fn name(&self) -> &TenantId {
        &self.exporter.tenant
    }

    /// What it has, and does as it is written in the log: by `actor`.
    pub fn by(&self, actor: Actor) -> Exporter {
        Exporter { author: self.exporter.author.acting_as(actor), ..self.exporter.clone() }
    }

    /// What it has, to look at.
    pub fn exporter(&self) -> &Exporter {
        &self.exporter
    }

    /// What takes its events in.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Asks for a run. It is made as soon as its policy and the process have room for it; asked again meanwhile it is still one run. Answers an id for
    /// [`Tenant::answer`].
    pub fn ask(&self, policy: &Name, retry: Retry, by: Actor) -> String {
        let id = self.policies.ask(policy, retry, by);
        self.changed.notify_one();
        id
    }

    /// What became of a run that was asked for, and of which policy.
    pub fn answer(&self, id: &str) -> Option<(Name, Answer)> {
        self.policies.answer(id)
    }

    /// Whether a run is asked for that has not begun.
    pub fn is_asked(&self, policy: &Name) -> bool {
        self.policies.is_asked(policy)
    }

    /// What lets its events go when they are over.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// Rules or holds are others now.
    pub fn keeping_changed(&self) {
        self.keeping.notify_one();
    }

    /// How far the run of a policy that is under way has come.
    pub fn figures(&self, policy: &Name) -> Figures {
        self.policies.figures(policy)
    }

    /// A place to watch runs from, as long as it is kept; unset where all are taken.
    pub fn watcher(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.watchers).try_acquire_owned().ok()
    }

    /// Lets a request of the tenant's own through, or says that it has had those of this minute.
    async fn admit(&self) -> Result<(), Problem> {
        let Some(limit) = self.exporter.store.quotas(self.name()).await?.limits.requests else { return Ok(()) };
        let (now, mut rate) = (self.now(), self.rate.lock().unwrap_or_else(PoisonError::into_inner));
        rate.take(limit, now).map_err(|wait| Problem::too_many_requests(limit, Duration::from_millis(wait)))
    }

    /// How many requests count against the limit now.
    pub fn requests(&self, limit: u64) -> u64 {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).used(limit, self.now())
    }

    /// Milliseconds since it is served.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What it may use is another now.
    pub fn quotas_changed(&self) {
        self.ear.look_at_quotas();
        // How much is stored is seen anew.
        self.keeping_changed();
    }

    /// Policies or targets are others now.
    pub fn changed(&self) {
        self.changed.notify_one();
    }
}

/// What goes on of one tenant.
struct Serving {
    tenant: Arc<Tenant>,
    alerts: Alerts,
    receiving: receive::Running,
    looking: JoinHandle<()>,
    ending: JoinHandle<()>,
    /// Whether this one is to end, while others go on; and whether its scheduler has.
    leaving: watch::Sender<bool>,
    scheduled: watch::Receiver<bool>,
}

impl Serving {
    /// Ends all but the scheduler.
    async fn stop(self) {
        self.looking.abort();
        self.ending.abort();
        // What was taken in is stored and answered.
        self.receiving.stop().await;
        self.alerts.stop().await;
    }
}

/// All tenants that are served.
pub struct Tenants {
    common: Arc<Common>,
    /// Room for events that wait to be stored, of all.
    hall: Hall,
    /// Only this one, where the process serves one.
    only: Option<TenantId>,
    serving: RwLock<BTreeMap<TenantId, Serving>>,
    /// The schedulers. Their answer: the tenant, and the policies whose runs were cut off.
    schedulers: tokio::sync::Mutex<JoinSet<(TenantId, Vec<Name>)>>,
    /// One at a time is opened, so that none is opened twice.
    opening: tokio::sync::Mutex<()>,
    stop: watch::Sender<bool>,
    /// One tenant at a time has events deleted.
    ending: Arc<Semaphore>,
    /// One backup at a time.
    backing_up: tokio::sync::Mutex<()>,
    /// Whether answers that go on are to end.
    closing: watch::Sender<bool>,
    /// What the installation itself has, who enters into its log among it: opened when it is first asked for.
    platform: OnceCell<Exporter>,
    /// Worthless tokens that were shown.
    pub(crate) attempts: Attempts,
}

impl Tenants {
    /// None yet. With `only`, it stays with this one.
    pub fn new(common: Common, only: Option<TenantId>) -> Self {
        Self {
            common: Arc::new(common),
            hall: Hall::new(Bounds::default()),
            only,
            serving: RwLock::default(),
            schedulers: tokio::sync::Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            stop: watch::Sender::new(false),
            closing: watch::Sender::new(false),
            platform: OnceCell::new(),
            ending: Arc::new(Semaphore::new(1)),
            backing_up: tokio::sync::Mutex::default(),
            attempts: Attempts::default(),
        }
    }

    /// The store under all of them.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.common.store
    }

    /// Who vouches for people.
    pub fn issuers(&self) -> &Issuers {
        &self.common.issuers
    }

    /// Where the console is to a browser, `https://consign.example`; unset where nobody has said it.
    pub fn url(&self) -> Option<&str> {
        self.common.url.as_deref()
    }

    /// Opens all tenants that there are, or the one. What can't be opened is found out before anything runs.
    pub async fn open_all(&self) -> Result<Vec<Opened>, TenantError> {
        if let Some(only) = &self.only {
            return Ok(vec![self.common.opener.open(only, None).await?]);
        }
        let (mut opened, mut after) = (Vec::new(), None);
        loop {
            let page = self.common.store.tenants(after.as_ref(), PAGE).await?;
            for tenant in page.iter().filter(|tenant| **tenant != platform()) {
                opened.push(self.common.opener.open(tenant, None).await?);
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last),
                None => return Ok(opened),
            }
        }
    }

    /// Begins to serve what was opened.
    pub async fn serve_all(&self, opened: Vec<Opened>) {
        let _one_at_a_time = self.opening.lock().await;
        for one in opened {
            self.begin(one).await;
        }
    }

    /// A tenant that is served.
    pub fn get(&self, tenant: &TenantId) -> Result<Arc<Tenant>, TenantError> {
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
        serving.get(tenant).map(|one| Arc::clone(&one.tenant)).ok_or_else(|| TenantError::Unknown(tenant.clone()))
    }

    /// Lets somebody's request through, or says that their tenant has had those of this minute. Who runs the installation counts for nobody: they may have to raise the limit.
    pub async fn admit(&self, caller: &Caller) -> Result<(), Problem> {
        match self.get(&caller.home) {
            Ok(tenant) => tenant.admit().await,
            Err(_) => Ok(()),
        }
    }

    /// Why the process should be asked for nothing for now; unset where it is ready.
    pub fn is_not_ready(&self) -> Option<&'static str> {
        if *self.stop.borrow() {
            return Some("it is stopping");
        }
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
        serving.values().any(|one| !one.looking.is_finished()).then_some("modules are being compiled and tried")
    }

    /// Ends answers that go on for as long as something does: nothing more is asked for, and what is under way is awaited.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Hears of [`Tenants::close`].
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Tenants after this one, by name.
    pub fn names(&self, after: Option<&TenantId>, limit: usize) -> Vec<TenantId> {
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
        serving.keys().filter(|tenant| after.is_none_or(|after| *tenant > after)).take(limit).cloned().collect()
    }

    /// Makes a tenant, and serves it from now on. Answers whether it is new.
    pub async fn create(&self, tenant: &TenantId, maker: &Actor) -> Result<(Arc<Tenant>, bool), TenantError> {
        if *tenant == platform() || self.only.as_ref().is_some_and(|only| only != tenant) {
            return Err(TenantError::Reserved(tenant.clone()));
        }
        if let Ok(known) = self.get(tenant) {
            return Ok((known, false));
        }
        if let Some(RemovedTenant { tenant, at, .. }) = self.common.store.removed_tenants().await?.into_iter().find(|one| one.tenant == *tenant) {
            return Err(StoreError::Removed { tenant, at }.into());
        }
        let is_new = self.common.store.tenant_keys(tenant).await?.is_none();
        Ok((self.serve(tenant, maker).await?, is_new))
    }

    /// Removes a tenant, while the others are served: ends what goes on for it, takes its keys out, and deletes its files. Its records go when the program is started next. Where
    /// something stands in the way it goes on being served.
    pub async fn remove(&self, tenant: &TenantId, reason: &str, even_owed: bool, maker: &Actor) -> Result<RemovedTenant, RemoveError> {
        let _one_at_a_time = self.opening.lock().await;
        let platform = self.platform().await?;
        let platform = Exporter { author: platform.author.acting_as(maker.clone()), ..platform.clone() };
        // Looked at before anything is ended for it.
        self.get(tenant)?.life.standing().await?.may_go(even_owed)?;
        let serving = self.serving.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        let mut serving = serving.ok_or_else(|| TenantError::Unknown(tenant.clone()))?;
        serving.leaving.send_replace(true);
        // An error: it has broken off, and is over.
        drop(serving.scheduled.wait_for(|ended| *ended).await);
        let known = Arc::clone(&serving.tenant);
        serving.stop().await;
        known.exporter.archive.at_rest().await;
        if let Err(error) = known.life.remove_tenant(reason, even_owed, &platform.author).await {
            // A hold was placed meanwhile, say.
            drop(known);
            self.common.opener.forget(tenant);
            let opened = self.common.opener.open(tenant, None).await?;
            self.begin(opened).await;
            return Err(error.into());
        }
        self.common.opener.forget(tenant);
        let _none_is_kept = KEEPING.lock().await;
        let all = go_on_removing(&platform).await?;
        all.into_iter().find(|one| one.tenant == *tenant).ok_or_else(|| TenantError::Unknown(tenant.clone()).into())
    }

    /// Goes on with the end of tenants that were removed before this process began.
    pub fn go_on_removing(self: &Arc<Self>) -> JoinHandle<()> {
        let tenants = Arc::clone(self);
        tokio::spawn(async move { tenants.remove_the_rest().await })
    }

    async fn remove_the_rest(&self) {
        let gone_on = async {
            // The installation gets keys and a log when there is something to enter.
            if self.common.store.removed_tenants().await.map_err(TenantError::from)?.iter().all(RemovedTenant::is_over) {
                return Ok(Vec::new());
            }
            let _none_is_kept = KEEPING.lock().await;
            Ok::<_, RemoveError>(go_on_removing(self.platform().await?).await?)
        };
        match gone_on.await {
            Ok(all) => all
                .iter()
                .filter(|one| one.is_over())
                .for_each(|one| info!(tenant = %one.tenant, "nothing is left of the removed tenant {}", one.tenant)),
            Err(error) => warn!(%error, "what removed tenants had is not all gone: {error}"),
        }
    }

    async fn serve(&self, tenant: &TenantId, maker: &Actor) -> Result<Arc<Tenant>, TenantError> {
        let _one_at_a_time = self.opening.lock().await;
        if let Ok(known) = self.get(tenant) {
            return Ok(known);
        }
        let opened = self.common.opener.open(tenant, Some(maker)).await?;
        Ok(self.begin(opened).await)
    }

    /// Begins to serve one. Whoever calls it keeps others from doing so at the same moment.
    async fn begin(&self, opened: Opened) -> Arc<Tenant> {
        let Opened { importer, exporter } = opened;
        // Whose token it was stands in what an import is called: what comes within an hour is one, by however many.
        let importer = Importer { author: importer.author.acting_as(Actor::Consign), ..importer };
        let (receiver, receiving) = Receiver::admitting(importer, &self.hall);
        remember_stored(&exporter).await;
        let (tenant, common) = (exporter.tenant.clone(), Arc::clone(&self.common));
        let (of, with) = (tenant.clone(), Arc::clone(&common));
        let told = Box::new(move |notice: &Notice| (with.told)(&of, notice));
        let alerts = Alerts::start(exporter.clone(), &common.alerts, common.webhook.clone(), &common.metrics, SystemClock, told);
        let (of, ear) = (tenant.clone(), alerts.ear());
        let policies = Arc::new(Policies::new(exporter.clone(), move |news| {
            (common.news)(&of, news);
            ear.hear(news);
        }));
        let ear = alerts.ear();
        let changed = Arc::new(Notify::new());
        let looking = tokio::spawn({
            let policies = Arc::clone(&policies);
            async move { policies.look_at_modules().await }
        });
        let (leaving, has_ended) = (watch::Sender::new(false), watch::Sender::new(false));
        let scheduled = has_ended.subscribe();
        self.schedulers.lock().await.spawn({
            let (of, policies, changed) = (tenant.clone(), Arc::clone(&policies), Arc::clone(&changed));
            let (mut stop, mut leaves) = (self.stop.subscribe(), leaving.subscribe());
            async move {
                // An error is the end of all tenants, or of this one, which is the end too.
                let end = async move {
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => {}
                        _ = leaves.wait_for(|leaves| *leaves) => {}
                    }
                };
                let unfinished = serve(policies, SystemClock, Settings::default(), &changed, end).await.unfinished;
                has_ended.send_replace(true);
                (of, unfinished)
            }
        });
        let (life, keeping) = (Arc::new(Life::new(exporter.clone())), Arc::<Notify>::default());
        let ending = tokio::spawn(ending::watch(Arc::clone(&life), exporter.clone(), Arc::clone(&keeping), Arc::clone(&self.ending)));
        let watchers = Arc::new(Semaphore::new(WATCHERS));
        let tenant =
            Arc::new(Tenant { exporter, receiver, policies, changed, life, keeping, ear, rate: Mutex::default(), began: Instant::now(), watchers });
        let serving = Serving { tenant: Arc::clone(&tenant), alerts, receiving, looking, ending, leaving, scheduled };
        self.serving.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.name().clone(), serving);
        tenant
    }

    /// Makes a backup where the settings say.
    pub async fn back_up(&self) -> Result<BackedUp, BackupError> {
        let settings = self.common.backup.as_ref().ok_or(BackupError::NoFolder)?;
        let _one = self.backing_up.try_lock().map_err(|_| BackupError::Busy)?;
        let uses = {
            let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
            serving.values().map(|one| one.tenant.exporter.archive.begin_use()).collect()
        };
        backup::back_up(self.common.store.as_ref(), &self.common.data, uses, &settings.folder, Some(settings.keep)).await
    }

    /// What the installation itself has: a log and keys, and no events.
    pub async fn platform(&self) -> Result<&Exporter, TenantError> {
        self.platform.get_or_try_init(async || Ok(self.common.opener.open(&platform(), None).await?.exporter)).await
    }

    /// What enters into the log of the installation itself.
    pub async fn platform_author(&self) -> Result<&Author, TenantError> {
        Ok(&self.platform().await?.author)
    }

    /// Ends all: runs at a place from where they are taken up. Answers those that were cut off.
    pub async fn stop(&self) -> Vec<(TenantId, Name)> {
        self.stop.send_replace(true);
        let mut unfinished = Vec::new();
        while let Some(ended) = self.schedulers.lock().await.join_next().await {
            // One that broke off has cut its runs off as a crash does, and says so itself.
            let Ok((tenant, policies)) = ended else { continue };
            unfinished.extend(policies.into_iter().map(|policy| (tenant.clone(), policy)));
        }
        unfinished.sort();
        let serving = std::mem::take(&mut *self.serving.write().unwrap_or_else(PoisonError::into_inner));
        futures::future::join_all(serving.into_values().map(Serving::stop)).await;
        unfinished
    }
}
