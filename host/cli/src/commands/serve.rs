//! `serve`
//!
//! It goes on until it is interrupted, so it says things one by one: a line for each, which with `--json` is an object whose `what` says what it is
//! about.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_model::access::platform;
use consign_model::alert::{Change, Notice};
use consign_model::{Name, RunSummary, TenantId, Timestamp};
use consign_service::alerts::{AlertSettings, Webhook};
use consign_service::backup::{BackupSettings, make_by_itself};
use consign_service::issuers::{Issuers, SignInSettings};
use consign_service::metrics::{Metrics, MetricsServer, MetricsSettings};
use consign_service::runner::News;
use consign_service::server::{ApiServer, ApiSettings};
use consign_service::tenants::{Common, Tenants};
use serde::Deserialize;
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::oneshot;

use super::ingest::{IngestSettings, Ingesting};
use super::run::summary_json;
use crate::args::Cli;
use crate::data::{Installation, Place};
use crate::output::{Ending, Failure, number, say};

/// What a settings file may say; the command line goes before it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Config {
    data: Option<PathBuf>,
    master_key_file: Option<PathBuf>,
    tenant: Option<Name>,
    alerts: Option<AlertSettings>,
    metrics: Option<MetricsSettings>,
    api: Option<ApiSettings>,
    ingest: Option<IngestSettings>,
    backup: Option<BackupSettings>,
    #[serde(default)]
    sign_in: Vec<SignInSettings>,
}

/// Where things are served.
struct Addresses {
    metrics: Option<SocketAddr>,
    api: Option<SocketAddr>,
    ingest: Option<SocketAddr>,
}

impl Addresses {
    fn of(metrics: Option<&MetricsServer>, api: Option<&ApiServer>, ingesting: Option<&Ingesting>) -> Self {
        Self { metrics: metrics.map(MetricsServer::address), api: api.map(ApiServer::address), ingest: ingesting.map(|ingesting| ingesting.address) }
    }
}

