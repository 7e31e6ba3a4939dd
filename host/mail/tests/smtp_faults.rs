//! Every step of a session fails in every way once: the outcome says what truly happened at the server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use consign_mail::smtp::Sender;
use consign_model::delivery::{Obstacle, Outcome, RecipientOutcome};
use serde_json::json;
use support::{Act, Options, Point, Random, Server, email, target};

fn people(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}@archive.example")).collect()
}

fn words(outcomes: &[RecipientOutcome]) -> Vec<&'static str> {
    outcomes.iter().map(|one| one.outcome.word()).collect()
}

/// How a server can misbehave at a point, with a name for the test's text.
fn misdeeds() -> Vec<(&'static str, Act)> {
    let say = |text: &str| Act::Say(text.as_bytes().to_vec());
    let last = |text: &str| Act::SayAndClose(text.as_bytes().to_vec());
    let mut long = b"250 ".to_vec();
    long.resize(1001, b'x');
    long.extend_from_slice(b"\r\n");
    vec![
        ("421", last("421 4.3.2 going down\r\n")),
        ("421 open", say("421 4.3.2 going down\r\n")),
        ("451", say("451-4.7.1 come\r\n451 4.7.1 later\r\n")),
        ("550", say("550-5.7.1 never\r\n550 5.7.1 ever\r\n")),
        ("571", say("571 no\r\n")),
        ("close", Act::Close),
        ("stall", Act::Stall),
        ("garbage", say("HTTP/1.1 400 Bad Request\r\n")),
        ("zeros", say("\0\0\0\0\r\n")),
        ("two codes", say("250-a\r\n550 b\r\n")),
        ("long line", Act::Say(long)),
        ("no end of line", Act::Say(b"2".repeat(200_000))),
        ("no end of reply", Act::Say(b"250-x\r\n".repeat(20_000))),
        ("half a line", last("250 o")),
        ("half a reply", last("250-one\r\n")),
        ("half a reply, then nothing", say("250-one\r\n")),
    ]
}

