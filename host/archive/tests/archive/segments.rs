//! Segments: what goes in comes out, and nothing else ever does.

use std::time::Instant;

use consign_archive::{Archive, ArchiveError, MasterKey, Sealer, SegmentError, decode_segment, encode_segment, generate_tenant_keys};
use consign_model::{Digest, Event, EventBatch, EventKind, Extent, Timestamp};

use crate::fixture::{Fixture, Random, chat};

#[tokio::test]
async fn round_trip() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let mut first = 0;
    for count in [0, 1, 2, 100, 3000] {
        let events = random.events(count);
        let batch = EventBatch::from_events(first, &events);
        let stored = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
        let file = std::fs::read(fixture.file(&stored.path)).unwrap();
        assert_eq!((stored.bytes, stored.digest), (file.len() as u64, Digest::of(&file)));
        let back = fixture.archive.segment(&chat(), Extent::file(&stored.path, &stored.digest)).await.unwrap();
        assert_eq!(back, batch);
        let rows: Vec<Event> = (0..count).map(|row| back.event(row).unwrap()).collect();
        assert_eq!(rows, events);
        assert_eq!(fixture.archive.segment_file(&stored.path, &stored.digest).await.unwrap(), file);
        first += count as u64;
    }
}

#[tokio::test]
async fn one_column_alone_and_a_megabyte_of_text() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let system = Event::new(EventKind::Other, "", Timestamp(0));
    let mut long = Event::new(EventKind::Message, "m", Timestamp(-1));
    long.text = random.bytes(500_000).iter().map(|byte| char::from(*byte)).collect();
    assert!(long.text.len() > 700_000);
    long.original = Some("x".repeat(1_000_000));
    for events in [vec![system.clone()], vec![system.clone(); 500], vec![system.clone(), long.clone(), system], vec![long]] {
        let batch = EventBatch::from_events(u64::MAX, &events);
        let stored = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
        assert_eq!(fixture.archive.segment(&chat(), Extent::file(&stored.path, &stored.digest)).await.unwrap(), batch);
    }
}

#[test]
fn batches_against_their_own_rules_are_refused() {
    let good = EventBatch::from_events(0, &Random::new().events(20));
    assert_eq!(decode_segment(encode_segment(&chat(), &good).unwrap()).unwrap().batch, good);
    assert_eq!(decode_segment(encode_segment(&chat(), &good).unwrap()).unwrap().chat, chat());
    let ways: [fn(&mut EventBatch); 12] = [
        |batch| batch.times.clear(),
        |batch| batch.senders.push(0),
        |batch| batch.flags.truncate(19),
        |batch| batch.kinds.fill(7),
        |batch| batch.senders.fill(1000),
        |batch| batch.senders.fill(u32::MAX - 1),
        |batch| batch.ids.push("one too many"),
        |batch| batch.texts.ends.fill(u32::MAX),
        |batch| batch.texts.ends.iter_mut().rev().enumerate().for_each(|(place, end)| *end = u32::try_from(place).unwrap()),
        |batch| batch.ids.bytes.fill(0xff),
        |batch| batch.threads.bytes.clear(),
        |batch| batch.originals.bytes = vec![b'x'; 300 << 20],
    ];
    for (way, change) in ways.into_iter().enumerate() {
        let mut batch = good.clone();
        batch.threads = batch.ids.clone();
        change(&mut batch);
        assert!(matches!(encode_segment(&chat(), &batch), Err(SegmentError::Refused(_))), "way {way}");
    }
    let mut batch = good;
    let attachment = consign_model::Attachment { name: String::new(), media_type: String::new(), size: None, digest: None, url: None };
    batch.attachments = vec![(20, attachment.clone())];
    assert!(matches!(encode_segment(&chat(), &batch), Err(SegmentError::Refused(_))));
    batch.attachments = vec![(2, attachment.clone()), (1, attachment)];
    assert!(matches!(encode_segment(&chat(), &batch), Err(SegmentError::Refused(_))));
}

