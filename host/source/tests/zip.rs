//! ZIP files that are broken or meant to harm. Each is refused by name or as a whole, and none is unpacked beyond its bounds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Cursor, Write};

use consign_source::{Format, Limits, SourceError};
use support::{CHANNELS, Room, USERS, day, read, read_with, refused_whole, zip_of};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const DAY: &[u8] = br#"[{"ts":"1.0","user":"U1","text":"a","files":[{"id":"F1","name":"big.bin"}]}]"#;

fn whole(bytes: &[u8]) -> SourceError {
    let room = Room::new();
    refused_whole(Format::Slack, &room.write("export.zip", bytes), &Limits::default())
}

#[test]
fn not_a_zip() {
    for bytes in [b"".as_slice(), b"P", b"hello, this is text", b"%PDF-1.4", &[0; 5000]] {
        assert!(matches!(whole(bytes), SourceError::WrongKind { .. }));
    }
    let room = Room::new();
    assert!(matches!(refused_whole(Format::Slack, &room.path("no-such.zip"), &Limits::default()), SourceError::Read { .. }));
    let error = whole(&zip_of(&[("notes.txt", b"x")])).to_string();
    assert!(error.contains("no Slack export"), "{error}");
    std::fs::create_dir(room.path("empty")).unwrap();
    assert!(matches!(refused_whole(Format::Slack, &room.path("empty"), &Limits::default()), SourceError::WrongKind { .. }));
}

#[test]
fn a_zip_cut_at_any_byte_is_an_error_before_anything() {
    let bytes = day(std::str::from_utf8(DAY).unwrap());
    for length in 4..bytes.len() {
        let error = whole(bytes.get(..length).unwrap());
        assert!(matches!(error, SourceError::Damaged { .. } | SourceError::WrongKind { .. }), "{length}: {error}");
    }
}

#[test]
fn paths_that_climb_out_are_refused_by_name() {
    let bad =
        ["../evil/2026-01-05.json", "desk/../../x.json", "/etc/2026-01-05.json", "C:\\desk\\2026-01-05.json", "c:/x/2026-01-05.json", "desk\\..\\x"];
    let mut files = vec![("users.json", USERS.as_bytes()), ("channels.json", CHANNELS.as_bytes()), ("desk/2026-01-05.json", DAY)];
    files.extend(bad.map(|name| (name, DAY)));
    let room = Room::new();
    let (kept, report) = read(Format::Slack, &room.zip(&files)).unwrap();
    assert_eq!(kept.all().count(), 1, "only the honest day file");
    assert_eq!(report.refused, bad.len() as u64, "{:?}", report.refusals);
    for (name, refusal) in bad.iter().zip(&report.refusals) {
        assert_eq!(refusal.file, *name);
        assert!(refusal.reason.contains("leads out of the export"), "{refusal}");
    }
}

