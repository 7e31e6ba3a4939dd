//! Tenants, sources, and the index of chats.
//!
//! Which chats have something new is a question of every run, and mostly the answer is none. So each chat stands once in a list by arrival, under the
//! newest that brought it events: a run reads that list from its policy's cursor on, and 200,000 quiet chats cost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use consign_model::audit::{Author, Deed, ImportFigures};
use consign_model::source::Capture;
use consign_model::{Chat, ChatKey, EventHash, EventIdentity, Member, Name, RemovedTenant, TenantId, TenantKeys, Timestamp, WantedKey};
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use super::writer::Changes;
use super::{identities, wanted};
use crate::{Arrival, Copies, Entered, PullCursor, Result, SegmentRecord, SourceRecord, StoreError};

/// How many chats one look at the list of arrivals reads beyond the limit, to find an arrival's end.
const ARRIVED_STEP: usize = 256;

/// A chat's record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChatRow {
    pub chat: Chat,
    /// The newest arrival that brought events; 0 before the first.
    pub arrival: u64,
    /// The newest arrival with which something of its people became known; 0 where that was never written down.
    #[serde(default)]
    pub learned: u64,
}

pub(super) fn newest_arrival_key(tenant: &TenantId) -> Key {
    Key::of(Class::Arrivals, tenant)
}

/// The newest arrival as a write sees it.
pub(super) fn newest_arrival(changes: &Changes, tenant: &TenantId) -> Result<u64> {
    Ok(changes.get(&newest_arrival_key(tenant))?.unwrap_or(0))
}

impl Embedded {
    pub(super) async fn add_tenant(&self, tenant: &TenantId, keys: &TenantKeys, by: &Author) -> Result<TenantKeys> {
        let (key, owed, keys) = (Key::of(Class::Tenant, tenant), super::audit::owed(tenant), keys.clone());
        let removed = super::removal::removed_key(tenant);
        self.write_audited(tenant, by, move |changes| {
            if let Some(there) = changes.get(&key)? {
                let deed = changes.has(&owed)?.then_some(Deed::LogBegun);
                return Ok((there, deed));
            }
            if let Some(RemovedTenant { tenant, at, .. }) = changes.get(&removed)? {
                return Err(StoreError::Removed { tenant, at });
            }
            changes.put(&key, &keys)?;
            let deed = Deed::TenantMade { signing_key: keys.signing_public_key.clone(), recipient: keys.recipient.clone() };
            Ok((keys, Some(deed)))
        })
        .await
    }

    pub(super) fn get_tenant_keys(&self, tenant: &TenantId) -> Result<Option<TenantKeys>> {
        self.core.get(&Key::of(Class::Tenant, tenant))
    }

    pub(super) async fn replace_keys(&self, tenant: &TenantId, keys: &TenantKeys, by: &Author, entered: Entered) -> Result<()> {
        let (key, of, keys) = (Key::of(Class::Tenant, tenant), tenant.clone(), keys.clone());
        let write = move |changes: &mut Changes| {
            let before = changes.get::<TenantKeys>(&key)?.filter(|before| keys.follow(before));
            let Some(before) = before else { return Err(StoreError::Conflict { what: format!("the keys of tenant {of}") }) };
            changes.put(&key, &keys)?;
            let TenantKeys { signing_public_key: signing_key, recipient, .. } = keys;
            let rotated = Deed::KeysRotated { signing_key: signing_key.clone(), earlier_signing_key: before.signing_public_key, recipient };
            Ok([rotated, Deed::KeysTakenUp { signing_key }])
        };
        self.write_audited_twice(tenant, by, write, entered).await
    }

    pub(super) async fn enter_import(&self, tenant: &TenantId, source: &SourceRecord, input: &str, by: &Author) -> Result<()> {
        let (of, source, input) = (tenant.clone(), source.clone(), input.to_owned());
        self.write_audited(tenant, by, move |changes| {
            let key = Key::of(Class::Source, &of).name(&source.name);
            match changes.get::<SourceRecord>(&key)? {
                None => changes.put(&key, &source)?,
                Some(mut known) => {
                    let before = known.ways.clone();
                    known.ways.extend(source.ways.clone());
                    if known.ways != before {
                        changes.put(&key, &known)?;
                    }
                }
            }
            let arrival = newest_arrival(changes, &of)?;
            Ok(((), Some(Deed::ImportBegun { source: source.name, format: source.format, input, arrival })))
        })
        .await
    }

