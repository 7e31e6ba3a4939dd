//! `std/per-chat`: an e-mail for each chat and window, or for each day, thread or stretch of talk in it.
//!
//! A group's key depends on its events alone: the local date, the thread's root, the first event after the pause. So an event that is grouped again, in
//! a later run or on another machine, comes under the same key. Batches come one after the other and can't be looked back into; so a thread begins
//! with the first message, answered or not, because the answer may come in the next batch.

mod split;

use consign_filter::text::one_line;
use consign_filter::{Chat, ChatKind, ConfigError, Failure, Group, Grouping, Manifest, Need, NoRules, Placement, Schema, View, config_error};
use serde::Deserialize;
use split::{ByDay, ByIdle, ByThread};

/// The configuration; `config.schema.json` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    split: Option<SplitConfig>,
    idle_minutes: Option<i64>,
    time_zone: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SplitConfig {
    Day,
    Thread,
    Idle,
}

const MOST_IDLE_MINUTES: i64 = 365 * 24 * 60;

/// The grouping.
#[derive(Debug)]
pub struct PerChat {
    split: Split,
    zone: String,
    /// How titles begin.
    chat: String,
}

#[derive(Debug)]
enum Split {
    /// Whether there was any event.
    None {
        any: bool,
    },
    Day(ByDay),
    Thread(ByThread),
    Idle(ByIdle),
}

impl Grouping for PerChat {
    type Config = Config;
    type Rule = NoRules;
    const MANIFEST: Manifest = Manifest {
        name: "std/per-chat",
        version: env!("CARGO_PKG_VERSION"),
        summary: "One e-mail for each chat, or for each of its days, threads or stretches of talk.",
        needs: &[Need::Titles, Need::Times, Need::Ids, Need::References],
        config_schema: Schema::Written(include_str!("../config.schema.json")),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        if config.split.is_none() && config.time_zone.is_some() {
            errors.push(config_error("/time-zone", "goes with \"split\", which is not given"));
        }
        if config.time_zone.as_ref().is_some_and(String::is_empty) {
            errors.push(config_error("/time-zone", "name a time zone, such as Europe/Berlin"));
        }
        match (config.split, config.idle_minutes) {
            (Some(SplitConfig::Idle), None) => {
                errors.push(config_error("", "\"split\": \"idle\" needs \"idle-minutes\""));
            }
            (Some(SplitConfig::Idle), Some(minutes)) if !(1..=MOST_IDLE_MINUTES).contains(&minutes) => {
                let message = format!("from 1 to {MOST_IDLE_MINUTES} (a year)");
                errors.push(config_error("/idle-minutes", message));
            }
            (Some(SplitConfig::Idle), Some(_)) | (_, None) => {}
            (_, Some(_)) => errors.push(config_error("/idle-minutes", "goes with \"split\": \"idle\"")),
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let split = match config.split {
            None => Split::None { any: false },
            Some(SplitConfig::Day) => Split::Day(ByDay::default()),
            Some(SplitConfig::Thread) => Split::Thread(ByThread::default()),
            Some(SplitConfig::Idle) => Split::Idle(ByIdle::new(config.idle_minutes.unwrap_or(1))),
        };
        Ok(Self { split, zone: config.time_zone.unwrap_or_else(|| "UTC".to_owned()), chat: String::new() })
    }

    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<(), Failure> {
        let title = chat.title().map(|title| one_line(&title));
        let title = title.filter(|title| !title.is_empty());
        self.chat = title.unwrap_or_else(|| {
            let kind = match chat.kind() {
                ChatKind::Direct => "Direct chat",
                ChatKind::Group => "Group chat",
                ChatKind::Channel => "Channel",
                ChatKind::Meeting => "Meeting",
                ChatKind::Other => "Chat",
            };
            one_line(&format!("{kind} {}", chat.id()))
        });
        Ok(())
    }

    fn place(&mut self, events: &dyn View) -> Result<Placement<NoRules>, Failure> {
        match &mut self.split {
            Split::None { any } => {
                let mut placement = Placement::new();
                placement.assign(0..events.len(), 0);
                *any |= !events.is_empty();
                Ok(placement)
            }
            Split::Day(split) => split.place(events, &self.zone),
            Split::Thread(split) => split.place(events, &self.zone),
            Split::Idle(split) => split.place(events, &self.zone),
        }
    }

    fn finish_chat(&mut self) -> Result<Vec<Group>, Failure> {
        let chat = &self.chat;
        Ok(match &self.split {
            Split::None { any: false } => Vec::new(),
            Split::None { any: true } => vec![Group { key: "chat".to_owned(), title: chat.clone(), subject: None, labels: Vec::new() }],
            Split::Day(split) => split.groups(chat),
            Split::Thread(split) => split.groups(chat),
            Split::Idle(split) => split.groups(chat),
        })
    }
}

consign_filter::export_grouping!(PerChat);

#[cfg(test)]
mod tests;
