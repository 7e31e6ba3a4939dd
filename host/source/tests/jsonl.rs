//! JSON lines: every type, packing, attachments and bad lines.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;

use consign_model::source::Capture;
use consign_model::{ChatKind, Digest, EventKind, Flags, Timestamp};
use consign_source::{Format, Limits, SourceError};
use support::{Room, read, read_with, refused_whole};

/// The example of the format's description.
const EXAMPLE: &str = r#"{"type":"user","id":"U1","name":"Ann Lee","email":"ann@desk.example","bot":false,"external":false,"recorded":true,"attributes":{"department":"FX"}}
{"type":"chat","id":"C1","kind":"channel","title":"rates-desk","labels":{"team":"fx"}}
{"type":"join","chat":"C1","user":"U1","at":"2026-01-05T08:00:00.000Z"}
{"type":"message","chat":"C1","id":"m1","at":"2026-01-05T08:01:02.345Z","user":"U1","text":"hi","thread":"m0","attachments":[{"name":"q.pdf","media_type":"application/pdf","path":"files/q.pdf"}]}
{"type":"edit","chat":"C1","id":"m1","at":"2026-01-05T08:02:00Z","user":"U1","text":"hello"}
{"type":"delete","chat":"C1","id":"m1","at":"2026-01-05T08:03:00Z","user":"U1"}
{"type":"leave","chat":"C1","user":"U1","at":"2026-01-05T08:04:00Z"}
{"type":"reaction","chat":"C1","id":"m1","at":"2026-01-05T08:05:00+00:00","user":"U2","name":"thumbsup","removed":false}
{"type":"reaction","chat":"C1","id":"m1","at":"2026-01-05T08:05:00Z","user":"U2","name":"thumbsup","removed":true}
"#;

#[test]
fn the_example() {
    let room = Room::new();
    room.write("files/q.pdf", b"%PDF");
    let (kept, report) = read(Format::Jsonl, &room.write("chat.jsonl", EXAMPLE)).unwrap();
    assert!(!report.refused_anything(), "{:?}", report.refusals);
    let ids: Vec<_> = kept.chat("C1").iter().map(|event| (event.kind, event.id.as_str())).collect();
    assert_eq!(
        ids,
        [
            (EventKind::Join, "join:U1:2026-01-05T08:00:00.000Z"),
            (EventKind::Message, "m1"),
            (EventKind::Edit, "edit:m1:2026-01-05T08:02:00.000Z"),
            (EventKind::Delete, "delete:m1:2026-01-05T08:03:00.000Z"),
            (EventKind::Leave, "leave:U1:2026-01-05T08:04:00.000Z"),
            (EventKind::Reaction, "reaction:m1:U2:thumbsup:2026-01-05T08:05:00.000Z"),
            (EventKind::Reaction, "reaction:m1:U2:thumbsup:removed:2026-01-05T08:05:00.000Z"),
        ]
    );
    let user = kept.user("U1");
    assert_eq!((user.email.as_deref(), user.attributes.get("department").map(String::as_str)), (Some("ann@desk.example"), Some("FX")));
    let chat = kept.chats.get("C1").unwrap();
    assert_eq!((chat.kind, chat.labels.get("team").map(String::as_str)), (Some(ChatKind::Channel), Some("fx")));
    let message = kept.event("m1");
    assert_eq!((message.thread.as_deref(), message.attachments.first().unwrap().digest), (Some("m0"), Some(Digest::of(b"%PDF"))));
    assert_eq!(kept.event("edit:m1:2026-01-05T08:02:00.000Z").target.as_deref(), Some("m1"));
    assert!(kept.event("reaction:m1:U2:thumbsup:removed:2026-01-05T08:05:00.000Z").flags.has(Flags::REMOVED));
    assert_eq!((report.attachments, report.attachments_missing), (1, 0));
}

#[test]
fn what_a_platform_says_of_bots_edits_and_members() {
    let lines = r#"{"type":"chat","id":"C1","members":["U1","U2",null]}
{"type":"message","chat":"C1","id":"m1","at":"2026-01-05T08:00:00Z","user":"B1","text":"beep","bot":true}
{"type":"message","chat":"C1","id":"m2","at":"2026-01-05T08:00:01Z","user":"U1","text":"hi","edited":true,"bot":false}
{"type":"edit","chat":"C1","id":"m1","at":"2026-01-05T08:00:02Z","user":"B1","text":"boop","bot":true}
{"type":"message","chat":"C1","id":"m3","at":"2026-01-05T08:00:03Z","bot":"yes"}
"#;
    let room = Room::new();
    let (kept, report) = read(Format::Jsonl, &room.write("chat.jsonl", lines)).unwrap();
    assert_eq!(kept.chats.get("C1").unwrap().members, ["U1", "U2"]);
    let flags: Vec<Flags> = kept.chat("C1").iter().map(|event| event.flags).collect();
    assert_eq!(flags, [Flags::FROM_BOT, Flags::EDITED, Flags::FROM_BOT]);
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    assert_eq!(report.refusals.iter().map(ToString::to_string).collect::<Vec<_>>(), ["chat.jsonl, line 5: `bot` is a text, not true or false"]);
}

