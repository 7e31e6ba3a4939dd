//! What a module writes for its owner: cut, counted, and never passed on to the host's own log.

use crate::failure::Sealed;
use crate::{Level, Limits, LogLine};

/// The lines of one session.
#[derive(Debug)]
pub struct LogSink {
    lines: Vec<LogLine>,
    line_bytes: usize,
    left: usize,
    dropped: u64,
}

impl LogSink {
    pub fn new(limits: &Limits) -> Self {
        Self { lines: Vec::new(), line_bytes: limits.log_line_bytes, left: limits.log_bytes, dropped: 0 }
    }

    /// Takes a line, or as much of it as there is room for.
    pub fn emit(&mut self, level: Level, message: &str) {
        let text = one_line(message, self.line_bytes);
        // An empty line costs something too.
        let cost = text.len().max(16);
        if cost > self.left {
            self.left = 0;
            self.dropped += 1;
            return;
        }
        self.left -= cost;
        self.lines.push(LogLine { level, message: Sealed::new(text) });
    }

    /// The lines since the last time, and a last one that counts those that were dropped.
    pub fn take(&mut self) -> Vec<LogLine> {
        let mut lines = std::mem::take(&mut self.lines);
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            lines.push(LogLine { level: Level::Warn, message: Sealed::new(format!("{dropped} more lines were dropped: the log is full")) });
        }
        lines
    }
}

/// At most `bytes` of a text, cut between two characters, with characters that are no letters of a line as spaces.
pub fn one_line(text: &str, bytes: usize) -> String {
    let cut = text.floor_char_boundary(bytes);
    text.get(..cut).unwrap_or_default().chars().map(|character| if disturbs(character) { ' ' } else { character }).collect()
}

/// What ends a line, steers a terminal, or shows a text in another order than it stands: a person reads such lines and decides by them.
pub fn disturbs(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number that a module chose, for an error's text, which stands in clear: a large one could be eight characters of a message.
pub fn told(number: u64) -> String {
    if number <= MOST_TOLD { number.to_string() } else { format!("more than {MOST_TOLD}") }
}

const MOST_TOLD: u64 = 1_000;
