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

/// At most `bytes` of a text, cut between two characters, with control characters as spaces.
pub fn one_line(text: &str, bytes: usize) -> String {
    let cut = text.floor_char_boundary(bytes);
    text.get(..cut).unwrap_or_default().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
