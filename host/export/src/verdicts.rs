//! The verdicts of a window: what became of each of its events, by position.
//!
//! They are a line of JSON in a file of such lines, one for each window that ended at about the same time ([`binder`]); what earlier releases wrote is such a file with one
//! line.
//!
//! It is sealed like a conversation file, since with the archive it tells who wrote what to whom. `explain` and `reconcile` read it instead of
//! evaluating again, so they answer what was decided then, not what would be decided now. Positions are kept as ranges: a window of which everything
//! went into one e-mail costs one line however large it is.

use consign_model::manifest::RuleRef;
use consign_model::window::SealedFile;
use consign_model::{RunId, WindowKey};
use consign_store::StoreError;
use serde::{Deserialize, Serialize};

mod binder;
mod recent;

use std::sync::Arc;

pub(crate) use self::binder::Binder;
use self::recent::Opened;
pub(crate) use self::recent::Recent;
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
    /// A window's verdicts: those that were sealed when the window was settled, and no others.
    pub(crate) async fn verdicts(&self, window: &WindowKey, at: &SealedFile) -> Result<VerdictFile, ExportError> {
        let SealedFile { path, digest } = at;
        let damaged = |what: &dyn std::fmt::Display| StoreError::Damaged {
            what: format!("the verdict file {path}: {what}"),
            hint: "restore the archive from a backup".to_owned(),
        };
        let opened = if let Some(opened) = self.places.verdicts.get(digest) {
            opened
        } else {
            let opened = Arc::new(Opened::new(self.archive.sealed(path, digest).await?).map_err(|error| damaged(&error))?);
            self.places.verdicts.keep(*digest, Arc::clone(&opened));
            opened
        };
        let line = opened.line(window).ok_or_else(|| damaged(&"it is not of this window"))?;
        Ok(serde_json::from_slice(line).map_err(|error| damaged(&error))?)
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
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    pub(super) fn window(from: u64) -> WindowKey {
        let chat = consign_model::ChatKey { source: "s".parse().unwrap(), id: "C1".to_owned() };
        WindowKey { policy: "desk".parse().unwrap(), chat, from, supplement: 0 }
    }

    pub(super) fn file(from: u64) -> VerdictFile {
        VerdictFile {
            version: 1,
            window: window(from),
            to: from + 5,
            run: consign_model::RunId::new(&"desk".parse().unwrap(), 1),
            emails: Vec::new(),
            omitted: Vec::new(),
            exported: vec![(from, from + 4)],
            said: Vec::new(),
            shadows: Vec::new(),
        }
    }

    #[test]
    fn each_windows_line_and_no_other() {
        let lines: Vec<u8> = (0..9).flat_map(|number| [serde_json::to_vec(&file(number * 5)).unwrap(), b"\n".to_vec()].concat()).collect();
        // As earlier releases wrote it: one window, and no line end.
        let alone = serde_json::to_vec(&file(5)).unwrap();
        for (bytes, known) in [(lines, 9), (alone, 1)] {
            let opened = Opened::new(bytes).unwrap();
            let found = (0..9).filter_map(|number| Some((number, opened.line(&window(number * 5))?)));
            let found: Vec<_> = found.map(|(number, line)| (number, serde_json::from_slice::<VerdictFile>(line).unwrap())).collect();
            assert!(found.len() == known && found.iter().all(|(number, read)| *read == file(number * 5)), "{found:?}");
            assert_eq!(opened.line(&window(1)), None);
        }
        Opened::new(b"{\"version\":1}\n".to_vec()).unwrap_err();
    }

    #[test]
    fn positions_as_ranges() {
        assert_eq!(ranges([]), []);
        assert_eq!(ranges([1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    }
}
