//! Reading a secret where the target says it is: an environment variable, a file, or what a command writes.
//!
//! Read for each connection and kept no longer than its signing in, since tokens of OAuth 2 expire within the hour and a run may take longer: a fresh one
//! needs no new run. A command is run without a shell, so nothing in a policy file is read as one; and with limits, since a run waits for it.
//! Of what it writes nothing is shown, on neither of its outputs: a program that asks for tokens tends to print them when it fails.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use consign_model::target::SecretSource;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::target::TargetFault;

/// How long a command may take. One that asks a server for a token takes a second; while it takes longer, nothing is sent over that connection.
const LIMIT: Duration = Duration::from_secs(30);
/// The most bytes that a command may write. Tokens of some identity providers have several KiB.
const MAX_SIZE: usize = 64 << 10;
/// What a command does not inherit: it opens the archive, which is no business of whoever hands out tokens.
const NOT_INHERITED: &str = "CONSIGN_MASTER_KEY";

/// A secret in memory. Its debug text is not the secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

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
        SecretSource::File(file) => file_of(file),
        SecretSource::Command(command) => output_of(command, LIMIT).await,
    }
}

/// Whether it can be read, for a caller that may or may not run in tokio.
pub(super) fn try_to_read(source: &SecretSource) -> Result<(), TargetFault> {
    let command = match source {
        SecretSource::Env(variable) => return variable_of(variable).map(drop),
        SecretSource::File(file) => return file_of(file).map(drop),
        SecretSource::Command(command) => command,
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

fn file_of(file: &Path) -> Result<Secret, TargetFault> {
    let text = std::fs::read_to_string(file).map_err(|error| TargetFault::SecretFile { file: file.to_owned(), error })?;
    secret(&text, || format!("the file {}", file.display()))
}

/// The program alone: arguments are not shown.
fn program(command: &[String]) -> &str {
    command.first().map_or("", String::as_str)
}

/// Ready to be run; killed when it is dropped.
fn prepare(command: &[String]) -> Command {
    let mut prepared = Command::new(program(command));
    prepared.args(command.get(1..).unwrap_or_default()).env_remove(NOT_INHERITED).kill_on_drop(true);
    prepared.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    prepared
}

/// Runs it, for at most so long. It is killed when it takes longer or writes too much, and when this future is dropped.
async fn output_of(command: &[String], limit: Duration) -> Result<Secret, TargetFault> {
    let program = program(command);
    let wrong = |what: String| TargetFault::Command { program: program.to_owned(), what };
    let mut child = prepare(command).spawn().map_err(|error| wrong(format!("can't be started ({error})")))?;
    let mut output = Vec::new();
    let ended = timeout(limit, async {
        if let Some(pipe) = child.stdout.take() {
            pipe.take(MAX_SIZE as u64 + 1).read_to_end(&mut output).await?;
        }
        // One that writes on is not waited for.
        if output.len() > MAX_SIZE { Ok(None) } else { child.wait().await.map(Some) }
    });
    match ended.await {
        Err(_) => return Err(wrong(format!("did not end within {} s", limit.as_secs_f32()))),
        Ok(Err(error)) => return Err(wrong(format!("can't be read from ({error})"))),
        Ok(Ok(None)) => return Err(wrong(format!("wrote more than {} KiB", MAX_SIZE >> 10))),
        Ok(Ok(Some(status))) if !status.success() => return Err(wrong(format!("failed ({status})"))),
        Ok(Ok(Some(_))) => {}
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

    /// It is killed, and so is one whose connection nobody waits for any more.
    #[tokio::test]
    async fn a_command_that_takes_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", pid.display());
        let gone = |pid: String| async move {
            let place = format!("/proc/{}", pid.trim());
            let wait = async {
                while std::fs::read_to_string(format!("{place}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
                    tokio::task::yield_now().await;
                }
            };
            timeout(Duration::from_mins(1), wait).await.unwrap();
        };
        let error = output_of(&shell(&script), Duration::from_millis(300)).await.unwrap_err().to_string();
        assert!(error.contains("did not end within 0.3 s"), "{error}");
        if let Ok(pid) = std::fs::read_to_string(&pid) {
            gone(pid).await;
        }
        let _ = std::fs::remove_file(&pid);
        let begun = async {
            while !pid.exists() {
                tokio::task::yield_now().await;
            }
        };
        let source = shell(&script);
        tokio::select! {
            ended = output_of(&source, Duration::from_mins(1)) => { ended.unwrap_err(); }
            () = begun => {}
        }
        gone(std::fs::read_to_string(&pid).unwrap()).await;
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
