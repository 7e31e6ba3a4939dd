//! `tenant`

use consign_model::Name;
use consign_model::access::platform;

use super::init::{say_made, say_new};
use crate::args::TenantCommand;
use crate::data::{Data, Installation, Place};
use crate::output::{Ending, Failure, say, say_json};
use crate::remote::Server;
use crate::remote::answers::Named;

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
        TenantCommand::List => {
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
        TenantCommand::List => {
            let all: Vec<Named> = server.list(&url, usize::MAX).await?;
            say_tenants(&all.iter().map(Named::name).collect::<Result<Vec<_>, _>>()?, json)
        }
    }
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
