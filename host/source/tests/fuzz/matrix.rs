//! What Element writes as JSON of a room: names, and raw events of every kind, with files beside; and edits, reactions and redactions, which other tools keep.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::pack::{Doc, File};

const MARKS: [&str; 10] = [
    "<b>5m</b>",
    "<a href=\"https://matrix.to/#/@ann:desk.example\">Ann</a>",
    "<mx-reply>",
    "</mx-reply>",
    "<br>",
    "&amp;",
    "&#0;",
    "> <@ann:desk.example> x\n\n",
    "<img src=\"mxc://desk.example/m1\" alt=\"p\">",
    "```",
];

pub fn export(dice: &mut Dice) -> Vec<File> {
    let mut files = Vec::new();
    let rooms = dice.pick(&[1, 1, 1, 2]);
    for number in 0..rooms {
        let folder = if rooms > 1 { format!("room {number}/") } else { String::new() };
        let mut messages = vec![message(dice)];
        messages.extend(dice.list(12, event));
        let room = json!({"room_name": dice.name(), "room_creator": dice.pick(&["Ann Lee", "@ann:desk.example"]), "topic": dice.maybe(2, Dice::name),
            "export_date": "05/01/2026",
            "exported_by": "Exported by Ann", "messages": messages});
        files.push(File::new(format!("{folder}export.json"), Doc::Json(room)));
        files.push(File::new(format!("{folder}files/q-5-1-2026 at 9-00-00.pdf"), Doc::Bytes(b"%PDF-1.4".to_vec())));
        files.push(File::new(format!("{folder}images/m1.png"), Doc::Bytes(vec![7; 3000])));
    }
    files
}

fn who(dice: &mut Dice) -> String {
    if dice.odd() {
        dice.id("@u", 3)
    } else {
        dice.pick(&["@ann:desk.example", "@bob:desk.example", "@eve:other.example", "@bot:desk.example"]).to_owned()
    }
}

fn relation(dice: &mut Dice) -> Value {
    let target = dice.id("$e", 30);
    match dice.below(4) {
        0 => json!({"rel_type": "m.replace", "event_id": target}),
        1 => json!({"rel_type": "m.thread", "event_id": target, "m.in_reply_to": {"event_id": dice.id("$e", 30)}}),
        2 => json!({"rel_type": "m.annotation", "event_id": target, "key": if dice.odd() { dice.name() } else { "🎉".into() }}),
        _ => json!({"m.in_reply_to": {"event_id": target}}),
    }
}

/// What a message says.
fn content(dice: &mut Dice, depth: usize) -> Value {
    let kind = dice.pick(&["m.text", "m.text", "m.notice", "m.emote", "m.image", "m.file", "m.location", "m.bad.encrypted"]);
    let is_file = matches!(kind, "m.image" | "m.file");
    let body = if is_file { dice.pick(&["q.pdf", "p.png", ""]).to_owned() } else { dice.text(&MARKS) };
    json!({
        "msgtype": kind, "body": body, "format": dice.maybe(2, |_| "org.matrix.custom.html"),
            "formatted_body": dice.maybe(2, |dice| dice.text(&MARKS)),
        "url": if is_file { Some(dice.pick(&["mxc://desk.example/m1", "mxc://desk.example/none", "https://x/?t=1"])) } else { None },
            "filename": dice.maybe(4, Dice::name),
        "file": dice.maybe(8, |_| json!({"url": "mxc://desk.example/m1", "v": "v2"})), "info": dice.maybe(2, |_| json!({"mimetype": "image/png",
            "size": 3000})),
        "geo_uri": dice.maybe(4, |_| "geo:1,2"), "m.relates_to": dice.maybe(3, relation),
        "m.new_content": if depth > 0 { dice.maybe(3, |dice| content(dice, depth - 1)) } else { None },
    })
}

fn raw(dice: &mut Dice, kind: &str, content: &Value) -> Value {
    let redacted = dice.maybe(10, |dice| {
        json!({"event_id": dice.id("$r", 9), "type": "m.room.redaction", "sender": who(dice), "origin_server_ts": dice.millis(),
            "content": {"reason": dice.text(&[])}})
    });
    let relations = dice.maybe(8, |dice| {
        json!({"m.replace": {"event_id": dice.id("$x", 9), "origin_server_ts": dice.millis(), "sender": who(dice),
            "content": dice.maybe(2, |dice| self::content(dice, 1))},
               "m.annotation": {"chunk": [{"key": "🎉", "count": 2}]}})
    });
    let before = dice
        .maybe(3, |dice| json!({"membership": dice.pick(&["join", "leave", "invite", "ban", "knock"]), "displayname": dice.maybe(2, Dice::name)}));
    json!({"type": kind, "event_id": dice.id("$e", 60), "sender": who(dice), "room_id": dice.maybe(1, |dice| dice.id("!r", 1)),
        "origin_server_ts": dice.millis(), "content": content,
           "unsigned": {"age": 5, "redacted_because": redacted, "m.relations": relations, "prev_content": before}})
}

fn message(dice: &mut Dice) -> Value {
    let said = content(dice, 1);
    raw(dice, "m.room.message", &said)
}

fn event(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => {
            let content = json!({"membership": dice.pick(&["join", "leave", "invite", "ban", "knock", "x"]), "displayname": dice.maybe(2, Dice::name),
                "reason": dice.maybe(4, |dice| dice.text(&[])),
                "is_direct": dice.maybe(6, |_| true)});
            let mut event = raw(dice, "m.room.member", &content);
            let member = who(dice);
            event.as_object_mut().unwrap().insert("state_key".into(), json!(member));
            event
        }
        1 => {
            let content = json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": dice.id("$e", 60),
                "key": if dice.odd() { dice.name() } else { "👍".into() }}});
            raw(dice, "m.reaction", &content)
        }
        2 => {
            let content = json!({"redacts": dice.id("$e", 60), "reason": dice.maybe(2, |dice| dice.text(&[]))});
            raw(dice, "m.room.redaction", &content)
        }
        3 => {
            let kind = dice.pick(&[
                "m.room.create",
                "m.room.name",
                "m.room.topic",
                "m.room.encrypted",
                "m.room.encryption",
                "m.call.invite",
                "m.room.power_levels",
                "org.x.y",
            ]);
            let content = json!({"name": dice.name(), "topic": dice.text(&[]), "m.topic": {"m.text": [{"body": dice.text(&[])}]},
                "users": {"@ann:desk.example": 100}, "link": dice.url()});
            raw(dice, kind, &content)
        }
        4 => {
            let content = json!({"m.poll": {"question": {"m.text": [{"body": dice.text(&[])}]}, "answers": dice.list(3, |dice| json!({"m.id": "1",
                "m.text": dice.text(&[])}))}});
            raw(dice, "m.poll.start", &content)
        }
        5 => {
            let content = json!({"body": dice.text(&[]), "url": "mxc://desk.example/m1", "info": {"mimetype": "image/png"}});
            raw(dice, "m.sticker", &content)
        }
        _ => message(dice),
    }
}
