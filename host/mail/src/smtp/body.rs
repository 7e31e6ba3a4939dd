//! An e-mail's bytes on their way: what can't be sent unchanged is not sent, dots are doubled, and a signature goes first.
//!
//! The bytes are gone through once, by what the processor has for searching, and then go to the socket from where they lie: only a piece in which a line
//! begins with a dot is copied. (Line by line, and all of it copied, this took as long as handing the bytes to the system.)

use std::ops::Range;

use memchr::memchr2;

/// How much is handed over under one deadline, about.
const CHUNK: usize = 64 << 10;
/// RFC 5321, section 4.5.3.1.6, without the line's end.
const MAX_LINE: usize = 998;

/// An e-mail that SMTP carries as it is, byte for byte.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// Whole header lines, ASCII, none of which begins with a dot; perhaps none. Apart, so that a large e-mail is not copied to put one on top.
    signature: &'a [u8],
    bytes: &'a [u8],
    /// Where in `bytes` lines begin with a dot.
    dots: Vec<usize>,
    is_ascii: bool,
}

impl<'a> Message<'a> {
    /// Refuses what servers would change (and with it the hash), or read as more than one e-mail.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, String> {
        match dots(bytes) {
            Some(dots) => Ok(Self { signature: &[], bytes, dots, is_ascii: bytes.is_ascii() }),
            None => Err(what_is_wrong(bytes)),
        }
    }

    /// This one with a signature on top, made by [`Signer::sign`](super::dkim::Signer::sign).
    pub(super) fn under(self, signature: &'a [u8]) -> Self {
        Self { signature, ..self }
    }

    /// The e-mail as it was composed.
    pub(super) fn composed(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes the signature adds.
    pub(super) fn signature_size(&self) -> u64 {
        self.signature.len() as u64
    }

    /// In bytes, with the signature, as RFC 1870 counts them: without the doubled dots and the final one.
    pub(super) fn size(&self) -> u64 {
        (self.signature.len() + self.bytes.len()) as u64
    }

    pub(super) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// The bytes with dots doubled, in pieces.
    pub(super) fn chunks(&self) -> Chunks<'_> {
        Chunks { signature: self.signature, bytes: self.bytes, dots: &self.dots, at: 0, buffer: Vec::new() }
    }
}

/// Where lines begin with a dot. `None`: no e-mail that can be sent.
fn dots(bytes: &[u8]) -> Option<Vec<usize>> {
    let (mut dots, mut begin) = (Vec::new(), 0);
    loop {
        let line = bytes.get(begin..)?;
        if line.first() == Some(&b'.') {
            dots.push(begin);
        }
        // The first of either must be a CR with an LF behind it.
        let length = memchr2(b'\r', b'\n', line).filter(|length| *length <= MAX_LINE)?;
        if line.get(length..length + 2) != Some(b"\r\n") {
            return None;
        }
        begin += length + 2;
        if begin == bytes.len() {
            return Some(dots);
        }
    }
}

/// Why an e-mail has no [`dots`].
fn what_is_wrong(bytes: &[u8]) -> String {
    for (number, line) in (1_u64..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let wrong = match line.strip_suffix(b"\r\n") {
            Some(line) if line.contains(&b'\r') => "holds a CR without LF",
            Some(line) if line.len() > MAX_LINE => "is longer than the 998 bytes that SMTP carries",
            Some(_) => continue,
            None if line.ends_with(b"\n") => "ends with an LF without CR",
            None => "does not end with CR LF",
        };
        return format!("line {number} of the e-mail {wrong}. That is a fault of consign, not of the server: please report it");
    }
    "the e-mail is empty".to_owned()
}

/// See [`Message::chunks`].
#[derive(Debug)]
pub(super) struct Chunks<'m> {
    /// Until it was handed over.
    signature: &'m [u8],
    bytes: &'m [u8],
    /// Those from `at` on.
    dots: &'m [usize],
    at: usize,
    /// A piece with dots doubled.
    buffer: Vec<u8>,
}

