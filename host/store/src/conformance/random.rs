//! Thousands of random operations, compared with plain maps that do the same.
//!
//! The maps know nothing of lists beside windows or of runs of identities: each answer is worked out anew from all that was written.
//! `CONSIGN_STORE_OPS` says how many operations (3,000; 100,000 by `CONSIGN_FULL=1`), `CONSIGN_STORE_SEED` from which seed; a failure names both. Every
//! method of the trait is among them, or the check fails.

mod compare;
mod keeping;
mod keys;
mod quotas;
mod removal;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use consign_model::access::{Session, SignedInBy, Token};
use consign_model::audit::{Cause, Deed, ImportFigures};
use consign_model::identity::Identity;
use consign_model::keeping::Keeping;
use consign_model::module::ProbeReport;
use consign_model::proposal::{Decision, Proposal, Verdict};
use consign_model::request::{KeptAnswer, KeptRequest};
use consign_model::run::Trigger;
use consign_model::source::Capture;
use consign_model::target::KeptSecret;
use consign_model::window::Facts;
use consign_model::{
    Chat, ChatKey, Delivery, DeliveryKey, Digest, EventHash, FormerName, Member, ModuleKey, MoveKind, Name, Quarantine, Quotas, RemovedTenant, Run,
    RunId, RunState, TenantId, TenantKeys, Timestamp, User, WantedFile, WantedKey, WantedState, Window, WindowKey, WindowState,
};

use super::counted::{Calls, Counted};
use super::samples::{
    IDS, accepted, arrival, author, delivery, done, facts, hash, held, identity, identity_map, identity_of, keys, member, module, name, new_run,
    people, policy, probe, proposal, quarantine, refused, release, secret, signing_key, source, summary, target, token, unknown, user, wanted,
    wanted_state, window,
};
use crate::{Arrival, Begun, Claim, Copies, ModuleRecord, PullCursor, Seen, SegmentRecord, SourceRecord, Store, StoreError, Versions};

/// splitmix64: enough for tests, and the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// The seed and how many operations, as the environment says.
pub(crate) fn seed_and_operations() -> (u64, u64) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse().ok());
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.subsec_nanos());
    let usual = if std::env::var_os("CONSIGN_FULL").is_some() { 100_000 } else { 3_000 };
    (number("CONSIGN_STORE_SEED").unwrap_or(u64::from(clock)), number("CONSIGN_STORE_OPS").unwrap_or(usual))
}

/// What one tenant should hold.
#[derive(Default)]
struct Expected {
    tenant: Option<TenantKeys>,
    sources: BTreeMap<Name, SourceRecord>,
    targets: BTreeMap<Name, u32>,
    facts: BTreeMap<Digest, Facts>,
    users: BTreeMap<(Name, String), User>,
    identities: BTreeMap<(Name, String), Identity>,
    identity_version: u32,
    chats: BTreeMap<ChatKey, Chat>,
    segments: BTreeMap<ChatKey, Vec<SegmentRecord>>,
    members: BTreeMap<(ChatKey, String), Member>,
    contents: HashMap<(ChatKey, EventHash), [u8; 8]>,
    copies: BTreeMap<(ChatKey, String), BTreeSet<EventHash>>,
    /// By source, user and beginning: the latest end, where unset is the end of all.
    captures: BTreeMap<(Name, String, Option<Timestamp>), Option<Timestamp>>,
    pull_cursors: BTreeMap<(Name, String), PullCursor>,
    arrivals: u64,
    learned: BTreeMap<ChatKey, u64>,
    wanted: BTreeMap<WantedKey, WantedFile>,
    policies: BTreeMap<Name, u32>,
    modules: BTreeMap<(String, String), ModuleRecord>,
    keys: BTreeMap<Name, ModuleKey>,
    tokens: BTreeMap<Name, Token>,
    sessions: BTreeMap<Digest, Session>,
    secrets: BTreeMap<Name, KeptSecret>,
    two_people: bool,
    proposals: BTreeMap<Name, Proposal>,
    requests: BTreeMap<Digest, KeptRequest>,
    probes: BTreeMap<Digest, ProbeReport>,
    quarantines: BTreeMap<(Name, Digest), Vec<Quarantine>>,
    runs: Vec<Run>,
    due: BTreeMap<Name, Timestamp>,
    windows: BTreeMap<WindowKey, Window>,
    deliveries: BTreeMap<DeliveryKey, Delivery>,
    keeping: Keeping,
    quotas: Quotas,
    stored: BTreeMap<Timestamp, u64>,
    leftovers: BTreeSet<String>,
    /// What the audit log tells of.
    deeds: Vec<&'static str>,
}

