//! What the store answers, beside what the maps say: a few questions with random bounds after any operation, and everything now and then.

use std::collections::{BTreeMap, BTreeSet};

use consign_model::run::DayFigures;
use consign_model::source::Capture;
use consign_model::{
    ChatKey, Delivery, Digest, EventHash, Member, Name, Quarantine, Run, RunId, RunState, TenantId, Timestamp, WantedFile, WantedKey, WantedKind,
    Window, WindowKey, WindowState,
};

use super::{Expected, Rehearsal};
use crate::conformance::samples::{IDS, hash, identity_map, people, policy, target};
use crate::{Copies, ModuleRecord, NextWindow, Progress, Store, WantedFilter, WindowFilter};

impl Rehearsal {
    /// A few questions with random bounds.
    pub(super) async fn ask(&mut self, store: &dyn Store, tenant: &TenantId, expected: &Expected) {
        let chat = self.random.pick(&self.chats).clone();
        let hashes: Vec<EventHash> = (0..self.random.below(300)).map(|_| hash(self.random.below(4_000))).collect();
        let contents: Vec<_> = hashes.iter().map(|hash| expected.contents.get(&(chat.clone(), *hash)).copied()).collect();
        assert_eq!(store.known_events(tenant, &chat, &hashes).await.unwrap(), contents);

        let user = *self.random.pick(&IDS);
        let copies = expected.copies.get(&(chat.clone(), user.to_owned())).filter(|events| !events.is_empty());
        let copies: Vec<_> = copies.into_iter().map(|events| Copies { user: user.to_owned(), events: events.iter().copied().collect() }).collect();
        assert_eq!(store.copies(tenant, &chat, Some(user)).await.unwrap(), copies);

        let total = expected.chats.get(&chat).map_or(0, |chat| chat.events);
        let from = self.random.below(total + 2);
        let all = expected.segments.get(&chat).map(Vec::as_slice).unwrap_or_default();
        let segments: Vec<_> = all.iter().filter(|segment| segment.first + u64::from(segment.events) > from).cloned().collect();
        assert_eq!(store.segments(tenant, &chat, from).await.unwrap(), segments);

        let (after, limit) = (self.random.below(expected.arrivals + 2), self.random.below(5) + 1);
        let some = |all: BTreeSet<(u64, ChatKey)>| -> Vec<(u64, ChatKey)> {
            let newer: BTreeSet<_> = all.into_iter().filter(|(arrival, _)| *arrival > after).collect();
            let last = newer.iter().nth(usize::try_from(limit).unwrap() - 1).map_or(u64::MAX, |(arrival, _)| *arrival);
            newer.into_iter().filter(|(arrival, _)| *arrival <= last).collect()
        };
        let arrived = expected.segments.iter().filter_map(|(key, segments)| Some((segments.last()?.arrival, key.clone()))).collect();
        assert_eq!(store.chats_arrived(tenant, after, usize::try_from(limit).unwrap()).await.unwrap(), some(arrived));
        let learned = expected.learned.iter().map(|(key, arrival)| (*arrival, key.clone())).collect();
        assert_eq!(store.chats_learned(tenant, after, usize::try_from(limit).unwrap()).await.unwrap(), some(learned));

        let of = self.random.pick(&self.policies).clone();
        for (newest, is_target) in [(expected.policies.get(&of), false), (expected.targets.get(&of), true)] {
            let version = u32::try_from(self.random.below(6)).unwrap();
            let there = (1..=newest.copied().unwrap_or(0)).contains(&version);
            if is_target {
                assert_eq!(store.target(tenant, &of, Some(version)).await.unwrap(), there.then(|| target(of.as_str(), version)));
            } else {
                assert_eq!(store.policy(tenant, &of, Some(version)).await.unwrap(), there.then(|| policy(of.as_str(), version)));
            }
        }
        let id = RunId::new(&of, self.random.below(6));
        assert_eq!(store.run(tenant, &id).await.unwrap().as_ref(), expected.runs.iter().find(|run| run.id == id));
        let key =
            WindowKey { supplement: u32::try_from(self.random.below(3)).unwrap(), ..WindowKey::new(of.clone(), chat.clone(), self.random.below(20)) };
        assert_eq!(store.window(tenant, &key).await.unwrap().as_ref(), expected.windows.get(&key));
        let digest = people(usize::try_from(self.random.below(200)).unwrap()).digest();
        assert_eq!(store.facts(tenant, &digest).await.unwrap().as_ref(), expected.facts.get(&digest));

        self.ask_wanted(store, tenant, expected).await;
        let filter = match self.random.below(4) {
            0 => WindowFilter::OfRun(RunId::new(&of, self.random.below(4))),
            1 => WindowFilter::Unsettled(of),
            2 => WindowFilter::Supplements(of, chat),
            _ => WindowFilter::OfChat(of, chat),
        };
        let after = self.some_window(expected);
        let limit = usize::try_from(self.random.below(6)).unwrap();
        let listed = Self::listed(expected, &filter, after.as_ref(), limit);
        assert_eq!(store.windows(tenant, &filter, after.as_ref(), limit).await.unwrap(), listed, "{filter:?}");
    }

