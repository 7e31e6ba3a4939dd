//! The `consign` program with a data folder of its own.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The program: beside the test programs in cargo's target folder, or where `CONSIGN_BIN` says.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CONSIGN_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("where is this test program? {error}"));
    let folder = own.parent().and_then(Path::parent).unwrap_or_else(|| panic!("{} is not in a target folder", own.display()));
    let path = folder.join("consign");
    assert!(path.is_file(), "{} is not there: cargo build --release -p consign", path.display());
    path
}

/// What a target is like, beside its port.
#[derive(Debug, Clone)]
pub struct Target {
    /// TCP port on this machine.
    pub port: u16,
    /// STARTTLS with this certificate authority; else in clear.
    pub ca_file: Option<PathBuf>,
    /// More lines of it.
    pub more: String,
}

impl Target {
    /// In clear, on this machine.
    pub fn plain(port: u16) -> Self {
        Self { port, ca_file: None, more: String::new() }
    }

    /// Tried again after so many seconds, at most so many, and for so long.
    #[must_use]
    pub fn retrying(self, first: u32, most: u32, within: u32) -> Self {
        self.with(&format!("retry = {{ first = \"{first}s\", most = \"{most}s\", within = \"{within}s\" }}"))
    }

    /// With another line.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.more.push_str(line);
        self.more.push('\n');
        self
    }

    /// As TOML, with policies for it: the name of each, and its further lines.
    pub fn toml_with(&self, policies: &[(&str, &str)]) -> String {
        let policy = |(name, lines): &(&str, &str)| format!("[[policy]]\nname = \"{name}\"\ntarget = \"archive\"\n{lines}\n");
        format!("{}\n{}", self.toml(), policies.iter().map(policy).collect::<String>())
    }

    /// As TOML, by the name `archive`.
    pub fn toml(&self) -> String {
        let mut text = format!("[[target]]\nname = \"archive\"\nhost = \"127.0.0.1\"\nport = {}\n", self.port);
        let tls = match &self.ca_file {
            None => "tls = \"none\"\nallow-plaintext = true\n".to_owned(),
            Some(ca) => format!("tls = \"starttls\"\nca-file = {:?}\n", ca.display().to_string()),
        };
        text.push_str(&tls);
        text.push_str("from = \"journal@corp.example\"\nto = [\"ingest@archive.example\"]\n");
        text.push_str(&self.more);
        text
    }
}

/// A data folder, and the program to use it with.
#[derive(Debug)]
pub struct Consign {
    folder: TempDir,
}

impl Default for Consign {
    fn default() -> Self {
        Self::new()
    }
}

