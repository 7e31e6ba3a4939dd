//! The traits of [`data`](crate::data) over the host's resources. The host keeps the contract, so what can't be by the contract traps
//! here rather than being papered over: a trap holds the window.

use crate::bindings::criteria::consign::filter::data as imports;
use crate::{Attachment, Chat, ChatKind, Event, EventFlags, EventKind, Failure, Participant, TextColumn, View};

impl Chat for imports::Chat {
    fn id(&self) -> String {
        imports::Chat::id(self)
    }
    fn source(&self) -> String {
        imports::Chat::source(self)
    }
    fn kind(&self) -> ChatKind {
        imports::Chat::kind(self)
    }
    fn title(&self) -> Option<String> {
        imports::Chat::title(self)
    }
    fn labels(&self) -> Vec<(String, String)> {
        imports::Chat::labels(self)
    }
    fn participants(&self) -> Vec<Participant> {
        imports::Chat::participants(self)
    }
    fn participant_attribute(&self, name: &str) -> Vec<Option<String>> {
        imports::Chat::participant_attribute(self, name)
    }
    fn event_count(&self) -> u64 {
        imports::Chat::event_count(self)
    }
    fn window_start(&self) -> Option<i64> {
        imports::Chat::window_start(self)
    }
    fn window_end(&self) -> i64 {
        imports::Chat::window_end(self)
    }
}

impl View for imports::View {
    fn len(&self) -> usize {
        imports::View::len(self) as usize
    }
    fn times(&self) -> Vec<i64> {
        imports::View::times(self)
    }
    fn utc_offsets(&self, zone: &str) -> Result<Vec<i32>, Failure> {
        imports::View::utc_offsets(self, zone).map_err(Failure::new)
    }
    fn senders(&self) -> Vec<Option<usize>> {
        let senders = imports::View::senders(self).into_iter();
        senders.map(|index| (index != u32::MAX).then_some(index as usize)).collect()
    }
    fn kinds(&self) -> Vec<EventKind> {
        imports::View::kinds(self).into_iter().map(kind).collect()
    }
    fn event_flags(&self) -> Vec<EventFlags> {
        let flags = imports::View::event_flags(self).into_iter();
        flags.map(EventFlags::from_bits_truncate).collect()
    }
    fn ids(&self) -> TextColumn {
        column(imports::View::ids(self))
    }
    fn threads(&self) -> TextColumn {
        column(imports::View::threads(self))
    }
    fn targets(&self) -> TextColumn {
        column(imports::View::targets(self))
    }
    fn texts(&self) -> TextColumn {
        column(imports::View::texts(self))
    }
    fn matches(&self, needles: u32) -> Vec<bool> {
        let matches = imports::View::matches(self, needles).into_iter();
        matches.map(|byte| byte != 0).collect()
    }
    fn match_counts(&self, needles: u32) -> Vec<u8> {
        imports::View::match_counts(self, needles)
    }
    fn row(&self, index: usize) -> Option<Event> {
        let row = u32::try_from(index).ok()?;
        (index < View::len(self)).then(|| imports::View::row(self, row))
    }
    fn attachments(&self, index: usize) -> Vec<Attachment> {
        match u32::try_from(index) {
            Ok(row) if index < View::len(self) => imports::View::attachments(self, row),
            _ => Vec::new(),
        }
    }
}

fn kind(number: u8) -> EventKind {
    match number {
        0 => EventKind::Message,
        1 => EventKind::Edit,
        2 => EventKind::Delete,
        3 => EventKind::Join,
        4 => EventKind::Leave,
        5 => EventKind::Reaction,
        _ => EventKind::Other,
    }
}

fn column(parts: imports::TextColumn) -> TextColumn {
    #[expect(clippy::panic, reason = "a torn column breaks the contract: the trap holds the window, where any other answer could export wrongly")]
    TextColumn::from_parts(parts.ends, parts.bytes).unwrap_or_else(|| panic!("the host handed out a text column that holds no texts"))
}
