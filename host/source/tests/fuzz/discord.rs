//! What `DiscordChatExporter` writes as JSON: a file for each channel, with the folder of its downloaded files beside.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::pack::{Doc, File};

const MARKS: [&str; 8] = ["@Ann Lee", "<@1>", "<@!2>", "<:tada:77>", "<a:wave:8>", "<#5>", "**b**", "@everyone"];

pub fn export(dice: &mut Dice) -> Vec<File> {
    let mut files = Vec::new();
    for number in 0..=dice.below(3) {
        let messages = if number == 0 { [vec![message(dice)], dice.list(8, message)].concat() } else { dice.list(6, message) };
        let count = if dice.odd() { 7 } else { messages.len() };
        let channel = json!({"id": dice.id("7", 4), "name": dice.name(), "category": dice.maybe(2, Dice::name), "categoryId": "9", "topic": null,
            "type": dice.pick(&["GuildTextChat", "DirectTextChat", "DirectGroupTextChat", "GuildPublicThread", "GuildPrivateThread", "GuildNews"])});
        let export = json!({"guild": {"id": "99", "name": dice.name(), "iconUrl": "x_Files/icon.png"}, "channel": channel,
            "dateRange": {"after": null, "before": null},
            "exportedAt": dice.time(), "messages": messages, "messageCount": count});
        files.push(File::new(format!("{}Corp - desk [{number}].json", dice.pick(&["", "", "sub/"])), Doc::Json(export)));
    }
    files.push(File::new("x_Files/q.pdf", Doc::Bytes(b"%PDF-1.4".to_vec())));
    files.push(File::new("x_Files/a b.png", Doc::Bytes(vec![7; 3000])));
    files.push(File::new("x_Files/icon.png", Doc::Bytes(b"icon".to_vec())));
    files
}

fn person(dice: &mut Dice) -> Value {
    json!({"id": dice.id("", 8), "name": dice.name(), "discriminator": dice.pick(&["0000", "1234"]), "nickname": dice.maybe(2, Dice::name),
        "color": null, "isBot": dice.once_in(5),
           "avatarUrl": dice.pick(&["x_Files/icon.png", "https://cdn/x.png"])})
}

fn place(dice: &mut Dice) -> String {
    if dice.odd() {
        dice.url()
    } else {
        dice.pick(&["x_Files/q.pdf", "x_Files\\a b.png", "x_Files/a%20b.png", "https://cdn.example/a.png?ex=1", "x_Files/none"]).to_owned()
    }
}

fn body(dice: &mut Dice) -> Value {
    json!({
        "content": dice.text(&MARKS), "contentRaw": dice.maybe(6, |dice| dice.text(&MARKS)),
        "attachments": dice.maybe(3, |dice| dice.list(2, |dice| json!({"id": "1", "url": place(dice), "fileName": dice.maybe(2, Dice::name),
            "fileSizeBytes": dice.below(9000)}))),
        "embeds": dice.maybe(3, |dice| dice.list(2, |dice| json!({"title": dice.text(&[]), "url": dice.maybe(2, Dice::url),
            "description": dice.text(&MARKS), "author": {"name": dice.name()},
            "fields": dice.list(2, |dice| json!({"name": "a", "value": dice.text(&[])})), "footer": {"text": "end"},
                "image": dice.maybe(2, |dice| json!({"url": place(dice)})), "images": [{"url": place(dice)}]}))),
        "stickers": dice.maybe(8, |dice| json!([{"id": "1", "name": dice.name(), "format": "Png", "sourceUrl": place(dice)}])),
    })
}

fn message(dice: &mut Dice) -> Value {
    let mut message = body(dice);
    let kind = dice.pick(&[
        "Default",
        "Default",
        "Reply",
        "GuildMemberJoin",
        "RecipientAdd",
        "RecipientRemove",
        "ChannelPinnedMessage",
        "ChatInputCommand",
        "20",
        "ThreadCreated",
        "99",
    ]);
    let more = json!({
        "id": dice.id("1", 40), "type": kind, "timestamp": dice.time(), "timestampEdited": dice.maybe(4, Dice::time), "callEndedTimestamp": null,
            "isPinned": false,
        "author": person(dice), "mentions": dice.maybe(2, |dice| dice.list(3, person)),
        "reference": dice.maybe(4, |dice| json!({"messageId": dice.id("1", 40), "channelId": dice.id("7", 4), "guildId": "99",
            "type": dice.maybe(3, |_| "Forward")})),
        "forwardedMessage": dice.maybe(8, body),
        "interaction": dice.maybe(8, |dice| json!({"id": "1", "name": "price", "user": person(dice)})),
        "components": dice.maybe(8, |dice| json!([{"type": 1, "components": [{"label": dice.text(&[]), "url": dice.maybe(2, Dice::url)}]}])),
        "poll": dice.maybe(10, |dice| json!({"question": dice.text(&[]), "answers": [{"text": "yes", "emoji": {"name": "🎉"}}]})),
        "reactions": dice.maybe(3, |dice| dice.list(3, |dice| json!({"emoji": {"id": dice.maybe(3, |dice| dice.id("7", 9)),
            "name": if dice.odd() { dice.name() } else { "🎉".into() }, "code": "tada"},
            "count": dice.below(5), "users": dice.maybe(1, |dice| dice.list(3, person))}))),
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}
