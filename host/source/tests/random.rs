//! Random damage never panics, never hangs, and never hands over anything after an error about the whole file. The seed is printed; give it again as
//! `CONSIGN_SEED` to see the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::hash::{BuildHasher, Hasher};

use consign_source::{Format, Limits, SourceError};
use support::{Kept, Room, day, silent};

/// xorshift64*: enough for choosing where to do damage.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let fresh = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(fresh);
        println!("CONSIGN_SEED={seed}");
        Self(seed | 1)
    }

    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16;
        usize::try_from(wide).unwrap() % below.max(1)
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        const SPICE: [&[u8]; 12] =
            [b"\"", b"{", b"[", b"null", b"\\ud800", b"\xff\xfe", b"1e999", b"PK\x01\x02", b"\0\0\0\0", b"\xff\xff\xff\xff", b"../", b"<@U1|"];
        for _ in 0..=self.roll(6) {
            let at = self.roll(bytes.len());
            match self.roll(5) {
                0 => bytes.truncate(at),
                1 => {
                    let spice = SPICE[self.roll(SPICE.len())];
                    bytes.splice(at..at, spice.iter().copied());
                }
                2 => {
                    let end = (at + self.roll(20)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => {
                    let end = (at + self.roll(200)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    let to = self.roll(bytes.len());
                    bytes.splice(to..to, copy);
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = u8::try_from(self.roll(256)).unwrap();
                    }
                }
            }
        }
    }
}

const ENTRIES: &str = r#"[
 {"type":"message","ts":"1767600001.000200","user":"U1","text":"<@U1> &amp; <https://a|b> <!date^1^{date}|x>","files":[{"id":"F1","name":"a","size":3}],"reactions":[{"name":"x","users":["U1"],"count":1}]},
 {"type":"message","subtype":"message_changed","ts":"1767600002.000200","message":{"ts":"1767600001.000200","user":"U1","text":"n","edited":{"user":"U1"}},"previous_message":{"text":"o","ts":"1767600001.000200"}},
 {"type":"message","subtype":"bot_message","ts":"1767600003.000200","bot_id":"B1","username":"b","text":"","attachments":[{"title":"t","fields":[{"title":"a","value":"b"}]}],"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"x"}}]},
 {"type":"message","subtype":"message_deleted","ts":"1767600004.000200","deleted_ts":"1767600001.000200","previous_message":{"text":"o"}},
 {"type":"message","subtype":"channel_join","ts":"1767600005.000200","user":"U2","text":"<@U2> has joined"}
]"#;

const TEAMS: &str = r##"{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users('U1')/chats/getAllMessages","@odata.nextLink":"https://x/users/U1/y?$filter=lastModifiedDateTime gt 2026-01-01T00:00:00Z","value":[
 {"id":"1","messageType":"message","createdDateTime":"2026-01-05T08:00:00Z","lastEditedDateTime":"2026-01-05T08:00:01Z","chatId":"19:a_b@unq.gbl.spaces","from":{"user":{"id":"U1","displayName":"Ann","tenantId":"T1"}},
  "body":{"contentType":"html","content":"<p>a&amp;b <at id=\"0\">x</at><a href='https://x'>y</a><attachment id=\"9\"></attachment><img src=\"https://g/hostedContents/h/$value\" alt=\"i\"></p><ul><li>1</li></ul><!-- c -->"},
  "attachments":[{"id":"9","contentType":"messageReference","content":"{\"messagePreview\":\"q\",\"messageSender\":{\"user\":{\"id\":\"U2\"}}}"},{"id":"F1","contentType":"reference","contentUrl":"https://x/f.pdf","name":"f"},{"contentType":"application/vnd.microsoft.card.hero","content":"{\"title\":\"t\",\"facts\":[{\"name\":\"a\",\"value\":\"b\"}]}"}],
  "mentions":[{"id":0,"mentioned":{"user":{"id":"U2"}}}],"reactions":[{"reactionType":"like","createdDateTime":"2026-01-05T08:00:02Z","user":{"user":{"id":"U2"}}}],
  "messageHistory":[{"actions":"reactionRemoved","modifiedDateTime":"2026-01-05T08:00:03Z","reaction":{"reactionType":"like","user":{"user":{"id":"U2"}}}}]},
 {"id":"2","messageType":"message","createdDateTime":"2026-01-05T08:00:00Z","deletedDateTime":"2026-01-05T08:00:01Z","channelIdentity":{"teamId":"T","channelId":"C"},"from":{"application":{"id":"B1"}},"body":{"content":""},"policyViolation":{"dlpAction":"x"}},
 {"id":"3","messageType":"systemEventMessage","createdDateTime":"2026-01-05T08:00:00Z","chatId":"19:c@thread.v2","eventDetail":{"@odata.type":"#microsoft.graph.membersAddedEventMessageDetail","members":[{"id":"U3"}],"initiator":{"user":{"id":"U1"}}}}
]}"##;

