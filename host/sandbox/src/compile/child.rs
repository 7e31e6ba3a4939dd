//! The process that compiles one component and ends.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use wasmtime::Engine;

use super::{Answer, HEADER_BYTES, Request, jail, send};
use crate::LoadError;
use crate::examine::examine;
use crate::sandbox::engine_config;

/// Reads a request from standard input, shuts itself in, compiles, and answers on standard output. Call it before anything else of the program runs.
pub fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent reads it where there is no answer.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> std::io::Result<()> {
    let mut stdin = std::io::stdin().lock();
    let mut length = [0; 4];
    stdin.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > HEADER_BYTES {
        return Err(std::io::Error::other("this is no request: the process that compiles is called by consign itself"));
    }
    let mut header = vec![0; length as usize];
    stdin.read_exact(&mut header)?;
    let request: Request = serde_json::from_slice(&header)?;
    let mut component = Vec::new();
    stdin.take(request.bytes).read_to_end(&mut component)?;
    jail::enter(request.limits.compile_time, request.limits.compile_bytes)?;

    let engine = Engine::new(&engine_config(request.line_numbers)).map_err(|error| std::io::Error::other(format!("{error:#}")))?;
    let compiled = examine(&engine, &component, &request.limits).and_then(|(examined, component)| {
        let code = component.serialize().map_err(|error| LoadError::CompileFailed(format!("{error:#}")))?;
        Ok((examined, code))
    });
    let mut stdout = std::io::stdout().lock();
    match compiled {
        Ok((examined, code)) => send(&mut stdout, &Answer::Passed(examined), &code),
        Err(error) => send(&mut stdout, &Answer::Refused(error), &[]),
    }
}
