//! Reading a server's replies, with limits.
//!
//! More is taken than RFC 5321, section 4.2, allows (codes such as 571, bytes that are not ASCII, a lone LF as a line's end), since what a
//! server says is evidence and is kept whole; but never without bounds, and never a guess at where a reply ends.

use bytes::{Buf, BytesMut};
use consign_model::delivery::Reply;
use memchr::memchr;

/// The longest line, without its end. The RFC says 512 with it; servers write longer ones. A longer one ends the session.
const MAX_LINE: usize = 1000;
/// The most bytes of one reply. More ends the session: a reply without an end must not fill memory.
const MAX_REPLY: usize = 64 << 10;

/// What of a reply came so far.
#[derive(Debug, Default)]
pub(super) struct Parser {
    code: Option<u16>,
    lines: usize,
    /// With codes and line ends, so that lines without text count too.
    bytes: usize,
    text: String,
}

impl Parser {
    /// Takes lines out of `input`. `None`: the reply's last line has not come yet. An error says what is wrong; nothing can be read after it.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, &'static str> {
        loop {
            // One more for the CR, one for the LF.
            let window = input.get(..input.len().min(MAX_LINE + 2)).unwrap_or_default();
            let Some(end) = memchr(b'\n', window) else {
                return if input.len() > MAX_LINE + 1 { Err("a line of more than 1,000 bytes") } else { Ok(None) };
            };
            let line = input.split_to(end);
            input.advance(1);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.len() > MAX_LINE {
                return Err("a line of more than 1,000 bytes");
            }
            if self.line(line)?
                && let Some(code) = self.code.take()
            {
                self.lines = 0;
                self.bytes = 0;
                return Ok(Some(Reply { code, text: std::mem::take(&mut self.text) }));
            }
        }
    }

    /// Takes one line; true for a reply's last.
    fn line(&mut self, line: &[u8]) -> Result<bool, &'static str> {
        let (digits, rest) = line.split_at_checked(3).ok_or("a line without a reply code")?;
        let code = match digits {
            [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] => {
                u16::from(first - b'0') * 100 + u16::from(second - b'0') * 10 + u16::from(third - b'0')
            }
            _ => return Err("a line without a reply code"),
        };
        let (last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err("a line without a reply code"),
        };
        if self.code.is_some_and(|before| before != code) {
            return Err("a reply whose lines have different codes");
        }
        self.code = Some(code);
        if self.lines > 0 {
            self.text.push('\n');
        }
        self.lines += 1;
        self.bytes += line.len() + 2;
        // A terminal that shows it must not obey it.
        let is_plain = text.iter().all(|byte| (b' '..=b'~').contains(byte));
        match std::str::from_utf8(text) {
            Ok(text) if is_plain => self.text.push_str(text),
            _ => self.add_odd(text),
        }
        if self.bytes > MAX_REPLY { Err("a reply of more than 64 KiB") } else { Ok(last) }
    }

    /// Adds what is more than printable ASCII.
    fn add_odd(&mut self, text: &[u8]) {
        self.text.extend(String::from_utf8_lossy(text).chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn take(bytes: &[u8]) -> Result<Option<Reply>, &'static str> {
        Parser::default().take(&mut BytesMut::from(bytes))
    }

    #[test]
    fn whole_replies() {
        let reply = |code, text: &str| Ok(Some(Reply { code, text: text.to_owned() }));
        assert_eq!(take(b"250 ok\r\n"), reply(250, "ok"));
        assert_eq!(take(b"250\r\n"), reply(250, ""));
        assert_eq!(take(b"250-one\r\n250-\r\n250 three\r\n"), reply(250, "one\n\nthree"));
        assert_eq!(take(b"571 no\n"), reply(571, "no"));
        assert_eq!(take(b"550 \xff\x1b[2J\r\n"), reply(550, "\u{fffd}\u{fffd}[2J"));
        let longest = format!("250 {}\r\n", "x".repeat(996));
        assert_eq!(take(longest.as_bytes()), reply(250, &"x".repeat(996)));
    }

    #[test]
    fn not_yet_whole() {
        for half in ["", "2", "250", "250 o", "250 ok\r", "250-one\r\n", "250-one\r\n250"] {
            assert_eq!(take(half.as_bytes()), Ok(None), "{half:?}");
        }
    }

    #[test]
    fn garbage() {
        let long = format!("250 {}\r\n", "x".repeat(997));
        for bad in ["\r\n", "hello\r\n", "25 ok\r\n", "150 ok\r\n", "650 ok\r\n", "2x0 ok\r\n", "250_ok\r\n", "2500\r\n", "250-a\r\n550 b\r\n", &long]
        {
            take(bad.as_bytes()).unwrap_err();
        }
        take("x".repeat(1002).as_bytes()).unwrap_err();
        take("250-\r\n".repeat(11_000).as_bytes()).unwrap_err();
    }

    /// However the bytes come in, the replies are the same.
    #[test]
    fn byte_by_byte() {
        let mut parser = Parser::default();
        let mut input = BytesMut::new();
        let mut replies = Vec::new();
        for byte in b"220-hi\r\n220 there\r\n250 a\r\n354 go\r\n" {
            input.extend_from_slice(&[*byte]);
            replies.extend(parser.take(&mut input).unwrap());
        }
        let seen: Vec<_> = replies.iter().map(|reply| (reply.code, reply.text.as_str())).collect();
        assert_eq!(seen, [(220, "hi\nthere"), (250, "a"), (354, "go")]);
    }
}
