//! An e-mail's bytes on their way: what can't be sent unchanged is not sent, and dots are doubled.

/// How much is handed over under one deadline, about.
const CHUNK: usize = 64 << 10;
/// RFC 5321, section 4.5.3.1.6, without the line's end.
const MAX_LINE: usize = 998;

/// An e-mail that SMTP carries as it is, byte for byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    /// Refuses what servers would change (and with it the hash), or read as more than one e-mail.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("the e-mail is empty".to_owned());
        }
        for (number, line) in (1_u64..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            let wrong = match line.strip_suffix(b"\r\n") {
                Some(line) if line.contains(&b'\r') => "holds a CR without LF",
                Some(line) if line.len() > MAX_LINE => "is longer than the 998 bytes that SMTP carries",
                Some(_) => continue,
                None if line.ends_with(b"\n") => "ends with an LF without CR",
                None => "does not end with CR LF",
            };
            return Err(format!("line {number} of the e-mail {wrong}. That is a fault of consign, not of the server: please report it"));
        }
        Ok(Self(bytes))
    }

    /// In bytes, as RFC 1870 counts them: without the doubled dots and the final one.
    pub(super) fn size(self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn is_ascii(self) -> bool {
        self.0.is_ascii()
    }

    /// The bytes with dots doubled, in pieces.
    pub(super) fn chunks(self) -> Chunks<'a> {
        Chunks { rest: self.0, buffer: Vec::with_capacity(self.0.len().min(CHUNK) + MAX_LINE + 8) }
    }
}

/// See [`Message::chunks`].
#[derive(Debug)]
pub(super) struct Chunks<'a> {
    rest: &'a [u8],
    buffer: Vec<u8>,
}

/// A piece of an e-mail as it is written to the server.
#[derive(Debug)]
pub(super) enum Chunk<'b> {
    /// More follows.
    Middle(&'b [u8]),
    /// The last, with the final dot.
    Last(&'b [u8]),
}

impl Chunks<'_> {
    /// The next piece; after the last one nothing may be asked any more.
    pub(super) fn next(&mut self) -> Chunk<'_> {
        self.buffer.clear();
        while self.buffer.len() < CHUNK && !self.rest.is_empty() {
            let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
            let (line, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
            if line.first() == Some(&b'.') {
                self.buffer.push(b'.');
            }
            self.buffer.extend_from_slice(line);
            self.rest = rest;
        }
        if self.rest.is_empty() {
            self.buffer.extend_from_slice(b".\r\n");
            Chunk::Last(&self.buffer)
        } else {
            Chunk::Middle(&self.buffer)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn wire(bytes: &[u8]) -> Vec<u8> {
        let mut chunks = Message::new(bytes).unwrap().chunks();
        let mut all = Vec::new();
        loop {
            match chunks.next() {
                Chunk::Middle(chunk) => all.extend_from_slice(chunk),
                Chunk::Last(chunk) => {
                    all.extend_from_slice(chunk);
                    return all;
                }
            }
        }
    }

    #[test]
    fn dots() {
        assert_eq!(wire(b".\r\n"), b"..\r\n.\r\n");
        assert_eq!(wire(b"a\r\n.b\r\n..\r\nc.\r\n\r\n"), b"a\r\n..b\r\n...\r\nc.\r\n\r\n.\r\n");
        let long = b".12345678\r\n".repeat(20_000);
        assert_eq!(wire(&long), [b"..12345678\r\n".repeat(20_000).as_slice(), b".\r\n"].concat());
    }

    #[test]
    fn what_is_not_sent() {
        let long = [vec![b'x'; 999].as_slice(), b"\r\n"].concat();
        for bad in [&b""[..], b"a", b"a\n", b"a\r", b"a\r\nb\nc\r\n", b"a\rb\r\n", b"\r\r\n", &long] {
            Message::new(bad).unwrap_err();
        }
        Message::new(&long[1..]).unwrap();
    }
}
