//! The `consign` program: arguments in, calls, text or JSON out. Everything that it does is done by the rooms below; what stands here is how a
//! person asks for it and what they read afterwards.

mod args;
mod commands;
mod data;
mod memory;
mod output;
mod remote;
mod who;

use std::process::ExitCode;
use std::time::Duration;

use consign_service::traces::Traces;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::args::{Cli, LogFormat};
use crate::output::{Ending, Failure};

fn main() -> ExitCode {
    // The process that compiles a module does that and nothing else, so it does not come as far as the command line.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == data::COMPILE_CHILD) {
        return consign_sandbox::compile::child::main();
    }
    let cli = Cli::read();
    if !matches!(cli.command, args::Command::Import(_)) {
        memory::take_less();
    }
    let json = cli.json;
    let traces = match &cli.command {
        args::Command::Serve { traces: Some(collector), .. } => Traces::to(collector).map(Some),
        _ => Ok(None),
    };
    let traces = match traces {
        Ok(traces) => traces,
        Err(error) => return failed(&Failure::usage(error.to_string()), json),
    };
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let log = match cli.log_format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let log = log.with_filter(EnvFilter::try_from_env("CONSIGN_LOG").unwrap_or_else(|_| "warn".into()));
    tracing_subscriber::registry().with(log).with(traces.as_ref().map(Traces::layer)).init();
    let ended = to_end(commands::dispatch(cli));
    if let Some(traces) = traces {
        traces.end();
    }
    match ended {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Incomplete) => ExitCode::from(3),
        Err(failure) => failed(&failure, json),
    }
}

fn failed(failure: &Failure, json: bool) -> ExitCode {
    failure.print(json);
    ExitCode::from(failure.code())
}

/// How long what still runs on other threads is waited for at the end.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Runs a command. What goes on in other threads when it is over is left behind: `serve` has given it its time, a module may run for minutes, and
/// whatever is cut off is taken up by the next start as after a power cut.
fn to_end(command: impl Future<Output = Result<Ending, Failure>>) -> Result<Ending, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the program could not be started: {error}")))?;
    let ending = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_WAIT);
    ending
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It would hang: the work ends only after this test has gone on.
    #[test]
    fn work_on_another_thread_does_not_keep_the_program() {
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let ending = to_end(async {
            tokio::task::spawn_blocking(move || held.recv());
            Ok(Ending::Incomplete)
        });
        assert!(matches!(ending, Ok(Ending::Incomplete)));
        drop(let_go);
    }
}
