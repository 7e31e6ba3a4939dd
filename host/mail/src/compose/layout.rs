//! Which event and which attachment goes into which part. The planner writes each piece of text as the renderer will, and adds up its encoded length; a part
//! is closed when the next event does not fit. An event's text is never cut. Its attachments follow it in the same part where they fit, else they
//! are carried by the parts right after it. One that no part could carry holds the window, unless the policy has a placeholder for such: nothing that the
//! policy exports is left out by itself.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use consign_model::Digest;
use consign_model::event::EventKind;
use consign_model::policy::TooLarge;

use super::bodies::{self, Bodies};
use super::error::ComposeError;
use super::group::{Carried, Fate, Group};
use super::header::{Head, Heads};
use super::mime::{Boundaries, Costs, attachment_len, base64_len, frame_len};
use super::{PartView, html, json, plain};

/// One part of a plan.
#[derive(Debug, Clone)]
pub struct PartPlan {
    /// Its events: a range of [`super::GroupInput::events`]. Empty for a part that carries only attachments.
    pub events: Range<usize>,
    /// Digests of the attachments it carries, in their order; a file that hangs on two events stands here twice.
    pub attachments: Vec<Digest>,
    /// Bytes that its e-mail has at most.
    pub size: u64,
    /// Attachments of events in earlier parts, and files of the group.
    pub(super) carried: Vec<Carried>,
    /// Where each of `attachments` comes from.
    pub(super) places: Vec<Carried>,
    pub(super) head: Head,
}

impl PartPlan {
    /// Events of earlier parts whose attachments this part carries: without it they have not arrived whole.
    pub fn carries_for(&self) -> impl Iterator<Item = usize> + '_ {
        self.carried.iter().filter_map(|one| match one {
            Carried::Attachment(event, _) => Some(*event),
            Carried::File(_) => None,
        })
    }
}

/// How a group is laid out into parts.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) parts: Vec<PartPlan>,
    /// Attachments that another part carries than their event's, or none.
    pub(super) fates: BTreeMap<(usize, usize), Fate>,
    /// The bodies of a group that fits into one part, so that they are not written twice.
    pub(super) written: Option<Box<Bodies>>,
    /// Of the group that was planned.
    pub(super) base: Digest,
}

impl Plan {
    /// The parts; at least one.
    pub fn parts(&self) -> &[PartPlan] {
        &self.parts
    }
}

/// What follows from an attachment and the policy alone.
pub(super) fn own_fate(group: &Group<'_>, event: usize, index: usize) -> Fate {
    let Some(one) = group.event(event).and_then(|one| one.event.attachments.get(index)) else { return Fate::Missing };
    match (one.digest, one.size) {
        (Some(_), Some(size)) if group.input.attachments.takes(&one.media_type, size) => Fate::Here,
        (Some(_), Some(_)) => Fate::LeftOut,
        // Without its size there is no promise about the e-mail's: as the archive never stores one so, it is not there.
        (None, _) | (_, None) => Fate::Missing,
    }
}

/// A part while it is filled.
#[derive(Default)]
struct Draft {
    events: Range<usize>,
    attachments: Vec<Digest>,
    places: Vec<Carried>,
    carried: Vec<Carried>,
    texts: Costs,
    bytes: u64,
}

