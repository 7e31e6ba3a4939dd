#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use consign_filter::testing::{FakeChat, FakeEvent, FakeView, message};
use consign_filter::time::parse_instant;
use consign_filter::{EventKind, GroupingSession, parse_config};
use consign_filter_conformance::{check, refused};

fn chat() -> FakeChat {
    FakeChat { title: Some("rates-desk".to_owned()), ..FakeChat::new(&PerChat::MANIFEST) }
}

/// The key of each event's group, and all groups. Every event must be in exactly one.
fn grouped(config: &str, chat: &FakeChat, batches: &[&[FakeEvent]]) -> (Vec<String>, Vec<Group>) {
    let mut module = PerChat::configure(parse_config(config).unwrap()).unwrap();
    module.begin_chat(chat).unwrap();
    let mut numbers = Vec::new();
    for batch in batches {
        let mut view = FakeView::new(&PerChat::MANIFEST, batch.iter().cloned());
        view.zones.insert("Asia/Tokyo", |_| 9 * 3600);
        let placement = module.place(&view).unwrap();
        assert_eq!(placement.left_out(), []);
        let mut of_event = vec![None; batch.len()];
        for (span, group) in placement.assigned() {
            for event in &mut of_event[span.clone()] {
                assert_eq!(event.replace(*group), None, "assigned twice");
            }
        }
        numbers.extend(of_event.into_iter().map(Option::unwrap));
    }
    let groups = module.finish_chat().unwrap();
    let keys = numbers.into_iter().map(|number| groups[number as usize].key.clone());
    (keys.collect(), groups)
}

fn at(id: &str, instant: &str) -> FakeEvent {
    message(id, parse_instant(instant).unwrap())
}

#[test]
fn one_group_for_the_chat() {
    let events = [message("1", 5), message("2", 1)];
    let (keys, groups) = grouped("{}", &chat(), &[&events, &[], &[message("3", 9)]]);
    assert_eq!(keys, ["chat", "chat", "chat"]);
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].title, "rates-desk");
    assert_eq!(groups[0].subject, None);
}

#[test]
fn no_events_no_groups() {
    for config in ["{}", r#"{"split":"day"}"#, r#"{"split":"thread"}"#, r#"{"split":"idle","idle-minutes":1}"#] {
        assert_eq!(grouped(config, &chat(), &[&[]]).1.len(), 0, "{config}");
    }
}

#[test]
fn a_chat_without_a_title_is_named_by_its_id() {
    for title in [None, Some("  ".to_owned())] {
        let untitled = FakeChat { title, kind: ChatKind::Direct, id: "D7".to_owned(), ..chat() };
        let (_, groups) = grouped("{}", &untitled, &[&[message("1", 0)]]);
        assert_eq!(groups[0].title, "Direct chat D7");
    }
}

#[test]
fn days_are_the_zones_and_late_events_go_to_their_own() {
    let events = [at("1", "2026-01-04T14:59:59.999Z"), at("2", "2026-01-04T15:00:00Z"), at("3", "2026-01-05T14:59:00Z")];
    let late = [at("4", "2026-01-04T10:00:00Z"), at("5", "2026-01-05T15:00:00Z")];
    let config = r#"{"split":"day","time-zone":"Asia/Tokyo"}"#;
    let (keys, groups) = grouped(config, &chat(), &[&events, &late]);
    assert_eq!(keys, ["2026-01-04", "2026-01-05", "2026-01-05", "2026-01-04", "2026-01-06"]);
    assert_eq!(groups[1].title, "rates-desk, 2026-01-05");
    assert_eq!(groups.len(), 3);
}

