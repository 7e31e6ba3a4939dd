//! `tenant`

mod quota;

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use consign_export::audit::export;
use consign_life::{Life, go_on_removing};
use consign_model::access::platform;
use consign_model::removal::{Holdings, Proof};
use consign_model::{EarlierPublicKeys, Name, RemovedTenant, Timestamp};
use serde::{Deserialize, Serialize};

use super::init::{say_made, say_new};
use crate::args::TenantCommand;
use crate::data::{Data, Installation, Place, TenantData};
use crate::output::{Ending, Failure, number, say, say_json};
use crate::remote::Server;
use crate::remote::answers::Named;
use crate::remote::refused::not_offered;
use crate::remote::server::{read, with};

/// Tenants read at a time.
const PAGE: usize = 1_000;

/// Makes a tenant, or lists them.
pub async fn tenant(place: &Place, command: &TenantCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        TenantCommand::Create { name } if *name == platform() => {
            Err(Failure::new(format!("'{name}' is the name of the installation itself: no tenant can have it")))
        }
        TenantCommand::Create { name } => {
            let data = Data::open(&Place { tenant: name.clone(), ..place.clone() }).await?;
            say_new(&data);
            say_tenant(name, json)
        }
        TenantCommand::Show { name } => quota::show(place, name, json).await,
        TenantCommand::Quota(args) => quota::set(place, args, json).await,
        TenantCommand::Remove { name, reason, even_owed, hand_over } => {
            let how = Removing { reason, even_owed: *even_owed, hand_over: hand_over.as_deref() };
            remove(&Place { tenant: platform(), ..place.clone() }, name, &how, json).await
        }
        TenantCommand::List { removed: true } => {
            let (installation, _) = Installation::open(&Place { tenant: platform(), ..place.clone() }).await?;
            say_all_removed(&installation.store().removed_tenants().await?.into_iter().map(Removed::from).collect::<Vec<_>>(), json)
        }
        TenantCommand::List { removed: false } => {
            let (installation, _) = Installation::open(place).await?;
            say_made(installation.made().is_some(), installation.made());
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = installation.store().tenants(after.as_ref(), PAGE).await?;
                let Some(last) = page.last().cloned() else { break };
                after = Some(last);
                all.extend(page.into_iter().filter(|tenant| *tenant != platform()));
            }
            say_tenants(&all, json)
        }
    }
}

/// The same by a server.
pub async fn tenant_at(server: &Server, command: &TenantCommand, json: bool) -> Result<Ending, Failure> {
    let url = server.at(&["v1", "tenants"])?;
    match command {
        TenantCommand::Create { name } => {
            let made: Named = server.post(&url, Some(&serde_json::json!({ "name": name }))).await?;
            say_tenant(&made.name()?, json)
        }
        TenantCommand::Show { name } => quota::show_at(server, name, json).await,
        TenantCommand::Quota(args) => quota::set_at(server, args, json).await,
        TenantCommand::Remove { hand_over: Some(_), .. } => Err(not_offered(
            "handing over a tenant's log and manifests",
            "fetch them before, with 'consign audit export' and 'consign verify', and leave out --hand-over; or remove it beside the data with --data DIR",
        )),
        TenantCommand::Remove { name, reason, even_owed, hand_over: None } => {
            let url = with(&with(&server.at(&["v1", "tenants", name.as_str()])?, "reason", reason), "even_owed", &even_owed.to_string());
            say_removed(&read(&server.delete(&url).await?)?, json)
        }
        TenantCommand::List { removed: true } => say_all_removed(&server.list(&server.at(&["v1", "removed-tenants"])?, usize::MAX).await?, json),
        TenantCommand::List { removed: false } => {
            let all: Vec<Named> = server.list(&url, usize::MAX).await?;
            say_tenants(&all.iter().map(Named::name).collect::<Result<Vec<_>, _>>()?, json)
        }
    }
}

/// How a tenant is removed.
struct Removing<'a> {
    reason: &'a str,
    even_owed: bool,
    hand_over: Option<&'a Path>,
}

/// Removes a tenant. `place`: the installation's own. The store is opened twice: the second time writes it anew without the tenant.
async fn remove(place: &Place, name: &Name, how: &Removing<'_>, json: bool) -> Result<Ending, Failure> {
    if *name == platform() {
        return Err(Failure::new(format!("'{name}' is the name of the installation itself: it stays")));
    }
    take_out(place, name, how).await?;
    let (installation, _) = Installation::open(place).await?;
    let of_platform = installation.tenant(&platform()).await?.exporter;
    go_on_removing(&of_platform).await?;
    let removed = installation.store().removed_tenants().await?.into_iter().find(|one| one.tenant == *name);
    let removed = removed.ok_or_else(|| Failure::new(format!("the tenant '{name}' is not removed")))?;
    say_removed(&removed.into(), json)
}

