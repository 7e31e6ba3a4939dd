//! Teams: every field of a message, whose copies files are, lists and layouts, on exports made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use consign_model::source::Capture;
use consign_model::{ChatKind, Digest, Event, EventKind, Flags, Timestamp};
use consign_source::{Format, Limits, Report, SourceError};
use support::{Kept, Room, read, read_with, refused_whole};

const ANN: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";
const BOB: &str = "8b081ef6-4792-4def-b2c9-c363a1bf41d5";
const CHAT: &str = "19:2da4c29f6d7041eca70b638b43d45437@thread.v2";
const CHANNEL: &str = "19:4a95f7d8db4c4e7fae857bcebe0623e6@thread.tacv2";
const TEAM: &str = "fbe2bf47-16c8-47cf-b4a5-4b9b187c508b";

/// A message of Ann's, as Graph answers it, with these fields in place of those.
fn message(id: &str, fields: &str) -> String {
    let mut message: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&format!(
        r##"{{"id":"{id}","replyToId":null,"etag":"1616990417393","messageType":"message","createdDateTime":"2026-01-05T08:00:01.393Z",
        "lastModifiedDateTime":"2026-01-05T09:00:00.393Z","lastEditedDateTime":null,"deletedDateTime":null,"subject":null,"summary":null,"chatId":"{CHAT}",
        "importance":"normal","locale":"en-us","webUrl":null,"channelIdentity":null,"policyViolation":null,"eventDetail":null,
        "from":{{"application":null,"device":null,"user":{{"@odata.type":"#microsoft.graph.teamworkUserIdentity","id":"{ANN}","displayName":"Ann Lee","userIdentityType":"aadUser","tenantId":"T1"}}}},
        "body":{{"contentType":"text","content":"Hello <World>"}},"attachments":[],"mentions":[],"reactions":[]}}"##
    ))
    .unwrap();
    let other: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&format!("{{{fields}}}")).unwrap();
    message.extend(other);
    serde_json::Value::Object(message).to_string()
}

