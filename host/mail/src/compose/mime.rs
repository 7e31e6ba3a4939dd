//! The frame of an e-mail: headers, boundaries, encodings. Header values are encoded by mail-builder, bodies by the encoder beneath it, directly: so the
//! boundaries are ours (hashes), a body is never sent as it is (which could hold a boundary line, a bare CR or a NUL), and lengths are known before
//! anything is encoded.

use std::borrow::Cow;

use consign_model::{Attachment, Digest};
use encodify::base64::MIME;
use encodify::qp;
use mail_builder::headers::Header;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;

use super::bodies::Bodies;
use super::words::turns_order;
use crate::address::Mailbox;

/// Longest file name in bytes of an attachment's header; `consign.json` has it whole. Most file systems take 255.
const LONGEST_FILE_NAME: usize = 200;

/// The name of the part for programs. A file of this name that somebody attached is attached as `_consign.json`.
pub(super) const JSON_NAME: &str = "consign.json";

/// Bytes of a text in its shorter encoding, quoted-printable or base64, and how it gets there: pieces that consist of whole lines add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    plain: u64,
    quoted: u64,
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Bytes of this many bytes in base64, in lines of 76, each with its CRLF.
pub(super) fn base64_len(len: u64) -> u64 {
    wide(MIME.encoded_len(usize::try_from(len).unwrap_or(usize::MAX)))
}

impl Cost {
    pub fn of(piece: &str) -> Self {
        Self { plain: wide(piece.len()), quoted: wide(qp::BODY.encoded_len(piece)) }
    }

    pub fn plus(self, other: Self) -> Self {
        Self { plain: self.plain.saturating_add(other.plain), quoted: self.quoted.saturating_add(other.quoted) }
    }

    /// At most this many bytes when encoded.
    pub fn encoded(self) -> u64 {
        self.quoted.min(base64_len(self.plain))
    }
}

/// Costs of the three bodies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Costs {
    plain: Cost,
    html: Cost,
    json: Cost,
}

impl Costs {
    pub fn of(bodies: &Bodies) -> Self {
        Self { plain: Cost::of(&bodies.plain), html: Cost::of(&bodies.html), json: Cost::of(&bodies.json) }
    }

    pub fn plus(self, other: Self) -> Self {
        Self { plain: self.plain.plus(other.plain), html: self.html.plus(other.html), json: self.json.plus(other.json) }
    }

    pub fn encoded(self) -> u64 {
        self.plain.encoded().saturating_add(self.html.encoded()).saturating_add(self.json.encoded())
    }
}

/// Longest word of a header's value that is written as it is.
const LONGEST_WORD: usize = 60;

/// RFC 5322, 2.1.1: lines should have no more characters.
const LINE: usize = 78;

/// Adds a header whose value is a name or number of ours: short and plain ASCII, so that programs find it as it is.
pub(super) fn plain_header(out: &mut Vec<u8>, name: &str, value: &str) {
    for text in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Adds a header whose value is text: folded, encoded where it is not plain ASCII or could not be folded. The value has passed `one_line`.
pub(super) fn text_header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let column = name.len() + 2;
    if !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        Text::new(value).write_header(out, column);
        return;
    }
    let first = value.split(' ').next().map_or(0, str::len);
    let folds = column + first <= LINE && !value.contains("  ") && value.split(' ').all(|word| word.len() <= LONGEST_WORD);
    // What looks encoded would be decoded by a reader if it were left as it is.
    if folds && !value.contains("=?") {
        Raw::new(value).write_header(out, column);
    } else {
        encoded_words(out, value, column);
    }
}

/// RFC 2047 in base64, one word a line. Only for ASCII: words are cut anywhere.
fn encoded_words(out: &mut Vec<u8>, value: &str, column: usize) {
    const BYTES: usize = 36;
    const WORD: usize = "=?utf-8?B?".len() + BYTES / 3 * 4 + "?=".len();
    for (index, chunk) in value.as_bytes().chunks(BYTES).enumerate() {
        if index > 0 || column + WORD > LINE {
            out.extend_from_slice(b"\r\n ");
        }
        out.extend_from_slice(b"=?utf-8?B?");
        encodify::base64::STANDARD.encode_append(chunk, out);
        out.extend_from_slice(b"?=");
    }
    out.extend_from_slice(b"\r\n");
}

