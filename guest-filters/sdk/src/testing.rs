//! A chat and events made of plain values, so that a module's logic is tested without WebAssembly.
//!
//! They hand out only what the module's manifest needs, as the host does: a column that was not asked for panics, which fails the test, and in a row it is
//! empty.

use crate::manifest::{Manifest, Need};
use crate::{Attachment, Chat, ChatKind, Event, EventFlags, EventKind, Failure, Membership, Participant, TextColumn, UserFlags, View};
use std::collections::HashMap;

/// A chat of plain values. Change the fields that the test is about.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the value of the function of its name")]
pub struct FakeChat {
    pub id: String,
    pub source: String,
    pub kind: ChatKind,
    pub title: Option<String>,
    pub labels: Vec<(String, String)>,
    pub participants: Vec<Participant>,
    pub attributes: HashMap<String, Vec<Option<String>>>,
    pub event_count: u64,
    pub window_start: Option<i64>,
    pub window_end: i64,
    /// What may be asked for.
    pub approved: &'static [Need],
}

impl FakeChat {
    /// A channel without anything, for a module with this manifest.
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            id: "C1".to_owned(),
            source: "test".to_owned(),
            kind: ChatKind::Channel,
            title: None,
            labels: Vec::new(),
            participants: Vec::new(),
            attributes: HashMap::new(),
            event_count: 0,
            window_start: None,
            window_end: i64::MAX,
            approved: manifest.needs,
        }
    }
}

/// A participant with an address `<id>@desk.example` who was in the chat all the time.
pub fn participant(id: &str) -> Participant {
    Participant {
        id: id.to_owned(),
        display_name: id.to_owned(),
        email: Some(format!("{id}@desk.example")),
        flags: UserFlags::RECORDED,
        memberships: vec![Membership { joined: None, left: None }],
    }
}

fn check(approved: &[Need], need: Need) {
    assert!(approved.contains(&need), "the module asked for {:?}, which its manifest does not need", need.name());
}

impl Chat for FakeChat {
    fn id(&self) -> String {
        self.id.clone()
    }
    fn source(&self) -> String {
        self.source.clone()
    }
    fn kind(&self) -> ChatKind {
        self.kind
    }
    fn title(&self) -> Option<String> {
        check(self.approved, Need::Titles);
        self.title.clone()
    }
    fn labels(&self) -> Vec<(String, String)> {
        check(self.approved, Need::Labels);
        self.labels.clone()
    }
    fn participants(&self) -> Vec<Participant> {
        check(self.approved, Need::Participants);
        self.participants.clone()
    }
    fn participant_attribute(&self, name: &str) -> Vec<Option<String>> {
        check(self.approved, Need::Attributes);
        let none = || vec![None; self.participants.len()];
        self.attributes.get(name).cloned().unwrap_or_else(none)
    }
    fn event_count(&self) -> u64 {
        self.event_count
    }
    fn window_start(&self) -> Option<i64> {
        self.window_start
    }
    fn window_end(&self) -> i64 {
        self.window_end
    }
}

/// An event of plain values.
#[derive(Clone, Debug)]
pub struct FakeEvent {
    /// What [`View::row`] gives.
    pub event: Event,
    /// What [`View::attachments`] gives.
    pub attachments: Vec<Attachment>,
}

/// A message without anything but its id and its time (milliseconds since 1970).
pub fn message(id: &str, at: i64) -> FakeEvent {
    FakeEvent {
        event: Event {
            id: id.to_owned(),
            at,
            sender: None,
            kind: EventKind::Message,
            flags: EventFlags::empty(),
            text: String::new(),
            thread: None,
            target: None,
        },
        attachments: Vec::new(),
    }
}

impl FakeEvent {
    /// With this sender.
    #[must_use]
    pub fn from(mut self, participant: u32) -> Self {
        self.event.sender = Some(participant);
        self
    }

    /// Of this kind.
    #[must_use]
    pub fn kind(mut self, kind: EventKind) -> Self {
        self.event.kind = kind;
        self
    }

    /// With this text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        text.clone_into(&mut self.event.text);
        self
    }

    /// In this thread.
    #[must_use]
    pub fn thread(mut self, root: &str) -> Self {
        self.event.thread = Some(root.to_owned());
        self
    }

    /// About this event.
    #[must_use]
    pub fn target(mut self, id: &str) -> Self {
        self.event.target = Some(id.to_owned());
        self
    }
}

/// A list of needles, as the host reads it from the configuration. It matches plainly, by `contains`: how the host treats case and words is tested there.
pub type Needles = Vec<&'static str>;

/// A batch of plain values.
#[derive(Clone, Debug)]
pub struct FakeView {
    /// The events, in order.
    pub events: Vec<FakeEvent>,
    /// Zones that are known, with what they add to a time (given in milliseconds) in seconds. `UTC` is always known.
    pub zones: HashMap<&'static str, fn(i64) -> i32>,
    /// The needle lists, by number.
    pub needles: Vec<Needles>,
    /// What may be asked for.
    pub approved: &'static [Need],
}

impl FakeView {
    /// A batch of these events, for a module with this manifest.
    pub fn new(manifest: &Manifest, events: impl IntoIterator<Item = FakeEvent>) -> Self {
        Self { events: events.into_iter().collect(), zones: HashMap::new(), needles: Vec::new(), approved: manifest.needs }
    }