const MATRIX: &str = r#"{"room_name":"r","room_creator":"a","export_date":"d","exported_by":"b","messages":[
 {"type":"m.room.create","sender":"@a:h","content":{},"origin_server_ts":1767600000000,"event_id":"$0","room_id":"!r:h","state_key":""},
 {"type":"m.room.member","sender":"@a:h","state_key":"@a:h","content":{"membership":"join","displayname":"A","is_direct":true},"origin_server_ts":1767600000001,"unsigned":{"prev_content":{"membership":"invite"}},"event_id":"$1","room_id":"!r:h"},
 {"type":"m.room.message","sender":"@a:h","content":{"msgtype":"m.text","body":"> <@b:h> q\n\nx","format":"org.matrix.custom.html","formatted_body":"<mx-reply>q</mx-reply><b>x</b> &amp;","m.relates_to":{"m.in_reply_to":{"event_id":"$0"}}},"origin_server_ts":1767600000002,"unsigned":{"m.relations":{"m.replace":{"event_id":"$e","origin_server_ts":1767600000009,"sender":"@a:h"}}},"event_id":"$2","room_id":"!r:h"},
 {"type":"m.room.message","sender":"@a:h","content":{"body":"* y","m.new_content":{"msgtype":"m.text","body":"y"},"m.relates_to":{"rel_type":"m.replace","event_id":"$2"}},"origin_server_ts":1767600000003,"event_id":"$3"},
 {"type":"m.room.message","sender":"@b:i","content":{"msgtype":"m.image","body":"a.png","url":"mxc://h/i","info":{"size":3}},"origin_server_ts":1767600000004,"event_id":"$4"},
 {"type":"m.reaction","sender":"@b:i","content":{"m.relates_to":{"rel_type":"m.annotation","event_id":"$2","key":"x"}},"origin_server_ts":1767600000005,"event_id":"$5"},
 {"type":"m.room.redaction","sender":"@b:i","content":{},"redacts":"$5","origin_server_ts":1767600000006,"event_id":"$6"},
 {"type":"m.room.encrypted","sender":"@b:i","content":{},"origin_server_ts":1767600000007,"unsigned":{"redacted_because":{"event_id":"$8","sender":"@a:h","origin_server_ts":1767600000008}},"event_id":"$7"},
 {"type":"org.matrix.msc3381.poll.start","sender":"@b:i","content":{"org.matrix.msc3381.poll.start":{"question":{"body":"q"},"answers":[{"body":"a"}]}},"origin_server_ts":1767600000007,"event_id":"$9"}
]}"#;

fn survive(format: Format, path: &std::path::Path) {
    let mut kept = Kept::default();
    let limits = Limits { piece_events: 3, waiting_bytes: 2000, json_bytes: 1 << 20, line_bytes: 5000, ..Limits::default() };
    match consign_source::read(format, path, &limits, &mut kept, &silent) {
        Ok(report) => assert_eq!(report.events_total(), kept.all().count() as u64),
        Err(error) => {
            assert!(!matches!(error, SourceError::Sink(_)), "the sink never fails here: {error}");
            assert_eq!(kept.calls, 0, "{error}");
        }
    }
}