    /// Pages of wanted files, by both lists.
    async fn ask_wanted(&mut self, store: &dyn Store, tenant: &TenantId, expected: &Expected) {
        let chat = self.random.pick(&self.chats).clone();
        let kind = match self.random.below(4) {
            0 => None,
            place => WantedKind::ALL.get(usize::try_from(place).unwrap() - 1).copied(),
        };
        let filter = WantedFilter { source: chat.source.clone(), kind };
        let after = self.random.one_in(2).then(|| WantedKey { chat: self.random.pick(&self.chats).clone(), file: hash(self.random.below(40)) });
        let limit = usize::try_from(self.random.below(6)).unwrap();
        let fits = |file: &&WantedFile| {
            file.key.chat.source == filter.source
                && kind.is_none_or(|kind| file.state.kind() == kind)
                && after.as_ref().is_none_or(|after| file.key > *after)
        };
        let page: Vec<_> = expected.wanted.values().filter(fits).take(limit).cloned().collect();
        assert_eq!(store.wanted(tenant, &filter, after.as_ref(), limit).await.unwrap(), page, "{filter:?} after {after:?}");

        let place = |file: &WantedFile| Some((file.state.due()?, file.key.chat.id.clone(), file.position, file.place, file.key.file));
        let mut due: Vec<WantedFile> =
            expected.wanted.values().filter(|file| file.key.chat.source == chat.source && file.state.due().is_some()).cloned().collect();
        due.sort_by_key(place);
        let many = u64::try_from(due.len()).unwrap();
        let after = (many > 0 && self.random.one_in(2)).then(|| due[usize::try_from(self.random.below(many)).unwrap()].clone());
        let until = Timestamp(i64::try_from(self.random.below(11)).unwrap());
        let is_next = |file: &&WantedFile| file.state.due() <= Some(until) && after.as_ref().is_none_or(|after| place(file) > place(after));
        let page: Vec<_> = due.iter().filter(is_next).take(limit).cloned().collect();
        assert_eq!(store.wanted_due(tenant, &chat.source, until, after.as_ref(), limit).await.unwrap(), page, "until {until:?} after {after:?}");
    }

    fn listed(expected: &Expected, filter: &WindowFilter, after: Option<&WindowKey>, limit: usize) -> Vec<Window> {
        let fits = |window: &&Window| match filter {
            WindowFilter::OfRun(run) => window.run == *run,
            WindowFilter::Unsettled(policy) => window.key.policy == *policy && !matches!(window.state, WindowState::Done { .. }),
            WindowFilter::OfChat(policy, chat) => window.key.base() == window.key && window.key.policy == *policy && window.key.chat == *chat,
            WindowFilter::Supplements(policy, chat) => window.key.is_supplement() && window.key.policy == *policy && window.key.chat == *chat,
        };
        let place = |key: &WindowKey| match filter {
            WindowFilter::OfChat(..) | WindowFilter::Supplements(..) => (None, key.from, key.supplement),
            _ => (Some(key.chat.clone()), key.from, key.supplement),
        };
        let mut found: Vec<Window> = expected.windows.values().filter(fits).cloned().collect();
        found.sort_by_key(|window| place(&window.key));
        found.into_iter().filter(|window| after.is_none_or(|after| place(&window.key) > place(after))).take(limit).collect()
    }

