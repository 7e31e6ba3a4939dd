//! From an evaluated window to its e-mails, one at a time. Blocks: it decrypts, and making e-mails is work for a processor.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use consign_mail::compose::{self, Email, GroupInfo, GroupInput, MailEvent, SealedFile};
use consign_model::policy::AttachmentsSpec;
use consign_model::target::Composing;
use consign_model::window::Facts;
use consign_model::{Digest, Event, EventKind, HeldReason, Timestamp, Window};
use consign_store::SegmentRecord;
use tokio::runtime::Handle;

use crate::Exporter;
use crate::evaluate::{Evaluation, GroupPlan};
use crate::reader::Reader;
use crate::references::Earlier;

/// An e-mail, and the window's events that it shows.
pub(crate) struct Composed {
    /// Which group of the window.
    pub group: u32,
    /// Whose copy it is.
    pub subject: Option<String>,
    /// Rows (from the window's begin) of its events.
    pub rows: Vec<u32>,
    /// Rows of events that earlier parts show and of which this one carries attachments.
    pub carries_for: Vec<u32>,
    /// The e-mail.
    pub email: Email,
}

/// What composing reads.
pub(crate) struct Composer<'a> {
    pub exporter: &'a Exporter,
    pub window: &'a Window,
    pub facts: &'a Arc<Facts>,
    pub target: &'a Composing,
    pub attachments: &'a AttachmentsSpec,
    /// Unset: the chat's files go out as they are, encrypted.
    pub decrypt: bool,
    pub runtime: &'a Handle,
}

impl Composer<'_> {
    /// Composes every group and hands over each e-mail; `false` from `take` ends it early.
    pub fn compose(&self, evaluation: &Evaluation, reader: &mut Reader, take: &mut dyn FnMut(Composed) -> bool) -> Result<(), HeldReason> {
        let mut earlier = Earlier::new(self.exporter, self.runtime, self.window);
        for (index, plan) in (0_u32..).zip(&evaluation.groups) {
            if !self.group(index, plan, evaluation, reader, &mut earlier, take)? {
                break;
            }
        }
        Ok(())
    }

    fn group(
        &self,
        index: u32,
        plan: &GroupPlan,
        evaluation: &Evaluation,
        reader: &mut Reader,
        earlier: &mut Earlier<'_>,
        take: &mut dyn FnMut(Composed) -> bool,
    ) -> Result<bool, HeldReason> {
        let mut events = if self.decrypt { self.events(&evaluation.rows(plan), reader)? } else { Vec::new() };
        let sealed = if self.decrypt { Sealed::default() } else { Self::sealed(reader)? };
        if events.is_empty() && sealed.files.is_empty() {
            return Ok(true);
        }
        events.sort_by_key(|one| (one.event.at, one.row));
        let from = self.window.key.from;
        let previous = earlier_texts(&events, from, &|message| reader.edits_of(message));
        let subject = plan.group.subject.and_then(|subject| self.facts.participants.get(subject as usize));
        let references = earlier.references(subject.map(|subject| subject.user.id.as_str()), &events, reader)?;
        let labels: BTreeMap<String, String> = plan.group.labels.iter().cloned().collect();
        let input = GroupInput {
            tenant: &self.exporter.tenant,
            run: &self.window.run,
            window: &self.window.key,
            window_to: self.window.to,
            window_end: self.window.ends_at,
            group_index: index,
            group: GroupInfo {
                key: &plan.group.key,
                title: Some(plan.group.title.as_str()).filter(|title| !title.is_empty()),
                subject,
                labels: &labels,
            },
            facts: self.facts,
            events: events
                .iter()
                .zip(&previous)
                .map(|(one, previous)| MailEvent {
                    event: &one.event,
                    flags: one.event.flags,
                    previous: previous.as_deref(),
                    position: from + u64::from(one.row),
                })
                .collect(),
            files: &sealed.files,
            target: self.target,
            attachments: self.attachments,
            references: &references,
        };
        let held = |error: compose::ComposeError| HeldReason::Compose { text: error.to_string() };
        let layout = compose::plan(&input).map_err(held)?;
        for (part, laid) in (1_u32..).zip(layout.parts()) {
            let mut files = HashMap::new();
            for digest in &laid.attachments {
                if let std::collections::hash_map::Entry::Vacant(vacant) = files.entry(*digest) {
                    let read = match sealed.segments.get(digest) {
                        Some(segment) => reader.sealed(segment),
                        None => self.runtime.block_on(self.exporter.archive.attachment(digest)),
                    };
                    vacant.insert(read.map_err(|error| HeldReason::Archive { text: error.to_string() })?);
                }
            }
            let email = compose::render(&input, &layout, part, |digest: &Digest| files.get(digest).map(AsRef::as_ref)).map_err(held)?;
            let rows_of = |range: &std::ops::Range<usize>| -> Vec<u32> {
                let mut rows: Vec<u32> = events.get(range.clone()).unwrap_or_default().iter().map(|one| one.row).collect();
                rows.sort_unstable();
                rows
            };
            let mut rows = rows_of(&email.events);
            rows.extend(laid.attachments.iter().filter_map(|digest| sealed.segments.get(digest)).flat_map(|segment| self.rows_in(segment)));
            let carries_for = laid.carries_for().filter_map(|index| events.get(index)).map(|one| one.row).collect();
            let composed = Composed { group: index, subject: subject.map(|subject| subject.user.id.clone()), rows, carries_for, email };
            if !take(composed) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The window's segment files, for a chat that is exported as it is.
    fn sealed(reader: &Reader) -> Result<Sealed, HeldReason> {
        let mut sealed = Sealed::default();
        for segment in reader.segments() {
            let bytes = reader.sealed(segment).map_err(|error| HeldReason::Archive { text: error.to_string() })?;
            sealed.files.push(SealedFile {
                name: format!("events-{}-{}.arrow.age", segment.first, segment.first + u64::from(segment.events) - 1),
                size: bytes.len() as u64,
                digest: segment.digest,
                first: segment.first,
                events: segment.events,
                first_at: segment.first_at,
                last_at: segment.last_at,
            });
            sealed.segments.insert(segment.digest, segment.clone());
        }
        Ok(sealed)
    }

    /// The rows of the window that a segment holds.
    fn rows_in(&self, segment: &SegmentRecord) -> impl Iterator<Item = u32> + use<> {
        let start = u32::try_from(segment.first.saturating_sub(self.window.key.from)).unwrap_or(u32::MAX);
        start..start.saturating_add(segment.events)
    }

    fn events(&self, rows: &[u32], reader: &mut Reader) -> Result<Vec<Row>, HeldReason> {
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let missing =
                || HeldReason::Archive { text: format!("event {row} of the window is not in the archive's index: restore the store from a backup") };
            let (batch, at) = reader.find(self.window.key.from + u64::from(*row)).ok_or_else(missing)?;
            let batch = reader.batch(batch).map_err(|error| HeldReason::Archive { text: error.to_string() })?;
            events.push(Row { row: *row, event: batch.event(at).ok_or_else(missing)? });
        }
        Ok(events)
    }
}

