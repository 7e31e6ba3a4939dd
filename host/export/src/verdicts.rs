//! The verdict file of a window: what became of each of its events, by position.
//!
//! It is sealed like a conversation file, since with the archive it tells who wrote what to whom. `explain` and `reconcile` read it instead of
//! evaluating again, so they answer what was decided then, not what would be decided now. Positions are kept as ranges: a window of which everything
//! went into one e-mail costs one line however large it is.

use consign_model::manifest::RuleRef;
use consign_model::window::SealedFile;
use consign_model::{RunId, WindowKey};
use consign_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::said::Said;
use crate::shadow::ShadowVerdicts;
use crate::{ExportError, Exporter};

/// Positions `.0` to `.1`, both inclusive.
pub type Range = (u64, u64);

/// What became of each event of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictFile {
    /// Of this format: 1.
    pub version: u32,
    /// Which window.
    pub window: WindowKey,
    /// Position after its last event.
    pub to: u64,
    /// The run that froze it.
    pub run: RunId,
    /// The e-mails with the events of each. An event may be in several.
    pub emails: Vec<VerdictEmail>,
    /// Events left out, by the rules that did it.
    pub omitted: Vec<VerdictOmitted>,
    /// Events that count as exported: every e-mail with something of theirs was accepted for every recipient.
    pub exported: Vec<Range>,
    /// What the modules said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
    /// What shadows would have done otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadows: Vec<ShadowVerdicts>,
}

/// An e-mail and its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictEmail {
    /// Without angle brackets.
    pub message_id: String,
    /// Which group of the window.
    pub group: u32,
    /// Counted from 1.
    pub part: u32,
    /// Whether the server took responsibility, for every recipient.
    pub accepted: bool,
    /// Whose copy it is, for an export per user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its events.
    pub events: Vec<Range>,
}

/// Events left out by the same rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictOmitted {
    /// The rules.
    pub by: Vec<RuleRef>,
    /// The events.
    pub events: Vec<Range>,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventVerdict<'a> {
    /// It is in these e-mails, all of them accepted.
    Exported(Vec<&'a VerdictEmail>),
    /// Left out by these rules.
    Omitted(&'a [RuleRef]),
    /// Neither, with the e-mails that show it so far: its window is held.
    Held(Vec<&'a VerdictEmail>),
}

impl VerdictFile {
    /// What became of the event at this position.
    pub fn of(&self, position: u64) -> EventVerdict<'_> {
        let within = |ranges: &[Range]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&position));
        if let Some(omitted) = self.omitted.iter().find(|one| within(&one.events)) {
            return EventVerdict::Omitted(&omitted.by);
        }
        let emails = self.emails.iter().filter(|one| within(&one.events)).collect();
        if within(&self.exported) { EventVerdict::Exported(emails) } else { EventVerdict::Held(emails) }
    }
}

impl Exporter {
    /// A window's verdict file: the one that was sealed when the window was settled, and no other.
    pub(crate) async fn verdicts(&self, window: &WindowKey, at: &SealedFile) -> Result<VerdictFile, ExportError> {
        let SealedFile { path, digest } = at;
        let bytes = self.archive.sealed(path, digest).await?;
        let damaged = |what: &dyn std::fmt::Display| StoreError::Damaged {
            what: format!("the verdict file {path}: {what}"),
            hint: "restore the archive from a backup".to_owned(),
        };
        let file: VerdictFile = serde_json::from_slice(&bytes).map_err(|error| damaged(&error))?;
        if file.window == *window { Ok(file) } else { Err(damaged(&"it is of another window").into()) }
    }
}

/// Rising positions as ranges.
pub fn ranges(positions: impl IntoIterator<Item = u64>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for position in positions {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(position) => *last = position,
            _ => ranges.push((position, position)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_as_ranges() {
        assert_eq!(ranges([]), []);
        assert_eq!(ranges([1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    }
}
