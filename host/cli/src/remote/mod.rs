//! The other place where a command can be done: not in a data folder but by a `consign serve`, over its API.
//!
//! Where a command is done is decided once ([`chosen`], asked by `commands::dispatch`). Each command that the API offers has its half for the server beside the one for
//! the folder, in the command's own file, and both print by the same functions: so what stands here is how a server is reached ([`address`]), asked and understood
//! ([`server`], [`answers`]), and what can't be asked of it ([`refused`]), but nothing of what a person reads of a command.

pub mod address;
pub mod answers;
pub mod refused;
pub mod server;

pub use self::server::Server;
use crate::args::{Cli, Command};
use crate::output::Failure;

/// The server that is to do the command; unset where it is done here. What is on the command line goes before the environment.
pub fn chosen(cli: &Cli) -> Result<Option<Server>, Failure> {
    let (args, on_line) = (&cli.server, &cli.server.on_line);
    if is_done_anywhere(&cli.command) {
        return Ok(None);
    }
    let Some(url) = args.server.as_deref().filter(|url| !url.is_empty()) else {
        if args.token_file.is_some() || on_line.has("token") {
            return Err(Failure::usage("there is a token, and no server to show it to: name it with --server URL, or CONSIGN_SERVER"));
        }
        return Ok(None);
    };
    match (on_line.has("server"), on_line.has("data"), cli.data.is_some()) {
        (false, true, _) => return Ok(None),
        (true, true, _) => return Err(Failure::usage("a command is done by a server or in a data folder: name either --server or --data")),
        (false, false, true) => {
            return Err(Failure::usage(
                "the environment has both CONSIGN_SERVER and CONSIGN_DATA: unset one of them, or say on the command line which it is, with --server or --data",
            ));
        }
        _ => {}
    }
    if on_line.has("master_key_file") {
        return Err(Failure::usage("the server has its master key: leave out --master-key-file"));
    }
    if on_line.has("by") {
        return Err(Failure::usage(
            "the server writes the token's name into the audit log, and no other: leave out --by, or have a token made under that name",
        ));
    }
    refused::before_anything(&cli.command)?;
    Server::new(address::Address::of(url, args)?, cli.tenant.clone()).map(Some)
}

/// What needs neither a data folder that is in use nor a server: it works on files that are named, or is a thing of its own.
fn is_done_anywhere(command: &Command) -> bool {
    match command {
        Command::Demo | Command::Inbox { .. } | Command::Lint { .. } | Command::Filter { .. } => true,
        Command::Verify { manifests, .. } => manifests.iter().all(|path| path.exists()),
        Command::Audit { command: crate::args::AuditCommand::Verify { file, .. }, .. } => file.is_some(),
        _ => false,
    }
}