/// Segment files that go out as they are.
#[derive(Default)]
struct Sealed {
    files: Vec<SealedFile>,
    segments: HashMap<Digest, SegmentRecord>,
}

/// An event of a group.
pub(crate) struct Row {
    /// From the window's begin.
    pub row: u32,
    pub event: Event,
}

/// For each event the text before it, where it is an edit or deletion of a message that stands in the same group: only then has this recipient
/// been shown that message, so an earlier text reaches nobody who did not get it.
///
/// The platform's own word comes first: an export may hold a message with its final text, and what it said at first stands only in the edit. Where
/// the platform is silent, the text that was shown last is the one before; unless it is the very text that the edit gives, for then the message was
/// read after that edit, and what it said before is not known. Where an edit in between was left out (`edits_of` has all of the window's), the text
/// before is not shown: the one that was left out may not be, and an older one would not be true.
fn earlier_texts<'e>(events: &[Row], from: u64, edits_of: &dyn Fn(&str) -> &'e [(Timestamp, u64)]) -> Vec<Option<String>> {
    let touches = |event: &Event| matches!(event.kind, EventKind::Edit | EventKind::Delete) && !event.adds_files();
    if !events.iter().any(|one| touches(&one.event)) {
        return vec![None; events.len()];
    }
    let messages: HashMap<&str, &str> =
        events.iter().filter(|one| one.event.kind == EventKind::Message).map(|one| (one.event.id.as_str(), one.event.text.as_str())).collect();
    // The newest text of each message so far, and how many of its edits are shown.
    let mut newest: HashMap<&str, (&str, usize)> = HashMap::new();
    let mut earlier = Vec::with_capacity(events.len());
    for one in events {
        let target = one.event.target.as_deref().filter(|_| touches(&one.event));
        let Some((target, text)) = target.and_then(|target| Some((target, *messages.get(target)?))) else {
            earlier.push(None);
            continue;
        };
        let (shown_last, shown) = newest.get(target).copied().unwrap_or((text, 0));
        let happened = edits_of(target).partition_point(|edit| *edit < (one.event.at, from + u64::from(one.row)));
        let is_its_own = one.event.kind == EventKind::Edit && shown_last == one.event.text;
        let before = one.event.previous.as_deref().or((!is_its_own).then_some(shown_last));
        earlier.push(before.filter(|_| happened <= shown).map(str::to_owned));
        if one.event.kind == EventKind::Edit {
            newest.insert(target, (&one.event.text, happened + 1));
        }
    }
    earlier
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_model::{Flags, Timestamp};

    fn row(row: u32, kind: EventKind, id: &str, target: Option<&str>, text: &str) -> Row {
        let mut event = Event::new(kind, id, Timestamp(i64::from(row)));
        event.target = target.map(str::to_owned);
        text.clone_into(&mut event.text);
        event.flags = Flags::default();
        Row { row, event }
    }

    #[test]
    fn earlier_texts_only_of_messages_that_are_shown() {
        let events = [
            row(0, EventKind::Message, "m1", None, "one"),
            row(1, EventKind::Edit, "e1", Some("m1"), "two"),
            row(2, EventKind::Edit, "e2", Some("m1"), "three"),
            row(3, EventKind::Delete, "d1", Some("m1"), ""),
            row(4, EventKind::Edit, "e3", Some("elsewhere"), "four"),
        ];
        let all = [(Timestamp(1), 1), (Timestamp(2), 2)];
        let earlier = earlier_texts(&events, 0, &|message| if message == "m1" { &all } else { &[] });
        let expected = [None, Some("one"), Some("two"), Some("three"), None];
        assert_eq!(earlier.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_the_platform_says_of_the_text_before_comes_first() {
        let said = |mut row: Row, previous: &str| {
            row.event.previous = Some(previous.to_owned());
            row
        };
        // The message has its final text already, as Slack exports it.
        let events = [
            row(0, EventKind::Message, "m1", None, "buy at 4.03"),
            said(row(1, EventKind::Edit, "e1", Some("m1"), "buy at 4.02"), "front-run the client at 4.02"),
            row(2, EventKind::Edit, "e2", Some("m1"), "buy at 4.03"),
            said(row(3, EventKind::Delete, "d1", Some("m1"), ""), ""),
            said(row(4, EventKind::Edit, "e3", Some("elsewhere"), "x"), "of a message that nobody here got"),
            row(5, EventKind::Message, "m2", None, "as it is now"),
            row(6, EventKind::Edit, "e4", Some("m2"), "as it is now"),
        ];
        let all = [(Timestamp(1), 1), (Timestamp(2), 2)];
        let earlier = earlier_texts(&events, 0, &|message| if message == "m1" { &all } else { &[] });
        let expected = [None, Some("front-run the client at 4.02"), Some("buy at 4.02"), Some(""), None, None, None];
        assert_eq!(earlier.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
        // The edit that is left out gave the text that the next one was made from: nobody learns it from that one.
        let [message, _, mut second, ..] = events;
        second.event.previous = Some("buy at 4.02".to_owned());
        let earlier = earlier_texts(&[message, second], 0, &|_| &all);
        assert_eq!(earlier, [None, None]);
    }

    #[test]
    fn no_earlier_text_after_an_edit_that_was_left_out() {
        let events = [
            row(0, EventKind::Message, "m1", None, "one"),
            row(2, EventKind::Edit, "e2", Some("m1"), "three"),
            row(3, EventKind::Edit, "e3", Some("m1"), "four"),
        ];
        let all = [(Timestamp(1), 1), (Timestamp(2), 2), (Timestamp(3), 3)];
        let earlier = earlier_texts(&events, 0, &|_| &all);
        assert_eq!(earlier.iter().map(Option::as_deref).collect::<Vec<_>>(), [None, None, Some("three")]);
    }

    #[test]
    fn files_that_came_later_change_no_text() {
        let said = row(0, EventKind::Message, "m1", None, "one");
        // With the text that the message has by now.
        let files = Row { row: 1, event: Event { text: "two".to_owned(), ..said.event.late_files(Vec::new()) } };
        let events = [said, files, row(2, EventKind::Edit, "e1", Some("m1"), "two")];
        assert_eq!(earlier_texts(&events, 0, &|_| &[(Timestamp(2), 2)]), [None, None, Some("one".to_owned())]);
    }
}