    pub(super) async fn leave_import(&self, tenant: &TenantId, source: &Name, figures: &ImportFigures, by: &Author) -> Result<()> {
        let (of, source, figures) = (tenant.clone(), source.clone(), figures.clone());
        self.write_audited(tenant, by, move |changes| {
            let arrival = newest_arrival(changes, &of)?;
            Ok(((), Some(Deed::ImportEnded { source, figures, arrival })))
        })
        .await
    }

    pub(super) fn all_sources(&self, tenant: &TenantId) -> Result<Vec<SourceRecord>> {
        self.core.all(&Key::of(Class::Source, tenant))
    }

    pub(super) fn get_chat(&self, tenant: &TenantId, chat: &ChatKey) -> Result<Option<Chat>> {
        Ok(self.core.get::<ChatRow>(&Key::of(Class::Chat, tenant).chat(chat))?.map(|row| row.chat))
    }

    pub(super) fn all_members(&self, tenant: &TenantId, chat: &ChatKey) -> Result<Vec<Member>> {
        self.core.all(&Key::of(Class::Member, tenant).chat(chat))
    }

    pub(super) async fn look_up_events(&self, tenant: &TenantId, chat: &ChatKey, hashes: &[EventHash]) -> Result<Vec<Option<[u8; 8]>>> {
        if let Some(answer) = self.identities.known_here(tenant, chat, hashes) {
            return Ok(answer);
        }
        if !identities::is_long(&self.core, tenant, chat)? {
            return self.identities.known(&self.core, tenant, chat, hashes);
        }
        let (cache, core) = (Arc::clone(&self.identities), Arc::clone(&self.core));
        let (tenant, chat, hashes) = (tenant.clone(), chat.clone(), hashes.to_vec());
        tokio::task::spawn_blocking(move || cache.known(&core, &tenant, &chat, &hashes))
            .await
            .map_err(|cause| StoreError::Failed { doing: "looking up events".into(), cause: cause.to_string() })?
    }

    pub(super) fn list_copies(&self, tenant: &TenantId, chat: &ChatKey, user: Option<&str>) -> Result<Vec<Copies>> {
        identities::copies(&self.core, tenant, chat, user)
    }

    pub(super) async fn add_captures(&self, tenant: &TenantId, source: &Name, captures: &[Capture]) -> Result<()> {
        let prefix = Key::of(Class::Captures, tenant).name(source);
        let of_user = captures.iter().map(|one| (prefix.clone().text(&one.user), one.clone()));
        let captures: Vec<(Key, Capture)> = of_user.collect();
        let write = move |changes: &mut Changes| {
            for (key, capture) in &captures {
                let known: BTreeSet<Capture> = changes.get(key)?.unwrap_or_default();
                let ends = |one: &Capture| one.until.unwrap_or(Timestamp::MAX);
                if known.iter().any(|one| one.from == capture.from && ends(one) >= ends(capture)) {
                    continue;
                }
                let mut now: BTreeSet<Capture> = known.into_iter().filter(|one| one.from != capture.from).collect();
                now.insert(capture.clone());
                changes.put(key, &now)?;
            }
            Ok(())
        };
        self.writer.write(write).await
    }

    pub(super) fn all_captures(&self, tenant: &TenantId, source: &Name) -> Result<Vec<Capture>> {
        let of_users: Vec<BTreeSet<Capture>> = self.core.all(&Key::of(Class::Captures, tenant).name(source))?;
        Ok(of_users.into_iter().flatten().collect())
    }

    pub(super) async fn keep_pull_cursor(&self, tenant: &TenantId, source: &Name, cursor: &PullCursor) -> Result<()> {
        let (key, cursor) = (Key::of(Class::PullCursor, tenant).name(source).text(&cursor.of), cursor.clone());
        self.writer.write(move |changes| changes.put(&key, &cursor)).await
    }

    pub(super) fn all_pull_cursors(&self, tenant: &TenantId, source: &Name) -> Result<Vec<PullCursor>> {
        self.core.all(&Key::of(Class::PullCursor, tenant).name(source))
    }

