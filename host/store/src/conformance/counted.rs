//! A store that counts how often each of its methods is called: a comparison that leaves one out would say nothing of it.
//!
//! The list below has to be the trait's: one that is missing does not compile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use consign_model::access::{Session, Token};
use consign_model::audit::{Author, Cause, Deed, Head, ImportFigures};
use consign_model::identity::{Identity, IdentityMap};
use consign_model::keeping::Keeping;
use consign_model::module::ProbeReport;
use consign_model::policy::PolicyVersion;
use consign_model::proposal::{Decision, Proposal};
use consign_model::quarantine::Release;
use consign_model::request::{KeptAnswer, KeptRequest};
use consign_model::run::DayFigures;
use consign_model::source::Capture;
use consign_model::target::{KeptSecret, TargetVersion};
use consign_model::window::Facts;
use consign_model::{
    Chat, ChatKey, Delivery, Digest, EventHash, Member, ModuleKey, Name, Quarantine, Quotas, RemovedTenant, Run, RunId, RunSummary, TenantId,
    TenantKeys, Timestamp, User, WantedFile, WantedKey, WantedState, Window, WindowKey, WindowState,
};

use crate::{
    Arrival, AuditLine, Begun, Claim, Copies, Decided, Entered, ModuleRecord, NewRun, NextWindow, Progress, PullCursor, Replaced, Result, Seen,
    SegmentRecord, SourceRecord, Store, Versions, WantedFilter, WindowFilter,
};

/// How often each method was called, by name.
#[derive(Default)]
pub(crate) struct Calls(Mutex<BTreeMap<&'static str, u64>>);

impl Calls {
    fn count(&self, method: &'static str) {
        *self.0.lock().unwrap().entry(method).or_default() += 1;
    }

    /// Prints it. Fails where a method was never called.
    pub(crate) fn all_were_called(&self) {
        let calls = self.0.lock().unwrap();
        println!("calls: {calls:?}");
        let missing: Vec<_> = METHODS.iter().filter(|method| !calls.contains_key(**method)).collect();
        assert!(missing.is_empty(), "never called: {missing:?}");
    }
}

/// The store behind it, with its calls counted.
pub(crate) struct Counted<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) calls: &'a Calls,
}

macro_rules! counted {
    ($($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        const METHODS: &[&str] = &[$(stringify!($method)),*];

        #[async_trait]
        impl Store for Counted<'_> {
            $(async fn $method(&self, $($argument: $type),*) -> Result<$answer> {
                self.calls.count(stringify!($method));
                self.store.$method($($argument),*).await
            })*
        }
    };
}

