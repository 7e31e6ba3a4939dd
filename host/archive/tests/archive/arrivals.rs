//! Files of many chats: each chat's events come out as they went in, and nobody else's with them.

use std::process::Command;

use consign_archive::{ArchiveError, SegmentError, StoredSegment, decode_arrivals, encode_arrivals};
use consign_model::{ChatKey, Digest, Event, EventBatch, Extent, Rows};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Random, chat};
use crate::outside::{age_decrypt, run, seen};

/// Of some chats, three of which have the same id in other sources, the events of each.
fn pieces(random: &mut Random, sizes: &[usize]) -> Vec<(ChatKey, Vec<Event>, EventBatch)> {
    let key = |place: usize| ChatKey { source: format!("s{}", place % 4).parse().unwrap(), id: format!("C{} / ü", place / 4) };
    let piece = |(place, size): (usize, &usize)| {
        let events = random.events(*size);
        let batch = EventBatch::from_events(1000 * place as u64, &events);
        (key(place), events, batch)
    };
    sizes.iter().enumerate().map(piece).collect()
}

fn batches(pieces: &[(ChatKey, Vec<Event>, EventBatch)]) -> Vec<(ChatKey, EventBatch)> {
    pieces.iter().map(|(chat, _, batch)| (chat.clone(), batch.clone())).collect()
}

fn extent(stored: &StoredSegment, first: u32, count: usize) -> Extent<'_> {
    Extent { rows: Some(Rows { first, count: u32::try_from(count).unwrap() }), ..Extent::file(&stored.path, &stored.digest) }
}

#[tokio::test]
async fn each_chat_comes_out_as_it_went_in() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let pieces = pieces(&mut random, &[1, 50, 3, 700, 1, 1, 20, 9, 300]);
    let (stored, rows) = fixture.writer().put_arrivals(batches(&pieces)).await.unwrap();
    let file = std::fs::read(fixture.file(&stored.path)).unwrap();
    assert_eq!((stored.bytes, stored.digest), (file.len() as u64, Digest::of(&file)));
    assert_eq!(fixture.files().len(), 1);
    for ((chat, events, batch), row) in pieces.iter().zip(&rows) {
        let back = fixture.archive.segment(chat, extent(&stored, *row, batch.len())).await.unwrap();
        assert_eq!(&back, batch);
        assert_eq!((0..events.len()).map(|row| back.event(row).unwrap()).collect::<Vec<_>>(), *events);
    }
    // And again, on threads that may wait, many at a time.
    let runtime = tokio::runtime::Handle::current();
    let reads = pieces.into_iter().zip(rows).map(|((chat, _, batch), row)| {
        let (archive, stored, runtime) = (fixture.archive.clone(), stored.clone(), runtime.clone());
        tokio::task::spawn_blocking(move || archive.segment_blocking(&runtime, &chat, extent(&stored, row, batch.len())).unwrap() == batch)
    });
    for read in reads.collect::<Vec<_>>() {
        assert!(read.await.unwrap());
    }
}

