//! Discord, by `DiscordChatExporter`: every kind of message and chat, on exports made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;

use consign_model::{ChatKind, Digest, EventKind, Flags, Timestamp};
use consign_source::{Format, Limits, Report, SourceError};
use support::{Kept, Room, read_with, refused_whole, zip_of};

/// A file as the exporter writes it.
fn file_of(channel: &str, messages: &[String]) -> String {
    format!(
        r#"{{
  "guild": {{"id": "1", "name": "Corp", "iconUrl": "https://cdn/icon.png"}},
  "channel": {channel},
  "dateRange": {{"after": null, "before": null}},
  "exportedAt": "2026-02-01T00:00:00.0000000+00:00",
  "messages": [
    {}
  ],
  "messageCount": {}
}}"#,
        messages.join(",\n    "),
        messages.len()
    )
}

const DESK: &str = r#"{"id":"100","type":"GuildTextChat","categoryId":"90","category":"Trading","name":"fx-desk","topic":"rates & more"}"#;
const ANN: &str =
    r#"{"id":"11","name":"ann","discriminator":"0000","nickname":"Ann Lee","color":null,"isBot":false,"roles":[],"avatarUrl":"https://cdn/a.png"}"#;
const BOB: &str = r#"{"id":"12","name":"bob","discriminator":"1234","nickname":null,"isBot":false,"avatarUrl":"https://cdn/b.png"}"#;
const BOT: &str = r#"{"id":"13","name":"Fixing","discriminator":"0000","nickname":"Fixing","isBot":true}"#;

fn desk(messages: &[String]) -> String {
    file_of(DESK, messages)
}

