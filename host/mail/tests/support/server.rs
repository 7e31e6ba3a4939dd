//! A scripted SMTP server: it behaves well except where a test's script says otherwise, and writes down what truly happened.
//!
//! It shares no code with what is tested: it reads lines and bytes by itself.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Where the script is asked what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Greeting,
    Ehlo,
    StartTls,
    /// The answer to STARTTLS was good, and TLS begins: what is said here is said in clear.
    Handshake,
    Auth,
    AuthAnswer,
    Mail,
    Rcpt,
    Data,
    /// Some of the text has come.
    MidBody,
    AfterDot,
    Rset,
    Quit,
}

/// What the server does there.
#[derive(Clone)]
pub enum Act {
    /// What a good server does.
    Normal,
    /// These bytes for an answer; as far as they are no 2xx or 3xx the command is refused.
    Say(Vec<u8>),
    /// These bytes, and then the connection is closed.
    SayAndClose(Vec<u8>),
    Close,
    /// The connection is cut by a reset.
    Reset,
    /// Nothing more, ever; the connection stays open.
    Stall,
    /// These bytes again and again until the client goes away; what it sends is read meanwhile.
    Endless(Vec<u8>),
    /// After the dot: waits until a command has come behind the text, and only then does this.
    Behind(Box<Act>),
    /// After the dot: tells the gate, waits there, and only then does this.
    Wait(Arc<Gate>, Box<Act>),
    /// Loses what has come and was not dealt with, and says these bytes.
    Forget(Vec<u8>),
    /// At DATA: says 354, reads just so many bytes of the text, tells the gate, waits there, and reads on.
    Hold(usize, Arc<Gate>),
}

/// Long answers are cut: this stands in what a failing test says.
impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, bytes) = match self {
            Self::Normal => return f.write_str("Normal"),
            Self::Close => return f.write_str("Close"),
            Self::Reset => return f.write_str("Reset"),
            Self::Stall => return f.write_str("Stall"),
            Self::Hold(bytes, _) => return write!(f, "Hold({bytes})"),
            Self::Behind(act) => return write!(f, "Behind({act:?})"),
            Self::Wait(_, act) => return write!(f, "Wait({act:?})"),
            Self::Say(bytes) => ("Say", bytes),
            Self::Forget(bytes) => ("Forget", bytes),
            Self::SayAndClose(bytes) => ("SayAndClose", bytes),
            Self::Endless(bytes) => ("Endless", bytes),
        };
        write!(f, "{name}({:?}, {} bytes)", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]), bytes.len())
    }
}

/// Where the server stands still until a test has done something.
#[derive(Debug, Default)]
pub struct Gate {
    /// The server stands at it.
    pub reached: Notify,
    /// The server may go on.
    pub open: Notify,
}

/// One question to the script.
#[derive(Debug)]
pub struct Visit<'v> {
    pub point: Point,
    /// Which connection to the server, from 0.
    pub connection: usize,
    /// How often this point came on this connection, from 0.
    pub nth: usize,
    /// The command, or the e-mail after its dot.
    pub line: &'v str,
}

/// An e-mail that came with its final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    pub connection: usize,
    pub mail: String,
    pub recipients: Vec<String>,
    pub bytes: Vec<u8>,
    /// The server answered with a 2xx.
    pub accepted: bool,
}

/// What truly happened.
#[derive(Debug, Default)]
pub struct Truth {
    pub came: Vec<Came>,
    /// Connection and command line.
    pub commands: Vec<(usize, String)>,
    pub open: usize,
    pub most_open: usize,
    /// Every byte that came over each connection (through TLS: what was in it), where it was asked for.
    pub streams: BTreeMap<usize, Vec<u8>>,
    /// How many texts had something behind them when their end was read.
    pub behind: usize,
    /// A CR without LF or an LF without CR came, on these connections.
    pub bare: Vec<usize>,
}

