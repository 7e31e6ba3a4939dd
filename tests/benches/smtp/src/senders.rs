//! Those that send: Consign, and what it is measured against. Each sends so many times the same e-mail and fails if one was not taken.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use consign_mail::smtp::{Sender, Target};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use mail_send::SmtpClientBuilder;
use mail_send::smtp::message::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

use crate::Error;

pub const FROM: &str = "journal@corp.example";
pub const TO: &str = "in@archive.example";
pub const SMTP_SOURCE: &str = "/usr/sbin/smtp-source";

/// What is sent, where to, and how.
#[derive(Clone)]
pub struct Load {
    pub port: u16,
    pub connections: u16,
    pub count: usize,
    pub email: Arc<[u8]>,
}

/// An e-mail of so many bytes in lines as composed e-mails have them; a line in two hundred begins with a dot.
pub fn email(size: usize) -> Arc<[u8]> {
    let mut bytes = b"From: journal@corp.example\r\nTo: in@archive.example\r\nSubject: bench\r\n\r\n".to_vec();
    for number in 0_usize.. {
        if bytes.len() + 80 > size {
            break;
        }
        bytes.extend_from_slice(if number % 200 == 100 { b"." } else { b"" });
        bytes.extend_from_slice(b"a line of text of some seventy bytes, as a composed e-mail has them..=\r\n");
    }
    bytes.resize(size.saturating_sub(2).max(bytes.len()), b'x');
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Consign,
    /// A blocking socket that writes what was rendered beforehand, with Consign's commands in the same groups.
    Raw,
    /// The same by a task of tokio, which does nothing else: what waiting for many connections at once costs.
    Bare,
    SmtpSource,
    LettrePool,
    MailSend,
}

impl Who {
    pub fn named(name: &str) -> Option<Self> {
        [
            ("consign", Self::Consign),
            ("raw", Self::Raw),
            ("bare", Self::Bare),
            ("smtp-source", Self::SmtpSource),
            ("lettre", Self::LettrePool),
            ("mail-send", Self::MailSend),
        ]
        .into_iter()
        .find_map(|(one, who)| (one == name).then_some(who))
    }

    pub fn send(self, runtime: &Runtime, load: &Load) -> Result<(), Error> {
        match self {
            Self::Consign => runtime.block_on(consign(load)),
            Self::Raw => raw(load),
            Self::Bare => runtime.block_on(bare(load)),
            Self::SmtpSource => smtp_source(load),
            Self::LettrePool => runtime.block_on(lettre(load)),
            Self::MailSend => runtime.block_on(mail_send(load)),
        }
    }
}

/// As an export does: many tasks, each of which hands over one e-mail after another.
async fn consign(load: &Load) -> Result<(), Error> {
    let spec = serde_json::json!({
        "name": "bench", "host": "127.0.0.1", "port": load.port, "tls": "none", "allow-plaintext": true,
        "from": FROM, "to": [TO], "connections": load.connections
    });
    let sender = Arc::new(Sender::new(Target::from_spec(&serde_json::from_value(spec)?)?));
    let (next, recipients) = (Arc::new(AtomicUsize::new(0)), Arc::new([TO.to_owned()]));
    let work = |_| {
        let (sender, next, recipients, load) = (sender.clone(), next.clone(), recipients.clone(), load.clone());
        tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < load.count {
                let outcomes = sender.send(FROM, recipients.as_slice(), &load.email).await;
                if let Some(other) = outcomes.iter().find(|one| !one.outcome.is_accepted()) {
                    return Err(format!("Consign: {}", other.outcome.text()));
                }
            }
            Ok(())
        })
    };
    let tasks: Vec<_> = (0..4 * load.connections).map(work).collect();
    for task in tasks {
        task.await??;
    }
    sender.close().await;
    Ok(())
}

fn smtp_source(load: &Load) -> Result<(), Error> {
    // -d: further e-mails over the same connection. It pipelines nothing (its manual page: "No SMTP command pipelining support").
    let mut command = Command::new(SMTP_SOURCE);
    command.args(["-4", "-d", "-s", &load.connections.to_string(), "-m", &load.count.to_string(), "-l", &load.email.len().to_string()]);
    command.args(["-f", FROM, "-t", TO, &format!("127.0.0.1:{}", load.port)]);
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() { Ok(()) } else { Err(format!("smtp-source: {}", String::from_utf8_lossy(&done.stderr)).into()) }
}

