//! Templates of subjects and headers: minijinja over facts about a chat, its people and its events, never over what was written in it. So no
//! template can bring message text into a header, where archives index it for everybody.
//!
//! Fields are looked up when a template asks for them; a chat of ten thousand people costs a template that doesn't name them nothing. Each rendering has
//! a budget, since templates come from tenants: the engine counts steps, items and bytes, and no lookup of ours costs more in a larger group. So no clock
//! is needed to end one, which could hold a window on a busy machine that passes on an idle one.

mod fields;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::LazyLock;

use consign_model::target::Composing;
use consign_model::{Name, TargetSpec};
use minijinja::{AutoEscape, Environment, Template, UndefinedBehavior, Value};

use crate::address::Mailbox;
use crate::compose::{ComposeError, one_line};

pub use fields::{FIELDS, Field};
pub(crate) use fields::{Fields, Inner, Row};

/// Steps of one rendering: enough to go once through a hundred thousand participants. What is written counts too, 64 bytes as a step.
const FUEL: u64 = 3_000_000;

/// Longest value of a header in characters; the rest is cut and `…` says so. Encoded it stays below the 100 KiB at which Postfix begins to cut headers by itself.
const LONGEST_VALUE: usize = 16_000;

/// Bytes that are kept of what a template writes: more than the longest value needs. A list of all people of a large room is cut, not refused.
const KEPT_OUTPUT: usize = 1 << 20;

/// Bytes that a template may write before it counts as failed.
const MOST_OUTPUT: usize = 64 << 20;

/// Smallest `max-size` of a target: below it the heading alone may not fit.
const SMALLEST_EMAIL: u64 = 64 << 10;

/// Headers that composing or the mail system writes, or whose form no template can promise.
const RESERVED: [&str; 20] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "auto-submitted",
    "received",
    "return-path",
    "delivered-to",
    "authentication-results",
    "dkim-signature",
    "arc-seal",
    "disposition-notification-to",
];

/// A fault in a target's composing fields, found when it is applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct TemplateError {
    /// The key in the policy file: `subject`, `headers.X-Desk`, `from`, `to`, `max-size`, `feed`, `archive-id`.
    pub field: String,
    /// What is wrong and what to write.
    pub reason: String,
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(FUEL));
    // It would print everything there is.
    environment.remove_global("debug");
    environment
});

/// The templates of one target, read.
pub(crate) struct Templates<'s> {
    subject: Template<'s, 's>,
    headers: Vec<(&'s str, Template<'s, 's>)>,
    /// The subject says itself which part it is. Found out where there are several, since the template is read once more for it.
    subject_says_part: OnceCell<bool>,
}

/// A header's name and value, on one line.
pub(crate) struct Rendered<'s> {
    pub subject: String,
    /// Without those that came out empty.
    pub headers: Vec<(&'s str, String)>,
}

/// What the engine says, without the values that its details may quote.
fn failure(header: &str, error: &minijinja::Error) -> ComposeError {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    ComposeError::Template { header: header.to_owned(), reason: format!("{}{line}", error.kind()) }
}

impl<'s> Templates<'s> {
    pub fn read(target: &'s Composing) -> Result<Self, ComposeError> {
        let environment: &'s Environment<'s> = &ENVIRONMENT;
        let read = |name: &str, source: &'s str| environment.template_from_str(source).map_err(|error| failure(name, &error));
        let subject = read("Subject", &target.subject)?;
        let headers = target.headers.iter().map(|(name, source)| Ok((name.as_str(), read(name, source)?))).collect::<Result<_, _>>()?;
        Ok(Self { subject, headers, subject_says_part: OnceCell::new() })
    }

    fn subject_says_part(&self) -> bool {
        let asks = || self.subject.undeclared_variables(false).iter().any(|name| name == "part");
        *self.subject_says_part.get_or_init(|| self.subject.source().contains("part") && asks())
    }

    pub fn render(&self, fields: &Fields, part: u32, parts: u32) -> Result<Rendered<'s>, ComposeError> {
        let context = fields.context(part, parts);
        let mut subject = render_one("Subject", &self.subject, context.clone())?;
        if parts > 1 && !self.subject_says_part() {
            // Writing to a String cannot fail.
            let _ = write!(subject, " (part {part} of {parts})");
        }
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, template) in &self.headers {
            let value = render_one(name, template, context.clone())?;
            if !value.is_empty() {
                headers.push((*name, value));
            }
        }
        Ok(Rendered { subject, headers })
    }
}

/// Keeps the first bytes of a text.
#[derive(Default)]
struct Bounded {
    kept: Vec<u8>,
    written: usize,
}