/// A piece of an e-mail as it is written to the server.
#[derive(Debug)]
pub(super) enum Chunk<'b> {
    /// Both, one after the other, and more follows.
    Middle([&'b [u8]; 2]),
    /// The last, with the final dot for its end.
    Last([&'b [u8]; 3]),
}

impl Chunks<'_> {
    /// The next piece; after the last one nothing may be asked any more.
    pub(super) fn next(&mut self) -> Chunk<'_> {
        let signature = std::mem::take(&mut self.signature);
        let piece = self.at..self.bytes.len().min(self.at + CHUNK);
        self.at = piece.end;
        let count = self.dots.iter().take_while(|dot| **dot < piece.end).count();
        let (dots, later) = self.dots.split_at_checked(count).unwrap_or((self.dots, &[]));
        self.dots = later;
        let text = if dots.is_empty() {
            self.bytes.get(piece).unwrap_or_default()
        } else {
            double(self.bytes, piece, dots, &mut self.buffer);
            &self.buffer
        };
        if self.at < self.bytes.len() { Chunk::Middle([signature, text]) } else { Chunk::Last([signature, text, b".\r\n"]) }
    }
}

/// Copies this piece into the buffer, with a dot more at each of these places in it.
fn double(bytes: &[u8], piece: Range<usize>, dots: &[usize], buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.reserve(piece.len() + dots.len());
    let mut begin = piece.start;
    for dot in dots {
        // With the dot, which the next stretch has again.
        buffer.extend_from_slice(bytes.get(begin..=*dot).unwrap_or_default());
        begin = *dot;
    }
    buffer.extend_from_slice(bytes.get(begin..piece.end).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn wire(bytes: &[u8]) -> Vec<u8> {
        signed(b"", bytes)
    }

    fn signed(signature: &[u8], bytes: &[u8]) -> Vec<u8> {
        let message = Message::new(bytes).unwrap().under(signature);
        let mut chunks = message.chunks();
        let mut all = Vec::new();
        loop {
            match chunks.next() {
                Chunk::Middle(pieces) => all.extend(pieces.concat()),
                Chunk::Last(pieces) => {
                    all.extend(pieces.concat());
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

    /// Wherever the pieces are cut, be it at a dot, and however many dots there are.
    #[test]
    fn dots_at_the_edges_of_pieces() {
        for before in CHUNK - 4..=CHUNK + 2 {
            for dots in [1, 2, 40_000] {
                let mut bytes = b"123456\r\n".repeat(before / 8);
                bytes.extend(std::iter::repeat_n(b'x', before % 8 + 8));
                bytes.extend_from_slice(b"\r\n");
                bytes.extend(b".\r\n".repeat(dots));
                bytes.extend(b"end\r\n".repeat(CHUNK / 4));
                // As one would do it.
                let mut doubled = bytes.split_inclusive(|byte| *byte == b'\n').fold(Vec::new(), |mut all, line| {
                    all.extend_from_slice(if line.starts_with(b".") { b"." } else { b"" });
                    all.extend_from_slice(line);
                    all
                });
                doubled.extend_from_slice(b".\r\n");
                assert!(wire(&bytes) == doubled, "{before} bytes before {dots} dots");
            }
        }
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
        let wrong = [
            (&b""[..], "is empty"),
            (b"a", "line 1 of the e-mail does not end"),
            (b"a\n", "line 1 of the e-mail ends with an LF"),
            (b"a\r", "line 1 of the e-mail does not end"),
            (b"a\r\nb\nc\r\n", "line 2 of the e-mail ends with an LF"),
            (b"a\r\nb", "line 2 of the e-mail does not end"),
            (b"a\rb\r\n", "line 1 of the e-mail holds a CR"),
            (b"\r\r\n", "line 1 of the e-mail holds a CR"),
            (&long, "line 1 of the e-mail is longer"),
        ];
        for (bytes, text) in wrong {
            let error = Message::new(bytes).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
        Message::new(&long[1..]).unwrap();
    }
}
