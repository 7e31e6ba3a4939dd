//! Files that events name and that are not there: each once by its chat, and once by when it is due.
//!
//! A pass asks for what is due now, and mostly that is nothing: so it reads the second list from its beginning on, and 200,000 files that are gone for good,
//! which stand in the first list alone, cost it nothing. Of files that became due together those of one event lie together, and those of one segment.

use std::ops::Bound;

use consign_model::{ChatKey, EventHash, Name, TenantId, Timestamp, WantedFile, WantedKey, WantedState};
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use super::writer::Changes;
use crate::{Result, WantedFilter};

/// How many records one look reads at least, where a filter leaves some out.
const STEP: usize = 256;

/// A wanted file's record; the rest of it is its key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Row {
    position: u64,
    place: u32,
    #[serde(flatten)]
    state: WantedState,
}

fn key_of(tenant: &TenantId, key: &WantedKey) -> Key {
    Key::of(Class::Wanted, tenant).chat(&key.chat).fixed(&key.file.0)
}

/// Times before 1970 are due like 1970.
fn due_number(due: Timestamp) -> u64 {
    u64::try_from(due.0).unwrap_or(0)
}

fn due_key(tenant: &TenantId, key: &WantedKey, row: &Row) -> Option<Key> {
    let due = due_number(row.state.due()?);
    let list = Key::of(Class::WantedDue, tenant).name(&key.chat.source).number(due).text(&key.chat.id);
    Some(list.number(row.position).small(row.place).fixed(&key.file.0))
}

fn write(changes: &mut Changes, tenant: &TenantId, key: &WantedKey, before: Option<&Row>, after: Option<&Row>) -> Result<()> {
    let of = key_of(tenant, key);
    if let Some(due) = before.and_then(|row| due_key(tenant, key, row)) {
        changes.delete(due.bytes());
    }
    let Some(row) = after else {
        changes.delete(of.bytes());
        return Ok(());
    };
    if let Some(due) = due_key(tenant, key, row) {
        changes.put_bytes(&due, &[]);
    }
    changes.put(&of, row)
}

/// Adds a file. One that is wanted already stays as it is.
pub(super) fn add(changes: &mut Changes, tenant: &TenantId, file: &WantedFile) -> Result<()> {
    if changes.has(&key_of(tenant, &file.key))? {
        return Ok(());
    }
    let row = Row { position: file.position, place: file.place, state: file.state };
    write(changes, tenant, &file.key, None, Some(&row))
}

/// Takes a file off the lists, where it is.
pub(super) fn remove(changes: &mut Changes, tenant: &TenantId, key: &WantedKey) -> Result<()> {
    match changes.get::<Row>(&key_of(tenant, key))? {
        None => Ok(()),
        Some(before) => write(changes, tenant, key, Some(&before), None),
    }
}

impl Embedded {
    pub(super) fn list_wanted(&self, tenant: &TenantId, filter: &WantedFilter, after: Option<&WantedKey>, limit: usize) -> Result<Vec<WantedFile>> {
        let all = Key::of(Class::Wanted, tenant);
        let of_source = all.clone().name(&filter.source);
        let after = after.map(|key| key_of(tenant, key));
        // What is of a source before this one begins before it.
        let after = after.filter(|key| key.bytes() > of_source.bytes());
        let mut from = after.map_or_else(|| Bound::Included(of_source.bytes().to_vec()), |key| Bound::Excluded(key.bytes().to_vec()));
        let mut found = Vec::new();
        while found.len() < limit {
            let step = limit.saturating_sub(found.len()).max(STEP);
            let records = self.core.raw_range(from.as_ref().map(Vec::as_slice), &of_source, step)?;
            let ended = records.len() < step;
            if let Some((last, _)) = records.last() {
                from = Bound::Excluded(last.to_vec());
            }
            for (key, record) in records {
                let Row { position, place, state } = self.core.value(&key, &record)?;
                if filter.kind.is_some_and(|kind| kind != state.kind()) {
                    continue;
                }
                let mut parts = Parts::after(&all, &key);
                let (Some(chat), Some(file)) = (parts.chat(), parts.fixed()) else { return Err(self.core.flawed(&key, Flaw::Shape)) };
                if found.len() < limit {
                    found.push(WantedFile { key: WantedKey { chat, file: EventHash(file) }, position, place, state });
                }
            }
            if ended {
                break;
            }
        }
        Ok(found)
    }

    pub(super) fn list_wanted_due(
        &self,
        tenant: &TenantId,
        source: &Name,
        until: Timestamp,
        after: Option<&WantedFile>,
        limit: usize,
    ) -> Result<Vec<WantedFile>> {
        let list = Key::of(Class::WantedDue, tenant).name(source);
        let after = after.and_then(|file| due_key(tenant, &file.key, &Row { position: file.position, place: file.place, state: file.state }));
        let after = after.filter(|key| key.bytes() > list.bytes());
        let from = after.as_ref().map_or(Bound::Included(list.bytes()), |key| Bound::Excluded(key.bytes()));
        let mut found = Vec::new();
        for (due, record) in self.core.raw_range(from, &list, limit)? {
            self.core.bytes(&due, &record)?;
            let flawed = |flaw| self.core.flawed(&due, flaw);
            let mut parts = Parts::after(&list, &due);
            let mut read = || Some((parts.number()?, parts.text()?, parts.number()?, parts.fixed::<4>()?, parts.fixed()?));
            let (at, id, _, _, file) = read().ok_or_else(|| flawed(Flaw::Shape))?;
            if at > due_number(until) {
                break;
            }
            let key = WantedKey { chat: ChatKey { source: source.clone(), id }, file: EventHash(file) };
            // Read one after the other while somebody writes: it may have gone since.
            if let Some(Row { position, place, state }) = self.core.get(&key_of(tenant, &key))? {
                found.push(WantedFile { key, position, place, state });
            }
        }
        Ok(found)
    }

    pub(super) async fn change_wanted(&self, tenant: &TenantId, states: &[(WantedKey, Option<WantedState>)]) -> Result<()> {
        let (tenant, states) = (tenant.clone(), states.to_vec());
        self.writer
            .write(move |changes| {
                for (key, state) in &states {
                    let Some(before) = changes.get::<Row>(&key_of(&tenant, key))? else { continue };
                    let after = state.map(|state| Row { state, ..before });
                    write(changes, &tenant, key, Some(&before), after.as_ref())?;
                }
                Ok(())
            })
            .await
    }
}
