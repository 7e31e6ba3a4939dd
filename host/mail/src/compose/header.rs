//! The headers of each part. What depends on the run stands in a header of its own, never in the Message-ID.

use consign_model::Digest;
use consign_model::id::Hasher;
use consign_model::target::Profile;
use mail_builder::headers::date::Date;

use super::error::ComposeError;
use super::group::Group;
use super::input::GroupInput;
use super::journal;
use super::mime::{Boundaries, address_header, id_header, plain_header, text_header};
use super::people::{People, people_header};
use super::vault;
use super::words::one_line;
use crate::address::Mailbox;
use crate::template::{Fields, Inner, Rendered, Row, Templates};

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
    /// All headers but those of MIME. In a journal report all that comes before the original's.
    pub bytes: Vec<u8>,
    /// What comes after everything else.
    pub tail: Vec<u8>,
}

impl Head {
    /// Bytes of both.
    pub fn len(&self) -> u64 {
        u64::try_from(self.bytes.len().saturating_add(self.tail.len())).unwrap_or(u64::MAX)
    }
}

/// What stands before an e-mail's Message-ID in that of the original within its journal report: two e-mails never share one, and either tells the other.
const ORIGINAL: &str = "original.";

/// Hash of a part: of its Message-ID and boundaries.
pub(super) fn part_hash(base: &Digest, part: u32) -> Digest {
    let mut hasher = Hasher::default();
    hasher.field(&base.0).field(&part.to_be_bytes());
    hasher.finish()
}

/// The Message-ID of a part, counted from 1, without angle brackets: what `References` of later e-mails name.
fn id(base: &Digest, part: u32, from: &Mailbox<'_>) -> String {
    let mut id = part_hash(base, part).hex();
    id.truncate(40);
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
    of: Of<'g>,
}

/// What a profile needs of the group beside that, the same in all parts.
enum Of<'g> {
    Plain,
    GlobalRelay { people: &'g People, feed: &'g str },
    Vault { index_data: Vec<u8> },
    Journal { people: &'g People, recipients: String },
}

