//! Real exports, counted by other code: a plain walk over the JSON. They are not part of the project; `CONSIGN_CORPORA` says where they lie, else
//! `../shared/corpora` beside the project is looked at.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use consign_model::EventKind;
use consign_source::Format;
use serde_json::Value;
use support::read;

fn corpus(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let folder = std::env::var_os("CONSIGN_CORPORA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = folder.join(name);
    if !path.exists() {
        eprintln!("{} is not here (set CONSIGN_CORPORA to its folder): nothing was checked", path.display());
        return None;
    }
    Some(path)
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn slack_of_four_days() {
    let Some(path) = corpus("slack-real-4days.zip") else { return };
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    let mut lists: BTreeMap<String, Value> = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        if !name.ends_with('/') {
            let mut json = String::new();
            entry.read_to_string(&mut json).unwrap();
            lists.insert(name, serde_json::from_str(&json).unwrap());
        }
    }
    let channels: BTreeMap<String, String> = lists["channels.json"].as_array().unwrap().iter().map(|c| (text(c, "name"), text(c, "id"))).collect();
    let mut wanted: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut entries = 0;
    for (name, list) in lists.iter().filter(|(name, _)| name.contains('/')) {
        let chat = &channels[name.split('/').next().unwrap()];
        for entry in list.as_array().unwrap() {
            entries += 1;
            wanted.insert((chat.clone(), text(entry, "ts")), text(entry, "subtype"));
        }
    }
    assert_eq!(entries, wanted.len(), "ts is unique in a channel");

    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert!(!report.refused_anything(), "{:?}", report.refusals.first());
    let got: BTreeMap<(String, String), EventKind> = kept
        .events
        .iter()
        .flat_map(|(chat, events)| events.iter().filter(|e| e.kind != EventKind::Reaction).map(move |e| ((chat.clone(), e.id.clone()), e.kind)))
        .collect();
    assert_eq!(got.keys().collect::<BTreeSet<_>>(), wanted.keys().collect::<BTreeSet<_>>());
    assert_eq!(kept.all().filter(|event| event.kind != EventKind::Reaction).count(), entries, "each once");
    for (key, subtype) in &wanted {
        let kind = match subtype.as_str() {
            "" | "bot_message" | "file_share" | "me_message" => EventKind::Message,
            "message_changed" => EventKind::Edit,
            "message_deleted" => EventKind::Delete,
            "channel_join" => EventKind::Join,
            "channel_leave" => EventKind::Leave,
            _ => EventKind::Other,
        };
        assert_eq!(got[key], kind, "{key:?} {subtype}");
    }
    assert_eq!(report.users, kept.users.iter().map(|user| &user.id).collect::<BTreeSet<_>>().len() as u64);
    // No markup of Slack's is left in any text, and every event is in order of its time.
    for event in kept.all() {
        assert!(!event.text.contains("<@U") && !event.text.contains("&amp;lt;"), "{}", event.id);
    }
    for events in kept.events.values() {
        assert!(events.iter().map(|event| event.at).is_sorted());
    }
    assert_eq!(read(Format::Slack, &path).unwrap().0.events, kept.events, "the same every time");
    println!("{entries} entries; {report:?}");
}

#[test]
fn thirty_thousand_lines() {
    let Some(path) = corpus("chat-real-30k.jsonl.gz") else { return };
    let mut wanted: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let reader = BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()));
    for line in reader.lines() {
        let value: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if value["type"] == "message" {
            wanted.entry(text(&value, "chat")).or_default().insert(text(&value, "id"), text(&value, "text"));
        }
    }
    let (kept, report) = read(Format::Jsonl, &path).unwrap();
    assert!(!report.refused_anything(), "{:?}", report.refusals.first());
    let got: BTreeMap<String, BTreeMap<String, String>> =
        kept.events.iter().map(|(chat, events)| (chat.clone(), events.iter().map(|e| (e.id.clone(), e.text.clone())).collect())).collect();
    assert_eq!(got, wanted);
    assert_eq!(report.events_total(), wanted.values().map(BTreeMap::len).sum::<usize>() as u64);
    println!("{report:?}");
}
