//! Chats that are made up, as JSON lines: for what any module must stand, and for measuring. They go through the importer like any other.

use std::fmt::Write as _;

use consign_model::Timestamp;
use serde_json::{Value, json};

/// The chat's id.
pub const CHAT: &str = "C1";

/// 2026-01-05T08:00:00Z, a Monday.
const BEGIN: i64 = 1_767_600_000_000;
/// Between two events.
const STEP: i64 = 37_000;

/// What people write who talk about rates and lunch.
const WORDS: [&str; 24] = [
    "the", "desk", "quoted", "a", "price", "for", "swap", "and", "then", "we", "talked", "about", "lunch", "rates", "morning", "please", "send",
    "fixing", "Zinsen", "Größe", "цена", "価格", "🎉", "ok",
];

/// Texts with which programs have trouble: combining marks, joined emoji, both directions, letters that change their length when their case does, characters
/// beyond the first plane, no letters at all, characters that end lines elsewhere.
const ODD: [&str; 22] = [
    "e\u{301}\u{327}\u{301}",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪",
    "שלום עולם مرحبا بالعالم",
    "\u{202e}desrever\u{202c} \u{2066}isolated\u{2069}",
    "İstanbul ß ſ ﬁ Ǆ ŉ ΐ ΰ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠜎 𡃁",
    "\u{feff}begins with a mark",
    "zero\u{200b}width\u{200d}joiner\u{2060}s",
    "line\u{2028}and paragraph\u{2029}",
    "\u{0}\u{1}\u{7f}\u{85}\u{9f}",
    "tab\tand\nnew line\r\nand return",
    "\u{fffd}\u{fffe}\u{ffff}\u{10ffff}",
    "\u{e000}\u{f8ff}\u{f0000}",
    "Z̸̡̛̟͎̼̦͈̓̈́a̵̢͉͖͓͌l̴̡̛̹g̶o",
    "क्षत्रिय 한국어 ไทย ខ្មែរ",
    "\u{1100}\u{1161}\u{11a8}",
    "ａｂｃ １２３ ٣٤٥ ४५६",
    "<b>&amp;</b> {{ chat.title }} %s %n \\ \" '",
    "../../etc/passwd; DROP TABLE events;--",
    " ",
    "\u{3000}\u{a0}",
    ".",
];

/// splitmix64: the same chat for the same seed, for ever.
pub struct Numbers(u64);

impl Numbers {
    /// By a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or_default();
        mixed % end.max(1)
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

/// Lines of one chat.
struct Lines {
    text: String,
    at: i64,
    numbers: Numbers,
    /// Ids of messages so far.
    messages: usize,
}

impl Lines {
    fn new(seed: u64, title: &str, people: usize) -> Self {
        let mut lines = Self { text: String::new(), at: BEGIN, numbers: Numbers::new(seed), messages: 0 };
        lines.push(&json!({"type": "chat", "id": CHAT, "kind": "channel", "title": title, "labels": {"team": "fx"}}));
        for person in 0..people {
            let department = if person % 2 == 0 { "FX" } else { "Rates" };
            lines.push(&json!({
                "type": "user", "id": format!("U{person}"), "name": format!("Person {person}"), "email": format!("u{person}@desk.example"),
                "bot": person % 17 == 5, "external": person % 5 == 3, "recorded": person % 3 != 2, "attributes": {"department": department},
            }));
        }
        lines
    }

    fn push(&mut self, line: &Value) {
        // Writing to a String can't fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn now(&self) -> String {
        Timestamp(self.at).to_string()
    }

    fn message(&mut self, user: &str, text: &str) -> Value {
        self.messages += 1;
        json!({"type": "message", "chat": CHAT, "id": format!("m{}", self.messages), "at": self.now(), "user": user, "text": text})
    }

    fn words(&mut self, bytes: usize) -> String {
        let mut text = String::new();
        while text.len() < bytes {
            text.push_str(self.numbers.pick(&WORDS).copied().unwrap_or_default());
            text.push(' ');
        }
        text.trim_end().to_owned()
    }

