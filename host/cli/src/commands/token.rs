//! `token`

use std::time::Duration;

use consign_model::access::{Role, Standing, Token, TokenKind, TokenSecret};
use consign_model::{Name, TenantId, Timestamp};
use consign_service::api::{new_link, new_token};
use serde::{Deserialize, Serialize};

use super::init::say_new;
use crate::args::TokenCommand;
use crate::data::{Data, Place};
use crate::output::{Ending, Failure, say, say_json, table};
use crate::remote::Server;
use crate::remote::answers::{TokenAnswer, TokenKind as Kind};
use crate::remote::server::read;

/// Makes, lists or revokes tokens.
pub async fn token(place: &Place, command: &TokenCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        TokenCommand::Create { name, role, days } => create(&open(place, role.is_of_the_platform()).await?, name, *role, *days, json).await,
        TokenCommand::Link { name, role, within, console } => {
            link(&open(place, role.is_of_the_platform()).await?, name, *role, *within, console.as_deref(), json).await
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
    say_made(&token.into(), &secret, &exporter.tenant, json)
}

/// The same by a server, of its tenants' tokens.
pub async fn token_at(server: &Server, command: &TokenCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        TokenCommand::Create { name, role, days } => {
            let mut new = serde_json::json!({ "name": name, "role": role });
            if let (Some(fields), Some(days)) = (new.as_object_mut(), days) {
                fields.insert("days".to_owned(), (*days).into());
            }
            let made: MadeAnswer = server.post(&server.of_tenant(&["tokens"]).await?, Some(&new)).await?;
            let secret = TokenSecret::parse(&made.secret);
            let secret = secret.ok_or_else(|| Failure::new("the server made a token that is none: revoke it, see 'consign token list'"))?;
            say_made(&made.token.into(), &secret, server.tenant().await?, json)
        }
        TokenCommand::Link { name, role, within, console } => link_at(server, name, *role, *within, console.as_deref(), json).await,
        TokenCommand::List { .. } => {
            let tokens: Vec<TokenAnswer> = server.list(&server.of_tenant(&["tokens"]).await?, usize::MAX).await?;
            say_tokens(&tokens.into_iter().map(Shown::from).collect::<Vec<_>>(), json)
        }
        TokenCommand::Revoke { id, .. } => {
            let ended = server.delete(&server.of_tenant(&["tokens", id.as_str()]).await?).await?;
            say_revoked(&Shown::from(read::<TokenAnswer>(&ended)?), json)
        }
    }
}

/// A token that a server has just made.
#[derive(Deserialize)]
struct MadeAnswer {
    #[serde(flatten)]
    token: TokenAnswer,
    secret: String,
}

/// A link that a server has just made.
#[derive(Deserialize)]
struct LinkAnswer {
    #[serde(flatten)]
    token: TokenAnswer,
    link: String,
}

/// What is said of a token: without its hash, which is nobody's business.
#[derive(Serialize)]
struct Shown {
    id: Name,
    name: Name,
    role: Role,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    kind: Kind,
    /// Of a link that was used.
    used_at: Option<Timestamp>,
}

impl From<Token> for Shown {
    fn from(token: Token) -> Self {
        let Token { id, name, role, created_at, expires_at, revoked_at, kind, .. } = token;
        let (kind, used_at) = match kind {
            TokenKind::Bearer => (Kind::Token, None),
            TokenKind::Link { used_at } => (Kind::Link, used_at),
        };
        Self { id, name, role, created_at, expires_at, revoked_at, kind, used_at }
    }
}

impl From<TokenAnswer> for Shown {
    fn from(answer: TokenAnswer) -> Self {
        let TokenAnswer { id, name, role, created_at, expires_at, revoked_at, kind, used_at } = answer;
        Self { id, name, role, created_at, expires_at, revoked_at, kind, used_at }
    }
}

