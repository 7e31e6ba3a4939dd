//! `chatMessage` objects as Microsoft Graph answers them: lists, pages with links, lines of either, with lists of users and chats and files' bytes beside.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::pack::{Doc, File};

const ANN: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";
const BOB: &str = "8b081ef6-4792-4def-b2c9-c363a1bf41d5";
const MARKS: [&str; 16] = [
    "<p>",
    "</p>",
    "<at id=\"0\">Ann</at>",
    "<attachment id=\"a1\"></attachment>",
    "<br>",
    "<ul><li>x</li></ul>",
    "<a href=\"https://x.example\">x</a>",
    "<img src=\"https://graph.microsoft.com/v1.0/chats/c/messages/1/hostedContents/h1/$value\" alt=\"p\">",
    "&nbsp;",
    "&amp;",
    "&#0;",
    "&#x1b;",
    "&#13;",
    "<pre>\r\n</pre>",
    "<blockquote>",
    "<emoji alt=\"🎉\"></emoji>",
];

pub fn export(dice: &mut Dice) -> Vec<File> {
    let mut files = Vec::new();
    for number in 0..=dice.below(3) {
        let mut messages = dice.list(8, message);
        if number == 0 {
            messages.push(message(dice));
        }
        let name = match dice.below(5) {
            0 => format!("{ANN}.json"),
            1 => format!("user-{BOB}/page-{number}.json"),
            2 => "bob@desk.example.json".into(),
            3 => format!("p{number}.jsonl"),
            _ => format!("page-{number}.json"),
        };
        let doc = match dice.below(4) {
            0 => Doc::Json(json!(messages)),
            1 => Doc::Lines(messages),
            2 => Doc::Lines(vec![page(dice, &messages), page(dice, &messages)]),
            _ => Doc::Json(page(dice, &messages)),
        };
        files.push(File::new(name, doc));
    }
    let user = |dice: &mut Dice| {
        json!({"id": who(dice), "displayName": dice.name(), "mail": dice.maybe(2, Dice::address),
            "userPrincipalName": dice.maybe(2, |dice| dice.pick(&["ann@desk.example", "x#EXT#@desk.example"])),
               "userType": dice.maybe(2, |dice| dice.pick(&["Member", "Guest"])), "jobTitle": dice.maybe(2, Dice::name), "department": "FX"})
    };
    if dice.once_in(2) {
        files.push(File::new("users.json", Doc::Json(json!({"value": dice.list(4, user)}))));
    }
    if dice.once_in(2) {
        let chats = dice.list(3, |dice| {
            json!({"id": chat(dice), "topic": dice.maybe(2, Dice::name), "chatType": dice.pick(&["oneOnOne", "group", "meeting", "x"]),
                   "members": dice.list(3, |dice| json!({"userId": who(dice), "displayName": dice.name(), "email": dice.maybe(2, Dice::address),
                       "roles": [dice.pick(&["owner", "guest"])],
                       "visibleHistoryStartDateTime": dice.maybe(2, Dice::time)}))})
        });
        files.push(File::new("chats.json", Doc::Json(json!(chats))));
        files.push(File::new("teams.json", Doc::Json(json!([{"id": "fbe2bf47-16c8-47cf-b4a5-4b9b187c508b", "displayName": dice.name()}]))));
        files.push(File::new(
            "channels.json",
            Doc::Json(json!([{"id": chat(dice), "displayName": dice.name(), "membershipType": "private", "teamId": dice.id("T", 2)}])),
        ));
    }
    files.push(File::new("files/a1-q.pdf", Doc::Bytes(b"%PDF-1.4".to_vec())));
    files.push(File::new("media/h1.png", Doc::Bytes(vec![7; 3000])));
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.path.clone()));
    files
}

fn page(dice: &mut Dice, messages: &[Value]) -> Value {
    let user = dice.pick(&[ANN, BOB, "ann@desk.example"]);
    let times = dice.pick(&[
        "",
        "",
        "&$filter=lastModifiedDateTime gt 2026-01-01T00:00:00Z and lastModifiedDateTime lt 2026-02-01T00:00:00Z",
        "&$filter=lastModifiedDateTime+ge+2026-03-01T00%3A00%3A00Z%20and%20lastModifiedDateTime+le+2026-02-01T00:00:00Z",
    ]);
    let odd = dice.odd();
    let times =
        if odd { format!("&$filter=lastModifiedDateTime gt {} and lastModifiedDateTime lt {}", dice.time(), dice.time()) } else { times.to_owned() };
    let context = match dice.below(5) {
        0 => format!("https://graph.microsoft.com/v1.0/$metadata#users('{user}')/chats/getAllMessages"),
        1 => "https://graph.microsoft.com/v1.0/$metadata#teams('T1')/channels/getAllMessages".to_owned(),
        2 => format!("https://graph.microsoft.com/v1.0/$metadata#users('{}')/chats", dice.id("u", 3)),
        _ => "https://graph.microsoft.com/v1.0/$metadata#Collection(chatMessage)".to_owned(),
    };
    json!({"@odata.context": context, "@odata.count": 3,
        "@odata.nextLink": dice.maybe(2, |_| format!("https://graph.microsoft.com/v1.0/users/{user}/chats/getAllMessages?$skip=2{times}")),
        "value": messages})
}