#[test]
fn lines_at_hand_are_the_same_as_in_a_file() {
    let room = Room::new();
    room.write("files/q.pdf", b"%PDF");
    let (of_file, file_report) = read(Format::Jsonl, &room.write("chat.jsonl", EXAMPLE)).unwrap();
    let mut kept = support::Kept::default();
    let report = consign_source::read_lines("chat.jsonl", EXAMPLE, Some(&room.path("")), &Limits::default(), &mut kept, &support::silent).unwrap();
    assert_eq!((kept.events, report), (of_file.events, file_report));
    let mut kept = support::Kept::default();
    let report = consign_source::read_lines("chat.jsonl", EXAMPLE, None, &Limits::default(), &mut kept, &support::silent).unwrap();
    assert_eq!((report.attachments, report.attachments_missing), (0, 1));
}

#[test]
fn packed_is_the_same_as_plain_and_a_cut_one_gives_nothing() {
    let room = Room::new();
    let plain = read(Format::Jsonl, &room.write("chat.jsonl", EXAMPLE)).unwrap().0;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let (first, second) = EXAMPLE.split_at(400);
    gzip.write_all(first.as_bytes()).unwrap();
    let mut members = gzip.finish().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(second.as_bytes()).unwrap();
    members.extend(gzip.finish().unwrap());
    let padded = [members.as_slice(), &vec![0; 100_000]].concat();
    let with_zeros = read(Format::Jsonl, &room.write("padded.gz", &padded)).unwrap().0;
    assert_eq!(with_zeros.events, plain.events, "a tape's zeros");
    let junk = room.write("junk.gz", [padded.as_slice(), b"junk"].concat());
    assert!(matches!(refused_whole(Format::Jsonl, &junk, &Limits::default()), SourceError::Damaged { .. }));
    let marked = format!("\u{feff}{}", EXAMPLE.trim_end().replace('\n', "\n\u{feff}"));
    let (kept, report) = read(Format::Jsonl, &room.write("marked.jsonl", marked)).unwrap();
    assert_eq!((kept.events, report.refused), (plain.events.clone(), 0), "a byte order mark at every line");
    let packed = [("a.gz", members), ("a.zst", zstd::encode_all(EXAMPLE.as_bytes(), 3).unwrap())];
    for (name, bytes) in packed {
        let (kept, report) = read(Format::Jsonl, &room.write(name, &bytes)).unwrap();
        assert_eq!((kept.events, report.refused), (plain.events.clone(), 0), "{name}");
        for cut in [bytes.len() / 2, bytes.len() - 1] {
            let error = refused_whole(Format::Jsonl, &room.write(name, bytes.get(..cut).unwrap()), &Limits::default());
            assert!(matches!(error, SourceError::Damaged { .. }), "{error}");
        }
    }
    let zip = room.write("x.jsonl", support::zip_of(&[("a", b"b")]));
    assert!(refused_whole(Format::Jsonl, &zip, &Limits::default()).to_string().contains("--format slack"));
    assert!(matches!(refused_whole(Format::Jsonl, room.0.path(), &Limits::default()), SourceError::WrongKind { .. }));
}

#[test]
#[cfg(unix)]
fn a_pipe_is_refused_before_anything_is_taken_from_it() {
    let room = Room::new();
    let pipe = room.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Nobody writes: opening it would wait for ever.
    for path in [pipe.as_path(), std::path::Path::new("/dev/null")] {
        for format in Format::ALL {
            let error = refused_whole(format, path, &Limits::default()).to_string();
            assert!(error.contains("a pipe or a device") && error.contains("write it to a file"), "{error}");
        }
    }
}

#[test]
fn a_decompression_bomb_is_stopped() {
    let room = Room::new();
    let path = room.write("bomb.zst", zstd::encode_all(std::io::Read::take(std::io::repeat(b'\n'), 64 << 20), 3).unwrap());
    let error = refused_whole(Format::Jsonl, &path, &Limits { ratio_from: 1 << 20, ..Limits::default() });
    assert!(matches!(error, SourceError::Bomb { .. }), "{error}");
}