/// A store's script and what should come of it.
pub(crate) struct Rehearsal {
    random: Random,
    expected: BTreeMap<TenantId, Expected>,
    tenants: Vec<TenantId>,
    chats: Vec<ChatKey>,
    policies: Vec<Name>,
    removed: Vec<RemovedTenant>,
}

impl Rehearsal {
    pub(crate) fn new(seed: u64) -> Self {
        let chats = ["s", "s-a"].iter().flat_map(|source| IDS.iter().step_by(2).map(|id| super::samples::chat_key(source, id)));
        Self {
            random: Random(seed),
            expected: BTreeMap::new(),
            tenants: ["t", "t-a"].map(name).into(),
            chats: chats.collect(),
            policies: ["p", "p-a", "p-000001"].map(name).into(),
            removed: Vec::new(),
        }
    }

    /// One random operation; its answer is as expected.
    pub(crate) async fn step(&mut self, store: &dyn Store) {
        let tenant = self.random.pick(&self.tenants).clone();
        let mut expected = self.expected.remove(&tenant).unwrap_or_default();
        match self.random.below(43) {
            0..=4 => self.commit(store, &tenant, &mut expected).await,
            5 => self.put_users(store, &tenant, &mut expected).await,
            6 => self.save_policy(store, &tenant, &mut expected).await,
            7..=8 => self.begin_run(store, &tenant, &mut expected).await,
            9 => self.finish_run(store, &tenant, &mut expected).await,
            10..=12 => self.freeze(store, &tenant, &mut expected).await,
            13..=14 => self.settle(store, &tenant, &mut expected).await,
            15..=17 => self.record(store, &tenant, &mut expected).await,
            18 => self.refreeze(store, &tenant, &mut expected).await,
            19 => self.save_module(store, &tenant, &mut expected).await,
            20 => self.change_key(store, &tenant, &mut expected).await,
            21 => self.save_probe(store, &tenant, &mut expected).await,
            22 => self.change_quarantine(store, &tenant, &mut expected).await,
            23 => self.begin_tenant(store, &tenant, &mut expected).await,
            24 => self.save_target(store, &tenant, &mut expected).await,
            25 => self.save_facts(store, &tenant, &mut expected).await,
            26 => self.put_captures(store, &tenant, &mut expected).await,
            27 => self.put_identities(store, &tenant, &mut expected).await,
            28 => self.put_pull_cursor(store, &tenant, &mut expected).await,
            29 => self.settle_wanted(store, &tenant, &mut expected).await,
            30 => self.put_apart(store, &tenant, &mut expected).await,
            31 => self.change_token(store, &tenant, &mut expected).await,
            32 => self.change_secret(store, &tenant, &mut expected).await,
            33 => self.change_session(store, &tenant, &mut expected).await,
            34 => self.change_keeping(store, &tenant, &mut expected).await,
            35 => self.delete_events(store, &tenant, &mut expected).await,
            36 => self.change_proposal(store, &tenant, &mut expected).await,
            37 => self.save_versions(store, &tenant, &mut expected).await,
            38 => self.change_request(store, &tenant, &mut expected).await,
            39 => self.remove_another(store).await,
            40 => self.change_quotas(store, &tenant, &mut expected).await,
            41 => self.rotate_keys(store, &tenant, &mut expected).await,
            _ => {
                self.ask(store, &tenant, &expected).await;
                self.ask_for_removed(store).await;
            }
        }
        self.expected.insert(tenant, expected);
    }

    /// A tenant keeps its first keys, and a source is what it was when it was first seen.
    async fn begin_tenant(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let made = keys(self.random.pick::<&str>(&["one", "other"]));
        if expected.tenant.is_none() {
            expected.deeds.push("tenant-made");
        }
        let known = expected.tenant.get_or_insert_with(|| made.clone());
        assert_eq!(store.create_tenant(tenant, &made, &author()).await.unwrap(), *known);
        let sent = Deed::ReplaySent { run: RunId::from_text("p-000001"), emails: 2, accepted: 1 };
        store.note(tenant, &sent, &author()).await.unwrap();
        expected.deeds.push("replay-sent");
        let at = Timestamp(i64::try_from(self.random.below(1_000)).unwrap());
        let one = SourceRecord { created_at: at, ..source(self.random.pick::<&str>(&["s", "s-a", "s-b"])) };
        store.begin_import(tenant, &one, "export.zip", &author()).await.unwrap();
        expected.deeds.push("import-begun");
        if self.random.one_in(2) {
            let figures = ImportFigures { complete: true, stored: 1, already_there: 0, refused: 0, files: Digest::of(b"") };
            store.end_import(tenant, &one.name, &figures, &author()).await.unwrap();
            expected.deeds.push("import-ended");
        }
        expected.sources.entry(one.name.clone()).or_insert(one);
    }

