//! One connection to the server: bytes in and out, each step with its deadline.
//!
//! Whoever holds a `Connection` may use it for an e-mail: it is connected, protected as the target asks and signed in. After a [`Fault`] other
//! than a reply it must be dropped, since nobody knows any more which answer belongs to which command.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use consign_model::delivery::Reply;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::auth;
use super::capabilities::Capabilities;
use super::fault::{Fault, Step};
use super::reply::Parser;
use super::target::{Security, Target, Timeouts, TlsSetup, is_hello};
use crate::wire::Wire;

/// How long a server's last words are waited for when it takes no more of ours: they say why, but they may never have been said.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How much may take as long as one time limit for writing. All that is there is handed over at once nevertheless.
const UNDER_ONE_LIMIT: usize = 64 << 10;

/// A session that is ready for an e-mail.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Wire,
    input: BytesMut,
    parser: Parser,
    timeouts: Timeouts,
    /// The last e-mail was accepted; false before there was one.
    pub(super) accepted: bool,
    pub(super) greeting: Reply,
    pub(super) capabilities: Capabilities,
    pub(super) signed_in: Option<&'static str>,
}

impl Connection {
    /// Connects, protects the connection and signs in. In a box, since it goes from hand to hand.
    pub(super) async fn open(target: &Target) -> Result<Box<Self>, Fault> {
        // First, since a command may take its time, and a server that has been greeted doesn't wait for ever.
        let credentials = match &target.credentials {
            None => None,
            Some(credentials) => {
                Some((credentials, credentials.secret.read().await.map_err(|fault| Fault::Setup(format!("no connection was tried: {fault}")))?))
            }
        };
        let (stream, local) = connect(target).await?;
        let wire = match &target.security {
            Security::Implicit(setup) => handshake(stream, setup, target).await?,
            Security::Plain | Security::StartTls(_) => Wire::Plain(stream),
        };
        let mut connection = Box::new(Self {
            wire,
            input: BytesMut::with_capacity(4096),
            parser: Parser::default(),
            timeouts: target.timeouts,
            accepted: false,
            greeting: Reply { code: 0, text: String::new() },
            capabilities: Capabilities::default(),
            signed_in: None,
        });
        connection.greeting = connection.answer(Step::Greeting).await?;
        let hello = target.hello.clone().unwrap_or_else(|| own_name(local));
        connection.hello(&hello, target).await?;
        if let Security::StartTls(setup) = &target.security {
            connection = connection.start_tls(setup, target).await?;
            connection.hello(&hello, target).await?;
        }
        if let Some((credentials, secret)) = credentials {
            let mechanism = auth::choose(credentials.mechanism, &connection.capabilities.auth).map_err(Fault::Setup)?;
            connection.signed_in = Some(auth::word(mechanism));
            let signed_in = auth::sign_in(&mut connection, mechanism, &credentials.user, &secret).await;
            signed_in.map_err(|fault| auth::without_secret(fault, &credentials.user, &secret))?;
        }
        tracing::debug!(host = %target.host, port = target.port, tls = ?connection.tls(), signed_in = ?connection.signed_in, "SMTP session opened");
        Ok(connection)
    }

