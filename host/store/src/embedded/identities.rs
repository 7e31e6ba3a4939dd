//! Which events the archive has: 24 bytes for each, no event.
//!
//! A key for each event would cost sled some hundred bytes and a microsecond or ten; so the identities of a chat lie in runs, sorted, many to one record.
//! A chat that gets its events one by one would then have a record for each again; so a new run takes in the runs before it as long as they are not
//! twice its size: the sizes fall by half, a chat has few runs, and an identity is written again some ten times in all until its run is full.
//! In memory the runs of a chat are one table, kept for the chats that were asked for last.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use consign_model::{ChatKey, EventHash, EventIdentity, TenantId};

use super::core::Core;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use super::writer::Changes;
use crate::{Copies, Result};

/// An identity's bytes: hash and content.
const WIDTH: usize = 24;
/// Identities of a full run: 6 KiB. sled keeps up to sixteen records in one page, and copies all of it at each change; over 128 KiB a page becomes a file
/// of its own (`disk`). Smaller runs make more records.
const FULL: usize = 256;
/// Runs from which on a chat is read beside the other tasks: about a millisecond's work.
const LONG: usize = 96;
/// Memory for the tables of chats, all together. A chat whose own table is larger still gets its table, for as long as no other is asked for.
const CACHE_BYTES: usize = 48 << 20;

/// An event's hash is the beginning of a SHA-256: it needs no hashing again.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // A length comes first; what is written last, the hash itself, stays.
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }
}

/// A chat's identities.
type Table = HashMap<EventHash, [u8; 8], BuildHasherDefault<AsItIs>>;

/// What a table costs, roughly: its slots with their control byte, and its place in the cache.
fn cost(table: &Table) -> usize {
    table.capacity().saturating_mul(28).saturating_add(256)
}

fn prefix(tenant: &TenantId, chat: &ChatKey) -> Key {
    Key::of(Class::Identities, tenant).chat(chat)
}

/// A run of identities as bytes: sorted by hash; of those of one event the last given stays.
fn run(identities: &BTreeMap<EventHash, [u8; 8]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(identities.len().saturating_mul(WIDTH));
    for (hash, content) in identities {
        bytes.extend_from_slice(&hash.0);
        bytes.extend_from_slice(content);
    }
    bytes
}

/// The identities in a run's bytes.
fn read<'a>(core: &Core, key: &[u8], bytes: &'a [u8]) -> Result<impl Iterator<Item = (EventHash, [u8; 8])> + 'a> {
    let (entries, []) = bytes.as_chunks::<WIDTH>() else { return Err(core.flawed(key, Flaw::Shape)) };
    Ok(entries.iter().map(|entry| {
        let (mut hash, mut content) = ([0; 16], [0; 8]);
        hash.copy_from_slice(entry.get(..16).unwrap_or(&[0; 16]));
        content.copy_from_slice(entry.get(16..).unwrap_or(&[0; 8]));
        (EventHash(hash), content)
    }))
}

/// Adds what an arrival brought to a chat's runs. At most once for a chat in one write.
pub(super) fn add(changes: &mut Changes, tenant: &TenantId, chat: &ChatKey, arrival: u64, new: &[EventIdentity]) -> Result<()> {
    add_run(changes, &prefix(tenant, chat), arrival, new.iter().map(|one| (one.hash, one.content)).collect())
}

/// Where the runs of a user's copies are. They are kept as identities are, for the same reasons, with nothing for the content.
fn copies_prefix(tenant: &TenantId, chat: &ChatKey, user: &str) -> Key {
    Key::of(Class::Copies, tenant).chat(chat).text(user)
}

/// Adds which events a user's own export holds. At most once for a chat and user in one write.
pub(super) fn add_copies(changes: &mut Changes, tenant: &TenantId, chat: &ChatKey, arrival: u64, copies: &Copies) -> Result<()> {
    let prefix = copies_prefix(tenant, chat, &copies.user);
    add_run(changes, &prefix, arrival, copies.events.iter().map(|hash| (*hash, [0; 8])).collect())
}

