//! What a table of points and faults (`smtp_points`) can't say: connections over their lives, sends that are dropped, and what a server offers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use consign_mail::smtp::Sender;
use consign_model::delivery::{Obstacle, Outcome, RecipientOutcome};
use serde_json::json;
use support::given::{email, target};
use support::server::{Act, Options, Point, Server};

fn people(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}@archive.example")).collect()
}

fn words(outcomes: &[RecipientOutcome]) -> Vec<&'static str> {
    outcomes.iter().map(|one| one.outcome.word()).collect()
}

#[tokio::test]
async fn nobody_answers_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcomes = Sender::new(target(address, &json!({}))).send("j@corp.example", &people(&["a"]), &email("x", 10)).await;
    let Outcome::NotSent { reason, obstacle: Obstacle::Passing } = &outcomes[0].outcome else { panic!("{outcomes:?}") };
    assert!(reason.contains("refused") && reason.contains("Check host and port"), "{reason}");
    let outcomes =
        Sender::new(target(address, &json!({"host": "no-such-host.invalid"}))).send("j@corp.example", &people(&["a"]), &email("x", 10)).await;
    let Outcome::NotSent { reason, obstacle: Obstacle::Passing } = &outcomes[0].outcome else { panic!("{outcomes:?}") };
    assert!(reason.contains("no-such-host.invalid"), "{reason}");
}

/// A server may close an idle connection at any time: nothing is lost, nothing sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed() {
    for last_words in ["250 2.0.0 kept\r\n", "250 2.0.0 kept\r\n421 4.4.2 idle too long\r\n"] {
        let server = Server::start(Options::default(), move |visit| match visit.point {
            Point::AfterDot => Act::SayAndClose(last_words.as_bytes().to_vec()),
            _ => Act::Normal,
        });
        let sender = Sender::new(target(server.address, &json!({"connections": 2})));
        for number in 0..60 {
            let outcomes = sender.send("j@corp.example", &people(&["a"]), &email(&format!("n{number}"), 200)).await;
            assert_eq!(words(&outcomes), ["accepted"], "{outcomes:?}");
        }
        let subjects: Vec<Vec<u8>> = server.came().into_iter().map(|one| one.bytes).collect();
        assert_eq!(subjects, (0..60).map(|number| email(&format!("n{number}"), 200)).collect::<Vec<_>>());
    }
    // The answer to MAIL is the good-bye, or there is none: on a used connection that means a new one, on a new one it is the outcome.
    for act in [Act::Close, Act::SayAndClose(b"421 4.4.2 idle too long\r\n".to_vec())] {
        let script = act.clone();
        let server = Server::start(Options::default(), move |visit| match visit.point {
            Point::Mail if visit.nth == 1 => script.clone(),
            _ => Act::Normal,
        });
        let sender = Sender::new(target(server.address, &json!({"connections": 1})));
        for number in 0..10 {
            let outcomes = sender.send("j@corp.example", &people(&["a"]), &email(&format!("n{number}"), 200)).await;
            assert_eq!(words(&outcomes), ["accepted"], "{outcomes:?}");
        }
        assert_eq!(server.came().len(), 10);
        let always = Server::start(Options::default(), move |visit| if visit.point == Point::Mail { act.clone() } else { Act::Normal });
        let outcomes = Sender::new(target(always.address, &json!({}))).send("j@corp.example", &people(&["a"]), &email("x", 200)).await;
        assert!(!outcomes[0].outcome.is_accepted());
        always.until("it tried once", |truth| truth.open == 0).await;
        assert_eq!(always.commands().iter().filter(|line| line.starts_with("MAIL")).count(), 1, "tried again on a new connection");
    }
}

/// A send that is dropped after any number of its steps leaves nothing behind that the next one could meet.
#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_dropped() {
    let server = Server::start(Options::default(), |visit| match visit.point {
        Point::AfterDot if visit.line.contains("odd") => Act::Say(format!("550 5.0.0 {}\r\n", visit.line.lines().next().unwrap()).into_bytes()),
        Point::AfterDot => Act::Say(format!("250 2.0.0 {}\r\n", visit.line.lines().next().unwrap()).into_bytes()),
        _ => Act::Normal,
    });
    let sender = Sender::new(target(server.address, &json!({"connections": 2})));
    let mut finished = 0;
    for polls in 0..40 {
        let subject = format!("dropped{polls} odd");
        let message = email(&subject, 150_000);
        let recipients = people(&["a", "b"]);
        let mut dropped = Box::pin(sender.send("j@corp.example", &recipients, &message));
        let mut left = polls;
        let done = std::future::poll_fn(|context| {
            if left == 0 {
                return std::task::Poll::Ready(None);
            }
            left -= 1;
            dropped.as_mut().poll(context).map(Some)
        })
        .await;
        drop(dropped);
        finished += usize::from(done.is_some());
        for kind in ["even", "odd"] {
            let subject = format!("next{polls} {kind}");
            let outcomes = sender.send("j@corp.example", &people(&["c"]), &email(&subject, 500)).await;
            let reply = match &outcomes[0].outcome {
                Outcome::Accepted { reply } if kind == "even" => reply,
                Outcome::Rejected { reply } if kind == "odd" => reply,
                other => panic!("after {polls} polls: {other:?}"),
            };
            assert!(reply.text.ends_with(&subject), "after {polls} polls: {reply:?}");
        }
    }
    assert!(finished < 40, "no send was dropped midway");
    let came = server.came();
    for polls in 0..40 {
        for kind in ["even", "odd"] {
            let bytes = email(&format!("next{polls} {kind}"), 500);
            assert_eq!(came.iter().filter(|one| one.bytes == bytes).count(), 1);
        }
    }
}

