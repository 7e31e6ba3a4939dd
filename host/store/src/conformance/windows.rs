//! Windows, facts and the ledger.

use std::sync::Arc;

use consign_model::{ChatKey, Timestamp, Window, WindowKey, WindowState};

use super::samples::{IDS, accepted, chat_key, delivery, done, facts, held, name, people, refused, unknown, window};
use crate::{NextWindow, Store, StoreError, WindowFilter};

pub(super) async fn a_window_begins_where_the_last_ended(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    assert_eq!(store.next_window(&tenant, &name("p"), &chat).await.unwrap(), None);
    // The first one begins where the policy says.
    let first = window("p", &chat, 5, 10, "p-000001");
    assert_eq!(store.freeze(&tenant, std::slice::from_ref(&first), &[]).await.unwrap(), [true]);
    assert_eq!(store.window(&tenant, &first.key).await.unwrap(), Some(first.clone()));
    let next = store.next_window(&tenant, &name("p"), &chat).await.unwrap();
    assert_eq!(next, Some(NextWindow { from: 10, starts_at: Timestamp(100) }));
    // Again, too early, too late, and empty.
    for (from, to) in [(5, 10), (0, 5), (9, 12), (11, 12), (10, 10), (10, 9)] {
        assert_eq!(store.freeze(&tenant, &[window("p", &chat, from, to, "p-000002")], &[]).await.unwrap(), [false], "{from} to {to}");
    }
    assert_eq!(store.window(&tenant, &first.key).await.unwrap(), Some(first), "one that was refused changes nothing");
    // Each alone, in order, of one chat and of several, and of another policy.
    let windows = [
        window("p", &chat, 10, 11, "p-000002"),
        window("p", &chat, 10, 12, "p-000002"),
        window("p", &chat, 11, 300, "p-000002"),
        window("p2", &chat, 0, 3, "p2-000001"),
        window("p", &chat_key("s", "C"), 0, 1, "p-000002"),
        window("p", &chat, 300, 301, "p-000002"),
    ];
    assert_eq!(store.freeze(&tenant, &windows, &[]).await.unwrap(), [true, false, true, true, true, true]);
    assert_eq!(store.next_window(&tenant, &name("p"), &chat).await.unwrap().unwrap().from, 301);
    assert_eq!(store.next_window(&tenant, &name("p2"), &chat).await.unwrap().unwrap().from, 3);
    assert_eq!(store.next_window(&name("t2"), &name("p"), &chat).await.unwrap(), None);
    assert_eq!(store.freeze(&tenant, &[], &[]).await.unwrap(), Vec::<bool>::new());
}

