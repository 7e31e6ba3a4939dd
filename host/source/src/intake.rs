//! What all readers do alike: hand over in bounded pieces, count, and keep the report.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

use consign_model::source::Capture;
use consign_model::{Attachment, Digest, Event, Timestamp, User};

use crate::files::{FileFault, Guarded};
use crate::report::shown;
use crate::text;
use crate::{ChatInfo, FileInfo, Limits, Missing, Progress, Refusal, Report, Sink, SourceError};

/// Different notes that a report keeps; a file of endless invented field names must not fill the memory.
const MOST_NOTES: usize = 200;

/// The way to the sink.
pub struct Intake<'a> {
    sink: &'a mut dyn Sink,
    progress: &'a dyn Fn(Progress),
    /// Bounds.
    pub limits: &'a Limits,
    /// What happened so far.
    pub report: Report,
    done: u64,
    /// Bytes there are to read.
    pub total: u64,
    events: u64,
    chats: HashSet<String>,
    /// Whether each has an address.
    users: HashMap<String, bool>,
    captured: HashSet<String>,
    /// For each user with copies, the first and the last event of them, over all chats.
    copied: BTreeMap<String, (Timestamp, Timestamp)>,
}

impl<'a> Intake<'a> {
    pub fn new(sink: &'a mut dyn Sink, limits: &'a Limits, progress: &'a dyn Fn(Progress)) -> Self {
        Self {
            sink,
            progress,
            limits,
            report: Report::default(),
            done: 0,
            total: 0,
            events: 0,
            chats: HashSet::new(),
            users: HashMap::new(),
            captured: HashSet::new(),
            copied: BTreeMap::new(),
        }
    }

    /// Whether this user was handed over.
    pub fn knows_user(&self, id: &str) -> bool {
        self.users.contains_key(id)
    }

    /// Hands over a user, or newer facts about one.
    pub fn user(&mut self, user: User) -> Result<(), SourceError> {
        // The newest facts hold, also of the address.
        let has_address = user.email.is_some();
        match self.users.insert(user.id.clone(), has_address) {
            None => self.report.users += 1,
            Some(had_one) => self.report.users_without_email -= u64::from(!had_one),
        }
        self.report.users_without_email += u64::from(!has_address);
        self.sink.user(user).map_err(SourceError::Sink)
    }

    /// Hands over a user of whom only an event tells.
    pub fn mentioned(&mut self, user: User) -> Result<(), SourceError> {
        if !self.users.contains_key(&user.id) {
            self.users.insert(user.id.clone(), false);
            self.report.users += 1;
            self.report.users_without_email += 1;
        }
        self.sink.mentioned(user).map_err(SourceError::Sink)
    }

    /// Hands over a chat, or more facts about it.
    pub fn chat(&mut self, chat: ChatInfo) -> Result<(), SourceError> {
        if self.chats.insert(chat.id.clone()) {
            self.report.chats += 1;
        }
        self.sink.chat(chat).map_err(SourceError::Sink)
    }

    /// Hands over whose copies the export holds.
    pub fn captured(&mut self, capture: Capture) -> Result<(), SourceError> {
        if self.captured.insert(capture.user.clone()) {
            self.report.captured_users += 1;
        }
        self.sink.captured(capture).map_err(SourceError::Sink)
    }

    /// That this user's own export comes in parts: their copies say nothing of which times were read, and [`Self::captured`] does when that is known.
    pub fn comes_in_parts(&mut self, user: &str) {
        self.captured.insert(user.to_owned());
    }

