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

/// The answer without what may be of a secret: servers that cut long lines, or find a fault in one, repeat it, and an answer goes into ledger and manifest.
pub(super) fn without_secret(fault: Fault, user: &str, secret: &Secret) -> Fault {
    let Fault::Reply { step, reply } = fault else { return fault };
    let secret = secret.reveal();
    let sent = [
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("\0{user}\0{secret}")),
        STANDARD.encode(format!("user={user}\x01auth=Bearer {secret}\x01\x01")),
    ]
    .map(|text| text.to_ascii_lowercase());
    let is_of_it = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
        (word.len() >= 8 && sent.iter().any(|sent| sent.contains(&word))) || sent.iter().any(|sent| word.contains(sent.as_str()))
    };
    let text: Vec<String> = reply.text.split(' ').map(|word| if is_of_it(word) { "…".to_owned() } else { word.to_owned() }).collect();
    Fault::Reply { step, reply: Reply { text: text.join(" "), ..reply } }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_of_a_secret_is_not_kept() {
        let (user, secret) = ("ann", Secret::of("correct-horse-battery-staple"));
        let line = STANDARD.encode(format!("\0{user}\0{}", secret.reveal()));
        let shown =
            |text: &str| match without_secret(Fault::Reply { step: Step::Auth, reply: Reply { code: 500, text: text.to_owned() } }, user, &secret) {
                Fault::Reply { reply, .. } => reply.text,
                other => format!("{other:?}"),
            };
        assert_eq!(shown(&format!("5.5.1 unrecognized: \"{}\"", line.get(10..).unwrap_or_default())), "5.5.1 unrecognized: …");
        assert_eq!(shown(&format!("in AUTH PLAIN {line} an error")), "in AUTH PLAIN … an error");
        assert_eq!(shown("no correct-horse-battery-staple for ann"), "no … for ann");
        assert_eq!(shown("5.7.8 authentication credentials invalid"), "5.7.8 authentication credentials invalid");
    }
}
