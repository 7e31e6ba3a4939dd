//! What each archive asks beside that.

use std::collections::HashSet;

use super::Findings;
use super::head::Header;
use super::headers::{addresses, is_address};
use super::mime::Part;

/// Headers of the sender's own that Global Relay takes with an e-mail.
const CUSTOM_HEADERS: usize = 10;

/// Global Relay.
pub(super) fn global_relay(message: &Part<'_>, found: &mut Findings) {
    const FEED: &str = "X-GlobalRelay-MsgType";
    let head = &message.head;
    let unfiled = "Global Relay does not know the feed, and files the e-mail as ordinary mail or not at all";
    match head.first(FEED) {
        None => found.missing("feed", FEED, "it is missing", unfiled),
        Some(feed) if feed.raw().is_empty() => found.header("feed", feed, "it is empty", unfiled),
        Some(feed) => {
            if feed.name != FEED {
                found.header("feed", feed, format!("it is written in other capitals than {FEED}"), unfiled);
            }
            if feed.value.windows(2).any(|two| two == b"=?") {
                found.header("feed", feed, "its value is encoded", unfiled);
            }
        }
    }
    for again in head.all(FEED).skip(1) {
        found.header("feed", again, "it stands here again", unfiled);
    }
    let own: Vec<&Header<'_>> = head.headers.iter().filter(|header| starts(header.name, "X-") && !starts(header.name, "X-GlobalRelay-")).collect();
    if let Some(first) = own.get(CUSTOM_HEADERS) {
        let what = format!("it is one of {} headers beginning with X-, and {CUSTOM_HEADERS} are the most", own.len());
        found.header("custom-headers", first, what, "Global Relay leaves those beyond the tenth out");
    }
    for (name, value, then) in [
        ("Auto-Submitted", "auto-generated", "programs that answer e-mails answer the people in From"),
        ("Precedence", "bulk", "programs that answer e-mails answer the people in From"),
    ] {
        match head.first(name) {
            None => found.missing("automatic", name, format!("it is missing: it says {value}"), then),
            Some(header) if !header.raw().eq_ignore_ascii_case(value) => found.header("automatic", header, format!("it does not say {value}"), then),
            Some(_) => {}
        }
    }
    if head.first("Subject").is_none_or(|subject| subject.raw().is_empty()) {
        found.missing("subject", "Subject", "it is missing or empty", "the conversation has no title in lists and in what is found");
    }
}

fn starts(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// The vault's own headers that are documented.
const KVS: [&str; 2] = ["X-Kvs-ArchiveId", "X-Kvs-IndexData"];

/// Enterprise Vault.
pub(super) fn enterprise_vault(message: &Part<'_>, found: &mut Findings) {
    let headers = &message.head.headers;
    let mut above = HashSet::new();
    for header in headers.iter().filter(|header| starts(header.name, "X-")) {
        if !above.insert(header.name.to_ascii_lowercase()) {
            found.header("first-only", header, "a header of this name, in these capitals or others, stands above", "the vault takes the first alone");
        }
        let is_known = KVS.iter().any(|known| header.is(known));
        let exact = if is_known { KVS.contains(&header.name) } else { header.name.starts_with("X-Kvs-") };
        if starts(header.name, "X-Kvs-") && !exact {
            let right = KVS.iter().find(|known| header.is(known)).unwrap_or(&"X-Kvs-…");
            found.header("capitals", header, format!("it is written in other capitals than {right}"), "the vault passes over it");
        }
        if header.name == "X-Kvs-ArchiveId" {
            let id = header.raw();
            if id.is_empty() || id.contains("=?") || !id.bytes().all(|byte| byte.is_ascii_graphic()) || header.lines.len() > 1 {
                let then = "the vault finds no archive by it, and stores the e-mail where the address says";
                found.header("archive-id", header, "it is not one word of ASCII on the line of its name", then);
            }
        }
        if header.name == "X-Kvs-IndexData"
            && let Err(what) = index_data(&header.raw())
        {
            found.header("index-data", header, what, "the vault indexes none of it");
        }
    }
}

/// Elements of `X-Kvs-IndexData`, each within the one before it.
const ELEMENTS: [&str; 4] = ["ARCHIVED_ITEM", "PROPSET", "PROP", "VALUE"];

/// Checks that it is XML with these elements and nothing around them.
fn index_data(xml: &str) -> Result<(), String> {
    if xml.contains("=?") {
        return Err("it is encoded: XML says other letters by their numbers".to_owned());
    }
    let mut open: Vec<&str> = Vec::new();
    let (mut rest, mut values) = (xml, 0);
    let mut done = false;
    while !rest.is_empty() {
        let at = rest.find('<').unwrap_or(rest.len());
        let (text, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let is_value = open.len() == ELEMENTS.len();
        if !text.trim().is_empty() && !is_value {
            return Err("there is text outside of a VALUE".to_owned());
        }
        let entity = |after: &str| after.split_once(';').is_some_and(|(name, _)| !name.is_empty() && name.len() <= 10 && !name.contains(' '));
        if text.contains('>') || !text.split('&').skip(1).all(entity) {
            return Err("a VALUE has a '&' or '>' that is not written as XML asks".to_owned());
        }
        if tail.is_empty() {
            break;
        }
        let Some((tag, more)) = tail.get(1..).and_then(|tag| tag.split_once('>')) else { return Err("an element has no end".to_owned()) };
        rest = more;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim_end()) {
                return Err("an element is closed that is not open".to_owned());
            }
            done = open.is_empty();
            continue;
        }
        let name = tag.split_whitespace().next().unwrap_or_default();
        if done || ELEMENTS.get(open.len()) != Some(&name) {
            return Err(format!("its elements are not {}, in these capitals, each within the one before", ELEMENTS.join(", ")));
        }
        let attribute = match name {
            "ARCHIVED_ITEM" => "version=\"1.0\"",
            "PROPSET" | "PROP" => "NAME=\"",
            _ => "",
        };
        if !tag.contains(attribute) {
            return Err(format!("{name} has no {}", attribute.split('=').next().unwrap_or_default()));
        }
        values += usize::from(name == "VALUE");
        open.push(name);
    }
    if !done || !open.is_empty() {
        return Err("an element is not closed".to_owned());
    }
    if values == 0 { Err("there is no VALUE in it".to_owned()) } else { Ok(()) }
}

