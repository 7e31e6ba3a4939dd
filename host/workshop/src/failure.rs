//! How a module's failure is told, in every command alike: module, chat, event, the call and what is wrong, what the module logged, and the functions that
//! were at work. "unreachable executed" alone helps nobody.

use std::fmt;
use std::time::Duration;

use consign_model::Timestamp;
use consign_model::module::{FaultClass, Tier};
use consign_sandbox::{Bound, Failure, Level, Located, LogLine, Module, locate};
use serde::Serialize;

use crate::judge::Batches;

/// How long the event at which a module fails is looked for. A module that runs into its deadline takes as long again each time.
const LOCATING: Duration = Duration::from_mins(1);

/// Lines of the log that stand with a failure: the last ones, since a panic is logged last.
const LOG_LINES: usize = 20;

/// Bytes of what a module says that are told: it may hold all of a chat.
const SAID: usize = 4 << 10;

/// One line that a module logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `debug`, `info`, `warn`, `error`
    pub level: &'static str,
    /// Its words.
    pub text: String,
}

impl From<LogLine> for Line {
    fn from(line: LogLine) -> Self {
        let level = match line.level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        Self { level, text: line.message.into_text() }
    }
}

/// An event by which a place is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventPlace {
    /// Its id.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// Which of the window's events it is, counted from 1.
    pub number: u64,
}

/// Where in a chat a module fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Where {
    /// Before or after the events.
    Chat,
    /// At this event.
    Event(EventPlace),
    /// Somewhere in these: there was no time to look closer, or no single event does it.
    Events {
        /// The first.
        first: EventPlace,
        /// The last.
        last: EventPlace,
    },
    /// It failed once and did not when it was tried again: it is not deterministic, or the machine was busy.
    NotAgain,
}

/// A module's failure on a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureReport {
    /// `name@version`
    pub module: String,
    /// The chat's id; none where it failed with the configuration, before any.
    pub chat: Option<String>,
    /// What kind of fault.
    pub class: FaultClass,
    /// What the server says of it.
    pub text: String,
    /// At which event.
    #[serde(rename = "where")]
    pub place: Where,
    /// What there is to say beside the text.
    #[serde(flatten)]
    pub details: Details,
}

/// What there is to say of a failure beside its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The words with which it gave up, and what it says of its configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
    /// What it logged before, the last lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
    /// The module's functions at work, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// What such a failure often comes from in the language of the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
}

impl Details {
    /// Of a failure of this module, after these lines of its log.
    pub fn of(module: &Module, failure: &Failure, mut logs: Vec<Line>) -> Self {
        logs.drain(..logs.len().saturating_sub(LOG_LINES));
        let (said, backtrace) = match failure {
            Failure::Guest { said, .. } => (vec![cut(said.expose())], Vec::new()),
            Failure::Configuration { errors } => (errors.iter().map(ToString::to_string).collect(), Vec::new()),
            Failure::Trapped { backtrace, .. } => (Vec::new(), backtrace.iter().map(ToString::to_string).collect()),
            _ => (Vec::new(), Vec::new()),
        };
        let trapped = matches!(failure, Failure::Trapped { .. });
        let hint = match module.facts().tier {
            Tier::Python if trapped => {
                Some("an exception that nothing caught ends so in Python: let `@told` of the template stand before the call, and it says which")
            }
            Tier::JavaScript if trapped => {
                Some("an exception that nothing caught ends so in JavaScript: let `told` of the template go around the calls, and it says which")
            }
            Tier::Native | Tier::JavaScript | Tier::Python => None,
        };
        Self { said, logs, backtrace, hint }
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(SAID);
    let (kept, rest) = text.split_at(end);
    if rest.is_empty() { kept.to_owned() } else { format!("{kept}… ({} bytes more)", rest.len()) }
}

impl fmt::Display for Details {
    /// Lines, each with a line break before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for text in &self.said {
            write!(f, "\n  it says: {text}")?;
        }
        for line in &self.logs {
            write!(f, "\n  log {}: {}", line.level, line.text)?;
        }
        for (number, frame) in self.backtrace.iter().enumerate() {
            write!(f, "\n  {number:>2}: {frame}")?;
        }
        self.hint.map_or(Ok(()), |hint| write!(f, "\n  hint: {hint}"))
    }
}

impl FailureReport {
    /// Tells a failure that came with the configuration alone.
    pub fn configuring(module: &Module, failure: &Failure) -> Self {
        let manifest = module.manifest();
        Self {
            module: format!("{}@{}", manifest.name, manifest.version),
            chat: None,
            class: failure.class(),
            text: failure.to_string(),
            place: Where::Chat,
            details: Details::of(module, failure, Vec::new()),
        }
    }

    /// Tells a failure, and looks for the event at which it comes. `batch` is the one that was at work; unset before the first and after the last.
    pub fn new(bound: &Bound, failure: &Failure, logs: Vec<Line>, chat: &mut dyn Batches, batch: Option<usize>) -> Self {
        let manifest = bound.module().manifest();
        let details = Details::of(bound.module(), failure, logs);
        Self {
            module: format!("{}@{}", manifest.name, manifest.version),
            chat: Some(chat.context().facts().chat.key.id.clone()),
            class: failure.class(),
            text: failure.to_string(),
            place: batch.map_or(Where::Chat, |batch| find(bound, failure.class(), chat, batch)),
            details,
        }
    }
}

/// The event at which it fails, as the sandbox finds it by trying parts of the batch.
fn find(bound: &Bound, class: FaultClass, chat: &mut dyn Batches, batch: usize) -> Where {
    let views: Result<Vec<_>, _> = (0..=batch).map(|index| chat.view(index)).collect();
    let Ok(mut views) = views else { return Where::Chat };
    let Some(failing) = views.pop() else { return Where::Chat };
    let before: u64 = views.iter().map(|view| view.len() as u64).sum();
    let place = |row: u32| EventPlace {
        id: failing.batch().ids.get(row as usize).to_owned(),
        at: Timestamp(failing.batch().times.get(row as usize).copied().unwrap_or_default()),
        number: before + u64::from(row) + 1,
    };
    match locate(bound, chat.context(), &views, &failing, class, LOCATING) {
        Located::Event(row) => Where::Event(place(row)),
        Located::Rows { first, last } => Where::Events { first: place(first), last: place(last) },
        Located::NotAgain => Where::NotAgain,
    }
}

impl fmt::Display for EventPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, number {} of the chat)", self.id, self.at, self.number)
    }
}

impl fmt::Display for FailureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.chat.as_deref().map_or_else(|| "with this configuration".to_owned(), |chat| format!("on chat {chat}"));
        write!(f, "{} fails {on} ({}): {}", self.module, self.class.word(), self.text)?;
        match &self.place {
            Where::Chat => {}
            Where::Event(event) => write!(f, "\n  at event {event}")?,
            Where::Events { first, last } => write!(f, "\n  in the events from {first}\n  to {last}")?,
            Where::NotAgain => f.write_str("\n  tried again it did not fail: it is not deterministic, or the machine was busy")?,
        }
        self.details.fmt(f)
    }
}
