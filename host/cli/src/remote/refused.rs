//! What the API does not offer: said before anything is sent, with the way that there is.

use consign_source::Format;

use crate::args::{Command, ModuleCommand, QuarantineCommand, ShadowCommand, TokenCommand};
use crate::output::Failure;

/// Refuses a command that no server does. Every command stands here: whoever adds one decides.
pub fn before_anything(command: &Command) -> Result<(), Failure> {
    let beside = |what: &str| Err(not_offered(what, "end 'consign serve', give the command beside the data with --data DIR, and start it again"));
    // The API and the console have it, in another shape than the command prints.
    let elsewhere = |what: &str, page: &str, operation: &str| {
        Err(Failure::usage(format!(
            "this program does not ask a server for {what}. Nothing was sent. Instead: {page}; other programs have it from the API (operation {operation}, see /docs); or end 'consign \
             serve', give the command beside the data with --data DIR, and start it again"
        )))
    };
    match command {
        Command::Init => Err(not_offered("making a data folder and its keys", "a tenant of the server is made with 'consign tenant create NAME'")),
        Command::Import(args) if args.format.is_some_and(|format| format != Format::Jsonl) => Err(import_of_files()),
        Command::Ingest { .. } => Err(not_offered(
            "receiving events by a process of its own",
            "hand them in with 'consign import FILE --format jsonl', or set [ingest] up in the server's settings",
        )),
        Command::Pull { .. } => Err(not_offered(
            "asking platforms now",
            "sources in the server's settings ([ingest]) are asked on their schedules; at once it goes beside the data",
        )),
        Command::Fetch(_) => beside("fetching files"),
        Command::Run(args) if args.preview.is_some() => Err(not_offered(
            "a preview into a folder",
            "the server's console shows one, at /console/ under the policy; or run it beside the data with --data DIR",
        )),
        Command::Reconcile(_) => elsewhere("accounting for a period", "the console has it, under Coverage", "showCoverage"),
        Command::Identity { .. } => elsewhere("identity maps", "put one into force by the API", "applyIdentityMap"),
        Command::Coverage { .. } => elsewhere("coverage of a source", "read it from the API", "showSourceCoverage"),
        Command::Replay { .. } => beside("making a run again"),
        Command::Keys { command: None, write_identity: Some(_) } => beside("handing out the tenant's private key"),
        Command::Backup { .. } | Command::Restore { .. } => Err(not_offered(
            "backups",
            "they are the operator's, on the server's machine: by [backup] in the server's settings, or, while it does not run, with 'consign backup DIR --data DIR'",
        )),
        Command::Alerts => Err(not_offered(
            "the list of alerts",
            "'consign alerts --data DIR' works on the server's machine while it runs, and its metrics and webhook tell of alerts",
        )),
        Command::Doctor { .. } => {
            Err(not_offered("looking at the whole installation", "it is the operator's, on the server's machine: consign doctor --data DIR"))
        }
        Command::Serve { .. } => Err(not_offered("serving", "'consign serve' works on a data folder: leave out --server, and unset CONSIGN_SERVER")),
        Command::Module { command: ModuleCommand::Recheck { .. } } => beside("looking at modules under a new engine"),
        Command::Shadow { command: None, .. } => elsewhere("what shadows would have done", "the console has it, on the policy's page", "listShadows"),
        Command::Token { command } => platform(command),
        Command::Audit { platform: true, .. } => beside("the installation's own audit log"),
        Command::Demo
        | Command::Import(_)
        | Command::Apply { .. }
        | Command::Policies
        | Command::Targets
        | Command::Run(_)
        | Command::Runs { .. }
        | Command::Explain { .. }
        | Command::Sources
        | Command::Held { .. }
        | Command::Logs { .. }
        | Command::Verify { .. }
        | Command::Lint { .. }
        | Command::Audit { platform: false, .. }
        | Command::Tenant { .. }
        | Command::Secret { .. }
        | Command::Proposal { .. }
        | Command::Bill { .. }
        | Command::Retention { .. }
        | Command::Hold { .. }
        | Command::Erase(_)
        | Command::Keys { command: Some(_), .. }
        | Command::Keys { command: None, write_identity: None }
        | Command::Shadow { command: Some(ShadowCommand::Promote { .. }), .. }
        | Command::Inbox { .. }
        | Command::Module { command: ModuleCommand::Push { .. } | ModuleCommand::List | ModuleCommand::Show { .. } | ModuleCommand::Keys { .. } }
        | Command::Quarantine { command: QuarantineCommand::List { .. } | QuarantineCommand::Release { .. } }
        | Command::Filter { .. } => Ok(()),
    }
}

fn platform(command: &TokenCommand) -> Result<(), Failure> {
    let is_of_the_platform = match command {
        TokenCommand::Create { role, .. } | TokenCommand::Link { role, .. } => role.is_of_the_platform(),
        TokenCommand::List { platform } | TokenCommand::Revoke { platform, .. } => *platform,
    };
    if is_of_the_platform {
        return Err(not_offered(
            "tokens of the installation itself",
            "they are made, listed and revoked by whoever has the data: end 'consign serve', give the command there with --data DIR, and start it again",
        ));
    }
    Ok(())
}

/// Of a platform's export.
pub fn import_of_files() -> Failure {
    not_offered(
        "importing a platform's export",
        "it takes events as JSON lines (--format jsonl, not packed); an export is imported beside the data with --data DIR, or by [ingest] in the server's settings, which watches a folder",
    )
}

/// What there is not, and what there is.
pub fn not_offered(what: &str, instead: &str) -> Failure {
    Failure::usage(format!("the server's API does not offer this: {what}. Nothing was sent. Instead: {instead}"))
}