    async fn save_target(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let of = self.random.pick(&self.policies).clone();
        let newest = expected.targets.entry(of.clone()).or_default();
        let version = *newest + u32::try_from(self.random.below(3)).unwrap();
        let answer = store.save_target(tenant, &target(of.as_str(), version), &author()).await;
        if version == *newest + 1 {
            answer.unwrap();
            expected.deeds.push("target-saved");
            *newest = version;
        } else {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        }
    }

    /// A target and a policy at once: both, or neither.
    async fn save_versions(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let of = self.random.pick(&self.policies).clone();
        let mut next = |newest: Option<&u32>| newest.copied().unwrap_or_default() + u32::from(!self.random.one_in(3));
        let (one, other) = (next(expected.targets.get(&of)), next(expected.policies.get(&of)));
        let fits = [(one, expected.targets.get(&of)), (other, expected.policies.get(&of))]
            .iter()
            .all(|(next, newest)| *next == newest.map_or(1, |newest| newest + 1));
        let versions = Versions { targets: &[target(of.as_str(), one)], policies: &[policy(of.as_str(), other)] };
        let answer = store.save_versions(tenant, versions, &Cause::Apply, &author()).await;
        assert_eq!(answer.is_ok(), fits, "{answer:?}");
        if fits {
            expected.targets.insert(of.clone(), one);
            expected.policies.insert(of, other);
            expected.deeds.extend(["target-saved", "policy-saved"]);
        }
    }

    async fn save_facts(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let one = match self.random.below(3) {
            0 => facts(self.random.pick::<&str>(&["rates", "credit", ""])),
            _ => people(usize::try_from(self.random.below(200)).unwrap()),
        };
        assert_eq!(store.save_facts(tenant, &one).await.unwrap(), one.digest());
        expected.facts.insert(one.digest(), one);
    }

    async fn commit(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let mut arrivals = Vec::new();
        let mut totals: BTreeMap<ChatKey, u64> = expected.chats.iter().map(|(key, chat)| (key.clone(), chat.events)).collect();
        let mut fits = true;
        for _ in 0..=self.random.below(3) {
            let chat = self.random.pick(&self.chats).clone();
            let total = totals.entry(chat.clone()).or_default();
            let wrong = self.random.one_in(25);
            fits &= !wrong;
            arrivals.push(self.some_arrival(&chat, *total + u64::from(wrong)));
            *total = arrivals.last().unwrap().chat.events;
        }
        let answer = store.commit(tenant, &arrivals).await;
        if !fits {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
            return;
        }
        expected.arrivals += 1;
        assert_eq!(answer.unwrap(), expected.arrivals);
        for one in arrivals {
            let key = one.chat.key.clone();
            let stored = one.segments.into_iter().map(|segment| SegmentRecord { arrival: expected.arrivals, ..segment });
            expected.segments.entry(key.clone()).or_default().extend(stored);
            for member in one.members {
                let place = (key.clone(), member.user.clone());
                let is_new = !expected.members.contains_key(&place);
                if expected.members.entry(place).or_insert_with(|| Member::new(&member.user)).merge(&member) || is_new {
                    expected.learned.insert(key.clone(), expected.arrivals);
                }
            }
            expected.contents.extend(one.identities.iter().map(|identity| ((key.clone(), identity.hash), identity.content)));
            for copies in one.copies {
                expected.copies.entry((key.clone(), copies.user)).or_default().extend(copies.events);
            }
            for file in one.wanted {
                expected.wanted.entry(file.key.clone()).or_insert(file);
            }
            for file in one.found {
                expected.wanted.remove(&WantedKey { chat: key.clone(), file });
            }
            expected.chats.insert(key, one.chat);
        }
    }

    /// What became of wanted files; of those that are not wanted nothing.
    async fn settle_wanted(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let states: Vec<(WantedKey, Option<WantedState>)> = (0..self.random.below(5))
            .map(|_| {
                let key = WantedKey { chat: self.random.pick(&self.chats).clone(), file: hash(self.random.below(40)) };
                let state = (!self.random.one_in(4)).then(|| wanted_state(self.random.below(100)));
                (key, state)
            })
            .collect();
        store.settle_wanted(tenant, &states).await.unwrap();
        for (key, state) in states {
            match (expected.wanted.get_mut(&key), state) {
                (Some(file), Some(state)) => file.state = state,
                (Some(_), None) => drop(expected.wanted.remove(&key)),
                (None, _) => {}
            }
        }
    }

