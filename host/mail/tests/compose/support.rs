//! Groups to compose, random texts, and Python's opinion of the result.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;

use consign_mail::compose::{Email, GroupInfo, GroupInput, MailEvent, SealedFile, plan, render};
use consign_model::event::EventKind;
use consign_model::policy::AttachmentsSpec;
use consign_model::target::{ByteSize, Composing, Profile};
use consign_model::window::{Facts, Participant};
use consign_model::{Attachment, Chat, ChatKey, ChatKind, Digest, Event, Flags, Membership, Name, RunId, Timestamp, User, WindowKey};

/// 2026-01-05T08:00:00Z.
pub const START: i64 = 1_767_600_000_000;

/// Everything of a group, owned.
pub struct Sample {
    pub tenant: Name,
    pub run: RunId,
    pub window: WindowKey,
    pub key: String,
    pub title: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub facts: Facts,
    pub subject: Option<usize>,
    pub events: Vec<(Event, Flags, Option<String>)>,
    pub files: Vec<SealedFile>,
    pub target: Composing,
    pub attachments: AttachmentsSpec,
    pub references: Vec<String>,
    pub contents: HashMap<Digest, Vec<u8>>,
}

pub fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

impl Sample {
    pub fn new() -> Self {
        let chat = ChatKey { source: name("slack"), id: "C024BE91L".to_owned() };
        let policy = name("fx-desk");
        let mut facts = Facts { chat: Chat::new(chat.clone(), ChatKind::Channel), participants: Vec::new() };
        facts.chat.title = Some("rates-desk".to_owned());
        facts.chat.labels.insert("team".to_owned(), "fx".to_owned());
        Self {
            tenant: name("acme"),
            run: RunId::new(&policy, 12),
            window: WindowKey::new(policy, chat, 100),
            key: "C024BE91L".to_owned(),
            title: None,
            labels: BTreeMap::new(),
            facts,
            subject: None,
            events: Vec::new(),
            files: Vec::new(),
            target: Composing {
                from: "journal@corp.example".to_owned(),
                to: vec!["ingest@archive.example".to_owned()],
                subject: "{{ group.title or chat.title or chat.id }}, {{ participants | length }} users, {{ events | length }} messages".to_owned(),
                headers: BTreeMap::new(),
                max_size: ByteSize(25 << 20),
                profile: Profile::Plain,
                feed: None,
                archive_id: None,
            },
            attachments: AttachmentsSpec::All(true),
            references: Vec::new(),
            contents: HashMap::new(),
        }
    }

    pub fn person(&mut self, id: &str, name: &str, email: Option<&str>) -> &mut Self {
        let mut user = User::unknown(id);
        name.clone_into(&mut user.name);
        user.email = email.map(str::to_owned);
        self.facts.participants.push(Participant::new(user, vec![Membership { joined: None, left: None }]));
        self.facts.participants.sort_by(|a, b| a.user.id.cmp(&b.user.id));
        self
    }

    /// Adds an event one second after the last one.
    pub fn event(&mut self, kind: EventKind, user: &str, text: &str) -> &mut Event {
        let number = i64::try_from(self.events.len()).unwrap();
        let mut event = Event::new(kind, format!("m{number}"), Timestamp(START + 1000 * number + 345));
        event.user = Some(user.to_owned());
        text.clone_into(&mut event.text);
        self.events.push((event, Flags::default(), None));
        &mut self.events.last_mut().unwrap().0
    }

    /// Hangs a file on the last event.
    pub fn attach(&mut self, name: &str, media_type: &str, content: Vec<u8>) -> &mut Self {
        let digest = Digest::of(&content);
        let size = Some(content.len() as u64);
        let attachment = Attachment { name: name.to_owned(), media_type: media_type.to_owned(), size, digest: Some(digest), url: None };
        self.contents.insert(digest, content);
        self.events.last_mut().unwrap().0.attachments.push(attachment);
        self
    }

