//! The promise that files open without Consign, kept by the programs that people would use: Debian's `age` and pyarrow.

use std::io::Write;
use std::process::{Command, Stdio};

use consign_archive::{age_identities, decode_segment};
use consign_model::{Digest, Event, EventBatch};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Random, chat};

/// Runs a program with this input; fails, with what is needed, where it is not installed or does not succeed.
pub fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
        panic!("this test needs 'age' (Debian's package) and python3 with pyarrow (from PyPI); {}: {error}", command.get_program().display())
    });
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A program that stops early says why itself.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} (needs 'age' from Debian, pyarrow from PyPI): {errors}");
    output.stdout
}

pub fn age_decrypt(fixture: &Fixture, file: &[u8]) -> Vec<u8> {
    let identity = fixture.folder.path().join("identity.txt");
    std::fs::write(&identity, age_identities(&fixture.keys, &fixture.master).unwrap().as_bytes()).unwrap();
    run(Command::new("age").arg("-d").arg("-i").arg(&identity), file)
}

/// What an outside reader should see of an event, written down apart from the code that stores it.
pub fn seen(event: &Event) -> Value {
    let attachments: Vec<Value> = event
        .attachments
        .iter()
        .map(|one| {
            json!({"name": one.name, "media_type": one.media_type, "size": one.size, "sha256": one.digest.map(|digest| digest.hex()), "url": one.url})
        })
        .collect();
    json!({
        "kind": event.kind.word(),
        "at": event.at.0,
        "id": event.id,
        "user": event.user,
        "text": event.text,
        "thread": event.thread,
        "target": event.target,
        "sender_name": event.sender_name,
        "previous": event.previous,
        "original": event.original,
        "flags": event.flags.0,
        "attachments": attachments,
    })
}

#[tokio::test]
async fn age_and_pyarrow_open_a_segment() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    for count in [0, 1, 2000] {
        let mut events = random.events(count);
        if let Some(event) = events.get_mut(1) {
            event.text = "x€".repeat(300_000);
        }
        let batch = EventBatch::from_events(41, &events);
        let stored = fixture.writer().put_segment(&chat(), &batch).await.unwrap();
        let arrow = age_decrypt(&fixture, &std::fs::read(fixture.file(&stored.path)).unwrap());

        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/archive/read_segment.py");
        let rewritten = fixture.folder.path().join("rewritten.arrow");
        let printed = run(Command::new("python3").arg(script).arg(&rewritten), &arrow);
        let printed: Value = serde_json::from_slice(&printed).unwrap();
        assert_eq!(
            printed.get("metadata").unwrap(),
            &json!({"consign.format": "1", "consign.source": "slack", "consign.chat": chat().id, "consign.first_position": "41"})
        );
        let rows = printed.get("rows").and_then(Value::as_array).unwrap();
        assert_eq!(rows.len(), events.len());
        for (row, event) in rows.iter().zip(&events) {
            assert_eq!(row, &seen(event));
        }
        // And back: the same table as another program writes it.
        let back = decode_segment(std::fs::read(&rewritten).unwrap()).unwrap();
        assert_eq!((back.chat, back.batch), (chat(), batch));
    }
}

#[tokio::test]
async fn age_opens_attachments_and_we_open_what_age_made() {
    let fixture = Fixture::new();
    let mut random = Random::new();
    for size in [0, 65_536, 5 << 20] {
        let bytes = random.bytes(size);
        let (digest, _) = fixture.writer().put_attachment(bytes.as_slice()).await.unwrap();
        let path = fixture.file(&format!("attachments/{}/{digest}.age", digest.hex().get(..2).unwrap()));
        assert!(age_decrypt(&fixture, &std::fs::read(path).unwrap()) == bytes);
        let made = run(Command::new("age").arg("-r").arg(&fixture.keys.recipient), &bytes);
        std::fs::write(fixture.file("made-by-age"), made).unwrap();
        assert!(fixture.archive.sealed("made-by-age", &Digest::of(&bytes)).await.unwrap() == bytes);
    }
}
