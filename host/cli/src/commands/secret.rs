//! `secret`

use std::io::Read as _;

use consign_model::{Name, Timestamp};
use consign_service::secrets;
use consign_store::Seen;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::args::SecretCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json, table};
use crate::remote::Server;

/// Keeps, lists or removes secrets.
pub async fn secret(data: &Data, command: &SecretCommand, json: bool) -> Result<Ending, Failure> {
    let (store, tenant) = (&data.exporter.store, &data.exporter.tenant);
    match command {
        SecretCommand::Keep { name } => drop(data.exporter.keep_secret(name, &line()?, Seen::Whatever).await?),
        SecretCommand::Remove { name } => {
            if !store.remove_secret(tenant, name, Seen::Whatever, &data.exporter.author).await? {
                return Err(Failure::new(format!("there is no secret '{name}': see 'consign secret list'")));
            }
        }
        SecretCommand::List => {
            let secrets = store.secrets(tenant).await?.into_iter();
            return say_secrets(&secrets.map(|secret| Shown { name: secret.name, kept_at: secret.kept_at }).collect::<Vec<_>>(), json);
        }
    }
    say_changed(command, json)
}

/// The same by a server.
pub async fn secret_at(server: &Server, command: &SecretCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        SecretCommand::Keep { name } => {
            let url = server.of_tenant(&["secrets", name.as_str()]).await?;
            server.put(&url, "text/plain", line()?.as_bytes().to_vec()).await?;
        }
        SecretCommand::Remove { name } => drop(server.delete(&server.of_tenant(&["secrets", name.as_str()]).await?).await?),
        SecretCommand::List => return say_secrets(&server.list(&server.of_tenant(&["secrets"]).await?, usize::MAX).await?, json),
    }
    say_changed(command, json)
}

/// A secret, without what it is.
#[derive(Serialize, Deserialize)]
struct Shown {
    name: Name,
    kept_at: Timestamp,
}

fn say_changed(command: &SecretCommand, json: bool) -> Result<Ending, Failure> {
    let said = match command {
        SecretCommand::Keep { name } => format!("the secret '{name}' is kept: a target signs in with it by password = {{ secret = \"{name}\" }}"),
        SecretCommand::Remove { name } => format!("the secret '{name}' is forgotten"),
        SecretCommand::List => return Ok(Ending::Done),
    };
    if json {
        say_json(&serde_json::json!({}))?;
    } else {
        say(said);
    }
    Ok(Ending::Done)
}

fn say_secrets(secrets: &[Shown], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&secrets)?;
    } else if secrets.is_empty() {
        say("No secret is kept: 'consign secret keep NAME' reads one from standard input.");
    } else {
        say(table(&["secret", "kept"], &[], secrets.iter().map(|secret| vec![secret.name.to_string(), secret.kept_at.to_string()])));
    }
    Ok(Ending::Done)
}

/// One line of standard input.
fn line() -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .take(secrets::MOST as u64 + 2)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("the secret can't be read from standard input: {error}")))?;
    let line = secrets::line(&text).map_err(|error| Failure::new(format!("standard input does not hold a secret: {error}")))?;
    Ok(Zeroizing::new(line.to_owned()))
}