/// In whose own exports which events were seen.
pub(super) fn copies(core: &Core, tenant: &TenantId, chat: &ChatKey, user: Option<&str>) -> Result<Vec<Copies>> {
    let all = Key::of(Class::Copies, tenant).chat(chat);
    let prefix = user.map_or_else(|| all.clone(), |user| copies_prefix(tenant, chat, user));
    let mut found: BTreeMap<String, BTreeSet<EventHash>> = BTreeMap::new();
    for (key, record) in core.raw_range(std::ops::Bound::Included(prefix.bytes()), &prefix, usize::MAX)? {
        let Some(user) = Parts::after(&all, &key).text() else { return Err(core.flawed(&key, Flaw::Shape)) };
        found.entry(user).or_default().extend(read(core, &key, core.bytes(&key, &record)?)?.map(|(hash, _)| hash));
    }
    Ok(found.into_iter().map(|(user, events)| Copies { user, events: events.into_iter().collect() }).collect())
}

fn add_run(changes: &mut Changes, prefix: &Key, arrival: u64, mut merged: BTreeMap<EventHash, [u8; 8]>) -> Result<()> {
    if merged.is_empty() {
        return Ok(());
    }
    let core = changes.core()?;
    // The newest run lies last.
    let mut end = prefix.end();
    while let Some((key, record)) = core.raw_before(prefix, &end)? {
        let bytes = core.bytes(&key, &record)?;
        let held = bytes.len() / WIDTH;
        if held >= merged.len().saturating_mul(2) || held.saturating_add(merged.len()) > FULL {
            break;
        }
        for (hash, content) in read(&core, &key, bytes)? {
            merged.entry(hash).or_insert(content);
        }
        changes.delete(&key);
        end = key.to_vec();
    }
    for (part, chunk) in run(&merged).chunks(FULL * WIDTH).enumerate() {
        let part = u32::try_from(part).unwrap_or(u32::MAX);
        changes.put_bytes(&prefix.clone().number(arrival).small(part), chunk);
    }
    Ok(())
}

/// Whether reading a chat's runs takes so long that no other task should have to wait for it.
pub(super) fn is_long(core: &Core, tenant: &TenantId, chat: &ChatKey) -> Result<bool> {
    let prefix = prefix(tenant, chat);
    Ok(core.raw_range(std::ops::Bound::Included(prefix.bytes()), &prefix, LONG)?.len() == LONG)
}

fn load(core: &Core, tenant: &TenantId, chat: &ChatKey) -> Result<Table> {
    let prefix = prefix(tenant, chat);
    let runs = core.raw_range(std::ops::Bound::Included(prefix.bytes()), &prefix, usize::MAX)?;
    let mut table = Table::default();
    table.reserve(runs.iter().map(|(_, record)| record.len() / WIDTH).sum());
    for (key, record) in &runs {
        // Runs come oldest first: a later content replaces an earlier one.
        table.extend(read(core, key, core.bytes(key, record)?)?);
    }
    Ok(table)
}

/// The tables of the chats that were asked for last.
#[derive(Default)]
pub(super) struct Cache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// Keys by when they were last used.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
}

