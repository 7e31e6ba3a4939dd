//! What must hold whatever was read: a sink that looks at each call by itself, keeps none of it, and at the end holds the report against what it got.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use consign_model::source::Capture;
use consign_model::{Digest, Event, EventKind, Timestamp, User};
use consign_source::{ChatInfo, FileInfo, Limits, Progress, Report, Sink, SinkError};

use crate::dice::SAID;
use crate::pack::OUTSIDE;

/// Characters of a name, as `text.rs` cuts it.
const LONGEST_NAME: usize = 256;
/// An id that is put together holds some ids of 1,024 bytes and a name.
const LONGEST_ID: usize = 16 << 10;
/// What one event's texts may have, after names were put in.
const LONGEST_TEXT: usize = 17 << 20;

pub struct Judge<'a> {
    limits: &'a Limits,
    /// Everything that was handed over, in its order.
    trace: DefaultHasher,
    /// Calls so far.
    pub calls: usize,
    /// Fails at this call, counted from 0.
    pub fail_at: Option<usize>,
    /// Events by kind.
    pub events: BTreeMap<EventKind, u64>,
    /// Whether each has an address, by the newest that was said.
    users: HashMap<String, bool>,
    chats: HashSet<String>,
    captured: HashSet<String>,
    copied: HashSet<String>,
    files: HashMap<Digest, u64>,
    attached: u64,
    attached_bytes: u64,
    missing: u64,
}

impl<'a> Judge<'a> {
    pub fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            trace: DefaultHasher::new(),
            calls: 0,
            fail_at: None,
            events: BTreeMap::new(),
            users: HashMap::new(),
            chats: HashSet::new(),
            captured: HashSet::new(),
            copied: HashSet::new(),
            files: HashMap::new(),
            attached: 0,
            attached_bytes: 0,
            missing: 0,
        }
    }

    /// All events.
    pub fn total(&self) -> u64 {
        self.events.values().sum()
    }

    /// The same for the same calls.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    fn call(&mut self) -> Result<(), SinkError> {
        self.calls += 1;
        assert!(self.fail_at.is_none_or(|at| self.calls <= at + 1), "nothing comes after the sink has failed");
        if self.fail_at == Some(self.calls - 1) { Err("the disk is full".into()) } else { Ok(()) }
    }

    fn has_user(&mut self, user: &User, is_mentioned: bool) -> Result<(), SinkError> {
        self.call()?;
        id(&user.id);
        // Who has no name is called by the id.
        if user.name != user.id {
            name(&user.name, LONGEST_NAME);
        }
        if let Some(email) = &user.email {
            assert!(email.matches('@').count() == 1 && !email.starts_with('@') && !email.ends_with('@'), "an address is none");
            assert!(!email.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,;\"".contains(c)), "an address ends a header");
        }
        labels(&user.attributes);
        let has = self.users.entry(user.id.clone()).or_default();
        *has = if is_mentioned { *has } else { user.email.is_some() };
        (is_mentioned, &user.id, &user.name, &user.email, &user.attributes, user.bot, user.external, user.recorded).hash(&mut self.trace);
        Ok(())
    }

    fn event(&mut self, event: &Event) {
        id(&event.id);
        for one in [&event.user, &event.thread, &event.target].into_iter().flatten() {
            id(one);
        }
        assert!((Timestamp::MIN..=Timestamp::MAX).contains(&event.at), "a time beyond the years that can be written");
        if let Some(sender) = &event.sender_name {
            name(sender, LONGEST_NAME);
        }
        for text in [Some(&event.text), event.previous.as_ref()].into_iter().flatten() {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "a text with what no e-mail can carry");
        }
        for text in [Some(&event.text), event.previous.as_ref(), event.original.as_ref()].into_iter().flatten() {
            assert!(text.len() <= LONGEST_TEXT, "a text of {} bytes", text.len());
            assert!(!text.contains(OUTSIDE), "a file outside was read");
        }
        match event.kind {
            EventKind::Edit | EventKind::Delete => assert!(event.target.is_some(), "an edit or deletion of nothing"),
            EventKind::Reaction => {
                assert!(event.target.is_some() && event.user.is_some(), "a reaction by nobody or to nothing");
                name(&event.text, LONGEST_NAME);
            }
            EventKind::Join | EventKind::Leave => assert!(event.user.is_some(), "nobody came or went"),
            EventKind::Message | EventKind::Other => {}
        }
        for file in &event.attachments {
            name(&file.name, LONGEST_NAME);
            name(&file.media_type, LONGEST_NAME);
            assert!(file.media_type.contains('/'), "no media type: {:?}", file.media_type);
            if let Some(url) = &file.url {
                assert!(
                    url.chars().count() <= 2048 && !url.contains(|c: char| c.is_control() || "?#\u{2028}\u{2029}".contains(c)),
                    "a URL with more than its place"
                );
            }
            match &file.digest {
                Some(digest) => {
                    assert_eq!(self.files.get(digest), file.size.as_ref(), "a file that was not handed over");
                    self.attached += 1;
                    self.attached_bytes += file.size.unwrap_or_default();
                }
                None => self.missing += 1,
            }
            (&file.name, &file.media_type, file.size, file.digest.map(|digest| digest.0), &file.url).hash(&mut self.trace);
        }
        *self.events.entry(event.kind).or_default() += 1;
        let flags = format!("{:?}", event.flags);
        (event.kind.word(), &event.id, event.at.0, &event.user, &event.sender_name, &event.text, &event.thread, flags).hash(&mut self.trace);
        (&event.target, &event.previous, &event.original).hash(&mut self.trace);
    }

    /// The report says what came.
    pub fn confirms(&self, report: &Report) {
        assert_eq!(report.events, self.events, "events by kind");
        assert_eq!(report.chats, self.chats.len() as u64, "chats");
        assert_eq!(report.users, self.users.len() as u64, "users");
        assert_eq!(report.users_without_email, self.users.values().filter(|has| !**has).count() as u64, "users without an address");
        assert!(self.copied.is_subset(&self.captured), "somebody has copies and is not captured");
        assert_eq!(report.captured_users, self.captured.len() as u64, "captured users");
        assert_eq!(report.attachments_missing, self.missing, "files that are missing");
        // Of a line that is refused its files may have been handed over before.
        let files = (report.attachments, report.attachment_bytes);
        assert!(files == (self.attached, self.attached_bytes) || report.refused > 0 && files >= (self.attached, self.attached_bytes), "files");
        let listed = |count: u64, kept: usize| assert_eq!(kept as u64, count.min(self.limits.listed as u64), "what is listed of {count}");
        listed(report.refused, report.refusals.len());
        listed(report.attachments_missing, report.missing.len());
        listed(report.unclaimed, report.unclaimed_files.len());
        let refusals = report.refusals.iter().flat_map(|refusal| [&refusal.file, &refusal.reason]);
        for line in refusals.chain(report.unclaimed_files.iter()).chain(report.notes.keys()) {
            assert!(!line.is_empty() && line.chars().count() < 2000 && !line.chars().any(char::is_control), "no line for a person: {line:?}");
        }
        assert!(report.notes.len() <= 201, "{} notes", report.notes.len());
    }
}