    pub(super) fn segments_from(&self, tenant: &TenantId, chat: &ChatKey, from: u64) -> Result<Vec<SegmentRecord>> {
        let prefix = Key::of(Class::Segment, tenant).chat(chat);
        let start = prefix.clone().number(from);
        let mut segments = Vec::new();
        // The segment that begins before `from` may still hold it.
        if let Some((key, record)) = self.core.raw_before(&prefix, start.bytes())? {
            let before: SegmentRecord = self.core.value(&key, &record)?;
            if before.first.saturating_add(u64::from(before.events)) > from {
                segments.push(before);
            }
        }
        for (key, record) in self.core.raw_range(Bound::Included(start.bytes()), &prefix, usize::MAX)? {
            segments.push(self.core.value(&key, &record)?);
        }
        Ok(segments)
    }

    pub(super) async fn set_apart(&self, tenant: &TenantId, chat: &ChatKey, segment: &SegmentRecord) -> Result<()> {
        let key = Key::of(Class::Segment, tenant).chat(chat).number(segment.first);
        let (chat, segment) = (chat.clone(), segment.clone());
        let write = move |changes: &mut Changes| {
            let known: Option<SegmentRecord> = changes.get(&key)?;
            let same = |known: &SegmentRecord| {
                let was = Some((known.path.clone(), known.digest));
                let alike = known.events == segment.events && known.arrival == segment.arrival && known.gone == segment.gone;
                known.row.is_some() && segment.row.is_none() && alike && segment.also_in == was
            };
            if known.as_ref().is_some_and(same) {
                changes.put(&key, &segment)
            } else {
                Err(StoreError::Conflict { what: format!("a segment of chat {:?} of source {}", chat.id, chat.source) })
            }
        };
        self.writer.write(write).await
    }

    pub(super) async fn commit_arrivals(&self, tenant: &TenantId, arrivals: &[Arrival]) -> Result<u64> {
        let (tenant, arrivals) = (tenant.clone(), Arc::<[Arrival]>::from(arrivals));
        let (cache, written, of) = (Arc::clone(&self.identities), Arc::clone(&arrivals), tenant.clone());
        let hold = move || {
            cache.before(&of, written.iter().map(|one| &one.chat.key));
            (cache, of, written)
        };
        let release = |(cache, of, written): (Arc<identities::Cache>, TenantId, Arc<[Arrival]>)| {
            cache.after(&of, written.iter().map(|one| (&one.chat.key, one.identities.as_slice())));
        };
        self.writer.write_between(move |changes| commit(changes, &tenant, &arrivals), hold, release).await
    }

    pub(super) fn get_newest_arrival(&self, tenant: &TenantId) -> Result<u64> {
        Ok(self.core.get(&newest_arrival_key(tenant))?.unwrap_or(0))
    }

