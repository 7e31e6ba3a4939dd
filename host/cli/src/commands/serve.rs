//! `serve`
//!
//! It goes on until it is interrupted, so it says things one by one: a line for each, which with `--json` is an object whose `what` says what it is
//! about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_model::alert::{Change, Notice};
use consign_model::{Name, RunSummary, Timestamp};
use consign_service::alerts::{AlertSettings, Alerts, Webhook};
use consign_service::metrics::{Metrics, MetricsServer, MetricsSettings};
use consign_service::runner::{News, Policies};
use consign_service::scheduler::{Settings, SystemClock, serve as schedule};
use serde::Deserialize;
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::Notify;

use super::ingest::{IngestSettings, Ingesting};
use super::run::summary_json;
use crate::args::Cli;
use crate::data::{Data, Place};
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
    ingest: Option<IngestSettings>,
}

/// Runs policies when they are due, until it is interrupted, or until the store can't be written any more: that is a failure, after which whoever looks after
/// services starts it again.
pub async fn serve(cli: &Cli, config: Option<&Path>) -> Result<Ending, Failure> {
    let config = config.map(read).transpose()?.unwrap_or_default();
    let place = Place {
        folder: match cli.data.clone().or(config.data) {
            Some(folder) => folder,
            None => Place::of(cli)?.folder,
        },
        master_key_file: cli.master_key_file.clone().or(config.master_key_file),
        tenant: match cli.tenant.clone().or(config.tenant) {
            Some(tenant) => tenant,
            None => "default".parse()?,
        },
        by: cli.by.clone(),
    };
    let alerts = config.alerts.unwrap_or_default();
    let webhook = Webhook::open(&alerts)?;
    let server = match &config.metrics {
        Some(settings) => Some(MetricsServer::listen(settings).await?),
        None => None,
    };
    // Before it says that it runs: whoever reads that may ask it to end.
    let asked_to_end = interrupted();
    let data = Data::open(&place).await?;
    super::init::say_new(&data);
    let json = cli.json;
    let mut ingesting = match &config.ingest {
        Some(settings) => Some(Ingesting::start(settings, data.importer.clone(), Arc::clone(&data.exporter.archive)).await?),
        None => None,
    };
    say_started(&place, server.as_ref(), ingesting.as_ref(), json);
    let metrics = Arc::new(Metrics::new());
    let serving = server.map(|server| tokio::spawn(server.serve(Arc::clone(&metrics))));
    let told = Box::new(move |notice: &Notice| say_notice(notice, json));
    let alerts = Alerts::start(data.exporter.clone(), &alerts, webhook, metrics, SystemClock, told);
    let ear = alerts.ear();
    let policies = Arc::new(Policies::new(data.exporter, move |news| {
        say_news(news, json);
        ear.hear(news);
    }));
    let looking = tokio::spawn({
        let policies = Arc::clone(&policies);
        async move { policies.look_at_modules().await }
    });
    let changed = Notify::new();
    let mut failed = None;
    let end = async {
        tokio::select! {
            () = asked_to_end => {}
            // Going on would be to fail at every due time from now on, and to look alive.
            why = data.store_failure => failed = Some(Failure::new(format!(
                "the store in {} could not be written: {why}. 'consign serve' has ended; started again, it goes on from there",
                place.folder.display()
            ))),
            why = ended(ingesting.as_mut()) => failed = Some(why),
        }
    };
    let stopped = schedule(policies, SystemClock, Settings::default(), &changed, end).await;
    looking.abort();
    if let Some(ingesting) = ingesting.filter(|_| failed.is_none()) {
        ingesting.stop().await;
    }
    alerts.stop().await;
    if let Some(serving) = serving {
        serving.abort();
    }
    for policy in &stopped.unfinished {
        if json {
            say(serde_json::json!({ "what": "unfinished", "policy": policy }));
        } else {
            say(format_args!("the run of policy '{policy}' was cut off: the next start goes on with it"));
        }
    }
    if let Some(why) = failed {
        return Err(why);
    }
    say(if json { serde_json::json!({ "what": "stopped" }).to_string() } else { "stopped".to_owned() });
    Ok(Ending::Done)
}

