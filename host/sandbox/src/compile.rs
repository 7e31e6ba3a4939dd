//! Compiling where it can do no harm: in a process of its own, under limits, which is killed at its deadline.
//!
//! wasmtime promises nothing of the time and memory that compiling a hostile component takes, so an upload is never compiled in the process that
//! serves other tenants. The child gets the component on its standard input and answers on its standard output: what is known of the component and
//! its code, or why it was refused. It reads no file, opens no connection and starts no program ([`jail`]), and whatever becomes of it, the parent
//! gets an answer in time. The child is the same program as the parent, so the two always speak the same form of these messages.
//!
//! What the child answers is code that the parent will run. It is trusted as the compiler is: a component that breaks out of the compiler owns the
//! child, and by its answer the parent. Against that stand Cranelift's being safe Rust, and nothing else.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::examine::{Examined, examine};
use crate::{Limits, LoadError};

pub mod child;
mod jail;

/// Where components are compiled.
#[derive(Debug, Clone, Default)]
pub enum Compile {
    /// In this process: for components that are trusted to compile, and for tests. Nothing stops it but its end.
    #[default]
    Here,
    /// In a child process.
    Child(CompileChild),
}

/// How the child is called: a program that does nothing but call [`child::main`].
#[derive(Debug, Clone)]
pub struct CompileChild {
    /// The program.
    pub program: PathBuf,
    /// What makes it call [`child::main`].
    pub arguments: Vec<OsString>,
}

/// What the child is asked. The component's bytes follow.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    limits: Limits,
    line_numbers: bool,
    bytes: u64,
}

/// What the child answers. The code follows where it passed.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Passed(Examined),
    Refused(LoadError),
}

/// Of a message's first part.
const HEADER_BYTES: u32 = 4 << 20;
/// Of compiled code: some twenty times the largest component of a module without an interpreter in it, and seven times what such a one becomes.
const CODE_BYTES: u64 = 256 << 20;
/// Of what the child writes on standard error before it is cut.
const ERROR_BYTES: u64 = 4 << 10;
/// How many times the limit of processor time it may take by the clock. It gives way to others, so on a busy machine it takes many times as long, and that is
/// no fault of the module's: this is for a child that waits for ever.
const BY_THE_CLOCK: u32 = 10;
/// Threads that compile. More need more memory each, and there are other tenants.
const THREADS: &str = "2";

/// Examines and compiles a component, here or in a child.
pub fn compile(how: &Compile, engine: &Engine, line_numbers: bool, bytes: &[u8], limits: &Limits) -> Result<(Examined, Component), LoadError> {
    match how {
        Compile::Here => examine(engine, bytes, limits),
        Compile::Child(child) => {
            let (examined, code) = in_child(child, line_numbers, bytes, limits)?;
            // SAFETY: `deserialize` asks for bytes that came from `Component::serialize` of this very wasmtime. They come through a pipe from a process
            // that this one has just started from its own program file and that runs `child::main` and nothing else, which writes what `serialize`
            // returned; nobody else has that pipe's other end. wasmtime compares version and settings once more.
            #[expect(unsafe_code, reason = "loading what another process compiled has no safe form; see the comment above")]
            let component = unsafe { Component::deserialize(engine, &code) };
            let component = component.map_err(|error| LoadError::CompileFailed(format!("{error:#}")))?;
            Ok((examined, component))
        }
    }
}

