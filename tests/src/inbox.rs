//! `consign inbox` as a child process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Running, Target, binary};

/// A receiving server with a Maildir of its own.
#[derive(Debug)]
pub struct Inbox {
    // Ended before its folder goes.
    _server: Running,
    folder: TempDir,
    port: u16,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::start()
    }
}

impl Inbox {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let mut command = Command::new(binary());
        command.args(["--json", "inbox", "--listen", "127.0.0.1:0", "--maildir"]).arg(folder.path().join("mail"));
        let mut server = Running::of(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()));
        let mut line = String::new();
        let mut lines = BufReader::new(server.stdout());
        lines.read_line(&mut line).unwrap_or_else(|error| panic!("the inbox says nothing: {error}"));
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("the inbox says {line:?}: {error}"));
        let address = said.get("listening").and_then(Value::as_str).and_then(|address| address.parse::<std::net::SocketAddr>().ok());
        let port = address.unwrap_or_else(|| panic!("the inbox says {line:?}")).port();
        Self { _server: server, folder, port }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to reach it.
    pub fn target(&self) -> Target {
        Target::plain(self.port)
    }

    /// Its Maildir.
    pub fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// How many e-mails there are.
    pub fn count(&self) -> usize {
        count(&self.maildir())
    }
}

/// E-mails in a Maildir.
pub fn count(maildir: &Path) -> usize {
    std::fs::read_dir(maildir.join("new")).map_or(0, Iterator::count)
}
