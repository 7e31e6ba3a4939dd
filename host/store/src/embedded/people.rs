//! Users as their platforms know them, and as the tenant does.
//!
//! Whoever is recorded from now on, or for other times than before, may be owed copies of what went out: so that is written down with an arrival of its
//! own, for each chat that such a user is in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use consign_model::audit::{Author, Deed};
use consign_model::identity::{Identity, IdentityMap};
use consign_model::{ChatKey, Name, TenantId, Timestamp, User};

use super::Embedded;
use super::index::{ChatRow, newest_arrival, newest_arrival_key, relist};
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use super::writer::Changes;
use crate::{Result, StoreError};

/// How many members one look reads.
const MEMBERS_STEP: usize = 4_096;

fn user_key(tenant: &TenantId, source: &Name, id: &str) -> Key {
    Key::of(Class::User, tenant).name(source).text(id)
}

fn identity_key(tenant: &TenantId, source: &Name, id: &str) -> Key {
    Key::of(Class::Identity, tenant).name(source).text(id)
}

impl Embedded {
    pub(super) async fn change_users(&self, tenant: &TenantId, source: &Name, users: &[User], now: Timestamp) -> Result<u64> {
        let users: Vec<(Key, User)> = users.iter().map(|user| (user_key(tenant, source, &user.id), user.clone())).collect();
        let (tenant, source) = (tenant.clone(), source.clone());
        self.writer
            .write(move |changes| {
                let mut changed: u64 = 0;
                let mut recorded_now = BTreeSet::new();
                for (key, user) in &users {
                    let known: Option<User> = changes.get(key)?;
                    let user = known.as_ref().map_or_else(|| user.clone(), |known| user.after(known, now));
                    if known.as_ref() != Some(&user) {
                        changes.put(key, &user)?;
                        changed = changed.saturating_add(1);
                    }
                    if user.recorded && known.is_some_and(|known| !known.recorded) {
                        recorded_now.insert(user.id.clone());
                    }
                }
                if !recorded_now.is_empty() {
                    learn(changes, &tenant, &BTreeMap::from([(source, recorded_now)]))?;
                }
                Ok(changed)
            })
            .await
    }

    pub(super) fn get_users(&self, tenant: &TenantId, source: &Name, ids: &[String]) -> Result<Vec<Option<User>>> {
        ids.iter().map(|id| self.core.get(&user_key(tenant, source, id))).collect()
    }

    pub(super) fn page_of_users(&self, tenant: &TenantId, source: &Name, after: Option<&str>, limit: usize) -> Result<Vec<User>> {
        let prefix = Key::of(Class::User, tenant).name(source);
        let after = after.map(|id| user_key(tenant, source, id));
        let from = after.as_ref().map_or(Bound::Included(prefix.bytes()), |key| Bound::Excluded(key.bytes()));
        let found = self.core.raw_range(from, &prefix, limit)?;
        found.iter().map(|(key, record)| self.core.value(key, record)).collect()
    }

    pub(super) async fn replace_identities(&self, tenant: &TenantId, map: &IdentityMap, identities: &[Identity], by: &Author) -> Result<()> {
        let (of, map) = (tenant.clone(), map.clone());
        let new: BTreeMap<(Name, String), Identity> = identities.iter().map(|one| ((one.source.clone(), one.id.clone()), one.clone())).collect();
        self.write_audited(tenant, by, move |changes| {
            let key = Key::of(Class::IdentityMap, &of);
            let newest: Option<IdentityMap> = changes.get(&key)?;
            if newest.map_or(0, |map| map.version).checked_add(1) != Some(map.version) {
                return Err(StoreError::Conflict { what: "the identity map".into() });
            }
            let before: Vec<Identity> = changes.core()?.all(&Key::of(Class::Identity, &of))?;
            let mut before: BTreeMap<(Name, String), Identity> = before.into_iter().map(|one| ((one.source.clone(), one.id.clone()), one)).collect();
            let mut recorded: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
            for (place, one) in &new {
                let known = before.remove(place);
                if known.as_ref() != Some(one) {
                    changes.put(&identity_key(&of, &one.source, &one.id), one)?;
                }
                if known.and_then(|known| known.recorded) != one.recorded {
                    recorded.entry(one.source.clone()).or_default().insert(one.id.clone());
                }
            }
            for ((source, id), one) in before {
                changes.delete(identity_key(&of, &source, &id).bytes());
                if one.recorded.is_some() {
                    recorded.entry(source).or_default().insert(id);
                }
            }
            learn(changes, &of, &recorded)?;
            changes.put(&key, &map)?;
            Ok(((), Some(Deed::IdentitiesApplied { version: map.version, users: map.users, digest: map.digest })))
        })
        .await
    }

    pub(super) fn get_identity_map(&self, tenant: &TenantId) -> Result<Option<IdentityMap>> {
        self.core.get(&Key::of(Class::IdentityMap, tenant))
    }

    pub(super) fn get_identities(&self, tenant: &TenantId, source: &Name, ids: &[String]) -> Result<Vec<Option<Identity>>> {
        ids.iter().map(|id| self.core.get(&identity_key(tenant, source, id))).collect()
    }

    pub(super) fn list_identities(&self, tenant: &TenantId) -> Result<Vec<Identity>> {
        self.core.all(&Key::of(Class::Identity, tenant))
    }
}

/// That users are recorded now is something newly known of all their chats: an arrival that brings nothing else. Which chats these are no index says; it is
/// rare, and all members are looked through.
fn learn(changes: &mut Changes, tenant: &TenantId, users: &BTreeMap<Name, BTreeSet<String>>) -> Result<()> {
    let mut chats: BTreeSet<ChatKey> = BTreeSet::new();
    for (source, users) in users {
        chats_of(changes, tenant, source, users, &mut chats)?;
    }
    if chats.is_empty() {
        return Ok(());
    }
    let number = newest_arrival(changes, tenant)?.saturating_add(1);
    for chat in &chats {
        let key = Key::of(Class::Chat, tenant).chat(chat);
        let Some(row) = changes.get::<ChatRow>(&key)? else { continue };
        relist(changes, &Key::of(Class::Learned, tenant), chat, row.learned, number);
        changes.put(&key, &ChatRow { learned: number, ..row })?;
    }
    changes.put(&newest_arrival_key(tenant), &number)
}

/// The chats that some users of a source are in.
fn chats_of(changes: &mut Changes, tenant: &TenantId, source: &Name, users: &BTreeSet<String>, chats: &mut BTreeSet<ChatKey>) -> Result<()> {
    let members = Key::of(Class::Member, tenant).name(source);
    let mut from = Bound::Included(members.bytes().to_vec());
    loop {
        let entries = changes.core()?.raw_range(from.as_ref().map(Vec::as_slice), &members, MEMBERS_STEP)?;
        for (key, _) in &entries {
            let mut parts = Parts::after(&members, key);
            let (Some(id), Some(user)) = (parts.text(), parts.text()) else { return Err(changes.flawed(key, Flaw::Shape)) };
            if users.contains(&user) {
                chats.insert(ChatKey { source: source.clone(), id });
            }
        }
        match entries.last() {
            Some((key, _)) if entries.len() == MEMBERS_STEP => from = Bound::Excluded(key.to_vec()),
            _ => return Ok(()),
        }
    }
}