impl Bounded {
    /// The text, without a character that was cut in two.
    fn text(self) -> String {
        String::from_utf8(self.kept).unwrap_or_else(|error| {
            let whole = error.utf8_error().valid_up_to();
            String::from_utf8_lossy(error.as_bytes().get(..whole).unwrap_or_default()).into_owned()
        })
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written = self.written.saturating_add(bytes.len());
        if self.written > MOST_OUTPUT {
            return Err(io::Error::other("too much output"));
        }
        let room = KEPT_OUTPUT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn render_raw(template: &Template<'_, '_>, context: Value) -> Result<String, minijinja::Error> {
    let mut out = Bounded::default();
    template.render_captured_to(context, &mut out)?;
    Ok(out.text())
}

fn render_one(name: &str, template: &Template<'_, '_>, context: Value) -> Result<String, ComposeError> {
    let written = render_raw(template, context).map_err(|error| failure(name, &error))?;
    let line = one_line(&written);
    Ok(match line.char_indices().nth(LONGEST_VALUE) {
        None => line.into_owned(),
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
    })
}

/// Checks everything that composing reads of a target, by trying it: all faults at once.
pub fn check_templates(target: &TargetSpec) -> Result<(), Vec<TemplateError>> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, reason: String| faults.push(TemplateError { field: field.to_owned(), reason });
    if let Err(reason) = Mailbox::parse(&target.from) {
        fault("from", format!("not an e-mail address: {reason}"));
    }
    if target.to.is_empty() {
        fault("to", "name at least one recipient: to = [\"ingest@archive.example\"]".to_owned());
    }
    for (index, to) in target.to.iter().enumerate() {
        if let Err(reason) = Mailbox::parse(to) {
            fault("to", format!("the {}. one is not an e-mail address: {reason}", index + 1));
        }
    }
    if target.max_size.0 < SMALLEST_EMAIL {
        fault("max-size", format!("{} is too small for a heading and an event: write at least \"64 KiB\"", target.max_size));
    }
    crate::profile::check(target, &mut fault);
    if let Err(reason) = check_template(&target.composing().subject, &target.name) {
        fault("subject", reason);
    }
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, source) in &target.headers {
        let field = format!("headers.{name}");
        if let Err(reason) = check_header_name(name) {
            fault(&field, reason);
        }
        if let Some(other) = seen.insert(name.to_ascii_lowercase(), name) {
            fault(&field, format!("\"{other}\" is the same header in other capitals: keep one of them"));
        }
        if let Err(reason) = check_template(source, &target.name) {
            fault(&field, reason);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn check_header_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 50 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err("a header's name is 1 to 50 letters, digits, '-', '_' and '.'".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    if ["content-", "x-consign-", "resent-"].iter().any(|prefix| lower.starts_with(prefix)) || RESERVED.contains(&lower.as_str()) {
        return Err("this header is written by Consign or by mail servers: choose another name, such as X-Desk".to_owned());
    }
    Ok(())
}

fn check_template(source: &str, sample: &Name) -> Result<(), String> {
    if source.contains(char::is_control) {
        return Err("it has a line break or another control character: write it on one line".to_owned());
    }
    let shown = |error: &minijinja::Error| match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let template = ENVIRONMENT.template_from_str(source).map_err(|error| shown(&error))?;
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    names.sort_unstable();
    for name in names {
        fields::check_name(&name, |name| ENVIRONMENT.globals().any(|(global, _)| global == name))?;
    }
    for group in [Fields::sample(sample), Fields::sparse_sample(sample)] {
        for (part, parts) in [(1, 1), (2, 3)] {
            render_raw(&template, group.context(part, parts)).map_err(|error| format!("tried on a sample chat it fails: {}", shown(&error)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn target(change: &str) -> TargetSpec {
        let base = "{\"name\":\"archive\",\"host\":\"h\",\"port\":25,\"tls\":\"starttls\",\"from\":\"a@b.example\",\"to\":[\"c@d.example\"]}";
        let mut base: serde_json::Map<String, serde_json::Value> = serde_json::from_str(base).unwrap();
        base.append(&mut serde_json::from_str(change).unwrap());
        serde_json::from_value(base.into()).unwrap()
    }

    fn faults(change: &str) -> Vec<String> {
        check_templates(&target(change)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_targets_pass() {
        assert_eq!(faults("{}"), [""; 0]);
        let subject =
            "{{ chat.title }}, {{ participants | length }} users, {{ events | length }} messages, {{ duration_minutes }} min {{ part }}/{{ parts }}";
        assert_eq!(faults(&serde_json::json!({ "subject": subject }).to_string()), [""; 0]);
        let headers = serde_json::json!({ "headers": {
            "X-Desk": "{{ chat.labels.team }}",
            "X-All": "{% for p in participants %}{{ p.name }} <{{ p.address }}>{% if not loop.last %}, {% endif %}{% endfor %}",
            "X-For": "{{ group.subject.name if group.subject }}",
            "X-Peer": "{{ from }} {{ from_name }} {{ to_email_address }} {{ from_user_custom_field_3 }} {{ conference_participants }} {{ conversation_id }}",
            "X-Count": "{{ counts.message + counts.edit }} {{ events[0].sender if events }} {{ events | map(attribute='type') | unique | join(',') }}",
        } });
        assert_eq!(faults(&headers.to_string()), [""; 0]);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let change = serde_json::json!({
            "from": "a@b\r\nRCPT TO:<x@y>", "to": ["c@d.example", "nobody"], "max-size": "1 KiB", "profile": "global-relay", "subject": "{{ chat.titel }}",
            "headers": {
                "Bcc": "x", "X-Consign-Run": "x", "X Y": "x", "Content-Type": "x", "x-desk": "x", "X-Desk": "x", "X-A": "a\r\nBcc: b", "X-B": "{{ nothing }}",
                "X-C": "{{ chat", "X-D": "{{ chat.id | frobnicate }}", "X-E": "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
                "X-F": "{{ group.subject.name }}", "X-G": "{{ 'x' * 90000000 }}", "X-H": "{% include 'x' %}", "X-I": "{{ events[0].text.x }}", "X-J": "{{ debug() }}",
            },
        });
        let faults = faults(&change.to_string());
        let has =
            |begin: &str, part: &str| assert!(faults.iter().any(|one| one.starts_with(begin) && one.contains(part)), "{begin} {part} in {faults:#?}");
        has("from: ", "line break");
        has("to: the 2. one", "'@'");
        has("max-size: ", "64 KiB");
        has("feed: ", "write feed = ");
        has("headers: ", "keep 4");
        has("subject: ", "\"chat.titel\"; there are chat.id, chat.title");
        for name in ["Bcc", "X-Consign-Run", "X Y", "Content-Type", "x-desk", "X-A", "X-B", "X-C", "X-D", "X-E", "X-F", "X-G", "X-H", "X-I", "X-J"] {
            has(&format!("headers.{name}: "), "");
        }
        assert_eq!(faults.len(), 21, "{faults:#?}");
    }

    #[test]
    fn the_readme_has_every_field() {
        let readme = include_str!("../README.md");
        for (name, meaning) in FIELDS {
            let row = format!("| `{name}` | {meaning} |");
            assert!(readme.lines().any(|line| line == row), "{row}");
        }
        assert_eq!(readme.lines().filter(|line| line.starts_with("| `")).count(), FIELDS.len());
    }

    #[test]
    fn fields_hold_what_the_readme_says() {
        let sample = Fields::sample(&target("{}").name);
        let value = |source: &str| render_raw(&ENVIRONMENT.template_from_str(source).unwrap(), sample.context(2, 3)).unwrap();
        for (source, expected) in [
            ("{{ chat.id }} {{ chat.title }} {{ chat.kind }} {{ chat.source }} {{ chat.labels.team }}", "C1 rates-desk channel archive fx"),
            ("{{ participants | length }} {{ participants[1].address }} {{ participants[0].email }}", "2 U2@archive.invalid ann@desk.example"),
            (
                "{{ events | length }} {{ events[0].sender }} {{ events[2].user }} {{ events[0].at }} {{ events[0].type }}",
                "3 Ann Lee U1 1970-01-01T00:00:00.000Z message",
            ),
            ("{{ events[0].text }}{{ events[0] | length }}", "4"),
            ("{{ group.subject.name }} {{ duration_minutes }} {{ part }}/{{ parts }}", "Ann Lee 1 2/3"),
            (
                "{{ from }} {{ from_name }} {{ from_login_name }} {{ to }} {{ to_email_address }}",
                "ann@desk.example Ann Lee ann U2 U2@archive.invalid",
            ),
            ("{{ conference }} {{ conference_participants }} {{ platform_conversation_id }}", "rates-desk Ann Lee, U2 C1"),
            ("[{{ from_user_custom_field_0 }}]", "[]"),
            ("{{ participants[0].attributes['login-name'] }}|{{ participants[0].attributes | length }}|{{ to_login_name }}", "ann|2|U2"),
            (
                "{% for name in participants[0].attributes %}{{ name }} {% endfor %}{{ from_user_custom_field_3 }}",
                "login-name user-custom-field-3 desk",
            ),
            ("{{ participants[0] | length }} {{ participants[0].nothing }}{{ participants[7] }}{{ events[3] }}", "8 "),
        ] {
            assert_eq!(value(source), expected, "{source}");
        }
    }
}
