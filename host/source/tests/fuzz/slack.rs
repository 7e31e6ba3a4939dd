//! Slack's export, as `index.rs` and `entry.rs` read it: lists of users and chats, a folder of day files for each chat, and files' bytes as
//! slackdump adds them.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::pack::{Doc, File};

const MARKS: [&str; 14] = [
    "<@U1>",
    "<@U9|bob>",
    "<#C1|fx>",
    "<#C1>",
    "<!channel>",
    "<!date^1392734382^{date}|x>",
    "<!subteam^S1>",
    "<https://a.example|a>",
    "<mailto:a@b|a@b>",
    "&amp;",
    "&lt;",
    "<",
    "<@U1",
    ":tada:",
];

pub fn export(dice: &mut Dice) -> Vec<File> {
    let user = |dice: &mut Dice| {
        json!({"id": dice.id("U", 6), "team_id": dice.id("T", 2), "name": dice.name(), "deleted": dice.maybe(5, |_| true),
            "real_name": dice.maybe(2, Dice::name), "tz": "Europe/Berlin",
               "is_bot": dice.maybe(4, |_| true), "is_stranger": dice.maybe(6, |_| true), "is_restricted": dice.maybe(6, |_| true),
               "enterprise_user": dice.maybe(6, |dice| json!({"enterprise_id": "E1", "teams": [dice.id("T", 2)]})),
               "profile": dice.maybe(2, |dice| json!({"real_name": dice.name(), "display_name": dice.maybe(2, Dice::name),
                   "email": dice.maybe(2, Dice::address), "title": dice.maybe(2, Dice::name)}))})
    };
    let mut files = vec![File::new("users.json", Doc::Json(json!(dice.list(6, user))))];
    if dice.once_in(8) {
        files.push(File::new("org_users.json", Doc::Json(json!(dice.list(3, user)))));
    }
    for list in ["channels.json", "groups.json", "dms.json", "mpims.json"] {
        if list == "channels.json" || dice.once_in(3) {
            let chats = dice.list(3, |dice| {
                json!({"id": dice.id("C", 5), "name": dice.maybe(2, |dice| dice.id("desk", 4)), "members": dice.list(4, |dice| dice.id("U", 6)),
                    "is_archived": dice.maybe(4, |_| true),
                       "is_private": dice.maybe(4, |_| true), "is_im": dice.maybe(9, |_| true), "is_mpim": dice.maybe(9, |_| true),
                           "topic": {"value": "rates &amp; <@U1>"}})
            });
            files.push(File::new(list, Doc::Json(json!(chats))));
        }
    }
    for _ in 0..=dice.below(3) {
        let folder = match dice.below(6) {
            0 => dice.id("C", 5),
            1 => format!("teams/{}/{}", dice.id("T", 2), dice.id("desk", 4)),
            _ => dice.id("desk", 4),
        };
        for _ in 0..=dice.below(2) {
            let entries = dice.list(8, entry);
            files.push(File::new(format!("{folder}/2026-01-0{}.json", 1 + dice.below(9)), Doc::Json(json!(entries))));
        }
        if dice.once_in(4) {
            files.push(File::new(format!("{folder}/attachments/F2-a.png"), Doc::Bytes(vec![b'a'; 2000])));
        }
    }
    files.push(File::new("__uploads/F1/q.pdf", Doc::Bytes(b"%PDF-1.4".to_vec())));
    if dice.once_in(5) {
        files.push(File::new("integration_logs.json", Doc::Json(json!([{"user_id": "U1"}]))));
    }
    // A chat's folder that comes twice has a day twice: the last one holds, as on a disk.
    let mut seen = std::collections::HashSet::new();
    files.reverse();
    files.retain(|file| seen.insert(file.path.clone()));
    files.reverse();
    files
}

pub fn ts(dice: &mut Dice) -> String {
    if dice.odd() {
        return dice
            .pick(&["", "1.0", "999999999999.999999999", "1e9", "-1.0", "253402300800.0", "1767600000", ".5", "1767600001.0002000000", "١.٠"])
            .to_owned();
    }
    format!("{}.{:06}", 1_767_600_000 + dice.below(20), dice.below(3))
}