#[tokio::test]
async fn rows_of_another_chat_are_never_handed_out() {
    let fixture = Fixture::new();
    let pieces = pieces(&mut Random::new(), &[4, 5, 6]);
    let (stored, rows) = fixture.writer().put_arrivals(batches(&pieces)).await.unwrap();
    assert_eq!(rows, [0, 4, 9]);
    let [(one, ..), (other, ..), ..] = pieces.as_slice() else { panic!("three pieces") };
    // Whatever the index says: of the wrong chat, or not exactly what came of it.
    for (chat, first, count) in
        [(one, 4, 5), (other, 0, 4), (one, 0, 5), (one, 0, 3), (one, 1, 3), (other, 4, 6), (other, 15, 1), (other, u32::MAX, 5)]
    {
        let error = fixture.archive.segment(chat, extent(&stored, first, count)).await.unwrap_err();
        assert!(matches!(&error, ArchiveError::Damaged { what, .. } if what.contains("the events of the chat")), "{error}");
    }
    // As if it were a segment of one chat, and a segment as if it were a file of many.
    let error = fixture.archive.segment(one, Extent::file(&stored.path, &stored.digest)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    let segment = fixture.writer().put_segment(one, &EventBatch::from_events(0, &Random::new().events(4))).await.unwrap();
    let error = fixture.archive.segment(one, extent(&segment, 0, 4)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    // A segment of another chat than the index says.
    let error = fixture.archive.segment(other, Extent::file(&segment.path, &segment.digest)).await.unwrap_err();
    assert!(matches!(&error, ArchiveError::Damaged { what, .. } if what.contains("the events of the chat")), "{error}");
}

#[test]
fn what_could_not_be_told_apart_is_refused() {
    let batch = EventBatch::from_events(0, &Random::new().events(3));
    let twice = [(chat(), batch.clone()), (chat(), EventBatch { first: 3, ..batch.clone() })];
    assert!(matches!(encode_arrivals(&twice), Err(SegmentError::Refused(_))));
    assert!(matches!(encode_arrivals(&[(chat(), EventBatch { first: u64::MAX, ..batch.clone() })]), Err(SegmentError::Refused(_))));
    let uneven = EventBatch { times: Vec::new(), ..batch };
    assert!(matches!(encode_arrivals(&[(chat(), uneven)]), Err(SegmentError::Refused(_))));
}

#[tokio::test]
async fn a_damaged_file_is_an_error_each_time_and_a_mended_one_is_read() {
    let fixture = Fixture::new();
    let pieces = pieces(&mut Random::new(), &[4, 5]);
    let (stored, rows) = fixture.writer().put_arrivals(batches(&pieces)).await.unwrap();
    let path = fixture.file(&stored.path);
    let good = std::fs::read(&path).unwrap();
    let [(chat, _, batch), ..] = pieces.as_slice() else { panic!("two pieces") };
    let read = || fixture.archive.segment(chat, extent(&stored, *rows.first().unwrap(), batch.len()));
    for _ in 0..2 {
        let mut damaged = good.clone();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(read().await, Err(ArchiveError::Damaged { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read().await, Err(ArchiveError::NothingThere { .. })));
    }
    std::fs::write(&path, good).unwrap();
    assert_eq!(read().await.unwrap(), *batch);
}

#[test]
fn no_damage_to_the_arrow_file_is_a_panic_or_another_chats_events() {
    let mut random = Random::new();
    let pieces = batches(&pieces(&mut random, &[4, 5, 60]));
    let (arrow, _) = encode_arrivals(&pieces).unwrap();
    decode_arrivals(arrow.clone()).unwrap();
    for cut in (0..arrow.len()).step_by(41) {
        assert!(decode_arrivals(arrow.get(..cut).unwrap().to_vec()).is_err(), "cut at {cut}");
    }
    for _ in 0..5_000 {
        let mut damaged = arrow.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(damaged.len());
            *damaged.get_mut(at).unwrap() ^= 1 << random.below(8);
        }
        drop(decode_arrivals(damaged));
    }
}

#[tokio::test]
async fn age_and_pyarrow_open_an_arrival_file() {
    let fixture = Fixture::new();
    let pieces = pieces(&mut Random::new(), &[3, 200, 1]);
    let (stored, _) = fixture.writer().put_arrivals(batches(&pieces)).await.unwrap();
    let arrow = age_decrypt(&fixture, &std::fs::read(fixture.file(&stored.path)).unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/archive/read_segment.py");
    let rewritten = fixture.folder.path().join("rewritten.arrow");
    let printed: Value = serde_json::from_slice(&run(Command::new("python3").arg(script).arg(&rewritten), &arrow)).unwrap();
    assert_eq!(printed.get("metadata").unwrap(), &json!({"consign.format": "1", "consign.kind": "arrivals"}));
    let expected = pieces.iter().flat_map(|(chat, events, batch)| {
        (batch.first..).zip(events).map(|(position, event)| {
            let mut row = seen(event);
            for (key, value) in [("source", json!(chat.source)), ("chat", json!(chat.id)), ("position", json!(position))] {
                row.as_object_mut().unwrap().insert(key.to_owned(), value);
            }
            row
        })
    });
    assert_eq!(printed.get("rows").and_then(Value::as_array).unwrap(), &expected.collect::<Vec<_>>());
    // And back: the same table as another program writes it.
    let back = decode_arrivals(std::fs::read(&rewritten).unwrap()).unwrap();
    assert_eq!(back, decode_arrivals(arrow).unwrap());
}
