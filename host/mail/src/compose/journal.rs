//! Exchange's envelope journaling: the e-mail as an attachment of a report that names its sender and everybody whom it reached, so that an archive need
//! not believe a To header, which may be cut.
//!
//! The report is a text of one field a line (MS-XJRNL; Exchange's "journal report format"), the e-mail follows as `message/rfc822`, unaltered. Both are
//! written into a part's headers and tail, so the planner counts them as it counts headers.

use encodify::qp;

use super::people::People;

/// Of an e-mail, the share that a report's recipients may take before they are encoded, which can make three bytes of one. Whom it doesn't name stands in
/// the original's own list of participants.
const SHARE: u64 = 16;

/// Longest line of a report that is sent as it is: RFC 5322 takes 998 bytes.
const LONGEST_LINE: usize = 900;

/// The recipients of a report, one a line: those in To, then the rest.
pub(super) fn recipients(people: &People, max_size: u64) -> String {
    let mut out = String::new();
    let room = usize::try_from(max_size / SHARE).unwrap_or(usize::MAX);
    for (index, person) in people.all.iter().enumerate() {
        let field = if index < people.addressed { "To: " } else { "Recipient: " };
        if out.len().saturating_add(field.len() + person.address.len() + 2) > room {
            break;
        }
        for text in [field, &person.address, "\r\n"] {
            out.push_str(text);
        }
    }
    out
}

/// What a report says beside its recipients.
pub(super) struct Report<'a> {
    /// A bare address.
    pub sender: &'a str,
    /// On one line.
    pub subject: &'a str,
    /// Of the original, without angle brackets.
    pub message_id: &'a str,
    /// As [`recipients`] gives them.
    pub recipients: &'a str,
}

/// Adds the MIME headers of the report, the report, and the head of the part with the original, whose headers follow.
pub(super) fn open(out: &mut Vec<u8>, boundary: &str, report: &Report<'_>) {
    let mut text = String::with_capacity(200 + report.recipients.len());
    for (field, value) in [("Sender: ", report.sender), ("Subject: ", report.subject), ("Message-ID: <", report.message_id)] {
        text.push_str(field);
        text.push_str(value);
        text.push_str(if field.ends_with('<') { ">\r\n" } else { "\r\n" });
    }
    text.push_str(report.recipients);
    // Plain where it can be: whoever reads reports with simple tools sees them as they are. Never base64.
    let plain = text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE);
    let encoding = if plain { "7bit" } else { "quoted-printable" };
    for piece in ["MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"", boundary, "\"\r\n\r\n--", boundary] {
        out.extend_from_slice(piece.as_bytes());
    }
    for piece in ["\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ", encoding, "\r\n\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    if plain {
        out.extend_from_slice(text.as_bytes());
    } else {
        qp::BODY.encode_append(&text, out);
    }
    for piece in
        ["\r\n--", boundary, "\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"]
    {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// What follows the original.
pub(super) fn close(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}
