//! The programs that are measured, as a user starts them.

use std::fmt::{Display, Write as _};
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use consign_bench_measure::{Ended, Took, program, wait};
use serde_json::Value;

use crate::Result;

/// How a program ended, and how long it took.
#[derive(Clone, Copy)]
pub struct Timed {
    ended: Ended,
    /// From its start.
    pub took: Took,
}

impl Timed {
    /// The most memory that it had, in MiB.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn peak_mib(&self) -> f64 {
        self.ended.peak as f64 / crate::MIB
    }
}

/// A run that has ended, with what it said.
pub struct Run {
    /// How.
    pub ended: Timed,
    said: Value,
}

impl Run {
    /// One of its figures.
    pub fn figure(&self, group: &str, name: &str) -> u64 {
        self.said[group][name].as_u64().unwrap_or_default()
    }

    /// How long it says that it took.
    pub fn millis(&self) -> f64 {
        self.said["seconds"].as_f64().unwrap_or(f64::NAN) * 1_000.0
    }
}

/// A data folder with the program.
pub struct Consign {
    program: PathBuf,
    folder: PathBuf,
}

impl Consign {
    /// With a new data folder in this new folder.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { program: program()?, folder: folder.to_owned() })
    }

    /// The program with this data folder, to be started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--json").arg("--data").arg(self.folder.join("data")).args(args);
        command
    }

    /// Calls it, and waits for its end: with what it said.
    pub fn call(&self, args: &[&str]) -> Result<(Timed, Vec<u8>)> {
        let begun = Instant::now();
        let mut child = self.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut said = Vec::new();
        child.stdout.take().ok_or("no output")?.read_to_end(&mut said)?;
        let ended = wait(&child)?;
        if !ended.status.success() {
            return Err(format!("consign {args:?} ended with {}", ended.status).into());
        }
        Ok((Timed { ended, took: Took { wall: begun.elapsed(), cpu: ended.cpu } }, said))
    }

    /// Imports JSON lines.
    pub fn import(&self, file: &Path) -> Result<Timed> {
        Ok(self.call(&["import", &file.display().to_string(), "--source", "s", "--format", "jsonl"])?.0)
    }

    /// Puts policies into force, each with its criteria, one grouping, and all that is there to export.
    pub fn policies(&self, port: u16, connections: usize, policies: impl IntoIterator<Item = (String, impl Display)>) -> Result<()> {
        let mut text = format!(
            "[[target]]\nname = \"archive\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nallow-plaintext = true\nconnections = {connections}\n\
             from = \"journal@corp.example\"\nto = [\"in@archive.example\"]\n"
        );
        for (name, criteria) in policies {
            write!(text, "\n[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\nbased-on = \"chats\"\n{criteria}")?;
        }
        let file = self.folder.join("policies.toml");
        std::fs::write(&file, text)?;
        self.call(&["apply", &file.display().to_string()])?;
        Ok(())
    }

    /// Runs one.
    pub fn run(&self, policy: &str) -> Result<Run> {
        let (ended, said) = self.call(&["run", policy])?;
        Ok(Run { ended, said: serde_json::from_slice(&said)? })
    }
}

/// Postfix' smtp-sink.
pub struct Sink {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Sink {
    /// Starts one, and waits until it listens.
    pub fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("smtp-sink");
        // As root it wants to be told whom to become.
        command.args(["-u", "nobody"]).arg(format!("127.0.0.1:{port}")).arg("100").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = child.try_wait()? {
                return Err(format!("smtp-sink ended with {status}").into());
            }
            std::thread::yield_now();
        }
        Ok(Self { child, port })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
