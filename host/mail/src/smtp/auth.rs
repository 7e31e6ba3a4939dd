//! Signing in: PLAIN (RFC 4616), LOGIN (never a standard, asked for everywhere) and XOAUTH2 (Google's and Microsoft's).
//!
//! No step logs what it sends. Whether the connection may carry a secret was settled when the target was made.

use std::collections::HashSet;
use std::io::IoSlice;

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

/// How much of a secret's form, in a row, is taken for a piece of it: a server may cut what it repeats. A smaller number blots out more of what the server
/// says of its own; with a larger one more of a secret may stand between two cuts.
const PIECE: usize = 8;
/// The shortest base64 of a secret within something else that is looked for. Shorter ones stand in any text, and say too little.
const SHORTEST: usize = 4;

/// The answer without what may be of a secret: servers that cut long lines, or find a fault in one, repeat it, and an answer goes into ledger and manifest.
///
/// Found are the secret and each message that was sent of it, as they are and in base64, also within the base64 of something else, in capitals or not,
/// and pieces of these, over the ends of lines too. Forms that nobody here made (the secret escaped, or its hash) are not.
pub(super) fn without_secret(fault: Fault, user: &str, secret: &Secret) -> Fault {
    let Fault::Reply { step, reply } = fault else { return fault };
    Fault::Reply { step, reply: Reply { text: blotted(&reply.text, &forms(user, secret.reveal())), ..reply } }
}

/// What the server got, and what of it stands in the base64 of whatever it is within.
fn forms(user: &str, secret: &str) -> Vec<String> {
    let sent = [secret.to_owned(), STANDARD.encode(secret), plain(user, secret), xoauth2(user, secret)];
    let within = sent.iter().flat_map(|one| (0..3).filter_map(|before| within_base64(one, before)));
    within.filter(|form| form.len() >= SHORTEST).chain(sent.iter().cloned()).collect()
}

/// Of the base64 of anything in which this stands, after so many bytes more than a multiple of three, the characters that are of nothing else.
fn within_base64(text: &str, before: usize) -> Option<String> {
    let encoded = STANDARD.encode([&vec![0; before], text.as_bytes()].concat());
    // Six bits a character.
    let (first, end) = ((before * 8).div_ceil(6), (before + text.len()) * 8 / 6);
    encoded.get(first..end).map(str::to_owned)
}

/// One letter for all that are one in some form: capitals, and the other base64's two characters (RFC 4648, section 5). Spaces and ends of lines count for
/// nothing.
fn folded(c: char) -> Option<char> {
    match c {
        '-' => Some('+'),
        '_' => Some('/'),
        c => (!c.is_whitespace()).then(|| c.to_ascii_lowercase()),
    }
}

/// The text with an ellipsis for each word of which something is a form, or a piece of one.
fn blotted(text: &str, forms: &[String]) -> String {
    let forms: Vec<Vec<char>> = forms.iter().map(|form| form.chars().filter_map(folded).collect()).collect();
    let short: Vec<&[char]> = forms.iter().map(Vec::as_slice).filter(|form| !form.is_empty() && form.len() < PIECE).collect();
    let pieces: HashSet<&[char]> = forms.iter().flat_map(|form| form.windows(PIECE)).collect();
    let (places, seen): (Vec<usize>, Vec<char>) = text.char_indices().filter_map(|(place, c)| Some((place, folded(c)?))).unzip();
    // By byte: whether the character that begins there is to go.
    let mut goes = vec![false; text.len()];
    for start in 0..seen.len() {
        let rest = seen.get(start..).unwrap_or_default();
        let piece = rest.get(..PIECE).filter(|piece| pieces.contains(piece)).map(<[char]>::len);
        let whole = short.iter().filter(|form| rest.starts_with(form)).map(|form| form.len()).max();
        let Some(length) = piece.max(whole) else { continue };
        let (Some(first), Some(last)) = (places.get(start), places.get(start + length - 1)) else { continue };
        goes.get_mut(*first..=*last).into_iter().flatten().for_each(|one| *one = true);
    }
    // And what of the word is beside it: at its edges there may be more, and what it stands in was sent too.
    let is_of_a_word = |c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c);
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut spread = |of: &mut dyn Iterator<Item = &(usize, char)>| {
        let mut before = false;
        for (place, c) in of {
            if let Some(one) = goes.get_mut(*place) {
                *one |= before && is_of_a_word(*c);
                before = *one;
            }
        }
    };
    spread(&mut chars.iter());
    spread(&mut chars.iter().rev());
    let mut left = String::new();
    let mut before = false;
    for (place, c) in chars {
        let now = goes.get(place).copied().unwrap_or_default();
        match (now, before) {
            (true, false) => left.push('…'),
            (true, true) => {}
            (false, _) => left.push(c),
        }
        before = now;
    }
    left
}

/// The message of PLAIN.
fn plain(user: &str, secret: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{secret}"))
}

