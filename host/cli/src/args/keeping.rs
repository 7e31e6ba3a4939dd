//! `retention`, `hold` and `erase`.

use clap::{Args, Subcommand, ValueEnum};
use consign_model::keeping::CountedFrom;
use consign_model::{Name, Span, Timestamp};

use super::time;

/// A length of time.
pub(super) fn span(text: &str) -> Result<Span, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| error.to_string())
}

/// `retention`
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show the rules and the legal holds
    List,
    /// Say how long events are kept: of one source, or of all that have no rule of their own
    Set {
        /// How long: "7 years", "90 days"
        #[arg(value_name = "TIME", value_parser = span)]
        keep: Span,
        /// Of this source only
        #[arg(long, value_name = "NAME")]
        source: Option<Name>,
        /// Counted from when the event happened, or from when the last policy was done with it
        #[arg(long, value_enum, default_value_t = From::Event)]
        counted_from: From,
    },
    /// Take a rule back: from now on such events are kept for ever
    Unset {
        /// Of this source; without it the rule for all others
        #[arg(long, value_name = "NAME")]
        source: Option<Name>,
    },
    /// Delete what is over now, as `serve` does by itself
    Run {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

/// From when on the time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// From when it happened
    Event,
    /// From when the last policy was done with it
    Export,
}

impl From {
    /// As a rule has it.
    pub fn counted(self) -> CountedFrom {
        match self {
            Self::Event => CountedFrom::Event,
            Self::Export => CountedFrom::Export,
        }
    }
}

/// `hold`
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// List the legal holds
    List,
    /// Place one: what it covers is neither deleted by a rule nor erased
    Place(PlaceArgs),
    /// Lift one
    Lift {
        /// Its name
        name: Name,
    },
}

/// `hold place`; without --source, --chat, --user and times it covers everything
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// A name for it
    pub name: Name,
    /// Why: the matter's number, say. It stands in the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<Name>,
    /// Only of the chat with this id
    #[arg(long, value_name = "ID")]
    pub chat: Option<String>,
    /// All chats in which the user with this id is known to have been, whoever wrote there
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Of events from this time on: 2026-03-01 (UTC) or 2026-03-01T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Of events before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Timestamp>,
}

/// `erase`
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// The source
    #[arg(long, value_name = "NAME")]
    pub source: Name,
    /// The platform's own id of the user
    #[arg(long, value_name = "ID")]
    pub user: String,
    /// Why: who asked for it, say. It stands in the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
}
