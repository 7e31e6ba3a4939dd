//! Windows.
//!
//! A chat's last window says where the next one begins, so there is no second record of it that could disagree. Two lists beside the windows, by run and
//! by being unsettled, are written in the same batch as the window itself.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use consign_model::window::Facts;
use consign_model::{ChatKey, Name, TenantId, Window, WindowKey, WindowState};

use super::Embedded;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use super::writer::Changes;
use crate::{NextWindow, Result, StoreError, WindowFilter};

/// How many entries of a list one look reads at most.
const STEP: usize = 1_000;

fn window_key(tenant: &TenantId, window: &WindowKey) -> Key {
    // Apart from the windows that follow each other, so that a chat's last one is what the next begins after.
    Key::of(if window.is_supplement() { Class::Supplement } else { Class::Window }, tenant).window(window)
}

/// Without the policy, since a run has windows of its own policy alone.
fn of_run_key(tenant: &TenantId, window: &Window) -> Key {
    Key::of(Class::WindowOfRun, tenant).text(window.run.as_str()).window_of_chat(&window.key)
}

fn unsettled_key(tenant: &TenantId, window: &WindowKey) -> Key {
    Key::of(Class::Unsettled, tenant).window(window)
}

fn windows_of_chat(tenant: &TenantId, policy: &Name, chat: &ChatKey) -> Key {
    Key::of(Class::Window, tenant).name(policy).chat(chat)
}

fn put_window(changes: &mut Changes<'_>, tenant: &TenantId, window: &Window) -> Result<()> {
    changes.put(&window_key(tenant, &window.key), window)?;
    changes.put(&of_run_key(tenant, window), &window.key.policy)?;
    if !matches!(window.state, WindowState::Done { .. }) {
        changes.put_bytes(&unsettled_key(tenant, &window.key), &[]);
    }
    Ok(())
}

/// A supplement follows the one before it, or its window; and that is done: until then nobody can say what is owed beside it.
fn freeze_supplement(changes: &mut Changes<'_>, tenant: &TenantId, window: &Window) -> Result<bool> {
    let before = WindowKey { supplement: window.key.supplement.saturating_sub(1), ..window.key.clone() };
    let before: Option<Window> = changes.get(&window_key(tenant, &before))?;
    let follows = before.is_some_and(|before| before.to == window.to && matches!(before.state, WindowState::Done { .. }));
    let fits = follows && !changes.has(&window_key(tenant, &window.key))?;
    if fits {
        put_window(changes, tenant, window)?;
    }
    Ok(fits)
}

impl Embedded {
    pub(super) fn get_next_window(&self, tenant: &TenantId, policy: &Name, chat: &ChatKey) -> Result<Option<NextWindow>> {
        let last: Option<Window> = self.core.last(&windows_of_chat(tenant, policy, chat))?;
        Ok(last.map(|window| NextWindow { from: window.to, starts_at: window.ends_at }))
    }

    pub(super) async fn freeze_windows(&self, tenant: &TenantId, windows: &[Window], facts: &[Arc<Facts>]) -> Result<Vec<bool>> {
        let new = facts.iter().map(|one| self.new_facts(tenant, one)).collect::<Result<Vec<_>>>()?;
        let (tenant, windows) = (tenant.clone(), windows.to_vec());
        self.writer
            .write(move |changes| {
                new.into_iter().flatten().try_for_each(|facts| facts.keep(changes, &tenant))?;
                // Where the next window begins, of the chats of this very call.
                let mut next: HashMap<(&Name, &ChatKey), Option<u64>> = HashMap::new();
                let mut frozen = Vec::with_capacity(windows.len());
                for window in &windows {
                    if window.key.is_supplement() {
                        frozen.push(freeze_supplement(changes, &tenant, window)?);
                        continue;
                    }
                    let WindowKey { policy, chat, from, .. } = &window.key;
                    let expected = match next.get(&(policy, chat)) {
                        Some(expected) => *expected,
                        None => changes.core()?.last::<Window>(&windows_of_chat(&tenant, policy, chat))?.map(|last| last.to),
                    };
                    // The first window of a chat begins where its policy says (`since`).
                    let fits = expected.is_none_or(|expected| expected == *from) && window.to > *from;
                    if fits {
                        put_window(changes, &tenant, window)?;
                    }
                    next.insert((policy, chat), if fits { Some(window.to) } else { expected });
                    frozen.push(fits);
                }
                Ok(frozen)
            })
            .await
    }