/// A segment of several of age's chunks (64 KiB), in a fixture of its own.
async fn large_segment() -> (Fixture, String, Vec<u8>) {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let mut events = random.events(300);
    for event in &mut events {
        event.original = Some(random.bytes(600).iter().map(|byte| char::from(*byte)).collect());
    }
    let stored = fixture.writer().put_segment(&chat(), &EventBatch::from_events(0, &events)).await.unwrap();
    let file = std::fs::read(fixture.file(&stored.path)).unwrap();
    assert!(file.len() > 3 * 65_552);
    (fixture, stored.path, file)
}

#[tokio::test]
async fn a_flipped_bit_is_an_error() {
    let (fixture, path, mut file) = large_segment().await;
    let digest = Digest::of(&file);
    for at in (0..file.len()).step_by(97).chain([file.len() - 1]) {
        let bit = 1 << (at % 8);
        *file.get_mut(at).unwrap() ^= bit;
        // Without the index's digest to help.
        std::fs::write(fixture.file("without-index"), &file).unwrap();
        assert!(fixture.archive.segment(&chat(), Extent::file("without-index", &Digest::of(&file))).await.is_err(), "byte {at}");
        if at % (97 * 50) == 0 {
            std::fs::write(fixture.file(&path), &file).unwrap();
            for digest in [digest, Digest::of(&file)] {
                let error = fixture.archive.segment(&chat(), Extent::file(&path, &digest)).await.unwrap_err();
                assert!(matches!(error, ArchiveError::Damaged { .. }), "byte {at}: {error}");
                assert!(!error.passes_by_waiting());
            }
            assert!(matches!(fixture.archive.segment_file(&path, &digest).await, Err(ArchiveError::Damaged { .. })));
        }
        *file.get_mut(at).unwrap() ^= bit;
    }
    std::fs::write(fixture.file(&path), &file).unwrap();
    fixture.archive.segment(&chat(), Extent::file(&path, &digest)).await.unwrap();
}

#[tokio::test]
async fn a_truncated_file_is_an_error() {
    let (fixture, _, file) = large_segment().await;
    let opened = async |file: &[u8]| {
        std::fs::write(fixture.file("other"), file).unwrap();
        fixture.archive.segment(&chat(), Extent::file("other", &Digest::of(file))).await
    };
    let header = file.windows(5).position(|window| window == b"\n--- ").unwrap();
    let payload = header + file.get(header + 1..).unwrap().iter().position(|byte| *byte == b'\n').unwrap() + 2 + 16;
    // At each end of a chunk all bytes before the cut are good ones.
    let chunks = (0..).map(|chunk| payload + chunk * 65_552).take_while(|end| *end < file.len());
    let cuts = (0..payload + 40).chain((payload..file.len()).step_by(1009)).chain(file.len() - 40..file.len()).chain(chunks);
    for cut in cuts {
        assert!(opened(file.get(..cut).unwrap()).await.is_err(), "cut at {cut}");
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert!(matches!(opened(&longer).await, Err(ArchiveError::Damaged { .. })));
    opened(&file).await.unwrap();
}

#[tokio::test]
async fn another_tenants_file_is_told_as_such() {
    let fixture = Fixture::new();
    let other = generate_tenant_keys(&fixture.master).unwrap();
    let other = Archive::open(fixture.store.clone(), "other".parse().unwrap(), &other, &fixture.master).unwrap();
    let batch = EventBatch::from_events(0, &Random::new().events(5));
    let stored = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
    // The same path of another tenant is another file.
    assert!(matches!(other.segment(&chat(), Extent::file(&stored.path, &stored.digest)).await, Err(ArchiveError::NothingThere { .. })));
    let there = fixture.folder.path().join("other").join(&stored.path);
    std::fs::create_dir_all(there.parent().unwrap()).unwrap();
    std::fs::copy(fixture.file(&stored.path), there).unwrap();
    let error = other.segment(&chat(), Extent::file(&stored.path, &stored.digest)).await.unwrap_err();
    assert!(matches!(&error, ArchiveError::WrongKey { path } if path.starts_with("other/segments/slack/")), "{error}");
}

#[tokio::test]
async fn a_missing_file_is_not_a_missing_store() {
    let fixture = Fixture::new();
    let batch = EventBatch::from_events(0, &Random::new().events(5));
    let stored = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
    let kept = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
    std::fs::remove_file(fixture.file(&stored.path)).unwrap();
    let error = fixture.archive.segment(&chat(), Extent::file(&stored.path, &stored.digest)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Missing { .. }) && !error.passes_by_waiting());

    // What can't be opened for another reason may be there: a link in a circle does it even for root.
    std::os::unix::fs::symlink(fixture.file(&stored.path), fixture.file(&stored.path)).unwrap();
    let error = fixture.archive.segment(&chat(), Extent::file(&stored.path, &stored.digest)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Unreadable { .. }) && error.passes_by_waiting(), "{error}");

    // As after a reboot without the mount.
    std::fs::rename(fixture.folder.path().join("acme"), fixture.folder.path().join("elsewhere")).unwrap();
    let error = fixture.archive.segment(&chat(), Extent::file(&kept.path, &kept.digest)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::NothingThere { .. }) && error.passes_by_waiting(), "{error}");
}

