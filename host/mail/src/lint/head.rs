//! Headers as they lie in the file, line by line: a parser that mends what it reads would hide what is wrong with it.

use super::Findings;

/// A header.
#[derive(Debug)]
pub(super) struct Header<'b> {
    pub name: &'b str,
    /// Unfolded, as bytes of the file.
    pub value: Vec<u8>,
    /// Its lines, the first with the name.
    pub lines: Vec<&'b [u8]>,
    /// The first one's number in the file.
    pub line: u64,
}

impl Header<'_> {
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as text, encoded words decoded.
    pub fn text(&self) -> String {
        // What is longer is no text for people, and decoding takes time that grows with the square of it.
        if self.value.len() > 64 << 10 {
            return self.raw();
        }
        let mut raw = b"X:".to_vec();
        raw.extend_from_slice(&self.value);
        mailparse::parse_header(&raw).map(|(header, _)| header.get_value()).unwrap_or_default()
    }

    /// The value without spaces at its ends, bytes that are not ASCII replaced.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.value).trim().to_owned()
    }
}

/// The headers of an e-mail or a part.
#[derive(Debug, Default)]
pub(super) struct Head<'b> {
    pub headers: Vec<Header<'b>>,
}

/// A line without its end.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl<'b> Head<'b> {
    /// Reads headers up to the empty line; what follows it, and the number of its first line.
    pub fn read(bytes: &'b [u8], first: u64, found: &mut Findings) -> (Self, &'b [u8], u64) {
        let mut head = Self::default();
        let (mut taken, mut number) = (0, first);
        for whole in bytes.split_inclusive(|byte| *byte == b'\n') {
            taken += whole.len();
            let line = without_end(whole);
            if line.is_empty() {
                return (head, bytes.get(taken..).unwrap_or_default(), number + 1);
            }
            head.line(line, number, found);
            number += 1;
        }
        found.line("header-syntax", number.saturating_sub(1), "no empty line follows the headers", "the whole is taken for headers, without a body");
        (head, &[], number)
    }

    fn line(&mut self, line: &'b [u8], number: u64, found: &mut Findings) {
        if line.iter().any(|byte| !byte.is_ascii()) {
            found.line(
                "header-ascii",
                number,
                "a header has bytes that are not ASCII",
                "archives index it with wrong letters; RFC 2047 encodes them",
            );
        }
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            found.line("header-control", number, "a header has a control character", "servers refuse the e-mail or break the header here");
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if line.trim_ascii().is_empty() {
                found.line("fold", number, "a header goes on with a line of spaces alone", "some servers take it for the end of the headers");
            }
            match self.headers.last_mut() {
                Some(header) => {
                    header.value.extend_from_slice(line);
                    header.lines.push(line);
                }
                None => found.line("header-syntax", number, "the first line goes on with a header that never began", "the headers are passed over"),
            }
            return;
        }
        let then = "this line and all after it are taken for the body";
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            found.line("header-syntax", number, "a line among the headers has no colon", then);
            return;
        };
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, b""));
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => {
                let value = value.get(1..).unwrap_or_default().to_vec();
                self.headers.push(Header { name, value, lines: vec![line], line: number });
            }
            _ => found.line("header-syntax", number, "a header's name is empty or has a character that no name has", then),
        }
    }

    /// The first header of that name, in any capitals.
    pub fn first(&self, name: &str) -> Option<&Header<'b>> {
        self.headers.iter().find(|header| header.is(name))
    }

    /// All of them.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h Header<'b>> {
        self.headers.iter().filter(move |header| header.is(name))
    }
}