impl Sink for Judge<'_> {
    fn user(&mut self, user: User) -> Result<(), SinkError> {
        self.has_user(&user, false)
    }

    fn mentioned(&mut self, user: User) -> Result<(), SinkError> {
        self.has_user(&user, true)
    }

    fn chat(&mut self, chat: ChatInfo) -> Result<(), SinkError> {
        self.call()?;
        id(&chat.id);
        if let Some(title) = &chat.title {
            name(title, 1024);
        }
        labels(&chat.labels);
        chat.members.iter().for_each(|member| id(member));
        self.chats.insert(chat.id.clone());
        (&chat.id, format!("{:?}", chat.kind), &chat.title, &chat.labels, &chat.members).hash(&mut self.trace);
        Ok(())
    }

    fn events(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SinkError> {
        self.call()?;
        assert!(self.chats.contains(chat), "a chat comes before its events");
        self.copied.extend(copy_of.map(str::to_owned));
        assert!(!events.is_empty() && events.len() <= self.limits.piece_events.max(1), "{} events at once", events.len());
        let bytes =
            |event: &Event| event.text.len() + event.original.as_ref().map_or(0, String::len) + event.previous.as_ref().map_or(0, String::len);
        let before_last: usize = events.iter().rev().skip(1).map(bytes).sum();
        assert!(before_last <= self.limits.piece_bytes, "{before_last} bytes at once, and one more event");
        (chat, copy_of).hash(&mut self.trace);
        for event in &events {
            self.event(event);
        }
        Ok(())
    }

    fn captured(&mut self, capture: Capture) -> Result<(), SinkError> {
        self.call()?;
        id(&capture.user);
        for at in [capture.from, capture.until].into_iter().flatten() {
            assert!((Timestamp::MIN..=Timestamp::MAX).contains(&at), "a time beyond the years that can be written");
        }
        assert!(capture.from.zip(capture.until).is_none_or(|(from, until)| from <= until), "it ends before it begins");
        (&capture.user, capture.from.map(|at| at.0), capture.until.map(|at| at.0)).hash(&mut self.trace);
        self.captured.insert(capture.user);
        Ok(())
    }

    fn attachment(&mut self, file: FileInfo<'_>, bytes: &mut dyn Read) -> Result<(Digest, u64), SinkError> {
        self.call()?;
        name(file.name, LONGEST_NAME);
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        assert!(all.len() as u64 <= self.limits.attachment_bytes, "a file of {} bytes", all.len());
        assert!(!all.windows(OUTSIDE.len()).any(|part| part == OUTSIDE.as_bytes()), "a file outside was read");
        let (digest, size) = (Digest::of(&all), all.len() as u64);
        (file.name, file.media_type, digest.0).hash(&mut self.trace);
        self.files.insert(digest, size);
        Ok((digest, size))
    }
}

/// Told how far it is, it never goes back or too far.
pub fn goes_on(last: &mut (u64, u64), now: Progress) {
    assert!(now.done <= now.total && now.done >= last.0 && now.events >= last.1, "{now:?} after {last:?}");
    *last = (now.done, now.events);
}

/// What somebody said is in no text for a person.
pub fn keeps_secrets(text: &str) {
    assert!(!text.contains(SAID), "it quotes what somebody said: {text}");
}

fn id(text: &str) {
    assert!(!text.is_empty() && text.len() <= LONGEST_ID, "an id of {} bytes", text.len());
    assert!(is_clean(text), "an id with control characters: {text:?}");
}

fn name(text: &str, most: usize) {
    assert!(!text.is_empty() && text.chars().count() <= most, "a name of {} bytes", text.len());
    assert!(is_clean(text) && text.trim() == text, "a name that is no line: {text:?}");
}

fn labels(labels: &BTreeMap<String, String>) {
    for (key, value) in labels {
        name(key, LONGEST_NAME);
        name(value, 1024);
    }
}

fn is_clean(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}')
}
