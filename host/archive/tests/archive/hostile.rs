//! Files that somebody has changed, cut, moved or made up: none of them is ever read as something shorter or other than what was written, and none keeps
//! the reader busy. Whoever can write to the store knows the public key at most.

use std::time::{Duration, Instant};

use consign_archive::ArchiveError;
use consign_model::{ChatKey, Digest, EventBatch, Extent};

use crate::fixture::{Fixture, Random, chat};

/// A refusal that takes longer would be worth somebody's while.
const SOON: Duration = Duration::from_millis(50);

fn full() -> bool {
    std::env::var_os("CONSIGN_FULL").is_some()
}

/// A file of each kind, a little longer than one of age's chunks, and how it is read without the index's word for it.
struct Files {
    fixture: Fixture,
    segment: Vec<u8>,
    batch: EventBatch,
    attachment: Vec<u8>,
    digest: Digest,
    place: std::path::PathBuf,
}

impl Files {
    async fn new(random: &mut Random) -> Self {
        let fixture = Fixture::new();
        let mut events = random.events(60);
        for event in &mut events {
            event.original = Some(random.bytes(1_200).iter().map(|byte| char::from(*byte)).collect());
        }
        let batch = EventBatch::from_events(0, &events);
        let stored = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
        let segment = std::fs::read(fixture.file(&stored.path)).unwrap();
        let (digest, _) = fixture.writer().put_attachment(random.bytes(70_000).as_slice()).await.unwrap();
        let place = fixture.file(&format!("attachments/{}/{digest}.age", digest.hex().get(..2).unwrap()));
        let attachment = std::fs::read(&place).unwrap();
        assert!(segment.len() > 66_000 && attachment.len() > 66_000, "{} and {} bytes", segment.len(), attachment.len());
        Self { fixture, segment, batch, attachment, digest, place }
    }

    /// As a segment of which the index says what is there: the age layer is alone.
    async fn read_segment(&self, file: &[u8]) -> Result<EventBatch, ArchiveError> {
        std::fs::write(self.fixture.file("segment"), file).unwrap();
        self.fixture.archive.segment(&chat(), Extent::file("segment", &Digest::of(file))).await
    }

    async fn read_attachment(&self, file: &[u8]) -> Result<bytes::Bytes, ArchiveError> {
        std::fs::write(&self.place, file).unwrap();
        self.fixture.archive.attachment(&self.digest).await
    }

    /// As either, it is damaged for good.
    async fn is_refused(&self, segment: &[u8], attachment: &[u8], about: &str) {
        for outcome in [self.read_segment(segment).await.map(drop), self.read_attachment(attachment).await.map(drop)] {
            match outcome {
                Err(error @ (ArchiveError::Damaged { .. } | ArchiveError::WrongKey { .. })) => {
                    assert!(!error.passes_by_waiting(), "{about}: {error}");
                }
                Err(error) => panic!("{about}: {error}"),
                Ok(()) => panic!("{about}: it was read"),
            }
        }
    }
}