    async fn put_captures(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let source = self.random.pick(&self.chats).source.clone();
        let mut time = || self.random.one_in(2).then(|| Timestamp(i64::try_from(self.random.below(3)).unwrap()));
        let times = [(time(), time()), (time(), time())];
        let captures = times.map(|(from, until)| Capture { user: (*self.random.pick::<&str>(&IDS)).to_owned(), from, until });
        store.put_captures(tenant, &source, &captures).await.unwrap();
        for Capture { user, from, until } in captures {
            let known = expected.captures.entry((source.clone(), user, from)).or_insert(until);
            *known = known.zip(until).map(|(one, other)| one.max(other));
        }
    }

    async fn put_pull_cursor(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let source = self.random.pick(&self.chats).source.clone();
        let (of, number) = ((*self.random.pick::<&str>(&IDS)).to_owned(), self.random.below(1_000));
        let text = format!("https://graph.example/{number}").repeat(usize::try_from(number % 50).unwrap());
        let cursor = PullCursor { of: of.clone(), text, at: Timestamp(i64::try_from(number).unwrap()) };
        store.put_pull_cursor(tenant, &source, &cursor).await.unwrap();
        expected.pull_cursors.insert((source, of), cursor);
    }

    fn some_arrival(&mut self, chat: &ChatKey, expected: u64) -> Arrival {
        let events = match self.random.below(10) {
            0..=1 => 0,
            2..=7 => self.random.below(4) + 1,
            _ => self.random.below(1_500) + 1,
        };
        let mut made = arrival(chat, expected, u32::try_from(events).unwrap());
        for segment in &mut made.segments {
            segment.row = self.random.one_in(2).then(|| u32::try_from(self.random.below(100)).unwrap());
        }
        made.identities = (0..events).map(|_| identity(self.random.below(4_000), self.random.below(9))).collect();
        for _ in 0..self.random.below(3) {
            let kind = if self.random.one_in(2) { MoveKind::Join } else { MoveKind::Leave };
            let at = i64::try_from(self.random.below(50)).unwrap();
            let mut one = member(self.random.pick::<&str>(&IDS), &[(at, kind)]);
            one.listed = self.random.one_in(4);
            one.active = self.random.one_in(4);
            made.members.push(one);
        }
        for _ in 0..self.random.below(4) {
            made.wanted.push(wanted(chat, self.random.below(40), self.random.below(100)));
        }
        made.found.extend((0..self.random.below(3)).map(|_| hash(self.random.below(40))));
        for _ in 0..self.random.below(3) {
            let events = (0..self.random.below(400)).map(|_| hash(self.random.below(4_000))).collect();
            made.copies.push(Copies { user: (*self.random.pick::<&str>(&IDS)).to_owned(), events });
        }
        made
    }

    async fn put_apart(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let chat = self.random.pick(&self.chats).clone();
        let Some(segments) = expected.segments.get_mut(&chat).filter(|segments| !segments.is_empty()) else { return };
        let at = usize::try_from(self.random.below(segments.len() as u64)).unwrap();
        let Some(known) = segments.get_mut(at) else { return };
        let also_in = Some((known.path.clone(), known.digest));
        let apart = SegmentRecord { path: "apart".into(), row: None, also_in, ..known.clone() };
        let answer = store.put_apart(tenant, &chat, &apart).await;
        if known.row.is_some() {
            answer.unwrap();
            *known = apart;
        } else {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        }
    }

