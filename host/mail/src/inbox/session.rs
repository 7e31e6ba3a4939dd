//! One session of the inbox (RFC 5321), with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES and, where asked for, STARTTLS and AUTH.
//!
//! Answers are written when no whole command is left in the buffer, which is all that pipelining asks of a server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::data::Text;
use super::{Account, House};
use crate::smtp::address;
use crate::wire::Wire;

/// The longest command with its line end: RFC 4954, section 4.3, asks for this much for AUTH.
const MAX_COMMAND: usize = 12_288;
/// Recipients of one e-mail.
const MAX_RECIPIENTS: usize = 1_000;
/// Commands in a row that made no sense; then the session ends.
const MAX_MISTAKES: usize = 20;
/// How long a client may take to hear the good-bye.
const LEAVING: Duration = Duration::from_secs(2);
const NO_SEQUENCE: &str = "503 5.5.1 not now";

/// Why the exchange of lines ends.
#[derive(Debug)]
enum End {
    /// The client went away, or is none. Nobody is there to be told.
    Gone,
    /// What is still to be said ends the session.
    Quit,
    /// STARTTLS was answered; the handshake comes next.
    Handshake(Arc<ServerConfig>),
}

/// What is under way.
#[derive(Debug, Clone, Copy)]
enum Envelope {
    None,
    /// MAIL was taken.
    Sender,
    /// And so many recipients.
    Recipients(usize),
}

struct Session {
    wire: Wire,
    input: BytesMut,
    output: Vec<u8>,
    house: Arc<House>,
    ending: watch::Receiver<bool>,
    greeted: bool,
    signed_in: bool,
    envelope: Envelope,
    mistakes: usize,
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, house: &Arc<House>, ending: watch::Receiver<bool>) {
    let mut session = Session {
        wire: Wire::Plain(stream),
        input: BytesMut::with_capacity(8192),
        output: Vec::new(),
        house: Arc::clone(house),
        ending,
        greeted: false,
        signed_in: false,
        envelope: Envelope::None,
        mistakes: 0,
    };
    session.say("220 consign inbox ESMTP, for trying things");
    loop {
        let Err(end) = session.run().await;
        match (end, session.wire) {
            (End::Handshake(tls), Wire::Plain(stream)) => {
                let Ok(Ok(stream)) = timeout(house.options.silence, TlsAcceptor::from(tls).accept(stream)).await else { return };
                // Nothing of what was said in clear counts.
                session = Session { wire: Wire::Tls(Box::new(stream.into())), greeted: false, signed_in: false, envelope: Envelope::None, ..session };
            }
            (End::Quit, wire) => {
                session.wire = wire;
                session.leave().await;
                return;
            }
            (End::Gone | End::Handshake(_), _) => return,
        }
    }
}

impl Session {
    async fn run(&mut self) -> Result<Infallible, End> {
        loop {
            let before = self.mistakes;
            let line = self.line().await?;
            let Some(line) = line else { continue };
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let rest = rest.trim();
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" if rest.is_empty() => self.say("501 5.5.4 EHLO needs a name"),
                "EHLO" => self.hello(),
                "HELO" => {
                    self.greeted = true;
                    self.envelope = Envelope::None;
                    self.say("250 consign inbox");
                }
                "STARTTLS" => self.start_tls().await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.mail(rest),
                "RCPT" => self.rcpt(rest),
                "DATA" => self.data().await?,
                "RSET" => {
                    self.envelope = Envelope::None;
                    self.say("250 2.0.0 forgotten");
                }
                "NOOP" => self.say("250 2.0.0 well"),
                "VRFY" => self.say("252 2.1.5 every address is taken"),
                "HELP" => self.say("214 2.0.0 see RFC 5321"),
                "QUIT" => {
                    self.say("221 2.0.0 good-bye");
                    return Err(End::Quit);
                }
                _ => self.mistake("500 5.5.1 unknown command")?,
            }
            // Who has not signed in where that is asked for may guess no more often by saying something sensible in between.
            if self.mistakes == before && (self.signed_in || self.house.options.account.is_none()) {
                self.mistakes = 0;
            }
        }
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn mistake(&mut self, line: &str) -> Result<(), End> {
        self.mistakes += 1;
        if self.mistakes < MAX_MISTAKES {
            self.say(line);
            return Ok(());
        }
        self.say("421 4.7.0 too many mistakes");
        Err(End::Quit)
    }

    /// Says what is still to be said and closes. What the client goes on sending is read for a moment: a close with bytes unread becomes a reset,
    /// and a reset can overtake the good-bye, which says why.
    async fn leave(&mut self) {
        // How it fares is of no interest any more.
        let _ = self.flush().await;
        let drain = async {
            self.wire.shutdown().await?;
            let mut sink = [0; 8192];
            for _ in 0..128 {
                if self.wire.read(&mut sink).await? == 0 {
                    break;
                }
            }
            std::io::Result::Ok(())
        };
        let _ = timeout(LEAVING, drain).await;
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let wire = &mut self.wire;
        let output = &self.output;
        let written = timeout(self.house.options.silence, async {
            wire.write_all(output).await?;
            wire.flush().await
        });
        written.await.map_err(|_| End::Gone)?.map_err(|_| End::Gone)?;
        self.output.clear();
        Ok(())
    }