    /// All wanted files.
    async fn compare_wanted(&self, store: &dyn Store, tenant: &TenantId, expected: &Expected) {
        for source in self.chats.iter().map(|chat| chat.source.clone()).collect::<BTreeSet<_>>() {
            let all: Vec<_> = expected.wanted.values().filter(|file| file.key.chat.source == source).cloned().collect();
            assert_eq!(store.wanted(tenant, &WantedFilter { source: source.clone(), kind: None }, None, usize::MAX).await.unwrap(), all);
            let due = store.wanted_due(tenant, &source, Timestamp::MAX, None, usize::MAX).await.unwrap();
            assert_eq!(due.len(), all.iter().filter(|file| file.state.due().is_some()).count());
        }
    }

    async fn compare_runs(store: &dyn Store, tenant: &TenantId, expected: &Expected) {
        let mut runs = store.runs(tenant, None, usize::MAX).await.unwrap();
        runs.reverse();
        assert_eq!(runs, expected.runs);
        let mut paged = store.runs_before(tenant, None, None, runs.len() / 2).await.unwrap();
        paged.extend(store.runs_before(tenant, None, paged.last().map(|(place, _)| *place), usize::MAX).await.unwrap());
        let paged: Vec<Run> = paged.into_iter().map(|(_, run)| run).rev().collect();
        assert_eq!(paged, runs);
        let mut days: BTreeMap<Timestamp, DayFigures> = BTreeMap::new();
        for run in &expected.runs {
            if let RunState::Finished { at, summary } = &run.state {
                days.entry(Timestamp(at.0 - at.0 % 86_400_000)).or_default().add(summary);
            }
        }
        for (day, bytes) in &expected.stored {
            days.entry(*day).or_default().stored = *bytes;
        }
        assert_eq!(store.days(tenant, Timestamp(0), Timestamp::MAX).await.unwrap(), days.into_iter().collect::<Vec<_>>());
    }

    async fn compare_tokens(&self, store: &dyn Store, tenant: &TenantId, expected: &Expected) {
        for text in 0..6 {
            let hash = Digest::of(&[text]);
            assert_eq!(store.session(tenant, &hash).await.unwrap().as_ref(), expected.sessions.get(&hash));
        }
        let tokens: Vec<_> = expected.tokens.values().cloned().collect();
        for token in &tokens {
            assert_eq!(store.token_of(&token.hash).await.unwrap(), Some((tenant.clone(), token.clone())));
        }
        assert_eq!(store.tokens(tenant).await.unwrap(), tokens);
        assert_eq!(store.two_people(tenant).await.unwrap(), expected.two_people);
        assert_eq!(store.proposals(tenant).await.unwrap(), expected.proposals.values().cloned().collect::<Vec<_>>());
        assert_eq!(store.secrets(tenant).await.unwrap(), expected.secrets.values().cloned().collect::<Vec<_>>());
        let name = super::super::samples::name("smtp");
        assert_eq!(store.secret(tenant, &name).await.unwrap().as_ref(), expected.secrets.get(&name));
        let tenants: Vec<TenantId> = self.expected.iter().filter(|(_, held)| held.tenant.is_some()).map(|(tenant, _)| tenant.clone()).collect();
        assert_eq!(store.tenants(None, usize::MAX).await.unwrap(), tenants);
    }