/// Adds a header of addresses.
pub(super) fn address_header(out: &mut Vec<u8>, name: &str, mailboxes: &[Mailbox<'_>]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let addresses = mailboxes.iter().map(|one| Address::new_address(one.name, one.address)).collect();
    Address::new_list(addresses).write_header(out, name.len() + 2);
}

/// Adds a header of Message-IDs, given without angle brackets.
pub(super) fn id_header<'i>(out: &mut Vec<u8>, name: &str, ids: impl Iterator<Item = &'i str>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    MessageId::new_list(ids).write_header(out, name.len() + 2);
}

/// What stands in a Content-Type for an attachment. A `multipart` or `message` type may not be encoded (RFC 2045, 6.4), and readers would take it
/// apart instead of keeping its bytes: so it is attached as bytes, and `consign.json` says the type.
fn safe_type(media_type: &str) -> &str {
    let bare = media_type.split(';').next().unwrap_or_default().trim();
    let token = |part: &str| !part.is_empty() && part.len() <= 60 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    match bare.split_once('/') {
        Some((family, kind)) if token(family) && token(kind) => {
            let whole = family.eq_ignore_ascii_case("multipart") || family.eq_ignore_ascii_case("message");
            if whole { "application/octet-stream" } else { bare }
        }
        _ => "application/octet-stream",
    }
}

/// A file name for a header: no path, no control characters, nothing that shows its extension at another place, not without end, not empty, not ours.
/// Nor anything that no file of Windows may have in its name. Some readers take quotes and angle brackets around a name off, also those that are part of it,
/// and decode within quotes what looks like an encoded word (`=?`).
fn safe_name(name: &str) -> String {
    let forbidden = |c: char| matches!(c, '/' | '\\' | '"' | '<' | '>' | ':' | '|' | '?' | '*' | '\u{2028}' | '\u{2029}');
    let mut safe: String = name.trim().chars().map(|c| if c.is_control() || turns_order(c) || forbidden(c) { '_' } else { c }).collect();
    if safe.len() > LONGEST_FILE_NAME {
        let extension = safe.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| extension.len() <= 20);
        let tail = extension.map(|extension| format!("….{extension}")).unwrap_or_default();
        let mut end = LONGEST_FILE_NAME - tail.len();
        while !safe.is_char_boundary(end) {
            end -= 1;
        }
        safe.truncate(end);
        safe.push_str(&tail);
    }
    if safe.is_empty() || safe == "." || safe == ".." {
        "attachment".to_owned()
    } else if safe.eq_ignore_ascii_case(JSON_NAME) {
        format!("_{JSON_NAME}")
    } else {
        safe
    }
}

/// The boundaries of one part: from the hash of its inputs. `=_` occurs in no encoded body, so no content can hold one.
pub(super) struct Boundaries {
    mixed: String,
    alternative: String,
    /// Of a journal report, around the e-mail.
    pub journal: String,
}

impl Boundaries {
    pub fn new(hash: &Digest) -> Self {
        let hex: String = hash.hex().bytes().rev().take(32).map(char::from).collect();
        Self { mixed: format!("=_m_{hex}"), alternative: format!("=_a_{hex}"), journal: format!("=_j_{hex}") }
    }
}

/// Adds an attachment's part up to its content; its content follows in base64, and then `\r\n`.
fn open_attachment(out: &mut Vec<u8>, boundaries: &Boundaries, one: &Attachment) {
    open_part(out, &boundaries.mixed);
    out.extend_from_slice(b"Content-Type: ");
    out.extend_from_slice(safe_type(&one.media_type).as_bytes());
    out.extend_from_slice(b"\r\nContent-Disposition: ");
    ContentType::new("attachment").attribute("filename", safe_name(&one.name)).write_header(out, "Content-Disposition: ".len());
    out.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
}

/// Bytes that an attachment of this size adds to an e-mail.
pub(super) fn attachment_len(boundaries: &Boundaries, one: &Attachment, size: u64) -> u64 {
    let mut head = Vec::new();
    open_attachment(&mut head, boundaries, one);
    wide(head.len()).saturating_add(base64_len(size)).saturating_add(2)
}

