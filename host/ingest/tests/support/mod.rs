//! A store and an archive in a folder, a receiver on a port of its own, and an HTTP client that can do what no library lets one do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use consign_archive::{Archive, ArchiveWriter, MasterKey, generate_tenant_keys, open_store};
use consign_ingest::Importer;
use consign_ingest::receive::{Config, ReceiveError, serve};
use consign_model::audit::Actor;
use consign_model::{Chat, ChatKey, Event, Name, TenantId, User};
use consign_store::{Embedded, Store};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub struct World {
    pub folder: TempDir,
    pub master: MasterKey,
    pub importer: Importer,
    pub archive: Arc<Archive>,
    pub store: Arc<Embedded>,
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl World {
    pub async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap(), MasterKey::generate().unwrap()).await
    }

    pub async fn at(folder: TempDir, master: MasterKey) -> Self {
        let tenant: TenantId = name("default");
        let objects = open_store(folder.path().join("archive").to_str().unwrap()).unwrap();
        let store = Arc::new(Embedded::open(&folder.path().join("store")).unwrap());
        let keys = match store.tenant_keys(&tenant).await.unwrap() {
            Some(keys) => keys,
            None => generate_tenant_keys(&master).unwrap(),
        };
        let archive = Arc::new(Archive::open(Arc::clone(&objects), tenant.clone(), &keys, &master).unwrap());
        let author = archive.author(Actor::Consign);
        store.create_tenant(&tenant, &keys, &author).await.unwrap();
        let writer = ArchiveWriter::new(objects, tenant.clone(), &keys.recipient).unwrap();
        let importer = Importer { tenant, store: Arc::clone(&store) as Arc<dyn Store>, archive: writer, author };
        Self { folder, master, importer, archive, store }
    }

    /// The same folder, opened anew as by another process.
    pub async fn again(self) -> Self {
        let Self { folder, master, importer, archive, store } = self;
        drop((importer, archive));
        let store = Arc::try_unwrap(store).ok().unwrap();
        drop(store);
        Self::at(folder, master).await
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub async fn receive(&self, config: &str) -> Server {
        let config = Config::parse(config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let importer = self.importer.clone();
        let serving = tokio::spawn(async move {
            serve(listener, config, importer, async {
                let _ = stopped.await;
            })
            .await
        });
        Server { address, stop, serving }
    }

    pub async fn chats(&self) -> Vec<ChatKey> {
        self.store.chats_arrived(&self.importer.tenant, 0, 1_000_000).await.unwrap().into_iter().map(|(_, chat)| chat).collect()
    }

    pub async fn chat(&self, source: &str, id: &str) -> Option<Chat> {
        self.store.chat(&self.importer.tenant, &ChatKey { source: name(source), id: id.to_owned() }).await.unwrap()
    }

    pub async fn user(&self, source: &str, id: &str) -> Option<User> {
        self.store.users(&self.importer.tenant, &name(source), &[id.to_owned()]).await.unwrap().remove(0)
    }

    /// All events of the archive, by chat and in order of position.
    pub async fn events(&self) -> BTreeMap<String, Vec<Event>> {
        let mut all = BTreeMap::new();
        for chat in self.chats().await {
            let mut events = Vec::new();
            for segment in self.store.segments(&self.importer.tenant, &chat, 0).await.unwrap() {
                assert_eq!(segment.first, events.len() as u64, "positions have no gaps");
                let batch = self.archive.segment(&chat, segment.extent()).await.unwrap();
                events.extend((0..batch.len()).map(|index| batch.event(index).unwrap()));
            }
            all.insert(chat.id, events);
        }
        all
    }

    pub async fn texts(&self, chat: &str) -> Vec<String> {
        self.events().await.remove(chat).unwrap_or_default().into_iter().map(|event| event.text).collect()
    }

    /// What the audit log says of imports.
    pub async fn imports(&self) -> Vec<Value> {
        let lines = self.store.audit(&self.importer.tenant, 0, 10_000).await.unwrap();
        let deeds = lines.iter().map(|line| serde_json::from_str::<Value>(&line.line).unwrap()["entry"]["deed"].take());
        deeds.filter(|deed| deed["what"].as_str().unwrap().starts_with("import-")).collect()
    }

    /// Puts a file where the archive's folder should be, so that nothing can be stored; undone by dropping it.
    pub fn broken(&self) -> Broken {
        let (place, aside) = (self.path().join("archive/default"), self.path().join("aside"));
        if place.exists() {
            std::fs::rename(&place, &aside).unwrap();
        }
        std::fs::write(&place, "").unwrap();
        Broken { place, aside }
    }
}

pub struct Broken {
    place: std::path::PathBuf,
    aside: std::path::PathBuf,
}

impl Drop for Broken {
    fn drop(&mut self) {
        std::fs::remove_file(&self.place).unwrap();
        if self.aside.exists() {
            std::fs::rename(&self.aside, &self.place).unwrap();
        }
    }
}

pub struct Server {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ReceiveError>>,
}

impl Server {
    pub async fn stop(self) {
        self.stopping().await.unwrap().unwrap();
    }

    /// Told to stop, and not waited for.
    pub fn stopping(self) -> JoinHandle<Result<(), ReceiveError>> {
        let _ = self.stop.send(());
        self.serving
    }

    /// The error with which it did not begin.
    pub async fn refused(self) -> String {
        self.serving.await.unwrap().unwrap_err().to_string()
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send("POST", path, headers, body).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = head(method, path, headers, body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // It may be answered, and closed, before all is written.
        let _ = stream.write_all(body).await;
        Answer::read(&mut stream).await
    }
}

pub fn head(method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n")
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    /// Reads to the end of the connection.
    pub async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// That it is a problem of this kind.
    pub fn is_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let json = self.json();
        assert_eq!((json["code"].as_str(), json["status"].as_u64()), (Some(code), Some(status.into())), "{self:?}");
        for field in ["type", "title", "detail"] {
            assert!(json[field].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        self
    }

    /// Stored, there already, refused.
    pub fn figures(&self) -> (u64, u64, u64) {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        let figure = |name: &str| json[name].as_u64().unwrap();
        (figure("stored"), figure("already_there"), figure("refused"))
    }
}
