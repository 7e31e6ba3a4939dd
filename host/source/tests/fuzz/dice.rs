//! Chance, and the small things that exports are made of: ids, times, names, texts. Mostly such as platforms write; how often one is odd is chosen once for
//! each case, so that there are clean exports, nearly clean ones and heaps of rubbish.

use serde_json::{Value, json};

/// Stands in every text of a message and nowhere else: no error and no refusal may show it.
pub const SAID: &str = "zq7said";

/// Before a text that is written as it stands: JSON that no value can hold.
pub const RAW: char = '\u{f8ff}';

/// Where times begin: 2026-01-05T08:00:00Z.
const START: i64 = 1_767_600_000_000;

pub struct Dice {
    chance: fastrand::Rng,
    /// One in so many is odd; 0: none.
    odd: usize,
    clean: bool,
    /// Lists of thousands and texts of a megabyte may come; few, because they take the time of a hundred others.
    pub large: usize,
}

impl Dice {
    pub fn new(number: u64) -> Self {
        let mut dice = Self { chance: fastrand::Rng::with_seed(number), odd: 0, clean: true, large: 0 };
        dice.odd = dice.pick(&[0, 400, 400, 60, 12]);
        dice.large = usize::from(dice.once_in(40));
        dice.clean = dice.odd == 0 && dice.large == 0;
        dice
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        self.chance.shuffle(list);
    }

    /// Whether nothing odd comes.
    pub fn is_clean(&self) -> bool {
        self.clean
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.chance.usize(..end.max(1))
    }

    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn odd(&mut self) -> bool {
        self.odd > 0 && self.once_in(self.odd)
    }

    /// How many there are of something; up to `usual`, and at times far more.
    pub fn count(&mut self, usual: usize) -> usize {
        if self.large > 0 && self.once_in(8) {
            self.large -= 1;
            return self.pick(&[300, 3_000, 10_000]);
        }
        self.below(usual + 1)
    }