type Script = dyn Fn(&Visit<'_>) -> Act + Send + Sync;

pub struct Options {
    pub offers: Vec<&'static str>,
    pub starttls: Option<Arc<rustls::ServerConfig>>,
    pub implicit: Option<Arc<rustls::ServerConfig>>,
    /// Bytes sent in clear together with the answer to STARTTLS.
    pub inject: &'static str,
    /// Say 354 to DATA even where there is no sender or recipient.
    pub data_for_nobody: bool,
    /// Keep every byte that comes, in [`Truth::streams`].
    pub keep_streams: bool,
    /// How many bytes may wait unread at the server; the system's own choice where unset.
    pub receive_buffer: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            offers: vec!["PIPELINING", "SIZE 0", "8BITMIME", "SMTPUTF8"],
            starttls: None,
            implicit: None,
            inject: "",
            data_for_nobody: false,
            keep_streams: false,
            receive_buffer: None,
        }
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub truth: Arc<Mutex<Truth>>,
    /// Something was written down.
    pub news: Arc<Notify>,
}

impl Server {
    /// Needs tokio.
    pub fn start(options: Options, script: impl Fn(&Visit<'_>) -> Act + Send + Sync + 'static) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(size) = options.receive_buffer {
            socket.set_recv_buffer_size(size).unwrap();
        }
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let truth = Arc::new(Mutex::new(Truth::default()));
        let news = Arc::new(Notify::new());
        let shared = Arc::new((options, truth.clone(), news.clone()));
        let script: Arc<Script> = Arc::new(script);
        let count = AtomicUsize::new(0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::Relaxed);
                let shared = shared.clone();
                let script = script.clone();
                tokio::spawn(async move {
                    let (options, truth, news) = &*shared;
                    {
                        let mut truth = truth.lock().unwrap();
                        truth.open += 1;
                        truth.most_open = truth.most_open.max(truth.open);
                    }
                    stream.set_nodelay(true).unwrap();
                    let stream: Box<dyn Wire> = Box::new(stream);
                    let wire = match &options.implicit {
                        None => Some(stream),
                        Some(tls) => TlsAcceptor::from(tls.clone()).accept(stream).await.ok().map(|stream| Box::new(stream) as Box<dyn Wire>),
                    };
                    let mut peer =
                        Peer { wire, input: Vec::new(), number, last: 0, no_smtp: false, options, truth, news, script: &*script, visits: Vec::new() };
                    let _ = peer.serve().await;
                    truth.lock().unwrap().open -= 1;
                    news.notify_one();
                });
            }
        });
        Self { address, truth, news }
    }

    /// Waits until what happened is so; a test that waits in vain fails.
    pub async fn until(&self, what: &str, so: impl Fn(&Truth) -> bool) {
        let wait = async {
            loop {
                let news = self.news.notified();
                if so(&self.truth.lock().unwrap()) {
                    return;
                }
                news.await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_mins(1), wait).await.is_ok(), "waited in vain for: {what}");
    }

    pub fn commands(&self) -> Vec<String> {
        self.truth.lock().unwrap().commands.iter().map(|(_, line)| line.clone()).collect()
    }

    pub fn came(&self) -> Vec<Came> {
        self.truth.lock().unwrap().came.clone()
    }
}

/// What goes for every test: whatever was sent had CR and LF together only.
impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let bare = std::mem::take(&mut self.truth.lock().unwrap().bare);
            assert!(bare.is_empty(), "a CR or LF alone was sent on the connections {bare:?}");
        }
    }
}

trait Wire: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {
    /// When this is dropped the connection is reset.
    fn reset_on_drop(&self);
}