enum Entry {
    /// Somebody reads the chat's runs just now, under this number. A write to the chat replaces this, so that what was read before it is not kept.
    Loading(u64),
    /// The table, when it was last used, and what it costs.
    Here { table: Table, used: u64, cost: usize },
    /// A write to the chat is being applied. Whoever asks meanwhile reads the runs: the table may be behind what other reads show already.
    Written(Option<Table>),
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }

    fn remove(&mut self, key: &Key) -> Option<Table> {
        match self.entries.remove(key)? {
            Entry::Loading(_) => None,
            Entry::Written(table) => table,
            Entry::Here { table, used, cost } => {
                self.order.remove(&used);
                self.bytes = self.bytes.saturating_sub(cost);
                Some(table)
            }
        }
    }

    fn insert(&mut self, key: &Key, table: Table) {
        self.remove(key);
        let (used, cost) = (self.tick(), cost(&table));
        self.bytes = self.bytes.saturating_add(cost);
        self.order.insert(used, key.clone());
        self.entries.insert(key.clone(), Entry::Here { table, used, cost });
        while self.bytes > CACHE_BYTES
            && let Some((_, oldest)) = self.order.first_key_value()
            && oldest != key
        {
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    /// Looks up in a table that is here, and counts that as a use.
    fn look_up(&mut self, key: &Key, hashes: &[EventHash]) -> Option<Vec<Option<[u8; 8]>>> {
        let now = self.tick();
        let Some(Entry::Here { table, used, .. }) = self.entries.get_mut(key) else { return None };
        self.order.remove(used);
        *used = now;
        self.order.insert(now, key.clone());
        Some(hashes.iter().map(|hash| table.get(hash).copied()).collect())
    }
}

impl Cache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For each hash the content that the event has, where the chat's table is here.
    pub(super) fn known_here(&self, tenant: &TenantId, chat: &ChatKey, hashes: &[EventHash]) -> Option<Vec<Option<[u8; 8]>>> {
        self.inner().look_up(&prefix(tenant, chat), hashes)
    }

    /// For each hash the content that the event has. Reads the chat's runs where its table is not here.
    pub(super) fn known(&self, core: &Core, tenant: &TenantId, chat: &ChatKey, hashes: &[EventHash]) -> Result<Vec<Option<[u8; 8]>>> {
        let key = prefix(tenant, chat);
        let ticket = {
            let mut inner = self.inner();
            if let Some(answer) = inner.look_up(&key, hashes) {
                return Ok(answer);
            }
            let ticket = inner.tick();
            if !matches!(inner.entries.get(&key), Some(Entry::Written(_))) {
                inner.entries.insert(key.clone(), Entry::Loading(ticket));
            }
            ticket
        };
        let loaded = load(core, tenant, chat);
        let mut inner = self.inner();
        let still = matches!(inner.entries.get(&key), Some(Entry::Loading(number)) if *number == ticket);
        let table = loaded.inspect_err(|_| {
            if still {
                inner.entries.remove(&key);
            }
        })?;
        let answer = hashes.iter().map(|hash| table.get(hash).copied()).collect();
        if still {
            inner.insert(&key, table);
        }
        Ok(answer)
    }

    /// Before a write to these chats becomes visible: from here on nobody is answered from their tables. A reader that sees a chat's new events must
    /// find them known, or it would store them again.
    pub(super) fn before<'a>(&self, tenant: &TenantId, chats: impl Iterator<Item = &'a ChatKey>) {
        let mut inner = self.inner();
        for chat in chats {
            let key = prefix(tenant, chat);
            let table = inner.remove(&key);
            inner.entries.insert(key, Entry::Written(table));
        }
    }

    /// After that write: the tables take in what it brought. Both are called on the writing thread, so in the order of the writes.
    pub(super) fn after<'a>(&self, tenant: &TenantId, new: impl Iterator<Item = (&'a ChatKey, &'a [EventIdentity])>) {
        let mut inner = self.inner();
        for (chat, new) in new {
            let key = prefix(tenant, chat);
            if let Some(mut table) = inner.remove(&key) {
                table.extend(new.iter().map(|one| (one.hash, one.content)));
                inner.insert(&key, table);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_within_its_bytes() {
        let cache = Cache::default();
        let mut inner = cache.inner();
        for chat in 0..4_000_u64 {
            let mut table = Table::default();
            table.extend((0..2_000_u128).map(|one| {
                (EventHash(((u128::from(chat) << 64) | one).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_le_bytes()), [0; 8])
            }));
            inner.insert(&Key::global(Class::Identities).number(chat), table);
            assert!(inner.bytes <= CACHE_BYTES);
        }
        assert!(inner.bytes > CACHE_BYTES / 2);
        assert_eq!(inner.order.len(), inner.entries.len());
        // The newest stay.
        assert!(inner.look_up(&Key::global(Class::Identities).number(3_999), &[]).is_some());
        assert!(inner.look_up(&Key::global(Class::Identities).number(0), &[]).is_none());
    }
}
