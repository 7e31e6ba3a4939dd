//! Rules and holds, and events that go.

use consign_model::audit::Deletion;
use consign_model::keeping::{Gone, Hold, Keeping};
use consign_model::{Digest, TenantId, Timestamp};

use super::super::samples::{author, name};
use super::{Expected, Rehearsal};
use crate::{Decided, Replaced, SegmentRecord, Store, StoreError};

impl Rehearsal {
    pub(super) async fn change_keeping(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        self.note_stored(store, tenant, expected).await;
        let called = name(self.random.pick::<&str>(&["a", "b", "c"]));
        let (source, chat, user, from, until) = (None, None, None, None, None);
        let hold = Hold { name: called.clone(), reason: "matter".into(), source, chat, user, from, until, placed_at: Timestamp(1) };
        let next = match expected.keeping.with_hold(hold) {
            Ok(next) => next,
            Err(_) => expected.keeping.without_hold(&called).unwrap(),
        };
        let wrong = self.random.one_in(4);
        let next = Keeping { version: next.version + u32::from(wrong), ..next };
        let answer = store.put_keeping(tenant, &next, &author()).await;
        if wrong {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        } else {
            answer.unwrap();
            expected.keeping = next;
            expected.deeds.push("keeping-changed");
        }
        assert_eq!(store.keeping(tenant).await.unwrap(), expected.keeping);
    }

    /// Bytes that were seen of a day's archive.
    async fn note_stored(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let (at, bytes) = (Timestamp(i64::try_from(self.random.below(5 * 86_400_000)).unwrap()), self.random.below(1_000));
        store.note_stored(tenant, at, bytes).await.unwrap();
        let most = expected.stored.entry(Timestamp(at.0 - at.0 % 86_400_000)).or_default();
        *most = bytes.max(*most);
    }

    pub(super) async fn delete_events(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let chat = self.random.pick(&self.chats).clone();
        let keeping = expected.keeping.version + u32::from(self.random.one_in(6));
        let Some(segments) = expected.segments.get_mut(&chat).filter(|segments| !segments.is_empty()) else { return };
        let at = usize::try_from(self.random.below(segments.len() as u64)).unwrap();
        let Some(was) = segments.get_mut(at) else { return };
        let before = was.gone.clone().unwrap_or_default();
        let rows: Vec<u32> = (0..was.events).filter(|row| before.has(*row) || self.random.one_in(2)).collect();
        let number = self.random.below(1_000);
        let (path, digest) = (format!("less-{number}"), Digest::of(&number.to_be_bytes()));
        let gone = Some(Gone::of(rows, None)).filter(|gone| gone.count() > 0);
        let now = SegmentRecord { path, digest, gone, also_in: None, ..was.clone() };
        let stale = self.random.one_in(6);
        let named = if stale { SegmentRecord { first: was.first + 1_000, ..was.clone() } } else { was.clone() };
        let replaced = [Replaced { chat, was: named, now: now.clone() }];
        let others: Vec<String> = (0..self.random.below(3)).map(|number| format!("attachment-{number}")).collect();
        let decided = Decided { why: Deletion::Retention, keeping };
        let answer = store.replace_segments(tenant, &replaced, &others, &decided, &author()).await;
        if stale || keeping != expected.keeping.version {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
            return;
        }
        answer.unwrap();
        if now.gone.as_ref().map_or(0, Gone::count) > before.count() {
            expected.deeds.push("events-deleted");
        }
        let files = [Some(was.path.clone()), was.also_in.as_ref().map(|(path, _)| path.clone())];
        expected.leftovers.extend(files.into_iter().flatten().filter(|path| *path != now.path));
        expected.leftovers.extend(others);
        *was = now;
        if self.random.one_in(2)
            && let Some(path) = expected.leftovers.pop_first()
        {
            store.forget_leftover(tenant, &path).await.unwrap();
        }
        let limit = usize::try_from(self.random.below(5)).unwrap();
        let left: Vec<String> = expected.leftovers.iter().take(limit).cloned().collect();
        assert_eq!(store.leftovers(tenant, limit).await.unwrap(), left);
    }

    pub(super) async fn compare_keeping(store: &dyn Store, tenant: &TenantId, expected: &Expected) {
        assert_eq!(store.keeping(tenant).await.unwrap(), expected.keeping);
        assert_eq!(store.quotas(tenant).await.unwrap(), expected.quotas);
        assert_eq!(store.leftovers(tenant, usize::MAX).await.unwrap(), expected.leftovers.iter().cloned().collect::<Vec<_>>());
    }
}
