//! Mattermost's bulk export: every kind of line and of post, on exports made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;

use consign_model::{ChatKind, Digest, EventKind, Flags, Timestamp};
use consign_source::{Format, Limits, Report, SourceError};
use support::{Kept, Room, read_with, refused_whole, zip_of};

/// The lines before the posts: one team, three channels, five users, a bot.
const LISTS: &str = r#"{"type":"version","version":1,"info":{"generator":"mattermost-server","version":"9.11.0 (abc, enterprise: true)","created":"2026-01-05T08:00:00.1Z"}}
{"type":"team","team":{"name":"corp","display_name":"The Corp","type":"O","description":"","allow_open_invite":false}}
{"type":"channel","channel":{"team":"corp","name":"fx-desk","display_name":"FX Desk","type":"O","header":"rates","purpose":""}}
{"type":"channel","channel":{"team":"corp","name":"deal","display_name":"Deal 🌋","type":"P","header":"","purpose":""}}
{"type":"channel","channel":{"team":"corp","name":"old","display_name":"Old","type":"O","deleted_at":1767600000000}}
{"type":"user","user":{"username":"ann","email":"ann@desk.example","auth_service":"ldap","nickname":"annie","first_name":"Ann","last_name":"Lee","position":"Trader","roles":"system_user","locale":"en","delete_at":0,"teams":[{"name":"corp","roles":"team_user","channels":[{"name":"fx-desk","roles":"channel_user"},{"name":"deal","roles":"channel_user"}]}]}}
{"type":"user","user":{"username":"bob","email":"bob@desk.example","nickname":"Bobby","first_name":"","last_name":"","roles":"system_user","delete_at":0,"teams":[{"name":"corp","channels":[{"name":"fx-desk"},{"name":"gone"}]}]}}
{"type":"user","user":{"username":"carla","email":"","nickname":"","first_name":"田中","last_name":"花子","roles":"system_guest","teams":null}}
{"type":"user","user":{"username":"dan:partner","email":"dan@partner.example","roles":"system_user"}}
{"type":"bot","bot":{"username":"ci","owner":"ann","display_name":"CI Bot"}}
"#;

/// 2026-01-05T08:00:00Z and so many milliseconds.
fn at(ms: i64) -> i64 {
    1_767_600_000_000 + ms
}

