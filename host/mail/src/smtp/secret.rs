//! Reading a secret where the target says it is: an environment variable, a file, or what a command writes.
//!
//! Read for each connection and kept no longer than its signing in, since tokens of OAuth 2 expire within the hour and a run may take longer: a fresh one
//! needs no new run. A command is run without a shell, so nothing in a policy file is read as one; and with limits, since a run waits for it.
//! Of what it writes nothing is shown, on neither of its outputs: a program that asks for tokens tends to print them when it fails.
//!
//! A command is often a script, and what it starts is its own: it has a process group for that, which is killed as a whole, or a helper that hangs would be
//! left at each connection. And its end is what is waited for, not that of its output: something that it leaves behind (an agent that keeps tokens) may
//! hold that open for days.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use consign_model::Name;
use consign_model::target::SecretSource;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::target::{TargetFault, Whence};

/// How long a command may take. One that asks a server for a token takes a second; while it takes longer, nothing is sent over that connection.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a command's output may stay open after its end before what came is taken for all. What the command itself wrote has come by then: it is in the
/// pipe when it ends. This is for a helper of its own that writes last; a longer one is waited for at each connection where something is left behind.
const GRACE: Duration = Duration::from_millis(200);
/// The most bytes that a command may write. Tokens of some identity providers have several KiB.
const MAX_SIZE: usize = 64 << 10;
/// What a command does not inherit: it opens the archive, which is no business of whoever hands out tokens.
const NOT_INHERITED: &str = "CONSIGN_MASTER_KEY";

/// A secret in memory. Its debug text is not the secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// For the one place that sends it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Reads it. The fault's text holds nothing of it.
pub(super) async fn read(source: &SecretSource) -> Result<Secret, TargetFault> {
    match source {
        SecretSource::Env(variable) => variable_of(variable),
        SecretSource::File(file) => in_file(file, tokio::fs::read_to_string(file).await),
        SecretSource::Command(command) => output_of(command, LIMIT).await,
        SecretSource::Kept(name) => kept(name, None),
    }
}

impl Whence {
    /// The secret, now.
    pub(super) async fn read(&self) -> Result<Secret, TargetFault> {
        match self {
            Self::Read(source) => read(source).await,
            Self::AtHand(secret) => Ok(secret.clone()),
        }
    }
}

/// One that is kept for the tenant under this name, where there is one.
pub(super) fn kept(name: &Name, opened: Option<&str>) -> Result<Secret, TargetFault> {
    let text = opened.ok_or_else(|| TargetFault::Kept { name: name.to_string(), what: "there is none of that name that can be opened" })?;
    secret(text, || format!("the secret '{name}'"))
}

/// Whether it can be read, for a caller that may wait and may or may not run in tokio.
pub(super) fn try_to_read(source: &SecretSource) -> Result<(), TargetFault> {
    let command = match source {
        SecretSource::Env(variable) => return variable_of(variable).map(drop),
        SecretSource::File(file) => return in_file(file, std::fs::read_to_string(file)).map(drop),
        SecretSource::Command(command) => command,
        SecretSource::Kept(name) => return kept(name, None).map(drop),
    };
    let wrong = |what: String| TargetFault::Command { program: program(command).to_owned(), what };
    // Tokio refuses to wait within itself, but not in a thread that is not its own.
    let read = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| wrong(format!("can't be started ({error})")))?;
        runtime.block_on(output_of(command, LIMIT)).map(drop)
    };
    std::thread::scope(|scope| scope.spawn(read).join()).unwrap_or_else(|_| Err(wrong("could not be waited for".to_owned())))
}

fn variable_of(variable: &str) -> Result<Secret, TargetFault> {
    let wrong = |what| TargetFault::Variable { variable: variable.to_owned(), what };
    let value = std::env::var_os(variable).ok_or_else(|| wrong("unset"))?;
    let text = value.into_string().map_err(|_| wrong("not UTF-8"))?;
    secret(&text, || format!("the environment variable {variable}"))
}

fn in_file(file: &Path, contents: io::Result<String>) -> Result<Secret, TargetFault> {
    let text = contents.map_err(|error| TargetFault::SecretFile { file: file.to_owned(), error })?;
    secret(&text, || format!("the file {}", file.display()))
}

/// The program alone: arguments are not shown.
fn program(command: &[String]) -> &str {
    command.first().map_or("", String::as_str)
}

/// Ready to be run, in a process group of its own; killed when it is dropped.
fn prepare(command: &[String]) -> Command {
    let mut prepared = Command::new(program(command));
    prepared.args(command.get(1..).unwrap_or_default()).env_remove(NOT_INHERITED).kill_on_drop(true).process_group(0);
    prepared.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    prepared
}

