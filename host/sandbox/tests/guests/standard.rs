//! The six standard modules, as components, with configurations as people write them.

use consign_model::module::{ModuleKind, Need};
use consign_model::{ChatKind, Event, EventKind, Timestamp};
use consign_sandbox::{BindError, Decision, Limits};
use serde_json::json;

use crate::support::*;

fn at(text: &str) -> i64 {
    Timestamp::parse(text).unwrap().0
}

#[test]
fn they_say_what_they_are() {
    use Need::{Labels, Matching, Participants, Times, Titles};
    for (name, kind, most) in [
        ("keywords", ModuleKind::Criteria, &[Matching][..]),
        ("participants", ModuleKind::Criteria, &[Participants, Need::Senders]),
        ("chats", ModuleKind::Criteria, &[Titles, Labels]),
        ("period", ModuleKind::Criteria, &[Times]),
        ("per-chat", ModuleKind::Grouping, &[Titles, Times, Need::Ids, Need::References, Participants]),
        ("per-user", ModuleKind::Grouping, &[Participants, Times]),
    ] {
        let module = standard(name);
        let manifest = module.manifest();
        assert_eq!((manifest.name.as_str(), manifest.version.as_str(), module.kind()), (format!("std/{name}").as_str(), "0.1.0", kind));
        assert!(manifest.needs.iter().all(|need| most.contains(need)), "{name} needs {:?}", manifest.needs);
        assert!(!manifest.needs.contains(&Need::Text), "no standard module sees texts");
    }
}

#[test]
fn wrong_configurations_have_their_place() {
    for (name, config, pointer) in [
        ("keywords", json!({}), ""),
        ("keywords", json!({"any": ["a"], "iggnore-case": true}), "/iggnore-case"),
        ("keywords", json!({"any": ["a", 5]}), "/any/1"),
        ("keywords", json!({"all": ["Fix", "fix"], "ignore-case": true}), "/all/1"),
        ("period", json!({"days": ["Monday"]}), "/days/0"),
        ("period", json!({"days": ["Mon"], "time-zone": "Europe/Berln"}), "/time-zone"),
        ("period", json!({"hours": {"from": "08:00", "to": "25:00"}}), "/hours/to"),
        ("period", json!({"from": "2026-02-30"}), "/from"),
        ("chats", json!({"kinds": ["chanel"]}), "/kinds/0"),
        ("chats", json!({"title": {"glob": ["a"], "x/y": 1}}), "/title/x~1y"),
        ("participants", json!({"between": [{"domains": ["a.example"]}]}), "/between"),
        ("per-chat", json!({"split": "weekly"}), "/split"),
        ("per-chat", json!({"split": "day", "time-zone": "Mars/Base"}), "/time-zone"),
        ("per-user", json!({"users": "everyone"}), "/users"),
        ("per-user", json!([]), ""),
    ] {
        let Err(BindError::Config(errors)) = standard(name).check_config(&config) else { panic!("{name} takes {config}") };
        assert!(errors.iter().any(|error| error.pointer == pointer), "{name} {config}: {errors:?}");
    }
}