fn say_made(token: &Shown, secret: &TokenSecret, tenant: &TenantId, json: bool) -> Result<Ending, Failure> {
    if json {
        let mut object = serde_json::to_value(token)?;
        if let Some(fields) = object.as_object_mut() {
            fields.insert("secret".to_owned(), secret.reveal().into());
        }
        say_json(&object)?;
        return Ok(Ending::Done);
    }
    let (whose, until) = (whose(tenant, token.role), token.expires_at.map(|end| format!(", until {end}")).unwrap_or_default());
    say(format_args!("{} for {}, as {} of {whose}{until}. This is its text, and it is shown this once:", token.id, token.name, token.role));
    say(secret.reveal());
    Ok(Ending::Done)
}

async fn link(data: &Data, name: &Name, role: Role, within: Duration, console: Option<&str>, json: bool) -> Result<Ending, Failure> {
    let ends_in = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let exporter = &data.exporter;
    let (token, secret) = new_link(name.clone(), role, ends_in, exporter.author.actor()).map_err(|error| Failure::new(error.to_string()))?;
    exporter.store.add_token(&exporter.tenant, &token, &exporter.author).await?;
    let link = consign_service::api::link(console.unwrap_or(HERE), &secret);
    say_link(&token.into(), &link, &exporter.tenant, json)
}

/// Where a browser finds the console of a `serve` that was set up as the README has it.
const HERE: &str = "http://127.0.0.1:8480";

async fn link_at(server: &Server, name: &Name, role: Role, within: Duration, console: Option<&str>, json: bool) -> Result<Ending, Failure> {
    let new = serde_json::json!({ "name": name, "role": role, "minutes": within.as_secs().div_ceil(60) });
    let made: LinkAnswer = server.post(&server.of_tenant(&["links"]).await?, Some(&new)).await?;
    // Where the server does not know by which address it is found, it is the one by which this program found it.
    let link = match (made.link.find("/console/first#"), console) {
        (Some(at), Some(console)) => format!("{}{}", console.trim_end_matches('/'), &made.link[at..]),
        (Some(0), None) => format!("{}{}", server.at(&[])?.as_str().trim_end_matches('/'), made.link),
        _ => made.link,
    };
    say_link(&made.token.into(), &link, server.tenant().await?, json)
}

fn say_link(token: &Shown, link: &str, tenant: &TenantId, json: bool) -> Result<Ending, Failure> {
    if json {
        let mut object = serde_json::to_value(token)?;
        if let Some(fields) = object.as_object_mut() {
            fields.insert("link".to_owned(), link.into());
        }
        say_json(&object)?;
        return Ok(Ending::Done);
    }
    let until = token.expires_at.map(|end| format!(" until {end}")).unwrap_or_default();
    say(format_args!(
        "{} signs {} in once, as {} of {}{until}, while 'consign serve' runs. It is shown this once:",
        token.id,
        token.name,
        token.role,
        whose(tenant, token.role)
    ));
    say(link);
    Ok(Ending::Done)
}

fn whose(tenant: &TenantId, role: Role) -> String {
    if role.is_of_the_platform() { "the installation".to_owned() } else { format!("tenant '{tenant}'") }
}

async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    let tokens = data.exporter.store.tokens(&data.exporter.tenant).await?;
    say_tokens(&tokens.into_iter().map(Shown::from).collect::<Vec<_>>(), json)
}

fn say_tokens(tokens: &[Shown], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&tokens)?;
        return Ok(Ending::Done);
    }
    if tokens.is_empty() {
        say("There is no token yet: 'consign token create NAME --role ROLE' makes one.");
        return Ok(Ending::Done);
    }
    let rows = tokens.iter().map(|token| {
        let until = token.expires_at.map_or_else(|| "for good".to_owned(), |end| format!("until {end}"));
        let standing = match Standing::of(token.revoked_at, token.expires_at, Timestamp::now()) {
            Standing::Valid => match (token.kind, token.used_at) {
                (Kind::Token, _) => until,
                (Kind::Link, None) => format!("a link, not used, good {until}"),
                (Kind::Link, Some(at)) => format!("a link, used {at}, its session {until}"),
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
    say_revoked(&token.into(), json)
}

fn say_revoked(token: &Shown, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(token)?;
    } else {
        say(format_args!("{} of {} is revoked", token.id, token.name));
    }
    Ok(Ending::Done)
}