impl Draft {
    fn after(event: usize) -> Self {
        Self { events: event..event, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.carried.is_empty()
    }
}

/// What a part costs before it holds anything: headers and frame in bytes, the heading in texts.
#[derive(Clone, Copy)]
struct Empty {
    texts: Costs,
    bytes: u64,
}

impl Empty {
    fn size(&self, texts: Costs, bytes: u64) -> u64 {
        self.bytes.saturating_add(bytes).saturating_add(self.texts.plus(texts).encoded())
    }
}

/// An attachment that is to be attached: its place in the event, digest, bytes in the e-mail.
struct Wanted {
    index: usize,
    digest: Digest,
    size: u64,
    bytes: u64,
}

/// Lays out a group.
pub(super) fn lay_out(group: &Group<'_>) -> Result<Plan, ComposeError> {
    let heads = Heads::new(group)?;
    let boundaries = Boundaries::new(&group.base);
    let frame = frame_len(&boundaries);
    if let Some(plan) = in_one(group, &heads, &boundaries, frame)? {
        return Ok(plan);
    }
    // Headers differ from part to part, by templates that are free to: lay out with as much room as the first part's need, and again with more where
    // another's need more.
    let mut reserve = heads.part(1, 1)?.len() + 200;
    for _ in 0..4 {
        let mut packer = Packer::new(group, &boundaries, frame + reserve)?;
        packer.pack()?;
        let plan = packer.finish(&heads)?;
        let needed = plan.parts.iter().map(|part| part.head.len()).max().unwrap_or_default();
        if needed <= reserve {
            return Ok(plan);
        }
        reserve = needed + 200;
    }
    Err(ComposeError::NoRoom { needed: reserve, max: group.input.target.max_size })
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Whether these texts alone, which stand in each of the three bodies and become no shorter there, are more than an e-mail.
fn surely_more(group: &Group<'_>) -> bool {
    let texts = group.input.events.iter().map(|one| one.event).filter(|event| event.kind == EventKind::Message && event.target.is_none());
    let bytes = texts.map(|event| wide(event.text.len())).fold(0, u64::saturating_add);
    bytes.saturating_mul(3) > group.input.target.max_size.0
}

/// The whole group in one part, if it fits: the usual case, whose bodies are kept for the renderer.
fn in_one(group: &Group<'_>, heads: &Heads<'_>, boundaries: &Boundaries, frame: u64) -> Result<Option<Plan>, ComposeError> {
    let max = group.input.target.max_size.0;
    if surely_more(group) {
        return Ok(None);
    }
    let events = 0..group.input.events.len();
    let view = PartView { part: 1, parts: 1, events: events.clone() };
    let mut bodies = bodies::room(group, &view);
    bodies::open(&mut bodies, group, &view);
    let carried: Vec<Carried> = (0..group.files.len()).map(Carried::File).collect();
    bodies::write_files(&mut bodies, group, &carried);
    bodies::events_open(&mut bodies, group);
    let head = heads.part(1, 1)?;
    let mut size = head.len().saturating_add(frame);
    let (mut attachments, mut places) = (Vec::new(), Vec::new());
    for index in events.clone() {
        bodies::write_event(&mut bodies, group, index, &|attachment| own_fate(group, index, attachment));
        for one in wanted(group, boundaries, index) {
            size = size.saturating_add(one.bytes);
            attachments.push(one.digest);
            places.push(Carried::Attachment(index, one.index));
        }
        if size.saturating_add(wide(bodies.plain.len() + bodies.html.len() + bodies.json.len())) > max {
            return Ok(None);
        }
    }
    for (index, file) in group.files.iter().enumerate() {
        places.push(Carried::File(index));
        size = size.saturating_add(attachment_len(boundaries, file, file.size.unwrap_or_default()));
        attachments.extend(file.digest);
    }
    bodies::close(&mut bodies);
    bodies.give_back();
    // Mostly base64's length, which needs no counting, settles it.
    let in_base64 = [&bodies.plain, &bodies.html, &bodies.json].into_iter().map(|body| base64_len(wide(body.len()))).sum::<u64>();
    let texts = if size.saturating_add(in_base64) <= max { in_base64 } else { Costs::of(&bodies).encoded() };
    let size = size.saturating_add(texts);
    if size > max {
        return Ok(None);
    }
    let part = PartPlan { events, attachments, size, carried, places, head };
    Ok(Some(Plan { parts: vec![part], fates: BTreeMap::new(), written: Some(Box::new(bodies)), base: group.base }))
}

/// The attachments of an event that the policy takes and the archive has.
fn wanted(group: &Group<'_>, boundaries: &Boundaries, event: usize) -> Vec<Wanted> {
    let Some(one) = group.event(event) else { return Vec::new() };
    let all = one.event.attachments.iter().enumerate();
    let wanted = all.filter_map(|(index, one)| match (own_fate(group, event, index), one.digest, one.size) {
        (Fate::Here, Some(digest), Some(size)) => Some(Wanted { index, digest, size, bytes: attachment_len(boundaries, one, size) }),
        _ => None,
    });
    wanted.collect()
}

/// Fills several parts.
struct Packer<'g, 'a> {
    group: &'g Group<'a>,
    boundaries: &'g Boundaries,
    /// What the first part costs when empty: it lists more people.
    first: Empty,
    /// What each later one costs.
    later: Empty,
    done: Vec<Draft>,
    draft: Draft,
    fates: BTreeMap<(usize, usize), Fate>,
    /// Where pieces are written to be counted.
    pieces: Cell<Bodies>,
}

impl<'g, 'a> Packer<'g, 'a> {
    fn new(group: &'g Group<'a>, boundaries: &'g Boundaries, bytes: u64) -> Result<Self, ComposeError> {
        let empty = |part| {
            let mut bodies = Bodies::default();
            // The longest numbers that can be.
            bodies::open(&mut bodies, group, &PartView { part, parts: u32::MAX, events: usize::MAX - 2..usize::MAX - 1 });
            plain::files_open(&mut bodies.plain);
            html::files_open(&mut bodies.html);
            json::files_open(&mut bodies.json);
            json::files_close(&mut bodies.json);
            bodies::events_open(&mut bodies, group);
            bodies::close(&mut bodies);
            Empty { texts: Costs::of(&bodies), bytes }
        };
        let (mut first, later) = (empty(1), empty(u32::MAX));
        // Room for the longer number of the part.
        first.bytes = first.bytes.saturating_add(100);
        let needed = first.size(Costs::default(), 0).max(later.size(Costs::default(), 0));
        if needed > group.input.target.max_size.0 {
            return Err(ComposeError::NoRoom { needed, max: group.input.target.max_size });
        }
        Ok(Self { group, boundaries, first, later, done: Vec::new(), draft: Draft::default(), fates: BTreeMap::new(), pieces: Cell::default() })
    }

    fn max(&self) -> u64 {
        self.group.input.target.max_size.0
    }

    fn empty(&self) -> &Empty {
        if self.done.is_empty() { &self.first } else { &self.later }
    }

    fn fits(&self, texts: Costs, bytes: u64) -> bool {
        self.empty().size(self.draft.texts.plus(texts), self.draft.bytes.saturating_add(bytes)) <= self.max()
    }

    fn fits_alone(&self, texts: Costs, bytes: u64) -> bool {
        self.later.size(texts, bytes) <= self.max()
    }

    /// The number of the part that is being filled.
    fn number(&self) -> u32 {
        u32::try_from(self.done.len() + 1).unwrap_or(u32::MAX)
    }

    fn next_part(&mut self) {
        let next = Draft::after(self.draft.events.end);
        self.done.push(std::mem::replace(&mut self.draft, next));
    }

    /// Sees to a part in which this fits, if there can be one.
    fn make_room(&mut self, texts: Costs, bytes: u64) -> bool {
        if self.fits(texts, bytes) {
            return true;
        }
        if !self.fits_alone(texts, bytes) {
            return false;
        }
        // The part being filled is not a later and empty one, or it would have fitted. A first one may be left with nothing but its list of people.
        self.next_part();
        true
    }

    /// What the bodies cost of which this writes a piece.
    fn counted(&self, write: impl FnOnce(&mut Bodies)) -> Costs {
        let mut bodies = self.pieces.take();
        bodies.clear();
        write(&mut bodies);
        let costs = Costs::of(&bodies);
        self.pieces.set(bodies);
        costs
    }

    fn piece(&self, event: usize, fate: impl Fn(usize) -> Option<Fate>) -> Costs {
        let fate = |index| {
            let known = fate(index).or_else(|| self.fates.get(&(event, index)).copied());
            known.unwrap_or_else(|| own_fate(self.group, event, index))
        };
        self.counted(|bodies| bodies::write_event(bodies, self.group, event, &fate))
    }

    fn file(&self, carried: Carried) -> Costs {
        self.counted(|bodies| bodies::write_file(bodies, self.group, carried))
    }

    fn add(&mut self, texts: Costs, bytes: u64) {
        self.draft.texts = self.draft.texts.plus(texts);
        self.draft.bytes = self.draft.bytes.saturating_add(bytes);
    }

    fn attach(&mut self, place: Carried, digest: Digest) {
        self.draft.places.push(place);
        self.draft.attachments.push(digest);
    }

    fn carry(&mut self, carried: Carried, digest: Digest, texts: Costs, bytes: u64) {
        self.add(texts, bytes);
        self.draft.carried.push(carried);
        self.attach(carried, digest);
    }

    /// Every attachment fits into a part, if need be into one of its own; or the policy has a placeholder for it.
    fn check_attachments(&mut self) -> Result<(), ComposeError> {
        let (mut count, mut largest) = (0, 0);
        for event in 0..self.group.input.events.len() {
            for one in wanted(self.group, self.boundaries, event) {
                if self.fits_alone(self.file(Carried::Attachment(event, one.index)), one.bytes) {
                    continue;
                }
                match self.group.input.attachments.too_large() {
                    TooLarge::Placeholder => {
                        self.fates.insert((event, one.index), Fate::TooLarge);
                    }
                    TooLarge::Hold => {
                        count += 1;
                        largest = one.size.max(largest);
                    }
                }
            }
        }
        if count == 0 { Ok(()) } else { Err(ComposeError::AttachmentsTooLarge { count, largest, max: self.group.input.target.max_size }) }
    }

    fn pack(&mut self) -> Result<(), ComposeError> {
        self.check_attachments()?;
        for event in 0..self.group.input.events.len() {
            self.event(event)?;
        }
        for (index, file) in self.group.files.iter().enumerate() {
            let (Some(digest), Some(size)) = (file.digest, file.size) else { continue };
            let (texts, bytes) = (self.file(Carried::File(index)), attachment_len(self.boundaries, file, size));
            if !self.make_room(texts, bytes) {
                return Err(ComposeError::FileTooLarge { digest, size, max: self.group.input.target.max_size });
            }
            self.carry(Carried::File(index), digest, texts, bytes);
        }
        Ok(())
    }

    fn event(&mut self, event: usize) -> Result<(), ComposeError> {
        let mut wanted = wanted(self.group, self.boundaries, event);
        wanted.retain(|one| !self.fates.contains_key(&(event, one.index)));
        let whole = self.piece(event, |_| None);
        let bytes = wanted.iter().map(|one| one.bytes).fold(0, u64::saturating_add);
        if self.make_room(whole, bytes) {
            self.add(whole, bytes);
            for one in wanted {
                self.attach(Carried::Attachment(event, one.index), one.digest);
            }
            self.draft.events.end = event + 1;
            return Ok(());
        }
        // Not in any one part: the text with the attachments that fit beside it, the rest in the parts after it.
        let spread = self.piece(event, |index| wanted.iter().any(|one| one.index == index).then_some(Fate::Part(u32::MAX)));
        if !self.draft.is_empty() {
            self.next_part();
        }
        if !self.make_room(spread, 0) {
            let id = self.group.event(event).map(|one| one.event.id.escape_debug().take(200).collect());
            let needed = self.later.size(spread, 0);
            return Err(ComposeError::EventTooLarge { event: id.unwrap_or_default(), needed, max: self.group.input.target.max_size });
        }
        self.add(spread, 0);
        self.draft.events.end = event + 1;
        let mut own_part = true;
        for one in wanted {
            if own_part && self.fits(Costs::default(), one.bytes) {
                self.add(Costs::default(), one.bytes);
                self.attach(Carried::Attachment(event, one.index), one.digest);
                continue;
            }
            if own_part {
                own_part = false;
                self.next_part();
            }
            let carried = Carried::Attachment(event, one.index);
            let texts = self.file(carried);
            // It fits into an empty part: that was checked first.
            self.make_room(texts, one.bytes);
            self.fates.insert((event, one.index), Fate::Part(self.number()));
            self.carry(carried, one.digest, texts, one.bytes);
        }
        Ok(())
    }

    fn finish(mut self, heads: &Heads<'_>) -> Result<Plan, ComposeError> {
        if !self.draft.is_empty() || self.done.is_empty() {
            self.next_part();
        }
        let parts = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        let mut plans = Vec::with_capacity(self.done.len());
        for (number, draft) in (1..=parts).zip(self.done) {
            let empty = if number == 1 { &self.first } else { &self.later };
            let size = empty.size(draft.texts, draft.bytes);
            let head = heads.part(number, parts)?;
            let Draft { events, attachments, places, carried, .. } = draft;
            plans.push(PartPlan { events, attachments, size, carried, places, head });
        }
        Ok(Plan { parts: plans, fates: self.fates, written: None, base: self.group.base })
    }
}