#[test]
fn threads_hold_their_root_their_answers_and_what_is_about_them() {
    let first = [
        message("root", 0),
        message("alone", 1),
        message("answer", 2).thread("root"),
        message("root-again", 3).kind(EventKind::Edit).target("root"),
        message("thumb", 4).kind(EventKind::Reaction).target("answer"),
    ];
    let second = [
        message("answer-edit", 5).kind(EventKind::Edit).target("answer"),
        message("answer-2", 6).thread("root"),
        message("gone", 7).kind(EventKind::Delete).target("alone"),
        message("old-thumb", 8).kind(EventKind::Reaction).target("older"),
        message("join", 9).kind(EventKind::Join),
        // A platform that names the thread on the root and on the reaction too.
        message("self-root", 10).thread("self-root"),
        message("self-thumb", 11).kind(EventKind::Reaction).thread("self-root").target("self-root"),
    ];
    let (keys, groups) = grouped(r#"{"split":"thread"}"#, &chat(), &[&first, &second]);
    let expected = ["root", "alone", "root", "root", "root", "root", "root", "alone", "older", "join", "self-root", "self-root"];
    assert_eq!(keys, expected);
    assert_eq!(groups[0].title, "rates-desk, thread of 1970-01-01 00:00");
    let mut unique: Vec<&str> = groups.iter().map(|group| group.key.as_str()).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), groups.len());
}

#[test]
fn batches_do_not_change_the_threads() {
    let events = [
        message("a", 0),
        message("b", 1),
        message("c", 2).thread("a"),
        message("d", 3).kind(EventKind::Edit).target("c"),
        message("e", 4).thread("b"),
    ];
    let whole = grouped(r#"{"split":"thread"}"#, &chat(), &[&events]).0;
    let single: Vec<&[FakeEvent]> = events.chunks(1).collect();
    assert_eq!(grouped(r#"{"split":"thread"}"#, &chat(), &single).0, whole);
}

#[test]
fn a_pause_longer_than_the_gap_splits() {
    let minute = 60_000;
    let first = [message("1", 0), message("2", 30 * minute), message("3", 60 * minute + 1)];
    // 4 arrived late; 5 is within the gap of 3, not of 4.
    let second = [message("4", 1), message("5", 90 * minute), message("6", 121 * minute)];
    let config = r#"{"split":"idle","idle-minutes":30,"time-zone":"Asia/Tokyo"}"#;
    let (keys, groups) = grouped(config, &chat(), &[&first, &second]);
    assert_eq!(keys, ["1", "1", "3", "3", "3", "6"]);
    assert_eq!(groups[0].title, "rates-desk, from 1970-01-01 09:00");
}

#[test]
fn without_a_split_nothing_but_the_title_is_read() {
    let mut module = PerChat::configure(parse_config("{}").unwrap()).unwrap();
    module.begin_chat(&chat()).unwrap();
    let sealed = FakeView { approved: &[], ..FakeView::new(&PerChat::MANIFEST, [message("1", 0)]) };
    assert!(module.place(&sealed).is_ok());
}

#[test]
fn schema_and_module_agree() {
    check(
        &GroupingSession::<PerChat>::describe(),
        |config| GroupingSession::<PerChat>::new().configure(config),
        &[
            "{}",
            r#"{"split":"day"}"#,
            r#"{"split":"day","time-zone":"Europe/Berlin"}"#,
            r#"{"split":"thread","time-zone":"UTC"}"#,
            r#"{"split":"idle","idle-minutes":1}"#,
            r#"{"split":"idle","idle-minutes":525600}"#,
        ],
        &[
            refused("null", ""),
            refused(r#"{"split":"week"}"#, "/split"),
            refused(r#"{"split":"idle"}"#, ""),
            refused(r#"{"split":"idle","idle-minutes":0}"#, "/idle-minutes"),
            refused(r#"{"split":"idle","idle-minutes":525601}"#, "/idle-minutes"),
            refused(r#"{"split":"idle","idle-minutes":1.5}"#, "/idle-minutes"),
            refused(r#"{"split":"day","idle-minutes":30}"#, "/idle-minutes"),
            refused(r#"{"idle-minutes":30}"#, "/idle-minutes"),
            refused(r#"{"time-zone":"UTC"}"#, "/time-zone"),
            refused(r#"{"split":"day","time-zone":""}"#, "/time-zone"),
            refused(r#"{"by":"day"}"#, "/by"),
        ],
    );
}