impl Consign {
    /// A new data folder.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}")) }
    }

    /// Another one with a copy of this one's data folder, in which nobody is at work.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy_folder(&self.data(), &copy.data()).unwrap_or_else(|error| panic!("{}: {error}", self.data().display()));
        copy
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path beside the data folder, for what a test needs.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the data folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.beside(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// A command of the program on this data folder, alone in its environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).env_clear().env("HOME", self.folder.path()).env("PATH", "/usr/bin:/bin").env("CONSIGN_DATA", self.data());
        if let Some(log) = std::env::var_os("CONSIGN_LOG") {
            command.env("CONSIGN_LOG", log);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end, whatever that is.
    pub fn run(&self, args: &[&str]) -> Ran {
        let command = self.command(args);
        Ran::of(command)
    }

    /// Runs it with `--json`, has it succeed, and reads what it printed.
    pub fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        self.run(&args).succeeded().json()
    }

    /// Imports a file, all of it.
    pub fn import(&self, form: &str, file: &Path, source: &str) -> Value {
        self.json(&["import", &file.display().to_string(), "--format", form, "--source", source])
    }

    /// Imports a chat `<source>-chat` of so many messages into a source of its own: says its file in the archive, which is of nobody else.
    pub fn alone(&self, source: &str, messages: usize) -> PathBuf {
        let mut lines = String::new();
        for id in 0..messages {
            let at = format!("2026-01-05T08:{:02}:{:02}.000Z", id / 60, id % 60);
            let line = json!({ "type": "message", "chat": format!("{source}-chat"), "id": format!("m{id}"), "at": at, "user": "U1", "text": format!("text {id}") });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        let file = self.write(&format!("{source}.jsonl"), &lines);
        self.import("jsonl", &file, source);
        let files = crate::files_below(&self.data().join("archive/default/segments").join(source), ".age");
        let [file] = files.as_slice() else { panic!("{files:?}") };
        file.clone()
    }

    /// Applies this text.
    pub fn apply(&self, toml: &str) -> Value {
        let file = self.write("policy.toml", toml);
        self.json(&["apply", &file.display().to_string()])
    }

    /// Applies a target and one policy `all` with these lines.
    pub fn policy(&self, target: &Target, lines: &str) -> Value {
        self.apply(&format!("{}\n[[policy]]\nname = \"all\"\ntarget = \"archive\"\n{lines}\n", target.toml()))
    }

    /// Starts `serve` and waits until it has the data folder and says that it runs.
    pub fn serve(&self) -> Running {
        let (serving, lines) = self.serving(&[]);
        let first = lines.recv().unwrap_or_default();
        assert!(first.contains("running policies"), "serve says {first:?}");
        serving
    }

    /// Starts `serve`, and hears what it says, line by line, until it has ended.
    pub fn serving(&self, args: &[&str]) -> (Running, Receiver<String>) {
        self.talking(&[&["serve"], args].concat())
    }

    /// Starts a command, and hears what it says, line by line, until it has ended.
    pub fn talking(&self, args: &[&str]) -> (Running, Receiver<String>) {
        Self::hearing(self.command(args))
    }

    /// The same of a command that was changed before.
    pub fn hearing(mut command: Command) -> (Running, Receiver<String>) {
        let mut running = Running::of(command.stdout(Stdio::piped()));
        let lines = BufReader::new(running.stdout()).lines();
        let (say, said) = mpsc::channel();
        // Read on when nobody listens any more: it goes on printing.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(say.send(line))));
        (running, said)
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; unset where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    shown: String,
}

impl Ran {
    /// Runs a command.
    pub fn of(mut command: Command) -> Self {
        let shown = format!("{:?}", command.get_args().collect::<Vec<_>>());
        let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|error| panic!("what {shown} printed is not UTF-8: {error}"));
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr), shown }
    }

    /// Fails the test unless it ended with this exit code.
    #[expect(clippy::return_self_not_must_use, reason = "asking is enough")]
    pub fn ended(self, code: i32) -> Self {
        let Self { shown, stdout, stderr, .. } = &self;
        assert!(self.code == Some(code), "consign {shown} ended with {:?} instead of {code}\n{stdout}\n{stderr}", self.code);
        self
    }

    /// Fails the test unless all was done.
    #[expect(clippy::return_self_not_must_use, reason = "asking is enough")]
    pub fn succeeded(self) -> Self {
        self.ended(0)
    }

    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{} printed no JSON ({error}): {}", self.shown, self.stdout))
    }

    /// Fails the test unless the program failed with exit code `code`, said all of these things and did not crash.
    #[expect(clippy::return_self_not_must_use, reason = "asking is enough")]
    pub fn refused(self, code: i32, says: &[&str]) -> Self {
        let ran = self.ended(code);
        let mut missing = String::new();
        for what in says {
            if !ran.stderr.contains(what) && !ran.stdout.contains(what) {
                let _ = write!(missing, " {what:?}");
            }
        }
        assert!(missing.is_empty(), "consign {} does not say{missing}, but\n{}\n{}", ran.shown, ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }
}

/// A program that runs, and is killed when this goes away.
#[derive(Debug)]
pub struct Running(Option<Child>);

impl Running {
    /// Starts it.
    pub fn of(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self(Some(child))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> std::process::ChildStdout {
        self.0.as_mut().and_then(|child| child.stdout.take()).unwrap_or_else(|| panic!("its standard output is taken or was not asked for"))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let child = self.0.as_mut()?;
        child.try_wait().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.stop();
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn terminate(self) -> ExitStatus {
        self.ask("TERM")
    }

    /// Does what Ctrl-C does (SIGINT) and waits until it has ended.
    pub fn interrupt(self) -> ExitStatus {
        self.ask("INT")
    }

    fn ask(mut self, signal: &str) -> ExitStatus {
        // The shell's own `kill`: the program of that name is in a package that a small machine lacks.
        let asked = Command::new("sh").args(["-c", "kill -\"$2\" \"$1\"", "sh", &self.id().to_string(), signal]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill -{signal} {}", self.id());
        let status = crate::until_some("the program to end when it is asked to", || self.ended());
        self.0 = None;
        status
    }

    /// Most memory that it has had at once, in KiB; none once it has ended.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