    pub(super) async fn settle_window(&self, tenant: &TenantId, window: &WindowKey, state: &WindowState) -> Result<()> {
        let (key, unsettled) = (window_key(tenant, window), unsettled_key(tenant, window));
        let (chat, from, state) = (window.chat.id.clone(), window.from, state.clone());
        self.writer
            .write(move |changes| {
                let unknown = || StoreError::Failed {
                    doing: format!("settling a window of chat {chat:?}"),
                    cause: format!("no window begins at position {from}"),
                };
                let mut window: Window = changes.get(&key)?.ok_or_else(unknown)?;
                match state {
                    WindowState::Done { .. } => changes.delete(unsettled.bytes()),
                    WindowState::Open | WindowState::Held { .. } => changes.put_bytes(&unsettled, &[]),
                }
                window.state = state;
                changes.put(&key, &window)
            })
            .await
    }

    pub(super) async fn refreeze_window(&self, tenant: &TenantId, window: &Window) -> Result<()> {
        let (tenant, window) = (tenant.clone(), window.clone());
        self.writer
            .write(move |changes| {
                let key = window_key(&tenant, &window.key);
                let conflict = || StoreError::Conflict { what: format!("the window {} (it is not held)", window.key.id()) };
                let old: Window = changes.get(&key)?.ok_or_else(conflict)?;
                if old.state.held().is_none() {
                    return Err(conflict());
                }
                super::ledger::forget(changes, &tenant, &window.key)?;
                let Window { policy_version, target_version, facts, composer, tables, .. } = window.clone();
                changes.put(&key, &Window { policy_version, target_version, facts, composer, tables, ..old })
            })
            .await
    }

    pub(super) fn get_window(&self, tenant: &TenantId, window: &WindowKey) -> Result<Option<Window>> {
        self.core.get(&window_key(tenant, window))
    }

    pub(super) fn list_windows(&self, tenant: &TenantId, filter: &WindowFilter, after: Option<&WindowKey>, limit: usize) -> Result<Vec<Window>> {
        let list = match filter {
            WindowFilter::OfRun(run) => Key::of(Class::WindowOfRun, tenant).text(run.as_str()),
            WindowFilter::Unsettled(policy) => Key::of(Class::Unsettled, tenant).name(policy),
            WindowFilter::OfChat(policy, chat) => windows_of_chat(tenant, policy, chat),
            WindowFilter::Supplements(policy, chat) => Key::of(Class::Supplement, tenant).name(policy).chat(chat),
        };
        let mut from = match (after, filter) {
            (None, _) => Bound::Included(list.bytes().to_vec()),
            (Some(after), WindowFilter::OfChat(..)) => Bound::Excluded(list.clone().number(after.from).bytes().to_vec()),
            (Some(after), WindowFilter::Supplements(..)) => Bound::Excluded(list.clone().number(after.from).small(after.supplement).bytes().to_vec()),
            (Some(after), _) => Bound::Excluded(list.clone().window_of_chat(after).bytes().to_vec()),
        };
        let mut found = Vec::new();
        while found.len() < limit {
            let step = limit.saturating_sub(found.len()).min(STEP);
            let entries = self.core.raw_range(from.as_ref().map(Vec::as_slice), &list, step)?;
            for (key, record) in &entries {
                match filter {
                    WindowFilter::OfChat(..) | WindowFilter::Supplements(..) => found.push(self.core.value(key, record)?),
                    WindowFilter::OfRun(_) => {
                        let policy: Name = self.core.value(key, record)?;
                        found.push(self.listed(tenant, &policy, &list, key)?);
                    }
                    WindowFilter::Unsettled(policy) => {
                        self.core.bytes(key, record)?;
                        // It may have been settled since the list was read.
                        let window = self.listed(tenant, policy, &list, key)?;
                        if !matches!(window.state, WindowState::Done { .. }) {
                            found.push(window);
                        }
                    }
                }
            }
            match entries.last() {
                Some((key, _)) if entries.len() == step => from = Bound::Excluded(key.to_vec()),
                _ => break,
            }
        }
        Ok(found)
    }

    /// The window that a list's entry stands for.
    fn listed(&self, tenant: &TenantId, policy: &Name, list: &Key, entry: &[u8]) -> Result<Window> {
        let window = Parts::after(list, entry).window_of_chat(policy).ok_or_else(|| self.core.flawed(entry, Flaw::Shape))?;
        self.get_window(tenant, &window)?.ok_or_else(|| self.core.flawed(entry, Flaw::Missing))
    }
}
