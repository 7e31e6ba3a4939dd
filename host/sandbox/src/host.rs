//! The host's side of the contract: what a module's calls reach.
//!
//! Each function begins with [`State::enter`], which looks at the clock (epochs don't stop a module that is in a host function) and at what was
//! approved. The data is the batch's own columns; nothing is prepared that is not asked for, and what costs more than a copy is kept with the view.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::Offset as _;
use chrono::TimeZone as _;
use consign_model::module::Need;
use consign_model::{Timestamp, batch::NO_SENDER};
use wasmtime::component::{Resource, ResourceTable};

use crate::bindings::criteria::consign::filter::{data, log, types};
use crate::deadline::Deadline;
use crate::limiter::Limiter;
use crate::logs::{LogSink, told};
use crate::needles::Matcher;
use crate::wasi::World;
use crate::{BatchView, ChatContext, Level};

/// Zones that one view keeps. A module that walks through hundreds of zones pays for them again.
const ZONES_KEPT: usize = 4;

/// Why the host ended a module's call. Travels through wasmtime as an error and is found again by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    OutOfTime,
    OutOfMemory,
    Refused { function: &'static str, need: Need },
    Contract(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by the host")
    }
}

impl std::error::Error for Stop {}

pub fn stop<T>(reason: Stop) -> wasmtime::Result<T> {
    Err(wasmtime::Error::new(reason))
}

/// A set of needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NeedSet(u16);

impl FromIterator<Need> for NeedSet {
    fn from_iter<I: IntoIterator<Item = Need>>(needs: I) -> Self {
        Self(needs.into_iter().fold(0, |bits, need| bits | 1 << need as u16))
    }
}

impl NeedSet {
    pub fn has(self, need: Need) -> bool {
        self.0 & (1 << need as u16) != 0
    }
}

/// The chat of a session, as the module holds it.
#[derive(Debug)]
pub struct ChatHandle(pub Arc<ChatContext>);

/// A batch, as the module holds it, with what was computed for it.
#[derive(Debug)]
pub struct ViewHandle {
    view: Arc<BatchView>,
    matches: HashMap<u32, Vec<u8>>,
    counts: HashMap<u32, Vec<u8>>,
    offsets: HashMap<chrono_tz::Tz, Vec<i32>>,
}

impl ViewHandle {
    pub fn new(view: Arc<BatchView>) -> Self {
        Self { view, matches: HashMap::new(), counts: HashMap::new(), offsets: HashMap::new() }
    }
}

/// What a store holds beside the instance.
pub struct State {
    pub table: ResourceTable,
    pub limiter: Limiter,
    pub logs: LogSink,
    /// What was approved.
    pub allowed: NeedSet,
    /// The configuration's keyword lists, compiled.
    pub needles: Arc<[Matcher]>,
    /// When the call under way has to be over.
    pub deadline: Deadline,
    /// What a language runtime finds where it looks for a world.
    pub world: World,
}

impl State {
    /// What every host function begins with.
    pub fn enter(&self, function: &'static str, need: Option<Need>) -> wasmtime::Result<()> {
        if self.deadline.is_over() {
            return stop(Stop::OutOfTime);
        }
        match need {
            Some(need) if !self.allowed.has(need) => stop(Stop::Refused { function, need }),
            _ => Ok(()),
        }
    }

    fn chat(&self, chat: &Resource<ChatHandle>) -> wasmtime::Result<&Arc<ChatContext>> {
        Ok(&self.table.get(chat)?.0)
    }

    fn view(&self, view: &Resource<ViewHandle>) -> wasmtime::Result<&Arc<BatchView>> {
        Ok(&self.table.get(view)?.view)
    }

    /// The rows of a view that a module names by number.
    fn row_of(view: &BatchView, index: u32) -> wasmtime::Result<usize> {
        let row = index as usize;
        if row < view.len() {
            Ok(row)
        } else {
            stop(Stop::Contract(format!("it asked for event {} of a batch of {}", told(index.into()), view.len())))
        }
    }
}

