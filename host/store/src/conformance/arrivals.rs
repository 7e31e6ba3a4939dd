//! Tenants, sources, users, and what arrives.

use std::sync::Arc;

use consign_model::source::Capture;
use consign_model::{ChatKey, Digest, EventHash, FormerName, MoveKind, Reason, Timestamp, User, WantedKey, WantedKind, WantedState};

use super::samples::{IDS, arrival, author, chat_key, hash, identity, keys, member, name, segment, source, user, wanted};
use crate::{PullCursor, SegmentRecord, Store, StoreError, WantedFilter};

pub(super) async fn tenants_keep_their_first_keys(store: Arc<dyn Store>) {
    let tenant = name("t");
    assert_eq!(store.tenant_keys(&tenant).await.unwrap(), None);
    assert_eq!(store.create_tenant(&tenant, &keys("one"), &author()).await.unwrap(), keys("one"));
    assert_eq!(store.create_tenant(&tenant, &keys("two"), &author()).await.unwrap(), keys("one"), "its own keys come back");
    assert_eq!(store.tenant_keys(&tenant).await.unwrap(), Some(keys("one")));
    assert_eq!(store.tenant_keys(&name("t.2")).await.unwrap(), None);
}

pub(super) async fn sources_and_users(store: Arc<dyn Store>) {
    let tenant = name("t");
    for text in ["b", "a.b", "a", "a-b"] {
        store.begin_import(&tenant, &source(text), "file", &author()).await.unwrap();
    }
    let mut other = source("a");
    other.format = "slack".into();
    store.begin_import(&tenant, &other, "file", &author()).await.unwrap();
    let sources = store.sources(&tenant).await.unwrap();
    assert_eq!(sources.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "a-b", "a.b", "b"]);
    assert_eq!(sources.first().unwrap().format, "jsonl", "one that is there stays as it is");
    assert!(store.sources(&name("t2")).await.unwrap().is_empty());

    let users: Vec<User> = IDS.iter().map(|id| user(id, "Ann")).collect();
    let many = u64::try_from(users.len()).unwrap();
    let put = async |users: &[User], now: i64| store.put_users(&tenant, &name("a"), users, Timestamp(now)).await.unwrap();
    assert_eq!(put(&users, 1).await, many);
    assert_eq!(put(&users, 2).await, 0, "nothing new");
    assert_eq!(put(&[user(IDS[2], "Bob"), user(IDS[3], "Ann"), user("new", "New")], 3).await, 2);
    let asked = [IDS[4], "nobody", IDS[2], IDS[4], IDS[0]].map(str::to_owned);
    let found = store.users(&tenant, &name("a"), &asked).await.unwrap();
    let bob = User { former_names: vec![FormerName { name: "Ann".into(), until: Timestamp(3) }], ..user(IDS[2], "Bob") };
    let expected = [Some(user(IDS[4], "Ann")), None, Some(bob), Some(user(IDS[4], "Ann")), Some(user(IDS[0], "Ann"))];
    assert_eq!(found, expected, "in the order asked");
    assert_eq!(store.users(&tenant, &name("b"), &asked).await.unwrap(), vec![None; asked.len()], "another source's users are others");
}

pub(super) async fn captures_that_go_on_are_one(store: Arc<dyn Store>) {
    let (tenant, source) = (name("t"), name("s"));
    let capture =
        |user: &str, from: Option<i64>, until: Option<i64>| Capture { user: user.to_owned(), from: from.map(Timestamp), until: until.map(Timestamp) };
    for until in [3, 5, 4] {
        store.put_captures(&tenant, &source, &[capture("U1", Some(1), Some(until))]).await.unwrap();
    }
    store.put_captures(&tenant, &source, &[capture("U2", None, Some(3)), capture("U2", None, None), capture("U2", None, Some(9))]).await.unwrap();
    store.put_captures(&tenant, &source, &[capture("U1", Some(2), Some(3))]).await.unwrap();
    let expected = [capture("U1", Some(1), Some(5)), capture("U1", Some(2), Some(3)), capture("U2", None, None)];
    assert_eq!(store.captures(&tenant, &source).await.unwrap(), expected);
}

