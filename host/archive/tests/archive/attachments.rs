//! Attachments: by content, once, whole, and of any size.

use std::io::Read;

use consign_archive::{ArchiveError, sweep};
use consign_model::Digest;

use crate::fixture::{Fixture, Random};

/// As in the code: up to here in memory, and a part of an upload.
const SMALL: usize = 4 << 20;
const PART: usize = 8 << 20;

#[tokio::test]
async fn any_size_comes_back() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    for size in [0, 1, 65_535, 65_536, 65_537, SMALL, SMALL + 1, PART - 200, PART, 2 * PART + 12_345] {
        let bytes = random.bytes(size);
        let stored = fixture.writer().put_attachment(bytes.as_slice()).await.unwrap();
        assert_eq!(stored, (Digest::of(&bytes), size as u64));
        assert!(fixture.archive.attachment(&stored.0).await.unwrap() == bytes, "{size} bytes differ");
    }
    assert_eq!(fixture.files().iter().filter(|name| !name.starts_with("acme/attachments/")).count(), 0, "the staging folder is not empty");
}

#[tokio::test]
async fn stored_once() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let (small, large) = (random.bytes(10_000), random.bytes(SMALL + 10_000));
    for bytes in [&small, &large] {
        let (digest, _) = fixture.writer().put_attachment(bytes.as_slice()).await.unwrap();
        let file = fixture.file(&format!("attachments/{}/{digest}.age", digest.hex().get(..2).unwrap()));
        let before = std::fs::read(&file).unwrap();
        fixture.writer().put_attachment(bytes.as_slice()).await.unwrap();
        assert!(std::fs::read(&file).unwrap() == before, "written again");
    }
    assert_eq!(fixture.files().len(), 2);
}

/// Whoever finds that a file was cut short has the export at hand still, and imports it again.
#[tokio::test]
async fn one_that_was_cut_short_is_written_anew() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    for bytes in [random.bytes(0), random.bytes(10), random.bytes(70_000), random.bytes(SMALL + 10_000)] {
        let (digest, _) = fixture.writer().put_attachment(bytes.as_slice()).await.unwrap();
        let file = fixture.file(&format!("attachments/{}/{digest}.age", digest.hex().get(..2).unwrap()));
        let whole = std::fs::read(&file).unwrap();
        let longer = [whole.as_slice(), b"x"].concat();
        let others = [0, 1, 100, 200, whole.len() - 16, whole.len() - 1].map(|cut| whole.get(..cut).unwrap());
        for other in others.into_iter().chain([longer.as_slice()]) {
            std::fs::write(&file, other).unwrap();
            assert!(fixture.archive.attachment(&digest).await.is_err());
            let stored = fixture.writer().put_attachment(bytes.as_slice()).await.unwrap();
            assert_eq!(stored, (digest, bytes.len() as u64));
            assert!(fixture.archive.attachment(&digest).await.unwrap() == bytes, "{} of {} bytes", other.len(), whole.len());
        }
    }
    assert_eq!(fixture.files().len(), 4, "{:?}", fixture.files());
}

