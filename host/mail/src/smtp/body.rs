//! An e-mail's bytes on their way: what can't be sent unchanged is not sent, dots are doubled, and a signature goes first.
//!
//! The bytes are gone through by what the processor has for searching, and then go to the socket from where they lie, as much at once as it takes. (Copied
//! line by line, and handed over by 64 KiB, an e-mail of 1 MB took six times as long.)

use std::io::IoSlice;

use memchr::{memmem, memrchr};

/// RFC 5321, section 4.5.3.1.6, without the line's end.
const MAX_LINE: usize = 998;
/// Most bytes that are handed over at once. No limit on what is held in memory: they are not copied.
const PIECE: usize = 1 << 20;
/// An e-mail of no more goes in one piece: all of it is in the system's buffers before the server has seen its beginning. (Of 1 MiB that takes half as much
/// again of the processor, measured over four connections.)
const WHOLE: usize = 256 << 10;
/// What of a larger one is kept back for the end, about, with the final dot: a server that refuses it while it comes does so before that, as a rule.
const TAIL: usize = 64 << 10;
/// Most stretches that are handed over at once; each dot begins one. The system takes 1,024.
const STRETCHES: usize = 256;

/// An e-mail that SMTP carries as it is, byte for byte.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// Whole header lines, ASCII, none of which begins with a dot; perhaps none. Apart, so that a large e-mail is not copied to put one on top.
    signature: &'a [u8],
    bytes: &'a [u8],
    is_ascii: bool,
}

impl<'a> Message<'a> {
    /// Refuses what servers would change (and with it the hash), or read as more than one e-mail.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, String> {
        match look(bytes) {
            Some(is_ascii) => Ok(Self { signature: &[], bytes, is_ascii }),
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
    pub(super) fn chunks(&self) -> Chunks<'a> {
        Chunks { signature: self.signature, bytes: self.bytes, at: 0 }
    }
}

/// Whether there is nothing but ASCII. `None`: no e-mail that can be sent.
///
/// Searches of which the processor does many bytes at a time are quicker than one that stops at each line.
fn look(bytes: &[u8]) -> Option<bool> {
    // Each CR has an LF behind it, and each LF a CR before it. Without a way out of the loop, so that it can be done in vectors.
    let (mut odd, mut bits) = (false, 0);
    for (one, next) in bytes.iter().zip(bytes.get(1..)?) {
        odd |= (*one == b'\r') != (*next == b'\n');
        bits |= one;
    }
    if odd || bytes.first() == Some(&b'\n') || !bytes.ends_with(b"\r\n") {
        return None;
    }
    // From the beginning of one line to the last that ends in reach of it: what ends on the way is not too long either.
    let mut begin = 0;
    while begin < bytes.len() {
        let reach = bytes.get(begin..bytes.len().min(begin + MAX_LINE + 2))?;
        begin += memrchr(b'\n', reach)? + 1;
    }
    Some(bits < 0x80)
}

/// What [`look`] does not pass.
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
    at: usize,
}

