//! Rules, holds, and segments that lose events.

use std::sync::Arc;

use consign_model::audit::{Deed, Deletion, Entry, SignedEntry};
use consign_model::keeping::{Gone, Hold, Keeping, Rule};
use consign_model::{Digest, Span, Timestamp};

use super::samples::{arrival, author, chat_key, name, segment};
use crate::{Decided, Replaced, SegmentRecord, Store, StoreError};

async fn deeds(store: &dyn Store) -> Vec<Deed> {
    let lines = store.audit(&name("t"), 0, 100).await.unwrap();
    let entry = |line: &str| serde_json::from_str::<SignedEntry>(line).and_then(|signed| serde_json::from_str::<Entry>(signed.entry.get())).unwrap();
    lines.iter().map(|one| entry(&one.line).deed).collect()
}

pub(super) async fn rules_and_holds_by_version(store: Arc<dyn Store>) {
    let (tenant, by) = (name("t"), author());
    assert_eq!(store.keeping(&tenant).await.unwrap(), Keeping::default());
    let rule = Rule { source: None, keep: Span(std::time::Duration::from_hours(24)), counted_from: consign_model::keeping::CountedFrom::Export };
    let first = Keeping::default().with_rules(vec![rule]).unwrap();
    store.put_keeping(&tenant, &first, &by).await.unwrap();
    let (from, until, placed_at) = (Some(Timestamp(1)), None, Timestamp(9));
    let hold = Hold { name: name("matter"), reason: "a matter".into(), source: Some(name("s")), chat: None, user: None, from, until, placed_at };
    let second = first.with_hold(hold.clone()).unwrap();
    store.put_keeping(&tenant, &second, &by).await.unwrap();
    for stale in [&first, &second, &Keeping { version: 4, ..second.clone() }] {
        assert!(matches!(store.put_keeping(&tenant, stale, &by).await, Err(StoreError::Conflict { .. })));
    }
    assert_eq!(store.keeping(&tenant).await.unwrap(), second);
    assert_eq!(store.keeping(&name("u")).await.unwrap(), Keeping::default(), "another tenant's");
    let third = second.without_hold(&name("matter")).unwrap();
    store.put_keeping(&tenant, &third, &by).await.unwrap();
    let told = deeds(store.as_ref()).await;
    let changed = |version, placed, lifted| Deed::KeepingChanged { version, rules: first.rules.clone(), placed, lifted };
    assert_eq!(told, [changed(1, vec![], vec![]), changed(2, vec![hold], vec![]), changed(3, vec![], vec![name("matter")])]);
}

pub(super) async fn segments_lose_events_once(store: Arc<dyn Store>) {
    let (tenant, chat, by) = (name("t"), chat_key("s", "C1"), author());
    let mut one = arrival(&chat, 0, 5);
    one.segments = vec![SegmentRecord { row: Some(70), ..segment(0, 3) }, segment(3, 2)];
    store.commit(&tenant, &[one]).await.unwrap();
    let before = store.segments(&tenant, &chat, 0).await.unwrap();
    let [first, second] = before.as_slice() else { panic!("two segments") };
    let gone = |rows: &[u32]| Some(Gone::of(rows.iter().copied(), None));
    let less = SegmentRecord { path: "less".into(), digest: Digest::of(b"less"), row: Some(2), gone: gone(&[1]), ..first.clone() };
    let none = SegmentRecord { path: "none".into(), digest: Digest::of(b"none"), gone: gone(&[0, 1]), ..second.clone() };
    let put = |was: &SegmentRecord, now: &SegmentRecord| Replaced { chat: chat.clone(), was: was.clone(), now: now.clone() };
    let replace = async |replaced: &[Replaced], keeping| {
        let decided = Decided { why: Deletion::Retention, keeping };
        store.replace_segments(&tenant, replaced, &["file".to_owned()], &decided, &by).await
    };
    let refused = [
        (vec![put(first, &less)], 1),
        (vec![put(&SegmentRecord { row: Some(7), ..first.clone() }, &less)], 0),
        (vec![put(first, &SegmentRecord { events: 4, ..less.clone() })], 0),
        (vec![put(first, &SegmentRecord { arrival: 4, ..less.clone() })], 0),
        (vec![put(first, &less), put(second, &SegmentRecord { first: 4, ..none.clone() })], 0),
    ];
    for (at, (replaced, keeping)) in refused.iter().enumerate() {
        let answer = replace(replaced, *keeping).await;
        assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{at}: {answer:?}");
    }
    assert_eq!(store.segments(&tenant, &chat, 0).await.unwrap(), before);
    assert!(store.leftovers(&tenant, 10).await.unwrap().is_empty() && deeds(store.as_ref()).await.is_empty());
    replace(&[put(first, &less), put(second, &none)], 0).await.unwrap();
    assert_eq!(store.segments(&tenant, &chat, 0).await.unwrap(), [less.clone(), none.clone()]);
    let mut files = consign_model::id::Hasher::default();
    files.update(&first.digest.0);
    files.update(&second.digest.0);
    let told = Deed::EventsDeleted { why: Deletion::Retention, keeping: 0, events: 3, chats: 1, files: files.finish() };
    assert_eq!(deeds(store.as_ref()).await, [told]);
    assert_eq!(store.leftovers(&tenant, 10).await.unwrap(), ["file".to_owned(), first.path.clone(), second.path.clone()]);
    assert_eq!(store.leftovers(&tenant, 1).await.unwrap(), ["file"]);
    store.forget_leftover(&tenant, "file").await.unwrap();
    store.forget_leftover(&tenant, &first.path).await.unwrap();
    store.forget_leftover(&tenant, &first.path).await.unwrap();
    assert_eq!(store.leftovers(&tenant, 10).await.unwrap(), std::slice::from_ref(&second.path));
    // What is gone does not come back.
    assert!(matches!(replace(&[put(&less, first)], 0).await, Err(StoreError::Conflict { .. })));
    // Another file of the same events is no deletion.
    replace(&[put(&none, &SegmentRecord { path: "moved".into(), ..none.clone() })], 0).await.unwrap();
    assert_eq!(deeds(store.as_ref()).await.len(), 1);
}