    /// EHLO; HELO for a server that knows no EHLO, where nothing is needed of it that only EHLO offers.
    async fn hello(&mut self, name: &str, target: &Target) -> Result<(), Fault> {
        match self.command(Step::Ehlo, &format!("EHLO {name}\r\n")).await {
            Ok(reply) => {
                self.capabilities = Capabilities::of(&reply);
                Ok(())
            }
            Err(Fault::Reply { reply: Reply { code: 500 | 502, .. }, .. })
                if target.credentials.is_none() && !matches!(target.security, Security::StartTls(_)) =>
            {
                self.capabilities = Capabilities::default();
                self.command(Step::Ehlo, &format!("HELO {name}\r\n")).await.map(drop)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Goes over to TLS. What was said before counts for nothing after it (RFC 3207, section 4.2).
    async fn start_tls(mut self: Box<Self>, setup: &TlsSetup, target: &Target) -> Result<Box<Self>, Fault> {
        if !self.capabilities.starttls {
            return Err(Fault::Setup(
                "it does not offer STARTTLS, or somebody on the way hides the offer. Nothing is sent in clear: ask whoever runs it, or use tls = \"implicit\" with its port for that, often 465".to_owned(),
            ));
        }
        self.command(Step::StartTls, "STARTTLS\r\n").await?;
        if !self.input.is_empty() {
            return Err(Fault::Setup(
                "bytes came in clear behind the answer to STARTTLS: somebody on the way may be inserting answers. Nothing was sent".to_owned(),
            ));
        }
        match self.wire {
            Wire::Plain(stream) => {
                self.wire = handshake(stream, setup, target).await?;
                self.capabilities = Capabilities::default();
                Ok(self)
            }
            Wire::Tls(_) => Err(Fault::Setup("TLS is on already".to_owned())),
        }
    }

    /// Sends a command and takes a 2xx for an answer; any other reply is [`Fault::Reply`].
    pub(super) async fn command(&mut self, step: Step, line: &str) -> Result<Reply, Fault> {
        self.write(step, &mut [IoSlice::new(line.as_bytes())], self.limit(step)).await?;
        self.answer(step).await
    }

    /// Waits for a 2xx; any other reply is [`Fault::Reply`].
    async fn answer(&mut self, step: Step) -> Result<Reply, Fault> {
        let reply = self.reply(step, self.limit(step)).await?;
        if (200..300).contains(&reply.code) { Ok(reply) } else { Err(Fault::Reply { step, reply }) }
    }

    /// How long an answer at this step may take.
    pub(super) fn limit(&self, step: Step) -> Duration {
        match step {
            Step::Greeting | Step::Ehlo | Step::StartTls | Step::Auth | Step::Mail | Step::Rcpt => self.timeouts.command,
            Step::Data => self.timeouts.data,
            Step::Body => self.timeouts.chunk,
            Step::EndOfData => self.timeouts.end_of_data,
            Step::Rset | Step::Quit => self.timeouts.closing,
        }
    }

    /// Waits for one whole reply, whatever its code.
    pub(super) async fn reply(&mut self, step: Step, limit: Duration) -> Result<Reply, Fault> {
        let mut deadline = None;
        loop {
            if let Some(reply) = self.parser.take(&mut self.input).map_err(|what| Fault::Garbage { step, what })? {
                return Ok(reply);
            }
            // Most replies have come with the one before, and need no clock.
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + limit);
            self.input.reserve(2048);
            match timeout_at(deadline, self.wire.read_buf(&mut self.input)).await {
                Err(_) => return Err(Fault::Stalled { step, limit }),
                Ok(Err(error)) => return Err(Fault::Broken { step, error }),
                Ok(Ok(0)) => return Err(Fault::Closed { step }),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Writes all of it, one piece after the other, from where they lie; each 64 KiB may take as long as `limit`. Where the server takes no more, its last
    /// words (such as a 421) are the fault, if there are any.
    pub(super) async fn write(&mut self, step: Step, pieces: &mut [IoSlice<'_>], limit: Duration) -> Result<(), Fault> {
        match write_all(&mut self.wire, pieces, limit).await {
            Ok(Ok(())) => Ok(()),
            Err(_) => Err(Fault::Stalled { step, limit }),
            Ok(Err(error)) => match self.reply(step, LAST_WORDS.min(limit)).await {
                Ok(reply) if reply.code >= 400 => Err(Fault::Reply { step, reply }),
                _ => Err(Fault::Broken { step, error }),
            },
        }
    }

    /// Looks, without waiting, whether the server said something that nobody asked for, or went away. An error ends the session.
    pub(super) async fn quiet(&mut self, step: Step) -> Result<(), Fault> {
        let mut space = [0; 512];
        let mut buffer = ReadBuf::new(&mut space);
        let wire = &mut self.wire;
        // Pending: nothing there, as it should be.
        let read = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut *wire).poll_read(context, &mut buffer) {
                Poll::Pending => None,
                Poll::Ready(read) => Some(read),
            })
        })
        .await;
        match read {
            Some(Err(error)) => return Err(Fault::Broken { step, error }),
            Some(Ok(())) if buffer.filled().is_empty() && self.input.is_empty() => return Err(Fault::Closed { step }),
            Some(Ok(())) => self.input.extend_from_slice(buffer.filled()),
            None => {}
        }
        if self.input.is_empty() {
            return Ok(());
        }
        match self.reply(step, LAST_WORDS).await? {
            // 421 may come at any time (RFC 5321, section 3.8), and some refuse a text before it is whole.
            reply if reply.code == 421 || (step == Step::Body && reply.code >= 400) => Err(Fault::Reply { step, reply }),
            _ => Err(Fault::Garbage { step, what: "an answer to nothing" }),
        }
    }

    /// Back to the state after signing in.
    pub(super) async fn reset(&mut self) -> Result<(), Fault> {
        self.command(Step::Rset, "RSET\r\n").await?;
        self.quiet(Step::Rset).await
    }

    /// Says good-bye. What becomes of it does not matter any more.
    pub(super) async fn quit(mut self: Box<Self>) {
        if self.command(Step::Quit, "QUIT\r\n").await.is_ok() {
            // For TLS: so that the server sees an end and not a cut.
            let _ = timeout(self.timeouts.closing, self.wire.shutdown()).await;
        }
    }

    /// Protocol version and cipher suite.
    pub(super) fn tls(&self) -> Option<String> {
        match &self.wire {
            Wire::Plain(_) => None,
            Wire::Tls(stream) => {
                let (_, session) = stream.get_ref();
                let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS").replace('_', ".");
                let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("?");
                Some(format!("{version} {suite}"))
            }
        }
    }
}

/// See [`Connection::write`]. The outer error: it took longer than that.
async fn write_all(wire: &mut Wire, mut rest: &mut [IoSlice<'_>], limit: Duration) -> Result<io::Result<()>, Elapsed> {
    let (mut deadline, mut written) = (Instant::now() + limit, 0);
    // Away with those that are empty.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match timeout_at(deadline, wire.write_vectored(rest)).await? {
            Ok(0) => return Ok(Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => {
                IoSlice::advance_slices(&mut rest, more);
                written += more;
            }
            Err(error) => return Ok(Err(error)),
        }
        if written >= UNDER_ONE_LIMIT {
            written %= UNDER_ONE_LIMIT;
            deadline = Instant::now() + limit;
        }
    }
    timeout_at(deadline, wire.flush()).await
}

/// Connects to the first of the host's addresses that answers. Sets `TCP_NODELAY`: without it each e-mail waits 40 ms for a delayed
/// acknowledgement.
async fn connect(target: &Target) -> Result<(TcpStream, Option<SocketAddr>), Fault> {
    let limit = target.timeouts.connect;
    let lookup = timeout(limit, tokio::net::lookup_host((target.host.as_str(), target.port))).await;
    let addresses: Vec<SocketAddr> = match lookup {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(Fault::Setup(format!("its address can't be found ({error}). Check the host name, and this machine's DNS"))),
        Err(_) => return Err(Fault::Setup(format!("its address was not found within {} s. Check this machine's DNS", limit.as_secs_f32()))),
    };
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| Fault::Setup(format!("the connection broke at once ({error})")))?;
                let local = stream.local_addr().ok();
                return Ok((stream, local));
            }
            Ok(Err(error)) => why = format!("{}: {error}", address.ip()),
            Err(_) => why = format!("{}: no answer within {} s", address.ip(), limit.as_secs_f32()),
        }
    }
    Err(Fault::Setup(format!("no connection ({why}). Check host and port, that the server runs, and that no firewall stands between")))
}