/// What clients without a library write.
struct Rendered {
    /// Before the first text.
    envelope: String,
    /// A text, and the next envelope behind it.
    text: Vec<u8>,
    /// The last text.
    last: Vec<u8>,
}

impl Rendered {
    fn of(load: &Load) -> Self {
        let envelope = format!("MAIL FROM:<{FROM}> SIZE={}\r\nRCPT TO:<{TO}>\r\nDATA\r\n", load.email.len());
        let mut last = Vec::with_capacity(load.email.len() + 1000);
        for line in load.email.split_inclusive(|byte| *byte == b'\n') {
            last.extend_from_slice(if line.first() == Some(&b'.') { b"." } else { b"" });
            last.extend_from_slice(line);
        }
        last.extend_from_slice(b".\r\n");
        Self { text: [last.as_slice(), envelope.as_bytes()].concat(), envelope, last }
    }
}

fn raw(load: &Load) -> Result<(), Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", load.port))?;
    stream.set_nodelay(true)?;
    let mut replies = Replies::new();
    let rendered = Rendered::of(load);
    let mut say = |bytes: &[u8], answers: usize| -> Result<(), Error> {
        stream.write_all(bytes)?;
        replies.owed += answers;
        while replies.owed > 0 {
            let read = stream.read(replies.space())?;
            replies.came(read)?;
        }
        Ok(())
    };
    say(b"EHLO bench.example\r\n", 2)?;
    say(rendered.envelope.as_bytes(), 3)?;
    for _ in 1..load.count {
        say(&rendered.text, 4)?;
    }
    say(&rendered.last, 1)?;
    say(b"QUIT\r\n", 1)
}

async fn bare(load: &Load) -> Result<(), Error> {
    let load = load.clone();
    let task = async move {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", load.port)).await?;
        stream.set_nodelay(true)?;
        let mut replies = Replies::new();
        let rendered = Rendered::of(&load);
        let mut say = async |bytes: &[u8], answers: usize| -> Result<(), Error> {
            stream.write_all(bytes).await?;
            replies.owed += answers;
            while replies.owed > 0 {
                let read = stream.read(replies.space()).await?;
                replies.came(read)?;
            }
            Ok(())
        };
        say(b"EHLO bench.example\r\n", 2).await?;
        say(rendered.envelope.as_bytes(), 3).await?;
        for _ in 1..load.count {
            say(&rendered.text, 4).await?;
        }
        say(&rendered.last, 1).await?;
        say(b"QUIT\r\n", 1).await
    };
    tokio::spawn(task).await?
}

/// What the server says to a client without a library.
struct Replies {
    space: Vec<u8>,
    filled: usize,
    /// How many are yet to come.
    owed: usize,
}

impl Replies {
    fn new() -> Self {
        Self { space: vec![0; 4096], filled: 0, owed: 0 }
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.space[self.filled..]
    }

    /// Counts the replies among what was read, none of which may be a refusal.
    fn came(&mut self, read: usize) -> Result<(), Error> {
        if read == 0 {
            return Err("the connection was closed".into());
        }
        self.filled += read;
        let mut done = 0;
        while let Some(length) = memchr::memchr(b'\n', &self.space[done..self.filled]) {
            let line = &self.space[done..done + length];
            done += length + 1;
            match line {
                [b'2' | b'3', _, _, b' ', ..] => self.owed = self.owed.checked_sub(1).ok_or("a reply too many")?,
                [b'2', _, _, b'-', ..] => {}
                _ => return Err(format!("the answer was {}", String::from_utf8_lossy(line)).into()),
            }
        }
        self.space.copy_within(done..self.filled, 0);
        self.filled -= done;
        Ok(())
    }
}

async fn lettre(load: &Load) -> Result<(), Error> {
    let pool = PoolConfig::new().max_size(load.connections.into());
    let transport: AsyncSmtpTransport<Tokio1Executor> =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(load.port).pool_config(pool).build();
    let envelope = lettre::address::Envelope::new(Some(FROM.parse()?), vec![TO.parse()?])?;
    for _ in 0..load.count {
        transport.send_raw(&envelope, &load.email).await?;
    }
    Ok(())
}

async fn mail_send(load: &Load) -> Result<(), Error> {
    let builder = SmtpClientBuilder::new("127.0.0.1", load.port)?.implicit_tls(false);
    let mut client = builder.connect_plain().await?;
    for _ in 0..load.count {
        client.send(Message::new(FROM, [TO], load.email.as_ref())).await?;
    }
    client.quit().await?;
    Ok(())
}
