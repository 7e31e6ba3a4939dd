//! What can be asked for on the command line.

#![expect(clippy::doc_markdown, reason = "clap shows these texts as they stand")]

mod filter;
mod keeping;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use consign_model::access::Role;
use consign_model::quota::Weight;
use consign_model::target::{ByteSize, Profile};
use consign_model::{Digest, Name, Timestamp};
use consign_service::bill::Month;
use consign_source::Format;

pub use filter::{BenchArgs, CaptureArgs, EventsArgs, FilterCommand, FilterKind, FilterLanguage, RunFilterArgs, TestArgs};
pub use keeping::{EraseArgs, HoldCommand, PlaceArgs, RetentionCommand};
pub use server::{OnLine, ServerArgs};

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
    /// Which server is asked.
    #[command(flatten)]
    pub server: ServerArgs,
    /// The tenant [default: default; with --server the token's own]
    #[arg(long, global = true, env = "CONSIGN_TENANT", value_name = "NAME")]
    pub tenant: Option<Name>,
    /// Who gives the command, for the audit log: it is written beside what the operating system says, not in its place. With --server it is the token's name that is written
    #[arg(long, global = true, env = "CONSIGN_BY", value_name = "TEXT")]
    pub by: Option<String>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// How the log is written: for people, or an object a line for programs
    #[arg(long, global = true, env = "CONSIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, hide_default_value = true, hide_possible_values = true, value_name = "text|json")]
    pub log_format: LogFormat,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// As the command line and the environment say; ends the program where they can't be understood.
    pub fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.server.on_line = OnLine::of(&matches);
        cli
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines.
    Text,
    /// An object a line.
    Json,
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
    /// Take events in as they happen, by HTTP and from watched folders, until interrupted
    Ingest {
        /// The address to listen on; port 0 takes any that is free
        #[arg(long, value_name = "ADDR")]
        listen: SocketAddr,
        /// A TOML file that names the sources
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Ask the platforms that are asked (teams-export, slack-discovery) for what has come since the last time, now
    Pull {
        /// Only this source
        #[arg(value_name = "SOURCE")]
        source: Option<Name>,
        /// The TOML file that names the sources
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Begin at the beginning: read again what could not be read, by an upgrade or in a form that was mended; what is there is stored once
        #[arg(long)]
        anew: bool,
    },
    /// Fetch files that events name by their addresses, where a rule allows it; or list what is not there, and why
    Fetch(FetchArgs),
    /// Check targets and policies, and put them into force
    Apply {
        /// TOML files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the policies, with when each runs next
    Policies,
    /// List the targets: where e-mails go
    Targets,
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
    /// Account for every event of a period: exported, left out, held, or not yet due
    Reconcile(ReconcileArgs),
    /// Say who platforms' users are to you: addresses, persons, who is recorded and when, departments
    Identity {
        /// What to do
        #[command(subcommand)]
        command: IdentityCommand,
    },
    /// List the sources, with what each gives and what it does not: edits, deletions, memberships, …
    Sources,
    /// Say of a source's chats who is captured, when, and what may be missing
    Coverage {
        /// The source
        #[arg(value_name = "SOURCE")]
        source: Name,
    },
    /// Make a run again from its record, and see that every verdict and every byte is the same; sends nothing
    Replay {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
        /// Write the e-mails into this folder
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
        /// Send the e-mails that the archive had accepted to it once more, each marked by the header X-Consign-Replay
        #[arg(long)]
        send: bool,
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
    /// Check manifests, their chain, and a mailbox against them, offline
    Verify {
        /// The manifest, several of a policy, or a folder of them: of several the chain is checked, and what one run had to hold a later one may have sent. With --server also ids of runs, whose manifests are fetched and checked here
        #[arg(required = true, value_name = "MANIFEST")]
        manifests: Vec<PathBuf>,
        /// A Maildir, an mbox file, or a folder of .eml files
        #[arg(long, value_name = "PATH")]
        mail: Option<PathBuf>,
        /// The tenant's public key (see `consign keys`); several times, the oldest first, where it has had others. Without it the manifest is checked against the key that stands in it
        #[arg(long = "key", value_name = "BASE64")]
        keys: Vec<String>,
    },
    /// Say what is wrong with e-mails for an archive: exit code 0 if nothing is, 1 if anything
    Lint {
        /// E-mails, one a file
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The archive's rules: plain, global-relay, enterprise-vault or exchange-journal
        #[arg(long)]
        profile: Profile,
        /// The largest e-mail that the archive takes, as "25 MiB"
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_size: Option<ByteSize>,
    },
    /// Show the tenant's public keys; change them for new ones; or write the private ones down that open its files, for age
    #[command(args_conflicts_with_subcommands = true)]
    Keys {
        /// What to do [default: show them]
        #[command(subcommand)]
        command: Option<KeysCommand>,
        /// Write the private keys into this new file, that only you can read: with it 'age -d -i FILE' opens every file of the tenant without Consign. The audit log says so
        #[arg(long, value_name = "FILE")]
        write_identity: Option<PathBuf>,
    },
    /// The log of who changed what, and which runs there were: list it, export it, check it
    Audit {
        /// The installation's own, which tells of tokens of the installation and of tenants that were removed, instead of a tenant's
        #[arg(long)]
        platform: bool,
        /// What to do
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// List the alerts that fire: what is held, down, silent or broken, as `serve` last saw it, also while it runs
    Alerts,
    /// Look at everything that the installation rests on, of all tenants or, with --tenant, one, and say what is wrong: exit code 3 if anything
    Doctor {
        /// Ask no target
        #[arg(long)]
        offline: bool,
    },
    /// Run all tenants' policies when they are due (or, with --tenant, one's), answer the API, and say a line about each run
    Serve {
        /// Settings (TOML): data, master-key-file, tenant, [api], [alerts], [metrics], [ingest]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where an OpenTelemetry collector takes traces by HTTP, as http://127.0.0.1:4318: of runs, imports and requests, with names and figures alone
        #[arg(long, env = "CONSIGN_TRACES", value_name = "URL")]
        traces: Option<String>,
    },
    /// Make tenants, list them, and say what each may use
    Tenant {
        /// What to do
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Keep secrets that targets sign in with, sealed under the tenant's keys: nothing shows them again
    Secret {
        /// What to do
        #[command(subcommand)]
        command: SecretCommand,
    },
    /// Make tokens for who comes over the network, list them, take them back
    Token {
        /// What to do
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Look at what waits for a second person, and approve it or not; or ask for two people
    Proposal {
        /// What to do
        #[command(subcommand)]
        command: ProposalCommand,
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
    /// Take in filter modules, and look at them
    Module {
        /// What to do
        #[command(subcommand)]
        command: ModuleCommand,
    },
    /// Show what a policy's shadows would have done otherwise; or put one in place
    #[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
    Shadow {
        /// The policy
        policy: Option<Name>,
        /// What to do
        #[command(subcommand)]
        command: Option<ShadowCommand>,
    },
    /// List the modules that policies do not run any more, since they failed too often; or release one
    Quarantine {
        /// What to do
        #[command(subcommand)]
        command: QuarantineCommand,
    },
    /// Show what a tenant has used in a month: events, e-mails, bytes, and its modules' processor time
    Bill {
        /// The month, of UTC, as 2026-03 [default: this one]
        #[arg(long, value_name = "MONTH")]
        month: Option<Month>,
        /// As CSV
        #[arg(long)]
        csv: bool,
    },
    /// Make a backup of the data folder: what is new since the last one in DIR is copied
    Backup {
        /// Where to; better on another disk
        #[arg(value_name = "DIR")]
        to: PathBuf,
        /// How many backups stay in DIR, with this one [default: all]
        #[arg(long, value_name = "N")]
        keep: Option<usize>,
    },
    /// Put a backup back, into a new data folder that --data names; says what it can't know
    Restore {
        /// What 'backup' wrote into, for the newest; or one of the times in it
        #[arg(value_name = "BACKUP")]
        from: PathBuf,
    },
    /// Say how long events are kept, and delete what is over
    Retention {
        /// What to do
        #[command(subcommand)]
        command: RetentionCommand,
    },
    /// Legal holds: what they cover is not deleted
    Hold {
        /// What to do
        #[command(subcommand)]
        command: HoldCommand,
    },
    /// Erase a user's events, with a certificate in the audit log
    Erase(EraseArgs),
    /// Write filter modules: make, build, check, test, run and measure them
    Filter {
        /// What to do
        #[command(subcommand)]
        command: FilterCommand,
    },
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    let date = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    Timestamp::parse(text).or_else(|_| date()).map_err(|_| "not a date: write it as 2026-03-01 (UTC) or 2026-03-01T08:00:00Z")
}

fn size(text: &str) -> Result<ByteSize, &'static str> {
    ByteSize::parse(text).ok_or("not a size: write it as \"25 MiB\"")
}

/// `import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file or folder
    pub file: PathBuf,
    /// What it is: slack, mattermost, teams, discord, matrix or jsonl; told from what stands in it where that is certain
    #[arg(long)]
    pub format: Option<Format>,
    /// The source that it comes from: a name of your choice, always the same for the same platform
    #[arg(long)]
    pub source: Name,
}

/// `fetch`
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Only files of this source
    #[arg(value_name = "SOURCE", required_unless_present = "config")]
    pub source: Option<Name>,
    /// The TOML file with the rules ([[fetch]]); listing needs none
    #[arg(long, value_name = "FILE", required_unless_present = "list")]
    pub config: Option<PathBuf>,
    /// List what is not there instead: waiting, gone or unreadable
    #[arg(long, requires = "source", conflicts_with_all = ["again", "look_for"])]
    pub list: bool,
    /// Try what is gone or unreadable again, too
    #[arg(long, requires = "source")]
    pub again: bool,
    /// First go through all events of the source for files that are missing: for what an earlier release imported
    #[arg(long, requires = "source")]
    pub look_for: bool,
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

/// `reconcile`
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// The policy
    pub policy: Name,
    /// From this date (UTC) or time on, by the events' own times [default: the first event]
    #[arg(long, value_name = "DATE", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Up to this date or time, which does not belong to it [default: the last event]
    #[arg(long, value_name = "DATE", value_parser = time)]
    pub to: Option<Timestamp>,
    /// Write a line of JSON about each event into this file
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
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

/// `secret`
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Keep a secret, which is read from standard input, in the place of one of its name: a target says password = { secret = "NAME" }
    Keep {
        /// Its name
        name: Name,
    },
    /// List the names of secrets
    List,
    /// Forget a secret
    Remove {
        /// Its name
        name: Name,
    },
}

/// `tenant`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant, with keys of its own; one that is there stays as it is
    Create {
        /// Its name
        name: Name,
    },
    /// List the tenants
    List {
        /// Those that were removed instead
        #[arg(long)]
        removed: bool,
    },
    /// Remove a tenant, and destroy everything that it has: nothing brings it back. Refused where a legal hold covers something of it, or a policy owes something to an archive. Removed
    /// again it goes on where it was cut off
    Remove {
        /// Its name, which is given to no other
        name: Name,
        /// Why: it stays, and stands in the installation's audit log
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Also where policies have not done with what it has: that is exported to nobody then
        #[arg(long)]
        even_owed: bool,
        /// Write its audit log and its manifests, by which it can still prove what it exported, into this new folder before
        #[arg(long, value_name = "DIR")]
        hand_over: Option<PathBuf>,
    },
    /// Show what a tenant may use of this installation, and what it uses
    Show {
        /// Its name
        name: Name,
    },
    /// Say what a tenant may use, and its share where places of work are scarce; what is not named stays as it is
    Quota(QuotaArgs),
}

/// `tenant quota`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub struct QuotaArgs {
    /// The tenant
    pub name: Name,
    /// Processor time of its modules on a day of UTC: 2h; beyond it they have what other tenants leave, and nothing is left undone. none: no limit
    #[arg(long, value_name = "TIME", group = "what", value_parser = at_most(span_seconds))]
    pub cpu: Option<AtMost>,
    /// Memory of one instance of a module: "32 MiB"
    #[arg(long, value_name = "SIZE", group = "what", value_parser = at_most(size_bytes))]
    pub memory: Option<AtMost>,
    /// Modules that it has uploaded
    #[arg(long, value_name = "NUMBER", group = "what", value_parser = at_most(how_many))]
    pub modules: Option<AtMost>,
    /// Their bytes together, as they are compiled: "500 MB"
    #[arg(long, value_name = "SIZE", group = "what", value_parser = at_most(size_bytes))]
    pub compiled: Option<AtMost>,
    /// Bytes in its archive: "50 GiB"; when there are as many, events are refused, to be sent again
    #[arg(long, value_name = "SIZE", group = "what", value_parser = at_most(size_bytes))]
    pub storage: Option<AtMost>,
    /// Requests to the API and the console in a minute
    #[arg(long, value_name = "NUMBER", group = "what", value_parser = at_most(how_many))]
    pub requests: Option<AtMost>,
    /// Its share where places of work are scarce, from 1 to 100: one with twice the weight has twice as much; who has none set has 10
    #[arg(long, value_name = "NUMBER", group = "what")]
    pub weight: Option<Weight>,
}

/// A limit, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtMost(pub Option<u64>);

/// Reads a limit by how its figure is read; `none` is no limit.
fn at_most(read: fn(&str) -> Result<u64, String>) -> impl Fn(&str) -> Result<AtMost, String> + Clone {
    move |text| if text == "none" { Ok(AtMost(None)) } else { read(text).map(|limit| AtMost(Some(limit))) }
}

fn span_seconds(text: &str) -> Result<u64, String> {
    keeping::span(text).map(|span| span.0.as_secs())
}

fn size_bytes(text: &str) -> Result<u64, String> {
    size(text).map(|size| size.0).map_err(str::to_owned)
}

fn how_many(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a number; none is no limit".to_owned())
}

/// `token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token of the tenant, or for platform-administrator of the installation; its text is shown this once
    Create {
        /// Who or what will have it
        name: Name,
        /// What it may do: platform-administrator, tenant-administrator, policy-author, module-developer, auditor or ingest
        #[arg(long, value_parser = role)]
        role: Role,
        /// For how many days [default: until it is revoked]
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: Option<u16>,
    },
    /// Make a link that signs somebody in to the console once, who has no token yet; it is shown this once
    Link {
        /// Who will use it
        name: Name,
        /// What the session may do
        #[arg(long, value_parser = role, default_value = "tenant-administrator")]
        role: Role,
        /// For how long it can be used, a week at most
        #[arg(long, value_parser = within, default_value = "1h", value_name = "TIME")]
        within: Duration,
        /// Where a browser finds the console [default: http://127.0.0.1:8480; with --server as that says]
        #[arg(long, value_name = "URL")]
        console: Option<String>,
    },
    /// List the tenant's tokens and links
    List {
        /// Those of the installation instead
        #[arg(long)]
        platform: bool,
    },
    /// Take a token back: from now on it is worth nothing
    Revoke {
        /// As the list has it
        id: Name,
        /// One of the installation
        #[arg(long)]
        platform: bool,
    },
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::try_from(text.to_owned()).map_err(|_| "64 hexadecimal digits".to_owned())
}

