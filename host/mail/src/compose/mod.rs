//! From a group of events to finished e-mails: pure functions without input, output, clock or randomness, so that a repeat after a crash is the
//! same bytes and nobody has to keep a copy.
//!
//! It goes in two steps. [`plan`] lays out the whole group into parts by *encoded* size and says which attachments each part carries, so that a
//! caller reads only those. [`render`] makes one part's bytes. The planner writes the very texts that the renderer writes and measures them, instead
//! of estimating: so no part is ever larger than the target takes.

mod bodies;
mod error;
mod group;
mod header;
mod html;
mod input;
mod journal;
mod json;
mod layout;
mod line;
mod mime;
mod people;
mod places;
mod plain;
mod times;
mod vault;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use consign_model::{Attachment, Digest, Timestamp};

pub use error::ComposeError;
pub use input::{GroupInfo, GroupInput, MailEvent, SealedFile};
pub use layout::{PartPlan, Plan};

pub(crate) use words::{chat_kind, one_line};

use bodies::Bodies;
use group::{Carried, Group};
use mime::Boundaries;

/// Number of this composer. A release whose bytes differ for any input has another number; windows keep it, so that a repeat of an e-mail that may
/// have arrived is never sent with other bytes.
pub const COMPOSER: u32 = 3;

/// What every e-mail of ours begins with: whoever compares an e-mail in a mailbox begins here, since servers put their own headers on top.
pub const FIRST_HEADER: &str = "X-Consign-Policy: ";

/// A finished e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Without angle brackets. Depends on tenant, policy, window, group and part; never on the run.
    pub message_id: String,
    /// Headers and body, lines ended by CRLF, no line over 998 bytes, all ASCII. Not dot-stuffed.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// The subject as text.
    pub subject: String,
    /// Counted from 1.
    pub part: u32,
    /// Parts of the group.
    pub parts: u32,
    /// Its events: a range of [`GroupInput::events`].
    pub events: Range<usize>,
    /// The envelope's sender: a bare address.
    pub from: String,
    /// The envelope's recipients: bare addresses, each once, in the target's order.
    pub recipients: Vec<String>,
}

/// Which part a heading is for.
pub(crate) struct PartView {
    part: u32,
    parts: u32,
    events: Range<usize>,
}

/// Whole minutes between two times.
pub(crate) fn duration_minutes(started: Option<Timestamp>, ended: Option<Timestamp>) -> i64 {
    started.zip(ended).map_or(0, |(started, ended)| ended.0.saturating_sub(started.0).max(0) / 60_000)
}

/// Lays out a group into parts, none of them over the target's `max-size`.
pub fn plan(input: &GroupInput<'_>) -> Result<Plan, ComposeError> {
    layout::lay_out(&Group::new(input))
}

/// Makes one part, counted from 1. `bytes` gives an attachment's content by digest; it is asked for those of [`PartPlan::attachments`] only, and
/// trusted to give the content of that digest: the archive checks it.
pub fn render<'b>(input: &GroupInput<'_>, plan: &Plan, part: u32, bytes: impl Fn(&Digest) -> Option<&'b [u8]>) -> Result<Email, ComposeError> {
    let parts = u32::try_from(plan.parts.len()).unwrap_or(u32::MAX);
    let wrong = || ComposeError::WrongPlan { part, parts };
    let place = usize::try_from(part).ok().and_then(|part| part.checked_sub(1)).ok_or_else(wrong)?;
    let layout = plan.parts.get(place).ok_or_else(wrong)?;
    if plan.base != group::base(input) || layout.events.end > input.events.len() {
        return Err(wrong());
    }
    let bodies = match &plan.written {
        Some(written) => Cow::Borrowed(written.as_ref()),
        None => Cow::Owned(write_bodies(input, plan, layout, part, parts)),
    };
    let mut attached: Vec<(Cow<'_, Attachment>, &'b [u8])> = Vec::with_capacity(layout.places.len());
    for place in &layout.places {
        let found = match *place {
            Carried::Attachment(event, index) => {
                let one = input.events.get(event).ok_or_else(wrong)?;
                (Cow::Borrowed(one.event.attachments.get(index).ok_or_else(wrong)?), one.event.id.as_str())
            }
            Carried::File(index) => (Cow::Owned(group::sealed(input.files.get(index).ok_or_else(wrong)?)), "-"),
        };
        let content = content(&found.0, found.1, &bytes)?;
        attached.push((found.0, content));
    }
    let mut out = Vec::new();
    let boundaries = Boundaries::new(&header::part_hash(&plan.base, part));
    mime::write(&mut out, &layout.head.bytes, &boundaries, &bodies, &attached);
    out.extend_from_slice(&layout.head.tail);
    let size = u64::try_from(out.len()).unwrap_or(u64::MAX);
    if size > input.target.max_size.0 {
        return Err(ComposeError::Oversize { part, size, max: input.target.max_size });
    }
    let (from, recipients) = header::envelope(input)?;
    let digest = Digest::of(&out);
    let head = &layout.head;
    let (message_id, subject) = (head.message_id.clone(), head.subject.clone());
    Ok(Email { message_id, bytes: out, digest, subject, part, parts, events: layout.events.clone(), from, recipients })
}

/// An attachment's bytes, of the size that was planned.
fn content<'b>(one: &Attachment, event: &str, bytes: &impl Fn(&Digest) -> Option<&'b [u8]>) -> Result<&'b [u8], ComposeError> {
    let digest = one.digest.unwrap_or(Digest([0; 32]));
    let event = || words::shown_name(event).into_owned();
    let content = bytes(&digest).ok_or_else(|| ComposeError::AttachmentUnread { digest, event: event() })?;
    let (expected, found) = (one.size.unwrap_or_default(), u64::try_from(content.len()).unwrap_or(u64::MAX));
    if found == expected { Ok(content) } else { Err(ComposeError::AttachmentSize { digest, event: event(), expected, found }) }
}

/// The bodies of one part of several.
fn write_bodies(input: &GroupInput<'_>, plan: &Plan, layout: &PartPlan, part: u32, parts: u32) -> Bodies {
    let group = Group::new(input);
    let view = PartView { part, parts, events: layout.events.clone() };
    let mut bodies = bodies::room(&group, &view);
    bodies::open(&mut bodies, &group, &view);
    bodies::write_files(&mut bodies, &group, &layout.carried);
    bodies::events_open(&mut bodies, &group);
    for event in layout.events.clone() {
        bodies::write_event(&mut bodies, &group, event, &|index| {
            plan.fates.get(&(event, index)).copied().unwrap_or_else(|| layout::own_fate(&group, event, index))
        });
    }
    bodies::close(&mut bodies);
    bodies
}
