#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use consign_filter::testing::{FakeChat, FakeEvent, FakeView, message, participant};
use consign_filter::{GroupingSession, Participant, parse_config};
use consign_filter_conformance::{check, refused};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

fn member(id: &str, stays: &[(Option<i64>, Option<i64>)]) -> Participant {
    let stays = stays.iter().map(|&(joined, left)| Membership { joined, left });
    Participant { memberships: stays.collect(), ..participant(id) }
}

fn unrecorded(mut participant: Participant) -> Participant {
    participant.flags.remove(UserFlags::RECORDED);
    participant
}

/// What became of a chat, batch by batch.
struct Outcome {
    placements: Vec<Placement<Why>>,
    groups: Vec<Group>,
}

fn run(config: &str, participants: &[Participant], batches: &[Vec<i64>]) -> Outcome {
    let mut module = PerUser::configure(parse_config(config).unwrap()).unwrap();
    let chat = FakeChat { participants: participants.to_vec(), ..FakeChat::new(&PerUser::MANIFEST) };
    module.begin_chat(&chat).unwrap();
    let event = |at: &i64| -> FakeEvent { message("m", *at) };
    let view = |batch: &Vec<i64>| FakeView::new(&PerUser::MANIFEST, batch.iter().map(event));
    let placements = batches.iter().map(|batch| module.place(&view(batch)).unwrap());
    let placements = placements.collect();
    Outcome { placements, groups: module.finish_chat().unwrap() }
}

impl Outcome {
    /// Each user's events, by their index over all batches. No event twice.
    fn copies(&self, batches: &[Vec<i64>]) -> BTreeMap<String, Vec<usize>> {
        let mut copies: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut before = 0;
        for (placement, batch) in self.placements.iter().zip(batches) {
            for (span, group) in placement.assigned() {
                let copy = copies.entry(self.groups[*group as usize].key.clone()).or_default();
                copy.extend(span.clone().map(|index| before + index));
            }
            before += batch.len();
        }
        for (user, copy) in &copies {
            assert!(copy.windows(2).all(|pair| pair[0] < pair[1]), "{user} has an event twice: {copy:?}");
        }
        copies
    }

    fn left_out(&self, batches: &[Vec<i64>]) -> Vec<(usize, Why)> {
        let mut all = Vec::new();
        let mut before = 0;
        for (placement, batch) in self.placements.iter().zip(batches) {
            for (span, why) in placement.left_out() {
                all.extend(span.clone().map(|index| (before + index, *why)));
            }
            before += batch.len();
        }
        all
    }
}