    async fn put_users(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let source = self.random.pick(&self.chats).source.clone();
        let users: Vec<User> = (0..self.random.below(5))
            .map(|_| {
                let id: &str = self.random.pick::<&str>(&IDS);
                User { recorded: self.random.one_in(2), ..user(id, self.random.pick::<&str>(&["Ann", "Bob"])) }
            })
            .collect();
        let now = Timestamp(self.random.below(1_000_000).try_into().unwrap());
        let (mut changed, mut recorded_now) = (0, BTreeSet::new());
        for one in &users {
            let place = (source.clone(), one.id.clone());
            let before = expected.users.get(&place).cloned();
            let mut one = one.clone();
            if let Some(before) = &before {
                one.former_names.clone_from(&before.former_names);
                if before.name != one.name {
                    one.former_names.push(FormerName { name: before.name.clone(), until: now });
                }
                let kept = one.former_names.len().saturating_sub(8);
                one.former_names.drain(..kept);
            }
            expected.users.insert(place, one.clone());
            changed += u64::from(before.as_ref() != Some(&one));
            if one.recorded && before.is_some_and(|before| !before.recorded) {
                recorded_now.insert(one.id.clone());
            }
        }
        let of_theirs = expected.members.keys().filter(|(chat, user)| chat.source == source && recorded_now.contains(user));
        let chats: BTreeSet<ChatKey> = of_theirs.map(|(chat, _)| chat.clone()).collect();
        expected.arrivals += u64::from(!chats.is_empty());
        expected.learned.extend(chats.into_iter().map(|chat| (chat, expected.arrivals)));
        assert_eq!(store.put_users(tenant, &source, &users, now).await.unwrap(), changed);
    }

    /// A map in the place of the one before. Whose times of recording are others now, may be owed something in all chats.
    async fn put_identities(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let some = 0..self.random.below(6);
        let map: BTreeMap<(Name, String), Identity> = some
            .map(|_| {
                let source = self.random.pick(&self.chats).source.clone();
                let one = identity_of(&source, self.random.pick::<&str>(&IDS), self.random.below(4), self.random.below(3));
                ((source, one.id.clone()), one)
            })
            .collect();
        let version = expected.identity_version + u32::try_from(self.random.below(3)).unwrap();
        let all: Vec<Identity> = map.values().cloned().collect();
        let answer = store.put_identities(tenant, &identity_map(version, &all), &all, &author()).await;
        if version != expected.identity_version + 1 {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
            return;
        }
        answer.unwrap();
        expected.deeds.push("identities-applied");
        let recorded = |map: &BTreeMap<(Name, String), Identity>, user: &(Name, String)| map.get(user).and_then(|one| one.recorded.clone());
        let theirs = |chat: &ChatKey, user: &String| (chat.source.clone(), user.clone());
        let other = |user: &(Name, String)| recorded(&map, user) != recorded(&expected.identities, user);
        let chats: BTreeSet<ChatKey> =
            expected.members.keys().filter(|(chat, user)| other(&theirs(chat, user))).map(|(chat, _)| chat.clone()).collect();
        expected.arrivals += u64::from(!chats.is_empty());
        expected.learned.extend(chats.into_iter().map(|chat| (chat, expected.arrivals)));
        (expected.identities, expected.identity_version) = (map, version);
    }

    async fn save_policy(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let of = self.random.pick(&self.policies).clone();
        let newest = expected.policies.entry(of.clone()).or_default();
        let version = *newest + u32::try_from(self.random.below(3)).unwrap();
        let answer = store.save_policy(tenant, &policy(of.as_str(), version), &Cause::Apply, &author()).await;
        if version == *newest + 1 {
            answer.unwrap();
            *newest = version;
            expected.deeds.push("policy-saved");
        } else {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        }
    }

    async fn save_module(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let (text, version) = (*self.random.pick(&["a/b", "a", "a/b\0"]), *self.random.pick(&["1", "1.0", "2"]));
        let bytes = *self.random.pick(&["one", "other"]);
        let one = module(text, version, &format!("{text} {version} {bytes}"));
        let answer = store.save_module(tenant, &one, &author()).await;
        let known = expected.modules.entry((text.to_owned(), version.to_owned())).or_insert_with(|| {
            expected.deeds.push("module-pushed");
            one.clone()
        });
        if known.digest == one.digest {
            answer.unwrap();
        } else {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        }
    }

    async fn change_key(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let one = signing_key(self.random.pick::<&str>(&["ann", "ann-2", "bob"]), self.random.pick::<&str>(&["RWQ1", "RWQ2"]));
        if self.random.one_in(3) {
            let there = expected.keys.remove(&one.name).is_some();
            assert_eq!(store.remove_module_key(tenant, &one.name, Seen::Whatever, &author()).await.unwrap(), there);
            if there {
                expected.deeds.push("module-key-removed");
            }
            return;
        }
        let answer = store.save_module_key(tenant, &one, &author()).await;
        let known = expected.keys.entry(one.name.clone()).or_insert_with(|| {
            expected.deeds.push("module-key-added");
            one.clone()
        });
        assert_eq!(answer.is_ok(), known.key == one.key, "{answer:?}");
    }

