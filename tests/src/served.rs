//! A `serve` with an API, asked by bare HTTP: one request on each connection, so that nothing of a client stands between.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use crate::program::{Consign, Running};
use crate::wait::until_some;

/// A tenant's roles.
const ROLES: [&str; 5] = ["tenant-administrator", "policy-author", "module-developer", "auditor", "ingest"];

/// A `serve` with an API, and the operator's token.
pub struct Served {
    /// Its data folder.
    pub consign: Consign,
    running: Option<(Running, Receiver<String>)>,
    /// Where it answers.
    pub address: String,
    /// A token of a platform administrator.
    pub operator: String,
}

/// What was answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its head, as it came.
    pub head: String,
    /// Its body, as JSON where it is some.
    pub body: Value,
}

impl Served {
    /// Starts one on a new data folder.
    pub fn start() -> Self {
        let consign = Consign::new();
        let operator = consign.json(&["token", "create", "operator", "--role", "platform-administrator"]);
        let operator = operator["secret"].as_str().unwrap().to_owned();
        let mut server = Self { consign, running: None, address: String::new(), operator };
        server.again();
        server
    }

    /// Starts it again.
    pub fn again(&mut self) {
        self.consign.write("consign.toml", "[api]\nlisten = \"127.0.0.1:0\"\n");
        let config = self.consign.beside("consign.toml").display().to_string();
        let (running, said) = self.consign.serving(&["--json", "--config", &config]);
        let started = until_some("serve to start", || said.try_recv().ok());
        let started: Value = serde_json::from_str(&started).unwrap();
        started["api"].as_str().unwrap().clone_into(&mut self.address);
        self.running = Some((running, said));
    }

    /// Has it end in order.
    pub fn stop(&mut self) {
        let (running, said) = self.running.take().unwrap();
        assert!(running.interrupt().success());
        assert_eq!(said.iter().last().unwrap(), r#"{"what":"stopped"}"#);
    }

    /// Most memory that it has had at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        self.running.as_ref().unwrap().0.peak_memory().unwrap()
    }

    /// One request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("{method} {path} HTTP/1.0\r\nHost: consign\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let mut body = String::new();
        reader.read_to_string(&mut body).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: serde_json::from_str(&body).unwrap_or(Value::String(body)), head }
    }

    /// One that has to be answered with this.
    #[track_caller]
    pub fn asked(&self, method: &str, path: &str, token: &str, body: impl AsRef<[u8]>, status: u16) -> Value {
        let answer = self.ask(method, path, token, body.as_ref());
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        answer.body
    }

    /// A tenant, and its tokens by role.
    pub fn tenant(&self, name: &str) -> Value {
        self.asked("POST", "/v1/tenants", &self.operator, json!({ "name": name }).to_string(), 201);
        let token = |role: &str| self.token(name, &self.operator, role)["secret"].clone();
        ROLES.iter().map(|role| ((*role).to_owned(), token(role))).collect::<serde_json::Map<_, _>>().into()
    }

    /// Makes a token.
    pub fn token(&self, tenant: &str, by: &str, role: &str) -> Value {
        let new = json!({ "name": format!("the-{role}"), "role": role, "days": 30 });
        self.asked("POST", &format!("/v1/tenants/{tenant}/tokens"), by, new.to_string(), 201)
    }
}
