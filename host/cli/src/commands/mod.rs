//! One file for each command.

mod alerts;
mod apply;
mod audit;
mod backup;
mod bill;
mod demo;
mod doctor;
mod explain;
mod fetch;
mod filter;
mod held;
mod identity;
mod import;
mod inbox;
mod ingest;
mod init;
mod keeping;
mod lint;
mod logs;
mod module;
mod policies;
mod proposal;
mod pull;
mod quarantine;
mod reconcile;
mod replay;
mod run;
mod runs;
mod secret;
mod serve;
mod shadow;
mod sources;
mod targets;
mod tenant;
mod token;
mod verify;

use consign_export::replay::Wanted;

use crate::args::{Cli, Command, KeysCommand, ShadowCommand};
use crate::data::{Data, Place};
use crate::output::{Ending, Failure};
use crate::remote::refused::not_offered;
use crate::remote::{self, Server};

/// Does what was asked for: in the data folder, or by a server.
pub async fn dispatch(cli: Cli) -> Result<Ending, Failure> {
    match remote::chosen(&cli)? {
        Some(server) => by_server(&server, &cli.command, cli.json).await,
        None => in_folder(cli).await,
    }
}

/// The half of each command that asks a server.
async fn by_server(server: &Server, command: &Command, json: bool) -> Result<Ending, Failure> {
    match command {
        Command::Import(args) => import::import_at(server, args, json).await,
        Command::Apply { files } => apply::apply_at(server, files, json).await,
        Command::Policies => policies::list_at(server, json).await,
        Command::Targets => targets::list_at(server, json).await,
        Command::Run(args) => run::run_at(server, args, json).await,
        Command::Runs { id, policy } => runs::runs_at(server, id.as_deref(), policy.as_ref(), json).await,
        Command::Explain { policy, event, chat } => explain::explain_at(server, policy, event, chat.as_deref(), json).await,
        Command::Sources => sources::list_at(server, json).await,
        Command::Held { policy, command } => held::held_at(server, policy.as_ref(), command.as_ref(), json).await,
        Command::Logs { run } => logs::logs_at(server, run, json).await,
        Command::Verify { manifests, mail, keys } => verify::verify_at(server, manifests, mail.as_deref(), keys, json).await,
        Command::Audit { command, .. } => audit::audit_at(server, command, json).await,
        Command::Tenant { command } => tenant::tenant_at(server, command, json).await,
        Command::Secret { command } => secret::secret_at(server, command, json).await,
        Command::Token { command } => token::token_at(server, command, json).await,
        Command::Proposal { command } => proposal::proposal_at(server, command, json).await,
        Command::Bill { month, csv } => bill::bill_at(server, *month, *csv, json).await,
        Command::Retention { command } => keeping::retention_at(server, command, json).await,
        Command::Hold { command } => keeping::hold_at(server, command, json).await,
        Command::Erase(args) => keeping::erase_at(server, args, json).await,
        Command::Keys { command: None, write_identity: None } => init::keys_at(server, json).await,
        Command::Keys { command: Some(KeysCommand::Rotate), .. } => init::rotate_keys_at(server, json).await,
        Command::Shadow { command: Some(ShadowCommand::Promote { policy, module }), .. } => {
            shadow::promote_at(server, policy, module.as_deref(), json).await
        }
        Command::Module { command } => module::module_at(server, command, json).await,
        Command::Quarantine { command } => quarantine::quarantine_at(server, command, json).await,
        // What no server does was refused before one was chosen.
        _ => Err(not_offered("this command", "give it beside the data with --data DIR")),
    }
}

async fn in_folder(cli: Cli) -> Result<Ending, Failure> {
    let json = cli.json;
    let open = async || {
        let data = Data::open(&Place::of(&cli)?).await?;
        init::say_new(&data);
        Ok::<_, Failure>(data)
    };
    match &cli.command {
        Command::Demo => demo::demo(&cli, json).await,
        Command::Init => init::init(&Place::of(&cli)?, json).await,
        Command::Import(args) => import::import(&open().await?, args, json).await,
        Command::Pull { source, config, anew } => pull::pull(&open().await?, source.as_ref(), config, *anew, json).await,
        Command::Fetch(args) => fetch::fetch(&open().await?, args, json).await,
        Command::Apply { files } => apply::apply(&open().await?, files, json).await,
        Command::Policies => policies::list(&open().await?, json).await,
        Command::Targets => targets::list(&open().await?, json).await,
        Command::Run(args) => run::run(&open().await?, args, json).await,
        Command::Runs { id, policy } => runs::runs(&open().await?, id.as_deref(), policy.as_ref(), json).await,
        Command::Explain { policy, event, chat } => explain::explain(&open().await?, policy, event, chat.as_deref(), json).await,
        Command::Reconcile(args) => reconcile::reconcile(&open().await?, args, json).await,
        Command::Identity { command } => identity::identity(&open().await?, command, json).await,
        Command::Ingest { listen, config } => ingest::ingest(&cli, *listen, config).await,
        Command::Sources => sources::list(&open().await?, json).await,
        Command::Coverage { source } => sources::coverage(&open().await?, source, json).await,
        Command::Replay { run, write, send } => replay::replay(&open().await?, run, Wanted { write: write.as_deref(), send: *send }, json).await,
        Command::Held { policy, command } => held::held(&open().await?, policy.as_ref(), command.as_ref(), json).await,
        Command::Logs { run } => logs::logs(&open().await?, run, json).await,
        Command::Verify { manifests, mail, keys } => verify::verify(manifests, mail.as_deref(), keys, json),
        Command::Audit { platform: true, command } => {
            let place = Place::of(&cli)?;
            audit::audit(command, async || Data::open_platform(&place).await, json).await
        }
        Command::Audit { platform: false, command } => audit::audit(command, open, json).await,
        Command::Lint { files, profile, max_size } => lint::lint(files, *profile, *max_size, json),
        Command::Keys { command: Some(KeysCommand::Rotate), .. } => init::rotate_keys(&open().await?, json).await,
        Command::Keys { command: None, write_identity } => init::keys(&open().await?, write_identity.as_deref(), json).await,
        Command::Alerts => alerts::alerts(&Place::of(&cli)?, json),
        Command::Doctor { offline } => doctor::doctor(&cli, *offline, json).await,
        Command::Serve { config, .. } => serve::serve(&cli, config.as_deref()).await,
        Command::Tenant { command } => tenant::tenant(&Place::of(&cli)?, command, json).await,
        Command::Secret { command } => secret::secret(&open().await?, command, json).await,
        Command::Token { command } => token::token(&Place::of(&cli)?, command, json).await,
        Command::Proposal { command } => proposal::proposal(&open().await?, command, json).await,
        Command::Inbox { listen, maildir } => inbox::inbox(*listen, maildir, json).await,
        Command::Module { command } => module::module(&open().await?, command, json).await,
        Command::Shadow { policy, command } => shadow::shadow(&open().await?, policy.as_ref(), command.as_ref(), json).await,
        Command::Bill { month, csv } => bill::bill(&open().await?, *month, *csv, json).await,
        Command::Backup { to, keep } => backup::backup(&Place::of(&cli)?, to, *keep, json).await,
        Command::Restore { from } => backup::restore(&cli, from, json).await,
        Command::Retention { command } => keeping::retention(&open().await?, command, json).await,
        Command::Hold { command } => keeping::hold(&open().await?, command, json).await,
        Command::Erase(args) => keeping::erase(&open().await?, args, json).await,
        Command::Quarantine { command } => quarantine::quarantine(&open().await?, command, json).await,
        Command::Filter { command } => filter::filter(&cli, command).await,
    }
}
