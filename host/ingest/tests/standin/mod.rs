//! Stand-ins for platforms (in Python, beside), and the sources that ask them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use consign_ingest::pull::{Begin, PullError, Pulled, pull_now};
use consign_ingest::receive::Config;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Answer, World, head, name};

/// A platform that is none. Ends with its input.
pub struct Standin {
    child: Child,
    pub port: u16,
}

impl Drop for Standin {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Standin {
    pub fn start(kind: &str, seed: u64) -> Self {
        let script = format!("{}/tests/standin/{kind}.py", env!("CARGO_MANIFEST_DIR"));
        let mut python = Command::new("python3");
        python.arg("-B").arg(script).arg(seed.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap_or_else(|_| panic!("{kind}.py did not start: {line:?}")) }
    }

    pub async fn control(&self, path: &str, body: Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let body = body.to_string();
        stream.write_all(format!("{}{body}", head("POST", path, &[], body.len())).as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub async fn set(&self, settings: Value) {
        self.control("/_set", settings).await;
    }

    pub async fn asked(&self) -> u64 {
        self.control("/_asked", json!({})).await.as_u64().unwrap()
    }
}

pub const TENANT: &str = "9854dc85-3fb3-4f8e-a055-9cdc5523024d";

/// The file of sources for a stand-in. `more`: further lines.
pub fn config(world: &World, kind: &str, port: u16, more: &str) -> String {
    let secret = |text: &str| {
        let file = world.path().join("secret");
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    if kind == "graph" {
        let file = secret("s3cret\n");
        let address = format!("http://127.0.0.1:{port}");
        format!(
            "[[source]]\nname = \"pulled\"\nkind = \"teams-export\"\ntenant = \"{TENANT}\"\nclient-id = \"app-1\"\nclient-secret = {{ file = \"{file}\" }}\n\
             login-address = \"{address}\"\ngraph-address = \"{address}/v1.0\"\nchannels = true\n{more}\n"
        )
    } else {
        let file = secret("xoxp-s3cret\n");
        format!(
            "[[source]]\nname = \"pulled\"\nkind = \"slack-discovery\"\ntoken = {{ file = \"{file}\" }}\nkeeps-edits = true\n\
             address = \"http://127.0.0.1:{port}/api\"\n{more}\n"
        )
    }
}

pub async fn pull(world: &World, config: &str) -> Result<Pulled, PullError> {
    pull_from(world, config, Begin::LastTime).await
}

pub async fn pull_from(world: &World, config: &str, from: Begin) -> Result<Pulled, PullError> {
    let config = Config::parse(config).unwrap();
    let mut all = Vec::new();
    pull_now(&config, &world.importer, Some(&name("pulled")), from, |pulled| all.push(pulled)).await?;
    assert_eq!(all.len(), 1);
    Ok(all.remove(0))
}