fn who(dice: &mut Dice) -> String {
    if dice.odd() { dice.id("u", 3) } else { dice.pick(&[ANN, BOB, "u3", "u4"]).to_owned() }
}

fn chat(dice: &mut Dice) -> String {
    if dice.odd() {
        return dice.id("19:", 3);
    }
    dice.pick(&["19:2da4@thread.v2", "19:4a95@thread.tacv2", "19:meeting_x@thread.v2", "19:a_b@unq.gbl.spaces", "19:c@thread.skype"]).to_owned()
}

fn identity(dice: &mut Dice) -> Value {
    let one = json!({"id": who(dice), "displayName": dice.maybe(2, Dice::name), "userIdentityType": dice.pick(&["aadUser", "anonymousGuest"]),
        "tenantId": dice.pick(&["T1", "T2"])});
    match dice.below(6) {
        0 => json!({"application": one, "user": null}),
        1 => json!({"device": one}),
        _ => json!({"user": one, "application": null}),
    }
}

fn attachment(dice: &mut Dice) -> Value {
    let inner = json!({"messageId": "1", "messagePreview": dice.text(&[]), "messageSender": identity(dice), "title": dice.text(&[]),
        "body": [{"type": "TextBlock", "text": dice.text(&[])}],
        "actions": [{"type": "Action.OpenUrl", "title": "x", "url": dice.url()}], "codeSnippetUrl": dice.url()});
    let kind = dice.pick(&[
        "reference",
        "messageReference",
        "forwardedMessageReference",
        "application/vnd.microsoft.card.adaptive",
        "application/vnd.microsoft.card.hero",
        "application/vnd.microsoft.card.codesnippet",
        "application/vnd.microsoft.card.fluidEmbedCard",
        "tabReference",
        "x",
    ]);
    json!({"id": dice.pick(&["a1", "a2"]), "contentType": kind, "contentUrl": dice.maybe(2, Dice::url), "name": dice.maybe(2, Dice::name),
           "content": if kind == "reference" { None } else { dice.maybe(1, |dice| if dice.odd() { dice.text(&MARKS) } else { inner.to_string() }) }})
}

pub fn message(dice: &mut Dice) -> Value {
    let in_channel = dice.once_in(4);
    let detail = dice.maybe(8, |dice| {
        let kind = dice.pick(&["membersAdded", "membersDeleted", "membersJoined", "membersLeft", "callStarted", "teamRenamed"]);
        json!({"@odata.type": format!("#microsoft.graph.{kind}EventMessageDetail"), "initiator": identity(dice),
            "members": dice.list(3, |dice| json!({"id": who(dice), "displayName": dice.name()})),
               "teamDisplayName": dice.name(), "callId": dice.id("x", 2), "visibleHistoryStartDateTime": dice.time()})
    });
    json!({
        "id": dice.id("1", 40), "replyToId": dice.maybe(4, |dice| dice.id("1", 40)), "etag": "1",
            "messageType": if detail.is_some() { "systemEventMessage" } else { dice.pick(&["message", "message", "message", "chatEvent", "typing"]) },
        "createdDateTime": dice.time(), "lastModifiedDateTime": dice.time(), "lastEditedDateTime": dice.maybe(4, Dice::time),
            "deletedDateTime": dice.maybe(6, Dice::time),
        "subject": dice.maybe(4, |dice| dice.text(&[])), "summary": dice.maybe(8, |dice| dice.text(&[])),
            "chatId": if in_channel { None } else { Some(chat(dice)) },
        "channelIdentity": if in_channel { Some(json!({"teamId": dice.id("T", 2), "channelId": chat(dice)})) } else { None },
        "from": dice.maybe(1, identity), "body": {"contentType": dice.pick(&["html", "html", "text"]), "content": dice.text(&MARKS)},
        "attachments": dice.maybe(2, |dice| dice.list(2, attachment)), "hostedContents": dice.maybe(8, |_| json!([{"id": "h1",
            "contentBytes": "QUJD"}])),
        "mentions": dice.maybe(3, |dice| dice.list(2, |dice| json!({"id": dice.below(2), "mentionText": "Ann", "mentioned": identity(dice)}))),
        "reactions": dice.maybe(3, |dice| dice.list(3, |dice| json!({"reactionType": if dice.odd() { dice.name() } else { "like".into() },
            "displayName": "Like", "createdDateTime": dice.time(), "user": identity(dice)}))),
        "messageHistory": dice.maybe(5, |dice| dice.list(2, |dice| json!({"modifiedDateTime": dice.time(),
            "actions": dice.pick(&["reactionAdded", "reactionRemoved", "x"]), "reaction": {"reactionType": "like", "user": identity(dice)}}))),
        "policyViolation": dice.maybe(10, |dice| json!({"dlpAction": "notifySender", "justificationText": dice.text(&[]),
            "policyTip": {"generalText": "t", "matchedConditionDescriptions": ["x"]}})),
        "eventDetail": detail,
    })
}