    /// Half of the tokens that are made want what another has already.
    async fn change_token(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let one = token(self.random.pick::<&str>(&["token-1", "token-10", "token-2"]), &self.random.below(6).to_string());
        if self.random.one_in(3) {
            let at = Timestamp(i64::try_from(self.random.below(1_000)).unwrap());
            let ended = expected.tokens.get_mut(&one.id).map(|token| {
                if token.revoked_at.is_none() {
                    token.revoked_at = Some(at);
                    expected.deeds.push("token-revoked");
                }
                token.clone()
            });
            assert_eq!(store.revoke_token(tenant, &one.id, at, &author()).await.unwrap(), ended);
            return;
        }
        let others = self.expected.values().chain([&*expected]);
        let is_taken = others.flat_map(|tenant| tenant.tokens.values()).any(|token| token.hash == one.hash) || expected.tokens.contains_key(&one.id);
        let answer = store.add_token(tenant, &one, &author()).await;
        assert_eq!(answer.is_err(), is_taken, "{answer:?}");
        if !is_taken {
            expected.deeds.push("token-made");
            expected.tokens.insert(one.id.clone(), one);
        }
    }

    async fn change_session(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let hash = Digest::of(&[u8::try_from(self.random.below(6)).unwrap()]);
        if self.random.one_in(3) {
            let there = expected.sessions.remove(&hash).is_some();
            assert_eq!(store.end_session(tenant, &hash, &author()).await.unwrap(), there);
            if there {
                expected.deeds.push("signed-out");
            }
            return;
        }
        let mut at = |from: i64| Timestamp(from + i64::try_from(self.random.below(50)).unwrap());
        let one = Session { hash, by: SignedInBy::Token(name("no-such-token")), begun_at: at(0), ends_at: at(20) };
        store.begin_session(tenant, &one, &author()).await.unwrap();
        expected.deeds.push("signed-in");
        expected.sessions.retain(|_, known| known.ends_at > one.begun_at);
        expected.sessions.insert(hash, one);
    }

    async fn change_proposal(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        if self.random.one_in(3) {
            let on = self.random.one_in(2);
            store.set_two_people(tenant, on, &author()).await.unwrap();
            if std::mem::replace(&mut expected.two_people, on) != on {
                expected.deeds.push("two-people-set");
            }
            return;
        }
        let at = i64::try_from(self.random.below(200)).unwrap();
        let one = proposal(self.random.pick::<&str>(&["a", "b", "c", "d"]), at);
        let Some(known) = expected.proposals.get_mut(&one.id) else {
            store.propose(tenant, &one, &author()).await.unwrap();
            expected.deeds.push("proposed");
            expected.proposals.insert(one.id.clone(), one);
            return;
        };
        assert!(store.propose(tenant, &one, &author()).await.is_err());
        let verdict = if self.random.one_in(2) { Verdict::Approved } else { Verdict::Rejected };
        let decision = Decision { verdict, at: one.at, by: one.by };
        let answer = store.decide(tenant, &one.id, &decision, &author()).await;
        assert_eq!(answer.is_ok(), known.is_open(decision.at), "{answer:?}");
        if answer.is_ok() {
            expected.deeds.push(if verdict == Verdict::Approved { "proposal-approved" } else { "proposal-rejected" });
            known.decision = Some(decision);
        }
    }

    /// Six keys, of which three are kept at most.
    async fn change_request(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let key = Digest::of(&[u8::try_from(self.random.below(6)).unwrap()]);
        if self.random.one_in(2) {
            let answer = (!self.random.one_in(3)).then(|| KeptAnswer { status: 201, sealed: self.random.one_in(2).then(|| "…".to_owned()) });
            store.end_request(tenant, &key, answer.as_ref()).await.unwrap();
            match (expected.requests.get_mut(&key), answer) {
                (Some(known), Some(answer)) => known.answer = Some(answer),
                (Some(_), None) => drop(expected.requests.remove(&key)),
                (None, _) => {}
            }
            return;
        }
        let at = i64::try_from(self.random.below(1_000)).unwrap();
        let one = KeptRequest { key, asked: Digest::of(&[u8::from(self.random.one_in(2))]), at: Timestamp(at), answer: None };
        let since = Timestamp(at - i64::try_from(self.random.below(400)).unwrap());
        expected.requests.retain(|_, known| known.at >= since);
        let claim = match expected.requests.get(&key) {
            Some(known) => Claim::Known(known.clone()),
            None if expected.requests.len() >= 3 => Claim::Full,
            None => {
                expected.requests.insert(key, one.clone());
                Claim::New
            }
        };
        assert_eq!(store.begin_request(tenant, &one, since, 3).await.unwrap(), claim);
    }