fn open_part(out: &mut Vec<u8>, boundary: &str) {
    out.extend_from_slice(b"--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn close_parts(out: &mut Vec<u8>, boundary: &str) {
    out.extend_from_slice(b"--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"--\r\n");
}

/// A body on its way into the e-mail. Which encoding is the shorter one is seen by writing it: counting exactly takes half as long as writing does, and a text has
/// to be mostly outside of ASCII to be shorter in base64, which the count of such bytes tells.
#[derive(Clone, Copy)]
struct Body<'b> {
    content: &'b str,
    /// Bytes in base64.
    base64: usize,
    /// Bytes in quoted-printable at least: less the ends of its lines.
    quoted: usize,
}

/// Bytes that quoted-printable writes as three. No more at once than fit into a byte's count, and without branches: so the compiler counts by vector instructions.
#[expect(clippy::needless_bitwise_bool, reason = "a branch would keep the compiler from vector instructions")]
fn escaped(text: &str) -> usize {
    let count = |some: &[u8]| some.iter().fold(0_u8, |count, byte| count.wrapping_add(u8::from((*byte == b'=') | (*byte >= 0x7f))));
    text.as_bytes().chunks(128).map(|some| usize::from(count(some))).sum()
}

impl<'b> Body<'b> {
    fn new(content: &'b str) -> Self {
        Self { content, base64: MIME.encoded_len(content.len()), quoted: content.len() + 2 * escaped(content) }
    }

    /// Bytes that its encoder asks for; it seldom writes as many.
    fn room(&self) -> usize {
        self.base64.min(self.quoted + self.quoted / 16 + 64)
    }

    /// Adds its part.
    fn write(&self, out: &mut Vec<u8>, boundary: &str, headers: &str) {
        open_part(out, boundary);
        out.extend_from_slice(headers.as_bytes());
        let begin = out.len();
        let mut written = usize::MAX;
        if self.quoted <= self.base64 {
            out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
            written = qp::BODY.encode_append(self.content, out);
        }
        if written > self.base64 {
            out.truncate(begin);
            out.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
            MIME.encode_append(self.content, out);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Bytes of the frame and of an attachment's headers, about: so that the e-mail is seldom moved while it is written.
const FRAME: usize = 1500;
const ATTACHED: usize = 500;

/// Writes the e-mail: `headers` (all but those of MIME, each with its CRLF), the bodies, the attachments with their bytes.
pub(super) fn write(out: &mut Vec<u8>, headers: &[u8], boundaries: &Boundaries, bodies: &Bodies, attachments: &[(Cow<'_, Attachment>, &[u8])]) {
    let (plain, html, json) = (Body::new(&bodies.plain), Body::new(&bodies.html), Body::new(&bodies.json));
    let texts = [&plain, &html, &json].map(Body::room).into_iter().fold(0, usize::saturating_add);
    let files = attachments.iter().map(|(_, bytes)| MIME.encoded_len(bytes.len()).saturating_add(ATTACHED)).fold(0, usize::saturating_add);
    out.reserve_exact(headers.len().saturating_add(texts).saturating_add(files).saturating_add(FRAME));
    out.extend_from_slice(headers);
    out.extend_from_slice(b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"");
    out.extend_from_slice(boundaries.mixed.as_bytes());
    out.extend_from_slice(b"\"\r\n\r\n");
    open_part(out, &boundaries.mixed);
    out.extend_from_slice(b"Content-Type: multipart/alternative;\r\n boundary=\"");
    out.extend_from_slice(boundaries.alternative.as_bytes());
    out.extend_from_slice(b"\"\r\n\r\n");
    plain.write(out, &boundaries.alternative, "Content-Type: text/plain; charset=utf-8\r\n");
    html.write(out, &boundaries.alternative, "Content-Type: text/html; charset=utf-8\r\n");
    close_parts(out, &boundaries.alternative);
    out.extend_from_slice(b"\r\n");
    json.write(out, &boundaries.mixed, "Content-Type: application/json\r\nContent-Disposition: attachment; filename=\"consign.json\"\r\n");
    for (one, bytes) in attachments {
        open_attachment(out, boundaries, one);
        MIME.encode_append(bytes, out);
        out.extend_from_slice(b"\r\n");
    }
    close_parts(out, &boundaries.mixed);
}

/// Bytes of an e-mail beside its headers, the encoded bodies and attachments: at most.
pub(super) fn frame_len(boundaries: &Boundaries) -> u64 {
    let mut out = Vec::new();
    write(&mut out, b"", boundaries, &Bodies::default(), &[]);
    wide(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lines_are_short_whatever_is_in_them() {
        let header = |name: &str, value: &str| {
            let mut out = Vec::new();
            text_header(&mut out, name, value);
            String::from_utf8_lossy(&out).into_owned()
        };
        let words = "word ".repeat(40);
        for name in ["X", "X-Consign-Chat", &"X".repeat(50)] {
            for value in [
                "",
                "a",
                "=?utf-8?Q?a?=",
                &"x".repeat(1200),
                "a                  b",
                words.trim(),
                &"é".repeat(900),
                &"x".repeat(61),
                &"x".repeat(60),
            ] {
                let header = header(name, value);
                let folded = header.strip_suffix("\r\n").unwrap_or_default();
                assert!(folded.split("\r\n").all(|line| line.len() <= 78 && !line.contains(['\r', '\n'])), "{header}");
                assert!(folded.split("\r\n").skip(1).all(|line| line.starts_with(' ') && line.len() > 1), "{header}");
            }
        }
        assert_eq!(header("Subject", "rates, 2 users"), "Subject: rates, 2 users\r\n");
    }

    #[test]
    fn each_body_has_the_shorter_encoding() {
        let texts = ["", "a", "=", "é", "plain text\r\n", &"=".repeat(200), &"é ".repeat(300), &"日本語".repeat(90)].map(str::to_owned);
        // About where both are of one length.
        let near = (0..400).map(|foreign| format!("{}{}", "é".repeat(foreign), "a b ".repeat(400 - foreign)));
        let near_too = (0..120).map(|marks| format!("{}{}\r\n", "=".repeat(marks), "word ".repeat(120)));
        for text in texts.into_iter().chain(near).chain(near_too) {
            let mut out = Vec::new();
            Body::new(&text).write(&mut out, "b", "");
            let quoted = qp::BODY.encode(&text);
            let (name, wanted) =
                if quoted.len() <= MIME.encoded_len(text.len()) { ("quoted-printable", quoted) } else { ("base64", MIME.encode(&text)) };
            assert_eq!(String::from_utf8_lossy(&out), format!("--b\r\nContent-Transfer-Encoding: {name}\r\n\r\n{wanted}\r\n"), "{text:?}");
        }
    }

    #[test]
    fn file_names() {
        assert_eq!(safe_name("../../etc/pass\r\nwd"), ".._.._etc_pass__wd");
        assert_eq!(safe_name("invoice\u{202e}fdp.exe"), "invoice_fdp.exe");
        assert_eq!(safe_name(" "), "attachment");
        assert_eq!(safe_name("\"\""), "__");
        assert_eq!(safe_name("<a:b>|=?utf-8?q?c?=*"), "_a_b__=_utf-8_q_c_=_");
        assert_eq!(safe_name("Consign.JSON"), "_consign.json");
        let long = safe_name(&format!("{}.pdf", "é".repeat(500)));
        assert!(long.len() <= LONGEST_FILE_NAME && long.ends_with("….pdf"), "{long}");
        assert_eq!(safe_type("image/png; name=\"x\r\ny\""), "image/png");
        for other in ["", "image", "image/", "a/b/c", "message/rfc822", "Multipart/mixed", "a b/c", "ä/b"] {
            assert_eq!(safe_type(other), "application/octet-stream", "{other}");
        }
    }

    #[test]
    fn pieces_of_whole_lines_add_up() {
        let pieces = ["a = b \r\n", "é\r\n", "\r\n", &format!("{}\r\n", "x ".repeat(300)), "tab\t\r\n", &format!("{}\r\n", "ü".repeat(70))];
        let (mut sum, mut all) = (Cost::default(), String::new());
        for piece in pieces.iter().chain(pieces.iter().rev()) {
            sum = sum.plus(Cost::of(piece));
            all.push_str(piece);
            assert_eq!(sum, Cost::of(&all), "{all:?}");
        }
    }
}
