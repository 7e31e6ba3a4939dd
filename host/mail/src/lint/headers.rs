//! What every archive asks of an e-mail's headers (RFC 5322, 2047).

use chrono::DateTime;
use mailparse::{MailAddr, addrparse};

use super::Findings;
use super::head::{Head, Header};

/// Headers that an e-mail has once at most (RFC 5322, 3.6; RFC 2045).
const ONCE: [&str; 14] = [
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// The headers of an e-mail.
pub(super) fn message(head: &Head<'_>, found: &mut Findings) {
    for name in ONCE {
        for again in head.all(name).skip(1) {
            found.header("once", again, "it stands here again", "archives differ in which one they take, so one can hide another");
        }
    }
    for name in ["Date", "From", "To", "Message-ID"] {
        if head.first(name).is_none() {
            let then =
                if name == "Message-ID" { "a repeat can't be told from another e-mail" } else { "the archive makes one up, or refuses the e-mail" };
            found.missing("required", name, "it is missing", then);
        }
    }
    if let Some(id) = head.first("Message-ID").filter(|id| !is_id(&id.raw())) {
        found.header("message-id", id, "it is not one id in angle brackets", "a repeat can't be told from another e-mail");
    }
    for name in ["In-Reply-To", "References"] {
        if let Some(header) = head.first(name).filter(|header| !header.raw().split_whitespace().all(is_id)) {
            found.header("message-id", header, "it holds something else than ids in angle brackets", "the thread is not shown");
        }
    }
    if let Some(date) = head.first("Date").filter(|date| !is_date(&date.raw())) {
        found.header("date", date, "it is no date", "the archive files the e-mail under the time of its arrival, and keeps it for another span");
    }
    for name in ["From", "To", "Cc"] {
        if let Some(header) = head.first(name) {
            address(header, found);
        }
    }
    let several = head.first("From").filter(|from| head.first("Sender").is_none() && addresses(from).is_some_and(|all| all.len() > 1));
    if let Some(from) = several {
        found.header("address", from, "it names several, and there is no Sender to say which", "archives take any one of them");
    }
}

fn is_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    inner.and_then(|id| id.split_once('@')).is_some_and(|(left, right)| {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'));
        part(left) && part(right)
    })
}

/// The bare addresses of a header; none where it can't be read.
pub(super) fn addresses(header: &Header<'_>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for one in addrparse(&header.raw()).ok()?.iter() {
        match one {
            MailAddr::Single(one) => all.push(one.addr.clone()),
            MailAddr::Group(group) => all.extend(group.addrs.iter().map(|one| one.addr.clone())),
        }
    }
    Some(all)
}

/// Whether it looks like an address that servers take.
pub(super) fn is_address(address: &str) -> bool {
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,;:\"()".contains(&byte) || byte == b':' && address.ends_with(']'));
    plain && address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !local.contains('@'))
}

fn address(header: &Header<'_>, found: &mut Findings) {
    let then = "nobody finds the e-mail by that person";
    match addresses(header) {
        None => found.header("address", header, "it can't be read as addresses", then),
        Some(all) if all.is_empty() => found.header("address", header, "it names nobody", then),
        Some(all) if !all.iter().all(|one| is_address(one)) => found.header("address", header, "one of those in it is no address", then),
        Some(_) => {}
    }
}

/// Longest encoded word (RFC 2047, 2).
const LONGEST_WORD: usize = 75;

/// What is encoded in any header, of an e-mail or a part.
pub(super) fn encoded_words(header: &Header<'_>, found: &mut Findings) {
    let then = "it is shown and indexed as it is written here, letters and all";
    for line in &header.lines {
        let line = String::from_utf8_lossy(line);
        let mut rest = line.as_ref();
        while let Some(at) = rest.find("=?") {
            rest = rest.get(at..).unwrap_or_default();
            let mut pieces = rest.get(2..).unwrap_or_default().splitn(3, '?');
            let (charset, encoding, text) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default(), pieces.next());
            let begins = !charset.is_empty() && charset.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_*.:+".contains(&byte));
            let Some(text) = text.filter(|_| begins && encoding.len() == 1) else {
                rest = rest.get(2..).unwrap_or_default();
                continue;
            };
            let Some(end) = text.find("?=") else {
                found.header("encoded-word", header, "an encoded word does not end in its line", then);
                break;
            };
            let inner = text.get(..end).unwrap_or_default();
            let whole = 2 + charset.len() + 1 + encoding.len() + 1 + end + 2;
            if whole > LONGEST_WORD {
                found.header("encoded-word", header, format!("an encoded word has {whole} characters, and {LONGEST_WORD} are the most"), then);
            }
            if inner.is_empty() || !inner.bytes().all(|byte| byte.is_ascii_graphic()) || !decodes(encoding, inner) {
                found.header("encoded-word", header, "an encoded word can't be decoded", then);
            }
            rest = rest.get(whole..).unwrap_or_default();
        }
    }
}

fn decodes(encoding: &str, text: &str) -> bool {
    match encoding {
        "B" | "b" => {
            let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
            let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
            text.len().is_multiple_of(4) && padding <= 2 && text.bytes().take(text.len() - padding).all(alphabet)
        }
        "Q" | "q" => text.split('=').skip(1).all(|after| after.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))),
        _ => false,
    }
}

/// Whether it is a date of RFC 5322, with or without a comment behind it.
fn is_date(text: &str) -> bool {
    let bare = text.split('(').next().unwrap_or_default().trim();
    DateTime::parse_from_rfc2822(bare).is_ok()
}