/// Resolves when events are taken in no more, though they should be.
async fn ended(ingesting: Option<&mut Ingesting>) -> Failure {
    match ingesting {
        Some(ingesting) => ingesting.failed().await,
        None => std::future::pending().await,
    }
}

fn say_started(place: &Place, metrics: Option<&MetricsServer>, ingesting: Option<&Ingesting>, json: bool) {
    let Place { folder, tenant, .. } = place;
    if json {
        let mut object = serde_json::json!({ "what": "started", "tenant": tenant, "data": folder });
        if let (Some(fields), Some(metrics)) = (object.as_object_mut(), metrics) {
            fields.insert("metrics".to_owned(), metrics.address().to_string().into());
        }
        if let (Some(fields), Some(ingesting)) = (object.as_object_mut(), ingesting) {
            fields.insert("listening".to_owned(), ingesting.address.to_string().into());
        }
        return say(object);
    }
    let metrics = metrics.map(|metrics| format!("; metrics at http://{}/metrics", metrics.address())).unwrap_or_default();
    let ingesting = ingesting.map(|ingesting| format!("; taking events in at http://{}/v1/sources/…", ingesting.address)).unwrap_or_default();
    say(format_args!("running policies of tenant '{tenant}' from {} when they are due{metrics}{ingesting}; Ctrl-C ends it", folder.display()));
}

/// An alert that fired or was resolved.
fn say_notice(notice: &Notice, json: bool) {
    if json {
        let mut object = super::alerts::alert_json(&notice.alert, notice.text());
        if let Some(fields) = object.as_object_mut() {
            let kind = match notice.change {
                Change::Fired => "alert.fired",
                Change::Resolved => "alert.resolved",
            };
            fields.insert("what".to_owned(), "alert".into());
            fields.insert("type".to_owned(), kind.into());
        }
        return say(object);
    }
    let text = notice.text();
    say(match notice.change {
        Change::Fired => format!("{} ALERT {}: {text}", notice.at, notice.alert.condition.subject().kind),
        Change::Resolved => format!("{} {text}", notice.at),
    });
}

/// Something that happened.
fn say_news(news: News<'_>, json: bool) {
    match news {
        News::Whole(summary) => say_run(summary, false, json),
        News::TakenUp(summary) => say_run(summary, true, json),
        // Why is in the log, by the scheduler.
        News::Failed(_) => {}
        News::Paused(paused) if json => {
            say(serde_json::json!({ "what": "paused", "policy": paused.policy, "quarantined": paused.quarantined, "text": paused.text() }));
        }
        News::Paused(paused) => say(format_args!("{} {}", Timestamp::now(), paused.text())),
        News::Quarantined(one) if json => say(serde_json::json!({ "what": "quarantined", "quarantine": one, "text": one.text() })),
        News::Quarantined(one) => say(format_args!("{} policy {}: {} is quarantined: {}", Timestamp::now(), one.policy, one.module, one.text())),
    }
}

/// A run that has ended.
fn say_run(summary: &RunSummary, resumed: bool, json: bool) {
    if json {
        let mut object = summary_json(summary);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("what".to_owned(), "run".into());
            if resumed {
                fields.insert("resumed".to_owned(), true.into());
            }
        }
        return say(object);
    }
    let (events, supplements) = (&summary.events, &summary.supplements);
    let taken_up = if resumed { " (it had been interrupted)" } else { "" };
    let again = if supplements.windows > 0 {
        format!("; {} of {} windows of earlier runs done now", number(supplements.done), number(supplements.windows))
    } else {
        String::new()
    };
    if let Some(stands_in) = &summary.stands_in {
        say(format_args!("{} run {}: {}", Timestamp::now(), summary.run, stands_in.text()));
    }
    say(format_args!(
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