fn html(content: &str, fields: &str) -> String {
    let body = serde_json::json!({"contentType": "html", "content": content});
    message("1", &format!(r#""body":{body}{}{fields}"#, if fields.is_empty() { "" } else { "," }))
}

fn list(messages: &[String]) -> String {
    format!("[{}]", messages.join(",\n"))
}

/// Reads a list of messages that should go through.
fn read_list(messages: &[String]) -> (Kept, Report) {
    let room = Room::new();
    let (kept, report) = read(Format::Teams, &room.write("messages.json", list(messages))).unwrap();
    assert!(!report.refused_anything(), "{:?}", report.refusals);
    (kept, report)
}

fn said(html_body: &str, fields: &str) -> Event {
    read_list(&[html(html_body, fields)]).0.event("1").clone()
}

fn user(id: &str, name: &str) -> String {
    format!(r#"{{"application":null,"device":null,"user":{{"id":"{id}","displayName":"{name}","userIdentityType":"aadUser","tenantId":"T1"}}}}"#)
}

#[test]
fn a_message_as_it_is() {
    let (kept, report) = read_list(&[message("1616990032035", "")]);
    let event = kept.event("1616990032035");
    assert_eq!((event.kind, event.at, event.user.as_deref()), (EventKind::Message, Timestamp::parse("2026-01-05T08:00:01.393Z").unwrap(), Some(ANN)));
    // Changed by a reaction, so it is no edit.
    assert_eq!((event.text.as_str(), event.original.as_deref(), event.flags), ("Hello <World>", None, Flags::default()));
    assert_eq!((event.sender_name.as_deref(), event.thread.as_deref()), (None, None));
    assert_eq!((kept.user(ANN).name.as_str(), kept.user(ANN).external, kept.user(ANN).bot), ("Ann Lee", false, false));
    assert_eq!(kept.chats.get(CHAT).unwrap().kind, Some(ChatKind::Group));
    assert_eq!((kept.all().count(), kept.captures.len(), kept.copies.len()), (1, 0, 0));
    assert_eq!((report.users, report.users_without_email), (1, 1));
    assert!(report.notes.is_empty(), "{:?}", report.notes);
}

#[test]
fn html_becomes_text_and_stays_beside_it() {
    let event = said("<p>sold <strong>5m</strong> &amp; more</p>\n<p>&nbsp;</p><p>at 3</p>", "");
    assert_eq!(event.text, "sold 5m & more\n\nat 3");
    assert_eq!(event.original.as_deref(), Some("<p>sold <strong>5m</strong> &amp; more</p>\n<p>&nbsp;</p><p>at 3</p>"));
    let mentions = r#""mentions":[{"id":0,"mentionText":"Bob","mentioned":{"application":null,"user":{"id":"U2","displayName":"Bob"}}},
        {"id":1,"mentionText":"Ray","mentioned":{"user":{"id":"U2"}}},{"id":2,"mentionText":"desk","mentioned":{"conversation":{"id":"19:c"}}}]"#;
    let event = said("<div><at id=\"0\">Bob</at>&nbsp;<at id=\"1\">Ray</at>, <at id=\"2\">desk</at></div>", mentions);
    assert_eq!(event.text, "@Bob Ray, @desk");
    // A post of a channel; a text with what no e-mail can carry.
    let event = said("<p>body</p>", r#""subject":"Fixing""#);
    assert_eq!((event.text.as_str(), event.original.as_deref()), ("Fixing\nbody", Some("Fixing\n<p>body</p>")));
    let (kept, _) = read_list(&[message("2", r#""body":{"contentType":"text","content":"a\r\nb\u0000"}"#)]);
    assert_eq!((kept.event("2").text.as_str(), kept.event("2").original.as_deref()), ("a\nb␀", Some("a\nb\0")));
    assert_eq!(said("", r#""summary":"Card posted""#).text, "Card posted");
    let (kept, report) = read_list(&[message("1", r#""hostedContents":[{"id":"h","contentBytes":"no base64!"},{"id":"i","contentBytes":null}]"#)]);
    assert!(report.notes.keys().any(|note| note.contains("contentBytes")), "{:?}", report.notes);
    assert!(kept.event("1").attachments.is_empty());
}

#[test]
fn edits_and_deletions() {
    let (kept, _) = read_list(&[
        message("1", r#""lastEditedDateTime":"2026-01-05T08:05:00.5Z""#),
        message(
            "2",
            r#""deletedDateTime":"2026-01-05T08:06:00Z","lastEditedDateTime":"2026-01-05T08:05:00Z","body":{"contentType":"html","content":""}"#,
        ),
        message("3", r#""deletedDateTime":"2026-01-05T08:07:00Z""#),
    ]);
    let edit = kept.event("edit:1:2026-01-05T08:05:00.500Z");
    assert_eq!(
        (edit.kind, edit.target.as_deref(), edit.text.as_str(), edit.user.as_deref()),
        (EventKind::Edit, Some("1"), "Hello <World>", Some(ANN))
    );
    assert_eq!((edit.at.to_string().as_str(), edit.flags), ("2026-01-05T08:05:00.500Z", Flags::default()));
    assert_eq!(kept.event("1").flags, Flags::EDITED);
    // What is gone says nothing of what it was edited to.
    let gone = kept.event("2");
    assert_eq!((gone.text.as_str(), gone.original.as_deref(), gone.flags), ("", None, Flags::EDITED.with(Flags::DELETED)));
    let delete = kept.event("delete:2:2026-01-05T08:06:00.000Z");
    assert_eq!(
        (delete.kind, delete.target.as_deref(), delete.user.as_deref(), delete.previous.as_deref()),
        (EventKind::Delete, Some("2"), None, None)
    );
    // Some queries still have the text of what was deleted.
    assert_eq!((kept.event("3").text.as_str(), kept.event("3").flags), ("Hello <World>", Flags::default()));
    let delete = kept.event("delete:3:2026-01-05T08:07:00.000Z");
    assert_eq!((delete.text.as_str(), delete.previous.as_deref()), ("", Some("Hello <World>")));
    assert_eq!(kept.all().count(), 6);
}

#[test]
fn channels_and_replies() {
    let channel = format!(r#""chatId":null,"channelIdentity":{{"teamId":"{TEAM}","channelId":"{CHANNEL}"}}"#);
    let (kept, _) = read_list(&[message("1", &channel), message("2", &format!(r#"{channel},"replyToId":"1""#))]);
    let chat = kept.chats.get(CHANNEL).unwrap();
    assert_eq!((chat.kind, chat.title.as_deref(), chat.labels.get("team").map(String::as_str)), (Some(ChatKind::Channel), None, Some(TEAM)));
    assert_eq!((kept.event("1").thread.as_deref(), kept.event("2").thread.as_deref()), (None, Some("1")));
}

#[test]
fn who_wrote() {
    let from = |id: &str, from: &str| message(id, &format!(r#""from":{from}"#));
    let (kept, report) = read_list(&[
        from("1", r#"{"application":{"id":"B1","displayName":"Fixing\r\nBot","applicationIdentityType":"bot"},"user":null}"#),
        from(
            "2",
            r#"{"application":{"id":"B2","displayName":"Forms","applicationIdentityType":"aadApplication"},"user":{"id":"U2","displayName":"Bob"}}"#,
        ),
        from("3", r#"{"user":{"id":"8:teamsvisitor:1","displayName":"Walk-in","userIdentityType":"anonymousGuest"}}"#),
        from("4", r#"{"user":{"id":null,"displayName":"mail@other.example","userIdentityType":"emailUser"}}"#),
        from("5", r#"{"device":{"id":"D1","displayName":"Room 4"},"user":null,"application":null}"#),
        from("6", "null"),
        from("7", r#"{"user":{"id":"U7","displayName":null,"userIdentityType":"federatedUser"}}"#),
        from("8", r#"{"user":{"id":"U7","displayName":"Fed"}}"#),
        from("9", r#"{"user":{"id":"U7","displayName":"Other name"}}"#),
    ]);
    let seen = |id: &str| (kept.event(id).user.as_deref(), kept.event(id).sender_name.as_deref(), kept.event(id).flags.has(Flags::FROM_BOT));
    assert_eq!(seen("1"), (Some("B1"), Some("Fixing Bot"), true));
    assert_eq!(seen("2"), (Some("U2"), Some("Forms"), true));
    assert_eq!(seen("3"), (Some("8:teamsvisitor:1"), None, false));
    assert_eq!(seen("4"), (None, Some("mail@other.example"), false));
    assert_eq!(seen("5"), (Some("D1"), None, false));
    assert_eq!(seen("6"), (None, None, false));
    assert_eq!(
        (kept.user("B1").bot, kept.user("U2").bot, kept.user("8:teamsvisitor:1").external, kept.user("U7").external),
        (true, false, true, true)
    );
    let named: Vec<_> = kept.users.iter().filter(|user| user.id == "U7").map(|user| user.name.as_str()).collect();
    assert_eq!((named, report.users), (vec!["U7", "Fed"], 5));
}

#[test]
fn reactions_and_those_taken_back() {
    let by = user("U2", "Bob");
    let like = |at: &str| format!(r#"{{"reactionType":"like","displayName":"J'aime","createdDateTime":"{at}","user":{by}}}"#);
    let (first, second) = (like("2026-01-05T08:01:00Z"), like("2026-01-05T08:03:00Z"));
    let fields = format!(
        r#""reactions":[{second},{{"reactionType":"custom","displayName":"party-parrot","reactionContentUrl":"x","createdDateTime":"2026-01-05T08:04:00Z","user":{by}}},
            {{"reactionType":"💯","createdDateTime":null,"user":{by}}},{{"reactionType":"sad","user":null}}],
           "messageHistory":[{{"modifiedDateTime":"2026-01-05T08:01:00Z","actions":"reactionAdded","reaction":{first}}},
            {{"modifiedDateTime":"2026-01-05T08:02:00Z","actions":"reactionRemoved","reaction":{first}}},
            {{"modifiedDateTime":"2026-01-05T08:03:00Z","actions":"reactionAdded","reaction":{second}}},
            {{"modifiedDateTime":"2026-01-05T08:03:00Z","actions":"actionUndefined","reaction":null}}]"#
    );
    let (kept, report) = read_list(&[message("1", &fields)]);
    let mut seen: Vec<_> = kept.chat(CHAT).iter().skip(1).map(|event| (event.id.as_str(), event.flags.has(Flags::REMOVED))).collect();
    seen.sort_unstable();
    let wanted = [
        ("reaction:1:U2:like:2026-01-05T08:01:00.000Z", false),
        ("reaction:1:U2:like:2026-01-05T08:03:00.000Z", false),
        ("reaction:1:U2:like:removed:2026-01-05T08:02:00.000Z", true),
        ("reaction:1:U2:party-parrot:2026-01-05T08:04:00.000Z", false),
        ("reaction:1:U2:💯:2026-01-05T08:00:01.393Z", false),
    ];
    assert_eq!(seen, wanted);
    assert!(kept.chat(CHAT).iter().skip(1).all(|event| event.user.as_deref() == Some("U2") && event.target.as_deref() == Some("1")));
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
}

#[test]
fn what_attachments_say_stands_where_it_was_read() {
    let quote = serde_json::json!({"messageId": "9", "messagePreview": "sold\nat 3", "messageSender": {"user": {"id": "U2", "displayName": "Bob"}}})
        .to_string();
    let adaptive = serde_json::json!({"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": "VaR <limit>"}, {"type": "FactSet", "facts": [{"title": "Desk", "value": "FX"}]},
        {"type": "RichTextBlock", "inlines": ["plain", {"type": "TextRun", "text": "run"}]}], "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://x"}], "fallbackText": "no"})
    .to_string();
    let hero = serde_json::json!({"title": "Alert", "subtitle": null, "text": "<b>above</b> &amp; beyond", "buttons": [{"type": "openUrl", "title": "See", "value": "https://x"}]}).to_string();
    let forwarded =
        serde_json::json!({"originalMessageContent": "<p>buy <b>now</b></p>", "originalMessageSender": {"user": {"id": "U3", "displayName": "Eve"}}})
            .to_string();
    let attachments = serde_json::json!([
        {"id": "9", "contentType": "messageReference", "content": quote},
        {"id": "c1", "contentType": "application/vnd.microsoft.card.adaptive", "content": adaptive, "name": null},
        {"id": "c2", "contentType": "application/vnd.microsoft.card.hero", "content": hero},
        {"id": "f", "contentType": "forwardedMessageReference", "content": forwarded},
        {"id": "m", "contentType": "meetingReference", "content": "{\"exchangeId\":\"x\"}", "name": "Weekly"},
        {"id": "x", "contentType": "application/vnd.microsoft.card.announcement", "content": "no JSON"},
        {"id": "y", "contentType": "application/vnd.microsoft.card.receipt", "content": "{\"a\":1}"},
    ]);
    let event =
        said("<attachment id=\"9\"></attachment><p>yes</p><attachment id=\"c1\"></attachment><p>end</p>", &format!(r#""attachments":{attachments}"#));
    let wanted = "> Bob: sold\n> at 3\nyes\nVaR <limit>\nDesk: FX\nplain\nrun\nOpen (https://x)\nend\nAlert\nabove & beyond\nSee (https://x)\n> Eve: buy now\nWeekly\nno JSON";
    assert_eq!(event.text, wanted);
    let original = event.original.unwrap();
    assert!(
        original.starts_with("<attachment id=\"9\">") && original.contains("originalMessageContent") && original.ends_with("{\"a\":1}"),
        "{original}"
    );
    assert!(event.attachments.is_empty());
}

#[test]
fn policy_violations_are_events_beside_the_message() {
    let fields = r#""policyViolation":{"dlpAction":"blockAccess","justificationText":"client asked","userAction":"override","policyTip":{"generalText":"No cards","matchedConditionDescriptions":["Card"]}}"#;
    let (kept, _) = read_list(&[message("1", fields), message("2", r#""policyViolation":{"dlpAction":"none","policyTip":null}"#)]);
    assert_eq!(kept.all().count(), 3);
    let event = kept.event("other:policy-violation:1:2026-01-05T08:00:01.393Z");
    assert_eq!((event.kind, event.target.as_deref()), (EventKind::Other, Some("1")));
    assert_eq!(event.text, "Policy violation\nAction: blockAccess\nSender's action: override\nJustification: client asked\nNo cards\nMatched: Card");
}

#[test]
fn system_messages() {
    let notice = |id: &str, kind: &str, fields: &str| {
        let by = user(ANN, "Ann");
        message(
            id,
            &format!(
                r##""messageType":"systemEventMessage","from":null,"body":{{"contentType":"html","content":"<systemEventMessage/>"}},
            "eventDetail":{{"@odata.type":"#microsoft.graph.{kind}EventMessageDetail","initiator":{by}{fields}}}"##
            ),
        )
    };
    let members = r#","visibleHistoryStartDateTime":"0001-01-01T00:00:00Z","members":[{"id":"U2","displayName":"Bob","userIdentityType":"aadUser"},{"id":"87d349ed-44d7-43e1-9a83-5f2406dee5bd"}]"#;
    let (kept, _) = read_list(&[
        notice("1", "membersAdded", members),
        notice("2", "membersDeleted", members),
        notice("3", "membersJoined", r#","members":[{"id":"U3"}]"#),
        notice("4", "membersLeft", r#","members":[{"id":null,"displayName":"Nobody"}]"#),
        notice("5", "chatRenamed", r#","chatId":null,"chatDisplayName":"Deal \"X\"""#),
        notice("6", "callRecording", r#","callRecordingStatus":"success","callRecordingUrl":"https://x/rec?token=secret","members":null"#),
        notice("7", "callEnded", r#","callDuration":"PT1M","callParticipants":[{"participant":{"user":{"id":"U2","displayName":"Bob"}}}]"#),
        message("8", r#""messageType":"unknownFutureValue","from":null,"body":{"contentType":"html","content":""}"#),
        message("9", r#""messageType":"typing","body":null"#),
    ]);
    let seen: Vec<_> = kept.chat(CHAT).iter().map(|event| (event.kind, event.id.as_str(), event.user.as_deref(), event.text.as_str())).collect();
    let at = "2026-01-05T08:00:01.393Z";
    let moved = |word: &str, user: &str, of: &str| format!("{word}:{user}:{of}:{at}");
    let wanted = [
        (EventKind::Join, &*moved("join", "U2", "1"), Some("U2"), ""),
        (EventKind::Join, &moved("join", ANN, "1"), Some(ANN), ""),
        (EventKind::Leave, &moved("leave", "U2", "2"), Some("U2"), ""),
        (EventKind::Leave, &moved("leave", ANN, "2"), Some(ANN), ""),
        (EventKind::Join, &moved("join", "U3", "3"), Some("U3"), ""),
        (EventKind::Other, "4", None, "Members left\nMembers: Nobody"),
        (EventKind::Other, "5", None, "Chat renamed\nChat display name: Deal \"X\""),
        (EventKind::Other, "6", None, "Call recording\nCall recording status: success\nCall recording url: https://x/rec"),
        (EventKind::Other, "7", None, "Call ended\nCall duration: PT1M\nCall participants: Bob"),
        (EventKind::Other, "8", None, "System message (unknownFutureValue)"),
        (EventKind::Other, "9", Some(ANN), "System message (typing)"),
    ];
    assert_eq!(seen, wanted);
    assert_eq!(kept.event(&moved("join", "U2", "1")).original.as_deref(), Some(&*format!("added by {ANN}")));
    assert_eq!(kept.event(&moved("leave", ANN, "2")).original, None);
    let original = format!("Call ended\nCall duration: PT1M\nCall participants: U2\nInitiator: {ANN}");
    assert_eq!(kept.event("7").original.as_deref(), Some(original.as_str()));
    // Who may not be in the chat is named, and is nobody's act in it.
    assert_eq!(kept.event("5").sender_name.as_deref(), Some("Ann"));
    assert_eq!(kept.event("5").original.as_deref(), Some(&*format!("Chat renamed\nChat display name: Deal \"X\"\nInitiator: {ANN}")));
    assert!(!format!("{:?}", kept.events).contains("secret"));
    assert_eq!(kept.user("U2").name, "Bob");
}

#[test]
fn files_in_the_export_and_not() {
    let hosted = "aWQ9eF8wLXd1cy1kNC1hNDM2";
    let guid = "b1a3e5a6-1111-4222-8333-94c1a1d2e3f4";
    let attachments = format!(
        r#""attachments":[{{"id":"{guid}","contentType":"reference","contentUrl":"https://x.sharepoint.example/q3.pdf?web=1","name":"q3.pdf"}},
        {{"id":"gone","contentType":"reference","contentUrl":"https://x.sharepoint.example/a/gone.xlsx?tempauth=secret","name":null}},
        {{"id":"s1","contentType":"application/vnd.microsoft.card.codesnippet","content":"{{\"name\":\"fix.sql\",\"language\":\"Sql\",\"codeSnippetUrl\":\"https://graph/x/hostedContents/c0de/$value\"}}"}},
        {{"id":"l1","contentType":"application/vnd.microsoft.card.fluidEmbedCard","content":"{{\"componentUrl\":\"https://x/loop\"}}"}}]"#
    );
    let html_body = format!(
        "<p>see <img alt=\"chart\" src=\"https://graph.microsoft.com/v1.0/chats/19:c/messages/1/hostedContents/{hosted}/$value\"> <img src=\"https://giphy.example/a.gif?id=secret\"></p><attachment id=\"{guid}\"></attachment>"
    );
    let of_one = list(&[html(&html_body, &attachments)]);
    let room = Room::new();
    let (picture, pdf, stray) = (format!("hostedContents/{hosted}.png"), format!("attachments/{guid}-q3.pdf"), "attachments/stray/notes.json");
    let files: [(&str, &[u8]); 4] = [("messages.json", of_one.as_bytes()), (&picture, b"\x89PNG"), (&pdf, b"%PDF"), (stray, b"{}")];
    let zip = room.zip(&files);
    for (name, bytes) in &files {
        room.write(&format!("folder/{name}"), bytes);
    }
    for path in [zip, room.path("folder")] {
        let (kept, report) = read(Format::Teams, &path).unwrap();
        let event = kept.event("1");
        assert_eq!(event.text, "see [chart] [image]");
        let seen: Vec<_> =
            event.attachments.iter().map(|file| (file.name.as_str(), file.media_type.as_str(), file.digest.is_some(), file.url.as_deref())).collect();
        let wanted = [
            ("q3.pdf", "application/pdf", true, None),
            (
                "gone.xlsx",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                false,
                Some("https://x.sharepoint.example/a/gone.xlsx"),
            ),
            ("fix.sql", "text/plain", false, Some("hostedContents/c0de/$value")),
            ("Loop component", "application/octet-stream", false, Some("https://x/loop")),
            ("chart", "image/png", true, None),
            ("a.gif", "image/gif", false, Some("https://giphy.example/a.gif")),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(event.attachments.first().unwrap().digest, Some(Digest::of(b"%PDF")));
        assert_eq!((report.attachments, report.attachments_missing, report.unclaimed, report.refused), (2, 4, 1, 0));
        assert!(!format!("{:?}", report.missing).contains("secret"));
    }
}

#[test]
fn copies_of_captured_users_are_one_event() {
    let room = Room::new();
    let hosted = |way: &str| format!("<p><img alt=\"x\" src=\"https://graph.microsoft.com/{way}/messages/1/hostedContents/aWQ9/$value\"></p>");
    let like = format!(r#""reactions":[{{"reactionType":"like","createdDateTime":"2026-01-05T08:01:00Z","user":{}}}]"#, user("U2", "Bob"));
    let of_ann = html(&hosted(&format!("v1.0/users/{ANN}/chats/c")), "");
    let of_bob = html(&hosted("beta/chats/c"), &like);
    let page = |fields: &str, messages: &str| format!("{{{fields}\"value\":[{messages}]}}");
    let context = format!(r#""@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users('{ANN}')/chats/getAllMessages","#);
    let next = format!(r#""@odata.nextLink":"https://graph.microsoft.com/v1.0/users/{ANN}/chats/getAllMessages?$skip=1","#);
    let other = message("2", "");
    room.write("dump/users.json", format!(r#"[{{"id":"{BOB}","mail":"Bob@desk.example","displayName":"Bob"}}]"#));
    room.write("dump/a/page-1.json", page(&context, &of_ann));
    room.write("dump/a/page-2.json", page(&next, &other));
    room.write("dump/user-bob@desk.example_1.jsonl", format!("{of_bob}\n{other}\n"));
    room.write("dump/carl@desk.example/1.json", list(std::slice::from_ref(&other)));
    // A team's own messages, in a file with the team's name.
    let channel = format!(r#""chatId":null,"channelIdentity":{{"teamId":"{TEAM}","channelId":"{CHANNEL}"}}"#);
    room.write(&format!("dump/{TEAM}.json"), list(&[message("7", &channel)]));
    room.write(
        &format!("dump/{TEAM}/x.json"),
        page(&format!(r#""@odata.context":"https://graph/$metadata#teams('{TEAM}')/channels/getAllMessages","#), &message("8", &channel)),
    );
    // A user who read and wrote nothing.
    room.write("dump/empty.json", page(r#""@odata.context":"https://graph/$metadata#users('U5')/chats/getAllMessages","#, ""));
    let (kept, report) = read(Format::Teams, &room.path("dump")).unwrap();
    assert!(!report.refused_anything(), "{:?}", report.refusals);
    let copies: Vec<_> = kept.copies.iter().map(|((chat, user), ids)| (chat.as_str(), user.as_str(), ids.join(" "))).collect();
    let liked = "1 reaction:1:U2:like:2026-01-05T08:01:00.000Z 2";
    assert_eq!(copies, [(CHAT, ANN, "1 2".to_owned()), (CHAT, BOB, liked.into()), (CHAT, "carl@desk.example", "2".into())]);
    let captured: Vec<_> = kept.captures.iter().map(|capture| (capture.user.as_str(), capture.from)).collect();
    assert_eq!(captured, [(ANN, None), (BOB, None), ("U5", None), ("carl@desk.example", None)]);
    let firsts: Vec<_> = kept.chat(CHAT).iter().filter(|event| event.id == "1").collect();
    assert_eq!((firsts.len(), firsts.first()), (2, firsts.last()));
    assert_eq!((kept.user("carl@desk.example").email.as_deref(), kept.chat(CHANNEL).len()), (Some("carl@desk.example"), 2));
    assert!(report.notes.keys().any(|note| note.contains("no users.json has")), "{:?}", report.notes);
    assert_eq!(report.captured_users, 4);
}

#[test]
fn pages_in_lines_and_the_times_that_were_asked_for() {
    let link = |user: &str, times: &str| {
        format!(r#"{{"@odata.nextLink":"https://graph.microsoft.com/v1.0/users('{user}')/chats/getAllMessages?{times}","value":["#)
    };
    let times = "$filter=lastModifiedDateTime%20gt%202026-01-01T00:00:00Z%20and%20lastModifiedDateTime%20lt%202026-02-01T00:00:00Z";
    let lines = [
        format!("{}{},{}]}}", link(ANN, times), message("1", ""), message("2", "")),
        format!("{}7,{}]}}", link("U2", ""), message("1", "")),
        "{\"id\":\"secret\",".into(),
        message("3", ""),
    ];
    let room = Room::new();
    let (kept, report) = read(Format::Teams, &room.write("all.jsonl", lines.join("\n"))).unwrap();
    let copies: Vec<_> = kept.copies.iter().map(|((_, user), ids)| (user.as_str(), ids.join(" "))).collect();
    assert_eq!(copies, [(ANN, "1 2".to_owned()), ("U2", "1".into())]);
    let from = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let until = Timestamp::parse("2026-02-01T00:00:00Z").unwrap();
    assert_eq!(kept.captures.first(), Some(&Capture { user: ANN.into(), from: Some(from), until: Some(until) }));
    assert_eq!(kept.event("3").user.as_deref(), Some(ANN));
    let refused: Vec<_> = report.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(refused.first().map(String::as_str), Some("all.jsonl, line 2, entry 0: it is a number, not an object"));
    assert!(refused.len() == 2 && refused.last().is_some_and(|last| last.contains("line 3") && !last.contains("secret")), "{refused:?}");
}

#[test]
fn lists_beside_the_messages() {
    let direct = format!("19:{ANN}_{BOB}@unq.gbl.spaces");
    let users = format!(
        r#"{{"@odata.context":"https://graph/$metadata#users","value":[
        {{"id":"{ANN}","displayName":"Ann Lee","mail":"ann@desk.example","userPrincipalName":"ann@desk.example","userType":"Member","department":"FX","jobTitle":"Trader"}},
        {{"id":"{BOB}","displayName":"Bob","mail":null,"userPrincipalName":"bob@desk.example"}},
        {{"id":"G1","displayName":"Guest","mail":"g@other.example","userPrincipalName":"g_other.example#EXT#@desk.example","userType":"Guest"}},
        {{"displayName":"no id"}}]}}"#
    );
    let chats = format!(
        r#"[{{"id":"{CHAT}","topic":"Deal","chatType":"group","members":[
            {{"userId":"{ANN}","email":"ann@desk.example","displayName":"Ann","visibleHistoryStartDateTime":"0001-01-01T00:00:00Z","roles":["owner"]}},
            {{"userId":"U9","email":"nine@desk.example","displayName":"Nine","visibleHistoryStartDateTime":"2026-01-04T00:00:00Z"}},
            {{"userId":"F1","email":null,"displayName":"Fed","visibleHistoryStartDateTime":null}},
            {{"userId":null,"displayName":"Anonymous"}}]}},
        {{"id":"19:meeting_x@thread.v2","topic":null,"chatType":"meeting","members":[]}}]"#
    );
    let channels = format!(r#"{{"value":[{{"id":"{CHANNEL}","displayName":"General","membershipType":"private"}}]}}"#);
    let foreign = message("3", r#""from":{"user":{"id":"F1","displayName":"Fed","userIdentityType":"aadUser","tenantId":"T9"}}"#);
    let cousin = message("4", r#""from":{"user":{"id":"F2","displayName":"Cousin","userIdentityType":"aadUser","tenantId":"T9"}}"#);
    let messages = list(&[
        message("1", ""),
        message("2", &format!(r#""chatId":null,"channelIdentity":{{"teamId":"{TEAM}","channelId":"{CHANNEL}"}}"#)),
        foreign,
        cousin,
        message("5", &format!(r#""chatId":"{direct}""#)),
    ]);
    let room = Room::new();
    let teams = format!(r#"[{{"id":"{TEAM}","displayName":"Rates"}}]"#);
    let (kept, report) = read(
        Format::Teams,
        &room.zip(&[
            ("users.json", users.as_bytes()),
            ("chats.json", chats.as_bytes()),
            ("teams.json", teams.as_bytes()),
            ("channels.json", channels.as_bytes()),
            ("messages.json", messages.as_bytes()),
            ("about.json", b"{\"tool\":1}"),
            ("readme.txt", b"hi"),
        ]),
    )
    .unwrap();
    let ann = kept.user(ANN);
    assert_eq!((ann.name.as_str(), ann.email.as_deref(), ann.external), ("Ann Lee", Some("ann@desk.example"), false));
    assert_eq!((ann.attributes.get("department").map(String::as_str), ann.attributes.get("title").map(String::as_str)), (Some("FX"), Some("Trader")));
    let known = |id: &str| (kept.user(id).email.as_deref(), kept.user(id).external);
    assert_eq!(known(BOB), (Some("bob@desk.example"), false));
    assert_eq!(
        (known("G1"), known("U9"), known("F1"), known("F2")),
        ((Some("g@other.example"), true), (Some("nine@desk.example"), false), (None, true), (None, true))
    );
    let chat = kept.chats.get(CHAT).unwrap();
    assert_eq!(
        (chat.kind, chat.title.as_deref(), chat.members.as_slice()),
        (Some(ChatKind::Group), Some("Deal"), [ANN.to_owned(), "F1".into()].as_slice())
    );
    // Who sees it only since then came then.
    let join = kept.event("join:U9:2026-01-04T00:00:00.000Z");
    assert_eq!((join.kind, join.user.as_deref()), (EventKind::Join, Some("U9")));
    assert_eq!(kept.chats.get("19:meeting_x@thread.v2").unwrap().kind, Some(ChatKind::Meeting));
    let channel = kept.chats.get(CHANNEL).unwrap();
    let labels: Vec<_> = channel.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        (channel.kind, channel.title.as_deref(), labels),
        (Some(ChatKind::Channel), Some("General"), vec![("membership", "private"), ("team", "Rates")])
    );
    let two = kept.chats.get(&direct).unwrap();
    assert_eq!((two.kind, two.members.as_slice()), (Some(ChatKind::Direct), [ANN.to_owned(), BOB.to_owned()].as_slice()));
    assert_eq!(report.refusals.iter().map(ToString::to_string).collect::<Vec<_>>(), ["users.json, line 5, entry 3: `id` is missing"]);
    assert!(report.notes.keys().any(|note| note.ends_with("about.json")) && report.unclaimed == 1, "{:?}", report.notes);
}

#[test]
fn one_bad_message_costs_only_itself() {
    let bad = [
        "7".to_owned(),
        r#"{"secret":"x"}"#.into(),
        message("3", r#""createdDateTime":"secret""#),
        message("4", r#""createdDateTime":null"#),
        message("5", r#""chatId":null"#),
        message("6", r#""body":"secret""#),
        message("7", r#""from":["secret"]"#),
        message("8", r#""attachments":"secret""#),
        message("9", r#""reactions":[{"reactionType":{"secret":1}}]"#),
        message("10", r#""id":null"#),
        message("11", r#""chatId":"secret\n""#),
        r#"{"id":"12","@removed":{"reason":"deleted"}}"#.into(),
    ];
    let mut all = vec![message("1", "")];
    all.extend(bad.iter().cloned());
    all.push(message("2", r#""mentions":null,"attachments":null,"reactions":null,"subject":"","importance":7"#));
    let room = Room::new();
    let (kept, report) = read(Format::Teams, &room.write("m.json", list(&all))).unwrap();
    assert_eq!(kept.chat(CHAT).iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    let places: Vec<_> = report.refusals.iter().map(|refusal| (refusal.line.unwrap(), refusal.index.unwrap())).collect();
    assert_eq!(places, (1..=12).map(|index| (index + 1, index)).collect::<Vec<_>>());
    for refusal in &report.refusals {
        assert!(!refusal.reason.contains("secret") && refusal.file == "m.json", "{refusal}");
    }
}

#[test]
fn what_is_broken_as_a_whole() {
    let room = Room::new();
    let whole = list(&[message("1", ""), message("2", "")]);
    let cut = whole.get(..whole.len() - 20).unwrap();
    let error = refused_whole(Format::Teams, &room.write("cut.json", cut), &Limits::default());
    assert!(matches!(error, SourceError::Damaged { .. }) && error.to_string().contains("cut.json, line"), "{error}");
    let page = format!("{{\"value\":[{},\n{}", message("1", ""), "{\"id\":");
    refused_whole(Format::Teams, &room.write("page.json", page), &Limits::default());
    for other in ["[]", "{}", "[1,2]", "{\"value\":[]}", "[{\"id\":\"1\",\"content\":\"x\"}]"] {
        let error = refused_whole(Format::Teams, &room.write("other.json", other), &Limits::default());
        assert!(matches!(error, SourceError::WrongKind { .. }), "{error}");
    }
    refused_whole(Format::Teams, &room.write("noise.json", "no JSON at all"), &Limits::default());
    let error =
        refused_whole(Format::Teams, &room.zip(&[("users.json", b"[{\"id\":\"U1\"},\n{]"), ("m.json", whole.as_bytes())]), &Limits::default());
    assert!(error.to_string().contains("users.json, line 2"), "{error}");
    // Of many files one that is broken costs only itself.
    let (kept, report) = read(Format::Teams, &room.zip(&[("a.json", cut.as_bytes()), ("b.json", whole.as_bytes()), ("../c.json", b"[]")])).unwrap();
    assert_eq!((kept.chat(CHAT).len(), report.refused), (2, 2));
}

#[test]
fn packed_or_not_and_twice_the_same() {
    let room = Room::new();
    let whole = list(&[message("1", ""), message("2", r#""lastEditedDateTime":"2026-01-05T08:05:00Z""#)]);
    let pretty =
        serde_json::to_string_pretty(&serde_json::json!({"@odata.count": 2, "value": serde_json::from_str::<serde_json::Value>(&whole).unwrap()}))
            .unwrap();
    let alone = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&message("1", "")).unwrap()).unwrap();
    let (expected, _) = read(Format::Teams, &room.write("m.json", &whole)).unwrap();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, whole.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let forms = [
        room.write("m.json", format!("\u{feff}{whole}")),
        room.write("m.json.gz", gzip),
        room.write("m.json.zst", zstd::encode_all(whole.as_bytes(), 1).unwrap()),
        room.write("pretty.json", pretty),
        room.write("m.jsonl", whole.trim_matches(['[', ']']).replace("},\n{", "}\n{")),
        room.write("m.jsonl", format!("\u{feff}{}", whole.trim_matches(['[', ']']).replace("},\n{", "}\r\n\r\n{"))),
        room.zip(&[("export/deep/m.json", whole.as_bytes())]),
    ];
    for path in forms {
        let (kept, report) = read(Format::Teams, &path).unwrap();
        assert_eq!((&kept.events, report.refused, report.unclaimed), (&expected.events, 0, 0), "{}", path.display());
        assert_eq!(Format::recognise(&path, &Limits::default()).unwrap(), Format::Teams, "{}", path.display());
    }
    let (kept, _) = read(Format::Teams, &room.write("alone.json", &alone)).unwrap();
    assert_eq!(kept.events.get(CHAT).map(Vec::len), Some(1));
    assert_eq!(Format::recognise(&room.path("alone.json"), &Limits::default()).unwrap(), Format::Teams);
}

#[test]
fn what_it_is_not() {
    let room = Room::new();
    let is_not = |path: &std::path::Path| !Format::recognise(path, &Limits::default()).is_ok_and(|format| format == Format::Teams);
    assert!(is_not(&room.write("slack.zip", support::day("[{\"ts\":\"1.0\",\"user\":\"U1\",\"text\":\"x\"}]"))));
    assert!(is_not(
        &room.write("chat.jsonl", "{\"type\":\"message\",\"chat\":\"C1\",\"id\":\"m1\",\"at\":\"2026-01-05T08:00:00Z\",\"text\":\"x\"}\n")
    ));
    assert!(is_not(&room.write("other.json", "{\"messages\":[{\"id\":\"1\",\"type\":\"Default\",\"conte")));
    assert!(is_not(&room.write("graph.json", "{\"value\":[{\"id\":\"1\",\"displayName\":\"Ann\"}]}")));
    // Cut off anywhere behind the first fields it is still one; and a Slack export may have lists of the same names.
    let whole = list(&[message("1", "")]);
    assert!(!is_not(&room.write("cut.json", whole.get(..400).unwrap())));
    assert!(!is_not(&room.zip(&[("users.json", b"[{\"id\":\"U1\"}]"), ("channels.json", b"[]"), ("m.json", whole.as_bytes())])));
}

#[test]
fn pieces_are_bounded_and_a_failing_sink_ends_the_import() {
    let messages: Vec<_> = (0..50).map(|id| message(&id.to_string(), &format!(r#""subject":"{}""#, "x".repeat(id)))).collect();
    let room = Room::new();
    let path = room.write("m.json", list(&messages));
    for limits in [Limits { piece_events: 7, ..Limits::default() }, Limits { waiting_bytes: 3000, ..Limits::default() }] {
        let (kept, report) = read_with(Format::Teams, &path, &limits).unwrap();
        assert_eq!((kept.chat(CHAT).len(), report.refused), (50, 0));
        assert!(kept.calls > 5);
        for fail_at in 0..kept.calls {
            let mut kept = Kept { fail_at: Some(fail_at), ..Kept::default() };
            let error = consign_source::read(Format::Teams, &path, &limits, &mut kept, &support::silent).unwrap_err();
            assert!(error.to_string().contains("the disk is full"), "{error}");
            assert_eq!(kept.calls, fail_at + 1, "nothing comes after a failure");
        }
    }
    let limits = Limits { line_bytes: 900, ..Limits::default() };
    let (kept, report) = read_with(
        Format::Teams,
        &room.write("two.json", list(&[message("1", ""), message("2", &format!(r#""subject":"{}""#, "x".repeat(900)))])),
        &limits,
    )
    .unwrap();
    assert_eq!((kept.all().count(), report.refused), (1, 1), "{:?}", report.refusals);
}

#[test]
fn times_that_end_before_they_begin_were_never_asked_for() {
    let times = "$filter=lastModifiedDateTime gt 2026-02-01T00:00:00Z and lastModifiedDateTime lt 2026-01-01T00:00:00Z";
    let link = format!("https://graph.microsoft.com/v1.0/users('{ANN}')/chats/getAllMessages?{times}");
    let room = Room::new();
    let path = room.write("page.json", format!(r#"{{"@odata.nextLink":"{link}","value":[{}]}}"#, message("1", "")));
    let (kept, _) = read(Format::Teams, &path).unwrap();
    assert_eq!(kept.captures, [Capture { user: ANN.into(), from: None, until: None }]);
}

#[test]
fn a_list_without_members_says_nothing_of_them() {
    let direct = format!("19:{ANN}_{BOB}@unq.gbl.spaces");
    let left_out = r#"{"userId":null,"displayName":"Anonymous"}"#;
    for members in ["", r#","members":[]"#, r#","members":null"#, &format!(r#","members":[{left_out}]"#)] {
        let chats = format!(r#"[{{"id":"{direct}","topic":null,"chatType":"oneOnOne"{members}}}]"#);
        let messages = list(&[message("1", &format!(r#""chatId":"{direct}""#))]);
        let (kept, _) = read(Format::Teams, &Room::new().zip(&[("chats.json", chats.as_bytes()), ("messages.json", messages.as_bytes())])).unwrap();
        let chat = kept.chats.get(&direct).unwrap();
        assert_eq!((chat.kind, chat.members.as_slice()), (Some(ChatKind::Direct), [ANN.to_owned(), BOB.to_owned()].as_slice()), "{members}");
    }
}

#[test]
fn a_user_is_the_same_in_capitals() {
    let (ann, bob) = (ANN.to_uppercase(), BOB.to_uppercase());
    let direct = format!("19:{ann}_{BOB}@unq.gbl.spaces");
    let from = format!(r#""from":{{"user":{{"id":"{ann}","displayName":"Ann Lee","tenantId":"87D349ED-0000-43e1-9a83-5f2406dee5bd"}}}}"#);
    let liked = format!(
        r#"{from},"chatId":"{direct}","reactions":[{{"reactionType":"like","createdDateTime":"2026-01-05T08:01:00Z","user":{}}}]"#,
        user(&bob, "Bob")
    );
    let room = Room::new();
    room.write(
        "dump/users.json",
        format!(r#"[{{"id":"{ann}","displayName":"Ann Lee","mail":"ann@desk.example"}},{{"id":"{BOB}","displayName":"Bob"}}]"#),
    );
    room.write("dump/chats.json", format!(r#"[{{"id":"{CHAT}","chatType":"group","members":[{{"userId":"{ann}"}},{{"userId":"{bob}"}}]}}]"#));
    room.write(&format!("dump/{ann}/1.json"), list(&[message("1", &liked), message("2", "")]));
    let link = format!(r#"{{"@odata.context":"https://graph/$metadata#users('{bob}')/chats/getAllMessages","value":["#);
    room.write("dump/b.json", format!("{link}{}]}}", message("2", "")));
    let team = TEAM.to_uppercase();
    let channel = format!(r#""chatId":null,"channelIdentity":{{"teamId":"{team}","channelId":"{CHANNEL}"}}"#);
    room.write(&format!("dump/{TEAM}.json"), list(&[message("7", &channel)]));
    let (kept, report) = read(Format::Teams, &room.path("dump")).unwrap();
    assert_eq!((report.users, report.captured_users), (2, 2), "{:?}", kept.users);
    assert_eq!(kept.copies.keys().map(|(_, user)| user.as_str()).collect::<std::collections::BTreeSet<_>>(), [ANN, BOB].into());
    assert_eq!(kept.chats.get(CHAT).unwrap().members, [ANN, BOB]);
    assert_eq!(kept.chats.get(&direct).unwrap().members, [ANN, BOB]);
    assert!(kept.all().all(|event| event.user.as_deref().is_some_and(|user| user == ANN || user == BOB)));
    assert_eq!(kept.event("reaction:1:8b081ef6-4792-4def-b2c9-c363a1bf41d5:like:2026-01-05T08:01:00.000Z").user.as_deref(), Some(BOB));
}

#[test]
fn whoever_signs_in_by_an_address_comes_before_whose_mail_it_is() {
    let room = Room::new();
    let users = format!(
        r#"[{{"id":"{ANN}","mail":"desk@desk.example","userPrincipalName":"ann@desk.example"}},
            {{"id":"{BOB}","mail":"ann@desk.example","userPrincipalName":"DESK@desk.example"}}]"#
    );
    room.write("dump/users.json", users);
    room.write("dump/desk@desk.example.json", list(&[message("1", "")]));
    let (kept, _) = read(Format::Teams, &room.path("dump")).unwrap();
    assert_eq!(kept.captures.iter().map(|capture| capture.user.as_str()).collect::<Vec<_>>(), [BOB]);
}

#[test]
fn a_guid_in_a_path_is_a_user_only_where_that_is_known() {
    let other = "0a1b2c3d-44d7-43e1-9a83-5f2406dee5bd";
    let captured = |path: &str| {
        let room = Room::new();
        room.write(&format!("dump/{path}"), list(&[message("1", ""), message("2", &format!(r#""chatId":"19:{ANN}_{BOB}@unq.gbl.spaces""#))]));
        room.write("dump/z.json", list(&[message("3", "")]));
        let (kept, report) = read(Format::Teams, &room.path("dump")).unwrap();
        assert_eq!((kept.all().count(), report.refused), (3, 0), "nothing is lost by it");
        (kept.captures.into_iter().map(|capture| capture.user).collect::<Vec<_>>(), report.notes.values().sum::<u64>())
    };
    // A sender, and whom a chat's id names.
    assert_eq!(captured(&format!("{ANN}/1.json")), (vec![ANN.to_owned()], 0));
    assert_eq!(captured(&format!("{}.json", BOB.to_uppercase())), (vec![BOB.to_owned()], 0));
    // The layout says so.
    assert_eq!(captured(&format!("users/{other}/1.json")), (vec![other.to_owned()], 0));
    assert_eq!(captured(&format!("user-{other}_2.json")), (vec![other.to_owned()], 0));
    // The id of a run, of a chat, or of whatever else.
    for path in [format!("{other}/1.json"), format!("run-{other}/1.json"), format!("{ANN}-p2.json"), format!("chat {BOB}.json")] {
        assert_eq!(captured(&path), (vec![], 1), "{path}");
    }
    assert_eq!(captured(&format!("{ANN}/{other}.json")), (vec![ANN.to_owned()], 0));
}

/// What some tools keep in the message: shown by the body by one of two ids, or by nothing.
#[test]
fn files_that_stand_in_the_message_itself() {
    let shown = |id: &str| format!("<img alt=\"chart.png\" src=\"https://graph.microsoft.com/v1.0/chats/c/messages/1/hostedContents/{id}/$value\">");
    let hosted = r#""hostedContents":[{"@microsoft.graph.temporaryId":"1","contentBytes":"b25l","contentType":"image/png"},
        {"id":"aWQ9","contentBytes":"dHdv","contentType":"image/jpeg"},{"id":"x","contentBytes":"dGhyZWU=","contentType":"image/gif"},{"id":"y","contentBytes":"Zm91cg=="}]"#;
    let body = format!("<p>{}{}{}{}</p>", shown("1"), shown("aWQ9"), shown("aWQ9"), shown("none"));
    let (kept, report) = read_list(&[html(&body, hosted)]);
    let files = &kept.event("1").attachments;
    let seen: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.media_type.as_str(), file.digest, file.url.is_some())).collect();
    let digest = |bytes: &[u8]| Some(Digest::of(bytes));
    let wanted = [
        ("chart.png", "image/png", digest(b"one"), false),
        ("chart.png", "image/png", digest(b"two"), false),
        ("chart.png", "image/png", digest(b"two"), false),
        ("chart.png", "image/png", None, true),
        ("image", "image/gif", digest(b"three"), false),
        ("image", "application/octet-stream", digest(b"four"), false),
    ];
    assert_eq!(seen, wanted);
    assert_eq!(kept.files.len(), 4);
    assert_eq!((report.attachments, report.attachments_missing), (5, 1));
}