    pub fn with_input<T>(&self, work: impl FnOnce(&GroupInput<'_>) -> T) -> T {
        let facts = Arc::new(self.facts.clone());
        let events = self.events.iter().zip(self.window.from..);
        let input = GroupInput {
            tenant: &self.tenant,
            run: &self.run,
            window: &self.window,
            window_to: self.window.from + self.events.len() as u64,
            window_end: Timestamp(START + 86_400_000),
            group_index: 0,
            group: GroupInfo {
                key: &self.key,
                title: self.title.as_deref(),
                subject: self.subject.and_then(|index| self.facts.participants.get(index)),
                labels: &self.labels,
            },
            facts: &facts,
            events: events
                .map(|((event, flags, previous), position)| MailEvent {
                    event,
                    flags: event.own_flags().with(*flags),
                    previous: previous.as_deref(),
                    position,
                })
                .collect(),
            files: &self.files,
            target: &self.target,
            attachments: &self.attachments,
            references: &self.references,
        };
        work(&input)
    }

    /// All parts.
    pub fn compose(&self) -> Vec<Email> {
        self.with_input(|input| {
            let plan = plan(input).unwrap();
            let parts = u32::try_from(plan.parts().len()).unwrap();
            let emails: Vec<Email> =
                (1..=parts).map(|part| render(input, &plan, part, |digest| self.contents.get(digest).map(Vec::as_slice)).unwrap()).collect();
            for (email, part) in emails.iter().zip(plan.parts()) {
                let size = email.bytes.len() as u64;
                assert!(size <= part.size && part.size <= self.target.max_size.0, "{size} {} {}", part.size, self.target.max_size);
                assert_eq!(email.events, part.events);
                assert_eq!(email.digest, Digest::of(&email.bytes));
            }
            emails
        })
    }
}

/// What Python makes of these e-mails: see `parse.py`. Fails where it found a fault.
pub fn python(emails: &[Email]) -> Vec<serde_json::Value> {
    parse(emails, &[])
}

/// The same, and what `mail-parser` makes of them.
pub fn both(emails: &[Email]) -> Vec<serde_json::Value> {
    parse(emails, &["--both"])
}

fn parse(emails: &[Email], options: &[&str]) -> Vec<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut parsed = Vec::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compose/parse.py");
    for (index, chunk) in emails.chunks(2000).enumerate() {
        let mut command = Command::new("python3");
        command.arg(script).args(options);
        for (place, email) in chunk.iter().enumerate() {
            let path = folder.path().join(format!("{index}-{place}.eml"));
            std::fs::write(&path, &email.bytes).unwrap();
            command.arg(path);
        }
        let output = command.output().expect("these tests need python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        parsed.extend(lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()));
    }
    assert_eq!(parsed.len(), emails.len());
    for (one, email) in parsed.iter().zip(emails) {
        let faults = one["faults"].as_array().unwrap();
        assert!(faults.is_empty(), "{faults:?} in\n{}", String::from_utf8_lossy(&email.bytes).chars().take(900).collect::<String>());
    }
    parsed
}

/// The same of a journal report itself.
pub fn outer<'p>(parsed: &'p serde_json::Value, name: &str) -> Vec<&'p str> {
    values(&parsed["outer"], name)
}

/// With what turns the order of reading around by its number.
pub fn order_shown(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::new();
    for c in text.chars() {
        if turns(c) { write!(out, "[U+{:04X}]", u32::from(c)).unwrap() } else { out.push(c) }
    }
    out
}

/// The values of a header, as Python unfolded and decoded them.
pub fn header<'p>(parsed: &'p serde_json::Value, name: &str) -> Vec<&'p str> {
    values(&parsed["headers"], name)
}

fn values<'p>(headers: &'p serde_json::Value, name: &str) -> Vec<&'p str> {
    let headers = headers.as_array().unwrap().iter();
    headers.filter(|one| one[0].as_str().unwrap().eq_ignore_ascii_case(name)).map(|one| one[1].as_str().unwrap()).collect()
}

/// Random numbers (splitmix64) from a seed that is printed, and that `CONSIGN_SEED` sets.
pub struct Random(u64);

impl Random {
    pub fn new(test: &str) -> Self {
        let now = || u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() & 0xffff_ffff).unwrap();
        let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
        println!("{test}: CONSIGN_SEED={seed}");
        Self(seed)
    }

    /// The same numbers for everybody.
    pub fn from(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Text of up to `longest` pieces: words, odd Unicode, control characters, things that mean something to mail, HTML and JSON.
    pub fn text(&mut self, longest: usize) -> String {
        const ODD: [&str; 40] = [
            "\r\nBcc: evil@example.com",
            "\r\n\r\n",
            "\n",
            "\r",
            "\0",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{2029}",
            "\u{0301}",
            "\u{202e}",
            "\u{200f}שלום",
            "😀",
            "👩‍👩‍👧",
            "日本語",
            "é",
            "=?utf-8?B?YQ==?=",
            "=?utf-8?Q?=0D=0A?=",
            "\"",
            "\\",
            "<b>",
            "</span>",
            "&amp;",
            "--=_m_",
            "=_a_",
            ".",
            "..",
            "From ",
            "%0d%0a",
            "\t",
            "  ",
            ";",
            ",",
            ":",
            "(",
            ")",
            "<a@b>",
            "{{ run }}",
            "\u{feff}",
            "\u{10ffff}",
        ];
        let mut text = String::new();
        for _ in 0..self.below(longest + 1) {
            match self.below(8) {
                0..4 => text.push_str(ODD[self.below(ODD.len())]),
                4 => text.extend(char::from_u32(u32::try_from(self.next() % 0x11_0000).unwrap())),
                5 => text.push_str(&"x".repeat(self.below(1100))),
                _ => {
                    text.push_str("word");
                    text.push(' ');
                }
            }
        }
        text
    }
}
