//! Events in columns.
//!
//! The archive stores columns and the module contract asks for columns, so between the two they stay columns: a row costs about forty times as much
//! (measured; a `list<record{strings}>` is one guest allocation for each string). Rows are made only where an e-mail is composed.

use std::collections::HashMap;
use std::ops::Range;

use crate::{Attachment, Event, EventKind, Flags, Timestamp};

/// Texts end to end; text i ends, exclusive, at `ends[i]`. Arrow's and the contract's layout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextColumn {
    /// Exclusive end of each text in `bytes`; never falling.
    pub ends: Vec<u32>,
    /// UTF-8.
    pub bytes: Vec<u8>,
}

impl TextColumn {
    /// Adds a text. A column holds at most 4 GiB: segments are thousands of times smaller.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// How many texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Text `index`; empty when there is no such text.
    pub fn get(&self, index: usize) -> &str {
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
        };
        let end = self.ends.get(index).copied().unwrap_or(start);
        let bytes = self.bytes.get(start as usize..end as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Text `index`, unset when empty.
    pub fn get_some(&self, index: usize) -> Option<&str> {
        Some(self.get(index)).filter(|text| !text.is_empty())
    }

    /// Adds all texts of another column.
    pub fn append(&mut self, other: &Self) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| u32::try_from(before + *end as usize).unwrap_or(u32::MAX)));
    }

    /// The texts of these rows; those past the end are not there.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let start = rows.start.checked_sub(1).map_or(0, |before| self.ends.get(before).or(self.ends.last()).copied().unwrap_or(0));
        let ends = self.ends.get(rows.start.min(self.len())..rows.end.min(self.len())).unwrap_or_default();
        let end = ends.last().copied().unwrap_or(start);
        Self {
            ends: ends.iter().map(|end| end.saturating_sub(start)).collect(),
            bytes: self.bytes.get(start as usize..end as usize).unwrap_or_default().to_vec(),
        }
    }

    /// All texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl<'a> FromIterator<&'a str> for TextColumn {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut column = Self::default();
        texts.into_iter().for_each(|text| column.push(text));
        column
    }
}

/// No user: `senders` of a system event.
pub const NO_SENDER: u32 = u32::MAX;

/// Some events of one chat, one after another by position. All columns have the same length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventBatch {
    /// Position of the first event in the chat, counted from 0 by arrival.
    pub first: u64,
    /// [`EventKind`] by number.
    pub kinds: Vec<u8>,
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    /// Users that occur here, each once.
    pub users: Vec<String>,
    /// Index into `users`, or [`NO_SENDER`].
    pub senders: Vec<u32>,
    /// [`Flags`] by bit.
    pub flags: Vec<u8>,
    /// Own ids.
    pub ids: TextColumn,
    /// [`Event::text`].
    pub texts: TextColumn,
    /// [`Event::thread`]; empty for none.
    pub threads: TextColumn,
    /// [`Event::target`]; empty for none.
    pub targets: TextColumn,
    /// [`Event::sender_name`]; empty for none.
    pub sender_names: TextColumn,
    /// [`Event::previous`]; empty for none.
    pub previous: TextColumn,
    /// [`Event::original`]; empty for none.
    pub originals: TextColumn,
    /// Attachments with their event's index, sorted by it.
    pub attachments: Vec<(u32, Attachment)>,
}