    /// Everything, compared.
    pub(crate) async fn compare(&self, store: &dyn Store) {
        let nothing = Expected::default();
        for tenant in &self.tenants {
            let expected = self.expected.get(tenant).unwrap_or(&nothing);
            assert_eq!(store.newest_arrival(tenant).await.unwrap(), expected.arrivals);
            assert_eq!(store.audit_head(tenant).await.unwrap().map_or(0, |head| head.seq), expected.deeds.len() as u64);
            let deeds: Vec<String> = crate::conformance::audit::log(store, tenant).await.iter().map(crate::conformance::audit::word).collect();
            assert_eq!(deeds, expected.deeds);
            assert_eq!(store.tenant_keys(tenant).await.unwrap(), expected.tenant);
            self.compare_tokens(store, tenant, expected).await;
            assert_eq!(store.sources(tenant).await.unwrap(), expected.sources.values().cloned().collect::<Vec<_>>());
            let newest = |versions: &BTreeMap<Name, u32>| {
                let saved = versions.iter().filter(|(_, version)| **version > 0);
                saved.map(|(name, version)| (name.clone(), *version)).collect::<Vec<_>>()
            };
            let targets: Vec<_> = newest(&expected.targets).iter().map(|(name, version)| target(name.as_str(), *version)).collect();
            assert_eq!(store.targets(tenant).await.unwrap(), targets);
            let policies: Vec<_> = newest(&expected.policies).iter().map(|(name, version)| policy(name.as_str(), *version)).collect();
            assert_eq!(store.policies(tenant).await.unwrap(), policies);
            for (digest, facts) in &expected.facts {
                assert_eq!(store.facts(tenant, digest).await.unwrap().as_ref(), Some(facts));
            }
            for ((source, id), user) in &expected.users {
                assert_eq!(store.users(tenant, source, std::slice::from_ref(id)).await.unwrap(), [Some(user.clone())]);
            }
            let map = (expected.identity_version > 0)
                .then(|| identity_map(expected.identity_version, &expected.identities.values().cloned().collect::<Vec<_>>()));
            assert_eq!(store.identity_map(tenant).await.unwrap(), map);
            assert_eq!(store.all_identities(tenant).await.unwrap(), expected.identities.values().cloned().collect::<Vec<_>>());
            for source in self.chats.iter().map(|chat| &chat.source) {
                let ids = IDS.map(str::to_owned);
                let identities: Vec<_> = ids.iter().map(|id| expected.identities.get(&(source.clone(), id.clone())).cloned()).collect();
                assert_eq!(store.identities(tenant, source, &ids).await.unwrap(), identities);
                let users: Vec<_> = expected.users.iter().filter(|((of, _), _)| of == source).map(|(_, user)| user.clone()).collect();
                for (place, after) in [None].into_iter().chain(users.iter().map(|user| Some(user.id.as_str()))).enumerate() {
                    let page: Vec<_> = users.iter().skip(place).take(2).cloned().collect();
                    assert_eq!(store.users_after(tenant, source, after, 2).await.unwrap(), page);
                }
            }
            for chat in &self.chats {
                assert_eq!(store.chat(tenant, chat).await.unwrap().as_ref(), expected.chats.get(chat));
                assert_eq!(store.segments(tenant, chat, 0).await.unwrap(), expected.segments.get(chat).cloned().unwrap_or_default());
                let members: Vec<Member> = expected.members.iter().filter(|((of, _), _)| of == chat).map(|(_, member)| member.clone()).collect();
                assert_eq!(store.members(tenant, chat).await.unwrap(), members);
                let of_chat = expected.copies.iter().filter(|((of, _), events)| of == chat && !events.is_empty());
                let copies = of_chat.map(|((_, user), events)| Copies { user: user.clone(), events: events.iter().copied().collect() });
                assert_eq!(store.copies(tenant, chat, None).await.unwrap(), copies.collect::<Vec<_>>());
                pulls(expected, store, tenant, &chat.source).await;
                let hashes: Vec<EventHash> = (0..4_000).map(hash).collect();
                let contents: Vec<_> = hashes.iter().map(|hash| expected.contents.get(&(chat.clone(), *hash)).copied()).collect();
                assert_eq!(store.known_events(tenant, chat, &hashes).await.unwrap(), contents);
            }
            let modules: Vec<ModuleRecord> = expected.modules.values().cloned().collect();
            assert_eq!(store.modules(tenant).await.unwrap(), modules);
            for module in &modules {
                assert_eq!(store.module(tenant, &module.digest).await.unwrap().as_ref(), Some(module));
            }
            assert_eq!(store.module_keys(tenant).await.unwrap(), expected.keys.values().cloned().collect::<Vec<_>>());
            for (of, probe) in &expected.probes {
                assert_eq!(store.probe(tenant, of).await.unwrap().as_ref(), Some(probe));
            }
            let quarantines: Vec<Quarantine> = expected.quarantines.values().flatten().cloned().collect();
            assert_eq!(store.quarantines(tenant, None).await.unwrap(), quarantines);
            for of in &self.policies {
                let mine: Vec<Quarantine> = quarantines.iter().filter(|one| one.policy == *of).cloned().collect();
                assert_eq!(store.quarantines(tenant, Some(of)).await.unwrap(), mine);
                let version = expected.policies.get(of).copied().unwrap_or(0);
                assert_eq!(store.policy(tenant, of, None).await.unwrap(), (version > 0).then(|| policy(of.as_str(), version)));
                let mine: Vec<&Run> = expected.runs.iter().filter(|run| run.policy == *of).collect();
                let ended = mine.iter().rfind(|run| run.state != RunState::Running);
                let progress = Progress {
                    runs: mine.len() as u64,
                    cursor: ended.map_or(0, |run| run.until),
                    manifest: ended.map(|run| Digest::of(run.id.as_str().as_bytes())),
                    last_due: expected.due.get(of).copied(),
                };
                assert_eq!(store.progress(tenant, of).await.unwrap(), progress);
                for filter in [WindowFilter::Unsettled(of.clone()), WindowFilter::OfRun(RunId::new(of, 1))] {
                    let listed = Self::listed(expected, &filter, None, usize::MAX);
                    assert_eq!(store.windows(tenant, &filter, None, usize::MAX).await.unwrap(), listed);
                }
                for chat in &self.chats {
                    let next = Self::end_of(expected, of, chat).map(|(from, starts_at)| NextWindow { from, starts_at });
                    assert_eq!(store.next_window(tenant, of, chat).await.unwrap(), next);
                }
            }
            Self::compare_keeping(store, tenant, expected).await;
            self.compare_wanted(store, tenant, expected).await;
            Self::compare_runs(store, tenant, expected).await;
            let mut deliveries: BTreeMap<&WindowKey, Vec<Delivery>> = BTreeMap::new();
            for one in expected.deliveries.values() {
                assert_eq!(store.delivery(tenant, &one.message_id).await.unwrap().as_ref(), Some(one));
                deliveries.entry(&one.key.window).or_default().push(one.clone());
            }
            for key in expected.windows.keys() {
                assert_eq!(store.deliveries(tenant, key).await.unwrap(), deliveries.remove(key).unwrap_or_default());
            }
        }
    }
}

/// How far a source was pulled, and what of its users' own exports was read.
async fn pulls(expected: &Expected, store: &dyn Store, tenant: &TenantId, source: &Name) {
    let captures = expected.captures.iter().filter(|((of, ..), _)| of == source);
    let captures = captures.map(|((_, user, from), until)| Capture { user: user.clone(), from: *from, until: *until });
    assert_eq!(store.captures(tenant, source).await.unwrap(), captures.collect::<Vec<_>>());
    let cursors = expected.pull_cursors.iter().filter(|((of, _), _)| of == source).map(|(_, cursor)| cursor.clone());
    assert_eq!(store.pull_cursors(tenant, source).await.unwrap(), cursors.collect::<Vec<_>>());
}