/// A link's time.
fn within(text: &str) -> Result<Duration, String> {
    let time: Duration = text.parse::<humantime::Duration>().map_err(|error| format!("{error}: write 30m, or 2h"))?.into();
    let (least, most) = (Duration::from_mins(1), Duration::from_hours(7 * 24));
    if (least..=most).contains(&time) { Ok(time) } else { Err("1 minute to 7 days".to_owned()) }
}

fn role(text: &str) -> Result<Role, String> {
    let all = Role::ALL.map(Role::word).join(", ");
    Role::ALL.into_iter().find(|role| role.word() == text).ok_or_else(|| format!("not a role: {all}"))
}

/// `proposal`
#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// List the tenant's proposals
    List,
    /// Show what one would change
    Show {
        /// As the list has it
        id: String,
    },
    /// Put into force what another person has proposed
    Approve {
        /// As the list has it
        id: String,
        /// Its digest, as 'show' has it
        #[arg(value_parser = digest)]
        digest: Digest,
    },
    /// Put an end to a proposal
    Reject {
        /// As the list has it
        id: String,
    },
    /// Have dangerous changes take two people, or one again, which takes two itself: new and changed targets, and letting a module see into messages
    TwoPeople {
        /// Two
        #[arg(value_enum)]
        is: OnOff,
    },
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// It is so.
    On,
    /// It is not.
    Off,
}