impl EventBatch {
    /// Columns from rows.
    pub fn from_events<'a>(first: u64, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut batch = Self { first, ..Self::default() };
        let mut known = HashMap::<&str, u32>::new();
        for event in events {
            let row = u32::try_from(batch.kinds.len()).unwrap_or(u32::MAX);
            batch.kinds.push(event.kind as u8);
            batch.times.push(event.at.0);
            batch.senders.push(match &event.user {
                None => NO_SENDER,
                Some(user) => *known.entry(user).or_insert_with(|| {
                    batch.users.push(user.clone());
                    u32::try_from(batch.users.len() - 1).unwrap_or(NO_SENDER)
                }),
            });
            batch.flags.push(event.own_flags().0);
            batch.ids.push(&event.id);
            batch.texts.push(&event.text);
            batch.threads.push(event.thread.as_deref().unwrap_or_default());
            batch.targets.push(event.target.as_deref().unwrap_or_default());
            batch.sender_names.push(event.sender_name.as_deref().unwrap_or_default());
            batch.previous.push(event.previous.as_deref().unwrap_or_default());
            batch.originals.push(event.original.as_deref().unwrap_or_default());
            batch.attachments.extend(event.attachments.iter().map(|attachment| (row, attachment.clone())));
        }
        batch
    }

    /// Batches one behind the other, each user once. Where the events stand in their chats is lost: it begins at 0.
    #[must_use]
    pub fn concat<'a>(batches: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        let mut known = HashMap::<&str, u32>::new();
        for batch in batches {
            let before = u32::try_from(all.len()).unwrap_or(u32::MAX);
            let numbers: Vec<u32> = batch
                .users
                .iter()
                .map(|user| {
                    *known.entry(user).or_insert_with(|| {
                        all.users.push(user.clone());
                        u32::try_from(all.users.len() - 1).unwrap_or(NO_SENDER)
                    })
                })
                .collect();
            all.kinds.extend_from_slice(&batch.kinds);
            all.times.extend_from_slice(&batch.times);
            all.senders.extend(batch.senders.iter().map(|sender| numbers.get(*sender as usize).copied().unwrap_or(*sender)));
            all.flags.extend_from_slice(&batch.flags);
            for (column, more) in all.text_columns_mut().into_iter().zip(batch.text_columns()) {
                column.append(more);
            }
            all.attachments.extend(batch.attachments.iter().map(|(row, attachment)| (before.saturating_add(*row), attachment.clone())));
        }
        all
    }

    /// These rows as a batch of its own, which begins at the position `first`; unset where they are not all there.
    pub fn slice(&self, rows: Range<usize>, first: u64) -> Option<Self> {
        let mut users = Vec::new();
        let mut numbers = HashMap::<u32, u32>::new();
        let senders = self.senders.get(rows.clone())?.iter().map(|sender| match self.users.get(*sender as usize) {
            None => *sender,
            Some(user) => *numbers.entry(*sender).or_insert_with(|| {
                users.push(user.clone());
                u32::try_from(users.len() - 1).unwrap_or(NO_SENDER)
            }),
        });
        let senders = senders.collect();
        let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        let place = |row: usize| self.attachments.partition_point(|(at, _)| *at < number(row));
        let attachments = self.attachments.get(place(rows.start)..place(rows.end))?;
        let mut slice = Self {
            first,
            kinds: self.kinds.get(rows.clone())?.to_vec(),
            times: self.times.get(rows.clone())?.to_vec(),
            users,
            senders,
            flags: self.flags.get(rows.clone())?.to_vec(),
            attachments: attachments.iter().map(|(row, attachment)| (row.saturating_sub(number(rows.start)), attachment.clone())).collect(),
            ..Self::default()
        };
        for (column, all) in slice.text_columns_mut().into_iter().zip(self.text_columns()) {
            *column = all.slice(rows.clone());
        }
        Some(slice)
    }

    fn text_columns(&self) -> [&TextColumn; 7] {
        [&self.ids, &self.texts, &self.threads, &self.targets, &self.sender_names, &self.previous, &self.originals]
    }

    fn text_columns_mut(&mut self) -> [&mut TextColumn; 7] {
        [&mut self.ids, &mut self.texts, &mut self.threads, &mut self.targets, &mut self.sender_names, &mut self.previous, &mut self.originals]
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The attachments of event `index`.
    pub fn attachments_of(&self, index: usize) -> impl Iterator<Item = &Attachment> {
        let row = u32::try_from(index).unwrap_or(u32::MAX);
        let start = self.attachments.partition_point(|(at, _)| *at < row);
        self.attachments.iter().skip(start).take_while(move |(at, _)| *at == row).map(|(_, attachment)| attachment)
    }

    /// The user of event `index`.
    pub fn user(&self, index: usize) -> Option<&str> {
        let sender = self.senders.get(index).copied()?;
        self.users.get(sender as usize).map(String::as_str)
    }

    /// The kind of event `index`; a number that is no kind reads as `Other`.
    pub fn kind(&self, index: usize) -> EventKind {
        self.kinds.get(index).copied().and_then(EventKind::from_number).unwrap_or(EventKind::Other)
    }

    /// Whether event `index` brings files of an event that came without them: see [`Event::adds_files`].
    pub fn adds_files(&self, index: usize) -> bool {
        crate::event::adds_files(self.ids.get(index), self.targets.get_some(index))
    }

    /// Whether event `index` is a copy with another text than the one that arrived before: see [`Event::differs`].
    pub fn differs(&self, index: usize) -> bool {
        crate::event::differs(self.ids.get(index), self.kind(index))
    }

    /// Event `index` as a row; unset past the end.
    pub fn event(&self, index: usize) -> Option<Event> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Event {
            kind: EventKind::from_number(*self.kinds.get(index)?).unwrap_or(EventKind::Other),
            id: self.ids.get(index).to_owned(),
            at: Timestamp(*self.times.get(index)?),
            user: owned(self.user(index)),
            sender_name: owned(self.sender_names.get_some(index)),
            text: self.texts.get(index).to_owned(),
            thread: owned(self.threads.get_some(index)),
            target: owned(self.targets.get_some(index)),
            flags: Flags(*self.flags.get(index)?),
            attachments: self.attachments_of(index).cloned().collect(),
            previous: owned(self.previous.get_some(index)),
            original: owned(self.originals.get_some(index)),
        })
    }

    /// Bytes of text in it: what it costs to hold, roughly.
    pub fn text_bytes(&self) -> usize {
        self.text_columns().iter().map(|column| column.bytes.len()).sum::<usize>() + self.len() * 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_to_columns_and_back() {
        let mut message = Event::new(EventKind::Message, "m1", Timestamp(5));
        message.user = Some("U1".into());
        message.text = "grüße 🎉".into();
        message.attachments.push(Attachment { name: "q.pdf".into(), media_type: "application/pdf".into(), size: None, digest: None, url: None });
        message.flags = message.own_flags();
        let mut edit = Event::new(EventKind::Edit, "e1", Timestamp(6));
        edit.target = Some("m1".into());
        edit.previous = Some("grüße".into());
        let events = [message, edit];
        let batch = EventBatch::from_events(7, &events);
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.event(0).as_ref(), events.first());
        assert_eq!(batch.event(1).as_ref(), events.get(1));
        assert_eq!(batch.event(2), None);
        assert_eq!(batch.texts.get(9), "");
    }

    #[test]
    fn one_behind_the_other_and_apart_again() {
        let event = |id: &str, user: Option<&str>, files: usize| {
            let mut event = Event::new(EventKind::Message, id, Timestamp(5));
            event.user = user.map(str::to_owned);
            event.text = format!("text of {id}");
            event.thread = user.map(|user| format!("thread of {user}"));
            let file = |name: usize| Attachment { name: name.to_string(), media_type: String::new(), size: None, digest: None, url: None };
            event.attachments = (0..files).map(file).collect();
            event
        };
        let parts = [
            EventBatch::from_events(7, &[event("a", Some("U1"), 0), event("b", None, 2), event("c", Some("U2"), 1)]),
            EventBatch::default(),
            EventBatch::from_events(0, &[event("d", Some("U2"), 1)]),
            EventBatch::from_events(3, &[event("e", Some("U3"), 0), event("f", Some("U1"), 1)]),
        ];
        let all = EventBatch::concat(&parts);
        assert_eq!((all.len(), all.users.len(), all.first), (6, 3, 0));
        let mut at = 0;
        for part in &parts {
            let rows = at..at + part.len();
            assert_eq!(all.slice(rows.clone(), part.first).as_ref(), Some(part));
            at = rows.end;
        }
        assert_eq!(all.slice(5..7, 0), None);
        assert_eq!(all.slice(7..8, 0), None);
    }
}