#[tokio::test]
async fn stored_twice_and_by_many_at_once() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let batch = EventBatch::from_events(0, &random.events(50));
    let one = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
    let before = std::fs::read(fixture.file(&one.path)).unwrap();
    let two = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
    assert_ne!(one.path, two.path);
    assert_eq!(std::fs::read(fixture.file(&one.path)).unwrap(), before);

    let tasks: Vec<_> = (0..40_u64)
        .map(|number| {
            let (archive, batch) = (fixture.archive.clone(), EventBatch::from_events(number, &random.events(30)));
            tokio::spawn(async move {
                let stored = archive.writer().put_segment(&chat(), &batch).await.unwrap();
                assert_eq!(archive.segment(&chat(), Extent::file(&stored.path, &stored.digest)).await.unwrap(), batch);
                stored.path
            })
        })
        .collect();
    for task in tasks {
        assert!(fixture.file(&task.await.unwrap()).is_file());
    }
    assert_eq!(fixture.files().len(), 42);
}

/// The public key is public: anybody who can write to the store can make a file that decrypts. Such a file is an error or some events, soon, and never more.
#[test]
fn no_arrow_file_harms() {
    let mut random = Random::new();
    let batch = EventBatch::from_events(0, &random.events(40));
    let file = encode_segment(&chat(), &batch).unwrap();
    let started = Instant::now();
    let mut read = 0;
    for at in 0..file.len() {
        let mut damaged = file.clone();
        *damaged.get_mut(at).unwrap() ^= 1 << random.below(8);
        match decode_segment(damaged) {
            Ok(_) => read += 1,
            Err(SegmentError::Damaged(_) | SegmentError::UnknownFormat(_)) => {}
            Err(SegmentError::Refused(what)) => panic!("{what}"),
        }
    }
    println!("{} files of {} bytes with one flipped bit: {read} were read all the same; {:?}", file.len(), file.len(), started.elapsed());
    for cut in 0..file.len() {
        assert!(decode_segment(file.get(..cut).unwrap().to_vec()).is_err(), "cut at {cut}");
    }
    // Lengths, offsets and decompressed sizes are 8 bytes each, on multiples of 8.
    for at in (0..file.len() - 8).step_by(8) {
        for number in [-2, -1, 0, 1, 1 << 31, 1 << 40, i64::MAX, i64::MIN] {
            let mut damaged = file.clone();
            damaged.get_mut(at..at + 8).unwrap().copy_from_slice(&i64::to_le_bytes(number));
            // Ends, and soon: what it unpacks to is bounded before it is unpacked.
            drop(decode_segment(damaged));
        }
    }
    for _ in 0..2000 {
        let mut damaged = file.clone();
        for _ in 0..=random.below(20) {
            let at = random.below(damaged.len());
            *damaged.get_mut(at).unwrap() = random.bytes(1).pop().unwrap();
        }
        drop(decode_segment(damaged));
    }
}