/// Of a choice that was not made a schema can only say that none of its parts fits.
#[test]
fn what_a_schema_can_not_say_the_module_says() {
    let said = |name, config| match standard(name).check_config(&config) {
        Err(BindError::Config(errors)) => errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(said("keywords", json!({})), [r#"the configuration: give at least one keyword in "any", "all" or "none""#]);
    for (name, config) in [("period", json!({})), ("participants", json!({})), ("chats", json!({})), ("keywords", json!({"any": []}))] {
        let said = said(name, config);
        assert!(!said.is_empty() && said.iter().all(|text| !text.contains("schema")), "{name}: {said:?}");
    }
}

#[test]
fn keywords() {
    let module = standard("keywords");
    let chat = chat();
    let events = texts(&chat, &["the LIBOR fixing", "prefix", "lunch, and a fix", "", "libor and lunch"]);
    let config = json!({"any": ["libor", "fix"], "none": ["lunch"], "ignore-case": true, "whole-words": true});
    let found = verdicts(&bind(&module, &config), &chat, &events).unwrap();
    assert_eq!(codes(&module, &found), ["keep", "no-keyword", "excluded-keyword", "no-keyword", "excluded-keyword"]);
    let found = verdicts(&bind(&module, &json!({"all": ["libor", "lunch"]})), &chat, &events).unwrap();
    assert_eq!(codes(&module, &found), ["no-keyword", "no-keyword", "no-keyword", "no-keyword", "keep"]);
    assert!(module.bind(&config, &[Need::Text]).is_err(), "matching was not approved");
}

#[test]
fn participants() {
    let module = standard("participants");
    let mut client = user("cat");
    client.email = Some("Cat@UK.Client.example".into());
    client.external = true;
    let chat = chat_of(vec![participant(user("ann"), &[stay(None, None)]), participant(client, &[stay(None, None)])]).context();
    for (config, decision) in [
        (json!({"who": {"ids": ["ann"]}}), Decision::KeepAll),
        (json!({"who": {"ids": ["dan"]}}), Decision::OmitAll(0)),
        (json!({"who": {"addresses": ["ann@DESK.example"]}}), Decision::KeepAll),
        (json!({"who": {"domains": ["client.example"]}}), Decision::KeepAll),
        (json!({"who": {"external": true}}), Decision::KeepAll),
        (json!({"who": {"external": true}, "of-chat": "all"}), Decision::OmitAll(0)),
        (json!({"between": [{"domains": ["desk.example"]}, {"external": true}]}), Decision::KeepAll),
    ] {
        let found = decide(&bind(&module, &config), &chat);
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&decision), "{config}: {found:?}");
    }
    let by_sender = bind(&module, &json!({"who": {"external": true}, "by": "sender"}));
    let events = view(&chat, &[message("1", 0, "ann", "a"), message("2", 1, "cat", "b"), message("3", 2, "nobody", "c")]);
    let found = verdicts(&by_sender, &chat, &events).unwrap();
    assert_eq!(found.iter().map(|verdict| *verdict == 0).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn chats() {
    let module = standard("chats");
    let chat = chat();
    for (config, keep) in [
        (json!({"kinds": ["channel", "group"]}), true),
        (json!({"kinds": ["direct"]}), false),
        (json!({"title": {"contains": ["RATES"], "ignore-case": true}}), true),
        (json!({"title": {"contains": ["RATES"]}}), false),
        (json!({"title": {"glob": ["rates-*"]}}), true),
        (json!({"sources": ["slack"]}), true),
        (json!({"sources": ["teams"]}), false),
        (json!({"labels": {"team": ["fx", "rates"]}}), true),
        (json!({"labels": {"team": "rates"}}), false),
    ] {
        let found = decide(&bind(&module, &config), &chat);
        assert_eq!(found == Decision::KeepAll, keep, "{config}: {found:?}");
        assert_eq!(matches!(found, Decision::OmitAll(_)), !keep, "{config}: {found:?}");
    }
    let mut untitled = chat_of(vec![]);
    untitled.0.chat.title = None;
    untitled.0.chat.kind = ChatKind::Direct;
    let found = decide(&bind(&module, &json!({"title": {"glob": ["*"]}})), &untitled.context());
    assert!(matches!(found, Decision::OmitAll(_)));
}

#[test]
fn period() {
    let module = standard("period");
    let chat = chat();
    // Winter and summer in Berlin; 2026-01-05 is a Monday.
    let times = [
        "2026-01-05T06:59:59.999Z",
        "2026-01-05T07:00:00Z",
        "2026-07-06T06:00:00Z",
        "2026-07-06T15:59:59.999Z",
        "2026-07-06T16:00:00Z",
        "2026-01-04T12:00:00Z",
    ];
    let events: Vec<Event> = times.iter().map(|time| message(time, at(time), "ann", "x")).collect();
    let events = view(&chat, &events);
    let config = json!({"days": ["Mon"], "hours": {"from": "08:00", "to": "18:00"}, "time-zone": "Europe/Berlin"});
    let found = verdicts(&bind(&module, &config), &chat, &events).unwrap();
    assert_eq!(codes(&module, &found), ["outside-hours", "keep", "keep", "keep", "outside-hours", "outside-days"]);
    let config = json!({"from": "2026-01-05", "to": "2026-07-06T16:00:00Z"});
    let found = verdicts(&bind(&module, &config), &chat, &events).unwrap();
    assert_eq!(codes(&module, &found), ["keep", "keep", "keep", "keep", "after-period", "before-period"]);
}

#[test]
fn per_chat() {
    let module = standard("per-chat");
    let chat = chat();
    let minute = 60_000;
    let mut events: Vec<Event> = [0, 1, 100, 101, 24 * 60].iter().map(|at| message(&format!("m{at}"), at * minute, "ann", "x")).collect();
    events[1].thread = Some("m0".into());
    let one_by_one: Vec<_> = events.iter().map(|event| view(&chat, std::slice::from_ref(event))).collect();
    let together = [view(&chat, &events)];
    for (config, groups) in [
        (json!({}), vec![0, 0, 0, 0, 0]),
        (json!({"split": "day", "time-zone": "UTC"}), vec![0, 0, 0, 0, 1]),
        (json!({"split": "idle", "idle-minutes": 30}), vec![0, 0, 1, 1, 2]),
        (json!({"split": "thread"}), vec![0, 0, 1, 2, 3]),
    ] {
        let bound = bind(&module, &config);
        let keys = |batches| {
            let (placements, groups) = place(&bound, &chat, batches).unwrap();
            let assigned = placements.iter().flat_map(|placement| {
                let mut assigned = placement.assigned.clone();
                assigned.sort_by_key(|one| one.first);
                assigned.into_iter().flat_map(|one| (one.first..=one.last).map(move |_| one.group))
            });
            assigned.map(|group| groups[group as usize].key.clone()).collect::<Vec<String>>()
        };
        let found = keys(&together);
        assert_eq!(found, keys(&one_by_one), "{config}: the batches don't matter");
        let mut distinct = Vec::new();
        let numbers: Vec<usize> = found
            .iter()
            .map(|key| {
                distinct.iter().position(|known| known == key).unwrap_or_else(|| {
                    distinct.push(key.clone());
                    distinct.len() - 1
                })
            })
            .collect();
        assert_eq!(numbers, groups, "{config}");
    }
}

#[test]
fn per_user() {
    let module = standard("per-user");
    let mut unrecorded = user("dan");
    unrecorded.recorded = false;
    let chat = chat_of(vec![
        participant(user("ann"), &[stay(Some(10), Some(20)), stay(Some(20), Some(30)), stay(Some(50), None)]),
        participant(user("bob"), &[stay(None, Some(10))]),
        participant(unrecorded, &[stay(None, None)]),
    ])
    .context();
    let times = [5, 10, 20, 30, 31, 40, 50, 25, 60];
    let events: Vec<Event> = times.iter().map(|at| message(&format!("m{at}"), *at, "ann", "x")).collect();
    let run = |users: &str| {
        let (placements, groups) = place(&bind(&module, &json!({"users": users})), &chat, &[view(&chat, &events)]).unwrap();
        let mut copies = std::collections::BTreeMap::<String, Vec<i64>>::new();
        for one in &placements[0].assigned {
            let rows = one.first as usize..=one.last as usize;
            copies.entry(groups[one.group as usize].key.clone()).or_default().extend(&times[rows]);
        }
        for copy in copies.values_mut() {
            copy.sort_unstable();
        }
        let left_out: Vec<i64> = placements[0].left_out.iter().flat_map(|one| times[one.first as usize..=one.last as usize].to_vec()).collect();
        assert!(groups.iter().all(|group| group.subject.is_some()));
        (copies.into_values().collect::<Vec<_>>(), left_out)
    };
    let ann = vec![10, 20, 25, 30, 50, 60];
    assert_eq!(run("recorded"), (vec![ann.clone(), vec![5, 10]], vec![31, 40]));
    let everything = {
        let mut all = times.to_vec();
        all.sort_unstable();
        all
    };
    assert_eq!(run("participants"), (vec![ann, vec![5, 10], everything], vec![]));
}

/// Ten thousand users, of whom every second one came and went: checked by ranges, so it takes no longer than it has to.
#[test]
fn per_user_in_a_large_room() {
    let participants = (0..10_000_i64).map(|i| {
        let stays = if i % 2 == 0 { vec![stay(None, None)] } else { vec![stay(Some(i), Some(i + 3_000)), stay(Some(i + 6_000), None)] };
        participant(user(&format!("u{i:05}")), &stays)
    });
    let chat = chat_of(participants.collect()).context();
    let batches: Vec<_> = (0..4_i64)
        .map(|batch| {
            let events: Vec<Event> = (0..4_000).map(|i| message(&format!("{batch}-{i}"), batch * 4_000 + i, "u00000", "x")).collect();
            view(&chat, &events)
        })
        .collect();
    let module = sandbox(Limits::default()).load(&standard_bytes("per-user")).unwrap();
    let begun = std::time::Instant::now();
    let (placements, groups) = place(&bind(&module, &json!({"users": "participants"})), &chat, &batches).unwrap();
    assert_eq!(groups.len(), 10_000);
    let copies: u64 = placements.iter().flat_map(|placement| &placement.assigned).map(|one| u64::from(one.last - one.first + 1)).sum();
    // Each stay covers its ends: 3,001 events of the first stay (fewer past the last event), and all from 6,000 on.
    let plain = |i: i64| if i % 2 == 0 { 16_000 } else { (15_999.min(i + 3_000) - i + 1) + (16_000 - (i + 6_000)).max(0) };
    assert_eq!(copies, u64::try_from((0..10_000).map(plain).sum::<i64>()).unwrap());
    println!("10,000 users, 16,000 events, {copies} copies: {:?}", begun.elapsed());
}

#[test]
fn events_without_text_have_no_keyword() {
    let module = standard("keywords");
    let chat = chat();
    let mut join = Event::new(EventKind::Join, "j", Timestamp(0));
    join.user = Some("ann".into());
    let found = verdicts(&bind(&module, &json!({"none": ["x"]})), &chat, &view(&chat, &[join])).unwrap();
    assert_eq!(found, [0]);
}
