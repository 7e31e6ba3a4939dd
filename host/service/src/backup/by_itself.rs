//! Backups that `serve` makes by itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use consign_model::figure::{bytes, number};
use consign_model::{Span, Timestamp};
use serde::Deserialize;

use super::backups_in;
use crate::tenants::Tenants;

/// `[backup]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BackupSettings {
    /// Where backups are written: better on another disk.
    pub folder: PathBuf,
    /// How often; unset: once a day.
    #[serde(default = "daily")]
    pub every: Span,
    /// How many stay; unset: 14.
    #[serde(default = "two_weeks")]
    pub keep: usize,
}

fn daily() -> Span {
    Span(Duration::from_hours(24))
}

fn two_weeks() -> usize {
    14
}

/// How soon one is tried again that failed.
const AGAIN: Duration = Duration::from_mins(10);

/// Makes a backup whenever the newest is as old as that. Never ends.
pub async fn make_by_itself(tenants: Arc<Tenants>, settings: BackupSettings) {
    loop {
        tokio::time::sleep(until_next(&settings)).await;
        match tenants.back_up().await {
            Ok(made) => {
                let (path, new) = (made.path.display(), bytes(made.bytes));
                tracing::info!(%path, copied = made.bytes, "a backup was made: {} files, {new} of them new", number(made.files));
            }
            Err(error) => {
                tracing::error!("no backup could be made, and it is tried again: {error}");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Until the newest is that old: at once where there is none, or none that can be read.
fn until_next(settings: &BackupSettings) -> Duration {
    let newest = backups_in(&settings.folder).ok().and_then(|all| all.last().map(|(_, record)| record.at));
    let age = newest.map(|at| u64::try_from(Timestamp::now().0.saturating_sub(at.0)).unwrap_or(0));
    age.map_or(Duration::ZERO, |age| settings.every.0.saturating_sub(Duration::from_millis(age)))
}