#[test]
fn damaged_exports() {
    let mut dice = Dice::new();
    let room = Room::new();
    let zip = day(ENTRIES);
    let lines = concat!(
        r#"{"type":"user","id":"U1","name":"Ann","attributes":{"a":"b"}}"#,
        "\n",
        r#"{"type":"chat","id":"C1","kind":"group","labels":{"a":1}}"#,
        "\n",
        r#"{"type":"message","chat":"C1","id":"m1","at":"2026-01-05T08:00:00Z","user":"U1","text":"x","attachments":[{"path":"chat.jsonl"}]}"#,
        "\n",
        r#"{"type":"reaction","chat":"C1","id":"m1","at":"2026-01-05T08:00:00Z","user":"U1","name":"y"}"#,
        "\n"
    );
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, lines.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zst = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    for round in 0..1500 {
        // The container is damaged …
        let mut bytes = zip.clone();
        dice.damage(&mut bytes);
        survive(Format::Slack, &room.write("export.zip", bytes));
        // … or is whole and what is in it is damaged …
        let mut entries = ENTRIES.as_bytes().to_vec();
        dice.damage(&mut entries);
        let files = [("users.json", support::USERS.as_bytes()), ("channels.json", support::CHANNELS.as_bytes()), ("desk/2026-01-05.json", &entries)];
        survive(Format::Slack, &room.zip(&files));
        let mut users = support::USERS.as_bytes().to_vec();
        dice.damage(&mut users);
        survive(Format::Slack, &room.zip(&[("users.json", &users)]));
        // … and lines, plain and packed.
        for whole in [lines.as_bytes(), &gzip, &zst] {
            let mut bytes = whole.to_vec();
            dice.damage(&mut bytes);
            survive(Format::Jsonl, &room.write("chat.jsonl", bytes));
        }
        if round % 3 > 0 {
            continue;
        }
        // Pages of Teams: alone, as lines, and beside lists and bytes.
        let mut page = TEAMS.as_bytes().to_vec();
        dice.damage(&mut page);
        survive(Format::Teams, &room.write("page.json", &page));
        survive(
            Format::Teams,
            &room.zip(&[("users.json", support::USERS.as_bytes()), ("a.json", &page), ("b.json", TEAMS.as_bytes()), ("files/F1/f.pdf", b"%PDF")]),
        );
        // A room of Matrix, alone and beside bytes and another room.
        let mut room_json = MATRIX.as_bytes().to_vec();
        dice.damage(&mut room_json);
        survive(Format::Matrix, &room.write("room.json", &room_json));
        survive(
            Format::Matrix,
            &room.zip(&[("a/export.json", &room_json), ("b/export.json", MATRIX.as_bytes()), ("b/images/a-1-5-2026 at 8-00-00 AM.png", b"png")]),
        );
        let mut lines = TEAMS.replace('\n', "").into_bytes();
        lines.push(b'\n');
        lines.extend_from_within(..);
        dice.damage(&mut lines);
        survive(Format::Teams, &room.write("pages.jsonl", lines));
    }
    // Noise from the first byte.
    for _ in 0..300 {
        let noise: Vec<u8> = (0..dice.roll(3000)).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
        let path = room.write("noise", noise);
        survive(Format::Jsonl, &path);
        survive(Format::Slack, &path);
        survive(Format::Teams, &path);
        survive(Format::Matrix, &path);
    }
}

