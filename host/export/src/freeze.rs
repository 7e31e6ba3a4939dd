//! Freezing: writing down, before any work on it, what a window is and all that will be read for it.

use std::sync::Arc;

use consign_mail::compose::COMPOSER;
use consign_model::policy::PolicyVersion;
use consign_model::window::{Facts, Participant};
use consign_model::{Chat, ChatKey, Run, TenantId, User, Window, WindowKey, WindowState};
use consign_store::{NextWindow, SegmentRecord, Store, StoreError};

/// A window that could be frozen, with what is read for it.
pub(crate) struct Prepared {
    /// Its `facts` digest is that of `facts`.
    pub window: Window,
    /// What the work on it begins with.
    pub at_hand: AtHand,
}

/// What a new window's work reads of the store: at hand where it was just frozen, so that it is not read again.
#[derive(Clone)]
pub(crate) struct AtHand {
    /// Chat and people, as they were frozen.
    pub facts: Arc<Facts>,
    /// The window's, by position.
    pub segments: Vec<SegmentRecord>,
}

/// The next window of a chat for this run; none where nothing of it has arrived since the last one.
pub(crate) async fn prepare(
    store: &dyn Store,
    tenant: &TenantId,
    policy: &PolicyVersion,
    run: &Run,
    chat: &ChatKey,
) -> Result<Option<Prepared>, StoreError> {
    let next = store.next_window(tenant, &policy.spec.name, chat).await?;
    prepare_from(store, tenant, policy, run, chat, next).await
}

/// As [`prepare`], for a chat whose next window begins there. A preview has windows before it that are in no store.
pub(crate) async fn prepare_from(
    store: &dyn Store,
    tenant: &TenantId,
    policy: &PolicyVersion,
    run: &Run,
    chat: &ChatKey,
    next: Option<NextWindow>,
) -> Result<Option<Prepared>, StoreError> {
    let mut segments = store.segments(tenant, chat, next.as_ref().map_or(0, |next| next.from)).await?;
    let from = next.as_ref().map_or_else(|| end_by(&segments, policy.starts_after), |next| next.from);
    let to = end_by(&segments, run.until);
    if to <= from {
        return Ok(None);
    }
    let Some(record) = store.chat(tenant, chat).await? else { return Ok(None) };
    let facts = Arc::new(facts(store, tenant, record).await?);
    let window = Window {
        key: WindowKey::new(policy.spec.name.clone(), chat.clone(), from),
        to,
        run: run.id.clone(),
        policy_version: run.policy_version,
        target_version: run.target_version,
        facts: facts.digest(),
        composer: COMPOSER,
        tables: consign_sandbox::tables(),
        starts_at: next.map(|next| next.starts_at),
        ends_at: run.started_at,
        owed_to: Vec::new(),
        state: WindowState::Open,
    };
    segments.retain(|segment| segment.first >= from && segment.end() <= to);
    Ok(Some(Prepared { window, at_hand: AtHand { facts, segments } }))
}

/// A held window with what it would freeze now. Its events, its run and its times stay.
pub(crate) async fn anew(
    store: &dyn Store,
    tenant: &TenantId,
    policy: &PolicyVersion,
    run: &Run,
    window: Window,
) -> Result<Option<Window>, StoreError> {
    let Some(record) = store.chat(tenant, &window.key.chat).await? else { return Ok(None) };
    let facts = facts(store, tenant, record).await?;
    store.save_facts(tenant, &facts).await?;
    Ok(Some(Window {
        policy_version: policy.version,
        target_version: run.target_version,
        facts: facts.digest(),
        composer: COMPOSER,
        tables: consign_sandbox::tables(),
        ..window
    }))
}

/// The position after the last event that had come with this arrival; 0 where none had.
pub(crate) fn end_by(segments: &[SegmentRecord], arrival: u64) -> u64 {
    segments.iter().filter(|one| one.arrival <= arrival).map(SegmentRecord::end).max().unwrap_or(0)
}

/// What composing reads of a chat beside its events.
pub(crate) async fn facts(store: &dyn Store, tenant: &TenantId, chat: Chat) -> Result<Facts, StoreError> {
    let members = store.members(tenant, &chat.key).await?;
    let ids: Vec<String> = members.iter().map(|member| member.user.clone()).collect();
    let users = store.users(tenant, &chat.key.source, &ids).await?;
    let identities = store.identities(tenant, &chat.key.source, &ids).await?;
    let lists_members = members.iter().any(|member| member.listed);
    let mut participants: Vec<Participant> = members
        .iter()
        .zip(users)
        .zip(identities)
        .map(|((member, user), identity)| {
            let mut user = user.unwrap_or_else(|| User::unknown(&member.user));
            if let Some(identity) = &identity {
                identity.apply(&mut user);
            }
            let memberships = member.memberships(lists_members);
            let derived = !memberships.is_empty() && member.is_derived();
            Participant { user, memberships, derived, recorded_at: identity.and_then(|identity| identity.recorded_at()) }
        })
        .collect();
    participants.sort_by(|a, b| a.user.id.cmp(&b.user.id));
    let chat = Chat { events: 0, first_at: None, last_at: None, ..chat };
    Ok(Facts { chat, participants })
}
