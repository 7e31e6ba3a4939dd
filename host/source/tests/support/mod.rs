//! A sink that keeps everything, and exports made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use consign_model::source::Capture;
use consign_model::{Digest, Event, EventKind, User};
use consign_source::{ChatInfo, FileInfo, Format, Limits, Progress, Report, Sink, SinkError, SourceError};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What came out.
#[derive(Default)]
pub struct Kept {
    pub users: Vec<User>,
    pub chats: BTreeMap<String, ChatInfo>,
    pub events: BTreeMap<String, Vec<Event>>,
    pub files: BTreeMap<Digest, Vec<u8>>,
    pub captures: Vec<Capture>,
    /// Ids of events by chat and by the user whose copies they are.
    pub copies: BTreeMap<(String, String), Vec<String>>,
    pub largest_piece: usize,
    /// Copies come page by page, and what is captured with the last.
    pub in_parts: bool,
    /// Fail at this call, counted from 0.
    pub fail_at: Option<usize>,
    pub calls: usize,
}

impl Kept {
    fn call(&mut self) -> Result<(), SinkError> {
        self.calls += 1;
        if self.fail_at == Some(self.calls - 1) { Err("the disk is full".into()) } else { Ok(()) }
    }

    pub fn chat(&self, id: &str) -> &[Event] {
        self.events.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn event(&self, id: &str) -> &Event {
        self.events.values().flatten().find(|event| event.id == id).unwrap()
    }

    pub fn user(&self, id: &str) -> &User {
        self.users.iter().find(|user| user.id == id).unwrap()
    }

    pub fn all(&self) -> impl Iterator<Item = &Event> {
        self.events.values().flatten()
    }

    pub fn count(&self, kind: EventKind) -> usize {
        self.all().filter(|event| event.kind == kind).count()
    }
}

impl Sink for Kept {
    fn user(&mut self, user: User) -> Result<(), SinkError> {
        self.call()?;
        self.users.push(user);
        Ok(())
    }

    fn mentioned(&mut self, user: User) -> Result<(), SinkError> {
        self.user(user)
    }

    fn chat(&mut self, chat: ChatInfo) -> Result<(), SinkError> {
        self.call()?;
        self.chats.insert(chat.id.clone(), chat);
        Ok(())
    }

    fn events(&mut self, chat: &str, copy_of: Option<&str>, events: Vec<Event>) -> Result<(), SinkError> {
        self.call()?;
        assert!(self.chats.contains_key(chat), "a chat comes before its events");
        assert!(!events.is_empty());
        self.largest_piece = self.largest_piece.max(events.len());
        if let Some(user) = copy_of {
            let ids = events.iter().map(|event| event.id.clone());
            self.copies.entry((chat.to_owned(), user.to_owned())).or_default().extend(ids);
        }
        self.events.entry(chat.to_owned()).or_default().extend(events);
        Ok(())
    }

    fn captured(&mut self, capture: Capture) -> Result<(), SinkError> {
        self.call()?;
        self.captures.push(capture);
        Ok(())
    }

    fn attachment(&mut self, _file: FileInfo<'_>, bytes: &mut dyn Read) -> Result<(Digest, u64), SinkError> {
        self.call()?;
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        let (digest, size) = (Digest::of(&all), all.len() as u64);
        self.files.insert(digest, all);
        Ok((digest, size))
    }
}

pub fn silent(_: Progress) {}

/// Reads with the usual limits.
pub fn read(format: Format, path: &Path) -> Result<(Kept, Report), SourceError> {
    read_with(format, path, &Limits::default())
}

pub fn read_with(format: Format, path: &Path, limits: &Limits) -> Result<(Kept, Report), SourceError> {
    let mut kept = Kept::default();
    let report = consign_source::read(format, path, limits, &mut kept, &silent)?;
    assert_eq!(report.events_total(), kept.all().count() as u64);
    assert_eq!(report.chats, kept.chats.len() as u64);
    assert!(kept.largest_piece <= limits.piece_events);
    let captured = |user: &String| kept.captures.iter().any(|capture| capture.user == *user);
    assert!(kept.copies.keys().all(|(_, user)| captured(user)), "whoever has copies is captured");
    Ok((kept, report))
}

/// The error, and that nothing was handed over before it.
pub fn refused_whole(format: Format, path: &Path, limits: &Limits) -> SourceError {
    let mut kept = Kept::default();
    let error = consign_source::read(format, path, limits, &mut kept, &silent).unwrap_err();
    assert_eq!(kept.calls, 0, "something was handed over before: {error}");
    assert!(error.to_string().contains(path.file_name().unwrap().to_str().unwrap()), "no file in: {error}");
    error
}

/// A folder for one test, removed afterwards.
pub struct Room(pub tempfile::TempDir);

impl Room {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn zip(&self, files: &[(&str, &[u8])]) -> PathBuf {
        self.write("export.zip", zip_of(files))
    }
}

pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Lists that make a folder a Slack export: one channel `C1` named `desk`, three users.
pub const USERS: &str = r#"[
 {"id":"U1","name":"ann","profile":{"real_name":"Ann Lee","email":"ann@desk.example","title":"Trader"}},
 {"id":"U2","name":"bob","is_bot":false,"deleted":true,"profile":{"real_name":"","display_name":"Bob","email":""}},
 {"id":"U3","name":"日本","is_bot":true,"profile":{"real_name":"田中 花子"}}
]"#;
pub const CHANNELS: &str = r#"[{"id":"C1","name":"desk","members":["U1","U2"],"topic":{"value":"rates &amp; <@U1>"},"purpose":{"value":""}}]"#;

/// An export of one day of the channel `desk`.
pub fn day(entries: &str) -> Vec<u8> {
    zip_of(&[("users.json", USERS.as_bytes()), ("channels.json", CHANNELS.as_bytes()), ("desk/2026-01-05.json", entries.as_bytes())])
}

/// Reads such a day that should go through.
pub fn read_day(entries: &str) -> (Kept, Report) {
    let room = Room::new();
    let path = room.write("export.zip", day(entries));
    read(Format::Slack, &path).unwrap()
}