/// A message of the second `id`, with more fields.
fn message(id: u32, kind: &str, author: &str, content: &str, more: &str) -> String {
    let fields = r#""callEndedTimestamp":null,"isPinned":false"#;
    let time = format!("2026-01-05T09:00:{id:02}.5+01:00");
    format!(r#"{{"id":"{id}","type":"{kind}","timestamp":"{time}",{fields},"content":"{content}","author":{author}{more}}}"#)
}

/// Its time.
fn at(id: i64) -> Timestamp {
    Timestamp(1_767_600_000_500 + 1000 * id)
}

fn read_desk(messages: &[String]) -> (Kept, Report) {
    let room = Room::new();
    let path = room.write("desk.json", desk(messages));
    assert_eq!(Format::recognise(&path, &Limits::default()).unwrap(), Format::Discord);
    let (kept, report) = support::read(Format::Discord, &path).unwrap();
    assert_eq!(support::read(Format::Discord, &path).unwrap().0.events, kept.events, "the same again, to the last byte");
    (kept, report)
}

#[test]
fn messages_edits_answers_and_reactions() {
    let (kept, report) = read_desk(&[
        message(1, "Default", ANN, "**hi** @bob", &format!(r#","timestampEdited":"2026-01-05T10:00:00+01:00","mentions":[{BOB}]"#)),
        message(2, "Reply", BOB, "re", r#","timestampEdited":null,"reference":{"messageId":"1","channelId":"100","guildId":"1"}"#),
        message(3, "Reply", BOB, "to elsewhere", r#","reference":{"messageId":"1","channelId":"999","guildId":"1"}"#),
        message(
            4,
            "Default",
            ANN,
            "r",
            &format!(
                r#","reactions":[{{"emoji":{{"id":"","name":"👍","code":"thumbsup"}},"count":3,"users":[{BOB},{ANN},{BOB}]}},
              {{"emoji":{{"id":"77","name":"tada"}},"count":1,"users":[{BOB}]}},{{"emoji":{{"id":null,"name":"👀"}},"count":2}}]"#
            ),
        ),
    ]);
    assert_eq!((report.refused, report.events_total()), (0, 8));
    let ids: Vec<_> = kept.chat("100").iter().map(|event| (event.id.as_str(), event.user.as_deref())).collect();
    assert_eq!(
        ids,
        [
            ("1", Some("11")),
            ("edit:1:2026-01-05T09:00:00.000Z", Some("11")),
            ("2", Some("12")),
            ("3", Some("12")),
            ("4", Some("11")),
            ("reaction:4:11:👍:2026-01-05T08:00:04.500Z", Some("11")),
            ("reaction:4:12:👍:2026-01-05T08:00:04.500Z", Some("12")),
            ("reaction:4:12:tada:77:2026-01-05T08:00:04.500Z", Some("12")),
        ]
    );
    let first = kept.event("1");
    assert_eq!((first.kind, first.at, first.flags), (EventKind::Message, at(1), Flags::EDITED));
    assert_eq!((first.text.as_str(), first.original.as_deref()), ("**hi** @bob", Some("**hi** <@12>")));
    let edit = kept.event("edit:1:2026-01-05T09:00:00.000Z");
    assert_eq!((edit.kind, edit.target.as_deref(), &edit.text, &edit.original), (EventKind::Edit, Some("1"), &first.text, &first.original));
    assert_eq!(edit.flags, Flags::default());
    assert_eq!((kept.event("2").thread.as_deref(), kept.event("3").thread.as_deref()), (Some("1"), None));
    assert_eq!(kept.event("reaction:4:12:tada:77:2026-01-05T08:00:04.500Z").text, "tada");
    let notes: Vec<_> = report.notes.keys().collect();
    assert_eq!(notes, ["messages with reactions whose users the export does not list; those reactions are not events"]);

    let (ann, bob) = (kept.user("11"), kept.user("12"));
    assert_eq!((ann.name.as_str(), ann.email.as_deref(), ann.bot), ("Ann Lee", None, false));
    assert_eq!((bob.name.as_str(), bob.attributes.get("login-name").map(String::as_str)), ("bob", Some("bob#1234")));
    assert_eq!((report.users, report.users_without_email, kept.users.len()), (2, 2, 2));
}

#[test]
fn every_type_of_message() {
    let mentions = format!(r#","mentions":[{BOB}]"#);
    let types = [
        ("Default", "", EventKind::Message, "11"),
        ("Reply", "", EventKind::Message, "11"),
        ("20", "", EventKind::Message, "11"),
        ("23", "", EventKind::Message, "11"),
        ("GuildMemberJoin", "", EventKind::Join, "11"),
        ("RecipientAdd", &*mentions, EventKind::Join, "12"),
        ("RecipientRemove", &*mentions, EventKind::Leave, "12"),
        // These promise what they don't say.
        ("RecipientAdd", "", EventKind::Other, "11"),
        ("RecipientRemove", ",\"mentions\":[]", EventKind::Other, "11"),
        ("Call", "", EventKind::Other, "11"),
        ("ChannelNameChange", "", EventKind::Other, "11"),
        ("ChannelIconChange", "", EventKind::Other, "11"),
        ("ChannelPinnedMessage", r#","reference":{"messageId":"1","channelId":"100"}"#, EventKind::Other, "11"),
        ("ThreadCreated", r#","reference":{"messageId":null,"channelId":"500"}"#, EventKind::Other, "11"),
        ("8", "", EventKind::Other, "11"),
        ("46", "", EventKind::Other, "11"),
        ("NeverHeardOf", "", EventKind::Other, "11"),
    ];
    let messages: Vec<_> =
        types.iter().enumerate().map(|(n, (kind, more, ..))| message(u32::try_from(n).unwrap(), kind, ANN, "a sentence", more)).collect();
    let (kept, report) = read_desk(&messages);
    assert_eq!(report.refused, 0, "{:?}", report.refusals);
    for (n, (word, _, kind, user)) in types.iter().enumerate() {
        let event = kept.event(&n.to_string());
        assert_eq!((event.kind, event.user.as_deref()), (*kind, Some(*user)), "{word}");
        let moved = matches!(kind, EventKind::Join | EventKind::Leave);
        assert_eq!(event.text, if moved { "" } else { "a sentence" }, "{word}");
    }
    // Who did it, without anybody's name of today.
    assert_eq!(kept.event("4").original, None);
    assert_eq!(kept.event("5").original.as_deref(), Some("<@11> added <@12>"));
    assert_eq!(kept.event("6").original.as_deref(), Some("<@11> removed <@12>"));
    assert_eq!((kept.event("12").target.as_deref(), kept.event("12").thread.as_deref()), (Some("1"), None));
    assert_eq!(kept.event("13").target, None);
    // One who went without being sent away.
    let (kept, _) = read_desk(&[message(1, "RecipientRemove", BOB, "Left the group.", &format!(r#","mentions":[{BOB}]"#))]);
    assert_eq!((kept.event("1").kind, kept.event("1").user.as_deref(), kept.event("1").original.as_deref()), (EventKind::Leave, Some("12"), None));
}

#[test]
fn programs() {
    let other = BOT.replace("Fixing", "ESTR\\r\\nBot");
    let (kept, _) = read_desk(&[
        message(
            1,
            "Default",
            BOT,
            "",
            r#","timestampEdited":"2026-01-05T10:00:00Z","embeds":[{"title":"","url":null,"description":"€STR 1.93","fields":[{"name":"Day","value":"Mon","isInline":true}],"images":[],"thumbnail":{"url":"https://x/t.png"}}]"#,
        ),
        message(2, "Default", &other, "other name", r#","timestampEdited":"2026-01-05T10:00:00Z""#),
        message(3, "20", BOT, "1.93", &format!(r#","interaction":{{"id":"5","name":"price eur","user":{ANN}}}"#)),
        message(
            4,
            "Default",
            ANN,
            "https://page",
            r#","embeds":[{"title":"A page","url":"https://page","description":"of today","image":{"url":"https://page/i.png"}}]"#,
        ),
    ]);
    let shown = |id: &str| (kept.event(id).text.as_str(), kept.event(id).original.as_deref(), kept.event(id).flags.has(Flags::FROM_BOT));
    assert_eq!(shown("1"), ("€STR 1.93\nDay: Mon", None, true));
    assert_eq!(shown("3"), ("@Ann Lee used /price eur\n1.93", Some("<@11> used /price eur\n1.93"), true));
    assert_eq!(shown("4"), ("https://page\nA page (https://page)\nof today", Some("https://page"), false));
    assert!(kept.event("edit:1:2026-01-05T10:00:00.000Z").flags.has(Flags::FROM_BOT));
    let names: Vec<_> = ["1", "2", "edit:2:2026-01-05T10:00:00.000Z"].map(|id| kept.event(id).sender_name.as_deref()).into();
    assert_eq!(names, [None, Some("ESTR Bot"), Some("ESTR Bot")]);
    assert_eq!((kept.user("13").name.as_str(), kept.user("13").bot, kept.user("11").bot), ("Fixing", true, false));
    // A page's image is not what was said.
    assert!(kept.event("4").attachments.is_empty());
}

#[test]
fn whoever_is_renamed_and_however_it_is_exported_nothing_is_edited() {
    let content = |content: &str, mentions: &str| {
        let (kept, _) = read_desk(&[message(1, "Default", ANN, content, &format!(r#","mentions":[{mentions}]"#))]);
        (kept.event("1").text.clone(), kept.event("1").identity())
    };
    let renamed = BOB.replace("null", "\"Bobby B.\"");
    let (before, after) = (content("hi @bob :tada:", BOB), content("hi @Bobby B. :tada:", &renamed));
    let raw = content("hi <@!12> <:tada:77>", &renamed);
    assert_eq!((before.0.as_str(), after.0.as_str(), raw.0.as_str()), ("hi @bob :tada:", "hi @Bobby B. :tada:", "hi @Bobby B. :tada:"));
    assert!(before.1 == after.1 && before.1 == raw.1);
    assert_ne!(before.1, content("hi @ann :tada:", BOB).1);
}

#[test]
fn chats_of_every_kind() {
    let room = Room::new();
    let chat = |id: &str, kind: &str, more: &str| format!(r#"{{"id":"{id}","type":"{kind}",{more}"topic":null}}"#);
    let files = [
        ("Corp - Trading - fx-desk [100].json", DESK.to_owned()),
        ("a/thread [101].json", chat("101", "GuildPublicThread", r#""categoryId":"100","category":"fx-desk","name":"deal 7","#)),
        ("a/b/thread [102].json", chat("102", "GuildPrivateThread", r#""category":"fx-desk","name":"deal\r\n8","#)),
        ("dm [103].json", chat("103", "DirectTextChat", r#""category":"Private","name":"bob","#)),
        ("group [104].json", chat("104", "DirectGroupTextChat", r#""category":"Group","name":"ann, bob","#)),
        ("voice [105].json", chat("105", "GuildVoiceChat", r#""name":"voice","#)),
        ("new [106].json", chat("106", "SomethingNew", "")),
    ];
    for (name, channel) in &files {
        room.write(&format!("x/{name}"), file_of(channel, &[message(1, "Default", ANN, "x", "")]));
    }
    // The first channel once more, in a second part.
    room.write("x/Corp - Trading - fx-desk [100] [part 2].json", desk(&[message(2, "Default", ANN, "y", "")]));
    room.write("x/settings.json", r#"{"token":"secret"}"#);
    room.write("x/notes.txt", "not mine");
    let (kept, report) = support::read(Format::Discord, &room.path("x")).unwrap();
    assert_eq!(Format::recognise(&room.path("x"), &Limits::default()).unwrap(), Format::Discord);
    let chats: Vec<_> = kept
        .chats
        .values()
        .map(|chat| {
            (chat.id.as_str(), chat.kind, chat.title.as_deref(), chat.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" "))
        })
        .collect();
    let channel = Some(ChatKind::Channel);
    assert_eq!(
        chats,
        [
            ("100", channel, Some("fx-desk"), "category=Trading server=Corp".to_owned()),
            ("101", channel, Some("deal 7"), "parent=fx-desk server=Corp thread=true".to_owned()),
            ("102", channel, Some("deal 8"), "parent=fx-desk private=true server=Corp thread=true".to_owned()),
            ("103", Some(ChatKind::Direct), None, String::new()),
            ("104", Some(ChatKind::Group), Some("ann, bob"), String::new()),
            ("105", channel, Some("voice"), "server=Corp".to_owned()),
            ("106", channel, None, "server=Corp".to_owned()),
        ]
    );
    assert_eq!((kept.chat("100").len(), kept.all().count(), report.refused), (2, 8, 0));
    assert_eq!(report.unclaimed_files, ["notes.txt"]);
    assert!(report.notes.contains_key("file that holds no messages, not imported: settings.json"), "{:?}", report.notes);
}

#[test]
fn files_that_were_downloaded_and_others() {
    let folder = "desk.json_Files";
    let attachment = |url: &str, name: &str| format!(r#"{{"id":"5","url":"{url}","fileName":"{name}","fileSizeBytes":9}}"#);
    let avatar = ANN.replace("https://cdn/a.png", "desk.json_Files\\\\face.png");
    let messages = [
        message(
            1,
            "Default",
            &avatar,
            "",
            &format!(
                r#","attachments":[{},{},{},{}]"#,
                attachment(&format!("{folder}\\\\q 3-AB12.pdf"), "q 3.pdf"),
                attachment(&format!("{folder}/gr%C3%B6%C3%9Fe.csv"), "größe.csv"),
                attachment("https://cdn.discordapp.com/a/b/c.png?ex=1&is=2&hm=secret", "c.png"),
                attachment("/home/ann/media/secret-path.png", "lost.png"),
            ),
        ),
        message(
            2,
            "Default",
            ANN,
            "x",
            &format!(
                r#","stickers":[{{"id":"7","name":"wave","format":"Png","sourceUrl":"{folder}/wave.png"}}],"embeds":[{{"title":"p","url":"https://p","image":{{"url":"{folder}/page.jpg"}},"images":[{{"url":"{folder}/page.jpg"}},{{"url":"https://p/2.jpg"}}]}}]"#
            ),
        ),
        message(
            3,
            "Default",
            ANN,
            "",
            &format!(
                r#","reference":{{"type":"Forward","messageId":"9","channelId":"100"}},"forwardedMessage":{{"timestamp":"2026-01-01T00:00:00Z","content":"sell","attachments":[{}],"embeds":[],"stickers":[]}}"#,
                attachment(&format!("{folder}/q 3-AB12.pdf"), "again.pdf")
            ),
        ),
        message(4, "Default", ANN, "", r#","reference":{"messageId":"9","channelId":"101"}"#),
    ];
    let json = desk(&messages);
    let sent_by_somebody = desk(&[message(9, "Default", BOB, "an export within an export", "")]);
    let files: [(&str, &[u8]); 8] = [
        ("desk.json", json.as_bytes()),
        ("desk.json_Files/q 3-AB12.pdf", b"%PDF"),
        ("desk.json_Files/größe.csv", b"a,b"),
        ("desk.json_Files/wave.png", b"wave"),
        ("desk.json_Files/page.jpg", b"page"),
        ("desk.json_Files/face.png", b"face"),
        ("desk.json_Files/sent.json", sent_by_somebody.as_bytes()),
        ("../secret-path.png", b"x"),
    ];
    let room = Room::new();
    let zip = room.zip(&files[..7]);
    let inside: Vec<_> = files[..7].iter().map(|(name, bytes)| (format!("Export Jan/{name}"), *bytes)).collect();
    let inside: Vec<_> = inside.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let packed_folder = room.write("folder.zip", zip_of(&inside));
    for (name, bytes) in &files[..7] {
        room.write(&format!("unpacked/{name}"), bytes);
    }
    for path in [zip, packed_folder, room.path("unpacked")] {
        assert_eq!(Format::recognise(&path, &Limits::default()).unwrap(), Format::Discord);
        let (kept, report) = support::read(Format::Discord, &path).unwrap();
        let of = |id: &str| kept.event(id).attachments.iter().map(|file| (file.name.as_str(), file.digest)).collect::<Vec<_>>();
        let digest = |bytes: &[u8]| Some(Digest::of(bytes));
        assert_eq!(of("1"), [("q 3.pdf", digest(b"%PDF")), ("größe.csv", digest(b"a,b")), ("c.png", None), ("lost.png", None)]);
        assert_eq!(of("2"), [("page.jpg", digest(b"page")), ("wave.png", digest(b"wave"))]);
        assert_eq!(of("3"), [("again.pdf", digest(b"%PDF"))]);
        assert_eq!(
            (kept.event("2").text.as_str(), kept.event("2").original.as_deref()),
            ("x\np (https://p)\n[sticker: wave]", Some("x\n[sticker: wave]"))
        );
        assert_eq!((kept.event("3").text.as_str(), kept.event("3").thread.as_deref()), ("Forwarded message:\nsell", None));
        let [pdf, _, cdn, lost] = kept.event("1").attachments.as_slice() else { unreachable!() };
        assert_eq!((pdf.media_type.as_str(), pdf.size, pdf.url.as_deref()), ("application/pdf", Some(4), None));
        assert_eq!((cdn.url.as_deref(), cdn.size, cdn.media_type.as_str()), (Some("https://cdn.discordapp.com/a/b/c.png"), Some(9), "image/png"));
        assert_eq!(lost.url, None);
        assert_eq!((report.attachments, report.attachments_missing, report.refused), (5, 2, 0));
        assert_eq!(report.unclaimed_files.iter().map(|path| path.rsplit('/').next().unwrap()).collect::<Vec<_>>(), ["sent.json"]);
        assert!(report.notes.keys().any(|note| note.contains("forwarded")), "{:?}", report.notes);
        assert_eq!(kept.all().count(), 4);
    }
    // Alone, as it is and packed.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(json.as_bytes()).unwrap();
    let alone =
        [json.clone().into_bytes(), gzip.finish().unwrap(), zstd::encode_all(json.as_bytes(), 1).unwrap(), format!("\u{feff}{json}").into_bytes()];
    for (at, bytes) in alone.iter().enumerate() {
        let path = room.write(&format!("alone-{at}"), bytes);
        assert_eq!(Format::recognise(&path, &Limits::default()).unwrap(), Format::Discord);
        let (kept, report) = support::read(Format::Discord, &path).unwrap();
        assert_eq!((kept.all().count(), report.attachments, report.attachments_missing), (4, 0, 6));
    }
}

#[test]
fn one_bad_message_costs_only_itself() {
    let good = |id: u32| message(id, "Default", ANN, "ok", "");
    let bad = [
        "\"secret\"".to_owned(),
        r#"{"content":"secret"}"#.into(),
        message(3, "Default", ANN, "secret", "").replace("2026-01-05T09", "soon"),
        message(4, "Default", "null", "secret", ""),
        message(5, "Default", r#"{"name":"secret"}"#, "secret", ""),
        message(6, "Default", ANN, "secret", "").replace("\"secret\"", "[\"secret\"]"),
        message(7, "Default", ANN, "secret", r#","timestampEdited":"secret""#),
        message(8, "Default", ANN, "secret", r#","attachments":["secret"]"#),
        message(9, "Default", ANN, "secret", r#","reactions":[{"emoji":"secret"}]"#),
        message(10, "Default", ANN, "secret", r#","mentions":{"secret":1}"#),
        message(11, "Default", ANN, "secret", "").replace("\"11\"", "\"1\\n1\""),
        message(12, "Default", ANN, "secret", r#","embeds":"secret""#),
        "null".into(),
    ];
    let mut messages = vec![good(1)];
    messages.extend(bad);
    messages.push(good(50));
    let (kept, report) = read_desk(&messages);
    assert_eq!(kept.chat("100").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["1", "50"]);
    assert_eq!(
        report.refusals.iter().map(|refusal| (refusal.line, refusal.index)).collect::<Vec<_>>(),
        (1..=13).map(|n| (Some(n + 7), Some(n))).collect::<Vec<_>>()
    );
    for refusal in &report.refusals {
        assert!(refusal.file == "desk.json" && !refusal.reason.contains("secret"), "{refusal}");
    }
    assert_eq!(report.refusals.get(3).unwrap().to_string(), "desk.json, line 11, entry 4: `author` is missing");
    let (_, report) = read_desk(&[good(1)]);
    assert!(report.notes.is_empty());
    let room = Room::new();
    let path = room.write("desk.json", desk(&[good(1)]).replace("\"messageCount\": 1", "\"messageCount\": 2"));
    assert!(support::read(Format::Discord, &path).unwrap().1.notes.keys().any(|note| note.contains("another number")));
}

#[test]
fn other_files_and_damaged_ones_import_nothing() {
    let room = Room::new();
    let json = desk(&[message(1, "Default", ANN, "x", ""), message(2, "Default", ANN, "y", "")]);
    for (bytes, is_kind) in [
        ("", false),
        ("hello", true),
        ("[]", true),
        (r#"{"guild":{"id":"1","name":"x"},"channel":{"id":"1","type":"a","name":"b"}}"#, true),
        (r#"{"messages":[]}"#, true),
        (r#"{"room_name":"x","messages":[{"type":"m.room.message"}]}"#, true),
    ] {
        let path = room.write("other.json", bytes);
        let error = refused_whole(Format::Discord, &path, &Limits::default());
        assert_eq!(matches!(error, SourceError::WrongKind { .. }), is_kind, "{bytes}: {error}");
        assert!(Format::recognise(&path, &Limits::default()).is_err(), "{bytes}");
    }
    // Cut anywhere.
    for length in 0..json.len() {
        if json.is_char_boundary(length) {
            let path = room.write("cut.json", json.get(..length).unwrap());
            assert!(matches!(refused_whole(Format::Discord, &path, &Limits::default()), SourceError::Damaged { .. }), "{length}");
        }
    }
    let mut writer = zip::ZipWriter::new_append(std::io::Cursor::new(zip_of(&[("notes.txt", b"x")]))).unwrap();
    writer.add_symlink("desk.json", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    let error = refused_whole(Format::Discord, &room.write("link.zip", writer.finish().unwrap().into_inner()), &Limits::default());
    assert!(matches!(&error, SourceError::List { place, .. } if place == "desk.json"), "{error}");
    // One of many is cut: the others are imported.
    let path = room.zip(&[
        ("a.json", json.as_bytes()),
        ("b.json", json.get(..json.len() - 30).unwrap().as_bytes()),
        ("c.json", br#"{"channel":{"id":7},"messages":[]}"#),
    ]);
    let (kept, report) = support::read(Format::Discord, &path).unwrap();
    assert_eq!((kept.all().count(), report.refused), (2, 2));
    assert_eq!(report.refusals.iter().map(|refusal| refusal.file.as_str()).collect::<Vec<_>>(), ["b.json", "c.json"]);
    assert!(report.refusals.iter().all(|refusal| refusal.reason.contains("None of this file was imported")), "{:?}", report.refusals);
}

#[test]
fn pieces_are_bounded_and_a_failing_sink_ends_the_import() {
    let users: Vec<_> = (0..20).map(|n| format!(r#"{{"id":"{}","name":"u{n}","isBot":false}}"#, 1000 + n)).collect();
    let reactions = format!(r#","reactions":[{{"emoji":{{"name":"x"}},"count":20,"users":[{}]}}]"#, users.join(","));
    let messages: Vec<_> = (0..20).map(|n| message(n, "Default", ANN, "x", if n % 10 == 0 { &reactions } else { "" })).collect();
    let room = Room::new();
    let path = room.write("long.json", desk(&[message(1, "Default", ANN, &"x".repeat(9000), ""), message(2, "Default", ANN, "y", "")]));
    let (kept, report) = read_with(Format::Discord, &path, &Limits { line_bytes: 5000, ..Limits::default() }).unwrap();
    assert_eq!((kept.all().count(), report.refused), (1, 1));
    assert!(report.refusals.first().unwrap().reason.contains("longer than 5000 bytes"));
    let path = room.zip(&[("a.json", desk(&messages).as_bytes()), ("b.json", desk(&messages).replace("\"100\"", "\"101\"").as_bytes())]);
    let limits = Limits { piece_events: 7, json_bytes: 10_000, ..Limits::default() };
    let (kept, report) = read_with(Format::Discord, &path, &limits).unwrap();
    assert_eq!((kept.all().count(), kept.largest_piece, report.refused, report.users), (120, 7, 0, 21));
    for fail_at in 0..kept.calls {
        let mut failing = Kept { fail_at: Some(fail_at), ..Kept::default() };
        let error = consign_source::read(Format::Discord, &path, &limits, &mut failing, &support::silent).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(failing.calls, fail_at + 1, "nothing comes after a failure");
    }
}

#[test]
fn progress_comes_to_its_end() {
    let room = Room::new();
    let json = desk(&(0..600).map(|n| message(n, "Default", ANN, "x", "").replace(&format!(":{n:02}.5"), ":00.5")).collect::<Vec<_>>());
    let path = room.zip(&[("a.json", json.as_bytes()), ("b.json", json.as_bytes()), ("a.json_Files/x", b"x")]);
    let seen = std::cell::RefCell::new(Vec::new());
    let tell = |progress: consign_source::Progress| seen.borrow_mut().push(progress);
    consign_source::read(Format::Discord, &path, &Limits::default(), &mut Kept::default(), &tell).unwrap();
    let seen = seen.into_inner();
    assert!(seen.len() > 4 && seen.is_sorted_by_key(|progress| progress.done));
    let last = seen.last().unwrap();
    assert_eq!((last.done, last.total), (4 * json.len() as u64, 4 * json.len() as u64));
}