/// Runs policies when they are due, of all tenants or one, until it is interrupted, or until the store can't be written any more: that is a failure, after which
/// whoever looks after services starts it again.
pub async fn serve(cli: &Cli, config: Option<&Path>) -> Result<Ending, Failure> {
    let config = config.map(read).transpose()?.unwrap_or_default();
    let only = cli.tenant.clone().or(config.tenant);
    let place = Place {
        folder: match cli.data.clone().or(config.data) {
            Some(folder) => folder,
            None => Place::of(cli)?.folder,
        },
        master_key_file: cli.master_key_file.clone().or(config.master_key_file),
        tenant: match only.clone() {
            Some(tenant) => tenant,
            None => "default".parse()?,
        },
        by: cli.by.clone(),
    };
    let alerts = config.alerts.unwrap_or_default();
    let webhook = Webhook::open(&alerts)?;
    let metrics_server = match &config.metrics {
        Some(settings) => Some(MetricsServer::listen(settings).await?),
        None => None,
    };
    let api = match &config.api {
        Some(settings) => Some(ApiServer::listen(settings).await?),
        None => None,
    };
    let issuers = Issuers::open(&config.sign_in, api.as_ref().and_then(ApiServer::url))?;
    // Before it says that it runs: whoever reads that may ask it to end.
    let asked_to_end = interrupted();
    let (installation, store_failure) = Installation::open(&place).await?;
    let no_tenant = installation.store().tenants(None, 2).await?.iter().all(|tenant| *tenant == platform());
    // A first start has something to serve, unless tenants are made by the API; and [ingest] takes events for one tenant.
    let mut ingesting = None;
    if only.is_some() || (no_tenant && api.is_none()) || config.ingest.is_some() {
        let one = installation.tenant(&place.tenant).await?;
        super::init::say_made(one.is_new, installation.made());
        if let Some(settings) = &config.ingest {
            ingesting = Some(Ingesting::start(settings, one.importer, Arc::clone(&one.exporter.archive)).await?);
        }
    }
    let (json, metrics) = (cli.json, Arc::new(Metrics::new()));
    let names_tenants = only.is_none();
    let common = Common {
        store: Arc::clone(installation.store()),
        opener: Box::new(installation),
        alerts,
        webhook,
        metrics: Arc::clone(&metrics),
        told: Box::new(move |tenant, notice| say_notice(&Voice { tenant, is_told: names_tenants, json }, notice)),
        news: Box::new(move |tenant, news| say_news(&Voice { tenant, is_told: names_tenants, json }, news)),
        data: place.folder.clone(),
        backup: config.backup.clone(),
        url: api.as_ref().and_then(ApiServer::url).map(str::to_owned),
        issuers,
    };
    let tenants = Arc::new(Tenants::new(common, only));
    let opened = tenants.open_all().await?;
    let addresses = Addresses::of(metrics_server.as_ref(), api.as_ref(), ingesting.as_ref());
    let names: Vec<&TenantId> = opened.iter().map(|one| &one.exporter.tenant).collect();
    say_started(&place, &names, &addresses, json);
    tenants.serve_all(opened).await;
    let removing = tenants.go_on_removing();
    let backing_up = config.backup.map(|settings| tokio::spawn(make_by_itself(Arc::clone(&tenants), settings)));
    let serving = metrics_server.map(|server| tokio::spawn(server.serve(metrics)));
    let (stop_api, api_stops) = oneshot::channel::<()>();
    let answering = api.map(|api| {
        let tenants = Arc::clone(&tenants);
        // Whoever goes away has ended it.
        tokio::spawn(async move { api.serve(tenants, async { drop(api_stops.await) }).await })
    });
    let mut failed = None;
    tokio::select! {
        () = asked_to_end => {}
        // Going on would be to fail at every due time from now on, and to look alive.
        why = store_failure => failed = Some(Failure::new(format!(
            "the store in {} could not be written: {why}. 'consign serve' has ended; started again, it goes on from there",
            place.folder.display()
        ))),
        why = ended(ingesting.as_mut()) => failed = Some(why),
    }
    // First nothing more is asked for; then what runs is ended.
    drop(stop_api);
    if let Some(answering) = answering
        && let Ok(Err(unguarded)) = answering.await
    {
        failed.get_or_insert(Failure::new(format!("{unguarded}: this is a fault in Consign")));
    }
    let unfinished = tenants.stop().await;
    if let Some(ingesting) = ingesting.filter(|_| failed.is_none()) {
        ingesting.stop().await;
    }
    for by_the_way in serving.into_iter().chain(backing_up).chain([removing]) {
        by_the_way.abort();
    }
    for (tenant, policy) in &unfinished {
        let voice = Voice { tenant, is_told: names_tenants, json };
        voice.say_object("unfinished", serde_json::json!({ "policy": policy }), || {
            format!("the run of policy '{policy}' was cut off: the next start goes on with it")
        });
    }
    if let Some(why) = failed {
        return Err(why);
    }
    say(if json { serde_json::json!({ "what": "stopped" }).to_string() } else { "stopped".to_owned() });
    Ok(Ending::Done)
}

/// Of whom something is said, and how.
struct Voice<'a> {
    tenant: &'a TenantId,
    /// Whether it is said of whom: where one tenant is served everybody knows.
    is_told: bool,
    json: bool,
}

impl Voice<'_> {
    /// An object whose `what` says what it is about, or a line.
    fn say_object(&self, what: &str, mut object: serde_json::Value, line: impl FnOnce() -> String) {
        if !self.json {
            return self.say_line(line());
        }
        if let Some(fields) = object.as_object_mut() {
            fields.insert("what".to_owned(), what.into());
            fields.insert("tenant".to_owned(), self.tenant.as_str().into());
        }
        say(object);
    }

    fn say_line(&self, line: impl fmt::Display) {
        // Where there is but the one that everybody begins with, its name says nothing.
        if self.is_told && self.tenant.as_str() != "default" { say(format_args!("[{}] {line}", self.tenant)) } else { say(line) }
    }
}

/// Resolves when events are taken in no more, though they should be.
async fn ended(ingesting: Option<&mut Ingesting>) -> Failure {
    match ingesting {
        Some(ingesting) => ingesting.failed().await,
        None => std::future::pending().await,
    }
}

