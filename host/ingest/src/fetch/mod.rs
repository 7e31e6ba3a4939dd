//! Fetching files that events name by an address: most exports name files so, and an archive of placeholders is not the conversation.
//!
//! Which files are wanted stands in the store, by their events' positions and with what came of them so far ([`consign_model::wanted`]); their addresses
//! stand in the sealed events alone. So whoever fetches needs the archive's opening half, and the rest of this room does not.
//!
//! **Nothing is asked for that no rule allows** ([`FetchConfig`]): an address is what somebody wrote in a chat. Its host has to be named, its name may
//! lead to no private address ([`address`]), and the token of a rule goes to the very host that was named and along no redirect to another ([`get`]). No
//! proxy of the environment is used, since then another machine would look names up; one that a rule names is.
//!
//! **A file comes once.** What is fetched is handed to the importer with its event, as a fuller export would, and goes out by an event that adds it; the commit
//! of that event takes the file off the list. Dropped or killed anywhere, what is fetched again has the same digest and brings nothing new.

mod address;
mod config;
mod get;
mod kind;
mod look;
mod missing;
mod pass;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consign_archive::{Archive, ArchiveError};
use consign_model::{Backoff, Name, Timestamp, WantedKind, WantedState};
use consign_store::{StoreError, WantedFilter};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::{Notify, watch};

use self::address::{Reach, Resolver};
pub use self::config::{FetchConfig, HostRule, NoHost};
use self::get::{Rule, Token};
pub use self::missing::MissingFile;
pub use self::pass::Fetched;
use self::pass::{Pass, Progress};
use crate::{Importer, IngestError};

/// The longest sleep beside `serve`: what has arrived meanwhile is looked at within it, and so is a clock that was set.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The shortest: a pass that fails at once must not be a busy loop.
const BREATH: Duration = Duration::from_secs(1);
/// How long connecting may take, with looking up the name.
const CONNECT: Duration = Duration::from_secs(20);
/// Records read at a time, where all are gone through.
const STEP: usize = 1_000;

/// Why fetching can't begin, or stopped. A file that can't be had is no error: its state says so.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// What a rule needs can't be had.
    #[error("the [[fetch]] of source '{source_name}': {what}")]
    Rule {
        /// Whose.
        source_name: Name,
        /// What is wrong, and the way out.
        what: String,
    },
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What came could not be stored.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

/// Fetches the files of a tenant's events.
pub struct Fetcher {
    importer: Importer,
    archive: Arc<Archive>,
    rules: BTreeMap<Name, Vec<Rule>>,
    /// Sources whose files that may not be asked for were looked at under these rules.
    judged: Mutex<BTreeSet<Name>>,
    /// Ends the sleep of [`Self::run`].
    woken: Notify,
}

impl Fetcher {
    /// Reads the tokens. Without rules nothing is ever fetched, and what is missing can be listed all the same.
    pub async fn open(config: &[FetchConfig], importer: Importer, archive: Arc<Archive>) -> Result<Self, FetchError> {
        let mut rules: BTreeMap<Name, Vec<Rule>> = BTreeMap::new();
        for one in config {
            rules.entry(one.source.clone()).or_default().push(rule(one).await?);
        }
        Ok(Self { importer, archive, rules, judged: Mutex::default(), woken: Notify::new() })
    }

    /// The sources that have rules.
    pub fn sources(&self) -> impl Iterator<Item = &Name> {
        self.rules.keys()
    }

