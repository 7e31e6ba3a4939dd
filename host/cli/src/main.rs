//! The `consign` program: arguments in, calls, text or JSON out. Everything that it does is done by the rooms below; what stands here is how a
//! person asks for it and what they read afterwards.

mod args;
mod commands;
mod data;
mod filter_build;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::output::{Ending, Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("CONSIGN_LOG").unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let json = cli.json;
    let ending = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the program could not be started: {error}")))
        .and_then(|runtime| runtime.block_on(commands::dispatch(cli)));
    match ending {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Incomplete) => ExitCode::from(3),
        Err(failure) => {
            failure.print(json);
            ExitCode::from(1)
        }
    }
}
