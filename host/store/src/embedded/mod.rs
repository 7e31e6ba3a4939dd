//! The embedded store: one process, one folder, sled underneath.
//!
//! One tree holds everything, so that one batch can be atomic over chats, segments and lists (`key`). One thread writes, and flushes are shared
//! (`writer`), down to the device (`disk`). Records carry checksums (`record`), reads are guarded (`core`), and whether the folder as a whole is what it was is asked before and
//! after sled opens it (`folder`). Values are small: events, attachments and verdicts lie in the archive, and of an event only 24 bytes are kept
//! (`identities`).

mod access;
mod audit;
mod core;
mod disk;
mod facts;
mod folder;
mod format;
mod identities;
mod index;
mod keeping;
mod key;
mod ledger;
mod modules;
mod people;
mod policy;
mod proposals;
mod quotas;
mod record;
mod removal;
mod requests;
mod run;
#[cfg(test)]
mod tests;
mod wanted;
mod window;
mod writer;

use std::path::Path;
use std::sync::Arc;

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

use tokio::task::coop::consume_budget;

use self::core::Core;
use self::folder::Folder;
use self::identities::Cache;
use self::writer::Writer;
use crate::{
    Arrival, AuditLine, Begun, Claim, Copies, Decided, Entered, ModuleRecord, NewRun, NextWindow, Progress, PullCursor, Replaced, Result, Seen,
    SegmentRecord, SourceRecord, Store, Versions, WantedFilter, WindowFilter,
};

/// What sled keeps of its pages in memory. Its own count is low: it has been seen to use some times as much.
const CACHE: u64 = 32 << 20;

/// The store in a folder of this process.
///
/// Dropping it waits for what was begun, closes the files and leaves a checksum of them, by which the next opening knows them to be whole.
pub struct Embedded {
    // In the order in which they must go: the tree, the thread that also has it, then the folder that closes.
    core: Arc<Core>,
    writer: Writer,
    identities: Arc<Cache>,
    recovered: bool,
    _folder: Folder,
}

impl Embedded {
    /// Opens the folder, and makes it where there is none.
    ///
    /// [`StoreError::Held`] where another process has it open, [`StoreError::Newer`] where a newer release wrote it, [`StoreError::Damaged`] where it is
    /// not what was last written. One of an earlier format is brought to this one, which earlier releases then refuse. After a crash this reads every record once (about a second for a million).
    pub fn open(path: &Path) -> Result<Self> {
        let folder::Opened { folder, core, disk, totals, recovered } = Folder::open(path)?;
        let core = Arc::new(core);
        let writer = Writer::start(Arc::clone(&core), disk, folder.mark(), totals)?;
        Ok(Self { core, writer, identities: Arc::default(), recovered, _folder: folder })
    }

    /// Whether the last process did not close it in order: it was killed, or the power went. So it is of a new one.
    pub fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// Ready when nothing more is written, with the reason: a write failed, and what is in memory may be ahead of what the disk has. Only a process that
    /// opens the folder anew goes on from there. Never ready while all is well.
    pub fn failure(&self) -> impl Future<Output = String> + Send + use<> {
        self.core.failure()
    }

    /// Flushes to the disk since it was opened: the price of writing.
    pub fn flushes(&self) -> u64 {
        self.writer.flushes()
    }

    /// Reads every record and compares their number and sum with what was last written. Nothing else is written meanwhile.
    pub async fn check(&self) -> Result<()> {
        self.writer.check().await
    }
}

// Reads are answered at once, from memory or with one look at the disk. `consume_budget` lets other tasks run all the same: a task that did nothing
// but read would otherwise keep its thread, and the task that it waits for, for ever.
#[async_trait]
impl Store for Embedded {
    async fn create_tenant(&self, tenant: &TenantId, keys: &TenantKeys, by: &Author) -> Result<TenantKeys> {
        self.add_tenant(tenant, keys, by).await
    }

    async fn rotate_tenant_keys(&self, tenant: &TenantId, keys: &TenantKeys, by: &Author, entered: Entered) -> Result<()> {
        self.replace_keys(tenant, keys, by, entered).await
    }

