//! Strangers who are slow, in every way in which one can be: whoever has a token is answered all the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod support;

use std::time::Duration;

use support::{Answer, Server, World, head};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const EVENTS: &str = "/v1/sources/desk/events";
const MATTERMOST: &str = "/v1/sources/mm/mattermost";
const SLACK: &str = "/v1/sources/slack/slack";
const TOKEN: (&str, &str) = ("Authorization", "Bearer s3cret");
const FORM: &str = "token=s3cret&channel_id=c1&timestamp=1767600001&user_id=u1&post_id=p1&text=hi";

async fn receive(world: &World) -> Server {
    let file = world.path().join("token");
    std::fs::write(&file, "s3cret").unwrap();
    let secret = format!("{{ file = \"{}\" }}", file.display());
    let source = |name: &str, kind: &str, field: &str| format!("[[source]]\nname = \"{name}\"\nkind = \"{kind}\"\n{field} = {secret}\n");
    let bounds = "[receive]\nmax-body = \"64 KiB\"\nmax-waiting = \"256 KiB\"\nmax-connections = 8\nbody-pause-seconds = 60\n";
    let sources = [("desk", "events", "token"), ("mm", "mattermost-webhook", "token"), ("slack", "slack-events", "signing-secret")];
    world.receive(&sources.iter().fold(bounds.to_owned(), |all, (name, kind, field)| all + &source(name, kind, field))).await
}

/// Somebody who announces a body of so many bytes, is told to go on, and sends some of them.
async fn stranger(server: &Server, path: &str, announced: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let now = (consign_model::Timestamp::now().0 / 1000).to_string();
    let headers = [("Expect", "100-continue"), ("X-Slack-Request-Timestamp", now.as_str())];
    stream.write_all(head("POST", path, &headers, announced).as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&vec![b'a'; sent]).await.unwrap();
    stream
}

/// A client with a token, with the largest body that there may be. Nobody keeps it waiting: strangers' own time is longer than this.
async fn is_answered(server: &Server, id: &str) {
    let line =
        format!(r#"{{"type":"message","chat":"C1","id":"{id}","at":"2026-01-05T08:00:00.000Z","user":"U1","text":"{}"}}"#, "x".repeat(60 << 10));
    let answer = tokio::time::timeout(Duration::from_secs(20), server.post(EVENTS, &[TOKEN], line.as_bytes())).await.unwrap();
    assert_eq!(answer.figures(), (1, 0, 0));
}

#[tokio::test]
async fn bodies_that_do_not_come_fill_half_of_it() {
    let world = World::new().await;
    let server = receive(&world).await;
    // Announced alone it costs nothing: a real one fits in beside.
    let mut strangers = vec![stranger(&server, MATTERMOST, 64 << 10, 0).await, stranger(&server, SLACK, 64 << 10, 0).await];
    assert_eq!(server.post(MATTERMOST, &[], FORM.as_bytes()).await.status, 200);
    is_answered(&server, "m1").await;
    // Sent to all but the last byte they may have as much as this.
    strangers.push(stranger(&server, SLACK, 60 << 10, (60 << 10) - 1).await);
    strangers.push(stranger(&server, MATTERMOST, 60 << 10, (60 << 10) - 1).await);
    // Their half is full, and the slowest goes for whoever sends at once: the platform is never told to come back.
    for round in 0..6 {
        assert_eq!(server.post(MATTERMOST, &[], FORM.as_bytes()).await.status, 200);
        is_answered(&server, &format!("n{round}")).await;
        strangers.push(stranger(&server, if round % 2 == 0 { MATTERMOST } else { SLACK }, 60 << 10, (60 << 10) - 1).await);
    }
    Answer::read(&mut strangers.remove(0)).await.is_problem(429, "full");
    drop(strangers);
    server.stop().await;
}

#[tokio::test]
async fn connections_that_say_nothing_go_for_those_that_do() {
    let world = World::new().await;
    let server = receive(&world).await;
    let mut strangers = Vec::new();
    for _ in 0..3 {
        strangers.push(stranger(&server, MATTERMOST, 1000, 10).await);
    }
    for round in 0..3 {
        // More than there are places, silent or in the middle of a head, or with an answer after which they say nothing more.
        for number in 0..8 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            match number % 3 {
                0 => {}
                1 => stream.write_all(b"POST /v1/sources/desk/events HTTP/1.1\r\nHost").await.unwrap(),
                _ => {
                    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
                    let mut answer = [0; 12];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(&answer, b"HTTP/1.1 404");
                }
            }
            strangers.push(stream);
        }
        is_answered(&server, &format!("m{round}")).await;
    }
    // Whoever was let in was not broken off for it.
    let mut first = strangers.remove(0);
    first.write_all(&[b'a'; 990]).await.unwrap();
    Answer::read(&mut first).await.is_problem(401, "not-signed-in");
    drop(strangers);
    server.stop().await;
}