pub(super) async fn pull_cursors_by_what_they_are_of(store: Arc<dyn Store>) {
    let (tenant, source) = (name("t"), name("s"));
    let cursor = |of: &str, text: &str| PullCursor { of: of.to_owned(), text: text.to_owned(), at: Timestamp(1) };
    assert_eq!(store.pull_cursors(&tenant, &source).await.unwrap(), []);
    for id in IDS {
        store.put_pull_cursor(&tenant, &source, &cursor(id, "first")).await.unwrap();
        store.put_pull_cursor(&tenant, &source, &cursor(id, "second")).await.unwrap();
    }
    store.put_pull_cursor(&tenant, &name("s-a"), &cursor(IDS[0], "another source's")).await.unwrap();
    let mut expected = IDS.map(|id| cursor(id, "second"));
    expected.sort_by(|one, other| one.of.cmp(&other.of));
    assert_eq!(store.pull_cursors(&tenant, &source).await.unwrap(), expected);
    assert_eq!(store.pull_cursors(&name("t2"), &source).await.unwrap(), []);
}

pub(super) async fn an_arrival_is_found_again(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    assert_eq!(store.newest_arrival(&tenant).await.unwrap(), 0);
    assert_eq!(store.chat(&tenant, &chat).await.unwrap(), None);
    let mut first = arrival(&chat, 0, 3);
    first.chat.labels.insert("team".into(), "fx".into());
    first.members = vec![member("U2", &[(1, MoveKind::Join)]), member("U1", &[])];
    assert_eq!(store.commit(&tenant, std::slice::from_ref(&first)).await.unwrap(), 1);
    assert_eq!(store.newest_arrival(&tenant).await.unwrap(), 1);
    assert_eq!(store.chat(&tenant, &chat).await.unwrap(), Some(first.chat.clone()));
    let members = store.members(&tenant, &chat).await.unwrap();
    assert_eq!(members, [member("U1", &[]), member("U2", &[(1, MoveKind::Join)])], "by user id");
    let mut stored = segment(0, 3);
    stored.arrival = 1;
    assert_eq!(store.segments(&tenant, &chat, 0).await.unwrap(), [stored], "with the arrival that brought it");

    // A title alone opens no window.
    let mut title = arrival(&chat, 3, 0);
    title.chat.title = Some("🎉".into());
    assert_eq!(store.commit(&tenant, &[title]).await.unwrap(), 2);
    assert_eq!(store.chat(&tenant, &chat).await.unwrap().unwrap().title.as_deref(), Some("🎉"));
    assert_eq!(store.chats_arrived(&tenant, 0, 9).await.unwrap(), [(1, chat.clone())]);
    assert_eq!(store.chats_arrived(&tenant, 1, 9).await.unwrap(), []);
    let before = store.newest_arrival(&tenant).await.unwrap();
    assert_eq!(store.commit(&tenant, &[]).await.unwrap(), before, "nothing is no arrival");
}

pub(super) async fn a_commit_is_all_or_nothing(store: Arc<dyn Store>) {
    let tenant = name("t");
    let (one, two) = (chat_key("s", "C1"), chat_key("s", "C2"));
    store.commit(&tenant, &[arrival(&two, 0, 1)]).await.unwrap();
    let refused = store.commit(&tenant, &[arrival(&one, 0, 2), arrival(&two, 0, 1)]).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.chat(&tenant, &one).await.unwrap(), None);
    assert!(store.segments(&tenant, &one, 0).await.unwrap().is_empty());
    assert_eq!(store.known_events(&tenant, &one, &[hash(0)]).await.unwrap(), [None]);
    assert_eq!(store.newest_arrival(&tenant).await.unwrap(), 1);
    let refused = store.commit(&tenant, &[arrival(&two, 5, 1)]).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "nobody may leave a gap: {refused:?}");
    // Segments that don't join are the caller's mistake.
    let mut gap = arrival(&one, 0, 3);
    gap.segments = vec![segment(0, 1), segment(2, 1)];
    assert!(matches!(store.commit(&tenant, &[gap]).await, Err(StoreError::Failed { .. })));
    let mut short = arrival(&one, 0, 3);
    short.segments = vec![segment(0, 2)];
    assert!(matches!(store.commit(&tenant, &[short]).await, Err(StoreError::Failed { .. })));
    // The same chat twice at once is two arrivals of one number.
    assert_eq!(store.commit(&tenant, &[arrival(&one, 0, 2), arrival(&one, 2, 1)]).await.unwrap(), 2);
    assert_eq!(store.segments(&tenant, &one, 0).await.unwrap().len(), 2);
    let known = store.known_events(&tenant, &one, &[hash(0), hash(2), hash(3)]).await.unwrap();
    assert_eq!(known, [Some(0_u64.to_be_bytes()), Some(2_u64.to_be_bytes()), None]);
}

