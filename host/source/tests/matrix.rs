//! Matrix: every kind of event, what Element leaves out and puts in, files by their names, and layouts, on exports made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use consign_model::{ChatKind, Digest, Event, EventKind, Flags, Timestamp};
use consign_source::{Format, Limits, Report, SourceError};
use support::{Kept, Room, read, read_with, refused_whole};

const ROOM: &str = "!abc:desk.example";
/// 2026-01-05T08:00:01.393Z
const AT: i64 = 1_767_600_001_393;

/// An event of Ann's, with these fields in place of those.
fn event(id: &str, kind: &str, content: &str, fields: &str) -> String {
    let mut event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&format!(
        r#"{{"type":"{kind}","sender":"@ann:desk.example","content":{content},"origin_server_ts":{AT},"unsigned":{{"age":7}},"event_id":"{id}","room_id":"{ROOM}"}}"#
    ))
    .unwrap();
    let other: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&format!("{{{fields}}}")).unwrap();
    event.extend(other);
    serde_json::Value::Object(event).to_string()
}

fn text(id: &str, body: &str) -> String {
    event(id, "m.room.message", &serde_json::json!({"msgtype": "m.text", "body": body}).to_string(), "")
}

fn export(events: &[String]) -> String {
    format!(
        "{{\n \"room_name\": \"Rates \\\"desk\\\"\",\n \"room_creator\": \"Ann Lee\",\n \"topic\": \"\",\n \"export_date\": \"5 January 2026\",\n \"exported_by\": \"Bob\",\n \"messages\": [\n{}\n]}}",
        events.join(",\n")
    )
}

/// Reads a room that should go through.
fn read_room(events: &[String]) -> (Kept, Report) {
    let room = Room::new();
    let (kept, report) = read(Format::Matrix, &room.write("matrix.json", export(events))).unwrap();
    assert!(!report.refused_anything(), "{:?}", report.refusals);
    (kept, report)
}

fn seen(kept: &Kept) -> Vec<(EventKind, &str, Option<&str>, &str)> {
    kept.chat(ROOM).iter().map(|event| (event.kind, event.id.as_str(), event.user.as_deref(), event.text.as_str())).collect()
}