fn say_started(place: &Place, tenants: &[&TenantId], addresses: &Addresses, json: bool) {
    let folder = &place.folder;
    let Addresses { metrics, api, ingest } = addresses;
    if json {
        let mut object = serde_json::json!({ "what": "started", "data": folder, "tenants": tenants.len() });
        if let Some(fields) = object.as_object_mut() {
            if let [one] = tenants {
                fields.insert("tenant".to_owned(), one.as_str().into());
            }
            for (name, address) in [("metrics", metrics), ("api", api), ("listening", ingest)] {
                if let Some(address) = address {
                    fields.insert(name.to_owned(), address.to_string().into());
                }
            }
        }
        return say(object);
    }
    let whose = match tenants {
        [one] => format!("tenant '{one}'"),
        several => format!("{} tenants", number(several.len() as u64)),
    };
    let metrics = metrics.map(|address| format!("; metrics at http://{address}/metrics")).unwrap_or_default();
    let api = api.map(|address| format!("; API at http://{address}/openapi.json")).unwrap_or_default();
    let ingest = ingest.map(|address| format!("; taking events in at http://{address}/v1/sources/…")).unwrap_or_default();
    say(format_args!("running policies of {whose} from {} when they are due{metrics}{api}{ingest}; Ctrl-C ends it", folder.display()));
}

/// An alert that fired or was resolved.
fn say_notice(voice: &Voice<'_>, notice: &Notice) {
    let text = notice.text();
    if voice.json {
        let mut object = super::alerts::alert_json(&notice.alert, text);
        if let Some(fields) = object.as_object_mut() {
            let kind = match notice.change {
                Change::Fired => "alert.fired",
                Change::Resolved => "alert.resolved",
            };
            fields.insert("type".to_owned(), kind.into());
        }
        return voice.say_object("alert", object, String::new);
    }
    voice.say_line(match notice.change {
        Change::Fired => format!("{} ALERT {}: {text}", notice.at, notice.alert.condition.subject().kind),
        Change::Resolved => format!("{} {text}", notice.at),
    });
}

/// Something that happened.
fn say_news(voice: &Voice<'_>, news: News<'_>) {
    match news {
        News::Whole(summary) => say_run(voice, summary, false),
        News::TakenUp(summary) => say_run(voice, summary, true),
        // Why is in the log, by the scheduler.
        News::Failed(_) => {}
        News::Paused(paused) => {
            let object = serde_json::json!({ "policy": paused.policy, "quarantined": paused.quarantined, "text": paused.text() });
            voice.say_object("paused", object, || format!("{} {}", Timestamp::now(), paused.text()));
        }
        News::Quarantined(one) => {
            let object = serde_json::json!({ "quarantine": one, "text": one.text() });
            voice.say_object("quarantined", object, || {
                format!("{} policy {}: {} is quarantined: {}", Timestamp::now(), one.policy, one.module, one.text())
            });
        }
    }
}

/// A run that has ended.
fn say_run(voice: &Voice<'_>, summary: &RunSummary, resumed: bool) {
    if voice.json {
        let mut object = summary_json(summary);
        if let (true, Some(fields)) = (resumed, object.as_object_mut()) {
            fields.insert("resumed".to_owned(), true.into());
        }
        return voice.say_object("run", object, String::new);
    }
    let (events, supplements) = (&summary.events, &summary.supplements);
    let taken_up = if resumed { " (it had been interrupted)" } else { "" };
    let again = if supplements.windows > 0 {
        format!("; {} of {} windows of earlier runs done now", number(supplements.done), number(supplements.windows))
    } else {
        String::new()
    };
    if let Some(stands_in) = &summary.stands_in {
        voice.say_line(format_args!("{} run {}: {}", Timestamp::now(), summary.run, stands_in.text()));
    }
    voice.say_line(format_args!(
        "{} run {} ended{taken_up}: {} events examined, {} exported in {} e-mails, {} omitted, {} held{again}",
        Timestamp::now(),
        summary.run,
        number(events.examined),
        number(events.exported),
        number(summary.emails.accepted),
        number(events.omitted),
        number(events.held)
    ));
}

fn read(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::new(format!("the settings {} cannot be read: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.matches('\n').count() + 1);
        Failure::new(format!("the settings {}, line {line}: {}", path.display(), error.message()))
    })
}

/// Ready when the program is asked to end: Ctrl-C, or a service manager's SIGTERM. It listens from this call on, not only once it is waited for.
pub fn interrupted() -> impl Future<Output = ()> + Send {
    let listen = |kind| tokio::signal::unix::signal(kind).ok();
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
    async move {
        // Without a handler a signal ends the program at once, which loses nothing either.
        let heard = async |signal: &mut Option<Signal>| match signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        };
        tokio::select! {
            () = heard(&mut terminate) => {}
            () = heard(&mut interrupt) => {}
        }
    }
}