#[test]
fn bad_lines_are_refused_by_number_and_the_rest_goes_on() {
    let good = r#"{"type":"message","chat":"C1","id":"ok","at":"2026-01-05T08:00:00Z","user":"U1","text":"ok"}"#;
    let bad: Vec<Vec<u8>> = [
        "{\"type\":\"message\",\"text\":\"secret",
        "secret",
        "[\"secret\"]",
        "{}",
        r#"{"type":"secret"}"#,
        r#"{"type":"message","chat":"C1","id":"x","at":"2026-01-05T08:00:00Z","text":["secret"]}"#,
        r#"{"type":"message","chat":"C1","id":"x","at":"secret","text":"x"}"#,
        r#"{"type":"message","chat":"C1","id":"x","at":1767600000,"text":"x"}"#,
        r#"{"type":"message","chat":"C1","id":"x","at":"99999-01-05T08:00:00Z","text":"x"}"#,
        r#"{"type":"message","chat":"C1","at":"2026-01-05T08:00:00Z","text":"secret"}"#,
        r#"{"type":"message","id":"x","at":"2026-01-05T08:00:00Z","text":"secret"}"#,
        r#"{"type":"message","chat":"C\n1","id":"x","at":"2026-01-05T08:00:00Z"}"#,
        r#"{"type":"join","chat":"C1","at":"2026-01-05T08:00:00Z"}"#,
        r#"{"type":"reaction","chat":"C1","id":"m","user":"U1","at":"2026-01-05T08:00:00Z"}"#,
        r#"{"type":"chat","id":"C1","kind":"secret"}"#,
        r#"{"type":"user","id":"U1","attributes":{"a":["secret"]}}"#,
        r#"{"type":"user","id":"U1","recorded":"secret"}"#,
        r#"{"type":"message","chat":"C1","id":"x","at":"2026-01-05T08:00:00Z","attachments":[{"path":"../secret"}]}"#,
    ]
    .iter()
    .map(|line| line.as_bytes().to_vec())
    .chain([b"{\"type\":\"\xff\xfe secret\"}".to_vec(), vec![b'x'; 3000], [b'['; 2500].to_vec()])
    .collect();
    let mut file = good.as_bytes().to_vec();
    for line in &bad {
        file.push(b'\n');
        file.extend(line);
    }
    file.extend(b"\r\n\n  \n");
    file.extend(good.replace("ok", "ok2").as_bytes());
    let room = Room::new();
    let limits = Limits { line_bytes: 2900, ..Limits::default() };
    let (kept, report) = read_with(Format::Jsonl, &room.write("chat.jsonl", file), &limits).unwrap();
    assert_eq!(kept.all().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["ok", "ok2"]);
    let lines: Vec<_> = report.refusals.iter().map(|refusal| refusal.line.unwrap()).collect();
    assert_eq!(lines, (2..2 + bad.len() as u64).collect::<Vec<_>>());
    for refusal in report.refusals.iter().filter(|refusal| !refusal.reason.contains("path")) {
        assert!(!refusal.reason.contains("secret"), "{refusal}");
        assert_eq!(refusal.file, "chat.jsonl");
    }
}