#[tokio::test]
async fn an_unknown_format_is_said() {
    let fixture = Fixture::new();
    let batch = EventBatch::from_events(0, &Random::new().events(3));
    let mut arrow = encode_segment(&chat(), &batch).unwrap();
    // The schema stands twice in an Arrow file: in front, and in the footer.
    let name = b"consign.format";
    for place in arrow.windows(name.len()).enumerate().filter(|(_, window)| window == name).map(|(at, _)| at).collect::<Vec<_>>() {
        // A flatbuffer's string has its length in front: the value "1" lies within the bytes before or after its key.
        let near = place.saturating_sub(64)..(place + 64).min(arrow.len());
        let one = arrow.get(near.clone()).unwrap().windows(8).position(|window| window == [1, 0, 0, 0, b'1', 0, 0, 0]).unwrap();
        *arrow.get_mut(near.start + one + 4).unwrap() = b'2';
    }
    assert_eq!(decode_segment(arrow.clone()), Err(SegmentError::UnknownFormat("2".to_owned())));
    let file = Sealer::new(&fixture.keys.recipient).unwrap().seal(&arrow).unwrap();
    let path = fixture.writer().put_segment(&chat(), &batch).await.unwrap().path;
    std::fs::write(fixture.file(&path), &file).unwrap();
    let error = fixture.archive.segment(&chat(), Extent::file(&path, &Digest::of(&file))).await.unwrap_err();
    assert!(error.to_string().contains("the format '2', which this release does not know"), "{error}");
}

#[tokio::test]
async fn sealed_files_of_other_rooms() {
    let fixture = Fixture::new();
    for bytes in [b"".as_slice(), b"verdicts", &vec![7; 200_000]] {
        let digest = fixture.writer().put_sealed("verdicts/fx-desk/0.age", bytes).await.unwrap();
        assert_eq!(digest, Digest::of(bytes));
        assert_eq!(fixture.archive.sealed("verdicts/fx-desk/0.age", &digest).await.unwrap(), bytes);
        // Somebody else's, encrypted to the tenant as anybody can.
        fixture.writer().put_sealed("verdicts/fx-desk/0.age", b"forged").await.unwrap();
        let forged = fixture.archive.sealed("verdicts/fx-desk/0.age", &digest).await;
        assert!(matches!(forged, Err(ArchiveError::Damaged { what, .. }) if what.contains("SHA-256")));
    }
    let stored = fixture.writer().put_segment(&chat(), &EventBatch::default()).await.unwrap();
    let before = std::fs::read(fixture.file(&stored.path)).unwrap();
    for path in [stored.path.as_str(), "segments", "attachments/00/x.age", "staging/x"] {
        assert!(matches!(fixture.writer().put_sealed(path, b"x").await, Err(ArchiveError::Refused { .. })), "{path}");
    }
    assert!(matches!(fixture.writer().put_sealed("../x", b"x").await, Err(ArchiveError::BadPath { .. })));
    assert!(matches!(fixture.archive.sealed("/etc/passwd", &Digest::of(b"")).await, Err(ArchiveError::BadPath { .. })));
    assert_eq!(std::fs::read(fixture.file(&stored.path)).unwrap(), before);
    assert!(Archive::open(fixture.store.clone(), "acme".parse().unwrap(), &fixture.keys, &MasterKey::generate().unwrap()).is_err());
}