    fn any_message(&mut self) -> String {
        format!("m{}", 1 + self.numbers.below(self.messages))
    }
}

/// A chat with every kind of event, flag and reference, `events` of them, among `people`.
pub fn mixed(events: usize, people: usize, seed: u64) -> String {
    let mut lines = Lines::new(seed, "rates-desk", people);
    for number in 0..events {
        // Some happen in one millisecond.
        if number % 11 != 3 {
            lines.at += STEP;
        }
        let user = format!("U{}", lines.numbers.below(people));
        let choice = if lines.messages == 0 { 99 } else { lines.numbers.below(100) };
        let line = match choice {
            0..5 => json!({"type": "edit", "chat": CHAT, "id": lines.any_message(), "at": lines.now(), "user": user, "text": lines.words(60)}),
            5..8 => json!({"type": "delete", "chat": CHAT, "id": lines.any_message(), "at": lines.now(), "user": user}),
            8..14 => json!({
                "type": "reaction", "chat": CHAT, "id": lines.any_message(), "at": lines.now(), "user": user, "name": "thumbsup", "removed": choice == 8,
            }),
            14..17 => json!({"type": "join", "chat": CHAT, "user": user, "at": lines.now()}),
            17..20 => json!({"type": "leave", "chat": CHAT, "user": user, "at": lines.now()}),
            20..22 => json!({"type": "other", "chat": CHAT, "id": format!("o{number}"), "at": lines.now(), "text": "the topic was changed"}),
            22..40 => {
                let root = lines.any_message();
                let bytes = 20 + lines.numbers.below(200);
                let text = lines.words(bytes);
                let mut line = lines.message(&user, &text);
                put(&mut line, "thread", json!(root));
                line
            }
            40..46 => {
                let text = lines.words(30);
                let mut line = lines.message(&user, &text);
                put(
                    &mut line,
                    "attachments",
                    json!([
                        {"name": format!("quote {number}.pdf"), "media_type": "application/pdf", "size": number * 1000},
                        {"name": "bild.png", "media_type": "image/png"},
                    ]),
                );
                line
            }
            46..50 => {
                let text = lines.words(30);
                let mut line = lines.message(&user, &text);
                put(&mut line, "bot", json!(true));
                line
            }
            _ => {
                let bytes = 20 + lines.numbers.below(200);
                let text = lines.words(bytes);
                lines.message(&user, &text)
            }
        };
        lines.push(&line);
    }
    lines.text
}

fn put(line: &mut Value, name: &str, value: Value) {
    if let Some(fields) = line.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// A chat in odd Unicode: its texts, its title, its people's names.
pub fn odd_unicode() -> String {
    let mut lines = Lines::new(3, "د 👩‍👩‍👧‍👦 İ\u{301} title", 0);
    for (index, odd) in ODD.iter().enumerate() {
        lines.push(&json!({"type": "user", "id": format!("U{index}"), "name": format!("N {odd}"), "attributes": {"department": format!("D {odd}")}}));
    }
    for round in 0..20 {
        for (index, odd) in ODD.iter().enumerate() {
            lines.at += STEP;
            let other = ODD.get((index + round) % ODD.len()).copied().unwrap_or_default();
            let text = if round == 0 { (*odd).to_owned() } else { format!("{odd}{other} {odd}") };
            let line = lines.message(&format!("U{index}"), &text);
            lines.push(&line);
        }
    }
    lines.text
}

/// A chat whose messages have no text, and some no sender.
pub fn empty_texts() -> String {
    let mut lines = Lines::new(4, "empty", 3);
    for number in 0..200 {
        lines.at += STEP;
        let mut line = lines.message(&format!("U{}", number % 3), "");
        if number % 4 == 1
            && let Some(fields) = line.as_object_mut()
        {
            fields.remove("user");
        }
        if number % 4 == 2 {
            put(&mut line, "attachments", json!([{"name": "a.bin", "size": 0}]));
        }
        lines.push(&line);
    }
    lines.text
}

/// A chat with one text of `bytes` among short ones.
pub fn long_text(bytes: usize) -> String {
    let mut lines = Lines::new(5, "long", 3);
    for number in 0..10 {
        lines.at += STEP;
        let mut text = lines.words(if number == 5 { bytes } else { 40 });
        text.truncate(text.floor_char_boundary(bytes));
        let line = lines.message(&format!("U{}", number % 3), &text);
        lines.push(&line);
    }
    lines.text
}

/// A chat that `people` come into, in which some of them talk and some leave.
pub fn crowd(people: usize) -> String {
    let mut lines = Lines::new(6, "all-hands", people);
    for person in 0..people {
        lines.at += 1_000;
        let line = json!({"type": "join", "chat": CHAT, "user": format!("U{person}"), "at": lines.now()});
        lines.push(&line);
    }
    for number in 0..200 {
        lines.at += STEP;
        let user = format!("U{}", lines.numbers.below(people));
        let text = lines.words(60);
        let line = lines.message(&user, &text);
        lines.push(&line);
        if number % 10 == 9 {
            let line = json!({"type": "leave", "chat": CHAT, "user": format!("U{number}"), "at": lines.now()});
            lines.push(&line);
        }
    }
    lines.text
}

/// A chat of plain messages of about `bytes` each, for measuring.
pub fn talk(messages: usize, bytes: usize, people: usize, seed: u64) -> String {
    let mut lines = Lines::new(seed, "talk", people);
    for _ in 0..messages {
        lines.at += STEP;
        let user = format!("U{}", lines.numbers.below(people));
        let text = lines.words(bytes);
        let line = lines.message(&user, &text);
        lines.push(&line);
    }
    lines.text
}