#[test]
fn a_link_is_not_followed() {
    let lists = zip_of(&[("users.json", USERS.as_bytes()), ("channels.json", CHANNELS.as_bytes())]);
    let mut writer = ZipWriter::new_append(Cursor::new(lists)).unwrap();
    writer.add_symlink("desk/2026-01-05.json", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let room = Room::new();
    let path = room.write("export.zip", writer.finish().unwrap().into_inner());
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!((kept.all().count(), report.refused), (0, 1));

    room.write("unpacked/users.json", USERS);
    room.write("unpacked/channels.json", CHANNELS);
    let secret = room.write("secret.json", DAY);
    std::fs::create_dir(room.path("unpacked/desk")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(secret, room.path("unpacked/desk/2026-01-05.json")).unwrap();
    let (kept, report) = read(Format::Slack, &room.path("unpacked")).unwrap();
    assert_eq!((kept.all().count(), report.refused), (0, 1));
    assert_eq!(report.refusals.first().unwrap().file, "desk/2026-01-05.json");
}

#[test]
fn a_refused_list_ends_the_import_in_a_packed_folder_too() {
    for folder in ["", "Export/"] {
        for only in [false, true] {
            let names = [format!("{folder}users.json"), format!("{folder}desk/2026-01-05.json")];
            let [users, day] = names.each_ref().map(String::as_str);
            let files: &[(&str, &[u8])] = if only { &[(day, DAY)] } else { &[(users, USERS.as_bytes()), (day, DAY)] };
            let mut writer = ZipWriter::new_append(Cursor::new(zip_of(files))).unwrap();
            writer.add_symlink(format!("{folder}channels.json"), "/etc/passwd", SimpleFileOptions::default()).unwrap();
            let error = whole(&writer.finish().unwrap().into_inner());
            assert!(matches!(&error, SourceError::List { place, .. } if place == "channels.json"), "{folder} {only}: {error}");
        }
    }
}

#[test]
fn bombs() {
    let zeros = vec![b' '; 3 << 20];
    let limits = Limits { ratio_from: 1 << 20, ..Limits::default() };
    let room = Room::new();
    let lists = [("users.json", USERS.as_bytes()), ("channels.json", CHANNELS.as_bytes()), ("desk/2026-01-05.json", DAY)];
    // One entry: refused by name, the rest goes on.
    for name in ["desk/2026-01-06.json", "__uploads/F1/big.bin"] {
        let path = room.zip(&[lists.as_slice(), &[(name, zeros.as_slice())]].concat());
        let (kept, report) = read_with(Format::Slack, &path, &limits).unwrap();
        assert_eq!(kept.all().count(), 1);
        assert_eq!((report.refused, report.refusals.first().unwrap().file.as_str()), (1, name));
        assert!(report.refusals.first().unwrap().reason.contains("bomb"), "{:?}", report.refusals);
        assert_eq!(report.attachments_missing, 1);
    }
    // Many entries that are each small enough.
    let names: Vec<_> = (0..40).map(|n| format!("__uploads/F{n}/x")).collect();
    let million = vec![b' '; 1 << 20];
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), million.as_slice())).collect();
    let path = room.zip(&[lists.as_slice(), &many].concat());
    let error = refused_whole(Format::Slack, &path, &limits);
    assert!(matches!(error, SourceError::Bomb { .. }), "{error}");
    // Too large for memory, though no bomb: refused by name and size.
    let long = format!(r#"[{{"ts":"2.0","text":"{}"}}]"#, "x".repeat(2000));
    let path = room.zip(&[lists.as_slice(), &[("desk/2026-01-06.json", long.as_bytes())]].concat());
    let (kept, report) = read_with(Format::Slack, &path, &Limits { json_bytes: 1000, ..Limits::default() }).unwrap();
    assert_eq!(kept.all().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["1.0"]);
    assert!(report.refusals.first().unwrap().to_string().starts_with("desk/2026-01-06.json: is larger than 1000 bytes"), "{:?}", report.refusals);
}

