//! `serve`

use std::path::{Path, PathBuf};

use consign_model::Name;
use consign_service::runner::Policies;
use consign_service::scheduler::{Settings, SystemClock, serve as schedule};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::args::Cli;
use crate::data::{Data, Place};
use crate::output::{Ending, Failure, say};

/// What a settings file may say; the command line goes before it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Config {
    data: Option<PathBuf>,
    master_key_file: Option<PathBuf>,
    tenant: Option<Name>,
}

/// Runs policies when they are due, until it is interrupted.
pub async fn serve(cli: &Cli, config: Option<&Path>) -> Result<Ending, Failure> {
    let config = config.map(read).transpose()?.unwrap_or_default();
    let mut place = Place::of(cli)?;
    if let (None, Some(folder)) = (&cli.data, config.data) {
        place.folder = folder;
    }
    place.master_key_file = cli.master_key_file.clone().or(config.master_key_file);
    if let (None, Some(tenant)) = (&cli.tenant, config.tenant) {
        place.tenant = tenant;
    }
    let data = Data::open(&place).await?;
    super::init::say_new(&data);
    say(format_args!("running policies of tenant '{}' from {} when they are due; Ctrl-C ends it", place.tenant, place.folder.display()));
    let changed = Notify::new();
    let stopped = schedule(std::sync::Arc::new(Policies::new(data.exporter)), SystemClock, Settings::default(), &changed, interrupted()).await;
    for policy in &stopped.unfinished {
        say(format_args!("the run of policy '{policy}' was cut off: the next start goes on with it"));
    }
    Ok(Ending::Done)
}

fn read(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::new(format!("the settings {} cannot be read: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.matches('\n').count() + 1);
        Failure::new(format!("the settings {}, line {line}: {}", path.display(), error.message()))
    })
}

/// Ready when the program is asked to end: Ctrl-C, or a service manager's SIGTERM.
pub async fn interrupted() {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        // Without a handler SIGTERM ends the program at once; Ctrl-C is still heard.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
