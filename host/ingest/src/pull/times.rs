//! Pulls at their due times, beside whatever else the program does.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use consign_model::schedule::Schedule;
use consign_model::{Name, Timestamp};
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::keeping::last_made;
use super::{Begin, PullError, Pulled, Puller};
use crate::Importer;
use crate::receive::{Config, SourceConfig};

/// How long it sleeps at a time: a clock that is set is noticed after that.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Sources that are asked by themselves, each with when.
pub struct Schedules {
    all: Vec<(Puller, Schedule)>,
    stops: watch::Sender<bool>,
}

/// What asks them.
pub struct Pulling {
    stops: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Schedules {
    /// Reads schedules and secrets. A source without a schedule is asked by hand alone.
    pub async fn open(config: &Config, importer: &Importer) -> Result<Self, PullError> {
        let (stops, stop) = watch::channel(false);
        let mut all = Vec::new();
        for source in &config.sources {
            let (SourceConfig::TeamsExport(super::TeamsExport { schedule: Some(spec), .. })
            | SourceConfig::SlackDiscovery(super::SlackDiscovery { schedule: Some(spec), .. })) = source
            else {
                continue;
            };
            let failed = |cause| PullError::Schedule { source_name: source.name().clone(), cause };
            let schedule = Schedule::parse(spec).map_err(failed)?;
            all.extend(Puller::open(source, importer, &stop).await?.map(|puller| (puller, schedule)));
        }
        Ok(Self { all, stops })
    }

    /// Begins to ask.
    pub fn start(self) -> Pulling {
        let Self { all, stops } = self;
        let tasks = all.into_iter().map(|(puller, schedule)| tokio::spawn(pull_when_due(puller, schedule, stops.subscribe()))).collect();
        Pulling { stops, tasks }
    }
}

impl Pulling {
    /// Asks nothing more, and ends when what was read is stored.
    pub async fn stop(self) {
        self.stops.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "asking a source stopped unexpectedly: this is a fault in Consign; what was kept is stored");
            }
        }
    }
}

async fn pull_when_due(puller: Puller, schedule: Schedule, mut stop: watch::Receiver<bool>) {
    let name = puller.name.clone();
    // A time that passed while nobody looked is made up for at once, and once.
    let mut after = last_pull(&puller, &name).await.unwrap_or_else(Timestamp::now);
    loop {
        let Some(due) = schedule.next_after(after) else {
            tracing::warn!(source = %name, "source '{name}': its schedule is over, and it is asked no more: give it a later one, or ask it by hand");
            return;
        };
        loop {
            let left = due.0.saturating_sub(Timestamp::now().0);
            if left <= 0 {
                break;
            }
            let wait = Duration::from_millis(u64::try_from(left).unwrap_or_default()).min(LOOK_AGAIN);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Nobody is there any more to say so.
                told = stop.changed() => if told.is_err() || *stop.borrow() { return },
            }
        }
        if *stop.borrow() {
            return;
        }
        after = Timestamp::now();
        // Whatever goes wrong in one pull is no reason to make no other.
        match AssertUnwindSafe(puller.pull(Begin::LastTime)).catch_unwind().await {
            Ok(Ok(brought)) => tell(&brought),
            Ok(Err(error)) => tracing::error!(source = %name, %error, "source '{name}' could not be pulled, and is at its next due time: {error}"),
            Err(_) => {
                tracing::error!(source = %name, "source '{name}': a pull stopped unexpectedly, and the next one is at its due time: this is a fault in Consign");
            }
        }
    }
}

/// When it was last asked.
async fn last_pull(puller: &Puller, name: &Name) -> Option<Timestamp> {
    let last = last_made(&puller.importer, name).await;
    last.unwrap_or_else(|error| {
        tracing::error!(source = %name, %error, "source '{name}': when it was last asked can't be read: {error}");
        None
    })
}

fn tell(pulled: &Pulled) {
    let Pulled { source, pages, stored, refused, passed, .. } = pulled;
    let (stored, passed) = (stored.values().sum::<u64>(), passed.len());
    match &pulled.ended {
        None if passed == 0 && stored == 0 => tracing::debug!(%source, pages, "source '{source}' pulled: nothing new"),
        None => tracing::info!(%source, pages, stored, refused, passed, "source '{source}' pulled: {stored} events stored of {pages} pages"),
        Some(why) => {
            tracing::error!(%source, pages, stored, refused, passed, "source '{source}' was not read to its end ({stored} events stored): {why}");
        }
    }
}