    /// Fetches what is due at this time, of one source or all that have rules, and says what came. Until `stop` is ready: then what is half fetched is left as it
    /// was, and what is being stored is stored. What was stored before an error stays. Dropped, it leaves the same, but for the import's end in the audit log.
    ///
    /// The first time under these rules, files that might not be asked for before are looked at again, since rules may have changed.
    pub async fn pass(&self, source: Option<&Name>, now: Timestamp, stop: impl Future<Output = ()>) -> Result<Vec<Fetched>, FetchError> {
        let _use = self.archive.begin_use();
        let (mut all, mut failed) = (Vec::new(), None);
        let mut stop = std::pin::pin!(stop);
        for (name, rules) in self.rules.iter().filter(|(name, _)| source.is_none_or(|only| only == *name)) {
            // What is wrong with one source's files is nothing to the next one's.
            match self.pass_of(name, rules, now, stop.as_mut()).await {
                Ok((fetched, progress)) => {
                    all.push(fetched);
                    if progress == Progress::Stopped {
                        break;
                    }
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(all), Err)
    }

    async fn pass_of(
        &self,
        source: &Name,
        rules: &[Rule],
        now: Timestamp,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(Fetched, Progress), FetchError> {
        self.judge_anew(source, now).await?;
        let mut pass = Pass::new(self, source, rules, now);
        let outcome = pass.work(stop).await;
        let fetched = pass.end(matches!(outcome, Ok(Progress::Done))).await;
        let progress = outcome?;
        Ok((fetched?, progress))
    }

    /// Fetches whatever becomes due, beside whatever else runs, until `stop` is ready.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let (tell, told) = watch::channel(false);
        let stopped = || {
            let mut told = told.clone();
            // Nobody tells it by going away.
            async move { drop(told.wait_for(|stopped| *stopped).await) }
        };
        let running = async {
            while !*told.borrow() {
                let outcome = self.pass(None, Timestamp::now(), stopped()).await;
                log(&outcome);
                // What stands in the way of all files is not gone in a second.
                let wait = if outcome.is_ok() { self.next_due().await.unwrap_or(LOOK_AGAIN) } else { LOOK_AGAIN };
                tokio::select! {
                    () = tokio::time::sleep(wait.clamp(BREATH, LOOK_AGAIN)) => {}
                    () = self.woken.notified() => {}
                    () = stopped() => {}
                }
            }
        };
        let stopping = async {
            stop.await;
            tell.send_replace(true);
        };
        tokio::join!(running, stopping);
    }

    /// How long until something is due; unset where nothing is, or nobody can say.
    async fn next_due(&self) -> Option<Duration> {
        let Importer { tenant, store, .. } = &self.importer;
        let mut next: Option<Timestamp> = None;
        for source in self.rules.keys() {
            let first = store.wanted_due(tenant, source, Timestamp::MAX, None, 1).await.ok()?;
            next = next.into_iter().chain(first.first().and_then(|file| file.state.due())).min();
        }
        let wait = next?.0.saturating_sub(Timestamp::now().0);
        Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
    }

    /// Has all files of a source that are not there tried again at this time, as if they had just become known. Says how many.
    pub async fn again(&self, source: &Name, now: Timestamp) -> Result<u64, FetchError> {
        let count = self.make_due(source, None, now, |_| true).await?;
        self.wake();
        Ok(count)
    }

    /// Has [`Self::run`] look now, because something is known to have become due.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    async fn judge_anew(&self, source: &Name, now: Timestamp) -> Result<(), FetchError> {
        let is_judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner).contains(source);
        if !is_judged {
            let of_rules = |state: &WantedState| state.reason().is_some_and(consign_model::Reason::is_of_rules);
            self.make_due(source, Some(WantedKind::Waiting), now, of_rules).await?;
            self.judged.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone());
        }
        Ok(())
    }

    async fn make_due(
        &self,
        source: &Name,
        kind: Option<WantedKind>,
        now: Timestamp,
        which: impl Fn(&WantedState) -> bool,
    ) -> Result<u64, FetchError> {
        let Importer { tenant, store, .. } = &self.importer;
        let filter = WantedFilter { source: source.clone(), kind };
        let (mut after, mut count) = (None, 0);
        loop {
            let page = store.wanted(tenant, &filter, after.as_ref(), STEP).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.key.clone());
            let due = page.into_iter().filter(|file| which(&file.state)).map(|file| (file.key, Some(WantedState::new(now))));
            let due: Vec<_> = due.collect();
            count += due.len() as u64;
            store.settle_wanted(tenant, &due).await?;
        }
    }
}

fn log(outcome: &Result<Vec<Fetched>, FetchError>) {
    match outcome {
        Err(error) => tracing::error!(%error, "files could not be fetched, and are tried again: {error}"),
        Ok(all) => {
            for Fetched { source, files, bytes, waiting, gone, unreadable } in all {
                if gone + unreadable > 0 {
                    tracing::warn!(%source, files, bytes, waiting, gone, unreadable, "source '{source}': {gone} files are gone, and {unreadable} can't be had: see 'consign fetch {source} --list'");
                } else if files + waiting > 0 {
                    tracing::info!(%source, files, bytes, waiting, gone, unreadable, "source '{source}': {files} files fetched");
                }
            }
        }
    }
}

async fn rule(config: &FetchConfig) -> Result<Rule, FetchError> {
    let failed = |what: String| FetchError::Rule { source_name: config.source.clone(), what };
    let token = match &config.token {
        None => None,
        Some(place) => Some(Token::open(place.clone()).await.map_err(failed)?),
    };
    let authorities = match &config.authorities {
        None => Vec::new(),
        Some(file) => {
            let unread = |error| failed(format!("authorities: {} can't be read: {error}", file.display()));
            certificates(&tokio::fs::read(file).await.map_err(|error| unread(error.to_string()))?, file).map_err(failed)?
        }
    };
    let reach = Reach::with(&config.allow_addresses);
    let time = Duration::from_secs(config.seconds.into());
    // None of the environment. Behind one that is named, it is the one who looks names up.
    let client = reqwest::Client::builder().no_proxy();
    let client = match &config.proxy {
        None => client.dns_resolver(Arc::new(Resolver(reach.clone()))),
        Some(proxy) => {
            let unusable = |error: reqwest::Error| failed(format!("proxy: it can't be used: {}", error.without_url()));
            // Not for http, which goes to this machine.
            client.proxy(reqwest::Proxy::https(proxy.clone()).map_err(unusable)?)
        }
    };
    let client = client
        .tls_backend_preconfigured(tls(authorities)?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(CONNECT.min(time))
        .user_agent(concat!("consign/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| FetchError::Tls(error.without_url().to_string()))?;
    Ok(Rule {
        hosts: config.hosts.clone(),
        token,
        graph: config.graph.clone(),
        client,
        reach,
        max_size: config.max_size.0,
        time,
        backoff: Backoff::lasting(config.within),
    })
}

fn certificates(pem: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("authorities: {} has no certificate: it is one or more in PEM", file.display())),
        Err(_) => Err(format!("authorities: {} is no PEM", file.display())),
    }
}

/// Trusts the system's authorities and these, by the same library as the rest of the program.
fn tls(authorities: Vec<CertificateDer<'static>>) -> Result<rustls::ClientConfig, FetchError> {
    let mut roots = rustls::RootCertStore::empty();
    // None is an error only for who connects; the handshake says so then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(authorities);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Tls(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