async fn handshake(stream: TcpStream, setup: &TlsSetup, target: &Target) -> Result<Wire, Fault> {
    let limit = target.timeouts.handshake;
    let connecting = TlsConnector::from(setup.config.clone()).connect(setup.server_name.clone(), stream);
    match timeout(limit, connecting).await {
        Ok(Ok(stream)) => Ok(Wire::Tls(Box::new(stream.into()))),
        Ok(Err(error)) => Err(Fault::Setup(tls_text(&error, &target.host))),
        Err(_) => {
            Err(Fault::Setup(format!("TLS did not come about within {} s. Check that the target's tls setting fits the port", limit.as_secs_f32())))
        }
    }
}

/// What is wrong with the server's TLS, and what to do.
fn tls_text(error: &io::Error, host: &str) -> String {
    use rustls::CertificateError as C;
    use rustls::Error as E;
    let hint = match error.get_ref().and_then(|inner| inner.downcast_ref::<E>()) {
        // A bad signature: an authority of the same name, with another key.
        Some(E::InvalidCertificate(C::UnknownIssuer | C::BadSignature)) => {
            "its certificate comes from no authority that is trusted here. If the authority is your own, name its certificate with ca-file".to_owned()
        }
        Some(E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. })) => {
            format!("its certificate is not for the name {host}. Write the name that it is for as the target's host")
        }
        Some(E::InvalidCertificate(C::Expired | C::ExpiredContext { .. })) => "its certificate has expired. It needs a new one".to_owned(),
        Some(E::InvalidMessage(_)) => "it does not speak TLS here. Check that the target's tls setting fits the port".to_owned(),
        _ => "TLS did not come about".to_owned(),
    };
    format!("{hint} ({error}). Nothing was sent")
}

/// What this machine calls itself in EHLO: its name where that is a full one, else the connection's own address (RFC 5321, section 4.1.4).
fn own_name(local: Option<SocketAddr>) -> String {
    // Only Linux has this file; elsewhere the address stands in.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.trim_matches('.').contains('.') && is_hello(name) {
        return name.to_owned();
    }
    match local {
        Some(SocketAddr::V4(address)) => format!("[{}]", address.ip()),
        Some(SocketAddr::V6(address)) => match address.ip().to_ipv4_mapped() {
            Some(ip) => format!("[{ip}]"),
            None => format!("[IPv6:{}]", address.ip()),
        },
        None => "[127.0.0.1]".to_owned(),
    }
}