/// Export spawns its sends.
fn movable<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_than_allowed() {
    let server = Server::start(Options::default(), |visit| match visit.point {
        Point::AfterDot if visit.line.contains("bad") => Act::Close,
        _ => Act::Normal,
    });
    let sender = Sender::new(target(server.address, &json!({"connections": 3})));
    let send = |number: usize| {
        let sender = &sender;
        movable(async move {
            let subject = if number % 10 == 7 { format!("bad{number}") } else { format!("good{number}") };
            sender.send("j@corp.example", &people(&["a"]), &email(&subject, 5000)).await
        })
    };
    let all = futures::future::join_all((0..200).map(send)).await;
    let accepted = all.iter().filter(|outcomes| outcomes[0].outcome.is_accepted()).count();
    assert_eq!(accepted, 180);
    // One that the sender closed may still be open at the server: the 20 that it closed itself are not.
    assert!(server.truth.lock().unwrap().most_open <= 3, "{}", server.truth.lock().unwrap().most_open);
    sender.close().await;
    server.until("all were closed", |truth| truth.open == 0).await;
    let farewells = server.commands().iter().filter(|line| *line == "QUIT").count();
    assert!((1..=3).contains(&farewells), "{farewells}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_idle_connection_says_good_bye() {
    let server = Server::start(Options::default(), |_| Act::Normal);
    let mut target = target(server.address, &json!({}));
    target.timeouts.idle = Duration::from_millis(30);
    let sender = Sender::new(target);
    for round in 1..=3 {
        assert!(sender.send("j@corp.example", &people(&["a"]), &email("x", 100)).await[0].outcome.is_accepted());
        server.until("QUIT", |truth| truth.commands.iter().filter(|(_, line)| line == "QUIT").count() >= round && truth.open == 0).await;
    }
}

#[tokio::test]
async fn what_the_server_does_not_take_is_not_begun() {
    let server = Server::start(Options { offers: vec!["SIZE 1000"], ..Options::default() }, |_| Act::Normal);
    let sender = Sender::new(target(server.address, &json!({})));
    let reason = |outcomes: &[RecipientOutcome]| match &outcomes[0].outcome {
        Outcome::NotSent { reason, obstacle: Obstacle::Lasting } => reason.clone(),
        other => panic!("{other:?}"),
    };
    let to = people(&["a"]);
    let large = sender.send("j@corp.example", &to, &email("x", 1001)).await;
    assert!(reason(&large).contains("1000 at most") && reason(&large).contains("held retry ID --current"), "{large:?}");
    let eight = sender.send("j@corp.example", &to, "Subject: x\r\n\r\nGrüße\r\n".as_bytes()).await;
    assert!(reason(&eight).contains("8BITMIME"), "{eight:?}");
    let sender_name = sender.send("jürgen@corp.example", &to, &email("x", 10)).await;
    assert!(reason(&sender_name).contains("SMTPUTF8"), "{sender_name:?}");
    for bad in [&b"a\nb\r\n"[..], b"a\r\n.\nb\r\n", b"no end", b""] {
        assert!(reason(&sender.send("j@corp.example", &to, bad).await).contains("the e-mail"));
    }
    let injected = sender.send("j@corp.example> SIZE=1\r\nRCPT TO:<x@y", &to, &email("x", 10)).await;
    assert!(reason(&injected).contains("sender"), "{injected:?}");
    assert!(!server.commands().iter().any(|line| line.starts_with("MAIL")), "{:?}", server.commands());
    // One bad recipient is its own affair.
    let mixed = [to[0].clone(), "x@y>\r\nDATA".to_owned(), "佐藤@archive.example".to_owned(), "b@archive.example".to_owned()];
    let outcomes = sender.send("j@corp.example", &mixed, &email("x", 10)).await;
    assert_eq!(words(&outcomes), ["accepted", "not_sent", "not_sent", "accepted"]);
    assert!(outcomes.iter().all(|one| one.outcome.is_accepted() || one.outcome.is_not_sendable()), "{outcomes:?}");
    assert_eq!(server.came()[0].recipients, ["a@archive.example", "b@archive.example"]);
    assert!(sender.send("j@corp.example", &[], &email("x", 10)).await.is_empty());
}

#[tokio::test]
async fn what_is_offered_is_used() {
    let server = Server::start(Options::default(), |_| Act::Normal);
    let sender = Sender::new(target(server.address, &json!({})));
    let bytes = "Subject: x\r\n\r\nGrüße\r\n".as_bytes();
    let outcomes = sender.send("j@corp.example", &["佐藤@archive.example".to_owned()], bytes).await;
    assert_eq!(words(&outcomes), ["accepted"]);
    assert_eq!(server.came()[0].mail, format!("MAIL FROM:<j@corp.example> SIZE={} BODY=8BITMIME SMTPUTF8", bytes.len()));
    assert_eq!(server.came()[0].bytes, bytes);
    let checked = sender.check().await.unwrap();
    assert_eq!((checked.greeting.code, checked.tls, checked.signed_in, checked.max_size), (220, None, None, None));
    assert!(checked.offers.contains(&"PIPELINING".to_owned()));
    // An old server.
    let old =
        Server::start(Options::default(), |visit| if visit.point == Point::Ehlo { Act::Say(b"502 5.5.1 what?\r\n".to_vec()) } else { Act::Normal });
    let outcomes = Sender::new(target(old.address, &json!({}))).send("j@corp.example", &people(&["a"]), &email("x", 10)).await;
    assert_eq!(words(&outcomes), ["accepted"]);
    assert_eq!(old.commands()[..3], ["EHLO test.example", "HELO test.example", "MAIL FROM:<j@corp.example>"]);
}