    /// Hands over events of a chat, which is declared as unknown if nothing was said of it before. `copy_of`: the user in whose export they stand, where
    /// there is one for each user.
    pub fn events(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SourceError> {
        if let Some(user) = copy_of {
            self.copies(user, &events);
        }
        // A message with thousands of reactions, or one of many megabytes with its edit.
        let mut piece = Piece::default();
        for event in events {
            piece.push(event);
            if piece.is_full(self.limits) {
                self.piece(chat, copy_of, piece.take())?;
            }
        }
        self.piece(chat, copy_of, piece.take())
    }

    /// Remembers from when until when a user's copies are.
    fn copies(&mut self, user: &str, events: &[Event]) {
        for at in events.iter().map(|event| event.at) {
            match self.copied.get_mut(user) {
                Some((first, last)) => (*first, *last) = (at.min(*first), at.max(*last)),
                None => drop(self.copied.insert(user.to_owned(), (at, at))),
            }
        }
    }

    /// The end of the import. Users with copies of whom nothing said for which times they were asked for are captured from their first to their last copy: of any
    /// time beside nobody said that it was asked for, and coverage takes a capture's word that what is not in the copies was not there.
    pub fn finish(mut self) -> Result<Report, SourceError> {
        for (user, (first, last)) in std::mem::take(&mut self.copied) {
            if !self.captured.contains(&user) {
                self.note(
                    "users whose copies are there and of whom nothing says for which times: taken as captured from their first copy to their last",
                );
                self.captured(Capture { user, from: Some(first), until: Some(last) })?;
            }
        }
        Ok(self.report)
    }

    fn piece(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SourceError> {
        if events.is_empty() {
            return Ok(());
        }
        if !self.chats.contains(chat) {
            self.chat(ChatInfo::unknown(chat))?;
        }
        for event in &events {
            *self.report.events.entry(event.kind).or_default() += 1;
        }
        self.events += events.len() as u64;
        self.sink.events(chat, copy_of, events).map_err(SourceError::Sink)
    }

    /// Hands over a file's bytes. Unset inside: the bytes could not be read, for the reason beside.
    pub fn attachment(&mut self, file: FileInfo<'_>, bytes: &mut Guarded<'_>) -> Result<Result<(Digest, u64), FileFault>, SourceError> {
        let outcome = self.sink.attachment(file, bytes as &mut dyn Read);
        match (bytes.fault.take(), outcome) {
            (Some(fault), _) => Ok(Err(fault)),
            (None, Ok((digest, size))) => {
                self.count_attachment(size);
                Ok(Ok((digest, size)))
            }
            (None, Err(error)) => Err(SourceError::Sink(error)),
        }
    }

    /// Counts an attachment as handed over.
    pub fn count_attachment(&mut self, size: u64) {
        self.report.attachments += 1;
        self.report.attachment_bytes = self.report.attachment_bytes.saturating_add(size);
    }

    /// Hangs a file on its event, and counts it as missing where its bytes are not there.
    pub fn hang(&mut self, chat: &str, event: &mut Event, attachment: Attachment) {
        if attachment.digest.is_none() {
            self.missing(chat, &event.id, &attachment);
        }
        event.attachments.push(attachment);
    }

    /// Counts an attachment whose bytes are not there.
    pub fn missing(&mut self, chat: &str, event: &str, attachment: &Attachment) {
        self.report.attachments_missing += 1;
        if self.report.missing.len() < self.limits.listed {
            let (chat, event, name) = (chat.to_owned(), event.to_owned(), attachment.name.clone());
            self.report.missing.push(Missing { chat, event, name, url: attachment.url.clone() });
        }
    }

    /// Counts a file whose bytes are there and which no event has.
    pub fn unclaimed(&mut self, path: &str) {
        self.note("files that no message names, not imported (--json lists them as unclaimed_files)");
        self.report.unclaimed += 1;
        if self.report.unclaimed_files.len() < self.limits.listed {
            self.report.unclaimed_files.push(shown(path));
        }
    }

    /// Keeps a refusal.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.report.refused += 1;
        if self.report.refusals.len() < self.limits.listed {
            self.report.refusals.push(refusal);
        }
    }

    /// Counts as refused what is too much to be listed.
    pub fn refuse_unlisted(&mut self, count: u64) {
        self.report.refused = self.report.refused.saturating_add(count);
    }

    /// Counts something worth knowing.
    pub fn note(&mut self, note: &str) {
        let note = if self.report.notes.len() < MOST_NOTES || self.report.notes.contains_key(note) { note } else { "more notes, not listed" };
        *self.report.notes.entry(note.to_owned()).or_default() += 1;
    }

    /// A name made fit for a header, with a note where that changed it.
    pub fn name(&mut self, name: &str) -> String {
        if text::is_unclean(name) {
            self.note("names with line ends or control characters, each run of which became a space");
        }
        if text::is_long(name) {
            self.note("names longer than any real one, cut");
        }
        text::name(name)
    }

    /// An address, with a note where it is none.
    pub fn address(&mut self, address: Option<String>) -> Option<String> {
        let address = address.filter(|address| !address.trim().is_empty())?;
        let usable = text::address(&address);
        if usable.is_none() {
            self.note("e-mail addresses that are none, left out");
        }
        usable
    }

    /// Labels or attributes with clean names and texts; empty ones fall away.
    pub fn labels(&mut self, pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
        pairs
            .into_iter()
            .map(|(key, value)| (self.name(&key), self.label(&value)))
            .filter(|(key, value)| !key.is_empty() && !value.is_empty())
            .collect()
    }

    fn label(&mut self, value: &str) -> String {
        let label = text::label(value);
        if text::is_unclean(value) || label.ends_with('…') && !value.trim_end().ends_with('…') {
            self.note("labels and attributes with line ends or control characters, or longer than any real one, mended");
        }
        label
    }

    /// A field that nobody knows.
    pub fn unknown_field(&mut self, of: &str, field: &str) {
        self.note(&format!("unknown field `{}` of a {of}, ignored", shown(field)));
    }

    /// Tells how far it is.
    pub fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes).min(self.total);
        (self.progress)(Progress { done: self.done, total: self.total, events: self.events });
    }
}

/// Bytes that an event costs to hold, roughly.
pub fn cost(event: &Event) -> usize {
    let optional = [&event.user, &event.sender_name, &event.thread, &event.target, &event.previous, &event.original];
    256 + event.id.len()
        + event.text.len()
        + optional.iter().filter_map(|text| text.as_ref()).map(String::len).sum::<usize>()
        + event.attachments.len() * 256
}

/// Events of one chat that wait to be handed over.
#[derive(Debug, Default)]
pub struct Piece {
    /// The events.
    pub events: Vec<Event>,
    /// What they cost to hold.
    pub cost: usize,
}

impl Piece {
    pub fn push(&mut self, event: Event) {
        self.cost += cost(&event);
        self.events.push(event);
    }

    pub fn is_full(&self, limits: &Limits) -> bool {
        self.events.len() >= limits.piece_events || self.cost >= limits.piece_bytes
    }

    /// The events, leaving none.
    pub fn take(&mut self) -> Vec<Event> {
        self.cost = 0;
        std::mem::take(&mut self.events)
    }
}
