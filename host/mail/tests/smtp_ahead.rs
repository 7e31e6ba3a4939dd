//! Envelopes that go out behind another e-mail's text: what servers do wrong with them, many at once, and the leave that a text waits for.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consign_mail::smtp::Sender;
use consign_model::delivery::{Outcome, RecipientOutcome};
use futures::future::{join, join_all};
use serde_json::json;
use support::given::{Random, email, target};
use support::server::{Act, Options, Point, Server, Visit};
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

const FROM: &str = "j@corp.example";

fn to(name: &str) -> [String; 1] {
    [format!("{name}@archive.example")]
}

fn word(outcomes: &[RecipientOutcome]) -> &'static str {
    assert_eq!(outcomes.len(), 1);
    outcomes[0].outcome.word()
}

/// What is accepted is answered with the e-mail's subject.
fn kept(visit: &Visit<'_>) -> Vec<u8> {
    format!("250 2.0.0 kept {}\r\n", visit.line.lines().next().unwrap_or_default()).into_bytes()
}

fn is_own(outcomes: &[RecipientOutcome], subject: &str) -> bool {
    matches!(&outcomes[0].outcome, Outcome::Accepted { reply } if reply.text == format!("2.0.0 kept Subject: {subject}"))
}

/// Sends them as one after the other comes to its turn: the first is not past its envelope before the last waits.
async fn together(sender: &Sender, names: &[&str]) -> Vec<Vec<RecipientOutcome>> {
    let send = |name: &&str| {
        let name = (*name).to_owned();
        async move { sender.send_with(FROM, &to(&name), &email(&name, 500), yield_now()).await.0 }
    };
    join_all(names.iter().map(send)).await
}

/// A server says something twice, be it to an e-mail's text or to a command that went out behind it: no answer is taken for another e-mail's or recipient's.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_many() {
    let twice = [(Point::AfterDot, 1), (Point::Mail, 2), (Point::Rcpt, 2), (Point::Rcpt, 3), (Point::Data, 2)];
    for ((point, nth), refused) in
        twice.into_iter().flat_map(|at| [[false, false], [false, true], [true, false], [true, true]].map(|refused| (at, refused)))
    {
        let server = Server::start(Options::default(), move |visit| {
            let normal = match visit.point {
                Point::AfterDot => kept(visit),
                Point::Mail => b"250 2.1.0 ok\r\n".to_vec(),
                Point::Rcpt if visit.line.contains("third") && refused[0] => b"550 5.1.1 third\r\n".to_vec(),
                Point::Rcpt if visit.line.contains("other") && refused[1] => b"450 4.1.1 other\r\n".to_vec(),
                Point::Rcpt => b"250 2.1.5 ok\r\n".to_vec(),
                Point::Data => b"354 go\r\n".to_vec(),
                _ => return Act::Normal,
            };
            let twice = (visit.connection, visit.point, visit.nth) == (0, point, nth);
            Act::Say(if twice { [normal.as_slice(), &normal].concat() } else { normal })
        });
        let sender = Sender::new(target(server.address, &json!({"connections": 1})));
        assert!(is_own(&together(&sender, &["first"]).await[0], "first"));
        let recipients = [to("third"), to("other")].concat();
        let third = async { sender.send_with(FROM, &recipients, &email("third", 500), yield_now()).await.0 };
        // The second is waiting for its leave when the third comes, and that goes before the fourth.
        let ((second, third), fourth) = join(join(together(&sender, &["second"]), third), together(&sender, &["fourth"])).await;
        let what = format!("{point:?} twice, refused: {refused:?}: {third:?}");
        assert!(is_own(&second[0], "second"), "{what}: {second:?}");
        // A second 354 may be seen before the dot goes out, or only instead of its answer: then it is open what became of the e-mail.
        let spoilt = (point == Point::Data).then_some(["not_sent", "unknown"]);
        for ((one, refused), name) in third.iter().zip(refused).zip(["third", "other"]) {
            match &one.outcome {
                Outcome::Accepted { reply } if !refused => assert_eq!(reply.text, "2.0.0 kept Subject: third", "{what}"),
                Outcome::Rejected { reply } | Outcome::Deferred { reply } if refused => assert!(reply.text.ends_with(name), "{what}"),
                other => assert!(spoilt.is_some_and(|words| words.contains(&other.word())) && !refused, "{what}"),
            }
        }
        if spoilt.is_none() {
            assert!(is_own(&fourth[0], "fourth"), "{what}: {fourth:?}");
        }
        let came = server.came();
        for (name, whom) in [("first", to("first").to_vec()), ("second", to("second").to_vec())] {
            let count = came.iter().filter(|one| one.accepted && one.bytes == email(name, 500) && one.recipients == whom).count();
            assert_eq!(count, 1, "{name}: {what}");
        }
        let takers: Vec<String> = recipients.iter().zip(refused).filter(|(_, refused)| !refused).map(|(recipient, _)| recipient.clone()).collect();
        let of_third: Vec<_> = came.iter().filter(|one| one.bytes == email("third", 500)).map(|one| one.recipients.clone()).collect();
        let arrived = third.iter().any(|one| matches!(one.outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }));
        assert_eq!(of_third, if arrived { vec![takers] } else { Vec::new() }, "{what}");
    }
}