fn in_child(how: &CompileChild, line_numbers: bool, bytes: &[u8], limits: &Limits) -> Result<(Examined, Vec<u8>), LoadError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| LoadError::CompileFailed(format!("{what}: {error}"));
    let mut process = Command::new(&how.program)
        .args(&how.arguments)
        .env_clear()
        .env("RAYON_NUM_THREADS", THREADS)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Running)
        .map_err(|error| failed("the process that compiles could not be started", &error))?;
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = (process.0.stdin.take(), process.0.stdout.take(), process.0.stderr.take()) else {
        return Err(LoadError::CompileFailed("the process that compiles has no pipes".to_owned()));
    };
    let request = Request { limits: limits.clone(), line_numbers, bytes: bytes.len() as u64 };
    std::thread::scope(|scope| {
        let (answered, answer) = mpsc::channel();
        // A child that is gone does not read: what it says then, or does not, is the answer.
        scope.spawn(move || drop(send(&mut stdin, &request, bytes)));
        let complaint = scope.spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.take(ERROR_BYTES).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        scope.spawn(move || answered.send(receive::<Answer>(&mut stdout, CODE_BYTES + 1)));
        let longest = limits.compile_time.saturating_mul(BY_THE_CLOCK);
        let answer = answer.recv_timeout(longest);
        // The whole answer is here, or none will come: so there is nothing to wait for but the end of one that ended by itself.
        let status = if matches!(answer, Ok(Err(_))) { process.wait() } else { None };
        // The threads above end with the child's pipes.
        process.kill();
        let complaint = complaint.join().unwrap_or_default();
        match answer {
            Ok(Ok((Answer::Passed(_), code))) if code.len() as u64 > CODE_BYTES => Err(LoadError::CompileMemory { bytes: CODE_BYTES }),
            Ok(Ok((Answer::Passed(examined), code))) => Ok((examined, code)),
            Ok(Ok((Answer::Refused(error), _))) => Err(error),
            Ok(Err(error)) => Err(why_it_ended(status, &complaint, limits).unwrap_or_else(|| failed("it was not answered", &error))),
            Err(_) => Err(LoadError::CompileStarved { seconds: longest.as_secs() }),
        }
    })
}

/// What the end of a child without an answer means.
fn why_it_ended(status: Option<ExitStatus>, complaint: &str, limits: &Limits) -> Option<LoadError> {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = status?.signal()?;
    // Rust says so and aborts; a stack that can't grow any more ends by SIGSEGV.
    if complaint.contains("memory allocation of") {
        return Some(LoadError::CompileMemory { bytes: limits.compile_bytes });
    }
    Some(match signal {
        // SIGXCPU, and the SIGKILL that follows it.
        24 | 9 => LoadError::CompileDeadline { seconds: limits.compile_time.as_secs() },
        signal => LoadError::CompileFailed(format!("the process that compiles was ended by signal {signal}")),
    })
}

/// A child that does not outlive this value.
struct Running(Child);

impl Running {
    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        self.0.wait().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        self.wait();
    }
}

/// A length, a JSON value, and bytes to the end or by the value's own count.
fn send(to: &mut impl Write, value: &impl Serialize, bytes: &[u8]) -> std::io::Result<()> {
    let header = serde_json::to_vec(value)?;
    let length = u32::try_from(header.len()).map_err(std::io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&header)?;
    to.write_all(bytes)?;
    to.flush()
}

fn receive<T: for<'a> Deserialize<'a>>(from: &mut impl Read, most: u64) -> std::io::Result<(T, Vec<u8>)> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > HEADER_BYTES {
        return Err(std::io::Error::other("the answer is too long"));
    }
    let mut header = vec![0; length as usize];
    from.read_exact(&mut header)?;
    let value = serde_json::from_slice(&header)?;
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes)?;
    Ok((value, bytes))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;

    /// What a busy machine has no time for is not called too large.
    #[cfg(unix)]
    #[test]
    fn a_child_that_does_not_get_on_is_ended_by_the_clock() {
        let child = CompileChild { program: "/bin/sleep".into(), arguments: vec!["1000".into()] };
        let limits = Limits { compile_time: Duration::from_millis(100), ..Limits::default() };
        let error = in_child(&child, false, b"", &limits).unwrap_err();
        assert_eq!(error, LoadError::CompileStarved { seconds: 1 });
        assert!(error.to_string().contains("try again"), "{error}");
    }
}