    pub(super) fn list_arrived(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<(u64, ChatKey)>> {
        self.list_chats(&Key::of(Class::Arrived, tenant), after, limit)
    }

    pub(super) fn list_learned(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<(u64, ChatKey)>> {
        self.list_chats(&Key::of(Class::Learned, tenant), after, limit)
    }

    /// Chats of one of the two lists by arrival.
    fn list_chats(&self, prefix: &Key, after: u64, limit: usize) -> Result<Vec<(u64, ChatKey)>> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        let mut from = prefix.clone().number(first).bytes().to_vec();
        let mut found: Vec<(u64, ChatKey)> = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        loop {
            let step = limit.saturating_sub(found.len()).saturating_add(ARRIVED_STEP);
            let entries = self.core.raw_range(Bound::Included(&from), prefix, step)?;
            let ended = entries.len() < step;
            for (key, record) in entries {
                self.core.bytes(&key, &record)?;
                let mut parts = Parts::after(prefix, &key);
                let (Some(arrival), Some(chat)) = (parts.number(), parts.chat()) else { return Err(self.core.flawed(&key, Flaw::Shape)) };
                // All of one arrival come together.
                if found.len() >= limit && found.last().is_some_and(|(last, _)| *last != arrival) {
                    return Ok(found);
                }
                found.push((arrival, chat));
                from = key.to_vec();
                from.push(0);
            }
            if ended {
                return Ok(found);
            }
        }
    }
}

/// Refuses what does not join: a mistake of the caller's, which would open a gap that nobody sees.
fn check_joins(arrival: &Arrival) -> Result<()> {
    let mut next = arrival.expected_events;
    let joined = arrival.segments.iter().all(|segment| {
        let joins = segment.first == next && segment.events > 0;
        next = next.saturating_add(u64::from(segment.events));
        joins
    });
    if joined && next == arrival.chat.events {
        Ok(())
    } else {
        let cause = format!("the segments of chat {:?} do not join what it has: nothing was stored", arrival.chat.key.id);
        Err(StoreError::Failed { doing: "adding events to the index".into(), cause })
    }
}

/// Puts a chat under its newest arrival in a list of chats.
pub(super) fn relist(changes: &mut Changes, list: &Key, chat: &ChatKey, before: u64, now: u64) {
    if now == before {
        return;
    }
    if before > 0 {
        changes.delete(list.clone().number(before).chat(chat).bytes());
    }
    changes.put_bytes(&list.clone().number(now).chat(chat), &[]);
}

fn commit(changes: &mut Changes, tenant: &TenantId, arrivals: &[Arrival]) -> Result<u64> {
    let newest = newest_arrival(changes, tenant)?;
    if arrivals.is_empty() {
        return Ok(newest);
    }
    let number = newest.saturating_add(1);
    let mut identities: BTreeMap<&ChatKey, Vec<EventIdentity>> = BTreeMap::new();
    let mut copies: BTreeMap<(&ChatKey, &str), Vec<EventHash>> = BTreeMap::new();
    for arrival in arrivals {
        let chat = &arrival.chat.key;
        let key = Key::of(Class::Chat, tenant).chat(chat);
        let before: Option<ChatRow> = changes.get(&key)?;
        if before.as_ref().map_or(0, |row| row.chat.events) != arrival.expected_events {
            return Err(StoreError::Conflict { what: format!("the chat {:?} of source {}", chat.id, chat.source) });
        }
        check_joins(arrival)?;
        let mut learned = false;
        for member in &arrival.members {
            let member_key = Key::of(Class::Member, tenant).chat(chat).text(&member.user);
            let known: Option<Member> = changes.get(&member_key)?;
            let is_new = known.is_none();
            let mut merged = known.unwrap_or_else(|| Member::new(&member.user));
            if merged.merge(member) || is_new {
                changes.put(&member_key, &merged)?;
                learned = true;
            }
        }
        let before = before.map_or((0, 0), |row| (row.arrival, row.learned));
        let row = ChatRow {
            chat: arrival.chat.clone(),
            arrival: if arrival.segments.is_empty() { before.0 } else { number },
            learned: if learned { number } else { before.1 },
        };
        relist(changes, &Key::of(Class::Arrived, tenant), chat, before.0, row.arrival);
        relist(changes, &Key::of(Class::Learned, tenant), chat, before.1, row.learned);
        changes.put(&key, &row)?;
        for segment in &arrival.segments {
            let segment_key = Key::of(Class::Segment, tenant).chat(chat).number(segment.first);
            changes.put(&segment_key, &SegmentRecord { arrival: number, ..segment.clone() })?;
        }
        if !arrival.identities.is_empty() {
            identities.entry(chat).or_default().extend_from_slice(&arrival.identities);
        }
        // In this order: what comes twice in one arrival comes first without its bytes.
        arrival.wanted.iter().try_for_each(|file| wanted::add(changes, tenant, file))?;
        arrival.found.iter().try_for_each(|file| wanted::remove(changes, tenant, &WantedKey { chat: chat.clone(), file: *file }))?;
        for one in &arrival.copies {
            copies.entry((chat, one.user.as_str())).or_default().extend_from_slice(&one.events);
        }
    }
    for (chat, new) in identities {
        identities::add(changes, tenant, chat, number, &new)?;
    }
    for ((chat, user), events) in copies {
        identities::add_copies(changes, tenant, chat, number, &Copies { user: user.to_owned(), events })?;
    }
    changes.put(&newest_arrival_key(tenant), &number)?;
    Ok(number)
}
