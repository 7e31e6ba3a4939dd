//! Signing in: PLAIN (RFC 4616), LOGIN (never a standard, asked for everywhere) and XOAUTH2 (Google's and Microsoft's).
//!
//! No step logs what it sends. Whether the connection may carry a secret was settled when the target was made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_model::delivery::Reply;
use consign_model::target::AuthMechanism;

use super::connection::Connection;
use super::fault::{Fault, Step};
use super::secret::Secret;

/// The word of SASL.
pub(super) fn word(mechanism: AuthMechanism) -> &'static str {
    match mechanism {
        AuthMechanism::Plain => "PLAIN",
        AuthMechanism::Login => "LOGIN",
        AuthMechanism::Xoauth2 => "XOAUTH2",
    }
}

/// The mechanism that was asked for, else PLAIN, else LOGIN; the error is for a person.
pub(super) fn choose(asked: Option<AuthMechanism>, offered: &[String]) -> Result<AuthMechanism, String> {
    let offers = |mechanism: AuthMechanism| offered.iter().any(|one| one == word(mechanism));
    let list = if offered.is_empty() { "no way to sign in".to_owned() } else { format!("only {}", offered.join(", ")) };
    match asked {
        Some(mechanism) if offers(mechanism) => Ok(mechanism),
        Some(mechanism) => {
            Err(format!("it offers {list}, and the target says auth = \"{}\". Change auth, or ask whoever runs it", word(mechanism).to_lowercase()))
        }
        None if offers(AuthMechanism::Plain) => Ok(AuthMechanism::Plain),
        None if offers(AuthMechanism::Login) => Ok(AuthMechanism::Login),
        None if offers(AuthMechanism::Xoauth2) => {
            Err("it offers only XOAUTH2 of what consign knows. Write auth = \"xoauth2\", with an access token for the password".to_owned())
        }
        None => Err(format!("it offers {list}; consign knows PLAIN, LOGIN and XOAUTH2. Leave out username and password if it needs none")),
    }
}

/// Signs in, or says why not.
pub(super) async fn sign_in(connection: &mut Connection, mechanism: AuthMechanism, user: &str, secret: &Secret) -> Result<(), Fault> {
    let secret = secret.reveal();
    match mechanism {
        AuthMechanism::Plain => {
            let line = format!("AUTH PLAIN {}\r\n", STANDARD.encode(format!("\0{user}\0{secret}")));
            connection.command(Step::Auth, &line).await?;
        }
        AuthMechanism::Login => {
            challenge(connection, "AUTH LOGIN\r\n").await?;
            challenge(connection, &format!("{}\r\n", STANDARD.encode(user))).await?;
            connection.command(Step::Auth, &format!("{}\r\n", STANDARD.encode(secret))).await?;
        }
        AuthMechanism::Xoauth2 => {
            let token = STANDARD.encode(format!("user={user}\x01auth=Bearer {secret}\x01\x01"));
            match connection.command(Step::Auth, &format!("AUTH XOAUTH2 {token}\r\n")).await {
                // The error comes as a challenge, which is answered with nothing to get the reply.
                Err(Fault::Reply { reply: Reply { code: 334, .. }, .. }) => {
                    connection.command(Step::Auth, "\r\n").await?;
                }
                other => {
                    other?;
                }
            }
        }
    }
    Ok(())
}

/// Sends a line that must be answered with 334.
async fn challenge(connection: &mut Connection, line: &str) -> Result<(), Fault> {
    connection.write(Step::Auth, line.as_bytes(), connection.limit(Step::Auth)).await?;
    let reply = connection.reply(Step::Auth, connection.limit(Step::Auth)).await?;
    if reply.code == 334 { Ok(()) } else { Err(Fault::Reply { step: Step::Auth, reply }) }
}
