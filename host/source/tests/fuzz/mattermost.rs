//! Mattermost's bulk export, as its documentation of the format describes it: lines of a version, teams, channels, users, posts with replies, direct chats.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::pack::{Doc, File};

const MARKS: [&str; 6] = ["@ann", "**bold**", "~desk", "[a](https://x)", ":smile:", "&lt;"];

pub fn export(dice: &mut Dice) -> Vec<File> {
    let mut lines = vec![json!({"type": "version", "version": 1, "info": {"generator": "mattermost-server"}})];
    lines.push(json!({"type": "team", "team": {"name": "t1", "display_name": "Team", "type": "O"}}));
    lines.extend(dice.list(3, |dice| {
        json!({"type": "channel", "channel": {"team": dice.id("t", 2), "name": dice.id("c", 3), "display_name": dice.name(),
            "type": dice.pick(&["O", "P"]), "header": "h",
               "deleted_at": dice.maybe(5, |_| 1_767_600_000_000_u64)}})
    }));
    lines.extend(dice.list(4, |dice| {
        json!({"type": "user", "user": {"username": dice.id("u", 6), "email": dice.address(), "first_name": dice.maybe(2, Dice::name),
            "last_name": dice.maybe(2, Dice::name),
               "nickname": dice.maybe(3, Dice::name), "position": dice.maybe(3, Dice::name), "locale": "de",
                   "roles": dice.pick(&["system_user", "system_guest", "system_user system_admin"]),
               "delete_at": dice.maybe(4, |_| 5), "teams": dice.list(2, |dice| json!({"name": dice.id("t", 2),
                   "channels": dice.list(3, |dice| json!({"name": dice.id("c", 3)}))}))}})
    }));
    lines.extend(dice.list(1, |dice| json!({"type": "bot", "bot": {"username": dice.id("u", 6), "display_name": dice.name(), "owner": "u1"}})));
    let direct = |dice: &mut Dice| {
        let members = dice.list(3, |dice| dice.id("u", 6));
        json!({"type": "direct_channel", "direct_channel": {"members": members,
            "participants": dice.maybe(3, |dice| json!([{"username": dice.id("u", 6)}]))}})
    };
    lines.extend(dice.list(2, direct));
    lines.push(post(dice));
    lines.extend(dice.list(12, post));
    if dice.once_in(6) {
        lines.push(json!({"type": dice.pick(&["role", "scheme", "emoji", "playbook"]), "role": {}}));
    }
    vec![
        File::new("import.jsonl", Doc::Lines(lines)),
        File::new("data/2026/q.pdf", Doc::Bytes(b"%PDF-1.4".to_vec())),
        File::new("data/a b.png", Doc::Bytes(vec![7; 5000])),
        File::new("data/nobody.txt", Doc::Bytes(b"x".to_vec())),
        File::new("data/emoji/x.png", Doc::Bytes(b"x".to_vec())),
    ]
}

fn post(dice: &mut Dice) -> Value {
    let direct = dice.once_in(4);
    let mut post = said(dice);
    let fields = post.as_object_mut().unwrap();
    if direct {
        fields.insert("channel_members".into(), json!([dice.id("u", 6), dice.id("u", 6)]));
    } else {
        fields.insert("team".into(), json!(dice.id("t", 2)));
        fields.insert("channel".into(), json!(dice.id("c", 3)));
    }
    let replies = dice.maybe(3, |dice| dice.list(4, said));
    fields.insert("replies".into(), json!(replies));
    let kind = if direct { "direct_post" } else { "post" };
    json!({"type": kind, kind: post})
}

/// A post or a reply.
fn said(dice: &mut Dice) -> Value {
    let kind = dice.pick(&[
        "",
        "",
        "",
        "system_join_channel",
        "system_leave_team",
        "system_add_to_channel",
        "system_remove_from_channel",
        "system_add_remove",
        "system_header_change",
        "system_auto_responder",
        "custom_calls",
    ]);
    let odd = dice.odd();
    let kind = if odd { format!("system_{}", dice.name()) } else { kind.to_owned() };
    json!({
        "user": dice.id("u", 6), "type": kind, "message": dice.text(&MARKS), "create_at": dice.millis(),
        "edit_at": dice.maybe(4, Dice::millis), "delete_at": dice.maybe(8, Dice::millis), "is_pinned": false, "flagged_by": [],
        "props": dice.maybe(3, |dice| json!({"from_webhook": dice.maybe(2, |_| "true"), "override_username": dice.maybe(2, Dice::name),
            "addedUsername": dice.maybe(2, |dice| dice.id("u", 6)),
            "removedUsername": dice.maybe(2, |dice| dice.id("u", 6)), "card": dice.maybe(4, |dice| dice.text(&[])),
            "attachments": dice.list(2, |dice| json!({"title": dice.text(&[]), "title_link": dice.url(), "text": dice.text(&MARKS), "fallback": "f",
                "image_url": dice.maybe(2, Dice::url),
                "fields": dice.list(2, |dice| json!({"title": "a", "value": dice.text(&[]), "short": true}))})),
            "mm_blocks": dice.maybe(4, |dice| json!([{"type": "text", "text": dice.text(&[])}]))})),
        "reactions": dice.maybe(3, |dice| dice.list(3, |dice| json!({"user": dice.id("u", 6),
            "emoji_name": if dice.odd() { dice.name() } else { "smile".into() }, "create_at": dice.millis()}))),
        "attachments": dice.maybe(3, |dice| dice.list(2,
            |dice| json!({"path": if dice.odd() { dice.url() } else { dice.pick(&["2026/q.pdf", "a b.png", "none.txt"]).to_owned() }}))),
    })
}