/// A piece of an e-mail as it is written to the server: stretches, one after the other.
#[derive(Debug)]
pub(super) enum Chunk<'m> {
    /// More follows.
    Middle(Vec<IoSlice<'m>>),
    /// The last, with the final dot for its end.
    Last(Vec<IoSlice<'m>>),
}

impl<'m> Chunks<'m> {
    /// The next piece; after the last one nothing may be asked any more.
    pub(super) fn next(&mut self) -> Chunk<'m> {
        let bytes = self.bytes;
        let is_last = bytes.len() <= WHOLE || bytes.len() - self.at <= TAIL;
        let end = if is_last { bytes.len() } else { (bytes.len() - TAIL).min(self.at + PIECE) };
        let stretch = |from: usize, to: usize| IoSlice::new(bytes.get(from..to).unwrap_or_default());
        let mut stretches = vec![IoSlice::new(std::mem::take(&mut self.signature))];
        // A dot that begins a line goes out twice: it ends a stretch, and the next one begins with it.
        let mut begin = self.at;
        if begin == 0 && bytes.starts_with(b".") {
            stretches.push(stretch(0, 1));
        }
        // The byte before a piece tells whether a line begins with it.
        let before = begin.saturating_sub(1);
        for found in memmem::find_iter(bytes.get(before..end).unwrap_or_default(), b"\n.") {
            let dot = before + found + 1;
            if stretches.len() >= STRETCHES {
                // This dot has not gone out yet: the next piece finds it.
                stretches.push(stretch(begin, dot));
                self.at = dot;
                return Chunk::Middle(stretches);
            }
            stretches.push(stretch(begin, dot + 1));
            begin = dot;
        }
        stretches.push(stretch(begin, end));
        self.at = end;
        if is_last {
            stretches.push(IoSlice::new(b".\r\n"));
            Chunk::Last(stretches)
        } else {
            Chunk::Middle(stretches)
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
        let message = Message::new(bytes).unwrap().under(signature);
        let mut chunks = message.chunks();
        let mut all = Vec::new();
        loop {
            let (stretches, is_last) = match chunks.next() {
                Chunk::Middle(stretches) => (stretches, false),
                Chunk::Last(stretches) => (stretches, true),
            };
            assert!(stretches.len() < 1024, "more than the system takes");
            all.extend(stretches.iter().flat_map(|stretch| stretch.iter().copied()));
            if is_last {
                return all;
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
        for (shift, dots) in (0..4).flat_map(|shift| [1, 2, STRETCHES - 2, STRETCHES - 1, STRETCHES, 2000].map(|dots| (shift, dots))) {
            for (before, after) in [(PIECE, PIECE), (0, TAIL), (TAIL, 0), (3 * TAIL, TAIL), (WHOLE, TAIL)] {
                let mut bytes = b"123456\r\n".repeat(before / 8);
                bytes.extend(b"x".repeat(5 * shift));
                bytes.extend_from_slice(if shift % 2 == 0 { b"\r\n" } else { b"" });
                bytes.extend(b".\r\n".repeat(dots));
                bytes.extend(b"1234567890123456789012\r\n".repeat(after.saturating_sub(32) / 24));
                // As one would do it.
                let mut doubled = bytes.split_inclusive(|byte| *byte == b'\n').fold(Vec::new(), |mut all, line| {
                    all.extend_from_slice(if line.starts_with(b".") { b"." } else { b"" });
                    all.extend_from_slice(line);
                    all
                });
                doubled.extend_from_slice(b".\r\n");
                assert!(wire(&bytes) == doubled, "{before} + {shift} bytes before {dots} dots, {after} after");
            }
        }
    }

    #[test]
    fn a_signature_goes_first() {
        for size in [0, 10, TAIL - 10, TAIL, TAIL + 10] {
            let signature = b"S: x\r\n".repeat(size / 6);
            for text in [b"a\r\n".to_vec(), b".b\r\n".repeat(30_000)] {
                assert_eq!(signed(&signature, &text), [signature.as_slice(), &wire(&text)].concat());
            }
        }
        let message = Message::new(b"a\r\n").unwrap().under(b"S: x\r\n");
        assert_eq!((message.size(), message.signature_size(), message.composed()), (9, 6, &b"a\r\n"[..]));
    }

    /// The quick look agrees with one that goes line by line, on bytes of few kinds in any order.
    #[test]
    fn the_quick_look_is_right() {
        let seed = u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
        let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(seed);
        println!("CONSIGN_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let pieces: [&[u8]; 9] = [b"\r\n", b"\r\n", b"\r\n.", b"x", b".", "\u{fc}".as_bytes(), &[b'y'; 90], &[b'z'; 998], b"\r\n"];
        let mut good = 0;
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..random.usize(0..12)).flat_map(|_| pieces[random.usize(0..9)]).copied().collect();
            if random.u8(0..4) > 0 {
                bytes.extend_from_slice(b"\r\n");
            }
            if random.u8(0..4) == 0 && !bytes.is_empty() {
                let at = random.usize(0..bytes.len());
                bytes[at] = *b"\r\nq.".get(random.usize(0..4)).unwrap();
            }
            let fits = |line: &[u8]| line.strip_suffix(b"\r\n").is_some_and(|line| line.len() <= 998 && !line.contains(&b'\r'));
            let expected = (!bytes.is_empty() && bytes.split_inclusive(|byte| *byte == b'\n').all(fits)).then(|| bytes.is_ascii());
            assert_eq!(look(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
            good += usize::from(expected.is_some());
        }
        assert!((4_000..19_000).contains(&good), "{good} of 20,000 can be sent");
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
