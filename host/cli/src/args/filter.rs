//! `filter`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use consign_model::Name;
use consign_source::Format;

/// `filter`
#[derive(Debug, Subcommand)]
pub enum FilterCommand {
    /// Make a new project: a filter that works, with tests, a chat to try it on and a README
    New {
        /// The filter's name, such as acme/no-bots; the project goes into a folder of its last part
        name: String,
        /// What to write it in
        #[arg(long)]
        lang: FilterLanguage,
        /// Whether it says which events are exported, or which e-mails they go into
        #[arg(long)]
        kind: FilterKind,
        /// The folder to make [default: the last part of the name]
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Say what of the toolchain is missing, and the command that brings it
    ///
    /// In a project's folder, or with --lang, it is about one language, and the exit code is 3 where that can't be built. Else it is about all, and the exit
    /// code is 3 where none can.
    Doctor {
        /// One language alone
        #[arg(long)]
        lang: Option<FilterLanguage>,
    },
    /// Build a project in Rust, TypeScript or Python into a component
    Build {
        /// The project's folder
        #[arg(default_value = ".")]
        project: PathBuf,
        /// The file to write [default: <name>.wasm in the project's folder]
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Keep files and lines in it (Rust), so that the backtrace of a trap shows them; it is several times as large
        #[arg(long)]
        debug: bool,
    },
    /// Check components as the server does, and try them on a made-up chat
    Check {
        /// The components
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show what a component is: name, needs, rules, imports, what made it
    Inspect {
        /// The component, or a standard module as std/keywords
        #[arg(value_name = "FILE|NAME")]
        module: PathBuf,
    },
    /// Run a module's cases, and what any module must stand
    Test(TestArgs),
    /// Run a module over chats, and show its verdicts
    Run(RunFilterArgs),
    /// Measure what a module costs, beside one that does nothing
    Bench(BenchArgs),
    /// Make of a chat another one of the same shape with none of its text
    Capture(CaptureArgs),
}

/// `filter test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The folder with filter-tests.yaml or filter-tests.toml, or such a file
    #[arg(default_value = ".", value_name = "FOLDER|FILE")]
    pub path: PathBuf,
    /// Only cases whose name holds this
    #[arg(long, value_name = "TEXT")]
    pub case: Option<String>,
    /// This component, instead of the one that the file names
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// Write snapshots anew
    #[arg(long)]
    pub update: bool,
    /// Only the cases
    #[arg(long)]
    pub no_properties: bool,
    /// Show the texts of events beside their differences
    #[arg(long)]
    pub show_text: bool,
}

/// `filter run`
#[derive(Debug, Args)]
pub struct RunFilterArgs {
    /// The component, or a standard module as std/keywords
    #[arg(value_name = "FILE|NAME")]
    pub module: PathBuf,
    /// Its configuration: JSON, or a file (JSON, TOML, YAML) [default: {}]
    #[arg(long, value_name = "FILE|JSON")]
    pub config: Option<String>,
    /// Which events
    #[command(flatten)]
    pub events: EventsArgs,
    /// The only "now" that the module gets [default: the time of the chat's last event]
    #[arg(long, value_name = "TIME")]
    pub now: Option<String>,
    /// Events that are shown, of each chat; the summary counts all
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: usize,
    /// Run again when the module, its configuration or the events change, and show what the change does
    #[arg(long, conflicts_with = "source")]
    pub watch: bool,
}

/// Where events come from: a file, or the data folder.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct EventsArgs {
    /// A file or folder, as `import` takes it: nothing of it is kept
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub events: Option<PathBuf>,
    /// What the file is [default: slack for a folder or .zip, else jsonl]
    #[arg(long, requires = "events", conflicts_with = "source")]
    pub format: Option<Format>,
    /// A source of the data folder
    #[arg(long, value_name = "NAME")]
    pub source: Option<Name>,
    /// Only the chat with this id
    #[arg(long, value_name = "ID")]
    pub chat: Option<String>,
}

/// `filter bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The component, or a standard module as std/keywords
    #[arg(value_name = "FILE|NAME")]
    pub module: PathBuf,
    /// Its configuration: JSON, or a file (JSON, TOML, YAML) [default: the schema's first example, else {}]
    #[arg(long, value_name = "FILE|JSON")]
    pub config: Option<String>,
    /// Measure on these, instead of made-up chats: a file or folder, as `import` takes it
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// What the file is [default: slack for a folder or .zip, else jsonl]
    #[arg(long, requires = "events")]
    pub format: Option<Format>,
    /// Only the chat with this id
    #[arg(long, value_name = "ID", requires = "events")]
    pub chat: Option<String>,
    /// Rounds that are measured
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
}

/// `filter capture`
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// Which events
    #[command(flatten)]
    pub events: EventsArgs,
    /// The window of the chat that this policy holds, instead of all that has arrived
    #[arg(long, value_name = "NAME", requires = "source", conflicts_with = "events")]
    pub policy: Option<Name>,
    /// The file to write (jsonl); the files that it names go into a folder beside it
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Write over the file where it is there already
    #[arg(long)]
    pub force: bool,
    /// Have the same again: the number that an earlier capture printed
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Keep the words of the configuration, which the tenant wrote himself, wherever they stand
    #[arg(long, requires = "config")]
    pub keep_words: bool,
    /// See whether this module still fails on what comes out: a component, or a standard module as std/keywords
    #[arg(long, value_name = "FILE|NAME")]
    pub module: Option<PathBuf>,
    /// The module's configuration: JSON, or a file (JSON, TOML, YAML)
    #[arg(long, value_name = "FILE|JSON")]
    pub config: Option<String>,
}

/// What a filter is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FilterLanguage {
    /// Rust
    Rust,
    /// TypeScript
    #[value(alias = "typescript")]
    Ts,
    /// Python
    Python,
}

/// What a filter decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FilterKind {
    /// Which events are exported
    Criteria,
    /// Which e-mails they go into
    Grouping,
}