/// `module`
#[derive(Debug, Subcommand)]
pub enum ModuleCommand {
    /// Check, compile and try a module, and take it in
    Push {
        /// The component, as 'consign filter build' makes it
        file: PathBuf,
        /// A detached signature of it: minisign's, or a bare Ed25519 one
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// Take it without a signature, although the tenant has keys
        #[arg(long, conflicts_with = "signature")]
        unsigned: bool,
    },
    /// List the modules that policies can name
    List,
    /// Show a module: what it is and reads, what came of trying it, who signed it, which policies use it
    Show {
        /// name, name@version or sha256:<digest>
        module: String,
    },
    /// Compile and try modules again as policies bind them, and say which are not what they were
    Recheck {
        /// Only this one: name, name@version or sha256:<digest>
        module: Option<String>,
    },
    /// The keys by which the tenant's modules are signed
    Keys {
        /// What to do
        #[command(subcommand)]
        command: ModuleKeysCommand,
    },
}

/// `keys`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Give the tenant new keys: files are encrypted and manifests signed with them from now on. What is there opens with the earlier ones, which stay, and is not encrypted anew
    Rotate,
}

/// `module keys`
#[derive(Debug, Subcommand)]
pub enum ModuleKeysCommand {
    /// Add a public key: from now on modules without a signature are refused
    Add {
        /// A name of your choice
        name: Name,
        /// A file with the key, or the key itself: minisign's, or Ed25519 as PEM, base64 or hexadecimal
        #[arg(value_name = "KEYFILE|KEY")]
        key: String,
    },
    /// List the keys
    List,
    /// Take a key away; modules that were signed with it stay
    Remove {
        /// Its name
        name: Name,
    },
}

