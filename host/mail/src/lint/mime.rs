//! The parts of an e-mail, by their boundaries in the file (RFC 2045, 2046): a boundary that is missing, or one that another could be taken for, moves
//! texts and files to where an archive doesn't look.

use std::collections::BTreeMap;

use super::Findings;
use super::head::{Head, without_end};
use super::headers;

/// Parts within parts at most.
const DEEPEST: u32 = 20;

/// Bytes of a line of base64 or quoted-printable at most (RFC 2045, 6.7 and 6.8).
const LONGEST_ENCODED: usize = 76;

/// An e-mail or a part of one.
pub(super) struct Part<'b> {
    pub head: Head<'b>,
    /// All of it, headers too.
    pub bytes: &'b [u8],
    /// The number of its first line in the file.
    pub line: u64,
    /// In small letters; `text/plain` where it says nothing.
    pub kind: String,
    /// Of a multipart its parts; of a `message/rfc822` the e-mail.
    pub parts: Vec<Part<'b>>,
}

impl<'b> Part<'b> {
    pub fn read(bytes: &'b [u8], line: u64, depth: u32, found: &mut Findings) -> Self {
        let (head, body, body_line) = Head::read(bytes, line, found);
        head.headers.iter().for_each(|header| headers::encoded_words(header, found));
        let (kind, parameters) = content_type(&head);
        let mut part = Part { head, bytes, line, kind, parts: Vec::new() };
        if depth >= DEEPEST {
            found.line("nesting", line, format!("parts within parts, {DEEPEST} deep"), "readers stop here, and what lies deeper is not indexed");
        } else if part.kind.starts_with("multipart/") {
            part.multipart(parameters.get("boundary").map_or("", String::as_str), body, body_line, depth, found);
        } else if part.kind == "message/rfc822" {
            let message = Part::read(body, body_line, depth + 1, found);
            headers::message(&message.head, found);
            part.parts.push(message);
        }
        part.encoding(body, body_line, found);
        part
    }

    fn multipart(&mut self, boundary: &str, body: &'b [u8], body_line: u64, depth: u32, found: &mut Findings) {
        let then = "the parts can't be told apart, and files in them are not found";
        let Some(header) = self.head.first("Content-Type") else { return };
        if depth == 0 && self.head.first("MIME-Version").is_none_or(|version| version.raw() != "1.0") {
            found.missing("mime-version", "MIME-Version", "it is missing, or not 1.0, in an e-mail of several parts", then);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        if boundary.is_empty() || boundary.len() > 70 || boundary.ends_with(' ') || !boundary.bytes().all(allowed) {
            found.header("boundary", header, "it has no boundary of 1 to 70 characters that a boundary may have", then);
            return;
        }
        let mut begun: Option<(usize, u64)> = None;
        let (mut closed, mut at) = (false, 0);
        for (whole, number) in body.split_inclusive(|byte| *byte == b'\n').zip(body_line..) {
            let start = at;
            at += whole.len();
            let Some(after) = without_end(whole).strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary.as_bytes())) else { continue };
            let ends = after.trim_ascii_end() == b"--";
            if !ends && !after.trim_ascii_end().is_empty() {
                found.line(
                    "boundary",
                    number,
                    "a line begins as a boundary of the part around it and goes on",
                    "some readers take it for that boundary",
                );
                continue;
            }
            if closed {
                found.line("boundary", number, "a part begins after the boundary that closes them all", "it is passed over");
                return;
            }
            if let Some((from, line)) = begun {
                // The line end before a boundary belongs to it.
                let content = without_end(body.get(from..start).unwrap_or_default());
                self.parts.push(Part::read(content, line, depth + 1, found));
            }
            begun = (!ends).then_some((at, number + 1));
            closed |= ends;
        }
        if !closed {
            found.header(
                "boundary",
                header,
                "the boundary that closes the parts never comes",
                "the e-mail counts as cut off, and the last file as damaged",
            );
        } else if self.parts.is_empty() {
            found.header("boundary", header, "no part begins with its boundary", then);
        }
    }

    fn encoding(&self, body: &[u8], body_line: u64, found: &mut Findings) {
        let header = self.head.first("Content-Transfer-Encoding");
        let encoding = header.map_or_else(|| "7bit".to_owned(), |header| header.raw().to_ascii_lowercase());
        let whole = !self.parts.is_empty() || self.kind.starts_with("multipart/");
        if whole && !matches!(encoding.as_str(), "7bit" | "8bit" | "binary") {
            if let Some(header) = header {
                found.header("encoding", header, "what holds parts may not be encoded itself", "readers don't look into it");
            }
            return;
        }
        let lines = || body.split_inclusive(|byte| *byte == b'\n').map(without_end).zip(body_line..);
        let broken = |is_good: &dyn Fn(&[u8]) -> bool| lines().filter(|(line, _)| !is_good(line)).map(|(_, number)| number).collect::<Vec<_>>();
        let then = "it is decoded otherwise than it was written";
        match encoding.as_str() {
            "7bit" if whole => {}
            "7bit" => found.lines("encoding", &broken(&<[u8]>::is_ascii), "bytes that are not ASCII, where 7bit is said or nothing", then),
            "8bit" | "binary" => {}
            "base64" => {
                let good = |line: &[u8]| {
                    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
                    line.len() <= LONGEST_ENCODED && line.iter().all(alphabet)
                };
                let all: usize = lines().map(|(line, _)| line.len()).sum();
                found.lines("encoding", &broken(&good), "it is no line of base64 of 76 characters at most", then);
                if !all.is_multiple_of(4) {
                    found.line("encoding", self.line, "the base64 of this part is cut off", then);
                }
            }
            "quoted-printable" => {
                let good = |line: &[u8]| {
                    let mut rest = line;
                    while let Some(at) = rest.iter().position(|byte| *byte == b'=') {
                        rest = rest.get(at + 1..).unwrap_or_default();
                        if !rest.is_empty() && !rest.get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                            return false;
                        }
                    }
                    line.len() <= LONGEST_ENCODED && line.is_ascii()
                };
                found.lines("encoding", &broken(&good), "it is no line of quoted-printable of 76 characters at most", then);
            }
            _ => {
                if let Some(header) = header {
                    found.header("encoding", header, "it is no encoding that e-mail has", "readers keep the part as it lies here");
                }
            }
        }
    }

    /// The text of a part, decoded.
    pub fn text(&self) -> Option<String> {
        mailparse::parse_mail(self.bytes).ok()?.get_body().ok()
    }
}

fn content_type(head: &Head<'_>) -> (String, BTreeMap<String, String>) {
    let Some(header) = head.first("Content-Type") else { return ("text/plain".to_owned(), BTreeMap::new()) };
    let parsed = mailparse::parse_content_type(&header.raw());
    (parsed.mimetype.to_ascii_lowercase(), parsed.params)
}
