//! The sample workspace goes in whole, and has what its description promises.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use consign_model::{ChatKind, EventKind};
use consign_source::Format;
use support::read;

#[test]
fn the_sample_workspace() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/demo/workspace"));
    let (kept, report) = read(Format::Slack, path).unwrap();
    assert!(!report.refused_anything(), "{:?}", report.refusals);
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    assert_eq!((report.events_total(), report.chats, report.users, report.users_without_email), (477, 10, 13, 4));
    assert_eq!((report.attachments, report.attachments_missing), (8, 1));
    let counts = EventKind::ALL.map(|kind| kept.count(kind));
    assert_eq!(counts, [289, 5, 2, 18, 6, 153, 4]);
    let kinds: Vec<_> = kept.chats.values().filter_map(|chat| chat.kind).collect();
    assert_eq!([ChatKind::Direct, ChatKind::Group, ChatKind::Channel].map(|kind| kinds.iter().filter(|k| **k == kind).count()), [2, 1, 7]);
    assert_eq!(kept.chats.get("C03FIXING").and_then(|chat| chat.title.as_deref()), Some("fixing-🕚"));
    let mut joins = kept.chat("C01GENERAL").iter().filter(|event| event.kind == EventKind::Join);
    assert_eq!(joins.next().map(|event| event.at), joins.next().map(|event| event.at), "two joins in one millisecond");
    for word in ["libor", "fixing"] {
        let hits = kept.all().filter(|event| event.text.to_lowercase().contains(word)).count();
        assert!((5..100).contains(&hits), "{word}: {hits}");
    }
    // What the edits and deletes were about is there.
    let fat_finger = kept.chat("C02RATES").iter().find(|event| event.kind == EventKind::Edit).unwrap();
    assert_eq!((fat_finger.previous.as_deref(), fat_finger.text.as_str()), (Some("2.61 / 2.64, 25mm"), "2.61 / 2.64, 250mm"));
    for edit in kept.all().filter(|event| matches!(event.kind, EventKind::Edit | EventKind::Delete)) {
        let target = edit.target.as_deref().unwrap();
        assert!(kept.all().any(|event| event.id == target), "{}: its message is there", edit.id);
    }
}
