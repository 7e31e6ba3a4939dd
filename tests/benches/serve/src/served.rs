//! The program, as its operator starts it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use consign_bench_measure::program;
use serde_json::Value;

use crate::client::Client;
use crate::{Error, Result};

/// A `consign serve` with a data folder of its own, and one tenant. Ended when it is dropped.
pub struct Served {
    child: Child,
    pub address: String,
    /// Of the tenant's administrator.
    pub token: String,
}

impl Served {
    /// In this new folder.
    pub fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let command = |args: &[&str]| -> Result<Command> {
            let mut command = Command::new(program()?);
            command.arg("--json").arg("--data").arg(folder.join("data")).args(args).stdin(Stdio::null());
            Ok(command)
        };
        let made = command(&["--tenant", "acme", "token", "create", "ann", "--role", "tenant-administrator"])?.output()?;
        let token = serde_json::from_slice::<Value>(&made.stdout)?["secret"].as_str().ok_or("no token")?.to_owned();
        let settings = folder.join("consign.toml");
        std::fs::write(&settings, "[api]\nlisten = \"127.0.0.1:0\"\n")?;
        let mut child = command(&["serve", "--config", &settings.display().to_string()])?.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let said = lines.next().ok_or("it said nothing")??;
        let address = serde_json::from_str::<Value>(&said)?["api"].as_str().ok_or_else(|| Error::from(format!("no address in {said}")))?.to_owned();
        // What it says later is read, so that it never waits for it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, token })
    }

    /// A client with the administrator's token.
    pub fn client(&self, media: &str) -> Result<Client> {
        Client::connect(&self.address, &format!("Authorization: Bearer {}\r\nContent-Type: {media}\r\n", self.token))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has nothing left to do but its temporary folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