/// A command that runs. Dropped before its end was seen, it is killed with its whole process group; what it leaves behind when it ends by itself it means to.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // None once its end was seen: the number, which is the group's too, may be another's from then on.
        let id = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        // Gone already, at worst.
        let _ = id.map(|group| kill_process_group(group, Signal::KILL));
    }
}

/// Reads to the end; false where that is more than a command may write.
async fn read_all(mut pipe: ChildStdout, output: &mut Vec<u8>) -> io::Result<bool> {
    while output.len() <= MAX_SIZE {
        if pipe.read_buf(output).await? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits for the command's end, and takes what it wrote until then. `None`: it wrote too much, and goes on for all that is known.
async fn end_of(child: &mut Child, output: &mut Vec<u8>) -> io::Result<Option<ExitStatus>> {
    let Some(pipe) = child.stdout.take() else { return child.wait().await.map(Some) };
    let mut reading = std::pin::pin!(read_all(pipe, output));
    tokio::select! {
        whole = &mut reading => if whole? { child.wait().await.map(Some) } else { Ok(None) },
        status = child.wait() => match timeout(GRACE, reading).await {
            Ok(whole) => Ok(if whole? { Some(status?) } else { None }),
            Err(_) => status.map(Some),
        },
    }
}

/// Runs it, for at most so long. It is killed, with what it started, when it takes longer or writes too much, and when this future is dropped.
async fn output_of(command: &[String], limit: Duration) -> Result<Secret, TargetFault> {
    let program = program(command);
    let wrong = |what: String| TargetFault::Command { program: program.to_owned(), what };
    let mut running = Running(prepare(command).spawn().map_err(|error| wrong(format!("can't be started ({error})")))?);
    let mut output = Vec::new();
    let status = match timeout(limit, end_of(&mut running.0, &mut output)).await {
        Err(_) => return Err(wrong(format!("did not end within {} s", limit.as_secs_f32()))),
        Ok(Err(error)) => return Err(wrong(format!("can't be read from ({error})"))),
        Ok(Ok(None)) => return Err(wrong(format!("wrote more than {} KiB", MAX_SIZE >> 10))),
        Ok(Ok(Some(status))) => status,
    };
    if !status.success() {
        return Err(wrong(format!("failed ({status})")));
    }
    let text = String::from_utf8(output).map_err(|_| wrong("wrote something that is not UTF-8 text".to_owned()))?;
    if text.is_empty() {
        return Err(wrong("wrote nothing".to_owned()));
    }
    secret(&text, || format!("the output of the command {program}"))
}

/// Cuts the line's end, and refuses what no server's password is.
fn secret(text: &str, place: impl Fn() -> String) -> Result<Secret, TargetFault> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    let wrong = |what| TargetFault::Secret { place: place(), what };
    if text.is_empty() {
        return Err(wrong("is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong("holds a control character or more than one line"));
    }
    Ok(Secret(text.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::path::PathBuf;

    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script, "sesame"].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_command() {
        for (script, secret) in [
            ("echo open", "open"),
            ("printf 'open\\r\\n'", "open"),
            // No shell but the one that is asked for; no input; what it says beside it is nobody's business.
            ("printf '%s' \"$0\"", "sesame"),
            ("cat; echo open; echo sesame >&2", "open"),
            ("head -c 65536 /dev/zero | tr '\\0' x", "x".repeat(MAX_SIZE).as_str()),
        ] {
            assert_eq!(output_of(&shell(script), Duration::from_mins(1)).await.unwrap().reveal(), secret, "{script}");
        }
        for (script, hint) in [
            ("echo sesame; echo sesame >&2; exit 3", "failed (exit status: 3)"),
            ("echo sesame; kill -9 $$", "failed (signal: 9"),
            ("echo sesame >&2", "wrote nothing"),
            ("echo", "is empty"),
            ("echo sesame; echo sesame", "more than one line"),
            ("printf 'sesame\\377'", "not UTF-8"),
            ("head -c 65537 /dev/zero | tr '\\0' x", "more than 64 KiB"),
            ("while echo sesame; do :; done", "more than 64 KiB"),
        ] {
            let error = output_of(&shell(script), Duration::from_mins(1)).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains(hint) && text.contains("/bin/sh"), "{script}: {text}");
            assert!(!text.contains("sesame") && !format!("{error:?}").contains("sesame"), "{script}: {text}");
            assert_eq!(error.field(), "password");
        }
        let none = output_of(&["/no/such/program".to_owned(), "sesame".to_owned()], LIMIT).await.unwrap_err().to_string();
        assert!(none.contains("/no/such/program, which can't be started") && !none.contains("sesame"), "{none}");
    }

    #[test]
    fn the_master_key_is_not_inherited() {
        let command = prepare(&shell("env"));
        assert!(command.as_std().get_envs().any(|(name, value)| name == NOT_INHERITED && value.is_none()));
    }

    /// Waits until a process is no more, but for its parent's asking.
    async fn gone(pid: &str) {
        let place = format!("/proc/{}/stat", pid.trim());
        let wait = async {
            while std::fs::read_to_string(&place).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_mins(1), wait).await.unwrap();
    }

    /// A script that writes its own number and that of a child, which sleeps, into files, and then waits for the child.
    fn with_child(folder: &Path) -> (Vec<String>, [PathBuf; 2]) {
        let pids = ["own", "child"].map(|name| folder.join(name));
        let script = format!("sleep 600 & echo $! > {1}; echo $$ > {0}.new; mv {0}.new {0}; wait", pids[0].display(), pids[1].display());
        (shell(&script), pids)
    }

    async fn written(file: &Path) {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    }

    /// It is killed with what it started.
    #[tokio::test]
    async fn a_command_that_takes_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let (script, pids) = with_child(folder.path());
        // As long as it takes to begin, on a busy machine too.
        let mut limit = Duration::from_millis(300);
        while !pids[0].exists() {
            let error = output_of(&script, limit).await.unwrap_err().to_string();
            assert!(error.contains(&format!("did not end within {} s", limit.as_secs_f32())), "{error}");
            limit *= 2;
        }
        for pid in &pids {
            gone(&std::fs::read_to_string(pid).unwrap()).await;
        }
    }

    /// So is one whose connection nobody waits for any more, and one that writes too much.
    #[tokio::test]
    async fn a_command_that_nobody_waits_for() {
        let folder = tempfile::tempdir().unwrap();
        let (script, pids) = with_child(folder.path());
        tokio::select! {
            ended = output_of(&script, Duration::from_mins(1)) => { ended.unwrap_err(); }
            () = written(&pids[0]) => {}
        }
        for pid in &pids {
            gone(&std::fs::read_to_string(pid).unwrap()).await;
        }
        let pid = folder.path().join("loud");
        let script = format!("sleep 600 & echo $! > {}; head -c 65537 /dev/zero | tr '\\0' x; wait", pid.display());
        let error = output_of(&shell(&script), Duration::from_mins(1)).await.unwrap_err().to_string();
        assert!(error.contains("more than 64 KiB"), "{error}");
        gone(&std::fs::read_to_string(pid).unwrap()).await;
    }

    /// An agent that a command starts for its next call holds what it inherits, and lives on; it is not waited for.
    #[tokio::test]
    async fn a_command_that_leaves_something_behind() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("agent");
        for (agent, ending, expected) in
            [("sleep 600 &", "exit 0", Ok("open")), ("setsid sleep 600 &", "exit 0", Ok("open")), ("sleep 600 &", "exit 3", Err("exit status: 3"))]
        {
            let script = format!("{agent} echo $! > {}; echo open; {ending}", pid.display());
            let began = std::time::Instant::now();
            let answer = output_of(&shell(&script), Duration::from_mins(1)).await;
            assert!(began.elapsed() < Duration::from_secs(30), "{agent} was waited for: {:?}", began.elapsed());
            match (answer, expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.reveal(), expected, "{agent}"),
                (Err(error), Err(hint)) => assert!(error.to_string().contains(hint), "{agent}: {error}"),
                (answer, _) => unreachable!("{agent}: {answer:?}"),
            }
            let agent = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
            rustix::process::test_kill_process(Pid::from_raw(agent).unwrap()).unwrap();
            rustix::process::kill_process(Pid::from_raw(agent).unwrap(), Signal::KILL).unwrap();
        }
        // As much as the pipe takes, at once, before the end.
        let script = format!("head -c 65536 /dev/zero | tr '\\0' x; sleep 600 & echo $! > {}", pid.display());
        assert_eq!(output_of(&shell(&script), Duration::from_mins(1)).await.unwrap().reveal().len(), MAX_SIZE);
        let agent = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(agent).unwrap(), Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let source = SecretSource::File(file.clone());
        for missing in [read(&source).await.map(drop), try_to_read(&source)] {
            let text = missing.unwrap_err().to_string();
            assert!(text.contains("password, which can't be read (No such file"), "{text}");
        }
        std::fs::write(&file, "open\n").unwrap();
        assert_eq!(read(&source).await.unwrap().reveal(), "open");
        try_to_read(&source).unwrap();
    }

    #[test]
    fn outside_of_tokio_and_within() {
        let source = |script: &str| SecretSource::Command(shell(script));
        try_to_read(&source("echo open")).unwrap();
        assert!(try_to_read(&source("exit 1")).unwrap_err().to_string().contains("exit status: 1"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { try_to_read(&source("echo open")) }).unwrap();
    }
}
