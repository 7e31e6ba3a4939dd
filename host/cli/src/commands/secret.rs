//! `secret`

use std::io::Read as _;

use consign_service::secrets;
use consign_store::Seen;
use zeroize::Zeroizing;

use crate::args::SecretCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json, table};

/// Keeps, lists or removes secrets.
pub async fn secret(data: &Data, command: &SecretCommand, json: bool) -> Result<Ending, Failure> {
    let (store, tenant) = (&data.exporter.store, &data.exporter.tenant);
    let said = match command {
        SecretCommand::Keep { name } => {
            data.exporter.keep_secret(name, &line()?, Seen::Whatever).await?;
            format!("the secret '{name}' is kept: a target signs in with it by password = {{ secret = \"{name}\" }}")
        }
        SecretCommand::Remove { name } => {
            if !store.remove_secret(tenant, name, Seen::Whatever, &data.exporter.author).await? {
                return Err(Failure::new(format!("there is no secret '{name}': see 'consign secret list'")));
            }
            format!("the secret '{name}' is forgotten")
        }
        SecretCommand::List => return list(data, json).await,
    };
    if json {
        say_json(&serde_json::json!({}))?;
    } else {
        say(said);
    }
    Ok(Ending::Done)
}

async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    let secrets = data.exporter.store.secrets(&data.exporter.tenant).await?;
    if json {
        let shown = secrets.iter().map(|secret| serde_json::json!({ "name": secret.name, "kept_at": secret.kept_at }));
        say_json(&shown.collect::<Vec<_>>())?;
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
