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
    for (point, nth) in [(Point::AfterDot, 1), (Point::Mail, 2), (Point::Rcpt, 2), (Point::Data, 2)] {
        // The DATA of one that is refused is never come to.
        for refused in [false, true].into_iter().take(if point == Point::Data { 1 } else { 2 }) {
            let server = Server::start(Options::default(), move |visit| {
                let normal = match visit.point {
                    Point::AfterDot => kept(visit),
                    Point::Mail => b"250 2.1.0 ok\r\n".to_vec(),
                    Point::Rcpt if refused && visit.line.contains("third") => b"550 5.1.1 nobody\r\n".to_vec(),
                    Point::Rcpt => b"250 2.1.5 ok\r\n".to_vec(),
                    Point::Data => b"354 go\r\n".to_vec(),
                    _ => return Act::Normal,
                };
                let act = if (visit.connection, visit.point, visit.nth) == (0, point, nth) { [normal.as_slice(), &normal].concat() } else { normal };
                Act::Say(act)
            });
            let sender = Sender::new(target(server.address, &json!({"connections": 1})));
            assert!(is_own(&together(&sender, &["first"]).await[0], "first"));
            let outcomes = together(&sender, &["second", "third", "fourth"]).await;
            let what = format!("{point:?} twice, refused: {refused}: {outcomes:?}");
            assert!(is_own(&outcomes[0], "second") && is_own(&outcomes[2], "fourth"), "{what}");
            match &outcomes[1][0].outcome {
                Outcome::Rejected { reply } if refused => assert_eq!(reply.text, "5.1.1 nobody", "{what}"),
                // A second 354 may be seen before the dot goes out, or only instead of its answer.
                Outcome::NotSent { .. } | Outcome::Unknown { .. } if (point, refused) == (Point::Data, false) => {}
                _ => assert!(!refused && is_own(&outcomes[1], "third"), "{what}"),
            }
            let came = server.came();
            for name in ["first", "second", "third", "fourth"] {
                let count = came.iter().filter(|one| one.accepted && one.bytes == email(name, 500) && one.recipients == to(name)).count();
                let sent = name != "third" || !matches!(outcomes[1][0].outcome, Outcome::NotSent { .. } | Outcome::Rejected { .. });
                assert_eq!(count, usize::from(sent), "{name}: {what}");
            }
        }
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
    target.timeouts.command = Duration::from_millis(300);
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
    let count = if std::env::var_os("CONSIGN_FULL").is_some() { 60_000 } else { 3000 };
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
    assert!(accepted > count / 4 && dropped > count / 20 && unknown > 0 && truth.behind > count / 10);
}