#[tokio::test]
async fn nothing_of_a_file_that_was_cut_or_changed_is_read() {
    let mut random = Random::new();
    let files = Files::new(&mut random).await;
    let (cuts, flips) = if full() { (1_000, 10_000) } else { (200, 2_000) };
    let begun = Instant::now();
    for _ in 0..cuts {
        let (segment, attachment) = (random.below(files.segment.len()), random.below(files.attachment.len()));
        let about = format!("cut at {segment} and {attachment}");
        files.is_refused(files.segment.get(..segment).unwrap(), files.attachment.get(..attachment).unwrap(), &about).await;
    }
    for number in 0..flips {
        let mut flip = |file: &[u8]| {
            let mut file = file.to_vec();
            // A header is short: half of all flips are in the first 300 bytes.
            let at = random.below(if number % 2 == 0 { 300 } else { file.len() });
            *file.get_mut(at).unwrap() ^= 1 << random.below(8);
            (at, file)
        };
        let ((segment_at, segment), (attachment_at, attachment)) = (flip(&files.segment), flip(&files.attachment));
        files.is_refused(&segment, &attachment, &format!("flipped at {segment_at} and {attachment_at}")).await;
    }
    // And as they were written they are read.
    assert_eq!(files.read_segment(&files.segment).await.unwrap(), files.batch);
    files.read_attachment(&files.attachment).await.unwrap();
    println!("of each of two kinds of files {cuts} cut and {flips} with a flipped bit: all refused, in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_made_up_header_is_refused_at_once() {
    const MAGIC: &str = "age-encryption.org/v1\n";
    const MAC: &str = "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    const SHARE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    // More would measure the disk, from which the whole file is read first.
    const MANY: usize = 1 << 20;
    let files = Files::new(&mut Random::new()).await;
    let stanza = format!("-> X25519 {SHARE}\n{SHARE}\n");
    let scrypt = |factor: &str| format!("{MAGIC}-> scrypt AAAAAAAAAAAAAAAAAAAAAA {factor}\n{SHARE}\n{MAC}");
    let line = format!("{}\n", "A".repeat(64));
    let headers = [
        ("15 stanzas, as many as are looked at", format!("{MAGIC}{}{MAC}", stanza.repeat(15))),
        ("100 stanzas", format!("{MAGIC}{}{MAC}", stanza.repeat(100))),
        ("1 MiB of stanzas", format!("{MAGIC}{}{MAC}", stanza.repeat(MANY / stanza.len()))),
        ("1 MiB of stanzas without a body", format!("{MAGIC}{}{MAC}", "-> a\n\n".repeat(MANY / 6))),
        ("a stanza with 1 MiB of body", format!("{MAGIC}-> X25519 {SHARE}\n{}{MAC}", line.repeat(MANY / line.len()))),
        ("3 KiB of body, as much as is looked at", format!("{MAGIC}-> X25519 {SHARE}\n{}AAAA\n{MAC}", line.repeat(58))),
        ("a stanza with 1 MiB of arguments", format!("{MAGIC}->{}\n{SHARE}\n{MAC}", " a".repeat(MANY / 2))),
        ("3 KiB of arguments, as much as is looked at", format!("{MAGIC}->{}\n{SHARE}\n{MAC}", " a".repeat(1_900))),
        ("a password, work factor 2^20", scrypt("20")),
        ("a password, work factor 2^62", scrypt("62")),
        ("a password, work factor 2^64", scrypt("64")),
        ("a password, a work factor of 3 KiB of digits", scrypt(&"9".repeat(3_072))),
        ("a line of 1 MiB that never ends", format!("{MAGIC}{}", "A".repeat(MANY))),
        ("a first line of 1 MiB", "a".repeat(MANY)),
        ("1 MiB of line ends", format!("{MAGIC}{}", "\n".repeat(MANY))),
        ("a code of 1 MiB at the end", format!("{MAGIC}{stanza}--- {}\n", "A".repeat(MANY))),
        ("lines that end in CR LF", format!("{MAGIC}{stanza}{MAC}").replace('\n', "\r\n")),
        ("no end", format!("{MAGIC}{stanza}")),
    ];
    for (what, header) in headers {
        let file = [header.as_bytes(), &[7; 100]].concat();
        files.is_refused(&file, &file, what).await;
        // What others do on this machine is nobody's fault: the best of some tries counts.
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            assert!(files.fixture.archive.attachment(&files.digest).await.is_err());
            best = best.min(begun.elapsed());
        }
        println!("{what}, {} bytes: refused in {best:?}", file.len());
        assert!(best < SOON, "{what}: {best:?}");
    }
}

/// It opens, since it is the tenant's own; that it is another chat's only the index tells.
#[tokio::test]
async fn a_file_in_another_chats_place_is_refused() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let other = ChatKey { id: "C2".to_owned(), ..chat() };
    let mut stored = Vec::new();
    for key in [chat(), other] {
        stored.push(fixture.writer().put_segment(&key, &EventBatch::from_events(0, &random.events(20))).await.unwrap());
    }
    let [one, another] = stored.as_slice() else { panic!("two were stored") };
    std::fs::copy(fixture.file(&one.path), fixture.file(&another.path)).unwrap();
    fixture.archive.segment(&chat(), Extent::file(&one.path, &one.digest)).await.unwrap();
    for error in [
        fixture.archive.segment(&chat(), Extent::file(&another.path, &another.digest)).await.unwrap_err(),
        fixture.archive.segment_file(&another.path, &another.digest).await.unwrap_err(),
    ] {
        assert!(matches!(&error, ArchiveError::Damaged { what, path } if what.contains("SHA-256") && path.ends_with(&another.path)), "{error}");
    }
}
