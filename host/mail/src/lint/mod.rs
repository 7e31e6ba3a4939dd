//! A second opinion on e-mails, before an archive gives its own: does this file keep the rules of e-mail, and of the archive that it is for?
//!
//! It shares no code with composing, and reads with a parser that is not by the author of the encoder beneath it: a linter that made the mistakes of
//! what it checks would find none. It takes any file, from whatever program. Findings name headers and lines, never what stands in them.

mod archive;
mod head;
mod headers;
mod mime;

use consign_model::target::Profile;
use serde::Serialize;

/// A rule that an e-mail breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule: one word, always the same.
    pub rule: &'static str,
    /// In which line of the file, counted from 1; unset where something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// In which header, as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What a server or the archive does then.
    pub then: &'static str,
}

/// What has been found, while more is looked for.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn missing(&mut self, rule: &'static str, header: &str, what: impl Into<String>, then: &'static str) {
        self.0.push(Finding { rule, line: None, header: Some(header.to_owned()), what: what.into(), then });
    }

    fn header(&mut self, rule: &'static str, header: &head::Header<'_>, what: impl Into<String>, then: &'static str) {
        let name = header.name.chars().take(80).flat_map(char::escape_debug).collect();
        self.0.push(Finding { rule, line: Some(header.line), header: Some(name), what: what.into(), then });
    }

    fn line(&mut self, rule: &'static str, line: u64, what: impl Into<String>, then: &'static str) {
        self.0.push(Finding { rule, line: Some(line), header: None, what: what.into(), then });
    }

    /// One finding for all lines that break a rule, at the first of them.
    fn lines(&mut self, rule: &'static str, lines: &[u64], what: &str, then: &'static str) {
        if let Some(first) = lines.first() {
            let more = if lines.len() > 1 { format!("{what}, and so in {} more lines", lines.len() - 1) } else { what.to_owned() };
            self.line(rule, *first, more, then);
        }
    }
}

/// Everything that is wrong with an e-mail for this archive, by line. `max_size`: bytes that the archive takes, where that is known.
pub fn lint(bytes: &[u8], profile: Profile, max_size: Option<u64>) -> Vec<Finding> {
    let mut found = Findings::default();
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if let Some(max) = max_size.filter(|max| size > *max) {
        let what = format!("the e-mail has {size} bytes, and the archive takes {max}");
        found.0.push(Finding { rule: "size", line: None, header: None, what, then: "the server refuses it (552)" });
    }
    lines(bytes, &mut found);
    let message = mime::Part::read(bytes, 1, 0, &mut found);
    headers::message(&message.head, &mut found);
    match profile {
        Profile::Plain => {}
        Profile::GlobalRelay => archive::global_relay(&message, &mut found),
        Profile::EnterpriseVault => archive::enterprise_vault(&message, &mut found),
        Profile::ExchangeJournal => archive::exchange_journal(&message, &mut found),
    }
    found.0.sort_by_key(|one| one.line);
    found.0
}

/// Bytes of a line at most, without its end (RFC 5322, 2.1.1).
const LONGEST_LINE: usize = 998;

/// What can be said of lines without knowing what they are.
fn lines(bytes: &[u8], found: &mut Findings) {
    let (mut bare, mut long, mut nul) = (Vec::new(), Vec::new(), Vec::new());
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1_u64..) {
        let text = line.strip_suffix(b"\r\n");
        let text = text.unwrap_or_else(|| {
            bare.push(number);
            line.strip_suffix(b"\n").unwrap_or(line)
        });
        if text.contains(&b'\r') && bare.last() != Some(&number) {
            bare.push(number);
        }
        if text.len() > LONGEST_LINE {
            long.push(number);
        }
        if text.contains(&0) {
            nul.push(number);
        }
    }
    found.lines("line-end", &bare, "it does not end with CR LF, or has a CR within", "some servers refuse it, and others end the e-mail here");
    found.lines("line-length", &long, "it has more than 998 bytes", "servers cut it or refuse the e-mail");
    found.lines("nul", &nul, "it has a NUL", "servers cut the e-mail here or refuse it");
}