#[test]
fn both_ends_of_a_stay_belong_to_it() {
    let users = [
        member("always", &[(None, None)]),
        member("joined", &[(Some(20), None)]),
        member("left", &[(None, Some(30))]),
        member("moment", &[(Some(20), Some(20))]),
        member("never", &[]),
    ];
    let batches = [vec![10, 19, 20, 20], vec![21, 30, 31]];
    let outcome = run("{}", &users, &batches);
    let copies = outcome.copies(&batches);
    assert_eq!(copies["always"], [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(copies["joined"], [2, 3, 4, 5, 6]);
    assert_eq!(copies["left"], [0, 1, 2, 3, 4, 5]);
    assert_eq!(copies["moment"], [2, 3]);
    assert_eq!(copies.get("never"), None);
    assert_eq!(outcome.groups.len(), 4, "a user without events has no group");
    assert_eq!(outcome.left_out(&batches), []);
}

#[test]
fn who_came_back_gets_both_stays_and_each_event_once() {
    let users = [member("back", &[(Some(50), Some(60)), (Some(10), Some(20)), (Some(15), Some(30))])];
    let batches = [vec![9, 10, 20, 30, 31, 50, 60, 61]];
    let outcome = run("{}", &users, &batches);
    assert_eq!(outcome.copies(&batches)["back"], [1, 2, 3, 5, 6]);
    let left_out: Vec<usize> = outcome.left_out(&batches).into_iter().map(|(index, _)| index).collect();
    assert_eq!(left_out, [0, 4, 7]);
}

#[test]
fn late_events_go_by_their_time() {
    let users = [member("ann", &[(Some(10), Some(20))]), member("bob", &[(Some(100), None)])];
    let batches = [vec![5, 100, 15, 101, 20, 21, 10]];
    let outcome = run("{}", &users, &batches);
    let copies = outcome.copies(&batches);
    assert_eq!((copies["ann"].as_slice(), copies["bob"].as_slice()), (&[2, 4, 6][..], &[1, 3][..]));
    assert_eq!(outcome.left_out(&batches), [(0, Why::NoMember), (5, Why::NoMember)]);
}

#[test]
fn recorded_users_or_everybody() {
    let users = [unrecorded(member("guest", &[(None, None)])), member("ann", &[(Some(5), None)])];
    let batches = [vec![1, 5]];
    let outcome = run("{}", &users, &batches);
    assert_eq!(outcome.copies(&batches), BTreeMap::from([("ann".to_owned(), vec![1])]));
    assert_eq!(outcome.groups[0].subject, Some(1), "the index among all participants");
    assert_eq!(outcome.left_out(&batches), [(0, Why::NoMember)]);
    let outcome = run(r#"{"users":"participants"}"#, &users, &batches);
    assert_eq!(outcome.copies(&batches)["guest"], [0, 1]);
    assert_eq!(outcome.groups.len(), 2);
}

#[test]
fn a_chat_without_recorded_users_says_so() {
    let users = [unrecorded(member("guest", &[(None, None)]))];
    let batches = [vec![1, 2], vec![], vec![3]];
    let outcome = run("{}", &users, &batches);
    let why = Why::NoRecordedUser;
    assert_eq!(outcome.left_out(&batches), [(0, why), (1, why), (2, why)]);
    assert_eq!(outcome.groups.len(), 0);
    let outcome = run(r#"{"users":"participants"}"#, &[], &[vec![1]]);
    assert_eq!(outcome.left_out(&[vec![1]]), [(0, Why::NoMember)]);
}

#[test]
fn the_ends_of_time() {
    let users = [member("ann", &[(Some(i64::MIN), Some(i64::MAX))])];
    let batches = [vec![i64::MIN, 0, i64::MAX]];
    assert_eq!(run("{}", &users, &batches).copies(&batches)["ann"], [0, 1, 2]);
}

#[test]
fn a_group_is_named_after_its_user() {
    let nameless = Participant { display_name: " ".to_owned(), ..member("U1", &[(None, None)]) };
    let named = Participant { display_name: "Ann Lee".to_owned(), ..member("U2", &[(None, None)]) };
    let groups = run("{}", &[nameless, named], &[vec![0]]).groups;
    let titles: Vec<(&str, &str)> = groups.iter().map(|group| (group.key.as_str(), group.title.as_str())).collect();
    assert_eq!(titles, [("U1", "U1"), ("U2", "Ann Lee")]);
}

/// Ten thousand members, half of whom came and went in the middle: some spans each, not thousands.
#[test]
fn a_large_room_is_placed_by_spans() {
    let users: Vec<Participant> = (0..10_000)
        .map(|number| match number % 4 {
            0 | 1 => member(&number.to_string(), &[(None, None)]),
            2 => member(&number.to_string(), &[(Some(number), None)]),
            _ => member(&number.to_string(), &[(Some(number / 4), Some(number / 2)), (Some(number), None)]),
        })
        .collect();
    let batches = [(0..4_096).collect(), (4_096..8_192).collect()];
    let outcome = run("{}", &users, &batches);
    for placement in &outcome.placements {
        assert!(placement.assigned().len() <= 15_000, "{}", placement.assigned().len());
        assert_eq!(placement.left_out(), []);
    }
}

/// Against the plainest reading of the rule, event by event and user by user.
#[test]
fn any_times_and_any_stays() {
    let seed = match std::env::var("CONSIGN_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => RandomState::new().hash_one(0) | 1,
    };
    println!("CONSIGN_SEED={seed}");
    let mut state: u64 = seed;
    let mut below = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i64::try_from(state % limit).unwrap()
    };
    for _ in 0..300 {
        let range = 1 + u64::try_from(below(60)).unwrap();
        let late_share = below(3);
        let batches: Vec<Vec<i64>> = (0..=below(3))
            .map(|batch| {
                let mut times: Vec<i64> = (0..below(70)).map(|_| below(range) + batch).collect();
                if late_share != 0 {
                    times.sort_unstable();
                }
                if late_share == 1 && times.len() > 2 {
                    let last = times.len() - 1;
                    times.swap(last / 2, last);
                }
                times
            })
            .collect();
        let users: Vec<Participant> = (0..below(6))
            .map(|user| {
                let stays: Vec<_> = (0..below(4))
                    .map(|_| {
                        let joined = (below(4) != 0).then(|| below(range));
                        let left = (below(4) != 0).then(|| joined.unwrap_or(0) + below(10));
                        (joined, left)
                    })
                    .collect();
                member(&format!("u{user}"), &stays)
            })
            .collect();
        let outcome = run("{}", &users, &batches);
        let times: Vec<i64> = batches.concat();
        let is_in = |user: &Participant, at: i64| {
            let mut stays = user.memberships.iter();
            stays.any(|stay| stay.joined.is_none_or(|joined| joined <= at) && stay.left.is_none_or(|left| at <= left))
        };
        let mut expected = BTreeMap::new();
        for user in &users {
            let copy: Vec<usize> = (0..times.len()).filter(|index| is_in(user, times[*index])).collect();
            if !copy.is_empty() {
                expected.insert(user.id.clone(), copy);
            }
        }
        assert_eq!(outcome.copies(&batches), expected);
        assert_eq!(outcome.groups.len(), expected.len());
        let left_out: Vec<usize> = outcome.left_out(&batches).into_iter().map(|(index, _)| index).collect();
        let nobodys: Vec<usize> = (0..times.len()).filter(|index| !users.iter().any(|user| is_in(user, times[*index]))).collect();
        assert_eq!(left_out, nobodys);
    }
}

#[test]
fn schema_and_module_agree() {
    check(
        &GroupingSession::<PerUser>::describe(),
        |config| GroupingSession::<PerUser>::new().configure(config),
        &["{}", r#"{"users":"recorded"}"#, r#"{"users":"participants"}"#],
        &[refused(r#"{"users":"all"}"#, "/users"), refused(r#"{"user":"recorded"}"#, "/user"), refused(r#"{"users":null}"#, "/users")],
    );
}