fn post(fields: &str) -> String {
    format!(r#"{{"type":"post","post":{{"team":"corp","channel":"fx-desk",{fields}}}}}"#)
}

fn export(lines: &[String]) -> String {
    format!("{LISTS}{}\n", lines.join("\n"))
}

fn read_lines(lines: &[String]) -> (Kept, Report) {
    let room = Room::new();
    let path = room.write("export.jsonl", export(lines));
    let (kept, report) = support::read(Format::Mattermost, &path).unwrap();
    assert_eq!(support::read(Format::Mattermost, &path).unwrap().0.events, kept.events, "the same again, to the last byte");
    (kept, report)
}

#[test]
fn users_and_chats() {
    let (kept, report) = read_lines(&[
        r#"{"type":"direct_channel","direct_channel":{"members":["bob","ann"],"header":"x","favorited_by":["ann"]}}"#.into(),
        r#"{"type":"direct_channel","direct_channel":{"participants":[{"username":"carla"},{"username":"bob"},{"username":"ann"}]}}"#.into(),
        r#"{"type":"direct_channel","direct_channel":{"members":["ann","ann"]}}"#.into(),
        r#"{"type":"emoji","emoji":{"name":"party","image":"emoji/x/image"}}"#.into(),
        r#"{"type":"role","role":{}}"#.into(),
        r#"{"type":"hologram","hologram":{}}"#.into(),
    ]);
    let ann = kept.user("ann");
    assert_eq!((ann.name.as_str(), ann.email.as_deref(), ann.bot, ann.external), ("Ann Lee", Some("ann@desk.example"), false, false));
    assert_eq!(ann.attributes.get("title").map(String::as_str), Some("Trader"));
    assert_eq!(kept.user("bob").name, "Bobby");
    let carla = kept.user("carla");
    assert_eq!((carla.name.as_str(), carla.email.as_deref(), carla.external), ("田中 花子", None, true));
    assert_eq!((kept.user("dan:partner").name.as_str(), kept.user("dan:partner").external), ("dan:partner", true));
    assert_eq!((kept.user("ci").name.as_str(), kept.user("ci").bot), ("CI Bot", true));
    assert_eq!((report.users, report.users_without_email), (5, 2));

    let chat = |id: &str| kept.chats.get(id).unwrap();
    let desk = chat("corp/fx-desk");
    assert_eq!((desk.kind, desk.title.as_deref()), (Some(ChatKind::Channel), Some("FX Desk")));
    assert_eq!(desk.members, ["ann", "bob"]);
    assert_eq!(desk.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(), ["team=corp"]);
    assert_eq!(chat("corp/deal").labels.get("private").map(String::as_str), Some("true"));
    assert_eq!((chat("corp/deal").title.as_deref(), &chat("corp/deal").members), (Some("Deal 🌋"), &vec!["ann".to_owned()]));
    assert_eq!(chat("corp/old").labels.get("archived").map(String::as_str), Some("true"));
    // One that only a membership names.
    assert_eq!((chat("corp/gone").kind, &chat("corp/gone").members), (Some(ChatKind::Channel), &vec!["bob".to_owned()]));
    let direct = chat("direct:ann,bob");
    assert_eq!((direct.kind, direct.title.as_deref(), &direct.members), (Some(ChatKind::Direct), None, &vec!["ann".to_owned(), "bob".to_owned()]));
    assert_eq!((chat("direct:ann,bob,carla").kind, chat("direct:ann").kind), (Some(ChatKind::Group), Some(ChatKind::Direct)));
    assert_eq!((kept.chats.len(), report.refused, report.events_total()), (7, 0, 0));
    assert_eq!(report.notes.keys().collect::<Vec<_>>(), ["lines of the kind `hologram`, which is not known, not imported"]);
}

#[test]
fn posts_with_replies_reactions_and_edits() {
    let (kept, report) = read_lines(&[
        post(&format!(
            r#""user":"ann","type":"","message":"**root** @bob #x","props":{{}},"create_at":{},"edit_at":{},"is_pinned":true,"flagged_by":["bob"],
               "reactions":[{{"user":"bob","create_at":{},"emoji_name":"thumbsup"}},{{"user":"carla","emoji_name":"eyes"}}],
               "replies":[{{"user":"bob","type":"","message":"re\r\nply","create_at":{},"edit_at":0,"reactions":[{{"user":"ann","create_at":{},"emoji_name":"+1"}}]}},
                          {{"user":"ann","message":"edited reply","create_at":{},"edit_at":{}}}]"#,
            at(1), at(900), at(5), at(2), at(6), at(3), at(800)
        ).replace('\n', " ")),
        post(&format!(r#""user":"ann","message":"gone","create_at":{},"edit_at":0,"delete_at":{}"#, at(10), at(20))),
        post(&format!(r#""user":"ann","message":"","create_at":{},"delete_at":{}"#, at(11), at(21))),
        format!(r#"{{"type":"direct_post","direct_post":{{"channel_members":["bob","ann"],"user":"bob","message":"psst","create_at":{},"reactions":null,"replies":null,"attachments":null}}}}"#, at(4)),
        post(&format!(r#""user":"ann","type":"me","message":"waves","create_at":{}"#, at(12))).replace("fx-desk", "not-listed"),
    ]);
    assert_eq!((report.refused, report.events_total()), (0, 14));
    let (root, reply) = ("message:ann:2026-01-05T08:00:00.001Z", "message:bob:2026-01-05T08:00:00.002Z");
    let ids: Vec<_> = kept.chat("corp/fx-desk").iter().map(|event| (event.id.as_str(), event.user.as_deref())).collect();
    assert_eq!(
        ids,
        [
            (root, Some("ann")),
            ("edit:message:ann:2026-01-05T08:00:00.001Z:2026-01-05T08:00:00.900Z", Some("ann")),
            ("reaction:message:ann:2026-01-05T08:00:00.001Z:bob:thumbsup:2026-01-05T08:00:00.005Z", Some("bob")),
            ("reaction:message:ann:2026-01-05T08:00:00.001Z:carla:eyes:2026-01-05T08:00:00.001Z", Some("carla")),
            (reply, Some("bob")),
            ("reaction:message:bob:2026-01-05T08:00:00.002Z:ann:+1:2026-01-05T08:00:00.006Z", Some("ann")),
            ("message:ann:2026-01-05T08:00:00.003Z", Some("ann")),
            ("edit:message:ann:2026-01-05T08:00:00.003Z:2026-01-05T08:00:00.800Z", Some("ann")),
            ("message:ann:2026-01-05T08:00:00.010Z", Some("ann")),
            ("delete:message:ann:2026-01-05T08:00:00.010Z:2026-01-05T08:00:00.020Z", None),
            ("message:ann:2026-01-05T08:00:00.011Z", Some("ann")),
            ("delete:message:ann:2026-01-05T08:00:00.011Z:2026-01-05T08:00:00.021Z", None),
        ]
    );
    let message = kept.event(root);
    assert_eq!((message.kind, message.at, message.text.as_str()), (EventKind::Message, Timestamp(at(1)), "**root** @bob #x"));
    assert_eq!((message.flags, message.thread.as_deref(), message.original.as_deref()), (Flags::EDITED, None, None));
    let edit = kept.event("edit:message:ann:2026-01-05T08:00:00.001Z:2026-01-05T08:00:00.900Z");
    assert_eq!((edit.kind, edit.at, edit.target.as_deref(), &edit.text), (EventKind::Edit, Timestamp(at(900)), Some(root), &message.text));
    let reply = kept.event(reply);
    assert_eq!((reply.thread.as_deref(), reply.text.as_str(), reply.own_flags().has(Flags::REPLY)), (Some(root), "re\nply", true));
    assert_eq!(kept.event("edit:message:ann:2026-01-05T08:00:00.003Z:2026-01-05T08:00:00.800Z").thread.as_deref(), Some(root));
    let reaction = kept.event("reaction:message:bob:2026-01-05T08:00:00.002Z:ann:+1:2026-01-05T08:00:00.006Z");
    assert_eq!((reaction.text.as_str(), reaction.target.as_deref(), reaction.thread.as_deref()), ("+1", Some(reply.id.as_str()), Some(root)));
    let gone = kept.event("message:ann:2026-01-05T08:00:00.010Z");
    assert_eq!((gone.text.as_str(), gone.flags), ("gone", Flags::DELETED));
    let delete = kept.event("delete:message:ann:2026-01-05T08:00:00.010Z:2026-01-05T08:00:00.020Z");
    assert_eq!((delete.target.as_deref(), delete.previous.as_deref(), delete.at), (Some(gone.id.as_str()), Some("gone"), Timestamp(at(20))));
    assert_eq!(kept.event("delete:message:ann:2026-01-05T08:00:00.011Z:2026-01-05T08:00:00.021Z").previous, None);
    let direct = kept.chat("direct:ann,bob").first().unwrap();
    assert_eq!((direct.text.as_str(), direct.user.as_deref()), ("psst", Some("bob")));
    assert_eq!(kept.chats.get("direct:ann,bob").unwrap().members, ["ann", "bob"]);
    let unlisted = kept.chats.get("corp/not-listed").unwrap();
    assert_eq!((unlisted.kind, unlisted.title.as_deref()), (Some(ChatKind::Channel), Some("not-listed")));
    assert_eq!(
        (kept.chat("corp/not-listed").first().unwrap().kind, kept.chat("corp/not-listed").first().unwrap().text.as_str()),
        (EventKind::Message, "waves")
    );
}

#[test]
fn coming_going_and_what_the_system_says() {
    let posts = [
        ("ann", "system_join_channel", r#"{"username":"ann"}"#, Some((EventKind::Join, "ann"))),
        ("carla", "system_guest_join_channel", r#"{"username":"carla"}"#, Some((EventKind::Join, "carla"))),
        ("ann", "system_join_team", r#"{"username":"ann"}"#, Some((EventKind::Join, "ann"))),
        (
            "ann",
            "system_add_to_channel",
            r#"{"userId":"x","username":"ann","addedUserId":"y","addedUsername":"bob"}"#,
            Some((EventKind::Join, "bob")),
        ),
        ("ann", "system_add_guest_to_chan", r#"{"addedUsername":"carla"}"#, Some((EventKind::Join, "carla"))),
        ("ann", "system_add_to_team", r#"{"addedUsername":"bob"}"#, Some((EventKind::Join, "bob"))),
        ("ann", "system_remove_from_channel", r#"{"removedUserId":"y","removedUsername":"bob"}"#, Some((EventKind::Leave, "bob"))),
        ("bob", "system_remove_from_team", r#"{"username":"bob"}"#, Some((EventKind::Leave, "bob"))),
        ("bob", "system_leave_channel", r#"{"username":"bob"}"#, Some((EventKind::Leave, "bob"))),
        ("bob", "system_leave_team", r#"{"username":"bob"}"#, Some((EventKind::Leave, "bob"))),
        ("ann", "system_add_remove", r#"{"removedUsername":"bob"}"#, Some((EventKind::Leave, "bob"))),
        ("ann", "system_add_remove", r#"{"addedUsername":"bob"}"#, Some((EventKind::Join, "bob"))),
        // These promise what they don't say.
        ("ann", "system_add_to_channel", "{}", None),
        ("ann", "system_add_remove", "null", None),
        ("ann", "system_join_leave", "{}", None),
        ("ann", "system_header_change", r#"{"old_header":"a","new_header":"b"}"#, None),
        ("ann", "system_displayname_change", r#"{"old_displayname":"a","new_displayname":"b"}"#, None),
        ("ann", "system_purpose_change", "{}", None),
        ("ann", "system_channel_deleted", "{}", None),
        ("ann", "system_never_heard_of", "{}", None),
    ];
    let lines: Vec<_> = posts
        .iter()
        .enumerate()
        .map(|(n, (user, kind, props, _))| {
            let time = at(i64::try_from(n).unwrap());
            post(&format!(r#""user":"{user}","type":"{kind}","message":"a sentence","props":{props},"create_at":{time},"edit_at":0"#))
        })
        .collect();
    let (kept, report) = read_lines(&lines);
    assert_eq!((kept.chat("corp/fx-desk").len(), report.refused), (posts.len(), 0));
    for (event, (user, kind, _, moved)) in kept.chat("corp/fx-desk").iter().zip(posts) {
        let seen = (event.kind, event.user.as_deref(), event.text.as_str(), event.original.as_deref());
        if let Some((kind, who)) = moved {
            assert_eq!(seen, (kind, Some(who), "", Some("a sentence")));
            assert_eq!(event.id, format!("{}:{who}:{}", kind.word(), event.at));
        } else {
            assert_eq!(seen, (EventKind::Other, Some(user), "a sentence", None), "{kind}");
            assert_eq!(event.id, format!("other:{kind}:{user}:{}", event.at));
        }
    }
}

#[test]
fn programs() {
    let (kept, _) = read_lines(&[
        post(&format!(
            r#""user":"ann","message":"hook","props":{{"from_webhook":"true","override_username":"Fixing\r\nBot","override_icon_url":"x"}},"create_at":{}"#,
            at(1)
        )),
        post(&format!(r#""user":"ci","message":"by bot","create_at":{}"#, at(2))),
        post(&format!(
            r#""user":"ann","message":"","type":"slack_attachment","props":{{"from_bot":true,"attachments":[{{"title":"Deal 7","text":"sold 5m","image_url":"https://x/y/chart.png?sig=secret"}}]}},"create_at":{}"#,
            at(3)
        )),
        post(&format!(r#""user":"ann","message":"away","type":"system_auto_responder","create_at":{}"#, at(4))),
        post(&format!(r#""user":"ann","message":"not hook","props":{{"override_username":"Eve","from_webhook":"false"}},"create_at":{}"#, at(5))),
    ]);
    let seen: Vec<_> = kept
        .chat("corp/fx-desk")
        .iter()
        .map(|event| (event.kind, event.sender_name.as_deref(), event.text.as_str(), event.flags.has(Flags::FROM_BOT)))
        .collect();
    let message = EventKind::Message;
    assert_eq!(
        seen,
        [
            (message, Some("Fixing Bot"), "hook", true),
            (message, None, "by bot", true),
            (message, None, "Deal 7\nsold 5m", true),
            (message, None, "away", true),
            (message, None, "not hook", false)
        ]
    );
    let image = kept.event("message:ann:2026-01-05T08:00:00.003Z").attachments.first().unwrap();
    assert_eq!((image.name.as_str(), image.media_type.as_str(), image.url.as_deref()), ("chart.png", "image/png", Some("https://x/y/chart.png")));
}

#[test]
fn twins_have_numbers_that_stay() {
    let twin = |text: &str| post(&format!(r#""user":"ann","message":"{text}","create_at":{}"#, at(1)));
    let system = post(&format!(r#""user":"ann","type":"system_header_change","message":"h","create_at":{}"#, at(1)));
    let with_reply = post(&format!(
        r#""user":"bob","message":"root","create_at":{},"replies":[{{"user":"ann","message":"in thread","create_at":{}}}]"#,
        at(0),
        at(1)
    ));
    let ids = |lines: &[String]| {
        let (kept, report) = read_lines(lines);
        assert_eq!(report.refused, lines.iter().filter(|line| line.contains("\"props\":7")).count() as u64);
        kept.chat("corp/fx-desk").iter().map(|event| (event.text.clone(), event.id.clone())).collect::<Vec<_>>()
    };
    let first = ids(&[twin("one"), with_reply.clone(), system.clone(), twin("two"), twin("two").replace("fx-desk", "deal")]);
    let [stamp, zero] = ["2026-01-05T08:00:00.001Z", "2026-01-05T08:00:00.000Z"];
    let wanted = [
        ("one", format!("message:ann:{stamp}")),
        ("root", format!("message:bob:{zero}")),
        ("in thread", format!("message:ann:2:{stamp}")),
        ("h", format!("other:system_header_change:ann:{stamp}")),
        ("two", format!("message:ann:3:{stamp}")),
    ];
    assert_eq!(first, wanted.clone().map(|(text, id)| (text.to_owned(), id)));
    // Later: others came in between, one was edited, one can't be read.
    let other = post(&format!(r#""user":"bob","message":"other","create_at":{}"#, at(7)));
    let broken = twin("one").replace(r#""message""#, r#""props":7,"message""#);
    let second = ids(&[other, broken, with_reply, twin("two, edited")]);
    let [_, root, reply, _, last] = wanted.map(|(_, id)| id);
    assert_eq!(second.into_iter().map(|(_, id)| id).skip(1).collect::<Vec<_>>(), [root, reply, last]);
}

const WITH_FILES: &str = r#""user":"ann","message":"files","create_at":1767600000001,"attachments":[{"path":"20260105/teams/noteam/channels/c/users/u/f1/q 3.pdf"},{"path":"20260105/f2/gone.csv"}],
 "replies":[{"user":"bob","message":"","create_at":1767600000002,"attachments":[{"path":"20260105/teams/noteam/channels/c/users/u/f3/größe.png"}]}]"#;

#[test]
fn files_from_zip_folder_folder_in_zip_and_none() {
    let lines = export(&[post(&WITH_FILES.replace('\n', " "))]);
    let files: [(&str, &[u8]); 5] = [
        ("import.jsonl", lines.as_bytes()),
        ("data/20260105/teams/noteam/channels/c/users/u/f1/q 3.pdf", b"%PDF"),
        ("data/20260105/teams/noteam/channels/c/users/u/f3/größe.png", b"png"),
        ("data/20260105/f9/nobody.jsonl", br#"{"type":"version","version":1}"#),
        ("data/emoji/x/image", b"gif"),
    ];
    let room = Room::new();
    let zip = room.zip(&files);
    let inside: Vec<_> = files.iter().map(|(name, bytes)| (format!("Export Jan/{name}"), *bytes)).collect();
    let inside: Vec<_> = inside.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let packed_folder = room.write("folder.zip", zip_of(&inside));
    for (name, bytes) in &files {
        room.write(&format!("unpacked/{name}"), bytes);
    }
    for path in [zip, packed_folder, room.path("unpacked")] {
        assert_eq!(Format::recognise(&path, &Limits::default()).unwrap(), Format::Mattermost);
        let (kept, report) = support::read(Format::Mattermost, &path).unwrap();
        let [pdf, gone] = kept.event("message:ann:2026-01-05T08:00:00.001Z").attachments.as_slice() else { unreachable!() };
        assert_eq!(
            (pdf.name.as_str(), pdf.media_type.as_str(), pdf.size, pdf.digest),
            ("q 3.pdf", "application/pdf", Some(4), Some(Digest::of(b"%PDF")))
        );
        assert_eq!((gone.name.as_str(), gone.media_type.as_str(), gone.digest), ("gone.csv", "text/csv", None));
        let image = kept.event("message:bob:2026-01-05T08:00:00.002Z").attachments.first().unwrap();
        assert_eq!((image.name.as_str(), image.digest), ("größe.png", Some(Digest::of(b"png"))));
        assert_eq!((report.attachments, report.attachments_missing, report.unclaimed, report.refused), (2, 1, 1, 0));
        assert_eq!(report.missing.first().unwrap().event, "message:ann:2026-01-05T08:00:00.001Z");
    }

    // Alone, as it is and packed.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines.as_bytes()).unwrap();
    let alone = [lines.clone().into_bytes(), gzip.finish().unwrap(), zstd::encode_all(lines.as_bytes(), 1).unwrap()];
    for (at, bytes) in alone.iter().enumerate() {
        let path = room.write(&format!("alone-{at}"), bytes);
        assert_eq!(Format::recognise(&path, &Limits::default()).unwrap(), Format::Mattermost);
        let (kept, report) = support::read(Format::Mattermost, &path).unwrap();
        assert_eq!((kept.all().count(), report.attachments_missing), (2, 3));
    }
    // A packed one that is cut short imports nothing.
    let cut = alone.get(1).unwrap();
    let cut = room.write("cut.gz", cut.get(..cut.len() - 9).unwrap());
    assert!(matches!(refused_whole(Format::Mattermost, &cut, &Limits::default()), SourceError::Damaged { .. }));
}

#[test]
fn what_is_wrong_with_one_line_costs_only_that() {
    let good = |n: i64| post(&format!(r#""user":"ann","message":"ok","create_at":{}"#, at(n)));
    let lines = [
        good(1),
        "{\"type\":\"post\",secret".into(),
        r#"{"post":{"message":"secret"}}"#.into(),
        r#"{"type":"post","post":"secret"}"#.into(),
        post(r#""user":"ann","message":"secret""#),
        post(r#""user":"ann","message":"secret","create_at":-1"#),
        post(r#""user":"ann","message":"secret","create_at":99999999999999999"#),
        post(&format!(r#""message":"secret","create_at":{}"#, at(2))),
        post(&format!(r#""user":"ann","message":["secret"],"create_at":{}"#, at(2))),
        post(&format!(r#""user":"ann","message":"secret","create_at":{},"attachments":[{{"size":1}}]"#, at(2))),
        post(&format!(
            r#""user":"ann","message":"x","create_at":{},"reactions":[{{"user":"bob"}},"secret",{{"user":"bob","emoji_name":"ok"}}],"replies":["secret",{{"user":"bob","message":"re","create_at":{}}},{{"user":"bob","message":"secret"}}]"#,
            at(3),
            at(4)
        )),
        r#"{"type":"direct_post","direct_post":{"channel_members":[],"user":"ann","message":"secret","create_at":1767600000001}}"#.into(),
        r#"{"type":"post","post":{"team":"a/b","channel":"c","user":"ann","message":"secret","create_at":1767600000001}}"#.into(),
        String::new(),
        r#"{"type":"user","user":{"username":"ann"}}"#.into(),
        r#"{"type":"channel","channel":{"team":"corp"}}"#.into(),
        r#"{"type":"direct_channel","direct_channel":{"members":["a"]}}"#.into(),
        r#"{"type":"direct_channel","direct_channel":{"members":["a","a"]}}"#.into(),
        good(5),
    ];
    let (kept, report) = read_lines(&lines);
    let ids: Vec<_> = kept.chat("corp/fx-desk").iter().map(|event| event.at.0 - at(0)).collect();
    assert_eq!(ids, [1, 3, 3, 4, 5]);
    let first = i64::try_from(LISTS.lines().count()).unwrap() + 1;
    let mut bad: Vec<_> = report.refusals.iter().map(|refusal| i64::try_from(refusal.line.unwrap()).unwrap() - first).collect();
    bad.sort_unstable();
    assert_eq!(bad, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 11, 12, 14, 15, 17]);
    for refusal in &report.refusals {
        assert!(refusal.file == "export.jsonl" && !refusal.reason.contains("secret"), "{refusal}");
    }
    let shown: Vec<_> =
        report.refusals.iter().filter(|refusal| refusal.line == Some(u64::try_from(first + 10).unwrap())).map(ToString::to_string).collect();
    let line = first + 10;
    assert_eq!(
        shown,
        [
            format!("export.jsonl, line {line}: `reactions[0]`: `emoji_name` is missing. The post was imported"),
            format!("export.jsonl, line {line}: `reactions[1]`: it is a text, not an object. The post was imported"),
            format!("export.jsonl, line {line}: `replies[0]`: it is a text, not an object"),
            format!("export.jsonl, line {line}: `replies[2]`: `create_at` is missing or no time in milliseconds"),
        ]
    );
}

#[test]
fn other_files_and_damaged_ones_import_nothing() {
    let room = Room::new();
    let version = r#"{"type":"version","version":1}"#;
    for bytes in ["", "hello", "{\"type\":\"user\",\"id\":\"U1\"}\n", "[]", "{\"type\":\"version\",\"version\":2}\n", "{\"type\":\"version\"}"] {
        let path = room.write("other.jsonl", bytes);
        assert!(matches!(refused_whole(Format::Mattermost, &path, &Limits::default()), SourceError::WrongKind { .. }), "{bytes}");
        assert!(Format::recognise(&path, &Limits::default()).ok() != Some(Format::Mattermost) || bytes.contains(":2"), "{bytes}");
    }
    // Cut anywhere in the first line it is nothing that is known.
    for length in 0..version.len() - 1 {
        let path = room.write("cut.jsonl", version.get(..length).unwrap());
        assert!(Format::recognise(&path, &Limits::default()).is_err() || length > 27);
        assert!(matches!(refused_whole(Format::Mattermost, &path, &Limits::default()), SourceError::WrongKind { .. }), "{length}");
    }
    let two = room.zip(&[("a.jsonl", version.as_bytes()), ("b.jsonl", version.as_bytes())]);
    assert!(refused_whole(Format::Mattermost, &two, &Limits::default()).to_string().contains("several bulk exports"));
    let none = room.zip(&[("a.jsonl", b"{}"), ("data/x.jsonl", version.as_bytes())]);
    assert!(refused_whole(Format::Mattermost, &none, &Limits::default()).to_string().contains("no bulk export"));

    // A byte of the lines is flipped, behind much that can be read.
    let text = "the fixing is at eleven";
    let lines = export(&(0..2000).map(|n| post(&format!(r#""user":"ann","message":"{text}","create_at":{}"#, at(n)))).collect::<Vec<_>>());
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("import.jsonl", zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).unwrap();
    writer.write_all(lines.as_bytes()).unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    let place = bytes.windows(text.len()).rposition(|part| part == text.as_bytes()).unwrap();
    *bytes.get_mut(place).unwrap() ^= 1;
    let error = refused_whole(Format::Mattermost, &room.write("flipped.zip", bytes), &Limits::default());
    assert!(matches!(error, SourceError::Damaged { .. }), "{error}");

    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.add_symlink("import.jsonl", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    let error = refused_whole(Format::Mattermost, &room.write("link.zip", writer.finish().unwrap().into_inner()), &Limits::default());
    assert!(matches!(&error, SourceError::List { place, .. } if place == "import.jsonl"), "{error}");
}

#[test]
fn pieces_and_lines_are_bounded_and_a_failing_sink_ends_the_import() {
    let lines: Vec<_> = (0..60)
        .map(|n| {
            let replies: Vec<_> = (0..n % 5).map(|r| format!(r#"{{"user":"bob","message":"re","create_at":{}}}"#, at(1000 * n + r + 1))).collect();
            post(&format!(r#""user":"ann","message":"x","create_at":{},"replies":[{}]"#, at(1000 * n), replies.join(",")))
                .replace("fx-desk", if n % 3 == 0 { "deal" } else { "fx-desk" })
        })
        .chain([post(&format!(r#""user":"ann","message":"{}","create_at":{}"#, "x".repeat(20_000), at(1)))])
        .collect();
    let room = Room::new();
    let path = room.write("export.jsonl", export(&lines));
    let limits = Limits { piece_events: 7, waiting_bytes: 3000, json_bytes: 10_000, ..Limits::default() };
    let (kept, report) = read_with(Format::Mattermost, &path, &limits).unwrap();
    assert_eq!((kept.all().count(), kept.largest_piece, report.refused), (180, 7, 1));
    assert!(report.refusals.first().unwrap().reason.contains("longer than 10000 bytes"));
    for fail_at in 0..kept.calls {
        let mut failing = Kept { fail_at: Some(fail_at), ..Kept::default() };
        let error = consign_source::read(Format::Mattermost, &path, &limits, &mut failing, &support::silent).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(failing.calls, fail_at + 1, "nothing comes after a failure");
    }
}

#[test]
fn ids_and_reactions_have_no_control_characters() {
    let lines = [
        post(&format!(r#""user":"ann","message":"x","type":"system_\u0001new","create_at":{}"#, at(1))),
        post(&format!(r#""user":"ann","message":"x","create_at":{},"reactions":[{{"user":"bob","emoji_name":"\u0001\r\n"}}]"#, at(2))),
    ];
    let (kept, report) = read_lines(&lines);
    let ids: Vec<_> = kept.chat("corp/fx-desk").iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["other:system_ new:ann:2026-01-05T08:00:00.001Z", "message:ann:2026-01-05T08:00:00.002Z"]);
    assert!(report.refusals.first().is_some_and(|refusal| refusal.reason.contains("`emoji_name` is no name")), "{:?}", report.refusals);
}

#[test]
fn a_deactivated_user_leaves_the_chats_that_list_them() {
    let gone = at(500);
    let lists = LISTS
        .replace(r#""last_name":"","roles":"system_user","delete_at":0"#, &format!(r#""last_name":"","roles":"system_user","delete_at":{gone}"#));
    assert_ne!(lists, LISTS);
    let room = Room::new();
    let lines = [
        r#"{"type":"direct_channel","direct_channel":{"members":["bob","ann"]}}"#.to_owned(),
        post(&format!(r#""user":"bob","type":"system_leave_channel","message":"left","create_at":{}"#, at(3))).replace("fx-desk", "deal"),
        format!(r#"{{"type":"direct_post","direct_post":{{"channel_members":["bob","carla"],"user":"bob","message":"x","create_at":{}}}}}"#, at(4)),
    ];
    let (kept, report) = support::read(Format::Mattermost, &room.write("export.jsonl", format!("{lists}{}\n", lines.join("\n")))).unwrap();
    assert_eq!(kept.user("bob").attributes.get("deactivated").map(String::as_str), Some("true"));
    let leave = "leave:bob:2026-01-05T08:00:00.500Z";
    let left: Vec<_> = kept.events.iter().filter(|(_, events)| events.iter().any(|event| event.id == leave)).map(|(chat, _)| chat.as_str()).collect();
    assert_eq!(left, ["corp/fx-desk", "corp/gone", "direct:ann,bob", "direct:bob,carla"], "where he still was, and not where he had left");
    let event = kept.event(leave);
    assert_eq!((event.kind, event.user.as_deref(), event.original.as_deref()), (EventKind::Leave, Some("bob"), Some("the account was deactivated")));
    assert_eq!((kept.count(EventKind::Leave), report.refused), (5, 0));
}

#[test]
fn somebody_who_was_renamed_is_who_they_are_now() {
    let of = |n: i64, user: &str, kind: &str, props: &str| {
        post(&format!(r#""user":"{user}","type":"{kind}","message":"a sentence","props":{props},"create_at":{}"#, at(n)))
    };
    let (kept, report) = read_lines(&[
        // Told before it is known by whom: carla was called carol, and has the id c.
        of(1, "ann", "system_add_to_channel", r#"{"userId":"a","username":"ann","addedUserId":"b","addedUsername":"robert"}"#),
        of(2, "ann", "system_add_to_channel", r#"{"userId":"a","username":"ann","addedUserId":"c","addedUsername":"carol"}"#),
        of(3, "ann", "system_remove_from_channel", r#"{"removedUserId":"c","removedUsername":"carol"}"#),
        of(4, "carla", "system_leave_team", r#"{"username":"carol"}"#),
        // Bob was called robert, and whoever is called ann now is not whom this one added.
        of(5, "bob", "system_add_to_channel", r#"{"userId":"b","username":"robert","addedUserId":"d","addedUsername":"dave"}"#),
        of(6, "bob", "system_add_to_channel", r#"{"userId":"b","username":"bob","addedUserId":"b","addedUsername":"ann"}"#),
        // Two were called eve, one after another.
        of(7, "ann", "system_join_channel", r#"{"username":"eve"}"#),
        of(8, "bob", "system_join_channel", r#"{"username":"eve"}"#),
        of(9, "ann", "system_add_remove", r#"{"addedUsername":"eve"}"#),
    ]);
    let seen: Vec<_> = kept.chat("corp/fx-desk").iter().map(|event| event.user.as_deref().unwrap()).collect();
    assert_eq!(seen, ["bob", "carla", "carla", "carla", "dave", "bob", "ann", "bob", "eve"]);
    let (note, count) = report.notes.first_key_value().unwrap();
    assert!(note.contains("under a name that no user has") && *count == 2, "{:?}", report.notes);
}
