//! A tenant with a folder, and events that look for trouble.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_archive::{Archive, ArchiveWriter, MasterKey, ObjectStore, generate_tenant_keys, open_store};
use consign_model::{Attachment, ChatKey, Digest, Event, EventKind, Flags, TenantKeys, Timestamp};

/// A tenant `acme` with keys and an empty archive in a folder that goes with it.
pub struct Fixture {
    pub folder: tempfile::TempDir,
    pub store: Arc<dyn ObjectStore>,
    pub master: MasterKey,
    pub keys: TenantKeys,
    pub archive: Archive,
}

impl Fixture {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(folder.path().to_str().unwrap()).unwrap();
        let master = MasterKey::generate().unwrap();
        let keys = generate_tenant_keys(&master).unwrap();
        let archive = Archive::open(store.clone(), "acme".parse().unwrap(), &keys, &master).unwrap();
        Self { folder, store, master, keys, archive }
    }

    pub fn writer(&self) -> &ArchiveWriter {
        self.archive.writer()
    }

    /// The file behind a path of the tenant.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("acme").join(path)
    }

    /// All files, relative to the folder, sorted.
    pub fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        let mut names: Vec<String> = found.iter().map(|path| path.strip_prefix(self.folder.path()).unwrap().display().to_string()).collect();
        names.sort();
        names
    }
}

pub fn chat() -> ChatKey {
    ChatKey { source: "slack".parse().unwrap(), id: "C1 / ünïcode \u{202e}".to_owned() }
}

/// `SplitMix64`. Prints its seed; `CONSIGN_SEED` repeats a run.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let now = || Timestamp::now().0.unsigned_abs();
        let seed = std::env::var("CONSIGN_SEED").ok().map_or_else(now, |text| text.parse().expect("CONSIGN_SEED is a number"));
        println!("CONSIGN_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(length).collect()
    }

    pub fn text(&mut self) -> String {
        const PIECES: [&str; 16] = [
            "",
            "a",
            "grüße",
            "👩‍👩‍👧🎉",
            "\0",
            "\r\n",
            "\u{202e}txt.exe",
            "e\u{301}",
            "𝔘",
            "\u{fffd}",
            "日本語",
            "\u{feff}",
            "\u{10ffff}",
            "مرحبا",
            " ",
            "\"\\<&>",
        ];
        (0..self.below(6)).filter_map(|_| PIECES.get(self.below(PIECES.len()))).copied().collect()
    }

    /// Unset, or a text that is not empty: columns don't tell an empty one from none.
    pub fn maybe(&mut self) -> Option<String> {
        Some(self.text()).filter(|text| !text.is_empty() && self.below(2) == 0)
    }

    pub fn event(&mut self, index: usize) -> Event {
        let kind = EventKind::ALL.get(self.below(7)).copied().unwrap();
        let at = match self.below(10) {
            0 => Timestamp::MIN.0,
            1 => Timestamp::MAX.0,
            _ => 1_767_600_000_000 + i64::try_from(self.below(1_000_000_000)).unwrap() - 500_000_000,
        };
        let attachments = match self.below(4) {
            0 => (0..self.below(4)).map(|_| self.attachment()).collect(),
            _ => Vec::new(),
        };
        let mut event = Event {
            user: (self.below(5) > 0).then(|| format!("U{}{}", self.below(9), self.text())),
            sender_name: self.maybe(),
            text: self.text(),
            thread: self.maybe(),
            target: self.maybe(),
            flags: Flags(u8::try_from(self.below(128)).unwrap() & !(Flags::REPLY.0 | Flags::HAS_ATTACHMENTS.0 | Flags::LATE.0)),
            attachments,
            previous: self.maybe(),
            original: self.maybe(),
            ..Event::new(kind, format!("{index}.{}", self.text()), Timestamp(at))
        };
        event.flags = event.own_flags();
        event
    }

    fn attachment(&mut self) -> Attachment {
        Attachment {
            name: self.text(),
            media_type: "application/octet-stream".to_owned(),
            size: (self.below(2) == 0).then(|| self.next()),
            digest: (self.below(2) == 0).then(|| Digest::of(&self.bytes(8))),
            // Unlike a text column, this one does tell an empty text from none.
            url: (self.below(2) == 0).then(|| self.text()),
        }
    }

    pub fn events(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|index| self.event(index)).collect()
    }
}