impl Wire for TcpStream {
    fn reset_on_drop(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Wire for TlsStream<Box<dyn Wire>> {
    fn reset_on_drop(&self) {
        self.get_ref().0.reset_on_drop();
    }
}

struct Over;

struct Peer<'s> {
    wire: Option<Box<dyn Wire>>,
    input: Vec<u8>,
    number: usize,
    /// A CR, if the last byte was one.
    last: u8,
    /// TLS was begun by the client and not by the server: what comes is none of SMTP.
    no_smtp: bool,
    options: &'s Options,
    truth: &'s Mutex<Truth>,
    news: &'s Notify,
    script: &'s Script,
    visits: Vec<Point>,
}

impl Peer<'_> {
    fn act(&mut self, point: Point, line: &str) -> Act {
        let nth = self.visits.iter().filter(|one| **one == point).count();
        self.visits.push(point);
        (self.script)(&Visit { point, connection: self.number, nth, line })
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Over> {
        let wire = self.wire.as_mut().ok_or(Over)?;
        wire.write_all(bytes).await.map_err(|_| Over)?;
        wire.flush().await.map_err(|_| Over)
    }

    /// Unread bytes would make a reset of the close, and a reset may overtake what was said.
    async fn say_and_close(&mut self, bytes: &[u8]) {
        let _ = self.say(bytes).await;
        if let Some(wire) = &mut self.wire {
            let _ = wire.shutdown().await;
        }
        self.drain().await;
    }

    async fn fill(&mut self) -> Result<(), Over> {
        self.fill_at_most(64 << 10).await
    }

    async fn fill_at_most(&mut self, limit: usize) -> Result<(), Over> {
        let wire = self.wire.as_mut().ok_or(Over)?;
        let before = self.input.len();
        match wire.take(limit as u64).read_buf(&mut self.input).await {
            Ok(0) | Err(_) => return Err(Over),
            Ok(_) => {}
        }
        let new = &self.input[before..];
        // A record of TLS, on a connection without it.
        self.no_smtp |= self.visits == [Point::Greeting] && new[0] == 0x16;
        if !self.no_smtp {
            let mut last = self.last;
            for line in lines(new) {
                // A CR is the last byte or before an LF, an LF is after one.
                let inner = line.strip_suffix(b"\n").unwrap_or(line);
                let before = inner.last().copied().unwrap_or(last);
                let bare_lf = inner.len() < line.len() && before != b'\r';
                let bare_cr = inner.split_last().is_some_and(|(_, rest)| rest.contains(&b'\r')) || (last == b'\r' && line != b"\n");
                let cr_at_end = inner.len() == line.len() && before == b'\r';
                if bare_lf || bare_cr {
                    self.truth.lock().unwrap().bare.push(self.number);
                }
                last = if cr_at_end { b'\r' } else { 0 };
            }
            self.last = last;
        }
        if self.options.keep_streams {
            self.truth.lock().unwrap().streams.entry(self.number).or_default().extend_from_slice(new);
        }
        Ok(())
    }

    /// Reads until the client goes away.
    async fn drain(&mut self) {
        while self.fill().await.is_ok() {
            self.input.clear();
        }
    }

    /// What ends the session here, whatever was asked.
    async fn end(&mut self, act: Act) -> Over {
        match act {
            Act::Normal | Act::Say(_) | Act::Forget(_) | Act::Hold(..) | Act::Behind(_) | Act::Wait(..) | Act::Close => {}
            Act::SayAndClose(bytes) => self.say_and_close(&bytes).await,
            Act::Reset => {
                if let Some(wire) = &self.wire {
                    wire.reset_on_drop();
                }
            }
            // Until the client goes away; nothing is read from it.
            Act::Stall => std::future::pending().await,
            Act::Endless(bytes) => {
                if let Some(wire) = &mut self.wire {
                    let (mut read, mut write) = tokio::io::split(wire);
                    let read_all = async {
                        let mut space = vec![0; 64 << 10];
                        while !matches!(read.read(&mut space).await, Ok(0) | Err(_)) {}
                    };
                    let say_on = async { while write.write_all(&bytes).await.is_ok() && write.flush().await.is_ok() {} };
                    tokio::join!(read_all, say_on);
                }
            }
        }
        Over
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8(line).unwrap());
            }
            self.fill().await?;
        }
    }

    /// Answers as the script wants, else with `normal`. True: a 2xx or 3xx was said.
    async fn answer(&mut self, point: Point, line: &str, normal: &str) -> Result<bool, Over> {
        let act = self.act(point, line);
        self.answer_with(act, normal).await
    }

    async fn answer_with(&mut self, act: Act, normal: &str) -> Result<bool, Over> {
        match act {
            Act::Normal => {
                self.say(normal.as_bytes()).await?;
                Ok(true)
            }
            Act::Say(bytes) => {
                self.say(&bytes).await?;
                Ok(bytes.starts_with(b"2") || bytes.starts_with(b"3"))
            }
            act => Err(self.end(act).await),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one command after another")]
    async fn serve(&mut self) -> Result<(), Over> {
        if !self.answer(Point::Greeting, "", "220 test ESMTP\r\n").await? {
            return Err(Over);
        }
        let mut mail = String::new();
        let mut recipients: Vec<String> = Vec::new();
        let mut secure = self.options.implicit.is_some();
        loop {
            let line = self.line().await?;
            self.truth.lock().unwrap().commands.push((self.number, line.clone()));
            self.news.notify_one();
            let verb: String = line.split(' ').next().unwrap().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let mut offers: Vec<&str> = self.options.offers.clone();
                    if self.options.starttls.is_some() && !secure {
                        offers.push("STARTTLS");
                    }
                    let mut normal = "250-test\r\n".to_owned();
                    for offer in offers {
                        normal.extend(["250-", offer, "\r\n"]);
                    }
                    self.answer(Point::Ehlo, &line, &format!("{normal}250 ENHANCEDSTATUSCODES\r\n")).await?;
                }
                "HELO" => self.say(b"250 test\r\n").await?,
                "STARTTLS" => {
                    let normal = format!("220 go\r\n{}", self.options.inject);
                    let act = self.act(Point::StartTls, &line);
                    self.no_smtp = !matches!(act, Act::Normal);
                    if self.answer_with(act, &normal).await? {
                        match self.act(Point::Handshake, "") {
                            Act::Normal => {}
                            act => {
                                self.no_smtp = true;
                                if let Act::Say(bytes) = &act {
                                    self.say(bytes).await?;
                                    self.drain().await;
                                }
                                return Err(self.end(act).await);
                            }
                        }
                        let tls = self.options.starttls.clone().ok_or(Over)?;
                        let stream = self.wire.take().ok_or(Over)?;
                        self.wire = Some(Box::new(TlsAcceptor::from(tls).accept(stream).await.map_err(|_| Over)?));
                        secure = true;
                    }
                }
                "AUTH" => {
                    let normal = if line == "AUTH LOGIN" { "334 VXNlcm5hbWU6\r\n" } else { "235 2.7.0 in\r\n" };
                    let act = self.act(Point::Auth, &line);
                    // XOAUTH2 tells an error as a challenge, to which there is nothing to say.
                    let told = matches!(&act, Act::Say(bytes) if bytes.starts_with(b"334"));
                    if !self.answer_with(act, normal).await? {
                        continue;
                    }
                    if told {
                        let line = self.line().await?;
                        self.answer(Point::AuthAnswer, &line, "535 5.7.8 no\r\n").await?;
                    } else if line == "AUTH LOGIN" {
                        for normal in ["334 UGFzc3dvcmQ6\r\n", "235 2.7.0 in\r\n"] {
                            let line = self.line().await?;
                            self.truth.lock().unwrap().commands.push((self.number, line.clone()));
                            self.answer(Point::AuthAnswer, &line, normal).await?;
                        }
                    }
                }
                "MAIL" => {
                    mail.clear();
                    recipients.clear();
                    if self.answer(Point::Mail, &line, "250 2.1.0 ok\r\n").await? {
                        mail.clone_from(&line);
                    }
                }
                "RCPT" if mail.is_empty() => self.say(b"503 5.5.1 MAIL first\r\n").await?,
                "RCPT" => {
                    if self.answer(Point::Rcpt, &line, "250 2.1.5 ok\r\n").await? {
                        recipients.push(line["RCPT TO:<".len()..].split('>').next().unwrap().to_owned());
                    }
                }
                "DATA" if recipients.is_empty() && !self.options.data_for_nobody => self.say(b"503 5.5.1 RCPT first\r\n").await?,
                "DATA" => {
                    let go = match self.act(Point::Data, &line) {
                        Act::Hold(bytes, gate) => {
                            self.say(b"354 go\r\n").await?;
                            while self.input.len() < bytes {
                                self.fill_at_most(bytes - self.input.len()).await?;
                            }
                            gate.reached.notify_one();
                            gate.open.notified().await;
                            true
                        }
                        act => self.answer_with(act, "354 go\r\n").await?,
                    };
                    if go {
                        let bytes = self.body().await?;
                        self.truth.lock().unwrap().behind += usize::from(!self.input.is_empty());
                        let place = {
                            let mut truth = self.truth.lock().unwrap();
                            truth.came.push(Came {
                                connection: self.number,
                                mail: std::mem::take(&mut mail),
                                recipients: std::mem::take(&mut recipients),
                                bytes: bytes.clone(),
                                accepted: false,
                            });
                            truth.came.len() - 1
                        };
                        // Written down before it is said: what is said last may not get out any more.
                        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned();
                        let accepts = |bytes: &[u8]| bytes.starts_with(b"2");
                        let mut act = self.act(Point::AfterDot, &text);
                        if let Act::Behind(then) = act {
                            while !self.input.contains(&b'\n') {
                                self.fill().await?;
                            }
                            act = *then;
                        }
                        if let Act::Wait(gate, then) = act {
                            gate.reached.notify_one();
                            gate.open.notified().await;
                            act = *then;
                        }
                        if let Act::Forget(bytes) = act {
                            self.input.clear();
                            act = Act::Say(bytes);
                        }
                        let accepted = match &act {
                            Act::Normal => true,
                            Act::Say(bytes) | Act::SayAndClose(bytes) => accepts(bytes),
                            _ => false,
                        };
                        self.truth.lock().unwrap().came[place].accepted = accepted;
                        self.news.notify_one();
                        self.answer_with(act, "250 2.0.0 kept\r\n").await?;
                    }
                }
                "RSET" => {
                    mail.clear();
                    recipients.clear();
                    self.answer(Point::Rset, &line, "250 2.0.0 ok\r\n").await?;
                }
                "QUIT" => {
                    self.answer(Point::Quit, &line, "221 2.0.0 bye\r\n").await?;
                    return Ok(());
                }
                _ => self.say(b"500 5.5.1 what?\r\n").await?,
            }
        }
    }

    /// Reads to CR LF, dot, CR LF and undoubles dots.
    async fn body(&mut self) -> Result<Vec<u8>, Over> {
        let mut asked = false;
        let mut searched = 0;
        loop {
            if !asked && !self.input.is_empty() {
                asked = true;
                match self.act(Point::MidBody, "") {
                    Act::Normal => {}
                    // And it reads on; there will be no second answer.
                    Act::Say(bytes) => {
                        self.say(&bytes).await?;
                        self.drain().await;
                        return Err(Over);
                    }
                    act => return Err(self.end(act).await),
                }
            }
            while let Some(length) = line_length(&self.input[searched..]) {
                if &self.input[searched..searched + length] == b".\r\n" {
                    let mut bytes = Vec::with_capacity(searched);
                    for line in lines(&self.input[..searched]) {
                        bytes.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
                    }
                    self.input.drain(..searched + length);
                    return Ok(bytes);
                }
                searched += length;
            }
            self.fill().await?;
        }
    }
}

/// The first line's length with its LF; `None` where there is none. By what the standard library has compiled: a text is large, and a test is not optimised.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let length = { bytes }.skip_until(b'\n').unwrap();
    bytes[..length].ends_with(b"\n").then_some(length)
}

/// Lines with their LF; the last perhaps without.
pub fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (line, rest) = bytes.split_at(line_length(bytes).unwrap_or(bytes.len()));
        bytes = rest;
        (!line.is_empty()).then_some(line)
    })
}
