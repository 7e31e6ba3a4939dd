//! `quarantine`

use consign_export::ExportError;
use consign_model::{Digest, Name, Quarantine};

use crate::args::QuarantineCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json};
use crate::remote::Server;
use crate::remote::answers::{PolicyAnswer, QuarantineAnswer};
use crate::remote::server::with;

/// Lists quarantines, or ends one.
pub async fn quarantine(data: &Data, command: &QuarantineCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        QuarantineCommand::List { policy } => list(data, policy.as_ref(), json).await,
        QuarantineCommand::Release { policy, digest } => release(data, policy, digest.as_deref(), json).await,
    }
}

async fn known(data: &Data, policy: &Name) -> Result<(), Failure> {
    let found = data.exporter.store.policy(&data.exporter.tenant, policy, None).await?;
    found.map(drop).ok_or_else(|| ExportError::NoPolicy(policy.clone()).into())
}

async fn list(data: &Data, policy: Option<&Name>, json: bool) -> Result<Ending, Failure> {
    if let Some(policy) = policy {
        known(data, policy).await?;
    }
    say_quarantines(&data.exporter.store.quarantines(&data.exporter.tenant, policy).await?, json)
}

/// The same by a server.
pub async fn quarantine_at(server: &Server, command: &QuarantineCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        QuarantineCommand::List { policy: Some(policy) } => say_quarantines(&of_policy(server, policy, true).await?, json),
        QuarantineCommand::List { policy: None } => {
            let mut all = Vec::new();
            for policy in server.list::<PolicyAnswer>(&server.of_tenant(&["policies"]).await?, usize::MAX).await? {
                all.extend(of_policy(server, &policy.name, true).await?);
            }
            say_quarantines(&all, json)
        }
        QuarantineCommand::Release { policy, digest } => {
            let module = chosen(&of_policy(server, policy, false).await?, policy, digest.as_deref())?;
            let url = server.of_tenant(&["policies", policy.as_str(), "quarantines", "release"]).await?;
            let ended: Vec<QuarantineAnswer> = server.post(&url, Some(&serde_json::json!({ "module": module }))).await?;
            say_released(&ended.into_iter().map(Quarantine::from).collect::<Vec<_>>(), policy, json)
        }
    }
}

/// A policy's, those that hold, or also those that are over.
async fn of_policy(server: &Server, policy: &Name, over: bool) -> Result<Vec<Quarantine>, Failure> {
    let url = with(&server.of_tenant(&["policies", policy.as_str(), "quarantines"]).await?, "over", if over { "true" } else { "false" });
    Ok(server.get::<Vec<QuarantineAnswer>>(&url).await?.into_iter().map(Quarantine::from).collect())
}

fn say_quarantines(all: &[Quarantine], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&all)?;
        return Ok(Ending::Done);
    }
    if all.is_empty() {
        say("No module is quarantined, and none was.");
    }
    for one in all {
        say(format_args!("policy {}: {}, since {}: {}", one.policy, one.module, one.since, one.text()));
        say(format_args!("    sha256:{}", one.digest));
        match &one.release {
            Some(release) => say(format_args!("    released {} by {}", release.at, release.by)),
            None => say(format_args!("    in force; to end it: consign quarantine release {} {}", one.policy, one.digest.short())),
        }
    }
    Ok(Ending::Done)
}

async fn release(data: &Data, policy: &Name, digest: Option<&str>, json: bool) -> Result<Ending, Failure> {
    known(data, policy).await?;
    let module = chosen(&data.exporter.in_force(policy).await?, policy, digest)?;
    say_released(&data.exporter.release(policy, Some(&module), &who()).await?, policy, json)
}

/// The module that is meant.
fn chosen(in_force: &[Quarantine], policy: &Name, digest: Option<&str>) -> Result<Digest, Failure> {
    let digest = digest.map(|digest| digest.strip_prefix("sha256:").unwrap_or(digest));
    let chosen: Vec<&Quarantine> = in_force.iter().filter(|one| digest.is_none_or(|digest| one.digest.hex().starts_with(digest))).collect();
    match (chosen.as_slice(), digest) {
        ([one], _) => Ok(one.digest),
        ([], None) => Err(Failure::new(format!("no module of policy '{policy}' is quarantined: see 'consign quarantine list'"))),
        ([], Some(digest)) => {
            let text = format!("no quarantined module of policy '{policy}' has a digest that begins with '{}'", digest.escape_debug());
            Err(Failure::new(format!("{text}: see 'consign quarantine list {policy}'")))
        }
        (several, _) => {
            let digests: Vec<_> = several.iter().map(|one| format!("{} ({})", one.digest.short(), one.module)).collect();
            Err(Failure::new(format!("several modules of policy '{policy}' are quarantined: name one of {}", digests.join(", "))))
        }
    }
}

fn say_released(ended: &[Quarantine], policy: &Name, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&ended)?;
        return Ok(Ending::Done);
    }
    for one in ended {
        say(format_args!("released: policy {policy} runs {} again", one.module));
    }
    say(format_args!("What was held meanwhile is tried again by: consign held retry --policy {policy}"));
    Ok(Ending::Done)
}

/// The person who gave the command, as the operating system names them.
fn who() -> String {
    let from = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // sudo says who is behind root.
    from("SUDO_USER").or_else(|| from("USER")).or_else(|| from("LOGNAME")).unwrap_or_else(|| "unknown".to_owned())
}
