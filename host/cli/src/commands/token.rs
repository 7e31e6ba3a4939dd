//! `token`

use std::time::Duration;

use consign_model::access::{Role, Standing, Token, TokenKind};
use consign_model::{Name, Timestamp};
use consign_service::api::{new_link, new_token};

use super::init::say_new;
use crate::args::TokenCommand;
use crate::data::{Data, Place};
use crate::output::{Ending, Failure, say, say_json, table};

/// Makes, lists or revokes tokens.
pub async fn token(place: &Place, command: &TokenCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        TokenCommand::Create { name, role, days } => create(&open(place, role.is_of_the_platform()).await?, name, *role, *days, json).await,
        TokenCommand::Link { name, role, within, console } => {
            link(&open(place, role.is_of_the_platform()).await?, name, *role, *within, console, json).await
        }
        TokenCommand::List { platform } => list(&open(place, *platform).await?, json).await,
        TokenCommand::Revoke { id, platform } => revoke(&open(place, *platform).await?, id, json).await,
    }
}

async fn open(place: &Place, platform: bool) -> Result<Data, Failure> {
    let data = if platform { Data::open_platform(place).await? } else { Data::open(place).await? };
    say_new(&data);
    Ok(data)
}

async fn create(data: &Data, name: &Name, role: Role, days: Option<u16>, json: bool) -> Result<Ending, Failure> {
    let (token, secret) = new_token(name.clone(), role, days, data.exporter.author.actor()).map_err(|error| Failure::new(error.to_string()))?;
    let exporter = &data.exporter;
    exporter.store.add_token(&exporter.tenant, &token, &exporter.author).await?;
    if json {
        let mut object = token_json(&token);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("secret".to_owned(), secret.reveal().into());
        }
        say_json(&object)?;
        return Ok(Ending::Done);
    }
    let whose = whose(data, role);
    let until = token.expires_at.map(|end| format!(", until {end}")).unwrap_or_default();
    say(format_args!("{} for {name}, as {role} of {whose}{until}. This is its text, and it is shown this once:", token.id));
    say(secret.reveal());
    Ok(Ending::Done)
}

async fn link(data: &Data, name: &Name, role: Role, within: Duration, console: &str, json: bool) -> Result<Ending, Failure> {
    let ends_in = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let exporter = &data.exporter;
    let (token, secret) = new_link(name.clone(), role, ends_in, exporter.author.actor()).map_err(|error| Failure::new(error.to_string()))?;
    exporter.store.add_token(&exporter.tenant, &token, &exporter.author).await?;
    let link = consign_service::api::link(console, &secret);
    if json {
        let mut object = token_json(&token);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("link".to_owned(), link.into());
        }
        say_json(&object)?;
        return Ok(Ending::Done);
    }
    let until = token.expires_at.map(|end| format!(" until {end}")).unwrap_or_default();
    say(format_args!(
        "{} signs {name} in once, as {role} of {}{until}, while 'consign serve' runs. It is shown this once:",
        token.id,
        whose(data, role)
    ));
    say(link);
    Ok(Ending::Done)
}

fn whose(data: &Data, role: Role) -> String {
    if role.is_of_the_platform() { "the installation".to_owned() } else { format!("tenant '{}'", data.exporter.tenant) }
}

async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    let tokens = data.exporter.store.tokens(&data.exporter.tenant).await?;
    if json {
        say_json(&tokens.iter().map(token_json).collect::<Vec<_>>())?;
        return Ok(Ending::Done);
    }
    if tokens.is_empty() {
        say("There is no token yet: 'consign token create NAME --role ROLE' makes one.");
        return Ok(Ending::Done);
    }
    let rows = tokens.iter().map(|token| {
        let until = token.expires_at.map_or_else(|| "for good".to_owned(), |end| format!("until {end}"));
        let standing = match token.standing(Timestamp::now()) {
            Standing::Valid => match token.kind {
                TokenKind::Bearer => until,
                TokenKind::Link { used_at: None } => format!("a link, not used, good {until}"),
                TokenKind::Link { used_at: Some(at) } => format!("a link, used {at}, its session {until}"),
            },
            Standing::Expired => "over".to_owned(),
            Standing::Revoked => "revoked".to_owned(),
        };
        vec![token.id.to_string(), token.name.to_string(), token.role.to_string(), standing]
    });
    say(table(&["token", "of", "role", ""], &[], rows));
    Ok(Ending::Done)
}

async fn revoke(data: &Data, id: &Name, json: bool) -> Result<Ending, Failure> {
    let exporter = &data.exporter;
    let ended = exporter.store.revoke_token(&exporter.tenant, id, Timestamp::now(), &exporter.author).await?;
    let token = ended.ok_or_else(|| Failure::new(format!("there is no token '{id}': see 'consign token list'")))?;
    if json {
        say_json(&token_json(&token))?;
    } else {
        say(format_args!("{} of {} is revoked", token.id, token.name));
    }
    Ok(Ending::Done)
}

/// Without its hash, which is nobody's business.
fn token_json(token: &Token) -> serde_json::Value {
    serde_json::json!({
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "kind": if token.kind.is_bearer() { "token" } else { "link" },
        "used_at": match token.kind {
            TokenKind::Bearer => None,
            TokenKind::Link { used_at } => used_at,
        },
    })
}
