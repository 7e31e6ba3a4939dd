//! A chat and its events as a module sees them. They are traits because there are two of each: the host's, which lives behind WebAssembly
//! imports, and the one of [`testing`](crate::testing). Each function of a view moves one whole column: ask for the ones you need and for no others.

use crate::{Attachment, ChatKind, Event, EventFlags, EventKind, Failure, Participant};

/// What is known of a chat before its events are read.
pub trait Chat {
    /// The platform's own id.
    fn id(&self) -> String;
    /// The name of the source that it came from.
    fn source(&self) -> String;
    /// Direct, group, channel, …
    fn kind(&self) -> ChatKind;
    /// Its title, where it has one. Needs `titles`.
    fn title(&self) -> Option<String>;
    /// Name and value. Needs `labels`.
    fn labels(&self) -> Vec<(String, String)>;
    /// Everyone who was in it, by index. Needs `participants`.
    fn participants(&self) -> Vec<Participant>;
    /// One value for each participant. Needs `attributes`.
    fn participant_attribute(&self, name: &str) -> Vec<Option<String>>;
    /// Events of this chat in the run's window.
    fn event_count(&self) -> u64;
    /// Milliseconds since 1970, UTC; none for a chat's first window.
    fn window_start(&self) -> Option<i64>;
    /// The only "now" there is: milliseconds since 1970, UTC.
    fn window_end(&self) -> i64;
}

/// Some events of one chat, in order. Each column has [`View::len`] values.
pub trait View {
    /// The number of events.
    fn len(&self) -> usize;
    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Milliseconds since 1970, UTC. They need not rise: an event can arrive late. Needs `times`.
    fn times(&self) -> Vec<i64>;
    /// Seconds to add to each time to get the local one in an IANA zone. Needs `times`.
    ///
    /// # Errors
    /// The host knows no such zone.
    fn utc_offsets(&self, zone: &str) -> Result<Vec<i32>, Failure>;
    /// Indices into the chat's participants. Needs `senders`.
    fn senders(&self) -> Vec<Option<usize>>;
    /// Message, edit, join, … Needs `kinds`.
    fn kinds(&self) -> Vec<EventKind>;
    /// Edited, deleted, late, …
    fn event_flags(&self) -> Vec<EventFlags>;
    /// The platform's ids. Needs `ids`.
    fn ids(&self) -> TextColumn;
    /// Each event's thread: its root's id, empty for none. Needs `references`.
    fn threads(&self) -> TextColumn;
    /// The event that each edits, deletes or reacts to, empty for none. Needs `references`.
    fn targets(&self) -> TextColumn;
    /// The texts. Needs `text`; see [`View::matches`] for a way around it.
    fn texts(&self) -> TextColumn;
    /// Whether each text holds any needle of the configuration's list number `needles`. Needs `matching`.
    fn matches(&self, needles: u32) -> Vec<bool>;
    /// How many different needles of the list each text holds, 255 for that many and more. Needs `matching`.
    fn match_counts(&self, needles: u32) -> Vec<u8>;
    /// One event, for modules that would rather be simple than fast. What was not approved is empty.
    fn row(&self, index: usize) -> Option<Event>;
    /// One event's attachments. Needs `attachments`.
    fn attachments(&self, index: usize) -> Vec<Attachment>;
}

/// A column of texts, end to end in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextColumn {
    ends: Vec<u32>,
    text: String,
}

impl TextColumn {
    /// A column of the contract's form: text i ends, exclusive, at `ends[i]`. None if the parts don't make texts.
    pub fn from_parts(ends: Vec<u32>, bytes: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        let mut start = 0;
        for &end in &ends {
            let end = usize::try_from(end).ok()?;
            text.get(start..end)?;
            start = end;
        }
        Some(Self { ends, text })
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One text; none past the end.
    pub fn get(&self, index: usize) -> Option<&str> {
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        let end = *self.ends.get(index)?;
        self.text.get(start as usize..end as usize)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let range = start..end as usize;
            start = range.end;
            // `from_parts` and `from_iter` have seen that every range is a text.
            self.text.get(range).unwrap_or_default()
        })
    }
}

impl<T: AsRef<str>> FromIterator<T> for TextColumn {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut column = Self::default();
        for text in texts {
            let text = text.as_ref();
            // A column holds 4 GiB at most; what goes past it is empty rather than torn.
            if u32::try_from(column.text.len() + text.len()).is_ok() {
                column.text.push_str(text);
            }
            column.ends.push(u32::try_from(column.text.len()).unwrap_or(u32::MAX));
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gives_back_its_texts() {
        let column: TextColumn = ["", "añb", "", "日本", ""].into_iter().collect();
        assert_eq!(column.iter().collect::<Vec<_>>(), ["", "añb", "", "日本", ""]);
        assert_eq!(column.get(3), Some("日本"));
        assert_eq!(column.get(5), None);
        assert_eq!(column.len(), 5);
    }

    #[test]
    fn parts_that_are_no_texts_are_refused() {
        let split_character = "añ".as_bytes().to_vec();
        assert_eq!(TextColumn::from_parts(vec![2, 3], split_character), None);
        assert_eq!(TextColumn::from_parts(vec![2, 1], b"ab".to_vec()), None);
        assert_eq!(TextColumn::from_parts(vec![3], b"ab".to_vec()), None);
        assert_eq!(TextColumn::from_parts(vec![1], vec![0xff]), None);
    }
}