/// What a kill leaves is removed by the next start; what was stored is not.
#[tokio::test]
async fn leftovers_of_a_kill_are_swept() {
    let fixture = Fixture::new();
    let root = fixture.folder.path().to_str().unwrap();
    fixture.writer().put_attachment(b"small".as_slice()).await.unwrap();
    fixture.writer().put_sealed("verdicts/x", b"y").await.unwrap();
    fixture.writer().put_sealed("verdicts/staging/x", b"y").await.unwrap();
    let kept = fixture.files();
    assert_eq!(sweep(root).unwrap(), 0);
    let mut upload = fixture.writer().start_attachment();
    upload.write(&vec![1; SMALL + PART]).await.unwrap();
    // As a kill: nobody is told.
    std::mem::forget(upload);
    for name in ["acme/attachments/ab/abcd.age#1", "acme/segments/s/c/000000000000-abcd.arrow.age#12", "acme/verdicts/x#3", "acme/staging/abcd.age"] {
        let path = fixture.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "half").unwrap();
    }
    assert_eq!(sweep(root).unwrap(), 5);
    assert_eq!(fixture.files(), kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_by_many_at_once() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    let contents = [random.bytes(100), random.bytes(SMALL + 1), random.bytes(70_000)];
    let tasks: Vec<_> = (0..30_usize)
        .map(|task| {
            let (archive, bytes) = (fixture.archive.clone(), contents.get(task % 3).unwrap().clone());
            tokio::spawn(async move {
                let (digest, _) = archive.writer().put_attachment(bytes.as_slice()).await.unwrap();
                assert!(archive.attachment(&digest).await.unwrap() == bytes);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(fixture.files().len(), 3, "{:?}", fixture.files());
}

/// Gives its bytes in odd pieces, then an error if there is one.
struct Pieces<'a>(&'a [u8], Option<std::io::ErrorKind>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return self.1.map_or(Ok(0), |kind| Err(kind.into()));
        }
        let length = self.0.len().min(buffer.len()).min(77_777);
        let (piece, rest) = self.0.split_at(length);
        buffer.get_mut(..length).unwrap().copy_from_slice(piece);
        self.0 = rest;
        Ok(length)
    }
}

#[tokio::test]
async fn from_code_that_waits() {
    let fixture = Fixture::new();
    let bytes = Random::new().bytes(PART + 5);
    let (writer, runtime, content) = (fixture.writer().clone(), tokio::runtime::Handle::current(), bytes.clone());
    let stored = tokio::task::spawn_blocking(move || writer.put_attachment_blocking(&runtime, &mut Pieces(&content, None))).await.unwrap();
    let (digest, size) = stored.unwrap();
    assert_eq!((digest, size), (Digest::of(&bytes), bytes.len() as u64));
    assert!(fixture.archive.attachment(&digest).await.unwrap() == bytes);

    // An input that breaks off leaves nothing, however far it was.
    for length in [0, 1000, PART + 6] {
        let (writer, runtime, content) = (fixture.writer().clone(), tokio::runtime::Handle::current(), vec![b'x'; length]);
        let failing = move || writer.put_attachment_blocking(&runtime, &mut Pieces(&content, Some(std::io::ErrorKind::InvalidData)));
        assert!(matches!(tokio::task::spawn_blocking(failing).await.unwrap(), Err(ArchiveError::Input(_))));
    }
    wait_for_files(&fixture, 1).await;
}

/// A dropped upload's staging file is removed in the background.
async fn wait_for_files(fixture: &Fixture, count: usize) {
    for _ in 0..10_000 {
        if fixture.files().len() == count {
            return;
        }
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
    panic!("left over: {:?}", fixture.files());
}

#[tokio::test]
async fn after_a_piece_that_was_not_taken_nothing_is_stored() {
    let fixture = Fixture::new();
    std::fs::create_dir(fixture.folder.path().join("acme")).unwrap();
    std::fs::write(fixture.folder.path().join("acme/staging"), "in the way").unwrap();
    let mut upload = fixture.writer().start_attachment();
    upload.write(&vec![1; SMALL]).await.unwrap();
    assert!(matches!(upload.write(&[2]).await, Err(ArchiveError::NotStored { .. })));
    assert!(matches!(upload.write(&[3]).await, Err(ArchiveError::Refused { .. })));
    assert!(matches!(upload.finish().await, Err(ArchiveError::Refused { .. })));

    std::fs::write(fixture.folder.path().join("acme/attachments"), "in the way").unwrap();
    let error = fixture.writer().put_attachment(b"small".as_slice()).await.unwrap_err();
    assert!(matches!(error, ArchiveError::NotStored { .. }) && error.passes_by_waiting(), "{error}");
    assert_eq!(fixture.files(), ["acme/attachments", "acme/staging"]);
}

#[tokio::test]
async fn missing_damaged_and_unreadable_are_told_apart() {
    let fixture = Fixture::new();
    let bytes = Random::new().bytes(100_000);
    let (digest, _) = fixture.writer().put_attachment(bytes.as_slice()).await.unwrap();
    let (other, _) = fixture.writer().put_attachment(b"other".as_slice()).await.unwrap();
    let path = |digest: &Digest| fixture.file(&format!("attachments/{}/{digest}.age", digest.hex().get(..2).unwrap()));
    let gone = Digest::of(b"never stored");
    assert!(matches!(fixture.archive.attachment(&gone).await, Err(ArchiveError::Missing { path }) if path.contains(&gone.hex())));

    let whole = std::fs::read(path(&digest)).unwrap();
    for cut in [0, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(path(&digest), whole.get(..cut).unwrap()).unwrap();
        assert!(matches!(fixture.archive.attachment(&digest).await, Err(ArchiveError::Damaged { .. })), "cut at {cut}");
    }
    // A good file under another's name.
    std::fs::copy(path(&other), path(&digest)).unwrap();
    assert!(matches!(fixture.archive.attachment(&digest).await, Err(ArchiveError::Damaged { what, .. }) if what.contains("SHA-256")));

    std::fs::remove_file(path(&digest)).unwrap();
    std::os::unix::fs::symlink(path(&digest), path(&digest)).unwrap();
    assert!(matches!(fixture.archive.attachment(&digest).await, Err(ArchiveError::Unreadable { .. })));
}

#[tokio::test]
async fn no_plaintext_reaches_the_disk() {
    let fixture = Fixture::new();
    let marker = b"the quick brown fox jumps over the lazy dog";
    let large: Vec<u8> = marker.iter().copied().cycle().take(2 * PART).collect();
    let clean = || {
        for name in fixture.files() {
            let file = std::fs::read(fixture.folder.path().join(&name)).unwrap();
            assert!(!file.windows(20).any(|window| window == marker.get(..20).unwrap()), "{name}");
        }
    };
    let mut upload = fixture.writer().start_attachment();
    for piece in large.chunks(1_000_003) {
        upload.write(piece).await.unwrap();
        assert!(fixture.files().len() <= 1);
    }
    clean();
    assert_eq!(fixture.files().len(), 1, "it is under way in a staging file");
    upload.finish().await.unwrap();
    fixture.writer().put_attachment(marker.as_slice()).await.unwrap();
    fixture.writer().put_sealed("verdicts/x", marker).await.unwrap();
    clean();
    assert_eq!(fixture.files().len(), 3);
}