fn message(dice: &mut Dice) -> Value {
    json!({
        "type": "message", "ts": ts(dice), "user": dice.maybe(1, |dice| dice.id("U", 8)), "text": dice.text(&MARKS), "thread_ts": dice.maybe(4, ts),
        "edited": dice.maybe(6, |dice| json!({"user": dice.id("U", 6), "ts": ts(dice)})),
        "bot_id": dice.maybe(8, |dice| dice.id("B", 3)), "username": dice.maybe(8, Dice::name),
        "user_profile": dice.maybe(6, |dice| json!({"real_name": dice.name(), "first_name": dice.name()})),
        "user_team": dice.maybe(8, |dice| dice.id("T", 3)),
        "files": dice.maybe(4, |dice| dice.list(2, file)), "file": dice.maybe(12, file),
        "reactions": dice.maybe(4, |dice| dice.list(3, |dice| json!({"name": if dice.odd() { dice.name() } else { "tada".into() },
            "users": dice.list(3, |dice| dice.id("U", 6)), "count": dice.below(5)}))),
        "blocks": dice.maybe(4, |dice| dice.list(2, |dice| block(dice, 3))),
        "attachments": dice.maybe(5, |dice| dice.list(2, |dice| json!({"title": dice.text(&MARKS), "title_link": dice.url(),
            "text": dice.text(&MARKS), "pretext": "p", "fallback": "f",
            "from_url": dice.maybe(3, Dice::url), "is_share": dice.maybe(3, |_| true), "files": dice.maybe(4, |dice| json!([file(dice)])),
            "fields": [{"title": "a", "value": "b"}], "message_blocks": dice.maybe(4, |dice| json!([{"message": {"blocks": [block(dice, 2)]}}]))}))),
    })
}

fn block(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(8) {
        0 => json!({"type": "section", "text": {"type": "mrkdwn", "text": dice.text(&MARKS)}, "fields": [{"type": "plain_text", "text": "x"}]}),
        1 => json!({"type": "user", "user_id": dice.id("U", 6)}),
        2 => json!({"type": "link", "url": dice.url(), "text": dice.maybe(2, |dice| dice.text(&[]))}),
        3 => json!({"type": "emoji", "name": "tada"}),
        4 => json!({"type": "image", "alt_text": dice.text(&[]), "title": {"type": "plain_text", "text": "t"}}),
        5 => json!({"type": "text", "text": dice.text(&[])}),
        _ if depth > 0 => {
            json!({"type": dice.pick(&["rich_text", "rich_text_section", "actions", "context"]),
                "elements": dice.list(3, |dice| block(dice, depth - 1))})
        }
        _ => json!({"type": "channel", "channel_id": "C1"}),
    }
}

fn file(dice: &mut Dice) -> Value {
    json!({"id": dice.id("F", 4), "name": dice.maybe(2, Dice::name), "title": "q",
        "mimetype": dice.maybe(2, |dice| dice.pick(&["application/pdf", "x"])), "size": dice.below(9000), "url_private": dice.maybe(2, Dice::url)})
}

pub fn entry(dice: &mut Dice) -> Value {
    let mut entry = message(dice);
    let subtype = dice.pick(&[
        "",
        "",
        "",
        "bot_message",
        "me_message",
        "file_share",
        "thread_broadcast",
        "message_changed",
        "message_deleted",
        "message_replied",
        "tombstone",
        "channel_join",
        "group_leave",
        "channel_topic",
        "huddle_thread",
        "pinned_item",
    ]);
    let fields = entry.as_object_mut().unwrap();
    if !subtype.is_empty() {
        fields.insert("subtype".into(), json!(subtype));
    }
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    match subtype {
        "message_changed" => {
            put("message", message(dice));
            put("previous_message", json!(dice.maybe(2, message)));
        }
        "message_deleted" => {
            put("deleted_ts", json!(dice.maybe(2, ts)));
            put("previous_message", json!(dice.maybe(2, message)));
        }
        "message_replied" => put("message", message(dice)),
        "huddle_thread" => put("room", json!({"participants": dice.list(3, |dice| dice.id("U", 6)), "participant_history": [dice.id("U", 6)]})),
        _ => {}
    }
    entry
}