/// The message of XOAUTH2.
fn xoauth2(user: &str, secret: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {secret}\x01\x01"))
}

/// Signs in, or says why not.
pub(super) async fn sign_in(connection: &mut Connection, mechanism: AuthMechanism, user: &str, secret: &Secret) -> Result<(), Fault> {
    let secret = secret.reveal();
    match mechanism {
        AuthMechanism::Plain => {
            let line = format!("AUTH PLAIN {}\r\n", plain(user, secret));
            connection.command(Step::Auth, &line).await?;
        }
        AuthMechanism::Login => {
            challenge(connection, "AUTH LOGIN\r\n").await?;
            challenge(connection, &format!("{}\r\n", STANDARD.encode(user))).await?;
            connection.command(Step::Auth, &format!("{}\r\n", STANDARD.encode(secret))).await?;
        }
        AuthMechanism::Xoauth2 => {
            let token = xoauth2(user, secret);
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
    connection.write(Step::Auth, &mut [IoSlice::new(line.as_bytes())], connection.limit(Step::Auth)).await?;
    let reply = connection.reply(Step::Auth, connection.limit(Step::Auth)).await?;
    if reply.code == 334 { Ok(()) } else { Err(Fault::Reply { step: Step::Auth, reply }) }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn shown(text: &str, user: &str, secret: &str) -> String {
        let reply = Reply { code: 500, text: text.to_owned() };
        match without_secret(Fault::Reply { step: Step::Auth, reply }, user, &Secret::of(secret)) {
            Fault::Reply { reply, .. } => reply.text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_a_server_repeats_of_a_secret_is_not_kept() {
        let secret = "correct-horse-battery-staple";
        let line = plain("ann", secret);
        let shown = |text: &str| shown(text, "ann", secret);
        assert_eq!(shown(&format!("5.5.1 unrecognized: \"{}\"", line.get(10..).unwrap_or_default())), "5.5.1 unrecognized: \"…\"");
        assert_eq!(shown(&format!("in AUTH PLAIN {line} an error")), "in AUTH PLAIN … an error");
        assert_eq!(shown("no correct-horse-battery-staple for ann"), "no … for ann");
        assert_eq!(shown("5.7.8 authentication credentials invalid"), "5.7.8 authentication credentials invalid");
        // Within a word, in other letters, cut, folded.
        assert_eq!(shown("<password:correct-horse-battery-staple>"), "<password:…>");
        assert_eq!(shown("user=ann;pass='CORRECT-HORSE-BATTERY-STAPLE'"), "user=ann;pass='…'");
        assert_eq!(shown(&format!("5.5.2 cut: {}", line.get(..30).unwrap_or_default())), "5.5.2 cut: …");
        let (one, other) = line.split_at(20);
        assert_eq!(shown(&format!("5.5.2 not understood:\n{one}\n{other}\nbye")), "5.5.2 not understood:\n…\nbye");
        assert_eq!(shown(&format!("hex? {}", line.to_uppercase())), "hex? …");
        // A server's own error, as a message in base64 that holds what it got.
        for before in ["", "1", "12", "123"] {
            let json = format!("{before}{{\"status\":\"401\",\"got\":\"{secret}\"}}");
            assert_eq!(shown(&STANDARD.encode(&json)), "…", "{before}");
            assert_eq!(shown(&format!("see {}.", URL_SAFE_NO_PAD.encode(&json))), "see ….", "{before}");
            assert_eq!(shown(&STANDARD.encode(format!("{before}{line}"))), "…", "{before}");
        }
        let token = xoauth2("ann", secret);
        assert_eq!(shown(&format!("AUTH XOAUTH2 {token}")), "AUTH XOAUTH2 …");
    }

    /// Short ones too, which stand in other words.
    #[test]
    fn whatever_the_secret() {
        for secret in ["a", "ab", "abc", "sesame", "öffne dich", "two words", "=-=+", "x/y+z_w-"] {
            for before in 0..3 {
                for text in [secret.to_owned(), format!("{}{secret}", "?".repeat(before)), format!("your \"{secret}\" is wrong")] {
                    let left = shown(&text, "ann", secret);
                    assert!(!left.contains(secret), "{secret} in {text}: {left}");
                }
            }
            for sent in [plain("ann", secret), xoauth2("ann", secret)] {
                assert_eq!(shown(&sent, "ann", secret), "…", "{secret}");
            }
        }
    }

    /// As long as either may be: a token of 64 KiB, and an answer of as much.
    #[test]
    fn a_long_one_takes_no_time() {
        let secret = "0123456789abcdef".repeat(4 << 10);
        assert_eq!(shown(&"no secret here ".repeat(4 << 10), "ann", &secret), "no secret here ".repeat(4 << 10));
        assert_eq!(shown(secret.get(..64_000).unwrap_or_default(), "ann", &secret), "…");
    }
}