/// `shadow`
#[derive(Debug, Subcommand)]
pub enum ShadowCommand {
    /// Make a version of the policy with its shadow in place, and say what to change in its file
    Promote {
        /// The policy
        policy: Name,
        /// Which shadow, where it has several: name@version
        module: Option<String>,
    },
}

/// `audit`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no entry was changed, removed or inserted, and that the end was not cut off
    Verify {
        /// A file that `audit export` wrote, checked offline; without it the log of the data folder is checked, or with --server the server's, here
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The tenant's public key (see `consign keys`), best from where you keep it yourself; one that it has had is as good, since the log leads from each key to the next
        #[arg(long, value_name = "BASE64")]
        key: Option<String>,
        /// Manifests, or folders of them, which name the log's end of their time [default: those of the data folder; for a file none]
        #[arg(long, value_name = "PATH")]
        manifest: Vec<PathBuf>,
    },
    /// List the entries, oldest first
    List {
        /// Only so many, the newest
        #[arg(long, value_name = "COUNT")]
        last: Option<u64>,
    },
    /// Write the log into a file: JSON lines, with its signed head as the last one
    Export {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `identity`
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Put a map in the place of the one before: CSV with a head, or TOML
    #[command(after_help = IDENTITY_HELP)]
    Apply {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The source of users for whom the map names none
        #[arg(long, value_name = "NAME")]
        source: Option<Name>,
    },
    /// Say whom the map in force names, and whom it does not
    List,
}

const IDENTITY_HELP: &str = "Columns: source, id (the platform's own id of the user), name, email, person, recorded (yes or no), recorded-from, recorded-until (dates, the last one included); any other column is an attribute (department). Several rows of one user add times of recording. In TOML: [[identity]] with the same fields, recorded = true, false or [{ from = \"…\", until = \"…\" }], attributes = { … }";

/// `quarantine`
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List quarantines, with those that are over
    List {
        /// Only this policy's
        policy: Option<Name>,
    },
    /// Let a policy run its module again
    Release {
        /// The policy
        policy: Name,
        /// Which module, where it has several: its SHA-256; the first digits are enough
        digest: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