/// Work must grow with the size of the input, not with its square: each of these would take hours if it did.
#[test]
fn large_and_odd() {
    let room = Room::new();
    let many = |one: &dyn Fn(usize) -> String, count: usize| (0..count).map(one).collect::<Vec<_>>().join(",");
    let entry = |field: &str, list: &str| format!(r#"[{{"ts":"1.0","user":"U1","text":"","{field}":[{list}]}}]"#);
    let names: Vec<String> = vec![
        entry("attachments", &many(&|n| format!(r#"{{"text":"attachment {n}"}}"#), 100_000)),
        entry("files", &many(&|n| format!(r#"{{"id":"F{n}","name":"f"}}"#), 100_000)),
        entry("reactions", &format!(r#"{{"name":"x","users":[{}]}}"#, many(&|n| format!("\"U{n}\""), 100_000))),
        entry("blocks", &many(&|n| format!(r#"{{"type":"section","text":{{"type":"mrkdwn","text":"<@U{n}"}}}}"#), 100_000)),
        format!(r#"[{{"ts":"1.0","text":"{}{}"}}]"#, "<".repeat(1_000_000), "&".repeat(1_000_000)),
    ];
    for (at, json) in names.iter().enumerate() {
        let files =
            [("users.json", support::USERS.as_bytes()), ("channels.json", support::CHANNELS.as_bytes()), ("desk/2026-01-05.json", json.as_bytes())];
        let (kept, report) = support::read(Format::Slack, &room.zip(&files)).unwrap();
        assert!(!report.refused_anything() && kept.all().next().is_some(), "{at}: {:?}", report.refusals);
    }
    let message = |fields: &str| format!(r#"[{{"id":"1","messageType":"message","createdDateTime":"2026-01-05T08:00:00Z","chatId":"c",{fields}}}]"#);
    let body = |html: &str| format!(r#""body":{{"contentType":"html","content":"{html}"}}"#);
    for (at, fields) in [
        format!(r#""attachments":[{}]"#, many(&|n| format!(r#"{{"id":"{n}","contentType":"x","content":"text {n}"}}"#), 20_000)),
        format!(r#""attachments":[{}]"#, many(&|n| format!(r#"{{"id":"{n}","contentType":"reference","contentUrl":"https://x/{n}"}}"#), 20_000)),
        format!(
            r#""mentions":[{}],{}"#,
            many(&|n| format!(r#"{{"id":{n},"mentioned":{{"user":{{"id":"U{n}"}}}}}}"#), 20_000),
            body(&"<at id='7'>x</at> ".repeat(20_000))
        ),
        format!(
            r#""attachments":[{{"id":"9","contentType":"x","content":"{}"}}],{}"#,
            "y".repeat(100_000),
            body(&"<attachment id='9'></attachment>".repeat(20_000))
        ),
        format!(r#""reactions":[{}]"#, many(&|n| format!(r#"{{"reactionType":"like","user":{{"user":{{"id":"U{n}"}}}}}}"#), 20_000)),
        format!(
            r##""eventDetail":{{"@odata.type":"#microsoft.graph.membersAddedEventMessageDetail","members":[{}]}}"##,
            many(&|n| format!(r#"{{"id":"U{n}"}}"#), 20_000)
        ),
        body(&"<div><ul><li><blockquote><a href='x'>".repeat(20_000)),
        body(&"hostedContents/".repeat(100_000)),
    ]
    .iter()
    .enumerate()
    {
        let (kept, report) = support::read(Format::Teams, &room.write("m.json", message(fields))).unwrap();
        assert!(!report.refused_anything() && kept.all().next().is_some(), "{at}: {:?}", report.refusals);
    }
    let event = |n: usize, kind: &str, content: &str| {
        format!(r#"{{"type":"{kind}","sender":"@u{n}:h","content":{content},"origin_server_ts":1767600000000,"event_id":"$k{n}","room_id":"!r:h"}}"#)
    };
    let image = r#"{"msgtype":"m.image","body":"image.png"}"#;
    for (at, events) in [
        many(&|n| event(n, "m.room.message", r#"{"msgtype":"m.text","body":"x","m.relates_to":{"rel_type":"m.replace","event_id":"$k0"}}"#), 10_000),
        many(&|n| event(n, "m.room.redaction", &format!(r#"{{"redacts":"$k{n}"}}"#)), 20_000),
        event(1, "m.room.message", &format!(r#"{{"msgtype":"m.text","body":"{}"}}"#, "> <@a:h>\\n".repeat(100_000))),
        event(1, "org.deep", &format!(r#"{{"a":{}1{}}}"#, "[".repeat(100), "]".repeat(100))),
        many(&|n| event(n, "m.room.message", image), 5_000),
    ]
    .iter()
    .enumerate()
    {
        let json = format!(r#"{{"room_name":"r","export_date":"d","messages":[{events}]}}"#);
        let pictures: Vec<String> = (0..2_000).map(|n| format!("images/image-1-{n}-2026 at 8-00-00 AM.png")).collect();
        let mut files: Vec<(&str, &[u8])> = vec![("export.json", json.as_bytes())];
        files.extend(pictures.iter().map(|path| (path.as_str(), b"png".as_slice())).take(if at == 4 { 2_000 } else { 0 }));
        let (kept, report) = support::read(Format::Matrix, &room.zip(&files)).unwrap();
        assert!(!report.refused_anything() && kept.all().next().is_some(), "{at}: {:?}", report.refusals);
    }
}

const MATTERMOST: &str = r#"{"type":"version","version":1}
{"type":"channel","channel":{"team":"t","name":"c","display_name":"C","type":"P"}}
{"type":"user","user":{"username":"ann","email":"ann@desk.example","teams":[{"name":"t","channels":[{"name":"c"}]}]}}
{"type":"bot","bot":{"username":"ci","display_name":"CI"}}
{"type":"post","post":{"team":"t","channel":"c","user":"ann","message":"x","props":{"attachments":[{"title":"t","fields":[{"title":"a","value":1}]}]},"create_at":1767600000001,"edit_at":1767600000005,"reactions":[{"user":"ann","create_at":1767600000002,"emoji_name":"y"}],"replies":[{"user":"ci","message":"re","create_at":1767600000001}],"attachments":[{"path":"a/b.txt"}]}}
{"type":"post","post":{"team":"t","channel":"c","user":"ann","type":"system_add_to_channel","message":"y","props":{"addedUsername":"ci"},"create_at":1767600000003,"delete_at":1767600000009}}
{"type":"direct_channel","direct_channel":{"members":["ann","ci"]}}
{"type":"direct_post","direct_post":{"channel_members":["ann","ci"],"user":"ann","message":"z","create_at":1767600000004}}
"#;

#[test]
fn damaged_mattermost_exports() {
    let mut dice = Dice::new();
    let room = Room::new();
    let pack = |lines: &[u8]| support::zip_of(&[("import.jsonl", lines), ("data/a/b.txt", b"bytes")]);
    let (zip, zst) = (pack(MATTERMOST.as_bytes()), zstd::encode_all(MATTERMOST.as_bytes(), 1).unwrap());
    for _ in 0..800 {
        let mut bytes = zip.clone();
        dice.damage(&mut bytes);
        survive(Format::Mattermost, &room.write("export.zip", bytes));
        let mut lines = MATTERMOST.as_bytes().to_vec();
        dice.damage(&mut lines);
        survive(Format::Mattermost, &room.write("packed.zip", pack(&lines)));
        survive(Format::Mattermost, &room.write("export.jsonl", lines));
        let mut bytes = zst.clone();
        dice.damage(&mut bytes);
        survive(Format::Mattermost, &room.write("export.zst", bytes));
    }
}

const DISCORD: &str = r#"{"guild":{"id":"1","name":"g"},"channel":{"id":"2","type":"GuildTextChat","category":"c","name":"n"},"messages":[
 {"id":"5","type":"Default","timestamp":"2026-01-05T08:00:00.5+00:00","timestampEdited":"2026-01-05T08:00:09Z","content":"hi @Ann <@1> <:a:1>","author":{"id":"7","name":"ann","nickname":"Ann","isBot":false},
  "attachments":[{"id":"8","url":"a.json_Files/b.txt","fileName":"b.txt","fileSizeBytes":5}],"embeds":[{"title":"t","description":"d","fields":[{"name":"n","value":"v"}],"images":[{"url":"x"}]}],
  "stickers":[{"name":"s","sourceUrl":"y"}],"reactions":[{"emoji":{"id":"","name":"x"},"count":2,"users":[{"id":"7","name":"ann"}]}],"mentions":[{"id":"7","name":"ann","nickname":"Ann"}]},
 {"id":"6","type":"RecipientAdd","timestamp":"2026-01-05T08:00:01Z","content":"Added Ann.","author":{"id":"8","name":"bob"},"mentions":[{"id":"7","name":"ann"}]},
 {"id":"9","type":"Reply","timestamp":"2026-01-05T08:00:02Z","content":"re","author":{"id":"8","name":"bot","isBot":true},"reference":{"messageId":"5","channelId":"2"},"interaction":{"name":"c","user":{"id":"7","name":"ann"}}}
],"messageCount":3}
"#;

#[test]
fn damaged_discord_exports() {
    let mut dice = Dice::new();
    let room = Room::new();
    let pack = |json: &[u8]| support::zip_of(&[("a.json", json), ("a.json_Files/b.txt", b"bytes"), ("whole.json", DISCORD.as_bytes())]);
    let zip = pack(DISCORD.as_bytes());
    for _ in 0..800 {
        let mut bytes = zip.clone();
        dice.damage(&mut bytes);
        survive(Format::Discord, &room.write("export.zip", bytes));
        let mut json = DISCORD.as_bytes().to_vec();
        dice.damage(&mut json);
        survive(Format::Discord, &room.write("packed.zip", pack(&json)));
        survive(Format::Discord, &room.write("export.json", json));
    }
}

#[test]
fn large_and_odd_of_other_platforms() {
    let room = Room::new();
    let many = |one: &dyn Fn(usize) -> String| (0..30_000).map(one).collect::<Vec<_>>().join(",");
    let post = |field: &str, list: String| {
        let post = format!(r#"{{"team":"t","channel":"c","user":"ann","message":"x","create_at":1767600000001,"{field}":{list}}}"#);
        format!("{{\"type\":\"version\",\"version\":1}}\n{{\"type\":\"post\",\"post\":{post}}}\n")
    };
    let list = |one: &dyn Fn(usize) -> String| format!("[{}]", many(one));
    let posts = [
        post("reactions", list(&|n| format!(r#"{{"user":"u{n}","emoji_name":"x"}}"#))),
        post("replies", list(&|_| r#"{"user":"u","message":"same","create_at":1767600000001}"#.to_owned())),
        post("attachments", list(&|n| format!(r#"{{"path":"a/{n}"}}"#))),
        post("props", format!(r#"{{"attachments":{}}}"#, list(&|n| format!(r#"{{"text":"{n}","image_url":"https://x/{n}"}}"#)))),
    ];
    for (at, lines) in posts.iter().enumerate() {
        let (kept, report) = support::read(Format::Mattermost, &room.write("export.jsonl", lines)).unwrap();
        assert!(!report.refused_anything() && kept.all().next().is_some(), "{at}: {:?}", report.refusals.first());
    }
    let message = |field: &str, list: String, content: &str| {
        let message =
            format!(r#"{{"id":"5","timestamp":"2026-01-05T08:00:00Z","content":"{content}","author":{{"id":"7","isBot":true}},"{field}":{list}}}"#);
        format!(r#"{{"guild":{{"id":"1"}},"channel":{{"id":"2"}},"messages":[{message}]}}"#)
    };
    let mentions = list(&|n| format!(r#"{{"id":"{n}","name":"a{n}"}}"#));
    let messages = [
        message("embeds", list(&|n| format!(r#"{{"title":"{n}","image":{{"url":"https://x/{n}"}}}}"#)), ""),
        message("attachments", list(&|n| format!(r#"{{"url":"a/{n}"}}"#)), ""),
        message("stickers", list(&|n| format!(r#"{{"name":"{n}"}}"#)), ""),
        message("reactions", format!(r#"[{{"emoji":{{"name":"x"}},"users":{}}}]"#, list(&|n| format!(r#"{{"id":"{n}"}}"#))), ""),
        message("mentions", mentions.clone(), &"@a1".repeat(20_000)),
        message("mentions", mentions, &format!("{}{}", "@".repeat(1_000_000), "<".repeat(1_000_000))),
        message("poll", format!(r#"{{"question":"q","answers":{}}}"#, list(&|n| format!(r#"{{"text":"{n}"}}"#))), ""),
    ];
    for (at, json) in messages.iter().enumerate() {
        let (kept, report) = support::read(Format::Discord, &room.write("export.json", json)).unwrap();
        assert!(!report.refused_anything() && kept.all().next().is_some(), "{at}: {:?}", report.refusals.first());
    }
}
