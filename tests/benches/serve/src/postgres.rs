//! A `PostgreSQL` as Debian has it, with its own settings, and its own load generator.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::ingest::{CLIENTS, TEXT};

/// A server with a database of its own, listening on a socket in its folder alone. Ended when it is dropped.
pub struct Postgres {
    server: Child,
    folder: PathBuf,
    programs: PathBuf,
}

/// The table as an archive of chats would have it: each event once.
const TABLE: &str = "create table events (source text not null, chat text not null, id text not null, at timestamptz not null, \"user\" text not null, \
                     text text not null, primary key (source, chat, id)); create sequence ids";

impl Postgres {
    /// In this new folder. Unset where `PostgreSQL` is not installed.
    pub fn start(folder: &Path) -> Result<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        std::fs::create_dir_all(folder)?;
        // It refuses to be root.
        let owner = Command::new("id").arg("-u").output()?.stdout;
        let is_root = owner.trim_ascii() == b"0";
        if is_root && !Command::new("chown").arg("postgres").arg(folder).status()?.success() {
            return Err("there is no user 'postgres' to run it".into());
        }
        let as_owner = |program: &str| {
            let path = programs.join(program);
            if is_root {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
                command
            } else {
                Command::new(path)
            }
        };
        let data = folder.join("data");
        let made = as_owner("initdb").arg("-D").arg(&data).args(["-U", "bench", "-A", "trust", "--no-instructions"]).output()?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let settings = ["listen_addresses=", &format!("unix_socket_directories={}", folder.display()), "max_connections=100"];
        let mut server = as_owner("postgres");
        server.arg("-D").arg(&data).args(settings.iter().flat_map(|setting| ["-c", setting])).stdout(Stdio::null()).stderr(Stdio::null());
        let postgres = Self { server: server.spawn()?, folder: folder.to_owned(), programs };
        let begun = Instant::now();
        while !postgres.command("pg_isready").arg("-q").status()?.success() {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("PostgreSQL does not start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let table = postgres.command("psql").args(["-q", "-d", "postgres", "-c", TABLE]).status()?;
        if table.success() { Ok(Some(postgres)) } else { Err("the table could not be made".into()) }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.env("PGHOST", &self.folder).env("PGUSER", "bench");
        command
    }

    /// Events that its load generator inserted in a second, one in each transaction.
    pub fn insert(&self, for_so_long: Duration) -> Result<f64> {
        let script = self.folder.join("insert.sql");
        // Prepared, which is the quickest that it has. What is there already is no error, as with us.
        let text = format!(
            "\\set chat random(1, 50)\ninsert into events values ('chat', 'C' || :chat, 'm' || nextval('ids'), now(), 'U' || :client_id, '{TEXT}') on conflict do nothing;\n"
        );
        std::fs::write(&script, text)?;
        let (clients, seconds) = (CLIENTS.to_string(), for_so_long.as_secs().to_string());
        let ran = self
            .command("pgbench")
            .args(["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-f"])
            .arg(&script)
            .arg("postgres")
            .output()?;
        let said = String::from_utf8_lossy(&ran.stdout);
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.ok_or_else(|| format!("pgbench: {said}{}", String::from_utf8_lossy(&ran.stderr)).into())
    }

    /// Events that it has.
    pub fn count(&self) -> Result<u64> {
        let counted = self.command("psql").args(["-q", "-A", "-t", "-d", "postgres", "-c", "select count(*) from events"]).output()?;
        Ok(String::from_utf8_lossy(&counted.stdout).trim().parse()?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("pgbench").exists() && folder.join("initdb").exists()).max()
}