    async fn tenant_keys(&self, tenant: &TenantId) -> Result<Option<TenantKeys>> {
        consume_budget().await;
        self.get_tenant_keys(tenant)
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        consume_budget().await;
        self.list_tenants(after, limit)
    }

    async fn remove_tenant(&self, removed: &RemovedTenant, keeping: u32, by: &Author) -> Result<()> {
        self.take_tenant_out(removed, keeping, by).await
    }

    async fn removed_tenants(&self) -> Result<Vec<RemovedTenant>> {
        consume_budget().await;
        self.all_removed()
    }

    async fn put_removed(&self, removed: &RemovedTenant, by: &Author) -> Result<()> {
        self.keep_removed(removed, by).await
    }

    async fn add_token(&self, tenant: &TenantId, token: &Token, by: &Author) -> Result<()> {
        self.put_token(tenant, token, by).await
    }

    async fn tokens(&self, tenant: &TenantId) -> Result<Vec<Token>> {
        consume_budget().await;
        self.all_tokens(tenant)
    }

    async fn token_of(&self, hash: &Digest) -> Result<Option<(TenantId, Token)>> {
        consume_budget().await;
        self.find_token(hash)
    }

    async fn revoke_token(&self, tenant: &TenantId, id: &Name, at: Timestamp, by: &Author) -> Result<Option<Token>> {
        self.end_token(tenant, id, at, by).await
    }

    async fn begin_session(&self, tenant: &TenantId, session: &Session, by: &Author) -> Result<()> {
        self.put_session(tenant, session, by).await
    }

    async fn session(&self, tenant: &TenantId, hash: &Digest) -> Result<Option<Session>> {
        consume_budget().await;
        self.get_session(tenant, hash)
    }

    async fn end_session(&self, tenant: &TenantId, hash: &Digest, by: &Author) -> Result<bool> {
        self.delete_session(tenant, hash, by).await
    }

    async fn two_people(&self, tenant: &TenantId) -> Result<bool> {
        consume_budget().await;
        self.get_two_people(tenant)
    }

    async fn set_two_people(&self, tenant: &TenantId, on: bool, by: &Author) -> Result<()> {
        self.put_two_people(tenant, on, by).await
    }

    async fn propose(&self, tenant: &TenantId, proposal: &Proposal, by: &Author) -> Result<()> {
        self.put_proposal(tenant, proposal, by).await
    }

    async fn proposals(&self, tenant: &TenantId) -> Result<Vec<Proposal>> {
        consume_budget().await;
        self.all_proposals(tenant)
    }

    async fn decide(&self, tenant: &TenantId, id: &Name, decision: &Decision, by: &Author) -> Result<()> {
        self.put_decision(tenant, id, decision, by).await
    }

    async fn keep_secret(&self, tenant: &TenantId, secret: &KeptSecret, seen: Seen, by: &Author) -> Result<()> {
        self.put_secret(tenant, secret, seen, by).await
    }

    async fn secret(&self, tenant: &TenantId, name: &Name) -> Result<Option<KeptSecret>> {
        consume_budget().await;
        self.get_secret(tenant, name)
    }

    async fn secrets(&self, tenant: &TenantId) -> Result<Vec<KeptSecret>> {
        consume_budget().await;
        self.all_secrets(tenant)
    }

