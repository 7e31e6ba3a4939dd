#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::time::Duration;

use consign_model::{Membership, Timestamp, User};

use super::*;

fn placement(assigned: &[(u32, u32, u32)], left_out: &[(u32, u32, u32)]) -> raw::Placement {
    raw::Placement {
        assigned: assigned.iter().map(|(first, last, group)| raw::Assignment { first: *first, last: *last, group: *group }).collect(),
        left_out: left_out.iter().map(|(first, last, rule)| raw::LeftOut { first: *first, last: *last, rule: *rule }).collect(),
    }
}

fn take(assigned: &[(u32, u32, u32)], left_out: &[(u32, u32, u32)]) -> Result<Placement, String> {
    Placed::default().take(&placement(assigned, left_out), &[0, 1, 2, 3], 2, &Limits::default())
}

#[test]
fn every_event_has_one_place() {
    assert!(take(&[(0, 3, 0)], &[]).is_ok());
    assert!(take(&[(0, 1, 0), (1, 1, 1)], &[(2, 3, 1)]).is_ok());
    assert!(take(&[(2, 3, 0), (0, 1, 0)], &[]).is_ok(), "in any order");
    for (assigned, left_out, text) in [
        (&[(0, 2, 0)][..], &[][..], "event 3 of the batch is neither"),
        (&[(0, 4, 0)], &[], "from event 0 to 4 is not one"),
        (&[(0, u32::MAX, 0)], &[], "is not one"),
        (&[(3, 2, 0)], &[], "from event 3 to 2 is not one"),
        (&[(0, 2, 0)], &[(2, 3, 0)], "event 2 of the batch is in a group and left out"),
        (&[(0, 0, 0)], &[(1, 3, 0), (3, 3, 1)], "event 3 of the batch is left out 2 times"),
        (&[(0, 2, 7), (2, 3, 7)], &[], "event 2 of the batch is twice in group 7"),
        (&[(0, 0, 0)], &[(1, 3, 2)], "names rule 2 and has 2"),
        (&[(0, 3, 100_000)], &[], "names group more than 1000 of one chat"),
        (&[], &[], "event 0 of the batch is neither"),
    ] {
        let error = take(assigned, left_out).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
}

fn group(key: &str, subject: Option<u32>) -> raw::Group {
    raw::Group { key: key.to_owned(), title: "a\r\nBcc: b".to_owned(), subject, labels: Vec::new() }
}

#[test]
fn groups_are_bounded() {
    let limits = Limits::default();
    let checked = check_groups(vec![group("a", None)], 0, &limits).unwrap();
    assert_eq!(checked[0].title, "a  Bcc: b");
    let long = "x".repeat(257);
    for (groups, text) in [
        (vec![group("a", None), group("a", None)], "another group's"),
        (vec![group("", None)], "the key of group 0"),
        (vec![group(&long, None)], "the key of group 0"),
        (vec![group("a\nb", None)], "the key of group 0"),
        (vec![group("a", Some(2))], "participant 2"),
        (vec![raw::Group { labels: vec![("l".to_owned(), String::new()); 2], ..group("a", None) }], "two labels"),
        (vec![raw::Group { labels: vec![(String::new(), String::new())], ..group("a", None) }], "a label of group 0"),
        (vec![raw::Group { labels: vec![("l".to_owned(), "v".repeat(1025))], ..group("a", None) }], "a label of group 0"),
        (vec![raw::Group { labels: vec![("l".to_owned(), String::new()); 33], ..group("a", None) }], "33 labels"),
    ] {
        let error = check_groups(groups, 2, &limits).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
    let long_title = raw::Group { title: "é".repeat(2_000), ..group("a", None) };
    assert_eq!(check_groups(vec![long_title], 0, &limits).unwrap()[0].title.len(), 1024);
}

fn participant(stays: &[(Option<i64>, Option<i64>)]) -> Participant {
    let memberships = stays.iter().map(|(joined, left)| Membership { joined: joined.map(Timestamp), left: left.map(Timestamp) }).collect();
    Participant::new(User::unknown("u"), memberships)
}

fn within(times: &[i64], range: (u32, u32), stays: &[(Option<i64>, Option<i64>)]) -> Result<(), String> {
    let participants = [participant(stays)];
    let mut placed = Placed::default();
    let last = u32::try_from(times.len()).unwrap() - 1;
    let own = placement(&[(range.0, range.1, 1), (0, last, 0)], &[]);
    placed.take(&own, times, 0, &Limits::default()).unwrap();
    let groups = check_groups(vec![group("all", None), group("u", Some(0))], 1, &Limits::default()).unwrap();
    placed.check(&groups, &participants, Deadline::after(Duration::from_mins(1))).unwrap()
}

#[test]
fn a_user_gets_only_what_was_said_in_presence() {
    assert!(within(&[5, 6, 7], (0, 2), &[(None, None)]).is_ok());
    assert!(within(&[5, 6, 7], (0, 2), &[(Some(5), Some(7))]).is_ok(), "both ends belong to a stay");
    assert!(within(&[5, 6, 7], (0, 2), &[(Some(6), None)]).unwrap_err().contains("event 0"));
    assert!(within(&[5, 6, 7], (0, 2), &[(None, Some(6))]).unwrap_err().contains("event 2"));
    assert!(within(&[5, 9, 6], (0, 2), &[(Some(5), Some(7))]).unwrap_err().contains("event 1"), "by time, not by the range's ends");
    assert!(within(&[5, 9, 6], (0, 2), &[(Some(9), None), (None, Some(6))]).is_ok(), "two stays, in any order");
    assert!(within(&[5], (0, 0), &[]).is_err());
}

#[test]
fn groups_that_were_never_named() {
    let mut placed = Placed::default();
    placed.take(&placement(&[(0, 0, 3)], &[]), &[0], 0, &Limits::default()).unwrap();
    let groups = check_groups(vec![group("a", None)], 0, &Limits::default()).unwrap();
    let error = placed.check(&groups, &[], Deadline::after(Duration::from_mins(1))).unwrap().unwrap_err();
    assert!(error.contains("group 3"), "{error}");
}

/// The quick check against the plain one, on random times and stays.
#[test]
fn the_quick_check_is_the_plain_one() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()));
    println!("CONSIGN_SEED={seed}");
    let mut state = seed;
    let mut below = move |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    for _ in 0..5_000 {
        let times: Vec<i64> = (0..=below(40)).map(|_| i64::try_from(below(30)).unwrap()).collect();
        let mut stays = Vec::new();
        for _ in 0..below(4) {
            let joined = i64::try_from(below(30)).unwrap();
            let left = joined + i64::try_from(below(15)).unwrap();
            stays.push(((below(5) > 0).then_some(joined), (below(5) > 0).then_some(left)));
        }
        let (a, b) = (below(times.len() as u64), below(times.len() as u64));
        let range = (u32::try_from(a.min(b)).unwrap(), u32::try_from(a.max(b)).unwrap());
        let one = participant(&stays);
        let plain = times[range.0 as usize..=range.1 as usize].iter().all(|time| one.present(Timestamp(*time)));
        assert_eq!(within(&times, range, &stays).is_ok(), plain, "{times:?} {range:?} {stays:?}, seed {seed}");
    }
}
