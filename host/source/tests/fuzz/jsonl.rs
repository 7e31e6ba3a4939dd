//! JSON lines of our own, as `host/README.md` describes them.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::pack::{Doc, File};

pub fn export(dice: &mut Dice) -> Vec<File> {
    let mut lines = dice.list(4, user);
    lines.extend(dice.list(3, |dice| {
        json!({"type": "chat", "id": dice.id("C", 4), "kind": dice.pick(&["direct", "group", "channel", "meeting", "other"]),
            "title": dice.maybe(2, Dice::name),
               "labels": dice.maybe(2, |dice| json!({"team": dice.name(), "n": 1})),
                   "members": dice.maybe(3, |dice| dice.list(4, |dice| dice.id("U", 6)))})
    }));
    lines.extend(
        dice.list(
            1,
            |dice| json!({"type": "capture", "user": dice.id("U", 6), "from": dice.maybe(2, Dice::time), "until": dice.maybe(2, Dice::time)}),
        ),
    );
    lines.push(event(dice));
    lines.extend(dice.list(20, event));
    if dice.once_in(8) {
        lines.push(user(dice));
    }
    vec![
        File::new("chat.jsonl", Doc::Lines(lines)),
        File::new("files/q.pdf", Doc::Bytes(b"%PDF-1.4".to_vec())),
        File::new("files/Ann Lee/a.txt", Doc::Bytes(vec![b'a'; 3000])),
    ]
}

fn user(dice: &mut Dice) -> Value {
    json!({"type": "user", "id": dice.id("U", 6), "name": dice.maybe(2, Dice::name), "email": dice.maybe(2, Dice::address),
        "bot": dice.maybe(4, |_| true),
           "external": dice.maybe(4, |_| true), "recorded": dice.maybe(4, |_| false),
               "attributes": dice.maybe(2, |dice| json!({"department": dice.name(), "floor": 3}))})
}

fn event(dice: &mut Dice) -> Value {
    let kind = dice.pick(&["message", "message", "message", "edit", "delete", "join", "leave", "reaction", "other"]);
    let says = matches!(kind, "message" | "edit" | "other");
    json!({
        "type": kind, "chat": dice.id("C", 4), "id": dice.id("m", 30), "at": dice.time(), "user": dice.id("U", 6),
        "text": if says { Some(dice.text(&["@Ann", "<b>"])) } else { None },
        "thread": dice.maybe(4, |dice| dice.id("m", 30)),
        "copy_of": dice.maybe(6, |dice| dice.id("U", 3)),
        "name": if kind == "reaction" { Some(dice.pick(&["thumbsup", "🎉"])) } else { None },
        "removed": if kind == "reaction" { dice.maybe(3, |_| true) } else { None },
        "bot": dice.maybe(6, |_| true), "edited": dice.maybe(6, |_| true),
        "attachments": if says { dice.maybe(3, |dice| dice.list(2, file)) } else { None },
    })
}

fn file(dice: &mut Dice) -> Value {
    let path = if dice.odd() {
        dice.pick(&["../outside.json", "/etc/hostname", "files", "chat.jsonl", "files/../../outside.json", "loop/in", "files/q.pdf/x", "a\0b"])
    } else {
        dice.pick(&["files/q.pdf", "files/Ann Lee/a.txt", "files/none.txt"])
    };
    json!({"name": dice.maybe(2, Dice::name), "media_type": dice.maybe(2, |dice| dice.pick(&["application/pdf", "x", "image/png"])),
        "path": dice.maybe(2, |_| path),
           "url": dice.maybe(2, Dice::url), "size": dice.maybe(3, |_| 12)})
}
