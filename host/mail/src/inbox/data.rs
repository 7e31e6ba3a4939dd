//! The text of an e-mail as it comes in: dots undoubled, limits kept, the end found.
//!
//! The end is CR LF, dot, CR LF and nothing else. A server that takes LF, dot, LF for it too lets a sender smuggle a second e-mail into the
//! first; so a lone CR or LF never ends a line here, and an e-mail that holds one is refused when its end has come.

/// RFC 5321, section 4.5.3.1.6, without the line's end.
const MAX_LINE: usize = 998;

/// Why an e-mail is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Larger than announced.
    TooLarge,
    /// A CR or LF alone.
    LoneLineEnd,
    /// A line of more than 998 bytes.
    LongLine,
}

impl Refusal {
    /// The reply's line.
    pub(super) fn reply(self) -> &'static str {
        match self {
            Self::TooLarge => "552 5.3.4 the e-mail is larger than SIZE allows",
            Self::LoneLineEnd => "554 5.6.0 the e-mail holds a CR or LF alone; lines end with CR LF",
            Self::LongLine => "554 5.6.0 the e-mail has a line of more than 998 bytes",
        }
    }
}

/// Where in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At its first byte.
    Start,
    /// After a dot that is its first byte.
    Dot,
    /// After that dot and a CR.
    DotCr,
    /// Past its first byte.
    Middle,
    /// After a CR.
    Cr,
}

/// An e-mail that is coming in.
#[derive(Debug)]
pub(super) struct Text {
    at: At,
    bytes: Vec<u8>,
    line: usize,
    limit: usize,
    refusal: Option<Refusal>,
    /// All bytes taken, kept or not.
    pub(super) taken: usize,
}

impl Text {
    /// Of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { at: At::Start, bytes: Vec::new(), line: 0, limit, refusal: None, taken: 0 }
    }

    /// Takes bytes up to the end, and says how many where the end is among them.
    pub(super) fn take(&mut self, input: &[u8]) -> Option<usize> {
        for (index, byte) in input.iter().copied().enumerate() {
            self.at = match (self.at, byte) {
                (At::Start, b'.') => At::Dot,
                (At::Dot, b'\r') => At::DotCr,
                (At::DotCr, b'\n') => {
                    self.taken = self.taken.saturating_add(index + 1);
                    return Some(index + 1);
                }
                (At::Cr, b'\n') => {
                    // The CR was counted.
                    if self.line > MAX_LINE + 1 {
                        self.refuse(Refusal::LongLine);
                    }
                    self.line = 0;
                    self.keep(byte);
                    At::Start
                }
                (At::DotCr | At::Cr, _) | (_, b'\n') => {
                    self.refuse(Refusal::LoneLineEnd);
                    if byte == b'\r' { At::Cr } else { At::Middle }
                }
                (_, byte) => {
                    self.line = self.line.saturating_add(1);
                    self.keep(byte);
                    if byte == b'\r' { At::Cr } else { At::Middle }
                }
            };
        }
        self.taken = self.taken.saturating_add(input.len());
        None
    }

    fn keep(&mut self, byte: u8) {
        if self.refusal.is_some() {
            return;
        }
        if self.bytes.len() >= self.limit {
            self.refuse(Refusal::TooLarge);
        } else {
            self.bytes.push(byte);
        }
    }

    /// The first reason stays; the memory goes.
    fn refuse(&mut self, refusal: Refusal) {
        if self.refusal.is_none() {
            self.refusal = Some(refusal);
            self.bytes = Vec::new();
        }
    }

    /// What came, once the end was seen.
    pub(super) fn finish(self) -> Result<Vec<u8>, Refusal> {
        match self.refusal {
            None => Ok(self.bytes),
            Some(refusal) => Err(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In pieces of every size; the rest behind the end must be left alone.
    fn take(input: &[u8]) -> Option<(Result<Vec<u8>, Refusal>, usize)> {
        let mut seen = Vec::new();
        for size in 1..=input.len() {
            let mut text = Text::new(2000);
            let mut at = 0;
            let mut end = None;
            for piece in input.chunks(size) {
                if let Some(used) = text.take(piece) {
                    end = Some((text.taken, at + used));
                    break;
                }
                at += piece.len();
            }
            seen.push(end.map(|(taken, end)| {
                assert_eq!(taken, end);
                (text.finish(), end)
            }));
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "the pieces' size changed the result");
        seen.pop().flatten()
    }

    #[test]
    fn text_and_its_end() {
        assert_eq!(take(b".\r\n"), Some((Ok(vec![]), 3)));
        assert_eq!(take(b"a\r\n..b\r\n...\r\nc.\r\n.\r\nQUIT\r\n"), Some((Ok(b"a\r\n.b\r\n..\r\nc.\r\n".to_vec()), 20)));
        assert_eq!(take(b"a\r\n.b\r\n.\r\n"), Some((Ok(b"a\r\nb\r\n".to_vec()), 10)));
        assert_eq!(take(b"a\r\n.\r"), None);
    }

    #[test]
    fn no_second_email_is_smuggled_in() {
        for inner in [&b"\n.\n"[..], b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n.\r\r\n"] {
            let input = [b"a", inner, b"MAIL FROM:<x@y>\r\n.\r\n"].concat();
            assert_eq!(take(&input), Some((Err(Refusal::LoneLineEnd), input.len())), "{inner:?}");
        }
    }

    #[test]
    fn limits() {
        let line = |length: usize| [vec![b'x'; length].as_slice(), b"\r\n.\r\n"].concat();
        assert_eq!(take(&line(998)).map(|(text, _)| text.map(|text| text.len())), Some(Ok(1000)));
        assert_eq!(take(&line(999)).map(|(text, _)| text), Some(Err(Refusal::LongLine)));
        let large = [b"1234567\r\n".repeat(223).as_slice(), b".\r\n"].concat();
        assert_eq!(take(&large).map(|(text, _)| text), Some(Err(Refusal::TooLarge)));
    }
}