fn text_column(column: &consign_model::TextColumn) -> data::TextColumn {
    data::TextColumn { ends: column.ends.clone(), bytes: column.bytes.clone() }
}

fn membership(stay: &consign_model::Membership) -> types::Membership {
    types::Membership { joined: stay.joined.map(|time| time.0), left: stay.left.map(|time| time.0) }
}

impl types::Host for State {}
impl data::Host for State {}

impl data::HostChat for State {
    fn id(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<String> {
        self.enter("chat.id", None)?;
        Ok(self.chat(&chat)?.facts().chat.key.id.clone())
    }

    fn source(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<String> {
        self.enter("chat.source", None)?;
        Ok(self.chat(&chat)?.facts().chat.key.source.to_string())
    }

    fn kind(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<types::ChatKind> {
        use consign_model::ChatKind;
        self.enter("chat.kind", None)?;
        Ok(match self.chat(&chat)?.facts().chat.kind {
            ChatKind::Direct => types::ChatKind::Direct,
            ChatKind::Group => types::ChatKind::Group,
            ChatKind::Channel => types::ChatKind::Channel,
            ChatKind::Meeting => types::ChatKind::Meeting,
            ChatKind::Other => types::ChatKind::Other,
        })
    }

    fn title(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<Option<String>> {
        self.enter("chat.title", Some(Need::Titles))?;
        Ok(self.chat(&chat)?.facts().chat.title.clone())
    }

    fn labels(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<Vec<(String, String)>> {
        self.enter("chat.labels", Some(Need::Labels))?;
        let labels = self.chat(&chat)?.facts().chat.labels.iter();
        Ok(labels.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn participants(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<Vec<types::Participant>> {
        self.enter("chat.participants", Some(Need::Participants))?;
        let participants = self.chat(&chat)?.facts().participants.iter();
        let participants = participants.map(|participant| {
            let user = &participant.user;
            let mut flags = types::UserFlags::empty();
            for (flag, set) in
                [(types::UserFlags::RECORDED, user.recorded), (types::UserFlags::EXTERNAL, user.external), (types::UserFlags::BOT, user.bot)]
            {
                if set {
                    flags |= flag;
                }
            }
            let memberships = participant.memberships.iter().map(membership).collect();
            types::Participant { id: user.id.clone(), display_name: user.name.clone(), email: user.email.clone(), flags, memberships }
        });
        Ok(participants.collect())
    }

    fn participant_attribute(&mut self, chat: Resource<ChatHandle>, name: String) -> wasmtime::Result<Vec<Option<String>>> {
        self.enter("chat.participant-attribute", Some(Need::Attributes))?;
        let participants = self.chat(&chat)?.facts().participants.iter();
        Ok(participants.map(|participant| participant.user.attributes.get(&name).cloned()).collect())
    }

    fn event_count(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<u64> {
        self.enter("chat.event-count", None)?;
        Ok(self.chat(&chat)?.event_count())
    }

    fn window_start(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<Option<i64>> {
        self.enter("chat.window-start", None)?;
        Ok(self.chat(&chat)?.window_start().map(|time| time.0))
    }

    fn window_end(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<i64> {
        self.enter("chat.window-end", None)?;
        Ok(self.chat(&chat)?.window_end().0)
    }

    fn drop(&mut self, chat: Resource<ChatHandle>) -> wasmtime::Result<()> {
        self.table.delete(chat)?;
        Ok(())
    }
}

impl data::HostView for State {
    fn len(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<u32> {
        self.enter("view.len", None)?;
        Ok(u32::try_from(self.view(&view)?.len())?)
    }

    fn times(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<Vec<i64>> {
        self.enter("view.times", Some(Need::Times))?;
        Ok(self.view(&view)?.batch().times.clone())
    }

    fn utc_offsets(&mut self, view: Resource<ViewHandle>, zone: String) -> wasmtime::Result<Result<Vec<i32>, String>> {
        self.enter("view.utc-offsets", Some(Need::Times))?;
        let Ok(zone) = zone.parse::<chrono_tz::Tz>() else {
            let shown: String = zone.chars().take(64).flat_map(char::escape_debug).collect();
            return Ok(Err(format!("'{shown}' is no time zone: use a name of the IANA tables, such as Europe/Berlin")));
        };
        let handle = self.table.get_mut(&view)?;
        if handle.offsets.len() >= ZONES_KEPT && !handle.offsets.contains_key(&zone) {
            handle.offsets.clear();
        }
        let times = &handle.view.batch().times;
        let offsets = handle.offsets.entry(zone).or_insert_with(|| times.iter().map(|time| utc_offset(zone, Timestamp(*time))).collect());
        Ok(Ok(offsets.clone()))
    }

    fn senders(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<Vec<u32>> {
        self.enter("view.senders", Some(Need::Senders))?;
        Ok(self.view(&view)?.senders().to_vec())
    }

    fn kinds(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<Vec<u8>> {
        self.enter("view.kinds", Some(Need::Kinds))?;
        Ok(self.view(&view)?.batch().kinds.clone())
    }

    fn event_flags(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<Vec<u8>> {
        self.enter("view.event-flags", None)?;
        Ok(self.view(&view)?.flags().to_vec())
    }

    fn ids(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<data::TextColumn> {
        self.enter("view.ids", Some(Need::Ids))?;
        Ok(text_column(&self.view(&view)?.batch().ids))
    }

    fn threads(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<data::TextColumn> {
        self.enter("view.threads", Some(Need::References))?;
        Ok(text_column(&self.view(&view)?.batch().threads))
    }

    fn targets(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<data::TextColumn> {
        self.enter("view.targets", Some(Need::References))?;
        Ok(text_column(&self.view(&view)?.batch().targets))
    }

    fn texts(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<data::TextColumn> {
        self.enter("view.texts", Some(Need::Text))?;
        Ok(text_column(&self.view(&view)?.batch().texts))
    }

    fn matches(&mut self, view: Resource<ViewHandle>, needles: u32) -> wasmtime::Result<Vec<u8>> {
        self.enter("view.matches", Some(Need::Matching))?;
        let Some(matcher) = self.needles.get(needles as usize) else { return stop(no_such_list(needles, self.needles.len())) };
        let handle = self.table.get_mut(&view)?;
        if let Some(known) = handle.matches.get(&needles) {
            return Ok(known.clone());
        }
        let Some(column) = matcher.matches(&handle.view.batch().texts, self.deadline) else { return stop(Stop::OutOfTime) };
        // A list without keywords costs nothing to ask again, and a schema can mark many.
        if !matcher.is_empty() {
            handle.matches.insert(needles, column.clone());
        }
        Ok(column)
    }

    fn match_counts(&mut self, view: Resource<ViewHandle>, needles: u32) -> wasmtime::Result<Vec<u8>> {
        self.enter("view.match-counts", Some(Need::Matching))?;
        let Some(matcher) = self.needles.get(needles as usize) else { return stop(no_such_list(needles, self.needles.len())) };
        let handle = self.table.get_mut(&view)?;
        if let Some(known) = handle.counts.get(&needles) {
            return Ok(known.clone());
        }
        let Some(column) = matcher.counts(&handle.view.batch().texts, self.deadline) else { return stop(Stop::OutOfTime) };
        if !matcher.is_empty() {
            handle.counts.insert(needles, column.clone());
        }
        Ok(column)
    }

    fn row(&mut self, view: Resource<ViewHandle>, index: u32) -> wasmtime::Result<types::Event> {
        self.enter("view.row", None)?;
        let view = self.view(&view)?;
        let (row, batch) = (Self::row_of(view, index)?, view.batch());
        let text = |need: Need, column: &consign_model::TextColumn| if self.allowed.has(need) { column.get(row).to_owned() } else { String::new() };
        let some = |need: Need, column: &consign_model::TextColumn| Some(text(need, column)).filter(|text| !text.is_empty());
        let number = |need: Need, column: &[u8]| if self.allowed.has(need) { column.get(row).copied() } else { None };
        let sender = if self.allowed.has(Need::Senders) { view.senders().get(row).copied() } else { None };
        let at = if self.allowed.has(Need::Times) { batch.times.get(row).copied() } else { None };
        Ok(types::Event {
            id: text(Need::Ids, &batch.ids),
            at: at.unwrap_or(0),
            sender: sender.filter(|sender| *sender != NO_SENDER),
            kind: number(Need::Kinds, &batch.kinds).map_or(types::EventKind::Other, event_kind),
            flags: event_flags(view.flags().get(row).copied().unwrap_or(0)),
            text: text(Need::Text, &batch.texts),
            thread: some(Need::References, &batch.threads),
            target: some(Need::References, &batch.targets),
        })
    }

    fn attachments(&mut self, view: Resource<ViewHandle>, index: u32) -> wasmtime::Result<Vec<types::Attachment>> {
        self.enter("view.attachments", Some(Need::Attachments))?;
        let view = self.view(&view)?;
        let row = Self::row_of(view, index)?;
        let attachments = view.batch().attachments_of(row).map(|attachment| types::Attachment {
            name: attachment.name.clone(),
            media_type: attachment.media_type.clone(),
            size: attachment.size,
            present: attachment.digest.is_some(),
        });
        Ok(attachments.collect())
    }

    fn drop(&mut self, view: Resource<ViewHandle>) -> wasmtime::Result<()> {
        self.table.delete(view)?;
        Ok(())
    }
}

impl log::Host for State {
    fn emit(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.enter("log.emit", None)?;
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.logs.emit(level, &message);
        Ok(())
    }
}

fn no_such_list(asked: u32, lists: usize) -> Stop {
    Stop::Contract(format!("it asked for keyword list {}, and its config-schema marks {lists}, counted from 0", told(asked.into())))
}

fn utc_offset(zone: chrono_tz::Tz, at: Timestamp) -> i32 {
    zone.offset_from_utc_datetime(&at.to_utc().naive_utc()).fix().local_minus_utc()
}

fn event_kind(number: u8) -> types::EventKind {
    use consign_model::EventKind;
    match EventKind::from_number(number) {
        Some(EventKind::Message) => types::EventKind::Message,
        Some(EventKind::Edit) => types::EventKind::Edit,
        Some(EventKind::Delete) => types::EventKind::Delete,
        Some(EventKind::Join) => types::EventKind::Join,
        Some(EventKind::Leave) => types::EventKind::Leave,
        Some(EventKind::Reaction) => types::EventKind::Reaction,
        Some(EventKind::Other) | None => types::EventKind::Other,
    }
}

fn event_flags(bits: u8) -> types::EventFlags {
    use consign_model::Flags;
    let pairs = [
        (Flags::EDITED, types::EventFlags::EDITED),
        (Flags::DELETED, types::EventFlags::DELETED),
        (Flags::REPLY, types::EventFlags::REPLY),
        (Flags::FROM_BOT, types::EventFlags::FROM_BOT),
        (Flags::HAS_ATTACHMENTS, types::EventFlags::HAS_ATTACHMENTS),
        (Flags::LATE, types::EventFlags::LATE),
        (Flags::REMOVED, types::EventFlags::REMOVED),
    ];
    let set = pairs.into_iter().filter(|(flag, _)| Flags(bits).has(*flag));
    set.fold(types::EventFlags::empty(), |flags, (_, flag)| flags | flag)
}