pub(super) async fn lists_of_windows(store: Arc<dyn Store>) {
    let tenant = name("t");
    let mut keys: Vec<ChatKey> = ["s", "s-a", "sa"].iter().flat_map(|source| IDS.map(|id| chat_key(source, id))).collect();
    keys.sort();
    let mut frozen: Vec<Window> = Vec::new();
    for (run, from) in [("p-000001", 0), ("p-000002", 7), ("p-000003", 300)] {
        let windows: Vec<Window> =
            keys.iter().map(|chat| window("p", chat, from, if from == 0 { 7 } else { 300 + u64::from(from == 300) }, run)).collect();
        assert!(store.freeze(&tenant, &windows, &[]).await.unwrap().iter().all(|one| *one));
        frozen.extend(windows);
    }
    store.freeze(&tenant, &[window("p2", &keys[0], 0, 1, "p2-000001"), window("p-b", &keys[0], 0, 1, "p-b-000001")], &[]).await.unwrap();
    // Two of three are settled.
    for (number, one) in frozen.iter_mut().enumerate() {
        match number % 3 {
            0 => one.state = done(),
            1 => one.state = held("451"),
            _ => continue,
        }
        store.settle(&tenant, &one.key, &one.state).await.unwrap();
    }
    frozen.sort_by(|one, other| one.key.cmp(&other.key));
    let of_run = |run: &str| frozen.iter().filter(|one| one.run.as_str() == run).cloned().collect::<Vec<_>>();
    let unsettled: Vec<Window> = frozen.iter().filter(|one| !matches!(one.state, WindowState::Done { .. })).cloned().collect();
    let of_chat: Vec<Window> = frozen.iter().filter(|one| one.key.chat == keys[4]).cloned().collect();
    for (filter, expected) in [
        (WindowFilter::OfRun(of_run("p-000002").first().unwrap().run.clone()), of_run("p-000002")),
        (WindowFilter::OfRun(of_run("p-000001").first().unwrap().run.clone()), of_run("p-000001")),
        (WindowFilter::Unsettled(name("p")), unsettled),
        (WindowFilter::OfChat(name("p"), keys[4].clone()), of_chat),
        (WindowFilter::OfChat(name("p3"), keys[4].clone()), vec![]),
        (WindowFilter::Unsettled(name("x")), vec![]),
    ] {
        assert_eq!(store.windows(&tenant, &filter, None, usize::MAX).await.unwrap(), expected, "{filter:?}");
        assert!(store.windows(&tenant, &filter, None, 0).await.unwrap().is_empty());
        for limit in [1, 2, 7, 1_000] {
            let mut paged: Vec<Window> = Vec::new();
            loop {
                let page = store.windows(&tenant, &filter, paged.last().map(|last| &last.key), limit).await.unwrap();
                assert!(page.len() <= limit);
                let ended = page.len() < limit;
                paged.extend(page);
                if ended {
                    break;
                }
            }
            assert_eq!(paged, expected, "{filter:?} by pages of {limit}");
        }
    }
}

pub(super) async fn settling(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    let frozen = window("p", &chat, 0, 4, "p-000001");
    store.freeze(&tenant, std::slice::from_ref(&frozen), &[]).await.unwrap();
    let list = WindowFilter::Unsettled(name("p"));
    for state in [held("451"), WindowState::Open, held("452"), done(), done(), held("again"), done()] {
        store.settle(&tenant, &frozen.key, &state).await.unwrap();
        let expected = Window { state: state.clone(), ..frozen.clone() };
        assert_eq!(store.window(&tenant, &frozen.key).await.unwrap(), Some(expected.clone()), "only its state changes");
        let unsettled = store.windows(&tenant, &list, None, 9).await.unwrap();
        assert_eq!(unsettled, if matches!(state, WindowState::Done { .. }) { vec![] } else { vec![expected] });
    }
    let nobody = WindowKey { from: 1, ..frozen.key };
    assert!(store.settle(&tenant, &nobody, &done()).await.is_err(), "nobody froze it");
    assert_eq!(store.window(&tenant, &nobody).await.unwrap(), None);
    assert_eq!(store.next_window(&tenant, &name("p"), &chat).await.unwrap().unwrap().from, 4, "settling moves nothing");
}

pub(super) async fn facts_by_digest(store: Arc<dyn Store>) {
    let tenant = name("t");
    let digest = store.save_facts(&tenant, &facts("rates")).await.unwrap();
    assert_eq!(digest, facts("rates").digest());
    assert_eq!(store.save_facts(&tenant, &facts("rates")).await.unwrap(), digest);
    let other = store.save_facts(&tenant, &facts("rates 2")).await.unwrap();
    assert_ne!(digest, other);
    assert_eq!(store.facts(&tenant, &digest).await.unwrap(), Some(facts("rates")));
    assert_eq!(store.facts(&name("t2"), &digest).await.unwrap(), None);
    for many in [0, 1, 2, 3, 40, 700] {
        let mut facts = people(many);
        // One of them may have a lot to say of himself.
        if let Some(one) = facts.participants.get_mut(1) {
            one.user.name = "long\n".repeat(many * 1_000);
        }
        let digest = store.save_facts(&tenant, &facts).await.unwrap();
        assert_eq!(store.facts(&tenant, &digest).await.unwrap(), Some(facts), "{many} people");
    }
}