#[test]
fn messages_of_every_kind() {
    let message = |id: &str, content: &str| event(id, "m.room.message", content, "");
    let (kept, report) = read_room(&[
        message("$1", r#"{"msgtype":"m.text","body":"Hello <World>\r\nagain"}"#),
        message("$2", r#"{"msgtype":"m.notice","body":"ESTR 1.93"}"#),
        message("$3", r#"{"msgtype":"m.emote","body":"waves"}"#),
        message("$4", r#"{"msgtype":"m.location","body":"Office","geo_uri":"geo:51,0"}"#),
        message("$5", r#"{"msgtype":"org.unheard.of","body":"kept"}"#),
        message("$6", r#"{"msgtype":"m.text"}"#),
        message("$7", r#"{"msgtype":"m.text","body":"**5m**","format":"org.matrix.custom.html","formatted_body":"<strong>5m</strong>"}"#),
        message("$8", r#"{"msgtype":"m.text","body":"> <@bob:desk.example> sold\n\nbought","m.relates_to":{"m.in_reply_to":{"event_id":"$1"}}}"#),
        message(
            "$9",
            r#"{"msgtype":"m.text","body":"in it","m.relates_to":{"rel_type":"m.thread","event_id":"$1","is_falling_back":true,"m.in_reply_to":{"event_id":"$8"}}}"#,
        ),
        event(
            "$10",
            "m.poll.start",
            r#"{"m.poll":{"question":{"m.text":[{"body":"Where?"}]},"answers":[{"m.id":"1","m.text":[{"body":"Here"}]},{"m.id":"2","m.text":"There"}]},"m.text":[{"body":"Where? 1. Here"}]}"#,
            "",
        ),
    ]);
    let ann = Some("@ann:desk.example");
    let wanted = [
        (EventKind::Message, "$1", ann, "Hello <World>\nagain"),
        (EventKind::Message, "$2", ann, "ESTR 1.93"),
        (EventKind::Message, "$3", ann, "* waves"),
        (EventKind::Message, "$4", ann, "Office (geo:51,0)"),
        (EventKind::Message, "$5", ann, "kept"),
        (EventKind::Message, "$6", ann, ""),
        (EventKind::Message, "$7", ann, "**5m**"),
        (EventKind::Message, "$8", ann, "bought"),
        (EventKind::Message, "$9", ann, "in it"),
        (EventKind::Message, "$10", ann, "Poll: Where?\n- Here\n- There"),
    ];
    assert_eq!(seen(&kept), wanted);
    assert!(kept.all().all(|event| event.at == Timestamp(AT)));
    assert_eq!((kept.event("$1").flags, kept.event("$2").flags), (Flags::default(), Flags::FROM_BOT));
    assert_eq!((kept.event("$1").original.as_deref(), kept.event("$7").original.as_deref()), (None, Some("<strong>5m</strong>")));
    let shown = r#"{"msgtype":"m.text","body":"see","format":"org.matrix.custom.html","formatted_body":"see <img src=\"mxc://hs/pic\" alt=\"chart.png\"> <img data-mx-emoticon src=\"mxc://hs/e\" alt=\":x:\">"}"#;
    let inside = read_room(&[message("$1", shown)]).0.event("$1").clone();
    let files: Vec<_> = inside.attachments.iter().map(|file| (file.name.as_str(), file.media_type.as_str(), file.url.as_deref())).collect();
    assert_eq!((inside.text.as_str(), files), ("see\nsee [chart.png] :x:", vec![("chart.png", "image/png", Some("mxc://hs/pic"))]));
    assert_eq!(kept.event("$8").original.as_deref(), Some("> <@bob:desk.example> sold\n\nbought"));
    assert_eq!((kept.event("$8").thread.as_deref(), kept.event("$9").thread.as_deref()), (Some("$1"), Some("$1")));
    assert_eq!(report.notes.keys().collect::<Vec<_>>(), ["messages without a text"]);
    let chat = kept.chats.get(ROOM).unwrap();
    assert_eq!((chat.kind, chat.title.as_deref(), chat.members.len()), (Some(ChatKind::Channel), Some("Rates \"desk\""), 0));
}

#[test]
fn edits_in_all_the_ways_in_which_they_are_told() {
    let new = |body: &str| {
        format!(
            r#"{{"msgtype":"m.text","body":"* {body}","m.new_content":{{"msgtype":"m.text","body":"{body}"}},"m.relates_to":{{"rel_type":"m.replace","event_id":"$1"}}}}"#
        )
    };
    let beside = |edit: &str| format!(r#""unsigned":{{"m.relations":{{"m.replace":{edit}}}}}"#);
    let whole = format!(r#"{{"event_id":"$e","origin_server_ts":{},"sender":"@ann:desk.example","content":{}}}"#, AT + 5, new("newer"));
    let old = format!(r#"{{"event_id":"$e","origin_server_ts":{},"sender":"@ann:desk.example"}}"#, AT + 5);
    let body = |text: &str| format!(r#"{{"msgtype":"m.text","body":"{text}"}}"#);
    let as_event = event("$e", "m.room.message", &new("newer"), &format!(r#""origin_server_ts":{}"#, AT + 5));
    let ways = [
        vec![event("$1", "m.room.message", &body("first"), ""), as_event],
        vec![event("$1", "m.room.message", &body("first"), &beside(&whole))],
        vec![event("$1", "m.room.message", &body("newer"), &beside(&old))],
    ];
    let edits: Vec<Event> = ways
        .iter()
        .map(|events| {
            let (kept, _) = read_room(events);
            assert_eq!((kept.event("$1").flags, kept.all().count()), (Flags::EDITED, 2));
            kept.event("$e").clone()
        })
        .collect();
    let first = edits.first().unwrap();
    assert_eq!((first.kind, first.target.as_deref(), first.text.as_str(), first.at), (EventKind::Edit, Some("$1"), "newer", Timestamp(AT + 5)));
    assert!(edits.iter().all(|edit| edit == first && edit.identity() == first.identity()), "{edits:?}");
}

#[test]
fn redactions_of_messages_and_reactions() {
    let because = |id: &str| {
        format!(
            r#""unsigned":{{"redacted_because":{{"type":"m.room.redaction","event_id":"{id}","sender":"@mod:desk.example","origin_server_ts":{},"content":{{"reason":"spam"}}}}}}"#,
            AT + 9
        )
    };
    let given = |id: &str, key: &str| {
        event(
            id,
            "m.reaction",
            &format!(r#"{{"m.relates_to":{{"rel_type":"m.annotation","event_id":"$3","key":"{key}"}}}}"#),
            r#""sender":"@bob:desk.example""#,
        )
    };
    let taken = |id: &str, content: &str, fields: &str| {
        event(id, "m.room.redaction", content, &format!(r#""sender":"@mod:desk.example","origin_server_ts":{}{fields}"#, AT + 9))
    };
    let (kept, _) = read_room(&[
        // As Element has it, and with the redaction beside it.
        event("$1", "m.room.message", "{}", &because("$r1")),
        event("$2", "m.room.encrypted", "{}", &because("$r2")),
        text("$3", "stays"),
        given("$a", "👍"),
        given("$b", "ok"),
        taken("$r2", r#"{"reason":"spam"}"#, r#","redacts":"$2""#),
        taken("$rb", r#"{"redacts":"$b"}"#, ""),
        taken("$r4", "{}", r#","redacts":"$elsewhere""#),
        event("$c", "m.reaction", "{}", &because("$rc")),
        event("$t", "m.room.topic", "{}", &format!(r#"{},"state_key":"""#, because("$rt"))),
        taken("$r5", "{}", ""),
    ]);
    let (ann, bob, moderator) = (Some("@ann:desk.example"), Some("@bob:desk.example"), Some("@mod:desk.example"));
    let wanted = [
        (EventKind::Message, "$1", ann, ""),
        (EventKind::Delete, "$r1", moderator, ""),
        (EventKind::Message, "$2", ann, ""),
        (EventKind::Message, "$3", ann, "stays"),
        (EventKind::Reaction, "$a", bob, "👍"),
        (EventKind::Reaction, "$b", bob, "ok"),
        (EventKind::Delete, "$r2", moderator, ""),
        (EventKind::Reaction, "$rb", bob, "ok"),
        (EventKind::Delete, "$r4", moderator, ""),
        (EventKind::Other, "$c", ann, "Reaction that was taken back"),
        (EventKind::Other, "$t", ann, "Event that was taken away (m.room.topic)"),
        (EventKind::Other, "$r5", moderator, "Redaction that does not say of what"),
    ];
    assert_eq!(seen(&kept), wanted);
    assert_eq!((kept.event("$1").flags, kept.event("$3").flags), (Flags::DELETED, Flags::default()));
    let delete = kept.event("$r1");
    assert_eq!((delete.target.as_deref(), delete.at, delete.original.as_deref()), (Some("$1"), Timestamp(AT + 9), Some("spam")));
    assert_eq!((kept.event("$r2").target.as_deref(), kept.event("$r2").original.as_deref()), (Some("$2"), Some("spam")));
    let back = kept.event("$rb");
    assert_eq!((back.target.as_deref(), back.flags, back.original.as_deref()), (Some("$3"), Flags::REMOVED, Some("taken back by @mod:desk.example")));
}

#[test]
fn what_could_not_be_decrypted_is_seen() {
    let (kept, report) = read_room(&[
        event("$1", "m.room.encrypted", r#"{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"AwgA"}"#, ""),
        event("$2", "m.room.message", r#"{"msgtype":"m.bad.encrypted","body":"** Unable to decrypt: keys **"}"#, ""),
        event("$3", "m.room.encryption", r#"{"algorithm":"m.megolm.v1.aes-sha2"}"#, r#""state_key":"""#),
    ]);
    let ann = Some("@ann:desk.example");
    let wanted = [
        (EventKind::Other, "$1", ann, "Encrypted message that could not be decrypted"),
        (EventKind::Other, "$2", ann, "** Unable to decrypt: keys **"),
        (EventKind::Other, "$3", ann, "Encryption\nAlgorithm: m.megolm.v1.aes-sha2"),
    ];
    assert_eq!(seen(&kept), wanted);
    assert_eq!(report.notes.values().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(kept.chats.get(ROOM).unwrap().labels.get("encrypted").map(String::as_str), Some("true"));
}

#[test]
fn who_came_and_went() {
    let member = |id: &str, by: &str, user: &str, content: &str, before: &str| {
        let unsigned = if before.is_empty() { String::new() } else { format!(r#","unsigned":{{"prev_content":{before}}}"#) };
        event(id, "m.room.member", content, &format!(r#""sender":"@{by}:desk.example","state_key":"@{user}:desk.example"{unsigned}"#))
    };
    let (join, left, invited) =
        (r#"{"membership":"join","displayname":"Bob"}"#, r#"{"membership":"leave"}"#, r#"{"membership":"invite","displayname":"Bob"}"#);
    let banned = r#"{"membership":"ban","reason":"out"}"#;
    let (kept, _) = read_room(&[
        event("$0", "m.room.create", r#"{"room_version":"10"}"#, r#""state_key":"""#),
        member("$1", "ann", "bob", invited, ""),
        member("$2", "bob", "bob", join, invited),
        member("$3", "bob", "bob", r#"{"membership":"join","displayname":"Robert"}"#, join),
        member(
            "$4",
            "bob",
            "bob",
            r#"{"membership":"join","displayname":"Robert","avatar_url":"mxc://x/y"}"#,
            r#"{"membership":"join","displayname":"Robert"}"#,
        ),
        member("$5", "bob", "bob", left, join),
        member("$6", "bob", "bob", join, left),
        member("$7", "ann", "bob", banned, join),
        member("$8", "ann", "bob", left, banned),
        member("$9", "ann", "eve", invited, ""),
        member("$10", "eve", "eve", left, invited),
        // Without what it was before: as it was seen.
        member("$11", "joe", "joe", r#"{"membership":"join","displayname":"Joe"}"#, ""),
        member("$12", "joe", "joe", r#"{"membership":"join","displayname":"Joe Two"}"#, ""),
        member("$13", "ann", "joe", r#"{"membership":"leave","reason":"bye"}"#, ""),
        member("$14", "kim", "kim", r#"{"membership":"knock"}"#, ""),
        // What is stripped of a membership is its name, which was not changed.
        event(
            "$15",
            "m.room.member",
            r#"{"membership":"join"}"#,
            &format!(r#""state_key":"@lou:desk.example","unsigned":{{"prev_content":{join},"redacted_because":{{"event_id":"$x"}}}}"#),
        ),
    ]);
    let id = |name: &str| format!("@{name}:desk.example");
    let (ann, bob, eve, joe, kim) = (id("ann"), id("bob"), id("eve"), id("joe"), id("kim"));
    let wanted = [
        (EventKind::Other, "$0", Some(&*ann), "Room created"),
        (EventKind::Other, "$1", Some(&ann), "Bob was invited"),
        (EventKind::Join, "$2", Some(&bob), ""),
        (EventKind::Other, "$3", Some(&bob), "Bob is now called Robert"),
        (EventKind::Other, "$4", Some(&bob), "Robert changed their profile"),
        (EventKind::Leave, "$5", Some(&bob), ""),
        (EventKind::Join, "$6", Some(&bob), ""),
        (EventKind::Leave, "$7", Some(&bob), ""),
        (EventKind::Other, "$8", Some(&ann), "@bob:desk.example is no longer banned"),
        (EventKind::Other, "$9", Some(&ann), "Bob was invited"),
        (EventKind::Other, "$10", None, "@eve:desk.example declined the invitation"),
        (EventKind::Join, "$11", Some(&joe), ""),
        (EventKind::Other, "$12", Some(&joe), "Joe Two changed their profile"),
        (EventKind::Leave, "$13", Some(&joe), ""),
        (EventKind::Other, "$14", None, "@kim:desk.example asks to be let in"),
        (EventKind::Other, "$15", Some(&ann), "@lou:desk.example changed their profile"),
    ];
    assert_eq!(seen(&kept), wanted);
    assert_eq!(kept.event("$7").original.as_deref(), Some("banned by @ann:desk.example: out"));
    assert_eq!(kept.event("$13").original.as_deref(), Some("removed by @ann:desk.example: bye"));
    assert_eq!((kept.event("$5").original.as_deref(), kept.event("$1").original.as_deref()), (None, Some("@bob:desk.example was invited")));
    // The newest name, for each once.
    let names: Vec<_> = kept.users.iter().map(|user| (user.id.as_str(), user.name.as_str())).collect();
    assert_eq!(names, [(&*ann, &*ann), (&bob, "Bob"), (&eve, "Bob"), (&joe, "Joe Two"), (&kim, &kim), ("@lou:desk.example", "@lou:desk.example")]);
}

#[test]
fn other_events_in_words() {
    let state = |id: &str, kind: &str, content: &str| event(id, kind, content, r#""state_key":"""#);
    let (kept, _) = read_room(&[
        state("$1", "m.room.name", r#"{"name":"Rates"}"#),
        state("$2", "m.room.topic", r#"{"topic":"fixing\n& more"}"#),
        state("$3", "m.room.history_visibility", r#"{"history_visibility":"shared"}"#),
        state("$4", "m.room.pinned_events", r#"{"pinned":["$a","$b"]}"#),
        event("$5", "org.acme.trade", r#"{"side":"buy","link":"https://x/y?token=z","deep":{"text":"5m","n":1,"none":null},"list":[{"a":"b"}]}"#, ""),
        event("$6", "m.call.invite", r#"{"offer":{"sdp":"v=0 secret"}}"#, ""),
        event("$7", "m.poll.end", r#"{"m.relates_to":{"rel_type":"m.reference","event_id":"$p"},"m.text":"Ended"}"#, ""),
        event("$8", "m.reaction", "{}", ""),
    ]);
    let texts: Vec<_> = kept.chat(ROOM).iter().map(|event| event.text.as_str()).collect();
    let wanted = [
        "Room name: Rates",
        "Topic: fixing\n& more",
        "History visibility\nHistory visibility: shared",
        "Pinned events\nPinned: $a, $b",
        "Org acme trade\nDeep: n 1, text 5m\nLink: https://x/y\nList: a b\nSide: buy",
        "Call invite",
        "Poll end\nText: Ended",
        "Reaction without what it is or to what",
    ];
    assert_eq!(texts, wanted);
    assert!(kept.all().all(|event| event.kind == EventKind::Other));
    assert_eq!(kept.event("$7").target.as_deref(), Some("$p"));
}

#[test]
fn people_of_other_servers_and_rooms_without_ids() {
    let of = |sender: &str, fields: &str| {
        event(sender, "m.room.message", r#"{"msgtype":"m.text","body":"x"}"#, &format!(r#""sender":"{sender}"{fields}"#))
    };
    let (kept, _) = read_room(&[of("@a:desk.example", ""), of("@b:other.example:8448", "")]);
    let external = |kept: &Kept| kept.users.iter().map(|user| user.external).collect::<Vec<_>>();
    assert_eq!(external(&kept), [false, true]);
    // Who created it says more than the room's id.
    let (kept, _) = read_room(&[
        event("$c", "m.room.create", "{}", r#""sender":"@c:other.example:8448","state_key":"""#),
        of("@a:desk.example", ""),
        of("@b:other.example:8448", ""),
    ]);
    assert_eq!(external(&kept), [true, false, false]);
    let nameless = [of("@a:desk.example", r#","room_id":null"#), of("@b:other.example", r#","room_id":null"#)];
    let (kept, report) = read_room(&nameless);
    let chat = kept.chats.keys().next().unwrap();
    assert!(
        chat.starts_with("room:") && kept.chats.len() == 1 && report.notes.keys().any(|note| note.contains("no `room_id`")),
        "{:?}",
        report.notes
    );
    assert_eq!((external(&kept), read_room(&nameless).0.chats), (vec![false, false], kept.chats.clone()));
    // A name that one person has tells whose server it is.
    let named = event(
        "$m",
        "m.room.member",
        r#"{"membership":"join","displayname":"Ann Lee"}"#,
        r#""sender":"@a:desk.example","state_key":"@a:desk.example","room_id":null"#,
    );
    let (kept, _) = read_room(&[named, of("@b:other.example", r#","room_id":null"#)]);
    assert_eq!(external(&kept), [false, true]);
    // An event of another room keeps it.
    let (kept, report) =
        read_room(&[text("$1", "x"), event("$2", "m.room.message", r#"{"msgtype":"m.text","body":"y"}"#, r#""room_id":"!other:hs""#)]);
    assert_eq!((kept.chat(ROOM).len(), kept.chat("!other:hs").len(), report.notes.len()), (1, 1, 1));
}

#[test]
fn chats_of_two() {
    let join = |user: &str, more: &str| {
        event(
            &format!("$j{user}"),
            "m.room.member",
            &format!(r#"{{"membership":"join"{more}}}"#),
            &format!(r#""sender":"@{user}:hs","state_key":"@{user}:hs""#),
        )
    };
    let kind = |events: &[String]| read_room(events).0.chats.get(ROOM).unwrap().kind;
    assert_eq!(kind(&[join("a", r#","is_direct":true"#), join("b", "")]), Some(ChatKind::Direct));
    assert_eq!(kind(&[join("a", r#","is_direct":true"#), join("b", ""), join("c", "")]), Some(ChatKind::Group));
    assert_eq!(kind(&[join("a", ""), join("b", "")]), Some(ChatKind::Channel));
}

#[test]
fn files_by_name_size_and_second() {
    let image = |id: &str, body: &str, size: &str, at: i64| {
        let content = format!(
            r#"{{"msgtype":"m.image","body":"{body}","url":"mxc://hs/{}","info":{{"mimetype":"image/png"{size}}}}}"#,
            id.trim_start_matches('$')
        );
        event(id, "m.room.message", &content, &format!(r#""origin_server_ts":{at}"#))
    };
    let sticker = event("$s", "m.sticker", r#"{"body":"party","url":"mxc://hs/st","info":{}}"#, "");
    let events = [
        image("$1", "image.png", "", AT),
        image("$2", "image.png", "", AT + 60_000),
        image("$3", "a.b.png", r#","size":4"#, AT),
        image("$4", "a.b.png", r#","size":5"#, AT),
        image("$5", "gone.png", "", AT),
        image("$6", "two.png", "", AT),
        image("$7", "whatever.png", "", AT),
        event(
            "$8",
            "m.room.message",
            r#"{"msgtype":"m.file","body":"see this","filename":"q.pdf","file":{"url":"mxc://hs/enc?token=secret"},"info":{}}"#,
            "",
        ),
        sticker,
    ];
    let json = export(&events);
    let named = [
        ("images/image-05.01.2026 um 09-00-01.png", b"one".as_slice()),
        ("images/image-05.01.2026 um 09-01-01.png", b"two"),
        ("images/a.b-1-5-2026 at 1-30-01 PM.png", b"four"),
        ("images/a.b-1-6-2026 at 1-30-01 PM.png", b"five5"),
        // Nobody can say which of these is meant.
        ("images/two-1-5-2026 at 8-00-01 AM.png", b"x"),
        ("images/two-1-6-2026 at 8-00-01 AM.png", b"y"),
        ("images/image-final-1-5-2026 at 8-00-01 AM.png", b"z"),
        ("files/7.png", b"by id"),
        ("files/see this-1-5-2026 at 8-00-01 AM", b"%PDF"),
        ("stickers/party-1-5-2026 at 8-00-01 AM.png", b"sticker"),
    ];
    let room = Room::new();
    let mut files = vec![("Element - Rates/export.json", json.as_bytes())];
    let inside: Vec<_> = named.iter().map(|(name, bytes)| (format!("Element - Rates/{name}"), *bytes)).collect();
    files.extend(inside.iter().map(|(name, bytes)| (name.as_str(), *bytes)));
    let zip = room.zip(&files);
    for (name, bytes) in &files {
        room.write(&format!("folder/{name}"), bytes);
    }
    for path in [zip, room.path("folder")] {
        let (kept, report) = read(Format::Matrix, &path).unwrap();
        let digest = |id: &str| kept.event(id).attachments.first().unwrap().digest;
        let wanted =
            [("$1", b"one".as_slice()), ("$2", b"two"), ("$3", b"four"), ("$4", b"five5"), ("$7", b"by id"), ("$8", b"%PDF"), ("$s", b"sticker")];
        for (id, bytes) in wanted {
            assert_eq!(digest(id), Some(Digest::of(bytes)), "{id}");
        }
        assert_eq!((digest("$5"), digest("$6")), (None, None));
        let gone = kept.event("$5").attachments.first().unwrap();
        assert_eq!((gone.name.as_str(), gone.media_type.as_str(), gone.url.as_deref()), ("gone.png", "image/png", Some("mxc://hs/5")));
        let pdf = kept.event("$8").attachments.first().unwrap();
        assert_eq!((kept.event("$8").text.as_str(), pdf.name.as_str(), pdf.media_type.as_str()), ("see this", "q.pdf", "application/pdf"));
        assert_eq!((kept.event("$1").text.as_str(), kept.event("$s").text.as_str()), ("", "party"));
        assert_eq!((report.attachments, report.attachments_missing, report.unclaimed, report.refused), (7, 2, 3, 0));
        assert!(!format!("{:?} {:?}", report.missing, kept.events).contains("secret"));
    }
}

#[test]
fn one_bad_event_costs_only_itself() {
    let bad = [
        "7".to_owned(),
        r#"{"secret":"x"}"#.into(),
        event("$3", "m.room.message", "[\"secret\"]", ""),
        event("$4", "m.room.message", "{}", r#""origin_server_ts":"secret""#),
        event("$5", "m.room.message", "{}", r#""origin_server_ts":-1"#),
        event("$6", "m.room.message", r#"{"body":{"secret":1}}"#, ""),
        event("$7", "m.room.message", r#"{"m.relates_to":"secret"}"#, ""),
        event("$8", "m.room.message", "{}", r#""event_id":null"#),
        event("$9", "m.room.message", "{}", r#""type":null"#),
        event("$10", "m.room.member", r#"{"membership":"join"}"#, ""),
        event("$11", "m.room.message", "{}", r#""sender":["secret"]"#),
        event("$12", "m.reaction", &format!(r#"{{"m.relates_to":{{"event_id":"$1","key":"{}"}}}}"#, "secret".repeat(100)), ""),
    ];
    let mut all = vec![text("$1", "first")];
    all.extend(bad.iter().cloned());
    all.push(event(
        "$2",
        "m.room.message",
        r#"{"msgtype":null,"body":"last","m.relates_to":null,"format":null}"#,
        r#""unsigned":null,"state_key":null"#,
    ));
    let room = Room::new();
    let (kept, report) = read(Format::Matrix, &room.write("m.json", export(&all))).unwrap();
    assert_eq!(kept.chat(ROOM).iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["$1", "$2"]);
    let places: Vec<_> = report.refusals.iter().map(|refusal| (refusal.line.unwrap(), refusal.index.unwrap())).collect();
    assert_eq!(places, (1..=12).map(|index| (index + 8, index)).collect::<Vec<_>>());
    for refusal in &report.refusals {
        assert!(!refusal.reason.contains("secret") && refusal.file == "m.json", "{refusal}");
    }
}

#[test]
fn what_is_broken_as_a_whole() {
    let room = Room::new();
    let whole = export(&[text("$1", "x"), text("$2", "y")]);
    let cut = whole.get(..whole.len() - 20).unwrap();
    let error = refused_whole(Format::Matrix, &room.write("cut.json", cut), &Limits::default());
    assert!(matches!(error, SourceError::Damaged { .. }) && error.to_string().contains("cut.json, line"), "{error}");
    for other in
        ["{}", "{\"messages\":[]}", "{\"messages\":[{\"id\":\"1\",\"content\":\"x\"}],\"guild\":{}}", "{\"room_name\":\"x\",\"export_date\":\"y\"}"]
    {
        let error = refused_whole(Format::Matrix, &room.write("other.json", other), &Limits::default());
        assert!(matches!(error, SourceError::WrongKind { .. }), "{error}");
    }
    refused_whole(Format::Matrix, &room.write("list.json", "[]"), &Limits::default());
    refused_whole(Format::Matrix, &room.write("noise.json", "no JSON at all"), &Limits::default());
    refused_whole(Format::Matrix, &room.zip(&[("a.txt", b"x")]), &Limits::default());
    // A room in which nobody said anything is one.
    let (kept, report) = read(Format::Matrix, &room.write("empty.json", export(&[]))).unwrap();
    assert_eq!((kept.chats.len(), report.events_total()), (1, 0));
    // Of many files one that is broken costs only itself.
    let (kept, report) = read(
        Format::Matrix,
        &room.zip(&[("a.json", cut.as_bytes()), ("b/export.json", whole.as_bytes()), ("c.json", b"{\"x\":1}"), ("../d.json", b"{}")]),
    )
    .unwrap();
    assert_eq!((kept.chat(ROOM).len(), report.refused, report.notes.len()), (2, 2, 1));
}

#[test]
fn packed_or_not_and_twice_the_same() {
    let room = Room::new();
    let whole =
        export(&[text("$1", "x"), event("$2", "m.reaction", r#"{"m.relates_to":{"rel_type":"m.annotation","event_id":"$1","key":"👍"}}"#, "")]);
    let (expected, _) = read(Format::Matrix, &room.write("m.json", &whole)).unwrap();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, whole.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let forms = [
        room.write("m.json", format!("\u{feff}{whole}")),
        room.write("m.json.gz", gzip),
        room.write("m.json.zst", zstd::encode_all(whole.as_bytes(), 1).unwrap()),
        room.zip(&[("Element - x/export.json", whole.as_bytes())]),
    ];
    for path in forms {
        let (kept, report) = read(Format::Matrix, &path).unwrap();
        assert_eq!((&kept.events, report.refused, report.unclaimed), (&expected.events, 0, 0), "{}", path.display());
        assert_eq!(Format::recognise(&path, &Limits::default()).unwrap(), Format::Matrix, "{}", path.display());
    }
    // Some rooms at once.
    let other = whole.replace(ROOM, "!two:hs");
    let (kept, report) = read(Format::Matrix, &room.zip(&[("a/export.json", whole.as_bytes()), ("b/export.json", other.as_bytes())])).unwrap();
    assert_eq!((kept.chat(ROOM).len(), kept.chat("!two:hs").len(), report.users), (2, 2, 1));
}

#[test]
fn what_it_is_not() {
    let room = Room::new();
    let is_not = |path: &std::path::Path| !Format::recognise(path, &Limits::default()).is_ok_and(|format| format == Format::Matrix);
    assert!(is_not(&room.write("slack.zip", support::day("[{\"ts\":\"1.0\",\"user\":\"U1\",\"text\":\"x\"}]"))));
    assert!(is_not(&room.write("discord.json", "{\"guild\":{\"id\":\"1\"},\"messages\":[{\"id\":\"1\",\"type\":\"Default\",\"conte")));
    assert!(is_not(&room.write("teams.json", "[{\"id\":\"1\",\"messageType\":\"message\",\"createdDateTime\":\"2026-01-05T08:00:00Z\"}]")));
    assert!(is_not(
        &room.write("sync.json", "{\"rooms\":{\"join\":{\"!a:b\":{\"timeline\":{\"events\":[{\"event_id\":\"$1\",\"type\":\"m.room.message\"")
    ));
    let whole = export(&[text("$1", "x")]);
    for cut in [150, 250, whole.len() - 1] {
        assert!(!is_not(&room.write("cut.json", whole.get(..cut).unwrap())), "{cut}");
    }
}

#[test]
fn pieces_are_bounded_and_a_failing_sink_ends_the_import() {
    let events: Vec<_> = (0..50).map(|id| text(&format!("${id}"), &"x".repeat(id))).collect();
    let room = Room::new();
    let path = room.write("m.json", export(&events));
    for limits in [Limits { piece_events: 7, ..Limits::default() }, Limits { waiting_bytes: 3000, ..Limits::default() }] {
        let (kept, report) = read_with(Format::Matrix, &path, &limits).unwrap();
        assert_eq!((kept.chat(ROOM).len(), report.refused), (50, 0));
        assert!(kept.calls > 5);
        for fail_at in 0..kept.calls {
            let mut kept = Kept { fail_at: Some(fail_at), ..Kept::default() };
            let error = consign_source::read(Format::Matrix, &path, &limits, &mut kept, &support::silent).unwrap_err();
            assert!(error.to_string().contains("the disk is full"), "{error}");
            assert_eq!(kept.calls, fail_at + 1, "nothing comes after a failure");
        }
    }
    let limits = Limits { line_bytes: 400, ..Limits::default() };
    let (kept, report) =
        read_with(Format::Matrix, &room.write("two.json", export(&[text("$1", "x"), text("$2", &"x".repeat(400))])), &limits).unwrap();
    assert_eq!((kept.all().count(), report.refused), (1, 1), "{:?}", report.refusals);
}

#[test]
fn two_rooms_of_one_name_without_ids_are_two() {
    let of = |id: &str, kind: &str| event(id, kind, r#"{"msgtype":"m.text","body":"x"}"#, r#""room_id":null"#);
    let room = Room::new();
    let chats = |rooms: &[&[String]]| {
        let files: Vec<_> = rooms.iter().enumerate().map(|(n, events)| (format!("{n}/export.json"), export(events))).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        let (kept, report) = read(Format::Matrix, &room.zip(&files)).unwrap();
        assert!(!report.refused_anything(), "{:?}", report.refusals);
        kept.events.into_iter().map(|(chat, events)| (chat, events.len())).collect::<Vec<_>>()
    };
    let made = |n: &str| [of(&format!("$c{n}"), "m.room.create"), of(&format!("$m{n}"), "m.room.message")];
    let unmade = |n: &str| [of(&format!("$m{n}"), "m.room.message")];
    assert_eq!(chats(&[&made("1"), &made("2"), &unmade("3"), &unmade("4")]).len(), 4);
    // Of one room: the same by its making, wherever that stands, and by its first event, whatever comes behind it.
    let turned = [of("$m1", "m.room.message"), of("$c1", "m.room.create"), of("$m9", "m.room.message")];
    assert_eq!(chats(&[&made("1"), &turned]).iter().map(|(_, events)| *events).collect::<Vec<_>>(), [5]);
    let longer = [of("$m3", "m.room.message"), of("$m4", "m.room.message")];
    assert_eq!(chats(&[&unmade("3"), &longer]).iter().map(|(_, events)| *events).collect::<Vec<_>>(), [3]);
}

#[test]
fn an_edit_that_could_not_be_decrypted_names_its_message() {
    let sealed = |relation: &str| format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"AwgA","m.relates_to":{relation}}}"#);
    let replace = sealed(r#"{"rel_type":"m.replace","event_id":"$1"}"#);
    let bundled = format!(
        r#""unsigned":{{"m.relations":{{"m.replace":{{"type":"m.room.encrypted","event_id":"$e2","origin_server_ts":{},"sender":"@ann:desk.example","content":{replace}}}}}}}"#,
        AT + 7
    );
    let (kept, report) = read_room(&[
        text("$1", "sold"),
        event("$e1", "m.room.encrypted", &replace, ""),
        event("$t", "m.room.encrypted", &sealed(r#"{"rel_type":"m.thread","event_id":"$1"}"#), ""),
        event("$2", "m.room.message", r#"{"msgtype":"m.text","body":"bought"}"#, &bundled),
    ]);
    let edit = kept.event("$e1");
    assert_eq!((edit.kind, edit.target.as_deref(), edit.thread.as_deref()), (EventKind::Other, Some("$1"), None));
    assert_eq!(edit.text, "Encrypted edit that could not be decrypted");
    // Its message's text is not the newest, and is not taken for the edit's.
    assert_eq!((kept.event("$1").text.as_str(), kept.event("$1").flags), ("sold", Flags::EDITED));
    assert_eq!((kept.event("$t").target.as_deref(), kept.event("$t").thread.as_deref()), (None, Some("$1")));
    let edit = kept.event("$e2");
    assert_eq!(
        (edit.kind, edit.target.as_deref(), edit.at, edit.text.as_str()),
        (EventKind::Other, Some("$2"), Timestamp(AT + 7), kept.event("$e1").text.as_str())
    );
    assert_eq!((kept.event("$2").text.as_str(), kept.event("$2").flags), ("bought", Flags::EDITED));
    assert_eq!(report.notes.values().copied().collect::<Vec<_>>(), [3]);
}

#[test]
fn who_goes_and_was_never_seen() {
    let member = |id: &str, by: &str, user: &str, membership: &str| {
        let fields = format!(r#""sender":"@{by}:desk.example","state_key":"@{user}:desk.example""#);
        event(id, "m.room.member", &format!(r#"{{"membership":"{membership}"}}"#), &fields)
    };
    let said = event("$s", "m.room.message", r#"{"msgtype":"m.text","body":"x"}"#, r#""sender":"@joe:desk.example""#);
    let gone = [said, member("$1", "ann", "bob", "ban"), member("$2", "kim", "kim", "leave"), member("$3", "ann", "joe", "ban")];
    let kinds = |events: &[String]| {
        let (kept, _) = read_room(events);
        kept.chat(ROOM).iter().filter(|event| event.id.len() == 2).map(|event| (event.kind, event.user.clone())).skip(1).collect::<Vec<_>>()
    };
    let id = |name: &str| Some(format!("@{name}:desk.example"));
    // A part of a room: most of those were in it, and nobody is any more.
    assert_eq!(kinds(&gone), [(EventKind::Leave, id("bob")), (EventKind::Leave, id("kim")), (EventKind::Leave, id("joe"))]);
    // All of it: who was never seen to come or to say anything never was.
    let whole: Vec<_> = [event("$create", "m.room.create", "{}", r#""state_key":"""#)].into_iter().chain(gone).collect();
    assert_eq!(kinds(&whole), [(EventKind::Other, id("ann")), (EventKind::Other, None), (EventKind::Leave, id("joe"))]);
}