/// The expected outcome. `None`: the misdeed is none at this point.
fn expected(point: Point, misdeed: &str) -> &'static str {
    let before_the_email = matches!(point, Point::Greeting | Point::Ehlo | Point::Auth);
    match misdeed {
        "421" | "421 open" | "451" => "deferred",
        "550" | "571" if before_the_email => "not_sent",
        "550" | "571" => "rejected",
        _ if point == Point::AfterDot => "unknown",
        _ => "not_sent",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_fails_in_every_way() {
    let points = [Point::Greeting, Point::Ehlo, Point::Auth, Point::Mail, Point::Rcpt, Point::Data, Point::AfterDot];
    let secrets = tempfile::tempdir().unwrap();
    let password = secrets.path().join("password");
    std::fs::write(&password, "sesame\n").unwrap();
    for pipelining in [true, false] {
        for point in points {
            for (name, act) in misdeeds() {
                let what = format!("{name} at {point:?}, pipelining {pipelining}");
                println!("{what}");
                let mut options = Options::default();
                options.offers.push("AUTH PLAIN");
                if !pipelining {
                    options.offers.retain(|offer| *offer != "PIPELINING");
                }
                let stalls = matches!(act, Act::Stall) || name == "half a reply, then nothing";
                // At RCPT the second of three.
                let nth = usize::from(point == Point::Rcpt);
                let server =
                    Server::start(options, move |visit| if visit.point == point && visit.nth == nth { act.clone() } else { Act::Normal }).await;
                let mut target = target(server.address, &json!({"username": "u", "password": {"file": password}}));
                if stalls {
                    let short = Duration::from_millis(150);
                    match point {
                        Point::AfterDot => target.timeouts.end_of_data = short,
                        Point::Data => target.timeouts.data = short,
                        _ => target.timeouts.command = short,
                    }
                }
                let sender = Sender::new(target);
                let recipients = people(&["a", "b", "c"]);
                let outcomes = sender.send("journal@corp.example", &recipients, &email("one", 2000)).await;
                let names: Vec<&str> = outcomes.iter().map(|one| one.recipient.as_str()).collect();
                assert_eq!(names, recipients, "{what}");
                let word = expected(point, name);
                if point == Point::Rcpt && matches!(name, "451" | "550" | "571") {
                    assert_eq!(words(&outcomes), ["accepted", word, "accepted"], "{what}: {outcomes:?}");
                } else {
                    assert_eq!(words(&outcomes), [word; 3], "{what}: {outcomes:?}");
                }
                // The whole reply, and what truly happened.
                for one in &outcomes {
                    match &one.outcome {
                        Outcome::Deferred { reply } if name == "451" => assert_eq!(reply, &support::reply(451, "4.7.1 come\n4.7.1 later")),
                        Outcome::Rejected { reply } if name == "550" => assert_eq!(reply, &support::reply(550, "5.7.1 never\n5.7.1 ever")),
                        Outcome::NotSent { reason, .. } | Outcome::Unknown { reason } => {
                            assert!(reason.contains(&server.address.to_string()), "{what}: {reason}");
                            assert!(!reason.contains("sesame"), "{what}: {reason}");
                        }
                        _ => {}
                    }
                }
                let came = server.came();
                if point != Point::AfterDot && word == "not_sent" {
                    assert!(came.is_empty(), "{what}: said not sent, but the server has it");
                }
                // Whatever it was, the next e-mail on this sender fares on its own.
                if point == Point::AfterDot && !stalls {
                    let next = sender.send("journal@corp.example", &people(&["d"]), &email("two", 100)).await;
                    let again = if name == "451" || name == "550" || name == "571" { "accepted" } else { word };
                    assert_eq!(words(&next), [again], "{what}: {next:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_cut_off() {
    // More than all the buffers on the way hold.
    let large = email("large", 24 << 20);
    for (name, act, allowed) in [
        ("close", Act::Close, &["not_sent"][..]),
        ("stall", Act::Stall, &["not_sent"]),
        ("550, reading on", Act::Say(b"552 5.3.4 too much\r\n".to_vec()), &["rejected"]),
        ("421, reading on", Act::Say(b"421 4.3.2 down\r\n".to_vec()), &["deferred"]),
        ("250 too early", Act::Say(b"250 2.0.0 kept\r\n".to_vec()), &["not_sent"]),
        // What is said last may be lost with the connection.
        ("421 and close", Act::SayAndClose(b"421 4.3.2 down\r\n".to_vec()), &["deferred", "not_sent"]),
    ] {
        let server = Server::start(Options::default(), move |visit| if visit.point == Point::MidBody { act.clone() } else { Act::Normal }).await;
        let mut target = target(server.address, &json!({}));
        if name == "stall" {
            target.timeouts.chunk = Duration::from_millis(300);
        }
        let outcomes = Sender::new(target).send("j@corp.example", &people(&["a"]), &large).await;
        assert!(allowed.contains(&outcomes[0].outcome.word()), "{name}: {outcomes:?}");
        assert!(server.came().is_empty(), "{name}");
    }
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

/// Recipients are answered as their address says; each gets its own outcome, and the e-mail goes to those that were taken and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_in_random_mixtures() {
    let mut random = Random::new();
    let script = |visit: &support::Visit<'_>| {
        // Codes stand in the addresses and in the subject.
        let said = |code: &str| Act::Say(format!("{code} 4.0.0 {}\r\n", visit.line.replace("\r\n", " ")).into_bytes());
        match visit.point {
            Point::Data if visit.nth % 13 == 5 => said("451"),
            Point::Rcpt | Point::AfterDot => said(visit.line.split("code").nth(1).unwrap().get(..3).unwrap()),
            _ => Act::Normal,
        }
    };
    let offers = [Options::default(), Options { offers: vec!["SIZE"], ..Options::default() }];
    for options in offers {
        let server = Server::start(options, script).await;
        let sender = Sender::new(target(server.address, &json!({"connections": 1})));
        for number in 0..500 {
            let count = 1 + if random.below(50) == 0 { 120 } else { random.below(6) };
            let codes: Vec<&str> = (0..count).map(|_| *random.pick(&["250", "250", "451", "550"])).collect();
            let recipients: Vec<String> = codes.iter().enumerate().map(|(index, code)| format!("r{index}.code{code}@x.example")).collect();
            let last = *random.pick(&["250", "250", "250", "451", "554"]);
            let before = server.came().len();
            let datas = server.commands().iter().filter(|line| *line == "DATA").count();
            let outcomes = sender.send("j@corp.example", &recipients, &email(&format!("n{number} code{last}"), 300)).await;
            let came = server.came().split_off(before);
            let taken: Vec<&String> = recipients.iter().filter(|one| one.contains("code250")).collect();
            let asked = server.commands().iter().filter(|line| *line == "DATA").count() - datas;
            assert_eq!(asked, usize::from(!taken.is_empty()), "DATA is for somebody");
            let refused_at_data = !taken.is_empty() && came.is_empty();
            if let [one] = came.as_slice() {
                assert_eq!(one.recipients.iter().collect::<Vec<_>>(), taken);
            }
            for ((recipient, code), one) in recipients.iter().zip(&codes).zip(&outcomes) {
                assert_eq!(recipient, &one.recipient);
                let (code, of_its_own) = match *code {
                    "250" if refused_at_data => ("451", false),
                    "250" => (last, false),
                    code => (code, true),
                };
                let reply = match &one.outcome {
                    Outcome::Accepted { reply } | Outcome::Rejected { reply } | Outcome::Deferred { reply } => reply,
                    other => panic!("n{number}: {other:?}"),
                };
                assert_eq!(reply.code.to_string(), code);
                assert_eq!(
                    one.outcome.word(),
                    match code.as_bytes()[0] {
                        b'2' => "accepted",
                        b'4' => "deferred",
                        _ => "rejected",
                    }
                );
                // No answer of another recipient or e-mail.
                let marker = if of_its_own {
                    recipient.clone()
                } else if refused_at_data {
                    "DATA".to_owned()
                } else {
                    format!("n{number} ")
                };
                assert!(reply.text.contains(&marker), "n{number}: {reply:?} for {recipient}");
            }
        }
        // All on one connection: a refusal costs none.
        assert_eq!(server.truth.lock().unwrap().commands.iter().map(|(connection, _)| *connection).max(), Some(0));
    }
}

/// A server may close an idle connection at any time: nothing is lost, nothing sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed() {
    for last_words in ["250 2.0.0 kept\r\n", "250 2.0.0 kept\r\n421 4.4.2 idle too long\r\n"] {
        let server = Server::start(Options::default(), move |visit| match visit.point {
            Point::AfterDot => Act::SayAndClose(last_words.as_bytes().to_vec()),
            _ => Act::Normal,
        })
        .await;
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
        })
        .await;
        let sender = Sender::new(target(server.address, &json!({"connections": 1})));
        for number in 0..10 {
            let outcomes = sender.send("j@corp.example", &people(&["a"]), &email(&format!("n{number}"), 200)).await;
            assert_eq!(words(&outcomes), ["accepted"], "{outcomes:?}");
        }
        assert_eq!(server.came().len(), 10);
        let always = Server::start(Options::default(), move |visit| if visit.point == Point::Mail { act.clone() } else { Act::Normal }).await;
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
    })
    .await;
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
    })
    .await;
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
    let server = Server::start(Options::default(), |_| Act::Normal).await;
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
    let server = Server::start(Options { offers: vec!["SIZE 1000"], ..Options::default() }, |_| Act::Normal).await;
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
    let server = Server::start(Options::default(), |_| Act::Normal).await;
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
        Server::start(Options::default(), |visit| if visit.point == Point::Ehlo { Act::Say(b"502 5.5.1 what?\r\n".to_vec()) } else { Act::Normal })
            .await;
    let outcomes = Sender::new(target(old.address, &json!({}))).send("j@corp.example", &people(&["a"]), &email("x", 10)).await;
    assert_eq!(words(&outcomes), ["accepted"]);
    assert_eq!(old.commands()[..3], ["EHLO test.example", "HELO test.example", "MAIL FROM:<j@corp.example>"]);
}