/// A server that takes what comes behind a text for a part of it, or throws it away: the e-mail goes over another connection, and none is said ahead any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_what_is_behind_a_text() {
    let server = Server::start(Options::default(), |visit| match visit.point {
        Point::AfterDot if (visit.connection, visit.nth) == (0, 1) => Act::Behind(Box::new(Act::Forget(kept(visit)))),
        Point::AfterDot => Act::Say(kept(visit)),
        _ => Act::Normal,
    });
    let mut target = target(server.address, &json!({"connections": 1}));
    // Long enough that no other step reaches it on a busy machine.
    target.timeouts.command = Duration::from_secs(2);
    let sender = Sender::new(target);
    assert!(is_own(&together(&sender, &["one"]).await[0], "one"));
    let names = ["two", "three", "four", "five", "six"];
    let outcomes = together(&sender, &names).await;
    for (outcomes, name) in outcomes.iter().zip(names) {
        assert!(is_own(outcomes, name), "{name}: {outcomes:?}");
    }
    assert_eq!(server.came().iter().filter(|one| one.accepted).count(), 6);
    // The one that was lost; what came after it waited for its turn.
    assert_eq!(server.truth.lock().unwrap().behind, 1);
}

/// A server that says 354 after it has refused everybody: no text is sent to nobody, not even an empty one.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_for_nobody() {
    let server = Server::start(Options { data_for_nobody: true, ..Options::default() }, |visit| match visit.point {
        Point::Rcpt if visit.line.contains("nobody") => Act::Say(b"550 5.1.1 nobody\r\n".to_vec()),
        Point::Mail if visit.line.contains("SIZE=1") => Act::Say(b"552 5.3.4 no\r\n".to_vec()),
        Point::AfterDot => Act::Say(kept(visit)),
        _ => Act::Normal,
    });
    let sender = Sender::new(target(server.address, &json!({"connections": 1})));
    for round in 0..5 {
        let outcomes = together(&sender, &["good", "nobody", "better", "nobody"]).await;
        assert_eq!(outcomes.iter().map(|one| word(one)).collect::<Vec<_>>(), ["accepted", "rejected", "accepted", "rejected"], "{round}");
        // And where the sender is refused.
        assert_eq!(word(&sender.send(FROM, &to("a"), b"Subject: s\r\n\r\n").await), "rejected", "{round}");
    }
    let came = server.came();
    assert!(came.len() == 10 && came.iter().all(|one| !one.recipients.is_empty()), "{came:?}");
    assert!(came.iter().all(|one| [email("good", 500), email("better", 500)].contains(&one.bytes)));
}

/// Behind a text that was refused nothing more is said on that connection, not even RSET; what had been said behind it goes over another one.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_refused_text() {
    for refusal in ["554 5.7.1 no\r\n", "451 4.7.1 later\r\n"] {
        let server = Server::start(Options { keep_streams: true, ..Options::default() }, move |visit| match visit.point {
            Point::AfterDot if visit.line.contains("bad") => Act::Behind(Box::new(Act::Say(refusal.as_bytes().to_vec()))),
            Point::AfterDot => Act::Say(kept(visit)),
            _ => Act::Normal,
        });
        let sender = Sender::new(target(server.address, &json!({"connections": 1})));
        assert!(is_own(&together(&sender, &["good"]).await[0], "good"));
        let outcomes = together(&sender, &["bad", "next"]).await;
        assert!(!outcomes[0][0].outcome.is_accepted() && is_own(&outcomes[1], "next"), "{outcomes:?}");
        sender.close().await;
        server.until("all were closed", |truth| truth.open == 0).await;
        let end = format!("\r\n.\r\nMAIL FROM:<{FROM}> SIZE={}\r\nRCPT TO:<next@archive.example>\r\nDATA\r\n", email("next", 500).len());
        let streams = &server.truth.lock().unwrap().streams;
        assert!(streams[&0].ends_with(end.as_bytes()), "{}", String::from_utf8_lossy(&streams[&0]));
    }
}

