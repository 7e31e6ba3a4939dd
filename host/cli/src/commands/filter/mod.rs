//! `filter`: what a module's developer asks for, one file a command.

mod bench;
mod cache;
mod capture;
mod check;
mod events;
mod inspect;
mod project;
mod run;
mod test;

use consign_sandbox::{Sandbox, SandboxConfig};
use consign_workshop::ground::Ground;
use tokio::runtime::Handle;

use crate::args::{Cli, FilterCommand};
use crate::data::compile_child;
use crate::output::{Ending, Failure};

/// Does what was asked for about a filter.
pub async fn filter(cli: &Cli, command: &FilterCommand) -> Result<Ending, Failure> {
    match command {
        FilterCommand::New { name, lang, kind, folder } => project::new(name, *lang, *kind, folder.as_deref(), cli.json),
        FilterCommand::Doctor { lang } => project::doctor(*lang, cli.json),
        FilterCommand::Build { project, out, debug } => project::build(project, out.as_deref(), *debug, cli.json),
        FilterCommand::Test(args) => test::test(args, cli.json).await,
        FilterCommand::Check { files } => check::check(files, cli.json),
        FilterCommand::Inspect { module } => inspect::inspect(module, cli.json),
        FilterCommand::Bench(args) => bench::bench(args, cli.json).await,
        FilterCommand::Capture(args) => capture::capture(cli, args).await,
        FilterCommand::Run(args) => run::run(cli, args).await,
    }
}

/// The sandbox of a developer: the server's limits and its way to compile, and places in the sources where a module holds them.
fn sandbox() -> Result<Sandbox, Failure> {
    Ok(Sandbox::new(SandboxConfig { cache: cache::code_cache(), compile: compile_child(), line_numbers: true, ..SandboxConfig::default() })?)
}

/// A temporary data folder.
fn ground() -> Result<Ground, Failure> {
    Ok(Ground::new(Handle::current())?)
}

/// Does something that blocks, and removes the temporary data folder when it is told to end meanwhile.
async fn at_work<T: Send + 'static>(ground: &Ground, work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    until_ended(ground, work).await?.ok_or_else(|| Failure::new("ended by Ctrl-C"))
}

/// As [`at_work`]; unset where it was ended by Ctrl-C.
async fn until_ended<T: Send + 'static>(ground: &Ground, work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<Option<T>, Failure> {
    let working = tokio::task::spawn_blocking(work);
    tokio::select! {
        done = working => done?.map(Some),
        _ = tokio::signal::ctrl_c() => {
            ground.remove();
            Ok(None)
        }
    }
}

/// `12 ms`, `3.4 s`
fn time(millis: u64) -> String {
    if millis < 1_000 { format!("{millis} ms") } else { format!("{}.{} s", millis / 1_000, millis % 1_000 / 100) }
}

/// A text of some lines, each set in by so much but the first.
fn indented(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}