impl<'g> Of<'g> {
    fn new(group: &'g Group<'g>) -> Result<Self, ComposeError> {
        let target = group.input.target;
        let max = target.max_size.0;
        Ok(match target.profile {
            Profile::Plain => Self::Plain,
            Profile::GlobalRelay => {
                let feed = target.feed.as_deref().ok_or(ComposeError::Profile { key: "feed" })?;
                Self::GlobalRelay { people: group.people(), feed }
            }
            Profile::EnterpriseVault => Self::Vault { index_data: vault::index_data(group.people(), max) },
            Profile::ExchangeJournal => Self::Journal { people: group.people(), recipients: journal::recipients(group.people(), max) },
        })
    }
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
            conversation: group.base.hex().get(..32).unwrap_or_default().to_owned(),
        });
        Ok(Self { group, templates: Templates::read(input.target)?, fields, from: from(input)?, to, of: Of::new(group)? })
    }

    /// The headers of one part.
    pub fn part(&self, part: u32, parts: u32) -> Result<Head, ComposeError> {
        let rendered = self.templates.render(&self.fields, part, parts)?;
        let message_id = id(&self.group.base, part, &self.from);
        let mut out = Vec::with_capacity(1500);
        // First: see FIRST_HEADER.
        plain_header(&mut out, "X-Consign-Policy", self.group.input.window.policy.as_str());
        self.date(&mut out);
        match &self.of {
            Of::Plain | Of::Vault { .. } | Of::Journal { .. } => {
                address_header(&mut out, "From", std::slice::from_ref(&self.from));
                address_header(&mut out, "To", &self.to);
            }
            Of::GlobalRelay { people, .. } => self.people(&mut out, people),
        }
        self.thread(&mut out, part, &message_id, "");
        text_header(&mut out, "Subject", &rendered.subject);
        out.extend_from_slice(b"Auto-Submitted: auto-generated\r\n");
        match &self.of {
            Of::Plain => {}
            Of::GlobalRelay { feed, .. } => {
                out.extend_from_slice(b"Precedence: bulk\r\n");
                plain_header(&mut out, "X-GlobalRelay-MsgType", &one_line(feed));
            }
            Of::Vault { index_data } => {
                if let Some(id) = &self.group.input.target.archive_id {
                    vault::archive_id(&mut out, &one_line(id));
                }
                out.extend_from_slice(index_data);
            }
            Of::Journal { .. } => out.extend_from_slice(b"X-MS-Journal-Report:\r\n"),
        }
        plain_header(&mut out, "X-Consign-Run", &one_line(self.group.input.run.as_str()));
        plain_header(&mut out, "X-Consign-Window", &self.group.input.window.id());
        let mut tail = Vec::new();
        if let Of::Journal { people, recipients } = &self.of {
            tail = self.open_original(&mut out, people, recipients, part, &message_id, &rendered);
        }
        self.own(&mut out, part, parts, &rendered);
        Ok(Head { subject: rendered.subject, message_id, bytes: out, tail })
    }

    fn date(&self, out: &mut Vec<u8>) {
        let date = self.group.ended.unwrap_or(self.group.input.window_end).0.div_euclid(1000).max(EARLIEST_DATE);
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(Date::new(date).to_rfc822().as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// From the initiator, to all; from and to whom the target says, where the group has nobody.
    fn people(&self, out: &mut Vec<u8>, people: &People) {
        match &people.initiator {
            Some(initiator) => people_header(out, "From", std::slice::from_ref(initiator)),
            None => address_header(out, "From", std::slice::from_ref(&self.from)),
        }
        if people.to().is_empty() {
            address_header(out, "To", &self.to);
        } else {
            people_header(out, "To", people.to());
        }
    }

    /// Message-ID and what it answers, each with `prefix` before it.
    fn thread(&self, out: &mut Vec<u8>, part: u32, message_id: &str, prefix: &str) {
        let with_prefix = |id: &str| format!("{prefix}{id}");
        id_header(out, "Message-ID", std::iter::once(with_prefix(message_id).as_str()));
        let first = (part > 1).then(|| id(&self.group.base, 1, &self.from));
        let earlier = self.group.input.references.iter().map(String::as_str).filter(usable);
        let mut references: Vec<String> = earlier.chain(first.as_deref()).map(with_prefix).collect();
        if references.len() > REFERENCES {
            references.drain(1..=references.len() - REFERENCES);
        }
        if let Some(parent) = references.last() {
            id_header(out, "In-Reply-To", std::iter::once(parent.as_str()));
            id_header(out, "References", references.iter().map(String::as_str));
        }
    }

    /// The report, and the original's headers as far as they say who and when; what follows the original.
    fn open_original(&self, out: &mut Vec<u8>, people: &People, recipients: &str, part: u32, message_id: &str, rendered: &Rendered<'_>) -> Vec<u8> {
        let boundary = Boundaries::new(&part_hash(&self.group.base, part)).journal;
        // An encrypted chat of which nobody is known.
        let mut in_target = String::new();
        if recipients.is_empty() {
            for to in &self.to {
                in_target.extend(["To: ", to.address, "\r\n"]);
            }
        }
        let recipients = if recipients.is_empty() { &in_target } else { recipients };
        let sender = people.initiator.as_ref().map_or(self.from.address, |one| &one.address);
        let original = format!("{ORIGINAL}{message_id}");
        journal::open(out, &boundary, &journal::Report { sender, subject: &rendered.subject, message_id: &original, recipients });
        self.date(out);
        self.people(out, people);
        self.thread(out, part, message_id, ORIGINAL);
        text_header(out, "Subject", &rendered.subject);
        out.extend_from_slice(b"Auto-Submitted: auto-generated\r\n");
        journal::close(&boundary)
    }

    /// What we and the target say of the chat.
    fn own(&self, out: &mut Vec<u8>, part: u32, parts: u32, rendered: &Rendered<'_>) {
        let chat = &self.group.input.window.chat;
        plain_header(out, "X-Consign-Source", chat.source.as_str());
        text_header(out, "X-Consign-Chat", &one_line(&chat.id));
        if parts > 1 {
            text_header(out, "X-Consign-Part", &format!("{part}/{parts}"));
        }
        for (name, value) in &rendered.headers {
            text_header(out, name, value);
        }
    }
}
