//! Mattermost's outgoing webhook over HTTP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use consign_model::{ChatKind, Timestamp};
use support::{Answer, Server, World};

const PATH: &str = "/v1/sources/mm/mattermost";
const FORM: &str = "token=tok3n&team_id=t1&team_domain=desk&channel_id=c1&channel_name=rates&timestamp=1767600001&user_id=u1&user_name=ann&post_id=p1\
                    &text=hi+%E6%97%A5%E6%9C%AC%26+%2Bmore%0D%0Aline&trigger_word=hi&file_ids=f1%2Cf2";
const JSON: &str = r#"{"token":"tok3n","team_id":"t1","team_domain":"desk","channel_id":"c1","channel_name":"rates","timestamp":1767600002345,"user_id":"u2","user_name":"bob","post_id":"p2","text":"json","trigger_word":"","file_ids":""}"#;

async fn world() -> (World, Server) {
    let world = World::new().await;
    let file = world.path().join("token");
    std::fs::write(&file, "tok3n").unwrap();
    let config = format!("[[source]]\nname = \"mm\"\nkind = \"mattermost-webhook\"\ntoken = {{ file = \"{}\" }}\n", file.display());
    let server = world.receive(&config).await;
    (world, server)
}

async fn form(server: &Server, body: &str) -> Answer {
    server.post(PATH, &[("Content-Type", "application/x-www-form-urlencoded")], body.as_bytes()).await
}

async fn json(server: &Server, body: &str) -> Answer {
    server.post(PATH, &[("Content-Type", "Application/JSON; charset=utf-8")], body.as_bytes()).await
}

#[tokio::test]
async fn messages_as_forms_and_as_json() {
    let (world, server) = world().await;
    for _ in 0..2 {
        for answer in [form(&server, FORM).await, json(&server, JSON).await] {
            assert_eq!((answer.status, answer.body.as_str()), (200, "{}"), "it posts nothing");
        }
    }
    // Some versions write the number as a text.
    assert_eq!(json(&server, &JSON.replace("1767600002345", "\"1767600002345\"")).await.status, 200);
    server.stop().await;
    let events = &world.events().await["c1"];
    assert_eq!(events.len(), 2);
    let (first, second) = (&events[0], &events[1]);
    assert_eq!((first.id.as_str(), first.at, first.text.as_str()), ("p1", Timestamp(1_767_600_001_000), "hi 日本& +more\nline"));
    assert_eq!(first.attachments.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["f1", "f2"]);
    assert_eq!((second.user.as_deref(), second.at, second.text.as_str()), (Some("u2"), Timestamp(1_767_600_002_345), "json"));
    assert!(second.attachments.is_empty());
    let chat = world.chat("mm", "c1").await.unwrap();
    assert_eq!((chat.kind, chat.title.as_deref(), chat.labels["team"].as_str()), (ChatKind::Channel, Some("rates"), "desk"));
    assert_eq!(world.user("mm", "u1").await.unwrap().name, "ann");
}

#[tokio::test]
async fn what_is_not_taken() {
    let (world, server) = world().await;
    for token in ["", "tok3", "tok3n2"] {
        let answer = form(&server, &FORM.replace("tok3n", token)).await;
        assert!(!answer.is_problem(401, "not-signed-in").body.contains("tok3"), "{answer:?}");
        json(&server, &JSON.replace("tok3n", token)).await.is_problem(401, "not-signed-in");
    }
    form(&server, "").await.is_problem(401, "not-signed-in");
    json(&server, "hunter2").await.is_problem(400, "unreadable");
    json(&server, r#"{"token":1}"#).await.is_problem(400, "unreadable");
    for (field, value) in [("p1", ""), ("c1", ""), ("u1", ""), ("1767600001", "hunter2"), ("1767600001", ""), ("1767600001", "99999999999999999999")]
    {
        let answer = form(&server, &FORM.replace(&format!("={field}"), &format!("={value}"))).await;
        assert!(!answer.is_problem(422, "refused").body.contains("hunter2"), "{answer:?}");
    }
    json(&server, &JSON.replace("\"json\"", "[\"hunter2\"]")).await.is_problem(422, "refused");
    server.send("GET", PATH, &[], b"").await.is_problem(405, "wrong-method");
    assert!(world.chats().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn damaged_bodies_end_no_receiver() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("CONSIGN_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let (_world, server) = world().await;
    for round in 0..300 {
        let mut body = if round % 2 == 0 { FORM.as_bytes().to_vec() } else { JSON.as_bytes().to_vec() };
        for _ in 0..dice.usize(1..5) {
            let at = dice.usize(0..body.len());
            match dice.u8(0..3) {
                0 => body[at] = dice.u8(..),
                1 => body.truncate(at.max(1)),
                _ => body.splice(at..at, *b"%&=\"\xff").for_each(drop),
            }
        }
        let kind = if round % 2 == 0 { "application/x-www-form-urlencoded" } else { "application/json" };
        let answer = server.post(PATH, &[("Content-Type", kind)], &body).await;
        assert!(matches!(answer.status, 200 | 400 | 401 | 422), "{answer:?}");
    }
    server.stop().await;
}