/// A server that refuses every text is not connected to anew for each.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_in_a_row() {
    let server = Server::start(Options::default(), |visit| match visit.point {
        Point::AfterDot if visit.line.contains("bad") => Act::Say(format!("554 5.7.1 {}\r\n", visit.line.lines().next().unwrap()).into_bytes()),
        Point::AfterDot => Act::Say(kept(visit)),
        _ => Act::Normal,
    });
    let sender = Sender::new(target(server.address, &json!({"connections": 1})));
    let names: Vec<String> = (0..40).map(|number| if number == 0 { "good".to_owned() } else { format!("bad{number}") }).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let outcomes = together(&sender, &names).await;
    for (outcomes, name) in outcomes.iter().zip(&names) {
        match &outcomes[0].outcome {
            Outcome::Rejected { reply } if *name != "good" => assert_eq!(reply.text, format!("5.7.1 Subject: {name}")),
            _ => assert!(is_own(outcomes, name), "{outcomes:?}"),
        }
    }
    let hellos = server.commands().iter().filter(|line| line.starts_with("EHLO")).count();
    assert!(hellos <= 2, "{hellos} connections");
}

/// The text waits for its leave, whatever is said meanwhile; without a text there is none.
#[tokio::test(flavor = "multi_thread")]
async fn the_leave_of_a_text() {
    let server = Server::start(Options::default(), |visit| match visit.point {
        Point::Rcpt if visit.line.contains("nobody") => Act::Say(b"550 5.1.1 nobody\r\n".to_vec()),
        Point::AfterDot => Act::Say(kept(visit)),
        _ => Act::Normal,
    });
    let sender = Sender::new(target(server.address, &json!({"connections": 1})));
    assert_eq!(word(&sender.send(FROM, &to("a"), &email("zero", 500)).await), "accepted");
    let (give, leave) = oneshot::channel::<u8>();
    // The second's envelope goes out behind the first, and is all that does until the leave is given.
    let first = async { sender.send_with(FROM, &to("first"), &email("first", 500), yield_now()).await };
    let second = async { sender.send_with(FROM, &to("second"), &email("second", 500), leave).await };
    let watch = async {
        server.until("DATA of the second", |truth| truth.commands.iter().filter(|(_, line)| line == "DATA").count() == 3).await;
        server.until("the first", |truth| truth.came.len() == 2).await;
        assert!(!server.came().iter().any(|one| one.bytes == email("second", 500)));
        give.send(7).unwrap();
    };
    let ((first, second), ()) = join(join(first, second), watch).await;
    assert!(is_own(&first.0, "first") && is_own(&second.0, "second"));
    assert_eq!((first.1, second.1), (Some(()), Some(Ok(7))));
    assert_eq!(server.truth.lock().unwrap().behind, 1);
    // No text, no leave.
    let asked = Notify::new();
    let (outcomes, given) = sender.send_with(FROM, &to("nobody"), &email("third", 500), asked.notified()).await;
    assert_eq!((word(&outcomes), given), ("rejected", None));
    // A send that is dropped while it waits for its leave leaves nothing behind.
    let dropped = async { sender.send_with(FROM, &to("fourth"), &email("fourth", 500), std::future::pending::<()>()).await };
    let data = server.until("DATA of the fourth", |truth| truth.commands.iter().filter(|(_, line)| line == "DATA").count() == 5);
    tokio::select! {
        _ = dropped => panic!("it was sent without leave"),
        () = data => {}
    }
    assert!(is_own(&sender.send(FROM, &to("fifth"), &email("fifth", 500)).await, "fifth"));
    assert!(!server.came().iter().any(|one| one.bytes == email("fourth", 500)));
}