#[test]
fn a_zip_that_lies_about_sizes_is_not_believed() {
    // The bytes of one entry say 10,000 bytes unpacked; the directory is patched to say less, or far more.
    let long = format!(r#"[{{"ts":"1.0","text":"{}"}}]"#, "x".repeat(10_000));
    let honest = zip_of(&[("users.json", USERS.as_bytes()), ("channels.json", CHANNELS.as_bytes()), ("desk/2026-01-05.json", long.as_bytes())]);
    let size = u32::try_from(long.len()).unwrap().to_le_bytes();
    for lie in [100_u32, 20_000, u32::MAX - 1] {
        let mut bytes = honest.clone();
        let places: Vec<_> = bytes.windows(4).enumerate().filter(|(_, four)| *four == size).map(|(at, _)| at).collect();
        assert_eq!(places.len(), 2, "in the local header and in the directory");
        for at in places {
            bytes.get_mut(at..at + 4).unwrap().copy_from_slice(&lie.to_le_bytes());
        }
        let room = Room::new();
        let path = room.write("export.zip", bytes);
        let (kept, report) = read(Format::Slack, &path).unwrap();
        let whole = kept.all().next().is_some_and(|event| event.text.len() == 10_000);
        assert!(report.refused == 1 || whole, "{lie}: neither refused nor whole");
        assert!(report.refused == 0 || report.refusals.first().unwrap().file == "desk/2026-01-05.json");
    }
}

#[test]
fn flipped_bytes_are_noticed_by_the_checksum() {
    let text = "the fixing is at eleven";
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in
        [("users.json", USERS), ("channels.json", CHANNELS), ("desk/2026-01-05.json", &format!(r#"[{{"ts":"1.0","text":"{text}"}}]"#))]
    {
        writer.start_file(name, stored).unwrap();
        writer.write_all(bytes.as_bytes()).unwrap();
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    let at = bytes.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
    *bytes.get_mut(at).unwrap() ^= 1;
    let room = Room::new();
    let (kept, report) = read(Format::Slack, &room.write("export.zip", bytes)).unwrap();
    assert_eq!(kept.all().count(), 0);
    assert!(report.refusals.first().unwrap().reason.contains("damaged"), "{:?}", report.refusals);
}

#[test]
fn duplicate_encrypted_and_foreign_entries_are_refused_by_name() {
    // Two entries whose names differ only in what is patched: then they are the same.
    let mut bytes = zip_of(&[
        ("users.json", USERS.as_bytes()),
        ("channels.json", CHANNELS.as_bytes()),
        ("desk/2026-01-05.json", DAY),
        ("desk/2026-01-06.json", br#"[{"ts":"2.0","text":"b"}]"#),
        ("desk/2026-01-07.json", br#"[{"ts":"3.0","text":"c"}]"#),
    ]);
    let places: Vec<_> = bytes.windows(20).enumerate().filter(|(_, part)| *part == b"desk/2026-01-06.json").map(|(at, _)| at).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        bytes.get_mut(at..at + 20).unwrap().copy_from_slice(b"desk/2026-01-05.json");
    }
    let room = Room::new();
    let (kept, report) = read(Format::Slack, &room.write("export.zip", bytes)).unwrap();
    assert_eq!(kept.all().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["3.0"]);
    assert_eq!(report.refusals.iter().map(|refusal| refusal.file.as_str()).collect::<Vec<_>>(), ["desk/2026-01-05.json"]);

    // Bit 0 of the flags says encrypted; the method 14 is LZMA.
    for (offset, value, word) in [(8, 1_u8, "encrypted"), (10, 14, "packed with")] {
        let mut bytes = day(std::str::from_utf8(DAY).unwrap());
        let header = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
        *bytes.get_mut(header + offset).unwrap() = value;
        let (kept, report) = read(Format::Slack, &room.write("export.zip", bytes)).unwrap();
        assert_eq!(kept.all().count(), 0);
        let refusal = report.refusals.first().unwrap();
        assert!(refusal.file == "desk/2026-01-05.json" && refusal.reason.contains(word), "{refusal}");
    }
    // If it is a list that can't be read, nothing is imported.
    let mut bytes = zip_of(&[("users.json", USERS.as_bytes())]);
    let header = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    *bytes.get_mut(header + 8).unwrap() = 1;
    assert!(matches!(whole(&bytes), SourceError::List { .. }));
}

#[test]
fn entries_that_share_bytes_are_a_bomb() {
    // The second entry of the directory is made to point at the first one's bytes.
    let mut bytes = zip_of(&[("users.json", USERS.as_bytes()), ("channels.json", CHANNELS.as_bytes())]);
    let header = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    bytes.get_mut(header + 42..header + 46).unwrap().copy_from_slice(&0_u32.to_le_bytes());
    assert!(matches!(whole(&bytes), SourceError::Bomb { .. } | SourceError::Damaged { .. }));
}

#[test]
fn an_entry_without_a_name_is_named_as_such() {
    let room = Room::new();
    let path = room.zip(&[
        ("users.json", USERS.as_bytes()),
        ("channels.json", CHANNELS.as_bytes()),
        ("desk/2026-01-05.json", DAY),
        ("", b"nobody's".as_slice()),
    ]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!((kept.all().count(), report.refused), (1, 1));
    assert!(report.refusals.first().unwrap().to_string().starts_with("(an entry without a name): "), "{:?}", report.refusals);
}