    /// Reads more, after writing what is to be said.
    async fn fill(&mut self) -> Result<(), End> {
        self.flush().await?;
        self.input.reserve(8192);
        let silence = self.house.options.silence;
        let read = tokio::select! {
            read = timeout(silence, self.wire.read_buf(&mut self.input)) => Some(read),
            _ = self.ending.wait_for(|end| *end) => None,
        };
        match read {
            Some(Ok(Ok(0) | Err(_))) => Err(End::Gone),
            Some(Ok(Ok(_))) => Ok(()),
            Some(Err(_)) => {
                self.say("421 4.4.2 silent for too long");
                Err(End::Quit)
            }
            None => {
                self.say("421 4.3.2 the inbox ends");
                Err(End::Quit)
            }
        }
    }

    /// One line without its end. `None`: it was none that could be understood, and was answered.
    async fn line(&mut self) -> Result<Option<String>, End> {
        let mut too_long = false;
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line = self.input.split_to(end);
                self.input.advance(1);
                let text = line.strip_suffix(b"\r").filter(|line| !line.contains(&b'\r')).and_then(|line| std::str::from_utf8(line).ok());
                match text {
                    _ if too_long || line.len() + 1 > MAX_COMMAND => self.mistake("500 5.5.2 the line is too long")?,
                    Some(text) => return Ok(Some(text.to_owned())),
                    None => self.mistake("500 5.5.2 a command is UTF-8 and ends with CR LF")?,
                }
                return Ok(None);
            }
            if self.input.len() > MAX_COMMAND {
                too_long = true;
                self.input.clear();
            }
            self.fill().await?;
        }
    }

    fn hello(&mut self) {
        self.greeted = true;
        self.envelope = Envelope::None;
        self.say("250-consign inbox");
        for offer in ["PIPELINING", "8BITMIME", "SMTPUTF8"] {
            self.say(&format!("250-{offer}"));
        }
        self.say(&format!("250-SIZE {}", self.house.options.max_size));
        if self.house.options.tls.is_some() && matches!(self.wire, Wire::Plain(_)) {
            self.say("250-STARTTLS");
        }
        if self.house.options.account.is_some() {
            self.say("250-AUTH PLAIN LOGIN XOAUTH2");
        }
        self.say("250 ENHANCEDSTATUSCODES");
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let (Some(tls), Wire::Plain(_)) = (self.house.options.tls.clone(), &self.wire) else {
            return self.mistake("502 5.5.1 not offered");
        };
        self.say("220 2.0.0 go ahead");
        self.flush().await?;
        // What came in clear behind STARTTLS may be somebody else's.
        Err(if self.input.is_empty() { End::Handshake(tls) } else { End::Gone })
    }

    async fn auth(&mut self, rest: &str) -> Result<(), End> {
        let Some(Account { user, secret }) = self.house.options.account.clone() else { return self.mistake("502 5.5.1 not offered") };
        if self.signed_in || !self.greeted {
            return self.mistake(NO_SEQUENCE);
        }
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let good = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => self.answer(initial, "").await?.is_some_and(|answer| answer == format!("\0{user}\0{secret}")),
            "LOGIN" => {
                let name = self.answer(initial, "Username:").await?;
                let word = self.answer("", "Password:").await?;
                name.is_some_and(|name| name == user) && word.is_some_and(|word| word == secret)
            }
            "XOAUTH2" => {
                let good = self.answer(initial, "").await?.is_some_and(|answer| answer == format!("user={user}\x01auth=Bearer {secret}\x01\x01"));
                if !good {
                    // As Google and Microsoft do: the error is a challenge, whatever is said to it.
                    self.answer("", "{\"status\":\"401\"}").await?;
                }
                good
            }
            _ => return self.mistake("504 5.5.4 not a mechanism of the list"),
        };
        if good {
            self.signed_in = true;
            self.say("235 2.7.0 welcome");
            Ok(())
        } else {
            self.mistake("535 5.7.8 name or password is wrong")
        }
    }

    /// The client's answer, sent with the command or asked for. `None`: no base64, or not UTF-8 in it.
    async fn answer(&mut self, initial: &str, challenge: &str) -> Result<Option<String>, End> {
        let answer = if initial.is_empty() {
            self.say(&format!("334 {}", STANDARD.encode(challenge)));
            self.line().await?.unwrap_or_default()
        } else {
            initial.to_owned()
        };
        Ok(STANDARD.decode(answer).ok().and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    fn mail(&mut self, rest: &str) {
        let reply = match (self.greeted, self.envelope, path(rest, "FROM:")) {
            (false, _, _) => "503 5.5.1 say EHLO first".to_owned(),
            (_, Envelope::Sender | Envelope::Recipients(_), _) => NO_SEQUENCE.to_owned(),
            _ if self.house.options.account.is_some() && !self.signed_in => "530 5.7.0 sign in first".to_owned(),
            (_, _, None) => "501 5.5.4 write MAIL FROM:<address>".to_owned(),
            (_, _, Some((from, _))) if !from.is_empty() && address::check(from).is_err() => "553 5.1.7 that is no address".to_owned(),
            (_, _, Some((_, parameters))) => match self.parameters(parameters) {
                Ok(()) => {
                    self.envelope = Envelope::Sender;
                    "250 2.1.0 sender taken".to_owned()
                }
                Err(reply) => reply,
            },
        };
        self.say(&reply);
    }

    fn parameters(&self, parameters: &str) -> Result<(), String> {
        for parameter in parameters.split_ascii_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
                ("SIZE", size) => match size.parse::<u64>() {
                    Ok(size) if size > self.house.options.max_size => return Err("552 5.3.4 the e-mail is larger than SIZE allows".to_owned()),
                    Ok(_) => {}
                    Err(_) => return Err("501 5.5.4 SIZE is a number".to_owned()),
                },
                ("BODY", "7BIT" | "8BITMIME") | ("SMTPUTF8", "") => {}
                ("AUTH", _) if self.house.options.account.is_some() => {}
                _ => return Err("555 5.5.4 unknown parameter".to_owned()),
            }
        }
        Ok(())
    }

    fn rcpt(&mut self, rest: &str) {
        let taken = match self.envelope {
            Envelope::None => None,
            Envelope::Sender => Some(0),
            Envelope::Recipients(taken) => Some(taken),
        };
        let reply = match (taken, path(rest, "TO:")) {
            (None, _) => NO_SEQUENCE,
            (Some(MAX_RECIPIENTS..), _) => "452 4.5.3 too many recipients",
            (_, None) => "501 5.5.4 write RCPT TO:<address>",
            (_, Some((to, _))) if address::check(to).is_err() => "553 5.1.3 that is no address",
            (_, Some((_, parameters))) if !parameters.is_empty() => "555 5.5.4 unknown parameter",
            (Some(taken), Some(_)) => {
                self.envelope = Envelope::Recipients(taken + 1);
                "250 2.1.5 recipient taken"
            }
        };
        self.say(reply);
    }

    async fn data(&mut self) -> Result<(), End> {
        let Envelope::Recipients(recipients) = self.envelope else {
            let reply = if matches!(self.envelope, Envelope::Sender) { "554 5.5.1 no recipient" } else { NO_SEQUENCE };
            return self.mistake(reply);
        };
        self.envelope = Envelope::None;
        self.say("354 the e-mail, then a dot on a line of its own");
        let limit = usize::try_from(self.house.options.max_size).unwrap_or(usize::MAX);
        let mut text = Text::new(limit);
        loop {
            if let Some(end) = text.take(&self.input) {
                self.input.advance(end);
                break;
            }
            self.input.clear();
            // So much more than announced that it is not worth waiting for the end.
            if text.taken / 2 > limit.saturating_add(1 << 20) {
                self.say("421 4.3.0 far larger than SIZE allows");
                return Err(End::Quit);
            }
            self.fill().await?;
        }
        match text.finish() {
            Err(refusal) => self.say(refusal.reply()),
            Ok(bytes) => self.store(bytes, recipients).await,
        }
        Ok(())
    }

    async fn store(&mut self, bytes: Vec<u8>, recipients: usize) {
        let house = Arc::clone(&self.house);
        let size = bytes.len() as u64;
        let stored = tokio::task::spawn_blocking(move || house.maildir.store(&bytes)).await;
        match stored {
            Ok(Ok(())) => {
                self.house.count(size);
                tracing::info!(size_bytes = size, recipients, "the inbox took an e-mail");
                self.say("250 2.0.0 kept");
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the inbox could not write an e-mail");
                self.say("451 4.3.0 it could not be written; try again");
            }
            Err(_) => self.say("451 4.3.0 it could not be written; try again"),
        }
    }
}

/// The path between angle brackets after `FROM:` or `TO:`, and what follows it.
fn path<'l>(rest: &'l str, keyword: &str) -> Option<(&'l str, &'l str)> {
    let (word, rest) = rest.split_at_checked(keyword.len())?;
    let (path, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    (word.eq_ignore_ascii_case(keyword) && (parameters.is_empty() || parameters.starts_with(' '))).then(|| (path, parameters.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(path("FROM:<a@b>", "FROM:"), Some(("a@b", "")));
        assert_eq!(path("from: <> SIZE=1", "FROM:"), Some(("", "SIZE=1")));
        for bad in ["FROM:", "FROM:a@b", "FROM:<a@b", "TO:<a@b>", "FROM:<a@b>x", "é", ""] {
            assert_eq!(path(bad, "FROM:"), None, "{bad}");
        }
    }
}
