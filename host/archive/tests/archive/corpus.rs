//! Real messages, all the way in and out; prints what that costs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use consign_model::{ChatKey, Event, EventBatch, EventKind, Extent, Timestamp};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::fixture::Fixture;

const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn thirty_thousand_real_messages() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let folder = std::env::var("CONSIGN_CORPORA").unwrap_or_else(|_| beside.to_owned());
    let path = Path::new(&folder).join("chat-real-30k.jsonl.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("no corpus at {} (CONSIGN_CORPORA names its folder): nothing was tried on real messages", path.display());
        return;
    };
    let mut chats = BTreeMap::<String, Vec<Event>>::new();
    for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("type") == "message" {
            let mut event = Event::new(EventKind::Message, text("id"), Timestamp::parse(&text("at")).unwrap());
            event.user = Some(text("user"));
            event.text = text("text");
            chats.entry(text("chat")).or_default().push(event);
        }
    }
    let batches: Vec<(ChatKey, EventBatch)> =
        chats.iter().map(|(id, events)| (ChatKey { source: "zulip".parse().unwrap(), id: id.clone() }, EventBatch::from_events(0, events))).collect();
    let events: usize = batches.iter().map(|(_, batch)| batch.len()).sum();
    let plain: usize = batches.iter().map(|(_, batch)| batch.text_bytes()).sum();

    let fixture = Fixture::new();
    let started = Instant::now();
    let writes = batches.iter().map(|(chat, batch)| fixture.writer().put_segment(chat, batch));
    let stored: Vec<_> = stream::iter(writes).buffered(AT_ONCE).try_collect().await.unwrap();
    let written = started.elapsed();

    let started = Instant::now();
    let reads = stored.iter().zip(&batches).map(|(segment, (chat, _))| fixture.archive.segment(chat, Extent::file(&segment.path, &segment.digest)));
    let back: Vec<EventBatch> = stream::iter(reads).buffered(AT_ONCE).try_collect().await.unwrap();
    let read = started.elapsed();

    assert!(events > 1000);
    assert!(back.iter().eq(batches.iter().map(|(_, batch)| batch)), "an event came back changed");
    let bytes: u64 = stored.iter().map(|segment| segment.bytes).sum();
    println!(
        "{events} events, {} segments, {plain} bytes in columns, {bytes} in files; written durably in {written:?}, read in {read:?}, {AT_ONCE} at once",
        stored.len()
    );
}