counted! {
    create_tenant(tenant: &TenantId, keys: &TenantKeys, by: &Author) -> TenantKeys;
    tenant_keys(tenant: &TenantId) -> Option<TenantKeys>;
    rotate_tenant_keys(tenant: &TenantId, keys: &TenantKeys, by: &Author, entered: Entered) -> ();
    keeping(tenant: &TenantId) -> Keeping;
    put_keeping(tenant: &TenantId, keeping: &Keeping, by: &Author) -> ();
    quotas(tenant: &TenantId) -> Quotas;
    put_quotas(tenant: &TenantId, quotas: Quotas, by: &Author) -> ();
    replace_segments(tenant: &TenantId, replaced: &[Replaced], others: &[String], decided: &Decided, by: &Author) -> ();
    leftovers(tenant: &TenantId, limit: usize) -> Vec<String>;
    forget_leftover(tenant: &TenantId, path: &str) -> ();
    tenants(after: Option<&TenantId>, limit: usize) -> Vec<TenantId>;
    remove_tenant(removed: &RemovedTenant, keeping: u32, by: &Author) -> ();
    removed_tenants() -> Vec<RemovedTenant>;
    put_removed(removed: &RemovedTenant, by: &Author) -> ();
    add_token(tenant: &TenantId, token: &Token, by: &Author) -> ();
    tokens(tenant: &TenantId) -> Vec<Token>;
    token_of(hash: &Digest) -> Option<(TenantId, Token)>;
    revoke_token(tenant: &TenantId, id: &Name, at: Timestamp, by: &Author) -> Option<Token>;
    begin_session(tenant: &TenantId, session: &Session, by: &Author) -> ();
    session(tenant: &TenantId, hash: &Digest) -> Option<Session>;
    end_session(tenant: &TenantId, hash: &Digest, by: &Author) -> bool;
    two_people(tenant: &TenantId) -> bool;
    set_two_people(tenant: &TenantId, on: bool, by: &Author) -> ();
    propose(tenant: &TenantId, proposal: &Proposal, by: &Author) -> ();
    proposals(tenant: &TenantId) -> Vec<Proposal>;
    decide(tenant: &TenantId, id: &Name, decision: &Decision, by: &Author) -> ();
    keep_secret(tenant: &TenantId, secret: &KeptSecret, seen: Seen, by: &Author) -> ();
    secret(tenant: &TenantId, name: &Name) -> Option<KeptSecret>;
    secrets(tenant: &TenantId) -> Vec<KeptSecret>;
    remove_secret(tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> bool;
    begin_request(tenant: &TenantId, request: &KeptRequest, since: Timestamp, most: usize) -> Claim;
    end_request(tenant: &TenantId, key: &Digest, answer: Option<&KeptAnswer>) -> ();
    begin_import(tenant: &TenantId, source: &SourceRecord, input: &str, by: &Author) -> ();
    note(tenant: &TenantId, deed: &Deed, by: &Author) -> ();
    end_import(tenant: &TenantId, source: &Name, figures: &ImportFigures, by: &Author) -> ();
    sources(tenant: &TenantId) -> Vec<SourceRecord>;
    put_users(tenant: &TenantId, source: &Name, users: &[User], now: Timestamp) -> u64;
    users(tenant: &TenantId, source: &Name, ids: &[String]) -> Vec<Option<User>>;
    users_after(tenant: &TenantId, source: &Name, after: Option<&str>, limit: usize) -> Vec<User>;
    put_identities(tenant: &TenantId, map: &IdentityMap, identities: &[Identity], by: &Author) -> ();
    identity_map(tenant: &TenantId) -> Option<IdentityMap>;
    identities(tenant: &TenantId, source: &Name, ids: &[String]) -> Vec<Option<Identity>>;
    all_identities(tenant: &TenantId) -> Vec<Identity>;
    chat(tenant: &TenantId, chat: &ChatKey) -> Option<Chat>;
    members(tenant: &TenantId, chat: &ChatKey) -> Vec<Member>;
    known_events(tenant: &TenantId, chat: &ChatKey, hashes: &[EventHash]) -> Vec<Option<[u8; 8]>>;
    copies(tenant: &TenantId, chat: &ChatKey, user: Option<&str>) -> Vec<Copies>;
    put_captures(tenant: &TenantId, source: &Name, captures: &[Capture]) -> ();
    captures(tenant: &TenantId, source: &Name) -> Vec<Capture>;
    put_pull_cursor(tenant: &TenantId, source: &Name, cursor: &PullCursor) -> ();
    pull_cursors(tenant: &TenantId, source: &Name) -> Vec<PullCursor>;
    segments(tenant: &TenantId, chat: &ChatKey, from: u64) -> Vec<SegmentRecord>;
    put_apart(tenant: &TenantId, chat: &ChatKey, segment: &SegmentRecord) -> ();
    commit(tenant: &TenantId, arrivals: &[Arrival]) -> u64;
    newest_arrival(tenant: &TenantId) -> u64;
    chats_arrived(tenant: &TenantId, after: u64, limit: usize) -> Vec<(u64, ChatKey)>;
    chats_learned(tenant: &TenantId, after: u64, limit: usize) -> Vec<(u64, ChatKey)>;
    wanted(tenant: &TenantId, filter: &WantedFilter, after: Option<&WantedKey>, limit: usize) -> Vec<WantedFile>;
    wanted_due(tenant: &TenantId, source: &Name, until: Timestamp, after: Option<&WantedFile>, limit: usize) -> Vec<WantedFile>;
    settle_wanted(tenant: &TenantId, states: &[(WantedKey, Option<WantedState>)]) -> ();
    save_versions(tenant: &TenantId, versions: Versions<'_>, cause: &Cause, by: &Author) -> ();
    save_target(tenant: &TenantId, target: &TargetVersion, by: &Author) -> ();
    target(tenant: &TenantId, name: &Name, version: Option<u32>) -> Option<TargetVersion>;
    targets(tenant: &TenantId) -> Vec<TargetVersion>;
    save_policy(tenant: &TenantId, policy: &PolicyVersion, cause: &Cause, by: &Author) -> ();
    policy(tenant: &TenantId, name: &Name, version: Option<u32>) -> Option<PolicyVersion>;
    policies(tenant: &TenantId) -> Vec<PolicyVersion>;
    save_module(tenant: &TenantId, module: &ModuleRecord, by: &Author) -> ();
    module(tenant: &TenantId, digest: &Digest) -> Option<ModuleRecord>;
    modules(tenant: &TenantId) -> Vec<ModuleRecord>;
    save_module_key(tenant: &TenantId, key: &ModuleKey, by: &Author) -> ();
    module_keys(tenant: &TenantId) -> Vec<ModuleKey>;
    remove_module_key(tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> bool;
    save_probe(tenant: &TenantId, of: &Digest, probe: &ProbeReport) -> ();
    probe(tenant: &TenantId, of: &Digest) -> Option<ProbeReport>;
    quarantine(tenant: &TenantId, quarantine: &Quarantine, by: &Author) -> bool;
    release(tenant: &TenantId, policy: &Name, module: &Digest, since: Option<Timestamp>, release: &Release, by: &Author) -> Option<Quarantine>;
    quarantines(tenant: &TenantId, policy: Option<&Name>) -> Vec<Quarantine>;
    begin_run(tenant: &TenantId, run: &NewRun, by: &Author) -> Begun;
    finish_run(tenant: &TenantId, run: &RunId, at: Timestamp, summary: &RunSummary, manifest: &Digest, by: &Author) -> ();
    run(tenant: &TenantId, run: &RunId) -> Option<Run>;
    runs(tenant: &TenantId, policy: Option<&Name>, limit: usize) -> Vec<Run>;
    runs_before(tenant: &TenantId, policy: Option<&Name>, before: Option<u64>, limit: usize) -> Vec<(u64, Run)>;
    note_stored(tenant: &TenantId, at: Timestamp, bytes: u64) -> ();
    days(tenant: &TenantId, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, DayFigures)>;
    progress(tenant: &TenantId, policy: &Name) -> Progress;
    save_facts(tenant: &TenantId, facts: &Facts) -> Digest;
    facts(tenant: &TenantId, digest: &Digest) -> Option<Facts>;
    next_window(tenant: &TenantId, policy: &Name, chat: &ChatKey) -> Option<NextWindow>;
    freeze(tenant: &TenantId, windows: &[Window], facts: &[Arc<Facts>]) -> Vec<bool>;
    settle(tenant: &TenantId, window: &WindowKey, state: &WindowState) -> ();
    refreeze(tenant: &TenantId, window: &Window) -> ();
    window(tenant: &TenantId, window: &WindowKey) -> Option<Window>;
    windows(tenant: &TenantId, filter: &WindowFilter, after: Option<&WindowKey>, limit: usize) -> Vec<Window>;
    record(tenant: &TenantId, deliveries: &[Delivery]) -> ();
    deliveries(tenant: &TenantId, window: &WindowKey) -> Vec<Delivery>;
    delivery(tenant: &TenantId, message_id: &str) -> Option<Delivery>;
    audit(tenant: &TenantId, after: u64, limit: usize) -> Vec<AuditLine>;
    audit_head(tenant: &TenantId) -> Option<Head>;
}
