//! `ingest`, and the same beside the schedules of `serve`: both hold the store, which is one process's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_archive::Archive;
use consign_ingest::Importer;
use consign_ingest::fetch::Fetcher;
use consign_ingest::receive::{self, Config, ReceiveError};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::Cli;
use crate::data::{Data, Place};
use crate::output::{Ending, Failure, say, say_json};

/// Where to listen, and for whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IngestSettings {
    /// The address.
    pub listen: SocketAddr,
    /// The file that names the sources.
    pub sources: PathBuf,
}

/// Takes events in until it is told to stop.
pub struct Ingesting {
    /// Where it listens.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ReceiveError>>,
    fetching: Option<Fetching>,
}

/// Fetches files beside it, where the file of sources has rules for that.
struct Fetching {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Reads a file of sources.
pub fn sources(file: &Path) -> Result<Config, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| Failure::new(format!("the sources {shown} cannot be read: {error}")))?;
    Config::parse(&text).map_err(|error| Failure::new(format!("the sources {shown}: {error}")))
}

impl Ingesting {
    /// Begins to listen, and to ask and fetch where the file says so.
    pub async fn start(settings: &IngestSettings, importer: Importer, archive: Arc<Archive>) -> Result<Self, Failure> {
        let config = sources(&settings.sources)?;
        let failed = |error| Failure::new(format!("cannot listen on {}: {error}", settings.listen));
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let fetching = if config.fetch.is_empty() {
            None
        } else {
            let fetcher = Fetcher::open(&config.fetch, importer.clone(), archive).await?;
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(async move { fetcher.run(async { drop(stopped.await) }).await });
            Some(Fetching { stop, task })
        };
        let (stop, stopped) = oneshot::channel();
        // Nobody tells it to stop by going away: the program ends then.
        let until = async { drop(stopped.await) };
        let task = tokio::spawn(receive::serve(listener, config, importer, until));
        Ok(Self { address, stop, task, fetching })
    }

    /// Resolves when it ends by itself, which is a failure.
    pub async fn failed(&mut self) -> Failure {
        match (&mut self.task).await {
            Ok(Err(error)) => error.into(),
            Ok(Ok(())) => Failure::new("receiving events has ended by itself: this is a fault in Consign"),
            Err(error) => Failure::new(format!("receiving events has ended ({error}): this is a fault in Consign")),
        }
    }

    /// Takes nothing more in, and stores and answers what was taken in.
    pub async fn stop(self) {
        // Either may have ended already.
        let _ = self.stop.send(());
        let _ = self.task.await;
        if let Some(Fetching { stop, task }) = self.fetching {
            let _ = stop.send(());
            let _ = task.await;
        }
    }
}

/// Takes events in until it is interrupted.
pub async fn ingest(cli: &Cli, listen: SocketAddr, config: &Path) -> Result<Ending, Failure> {
    // Before it says that it listens: whoever reads that may ask it to end.
    let asked_to_end = super::serve::interrupted();
    let place = Place::of(cli)?;
    let data = Data::open(&place).await?;
    super::init::say_new(&data);
    let settings = IngestSettings { listen, sources: config.to_owned() };
    let mut ingesting = Ingesting::start(&settings, data.importer.clone(), Arc::clone(&data.exporter.archive)).await?;
    if cli.json {
        say_json(&serde_json::json!({ "what": "started", "listening": ingesting.address, "tenant": place.tenant }))?;
    } else {
        say(format_args!("taking events of tenant '{}' in at http://{}/v1/sources/…; Ctrl-C ends it", place.tenant, ingesting.address));
    }
    tokio::select! {
        () = asked_to_end => {}
        why = data.store_failure => {
            let folder = place.folder.display();
            return Err(Failure::new(format!("the store in {folder} could not be written: {why}. What was not stored was not acknowledged; start it again")));
        }
        failure = ingesting.failed() => return Err(failure),
    }
    ingesting.stop().await;
    say(if cli.json { serde_json::json!({ "what": "stopped" }).to_string() } else { "stopped".to_owned() });
    Ok(Ending::Done)
}
