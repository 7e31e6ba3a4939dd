//! `std/chats`: chats by kind, title, source and labels.
//!
//! It decides when the chat begins, for the whole chat, so that a chat that is left out is not even decrypted.

mod glob;

use consign_filter::text::fold_case;
use consign_filter::{Chat, ChatDecision, ChatKind, ConfigError, Criteria, Failure, Manifest, Need, Schema, Verdict, View, config_error};
use glob::Glob;
use serde::Deserialize;
use std::collections::BTreeMap;

consign_filter::rules! {
    /// Why a chat is left out.
    pub enum Why {
        OtherKind = "other-kind": "the chat is of another kind",
        OtherSource = "other-source": "the chat came from another source",
        OtherTitle = "other-title": "the chat has another title, or none",
        OtherLabel = "other-label": "the chat has not the label, or with another value",
    }
}

/// The configuration; `config.schema.json` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    kinds: Option<Vec<Kind>>,
    title: Option<TitleConfig>,
    sources: Option<Vec<String>>,
    labels: Option<BTreeMap<String, OneOrMore>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Direct,
    Group,
    Channel,
    Meeting,
    Other,
}

impl From<ChatKind> for Kind {
    fn from(kind: ChatKind) -> Self {
        match kind {
            ChatKind::Direct => Self::Direct,
            ChatKind::Group => Self::Group,
            ChatKind::Channel => Self::Channel,
            ChatKind::Meeting => Self::Meeting,
            ChatKind::Other => Self::Other,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TitleConfig {
    contains: Option<Vec<String>>,
    glob: Option<Vec<String>>,
    #[serde(default)]
    ignore_case: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a label's value is a text or a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::More(values) => values,
        }
    }
}

/// The criterion. What is not given is no condition.
#[derive(Debug)]
pub struct Chats {
    kinds: Option<Vec<Kind>>,
    sources: Option<Vec<String>>,
    title: Option<Title>,
    labels: BTreeMap<String, OneOrMore>,
}

#[derive(Debug)]
struct Title {
    contains: Vec<String>,
    globs: Vec<Glob>,
    ignore_case: bool,
}

impl Title {
    fn fits(&self, title: &str) -> bool {
        let title = fold(title, self.ignore_case);
        self.contains.iter().any(|part| title.contains(part)) || self.globs.iter().any(|glob| glob.fits(&title))
    }
}

fn fold(text: &str, ignore_case: bool) -> String {
    if ignore_case { fold_case(text) } else { text.to_owned() }
}

impl Criteria for Chats {
    type Config = Config;
    type Rule = Why;
    const MANIFEST: Manifest = Manifest {
        name: "std/chats",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Chats of some kind, title, source or labels.",
        needs: &[Need::Titles, Need::Labels],
        config_schema: Schema::Written(include_str!("../config.schema.json")),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut filled = |pointer: &str, empty: bool| {
            if empty {
                errors.push(config_error(pointer, "give at least one, or leave this out"));
            }
        };
        filled("/kinds", config.kinds.as_ref().is_some_and(Vec::is_empty));
        filled("/sources", config.sources.as_ref().is_some_and(Vec::is_empty));
        filled("/labels", config.labels.as_ref().is_some_and(BTreeMap::is_empty));
        for (name, values) in config.labels.iter().flatten() {
            let pointer = format!("/labels/{}", name.replace('~', "~0").replace('/', "~1"));
            filled(&pointer, values.as_slice().is_empty());
        }
        if let Config { kinds: None, title: None, sources: None, labels: None } = config {
            let message = "give at least one of \"kinds\", \"title\", \"sources\" and \"labels\"";
            errors.push(config_error("", message));
        }
        let title = config.title.map(|title| read_title(&title, &mut errors));
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { kinds: config.kinds, sources: config.sources, title, labels: config.labels.unwrap_or_default() })
    }

    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<ChatDecision<Why>, Failure> {
        Ok(match self.why_not(chat) {
            Some(why) => ChatDecision::OmitAll(why),
            None => ChatDecision::KeepAll,
        })
    }

    fn evaluate(&mut self, _: &dyn View) -> Result<Vec<Verdict<Why>>, Failure> {
        Err("this module decides by the chat alone, and was asked about events".into())
    }
}

impl Chats {
    fn why_not(&self, chat: &dyn Chat) -> Option<Why> {
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&chat.kind().into())) {
            return Some(Why::OtherKind);
        }
        if self.sources.as_ref().is_some_and(|sources| !sources.contains(&chat.source())) {
            return Some(Why::OtherSource);
        }
        if let Some(wanted) = &self.title
            && !chat.title().is_some_and(|title| wanted.fits(&title))
        {
            return Some(Why::OtherTitle);
        }
        if self.labels.is_empty() {
            return None;
        }
        let labels = chat.labels();
        let has = |name: &str, values: &OneOrMore| {
            let mut labels = labels.iter();
            labels.any(|(label, value)| label == name && values.as_slice().contains(value))
        };
        let all = self.labels.iter().all(|(name, values)| has(name, values));
        (!all).then_some(Why::OtherLabel)
    }
}

fn read_title(config: &TitleConfig, errors: &mut Vec<ConfigError>) -> Title {
    let (contains, globs) = (&config.contains, &config.glob);
    if contains.is_none() && globs.is_none() {
        let message = "give at least one of \"contains\" and \"glob\"";
        errors.push(config_error("/title", message));
    }
    for (name, list) in [("contains", contains), ("glob", globs)] {
        let Some(list) = list else { continue };
        if list.is_empty() {
            let message = "give at least one, or leave this out";
            errors.push(config_error(format!("/title/{name}"), message));
        }
        for (index, _) in list.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            let message = "an empty text is in every title";
            errors.push(config_error(format!("/title/{name}/{index}"), message));
        }
    }
    let folded = |text: &String| fold(text, config.ignore_case);
    Title {
        contains: contains.iter().flatten().map(folded).collect(),
        globs: globs.iter().flatten().map(|text| Glob::new(&folded(text))).collect(),
        ignore_case: config.ignore_case,
    }
}

consign_filter::export_criteria!(Chats);

#[cfg(test)]
mod tests;