    /// A list of them.
    pub fn list<T>(&mut self, usual: usize, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.count(usual)).map(|_| one(self)).collect()
    }

    /// Something, one time in so many.
    pub fn maybe<T>(&mut self, times: usize, one: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.once_in(times) { Some(one(self)) } else { None }
    }

    /// One of `many` ids, so that they meet again.
    pub fn id(&mut self, prefix: &str, many: usize) -> String {
        let number = self.below(many);
        if self.odd() {
            return match self.below(8) {
                0 => String::new(),
                1 => format!("{prefix}\r\nBcc: all@corp.example"),
                2 => format!("{prefix}\0{number}"),
                3 => prefix.repeat(1025),
                4 => format!("{prefix}\u{2028}{number}"),
                5 => format!("日本{number}"),
                6 => format!("../{prefix}/{number}"),
                _ => format!("{prefix}:{number}:{prefix}"),
            };
        }
        format!("{prefix}{number}")
    }

    /// Milliseconds since 1970.
    pub fn millis(&mut self) -> i64 {
        if self.odd() {
            return self.pick(&[
                0,
                -1,
                1,
                i64::MIN,
                i64::MAX,
                253_402_300_799_999,
                253_402_300_800_000,
                -62_167_219_200_001,
                9_007_199_254_740_993,
                1_767_600_000,
            ]);
        }
        // Few, so that some are equal.
        START + i64::try_from(self.below(50)).unwrap() * self.pick(&[1, 1_000, 3_600_000])
    }

    /// A time of RFC 3339.
    pub fn time(&mut self) -> String {
        if self.odd() {
            return self
                .pick(&[
                    "",
                    "0001-01-01T00:00:00Z",
                    "0000-01-01T00:00:00+23:59",
                    "9999-12-31T23:59:59.999-23:59",
                    "2026-02-30T00:00:00Z",
                    "2026-01-05T08:00:60Z",
                    "2026-01-05 08:00:00",
                    "+262142-12-31T23:59:59Z",
                    "-0001-12-31T00:00:00Z",
                    "2026-01-05T08:00:00.123456789123456789+05:30",
                    "yesterday",
                ])
                .to_owned();
        }
        let at = consign_model::Timestamp(self.millis().clamp(START, START * 2));
        if self.once_in(3) { at.to_string().replace('Z', "+00:00") } else { at.to_string() }
    }

    /// What people and chats are called.
    pub fn name(&mut self) -> String {
        if self.odd() {
            return match self.below(7) {
                0 => String::new(),
                1 => "\u{1}\u{2}\r\n".into(),
                2 => "desk\r\nBcc: all@corp.example".into(),
                3 => "日".repeat(300),
                4 => " \u{85}\u{2029}x\u{7f} ".into(),
                5 => "…".repeat(1500),
                _ => "a/b\\c".into(),
            };
        }
        self.pick(&["Ann Lee", "Bob", "Ann", "rates-desk", "fx", "田中 花子", "Ö. Ümit", "general", "Ann Lee 🎉", "O'Neil & Co <x>"]).to_owned()
    }

    pub fn address(&mut self) -> String {
        if self.odd() {
            return self.pick(&["", "ann", "a@b@c", "ann@desk\r\nX: y", "<ann@desk.example>", "@", " a@b ", "a\u{a0}b@c", "a\0@b"]).to_owned();
        }
        self.pick(&["ann@desk.example", "bob@desk.example", "日本@desk.example"]).to_owned()
    }

    pub fn url(&mut self) -> String {
        if self.odd() {
            let long = format!("https://x/{}", "y".repeat(3000));
            return self
                .pick(&["", "a\r\nb", "../../etc/passwd", "C:\\x", "file:///etc/passwd", "https://x/?t=xoxe-1#a", "://", "%", "%ff%00", &long])
                .to_owned();
        }
        self.pick(&["https://files.example/q.pdf?t=token", "https://x.example/a.png", "http://y.example"]).to_owned()
    }

    /// What somebody said. `marks`: what a platform's own markup consists of.
    pub fn text(&mut self, marks: &[&str]) -> String {
        const WORDS: [&str; 8] = ["sold", "5m", "EURUSD", "at", "fixing", "日本", "🎉", "ok"];
        let mut text = SAID.to_owned();
        if self.large > 0 && self.once_in(10) {
            self.large -= 1;
            let (of, times) =
                (self.pick(&["x", "<", "&", "@", "\0", "日", "\n", "<@U1> ", "[a](", "<div>", "&amp;"]), self.pick(&[70_000, 1_100_000]));
            text.push_str(&of.repeat(times / of.len()));
            return text;
        }
        for _ in 0..self.below(6) {
            text.push_str(self.pick(&[" ", " ", "\n", ", "]));
            if !marks.is_empty() && self.once_in(2) {
                text.push_str(self.pick(marks));
            } else if self.odd() {
                text.push_str(self.pick(&[
                    "\0",
                    "\u{1b}[31m",
                    "\r",
                    "\r\n",
                    "\u{85}",
                    "\u{9f}",
                    "\u{feff}",
                    "\u{202e}",
                    "\u{7f}",
                    "\u{ffff}",
                    "\u{2028}",
                ]));
            } else {
                text.push_str(self.pick(&WORDS));
            }
        }
        text
    }

    /// A value of any kind, where another was wanted.
    pub fn value(&mut self) -> Value {
        let raw = |json: &str| Value::String(format!("{RAW}{json}"));
        match self.below(22) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(false),
            3 => json!(0),
            4 => json!(-1),
            5 => json!(1.5e300),
            6 => json!(u64::MAX),
            7 => json!(i64::MIN),
            8 => raw("1e999"),
            9 => raw("123456789012345678901234567890"),
            10 => json!(""),
            11 => json!([]),
            12 => json!({}),
            13 => json!([[], null, {}, "x", 1]),
            14 => raw(&"[".repeat(self.pick(&[100, 200, 5_000]))),
            15 => {
                let depth = self.pick(&[20, 100, 120]);
                raw(&format!("{}1{}", "[".repeat(depth), "]".repeat(depth)))
            }
            16 => {
                let depth = self.pick(&[20, 60, 130]);
                raw(&format!("{}1{}", "{\"elements\":[".repeat(depth), "]}".repeat(depth)))
            }
            17 => raw(r#""\ud800""#),
            18 => raw(r#""\ud83c\udf89\u0000\u2028""#),
            19 => raw("\"\u{1}\""),
            20 => raw("NaN"),
            _ => json!("\u{0}\r\n\u{1b}"),
        }
    }
}
