//! What can be asked for on the command line.

#![expect(clippy::doc_markdown, reason = "clap shows these texts as they stand")]

mod filter;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use consign_model::Name;
use consign_source::Format;

pub use filter::{BenchArgs, CaptureArgs, EventsArgs, FilterCommand, RunFilterArgs, TestArgs};

/// Exports recorded chats to e-mail archives, by policy, and proves that nothing was lost.
#[derive(Debug, Parser)]
#[command(name = "consign", version, propagate_version = true, max_term_width = 120, arg_required_else_help = true, after_help = LOG_HELP)]
pub struct Cli {
    /// The data folder [default: ~/.local/share/consign]
    #[arg(long, global = true, env = "CONSIGN_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A file with the master key, instead of CONSIGN_MASTER_KEY or master.key in the data folder
    #[arg(long, global = true, env = "CONSIGN_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// The tenant [default: default]
    #[arg(long, global = true, env = "CONSIGN_TENANT", value_name = "NAME")]
    pub tenant: Option<Name>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const LOG_HELP: &str = "The log goes to standard error. CONSIGN_LOG says how much of it: error, warn (the default), info, debug, or by part, as consign_export=debug,warn";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole way on a sample workspace, into a local mailbox
    Demo,
    /// Make the data folder, the master key and the tenant's keys
    Init,
    /// Import an export of a platform: each event is stored once, however often it is imported
    Import(ImportArgs),
    /// Check targets and policies, and put them into force
    Apply {
        /// TOML files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the policies, with when each runs next
    Policies,
    /// Run a policy now
    Run(RunArgs),
    /// List runs, or show one
    Runs {
        /// A run's id
        #[arg(value_name = "ID")]
        id: Option<String>,
        /// Only this policy's
        #[arg(long)]
        policy: Option<Name>,
    },
    /// Say what became of an event, and why
    Explain {
        /// The policy
        policy: Name,
        /// The event's own id (for Slack its ts)
        event: String,
        /// Only in the chat with this id
        #[arg(long)]
        chat: Option<String>,
    },
    /// List what could not be exported, and why; or try it again
    Held {
        /// Only this policy's
        #[arg(long, global = true)]
        policy: Option<Name>,
        /// What to do about it
        #[command(subcommand)]
        command: Option<HeldCommand>,
    },
    /// Show what a run's modules wrote into their logs, and why one gave up: this may hold message text
    Logs {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
    },
    /// Check manifests against a mailbox, offline
    Verify {
        /// The manifest; several of a policy, where what one run had to hold was sent by a later one
        #[arg(required = true, value_name = "MANIFEST")]
        manifests: Vec<PathBuf>,
        /// A Maildir, an mbox file, or a folder of .eml files
        #[arg(long, value_name = "PATH")]
        mail: PathBuf,
        /// The tenant's public key (see `consign keys`): without it the manifest is checked against the key that stands in it
        #[arg(long, value_name = "BASE64")]
        key: Option<String>,
    },
    /// Show the tenant's public keys
    Keys,
    /// Run policies when they are due, and say a line about each run
    Serve {
        /// Settings (TOML): data, master-key-file, tenant
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Receive e-mails into a Maildir, for trying things
    Inbox {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:2525", value_name = "ADDR")]
        listen: SocketAddr,
        /// Where the e-mails go
        #[arg(long, value_name = "DIR")]
        maildir: PathBuf,
    },
    /// Write filter modules: build, check, test, run and measure them
    Filter {
        /// What to do
        #[command(subcommand)]
        command: FilterCommand,
    },
}

/// `import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file or folder
    pub file: PathBuf,
    /// What it is: slack (the ZIP, or unpacked) or jsonl (plain, .gz or .zst)
    #[arg(long)]
    pub format: Format,
    /// The source that it comes from: a name of your choice, always the same for the same platform
    #[arg(long)]
    pub source: Name,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The policy
    pub policy: Name,
    /// Send nothing, and write the e-mails into this folder, in place of an earlier preview's
    #[arg(long, value_name = "DIR")]
    pub preview: Option<PathBuf>,
}

/// `held`
#[derive(Debug, Subcommand)]
pub enum HeldCommand {
    /// Run the policy now and try these again; all, where none is named
    Retry {
        /// As `consign held` lists them; the first digits are enough
        ids: Vec<String>,
        /// Under today's policy and target, where nobody can have got anything of them yet
        #[arg(long)]
        current: bool,
        /// Also where an e-mail would have other bytes than the target may have already: send it as it is composed now
        #[arg(long, conflicts_with = "current", requires = "ids")]
        send_changed: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