pub(super) async fn segments_by_position(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    let mut first = arrival(&chat, 0, 300);
    first.segments = vec![segment(0, 255), segment(255, 2), segment(257, 43)];
    store.commit(&tenant, &[first]).await.unwrap();
    store.commit(&tenant, &[arrival(&chat, 300, 1_000)]).await.unwrap();
    for (from, expected) in [
        (0, vec![0, 255, 257, 300]),
        (254, vec![0, 255, 257, 300]),
        (255, vec![255, 257, 300]),
        (256, vec![255, 257, 300]),
        (299, vec![257, 300]),
        (300, vec![300]),
        (1_299, vec![300]),
        (1_300, vec![]),
        (u64::MAX, vec![]),
    ] {
        let found: Vec<u64> = store.segments(&tenant, &chat, from).await.unwrap().iter().map(|one| one.first).collect();
        assert_eq!(found, expected, "from {from}");
    }
}

pub(super) async fn a_segment_gets_a_file_of_its_own_once(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    let mut first = arrival(&chat, 0, 5);
    first.segments = vec![SegmentRecord { row: Some(70), ..segment(0, 3) }, SegmentRecord { row: Some(0), ..segment(3, 2) }];
    store.commit(&tenant, &[first, arrival(&chat, 5, 1)]).await.unwrap();
    let together = store.segments(&tenant, &chat, 0).await.unwrap();
    let rows: Vec<Option<u32>> = together.iter().map(|one| one.row).collect();
    assert_eq!(rows, [Some(70), Some(0), None]);
    let [before, ..] = together.as_slice() else { panic!("three segments") };
    let also_in = Some((before.path.clone(), before.digest));
    let apart = SegmentRecord { path: "apart".into(), digest: Digest::of(b"apart"), row: None, also_in, ..before.clone() };
    // What is not of the very same events, or lies together with others' too.
    let others = [
        SegmentRecord { events: 2, ..apart.clone() },
        SegmentRecord { first: 1, ..apart.clone() },
        SegmentRecord { arrival: 2, ..apart.clone() },
        SegmentRecord { row: Some(7), ..apart.clone() },
        SegmentRecord { also_in: None, ..apart.clone() },
        SegmentRecord { also_in: Some(("another".into(), before.digest)), ..apart.clone() },
        SegmentRecord { first: 5, events: 1, ..apart.clone() },
    ];
    for other in &others {
        let refused = store.put_apart(&tenant, &chat, other).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
    assert!(matches!(store.put_apart(&tenant, &chat_key("s", "C2"), &apart).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.segments(&tenant, &chat, 0).await.unwrap(), together);
    store.put_apart(&tenant, &chat, &apart).await.unwrap();
    let again = SegmentRecord { path: "again".into(), ..apart.clone() };
    assert!(matches!(store.put_apart(&tenant, &chat, &again).await, Err(StoreError::Conflict { .. })), "it has one already");
    let [_, rest @ ..] = together.as_slice() else { panic!("three segments") };
    assert_eq!(store.segments(&tenant, &chat, 0).await.unwrap(), [&[apart], rest].concat());
}

pub(super) async fn members_are_merged(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    let mut one = arrival(&chat, 0, 1);
    one.members = vec![member("U1", &[(5, MoveKind::Join)]), member("U1", &[(9, MoveKind::Leave)])];
    store.commit(&tenant, &[one]).await.unwrap();
    let mut two = arrival(&chat, 1, 0);
    let mut seen = member("U1", &[(1, MoveKind::Join), (3, MoveKind::Leave), (5, MoveKind::Join)]);
    seen.active = true;
    two.members = vec![seen, member(IDS[5], &[])];
    store.commit(&tenant, &[two]).await.unwrap();
    let mut expected = member("U1", &[(1, MoveKind::Join), (3, MoveKind::Leave), (5, MoveKind::Join), (9, MoveKind::Leave)]);
    expected.active = true;
    assert_eq!(store.members(&tenant, &chat).await.unwrap(), [member(IDS[5], &[]), expected]);
}

/// A missing file is listed with the commit that names it, and goes with the one that brings it.
pub(super) async fn wanted_files(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    let key = |file: u64| WantedKey { chat: chat.clone(), file: hash(file) };
    let of = |kind| WantedFilter { source: name("s"), kind };
    let files = [1, 2, 3].map(|file| wanted(&chat, file, 0));
    let mut one = arrival(&chat, 0, 1);
    one.wanted = files.to_vec();
    // There already when it is committed: another piece of the same commit brought it.
    one.found = vec![hash(3), hash(9)];
    store.commit(&tenant, &[one.clone()]).await.unwrap();
    let refused = store.commit(&tenant, &[one]).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    let listed = store.wanted(&tenant, &of(None), None, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(store.wanted_due(&tenant, &name("s"), Timestamp(0), None, 10).await.unwrap().len(), 2);
    assert_eq!(store.wanted_due(&tenant, &name("s"), Timestamp(-1), None, 10).await.unwrap().len(), 2, "before 1970 is 1970");
    let gone = WantedState::Gone { since: Timestamp(4), status: 404 };
    let later = WantedState::Waiting { tries: 1, since: Some(Timestamp(1)), due: Timestamp(9), reason: Some(Reason::CutOff) };
    store.settle_wanted(&tenant, &[(key(1), Some(gone)), (key(2), Some(later)), (key(7), Some(gone))]).await.unwrap();
    assert_eq!(store.wanted(&tenant, &of(Some(WantedKind::Gone)), None, 10).await.unwrap().iter().map(|file| file.state).collect::<Vec<_>>(), [gone]);
    assert_eq!(store.wanted_due(&tenant, &name("s"), Timestamp(8), None, 10).await.unwrap(), []);
    assert_eq!(
        store.wanted_due(&tenant, &name("s"), Timestamp(9), None, 10).await.unwrap().iter().map(|file| file.state).collect::<Vec<_>>(),
        [later]
    );
    // Named again by another event of the same identity it stays what it is.
    let mut again = arrival(&chat, 1, 0);
    again.wanted = files.to_vec();
    again.found = vec![hash(2)];
    store.commit(&tenant, &[again]).await.unwrap();
    let states: Vec<_> = store.wanted(&tenant, &of(None), None, 10).await.unwrap().into_iter().map(|file| (file.key, file.state)).collect();
    assert!(states.len() == 2 && states.contains(&(key(1), gone)), "{states:?}");
    store.settle_wanted(&tenant, &[(key(1), None), (key(3), None)]).await.unwrap();
    assert_eq!(store.wanted(&tenant, &of(None), None, 10).await.unwrap(), []);
    assert_eq!(store.wanted_due(&tenant, &name("s"), Timestamp::MAX, None, 10).await.unwrap(), []);
    assert_eq!(store.wanted(&name("t2"), &of(None), None, 10).await.unwrap(), []);
}

pub(super) async fn identities_by_newest_content(store: Arc<dyn Store>) {
    let (tenant, chat) = (name("t"), chat_key("s", "C1"));
    let content = |number: u64| Some(number.to_be_bytes());
    // One by one, as a webhook brings them, and asked in between, so that whatever a store keeps in memory has to follow.
    for event in 0..300 {
        let all: Vec<EventHash> = (0..302).map(hash).collect();
        let known = store.known_events(&tenant, &chat, &all).await.unwrap();
        assert_eq!(known.iter().position(Option::is_none), Some(usize::try_from(event).unwrap()));
        assert_eq!(known.iter().flatten().count(), usize::try_from(event).unwrap());
        store.commit(&tenant, &[arrival(&chat, event, 1)]).await.unwrap();
    }
    // The same event with another text.
    let mut edited = arrival(&chat, 300, 1);
    edited.identities = vec![identity(300, 300), identity(7, 70), identity(7, 77)];
    store.commit(&tenant, &[edited]).await.unwrap();
    let asked = [hash(7), hash(300), hash(8), hash(7), hash(999)];
    let expected = [content(77), content(300), content(8), content(77), None];
    assert_eq!(store.known_events(&tenant, &chat, &asked).await.unwrap(), expected);
    // Many at once.
    let other = chat_key("s", "C2");
    store.commit(&tenant, &[arrival(&other, 0, 5_000)]).await.unwrap();
    let all: Vec<EventHash> = (0..5_001).map(hash).collect();
    let known = store.known_events(&tenant, &other, &all).await.unwrap();
    assert!(known.iter().zip(0_u64..5_000).all(|(found, number)| *found == content(number)));
    assert_eq!(known.last(), Some(&None));
    let mut edited = arrival(&other, 5_000, 1);
    edited.identities = (0..2_000).map(|one| identity(one, one + 1)).collect();
    store.commit(&tenant, &[edited]).await.unwrap();
    let known = store.known_events(&tenant, &other, &[hash(0), hash(1_999), hash(2_000)]).await.unwrap();
    assert_eq!(known, [content(1), content(2_000), content(2_000)]);
    assert_eq!(store.known_events(&tenant, &chat, &[]).await.unwrap(), []);
}

pub(super) async fn chats_by_newest_arrival(store: Arc<dyn Store>) {
    let tenant = name("t");
    let chats: Vec<ChatKey> = IDS.iter().map(|id| chat_key("s", id)).collect();
    let all: Vec<_> = chats.iter().map(|chat| arrival(chat, 0, 1)).collect();
    store.commit(&tenant, &all).await.unwrap();
    let many = chats.len();
    let all_of_one: Vec<(u64, ChatKey)> = chats.iter().map(|chat| (1, chat.clone())).collect();
    assert_eq!(store.chats_arrived(&tenant, 0, 2).await.unwrap(), all_of_one, "all of one arrival come together");
    for chat in chats.iter().take(3) {
        store.commit(&tenant, &[arrival(chat, 1, 1)]).await.unwrap();
    }
    store.commit(&tenant, &[arrival(&chats[0], 2, 1), arrival(&chats[5], 1, 1)]).await.unwrap();
    let arrived = store.chats_arrived(&tenant, 1, 10).await.unwrap();
    let expected = [(3, chats[1].clone()), (4, chats[2].clone()), (5, chats[0].clone()), (5, chats[5].clone())];
    assert_eq!(arrived, expected, "each once, under its newest");
    assert_eq!(store.chats_arrived(&tenant, 0, 100).await.unwrap().len(), many);
    assert_eq!(store.chats_arrived(&tenant, 1, 1).await.unwrap(), expected[..1]);
    assert_eq!(store.chats_arrived(&tenant, 3, 1).await.unwrap(), expected[1..2], "going on from the last one's number");
    assert_eq!(store.chats_arrived(&tenant, 4, 1).await.unwrap(), expected[2..]);
    assert_eq!(store.chats_arrived(&tenant, 5, 1).await.unwrap(), []);
    assert_eq!(store.chats_arrived(&tenant, u64::MAX, 1).await.unwrap(), []);
}

pub(super) async fn tenants_and_chats_are_apart(store: Arc<dyn Store>) {
    // Names of which one begins the other, and ids that look like the end of a name.
    let tenants = ["t", "t-a", "ta"].map(name);
    let chats: Vec<ChatKey> = ["s", "s-a", "sa"].iter().flat_map(|source| IDS.map(|id| chat_key(source, id))).collect();
    for (events, tenant) in (1_u32..).zip(&tenants) {
        for (more, chat) in (0_u32..).zip(&chats) {
            let mut one = arrival(chat, 0, events + more);
            one.members = vec![member(&chat.id, &[])];
            store.commit(tenant, &[one]).await.unwrap();
        }
    }
    for (events, tenant) in (1_u32..).zip(&tenants) {
        for (more, chat) in (0_u32..).zip(&chats) {
            let found = store.chat(tenant, chat).await.unwrap().unwrap();
            assert_eq!((found.key, found.events), (chat.clone(), u64::from(events + more)));
            assert_eq!(store.segments(tenant, chat, 0).await.unwrap().len(), 1);
            assert_eq!(store.members(tenant, chat).await.unwrap(), [member(&chat.id, &[])]);
        }
        assert_eq!(store.newest_arrival(tenant).await.unwrap(), u64::try_from(chats.len()).unwrap());
        assert_eq!(store.chats_arrived(tenant, 0, 1_000).await.unwrap().len(), chats.len());
    }
    assert_eq!(store.chats_arrived(&name("t.b"), 0, 10).await.unwrap(), []);
}
