//! `backup` and `restore`

use std::path::Path;

use consign_model::Timestamp;
use consign_model::access::platform;
use consign_model::figure::bytes;
use consign_service::backup::{Known, back_up, known, restore as put_back};
use serde_json::json;

use crate::args::Cli;
use crate::data::{Installation, Place};
use crate::output::{Ending, Failure, number, say, say_json};

/// Tenants read at a time.
const PAGE: usize = 256;

/// Makes a backup of a data folder that no other process has.
pub async fn backup(place: &Place, to: &Path, keep: Option<usize>, json: bool) -> Result<Ending, Failure> {
    if keep == Some(0) {
        return Err(Failure::new("--keep 0 would let the backup go that is just made: give 1 or more"));
    }
    let (installation, _failure) = Installation::open(place).await?;
    let made = back_up(installation.store().as_ref(), &place.folder, Vec::new(), to, keep).await?;
    if json {
        say_json(&made)?;
        return Ok(Ending::Done);
    }
    say(format_args!("backup of {} in {}", made.at, made.path.display()));
    say(format_args!("{} records, {} conversation files; {} copied now", number(made.records), number(made.files), bytes(made.bytes)));
    if made.dropped > 0 {
        say(format_args!("{} earlier backups were let go", number(made.dropped)));
    }
    say("The master key is not in it: keep it elsewhere, for without it nobody can read the backup.");
    Ok(Ending::Done)
}

/// Restores one into a new data folder, and says what it can't know.
pub async fn restore(cli: &Cli, from: &Path, json: bool) -> Result<Ending, Failure> {
    if cli.data.is_none() {
        return Err(Failure::new("name the new data folder with --data: the one that you have is left as it is"));
    }
    let place = Place::of(cli)?;
    let restored = put_back(from, &place.folder)?;
    // The keys have to open: a backup that nobody can read is found out now.
    let opened = Installation::open(&place).await;
    let there = |failure: Failure| {
        Failure::new(format!("{}. The backup itself lies in {}, restored: go on with it there", failure.text(), place.folder.display()))
    };
    let (installation, _failure) = opened.map_err(there)?;
    let (now, mut all, mut after) = (Timestamp::now(), Vec::new(), None);
    loop {
        let page = installation.store().tenants(after.as_ref(), PAGE).await?;
        let Some(last) = page.last().cloned() else { break };
        for tenant in page.iter().filter(|tenant| **tenant != platform()) {
            all.extend(known(&installation.tenant(tenant).await?.exporter, restored.at, now).await?);
        }
        after = Some(last);
    }
    if json {
        say_json(&json!({ "restored": restored, "policies": all }))?;
        return Ok(Ending::Done);
    }
    say(format_args!("restored the backup of {} into {}", restored.at, place.folder.display()));
    say(format_args!("{} records, {} conversation files", number(restored.records), number(restored.files)));
    all.iter().for_each(say_known);
    say(format_args!("Events that arrived after {} are not in it: import them again; what is there already is passed over.", restored.at));
    say("E-mails that were accepted before that are not sent again.");
    Ok(Ending::Done)
}

fn say_known(of: &Known) {
    let Known { tenant, policy, newest_due, accepted, in_flight, due_since } = of;
    let whose = if tenant.as_str() == "default" { format!("policy {policy}") } else { format!("policy {policy} of tenant {tenant}") };
    if *in_flight > 0 {
        say(format_args!("{whose}: {} e-mails were in flight: they are sent again as they were, with the same Message-ID", number(*in_flight)));
    }
    if *accepted > 0 {
        say(format_args!("{whose}: {} accepted e-mails of chats that are not done are not sent again", number(*accepted)));
    }
    if let [first, ..] = due_since.as_slice() {
        let newest = newest_due.map(|due| format!(" (the newest run that it knows of was due {due})")).unwrap_or_default();
        say(format_args!(
            "{whose}: since the backup it was due {} times, first {first}{newest}: whether those runs were made is not known here, and what they sent is sent again in other e-mails",
            number(due_since.len() as u64)
        ));
    }
}