    async fn remove_secret(&self, tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> Result<bool> {
        self.delete_secret(tenant, name, seen, by).await
    }

    async fn begin_request(&self, tenant: &TenantId, request: &KeptRequest, since: Timestamp, most: usize) -> Result<Claim> {
        self.claim_request(tenant, request, since, most).await
    }

    async fn end_request(&self, tenant: &TenantId, key: &Digest, answer: Option<&KeptAnswer>) -> Result<()> {
        self.settle_request(tenant, key, answer).await
    }

    async fn begin_import(&self, tenant: &TenantId, source: &SourceRecord, input: &str, by: &Author) -> Result<()> {
        self.enter_import(tenant, source, input, by).await
    }

    async fn end_import(&self, tenant: &TenantId, source: &Name, figures: &ImportFigures, by: &Author) -> Result<()> {
        self.leave_import(tenant, source, figures, by).await
    }

    async fn sources(&self, tenant: &TenantId) -> Result<Vec<SourceRecord>> {
        consume_budget().await;
        self.all_sources(tenant)
    }

    async fn put_users(&self, tenant: &TenantId, source: &Name, users: &[User], now: Timestamp) -> Result<u64> {
        self.change_users(tenant, source, users, now).await
    }

    async fn users(&self, tenant: &TenantId, source: &Name, ids: &[String]) -> Result<Vec<Option<User>>> {
        consume_budget().await;
        self.get_users(tenant, source, ids)
    }

    async fn users_after(&self, tenant: &TenantId, source: &Name, after: Option<&str>, limit: usize) -> Result<Vec<User>> {
        consume_budget().await;
        self.page_of_users(tenant, source, after, limit)
    }

    async fn put_identities(&self, tenant: &TenantId, map: &IdentityMap, identities: &[Identity], by: &Author) -> Result<()> {
        self.replace_identities(tenant, map, identities, by).await
    }

    async fn identity_map(&self, tenant: &TenantId) -> Result<Option<IdentityMap>> {
        consume_budget().await;
        self.get_identity_map(tenant)
    }

    async fn identities(&self, tenant: &TenantId, source: &Name, ids: &[String]) -> Result<Vec<Option<Identity>>> {
        consume_budget().await;
        self.get_identities(tenant, source, ids)
    }

    async fn all_identities(&self, tenant: &TenantId) -> Result<Vec<Identity>> {
        consume_budget().await;
        self.list_identities(tenant)
    }

    async fn chat(&self, tenant: &TenantId, chat: &ChatKey) -> Result<Option<Chat>> {
        consume_budget().await;
        self.get_chat(tenant, chat)
    }

    async fn members(&self, tenant: &TenantId, chat: &ChatKey) -> Result<Vec<Member>> {
        consume_budget().await;
        self.all_members(tenant, chat)
    }

    async fn known_events(&self, tenant: &TenantId, chat: &ChatKey, hashes: &[EventHash]) -> Result<Vec<Option<[u8; 8]>>> {
        consume_budget().await;
        self.look_up_events(tenant, chat, hashes).await
    }

    async fn copies(&self, tenant: &TenantId, chat: &ChatKey, user: Option<&str>) -> Result<Vec<Copies>> {
        consume_budget().await;
        self.list_copies(tenant, chat, user)
    }

    async fn put_captures(&self, tenant: &TenantId, source: &Name, captures: &[Capture]) -> Result<()> {
        self.add_captures(tenant, source, captures).await
    }

    async fn captures(&self, tenant: &TenantId, source: &Name) -> Result<Vec<Capture>> {
        self.all_captures(tenant, source)
    }

    async fn put_pull_cursor(&self, tenant: &TenantId, source: &Name, cursor: &PullCursor) -> Result<()> {
        self.keep_pull_cursor(tenant, source, cursor).await
    }

    async fn pull_cursors(&self, tenant: &TenantId, source: &Name) -> Result<Vec<PullCursor>> {
        consume_budget().await;
        self.all_pull_cursors(tenant, source)
    }

    async fn segments(&self, tenant: &TenantId, chat: &ChatKey, from: u64) -> Result<Vec<SegmentRecord>> {
        consume_budget().await;
        self.segments_from(tenant, chat, from)
    }

    async fn put_apart(&self, tenant: &TenantId, chat: &ChatKey, segment: &SegmentRecord) -> Result<()> {
        self.set_apart(tenant, chat, segment).await
    }

    async fn keeping(&self, tenant: &TenantId) -> Result<Keeping> {
        self.get_keeping(tenant)
    }

    async fn put_keeping(&self, tenant: &TenantId, keeping: &Keeping, by: &Author) -> Result<()> {
        self.save_keeping(tenant, keeping, by).await
    }

    async fn quotas(&self, tenant: &TenantId) -> Result<Quotas> {
        self.get_quotas(tenant)
    }

    async fn put_quotas(&self, tenant: &TenantId, quotas: Quotas, by: &Author) -> Result<()> {
        self.save_quotas(tenant, quotas, by).await
    }

    async fn replace_segments(&self, tenant: &TenantId, replaced: &[Replaced], others: &[String], decided: &Decided, by: &Author) -> Result<()> {
        self.replace(tenant, replaced, others, decided, by).await
    }

    async fn leftovers(&self, tenant: &TenantId, limit: usize) -> Result<Vec<String>> {
        self.list_leftovers(tenant, limit)
    }

    async fn forget_leftover(&self, tenant: &TenantId, path: &str) -> Result<()> {
        self.drop_leftover(tenant, path).await
    }

    async fn commit(&self, tenant: &TenantId, arrivals: &[Arrival]) -> Result<u64> {
        self.commit_arrivals(tenant, arrivals).await
    }

    async fn newest_arrival(&self, tenant: &TenantId) -> Result<u64> {
        consume_budget().await;
        self.get_newest_arrival(tenant)
    }

    async fn wanted(&self, tenant: &TenantId, filter: &WantedFilter, after: Option<&WantedKey>, limit: usize) -> Result<Vec<WantedFile>> {
        consume_budget().await;
        self.list_wanted(tenant, filter, after, limit)
    }

    async fn wanted_due(
        &self,
        tenant: &TenantId,
        source: &Name,
        until: Timestamp,
        after: Option<&WantedFile>,
        limit: usize,
    ) -> Result<Vec<WantedFile>> {
        consume_budget().await;
        self.list_wanted_due(tenant, source, until, after, limit)
    }

    async fn settle_wanted(&self, tenant: &TenantId, states: &[(WantedKey, Option<WantedState>)]) -> Result<()> {
        self.change_wanted(tenant, states).await
    }

    async fn chats_learned(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<(u64, ChatKey)>> {
        self.list_learned(tenant, after, limit)
    }

    async fn chats_arrived(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<(u64, ChatKey)>> {
        consume_budget().await;
        self.list_arrived(tenant, after, limit)
    }

    async fn save_versions(&self, tenant: &TenantId, versions: Versions<'_>, cause: &Cause, by: &Author) -> Result<()> {
        self.add_versions(tenant, versions, cause, by).await
    }

    async fn target(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<TargetVersion>> {
        consume_budget().await;
        self.get_target(tenant, name, version)
    }

    async fn targets(&self, tenant: &TenantId) -> Result<Vec<TargetVersion>> {
        consume_budget().await;
        self.all_targets(tenant)
    }

    async fn policy(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<PolicyVersion>> {
        consume_budget().await;
        self.get_policy(tenant, name, version)
    }

    async fn policies(&self, tenant: &TenantId) -> Result<Vec<PolicyVersion>> {
        consume_budget().await;
        self.all_policies(tenant)
    }

    async fn save_module(&self, tenant: &TenantId, module: &ModuleRecord, by: &Author) -> Result<()> {
        self.add_module(tenant, module, by).await
    }

    async fn module(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<ModuleRecord>> {
        consume_budget().await;
        self.get_module(tenant, digest)
    }

    async fn modules(&self, tenant: &TenantId) -> Result<Vec<ModuleRecord>> {
        consume_budget().await;
        self.all_modules(tenant)
    }

    async fn save_module_key(&self, tenant: &TenantId, key: &ModuleKey, by: &Author) -> Result<()> {
        self.add_module_key(tenant, key, by).await
    }

    async fn module_keys(&self, tenant: &TenantId) -> Result<Vec<ModuleKey>> {
        consume_budget().await;
        self.all_module_keys(tenant)
    }

    async fn remove_module_key(&self, tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> Result<bool> {
        self.delete_module_key(tenant, name, seen, by).await
    }

    async fn save_probe(&self, tenant: &TenantId, of: &Digest, probe: &ProbeReport) -> Result<()> {
        self.put_probe(tenant, of, probe).await
    }

    async fn probe(&self, tenant: &TenantId, of: &Digest) -> Result<Option<ProbeReport>> {
        consume_budget().await;
        self.get_probe(tenant, of)
    }

    async fn quarantine(&self, tenant: &TenantId, quarantine: &Quarantine, by: &Author) -> Result<bool> {
        self.begin_quarantine(tenant, quarantine, by).await
    }

    async fn release(
        &self,
        tenant: &TenantId,
        policy: &Name,
        module: &Digest,
        since: Option<Timestamp>,
        release: &Release,
        by: &Author,
    ) -> Result<Option<Quarantine>> {
        self.end_quarantine(tenant, (policy, module), since, release, by).await
    }

    async fn quarantines(&self, tenant: &TenantId, policy: Option<&Name>) -> Result<Vec<Quarantine>> {
        consume_budget().await;
        self.all_quarantines(tenant, policy)
    }

    async fn begin_run(&self, tenant: &TenantId, run: &NewRun, by: &Author) -> Result<Begun> {
        self.claim_run(tenant, run, by).await
    }

    async fn finish_run(&self, tenant: &TenantId, run: &RunId, at: Timestamp, summary: &RunSummary, manifest: &Digest, by: &Author) -> Result<()> {
        self.end_run(tenant, run, at, summary, manifest, by).await
    }

    async fn run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<Run>> {
        consume_budget().await;
        self.get_run(tenant, run)
    }

    async fn runs_before(&self, tenant: &TenantId, policy: Option<&Name>, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Run)>> {
        consume_budget().await;
        self.list_runs(tenant, policy, before, limit)
    }

    async fn days(&self, tenant: &TenantId, from: Timestamp, until: Timestamp) -> Result<Vec<(Timestamp, DayFigures)>> {
        consume_budget().await;
        self.list_days(tenant, from, until)
    }

    async fn note_stored(&self, tenant: &TenantId, at: Timestamp, bytes: u64) -> Result<()> {
        self.keep_stored(tenant, at, bytes).await
    }

    async fn progress(&self, tenant: &TenantId, policy: &Name) -> Result<Progress> {
        consume_budget().await;
        self.get_progress(tenant, policy)
    }

    async fn save_facts(&self, tenant: &TenantId, facts: &Facts) -> Result<Digest> {
        self.keep_facts(tenant, facts).await
    }

    async fn facts(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Facts>> {
        consume_budget().await;
        self.get_facts(tenant, digest)
    }

    async fn next_window(&self, tenant: &TenantId, policy: &Name, chat: &ChatKey) -> Result<Option<NextWindow>> {
        consume_budget().await;
        self.get_next_window(tenant, policy, chat)
    }

    async fn freeze(&self, tenant: &TenantId, windows: &[Window], facts: &[Arc<Facts>]) -> Result<Vec<bool>> {
        self.freeze_windows(tenant, windows, facts).await
    }

    async fn settle(&self, tenant: &TenantId, window: &WindowKey, state: &WindowState) -> Result<()> {
        self.settle_window(tenant, window, state).await
    }

    async fn refreeze(&self, tenant: &TenantId, window: &Window) -> Result<()> {
        self.refreeze_window(tenant, window).await
    }

    async fn window(&self, tenant: &TenantId, window: &WindowKey) -> Result<Option<Window>> {
        consume_budget().await;
        self.get_window(tenant, window)
    }

    async fn windows(&self, tenant: &TenantId, filter: &WindowFilter, after: Option<&WindowKey>, limit: usize) -> Result<Vec<Window>> {
        consume_budget().await;
        self.list_windows(tenant, filter, after, limit)
    }

    async fn record(&self, tenant: &TenantId, deliveries: &[Delivery]) -> Result<()> {
        self.write_deliveries(tenant, deliveries).await
    }

    async fn deliveries(&self, tenant: &TenantId, window: &WindowKey) -> Result<Vec<Delivery>> {
        consume_budget().await;
        self.deliveries_of(tenant, window)
    }

    async fn copy(&self, to: &Path) -> Result<u64> {
        self.writer.copy(to.to_owned()).await
    }

    async fn note(&self, tenant: &TenantId, deed: &Deed, by: &Author) -> Result<()> {
        let deed = deed.clone();
        self.write_audited(tenant, by, move |_| Ok(((), Some(deed)))).await
    }

    async fn delivery(&self, tenant: &TenantId, message_id: &str) -> Result<Option<Delivery>> {
        consume_budget().await;
        self.find_delivery(tenant, message_id)
    }

    async fn audit(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<Vec<AuditLine>> {
        consume_budget().await;
        self.audit_lines(tenant, after, limit)
    }

    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<Head>> {
        consume_budget().await;
        self.get_audit_head(tenant)
    }
}
