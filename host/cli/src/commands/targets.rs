//! `targets`

use consign_model::{TargetSpec, Timestamp};
use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json, table};
use crate::remote::Server;

/// What is said of a target, and what a server answers of one. Where its password is read is shown, the password never is.
#[derive(Serialize, Deserialize)]
struct Shown {
    version: u32,
    applied_at: Timestamp,
    spec: TargetSpec,
}

/// Lists the targets.
pub async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    let targets = data.exporter.store.targets(&data.exporter.tenant).await?;
    let shown = targets.into_iter().map(|target| Shown { version: target.version, applied_at: target.applied_at, spec: target.spec });
    say_targets(&shown.collect::<Vec<_>>(), json)
}

/// The same of a server.
pub async fn list_at(server: &Server, json: bool) -> Result<Ending, Failure> {
    say_targets(&server.list::<Shown>(&server.of_tenant(&["targets"]).await?, usize::MAX).await?, json)
}

fn say_targets(targets: &[Shown], json: bool) -> Result<Ending, Failure> {
    if json {
        let shown = targets
            .iter()
            .map(|one| serde_json::json!({ "name": one.spec.name, "version": one.version, "applied_at": one.applied_at, "spec": one.spec }));
        say_json(&shown.collect::<Vec<_>>())?;
    } else if targets.is_empty() {
        say("There is no target yet: write one (README.md has a first one) and put it into force with 'consign apply FILE'.");
    } else {
        let rows = targets.iter().map(|Shown { version, spec, .. }| {
            vec![spec.name.to_string(), version.to_string(), format!("{}:{}", spec.host, spec.port), spec.profile.to_string(), spec.to.join(", ")]
        });
        say(table(&["target", "version", "server", "profile", "to"], &[1], rows));
    }
    Ok(Ending::Done)
}