    fn column<'a, T: 'a>(&'a self, need: Need, value: impl Fn(&'a Event) -> T) -> Vec<T> {
        check(self.approved, need);
        self.events.iter().map(|row| value(&row.event)).collect()
    }

    fn texts_of<'a>(&'a self, need: Need, value: impl Fn(&'a Event) -> &'a str) -> TextColumn {
        self.column(need, value).into_iter().collect()
    }

    #[expect(clippy::panic, reason = "it fails the module's test, as the host would end the module")]
    fn counts(&self, needles: u32) -> Vec<usize> {
        let list = usize::try_from(needles).ok().and_then(|number| self.needles.get(number));
        let Some(list) = list else { panic!("the module asked for needle list {needles}, and this view has {}, counted from 0", self.needles.len()) };
        let held = |event: &Event| {
            let held = list.iter().filter(|needle| event.text.contains(**needle));
            held.count()
        };
        self.column(Need::Matching, held)
    }
}

impl View for FakeView {
    fn len(&self) -> usize {
        self.events.len()
    }
    fn times(&self) -> Vec<i64> {
        self.column(Need::Times, |event| event.at)
    }
    fn utc_offsets(&self, zone: &str) -> Result<Vec<i32>, Failure> {
        let offset: fn(i64) -> i32 = match self.zones.get(zone) {
            Some(offset) => *offset,
            None if zone == "UTC" => |_| 0,
            None => return Err(format!("{zone:?} is no time zone").into()),
        };
        Ok(self.column(Need::Times, |event| offset(event.at)))
    }
    fn senders(&self) -> Vec<Option<usize>> {
        self.column(Need::Senders, |event| event.sender.map(|index| index as usize))
    }
    fn kinds(&self) -> Vec<EventKind> {
        self.column(Need::Kinds, |event| event.kind)
    }
    fn event_flags(&self) -> Vec<EventFlags> {
        self.events.iter().map(|row| row.event.flags).collect()
    }
    fn ids(&self) -> TextColumn {
        self.texts_of(Need::Ids, |event| &event.id)
    }
    fn threads(&self) -> TextColumn {
        self.texts_of(Need::References, |event| event.thread.as_deref().unwrap_or_default())
    }
    fn targets(&self) -> TextColumn {
        self.texts_of(Need::References, |event| event.target.as_deref().unwrap_or_default())
    }
    fn texts(&self) -> TextColumn {
        self.texts_of(Need::Text, |event| &event.text)
    }
    fn matches(&self, needles: u32) -> Vec<bool> {
        self.counts(needles).into_iter().map(|count| count > 0).collect()
    }
    fn match_counts(&self, needles: u32) -> Vec<u8> {
        let counts = self.counts(needles).into_iter();
        counts.map(|count| u8::try_from(count).unwrap_or(u8::MAX)).collect()
    }
    fn row(&self, index: usize) -> Option<Event> {
        let event = &self.events.get(index)?.event;
        let has = |need| self.approved.contains(&need);
        let text = |need, text: &str| if has(need) { text.to_owned() } else { String::new() };
        let some = |need, text: &Option<String>| text.clone().filter(|text| has(need) && !text.is_empty());
        Some(Event {
            id: text(Need::Ids, &event.id),
            at: if has(Need::Times) { event.at } else { 0 },
            sender: event.sender.filter(|_| has(Need::Senders)),
            kind: if has(Need::Kinds) { event.kind } else { EventKind::Other },
            flags: event.flags,
            text: text(Need::Text, &event.text),
            thread: some(Need::References, &event.thread),
            target: some(Need::References, &event.target),
        })
    }
    fn attachments(&self, index: usize) -> Vec<Attachment> {
        check(self.approved, Need::Attachments);
        self.events.get(index).map(|row| row.attachments.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::NoConfig;

    fn manifest(needs: &'static [Need]) -> Manifest {
        Manifest { name: "test/row", version: "1", summary: "s", needs, config_schema: NoConfig::SCHEMA }
    }

    fn whole() -> FakeEvent {
        message("m1", 5).from(3).text("secret").thread("m0").target("m0")
    }

    #[test]
    fn a_row_hides_what_the_manifest_does_not_need() {
        let blind = FakeView::new(&manifest(&[]), [whole()]).row(0).unwrap();
        assert_eq!((blind.id.as_str(), blind.at, blind.sender, blind.kind), ("", 0, None, EventKind::Other));
        assert_eq!((blind.text.as_str(), blind.thread, blind.target), ("", None, None));
        let needs = &[Need::Ids, Need::Times, Need::Senders, Need::Kinds, Need::Text, Need::References];
        let seeing = FakeView::new(&manifest(needs), [whole()]).row(0).unwrap();
        assert_eq!((seeing.id.as_str(), seeing.at, seeing.sender, seeing.kind), ("m1", 5, Some(3), EventKind::Message));
        assert_eq!((seeing.text.as_str(), seeing.thread.as_deref(), seeing.target.as_deref()), ("secret", Some("m0"), Some("m0")));
        assert!(FakeView::new(&manifest(needs), []).row(0).is_none());
    }

    #[test]
    #[should_panic(expected = "needle list 1, and this view has 1")]
    fn a_list_that_is_not_there() {
        let mut view = FakeView::new(&manifest(&[Need::Matching]), [whole()]);
        view.needles = vec![vec!["secret"]];
        assert_eq!(view.matches(0), [true]);
        view.matches(1);
    }
}