/// Many senders over a few connections, of which any may be dropped at any time, to a server that refuses, goes away and says odd things now and then: who is
/// told of an outcome is told its own, nothing that counts as sent is missing, and the server has no e-mail but those that were sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd() {
    let mut random = Random::new();
    let count = if std::env::var_os("CONSIGN_FULL").is_some() { 15_000 } else { 3000 };
    let visits = AtomicUsize::new(0);
    let server = Server::start(Options::default(), move |visit| {
        let odd = visits.fetch_add(1, Ordering::Relaxed).is_multiple_of(97);
        let about = |code: &str| format!("{code} {}\r\n", visit.line.lines().next().unwrap_or_default()).into_bytes();
        match visit.point {
            Point::AfterDot if visit.line.contains("bad") => Act::Say(about("550")),
            Point::AfterDot if odd => Act::Close,
            Point::AfterDot => Act::Say(about("250")),
            Point::Rcpt if visit.line.contains("none") => Act::Say(about("550")),
            Point::Mail | Point::Rcpt | Point::Data if odd && visit.connection % 3 == 0 => Act::Reset,
            Point::Mail | Point::Rcpt | Point::Data if odd && visit.connection % 3 == 1 => Act::SayAndClose(b"421 4.3.2 later\r\n".to_vec()),
            _ => Act::Normal,
        }
    });
    let sender = Arc::new(Sender::new(target(server.address, &json!({"connections": 3}))));
    let plans: Vec<(String, usize, usize)> = (0..count)
        .map(|number| {
            let kind = ["good", "good", "good", "good", "good", "bad", "none"][random.below(7)];
            // How often it is polled before it is dropped; most are not.
            let polls = if random.below(6) == 0 { random.below(12) } else { usize::MAX };
            (format!("{kind}{number}."), *random.pick(&[60, 700, 70_000]), polls)
        })
        .collect();
    let next = Arc::new(AtomicUsize::new(0));
    let plans = Arc::new(plans);
    let work = |_| {
        let (sender, next, plans) = (sender.clone(), next.clone(), plans.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some((name, size, polls)) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (recipients, message) = (to(name), email(name, *size));
                let mut send = Box::pin(sender.send(FROM, &recipients, &message));
                let mut left = *polls;
                let done = std::future::poll_fn(|context| {
                    if left == 0 {
                        return std::task::Poll::Ready(None);
                    }
                    left -= 1;
                    send.as_mut().poll(context).map(Some)
                });
                seen.push((name.clone(), *size, done.await));
            }
            seen
        })
    };
    let mut seen = Vec::new();
    for task in (0..24).map(work).collect::<Vec<_>>() {
        seen.extend(task.await.unwrap());
    }
    let came = server.came();
    let (mut accepted, mut dropped, mut unknown) = (0, 0, 0);
    for (name, size, outcomes) in &seen {
        let mine: Vec<_> = came.iter().filter(|one| one.recipients == to(name)).collect();
        assert!(mine.iter().all(|one| one.bytes == email(name, *size)), "{name}: other bytes came");
        assert!(mine.len() <= 1, "{name}: it came {} times", mine.len());
        let took = mine.iter().filter(|one| one.accepted).count();
        let Some(outcomes) = outcomes else {
            dropped += 1;
            continue;
        };
        let own = |reply: &consign_model::delivery::Reply| assert!(reply.text.contains(name) || reply.code == 421, "{name}: {reply:?}");
        match &outcomes[0].outcome {
            Outcome::Accepted { reply } => {
                own(reply);
                assert!(name.starts_with("good") && took == 1, "{name}: {outcomes:?}");
                accepted += 1;
            }
            Outcome::Rejected { reply } => {
                own(reply);
                assert!(!name.starts_with("good") && took == 0, "{name}: {outcomes:?}");
            }
            Outcome::Deferred { reply } => {
                own(reply);
                assert!(took == 0 && mine.is_empty(), "{name}: {outcomes:?}");
            }
            Outcome::NotSent { .. } => assert!(mine.is_empty(), "{name}: {outcomes:?}"),
            Outcome::Unknown { .. } => {
                assert_eq!(mine.len(), 1, "{name}: {outcomes:?}");
                unknown += 1;
            }
        }
    }
    assert!(came.iter().all(|one| seen.iter().any(|(name, ..)| one.recipients == to(name))), "an e-mail came that nobody sent");
    let truth = server.truth.lock().unwrap();
    println!("{count} e-mails: {accepted} accepted, {dropped} dropped, {unknown} unknown; {} texts with an envelope behind them", truth.behind);
    assert!(accepted > count / 4 && dropped > count / 40 && unknown > 0 && truth.behind > count / 10);
}