    async fn change_secret(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let one = secret(self.random.pick::<&str>(&["smtp", "smtp-2", "s"]), &self.random.below(9).to_string());
        if self.random.one_in(3) {
            let there = expected.secrets.remove(&one.name).is_some();
            assert_eq!(store.remove_secret(tenant, &one.name, Seen::Whatever, &author()).await.unwrap(), there);
            if there {
                expected.deeds.push("secret-removed");
            }
            return;
        }
        store.keep_secret(tenant, &one, Seen::Whatever, &author()).await.unwrap();
        expected.deeds.push("secret-kept");
        expected.secrets.insert(one.name.clone(), one);
    }

    async fn save_probe(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let of = Digest::of(&[u8::try_from(self.random.below(4)).unwrap()]);
        let one = probe(self.random.pick::<&str>(&["wasmtime 48", "wasmtime 49"]), self.random.one_in(2));
        store.save_probe(tenant, &of, &one).await.unwrap();
        expected.probes.insert(of, one);
    }

    async fn change_quarantine(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let at = i64::try_from(self.random.below(1_000)).unwrap();
        let one = quarantine(self.random.pick(&self.policies).clone().as_str(), self.random.pick::<&str>(&["a", "b"]), at);
        let mine = expected.quarantines.entry((one.policy.clone(), one.digest)).or_default();
        let in_force = mine.last_mut().filter(|last| last.is_in_force());
        if self.random.one_in(2) {
            let ended = in_force.map(|last| {
                last.release = Some(release(at));
                last.clone()
            });
            if ended.is_some() {
                expected.deeds.push("released");
            }
            assert_eq!(store.release(tenant, &one.policy, &one.digest, None, &release(at), &author()).await.unwrap(), ended);
        } else {
            assert_eq!(store.quarantine(tenant, &one, &author()).await.unwrap(), in_force.is_none());
            if mine.last().is_none_or(|last| !last.is_in_force()) {
                mine.push(one);
                expected.deeds.push("quarantined");
            }
        }
    }

    async fn begin_run(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let of = self.random.pick(&self.policies).clone();
        let trigger = match self.random.below(3) {
            0 => Trigger::Hand,
            1 => Trigger::Retry,
            _ => Trigger::Schedule(Timestamp(i64::try_from(self.random.below(30)).unwrap())),
        };
        let answer = store.begin_run(tenant, &new_run(of.as_str(), trigger), &author()).await.unwrap();
        let mine: Vec<&Run> = expected.runs.iter().filter(|run| run.policy == of).collect();
        if let Some(open) = mine.iter().find(|run| run.state == RunState::Running) {
            assert_eq!(answer, Begun::Unfinished((*open).clone()));
            return;
        }
        if let Trigger::Schedule(due) = trigger {
            if expected.due.get(&of).is_some_and(|last| *last >= due) {
                assert_eq!(answer, Begun::AlreadyRun);
                return;
            }
            expected.due.insert(of.clone(), due);
        }
        let run = Run {
            id: RunId::new(&of, mine.len() as u64 + 1),
            policy: of.clone(),
            policy_version: 1,
            target_version: 2,
            trigger,
            started_at: Timestamp(100),
            until: match trigger {
                Trigger::Retry => mine.iter().filter(|run| run.state != RunState::Running).map(|run| run.until).max().unwrap_or_default(),
                Trigger::Hand | Trigger::Schedule(_) => expected.arrivals,
            },
            stands_in: None,
            state: RunState::Running,
        };
        assert_eq!(answer, Begun::New(run.clone()));
        expected.runs.push(run);
        expected.deeds.push("run-begun");
    }

    async fn finish_run(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        if expected.runs.is_empty() {
            return;
        }
        let place = usize::try_from(self.random.below(expected.runs.len() as u64)).unwrap();
        let run = &mut expected.runs[place];
        let (at, figures) = (Timestamp(30_000_000 * i64::try_from(self.random.below(9)).unwrap()), summary(&run.id, &run.policy));
        store.finish_run(tenant, &run.id, at, &figures, &Digest::of(run.id.as_str().as_bytes()), &author()).await.unwrap();
        if run.state == RunState::Running {
            run.state = RunState::Finished { at, summary: figures };
            expected.deeds.push("run-ended");
        }
    }

    fn end_of(expected: &Expected, policy: &Name, chat: &ChatKey) -> Option<(u64, Timestamp)> {
        let at = |from| WindowKey::new(policy.clone(), chat.clone(), from);
        let last = expected.windows.range(at(0)..=at(u64::MAX)).rfind(|(key, _)| !key.is_supplement());
        last.map(|(_, window)| (window.to, window.ends_at))
    }

