//! Where a developer's events come from: a file that is laid into a temporary data folder, or the data folder itself.

use std::path::PathBuf;

use consign_export::chats::{Chats, ShownChat, Span};
use consign_model::{ChatKey, Name, Timestamp};
use consign_source::Format;
use consign_workshop::ground::{Events, Ground, Laid, pick};
use tokio::runtime::Handle;

use crate::args::{Cli, EventsArgs};
use crate::data::{Data, Place};
use crate::output::Failure;

/// The name that the source of a file has for the module.
const FILE_SOURCE: &str = "file";

/// Where events come from.
#[derive(Clone)]
pub enum Origin {
    /// A file.
    File {
        /// Where.
        path: PathBuf,
        /// What it is, where that was said.
        format: Option<Format>,
    },
    /// A source of the data folder.
    Source {
        /// Its chats, with those of the tenant's other sources.
        chats: Chats,
        /// Its name.
        source: Name,
    },
}

/// Chats that can be shown to a module.
pub enum Found {
    /// Of a file.
    Laid(Laid, Vec<ChatKey>),
    /// Of the data folder.
    Kept(Chats, Vec<ChatKey>),
}

impl Origin {
    /// As the command line says.
    pub async fn of(cli: &Cli, args: &EventsArgs) -> Result<Self, Failure> {
        match (&args.events, &args.source) {
            (Some(path), _) => Ok(Self::File { path: path.clone(), format: args.format }),
            (None, Some(source)) => {
                let place = Place::of(cli)?;
                // To look at what is not there must not make a data folder with keys of its own.
                if !place.folder.join("store").exists() {
                    let folder = place.folder.display();
                    return Err(Failure::new(format!("{folder} is no data folder: name one with --data, or a file with --events")));
                }
                let data = Data::open(&place).await?;
                Ok(Self::Source { chats: data.exporter.chats(), source: source.clone() })
            }
            (None, None) => Err(Failure::new("say which events: --events FILE, or --source NAME for those of the data folder")),
        }
    }

    /// Brings the events in. Blocks. `refused` is told of lines that can't be read.
    pub fn find(&self, ground: &Ground, chat: Option<&str>, mut refused: impl FnMut(&str)) -> Result<Found, Failure> {
        match self {
            Self::File { path, format } => {
                let laid = ground.lay(&FILE_SOURCE.parse()?, &[Events::file(path, *format)])?;
                laid.imported.iter().flat_map(|one| &one.report.refusals).for_each(|one| refused(&one.to_string()));
                let chats = laid.pick(chat)?;
                Ok(Found::Laid(laid, chats))
            }
            Self::Source { chats, source } => Ok(Found::Kept(chats.clone(), pick(&Handle::current(), chats, source, chat)?)),
        }
    }

    /// The file, where it is one: for who watches it.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Source { .. } => None,
        }
    }
}

impl Found {
    /// The chats.
    pub fn chats(&self) -> &[ChatKey] {
        match self {
            Self::Laid(_, chats) | Self::Kept(_, chats) => chats,
        }
    }

    /// All of a chat, as one window. Blocks.
    pub fn show(&self, chat: &ChatKey, now: Option<Timestamp>) -> Result<Option<ShownChat>, Failure> {
        let chats = match self {
            Self::Laid(laid, _) => &laid.chats,
            Self::Kept(chats, _) => chats,
        };
        Ok(Handle::current().block_on(chats.show(chat, Span { ends_at: now, ..Span::default() }))?)
    }
}
