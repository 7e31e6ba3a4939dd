//! Slack's events over HTTP: what is signed is taken, and an export of the same time adds nothing.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use std::io::Write as _;

use consign_model::{EventKind, Timestamp};
use consign_source::Format;
use support::{Answer, Server, World, name};

const PATH: &str = "/v1/sources/slack/slack";
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn config(world: &World) -> String {
    let file = world.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    format!("[[source]]\nname = \"slack\"\nkind = \"slack-events\"\nsigning-secret = {{ file = \"{}\" }}\n", file.display())
}

fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, &[b"v0:", timestamp.as_bytes(), b":", body].concat());
    tag.as_ref().iter().fold("v0=".to_owned(), |all, byte| all + &format!("{byte:02x}"))
}

async fn send(server: &Server, body: &str) -> Answer {
    let timestamp = (Timestamp::now().0 / 1000).to_string();
    let signature = signature(SECRET, &timestamp, body.as_bytes());
    server.post(PATH, &[("X-Slack-Request-Timestamp", &timestamp), ("X-Slack-Signature", &signature)], body.as_bytes()).await
}

fn event(event: &str) -> String {
    format!(r#"{{"type":"event_callback","team_id":"T1","event_id":"Ev1","event_time":1767600000,"event":{event}}}"#)
}

#[tokio::test]
async fn only_what_slack_signed_is_taken() {
    let world = World::new().await;
    let server = world.receive(&config(&world)).await;
    let challenge = r#"{"token":"x","challenge":"3eZbrw1aB \"日本\"","type":"url_verification"}"#;
    let answer = send(&server, challenge).await;
    assert_eq!((answer.status, answer.json()), (200, serde_json::json!({ "challenge": "3eZbrw1aB \"日本\"" })));
    let now = Timestamp::now().0 / 1000;
    let signed = |secret: &str, timestamp: i64| signature(secret, &timestamp.to_string(), challenge.as_bytes());
    for (timestamp, signature) in [
        (now, signed("other", now)),
        (now, signed(SECRET, now - 1)),
        (now - 310, signed(SECRET, now - 310)),
        (now + 310, signed(SECRET, now + 310)),
        (now, String::new()),
    ] {
        let headers = [("X-Slack-Request-Timestamp", timestamp.to_string()), ("X-Slack-Signature", signature)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        server.post(PATH, &headers, challenge.as_bytes()).await.is_problem(401, "not-signed-in");
    }
    server.post(PATH, &[], challenge.as_bytes()).await.is_problem(401, "not-signed-in");
    server.send("GET", PATH, &[], b"").await.is_problem(405, "wrong-method");
    send(&server, "hunter2").await.is_problem(400, "unreadable");
    let answer = send(&server, &event(r#"{"type":"message","channel":"C1","text":"hunter2"}"#)).await;
    assert!(!answer.is_problem(422, "refused").body.contains("hunter2"));
    for acknowledged in [event(r#"{"type":"pin_added"}"#), r#"{"type":"app_rate_limited"}"#.to_owned(), r#"{"type":"new"}"#.to_owned()] {
        assert_eq!(send(&server, &acknowledged).await.status, 200, "{acknowledged}");
    }
    assert!(world.chats().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_day_live_and_then_its_export() {
    let world = World::new().await;
    let server = world.receive(&config(&world)).await;
    let entries = [
        r#"{"type":"message","user":"U1","text":"hi <@U2>","ts":"1767600001.000100"}"#,
        r#"{"type":"message","subtype":"message_changed","ts":"1767600002.000100","message":{"user":"U1","text":"hello <@U2>","ts":"1767600001.000100","edited":{"user":"U1","ts":"1767600002.000000"}},"previous_message":{"user":"U1","text":"hi <@U2>","ts":"1767600001.000100"}}"#,
        r#"{"type":"message","subtype":"message_deleted","ts":"1767600003.000100","deleted_ts":"1767600001.000100","previous_message":{"user":"U1","text":"hello <@U2>","ts":"1767600001.000100"}}"#,
        r#"{"type":"message","subtype":"channel_join","user":"U2","text":"<@U2> has joined","ts":"1767600004.000100"}"#,
    ];
    let user = r#"{"id":"U2","name":"bob","profile":{"real_name":"Bob Ray","email":"bob@desk.example"}}"#;
    assert_eq!(send(&server, &event(&format!(r#"{{"type":"team_join","user":{user}}}"#))).await.figures(), (0, 0, 0));
    let live = |entry: &str| event(&entry.replacen('{', r#"{"channel":"C1","channel_type":"channel","#, 1));
    for entry in entries {
        assert_eq!(send(&server, &live(entry)).await.figures(), (1, 0, 0));
        // Slack asks again after three seconds.
        assert_eq!(send(&server, &live(entry)).await.figures(), (0, 1, 0));
    }
    let reaction = r#"{"type":"reaction_added","user":"U2","reaction":"eyes","item":{"type":"message","channel":"C1","ts":"1767600001.000100"},"event_ts":"1767600005.000400"}"#;
    assert_eq!(send(&server, &event(reaction)).await.figures(), (1, 0, 0));
    let rename = r#"{"type":"channel_rename","channel":{"id":"C1","name":"rates"}}"#;
    assert_eq!(send(&server, &event(rename)).await.figures(), (0, 0, 0));
    assert_eq!(world.texts("C1").await, ["hi @Bob Ray", "hello @Bob Ray", "", "", "eyes"]);
    assert_eq!(world.user("slack", "U2").await.unwrap().email.as_deref(), Some("bob@desk.example"));
    assert_eq!(world.chat("slack", "C1").await.unwrap().title.as_deref(), Some("rates"));
    let file = world.path().join("export.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&file).unwrap());
    let users = r#"[{"id":"U1","name":"ann"},{"id":"U2","name":"bob","profile":{"real_name":"Bob Ray-Wu"}}]"#;
    let day = format!("[{}]", entries.join(","));
    for (path, text) in [("users.json", users), ("channels.json", r#"[{"id":"C1","name":"rates"}]"#), ("rates/2026-01-05.json", day.as_str())] {
        zip.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let imported = world.importer.import(Format::Slack, &file, &name("slack"), |_| {}).await.unwrap();
    assert!(imported.stored.is_empty(), "{imported:?}");
    assert_eq!((imported.already_there.values().sum::<u64>(), imported.already_there[&EventKind::Message]), (4, 1));
    server.stop().await;
}

#[tokio::test]
async fn damaged_events_end_no_receiver() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("CONSIGN_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let world = World::new().await;
    let server = world.receive(&config(&world)).await;
    let whole = [
        event(
            r#"{"type":"message","subtype":"message_changed","channel":"C1","channel_type":"im","ts":"2.0","message":{"user":"U1","text":"<@U2> &amp; <https://a|b>","ts":"1.0","files":[{"id":"F1","name":"a"}],"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"x"}}]},"previous_message":{"bot_id":"B1","text":"","ts":"1.0"}}"#,
        ),
        event(r#"{"type":"reaction_added","user":"U2","reaction":"eyes","item":{"type":"message","channel":"C1","ts":"1.0"},"event_ts":"3.0"}"#),
        event(r#"{"type":"user_change","user":{"id":"U1","name":"ann","profile":{"real_name":"Ann","email":"a@b"}}}"#),
    ];
    for _ in 0..300 {
        let mut body: Vec<char> = dice.choice(&whole).unwrap().chars().collect();
        for _ in 0..dice.usize(1..5) {
            let at = dice.usize(0..body.len());
            match dice.u8(0..4) {
                0 => body[at] = dice.char(..),
                1 => body.truncate(at.max(1)),
                2 => body.splice(at..at, "\"{[,\\ud800".chars()).for_each(drop),
                _ => drop(body.remove(at)),
            }
            if body.is_empty() {
                body.push('x');
            }
        }
        let answer = send(&server, &body.into_iter().collect::<String>()).await;
        assert!(matches!(answer.status, 200 | 400 | 422), "{answer:?}");
    }
    server.stop().await;
}