async fn take_out(place: &Place, name: &Name, how: &Removing<'_>) -> Result<(), Failure> {
    let (installation, _) = Installation::open(place).await?;
    let store = installation.store();
    if store.tenant_keys(name).await?.is_none() {
        if store.removed_tenants().await?.iter().all(|one| one.tenant != *name) {
            return Err(Failure::new(format!("there is no tenant '{name}': see 'consign tenant list'")));
        }
        if how.hand_over.is_some() {
            return Err(Failure::new(format!("the tenant '{name}' is removed already, and has nothing to hand over: leave out --hand-over")));
        }
        return Ok(());
    }
    let by = installation.tenant(&platform()).await?.exporter;
    let tenant = installation.tenant(name).await?;
    let life = Life::new(tenant.exporter.clone());
    // Before something is handed over of a tenant that stays.
    life.standing().await?.may_go(how.even_owed)?;
    if let Some(folder) = how.hand_over {
        hand_over(&tenant, folder).await?;
    }
    life.remove_tenant(how.reason, how.even_owed, &by.author).await?;
    go_on_removing(&by).await?;
    Ok(())
}

/// Writes what a tenant proves with what it exported: its log with the signed head, its manifests, and the key by which both are checked.
async fn hand_over(tenant: &TenantData, folder: &Path) -> Result<(), Failure> {
    let exporter = &tenant.exporter;
    let wrong =
        |error: std::io::Error| Failure::new(format!("nothing was removed: {} cannot be written: {error}; name a new folder", folder.display()));
    std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(wrong)?;
    export(exporter.store.as_ref(), &exporter.tenant, &exporter.author, &folder.join("audit.jsonl")).await?;
    std::fs::write(folder.join("signing-key.txt"), tenant.keys.signing_keys().join("\n") + "\n").map_err(wrong)?;
    let from = exporter.data.join("manifests").join(exporter.tenant.as_str());
    if from.is_dir() {
        copy(&from, &folder.join("manifests")).map_err(wrong)?;
    }
    sync(folder).map_err(wrong)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy(&entry.path(), &to)? } else { std::fs::copy(entry.path(), to).map(drop)? }
    }
    Ok(())
}

/// It is all that stays: so it is on the disk before anything goes.
fn sync(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { sync(&entry.path())? } else { File::open(entry.path())?.sync_all()? }
    }
    File::open(folder)?.sync_all()
}

/// What is said of a removed tenant.
#[derive(Serialize, Deserialize)]
struct Removed {
    tenant: Name,
    at: Timestamp,
    by: String,
    reason: String,
    recipient: String,
    signing_key: String,
    #[serde(default)]
    earlier_keys: Vec<EarlierPublicKeys>,
    chats: u64,
    events: u64,
    owed: u64,
    files_gone: Option<Timestamp>,
    records_gone: Option<Timestamp>,
    proof: Option<Proof>,
}

impl From<RemovedTenant> for Removed {
    fn from(removed: RemovedTenant) -> Self {
        let RemovedTenant { tenant, at, by, reason, recipient, signing_public_key, earlier_keys, had, files_gone, records_gone, proof, .. } = removed;
        let Holdings { chats, events, owed } = had;
        Self {
            tenant,
            at,
            by: by.text(),
            reason,
            recipient,
            signing_key: signing_public_key,
            earlier_keys,
            chats,
            events,
            owed,
            files_gone,
            records_gone,
            proof,
        }
    }
}

impl Removed {
    /// How far its end has come.
    fn stands(&self) -> String {
        match (self.files_gone, self.records_gone, self.proof) {
            (None, ..) => "its keys are destroyed; its files are still to go, with the next start".to_owned(),
            (Some(_), None, _) => "its keys are destroyed and its files are gone; the store is written anew without it by the next start".to_owned(),
            (Some(_), Some(_), None) => {
                "its keys are destroyed, its files and records are gone; the next start looks for what is left of the keys".to_owned()
            }
            (Some(_), Some(_), Some(proof)) => format!(
                "nothing is left: its keys are in none of the {} files of the store, where they were found {} times before",
                number(proof.files),
                number(proof.copies_before)
            ),
        }
    }
}

fn say_removed(removed: &Removed, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(removed)?;
        return Ok(Ending::Done);
    }
    let owed = if removed.owed > 0 { format!(", {} of them not exported", number(removed.owed)) } else { String::new() };
    say(format_args!("the tenant '{}' is removed, with {} events of {} chats{owed}", removed.tenant, number(removed.events), number(removed.chats)));
    say(removed.stands());
    say(format_args!("What was encrypted for {} opens no more. Backups that were made before hold its keys: delete them.", removed.recipient));
    Ok(Ending::Done)
}

fn say_all_removed(all: &[Removed], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&all)?;
    } else if all.is_empty() {
        say("No tenant was removed.");
    }
    for one in all.iter().filter(|_| !json) {
        say(format_args!("{}, {} by {}: {}; {}", one.tenant, one.at, one.by, one.reason.escape_debug(), one.stands()));
    }
    Ok(Ending::Done)
}

fn say_tenant(name: &Name, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&serde_json::json!({ "name": name }))?;
    } else {
        say(format_args!("the tenant '{name}' is there; its first token: consign --tenant {name} token create NAME --role tenant-administrator"));
    }
    Ok(Ending::Done)
}

fn say_tenants(all: &[Name], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&all.iter().map(|name| serde_json::json!({ "name": name })).collect::<Vec<_>>())?;
    } else if all.is_empty() {
        say("There is no tenant yet: 'consign tenant create NAME' makes one.");
    }
    for name in all.iter().filter(|_| !json) {
        say(name);
    }
    Ok(Ending::Done)
}