pub(super) async fn facts_come_with_their_windows(store: Arc<dyn Store>) {
    let tenant = name("t");
    let facts = [facts("rates"), people(300), facts("rates 2")].map(Arc::new);
    let windows: Vec<Window> = facts
        .iter()
        .enumerate()
        .map(|(at, facts)| Window { facts: facts.digest(), ..window("p", &chat_key("s", &format!("C{at}")), 0, 1, "p-000001") })
        .collect();
    // One of them is there already.
    store.save_facts(&tenant, &facts[1]).await.unwrap();
    assert_eq!(store.freeze(&tenant, &windows, &facts).await.unwrap(), [true; 3]);
    for (window, facts) in windows.iter().zip(&facts) {
        assert_eq!(store.facts(&tenant, &window.facts).await.unwrap().as_ref(), Some(facts.as_ref()));
    }
    // Of windows that somebody else has frozen nothing is lost either.
    assert_eq!(store.freeze(&tenant, &windows, &facts).await.unwrap(), [false; 3]);
}

pub(super) async fn the_ledger(store: Arc<dyn Store>) {
    let tenant = name("t");
    let (first, second) = (window("p", &chat_key("s", "C"), 0, 256, "p-000001"), window("p", &chat_key("s", "C"), 256, 300, "p-000001"));
    let (one, other) = (first.key.clone(), second.key.clone());
    assert_eq!(store.freeze(&tenant, &[first.clone(), second.clone()], &[]).await.unwrap(), [true, true]);
    let open = store.refreeze(&tenant, &first).await;
    assert!(matches!(open, Err(StoreError::Conflict { .. })), "an open window is at work: {open:?}");
    for key in [&one, &other] {
        store.settle(&tenant, key, &held("550")).await.unwrap();
    }
    let mut expected = Vec::new();
    for group in [0, 1, 255, 256] {
        for part in [1, 2, 256] {
            expected.push(delivery(&one, group, part, Some(refused())));
        }
    }
    let mut shuffled = expected.clone();
    shuffled.reverse();
    store.record(&tenant, &shuffled).await.unwrap();
    assert_eq!(store.deliveries(&tenant, &one).await.unwrap(), expected, "by group and part");
    assert!(store.deliveries(&tenant, &other).await.unwrap().is_empty());
    for one in &expected {
        assert_eq!(store.delivery(&tenant, &one.message_id).await.unwrap().as_ref(), Some(one));
        assert_eq!(store.delivery(&name("t2"), &one.message_id).await.unwrap(), None, "another tenant's");
    }
    assert_eq!(store.delivery(&tenant, "nobody@consign").await.unwrap(), None);
    // Written again with what became of it.
    let last = expected.last_mut().unwrap();
    for outcome in [None, Some(unknown()), Some(accepted())] {
        *last = delivery(&one, 256, 256, outcome.clone());
        store.record(&tenant, std::slice::from_ref(last)).await.unwrap();
        let refused = store.refreeze(&tenant, &first).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{outcome:?} may have arrived: {refused:?}");
    }
    assert_eq!(store.deliveries(&tenant, &one).await.unwrap(), expected);
    // What nobody can have got is forgotten, of this window only.
    store.record(&tenant, &[delivery(&other, 0, 1, Some(refused())), delivery(&other, 1, 1, Some(refused()))]).await.unwrap();
    let anew = Window { policy_version: 2, target_version: 3, run: first.run.clone(), to: 1, ..second.clone() };
    store.refreeze(&tenant, &anew).await.unwrap();
    assert!(store.deliveries(&tenant, &other).await.unwrap().is_empty());
    assert_eq!(store.delivery(&tenant, &delivery(&other, 1, 1, None).message_id).await.unwrap(), None);
    assert_eq!(store.delivery(&tenant, &expected.last().unwrap().message_id).await.unwrap().as_ref(), expected.last());
    assert_eq!(store.deliveries(&tenant, &one).await.unwrap(), expected);
    let expected = Window { policy_version: 2, target_version: 3, state: held("550"), ..second };
    assert_eq!(store.window(&tenant, &other).await.unwrap(), Some(expected), "its positions stay");
    store.refreeze(&tenant, &anew).await.unwrap();
    store.record(&tenant, &[]).await.unwrap();
}
