//! What a way in gives and what it does not: declared by each source, shown to who imports, kept with what is exported, and asked when a policy is applied.
//!
//! Enums in place of a list of words, so that a source can't forget one of them, and what an answer means is written once.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Name, Timestamp};

/// What a source hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capabilities {
    /// Whose view of a chat it gives.
    pub view: View,
    /// Edits of messages.
    pub edits: Edits,
    /// Deletions of messages.
    pub deletions: Deletions,
    /// Reactions.
    pub reactions: Reactions,
    /// Who was in a chat, and when.
    pub memberships: Memberships,
    /// Whether chats that not everybody may read are in it.
    pub private_chats: PrivateChats,
    /// Whether it says its users' e-mail addresses.
    pub addresses: bool,
}

/// Something that a policy needs of every source that it exports from (`requires`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// Every event of every chat, and not what some users saw of it.
    CompleteChats,
    /// Every edit, with its time and both texts.
    Edits,
    /// Every deletion, for ever.
    Deletions,
    /// Every reaction, given and taken back.
    Reactions,
    /// Joins and leaves with their times.
    Memberships,
    /// All private chats.
    PrivateChats,
    /// E-mail addresses.
    Addresses,
}

impl Requirement {
    /// The word for it in a policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::CompleteChats => "complete-chats",
            Self::Edits => "edits",
            Self::Deletions => "deletions",
            Self::Reactions => "reactions",
            Self::Memberships => "memberships",
            Self::PrivateChats => "private-chats",
            Self::Addresses => "addresses",
        }
    }
}

impl Capabilities {
    /// What a source gives in place of what is required; unset where it gives that.
    pub fn in_place_of(&self, required: Requirement) -> Option<String> {
        let (gives_it, gives) = match required {
            Requirement::CompleteChats => (self.view == View::Complete, self.view.to_string()),
            Requirement::Edits => (self.edits == Edits::All, self.edits.to_string()),
            Requirement::Deletions => (self.deletions == Deletions::All, self.deletions.to_string()),
            Requirement::Reactions => (self.reactions == Reactions::All, self.reactions.to_string()),
            Requirement::Memberships => (self.memberships == Memberships::Timed, self.memberships.to_string()),
            Requirement::PrivateChats => (self.private_chats == PrivateChats::All, self.private_chats.to_string()),
            Requirement::Addresses => (self.addresses, "none".to_owned()),
        };
        (!gives_it).then_some(gives)
    }
}

/// A source as a manifest names it: whose words about chats the run had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceUse {
    /// Its name.
    pub name: Name,
    /// Whose view of a chat it has.
    pub view: View,
    /// What each of its ways in gives, by format.
    pub ways: BTreeMap<String, Capabilities>,
}

impl SourceUse {
    /// What it gives in place of what is required, by the formats that do.
    fn in_place_of(&self, required: Requirement) -> Vec<String> {
        if self.ways.is_empty() {
            return vec!["something that nobody has said (it was imported by an earlier release: import from it once more)".to_owned()];
        }
        let of_way = |(format, gives): (&String, &Capabilities)| gives.in_place_of(required).map(|gives| format!("{gives} (format {format})"));
        let mut found: Vec<String> = self.ways.iter().filter_map(of_way).collect();
        if required == Requirement::CompleteChats && self.view == View::PerUser && found.is_empty() {
            found.push(self.view.to_string());
        }
        found
    }

    /// What of that it does not give.
    pub fn lacking(&self, required: &[Requirement]) -> Vec<Lack> {
        let of_one = |required: &Requirement| {
            let gives = self.in_place_of(*required);
            (!gives.is_empty()).then(|| Lack { source: self.name.clone(), requires: *required, gives })
        };
        required.iter().filter_map(of_one).collect()
    }
}

/// That a source does not give what a policy requires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// The source.
    pub source: Name,
    /// What it does not give.
    pub requires: Requirement,
    /// What it gives in place of that, by the formats that do.
    pub gives: Vec<String>,
}

impl Lack {
    /// For a person.
    pub fn text(&self) -> String {
        let Self { source, requires, gives } = self;
        format!("the source '{source}' does not give {}, but {}", requires.word(), gives.join(", "))
    }
}

/// Whose view of a chat a source gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// The platform's own: every event once.
    Complete,
    /// Each captured user's: what nobody captured saw is not there, and what several saw comes several times.
    PerUser,
}

/// What is told of edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edits {
    /// Each, with its time and both texts.
    All,
    /// The newest text, and when it was written; those before are seen only by importing in between.
    Newest,
    /// That a message was edited, and no more.
    Marked,
    /// Nothing.
    Unsaid,
}

/// What is told of deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deletions {
    /// Each, with its time, for ever.
    All,
    /// Each for so many days; then it is as if the message had never been.
    ForDays(u16),
    /// Nothing: a message that is deleted before the export is made is in no e-mail.
    Unsaid,
}

/// What is told of reactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reactions {
    /// Each, given and taken back, with its time.
    All,
    /// Those that were there when the export was made.
    AsExported,
    /// Nothing.
    Unsaid,
}

/// What is told of memberships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Memberships {
    /// Joins and leaves, with their times.
    Timed,
    /// Who is in a chat now, and joins and leaves where the platform wrote a line of them.
    Listed,
    /// Nothing: who wrote was there.
    Derived,
}

/// Whether private chats are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrivateChats {
    /// All of them.
    All,
    /// Those that whoever made the export could read, or the kind of export has.
    AsExported,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "every event once",
            Self::PerUser => "copies of each captured user",
        })
    }
}

impl fmt::Display for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all, with times",
            Self::Newest => "the newest text and its time",
            Self::Marked => "that there was one",
            Self::Unsaid => "none",
        })
    }
}

impl fmt::Display for Deletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all, with times"),
            Self::ForDays(days) => write!(f, "for {days} days"),
            Self::Unsaid => f.write_str("none"),
        }
    }
}

impl fmt::Display for Reactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all, with times",
            Self::AsExported => "those at the time of the export",
            Self::Unsaid => "none",
        })
    }
}

impl fmt::Display for Memberships {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timed => "joins and leaves",
            Self::Listed => "members of today, and joins and leaves that have a line",
            Self::Derived => "none: derived from who wrote",
        })
    }
}

impl fmt::Display for PrivateChats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::AsExported => "those that the export has",
        })
    }
}

/// That a user's own export was read, and for which times: what was said to this user then is in it, unless a copy is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Capture {
    /// The platform's id of the user.
    pub user: String,
    /// From when; unset: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when, that instant included; unset: to the end of what the archive has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Capture {
    /// Whether all times of another one are in this one.
    pub fn holds(&self, other: &Self) -> bool {
        let begins = self.from.is_none_or(|from| other.from.is_some_and(|other| from <= other));
        let ends = self.until.is_none_or(|until| other.until.is_some_and(|other| other <= until));
        self.user == other.user && begins && ends
    }

    /// Whether what happened then is in the export.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at <= until)
    }
}
