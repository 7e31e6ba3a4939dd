//! An e-mail's bytes on their way: what can't be sent unchanged is not sent, dots are doubled, and a signature goes first.

/// How much is handed over under one deadline, about.
const CHUNK: usize = 64 << 10;
/// RFC 5321, section 4.5.3.1.6, without the line's end.
const MAX_LINE: usize = 998;

/// An e-mail that SMTP carries as it is, byte for byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    /// Whole header lines, ASCII; perhaps none. Apart, so that a large e-mail is not copied to put one on top.
    signature: &'a [u8],
    bytes: &'a [u8],
}

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
        Ok(Self { signature: &[], bytes })
    }

    /// This one with a signature on top, made by [`Signer::sign`](super::dkim::Signer::sign).
    pub(super) fn under(self, signature: &'a [u8]) -> Self {
        Self { signature, ..self }
    }

    /// The e-mail as it was composed.
    pub(super) fn composed(self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes the signature adds.
    pub(super) fn signature_size(self) -> u64 {
        self.signature.len() as u64
    }

    /// In bytes, with the signature, as RFC 1870 counts them: without the doubled dots and the final one.
    pub(super) fn size(self) -> u64 {
        (self.signature.len() + self.bytes.len()) as u64
    }

    pub(super) fn is_ascii(self) -> bool {
        self.bytes.is_ascii()
    }

    /// The bytes with dots doubled, in pieces.
    pub(super) fn chunks(self) -> Chunks<'a> {
        Chunks { rest: [self.signature, self.bytes], buffer: Vec::with_capacity(self.bytes.len().min(CHUNK) + MAX_LINE + 8) }
    }
}

/// See [`Message::chunks`].
#[derive(Debug)]
pub(super) struct Chunks<'a> {
    /// Pieces of whole lines.
    rest: [&'a [u8]; 2],
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
        for rest in &mut self.rest {
            while self.buffer.len() < CHUNK && !rest.is_empty() {
                let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
                let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                if line.first() == Some(&b'.') {
                    self.buffer.push(b'.');
                }
                self.buffer.extend_from_slice(line);
                *rest = after;
            }
        }
        if self.rest.iter().all(|rest| rest.is_empty()) {
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
        signed(b"", bytes)
    }

    fn signed(signature: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut chunks = Message::new(bytes).unwrap().under(signature).chunks();
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
    fn a_signature_goes_first() {
        for size in [0, 10, CHUNK - 10, CHUNK, CHUNK + 10] {
            let signature = b"S: x\r\n".repeat(size / 6);
            for text in [b"a\r\n".to_vec(), b".b\r\n".repeat(30_000)] {
                assert_eq!(signed(&signature, &text), [signature.as_slice(), &wire(&text)].concat());
            }
        }
        let message = Message::new(b"a\r\n").unwrap().under(b"S: x\r\n");
        assert_eq!((message.size(), message.signature_size(), message.composed()), (9, 6, &b"a\r\n"[..]));
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
