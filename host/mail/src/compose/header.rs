//! The headers of each part. What depends on the run stands in a header of its own, never in the Message-ID.

use consign_model::Digest;
use consign_model::id::Hasher;
use mail_builder::headers::date::Date;

use super::error::ComposeError;
use super::group::Group;
use super::input::GroupInput;
use super::mime::{address_header, id_header, plain_header, text_header};
use super::words::one_line;
use crate::address::Mailbox;
use crate::template::{Fields, Inner, Row, Templates};

/// Where a sender's address has no usable domain.
const NO_DOMAIN: &str = "consign.invalid";

/// Message-IDs in References at most: the first and the newest (RFC 5322 sets no limit, servers do).
const REFERENCES: usize = 20;

/// 1900-01-01: RFC 5322 has no earlier years.
const EARLIEST_DATE: i64 = -2_208_988_800;

/// Headers of one part.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub subject: String,
    pub message_id: String,
    /// All headers but those of MIME.
    pub bytes: Vec<u8>,
}

/// Hash of a part: of its Message-ID and boundaries.
pub(super) fn part_hash(base: &Digest, part: u32) -> Digest {
    let mut hasher = Hasher::default();
    hasher.field(&base.0).field(&part.to_be_bytes());
    hasher.finish()
}

/// The Message-ID of a part, counted from 1, without angle brackets: what `References` of later e-mails name.
fn id(base: &Digest, part: u32, from: &Mailbox<'_>) -> String {
    let mut id: String = part_hash(base, part).hex().chars().take(40).collect();
    id.push('@');
    let domain = from.domain();
    id.push_str(if domain.is_empty() || domain.starts_with('[') { NO_DOMAIN } else { domain });
    id
}

fn from<'a>(input: &GroupInput<'a>) -> Result<Mailbox<'a>, ComposeError> {
    Mailbox::parse(&input.target.from).map_err(|reason| ComposeError::Address { field: "from", reason })
}

/// A Message-ID that can stand in a header: others are left out, since a thread that is not shown is better than a broken header.
fn usable(id: &&str) -> bool {
    (3..=250).contains(&id.len()) && id.contains('@') && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
}

/// What the headers of all parts share.
pub(super) struct Heads<'g> {
    group: &'g Group<'g>,
    templates: Templates<'g>,
    fields: Fields,
    from: Mailbox<'g>,
    to: Vec<Mailbox<'g>>,
}

/// The envelope: the sender's bare address, and the recipients', each once.
pub(super) fn envelope(input: &GroupInput<'_>) -> Result<(String, Vec<String>), ComposeError> {
    let mut recipients: Vec<String> = Vec::with_capacity(input.target.to.len());
    for to in &input.target.to {
        let to = Mailbox::parse(to).map_err(|reason| ComposeError::Address { field: "to", reason })?;
        if !recipients.iter().any(|known| known == to.address) {
            recipients.push(to.address.to_owned());
        }
    }
    if recipients.is_empty() {
        return Err(ComposeError::Address { field: "to", reason: "there is none" });
    }
    Ok((from(input)?.address.to_owned(), recipients))
}

impl<'g> Heads<'g> {
    pub fn new(group: &'g Group<'g>) -> Result<Self, ComposeError> {
        let input = group.input;
        let to = input.target.to.iter().map(|to| Mailbox::parse(to)).collect::<Result<Vec<_>, _>>();
        let to = to.map_err(|reason| ComposeError::Address { field: "to", reason })?;
        let fields = Fields::new(Inner {
            facts: input.facts.clone(),
            key: input.group.key.to_owned(),
            title: input.group.title.map(str::to_owned),
            subject: input.group.subject.cloned(),
            labels: input.group.labels.clone(),
            shown: group.shown.clone(),
            actors: group.actors().map(|actor| (actor.id.clone(), actor.label.clone())).collect(),
            rows: (input.events.iter().enumerate())
                .map(|(index, one)| Row { kind: one.event.kind, at: one.event.at, actor: group.sender(index) })
                .collect(),
            policy: input.window.policy.to_string(),
            run: input.run.to_string(),
            started: group.started,
            ended: group.ended,
            counts: group.counts,
            encrypted: group.encrypted,
            late_files: group.late_files,
            conversation: group.base.hex().chars().take(32).collect(),
        });
        Ok(Self { group, templates: Templates::read(input.target)?, fields, from: from(input)?, to })
    }

    /// The headers of one part.
    pub fn part(&self, part: u32, parts: u32) -> Result<Head, ComposeError> {
        let input = self.group.input;
        let base = &self.group.base;
        let rendered = self.templates.render(&self.fields, part, parts)?;
        let message_id = id(base, part, &self.from);
        let mut out = Vec::with_capacity(1500);
        // First: see FIRST_HEADER.
        plain_header(&mut out, "X-Consign-Policy", input.window.policy.as_str());
        let date = self.group.ended.unwrap_or(input.window_end).0.div_euclid(1000).max(EARLIEST_DATE);
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(Date::new(date).to_rfc822().as_bytes());
        out.extend_from_slice(b"\r\n");
        address_header(&mut out, "From", std::slice::from_ref(&self.from));
        address_header(&mut out, "To", &self.to);
        id_header(&mut out, "Message-ID", std::iter::once(message_id.as_str()));
        let first = (part > 1).then(|| id(base, 1, &self.from));
        let mut references: Vec<&str> = input.references.iter().map(String::as_str).filter(usable).collect();
        references.extend(first.as_deref());
        if references.len() > REFERENCES {
            references.drain(1..=references.len() - REFERENCES);
        }
        if let Some(parent) = references.last() {
            id_header(&mut out, "In-Reply-To", std::iter::once(*parent));
            id_header(&mut out, "References", references.iter().copied());
        }
        text_header(&mut out, "Subject", &rendered.subject);
        out.extend_from_slice(b"Auto-Submitted: auto-generated\r\n");
        plain_header(&mut out, "X-Consign-Run", &one_line(input.run.as_str()));
        plain_header(&mut out, "X-Consign-Window", &input.window.id());
        plain_header(&mut out, "X-Consign-Source", input.window.chat.source.as_str());
        text_header(&mut out, "X-Consign-Chat", &one_line(&input.window.chat.id));
        if parts > 1 {
            text_header(&mut out, "X-Consign-Part", &format!("{part}/{parts}"));
        }
        for (name, value) in &rendered.headers {
            text_header(&mut out, name, value);
        }
        Ok(Head { subject: rendered.subject, message_id, bytes: out })
    }
}