    async fn freeze(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let mut windows = Vec::new();
        let mut answers = Vec::new();
        for _ in 0..self.random.below(4) {
            let (of, chat) = (self.random.pick(&self.policies).clone(), self.random.pick(&self.chats).clone());
            let end = Self::end_of(expected, &of, &chat);
            let from = end.map_or(0, |(to, _)| to) + u64::from(self.random.one_in(4));
            let to = from + self.random.below(5);
            let run = self.random.below(4);
            let mut one = window(of.as_str(), &chat, from, to, RunId::new(&of, run).as_str());
            let mut fits = end.is_none_or(|(to, _)| to == from) && to > from;
            if let Some(before) = self.some_window(expected).filter(|_| self.random.one_in(3)) {
                // The next supplement to a window, or one that leaves one out or is there already.
                let supplement = before.supplement + u32::try_from(self.random.below(3)).unwrap();
                one.to = expected.windows[&before].to + u64::from(self.random.one_in(4));
                one.key = WindowKey { supplement, ..before.clone() };
                // A run has windows of its own policy alone.
                one.run = RunId::new(&before.policy, run);
                one.owed_to = vec!["U1".into()];
                let before = supplement.checked_sub(1).and_then(|number| expected.windows.get(&WindowKey { supplement: number, ..before }));
                let follows = before.is_some_and(|before| before.to == one.to && matches!(before.state, WindowState::Done { .. }));
                fits = follows && !expected.windows.contains_key(&one.key);
            }
            if fits {
                expected.windows.insert(one.key.clone(), one.clone());
            }
            windows.push(one);
            answers.push(fits);
        }
        assert_eq!(store.freeze(tenant, &windows, &[]).await.unwrap(), answers);
    }

    fn some_window(&mut self, expected: &Expected) -> Option<WindowKey> {
        let many = expected.windows.len() as u64;
        (many > 0).then(|| expected.windows.keys().nth(usize::try_from(self.random.below(many)).unwrap()).unwrap().clone())
    }

    async fn settle(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let Some(key) = self.some_window(expected) else { return };
        let state = match self.random.below(3) {
            0 => WindowState::Open,
            1 => held("451"),
            _ => done(),
        };
        store.settle(tenant, &key, &state).await.unwrap();
        expected.windows.get_mut(&key).unwrap().state = state;
    }

    async fn record(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let mut deliveries = Vec::new();
        for _ in 0..self.random.below(4) {
            let Some(key) = self.some_window(expected) else { return };
            let outcome = match self.random.below(8) {
                0 => None,
                1 => Some(accepted()),
                2 => Some(unknown()),
                _ => Some(refused()),
            };
            let (group, part) = (u32::try_from(self.random.below(300)).unwrap(), u32::try_from(self.random.below(3)).unwrap());
            let one = delivery(&key, group, part, outcome);
            expected.deliveries.insert(one.key.clone(), one.clone());
            deliveries.push(one);
        }
        store.record(tenant, &deliveries).await.unwrap();
    }

    async fn refreeze(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let Some(key) = self.some_window(expected) else { return };
        let Some(window) = expected.windows.get_mut(&key) else { return };
        let arrived = expected.deliveries.values().any(|one| one.key.window == key && one.may_have_arrived());
        let anew = Window { policy_version: window.policy_version + 1, ..window.clone() };
        let answer = store.refreeze(tenant, &anew).await;
        if arrived || window.state.held().is_none() {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        } else {
            answer.unwrap();
            *window = anew;
            expected.deliveries.retain(|one, _| one.window != key);
        }
    }
}

/// Prints how to repeat, where a step fails.
pub(crate) struct Told(pub(crate) u64, pub(crate) u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with CONSIGN_STORE_SEED={} CONSIGN_STORE_OPS={}", self.0, self.1);
        }
    }
}

pub(super) async fn against_plain_maps(store: Arc<dyn Store>) {
    let (seed, operations) = seed_and_operations();
    println!("seed {seed}, {operations} operations");
    let _told = Told(seed, operations);
    let mut rehearsal = Rehearsal::new(seed);
    let every = (operations / 20).max(500);
    let calls = Calls::default();
    let store = Counted { store: &*store, calls: &calls };
    for operation in 1..=operations {
        rehearsal.step(&store).await;
        if operation % every == 0 {
            rehearsal.compare(&store).await;
        }
    }
    rehearsal.compare(&store).await;
    calls.all_were_called();
}