/// Exchange's envelope journaling.
pub(super) fn exchange_journal(message: &Part<'_>, found: &mut Findings) {
    const MARK: &str = "X-MS-Journal-Report";
    let unread = "the archive takes it for an ordinary e-mail, from the journal's own address";
    match message.head.first(MARK) {
        None => found.missing("journal-mark", MARK, "it is missing", unread),
        Some(mark) if !mark.raw().is_empty() => found.header("journal-mark", mark, "it has a value", unread),
        Some(_) => {}
    }
    let kinds: Vec<&str> = message.parts.iter().map(|part| part.kind.as_str()).collect();
    let ([report, attached], "multipart/mixed", ["text/plain", "message/rfc822"]) = (&message.parts[..], message.kind.as_str(), &kinds[..]) else {
        let what = "it is not a multipart/mixed of one text/plain, the report, and one message/rfc822, the original";
        found.missing("journal-shape", "Content-Type", what, unread);
        return;
    };
    if let Some(original) = attached.parts.first() {
        journal_report(report, original, found);
    }
}

fn journal_report(report: &Part<'_>, original: &Part<'_>, found: &mut Findings) {
    let then = "the archive can't say who sent the e-mail and who received it";
    let mut fault = |what: String| found.line("journal-report", report.line, what, then);
    let text = report.text().unwrap_or_default();
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
    let (sender, subject, id) = (field("Sender"), field("Subject"), field("Message-ID"));
    let (Some(sender), Some(subject), Some(id)) = (sender, subject, id) else {
        fault("the report does not begin with Sender, Subject and Message-ID, a line each".to_owned());
        return;
    };
    if !is_address(&sender) {
        fault("Sender is no bare address".to_owned());
    }
    let mut recipients = 0;
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (kind, who) = line.split_once(": ").unwrap_or((line, ""));
        let (who, way) = who.split_once(", ").unwrap_or((who, ""));
        let way_is_good = way.is_empty() || ["Expanded: ", "Forwarded: "].iter().any(|word| way.strip_prefix(word).is_some_and(is_address));
        if matches!(kind, "To" | "Cc" | "Bcc" | "Recipient") && is_address(who) && way_is_good {
            recipients += 1;
        } else {
            fault(format!("line {} of the report is no recipient (To, Cc, Bcc or Recipient with a bare address)", number + 4));
            break;
        }
    }
    if recipients == 0 {
        fault("the report names no recipient".to_owned());
    }
    let unlike = |header: &str| format!("the report's {header} is not the original's");
    if original.head.first("Message-ID").is_none_or(|header| header.raw() != id) {
        fault(unlike("Message-ID"));
    }
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    if original.head.first("Subject").is_some_and(|header| squeezed(&header.text()) != squeezed(&subject)) {
        fault(unlike("Subject"));
    }
    let from = original.head.first("Sender").or_else(|| original.head.first("From")).and_then(addresses).unwrap_or_default();
    if !from.contains(&sender) {
        fault(unlike("Sender"));
    }
}