#[test]
fn attachments_stay_in_the_folder() {
    let room = Room::new();
    room.write("secret.txt", b"secret");
    room.write("in/here.txt", b"here");
    std::fs::create_dir(room.path("in/folder")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(room.path("secret.txt"), room.path("in/out")).unwrap();
        std::os::unix::fs::symlink(room.path("in/here.txt"), room.path("in/link")).unwrap();
    }
    let absolute = room.path("secret.txt").display().to_string();
    let paths = [
        "../secret.txt",
        &absolute,
        "out",
        "folder/../../secret.txt",
        "C:/x",
        "..\\\\x",
        "folder",
        "here.txt",
        "link",
        "not-there.txt",
        "here.txt/x",
    ];
    let lines: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(at, path)| format!(r#"{{"type":"message","chat":"C1","id":"m{at}","at":"2026-01-05T08:00:00Z","attachments":[{{"path":"{path}","size":7}},{{"name":"x","url":"https://x"}}]}}"#))
        .collect();
    let (kept, report) = read(Format::Jsonl, &room.write("in/chat.jsonl", lines.join("\n"))).unwrap();
    assert_eq!(kept.all().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["m7", "m8", "m9", "m10"]);
    assert_eq!(report.refused, 7, "{:?}", report.refusals);
    assert!(kept.files.values().all(|bytes| bytes == b"here"));
    let first = |id: &str| kept.event(id).attachments.first().unwrap().clone();
    assert_eq!((first("m7").digest, first("m7").size, first("m7").name.as_str()), (Some(Digest::of(b"here")), Some(4), "here.txt"));
    assert_eq!((first("m9").digest, first("m9").size), (None, Some(7)));
    assert_eq!((report.attachments, report.attachments_missing), (2, 6));
    assert_eq!(kept.event("m7").attachments.get(1).unwrap().url.as_deref(), Some("https://x"));
}

#[test]
fn chats_come_interleaved_and_late() {
    let line = |at: usize| {
        let (chat, text) = (at % 3, "x".repeat(at));
        format!(r#"{{"type":"message","chat":"C{chat}","id":"m{at:03}","at":"2026-01-05T08:00:00Z","text":"{text}"}}"#) + "\n"
    };
    let mut file: String = (0..300).map(line).collect();
    file.push_str("{\"type\":\"chat\",\"id\":\"C1\",\"kind\":\"meeting\",\"colour\":\"red\"}\n");
    let room = Room::new();
    let path = room.write("chat.jsonl", file);
    for limits in [Limits::default(), Limits { piece_events: 7, ..Limits::default() }, Limits { waiting_bytes: 2000, ..Limits::default() }] {
        let (kept, report) = read_with(Format::Jsonl, &path, &limits).unwrap();
        for chat in ["C0", "C1", "C2"] {
            let ids: Vec<_> = kept.chat(chat).iter().map(|event| event.id.as_str()).collect();
            assert!(ids.len() == 100 && ids.is_sorted(), "the order of the file is kept: {ids:?}");
        }
        assert_eq!(kept.chats.get("C0").unwrap().kind, None);
        assert_eq!(kept.chats.get("C1").unwrap().kind, Some(ChatKind::Meeting));
        assert_eq!(report.notes.iter().next().map(|(note, count)| (note.contains("colour"), *count)), Some((true, 1)));
    }
}

#[test]
fn texts_keep_what_names_may_not() {
    let room = Room::new();
    let line =
        r#"{"type":"message","chat":"C1","id":"m1","at":"2026-01-05T08:00:00Z","text":"a\r\nb\rc\u0000","attachments":[{"name":"q\r\nX: y.pdf"}]}"#;
    let (kept, _) = read(Format::Jsonl, &room.write("chat.jsonl", line)).unwrap();
    let message = kept.event("m1");
    assert_eq!((message.text.as_str(), message.original.as_deref()), ("a\nb\nc␀", Some("a\nb\nc\0")));
    assert_eq!(message.attachments.first().unwrap().name, "q X: y.pdf");
}

#[test]
fn whoever_gets_an_address_later_has_one() {
    let room = Room::new();
    let user = |id: &str, more: &str| format!("{{\"type\":\"user\",\"id\":\"{id}\"{more}}}\n");
    let address = r#","email":"ann@desk.example""#;
    let lines = [user("U1", ""), user("U1", address), user("U2", address), user("U2", ""), user("U3", ""), user("U3", "")].concat();
    let (_, report) = read(Format::Jsonl, &room.write("chat.jsonl", lines)).unwrap();
    assert_eq!((report.users, report.users_without_email), (3, 2));
}

#[test]
fn copies_of_nobody_told_times_are_captured_as_far_as_they_go() {
    let copy = |chat: &str, minute: u32, user: &str| {
        format!(
            r#"{{"type":"message","chat":"{chat}","id":"m{minute}","at":"2026-01-05T08:{minute:02}:00Z","user":"U9","text":"x","copy_of":"{user}"}}"#
        ) + "\n"
    };
    let told = r#"{"type":"capture","user":"U2","from":"2026-01-01T00:00:00Z","until":"2026-01-31T00:00:00Z"}"#;
    // Of the second user it is told, after the copies; the first one's stand in two chats and in no order.
    let lines = copy("C1", 5, "U1") + &copy("C2", 3, "U1") + &copy("C1", 4, "U1") + &copy("C1", 5, "U2") + told + "\n";
    let room = Room::new();
    let at = |text: &str| Some(Timestamp::parse(text).unwrap());
    let stated = Capture { user: "U2".into(), from: at("2026-01-01T00:00:00Z"), until: at("2026-01-31T00:00:00Z") };
    let shown = Capture { user: "U1".into(), from: at("2026-01-05T08:03:00Z"), until: at("2026-01-05T08:05:00Z") };
    let path = room.write("chat.jsonl", lines);
    // Pieces of one event: what the last piece shows is not all.
    for limits in [Limits::default(), Limits { piece_events: 1, ..Limits::default() }] {
        let (kept, report) = read_with(Format::Jsonl, &path, &limits).unwrap();
        assert_eq!(kept.captures, [stated.clone(), shown.clone()]);
        assert_eq!((report.captured_users, report.notes.values().sum::<u64>()), (2, 1), "{:?}", report.notes);
    }
}
