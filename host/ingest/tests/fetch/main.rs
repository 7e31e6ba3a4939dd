//! Fetching files against a server by Python's http.server: every kind of answer, where it may not lead, and being dropped anywhere.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod answers;
mod inward;
mod killed;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use consign_ingest::fetch::{Fetched, Fetcher, MissingFile};
use consign_ingest::receive::Config;
use consign_model::{Attachment, Digest, Event, Timestamp, WantedKind};
use serde_json::{Value, json};
use support::{World, name};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The server's process; it ends with its standard input.
struct Files {
    child: Child,
    one: u16,
    two: u16,
    tls: u16,
}

impl Files {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fetch/server.py");
        let mut child = Command::new("python3").arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).unwrap();
        let port = |name: &str| u16::try_from(ports[name].as_u64().unwrap_or_default()).unwrap();
        Self { child, one: port("one"), two: port("two"), tls: port("tls") }
    }

    /// What it answers to a question of the test's own.
    async fn ask(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.one)).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The requests that it saw.
    async fn seen(&self) -> Vec<Value> {
        serde_json::from_str(&self.ask("/seen").await).unwrap()
    }

    /// SHA-256 of a file, by hashlib.
    async fn sha(&self, file: &str) -> String {
        self.ask(&format!("/sha/{file}")).await
    }

    /// The usual rule: the first host, and what is said beside.
    fn rule(&self, more: &str) -> String {
        format!("[[fetch]]\nsource = \"s\"\nhosts = [\"127.0.0.1:{}\"]\nallow-addresses = [\"127.0.0.0/8\"]\n{more}\n", self.one)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.one)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// A message as a JSON line, with files by name and address.
fn message(chat: &str, id: usize, files: &[(&str, &str)]) -> String {
    let files: Vec<Value> = files.iter().map(|(name, url)| json!({ "name": name, "url": url })).collect();
    let at = Timestamp(1_767_600_000_000 + i64::try_from(id).unwrap() * 1_000).to_string();
    json!({ "type": "message", "chat": chat, "id": format!("m{id}"), "at": at, "user": "U1", "text": format!("text {id}"), "attachments": files })
        .to_string()
        + "\n"
}

async fn import(world: &World, lines: impl Into<String>) {
    world.importer.import_lines("t", lines.into(), None, &name("s")).await.unwrap();
}

async fn fetcher(world: &World, config: &str) -> Fetcher {
    Fetcher::open(&Config::parse(config).unwrap().fetch, world.importer.clone(), Arc::clone(&world.archive)).await.unwrap()
}

/// A pass at this time, in milliseconds from now.
async fn pass_in(fetcher: &Fetcher, milliseconds: i64) -> Fetched {
    let now = Timestamp(Timestamp::now().0 + milliseconds);
    fetcher.pass(None, now, std::future::pending()).await.unwrap().remove(0)
}

async fn pass(fetcher: &Fetcher) -> Fetched {
    pass_in(fetcher, 0).await
}

async fn missing(fetcher: &Fetcher, kind: Option<WantedKind>) -> Vec<MissingFile> {
    fetcher.missing(&name("s"), kind, None, 10_000).await.unwrap().0
}

/// State and reason of each file that is not there, by its event's id.
async fn states(fetcher: &Fetcher) -> Vec<(String, String)> {
    let files = missing(fetcher, None).await;
    files.into_iter().map(|file| (file.event.unwrap(), format!("{} {:?}", file.state.kind().word(), file.state.reason()))).collect()
}

/// The files that late events brought, by the message's id.
async fn late(world: &World, chat: &str) -> Vec<(String, Attachment)> {
    let events: Vec<Event> = world.events().await.remove(chat).unwrap_or_default();
    let late = events.into_iter().filter(Event::adds_files);
    late.flat_map(|event| event.attachments.into_iter().map(move |file| (event.target.clone().unwrap(), file)).collect::<Vec<_>>()).collect()
}

/// What lies in the archive under this digest.
async fn bytes(world: &World, digest: &Digest) -> Vec<u8> {
    world.archive.attachment(digest).await.unwrap().to_vec()
}

/// All wanted files, as the store has them.
async fn wanted(world: &World) -> Vec<consign_model::WantedFile> {
    let filter = consign_store::WantedFilter { source: name("s"), kind: None };
    world.importer.store.wanted(&world.importer.tenant, &filter, None, 10_000).await.unwrap()
}
