//! What a small file may not become: each of these took gigabytes, or stopped an import for ever.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use consign_source::{Format, Limits};
use support::{CHANNELS, Room, USERS, read, read_day, read_with};

#[test]
fn a_long_name_is_cut_before_it_is_put_anywhere() {
    let room = Room::new();
    let endless = "é".repeat(1 << 20);
    let users = format!(r#"[{{"id":"U1","name":"{endless}","real_name":"{endless}","profile":{{"title":"{endless}"}}}}]"#);
    let channels = format!(r#"[{{"id":"C1","name":"desk","topic":{{"value":"{}"}}}},{{"id":"C2","name":"{endless}"}}]"#, "<@U1>".repeat(3000));
    let day = format!(
        r#"[{{"ts":"1.0","user":"U1","username":"bot {endless}","bot_id":"B1","text":"{}","files":[{{"name":"{endless}"}}]}}]"#,
        "<@U1>".repeat(3000)
    );
    let path = room.zip(&[("users.json", users.as_bytes()), ("channels.json", channels.as_bytes()), ("desk/2026-01-05.json", day.as_bytes())]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!(kept.user("U1").name, format!("{}…", "é".repeat(255)));
    assert!(kept.user("U1").attributes.values().all(|value| value.chars().count() <= 1024 && value.ends_with('…')));
    assert_eq!(kept.chats.get("C2").unwrap().title.as_ref().map(|title| title.chars().count()), Some(256));
    let message = kept.event("1.0");
    assert_eq!(message.text.chars().count(), 3000 * 257);
    assert_eq!(message.attachments.first().unwrap().name.chars().count(), 256);
    assert_eq!(message.sender_name.as_deref().map(|name| name.chars().count()), Some(256));
    assert!(report.notes.keys().any(|note| note.contains("longer than any real one")), "{:?}", report.notes);
}

#[test]
fn a_text_that_names_blow_up_is_refused_by_place() {
    let room = Room::new();
    let users = format!(r#"[{{"id":"U1","real_name":"{}"}}]"#, "x".repeat(250));
    // 1.5 MB that would become 75 MB: as a text, as a block, as fields of an attachment, as the text before an edit.
    let many = "<@U1>".repeat(300_000);
    let entries = [
        format!(r#"{{"ts":"1.0","user":"U1","text":"{many}"}}"#),
        format!(r#"{{"ts":"2.0","user":"U1","text":"","blocks":[{{"type":"section","text":{{"type":"mrkdwn","text":"{many}"}}}}]}}"#),
        format!(r#"{{"ts":"3.0","user":"U1","text":"a","attachments":[{{"text":"{many}"}},{{"text":"{many}"}}]}}"#),
        format!(
            r#"{{"ts":"4.0","subtype":"message_changed","message":{{"ts":"1.0","text":"a"}},"previous_message":{{"ts":"1.0","text":"{many}"}}}}"#
        ),
        r#"{"ts":"5.0","user":"U1","text":"after <@U1>"}"#.to_owned(),
    ];
    let day = format!("[{}]", entries.join(",\n"));
    let path = room.zip(&[("users.json", users.as_bytes()), ("channels.json", CHANNELS.as_bytes()), ("desk/2026-01-05.json", day.as_bytes())]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!(kept.chat("C1").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["5.0"]);
    assert_eq!(report.refusals.iter().map(|refusal| refusal.index).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3)]);
    assert!(report.refusals.iter().all(|refusal| refusal.reason.contains("16777216 bytes")), "{:?}", report.refusals.first());
}

#[test]
fn reactions_are_bounded_and_handed_over_in_pieces() {
    let users: Vec<_> = (0..50_000).map(|number| format!("\"U{number}\"")).collect();
    let day = |name: &str| {
        let reactions = format!(r#"{{"name":"{name}","users":[{}]}}"#, users.join(","));
        format!(r#"[{{"ts":"1.0","user":"U1","text":"a","reactions":[{reactions}]}},{{"ts":"2.0","user":"U1","text":"b"}}]"#)
    };
    let (kept, report) = read_day(&day(&"x".repeat(256)));
    assert_eq!((kept.chat("C1").len(), report.refused), (50_002, 0));
    assert!(kept.largest_piece < 2000, "a megabyte at a time: {}", kept.largest_piece);
    let (kept, report) = read_day(&day(&"x".repeat(1 << 20)));
    assert_eq!(kept.chat("C1").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["2.0"]);
    assert_eq!(
        report.refusals.first().unwrap().to_string(),
        "desk/2026-01-05.json, line 1, entry 0: a reaction's `name` is longer than any real one"
    );
    // A list of nothing, millions of times.
    let flood = format!(r#"[{{"ts":"1.0","user":"U1","text":"a","reactions":[{}]}}]"#, vec!["{}"; 2_000_000].join(","));
    let (kept, report) = read_day(&flood);
    assert_eq!((kept.all().count(), report.refused), (0, 1));
    let flood = format!("[{}]", vec!["{}"; 200_000].join(","));
    let (_, report) = read_day(&flood);
    assert_eq!((report.refused, report.refusals.len()), (200_000, Limits::default().listed));
}

#[test]
fn one_enormous_message_costs_only_itself() {
    let entry = |ts: u32, length: usize| format!(r#"{{"ts":"{ts}.0","user":"U1","text":"{}"}}"#, "x".repeat(length));
    let day = format!("[{},\n{},\n{}]", entry(3, 1), entry(2, 17 << 20), entry(1, 15 << 20));
    let (kept, report) = read_day(&day);
    let seen: Vec<_> = kept.chat("C1").iter().map(|event| (event.id.as_str(), event.text.len())).collect();
    assert_eq!(seen, [("1.0", 15 << 20), ("3.0", 1)]);
    let refused = report.refusals.first().unwrap();
    assert_eq!((refused.file.as_str(), refused.line, refused.index), ("desk/2026-01-05.json", Some(2), Some(1)));
    assert!(refused.reason.contains("longer than 16777216 bytes") && report.refused == 1, "{refused}");
}

#[test]
fn lists_of_any_length_are_read_and_only_an_endless_element_is_not() {
    let room = Room::new();
    let members: Vec<_> = (0..100).map(|number| format!("\"U{number}\"")).collect();
    let channels: Vec<_> = (0..50).map(|number| format!(r#"{{"id":"C{number}","name":"c{number}","members":[{}]}}"#, members.join(","))).collect();
    let channels = format!("[{}]", channels.join(",\n"));
    let path = room.zip(&[("users.json", USERS.as_bytes()), ("channels.json", channels.as_bytes()), ("c7/2026-01-05.json", br#"[{"ts":"1.0"}]"#)]);
    // Far less at a time than the list has, and enough for each element.
    let limits = Limits { json_bytes: 2000, ..Limits::default() };
    assert!(channels.len() > 30_000);
    let (kept, report) = read_with(Format::Slack, &path, &limits).unwrap();
    assert_eq!((kept.chats.len(), kept.chat("C7").len(), report.refused), (50, 1, 0));
    assert!(kept.chats.values().all(|chat| chat.members.iter().map(|member| format!("\"{member}\"")).collect::<Vec<_>>() == members));
    let error = support::refused_whole(Format::Slack, &path, &Limits { json_bytes: 500, ..Limits::default() }).to_string();
    assert!(error.contains("channels.json, line 1: an element has more than 500 bytes"), "{error}");
}
